"""χ(k) from scans whose truth is known, and the laws that any background removal obeys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.measure.noise import noise_of, usable_ends
from exafsnn.measure.scans import remove_background
from exafsnn.read.chi_file import regrid
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK
from exafsnn.rise import edge_rise
from exafsnn.settings import BackgroundSettings

SIMULATED = sorted((Path(__file__).parents[2] / "spectra").glob("fe_*.dat"))


def end_of(k, chi, noise):
    return usable_ends(k, chi[None], np.array([noise]))[0]


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


def larchs(chi: ChiK) -> np.ndarray:
    """χ(k) that larch gives of the scan that was used, with the parameters that were used, in the unit that was."""
    from larch import Group
    from larch.xafs import autobk, pre_edge

    rise = edge_rise(chi.spectrum.energy, chi.spectrum.mu, chi.e0)
    unit = 1.0 if 0.05 < rise < 8 else rise
    group = Group(energy=chi.spectrum.energy.copy(), mu=chi.spectrum.mu / unit)
    line = {key: chi.settings[key] for key in ("e0", "pre1", "pre2", "norm1", "norm2", "nnorm", "nvict")}
    pre_edge(group, **line)
    same = ("rbkg", "kmin", "kmax", "kstep", "kweight", "dk", "nfft", "clamp_lo", "clamp_hi", "nclamp")
    autobk(group, ek0=chi.e0, win=chi.settings["window"], **{key: chi.settings[key] for key in same})
    assert group.edge_step * unit == pytest.approx(chi.edge_step, rel=1e-9)
    np.testing.assert_allclose(group.k, chi.k)
    return group.chi


def off(chi: ChiK) -> float:
    """How far from larch's: the largest difference of k²χ, relative to the largest k²χ."""
    theirs = larchs(chi)
    return float(np.abs(chi.k**2 * (chi.chi - theirs)).max() / np.abs(chi.k**2 * theirs).max())


SETTINGS = [
    {},
    {"kweight": 1},
    {"kweight": 3},
    {"rbkg": 0.8},
    {"rbkg": 1.4},
    {"clamp_hi": 5},
    {"clamp_hi": 0, "nclamp": 5},
    {"clamp_hi": 2, "kweight": 1},
    {"kstep": 0.04, "nfft": 4096, "nnorm": 1, "norm1": 60.0, "norm2": 500.0, "pre1": -120.0, "pre2": -40.0},
]
FOILS = (
    *("fe/fe.060", "fe/fe.300", "fe/Fe_metal_rt_02.xdi", "cu/cu_metal_10K.xdi", "cu/cu_metal_rt.xdi"),
    *("metals/Ni_metal_rt_01.xdi", "metals/co_metal_rt.xdi", "metals/pt_metal_rt.xdi", "metals/V_foil.xdi"),
    *("metals/Au_Foil_L3_rt_2016Foils.xdi", "metals/W_metal_rt_01.xdi", "metals/Pd_foil_Pd_K.dat"),
    *("metals/Mo_foil_Mo_K.dat", "compounds/NiO_001_Ni_foil.dat", "znse/zn_znse_rt.xdi"),
)


@pytest.mark.parametrize("name", FOILS)
def test_foils_are_larchs(name, data_dir):
    assert off(remove_background(read_one(data_dir / name))) < 1e-6


@pytest.mark.parametrize("path", SIMULATED, ids=lambda path: path.stem)
def test_simulated_scans_are_larchs(path):
    assert off(remove_background(read_one(path))) < 1e-6


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["fe/fe.060", "metals/pt_metal_rt.xdi"])
def test_any_parameters_are_larchs(name, settings, data_dir):
    assert off(remove_background(read_one(data_dir / name), BackgroundSettings(**settings))) < 1e-6


