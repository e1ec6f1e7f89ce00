"""Who sits where in an alloy: short-range order, segregation, and the lattice that a composition has.

``cells.UnitCell.alloyed`` fills sites at random; here what is not random is made of that. Order is told by the
parameter of Warren and Cowley, α_AB = 1 − P(B | A)/c_B (Cowley, J. Appl. Phys. 21, 24 (1950)): 0 at random, negative
where unlike atoms seek each other (−1/3 in L1₂ and L1₀, −1 in B2), positive where like ones do.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from exafsnn.errors import SettingsError
from exafsnn.settings import require_shares
from exafsnn.simulate.cells import filled, require_present

_ALL = "Give the share of each; they add up to 1"
_HOTTEST = 3.0
"""Swaps that lead away from the order sought by so many bonds are as often made as not, at the beginning."""


def warren_cowley(atoms: Atoms, pair: tuple[str, str], shell: tuple[float, float]) -> float:
    """α of a shell of neighbours; of other elements nothing is counted.

    Parameters
    ----------
    atoms
        The alloy.
    pair
        Its two elements, or those two that share a sublattice.
    shell
        From which to which distance the neighbours are counted [Å].

    Raises
    ------
    SettingsError
        If one of them is not there, or no neighbour is in the shell.
    """
    kinds, first, second = _bonds(atoms, pair, shell)
    unlike = np.count_nonzero(kinds[first] != kinds[second])
    return float(1 - unlike / _random_unlike(kinds, len(first)))


def with_order(
    atoms: Atoms, pair: tuple[str, str], alpha: float, shell: tuple[float, float], rng: np.random.Generator,
    sweeps: int = 60,
) -> tuple[Atoms, float]:  # fmt: skip
    """The same composition with a given short-range order, and the order that was reached.

    Atoms of the pair change places at random; what leads towards the order sought is kept, what leads away from it less
    and less often. Not every order can be: α is at least −c/(1 − c), with c the share of the scarcer element, and on a
    lattice of triangles higher (no fcc alloy of halves is below −1/3).

    Parameters
    ----------
    atoms, pair, shell
        As in `warren_cowley`.
    alpha
        The order sought.
    rng
        Draws the places.
    sweeps
        Swaps tried, per atom.

    Raises
    ------
    SettingsError
        If α is none, or as in `warren_cowley`.
    """
    if not -1 <= alpha <= 1:
        raise SettingsError(f"order must be from -1 to 1, got {alpha:g}", where="alloy")
    kinds, first, second = _bonds(atoms, pair, shell)
    expected = _random_unlike(kinds, len(first))
    neighbours = [second[first == site] for site in range(len(atoms))]
    places = [list(np.flatnonzero(kinds == kind)) for kind in (0, 1)]
    miss = np.count_nonzero(kinds[first] != kinds[second]) - (1 - alpha) * expected
    tries = sweeps * sum(len(place) for place in places)
    for step in range(tries):
        if abs(miss) < 1:
            break
        a, b = (int(rng.integers(len(place))) for place in places)
        change = _change(kinds, neighbours, int(places[0][a]), int(places[1][b]))
        worse = abs(miss + change) - abs(miss)
        if worse <= 0 or rng.random() < np.exp(-worse / (_HOTTEST * (1 - step / tries))):
            one, other = places[0][a], places[1][b]
            kinds[one], kinds[other] = 1, 0
            places[0][a], places[1][b] = other, one
            miss += change
    found = atoms.copy()
    symbols = np.array(found.get_chemical_symbols(), dtype=object)
    for kind, element in enumerate(pair):
        symbols[kinds == kind] = element
    found.set_chemical_symbols(list(symbols))
    return found, warren_cowley(found, pair, shell)


def _bonds(
    atoms: Atoms, pair: tuple[str, str], shell: tuple[float, float]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """(n,) 0 and 1 for the pair's elements, −1 for others; both ends (b,) of the bonds between those, each twice."""
    for element in pair:
        require_present(atoms, element, where="alloy")
    symbols = np.array(atoms.get_chemical_symbols())
    kinds = np.where(symbols == pair[0], 0, np.where(symbols == pair[1], 1, -1))
    first, second, apart = neighbor_list("ijd", atoms, shell[1])
    counts = (apart >= shell[0]) & (kinds[first] >= 0) & (kinds[second] >= 0)
    if not counts.any():
        reason = f"no two of {pair[0]} and {pair[1]} are {shell[0]:g} to {shell[1]:g} Å apart"
        raise SettingsError(reason, where="alloy", remedy="Give the shell's distances in Å")
    return kinds, first[counts], second[counts]


