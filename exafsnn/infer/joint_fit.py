"""Theory and data of both edges of samples side by side, for ``fit``: their k axes one after the other.

Unknown are a row of RDFs that both absorbers share (``infer.tied``), and the sessions of both edges. The edges have
nothing in common but these RDFs: noise, background and errors of theory are each edge's own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from exafsnn.infer.fit import Data, block
from exafsnn.infer.theory import Linear, Session, Theory
from exafsnn.infer.tied import Tied

Points = tuple[slice, slice]
"""Some of the points of k of each edge."""


class JointTheory:
    """The forward models of both edges: rows of both and sessions → k²χ of both."""

    def __init__(self, theories: Sequence[Theory], tied: Tied) -> None:
        self._theories, self._tied = theories, tied

    def linear(self, density: Tensor, shared: Tensor, points: Points) -> Linear:
        """k²χ and its derivatives at rows (s, c) and sessions of both edges (s, p), at some of the points of k."""
        sides = self._tied.sides(density)
        first, second = (
            theory.linear(*of) for theory, *of in zip(self._theories, sides, of_each(shared), points, strict=True)
        )
        ahead = torch.zeros(*first.value.shape, density.shape[1])
        ahead[..., : self._tied.first.count] = first.by_density
        by_density = torch.cat([ahead, self._by_row(second.by_density, density)], dim=1)
        return Linear(
            torch.cat([first.value, second.value], dim=1), by_density, block(first.by_shared, second.by_shared)
        )

    def _by_row(self, by_second: Tensor, density: Tensor) -> Tensor:
        """(s, m, c) derivatives with respect to rows (s, c), of those to the RDFs of the second absorber (s, m, b)."""
        tied, (shared, place) = self._tied, self._tied.cells
        found = torch.zeros(*by_second.shape[:2], density.shape[1])
        back = by_second[..., place]
        ratio = tied.ratio_of(density)
        found[..., shared] = back * (ratio[:, None].float() if isinstance(ratio, Tensor) else ratio)
        others = torch.cat([by_second[..., : place.start], by_second[..., place.stop :]], dim=2)
        found[..., tied.first.count : tied.partials.count] = others
        if tied.ratio is None:
            found[..., -1] = (back @ density[:, shared, None].float())[..., 0]
        return found


class JointData:
    """Measured k²χ of both edges of samples."""

    def __init__(self, first: Data, second: Data) -> None:
        self._edges = first, second
        self.points = (first.points, second.points)
        """Those of each edge that any of the samples uses."""
        self.used = torch.cat([first.used, second.used], dim=1)
        """(s, m) 1 where a sample is used, else 0."""
        self._first = first.used.shape[1]

    def _split(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Values (r, m, …) of each edge."""
        return values[:, : self._first], values[:, self._first :]

    def left(self, rows: Tensor, value: Tensor, shared: Tensor) -> Tensor:
        """(r, m) measured minus computed k²χ, on the energy zeros of ``shared`` (r, p); 0 where it is not used."""
        parts = zip(self._edges, self._split(value), of_each(shared), strict=True)
        return torch.cat([edge.left(rows, own, session) for edge, own, session in parts], dim=1)

    def seen(self, rows: Tensor, values: Tensor) -> Tensor:
        """(r, m, n) values, 0 where a sample is not used."""
        parts = zip(self._edges, self._split(values), strict=True)
        return torch.cat([edge.seen(rows, own) for edge, own in parts], dim=1)

    def unexplained(self, rows: Tensor, measured: Tensor, shared: Tensor) -> Tensor:
        """(r, m, m) covariance of what no RDF explains: of one edge none with the other."""
        parts = zip(self._edges, self._split(measured), of_each(shared), strict=True)
        return block(*(edge.unexplained(rows, own, session) for edge, own, session in parts))


def of_each(shared: Tensor) -> tuple[Tensor, Tensor]:
    """Values of the sessions of each edge (s, p), of those of both, one after the other."""
    half = shared.shape[1] // 2
    return shared[:, :half], shared[:, half:]


def session_of_both(first: Session, second: Session) -> Session:
    """What is known of the sessions of both edges, each by itself."""
    return Session(torch.cat([first.mean, second.mean], dim=1), block(first.covariance, second.covariance))
