"""Which partial RDFs there are, and where they lie in arrays: the bins of one pair after those of the other.

All that knows no distances (networks, forward models, priors, fits) works on such rows (…, c) and knows nothing of
pairs; what asks for distances asks here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from exafsnn.shells import MOST_SHELLS, Distance, limits_of_shells, moments, stds

Array = NDArray[np.float64]
_Float = TypeVar("_Float", bound=np.floating)
APART = ("metal", "oxide")
"""What names of ranges begin with where a metal's shell and its oxide's are apart: ``"metal Ni-Ni"``."""


_LITTLE = 0.01
"""Shells stand out by so much of the highest n(r)/r² of any pair."""


def of_metal(ranges: Iterable[str]) -> str:
    """The name of the range of a metal's atoms: its own where its oxide's are apart, else ``"first"``."""
    return next((name for name in ranges if name.startswith(f"{APART[0]} ")), "first")


@dataclass(frozen=True)
class Range:
    """A range of distances of one pair."""

    pair: str
    r_min: Distance
    r_max: Distance
    """[Å]; of shells each RDF has its own (s,), NaN where it has none."""

    def at(self, row: int) -> Range:
        """That of one RDF."""
        ends = (float(limit[row]) if isinstance(limit, np.ndarray) else limit for limit in (self.r_min, self.r_max))
        return Range(self.pair, *ends)

    def beside(self, others: Iterable[Range], distance: Array) -> Range:
        """The same, where its mean ``distance`` (s,) lies in none of the others of its pair; NaN elsewhere."""
        within = [(other.r_min < distance) & (distance < other.r_max) for other in others if other.pair == self.pair]
        low, high = (np.where(np.any(within, axis=0), np.nan, limit) for limit in (self.r_min, self.r_max))
        return Range(self.pair, low, high)

    def of(self, rows: slice) -> Range:
        """That of some RDFs."""
        low, high = (limit[rows] if isinstance(limit, np.ndarray) else limit for limit in (self.r_min, self.r_max))
        return Range(self.pair, low, high)


@dataclass(frozen=True)
class Partials:
    """The partial RDFs around one absorber."""

    r: Array
    """(b,) bin centres [Å], uniform."""
    pairs: tuple[str, ...]
    """(p) names, absorber first."""

    @property
    def ends(self) -> tuple[float, float]:
        """Where the bins begin and end [Å]."""
        half = (self.r[1] - self.r[0]) / 2
        return float(self.r[0] - half), float(self.r[-1] + half)

    @property
    def count(self) -> int:
        """Number of cells c: pairs times bins."""
        return len(self.pairs) * len(self.r)

    def range(self, name: str, limits: tuple[float, float]) -> Range:
        """The range of a name: ``"first"`` is of the first pair, ``"first Ni-Ni"`` of that one."""
        last = name.rpartition(" ")[2]
        return Range(last if last in self.pairs else self.pairs[0], *limits)

    def shells(self, rows: Array, but: Iterable[str] = ()) -> dict[str, Range]:
        """The shells of RDFs (s, c), ``MOST_SHELLS`` of each pair but those: ``"shell1"`` is of the first pair.

        Limits are NaN where an RDF has fewer; what stands out little beside another pair is none.
        """
        found: dict[str, Range] = {}
        all_, least = self.split(rows), _LITTLE * (self.split(rows) / self.r**2).max(axis=(1, 2))
        for pair, own in zip(self.pairs, np.moveaxis(all_, 1, 0), strict=True):
            if pair in but:
                continue
            limits = np.full((MOST_SHELLS, 2, len(rows)), np.nan)
            for row, density in enumerate(own):
                for number, ends in enumerate(limits_of_shells(self.r, density, least[row])[:MOST_SHELLS]):
                    limits[number, :, row] = ends
            for number, (low, high) in enumerate(limits, start=1):
                name = f"shell{number}"
                found[name if pair == self.pairs[0] else f"{name} {pair}"] = Range(pair, low, high)
        return found

    def of(self, pair: str) -> slice:
        """The cells of one pair."""
        first = self.pairs.index(pair) * len(self.r)
        return slice(first, first + len(self.r))

    def split(self, rows: NDArray[_Float]) -> NDArray[_Float]:
        """(…, p, b) of rows (…, c)."""
        return rows.reshape(*rows.shape[:-1], len(self.pairs), len(self.r))

    def within(self, limits: Range) -> Array:
        """(c,) how much of each cell lies in a range [Å]; bins that its limits cut count in part."""
        half = (self.r[1] - self.r[0]) / 2
        inside = np.zeros(self.count)
        inside[self.of(limits.pair)] = np.clip(
            np.minimum(self.r + half, limits.r_max) - np.maximum(self.r - half, limits.r_min), 0.0, None
        )
        return inside

    def touched(self, ranges: Iterable[Range]) -> slice:
        """The cells that ranges touch, and all between."""
        cells = np.flatnonzero(np.any([self.within(limits) > 0 for limits in ranges], axis=0))
        return slice(int(cells[0]), int(cells[-1]) + 1)

    def moments(self, rows: NDArray[np.floating], limits: Range, first: int = 0) -> Array:
        """(…, 4) N, R, σ², C₃ in a range (``shells.moments``) of rows (…, c), or of their cells from ``first`` on."""
        own = self.of(limits.pair)
        bins = slice(max(own.start, first), min(own.stop, first + rows.shape[-1]))
        r = self.r[bins.start - own.start : bins.stop - own.start]
        return moments(r, rows[..., bins.start - first : bins.stop - first], limits.r_min, limits.r_max)

    def spreads(self, samples: NDArray[np.floating], limits: Range, first: int = 0) -> Array:
        """(…, 4) standard deviations of these over samples (…, n, c)."""
        return stds(self.moments(samples, limits, first))
