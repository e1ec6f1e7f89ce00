"""Do error bars cover? Answers against the truth: intervals for each part of the trajectories, set on the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from exafsnn.learn.intervals import LEVELS
from exafsnn.records import Array
from exafsnn.validate.calibration import Answer, scales_of

PARTS = 10
"""Into which the trajectories are dealt."""


@dataclass(frozen=True)
class Judged:
    """All answers of one kind, for one quantity: truth minus answer (n,), and what was said of it."""

    truth: Array
    low: Array
    """(levels, n) lower ends of the intervals."""
    high: Array
    answer: Array
    """(n,) row of each in the answers."""

    def inside(self, row: int) -> Array:
        """(n,) whether the truth lies in the interval of ``LEVELS[row]``."""
        return (self.low[row] <= self.truth) & (self.truth <= self.high[row])


def cross_fitted(answers: Sequence[Answer]) -> dict[str, Judged]:
    """Intervals for each part of the trajectories, set on the others as ``calibration`` sets them; by quantity."""
    trajectories = np.array(sorted({answer.trajectory for answer in answers}))
    part = dict(zip(np.random.default_rng(0).permutation(trajectories).tolist(), range(len(trajectories)), strict=True))
    pieces: dict[str, list[tuple[Array, Array, Array, Array]]] = {quantity: [] for quantity in answers[0].errors}
    for number in range(PARTS):
        own = [row for row, answer in enumerate(answers) if part[answer.trajectory] % PARTS == number]
        scales = scales_of([answer for answer in answers if part[answer.trajectory] % PARTS != number])
        for quantity in pieces:
            for row in own if quantity in scales else ():
                error, raw = answers[row].errors[quantity]
                ends = [scales[quantity].interval(level, raw, answers[row].given) for level in LEVELS]
                pieces[quantity].append((-error, *np.array(ends).swapaxes(0, 1), np.full(len(error), row)))
    return {
        quantity: Judged(*(np.concatenate(parts, axis=-1) for parts in zip(*found, strict=True)))
        for quantity, found in pieces.items()
        if found
    }


def ks(judged: Judged) -> float:
    """Distance of the ranks of the truth, in the distribution that the intervals make, from a uniform one."""
    tails = np.array(LEVELS) / 2
    share = np.r_[0.0, 0.5 - tails[::-1], 0.5 + tails, 1.0]
    ends = np.concatenate([3 * judged.low[-1:], judged.low[::-1], judged.high, 3 * judged.high[-1:]])
    rank = np.sort([np.interp(x, points, share) for x, points in zip(judged.truth, ends.T, strict=True)])
    steps = np.arange(1, len(rank) + 1) / len(rank)
    return float(max(np.abs(rank - steps).max(), np.abs(rank - steps + 1 / len(rank)).max()))
