"""Compounds as states of a library: a crystal at rest, from anywhere, and how its atoms move, are lacking or misplaced.

``plan`` draws the states of a ``Solid``, ``library`` simulates them; metals have their dynamics instead (``dynamics``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from exafsnn.compounds import Compound
from exafsnn.crystals import PROTOTYPES
from exafsnn.errors import SettingsError
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.cells import UnitCell, require_present
from exafsnn.simulate.force_constants import WEIGHTS, ForceConstantSettings, force_constants_of
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.structure_files import read_cell
from exafsnn.simulate.vibrations import Motion, moving, widest_gap, with_antisites, with_vacant_sites

_BEYOND = 6.5
"""Shells are sought so far [Å]."""
_ONE_SHELL = 1.12
"""Neighbours farther than so many times the nearest of their element are of the next shell."""
_LEAST = 0.75
"""A first shell begins at so many of its distances …"""
_MOST = 1.3
"""… and ends halfway to the next, at so many at most."""


@dataclass(frozen=True)
class Solid(Settings):
    """States of one crystal: how far it is stretched, how its atoms move, are lacking or misplaced."""

    name: str
    phase: str
    """What it is called: ``"ZnSe"``."""
    count: int
    cell: tuple[tuple[float, float, float], ...]
    """(3, 3) its edges, one a row [Å]."""
    elements: tuple[str, ...]
    """(n) of its sites …"""
    sites: tuple[tuple[float, float, float], ...]
    """… and where these are, in fractions of the edges."""
    weights: tuple[str, ...] = WEIGHTS
    """Of the force field, used in turn."""
    strain: tuple[float, float] = (0.985, 1.02)
    """Range of the factor of all lengths."""
    temperature: tuple[float, float] = (80.0, 450.0)
    """Range of T′ [K] (``vibrations.Motion``)."""
    asymmetry: tuple[float, float] = (0.0, 2.0)
    """Range of the anharmonicity of bonds [Å⁻¹]."""
    static: tuple[float, float] = (0.0, 0.0)
    """Range of the σ² of static disorder [Å²]."""
    vacancies: tuple[float, float] = (0.0, 0.0)
    """Range of the share of sites that are empty."""
    exchanged: tuple[float, float] = (0.0, 0.0)
    """Range of the share of the scarcer of two elements that are on a site of the other."""

    @property
    def atoms(self) -> Atoms:
        """The cell."""
        places = np.array(self.sites, dtype=float)
        return Atoms(list(self.elements), scaled_positions=places, cell=np.array(self.cell, dtype=float), pbc=True)


@dataclass(frozen=True)
class SolidState:
    """What is drawn of one state."""

    weights: str
    strain: float
    temperature: float
    asymmetry: float
    static: float
    vacancies: float
    exchanged: float


def drawn(solid: Solid, member: int, rng: np.random.Generator) -> SolidState:
    """One state of a solid."""
    names = ("strain", "temperature", "asymmetry", "static", "vacancies", "exchanged")
    numbers = {name: float(rng.uniform(*getattr(solid, name))) for name in names}
    return SolidState(solid.weights[member % len(solid.weights)], **numbers)


def simulated(solid: Solid, state: SolidState, frames: int, rng: np.random.Generator) -> Trajectory:
    """Frames of one state.

    Raises
    ------
    SimulationError
        If its modes are unstable, or the force field is missing.
    """
    harmonic = force_constants_of(solid.atoms, ForceConstantSettings(weights=state.weights))
    motion = Motion(state.temperature, frames, state.asymmetry, state.static)
    found = moving(harmonic, motion, rng, phase=solid.phase)
    found = replace(found, frames=found.frames * state.strain, cells=found.cells * state.strain)
    elements = sorted(set(found.symbols))
    if state.exchanged:
        one, other = (str(element) for element in rng.permutation(elements)[:2])
        found = with_antisites(found, (one, other), state.exchanged, rng)
    for element in elements if state.vacancies else ():
        found = with_vacant_sites(found, element, state.vacancies, rng)
    return found


def shortest_bond(solid: Solid) -> float:
    """Distance of the nearest two atoms [Å]."""
    return float(neighbor_list("d", solid.atoms, widest_gap(solid.atoms) + 0.1).min())


def cell_of(text: str, folder: Path | None = None) -> tuple[str, Atoms]:
    """Name and unit cell of ``"zincblende:5.6687 ZnSe"``, or of a file that ASE reads.

    Raises
    ------
    SettingsError
        If it is neither, or its sites are shared: alloys have no force constants.
    """
    kind = text.partition(":")[0]
    if kind in PROTOTYPES:
        crystal, _, formula = text.partition(" ")
        if not formula:
            remedy = "Write it after a space: zincblende:5.6687 ZnSe"
            raise SettingsError(f"{text!r} does not say which elements", where="structure", remedy=remedy)
        cell = UnitCell.named(crystal, formula.strip())
    else:
        cell = read_cell((folder or Path()) / text)
    if not cell.is_ordered:
        remedy = "Give an ordered cell; of an alloy, give a trajectory"
        raise SettingsError("its sites are shared by elements or empty at times", where=text, remedy=remedy)
    return cell.atoms.get_chemical_formula("metal", empirical=True), cell.atoms


def states_of(name: str, cell: Atoms, count: int, phase: str, **ranges: tuple[float, float]) -> Solid:
    """States of a unit cell."""
    rows = tuple(tuple(float(x) for x in row) for row in np.array(cell.cell).round(6))
    places = tuple(tuple(float(x) for x in row) for row in cell.get_scaled_positions().round(6))
    return Solid(name, phase, count, rows, tuple(cell.get_chemical_symbols()), places, **ranges)  # type: ignore[arg-type]


def compound_of(name: str, cell: Atoms, absorber: str, edge: str) -> Compound:
    """What is known of an absorber in a crystal.

    Raises
    ------
    SettingsError
        If there is none in it, or it is none that can be.
    """
    require_present(cell, absorber)
    shells = {element: _first_shell(cell, absorber, element) for element in sorted(set(cell.get_chemical_symbols()))}
    order = sorted(shells, key=lambda element: shells[element][0])
    nearest = shells[order[0]][0]
    limits = tuple((round(low, 2), round(high, 2)) for _, low, high in (shells[element] for element in order))
    distances = tuple(round(shells[element][0], 3) for element in order)
    return Compound(name, absorber, edge, tuple(order), limits, round(nearest, 3), distances=distances)


def _first_shell(cell: Atoms, absorber: str, element: str) -> tuple[float, float, float]:
    """Mean distance of the nearest of an element around an absorber, and where that shell begins and ends [Å]."""
    symbols = np.array(cell.get_chemical_symbols())
    first, second, apart = neighbor_list("ijd", cell, _BEYOND)
    r: Array = np.sort(apart[(symbols[first] == absorber) & (symbols[second] == element)])
    if not len(r):
        raise SettingsError(f"no {element} is within {_BEYOND:g} Å of {absorber}", where="structure")
    gaps = np.flatnonzero(r[1:] > _ONE_SHELL * r[:-1])
    own = r[: gaps[0] + 1] if len(gaps) else r
    after = float(r[len(own)]) if len(own) < len(r) else 1.4 * float(own[-1])
    return float(own.mean()), _LEAST * float(own.mean()), min(0.5 * (float(own[-1]) + after), _MOST * float(own[-1]))
