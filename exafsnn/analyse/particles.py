"""A mean coordination below the bulk's → the size of the particles: atoms at a surface have fewer neighbours.

In every shape the number of atoms, and that of the neighbours which they have together, are polynomials of third degree
in the size. Their ratio is N, which rises with the size to the bulk's. N counts atoms only as well as the amplitude is
known, so there is no size without a standard (without one the error bar of N is 8 % or more), and none above the size
at which ``SAME`` is all that N lacks. What a standard cannot tell: whether the particles are of one size, and bare.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import Polynomial

from exafsnn.errors import Finding
from exafsnn.infer.structure import Structure, parse_structure
from exafsnn.partials import of_metal
from exafsnn.records import Array, Prediction, Shell
from exafsnn.shells import IN_SPHERE

if TYPE_CHECKING:
    from exafsnn.infer.predict import Model

SAME = 0.02
"""An N that lacks no more of the bulk's is the bulk's: so well a standard fixes the amplitude."""
_STEPS = 10_000
"""Sizes that are looked at: between them 1/size is found to 10⁻⁶ of itself."""
_CLOSE_PACKED = ("fcc", "hcp")
"""Small particles of either look like the other, and have as many neighbours."""
_OXIDISED = 0.1
"""Share of the absorbers in an oxide from which N is none of a particle: those lack their metal's neighbours."""
_MAY_BE_OPEN = np.array([True, False, True])
"""Of N and the ends of its interval: the lower end of a size is always known."""
_NANOMETRE = 0.1
"""[nm] of an Å."""
_HOLDS = (
    "For particles of one size, whose atoms have neighbours of their own kind only, and no vacancies; of a mixture N is"
    " the mean over atoms, so large particles count most"
)


@dataclass(frozen=True)
class Shape:
    """Particles of one shape in all sizes."""

    name: str
    atoms: Polynomial
    """Number of atoms at a size …"""
    neighbours: Polynomial
    """… and of the neighbours that they have together."""
    least: float
    """The smallest size."""

    @property
    def bulk(self) -> float:
        """N without a surface."""
        return float(self.neighbours.coef[-1] / self.atoms.coef[-1])

    def coordination(self, size: Array | float) -> Array:
        """(...) mean N of the atoms at sizes (...)."""
        return np.asarray(self.neighbours(size) / self.atoms(size))

    def sizes(self, coordination: Array | float) -> Array:
        """(...) sizes at which the mean is N (...), below the bulk's: the smallest where N is less than its own."""
        inverse, falling = self._curve
        return np.asarray(1 / np.interp(-np.asarray(coordination), -falling, inverse))

    @cached_property
    def _curve(self) -> tuple[Array, Array]:
        """1/size, rising, and N there: nearly a straight line."""
        inverse = np.linspace(0, 1 / self.least, _STEPS + 1)[1:]
        return inverse, self.coordination(1 / inverse)


CUBOCTAHEDRON = Shape("cuboctahedron", Polynomial([3, 11, 15, 10]) / 3, Polynomial([0, 8, 24, 40]), 1)
ICOSAHEDRON = Shape("icosahedron", Polynomial([3, 11, 15, 10]) / 3, Polynomial([0, 14, 30, 40]), 1)
"""By the number of shells m around the atom in the middle: Benfield, J. Chem. Soc. Faraday Trans. 88, 1107 (1992)."""
TRUNCATED_OCTAHEDRON = Shape("truncated octahedron", Polynomial([1, 6, 15, 16]), Polynomial([0, 12, 84, 192]), 1)
"""By the bonds m of an edge, all of one length: 24 corners have 6 neighbours, 36(m − 1) atoms on edges 7, 6(m − 1)² in
squares 8, 8(3m² − 3m + 1) in hexagons 9, all others 12."""


def sphere(shells: Sequence[tuple[float, int]], volume: float) -> Shape:
    """All atoms of a crystal whose centres are in a ball, averaged over where the ball lies.

    By ``shells.IN_SPHERE``, in which R is that of the ball of centres: its volume is that of all its atoms.

    Parameters
    ----------
    shells
        (distance [Å], number) of the neighbours in the bulk.
    volume
        Of an atom [Å³].

    Returns
    -------
    Shape
        Its size is R [Å], no less than the farthest distance.
    """
    per_volume = 4 * math.pi / (3 * volume)
    shares = [
        count * Polynomial([share * distance**power for power, share in reversed(list(enumerate(IN_SPHERE)))])
        for distance, count in shells
    ]
    neighbours = per_volume * sum(shares, Polynomial([0]))
    return Shape("sphere", Polynomial([0, 0, 0, per_volume]), neighbours, max(distance for distance, _ in shells))


