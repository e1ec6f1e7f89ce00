"""Transforms: a shell peaks at its distance, energy shifts undo each other, windows keep their range."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.physics.fourier import (
    fade,
    hanning_window,
    interpolate_cubic,
    shift_energy,
    transform_matrix,
    wavelet_matrix,
)

K = torch.arange(2.0, 16.0, 0.05)


def test_an_oscillation_peaks_at_its_distance():
    r = torch.arange(0.5, 6.0, 0.01)
    window = hanning_window(K, torch.tensor([3.0]), torch.tensor([14.0]), 1.0)
    parts = (torch.sin(2 * K * 2.5) * window) @ transform_matrix(K, r)
    size = torch.hypot(parts[0, : len(r)], parts[0, len(r) :])
    assert float(r[size.argmax()]) == pytest.approx(2.5, abs=0.01)


def test_a_fade_is_half_a_cosine_and_a_step_without_width():
    x = torch.tensor([1.0, 2.0, 2.5, 3.0, 4.0])
    assert torch.allclose(fade(x, 2.0, 3.0), torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]), atol=1e-6)
    assert fade(x, 3.0, 3.0).tolist() == [1, 1, 1, 1, 0]


def test_window_is_zero_outside_and_one_inside():
    window = hanning_window(K, torch.tensor([4.0]), torch.tensor([12.0]), 1.0)[0]
    assert float(window[(K < 3.49) | (K > 12.51)].abs().max()) < 1e-6
    assert float(window[(K > 4.51) & (K < 11.49)].min()) > 1 - 1e-6


def test_energy_shift_and_back():
    chi = (torch.sin(2 * K * 2.5) / K)[None]
    there = shift_energy(chi, K, K, torch.tensor([4.0]), K2_PER_EV)
    back = shift_energy(there, K, K, torch.tensor([-4.0]), K2_PER_EV)
    inside = (K > 3.5) & (K < 15.5)
    assert float((back - chi)[0, inside].abs().max()) < 2e-3


def test_energy_shift_moves_k_as_the_definition_says():
    chi = torch.sin(2 * K * 2.5)[None]
    moved = shift_energy(chi, K, K, torch.tensor([5.0]), K2_PER_EV)[0]
    expected = torch.sin(2 * torch.sqrt(K**2 - 5.0 * K2_PER_EV) * 2.5)
    inside = K > 3.0
    assert float((moved - expected)[inside].abs().max()) < 5e-3


def test_cubic_interpolation_is_exact_for_parabolas():
    x = torch.arange(0.0, 10.0)
    where = torch.tensor([[1.25, 4.5, 7.75]])
    assert torch.allclose(interpolate_cubic((x**2)[None], where), where**2, atol=1e-4)


def test_wavelets_tell_where_in_k_a_shell_is():
    early = torch.sin(2 * K * 2.5) * torch.exp(-((K - 5.0) ** 2))
    centres, r = torch.tensor([5.0, 12.0]), torch.tensor([2.5])
    cos, sin = (early @ wavelet_matrix(K, centres, r, 0.9)).reshape(2, 2)
    size = torch.hypot(cos, sin)
    assert float(size[0]) > 100 * float(size[1])


def test_k_and_energy_agree_with_the_textbook():
    assert pytest.approx(0.26246842, rel=1e-7) == K2_PER_EV
    assert np.sqrt(K2_PER_EV * 1000) == pytest.approx(16.2, abs=0.01)
