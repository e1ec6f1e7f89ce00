"""Absorption edges: where the tables put them, and whose they are.

The table is ``edges.csv``, which says where its numbers are from.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

from exafsnn.errors import ScanError

MAX_OFFSET = 25.0
"""Largest distance [eV] between a scan's edge and the table's at which an unnamed edge is recognised."""

_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}

_LIGHTEST = "Li"
"""First element, by atomic number, whose edges an unnamed one may be."""

TABLE = Path(__file__).with_suffix(".csv")


@dataclass(frozen=True)
class Edge:
    """An edge in the tables."""

    absorber: str
    """Chemical symbol."""
    name: str
    """``"K"``, ``"L3"`` …"""
    energy: float
    """Tabulated energy [eV]."""

    def __str__(self) -> str:
        return f"{self.absorber} {self.name}"


@cache
def _table() -> dict[str, dict[Edge, float]]:
    """Edges of each element, by atomic number, the highest energy first, and the width of their core holes [eV]."""
    elements: dict[str, dict[Edge, float]] = {}
    rows = (line.split(",") for line in TABLE.read_text(encoding="ascii").splitlines() if not line.startswith("#"))
    next(rows)
    for absorber, name, energy, width in rows:
        elements.setdefault(absorber, {})[Edge(absorber, name, float(energy))] = float(width)
    return elements


@cache
def edges_of(absorber: str) -> tuple[Edge, ...]:
    """Tabulated K and L edges of an element, the highest energy first; none for what is no element."""
    return tuple(_table().get(absorber.capitalize(), ()))


def is_element(symbol: str) -> bool:
    """Tell whether this is a chemical symbol with X-ray edges."""
    return bool(re.fullmatch(r"[A-Z][a-z]?", symbol)) and bool(edges_of(symbol))


def edge_name(text: str) -> str | None:
    """``K``, ``L1``, ``L2`` or ``L3`` from ``k``, ``L3``, ``LIII``, ``L-III edge`` …; None if it is none."""
    match = re.fullmatch(r"(K|L)[\s_-]*(I{1,3}|[1-3])?(\s*edge)?", text.strip(), re.IGNORECASE)
    if not match or (match[1].upper() == "K") != (match[2] is None):
        return None
    return match[1].upper() + _ROMAN.get((match[2] or "").upper(), match[2] or "")


def tabulated(absorber: str, edge: str) -> float:
    """Tabulated energy of an edge [eV].

    Raises
    ------
    ScanError
        If the element or the edge is not in the table.
    """
    return _tabulated(absorber, edge).energy


def core_hole_width(absorber: str, edge: str) -> float:
    """Width of an edge's core hole [eV], full width at half maximum: nothing in its absorption is sharper."""
    known = _tabulated(absorber, edge)
    return _table()[known.absorber][known]


def _tabulated(absorber: str, edge: str) -> Edge:
    for candidate in edges_of(absorber):
        if candidate.name == edge:
            return candidate
    raise ScanError(f"no {edge} edge of {absorber} is known", remedy="Give a chemical symbol and K, L1, L2 or L3")


def next_edge(absorber: str, edge: str) -> Edge | None:
    """Find the absorber's next higher edge, where EXAFS of ``edge`` has to end; K has none."""
    energy = tabulated(absorber, edge)
    higher = [candidate for candidate in edges_of(absorber) if candidate.energy > energy]
    return higher[-1] if higher else None


def edges_near(energy: float, absorber: str | None = None, name: str | None = None) -> list[Edge]:
    """Edges within ``MAX_OFFSET`` of an energy [eV]: K and L3 before L2 and L1, the nearest first."""
    candidates = _among(_energetic(absorber), energy - MAX_OFFSET, energy + MAX_OFFSET)
    near = [edge for edge in candidates if abs(edge.energy - energy) <= MAX_OFFSET and name in (None, edge.name)]
    return sorted(near, key=lambda edge: (edge.name not in ("K", "L3"), abs(edge.energy - energy)))


def edges_between(low: float, high: float) -> list[Edge]:
    """Edges of all elements between two energies [eV], the lowest first."""
    return [edge for edge in _among(_energetic(), low, high) if low < edge.energy < high]


def _among(edges: Sequence[Edge], low: float, high: float) -> Sequence[Edge]:
    """Those of edges in the order of their energies that lie from ``low`` to ``high`` [eV]."""
    energy = attrgetter("energy")
    return edges[bisect_left(edges, low, key=energy) : bisect_right(edges, high, key=energy)]


@cache
def _energetic(absorber: str | None = None) -> tuple[Edge, ...]:
    """Edges of an element, or of all that an unnamed edge may be of, in the order of their energies."""
    symbols = list(_table())
    sought = [absorber] if absorber else symbols[symbols.index(_LIGHTEST) :]
    return tuple(sorted((edge for symbol in sought for edge in edges_of(symbol)), key=attrgetter("energy")))