@pytest.mark.parametrize(
    ("settings", "limit"),
    [
        ({}, 1e-7),
        ({"kmin": 0.5, "kmax": 11.0, "dk": 1.0}, 1e-7),
        ({"window": "kaiser", "dk": 2.0}, 1e-7),
        ({"clamp_lo": 1}, 1e-5),
        ({"clamp_lo": 2}, 1e-5),
    ],
    ids=str,
)
def test_larch_stops_where_its_derivatives_do(settings, limit, monkeypatch):
    """What is left of the difference is the step of larch's derivatives: with a smaller one less is left."""
    from importlib import import_module

    autobk = import_module("larch.xafs.autobk")
    exact = autobk.leastsq
    monkeypatch.setattr(autobk, "leastsq", lambda *args, **kws: exact(*args, **(kws | {"epsfcn": 1e-12})))
    assert off(remove_background(read_one(SIMULATED[0]), BackgroundSettings(**settings))) < limit


@pytest.mark.parametrize("clamp", [1, 2])
def test_where_larch_stops_short_ours_is_the_minimum(clamp):
    """With strong clamps at k = 0, where χ is of order 1, larch's derivatives leave 10⁻³ to 10⁻²."""
    from importlib import import_module

    from larch.xafs.xafsft import ftwindow

    ours = remove_background(read_one(SIMULATED[4]), BackgroundSettings(clamp_lo=clamp))
    residual = import_module("larch.xafs.autobk").realimag
    kmax = ours.settings["kmax"]
    count = int(1 + int(2 * kmax / np.pi) * 0.05 * 2048 / (2 * kmax))
    window = ours.k**2 * ftwindow(ours.k, xmin=0, xmax=kmax, dx=0.1, dx2=0.1, window="hanning")

    def cost(chi: np.ndarray) -> float:
        """What AUTOBK minimises: larch's residuals of χ(k)·Δμ₀."""
        out = residual(0.05 / np.sqrt(np.pi) * np.fft.fft(chi * window, 2048)[:count])
        scale = 0.1 + 10 * (out**2).mean()
        return float((out**2).sum() + scale**2 * (clamp**2 * (chi[:3] ** 2).sum() + (chi[-3:] ** 2).sum()))

    theirs = larchs(ours)
    assert cost(ours.chi * ours.edge_step) <= cost(theirs * ours.edge_step) * (1 + 1e-9)


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
    found = noise_of(k, truth(k) + noise * random.standard_normal((20, k.size)))
    assert np.mean(found) == pytest.approx(noise, rel=0.1)


def test_noise_ends_the_usable_range(truth):
    k = 0.05 * np.arange(321)
    assert end_of(k, truth(k), 0.0) == pytest.approx(15.9)
    noisy = truth(k) + 0.004 * np.random.default_rng(1).standard_normal(k.size)
    envelope = np.flatnonzero(4.8 * np.exp(-0.01 * k**2) / (2.55**2 * np.maximum(k, 0.3)) > np.sqrt(2) * 0.004)[-1]
    assert end_of(k, noisy, 0.004) == pytest.approx(k[envelope], abs=1.5)
    assert end_of(k, 0 * k, 0.004) == 0.0


def test_a_late_fluctuation_does_not_prolong_the_usable_range(truth):
    k = 0.05 * np.arange(321)
    noisy = truth(k) + 0.03 * np.random.default_rng(1).standard_normal(k.size)
    lucky = np.where(np.abs(k - 14.5) < 0.2, 0.2, noisy)
    assert end_of(k, noisy, 0.03) < 12.0
    assert end_of(k, lucky, 0.03) == end_of(k, noisy, 0.03)


def test_regridding(truth):
    k = np.arange(2.0, 14.0, 0.03)
    grid, chi = regrid(k, truth(k), 0.05)
    assert grid[0] == 0
    assert grid[-1] <= k[-1]
    np.testing.assert_allclose(chi[grid >= 2], truth(grid)[grid >= 2], atol=1e-4)
    assert (chi[grid < 1.99] == 0).all()
