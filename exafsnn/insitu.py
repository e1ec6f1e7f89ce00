"""A whole series at once: scans in; their places on the axis, their answers and one analysis of all out.

``pipeline`` measures the scans; all are refined together, and ``analyse.series`` follows them along the axis. Where no
standard is given but a structure is, the first scan of the series is the standard.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from exafsnn.axis import axis_of
from exafsnn.errors import ModelError, SettingsError
from exafsnn.pipeline import Outcome, chi_of, measure_scans, rejected
from exafsnn.records import ChiK, Lattice
from exafsnn.settings import BackgroundSettings

if TYPE_CHECKING:
    from exafsnn.analyse.lattice import LatticeFinder
    from exafsnn.analyse.series import Series
    from exafsnn.infer.predict import Model
    from exafsnn.infer.refine import Refiner

Stamp = Hashable
"""What changes when a file does."""
Progress = Callable[[list[str]], Iterable[str]]
_Answer = tuple[Outcome, Lattice | None]


@dataclass(frozen=True)
class Course:
    """A series, scan by scan and as a whole."""

    outcomes: tuple[Outcome, ...]
    """One for each scan, in the order given; each has its place on the axis unless it was rejected."""
    lattices: tuple[Lattice | None, ...]
    """(n,) of the outcomes; None where no lattice explains the RDF, or the scan was rejected."""
    series: Series | None
    """Of the scans that were not rejected, in their order; None if there is none."""
    against: str
    """What the axis is."""
    standard: str = ""
    """The scan that was the standard, and its structure; empty if there was none."""


def follow(sources: Iterable[str], progress: Progress = iter, **asked: Any) -> Course:
    """Analyse the scans of one sample along an axis; all else as in ``Follower``."""
    return Follower(**asked).follow(dict.fromkeys(sources), progress)


class Follower:
    """Follows one sample: what was answered once is not computed again when scans are added.

    Parameters
    ----------
    against, values
        What the axis is (``axis.axis_of``).
    model, columns, settings
        As in ``pipeline.predict_scans``.
    references, structure
        A standard and its structure; a structure alone is that of the first scan.

    Raises
    ------
    ExafsnnError
        If the model or the standard cannot be used.
    """

    def __init__(
        self,
        *,
        against: str = "temperature",
        values: str | None = None,
        model: str | None = None,
        references: Sequence[str] = (),
        structure: str | None = None,
        columns: str | None = None,
        settings: BackgroundSettings | None = None,
    ) -> None:
        if len(references) > 1:
            raise SettingsError("a series has one standard", where="--reference", remedy="Give one, or none")
        if references and structure is None:
            raise SettingsError("a reference needs its structure", remedy="Add --structure, e.g. bcc:2.8665")
        self._against, self._values = against, values
        self._columns, self._settings = columns, settings or BackgroundSettings()
        self._standard = chi_of(references[0], columns, self._settings) if references else None
        self._structure = structure
        self._standard_name = ""
        self._model = _load(model) if model else None
        self._tools: tuple[Model, Refiner, LatticeFinder] | None = None
        self._known: dict[tuple[str, Stamp], list[_Answer]] = {}

    def follow(self, sources: Mapping[str, Stamp], progress: Progress = iter) -> Course:
        """Analyse a series, in the order given.

        Parameters
        ----------
        sources
            Scans, each with something that changes when its file does.
        progress
            Passes on the scans that are measured.

        Raises
        ------
        ExafsnnError
            If the axis cannot be found, or the scans are of several edges.
        """
        fresh = {source: stamp for source, stamp in sources.items() if (source, stamp) not in self._known}
        measured = [
            ((source, fresh[source]), outcome)
            for source in progress(list(fresh))
            for outcome in measure_scans([source], columns=self._columns, settings=self._settings)
        ]
        answers = self._answers([outcome for _, outcome in measured])  # may refuse all: then nothing is known of them
        self._known |= {key: [] for key in fresh.items()}
        for (key, _), answer in zip(measured, answers, strict=True):
            self._known[key].append(answer)
        return self._analysed([answer for key in sources.items() for answer in self._known[key]])

    def _answers(self, outcomes: Sequence[Outcome]) -> list[_Answer]:
        """The outcomes refined, and their lattices; those that the model cannot answer are rejected."""
        scans = [outcome.chi for outcome in outcomes if _usable(outcome) and outcome.chi]
        if not scans:
            return [(outcome, None) for outcome in outcomes]
        if self._tools is None:
            self._tools = self._make_tools(scans)
        model, refiner, finder = self._tools
        judged = [_judged(outcome, model) for outcome in outcomes]
        found = iter(refiner.refine_all([outcome.chi for outcome in judged if _usable(outcome) and outcome.chi]))
        answers: list[_Answer] = []
        for outcome in judged:
            if not _usable(outcome):
                answers.append((outcome, None))
                continue
            prediction = next(found)
            lattice = finder.find(prediction.rdf) if prediction.in_domain else None
            answers.append((replace(outcome, prediction=prediction, model=model.name), lattice))
        return answers

    def _make_tools(self, scans: Sequence[ChiK]) -> tuple[Model, Refiner, LatticeFinder]:
        """The model of the scans' edge, and what works with it; the first scan may be the standard."""
        from exafsnn.analyse.lattice import LatticeFinder
        from exafsnn.infer.refine import Refiner

        model = self._model or _load(_edge_of(scans).replace(" ", "-").lower())
        standard = self._standard or (scans[0] if self._structure else None)
        if standard:
            self._standard_name = f"{standard.source} ({self._structure})"
        return model, Refiner(model, standard, self._structure), LatticeFinder(model)

    def _analysed(self, answers: Sequence[_Answer]) -> Course:
        """Each scan in its place, and the analysis of all."""
        from exafsnn.analyse.series import Point, analyse

        scans = {(item.file, item.record): item.chi for item, _ in answers if _usable(item) and item.chi is not None}
        if scans and self._model is None:
            _edge_of(list(scans.values()))
        places = axis_of(scans, self._against, self._values) if scans else {}
        outcomes = tuple(replace(item, axis=places.get((item.file, item.record))) for item, _ in answers)
        lattices = tuple(lattice for _, lattice in answers)
        points = [
            Point(item.axis, item.prediction.shells, lattice, item.prediction.in_domain)
            for item, lattice in zip(outcomes, lattices, strict=True)
            if item.prediction is not None and item.axis is not None
        ]
        return Course(outcomes, lattices, analyse(points) if points else None, self._against, self._standard_name)


def _usable(outcome: Outcome) -> bool:
    return outcome.chi is not None and outcome.status != "rejected"


def _judged(outcome: Outcome, model: Model) -> Outcome:
    """A scan, rejected if the model cannot answer it."""
    if outcome.chi is None or not _usable(outcome):
        return outcome
    try:
        model.check(outcome.chi)
    except ModelError as error:
        return rejected(outcome, error)
    return outcome


def _edge_of(scans: Sequence[ChiK]) -> str:
    """The scans' one edge.

    Raises
    ------
    SettingsError
        If there are several.
    """
    edges = sorted({f"{chi.absorber} {chi.edge}" for chi in scans})
    if len(edges) > 1:
        raise SettingsError(
            f"the scans are of the edges {', '.join(edges)}", where="SCANS", remedy="Give the scans of one edge"
        )
    return edges[0]


def _load(name: str) -> Model:
    from exafsnn.infer.predict import load_model

    return load_model(name)
