"""Points off a smooth curve are found by local curves (below the edge) and by waves (above it); nothing else is."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.edges import core_hole_width
from exafsnn.measure import nearedge, preedge
from exafsnn.measure.departures import Departures
from exafsnn.measure.ending import bridged, find_glitches, outliers
from exafsnn.measure.oscillations import find_bump, oscillations
from exafsnn.measure.waves import waves_of

K = np.arange(2.5, 15.0, 0.05)


def of_pre_edge(energy, mu):
    """Breaks below an edge at 7112 eV; a scan that has any is suspect among many, too."""
    detector = preedge.pre_edge(energy, 7112.0)
    found = detector.breaks(mu)
    assert detector.suspects(np.array([mu, mu]), 1.0)[0] or not found
    return found


def of_near_edge(mu):
    detector = nearedge.near_edge(NEAR, 7112.0, 1.3)
    found = detector.breaks(mu)
    assert detector.suspects(np.array([mu, mu]), 1.0)[0] or not found
    return found


def of_waves(mu):
    detector = waves_of(K.tobytes())
    found = detector.breaks(mu)
    assert detector.suspects(np.array([mu, mu]), 1.0)[0] or not found
    return found


def test_heights_are_those_of_generalised_least_squares():
    """h = (SᵀCS)⁻¹SᵀCμ, and hᵀSᵀCμ of χ² is explained."""
    random = np.random.default_rng(0)
    root = random.standard_normal((30, 30))
    departures, mu = Departures(root @ root.T), random.standard_normal((2, 30))
    pull = departures.pull(mu)
    heights, gains = departures.stretches(pull, 3)
    step_heights, step_gains = departures.steps(pull)
    bump_heights, certain = departures.bumps(pull, np.hanning(7)[1:-1])
    for shapes, found, gain in (
        (np.eye(30)[:, 4:7], heights[1, 4], gains[1, 4]),
        ((np.arange(30) > 11)[:, None] * 1.0, step_heights[1, 11:12], step_gains[1, 11]),
        (np.pad(np.hanning(7)[1:-1], (8, 17))[:, None], bump_heights[1, 8:9], (bump_heights[1, 8] * certain[8]) ** 2),
    ):
        seen = shapes.T @ departures.certainty @ shapes
        expected = np.linalg.solve(seen, shapes.T @ departures.certainty @ mu[1])
        np.testing.assert_allclose(found, expected)
        assert gain == pytest.approx(expected @ seen @ expected)
        without, left = departures.without(shapes, pull)
        np.testing.assert_allclose(shapes.T @ left[1], 0.0, atol=1e-9)
        np.testing.assert_allclose(left[1], without.pull(mu)[1], atol=1e-9)


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


def pre_edge(noise: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """Energies and a line with white noise below an edge at 7112 eV."""
    energy = np.arange(6900.0, 7090.0, 5.0)
    return energy, -1e-3 * (energy - 7000) + noise * np.random.default_rng(0).standard_normal(len(energy))


@pytest.mark.parametrize("height", [0.1, -0.4, 3.0])
def test_a_step_below_the_edge_is_no_spike(height):
    energy, line = pre_edge()
    (found,) = of_pre_edge(energy, line + height * (energy > 7000))
    assert found.kind == "step"
    assert found.height == pytest.approx(height, rel=0.05)
    assert energy[found.first] <= 7000 < energy[found.last]


@pytest.mark.parametrize("points", [1, 3, 5, 9])
@pytest.mark.parametrize("height", [0.1, -0.4, 3.0])
def test_a_spike_below_the_edge_is_no_step(points, height):
    energy, line = pre_edge()
    mu = line.copy()
    mu[15 : 15 + points] += height
    (found,) = of_pre_edge(energy, mu)
    assert (found.kind, found.first, found.last) == ("glitch", 15, 14 + points)
    assert np.allclose(found.heights, height, atol=2e-3)


def test_a_smooth_pre_edge_has_no_breaks():
    energy, line = pre_edge(2e-3)
    assert of_pre_edge(energy, line) == []
    assert of_pre_edge(energy, line + 0.3 / (7112.0 - energy)) == []


def test_unrest_is_what_noise_is_left_of_a_smooth_pre_edge():
    energy, line = pre_edge(1e-9)
    assert preedge.unrest(energy, (line + 0.3 / (7112.0 - energy))[None], 7112.0) < 2e-9
    many = np.linspace(6900.0, 7090.0, 400)
    noise = 1e-3 * np.random.default_rng(0).standard_normal(len(many))
    assert preedge.unrest(many, noise[None], 7112.0) == pytest.approx(1e-3, rel=0.1)


@pytest.mark.parametrize("period", [20.0, 40.0, 80.0])
def test_unrest_of_a_wave_is_its_root_mean_square(period):
    energy, line = pre_edge(0.0)
    moved = line + 0.01 * np.sin(2 * np.pi * energy / period + 0.4)
    assert preedge.unrest(energy, moved[None], 7112.0) == pytest.approx(0.01 / np.sqrt(2), rel=0.15)


NEAR = np.concatenate([np.arange(7012.0, 7092.0, 5.0), np.arange(7092.0, 7142.0, 0.5), np.arange(7142.0, 7220.0, 1.0)])


def near_edge(noise: float = 5e-4) -> np.ndarray:
    """An edge at 7112 eV with a white line, both as wide as a core hole, and white noise."""
    away = NEAR - 7112.0
    peak = 0.5 / (1 + ((away - 4) / 1.5) ** 2)
    random = noise * np.random.default_rng(0).standard_normal(len(NEAR))
    return 0.5 + np.arctan(away / 0.7) / np.pi + peak + 0.1 * np.sin(0.15 * away) * (away > 0) + random


def test_an_edge_is_no_break():
    assert of_near_edge(near_edge()) == []
    assert of_near_edge(near_edge(0.01)) == []


@pytest.mark.parametrize(("away", "points", "height"), [(-15, 1, 0.05), (20, 1, 0.05), (30, 3, -0.1), (12, 3, 8.0)])
def test_what_is_sharper_than_a_core_hole_is_found(away, points, height):
    clean, first = near_edge(), int(np.searchsorted(NEAR, 7112.0 + away))
    mu = clean.copy()
    mu[first : first + points] += height
    (found,) = of_near_edge(mu)
    assert (found.kind, found.first, found.last) == ("glitch", first, first + points - 1)
    assert np.allclose(found.heights, height, atol=0.03)


def test_a_step_beside_an_edge_is_found():
    (found,) = of_near_edge(near_edge() + 0.1 * (NEAR > 7137.2))
    assert found.kind == "step"
    assert NEAR[found.first] < 7137.2 < NEAR[found.last]


LINES = [("As", "K"), ("Cr", "K"), ("Ti", "K"), ("Se", "K"), ("Eu", "L3"), ("Yb", "L2"), ("Mo", "K")]


def with_line(form, width: float, hole: float, height: float, top: float):
    """Energies from an edge, every sixth of the core hole's width near it, and μ with a peak of that width."""
    fine = np.arange(-25.0, 30.0, hole / 6)
    away = np.concatenate([np.arange(-100.0, -25.0, 3.0), fine, np.arange(30.0, 100.0, 1.5)])
    x = 2 * (away - top) / width
    peak = height * (1 / (1 + x**2) if form == "Lorentzian" else np.exp(-np.log(2) * x**2))
    noise = 5e-4 * np.random.default_rng(0).standard_normal(len(away))
    return away, 0.5 + np.arctan(2 * away / hole) / np.pi + peak + noise


