"""``bcc:2.8665`` → the simple crystal that a standard is, and the shells of neighbours in it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from exafsnn.errors import SettingsError


@dataclass(frozen=True)
class Structure:
    """A simple crystal, as ``--structure`` names it."""

    kind: str
    constants: tuple[float, ...]
    """Lattice constants [Å]."""

    @property
    def volume(self) -> float:
        """Of an atom [Å³]."""
        a, c = self.constants[0], self.constants[-1]
        return a * a * c * (math.sqrt(3) / 2 if self.kind == "hcp" else 1) / len(_BASES[self.kind])

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
        a = self.constants[0]
        c = self.constants[1] if len(self.constants) > 1 else a
        basis = _BASES[self.kind]
        vectors = ((a, 0, 0), (-a / 2, a * math.sqrt(3) / 2, 0), (0, 0, c)) if self.kind == "hcp" else (
            (a, 0, 0), (0, a, 0), (0, 0, a))  # fmt: skip
        span = range(-(int(reach / min(a, c)) + 2), int(reach / min(a, c)) + 3)
        points = (
            tuple(sum((n[i] + site[i]) * vectors[i][x] for i in range(3)) for x in range(3))
            for n in ((i, j, k) for i in span for j in span for k in span)
            for site in basis
        )
        return [r for r in (math.hypot(*point) for point in points) if 0.1 < r <= reach]


_BASES = {
    "bcc": ((0, 0, 0), (0.5, 0.5, 0.5)),
    "fcc": ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
    "hcp": ((0, 0, 0), (1 / 3, 2 / 3, 0.5)),
}


def parse_structure(text: str) -> Structure:
    """``bcc:2.8665``, ``fcc:3.6149``, ``hcp:2.507,4.070`` → Structure.

    Raises
    ------
    SettingsError
        If it is none of those.
    """
    kind, _, numbers = text.partition(":")
    try:
        constants = tuple(float(cell) for cell in numbers.split(","))
    except ValueError:
        constants = ()
    wanted = 2 if kind == "hcp" else 1
    if kind not in _BASES or len(constants) != wanted or not all(1.0 < value < 20.0 for value in constants):
        in_nm = constants and all(0.1 < value < 1.0 for value in constants)
        remedy = f"Use bcc:a, fcc:a or hcp:a,c with a, c in Å{' (was it in nm?)' if in_nm else ''}"
        raise SettingsError(f"structure {text!r} is not understood", where="--structure", remedy=remedy)
    return Structure(kind, constants)
