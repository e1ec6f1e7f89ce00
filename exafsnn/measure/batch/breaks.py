"""``breaks.find_breaks`` for many scans: heights and strengths of all points and steps among the oscillations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import limits
from exafsnn.measure import waves as breaks
from exafsnn.records import Array

LEAST = limits.SMALLEST["EXAFS"]


@dataclass(frozen=True)
class Breaks:
    """Of m points among the oscillations: f forms, each a point or a step after one."""

    k: Array
    """(m,) [Å⁻¹]."""
    noise: float
    """Usual size of what waves leave → standard deviation of the noise."""
    seen: Array
    """(f,) what waves leave of the square of each form."""
    spots: np.ndarray
    """(f,) where its noise is taken."""
    limit: Array
    """(f,) its overlap with the scan, from which on its height matters."""

    def suspects(self, rest: Array) -> np.ndarray:
        """(s,) scans in which there might be a break, of what waves leave (s, m)."""
        after = np.cumsum(rest[:, ::-1], axis=1)[:, -2::-1]  # steps are projected already, and so is the scan
        overlap = np.abs(np.concatenate([rest, after], axis=1))
        rows, forms = np.nonzero(overlap > self.limit)
        sizes = np.abs(rest)
        least = least_sizes(sizes, breaks.LEAST_SIZE)[rows]
        size = self.noise * np.maximum(usual_sizes(sizes, rows, self.spots[forms]), least)
        strong = overlap[rows, forms] >= breaks.STRENGTH * np.sqrt(self.seen[forms]) * np.maximum(size, 1e-12)
        return np.isin(np.arange(len(rest)), rows[strong])

    def finds(self, part: Array) -> bool:
        """Whether there is one in a scan (m,)."""
        low, high = limits.LOW_K, float(self.k[-1]) - limits.LAST
        return bool(breaks.find_breaks(self.k, part, low, high, LEAST))


def breaks_among(k: Array) -> Breaks:
    """Forms for wavenumbers (m,) [Å⁻¹]."""
    usable = (k > limits.LOW_K) & (k < float(k[-1]) - limits.LAST)
    projector, steps, left = breaks.projected(k.tobytes())
    seen = np.concatenate([np.diag(projector), (steps**2).sum(axis=0)])
    spots = np.concatenate([np.arange(len(usable)), np.arange(1, len(usable))])
    counted = np.concatenate([usable, usable[1:] & usable[:-1]]) & (seen > breaks.SEEN)
    return Breaks(k, noise_per_size(left), seen, spots, np.where(counted, LEAST * seen, np.inf))


def noise_per_size(left: float) -> float:
    """Standard deviation of the noise over the median size of what waves leave; they leave so many freedoms a point."""
    return float(1 / 0.6745 / np.sqrt(left))


def least_sizes(rest: Array, share: float) -> Array:
    """(s,) least of the usual sizes of a scan (s, n), a share of its median; never more than ``breaks`` has it."""
    middle = (rest.shape[1] - 1) // 2
    least: Array = share * np.partition(rest, middle, axis=1)[:, middle]
    return least


def usual_sizes(rest: Array, rows: np.ndarray, points: np.ndarray) -> Array:
    """(p,) median of sizes (s, n) around points of some rows, none too near: that of ``breaks`` but for its floor."""
    offsets = np.concatenate([np.arange(-breaks.REACH, -breaks.CORE), np.arange(breaks.CORE + 1, breaks.REACH + 1)])
    places = points[:, None] + offsets
    inside = (places >= 0) & (places < rest.shape[1])
    around = rest[rows[:, None], np.clip(places, 0, rest.shape[1] - 1)]
    sizes = np.sort(np.where(inside, around, np.inf), axis=1)
    usual: Array = sizes[np.arange(len(rows)), inside.sum(axis=1) // 2]
    return usual
