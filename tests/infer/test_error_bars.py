"""Error bars of the answers: N is no surer than the amplitude, and what is calibrated is what is applied."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.infer.estimates import Signals
from exafsnn.infer.reference import calibrate
from exafsnn.read.scan import read_one

from .conftest import DEMONSTRATION


@pytest.fixture(scope="module")
def scan():
    return read_one(DEMONSTRATION / "fe_0400K.dat").to_chi()


def test_without_a_reference_n_carries_the_doubt_about_the_amplitude(model, scan):
    shell = model.predict(scan).shells["first"]
    prior = model.pairs.amplitude_std
    assert shell.coordination_std >= prior * shell.coordination
    assert shell.coordination_high - shell.coordination >= 1.95 * prior * shell.coordination


def test_with_one_it_does_not(model, scan):
    reference = calibrate(model, read_one(DEMONSTRATION / "fe_0300K.dat").to_chi(), "bcc:2.8667")
    shell = model.predict(scan, reference).shells["first"]
    assert shell.coordination_std < 0.06 * shell.coordination


def test_the_uncalibrated_model_has_the_raw_errors_and_says_so(model, scan):
    raw = model.uncalibrated()
    prediction = raw.predict(scan)
    assert any("not calibrated" in warning for warning in prediction.warnings)
    given = raw.answers(Signals.of([scan])).given
    shell = prediction.rdf.shell("Fe-Fe", *raw.ranges["first"])
    scale = model.intervals["predicted blind"]["distance"]
    expected = np.hypot(scale.half_width(0.68, np.array([shell.distance_std]), given)[0], 0.007)  # foils differ so
    assert model.predict(scan).shells["first"].distance_std == pytest.approx(expected, rel=1e-3)  # of half precision


def test_levels_are_ordered(model):
    for scales in model.intervals.values():
        for scale in scales.values():
            assert list(scale.high) == sorted(scale.high)
            assert list(scale.low) == sorted(scale.low, reverse=True)


def test_a_noise_that_is_no_number_is_refused(model, scan):
    with pytest.raises(Exception, match="the noise ε_k of the scan is nan"):
        model.predict(replace(scan, noise=float("nan")))
