"""Integrals of crystals and of shells whose moments are known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from exafsnn.records import PartialRDF
from exafsnn.shells import moments, stds

R = np.round(np.arange(1.615, 6.7, 0.03), 6)


def gaussian(n, r, sigma2):
    return n * np.exp(-0.5 * (R - r) ** 2 / sigma2) / np.sqrt(2 * np.pi * sigma2)


def rdf_of(density, **fields):
    return PartialRDF(r=R, pairs=("Fe-Fe",), density=density[None], spread=np.zeros((1, len(R))), **fields)


@pytest.mark.parametrize(("n", "r", "sigma2"), [(8, 2.482, 0.005), (12, 2.556, 0.009), (6, 2.866, 0.02)])
def test_a_gaussian_shell_gives_its_own_numbers(n, r, sigma2):
    count, mean, variance, third = moments(R, gaussian(n, r, sigma2), 1.7, 4.0)
    assert count == pytest.approx(n, rel=1e-4)
    assert mean == pytest.approx(r, abs=1e-4)
    assert variance == pytest.approx(sigma2, rel=0.02)
    assert third == pytest.approx(0.0, abs=1e-5)


def test_an_asymmetric_shell_has_a_third_cumulant():
    lopsided = gaussian(6, 2.4, 0.004) + gaussian(2, 2.6, 0.01)
    assert moments(R, lopsided, 1.7, 4.0)[3] > 1e-4


def test_neighbouring_ranges_add_up():
    density = gaussian(8, 2.48, 0.005) + gaussian(6, 2.87, 0.006)
    whole = moments(R, density, 1.9, 3.3)[0]
    assert moments(R, density, 1.9, 2.683)[0] + moments(R, density, 2.683, 3.3)[0] == pytest.approx(whole)


def test_smoothing_is_taken_out_of_sigma2():
    shell = rdf_of(gaussian(8, 2.48, 0.005 + 0.03**2), smoothing=0.03).shell("Fe-Fe", 1.9, 3.3)
    assert shell.sigma2 == pytest.approx(0.005, rel=0.02)


def test_spread_is_that_of_the_samples():
    rng = np.random.default_rng(0)
    base = gaussian(12, 2.55, 0.008)
    samples = base * (1 + 0.1 * rng.standard_normal((4000, 1)))
    shell = rdf_of(base, samples=samples[:, None]).shell("Fe-Fe", 1.9, 3.3)
    assert shell.coordination_std == pytest.approx(1.2, rel=0.05)
    assert shell.distance_std == pytest.approx(0.0, abs=1e-6)
    assert shell.coordination_low < 12 < shell.coordination_high


def test_an_empty_range_has_no_distance():
    count, mean, *_ = moments(R, np.zeros_like(R), 2.0, 3.0)
    assert count == 0
    assert np.isnan(mean)


@pytest.mark.parametrize(("pair", "low", "high"), [("Fe-Ni", 1.9, 3.3), ("Fe-Fe", 3.3, 1.9), ("Fe-Fe", 0.2, 3.0)])
def test_nonsense_is_refused_in_words(pair, low, high):
    with pytest.raises(ValueError, match=r"no pair|is not within"):
        rdf_of(gaussian(8, 2.5, 0.005)).shell(pair, low, high)


def test_samples_without_atoms_have_no_spread_and_make_no_noise() -> None:
    """Of none that has a distance there is no error of it; no warning of numpy's reaches the user."""
    samples = np.array([[3.0, np.nan], [5.0, np.nan], [4.0, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = stds(samples)
    assert found[0] == pytest.approx(np.std(samples[:, 0]))
    assert np.isnan(found[1])
    assert stds(np.array([[1.0], [np.nan], [2.0]])) == pytest.approx([0.5])
