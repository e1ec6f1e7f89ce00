"""The constants, recomputed from CODATA as scipy has them (2018 or 2022; they differ in the tenth digit)."""

from __future__ import annotations

import pytest
from scipy import constants as si

from exafsnn import constants

RECOMPUTED = {
    "HBAR2_OVER_2M": si.hbar**2 / (2 * si.m_e) / si.e * 1e20,
    "K2_PER_EV": 2 * si.m_e / si.hbar**2 * si.e * 1e-20,
    "HC_EV_ANGSTROM": si.h * si.c / si.e * 1e10,
    "HARTREE_EV": si.value("Hartree energy in eV"),
    "BOHR_ANGSTROM": si.value("Bohr radius") * 1e10,
    "KELVIN_EV": si.k / si.e,
    "ATOMIC_MASS_GRAM": si.atomic_mass * 1e3,
    "THZ_EV": si.h / si.e * 1e12,
    "HBAR2_PER_MASS_KELVIN": si.hbar**2 / (si.atomic_mass * si.k) * 1e20,
}


@pytest.mark.parametrize("name", RECOMPUTED)
def test_constant_is_that_of_codata(name: str) -> None:
    assert getattr(constants, name) == pytest.approx(RECOMPUTED[name], rel=2e-9)


def test_every_constant_is_recomputed() -> None:
    assert set(RECOMPUTED) == {name for name in vars(constants) if name.isupper()}


def test_wavenumber_of_100_ev() -> None:
    """What every EXAFS textbook says: k ≈ 5.123 Å⁻¹ at 100 eV above the edge."""
    k = (constants.K2_PER_EV * 100) ** 0.5
    assert k == pytest.approx(5.1232, abs=1e-4)
