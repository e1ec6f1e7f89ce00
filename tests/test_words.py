"""Numbers with errors and names of scans, as short text."""

from __future__ import annotations

import math

import pytest

from exafsnn.words import bracketed, plus_minus, short_name


@pytest.mark.parametrize(
    ("value", "std", "short", "long"),
    [
        (2.65123, 0.0048, "2.6512(48)", "2.6512 ± 0.0048"), (13.96, 0.31, "13.96(31)", "13.96 ± 0.31"),
        (104.0, 23.0, "104(23)", "104 ± 23"), (1.5, math.nan, "1.5", "1.5"), (math.nan, 1.0, "–", "–"),
        (1.5, 0.0, "1.5", "1.5"), (1.5, math.inf, "1.5", "1.5"),
    ],
)  # fmt: skip
def test_numbers_have_two_digits_of_their_errors(value: float, std: float, short: str, long: str) -> None:
    assert bracketed(value, std) == short
    assert plus_minus(value, std) == long


def test_a_unit_follows_the_error() -> None:
    assert plus_minus(2.65, 0.011, "Å") == "2.650 ± 0.011 Å"


def test_scans_are_named_without_their_folders() -> None:
    assert short_name("/data/run 7/fe.060") == short_name("C:\\run\\fe.060") == "fe.060"
    assert short_name("runs/all.prj", "foil") == "all.prj :: foil"
    long = short_name("a" * 50 + "b" * 50)
    assert len(long) == 60
    assert (long[0], long[-1]) == ("a", "b")
