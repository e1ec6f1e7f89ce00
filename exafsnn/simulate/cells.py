"""Unit cells of anything: named crystals, files (``structure_files``), alloys by the shares of each site.

A site may be shared by elements, or empty at times: such a cell is no structure yet. ``UnitCell.built`` makes one, as a
supercell in which each share is met to the nearest atom. ``alloys`` and ``particles`` go on from there, ``vibrations``
lets the atoms move.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.build import make_supercell
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from exafsnn.crystals import crystal_named
from exafsnn.edges import is_atom
from exafsnn.errors import SettingsError
from exafsnn.records import Array
from exafsnn.settings import require_shares

VACANT = "vacant"
"""Stands for no atom among the shares of a site."""

OVERLAP = 0.6
"""Atoms closer than so many sums of their covalent radii are in one place: no bond is so short."""

_ADDS_UP = 2e-3
"""Shares of a site may miss 1 by so much: files round them."""

_SQUARE = 1e-4
"""Cosine of the angle between edges that are as good as orthogonal."""

_SHORTEST = 120
"""Lattice vectors among which the edges of a box are sought: the shortest."""

_SAME = 4
"""Decimals to which shares are compared."""
_LEAST_HEIGHT = 1.0
"""No cell is thinner [Å]."""


@dataclass(frozen=True)
class UnitCell:
    """One cell of a crystal, with the shares of the elements on each of its sites.

    Raises
    ------
    SettingsError
        If shares do not add up to 1, the cell is none, or two sites are in one place.
    """

    atoms: Atoms
    """(n) one atom for each site, of the element with the largest share."""
    shares: tuple[Mapping[str, float], ...]
    """(n) share of each element on each site; ``"vacant"`` is the share of empty ones."""

    def __post_init__(self) -> None:
        """Refuse what is no crystal."""
        for share in self.shares:
            _require_share(share)
        require_sound(self.atoms)

    @classmethod
    def ordered(cls, atoms: Atoms) -> UnitCell:
        """Take the cell as it is: each site is of one element."""
        return cls(atoms, tuple({symbol: 1.0} for symbol in atoms.get_chemical_symbols()))

    @classmethod
    def named(cls, text: str, formula: str) -> UnitCell:
        """The cell of a named crystal: ``("zincblende:5.6687", "ZnSe")``; see ``crystals``."""
        crystal = crystal_named(text)
        symbols = crystal.elements(formula)
        _require_elements(symbols)
        atoms = Atoms(symbols, scaled_positions=crystal.sites, cell=crystal.vectors, pbc=True)
        return cls.ordered(atoms)

    def alloyed(self, shares: Mapping[str, Mapping[str, float]]) -> UnitCell:
        """The same, the sites of an element shared: ``{"Zn": {"Zn": 0.8, "Cd": 0.2}}``.

        Raises
        ------
        SettingsError
            If the cell has no such element, or shares do not add up to 1.
        """
        for element, share in shares.items():
            require_present(self.atoms, element)
            _require_share(share)
        symbols = self.atoms.get_chemical_symbols()
        mixed = tuple(shares.get(symbol, share) for symbol, share in zip(symbols, self.shares, strict=True))
        atoms = self.atoms.copy()
        atoms.set_chemical_symbols([_foremost(share) for share in mixed])
        return replace(self, atoms=atoms, shares=mixed)

    @property
    def is_ordered(self) -> bool:
        """Whether each site is always of the same element."""
        return all(max(share.values()) > 1 - _ADDS_UP for share in self.shares)

    @property
    def composition(self) -> dict[str, float]:
        """Atom fraction of each element, as the shares say."""
        totals: dict[str, float] = {}
        for share in self.shares:
            for element, part in share.items():
                totals[element] = totals.get(element, 0.0) + part
        totals.pop(VACANT, None)
        return {element: part / sum(totals.values()) for element, part in totals.items()}

    def built(self, min_length: float, rng: np.random.Generator) -> Atoms:
        """A supercell, its shared sites filled at random, each share met to the nearest atom.

        Among all sites that are shared alike: whether symmetry makes them one, or a file lists each of them.

        Parameters
        ----------
        min_length
            Shortest edge that the box may have [Å].
        rng
            Draws which sites are whose; an ordered cell needs none of it.
        """
        site = self.atoms.copy()
        site.set_array("site", np.arange(len(site)))
        box = supercell(site, min_length)
        origin = box.get_array("site")
        del box.arrays["site"]
        symbols = np.array(box.get_chemical_symbols(), dtype=object)
        alike: dict[tuple[tuple[str, float], ...], list[int]] = {}  # shares → sites of the cell
        for number, share in enumerate(self.shares):
            alike.setdefault(tuple(sorted((one, round(part, _SAME)) for one, part in share.items())), []).append(number)
        for sites in alike.values():
            members = np.flatnonzero(np.isin(origin, sites))
            symbols[members] = filled(self.shares[sites[0]], len(members), rng)
        kept = symbols != VACANT
        box = box[kept]
        box.set_chemical_symbols(list(symbols[kept]))
        return box


def filled(shares: Mapping[str, float], count: int, rng: np.random.Generator) -> list[str]:
    """Elements of ``count`` equivalent sites in random order, each share met to the nearest atom."""
    elements = list(shares)
    exact = np.array([shares[element] for element in elements]) * count / sum(shares.values())
    numbers = np.floor(exact + 1e-9).astype(int)
    numbers[np.argsort(numbers - exact, kind="stable")[: count - numbers.sum()]] += 1
    every = np.repeat(np.arange(len(elements)), numbers)
    return [elements[number] for number in (every if len(elements) == 1 else rng.permutation(every))]


def supercell(atoms: Atoms, min_length: float) -> Atoms:
    """The smallest box, with orthogonal edges along x, y and z, that is nowhere thinner than ``min_length`` [Å].

    Hexagonal, rhombohedral and primitive cubic lattices have such boxes, too; of one that has none (most monoclinic and
    triclinic ones) it is the compact cell, repeated.
    """
    compact, change = minkowski_reduce(atoms.cell)
    steps = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[len(steps) // 2 + 1 :]  # one of each pair of opposite vectors
    lengths = np.linalg.norm(steps @ compact, axis=1)
    steps = steps[np.argsort(lengths, kind="stable")][:_SHORTEST]
    chosen = _square_triple(steps @ compact, min_length)
    matrix = np.rint((steps[chosen] if chosen else np.eye(3)) @ change).astype(int)
    cell = make_supercell(atoms, matrix * round(np.sign(np.linalg.det(matrix))), wrap=True)
    if chosen:
        cell.set_cell(np.diag(cell.cell.lengths()), scale_atoms=True)
    return cell.repeat(_repeats(_heights(cell), min_length).tolist())


def _repeats(edges: Array, min_length: float) -> NDArray[np.intp]:
    """How often each edge has to be repeated."""
    return np.maximum(np.ceil(min_length / edges - 1e-9), 1).astype(np.intp)


def _square_triple(vectors: Array, min_length: float) -> list[int]:
    """Three orthogonal ones of (v, 3) vectors whose box is the smallest that is long enough; [] if there are none."""
    lengths = np.linalg.norm(vectors, axis=1)
    square = np.abs(vectors @ vectors.T) < _SQUARE * lengths[:, None] * lengths[None]
    edges = lengths * _repeats(lengths, min_length)
    best, found = np.inf, []
    for i, j in np.argwhere(np.triu(square)):
        third = np.where(square[i] & square[j], edges, np.inf)
        volume = edges[i] * edges[j] * third.min()
        if volume < best * (1 - 1e-9):
            best, found = volume, [int(i), int(j), int(third.argmin())]
    return found


def _heights(atoms: Atoms) -> Array:
    """(3,) of the cell, from each face to the opposite one [Å]."""
    found: Array = 1 / np.linalg.norm(np.linalg.inv(np.array(atoms.cell)), axis=0)
    return found


def require_sound(atoms: Atoms, *, where: str = "structure") -> None:
    """Refuse atoms that no physics should see: no cell, atoms in one place, no elements.

    Raises
    ------
    SettingsError
        Saying which atoms, and how far apart.
    """
    if not len(atoms):
        raise SettingsError("there is no atom", where=where)
    _require_elements(atoms.get_chemical_symbols(), where)
    if not (np.isfinite(atoms.positions).all() and np.isfinite(np.array(atoms.cell)).all()):
        raise SettingsError("positions or cell are no numbers", where=where)
    if atoms.pbc.any():
        volume = atoms.cell.volume
        if not atoms.pbc.all() or volume < 1e-6 or _heights(atoms).min() < _LEAST_HEIGHT:
            remedy = "Give all three edges in Å; a free particle is periodic in no direction"
            raise SettingsError(f"a cell of {volume:.3g} Å³, or open on a side, is none", where=where, remedy=remedy)
    radii = OVERLAP * covalent_radii[atoms.numbers]
    first, second, apart = neighbor_list("ijd", atoms, radii)
    if len(apart):
        closest = int(np.argmin(apart / (radii[first] + radii[second])))
        one, two = (f"{index + 1} ({atoms[index].symbol})" for index in (first[closest], second[closest]))
        raise SettingsError(
            f"atoms {one} and {two} are {apart[closest]:.2f} Å apart",
            where=where,
            remedy="No bond is so short: of a split site keep the part that is occupied; check the units",
        )


def require_present(atoms: Atoms, element: str, *, where: str = "structure") -> None:
    """Refuse an element, the absorber say, that is not among the atoms.

    Raises
    ------
    SettingsError
        Saying which elements there are.
    """
    present = sorted(set(atoms.get_chemical_symbols()))
    if element not in present:
        raise SettingsError(f"there is no {element}", where=where, remedy=f"It has {', '.join(present)}")


def _require_elements(symbols: Iterable[str], where: str = "structure") -> None:
    wrong = sorted({symbol for symbol in symbols if not is_atom(symbol)})
    if wrong:
        remedy = "Name the elements; types by number have to be translated first"
        raise SettingsError(f"{', '.join(wrong)} is no element", where=where, remedy=remedy)


def _require_share(share: Mapping[str, float]) -> None:
    """Refuse shares that do not add up."""
    remedy = f"Shares of a site add up to 1; that of empty sites is called {VACANT}"
    _require_elements(set(share) - {VACANT}, "composition")
    if set(share) == {VACANT}:
        raise SettingsError("no atom is on a site", where="composition", remedy=remedy)
    require_shares(share, remedy, _ADDS_UP)


def _foremost(share: Mapping[str, float]) -> str:
    """The element of the largest share."""
    return max((element for element in share if element != VACANT), key=lambda element: share[element])
