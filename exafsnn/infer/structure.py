"""``bcc:2.8665`` → the simple crystal that a standard is, and the shells of neighbours in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exafsnn.crystals import Crystal, crystal_named
from exafsnn.records import CRYSTALS

STANDARDS = (*CRYSTALS, "zincblende", "rocksalt")
"""Crystals that a standard can be: of one element, or of two of which one's surroundings are those of the other."""


@dataclass(frozen=True)
class Structure:
    """A simple crystal, as ``--structure`` names it."""

    kind: str
    constants: tuple[float, ...]
    """Lattice constants [Å]."""

    @property
    def volume(self) -> float:
        """Of an atom [Å³]."""
        crystal = Crystal(self.kind, self.constants)
        return float(np.linalg.det(crystal.vectors)) / len(crystal.sites)

    @property
    def constant(self) -> float:
        """Lattice constant a [Å]; of hcp that of touching spheres whose nearest neighbours are as far on average."""
        a, c = self.constants[0], self.constants[-1]
        return 0.5 * (a + math.hypot(a / math.sqrt(3), c / 2)) if self.kind == "hcp" else a

    @property
    def is_metal(self) -> bool:
        """Whether it is of one element."""
        return self.kind in CRYSTALS

    def shells(self, reach: float) -> list[tuple[float, int]]:
        """(distance [Å], number of neighbours) of the shells around an atom, to ``reach``."""
        return [(distance, count) for distance, count, _ in self.neighbours(reach)]

    def neighbours(self, reach: float) -> list[tuple[float, int, bool]]:
        """The same, and whether they are of the other element of two."""
        found: dict[tuple[float, bool], int] = {}
        for distance, is_other in zip(*Crystal(self.kind, self.constants).distances(reach), strict=True):
            shell = round(float(distance), 4), bool(is_other)
            found[shell] = found.get(shell, 0) + 1
        return sorted((distance, count, is_other) for (distance, is_other), count in found.items())


def parse_structure(text: str) -> Structure:
    """``bcc:2.8665``, ``fcc:3.6149``, ``hcp:2.507,4.070``, ``zincblende:5.6687``, ``rocksalt:4.177`` → Structure.

    Raises
    ------
    SettingsError
        If it is none of those.
    """
    crystal = crystal_named(text, STANDARDS, "--structure")
    return Structure(crystal.kind, crystal.constants)
