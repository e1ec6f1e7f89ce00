"""Files as beamlines write them: each rule of reading on made texts, then the ten files of the shared folder."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.constants import HC_EV_ANGSTROM
from exafsnn.edges import edges_near
from exafsnn.errors import ScanError
from exafsnn.read.scan import read_one
from exafsnn.rise import steepest
from exafsnn.run.scans import measure_scans

D = 3.13551
"""Spacing [Å] of the Photon Factory's Si(111)."""


def finding(spectrum, name):
    found = [item for item in spectrum.findings if item.name == name]
    assert len(found) == 1, spectrum.findings
    return found[0]


# --- Photon Factory 9809 -------------------------------------------------------------------------------------------

SECONDS = (1.0, 2.0)
RATES = (5e5, 2e4)
"""Counts per second of the incident beam, and dark counts per second of both channels."""


def photon_factory(
    path, scan, *, points=None, modes=(1, 3), dark=None, extra=(), place="KEK-PF   BL0X", block="Init-Eng", lost=()
):
    """Write a fluorescence scan whose counting time doubles above 7150 eV; ``lost`` readings lose two digits."""
    seconds = np.where(scan.energy < 7150.0, *SECONDS)
    i0 = seconds * (RATES[0] + RATES[1])
    fluorescence = seconds * (RATES[0] * 0.1 * scan.mu + RATES[1])
    fluorescence[list(lost)] //= 100
    theta = np.degrees(np.arcsin(HC_EV_ANGSTROM / (2 * D * scan.energy)))
    rows = [
        f"{angle + 0.01:10.5f}{angle:12.7f}{time:10.2f}{upper:10.0f}{lower:10.0f}"
        for angle, time, upper, lower in zip(theta, seconds, i0, fluorescence, strict=True)
    ]
    points, (before, after) = points or len(rows), np.bincount(seconds.astype(int))[1:]
    offsets = dark or (RATES[1], RATES[1])
    header = [
        f"  9809     {place}",
        " made            26.11.21 08:00 - 26.11.21 09:00",
        " a comment",
        " Ring :   2.5 GeV   400.0 mA -  400.0 mA",
        f" Mono :   Si(111)       D=  {D} A    Initial angle= 14.0 deg",
        f" BL0X      Fluorescence( 3)   Repetition=  1     Points= {points}",
        " Param file : made       energy axis(2)     Block =    2",
        "",
        f" Block      {block}  Final-Eng      Step/eV     Time/s       Num",
        f"     1        6900.00   7150.00         5.00       1.00  {before}",
        f"     2        7150.00   8000.00         5.00       2.00  {after}",
        " Ortec(-1)     NDCH = 3",
        "  Angle(c)  Angle(o)    time/s         2         3",
        f"      Mode         0         0{modes[0]:10d}{modes[1]:10d}",
        f"    Offset         0         0{offsets[0]:10.3f}{offsets[1]:10.3f}",
    ]
    path.write_text("\n".join([*header, *rows, *extra]) + "\n")
    return str(path)


def test_photon_factory(tmp_path, scan):
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", scan))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    np.testing.assert_allclose(spectrum.mu, 0.1 * scan.mu, atol=1e-4)
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    assert spectrum.metadata["Mono.name"] == "Si(111)"
    assert [item.name for item in spectrum.findings if item.severity != "note"] == []
    assert [item.name for item in spectrum.findings].count("dark-counts") == 2


def test_photon_factory_transmission(tmp_path, scan):
    name = photon_factory(tmp_path / "scan.dat", scan, modes=(1, 2), dark=(0.0, 0.0))
    assert "ln(I0/It), columns 4 (I0), 5 (It)" in finding(read_one(name), "signal").message


PLACES = ["SPring-8 14b2", "SPring-8 01b1", "AichiSR  BL5S1", "SAGA-LS  BL07", "KEK-PF   NW10A", "Ritsumeikan BL-3"]


@pytest.mark.parametrize("place", PLACES)
def test_the_format_is_known_by_its_layout(place, tmp_path, scan):
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", scan, place=place, block="Init-ang"))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    np.testing.assert_allclose(spectrum.mu, 0.1 * scan.mu, atol=1e-4)
    assert f"with d = {D:.5g} Å" in finding(spectrum, "angle-axis").message
    assert [spectrum.metadata["Facility.name"], spectrum.metadata["Beamline.name"]] == place.split()
    assert [item.name for item in spectrum.findings if item.severity != "note"] == []


def test_a_first_line_of_ones_own_does_not_hide_the_format(tmp_path, scan):
    path = Path(photon_factory(tmp_path / "scan.dat", scan))
    path.write_text(path.read_text().replace("  9809     KEK-PF   BL0X", "Fe foil, second run").replace("Si(111) ", ""))
    spectrum = read_one(path)
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    assert spectrum.metadata["Facility.name"] == ""


