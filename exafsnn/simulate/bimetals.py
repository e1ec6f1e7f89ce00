"""Alloys and particles of two metals as states of a library: any composition, order, size and temperature.

A lattice by Vegard's rule is filled at random, with short-range order, as core and shell, or side by side; or it is an
ordered crystal. Springs hold it (``springs``): those between atoms of one element as stiff as in its pure metal, those
between unlike ones by the geometric mean. Bonds would like to have the length that they have in the pure metals, and
the lattice lets them have some of that: between Vegard, all alike, and Pauling, each its own, as EXAFS finds (Frenkel
et al., Phys. Rev. B 62, 9364 (2000), of Au–Cu). How much they differ is drawn. Potentials are those of the ordered A₃B.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list

from exafsnn.compounds import Compound, Material
from exafsnn.edges import is_element
from exafsnn.errors import SettingsError
from exafsnn.metals import METALS, Metal
from exafsnn.physics.feff import FeffTreatment
from exafsnn.settings import Settings
from exafsnn.simulate.alloys import segregated, vegard, warren_cowley, with_order
from exafsnn.simulate.cells import UnitCell, filled, supercell
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.particles import SHAPES, of_size
from exafsnn.simulate.springs import Springs, solid_of, springs_for
from exafsnn.simulate.states import one_of
from exafsnn.simulate.vibrations import (
    BOND,
    Motion,
    moving,
    trajectory_from,
    widest_gap,
    with_antisites,
    with_vacant_sites,
)

Range = tuple[float, float]

_OVER_A = 1 / math.sqrt(2)
"""Nearest neighbours of fcc are so far apart, over its lattice constant."""

_DISSOLVED: Mapping[str, tuple[float, float]] = {"Sn": (4.23, 0.0085)}
"""Lattice constant that an element without an own close-packed metal would have as fcc [Å], and σ² at 300 K [Å²]. Tin:
by Vegard's rule from Pt₃Sn, a = 4.0005 Å (Charlton, Cordey-Hayes & Harris, J. Less-Common Met. 20, 105 (1970)); its σ²
is a guess, that gives Pt–Sn less than Pt–Pt."""

_MOST_DISSOLVED = 0.5
"""Such an element is at most so much of an alloy that is not ordered."""

_ORDERED: Mapping[frozenset[str], tuple[str, ...]] = {
    frozenset(("Pt", "Sn")): ("l1_2:4.0005 Pt3Sn", "nickeline:4.104,5.432 PtSn"),
}
"""Ordered crystals of two elements, where they are not those that fcc metals have: Pt₃Sn as above, PtSn as of Harris,
Norman & Bryant, J. Less-Common Met. 16, 427 (1968)."""

_SQUAT = 0.96
"""c/a of L1₀, whose layers of unlike atoms are nearer to each other."""

_SHARES = (0.02, 0.98)

_ALIKE = 2
"""Elements whose atomic numbers differ by so much scatter alike: which of them is a neighbour, EXAFS does not tell."""

_BEGIN, _END = 0.77, 1.2
"""The first shell begins at so many of the shorter bonds, and ends at so many of the mean one."""

_BOX = 14.0
"""Shortest edge of the box of a bulk alloy [Å]."""

_LEAST_ORDER, _MOST_ORDER = -1 / 3, 0.7
"""Warren and Cowley's α of fcc: as unlike as can be, and mostly apart."""

_SWEEPS = 20
"""Swaps tried per atom for the sake of order."""

_SEGREGATED: Mapping[str, str] = {"core": "radius", "side": "x"}
MIXED = "mixed"
ORDERS = (MIXED, *_SEGREGATED)
"""How elements share a lattice: mixed, with short-range order or without; one inside the other; side by side."""


