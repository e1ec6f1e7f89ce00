"""The whole way, for many scans: file → Spectrum → ChiK → Prediction, each scan's fate in one ``Outcome``.

The command line and interactive users call this; it calls ``read``, ``measure`` and ``infer``, burst by burst: what is
in a burst is measured together and answered together, be it one scan or many. A scan that cannot be used is an outcome
like any other, with the reason, and never stops the rest.
"""

from __future__ import annotations

import json
import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ModelError, ScanError, SettingsError
from exafsnn.files import Stamp, stamp_of
from exafsnn.measure.gate import Known
from exafsnn.measure.scans import Stack, StackChiK, measure_stack
from exafsnn.records import ChiK, Estimate, Order, Prediction, Shell, Spectrum
from exafsnn.run.repeats import Repeats
from exafsnn.run.samples import scans_of, split_name
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Cluster, Shared, Workers, are_many, in_order

if TYPE_CHECKING:
    from exafsnn.analyse.particles import ParticleFinder, Particles
    from exafsnn.infer.answers import Answers
    from exafsnn.infer.estimates import Reference
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.predict import Model

BURST, _POINTS = 256, 400_000
"""Most scans that are worked on at a time, and points that they have together: 100 MB with what is made of them."""


_MANY_FILES, _FIRST_FILES, _FILES_AT_A_TIME = 200, 16, 120
"""So many files are measured by worker processes: the first here, then each so many at a time …"""

_SMALL = 1 << 20
"""… and if they are no larger [bytes]: what is may hold very many scans, which are measured as they are read."""

_OfPair = TypeVar("_OfPair", Shell, Order)
_ALIKE = 5.0
"""Temperatures [K] at which the edges of one sample may be measured and answered as one."""

_GUEST_BURST = 64
"""Scans that a worker of a cluster measures and answers at a time."""


