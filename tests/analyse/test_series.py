"""A series as one analysis: trends are smoothed, a jump is not, and what is common to all scans stays in the errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.analyse.columns import Key, Point
from exafsnn.analyse.series import AMPLITUDE, analyse
from exafsnn.records import Lattice, Shell

SHELL = Shell("Fe-Fe", 1.9, 3.3, 14.0, 0.3, 13.4, 14.6, 2.65, 0.004, 2.642, 2.658, 0.045, 0.002, 0.041, 0.049, 0.0, 0.0)
NOISE = {"coordination": 0.05, "distance": 0.001, "sigma2": 0.0003}


def point(temperature, hot_phase, noise):
    """Iron as it might be found: bcc, or fcc from 1185 K if ``hot_phase``."""
    fcc = hot_phase and temperature > 1185
    true = {
        "coordination": 12.4 if fcc else 14 - 0.3 * (temperature / 1200) ** 2,
        "distance": (2.585 if fcc else 2.64) + 4e-5 * temperature,
        "sigma2": (0.03 if fcc else 0.04) + 1.6e-5 * temperature,
    }
    found = {key: value + NOISE[key] * noise[number] for number, (key, value) in enumerate(true.items())}
    phase, a = ("fcc", 3.58 + 6e-5 * temperature) if fcc else ("bcc", 2.855 + 4e-5 * temperature)
    a += 0.002 * noise[3]
    volume = a**3 / (4 if fcc else 2)
    density = 92.73 / volume
    shares = {name: (float(name == phase), 0.02) for name in ("bcc", "fcc", "hcp")}
    lattice = Lattice(phase, shares, (a, 0.003), (volume, 0.003 * volume), (density, 0.003 * density), 0.01)
    return Point(float(temperature), {"first": replace(SHELL, **found)}, lattice)


def series(hot_phase=True, seed=0, temperatures=None):
    noise = np.random.default_rng(seed).standard_normal((100, 4))
    places = np.r_[300:1101:100, 1180, 1190, 1220, 1250, 1300, 1350, 1400] if temperatures is None else temperatures
    return [point(t, hot_phase, noise[i]) for i, t in enumerate(places)]


def test_iron_has_one_transition_between_the_scans_around_1185_k():
    found = analyse(series())
    assert found.strongest.found
    assert (found.strongest.low, found.strongest.at, found.strongest.high) == (1180.0, 1185.0, 1190.0)
    assert not found.strongest.others
    assert found.phases == ("bcc",) * 10 + ("fcc",) * 6
    density, _ = found.strongest.jump["density"]
    true = 92.73 * (4 / (3.58 + 6e-5 * 1185) ** 3 - 2 / (2.855 + 4e-5 * 1185) ** 3)
    assert density == pytest.approx(true, abs=3 * found.strongest.jump["density"][1] + 0.01)


def test_the_jump_is_not_smoothed_away_and_the_noise_is():
    found = analyse(series(seed=3))
    trend = found.trends[Key("coordination", "first")]
    exact = np.array([item.shells["first"].coordination for item in series_without_noise()])
    assert trend.value[10] - trend.value[9] == pytest.approx(exact[10] - exact[9], abs=0.08)
    smoothed, raw = (np.sqrt(np.mean((item - exact) ** 2)) for item in (trend.value, trend.raw))
    assert smoothed < 0.8 * raw


def series_without_noise():
    zero = np.zeros(4)
    return [point(item.axis, True, zero) for item in series()]


def test_no_transition_is_an_answer():
    found = analyse(series(hot_phase=False))
    assert not found.strongest.found
    assert set(found.phases) == {"bcc"}


@pytest.mark.parametrize("step", [-2.0, -4.0])
def test_a_step_of_the_amplitude_alone_is_no_transition(step):
    """N is off from the middle on, as when the sample moves: no lattice, distance or motion changes with it."""

    def thinner(item: Point) -> Point:
        first = item.shells["first"]
        return replace(item, shells={"first": replace(first, coordination=first.coordination + step)})

    moved = [thinner(item) if item.axis > 800 else item for item in series(hot_phase=False)]
    found = analyse(moved).strongest
    assert not found.found
    assert found.jump[AMPLITUDE][0] == pytest.approx(step, abs=0.5)  # what is told of it all the same


def test_an_error_that_is_common_to_all_stays_in_the_error_bars():
    """The scans agree to 0.05 atoms, but each may be wrong by 0.3, and so may all of them."""
    trend = analyse(series()).trends[Key("coordination", "first")]
    assert np.all(trend.std > 0.2)
    assert np.all(trend.std < 0.4)


def test_a_constant_added_to_all_moves_no_transition():
    moved = [
        replace(
            item, shells={"first": replace(item.shells["first"], coordination=item.shells["first"].coordination + 1)}
        )
        for item in series()
    ]
    assert analyse(moved).strongest.at == analyse(series()).strongest.at


def test_heating_and_cooling_are_two_branches_with_a_hysteresis():
    heating = np.r_[900:1181:40, 1200:1400:40]
    cooling = heating[::-1][1:]
    up = series(temperatures=heating)
    down = [replace(item, axis=item.axis - 80) for item in series(temperatures=cooling, seed=5)]
    found = analyse(up + down)
    assert [part.rising for part in found.branches] == [True, False]
    assert all(item.found for item in found.transitions)
    assert found.hysteresis.width == pytest.approx(80, abs=40)


def test_of_very_many_scans_neighbours_are_averaged(monkeypatch):
    """400 scans as 100 places: the same transition, within the coarser steps, and less noise."""
    places = np.linspace(300, 1400, 400)
    monkeypatch.setattr("exafsnn.analyse.series._MOST", 100)
    noise = np.random.default_rng(1).standard_normal((400, 4))
    found = analyse([point(t, True, noise[i]) for i, t in enumerate(places)])
    assert found.strongest.found
    assert found.strongest.low - 11 < 1185 < found.strongest.high + 11
    trend = found.trends[Key("coordination", "first")]
    exact = np.array([point(t, True, np.zeros(4)).shells["first"].coordination for t in places])
    assert np.sqrt(np.median((trend.value - exact) ** 2)) < 0.5 * NOISE["coordination"]


def test_too_few_scans_are_a_note_not_an_error():
    found = analyse(series()[:3])
    assert not found.strongest.found
    assert "too few scans to look for a transition" in found.notes[0]
    trend = found.trends[Key("distance", "first")]
    assert np.array_equal(trend.value, trend.raw)


def test_repeats_that_disagree_are_told():
    repeats = series(temperatures=[300] * 3 + list(range(400, 1100, 100)))
    assert not analyse(repeats).notes
    wild = replace(repeats[1], shells={"first": replace(repeats[1].shells["first"], coordination=18.0)})
    notes = analyse([repeats[0], wild, *repeats[2:]]).notes
    assert any("repeats at 300 scatter" in note and "coordination" in note for note in notes)


def test_where_no_lattice_is_found_nothing_is_said_of_it():
    points = [replace(item, lattice=None) for item in series()]
    found = analyse(points)
    assert set(found.phases) == {""}
    assert {key.quantity for key in found.trends} == {"coordination", "distance", "sigma2", "c3"}
    assert found.strongest.found


def test_a_phase_that_is_seen_twice_is_left_as_it_was_found():
    """Two scans beyond a transition are no trend: their values stay, and nothing breaks."""
    points = series(temperatures=np.r_[300:1181:100, 1250, 1300])
    found = analyse(points)
    trend = found.trends[Key("lattice_constant", phase="fcc")]
    assert np.isfinite(trend.value[-2:]).all()
    bcc = found.trends[Key("lattice_constant", phase="bcc")]
    odd = [*points[:5], replace(points[5], lattice=points[-1].lattice), *points[6:]]
    assert np.isfinite(analyse(odd).trends[Key("lattice_constant", phase="fcc")].value[5])
    assert np.isfinite(bcc.value[:-2]).all()


def test_a_step_within_the_error_bars_is_no_transition():
    """Scans that share an error may step by it together: 0.3 atoms, where each is known to 0.3."""

    def moved(item):
        shell = item.shells["first"]
        return replace(
            item, shells={"first": replace(shell, coordination=shell.coordination - 0.3 * (item.axis > 900))}
        )

    assert not analyse([moved(item) for item in series(hot_phase=False)]).strongest.found


def test_nor_is_it_one_of_very_many_scans(monkeypatch):
    """Averages of neighbours have less noise, but not less of the error that they share."""
    monkeypatch.setattr("exafsnn.analyse.series._MOST", 50)
    noise = np.random.default_rng(2).standard_normal((400, 4))
    points = []
    for number, place in enumerate(np.linspace(300, 1100, 400)):
        item = point(place, False, noise[number])
        shell = item.shells["first"]
        moved = replace(shell, coordination=shell.coordination - 0.3 * (place > 700))
        points.append(replace(item, shells={"first": moved}))
    assert not analyse(points).strongest.found


def test_a_step_that_is_not_clear_of_the_scatter_is_no_transition(monkeypatch):
    """Once in some hundred series noise looks like a step; refined answers scatter worse than a Gaussian."""
    noise = np.random.default_rng(16).standard_normal(16)
    points = []
    for item, error in zip(series(hot_phase=False, seed=16), noise, strict=True):
        shell = item.shells["first"]
        moved = replace(shell, distance=shell.distance + 0.004 * (error + 2.5 * (item.axis > 900)))
        points.append(replace(item, shells={"first": moved}))
    assert not analyse(points).strongest.found
    monkeypatch.setattr("exafsnn.analyse.series._CLEAR", 0.0)
    assert analyse(points).strongest.found


def test_a_change_of_phase_that_is_no_step_is_told():
    """All the way from bcc to fcc, evenly: the two ends differ, though nothing steps between them."""
    cold, hot = series(hot_phase=False)[0], series()[-1]
    points = []
    for number in range(12):
        share = number / 11
        shells = {"first": replace(SHELL, coordination=14 - 1.6 * share, distance=2.65 - 0.05 * share)}
        near = hot if share > 0.5 else cold
        shares = {"bcc": (1 - share, 0.02), "fcc": (share, 0.02), "hcp": (0.0, 0.02)}
        lattice = replace(near.lattice, fractions=shares, density=(7.6 + 0.1 * share, 0.02))
        points.append(Point(300.0 + 20 * number, shells, lattice))
    found = analyse(points)
    assert not found.strongest.found
    assert any("not all of one phase (bcc to fcc)" in note for note in found.notes)
    assert not any("of one phase" in note for note in analyse(series()).notes)