@pytest.mark.parametrize(("absorber", "edge"), LINES)
@pytest.mark.parametrize("form", ["Lorentzian", "Gaussian"])
@pytest.mark.parametrize(("height", "top"), [(3.5, 1.0), (0.9, -14.0), (0.3, -9.0), (1.5, 5.0)])
def test_a_line_as_wide_as_its_core_hole_is_no_glitch(absorber, edge, form, height, top):
    hole = core_hole_width(absorber, edge)
    width = 1.1 * hole if form == "Lorentzian" else 1.5 * hole  # the line's own Lorentzian is never narrower
    away, mu = with_line(form, width, hole, height, top)
    assert nearedge.near_edge(away, 0.0, hole).breaks(mu) == []


@pytest.mark.parametrize(("absorber", "edge"), LINES)
@pytest.mark.parametrize(("height", "top"), [(3.5, 1.0), (0.9, -14.0), (-0.9, 12.0)])
def test_a_line_narrower_than_its_core_hole_is_named(absorber, edge, height, top):
    hole = core_hole_width(absorber, edge)
    away, mu = with_line("Gaussian", 0.35 * hole, hole, height, top)
    assert nearedge.near_edge(away, 0.0, hole).breaks(mu)


@pytest.mark.parametrize("off", [-1.5, 1.5, 2.0])
def test_a_spike_on_a_line_is_named(off):
    hole = core_hole_width("Se", "K")
    away, mu = with_line("Lorentzian", 1.4 * hole, hole, 3.5, 1.0)
    mu[np.argmin(np.abs(away - 1.0 - off))] += 0.3
    assert nearedge.near_edge(away, 0.0, hole).breaks(mu)