@dataclass(frozen=True)
class Outcome:
    """What became of one scan, or of the scans of one sample at several edges."""

    file: str
    """The file, as its user named it."""
    record: str = ""
    """The record within a multi-record file, else empty."""
    chi: ChiK | None = None
    prediction: Prediction | None = None
    model: str = ""
    """Name of the model that was used."""
    particles: Particles | None = None
    """What N says of their size, where there is a standard."""
    axis: float | None = None
    """Place in a series, where the scan is of one."""
    reason: str = ""
    """Why the scan was rejected; empty if it was not."""
    found: tuple[Finding, ...] = ()
    """What had been found when the scan was rejected."""
    defect: str = ""
    """Traceback, where the fault is ours."""
    stamp: Stamp | None = field(default=None, compare=False, repr=False)
    """Of the file, when it was read."""
    parts: tuple[Outcome, ...] = ()
    """Of a sample what became of the scan of each edge: file, χ and answer are theirs. Empty of a scan alone."""

    @property
    def edges(self) -> tuple[Outcome, ...]:
        """The outcome of each edge that can be used; a scan alone is its own."""
        return () if self.reason else tuple(part for part in self.parts or (self,) if part.chi and not part.reason)

    @property
    def usable(self) -> ChiK | None:
        """χ(k), of a sample that of its first edge; None if it was rejected."""
        return next((edge.chi for edge in self.edges), None)

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer."""
        return any(edge.prediction for edge in self.edges)

    @property
    def edge(self) -> str:
        """``"Fe K"``, of a sample ``"Zn K+Se K"``: what is known of it."""
        return "+".join(edge_of(part.chi) for part in self.parts or (self,) if part.chi)

    def shells(self, first: str) -> Mapping[str, Shell]:
        """Those of all edges by name of the range: ``"first"`` of the ``first`` pair, ``"first Se-Zn"`` of another."""
        return self._by_range(first, lambda prediction: prediction.shells)

    def orders(self, first: str) -> Mapping[str, Order]:
        """Who neighbours whom, by the same names."""
        return self._by_range(first, lambda prediction: prediction.orders)

    def _by_range(self, first: str, of: Callable[[Prediction], Mapping[str, _OfPair]]) -> dict[str, _OfPair]:
        found: dict[str, _OfPair] = {}
        for edge in self.edges:
            for name, item in of(edge.prediction).items() if edge.prediction else ():
                plain = name.removesuffix(f" {item.pair}")
                found[plain if item.pair == first else f"{plain} {item.pair}"] = item
        return found

    @property
    def metal(self) -> Estimate | None:
        """Share of the absorbers in a metal, of a scan alone."""
        return self.prediction.metal if self.prediction else None

    @property
    def status(self) -> str:
        """``"ok"``, ``"warned"``, ``"foreign"`` (what the model cannot know) or ``"rejected"``."""
        if self.reason:
            return "rejected"
        if any(edge.prediction and not edge.prediction.in_domain for edge in self.edges):
            return "foreign"
        return "warned" if self.warnings else "ok"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that was found doubtful on the way, each once; of a rejected scan all that was fatal, in one text."""
        if self.reason:
            return (self.reason,)
        if self.parts:
            return tuple(dict.fromkeys(item.sentence for item in self.findings if item.severity == "warning"))
        found = [item for item in (*self.found, *(self.chi.findings if self.chi else ())) if item.severity == "warning"]
        told = [item.sentence for item in found]
        return tuple(dict.fromkeys([*told, *(self.prediction.warnings if self.prediction else ())]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, notes too, each once; where none says why a scan was rejected, its reason is one."""
        answered = self.prediction.findings if self.prediction else ()
        measured = self.chi.findings if self.chi else ()
        known = dict.fromkeys([*self.found, *measured, *answered, *_of_parts(self.parts)])
        if self.particles:
            known[self.particles.finding] = None
        if self.reason and all(finding.severity != "fatal" for finding in known):
            known[Finding("rejected", "fatal", self.reason)] = None
        return tuple(known)


def _of_parts(parts: Sequence[Outcome]) -> Iterator[Finding]:
    """What was found of the edges of a sample: what all of them tell alike once, all else with its edge."""
    used = [part for part in parts if not part.reason]
    alike = set(used[0].findings).intersection(*(part.findings for part in used)) if used else set()
    for part in parts:
        if part.reason:
            yield Finding("left-out", "warning", f"{_name(part)} is left out: {part.reason}")
        else:
            yield from (
                item if item in alike else replace(item, message=f"{part.edge}: {item.message}")
                for item in part.findings
            )


def _sample(name: str, parts: Sequence[Outcome]) -> Outcome:
    """What became of the scans of one sample so far: those that cannot be used are left out."""
    sample = _with_parts(Outcome(name), parts)
    known = {edge.chi.temperature for edge in sample.edges if edge.chi and edge.chi.temperature is not None}
    if known and max(known) - min(known) > _ALIKE:
        said = f"its edges were measured at {' and '.join(f'{value:g}' for value in sorted(known))} K"
        found = Finding("edges-apart", "warning", said, remedy="One answer to both needs one state of the sample")
        return replace(sample, found=(found,))
    return sample


def _with_parts(sample: Outcome, parts: Sequence[Outcome]) -> Outcome:
    """A sample with these scans; it is rejected if none of them can be used."""
    defects = "\n".join(part.defect for part in parts if part.defect)
    reasons = "; ".join(f"{_name(part)}: {part.reason}" for part in parts)
    return replace(sample, parts=tuple(parts), defect=defects, reason=reasons if all(p.reason for p in parts) else "")


def _name(outcome: Outcome) -> str:
    return f"{outcome.file}::{outcome.record}" if outcome.record else outcome.file


def measure_scans(
    sources: Iterable[str],
    *,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
) -> Iterator[Outcome]:
    """Turn scans into χ(k), one outcome per scan in the order given; a file given twice is measured once.

    Parameters
    ----------
    sources
        Files, or ``file::record``; a multi-record file without a name stands for all its records.
    columns
        Where the columns are, e.g. ``"energy=1,i0=2,it=3"``; None: found in each file.
    settings
        Background removal; ``kmax`` also bounds the usable range of χ(k) files.
    workers
        Processes that read, where there are many files. With more than one the program has to be one that may be
        imported: ``if __name__ == "__main__":`` before what it does. Or a cluster, which measures and answers what
        this process reads.
    done
        How many scans of each file and record are passed over: an earlier run did them (``write.results``).

    Raises
    ------
    SettingsError
        If ``columns`` cannot be understood.
    """
    _check_columns(columns)
    bursts = _bursts(sources, columns, settings or BackgroundSettings(), workers, done)
    return once((outcome for burst in bursts for _, outcome in burst), done)


def predict_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | Sequence[str] | None = None,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
) -> Iterator[Outcome]:
    """Predict the RDFs of many scans, one outcome per scan in the order given.

    Models and references are loaded before this returns, the scans when their outcomes are asked for.

    Parameters
    ----------
    sources, columns, settings, workers, done
        As in ``measure_scans``.
    model
        Name or path of the model; None: each scan's own by element and edge.
    references
        Scans of a standard of known ``structure``, at most one per edge: they fix energy shift and amplitude.
    structure
        ``"bcc:2.8665"``, … or a file: of all of them, or as many as there are references, in their order.

    Raises
    ------
    ExafsnnError
        If the named model or a reference cannot be used.
    """
    return _answer_all(sources, predictor, model, references, structure, columns, settings, workers, done)


def refine_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | Sequence[str] | None = None,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
) -> Iterator[Outcome]:
    """Predict the RDFs of many scans, then improve each against its data; all else as ``predict_scans``.

    With a reference the smooth errors of the theory are found, too, and taken out (``infer.theory``).
    """
    return _answer_all(sources, refiner, model, references, structure, columns, settings, workers, done)


Sample = Sequence[ChiK]
"""χ(k) of one scan, or of each edge of a sample that was measured at several."""
Standards = Mapping[str, tuple[ChiK, str]]
"""By edge, ``"Fe K"``: a scan of known structure, and that."""


class Answer(Protocol):
    """What answers to samples of one model, with standards or without any."""

    @property
    def model(self) -> Model | JointModel:
        """Whose answers they are."""

    def __call__(self, samples: Sequence[Sample], /) -> Sequence[Sequence[Prediction]]:
        """The answers to samples that the model can answer: one for each of their edges."""


Answerer = Callable[["Model | JointModel", Standards], Answer]
"""From a model, and the standards at its edges, to what answers."""


@dataclass(frozen=True)
class _OneEdge:
    """What answers to scans of one edge."""

    model: Model
    answers: Callable[[Sequence[ChiK]], list[Prediction]]

    def __call__(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        from exafsnn.analyse.order import ordered

        return [ordered([prediction], [self.model]) for prediction in self.answers([chi for (chi,) in samples])]


@dataclass(frozen=True)
class _Edges:
    """What answers to samples of several edges."""

    model: JointModel
    answers: Callable[[Sequence[Sample]], list[list[Prediction]]]

    def __call__(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        from exafsnn.analyse.order import ordered

        own = dict(zip(edges_named(self.model), self.model.edges, strict=True))
        return [
            ordered(found, [own[edge_of(each.chi)] for each in found], tied=True) for found in self.answers(samples)
        ]


def predictor(model: Model | JointModel, standards: Standards) -> Answer:
    """What predicts, with what a model counts of standards."""
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.reference import calibrate

    references = [calibrate(edge, *standard) if standard else None for edge, standard in _by_edge(model, standards)]
    if isinstance(model, JointModel):
        return _Edges(model, partial(model.predict_all, references=references))
    return _OneEdge(model, partial(model.predict_all, reference=references[0]))


def refiner(model: Model | JointModel, standards: Standards) -> Answer:
    """What refines, with what a fit of standards tells."""
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.joint_refine import JointRefiner
    from exafsnn.infer.refine import Refiner

    each = [standard for _, standard in _by_edge(model, standards)]
    if isinstance(model, JointModel):
        return _Edges(model, JointRefiner(model, each).refine_all)
    return _OneEdge(model, Refiner(model, *(each[0] or ())).refine_all)


def _by_edge(model: Model | JointModel, standards: Standards) -> list[tuple[Model, tuple[ChiK, str] | None]]:
    """The models of the edges, each with its standard."""
    named = zip(edges_of(model), edges_named(model), strict=True)
    return [(edge, standards.get(name)) for edge, name in named]


def edges_of(model: Model | JointModel) -> tuple[Model, ...]:
    """The models of each edge; that of one edge is its own."""
    from exafsnn.infer.joint import JointModel

    return model.edges if isinstance(model, JointModel) else (model,)


def edges_named(model: Model | JointModel) -> list[str]:
    """Their names: ``"Zn K"``, ``"Se K"``."""
    return [f"{edge.absorber} {edge.edge}" for edge in edges_of(model)]


def _answer_all(
    sources: Iterable[str],
    answerer: Answerer,
    model: str | None,
    references: Iterable[str],
    structure: str | Sequence[str] | None,
    columns: str | None,
    settings: BackgroundSettings | None,
    workers: Workers,
    done: Mapping[tuple[str, str], int] | None,
) -> Iterator[Outcome]:
    settings = settings or BackgroundSettings()
    _check_columns(columns)
    model_for = models(model)
    standards = standards_of(list(references), structure, columns, settings)
    answer_for = _AnswerFor(model_for, answerer, standards, {})
    finders = _calibrated(answer_for)
    if answerer is not predictor and not isinstance(workers, Cluster):
        workers = 1  # what refines takes all cores itself
    bursts = _bursts(sources, columns, settings, workers, done, answer_for)
    idle = {edge: chi.source for edge, (chi, _) in standards.items()}
    served = bursts if done else _served(bursts, idle)  # who asks the edge of a scan that is done?
    outcomes = (_sized(answered([item for _, item in burst], answer_for), finders) for burst in served)
    return once(_beside_repeats(chain.from_iterable(outcomes)), done)


def _beside_repeats(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Pass outcomes on, with a note where a scan differs from its repeat."""
    repeats = Repeats()
    for outcome in outcomes:
        told = [repeats.note(edge.file, edge.record, edge.prediction) for edge in outcome.edges if edge.prediction]
        notes = [note for note in told if note]
        yield replace(outcome, found=(*outcome.found, *notes)) if notes else outcome


def _served(bursts: Iterable[_Burst], idle: Mapping[str, str]) -> Iterator[_Burst]:
    """Pass bursts on, the last one not before it is known whether each standard is of a scan's edge.

    ``idle`` are the standards by their edges.

    Raises
    ------
    SettingsError
        If a standard is of another edge than every scan, and all of these can be read: then it serves none.
    """
    seen: set[str] = set()
    before: _Burst | None = None
    whole = True
    for burst in bursts:
        if before is not None:
            yield before
        scans = [part for _, outcome in burst for part in outcome.parts or (outcome,)]
        seen.update(edge_of(scan.chi) for scan in scans if scan.chi)
        whole = whole and all(scan.chi for scan in scans)  # what cannot be read may be of any edge
        before = burst
    for edge, source in idle.items():
        if seen and edge not in seen:
            reason = f"the reference is of {edge}, the scans are of {', '.join(sorted(seen))}: it serves none of them"
            if whole:
                remedy = "Give a reference of the scans' own element and edge"
                raise SettingsError(reason, where=source, remedy=remedy)
            found = Finding("idle-reference", "warning", f"{source}: {reason}", remedy="Look at the scans of that edge")
            before = [(name, replace(item, found=(*item.found, found))) for name, item in before or []]
    if before is not None:
        yield before


def edge_of(chi: ChiK) -> str:
    """``"Fe K"``."""
    return f"{chi.absorber} {chi.edge}"


def _check_columns(columns: str | None) -> None:
    """Tell wrong ``columns`` at once."""
    if columns is not None:
        from exafsnn.read.roles import parse_columns

        parse_columns(columns)


_Scan = tuple[str, "Stamp | None", "Spectrum | ChiK | Exception"]
"""The name of a scan, the file's stamp, and what was read or why it was not."""
_Read = tuple[str, str, tuple[_Scan, ...]]
"""The source that was asked for, the name of a scan or sample in it, and its scans: of a sample that of each edge."""

_Burst = list[tuple[str, Outcome]]
"""Scans that were measured together, each with the source that was asked for."""


@dataclass(frozen=True)
class _AnswerFor:
    """From a sample to what answers it."""

    model_for: Models
    answerer: Answerer
    standards: Standards
    answers: dict[str, Answer | ExafsnnError]
    """What is there already, by name of the model; or why it can answer nothing."""

    def __call__(self, sample: Sample, left: bool = False) -> Answer:
        """What answers; ``left`` says that it is all that is left of a sample of several edges."""
        return self.of(self.model_for(sample, left))

    def of(self, model: Model | JointModel) -> Answer:
        """What answers by one model."""
        if model.name not in self.answers:
            try:
                self.answers[model.name] = self.answerer(model, self.standards)
            except ExafsnnError as error:  # once is enough, for as many samples as there may be
                self.answers[model.name] = error
        found = self.answers[model.name]
        if isinstance(found, ExafsnnError):
            raise found
        return found


_Knowledge = tuple[Known, "_AnswerFor | None"]
"""What was learned of the scans of a run, and what answers them."""

_SHARED: dict[int, _Knowledge] = {}
"""What this process knows of each run, for workers: those that are copies of it, and those of a cluster."""


def _shared(number: int) -> _Knowledge:
    """What is known of a run; a fresh process begins with nothing."""
    return _SHARED.setdefault(number, (Known(), None))


def _bursts(
    sources: Iterable[str],
    columns: str | None,
    settings: BackgroundSettings,
    workers: Workers,
    done: Mapping[tuple[str, str], int] | None = None,
    answer_for: _AnswerFor | None = None,
) -> Iterator[_Burst]:
    """Measure the scans of all sources, each once; many small files in worker processes.

    Those may answer, too. The first files are measured here: workers that are copies of this process begin with what
    was learned of them.
    """
    known, left = Known(), Counter(done or ())
    waiting = (source for source in dict.fromkeys(sources) if not _passed_over(split_name(source), left))
    number = id(known)
    _SHARED[number] = known, answer_for
    try:
        if isinstance(workers, Cluster):
            yield from _guest_bursts(waiting, columns, settings, left, workers, number)
        else:
            yield from _own_bursts(waiting, columns, settings, left, workers, number)
    finally:
        del _SHARED[number]


def _guest_bursts(
    sources: Iterable[str],
    columns: str | None,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    cluster: Cluster,
    number: int,
) -> Iterator[_Burst]:
    """Let a cluster measure and answer what is read here.

    The first scans are measured here: then the models that answer them are known, and go with all else.
    """
    bursts = _read_bursts(sources, columns, settings, left, _GUEST_BURST)
    for first in islice(bursts, 1):
        yield _measured(first, settings, _SHARED[number][0])
    tasks = ((tuple(burst), settings, Shared(_shared, (number,))) for burst in bursts)
    yield from in_order(_measured_and_answered, tasks, cluster, partial(_one_by_one, _measured_and_answered, cluster))


def _own_bursts(
    sources: Iterable[str],
    columns: str | None,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    workers: Workers,
    number: int,
) -> Iterator[_Burst]:
    """Measure here, burst by burst; many small files in worker processes."""
    known = _SHARED[number][0]
    for small, run in groupby(sources, lambda source: are_many(workers) and _is_small(source)):
        first = list(islice(run, _MANY_FILES if small else 0))
        many, every = len(first) == _MANY_FILES, chain(first, run)  # noqa: B031 (the first were taken to count them)
        yield from _measured_bursts(islice(every, _FIRST_FILES) if many else every, columns, settings, known, left)
        if not many:
            continue
        tasks = ((part, columns, settings, number) for part in _batched(every, _FILES_AT_A_TIME))
        for burst in in_order(_measured_files, tasks, workers, partial(_one_by_one, _measured_files, workers)):
            yield [item for item in burst if not (item[1].record and _passed_over(_key(item[1]), left))]


def _one_by_one(work: Callable[[Any], _Burst], workers: Workers, task: tuple[Any, ...], reason: str) -> _Burst:
    """What stands for scans of which workers died: each alone, and the one that they die of is rejected."""
    items, *rest = task
    if len(items) > 1:
        alone = [((item,), *rest) for item in items]
        return list(chain.from_iterable(in_order(work, alone, workers, partial(_one_by_one, work, workers))))
    source, name = (items[0], items[0]) if isinstance(items[0], str) else items[0][:2]
    error = ScanError(reason, remedy="Is it far larger than the others? Look at it alone")
    return [(source, rejected(Outcome(*split_name(name)), error))]


def _is_small(source: str) -> bool:
    """Whether a source is a file of one scan or a few, or some such files."""
    from exafsnn.read.sources import split_source

    stamps = [stamp_of(split_source(scan)[0]) for scan in scans_of(source)]
    return all(stamp is None or stamp[0] <= _SMALL for stamp in stamps)  # one that is not there is refused as quickly


def _passed_over(key: tuple[str, str], left: Counter[tuple[str, str]]) -> bool:
    """Whether a scan of this file and record is one of those that are done; it is counted off."""
    if not left or not left[key]:
        return False
    left[key] -= 1
    return True


def _key(outcome: Outcome) -> tuple[str, str]:
    return outcome.file, outcome.record


def _batched(items: Iterable[str], size: int) -> Iterator[tuple[str, ...]]:
    """Items in groups of a size; the last may be smaller."""
    left = iter(items)
    while group := tuple(islice(left, size)):
        yield group


_Task = tuple[Sequence[str], "str | None", BackgroundSettings, int]
"""Sources, columns, settings, and the number of what is shared."""


def _measured_files(task: _Task) -> _Burst:
    """Worker: measure the scans of some files and, if this process is a copy of the run, answer them."""
    sources, columns, settings, number = task
    known, answer_for = _shared(number)
    burst = [item for part in _measured_bursts(sources, columns, settings, known, Counter()) for item in part]
    return _with_answers(burst, answer_for)


def _measured_and_answered(task: tuple[Sequence[_Read], BackgroundSettings, Shared[_Knowledge]]) -> _Burst:
    """Worker of a cluster: measure what was read, and answer it."""
    reads, settings, knowledge = task
    known, answer_for = knowledge.value
    return _with_answers(_measured(reads, settings, known), answer_for)


def _with_answers(burst: _Burst, answer_for: _AnswerFor | None) -> _Burst:
    """Answer scans, if it is known how."""
    if answer_for is None:
        return burst
    found = answered([outcome for _, outcome in burst], answer_for)
    return [(source, outcome) for (source, _), outcome in zip(burst, found, strict=True)]


def _measured_bursts(
    sources: Iterable[str],
    columns: str | None,
    settings: BackgroundSettings,
    known: Known,
    left: Counter[tuple[str, str]],
) -> Iterator[_Burst]:
    """Read and measure the scans of some sources, burst by burst, but for those of ``left``."""
    for burst in _read_bursts(sources, columns, settings, left, BURST):
        yield _measured(burst, settings, known)


def _read_bursts(
    sources: Iterable[str],
    columns: str | None,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    size: int,
) -> Iterator[list[_Read]]:
    """Read the scans of some sources, so many at most at a time, but for those of ``left``."""
    from exafsnn.read.sources import split_source

    burst: list[_Read] = []
    points = 0
    for item in _read(sources, columns, settings.e0):
        if item[0] != item[1] and _passed_over(split_source(item[1]), left):
            continue
        burst.append(item)
        points += sum(len(found.energy) for *_, found in item[2] if isinstance(found, Spectrum))
        if len(burst) >= size or points >= _POINTS:
            yield burst
            burst, points = [], 0
    if burst:
        yield burst


def _read(sources: Iterable[str], columns: str | None, e0: float | None) -> Iterator[_Read]:
    """Read every scan of some sources."""
    from exafsnn.read.scan import read_all
    from exafsnn.read.sources import split_source

    for source in sources:
        scans = scans_of(source)
        if len(scans) > 1:
            yield source, source, tuple(_read_edge(scan, columns, e0) for scan in scans)
            continue
        stamp = stamp_of(split_source(source)[0])
        for name, item in read_all(source, columns=columns, e0=e0):
            yield source, name, ((name, stamp, item),)


def _read_edge(source: str, columns: str | None, e0: float | None) -> _Scan:
    """Read the scan of one edge of a sample."""
    from exafsnn.read.scan import read_one
    from exafsnn.read.sources import split_source

    stamp = stamp_of(split_source(source)[0])
    try:
        return source, stamp, read_one(source, columns=columns, e0=e0)
    except Exception as error:
        return source, stamp, error


def _measured(burst: Sequence[_Read], settings: BackgroundSettings, known: Known) -> _Burst:
    """Carry what was read on to χ(k)."""
    from exafsnn.measure.scans import measure_all

    measured = iter(measure_all([item for *_, scans in burst for *_, item in scans], settings, known))
    found = []
    for source, name, scans in burst:
        parts = [_so_far(scan, stamp, next(measured)) for scan, stamp, _ in scans]
        found.append((source, _sample(name, parts) if len(parts) > 1 else parts[0]))
    return found


def _so_far(name: str, stamp: Stamp | None, chi: ChiK | Exception) -> Outcome:
    """What became of a scan that was measured."""
    from exafsnn.read.sources import split_source

    outcome = Outcome(*split_source(name), stamp=stamp)
    return replace(outcome, chi=chi) if isinstance(chi, ChiK) else rejected(outcome, chi)


def measured_by_source(
    sources: Iterable[str], columns: str | None, settings: BackgroundSettings, workers: Workers
) -> Iterator[tuple[str, Outcome]]:  # fmt: skip
    """``measure_scans``, each outcome with the source that it is of."""
    return chain.from_iterable(_bursts(sources, columns, settings, workers))


def once(outcomes: Iterable[Outcome], done: Iterable[tuple[str, str]] | None = None) -> Iterator[Outcome]:
    """The outcomes; those of a file and name that came before, or were ``done``, are rejected."""
    seen = set(done or ())
    for outcome in outcomes:
        key = (outcome.file, outcome.record)
        twice = Outcome(*key, reason="a scan of this file and name came before. Give each scan its own name")
        yield twice if key in seen else outcome
        seen.add(key)


def chi_of(source: str, columns: str | None, settings: BackgroundSettings) -> ChiK:
    """Read one scan and bring it to χ(k), fit for use.

    Raises
    ------
    ScanError
        If it cannot be read or used.
    """
    from exafsnn.measure.scans import measure_all
    from exafsnn.read.scan import read_one

    (chi,) = measure_all([read_one(source, columns=columns, e0=settings.e0)], settings)
    if isinstance(chi, Exception):
        raise chi
    return chi


def standards_of(
    references: Sequence[str],
    structure: str | Sequence[str] | None,
    columns: str | None,
    settings: BackgroundSettings,
) -> Standards:
    """The standards by their edges.

    Raises
    ------
    SettingsError
        If there are references and no structure, another number of structures than references, one that is not
        understood, or two references of one edge.
    ScanError
        If one cannot be read or used.
    """
    from exafsnn.infer.structure import parse_structure

    structures = [structure] if isinstance(structure, str) else list(structure or ())
    if references and not structures:
        raise SettingsError("a reference needs its structure", remedy="Add --structure, e.g. bcc:2.8665")
    if len(structures) > 1 and len(structures) != len(references):
        raise SettingsError(
            f"there are {len(structures)} structures of {len(references)} references", where="--structure",
            remedy="Give one for all references, or one for each, in their order",
        )  # fmt: skip
    for item in structures if references else ():
        parse_structure(item)
    found: dict[str, tuple[ChiK, str]] = {}
    for number, source in enumerate(references):
        chi = chi_of(source, columns, settings)
        if edge_of(chi) in found:
            raise SettingsError(f"two references of the {edge_of(chi)} edge", remedy="Give one per edge")
        found[edge_of(chi)] = chi, structures[number % len(structures)]
    return found


def models(name: str | None) -> Models:
    """Make what finds the model of a sample; each is loaded once.

    By default it is that of its edge, the user's own before the shipped one; of several edges the joint one of these.

    Raises
    ------
    ModelError
        If there is no model of that name, or it is damaged.
    """
    found = Models(name, {})
    if name is not None:
        found.load(name)
    return found


@dataclass(frozen=True)
class Models:
    """The models of a run, which travel with those that it has loaded."""

    name: str | None
    loaded: dict[str, Model | JointModel]

    def load(self, name: str) -> Model | JointModel:
        """A model by name."""
        from exafsnn.infer.joint import load_any

        if name not in self.loaded:
            self.loaded[name] = load_any(name)
        return self.loaded[name]

    def __call__(self, sample: Sample, left: bool = False) -> Model | JointModel:
        """The model of a scan, or of the scans of a sample.

        Parameters
        ----------
        sample
            χ(k) of each edge.
        left
            Whether it is all that is left of a sample of several edges.

        Raises
        ------
        ModelError
            If there is none.
        """
        edges = [edge_of(chi) for chi in sample]
        if self.name is not None:
            return _for_edges(self.load(self.name), edges)
        if len(edges) > 1:
            return self._joint_of(edges)
        fits = self.joint_with(edges[0]) if left else []
        return _for_edges(fits[0], edges) if len(fits) == 1 else self._usual(edges[0])

    def _usual(self, edge: str) -> Model | JointModel:
        """The model that bears the name of an edge."""
        from exafsnn.learn.model_file import known_models

        name = edge.replace(" ", "-").lower()
        if name not in self.loaded and name not in known_models():
            others = [other.name for other in self._known() if edge in edges_named(other)]
            if others:
                remedy = f"Models of {edge} are {', '.join(others)}: name one with --model"
                raise ModelError(f"no model is called {name}", remedy=remedy)
        return self.load(name)

    def of_standard(self, chi: ChiK) -> Model | JointModel:
        """The model that learns from a standard: the one that was named, else that of its edge."""
        return self.load(self.name) if self.name is not None else self([chi])

    def joint_with(self, edge: str) -> list[JointModel]:
        """The joint models of which one edge is this."""
        return [model for model in self._known_joint() if edge in model.names]

    def _joint_of(self, edges: list[str]) -> JointModel:
        """The joint model of some edges."""
        if len(set(edges)) < len(edges):
            raise ModelError(
                f"the sample has {' and '.join(edges)}: one edge twice",
                remedy="Join one scan of each edge; give repeats as scans of their own",
            )  # fmt: skip
        known = self._known_joint()
        fits = [model for model in known if set(model.names) == set(edges)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            several = ", ".join(model.name for model in fits)
            raise ModelError(f"{several} are models of {' and '.join(edges)}", remedy="Name one with --model")
        there = ", ".join(f"{model.name} ({'+'.join(model.names)})" for model in known) or "none"
        raise ModelError(
            f"no model is of {' and '.join(edges)} together",
            remedy=f"Joint models: {there}. Make one of its structure (exafsnn make with edges = {json.dumps(edges)},"
            " docs/edges.md), or give the scans one by one",
        )

    def _known_joint(self) -> list[JointModel]:
        """All joint models that can be used."""
        from exafsnn.infer.joint import JointModel
        from exafsnn.learn.joint_file import is_joint

        return [model for model in self._known(is_joint) if isinstance(model, JointModel)]

    def _known(self, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Model | JointModel]:
        """All models that can be used; who names one that is damaged is told."""
        from exafsnn.learn.model_file import known_models

        for name in known_models():
            with suppress(ModelError):
                if wanted(name):
                    yield self.load(name)


def _for_edges(model: Model | JointModel, edges: Sequence[str]) -> Model | JointModel:
    """A model, or the one of a single edge in it.

    Raises
    ------
    ModelError
        If it is not of these edges.
    """
    own = dict(zip(edges_named(model), edges_of(model), strict=True))
    if len(edges) == 1 and len(own) > 1 and edges[0] in own:
        return own[edges[0]]
    if len(edges) > 1 and len(own) == 1:
        raise ModelError(
            f"the model {model.name} is for {next(iter(own))} alone, the sample has {' and '.join(edges)}",
            remedy="Give a joint model of these edges with --model, or the scans one by one",
        )
    return model


def _calibrated(answer_for: _AnswerFor) -> dict[str, ParticleFinder]:
    """What finds particles by the answer to the standard of each edge, by name of the model.

    Raises
    ------
    ExafsnnError
        If a standard cannot be used: that concerns every scan. Where its edge is one of joint models only, it is the
        samples that are told.
    """
    found: dict[str, ParticleFinder] = {}
    for chi, structure in answer_for.standards.values():
        try:
            answer = answer_for.of(answer_for.model_for.of_standard(chi))
        except ModelError:
            joint = answer_for.model_for.joint_with(edge_of(chi))
            if not joint:
                raise
            if len(joint) == 1:
                answer_for.of(joint[0])
            continue
        if isinstance(answer, _OneEdge):
            from exafsnn.analyse.particles import ParticleFinder

            found[answer.model.name] = ParticleFinder(answer.model, structure, answer([[chi]])[0][0])
    return found


def _sized(outcomes: Sequence[Outcome], finders: Mapping[str, ParticleFinder]) -> list[Outcome]:
    """The outcomes, with the particles of those whose edge has a standard."""
    done = list(outcomes)
    for name, finder in finders.items():
        of = [(row, item.prediction) for row, item in enumerate(done) if item.prediction and item.model == name]
        found = finder.find([prediction for _, prediction in of])
        for (row, _), particles in zip(of, found, strict=True):
            done[row] = replace(done[row], particles=particles)
    return done


def answered(outcomes: Sequence[Outcome], answer_for: _AnswerFor) -> list[Outcome]:
    """Carry outcomes on from χ(k) to the answers: those of one model together.

    Parameters
    ----------
    outcomes
        Rejected ones, and those that have an answer, stay as they are.
    answer_for
        What answers to a sample; an error of it rejects the scans.
    """
    done = list(outcomes)
    groups: dict[int, tuple[Answer, list[int]]] = {}
    for row, outcome in enumerate(outcomes):
        if outcome.edges and not outcome.is_answered:
            done[row], answer = _with_answer(outcome, answer_for)
            if answer:
                groups.setdefault(id(answer), (answer, []))[1].append(row)
    for answer, rows in groups.values():
        for row, found in zip(rows, answers_to(answer, [chis_of(done[row]) for row in rows]), strict=True):
            if isinstance(found, Exception):
                done[row] = rejected(done[row], found)
            else:
                done[row] = with_answers(done[row], found, answer.model.name)
    return done


def _with_answer(outcome: Outcome, answer_for: _AnswerFor) -> tuple[Outcome, Answer | None]:
    """A scan or sample, without the edges that its model cannot answer, and what answers; None if it is rejected."""
    try:
        answer = answer_for(chis_of(outcome), left=bool(outcome.parts))
        fit = fitting(outcome, answer.model)
    except Exception as error:
        return rejected(outcome, error), None
    if len(fit.edges) < len(outcome.edges):  # another model may be the one of what is left
        return _with_answer(fit, answer_for) if fit.edges else (fit, None)
    return fit, answer


def fitting(outcome: Outcome, model: Model | JointModel) -> Outcome:
    """A scan or sample, without the edges that a model cannot answer; a sample of which none is left is rejected.

    Raises
    ------
    ModelError
        If a scan alone cannot be answered, or a sample is of other edges than the model's or of one of them twice.
    """
    own = dict(zip(edges_named(model), edges_of(model), strict=True))
    asked = [edge_of(chi) for chi in chis_of(outcome)]
    if not outcome.parts or len(set(asked)) < len(asked) or not set(asked) <= set(own):
        _check(model, chis_of(outcome))
        return outcome
    parts = []
    for part in outcome.parts:
        try:
            if part in outcome.edges and part.chi:
                own[edge_of(part.chi)].check(part.chi)
            parts.append(part)
        except ModelError as error:
            parts.append(rejected(part, error))
    return _with_parts(outcome, parts)


def _check(model: Model | JointModel, sample: Sample) -> None:
    """Refuse what a model cannot answer."""
    from exafsnn.infer.joint import JointModel

    if isinstance(model, JointModel):
        model.rows_of(sample)
    else:
        for chi in sample:
            model.check(chi)


def chis_of(outcome: Outcome) -> list[ChiK]:
    """χ(k) of the edges of a sample that can be used; of a scan alone its own."""
    return [edge.chi for edge in outcome.edges if edge.chi]


def with_answers(outcome: Outcome, found: Sequence[Prediction], model: str) -> Outcome:
    """An outcome with the answers to its edges."""
    if not outcome.parts:
        return replace(outcome, prediction=found[0], model=model)
    left = iter(found)
    parts = (part if part.reason else replace(part, prediction=next(left), model=model) for part in outcome.parts)
    return replace(outcome, parts=tuple(parts), model=model)


def answers_to(answer: Answer, samples: Sequence[Sample]) -> list[Sequence[Prediction] | Exception]:
    """Answer together; where that fails one by one, so that a fault costs none but its own scan."""
    try:
        found = answer(samples)
    except Exception as error:
        if len(samples) == 1:
            return [error]
        return [each for sample in samples for each in answers_to(answer, [sample])]
    return [each if all(map(_is_finite, each)) else _infinite(each[0].chi.source) for each in found]


def is_finite(shell: Shell) -> bool:
    """Whether every number of a shell is one: a range without atoms has no distance."""
    return all(isinstance(value, str) or math.isfinite(value) for value in vars(shell).values())


def _is_finite(prediction: Prediction) -> bool:
    """Whether a prediction is made of numbers."""
    numbers = prediction.delta_e0, prediction.amplitude, prediction.misfit
    told = all(map(math.isfinite, numbers)) and is_finite(prediction.shells["first"])
    return told and bool(np.isfinite(prediction.rdf.density).all())


def _infinite(source: str) -> ScanError:
    """Why a prediction that is not made of numbers is rejected."""
    return ScanError("the model's answer is not finite", where=source, remedy="Look at the scan for spikes")


def rejected(outcome: Outcome, error: Exception) -> Outcome:
    """Reject a scan for an error; even one of ours must not cost the others."""
    if isinstance(error, ExafsnnError):
        found = error.findings if isinstance(error, ScanError) else ()
        return replace(outcome, reason=str(error).removeprefix(outcome.file).lstrip(":, "), found=found)
    reason = f"a defect of exafsnn, not of the scan: {type(error).__name__}: {error}"
    return replace(outcome, reason=reason, defect="".join(traceback.format_exception(error)))


_STACK_CHUNK = 1000
"""Scans of a stack that are worked on at a time: 100 MB at 400 points."""


@dataclass(frozen=True)
class StackAnswers:
    """The answers to some scans of a stack, in their order."""

    chi: StackChiK
    answers: Answers
    """NaN of rejected scans."""
    refusals: Mapping[int, ExafsnnError]
    """Number in the stack of each rejected scan, and why."""


def answer_stack(
    like: Spectrum,
    mu: Stack,
    model: Model,
    *,
    reference: Reference | None = None,
    settings: BackgroundSettings | None = None,
    chunk: int = _STACK_CHUNK,
) -> Iterator[StackAnswers]:
    """Raw μ of many scans → N, R, σ² with error bars; the answers are those of ``Model.predict``, to rounding.

    Parameters
    ----------
    like, mu, settings, chunk
        As ``measure_stack`` takes them: what the scans share, and μ (s, n), which may be an HDF5 data set.
    model, reference
        As ``Model.predict`` takes them.

    Yields
    ------
    StackAnswers
        Of ``chunk`` scans each. A scan that is unfit is a refusal in it, and stops no other.

    Raises
    ------
    ExafsnnError
        If the scans are no series, or of another edge than the model.
    """
    model.check_edge(like)
    return (_answered(chi, like, model, reference) for chi in measure_stack(like, mu, settings, chunk=chunk))


def _answered(chi: StackChiK, like: Spectrum, model: Model, reference: Reference | None) -> StackAnswers:
    from exafsnn.infer.estimates import Signals

    refusals = dict(chi.refusals)
    for row in np.flatnonzero(~model.can_answer(chi.noise, chi.k_max_usable)).tolist():
        try:
            model.check(chi.one(row))
        except ExafsnnError as error:
            refusals[chi.first + row] = error
    count = len(chi.noise)
    rows = np.setdiff1d(np.arange(count), [number - chi.first for number in refusals])
    found = model.answers(Signals.of_batch(chi, rows), reference)
    refusals |= {chi.first + row: _infinite(like.source) for row in rows[~found.finite].tolist()}
    return StackAnswers(chi, found[found.finite].among(rows[found.finite], count), refusals)
