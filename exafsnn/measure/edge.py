"""Scans → where their edge is, how high, whether all see it, whether it is steepest in one place only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.edges import tabulated
from exafsnn.errors import Finding
from exafsnn.linear import interpolated, running_median
from exafsnn.measure import limits
from exafsnn.records import Array
from exafsnn.rise import (
    AWAY,
    GRID,
    MIN_CONTRAST,
    places_of,
    rises_each,
    slopes_of,
    steepest_each,
    without_spikes,
)

_CLEAR_BY, _CLEARLY = 3.0, 0.8
"""An edge is clear if within so much less [eV] it is steeper than anywhere else: by that factor."""

_APART = (3.0, 20.0)
"""How far two rises of one edge lie apart [eV]: nearer ones give one E₀, further ones are another edge's, or EXAFS."""

_EQUAL = 0.95
"""A second rise so steep, relative to the first, may as well be the first; iron has 0.87 to 0.91, nickel 0.91 to 0.93
(24 scans of one foil 0.925 to 0.932)."""


@dataclass(frozen=True)
class Edge:
    """Where an edge is, and how high: asked once of each scan, and known to all that look at it."""

    position: float
    """Where μ is steepest near the tabulated edge [eV]."""
    height: float
    """By how much μ rises there, whatever spikes there are; in the units of μ."""
    expected: float
    """Tabulated energy [eV]."""

    @property
    def offset(self) -> float:
        """Of the scan's energies from the table's [eV]."""
        return self.position - self.expected


def edge_of(energy: Array, mu: Array, absorber: str, name: str) -> Edge:
    """The edge of one scan (n,)."""
    expected = tabulated(absorber, name)
    position = float(positions(energy, mu[None], expected)[0])
    return Edge(position, float(heights(energy, mu[None], np.array([position]))[0]), expected)


def positions(energy: Array, mu: Array, expected: float) -> Array:
    """(s,) where scans (s, n) are steepest near the tabulated edge [eV]; that energy where they do not hold it.

    Their energies are (n,), or (s, n). Of a scan with spikes the steepest place near that of the running median.
    """
    if not len(mu):  # all were refused before
        return np.empty(0)
    low, high = expected - limits.MAX_EDGE_OFFSET, expected + limits.MAX_EDGE_OFFSET
    held = (np.atleast_2d(energy)[:, 0] < expected) & (expected < np.atleast_2d(energy)[:, -1])
    grid, slopes = slopes_of(energy, mu, low, high)
    if not held.any() or not slopes.shape[1]:
        return np.where(held, steepest_each(energy, mu, low, high), expected)
    sharp = places_of(grid, np.argmax(slopes, axis=1))
    unclear = np.flatnonzero(held & ~_clear(energy, mu, grid, slopes, sharp))
    for rows in [unclear] if energy.ndim == 1 else unclear[:, None]:
        if len(rows):
            own, on = (energy, grid) if energy.ndim == 1 else (energy[rows[0]], grid[rows])
            sharp[rows] = _steady(own, mu[rows], sharp[rows], on, slopes[rows], (low, high))
    return np.where(held, sharp, expected)


def _steady(energy: Array, mu: Array, sharp: Array, grid: Array, slopes: Array, ends: tuple[float, float]) -> Array:
    """(s,) where scans (s, n) of one grid are steepest, spikes or not; ``sharp`` (s,) is where they seem to be.

    ``grid`` and ``slopes`` are those of ``slopes_of`` between the ``ends``.
    """
    steady = without_spikes(energy, mu, limits.WIDE_SPIKE)
    coarse = steepest_each(energy, steady, *ends)
    rises = [rises_each(energy, steady, places) for places in (sharp, coarse)]
    near = np.abs(grid - coarse[:, None]) <= limits.NEAR_EDGE
    beside = places_of(grid, np.argmax(np.where(near, slopes, -np.inf), axis=1))
    return np.where(rises[0] >= rises[1], sharp, beside)


def _clear(energy: Array, mu: Array, grid: Array, slopes: Array, sharp: Array) -> np.ndarray:
    """(s,) which scans are steepest around the same place [eV] without spikes, so that no other is considered.

    The running median is taken every eV, which finds its steepest place to an eV or so; what is not clear by a good
    margin is taken in full. ``grid`` and ``slopes`` are those of ``slopes_of``.
    """
    half = round(limits.WIDE_SPIKE / 2)
    ends = places_of(grid, np.maximum(np.isfinite(slopes).sum(axis=1) - 1, 0))
    counts = np.ceil(ends - grid[:, 0]).astype(int) + 1
    even = grid[:, :1] - half - 1 + np.arange(counts.max() + 2 * half + 2)
    medians = running_median(interpolated(mu, even, energy), half)
    coarse = medians[:, 2:] - medians[:, :-2]
    there = np.arange(coarse.shape[1]) < counts[:, None]
    near = np.abs(even[:, half + 1 : -half - 1] - sharp[:, None]) <= limits.NEAR_EDGE - _CLEAR_BY
    highest = [np.where(choice & there, coarse, -np.inf).max(axis=1) for choice in (~near, near)]
    return np.asarray(highest[0] < _CLEARLY * highest[1])


def heights(energy: Array, mu: Array, position: Array) -> Array:
    """(s,) by how much scans (s, n) rise at positions (s,) [eV], whatever spikes there are.

    Their energies are (n,), or (s, n).
    """
    energy = np.atleast_2d(energy)
    away = energy - position[:, None]
    first = min(max(int((away < -AWAY[-1]).sum(axis=1).min()) - 1, 0), energy.shape[1] - 2)
    points = slice(first, max(int((away <= AWAY[-1]).sum(axis=1).max()) + 1, first + 2))
    return rises_each(energy[:, points], without_spikes(energy, mu, limits.SPIKE, points), position)


