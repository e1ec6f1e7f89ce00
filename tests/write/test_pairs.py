"""What several pairs say, in tables, on the screen and in the archive."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli import answer, screen

from exafsnn.errors import SettingsError
from exafsnn.records import Estimate, Exchange, Order, PartialRDF, Prediction
from exafsnn.run.outcomes import Outcome
from exafsnn.write.archive import read_scan
from exafsnn.write.results import ResultsFolder
from exafsnn.write.tables import plain, summary_rows

ALPHA = Estimate(-0.31, 0.04, -0.38, -0.23)


@pytest.fixture
def of_two(make_prediction: Callable[..., Prediction]) -> Prediction:
    """As if half of iron's neighbours were platinum, which one range tells, and the other does not."""
    one = make_prediction()
    assert one.rdf.samples is not None
    density, spread = (np.concatenate([0.5 * part, 0.5 * part]) for part in (one.rdf.density, one.rdf.spread))
    samples = np.concatenate([0.5 * one.rdf.samples, 0.5 * one.rdf.samples], axis=1)
    exchange = Exchange("Fe-Fe", 1.9, 3.3, 41.5, density)
    rdf = PartialRDF(one.rdf.r, ("Fe-Fe", "Fe-Pt"), density, spread, samples, exchanges=(exchange,))
    told = Order("Fe-Fe", 1.9, 3.3, Estimate(14.0, 0.5, 13, 15), Estimate(0.5, 0.02, 0.46, 0.54), ALPHA)
    return replace(one, rdf=rdf, orders={"first": told}, metal=Estimate(0.7, 0.03, 0.64, 0.76))


def outcome_of(prediction: Prediction) -> Outcome:
    return Outcome(prediction.chi.source, "", prediction.chi, prediction, "fept")


def test_rows_have_what_pairs_say_and_nothing_where_it_is_not_known(of_two: Prediction) -> None:
    first, second = summary_rows(outcome_of(of_two))
    assert (first["total"], first["composition"], first["composition_std"]) == (14.0, 0.5, 0.02)
    assert (first["order"], first["order_low"], first["delta_chi2"], first["metal"]) == (-0.31, -0.38, 41.5, 0.7)
    assert all(math.isnan(second[name]) for name in ("total", "composition_high", "order_std", "delta_chi2"))
    assert json.loads(json.dumps(plain(second), allow_nan=False))["order"] is None


def test_of_one_pair_and_of_foreign_scans_nothing_is_said(
    of_two: Prediction, make_prediction: Callable[..., Prediction]
) -> None:
    for prediction in (make_prediction(), replace(of_two, in_domain=False)):
        assert all("order" not in row for row in summary_rows(outcome_of(prediction)))


def test_columns_of_the_screen_are_there_where_they_are_known(
    of_two: Prediction, make_prediction: Callable[..., Prediction], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for prediction, known in ((of_two, True), (make_prediction(), False)):
        shown = screen.Shown()
        shown.add(outcome_of(prediction))
        with ResultsFolder(tmp_path / str(known), "refine", {}) as folder:
            folder.add(outcome_of(prediction))
        shown.show(folder, answer._COLUMNS, False)
        heading, line, *_ = capsys.readouterr().out.splitlines()
        assert ("α" in heading, "Δχ²" in heading, "-0.31 ± 0.04" in line) == (known, known, known)


def test_the_table_of_pairs_has_them_and_is_not_there_without_any(
    of_two: Prediction, make_prediction: Callable[..., Prediction], tmp_path: Path
) -> None:
    for prediction in (of_two, make_prediction()):  # the second run removes what the first had
        with ResultsFolder(tmp_path, "refine", {}) as folder:
            folder.add(outcome_of(prediction))
        path = tmp_path / "pairs.csv"
        if prediction is of_two:
            with path.open(newline="") as stream:
                first, second = csv.DictReader(stream)
            assert (first["pair"], first["range"], first["composition"], first["metal_std"]) == (
                *("Fe-Fe", "first", "0.5", "0.03"),
            )
            assert (first["delta_chi2"], second["total"], second["metal"]) == ("41.5", "", "0.7")
    assert not path.exists()
    assert "pairs.csv" not in json.loads((tmp_path / "settings.json").read_text())["files"]


def test_in_a_series_it_has_the_axis_and_of_foreign_scans_nothing(of_two: Prediction, tmp_path: Path) -> None:
    foreign = outcome_of(replace(of_two, in_domain=False))
    with ResultsFolder(tmp_path, "series", {}) as folder:
        for number, outcome in enumerate([outcome_of(of_two), foreign, outcome_of(of_two)]):
            folder.add(replace(outcome, file=f"{number}.dat", axis=100.0 + number))
        folder.write_file("transition.json", b"{}")
        folder.write_file("report.html", b"")
    with (tmp_path / "pairs.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["file"], row["axis"]) for row in rows] == [
        *(("0.dat", "100"),) * 2, *(("2.dat", "102"),) * 2,
    ]  # fmt: skip


def test_a_table_of_ones_own_is_no_hindrance_where_none_is_written(
    of_two: Prediction, make_prediction: Callable[..., Prediction], tmp_path: Path
) -> None:
    (tmp_path / "pairs.csv").write_text("my own")
    with ResultsFolder(tmp_path, "refine", {}) as folder:
        folder.add(outcome_of(make_prediction()))
    assert (tmp_path / "pairs.csv").read_text() == "my own"
    refused = pytest.raises(SettingsError, match=r"not written there by exafsnn.*pairs\.csv")
    with refused, ResultsFolder(tmp_path, "refine", {}) as folder:
        folder.add(outcome_of(of_two))
    assert (tmp_path / "pairs.csv").read_text() == "my own"


def test_atoms_without_a_distance_are_in_the_table_of_pairs_alone(of_two: Prediction, tmp_path: Path) -> None:
    """Scripts read numbers in every row of ``summary.csv``."""
    nowhere = replace(
        of_two.shells["second"],
        coordination_high=6.0,
        **dict.fromkeys(("distance", "distance_std", "sigma2"), math.nan),
    )
    with ResultsFolder(tmp_path, "refine", {}) as folder:
        folder.add(outcome_of(replace(of_two, shells=of_two.shells | {"second": nowhere})))
    for name, ranges in (("summary.csv", ["first"]), ("pairs.csv", ["first", "second"])):
        with (tmp_path / name).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        assert [row["range"] for row in rows] == ranges
    assert rows[1]["coordination_high"] == "6"


def test_the_archive_has_them_beside_the_ranges(of_two: Prediction, tmp_path: Path) -> None:
    with ResultsFolder(tmp_path, "refine", {}) as folder:
        folder.add(outcome_of(of_two))
    scan = read_scan(tmp_path / "results.h5", of_two.chi.source)
    assert scan["shells/first/order_high"] == -0.23
    assert scan["shells/first/delta_chi2"] == 41.5
    assert np.isnan(scan["shells/second/total"])
