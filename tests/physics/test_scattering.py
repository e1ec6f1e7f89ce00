"""The table of effective amplitudes gives what FEFF gives, path family by path family, and its gradients are right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.physics import scattering
from exafsnn.physics.feff import PathSummer, ScatteringPath, partial_waves
from exafsnn.physics.paths import sample_three_atom_paths, single_paths, strength_from_phases, three_atom_paths

from .conftest import bcc_cluster


@pytest.fixture(scope="module")
def table(iron):
    return scattering.make_table(iron, np.arange(2.0, 14.01, 0.1), reach=5.6)


def rms(values, k):
    use = (k > 3) & (k < 12)
    return float(np.sqrt(((k**2 * values)[use] ** 2).mean()))


def test_single_scattering_is_feffs(iron, table):
    k = table.k.numpy().astype(float)
    r = np.array([2.31, 2.487, 2.9, 4.044])
    with PathSummer(iron) as summer:
        direct = summer.chi(single_paths(r), k)
    ours = scattering.sum_single(table, torch.tensor(r).float(), torch.ones(4, dtype=torch.long)).numpy()
    assert rms(ours - direct, k) < 0.005 * rms(direct, k)


@pytest.mark.parametrize("kind", scattering.KINDS)
def test_two_atom_families_are_feffs(iron, table, kind):
    k = table.k.numpy().astype(float)
    cluster = bcc_cluster(2.8665, 5.6, sigma=0.06, seed=3)
    positions = torch.from_numpy(cluster).float()
    r, numbers = positions.norm(dim=1), torch.ones(len(cluster), dtype=torch.long)
    ours = scattering._sum_pairs(table, kind, positions, r, numbers).numpy()
    with PathSummer(iron) as summer:
        direct = summer.chi(_all_paths(kind, cluster, 5.6), k)
    assert rms(ours - direct, k) < 0.04 * rms(direct, k)


def _all_paths(kind: str, cluster: np.ndarray, reach: float) -> list[ScatteringPath]:
    """Every path of a family, written down naively."""
    found = []
    for i, first in enumerate(cluster):
        for j, second in enumerate(cluster):
            if kind == "double" and i < j:
                corners, weight = [first, second], 2.0
            elif kind == "return" and i != j:
                corners, weight = [first, second, first], 1.0
            elif kind == "through" and i <= j:
                corners, weight = [first, np.zeros(3), second], 1.0 if i == j else 2.0
            else:
                continue
            legs = np.diff(np.vstack([np.zeros(3), *corners, np.zeros(3)]), axis=0)
            if np.linalg.norm(legs, axis=1).sum() / 2 <= reach:
                numbers = tuple(0 if not corner.any() else 1 for corner in corners)
                found.append(ScatteringPath(np.array(corners), numbers, weight))
    return found


def test_a_shell_that_leaves_the_reach_fades_instead_of_vanishing(table):
    numbers = torch.ones(2, dtype=torch.long)
    k = table.k.numpy()

    def lost(fade):
        softened = replace(table, fade=fade)
        lines = [torch.tensor([[0.0, 0.0, 2.5], [0.0, 0.0, end]]) for end in (5.55, 5.65)]
        before, after = (scattering.chi_of_cluster(softened, line, numbers)[1].numpy() for line in lines)
        return rms(before - after, k)

    assert lost(0.8) < 0.1 * lost(0.0)


def test_rotating_the_cluster_changes_nothing(table):
    cluster = bcc_cluster(2.8665, 5.6, sigma=0.06)
    numbers = torch.ones(len(cluster), dtype=torch.long)
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    one = scattering.chi_of_cluster(table, torch.from_numpy(cluster).float(), numbers)
    other = scattering.chi_of_cluster(table, torch.from_numpy(cluster @ turn).float(), numbers)
    for a, b in zip(one, other, strict=True):
        assert torch.allclose(a, b, atol=2e-4)


def test_gradient_is_that_of_finite_differences(table):
    cluster = torch.from_numpy(bcc_cluster(2.8665, 4.2, sigma=0.05)).float()
    numbers = torch.ones(len(cluster), dtype=torch.long)
    cluster.requires_grad_(True)

    def signal(positions):
        single, multiple = scattering.chi_of_cluster(table, positions, numbers)
        return ((single + multiple) * table.k**2)[40]

    signal(cluster).backward()
    step = torch.zeros_like(cluster)
    step[5, 1] = 2e-3
    with torch.no_grad():
        slope = (signal(cluster + step) - signal(cluster - step)) / 4e-3
    assert float(slope) == pytest.approx(float(cluster.grad[5, 1]), rel=0.03, abs=0.02)


def test_sampled_three_atom_paths_are_unbiased(iron):
    k = np.arange(3.0, 12.0, 0.1)
    cluster = np.vstack([np.zeros(3), bcc_cluster(2.8665, 5.0, sigma=0.05)])
    numbers = np.array([0, *[1] * (len(cluster) - 1)], dtype=np.intp)
    strength = strength_from_phases(*partial_waves(iron))
    rows = three_atom_paths(cluster, 5.8)
    rng = np.random.default_rng(2)
    with PathSummer(iron) as summer:
        whole = summer.chi([ScatteringPath(cluster[row], (1, 1, 1), 2.0) for row in rows], k)
        drawn = np.array(
            [summer.chi(sample_three_atom_paths(cluster, numbers, strength, 5.8, 40, rng), k) for _ in range(40)]
        )
    error = drawn.mean(axis=0) - whole
    allowed = drawn.std(axis=0) / np.sqrt(len(drawn))
    assert len(rows) > 100
    assert np.sqrt(((error / allowed) ** 2).mean()) < 1.6
