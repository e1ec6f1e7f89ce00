"""Springs: σ² as asked for, surfaces that move more, alloys whose bonds keep their own lengths."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase")
from ase.neighborlist import neighbor_list

from exafsnn.errors import SettingsError
from exafsnn.simulate.alloys import vegard
from exafsnn.simulate.cells import UnitCell
from exafsnn.simulate.particles import carved
from exafsnn.simulate.springs import Springs, bond_variance, solid_of, springs_for
from exafsnn.simulate.vibrations import Motion, modes_of, moving

RNG = np.random.default_rng
PLATINUM = UnitCell.named("fcc:3.924", "Pt")
GALLIUM, INDIUM = 2.448, 2.623
"""Bonds of GaAs and InAs [Å]."""


def mean_bond(atoms, one: str, other: str, reach: float) -> float:
    i, j, apart = neighbor_list("ijd", atoms, reach)
    symbols = np.array(atoms.get_chemical_symbols())
    return float(apart[(symbols[i] == one) & (symbols[j] == other)].mean())


@pytest.mark.parametrize(
    ("text", "formula", "sigma2"),
    [("fcc:3.924", "Pt", 0.0049), ("bcc:2.8665", "Fe", 0.0050), ("hcp:2.507,4.07", "Co", 0.0062),
     ("zincblende:5.6687", "ZnSe", 0.0060), ("rocksalt:4.178", "NiO", 0.0075), ("fluorite:5.41", "CeO2", 0.0070)],
)  # fmt: skip
def test_bonds_have_the_width_asked_for_and_no_mode_is_soft(text: str, formula: str, sigma2: float) -> None:
    cell = UnitCell.named(text, formula).atoms
    springs = springs_for(cell, sigma2)
    solid = solid_of(UnitCell.named(text, formula).built(8.9, RNG(1)), springs)
    assert bond_variance(solid, 300.0)[0].mean() == pytest.approx(sigma2, rel=0.03)
    assert len(modes_of(solid).quanta) == 3 * len(solid.atoms) - 3


def test_next_neighbours_have_their_width_too() -> None:
    cell = UnitCell.named("zincblende:5.6687", "ZnSe")
    springs = springs_for(cell.atoms, 0.0060, 0.0165)
    assert 0.05 < springs.next_share < 0.2
    found = bond_variance(solid_of(cell.built(8.9, RNG(1)), springs), 300.0)
    assert [width.mean() for width in found] == pytest.approx([0.0060, 0.0165], rel=0.03)


def test_atoms_of_a_surface_move_more() -> None:
    springs = springs_for(PLATINUM.atoms, 0.0049)
    particle = carved(PLATINUM.atoms, "cuboctahedron", 2 * 3.924 / 2)
    solid = solid_of(particle, springs)
    assert len(modes_of(solid).quanta) == 3 * 55 - 6
    assert bond_variance(solid, 300.0)[0].mean() > 1.1 * 0.0049
    widths, _ = bond_variance(solid, 300.0)
    assert widths.max() > 1.5 * widths.min()


def test_bonds_of_an_alloy_keep_their_own_lengths() -> None:
    """Ga₀.₅In₀.₅As: the lattice follows Vegard, the bonds hardly (Mikkelsen & Boyce, Phys. Rev. Lett. 49, 1412 (1982)):
    they keep about 80 % of their difference, here by the lattice's own rigidity."""
    half = {"GaAs": 0.5, "InAs": 0.5}
    a = vegard(half, {"GaAs": GALLIUM * 4 / np.sqrt(3), "InAs": INDIUM * 4 / np.sqrt(3)})
    cell = UnitCell.named(f"zincblende:{a}", "GaAs").alloyed({"Ga": {"Ga": 0.5, "In": 0.5}})
    box = cell.built(11.0, RNG(1))
    springs = Springs(6.0, lengths={"Ga-As": GALLIUM, "In-As": INDIUM})
    solid = solid_of(box, springs)
    gallium, indium = (mean_bond(solid.atoms, element, "As", 2.9) for element in ("Ga", "In"))
    kept = (indium - gallium) / (INDIUM - GALLIUM)
    assert 0.65 < kept < 0.95
    assert 0.5 * (gallium + indium) == pytest.approx(a * np.sqrt(3) / 4, abs=0.01)
    assert mean_bond(box, "Ga", "As", 2.9) == pytest.approx(a * np.sqrt(3) / 4)
    assert solid.atoms.cell.lengths() == pytest.approx(box.cell.lengths())


def test_a_pure_crystal_stays_where_it_is() -> None:
    box = PLATINUM.built(7.0, RNG(1))
    solid = solid_of(box, Springs(4.0, lengths={"Pt-Pt": 3.924 / np.sqrt(2)}))
    assert solid.provenance["relaxed"] < 1e-6


def test_an_alloy_moves_about_its_displaced_sites() -> None:
    cell = UnitCell.named("fcc:3.97", "Pt").alloyed({"Pt": {"Pt": 0.75, "Sn": 0.25}})
    solid = solid_of(cell.built(7.5, RNG(2)), Springs(4.0, lengths={"Pt-Pt": 2.78, "Pt-Sn": 2.83}))
    trajectory = moving(solid, Motion(300.0, frames=300, asymmetry=1.0), RNG(3))
    assert trajectory.periodic
    assert np.abs(trajectory.frames.mean(axis=0) - solid.atoms.positions).max() < 0.04
    assert solid.provenance["relaxed"] > 0.01


def test_nonsense_is_refused() -> None:
    box = PLATINUM.built(7.0, RNG(1))
    with pytest.raises(SettingsError, match=r"there is no bond Pt-Au.*Elements are Pt"):
        solid_of(box, Springs(4.0, lengths={"Pt-Au": 2.8}))
    with pytest.raises(SettingsError, match="none of a bond"):
        springs_for(PLATINUM.atoms, 5.0)
    with pytest.raises(SettingsError, match="none of a bond"):
        springs_for(PLATINUM.atoms, 1e-5)
    with pytest.raises(SettingsError, match="no springs give next neighbours"):
        springs_for(PLATINUM.atoms, 0.005, 1e-4)
    with pytest.raises(SettingsError, match="stiffness = -1"):
        Springs(-1.0)


def test_bonds_of_a_pair_may_be_firmer() -> None:
    """Bonds of nickel in an ordered Pt₃Ni, twice as stiff as those of platinum alone: they vibrate less."""
    box = UnitCell.named("l1_2:3.84", "Pt3Ni").built(7.0, RNG(1))
    symbols = np.array(box.get_chemical_symbols())
    first, second = neighbor_list("ij", box, 3.0)
    once = first < second
    unlike = (symbols[first] != symbols[second])[once]

    def ratio(springs: Springs) -> float:
        widths = modes_of(solid_of(box, springs)).pair_variance(
            np.column_stack([first, second])[once], _along(box, first, second)[once], 3000.0
        )
        return float(widths[unlike].mean() / widths[~unlike].mean())

    assert ratio(Springs(2.5, stiffnesses={"Ni-Pt": 5.0})) < 0.8 * ratio(Springs(2.5))
    assert ratio(Springs(2.5, stiffnesses={"Pt-Ni": 5.0})) == pytest.approx(
        ratio(Springs(2.5, stiffnesses={"Ni-Pt": 5.0}))
    )


def _along(atoms, first, second) -> np.ndarray:
    vectors = neighbor_list("D", atoms, 3.0)
    return vectors / np.linalg.norm(vectors, axis=1)[:, None]
