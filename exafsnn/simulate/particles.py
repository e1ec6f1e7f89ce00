"""Particles of any crystal: cut to a shape, partly oxidised, on a support. Free atoms come out, whole, in an open box.

``alloys`` decides who sits where in them, ``springs`` lets them move. (``structures.nanoparticle`` counts atoms instead
of cutting a shape: the metals' dynamics starts from that.)
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from ase import Atoms
from ase.cluster import Icosahedron
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from scipy.spatial import cKDTree

from exafsnn.errors import SettingsError
from exafsnn.records import Array
from exafsnn.simulate.cells import require_sound

_SHAPES: Mapping[str, tuple[float | None, float | None]] = {
    "sphere": (None, None),
    "cube": (1.0, None),
    "octahedron": (None, 1.0),
    "cuboctahedron": (1.0, 2 / np.sqrt(3)),
    "truncated octahedron": (1.0, np.sqrt(3) / 2),
}
"""How far the faces {100} and {111} are from the middle, over the radius; neither: it is round."""

SHAPES = tuple(_SHAPES)
"""What particles may be cut to."""

_EDGE = 1e-6
"""Atoms on a face belong to the particle [Å]."""

_BONDED = 1.2
"""In a particle of one element, neighbours are no farther apart than so many mean distances."""

_AMPLE, _MARGIN = 1.1, 3.0
"""No shape's radius is larger than so many times that of a ball of as many atoms, and so much [Å]: octahedra's."""

_CONTACT = 0.85
"""Atoms of two crystals that meet are no closer than so many sums of their covalent radii."""


def depth(points: Array, shape: str, radius: float) -> Array:
    """(n,) how far (n, 3) points are below the surface of a shape around the origin [Å]; outside negative.

    Raises
    ------
    SettingsError
        If the shape is not known or has no size.
    """
    if shape not in _SHAPES or radius <= 0:
        remedy = f"Use {', '.join(SHAPES)} and a radius in Å"
        raise SettingsError(f"{shape!r} of radius {radius:g} Å is no particle", where="particle", remedy=remedy)
    found = [share * radius - height for share, height in _heights(points, shape)]
    return np.min(found, axis=0) if found else radius - np.linalg.norm(points, axis=1)


def _heights(points: Array, shape: str) -> list[tuple[float, Array]]:
    """Of each kind of face that a shape has: its distance over the radius, and (n,) how high points are above it."""
    faces = [np.array(normals, dtype=float) * (1 / np.linalg.norm(normals[0])) for normals in _NORMALS]
    return [
        (share, (points @ normals.T).max(axis=1))
        for share, normals in zip(_SHAPES[shape], faces, strict=True)
        if share is not None
    ]


_NORMALS = (
    [tuple(sign * row) for row in np.eye(3) for sign in (1, -1)],
    list(product((1, -1), repeat=3)),
)
"""Of the faces {100} and {111}."""


def carved(cell: Atoms, shape: str, radius: float, *, centre: int = 0) -> Atoms:
    """A particle of a crystal, cut to a shape.

    Parameters
    ----------
    cell
        The crystal; cubic ones with their edges along x, y and z have the faces that the shapes are made of.
    shape
        One of ``SHAPES``.
    radius
        Distance of the faces {100} from the middle, of octahedra that of {111} [Å].
    centre
        Atom of the cell that is in the middle.

    Raises
    ------
    SettingsError
        If the shape is not known, or no atom is inside.
    """
    return _free(_inside(cell, shape, radius, centre))


def of_size(cell: Atoms, shape: str, count: int, rng: np.random.Generator) -> Atoms:
    """A particle of a crystal, of as many atoms; if the outermost sites are not all filled, neighbours are.

    Parameters
    ----------
    cell, shape
        As in `carved`; an atom of the cell is in the middle, drawn too.
    count
        Number of atoms.

    Raises
    ------
    SettingsError
        If the shape is not known, or no atom is wanted.
    """
    if count < 1:
        raise SettingsError(f"a particle of {count} atoms is none", where="particle")
    round_one = (3 * count * cell.get_volume() / len(cell) / (4 * np.pi)) ** (1 / 3)
    block = _inside(cell, shape, _AMPLE * round_one + _MARGIN, int(rng.integers(len(cell))))
    found = [height / share for share, height in _heights(block.positions, shape)]
    radius = np.max(found, axis=0) if found else np.linalg.norm(block.positions, axis=1)
    radius = radius.round(3)
    last = np.sort(radius)[min(count, len(block)) - 1]
    inside, outermost = np.flatnonzero(radius < last), rng.permutation(np.flatnonzero(radius == last))
    chosen = list(inside)
    trees = cKDTree(block.positions), cKDTree(block.positions[outermost])
    nearest = trees[0].query(block.positions[outermost], k=2)[0][:, 1].max()
    near = trees[1].query_ball_point(block.positions, _BONDED * nearest)  # of each atom, the outermost beside it
    bonds = np.zeros(len(outermost))
    for atom in inside:
        bonds[near[atom]] += 1
    while len(chosen) < count:
        place = int(bonds.argmax())
        chosen.append(outermost[place])
        bonds[near[outermost[place]]] += 1
        bonds[place] = -np.inf
    return _free(block[np.sort(chosen)])


def _inside(cell: Atoms, shape: str, radius: float, centre: int = 0) -> Atoms:
    """The crystal's atoms inside a shape around the origin."""
    reach = max(radius * np.sqrt(3) * 1.2, 1.0)
    heights = 1 / np.linalg.norm(np.linalg.inv(np.array(cell.cell)), axis=0)
    numbers = (2 * np.ceil(reach / heights) + 2).astype(int)
    block = cell.repeat(numbers.tolist())
    block.positions -= cell.positions[centre] + (numbers // 2) @ np.array(cell.cell)
    found = block[depth(block.positions, shape, radius) >= -_EDGE]
    if not len(found):
        raise SettingsError(f"no atom is inside a {shape} of {radius:g} Å", where="particle", remedy="Make it larger")
    return found


def _free(atoms: Atoms) -> Atoms:
    """The atoms without a period, in the middle of a box."""
    free = Atoms(atoms.symbols, positions=atoms.positions)
    free.center(vacuum=10.0)
    require_sound(free, where="particle")
    return free


def icosahedron(element: str, nearest: float, shells: int) -> Atoms:
    """Mackay's icosahedron of 1, 13, 55, 147, … atoms (Acta Crystallogr. 15, 916 (1962)).

    Parameters
    ----------
    element
        Its atoms.
    nearest
        Mean distance of nearest neighbours [Å]: those along the radius are 5 % shorter than those of a shell.
    shells
        Shells of atoms, the one in the middle among them.

    Raises
    ------
    SettingsError
        If there is no shell.
    """
    if shells < 1 or nearest <= 0:
        reason = f"an icosahedron of {shells} shells, {nearest:g} Å apart, is none"
        raise SettingsError(reason, where="particle")
    found = Icosahedron(element, shells, latticeconstant=nearest * np.sqrt(2))  # of which the radius has the distance
    if shells > 1:
        found.positions *= nearest / neighbor_list("d", found, _BONDED * nearest).mean()
    return _free(found)


def oxidised(
    metal: Atoms, oxide: Atoms, shape: str, radius: float, thickness: float, *, clearance: float = _CONTACT
) -> Atoms:
    """A particle of a metal below a shell of its oxide; of oxide throughout if the shell is as thick as the radius.

    Parameters
    ----------
    metal, oxide
        Unit cells.
    shape, radius
        Of the whole, as in `carved`.
    thickness
        Of the shell [Å].
    clearance
        Where the crystals meet, oxide is left out that is closer to the metal than so many sums of covalent radii.

    Raises
    ------
    SettingsError
        As in `carved`; or if the thickness is negative.
    """
    if thickness < 0:
        raise SettingsError(f"a shell cannot be {thickness:g} Å thick", where="particle")
    block = _inside(metal, shape, radius)
    core = block[depth(block.positions, shape, radius) >= thickness - _EDGE]
    if thickness == 0:
        return _free(core)
    shell = _inside(oxide, shape, radius)
    shell = shell[depth(shell.positions, shape, radius) < thickness - _EDGE] if len(core) else shell
    return _free(core + shell[~_touching(shell, core, clearance)])


def _touching(atoms: Atoms, others: Atoms, clearance: float) -> np.ndarray:
    """(n,) whether an atom is too close to any of the others."""
    found = np.zeros(len(atoms), dtype=bool)
    for number in np.unique(others.numbers):
        tree = cKDTree(others.positions[others.numbers == number])
        apart, _ = tree.query(atoms.positions)
        found |= apart < clearance * (covalent_radii[atoms.numbers] + covalent_radii[number])
    return found


def supported(particle: Atoms, support: Atoms, *, thickness: float = 6.0, margin: float = 6.0) -> Atoms:
    """A particle on a slab of another crystal, as far above it as the atoms that meet are bonded.

    Parameters
    ----------
    particle
        Free atoms; the side that they have in −z lies on the support.
    support
        Unit cell; its face (001) is the surface.
    thickness, margin
        Of the slab, and how far it goes beyond the particle on all sides [Å]: beyond what an absorber sees.

    Raises
    ------
    SettingsError
        If there is nothing to stand on.
    """
    low, high = particle.positions.min(axis=0), particle.positions.max(axis=0)
    wide = np.array([*(high - low)[:2] + 2 * margin, thickness])
    heights = 1 / np.linalg.norm(np.linalg.inv(np.array(support.cell)), axis=0)
    block = support.repeat((2 * np.ceil(wide / heights) + 1).astype(int).tolist())
    block.positions -= [*block.positions.mean(axis=0)[:2], block.positions[:, 2].max()]
    inside = np.all(np.abs(block.positions[:, :2]) <= wide[:2] / 2, axis=1) & (block.positions[:, 2] > -thickness)
    slab = block[inside]
    if not len(slab):
        raise SettingsError("the slab has no atom", where="support", remedy="Make it thicker")
    upper = particle.copy()
    upper.positions -= [*(0.5 * (low + high))[:2], low[2]]
    upper.positions[:, 2] += _landing(upper, slab)
    return _free(upper + slab)


def _landing(upper: Atoms, slab: Atoms) -> float:
    """How far a particle that stands on z = 0 has to be lifted until its closest atoms are bonded [Å]."""
    contact = covalent_radii[upper.numbers][:, None] + covalent_radii[slab.numbers][None]
    apart = upper.positions[:, None] - slab.positions[None]
    flat = contact**2 - (apart[..., :2] ** 2).sum(axis=2)  # [upper, slab]: what is left for the height
    lifts = np.where(flat > 0, np.sqrt(np.maximum(flat, 0)) - apart[..., 2], -np.inf)
    return float(lifts.max())
