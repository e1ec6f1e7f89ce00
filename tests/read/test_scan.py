"""Every layout gives the same spectrum; what cannot be read says where, why, and what to do."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from exafsnn.constants import HC_EV_ANGSTROM
from exafsnn.errors import ScanError, SettingsError
from exafsnn.read.roles import parse_columns, role_of
from exafsnn.read.scan import expand, read, read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.scans import measure_scans

XDI = """# XDI/1.0 made by a test
# Column.1: energy eV
# Column.2: i0
# Column.3: itrans
# Element.symbol: Fe
# Element.edge: K
# Sample.temperature: 300 K
# ///
# any comment
#-----
# energy i0 itrans"""

HEADER = "\n".join(XDI.splitlines()[1:7])
"""XDI-like fields without the line of the version, as in the demonstration scans."""

XDAC = """XDAC V1.2 Datafile V1
"fe.300" created on 10/4/02 at 9:37:52 AM on X-11A
E0= 7112.00
SRB= -200 -20 20 22k
Offsets= 9925.80 9914.40

--------------------------
        Energy            I0            It"""


def names(spectrum):
    return [finding.name for finding in spectrum.findings]


def severity(spectrum, name):
    return next(finding.severity for finding in spectrum.findings if finding.name == name)


def lines_of(name):
    return Path(name).read_text().splitlines()


@pytest.mark.parametrize(
    ("header", "between"),
    [
        (XDI, "  "),
        (HEADER, "  "),
        (XDAC, "   "),
        ("# energy i0 i1", "\t"),
        ("# Energy (eV), I0, I1", ", "),
        ("energy;i0;itrans", ";"),
        ('"Energy"\t"I0"\t"It"', "\t"),
        ("; P1 = {Energy} --> 13BMA\n; D1 = {I0} --> a\n; D2 = {I1} --> b\n;-----\n;  P1 D1 D2", "  "),
        ("#Mono Energy *        I0                   I1", "   "),
        ("Weights:\n 1.0 1.0 1.0\nData:\nAchieved Energy\nI0\nI1\n", "  "),
    ],
)
def test_transmission_in_any_layout(header, between, write, scan, counts):
    spectrum = read_one(write(scan.energy, *counts, header=header, between=between))
    assert isinstance(spectrum, Spectrum)
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


def test_header_fields_are_kept(write, scan, counts):
    spectrum = read_one(write(scan.energy, *counts, header=HEADER))
    assert spectrum.temperature == 300.0
    assert spectrum.metadata["Element.symbol"] == "Fe"
    assert any("ln(I0/It), columns 2 (i0), 3 (itrans)" in finding.message for finding in spectrum.findings)
    assert spectrum.mode == "transmission"


@pytest.mark.parametrize(
    ("text", "kelvin"),
    [
        ("300 K", 300),
        ("77.4K", 77.4),
        ("Room Temperature", 295),
        ("RT", 295),
        ("25 C", 298.15),
        ("300", None),
        ("hot", None),
    ],
)
def test_temperature(text, kelvin, write, scan, counts):
    header = HEADER.replace("300 K", text)
    assert read_one(write(scan.energy, *counts, header=header)).temperature == kelvin


