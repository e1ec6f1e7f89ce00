"""A run that is interrupted keeps what it did; the same run goes on, and ends as if nothing had happened."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from exafsnn_cli import main

from exafsnn.run import scans as pipeline
from exafsnn.run.scans import predict_scans
from exafsnn.write import kept, results
from exafsnn.write.archive import read_scan
from exafsnn.write.results import ResultsFolder, faults_of

SPECTRA = Path(__file__).parents[2] / "spectra"
CUT = 7


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scans of iron of our own, of which a few at a time are worked on, and which are many."""
    monkeypatch.setattr(pipeline, "BURST", 4)
    monkeypatch.setattr(results, "BURST", 3)
    monkeypatch.setattr(results, "FIGURE_LIMIT", 2)
    monkeypatch.setattr(results, "OVERVIEW_LINES", 5)
    return [shutil.copy(path, tmp_path) for path in sorted(SPECTRA.glob("*.dat"))[:12]] + [str(tmp_path / "absent.dat")]


def run(folder: Path, names: list[str], cut: int | None = None, **asked: Any) -> tuple[int, int, ResultsFolder]:
    """Predict, interrupted after some scans; how many an earlier run had done, how many this one, and the folder."""
    done = 0
    with ResultsFolder(folder, "predict", asked, sources=names) as target:
        before = len(target.scans)
        for outcome in predict_scans(names, done=target.done):
            if done == cut:
                raise KeyboardInterrupt
            target.add(outcome)
            done += 1
    return before, done, target


def interrupted(folder: Path, names: list[str], **asked: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(folder, names, CUT, **asked)


def facts(folder: Path) -> dict[str, Any]:
    """What ``settings.json`` says, but for when that was and how large it is."""
    told = json.loads((folder / "settings.json").read_text())
    return {key: told[key] for key in ("scans", "inputs", "figures", "models")} | {"files": sorted(told["files"])}


def assert_same(found: Any, expected: Any) -> None:
    """To rounding: what is answered together is."""
    if isinstance(expected, str):
        assert found == expected
    else:
        assert np.shape(found) == np.shape(expected)
        scale = np.nanmax(np.abs(expected), initial=0.0)
        assert np.allclose(found, expected, rtol=1e-3, atol=1e-3 * scale, equal_nan=True)


def test_a_run_that_goes_on_ends_as_one_that_was_not_interrupted(tmp_path: Path, names: list[str]) -> None:
    interrupted(tmp_path / "cut", names)
    assert [path.name for path in (tmp_path / "cut").iterdir() if not path.name.startswith(".")] == []
    before, done, target = run(tmp_path / "cut", names)
    assert (before, done, target.kept) == (CUT, len(names) - CUT, 0)
    run(tmp_path / "whole", names)
    assert facts(tmp_path / "cut") == facts(tmp_path / "whole")
    assert not faults_of(tmp_path / "cut")
    assert not list((tmp_path / "cut").glob(".*"))
    for table in ("summary.csv", "rdf.csv", "chi.csv"):
        cut, whole = (
            list(csv.reader((tmp_path / folder / table).read_text().splitlines())) for folder in ("cut", "whole")
        )
        assert [row[:4] for row in cut] == [row[:4] for row in whole]
    for name in names:
        cut, whole = (read_scan(tmp_path / folder / "results.h5", name) for folder in ("cut", "whole"))
        assert cut.keys() == whole.keys()
        for key, value in whole.items():
            if isinstance(value, str | np.ndarray | float):
                assert_same(cut[key], value)
            else:
                assert cut[key] == value


def test_a_run_may_be_interrupted_twice_and_have_more_scans(tmp_path: Path, names: list[str]) -> None:
    interrupted(tmp_path / "cut", names[:9])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", names, 2)
    before, done, _ = run(tmp_path / "cut", names)
    assert (before, done) == (CUT + 2, len(names) - CUT - 2)
    with (tmp_path / "cut" / "summary.csv").open() as stream:
        assert list(dict.fromkeys(row["file"] for row in csv.DictReader(stream))) == names


@pytest.mark.parametrize("change", ["setting", "scan", "fewer", "order", "between", "model", "damage", "killed"])
def test_what_is_not_the_same_begins_anew(
    tmp_path: Path, names: list[str], change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path / "cut", names)
    (stage,) = (tmp_path / "cut").glob(".unfinished-*")
    asked = {}
    if change == "setting":
        asked = {"columns": "energy=1,mu=2"}
    elif change == "scan":
        Path(names[0]).write_text(Path(names[0]).read_text() + "\n")
    elif change == "fewer":
        names = names[1:]
    elif change == "order":
        names = names[::-1]
    elif change == "between":
        names = [*names[:3], names[-2], *names[3:-2], names[-1]]
    elif change == "model":
        monkeypatch.setattr(kept, "find_model", lambda name: Path(names[0]))
    elif change == "damage":
        with (stage / "results.h5").open("ab") as stream:
            stream.write(b"0")
    else:
        (stage / "kept.json").unlink()
    before, done, target = run(tmp_path / "cut", names, **asked)
    assert (before, done) == (0, len(names))
    assert target.dropped == (0 if change == "killed" else CUT)
    assert not list((tmp_path / "cut").glob(".*"))


def test_what_is_kept_stays_until_other_results_are_published(tmp_path: Path, names: list[str]) -> None:
    interrupted(tmp_path / "cut", names)
    with pytest.raises(ValueError, match="no"), ResultsFolder(tmp_path / "cut", "predict", {}, sources=names[1:]):
        raise ValueError("no")
    assert run(tmp_path / "cut", names)[0] == CUT


def test_a_second_interruption_while_scans_are_kept_waits(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep(*given: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        kept.keep(*given)

    monkeypatch.setattr(results, "keep", keep)
    interrupted(tmp_path / "cut", names)
    assert run(tmp_path / "cut", names)[0] == CUT


def test_nobody_vouches_for_a_file_that_changed_after_it_was_read(
    tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def add(folder: ResultsFolder, outcome: pipeline.Outcome) -> None:
        Path(names[0]).write_text(Path(names[1]).read_text())
        written(folder, outcome)

    written = ResultsFolder.add
    with monkeypatch.context() as patch:
        patch.setattr(ResultsFolder, "add", add)
        interrupted(tmp_path / "cut", names)
    assert run(tmp_path / "cut", names)[0] == 0


def test_records_of_a_file_that_are_done_are_passed_over(names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = [outcome.file for outcome in pipeline.measure_scans(names, done={(names[0], ""): 1, (names[2], ""): 1})]
    assert found == [names[1], *names[3:]]


def test_few_scans_are_not_kept(tmp_path: Path, names: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", names, 2)
    assert not (tmp_path / "cut").exists()


def test_the_command_says_that_it_goes_on(tmp_path: Path, names: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*given: Any, **asked: Any) -> Iterator[pipeline.Outcome]:
        outcomes = predict_scans(*given, **asked)
        yield from (next(outcomes) for _ in range(CUT))
        raise KeyboardInterrupt

    command = ["predict", *names, "-o", str(tmp_path / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "predict_scans", cut)
        said = CliRunner().invoke(main.root, command)
    assert f"{CUT} scans are done, and kept" in said.output
    said = CliRunner().invoke(main.root, command)
    assert f"an interrupted run has done {CUT} scans" in said.output
    assert all(Path(name).name in said.output for name in names)
