"""The whole way, for many scans: file → Spectrum → ChiK → Prediction, each scan's fate in one ``Outcome``.

The command line and interactive users call this; it calls ``read``, ``measure`` and ``infer``, burst by burst: what is
in a burst is measured together and answered together, be it one scan or many. A scan that cannot be used is an outcome
like any other, with the reason, and never stops the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, groupby, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ScanError, SettingsError
from exafsnn.files import Stamp, stamp_of
from exafsnn.measure.gate import Known
from exafsnn.measure.scans import Stack, StackChiK, measure_stack
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.answers import (
    Answerer,
    AnswerFor,
    Ranges,
    answered,
    calibrated,
    check_ranges,
    infinite,
    own_columns,
    predictor,
    refiner,
    sized,
    standards_of,
)
from exafsnn.run.models import models
from exafsnn.run.outcomes import Outcome, edge_of, once, rejected, sample_of
from exafsnn.run.reading import Read, Reading
from exafsnn.run.repeats import Repeats
from exafsnn.run.samples import scans_of, split_name
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Cluster, Shared, Workers, are_many, in_order

if TYPE_CHECKING:
    from exafsnn.infer.answers import Answers
    from exafsnn.infer.estimates import Reference
    from exafsnn.infer.predict import Model

BURST, _POINTS = 256, 400_000
"""Most scans that are worked on at a time, and points that they have together: 100 MB with what is made of them."""
EAGER_BURST = 16
"""Most scans where somebody waits for the answers: the first burst is of one, each next twice as large up to this."""


_MANY_FILES, _FIRST_FILES, _FILES_AT_A_TIME = 200, 16, 120
"""So many files are measured by worker processes: the first here, then each so many at a time …"""


_SMALL = 1 << 20
"""… and if they are no larger [bytes]: what is may hold very many scans, which are measured as they are read."""


_GUEST_BURST = 64
"""Scans that a worker of a cluster measures and answers at a time."""


def measure_scans(
    sources: Iterable[str],
    *,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
    eager: bool = False,
) -> Iterator[Outcome]:
    """Turn scans into χ(k), one outcome per scan in the order given; a file given twice is measured once.

    Parameters
    ----------
    sources
        Files, or ``file::record``; a multi-record file without a name stands for all its records.
    columns
        Where the columns are, e.g. ``"energy=1,i0=2,it=3"``; None: found in each file.
    merge
        Whether scans of one edge and temperature are repeats of one sample, and become one (``run.merge``).
    foil_columns
        Where the columns of a foil behind the sample are in each file: energies are moved so that its edge is where it
        belongs. None: they stay.
    e0_foil
        That edge [eV]; None: as tabulated.
    settings
        Background removal; ``kmax`` also bounds the usable range of χ(k) files.
    workers
        Processes that read, where there are many files. With more than one the program has to be one that may be
        imported: ``if __name__ == "__main__":`` before what it does. Or a cluster, which measures and answers what
        this process reads.
    done
        How many scans of each file and record are passed over: an earlier run did them (``write.results``).
    eager
        Whether somebody waits for the first outcomes: fewer scans are worked on at a time, which takes longer for all.

    Raises
    ------
    SettingsError
        If columns cannot be understood.
    """
    reading = Reading(columns, merge, foil_columns, e0_foil, eager)
    reading.check()
    bursts = _bursts(sources, reading, settings or BackgroundSettings(), workers, done)
    return once((outcome for burst in bursts for _, outcome in burst), done)


class Answered(Iterator[Outcome]):
    """The outcomes of scans, made when they are asked for, and what answers them."""

    def __init__(self, outcomes: Iterator[Outcome], by: AnswerFor) -> None:
        self._outcomes = outcomes
        self.by = by
        """With the models and standards of the run."""

    def __next__(self) -> Outcome:
        return next(self._outcomes)


def predict_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | Sequence[str] | None = None,
    reference_columns: str | Sequence[str] | None = None,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    ranges: Ranges = (),
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
    eager: bool = False,
) -> Answered:
    """Predict the RDFs of many scans, one outcome per scan in the order given.

    Models and references are loaded before this returns, the scans when their outcomes are asked for.

    Parameters
    ----------
    sources, columns, settings, workers, done, eager
        As in ``measure_scans``.
    model
        Name or path of the model; None: each scan's own by element and edge.
    references
        Scans of a standard of known ``structure``, at most one per edge: they fix energy shift and amplitude.
    structure
        ``"bcc:2.8665"``, … or a file: of all of them, or as many as there are references, in their order.
    reference_columns
        Where the columns of references are, such as a foil's in the file of the sample: of all of them, or as many as
        there are references; None: as ``columns``.
    ranges
        Ranges of r [Å], lower end and upper, of which N, R and σ² are told, too: as ``"2-3.2"`` among the shells.

    Raises
    ------
    ExafsnnError
        If the named model or a reference cannot be used.
    """
    return _answer_all(
        sources, predictor, model, references, structure, reference_columns,
        Reading(columns, merge, foil_columns, e0_foil, eager), ranges, settings, workers, done,
    )  # fmt: skip


def refine_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | Sequence[str] | None = None,
    reference_columns: str | Sequence[str] | None = None,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    ranges: Ranges = (),
    settings: BackgroundSettings | None = None,
    workers: Workers = 1,
    done: Mapping[tuple[str, str], int] | None = None,
    eager: bool = False,
) -> Answered:
    """Predict the RDFs of many scans, then improve each against its data; all else as ``predict_scans``.

    With a reference the smooth errors of the theory are found, too, and taken out (``infer.theory``).
    """
    return _answer_all(
        sources, refiner, model, references, structure, reference_columns,
        Reading(columns, merge, foil_columns, e0_foil, eager), ranges, settings, workers, done,
    )  # fmt: skip


def _answer_all(
    sources: Iterable[str],
    answerer: Answerer,
    model: str | None,
    references: Iterable[str],
    structure: str | Sequence[str] | None,
    reference_columns: str | Sequence[str] | None,
    reading: Reading,
    ranges: Ranges,
    settings: BackgroundSettings | None,
    workers: Workers,
    done: Mapping[tuple[str, str], int] | None,
) -> Answered:
    settings = settings or BackgroundSettings()
    reading.check()
    check_ranges(ranges)
    model_for = models(model)
    given = list(references)
    standards = standards_of(given, structure, reference_columns, reading.columns, settings)
    reading = replace(reading, standards=own_columns(given, reference_columns))
    answer_for = AnswerFor(model_for, answerer, standards, ranges, {})
    finders = calibrated(answer_for)
    if answerer is not predictor and not isinstance(workers, Cluster):
        workers = 1  # what refines takes all cores itself
    bursts = _bursts(sources, reading, settings, workers, done, answer_for)
    idle = {edge: chi.source for edge, (chi, _) in standards.items()}
    served = bursts if done else _served(bursts, idle)  # who asks the edge of a scan that is done?
    outcomes = (sized(answered([item for _, item in burst], answer_for), finders) for burst in served)
    return Answered(once(_beside_repeats(chain.from_iterable(outcomes)), done), answer_for)


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


_Burst = list[tuple[str, Outcome]]
"""Scans that were measured together, each with the source that was asked for."""


_Knowledge = tuple[Known, "AnswerFor | None"]
"""What was learned of the scans of a run, and what answers them."""


_SHARED: dict[int, _Knowledge] = {}
"""What this process knows of each run, for workers: those that are copies of it, and those of a cluster."""


def _shared(number: int) -> _Knowledge:
    """What is known of a run; a fresh process begins with nothing."""
    return _SHARED.setdefault(number, (Known(), None))


def _bursts(
    sources: Iterable[str],
    reading: Reading,
    settings: BackgroundSettings,
    workers: Workers,
    done: Mapping[tuple[str, str], int] | None = None,
    answer_for: AnswerFor | None = None,
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
            yield from _guest_bursts(waiting, reading, settings, left, workers, number)
        else:
            yield from _own_bursts(waiting, reading, settings, left, workers, number)
    finally:
        del _SHARED[number]


def _guest_bursts(
    sources: Iterable[str],
    reading: Reading,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    cluster: Cluster,
    number: int,
) -> Iterator[_Burst]:
    """Let a cluster measure and answer what is read here.

    The first scans are measured here: then the models that answer them are known, and go with all else.
    """
    bursts = _read_bursts(sources, reading, settings, left, _GUEST_BURST)
    for first in islice(bursts, 1):
        yield _measured(first, settings, _SHARED[number][0])
    tasks = ((tuple(burst), settings, Shared(_shared, (number,))) for burst in bursts)
    yield from in_order(_measured_and_answered, tasks, cluster, partial(_one_by_one, _measured_and_answered, cluster))


def _own_bursts(
    sources: Iterable[str],
    reading: Reading,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    workers: Workers,
    number: int,
) -> Iterator[_Burst]:
    """Measure here, burst by burst; many small files in worker processes."""
    known = _SHARED[number][0]
    for small, run in groupby(sources, lambda source: are_many(workers) and not reading.merge and _is_small(source)):
        first = list(islice(run, _MANY_FILES if small else 0))
        many, every = len(first) == _MANY_FILES, chain(first, run)  # noqa: B031 (the first were taken to count them)
        yield from _measured_bursts(islice(every, _FIRST_FILES) if many else every, reading, settings, known, left)
        if not many:
            continue
        by_workers = replace(reading, eager=False)  # what a worker does comes back as one
        tasks = ((part, by_workers, settings, number) for part in _batched(every, _FILES_AT_A_TIME))
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


_Task = tuple[Sequence[str], Reading, BackgroundSettings, int]
"""Sources, how they are read, settings, and the number of what is shared."""


def _measured_files(task: _Task) -> _Burst:
    """Worker: measure the scans of some files and, if this process is a copy of the run, answer them."""
    sources, reading, settings, number = task
    known, answer_for = _shared(number)
    burst = [item for part in _measured_bursts(sources, reading, settings, known, Counter()) for item in part]
    return _with_answers(burst, answer_for)


def _measured_and_answered(task: tuple[Sequence[Read], BackgroundSettings, Shared[_Knowledge]]) -> _Burst:
    """Worker of a cluster: measure what was read, and answer it."""
    reads, settings, knowledge = task
    known, answer_for = knowledge.value
    return _with_answers(_measured(reads, settings, known), answer_for)


def _with_answers(burst: _Burst, answer_for: AnswerFor | None) -> _Burst:
    """Answer scans, if it is known how."""
    if answer_for is None:
        return burst
    found = answered([outcome for _, outcome in burst], answer_for)
    return [(source, outcome) for (source, _), outcome in zip(burst, found, strict=True)]


def _measured_bursts(
    sources: Iterable[str],
    reading: Reading,
    settings: BackgroundSettings,
    known: Known,
    left: Counter[tuple[str, str]],
) -> Iterator[_Burst]:
    """Read and measure the scans of some sources, burst by burst, but for those of ``left``."""
    for burst in _read_bursts(sources, reading, settings, left, BURST):
        yield _measured(burst, settings, known)


def _read_bursts(
    sources: Iterable[str],
    reading: Reading,
    settings: BackgroundSettings,
    left: Counter[tuple[str, str]],
    size: int,
) -> Iterator[list[Read]]:
    """Read the scans of some sources, so many at most at a time, but for those of ``left``."""
    from exafsnn.read.sources import split_source

    most = min(size, EAGER_BURST) if reading.eager else size
    size = 1 if reading.eager else most
    burst: list[Read] = []
    points = 0
    for item in reading.read(sources, settings):
        if item[0] != item[1] and _passed_over(split_source(item[1]), left):
            continue
        burst.append(item)
        points += sum(len(found.energy) for *_, found in item[2] if isinstance(found, Spectrum))
        if len(burst) >= size or points >= _POINTS:
            yield burst
            burst, points, size = [], 0, min(2 * size, most)
    if burst:
        yield burst


def _measured(burst: Sequence[Read], settings: BackgroundSettings, known: Known) -> _Burst:
    """Carry what was read on to χ(k)."""
    from exafsnn.measure.scans import measure_all

    measured = iter(measure_all([item for *_, scans in burst for *_, item in scans], settings, known))
    found = []
    for source, name, scans in burst:
        parts = [_so_far(scan, stamp, next(measured), isinstance(item, Exception)) for scan, stamp, item in scans]
        found.append((source, sample_of(name, parts) if len(parts) > 1 else parts[0]))
    return found


def _so_far(name: str, stamp: Stamp | None, chi: ChiK | Exception, unread: bool) -> Outcome:
    """What became of a scan that was measured, or could not be read."""
    from exafsnn.read.sources import split_source

    outcome = Outcome(*split_source(name), stamp=stamp, unread=unread)
    return replace(outcome, chi=chi) if isinstance(chi, ChiK) else rejected(outcome, chi)


def measured_by_source(
    sources: Iterable[str], reading: Reading, settings: BackgroundSettings, workers: Workers
) -> Iterator[tuple[str, Outcome]]:  # fmt: skip
    """``measure_scans``, each outcome with the source that it is of."""
    return chain.from_iterable(_bursts(sources, reading, settings, workers))


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
    refusals |= {chi.first + row: infinite(like.source) for row in rows[~found.finite].tolist()}
    return StackAnswers(chi, found[found.finite].among(rows[found.finite], count), refusals)
