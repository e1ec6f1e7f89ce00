"""σ²(T) in its limits, and characteristic temperatures recovered from noisy series."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import constants as si

from exafsnn.analyse.vibration import (
    debye_sigma2,
    einstein_sigma2,
    expansion,
    fit_debye,
    fit_einstein,
)
from exafsnn.errors import ScanError, SettingsError

FE_MASS, FE_DISTANCE, FE_DENSITY = 55.845 / 2, 2.482, 2 / 2.8665**3
CU_MASS, CU_DISTANCE, CU_DENSITY = 63.546 / 2, 2.556, 4 / 3.6149**3
MEASURED = np.array([20.0, 80.0, 150.0, 220.0, 300.0, 400.0])


def omega(theta):
    return si.k * theta / si.hbar


def test_hot_slope_is_that_of_a_classical_spring():
    slope = np.diff(einstein_sigma2(np.array([4000.0, 4100.0]), 300.0, FE_MASS))[0] / 100
    assert slope == pytest.approx(si.k / (FE_MASS * si.atomic_mass * omega(300.0) ** 2) * 1e20, rel=1e-3)


def test_cold_value_is_the_zero_point_motion():
    expected = si.hbar / (2 * FE_MASS * si.atomic_mass * omega(300.0)) * 1e20
    assert einstein_sigma2(np.array([0.0, 1.0]), 300.0, FE_MASS) == pytest.approx(expected, rel=1e-9)


def test_hot_uncorrelated_debye_atoms_move_three_times_as_much_as_an_oscillator_at_the_cutoff():
    far = debye_sigma2(np.array([5000.0]), 300.0, FE_MASS, 1e5, FE_DENSITY)
    assert far[0] == pytest.approx(3 * einstein_sigma2(np.array([5000.0]), 300.0, FE_MASS)[0], rel=5e-3)


def test_cold_uncorrelated_debye_atoms_move_by_three_halves_of_it():
    far = debye_sigma2(np.array([0.0]), 300.0, FE_MASS, 1e5, FE_DENSITY)
    assert far[0] == pytest.approx(1.5 * einstein_sigma2(np.array([0.0]), 300.0, FE_MASS)[0], rel=5e-3)


def test_neighbours_move_together():
    near, far = (debye_sigma2(np.array([300.0]), 315.0, CU_MASS, r, CU_DENSITY)[0] for r in (CU_DISTANCE, 5.1))
    assert near < 0.8 * far


def test_copper_at_room_temperature_has_the_sigma2_of_the_literature():
    """EXAFS of copper foils gives 0.0080–0.0090 Å² for the first shell, 0.6 of what uncorrelated atoms would."""
    given = np.array([295.0]), 315.0, CU_MASS
    near = debye_sigma2(*given, CU_DISTANCE, CU_DENSITY)[0]
    assert 0.0080 < near < 0.0090
    assert near / debye_sigma2(*given, 1e5, CU_DENSITY)[0] == pytest.approx(0.62, abs=0.04)


@pytest.mark.parametrize(
    ("mass", "debye", "distance", "density", "low", "high"),
    [
        (FE_MASS, 430.0, FE_DISTANCE, FE_DENSITY, 280.0, 350.0),
        (CU_MASS, 315.0, CU_DISTANCE, CU_DENSITY, 220.0, 250.0),
    ],
)
def test_einstein_temperatures_of_metals(mass, debye, distance, density, low, high):
    """Iron near 300 K, copper 235 K: what EXAFS finds, from differences of σ² alone."""
    sigma2 = debye_sigma2(MEASURED, debye, mass, distance, density) - 0.001
    found = fit_einstein(MEASURED, sigma2, np.full(MEASURED.size, 1e-4), mass)
    assert low < found.theta < high


def test_einstein_and_debye_fits_undo_their_models():
    std = np.full(MEASURED.size, 1e-4)
    einstein = fit_einstein(MEASURED, einstein_sigma2(MEASURED, 310.0, FE_MASS) + 0.002, std, FE_MASS)
    assert (einstein.theta, einstein.static) == (pytest.approx(310.0, rel=1e-4), pytest.approx(0.002, abs=1e-7))
    given = FE_MASS, FE_DISTANCE, FE_DENSITY
    debye = fit_debye(MEASURED, debye_sigma2(MEASURED, 430.0, *given), std, *given)
    assert (debye.theta, debye.static) == (pytest.approx(430.0, rel=1e-4), pytest.approx(0.0, abs=1e-7))


def test_a_constant_error_does_not_matter():
    std, sigma2 = np.full(MEASURED.size, 2e-4), einstein_sigma2(MEASURED, 310.0, FE_MASS)
    one, two = (fit_einstein(MEASURED, sigma2 + shift, std, FE_MASS) for shift in (0.0, 0.003))
    assert two.theta == pytest.approx(one.theta, rel=1e-6)


@pytest.mark.parametrize(("temperature", "static"), [(MEASURED, True), (MEASURED[[1, 4]], False)])
def test_errors_cover(temperature, static):
    rng, size = np.random.default_rng(0), 3e-4
    truth, std = einstein_sigma2(temperature, 300.0, FE_MASS), np.full(temperature.size, size)
    repeats = [
        fit_einstein(temperature, truth + size * rng.standard_normal(temperature.size), std, FE_MASS, static=static)
        for _ in range(150)
    ]
    assert np.mean([each.theta_low <= 300.0 <= each.theta_high for each in repeats]) >= 0.92
    assert np.mean([abs(each.theta - 300.0) < 1.96 * each.theta_std for each in repeats]) >= 0.90


def test_errors_that_are_too_small_are_raised():
    rng = np.random.default_rng(1)
    sigma2 = einstein_sigma2(MEASURED, 300.0, FE_MASS) + 3e-4 * rng.standard_normal(MEASURED.size)
    small, large = (fit_einstein(MEASURED, sigma2, np.full(MEASURED.size, std), FE_MASS) for std in (1e-5, 1e-4))
    assert small.misfit > 100
    assert small.theta_std == pytest.approx(large.theta_std, rel=0.3)


def test_expansion_of_a_lattice():
    t = np.array([300.0, 500.0, 700.0, 1100.0])
    found = expansion(t, 3.647 * np.exp(23e-6 * (t - 1185.0)), np.full(4, 1e-3))
    assert found.coefficient == pytest.approx(23e-6, rel=1e-6)
    assert found.length == pytest.approx(3.647 * np.exp(23e-6 * (found.temperature - 1185.0)), rel=1e-9)


def test_error_of_the_expansion_covers():
    rng, t = np.random.default_rng(2), np.linspace(300.0, 1100.0, 8)
    truth = 2.8665 * np.exp(15e-6 * (t - 293.0))
    repeats = [expansion(t, truth + 0.002 * rng.standard_normal(8), np.full(8, 0.002)) for _ in range(300)]
    assert np.mean([abs(each.coefficient - 15e-6) < 1.96 * each.coefficient_std for each in repeats]) >= 0.93


FLAT = np.full(6, 0.005)


@pytest.mark.parametrize(
    ("temperature", "sigma2", "std", "reason"),
    [
        (MEASURED, FLAT, FLAT * 0.1, "does not determine"),
        (MEASURED, FLAT - 1e-5 * MEASURED, FLAT * 0.1, "does not determine"),
        (np.full(6, 300.0), FLAT, FLAT * 0.1, "one temperature"),
        (MEASURED, FLAT * np.nan, FLAT * 0.1, "lack a temperature"),
        (MEASURED, FLAT, FLAT * 0, "lack a temperature"),
    ],
)
def test_what_cannot_be_determined_is_refused(temperature, sigma2, std, reason):
    with pytest.raises(ScanError, match=reason):
        fit_einstein(temperature, sigma2, std, FE_MASS)


def test_two_temperatures_have_no_static_part():
    two = MEASURED[[1, 4]]
    sigma2, std = einstein_sigma2(two, 300.0, FE_MASS), np.full(2, 1e-4)
    found = fit_einstein(two, sigma2, std, FE_MASS)
    assert (found.static, found.theta) == (0.0, pytest.approx(300.0, rel=1e-4))
    with pytest.raises(ScanError, match="third temperature"):
        fit_einstein(two, sigma2, std, FE_MASS, static=True)


def test_wrong_settings_are_refused():
    with pytest.raises(SettingsError, match="positive"):
        fit_einstein(MEASURED, FLAT, FLAT, -1.0)
    with pytest.raises(SettingsError, match="shapes"):
        fit_einstein(MEASURED, FLAT[:3], FLAT, FE_MASS)
    with pytest.raises(ScanError, match="not positive"):
        expansion(MEASURED, -FLAT, FLAT)
