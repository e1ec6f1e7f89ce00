"""The whole way, for many scans: file → Spectrum → ChiK → Prediction, each scan's fate in one ``Outcome``.

The command line and interactive users call this; it calls ``read``, ``measure`` and ``infer``, burst by burst: what is
in a burst is measured together and answered together, be it one scan or many. A scan that cannot be used is an outcome
like any other, with the reason, and never stops the rest.
"""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ScanError, SettingsError
from exafsnn.files import Stamp, stamp_of
from exafsnn.measure.gate import Known
from exafsnn.measure.scans import Stack, StackChiK, measure_stack
from exafsnn.records import ChiK, Prediction, Shell, Spectrum
from exafsnn.run.repeats import Repeats
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Cluster, Shared, Workers, are_many, in_order

if TYPE_CHECKING:
    from exafsnn.analyse.particles import ParticleFinder, Particles
    from exafsnn.infer.answers import Answers
    from exafsnn.infer.estimates import Reference
    from exafsnn.infer.predict import Model
    from exafsnn.infer.refine import Refiner

BURST, _POINTS = 256, 400_000
"""Most scans that are worked on at a time, and points that they have together: 100 MB with what is made of them."""


_MANY_FILES, _FIRST_FILES, _FILES_AT_A_TIME = 200, 16, 120
"""So many files are measured by worker processes: the first here, then each so many at a time …"""

_SMALL = 1 << 20
"""… and if they are no larger [bytes]: what is may hold very many scans, which are measured as they are read."""

_GUEST_BURST = 64
"""Scans that a worker of a cluster measures and answers at a time."""


@dataclass(frozen=True)
class Outcome:
    """What became of one scan."""

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

    @property
    def usable(self) -> ChiK | None:
        """χ(k), unless the scan was rejected."""
        return None if self.reason else self.chi

    @property
    def status(self) -> str:
        """``"ok"``, ``"warned"``, ``"foreign"`` (what the model cannot know) or ``"rejected"``."""
        if self.reason:
            return "rejected"
        if self.prediction and not self.prediction.in_domain:
            return "foreign"
        return "warned" if self.warnings else "ok"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that was found doubtful on the way, each once; of a rejected scan all that was fatal, in one text."""
        if self.reason:
            return (self.reason,)
        found = [item for item in (*self.found, *(self.chi.findings if self.chi else ())) if item.severity == "warning"]
        told = [item.sentence for item in found]
        return tuple(dict.fromkeys([*told, *(self.prediction.warnings if self.prediction else ())]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, notes too, each once; where none says why a scan was rejected, its reason is one."""
        answered = self.prediction.findings if self.prediction else ()
        known = dict.fromkeys([*self.found, *(self.chi.findings if self.chi else ()), *answered])
        if self.particles:
            known[self.particles.finding] = None
        if self.reason and all(finding.severity != "fatal" for finding in known):
            known[Finding("rejected", "fatal", self.reason)] = None
        return tuple(known)


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
    structure: str | None = None,
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
        ``"bcc:2.8665"``, …, or a CIF file.

    Raises
    ------
    ExafsnnError
        If the named model or a reference cannot be used.
    """
    return _answer_all(sources, _predictor, model, references, structure, columns, settings, workers, done)


def refine_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | None = None,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
) -> Iterator[Outcome]:
    """Predict the RDFs of many scans, then improve each against its data; all else as ``predict_scans``.

    With a reference the smooth errors of the theory are found, too, and taken out (``infer.theory``).
    """
    return _answer_all(sources, _refiner, model, references, structure, columns, settings, workers, done)


class Answer(Protocol):
    """What answers to scans of one edge, with its standard or without one."""

    @property
    def model(self) -> Model:
        """Whose answers they are."""

    def __call__(self, scans: Sequence[ChiK], /) -> list[Prediction]:
        """The answers to scans that the model can answer."""


_Answerer = Callable[["Model", ChiK | None, str | None], Answer]
"""From a model, and a standard with its structure, to what answers."""


@dataclass(frozen=True)
class _Predictor:
    model: Model
    reference: Reference | None

    def __call__(self, scans: Sequence[ChiK]) -> list[Prediction]:
        return self.model.predict_all(scans, self.reference)


@dataclass(frozen=True)
class _Refiner:
    model: Model
    refiner: Refiner

    def __call__(self, scans: Sequence[ChiK]) -> list[Prediction]:
        return self.refiner.refine_all(scans)


def _predictor(model: Model, standard: ChiK | None, structure: str | None) -> Answer:
    from exafsnn.infer.reference import calibrate

    return _Predictor(model, calibrate(model, standard, structure) if standard and structure else None)


def _refiner(model: Model, standard: ChiK | None, structure: str | None) -> Answer:
    from exafsnn.infer.refine import Refiner

    return _Refiner(model, Refiner(model, standard, structure))


def _answer_all(
    sources: Iterable[str],
    answerer: _Answerer,
    model: str | None,
    references: Iterable[str],
    structure: str | None,
    columns: str | None,
    settings: BackgroundSettings | None,
    workers: Workers,
    done: Mapping[tuple[str, str], int] | None,
) -> Iterator[Outcome]:
    settings = settings or BackgroundSettings()
    _check_columns(columns)
    model_for, references = models(model), list(references)
    structure = structure_of(references, structure)
    standards = [chi_of(item, columns, settings) for item in references]
    answers, finders = _calibrated(standards, structure, model_for, answerer)
    answer_for = _AnswerFor(model_for, answerer, answers)
    if answerer is not _predictor and not isinstance(workers, Cluster):
        workers = 1  # what refines takes all cores itself
    bursts = _bursts(sources, columns, settings, workers, done, answer_for)
    served = bursts if done else _served(bursts, standards)  # who asks the edge of a scan that is done?
    outcomes = (_sized(answered([item for _, item in burst], answer_for), finders) for burst in served)
    return once(_beside_repeats(chain.from_iterable(outcomes)), done)


def _beside_repeats(outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
    """Pass outcomes on, with a note where a scan differs from its repeat."""
    repeats = Repeats()
    for outcome in outcomes:
        note = repeats.note(outcome.file, outcome.record, outcome.prediction) if outcome.prediction else None
        yield replace(outcome, found=(*outcome.found, note)) if note else outcome


def _served(bursts: Iterable[_Burst], standards: Iterable[ChiK]) -> Iterator[_Burst]:
    """Pass bursts on, the last one not before it is known whether each standard is of a scan's edge.

    Raises
    ------
    SettingsError
        If a standard is of another edge than every scan, and all of these can be read: then it serves none.
    """
    idle = {_edge(chi): chi.source for chi in standards}
    seen: set[str] = set()
    before: _Burst | None = None
    whole = True
    for burst in bursts:
        if before is not None:
            yield before
        seen.update(_edge(outcome.chi) for _, outcome in burst if outcome.chi)
        whole = whole and all(outcome.chi for _, outcome in burst)  # what cannot be read may be of any edge
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


def _edge(chi: ChiK) -> str:
    return f"{chi.absorber} {chi.edge}"


def _check_columns(columns: str | None) -> None:
    """Tell wrong ``columns`` at once."""
    if columns is not None:
        from exafsnn.read.roles import parse_columns

        parse_columns(columns)


_Read = tuple[str, str, "Stamp | None", "Spectrum | ChiK | Exception"]
"""The source that was asked for, the name of a scan in it, the file's stamp, and what was read or why it was not."""

