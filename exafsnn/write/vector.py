"""Curves → SVG that pages hold: axes, ticks and a legend, in the colours of the page, at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from exafsnn.records import Array

WIDTH, HEIGHT = 420.0, 250.0
"""Of a plot, in its own units."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 46.0, 412.0, 24.0, 212.0
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#aa4499")
"""As in ``panels``, which takes a second of matplotlib to import; told apart by colour-blind readers."""
INK = "currentColor"
_MOST = 400
"""Points of a curve in a plot."""


@dataclass(frozen=True)
class Curve:
    """A line in a plot."""

    points: str
    colour: str
    name: str


@dataclass
class Plot:
    """A frame with curves; ``plot.html`` draws it."""

    x_label: str
    y_label: str
    x: tuple[float, float]
    y: tuple[float, float]
    curves: list[Curve] = field(default_factory=list)
    bands: list[tuple[str, str]] = field(default_factory=list)
    """Points and colour."""
    shaded: list[tuple[float, float]] = field(default_factory=list)
    """Left edge and width."""
    points: list[tuple[str, str, str]] = field(default_factory=list)
    """Paths of points and of their error bars, and colour."""

    left, right, top, bottom = _LEFT, _RIGHT, _TOP, _BOTTOM
    width, height = WIDTH, HEIGHT

    def line(self, x: Array, y: Array, colour: str, name: str) -> None:
        """Add a curve (n,), thinned out to what can be seen."""
        inside = (x >= self.x[0]) & (x <= self.x[1])
        x, y = x[inside], y[inside]
        taken = thinned(len(x), _MOST)
        self.curves.append(Curve(self._points(x[taken], y[taken]), colour, name))

    def band(self, x: Array, low: Array, high: Array, colour: str) -> None:
        """Fill between two curves (n,)."""
        self.bands.append((self._points(np.append(x, x[::-1]), np.append(low, high[::-1])), colour))

    def shade(self, low: float, high: float) -> None:
        """Shade a stretch of x."""
        start, end = self._place(np.clip([low, high], *self.x))
        self.shaded.append((round(float(start), 1), round(float(end - start), 1)))

    def marks(self, x: Array, y: Array, std: Array, colour: str) -> None:
        """Add points (n,), each with its standard deviation."""
        places, heights = self._place(x).tolist(), self._height(y).tolist()
        ends = zip(self._height(y - std).tolist(), self._height(y + std).tolist(), strict=True)
        points = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(places, heights, strict=True))
        bars = "".join(f"M{a:.1f} {low:.1f}V{high:.1f}" for a, (low, high) in zip(places, ends, strict=True))
        self.points.append((points, bars, colour))

    @property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Place and text of each."""
        return [(round(float(self._place(np.array(at))), 1), text) for at, text in ticks(*self.x)]

    @property
    def y_ticks(self) -> list[tuple[float, str]]:
        """The same, upwards."""
        return [(round(float(self._height(np.array(at))), 1), text) for at, text in ticks(*self.y, 5)]

    @property
    def legend(self) -> list[tuple[float, str, str]]:
        """Place, colour and name of each curve; from the right."""
        found, place = [], _RIGHT
        for curve in reversed(self.curves):
            place -= 6.6 * len(curve.name) + 30
            found.append((place, curve.colour, curve.name))
        return found[::-1]

    def _points(self, x: Array, y: Array) -> str:
        places = zip(self._place(x).tolist(), self._height(np.clip(y, *self.y)).tolist(), strict=True)
        return " ".join(f"{a:.1f},{b:.1f}" for a, b in places)

    def _place(self, x: Array) -> Array:
        return np.asarray(_LEFT + (_RIGHT - _LEFT) * (x - self.x[0]) / (self.x[1] - self.x[0]))

    def _height(self, y: Array) -> Array:
        return np.asarray(_BOTTOM - (_BOTTOM - _TOP) * (y - self.y[0]) / (self.y[1] - self.y[0]))


def thinned(count: int, most: int) -> np.ndarray:
    """Numbers of the points, so many at most, that a curve is drawn by."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def ticks(low: float, high: float, most: int = 8) -> list[tuple[float, str]]:
    """Round numbers between two, so many at most, and how they are written."""
    rough = (high - low) / most
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= rough * (1 - 1e-9))
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.{digits}f}") for number in range(first, last + 1)]