def test_oscillations_foretell_a_stretch():
    skip = (np.arange(len(K)) >= 100) & (np.arange(len(K)) < 104)
    clean = wavy()
    mu = clean + 0.3 * skip
    off, covariance = oscillations(K, mu, 2e-4, skip).expected(np.flatnonzero(skip))
    assert np.allclose(off, 0.3, atol=5 * np.sqrt(np.diag(covariance).max()))
    assert np.sqrt(np.diag(covariance).max()) < 0.01


@pytest.mark.parametrize("distance", [2.2, 5.0, 9.0])
def test_waves_of_neighbours_are_no_bumps(distance):
    assert find_bump(K, wavy(distance), 2e-4) is None


@pytest.mark.parametrize(("points", "height"), [(5, 0.05), (8, 0.2), (12, 0.3)])
def test_bumps_are_found(points, height):
    mu = wavy()
    mu[120 : 120 + points] += height * np.hanning(points + 2)[1:-1]
    found = find_bump(K, mu, 2e-4)
    assert found is not None
    assert found.kind == "wide"
    assert 110 <= found.first <= found.last <= 140


@pytest.mark.parametrize("distance", [2.2, 5.0, 9.0])
def test_waves_of_neighbours_are_no_breaks(distance):
    assert of_waves(wavy(distance)) == []


@pytest.mark.parametrize("points", [1, 2, 3, 4])
def test_glitches_are_told_from_steps(points):
    mu = wavy()
    off = 0.05 * np.array([1.0, -0.6, 0.8, -1.0])[:points]
    mu[100 : 100 + points] += off
    (found,) = of_waves(mu)
    assert (found.kind, found.first, found.last) == ("glitch", 100, 99 + points)
    assert np.allclose(found.heights, off, atol=5e-3)


@pytest.mark.parametrize("k", [4.0, 7.0, 12.0])
@pytest.mark.parametrize("height", [0.02, -0.05])
def test_steps_are_told_from_glitches(k, height):
    (found,) = of_waves(wavy() + height * (k < K))
    assert found.kind == "step"
    assert found.height == pytest.approx(height, rel=0.1)
    assert abs(K[found.first] - k) < 0.11


@pytest.mark.parametrize("distance", [2.2, 2.5, 5.0])
@pytest.mark.parametrize("k", [5.0, 8.3, 11.0])
def test_a_step_is_not_taken_for_two_points_off(k, distance):
    """Of a step, waves leave little but a rise and a fall."""
    for place in k + np.arange(0.0, 0.5, 0.05):
        (found,) = of_waves(wavy(distance) + 0.02 * (place < K))
        assert found.kind in ("step", "wide")


@pytest.mark.parametrize("period", [4, 10, 27])
@pytest.mark.parametrize("height", [0.0015, -0.006])
def test_points_that_are_off_time_and_again_are_found(period, height):
    """Each alone is too low for a glitch."""
    mu = wavy() + height * (np.arange(len(K)) % period == 2)
    detector = waves_of(K.tobytes())
    assert detector.suspects(np.array([mu]), 1.0)[0]
    assert detector.comb(mu) == (period, 2, pytest.approx(height, abs=2e-4))


@pytest.mark.parametrize("distance", [2.2, 5.0, 9.0])
@pytest.mark.parametrize("noise", [1e-4, 5e-3])
def test_waves_noise_and_glitches_do_not_come_time_and_again(distance, noise):
    mu = wavy(distance, noise)
    assert waves_of(K.tobytes()).comb(mu) is None
    mu[100] += 0.05
    mu[[40, 140]] -= 0.02
    assert waves_of(K.tobytes()).comb(mu) is None


def test_what_neither_explains_is_wide():
    mu = wavy()
    mu[100:110] += 0.05
    assert of_waves(mu)[-1].kind in ("wide", "step")
