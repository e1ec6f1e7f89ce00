"""The answers along a series → a column for each quantity, and what is known of its errors; ``series`` analyses it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from exafsnn.records import CRYSTALS, Array, Lattice, Shell

_SHELL = ("coordination", "distance", "sigma2", "c3")


@dataclass(frozen=True)
class Point:
    """One scan's place in a series, and what was found of it."""

    axis: float
    shells: Mapping[str, Shell]
    lattice: Lattice | None
    """None where no crystal explains its RDF."""
    trusted: bool = True
    """Whether the scan is in the model's domain: others count for nothing in the analysis."""


@dataclass(frozen=True)
class Key:
    """What a trend is of."""

    quantity: str
    """``coordination``, ``distance`` [Å], ``sigma2`` [Å²], ``c3`` [Å³], ``density`` [g/cm³],
    ``number_density`` [Å⁻³], ``lattice_constant`` [Å] or ``fraction``."""
    range: str = ""
    """Name of the range of r; empty where it does not apply."""
    phase: str = ""
    """Of ``lattice_constant`` and ``fraction``."""

    def __str__(self) -> str:
        return " ".join(part for part in (self.quantity, self.phase or self.range) if part)


@dataclass(frozen=True)
class Column:
    """One quantity scan by scan (n,); NaN where it is not known."""

    value: Array
    own: Array
    """Standard deviation, without …"""
    shared: Array
    """… what is known to be the same error in all scans."""

    @property
    def std(self) -> Array:
        """(n,) the whole."""
        whole: Array = np.hypot(self.own, self.shared)
        return whole


_Cell = tuple[float, float, float]
_NOTHING: _Cell = (math.nan, math.nan, math.nan)


def columns_of(points: Sequence[Point]) -> dict[Key, Column]:
    """Every quantity of a series of one scan or more."""
    table: dict[Key, list[_Cell]] = {}
    for name in dict.fromkeys(name for point in points for name in point.shells):  # an edge of a sample may lack
        for quantity in _SHELL:
            table[Key(quantity, name)] = [
                (getattr(point.shells[name], quantity), getattr(point.shells[name], f"{quantity}_std"), 0.0)
                if point.trusted and name in point.shells
                else _NOTHING
                for point in points
            ]
    lattices = [point.lattice if point.trusted else None for point in points]
    if any(lattices):
        table[Key("density")] = [
            _parted(*item.density, 3 * item.shared) if item and item.density else _NOTHING for item in lattices
        ]
        table[Key("number_density")] = [
            _parted(*item.number_density, 3 * item.shared) if item and item.number_density else _NOTHING
            for item in lattices
        ]
        for phase in CRYSTALS:
            table[Key("fraction", phase=phase)] = [
                (*item.fractions[phase], 0.0) if item else _NOTHING for item in lattices
            ]
    for phase in CRYSTALS:
        cells = [
            _parted(*item.constant, item.shared) if item and item.phase == phase else _NOTHING for item in lattices
        ]
        if any(cell is not _NOTHING for cell in cells):
            table[Key("lattice_constant", phase=phase)] = cells
    return {key: Column(*np.array(cells, dtype=float).T) for key, cells in table.items()}


def _parted(value: float, std: float, relative: float) -> _Cell:
    """A value, and its standard deviation without and with only what is shared."""
    shared = relative * value
    return value, math.sqrt(max(std**2 - shared**2, 0.0)), shared
