"""χ(k) from scans whose truth is known, and the laws that any background removal obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.measure.background import remove_background
from exafsnn.measure.noise import noise_of, usable_end
from exafsnn.read.chi_file import regrid
from exafsnn.settings import BackgroundSettings


def difference(chi, other, low=3.0, high=13.0):
    """Relative rms difference of k²χ between ``low`` and ``high``."""
    inside = (chi.k >= low) & (chi.k <= high)
    reference = np.interp(chi.k, other.k, other.chi) if hasattr(other, "chi") else other(chi.k)
    weight = chi.k[inside] ** 2
    return np.linalg.norm(weight * (chi.chi - reference)[inside]) / np.linalg.norm(weight * reference[inside])


def test_known_chi_comes_back(scan, truth):
    chi = remove_background(scan, BackgroundSettings(e0=7112.0))
    assert difference(chi, truth) < 0.03
    assert chi.edge_step == pytest.approx(1.3, rel=0.02)
    assert chi.k_max_usable == pytest.approx(15.9, abs=0.2)
    np.testing.assert_allclose(np.diff(chi.k), 0.05)
    assert chi.k[0] == 0


def test_the_edge_is_found(scan):
    assert remove_background(scan).e0 == pytest.approx(7112.0, abs=1.0)


def test_scale_does_not_matter(scan):
    chi, scaled = (remove_background(replace(scan, mu=factor * scan.mu)) for factor in (1.0, 3.7))
    assert difference(scaled, chi) < 1e-3
    assert scaled.edge_step == pytest.approx(3.7 * chi.edge_step)


@pytest.mark.parametrize("unit", [1e-300, 1e-13, 1e-3, 1e4, 1e9])
def test_the_unit_of_mu_does_not_matter(unit, scan):
    """larch's floor of the edge step, and its clamps, are in the unit of μ: 20 % of χ(k) in counts."""
    ordinary, other = remove_background(scan), remove_background(replace(scan, mu=unit * scan.mu))
    assert difference(other, ordinary) < 1e-6
    assert other.edge_step == pytest.approx(unit * ordinary.edge_step, rel=1e-9)
    np.testing.assert_allclose(other.background, unit * ordinary.background, rtol=1e-6)
    np.testing.assert_array_equal(other.spectrum.mu, unit * ordinary.spectrum.mu)
    assert [finding.name for finding in other.findings] == [finding.name for finding in ordinary.findings]


def test_a_line_under_the_scan_does_not_matter(scan):
    slope = 0.4 - 2e-4 * (scan.energy - 7112.0)
    chi, sloped = (remove_background(replace(scan, mu=scan.mu + line)) for line in (0 * slope, slope))
    assert difference(sloped, chi) < 2e-3
    assert sloped.edge_step == pytest.approx(chi.edge_step, rel=1e-6)


def test_a_shifted_axis_does_not_matter(scan):
    chi, shifted = (remove_background(replace(scan, energy=scan.energy + shift)) for shift in (0.0, -6.5))
    assert difference(shifted, chi) < 1e-6
    assert shifted.e0 == pytest.approx(chi.e0 - 6.5)


def test_it_is_larch(scan):
    from larch import Group
    from larch.xafs import autobk, pre_edge

    group = Group(energy=scan.energy.copy(), mu=scan.mu.copy())
    last = float(scan.energy[-1]) - 7112.0
    pre_edge(group, e0=7112.0, pre1=-150, pre2=-30, norm1=100, norm2=last, nnorm=2, nvict=0)
    chi = remove_background(scan, BackgroundSettings(e0=7112.0, kmax=15.0))
    autobk(group, ek0=7112.0, rbkg=1.0, kmin=0, kmax=15.0, kweight=2, dk=0.1, clamp_lo=0, clamp_hi=1, nclamp=3)
    np.testing.assert_allclose(chi.chi, group.chi, atol=1e-9)
    assert chi.edge_step == pytest.approx(group.edge_step)


