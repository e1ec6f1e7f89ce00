"""What temperature does to a phase: what went into a series comes out, and what it does not determine is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.analyse.columns import Point
from exafsnn.analyse.series import analyse
from exafsnn.analyse.thermal import reduced_mass, thermal_of
from exafsnn.analyse.vibration import debye_sigma2, einstein_sigma2
from exafsnn.records import Estimate, Lattice, Shell

SHELL = Shell("Fe-Fe", 1.9, 3.3, 14.0, 0.3, 13.4, 14.6, 2.65, 0.004, 2.642, 2.658, 0.045, 0.001, 0.043, 0.047, 0.0, 0.0)
MASS, STATIC, EXPANSION = 55.845, 0.035, 14e-6


def series(temperatures, sigma2, phase="bcc", mixed=(), oxidised=None):
    """Iron whose lattice grows evenly, with a spread of its near distances that does not change.

    At the temperatures ``mixed`` half of it is of another phase, and the lattice constant is off; at those ``oxidised``
    a tenth is an oxide, and the spread is larger.
    """
    points = []
    for temperature in temperatures:
        shell = replace(SHELL, sigma2=float(sigma2(np.array([temperature]))[0]) + STATIC)
        a = 2.86 * np.exp(EXPANSION * (temperature - 300)) + 0.05 * (temperature in mixed)
        shares = {name: (float(name == phase), 0.02) for name in ("bcc", "fcc", "hcp")}
        if temperature in mixed:
            shares |= {"bcc": (0.55, 0.02), "fcc": (0.45, 0.02)}
        density = MASS * 1.66053907 * 2 / a**3
        lattice = Lattice(phase, shares, (a, 0.003), (a**3 / 2, 0.03), (density, 0.02), 0.01) if phase else None
        metal = None
        if oxidised is not None:
            share = 0.9 if temperature in oxidised else 0.995
            metal = Estimate(share, 0.03, share - 0.06, 1.0)
            shell = replace(shell, sigma2=shell.sigma2 + 0.01 * (temperature in oxidised))
        points.append(Point(float(temperature), {"first": shell}, lattice, metal=metal))
    return analyse(points)


def test_an_einstein_solid_has_its_temperature_whatever_is_static():
    (found,) = thermal_of(series(np.arange(60, 901, 120), lambda t: einstein_sigma2(t, 280.0, MASS / 2)), MASS / 2)
    assert found.phase == "bcc"
    assert found.einstein.theta == pytest.approx(280.0, rel=1e-3)
    assert found.einstein.static == pytest.approx(STATIC, rel=1e-3)
    assert not found.notes


def test_a_debye_solid_has_its_temperature():
    atoms = 2 / 2.873**3
    (found,) = thermal_of(
        series(np.arange(60, 901, 120), lambda t: debye_sigma2(t, 420.0, MASS / 2, 2.65, atoms)), MASS / 2
    )
    assert found.debye.theta == pytest.approx(420.0, rel=5e-3)


def test_the_lattice_expands_as_it_did():
    (found,) = thermal_of(series(np.arange(60, 901, 120), lambda t: einstein_sigma2(t, 280.0, MASS / 2)), MASS / 2)
    assert found.expansion.coefficient == pytest.approx(EXPANSION, rel=1e-6)
    assert found.expansion.coefficient_std > 0


def test_mixtures_tell_nothing_of_a_phase():
    def motion(t):
        return einstein_sigma2(t, 280.0, MASS / 2)

    places = np.arange(60, 901, 120)
    (found,) = thermal_of(series(places, motion, mixed=(780,)), MASS / 2)
    assert found.expansion.coefficient == pytest.approx(EXPANSION, rel=1e-6)
    (none,) = thermal_of(series(places, motion, mixed=tuple(places)), MASS / 2)
    assert none.expansion is None
    assert none.notes == ("all its scans are mixtures",)


def test_what_is_partly_an_oxide_tells_nothing_of_a_metals_motion():
    places = np.arange(60, 901, 120)
    (found,) = thermal_of(series(places, lambda t: einstein_sigma2(t, 280.0, MASS / 2), oxidised=(660, 900)), MASS / 2)
    assert found.einstein.theta == pytest.approx(280.0, rel=1e-3)
    assert found.einstein.static == pytest.approx(STATIC, rel=1e-3)


def test_two_temperatures_do_not_tell_motion_from_static_spread():
    (found,) = thermal_of(series([60, 300], lambda t: einstein_sigma2(t, 280.0, MASS / 2)), MASS / 2)
    assert found.einstein is None
    assert found.debye is None
    assert found.expansion.coefficient == pytest.approx(EXPANSION, rel=1e-6)
    assert "Einstein temperature: " in found.notes[0]
    assert "2 temperatures do not determine a static σ²" in found.notes[0]


def test_without_a_lattice_there_is_an_einstein_temperature_at_most():
    (found,) = thermal_of(series(np.arange(60, 901, 120), lambda t: einstein_sigma2(t, 280.0, MASS / 2), ""), MASS / 2)
    assert found.phase == ""
    assert found.expansion is None
    assert found.debye is None
    assert found.einstein.theta == pytest.approx(280.0, rel=1e-3)


def test_atoms_of_a_pair_vibrate_with_their_reduced_mass():
    assert reduced_mass("Fe-Fe") == pytest.approx(MASS / 2, rel=1e-3)
    assert reduced_mass("Pd-O") == pytest.approx(1 / (1 / 106.42 + 1 / 15.999), rel=1e-3)