@dataclass(frozen=True)
class BimetalStates(Settings):
    """States of two metals together.

    Raises
    ------
    SettingsError
        If elements or order are none.
    """

    name: str
    elements: tuple[str, str]
    count: int
    lattices: Range
    """Lattice constant of each element as fcc [Å]."""
    sigma2: Range
    """σ² of the bonds of each alone, at 300 K [Å²]."""
    order: str = MIXED
    """One of ``ORDERS``; or an ordered crystal, whose bonds keep their lengths: ``"l1_2:4.0005 Pt3Sn"``."""
    shares: tuple[Range, ...] = ((0.02, 0.98),)
    """Ranges of the share of the first element; those of an ordered crystal are known."""
    atoms: tuple[tuple[int, int], ...] = ()
    """Ranges of the number of atoms of a free particle, drawn in its logarithm; none: a periodic crystal."""
    seeking: Range = (0.0, 0.0)
    """Range of the order sought by what is mixed: −1 as unlike as can be, 1 like among like, 0 random."""
    exchanged: Range = (0.0, 0.0)
    """Range of the share of atoms that are not where the order has them."""
    contrast: Range = (0.5, 2.2)
    """Range of the factor by which bonds would like to differ, over what they differ by in the pure metals."""
    strain: Range = (0.985, 1.02)
    """Range of the factor of all lengths."""
    temperature: Range = (30.0, 900.0)
    """Range of T′ [K] (``vibrations.Motion``)."""
    asymmetry: Range = (0.0, 2.0)
    """Range of the anharmonicity of bonds [Å⁻¹]."""
    static: Range = (0.0, 0.0)
    """Range of the σ² of static disorder [Å²]."""
    vacancies: Range = (0.0, 0.0)
    """Range of the share of sites that are empty."""

    def __post_init__(self) -> None:
        """Refuse what no two metals are."""
        one, other = self.elements
        if one == other or not (is_element(one) and is_element(other)):
            raise SettingsError(f"{one} and {other} are not two elements", where=self.name)
        if self.order not in ORDERS and ":" not in self.order:
            remedy = f"Use {', '.join(ORDERS)}, or a crystal: l1_2:3.84 Pt3Ni"
            raise SettingsError(f"order = {self.order!r} is none", where=self.name, remedy=remedy)

    @property
    def phase(self) -> str:
        """What all their states are called."""
        return "".join(self.elements)

    @property
    def ordered(self) -> UnitCell | None:
        """The cell of the ordered crystal, if they are of one."""
        return None if self.order in ORDERS else UnitCell.named(*self.order.split(maxsplit=1))

    def draw(
        self, member: int, seed: int, treatments: Sequence[FeffTreatment], rng: np.random.Generator
    ) -> tuple[BimetalState, FeffTreatment]:
        """As of ``States``; the treatment last, so that libraries of both edges have the same states."""
        ordered = self.ordered
        share = ordered.composition[self.elements[0]] if ordered else _of_ranges(self.shares, rng)
        atoms = round(math.exp(_of_ranges(np.log(self.atoms).tolist(), rng))) if self.atoms else 0
        names = (*("seeking", "exchanged", "contrast", "strain"), *("temperature", "asymmetry", "static", "vacancies"))
        numbers = {name: float(rng.uniform(*getattr(self, name))) for name in names}
        return BimetalState(self, seed, share, atoms, member % 2, **numbers), one_of(treatments, rng)

    def theory(self, _material: Material) -> str:
        """As of ``States``."""
        return "{}3{}".format(*self.elements)

    def at_rest(self, material: Material) -> Trajectory:
        """As of ``States``: three of the first element for one of the other, ordered; both absorbers are in it.

        The potentials of other compositions give the same χ(k) within 2 % (measured of Ni in Pt₃Ni and PtNi), once the
        energy zero is moved. FEFF's separation of core and valence fails for platinum in a lattice below 3.8 Å.
        """
        formula = self.theory(material)
        cell = UnitCell.named(f"l1_2:{self.lattice(0.75):.4f}", formula).atoms
        return trajectory_from(cell, cell.positions[None], formula, {})

    def lattice(self, share: float) -> float:
        """Lattice constant of fcc by Vegard's rule [Å]."""
        shares = dict(zip(self.elements, (share, 1 - share), strict=True))
        return vegard(shares, dict(zip(self.elements, self.lattices, strict=True)))


def _of_ranges(ranges: Sequence[Range], rng: np.random.Generator) -> float:
    """A number that is in one of some ranges, all of which are equally likely."""
    widths = np.array([high - low for low, high in ranges])
    place = int(rng.choice(len(ranges), p=widths / widths.sum())) if widths.sum() > 0 else 0
    return float(rng.uniform(*ranges[place]))