@pytest.mark.parametrize("label", ["mu", "xmu", "mutrans", "mufluor", "norm"])
def test_ready_mu(label, write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header=f"# energy {label}"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert spectrum.absorber == "Fe"
    assert "edge-from-energy" in names(spectrum)


def test_fluorescence_detectors_are_summed(write, scan):
    i0 = np.full_like(scan.energy, 2e4)
    shares = [scan.mu * i0 * share for share in (0.2, 0.3, 0.5)]
    spectrum = read_one(write(scan.energy, i0, *shares, header="# energy i0 if1 if2 if3"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, rtol=1e-5)
    assert spectrum.mode == "fluorescence"


def test_the_signal_with_the_clearer_edge_is_taken(write, scan):
    noise = 0.02 * np.random.default_rng(0).standard_normal(len(scan.energy))
    i0 = np.full_like(scan.energy, 2e4)
    weak = i0 * np.exp(-0.3 * scan.mu - noise)
    spectrum = read_one(write(scan.energy, i0, weak, scan.mu * i0, header="# energy i0 itrans ifluor"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, rtol=1e-5)


def test_columns_override_the_names(write, scan, counts):
    name = write(scan.energy, scan.mu, counts[0], counts[0] * scan.mu, header="# energy mu i0 other")
    assert "If/I0" in read_one(name, columns="energy=1,i0=3,if=4").findings[0].message
    summed = read_one(name, columns="energy=1, i0=3, if=4;4")
    np.testing.assert_allclose(summed.mu, 2 * scan.mu, rtol=1e-5)


def test_two_nameless_columns_are_energy_and_mu(write, scan):
    spectrum = read_one(write(scan.energy, scan.mu))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


def test_kev(write, scan):
    for header in ("# energy (keV) mu", "# energy mu", ""):
        spectrum = read_one(write(scan.energy / 1000, scan.mu, header=header))
        np.testing.assert_allclose(spectrum.energy, scan.energy, atol=0.2)
        assert "kev-axis" in names(spectrum)


def test_kev_that_the_header_calls_ev_is_doubtful(write, scan, counts):
    spectrum = read_one(write(scan.energy / 1000, *counts, header=HEADER))
    assert [f.severity for f in spectrum.findings if f.name == "kev-axis"] == ["warning"]


def test_descending_energies_are_reversed(write, scan):
    spectrum = read_one(write(scan.energy[::-1], scan.mu[::-1], header="# energy mu"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert "reversed" in names(spectrum)


def test_repeated_points_are_averaged(write, scan):
    energy = np.insert(scan.energy, 50, scan.energy[50])
    mu = np.insert(scan.mu, 50, scan.mu[50] + 0.02)
    spectrum = read_one(write(energy, mu, header="# energy mu"))
    assert spectrum.mu[50] == pytest.approx(scan.mu[50] + 0.01, abs=1e-6)
    assert [f.severity for f in spectrum.findings if f.name == "repeated-points"] == ["warning"]


def test_small_backlash_is_sorted_and_a_second_scan_is_not(write, scan):
    order = np.arange(len(scan.energy))
    order[[100, 101]] = [101, 100]
    shaken = read_one(write(scan.energy[order], scan.mu[order], header="# energy mu"))
    assert (np.diff(shaken.energy) > 0).all()
    assert "sorted" in names(shaken)
    with pytest.raises(ScanError, match=r"line \d+: the axis goes back from 8087.* to 6912.*files of their own"):
        read_one(write(np.tile(scan.energy, 2), np.tile(scan.mu, 2), header="# energy mu"))


def test_a_reference_aligns_its_scan(write, make_scan):
    scan = make_scan("Fe")
    i0 = np.full_like(scan.energy, 1e6)
    it = i0 * np.exp(-scan.mu)
    spectrum = read_one(write(scan.energy - 6.5, i0, it, it * np.exp(-scan.mu), header="# energy i0 it iref"))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=0.3)
    assert "energy-aligned" in names(spectrum)


def test_a_reference_of_another_element_is_left_alone(write, make_scan):
    scan, nickel = make_scan("Fe"), make_scan("Ni")
    i0 = np.full_like(scan.energy, 1e6)
    it = i0 * np.exp(-scan.mu)
    other = it * np.exp(-np.interp(scan.energy, nickel.energy, nickel.mu))
    spectrum = read_one(write(scan.energy, i0, it, other, header="# energy i0 it iref"))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-2)


def test_decimal_commas(write, scan):
    name = write(scan.energy, scan.mu, header="energy mu")
    Path(name).write_text(Path(name).read_text().replace(".", ","))
    spectrum = read_one(name)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert "decimal-comma" in names(spectrum)


def test_fortran_numbers(write, scan):
    name = write(scan.energy, scan.mu, header="# energy mu")
    rows = [f"{e / 1e4:.7f}D+04 {m:.6e}".replace("0.", ".") for e, m in zip(scan.energy, scan.mu, strict=True)]
    Path(name).write_text("# energy mu\n" + "\n".join(rows))
    np.testing.assert_allclose(read_one(name).energy, scan.energy, atol=1e-2)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encodings_and_line_endings(encoding, ending, tmp_path, scan):
    rows = [f"{e:.6f} {m:.8f}" for e, m in zip(scan.energy, scan.mu, strict=True)]
    text = ending.join(["# Probe: dünn, 20 °C", "# energy mu", *rows])
    (tmp_path / "scan.dat").write_bytes(text.encode(encoding))
    np.testing.assert_allclose(read_one(tmp_path / "scan.dat").mu, scan.mu, atol=1e-6)


def test_chi_files(write, truth):
    k = np.arange(0, 14.01, 0.04)
    name = write(k, truth(k), header="# Element.symbol: Fe\n# Element.edge: K\n# k chi")
    chi = read_one(name)
    assert isinstance(chi, ChiK)
    np.testing.assert_allclose(np.diff(chi.k), 0.05)
    np.testing.assert_allclose(chi.chi[20:], truth(chi.k)[20:], atol=2e-3)
    assert np.isnan(chi.e0)
    with pytest.raises(ScanError, match="does not name element and edge"):
        read_one(write(k, truth(k), header="# k chi"))
    assert read_one(write(k, truth(k), header="# k chi"), e0=7112.0).absorber == "Fe"
    short = k[k < 7]
    with pytest.raises(ScanError, match=r"ends at k = 7\.0 Å⁻¹; k = 8\.5 Å⁻¹ is the least"):
        read_one(write(short, truth(short), header="# k chi"), e0=7112.0).to_chi()


def athena_project(path, scan, *labels, extra=""):
    x, y = (",".join(f"'{value:.6f}'" for value in values) for values in (scan.energy - 3.0, scan.mu))
    groups = [
        f"$old_group = 'abc{index}';\n@args = ('label','{label}','bkg_z','Fe','fft_edge','K','bkg_eshift','3.0',"
        f"'titles',['it\\'s a, title','two'],'is_xmu',1);\n@x = ({x});\n@y = ({y});\n{extra}[record]   # create\n"
        for index, label in enumerate(labels)
    ]
    path.write_bytes(gzip.compress(("# Athena project file -- version 0.9\n" + "\n".join(groups) + "\n1;\n").encode()))
    return str(path)


def test_athena_project(tmp_path, scan):
    name = athena_project(tmp_path / "two.prj", scan, "cold", "hot one")
    both = read(name)
    assert [spectrum.record for spectrum in both] == ["cold", "hot one"]
    np.testing.assert_allclose(both[1].energy, scan.energy, atol=1e-5)
    assert read_one(f"{name}::hot one").record == "hot one"
    assert expand(name) == [f"{name}::cold", f"{name}::hot one"]
    with pytest.raises(ScanError, match="2 records: 'cold', 'hot one'"):
        read_one(name)
    with pytest.raises(ScanError, match=r"no record 'warm'.*'cold', 'hot one'"):
        read(f"{name}::warm")


def test_athena_groups_of_one_name_stay_apart(tmp_path, scan):
    assert [s.record for s in read(athena_project(tmp_path / "p.prj", scan, "a", "a"))] == ["a (1)", "a (2)"]


def test_athena_values_are_never_evaluated(tmp_path, scan):
    name = athena_project(tmp_path / "evil.prj", scan, "a", extra="@x = (__import__('os').system('echo'));\n")
    with pytest.raises(ScanError, match="is not understood"):
        read(name)


def test_a_damaged_project_is_refused(tmp_path, scan):
    name = athena_project(tmp_path / "cut.prj", scan, "a")
    Path(name).write_bytes(Path(name).read_bytes()[:500])
    with pytest.raises(ScanError, match="gzip data are damaged"):
        read(name)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("7000.0 n/a 2.0", "'7000.0 n/a 2.0' is not a row of 3 numbers"),
        ("7000.0 2.0", "'7000.0 2.0' is not a row of 3 numbers"),
        ("7000.0 1.0 2.0 3.0", "is not a row of 3 numbers"),
        ("7000.0 May 2.0", "is not a row of 3 numbers"),
        ("7000.0 1.4.9 2.0", "is not a row of 3 numbers"),
        ("beam lost", "'beam lost' is not a row of 3 numbers"),
        ("7000.0 nan 2.0", "column 2 holds nan, not a finite number"),
        ("7000.0 inf 2.0", "column 2 holds inf, not a finite number"),
        ("7000.0 0.0 2.0", "reads 0"),
        ("7000.0 10 -1", "reads -1"),
    ],
)
def test_a_bad_row_is_an_error_with_its_line(row, fault, write, scan, counts):
    name = write(scan.energy, *counts, header="# energy i0 it")
    lines = lines_of(name)
    before = next(number for number, line in enumerate(lines[1:], 1) if float(line.split()[0]) > 7000)
    Path(name).write_text("\n".join([*lines[:before], row, *lines[before:]]))
    if row == "beam lost":
        Path(name).write_text("\n".join([*lines[:40], row, *lines[40:]]))
        before = 40
    with pytest.raises(ScanError) as error:
        read(name)
    assert fault in str(error.value)
    assert f"{name}, line {before + 1}" in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("mark", ["*", "; ", "!", "%", "# ", "//"])
@pytest.mark.parametrize("row", [0, 1, 20, 60, -1])
def test_rows_behind_a_comment_mark_are_told(mark, row, write, scan):
    path = Path(write(scan.energy, scan.mu, header="# Element.symbol: Fe\n# energy mu"))
    lines = path.read_text().splitlines()
    place = len(lines) - 1 if row < 0 else row + 2
    lines[place] = mark + lines[place]
    path.write_text("\n".join(lines) + "\n")
    told = [item for item in read_one(path).findings if item.name == "rows-commented"]
    assert [item.severity for item in told] == ["warning"]
    assert f"in line {place + 1}: not read" in told[0].message


@pytest.mark.parametrize("comment", ["# 1 2", "# 7112.5", "# scan 2", "# -150 -10"])
def test_other_comments_are_no_rows(comment, write, scan):
    path = write(scan.energy, scan.mu, header=f"# Element.symbol: Fe\n# energy mu\n{comment}")
    assert "rows-commented" not in [item.name for item in read_one(path).findings]


def test_numbers_in_quotes_are_numbers(tmp_path, scan):
    rows = [f'"{energy:.6f}","{mu:.6f}"' for energy, mu in zip(scan.energy, scan.mu, strict=True)]
    path = tmp_path / "quoted.csv"
    path.write_text("\n".join(['"energy","mu"', *rows]) + "\n")
    np.testing.assert_allclose(read_one(path).mu, scan.mu, atol=1e-6)
    path.write_text("\n".join(['"energy","mu"', *rows, '"7900.0,"1.0"']) + "\n")
    with pytest.raises(ScanError, match="is not a row of 2 numbers"):
        read_one(path)


@pytest.mark.parametrize(
    ("form", "odd"),
    [
        ("12:00:00 {0:.2f} {1:.6f}", "12:00:00"),
        ("{0:.2f} {1:.6f} OK", "OK"),
        ("{0:,.2f} {1:.6f}", r"\d,\d\d\d\.\d\d"),
        ('"{0:,.2f}","{1:.6f}"', r"\d,\d\d\d\.\d\d"),
        ("2020-01-01 12:00:00,{0:.2f},{1:.6f}", "2020-01-01 12:00:00"),
    ],
)
def test_why_there_are_no_rows_is_told(form, odd, tmp_path, scan):
    rows = [form.format(*values) for values in zip(scan.energy, scan.mu, strict=True)]
    path = tmp_path / "scan.dat"
    path.write_text("\n".join(["# Element.symbol: Fe", "# a b c", *rows]) + "\n")
    with pytest.raises(
        ScanError, match=rf"line 3: no rows of numbers .* but '{odd}' is no number\. Give plain numbers"
    ):
        read_one(path)


def test_a_broken_first_or_last_row_is_no_header(write, scan, counts):
    name = write(scan.energy, *counts, header="# energy i0 it")
    lines = lines_of(name)
    Path(name).write_text("\n".join([lines[0], "6900 n/a 3.0", *lines[1:]]))
    with pytest.raises(ScanError, match=r"line 2: '6900 n/a 3.0' is not a row"):
        read(name)
    Path(name).write_text("\n".join([*lines, "8200.0 1"]))
    with pytest.raises(ScanError, match=f"line {len(lines) + 1}:"):
        read(name)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is empty"),
        (b"  \n\n", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "PNG image"),
        (b"%PDF-1.4 ...", "PDF"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "web page"),
        (bytes(range(256)) * 20, "binary"),
        (b"\x01\x02\x03\x04\x05\x06" * 50, "binary"),
        (b"dear diary,\nnothing was measured today\n", "no rows of numbers"),
        (b"1 " * 100_000, "characters"),
        (b"# a b c\n" + b"1 2 3\n" * 20, "unknown layout: 3 columns (1 a, 2 b, 3 c). Say which columns"),
        (b"1 2 3\n" * 20, "unknown layout"),
        (b"# energy mu\n7000 1\n", "one point only"),
        (b"# energy mu\n7000 1\n7001 1\n", "from 7000 to 7001 eV, no EXAFS scan"),
    ],
)
def test_what_is_no_scan(content, fault, tmp_path):
    path = tmp_path / "thing.dat"
    path.write_bytes(content)
    with pytest.raises(ScanError) as error:
        read(path)
    assert fault in str(error.value)
    assert str(path) in str(error.value)


