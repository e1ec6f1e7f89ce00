"""``exafsnn predict``, as users script it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import click
import pytest
from exafsnn_cli import screen
from exafsnn_cli.main import run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beamline: None) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat", "many.prj"]) == 0
    shown = capsys.readouterr()
    assert shown.out.splitlines()[0].split() == [
        *("scan", "status", "pair", "range", "N", "R", "(Å)", "σ²", "(Å²)", "ΔE₀", "(eV)", "S₀²", "R-factor", "fit"),
    ]
    assert "13.96 ± 0.31  2.651 ± 0.005  0.0412 ± 0.0031" in shown.out
    assert "many.prj::two" in shown.out
    assert "good.dat, many.prj::one, many.prj::two: warned: no reference" in shown.err
    assert "exafsnn-results" in shown.err
    with Path("exafsnn-results/summary.csv").open() as stream:
        assert len(list(csv.DictReader(stream))) == 6


def test_some_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat", "bad.dat", "absent.dat", "-o", "out"]) == 3
    shown = capsys.readouterr()
    assert "bad.dat: rejected: line 7: no edge. Measure one" in shown.err
    assert "rejected" in shown.out
    assert Path("out/results.h5").exists()


def test_none_done() -> None:
    assert run(["predict", "bad.dat"]) == 4
    assert Path("exafsnn-results/summary.csv").exists()


def test_good_results_outlive_a_run_in_which_no_scan_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat"]) == 0
    before = {path.name: path.read_bytes() for path in Path("exafsnn-results").iterdir()}
    capsys.readouterr()
    assert run(["predict", "absent.dat", "--json"]) == 4
    shown = capsys.readouterr()
    assert "No scan was done, so exafsnn-results was left as it was, with the earlier results" in shown.err
    assert json.loads(shown.out)["written"] is False
    assert {path.name: path.read_bytes() for path in Path("exafsnn-results").iterdir()} == before


def test_another_command_does_not_remove_a_prediction(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat"]) == 0
    assert run(["preprocess", "good.dat"]) == 2
    assert "exafsnn-results: the folder holds results of exafsnn predict" in capsys.readouterr().err
    assert Path("exafsnn-results/results.h5").exists()


def test_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat", "bad.dat", "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["results"] == "exafsnn-results"
    first, _, bad = document["summary"]
    assert (first["file"], first["range"], first["coordination"]) == ("good.dat", "first", 13.96)
    assert (bad["status"], bad["warnings"]) == ("rejected", "line 7: no edge. Measure one")
    assert [scan["file"] for scan in document["scans"]] == ["good.dat", "bad.dat"]
    (finding,) = document["scans"][1]["findings"]
    assert (finding["name"], finding["severity"], finding["energy"]) == ("rejected", "fatal", None)


def test_reference_needs_its_structure(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat", "--reference", "good.dat"]) == 2
    assert "belong together" in capsys.readouterr().err
    assert run(["predict", "good.dat", "--reference", "good.dat", "--structure", "bcc:2.8665"]) == 0
    assert json.loads(Path("exafsnn-results/settings.json").read_text())["settings"]["references"] == ["good.dat"]


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            ["good.dat", name, value]
            for name in ("--e0", "--rbkg", "--kmin", "--kmax")
            for value in ("nan", "inf", "-inf")
        ),
        ["good.dat", "--kmax", "3"],
        ["good.dat", "--columns", "energy=1;2,mu=3"],
        [],
        ["--rbkg", "-1"],
        ["good.dat", "--columns", "x"],
        ["good.dat", "--model", "xx-k"],
        ["good.dat", "--colour"],
    ],
)
def test_wrong_usage(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", *wrong]) == 2
    assert "Error" in capsys.readouterr().err
    assert not Path("exafsnn-results").exists()


def test_defect_in_one_scan_is_logged_when_the_others_are_done(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "broken.dat", "good.dat"]) == 1
    assert Path("exafsnn-results/summary.csv").exists()
    (log,) = Path().glob("exafsnn-*.log")
    assert str(log) in capsys.readouterr().err
    assert "ZeroDivisionError" in log.read_text()


def test_interruption_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: object, outcome: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("exafsnn.write.results.ResultsFolder.add", interrupt)
    assert run(["predict", "good.dat"]) == 130
    assert not Path("exafsnn-results").exists()


def test_folder_that_cannot_be_made(capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("")
    assert run(["predict", "good.dat", "-o", "file/out"]) == 4
    assert "file" in capsys.readouterr().err


def test_options_overrule_what_was_found() -> None:
    options = ["--e0", "7112", "--rbkg", "1.1", "--kmin", "2", "--kmax", "12", "--kweight", "1"]
    assert run(["predict", "good.dat", *options]) == 0
    settings = json.loads(Path("exafsnn-results/settings.json").read_text())["settings"]["background"]
    assert {key: settings[key] for key in ("e0", "rbkg", "kmin", "kmax", "kweight")} == {
        "e0": 7112.0, "rbkg": 1.1, "kmin": 2.0, "kmax": 12.0, "kweight": 1,
    }  # fmt: skip


def test_names_of_files_do_not_reach_the_terminal_raw(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["predict", "good.dat", "\x1b[31mred.dat"]) == 0
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err


@pytest.mark.parametrize(
    ("cell", "coloured"),
    [("ok    ", True), ("foreign: not what the model knows", True), ("misses 9% of the scan", True), ("Fe-Fe", False)],
)
def test_states_and_verdicts_have_colours(cell: str, coloured: bool) -> None:
    """Which click leaves out where the table is no terminal's; widths stay."""
    styled = screen._coloured(cell)
    assert click.unstyle(styled) == cell
    assert (styled != cell) == coloured