@dataclass(frozen=True)
class BimetalState:
    """One of them."""

    states: BimetalStates
    seed: int
    share: float
    """Of the first element."""
    atoms: int
    inner: int
    """Which element is inside, or on the left: 0 or 1."""
    seeking: float
    exchanged: float
    contrast: float
    strain: float
    temperature: float
    asymmetry: float
    static: float
    vacancies: float

    @property
    def need(self) -> None:
        """Nothing that takes long."""
        return None

    def simulated(self, _material: Material, dynamics: DynamicsSettings, _needed: Any) -> Trajectory:
        """As of ``State``."""
        rng = np.random.default_rng([self.seed, 2])
        atoms = self.built(rng)
        solid = solid_of(atoms, self._springs(atoms))
        motion = Motion(self.temperature, dynamics.frames, self.asymmetry, self.static)
        found = moving(solid, motion, rng, phase=self.states.phase)
        found = replace(found, frames=found.frames * self.strain, cells=found.cells * self.strain)
        for element in self.states.elements if self.vacancies else ():
            found = with_vacant_sites(found, element, self.vacancies, rng)
        share = found.symbols.count(self.states.elements[0]) / len(found.symbols)
        return replace(found, provenance={**found.provenance, "share": share, "alpha": self._order_of(atoms)})

    def label(self, _material: Material) -> dict[str, Any]:
        """As of ``State``."""
        told = {name: value for name, value in vars(self).items() if name != "states"}
        ordered = self.states.ordered
        a = float(ordered.atoms.cell.lengths()[0]) if ordered else self.states.lattice(self.share)
        return told | {"phase": self.states.phase, "order": self.states.order, "a": a * self.strain}

    def built(self, rng: np.random.Generator) -> Atoms:
        """The atoms on their sites, before bonds pull at them."""
        ordered = self.states.ordered
        element = self.states.elements[0]
        cell = ordered or UnitCell.named(f"fcc:{self.states.lattice(self.share):.5f}", element)
        if self.atoms:
            shape = SHAPES[int(rng.integers(len(SHAPES)))]
            sites = of_size(cell.atoms, shape, self.atoms, rng)
        else:
            sites = supercell(cell.atoms, _BOX)
        return self._misplaced(sites, rng) if ordered else self._filled(sites, rng)

    def _misplaced(self, sites: Atoms, rng: np.random.Generator) -> Atoms:
        """An ordered crystal with some atoms of each element where the other belongs."""
        still = trajectory_from(sites, sites.positions[None], "", {})
        sites.set_chemical_symbols(list(with_antisites(still, self.states.elements, self.exchanged, rng).symbols))
        return sites

    def _filled(self, sites: Atoms, rng: np.random.Generator) -> Atoms:
        """Sites filled as the order has it; there is an atom of each element at least."""
        number = min(max(round(self.share * len(sites)), 1), len(sites) - 1)
        numbers = dict(zip(self.states.elements, (number, len(sites) - number), strict=True))
        names = self.states.elements[:: 1 - 2 * self.inner]
        shares = {name: numbers[name] / len(sites) for name in names}
        if along := _SEGREGATED.get(self.states.order):
            return segregated(sites, shares, along, rng, self.exchanged)
        sites.set_chemical_symbols(filled(shares, len(sites), rng))
        if not self.seeking:
            return sites
        scarcer = min(shares.values())
        least = max(_LEAST_ORDER, -scarcer / (1 - scarcer))
        alpha = self.seeking * (_MOST_ORDER if self.seeking > 0 else -least)
        return with_order(sites, self.states.elements, alpha, _first_shell(sites), rng, _SWEEPS)[0]

    def _springs(self, atoms: Atoms) -> Springs:
        """Springs of the bonds that there are; those of a mixture would like to differ in length."""
        one, other = self.states.elements
        firm = [
            _stiffness(*of) for of in zip(self.states.lattices, self.states.sigma2, self.states.elements, strict=True)
        ]
        unlike = math.sqrt(firm[0] * firm[1])
        lengths = {}
        if self.states.order in ORDERS:
            mean = self.states.lattice(self.share) * _OVER_A
            own = [a * _OVER_A for a in self.states.lattices]
            wanted = {f"{one}-{one}": own[0], f"{other}-{other}": own[1], f"{one}-{other}": sum(own) / 2}
            there = _bonds_of(atoms)
            lengths = {
                name: float(mean + self.contrast * (length - mean))
                for name, length in wanted.items()
                if frozenset(name.split("-")) in there
            }
        return Springs(unlike, stiffnesses={f"{one}-{one}": firm[0], f"{other}-{other}": firm[1]}, lengths=lengths)

    def _order_of(self, atoms: Atoms) -> float:
        """Warren and Cowley's α of the first shell."""
        return warren_cowley(atoms, self.states.elements, _first_shell(atoms))


def _first_shell(sites: Atoms) -> Range:
    """Between which distances the nearest neighbours are, on sites of a crystal [Å]."""
    nearest = float(neighbor_list("d", sites, widest_gap(sites) + 0.1).min())
    return 0.5 * nearest, BOND * nearest