def test_what_is_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name, fault in (
        (tmp_path / "pipe", "pipe or a device"),
        ("/dev/null", "device"),
        (tmp_path / "link", "a link"),
    ):
        with pytest.raises(ScanError, match=fault):
            read(name)


def test_missing_files_folders_and_giants(tmp_path):
    with pytest.raises(ScanError, match="no such file"):
        read(tmp_path / "nothing.xdi")
    with pytest.raises(ScanError, match="folder"):
        read(tmp_path)
    with (tmp_path / "large.dat").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(ScanError, match="65 MiB"):
        read(tmp_path / "large.dat")
    (tmp_path / "bomb.prj").write_bytes(gzip.compress(bytes(65 * 2**20), 1))
    with pytest.raises(ScanError, match="unpacks to more than 64 MiB"):
        read(tmp_path / "bomb.prj")


@pytest.mark.parametrize(
    "spec",
    ["", "energy", "energy=0,mu=2", "energy=1,nu=2", "energy=1,i0=2", "energy=1,energy=2,mu=3", "energy=1;2,mu=3"],
)
def test_bad_column_specifications(spec, write, scan):
    with pytest.raises(SettingsError, match="--columns energy=1,i0=2,it=3"):
        read(write(scan.energy, scan.mu), columns=spec)


