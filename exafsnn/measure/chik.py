"""What χ(k) from a scan and χ(k) from a file have in common: the k grid, the noise, the usable range."""

from __future__ import annotations

import math

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.measure.edges import Edge
from exafsnn.measure.quality import MIN_K_MAX
from exafsnn.measure.table import Table
from exafsnn.records import Array, ChiK, Finding

NOISE_R = (15.0, 30.0)
"""Range of R [Å] where χ(R) holds nothing but noise."""

NOISE_KWEIGHT = 2

ENVELOPE = 0.75
"""Half width [Å⁻¹] of the stretch over which the strength of χ(k) is taken."""

LOST, LEAST_K = 0.5, 4.0
"""The signal is lost if it is so for that stretch [Å⁻¹], beyond that k."""

END_MARGIN = 0.1
"""What is given up at the end of a scan [Å⁻¹]."""

MAX_CHI_K = 40.0
"""Largest k [Å⁻¹] that a χ(k) file may hold."""


def regrid(k: Array, chi: Array, kstep: float) -> tuple[Array, Array]:
    """χ(k) on the uniform grid 0, kstep, 2 kstep …, cubic between the points, 0 below the first.

    Parameters
    ----------
    k
        (n,) increasing wavenumbers [Å⁻¹].
    chi
        (n,) χ(k).
    kstep
        Spacing of the new grid [Å⁻¹].
    """
    from scipy.interpolate import CubicSpline

    grid = kstep * np.arange(int(k[-1] / kstep + 1e-6) + 1)
    inside = grid >= k[0] - 1e-6
    values: Array = np.where(inside, CubicSpline(k, chi)(np.clip(grid, k[0], k[-1])), 0.0)
    return np.asarray(grid, dtype=np.float64), values


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


def chi_from_table(
    table: Table, k: Array, chi: Array, edge: Edge, temperature: float | None, e0: float | None, kstep: float = 0.05
) -> ChiK:
    """χ(k) of a file, on the uniform grid.

    Parameters
    ----------
    table
        What was read, for its header.
    k, chi
        (n,) χ(k) as read, k increasing [Å⁻¹].
    edge
        Absorber and edge.
    temperature
        Of the sample [K], if known.
    e0
        E₀ [eV] as the user says; None: what the header tells.
    kstep
        Spacing of the new grid [Å⁻¹].

    Raises
    ------
    ScanError
        If k is no wavenumber in Å⁻¹, or does not reach far enough.
    """
    if k[0] < 0 or k[-1] > MAX_CHI_K or len(k) < 10:
        raise ScanError(
            f"k runs from {k[0]:g} to {k[-1]:g} in {len(k)} points",
            where=table.where,
            remedy=f"Give χ(k) with k in Å⁻¹, from 0 to at most {MAX_CHI_K:g}",
        )
    if k[-1] < MIN_K_MAX:
        reason = f"χ(k) ends at k = {k[-1]:.1f} Å⁻¹; k = {MIN_K_MAX} Å⁻¹ is the least"
        raise ScanError(reason, where=table.where, remedy="Give χ(k) of a longer scan")
    grid, values = regrid(k, chi, kstep)
    noise = noise_of(grid, values)
    note = Finding("chi-file", "note", "χ(k) was read from the file; its background removal is not ours")
    return ChiK(
        grid,
        values,
        edge.absorber,
        edge.name,
        noise=noise,
        e0=e0 if e0 is not None else _number(table.field("athena.e0", "bkg_e0")),
        edge_step=_number(table.field("athena.edge_step", "bkg_step")),
        k_max_usable=usable_end(grid, values, noise),
        source=table.source,
        record=table.record,
        temperature=temperature,
        settings={"kstep": kstep, "noise_r": NOISE_R, "noise_kweight": NOISE_KWEIGHT},
        history=(f"χ(k) read from {table.where}", f"interpolated onto steps of {kstep:g} Å⁻¹"),
        findings=(*table.findings, note),
    )


def _number(text: str | None) -> float:
    """Read the number that a header field begins with; NaN if there is none."""
    try:
        return float((text or "").split()[0])
    except (IndexError, ValueError):
        return math.nan
