"""``breaks.edge_strengths`` for many scans: heights where other elements have edges, and a bound of their strengths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.edges import edges_between
from exafsnn.measure import limits
from exafsnn.measure import waves as breaks
from exafsnn.measure.batch.breaks import least_sizes, noise_per_size, usual_sizes
from exafsnn.measure.sampling import energies
from exafsnn.records import Array

ANCHORS = 12
"""Points at which the noise around a foreign edge is taken; elsewhere it is the least that the gate assumes."""


@dataclass(frozen=True)
class ForeignEdges:
    """Of m points among the oscillations: f edges."""

    k: Array
    """(m,) [Å⁻¹]."""
    shapes: Array
    """(m, f) edges of height 1 …"""
    projected: Array
    """(m, f) … what waves leave of them …"""
    noise: float
    """Usual size of what waves leave → standard deviation of the noise."""

    def suspects(self, rest: Array) -> np.ndarray:
        """(s,) scans in which there might be an edge, of what waves leave (s, m)."""
        seen = self._seen
        heights, size = rest @ (self.projected / seen), np.abs(rest)
        floor = least_sizes(size, breaks.LEAST_AT_EDGES)
        strong = heights * np.sqrt(seen) > limits.FOREIGN_STRENGTH * self.noise * floor[:, None]
        rows, forms = np.nonzero((heights > limits.FOREIGN) & strong)
        noise = self._noise(size, floor[rows], rows, forms)
        strong = heights[rows, forms] * np.sqrt(seen[forms]) >= limits.FOREIGN_STRENGTH * np.maximum(noise, 1e-12)
        return np.isin(np.arange(len(rest)), rows[strong])

    def finds(self, part: Array) -> bool:
        """Whether there is one in a scan (m,)."""
        heights, strengths = breaks.edge_strengths(self.k, part, self.shapes)
        return bool(((heights > limits.FOREIGN) & (strengths >= limits.FOREIGN_STRENGTH)).any())

    def _noise(self, size: Array, floor: Array, rows: np.ndarray, forms: np.ndarray) -> Array:
        """(p,) least noise that the gate assumes of edges ``forms`` in scans ``rows``, with their least anywhere."""
        share = self.projected**2 / self._seen
        points = np.argsort(-share, axis=0)[:ANCHORS].T[forms]  # [pair, anchor]
        near = usual_sizes(size, np.repeat(rows, points.shape[1]), points.ravel()).reshape(points.shape)
        more = np.maximum(near - floor[:, None], 0.0)
        noise: Array = self.noise * (floor + (more * share[points, forms[:, None]]).sum(axis=1))
        return noise

    @property
    def _seen(self) -> Array:
        """(f,) what waves leave of the square of each edge."""
        return np.asarray(np.maximum((self.projected**2).sum(axis=0), 1e-3))


def foreign_edges(energy: Array, k: Array, position: float, offset: float) -> ForeignEdges | None:
    """Edges of other elements among energies (m,) [eV], k (m,) [Å⁻¹]; None where the table has none."""
    sought = (energies(limits.LOW_K + 0.5, position), energies(k[-1] - limits.LAST, position))
    candidates = [edge.energy for edge in edges_between(*map(float, sought)) if edge.name in ("K", "L3")]
    if not candidates:
        return None
    places = (np.array(candidates).reshape(-1, 1) + offset + np.array(limits.EDGE_OFFSETS)).ravel()
    shapes = 0.5 + np.arctan((energy[:, None] - places) / limits.EDGE_WIDTH) / np.pi
    projector, _, left = breaks.projected(k.tobytes())
    return ForeignEdges(k, shapes, projector @ shapes, noise_per_size(left))
