"""A series of scans that are no files says what the same files say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import exafsnn
from exafsnn.errors import SettingsError

SPECTRA = Path(__file__).parents[2] / "spectra"
KELVIN = (300, 400, 1000)
FILES = [str(SPECTRA / f"fe_{kelvin:04d}K.dat") for kelvin in KELVIN]


def test_records_say_what_files_say() -> None:
    files = exafsnn.follow(FILES, structure="bcc:2.8667")
    records = exafsnn.follow_records([exafsnn.read(file) for file in FILES], KELVIN, structure="bcc:2.8667")
    assert [outcome.axis for outcome in records.outcomes] == list(KELVIN)
    for one, other in zip(files.outcomes, records.outcomes, strict=True):
        assert one.prediction
        assert other.prediction
        np.testing.assert_allclose(one.prediction.rdf.density, other.prediction.rdf.density, atol=1e-6)
    assert records.standard.startswith(FILES[0])


def test_an_unfit_record_is_rejected_and_stops_no_other() -> None:
    scans = [exafsnn.read(file) for file in FILES]
    scans[1] = replace(scans[1], mu=np.zeros_like(scans[1].mu))
    course = exafsnn.follow_records(scans, KELVIN)
    assert [outcome.status == "rejected" for outcome in course.outcomes] == [False, True, False]


@pytest.mark.parametrize(("axis", "said"), [((300.0, 400.0), "2 values"), ((300.0, 400.0, float("nan")), "none")])
def test_an_axis_that_is_none_is_refused(axis: tuple[float, ...], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        exafsnn.follow_records([exafsnn.read(file) for file in FILES], axis)


def test_two_records_of_one_name_are_refused() -> None:
    scan = exafsnn.read(FILES[0])
    with pytest.raises(SettingsError, match="one name"):
        exafsnn.follow_records([scan, scan], (1.0, 2.0), against="time")
