"""``preedge.py`` for many scans: all stretches of points and all steps below the edge that it may choose from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import limits, preedge
from exafsnn.measure.batch.forms import polynomial_at
from exafsnn.measure.sampling import wavenumbers
from exafsnn.records import Array

LEAST = limits.SMALLEST["pre-edge"]
FLOOR = (preedge.FLOOR * LEAST) ** 2


@dataclass(frozen=True)
class PreEdge:
    """The piece of the gate that calls ``pre_edge_breaks``; of m points below the edge."""

    energy: Array
    """(m,) [eV]."""
    below: np.ndarray
    """(n,) which points of a scan they are."""
    position: float
    """Of the edge [eV]."""
    projector: Array
    """(m, m) onto what is not smooth."""
    steps: Array
    """(m, t) projected steps …"""
    square: Array
    """(t,) … and their Σ²."""
    blocks: tuple[Array, ...]
    """Of stretches of c = 1, 2 … points: (m - c + 1, c, c) what is left of a stretch → its heights."""

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which some points or a step might be told."""
        rest = mu[:, self.below] @ self.projector
        whole, height = (rest**2).sum(axis=1, keepdims=True), rest @ self.steps / self.square
        suspect = self._telling(height**2 * self.square, np.abs(height), whole, 1)
        for block in self.blocks:
            suspect |= self._stretches(rest, whole, block)
        return suspect

    def finds(self, row: Array) -> bool:
        """Whether there is a break in a scan."""
        return bool(preedge.pre_edge_breaks(self.energy, row[self.below], self.position, LEAST))

    def _stretches(self, rest: Array, whole: Array, block: Array) -> np.ndarray:
        """(s,) scans in which a stretch of so many points might be told."""
        count = block.shape[1]
        parts = [rest[:, i : i + len(block)] for i in range(count)]
        heights = [np.asarray(sum(block[:, i, j] * parts[j] for j in range(count))) for i in range(count)]
        highest = np.max(np.abs(heights), axis=0)
        if not (highest >= LEAST).any():
            return np.zeros(len(rest), dtype=bool)
        gain = sum(height * part for height, part in zip(heights, parts, strict=True))
        return self._telling(np.asarray(gain), highest, whole, count)

    def _telling(self, gain: Array, highest: Array, whole: Array, count: int) -> np.ndarray:
        """(s,) where one of (s, t) shapes of so many points lowers Schwarz's criterion, and is high enough."""
        n, cost, freedom = len(self.energy), np.log(len(self.energy)), float(np.trace(self.projector))
        left = np.maximum(whole - gain, 0.0)
        chosen = n * np.log(left / n + FLOOR) + (count + 1) * cost < n * np.log(whole / n + FLOOR)
        size = np.sqrt(left / max(freedom - count, 1.0) + FLOOR)
        return np.asarray((chosen & (highest >= np.maximum(LEAST, preedge.STRENGTH * size))).any(axis=1))


def pre_edge(energy: Array, position: float) -> PreEdge | None:
    """Piece for a grid (n,) and a position of the edge [eV]; None where too few points lie below it."""
    below = energy < position + limits.PRE_EDGE_END
    n = int(below.sum())
    if n < preedge.FEWEST:
        return None
    projector = preedge.smooth_removed(energy[below], position)
    steps = projector @ (np.arange(n)[:, None] > np.arange(1, n - 3)).astype(np.float64)
    square = np.maximum((steps**2).sum(axis=0), 1e-9)
    counts = range(1, min(preedge.LONGEST, n // preedge.LARGEST_SHARE) + 1)
    blocks = tuple(_block(projector, count) for count in counts)
    return PreEdge(energy[below], below, position, projector, steps, square, blocks)


def _block(projector: Array, count: int) -> Array:
    """(m - count + 1, count, count) inverse of the projector (m, m) on each stretch of so many points."""
    some = np.arange(len(projector) - count + 1)[:, None] + np.arange(count)  # [stretch, point]
    inverse: Array = np.linalg.inv(projector[some[:, :, None], some[:, None, :]] + 1e-9 * np.eye(count))
    return inverse


def shares_of_unrest(energy: Array, position: float, mu: Array) -> Array:
    """(s,) what is not smooth below the edge, relative to the oscillations, as ``quality.unsteady`` takes it.

    The gate takes the white part of it off before it refuses a scan: what it lets pass is never more than this.
    """
    below, k = energy < position + limits.PRE_EDGE_END, wavenumbers(energy, position)
    loud = (k > limits.LOUD_K[0]) & (k < limits.LOUD_K[1])
    if loud.sum() < limits.MIN_POINTS / 2 or below.sum() < preedge.FEWEST:
        return np.zeros(len(mu))
    projector = preedge.smooth_removed(energy[below], position)
    rest = mu[:, loud] - mu[:, loud] @ polynomial_at(k[loud], k[loud], 3).T
    moves = np.linalg.norm(mu[:, below] @ projector, axis=1) / np.sqrt(np.trace(projector))
    share: Array = moves / np.maximum(rest.std(axis=1), 1e-12)
    return share
