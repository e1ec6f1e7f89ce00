"""Points off a smooth curve are found by local curves (below the edge) and by waves (above it); nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.measure.breaks import find_breaks, pre_edge_step
from exafsnn.measure.glitches import bridged, find_glitches, outliers

K = np.arange(2.5, 15.0, 0.05)


def wavy(distance: float = 2.5, noise: float = 2e-4, seed: int = 0) -> np.ndarray:
    """A damped wave of a shell at ``distance`` [Å] on a slow background, with white noise."""
    wave = 0.5 * np.sin(2 * K * distance + 0.3) * np.exp(-0.01 * K**2) / K
    return 1.0 - 0.02 * K + wave + noise * np.random.default_rng(seed).standard_normal(len(K))


def test_outliers_of_normal_values_are_rare():
    rng = np.random.default_rng(3)
    named = [outliers(rng.standard_normal(300)).any() for _ in range(300)]
    assert np.mean(named) < 0.02


def test_outliers_do_not_hide_each_other():
    values = np.random.default_rng(1).standard_normal(300)
    values[[20, 21, 150]] = [12.0, 12.0, -15.0]
    assert set(np.flatnonzero(outliers(values))) == {20, 21, 150}


@pytest.mark.parametrize("points", [1, 2])
def test_a_spike_on_a_line_is_found_and_bridged(points):
    energy = np.arange(6900.0, 7090.0, 5.0)
    clean = 1.2 - 1e-3 * (energy - 7000) + 1e-4 * np.random.default_rng(0).standard_normal(len(energy))
    mu = clean.copy()
    mu[20 : 20 + points] += 0.1
    (run,) = find_glitches(energy, mu, 0.02)
    assert list(run) == list(range(20, 20 + points))
    bad = np.isin(np.arange(len(mu)), run)
    assert np.abs(bridged(energy, mu, bad) - clean).max() < 1e-3


def test_a_line_has_no_glitches():
    energy = np.arange(6900.0, 7090.0, 5.0)
    assert find_glitches(energy, 1e-3 * (energy - 7000), 1e-9) == []


def test_a_step_below_the_edge_is_no_spike():
    energy = np.arange(6900.0, 7090.0, 5.0)
    line = -1e-3 * (energy - 7000) + 1e-4 * np.random.default_rng(0).standard_normal(len(energy))
    found = pre_edge_step(energy, line + 0.1 * (energy > 7000), 0.02)
    assert found is not None
    assert found.height == pytest.approx(0.1, abs=0.005)
    assert energy[found.first] <= 7000 < energy[found.last]
    spiked = line.copy()
    spiked[15] += 0.1
    assert pre_edge_step(energy, spiked, 0.02) is None
    assert pre_edge_step(energy, line, 0.02) is None


@pytest.mark.parametrize("distance", [2.2, 5.0, 9.0])
def test_waves_of_neighbours_are_no_breaks(distance):
    assert find_breaks(K, wavy(distance), 3.2, 14.4, 0.005) == []


@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_glitches_are_told_from_steps(points):
    mu = wavy()
    off = 0.05 * np.array([1.0, -0.6, 0.8, -1.0])[:points]
    mu[100 : 100 + points] += off
    (found,) = find_breaks(K, mu, 3.2, 14.4, 0.005)
    assert (found.kind, found.first, found.last) == ("glitch", 100, 99 + points)
    assert np.allclose(found.heights, off, atol=5e-3)


@pytest.mark.parametrize("k", [4.0, 7.0, 12.0])
@pytest.mark.parametrize("height", [0.02, -0.05])
def test_steps_are_told_from_glitches(k, height):
    (found,) = find_breaks(K, wavy() + height * (k < K), 3.2, 14.4, 0.005)
    assert found.kind == "step"
    assert found.height == pytest.approx(height, rel=0.1)
    assert abs(K[found.first] - k) < 0.11


def test_what_neither_explains_is_wide():
    mu = wavy()
    mu[100:110] += 0.05
    assert find_breaks(K, mu, 3.2, 14.4, 0.005)[-1].kind in ("wide", "step")
