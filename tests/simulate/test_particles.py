"""Particles against counting: magic numbers, coordination of cuboctahedra, shells of oxide, contact with supports."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase")
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list

from exafsnn.errors import SettingsError
from exafsnn.simulate.cells import UnitCell
from exafsnn.simulate.particles import SHAPES, carved, icosahedron, of_size, oxidised, supported

A = 3.92
PLATINUM = UnitCell.named(f"fcc:{A}", "Pt").atoms
PALLADIUM = UnitCell.named("fcc:3.89", "Pd").atoms
OXIDE = UnitCell.named("cooperite:3.043,5.336", "PdO").atoms
MAGNESIA = UnitCell.named("rocksalt:4.212", "MgO").atoms


def coordination(atoms, one: str, other: str, reach: float) -> float:
    i, j = neighbor_list("ij", atoms, reach)
    symbols = np.array(atoms.get_chemical_symbols())
    return float(np.count_nonzero((symbols[i] == one) & (symbols[j] == other)) / np.count_nonzero(symbols == one))


@pytest.mark.parametrize("m", [1, 2, 3, 4])
def test_cuboctahedra_have_the_atoms_and_bonds_that_counting_gives(m: int) -> None:
    """(10m³ + 15m² + 11m + 3)/3 atoms and 20m³ + 12m² + 4m bonds, m bonds to an edge: 13, 55, 147, 309 atoms."""
    particle = carved(PLATINUM, "cuboctahedron", m * A / 2)
    atoms, bonds = (10 * m**3 + 15 * m**2 + 11 * m + 3) / 3, 20 * m**3 + 12 * m**2 + 4 * m
    assert len(particle) == atoms
    assert coordination(particle, "Pt", "Pt", 0.8 * A) == pytest.approx(2 * bonds / atoms)
    assert not particle.pbc.any()


@pytest.mark.parametrize(("shape", "radius", "atoms"), [
    ("octahedron", A / np.sqrt(3), 19), ("octahedron", 2 * A / np.sqrt(3), 85), ("cube", A / 2, 13),
    ("truncated octahedron", 1.5 * A, 79), ("truncated octahedron", 2 * A, 201),
])  # fmt: skip
def test_other_shapes_have_their_numbers_of_atoms(shape: str, radius: float, atoms: int) -> None:
    assert len(carved(PLATINUM, shape, radius)) == atoms


def test_spheres_are_round_and_full() -> None:
    cell = UnitCell.named("zincblende:5.67", "ZnSe").atoms
    particle = carved(cell, "sphere", 12.0, centre=4)  # on selenium
    around = neighbor_list("ij", cell, 12.0)
    counted = cell.numbers[around[1][around[0] == 4]]
    for number, centre in ((30, 0), (34, 1)):
        assert np.count_nonzero(particle.numbers == number) == np.count_nonzero(counted == number) + centre


@pytest.mark.parametrize(("shells", "atoms"), [(1, 1), (2, 13), (3, 55), (4, 147)])
def test_icosahedra(shells: int, atoms: int) -> None:
    particle = icosahedron("Pt", 2.77, shells)
    assert len(particle) == atoms
    if shells == 3:  # 234 bonds, more than the 216 of the cuboctahedron
        assert coordination(particle, "Pt", "Pt", 1.2 * 2.77) == pytest.approx(2 * 234 / 55)
        apart = neighbor_list("d", particle, 1.2 * 2.77)
        assert apart.mean() == pytest.approx(2.77)


def test_oxide_grows_from_outside_with_its_thickness() -> None:
    share, metal, oxygen = [], [], []
    for thickness in (0.0, 2.5, 5.0, 12.0):
        particle = oxidised(PALLADIUM, OXIDE, "sphere", 10.0, thickness)
        symbols = np.array(particle.get_chemical_symbols())
        share.append(np.mean(symbols == "O"))
        metal.append(coordination(particle, "Pd", "Pd", 2.9))
        oxygen.append(coordination(particle, "Pd", "O", 2.15))
    assert share[0] == 0
    assert np.all(np.diff(share) > 0)
    assert np.all(np.diff(oxygen) > 0)
    assert np.all(np.diff(metal) < 0)
    assert metal[-1] == 0
    assert oxygen[-1] > 2.8


def test_core_and_oxide_do_not_touch() -> None:
    particle = oxidised(PALLADIUM, OXIDE, "cuboctahedron", 9.0, 4.0)
    i, j, apart = neighbor_list("ijd", particle, 3.0)
    radii = covalent_radii[particle.numbers]
    assert (apart / (radii[i] + radii[j])).min() > 0.84


def test_the_core_is_the_metal_s_own() -> None:
    """The middle of an oxidised particle keeps the crystal's twelve neighbours."""
    particle = oxidised(PALLADIUM, OXIDE, "sphere", 11.0, 3.0)
    palladium = particle[particle.numbers == 46]
    middle = particle.positions[particle.numbers == 46].mean(axis=0)
    inner = np.argmin(np.linalg.norm(palladium.positions - middle, axis=1))
    apart = np.linalg.norm(palladium.positions - palladium.positions[inner], axis=1)
    assert np.count_nonzero((apart > 0.1) & (apart < 2.9)) == 12


def test_a_particle_stands_on_its_support() -> None:
    bare = carved(PLATINUM, "cuboctahedron", A)
    whole = supported(bare, MAGNESIA)
    platinum = whole.numbers == 78
    assert np.count_nonzero(platinum) == len(bare)
    assert whole.positions[platinum, 2].min() > whole.positions[~platinum, 2].max()
    i, j, apart = neighbor_list("ijd", whole, 3.5)
    between = platinum[i] & ~platinum[j]
    radii = covalent_radii[whole.numbers]
    assert (apart / (radii[i] + radii[j]))[between].min() == pytest.approx(1.0, abs=1e-6)
    assert coordination(whole, "Pt", "Pt", 3.0) == coordination(bare, "Pt", "Pt", 3.0)
    wide = np.ptp(whole.positions[~platinum], axis=0)[:2] - np.ptp(whole.positions[platinum], axis=0)[:2]
    assert np.all(wide > 2 * 6 - 4.3)


def test_nonsense_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"'star' of radius 5 Å is no particle.*cuboctahedron"):
        carved(PLATINUM, "star", 5.0)
    with pytest.raises(SettingsError, match="radius -1 Å"):
        carved(PLATINUM, "sphere", -1.0)
    with pytest.raises(SettingsError, match="cannot be -1 Å thick"):
        oxidised(PALLADIUM, OXIDE, "sphere", 8.0, -1.0)
    with pytest.raises(SettingsError, match="0 shells"):
        icosahedron("Pt", 2.77, 0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [13, 60, 333])
def test_particles_have_as_many_atoms_as_asked_for(shape: str, count: int) -> None:
    """Inside is the crystal; no atom stands alone on a face."""
    cell = UnitCell.named("fcc:3.924", "Pt").atoms
    found = of_size(cell, shape, count, np.random.default_rng(count))
    assert len(found) == count
    assert not found.pbc.any()
    first = neighbor_list("i", found, 1.1 * 3.924 / np.sqrt(2))
    neighbours = np.bincount(first, minlength=count)
    assert neighbours.min() >= 3
    assert (neighbours.max() == 12) == (count > 13 or shape != "octahedron")