def _random_unlike(kinds: NDArray[np.intp], bonds: int) -> float:
    """How many of the bonds would join unlike atoms at random: 2 c_A c_B."""
    share = float(np.mean(kinds[kinds >= 0]))
    return 2 * share * (1 - share) * bonds


def _change(kinds: NDArray[np.intp], neighbours: list[NDArray[np.intp]], one: int, other: int) -> int:
    """By how many the bonds between unlike atoms, each counted twice, change if two unlike atoms change places."""
    gain = 0
    for site, partner in ((one, other), (other, one)):
        around = kinds[neighbours[site][neighbours[site] != partner]]
        gain += int(np.count_nonzero(around == kinds[site])) - int(np.count_nonzero(around == kinds[partner]))
    return 2 * gain


def segregated(
    atoms: Atoms, shares: Mapping[str, float], along: str, rng: np.random.Generator, exchanged: float = 0.0
) -> Atoms:
    """The same sites, the elements one behind the other.

    Parameters
    ----------
    atoms
        A particle of one element, or of sites to be shared.
    shares
        Share of each element; the first is innermost (``{"Pt": 0.7, "Pd": 0.3}``: a core of platinum).
    along
        ``"radius"``: core and shell; ``"x"``: side by side.
    rng
        Draws among sites that are equally deep, and the exchanged.
    exchanged
        Fraction of the sites whose elements change places at random: 0 sharply apart, 1 mixed.

    Raises
    ------
    SettingsError
        If shares do not add up to 1, or it is not known along what.
    """
    if along not in ("radius", "x") or not 0 <= exchanged <= 1:
        raise SettingsError(f"cannot segregate along {along!r} with {exchanged:g} exchanged", where="alloy",
                            remedy="Use radius or x, and a fraction from 0 to 1")  # fmt: skip
    require_shares(shares, _ALL)
    centred = atoms.positions - atoms.positions.mean(axis=0)
    depth = np.linalg.norm(centred, axis=1) if along == "radius" else centred[:, 0]
    rank = np.lexsort((rng.random(len(atoms)), depth.round(3)))
    sorted_out = sorted(filled(shares, len(atoms), rng), key=list(shares).index)
    symbols = np.empty(len(atoms), dtype=object)
    symbols[rank] = sorted_out
    moved = rng.permutation(len(atoms))[: round(exchanged * len(atoms))]
    symbols[moved] = symbols[rng.permutation(moved)]
    found = atoms.copy()
    found.set_chemical_symbols(list(symbols))
    return found


def vegard(shares: Mapping[str, float], lengths: Mapping[str, float]) -> float:
    """Lattice constant of an alloy, Σ share · that of the pure one [Å]: Vegard, Z. Phys. 5, 17 (1921).

    Raises
    ------
    SettingsError
        If shares do not add up to 1, or one has no length.
    """
    require_shares(shares, _ALL)
    if missing := sorted(set(shares) - set(lengths)):
        reason = f"no lattice constant of {', '.join(missing)}"
        raise SettingsError(reason, where="alloy", remedy="Give that of each pure compound in Å")
    return sum(share * lengths[name] for name, share in shares.items())