def test_an_energy_of_9809_ev_is_no_mark(write, scan):
    energy = scan.energy - scan.energy[0] + 9809.0
    assert read_one(write(energy, scan.mu), e0=7112 - scan.energy[0] + 9809).energy[0] == 9809.0


def test_dark_counts_that_leave_nothing_are_not_subtracted(tmp_path, scan):
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", scan, dark=(0.0, 99999.0)))
    said = finding(spectrum, "dark-counts")
    assert said.severity == "warning"
    assert re.search(r"not subtracted: \d+ of \d+ readings are not above them, the first in line 16$", said.message)


@pytest.mark.parametrize("lost", [(40,), (0,), (20, 60, -1)])
def test_a_lone_reading_below_the_dark_counts_is_left_out(lost, tmp_path, make_scan):
    scan = make_scan("Fe")
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", scan, lost=lost))
    np.testing.assert_allclose(spectrum.mu, 0.1 * np.delete(scan.mu, lost), atol=1e-4)
    assert {item.severity for item in spectrum.findings if item.name == "dark-counts"} == {"note"}
    told = [item for item in spectrum.findings if item.severity == "warning"]
    assert [item.name for item in told] == ["reading-below-dark"] * len(lost)
    lines = sorted(int(item.message.split(" in line ")[1].split(",")[0]) for item in told)
    assert lines == sorted(16 + row % len(scan.energy) for row in lost)


def test_a_lost_digit_leaves_chi_as_it_was(tmp_path, make_scan):
    scan = make_scan("Fe")
    names = photon_factory(tmp_path / "a.dat", scan), photon_factory(tmp_path / "b.dat", scan, lost=(250,))
    right, chi = (read_one(name).to_chi() for name in names)
    k = right.k[(right.k > 2.5) & (right.k < 12)]
    whole, rest = (k**2 * np.interp(k, one.k, one.chi) for one in (right, chi))
    assert np.sqrt(np.mean((rest - whole) ** 2) / np.mean(whole**2)) < 0.01


@pytest.mark.parametrize("lost", [(40, 41), tuple(range(0, 40, 2))])
def test_several_readings_below_the_dark_counts_speak_against_these(lost, tmp_path, make_scan):
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", make_scan("Fe"), lost=lost))
    (told,) = (item for item in spectrum.findings if item.name == "dark-counts" and item.severity == "warning")
    assert f": {len(lost)} of " in told.message
    assert len(spectrum.energy) == len(make_scan("Fe").energy)


def test_noise_at_the_dark_counts_is_no_wrong_reading(tmp_path, scan):
    restless = 1 + 0.6 * (-1.0) ** np.arange(len(scan.mu))
    weak = replace(scan, mu=0.02 * restless * scan.mu)
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", weak, lost=(41,)))
    assert len(spectrum.energy) == len(scan.energy)
    assert "reading-below-dark" not in {item.name for item in spectrum.findings}


def test_fewer_points_than_announced_are_said(tmp_path, scan):
    spectrum = read_one(photon_factory(tmp_path / "scan.dat", scan, points=500))
    assert "holds" in finding(spectrum, "points-announced").message
    assert finding(spectrum, "points-announced").severity == "warning"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("Angle(c)", "Angles", "'Angle(c) Angle(o) time/s …', which names the channels, is missing"),
        ("Mode", "Mood", "line 14: the row 'Mode' with 4 numbers should stand here"),
        ("Offset         0", "Offset", "line 15: the row 'Offset' with 4 numbers should stand here"),
    ],
)
def test_damaged_headers_of_the_photon_factory(old, new, fault, tmp_path, scan):
    path = Path(photon_factory(tmp_path / "scan.dat", scan))
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ScanError) as error:
        read_one(path)
    assert fault in str(error.value)
    assert error.value.remedy


def test_a_broken_row_of_the_photon_factory(tmp_path, scan):
    name = photon_factory(tmp_path / "scan.dat", scan, extra=("  13.9 13.9 3.00 2019824",))
    line = 16 + len(scan.energy)
    with pytest.raises(ScanError, match=rf"line {line}: '13.9 13.9 3.00 2019824' is not a row of 5 numbers"):
        read_one(name)


# --- A reference without a sample ----------------------------------------------------------------------------------


