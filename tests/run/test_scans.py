"""The whole way: each scan's fate, and that none costs the others."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from exafsnn.errors import Finding, ModelError, ScanError, SettingsError
from exafsnn.measure.scans import measure_all
from exafsnn.read import scan as reader
from exafsnn.records import ChiK, Prediction
from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import measure_scans, predict_scans
from exafsnn.run.series import Follower
from exafsnn.settings import BackgroundSettings

from ..conftest import fake_read


def fates(outcomes: object) -> list[tuple[str, str, str]]:
    assert hasattr(outcomes, "__iter__")
    return [(item.file, item.record, item.status) for item in outcomes]


def test_one_bad_scan_never_stops_the_rest(beamline: None) -> None:
    outcomes = list(measure_scans(["good.dat", "bad.dat", "absent.dat", "broken.dat", "many.prj"]))
    assert fates(outcomes) == [
        ("good.dat", "", "ok"), ("bad.dat", "", "rejected"), ("absent.dat", "", "rejected"),
        ("broken.dat", "", "rejected"), ("many.prj", "one", "ok"), ("many.prj", "two", "ok"),
    ]  # fmt: skip
    assert outcomes[1].reason == "line 7: no edge. Measure one"
    assert "no such file" in outcomes[2].reason
    assert outcomes[3].reason.startswith("a defect of exafsnn")
    assert "ZeroDivisionError" in outcomes[3].defect
    assert not outcomes[1].defect


def test_same_file_is_measured_once(beamline: None) -> None:
    assert fates(measure_scans(["good.dat", "good.dat"])) == [("good.dat", "", "ok")]


def test_same_record_under_two_names_is_rejected(beamline: None) -> None:
    outcomes = list(measure_scans(["many.prj", "many.prj::one"]))
    assert fates(outcomes)[2] == ("many.prj", "one", "rejected")


def test_wrong_columns_are_told_before_the_first_scan() -> None:
    with pytest.raises(SettingsError):
        measure_scans(["good.dat"], columns="nonsense")


def test_fatal_finding_rejects(beamline: None) -> None:
    (outcome,) = measure_scans(["fatal.dat"])
    assert outcome.reason == "The sign is inverted. Swap I0 and It"


def test_a_rejection_tells_all_that_is_fatal(make_chi: Callable[..., ChiK], monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan that begins too late and ends too early."""
    scan = make_chi().spectrum
    assert scan is not None
    part = (scan.energy > 7112.0 - 25) & (scan.energy < 7112.0 + 200)
    short = replace(scan, energy=scan.energy[part], mu=scan.mu[part])
    monkeypatch.setattr(reader, "read_all", lambda source, **_: [(source, short)])
    (outcome,) = measure_scans(["fe.300"])
    assert [item.name for item in outcome.findings if item.severity == "fatal"] == ["short-range", "short-pre-edge"]
    assert re.fullmatch(r"the scan ends at .*; the scan begins \d+ eV below the edge.*", outcome.reason)


def test_kmax_bounds_what_is_usable(beamline: None) -> None:
    (outcome,) = measure_scans(["good.dat"], settings=BackgroundSettings(kmax=11.0))
    assert outcome.chi is not None
    assert outcome.chi.k_max_usable == 11.0


def test_kmax_bounds_chi_of_a_file_and_lengthens_none(make_chi: Callable[..., ChiK]) -> None:
    chi = replace(make_chi("a.chi"), spectrum=None, background=None, k_max_usable=12.0)
    for kmax, usable in ((11.0, 11.0), (14.0, 12.0), (None, 12.0)):
        (found,) = measure_all([chi], BackgroundSettings(kmax=kmax))
        assert isinstance(found, ChiK)
        assert found.k_max_usable == usable


