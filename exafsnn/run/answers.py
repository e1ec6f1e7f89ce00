"""Outcomes → answers: the model of each, with standards or without, those of one model together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ModelError, ScanError, SettingsError
from exafsnn.records import ChiK, Prediction
from exafsnn.run.models import Models, edges_named, edges_of, named_of
from exafsnn.run.outcomes import Outcome, chis_of, edge_of, is_finite, rejected, with_answers, with_parts
from exafsnn.settings import BackgroundSettings

if TYPE_CHECKING:
    from exafsnn.analyse.particles import ParticleFinder
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.predict import Model

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


Ranges = Sequence[tuple[float, float]]
"""Ranges of r [Å] of which a person asked."""
Answerer = Callable[["Model | JointModel", Standards, Ranges], Answer]
"""From a model, the standards at its edges and what was asked, to what answers."""


_CUT = 0.1
"""A range ends inside a shell where n(r)/r² has so much of its maximum."""


@dataclass(frozen=True)
class _OneEdge:
    """What answers to scans of one edge."""

    model: Model
    answers: Callable[[Sequence[ChiK]], list[Prediction]]
    ranges: Ranges

    def __call__(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        from exafsnn.analyse.order import ordered

        found = self.answers([chi for (chi,) in samples])
        return [ordered([with_ranges(prediction, self.ranges)], [self.model]) for prediction in found]


@dataclass(frozen=True)
class _Edges:
    """What answers to samples of several edges."""

    model: JointModel
    answers: Callable[[Sequence[Sample]], list[list[Prediction]]]
    ranges: Ranges

    def __call__(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        from exafsnn.analyse.order import ordered

        own = dict(zip(edges_named(self.model), self.model.edges, strict=True))
        asked = [[with_ranges(each, self.ranges) for each in found] for found in self.answers(samples)]
        return [ordered(found, [own[edge_of(each.chi)] for each in found], tied=True) for found in asked]


def with_ranges(prediction: Prediction, ranges: Ranges) -> Prediction:
    """An answer that tells N, R and σ² of ranges of r [Å] that were asked for, of every pair, too."""
    if not ranges:
        return prediction
    rdf, shells, cut = prediction.rdf, dict(prediction.shells), []
    levels = rdf.density / rdf.r**2
    for low, high in ranges:
        for pair, level in zip(rdf.pairs, levels, strict=True):
            name = f"{low:g}-{high:g}"
            shell = rdf.within(pair, low, high)
            if shell.sigma2 <= 0:  # what is left of a cut shell may be narrower than its smoothing
                shell = replace(shell, sigma2=math.nan, sigma2_std=math.nan, sigma2_low=math.nan, sigma2_high=math.nan)
            shells[name if pair == rdf.pairs[0] else f"{name} {pair}"] = shell
            ends = [end for end in (low, high) if np.interp(end, rdf.r, level) > _CUT * levels.max()]
            cut += [f"{pair} at {end:g} Å" for end in ends]
    said = f"a range that was asked for ends inside a shell: {', '.join(dict.fromkeys(cut))}"
    finding = Finding("range-cuts", "note", said, remedy="shell1, shell2, … end where n(r) is lowest")
    return replace(prediction, shells=shells, findings=(*prediction.findings, *([finding] if cut else [])))


def check_ranges(ranges: Ranges) -> None:
    """Refuse what is no range.

    Raises
    ------
    SettingsError
        If its ends are not in order.
    """
    for low, high in ranges:
        if not 0 <= low < high < math.inf:
            remedy = "Give its lower end in Å, then the upper one"
            raise SettingsError(f"{low:g} to {high:g} is no range of distances", where="--range", remedy=remedy)


def _check_known(model: Model | JointModel, ranges: Ranges) -> None:
    """Refuse a range of which a model knows nothing."""
    for low, high in ranges:
        for edge in edges_of(model):
            first, last = edge.partials.ends
            if not first <= low < high <= last:
                known = f"n(r), which {model.name} tells from {first:g} to {last:g} Å"
                raise SettingsError(
                    f"{low:g} to {high:g} Å is not within {known}", where="--range", remedy="Give one that is"
                )


def predictor(model: Model | JointModel, standards: Standards, ranges: Ranges = ()) -> Answer:
    """What predicts, with what a model counts of standards."""
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.reference import calibrate

    _check_known(model, ranges)
    references = [calibrate(edge, *standard) if standard else None for edge, standard in _by_edge(model, standards)]
    if isinstance(model, JointModel):
        return _Edges(model, partial(model.predict_all, references=references), ranges)
    return _OneEdge(model, partial(model.predict_all, reference=references[0]), ranges)


def refiner(model: Model | JointModel, standards: Standards, ranges: Ranges = ()) -> Answer:
    """What refines, with what a fit of standards tells."""
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.joint_refine import JointRefiner
    from exafsnn.infer.refine import Refiner

    _check_known(model, ranges)
    each = [standard for _, standard in _by_edge(model, standards)]
    if isinstance(model, JointModel):
        return _Edges(model, JointRefiner(model, each).refine_all, ranges)
    return _OneEdge(model, Refiner(model, *(each[0] or ())).refine_all, ranges)


def _by_edge(model: Model | JointModel, standards: Standards) -> list[tuple[Model, tuple[ChiK, str] | None]]:
    """The models of the edges, each with its standard."""
    named = zip(edges_of(model), edges_named(model), strict=True)
    return [(edge, standards.get(name)) for edge, name in named]


def standards_of(
    references: Sequence[str],
    structure: str | Sequence[str] | None,
    reference_columns: str | Sequence[str] | None,
    columns: str | None,
    settings: BackgroundSettings,
) -> Standards:
    """The standards by their edges, read by columns of their own, or else by those of the scans.

    Raises
    ------
    SettingsError
        If there are references and no structure, another number of structures or columns than references, one that is
        not understood, columns and no references, or two references of one edge.
    ScanError
        If one cannot be read or used.
    """
    from exafsnn.read.roles import parse_columns
    from exafsnn.run.structures import structure_given

    structures, own = _of_each(structure), _of_each(reference_columns)
    if references and not structures:
        raise SettingsError("a reference needs its structure", remedy="Add --structure, e.g. bcc:2.8665")
    if own and not references:
        remedy = "Give --reference, too"
        raise SettingsError("they are those of a reference", where="--reference-columns", remedy=remedy)
    for several, what, option in ((structures, "structures", "--structure"), (own, "columns", "--reference-columns")):
        if len(several) > 1 and len(several) != len(references):
            reason = f"there are {len(several)} {what} of {len(references)} references"
            remedy = "Give one for all references, or one for each, in their order"
            raise SettingsError(reason, where=option, remedy=remedy)
    for item in own:
        parse_columns(item, "--reference-columns")
    given = [structure_given(item) for item in structures] if references else []
    found: dict[str, tuple[ChiK, str]] = {}
    for number, source in enumerate(references):
        chi = chi_of(source, own[number % len(own)] if own else columns, settings)
        if edge_of(chi) in found:
            raise SettingsError(f"two references of the {edge_of(chi)} edge", remedy="Give one per edge")
        found[edge_of(chi)] = chi, given[number % len(given)].of(chi)
    return found


def own_columns(
    references: Sequence[str], reference_columns: str | Sequence[str] | None
) -> tuple[tuple[str, str], ...]:
    """The references, if they have columns of their own, each with these, as ``standards_of`` takes them."""
    own = _of_each(reference_columns)
    return tuple((source, own[number % len(own)]) for number, source in enumerate(references)) if own else ()


def _of_each(given: str | Sequence[str] | None) -> list[str]:
    """What is given once for all references, or for each."""
    return [given] if isinstance(given, str) else list(given or ())


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


@dataclass(frozen=True)
class AnswerFor:
    """From a sample to what answers it."""

    model_for: Models
    answerer: Answerer
    standards: Standards
    ranges: Ranges
    answers: dict[str, Answer | ExafsnnError]
    """What is there already, by name of the model; or why it can answer nothing."""

    def __call__(self, sample: Sample, left: bool = False) -> Answer:
        """What answers; ``left`` says that it is all that is left of a sample of several edges."""
        return self.of(self.model_for(sample, left))

    def of(self, model: Model | JointModel) -> Answer:
        """What answers by one model."""
        if model.name not in self.answers:
            try:
                self.answers[model.name] = self.answerer(model, self.standards, self.ranges)
            except ExafsnnError as error:  # once is enough, for as many samples as there may be
                self.answers[model.name] = error
        found = self.answers[model.name]
        if isinstance(found, ExafsnnError):
            raise found
        return found


def calibrated(answer_for: AnswerFor) -> dict[str, ParticleFinder]:
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
        if isinstance(answer, _OneEdge) and (finder := finder_by(answer.model, answer, chi, structure)):
            found[answer.model.name] = finder
    return found


def finder_by(model: Model, answer: Answer, chi: ChiK, structure: str) -> ParticleFinder | None:
    """What finds particles by the answer to one standard; None if that is not of the model's own metal."""
    from exafsnn.analyse.particles import ParticleFinder
    from exafsnn.infer.reference import is_own
    from exafsnn.infer.structure import parse_structure

    if not is_own(model, parse_structure(structure)):
        return None
    return ParticleFinder(model, structure, answer([[chi]])[0][0])


