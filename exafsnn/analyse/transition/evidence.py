"""How well a step, ramp or wrong scan explains a series, against how often it would do so by chance.

The likelihood ratio of a smooth curve with and without it, the greatest over all places, is judged against simulated
series without a transition. ``transition`` asks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exafsnn.analyse.transition.candidates import PLACES, columns_of, fixed_columns, spans_of
from exafsnn.analyse.transition.curve import LENGTHS, Curve, curve_of, knots_of, process_on
from exafsnn.analyse.transition.quantities import Scans
from exafsnn.records import Array

SUSPICION = 0.2
"""False-alarm probability above which there is no need to look closer."""

_FEW_WITNESSES = 0.05
"""Prior probability that a sum of the quantities shows a given transition."""

_RAMP_EVIDENCE = 3.0
"""ln(likelihood) by which a ramp must beat a step."""

_BLOCK = 60_000
"""Columns times series that are compared in one go."""

_DRAWS = (100, 400)
"""Simulated series: first a few, and more if those leave a chance."""

_TAIL = 0.15
"""Share of the simulated maxima whose exponential tail tells of rarer ones."""


@dataclass(frozen=True)
class Evidence:
    """How well steps, ramps and outliers explain a series, and how often they would do so by chance."""

    spans: Array
    """(c, 3) last place before and first place after each step or ramp, and the number of places between."""
    steps: Array
    """(c,) ln(likelihood ratio) of each, summed over quantities."""
    outliers: Array
    """(n,) the same for each scan being wrong."""
    step_alarm: float
    """False-alarm probability of the best step …"""
    outlier_alarm: float
    """… and of the worst scan."""

    @property
    def best(self) -> Array:
        """(3,) span of the best step or ramp; a ramp only where it is clearly better."""
        gap = self.spans[:, 2] == 0
        ramp = int(np.where(gap, -np.inf, self.steps).argmax())
        step = int(np.where(gap, self.steps, -np.inf).argmax())
        better = not gap.any() or (not gap.all() and self.steps[ramp] > self.steps[step] + _RAMP_EVIDENCE)
        span: Array = self.spans[ramp if better else step]
        return span


def judge(series: Scans, fixed: list[Array], random: np.random.Generator) -> Evidence | None:
    """Evidence for one more step besides ``fixed``, a list of spans; None where there is no room for one."""
    spans = spans_of(series, fixed)
    known = fixed_columns(series.axis, fixed)
    if not len(spans) or series.axis.size - 2 - known.shape[1] < 3:
        return None
    columns, single = columns_of(series.axis, spans), np.eye(series.axis.size)
    curves = [curve_of(series.axis, std, known) for std in series.channel_std.T]
    observed = series.channels[:, :, None]
    steps, outliers = evidence_of(curves, observed, columns)[:, 0], evidence_of(curves, observed, single)[:, 0]
    some = single[:, :: max(1, series.axis.size // PLACES)]
    chance, chance_outliers = np.empty(0), np.empty(0)
    for draws in _DRAWS:
        simulated = _simulate(series, curves, draws, random)
        chance = np.append(chance, evidence_of(curves, simulated, columns).max(axis=0))
        unseen = math.log(single.shape[1] / some.shape[1])
        chance_outliers = np.append(chance_outliers, evidence_of(curves, simulated, some).max(axis=0) + unseen)
        alarms = _probability(steps.max(), chance), _probability(outliers.max(), chance_outliers)
        if min(alarms) > SUSPICION:
            break
    return Evidence(spans, steps, outliers, *alarms)


def evidence_of(curves: list[Curve], values: Array, columns: Array) -> Array:
    """(c, b) ln(likelihood ratio) of each column for each of the series (n, q, b), summed over quantities."""
    blocks = np.array_split(columns, max(1, columns.shape[1] * values.shape[2] // _BLOCK), axis=1)
    return np.concatenate(
        [sum(_shown(_ratios(curve, values[:, j], block)) for j, curve in enumerate(curves)) for block in blocks]
    )


def _shown(ratios: Array) -> Array:
    """ln(likelihood ratio) where a sum of quantities shows the transition with a small probability only."""
    return np.asarray(np.log1p(_FEW_WITNESSES * np.expm1(np.minimum(ratios, 600.0))))


def _simulate(series: Scans, curves: list[Curve], draws: int, random: np.random.Generator) -> Array:
    """(n, q, b) series without a transition, as smooth and noisy as this one: process drawn by its likelihood."""
    n, q = series.values.shape
    noise = random.standard_normal((n, q, draws))
    processes = [process_on(series.axis, knots_of(series.places), length) for length in LENGTHS]
    for j, curve in enumerate(curves):
        kind, size, scale = _plausible(curve, series.channels[:, j], draws, random)
        noise[:, j] *= curve.std[:, None]
        for k, process in enumerate(processes):
            drift = process @ random.standard_normal((process.shape[1], int((kind == k).sum())))
            noise[:, j, kind == k] += np.sqrt(size[kind == k]) * drift
        noise[:, j] *= scale
    return noise


def _plausible(curve: Curve, values: Array, draws: int, random: np.random.Generator) -> tuple[np.ndarray, Array, Array]:
    """(b,) length, size of the process and of the noise of a quantity, drawn by their likelihood without a step."""
    squares = curve.squares(curve.project(values[:, None]))
    likelihood = curve.likelihoods(squares)[:, 0]
    weight = np.exp(likelihood - likelihood.max())
    chosen = random.choice(weight.size, draws, p=weight / weight.sum())
    return chosen // curve.sizes.shape[1], curve.sizes.ravel()[chosen], curve.noise(squares[:, 0])[chosen]


def _probability(observed: float, chance: Array) -> float:
    """Part of the simulated maxima above the observed one; beyond the upper ones, their exponential tail."""
    start = float(np.quantile(chance, 1 - _TAIL))
    if observed <= start:
        return float((1 + (chance >= observed).sum()) / (1 + chance.size))
    slope = float((chance[chance > start] - start).mean())
    return max(_TAIL * math.exp(-(observed - start) / max(slope, 1e-12)), 1e-300)


def _explained(curve: Curve, y: Array, columns: Array) -> tuple[Array, Array]:
    """Residual squares without, (ks, b), and with each column, (ks, c, b), for projected y (n, b), columns (n, c)."""
    modes = curve.modes.transpose(0, 2, 1)
    a, g, shares = (modes @ y)[:, None], modes @ columns, curve.shares
    squares = curve.squares(y)
    length = (columns**2).sum(axis=0)
    left = (length - shares @ g**2).reshape(-1, columns.shape[1])
    weighted = (shares[..., None] * g[:, None]).transpose(0, 1, 3, 2)
    overlap = (columns.T @ y - weighted @ a).reshape(-1, columns.shape[1], y.shape[1])
    useful = left > 1e-7 * max(float(length.max(initial=0.0)), 1e-300)
    gain = np.where(useful[..., None], overlap**2 / np.where(useful, left, 1.0)[..., None], 0.0)
    return squares, squares[:, None] - gain


def _ratios(curve: Curve, y: Array, columns: Array) -> Array:
    """(c, b) ln(likelihood ratio) of each column for each y, length and size of the process integrated out."""
    without, with_column = _explained(curve, curve.project(y), curve.project(columns))
    return _summed(curve.likelihoods(with_column)) - _summed(curve.likelihoods(without))


def _summed(logarithms: Array) -> Array:
    """ln Σ exp over the first axis."""
    largest = logarithms.max(axis=0)
    result: Array = largest + np.log(np.exp(logarithms - largest).sum(axis=0))
    return result
