"""Absorption edges: where the tables put them, where a scan shows one, and whose it is.

``readers.py`` names the absorber with it, ``quality.py`` and ``background.py`` look for the edge.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.records import Array

MAX_OFFSET = 25.0
"""Largest distance [eV] between a scan's edge and the table's at which an unnamed edge is recognised."""

SMOOTHING = 0.5
"""Standard deviation [eV] of the Gaussian that smooths μ before its derivative is taken."""

MIN_CONTRAST = 5.0
"""Smallest step of an edge, in units of the noise of single points."""

GRID = 0.25
"""Spacing [eV] on which running medians and derivatives are taken."""

ROMAN = {"I": "1", "II": "2", "III": "3", "IV": "4", "V": "5"}

HEAVIEST = 98


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
def edges_of(absorber: str) -> tuple[Edge, ...]:
    """Tabulated K and L edges of an element, the highest energy first; none for what is no element."""
    import xraydb

    try:
        edges = xraydb.xray_edges(absorber)
    except ValueError:
        return ()
    found = [Edge(absorber, name, float(edge.energy)) for name, edge in edges.items() if name[0] in "KL"]
    return tuple(sorted(found, key=lambda edge: -edge.energy))


def is_element(symbol: str) -> bool:
    """Tell whether this is a chemical symbol with X-ray edges."""
    return bool(re.fullmatch(r"[A-Z][a-z]?", symbol)) and bool(edges_of(symbol))


def edge_name(text: str) -> str | None:
    """``K``, ``L1``, ``L2`` or ``L3`` from ``k``, ``L3``, ``LIII``, ``L-III edge`` …; None if it is none."""
    match = re.fullmatch(r"(K|L)[\s_-]*(I{1,3}|[1-3])?(\s*edge)?", text.strip(), re.IGNORECASE)
    if not match or (match[1].upper() == "K") != (match[2] is None):
        return None
    return match[1].upper() + ROMAN.get((match[2] or "").upper(), match[2] or "")


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
    """Width of an edge's core hole [eV], full width at half maximum: nothing in its absorption is sharper."""
    import xraydb

    return float(xraydb.core_width(absorber, edge))


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
    import xraydb

    return tuple(edge for z in range(3, HEAVIEST + 1) for edge in edges_of(xraydb.atomic_symbol(z)))


def steepest(energy: Array, mu: Array, low: float = -np.inf, high: float = np.inf) -> float:
    """Energy [eV] of the largest dμ/dE between ``low`` and ``high``, blind to spikes of one point.

    Parameters
    ----------
    energy, mu
        (n,) scan, energy increasing.
    low, high
        Range of energies [eV] to look at.
    """
    grid, slope = slope_of(energy, mu)
    slope[(grid < max(low, energy[1])) | (grid > min(high, energy[-2]))] = -np.inf
    return float(grid[np.argmax(slope)])


def slope_of(energy: Array, mu: Array) -> tuple[Array, Array]:
    """Even energies [eV], and dμ/dE there."""
    from scipy.ndimage import gaussian_filter1d, median_filter

    grid = np.arange(energy[0], energy[-1], GRID)
    smooth = gaussian_filter1d(np.interp(grid, energy, median_filter(mu, 3)), SMOOTHING / GRID)
    return grid, np.gradient(smooth, GRID)


def without_spikes(energy: Array, mu: Array, width: float) -> Array:
    """(n,) running median of μ over ``width`` eV: what is narrower than half of that vanishes, an edge stays."""
    from scipy.ndimage import median_filter

    grid = np.arange(energy[0], energy[-1], GRID)
    size = 2 * round(width / GRID / 2) + 1
    steady: Array = np.interp(energy, grid, median_filter(np.interp(grid, energy, mu), size))
    return steady


def has_edge(energy: Array, mu: Array, position: float, least: float = 0.0) -> bool:
    """Tell whether μ steps up at a position [eV], by more than ``least`` and than its noise."""
    return edge_contrast(energy, mu, position, least) > MIN_CONTRAST


def edge_contrast(energy: Array, mu: Array, position: float, least: float = 0.0) -> float:
    """Height of the step of μ at a position [eV], in units of the noise of single points; 0 where no edge rises.

    An edge rises by half its height or more within 25 eV on either side, and by more than ``least``.
    """
    if not energy[0] + 10 < position < energy[-1] - 20:
        return 0.0
    rest = mu - _line_below(energy, mu, position)
    step = float(np.mean(np.interp(position + np.arange(15, 100), energy, rest)))
    if step <= least or edge_rise(energy, rest, position) <= 0.5 * step:
        return 0.0
    return step / max(point_noise(mu[energy < position - 10]), 1e-9 * step)


def edge_rise(energy: Array, mu: Array, position: float) -> float:
    """By how much μ lies higher 8 to 25 eV above a position [eV] than 8 to 25 eV below it."""
    away = np.arange(8, 26)
    return float(np.mean(np.interp(position + away, energy, mu) - np.interp(position - away, energy, mu)))


def _line_below(energy: Array, mu: Array, position: float) -> Array:
    """Pre-edge line (n,); a constant where there is too little to fit a line to."""
    below = (energy < position - 15) & (energy > position - 200)
    if below.sum() < 4 or np.ptp(energy[below]) < 30:
        return np.full_like(mu, mu[energy < position - 5].mean())
    line: Array = np.polynomial.Polynomial.fit(energy[below], mu[below], 1)(energy)
    return line


def point_noise(mu: Array) -> float:
    """Estimate the noise of single points, from second differences; 0 for fewer than 5 points."""
    if len(mu) < 5:
        return 0.0
    return float(np.median(np.abs(np.diff(mu, 2))) / 0.6745 / np.sqrt(6))