def test_prediction_uses_the_model_of_the_edge(beamline: None) -> None:
    good, bad, copper = predict_scans(["good.dat", "bad.dat", "copper.dat"])
    assert (good.status, good.model) == ("warned", "fe-k")
    assert good.prediction is not None
    assert good.prediction.amplitude == 0.84
    assert bad.status == "rejected"
    assert copper.reason == "cu-k: no such model. Shipped models: fe-k"
    assert copper.chi is not None


def test_reference_fixes_the_amplitude(beamline: None) -> None:
    (outcome,) = predict_scans(["good.dat"], references=["good.dat"], structure="bcc:2.8665")
    assert outcome.prediction is not None
    assert outcome.prediction.amplitude == 0.7


def test_a_reference_has_columns_of_its_own(beamline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A foil behind the sample is in the same file; without them those of the scans are its."""
    asked: list[str | None] = []

    def read(source: str, *, columns: str | None = None, e0: float | None = None) -> ChiK:
        asked.append(columns)
        return fake_read(source, columns=columns, e0=e0)

    monkeypatch.setattr(reader, "read_one", read)
    own, both = "energy=1,mu=3", {"references": ["good.dat"], "structure": "bcc:2.8665", "columns": "energy=1,mu=2"}
    predict_scans(["good.dat"], **both, reference_columns=own)  # type: ignore[arg-type]
    predict_scans(["good.dat"], **both)  # type: ignore[arg-type]
    Follower(**both, reference_columns=own)  # type: ignore[arg-type]
    assert asked == [own, both["columns"], own]
    with pytest.raises(SettingsError, match="--reference-columns nonsense"):
        predict_scans(["good.dat"], **both, reference_columns="nonsense")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="3 columns of 1 references"):
        predict_scans(["good.dat"], **both, reference_columns=[own] * 3)  # type: ignore[arg-type]
    for door in (lambda: predict_scans(["good.dat"], reference_columns=own), lambda: Follower(reference_columns=own)):
        with pytest.raises(SettingsError, match="those of a reference"):
            door()


def test_who_names_the_model_names_the_edge(beamline: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """That it was guessed by its energy is then a note; all else that is doubtful stays so."""
    guessed, other = (
        Finding("edge-from-energy", "warning", "Fe K was taken", remedy="Name it"),
        Finding("b", "warning", "b"),
    )

    def read(source: str, **asked: Any) -> ChiK:
        return replace(fake_read(source, **asked), findings=(guessed, other))

    monkeypatch.setattr(reader, "read_one", read)
    monkeypatch.setattr(reader, "read_all", lambda source, **asked: [(source, read(source, **asked))])
    for model, told in ((None, "warning"), ("fe-k", "note")):
        (outcome,) = predict_scans(["good.dat"], model=model)
        severities = {finding.name: finding.severity for finding in outcome.findings}
        assert (severities["edge-from-energy"], severities["b"]) == (told, "warning")
        assert ("Fe K was taken. Name it" in outcome.warnings) == (model is None)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "xx-k"}, ModelError),
        ({"references": ["bad.dat"], "structure": "bcc:2.8"}, ScanError),
        ({"references": ["good.dat", "other.dat"], "structure": "bcc:2.8"}, SettingsError),
        ({"references": ["good.dat"]}, SettingsError),
    ],
)
def test_what_concerns_all_scans_is_told_before_the_first(
    beamline: None, options: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        predict_scans(["good.dat"], **options)  # type: ignore[arg-type]


def test_answer_that_is_no_number_is_rejected(beamline: None) -> None:
    (outcome,) = predict_scans(["nan.dat"])
    assert outcome.reason.startswith("the model's answer is not finite")


def test_warnings_are_said_once(make_chi: Callable[..., ChiK], make_prediction: Callable[..., Prediction]) -> None:
    chi = make_chi(findings=(Finding("a", "warning", "A spike"), Finding("b", "note", "Fine")))
    prediction = make_prediction(chi=chi, findings=(Finding("no-reference", "warning", "no reference"),))
    assert Outcome("a.dat", chi=chi, prediction=prediction).warnings == ("A spike", "no reference")
    assert np.isfinite(prediction.misfit)
