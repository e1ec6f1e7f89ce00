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
    def made(size: float = 1.0, temperature: float | None = 300.0, seed: int = 1, **known: bool) -> Prediction:
        chi = make_chi()
        noise = 4e-4 * np.random.default_rng(seed).standard_normal(len(chi.k))
        chi = replace(chi, chi=size * chi.chi + noise, temperature=temperature)
        return make_prediction(chi=chi, **known)

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


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("fe_01.h5", ""), ("fe_02.h5", "")),
        (("day.h5", "1.1"), ("day.h5", "2.1")),
        (("day.prj", "fe 1"), ("day.prj", "fe 2")),
        (("r01_300K.dat", ""), ("r02_300K.dat", "")),
        (("300K/r1.dat", ""), ("300K/r2.dat", "")),
        (("fe.001", ""), ("fe.002", "")),
    ],
)
def test_names_that_differ_in_one_number_are_of_repeats(answer, first, second):
    repeats = Repeats()
    assert repeats.note(*first, answer()) is None
    assert repeats.note(*second, answer(0.8)).name == "repeats-differ"


def test_temperatures_are_read_as_well_as_thermometers_are(answer):
    _, note = notes(("a_01.dat", answer(temperature=299.87)), ("a_02.dat", answer(0.8, temperature=300.02)))
    assert note.name == "repeats-differ"


def test_repeats_at_alternating_temperatures_are_held_against_their_own(answer):
    scans = [("a_0", answer()), ("a_1", answer(0.5, 60.0)), ("a_2", answer(0.8)), ("a_3", answer(0.5, 60.0))]
    assert [note is not None for note in notes(*scans)] == [False, False, True, False]


def test_an_answer_that_is_none_differs_from_nothing(answer):
    assert notes(("a_01.dat", answer()), ("a_02.dat", answer(0.5, in_domain=False))) == [None, None]
    assert notes(("a_01.dat", answer(0.5, in_domain=False)), ("a_02.dat", answer())) == [None, None]


def test_scans_of_other_samples_are_no_repeats(answer):
    assert notes(("a_01.dat", answer()), ("b_02.dat", answer(0.5))) == [None, None]
    assert notes(("a_01.dat", answer()), ("a_02.dat", answer(0.5, temperature=60.0))) == [None, None]
    for names in (("a_300K.dat", "a_60K.dat"), ("a 300 K.dat", "a 60 K.dat")):
        assert notes((names[0], answer()), (names[1], answer(0.5))) == [None, None]


@pytest.mark.parametrize("size", [0.7, 0.9])
def test_what_they_differ_by(make_chi, size):
    chi = make_chi()
    apart, noise = apart_of(replace(chi, chi=size * chi.chi), chi)
    assert apart == pytest.approx((1 - size) / size)
    _, twice = apart_of(*(replace(one, noise=2 * one.noise) for one in (replace(chi, chi=size * chi.chi), chi)))
    assert twice == pytest.approx(2 * noise)
