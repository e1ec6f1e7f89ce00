"""Densities n(r) → N, R, σ², C₃ of a range of r, and their errors: ``records.PartialRDF.shell`` has both."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Z95 = NormalDist().inv_cdf(0.975)
_QUANTITIES = ("coordination", "distance", "sigma2")


IN_SPHERE = (1.0, -0.75, 0.0, 0.0625)
"""Of the neighbours at distance d of atoms in a ball of radius R this share is in the ball, too: coefficients of powers
of d/R, up to the diameter; what two balls share whose centres are d apart. Greegor & Lytle, J. Catal. 63, 476 (1980);
Calvin et al., J. Appl. Phys. 94, 778 (2003)."""


MOST_SHELLS = 6
"""Of those that the RDF of a pair shows so many are told."""


def is_shell(name: str) -> bool:
    """Whether a range is one of the shells that n(r) shows: ``"shell1"``, or ``"shell1 Ni-O"``."""
    return re.fullmatch(r"shell\d+( \S+)?", name) is not None


Distance = float | Array
"""A distance [Å], or one for each row of what it limits."""
_SMOOTHED, _STANDS_OUT = 0.05, 0.03
"""Shells are maxima of n(r)/r², smoothed by so much [Å], that stand out by this share of the largest."""
_RISES = 1e-3
"""The first begins where that reaches so much of its maximum."""
_ENDED = 1e-3
"""A last shell ends where n(r)/r² is as low, within so much of the largest, before its last bin."""
_FLAT = 0.01
"""A minimum is the middle of what is lower than so much of it above the lowest bin: it moves no more than n(r) does."""


def limits_of_shells(r: Array, density: Array, least: float = 0.0) -> list[tuple[float, float]]:
    """Where the shells of an RDF (b,) begin and end [Å]: at the minima of n(r)/r², between its maxima.

    The last is one only if n(r) falls behind it. None where there are no atoms, nor where maxima stand out by less
    than ``least`` [Å⁻³].
    """
    level = _smoothed(density / r**2, _SMOOTHED / (r[1] - r[0]))
    if not level.any():
        return []
    peaks = _maxima(level, max(_STANDS_OUT * level.max(), least))
    if not peaks:
        return []
    rises, foot = np.flatnonzero(level[: peaks[0]] < _RISES * level[peaks[0]]), float(r[0] - 0.5 * (r[1] - r[0]))
    if rises.size:
        first = slice(int(rises[-1]), int(rises[-1]) + 2)
        foot = float(np.interp(_RISES * level[peaks[0]], level[first], r[first]))
    cuts = [foot]
    for low, high in zip(peaks, [*peaks[1:], len(r) - 1], strict=True):
        between = level[low : high + 1]
        depth = np.clip(between.min() + _FLAT * level.max() - between, 0.0, None)
        if between[:-1].min() <= between[-1] + _ENDED * level.max() or high < len(r) - 1:
            cuts.append(float(depth @ r[low : high + 1] / depth.sum()))
    return list(pairwise(cuts))


def _smoothed(values: Array, width: float) -> Array:
    """(b,) values beside a Gaussian of so many bins; beyond its ends they are mirrored."""
    reach = math.ceil(4 * width)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return np.convolve(np.pad(values, reach, mode="symmetric"), weights / weights.sum(), mode="valid")


def _maxima(level: Array, least: float) -> list[int]:
    """Bins of maxima whose prominence is ``least``: so far one has to go down to reach what is higher, or an end.

    As scipy.signal.find_peaks has it, whose import alone would take longer than a prediction.
    """
    found = []
    for peak in 1 + np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] >= level[2:])):
        higher = np.flatnonzero(level > level[peak])
        start, end = (higher[higher < peak].max(initial=-1), higher[higher > peak].min(initial=len(level)))
        lowest = max(level[start + 1 : peak + 1].min(), level[peak:end].min())
        if level[peak] - lowest >= least:
            found.append(int(peak))
    return found


def moments(r: Array, density: NDArray[np.floating], r_min: Distance, r_max: Distance) -> Array:
    """N, R, σ², C₃ of densities between two distances.

    N = ∫n dr, R = ∫rn dr/N, σ² = ∫(r−R)²n dr/N, C₃ = ∫(r−R)³n dr/N; bins that the limits cut count in part.

    Parameters
    ----------
    r
        (b,) uniform bin centres [Å].
    density
        (..., b) n(r) [Å⁻¹]; what is in half precision is summed in single precision.
    r_min, r_max
        [Å], or (s,) of densities (s, ..., b); of limits that are NaN all is NaN.

    Returns
    -------
    Array
        (..., 4): N, R [Å], σ² [Å²], C₃ [Å³]; R, σ² and C₃ are NaN where N is 0.
    """
    step = float(r[1] - r[0])
    low, high = (np.asarray(limit, dtype=np.float64)[..., None] for limit in (r_min, r_max))
    if np.isnan(low).all():
        return np.full((*density.shape[:-1], 4), np.nan)
    inside = np.clip(np.minimum(r + step / 2, high) - np.maximum(r - step / 2, low), 0.0, None)
    seen = np.flatnonzero(inside if inside.ndim == 1 else inside.any(axis=0))
    bins = slice(int(seen[0]), int(seen[-1]) + 1) if seen.size else slice(0)
    middle = 0.5 * (low + high)
    powers = inside[..., bins, None] * (r[bins] - middle)[..., None] ** np.arange(4)  # one product makes all moments
    own = np.asarray(density)[..., bins]
    own = own.astype(np.result_type(own, np.float32), copy=False)
    if powers.ndim == 2:
        summed, middle = own @ powers.astype(own.dtype), middle[0]
    else:  # each row has its own
        apart = own.reshape(len(own), -1, own.shape[-1])
        summed = (apart @ powers.astype(own.dtype)).reshape(*own.shape[:-1], 4)
        middle = middle[:, 0].reshape(-1, *(1,) * (own.ndim - 2))
    count, *others = np.moveaxis(summed.astype(np.float64), -1, 0)
    first, second, third = others / np.where(count > 0, count, np.nan)
    return np.stack([count, middle + first, second - first**2, third - 3 * first * second + 2 * first**3], axis=-1)


def spreads(r: Array, samples: NDArray[np.floating], r_min: Distance, r_max: Distance) -> Array:
    """(..., 4) standard deviations of N, R, σ² and C₃ over samples (..., n, b); as ``moments`` otherwise."""
    return stds(moments(r, samples, r_min, r_max))


def stds(samples: Array) -> Array:
    """(..., q) standard deviations over samples (..., n, q), of those that are numbers; NaN, and no word, of none."""
    known = np.isfinite(samples)
    count = known.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(known, samples, 0.0).sum(axis=-2) / count
        left = np.where(known, samples - mean[..., None, :], 0.0)
        found: Array = np.sqrt((left**2).sum(axis=-2) / count)
    return found


UNSEEN = 0.03
"""Share of a metal's oxide, or of the metal beside it, that no scan shows for sure: 2 to 4 % of measured NiO in a
measured foil passed for none, with an error of a tenth of a per cent."""


def widened(value: Array, std: Array, low: Array, high: Array, more: float) -> tuple[Array, Array, Array]:
    """(...) standard deviation and interval of values with one more, independent, standard deviation."""
    least = Z95 * more
    return (
        np.hypot(std, more),
        value - np.hypot(value - low, least),
        value + np.hypot(high - value, least),
    )


def unseen(n: Array, std: Array, low: Array, high: Array, number: float) -> tuple[Array, Array, Array]:
    """(...) standard deviation and interval of numbers of which so much as ``number`` may not be seen."""
    std, low, high = widened(n, std, low, high, number)
    return std, np.maximum(low, 0.0), high


UNLIKELY = 1 / 20
"""What is so much less likely than the likeliest counts nothing, the rest less by as much, so that nothing jumps."""


def likely(delta_chi2: Array | float) -> Array:
    """(...) probability of an alternative, before the data as likely, that misfits by so much more.

    1/(1 + exp(Δχ²/2)), by Bayes' theorem.
    """
    return np.asarray(0.5 * (1 - np.tanh(np.asarray(delta_chi2) / 4)))


def counted(probability: Array) -> Array:
    """(...) what counts of the probability of the one of two alternatives, of unlikely ones nothing."""
    likelier = UNLIKELY * np.maximum(probability, 1 - probability)
    own, other = (np.maximum(part - likelier, 0.0) for part in (probability, 1 - probability))
    return np.asarray(own / (own + other))


def reaching(
    value: Array | float,
    std: Array | float,
    low: Array | float,
    high: Array | float,
    other: Array | float,
    probability: Array,
) -> tuple[Array, Array, Array]:
    """(...) standard deviation and interval of values that may be ``other`` ones, with some probability.

    The first is that of both together; the interval reaches to the other value wherever that is not unlikely.
    """
    weight = counted(probability)
    aside = np.where(weight > 0, other, value)
    return np.hypot(std, np.sqrt(weight) * (aside - value)), np.minimum(low, aside), np.maximum(high, aside)


@dataclass(frozen=True)
class Errors:
    """Errors of N, R and σ² of one range, in units of the spread of its samples; arrays (..., 3)."""

    std: Array
    low: Array
    """Lower end of the 95 % interval minus the value, …"""
    high: Array
    """… and the upper end minus it."""

    @staticmethod
    def of_shells(shells: Any, raw: Array, least: Array | float) -> Errors:
        """Those of a shell, or of a record of many, whose samples have the standard deviations ``raw`` (..., 3).

        Where N is as sure as ``least`` lets it be, its own errors are not known, and are taken for the samples'.
        """

        def each(end: str) -> Array:
            errors = [getattr(shells, f"{name}_{end}") - (end != "std") * getattr(shells, name) for name in _QUANTITIES]
            units: Array = np.stack(errors, axis=-1) / np.maximum(raw, 1e-12)
            return units

        std, low, high = each("std"), each("low"), each("high")
        floored = shells.coordination_std <= 1.000001 * least * shells.coordination
        for part, own in ((std, 1.0), (low, -Z95), (high, Z95)):
            part[..., 0] = np.where(floored, own, part[..., 0])
        return Errors(std, low, high)

    @staticmethod
    def widest(several: Iterable[Errors]) -> Errors | None:
        """The widest of several; None of none."""
        found = list(several)
        if not found:
            return None
        std, high = (np.max([getattr(one, end) for one in found], axis=0) for end in ("std", "high"))
        return Errors(std, np.min([one.low for one in found], axis=0), high)


def as_wide(
    values: Array, raw: Array, known: Errors | None, least: Array | float, apart: float = 0.0
) -> tuple[Array, Array, Array]:
    """(..., 3) standard deviations of N, R and σ², and both ends of their 95 % intervals.

    Parameters
    ----------
    values, raw
        (..., 3) values, and standard deviations over the samples.
    known
        Errors that cover, of another range; None: those of the samples.
    least
        (...) relative standard deviation of N at least.
    apart
        Standard deviation of R at least [Å].
    """
    std, low, high = (part * raw for part in (known.std, known.low, known.high)) if known else (
        raw.copy(), -Z95 * raw, Z95 * raw)  # fmt: skip
    floor = least * values[..., 0]
    std[..., 0] = np.maximum(std[..., 0], floor)
    low[..., 0] = np.maximum(np.minimum(low[..., 0], -Z95 * floor), -values[..., 0])
    high[..., 0] = np.maximum(high[..., 0], Z95 * floor)
    std[..., 1] = np.maximum(std[..., 1], apart)
    low[..., 1], high[..., 1] = np.minimum(low[..., 1], -Z95 * apart), np.maximum(high[..., 1], Z95 * apart)
    return std, values + low, values + high
