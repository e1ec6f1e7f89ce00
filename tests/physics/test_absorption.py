"""A measured χ(k) decays with the atomic absorption."""

from __future__ import annotations

import numpy as np
import pytest
import xraydb

from exafsnn.constants import K2_PER_EV
from exafsnn.physics.absorption import atomic_fall


def test_it_is_the_tabulated_cross_section():
    k = np.linspace(4.0, 14.0, 6)
    tabulated = xraydb.mu_elam("Fe", 7112.0 + k**2 / K2_PER_EV, kind="photo")
    assert atomic_fall("Fe", "K", k) / atomic_fall("Fe", "K", k)[0] == pytest.approx(tabulated / tabulated[0], rel=0.01)


def test_to_a_fit_it_looks_like_disorder():
    """(E/E₀)^−p ≈ exp(−p k²/(0.2625 E₀)): at the K edge of iron, with p = 2.4, as much as 0.00065 Å² more of σ²."""
    k = np.linspace(3.0, 12.0, 50)
    slope = np.polyfit(k**2, np.log(atomic_fall("Fe", "K", k)), 1)[0]
    assert -0.5 * slope == pytest.approx(2.4 / (2 * K2_PER_EV * 7112.0), rel=0.1)


def test_the_heavier_the_slower():
    assert atomic_fall("Pt", "L3", np.array([12.0]))[0] > atomic_fall("Fe", "K", np.array([12.0]))[0]
