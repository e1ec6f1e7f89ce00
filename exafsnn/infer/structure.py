"""``bcc:2.8665`` → the simple crystal that a standard is, and the shells of neighbours in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exafsnn.crystals import Crystal, crystal_named
from exafsnn.records import CRYSTALS


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

    def shells(self, reach: float) -> list[tuple[float, int]]:
        """(distance [Å], number of neighbours) of the shells around an atom, to ``reach``."""
        found: dict[float, int] = {}
        for distance in self._distances(reach):
            found[round(distance, 4)] = found.get(round(distance, 4), 0) + 1
        return sorted(found.items())

    def _distances(self, reach: float) -> list[float]:
        """Of all atoms from one, as far as ``reach`` [Å]."""
        crystal = Crystal(self.kind, self.constants)
        span = [np.arange(-n, n + 1) for n in np.ceil(reach / crystal.heights).astype(int) + 1]
        cells = np.stack(np.meshgrid(*span, indexing="ij"), axis=-1).reshape(-1, 3)
        points = (cells[:, None] + crystal.sites[None]).reshape(-1, 3) @ crystal.vectors
        r = np.linalg.norm(points, axis=1)
        return [float(value) for value in r[(r > 0.1) & (r <= reach)]]


def parse_structure(text: str) -> Structure:
    """``bcc:2.8665``, ``fcc:3.6149``, ``hcp:2.507,4.070`` → Structure.

    Raises
    ------
    SettingsError
        If it is none of those.
    """
    crystal = crystal_named(text, CRYSTALS, "--structure")
    return Structure(crystal.kind, crystal.constants)
