"""Stretch above the edge → breaks: glitches and steps, told apart, by what no EXAFS can be.

``gate.py`` calls it. Neighbours beyond some 15 Å do not show in χ(k), so waves in 2kR up to there and a slow
background make up all that a sound scan holds. Single points and steps are sought, the most extreme first, in what
these leave. That is far quieter than the residuals of a local filter: cold metals oscillate faster than it follows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from exafsnn.records import Array

FURTHEST = 15.0
"""R [Å] up to which oscillations may be EXAFS."""

OVERHANG = 1.15
"""Period of the lowest wave over the k range, so that ends need not meet."""

NEGLIGIBLE = 1e-3
"""Combinations of waves weaker than this, relative to the strongest, are left out."""

SEEN = 0.15
"""A point or step is judged if so much of its square is left when all waves are taken from it."""

STRENGTH = 7.0
"""A break is so many standard deviations high; its neighbourhood is quiet below …"""

QUIET = 5.0
"""… so many."""

MAX_POINTS = 4
"""Most points that a glitch has …"""

FREEDOM = 1.05
"""… and by what factor, beyond the noise, they must explain more than a step does: they are free to look like one."""

MAX_BREAKS = 10
"""A scan with more is beyond repair."""

NEAR = 0.5
"""What a break disturbs [Å⁻¹], to either side."""

CORE, REACH = 10, 40
"""The usual size of what is left is taken from the points so far away, none nearer: a break does not hide itself …"""

LEAST_SIZE, LEAST_AT_EDGES = 0.8, 0.3
"""… and is no less than so much of that of the whole scan: a median of few points varies by a fifth, and one of the
hundreds in a scan is half of what it should be. Edges have a lower limit, because ``gate.py`` looks twice."""


@dataclass(frozen=True)
class Break:
    """A place where μ does what no EXAFS does."""

    kind: str
    """``"glitch"``: some points are off; ``"step"``: all points from here on are; ``"wide"``: neither explains it."""
    first: int
    last: int
    """Indices of its points, both included; a step lies between ``first`` and ``last``."""
    height: float
    """In the stretch's own units."""
    strength: float
    """Height over its standard deviation."""
    heights: tuple[float, ...] = ()
    """Of a glitch: how far each point is off."""


@dataclass(frozen=True)
class _Rest:
    """What the waves leave of the scan, of each point and of each step."""

    scan: Array
    """(n,)"""
    points: Array
    """(n, n) projector onto what waves and masked points cannot be."""
    steps: Array
    """(n, n - 1) steps after each point but the last, so projected."""
    left: float
    """Degrees of freedom that waves leave, per point."""

    def size(self, least: float = LEAST_SIZE) -> Array:
        """(n,) standard deviation of the noise around each point, no less than a share of that of the scan."""
        return _usual_size(self.scan, least) / np.sqrt(self.left)

    def without(self, shapes: Array) -> _Rest:
        """Take away what (n, c) projected shapes can be."""
        left, strengths, _ = np.linalg.svd(shapes, full_matrices=False)
        basis = left[:, strengths > 1e-6]
        scan, points, steps = (part - basis @ (basis.T @ part) for part in (self.scan, self.points, self.steps))
        return _Rest(scan, points, steps, self.left)

    def strengths(self, size: Array, usable: np.ndarray, least: float) -> tuple[Array, Array]:
        """(n,) and (n - 1,) heights of single points and of steps in standard deviations; 0 below ``least``."""
        seen_point, seen_step = np.diag(self.points), (self.steps**2).sum(axis=0)
        point = _strength(self.scan, seen_point, size, usable, least)
        return point, _strength(self.steps.T @ self.scan, seen_step, size[1:], usable[1:] & usable[:-1], least)

    def gain(self, shapes: Array) -> float:
        """How much of Σ scan² (n, c) projected shapes explain."""
        left, strengths, _ = np.linalg.svd(shapes, full_matrices=False)
        return float(((left[:, strengths > 1e-3 * strengths[0]].T @ self.scan) ** 2).sum())


