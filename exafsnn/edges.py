"""Absorption edges: where the tables put them, and whose they are.

``edges.json`` holds the energies of Elam, Ravel & Sieber, Radiat. Phys. Chem. 63, 121 (2002), and the widths of core
holes of Keski-Rahkonen & Krause, At. Data Nucl. Data Tables 14, 139 (1974), and Krause & Oliver, J. Phys. Chem. Ref.
Data 8, 329 (1979), as xraydb has them; importing that takes longer than reading a hundred scans.
``python tests/test_edges.py`` makes it anew.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from exafsnn.errors import ScanError

MAX_OFFSET = 25.0
"""Largest distance [eV] between a scan's edge and the table's at which an unnamed edge is recognised."""

_NO_EDGE = ("H", "He")
"""Elements that scatter, and have no edge in the tables."""
_ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}


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
def _table() -> dict[str, dict[str, tuple[float, float | None]]]:
    """By element and edge: energy, and width of the core hole where it is known [eV]; the highest energy first."""
    return dict(json.loads((Path(__file__).parent / "edges.json").read_text(encoding="utf-8"))["edges"])


@cache
def edges_of(absorber: str) -> tuple[Edge, ...]:
    """Tabulated K and L edges of an element, the highest energy first; none for what is no element."""
    return tuple(Edge(absorber, name, energy) for name, (energy, _) in _table().get(absorber, {}).items())


def is_element(symbol: str) -> bool:
    """Tell whether this is a chemical symbol with X-ray edges."""
    return bool(re.fullmatch(r"[A-Z][a-z]?", symbol)) and bool(edges_of(symbol))


def is_atom(symbol: str) -> bool:
    """Tell whether atoms of this symbol scatter: those of elements with edges, hydrogen and helium."""
    return symbol in _NO_EDGE or is_element(symbol)


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
    for candidate in edges_of(absorber):
        if candidate.name == edge:
            return candidate.energy
    raise ScanError(f"no {edge} edge of {absorber} is known", remedy="Give a chemical symbol and K, L1, L2 or L3")


def core_hole_width(absorber: str, edge: str) -> float:
    """Width of an edge's core hole [eV], full width at half maximum: nothing in its absorption is sharper.

    Raises
    ------
    ScanError
        If it is not in the table.
    """
    energy_and_width = _table().get(absorber, {}).get(edge)
    if energy_and_width is None or energy_and_width[1] is None:
        raise ScanError(f"the core hole of the {edge} edge of {absorber} is not known", remedy="Measure another edge")
    return energy_and_width[1]


def next_edge(absorber: str, edge: str) -> Edge | None:
    """Find the absorber's next higher edge, where EXAFS of ``edge`` has to end; K has none."""
    energy = tabulated(absorber, edge)
    higher = [candidate for candidate in edges_of(absorber) if candidate.energy > energy]
    return higher[-1] if higher else None


def edges_near(energy: float, absorber: str | None = None, name: str | None = None) -> list[Edge]:
    """Edges within ``MAX_OFFSET`` of an energy [eV]: K and L3 before L2 and L1, the nearest first."""
    candidates = edges_of(absorber) if absorber else _all_edges()
    near = [edge for edge in candidates if abs(edge.energy - energy) <= MAX_OFFSET and name in (None, edge.name)]
    return sorted(near, key=lambda edge: (edge.name not in ("K", "L3"), abs(edge.energy - energy)))


def edges_between(low: float, high: float) -> list[Edge]:
    """Edges of all elements between two energies [eV]."""
    return [edge for edge in _all_edges() if low < edge.energy < high]


@cache
def _all_edges() -> tuple[Edge, ...]:
    return tuple(edge for symbol in _table() for edge in edges_of(symbol))
