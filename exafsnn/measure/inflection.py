"""Edge → whether it is steepest in one place only: E₀ is where μ rises fastest, and an edge may do so twice.

``background.py`` asks when it takes E₀. Metals have such edges: a little noise, or a point too few, and E₀ is 8 eV off.
"""

from __future__ import annotations

import numpy as np

from exafsnn.errors import Finding
from exafsnn.records import Array
from exafsnn.rise import slope_of

APART = (3.0, 20.0)
"""How far two rises of one edge lie apart [eV]: nearer ones give one E₀, further ones are another edge's, or EXAFS."""

EQUAL = 0.93
"""A second rise so steep, relative to the first, may as well be the first; iron has 0.87 to 0.91, nickel 0.91."""


def second_rise(energy: Array, mu: Array, e0: float) -> tuple[float, float]:
    """Energy [eV] of the steepest other rise beside an edge, and its slope over that at ``e0``; 0 if there is none."""
    grid, slope = slope_of(energy, mu)
    away = np.abs(grid - e0)
    tops = np.flatnonzero((slope[1:-1] > slope[:-2]) & (slope[1:-1] >= slope[2:])) + 1
    others = tops[(away[tops] > APART[0]) & (away[tops] < APART[1])]
    first = float(slope[away <= APART[0]].max(initial=0.0))
    if not len(others) or first <= 0:
        return e0, 0.0
    second = others[np.argmax(slope[others])]
    return float(grid[second]), float(slope[second]) / first


def ambiguous(energy: Array, mu: Array, e0: float) -> tuple[Finding, ...]:
    """Tell an edge with two places that may be its E₀."""
    place, share = second_rise(energy, mu, e0)
    if share < EQUAL:
        return ()
    message = f"μ rises at {place:.1f} eV {share:.0%} as fast as at {e0:.1f} eV: E₀ may be either"
    remedy = "Compare with other scans of the sample, and give --e0"
    return (Finding("e0-ambiguous", "warning", message, place, remedy),)
