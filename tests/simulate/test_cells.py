"""Unit cells: orthogonal boxes keep their shells, shares are met to the atom, nonsense is named."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase")
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from exafsnn.errors import SettingsError
from exafsnn.simulate.cells import UnitCell, filled, require_present, require_sound, supercell

RNG = np.random.default_rng


def shell(atoms: Atoms, one: str, other: str, r: float) -> float:
    """Mean number of such neighbours at a distance."""
    i, j, d = neighbor_list("ijd", atoms, r + 0.02)
    symbols = np.array(atoms.get_chemical_symbols())
    found = (symbols[i] == one) & (symbols[j] == other) & (d > r - 0.02)
    return float(np.count_nonzero(found) / np.count_nonzero(symbols == one))


@pytest.mark.parametrize(
    ("text", "formula", "pair", "number", "distance"),
    [
        ("zincblende:5.6687", "ZnSe", ("Zn", "Se"), 4, 2.4546),
        ("rocksalt:4.178", "NiO", ("Ni", "Ni"), 12, 2.9543),
        ("wurtzite:4.135,6.749", "CdS", ("Cd", "Cd"), 12, 4.1350),
        ("corundum:5.035,13.747,0.3553,0.306", "Fe2O3", ("Fe", "O"), 3, 1.9455),
        ("layered:2.878,14.19,0.2585", "LiNiO2", ("Ni", "O"), 6, 1.9734),
        ("cooperite:3.043,5.336", "PdO", ("Pd", "O"), 4, 2.0238),
    ],
)
def test_boxes_are_orthogonal_and_keep_their_shells(text, formula, pair, number, distance) -> None:
    box = UnitCell.named(text, formula).built(9.0, RNG(1))
    assert box.cell.orthorhombic
    assert np.allclose(np.array(box.cell), np.diag(box.cell.lengths()))
    assert 9.0 <= box.cell.lengths().min() < 18.0
    assert shell(box, *pair, distance) == number


@pytest.mark.parametrize("phase", ["fcc", "bcc", "hcp", "diamond"])
def test_primitive_cells_become_orthogonal_however_they_lie(phase: str) -> None:
    primitive = bulk("Si", phase, a=3.6, c=5.8) if phase == "hcp" else bulk("Si", phase, a=3.6)
    primitive.rotate(37, (1, 2, 3), rotate_cell=True)
    cell = supercell(primitive, 0.0)
    assert cell.cell.orthorhombic
    assert cell.get_volume() / len(cell) == pytest.approx(primitive.get_volume() / len(primitive))
    assert len(cell) <= {"fcc": 2, "bcc": 2, "hcp": 4, "diamond": 4}[phase] * 1.01
    one, other = (
        np.histogram(neighbor_list("d", a, 4.5), np.arange(0.02, 4.5, 0.05))[0] / len(a) for a in (cell, primitive)
    )
    assert np.allclose(one, other)


def test_a_lattice_without_right_angles_is_repeated_as_it_is() -> None:
    skew = Atoms("Cu", cell=[[3, 0, 0], [0.31, 4, 0], [0.77, 0.53, 5]], pbc=True)
    box = supercell(skew, 8.0)
    assert not box.cell.orthorhombic
    assert box.get_volume() == pytest.approx(len(box) * skew.get_volume())
    assert (1 / np.linalg.norm(np.linalg.inv(np.array(box.cell)), axis=0)).min() >= 8.0


def test_shares_are_met_to_the_nearest_atom() -> None:
    cell = UnitCell.named("zincblende:5.8", "ZnSe").alloyed({"Zn": {"Zn": 0.7, "Cd": 0.2, "vacant": 0.1}})
    box = cell.built(16.0, RNG(1))
    symbols = box.get_chemical_symbols()
    assert [symbols.count(e) for e in ("Zn", "Cd", "Se")] == [67, 19, 96]  # of 96: 67.2, 19.2 and 9.6 vacant
    assert cell.composition == pytest.approx({"Zn": 0.7 / 1.9, "Cd": 0.2 / 1.9, "Se": 1 / 1.9})
    assert not cell.is_ordered


def test_the_generator_alone_decides_which_sites() -> None:
    cell = UnitCell.named("fcc:3.8", "Pt").alloyed({"Pt": {"Pt": 0.5, "Sn": 0.5}})
    one, same, other = (cell.built(10.0, RNG(seed)).numbers for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("count", [1, 3, 7, 100])
def test_filling_never_loses_a_site(count: int) -> None:
    found = filled({"A": 1 / 3, "B": 1 / 3, "C": 1 / 3}, count, RNG(3))
    assert len(found) == count
    assert all(abs(found.count(letter) - count / 3) < 1 for letter in "ABC")


def test_pairs_are_tied_by_the_composition_in_any_alloy() -> None:
    box = UnitCell.named("fcc:3.8", "Pd").alloyed({"Pd": {"Pd": 0.63, "Au": 0.37}}).built(15.0, RNG(5))
    numbers = {e: box.get_chemical_symbols().count(e) for e in ("Pd", "Au")}
    r = 3.8 / np.sqrt(2)
    assert numbers["Pd"] * shell(box, "Pd", "Au", r) == pytest.approx(numbers["Au"] * shell(box, "Au", "Pd", r))
    assert shell(box, "Pd", "Au", r) + shell(box, "Pd", "Pd", r) == pytest.approx(12)


@pytest.mark.parametrize(
    ("share", "message"),
    [
        ({"Zn": 0.7, "Cd": 0.2}, "add up to 0.9.*vacant"),
        ({"Zn": 1.2, "Cd": -0.2}, "from 0 to 1"),
        ({"Zn": 0.5, "Xx": 0.5}, "Xx is no element"),
        ({}, "got none"),
        ({"vacant": 1.0}, "no atom is on a site"),
    ],
)
def test_compositions_that_do_not_add_up_are_refused(share, message) -> None:
    with pytest.raises(SettingsError, match=message):
        UnitCell.named("zincblende:5.8", "ZnSe").alloyed({"Zn": share})


def test_what_no_physics_should_see_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"atoms 1 \(Fe\) and 2 \(O\) are 1.00 Å apart.*split site"):
        require_sound(Atoms("FeO", [[0, 0, 0], [0, 0, 1]], cell=[5, 5, 5], pbc=True))
    with pytest.raises(SettingsError, match=r"a cell of 0 Å³, or open on a side, is none"):
        require_sound(Atoms("Fe", cell=[5, 5, 0], pbc=True))
    with pytest.raises(SettingsError, match="X is no element"):
        require_sound(Atoms("X"))
    with pytest.raises(SettingsError, match="no numbers"):
        require_sound(Atoms("Fe", [[np.nan, 0, 0]]))
    with pytest.raises(SettingsError, match=r"there is no Pt.*It has Se, Zn"):
        require_present(UnitCell.named("zincblende:5.8", "ZnSe").atoms, "Pt")
    with pytest.raises(SettingsError, match="there is no Cu"):
        UnitCell.named("zincblende:5.8", "ZnSe").alloyed({"Cu": {"Cu": 1.0}})
