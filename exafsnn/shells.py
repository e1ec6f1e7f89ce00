"""Densities n(r) → N, R, σ², C₃ of a range of r; ``records.PartialRDF.shell`` adds their spreads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


IN_SPHERE = (1.0, -0.75, 0.0, 0.0625)
"""Of the neighbours at distance d of atoms in a ball of radius R this share is in the ball, too: coefficients of powers
of d/R, up to the diameter; what two balls share whose centres are d apart. Greegor & Lytle, J. Catal. 63, 476 (1980);
Calvin et al., J. Appl. Phys. 94, 778 (2003)."""


def moments(r: Array, density: NDArray[np.floating], r_min: float, r_max: float) -> Array:
    """N, R, σ², C₃ of densities between two distances.

    N = ∫n dr, R = ∫rn dr/N, σ² = ∫(r−R)²n dr/N, C₃ = ∫(r−R)³n dr/N; bins that the limits cut count in part.

    Parameters
    ----------
    r
        (b,) uniform bin centres [Å].
    density
        (..., b) n(r) [Å⁻¹]; what is in half precision is summed in single precision.

    Returns
    -------
    Array
        (..., 4): N, R [Å], σ² [Å²], C₃ [Å³]; R, σ² and C₃ are NaN where N is 0.
    """
    step = float(r[1] - r[0])
    inside = np.clip(np.minimum(r + step / 2, r_max) - np.maximum(r - step / 2, r_min), 0.0, None)
    seen = np.flatnonzero(inside)
    bins = slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0)
    middle = 0.5 * (r_min + r_max)
    powers = inside[bins, None] * (r[bins, None] - middle) ** np.arange(4)  # one product makes all moments about it
    own = np.asarray(density)[..., bins]
    own = own.astype(np.result_type(own, np.float32), copy=False)
    count, *others = np.moveaxis((own @ powers.astype(own.dtype)).astype(np.float64), -1, 0)
    first, second, third = others / np.where(count > 0, count, np.nan)
    return np.stack([count, middle + first, second - first**2, third - 3 * first * second + 2 * first**3], axis=-1)
