"""Alloys and particles → static and thermal displacements, by springs between neighbours.

Force constants of an alloy by a force field are dear: without symmetry each atom has to be displaced six times. What
EXAFS sees of them, bonds that keep their own lengths and atoms of fewer bonds that move more, springs have too: equal
ones between nearest neighbours, and weaker ones to the next, which resist bending as Keating's do (Phys. Rev. 145, 637
(1966)). Their stiffness is set by σ² of the bonds in a crystal, known from a measurement or a force field; nothing else
is fitted. Where two crystals meet, in a particle that is partly oxidised, the bonds of the interface are a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.sparse import csr_array, eye_array
from scipy.sparse.linalg import cg

from exafsnn.errors import SettingsError, SimulationError
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.cells import supercell
from exafsnn.simulate.vibrations import BOND, HarmonicSolid, Modes, modes_of, widest_gap

_NEXT = 1.7
"""The weaker springs reach to so many times the distance of either's nearest neighbour."""

_AT_REST = 1e-4
"""No atom is farther from rest [Å]."""

_ROUNDS = 200
_HELD = 0.02
"""What keeps an atom where it is while balance is sought, over the bonds, at first: one at an edge is hardly held
otherwise."""

_ROOM_TEMPERATURE = 300.0
_FIRM = 10.0
"""Stiffness with which the modes are found [eV Å⁻²]."""

_LEAST_SHARE = 0.005
"""Weaker springs than this, over the bonds, hold nothing up."""

_BULK = 9.0
"""Shortest edge of the box in which the stiffness is set [Å]."""


@dataclass(frozen=True)
class Springs(Settings):
    """Springs between the atoms of a solid.

    Raises
    ------
    SettingsError
        If one has no stiffness or length.
    """

    stiffness: float
    """Of the bonds to nearest neighbours [eV Å⁻²]."""
    next_share: float = 0.05
    """Stiffness of the springs to next neighbours, over that of the bonds. Bonds of Ga₀.₅In₀.₅As then keep 0.74 of
    their difference (0.8 is measured), and with 0.15 half of it; second neighbours of zincblende have 4.5 times the σ²
    of the first, and with 0.1 3 times, as in ZnSe by force fields."""
    stiffnesses: Mapping[str, float] = field(default_factory=dict)
    """That of bonds of two elements, ``{"Pt-Ni": 2.9}``, where it is another [eV Å⁻²]."""
    lengths: Mapping[str, float] = field(default_factory=dict)
    """Length that a bond would like to have, ``{"In-As": 2.623}`` [Å]; bonds not named like the one that they have."""

    def __post_init__(self) -> None:
        """Refuse what no spring is."""
        firm = all(stiffness > 0 for stiffness in (self.stiffness, *self.stiffnesses.values()))
        if not (firm and 0 < self.next_share <= 1 and all(1 < r < 5 for r in self.lengths.values())):
            raise SettingsError(
                f"stiffness = {self.stiffness:g} eV Å⁻², another, next_share = {self.next_share:g} or a length is none",
                where="springs",
                remedy="Give lengths in Å, for pairs like In-As",
            )


@dataclass(frozen=True)
class _Network:
    """All springs of a solid."""

    pairs: NDArray[np.intp]
    """(p, 2) atoms."""
    shifts: Array
    """(p, 3) of the second atom's image [Å]."""
    rest: Array
    """(p,) length at which a spring pulls nothing [Å]."""
    stiffness: Array
    """(p,) [eV Å⁻²]."""
    bonds: NDArray[np.bool_]
    """(p,) those between nearest neighbours."""

    def vectors(self, positions: Array) -> Array:
        """(p, 3) from the first to the second atom [Å]."""
        found: Array = positions[self.pairs[:, 1]] + self.shifts - positions[self.pairs[:, 0]]
        return found


def springs_for(
    cell: Atoms, sigma2: float, next_sigma2: float | None = None, springs: Springs | None = None
) -> Springs:
    """The springs whose bonds have a given σ² in a crystal at 300 K, on average, zero-point motion included.

    Parameters
    ----------
    cell
        Unit cell of the crystal, ordered.
    sigma2
        Of its bonds at 300 K [Å²].
    next_sigma2
        Of the pairs that the weaker springs join [Å²], which sets their share; None: that of ``springs``.
    springs
        What else is known of them; their stiffness is replaced, the same for all bonds.

    Raises
    ------
    SettingsError
        If a σ² is none of a solid, or no share of the weaker springs gives the second.
    """
    firm = replace(springs or Springs(1.0), stiffness=_FIRM, stiffnesses={}, lengths={})
    box = supercell(cell, _BULK)
    if next_sigma2 is not None:
        firm = replace(firm, next_share=_share(box, firm, sigma2, next_sigma2))
    stiffness = _stiffness(_Widths.of(box, firm), sigma2)
    return replace(firm, stiffness=stiffness, lengths=springs.lengths if springs else {})


