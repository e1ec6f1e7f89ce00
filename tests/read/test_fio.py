"""DESY's ``.fio`` files: sections, named columns, and a scan that did not come to its end."""

from __future__ import annotations

import time

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import fio
from exafsnn.read.scan import read_one
from exafsnn.run.scans import measure_scans

COUNTERS = ["VFC01 DOUBLE", "VFC02 DOUBLE"]
ENDED = "! Acquisition ended at Thu Dec  2 12:40:00 2021"


@pytest.fixture
def save(tmp_path):
    """Write a file of columns, each beside its name and type."""

    def saver(columns, *, comments=(), parameters=(), end=(ENDED,), mend=lambda rows: rows, ending="\n"):
        rows = [" " + " ".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
        lines = ["!", "! Comments", "!", "%c", *comments]
        lines += ["user p65user Acquisition started at Thu Dec  2 12:30:00 2021", "!", "! Parameter", "!", "%p"]
        lines += [*parameters, "!", "! Data", "!", "%d"]
        lines += [f" Col {number} {name}" for number, name in enumerate(columns, 1)]
        path = tmp_path / "iron_00012.fio"
        path.write_bytes((ending.join([*lines, *mend(rows), *end, ""])).encode())
        return path

    return saver


@pytest.fixture
def columns(scan, counts):
    return dict(zip(["energy DOUBLE", *COUNTERS], (scan.energy, *counts), strict=True))


def warnings(spectrum):
    return [item.name for item in spectrum.findings if item.severity != "note"]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_scan(ending, save, columns, scan):
    spectrum = read_one(save(columns, ending=ending))
    np.testing.assert_allclose(spectrum.energy, scan.energy, rtol=1e-12)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)
    assert (spectrum.absorber, spectrum.edge, spectrum.mode) == ("Fe", "K", "transmission")
    assert warnings(spectrum) == []


def test_a_scan_becomes_chi(save, make_scan):
    scan = make_scan("Fe")
    i0 = 1e6 + 100 * (scan.energy - 7112)
    columns = dict(zip(["energy DOUBLE", *COUNTERS], (scan.energy, i0, i0 * np.exp(-scan.mu)), strict=True))
    (outcome,) = measure_scans([str(save(columns))])
    assert outcome.status == "ok", outcome.reason


def test_comments_and_parameters_are_fields(save, columns):
    comments = ["iron foil, second run", "Element: Fe"]
    parameters = ["sample_name = Fe foil 5 um", "cryo = 77.2", "temperature = 77 K", "mono_energy = 6900"]
    final = ["!", "! Parameter", "!", "%p", "mono_energy = 8000", ENDED]
    spectrum = read_one(save(columns, comments=comments, parameters=parameters, end=final))
    fields = spectrum.metadata
    assert (fields["title"], fields["Element"]) == ("iron foil, second run", "Fe")
    assert (fields["Sample.name"], fields["cryo"], fields["mono_energy"]) == ("Fe foil 5 um", "77.2", "6900")
    assert spectrum.temperature == 77.0
    assert len(spectrum.energy) == len(columns["energy DOUBLE"])


@pytest.mark.parametrize("first", ["undulator_energy", "mono_energy", "energy"])
def test_the_measured_energy_is_better_than_the_commanded(first, save, columns, scan):
    energy, *others = columns.values()
    rough = {f"{first} DOUBLE": 7.0 + np.round(energy), "enc_energy DOUBLE": energy}
    spectrum = read_one(save(rough | dict(zip(COUNTERS, others, strict=True))))
    np.testing.assert_allclose(spectrum.energy, scan.energy, rtol=1e-12)


def test_the_undulators_energy_is_not_that_of_the_scan(save, columns, scan):
    energy, *others = columns.values()
    both = {"undulator_energy DOUBLE": 60 + np.round(energy, -1), "mono_energy DOUBLE": energy}
    spectrum = read_one(save(both | dict(zip(COUNTERS, others, strict=True))))
    np.testing.assert_allclose(spectrum.energy, scan.energy, rtol=1e-12)


