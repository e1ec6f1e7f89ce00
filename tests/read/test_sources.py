"""Any text becomes lines, whatever its encoding; what is hostile is refused before it costs time or memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read.scan import read, read_one
from exafsnn.read.sources import is_hdf5, text_lines

SIZE = 64 * 2**20 - 4096

ATHENA = b"# Athena project file -- version 0.9\n"
SPEC = b"#F file\n#S 1 exafs\n#L Energy  I0  I1\n"
XDI = b"# XDI/1.0\n# Column.1: energy eV\n# Column.2: mu\n# Element.symbol: Fe\n# Element.edge: K\n# ---\n"
KEK = b"  9809     KEK-PF   BL9A\n Fe010    22.05.11 17:26 - 22.05.11 18:33 \n F2T0\n"
NUMBERS = b"7000.125 1.234567\n"


def filled(pattern: bytes, start: bytes = b"", end: bytes = b"") -> bytes:
    """File of nearly 64 MiB."""
    return start + pattern * ((SIZE - len(start) - len(end)) // len(pattern)) + end


def long_lines(pattern: bytes, start: bytes = b"", end: bytes = b"\n", length: int = 65_000) -> bytes:
    """File of nearly 64 MiB whose lines are just short enough."""
    line = start + pattern * ((length - len(start) - len(end)) // len(pattern)) + end
    return filled(line)


def rising(rest: bytes, start: bytes = b"") -> bytes:
    """Scan of nearly 64 MiB that can be read."""
    length = len(rest) + 15
    rows = (b"%14.7f%b\n" % (6900 + 0.002 * row, rest) for row in range((SIZE - len(start)) // length))
    return start + b"".join(rows)


HOSTILE = {
    "zeros": lambda: bytes(SIZE),
    "spaces": lambda: filled(b" "),
    "newlines": lambda: filled(b"\n"),
    "carriage returns": lambda: filled(b"\r"),
    "one number a line": lambda: filled(b"1\n"),
    "two numbers a line": lambda: filled(NUMBERS),
    "two wide numbers a line": lambda: filled(b"7000." + b"1" * 80 + b" 1." + b"2" * 80 + b"\n"),
    "few long rows": lambda: filled(b"1.5 " * 900 + b"\n"),
    "few rows of many numbers": lambda: long_lines(b"1 "),
    "digits in one line": lambda: filled(b"1"),
    "digits in long lines": lambda: long_lines(b"1", b"1 "),
    "numbers in one line": lambda: filled(b"1 "),
    "decimal commas": lambda: filled(b"7000,125;1,234567\n"),
    "comments": lambda: filled(b"# a comment of ordinary length, with = and : in it\n"),
    "short comments": lambda: filled(b"#\n"),
    "long comments, then numbers": lambda: long_lines(b"( ", b"# ") + NUMBERS * 200,
    "prose": lambda: filled(b"it was the best of times, it was the worst of times\n"),
    "prose in long lines": lambda: long_lines(b"word "),
    "rows with a fault each": lambda: filled(b"1 2 x\n"),
    "numbers and text in turn": lambda: filled(b"1 2\nabc\n"),
    "brackets": lambda: long_lines(b"(", b"energy "),
    "gaps": lambda: long_lines(b" ", b"# a"),
    "emoji": lambda: filled("é".encode() + b"7000.125 1.234567\n" * 50_000, b"", "😀\n".encode() * 10),
    "emoji at the end": lambda: filled(b"# comment " * 20 + b"\n", "é".encode(), "😀\n".encode()),
    "UTF-16": lambda: filled("7000.125 1.234567\n".encode("utf-16-le")),
    "UTF-16 of other scripts": lambda: filled("実験 7000\n".encode("utf-16-le"), b"\xff\xfe"),
    "Latin-1 at the end": lambda: filled(b"# comment " * 20 + b"\n", b"", b"\xe9\n"),
    "XDI": lambda: filled(NUMBERS, XDI),
    "XDI of comments": lambda: filled(b"# Family.key: value\n", b"# XDI/1.0\n"),
    "Athena of groups": lambda: filled(b"[record]\n", ATHENA),
    "Athena of numbers in one line": lambda: filled(b"'1',", ATHENA + b"@x = (", b"'1');\n"),
    "Athena of wide numbers": lambda: filled(
        b"@x = (" + b"'7000.125'," * 5000 + b"'1');\n@y = (" + b"'1.5'," * 5000 + b"'1');\n@args = (1,2);\n[record]\n",
        ATHENA,
    ),
    "Athena of quotes": lambda: filled(b"\\'", ATHENA + b"@args = ('", b"\n"),
    "Athena of brackets": lambda: filled(b"[", ATHENA + b"@args = (", b");\n"),
    "Athena of nested lists": lambda: filled(b"['a',", ATHENA + b"@args = (", b");\n"),
    "Athena of spaces": lambda: filled(b" ", ATHENA + b"@args = (", b"x\n"),
    "Athena of semicolons": lambda: filled(b" ; ", ATHENA + b"@args = (", b"x\n"),
    "Athena of parameters": lambda: filled(b"'a','b',", ATHENA + b"@args = (", b");\n[record]\n"),
    "SPEC of scans": lambda: filled(b"#S 1 exafs\n#L Energy  I0  I1\n", SPEC),
    "SPEC of numbers": lambda: filled(b"7000.125 100000 50000\n", SPEC),
    "SPEC of spectra": lambda: filled(b"@A 1 2 3 4 5 6 7 8 9\\\n", SPEC),
    "SPEC of labels": lambda: long_lines(b"Energy  ", b"#L "),
    "SPEC of long labels": lambda: b"#S 1 x\n" + long_lines(b"E ", b"#L "),
    "XDI of few long rows": lambda: filled(b"7000.125 " * 900 + b"\n", XDI.replace(b"energy", b"Energy")),
    "XDI of long fields": lambda: long_lines(b"a ", b"# Sample.name: "),
    "Photon Factory": lambda: filled(b" 14.1  14.1  1.0  100000  50000\n", KEK),
    "Photon Factory of few long rows": lambda: filled(b" 14.125" * 900 + b"\n", KEK),
    "SPEC of few long rows": lambda: filled(b"7000.125 " * 900 + b"\n", SPEC),
    "a very long scan": lambda: rising(b" 1.2345678901234567" * 4 + b" 1." + b"2" * 80, b"# energy mu a b c d\n"),
    "a very long scan with emoji": lambda: rising(
        b" 1.2345678901234567" * 4 + b" 1." + b"2" * 80, "# 😀\n# energy mu\n".encode()
    ),
    "SPEC of motors": lambda: filled(b"#P0 1 2 3 4 5 6 7 8 9 10 11 12\n", SPEC),
}
"""Files of 64 MiB that would cost a careless reader minutes or gigabytes."""

QUICK = ["zeros", "one number a line", "Athena of quotes"]

MEASURE = """
import json, sys, time
from pathlib import Path
from exafsnn.errors import ScanError
from exafsnn.read.scan import read
start = time.process_time()
try:
    read(sys.argv[1])
    outcome = "read"
