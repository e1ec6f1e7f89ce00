"""Integrals of crystals and of shells whose moments are known."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from exafsnn.records import PartialRDF
from exafsnn.shells import _maxima, _smoothed, is_shell, limits_of_shells, moments, spreads, stds

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


def crystal(*shells: tuple[int, float], sigma2: float = 0.006) -> np.ndarray:
    """n(r) of shells of so many atoms at such distances."""
    return sum(gaussian(n, r, sigma2) for n, r in shells)


BCC = (8, 2.482), (6, 2.866), (12, 4.053), (24, 4.753), (8, 4.964)
FCC = (12, 2.556), (6, 3.615), (24, 4.427), (12, 5.112)


def test_the_shells_of_crystals_are_found() -> None:
    for shells, expected in ((BCC, (8, 6, 12, 32)), (FCC, (12, 6, 24, 12))):  # of bcc the fourth and fifth are one
        limits = limits_of_shells(R, crystal(*shells))
        found = [moments(R, crystal(*shells), low, high)[0] for low, high in limits]
        assert found == pytest.approx(expected, rel=0.03)
        assert all(one[1] == two[0] for one, two in pairwise(limits))


def test_two_shells_that_run_into_each_other_are_one() -> None:
    assert len(limits_of_shells(R, crystal(*BCC[:2], sigma2=0.006))) == 2
    assert len(limits_of_shells(R, crystal(*BCC[:2], sigma2=0.05))) == 1


def test_the_last_shell_has_to_end_and_ripples_are_none() -> None:
    assert limits_of_shells(R, np.zeros_like(R)) == []
    assert limits_of_shells(R, R**2) == []  # of a gas
    ripple = crystal(FCC[0]) + 0.2 * R**2 * (1 + 0.3 * np.cos(20 * R))
    assert len(limits_of_shells(R, ripple)) == 1
    beyond = crystal(FCC[0], (6, float(R[-1])))
    assert len(limits_of_shells(R, beyond)) == 1
    assert limits_of_shells(R, crystal((1, 2.5)), least=1.0) == []


def test_each_row_may_have_limits_of_its_own() -> None:
    rng = np.random.default_rng(0)
    density = np.stack([crystal(*BCC), crystal(*FCC), crystal(*BCC)])
    low, high = np.array([1.9, 2.0, np.nan]), np.array([2.7, 3.1, np.nan])
    found = moments(R, density, low, high)
    for row in (0, 1):
        assert found[row] == pytest.approx(moments(R, density[row], low[row], high[row]))
    assert np.isnan(found[2]).all()
    samples = density[:, None] * (1 + 0.1 * rng.standard_normal((3, 50, len(R))))
    spread = spreads(R, samples, low, high)
    for row in (0, 1):
        assert spread[row] == pytest.approx(spreads(R, samples[row], low[row], high[row]))
    assert np.isnan(spread[2]).all()


def test_names_of_shells() -> None:
    assert [name for name in ("first", "shell1", "shell12 Ni-O", "2-3.2", "shells", "shell") if is_shell(name)] == [
        "shell1", "shell12 Ni-O",
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(5))
def test_maxima_are_those_of_scipy(seed: int) -> None:
    level = _smoothed(np.random.default_rng(seed).standard_normal(300), 4.0)
    assert level == pytest.approx(gaussian_filter1d(np.random.default_rng(seed).standard_normal(300), 4.0), abs=1e-3)
    for least in (0.05, 0.2, 0.5):
        assert _maxima(level, least) == find_peaks(level, prominence=least)[0].tolist()
