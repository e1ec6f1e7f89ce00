"""Scans of one grid → where their edge is, how high, whether all see it, whether it is steepest in one place only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.edges import tabulated
from exafsnn.errors import Finding
from exafsnn.linear import interpolated, polynomial_at, running_median
from exafsnn.measure import limits
from exafsnn.records import Array
from exafsnn.rise import (
    AWAY,
    GRID,
    MIN_CONTRAST,
    rises_each,
    slopes_of,
    steepest_each,
    without_spikes,
)

_CLEAR_BY, _CLEARLY = 3.0, 0.8
"""An edge is clear if within so much less [eV] it is steeper than anywhere else: by that factor."""

_APART = (3.0, 20.0)
"""How far two rises of one edge lie apart [eV]: nearer ones give one E₀, further ones are another edge's, or EXAFS."""

_EQUAL = 0.93
"""A second rise so steep, relative to the first, may as well be the first; iron has 0.87 to 0.91, nickel 0.91."""


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
    return Edge(position, float(heights(energy, mu[None], position)[0]), expected)


def positions(energy: Array, mu: Array, expected: float) -> Array:
    """(s,) where scans (s, n) are steepest near the tabulated edge [eV]; that energy where they do not hold it.

    Of a scan with spikes the steepest place near that of the running median.
    """
    if not energy[0] < expected < energy[-1]:
        return np.full(len(mu), expected)
    low, high = expected - limits.MAX_EDGE_OFFSET, expected + limits.MAX_EDGE_OFFSET
    grid, slopes = slopes_of(energy, mu, low, high)
    if not len(grid):
        return steepest_each(energy, mu, low, high)
    sharp = grid[np.argmax(slopes, axis=1)]
    unclear = np.flatnonzero(~_clear(energy, mu, grid, sharp))
    if not len(unclear):
        return sharp
    steady = without_spikes(energy, mu[unclear], limits.WIDE_SPIKE)
    coarse = steepest_each(energy, steady, low, high)
    rises = [rises_each(energy, steady, places) for places in (sharp[unclear], coarse)]
    near = np.abs(grid - coarse[:, None]) <= limits.NEAR_EDGE
    beside = grid[np.argmax(np.where(near, slopes[unclear], -np.inf), axis=1)]
    sharp[unclear] = np.where(rises[0] >= rises[1], sharp[unclear], beside)
    return sharp


def _clear(energy: Array, mu: Array, grid: Array, sharp: Array) -> np.ndarray:
    """(s,) which scans are steepest around the same place [eV] without spikes, so that no other is considered.

    The running median is taken every eV, which finds its steepest place to an eV or so; what is not clear by a good
    margin is taken in full.
    """
    half = round(limits.WIDE_SPIKE / 2)
    even = np.arange(grid[0] - half - 1, grid[-1] + half + 2, 1.0)
    medians = running_median(interpolated(mu, even, energy), half)
    slopes = medians[:, 2:] - medians[:, :-2]
    beside = np.abs(even[half + 1 : -half - 1] - sharp[:, None]) > limits.NEAR_EDGE - _CLEAR_BY
    highest = [np.where(choice, slopes, -np.inf).max(axis=1) for choice in (beside, ~beside)]
    return np.asarray(highest[0] < _CLEARLY * highest[1])


def heights(energy: Array, mu: Array, position: float) -> Array:
    """(s,) by how much scans (s, n) rise at a position [eV], whatever spikes there are."""
    places = np.searchsorted(energy, [position - AWAY[-1], position + AWAY[-1]])
    first = int(np.clip(places[0] - 1, 0, len(energy) - 2))
    points = slice(first, max(int(places[1]) + 1, first + 2))
    steady = without_spikes(energy, mu, limits.SPIKE, points)
    return rises_each(energy[points], steady, np.full(len(mu), position))


