"""Error bars that cover: the conformal scale finds what it was made from, and agrees with a peer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from mapie.conformity_scores import AbsoluteConformityScore
from mapie.regression import SplitConformalRegressor
from sklearn.dummy import DummyRegressor

from exafsnn.learn.intervals import LEVELS, circumstances, fit_scale, is_first, scale_of, scales_from_mapping

SKEWED = np.exp(np.random.default_rng(9).standard_normal(4000)) - 1.0
"""Errors of unit size with a long tail upwards."""


def spectra(n, seed, wrong=3.0):
    """Errors of which the raw standard deviation is ``wrong`` times too small, and more at small k max."""
    random = np.random.default_rng(seed)
    k_max, noise = random.uniform(9, 16, n), 10 ** random.uniform(-4, -2.3, n)
    given = circumstances(k_max, noise, random.uniform(0.03, 0.07, n), random.dirichlet(np.ones(4), n))
    raw = np.exp(random.normal(-4, 0.5, n))
    true = wrong * raw * np.exp(-0.3 * given[:, 1] + 0.2 * given[:, 2])
    return true * random.choice(SKEWED, n), raw, given


def fit(error, raw, given):
    """The scale, each spectrum one trajectory."""
    return fit_scale(error, raw, given, np.arange(len(error)))


def inside(scale, level, error, raw, given):
    """(n,) whether the truth lies in the interval."""
    low, high = scale.interval(level, raw, given)
    return (-error >= low) & (-error <= high)


@pytest.mark.parametrize("level", [0.30, 0.68, 0.95])
def test_intervals_cover_new_spectra_and_both_tails(level):
    scale = fit(*spectra(8000, 1))
    error, raw, given = spectra(4000, 2)
    covered = inside(scale, level, error, raw, given)
    assert covered.mean() == pytest.approx(level, abs=0.03)
    for group in (given[:, 1] < -0.5, given[:, 1] > 0.5, given[:, 2] < 0):
        assert covered[group].mean() == pytest.approx(level, abs=0.06)
    low, high = scale.interval(level, raw, given)
    assert (-error < low).mean() == pytest.approx((1 - level) / 2, abs=0.02)
    assert (-error > high).mean() == pytest.approx((1 - level) / 2, abs=0.02)


def test_intervals_are_no_wider_than_they_must():
    scale = fit(*spectra(8000, 1))
    error, raw, given = spectra(4000, 2)
    truth = -error / scale.of(raw, given)
    needed = (
        np.quantile(truth, [(1 - level) / 2 for level in LEVELS]),
        np.quantile(truth, [(1 + level) / 2 for level in LEVELS]),
    )
    assert scale.low == pytest.approx(needed[0], rel=0.12, abs=0.03)
    assert scale.high == pytest.approx(needed[1], rel=0.12, abs=0.03)


def test_an_overconfident_model_is_told():
    error, raw, given = spectra(4000, 2)
    scale = fit(error, raw, given)
    bold = replace(scale, low=tuple(0.5 * end for end in scale.low), high=tuple(0.5 * end for end in scale.high))
    assert inside(scale, 0.95, error, raw, given).mean() > 0.93
    assert inside(bold, 0.95, error, raw, given).mean() < 0.90


def test_few_trajectories_make_wide_intervals():
    """Spectra of one trajectory that err together say no more than one spectrum does."""
    random = np.random.default_rng(5)
    trajectories = np.repeat(np.arange(20), 100)
    hits = []
    for _ in range(60):
        shared = random.standard_normal(21)
        error = shared[trajectories]
        scale = fit_scale(error, np.ones(2000), np.zeros((2000, 8)), trajectories)
        hits.append(inside(scale, 0.90, shared[-1:], np.ones(1), np.zeros((1, 8)))[0])
    assert np.mean(hits) == pytest.approx(0.90, abs=0.08)


def test_a_scale_survives_json():
    scale = fit(*spectra(500, 3))
    assert scales_from_mapping({"distance": scale.to_mapping()}) == {"distance": scale}
    with pytest.raises(ValueError, match="each within the next"):
        scales_from_mapping({"distance": scale.to_mapping() | {"high": scale.high[::-1]}})
    with pytest.raises(ValueError, match="10 numbers below 1000 are wanted"):
        scales_from_mapping({"distance": scale.to_mapping() | {"low": [1.0]}})


def test_the_quantiles_are_those_of_mapie():
    """Split-conformal with a constant scale, and both tails apart, is what MAPIE's unsymmetric residual score does."""
    y = np.random.default_rng(4).choice(SKEWED, 400, replace=False)
    model = DummyRegressor(strategy="constant", constant=0.0).fit(np.zeros((2, 1)), [0.0, 0.0])
    score = AbsoluteConformityScore(sym=False)
    peer = SplitConformalRegressor(model, confidence_level=list(LEVELS), conformity_score=score, prefit=True)
    peer.conformalize(np.zeros((400, 1)), y)
    theirs = peer.predict_interval(np.zeros((1, 1)))[1][0]
    flat = fit(-y, np.ones(400), np.zeros((400, 8)))
    ends = [flat.interval(level, np.ones(1), np.zeros((1, 8))) for level in LEVELS]
    assert [low[0] for low, _ in ends] == pytest.approx(theirs[0], rel=1e-6)
    assert [high[0] for _, high in ends] == pytest.approx(theirs[1], rel=1e-6)


def test_a_surer_answer_never_gets_a_wider_interval():
    """Few trajectories may show the opposite; carried on to an answer surer than any of them it would be absurd."""
    rng = np.random.default_rng(3)
    raw = np.exp(rng.uniform(-1, 1, 400))
    scale = fit_scale(rng.standard_normal(400) / raw**2, raw, np.zeros((400, 8)), np.arange(400))
    one, other = scale.half_width(0.68, np.array([0.01, 1.0]), np.zeros((2, 8)))
    assert one <= other


def test_ranges_have_scales_of_their_own():
    names = {
        "first": "distance", "first Ni-O": "distance Ni-O", "oxide Ni-Ni": "distance oxide Ni-Ni",
        "metal Ni-Ni": "distance metal Ni-Ni",
    }  # fmt: skip
    assert all(is_first(name) and scale_of("distance", name) == scale for name, scale in names.items())
    assert not any(map(is_first, ("shell1", "oxide", "first Ni", "2.0-3.0", "oxidised Ni-Ni")))


def test_a_phase_beside_the_metals_is_a_circumstance():
    likeness = np.array([[0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    both = circumstances(np.full(2, 12.0), np.full(2, 1e-3), np.full(2, 0.045), likeness)
    alone = circumstances(np.full(2, 12.0), np.full(2, 1e-3), np.full(2, 0.045), likeness[:, :4])
    assert both[:, :8] == pytest.approx(alone)
    assert both[:, 8].tolist() == [0.0, 1.0]
