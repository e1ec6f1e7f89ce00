"""μ(E) → where it rises as at an edge, and by how much: ``read`` names the absorber by it, ``measure`` begins there.

Of many scans at once, [scan, point], on one grid or each on its own; the functions without ``_each`` are for a
person's one scan.
"""

from __future__ import annotations

import numpy as np

from exafsnn.linear import gaussian_smoothed, interpolated, median_of_three, polynomial_at, running_median
from exafsnn.records import Array

_SMOOTHING = 0.5
"""Standard deviation [eV] of the Gaussian that smooths μ before its derivative is taken."""

MIN_CONTRAST = 5.0
"""Smallest step of an edge, in units of the noise of single points."""

GRID = 0.25
"""Spacing [eV] on which running medians and derivatives are taken."""

_MARGIN = 12
"""Points of that grid on either side from which what is asked for may follow."""

AWAY = np.arange(8.0, 26.0)
"""Distances [eV] from an edge over which its rise is taken."""


def slopes_of(energy: Array, mu: Array, low: float = -np.inf, high: float = np.inf) -> tuple[Array, Array]:
    """Even energies [eV] from ``low`` to ``high``, and dμ/dE (s, g) of scans (s, n) there, blind to single spikes.

    The energies are (1, g) of scans on one grid (n,), and (s, g) of scans on grids of their own (s, n): -inf is the
    slope where a scan does not reach. Its outermost interval at either end is left out.
    """
    energy = np.atleast_2d(energy)
    start, first, last = _even(energy, low, high)
    count = int((last - first).max())
    if count <= 0:
        return np.empty((len(energy), 0)), np.empty((len(mu), 0))
    total = np.ceil((energy[:, -1:] - start) / GRID).astype(int)  # [scan, 1]
    steps = first + np.arange(-_MARGIN, count + _MARGIN)
    steps = np.where(steps < 0, -1 - steps, steps)  # mirrored at either end
    wide = start + GRID * np.maximum(np.where(steps < total, steps, 2 * total - 1 - steps), 0)
    before, within = (energy < wide.min(axis=1, keepdims=True)), (energy <= wide.max(axis=1, keepdims=True))
    near = slice(max(int(before.sum(axis=1).min()) - 3, 0), int(within.sum(axis=1).max()) + 3)
    even = interpolated(median_of_three(mu[:, near]), wide, energy[:, near])
    slope = np.gradient(gaussian_smoothed(even, _SMOOTHING / GRID), GRID, axis=1)[:, _MARGIN:-_MARGIN]
    grid = start + GRID * (first + np.arange(count))
    return grid, slope if len(first) == 1 else np.where(first + np.arange(count) < last, slope, -np.inf)


def _even(energy: Array, low: float, high: float) -> tuple[Array, np.ndarray, np.ndarray]:
    """(r, 1) where even energies begin [eV], and which of them are the first and, exclusively, the last to be used."""
    start = energy[:, :1]
    first = np.ceil((np.maximum(low, energy[:, 1:2]) - start) / GRID).astype(int)
    last = np.floor((np.minimum(high, energy[:, -2:-1]) - start) / GRID).astype(int) + 1
    return start, first, last


def steepest_each(energy: Array, mu: Array, low: float = -np.inf, high: float = np.inf) -> Array:
    """(s,) energies [eV] of the largest dμ/dE of scans (s, n) between ``low`` and ``high`` [eV]."""
    grid, slope = slopes_of(energy, mu, low, high)
    if not slope.shape[1]:
        return np.broadcast_to(np.atleast_2d(energy)[:, 0], (len(mu),)).copy()
    return places_of(grid, np.argmax(slope, axis=1))


def places_of(grid: Array, numbers: np.ndarray) -> Array:
    """(s,) energies (1, g) or (s, g) of which the numbers (s,) are given."""
    found: Array = grid[np.arange(len(grid)) if len(grid) > 1 else 0, numbers]
    return found


