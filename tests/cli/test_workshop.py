"""The commands that make models, and those that look after the installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from exafsnn_cli import doctor
from exafsnn_cli.main import run

from exafsnn.simulate.plan import LibrarySettings
from exafsnn.validate.recipes import Recipe, recipe_for
from exafsnn.workers import Cluster

PLAN = """
[[treatments]]
name = "quick"
[[families]]
name = "bcc"
phase = "bcc"
count = 1
potentials = ["Fe_2003"]
a = [2.84, 2.90]
temperature = [100.0, 500.0]
"""


def test_simulate_hands_over_what_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def fake(config: str, output: str, workers: Any, progress: Any) -> None:
        asked.extend([config, output, workers])
        progress(1, 2, "half")

    state = SimpleNamespace(sample=SimpleNamespace(single=[0] * 30))
    made = SimpleNamespace(states=[state, state], discarded=("collapsed",))
    monkeypatch.setattr("exafsnn.simulate.library.build", fake)
    monkeypatch.setattr("exafsnn.simulate.library.load", lambda path: made)
    config = tmp_path / "plan.toml"
    config.write_text("")
    assert run(["simulate", str(config), "-o", "library.h5", "--workers", "2"]) == 0
    assert asked == [str(config), "library.h5", 2]
    said = capsys.readouterr().err
    assert "library.h5: 2 states, 60 sites" in said
    assert "discarded: collapsed" in said
    assert (
        run(["simulate", str(config), "-o", "library.h5", "--scheduler", "tcp://node1:8786", "--patience", "0.5"]) == 0
    )
    assert asked[-1] == Cluster("tcp://node1:8786", 0.5)


@pytest.mark.parametrize("wrong", [["--patience", "5"], ["--scheduler", ""], ["--workers", "0"]])
def test_options_of_a_cluster_are_for_a_cluster(tmp_path: Path, wrong: list[str]) -> None:
    (tmp_path / "plan.toml").touch()
    assert run(["simulate", str(tmp_path / "plan.toml"), "-o", str(tmp_path / "library.h5"), *wrong]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


@pytest.mark.parametrize("place", ["tcp://127.0.0.1:9", "carrier-pigeon://node1"])
def test_a_scheduler_that_is_not_there_is_told_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """And what was simulated before stays."""
    pytest.importorskip("distributed")
    monkeypatch.setattr("exafsnn.workers._CONNECT", 0.3)
    (tmp_path / "plan.toml").write_text(PLAN)
    output = tmp_path / "library.h5"
    assert run(["simulate", str(tmp_path / "plan.toml"), "-o", str(output), "--scheduler", place]) == 4
    said = capsys.readouterr().err
    assert f"Error: {place}: no Dask scheduler answers" in said
    assert "Is it started" in said
    assert (tmp_path / "library.h5.parts" / "plan.json").exists()


def test_without_dask_the_remedy_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    (tmp_path / "plan.toml").write_text(PLAN)
    command = ["simulate", str(tmp_path / "plan.toml"), "-o", str(tmp_path / "library.h5"), "--scheduler", "node1"]
    assert run(command) == 4
    assert 'pip install "exafsnn[cluster]"' in capsys.readouterr().err


def test_train_hands_over_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def fake(libraries: tuple[str, ...], output: str, settings: Any, progress: Any) -> Path:
        asked.extend([libraries, output, settings])
        return Path(output)

    calibrated: list[Any] = []
    monkeypatch.setattr("exafsnn.learn.training.train", fake)
    monkeypatch.setattr("exafsnn.validate.calibration.calibrate", lambda *task, progress: calibrated.append(task))
    monkeypatch.setattr("exafsnn.learn.training.plan_of", lambda path: LibrarySettings())
    library, settings = tmp_path / "library.h5", tmp_path / "settings.toml"
    library.touch()
    settings.write_text("[optimiser]\nmembers = 3\n")
    assert run(["train", str(library), "-o", "model", "--settings", str(settings)]) == 0
    assert asked[:2] == [(str(library),), "model"]
    assert asked[2].optimiser.members == 3
    assert calibrated == [("model", (str(library),), (), asked[2].calibration)]
    settings.write_text("[calibration]\nsessions = 0\n")
    assert run(["train", str(library), "-o", "model", "--settings", str(settings)]) == 0
    assert len(calibrated) == 1
    settings.write_text("no toml")
    assert run(["train", str(library), "-o", "model", "--settings", str(settings)]) == 2


def test_train_on_a_metal_and_its_oxide_counts_in_the_ranges_of_both(tmp_path: Path, monkeypatch) -> None:
    recipe, asked = recipe_of_nickel(monkeypatch), []

    def fake(_libraries: tuple[str, ...], output: str, settings: Any, _progress: Any) -> Path:
        asked.append(settings)
        return Path(output)

    monkeypatch.setattr("exafsnn.learn.training.train", fake)
    monkeypatch.setattr("exafsnn.validate.calibration.calibrate", lambda *_, progress: None)
    plans = {"metal.h5": recipe.library, "oxide.h5": recipe.beside[0].library}
    monkeypatch.setattr("exafsnn.learn.training.plan_of", lambda path: plans[Path(path).name])
    paths = [tmp_path / name for name in plans]
    for path in paths:
        path.touch()
    assert run(["train", *map(str, paths), "-o", "model"]) == 0
    assert asked[0].ranges == recipe.training.ranges
    assert [name for name, *_ in asked[0].ranges] == ["first", "metal Ni-Ni", "first Ni-O", "oxide Ni-Ni"]
    assert asked[0].pairs == recipe.training.pairs


def recipe_of_nickel(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """That of nickel beside its oxide."""
    monkeypatch.setattr("exafsnn.validate.recipes.has_force_field", lambda: True)
    return recipe_for("ni-k")


def test_train_needs_a_library() -> None:
    assert run(["train", "absent.h5", "-o", "model"]) == 2


@pytest.fixture
def _one_model(monkeypatch: pytest.MonkeyPatch, beamline: None) -> None:
    monkeypatch.setattr("exafsnn.learn.model_file.known_models", lambda: ["fe-k"])


def test_models(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("exafsnn.learn.model_file.known_models", lambda: ["fe-k"])
    assert run(["models"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.split()[:5] == ["fe-k", "Fe", "K", "first", "1.9–3.3"]
    assert "9–16" in line
    assert "0.75 ± 15%" in line
    assert "760 simulated states of 764 planned: " in line
    assert run(["models", "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert facts["ranges"] == {"first": [1.9, 3.3]}
    assert facts["k_max"] == [9, 16]
    assert (facts["states"], facts["planned"], sum(facts["phases"].values())) == (760, 764, 764)  # some failed


@pytest.mark.parametrize("name", ["fe-k", "znse-zn", "ptni-ni"])
def test_models_of_any_kind_say_what_they_learned_from(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", name, "--json"]) == 0
    (facts,) = json.loads(capsys.readouterr().out)
    assert sum(facts["phases"].values()) >= facts["states"] > 0


def test_of_one_model_the_card_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "v-k"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# v-k")
    assert "Known failures" in shown
    assert run(["models", "absent"]) == 2
    assert "no such model" in capsys.readouterr().err


@pytest.mark.usefixtures("_one_model")
def test_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "fe-k (0123)" in shown
    assert "FEFF" in shown
    monkeypatch.setattr("exafsnn.learn.model_file.known_models", list)
    assert run(["doctor"]) == 4
    assert "no model is installed" in capsys.readouterr().out


def test_doctor_says_what_is_missing() -> None:
    assert doctor._examine("x", lambda: doctor._package("no_such_package"), "to predict") == (
        "x", "missing", "to predict", "No module named 'no_such_package'",
    )  # fmt: skip


def test_make_says_what_it_would_take_and_hands_it_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def fake(recipe: Any, progress: Any, workers: int | None, *, keep: bool, cluster: Any) -> Path:
        asked.extend([recipe.name, workers, keep, cluster])
        return Path("pt-l3.safetensors")

    monkeypatch.setattr("exafsnn.validate.make.make", fake)
    assert run(["make", "pt", "--workers", "2", "--keep"]) == 0
    assert asked == ["pt-l3", 2, True, None]
    said = capsys.readouterr().err
    assert "min" in said
    assert "MB of disk" in said
    assert run(["make", "pt", "--scheduler", "node1:8786"]) == 0
    assert asked[-3:] == [None, False, Cluster("node1:8786")]
    assert run(["make"]) == 2
    assert run(["make", "unobtainium"]) == 2
    assert run(["make", "--list"]) == 0
    assert "pt-l3" in capsys.readouterr().out.split()


def test_the_template_is_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["make", "--template", "w"]) == 0
    plan = tmp_path / "w.toml"
    plan.write_text(capsys.readouterr().out.replace("3.1652", "0.31652"))
    assert run(["make", str(plan)]) == 2
    assert "was it in nm" in capsys.readouterr().err


def test_a_broken_model_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EXAFSNN_MODELS", str(tmp_path))
    (tmp_path / "ni-k.safetensors").write_bytes(b"none")
    assert run(["models"]) == 0
    shown = capsys.readouterr()
    assert "fe-k" in shown.out
    assert "ni-k cannot be used" in shown.err
