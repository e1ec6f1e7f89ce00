"""The axis of a series → its rising and falling branches, and how far apart a transition comes on two of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exafsnn.analyse.transition.search import Transition
from exafsnn.errors import ScanError
from exafsnn.records import Array


@dataclass(frozen=True)
class Branch:
    """Part of a series over which the axis rises or falls."""

    rising: bool
    scans: tuple[int, ...]
    """Numbers of its scans, in the order measured."""


@dataclass(frozen=True)
class Hysteresis:
    """How much later a transition comes when the axis rises than when it falls."""

    found: bool
    """Whether both branches have the transition."""
    width: float = math.nan
    """Place on the rising minus place on the falling branch, in units of the axis."""
    low: float = math.nan
    """Interval that covers at least 95 %; hysteresis is certain if it is above 0."""
    high: float = math.nan


def branches(axis: Array, tolerance: float | None = None) -> tuple[Branch, ...]:
    """Split a series in the order measured where the axis turns round.

    Parameters
    ----------
    axis
        (n,) in the order measured.
    tolerance
        Way back, in units of the axis, that is no turn; 2 % of the range where None.

    Returns
    -------
    tuple[Branch, ...]
        Each scan is in one of them; the scan at which the axis turns ends its branch.

    Raises
    ------
    ScanError
        If there are fewer than two scans, or values that are no numbers.
    """
    x = np.asarray(axis, dtype=float)
    if x.ndim != 1 or x.size < 2 or not np.isfinite(x).all():
        raise ScanError(
            "a branch needs two scans or more, each with a number", where="axis", remedy="Leave out the scans without"
        )
    turns = _turns(x, 0.02 * float(np.ptp(x)) if tolerance is None else tolerance)
    edges = [0, *(turn + 1 for turn in turns), x.size]
    starts = [0, *turns, x.size - 1]
    return tuple(
        Branch(bool(x[starts[b + 1]] >= x[starts[b]]), tuple(range(edges[b], edges[b + 1])))
        for b in range(len(edges) - 1)
    )


def hysteresis(rising: Transition, falling: Transition) -> Hysteresis:
    """Difference of a transition's place between two branches.

    The interval is that of the extremes of both, since each is mostly the gap between two scans.
    """
    if not (rising.found and falling.found):
        return Hysteresis(False)
    return Hysteresis(True, rising.at - falling.at, rising.low - falling.high, rising.high - falling.low)


def _turns(axis: Array, tolerance: float) -> list[int]:
    """Numbers of the scans at which the axis turns round by more than ``tolerance``."""
    turns: list[int] = []
    extreme, direction = 0, 0
    for number in range(1, axis.size):
        way = float(axis[number] - axis[extreme])
        if direction == 0:
            if abs(way) > tolerance:
                extreme, direction = number, int(np.sign(way))
        elif way * direction >= 0:
            extreme = number
        elif abs(way) > tolerance:
            turns.append(extreme)
            extreme, direction = number, -direction
    return turns