def test_column_specifications():
    assert parse_columns("energy=1,i0=2,if=4;5;6") == {"energy": (0,), "i0": (1,), "if": (3, 4, 5)}


def test_a_column_that_is_not_there(write, scan):
    with pytest.raises(ScanError, match="no column 9 among 2 columns"):
        read(write(scan.energy, scan.mu), columns="energy=1,mu=9")


def test_an_unnamed_edge_that_no_table_knows(write, scan):
    spectrum = read_one(write(scan.energy + 72, scan.mu, header="# energy mu"))
    assert (spectrum.absorber, spectrum.edge) == ("", "")
    with pytest.raises(ScanError, match=r"steepest at 718\d.* no known edge lies there.*Element.symbol"):
        spectrum.to_chi()


@pytest.mark.parametrize("above", [40, 70, 100])
@pytest.mark.parametrize("value", [1e3, 1e29])
def test_a_spike_that_hides_an_unnamed_edge_is_told_with_its_line(above, value, write, scan):
    mu = scan.mu.copy()
    row = int(np.argmin(np.abs(scan.energy - 7112.0 - above)))
    mu[row] = value
    with pytest.raises(
        ScanError, match=rf"μ is {value:.4g} in line {row + 2}, far off its neighbours\. Repair".replace("+", r"\+")
    ):
        read_one(write(scan.energy, mu, header="# energy mu")).to_chi()


