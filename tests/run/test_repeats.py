"""Repeats of one sample agree within their noise; where they do not, a note says so with both answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import Finding
from exafsnn.records import ChiK, Prediction
from exafsnn.run.repeats import Repeats, apart_of


@pytest.fixture
def answer(make_chi: Callable[..., ChiK], make_prediction: Callable[..., Prediction]) -> Callable[..., Prediction]:
    def made(size: float = 1.0, temperature: float | None = 300.0, seed: int = 1) -> Prediction:
        chi = make_chi()
        noise = 4e-4 * np.random.default_rng(seed).standard_normal(len(chi.k))
        chi = replace(chi, chi=size * chi.chi + noise, temperature=temperature)
        return make_prediction(chi=chi)

    return made


def notes(*scans: tuple[str, Prediction]) -> list[Finding | None]:
    repeats = Repeats()
    return [repeats.note(file, "", prediction) for file, prediction in scans]


def test_repeats_that_agree_are_not_told(answer):
    assert notes(("a_01.dat", answer()), ("a_02.dat", answer(seed=2)), ("a_03.dat", answer(seed=3))) == [None] * 3


def test_one_that_differs_is_told_with_both_answers(answer):
    first, note = notes(("a_01.dat", answer()), ("a_02.dat", answer(0.8, seed=2)))
    assert first is None
    assert (note.name, note.severity) == ("repeats-differ", "note")
    assert "a_01.dat" in note.message
    assert "R-factor 0.021 and 0.021" in note.message


def test_scans_of_other_samples_are_no_repeats(answer):
    assert notes(("a_01.dat", answer()), ("b_02.dat", answer(0.5))) == [None, None]
    assert notes(("a_01.dat", answer()), ("a_02.dat", answer(0.5, temperature=60.0))) == [None, None]


@pytest.mark.parametrize("size", [0.7, 0.9])
def test_what_they_differ_by(make_chi, size):
    """The noise in the scan itself is made smaller, too."""
    chi = make_chi()
    apart, noise = apart_of(replace(chi, chi=size * chi.chi), chi)
    assert apart == pytest.approx((1 - size) / size)
    assert 0 < noise < 0.2
