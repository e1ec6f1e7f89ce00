"""Densities n(r) → N, R, σ², C₃ of a range of r; ``records.PartialRDF.shell`` adds their spreads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


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