def test_a_number_cut_short_that_hides_an_unnamed_edge_is_told_with_its_line(write, scan, counts):
    path = Path(write(scan.energy, *counts, header="# energy i0 it"))
    text = path.read_text().rstrip("\n")
    path.write_text(text[: text.rindex(" ") + 2])
    with pytest.raises(ScanError, match=rf"in line {len(scan.energy) + 1}, far off its neighbours\. Repair or delete"):
        read_one(path).to_chi()


def test_a_wrong_e0_is_told_as_such(write, scan):
    with pytest.raises(ScanError, match=r"no edge at e0 = 9000 eV; the edge .* at 711\d\.\d eV\. Correct --e0"):
        read_one(write(scan.energy, scan.mu, header="# energy mu"), e0=9000.0).to_chi()


def test_a_scan_up_and_down_names_the_turning_point(write, scan):
    energy, mu = np.r_[scan.energy, scan.energy[::-1][1:]], np.r_[scan.mu, scan.mu[::-1][1:]]
    with pytest.raises(ScanError, match=rf"line {len(scan.energy) + 3}: the axis goes back from"):
        read_one(write(energy + np.r_[np.zeros(len(energy) - 1), 1], mu, header="# Element.symbol: Fe\n# energy mu"))


@pytest.mark.parametrize(
    ("ready", "name"),
    [
        (lambda mu, energy: mu, None),
        (lambda mu, energy: 0.5 * mu, "mu-scaled"),
        (lambda mu, energy: (mu - 0.2 - 1e-4 * energy) / 1.3, "mu-scaled"),
        (lambda mu, energy: np.roll(mu, 3), "mu-contradicts-counters"),
        (lambda mu, energy: mu + 0.06 * np.sin(energy / 10) * (energy > 7112), "mu-contradicts-counters"),
    ],
)
@pytest.mark.parametrize("fluorescence", [False, True])
def test_a_ready_mu_is_held_against_the_counters_beside_it(ready, name, fluorescence, write, scan, counts):
    i0, it = counts
    second, label = (i0 * scan.mu, "if") if fluorescence else (it, "it")
    header = f"# Element.symbol: Fe\n# Element.edge: K\n# energy mu i0 {label}"
    found = read_one(write(scan.energy, ready(scan.mu, scan.energy), i0, second, header=header)).findings
    told = [(item.name, item.severity) for item in found if item.name.startswith("mu-")]
    assert told == ([(name, "note" if name == "mu-scaled" else "warning")] if name else [])


