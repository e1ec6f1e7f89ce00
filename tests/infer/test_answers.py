"""A series answered together: each scan gets what ``predict`` gives it alone, but for rounding in single precision."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from exafsnn.infer.answers import Answers, answers_to
from exafsnn.infer.estimates import Signals
from exafsnn.infer.reference import calibrate
from exafsnn.read.scan import read_one

from .conftest import DEMONSTRATION

ENDS = (9.0, 9.3, 10.5, 12.0, 13.7, 16.0)
SURE = 1e-3
"""Largest difference, in standard deviations of the answer; relative for what has none."""


@pytest.fixture(scope="module")
def scans():
    """Measured as they are; with other noise and ends; the last but one upside down, which no model can know."""
    found = [read_one(path).to_chi() for path in sorted(DEMONSTRATION.glob("fe_*.dat"))[::3]]
    changed = [replace(chi, noise=chi.noise * 4**i, k_max_usable=ENDS[i]) for i, chi in enumerate(found)]
    return [*found, *changed, replace(found[0], chi=-found[0].chi), replace(found[1], noise=0.0)]


def std_of(answers: Answers, name: str) -> np.ndarray:
    """What an error bar's own difference is held against is the error bar."""
    return getattr(answers, f"{name.split('_')[0]}_std")


@pytest.mark.parametrize("referenced", [False, True])
def test_a_series_is_what_its_scans_are(model, scans, referenced):
    reference = calibrate(model, scans[0], "bcc:2.8665") if referenced else None
    answers = answers_to(model, Signals.of_all(scans), reference)
    for row, chi in enumerate(scans):
        alone = model.predict(chi, reference)
        density = alone.rdf.density[0]
        np.testing.assert_allclose(answers.density[row], density, atol=1e-4 * density.max())
        for name in (item.name for item in fields(Answers) if item.name != "density"):
            if name.startswith(("coordination", "distance", "sigma2")):
                expected, size = getattr(alone.shells["first"], name), std_of(answers, name)[row]
            else:
                expected = getattr(alone, name)
                size = answers.delta_e0_std[row] if name == "delta_e0" else expected
            assert getattr(answers, name)[row] == pytest.approx(expected, abs=SURE * size), (row, name)
        assert bool(answers.in_domain[row]) == alone.in_domain
    assert not answers.in_domain[len(scans) - 2]


def test_pieces_do_not_matter(model, scans, monkeypatch):
    whole = answers_to(model, Signals.of_all(scans))
    monkeypatch.setattr("exafsnn.infer.answers.PIECE", 3)
    pieces = answers_to(model, Signals.of_all(scans))
    assert np.all(np.abs(pieces.coordination - whole.coordination) < SURE * whole.coordination_std)


def test_other_scans_do_not_matter(model, scans):
    """A scan alone, and the same one beside others that end before it."""
    answers = answers_to(model, Signals.of_all(scans))
    one = answers_to(model, Signals.of(scans[3]))
    assert answers.sigma2[3] == pytest.approx(one.sigma2[0], abs=SURE * one.sigma2_std[0])
