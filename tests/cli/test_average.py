"""``exafsnn average``: what it writes, and how it asks for what a file does not say."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write
from exafsnn_cli.main import run

from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate.average import AverageSettings, average
from exafsnn.workers import Cluster
from exafsnn.write.results import faults_of

Frames = Callable[..., list[Atoms]]
QUICK = ["--absorber", "Cu", "--sites", "12", "--workers", "1"]


@pytest.fixture
def trajectory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toy: None, crystal_in_motion: Frames) -> str:
    monkeypatch.chdir(tmp_path)
    write("cu.extxyz", crystal_in_motion(12, 1))
    return "cu.extxyz"


def rows_of(name: str) -> list[dict[str, str]]:
    with Path("exafsnn-results", name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_average(trajectory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["average", trajectory, *QUICK]) == 0
    shown = capsys.readouterr()
    assert "first" in shown.out
    assert {path.name for path in Path("exafsnn-results").iterdir()} == {
        "summary.csv", "chi.csv", "rdf.csv", "average.png", "settings.json",
    }  # fmt: skip
    assert not faults_of("exafsnn-results")
    for name in ("summary.csv", "chi.csv", "rdf.csv"):
        assert {(row["file"], row["record"]) for row in rows_of(name)} == {(trajectory, "simulated")}
    first = rows_of("summary.csv")[0]
    assert (first["pair"], first["range"], first["edge"]) == ("Cu-Cu", "first", "Cu K")
    assert float(first["coordination"]) == pytest.approx(12, rel=1e-2)
    chi = np.array([[float(row[key]) for key in ("k", "chi", "chi_std")] for row in rows_of("chi.csv")])
    assert np.isfinite(chi).all()
    (scan,) = json.loads(Path("exafsnn-results/settings.json").read_text(encoding="utf-8"))["scans"]
    assert (scan["simulated"], scan["frames"], scan["sites"]) == (True, 12, 12)


def test_json(trajectory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["average", trajectory, *QUICK, "--frames", "::6", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["scans"][0]["frames"] == 2
    assert document["summary"][0]["coordination_std"] is None
    assert "2 frames" in document["summary"][0]["warnings"]


def test_errors_that_nobody_knows_are_said_in_words(trajectory: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["average", trajectory, *QUICK, "--frames", "3"]) == 0
    shown = capsys.readouterr()
    assert "± unknown" in shown.out
    assert "nan" not in shown.out + shown.err
    assert "from 1 frame nobody can tell" in shown.err


def test_a_lost_frame_is_said_aloud(trajectory: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(trajectory)
    path.write_bytes(path.read_bytes()[:-100])
    assert run(["average", trajectory, *QUICK]) == 0
    assert "the file ends within frame 11, which is left out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--absorber", "Pt"], "there is no Pt among its atoms (Cu)"),
        (["--absorber", "Cu", "--edge", "L9"], "L9"),
        (["--absorber", "Cu", "--types", "1:Cu"], "write them as 1=Pt,2=O"),
        (["--absorber", "Cu", "--cell", "a,b"], "is no cell"),
        (["--absorber", "Cu", "--cell", "9,9,9", "--free"], "a free particle has no cell"),
        (["--absorber", "Cu", "--frames", "1-5"], "Write START:STOP:STEP"),
        (["--absorber", "Cu", "--frames", "::0"], "Write START:STOP:STEP"),
    ],
)
def test_wrong_usage(trajectory: str, options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["average", trajectory, *options]) == 2
    assert said in capsys.readouterr().err
    assert not Path("exafsnn-results").exists()


def test_what_cannot_be_is_refused_and_results_stay(
    trajectory: str, crystal_in_motion: Frames, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["average", trajectory, *QUICK]) == 0
    before = Path("exafsnn-results/chi.csv").read_bytes()
    frames = crystal_in_motion(3, 1)
    frames[2].positions[3] = frames[2].positions[9] + [0.9, 0, 0]
    write("bad.extxyz", frames)
    write("free.xyz", Atoms("Cu2", [[0, 0, 0], [2.5, 0, 0]]), plain=True)
    capsys.readouterr()
    assert run(["average", "bad.extxyz", *QUICK]) == 4
    assert "bad.extxyz, frame 2: atoms" in capsys.readouterr().err
    assert run(["average", "free.xyz", *QUICK]) == 2
    assert "say --free" in capsys.readouterr().err
    assert run(["average", "absent.xyz", *QUICK]) == 4
    assert "there is no such file" in capsys.readouterr().err
    assert Path("exafsnn-results/chi.csv").read_bytes() == before


def test_a_cluster_that_is_not_there_is_told_before_feff_runs(
    trajectory: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("exafsnn.workers._CONNECT", 0.3)
    monkeypatch.setattr("exafsnn.simulate.average.make_theory", None)
    assert run(["average", trajectory, "--absorber", "Cu", "--scheduler", "tcp://127.0.0.1:9"]) == 4
    assert "Error: tcp://127.0.0.1:9: no Dask scheduler answers" in capsys.readouterr().err
    assert not Path("exafsnn-results").exists() or not list(Path("exafsnn-results").iterdir())


@pytest.mark.slow
def test_a_cluster_averages_as_this_process_does(tmp_path: Path, crystal_in_motion: Frames) -> None:
    distributed = pytest.importorskip("distributed")
    write(tmp_path / "cu.extxyz", crystal_in_motion(2, 1))
    asked = {"settings": AverageSettings(sites=2), "treatment": FeffTreatment(scf_radius=0.0)}
    alone = average([tmp_path / "cu.extxyz"], "Cu", **asked)
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as made:
        there = average([tmp_path / "cu.extxyz"], "Cu", **asked, workers=Cluster(made.scheduler_address, 5.0))
    assert np.array_equal(there.chi, alone.chi)
    assert np.array_equal(there.rdf.density, alone.rdf.density)