def test_an_upside_down_scan_without_a_header(write, scan):
    spectrum = read_one(write(scan.energy, 3 - scan.mu, header="# energy mu"))
    with pytest.raises(ScanError, match=r"sign is inverted\. Swap I0 and It"):
        spectrum.to_chi()


def test_a_featureless_slope_is_not_called_inverted(write):
    energy = np.arange(8779.0, 8890.0, 10.0)
    spectrum = read_one(write(energy, 1 - 1e-3 * (energy - 8779.0), header="# Element.edge: K\n# energy mu"))
    assert (spectrum.absorber, spectrum.edge) == ("", "K")
    (unknown,) = (finding for finding in spectrum.findings if finding.name == "edge-unknown")
    assert unknown.severity == "fatal"
    assert "inverted" not in unknown.message
    assert "--e0" in unknown.remedy


def test_the_reason_why_an_edge_is_unknown_reaches_the_pipeline(write, scan):
    (outcome,) = measure_scans([write(scan.energy + 72, scan.mu, header="# energy mu")])
    assert outcome.status == "rejected"
    assert outcome.reason.startswith("element and edge cannot be told: μ is steepest at 718")


def test_an_edge_that_the_scan_does_not_show_is_taken_from_the_header(write):
    energy, mu = np.arange(8779.0, 8890.0, 10.0), np.linspace(1.0, 0.9, 12)
    stated = read_one(write(energy, mu, header="# Scan.edge_energy: 8980.0\n# Element.edge: K\n# energy mu"))
    assert (stated.absorber, stated.edge) == ("Cu", "K")
    assert severity(stated, "edge-from-header") == "warning"
    only = read_one(write(energy + 150, mu, header="# Element.symbol: Cu\n# energy mu"))
    assert (only.absorber, only.edge) == ("Cu", "K")
    assert severity(only, "edge-from-header") == "warning"
    half = read_one(write(energy, mu, header="# Element.symbol: Cu\n# energy mu"))
    assert (half.absorber, half.edge) == ("Cu", "")
    assert severity(half, "edge-unknown") == "fatal"


