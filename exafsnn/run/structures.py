"""What ``--structure`` is given, a crystal's name or a file → that name: ``foil.cif`` → ``fcc:3.9242``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.crystals import PROTOTYPES
from exafsnn.errors import SettingsError
from exafsnn.infer.structure import STANDARDS, Structure, parse_structure
from exafsnn.records import CRYSTALS, Array, ChiK

if TYPE_CHECKING:
    from ase import Atoms

_SEEN, _SAME = 2.1, 0.02
"""Crystals are alike if the neighbours of each atom are, as far as so many distances of the nearest, within so much of
it."""


@dataclass(frozen=True)
class Given:
    """The structure of a standard, as it was given."""

    name: str
    """``fcc:3.9242``."""
    file: str = ""
    """Where that is from, if not its user."""
    elements: tuple[str, ...] = ()
    """Those of the file."""

    def of(self, chi: ChiK) -> str:
        """The name, for a standard.

        Raises
        ------
        SettingsError
            If the file has none of its absorbers.
        """
        if self.file and chi.absorber not in self.elements:
            reason = f"{self.file} holds {' and '.join(self.elements)}, the standard {chi.source} is of {chi.absorber}"
            raise SettingsError(reason, where="--structure", remedy="Give the structure of the standard itself")
        return self.name


def structure_given(text: str) -> Given:
    """The crystal that a standard is, by its name or from a structure file.

    Raises
    ------
    SettingsError
        If it is neither a name nor a file, or the file cannot be read or holds another crystal.
    """
    path, kinds = Path(text), f"{', '.join(STANDARDS[:-1])} or {STANDARDS[-1]}"
    if text.partition(":")[0] in PROTOTYPES or not _is_file(path):
        if ":" not in text:
            remedy = f"Give the path of a CIF or POSCAR, or name the crystal, as bcc:2.8665 ({kinds})"
            raise SettingsError(f"{text[:80]!r} is neither a file nor a crystal", where="--structure", remedy=remedy)
        parse_structure(text)
        return Given(text)
    try:
        from exafsnn.simulate.structure_files import read_cell
    except ImportError as error:
        remedy = f'Install it with pip install "exafsnn[simulate]", or name the crystal: {kinds}, lengths in Å'
        raise SettingsError(f"ASE, which reads {text}, is not there", where="--structure", remedy=remedy) from error
    cell = read_cell(path)
    candidates = list(_candidates(cell.atoms)) if cell.is_ordered else []
    apart = [_apart(cell.atoms, structure) for structure in candidates]
    if min(apart, default=math.inf) < _SAME:
        likest = candidates[int(np.argmin(apart))]
        name = f"{likest.kind}:{','.join(f'{length:.5g}' for length in likest.constants)}"
        return Given(name, text, tuple(sorted(set(cell.atoms.symbols))))
    shared = "" if cell.is_ordered else ", some sites of which are shared"
    reason = f"{text} holds {cell.atoms.get_chemical_formula(empirical=True)}{shared}"
    raise SettingsError(
        f"{reason}, and is no perfect crystal that a standard can be ({kinds})", where="--structure",
        remedy="Give its ideal cell, or its name and lengths in Å, as fcc:3.9242",
    )  # fmt: skip


def _is_file(path: Path) -> bool:
    """Whether there is such a file; of a text that can be none, too."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _candidates(atoms: Atoms) -> Iterator[Structure]:
    """The crystals that have as many elements, and their atoms the same volume."""
    volume, elements = atoms.get_volume() / len(atoms), len(set(atoms.symbols))
    nearest = np.sort(_neighbours(atoms, 1.6 * volume ** (1 / 3))[0][:, 0])[:12]
    for kind in STANDARDS:
        if (kind in CRYSTALS) == (elements == 1):
            layers = [float(half.mean()) for half in np.split(nearest, 2)] if len(nearest) == 12 else []
            of_hcp = [(a, volume / Structure("hcp", (a, 1.0)).volume) for a in layers]
            cubic = [((volume / Structure(kind, (1.0,)).volume) ** (1 / 3),)] if kind != "hcp" else []
            yield from (Structure(kind, lengths) for lengths in cubic or of_hcp)


def _apart(atoms: Atoms, structure: Structure) -> float:
    """By how much, in distances of the nearest, atoms' neighbours are elsewhere than in a crystal; ∞: others are."""
    nearest = structure.shells(1.01 * max(structure.constants))[0][0]
    around = structure.neighbours(_SEEN * nearest)
    expected = np.array([[distance, other] for distance, count, other in around for _ in range(count)])
    each = [own[: len(expected)] for own in _neighbours(atoms, (_SEEN + 2 * _SAME) * nearest)]
    if any(len(own) < len(expected) or np.any(own[:, 1] != expected[:, 1]) for own in each):
        return math.inf
    return max(float(abs(own - expected).max()) for own in each) / nearest


def _neighbours(atoms: Atoms, reach: float) -> list[Array]:
    """Of each atom (n, 2): how far its neighbours are, in that order [Å], and whether they are of another element."""
    from ase.neighborlist import neighbor_list

    first, second, distances = neighbor_list("ijd", atoms, reach)
    found = np.stack([distances, atoms.numbers[first] != atoms.numbers[second]], axis=1)
    found = found[np.lexsort([distances, first])]
    return np.split(found, np.cumsum(np.bincount(first, minlength=len(atoms)))[:-1])
