"""Smooth errors of theory: a phase turns a sine into its cosine, and curves have the size that is asked for."""

from __future__ import annotations

import math

import torch

from exafsnn.physics.distortion import distort, quadrature, smooth_curve, smooth_modes

K = torch.arange(2.0, 16.51, 0.05, dtype=torch.float64)
INSIDE = (K > 4) & (K < 14)


def wave(phase):
    """A damped wave of iron's first shell."""
    return (torch.sin(2 * 2.5 * K + phase) * torch.exp(-(((K - 8) / 4) ** 2)))[None]


def test_the_quadrature_of_a_sine_is_minus_its_cosine():
    expected = -wave(math.pi / 2)
    assert (quadrature(wave(0.0)) - expected)[:, INSIDE].abs().max() < 0.02


def test_a_phase_turns_every_wave():
    for phase in (0.3, -1.0):
        turned = distort(wave(0.0), torch.ones(1, len(K)), torch.full((1, len(K)), -phase, dtype=K.dtype))
        assert (turned - wave(phase))[:, INSIDE].abs().max() < 0.02


def test_curves_are_of_unit_variance():
    random = torch.Generator().manual_seed(1)
    curves = smooth_curve(torch.randn(4000, 4, generator=random, dtype=K.dtype), K, lowest=0)
    assert abs(float(curves.square().mean()) - 1) < 0.1


def test_the_modes_make_the_curves_and_one_more_is_of_low_k():
    normal = torch.tensor([[0.3, -1.0, 0.5]], dtype=K.dtype)
    modes = smooth_modes(K, lowest=1)
    assert torch.allclose(normal @ modes[:-1], smooth_curve(normal, K, lowest=1))
    assert modes[-1, K <= 2.5].min() == 1
    assert modes[-1, K > 7].max() < 0.01
