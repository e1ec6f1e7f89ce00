"""The RDFs that are known: they survive the model's file, stretch like crystals, and lack atoms only where counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exafsnn.learn.atlas import Atlas, smoothed
from exafsnn.learn.training import make_atlas


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
    assert atlas.perfect.tolist() == ["particles" not in family for family in bank.families]


def test_a_crystal_of_another_lattice_constant_keeps_its_atoms(atlas):
    ours = atlas.density[atlas.perfect]
    crystals = atlas.crystals("fcc", 3.6 * 1.02)
    assert len(crystals) == len(ours)
    assert count(atlas, crystals) == pytest.approx(count(atlas, ours).numpy(), rel=2e-3)
    assert mean_distance(atlas, crystals) == pytest.approx(1.02 * mean_distance(atlas, ours).numpy(), rel=1e-3)
    assert len(atlas.crystals("hcp", 2.5)) == 0


def test_without_a_count_no_atom_is_missing(atlas, pairs):
    blind, counted = (count(atlas, atlas.samples(pairs, kind)) for kind in ("pure", "diluted"))
    fewest = float(count(atlas, atlas.density).min())
    assert blind.min() > 0.98 * fewest
    assert counted.min() < 0.8 * fewest
    assert (counted < 11.9).double().mean() == pytest.approx(pairs.diluted[1], abs=0.2)


def test_samples_are_the_same_at_every_call(atlas, pairs):
    assert torch.equal(atlas.samples(pairs, True), atlas.samples(pairs, True))


def test_samples_are_stretched_by_no_more_than_training(atlas, pairs):
    found = mean_distance(atlas, atlas.samples(pairs, False))
    ours = mean_distance(atlas, atlas.density)
    assert found.min() > (1 - 1.1 * pairs.stretch) * ours.min()
    assert found.max() < (1 + 1.1 * pairs.stretch) * ours.max()
    assert found.std() > 0.5 * pairs.stretch * float(ours.mean()) / np.sqrt(3)


def test_smoothing_keeps_the_number_of_atoms(atlas):
    rows = smoothed(atlas.density, 0.03)
    assert count(atlas, rows) == pytest.approx(count(atlas, atlas.density).numpy(), rel=1e-3)
