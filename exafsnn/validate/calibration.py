"""A trained model is tried out on spectra that it has not seen → error bars that cover, and a domain.

``calibrate`` ends the command ``exafsnn train``. The model's answers to simulated sessions of states that it has never
seen, against the truth, set its intervals.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from exafsnn.errors import SettingsError
from exafsnn.infer.answers import Answers
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.learn.domain import Signs, fit_domain
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, QUANTITIES, Scale, fit_scale, is_first, is_of_shells, scale_of
from exafsnn.learn.model_file import set_calibration
from exafsnn.learn.training import TRIED, CalibrationSettings
from exafsnn.partials import Range
from exafsnn.records import Array, ChiK
from exafsnn.shells import is_shell
from exafsnn.simulate.library import joined, load
from exafsnn.validate.sessions import Beamline, SimulatedSession
from exafsnn.workers import Tell, run_all, silent

_ATOMS = 0.3
"""Of fewer in a range no error of their distance is asked."""
_SEEN = 0.05
"""Bins above this share of the RDF's maximum count."""
_FEW = 50
"""Shells of a pair have no scale of their own where there are fewer."""


@dataclass(frozen=True)
class Answer:
    """One answer to a simulated scan, against the truth."""

    kind: str
    """One of ``KINDS_OF_ANSWERS``."""
    errors: dict[str, tuple[Array, Array]]
    """By quantity: errors and raw standard deviations (n,); of the density, those of its bins."""
    given: Array
    """(1, q) circumstances."""
    signs: tuple[float, ...]
    """``Signs`` of the domain, of one spectrum."""
    chi: ChiK
    trajectory: int
    phase: str


def calibrate(
    name: str,
    libraries: Sequence[str | Path],
    trial: Sequence[str | Path] = (),
    settings: CalibrationSettings | None = None,
    workers: int | None = None,
    progress: Tell = silent,
) -> Path:
    """Set the error bars and the domain of a model, from states that it has never seen.

    Parameters
    ----------
    name
        Name or path of the model; its file is replaced.
    libraries
        The libraries that it was trained on: half of the states that were held out are tried.
    trial
        More libraries to try it on: the more trajectories, the surer the error bars.
    settings
        How much is simulated.

    Raises
    ------
    LibraryError, ModelError
        If the model or a library cannot be read.
    SettingsError
        If the libraries are not those of the model, or hold no crystal that could be a standard.
    """
    answers = tried(name, libraries, trial, settings or CalibrationSettings(), workers, progress)
    return set_error_bars(name, answers)


def tried(
    name: str,
    libraries: Sequence[str | Path],
    trial: Sequence[str | Path],
    settings: CalibrationSettings,
    workers: int | None = None,
    progress: Tell = silent,
) -> list[Answer]:
    """All answers to the simulated sessions of ``calibrate``, in one order."""
    paths = (tuple(map(str, libraries)), tuple(map(str, trial)))
    tasks = [(name, *paths, settings.sessions, settings.scans, referenced) for referenced in (True, False)]
    found, what = {}, f"error bars: {settings.sessions} simulated sessions with a standard, and without"
    progress(0, len(tasks), what)
    for task, answers in run_all(_try_out, tasks, min(workers or os.cpu_count() or 1, len(tasks))):
        found[task] = answers
        progress(len(found), len(tasks), what)
    return [answer for task in tasks for answer in found[task]]  # whichever is done first


def set_error_bars(name: str, answers: Sequence[Answer]) -> Path:
    """Write into a model what its answers, against the truth, say of its error bars and its domain."""
    of_kind = {kind: [item for item in answers if item.kind == kind] for kind in KINDS_OF_ANSWERS}
    intervals = {kind: scales_of(found) for kind, found in of_kind.items() if found}
    predicted = [item for kind in KINDS_OF_ANSWERS[:2] for item in answers if item.kind == kind]
    signs = Signs(*np.array([item.signs for item in predicted]).T)
    given = np.concatenate([item.given for item in predicted])
    return set_calibration(name, intervals, fit_domain(signs, given))


def scales_of(answers: Sequence[Answer]) -> dict[str, Scale]:
    """The scales of the error bars of one kind of answer, by quantity."""
    found = {}
    for quantity in answers[0].errors:
        error, raw = (np.concatenate(parts) for parts in zip(*(item.errors[quantity] for item in answers), strict=True))
        if is_of_shells(quantity) and len(error) < _FEW:
            continue
        counts = [len(item.errors[quantity][0]) for item in answers]
        given = np.repeat(np.concatenate([item.given for item in answers]), counts, axis=0)
        trajectories = np.repeat([item.trajectory for item in answers], counts)
        found[quantity] = fit_scale(error, raw, given, trajectories)
    return found


