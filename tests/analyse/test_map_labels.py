"""Labels by distances, with errors that cover; clusters and outliers."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.analyse.map_labels import clusters_of, error_limit, estimate
from exafsnn.errors import SettingsError


def test_errors_of_estimates_cover() -> None:
    rng = np.random.default_rng(2)
    points = rng.uniform(-1, 1, (200, 2))
    truth = 3 + 2 * np.sin(2 * points[:, 0]) + points[:, 1] ** 2
    told = truth + 0.05 * rng.standard_normal(200)
    told[::4] = np.nan
    value, std, missed = estimate(points, told)
    unknown = np.isnan(told)
    off = (value - truth)[unknown]
    assert np.sqrt((off**2).mean()) < 0.05
    assert missed == pytest.approx(0.05, rel=0.3)
    z = (value[~unknown] - told[~unknown]) / std[~unknown]
    assert 0.55 < (np.abs(z) < 1).mean() < 0.85


def test_a_known_label_has_no_part_in_its_own_estimate() -> None:
    rng = np.random.default_rng(5)
    points = rng.uniform(-1, 1, (40, 2))
    labels = points[:, 0].copy()
    labels[7] += 5.0  # a mistake
    value, std, _ = estimate(points, labels)
    assert abs(value[7] - points[7, 0]) < 2.0
    assert np.isfinite(std).all()


def test_too_few_labels_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"5 labels are known.*Give more of them"):
        estimate(np.zeros((8, 2)), np.array([1, 2, 3, 4, 5, np.nan, np.nan, np.nan]))


def test_labels_that_are_all_alike_are_told_as_such() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    value, std, missed = estimate(points, np.full(20, 4.0))
    assert np.allclose(value, 4.0)
    assert np.isfinite(std).all()
    assert missed == pytest.approx(0.0, abs=1e-9)


def test_groups_are_found_and_numbered_by_size() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([0.05 * rng.standard_normal((10, 2)), 0.05 * rng.standard_normal((30, 2)) + [3, 0]])
    found = clusters_of(points)
    assert (found[10:] == 0).mean() > 0.7
    assert set(found[:10]) <= {1, -1}
    assert sorted(set(clusters_of(points, 3))) == [0, 1, 2]


def test_one_that_is_unlike_the_others_is_over_the_limit() -> None:
    errors = 1 + 0.05 * np.random.default_rng(0).standard_normal(100)
    assert (errors <= error_limit(errors)).all()
    assert error_limit(errors) < 1.6
