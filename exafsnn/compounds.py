"""What is known of a compound before any of it is measured: the edge, whose neighbours there are, and where.

It stands beside ``metals.Metal`` where a model is made: both tell an absorber, its neighbours and the ranges of its
first shells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from exafsnn.edges import edges_of, is_atom
from exafsnn.errors import SettingsError
from exafsnn.metals import IRON_BOND, Metal
from exafsnn.settings import Settings

FARTHEST = 6.4
"""Models see no farther [Å]."""
_NO_METALS = frozenset(["H", "B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Br", "Sb", "Te", "I"])
"""Elements that make compounds of metals, not alloys."""

_BONDS = (1.3, 4.0)
"""Distances of nearest neighbours [Å]."""


@dataclass(frozen=True)
class Compound(Settings):
    """One absorber in a compound.

    Raises
    ------
    SettingsError
        If it is none.
    """

    name: str
    """Of its model."""
    symbol: str
    edge: str
    neighbours: tuple[str, ...]
    """Elements around the absorber, the nearest first."""
    shells: tuple[tuple[float, ...], ...]
    """For each of them, where the range ``first`` begins and ends [Å]; ``()``: farther than models see."""
    nearest: float
    """Distance of the nearest neighbours [Å]."""
    sigma2: float = 0.006
    """Their σ² at 300 K [Å²], more or less: it weighs what FEFF treatments differ by along k."""
    distances: tuple[float, ...] = ()
    """Mean distance of the first shell of each of them [Å], where it is known."""

    def __post_init__(self) -> None:
        """Refuse what is none."""
        fault = ""
        if not all(is_atom(symbol) for symbol in (self.symbol, *self.neighbours)):
            fault = f"{', '.join((self.symbol, *self.neighbours))} are not all elements"
        elif not any(edge.name == self.edge for edge in edges_of(self.symbol)):
            fault = f"{self.symbol} has no {self.edge} edge"
        elif not self.neighbours or not len(set(self.neighbours)) == len(self.neighbours) == len(self.shells):
            fault = "its neighbours are not each an element with a range"
        elif not self.shells[0] or any(len(limits) not in (0, 2) for limits in self.shells):
            fault = "its first neighbours have no range, or one is not two distances"
        elif not _BONDS[0] < self.nearest < _BONDS[1]:
            fault = f"its nearest neighbours are {self.nearest:g} Å apart, which no bond is"
        if fault:
            raise SettingsError(fault, where="compound", remedy="Look at its structure, and at the absorber")

    def shell(self, element: str) -> tuple[float, float, float]:
        """Mean distance of the first shell of an element, and the limits of its range [Å].

        Raises
        ------
        SettingsError
            If the distances are not known: libraries of former versions do not tell them.
        """
        if len(self.distances) != len(self.neighbours):
            reason = f"the distances of the shells around {self.symbol} are not known"
            raise SettingsError(reason, where=self.name, remedy="Simulate its library again")
        number = self.neighbours.index(element)
        low, high = self.shells[number]
        return self.distances[number], low, high

    @property
    def model(self) -> str:
        """Name of its model."""
        return self.name

    @property
    def ranges(self) -> tuple[tuple[str, float, float], ...]:
        """Names and limits [Å] of the first shell of each pair that models see; that of the first is ``first``."""
        names = ["first", *(f"first {self.symbol}-{neighbour}" for neighbour in self.neighbours[1:])]
        limits = zip(names, self.shells, strict=True)
        return tuple((name, shell[0], shell[1]) for name, shell in limits if shell)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Neighbours that have no range."""
        return tuple(one for one, limits in zip(self.neighbours, self.shells, strict=True) if not limits)

    @property
    def is_metallic(self) -> bool:
        """Whether there are metals alone in it."""
        return not _NO_METALS & {self.symbol, *self.neighbours}

    @property
    def length_scale(self) -> float:
        """Lengths of its simulation over those of iron: the spheres are as large."""
        return 1.0

    @property
    def bond_scale(self) -> float:
        """Length of its bonds over those of iron."""
        return self.nearest / IRON_BOND


Material = Metal | Compound
"""What a model is of."""


def composition_of(elements: Sequence[str]) -> dict[str, float]:
    """Share of each element among atoms, in the order of their first."""
    return {element: count / len(elements) for element, count in Counter(elements).items()}
