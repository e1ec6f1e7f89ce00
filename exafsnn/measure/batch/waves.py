"""What no waves can be, of many scans: where ``breaks`` and ``foreign`` begin, taken from each scan once for both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import waves as breaks
from exafsnn.measure.batch.breaks import Breaks, breaks_among
from exafsnn.measure.batch.foreign import ForeignEdges, foreign_edges
from exafsnn.records import Array


@dataclass(frozen=True)
class Waves:
    """The piece of the gate that seeks breaks and other elements' edges among the oscillations."""

    above: np.ndarray
    """(n,) which m points of a scan oscillate."""
    projector: Array
    """(m, m) onto what no waves can be."""
    broken: Breaks
    foreign: ForeignEdges | None

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which there might be a break or an edge."""
        rest = mu[:, self.above] @ self.projector
        suspect = self.broken.suspects(rest)
        return suspect | self.foreign.suspects(rest) if self.foreign else suspect

    def finds(self, row: Array) -> bool:
        """Whether there is one in a scan."""
        part = row[self.above]
        return self.broken.finds(part) or (self.foreign is not None and self.foreign.finds(part))


def waves(energy: Array, k: Array, above: np.ndarray, position: float, offset: float) -> Waves | None:
    """Piece for a grid (n,), a position of the edge and its offset from the table [eV]; None without oscillations."""
    if not above.any():
        return None
    projector = breaks.projected(k[above].tobytes())[0]
    return Waves(above, projector, breaks_among(k[above]), foreign_edges(energy[above], k[above], position, offset))
