"""The answers along a series → a column for each quantity, and what is known of its errors; ``series`` analyses it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from exafsnn.records import CRYSTALS, Array, Estimate, Lattice, Order, Shell

METAL = "metal"
"""The phase that a metal is called, of whatever structure, beside its compounds."""
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
    orders: Mapping[str, Order] = field(default_factory=dict)
    """By name of the range, of several pairs."""
    metal: Estimate | None = None
    """Share of the absorbers in a metal."""


@dataclass(frozen=True)
class Key:
    """What a trend is of."""

    quantity: str
    """``coordination``, ``distance`` [Å], ``sigma2`` [Å²], ``c3`` [Å³], ``density`` [g/cm³],
    ``number_density`` [Å⁻³], ``lattice_constant`` [Å], ``fraction``, ``total``, ``composition`` or ``order``."""
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
    table |= _of_pairs(points)
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


def _of_pairs(points: Sequence[Point]) -> dict[Key, list[_Cell]]:
    """What follows from several pairs, where it is known of a scan."""
    trusted = [(point.orders if point.trusted else {}, point.metal if point.trusted else None) for point in points]
    found: dict[Key, list[_Cell]] = {}
    for name in dict.fromkeys(name for orders, _ in trusted for name in orders):
        each = [orders.get(name) for orders, _ in trusted]
        found[Key("total", name)] = [_cell(order.total if order else None) for order in each]
        found[Key("composition", name)] = [_cell(order.composition if order else None) for order in each]
        if any(order and order.order for order in each):
            found[Key("order", name)] = [_cell(order.order if order else None) for order in each]
    if any(metal for _, metal in trusted):
        found[Key("fraction", phase=METAL)] = [_cell(metal) for _, metal in trusted]
    return found


def _cell(estimate: Estimate | None) -> _Cell:
    return (estimate.value, estimate.std, 0.0) if estimate and math.isfinite(estimate.std) else _NOTHING


def _parted(value: float, std: float, relative: float) -> _Cell:
    """A value, and its standard deviation without and with only what is shared."""
    shared = relative * value
    return value, math.sqrt(max(std**2 - shared**2, 0.0)), shared
