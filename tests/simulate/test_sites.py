"""The mean multiple scattering of a state, from many sites by their rows of atoms and few by all paths."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exafsnn.physics.all_paths import chi_of_rows, chi_of_site
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


def test_rows_of_other_sites_make_the_mean_sure(theory):
    """Collinear Ni–O–Ni is a row: two thirds of the scatter that few sites leave is gone; of alike sites all is."""
    state, rng = sites(48, 0.07), np.random.default_rng(1)
    few = SiteSettings(sites=6, control_sites=0, reach=REACH, fade=0.4)
    many = SiteSettings(sites=6, control_sites=42, reach=REACH, fade=0.4)
    every = SiteSettings(sites=48, control_sites=0, reach=REACH, fade=0.4)
    true = theory.sums(state, every, rng)[3]
    alone, together = (theory.sums(state[: own.sites + own.control_sites], own, rng) for own in (few, many))
    for stored, same in zip(alone[:3], together[:3], strict=True):
        assert stored == pytest.approx(same)  # of each site they are the same
    left, before = (np.linalg.norm(found[3] - true) for found in (together, alone))
    assert left < before / 3
    still = sites(1, 0.0)
    assert theory.sums(still * 4, SiteSettings(1, 3, reach=REACH, fade=0.4), rng)[3] == pytest.approx(
        theory.sums(still, SiteSettings(1, 0, reach=REACH, fade=0.4), rng)[3], rel=1e-5, abs=1e-9
    )


def test_rows_may_be_longer_than_other_paths(theory):
    """Nickel behind oxygen, at 4.18 Å, is seen although all other paths end before: most of what they lack."""
    state, rng = sites(2, 0.05), np.random.default_rng(1)

    def pairs(**lengths):
        return theory.sums(state, SiteSettings(sites=2, control_sites=0, fade=0.4, **lengths), rng)[3][0]

    every, short, longer = pairs(reach=REACH), pairs(reach=4.0), pairs(reach=4.0, rows=REACH)
    assert np.linalg.norm(longer - every) < 0.5 * np.linalg.norm(short - every)


def test_rows_are_two_atoms_one_before_the_other(theory):
    """Of two atoms in line all two-atom paths are rows, but for those with the absorber between; aside none are."""

    def both(*atoms):
        found = torch.tensor(atoms, dtype=torch.float64), torch.tensor([2, 1])
        return chi_of_rows(theory.tables, *found), chi_of_site(theory.tables, *found)

    rows, every = both([2.09, 0.0, 0.0], [4.18, 0.0, 0.0])
    without = chi_of_site(theory.tables, torch.tensor([[2.09, 0.0, 0.0]]), torch.tensor([2])).double
    assert rows == pytest.approx(every.double - without, abs=0.02 * float(every.double.abs().max()))
    moved = torch.tensor([[2.09, 0.0, 0.0], [4.18, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    chi_of_rows(theory.tables, moved, torch.tensor([2, 1])).sum().backward()  # differentiable, as all paths are
    assert moved.grad is not None
    assert (moved.grad[:, 0] != 0).all()
    rows, every = both([2.09, 0.0, 0.0], [0.0, 2.09, 0.0])
    assert not rows.any()
    assert every.double.abs().max() > 1e-3
