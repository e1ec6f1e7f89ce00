"""``exafsnn map``: what it writes, prints and returns."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run

from exafsnn.write.results import faults_of

from ..run.test_maps import table, written


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return written(tmp_path_factory.mktemp("patterns"), np.linspace(0, 1, 16))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_the_folder_holds_what_is_promised(
    patterns: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = table(tmp_path, patterns, [*range(15), ""])
    folder = tmp_path / "map"
    asked = ["--labels", labels, "--between", patterns[0], patterns[-1], "--clusters", "2"]
    assert run(["map", *patterns, "-o", str(folder), *asked]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("map.csv", "relevance.csv", "artificial.csv", "map.safetensors", "settings.json"),
        *("map.png", "relevance.png", "artificial.png"),
    }
    assert faults_of(folder) == []
    found = rows_of(folder / "map.csv")
    assert list(found[0])[:4] == ["file", "record", "x", "y"]
    assert {"cluster", "label", "estimate", "estimate_std", "error", "outlier"} <= set(found[0])
    assert [row["file"] for row in found] == patterns
    assert {row["cluster"] for row in found} == {"1", "2"}
    assert found[-1]["label"] == ""
    assert float(found[-1]["estimate"]) == pytest.approx(15, abs=2)
    relevance = rows_of(folder / "relevance.csv")
    assert list(relevance[0])[:4] == ["record", "low", "high", "relevance"]
    assert {row["record"] for row in relevance} == {"*", *patterns}
    shown = capsys.readouterr()
    assert "Most relevant in 2θ" in shown.err
    assert "(PCA" in shown.err
    assert "each left out" in shown.err
    assert json.loads((folder / "settings.json").read_text())["settings"]["seed"] == 0


def test_a_map_is_used_again(patterns: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(["map", *patterns, "-o", str(first), "--dimensions", "3"]) == 0
    capsys.readouterr()
    kept = str(first / "map.safetensors")
    assert run(["map", patterns[4], "missing.xy", "--map", kept, "-o", str(second), "--json"]) == 3
    document = json.loads(capsys.readouterr().out)
    assert [row["status"] for row in document["summary"]] == ["ok", "rejected"]
    old, new = rows_of(first / "map.csv")[4], rows_of(second / "map.csv")[0]
    assert [float(new[name]) for name in "xyz"] == pytest.approx([float(old[name]) for name in "xyz"], abs=1e-6)
    assert document["axis"]["kind"] == "xrd"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["missing.xy"], 4, "fewer than 8 make no map"),
        (["missing.xy", "--map", "none.safetensors"], 2, "the map cannot be read: No such file"),
        (["a.xy", "--dimensions", "0"], 2, "0 is not in the range"),
        (["a.xy", "--of", "iron"], 2, "'iron' is not one of"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_told(
    arguments: list[str], code: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(["map", *arguments]) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", [("--seed", "9"), ("--weight", "3"), ("--of", "mu"), ("--range", "4", "6")])
def test_what_an_old_map_has_decided_is_no_option(
    option: tuple[str, ...], patterns: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["map", *patterns, "--map", "old.safetensors", *option, "-o", str(tmp_path / "map")]) == 2
    assert f"{option[0]}: the map of --map has its own" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