def shapes_of(structure: Structure, reach: tuple[float, float]) -> tuple[Shape, ...]:
    """The shapes that particles of a crystal may have.

    Parameters
    ----------
    structure
        Of hcp and bcc, which have no such polyhedra, the sphere alone.
    reach
        The range of r [Å] in which neighbours are counted: in bcc metals it holds two shells.
    """
    shells = [shell for shell in structure.shells(reach[1]) if shell[0] >= reach[0]]
    ball = sphere(shells, structure.volume)
    polyhedra = structure.kind == "fcc" and len(shells) == 1
    return (CUBOCTAHEDRON, ICOSAHEDRON, TRUNCATED_OCTAHEDRON, ball) if polyhedra else (ball,)


@dataclass(frozen=True)
class Size:
    """How large particles of one shape are, with both ends of the 95 % interval; infinite where N may be the bulk's."""

    shape: str
    atoms: float
    """Between the whole particles of a shape that is in between, too."""
    atoms_low: float
    atoms_high: float
    diameter: float
    """Of the ball that has the volume of all its atoms [nm]."""
    diameter_low: float
    diameter_high: float


def sizes_of(shapes: Sequence[Shape], volume: float, coordination: float, low: float, high: float) -> tuple[Size, ...]:
    """The sizes at which particles have N neighbours.

    Parameters
    ----------
    shapes
        Those that they may have. One that has more neighbours than N in its smallest particle is left out.
    volume
        Of an atom [Å³]. That of the standard will do: a strain of 1 % is 1 % of the diameter.
    coordination, low, high
        N, and the ends of its interval.
    """
    found = []
    for shape in shapes:
        if coordination >= shape.coordination(shape.least):
            near, limit = np.array([coordination, low, high]), (1 - SAME) * shape.bulk
            atoms = shape.atoms(shape.sizes(np.minimum(near, limit)))
            atoms[(near >= limit) & _MAY_BE_OPEN] = np.inf
            diameter = _NANOMETRE * np.cbrt(6 * volume * atoms / math.pi)
            found.append(Size(shape.name, *atoms.tolist(), *diameter.tolist()))
    return tuple(found)


@dataclass(frozen=True)
class Particles:
    """What the answer to one scan says of the particles in the sample."""

    shell: Shell
    """The neighbours that were counted."""
    sizes: tuple[Size, ...]
    """One for each shape, one at least."""
    stretch: float
    """Distance over the standard's by the same method: what motion and theory do to both cancels …"""
    stretch_std: float
    """… which its standard deviation does not count on."""

    @property
    def strain(self) -> float:
        """How much longer bonds are than the standard's, of whose length."""
        return self.stretch - 1

    @property
    def finding(self) -> Finding:
        """The sizes of all shapes and of the interval of N, in a sentence."""
        low, high = min(size.diameter_low for size in self.sizes), max(size.diameter_high for size in self.sizes)
        exact = [f"{size.diameter:.1f}" for size in sorted(self.sizes, key=lambda size: size.diameter)]
        between = " to ".join(dict.fromkeys([exact[0], exact[-1]]))
        shapes, shell = ", ".join(size.shape for size in self.sizes), self.shell
        counted = f"N {shell.coordination:.1f} ({shell.coordination_low:.1f} to {shell.coordination_high:.1f})"
        if math.isinf(high):
            said = f"{counted}: bulk, or particles of more than {low:.1f} nm ({shapes})"
            return Finding("particles-or-bulk", "note", said, remedy=_HOLDS)
        said = f"{counted}: particles of {low:.1f} to {high:.1f} nm ({shapes})"
        return Finding("particles", "note", f"{said}, of {between} nm if N is exact", remedy=_HOLDS)


class ParticleFinder:
    """Finds the size of particles by the answers of one model with a standard.

    Parameters
    ----------
    model
        Whose answers they are.
    structure
        Of the standard, e.g. ``"fcc:3.9242"``.
    standard
        What the same method answers to the standard.
    """

    def __init__(self, model: Model, structure: str, standard: Prediction) -> None:
        self._structure = parse_structure(structure)
        self._range = of_metal(model.ranges)
        self._shapes = shapes_of(self._structure, model.ranges[self._range])
        self._model, self._standard = model, standard.shells[self._range]
        kind = self._structure.kind
        self._phases = _CLOSE_PACKED if kind in _CLOSE_PACKED else (kind,)

    def find(self, predictions: Sequence[Prediction]) -> list[Particles | None]:
        """The particles of each sample; None where N tells no size: it is of another phase, oxidised or unknown."""
        if not predictions:
            return []
        density = np.array([prediction.rdf.density.ravel() for prediction in predictions])
        seen, oxidised = self._model.seen_as(density), self._model.oxidised(density)
        return [
            self._of(prediction.shells[self._range])
            if prediction.in_domain and phase in self._phases and share < _OXIDISED
            else None
            for prediction, phase, share in zip(predictions, seen, oxidised, strict=True)
        ]

    def _of(self, shell: Shell) -> Particles | None:
        near = shell.coordination, shell.coordination_low, shell.coordination_high
        sizes = sizes_of(self._shapes, self._structure.volume, *near)
        distance = self._standard.distance
        std = math.hypot(shell.distance_std, self._standard.distance_std) / distance
        return Particles(shell, sizes, shell.distance / distance, std) if sizes else None