def sized(outcomes: Sequence[Outcome], finders: Mapping[str, ParticleFinder]) -> list[Outcome]:
    """The outcomes, with the particles of those whose edge has a standard."""
    done = list(outcomes)
    for name, finder in finders.items():
        of = [(row, item.prediction) for row, item in enumerate(done) if item.prediction and item.model == name]
        found = finder.find([prediction for _, prediction in of])
        for (row, _), particles in zip(of, found, strict=True):
            done[row] = replace(done[row], particles=particles)
    return done


def answered(outcomes: Sequence[Outcome], answer_for: AnswerFor) -> list[Outcome]:
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
                told = [with_others(each, answer.model) for each in found]
                done[row] = with_answers(done[row], told, answer.model.name)
    return done


def with_others(prediction: Prediction, model: Model | JointModel) -> Prediction:
    """An answer to what is foreign to its model, with the names of the other models of its edges."""
    if prediction.in_domain:
        return prediction
    edges = edges_named(model)
    others = [name for name in named_of(edges) if name != model.name]
    if not others:
        return prediction
    more = f"Other models of {' and '.join(edges)}: {', '.join(others)} (--model)"
    findings = tuple(
        replace(finding, remedy=f"{finding.remedy}. {more}") if finding.name == "foreign" else finding
        for finding in prediction.findings
    )
    return replace(prediction, findings=findings)


