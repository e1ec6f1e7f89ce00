"""Answers beside shell fits: what ``refine`` says of each scan, and what larch's ``feffit`` says of its shells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from exafsnn.errors import Finding, SettingsError
from exafsnn.records import ChiK
from exafsnn.run.answers import AnswerFor
from exafsnn.run.models import edges_named, edges_of
from exafsnn.run.outcomes import Outcome, edge_of
from exafsnn.run.scans import refine_scans

if TYPE_CHECKING:
    from exafsnn.analyse.shell_fits import ShellFitter


def compare_scans(
    sources: Iterable[str],
    *,
    amplitude: float | None = None,
    most: int | None = None,
    skewed: bool = False,
    **asked: Any,
) -> Iterator[Outcome]:
    """Refine many scans, and fit the shells that each answer shows, one outcome per scan in the order given.

    Parameters
    ----------
    sources, asked
        As in ``refine_scans``, the rest by name.
    amplitude
        S₀² of the fits. None: of the fit of the reference of each edge, else what the model expects.
    most
        How many shells are fitted, the nearest first. None: those of the range ``first`` of each pair.
    skewed
        Whether the nearest shell has a third cumulant.

    Raises
    ------
    SettingsError
        As ``refine_scans``; or if S₀² is not positive, or no shell is to be fitted.
    """
    if amplitude is not None and not 0 < amplitude < math.inf:
        raise SettingsError(f"S₀² = {amplitude:g} is none", where="--s02", remedy="Give 0.7 to 1 or so")
    if most is not None and most < 1:
        raise SettingsError(f"{most} shells are none to fit", where="--shells", remedy="Give 1 or more")
    refined = refine_scans(sources, **asked)
    fitters = _Fitters(refined.by, {"amplitude": amplitude, "most": most, "skewed": skewed})
    return map(fitters.fitted, refined)


class _Fitters:
    """What fits the shells of each edge."""

    def __init__(self, by: AnswerFor, asked: Mapping[str, Any]) -> None:
        self._model_for, self._standards, self._asked = by.model_for, by.standards, asked
        self._known: dict[tuple[str, str], ShellFitter] = {}

    def fitted(self, outcome: Outcome) -> Outcome:
        """An outcome with the fits of its edges; one that cannot be fitted is told why."""
        if outcome.parts:
            return replace(outcome, parts=tuple(map(self.fitted, outcome.parts)))
        if outcome.reason or outcome.prediction is None or not outcome.prediction.in_domain:
            return outcome
        from exafsnn.analyse.shell_fits import FitError

        try:
            fit = self._of(outcome, outcome.prediction.chi)(outcome.prediction)
        except FitError as error:
            remedy = "Its answer stands by itself; other shells are fitted with --shells"
            found = Finding("no-fit", "note", f"larch's feffit of its shells: {error}", remedy=remedy)
            return replace(outcome, found=(*outcome.found, found))
        doubts = [f"{of.name}: {of.remark}" for of in fit.shells if of.remark]
        if not doubts:
            return replace(outcome, fit=fit)
        remedy = "The answer stands by itself; fit fewer shells with --shells"
        found = Finding("poor-fit", "note", f"larch's feffit says nothing of {'; '.join(doubts)}", remedy=remedy)
        return replace(outcome, fit=fit, found=(*outcome.found, found))

    def _of(self, outcome: Outcome, chi: ChiK) -> ShellFitter:
        """What fits scans of the model and edge of one; a standard that cannot be fitted is an error of each."""
        from exafsnn.analyse.shell_fits import ShellFitter

        name = self._model_for.name or outcome.model
        key = name, edge_of(chi)
        if key not in self._known:
            model = self._model_for.load(name)
            of_edge = dict(zip(edges_named(model), edges_of(model), strict=True))[key[1]]
            self._known[key] = ShellFitter(of_edge, standard=self._standards.get(key[1]), **self._asked)
        return self._known[key]
