"""Work that takes long speaks: a bar on a terminal, a line for each scan in a pipe or a log, folders taken whole."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exafsnn_cli.main import run

SPECTRA = Path(__file__).parents[2] / "spectra"
COMMAND = [sys.executable, "-c", "import sys; from exafsnn_cli.main import main; main()"]


def scans(folder: Path, count: int) -> list[str]:
    """So many files of a scan."""
    folder.mkdir(exist_ok=True)
    names = [folder / f"fe_{number}.dat" for number in range(count)]
    for number, name in enumerate(names):
        shutil.copy(SPECTRA / ("fe_0300K.dat" if number % 2 else "fe_0400K.dat"), name)
    return [str(name) for name in names]


def files(folder: Path) -> list[str]:
    with (folder / "summary.csv").open(newline="") as stream:
        return list(dict.fromkeys(Path(row["file"]).name for row in csv.DictReader(stream)))


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_the_bar_moves_at_least_every_tenth_of_fifty_scans(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    names = scans(tmp_path / "scans", 50)
    with subprocess.Popen(
        [*COMMAND, "preprocess", *names, "-o", str(tmp_path / "out")], stderr=theirs, stdout=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        seen = bytearray()
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            seen += piece
    os.close(ours)
    assert process.returncode == 0, seen.decode()
    shown = [int(number) for number in re.findall(rb"(\d+)%\|", bytes(seen))]
    assert max(after - before for before, after in zip([0, *shown], [*shown, 100], strict=True)) <= 10
    assert shown == sorted(shown)
    assert b"50 of 50 read" in seen
    assert b"of 50 figures drawn" in seen


def test_a_pipe_and_a_log_get_a_line_for_each_scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = scans(tmp_path / "scans", 3)
    broken = tmp_path / "scans" / "broken.dat"
    broken.write_text("# nothing\n")
    log = tmp_path / "run.log"
    log.write_text("of an earlier run\n")
    *header, text = re.split(r"(?m)^(?=[^#])", Path(names[0]).read_text(), maxsplit=1)
    table = (row.split(maxsplit=1) for row in text.splitlines())
    moved = "\n".join(f"{float(energy) + 35:.3f} {rest}" for energy, rest in table)
    Path(names[0]).write_text(f"{''.join(header)}{moved}\n")
    command = ["predict", *names, str(broken), "-v", "--log", str(log), "-o", str(tmp_path / "out")]
    assert run(command) == 3
    first, *lines = log.read_text(encoding="utf-8").splitlines()
    assert first == "of an earlier run"
    for line, name in zip(lines, [*names, str(broken)], strict=True):
        assert re.match(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d {re.escape(name)}: ", line)
    assert all(": Fe-Fe N 1" in line and "explains" in line for line in lines[:3])
    assert ": rejected: " in lines[3]
    said = capsys.readouterr().err
    told = said.splitlines()
    assert [line for line in told if line in lines] == lines
    assert said.count("off its tabulated energy") == 1  # a warning as its scan is done, and not once more
    assert said.count("broken.dat") == 1
    assert "%|" not in "".join(told)  # no bar in a pipe


def test_without_being_asked_nothing_is_told_of_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", *scans(tmp_path / "scans", 1), "-o", str(tmp_path / "out")]) == 0
    assert "explains" not in capsys.readouterr().err


def test_a_log_that_cannot_be_written_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = str(tmp_path / "absent" / "run.log")
    assert run(["predict", *scans(tmp_path / "scans", 1), "--log", log, "-o", str(tmp_path / "out")]) == 2
    assert "--log" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_is_the_scans_in_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "scans"
    scans(folder, 12)
    (folder / "notes.txt").write_text("today we measured iron\n")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / ".hidden.dat").write_text("nothing")
    (folder / "earlier").mkdir()
    assert run(["predict", str(folder), "-o", str(tmp_path / "out")]) == 0
    assert files(tmp_path / "out") == [f"fe_{number}.dat" for number in range(12)]
    said = capsys.readouterr().err
    assert "notes.txt: no scan, left out: " in said
    assert "picture.png" not in said


def test_a_file_that_is_named_is_no_less_rejected(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    (name,) = scans(folder, 1)
    notes = folder / "notes.txt"
    notes.write_text("today we measured iron\n")
    assert run(["predict", name, str(notes), "-o", str(tmp_path / "out")]) == 3
    assert files(tmp_path / "out") == ["fe_0.dat", "notes.txt"]


def test_a_folder_without_a_scan_is_no_success(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "notes.txt").write_text("today we measured iron\n")
    assert run(["predict", str(tmp_path / "scans"), "-o", str(tmp_path / "out")]) == 4
    assert "notes.txt" in capsys.readouterr().err


def test_an_empty_folder_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "scans" / "deeper").mkdir(parents=True)
    (name,) = scans(tmp_path / "scans" / "deeper", 1)
    assert run(["predict", str(tmp_path / "scans"), "-o", str(tmp_path / "out")]) == 2
    assert "folders within a folder are not looked into" in capsys.readouterr().err
    assert run(["predict", str(Path(name).parent), "-o", str(tmp_path / "out")]) == 0


def test_the_log_says_why_a_scan_is_warned(tmp_path: Path) -> None:
    log, (name,) = tmp_path / "run.log", scans(tmp_path / "scans", 1)
    scan = Path(name)
    scan.write_text(scan.read_text().replace("# Element.symbol: Fe\n", "").replace("# Element.edge: K\n", ""))
    assert run(["predict", name, "--log", str(log), "-o", str(tmp_path / "out")]) in (0, 3)
    with (tmp_path / "out" / "summary.csv").open(newline="") as stream:
        row = next(csv.DictReader(stream))
    assert row["warnings"].split("; ")[0] in log.read_text(encoding="utf-8")
