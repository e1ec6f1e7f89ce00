"""Real scans: every one of the shared folder is read and gives χ(k); repeats agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.edges import tabulated
from exafsnn.measure.scans import remove_background
from exafsnn.read.scan import read, read_one
from exafsnn.records import ChiK, Spectrum

SIMULATED = Path(__file__).parents[2] / "spectra"

SCANS = {
    "fe/fe.060": ("Fe", "K", 19.0),
    "fe/fe.061": ("Fe", "K", 19.0),
    "fe/fe.062": ("Fe", "K", 19.0),
    "fe/fe.300": ("Fe", "K", 19.0),
    "fe/fe.301": ("Fe", "K", 19.0),
    "fe/Fe_metal_rt_02.xdi": ("Fe", "K", 15.0),
    "cu/cu_metal_10K.xdi": ("Cu", "K", 18.0),
    "cu/cu050k.dat": ("Cu", "K", 18.0),
    "cu/cu150k.dat": ("Cu", "K", 12.5),
    "cu/cu_metal_rt.xdi": ("Cu", "K", 15.0),
    "metals/Ni_metal_rt_01.xdi": ("Ni", "K", 16.0),
    "metals/co_metal_rt.xdi": ("Co", "K", 14.0),
    "metals/pt_metal_rt.xdi": ("Pt", "L3", 16.0),
    "metals/Au_Foil_L3_rt_2016Foils.xdi": ("Au", "L3", 12.5),
    "metals/W_metal_rt_01.xdi": ("W", "L3", 16.0),
    "metals/V_foil.xdi": ("V", "K", 11.0),
    "znse/zn_znse_rt.xdi": ("Zn", "K", 13.0),
    "znse/Se_ZnSe_rt_01.xdi": ("Se", "K", 13.0),
    "oxides/FeO_rt_01.xdi": ("Fe", "K", 11.0),
    "oxides/Fe2O3_rt_01.xdi": ("Fe", "K", 14.0),
    "oxides/fes2_rt01_mar02.xmu": ("Fe", "K", 14.0),
    "oxides/SrO_10K_01.xdi": ("Sr", "K", 13.0),
    "oxides/SrO_rt_01.xdi": ("Sr", "K", 13.0),
    "nanoparticles/xafs_TEC10E50E_20231031_H.nor": ("Pt", "L3", 16.0),
    "nanoparticles/xafs_TEC10E50E_20231031_H.chik": ("Pt", "L3", 16.0),
    "disordered/Ge.prj": ("Ge", "K", 13.5),
    "compounds/NiO_001.dat": ("Ni", "K", 16.0),
    "compounds/NiO_001_Ni_foil.dat": ("Ni", "K", 16.0),
    "compounds/Chorover13BM_ZnS_aldrich_rt_01.xdi": ("Zn", "K", 11.5),
    "compounds/gaas_roomt_01.xdi": ("As", "K", 13.0),
    "metals/Pd_foil_Pd_K.dat": ("Pd", "K", 15.5),
    "metals/Mo_foil_Mo_K.dat": ("Mo", "K", 15.5),
    "metals/Pdfoil-Feb08-X18B.chik": ("Pd", "K", 18.0),
    "metals/Ptfoil.chik": ("Pt", "L3", 17.5),
    "nanoparticles/Pd_SHP_01F_He_RT_R.chik": ("Pd", "K", 17.5),
    "nanoparticles/Pd_SHP_01F_H2-293K.chik": ("Pd", "K", 15.5),
    "nanoparticles/Pt_SiO2.chik": ("Pt", "L3", 17.5),
}
"""Absorber, edge, and the k [Å⁻¹] to which the scan is usable at least."""

OPERANDO = {
    f"operando_ni/norm_{name}_av240_00001.txt": ("Ni", "K", 17.0)
    for name in (
        *("op2_cell4_pos1_dq1_0001", "op2_cell4_pos1_dq1_0020", "op2_cell4_pos1_dq1_0039", "op2_cell4_pos1_dq1_0058"),
        *("op2_cell4_pos2_dq1_0019", "op2_cell4_pos2_dq1_0038", "op2_cell4_pos2_dq1_0057", "op3_cell4_pos1_dq1_0018"),
        *("op3_cell4_pos1_dq1_0037", "op3_cell4_pos2_dq1_0012", "op3_cell4_pos2_dq1_0031"),
        *("op4_cell4_pos1_close_0006", "op4_cell4_pos1_close_0025", "op4_cell4_pos1_close_0044"),
        *("op4_cell4_pos2_dq1_0005", "op4_cell4_pos2_dq1_0024", "op4_cell4_pos2_dq1_0043"),
        *("op5_cell4_pos1_close_0004", "op5_cell4_pos1_close_0023", "op5_cell4_pos2_dq1_0003"),
        *("op5_cell4_pos2_dq1_0022", "op6_cell4_pos1_close_0002", "op6_cell4_pos1_close_0021"),
        "op6_cell4_pos2_dq1_0010",
    )
}
"""Scans of a cell, whose foil is the column ``reference``: it is named, as labels of that program are not known yet."""

FOIL_OF_THE_CELL = "energy=1,mu=3"

OFF_AXIS = {"oxides/SrO_10K_01.xdi": 40.0}
"""Monochromator that far off [eV], and no usable reference in the file."""


def chi_of(measured):
    return measured.to_chi()


@pytest.mark.parametrize("name", [*SCANS, *OPERANDO])
def test_every_scan(name, data_dir):
    absorber, edge, k_usable = (SCANS | OPERANDO)[name]
    for chi in map(chi_of, read(data_dir / name, columns=FOIL_OF_THE_CELL if name in OPERANDO else None)):
        assert (chi.absorber, chi.edge) == (absorber, edge)
        assert abs(chi.e0 - tabulated(absorber, edge)) < OFF_AXIS.get(name, 15.0)
        assert chi.k_max_usable >= k_usable
        assert 1e-5 < chi.noise < 2e-3
        assert np.abs(chi.k**2 * chi.chi)[chi.k > 3].max() < 8


ALARMS = {
    "dead-monitor", "glitch", "many-glitches", "saturated", "step", "stuck", "uncertain-repair", "wide-glitch",
}  # fmt: skip


def test_clean_scans_give_no_alarm(data_dir):
    scans = [scan for name in SCANS for scan in read(data_dir / name) if isinstance(scan, Spectrum)]
    found = [{finding.name for finding in remove_background(scan).findings} for scan in scans]  # none is rejected
    assert len(scans) >= 27
    assert sum(bool(names & ALARMS) for names in found) <= len(scans) / 20


def test_clean_simulated_scans_give_no_alarm():
    for path in sorted(SIMULATED.glob("*.dat")):
        names = {finding.name for finding in remove_background(read_one(path)).findings}
        assert not names & ALARMS, path.name


@pytest.mark.parametrize("name", ["fe/fe.300", "fe/fe.060", "fe/Fe_metal_rt_02.xdi"])
def test_chi_of_a_clean_scan_is_larchs(name, data_dir):
    """Nothing is repaired where nothing is wrong, and no parameter is other than it says."""
    from larch import Group
    from larch.xafs import autobk, pre_edge

    scan = read_one(data_dir / name)
    chi = chi_of(scan)
    group = Group(energy=scan.energy.copy(), mu=scan.mu.copy())
    line = {key: chi.settings[key] for key in ("pre1", "pre2", "norm1", "norm2", "nnorm", "nvict")}
    pre_edge(group, e0=chi.e0, **line)
    same = ("rbkg", "kmin", "kmax", "kweight", "dk", "clamp_lo", "clamp_hi", "nclamp")
    autobk(group, ek0=chi.e0, **{key: chi.settings[key] for key in same})
    assert np.abs(chi.k**2 * (chi.chi - group.chi)).max() < 1e-6 * np.abs(chi.k**2 * group.chi).max()
    assert chi.edge_step == pytest.approx(group.edge_step)


def test_the_table_is_complete(data_dir):
    there = {
        str(path.relative_to(data_dir))
        for path in data_dir.rglob("*.*")
        if path.is_file() and path.suffix not in (".md", "")
    }
    assert there == {*SCANS, *OPERANDO}


def test_temperatures(data_dir):
    assert read_one(data_dir / "cu/cu_metal_10K.xdi").temperature == 10.0
    assert read_one(data_dir / "oxides/SrO_10K_01.xdi").temperature == 10.0
    assert read_one(data_dir / "fe/Fe_metal_rt_02.xdi").temperature == 295.0
    assert read_one(data_dir / "fe/fe.300").temperature is None


def test_repeats_agree_and_cold_iron_rings_longer(data_dir):
    cold, again, warm = (chi_of(read_one(data_dir / "fe" / name)) for name in ("fe.060", "fe.061", "fe.300"))
    inside = (cold.k > 3) & (cold.k < 15)
    rms = [np.sqrt(np.mean((chi.k**2 * chi.chi)[inside] ** 2)) for chi in (cold, again, warm)]
    change = np.sqrt(np.mean((cold.k**2 * (cold.chi - again.chi))[inside] ** 2))
    assert change < 0.01 * rms[0]
    assert rms[0] > 1.3 * rms[2]


def test_crystal_and_glass_in_one_project(data_dir):
    assert [s.record for s in read(data_dir / "disordered/Ge.prj")] == ["Ge_x19a.txt", "aGe Dale 20ID", "aGe Joe 33BM"]


def test_chi_from_elsewhere_agrees_with_ours(data_dir):
    folder = data_dir / "nanoparticles"
    theirs = read_one(folder / "xafs_TEC10E50E_20231031_H.chik")
    ours = chi_of(read_one(folder / "xafs_TEC10E50E_20231031_H.nor"))
    assert isinstance(theirs, ChiK)
    assert theirs.e0 == 11563.425
    inside = (theirs.k > 4) & (theirs.k < 14)
    mine = np.interp(theirs.k + 0.0, ours.k, ours.chi)
    assert np.corrcoef((theirs.k**2 * theirs.chi)[inside], (theirs.k**2 * mine)[inside])[0, 1] > 0.8


def test_the_same_scan_as_beamline_and_as_archive(data_dir, beamlines):
    raw, archived = chi_of(read_one(beamlines / "APS13ID_2008.dat")), chi_of(read_one(data_dir / "znse/zn_znse_rt.xdi"))
    assert raw.e0 == pytest.approx(archived.e0, abs=0.5)


@pytest.fixture
def beamlines(data_dir) -> Path:
    folder = data_dir.parent / "beamline_files"
    if not folder.is_dir():
        pytest.skip(f"no beamline files: the folder {folder} is absent")
    return folder
