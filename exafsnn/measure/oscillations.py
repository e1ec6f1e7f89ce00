"""Stretch above the edge → what its own oscillations say of a few points, or of a bump as wide as they are.

EXAFS is taken as a random process; how large it is at each k, in each range of R, the scan itself says: C is its
inverse covariance. So a stretch is foretold from all the others, with its uncertainty; and a bump shows as distances,
at one place, that the rest of the scan does not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from exafsnn.linear import KEPT, polynomial_at
from exafsnn.measure import limits
from exafsnn.measure.departures import Break, Departures
from exafsnn.measure.waves import waves_of
from exafsnn.records import Array

_BANDS, _R_STEP = (0.0, 1.3, 3.3, 5.0, 8.0, 11.0, 15.0), 0.1
"""Distances [Å] that share one size, with its own course over k …"""

GRID = 0.05
"""Spacing [Å⁻¹] on which the spectrum is taken."""

_AROUND, _EVERY = 1.0, 0.5
"""The size of the oscillations is the median within ± this, and taken so often [Å⁻¹]."""

_QUIETEST = 3e-4
"""Smallest noise, in edge steps: below it the spectrum is not known well enough."""

_SMALLEST = 1e-6
"""No oscillations are smaller, in edge steps; those of a saturated detector might be."""

_WIDTHS = (5, 7, 9, 12)
"""Widths [points] of the bumps that are sought."""

_APART = 8
"""A bump disturbs so many points to either side, which are left out when it is weighed for good."""

LONGEST, _NEAR = 6, 10
"""Longest glitch [points] that is weighed against an edge, and how far from it [points]."""

_SLOW, _LOUD = 5, 6.0
"""Degree of the background, and how many standard deviations no oscillation exceeds: sound scans reach four."""

_STRENGTH = 14.0
"""A bump is so many times as high as the usual one."""

_LEAST = limits.SMALLEST["EXAFS"]
"""Smallest height that matters, in edge steps."""

_BUMP_SHARE = 0.5
"""Share of the least height and strength at which bumps are looked at closely: many scans are judged by the
oscillations of one that is as large and as noisy as they are."""

_LOUD_SHARE = 0.8
"""The same for outbursts, whose usual size is taken at every other place."""


@dataclass(frozen=True)
class Oscillations:
    """What a scan's oscillations can be."""

    k: Array
    """(n,) [Å⁻¹]."""
    mu: Array
    """(n,) absorption in edge steps."""
    noise: float
    """Standard deviation of the noise of single points, in edge steps, as C has it."""
    departures: Departures
    """C is the (n, n) inverse covariance of μ, noise included."""

    @property
    def pull(self) -> Array:
        """(n,) Cμ."""
        return np.asarray(self.departures.pull(self.mu[None])[0])

    def expected(self, points: np.ndarray) -> tuple[Array, Array]:
        """(m,) how far neighbouring points are off what all others say, and the (m, m) covariance of that."""
        covariance = np.linalg.inv(self.departures.certainty[np.ix_(points, points)])
        return covariance @ self.pull[points], covariance

    def bumps(self, width: int) -> tuple[Array, Array]:
        """(n - width + 1,) heights of bumps that begin at each point, and these over their standard deviations."""
        heights, certain = self.departures.bumps(self.pull[None], _shape(width))
        return heights[0], heights[0] * certain

    def usual(self) -> float:
        """Usual strength of a bump where there is none; more than 1 where the scan is not quite as it is taken."""
        return max(float(np.median(np.abs(self.bumps(_WIDTHS[0])[1]))) / 0.6745, 1.0)

    def rivals(self, shapes: Array, place: int) -> tuple[float, float]:
        """χ² that the best of (n, c) shapes explains, and that which the best glitch or bump near a point explains."""
        pull = self.pull
        seen = np.einsum("ij,ij->j", shapes, self.departures.certainty @ shapes)
        best = 0.0
        for count in range(1, LONGEST + 1):
            for first in range(max(place - _NEAR, 0), min(place + _NEAR, len(pull)) - count):
                points = np.arange(first, first + count)
                best = max(best, float(self.expected(points)[0] @ pull[points]))
        for width in _WIDTHS:
            bumps = self.bumps(width)[1][max(place - _NEAR, 0) : place + _NEAR - width // 2]
            best = max(best, float((bumps**2).max(initial=0.0)))
        return float(((shapes.T @ pull) ** 2 / seen).max()), best

    def strongest(self) -> Break:
        """Bump of the largest strength, in units of the usual one of its width."""
        best = Break("wide", 0, 0, 0.0, 0.0)
        low, high = _range(self.k)
        for width in _WIDTHS:
            heights, strengths = self.bumps(width)
            middle = self.k[width // 2 : width // 2 + len(heights)]
            inside = (middle > low) & (middle < high)
            usual = max(float(np.median(np.abs(strengths[inside]))) / 0.6745, 1.0)
            counted = np.where(inside & (np.abs(heights) > _LEAST), np.abs(strengths) / usual, 0.0)
            first = int(np.argmax(counted))
            if counted[first] > best.strength:
                best = Break("wide", first, first + width - 1, float(heights[first]), float(counted[first]))
        return best

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans (s, n), as large and as noisy as this one, in which there might be a bump."""
        pull = self.departures.pull(mu)
        return np.any([self._suspects_of(pull, width) for width in _WIDTHS], axis=0)

    def _suspects_of(self, pull: Array, width: int) -> np.ndarray:
        """(s,) scans in which there might be a bump of so many points."""
        heights, certain = self.departures.bumps(pull, _shape(width))
        middle = self.k[width // 2 : width // 2 + heights.shape[1]]
        low, high = _range(self.k)
        inside = (middle > low) & (middle < high)
        strengths = np.abs(heights[:, inside]) * certain[inside]
        limit = np.maximum(_BUMP_SHARE * _LEAST * certain[inside], _BUMP_SHARE * _STRENGTH)
        suspect = np.asarray((strengths > limit).any(axis=1))
        tall = np.flatnonzero(suspect)
        usual = np.maximum(np.median(strengths[tall], axis=1, keepdims=True) / 0.6745, 1.0)
        suspect[tall] = ((strengths[tall] > limit) & (strengths[tall] > _BUMP_SHARE * _STRENGTH * usual)).any(axis=1)
        return np.asarray(suspect)


def _shape(width: int) -> Array:
    """(width,) a bump of so many points."""
    return np.asarray(np.hanning(width + 2)[1:-1])


def _range(k: Array) -> tuple[float, float]:
    """Where bumps and outbursts are sought [Å⁻¹]."""
    return limits.LOW_K, float(k[-1]) - limits.LAST


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
    for size, kernel in zip(_sizes(k, grid[learned], _bands(even)[:, learned]), _kernels(k.tobytes()), strict=True):
        covariance += size[:, None] * size * kernel
    covariance[np.diag_indices(len(k))] += max(noise, _QUIETEST) ** 2
    return Oscillations(k, mu, max(noise, _QUIETEST), Departures(np.linalg.inv(covariance)))


@lru_cache(maxsize=KEPT)
def _kernels(grid: bytes) -> list[Array]:
    """For each band (n, n) mean of cos 2R(k − k′) over its distances; ``grid`` are the bytes of k (n,)."""
    k, kernels = np.frombuffer(grid), []
    for low, high in pairwise(_BANDS):
        phase = 2 * np.outer(k, np.arange(low, high, _R_STEP))
        waves = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
        kernels.append(waves @ waves.T / phase.shape[1])
    return kernels


def _bands(even: Array) -> Array:
    """(bands, n) what each band of distances has in evenly spaced values (n,); reflected at the ends."""
    mirrored = np.concatenate([even, even[::-1]])
    r, spectrum = np.pi * np.fft.rfftfreq(len(mirrored), GRID), np.fft.rfft(mirrored)
    parts = [np.where((r >= low) & (r < high), spectrum, 0.0) for low, high in pairwise(_BANDS)]
    return np.asarray(np.fft.irfft(parts, len(mirrored), axis=1)[:, : len(even)])


def _sizes(k: Array, known: Array, rest: Array) -> Array:
    """(bands, n) standard deviations of oscillations at k (n,): the exponentials of parabolas in k.

    Parameters
    ----------
    k, known
        (n,) and (m,) wavenumbers [Å⁻¹], the latter those of what is learned from.
    rest
        (bands, m) oscillations there.
    """
    places = np.arange(known[0] + 0.75, known[-1], _EVERY)
    first, last = np.searchsorted(known, places - _AROUND, "right"), np.searchsorted(known, places + _AROUND)
    some = last > first
    if not some.any():
        return np.full((len(rest), len(k)), _SMALLEST / 0.6745)
    places, first, count = places[some], first[some], (last - first)[some]
    near = np.arange(count.max())
    values = np.abs(rest[:, np.minimum(first[:, None] + near, rest.shape[1] - 1)])  # [band, place, point]
    ordered = np.sort(np.where(near < count[:, None], values, np.inf), axis=2)
    middles = [
        np.take_along_axis(ordered, half[None, :, None], axis=2)[..., 0] for half in ((count - 1) // 2, count // 2)
    ]
    usual = np.maximum(sum(middles) / 2, _SMALLEST) / 0.6745
    held = np.clip(k, places[0], places[-1])
    return np.asarray(np.exp(np.log(usual) @ polynomial_at(held, places, min(2, len(places) - 1)).T))


def find_bump(k: Array, mu: Array, noise: float) -> Break | None:
    """Find the most conspicuous bump, or an outburst; parameters as ``oscillations`` takes them."""
    suspect = oscillations(k, mu, noise).strongest()
    skip = np.zeros(len(k), dtype=bool)
    skip[max(suspect.first - _APART, 0) : suspect.last + _APART + 1] = True
    found = oscillations(k, mu, noise, skip).strongest()
    return found if found.strength > _STRENGTH else _find_outburst(k, mu, noise)


def _find_outburst(k: Array, mu: Array, noise: float) -> Break | None:
    """Find the place where the oscillations are far larger than their size, smooth in k, lets them be.

    Parameters
    ----------
    k, mu, noise
        As ``oscillations`` takes them.
    """
    rest = mu - mu @ outbursts_of(k.tobytes()).slow
    share = np.abs(rest) / np.hypot(_sizes(k, k, rest[None])[0], max(noise, _QUIETEST))
    low, high = _range(k)
    share[(k < low) | (k > high)] = 0.0
    worst = int(np.argmax(share))
    return Break("wide", worst, worst, float(rest[worst]), float(share[worst])) if share[worst] > _LOUD else None


def octaves(k: Array, mu: Array) -> np.ndarray:
    """(s, 3) size of scans (s, n) in powers of 2: of oscillations at low k, at high k, and of the noise.

    Scans of the same powers may judge each other: a bump in a cold scan is trifling beside what a hot one lacks.
    """
    rest, low = mu - mu @ outbursts_of(k.tobytes()).even, k < (k[0] + k[-1]) / 2
    noise = np.median(np.abs(waves_of(k.tobytes()).departures.pull(mu)), axis=1)
    sizes = np.stack([rest[:, low].std(axis=1), rest[:, ~low].std(axis=1), noise], axis=1)
    return np.asarray(np.round(np.log2(np.maximum(sizes, _QUIETEST))).astype(int))


@dataclass(frozen=True)
class _Outbursts:
    """What finds, of n points, where oscillations are far larger than their size."""

    k: Array
    """(n,) [Å⁻¹]."""
    slow: Array
    """(n, n) matrix: μ → its slow background, weighted with k² …"""
    even: Array
    """(n, n) … and not weighted."""
    near: tuple[np.ndarray, ...]
    """Points around each of the p places where the size is taken."""
    course: Array
    """(p, n) matrix: ln(size) there → at all points, as a parabola."""

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, n), in edge steps, in which there might be an outburst."""
        rest = np.abs(mu - mu @ self.slow)
        middles = [np.partition(rest[:, some], len(some) // 2, axis=1)[:, len(some) // 2] for some in self.near]
        size = np.exp(np.log(np.maximum(np.stack(middles, axis=1), 1e-6) / 0.6745) @ self.course)
        low, high = _range(self.k)
        inside = (self.k > low) & (self.k < high)
        times = rest[:, inside] / np.hypot(size, _QUIETEST)[:, inside]
        return np.asarray((times > min(share, _LOUD_SHARE) * _LOUD).any(axis=1))


@lru_cache(maxsize=KEPT)
def outbursts_of(grid: bytes) -> _Outbursts:
    """Make the detector for the wavenumbers of which these are the bytes."""
    k = np.frombuffer(grid)
    powers, weight = ((k - k.mean())[:, None] / np.ptp(k)) ** np.arange(_SLOW + 1), k[:, None] ** 2
    slow = (powers @ np.linalg.pinv(powers * weight) * weight.T).T
    places = np.arange(k[0] + 0.75, k[-1], 2 * _EVERY)
    around = [np.flatnonzero(np.abs(k - place) < _AROUND) for place in places]
    held = np.array([place for place, some in zip(places, around, strict=True) if len(some)])
    course = polynomial_at(np.clip(k, held[0], held[-1]), held, min(2, len(held) - 1)).T
    even = polynomial_at(k, k, _SLOW).T
    return _Outbursts(k, slow, even, tuple(some for some in around if len(some)), course)
