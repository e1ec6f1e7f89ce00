"""``oscillations.find_bump`` for many scans: bumps, by what one sound scan oscillates; and outbursts, by their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from exafsnn.measure import limits, oscillations
from exafsnn.measure import waves as breaks
from exafsnn.measure.batch.forms import KEPT, polynomial_at
from exafsnn.records import Array

LEAST = limits.SMALLEST["EXAFS"]

BUMP_SHARE = 0.5
"""Share of the least height and strength at which bumps are looked at by the gate itself: here they are judged by the
oscillations of another scan of the series."""

LOUD_SHARE = 0.8
"""The same for outbursts, whose usual size is taken here at every other place."""


@dataclass(frozen=True)
class Bumps:
    """The piece of the gate that calls ``find_bump``; of m points."""

    k: Array
    """(m,) [Å⁻¹]."""
    above: np.ndarray
    """(n,) which points of a scan they are."""
    certainty: Array
    """(m, m) of the scan by which the others are judged."""

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which there might be a bump."""
        pull = mu[:, self.above] @ self.certainty
        return np.any([self._of_width(pull, width) for width in oscillations.WIDTHS], axis=0)

    def finds(self, row: Array) -> bool:
        """Whether there is one, or an outburst, in a scan."""
        part = row[self.above]
        noise = breaks.usual_noise(self.k, part)
        return oscillations.find_bump(self.k, part, noise, *_range(self.k), LEAST) is not None

    def _of_width(self, pull: Array, width: int) -> np.ndarray:
        """(s,) scans in which there might be a bump of so many points."""
        shape, middle = np.hanning(width + 2)[1:-1], self.k[width // 2 : width // 2 + len(self.k) - width + 1]
        low, high = _range(self.k)
        points = np.flatnonzero((middle > low) & (middle < high))[:, None] + np.arange(width)
        seen = np.einsum("i,nij,j->n", shape, self.certainty[points[:, :, None], points[:, None, :]], shape)
        first, stop = int(points[0, 0]), int(points[-1, 0]) + 1
        found = np.abs(sum(w * pull[:, first + i : stop + i] for i, w in enumerate(shape)))
        strength = BUMP_SHARE * oscillations.STRENGTH * np.sqrt(seen)
        limit = np.maximum(BUMP_SHARE * LEAST * seen, strength)
        suspect = (found > limit).any(axis=1)
        tall = np.flatnonzero(suspect)
        usual = np.maximum(np.median(found[tall] / np.sqrt(seen), axis=1, keepdims=True) / 0.6745, 1.0)
        suspect[tall] = ((found[tall] > limit) & (found[tall] > strength * usual)).any(axis=1)
        return np.asarray(suspect)


def bumps(k: Array, above: np.ndarray, model: Array) -> Bumps:
    """Piece for wavenumbers (n,) [Å⁻¹] by a sound scan, ``model`` (n,) in edge steps."""
    noise = breaks.usual_noise(k[above], model[above])
    return Bumps(k[above], above, oscillations.oscillations(k[above], model[above], noise).certainty)


def octaves(k: Array, mu: Array) -> np.ndarray:
    """(s, 3) size of scans (s, m) in powers of 2: of oscillations at low k, at high k, and of the noise.

    Scans of the same powers may judge each other: a bump in a cold scan is trifling beside what a hot one lacks.
    """
    slow, projector = _slow_and_unlike_waves(k.tobytes())
    rest, low = mu - mu @ slow, k < (k[0] + k[-1]) / 2
    noise = np.median(np.abs(mu @ projector), axis=1)
    sizes = np.stack([rest[:, low].std(axis=1), rest[:, ~low].std(axis=1), noise], axis=1)
    powers = np.log2(np.maximum(sizes, oscillations.QUIETEST))
    return np.asarray(np.round(powers).astype(int))


@lru_cache(maxsize=KEPT)
def _slow_and_unlike_waves(grid: bytes) -> tuple[Array, Array]:
    """(m, m) matrices of wavenumbers of which these are the bytes: μ → its slow background; → what no waves can be."""
    k = np.frombuffer(grid)
    return polynomial_at(k, k, oscillations.SLOW).T, breaks.projected(grid)[0]


@dataclass(frozen=True)
class Outbursts:
    """The piece that finds where oscillations are far larger than their size; of m points."""

    k: Array
    """(m,) [Å⁻¹]."""
    above: np.ndarray
    """(n,) which points of a scan they are."""
    smooth: Array
    """(m, m) matrix: μ → its slow background."""
    near: tuple[np.ndarray, ...]
    """Points around each of the p places where the size is taken."""
    course: Array
    """(p, m) matrix: ln(size) there → at all points, as a parabola."""

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which there might be an outburst."""
        rest = np.abs(mu[:, self.above] - mu[:, self.above] @ self.smooth)
        middles = [np.partition(rest[:, some], len(some) // 2, axis=1)[:, len(some) // 2] for some in self.near]
        size = np.exp(np.log(np.maximum(np.stack(middles, axis=1), 1e-6) / 0.6745) @ self.course)
        low, high = _range(self.k)
        inside = (self.k > low) & (self.k < high)
        share = rest[:, inside] / np.hypot(size, oscillations.QUIETEST)[:, inside]
        return np.asarray((share > LOUD_SHARE * oscillations.LOUD).any(axis=1))

    def finds(self, row: Array) -> bool:
        """Whether there is one in a scan."""
        part = row[self.above]
        noise = breaks.usual_noise(self.k, part)
        return oscillations.find_outburst(self.k, part, noise, *_range(self.k)) is not None


def outbursts(k: Array, above: np.ndarray) -> Outbursts | None:
    """Piece for wavenumbers (n,) [Å⁻¹]; None where nothing oscillates."""
    if not above.any():
        return None
    part = k[above]
    slow, weight = (
        ((part - part.mean())[:, None] / np.ptp(part)) ** np.arange(oscillations.SLOW + 1),
        part[:, None] ** 2,
    )
    smooth = (slow @ np.linalg.pinv(slow * weight) * weight.T).T
    places = np.arange(part[0] + 0.75, part[-1], 2 * oscillations.EVERY)
    around = [np.flatnonzero(np.abs(part - place) < oscillations.AROUND) for place in places]
    held = np.array([place for place, some in zip(places, around, strict=True) if len(some)])
    course = polynomial_at(np.clip(part, held[0], held[-1]), held, min(2, len(held) - 1)).T
    return Outbursts(part, above, smooth, tuple(some for some in around if len(some)), course)


def _range(k: Array) -> tuple[float, float]:
    """Where bumps and outbursts are sought [Å⁻¹]."""
    return limits.LOW_K, float(k[-1]) - limits.LAST
