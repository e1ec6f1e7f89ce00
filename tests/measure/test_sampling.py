"""Quick scans are averaged without moving the signal; gaps and jumps of the axis are told, ordinary steps are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.measure.sampling import axis_findings, rebinned
from exafsnn.measure.scans import remove_background


@pytest.fixture
def scan(make_scan):
    return make_scan("Fe", k_max=14.0)


@pytest.fixture
def quick(scan, truth_of):
    """The same sample every 0.15 eV, with noise."""
    energy = np.arange(scan.energy[0], scan.energy[-1], 0.15)
    mu = truth_of(energy) + 3e-3 * np.random.default_rng(2).standard_normal(len(energy))
    return replace(scan, energy=energy, mu=mu)


@pytest.fixture
def truth_of():
    from ..conftest import true_mu

    return lambda energy: true_mu(energy, 7112.0)


def test_an_ordinary_scan_stays_as_it_is(scan):
    energy, mu, findings = rebinned(scan.energy, scan.mu[None], 7112.0)
    assert energy is scan.energy
    assert np.array_equal(mu, scan.mu[None])
    assert findings == ()


def test_a_quick_scan_becomes_an_ordinary_one(quick, truth_of):
    energy, (mu,), findings = rebinned(quick.energy, quick.mu[None], 7112.0)
    slow = replace(quick, energy=energy, mu=mu)
    assert [finding.name for finding in findings] == ["rebinned"]
    assert len(slow.energy) < len(quick.energy) / 5
    assert (np.diff(slow.energy) > 0).all()
    away = np.abs(slow.energy - 7112.0) > 10
    error = (slow.mu - truth_of(slow.energy))[away]
    assert np.abs(error.mean()) < 3e-4
    assert error.std() < 1.5e-3


def test_its_chi_is_the_same_within_the_noise(quick, truth):
    chi = remove_background(quick)
    use = (chi.k > 3) & (chi.k < 12)
    error = (chi.chi - truth(chi.k))[use] * chi.k[use] ** 2
    assert np.sqrt(np.mean(error**2)) < 0.1 * np.sqrt(np.mean((truth(chi.k)[use] * chi.k[use] ** 2) ** 2))


@pytest.mark.parametrize(("missing", "severity"), [(6, "warning"), (20, "fatal")])
def test_gaps_are_told(scan, missing, severity):
    kept = np.delete(np.arange(len(scan.energy)), np.arange(220, 220 + missing))
    (found,) = axis_findings(scan.energy[kept], 7112.0)
    assert (found.name, found.severity) == ("gap", severity)
    assert found.energy == pytest.approx(scan.energy[219])


@pytest.mark.parametrize(
    ("low", "high", "severity"),
    [(-3, 1, "warning"), (4, 9, "warning"), (-5, 5, "fatal"), (-12, -1, "fatal"), (12, 29, "fatal")],
)
def test_an_edge_that_was_not_measured_is_told(scan, low, high, severity):
    kept = (scan.energy < 7112.0 + low) | (scan.energy > 7112.0 + high)
    found = axis_findings(scan.energy[kept], 7112.0)[0]
    assert (found.name, found.severity) == ("gap", severity)
    assert found.energy == pytest.approx(7112.0 + low, abs=1.0)


def test_wide_steps_below_the_edge_are_no_gap(scan):
    kept = (scan.energy < 7112.0 - 16) | (scan.energy > 7112.0 - 10)
    assert axis_findings(scan.energy[kept], 7112.0) == ()


def test_a_slip_of_the_axis_is_told(scan):
    (found,) = axis_findings(scan.energy + 1.5 * (scan.energy > 7300), 7112.0)
    assert found.name == "axis-jump"
    assert found.energy == pytest.approx(7300, abs=5)


def test_changes_of_the_step_are_no_jumps(scan):
    assert axis_findings(scan.energy, 7112.0) == ()
