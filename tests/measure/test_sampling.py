"""Quick scans are averaged without moving the signal; gaps and jumps of the axis are told, ordinary steps are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.measure.sampling import axis_findings, rebinned, repeated
from exafsnn.measure.scans import remove_background
from exafsnn.read.scan import read_one


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


def test_a_lone_quick_scan_with_a_step_is_refused_for_it(quick):
    with pytest.raises(ScanError, match="as no EXAFS"):
        remove_background(replace(quick, mu=quick.mu + 0.1 * (quick.energy > 7400.0)))


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


def difference(chi, other) -> float:
    """Root mean square of the difference of k²χ, relative to the first, over k = 3 to 12 Å⁻¹."""
    n = min(len(chi.k), len(other.k))
    use = (chi.k[:n] > 3) & (chi.k[:n] < 12)
    one, two = (item.k[:n][use] ** 2 * item.chi[:n][use] for item in (chi, other))
    return float(np.sqrt(np.mean((one - two) ** 2) / np.mean(one**2)))


def measured_again(scan, at: float, by: float, height: float):
    """The scan with the point nearest to an energy once more, so many eV on, and so many edge steps off."""
    place = int(np.argmin(np.abs(scan.energy - at))) + 1
    energy = np.insert(scan.energy, place, scan.energy[place - 1] + by)
    return replace(scan, energy=energy, mu=np.insert(scan.mu, place, scan.mu[place - 1] + 1.3 * height))


@pytest.fixture
def noisy(scan):
    return replace(scan, mu=scan.mu + 3e-4 * np.random.default_rng(5).standard_normal(len(scan.mu)))


@pytest.mark.parametrize("at", [7030.0, 7112.0, 7200.0, 7400.0, 7600.0])
@pytest.mark.parametrize("by", [1e-4, 2e-3, 0.03])
def test_a_point_that_was_measured_twice_is_one(noisy, at, by):
    """Whatever differs: a curve through both would magnify it a hundred times."""
    clean = remove_background(noisy)
    for height in (3e-4, -1e-3, 3e-3, -0.01):
        found = remove_background(measured_again(noisy, at, by, height))
        assert "measured-twice" in {finding.name for finding in found.findings}
        assert difference(clean, found) < 0.01
        assert found.e0 == pytest.approx(clean.e0, abs=0.3)


def test_readings_of_one_point_that_agree_are_a_note(noisy):
    energies = (7230.0, 7420.0)
    for at in energies:
        noisy = measured_again(noisy, at, 0.01, 1e-4)
    (found,) = (item for item in remove_background(noisy).findings if item.name == "measured-twice")
    assert found.severity == "note"
    assert found.message.startswith("2 points")


def test_readings_of_one_point_that_contradict_are_a_warning(noisy):
    (found,) = (
        item
        for item in remove_background(measured_again(noisy, 7400.0, 0.01, 0.005)).findings
        if item.name == "measured-twice"
    )
    assert found.severity == "warning"
    assert found.energy == pytest.approx(7400.0, abs=3.0)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("fe/Fe_metal_rt_02.xdi", [(403.1, 0.0006, -0.0068), (62.6, 0.002, 0.0016)]),
        ("metals/W_metal_rt_01.xdi", [(335.3, 0.0003, 0.0053), (222.3, 0.0001, -0.0011)]),
        ("metals/pt_metal_rt.xdi", [(304.2, 0.0016, -0.0053), (191.8, 0.0229, -0.0059)]),
    ],
)
def test_readings_that_contradict_are_no_edge_of_another_element(data_dir, name, extra):
    """Energy above the edge, distance and difference of a second reading: where two regions of a scan join."""
    spectrum = read_one(data_dir / name)
    clean = remove_background(spectrum)
    energy, mu = spectrum.energy, spectrum.mu
    for above, gap, apart in extra:
        row = int(np.argmin(np.abs(energy - clean.e0 - above)))
        energy = np.insert(energy, row + 1, energy[row] + gap)
        mu = np.insert(mu, row + 1, mu[row] + apart * clean.edge_step)
    found = remove_background(replace(spectrum, energy=energy, mu=mu))
    names = {finding.name for finding in found.findings}
    assert "measured-twice" in names
    assert "foreign-edge" not in names
    assert difference(clean, found) < 0.01


def test_a_scan_whose_points_were_all_measured_twice_is_the_scan(noisy):
    """As encoders give it, where the counters are read twice at each position."""
    twice = replace(noisy, energy=np.repeat(noisy.energy, 2), mu=np.repeat(noisy.mu, 2))
    twice.energy[1::2] += 0.002
    assert difference(remove_background(noisy), remove_background(twice)) < 0.005


@pytest.mark.parametrize("step", [0.01, 0.03, 0.1])
def test_regular_fine_steps_are_no_repeats(step):
    energy = np.arange(7000.0, 7000.0 + 400 * step, step)
    energy += 0.2 * step * np.random.default_rng(1).uniform(-1, 1, len(energy))
    assert not repeated(energy, 1.19).any()


def test_where_regions_of_other_steps_join_nothing_is_a_repeat():
    energy = np.concatenate(
        [np.arange(6900.0, 7090.0, 10.0), np.arange(7090.0, 7140.0, 0.25), np.arange(7140, 7400, 3)]
    )
    assert not repeated(energy, 1.19).any()


@pytest.mark.parametrize("short", [0.7, 1.0, 1.3])
def test_the_short_last_step_of_a_region_is_no_jump(scan, truth_of, short):
    """μ goes on as smoothly as it did; a slip of the axis, which lengthens or shortens it, makes a kink."""
    below, step = scan.energy[scan.energy < 7160.0], 2.2
    energy = np.concatenate([below, np.arange(7160.0, 7220.0, step)])
    last = energy[-1]
    energy = np.concatenate([energy, np.arange(last + step - short, 7800.0, step)])
    assert axis_findings(energy, 7112.0)[0].name == "axis-jump"
    assert axis_findings(energy, 7112.0, truth_of(energy)) == ()
    real = energy + short * (energy > last)
    (found,) = axis_findings(energy, 7112.0, truth_of(real))
    assert (found.name, found.energy) == ("axis-jump", pytest.approx(last))


def test_a_lengthened_step_is_told_however_smooth(scan, truth_of):
    energy = scan.energy + 1.5 * (scan.energy > 7300)
    (found,) = axis_findings(energy, 7112.0, truth_of(energy))
    assert found.name == "axis-jump"
