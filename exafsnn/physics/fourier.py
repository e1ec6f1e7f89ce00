"""Weights, windows and transforms between χ(k) and χ(R), as matrices of numpy or torch (``physics.arrays``).

All transforms here are linear in χ, so each is one matrix: ``learn.features`` multiplies whole batches by it, and
gradients pass through. Conventions are those of larch: χ(R) = (1/√π) ∫ k^w χ(k) W(k) exp(2ikR) dk.
"""

from __future__ import annotations

import math

from exafsnn.physics.arrays import Numbers, namespace


def hanning_window(k: Numbers, kmin: Numbers, kmax: Numbers, dk: float) -> Numbers:
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
    Numbers
        (batch, m), between 0 and 1.
    """
    xp = namespace(k)
    rise = ((k - kmin[:, None] + dk / 2) / dk).clip(0, 1)
    fall = ((kmax[:, None] + dk / 2 - k) / dk).clip(0, 1)
    return xp.sin(math.pi / 2 * rise) ** 2 * xp.sin(math.pi / 2 * fall) ** 2


def fade(x: Numbers, start: float, end: float) -> Numbers:
    """Half a cosine from 1 at ``start`` to 0 at ``end``; a step at ``end`` if they are the same."""
    xp = namespace(x)
    if end <= start:
        return xp.astype(x <= end, x.dtype)
    return 0.5 * (1 + xp.cos(math.pi * ((x - start) / (end - start)).clip(0, 1)))


def transform_matrix(k: Numbers, r: Numbers) -> Numbers:
    """(m, 2 len(r)) real matrix: k²χ(k)W(k) → real, then imaginary parts of χ(R) at ``r`` [Å]; ``k`` uniform."""
    xp, angle = namespace(k), 2 * k[:, None] * r[None]
    step = float(k[1] - k[0])
    return xp.concat([xp.cos(angle), xp.sin(angle)], axis=1) * (step / math.sqrt(math.pi))


def wavelet_matrix(k: Numbers, k_centres: Numbers, r: Numbers, width: float) -> Numbers:
    """(m, 2 · len(k_centres) · len(r)) real matrix of Morlet wavelets: localised both in k and in R.

    Each is exp(−(k − k′)²/2w²) exp(2ikR), w = ``width`` [Å⁻¹]; after Funke, Scheinost & Chukalina,
    Phys. Rev. B 71, 094110 (2005).
    """
    xp = namespace(k)
    envelope = xp.exp(-0.5 * ((k[:, None] - k_centres) / width) ** 2)  # [k, centre]
    angle = 2 * k[:, None] * r[None]  # [k, R]
    parts = [envelope[:, :, None] * wave(angle)[:, None, :] for wave in (xp.cos, xp.sin)]
    return xp.concat([part.reshape((len(k), -1)) for part in parts], axis=1) * float(k[1] - k[0])


def broaden(rows: Numbers, sigma2: Numbers, step: float) -> Numbers:
    """(n, b) rows on bins of ``step`` [Å], each convolved with a Gaussian of its own variance ``sigma2`` (n,) [Å²]."""
    xp, length = namespace(rows), rows.shape[1] + 64
    frequency = xp.astype(xp.fft.rfftfreq(length, d=step), rows.dtype)
    damping = xp.exp(-2 * (math.pi * frequency) ** 2 * sigma2[:, None])
    padded = xp.concat([rows, xp.zeros((rows.shape[0], 64), dtype=rows.dtype)], axis=1)
    return xp.fft.irfft(xp.fft.rfft(padded) * damping, n=length)[:, : rows.shape[1]]


def shift_energy(chi: Numbers, k: Numbers, k_from: Numbers, shift: Numbers, k2_per_ev: float) -> Numbers:
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
    Numbers
        (batch, m) χ(√(k² − shift · 2m/ħ²)), by cubic interpolation; the ends are held.
    """
    inside = (k**2 - shift[:, None] * k2_per_ev).clip(1e-6, None) ** 0.5
    step = float(k_from[1] - k_from[0])
    position = ((inside - k_from[0]) / step).clip(0, len(k_from) - 1.0)
    return interpolate_cubic(chi, position)


def interpolate_cubic(values: Numbers, position: Numbers) -> Numbers:
    """(batch, m) Catmull-Rom interpolation of the rows of ``values`` (batch, n) at fractional indices ``position``."""
    xp, (rows, n) = namespace(values), values.shape
    low = xp.astype(position, xp.int64).clip(0, n - 2)  # positions are not negative
    t = position - xp.astype(low, position.dtype)
    first = n * xp.arange(rows)[:, None]
    p = [values.take(first + (low + step).clip(0, n - 1)) for step in (-1, 0, 1, 2)]
    linear = p[2] - p[0]
    square = 2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]
    cube = 3 * (p[1] - p[2]) + p[3] - p[0]
    return p[1] + 0.5 * t * (linear + t * (square + t * cube))
