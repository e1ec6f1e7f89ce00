"""``exafsnn refine`` has the options and the files of ``predict``, and its answers are its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run

from exafsnn.write.archive import read_scan

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = str(SPECTRA / "fe_0400K.dat")
REFERENCE = ["--reference", str(SPECTRA / "fe_0300K.dat"), "--structure", "bcc:2.8667"]


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The summary of one scan by both commands, with a reference."""
    folder = tmp_path_factory.mktemp("results")
    found = {}
    for command in ("predict", "refine"):
        assert run([command, SCAN, *REFERENCE, "-o", str(folder / command)]) == 0
        found[command] = folder / command
    return found


def rows(folder):
    with (folder / "summary.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_it_writes_what_predict_writes(answers):
    files = {name: {path.name for path in folder.iterdir()} for name, folder in answers.items()}
    assert files["refine"] == files["predict"]
    assert list(rows(answers["refine"])[0]) == list(rows(answers["predict"])[0])


def test_it_fits_better_and_says_that_it_is_refined(answers):
    before, after = (float(rows(answers[name])[0]["misfit"]) for name in ("predict", "refine"))
    assert after < before
    assert json.loads((answers["refine"] / "settings.json").read_text())["command"] == "refine"


def test_without_structure_it_is_wrong_usage(tmp_path):
    assert run(["refine", SCAN, "--reference", SCAN, "-o", str(tmp_path / "out")]) == 2


def test_shells_are_in_the_table_and_in_the_archive(answers) -> None:
    found = {row["range"]: row for row in rows(answers["refine"])}
    assert list(found)[:3] == ["first", "shell1", "shell2"]
    assert float(found["shell1"]["r_max"]) == float(found["shell2"]["r_min"])
    assert float(found["shell1"]["coordination"]) == pytest.approx(8, abs=0.5)
    assert float(found["shell2"]["coordination"]) == pytest.approx(6, abs=0.5)
    scan = read_scan(answers["refine"] / "results.h5", SCAN)
    kept = scan["rdf/shells/Fe-Fe/coordination"]
    assert kept[:2] == pytest.approx([float(found[name]["coordination"]) for name in ("shell1", "shell2")], rel=1e-5)
    assert np.isnan(kept[len(found) - 1 :]).all()


def test_a_person_may_ask_for_a_range(tmp_path, capsys) -> None:
    ask = ["--range", "1.9", "2.7", "--range", "3.4", "4.45"]
    assert run(["predict", SCAN, *ask, "-o", str(tmp_path / "out")]) == 0
    found = {row["range"]: row for row in rows(tmp_path / "out")}
    assert (float(found["1.9-2.7"]["r_min"]), float(found["1.9-2.7"]["r_max"])) == (1.9, 2.7)
    assert float(found["3.4-4.45"]["coordination"]) == pytest.approx(12, abs=1)
    assert float(found["3.4-4.45"]["coordination_std"]) > 0
    assert float(found["1.9-2.7"]["distance_std"]) >= 0.006  # no nearer than foils and beamlines agree
    shown = capsys.readouterr().out
    assert shown.count("R-factor") == 1
    assert "1.9-2.7" in shown
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["settings"]["ranges"] == [
        [1.9, 2.7],
        [3.4, 4.45],
    ]


@pytest.mark.parametrize(
    ("ends", "code", "said"),
    [
        (("2.7", "1.9"), 2, "2.7 to 1.9 is no range of distances"),
        (("2", "30"), 4, "2 to 30 Å is not within n(r), which fe-k tells from 1.6 to 6.4 Å"),
    ],
)
def test_what_is_no_range_is_told(tmp_path, capsys, ends, code, said) -> None:
    assert run(["refine", SCAN, "--range", *ends, "-o", str(tmp_path / "out")]) == code
    assert said in capsys.readouterr().err


def test_the_limits_that_the_table_shows_may_be_asked_for(answers, tmp_path) -> None:
    shell = next(row for row in rows(answers["refine"]) if row["range"] == "shell1")
    ends = shell["r_min"], shell["r_max"]
    assert run(["refine", SCAN, *REFERENCE, "--range", *ends, "-o", str(tmp_path / "out")]) == 0
    found = rows(tmp_path / "out")[-1]
    assert float(found["coordination"]) == pytest.approx(float(shell["coordination"]), rel=1e-3)


def test_a_range_that_cuts_a_shell_says_so(tmp_path, capsys) -> None:
    """What is left of a shell may be narrower than the smoothing: then it has no σ²."""
    ask = ["--range", "2.9", "2.95", "--range", "1.9", "2.69"]
    assert run(["predict", SCAN, *ask, "-v", "-o", str(tmp_path / "out")]) == 0
    found = {row["range"]: row for row in rows(tmp_path / "out")}
    assert found["2.9-2.95"]["sigma2"] == ""
    assert float(found["2.9-2.95"]["coordination"]) > 0.5
    assert float(found["1.9-2.69"]["sigma2"]) > 0.004
    said = capsys.readouterr().err
    assert "ends inside a shell: Fe-Fe at 2.9 Å, Fe-Fe at 2.95 Å" in said


def test_a_foreign_scan_shows_no_shells(data_dir, tmp_path) -> None:
    scan = str(data_dir / "oxides" / "FeO_rt_01.xdi")
    assert run(["predict", scan, "--range", "2", "3", "-o", str(tmp_path / "out")]) == 4
    assert [row["range"] for row in rows(tmp_path / "out")] == ["first", "2-3"]
    assert not any(row["coordination"] for row in rows(tmp_path / "out"))


def test_of_atoms_that_hardly_scatter_a_range_says_so(data_dir, tmp_path) -> None:
    scan = str(data_dir / "compounds" / "NiO_001.dat")
    command = ["predict", scan, "--model", "ni-o", "--range", "1.8", "2.5", "-o", str(tmp_path / "out")]
    assert run(command) == 0
    with (tmp_path / "out" / "pairs.csv").open(newline="") as stream:
        found = {(row["pair"], row["range"]): row for row in csv.DictReader(stream)}
    assert float(found["Ni-O", "1.8-2.5"]["coordination"]) == pytest.approx(6, abs=0.6)
    assert found["Ni-Li", "1.8-2.5"]["coordination_std"] == ""
    assert ("Ni-O", "shell2") in found
    assert not [key for key in found if key[0] == "Ni-Li" and key[1].startswith("shell")]
