"""The mean multiple scattering of a state, from many sites by their short paths and few by all."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.physics.feff import FeffTreatment, make_potentials
from exafsnn.physics.path_tables import make_path_tables
from exafsnn.simulate.sites import ExactTheory, SiteSettings

REACH = 4.7


def sites(count, sigma):
    """Surroundings of nickel in rocksalt, each displaced at random by ``sigma`` per axis [Å], and their numbers."""
    steps = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    steps = steps[(np.abs(steps).sum(axis=1) > 0) & (np.linalg.norm(steps, axis=1) * 2.09 < REACH)]
    rng = np.random.default_rng(1)
    numbers = 1 + np.abs(steps.sum(axis=1)) % 2
    return [(2.09 * steps + rng.normal(0.0, sigma, steps.shape), numbers) for _ in range(count)]


@pytest.fixture(scope="module")
def theory():
    positions, numbers = sites(1, 0.0)[0]
    everything = np.vstack([np.zeros(3), positions])
    treatment = FeffTreatment(name="atoms-hl", scf_radius=0.0)
    potentials = make_potentials(everything, ["Ni", "Ni", "O"], treatment, edge="K", feff_numbers=[0, *numbers])
    return ExactTheory(make_path_tables(potentials, np.arange(3.0, 14.0, 0.1), reach=REACH, nearest=1.4))


def test_short_paths_of_other_sites_make_the_mean_sure(theory):
    """Collinear Ni–O–Ni, 4.18 Å, is short: half of the scatter that few sites leave is gone; of alike ones all is."""
    state, rng = sites(48, 0.07), np.random.default_rng(1)
    few = SiteSettings(sites=6, control_sites=0, reach=REACH, fade=0.4, near=4.6)
    many = SiteSettings(sites=6, control_sites=42, reach=REACH, fade=0.4, near=4.6)
    every = SiteSettings(sites=48, control_sites=0, reach=REACH, fade=0.4)
    true = theory.sums(state, every, rng)[3]
    alone, together = (theory.sums(state[: own.sites + own.control_sites], own, rng) for own in (few, many))
    for stored, same in zip(alone[:3], together[:3], strict=True):
        assert stored == pytest.approx(same)  # of each site they are the same
    left, before = (np.linalg.norm(found[3] - true) for found in (together, alone))
    assert left < 0.5 * before
    still = sites(1, 0.0)
    assert theory.sums(still * 4, SiteSettings(1, 3, reach=REACH, fade=0.4, near=3.0), rng)[3] == pytest.approx(
        theory.sums(still, SiteSettings(1, 0, reach=REACH, fade=0.4), rng)[3], rel=1e-5, abs=1e-9
    )
