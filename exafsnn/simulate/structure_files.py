"""Structure files → unit cells: CIF with its shared sites, POSCAR and whatever else ASE reads.

ASE takes a shared site for one of the element with the largest share, the last one on a tie, and forgets a second row
of the same site that is written in another cell or with the same element. So the rows of a CIF are put together here:
each is repeated by the symmetry, and rows that end in one place share it.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import get_distances
from ase.io import read
from ase.io.cif import parse_cif
from ase.io.formats import filetype
from numpy.typing import NDArray

from exafsnn.errors import SettingsError
from exafsnn.records import Array
from exafsnn.simulate.cells import VACANT, UnitCell, require_sound

_ONE_PLACE = 0.05
"""Rows of a CIF whose sites are no farther apart share one, and images of a row are one [Å]."""

_DIGITS = 1.1e-3
"""Images of a row that are no farther apart than its three digits tell, in fractions, are one."""

_UNKNOWN = ("?", ".")


def read_cell(path: Path) -> UnitCell:
    """The unit cell that a file holds.

    Raises
    ------
    SettingsError
        If it cannot be read, holds several structures or none, has no cell, or its atoms overlap.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what ASE remarks on settings of groups it then reads right or raises on
            return _from_cif(path) if path.suffix.lower() in (".cif", ".mcif") else _from_any(path)
    except SettingsError as error:
        raise SettingsError(error.reason, where=str(path), remedy=error.remedy) from error
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    except Exception as error:  # readers raise whatever they stumble over
        remedy = "Give a CIF, a POSCAR or another file that ASE reads"
        raise SettingsError(_unreadable(error), where=str(path), remedy=remedy) from error


def read_particle(path: Path) -> Atoms:
    """Free atoms (a particle, a cluster) of a file, whatever cell it gives.

    Raises
    ------
    SettingsError
        If it cannot be read, or its atoms overlap.
    """
    try:
        atoms = _atoms_of(path)
        atoms.set_pbc(False)
        atoms.center(vacuum=10.0)
        require_sound(atoms)
    except SettingsError as error:
        raise SettingsError(error.reason, where=str(path), remedy=error.remedy) from error
    except Exception as error:  # readers raise whatever they stumble over
        raise SettingsError(_unreadable(error), where=str(path)) from error
    return atoms


def _unreadable(error: Exception) -> str:
    """Why there is no structure, as far as a reader says."""
    return f"is no structure that can be read: {error}".removesuffix(": ")


def _from_any(path: Path) -> UnitCell:
    """Read a format that knows no shared sites."""
    atoms = _atoms_of(path)
    if atoms.cell.rank < 3:
        raise SettingsError("it has no cell", remedy="Give one, or use it as a free particle")
    bare = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    return UnitCell.ordered(bare)


def _atoms_of(path: Path) -> Atoms:
    """The one structure of a file in whichever format, as ASE reads it."""
    if (kind := filetype(str(path))).startswith("lammps"):
        remedy = "Write it as CIF, POSCAR or extended XYZ, with symbols"
        raise SettingsError(f"its format ({kind}) numbers its atoms' types instead of naming elements", remedy=remedy)
    return _only(read(path, index=":"))


def _only(found: Any) -> Any:
    """The one thing that a file should hold."""
    if len(found) != 1:
        raise SettingsError(f"it holds {len(found)} structures", remedy="Keep one, in a file of its own")
    return found[0]


def _from_cif(path: Path) -> UnitCell:
    """Put the rows of a CIF together."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        block = _only([block for block in parse_cif(stream) if block.has_structure()])
    rows = block.get_unsymmetrized_structure()
    if rows.cell.rank < 3:
        raise SettingsError("it has no cell", remedy="Give lengths and angles in the CIF")
    written = block.get("_atom_site_occupancy") or [1.0] * len(rows)
    parts = [1.0 if value in _UNKNOWN else float(value) for value in written]
    group = block.get_spacegroup(subtrans_included=True)
    tolerance = max(_ONE_PLACE / rows.cell.lengths().max(), _DIGITS)
    points: list[Array] = []  # each site, in fractions
    shares: list[dict[str, float]] = []
    for number, (symbol, place, part) in enumerate(zip(rows.symbols, rows.get_scaled_positions(), parts, strict=True)):
        images, _ = group.equivalent_sites([place], symprec=tolerance)
        known = _known(np.array(images), points, rows)
        if np.all(known < 0):
            points += list(images)
            shares += [{symbol: part} for _ in images]
        elif np.any(known < 0):
            raise SettingsError(f"row {number + 1} ({symbol}) shares only some of its sites with another row")
        else:
            for site in known:
                shares[site][symbol] = shares[site].get(symbol, 0.0) + part
    atoms = Atoms([max(share, key=lambda one: share[one]) for share in shares], cell=rows.cell, pbc=True)
    atoms.set_scaled_positions(np.array(points))
    for share in shares:
        if sum(share.values()) < 1 - 1e-3:
            share[VACANT] = 1 - sum(share.values())
    return UnitCell(atoms, tuple(shares))


def _known(images: Array, points: list[Array], rows: Atoms) -> NDArray[np.intp]:
    """(images,) the site so far that each image falls on; −1: none."""
    if not points:
        return np.full(len(images), -1)
    _, apart = get_distances(images @ rows.cell, np.array(points) @ rows.cell, cell=rows.cell, pbc=True)
    nearest = apart.argmin(axis=1)
    return np.where(apart.min(axis=1) < _ONE_PLACE, nearest, -1)