def _share(box: Atoms, firm: Springs, sigma2: float, next_sigma2: float) -> float:
    """Share of the weaker springs that gives next neighbours their σ² where the bonds have theirs."""

    def excess(log_share: float) -> float:
        widths = _Widths.of(box, replace(firm, next_share=float(np.exp(log_share))))
        return float(np.log(widths.next(_stiffness(widths, sigma2)) / next_sigma2))

    low, high = np.log(_LEAST_SHARE), 0.0
    if not 0 < next_sigma2 < 0.3 or excess(high) > 0 or excess(low) < 0:
        reason = f"no springs give next neighbours {next_sigma2:g} Å² where bonds have {sigma2:g} Å²"
        raise SettingsError(reason, where="springs", remedy="Give both at 300 K, in Å²")
    return float(np.exp(brentq(excess, low, high, xtol=1e-3)))


@dataclass(frozen=True)
class _Widths:
    """Vibrations of springs of the stiffness ``_FIRM``: of others the shapes are the same, the frequencies scale."""

    modes: Modes
    stretches: tuple[Array, Array]
    """(m, p) of the bonds and of the weaker springs, by each mode."""

    @classmethod
    def of(cls, box: Atoms, springs: Springs) -> _Widths:
        """Of a box of springs."""
        network = _network(box, springs)
        modes = modes_of(solid_of(box, springs))
        along = _directions(network.vectors(box.positions))
        stretch = modes.stretch(network.pairs, along)
        return cls(modes, (stretch[:, network.bonds], stretch[:, ~network.bonds]))

    def bonds(self, stiffness: float) -> float:
        """Mean σ² of the bonds at 300 K [Å²]."""
        return self._mean(0, stiffness)

    def next(self, stiffness: float) -> float:
        """… of the pairs that the weaker springs join."""
        return self._mean(1, stiffness)

    def _mean(self, which: int, stiffness: float) -> float:
        scaled = Modes(self.modes.quanta * np.sqrt(stiffness / _FIRM), self.modes.vectors)
        return float((scaled.variance(_ROOM_TEMPERATURE) @ self.stretches[which] ** 2).mean())


def _stiffness(widths: _Widths, sigma2: float) -> float:
    """Stiffness of the bonds that gives them a σ² at 300 K [eV Å⁻²]."""

    def excess(log_stiffness: float) -> float:
        return float(np.log(widths.bonds(float(np.exp(log_stiffness))) / sigma2))

    low, high = np.log(0.05), np.log(200.0)
    if not 0 < sigma2 < 0.2 or excess(high) > 0 or excess(low) < 0:
        reason = f"sigma2 = {sigma2:g} Å² is none of a bond at 300 K"
        raise SettingsError(reason, where="springs", remedy="Give it in Å²; usual are 0.002 to 0.02")
    return float(np.exp(brentq(excess, low, high, xtol=1e-4)))


def _directions(vectors: Array) -> Array:
    """(p, 3) unit vectors."""
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]


def bond_variance(solid: HarmonicSolid, temperature: float) -> tuple[Array, Array]:
    """σ² [Å²] of each bond between nearest neighbours, and of each pair of next ones, harmonic."""
    network = _network(solid.atoms, Springs(1.0))
    along = _directions(network.vectors(solid.atoms.positions))
    found = modes_of(solid).pair_variance(network.pairs, along, temperature)
    return found[network.bonds], found[~network.bonds]


