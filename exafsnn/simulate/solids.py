"""Compounds as states of a library: a crystal at rest, from anywhere, and how its atoms move, are lacking or misplaced.

``plan`` draws the states of a ``Solid``, ``library`` simulates them; metals have their dynamics instead (``dynamics``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from exafsnn.compounds import FARTHEST, Compound, Material
from exafsnn.crystals import PROTOTYPES
from exafsnn.errors import SettingsError
from exafsnn.physics.feff import FeffTreatment
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.cells import UnitCell, require_present, supercell
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.force_constants import (
    WEIGHTS,
    ForceConstantSettings,
    force_constants_of,
    parts_of,
    require_force_field,
    solid_of_parts,
)
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.springs import Springs, solid_of, springs_for
from exafsnn.simulate.states import one_of
from exafsnn.simulate.structure_files import read_cell
from exafsnn.simulate.vibrations import (
    HarmonicSolid,
    Motion,
    modes_of,
    moving,
    trajectory_from,
    with_antisites,
    with_vacant_sites,
)

SPRINGS = "springs"
"""Stands for weights where no force field is asked."""
_SIGMA2, _NEXT_SHARE = 0.006, 0.15
"""σ² of their bonds at 300 K [Å²], and the share of the weaker springs: of those that force fields have, 0.02 to 0.32,
about the middle. T′ is drawn from a tenth to three times of 300 K, so that samples of other σ² are among the states."""
_BEYOND = 12.0
"""Shells are sought so far [Å]."""
_ONE_SHELL = 1.12
"""Neighbours farther than so many times the nearest of their element are of the next shell."""
_LEAST = 0.75
"""A first shell begins at so many of its distances …"""
_MOST = 1.3
"""… and ends halfway to the next, at so many at most."""
_SEEN = 0.95
"""A shell farther than so many times the end of what models see is broadened beyond it."""


@dataclass(frozen=True)
class Crystal:
    """A unit cell, of plain numbers: crystals can be compared."""

    phase: str
    """What it is called: ``"ZnSe"``."""
    cell: tuple[tuple[float, float, float], ...]
    """(3, 3) its edges, one a row [Å]."""
    elements: tuple[str, ...]
    """(n) of its sites …"""
    sites: tuple[tuple[float, float, float], ...]
    """… and where these are, in fractions of the edges."""

    @property
    def atoms(self) -> Atoms:
        """The cell."""
        places = np.array(self.sites, dtype=float)
        return Atoms(list(self.elements), scaled_positions=places, cell=np.array(self.cell, dtype=float), pbc=True)


@dataclass(frozen=True)
class ForceConstants:
    """What holds a crystal together: a ``Need``. Those of a force field are kept in the user's cache, too."""

    crystal: Crystal
    weights: str
    """Of the force field, or ``"springs"``."""
    here = False

    @property
    def name(self) -> str:
        """As of ``Need``."""
        return f"force constants {self.crystal.phase} {self.weights}"

    def require(self) -> None:
        """As of ``Need``."""
        if self.weights != SPRINGS:
            require_force_field()

    def made(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """As of ``Need``.

        Raises
        ------
        SimulationError
            If the atoms do not come to rest, or modes are unstable.
        """
        found = self._springs() if self.weights == SPRINGS else self._forces()
        modes_of(found, where=f"{self.crystal.phase}, {self.weights}")
        return parts_of(found)

    def restored(self, label: Mapping[str, Any], arrays: Mapping[str, Array]) -> HarmonicSolid:
        """As of ``Need``."""
        return solid_of_parts(label, arrays)

    def _forces(self) -> HarmonicSolid:
        return force_constants_of(self.crystal.atoms, ForceConstantSettings(weights=self.weights))

    def _springs(self) -> HarmonicSolid:
        atoms = self.crystal.atoms
        springs = springs_for(atoms, _SIGMA2, springs=Springs(1.0, next_share=_NEXT_SHARE))
        return solid_of(supercell(atoms, ForceConstantSettings.min_length), springs)


@dataclass(frozen=True)
class Solid(Settings):
    """States of one crystal: how far it is stretched, how its atoms move, are lacking or misplaced."""

    name: str
    phase: str
    """What it is called: ``"ZnSe"``; of one name there is one crystal."""
    count: int
    cell: tuple[tuple[float, float, float], ...]
    """(3, 3) its edges, one a row [Å]."""
    elements: tuple[str, ...]
    """(n) of its sites …"""
    sites: tuple[tuple[float, float, float], ...]
    """… and where these are, in fractions of the edges."""
    weights: tuple[str, ...] = WEIGHTS
    """Of the force field, used in turn; ``"springs"``: springs instead (``simulate.springs``)."""
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
    def crystal(self) -> Crystal:
        """The crystal at rest."""
        return Crystal(self.phase, self.cell, self.elements, self.sites)

    def draw(
        self, member: int, seed: int, treatments: Sequence[FeffTreatment], rng: np.random.Generator
    ) -> tuple[SolidState, FeffTreatment]:
        """As of ``States``."""
        names = ("strain", "temperature", "asymmetry", "static", "vacancies", "exchanged")
        numbers = {name: float(rng.uniform(*getattr(self, name))) for name in names}
        weights = self.weights[member % len(self.weights)]
        return SolidState(self.crystal, seed, weights, **numbers), one_of(treatments, rng)

    def theory(self, _material: Material) -> str:
        """As of ``States``."""
        return self.phase

    def at_rest(self, _material: Material) -> Trajectory:
        """As of ``States``: one cell."""
        return trajectory_from(self.crystal.atoms, self.crystal.atoms.positions[None], self.phase, {})


@dataclass(frozen=True)
class SolidState:
    """One state of a crystal."""

    crystal: Crystal
    seed: int
    weights: str
    strain: float
    temperature: float
    asymmetry: float
    static: float
    vacancies: float
    exchanged: float

    @property
    def need(self) -> ForceConstants:
        """Its force constants."""
        return ForceConstants(self.crystal, self.weights)

    def simulated(self, _material: Material, dynamics: DynamicsSettings, needed: HarmonicSolid) -> Trajectory:
        """As of ``State``."""
        rng = np.random.default_rng([self.seed, 2])
        motion = Motion(self.temperature, dynamics.frames, self.asymmetry, self.static)
        found = moving(needed, motion, rng, phase=self.crystal.phase)
        found = replace(found, frames=found.frames * self.strain, cells=found.cells * self.strain)
        elements = sorted(set(found.symbols))
        if self.exchanged:
            one, other = (str(element) for element in rng.permutation(elements)[:2])
            found = with_antisites(found, (one, other), self.exchanged, rng)
        for element in elements if self.vacancies else ():
            found = with_vacant_sites(found, element, self.vacancies, rng)
        return found

    def label(self, _material: Material) -> dict[str, Any]:
        """As of ``State``."""
        told = {name: value for name, value in vars(self).items() if name != "crystal"}
        edge = float(np.linalg.norm(self.crystal.cell[0])) * self.strain
        return told | {"phase": self.crystal.phase, "a": edge}


def cell_of(text: str, folder: Path | None = None) -> tuple[str, Atoms]:
    """Name and unit cell of ``"zincblende:5.6687 ZnSe"``, or of a file that ASE reads.

    Raises
    ------
    SettingsError
        If it is neither, or its sites are shared: alloys have no force constants.
    """
    path = (folder or Path()) / text
    if ":" in text and not path.exists():
        crystal, _, formula = text.partition(" ")
        if not formula and crystal.partition(":")[0] in PROTOTYPES:
            remedy = "Write it after a space: zincblende:5.6687 ZnSe"
            raise SettingsError(f"{text!r} does not say which elements", where="structure", remedy=remedy)
        cell = UnitCell.named(crystal, formula.strip())
    else:
        cell = read_cell(path)
    if not cell.is_ordered:
        remedy = "Give an ordered cell; of an alloy, give a trajectory"
        raise SettingsError("its sites are shared by elements or empty at times", where=text, remedy=remedy)
    return cell.atoms.get_chemical_formula("metal", empirical=True), cell.atoms


def cells_of(texts: Sequence[str], folder: Path | None = None) -> dict[str, Atoms]:
    """Unit cells of several crystals by name, which tells those of one formula apart.

    Raises
    ------
    SettingsError
        As ``cell_of``, or if one is given twice.
    """
    found = [cell_of(text, folder) for text in texts]
    formulas = [formula for formula, _ in found]
    kinds = [Path(text.partition(":")[0]).stem for text in texts]
    names = [f"{one} {kind}" if formulas.count(one) > 1 else one for one, kind in zip(formulas, kinds, strict=True)]
    if twice := [name for name in names if names.count(name) > 1]:
        raise SettingsError(f"{twice[0]} is given twice", where="structure", remedy="Give each crystal once")
    return dict(zip(names, (cell for _, cell in found), strict=True))


def states_of(
    name: str, cell: Atoms, count: int, phase: str, weights: tuple[str, ...] = WEIGHTS, **ranges: tuple[float, float]
) -> Solid:
    """States of a unit cell."""
    rows = tuple(tuple(float(x) for x in row) for row in np.array(cell.cell).round(6))
    places = tuple(tuple(float(x) for x in row) for row in cell.get_scaled_positions().round(6))
    return Solid(name, phase, count, rows, tuple(cell.get_chemical_symbols()), places, weights, **ranges)  # type: ignore[arg-type]


def compound_of(name: str, cells: Sequence[Atoms], absorber: str, edge: str) -> Compound:
    """What is known of an absorber in one crystal or several.

    A pair whose first shell is about ``compounds.FARTHEST`` or farther, where models see nothing, has no range.

    Raises
    ------
    SettingsError
        If there is none in one of them, or it is none that can be.
    """
    for cell in cells:
        require_present(cell, absorber)
    elements = sorted({symbol for cell in cells for symbol in cell.get_chemical_symbols()})
    shells = {element: _first_shell(cells, absorber, element) for element in elements}
    order = sorted(shells, key=lambda element: shells[element][0])
    limits = tuple(_within(*shells[element]) for element in order)
    distances = tuple(round(shells[element][0], 3) for element in order)
    return Compound(name, absorber, edge, tuple(order), limits, distances[0], distances=distances)


def _within(r: float, low: float, high: float) -> tuple[float, ...]:
    """Limits [Å] of the range of a shell at ``r``; none of one that models cannot see."""
    return () if r > _SEEN * FARTHEST else (round(low, 2), min(round(high, 2), FARTHEST))


def _first_shell(cells: Sequence[Atoms], absorber: str, element: str) -> tuple[float, float, float]:
    """Distance of the nearest of an element around an absorber, on average; where that shell begins and ends [Å].

    Of several crystals that of the nearest shell, from where the first begins to where the last ends of those that are
    about as far.
    """
    found = [shell for cell in cells for shell in _shells_in(cell, absorber, element)]
    if not found:
        raise SettingsError(f"no {element} is within {_BEYOND:g} Å of {absorber}", where="structure")
    nearest = min(r for r, _, _ in found)
    alike = [(low, high) for r, low, high in found if r <= _ONE_SHELL * nearest]
    return nearest, min(low for low, _ in alike), max(high for _, high in alike)


def _shells_in(cell: Atoms, absorber: str, element: str) -> list[tuple[float, float, float]]:
    """The first shell in one crystal, if it has one."""
    symbols = np.array(cell.get_chemical_symbols())
    first, second, apart = neighbor_list("ijd", cell, _BEYOND)
    r: Array = np.sort(apart[(symbols[first] == absorber) & (symbols[second] == element)])
    if not len(r):
        return []
    gaps = np.flatnonzero(r[1:] > _ONE_SHELL * r[:-1])
    own = r[: gaps[0] + 1] if len(gaps) else r
    after = float(r[len(own)]) if len(own) < len(r) else 1.4 * float(own[-1])
    end = min(0.5 * (float(own[-1]) + after), _MOST * float(own[-1]))
    return [(float(own.mean()), _LEAST * float(own.mean()), end)]
