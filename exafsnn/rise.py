"""μ(E) → where it rises as at an edge, and by how much: ``read`` names the absorber by it, ``measure`` begins there."""

from __future__ import annotations

from functools import cache

import numpy as np

from exafsnn.records import Array

SMOOTHING = 0.5
"""Standard deviation [eV] of the Gaussian that smooths μ before its derivative is taken."""

MIN_CONTRAST = 5.0
"""Smallest step of an edge, in units of the noise of single points."""

GRID = 0.25
"""Spacing [eV] on which running medians and derivatives are taken."""


def steepest(energy: Array, mu: Array, low: float = -np.inf, high: float = np.inf) -> float:
    """Energy [eV] of the largest dμ/dE between ``low`` and ``high``, blind to spikes of one point.

    Parameters
    ----------
    energy, mu
        (n,) scan, energy increasing.
    low, high
        Range of energies [eV] to look at.
    """
    grid, slope = slope_of(energy, mu)
    slope[(grid < max(low, energy[1])) | (grid > min(high, energy[-2]))] = -np.inf
    return float(grid[np.argmax(slope)])


def slope_of(energy: Array, mu: Array) -> tuple[Array, Array]:
    """Even energies [eV], and dμ/dE there."""
    grid = np.arange(energy[0], energy[-1], GRID)
    return grid, np.gradient(_smoothed(np.interp(grid, energy, _median_of_three(mu))), GRID)


def _median_of_three(values: Array) -> Array:
    """(n,) running median over three points; both ends stay."""
    median, (left, here, right) = values.copy(), (values[:-2], values[1:-1], values[2:])
    median[1:-1] = np.maximum(np.minimum(left, here), np.minimum(np.maximum(left, here), right))
    return median


def _smoothed(values: Array) -> Array:
    """(n,) values on an even grid, smoothed; what lies beyond an end is their mirror image.

    To the last bit what scipy.ndimage.gaussian_filter1d makes of them, whose import takes longer than reading a scan.
    """
    weights, count = _gaussian(SMOOTHING / GRID), len(values)
    reach = len(weights) - 1
    mirrored = np.pad(values, reach, mode="symmetric")
    total: Array = mirrored[reach : reach + count] * weights[0]
    for away in range(reach, 0, -1):
        total += (mirrored[reach - away :][:count] + mirrored[reach + away :][:count]) * weights[away]
    return total


@cache
def _gaussian(width: float, truncated: float = 4.0) -> list[float]:
    """Weights of a Gaussian from its middle outward, to ``truncated`` standard deviations; both sides sum to one."""
    reach = int(truncated * width + 0.5)
    both = np.exp(-0.5 / width**2 * np.arange(-reach, reach + 1) ** 2)
    return [float(weight) for weight in (both / both.sum())[reach:]]


def without_spikes(energy: Array, mu: Array, width: float) -> Array:
    """(n,) running median of μ over ``width`` eV: what is narrower than half of that vanishes, an edge stays."""
    from scipy.ndimage import median_filter

    grid = np.arange(energy[0], energy[-1], GRID)
    size = 2 * round(width / GRID / 2) + 1
    steady: Array = np.interp(energy, grid, median_filter(np.interp(grid, energy, mu), size))
    return steady


def has_edge(energy: Array, mu: Array, position: float, least: float = 0.0) -> bool:
    """Tell whether μ steps up at a position [eV], by more than ``least`` and than its noise."""
    return edge_contrast(energy, mu, position, least) > MIN_CONTRAST


def edge_contrast(energy: Array, mu: Array, position: float, least: float = 0.0) -> float:
    """Height of the step of μ at a position [eV], in units of the noise of single points; 0 where no edge rises.

    An edge rises by half its height or more within 25 eV on either side, and by more than ``least``.
    """
    if not energy[0] + 10 < position < energy[-1] - 20:
        return 0.0
    rest = mu - _line_below(energy, mu, position)
    step = float(np.mean(np.interp(position + np.arange(15, 100), energy, rest)))
    if step <= least or edge_rise(energy, rest, position) <= 0.5 * step:
        return 0.0
    return step / max(point_noise(mu[energy < position - 10]), 1e-9 * step)


def edge_rise(energy: Array, mu: Array, position: float) -> float:
    """By how much μ lies higher 8 to 25 eV above a position [eV] than 8 to 25 eV below it."""
    away = np.arange(8, 26)
    return float(np.mean(np.interp(position + away, energy, mu) - np.interp(position - away, energy, mu)))


def _line_below(energy: Array, mu: Array, position: float) -> Array:
    """Pre-edge line (n,); a constant where there is too little to fit a line to."""
    below = (energy < position - 15) & (energy > position - 200)
    if below.sum() < 4 or np.ptp(energy[below]) < 30:
        return np.full_like(mu, mu[energy < position - 5].mean())
    middle, height = energy[below].mean(), mu[below].mean()
    away = energy[below] - middle
    line: Array = height + away @ (mu[below] - height) / (away @ away) * (energy - middle)
    return line


def point_noise(mu: Array) -> float:
    """Estimate the noise of single points, from second differences; 0 for fewer than 5 points."""
    if len(mu) < 5:
        return 0.0
    return float(np.median(np.abs(np.diff(mu, 2))) / 0.6745 / np.sqrt(6))
