"""Many scans of one grid → where their edge is, how high, whether all see it: ``edges`` and ``quality.edge_position``.

``together.py`` asks first of all; ``background.py`` asks whether E₀ is plain.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from exafsnn.measure import limits
from exafsnn.measure.batch.forms import KEPT, ROUNDING, interpolated, interpolation, polynomial_at
from exafsnn.measure.inflection import APART, EQUAL
from exafsnn.records import Array
from exafsnn.rise import GRID, MIN_CONTRAST, SMOOTHING

CLEAR_BY, CLEARLY = 3.0, 0.8
"""An edge is clear if within so much less [eV] it is steeper than anywhere else: by that factor."""

TRUNCATED = 4.0
"""Where the Gaussian that smooths μ ends, in standard deviations (scipy's)."""

AWAY = np.arange(8.0, 26.0)
"""Distances [eV] from an edge over which its rise is taken, as ``rise.edge_rise`` does."""


@dataclass(frozen=True)
class EdgeFinder:
    """``quality.edge_position`` and the like, of many scans on one grid."""

    energy: Array
    """(n,) [eV]."""
    near: slice
    """Points of the grid around the tabulated edge: w of them."""
    places: Array
    """(p,) where the edge may be [eV]."""
    slopes: Array
    """(w, p) matrix: μ near the edge → slope of the smoothed μ at these places."""
    rise: Array
    """(p, w) matrix: its rise at these places is the product with μ near the edge."""

    def positions(self, mu: Array) -> Array:
        """(s,) where μ (s, n) is steepest near the tabulated edge [eV]."""
        slopes = _median_of_three(mu[:, self.near]) @ self.slopes
        sharp = np.argmax(slopes, axis=1)
        unclear = np.flatnonzero(~self._clear(mu, self.places[sharp]))
        if len(unclear):
            sharp[unclear] = self._in_full(mu[unclear], slopes[unclear], sharp[unclear])
        return np.asarray(self.places[sharp])

    def _clear(self, mu: Array, sharp: Array) -> np.ndarray:
        """(s,) which scans are steepest around the same place [eV] without spikes, so that no other is considered.

        ``edge_position`` takes the steepest place within ``NEAR_EDGE`` of that of the running median. Here the median
        is taken every eV, which finds that to an eV or so; what is not clear by a good margin is taken in full.
        """
        from scipy.ndimage import median_filter

        half = round(limits.WIDE_SPIKE / 2)
        grid = np.arange(self.places[0] - half - 1, self.places[-1] + half + 2, 1.0)
        even = interpolated(mu[:, self.near], grid, self.energy[self.near])
        medians = median_filter(even.ravel(), 2 * half + 1).reshape(even.shape)[:, half:-half]
        slopes = medians[:, 2:] - medians[:, :-2]
        beside = np.abs(grid[half + 1 : -half - 1] - sharp[:, None]) > limits.NEAR_EDGE - CLEAR_BY
        highest = [np.where(choice, slopes, -np.inf).max(axis=1) for choice in (beside, ~beside)]
        return np.asarray(highest[0] < CLEARLY * highest[1])

    def _in_full(self, mu: Array, slopes: Array, sharp: np.ndarray) -> np.ndarray:
        """(s,) index of the place of the edge, by way of ``edge_position``; ``sharp`` where the slopes are largest."""
        steady = self._steady(mu, limits.WIDE_SPIKE)
        coarse = np.argmax(_median_of_three(steady) @ self.slopes, axis=1)
        rises = [np.einsum("sw,sw->s", steady, self.rise[choice]) for choice in (sharp, coarse)]
        away = np.abs(self.places - self.places[coarse, None])
        near = np.argmax(np.where(away <= limits.NEAR_EDGE, slopes, -np.inf), axis=1)
        return np.where(rises[0] >= rises[1], sharp, near)

    def _steady(self, mu: Array, width: float, part: slice = slice(None)) -> Array:
        """(s, w) ``rise.without_spikes`` of μ (s, n) near the edge: running median over ``width`` [eV]."""
        from scipy.ndimage import median_filter

        half, needed = round(width / GRID / 2), self.energy[self.near][part]
        grid = np.arange(self.energy[0], self.energy[-1], GRID)
        first, last = np.searchsorted(grid, needed[0]) - 2, np.searchsorted(grid, needed[-1]) + 2
        used = np.arange(max(first, 0) - half, min(last, len(grid)) + half)
        mirrored = np.where(used < 0, -1 - used, np.where(used < len(grid), used, 2 * len(grid) - 1 - used))
        even = interpolated(mu, grid[mirrored], self.energy)
        medians = median_filter(even.ravel(), 2 * half + 1).reshape(even.shape)[:, half:-half]
        return interpolated(medians, needed, grid[used[half:-half]])

    def rises(self, mu: Array, positions: Array) -> Array:
        """(s,) ``rise.edge_rise`` of μ (s, n), at a position each."""
        rises: Array = np.einsum("sw,sw->s", mu[:, self.near], self.rise[np.searchsorted(self.places, positions)])
        return rises

    def height(self, mu: Array, position: float) -> Array:
        """(s,) ``quality.edge_height`` of μ (s, n): rise at a position [eV], whatever spikes there are."""
        row = self.rise[np.searchsorted(self.places, position)]
        used = np.flatnonzero(row)
        part = slice(max(int(used[0]) - 1, 0), int(used[-1]) + 2)
        height: Array = self._steady(mu, limits.SPIKE, part) @ row[part]
        return height

    def twofold(self, mu: Array, e0: Array) -> np.ndarray:
        """(s,) in which of (s, n) scans μ may rise as fast at a second place beside E₀ as at E₀: ``inflection``."""
        slopes = _median_of_three(mu[:, self.near]) @ self.slopes
        away = np.abs(self.places - e0[:, None])
        first = np.where(away <= APART[0], slopes, 0.0).max(axis=1)
        tops = (slopes[:, 1:-1] > slopes[:, :-2]) & (slopes[:, 1:-1] >= slopes[:, 2:])
        beside = tops & (away[:, 1:-1] > APART[0]) & (away[:, 1:-1] < APART[1])
        second = np.where(beside, slopes[:, 1:-1], 0.0).max(axis=1)
        seen = (e0 - APART[1] > self.places[0]) & (e0 + APART[1] < self.places[-1])
        return np.asarray((second >= ROUNDING * EQUAL * first) | ~seen)

    def standing(self, mu: Array, position: float) -> np.ndarray:
        """(s,) which of (s, n) scans show their edge so clearly that ``check`` cannot miss it, nor find a rival."""
        energy, place = self.energy, np.searchsorted(self.places, position)
        below = (energy < position - 15) & (energy > position - 200)
        apart = energy[0] + 10 < position < energy[-1] - 20 and below.sum() >= 4 and np.ptp(energy[below]) >= 30
        if not apart:
            return np.zeros(len(mu), dtype=bool)
        line = polynomial_at(energy, energy[below], 1)
        above = interpolation(position + np.arange(15.0, 100.0), energy).mean(axis=0)
        rises = mu[:, self.near] @ self.rise.T
        own, under = rises[:, place], mu[:, below]
        step = mu @ above - under @ (line.T @ above)
        rest = own - under @ (line[self.near].T @ self.rise[place])
        bends = np.abs(np.diff(mu[:, energy < position - 10], 2, axis=1))
        noise = 2 * bends.mean(axis=1) / 0.6745 / np.sqrt(6)  # the median is at most twice the mean
        clear = (own > 0) & (step > 0) & (rest > 0.5 * step) & (step > MIN_CONTRAST * noise)
        return np.asarray(clear & (own > limits.MIN_SHARE * np.ptp(mu, axis=1)) & (-rises.min(axis=1) < 2 * own))


@lru_cache(maxsize=KEPT)
def edge_finder(grid: bytes, expected: float) -> EdgeFinder:
    """Matrices of a grid, of whose energies these are the bytes, around a tabulated edge [eV]."""
    from scipy.ndimage import gaussian_filter1d

    energy = np.frombuffer(grid)
    even = np.arange(energy[0], energy[-1], GRID)
    low, high = expected - limits.MAX_EDGE_OFFSET, expected + limits.MAX_EDGE_OFFSET
    inside = np.flatnonzero((even >= max(low, energy[1])) & (even <= min(high, energy[-2])))
    margin = int(TRUNCATED * SMOOTHING / GRID) + 2
    first, last = max(inside[0] - margin, 0), min(inside[-1] + 1 + margin, len(even))
    reach = float(AWAY[-1]) + 2 * GRID
    ends = np.searchsorted(energy, [even[inside[0]] - reach, even[inside[-1]] + reach])
    near = slice(max(int(ends[0]) - 2, 0), int(ends[1]) + 2)
    here = energy[near]
    smooth = gaussian_filter1d(interpolation(even[first:last], here), SMOOTHING / GRID, axis=0, truncate=TRUNCATED)
    slopes = np.gradient(smooth, GRID, axis=0)[inside - first]
    sides = [interpolation((even[inside, None] + side * AWAY).ravel(), here) for side in (1, -1)]
    rise = (sides[0] - sides[1]).reshape(len(inside), len(AWAY), -1).mean(axis=1)
    return EdgeFinder(energy, near, even[inside], np.ascontiguousarray(slopes.T), rise)


def _median_of_three(values: Array) -> Array:
    """(s, w) median of each value and its neighbours; the first and last stay."""
    medians = values.copy()
    before, here, after = values[:, :-2], values[:, 1:-1], values[:, 2:]
    low, high = np.minimum(before, here), np.maximum(before, here)
    medians[:, 1:-1] = np.maximum(low, np.minimum(high, after))
    return medians
