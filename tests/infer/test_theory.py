"""The forward model with its errors: its derivatives are those of finite differences, and it is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.theory import Theory
from exafsnn.physics.fourier import shift_energy


@pytest.fixture(scope="module")
def theory(model):
    return Theory(model.forward, model.pairs)


@pytest.fixture(scope="module")
def point(model, theory):
    """Two RDFs that are known, and sessions with every error switched on."""
    density = model.atlas.density.double()[[3, 200]]
    shared = theory.session(np.zeros(2), 1.0, np.full(2, 0.8), 0.1).mean
    random = torch.Generator().manual_seed(0)
    shared[:, 2:] = 0.05 * torch.randn(2, shared.shape[1] - 2, generator=random, dtype=torch.float64)
    return density, shared


def test_a_session_without_errors_is_the_forward_model(model, theory, point):
    density, _ = point
    shared = theory.session(np.zeros(2), 1.0, np.full(2, 0.8), 0.1).mean
    expected = 0.8 * theory.forward(density) * theory.k**2
    assert torch.allclose(theory.spectrum(density, shared), expected, atol=1e-10)


def test_the_linear_value_is_the_spectrum(theory, point):
    assert torch.allclose(theory.linear(*point).value, theory.spectrum(*point), atol=1e-10)


def test_some_points_are_those_of_all(theory, point):
    whole, part = theory.linear(*point), theory.linear(*point, slice(30, 90))
    for name in ("value", "by_density", "by_shared"):
        assert torch.allclose(getattr(part, name), getattr(whole, name)[:, 30:90], atol=1e-6)


def test_single_scattering_and_all_else_are_the_whole(theory, point):
    density, shared = point
    multiple = theory.multiple(density, shared)
    whole = theory.single(density, shared) + (1 + shared[:, -1:]) * multiple[..., 0]
    assert torch.allclose(whole, theory.linear(density, shared).value, atol=1e-5)
    part = slice(30, 90)
    assert torch.equal(theory.single(density, shared, part), theory.single(density, shared)[:, part])
    half = theory.single(density - 0.5 * density[[1, 0]], shared)
    assert torch.allclose(half, theory.single(density, shared) - 0.5 * theory.single(density[[1, 0]], shared))


def test_all_else_turned_by_a_quarter_is_its_quadrature(theory, point):
    """As a phase of the theory turns it, but at the ends of the range."""
    density, shared = point
    turned = shared.clone()
    turned[:, 2:] = 0
    plain = theory.multiple(density, turned)
    turned[:, 2 + len(theory.amplitude_modes)] = 0.1 / float(theory.phase_modes[0].mean())
    ahead = theory.multiple(density, turned)[..., 0]
    expected = plain[..., 0] * np.cos(0.1) + plain[..., 1] * np.sin(0.1)
    assert torch.allclose(ahead, expected, atol=1e-6)


@pytest.mark.parametrize("bin_", [30, 45, 100])
def test_derivatives_with_respect_to_the_rdf(theory, point, bin_):
    density, shared = point
    step = torch.zeros_like(density)
    step[:, bin_] = 1e-4
    numeric = (theory.spectrum(density + step, shared) - theory.spectrum(density - step, shared)) / 2e-4
    ours = theory.linear(density, shared).by_density[:, :, bin_]
    assert (ours - numeric).abs().max() < 1e-5 * numeric.abs().max()


def test_derivatives_with_respect_to_the_session(theory, point):
    density, shared = point
    gradient = theory.linear(density, shared).by_shared
    for column in range(1, shared.shape[1]):
        step = torch.zeros_like(shared)
        step[:, column] = 1e-5
        numeric = (theory.spectrum(density, shared + step) - theory.spectrum(density, shared - step)) / 2e-5
        assert (gradient[:, :, column] - numeric).abs().max() < 1e-5 * numeric.abs().max()


def test_the_energy_zero_moves_the_measured_axis(theory, point):
    """A scan whose zero is 1 eV further is found at 1 eV: the residual's derivative leads there."""
    density, shared = point
    linear = theory.linear(density, shared)
    chi = linear.value / theory.k**2
    one = torch.ones(2, dtype=chi.dtype)
    measured_at_zero = shift_energy(chi, theory.k, theory.k, one, K2_PER_EV) * theory.k**2
    left = measured_at_zero - linear.value
    by_zero = linear.by_shared[:, :, 0]
    found = (left * by_zero).sum(dim=1) / by_zero.square().sum(dim=1)
    assert found.tolist() == pytest.approx([1.0, 1.0], abs=0.1)


def test_another_scan_of_the_session_is_less_certain(theory):
    session = theory.session(np.array([1.0]), 0.2, np.array([0.8]), 0.01)
    looser = session.loosened(0.3, 0.02)
    spread = looser.covariance[0].diag().sqrt()
    assert float(spread[0]) == pytest.approx(math.hypot(0.2, 0.3))
    assert float(spread[1]) == pytest.approx(math.hypot(0.01, 0.02))
    assert torch.equal(spread[2:], session.covariance[0].diag().sqrt()[2:])