def _with_answer(outcome: Outcome, answer_for: AnswerFor) -> tuple[Outcome, Answer | None]:
    """A scan or sample, without the edges that its model cannot answer, and what answers; None if it is rejected."""
    try:
        answer = answer_for(chis_of(outcome), left=bool(outcome.parts))
        fit = fitting(outcome, answer.model, named=answer_for.model_for.name is not None)
    except Exception as error:
        return rejected(outcome, error), None
    if len(fit.edges) < len(outcome.edges):  # another model may be the one of what is left
        return _with_answer(fit, answer_for) if fit.edges else (fit, None)
    return fit, answer


def fitting(outcome: Outcome, model: Model | JointModel, *, named: bool) -> Outcome:
    """A scan or sample, without the edges that a model cannot answer; a sample of which none is left is rejected.

    Who ``named`` the model has said which edge it is: that it was guessed by its energy is a note then.

    Raises
    ------
    ModelError
        If a scan alone cannot be answered, or a sample is of other edges than the model's or of one of them twice.
    """
    outcome = _of_named_edge(outcome) if named else outcome
    own = dict(zip(edges_named(model), edges_of(model), strict=True))
    asked = [edge_of(chi) for chi in chis_of(outcome)]
    if not outcome.parts or len(set(asked)) < len(asked) or not set(asked) <= set(own):
        _check(model, chis_of(outcome))
        return outcome
    parts = []
    for part in outcome.parts:
        try:
            if part.chi and not part.reason:
                own[edge_of(part.chi)].check(part.chi)
            parts.append(part)
        except ModelError as error:
            parts.append(rejected(part, error))
    return with_parts(outcome, parts)


def _of_named_edge(outcome: Outcome) -> Outcome:
    """The same with a note where its edge was guessed."""
    chi = outcome.chi and replace(outcome.chi, findings=tuple(map(_as_note, outcome.chi.findings)))
    return replace(outcome, chi=chi, parts=tuple(map(_of_named_edge, outcome.parts)))


def _as_note(finding: Finding) -> Finding:
    """A finding, that of a guessed edge as a note."""
    return replace(finding, severity="note", remedy="") if finding.name == "edge-from-energy" else finding


def _check(model: Model | JointModel, sample: Sample) -> None:
    """Refuse what a model cannot answer."""
    from exafsnn.infer.joint import JointModel

    if isinstance(model, JointModel):
        model.rows_of(sample)
    else:
        for chi in sample:
            model.check(chi)


def answers_to(answer: Answer, samples: Sequence[Sample]) -> list[Sequence[Prediction] | Exception]:
    """Answer together; where that fails one by one, so that a fault costs none but its own scan."""
    try:
        found = answer(samples)
    except Exception as error:
        if len(samples) == 1:
            return [error]
        return [each for sample in samples for each in answers_to(answer, [sample])]
    return [each if all(map(_is_finite, each)) else infinite(each[0].chi.source) for each in found]


def _is_finite(prediction: Prediction) -> bool:
    """Whether a prediction is made of numbers."""
    numbers = prediction.delta_e0, prediction.amplitude, prediction.misfit
    told = all(map(math.isfinite, numbers)) and is_finite(prediction.shells["first"])
    return told and bool(np.isfinite(prediction.rdf.density).all())


def infinite(source: str) -> ScanError:
    """Why a prediction that is not made of numbers is rejected."""
    return ScanError("the model's answer is not finite", where=source, remedy="Look at the scan for spikes")