def solid_of(atoms: Atoms, springs: Springs) -> HarmonicSolid:
    """The atoms at rest in their springs, and the force constants there.

    The tension of springs that are not at their length is left out of the force constants, so that no mode is unstable
    for the want of it.

    Parameters
    ----------
    atoms
        A box of an alloy, or free atoms; where they are is where the springs not named are at rest.
    springs
        Stiffness and lengths.

    Raises
    ------
    SimulationError
        If the atoms do not come to rest.
    SettingsError
        If a length is given for a pair that has no bond.
    """
    network = _network(atoms, springs)
    resting = atoms.copy()
    resting.positions = _rest(atoms.positions, network) if springs.lengths else atoms.positions
    n = len(atoms)
    along = _directions(network.vectors(resting.positions))
    blocks = np.einsum("p,px,py->pxy", network.stiffness, along, along)
    constants = np.zeros((n, n, 3, 3))
    for one, other in ((0, 1), (1, 0)):
        i, j = network.pairs[:, one], network.pairs[:, other]
        np.add.at(constants, (i, j), -blocks)
        np.add.at(constants, (i, i), blocks)
    strayed = float(np.linalg.norm(resting.positions - atoms.positions, axis=1).max())
    provenance: dict[str, Any] = {"forces": "springs", "settings": springs.to_mapping(), "relaxed": strayed}
    return HarmonicSolid(resting, constants, provenance)


def _network(atoms: Atoms, springs: Springs) -> _Network:
    """The springs of atoms, bonds first told from springs to next neighbours."""
    first, second, apart, vector, image = neighbor_list("ijdDS", atoms, _NEXT * widest_gap(atoms))
    nearest = np.full(len(atoms), np.inf)
    np.minimum.at(nearest, first, apart)
    limit = np.minimum(nearest[first], nearest[second])
    once = (first < second) | ((first == second) & (vector @ np.array([1.0, 1e-3, 1e-6]) > 0))
    used = once & (apart <= _NEXT * limit)
    bonds = (apart <= BOND * limit)[used]
    rest = apart[used].copy()
    symbols = np.array(atoms.get_chemical_symbols())
    ends = symbols[first[used]], symbols[second[used]]
    for name, length in springs.lengths.items():
        named = bonds & _joining(name, *ends)
        if not named.any():
            present = ", ".join(sorted(set(symbols)))
            raise SettingsError(f"there is no bond {name}", where="springs", remedy=f"Elements are {present}")
        rest[named] = length
    stiffness = np.full(len(rest), springs.stiffness)
    for name, own in springs.stiffnesses.items():
        stiffness[_joining(name, *ends)] = own
    stiffness *= np.where(bonds, 1.0, springs.next_share)
    shifts = image[used] @ np.array(atoms.cell)
    return _Network(np.column_stack([first, second])[used], shifts, rest, stiffness, bonds)


def _joining(name: str, first: NDArray[np.str_], second: NDArray[np.str_]) -> NDArray[np.bool_]:
    """(p,) whether springs between such elements are of the pair of a name."""
    one, other = name.split("-")
    found: NDArray[np.bool_] = ((first == one) & (second == other)) | ((first == other) & (second == one))
    return found


def _rest(positions: Array, network: _Network) -> Array:
    """(n, 3) positions at which the springs' forces are in balance [Å], by Levenberg and Marquardt's steps."""
    places, held = positions.copy(), _HELD * float(network.stiffness.max())
    tension = _tension(places, network)
    for _ in range(_ROUNDS):
        vectors = network.vectors(places)
        apart = np.linalg.norm(vectors, axis=1)
        matrix = _stretching(vectors / apart[:, None], network, len(places))
        pull = matrix.T @ (network.stiffness * (network.rest - apart))
        normal = matrix.T @ (matrix * network.stiffness[:, None]) + held * eye_array(places.size)
        step = cg(normal, pull, rtol=1e-8)[0].reshape(-1, 3)
        if np.abs(step).max() < _AT_REST:
            return places + step
        after = _tension(places + step, network)
        held *= 0.5 if after <= tension else 8.0
        if after <= tension:
            places, tension = places + step, after
    remedy = "The lengths of the bonds do not fit the lattice: check them"
    raise SimulationError("the springs find no balance", where="springs", remedy=remedy)


def _tension(positions: Array, network: _Network) -> float:
    """Energy of all springs, twice [eV]."""
    apart = np.linalg.norm(network.vectors(positions), axis=1)
    return float((network.stiffness * (apart - network.rest) ** 2).sum())


def _stretching(along: Array, network: _Network, n: int) -> csr_array:
    """(p, 3n) how much each spring is stretched by each coordinate."""
    rows = np.repeat(np.arange(len(along)), 6)
    columns = (3 * network.pairs[:, :, None] + np.arange(3)).reshape(len(along), 6)
    return csr_array((np.column_stack([-along, along]).ravel(), (rows, columns.ravel())), shape=(len(along), 3 * n))
