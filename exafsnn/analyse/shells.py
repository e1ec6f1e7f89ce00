"""RDF → N, R, σ², C₃ of a range of r, each with its spread.

The spread is that of the same integrals over the RDF's samples, so that all correlations between bins count.
"""

from __future__ import annotations

import numpy as np

from exafsnn.records import Array, PartialRDF, Shell

_Z95 = 1.959964


def moments(r: Array, density: Array, r_min: float, r_max: float) -> Array:
    """N, R, σ², C₃ of densities between two distances.

    N = ∫n dr, R = ∫rn dr/N, σ² = ∫(r−R)²n dr/N, C₃ = ∫(r−R)³n dr/N; bins that the limits cut count in part.

    Parameters
    ----------
    r
        (b,) uniform bin centres [Å].
    density
        (..., b) n(r) [Å⁻¹].

    Returns
    -------
    Array
        (..., 4): N, R [Å], σ² [Å²], C₃ [Å³]; R, σ² and C₃ are NaN where N is 0.
    """
    step = float(r[1] - r[0])
    inside = np.clip(np.minimum(r + step / 2, r_max) - np.maximum(r - step / 2, r_min), 0.0, None)
    weight = density * inside
    count = weight.sum(axis=-1)
    safe = np.where(count > 0, count, np.nan)
    mean = (weight * r).sum(axis=-1) / safe
    offset = r - mean[..., None]
    second = weight * offset * offset
    return np.stack([count, mean, second.sum(axis=-1) / safe, (second * offset).sum(axis=-1) / safe], axis=-1)


def shell_of(rdf: PartialRDF, pair: str, r_min: float, r_max: float) -> Shell:
    """Integrals of one pair's RDF between ``r_min`` and ``r_max`` [Å], the variance of the smoothing subtracted.

    Raises
    ------
    ValueError
        If there is no such pair, or the range is empty or outside the RDF.
    """
    if pair not in rdf.pairs:
        raise ValueError(f"no pair {pair!r} in this RDF; it has {', '.join(rdf.pairs)}")
    step = float(rdf.r[1] - rdf.r[0])
    low, high = float(rdf.r[0]) - step, float(rdf.r[-1]) + step
    if not low <= r_min < r_max <= high:
        raise ValueError(f"range {r_min}–{r_max} Å is not within {low:.2f}–{high:.2f} Å")
    row = rdf.pairs.index(pair)
    n, r, sigma2, c3 = moments(rdf.r, rdf.density[row], r_min, r_max) - np.array([0, 0, rdf.smoothing**2, 0])
    samples = rdf.samples[:, row] if rdf.samples is not None else rdf.density[None, row]
    drawn = moments(rdf.r, samples, r_min, r_max)
    std = np.nanstd(drawn, axis=0)
    return Shell(
        pair=pair,
        r_min=r_min,
        r_max=r_max,
        coordination=float(n),
        coordination_std=float(std[0]),
        coordination_low=float(max(n - _Z95 * std[0], 0.0)),
        coordination_high=float(n + _Z95 * std[0]),
        distance=float(r),
        distance_std=float(std[1]),
        distance_low=float(r - _Z95 * std[1]),
        distance_high=float(r + _Z95 * std[1]),
        sigma2=float(sigma2),
        sigma2_std=float(std[2]),
        sigma2_low=float(sigma2 - _Z95 * std[2]),
        sigma2_high=float(sigma2 + _Z95 * std[2]),
        c3=float(c3),
        c3_std=float(std[3]),
    )
