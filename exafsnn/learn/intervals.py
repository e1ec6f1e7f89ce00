"""Error bars that cover: raw standard deviations → intervals, by what happened on held-out trajectories.

Split-conformal prediction with a scale that knows the circumstances (Lei et al., J. Am. Stat. Assoc. 113, 1094 (2018),
section 5.2): ln(scale) is linear in the logarithm of the raw standard deviation, and in the k range, the noise, the
disorder and the phase of the sample. Both ends of an interval are quantiles of their own, so that a skewed error has a
skewed interval. Spectra of one trajectory err together, so it is trajectories that are counted: the next one is one
more of them, and may be anything (hierarchical conformal prediction: Lee, Barber & Willett, arXiv:2306.06342).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from exafsnn.learn.atlas import PHASES
from exafsnn.partials import APART
from exafsnn.records import Array
from exafsnn.shells import is_shell

LEVELS = (0.10, 0.20, 0.30, 0.40, 0.50, 0.60, 0.68, 0.80, 0.90, 0.95)
QUANTITIES = ("coordination", "distance", "sigma2", "density")
KINDS_OF_ANSWERS = ("predicted blind", "predicted with reference", "refined blind", "refined with reference")
_CIRCUMSTANCES = 8
"""How many describe a spectrum (``circumstances``), of a model that knows phases of one material only."""
_RIDGE = 0.01
_LARGEST = 1e3
"""No weight and no quantile is larger."""


def circumstances(k_max: Array, noise: Array, sigma2: Array, likeness: Array) -> Array:
    """(n, q) 1, k range, noise and disorder of spectra, each of order one, the square of the last, and the phase.

    Parameters
    ----------
    k_max
        (n,) largest usable k [Å⁻¹].
    noise
        (n,) ε_k over the amplitude.
    sigma2
        (n,) σ² of the first range, smoothing included [Å²].
    likeness
        (n, p) shares of the phases that the answer is like (``Atlas.likeness``); that of fcc is left out, being 1 minus
        the others. So q is 8, and more where the model knows other phases beside those of its metal.
    """
    disorder = np.log(np.maximum(sigma2, 1e-3) / 0.045) / 0.3
    columns = [
        np.ones_like(k_max),
        (k_max - 12.0) / 2.0,
        np.log10(np.maximum(noise, 1e-5)) + 3.0,
        disorder,
        disorder**2,
        *np.delete(likeness, PHASES.index("fcc"), axis=1).T,
    ]
    return np.stack([np.clip(column, -4.0, 4.0) for column in columns], axis=-1)


def is_first(name: str) -> bool:
    """Whether a range is the first of its pair, or a metal's or its oxide's of it: its errors are calibrated."""
    return re.fullmatch(rf"first|({'|'.join(('first', *APART))}) [A-Z][a-z]?-[A-Z][a-z]?", name) is not None


def scale_of(quantity: str, name: str) -> str:
    """What the scale of a quantity of such a range is called: ``"distance"``, or ``"distance Ni-O"``.

    All shells of a pair have one: ``"distance shells"``, ``"distance shells Ni-O"``.
    """
    if is_shell(name):
        return " ".join([quantity, "shells", *name.split(" ")[1:]])
    return f"{quantity} {name.removeprefix('first ')}".removesuffix(" first")


def is_of_shells(scale: str) -> bool:
    """Whether a scale is that of all shells of a pair; a model that has none takes that of the first."""
    return re.fullmatch(rf"({'|'.join(QUANTITIES[:3])}) shells( [A-Z][a-z]?-[A-Z][a-z]?)?", scale) is not None


@dataclass(frozen=True)
class Scale:
    """How a raw standard deviation becomes an interval."""

    weights: tuple[float, ...]
    """Of ln(raw), then of ``circumstances``."""
    low: tuple[float, ...]
    """Lower end of the interval of each of ``LEVELS``, from the answer, in units of the scale …"""
    high: tuple[float, ...]
    """… and upper end."""

    def of(self, raw: Array, given: Array) -> Array:
        """(n,) scale from raw standard deviations (n,) and circumstances (n, q)."""
        logarithm = np.log(np.maximum(raw, 1e-12))
        result: Array = np.exp(self.weights[0] * logarithm + given @ np.array(self.weights[1:]))
        return result

    def interval(self, level: float, raw: Array, given: Array) -> tuple[Array, Array]:
        """(n,) lower and upper end of the interval of one of ``LEVELS``, from the answer."""
        number, scale = LEVELS.index(level), self.of(raw, given)
        return self.low[number] * scale, self.high[number] * scale

    def half_width(self, level: float, raw: Array, given: Array) -> Array:
        """(n,) half the width of that interval."""
        low, high = self.interval(level, raw, given)
        return (high - low) / 2

    def to_mapping(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def fit_scale(error: Array, raw: Array, given: Array, trajectories: Array) -> Scale:
    """The scale that makes errors likely, and the quantiles of the errors in its units.

    Parameters
    ----------
    error, raw
        (n,) errors (answer minus truth) on held-out spectra, and the raw standard deviations that came with them.
    given
        (n, q) ``circumstances``.
    trajectories
        (n,) of each spectrum.
    """
    from scipy.optimize import minimize  # a quarter of a second, and only training fits scales

    logarithm = np.log(np.maximum(raw, 1e-12))
    size = np.abs(error)
    design = np.concatenate([logarithm[:, None], given], axis=1)
    start = np.zeros(design.shape[1])
    start[0] = 1.0
    start[1] = math.log(max(size.mean(), 1e-12)) - logarithm.mean()

    def cost(weights: Array) -> float:
        scale = design @ weights
        return float((scale + size * np.exp(-scale)).mean() + _RIDGE * (np.delete(weights - start, 1) ** 2).sum())

    surer_is_nearer = [(0.0, None), *[(None, None)] * (design.shape[1] - 1)]  # else a sure answer would be a wild guess
    weights = minimize(cost, start, method="L-BFGS-B", bounds=surer_is_nearer).x
    relative = np.sort(-error / np.exp(design @ weights))  # the truth, as seen from the answer
    count = len(np.unique(trajectories))
    tails = [(1 + level) / 2 for level in LEVELS]
    low = tuple(-_quantile(-relative[::-1], tail, count) for tail in tails)
    high = tuple(_quantile(relative, tail, count) for tail in tails)
    return Scale(tuple(map(float, weights)), low, high)


def _quantile(ordered: Array, tail: float, trajectories: int) -> float:
    """A quantile of values in order, at the level that one more trajectory makes of it."""
    rank = math.ceil(len(ordered) * min(tail * (trajectories + 1) / trajectories, 1.0))
    return float(ordered[rank - 1])


def scales_from_mapping(table: dict[str, Any], others: int = 0) -> dict[str, Scale]:
    """Scales by quantity, from JSON, of a model that knows so many phases beside those of its metal.

    Raises
    ------
    ValueError
        If the intervals are not each within the next.
    """
    found = {}
    for name, item in table.items():
        low, high = (_numbers(item[end], len(LEVELS)) for end in ("low", "high"))
        if low[0] > high[0] or any(a < b for a, b in pairwise(low)) or any(a > b for a, b in pairwise(high)):
            raise ValueError(f"intervals lie each within the next, not {str(item)[:60]}")
        found[name] = Scale(_numbers(item["weights"], 1 + _CIRCUMSTANCES + others), low, high)
    return found


def _numbers(values: Sequence[Any], count: int) -> tuple[float, ...]:
    found = tuple(float(value) for value in values)
    if len(found) != count or not all(abs(value) < _LARGEST for value in found):
        raise ValueError(f"{count} numbers below {_LARGEST:.0f} are wanted, not {str(values)[:60]}")
    return found
