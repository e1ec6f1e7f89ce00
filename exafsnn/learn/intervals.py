"""Error bars that cover: raw standard deviations → intervals, by what happened on held-out trajectories.

Split-conformal prediction with a scale that knows the circumstances (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018),
section 5.2): ln(scale) is linear in the logarithm of the raw standard deviation, and in the k range, the noise and the
disorder of the sample. Half of the held-out states set it; the other half can test it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import minimize

from exafsnn.records import Array

LEVELS = (0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.68, 0.80, 0.90, 0.95)
QUANTITIES = ("coordination", "distance", "sigma2", "density")
KINDS_OF_ANSWERS = ("predicted blind", "predicted with reference", "refined blind", "refined with reference")
_RIDGE = 0.05
_LARGEST = 1e3
"""No weight and no quantile is larger."""


def circumstances(k_max: Array, noise: Array, sigma2: Array) -> Array:
    """(n, 5) 1, k range, noise and disorder of spectra, each of order one, and the square of the last.

    Parameters
    ----------
    k_max
        (n,) largest usable k [Å⁻¹].
    noise
        (n,) ε_k over the amplitude.
    sigma2
        (n,) σ² of the first range, smoothing included [Å²].
    """
    disorder = np.log(np.maximum(sigma2, 1e-3) / 0.045) / 0.3
    columns = [
        np.ones_like(k_max),
        (k_max - 12.0) / 2.0,
        np.log10(np.maximum(noise, 1e-5)) + 3.0,
        disorder,
        disorder**2,
    ]
    return np.stack([np.clip(column, -4.0, 4.0) for column in columns], axis=-1)


@dataclass(frozen=True)
class Scale:
    """How a raw standard deviation becomes an interval."""

    weights: tuple[float, ...]
    """Of ln(raw), then of ``circumstances``."""
    quantiles: tuple[float, ...]
    """Half-width of each of ``LEVELS`` in units of the scale."""

    def of(self, raw: Array, given: Array) -> Array:
        """(n,) scale from raw standard deviations (n,) and circumstances (n, 5)."""
        logarithm = np.log(np.maximum(raw, 1e-12))
        result: Array = np.exp(self.weights[0] * logarithm + given @ np.array(self.weights[1:]))
        return result

    def half_width(self, level: float, raw: Array, given: Array) -> Array:
        """(n,) half-width of the interval of one of ``LEVELS``."""
        return self.quantiles[LEVELS.index(level)] * self.of(raw, given)

    def to_mapping(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def fit_scale(error: Array, raw: Array, given: Array) -> Scale:
    """The scale that makes errors likely, and the quantiles of the errors in its units.

    Parameters
    ----------
    error, raw
        (n,) errors on held-out spectra, and the raw standard deviations that came with them.
    given
        (n, 5) ``circumstances``.
    """
    logarithm = np.log(np.maximum(raw, 1e-12))
    size = np.abs(error)
    design = np.concatenate([logarithm[:, None], given], axis=1)
    start = np.zeros(design.shape[1])
    start[0] = 1.0
    start[1] = math.log(max(size.mean(), 1e-12)) - logarithm.mean()

    def cost(weights: Array) -> float:
        scale = design @ weights
        return float((scale + size * np.exp(-scale)).mean() + _RIDGE * (np.delete(weights - start, 1) ** 2).sum())

    weights = minimize(cost, start, method="BFGS").x
    relative = np.sort(size / np.exp(design @ weights))
    return Scale(tuple(map(float, weights)), tuple(_quantile(relative, level) for level in LEVELS))


def _quantile(relative: Array, level: float) -> float:
    """The quantile of split-conformal prediction: the level is that of one more spectrum."""
    rank = math.ceil((len(relative) + 1) * level)
    return float(relative[min(rank, len(relative)) - 1])


def scales_from_mapping(table: dict[str, Any]) -> dict[str, Scale]:
    """Scales by quantity, from JSON."""
    return {
        name: Scale(_numbers(item["weights"], 6), _rising(_numbers(item["quantiles"], len(LEVELS))))
        for name, item in table.items()
    }


def _numbers(values: Sequence[Any], count: int) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != count or not all(abs(value) < _LARGEST for value in found):
        raise ValueError(f"{count} numbers below {_LARGEST:.0f} are wanted, not {str(values)[:60]}")
    return found


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if values[0] < 0 or any(low > high for low, high in pairwise(values)):
        raise ValueError(f"quantiles are positive and rise, not {str(values)[:60]}")
    return values
