"""The whole way, for many scans: file → Spectrum → ChiK → Prediction, each scan's fate in one ``Outcome``.

The command line and interactive users call this; it calls ``measure`` and ``infer``. A scan that cannot be used is an
outcome like any other, with the reason, and never stops the rest.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ModelError, ScanError, SettingsError
from exafsnn.records import ChiK, Prediction, Shell
from exafsnn.settings import BackgroundSettings

if TYPE_CHECKING:
    from exafsnn.infer.predict import Model

MANY = 1000
"""The records of a file with more of them are measured and answered together, as far as they share their energies."""

CHUNK = 2000
"""So many of them at a time."""

_TOGETHER = 64
"""Scans that are answered together: seconds of work, and 8 MB of samples."""


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
    axis: float | None = None
    """Place in a series, where the scan is of one."""
    reason: str = ""
    """Why the scan was rejected; empty if it was not."""
    found: tuple[Finding, ...] = ()
    """What had been found when the scan was rejected."""
    defect: str = ""
    """Traceback, where the fault is ours."""

    @property
    def usable(self) -> ChiK | None:
        """χ(k), unless the scan was rejected."""
        return None if self.reason else self.chi

    @property
    def status(self) -> str:
        """``"ok"``, ``"warned"`` or ``"rejected"``."""
        if self.reason:
            return "rejected"
        return "warned" if self.warnings else "ok"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that was found doubtful on the way, each once; of a rejected scan all that was fatal, in one text."""
        if self.reason:
            return (self.reason,)
        found = [item.sentence for item in self.chi.findings if item.severity == "warning"] if self.chi else []
        said = self.prediction.warnings if self.prediction else ()
        return tuple(dict.fromkeys([*found, *said]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, notes too, each once; where none says why a scan was rejected, its reason is one."""
        known = dict.fromkeys([*self.found, *(self.chi.findings if self.chi else ())])
        if self.reason and all(finding.severity != "fatal" for finding in known):
            known[Finding("rejected", "fatal", self.reason)] = None
        return tuple(known)


def measure_scans(
    sources: Iterable[str], *, columns: str | None = None, settings: BackgroundSettings | None = None
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

    Raises
    ------
    SettingsError
        If ``columns`` cannot be understood.
    """
    return chain.from_iterable(_bursts(sources, columns, settings or BackgroundSettings()))


def predict_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | None = None,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
) -> Iterator[Outcome]:
    """Predict the RDFs of many scans, one outcome per scan in the order given.

    Models and references are loaded before this returns, the scans when their outcomes are asked for.

    Parameters
    ----------
    sources, columns, settings
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
    return _answer_all(sources, _predictor, model, references, structure, columns, settings)


def refine_scans(
    sources: Iterable[str],
    *,
    model: str | None = None,
    references: Iterable[str] = (),
    structure: str | None = None,
    columns: str | None = None,
    settings: BackgroundSettings | None = None,
) -> Iterator[Outcome]:
    """Predict the RDFs of many scans, then improve each against its data; all else as ``predict_scans``.

    With a reference the smooth errors of the theory are found, too, and taken out (``infer.session``).
    """
    return _answer_all(sources, _refiner, model, references, structure, columns, settings)


class Answer(Protocol):
    """What answers to scans of one edge, with its standard or without one."""

    def __call__(self, scans: Sequence[ChiK]) -> list[Prediction]:
        """The answers, in the order of the scans; if one of them cannot be answered none is."""


Answerer = Callable[["Model", ChiK | None, str | None], Answer]
"""From a model, and a standard with its structure, to what answers."""


def _predictor(model: Model, standard: ChiK | None, structure: str | None) -> Answer:
    from exafsnn.infer.reference import calibrate

    reference = calibrate(model, standard, structure) if standard and structure else None
    return lambda scans: model.predict_all(scans, reference)


def _refiner(model: Model, standard: ChiK | None, structure: str | None) -> Answer:
    from exafsnn.infer.refine import Refiner

    return Refiner(model, standard, structure).refine_all


def _answer_all(
    sources: Iterable[str],
    answerer: Answerer,
    model: str | None,
    references: Iterable[str],
    structure: str | None,
    columns: str | None,
    settings: BackgroundSettings | None,
) -> Iterator[Outcome]:
    settings = settings or BackgroundSettings()
    model_for, references = models(model), list(references)
    structure = structure_of(references, structure)
    standards = (chi_of(item, columns, settings) for item in references)
    answers = _calibrated(standards, structure, model_for, answerer)
    answer_for = _answers(model_for, answers, answerer)
    return _answered_all(chain.from_iterable(_bursts(sources, columns, settings)), answer_for)


def _bursts(sources: Iterable[str], columns: str | None, settings: BackgroundSettings) -> Iterator[list[Outcome]]:
    """Measure the scans of all files: one by one, but for files of many; wrong ``columns`` are told at once."""
    if columns is not None:
        from exafsnn.read.roles import parse_columns

        parse_columns(columns)
    seen: set[tuple[str, str]] = set()
    bursts = (burst for source in dict.fromkeys(sources) for burst in _measure_source(source, columns, settings))
    return (list(once(burst, seen)) for burst in bursts)


def once(outcomes: Iterable[Outcome], seen: set[tuple[str, str]] | None = None) -> Iterator[Outcome]:
    """The outcomes; those of a file and name that came before, which are added to ``seen``, are rejected."""
    seen = set() if seen is None else seen
    for outcome in outcomes:
        key = (outcome.file, outcome.record)
        twice = Outcome(*key, reason="a scan of this file and name came before. Give each scan its own name")
        yield twice if key in seen else outcome
        seen.add(key)


def _measure_source(source: str, columns: str | None, settings: BackgroundSettings) -> Iterator[list[Outcome]]:
    """Measure every scan of one file."""
    from exafsnn.read import scan as readers
    from exafsnn.read.sources import split_source

    try:
        names = readers.expand(source)
    except Exception as error:
        yield [rejected(Outcome(*split_source(source)), error)]
        return
    if len(names) > MANY:
        yield from _measure_many(source, names, columns, settings)
        return
    for name in names:
        outcome = Outcome(*split_source(name))
        try:
            yield [replace(outcome, chi=chi_of(name, columns, settings))]
        except Exception as error:
            yield [rejected(outcome, error)]


def _measure_many(
    source: str, names: Sequence[str], columns: str | None, settings: BackgroundSettings
) -> Iterator[list[Outcome]]:
    """Measure the scans of a file of many, those with the same energies together."""
    from exafsnn.measure.batch import measure_runs
    from exafsnn.read.scan import read_each
    from exafsnn.read.sources import split_source

    scans, file = read_each(source, names, columns=columns, e0=settings.e0), split_source(source)[0]
    for start in range(0, len(names), CHUNK):
        measured = measure_runs(list(islice(scans, CHUNK)), settings)
        outcomes = (Outcome(file, name.removeprefix(f"{file}::")) for name in names[start : start + CHUNK])
        yield [_measured(outcome, found, settings) for outcome, found in zip(outcomes, measured, strict=True)]


def _measured(outcome: Outcome, found: ChiK | Exception, settings: BackgroundSettings) -> Outcome:
    """Carry one outcome on to χ(k)."""
    if isinstance(found, Exception):
        return rejected(outcome, found)
    try:
        return replace(outcome, chi=_fit_for_use(found, settings))
    except ScanError as error:
        return rejected(outcome, error)


def chi_of(source: str, columns: str | None, settings: BackgroundSettings) -> ChiK:
    """Read one scan and bring it to χ(k), fit for use.

    Raises
    ------
    ScanError
        If it cannot be read or used.
    """
    from exafsnn.read.scan import read_one

    scan = read_one(source, columns=columns, e0=settings.e0)
    ScanError.refuse_fatal(scan.findings, scan.source)
    return _fit_for_use(scan.to_chi() if isinstance(scan, ChiK) else scan.to_chi(settings), settings)


def _fit_for_use(chi: ChiK, settings: BackgroundSettings) -> ChiK:
    ScanError.refuse_fatal(chi.findings, chi.source)
    return replace(chi, k_max_usable=min(chi.k_max_usable, settings.kmax or np.inf))


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
    """Make the function that finds the model of a χ(k), by default the shipped one of its edge; each is loaded once.

    Raises
    ------
    ModelError
        If there is no model of that name, or it is damaged.
    """
    from exafsnn.infer.predict import load_model

    load = cache(load_model)
    if name is not None:
        load(name)
    return lambda chi: load(name or f"{chi.absorber}-{chi.edge}".lower())


def _calibrated(
    standards: Iterable[ChiK], structure: str | None, model_for: Callable[[ChiK], Model], answerer: Answerer
) -> dict[str, Answer]:
    """What answers with the standard of each edge, by name of the model."""
    found: dict[str, Answer] = {}
    for chi in standards:
        model = model_for(chi)
        if model.name in found:
            raise SettingsError(f"two references of the {chi.absorber} {chi.edge} edge", remedy="Give one per edge")
        found[model.name] = answerer(model, chi, structure)
    return found


AnswerFor = Callable[[ChiK], tuple["Model", Answer]]
"""From a χ(k) to its model, and what answers."""


def _answers(model_for: Callable[[ChiK], Model], answers: dict[str, Answer], answerer: Answerer) -> AnswerFor:
    """Make the function that finds what answers; it is made once for each model."""

    def answer_for(chi: ChiK) -> tuple[Model, Answer]:
        model = model_for(chi)
        if model.name not in answers:
            answers[model.name] = answerer(model, None, None)
        return model, answers[model.name]

    return answer_for


def _answered_all(outcomes: Iterator[Outcome], answer_for: AnswerFor) -> Iterator[Outcome]:
    """Carry outcomes on from χ(k) to the predictions, some together."""
    while some := list(islice(outcomes, _TOGETHER)):
        yield from _answered(some, answer_for)


def _answered(outcomes: list[Outcome], answer_for: AnswerFor) -> list[Outcome]:
    """The same of some: those of one edge are answered together."""
    found = dict(enumerate(outcomes))
    groups: dict[tuple[str, str], list[int]] = {}
    for row, outcome in enumerate(outcomes):
        if chi := outcome.usable:
            groups.setdefault((chi.absorber, chi.edge), []).append(row)
    for rows in groups.values():
        found |= zip(rows, _predicted([outcomes[row] for row in rows], answer_for), strict=True)
    return list(found.values())


def _predicted(outcomes: list[Outcome], answer_for: AnswerFor) -> list[Outcome]:
    """Outcomes of one edge, measured, with their predictions; where asking all fails, each is asked about alone."""
    scans = [outcome.usable for outcome in outcomes if outcome.usable]
    try:
        model, answer = answer_for(scans[0])
        refusals = [_refusal(model, chi) for chi in scans]
        answers = iter(answer([chi for chi, refused in zip(scans, refusals, strict=True) if not refused]))
        return [
            rejected(outcome, refused) if refused else _with_prediction(outcome, next(answers), model.name)
            for outcome, refused in zip(outcomes, refusals, strict=True)
        ]
    except Exception as error:
        if len(outcomes) == 1:
            return [rejected(outcomes[0], error)]
        return [_predicted([outcome], answer_for)[0] for outcome in outcomes]


def _refusal(model: Model, chi: ChiK) -> ModelError | None:
    """Why a model cannot answer, if it cannot."""
    try:
        model.check(chi)
    except ModelError as error:
        return error
    return None


def _with_prediction(outcome: Outcome, prediction: Prediction, model: str) -> Outcome:
    """Carry one outcome on to its prediction, which has to be made of numbers."""
    try:
        _refuse_infinite(prediction)
    except ScanError as error:
        return rejected(outcome, error)
    return replace(outcome, prediction=prediction, model=model)


def is_finite(shell: Shell) -> bool:
    """Whether every number of a shell is one: a range without atoms has no distance."""
    return all(np.isfinite(value) for value in vars(shell).values() if not isinstance(value, str))


def _refuse_infinite(prediction: Prediction) -> None:
    """Reject a prediction that is not made of numbers."""
    numbers = [prediction.delta_e0, prediction.amplitude, prediction.misfit, *prediction.rdf.density.flat]
    if not (np.isfinite(numbers).all() and is_finite(prediction.shells["first"])):
        raise infinite(prediction.chi.source)


def infinite(source: str) -> ScanError:
    """Why a prediction that is not made of numbers is rejected."""
    return ScanError("the model's answer is not finite", where=source, remedy="Look at the scan for spikes")


def rejected(outcome: Outcome, error: Exception) -> Outcome:
    """Reject a scan for an error; even one of ours must not cost the others."""
    if isinstance(error, ExafsnnError):
        found = error.findings if isinstance(error, ScanError) else ()
        return replace(outcome, reason=str(error).removeprefix(outcome.file).lstrip(":, "), found=found)
    reason = f"a defect of exafsnn, not of the scan: {type(error).__name__}: {error}"
    return replace(outcome, reason=reason, defect="".join(traceback.format_exception(error)))
