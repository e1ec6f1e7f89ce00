"""Structures to start the dynamics from: phase and lattice constant go in, ASE atoms come out.

``dynamics.py`` calls it for the states of a training set; tests and examples call it for vacancies and nanoparticles.
"""

from __future__ import annotations

from math import ceil

import numpy as np
from ase import Atoms
from ase.build import bulk
from numpy.typing import NDArray

from exafsnn.errors import SettingsError
from exafsnn.metals import IDEAL_RATIO
from exafsnn.records import CRYSTALS


def crystal(phase: str, a: float, *, c: float | None = None, element: str = "Fe", min_length: float = 15.5) -> Atoms:
    """Periodic supercell of a crystal in an orthogonal box.

    Parameters
    ----------
    phase
        ``"bcc"``, ``"fcc"`` or ``"hcp"``.
    a
        Lattice constant [Å].
    c
        Second lattice constant of hcp [Å]; None: √(8/3) a.
    element
        Chemical symbol of the atoms.
    min_length
        Shortest edge that the box may have [Å].

    Returns
    -------
    Atoms
        The smallest supercell with all edges ≥ ``min_length``; 432 to 500 atoms for iron.
    """
    cell = _unit_cell(phase, a, c, element)
    return cell.repeat([ceil(min_length / edge - 1e-9) for edge in cell.cell.lengths()])


def _unit_cell(phase: str, a: float, c: float | None, element: str) -> Atoms:
    """Smallest orthogonal cell: 2 (bcc) or 4 atoms (fcc, hcp)."""
    if phase not in CRYSTALS:
        raise SettingsError(f"unknown phase {phase!r}", where="crystal", remedy=f"Use one of {', '.join(CRYSTALS)}")
    if a <= 0 or (c is not None and c <= 0):
        raise SettingsError(f"lattice constants must be positive, got a = {a}, c = {c}", where="crystal")
    if phase == "hcp":
        return bulk(element, "hcp", a=a, c=c or IDEAL_RATIO * a, orthorhombic=True)
    return bulk(element, phase, a=a, cubic=True)


def with_vacancies(atoms: Atoms, fraction: float, rng: np.random.Generator) -> Atoms:
    """Copy of ``atoms`` with a fraction of its sites, drawn at random, left empty."""
    if not 0 <= fraction < 1:
        raise SettingsError(f"fraction of vacancies must be in [0, 1), got {fraction}", where="with_vacancies")
    kept = rng.permutation(len(atoms))[round(fraction * len(atoms)) :]
    return atoms[np.sort(kept)]


def nanoparticle(
    phase: str, a: float, size: int, *, c: float | None = None, element: str = "Fe", vacuum: float = 10.0
) -> Atoms:
    """Free particle: the ``size`` sites of a crystal that are nearest to one of its atoms.

    Parameters
    ----------
    phase, a, c, element
        As in `crystal`.
    size
        Number of atoms; where it would break a shell, which of the shell's atoms stay is fixed but arbitrary.
    vacuum
        Empty space around the particle on every side [Å].

    Returns
    -------
    Atoms
        ``size`` atoms, not periodic, in the middle of an orthogonal box.
    """
    if size < 1:
        raise SettingsError(f"size must be at least 1, got {size}", where="nanoparticle")
    unit = _unit_cell(phase, a, c, element)
    reach = 1.3 * (size * unit.get_volume() / len(unit)) ** (1 / 3) + 4 * a
    sites = crystal(phase, a, c=c, element=element, min_length=reach)
    particle = sites[_nearest_first(sites)[:size]]
    particle.set_pbc(False)
    particle.center(vacuum=vacuum)
    return particle


def _nearest_first(sites: Atoms) -> NDArray[np.intp]:
    """Sort the indices of the atoms by distance from the atom nearest to the middle of the box."""
    middle = sites.cell.lengths() / 2
    centre = np.linalg.norm(sites.positions - middle, axis=1).argmin()
    distance = np.linalg.norm(sites.positions - sites.positions[centre], axis=1)
    return np.argsort(distance.round(6), kind="stable")