def test_all_chambers_and_the_diode(save, columns, scan):
    _, i0, it = columns.values()
    ready = columns | {"VFC03 DOUBLE": it * np.exp(-scan.mu), "VFC04 DOUBLE": 0.1 * i0 * scan.mu}
    spectrum = read_one(save(ready))
    (signal,) = (item.message for item in spectrum.findings if item.name == "signal")
    assert "ln(I0/It), columns 2 (VFC01), 3 (VFC02)" in signal
    assert "energy-aligned" in {item.name for item in spectrum.findings}
    dilute = read_one(save({name: ready[name] for name in ready if "02" not in name}))
    np.testing.assert_allclose(dilute.mu, 0.1 * scan.mu, atol=1e-9)
    assert dilute.mode == "fluorescence"


def test_words_and_labels_of_several_words(save, columns, scan):
    words = {"unix time DOUBLE": np.arange(len(scan.energy)), "image STRING": ["a.cbf"] * len(scan.energy)}
    spectrum = read_one(save({"enable BOOLEAN": ["True"] * len(scan.energy)} | columns | words))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)
    assert "enable, image" in next(item.message for item in spectrum.findings if item.name == "left-out")


def test_a_counter_that_gave_nothing_is_told_where_it_is_used(save, columns, scan):
    gone = [*map(str, columns["VFC02 DOUBLE"][:-1]), "None"]
    line = 13 + len(columns) + len(scan.energy)
    with pytest.raises(ScanError, match=f"line {line}: column 3 holds nan"):
        read_one(save(columns | {"VFC02 DOUBLE": gone}))
    assert warnings(read_one(save(columns | {"sca DOUBLE": gone}))) == []


def test_a_scan_that_was_stopped_is_told(save, columns):
    points = len(columns["energy DOUBLE"])
    whole = save(columns, comments=[f"ascan energy 6900.0 8000.0 {points - 1} 1.0"])
    assert warnings(read_one(whole)) == []
    stopped = read_one(save(columns, comments=[f"ascan energy 6900.0 8000.0 {points + 99} 1.0"]))
    assert warnings(stopped) == ["points-announced"]
    assert f"announces {points + 100} points, the file holds {points}" in stopped.findings[0].message


def test_a_scan_that_still_runs_is_told(save, columns):
    assert warnings(read_one(save(columns, end=()))) == ["scan-unfinished"]


@pytest.mark.parametrize("cut", [" 7900.0 1e5", " 7900.0 1e5 2e4 1", " 7900.0 1e5 ?", " Col 4 late DOUBLE"])
def test_a_row_cut_short_is_told_with_its_line(cut, save, columns):
    name = save(columns, mend=lambda rows: [*rows, cut], end=())
    line = 13 + len(columns) + len(columns["energy DOUBLE"]) + 1
    with pytest.raises(ScanError, match=rf"line {line}: '.*' is not a row of 3 values\. Repair"):
        read_one(name)


def test_columns_out_of_order_and_files_without_rows(save, columns):
    name = save(columns)
    name.write_text(name.read_text().replace("Col 2", "Col 5"))
    with pytest.raises(ScanError, match="line 15: column 5 is named where column 2 is due"):
        read_one(name)
    with pytest.raises(ScanError, match="no rows of numbers follow"):
        read_one(save({name: [] for name in columns}))


def test_other_counters_are_for_the_user_to_name(save, columns, scan):
    named = dict(zip(["energy DOUBLE", "eh_c01 DOUBLE", "eh_c02 DOUBLE"], columns.values(), strict=True))
    with pytest.raises(ScanError, match=r"unknown layout: 3 columns \(1 energy, 2 eh_c01, 3 eh_c02\)"):
        read_one(save(named))
    np.testing.assert_allclose(read_one(save(named), columns="energy=1,i0=2,it=3").mu, scan.mu, atol=1e-9)


@pytest.mark.parametrize("text", ["% energy mu\n7000 1\n", "%c\n%d\n1 2\n", "Col 1 energy DOUBLE\n1\n"])
def test_other_texts_are_none(text):
    assert fio.recognise(text, "other.dat") is None


@pytest.mark.parametrize("line", ["Col 1 x" + " " * 60_000 + "1", "!" * 60_000, "ascan a " + "1 " * 30_000])
def test_long_lines_take_no_longer(line):
    started = time.process_time()
    with pytest.raises(ScanError):
        fio.recognise("%c\n" + line + "\n%d\nCol 1 energy DOUBLE\n" + line + "\n", "long.fio")
    assert time.process_time() - started < 1.0