def steepest(energy: Array, mu: Array, low: float = -np.inf, high: float = np.inf) -> float:
    """Energy [eV] of the largest dμ/dE of a scan (n,) between ``low`` and ``high``, blind to spikes of one point."""
    return float(steepest_each(energy, mu[None], low, high)[0])


def without_spikes(energy: Array, mu: Array, width: float, points: slice = slice(None)) -> Array:
    """(s, p) running medians over ``width`` eV of scans (s, n), at some of their points.

    Their energies are (n,), or (s, n). What is narrower than half of that vanishes, an edge stays.
    """
    half, energy = round(width / GRID / 2), np.atleast_2d(energy)
    needed, start = energy[:, points], energy[:, :1]
    total = np.ceil((energy[:, -1:] - start) / GRID).astype(int)
    first = np.ceil((needed[:, :1] - start) / GRID).astype(int) - 2
    last = np.minimum(np.ceil((needed[:, -1:] - start) / GRID).astype(int) + 2, total)
    first = np.maximum(first, 0)
    used = first - half + np.arange(int((last - first).max()) + 2 * half)
    mirrored = np.where(used < 0, -1 - used, used)
    mirrored = np.clip(np.where(mirrored < total, mirrored, 2 * total - 1 - mirrored), 0, total - 1)
    medians = running_median(interpolated(mu, start + GRID * mirrored, energy), half)
    return interpolated(medians, needed, start + GRID * used[:, half : used.shape[1] - half])


def rises_each(energy: Array, mu: Array, positions: Array) -> Array:
    """(s,) by how much scans (s, n) lie higher 8 to 25 eV above positions (s,) [eV] than 8 to 25 eV below them.

    Their energies are (n,), or (s, n).
    """
    above, below = (interpolated(mu, positions[:, None] + side * AWAY, energy) for side in (1, -1))
    rises: Array = (above - below).mean(axis=1)
    return rises


def edge_rise(energy: Array, mu: Array, position: float) -> float:
    """By how much a scan (n,) lies higher 8 to 25 eV above a position [eV] than 8 to 25 eV below it."""
    return float(rises_each(energy, mu[None], np.array([position]))[0])


def has_edge(energy: Array, mu: Array, position: float, least: float = 0.0) -> bool:
    """Tell whether μ (n,) steps up at a position [eV], by more than ``least`` and than its noise."""
    return edge_contrast(energy, mu, position, least) > MIN_CONTRAST


def edge_contrast(energy: Array, mu: Array, position: float, least: float = 0.0) -> float:
    """Height of the step of μ (n,) at a position [eV], in units of the noise of single points; 0 where no edge rises.

    An edge rises by half its height or more within 25 eV on either side, and by more than ``least``.
    """
    if not energy[0] + 10 < position < energy[-1] - 20:
        return 0.0
    rest = mu - _line_below(energy, mu, position)
    step = float(np.mean(np.interp(position + np.arange(15, 100), energy, rest)))
    if step <= least or edge_rise(energy, rest, position) <= 0.5 * step:
        return 0.0
    return step / max(point_noise(mu[energy < position - 10]), 1e-9 * step)


def _line_below(energy: Array, mu: Array, position: float) -> Array:
    """Pre-edge line (n,); a constant where there is too little to fit a line to."""
    below = (energy < position - 15) & (energy > position - 200)
    if below.sum() < 4 or np.ptp(energy[below]) < 30:
        return np.full_like(mu, mu[energy < position - 5].mean())
    return polynomial_at(energy, energy[below], 1) @ mu[below]


def point_noise(mu: Array) -> float:
    """Estimate the noise of single points (n,), from second differences; 0 for fewer than 5 points."""
    if len(mu) < 5:
        return 0.0
    return float(np.median(np.abs(np.diff(mu, 2))) / 0.6745 / np.sqrt(6))
