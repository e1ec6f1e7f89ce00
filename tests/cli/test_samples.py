"""Models of two pairs and samples of two edges, as users script them: what is on the screen, and in the files.

The model is made of formulae (``toy_compound``), the scans are what it implies: χ(k) files of SrBr₂ at some lattice
constants.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from exafsnn_cli.main import run

from exafsnn.write.archive import densities, read_scan
from exafsnn.write.results import faults_of

from ..infer import toy_compound as toy

CONTRACT = Path(__file__).parents[3] / "shared" / "tools" / "check_contract.py"
LATTICES = {300: 5.55, 400: 5.58, 500: 5.62}
PAIRS = ("Sr-Br", "Sr-Sr", "Br-Sr", "Br-Br")


def write_scan(path: Path, absorber: str, constant: float, seed: int) -> None:
    chi = toy.measured(absorber, constant, seed=seed)
    lines = "\n".join(f"{k:.4f} {value:.8e}" for k, value in zip(chi.k, chi.chi, strict=True))
    path.write_text(f"# Element.symbol: {absorber}\n# Element.edge: K\n#---\n# k chi\n{lines}\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scans at three temperatures, with one missing at the second edge, and the model."""
    folder = tmp_path_factory.mktemp("samples")
    (folder / "models").mkdir()
    toy.save_toy(folder / "models")
    for number, (temperature, constant) in enumerate(LATTICES.items()):
        for name in toy.ELEMENTS:
            write_scan(folder / f"{name.lower()}_{temperature}K.chi", name, constant, number)
    (folder / "br_400K.chi").unlink()
    return folder


@pytest.fixture(scope="module")
def results(place: Path) -> dict[str, Path]:
    """Folders of results by command."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EXAFSNN_MODELS", str(place / "models"))
        patch.chdir(place)
        for command, scans, code in (
            ("predict", ["sr_300K.chi+br_300K.chi", "sr_500K.chi", "sr_300K.chi+none.chi"], 0),
            ("refine", ["sr_300K.chi+br_300K.chi"], 0),
            ("series", ["sr_*.chi+br_*.chi"], 0),
        ):
            asked = [] if command == "series" else ["--model", "toy"]
            assert run([command, *scans, *asked, "-o", command]) == code
            found[command] = place / command
    return found


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("command", ["predict", "refine", "series"])
def test_the_files_are_as_agreed(results: dict[str, Path], command: str) -> None:
    assert not faults_of(results[command])
    if not CONTRACT.exists():
        pytest.skip("shared/tools/check_contract.py is not here")
    checked = subprocess.run([sys.executable, CONTRACT, results[command], command], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout


def test_a_sample_has_a_row_for_each_pair_of_each_edge(results: dict[str, Path]) -> None:
    found = rows(results["predict"] / "summary.csv")
    every = [row for row in found if row["file"] == "sr_300K.chi+br_300K.chi"]
    assert {(row["edge"], row["model"], row["record"]) for row in every} == {("Sr K+Br K", "toy", "")}
    sample = [row for row in every if row["range"] == "first"]
    assert tuple(row["pair"] for row in sample) == PAIRS
    assert {(row["pair"], row["range"]) for row in every} >= {(pair, "shell1") for pair in PAIRS}
    ours, theirs = (row for row in sample if row["pair"] in ("Sr-Br", "Br-Sr"))
    assert float(ours["coordination"]) == pytest.approx(2 * float(theirs["coordination"]), rel=1e-5)
    assert ours["distance"] == theirs["distance"]
    assert ours["misfit"] != theirs["misfit"]  # of each edge's own data
    found = [row for row in found if row["range"] == "first"]
    alone = [row for row in found if row["file"] == "sr_500K.chi"]
    assert [(row["pair"], row["edge"], row["model"]) for row in alone] == [
        ("Sr-Br", "Sr K", "toy-sr"), ("Sr-Sr", "Sr K", "toy-sr"),
    ]  # fmt: skip
    left = [row for row in found if row["file"] == "sr_300K.chi+none.chi"]
    assert [(row["pair"], row["edge"]) for row in left] == [("Sr-Br", "Sr K"), ("Sr-Sr", "Sr K")]
    assert "none.chi is left out: there is no such file" in left[0]["warnings"]


def test_long_tables_and_archive_hold_every_pair_and_edge(results: dict[str, Path]) -> None:
    folder, name = results["predict"], "sr_300K.chi+br_300K.chi"
    rdf = [row for row in rows(folder / "rdf.csv") if row["file"] == name]
    assert [pair for pair in PAIRS for _ in toy.R] == [row["pair"] for row in rdf]
    chi = [row for row in rows(folder / "chi.csv") if row["file"] == name]
    assert list(dict.fromkeys(row["edge"] for row in chi)) == ["Sr K", "Br K"]
    one, other = (read_scan(folder / "results.h5", name, edge=edge) for edge in ("Sr K", "Br K"))
    assert (one["pairs"], other["pairs"]) == ([*PAIRS[:2]], [*PAIRS[2:]])
    assert np.array_equal(one["rdf/density"][0], 2 * other["rdf/density"][0])  # one Sr for two Br
    assert np.array_equal(read_scan(folder / "results.h5", name)["chi/chi"], one["chi/chi"])
    with h5py.File(folder / "results.h5") as archive:
        assert archive["scans/edge"].asstr()[:].tolist() == ["Sr K", "Br K", "Sr K", "Sr K"]
    shown = densities(folder / "results.h5", 10)
    assert shown is not None
    assert [file for file, _ in shown.names] == [name, "sr_500K.chi", "sr_300K.chi+none.chi"]
    assert shown.pair == "Sr-Br"


def test_the_samples_of_a_run_are_noted_with_the_files_of_their_edges(results: dict[str, Path]) -> None:
    told = json.loads((results["predict"] / "settings.json").read_text())
    assert [scan["file"] for scan in told["scans"]] == [
        "sr_300K.chi+br_300K.chi", "sr_500K.chi", "sr_300K.chi+none.chi"
    ]  # fmt: skip
    assert {"sr_300K.chi", "br_300K.chi"} <= {item["file"] for item in told["inputs"] if item["sha256"]}
    assert [name.split(" ")[0] for name in told["models"]] == ["toy", "toy-sr"]
    assert told["figures"]["scan-sr_300K.chi-br_300K.chi.png"] == "sr_300K.chi+br_300K.chi"
    assert all((results["predict"] / name).stat().st_size > 10_000 for name in told["figures"])


def test_refined_distances_are_those_of_the_crystal(results: dict[str, Path]) -> None:
    """No network of it knows this lattice constant: what is found is the fit's."""
    found = {row["pair"]: row for row in rows(results["refine"] / "summary.csv") if row["range"] == "first"}
    assert tuple(found) == PAIRS
    for pair, place in (("Sr-Br", 0.4330), ("Br-Sr", 0.4330), ("Sr-Sr", 0.7071), ("Br-Br", 0.5)):
        assert float(found[pair]["distance"]) == pytest.approx(place * LATTICES[300], abs=0.02)