@pytest.mark.parametrize("ready", [True, False])
def test_a_scan_of_the_reference_only_is_never_predicted_from(ready, write, scan):
    flat = 0.04 + 1e-6 * (scan.energy - 7112.0)
    i0 = np.full_like(scan.energy, 1e6)
    it = i0 * np.exp(-flat)
    if ready:
        name, remedy = write(scan.energy, flat, scan.mu, header="# energy mu mu_ref"), "--columns energy=1,mu=3"
    else:
        columns = (scan.energy, i0, it, it * np.exp(-scan.mu))
        name, remedy = write(*columns, header="# energy i0 it iref"), "--columns energy=1,i0=3,it=4"
    spectrum = read_one(name)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    said = finding(spectrum, "reference-only")
    assert (said.severity, spectrum.absorber) == ("fatal", "Fe")
    assert said.remedy.endswith(remedy)
    (outcome,) = measure_scans([name])
    assert outcome.status == "rejected"
    assert "only the reference does" in outcome.reason
    asked = read_one(name, columns=remedy.split()[1])
    assert all(item.severity != "fatal" for item in asked.findings)


def test_a_weak_edge_beside_a_reference_is_the_samples(write, scan):
    weak = 1.0 + 0.01 * scan.mu + 1e-4 * np.random.default_rng(2).standard_normal(len(scan.mu))
    spectrum = read_one(write(scan.energy, weak, scan.mu, header="# energy mu mu_ref"))
    np.testing.assert_allclose(spectrum.mu, weak, atol=1e-6)


# --- A counter that saw no light -----------------------------------------------------------------------------------


def test_a_sample_that_lets_no_light_through_is_said(write, make_scan):
    scan = make_scan("Fe")
    noise = 20.0 * np.random.default_rng(5).standard_normal(len(scan.energy))
    i0 = np.full_like(scan.energy, 2e5)
    it = i0 * np.exp(-8 * scan.mu) + np.where(scan.energy > 7120.0, noise, 0.0)
    ready = np.where(it > 0, np.log(i0 / np.where(it > 0, it, 1.0)), 0.0)
    spectrum = read_one(write(scan.energy, i0, it, ready, header="# 1_energy 4_i0 5_i1 8_mu01"))
    said = finding(spectrum, "counter-not-positive")
    first = int(np.argmax(it <= 0))
    assert said.severity == "warning"
    assert f"reads 0 or less at {(it <= 0).sum()} points, the first at line {first + 2}, " in said.message
    assert said.energy == pytest.approx(scan.energy[first], abs=1e-3)
    assert abs(steepest(spectrum.energy, spectrum.mu) - 7112.0) < 15
    with pytest.raises(ScanError, match="a detector is saturated"):
        spectrum.to_chi()
    assert spectrum.mu.max() == pytest.approx(np.log(2e5 / -it.min()), abs=1e-6)