def standing(energy: Array, mu: Array, position: float, expected: float) -> np.ndarray:
    """(s,) which scans (s, n) show their edge so clearly that the gate cannot miss it, nor find a rival."""
    below = (energy < position - 15) & (energy > position - 200)
    apart = energy[0] + 10 < position < energy[-1] - 20 and below.sum() >= 4 and np.ptp(energy[below]) >= 30
    if not apart:
        return np.zeros(len(mu), dtype=bool)
    own = rises_each(energy, mu, np.full(len(mu), position))
    above = position + np.arange(15.0, 100.0)
    line = polynomial_at(np.concatenate([above, position + AWAY, position - AWAY]), energy[below], 1)
    lines = mu[:, below] @ line.T  # [scan, place]
    step = (interpolated(mu, above, energy) - lines[:, : len(above)]).mean(axis=1)
    rest = own - (lines[:, len(above) : -len(AWAY)] - lines[:, -len(AWAY) :]).mean(axis=1)
    bends = np.abs(np.diff(mu[:, energy < position - 10], 2, axis=1))
    noise = 2 * bends.mean(axis=1) / 0.6745 / np.sqrt(6)  # the median is at most twice the mean
    clear = (own > 0) & (step > 0) & (rest > 0.5 * step) & (step > MIN_CONTRAST * noise)
    return np.asarray(clear & (own > limits.MIN_SHARE * np.ptp(mu, axis=1)) & (_fall(energy, mu, expected) < 1.8 * own))


def _fall(energy: Array, mu: Array, expected: float) -> Array:
    """(s,) by how much scans (s, n) fall at most, anywhere near the tabulated edge."""
    reach = limits.MAX_EDGE_OFFSET + AWAY[-1]
    even = interpolated(mu, np.arange(expected - reach, expected + reach + 1.0, 1.0), energy)
    width = 2 * limits.MAX_EDGE_OFFSET
    n = int(width) + 1
    middle = int(AWAY[-1])
    above, below = (
        sum(even[:, middle + side * int(a) : middle + side * int(a) + n] for a in AWAY) / len(AWAY) for side in (1, -1)
    )
    fall: Array = np.max(below - above, axis=1)
    return fall


def second_rises(energy: Array, mu: Array, e0: Array) -> tuple[Array, Array]:
    """(s,) energy [eV] of the steepest other rise beside E₀ (s,), and its slope over that at E₀; 0 if there is none."""
    grid, slope = slopes_of(energy, mu, float(e0.min()) - _APART[1] - GRID, float(e0.max()) + _APART[1] + GRID)
    away = np.abs(grid - e0[:, None])
    first = np.where(away <= _APART[0], slope, 0.0).max(axis=1, initial=0.0)
    tops = np.zeros_like(slope, dtype=bool)
    tops[:, 1:-1] = (slope[:, 1:-1] > slope[:, :-2]) & (slope[:, 1:-1] >= slope[:, 2:])
    beside = np.where(tops & (away > _APART[0]) & (away < _APART[1]), slope, -np.inf)
    second = beside.max(axis=1, initial=-np.inf)
    there = np.isfinite(second) & (first > 0)
    share = np.where(there, second / np.where(first > 0, first, 1.0), 0.0)
    places = grid[np.argmax(beside, axis=1)] if len(grid) else e0
    return np.where(there, places, e0), share


def ambiguous(energy: Array, mu: Array, e0: Array) -> list[tuple[Finding, ...]]:
    """(s,) what is told of edges with two places that may be their E₀: metals have such, and E₀ is then 8 eV off."""
    remedy = "Compare with other scans of the sample, and give --e0"
    told: list[tuple[Finding, ...]] = []
    for place, share, zero in zip(*(part.tolist() for part in second_rises(energy, mu, e0)), e0.tolist(), strict=True):
        message = f"μ rises at {place:.1f} eV {share:.0%} as fast as at {zero:.1f} eV: E₀ may be either"
        told.append((Finding("e0-ambiguous", "warning", message, place, remedy),) if share >= _EQUAL else ())
    return told
