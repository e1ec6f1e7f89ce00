"""Scans measured together: each gets the χ(k), the findings or the refusal that it gets alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.edges import tabulated
from exafsnn.errors import ScanError
from exafsnn.measure.edge import edge_of
from exafsnn.measure.energy_zero import smoothed
from exafsnn.measure.scans import StackChiK, measure_all, measure_stack, remove_background
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.rise import edge_rise
from exafsnn.settings import BackgroundSettings

from .mutants import FAULTS

SIMULATED = sorted((Path(__file__).parents[2] / "spectra").glob("fe_*.dat"))


@pytest.fixture(scope="module")
def series() -> tuple[Spectrum, np.ndarray]:
    """What the simulated scans share, and their μ; noise added to twelve of them."""
    scans = [read_one(path) for path in SIMULATED]
    like = Spectrum(scans[0].energy, scans[0].mu, "Fe", "K", source="series.h5")
    mu = np.array([scan.mu for scan in scans])
    mu[4:] += 3e-4 * np.random.default_rng(3).standard_normal(mu[4:].shape)
    return like, mu


def alone(like: Spectrum, mu: np.ndarray, settings: BackgroundSettings | None = None) -> ChiK | ScanError:
    try:
        return remove_background(replace(like, mu=mu), settings)
    except ScanError as error:
        return error


def position_of(scan: Spectrum) -> float:
    return edge_of(scan.energy, scan.mu, scan.absorber, scan.edge).position


def difference(chi: np.ndarray, other: np.ndarray, k: np.ndarray) -> float:
    """Largest difference of k²χ, relative to the largest k²χ."""
    return float(np.abs(k**2 * (chi - other)).max() / np.abs(k**2 * other).max())


def assert_same(found: ChiK, expected: ChiK) -> None:
    assert found.e0 == expected.e0
    assert found.edge_step == pytest.approx(expected.edge_step, rel=1e-10)
    assert found.noise == pytest.approx(expected.noise, rel=1e-5)
    assert found.k_max_usable == pytest.approx(expected.k_max_usable)
    assert found.settings == expected.settings
    np.testing.assert_allclose(found.k, expected.k)
    assert difference(found.chi, expected.chi, expected.k) < 1e-6
    assert [finding.message for finding in found.findings] == [finding.message for finding in expected.findings]


def assert_all_same(like: Spectrum, mu: np.ndarray, settings: BackgroundSettings | None = None, **more) -> StackChiK:
    (found,) = measure_stack(like, mu, settings, **more)
    for row in range(len(mu)):
        expected = alone(like, mu[row], settings)
        if isinstance(expected, ScanError):
            assert found.refusals[row].reason == expected.reason
        else:
            assert_same(found.one(row), expected)
    return found


def test_a_series_is_what_its_scans_are(series):
    found = assert_all_same(*series)
    assert np.isfinite(found.chi).all()


def test_one_energy_zero_for_all(series):
    found = assert_all_same(*series, BackgroundSettings(e0=7110.3, kmax=12.0))
    assert (found.e0 == 7110.3).all()
    assert found.k[-1] == pytest.approx(12.0)


def test_each_scan_has_its_own_energy_zero(series):
    """Scans whose edges lie apart; each E₀ is a point of the grid, and the k grids differ in length."""
    like, mu = series
    moved = np.stack([np.interp(like.energy - 0.7 * i, like.energy, mu[0]) for i in range(5)])
    found = assert_all_same(like, moved)
    assert len(np.unique(found.e0)) > 3
    lengths = np.isfinite(found.chi).sum(axis=1)
    assert lengths[0] > lengths[-1]


@pytest.mark.parametrize(
    "change",
    [
        {"rbkg": 1.3, "kweight": 1, "clamp_hi": 2, "nclamp": 5},
        {"kmin": 0.5, "kmax": 11.0, "dk": 1.0, "window": "kaiser", "nclamp": 0},
        {"kstep": 0.04, "nfft": 4096, "nnorm": 1, "norm1": 60.0, "norm2": 700.0, "pre1": -120.0, "pre2": -40.0},
    ],
)
def test_any_parameters(change, series):
    like, mu = series
    assert_all_same(like, mu[:2], BackgroundSettings(**change))


@pytest.mark.parametrize("name", ["fe/fe.060", "cu/cu_metal_10K.xdi", "metals/pt_metal_rt.xdi", "znse/zn_znse_rt.xdi"])
def test_measured_scans(name, data_dir):
    scan = read_one(data_dir / name)
    like = replace(scan, findings=())
    noise = 2e-4 * edge_rise(scan.energy, scan.mu, position_of(scan))
    mu = scan.mu + noise * np.random.default_rng(4).standard_normal((3, len(scan.mu)))
    assert_all_same(like, mu)


def test_no_fault_is_missed(series):
    """Mutants among sound scans: each is called what it is called alone, or refused alike."""
    like, mu = series
    sound, rise = replace(like, mu=mu[0]), edge_rise(like.energy, mu[0], position_of(replace(like, mu=mu[0])))
    mutants = [fault.damaged(sound, rise, strength) for fault in FAULTS for strength in fault.strengths[:1]]
    kept = [scan.mu for scan in mutants if np.array_equal(scan.energy, like.energy) and not scan.mode]
    assert len(kept) > 25
    found = assert_all_same(like, np.stack([mu[0], *kept, mu[1]]))
    assert len(found.refusals) > 10
    assert {0, len(kept) + 1}.isdisjoint(found.refusals)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.mode or "points" in fault.name], ids=str)
def test_faults_of_axis_and_sample(fault, series):
    like, mu = series
    sound = replace(like, mu=mu[0])
    for strength in fault.strengths[:1]:
        scan = fault.damaged(sound, edge_rise(like.energy, mu[0], position_of(sound)), strength)
        assert_all_same(scan, np.stack([scan.mu, scan.mu * 1.0001]))


def test_a_scan_with_nan_stops_no_other(series):
    like, mu = series
    broken = mu[:5].copy()
    broken[2, 100] = np.nan
    (found,) = measure_stack(like, broken)
    assert list(found.refusals) == [2]
    assert "μ is nan" in found.refusals[2].reason
    assert found.refusals[2].where == "series.h5::2"
    with pytest.raises(ScanError, match="μ is nan"):
        found.one(2)
    assert np.isnan(found.chi[2]).all()
    (sound,) = measure_stack(like, mu[:5])
    np.testing.assert_allclose(np.delete(found.chi, 2, axis=0), np.delete(sound.chi, 2, axis=0), atol=1e-12)


def test_chunks_change_nothing(series):
    like, mu = series
    (whole,) = measure_stack(like, mu)
    parts = list(measure_stack(like, mu, chunk=5))
    assert [part.first for part in parts] == [0, 5, 10, 15]
    np.testing.assert_allclose(np.concatenate([part.chi for part in parts]), whole.chi, atol=1e-12)
    np.testing.assert_array_equal(np.concatenate([part.e0 for part in parts]), whole.e0)


def test_order_is_kept(series):
    like, mu = series
    order = np.random.default_rng(5).permutation(len(mu))
    (straight,), (mixed,) = measure_stack(like, mu), measure_stack(like, mu[order])
    np.testing.assert_allclose(mixed.chi, straight.chi[order], atol=1e-12)


@pytest.mark.parametrize("unit", [0.7, 3.0, 1e4, 1e-6])
def test_the_unit_of_mu_does_not_matter(unit, series):
    like, mu = series
    (ordinary,), (other,) = measure_stack(like, mu[:3]), measure_stack(like, unit * mu[:3])
    np.testing.assert_allclose(other.edge_step, unit * ordinary.edge_step, rtol=1e-9)
    limit = 1e-3 if 0.1 < unit < 8 else 3e-3  # AUTOBK's clamps know the unit; a rise far from 1 is brought to it
    assert difference(other.chi, ordinary.chi, ordinary.k) < limit


def test_a_line_under_the_scans_does_not_matter(series):
    like, mu = series
    line = 0.3 - 1e-4 * (like.energy - 7110.0)
    (plain,), (sloped,) = measure_stack(like, mu[:3]), measure_stack(like, mu[:3] + line)
    np.testing.assert_allclose(sloped.edge_step, plain.edge_step, rtol=1e-6)
    assert difference(sloped.chi, plain.chi, plain.k) < 2e-3


def test_a_quick_scan_is_rebinned(series):
    like, mu = series
    energy = np.arange(like.energy[0], like.energy[-1], 0.2)
    quick = np.stack([np.interp(energy, like.energy, row) for row in mu[:2]])
    quick += 1e-3 * np.random.default_rng(6).standard_normal(quick.shape)
    found = assert_all_same(replace(like, energy=energy), quick)
    assert "rebinned" in {finding.name for finding in found.findings[0]}


def test_points_that_were_measured_twice_are_averaged(series):
    like, mu = series
    place = int(np.searchsorted(like.energy, like.energy[0] + 500.0))
    energy = np.insert(like.energy, place, like.energy[place] - 0.005)
    found = assert_all_same(replace(like, energy=energy), np.insert(mu, place, mu[:, place] + 1e-3, axis=1))
    assert all("measured-twice" in {finding.name for finding in told} for told in found.findings)


def test_nothing_is_changed(series):
    like, mu = series
    energy, before = like.energy.copy(), mu.copy()
    list(measure_stack(like, mu))
    np.testing.assert_array_equal(like.energy, energy)
    np.testing.assert_array_equal(mu, before)


def test_records_are_those_of_the_scans_alone(series):
    """Scans of several grids, a χ(k) file and one that could not be read, in any order."""
    like, mu = series
    scans = [replace(like, mu=row, record=f"{number}") for number, row in enumerate(mu)]
    short = [
        replace(scan, energy=scan.energy[:-7], mu=scan.mu[:-7], record=f"short {scan.record}") for scan in scans[:3]
    ]
    stuck = replace(scans[0], mu=np.ones_like(scans[0].mu), record="stuck")
    file = replace(scans[1].to_chi(), noise=np.nan, k_max_usable=np.nan)
    unread = ScanError("no such file")
    mixed = [*short[:1], *scans[:6], stuck, file, *short[1:], unread, *scans[6:]]
    found = measure_all(mixed)
    assert found[mixed.index(unread)] is unread
    for scan, chi in zip(mixed, found, strict=True):
        if isinstance(scan, Spectrum):
            (expected,) = measure_all([scan])
            if isinstance(expected, ScanError):
                assert str(chi) == str(expected)
                assert "stuck.h5" not in str(chi)
                continue
            assert (chi.record, chi.history, chi.findings) == (expected.record, expected.history, expected.findings)
            np.testing.assert_allclose(chi.chi, expected.chi, atol=1e-12)
            np.testing.assert_allclose(chi.background, expected.background, atol=1e-12)
            np.testing.assert_array_equal(chi.spectrum.mu, expected.spectrum.mu)
    assert found[mixed.index(file)].k_max_usable > 12


def test_an_empty_series(series):
    like, mu = series
    assert list(measure_stack(like, mu[:0])) == []


@pytest.mark.parametrize(
    ("energy", "mu", "reason"),
    [
        (np.arange(20.0), np.zeros((3, 19)), "energy has shape"),
        (np.arange(20.0), np.zeros(20), "energy has shape"),
        (np.arange(20.0)[::-1], np.zeros((3, 20)), "do not increase"),
    ],
)
def test_what_is_no_series(energy, mu, reason):
    with pytest.raises(ScanError, match=reason):
        measure_stack(Spectrum(energy, energy, "Fe", "K"), mu)


def test_impossible_settings_refuse_each_scan(series):
    like, mu = series
    (found,) = measure_stack(like, mu[:2], BackgroundSettings(e0=8000.0))
    assert sorted(found.refusals) == [0, 1]
    assert "is not at the edge" in found.refusals[0].reason


def test_the_smoothing_is_that_of_larch(series):
    from larch.math.utils import smooth

    like, mu = series
    part = like.energy[20:170]
    slopes = np.gradient(mu[0, 20:170]) / np.gradient(part)
    expected = smooth(part, slopes, xstep=0.3, sigma=0.3)
    np.testing.assert_allclose(smoothed(part[None], slopes[None], np.array([0.3]))[0], expected, atol=1e-12)
    many = np.repeat(slopes[None], 200, axis=0)
    np.testing.assert_allclose(smoothed(part[None], many, np.array([0.3]))[7], expected, atol=1e-12)


@pytest.mark.parametrize("width", [52.0, 55.0, 80.0])
def test_a_scan_without_points_at_its_edge_costs_no_other(series, width):
    like, mu = series
    sound = replace(like, mu=mu[0])
    kept = np.abs(like.energy - 7112.0) > width
    hollow = replace(sound, energy=like.energy[kept], mu=mu[0, kept])
    refused, found = measure_all([hollow, sound])
    assert isinstance(refused, ScanError)
    np.testing.assert_array_equal(found.chi, measure_all([sound])[0].chi)


def test_the_next_edge_is_told_of_many_as_of_one(series):
    like, mu = series
    near = tabulated("Pt", "L2")
    moved = [replace(like, energy=like.energy - 7112.0 + near + 0.3 * row, absorber="Pt", edge="L2", mu=mu[row])
             for row in range(4)]  # fmt: skip
    for scan, chi in zip(moved, measure_all(moved), strict=True):
        assert [finding.name for finding in chi.findings].count("next-edge") == 1
        (alone,) = measure_all([scan])
        assert alone.findings == chi.findings