def test_a_ready_column_of_its_own_is_left_as_it_is(write, scan):
    it = np.full_like(scan.energy, 50.0)
    it[7] = -1.0
    spectrum = read_one(write(scan.energy, it + 1e5, it, scan.mu, header="# energy i0 it mu"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


# --- Detectors without names ---------------------------------------------------------------------------------------

CLS = (
    "# CLS Data Acquisition\n"
    '#(1)\t"Event-ID"\t"BL:fbk"\t"BL:mcs1"\t"BL:mcs2"\t"BL:mcs3"\n'
    '#(1)\t"Event-ID"\t"$(EnergyFeedback)"\t"$(Detector1)"\t"$(Detector2)"\t"$(Detector3)"\n'
    '#(2)\t"BL:background"\t"BL:Energy:0"\t"BL:gap"\n'
    '#(2)\t"$(Background)[1-2]"\t"$(EdgeEnergy)"\t"$(Slits)"\n'
    "# Background counts, 0, 7112.000, 5.0000"
)


def detectors(scan, other):
    """Counters behind nothing, the sample, and a foil of another element."""
    first = np.full_like(scan.energy, 4e5)
    second = first * np.exp(-scan.mu)
    return np.ones_like(first), scan.energy, first, second, second * np.exp(-other)


def test_detectors_in_the_order_of_the_beam(write, scan, make_scan):
    nickel = make_scan("Ni")
    other = np.interp(scan.energy, nickel.energy, nickel.mu)
    spectrum = read_one(write(*detectors(scan, other), header=CLS, between=", "))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    said = finding(spectrum, "columns-guessed")
    assert said.severity == "warning"
    assert "columns 3 (Detector1) and 4 (Detector2)" in said.message
    assert said.remedy.endswith("--columns energy=2,i0=3,it=4")
    assert spectrum.metadata["EdgeEnergy"] == "7112.000"


@pytest.mark.parametrize("header", [CLS.replace("7112", "8000"), CLS.replace("EdgeEnergy", "Other"), ""])
def test_detectors_are_not_guessed_without_a_stated_edge(header, write, scan):
    with pytest.raises(ScanError, match="unknown layout"):
        read_one(write(*detectors(scan, 0.1 * scan.energy / 7112), header=header, between=", "))


def test_nameless_columns_are_guessed_with_e0(write, scan):
    _, energy, first, second, _ = detectors(scan, 0.0)
    spectrum = read_one(write(energy, first, second), e0=7112.0)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert "2 (no name) and 3 (no name)" in finding(spectrum, "columns-guessed").message


# --- Emission lines ------------------------------------------------------------------------------------------------


def test_of_the_emission_lines_that_of_the_edge_is_taken(write, scan):
    i0 = np.full_like(scan.energy, 0.1)
    noise = np.random.default_rng(1).uniform(1, 2, len(scan.energy))
    header = "# Energy_c1 CrKa_sum_cps_c2 FeKa_sum_cps_c3 I0_KEITHLEY1_c4 D1_FeKa_c5"
    spectrum = read_one(write(scan.energy, noise, 0.1 * scan.mu, i0, noise, header=header))
    np.testing.assert_allclose(spectrum.mu, scan.mu, rtol=1e-6)
    assert "4 (I0_KEITHLEY1_c4), 3 (FeKa_sum_cps_c3)" in finding(spectrum, "signal").message
    assert "2 (CrKa_sum_cps_c2), 5 (D1_FeKa_c5)" in finding(spectrum, "columns-unused").message


# --- The shared folder ---------------------------------------------------------------------------------------------

EDGES = {
    "APS10BM_2019": ("Mn", "K", 6391.5, 7603.0),
    "APS12BM_2019": ("Mn", "K", 6339.0, 6985.0),
    "APS13ID_2008": ("Zn", "K", 9509.0, 10406.0),
    "APS20BM_2001": ("Fe", "K", 6912.0, 8084.0),
    "CLSHXMA": ("As", "K", 11667.0, 12842.0),
    "ESRF_BM08_LISA_2021": ("Ge", "K", 10907.0, 11506.0),
    "NSLS_XDAC_2011": ("Fe", "K", 6907.0, 7752.0),
    "PF9A_2022": ("Fe", "K", 6606.0, 8211.0),
    "SLS_PHOENIX_2023": ("Al", "K", 1480.0, 1840.0),
    "SSRL1_2006": ("Ag", "K", 25276.0, 26526.0),
}
"""Absorber, edge, first and last energy [eV]."""


@pytest.fixture(scope="session")
def beamlines(data_dir) -> Path:
    folder = data_dir.parent / "beamline_files"
    if not folder.is_dir():
        pytest.skip(f"no beamline files: the folder {folder} is absent")
    return folder


def test_the_table_is_complete(beamlines):
    assert sorted(path.stem for path in beamlines.glob("*.dat")) == sorted(EDGES)


@pytest.mark.parametrize("name", EDGES)
def test_every_beamline(name, beamlines):
    absorber, edge, first, last = EDGES[name]
    spectrum = read_one(beamlines / f"{name}.dat")
    assert (spectrum.absorber, spectrum.edge) == (absorber, edge)
    assert spectrum.energy[0] == pytest.approx(first, abs=1.0)
    assert spectrum.energy[-1] == pytest.approx(last, abs=1.0)
    place = steepest(spectrum.energy, spectrum.mu)
    assert min(abs(near.energy - place) for near in edges_near(place)) < 15
    assert min(abs(near.energy - place) for near in edges_near(place, absorber, edge)) < 20


@pytest.mark.parametrize("name", ["APS10BM_2019", "APS13ID_2008", "APS20BM_2001", "CLSHXMA", "PF9A_2022", "SSRL1_2006"])
def test_good_scans_of_beamlines_become_chi(name, beamlines):
    assert read_one(beamlines / f"{name}.dat").to_chi().k_max_usable > 11


def test_what_is_found_in_beamline_files(beamlines):
    lisa = finding(read_one(beamlines / "ESRF_BM08_LISA_2021.dat"), "reference-only")
    assert (lisa.severity, lisa.remedy.split()[-1]) == ("fatal", "energy=1,mu=7")
    cls = read_one(beamlines / "CLSHXMA.dat")
    assert "6 (Detector2) and 7 (Detector3)" in finding(cls, "columns-guessed").message
    thick = finding(read_one(beamlines / "APS12BM_2019.dat"), "counter-not-positive")
    assert (thick.severity, thick.energy) == ("warning", pytest.approx(6558.2))
    assert "at 66 points, the first at line 143" in thick.message
    phoenix = finding(read_one(beamlines / "SLS_PHOENIX_2023.dat"), "signal")
    assert "4 (I0_KEITHLEY1_c4), 3 (AlKa_sum_cps_c3)" in phoenix.message


def test_the_user_may_overrule(beamlines):
    lisa = read_one(beamlines / "ESRF_BM08_LISA_2021.dat", columns="energy=1,mu=7")
    assert all(item.severity != "fatal" for item in lisa.findings)
    gold = read_one(beamlines / "CLSHXMA.dat", columns="energy=3,i0=7,it=8")
    assert (gold.absorber, gold.edge) == ("Au", "L3")
