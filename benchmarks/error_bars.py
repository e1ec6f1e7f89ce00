"""Do error bars cover, and are they no wider than they must be? On trajectories that neither training nor they saw.

    python benchmarks/error_bars.py LIBRARY.h5 TRIAL.h5 [MODEL [SESSIONS]]

Simulated sessions of 8 scans of states that no network has seen, with a standard and without: random energy zero,
amplitude, error of the theory, noise, k max, background. The trajectories are dealt into ten parts; the intervals for
each part are set as ``validate.calibration`` sets them, on the nine others. For each quantity: root mean square error;
coverage of the 68, 90 and 95 % intervals; the median half-width over the quantile of the errors of that level; the
Kolmogorov-Smirnov distance between the rank of the truth in its predicted distribution and a uniform one, and the same
for a model whose intervals are half as wide. Then the groups whose coverage is further than three standard errors
(bootstrap over trajectories) from its level. N without a standard is that of samples like the simulated ones: the
interval of a prediction carries the doubt about the amplitude besides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch

from exafsnn.infer.predict import load_model
from exafsnn.learn.atlas import PHASES
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, LEVELS
from exafsnn.validate.calibration import Answer, answers_to, beamline_of
from exafsnn.validate.coverage import Judged, cross_fitted, ks
from exafsnn.workers import run_all

SCANS = 8
SHOWN = (0.68, 0.90, 0.95)
LEAST_STATES = 8
"""A group of fewer trajectories is not judged: the bootstrap knows nothing of them."""


def answers_of(task: tuple[str, str, str, int, bool]) -> list[Answer]:
    """Worker: predict and refine sessions with a standard, or without."""
    name, library, trial, sessions, referenced = task
    torch.set_num_threads(1)
    model = load_model(name).uncalibrated()
    beamline = beamline_of(model, [library], [trial], 100 + referenced)
    found = beamline.sessions(sessions, SCANS, referenced)
    return [answer for session in found for answer in answers_to(model, session)]


def main(library: str, trial: str, name: str = "fe-k", sessions: str = "130") -> None:
    """Print the tables."""
    tasks = [(name, library, trial, int(sessions), referenced) for referenced in (True, False)]
    answers = [answer for _, found in run_all(answers_of, tasks, 2) for answer in found]
    states = len({answer.trajectory for answer in answers})
    print(f"model {load_model(name).identity}: {len(answers) // 2} spectra of {states} trajectories")
    print(f"{'':24} {'':12} {'rms':>8}  coverage of 68, 90, 95 %   half-width / quantile      KS  half as wide")
    for kind in KINDS_OF_ANSWERS:
        own = [answer for answer in answers if answer.kind == kind]
        for quantity, judged in cross_fitted(own).items():
            print_row(kind, quantity, judged)
            for text in off(judged, own):
                print(f"{'':40} {text}")


def print_row(kind: str, quantity: str, judged: Judged) -> None:
    """One quantity of one kind of answer."""
    rows, size = [LEVELS.index(level) for level in SHOWN], np.abs(judged.truth)
    half = (judged.high - judged.low) / 2
    cover = [f"{judged.inside(row).mean():.3f}" for row in rows]
    wide = [f"{np.median(half[row]) / np.quantile(size, LEVELS[row]):.2f}" for row in rows]
    rms = f"{(size**2).mean() ** 0.5:8.4f}"
    bold = Judged(judged.truth, 0.5 * judged.low, 0.5 * judged.high, judged.answer)
    distances = f"{ks(judged):.3f}  {ks(bold):.3f}"
    print(f"{kind:24} {quantity:12} {rms}  {'  '.join(cover):24}  {'  '.join(wide):22}  {distances}")


def off(judged: Judged, own: list[Answer]) -> Iterator[str]:
    """Groups by k max, noise and phase whose coverage is not what it should be, by a bootstrap over trajectories.

    Where nearly all are inside, the bootstrap knows no scatter; what even independent spectra would have is told, too.
    """
    random = np.random.default_rng(0)
    groups: dict[str, Callable[[Answer], bool]] = {
        "k max < 11": lambda a: a.chi.k_max_usable < 11, "k max 11–13.5": lambda a: 11 <= a.chi.k_max_usable < 13.5,
        "k max > 13.5": lambda a: a.chi.k_max_usable >= 13.5, "noise < 5e-4": lambda a: a.chi.noise < 5e-4,
        "noise to 1.5e-3": lambda a: 5e-4 <= a.chi.noise < 1.5e-3, "noise > 1.5e-3": lambda a: a.chi.noise >= 1.5e-3,
        **{phase: lambda a, phase=phase: a.phase == phase for phase in sorted({a.phase for a in own})},
        **{f"seen as {phase}": lambda a, phase=phase: seen_as(a) == phase for phase in PHASES},
    }  # fmt: skip
    state = np.array([answer.trajectory for answer in own])[judged.answer]
    for name, test in groups.items():
        member = np.array([test(answer) for answer in own])[judged.answer]
        states = np.unique(state[member])
        if len(states) < LEAST_STATES:
            yield f"{name}: {len(states)} trajectories are too few to tell"
            continue
        for row in (LEVELS.index(level) for level in SHOWN):
            hits = judged.inside(row)
            parts = [hits[member & (state == one)] for one in states]
            draws = [
                np.concatenate([parts[i] for i in random.integers(len(parts), size=len(parts))]).mean()
                for _ in range(200)
            ]
            covered, error = hits[member].mean(), max(float(np.std(draws)), 1e-3)
            spectra = len(np.unique(judged.answer[member]))
            expected = (LEVELS[row] * (1 - LEVELS[row]) / spectra) ** 0.5
            if abs(covered - LEVELS[row]) > 3 * error:
                chance = ", which chance explains" if abs(covered - LEVELS[row]) < 3 * expected else ""
                yield (
                    f"{name} ({len(states)} trajectories): {LEVELS[row]:.0%} covers {covered:.3f} ± {error:.3f}"
                    f" (± {expected:.3f} expected of {spectra} independent spectra{chance})"
                )


def seen_as(answer: Answer) -> str:
    """The phase that an answer is most like: all that its user can know of it."""
    columns = [phase for phase in PHASES if phase != "fcc"]
    shares = dict(zip(columns, answer.given[0, -len(columns) :], strict=True))
    return max(PHASES, key=lambda phase: shares.get(phase, 1 - sum(shares.values())))


if __name__ == "__main__":
    main(*sys.argv[1:])
