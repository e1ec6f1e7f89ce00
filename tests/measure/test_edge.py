"""E₀ is where μ rises fastest; an edge that rises as fast twice has two, and that is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.measure.edge import ambiguous, positions, second_rises
from exafsnn.measure.scans import remove_background
from exafsnn.settings import BackgroundSettings

ENERGY = np.arange(7000.0, 7300.0, 0.4)
E0 = np.array([7112.0])


def edge(at: float, height: float = 1.0) -> np.ndarray:
    """A step as wide as iron's core hole."""
    return height * (0.5 + np.arctan((ENERGY - at) / 0.65) / np.pi)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("away", [-8.0, 8.0])
def test_the_second_rise_is_measured(share, away):
    (place,), (found,) = second_rises(ENERGY, (edge(7112.0) + edge(7112.0 + away, share))[None], E0)
    assert place == pytest.approx(7112.0 + away, abs=0.5)
    assert found == pytest.approx(share, abs=0.05)


def test_one_rise_is_not_ambiguous():
    assert ambiguous(ENERGY, np.array([edge(7112.0), edge(7112.0) + edge(7120.0, 0.8)]), np.repeat(E0, 2)) == [(), ()]


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_two_equal_rises_are_told(unit):
    ((found,),) = ambiguous(ENERGY, unit * (edge(7112.0) + edge(7120.0))[None], E0)
    assert (found.name, found.severity) == ("e0-ambiguous", "warning")
    assert found.energy == pytest.approx(7120.0, abs=0.5)


def test_a_given_e0_is_not_doubted(scan):
    twice = replace(scan, mu=scan.mu + 1.3 * np.arctan((scan.energy - 7120.0) / 1.2) / np.pi)
    assert "e0-ambiguous" in {finding.name for finding in remove_background(twice).findings}
    given = remove_background(twice, BackgroundSettings(e0=7112.0))
    assert "e0-ambiguous" not in {finding.name for finding in given.findings}


@pytest.mark.parametrize("name", ["fe/fe.060", "fe/fe.300", "fe/Fe_metal_rt_02.xdi", "metals/Ni_metal_rt_01.xdi"])
def test_the_second_rise_of_a_metal_is_weaker_than_its_first(name, data_dir):
    from exafsnn.read.scan import read_one

    chi = remove_background(read_one(data_dir / name))
    _, (share,) = second_rises(chi.spectrum.energy, chi.spectrum.mu[None], np.array([chi.e0]))
    assert 0.8 < share < 0.93


def test_rough_scans_have_the_edge_that_each_has_alone():
    """On grids of their own, some of which begin just below the edge: no place beyond a scan's own end is looked at."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        starts = rng.choice([-45.0, -30.0, -150.0], size=3)
        energy = 7112 + np.array([np.linspace(start, 600 + start, 400) for start in starts])
        rough = rng.choice([0.02, 0.2, 0.6])
        mu = np.arctan((energy - 7112) / 2) / np.pi + rough * rng.standard_normal(energy.shape)
        alone = [positions(e, m[None], 7112.0)[0] for e, m in zip(energy, mu, strict=True)]
        assert positions(energy, mu, 7112.0).tolist() == alone, seed
