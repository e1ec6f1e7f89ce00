"""Structure files of standards: their crystals are told, and what no standard can be is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.io import write

from exafsnn.errors import SettingsError
from exafsnn.records import ChiK
from exafsnn.run.scans import predict_scans
from exafsnn.run.series import follow
from exafsnn.run.structures import Given, structure_given

KNOWN = {
    "bcc:2.87": bulk("Fe"), "fcc:3.92": bulk("Pt", cubic=True), "hcp:2.51,4.0712": bulk("Co"),
    "zincblende:5.668": bulk("ZnSe", "zincblende", 5.668), "rocksalt:4.177": bulk("NiO", "rocksalt", 4.177),
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("form", ["standard.cif", "POSCAR"])
def test_the_crystal_of_a_file_is_named(tmp_path: Path, name: str, form: str) -> None:
    """Of a primitive cell, a cubic one and a supercell; within the digits of the file."""
    for atoms in (KNOWN[name], make_supercell(KNOWN[name], [[0, 1, 1], [1, 2, 0], [1, 0, 0]])):
        path = tmp_path / form
        write(path, atoms)
        kind, _, lengths = structure_given(str(path)).name.partition(":")
        expected, _, constants = name.partition(":")
        assert kind == expected
        found, true = ([float(length) for length in text.split(",")] for text in (lengths, constants))
        assert found == pytest.approx(true, rel=2e-4)


def test_a_name_stays_as_it_is() -> None:
    assert structure_given("fcc:3.9242") == Given("fcc:3.9242")


@pytest.mark.parametrize(
    ("atoms", "said"),
    [
        (bulk("ZnO", "wurtzite", a=3.25, c=5.2), "holds OZn|holds ZnO"),
        (bulk("Si", "diamond", 5.43), "holds Si"),
        (bulk("CsCl", "cesiumchloride", 4.1), "holds C"),
        (Atoms("FePt", scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]], cell=[2.7, 2.7, 3.7], pbc=True), "holds FePt"),
        (bulk("Pt").repeat(3)[1:], "holds Pt"),
    ],
    ids=["wurtzite", "diamond", "CsCl", "an alloy", "a vacancy"],
)
def test_other_crystals_are_refused_by_name(tmp_path: Path, atoms: Atoms, said: str) -> None:
    write(tmp_path / "other.cif", atoms)
    with pytest.raises(SettingsError, match=said) as raised:
        structure_given(str(tmp_path / "other.cif"))
    assert "bcc, fcc, hcp, zincblende or rocksalt" in str(raised.value)


def test_shared_sites_are_told(tmp_path: Path) -> None:
    path = tmp_path / "alloy.cif"
    write(path, bulk("Pt", cubic=True))
    text = path.read_text().replace("1.0000", "0.5000")
    path.write_text(text)
    with pytest.raises(SettingsError, match="some sites of which are shared"):
        structure_given(str(path))


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.cif").write_text("x y")
    with pytest.raises(SettingsError, match=r"notes.cif: is no structure that can be read\. Give a CIF"):
        structure_given(str(tmp_path / "notes.cif"))


@pytest.mark.parametrize("text", ["foil.cif", "POSCAR_missing", "bcc2.87", ".", "x" * 400])
def test_what_is_neither_a_name_nor_a_file(text: str) -> None:
    with pytest.raises(
        SettingsError, match=r"is neither a file nor a crystal\. Give the path of a CIF or POSCAR, or name"
    ):
        structure_given(text)


def test_a_crystal_of_another_element_is_refused(tmp_path: Path, make_chi: Callable[..., ChiK]) -> None:
    write(tmp_path / "iron.cif", bulk("Fe"))
    write(tmp_path / "gold.cif", bulk("Au"))
    assert structure_given(str(tmp_path / "iron.cif")).of(make_chi()) == "bcc:2.87"
    with pytest.raises(SettingsError, match=r"gold.cif holds Au, the standard fe.300 is of Fe"):
        structure_given(str(tmp_path / "gold.cif")).of(make_chi())


def test_a_file_serves_as_its_name_does(tmp_path: Path) -> None:
    """For references, and for the first scan of a series."""
    write(tmp_path / "iron.cif", bulk("Fe", a=2.8665))
    scans = [f"spectra/fe_{kelvin}K.dat" for kelvin in ("0300", "0400")]
    by_file, by_name = (
        [outcome.prediction for outcome in predict_scans(scans[1:], references=scans[:1], structure=structure)]
        for structure in (str(tmp_path / "iron.cif"), "bcc:2.8665")
    )
    assert by_file[0]
    assert by_name[0]
    assert by_file[0].shells == by_name[0].shells
    assert "(bcc:2.8665)" in by_file[0].history[-1]
    one, other = (
        follow(scans, against="order", structure=structure).standard
        for structure in (str(tmp_path / "iron.cif"), "bcc:2.8665")
    )
    assert one == other


def test_without_ase_a_name_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "iron.cif", bulk("Fe"))
    monkeypatch.setitem(sys.modules, "exafsnn.simulate.structure_files", None)
    with pytest.raises(SettingsError, match=r"ASE, which reads .*iron.cif, is not there\. Install it with"):
        structure_given(str(tmp_path / "iron.cif"))
    assert structure_given("fcc:3.9242").name == "fcc:3.9242"
