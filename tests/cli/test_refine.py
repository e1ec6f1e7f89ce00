"""``exafsnn refine`` has the options and the files of ``predict``, and its answers are its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from exafsnn_cli.main import run

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