def test_nothing_is_changed_and_everything_is_said(scan):
    energy, mu = scan.energy.copy(), scan.mu.copy()
    chi = remove_background(scan)
    np.testing.assert_array_equal(scan.energy, energy)
    np.testing.assert_array_equal(scan.mu, mu)
    assert set(BackgroundSettings().to_mapping()) < set(chi.settings)
    assert all(value is not None for name, value in chi.settings.items() if name != "step")
    assert chi.settings["larch"].startswith("20")
    assert any("AUTOBK" in sentence for sentence in chi.history)
    assert chi.background.shape == chi.spectrum.energy.shape
    again = remove_background(chi.spectrum, BackgroundSettings(e0=chi.e0))
    np.testing.assert_array_equal(again.chi, chi.chi)


def test_a_spike_does_not_move_e0(scan):
    mu = scan.mu.copy()
    mu[np.searchsorted(scan.energy, 7124.0)] += 3.0
    chi = remove_background(replace(scan, mu=mu))
    assert chi.e0 == pytest.approx(7112.0, abs=2.0)
    assert {"e0-off-edge", "glitch"} & {finding.name for finding in chi.findings}


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"e0": 8000.0}, "e0 = 8000 eV is not at the edge"),
        ({"kmin": 5.0, "kmax": 4.0}, "kmin = 5 is not below kmax = 4"),
        ({"pre2": -250.0}, "pre1 = -150 is not below pre2 = -250"),
        ({"pre2": 20.0}, "pre2 = 20 is not below the edge"),
        ({"norm2": 50.0}, "norm1 = 100 is not below norm2 = 50"),
        ({"kmax": 3.0}, "kmax = 3 is below 6 1/Å"),
        ({"e0": float("nan")}, "e0 = nan is not a finite number"),
        ({"kmax": float("inf")}, "kmax = inf is not a finite number"),
        ({"rbkg": 0.0}, "rbkg and kstep are not both positive"),
    ],
)
def test_impossible_settings(settings, fault, scan):
    with pytest.raises(SettingsError, match=fault):
        remove_background(scan, BackgroundSettings(**settings))


@pytest.mark.parametrize("noise", [1e-4, 1e-3])
def test_noise_is_measured(noise, truth):
    k = 0.05 * np.arange(321)
    random = np.random.default_rng(5)
    found = [noise_of(k, truth(k) + noise * random.standard_normal(k.size)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(noise, rel=0.1)


def test_noise_ends_the_usable_range(truth):
    k = 0.05 * np.arange(321)
    assert usable_end(k, truth(k), 0.0) == pytest.approx(15.9)
    noisy = truth(k) + 0.004 * np.random.default_rng(1).standard_normal(k.size)
    envelope = np.flatnonzero(4.8 * np.exp(-0.01 * k**2) / (2.55**2 * np.maximum(k, 0.3)) > np.sqrt(2) * 0.004)[-1]
    assert usable_end(k, noisy, 0.004) == pytest.approx(k[envelope], abs=1.5)
    assert usable_end(k, 0 * k, 0.004) == 0.0


def test_a_late_fluctuation_does_not_prolong_the_usable_range(truth):
    k = 0.05 * np.arange(321)
    noisy = truth(k) + 0.03 * np.random.default_rng(1).standard_normal(k.size)
    lucky = np.where(np.abs(k - 14.5) < 0.2, 0.2, noisy)
    assert usable_end(k, noisy, 0.03) < 12.0
    assert usable_end(k, lucky, 0.03) == usable_end(k, noisy, 0.03)


def test_regridding(truth):
    k = np.arange(2.0, 14.0, 0.03)
    grid, chi = regrid(k, truth(k), 0.05)
    assert grid[0] == 0
    assert grid[-1] <= k[-1]
    np.testing.assert_allclose(chi[grid >= 2], truth(grid)[grid >= 2], atol=1e-4)
    assert (chi[grid < 1.99] == 0).all()
