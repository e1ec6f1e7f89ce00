"""Groups of larch hold what the records hold, larch goes on with them, and they come back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from larch import Group
from larch.xafs import autobk, xftf

import exafsnn
from exafsnn.errors import ScanError
from exafsnn.records import ChiK, Spectrum
from exafsnn.write.panels import magnitude_of_chi_r

SCAN = "spectra/fe_0300K.dat"


@pytest.fixture(scope="module")
def chi() -> ChiK:
    found = exafsnn.read(SCAN).to_chi()
    assert isinstance(found, ChiK)
    return found


def test_the_transform_of_larch_is_that_of_the_figures(chi: ChiK) -> None:
    group = chi.to_larch()
    xftf(group, kmin=3.0, kmax=13.0, dk=1.0, window="hanning", kweight=2)
    ours = magnitude_of_chi_r(chi.k, chi.chi, (3.0, 13.0), group.r)
    np.testing.assert_allclose(group.chir_mag, ours, rtol=0, atol=1e-9 * ours.max())


def test_larch_removes_the_same_background(chi: ChiK) -> None:
    """By the parameters that the group carries."""
    group = chi.to_larch()
    asked = vars(group.autobk_details)["call_args"]
    again = Group(energy=group.energy, mu=group.mu, e0=group.e0, edge_step=group.edge_step)
    autobk(again, **asked)
    assert np.abs(again.k**2 * (again.chi - chi.chi)).max() < 2e-3 * np.abs(chi.k**2 * chi.chi).max()
    assert (group.flat[-1], group.edge_step) == (pytest.approx(1.0, abs=0.1), chi.edge_step)


def test_there_and_back(chi: ChiK) -> None:
    assert chi.spectrum
    spectrum = exafsnn.from_larch(chi.to_larch())
    assert isinstance(spectrum, Spectrum)
    np.testing.assert_array_equal(spectrum.mu, chi.spectrum.mu)
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    np.testing.assert_allclose(spectrum.to_chi().chi, chi.chi, atol=1e-12)
    group = chi.to_larch()
    del group.mu
    back = exafsnn.from_larch(group)
    assert isinstance(back, ChiK)
    np.testing.assert_allclose(back.chi, chi.chi, atol=1e-9)
    assert back.e0 == chi.e0


def test_a_scan_alone_is_a_group(make_chi: Callable[..., ChiK]) -> None:
    spectrum = make_chi("2024/1 foil.dat").spectrum
    assert spectrum
    group = spectrum.to_larch()
    assert group.__name__.isidentifier()
    assert (group.atsym, group.edge, group.filename) == ("Fe", "K", "2024/1 foil.dat")


@pytest.mark.parametrize(
    ("group", "said"),
    [
        (Group(energy=np.arange(9.0)), "neither energy and mu nor k and chi"),
        (Group(energy=np.arange(9.0), mu=np.arange(8.0)), "not of one length"),
        (Group(k=np.arange(300.0) / 20, chi=np.zeros(300)), "does not say of which element and edge"),
        (Group(energy=np.arange(7000.0, 8000.0), mu=np.full(1000, np.nan)), "not a finite number"),
    ],
)
def test_what_is_no_scan_is_refused(group: Group, said: str) -> None:
    with pytest.raises(ScanError, match=said):
        exafsnn.from_larch(group)
