"""Smoothing in ``rise.py`` is that of scipy, which is not imported for it."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, median_filter

from exafsnn.rise import GRID, SMOOTHING, edge_contrast, slope_of, steepest


@pytest.mark.parametrize("points", [1, 2, 3, 12, 300])
def test_slope_is_that_of_scipys_filters_to_the_last_bit(points):
    rng = np.random.default_rng(points)
    energy = np.sort(rng.uniform(7000, 7001 + points, points + 1))
    mu = rng.standard_normal(points + 1)
    grid, slope = slope_of(energy, mu)
    smooth = gaussian_filter1d(np.interp(grid, energy, median_filter(mu, 3)), SMOOTHING / GRID)
    assert np.array_equal(slope, np.gradient(smooth, GRID))


def test_the_edge_of_a_scan_on_a_slope_stands_out_by_its_height_over_the_noise():
    rng = np.random.default_rng(1)
    energy = np.arange(6900.0, 7600.0)
    mu = 2 - 5e-4 * energy + 0.5 + np.arctan((energy - 7112) / 1.5) / np.pi + 1e-3 * rng.standard_normal(len(energy))
    assert steepest(energy, mu) == pytest.approx(7112, abs=0.5)
    assert edge_contrast(energy, mu, 7112.0) == pytest.approx(1000, rel=0.2)
