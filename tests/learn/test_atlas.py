"""The RDFs that are known: they survive the model's file, stretch like crystals, and lack atoms only where counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.learn.atlas import PHASES, Atlas, in_sphere
from exafsnn.learn.training import make_atlas
from exafsnn.shells import moments


@pytest.fixture(scope="module")
def atlas(bank, pairs):
    return make_atlas(bank, pairs)


def count(atlas, rows):
    return rows.sum(dim=1) * float(atlas.r[1] - atlas.r[0])


def mean_distance(atlas, rows):
    return (rows * atlas.r).sum(dim=1) / rows.sum(dim=1)


def test_it_survives_the_file(atlas):
    again = Atlas.restored(atlas.r, atlas.tensors(), atlas.info())
    assert torch.allclose(again.density, atlas.density, atol=1e-6)
    assert again.phases == atlas.phases
    assert torch.equal(again.perfect, atlas.perfect)


def test_particles_are_not_perfect(atlas, bank):
    assert atlas.perfect.tolist() == bank.whole.tolist()


def test_a_crystal_of_another_lattice_constant_keeps_its_atoms(atlas):
    ours = atlas.density[atlas.perfect]
    crystals = atlas.crystals("fcc", 3.6 * 1.02)
    assert len(crystals) == len(ours)
    assert count(atlas, crystals) == pytest.approx(count(atlas, ours).numpy(), rel=2e-3)
    assert mean_distance(atlas, crystals) == pytest.approx(1.02 * mean_distance(atlas, ours).numpy(), rel=1e-3)
    assert len(atlas.crystals("hcp", 2.5)) == 0


def test_without_a_count_no_atom_is_missing(atlas, pairs):
    blind, counted = (count(atlas, atlas.samples(pairs, kind)) for kind in ("pure", "counted"))
    fewest = float(count(atlas, atlas.density).min())
    assert blind.min() > 0.98 * fewest
    assert counted.min() < 0.8 * fewest
    whole = 0.5 * (1 - pairs.diluted[1])  # half of them are small particles
    assert (counted < 11.9).double().mean() == pytest.approx(1 - whole, abs=0.15)


def test_perfect_samples_are_of_states_without_surfaces(atlas, pairs):
    perfect = count(atlas, atlas.samples(pairs, "perfect", 1000))
    ours = count(atlas, atlas.density[atlas.perfect])
    assert perfect.min() > 0.98 * ours.min()
    assert len(perfect) >= 1000
    none = replace(atlas, perfect=torch.zeros_like(atlas.perfect))
    assert len(none.samples(pairs, "perfect", 1000)) == 0


def test_samples_are_the_same_at_every_call(atlas, pairs):
    assert torch.equal(atlas.samples(pairs, "counted"), atlas.samples(pairs, "counted"))


def test_samples_are_stretched_by_no_more_than_training(atlas, pairs):
    found = mean_distance(atlas, atlas.samples(pairs, "pure"))
    ours = mean_distance(atlas, atlas.density)
    assert found.min() > (1 - 1.1 * pairs.stretch) * ours.min()
    assert found.max() < (1 + 1.1 * pairs.stretch) * ours.max()
    assert found.std() > 0.5 * pairs.stretch * float(ours.mean()) / np.sqrt(3)


def test_smoothing_keeps_the_number_of_atoms(atlas):
    rows = atlas.outlines(atlas.density)
    assert count(atlas, rows) == pytest.approx(count(atlas, atlas.density).numpy(), rel=1e-3)


def test_atoms_of_a_sphere_have_as_many_neighbours_as_counted(crystal_sphere):
    """Of a ball of 2600 atoms cut from an fcc crystal; neighbours at 2.5 and 4.33 Å are counted."""
    radius, counts = crystal_sphere
    r = torch.tensor(list(counts))
    shares = in_sphere(r, torch.tensor([1 / radius]))[0]
    assert shares.tolist() == pytest.approx(list(counts.values()), abs=0.03)
    assert in_sphere(torch.tensor([2 * radius + 0.1]), torch.tensor([1 / radius])) == 0
    assert in_sphere(r, torch.tensor([0.0])).tolist() == [[1.0, 1.0]]


@pytest.fixture(scope="module")
def crystal_sphere():
    cells = np.indices((25, 25, 25)).reshape(3, -1).T - 12
    places = cells[cells.sum(axis=1) % 2 == 0] * 2.5 / np.sqrt(2)
    radius = 19.0
    ball = places[np.linalg.norm(places, axis=1) < radius]
    apart = np.linalg.norm(ball[:, None] - ball, axis=2)
    counts = {r: (abs(apart - r) < 0.05).sum(axis=1).mean() / n for r, n in ((2.5, 12), (2.5 * np.sqrt(3), 24))}
    return radius, counts


def test_strain_grows_with_the_distance(atlas):
    rows = torch.zeros(1, len(atlas.r), dtype=atlas.r.dtype)
    near, far = (int((atlas.r - r).abs().argmin()) for r in (2.5, 4.4))
    rows[0, [near, far]] = 1.0
    found = atlas._strained(rows, torch.tensor([0.01]), 1.0)[0]
    assert found[near] == pytest.approx(1.0, abs=0.05)
    shape = found[far - 15 : far + 16]
    offset = (atlas.r - atlas.r[far])[far - 15 : far + 16]
    assert (shape * offset**2).sum() / shape.sum() == pytest.approx(0.01 * (4.4 / 2.5 - 1), rel=0.1)


def test_motion_is_that_of_the_first_neighbours_in_any_crystal():
    """Half the height of a Gaussian lies 1.18 σ below its top: of fcc, and of bcc with its second shell so near."""
    r = torch.arange(1.6, 6.4, 0.03, dtype=torch.float64)
    sigma = torch.tensor([0.06, 0.1, 0.14], dtype=torch.float64)

    def peaks(*shells):
        apart = (r - torch.tensor([place for _, place in shells])[:, None, None]) / sigma[:, None]
        return (torch.tensor([count for count, _ in shells])[:, None, None] * torch.exp(-0.5 * apart**2)).sum(dim=0)

    density = torch.cat([peaks((12, 2.53), (6, 3.57), (24, 4.38)), peaks((8, 2.48), (6, 2.87), (12, 4.05))])
    atlas = Atlas(r, density, ("fcc",) * 3 + ("bcc",) * 3, torch.ones(6), torch.ones(6, dtype=torch.bool))
    assert atlas._motion(1.0) == pytest.approx(torch.cat([sigma, sigma]).numpy() * 1.177, rel=0.15)


def test_a_cold_crystal_is_not_mixed_with_a_hot_one(atlas):
    """A sample has one temperature; what is sharp and yet has atoms between its shells, no sample is."""
    motion = atlas._motion(1.0)
    found = atlas._as_hot(torch.rand(16 * len(motion), generator=torch.Generator().manual_seed(1)), 1.0)
    mixed = torch.cdist(found.double(), atlas.density.double()).argmin(dim=1)
    place = motion.argsort().argsort()
    apart = (place[mixed] - place.repeat(16)).abs()
    assert 0 < apart.max() <= max(2.0, 0.09 * len(motion))


@pytest.fixture(scope="module")
def of_both(atlas):
    """The atlas with nine states of an oxide: six atoms of another element at 2.1 Å."""
    own = torch.cat([atlas.density, torch.zeros_like(atlas.density)], dim=1)
    near = torch.exp(-0.5 * ((atlas.r - 2.1) / 0.08) ** 2)
    oxygen = 6 * near / near.sum() / float(atlas.r[1] - atlas.r[0])
    oxide = torch.cat([torch.zeros_like(near), oxygen]).expand(9, -1)
    lattice = torch.cat([atlas.lattice, torch.full((9,), 4.2, dtype=atlas.lattice.dtype)])
    whole = torch.cat([atlas.perfect, torch.ones(9, dtype=torch.bool)])
    return Atlas(atlas.r, torch.cat([own, oxide]), (*atlas.phases, *["MO"] * 9), lattice, whole)


def test_an_oxide_is_a_kind_of_its_own(of_both, atlas):
    assert atlas.kinds == PHASES
    assert of_both.kinds == (*PHASES, "MO")
    likeness = of_both.likeness(of_both.density)
    assert likeness[-9:, -1].min() == 1.0
    assert likeness[:-9, :4].sum(dim=1).min() == 1.0


def test_the_oxide_of_a_sample_is_broader_by_itself(of_both, pairs):
    """Of a metal with its oxide, whose own peak stays as it is."""
    still = replace(pairs, extra_sigma2=0.0, stretch=0.0, apart_sigma2=0.01)
    rows = of_both.samples(still, "mixed", 500)
    r, (metal, oxygen) = of_both.r.double().numpy(), of_both._by_pair(rows).double().unbind(1)
    metal, oxygen = (moments(r, of.numpy(), 1.6, 3.2) for of in (metal, oxygen))
    mixed = (metal[:, 0] > 1) & (oxygen[:, 0] > 1)
    assert mixed.sum() > 50
    sigma2 = oxygen[mixed, 2]
    assert np.ptp(sigma2) == pytest.approx(0.01, rel=0.1)
    assert (sigma2 < sigma2.min() + 1e-4).mean() == pytest.approx(0.5, abs=0.1)
    broader, plain = (of_both.samples(of, "perfect", 500) for of in (still, replace(still, apart_sigma2=0.0)))
    is_metal = of_both._by_pair(plain)[:, 1].sum(dim=1) == 0
    assert torch.equal(broader[is_metal], plain[is_metal])
    assert 0.3 < (broader[~is_metal] - plain[~is_metal]).abs().amax(dim=1).gt(1e-4).double().mean() < 0.7


def test_samples_have_any_number_of_what_hardly_scatters(of_both, pairs):
    """Of the nine states of an oxide from none of the oxygen to all of it."""
    rows = of_both.samples(replace(pairs, any_number=(1,)), "perfect", 500)
    metal, oxygen = (of_both._by_pair(rows)[:, pair].sum(dim=1) * of_both.step for pair in (0, 1))
    found = oxygen[metal < 0.1].numpy()
    assert np.histogram(found, 4, (0, 6))[0].min() > 0.15 * len(found) > 5


def test_mixed_samples_are_of_both_in_any_proportion(of_both, atlas, pairs):
    assert len(atlas.samples(pairs, "mixed")) == 0
    mixed = of_both.samples(pairs, "mixed", 500)
    metal, oxygen = (count(of_both, part) for part in mixed.split(len(of_both.r), dim=1))
    share = oxygen / 6
    assert torch.histc(share, 5, 0, 1).min() > 0.6 * len(share) / 5
    whole = metal / (1 - share).clamp_min(0.05)
    fewest, most = (float(part(count(atlas, atlas.density))) for part in (torch.min, torch.max))
    assert float(whole[share < 0.9].min()) > 0.97 * fewest
    assert float(whole[share < 0.9].max()) < 1.03 * most


def test_the_oxide_of_a_sample_is_about_as_hot_as_its_metal(of_both, pairs):
    """A far hotter metal would hide in the spectrum of an oxide. The width of oxygen's peak says how hot one is."""
    sigma, apart = torch.linspace(0.04, 0.12, 9, dtype=of_both.r.dtype), of_both.r - 2.1
    near = torch.exp(-0.5 * (apart / sigma[:, None]) ** 2)
    oxygen = 6 * near / near.sum(dim=1, keepdim=True) / of_both.step
    oxide = torch.cat([torch.zeros_like(oxygen), oxygen], dim=1)
    atlas = replace(of_both, density=torch.cat([of_both.density[:-9], oxide]))
    still = replace(pairs, extra_sigma2=0.0, stretch=0.0, mixed=(0.0, 0.0))
    rows = atlas._by_pair(atlas.samples(still, "mixed", 500)).double()
    share = rows[:, 1].sum(dim=1) * atlas.step / 6
    width = torch.from_numpy(moments(atlas.r.double().numpy(), rows[:, 1].numpy(), 1.6, 2.8)[:, 2]).sqrt()
    heat = atlas._heat(1.0)[:-9].repeat(len(rows) // (len(atlas.phases) - 9))
    far = ((width - sigma[0]) / (sigma[-1] - sigma[0]) - heat)[share > 0.05].abs()
    assert 0.2 < far.max() < 0.45


def test_half_of_what_is_counted_is_partly_oxide(of_both, pairs):
    _, oxygen = of_both.samples(pairs, "counted", 2000).split(len(of_both.r), dim=1)
    pure = 1 - 9 / len(of_both.phases)
    assert float((oxygen.sum(dim=1) < 1e-6).double().mean()) == pytest.approx(0.5 * pure, abs=0.06)
