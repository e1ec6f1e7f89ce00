"""Shells of crystals are those of the textbook, and n(r) of them is what physics allows."""

from __future__ import annotations

import math

import pytest
import torch

from exafsnn.learn.features import FeatureMap
from exafsnn.learn.network import NetworkSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.learn.shells import Shapes, ShellDecoder, ShellNetwork
from exafsnn.shells import moments

IRON = 0.0849
"""Atoms for each Å³."""
BINS = torch.from_numpy(PairSettings().bins())


def decoder(*crystals: str) -> ShellDecoder:
    return ShellDecoder(BINS, IRON, crystals, 0.03)


def shapes(kinds: int = 1, sigma2: float = 1e-4, **changes: float) -> Shapes:
    """Of one crystal of the known density, cold."""
    values = {"curvature": 0.0, "sigma2": sigma2, "near": 1.0, "disorder": 0.0, "bend": 0.0} | changes
    shares, stretch = torch.zeros(1, kinds), torch.ones(1, kinds)
    shares[0, 0] = 1.0
    return Shapes(shares, stretch, **{name: torch.tensor([value]) for name, value in values.items()})


@pytest.mark.parametrize(
    ("kind", "numbers", "ratios"),
    [
        ("bcc", (8, 6, 12, 24), (1.0, math.sqrt(4 / 3), math.sqrt(8 / 3), math.sqrt(11 / 3))),
        ("fcc", (12, 6, 24, 12), (1.0, math.sqrt(2), math.sqrt(3), 2.0)),
        ("hcp", (12, 6, 2, 18), (1.0, math.sqrt(2), math.sqrt(8 / 3), math.sqrt(3))),
        ("diamond", (4, 12, 12, 6), (1.0, math.sqrt(8 / 3), math.sqrt(11 / 3), math.sqrt(16 / 3))),
    ],
)
def test_shells_are_those_of_the_crystal(kind, numbers, ratios):
    made = decoder(kind)
    assert made.number[:4].tolist() == list(numbers)
    assert (made.distance / made.distance[0])[:4].tolist() == pytest.approx(ratios, rel=1e-5)


@pytest.mark.parametrize(("kind", "a"), [("bcc", 2.8665), ("fcc", 3.6117), ("hcp", 2.5538)])
def test_lattice_constants_are_of_the_known_density(kind, a):
    first = {"bcc": math.sqrt(3) / 2, "fcc": 1 / math.sqrt(2), "hcp": 1.0}[kind] * a
    assert float(decoder(kind).distance[0]) == pytest.approx(first, rel=1e-3)


@pytest.mark.parametrize(("kind", "atoms"), [("bcc", 14), ("fcc", 12), ("hcp", 12)])
def test_atoms_are_counted(kind, atoms):
    made = decoder(kind)
    density = made.density(shapes()).double().numpy()
    n, r, *_ = moments(BINS.numpy(), density, 1.9, 3.3)[0]
    assert n == pytest.approx(atoms, rel=5e-3)
    near = made.distance < 3.3
    assert r == pytest.approx(float((made.distance * made.number)[near].sum() / made.number[near].sum()), abs=2e-3)


def test_shells_have_the_moments_of_the_formulae():
    made = decoder("fcc")
    density = made.density(shapes(sigma2=0.008, near=0.8, bend=1.0)).double().numpy()
    sigma2 = 0.8 * 0.008 + 0.03**2
    n, r, width, third = moments(BINS.numpy(), density, 1.9, 3.1)[0]
    assert n == pytest.approx(12, rel=5e-3)
    assert r == pytest.approx(float(made.distance[0]), abs=3e-3)
    assert width == pytest.approx(sigma2, rel=0.06)
    assert third == pytest.approx(3 * 3.45 / float(made.distance[0]) * sigma2**2, rel=0.25)


def test_all_atoms_fill_space():
    """In the ball of the bins there are as many as its volume holds, to the shells that its surface cuts."""
    for kind in ("bcc", "fcc", "hcp"):
        made = decoder(kind)
        assert float(made.filling(made.density(shapes(sigma2=0.02)))) == pytest.approx(1.0, abs=0.1)
    melt = decoder("bcc", "fcc", "hcp")
    assert float(melt.filling(melt.density(shapes(3, sigma2=0.03, disorder=0.05)))) == pytest.approx(1.0, abs=0.05)


def test_particles_lack_neighbours():
    made = decoder("bcc")
    density = made.density(shapes(curvature=0.1)).double().numpy()
    apart, number = made.distance[:2], made.number[:2]
    left = (number * (1 - 0.75 * apart / 10 + 0.0625 * (apart / 10) ** 3)).sum()
    assert moments(BINS.numpy(), density, 1.9, 3.3)[0, 0] == pytest.approx(float(left), rel=5e-3)


def test_whatever_is_said_is_an_rdf():
    made = decoder("bcc", "fcc", "hcp")
    density = made(20 * torch.randn(200, made.outputs, generator=torch.Generator().manual_seed(0)))
    assert bool((density >= 0).all())
    assert bool(density.isfinite().all())


def test_gradients_are_those_of_differences():
    made = ShellDecoder(BINS[:70:2], IRON, ("bcc", "fcc"), 0.03).double()
    raw = torch.randn(1, made.outputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(made, raw.requires_grad_(), eps=1e-6, atol=1e-3, rtol=1e-3)


def test_a_batch_is_its_rows():
    made = decoder("bcc", "fcc")
    raw = torch.randn(130, made.outputs, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(made(raw), torch.cat([made(row[None]) for row in raw]), atol=1e-3)


def test_gradients_reach_the_trunk(features):
    feature_map = FeatureMap(features)
    network = ShellNetwork(feature_map.width, decoder("bcc", "fcc", "hcp"), NetworkSettings(hidden=16))
    output = network(torch.randn(4, feature_map.width, generator=torch.Generator().manual_seed(3)))
    (output.density.square().sum() + output.e0.sum()).backward()
    assert float(network.trunk.first.weight.grad.abs().sum()) > 0
