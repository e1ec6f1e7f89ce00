"""Error bars that cover: the conformal scale finds what it was made from, and agrees with a peer."""

from __future__ import annotations

import numpy as np
import pytest
from mapie.regression import SplitConformalRegressor
from sklearn.dummy import DummyRegressor

from exafsnn.learn.intervals import LEVELS, circumstances, fit_scale, scales_from_mapping


def spectra(n, seed, wrong=3.0):
    """Errors of which the raw standard deviation is ``wrong`` times too small, and more at small k max."""
    random = np.random.default_rng(seed)
    k_max, noise = random.uniform(9, 16, n), 10 ** random.uniform(-4, -2.3, n)
    given = circumstances(k_max, noise, random.uniform(0.03, 0.07, n))
    raw = np.exp(random.normal(-4, 0.5, n))
    true = wrong * raw * np.exp(-0.3 * given[:, 1] + 0.2 * given[:, 2])
    return true * random.standard_normal(n), raw, given


@pytest.mark.parametrize("level", [0.30, 0.68, 0.95])
def test_intervals_cover_new_spectra(level):
    scale = fit_scale(*spectra(2000, 1))
    error, raw, given = spectra(4000, 2)
    covered = np.abs(error) <= scale.half_width(level, raw, given)
    assert covered.mean() == pytest.approx(level, abs=0.03)
    for group in (given[:, 1] < -0.5, given[:, 1] > 0.5, given[:, 2] < 0):
        assert covered[group].mean() == pytest.approx(level, abs=0.06)


def test_intervals_are_no_wider_than_they_must():
    scale = fit_scale(*spectra(2000, 1))
    error, raw, given = spectra(4000, 2)
    needed = np.abs(error) / scale.of(raw, given)
    assert scale.quantiles == pytest.approx(np.quantile(needed, LEVELS), rel=0.08)


def test_an_overconfident_model_is_told():
    error, raw, given = spectra(4000, 2)
    scale = fit_scale(error, raw, given)
    bold = type(scale)(scale.weights, tuple(0.5 * value for value in scale.quantiles))
    assert (np.abs(error) <= bold.half_width(0.95, raw, given)).mean() < 0.75


def test_a_scale_survives_json():
    scale = fit_scale(*spectra(500, 3))
    assert scales_from_mapping({"distance": scale.to_mapping()}) == {"distance": scale}
    with pytest.raises(ValueError, match="positive and rise"):
        scales_from_mapping({"distance": scale.to_mapping() | {"quantiles": [-5.0] * len(LEVELS)}})
    with pytest.raises(ValueError, match="10 numbers below 1000 are wanted"):
        scales_from_mapping({"distance": scale.to_mapping() | {"quantiles": [1.0]}})


def test_the_quantile_is_that_of_mapie():
    """Split-conformal with a constant scale is what MAPIE's absolute residual score does."""
    random = np.random.default_rng(4)
    y = random.standard_normal(400)
    model = DummyRegressor(strategy="constant", constant=0.0).fit(np.zeros((2, 1)), [0.0, 0.0])
    peer = SplitConformalRegressor(model, confidence_level=list(LEVELS), prefit=True)
    peer.conformalize(np.zeros((400, 1)), y)
    theirs = peer.predict_interval(np.zeros((1, 1)))[1][0, 1]
    flat = fit_scale(y, np.ones(400), np.zeros((400, 5)))
    ours = [flat.half_width(level, np.ones(1), np.zeros((1, 5)))[0] for level in LEVELS]
    assert ours == pytest.approx(theirs, rel=1e-6)
