"""Stretches of a scan → glitches: short runs of points that lie off the curve that their neighbours draw.

``gate.py`` calls it for the pre-edge and the end of the scan; between them ``waves.py`` does better. The method is
that of Wallace, Alsina & Gaillard, J. Synchrotron Rad. 28, 1137 (2021): a Savitzky–Golay filter leaves residuals, the
generalized ESD test of Rosner, Technometrics 25, 165 (1983) names the outliers among them, and the curve drawn without
these decides. Here the filter takes the true, uneven energies.
"""

from __future__ import annotations

import numpy as np

from exafsnn.records import Array

SIDE = 3
"""Neighbours on each side that draw the curve …"""

DEGREE = 2
"""… a polynomial of this degree."""

FEWEST = 2 * SIDE + 2
"""Fewest points that tell anything."""

SIGNIFICANCE = 1e-3
"""Chance that the outlier test names a point of a normal sample."""

MAX_SHARE = 0.1
"""Largest share of the points that the test looks at."""


def find_glitches(energy: Array, mu: Array, least: float) -> list[np.ndarray]:
    """Find the points off the curve of their neighbours, in runs.

    Parameters
    ----------
    energy, mu
        (n,) stretch of a scan, energy increasing.
    least
        Smallest distance from the curve that matters, in units of μ.

    Returns
    -------
    list of array
        Indices of the points of each glitch.
    """
    if len(energy) < FEWEST:
        return []
    everything = np.ones(len(energy), dtype=bool)
    residual, growth = distances(energy, mu, everything)
    suspects = _widened(outliers(residual / growth), 2)
    if (~suspects).sum() < FEWEST:
        return []
    residual, growth = distances(energy, mu, ~suspects)
    usual = float(np.median(np.abs(residual / growth)[~suspects])) / 0.6745
    limit = max(least, critical(len(energy), 1) * usual)
    return _runs(np.flatnonzero(np.abs(residual) / growth > limit))


def bridged(energy: Array, mu: Array, bad: np.ndarray) -> Array:
    """(n,) μ with the points ``bad`` (n,) moved onto the curve of the others."""
    distance, _ = distances(energy, mu, ~bad)
    return np.where(bad, mu - distance, mu)


def distances(energy: Array, mu: Array, trusted: np.ndarray) -> tuple[Array, Array]:
    """Distance (n,) of each point from the curve of its ``trusted`` (n,) neighbours, and what multiplies its noise.

    The noise grows by √(1 + Σw²), where w are the weights that make the curve's value of the neighbours: at the ends,
    where the curve is extrapolated, a large distance means little.
    """
    neighbours = _neighbours(trusted)
    away = energy[neighbours] - energy[:, None]
    away = away / np.abs(away).max(axis=1, keepdims=True)
    powers = away[:, :, None] ** np.arange(DEGREE + 1)  # [point, neighbour, power]
    weights = np.linalg.pinv(powers)[:, 0]
    distance: Array = mu - (weights * mu[neighbours]).sum(axis=1)
    return distance, np.sqrt(1 + (weights**2).sum(axis=1))


def _neighbours(trusted: np.ndarray) -> np.ndarray:
    """(n, 2 SIDE) indices of the trusted points around each point, itself left out."""
    good = np.flatnonzero(trusted)
    place = np.searchsorted(good, np.arange(len(trusted)))
    start = np.clip(place - SIDE, 0, len(good) - 2 * SIDE - 1)
    picks = start[:, None] + np.arange(2 * SIDE)
    passed = trusted[:, None] & (picks >= place[:, None])  # the point itself is stepped over
    return np.asarray(good[picks + passed])


def outliers(values: Array) -> np.ndarray:
    """(n,) which values the generalized ESD test calls outliers (Rosner 1983), up to ``MAX_SHARE`` of them."""
    left = np.arange(len(values))
    removed, last = [], 0
    for step in range(1, int(MAX_SHARE * len(values)) + 1):
        rest = values[left]
        distance = np.abs(rest - rest.mean()) / max(float(rest.std(ddof=1)), 1e-12)
        worst = int(np.argmax(distance))
        removed.append(left[worst])
        left = np.delete(left, worst)
        if distance[worst] > critical(len(values), step):
            last = step
    found = np.zeros(len(values), dtype=bool)
    found[removed[:last]] = True
    return found


def critical(n: int, step: int) -> float:
    """λ of the generalized ESD test for the ``step``-th most extreme of n values (Rosner 1983)."""
    from scipy.special import stdtrit

    left = n - step
    t = float(stdtrit(left - 1, 1 - SIGNIFICANCE / (2 * (left + 1))))
    return left * t / float(np.sqrt((left - 1 + t**2) * (left + 1)))


def _widened(points: np.ndarray, by: int) -> np.ndarray:
    return np.asarray(np.convolve(points, np.ones(2 * by + 1), mode="same") > 0)


def _runs(points: np.ndarray) -> list[np.ndarray]:
    """Runs of increasing indices with at most one missing between two."""
    return [run for run in np.split(points, np.flatnonzero(np.diff(points) > 2) + 1) if len(run)]
