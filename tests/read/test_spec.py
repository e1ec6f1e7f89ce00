"""SPEC files: scans over energy are records, the others are passed over, and a bad one does not stop the rest."""

from __future__ import annotations

import time

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import spec
from exafsnn.read.scan import expand, read, read_one

FILE = """#F /data/iron
#E 1415923234
#D Thu Nov 14 01:00:34 2013
#C iron  User = spec
#O0 Two Theta  mono  Temperature
"""

ALIGNMENT = """
#S {number} ascan  th 0 1 2 1
#N 3
#L Theta  Energy  I0
0 7112.0 100
0.5 7112.1 200
1 7112.0 100
"""


@pytest.fixture
def body(scan):
    """Scan of a SPEC file: ``body(number, extra lines of the header, lines between the rows)``."""

    def maker(number=1, header="", between="", points=None, labels="Energy  Epoch  Ion Chamber  I0  I1"):
        i0 = 1e5 + 10 * (scan.energy - 7112.0)
        columns = np.column_stack([scan.energy, scan.energy - 7000, i0, i0, i0 * np.exp(-scan.mu)])[:points]
        rows = [" ".join(f"{value:.8g}" for value in row) for row in columns]
        lines = [f"#S {number}  exafs 6.912 8.0 800 1", "#D Thu Nov 14 01:02:00 2013", "#P0 1.5 11.2 300"]
        return "\n".join(["", *lines, header, "#N 5", f"#L {labels}", *rows[:3], between, *rows[3:], ""])

    return maker


@pytest.fixture
def save(tmp_path):
    def saver(text, ending="\n"):
        (tmp_path / "iron.spec").write_bytes((FILE + text).replace("\n", ending).encode())
        return str(tmp_path / "iron.spec")

    return saver


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_one_scan(ending, save, body, scan):
    name = save(body(), ending)
    spectrum = read_one(name)
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-5)
    assert spectrum.record == "1"
    assert spectrum.metadata["title"].startswith("exafs 6.912")
    assert spectrum.metadata["Temperature"] == "300"
    assert expand(name) == [name]


def test_many_scans(save, body):
    name = save(ALIGNMENT.format(number=1) + body(2) + ALIGNMENT.format(number=3) + body(4) + body(2))
    assert expand(name) == [f"{name}::2", f"{name}::4", f"{name}::2.2"]
    assert [spectrum.record for spectrum in read(name)] == ["2", "4", "2.2"]
    passed = next(item for item in read_one(f"{name}::4").findings if item.name == "scans-passed-over")
    assert "Scans 1, 3 of the file" in passed.message
    with pytest.raises(ScanError, match=r"3 records: '2', '4', '2.2'.*Name one"):
        read_one(name)


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        ({"header": "#C Thu Nov 14 2013.  Scan aborted after 5 points.", "points": 5}, "aborted after 5 points"),
        ({"points": 0}, "line 7: the scan has no points"),
        ({"between": "7000 1 2 x 4"}, "line 16: '7000 1 2 x 4' is not a row of 5 numbers"),
        ({"between": "7000 1 2"}, "line 16: '7000 1 2' is not a row of 5 numbers"),
        ({"labels": "Energy  Epoch  I0  I1"}, "line 13: #L names 4 columns, the rows have 5"),
    ],
)
def test_a_bad_scan_does_not_stop_the_others(bad, fault, save, body):
    name = save(body(1, **bad) + body(2))
    first, second = expand(name)
    assert read_one(second).absorber == "Fe"
    with pytest.raises(ScanError) as error:
        read_one(first)
    assert fault in str(error.value)
    assert f"{name}::1, line" in str(error.value)
    assert error.value.remedy


def test_a_scan_that_was_resumed_is_whole(save, body):
    header = "#C Scan aborted after 2 points.\n#C Thu Nov 14. Scan continued"
    assert read_one(save(body(header=header))).absorber == "Fe"


def test_multichannel_spectra_are_passed_over_aloud(save, body):
    spectra = "@A 1 2 3 4\\\n 5 6 7 8\\\n 9 10\n@A 0 0 0"
    spectrum = read_one(save(body(between=spectra)))
    passed = next(item for item in spectrum.findings if item.name == "spectra-passed-over")
    assert passed.message.startswith("4 lines of multichannel spectra (@A)")


def test_labels_one_space_apart_are_taken_where_only_so_they_fit(save, body):
    assert read_one(save(body(labels="Energy Epoch Ion I0 I1"))).absorber == "Fe"


def test_no_scan_over_energy(save):
    with pytest.raises(ScanError, match="none of the 2 scans runs over energy"):
        read(save(ALIGNMENT.format(number=1) + ALIGNMENT.format(number=2)))


@pytest.mark.parametrize("text", ["# energy mu\n1 2\n", "#S Scan 29; exafsscan\n#C 1_Energy (keV) 2_i0\n1 2\n", "1 2"])
def test_what_is_no_spec_file(text):
    assert spec.recognise(text, "file") is None


def test_rows_behind_a_comment_mark_are_told(save, body):
    spectrum = read_one(save(body(between="#7000 1 1 1e5 1e4\n# 7001 1 1 1e5 1e4")))
    (told,) = [item for item in spectrum.findings if item.name == "rows-commented"]
    assert (told.severity, told.message) == ("warning", "2 rows behind '#' were not read, the first in line 16")


def test_many_scans_are_found_quickly(save):
    name = save("".join(f"#S {number} a\n#L Energy  I0\n1 2\n" for number in range(9000)))
    started = time.process_time()
    for record in expand(name):
        with pytest.raises(ScanError):
            read_one(record)
    assert time.process_time() - started < 4.0