def standing(energy: Array, mu: Array, position: Array, expected: float) -> np.ndarray:
    """(s,) which scans (s, n) show their edge so clearly that the gate cannot miss it, nor find a rival.

    Their energies are (n,), or (s, n), the positions of their edges (s,).
    """
    energy, place = np.atleast_2d(energy), position[:, None]
    below = (energy < place - 15) & (energy > place - 200)  # [scan, point]
    lowest, highest = (pick(np.where(below, energy, other), axis=1) for pick, other in ((np.min, np.inf), (np.max, 0)))
    inside = (energy[:, 0] + 10 < position) & (position < energy[:, -1] - 20)
    apart = inside & (below.sum(axis=1) >= 4) & (highest - lowest >= 30)
    rows = np.flatnonzero(apart)
    if len(rows):
        own = energy if len(energy) == 1 else energy[rows]
        apart[rows] = _stands(own, mu[rows], position[rows], below[rows], expected)
    return apart


def _stands(energy: Array, mu: Array, position: Array, below: np.ndarray, expected: float) -> np.ndarray:
    """``standing`` of scans that reach beyond their edges, and have a line below them: of points ``below`` (s, n)."""
    place = position[:, None]
    own = rises_each(energy, mu, position)
    above = np.arange(15.0, 100.0)
    middle, level, slope = _line(energy, mu, below)
    line = level + slope * (position + above.mean() - middle)
    step = interpolated(mu, place + above, energy).mean(axis=1) - line
    rest = own - 2 * slope * AWAY.mean()
    bends = np.abs(np.diff(mu, 2, axis=1))
    before = energy[:, 2:] < place - 10
    noise = 2 * (bends * before).sum(axis=1) / before.sum(axis=1) / 0.6745 / np.sqrt(6)  # the median ≤ twice the mean
    clear = (own > 0) & (step > 0) & (rest > 0.5 * step) & (step > MIN_CONTRAST * noise)
    return np.asarray(clear & (own > limits.MIN_SHARE * np.ptp(mu, axis=1)) & (_fall(energy, mu, expected) < 1.8 * own))


def _line(energy: Array, mu: Array, chosen: np.ndarray) -> tuple[Array, Array, Array]:
    """(s,) mean energy of chosen points (s, n), mean μ there and slope of the straight line through them."""
    count = chosen.sum(axis=1)
    middle = (energy * chosen).sum(axis=1) / count
    away = (energy - middle[:, None]) * chosen
    slope = (away * mu).sum(axis=1) / (away**2).sum(axis=1)
    return middle, (mu * chosen).sum(axis=1) / count, slope


def _fall(energy: Array, mu: Array, expected: float) -> Array:
    """(s,) by how much scans (s, n) fall at most, anywhere near the tabulated edge."""
    reach = limits.MAX_EDGE_OFFSET + AWAY[-1]
    even = interpolated(mu, np.arange(expected - reach, expected + reach + 1.0, 1.0), energy)
    sums = np.cumsum(np.pad(even, ((0, 0), (1, 0))), axis=1)
    n, lowest, count = 2 * int(limits.MAX_EDGE_OFFSET) + 1, int(AWAY[0]), len(AWAY)
    middle = int(AWAY[-1])
    above, below = (
        (sums[:, first + count : first + count + n] - sums[:, first : first + n]) / count
        for first in (middle + lowest, 0)
    )
    fall: Array = np.max(below - above, axis=1)
    return fall


def second_rises(energy: Array, mu: Array, e0: Array) -> tuple[Array, Array]:
    """(s,) energy [eV] of the steepest other rise beside E₀ (s,), and its slope over that at E₀; 0 if there is none."""
    low, high = float(e0.min()) - _APART[1] - GRID, float(e0.max()) + _APART[1] + GRID
    grid, slope = slopes_of(energy, mu, low, high)
    away = np.abs(grid - e0[:, None])
    first = np.where(away <= _APART[0], slope, 0.0).max(axis=1, initial=0.0)
    tops = np.zeros_like(slope, dtype=bool)
    tops[:, 1:-1] = (slope[:, 1:-1] > slope[:, :-2]) & (slope[:, 1:-1] >= slope[:, 2:])
    beside = np.where(tops & (away > _APART[0]) & (away < _APART[1]), slope, -np.inf)
    second = beside.max(axis=1, initial=-np.inf)
    there = np.isfinite(second) & (first > 0)
    share = np.where(there, second / np.where(first > 0, first, 1.0), 0.0)
    places = places_of(grid, np.argmax(beside, axis=1)) if slope.shape[1] else e0
    return np.where(there, places, e0), share


def ambiguous(energy: Array, mu: Array, e0: Array) -> list[tuple[Finding, ...]]:
    """(s,) what is told of edges with two places that may be their E₀: metals have such, and E₀ is then 8 eV off."""
    remedy = "Compare with other scans of the sample, and give --e0"
    told: list[tuple[Finding, ...]] = []
    for place, share, zero in zip(*(part.tolist() for part in second_rises(energy, mu, e0)), e0.tolist(), strict=True):
        message = f"μ rises at {place:.1f} eV {share:.0%} as fast as at {zero:.1f} eV: E₀ may be either"
        told.append((Finding("e0-ambiguous", "warning", message, place, remedy),) if share >= _EQUAL else ())
    return told