_Burst = list[tuple[str, Outcome]]
"""Scans that were measured together, each with the source that was asked for."""


@dataclass(frozen=True)
class _AnswerFor:
    """From a χ(k) to what answers it."""

    model_for: Callable[[ChiK], Model]
    answerer: _Answerer
    answers: dict[str, Answer]
    """What is there already, by name of the model."""

    def __call__(self, chi: ChiK) -> Answer:
        found = self.model_for(chi)
        if found.name not in self.answers:
            self.answers[found.name] = self.answerer(found, None, None)
        return self.answers[found.name]


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
    from exafsnn.read.sources import split_source

    known, left = Known(), Counter(done or ())
    waiting = (source for source in dict.fromkeys(sources) if not _passed_over(split_source(source), left))
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
    from exafsnn.read.sources import split_source

    items, *rest = task
    if len(items) > 1:
        alone = [((item,), *rest) for item in items]
        return list(chain.from_iterable(in_order(work, alone, workers, partial(_one_by_one, work, workers))))
    source, name = (items[0], items[0]) if isinstance(items[0], str) else items[0][:2]
    error = ScanError(reason, remedy="Is it far larger than the others? Look at it alone")
    return [(source, rejected(Outcome(*split_source(name)), error))]


def _is_small(source: str) -> bool:
    """Whether a source is a file of one scan or a few."""
    from exafsnn.read.sources import split_source

    stamp = stamp_of(split_source(source)[0])
    return stamp is None or stamp[0] <= _SMALL  # one that is not there is refused as quickly


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
        points += len(item[3].energy) if isinstance(item[3], Spectrum) else 0
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
        stamp = stamp_of(split_source(source)[0])
        for name, item in read_all(source, columns=columns, e0=e0):
            yield source, name, stamp, item