except ScanError as error:
    outcome = error.reason
seconds = time.process_time() - start
memory = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([outcome, seconds, int(memory.split()[1]) * 1024 / 1e6]))
"""


def measured(path: Path) -> tuple[str, float, float]:
    """What became of a file in a process of its own, the seconds of computing, and the largest memory [MB]."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    return tuple(json.loads(done.stdout))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in HOSTILE]
)
def test_hostile_files_cost_little(kind, packed, tmp_path):
    content = HOSTILE[kind]()
    assert 60 * 2**20 < len(content) <= 64 * 2**20
    path = tmp_path / "hostile.dat"
    path.write_bytes(gzip.compress(content, 1) if packed else content)
    outcome, seconds, megabytes = measured(path)
    assert outcome
    assert seconds < 5
    assert megabytes < 500


LABELS = ["(", "( ", "(a ", "a=", "a = {", '"', "a ", "energy ", '(1) "', "$(", "[1-", "* ", "\t", "C  ", "_c1", "eV "]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["# ", "", "# energy mu ", "# Element.symbol: ", "# XDI/1.0\n# "])
def test_hostile_headers_cost_little(start, tmp_path):
    """Of searches with patterns, the quadratic ones would take minutes on such lines."""
    path = tmp_path / "hostile.dat"
    for label in LABELS:
        line = start + label * (60_000 // len(label)) + " b\n"
        path.write_text(line * 16 + "7000.125 1.234567\n" * 400)
        assert measured(path)[1] < 5, label


def lines_of_scan(make_scan, between=" ", point="."):
    scan = make_scan("Fe")
    rows = zip(scan.energy, scan.mu, strict=True)
    return scan, [f"{e:.6f}{between}{m:.8f}".replace(".", point) for e, m in rows]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_any_encoding_and_line_ending(encoding, ending, make_scan, tmp_path):
    scan, rows = lines_of_scan(make_scan)
    text = ending.join(["# Probe: dünn, 20 °C", "# energy mu", *rows, ""])
    (tmp_path / "scan.dat").write_bytes(text.encode(encoding))
    spectrum = read_one(tmp_path / "scan.dat")
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert spectrum.metadata["Probe"] == "dünn, 20 °C"


@pytest.mark.parametrize("between", [";", "; ", "\t", " ", " \t "])
def test_decimal_commas(between, make_scan, tmp_path):
    scan, rows = lines_of_scan(make_scan, between, ",")
    (tmp_path / "scan.csv").write_text("\n".join([between.join(("energy", "mu")), *rows]))
    spectrum = read_one(tmp_path / "scan.csv")
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert "decimal-comma" in [finding.name for finding in spectrum.findings]


@pytest.mark.parametrize("row", ["7000,1;1.5", "7000,1;1,5,3", "7.000,1;1,5"])
def test_points_and_commas_mixed_are_an_error(row, make_scan, tmp_path):
    _, rows = lines_of_scan(make_scan, ";", ",")
    (tmp_path / "scan.csv").write_text("\n".join(["energy;mu", *rows[:30], row, *rows[30:]]))
    with pytest.raises(ScanError, match=r"line 32: .* is not a row of 2 numbers"):
        read(tmp_path / "scan.csv")


def test_lines_end_in_any_way():
    assert text_lines("a\nb\r\nc\rd\n\re") == ["a", "b", "c", "d", "", "e"]
    assert text_lines("a\x0bb\x85c\u2028d\n") == ["a\x0bb\x85c\u2028d", ""]


def test_too_many_lines_numbers_and_columns(tmp_path):
    path = tmp_path / "scan.dat"
    for content, fault in [
        ("\n" * 600_000 + "1 2", "more than 500000 lines"),
        ("1 2\r\n" * 499_000 + "1 x", "line 499001: '1 x' is not a row of 2 numbers"),
        ("# energy mu\n" + ("1 " * 900 + "\n") * 4500, "line 3335: the table holds more than 3000000 numbers"),
        (("1 " * 1001 + "\n") * 20, "line 1: the row holds 1001 numbers, more than 1000 columns"),
        ("words\n" * 300_000 + "1 2\n", "the header has more than 1048576 characters"),
        ("1 2\nwords\n" * 51 + "1 2\n", "the header has"),
    ]:
        path.write_text(content)
        with pytest.raises(ScanError, match=fault):
            read(path)


def test_hdf5_is_known_by_its_first_bytes(tmp_path):
    (tmp_path / "a.dat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    assert is_hdf5(str(tmp_path / "a.dat"))
    assert not is_hdf5(str(tmp_path / "none.h5"))
    assert not is_hdf5(str(tmp_path))
    (tmp_path / "packed.h5").write_bytes(gzip.compress(b"\x89HDF\r\n\x1a\n" + bytes(100)))
    with pytest.raises(ScanError, match="an HDF5 file"):
        read(tmp_path / "packed.h5")


def test_the_file_is_read_anew_once_it_changes(make_scan, tmp_path):
    scan, rows = lines_of_scan(make_scan)
    path = tmp_path / "scan.dat"
    path.write_text("\n".join(["# energy mu", *rows]))
    assert len(read_one(path).energy) == len(scan.energy)
    path.write_text("\n".join(["# energy mu", *rows[:-1]]))
    assert len(read_one(path).energy) == len(scan.energy) - 1
