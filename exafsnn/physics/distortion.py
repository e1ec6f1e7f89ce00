"""Smooth errors of theory: how the χ(k) of one treatment of scattering differs from that of another.

An amplitude and a phase that vary slowly with k. ``learn.dataset`` draws them at random for training;
``infer.theory`` finds those of the scans of one session from a standard.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_SIZES = (0.6, 1.0, 0.7, 0.4)
"""Of cosines of order 0 to 3 over k = 3–16 Å⁻¹."""
LOW_K_STD = 0.2
"""Standard deviation of amplitude and phase [rad] at k = 2.5 Å⁻¹, beyond what is smooth over the whole range."""
_LOW_K, _LOW_WIDTH = 2.5, 0.7
"""Where the error of low k is largest, and how fast it fades [Å⁻¹]: there the muffin-tin potential is worst."""


def smooth_curve(normal: Tensor, k: Tensor, lowest: int) -> Tensor:
    """(n, m) smooth functions of ``k`` (m,) [Å⁻¹], of unit variance where ``normal`` (n, 4 − lowest) is: cosines."""
    x = (k - 3.0) / 13.0
    order = torch.arange(lowest, 4)
    size = torch.tensor(_SIZES, dtype=k.dtype)[lowest:]
    variance = (size**2 * torch.where(order == 0, 1.0, 0.5)).sum()
    return (normal * size) @ torch.cos(math.pi * order[:, None] * x) / variance.sqrt()


def smooth_modes(k: Tensor, lowest: int) -> Tensor:
    """(4 − lowest + 1, m) the cosines of ``smooth_curve``, then a mode of low k that is 1 at k = 2.5 Å⁻¹."""
    cosines = smooth_curve(torch.eye(4 - lowest, dtype=k.dtype), k, lowest)
    return torch.cat([cosines, torch.exp(-(k - _LOW_K).clamp_min(0) / _LOW_WIDTH)[None]])


def quadrature(chi: Tensor) -> Tensor:
    """The Hilbert transform of the rows of χ(k) (n, m): sin for cos, −cos for sin."""
    n = chi.shape[1]
    spectrum = torch.fft.fft(torch.nn.functional.pad(chi, (0, n)))
    sign = torch.zeros(2 * n, dtype=chi.dtype)
    sign[1:n] = 2.0
    return torch.fft.ifft(spectrum * sign).imag[:, :n]


def distort(chi: Tensor, amplitude: Tensor, phase: Tensor) -> Tensor:
    """(n, m) χ(k), its amplitude multiplied and its phase advanced [rad]: that turns χ towards its quadrature."""
    return amplitude * (chi * torch.cos(phase) + quadrature(chi) * torch.sin(phase))
