"""Curves → a small picture for cards and glances: one frame, its ends and its name, in the ink of what is around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exafsnn.records import Array, ChiK, PartialRDF
from exafsnn.write.vector import COLOURS, INK

_LEFT, _RIGHT, _TOP, _BOTTOM = 4.0, 296.0, 4.0, 108.0
"""Of the picture's frame, in its own units."""


@dataclass
class Picture:
    """Curves in one frame, as the text of SVG's points; ``picture.html`` draws it."""

    x: Array
    """(n,) from the left edge to the right one."""
    low: float
    high: float
    label: str
    unit: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    bands: list[tuple[str, str]] = field(default_factory=list)
    shaded: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, x: Array, curves: Sequence[Array], label: str, unit: str) -> Picture:
        """An empty frame that holds curves (n,)."""
        low, high = min(0.0, *(float(y.min()) for y in curves)), max(float(y.max()) for y in curves)
        return cls(x, low, high if high > low else low + 1.0, label, unit)

    @property
    def zero(self) -> str:
        """Height of 0."""
        return f"{self._height(np.zeros(1))[0]:.1f}"

    @property
    def first(self) -> str:
        """What x begins with."""
        return f"{self.x[0]:.4g}"

    @property
    def last(self) -> str:
        """What x ends with, and its unit."""
        return f"{self.x[-1]:.4g} {self.unit}"

    def line(self, y: Array, colour: str) -> None:
        """Add a curve (n,)."""
        self.lines.append((self._points(self.x, y), colour))

    def band(self, low: Array, high: Array, colour: str) -> None:
        """Fill between two curves (n,)."""
        both = np.concatenate([self.x, self.x[::-1]]), np.concatenate([low, high[::-1]])
        self.bands.append((self._points(*both), colour))

    def shade(self, low: float, high: float) -> None:
        """Shade a stretch of x."""
        start, end = self._place(np.clip([low, high], self.x[0], self.x[-1]))
        self.shaded.append((f"{start:.1f}", f"{end - start:.1f}"))

    def _points(self, x: Array, y: Array) -> str:
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(self._place(x), self._height(y), strict=True))

    def _place(self, x: Array) -> Array:
        return _LEFT + (_RIGHT - _LEFT) * (np.asarray(x) - self.x[0]) / (self.x[-1] - self.x[0])

    def _height(self, y: Array) -> Array:
        return _BOTTOM - (_BOTTOM - _TOP) * (np.clip(y, self.low, self.high) - self.low) / (self.high - self.low)


def picture_of_rdf(rdf: PartialRDF) -> Picture:
    """n(r) of all pairs and their standard deviations."""
    picture = Picture.of(rdf.r, [density + spread for density, spread in zip(rdf.density, rdf.spread, strict=True)],
                         "n(r)", "Å")  # fmt: skip
    for number, (density, spread) in enumerate(zip(rdf.density, rdf.spread, strict=True)):
        colour = COLOURS[number % len(COLOURS)]
        picture.band(np.clip(density - spread, 0, None), density + spread, colour)
        picture.line(density, colour)
    return picture


def picture_of_chi(chi: ChiK) -> Picture:
    """k²χ(k) where it can be used."""
    shown = (chi.k >= min(1.0, 0.5 * chi.k_end)) & (chi.k <= chi.k_end)
    weighted = chi.k[shown] ** 2 * chi.chi[shown]
    picture = Picture.of(chi.k[shown], [weighted], "k²χ(k)", "Å⁻¹")
    picture.line(weighted, INK)
    return picture
