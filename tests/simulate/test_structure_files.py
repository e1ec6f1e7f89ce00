"""Structure files: shared sites of a CIF are alloys and vacancies, whatever way they are written."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ase")
from ase import Atoms
from ase.build import bulk
from ase.io import write

from exafsnn.errors import SettingsError
from exafsnn.simulate.structure_files import read_cell, read_particle

HEAD = """data_{name}
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M '{group}'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
"""


def cif(folder: Path, *rows: str, a: float = 5.7, group: str = "F -4 3 m", name: str = "made") -> Path:
    path = folder / "made.cif"
    path.write_text(HEAD.format(a=a, group=group, name=name) + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def shares_of(path: Path) -> list[dict[str, float]]:
    return [dict(share) for share in read_cell(path).shares]


def test_an_ordered_cif_is_itself(tmp_path: Path) -> None:
    cell = read_cell(cif(tmp_path, "Zn Zn 0 0 0 1", "Se Se 1/4 0.25 0.25 1".replace("1/4", "0.25")))
    assert cell.is_ordered
    assert cell.atoms.get_chemical_formula() == "Se4Zn4"
    assert cell.built(10.0, np.random.default_rng(1)).get_chemical_formula() == "Se32Zn32"


@pytest.mark.parametrize(
    "second",
    ["Cd Cd 0 0 0 0.5", "Cd Cd 0.0004 0 0 0.5", "Cd Cd 1 0 0 0.5", "Cd Cd 0.5 0.5 0 0.5(1)"],
    ids=["same", "rounded", "next cell", "image"],
)
@pytest.mark.parametrize("order", [1, -1])
def test_a_shared_site_is_an_alloy(tmp_path: Path, second: str, order: int) -> None:
    """On a tie, and where the second element is written at an image of the first."""
    rows = ["Zn Zn 0 0 0 0.5", second][::order]
    cell = read_cell(cif(tmp_path, *rows, "Se Se 0.25 0.25 0.25 1"))
    assert not cell.is_ordered
    box = cell.built(11.0, np.random.default_rng(1))
    symbols = box.get_chemical_symbols()
    assert [symbols.count(e) for e in ("Zn", "Cd", "Se")] == [16, 16, 32]


def test_one_element_may_share_a_site_with_itself(tmp_path: Path) -> None:
    """Fe²⁺ and Fe³⁺ on one site fill it."""
    path = cif(tmp_path, "Fe1 Fe2+ 0 0 0 0.333", "Fe2 Fe3+ 0 0 0 0.667", "O O 0.5 0.5 0.5 1", a=4.3, group="F m -3 m")
    cell = read_cell(path)
    assert cell.is_ordered
    assert cell.atoms.get_chemical_formula() == "Fe4O4"


def test_a_site_that_is_not_full_has_vacancies(tmp_path: Path) -> None:
    path = cif(tmp_path, "Fe Fe 0 0 0 0.94", "O O 0.5 0.5 0.5 ?", a=4.3, group="F m -3 m")
    box = read_cell(path).built(12.0, np.random.default_rng(1))
    symbols = box.get_chemical_symbols()
    assert symbols.count("Fe") == round(0.94 * symbols.count("O"))


@pytest.mark.parametrize("order", [1, -1])
def test_sites_in_rows_of_their_own_are_shared_together(tmp_path: Path, order: int) -> None:
    """As programs write them that know no symmetry: no row alone could lack a twentieth of eight atoms."""
    places = ("0 0 0", "0.5 0.5 0", "0.5 0 0.5", "0 0.5 0.5")
    rows = [f"{element} {element} {place} {part}" for place in places for element, part in (("Pt", 0.5), ("Ni", 0.45))]
    box = read_cell(cif(tmp_path, *rows[::order], a=3.8, group="P 1")).built(11.0, np.random.default_rng(1))
    assert Counter(box.get_chemical_symbols()) == {"Pt": 54, "Ni": 49}  # of 108


def test_hydrogen_has_no_edge_and_is_an_atom(tmp_path: Path) -> None:
    cell = read_cell(cif(tmp_path, "Pd Pd 0 0 0 1", "H H 0.5 0.5 0.5 0.5", a=4.1, group="F m -3 m"))
    assert Counter(cell.built(8.0, np.random.default_rng(1)).get_chemical_symbols()) == {"Pd": 32, "H": 16}


def test_a_full_site_never_holds_more(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"made\.cif: Zn 0\.7, Cd 0\.6 add up to 1\.3"):
        read_cell(cif(tmp_path, "Zn Zn 0 0 0 0.7", "Cd Cd 0 0 0 0.6", "Se Se 0.25 0.25 0.25 1"))


def test_a_split_site_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"are 0\.\d\d Å apart.*split site"):
        read_cell(cif(tmp_path, "Zn Zn 0 0 0 0.5", "Zn Zn 0.05 0.05 0.05 0.5", "Se Se 0.25 0.25 0.25 1"))


def test_coordinates_of_few_digits_make_no_second_atom(tmp_path: Path) -> None:
    path = tmp_path / "zno.cif"
    text = (
        HEAD.format(a=3.25, group="P 63 m c", name="zno").replace("_c 3.25", "_c 5.2").replace("gamma 90", "gamma 120")
    )
    path.write_text(text + "Zn Zn 0.333 0.667 0 1\nO O 0.333 0.667 0.382 1\n", encoding="utf-8")
    cell = read_cell(path)
    assert cell.atoms.get_chemical_formula() == "O2Zn2"
    assert cell.built(9.0, np.random.default_rng(1)).cell.orthorhombic


@pytest.mark.parametrize("name", ["POSCAR", "made.xyz", "made.xsf"])
def test_other_formats_through_ase(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write(path, bulk("NiO", "rocksalt", a=4.178), format="extxyz" if name.endswith("xyz") else None)
    box = read_cell(path).built(8.0, np.random.default_rng(1))
    assert box.cell.lengths() == pytest.approx([8.356] * 3)
    assert box.get_chemical_symbols().count("Ni") * 2 == len(box)


def test_what_is_no_structure_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_cell(tmp_path / "none.cif")
    (tmp_path / "text.cif").write_text("nothing of the kind\n")
    with pytest.raises(SettingsError, match=r"text\.cif: .*"):
        read_cell(tmp_path / "text.cif")
    write(tmp_path / "free.xyz", bulk("Cu"), format="xyz")
    with pytest.raises(SettingsError, match=r"it has no cell.*free particle"):
        read_cell(tmp_path / "free.xyz")
    write(tmp_path / "many.xyz", [bulk("Cu"), bulk("Cu")], format="extxyz")
    with pytest.raises(SettingsError, match="it holds 2 structures"):
        read_cell(tmp_path / "many.xyz")


def test_types_that_are_no_elements_are_refused(tmp_path: Path) -> None:
    """ASE would call type 1 hydrogen, or guess by mass."""
    path = tmp_path / "frames.lammpsdata"
    write(path, bulk("Cu", cubic=True), format="lammps-data")
    with pytest.raises(SettingsError, match=r"numbers its atoms' types.*extended XYZ"):
        read_cell(path)


def test_a_site_that_is_split_by_symmetry_is_refused(tmp_path: Path) -> None:
    """Six images of a sixth of an atom, a tenth of an ångström apart, are one atom that the file tells otherwise."""
    with pytest.raises(SettingsError, match=r"are 0\.1\d Å apart.*split site"):
        read_cell(cif(tmp_path, "Cs Cs 0.004 0 0 0.1667", "Cl Cl 0.5 0.5 0.5 1", group="P m -3 m", a=20.0))


def test_rows_that_nearly_meet_share_their_sites(tmp_path: Path) -> None:
    """Eight images each, pairwise in one place: together too much."""
    rows = ["Zn Zn 0.25 0.25 0.25 1", "Cd Cd 0.2504 0.2504 0.2504 0.1"]
    with pytest.raises(SettingsError, match=r"Zn 1, Cd 0\.1 add up to 1\.1"):
        read_cell(cif(tmp_path, *rows, group="P m -3 m"))


def test_free_particles_need_no_cell(tmp_path: Path) -> None:
    write(tmp_path / "free.xyz", Atoms("Pt2", [[0, 0, 0], [0, 0, 2.7]]), format="xyz")
    assert not read_particle(tmp_path / "free.xyz").pbc.any()
    write(tmp_path / "close.xyz", Atoms("Pt2", [[0, 0, 0], [0, 0, 1.2]]), format="xyz")
    with pytest.raises(SettingsError, match=r"close\.xyz: atoms .* 1\.20 Å apart"):
        read_particle(tmp_path / "close.xyz")
