"""Stretch above the edge → what its own oscillations say of a few points, or of a bump as wide as they are.

``gate.py`` calls it. EXAFS is taken as a random process; how large it is at each k, in each range of R, the scan
itself says. So a stretch is foretold from all the others, with its uncertainty; and a bump shows as distances, at one
place, that the rest of the scan does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from exafsnn.measure.waves import Break
from exafsnn.records import Array

BANDS, R_STEP = (0.0, 1.3, 3.3, 5.0, 8.0, 11.0, 15.0), 0.1
"""Distances [Å] that share one size, with its own course over k …"""

GRID = 0.05
"""Spacing [Å⁻¹] on which the spectrum is taken."""

AROUND, EVERY = 1.0, 0.5
"""The size of the oscillations is the median within ± this, and taken so often [Å⁻¹]."""

QUIETEST = 3e-4
"""Smallest noise, in edge steps: below it the spectrum is not known well enough."""

WIDTHS = (5, 7, 9, 12)
"""Widths [points] of the bumps that are sought."""

APART = 8
"""A bump disturbs so many points to either side, which are left out when it is weighed for good."""

LONGEST, NEAR = 6, 10
"""Longest glitch [points] that is weighed against an edge, and how far from it [points]."""

SLOW, LOUD = 5, 6.0
"""Degree of the background, and how many standard deviations no oscillation exceeds: sound scans reach four."""

STRENGTH = 14.0
"""A bump is so many times as high as the usual one."""


@dataclass(frozen=True)
class Oscillations:
    """What a scan's oscillations can be."""

    mu: Array
    """(n,) absorption in edge steps."""
    certainty: Array
    """(n, n) inverse covariance of μ, noise included."""

    def expected(self, points: np.ndarray) -> tuple[Array, Array]:
        """(m,) how far neighbouring points are off what all others say, and the (m, m) covariance of that."""
        covariance = np.linalg.inv(self.certainty[np.ix_(points, points)])
        return covariance @ (self.certainty[points] @ self.mu), covariance

    def bumps(self, width: int) -> tuple[Array, Array]:
        """(n - width + 1,) heights of bumps that begin at each point, and these over their standard deviations."""
        shape = np.hanning(width + 2)[1:-1]
        points = np.arange(len(self.mu) - width + 1)[:, None] + np.arange(width)
        blocks = self.certainty[points[:, :, None], points[:, None, :]]
        found = (self.certainty @ self.mu)[points] @ shape
        seen = np.einsum("i,nij,j->n", shape, blocks, shape)
        return found / seen, found / np.sqrt(seen)

    def usual(self) -> float:
        """Usual strength of a bump where there is none; more than 1 where the scan is not quite as it is taken."""
        return max(float(np.median(np.abs(self.bumps(WIDTHS[0])[1]))) / 0.6745, 1.0)

    def rivals(self, shapes: Array, place: int) -> tuple[float, float]:
        """χ² that the best of (n, c) shapes explains, and that which the best glitch or bump near a point explains."""
        pull = self.certainty @ self.mu
        seen = np.einsum("ij,ij->j", shapes, self.certainty @ shapes)
        best = 0.0
        for count in range(1, LONGEST + 1):
            for first in range(max(place - NEAR, 0), min(place + NEAR, len(pull)) - count):
                points = np.arange(first, first + count)
                best = max(best, float(self.expected(points)[0] @ pull[points]))
        for width in WIDTHS:
            bumps = self.bumps(width)[1][max(place - NEAR, 0) : place + NEAR - width // 2]
            best = max(best, float((bumps**2).max(initial=0.0)))
        return float(((shapes.T @ pull) ** 2 / seen).max()), best


def oscillations(k: Array, mu: Array, noise: float, skip: np.ndarray | None = None) -> Oscillations:
    """Learn from a scan what its oscillations can be.

    Parameters
    ----------
    k, mu
        (n,) wavenumbers [Å⁻¹], increasing, and absorption above the edge in edge steps.
    noise
        Standard deviation of the noise of single points, in edge steps.
    skip
        (n,) points of which nothing is learned; None: all are learned from.
    """
    kept = np.ones(len(k), dtype=bool) if skip is None else ~skip
    slow = ((k - k.mean())[:, None] / np.ptp(k)) ** np.arange(4)
    rest = mu - slow @ np.linalg.lstsq(slow[kept], mu[kept], rcond=None)[0]
    grid = np.arange(k[0], k[-1], GRID)
    even = np.interp(grid, k[kept], rest[kept])
    learned = np.interp(grid, k, kept.astype(np.float64)) > 0.99
    learned |= learned.mean() < 0.5  # as in a scan of few points with some left out
    covariance = 100 * slow @ slow.T
    for low, high in pairwise(BANDS):
        size = _size(k, grid[learned], _band(even, low, high)[learned])
        phase = 2 * np.outer(k, np.arange(low, high, R_STEP))
        waves = size[:, None] * np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        covariance += waves @ waves.T / phase.shape[1]
    covariance[np.diag_indices(len(k))] += max(noise, QUIETEST) ** 2
    return Oscillations(mu, np.linalg.inv(covariance))


def _band(even: Array, low: float, high: float) -> Array:
    """(n,) what the distances from ``low`` to ``high`` [Å] have in evenly spaced values; reflected at the ends."""
    mirrored = np.concatenate([even, even[::-1]])
    r = np.pi * np.fft.rfftfreq(len(mirrored), GRID)
    part: Array = np.fft.irfft(np.where((r >= low) & (r < high), np.fft.rfft(mirrored), 0.0), len(mirrored))
    return part[: len(even)]


def _size(k: Array, known: Array, rest: Array) -> Array:
    """(n,) standard deviation of the oscillations: the exponential of a parabola in k."""
    places = np.arange(known[0] + 0.75, known[-1], EVERY)
    near = [np.abs(rest[np.abs(known - place) < AROUND]) for place in places]
    sizes = [(place, _median(part)) for place, part in zip(places, near, strict=True) if len(part) and part.any()]
    if not sizes:  # a plateau, say, of a saturated detector
        return np.full(len(k), 1e-6 / 0.6745)
    usual = np.array([(place, max(value, 1e-6) / 0.6745) for place, value in sizes])
    curve = np.polynomial.Polynomial.fit(usual[:, 0], np.log(usual[:, 1]), min(2, len(usual) - 1))
    size: Array = np.exp(curve(np.clip(k, usual[0, 0], usual[-1, 0])))
    return size


def _median(values: Array) -> float:
    """Median of few values, without all that ``np.median`` asks first."""
    middle = len(values) // 2
    ordered = np.partition(values, (middle - 1, middle) if len(values) > 1 else 0)
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


def find_bump(k: Array, mu: Array, noise: float, low: float, high: float, least: float) -> Break | None:
    """Find the most conspicuous bump between two wavenumbers.

    Parameters
    ----------
    k, mu, noise
        As ``oscillations`` takes them.
    low, high
        Where bumps are sought [Å⁻¹].
    least
        Smallest height that matters, in edge steps.
    """
    suspect = _strongest(oscillations(k, mu, noise), k, low, high, least)
    skip = np.zeros(len(k), dtype=bool)
    skip[max(suspect.first - APART, 0) : suspect.last + APART + 1] = True
    found = _strongest(oscillations(k, mu, noise, skip), k, low, high, least)
    return found if found.strength > STRENGTH else find_outburst(k, mu, noise, low, high)


def find_outburst(k: Array, mu: Array, noise: float, low: float, high: float) -> Break | None:
    """Find the place where the oscillations are far larger than their size, smooth in k, lets them be.

    Parameters
    ----------
    k, mu, noise, low, high
        As ``find_bump`` takes them.
    """
    slow = ((k - k.mean())[:, None] / np.ptp(k)) ** np.arange(SLOW + 1)
    weight = k**2
    rest = mu - slow @ np.linalg.lstsq(slow * weight[:, None], mu * weight, rcond=None)[0]
    share = np.abs(rest) / np.hypot(_size(k, k, rest), max(noise, QUIETEST))
    share[(k < low) | (k > high)] = 0.0
    worst = int(np.argmax(share))
    return Break("wide", worst, worst, float(rest[worst]), float(share[worst])) if share[worst] > LOUD else None


def _strongest(scan: Oscillations, k: Array, low: float, high: float, least: float) -> Break:
    """Bump of the largest strength, in units of the usual one of its width."""
    best = Break("wide", 0, 0, 0.0, 0.0)
    for width in WIDTHS:
        heights, strengths = scan.bumps(width)
        middle = k[width // 2 : width // 2 + len(heights)]
        inside = (middle > low) & (middle < high)
        usual = max(float(np.median(np.abs(strengths[inside]))) / 0.6745, 1.0)
        counted = np.where(inside & (np.abs(heights) > least), np.abs(strengths) / usual, 0.0)
        first = int(np.argmax(counted))
        if counted[first] > best.strength:
            best = Break("wide", first, first + width - 1, float(heights[first]), float(counted[first]))
    return best
