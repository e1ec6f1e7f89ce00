"""Stretch above the edge → breaks (glitches and steps, told apart) and other elements' edges, by what no EXAFS can be.

Neighbours beyond some 15 Å do not show in χ(k), so waves in 2kR up to there and a slow background make up all that a
sound scan holds: C projects onto what they cannot be. Single points and steps are sought, the most extreme first, in
what these leave. That is far quieter than what a local filter leaves: cold metals oscillate faster than it follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from exafsnn.edges import Edge as KnownEdge
from exafsnn.edges import edges_between
from exafsnn.linear import KEPT
from exafsnn.measure import limits
from exafsnn.measure.departures import Break, Departures
from exafsnn.measure.edge import Edge
from exafsnn.measure.sampling import energies
from exafsnn.records import Array

_FURTHEST = 15.0
"""R [Å] up to which oscillations may be EXAFS."""

_OVERHANG = 1.15
"""Period of the lowest wave over the k range, so that ends need not meet."""

_NEGLIGIBLE = 1e-3
"""Combinations of waves weaker than this, relative to the strongest, are left out."""

_SEEN = 0.15
"""A point or step is judged if so much of its square is left when all waves are taken from it."""

STRENGTH = 7.0
"""A break is so many standard deviations high; its neighbourhood is quiet below …"""

_QUIET = 5.0
"""… so many."""

MAX_POINTS = 4
"""Most points that a glitch has …"""

_FREEDOM = 1.05
"""… and by what factor, beyond the noise, they must explain more than a step does: they are free to look like one."""

_MAX_BREAKS = 10
"""A scan with more is beyond repair."""

_NEAR = 0.5
"""What a break disturbs [Å⁻¹], to either side."""

_CORE, _REACH = 10, 40
"""The usual size of what is left is taken from the points so far away, none nearer: a break does not hide itself …"""

_LEAST_SIZE, _LEAST_AT_EDGES = 0.8, 0.3
"""… and is no less than so much of that of the whole scan: a median of few points varies by a fifth, and one of the
hundreds in a scan is half of what it should be. Edges have a lower limit, because ``gate.py`` looks twice."""

_LEAST = limits.SMALLEST["EXAFS"]
"""Smallest height that matters, in edge steps."""

_PERIODS, _FEWEST_TIMES = range(4, 61), 5
"""Points of which every so many are sought to be off, if that is so often."""

_LEAST_COMB, _ALIKE = 0.001, 0.5
"""Smallest height that matters if it comes time and again (1 % of k²χ), and the share of it that three in four exceed:
else it is a glitch or two."""

_COMB_SHARE = 0.8
"""Share of these limits at which a scan is looked at closely: the noise is taken as that of the whole scan."""

_ANCHORS = 12
"""Points at which the noise around a foreign edge is taken; elsewhere it is the least that is assumed."""


@dataclass(frozen=True)
class _Waves:
    """The detector for m wavenumbers; kept for each grid, since it is asked for more than once."""

    k: Array
    """(m,) [Å⁻¹], increasing."""
    departures: Departures
    """C is the (m, m) projector onto what no waves can be."""
    left: float
    """Degrees of freedom that waves leave, per point."""

    @property
    def noise_per_size(self) -> float:
        """Standard deviation of the noise over the median size of what waves leave."""
        return float(1 / 0.6745 / np.sqrt(self.left))

    @property
    def sought(self) -> np.ndarray:
        """(m,) which points are sought for breaks."""
        return np.asarray((self.k > limits.LOW_K) & (self.k < float(self.k[-1]) - limits.LAST))

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, m), in edge steps, in which there might be a break."""
        rest = self.departures.pull(mu)
        seen, usable = self._seen(), self.sought
        counted = np.concatenate([usable, usable[1:] & usable[:-1]]) & (seen > _SEEN)
        overlap = np.abs(np.concatenate([rest, _steps_of(rest)], axis=1))  # [scan, point or step]
        rows, forms = np.nonzero(overlap > np.where(counted, share * _LEAST * seen, np.inf))
        sizes = np.abs(rest)
        spots = np.concatenate([np.arange(len(self.k)), np.arange(1, len(self.k))])[forms]
        usual = np.maximum(_usual_sizes(sizes, rows, spots), _least_sizes(sizes, _LEAST_SIZE)[rows])
        noise = np.maximum(self.noise_per_size * usual, 1e-12)
        strong = overlap[rows, forms] >= share * STRENGTH * np.sqrt(seen[forms]) * noise
        least = self.noise_per_size * _least_sizes(sizes, 1.0)[:, None]
        combed = [
            ((np.abs(heights) > _COMB_SHARE * _LEAST_COMB) & (strengths > _COMB_SHARE * STRENGTH * least)).any(axis=1)
            for _, heights, strengths in self._combs(rest)
        ]
        return np.isin(np.arange(len(rest)), rows[strong]) | np.any([np.zeros(len(rest), dtype=bool), *combed], axis=0)

    def _combs(self, rest: Array) -> Iterator[tuple[int, Array, Array]]:
        """Each period n, (s, n) heights of every n-th point from each on, in what waves leave (s, m), times √(SᵀCS)."""
        m = len(self.k)
        for n in _PERIODS:
            times = -(-m // n)
            if m // n < _FEWEST_TIMES:
                return
            missing = times * n - m
            square = np.pad(self.departures.certainty, (0, missing)).reshape(times, n, times, n)
            seen = np.maximum(np.einsum("apbp->p", square), _SEEN * m / n)
            sums = np.pad(rest, ((0, 0), (0, missing))).reshape(len(rest), times, n).sum(axis=1)
            yield n, sums / seen, np.abs(sums) / np.sqrt(seen)

    def comb(self, mu: Array) -> tuple[int, int, float] | None:
        """Period, first and height of the points of a scan (m,) that are all off by as much; None if none are."""
        rest, noise = self.departures.pull(mu[None]), self.usual_noise(mu)
        best, worth = None, STRENGTH * noise
        for n, heights, strengths in self._combs(rest):
            first = int(np.argmax(np.where(np.abs(heights[0]) > _LEAST_COMB, strengths[0], 0.0)))
            height = float(heights[0, first])
            each = (rest[0] / np.maximum(np.diag(self.departures.certainty), _SEEN))[first::n] / height
            if abs(height) > _LEAST_COMB and strengths[0, first] > worth and np.quantile(each, 0.25) > _ALIKE:
                best, worth = (n, first, height), float(strengths[0, first])
        return best

    def _seen(self) -> Array:
        """(2m - 1,) what waves leave of the square of each point, and of each step."""
        return np.concatenate([np.diag(self.departures.certainty), self.departures.seen_of_steps()])

    def breaks(self, mu: Array) -> list[Break]:
        """All breaks of a scan (m,); the first that is no glitch ends the search."""
        rest = _Rest(self, self.departures, self.departures.pull(mu[None]))
        found: list[Break] = []
        while len(found) < _MAX_BREAKS:
            size = rest.size()
            point, step = rest.strengths(size, self.sought, _LEAST)
            strongest = float(max(point.max(), step.max()))
            if strongest < STRENGTH:
                return found
            place = int(np.argmax(point)) if point.max() >= step.max() else int(np.argmax(step))
            masked = _mask(rest, place, size)
            found.append(_judged(rest, place, masked, strongest, _QUIET * float(size[place])))
            if masked is None or found[-1].kind != "glitch":
                return found
            rest = rest.without(_points(masked, len(self.k)))
        return [*found[:-1], replace(found[-1], kind="wide")]

    def usual_noise(self, mu: Array, skip: np.ndarray | None = None) -> float:
        """Standard deviation of the noise of single points of a scan (m,): what no waves leave, but for some (m,)."""
        rest = _Rest(self, self.departures, self.departures.pull(mu[None]))
        if skip is not None and skip.any():
            rest = rest.without(_points(np.flatnonzero(skip), len(self.k)))
        return float(np.median(rest.size()))

    def edge_strengths(self, mu: Array, shapes: Array) -> tuple[Array, Array]:
        """Heights of edges in a scan, and these over their standard deviations: 0 where a point alone explains more.

        Parameters
        ----------
        mu
            (m,) absorption in edge steps.
        shapes
            (m, c) edges of height 1.

        Returns
        -------
        tuple of array
            (c,) heights, in edge steps, and (c,) strengths.
        """
        rest = _Rest(self, self.departures, self.departures.pull(mu[None]))
        size = rest.size(_LEAST_AT_EDGES)
        left = self.departures.certainty @ shapes
        seen = np.maximum((left**2).sum(axis=0), 1e-3)
        heights = left.T @ rest.scan / seen
        strengths = heights * np.sqrt(seen) / ((size[:, None] * left**2).sum(axis=0) / seen)
        point = rest.strengths(size, np.ones(len(self.k), dtype=bool), 0.0)[0]
        near = np.abs(self.k[:, None] - self.k[np.argmax(np.diff(shapes, axis=0), axis=0)]) < _NEAR  # [point, edge]
        return heights, np.where(strengths > 0.9 * np.where(near, point[:, None], 0.0).max(axis=0), strengths, 0.0)


def oscillating(k: Array) -> np.ndarray:
    """Indices of the points among which breaks and edges are sought; none where there are too few."""
    above = np.flatnonzero(k > limits.LOW_K - 0.7)
    return above if len(above) >= limits.MIN_POINTS and k[-1] >= limits.LOW_K + 2 else above[:0]


@lru_cache(maxsize=KEPT)
def waves_of(grid: bytes) -> _Waves:
    """Make the detector for the wavenumbers of which these are the bytes."""
    k = np.frombuffer(grid)
    waves = _waves(k)
    return _Waves(k, Departures(np.eye(len(k)) - waves @ waves.T), 1 - waves.shape[1] / len(k))


@dataclass(frozen=True)
class _Rest:
    """What the waves leave of one scan, of each point and of each step."""

    waves: _Waves
    departures: Departures
    """C, which masked points lower."""
    pull: Array
    """(1, m)"""

    @property
    def scan(self) -> Array:
        """(m,) what is left of the scan."""
        return np.asarray(self.pull[0])

    def size(self, least: float = _LEAST_SIZE) -> Array:
        """(m,) standard deviation of the noise around each point, no less than a share of that of the scan."""
        return _usual_size(self.scan, least) / np.sqrt(self.waves.left)

    def without(self, shapes: Array) -> _Rest:
        """Take away what (m, c) shapes can be."""
        return _Rest(self.waves, *self.departures.without(shapes, self.pull))

    def strengths(self, size: Array, usable: np.ndarray, least: float) -> tuple[Array, Array]:
        """(m,) and (m - 1,) heights of single points and of steps in standard deviations; 0 below ``least``."""
        point = _strength(self.scan, np.diag(self.departures.certainty), size, usable, least)
        steps, seen = _steps_of(self.pull)[0], self.departures.seen_of_steps()
        return point, _strength(steps, seen, size[1:], usable[1:] & usable[:-1], least)

    def gain(self, shapes: Array) -> float:
        """How much of the χ² of the scan (m, c) shapes explain."""
        values, vectors = np.linalg.eigh(shapes.T @ self.departures.certainty @ shapes)
        known = values > 1e-6 * values[-1]
        return float((((self.scan @ shapes) @ vectors[:, known]) ** 2 / values[known]).sum())


def _points(places: np.ndarray, n: int) -> Array:
    """(n, c) shapes of single points."""
    return np.asarray(np.eye(n)[:, places])


def _steps_of(rest: Array) -> Array:
    """(s, m - 1) Sᵀ·Cμ of steps after each point but the last, from Cμ (s, m)."""
    return np.asarray(np.cumsum(rest[:, ::-1], axis=1)[:, -2::-1])


def _strength(overlap: Array, seen: Array, size: Array, usable: np.ndarray, least: float) -> Array:
    safe = np.maximum(seen, _SEEN)
    counted = usable & (seen > _SEEN) & (np.abs(overlap) > least * safe)
    strength: Array = np.where(counted, np.abs(overlap) / np.sqrt(safe) / size, 0.0)
    return strength


def _usual_size(scan: Array, least: float) -> Array:
    """(n,) standard deviation around each point, from the median size of those near, but not too near; with a floor."""
    offsets = np.concatenate([np.arange(-_REACH, -_CORE), np.arange(_CORE + 1, _REACH + 1)])
    places = np.arange(len(scan))[:, None] + offsets
    inside = (places >= 0) & (places < len(scan))
    size = np.sort(np.where(inside, np.abs(scan)[np.clip(places, 0, len(scan) - 1)], np.inf), axis=1)
    around = size[np.arange(len(scan)), inside.sum(axis=1) // 2]
    usual: Array = np.maximum(np.maximum(around, least * np.median(np.abs(scan))) / 0.6745, 1e-12)
    return usual


def _mask(rest: _Rest, place: int, size: Array) -> np.ndarray | None:
    """Fewest points around ``place`` without which its neighbourhood is quiet; None if more than a glitch has."""
    k, usable = rest.waves.k, rest.waves.sought
    near = np.abs(k - k[place]) < _NEAR
    for count in range(1, MAX_POINTS + 1):
        starts = range(max(place - count, 0), min(place + 2, len(k) - count + 1))
        masks = [np.arange(start, start + count) for start in starts]
        loudest = []
        for mask in masks:
            point, step = rest.without(_points(mask, len(k))).strengths(size, usable, 0.7 * _LEAST)
            loudest.append(max(point[near].max(), step[near[1:]].max()))
        best = int(np.argmin(loudest))
        if loudest[best] < _QUIET:
            return masks[best]
    return None


def _judged(rest: _Rest, place: int, masked: np.ndarray | None, strength: float, noise: float) -> Break:
    """Say whether some points or a step explain the break better; none does if that is within the ``noise``."""
    n = len(rest.waves.k)
    points = np.arange(place, place + 2) if masked is None else masked
    spots = range(max(int(points[0]) - 1, 0), min(int(points[-1]) + 1, n - 1))
    gains = [rest.gain(_step(spot, n)) for spot in spots]
    surplus = (0.0 if masked is None else rest.gain(_points(masked, n))) - _FREEDOM * max(gains)
    if masked is not None and surplus >= noise**2:
        heights = np.linalg.pinv(rest.departures.certainty[np.ix_(masked, masked)], rcond=1e-6) @ rest.scan[masked]
        highest = float(heights[np.argmax(np.abs(heights))])
        return Break("glitch", int(masked[0]), int(masked[-1]), highest, strength, tuple(heights.tolist()))
    spot = spots[int(np.argmax(gains))]
    seen = float(rest.departures.seen_of_steps()[spot])
    height = float(_steps_of(rest.pull)[0, spot]) / max(seen, 1e-12)
    return Break("wide" if masked is None or surplus > 0 else "step", spot, spot + 1, height, strength)


def _step(spot: int, n: int) -> Array:
    """(n, 1) shape of a step after a point."""
    return np.asarray((np.arange(n) > spot).astype(np.float64)[:, None])


def _least_sizes(rest: Array, share: float) -> Array:
    """(s,) least of the usual sizes of a scan (s, m), a share of its median; never more than ``_usual_size`` has it."""
    middle = (rest.shape[1] - 1) // 2
    least: Array = share * np.partition(rest, middle, axis=1)[:, middle]
    return least


def _usual_sizes(rest: Array, rows: np.ndarray, points: np.ndarray) -> Array:
    """(p,) median of sizes (s, m) around points of some rows, none too near: ``_usual_size`` but for its floor."""
    offsets = np.concatenate([np.arange(-_REACH, -_CORE), np.arange(_CORE + 1, _REACH + 1)])
    places = points[:, None] + offsets
    inside = (places >= 0) & (places < rest.shape[1])
    around = rest[rows[:, None], np.clip(places, 0, rest.shape[1] - 1)]
    sizes = np.sort(np.where(inside, around, np.inf), axis=1)
    usual: Array = sizes[np.arange(len(rows)), inside.sum(axis=1) // 2]
    return usual


@dataclass(frozen=True)
class _ForeignEdges:
    """The detector of other elements' edges among m points: f places where one may be."""

    waves: _Waves
    candidates: tuple[KnownEdge, ...]
    places: Array
    """(f,) [eV], those of each candidate in a row."""
    shapes: Array
    """(m, f) edges of height 1 …"""
    projected: Array
    """(m, f) … and what waves leave of them."""

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, m), in edge steps, in which there might be one."""
        rest, seen = self.waves.departures.pull(mu), self._seen
        heights, size, noise = rest @ (self.projected / seen), np.abs(rest), self.waves.noise_per_size
        floor = _least_sizes(size, _LEAST_AT_EDGES)
        strong = heights * np.sqrt(seen) > limits.FOREIGN_STRENGTH * noise * floor[:, None]
        rows, forms = np.nonzero((heights > share * limits.FOREIGN) & strong)
        around = np.maximum(self._noise(size, floor[rows], rows, forms), 1e-12)
        strong = heights[rows, forms] * np.sqrt(seen[forms]) >= limits.FOREIGN_STRENGTH * around
        return np.isin(np.arange(len(rest)), rows[strong])

    def strongest(self, mu: Array) -> tuple[KnownEdge, float, float] | None:
        """The most conspicuous one of a scan (m,): whose it is, where [eV], how high; None if none stands out."""
        heights, strengths = self.waves.edge_strengths(mu, self.shapes)
        strengths = np.where(heights > limits.FOREIGN, strengths, 0.0)
        best = int(np.argmax(strengths))
        if strengths[best] < limits.FOREIGN_STRENGTH:
            return None
        return self.candidates[best // len(limits.EDGE_OFFSETS)], float(self.places[best]), float(heights[best])

    def _noise(self, size: Array, floor: Array, rows: np.ndarray, forms: np.ndarray) -> Array:
        """(p,) least noise that is assumed of edges ``forms`` in scans ``rows``, with their least anywhere."""
        share = self.projected**2 / self._seen
        points = np.argsort(-share, axis=0)[:_ANCHORS].T[forms]  # [pair, anchor]
        near = _usual_sizes(size, np.repeat(rows, points.shape[1]), points.ravel()).reshape(points.shape)
        more = np.maximum(near - floor[:, None], 0.0)
        noise: Array = self.waves.noise_per_size * (floor + (more * share[points, forms[:, None]]).sum(axis=1))
        return noise

    @property
    def _seen(self) -> Array:
        """(f,) what waves leave of the square of each edge."""
        return np.asarray(np.maximum((self.projected**2).sum(axis=0), 1e-3))


def foreign_edges(energy: Array, k: Array, edge: Edge) -> _ForeignEdges | None:
    """Make the detector for energies (m,) [eV] and k (m,) [Å⁻¹] above an edge; None where the table has no other."""
    sought = (energies(limits.LOW_K + 0.5, edge.position), energies(k[-1] - limits.LAST, edge.position))
    candidates = tuple(known for known in edges_between(*map(float, sought)) if known.name in ("K", "L3"))
    if not candidates:
        return None
    known = np.array([candidate.energy for candidate in candidates])
    places = (known[:, None] + edge.offset + np.array(limits.EDGE_OFFSETS)).ravel()
    shapes = 0.5 + np.arctan((energy[:, None] - places) / limits.EDGE_WIDTH) / np.pi
    waves = waves_of(k.tobytes())
    return _ForeignEdges(waves, candidates, places, shapes, waves.departures.certainty @ shapes)


def _waves(k: Array) -> Array:
    """(n, d) orthonormal: all that EXAFS and its background can be on these points, at most half of everything."""
    furthest = min(_FURTHEST, 0.25 * np.pi / float(np.median(np.diff(k))))
    r = np.arange(0.0, furthest, np.pi / (2 * _OVERHANG * (k[-1] - k[0])))
    slow = ((k - k.mean()) / np.ptp(k))[:, None] ** np.arange(1, 4)
    columns = [np.cos(2 * np.outer(k, r)), np.sin(2 * np.outer(k, r[1:])), slow]
    left, strengths, _ = np.linalg.svd(np.concatenate(columns, axis=1), full_matrices=False)
    return np.asarray(left[:, strengths > _NEGLIGIBLE * strengths[0]])
