"""Scans → a model that has adapted to them: read, measured, and learned from without labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from exafsnn.errors import SettingsError
from exafsnn.run.answers import standards_of
from exafsnn.run.models import models
from exafsnn.run.outcomes import Outcome, edge_of
from exafsnn.run.scans import measure_scans
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Tell, silent

if TYPE_CHECKING:
    from exafsnn.infer.adapt import Adapted, AdaptSettings


def adapt_scans(
    sources: Iterable[str],
    output: str | Path,
    *,
    model: str | None = None,
    references: Sequence[str] = (),
    structure: str | Sequence[str] | None = None,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    settings: BackgroundSettings | None = None,
    adapting: AdaptSettings | None = None,
    workers: int = 1,
    progress: Tell = silent,
) -> tuple[Adapted, list[Outcome]]:
    """Adapt a model to scans of one session, without knowing any RDF of them, and write it.

    Parameters
    ----------
    sources, columns, merge, foil_columns, e0_foil, settings
        As for ``measure_scans``.
    output
        Path of the adapted model.
    model
        Name or path; by default that of the edge.
    references, structure
        A standard of the session, one at most, and its structure.
    adapting
        How long and how fast it learns.

    Returns
    -------
    tuple
        What came of it, and what became of each scan: those that were not rejected are the rows of ``Adapted.before``
        and ``after``, in their order.

    Raises
    ------
    SettingsError
        If the scans are of several edges, all are rejected, or too few are left to learn from.
    ExafsnnError
        If the standard cannot be used, there is no model, or it cannot be written.
    """
    from exafsnn.infer.adapt import adapt
    from exafsnn.infer.predict import Model

    settings = settings or BackgroundSettings()
    standards = standards_of(references, structure, None, columns, settings)
    found = models(model)
    outcomes = list(
        measure_scans(
            sources, columns=columns, merge=merge, foil_columns=foil_columns, e0_foil=e0_foil, settings=settings,
            workers=workers,
        )
    )  # fmt: skip
    of_edges: dict[str, str] = {}
    scans = [outcome.chi for outcome in outcomes if outcome.chi is not None and not outcome.reason]
    for outcome in outcomes:
        if outcome.chi is not None and not outcome.reason:
            of_edges.setdefault(edge_of(outcome.chi), outcome.file)
    if len(of_edges) > 1:
        (one, first), (other, second) = list(of_edges.items())[:2]
        reason = f"{first} is of the {one} edge, {second} of {other}, and a model adapts to one"
        raise SettingsError(reason, where=second, remedy="Adapt to the scans of each edge by themselves")
    if not scans:
        raise SettingsError(outcomes[0].reason if outcomes else "there is none", where="scans", remedy="Give scans")
    by = found([scans[0]])
    if not isinstance(by, Model):
        remedy = "Give the model of one edge with --model"
        raise SettingsError(f"{by.name} is of two edges, and none such can adapt", where="--model", remedy=remedy)
    name = model or by.name
    standard = standards.get(edge_of(scans[0]), (None, None))
    if standards and standard == (None, None):
        raise SettingsError("it is of another edge than the scans", where="--reference", remedy="Give one of theirs")
    done = adapt(name, scans, output, adapting, standard=standard[0], structure=standard[1], progress=progress)
    return done, outcomes
