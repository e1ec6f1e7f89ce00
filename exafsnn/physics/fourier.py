"""Weights, windows and transforms between χ(k) and χ(R), as torch matrices.

All transforms here are linear in χ, so each is one matrix: ``learn.features`` multiplies whole batches by it, and
gradients pass through. Conventions are those of larch: χ(R) = (1/√π) ∫ k^w χ(k) W(k) exp(2ikR) dk.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def hanning_window(k: Tensor, kmin: Tensor, kmax: Tensor, dk: float) -> Tensor:
    """Window that rises as sin² over ``dk`` centred on ``kmin`` and falls likewise at ``kmax``.

    Parameters
    ----------
    k
        (m,) wavenumbers [Å⁻¹].
    kmin, kmax
        (batch,) edges [Å⁻¹].
    dk
        Width of the slopes [Å⁻¹].

    Returns
    -------
    Tensor
        (batch, m), between 0 and 1.
    """
    rise = ((k - kmin[:, None] + dk / 2) / dk).clamp(0, 1)
    fall = ((kmax[:, None] + dk / 2 - k) / dk).clamp(0, 1)
    return torch.sin(math.pi / 2 * rise) ** 2 * torch.sin(math.pi / 2 * fall) ** 2


def fade(x: Tensor, start: float, end: float) -> Tensor:
    """Half a cosine from 1 at ``start`` to 0 at ``end``; a step at ``end`` if they are the same."""
    if end <= start:
        return (x <= end).to(x.dtype)
    return 0.5 * (1 + torch.cos(math.pi * ((x - start) / (end - start)).clamp(0, 1)))


def transform_matrix(k: Tensor, r: Tensor) -> Tensor:
    """(m, 2 len(r)) real matrix: k²χ(k)W(k) → real, then imaginary parts of χ(R) at ``r`` [Å]; ``k`` uniform."""
    angle = 2 * k[:, None] * r[None]
    step = float(k[1] - k[0])
    return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1) * (step / math.sqrt(math.pi))


def wavelet_matrix(k: Tensor, k_centres: Tensor, r: Tensor, width: float) -> Tensor:
    """(m, 2 · len(k_centres) · len(r)) real matrix of Morlet wavelets: localised both in k and in R.

    Each is exp(−(k − k′)²/2w²) exp(2ikR), w = ``width`` [Å⁻¹]; after Funke, Scheinost & Chukalina,
    Phys. Rev. B 71, 094110 (2005).
    """
    envelope = torch.exp(-0.5 * ((k[:, None] - k_centres) / width) ** 2)  # [k, centre]
    angle = 2 * k[:, None] * r[None]  # [k, R]
    parts = [envelope[:, :, None] * wave(angle)[:, None, :] for wave in (torch.cos, torch.sin)]
    return torch.cat([part.flatten(1) for part in parts], dim=1) * float(k[1] - k[0])


def broaden(rows: Tensor, sigma2: Tensor, step: float) -> Tensor:
    """(n, b) rows on bins of ``step`` [Å], each convolved with a Gaussian of its own variance ``sigma2`` (n,) [Å²]."""
    frequency = torch.fft.rfftfreq(rows.shape[1] + 64, step)
    damping = torch.exp(-2 * (math.pi * frequency) ** 2 * sigma2[:, None])
    padded = torch.nn.functional.pad(rows, (0, 64))
    return torch.fft.irfft(torch.fft.rfft(padded) * damping, n=padded.shape[1])[:, : rows.shape[1]]


def shift_energy(chi: Tensor, k: Tensor, k_from: Tensor, shift: Tensor, k2_per_ev: float) -> Tensor:
    """χ on the axis of another energy zero.

    Parameters
    ----------
    chi
        (batch, n) χ on the uniform axis ``k_from``.
    k
        (m,) wanted wavenumbers [Å⁻¹].
    k_from
        (n,) wavenumbers [Å⁻¹] of ``chi``.
    shift
        (batch,) energy zero of ``chi`` minus the energy zero of ``k`` [eV].

    Returns
    -------
    Tensor
        (batch, m) χ(√(k² − shift · 2m/ħ²)), by cubic interpolation; the ends are held.
    """
    inside = (k**2 - shift[:, None] * k2_per_ev).clamp_min(1e-6).sqrt()
    step = float(k_from[1] - k_from[0])
    position = ((inside - k_from[0]) / step).clamp(0, len(k_from) - 1.0)
    return interpolate_cubic(chi, position)


def interpolate_cubic(values: Tensor, position: Tensor) -> Tensor:
    """(batch, m) Catmull-Rom interpolation of the rows of ``values`` (batch, n) at fractional indices ``position``."""
    last = values.shape[1] - 1
    low = position.floor().long().clamp(0, last - 1)
    t = position - low
    p = [values.gather(1, (low + step).clamp(0, last)) for step in (-1, 0, 1, 2)]
    linear = p[2] - p[0]
    square = 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]
    cube = 3 * (p[1] - p[2]) + p[3] - p[0]
    return p[1] + 0.5 * t * (linear + t * (square + t * cube))