def beamline_of(model: Model, libraries: Sequence[str | Path], trial: Sequence[str | Path], seed: int) -> Beamline:
    """A beamline that measures states that a model has never seen, nor set its raw errors by.

    Raises
    ------
    SettingsError
        If the libraries are not those of the model, or hold no state that it has not seen.
    """
    paths = (*libraries, *trial)
    loaded = [load(path) for path in paths]
    own = joined(loaded[: len(libraries)], libraries)
    if own.checksum != model.info["library"]["checksum"]:
        raise SettingsError(
            f"{model.name} was trained on another library: its held-out states are unknown",
            where=", ".join(map(str, libraries)), remedy="Give the libraries that it was trained on",
        )  # fmt: skip
    bank = make_bank(joined(loaded, paths), model.pairs)
    new = range(len(own.states), len(bank.index))
    held_out = model.info["held_out_states"]
    unseen = np.array([*held_out, *new])
    tried = np.array([*(held_out[TRIED] or held_out), *new])  # one alone has to do for both
    if not len(tried):
        raise SettingsError(
            "no state is left to try the model on", where=model.name, remedy="Give more states with --trial"
        )
    edge = (model.absorber, model.edge)
    return Beamline(bank.subset(tried), bank.subset(unseen), model.pairs, model.features, edge, seed)


def _try_out(task: tuple[str, tuple[str, ...], tuple[str, ...], int, int, bool]) -> list[Answer]:
    """Worker: answers of both kinds, with a standard or without.

    Raises
    ------
    SettingsError
        If the model recognises too few of the standards.
    """
    name, libraries, trial, sessions, scans, referenced = task
    torch.set_num_threads(1)
    model = load_model(name).uncalibrated()
    beamline = beamline_of(model, libraries, trial, 1 + referenced)
    found = [item for session in beamline.sessions(sessions, scans, referenced) for item in answers_to(model, session)]
    if len(found) < sessions * scans:  # of two kinds
        raise SettingsError(
            f"in {sessions} simulated sessions the model recognised fewer than half of the standards",
            where=name, remedy="Train it longer, or on more states",
        )  # fmt: skip
    return found


def answers_to(model: Model, session: SimulatedSession) -> Iterator[Answer]:
    """Predicted and refined answers of an uncalibrated model to the scans of a session.

    None if theory is so wrong in this session that its standard is not recognised.
    """
    try:
        refiner = Refiner(model, session.standard, session.structure, known=session.known)
    except SettingsError:
        return
    how = "with reference" if refiner.reference else "blind"
    signals = Signals.of(session.scans)
    predicted, refined = model.answers(signals, refiner.reference, keep=True), refiner.answers(signals)
    for number, (chi, density) in enumerate(zip(session.scans, session.density, strict=True)):
        facts = (chi, session.states[number], session.phases[number])
        for kind, answers in (("predicted", predicted), ("refined", refined)):
            errors, given = errors_of(model, answers[number : number + 1], density), answers.given[number, None]
            signs = answers.signs_of(number)
            yield Answer(f"{kind} {how}", errors, given, signs, *facts)


def errors_of(model: Model, answer: Answers, density: Array) -> dict[str, tuple[Array, Array]]:
    """Errors of the answer of an uncalibrated model to one scan against the true RDF (c,), and raw standard deviations.

    These are of the samples alone, as the scales are applied to them: no doubt about the amplitude is in them.
    """
    if answer.samples is None or answer.spread is None:
        raise ValueError("the error bars are set by the samples of RDFs, which were not kept")
    partials, cells, none = model.partials, answer.density[0], np.zeros(0)
    found: dict[str, list[tuple[Array, Array]]] = {}
    for name, shells in answer.shells.items():
        if not (is_first(name) or is_shell(name)):
            continue
        scales = [found.setdefault(scale_of(key, name), []) for key in QUANTITIES[:3]]
        of = Range(shells.pair, *(float(np.ravel(limit)[0]) for limit in (shells.r_min, shells.r_max)))
        true = partials.moments(density, of)
        errors, raw = partials.moments(cells, of) - true, partials.spreads(answer.samples[0].astype(np.float64), of)
        seen = true[0] > _ATOMS and np.isfinite([errors, raw]).all()  # where there are no atoms they have no distance
        for scale, error, std in zip(scales, errors, raw, strict=False):
            if seen or (scale is scales[0] and np.isfinite(of.r_max)):
                scale.append((error, std))
    high = cells > _SEEN * cells.max()
    found["density"] = [((cells - density)[high], answer.spread[0][high])]
    return {
        key: (np.hstack([none, *(e for e, _ in of)]), np.hstack([none, *(s for _, s in of)]))
        for key, of in found.items()
    }