def _measured(burst: Sequence[_Read], settings: BackgroundSettings, known: Known) -> _Burst:
    """Carry what was read on to χ(k)."""
    from exafsnn.measure.scans import measure_all
    from exafsnn.read.sources import split_source

    found = []
    measured = measure_all([item for *_, item in burst], settings, known)
    for (source, name, stamp, _), chi in zip(burst, measured, strict=True):
        outcome = Outcome(*split_source(name), stamp=stamp)
        if isinstance(chi, ChiK):
            found.append((source, replace(outcome, chi=chi)))
        else:
            found.append((source, rejected(outcome, chi)))
    return found


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


def structure_of(references: Sequence[str], structure: str | None) -> str | None:
    """The structure, which references need.

    Raises
    ------
    SettingsError
        If there are references and no structure.
    """
    if references and structure is None:
        raise SettingsError("a reference needs its structure", remedy="Add --structure, e.g. bcc:2.8665")
    return structure


def models(name: str | None) -> Callable[[ChiK], Model]:
    """Make the function that finds the model of a χ(k); each is loaded once.

    By default it is that of its edge, the user's own before the shipped one.

    Raises
    ------
    ModelError
        If there is no model of that name, or it is damaged.
    """
    from exafsnn.infer.predict import load_model

    found = _Models(name, {})
    if name is not None:
        found.loaded[name] = load_model(name)
    return found


@dataclass(frozen=True)
class _Models:
    """The models of a run, which travel with those that it has loaded."""

    name: str | None
    loaded: dict[str, Model]

    def __call__(self, chi: ChiK) -> Model:
        from exafsnn.infer.predict import load_model

        name = self.name or f"{chi.absorber}-{chi.edge}".lower()
        if name not in self.loaded:
            self.loaded[name] = load_model(name)
        return self.loaded[name]


def _calibrated(
    standards: Iterable[ChiK], structure: str | None, model_for: Callable[[ChiK], Model], answerer: _Answerer
) -> tuple[dict[str, Answer], dict[str, ParticleFinder]]:
    """What answers with the standard of each edge, and what finds particles by its own answer, by name of the model."""
    found: dict[str, Answer] = {}
    finders: dict[str, ParticleFinder] = {}
    for chi in standards:
        model = model_for(chi)
        if model.name in found:
            raise SettingsError(f"two references of the {chi.absorber} {chi.edge} edge", remedy="Give one per edge")
        found[model.name] = answerer(model, chi, structure)
        if structure:
            from exafsnn.analyse.particles import ParticleFinder

            finders[model.name] = ParticleFinder(model, structure, found[model.name]([chi])[0])
    return found, finders


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
    """Carry outcomes on from χ(k) to the answers: those of one edge together.

    Parameters
    ----------
    outcomes
        Rejected ones, and those that have an answer, stay as they are.
    answer_for
        What answers to a χ(k); an error of it rejects the scan.
    """
    done = list(outcomes)
    groups: dict[int, tuple[Answer, list[int]]] = {}
    for row, outcome in enumerate(outcomes):
        if (chi := outcome.usable) and outcome.prediction is None:
            try:
                answer = answer_for(chi)
                answer.model.check(chi)
            except Exception as error:
                done[row] = rejected(outcome, error)
                continue
            groups.setdefault(id(answer), (answer, []))[1].append(row)
    for answer, rows in groups.values():
        scans = [chi for chi in (outcomes[row].usable for row in rows) if chi]
        for row, found in zip(rows, _answers(answer, scans), strict=True):
            if isinstance(found, Exception):
                done[row] = rejected(outcomes[row], found)
            else:
                done[row] = replace(outcomes[row], prediction=found, model=answer.model.name)
    return done


def _answers(answer: Answer, scans: Sequence[ChiK]) -> list[Prediction | Exception]:
    """Answer together; where that fails one by one, so that a fault costs none but its own scan."""
    try:
        found = answer(scans)
    except Exception as error:
        if len(scans) == 1:
            return [error]
        return [each for chi in scans for each in _answers(answer, [chi])]
    return [each if _is_finite(each) else _infinite(each.chi.source) for each in found]


def is_finite(shell: Shell) -> bool:
    """Whether every number of a shell is one: a range without atoms has no distance."""
    return all(isinstance(value, str) or math.isfinite(value) for value in vars(shell).values())


def _is_finite(prediction: Prediction) -> bool:
    """Whether a prediction is made of numbers."""
    numbers = prediction.delta_e0, prediction.amplitude, prediction.misfit
    told = all(map(math.isfinite, numbers)) and any(map(is_finite, prediction.shells.values()))
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
