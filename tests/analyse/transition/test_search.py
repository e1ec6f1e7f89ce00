"""Transitions of simulated series: found where they are, not found where they are not, and never smoothed away."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.analyse.branches import branches, hysteresis
from exafsnn.analyse.smoothing import smooth_between
from exafsnn.analyse.transition.search import Transition, find_transition
from exafsnn.errors import ScanError, SettingsError

NAMES = ("coordination", "distance", "sigma2", "fcc", "volume")
STD = np.array([0.15, 0.004, 0.0015, 0.06, 0.003])
JUMP = np.array([-1.0, 0.005, -0.002, 1.0, -0.010])
HEATING = np.linspace(300.0, 1400.0, 16)
BY_E0, BY_AMPLITUDE = np.array([0.3, 1.0, 0.2, 0.2, 1.0]), np.array([1.0, 0.1, 1.0, 0.5, 0.1])


def iron(rng, axis=HEATING, jump=1.0, at=1185.0, width=0.0, drift=2.0):
    """Iron as a beamline sees it: thermal expansion, E₀ and amplitude wrong and drifting, errors half in common."""
    x = (axis - axis.min()) / np.ptp(axis)
    smooth = [14 - 0.35 * x**2, 2.647 + 0.02 * x + 0.006 * x**2, 0.012 + 0.012 * x + 0.008 * x**2, 0 * x, 0.043 * x]
    gamma = 1 / (1 + np.exp(np.clip(-4.4 * (axis - at) / max(width, 1e-6), -60, 60)))
    values = np.stack(smooth, axis=1) + jump * gamma[:, None] * JUMP
    for loading in (BY_E0, BY_AMPLITUDE):
        offset, slope, wave = rng.standard_normal(3)
        course = offset + slope * x + wave * np.sin(2 * np.pi * (rng.uniform(0.3, 1.5) * x + rng.random()))
        values += drift * STD * course[:, None] * loading
    noise = rng.standard_normal(values.shape) @ np.linalg.cholesky(0.5 * np.eye(5) + 0.5).T
    return values + noise * STD, np.tile(STD, (axis.size, 1))


def search(seed, error_scale=1.0, **options):
    axis = options.get("axis", HEATING)
    values, std = iron(np.random.default_rng(seed), **options)
    return find_transition(axis, values, std * error_scale, NAMES)


def brackets(found, axis=HEATING, at=1185.0):
    """Whether it lies between the two scans around the truth."""
    return found.found and np.searchsorted(axis, found.at) == np.searchsorted(axis, at)


def test_iron_has_one_transition_between_the_scans_that_bracket_it():
    found = search(0)
    assert (found.low, found.high) == (pytest.approx(1180.0), pytest.approx(1253.3, abs=0.1))
    assert brackets(found)
    assert found.strength < 1e-3
    assert (found.width, found.others, found.outliers) == (0.0, (), ())


def test_transitions_are_found_and_there_are_no_others():
    found = [search([1, seed]) for seed in range(8)]
    assert all(brackets(each) for each in found)
    assert sum(len(each.others) for each in found) <= 1


def test_series_without_a_transition_have_none():
    assert sum(search([2, seed], jump=0.0).found for seed in range(20)) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("error_scale", [0.5, 1.0, 2.0])
def test_false_alarms_are_rarer_than_two_in_a_hundred(error_scale):
    assert sum(search([3, seed], error_scale, jump=0.0).found for seed in range(300)) <= 6


@pytest.mark.slow
@pytest.mark.parametrize("error_scale", [0.5, 1.0, 2.0])
def test_true_transitions_are_found_98_times_in_a_hundred(error_scale):
    found = [search([4, seed], error_scale) for seed in range(200)]
    assert sum(brackets(each) and each.low <= 1185.0 <= each.high for each in found) >= 196


@pytest.mark.slow
def test_interval_covers_also_where_a_transition_is_faint():
    found = [search([5, seed], jump=0.6) for seed in range(200)]
    covered = [each.low <= 1185.0 <= each.high for each in found if each.found]
    assert len(covered) > 80
    assert np.mean(covered) >= 0.93


def test_jump_is_told_within_its_error():
    """Of the true jumps in units of their errors; what all scans have in common does not matter."""
    told = [search([6, seed], drift=1.0).jump for seed in range(7)]
    pulls = np.array([[(each[n][0] - j) / each[n][1] for n, j in zip(NAMES, JUMP, strict=True)] for each in told])
    assert np.mean(np.abs(pulls) < 2) > 0.85


def test_before_and_after_are_extrapolated_to_the_transition():
    found = search(7, drift=0.0)
    assert found.before["fcc"][0] == pytest.approx(0.0, abs=4 * found.before["fcc"][1])
    assert found.after["fcc"][0] == pytest.approx(1.0, abs=4 * found.after["fcc"][1])
    for name in NAMES:
        assert found.after[name][0] - found.before[name][0] == pytest.approx(found.jump[name][0])


@pytest.mark.parametrize("curve", [lambda x: np.exp(3 * x), lambda x: np.sin(np.pi * x), lambda x: 20 * x**3])
def test_a_strong_curve_is_no_transition(curve):
    x = np.linspace(0, 1, 25)
    noise = 0.02 * np.random.default_rng(8).standard_normal((25, 1))
    assert not find_transition(x, curve(x)[:, None] + noise, np.full((25, 1), 0.02), ("y",)).found


def test_one_wrong_scan_is_no_transition():
    values, std = iron(np.random.default_rng(9), jump=0.0)
    for scan in (4, 14, 15):
        wrong = values.copy()
        wrong[scan] += 12 * STD
        found = find_transition(HEATING, wrong, std, NAMES)
        assert not found.found
        assert found.outliers == (scan,)


def test_a_wrong_scan_does_not_hide_a_transition():
    values, std = iron(np.random.default_rng(10))
    values[5] += 12 * STD
    found = find_transition(HEATING, values, std, NAMES)
    assert brackets(found)
    assert found.outliers == (5,)


def test_a_gradual_transition_has_its_width():
    axis = np.linspace(300.0, 1400.0, 45)
    found = search(11, axis=axis, at=850.0, width=150.0, drift=1.0)
    assert found.found
    assert found.low <= 850.0 <= found.high
    assert 75.0 < found.width < 300.0


def test_two_transitions_are_two():
    axis = np.linspace(0.0, 10.0, 40)
    noise = 0.05 * np.random.default_rng(12).standard_normal((40, 1))
    values = (1.0 * (axis > 3.1) + 0.6 * (axis > 7.3))[:, None] + noise
    found = find_transition(axis, values, np.full((40, 1), 0.05), ("y",))
    places = sorted(each.at for each in (found, *found.others))
    assert places == pytest.approx([3.1, 7.3], abs=0.15)


@pytest.mark.parametrize("lengths", [(6, 4, 6), (8, 8, 8), (20, 6, 10)])
def test_a_phase_that_comes_and_goes_has_two_transitions(lengths):
    """In the whole series the pair looks like a curve: neither step is told without the other."""
    share = np.repeat([0.0, 1.0, 0.0], lengths)
    noise = np.random.default_rng(0).standard_normal((len(share), 2))
    values = np.stack([share, 14 - 1.5 * share], axis=1) + np.array([0.005, 0.1]) * noise
    found = find_transition(np.arange(len(share)), values, np.full_like(values, [0.005, 0.1]), ["fcc", "N"])
    assert found.found
    places = sorted(item.at for item in (found, *found.others))
    assert places == pytest.approx([lengths[0] - 0.5, lengths[0] + lengths[1] - 0.5])


def test_unit_order_and_constants_do_not_matter():
    rng = np.random.default_rng(13)
    values, std = iron(rng)
    plain = find_transition(HEATING, values, std, NAMES)
    order = rng.permutation(16)
    other = find_transition(5.0 + 0.01 * HEATING[order], (values + 7 * STD)[order], std, NAMES)
    assert other.at == pytest.approx(5.0 + 0.01 * plain.at)
    assert (other.low, other.high) == (pytest.approx(5 + 0.01 * plain.low), pytest.approx(5 + 0.01 * plain.high))
    assert np.log(other.strength) == pytest.approx(np.log(plain.strength), rel=0.05)


def test_a_reversed_axis_mirrors_the_answer():
    values, std = iron(np.random.default_rng(14))
    plain, mirrored = (find_transition(sign * HEATING, values, std, NAMES) for sign in (1, -1))
    assert mirrored.at == pytest.approx(-plain.at)
    assert mirrored.jump["fcc"][0] == pytest.approx(-plain.jump["fcc"][0], rel=0.05)


def test_a_known_covariance_is_used():
    values, std = iron(np.random.default_rng(15))
    covariance = std[:, :, None] * std[:, None, :] * (0.5 * np.eye(5) + 0.5)
    assert brackets(find_transition(HEATING, values, std, NAMES, covariance=covariance))


@pytest.mark.parametrize("axis", [np.linspace(0, 1, 6), np.repeat(np.linspace(0, 1, 6), 3), np.linspace(0, 1, 9) ** 3])
def test_short_repeated_and_uneven_series(axis):
    noise = 0.01 * np.random.default_rng(16).standard_normal((axis.size, 3))
    at = 0.5 * (np.unique(axis)[-3] + np.unique(axis)[-4])
    found = find_transition(axis, noise + (axis > at)[:, None], np.full(noise.shape, 0.01), ("a", "b", "c"))
    assert found.at == pytest.approx(at)
    assert not find_transition(axis, noise + axis[:, None], np.full(noise.shape, 0.01), ("a", "b", "c")).found


def test_a_long_series():
    axis = np.linspace(0, 100, 1000)
    noise = 0.3 * np.random.default_rng(17).standard_normal((1000, 1))
    found = find_transition(axis, noise + (axis > 61.8)[:, None], np.full((1000, 1), 0.3), ("y",))
    assert found.low <= 61.8 <= found.high
    assert found.high - found.low < 3.0
    assert found.width < 3.0
    assert not found.others


def test_perfect_data_are_no_transition_unless_they_jump():
    x = np.linspace(0, 1, 12)
    for bend in (0 * x, x, x**2):
        assert not find_transition(x, bend[:, None], np.full((12, 1), 0.1), ("y",)).found
    assert find_transition(x, (x > 0.5)[:, None] * 1.0, np.zeros((12, 1)), ("y",)).found


def test_smoothing_keeps_the_jump():
    values, std = iron(np.random.default_rng(18), drift=0.0)
    found = find_transition(HEATING, values, std, NAMES)
    clean = 300.0 * (HEATING > 1185.0) + 0.01 * HEATING
    smoothed, _ = smooth_between(HEATING, clean[:, None], np.ones((16, 1)), found)
    assert np.diff(smoothed[12:14, 0])[0] == pytest.approx(300.0, rel=0.05)
    quiet, quiet_std = smooth_between(HEATING, values, std, found)
    assert np.std(np.diff(quiet[:13, 0])) < 0.5 * np.std(np.diff(values[:13, 0]))
    assert (quiet_std[:13] < 1.1 * std[:13]).all()


def test_smoothing_does_not_look_across_a_transition():
    values, std = iron(np.random.default_rng(19))
    found = find_transition(HEATING, values, std, NAMES)
    shifted = values + 50 * STD * (found.at < HEATING)[:, None]
    one, two = (smooth_between(HEATING, given, std, found)[0] for given in (values, shifted))
    assert two[:13] == pytest.approx(one[:13], rel=1e-9)


def test_smoothing_without_a_transition_follows_the_curve():
    rng, x = np.random.default_rng(20), np.linspace(0, 1, 60)
    truth = np.stack([np.sin(4 * x), x**2], axis=1)
    order = rng.permutation(60)
    noisy = truth + 0.05 * rng.standard_normal((60, 2))
    smoothed, spread = smooth_between(x[order], noisy[order], np.full((60, 2), 0.1), Transition(False, 1.0))
    pulls = (smoothed - truth[order]) / spread
    assert np.sqrt(np.mean(pulls**2)) < 1.6
    assert np.std(smoothed - truth[order]) < 0.5 * 0.05


def test_branches_of_a_cycle():
    axis = np.array([300, 500, 700, 699, 900, 900, 650, 400, 300, 550.0])
    assert [(each.rising, each.scans) for each in branches(axis)] == [
        (True, (0, 1, 2, 3, 4, 5)),
        (False, (6, 7, 8)),
        (True, (9,)),
    ]
    assert [each.rising for each in branches(-axis)] == [False, True, False]
    assert branches(np.full(4, 300.0))[0].scans == (0, 1, 2, 3)


def test_hysteresis_is_the_difference_of_the_branches():
    up, down = Transition(True, 1e-4, 1190.0, 1180.0, 1200.0), Transition(True, 1e-4, 1150.0, 1140.0, 1160.0)
    found = hysteresis(up, down)
    assert (found.width, found.low, found.high) == (40.0, 20.0, 60.0)
    assert not hysteresis(up, Transition(False, 0.4)).found


Y = np.ones((8, 1))


@pytest.mark.parametrize(
    ("axis", "values", "std", "error", "reason"),
    [
        (np.arange(5.0), Y[:5], Y[:5], ScanError, "5 scans at 5 places; a transition needs 6"),
        (np.repeat([1.0, 2.0], 4), Y, Y, ScanError, "8 scans at 2 places"),
        (np.arange(8.0), Y * np.nan, Y, ScanError, "scan 1: 8 of 8 scans have"),
        (np.arange(8.0), Y, -Y, ScanError, "negative"),
        (np.arange(7.0), Y, Y, SettingsError, "need"),
        (np.arange(8.0), np.ones((8, 2)), np.ones((8, 2)), SettingsError, "1 names for 2 quantities"),
    ],
)
def test_what_cannot_be_judged_is_refused(axis, values, std, error, reason):
    with pytest.raises(error, match=reason):
        find_transition(axis, values, std, ("y",))


def test_other_nonsense_is_refused():
    with pytest.raises(SettingsError, match="rate"):
        find_transition(np.arange(8.0), Y, Y, ("y",), rate=0.0)
    with pytest.raises(SettingsError, match="covariance"):
        find_transition(np.arange(8.0), Y, Y, ("y",), covariance=np.ones((8, 2, 2)))
    with pytest.raises(ScanError, match="two scans"):
        branches(np.array([1.0]))
