"""A trained model is tried out on spectra that it has not seen → error bars that cover, and a domain.

``calibrate`` ends the command ``exafsnn train``. The model's answers to simulated sessions of held-out states, against
the truth, set its intervals.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from exafsnn.beamline import Beamline
from exafsnn.errors import SettingsError
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.learn.domain import fit_domain
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, QUANTITIES, fit_scale
from exafsnn.learn.model_file import set_calibration
from exafsnn.learn.training import CALIBRATING, CalibrationSettings
from exafsnn.records import Array, PartialRDF, Prediction
from exafsnn.simulate.executor import run_all
from exafsnn.simulate.library import join

_SEEN = 0.05
"""Bins above this share of the RDF's maximum count."""


@dataclass(frozen=True)
class Trial:
    """Answers of a model to simulated scans, by kind of answer, and the truth."""

    error: dict[str, Array]
    """By quantity, (n,); the density's bins one after another."""
    raw: dict[str, Array]
    """Raw standard deviations, likewise."""
    given: dict[str, Array]
    """Circumstances (…, 5), likewise."""
    signs: Array
    """(n, 2) of the domain."""


def calibrate(
    name: str, libraries: Sequence[str | Path], settings: CalibrationSettings | None = None, workers: int | None = None
) -> Path:
    """Set the error bars and the domain of a model from the calibrating half of its held-out states.

    Parameters
    ----------
    name
        Name or path of the model; its file is replaced.
    libraries
        The libraries that it was trained on.
    settings
        How much is simulated.

    Raises
    ------
    LibraryError, ModelError
        If the model or a library cannot be read.
    SettingsError
        If the libraries are not those of the model, or hold no crystal that could be a standard.
    """
    settings = settings or CalibrationSettings()
    paths = tuple(map(str, libraries))
    tasks = [(name, paths, settings.sessions, settings.scans, referenced) for referenced in (False, True)]
    trials: dict[str, Trial] = {}
    for _, found in run_all(_try_out, tasks, min(workers or os.cpu_count() or 1, len(tasks))):
        trials |= found
    intervals = {
        kind: {q: fit_scale(trials[kind].error[q], trials[kind].raw[q], trials[kind].given[q]) for q in QUANTITIES}
        for kind in KINDS_OF_ANSWERS
    }
    predicted = [trials[kind] for kind in KINDS_OF_ANSWERS if kind.startswith("predicted")]
    signs = np.concatenate([trial.signs for trial in predicted])
    given = np.concatenate([trial.given["coordination"] for trial in predicted])
    return set_calibration(name, intervals, fit_domain(signs[:, 0], signs[:, 1], given))


def beamline_of(model: Model, libraries: Sequence[str | Path], rows: slice, seed: int) -> Beamline:
    """A beamline that measures some of the held-out states of a model.

    Raises
    ------
    SettingsError
        If the libraries are not those of the model.
    """
    library = join(libraries)
    if library.checksum != model.info["library"]["checksum"]:
        raise SettingsError(
            f"{model.name} was trained on another library: its held-out states are unknown",
            where=", ".join(map(str, libraries)), remedy="Give the libraries that it was trained on",
        )  # fmt: skip
    bank = make_bank(library, model.pairs)
    held_out = np.array([row for row, index in enumerate(bank.index) if index in set(model.info["held_out_states"])])
    edge = (model.absorber, model.edge)
    return Beamline(bank.subset(held_out[rows]), bank.subset(held_out), model.pairs, model.features, edge, seed)


def _try_out(task: tuple[str, tuple[str, ...], int, int, bool]) -> dict[str, Trial]:
    """Worker: the trials of both kinds of answers, with a standard or without."""
    name, libraries, sessions, scans, referenced = task
    torch.set_num_threads(1)
    model = load_model(name).uncalibrated()
    beamline = beamline_of(model, libraries, CALIBRATING, 1 + referenced)
    answers: dict[str, list[tuple[Prediction, Array, tuple[float, float], Array]]] = {"predicted": [], "refined": []}
    for session in beamline.sessions(sessions, scans, referenced):
        try:
            refiner = Refiner(model, session.standard, session.structure)
        except SettingsError:  # theory is so wrong in this session that its standard is not recognised
            continue
        refined = refiner.refine_all(session.scans)
        for chi, density, better in zip(session.scans, session.density, refined, strict=True):
            found = model.estimate(chi, refiner.reference)
            prediction = model.answer(chi, found, refiner.reference)
            given = model.circumstances(chi, found, prediction.rdf)
            signs = model.signs(chi, found)
            answers["predicted"].append((prediction, density, signs, given))
            answers["refined"].append((better, density, signs, model.circumstances(chi, found, better.rdf)))
    if len(answers["predicted"]) < sessions * scans / 2:
        raise SettingsError(
            f"in {sessions} simulated sessions the model recognised fewer than half of the standards",
            where=name, remedy="Train it longer, or on more states",
        )  # fmt: skip
    how = "with reference" if referenced else "blind"
    return {f"{kind} {how}": _trial(model, items) for kind, items in answers.items()}


def _trial(model: Model, items: list[tuple[Prediction, Array, tuple[float, float], Array]]) -> Trial:
    """Errors of answers against the truth, quantity by quantity."""
    error: dict[str, list[Array]] = {quantity: [] for quantity in QUANTITIES}
    raw: dict[str, list[Array]] = {quantity: [] for quantity in QUANTITIES}
    given: dict[str, list[Array]] = {quantity: [] for quantity in QUANTITIES}
    for prediction, density, _, circumstance in items:
        for quantity, (difference, std) in errors_of(model, prediction.rdf, density).items():
            error[quantity].append(difference)
            raw[quantity].append(std)
            given[quantity].append(np.repeat(circumstance, len(error[quantity][-1]), axis=0))
    joined = [{key: np.concatenate(parts) for key, parts in item.items()} for item in (error, raw, given)]
    signs = np.array([item[2] for item in items])
    return Trial(joined[0], joined[1], joined[2], signs)


def errors_of(model: Model, rdf: PartialRDF, density: Array) -> dict[str, tuple[Array, Array]]:
    """Errors of an RDF against the true one ``density`` (b,), and its own standard deviations, by quantity.

    Those of an uncalibrated model are raw: no doubt about the amplitude is in them.
    """
    bins, limits = rdf.density[0], model.ranges["first"]
    shell = rdf.shell(model.pair, *limits)
    truth = PartialRDF(model.r, (model.pair,), density[None], np.zeros_like(density)[None], None, rdf.smoothing)
    true = truth.shell(model.pair, *limits)
    seen = bins > _SEEN * bins.max()
    found = {
        "coordination": (shell.coordination - true.coordination, shell.coordination_std),
        "distance": (shell.distance - true.distance, shell.distance_std),
        "sigma2": (shell.sigma2 - true.sigma2, shell.sigma2_std),
        "density": ((bins - density)[seen], rdf.spread[0][seen]),
    }
    return {quantity: (np.atleast_1d(error), np.atleast_1d(std)) for quantity, (error, std) in found.items()}
