"""Partial RDFs of two absorbers in one sample, tied: as many B are around A as A around B, but for how many there are.

c_A n_AB(r) = c_B n_BA(r). So there is one row of cells for both: those of all pairs of the first absorber, then those
of the other pairs of the second.
"""

from __future__ import annotations

from dataclasses import dataclass

from exafsnn.partials import Partials
from exafsnn.physics.arrays import Numbers, namespace

_SURENESS = 4
"""n(r) grows as r², and its error faster: bins count for the composition as 1/r to this power."""


@dataclass(frozen=True)
class Tied:
    """The rows (…, c) of both absorbers; of a composition that varies, the last cell of each is its c_A/c_B.

    Arrays are numpy's or torch's.
    """

    first: Partials
    second: Partials
    """On the same bins."""
    ratio: float | None
    """c_A/c_B; None where it varies."""

    @property
    def partials(self) -> Partials:
        """Which RDFs a row has, its ratio aside."""
        others = (pair for pair in self.second.pairs if pair != self.backward)
        return Partials(self.first.r, (*self.first.pairs, *others))

    @property
    def forward(self) -> str:
        """The pair that ties, A-B, as the first absorber has it."""
        absorber, other = (partials.pairs[0].partition("-")[0] for partials in (self.first, self.second))
        return f"{absorber}-{other}"

    @property
    def backward(self) -> str:
        """The same as the second has it, B-A."""
        return "-".join(reversed(self.forward.split("-")))

    @property
    def cells(self) -> tuple[slice, slice]:
        """Where the tied pair lies in rows of the first absorber, and in those of the second."""
        return self.first.of(self.forward), self.second.of(self.backward)

    def sides(self, rows: Numbers) -> tuple[Numbers, Numbers]:
        """Rows (…, a) of the first absorber and (…, b) of the second, of rows of both (…, c)."""
        shared, place = self.cells
        own = rows[..., : self.first.count]
        back = own[..., shared]
        if self.ratio != 1:
            back = back * self.ratio_of(rows)
        after = self.first.count + place.start
        others = rows[..., self.first.count : after], rows[..., after : self.partials.count]
        return own, namespace(rows).concat((others[0], back, others[1]), axis=-1)

    def ratio_of(self, rows: Numbers) -> Numbers:
        """c_A/c_B of rows of both, (…, 1) where it varies."""
        return rows[..., -1:] if self.ratio is None else self.ratio

    def ratio_between(self, first: Numbers, second: Numbers) -> Numbers:
        """c_A/c_B by rows of each absorber, (…, 1) where it varies; most by near shells, which are surest."""
        if self.ratio is not None:
            return self.ratio
        weight = namespace(first).asarray(self.first.r**-_SURENESS, dtype=first.dtype)
        ahead, back = (
            (rows[..., cells] * weight).sum(axis=-1)[..., None]
            for rows, cells in zip((first, second), self.cells, strict=True)
        )
        return back / ahead.clip(1e-9, None)

    def together(self, first: Numbers, second: Numbers, share: Numbers = 0.5) -> Numbers:
        """Rows of both (…, c) of rows of each absorber, which may not yet be tied.

        Parameters
        ----------
        first, second
            (…, a) and (…, b).
        share
            (…, n) weight of the first one's tied cells; that of the second one's is the rest.
        """
        xp, (shared, place) = namespace(first), self.cells
        ahead, back = first[..., shared], second[..., place]
        ratio = self.ratio_between(first, second)
        tied = share * ahead + (1 - share) * (back / ratio)
        parts = (first[..., : shared.start], tied, first[..., shared.stop :])
        others = second[..., : place.start], second[..., place.stop :]
        varying = (ratio,) if self.ratio is None else ()
        return xp.concat((*parts, *others, *varying), axis=-1)
