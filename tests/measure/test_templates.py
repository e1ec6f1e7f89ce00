"""Scans on grids that are merely alike, looked at on one: what is found is what each shows by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.measure.edge import edge_of
from exafsnn.measure.scans import measure_all
from exafsnn.measure.templates import carried, on_templates
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.rise import edge_rise

from .mutants import FAULTS

SIMULATED = sorted((Path(__file__).parents[2] / "spectra").glob("fe_*.dat"))


def grids(count: int, jitter: float, shift: float) -> np.ndarray:
    """(count, n) grids that are off by an encoder's jitter and by a shift [intervals]."""
    rng = np.random.default_rng(0)
    even = np.cumsum(np.r_[0.0, np.full(20, 5.0), np.full(60, 0.5), np.linspace(0.5, 4, 80)])
    steps = np.append(np.diff(even), 4.0)
    return even + steps * (jitter * rng.uniform(-1, 1, (count, len(even))) + shift * rng.uniform(-1, 1, (count, 1)))


def test_points_that_stay_where_they_are_keep_their_value() -> None:
    own = grids(1, 0.1, 0.0)
    mu = np.random.default_rng(1).standard_normal(own.shape)
    assert np.array_equal(carried(own, mu, own[0]), mu)


def test_a_cubic_is_carried_exactly_and_a_glitch_as_high_as_it_is() -> None:
    own = grids(5, 0.1, 0.3)
    template = grids(1, 0.0, 0.0)[0]
    cubic = np.polynomial.Polynomial([1.0, 2.0, -1.5, 0.7], domain=[0, 260])
    np.testing.assert_allclose(carried(own, cubic(own), template), np.tile(cubic(template), (5, 1)), atol=1e-10)
    for place in (0, 1, 60, 140, 158, 159):
        mu = np.zeros_like(own)
        mu[:, place] = 1.0
        assert np.array_equal(carried(own, mu, template)[:, place], mu[:, place])


def test_every_scan_comes_once_on_a_grid_that_is_like_its_own() -> None:
    own = [*grids(20, 0.1, 0.2), *(grids(4, 0.1, 0.2) + 500.0), np.arange(3.0), grids(1, 0.0, 0.0)[0]]
    mu = [np.full((number % 3, len(points)), float(number)) for number, points in enumerate(own)]
    known: list[np.ndarray] = []
    seen: Counter[int] = Counter()
    values = np.concatenate([np.full(len(part), part[0, 0] if len(part) else 0.0) for part in mu])
    for template, rows, scans, is_own in on_templates(own, mu, known):
        seen.update(rows.tolist())
        assert np.allclose(scans, values[rows][:, None])
        for number in values[rows].astype(int):
            assert np.abs(own[number] - template).max() <= 2.5
            assert not is_own or np.array_equal(own[number], template)
    assert sorted(seen) == list(range(len(values)))
    assert set(seen.values()) == {1}
    assert len(known) < 6
    again = len(known)
    list(on_templates(own, mu, known))
    assert len(known) == again


def verdict(found: ChiK | Exception) -> object:
    """What is told of a scan, or why it is refused."""
    if isinstance(found, ScanError):
        return str(found), [finding.message for finding in found.findings]
    assert isinstance(found, ChiK), found
    return found.e0, found.k_max_usable, [finding.message for finding in found.findings]


def own_grids(scans: Sequence[Spectrum]) -> list[Spectrum]:
    """Each scan as another monochromator setting would have had it: on energies of its own."""
    rng = np.random.default_rng(2)
    moved = []
    for scan in scans:
        energy = scan.energy + rng.uniform(-1, 1) + 0.02 * rng.standard_normal(len(scan.energy))
        mu = np.interp(energy, scan.energy, scan.mu) + 2e-4 * rng.standard_normal(len(energy))
        moved.append(Spectrum(energy, mu, scan.absorber, scan.edge, source=scan.source))
    return moved


@pytest.mark.parametrize("strength", [0, 1])
def test_faults_on_grids_of_their_own_are_told_together_as_alone(strength: int) -> None:
    scans = own_grids([read_one(SIMULATED[number % len(SIMULATED)]) for number in range(len(FAULTS))])
    damaged = []
    for fault, scan in zip(FAULTS, scans, strict=True):
        rise = edge_rise(scan.energy, scan.mu, edge_of(scan.energy, scan.mu, scan.absorber, scan.edge).position)
        bad = fault.damaged(scan, rise, fault.strengths[min(strength, len(fault.strengths) - 1)])
        damaged += [bad, scan]
    together = measure_all(damaged)
    for scan, found in zip(damaged, together, strict=True):
        assert verdict(found) == verdict(measure_all([scan])[0])