def _strength(overlap: Array, seen: Array, size: Array, usable: np.ndarray, least: float) -> Array:
    safe = np.maximum(seen, SEEN)
    counted = usable & (seen > SEEN) & (np.abs(overlap) > least * safe)
    strength: Array = np.where(counted, np.abs(overlap) / np.sqrt(safe) / size, 0.0)
    return strength


def _usual_size(scan: Array, least: float) -> Array:
    """(n,) standard deviation around each point, from the median size of those near, but not too near; with a floor."""
    offsets = np.concatenate([np.arange(-REACH, -CORE), np.arange(CORE + 1, REACH + 1)])
    places = np.arange(len(scan))[:, None] + offsets
    inside = (places >= 0) & (places < len(scan))
    size = np.sort(np.where(inside, np.abs(scan)[np.clip(places, 0, len(scan) - 1)], np.inf), axis=1)
    around = size[np.arange(len(scan)), inside.sum(axis=1) // 2]
    usual: Array = np.maximum(np.maximum(around, least * np.median(np.abs(scan))) / 0.6745, 1e-12)
    return usual


def find_breaks(k: Array, mu: Array, low: float, high: float, least: float) -> list[Break]:
    """Find all breaks between two wavenumbers; the first that is no glitch ends the search.

    Parameters
    ----------
    k, mu
        (n,) wavenumbers [Å⁻¹], increasing, and absorption above the edge.
    low, high
        Where breaks are sought [Å⁻¹].
    least
        Smallest height that matters, in units of μ.
    """
    usable = (k > low) & (k < high)
    rest = _rest(k, mu)
    found: list[Break] = []
    while len(found) < MAX_BREAKS:
        size = rest.size()
        point, step = rest.strengths(size, usable, least)
        if max(point.max(), step.max()) < STRENGTH:
            return found
        place = int(np.argmax(point)) if point.max() >= step.max() else int(np.argmax(step))
        masked = _mask(rest, k, place, size, usable, least)
        found.append(_judged(rest, place, masked, float(max(point.max(), step.max())), QUIET * float(size[place])))
        if masked is None or found[-1].kind != "glitch":
            return found
        rest = rest.without(rest.points[:, masked])
    return [*found[:-1], replace(found[-1], kind="wide")]


def _mask(rest: _Rest, k: Array, place: int, size: Array, usable: np.ndarray, least: float) -> np.ndarray | None:
    """Fewest points around ``place`` without which its neighbourhood is quiet; None if more than a glitch has."""
    near = np.abs(k - k[place]) < NEAR
    for count in range(1, MAX_POINTS + 1):
        starts = range(max(place - count, 0), min(place + 2, len(k) - count + 1))
        masks = [np.arange(start, start + count) for start in starts]
        loudest = []
        for mask in masks:
            point, step = rest.without(rest.points[:, mask]).strengths(size, usable, 0.7 * least)
            loudest.append(max(point[near].max(), step[near[1:]].max()))
        best = int(np.argmin(loudest))
        if loudest[best] < QUIET:
            return masks[best]
    return None


def _judged(rest: _Rest, place: int, masked: np.ndarray | None, strength: float, noise: float) -> Break:
    """Say whether some points or a step explain the break better; none does if that is within the ``noise``."""
    points = np.arange(place, place + 2) if masked is None else masked
    spots = range(max(int(points[0]) - 1, 0), min(int(points[-1]) + 1, rest.steps.shape[1]))
    gains = [rest.gain(rest.steps[:, [spot]]) for spot in spots]
    surplus = (0.0 if masked is None else rest.gain(rest.points[:, masked])) - FREEDOM * max(gains)
    if masked is not None and surplus >= noise**2:
        heights = np.linalg.lstsq(rest.points[:, masked], rest.scan, rcond=1e-3)[0]
        highest = float(heights[np.argmax(np.abs(heights))])
        return Break("glitch", int(masked[0]), int(masked[-1]), highest, strength, tuple(heights.tolist()))
    spot = spots[int(np.argmax(gains))]
    shape = rest.steps[:, spot]
    height = float(shape @ rest.scan / max(float(shape @ shape), 1e-12))
    return Break("wide" if masked is None or surplus > 0 else "step", spot, spot + 1, height, strength)


def usual_noise(k: Array, mu: Array, skip: np.ndarray | None = None) -> float:
    """Standard deviation of the noise of single points: what no waves leave, but for points to ``skip`` (n,)."""
    rest = _rest(k, mu)
    if skip is not None and skip.any():
        rest = rest.without(rest.points[:, skip])
    return float(np.median(rest.size()))


def edge_strengths(k: Array, mu: Array, shapes: Array) -> tuple[Array, Array]:
    """Heights of edges in a scan, and these over their standard deviations: 0 where a point alone explains more.

    Parameters
    ----------
    k, mu
        (n,) wavenumbers [Å⁻¹], increasing, and absorption above the edge.
    shapes
        (n, c) edges of height 1.

    Returns
    -------
    tuple of array
        (c,) heights, in units of μ, and (c,) strengths.
    """
    rest = _rest(k, mu)
    size = rest.size(LEAST_AT_EDGES)
    left = rest.points @ shapes
    seen = np.maximum((left**2).sum(axis=0), 1e-3)
    heights = left.T @ rest.scan / seen
    strengths = heights * np.sqrt(seen) / ((size[:, None] * left**2).sum(axis=0) / seen)
    point = rest.strengths(size, np.ones(len(k), dtype=bool), 0.0)[0]
    near = np.abs(k[:, None] - k[np.argmax(np.diff(shapes, axis=0), axis=0)]) < NEAR  # [point, edge]
    return heights, np.where(strengths > 0.9 * np.where(near, point[:, None], 0.0).max(axis=0), strengths, 0.0)


def _rest(k: Array, mu: Array) -> _Rest:
    """Take from a scan, from each point and from each step what waves can be."""
    points, steps, left = projected(k.tobytes())
    return _Rest(points @ mu, points, steps, left)


@lru_cache(maxsize=1)
def projected(grid: bytes) -> tuple[Array, Array, float]:
    """What waves leave of everything but the scan; kept, because it is asked for twice a scan.

    Parameters
    ----------
    grid
        Bytes of the (n,) wavenumbers [Å⁻¹], increasing.

    Returns
    -------
    tuple of array and float
        (n, n) projector onto what no waves can be, (n, n - 1) steps after each point but the last, so projected, and
        the degrees of freedom that waves leave, per point.
    """
    k = np.frombuffer(grid)
    waves = _waves(k)
    points = np.eye(len(k)) - waves @ waves.T
    after = (np.arange(len(k))[:, None] > np.arange(len(k) - 1)[None]).astype(np.float64)  # [point, step]
    return points, points @ after, 1 - waves.shape[1] / len(k)


def _waves(k: Array) -> Array:
    """(n, d) orthonormal: all that EXAFS and its background can be on these points, at most half of everything."""
    furthest = min(FURTHEST, 0.25 * np.pi / float(np.median(np.diff(k))))
    r = np.arange(0.0, furthest, np.pi / (2 * OVERHANG * (k[-1] - k[0])))
    slow = ((k - k.mean()) / np.ptp(k))[:, None] ** np.arange(1, 4)
    columns = [np.cos(2 * np.outer(k, r)), np.sin(2 * np.outer(k, r[1:])), slow]
    left, strengths, _ = np.linalg.svd(np.concatenate(columns, axis=1), full_matrices=False)
    return np.asarray(left[:, strengths > NEGLIGIBLE * strengths[0]])
