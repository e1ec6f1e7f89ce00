"""χ(k) → how much of it is noise, and how far it can be used: of a scan as of a χ(k) file."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.linear import KEPT
from exafsnn.measure.limits import LOUD_K, MIN_K_MAX
from exafsnn.records import Array, ChiK
from exafsnn.words import short_of

NOISE_R = (15.0, 30.0)
"""Range of R [Å] where χ(R) holds nothing but noise."""

NOISE_KWEIGHT = 2

_ENVELOPE = 0.75
"""Half width [Å⁻¹] of the stretch over which the strength of χ(k) is taken."""

_LOST, _LEAST_K = 0.5, 4.0
"""The signal is lost if it is so for that stretch [Å⁻¹], beyond that k."""

_NOISY = 0.1
"""Noise above this share of the root mean square of χ(k) over ``limits.LOUD_K`` is told."""

_END_MARGIN = 0.1
"""What is given up at the end of a scan [Å⁻¹]."""


def noise_of(k: Array, chi: Array) -> Array:
    """(s,) ε_k: standard deviation of the noise of χ(k) (s, m), from χ(R) beyond all neighbours.

    White noise ε of χ gives ⟨|Σ_k wₖχₖ exp(2ikR)|²⟩ = ε² Σ wₖ² at every R (Parseval; Newville, Boyanov & Sayers,
    J. Synchrotron Rad. 6, 264 (1999)), here with wₖ = kⁿ times a Hann window.

    Parameters
    ----------
    k, chi
        (m,) uniform wavenumbers [Å⁻¹], and (s, m) χ(k).
    """
    noise: Array = np.linalg.norm(chi @ _noise_form(len(k), float(k[1] - k[0])), axis=1)
    return noise


@lru_cache(maxsize=KEPT)
def _noise_form(m: int, kstep: float) -> Array:
    """(m, r) matrix after which the norm of χ(k) is ε_k; r is the rank of what is far enough in R."""
    weight = (kstep * np.arange(m)) ** NOISE_KWEIGHT * np.hanning(m)
    r = np.pi * np.fft.rfftfreq(4096, d=kstep)
    phase = 2 * np.pi * np.outer(np.flatnonzero((r >= NOISE_R[0]) & (r <= NOISE_R[1])), np.arange(m)) / 4096
    waves = np.concatenate([np.cos(phase), np.sin(phase)]) * weight
    triangle = np.linalg.qr(waves, mode="r") / np.sqrt(len(phase) * np.sum(weight**2))
    return np.ascontiguousarray(triangle.T)


def usable_ends(k: Array, chi: Array, noise: Array) -> Array:
    """(s,) largest k [Å⁻¹] worth using: short of the end, and no further than the signal stands above the noise.

    The signal counts as lost where the mean square of χ over ± ``_ENVELOPE`` first stays below 2ε² for ``_LOST``: what
    rises above that later is the noise's own fluctuation. A beat of two distances is shorter.

    Parameters
    ----------
    k, chi, noise
        (m,) uniform wavenumbers [Å⁻¹], (s, m) χ(k) and (s,) ε_k.
    """
    step = float(k[1] - k[0])
    half, width = round(_ENVELOPE / step), round(_LOST / step)
    summed = np.concatenate([np.zeros((len(chi), 1)), np.cumsum(chi**2, axis=1)], axis=1)
    first, last = np.maximum(np.arange(len(k)) - half, 0), np.minimum(np.arange(len(k)) + half + 1, len(k))
    power = (summed[:, last] - summed[:, first]) / (last - first)
    weak = (power <= 2 * noise[:, None] ** 2) & (k > _LEAST_K)
    count = np.cumsum(np.pad(weak, ((0, 0), (1, 0))), axis=1)
    lost = count[:, width:] - count[:, :-width] == width
    end = np.where(lost.any(axis=1), k[np.argmax(lost, axis=1)], k[-1])
    return np.where(end > _LEAST_K + step, np.minimum(k[-1] - _END_MARGIN, end), 0.0)


def noisy(k: Array, chi: Array, noise: Array) -> list[tuple[Finding, ...]]:
    """(s,) what is told of noise (s,) that is no longer small against the oscillations of χ(k) (s, m)."""
    loud = (k > LOUD_K[0]) & (k < LOUD_K[1])
    signal = np.sqrt(np.mean(chi[:, loud] ** 2, axis=1))
    told: list[tuple[Finding, ...]] = [()] * len(chi)
    for row in np.flatnonzero(noise >= _NOISY * signal).tolist():
        share = noise[row] / signal[row] if signal[row] else np.inf
        where = f"k = {LOUD_K[0]:g} to {LOUD_K[1]:g} Å⁻¹"
        message = f"the noise is {share:.0%} of the oscillations at {where} (ε_k {noise[row]:.1e})"
        told[row] = (Finding("noisy", "warning", message, remedy="Count longer, or merge repeated scans"),)
    return told


def judged(chi: ChiK) -> ChiK:
    """χ(k) of a file with its noise and its usable range; one that knows them already stays as it is.

    Raises
    ------
    ScanError
        If it does not reach far enough.
    """
    if np.isfinite(chi.noise):
        return chi
    if chi.k[-1] < MIN_K_MAX:
        where = f"{chi.source}::{chi.record}" if chi.record else chi.source
        reason = f"χ(k) ends at k = {short_of(float(chi.k[-1]), MIN_K_MAX, 1)} Å⁻¹; k = {MIN_K_MAX} Å⁻¹ is the least"
        raise ScanError(reason, where=where, remedy="Give χ(k) of a longer scan")
    noise = noise_of(chi.k, chi.chi[None])
    used = {**chi.settings, "noise_r": NOISE_R, "noise_kweight": NOISE_KWEIGHT}
    end = usable_ends(chi.k, chi.chi[None], noise)
    return replace(chi, noise=float(noise[0]), k_max_usable=float(end[0]), settings=used)