def test_the_header_may_name_half(write, scan):
    named = read_one(write(scan.energy, scan.mu, header="# Element.edge: K\n# Element.symbol: Xx\n# energy mu"))
    assert named.absorber == "Fe"


@pytest.mark.parametrize("axis", [(-5.0, 1e4), (7000.0, 1e9), (7000.0, 7000.1), (0.0, 1e-3)])
def test_axes_that_are_no_energies(axis, write, scan):
    with pytest.raises(ScanError, match="no EXAFS scan"):
        read(write(np.linspace(*axis, len(scan.mu)), scan.mu, header="# energy mu"), columns="energy=1,mu=2")


def test_what_is_not_finite_is_an_error_even_beside_a_good_signal(write, scan, counts):
    mu = scan.mu.copy()
    mu[7] = np.nan
    with pytest.raises(ScanError, match="line 9: column 4 holds nan"):
        read(write(scan.energy, *counts, mu, header="# energy i0 it mu"))


def test_a_dead_counter_beside_a_good_signal_is_passed_over(write, scan, counts):
    dead = counts[1].copy()
    dead[7] = 0.0
    spectrum = read_one(write(scan.energy, counts[0], dead, scan.mu * counts[0], header="# energy i0 it if"))
    np.testing.assert_allclose(spectrum.mu, scan.mu, rtol=1e-5)
    assert "signal-passed-over" in names(spectrum)


def angles(energy, d):
    """θ in degrees, by Bragg's law."""
    return np.degrees(np.arcsin(HC_EV_ANGSTROM / (2 * d * energy)))


@pytest.mark.parametrize("order", [1, -1])
def test_angles_become_energies(order, write, scan):
    header = "# Mono.d_spacing: 3.13551\n# angle (degrees) mu"
    spectrum = read_one(write(angles(scan.energy, 3.13551)[::order], scan.mu[::order], header=header))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert spectrum.absorber == "Fe"
    assert ("reversed" in names(spectrum)) == (order == -1)


