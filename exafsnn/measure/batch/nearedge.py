"""``nearedge.py`` for many scans: how unlikely all stretches and steps are, where the noise is the least it assumes.

The longest stretches alone: they are as unlikely as any part of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import nearedge
from exafsnn.measure.limits import SMALLEST
from exafsnn.records import Array


@dataclass(frozen=True)
class NearEdge:
    """The piece of the gate that calls ``near_edge_breaks``; of m points around the edge."""

    energy: Array
    """(n,) [eV]."""
    position: float
    """Of the edge [eV]."""
    width: float
    """Of its core hole [eV]."""
    around: np.ndarray
    """(n,) which points of a scan are around the edge."""
    certainty: Array
    """(m, m) inverse covariance at the least noise."""
    seen: Array
    """(m - 1,) certainty of the height of each step."""
    whiten: Array
    """(c, 5, 5) triangles after which the square of a stretch's pull is what it explains."""

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which some points or a step might be impossible, or whose noise is more than the least."""
        pull = mu[:, self.around] @ self.certainty
        later = np.cumsum(pull[:, ::-1], axis=1)[:, -2::-1]
        suspect = (later**2 > (nearedge.STRENGTH**2 + nearedge.COST) * self.seen).any(axis=1)
        gain = np.zeros((len(mu), len(self.whiten)))
        for row in range(nearedge.LONGEST):
            gain += sum(self.whiten[:, row, i] * pull[:, i : i + len(self.whiten)] for i in range(row + 1)) ** 2
        return np.asarray(suspect | (gain > nearedge.STRENGTH**2).any(axis=1) | self._noisy(pull))

    def finds(self, row: Array) -> bool:
        """Whether there is a break in a scan."""
        return bool(nearedge.near_edge_breaks(self.energy, row, self.position, self.width, SMALLEST["edge"]))

    def _noisy(self, pull: Array) -> np.ndarray:
        """(s,) scans whose points on one side surprise more than usual: the gate assumes more noise there."""
        loud = np.abs(pull) > 0.6745 * np.sqrt(np.diag(self.certainty))
        below = self.energy[self.around] < self.position
        return np.any([2 * loud[:, side].sum(axis=1) >= side.sum() for side in (below, ~below) if side.any()], axis=0)


def near_edge(energy: Array, position: float, width: float) -> NearEdge | None:
    """Piece for a grid (n,), a position of the edge and a width of its core hole [eV]; None of too few points."""
    around = (energy > position + nearedge.AROUND[0]) & (energy < position + nearedge.AROUND[1])
    away = energy[around] - position
    if len(away) < nearedge.FEWEST:
        return None
    certainty = nearedge.certainty_of(away, np.zeros_like(away), width)
    corner = np.cumsum(np.cumsum(certainty[::-1, ::-1], axis=0), axis=1)[::-1, ::-1]
    points = np.arange(len(away) - nearedge.LONGEST + 1)[:, None] + np.arange(nearedge.LONGEST)
    whiten = np.linalg.inv(np.linalg.cholesky(certainty[points[:, :, None], points[:, None, :]]))
    return NearEdge(energy, position, width, around, certainty, np.diag(corner)[1:], whiten)