def test_a_series_of_samples_has_trends_of_every_pair(results: dict[str, Path]) -> None:
    folder = results["series"]
    summary = rows(folder / "summary.csv")
    files = list(dict.fromkeys(row["file"] for row in summary))
    assert files == [f"sr_{value}K.chi+br_{value}K.chi" for value in LATTICES]
    assert [float(next(row["axis"] for row in summary if row["file"] == file)) for file in files] == [*LATTICES]
    series = rows(folder / "series.csv")
    for pair in PAIRS:
        trend = [row for row in series if (row["pair"], row["range"], row["quantity"]) == (pair, "first", "distance")]
        there = [value for value in LATTICES if value != 400 or pair.startswith("Sr")]  # where its edge was measured
        assert [float(row["axis"]) for row in trend] == there
        assert all(np.diff([float(row["value"]) for row in trend]) > 0)  # it expands
    names = {path.name for path in folder.glob("series-*.png")}
    endings = ("", "-Sr-Sr", "-Br-Sr", "-Br-Br")
    assert names == {f"series-{kind}{ending}.png" for kind in ("map", "trends") for ending in endings}
    with h5py.File(folder / "results.h5") as archive:
        raw = archive["series/distance/first Br-Br/raw"][:]
        assert np.array_equal(np.isnan(raw), [False, True, False])


def test_the_report_shows_each_pair_and_names_where_to_find_it(results: dict[str, Path]) -> None:
    page = (results["series"] / "report.html").read_text(encoding="utf-8")
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)
    for number, pair in enumerate(PAIRS, start=1):
        assert f'<a href="#figure-{number}">Along the series: {pair}</a>' in text
        assert f">{pair}, " in text
    assert page.count("data:image/png;base64,") == 8
    assert "br_400K.chi is left out" in text
    assert "<title>Br K, Sr K" in text


@pytest.mark.slow
def test_a_model_of_two_pairs_has_a_series_of_one_edge(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAFSNN_MODELS", str(place / "models"))
    monkeypatch.chdir(place)
    scans = sorted(path.name for path in place.glob("sr_*.chi"))
    assert run(["series", *scans, "--model", "toy-sr", "-o", "one"]) == 0
    assert {row["pair"] for row in rows(place / "one" / "series.csv")} == {"Sr-Br", "Sr-Sr"}
    assert (place / "one" / "series-trends-Sr-Sr.png").exists()


def test_a_watched_folder_has_no_samples(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["series", "sr.chi+br.chi", "--watch", str(place)]) == 2
    assert "cannot tell which are edges of one sample" in capsys.readouterr().err


def test_preprocess_measures_the_scan_of_each_edge(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert run(["preprocess", "sr_300K.chi+br_300K.chi", "-o", "chi"]) == 0
    found = rows(place / "chi" / "summary.csv")
    assert [(row["file"], row["edge"]) for row in found] == [
        ("sr_300K.chi+br_300K.chi", f"{name} K") for name in toy.ELEMENTS
    ]
    assert {path.name for path in (place / "chi").glob("*.png")} == {"scan-sr_300K.chi.png", "scan-br_300K.chi.png"}
