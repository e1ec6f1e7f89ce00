"""What does the rest of a scan say of these points? The algebra that all detectors of the gate share.

For a certainty matrix C (the inverse covariance of sound scans, or the projector onto what no sound scan can be) and
shapes S, the heights h = (SᵀCS)⁻¹Sᵀ·Cμ are what μ has of the shapes beyond what its other points foretell, and they
explain hᵀSᵀ·Cμ of the scan's χ² (generalised least squares; Aitken, Proc. R. Soc. Edinburgh 55, 42 (1936)). Detectors
differ in C alone; Cμ is called the pull.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from exafsnn.records import Array


@dataclass(frozen=True)
class Break:
    """A place where μ does what no sound scan does."""

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
class Departures:
    """What can be off, of all scans that share C."""

    certainty: Array
    """(n, n) C."""
    ridge: float = 0.0
    """Added to SᵀCS where C knows nothing of some shapes."""
    _inverses: dict[int, Array] = field(default_factory=dict, repr=False, compare=False)

    def pull(self, mu: Array) -> Array:
        """(s, n) Cμ of scans (s, n)."""
        pull: Array = mu @ self.certainty
        return pull

    def stretches(self, pull: Array, count: int) -> tuple[Array, Array]:
        """(s, t, count) heights of the points of all stretches of so many, and (s, t) the χ² that these explain."""
        windows = np.lib.stride_tricks.sliding_window_view(pull, count, axis=1)  # [scan, stretch, point]
        heights = np.einsum("tij,stj->sti", self._inverse(count), windows, optimize=False)
        return heights, np.einsum("sti,sti->st", heights, windows, optimize=False)

    def _inverse(self, count: int) -> Array:
        """(t, count, count) (SᵀCS)⁻¹ of all stretches of so many points; made once."""
        if count not in self._inverses:
            blocks = self.blocks(count) + self.ridge * np.eye(count)
            self._inverses[count] = np.asarray(np.linalg.inv(blocks), dtype=np.float64)
        return self._inverses[count]

    def blocks(self, count: int) -> Array:
        """(t, count, count) SᵀCS of all stretches of so many points."""
        points = np.arange(len(self.certainty) - count + 1)[:, None] + np.arange(count)  # [stretch, point]
        return np.asarray(self.certainty[points[:, :, None], points[:, None, :]])

    def steps(self, pull: Array) -> tuple[Array, Array]:
        """(s, n - 1) heights of steps after each point but the last, and the χ² that each explains."""
        later = np.cumsum(pull[:, ::-1], axis=1)[:, -2::-1]
        seen = np.maximum(self.seen_of_steps(), 1e-9)
        heights = later / seen
        return heights, heights * later

    def seen_of_steps(self) -> Array:
        """(n - 1,) SᵀCS of each step."""
        if 0 not in self._inverses:  # kept beside the inverses: stretches have one point or more
            corner = np.cumsum(np.cumsum(self.certainty[::-1, ::-1], axis=0), axis=1)[::-1, ::-1]
            self._inverses[0] = np.diag(corner)[1:].copy()
        return self._inverses[0]

    def bumps(self, pull: Array, shape: Array) -> tuple[Array, Array]:
        """(s, t) heights of bumps of a shape (w,) that begin at each point, and the square root of their SᵀCS (t,)."""
        seen = np.einsum("i,tij,j->t", shape, self.blocks(len(shape)), shape)
        found = np.lib.stride_tricks.sliding_window_view(pull, len(shape), axis=1) @ shape
        return found / seen, np.sqrt(seen)

    def without(self, shapes: Array, pull: Array) -> tuple[Departures, Array]:
        """The same for scans that may have shapes (n, c) of any height, and the pull (s, n) that is left."""
        taken = self.certainty @ shapes
        values, vectors = np.linalg.eigh(shapes.T @ taken)
        known = values > 1e-12
        basis = taken @ vectors[:, known] / np.sqrt(values[known])
        share = pull @ shapes @ vectors[:, known] / np.sqrt(values[known])
        return Departures(self.certainty - basis @ basis.T, self.ridge), pull - share @ basis.T
