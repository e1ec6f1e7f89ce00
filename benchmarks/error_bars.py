"""Do error bars cover, and are they no wider than they must be? On states that neither training nor calibration saw.

    python benchmarks/error_bars.py LIBRARY.h5 [MODEL [SESSIONS]]

Simulated sessions of 8 scans of the testing half of the held-out states, with a standard and without: random energy
zero, amplitude, error of the theory, noise, k max, background. For each quantity: root mean square error, coverage of
the 68, 90 and 95 % intervals; the median half-width over the quantile of the errors of that level; the
Kolmogorov-Smirnov distance between the rank of the truth in its predicted distribution and a uniform one. Then the
groups whose coverage is further than three standard errors (bootstrap over trajectories) from its level. N without a
standard is left out: its interval carries the doubt about the amplitude of samples that nobody simulated.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.intervals import LEVELS, QUANTITIES
from exafsnn.learn.training import TESTING
from exafsnn.records import Array, Prediction
from exafsnn.simulate.executor import run_all
from exafsnn.trial import beamline_of, errors_of

SCANS = 8
SHOWN = (0.68, 0.90, 0.95)


@dataclass
class Answer:
    """Errors of one answer in units of its scale, and what it is an answer to."""

    kind: str
    error: dict[str, Array]
    half: dict[str, Array]
    """Half-width of the interval of each level (levels, n)."""
    state: int
    phase: str
    k_max: float
    noise: float


def answers_of(task: tuple[str, str, int, bool]) -> list[Answer]:
    """Worker: predict and refine sessions with a standard, or without."""
    name, library, sessions, referenced = task
    torch.set_num_threads(1)
    model, found = load_model(name), []
    raw_model = model.uncalibrated()
    beamline = beamline_of(model, [library], TESTING, 100 + referenced)
    how = "with reference" if referenced else "blind"
    for session in beamline.sessions(sessions, SCANS, referenced):
        refiner = Refiner(raw_model, session.standard, session.structure)
        refined = refiner.refine_all(session.scans)
        for number, chi in enumerate(session.scans):
            estimate = raw_model.estimate(chi, refiner.reference)
            prediction = raw_model.answer(chi, estimate, refiner.reference)
            for kind, item in (("predicted", prediction), ("refined", refined[number])):
                given = raw_model.circumstances(chi, estimate, item.rdf)
                error, half = judged(model, f"{kind} {how}", item, session.density[number], given)
                facts = (session.states[number], session.phases[number], chi.k_max_usable, chi.noise)
                found.append(Answer(f"{kind} {how}", error, half, *facts))
    return found


def judged(
    model: Model, kind: str, item: Prediction, density: Array, given: Array
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Errors of one answer and the half-widths of its intervals, by quantity."""
    pairs = errors_of(model, item.rdf, density)
    scales = model.intervals[kind]
    half = {
        quantity: np.array([scales[quantity].half_width(level, raw, given) for level in LEVELS])
        for quantity, (_, raw) in pairs.items()
    }
    return {quantity: error for quantity, (error, _) in pairs.items()}, half


def main(library: str, name: str = "fe-k", sessions: str = "130") -> None:
    """Print the tables."""
    tasks = [(name, library, int(sessions), referenced) for referenced in (True, False)]
    answers = [answer for _, found in run_all(answers_of, tasks, 2) for answer in found]
    count = len(answers) // 2
    print(
        f"model {load_model(name).identity}: {count} spectra of {len({a.state for a in answers})} held-out trajectories"
    )
    print(f"{'':24} {'':12} {'rms':>8}  coverage of 68, 90, 95 %   half-width / quantile      KS")
    for kind in sorted({answer.kind for answer in answers}):
        own = [answer for answer in answers if answer.kind == kind]
        for quantity in QUANTITIES:
            if (quantity, kind.split()[1]) != ("coordination", "blind"):
                print_row(kind, quantity, own)


def print_row(kind: str, quantity: str, own: list[Answer]) -> None:
    """One quantity of one kind of answer, then the groups that are off."""
    error = np.concatenate([answer.error[quantity] for answer in own])
    half = np.concatenate([answer.half[quantity] for answer in own], axis=1)
    rows = [LEVELS.index(level) for level in SHOWN]
    cover = [f"{(np.abs(error) <= half[row]).mean():.3f}" for row in rows]
    wide = [f"{np.median(half[row]) / np.quantile(np.abs(error), LEVELS[row]):.2f}" for row in rows]
    rms = f"{(error**2).mean() ** 0.5:8.4f}"
    print(f"{kind:24} {quantity:12} {rms}  {'  '.join(cover):24}  {'  '.join(wide):22}  {ks(error, half):.3f}")
    for text in off(quantity, own, rows):
        print(f"{'':40} {text}")


def ks(error: Array, half: Array) -> float:
    """Distance of the ranks of the truth from a uniform distribution: intervals are taken as symmetric."""
    inside = np.array(
        [
            np.interp(abs(e), np.r_[0.0, h, 3 * h[-1]], np.r_[0.0, LEVELS, 1.0])
            for e, h in zip(error, half.T, strict=True)
        ]
    )
    rank = np.sort(0.5 + 0.5 * np.sign(error) * inside)
    steps = np.arange(1, len(rank) + 1) / len(rank)
    return float(np.abs(rank - steps).max())


def off(quantity: str, own: list[Answer], rows: list[int]) -> Iterator[str]:
    """Groups by k max, noise and phase whose coverage is not what it should be."""
    random = np.random.default_rng(0)
    groups = {
        "k max < 11": lambda a: a.k_max < 11, "k max 11–13.5": lambda a: 11 <= a.k_max < 13.5,
        "k max > 13.5": lambda a: a.k_max >= 13.5, "noise < 5e-4": lambda a: a.noise < 5e-4,
        "noise to 1.5e-3": lambda a: 5e-4 <= a.noise < 1.5e-3, "noise > 1.5e-3": lambda a: a.noise >= 1.5e-3,
        **{phase: lambda a, phase=phase: a.phase == phase for phase in sorted({a.phase for a in own})},
    }  # fmt: skip
    for name, test in groups.items():
        members = [answer for answer in own if test(answer)]
        states = sorted({answer.state for answer in members})
        for row in rows:
            hits = {state: [] for state in states}
            for answer in members:
                hits[answer.state].append(np.abs(answer.error[quantity]) <= answer.half[quantity][row])
            parts = [np.concatenate(hits[state]) for state in states]
            draws = [
                np.concatenate([parts[i] for i in random.integers(len(parts), size=len(parts))]).mean()
                for _ in range(200)
            ]
            covered, error = np.concatenate(parts).mean(), max(float(np.std(draws)), 1e-3)
            if abs(covered - LEVELS[row]) > 3 * error:
                yield f"{name} ({len(states)} trajectories): {LEVELS[row]:.0%} covers {covered:.3f} ± {error:.3f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
