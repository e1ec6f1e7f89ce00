"""``exafsnn preprocess``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from exafsnn_cli.main import run
from exafsnn_cli.preprocess import preprocess

import exafsnn
from exafsnn.records import Spectrum


def test_preprocess(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beamline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["preprocess", "good.dat", "bad.dat"]) == 3
    shown = capsys.readouterr()
    good = next(line for line in shown.out.splitlines() if line.startswith("good.dat"))
    assert good.split() == ["good.dat", "ok", "Fe", "K", "7112.0", "0.900", "0.00040", "16.0"]
    assert "bad.dat: rejected: line 7: no edge" in shown.err
    names = {path.name for path in Path("exafsnn-results").iterdir()}
    assert names == {"summary.csv", "chi.csv", "settings.json", "scan-good.dat.png"}


def test_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beamline: None, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["preprocess", "copper.dat", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["summary"]
    assert (row["edge"], row["e0"], row["status"]) == ("Cu K", 7112.0, "ok")


def test_notes_are_in_the_settings_and_told_if_asked(
    tmp_path: Path, make_scan: Callable[..., Spectrum], capsys: pytest.CaptureFixture[str]
) -> None:
    scan = make_scan("Fe")
    header = "# XDI/1.0\n# Element.symbol: Fe\n# Element.edge: K\n# ///\n# ---\n# energy mutrans\n"
    path = tmp_path / "scan.xdi"
    path.write_text(header + "\n".join(f"{x:.4f} {y:.6f}" for x, y in zip(scan.energy, scan.mu, strict=True)) + "\n")
    said = "Recommended fields are missing: Facility.name"
    for options in ([], ["--verbose"]):
        assert run(["preprocess", str(path), "-o", str(tmp_path / "results"), *options]) == 0
        assert (f"{path}: note: {said}" in capsys.readouterr().err) == bool(options)
    (told,) = json.loads((tmp_path / "results" / "settings.json").read_text())["scans"]
    assert told["status"] == "ok"
    assert [item["severity"] for item in told["findings"] if item["message"].startswith(said)] == ["note"]


def test_the_end_that_was_asked_for_stands_beside_the_one_that_is_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the background ends χ(k) is not to be used: 0.1 Å⁻¹ of it."""
    scan = str(Path(__file__).parents[2] / "spectra" / "fe_0300K.dat")
    assert run(["preprocess", scan, "--kmax", "12", "-o", str(tmp_path / "out")]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading.endswith("k max (1/Å), 12 asked")
    assert row.split()[-1] == "11.9"
    said = " ".join(CliRunner().invoke(preprocess, ["--help"]).output.split())
    assert "the last 0.1 of it is used for the background alone" in said
    chi = exafsnn.read(scan).to_chi(exafsnn.BackgroundSettings(kmax=12.0))
    assert any("k 0 to 12.00 Å⁻¹" in said for said in chi.history)
    assert any("χ(k) is used to 11.90 Å⁻¹" in said for said in chi.history)


def test_settings_that_suit_no_scan_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["preprocess", "good.dat", "--kmin", "12", "--kmax", "5"]) == 2
    assert "kmin = 12 is not below kmax = 5" in capsys.readouterr().err
