"""A whole series at once: scans in; their places on the axis, their answers and one analysis of all out.

``run.scans`` measures the scans; all are refined together, and ``analyse.series`` follows them along the axis. Where no
standard is given but a structure is, the first scan of the series is the standard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from exafsnn.errors import ModelError, SettingsError
from exafsnn.measure.scans import measure_all
from exafsnn.records import ChiK, Lattice, Spectrum
from exafsnn.run.answers import (
    Answer,
    Ranges,
    Standards,
    check_ranges,
    finder_by,
    fitting,
    own_columns,
    refiner,
    standards_of,
    with_others,
)
from exafsnn.run.axis import TEMPERATURE, axis_of
from exafsnn.run.models import edges_named, edges_of, models
from exafsnn.run.outcomes import Outcome, chis_of, edge_of, is_left_out, once, rejected, with_answers
from exafsnn.run.reading import Reading
from exafsnn.run.scans import EAGER_BURST, measured_by_source
from exafsnn.run.structures import Given, structure_given
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Cluster, Shared, Workers, in_order

if TYPE_CHECKING:
    from exafsnn.analyse.lattice import LatticeFinder
    from exafsnn.analyse.particles import ParticleFinder
    from exafsnn.analyse.series import Series
    from exafsnn.analyse.thermal import Thermal
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.predict import Model

_Stamp = Hashable
"""What changes when a file does."""
_Progress = Callable[[list[str]], Iterable[str]]
_Answer = tuple[Outcome, Lattice | None]
KEPT = 1000
"""Samples of the RDFs of so many scans are kept: 0.25 MB each."""
_CHUNK = 512
"""Scans that are refined before the samples of the next ones are made."""
_GUEST_CHUNK = 64
"""Scans that a worker of a cluster refines at a time."""


@dataclass(frozen=True)
class _Tools:
    """What works on the scans of a series."""

    answer: Answer
    standards: Standards
    lattices: LatticeFinder | None
    """None of samples of several edges …"""
    sizes: ParticleFinder | None
    """… and without a standard."""


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
    pair: str = ""
    """The first pair of the model: its ranges are those that are named without one."""
    thermal: tuple[Thermal, ...] = ()
    """What temperature does to each phase, if it is the axis."""
    left_out: tuple[Outcome, ...] = ()
    """Files of folders that are no scans, and have no place in all that."""

    def __repr__(self) -> str:
        """One line."""
        steps = [item.at for item in self.series.transitions if item.found] if self.series else []
        told = f"transitions at {', '.join(f'{at:.4g}' for at in steps)}" if steps else "no transition"
        return f"<Course of {len(self.outcomes)} scans against {self.against}: {told}>"


def follow_records(
    records: Sequence[Spectrum | ChiK], axis: Sequence[float], *, against: str = TEMPERATURE, **asked: Any
) -> Course:
    """Analyse scans in memory of one sample along an axis: ``follow`` without files.

    Parameters
    ----------
    records
        Scans, or their χ(k), each with a source or record of its own.
    axis
        (n,) the value of each, finite: temperatures [K], times, potentials.
    against, asked
        What the axis is, and all else, as in ``Follower``.

    Raises
    ------
    SettingsError
        If there are not as many values as records, one is not finite, or two records have one name.
    ExafsnnError
        As ``Follower.follow``.
    """
    names = [(record.source or f"record {number}", record.record) for number, record in enumerate(records, start=1)]
    if len(axis) != len(records) or not all(map(math.isfinite, axis)):
        raise SettingsError(f"{len(records)} records have {len(axis)} values, or some that are none", where="axis")
    if len(set(names)) < len(names):
        remedy = 'Give each a record of its own: dataclasses.replace(scan, record="2")'
        raise SettingsError("two records have one name", where=names[0][0], remedy=remedy)
    return Follower(against=against, **asked).follow_records(records, dict(zip(names, map(float, axis), strict=True)))


def follow(sources: Iterable[str], progress: _Progress = iter, **asked: Any) -> Course:
    """Analyse the scans of one sample along an axis; all else as in ``Follower``."""
    return Follower(**asked).follow(dict.fromkeys(sources), progress)


class Follower:
    """Follows one sample: what was answered once is not computed again when scans are added.

    Parameters
    ----------
    against, values
        What the axis is (``axis.axis_of``).
    model, columns, merge, foil_columns, e0_foil, ranges, settings, workers
        As in ``run.scans.predict_scans``.
    eager
        Whether somebody waits for the first answers (``finished``): fewer scans are refined at a time, and each is told
        with its place on the axis.
    references, structure, reference_columns
        A standard, one per edge, its structure and its columns; a structure alone is that of the first scan or sample.

    Raises
    ------
    ExafsnnError
        If the model or the standard cannot be used.
    """

    def __init__(
        self,
        *,
        against: str = TEMPERATURE,
        values: str | None = None,
        model: str | None = None,
        references: Sequence[str] = (),
        structure: str | Sequence[str] | None = None,
        reference_columns: str | Sequence[str] | None = None,
        columns: str | None = None,
        merge: bool = False,
        foil_columns: str | None = None,
        e0_foil: float | None = None,
        ranges: Ranges = (),
        settings: BackgroundSettings | None = None,
        workers: Workers = 1,
        eager: bool = False,
    ) -> None:
        self._against, self._values = against, values
        if merge and (values is not None or against != TEMPERATURE):
            remedy = "Merge the repeats of each point first: exafsnn preprocess --merge --export athena"
            raise SettingsError("a series merges the repeats of each temperature only", where="--merge", remedy=remedy)
        self._reading = Reading(columns, merge, foil_columns, e0_foil, eager)
        self._reading.check()
        self._settings, self._workers = settings or BackgroundSettings(), workers
        self._structure = None if references else _of_first(structure)
        of_references = structure if references else None, reference_columns, columns
        self._standards = standards_of(references, *of_references, self._settings)
        self._reading = replace(self._reading, standards=own_columns(references, reference_columns))
        self._own_standard: tuple[str, _Stamp] | None = None
        self._standard_name, self._ranges = "", ranges
        check_ranges(ranges)
        self._model_for = models(model)
        self._tools: _Tools | None = None
        self._known: dict[tuple[str, _Stamp], list[_Answer]] = {}

    def follow(
        self, sources: Mapping[str, _Stamp], progress: _Progress = iter,
        finished: Callable[[Outcome], None] = lambda _: None, of_folders: Collection[str] = (),
    ) -> Course:  # fmt: skip
        """Analyse a series, in the order given.

        Parameters
        ----------
        sources
            Scans, each with something that changes when its file does.
        progress
            Passes on the scans that are measured.
        finished
            Told of each that is refined, or cannot be.
        of_folders
            Sources that stand for folders: what of them is no scan is left out.

        Raises
        ------
        ExafsnnError
            If the axis cannot be found, no model is of the first scan's edge, or that scan cannot be the standard.
        """
        if self._own_standard and sources.get(self._own_standard[0], self._own_standard[1]) != self._own_standard[1]:
            self._forget()
        fresh = {source: stamp for source, stamp in sources.items() if (source, stamp) not in self._known}
        measured = [
            ((source, fresh[source]), outcome)
            for source, outcome in measured_by_source(
                progress(list(fresh)), self._reading, self._settings, self._workers
            )
        ]
        scans = [item for item in measured if not is_left_out(item[1], of_folders)]
        answers = self._answers(scans, finished)  # may refuse all: then nothing is known of them
        self._known |= {key: [] for key in fresh.items()}
        for key, outcome in measured:
            if is_left_out(outcome, of_folders):
                self._known[key].append((outcome, None))
        for (key, _), answer in zip(scans, answers, strict=True):
            self._known[key].append(answer)
        every = [answer for key in sources.items() for answer in self._known[key]]
        course = self._analysed([answer for answer in every if not is_left_out(answer[0], of_folders)])
        return replace(course, left_out=tuple(of for of, _ in every if is_left_out(of, of_folders)))

    def follow_records(self, records: Sequence[Spectrum | ChiK], places: Mapping[tuple[str, str], float]) -> Course:
        """Analyse scans in memory, whose places on the axis are known by source and record, in their order."""
        found = measure_all(records, self._settings)
        measured: list[tuple[tuple[str, _Stamp], Outcome]] = []
        for (file, record), chi in zip(places, found, strict=True):
            outcome = Outcome(file, record)
            done = replace(outcome, chi=chi) if isinstance(chi, ChiK) else rejected(outcome, chi)
            measured.append(((file, None), done))
        return self._analysed(self._answers(measured, lambda _: None), places)

    def _forget(self) -> None:
        """Begin anew: the scan that was the standard is another now, and every answer came from it."""
        self._own_standard, self._tools = None, None
        self._known.clear()

    def _answers(
        self, measured: Sequence[tuple[tuple[str, _Stamp], Outcome]], finished: Callable[[Outcome], None]
    ) -> list[_Answer]:
        """The outcomes refined, and their lattices; those that the model cannot answer are rejected."""
        usable = [(key, outcome) for key, outcome in measured if outcome.usable]
        if not usable:
            return [(outcome, None) for _, outcome in measured]
        if self._tools is None:
            most = max((outcome for _, outcome in usable), key=lambda outcome: len(outcome.edges))
            self._tools = self._make_tools(*usable[0], self._model_for(chis_of(most), left=bool(most.parts)))
        named = self._model_for.name is not None
        judged = [_judged(outcome, self._tools.answer.model, named=named) for _, outcome in measured]
        before = sum(map(len, self._known.values()))
        places = self._places_so_far(judged) if self._reading.eager else {}
        answers = []
        for number, answer in enumerate(chain.from_iterable(self._refined(self._chunks(judged), self._tools)), before):
            finished(replace(answer[0], axis=places.get((answer[0].file, answer[0].record))))
            answers.append(answer if number < KEPT else (_without_samples(answer[0]), answer[1]))
        return answers

    def _chunks(self, outcomes: Sequence[Outcome]) -> Iterator[Sequence[Outcome]]:
        """Scans that are refined at a time."""
        most = _GUEST_CHUNK if isinstance(self._workers, Cluster) else _CHUNK
        size, most = (1, EAGER_BURST) if self._reading.eager else (most, most)
        start = 0
        while start < len(outcomes):
            yield outcomes[start : start + size]
            start, size = start + size, min(2 * size, most)

    def _places_so_far(self, outcomes: Sequence[Outcome]) -> dict[tuple[str, str], float]:
        """Where these are on the axis; nothing if that is not known of them, which is told when all are answered."""
        try:
            return axis_of(_by_name(outcomes), self._against, self._values)
        except SettingsError:
            return {}

    def _refined(self, chunks: Iterable[Sequence[Outcome]], tools: _Tools) -> Iterator[list[_Answer]]:
        """Refine scans, chunk by chunk, here (on all cores) or on a cluster."""
        _TOOLS[id(tools)] = tools
        try:
            tasks = ((chunk, Shared(_tools, (id(tools),))) for chunk in chunks)
            yield from in_order(_refined, tasks, self._workers if isinstance(self._workers, Cluster) else 1)
        finally:
            del _TOOLS[id(tools)]

    def _make_tools(self, key: tuple[str, _Stamp], first: Outcome, model: Model | JointModel) -> _Tools:
        """What works with the model of a series; its first scan or sample may be the standard."""
        standards = self._standards
        if self._structure and not standards:
            standards = {edge_of(chi): (chi, self._structure.of(chi)) for chi in chis_of(first)}
            self._own_standard = key
        own = edges_named(model)
        for edge, (chi, _) in standards.items():
            if edge not in own:
                reason = f"the reference is of {edge}, the series of {' and '.join(own)}"
                raise SettingsError(reason, where=chi.source, remedy="Give one of each edge of the series, or none")
        answer = refiner(model, standards, self._ranges)
        named = [f"{chi.source} ({structure})" for chi, structure in standards.values()]
        self._standard_name = " and ".join(named)
        return _Tools(answer, standards, *_finders(model, answer, standards))

    def _analysed(self, answers: Sequence[_Answer], known: Mapping[tuple[str, str], float] | None = None) -> Course:
        """Each scan in its place, which may be ``known``, and the analysis of all."""
        from exafsnn.analyse.columns import Point
        from exafsnn.analyse.series import analyse
        from exafsnn.analyse.thermal import reduced_mass, thermal_of

        outcomes = list(once(outcome for outcome, _ in answers))
        scans = _by_name(outcomes)
        there = axis_of(scans, self._against, self._values) if known is None and any(scans.values()) else {}
        places = there if known is None else {name: known[name] for name, chi in scans.items() if chi}
        placed = list(zip(outcomes, (lattice for _, lattice in answers), strict=True))
        if list(places) != [name for name, chi in scans.items() if chi]:  # by their dates; rejected ones come last
            rank = {name: number for number, name in enumerate(places)}
            placed.sort(key=lambda pair: rank.get((pair[0].file, pair[0].record), len(rank)))
        outcomes = [replace(of, axis=places[of.file, of.record]) if of.usable else of for of, _ in placed]
        lattices = tuple(lattice if of.usable else None for of, lattice in placed)
        pair = edges_of(self._tools.answer.model)[0].partials.pairs[0] if self._tools else ""
        points = [
            Point(item.axis, item.ranges(pair), lattice, item.status != "foreign", item.orders(pair), item.metal)
            for item, lattice in zip(outcomes, lattices, strict=True)
            if item.is_answered and item.axis is not None
        ]
        series = analyse(points) if points else None
        if series and self._against == TEMPERATURE and self._own_standard and points[0].axis > series.axis.min():
            said = (
                f"the standard is the first scan, at {points[0].axis:g} K: its structure has to be the one it had there"
            )
            series = replace(series, notes=(said, *series.notes))
        heated = series if self._against == TEMPERATURE else None
        thermal = thermal_of(heated, reduced_mass(pair)) if heated else ()
        return Course(tuple(outcomes), lattices, series, self._against, self._standard_name, pair, thermal)


def _by_name(outcomes: Iterable[Outcome]) -> dict[tuple[str, str], ChiK | None]:
    """χ(k) of each scan by file and record; None of those that are rejected."""
    scans: dict[tuple[str, str], ChiK | None] = {}
    for item in outcomes:
        key = item.file, item.record
        scans[key] = scans.get(key) or item.usable
    return scans


_TOOLS: dict[int, _Tools] = {}
"""What this process refines with."""


def _tools(number: int) -> _Tools:
    return _TOOLS[number]


def _refined(task: tuple[Sequence[Outcome], Shared[_Tools]]) -> list[_Answer]:
    """Worker: refine some outcomes, and find their lattices and particles."""
    outcomes, tools = task[0], task[1].value
    done = list(outcomes)
    rows = [row for row, outcome in enumerate(outcomes) if outcome.usable]
    found = tools.answer([chis_of(outcomes[row]) for row in rows]) if rows else []
    for row, each in zip(rows, found, strict=True):
        told = [with_others(prediction, tools.answer.model) for prediction in each]
        done[row] = with_answers(outcomes[row], told, tools.answer.model.name)
    alone = [row for row in rows if done[row].prediction]
    predictions = [item for item in (done[row].prediction for row in alone) if item]
    particles = tools.sizes.find(predictions) if tools.sizes else [None] * len(alone)
    for row, size in zip(alone, particles, strict=True):
        done[row] = replace(done[row], particles=size)
    return [(outcome, _lattice_of(outcome, tools)) for outcome in done]


def _lattice_of(outcome: Outcome, tools: _Tools) -> Lattice | None:
    prediction = outcome.prediction
    if tools.lattices is None or prediction is None or not prediction.in_domain:
        return None
    return tools.lattices.find(prediction.rdf, standard=bool(tools.standards))


def _finders(
    model: Model | JointModel, answer: Answer, standards: Standards
) -> tuple[LatticeFinder | None, ParticleFinder | None]:
    """What finds the lattices and the particles of scans of one edge; of several they are those of no metal."""
    from exafsnn.analyse.lattice import LatticeFinder

    if len(edges := edges_of(model)) > 1:
        return None, None
    finders = (finder_by(edges[0], answer, chi, structure) for chi, structure in standards.values())
    return LatticeFinder(edges[0]), next(filter(None, finders), None)


def _of_first(structure: str | Sequence[str] | None) -> Given | None:
    """The structure of the first scan, where there is no other standard.

    Raises
    ------
    SettingsError
        If there are several.
    """
    structures = [structure] if isinstance(structure, str) else list(structure or ())
    if len(structures) > 1:
        raise SettingsError(
            f"there are {len(structures)} structures and no references", where="--structure",
            remedy="Give the structure of the first scan alone, or a reference for each",
        )  # fmt: skip
    return structure_given(structures[0]) if structures else None


def _judged(outcome: Outcome, model: Model | JointModel, *, named: bool) -> Outcome:
    """A scan or sample, rejected if the model cannot answer it."""
    try:
        return fitting(outcome, model, named=named) if outcome.usable else outcome
    except ModelError as error:
        return rejected(outcome, error)


def _without_samples(outcome: Outcome) -> Outcome:
    prediction = outcome.prediction.without_samples() if outcome.prediction else None
    return replace(outcome, prediction=prediction, parts=tuple(map(_without_samples, outcome.parts)))
