"""``exafsnn compare``: every shell twice, by the answer and by larch's fit, in table, file and figure."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from exafsnn_cli.main import run

from exafsnn.run.compare import compare_scans

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = str(SPECTRA / "fe_0400K.dat")
REFERENCE = ["--reference", str(SPECTRA / "fe_0300K.dat"), "--structure", "bcc:2.8667"]


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    """Of a good scan and of what is none."""
    folder = tmp_path_factory.mktemp("compare")
    bad = folder / "bad.dat"
    bad.write_text("nothing\n")
    assert run(["compare", SCAN, str(bad), *REFERENCE, "-o", str(folder / "results")]) == 3
    return folder / "results"


def test_every_shell_is_there_twice(results: Path) -> None:
    with (results / "compare.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["range"], row["method"]) for row in rows] == [
        (shell, method) for shell in ("shell1", "shell2") for method in ("exafsnn", "feffit")
    ]
    for row in rows:
        assert all(math.isfinite(float(row[name])) for name in ("coordination_std", "distance_std", "sigma2_std"))
        assert float(row["r_factor"]) < 0.03
    first = rows[1]
    assert float(first["coordination"]) == pytest.approx(8, abs=3 * float(first["coordination_std"]))
    assert float(first["distance"]) == pytest.approx(2.49, abs=0.03)


def test_the_files_are_listed_and_larch_reads_the_paths(results: Path) -> None:
    from larch.xafs import FeffPathGroup

    listed = json.loads((results / "settings.json").read_text())
    paths = [name for name in listed["files"] if name.startswith("feff-Fe-K-Fe-")]
    assert len(paths) == 2
    assert {"compare.csv", "compare-fe_0400K.dat.png", "summary.csv"} <= set(listed["files"])
    assert listed["settings"]["most"] is None
    assert FeffPathGroup(str(results / paths[0])).absorber == "Fe"


def test_json_has_both(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["compare", SCAN, "--s02", "0.8", "--shells", "1", "--json", "-o", str(tmp_path / "out")]) == 0
    rows = json.loads(capsys.readouterr().out)["summary"]
    fitted = [row for row in rows if "feffit_coordination" in row]
    assert [row["range"] for row in fitted] == ["shell1"]


def test_what_cannot_be_fitted_has_its_answer_and_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from exafsnn.analyse import shell_fits

    monkeypatch.setattr(shell_fits.ShellFitter, "_shown", lambda *_: {})
    (outcome,) = compare_scans([SCAN])
    assert outcome.prediction
    assert outcome.fit is None
    assert "no-fit" in {finding.name for finding in outcome.findings}


def test_refinement_and_fits_share_one_reading_of_the_standard() -> None:
    """So that it may come of an iterator, which can be read but once."""
    (outcome,) = compare_scans([SCAN], references=iter([REFERENCE[1]]), structure="bcc:2.8667")
    assert outcome.fit
    assert outcome.fit.amplitude_from == f"the fit of {REFERENCE[1]}"


@pytest.mark.parametrize(("option", "value"), [("--s02", "0"), ("--s02", "inf"), ("--s02", "nan"), ("--shells", "0")])
def test_what_cannot_be_is_wrong_usage(option: str, value: str, tmp_path: Path) -> None:
    assert run(["compare", SCAN, option, value, "-o", str(tmp_path / "out")]) == 2


@pytest.mark.parametrize("name", ["fe.060", "fe.301"])
def test_measured_iron(data_dir: Path, name: str) -> None:
    """feffit's two shells overlap, as its standard errors say; the answer's are apart (8 and 6)."""
    (outcome,) = compare_scans(
        [str(data_dir / "fe" / name)], references=[str(data_dir / "fe" / "fe.300")], structure="bcc:2.8665"
    )
    assert outcome.fit
    first, second = outcome.fit.shells
    assert first.shell.coordination == pytest.approx(8, abs=0.5)
    assert second.shell.coordination == pytest.approx(6, abs=0.5)
    for shell, n in ((first, 8), (second, 6)):
        assert shell.coordination_std > 3 * shell.shell.coordination_std
        assert shell.coordination == pytest.approx(n, abs=3 * shell.coordination_std)