def _bonds_of(sites: Atoms) -> set[frozenset[str]]:
    """Which elements are bonded to which."""
    symbols = np.array(sites.get_chemical_symbols())
    first, second = neighbor_list("ij", sites, _first_shell(sites)[1])
    return {frozenset((str(a), str(b))) for a, b in set(zip(symbols[first], symbols[second], strict=True))}


@lru_cache(maxsize=16)
def _stiffness(a: float, sigma2: float, element: str) -> float:
    """Stiffness of the bonds of a pure fcc metal whose σ² at 300 K is known [eV Å⁻²]."""
    return springs_for(UnitCell.named(f"fcc:{a}", element).atoms, sigma2).stiffness


def as_fcc(element: str) -> tuple[float, float]:
    """Lattice constant that an element has as fcc, or would have, as dense [Å], and σ² of its bonds at 300 K [Å²].

    Raises
    ------
    SettingsError
        If nothing is known of it.
    """
    if element in _DISSOLVED:
        return _DISSOLVED[element]
    if element not in METALS:
        known = ", ".join(sorted((*METALS, *_DISSOLVED)))
        raise SettingsError(f"nothing is known of {element!r} in alloys", where="elements", remedy=f"Known are {known}")
    metal = METALS[element]
    return _as_dense(metal), metal.sigma2


def _as_dense(metal: Metal) -> float:
    """Lattice constant of fcc as dense as a metal [Å]."""
    if metal.c is not None:
        return float((math.sqrt(3) * metal.a**2 * metal.c) ** (1 / 3))
    return float(metal.a * (2 ** (1 / 3) if metal.phase == "bcc" else 1.0))


def shares_of(elements: tuple[str, str]) -> Range:
    """From which to which share of the first element they are one lattice."""
    low, high = _SHARES
    one, other = elements
    return (1 - _MOST_DISSOLVED if other in _DISSOLVED else low), (_MOST_DISSOLVED if one in _DISSOLVED else high)


def ordered_of(elements: tuple[str, str]) -> tuple[str, ...]:
    """Ordered crystals of two elements, as ``BimetalStates.order`` takes them: of fcc metals L1₂ of either and L1₀."""
    if known := _ORDERED.get(frozenset(elements)):
        return known
    one, other = elements
    lattices = {element: as_fcc(element)[0] for element in elements}
    rich, even, poor = (vegard({one: share, other: 1 - share}, lattices) for share in (0.75, 0.5, 0.25))
    a = even / _SQUAT ** (1 / 3)
    return (
        f"l1_2:{rich:.4f} {one}3{other}",
        f"l1_0:{a:.4f},{_SQUAT * a:.4f} {one}{other}",
        f"l1_2:{poor:.4f} {other}3{one}",
    )


def states_of_both(name: str, elements: tuple[str, str], count: int, **ranges: Any) -> BimetalStates:
    """States of two elements of which something is known.

    Raises
    ------
    SettingsError
        As of ``as_fcc``.
    """
    (one, first), (other, second) = (as_fcc(element) for element in elements)
    return BimetalStates(name, elements, count, (round(one, 4), round(other, 4)), (first, second), **ranges)


def bimetal_of(elements: tuple[str, str], absorber: str, edge: str) -> Compound:
    """What is known of an absorber in an alloy; its own element comes first, and both shells have the same limits.

    Raises
    ------
    SettingsError
        If the absorber is none of them, nothing is known of one, or they scatter alike.
    """
    one, other = elements
    if absorber not in elements or one == other:
        raise SettingsError(
            f"{absorber} is none of {one} and {other}", where="elements", remedy="Give two, and an edge of each"
        )
    bonds = [as_fcc(element)[0] * _OVER_A for element in elements]
    if abs(atomic_numbers[one] - atomic_numbers[other]) <= _ALIKE:
        raise SettingsError(
            f"{one} and {other} scatter alike: no EXAFS tells which of them is a neighbour", where="elements",
            remedy=f"Use a model of {absorber} alone; what it calls {absorber} are both together",
        )  # fmt: skip
    shell = round(_BEGIN * min(bonds), 2), round(_END * sum(bonds) / 2, 2)
    neighbours = (absorber, other if absorber == one else one)
    sigma2 = sum(as_fcc(element)[1] for element in elements) / 2
    name = f"{one}{other}-{absorber}".lower()
    return Compound(name, absorber, edge, neighbours, (shell, shell), round(sum(bonds) / 2, 3), sigma2)
