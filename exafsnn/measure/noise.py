"""χ(k) → how much of it is noise, and how far it can be used: of a scan as of a χ(k) file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.measure.limits import MIN_K_MAX
from exafsnn.records import Array, ChiK

NOISE_R = (15.0, 30.0)
"""Range of R [Å] where χ(R) holds nothing but noise."""

NOISE_KWEIGHT = 2

ENVELOPE = 0.75
"""Half width [Å⁻¹] of the stretch over which the strength of χ(k) is taken."""

LOST, LEAST_K = 0.5, 4.0
"""The signal is lost if it is so for that stretch [Å⁻¹], beyond that k."""

END_MARGIN = 0.1
"""What is given up at the end of a scan [Å⁻¹]."""


def noise_of(k: Array, chi: Array, r_range: tuple[float, float] = NOISE_R, kweight: int = NOISE_KWEIGHT) -> float:
    """ε_k: standard deviation of the noise of χ(k), from χ(R) beyond all neighbours.

    White noise ε of χ gives ⟨|Σ_k wₖχₖ exp(2ikR)|²⟩ = ε² Σ wₖ² at every R (Parseval; Newville, Boyanov & Sayers,
    J. Synchrotron Rad. 6, 264 (1999)), here with wₖ = kⁿ times a Hann window.

    Parameters
    ----------
    k, chi
        (m,) χ(k) on a uniform grid [Å⁻¹].
    r_range
        Where χ(R) is taken for noise [Å].
    kweight
        n.
    """
    weight = k**kweight * np.hanning(len(k))
    transform = np.fft.rfft(weight * chi, n=4096)
    r = np.pi * np.fft.rfftfreq(4096, d=k[1] - k[0])
    noise = transform[(r >= r_range[0]) & (r <= r_range[1])]
    return float(np.sqrt(np.mean(np.abs(noise) ** 2) / np.sum(weight**2)))


def usable_end(k: Array, chi: Array, noise: float) -> float:
    """Largest k [Å⁻¹] worth using: short of the end, and no further than the signal stands above the noise.

    The signal counts as lost where the mean square of χ over ± ``ENVELOPE`` first stays below 2ε² for ``LOST``: what
    rises above that later is the noise's own fluctuation. A beat of two distances is shorter.
    """
    step = float(k[1] - k[0])
    window = np.ones(2 * round(ENVELOPE / step) + 1)
    power = np.convolve(chi**2, window, mode="same") / np.convolve(np.ones_like(chi), window, mode="same")
    width = round(LOST / step)
    weak = (power <= 2 * noise**2) & (k > LEAST_K)
    lost = np.flatnonzero(np.convolve(weak, np.ones(width))[width - 1 :] > width - 0.5)
    end = float(k[lost[0]] if len(lost) else k[-1])
    return min(float(k[-1]) - END_MARGIN, end) if end > LEAST_K + step else 0.0


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
        reason = f"χ(k) ends at k = {chi.k[-1]:.1f} Å⁻¹; k = {MIN_K_MAX} Å⁻¹ is the least"
        raise ScanError(reason, where=where, remedy="Give χ(k) of a longer scan")
    noise = noise_of(chi.k, chi.chi)
    used = {**chi.settings, "noise_r": NOISE_R, "noise_kweight": NOISE_KWEIGHT}
    return replace(chi, noise=noise, k_max_usable=usable_end(chi.k, chi.chi, noise), settings=used)
