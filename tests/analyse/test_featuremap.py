"""A map of spectra: scikit-learn's own checks, and what is true of rows whose two numbers are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.records import Array

NOISE = 0.02
GRID = np.linspace(0, 10, 121)


@parametrize_with_checks([SpectrumMap(steps=5, hidden=8)])
def test_it_is_an_estimator_of_scikit_learn(estimator: BaseEstimator, check: object) -> None:
    assert callable(check)
    check(estimator)


def peaks(position: Array, height: Array) -> Array:
    """(n, p) a peak that moves by more than its width, and one that grows where it is."""
    moving = np.exp(-0.5 * ((GRID - position[:, None]) / 0.5) ** 2)
    return moving + height[:, None] * np.exp(-0.5 * ((GRID - 8.0) / 0.3) ** 2)


@pytest.fixture(scope="module")
def known() -> tuple[Array, Array, SpectrumMap]:
    """Two numbers of each row, rows with noise, and their map."""
    rng = np.random.default_rng(4)
    numbers = np.column_stack([rng.uniform(2, 5, 150), rng.uniform(0, 1, 150)])
    rows = peaks(*numbers.T) + NOISE * rng.standard_normal((150, len(GRID)))
    return numbers, rows, SpectrumMap(steps=800).fit(rows)


def test_it_says_rows_better_than_a_plane(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    linear = PCA(2).fit(rows)
    left = rows - linear.inverse_transform(linear.transform(rows))
    assert np.sqrt((found.errors(rows) ** 2).mean()) < 0.35 * left.std()
    assert found.noise_ == pytest.approx(NOISE, rel=0.1)


def test_its_spread_is_one_and_its_centre_zero(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    points = found.transform(rows)
    assert np.allclose(points.mean(axis=0), 0, atol=1e-9)
    assert (points**2).sum(axis=1).mean() == pytest.approx(1)
    assert abs(points[:, 0] @ points[:, 1]) < 1e-6 * len(points)


def test_a_straight_line_on_the_map_is_a_peak_that_moves(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, _, found = known
    ends = peaks(np.array([2.2, 4.8]), np.array([0.5, 0.5]))
    middle = found.inverse_transform(found.transform(ends).mean(axis=0, keepdims=True))[0]
    truth = peaks(np.array([3.5]), np.array([0.5]))[0]
    mixed = ends.mean(axis=0)
    assert np.linalg.norm(middle - truth) < 0.5 * np.linalg.norm(mixed - truth)


def test_what_carries_the_numbers_is_relevant(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    edges = np.linspace(0, 10, 21)
    masks = [(low <= GRID) & (high > GRID) for low, high in itertools.pairwise(edges)]
    relevance = np.sqrt((found.relevance(rows, masks) ** 2).mean(axis=0))
    true = [np.sqrt(rows.var(axis=0)[mask].sum()) for mask in masks]
    assert spearmanr(relevance, true)[0] > 0.7
    assert relevance[:2].max() < 0.1 * relevance.max()


def test_a_filter_that_masks_everything_brings_all_to_the_mean_row(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    of_filter = found.relevance(rows, [np.eye(len(GRID)), np.ones(len(GRID))])
    mean = found.transform(found.mean_[None])
    assert np.allclose(of_filter[:, 0], np.linalg.norm(found.transform(rows) - mean, axis=1))
    assert np.allclose(of_filter[:, 0], of_filter[:, 1])


def test_a_curve_stays_a_curve() -> None:
    """Distances along one path of spectra are those on the map, also where a peak moves by more than its width."""
    rng = np.random.default_rng(1)
    place = np.sort(rng.uniform(2, 5, 24))
    rows = peaks(place, np.zeros(24)) + NOISE * rng.standard_normal((24, len(GRID)))
    points = SpectrumMap(steps=600).fit_transform(rows)
    assert spearmanr(pdist(points), pdist(place[:, None]))[0] > 0.9


def test_a_seed_makes_one_map(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, _ = known
    one, other = (SpectrumMap(steps=20, random_state=3).fit_transform(rows) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.allclose(one, SpectrumMap(steps=20, random_state=4).fit_transform(rows))


def test_a_row_has_one_place_whatever_is_beside_it(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    assert np.allclose(found.transform(rows)[7], found.transform(rows[7:8])[0], rtol=0, atol=1e-12)


def test_it_goes_into_a_pipeline(known: tuple[Array, Array, SpectrumMap]) -> None:
    _, rows, found = known
    pipeline = make_pipeline(StandardScaler(), clone(found).set_params(steps=5, n_components=3))
    assert pipeline.fit_transform(rows).shape == (150, 3)
    assert list(pipeline.get_feature_names_out()) == ["spectrummap0", "spectrummap1", "spectrummap2"]


def test_what_cannot_be_a_map_is_refused() -> None:
    rows = np.random.default_rng(0).standard_normal((5, 4))
    with pytest.raises(ValueError, match="1 to 4 dimensions, not 5"):
        SpectrumMap(5, steps=1).fit(rows)
    fitted = SpectrumMap(steps=1).fit(rows)
    with pytest.raises(ValueError, match=r"points of shape \(2, 3\), required \(n, 2\)"):
        fitted.inverse_transform(np.zeros((2, 3)))
