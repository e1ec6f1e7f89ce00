"""The end of a scan → glitches: short runs of points that lie off the curve that their neighbours draw.

What comes next is not known there; before it ``waves`` does better. The method is
that of Wallace, Alsina & Gaillard, J. Synchrotron Rad. 28, 1137 (2021): a Savitzky–Golay filter leaves residuals, the
generalized ESD test of Rosner, Technometrics 25, 165 (1983) names the outliers among them, and the curve drawn without
these decides. Here the filter takes the true, uneven energies.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import limits
from exafsnn.measure.departures import Break
from exafsnn.records import Array

_SIDE = 3
"""Neighbours on each side that draw the curve …"""

_DEGREE = 2
"""… a polynomial of this degree."""

FEWEST = 2 * _SIDE + 2
"""Fewest points that tell anything."""

_SIGNIFICANCE = 1e-3
"""Chance that the outlier test names a point of a normal sample."""

_MAX_SHARE = 0.1
"""Largest share of the points that the test looks at."""


_LEAST = limits.SMALLEST["end"]
"""Smallest height that matters, in edge steps."""

_END_SHARE = 1 / 3
"""Share of it at which outliers are looked at closely: a run of points pulls the curve of the neighbours to itself."""


@dataclass(frozen=True)
class _Ending:
    """The detector for one grid, whose last m points are looked at."""

    energy: Array
    """(m,) [eV]."""
    end: np.ndarray
    """(n,) which points of a scan they are."""
    last: np.ndarray
    """(m,) those at which a glitch has to end."""
    forms: Array
    """(m, m) matrix: μ → distance of each point from its neighbours' curve, over how its noise grows."""

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, n), in edge steps, in which there might be a glitch."""
        off = mu[:, self.end] @ self.forms
        limit = _critical(len(self.energy), 1) / 0.6745
        high, usual = np.abs(off).max(axis=1), limit * np.median(np.abs(off), axis=1)
        suspect = high > share * np.maximum(_LEAST, usual)
        some = np.flatnonzero(~suspect & (high > _END_SHARE * _LEAST))
        suspect[some] = _with_outliers(off[some])
        return np.asarray(suspect)

    def breaks(self, mu: Array) -> list[Break]:
        """Glitches of a scan (n,), as indices of it."""
        part, start, found = mu[self.end], int(np.argmax(self.end)), []
        for run in find_glitches(self.energy, part, _LEAST):
            if self.last[run[-1]]:
                bad = np.isin(np.arange(len(part)), run)
                heights = (part - bridged(self.energy, part, bad))[run[0] : run[-1] + 1]
                highest = float(heights[np.argmax(np.abs(heights))])
                points = start + int(run[0]), start + int(run[-1])
                found.append(Break("glitch", *points, highest, np.inf, tuple(heights.tolist())))
        return found


def ending(energy: Array, k: Array) -> _Ending | None:
    """Make the detector for a grid (n,) [eV] and its k [Å⁻¹]; None where too few points are its end."""
    end = k > k[-1] - 4 * limits.LAST
    if end.sum() < FEWEST:
        return None
    neighbours, weights, growth = _curves(energy[end], np.ones(int(end.sum()), dtype=bool))
    forms = np.eye(len(growth))
    np.subtract.at(forms, (np.arange(len(growth))[:, None], neighbours), weights)
    return _Ending(energy[end], end, k[end] > k[-1] - limits.LAST, (forms / growth[:, None]).T)


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
    limit = max(least, _critical(len(energy), 1) * usual)
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
    neighbours, weights, growth = _curves(energy, trusted)
    distance: Array = mu - (weights * mu[neighbours]).sum(axis=1)
    return distance, growth


def _curves(energy: Array, trusted: np.ndarray) -> tuple[np.ndarray, Array, Array]:
    """(n, 2 _SIDE) neighbours of each point and their weights in the curve that they draw, and (n,) growth of noise."""
    neighbours = _neighbours(trusted)
    away = energy[neighbours] - energy[:, None]
    away = away / np.abs(away).max(axis=1, keepdims=True)
    powers = away[:, :, None] ** np.arange(_DEGREE + 1)  # [point, neighbour, power]
    weights = np.linalg.pinv(powers)[:, 0]
    return neighbours, weights, np.sqrt(1 + (weights**2).sum(axis=1))


def _neighbours(trusted: np.ndarray) -> np.ndarray:
    """(n, 2 _SIDE) indices of the trusted points around each point, itself left out."""
    good = np.flatnonzero(trusted)
    place = np.searchsorted(good, np.arange(len(trusted)))
    start = np.clip(place - _SIDE, 0, len(good) - 2 * _SIDE - 1)
    picks = start[:, None] + np.arange(2 * _SIDE)
    passed = trusted[:, None] & (picks >= place[:, None])  # the point itself is stepped over
    return np.asarray(good[picks + passed])


def outliers(values: Array) -> np.ndarray:
    """(n,) which values the generalized ESD test calls outliers (Rosner 1983), up to ``_MAX_SHARE`` of them."""
    left = np.arange(len(values))
    removed, last = [], 0
    for step in range(1, int(_MAX_SHARE * len(values)) + 1):
        rest = values[left]
        distance = np.abs(rest - rest.mean()) / max(float(rest.std(ddof=1)), 1e-12)
        worst = int(np.argmax(distance))
        removed.append(left[worst])
        left = np.delete(left, worst)
        if distance[worst] > _critical(len(values), step):
            last = step
    found = np.zeros(len(values), dtype=bool)
    found[removed[:last]] = True
    return found


def _with_outliers(values: Array) -> np.ndarray:
    """(s,) in which rows of (s, n) values ``outliers`` finds any."""
    n, rows, found = values.shape[1], np.arange(len(values)), np.zeros(len(values), dtype=bool)
    kept = np.ones(values.shape, dtype=bool)
    for step in range(1, int(_MAX_SHARE * n) + 1):
        count = n - step + 1
        mean = np.where(kept, values, 0.0).sum(axis=1, keepdims=True) / count
        away = np.where(kept, np.abs(values - mean), 0.0)
        worst = np.argmax(away, axis=1)
        spread = np.sqrt((away**2).sum(axis=1) / (count - 1))
        found |= away[rows, worst] > _critical(n, step) * np.maximum(spread, 1e-12)
        kept[rows, worst] = False
    return found


def _critical(n: int, step: int) -> float:
    """λ of the generalized ESD test for the ``step``-th most extreme of n values (Rosner 1983)."""
    from scipy.special import stdtrit

    left = n - step
    t = float(stdtrit(left - 1, 1 - _SIGNIFICANCE / (2 * (left + 1))))
    return left * t / float(np.sqrt((left - 1 + t**2) * (left + 1)))


def _widened(points: np.ndarray, by: int) -> np.ndarray:
    return np.asarray(np.convolve(points, np.ones(2 * by + 1), mode="same") > 0)


def _runs(points: np.ndarray) -> list[np.ndarray]:
    """Runs of increasing indices with at most one missing between two."""
    return [run for run in np.split(points, np.flatnonzero(np.diff(points) > 2) + 1) if len(run)]