@pytest.mark.parametrize(
    ("header", "d"),
    [
        ("# Mono.name: Si 111", 5.4310 / np.sqrt(3)),
        ("# Mono.name: Si(311)\n# Mono.d_spacing: three", 5.4310 / np.sqrt(11)),
        ("# Mono.name: Ge (2 2 0)\n# Mono.d_spacing: 0", 5.6579 / np.sqrt(8)),
    ],
)
def test_the_crystal_serves_where_the_spacing_is_missing(header, d, write, scan):
    spectrum = read_one(write(angles(scan.energy, d), scan.mu, header=f"{header}\n# angle mu"))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    assert severity(spectrum, "d-spacing") == "warning"


def test_angles_that_cannot_be_converted_are_refused(write, scan):
    falling = np.linspace(17, 14, len(scan.mu))
    with pytest.raises(ScanError, match=r"\(angle\) is an angle, but the header gives no Mono.d_spacing and names no"):
        read(write(falling, scan.mu, header="# angle mu"))
    with pytest.raises(ScanError, match="may be angles or keV"):
        read(write(falling, scan.mu))
    with pytest.raises(ScanError, match=r"line 3: column 1 \(theta\) is an angle, but 107 degrees is none"):
        read(write(falling + 90, scan.mu, header="# Mono.name: Si 111\n# theta (degrees) mu"))
    with pytest.raises(ScanError, match="none in degrees"):
        read(write(falling / 57, scan.mu, header="# Mono.name: Si 111\n# theta (mrad) mu"))


def test_energies_are_better_than_angles_and_a_unit_tells_them(write, scan):
    both = (angles(scan.energy, 3.1355), scan.energy, scan.mu)
    for header in ("# theta energy mu", "# Column.1: theta deg\n# Column.2: Energie eV\n# Column.3: mu"):
        np.testing.assert_allclose(read_one(write(*both, header=header)).energy, scan.energy, atol=1e-3)


def test_what_was_not_used_is_said(write, scan, counts):
    spectrum = read_one(write(scan.energy, *counts, counts[0], header="# Temperature: 300\n# energy i0 it clock"))
    said = {finding.name: finding.message for finding in spectrum.findings}
    assert said["columns-unused"] == "Columns that play no part: 4 (clock)"
    assert "'300'" in said["temperature-unknown"]


def test_a_reference_that_cannot_align_is_said(write, scan, counts):
    dead = counts[1].copy()
    dead[3] = 0.0
    spectrum = read_one(write(scan.energy, *counts, dead, header="# energy i0 it iref"))
    assert severity(spectrum, "reference-unused") == "note"
    flat = read_one(write(scan.energy, *counts, 0.5 * counts[1], header="# energy i0 it iref"))
    assert "shows no Fe K edge" in next(f.message for f in flat.findings if f.name == "reference-unused")


@pytest.mark.parametrize("value", [1e40, -1e300])
def test_values_that_are_no_absorption(value, write, scan):
    mu = scan.mu.copy()
    mu[5] = value
    with pytest.raises(ScanError, match="line 7: μ is"):
        read(write(scan.energy, mu, header="# energy mu"))


@pytest.mark.parametrize(
    ("name", "role"),
    [("Energy", "energy"), ("eBraggEnergy", "energy"), ("Ring energy", None), ("I0", "i0"), ("Io", "i0"), ("I1", "it"),
     ("itrans", "it"), ("Ifch3", "if"), ("Ifslow1", None), ("mu_ref", "muref"), ("mu(E)", "mu"), ("chi(k)", "chi"),
     ("chik2", None), ("4_i0", "i0"), ("Edge", None), ("8_mu01", "mu"), ("9_mu12", "muref"), ("Angle(o)", "angle"),
     ("theta", "angle"), ("AlKa_sum_cps_c3", "if"), ("D1_AlKa_corr_c13", None), ("I0_KEITHLEY1_c4", "i0"),
     ("KEITHLEY1_GAIN_c5", None), ("Detector1", None)],
)  # fmt: skip
def test_roles_of_names(name, role):
    assert role_of(name) == role
