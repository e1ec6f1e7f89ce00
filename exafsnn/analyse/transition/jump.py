"""What a quantity is on both sides of a transition, and by how much it jumps; ``transition`` asks."""

from __future__ import annotations

import math

import numpy as np

from exafsnn.analyse.transition.candidates import columns_of, fixed_columns
from exafsnn.analyse.transition.curve import LENGTHS, curve_of, knots_of, process_on
from exafsnn.records import Array

Estimate = tuple[float, float]
"""A value and its standard deviation."""

_UNLIKELY = 0.03
"""Likelihood, in units of the largest, below which a length and size of the process is left out."""


def sides(
    axis: Array, places: Array, y: Array, std: Array, others: list[Array], span: Array, at: float
) -> tuple[Estimate, Estimate, Estimate]:
    """Value of a quantity before and after, and the jump, averaged over lengths and sizes of the process.

    Curve, step, and a change of slope whose prior is as wide as the slope itself.
    """
    x = np.append(axis, at)
    fixed = np.column_stack([np.ones_like(x), x, fixed_columns(x, others), columns_of(x, span[None])])
    curve = curve_of(axis, std, fixed[:-1, 2:])
    squares = curve.squares(curve.project(y[:, None]))
    likelihood = curve.likelihoods(squares)[:, 0]
    weight = np.exp(likelihood - likelihood.max())
    weight = np.where(weight > _UNLIKELY, weight, 0.0) / weight[weight > _UNLIKELY].sum()
    noise = (np.maximum(squares[:, 0], 0.0) + 1.0) / (axis.size - curve.fixed.shape[1] + 1.0)
    slope = np.linalg.lstsq(fixed[:-1] / std[:, None], y / std, rcond=None)[0][1]
    told = []
    for chosen in np.flatnonzero(weight):
        process = process_on(x, knots_of(places), LENGTHS[chosen // curve.sizes.shape[1]])
        drift = np.column_stack(
            [
                math.sqrt(curve.sizes.ravel()[chosen]) * process,
                abs(slope) / math.sqrt(noise[chosen]) * np.maximum(x - at, 0.0),
            ]
        )
        value, variance = _both_sides(fixed, drift, y, std)
        told.append((weight[chosen], value, noise[chosen] * variance))
    means = sum(part * value for part, value, _ in told)
    variances = sum(part * (variance + (value - means) ** 2) for part, value, variance in told)
    first, second, third = zip(means.tolist(), np.sqrt(variances).tolist(), strict=True)
    return first, second, third


def _both_sides(fixed: Array, drift: Array, y: Array, std: Array) -> tuple[Array, Array]:
    """(3,) value before, after, and the jump, and their variances for noise 1.

    The last row of ``fixed`` (n + 1, f) and ``drift`` (n + 1, m) is at the transition, the last fixed column its step;
    coefficients of ``drift`` have a prior of variance 1, which is so many further rows of the least-squares problem.
    """
    matrix = np.column_stack([fixed, drift])
    scale = np.ones(matrix.shape[1])
    scale[: fixed.shape[1]] = np.linalg.norm(fixed[:-1] / std[:, None], axis=0)
    step = np.zeros(matrix.shape[1])
    step[fixed.shape[1] - 1] = 1.0
    before = matrix[-1] * (1 - step)
    rows = np.stack([before, before + step, step]) / scale
    ridge = np.eye(matrix.shape[1])[fixed.shape[1] :]
    inverse = np.linalg.pinv(np.concatenate([matrix[:-1] / std[:, None] / scale, ridge]), rcond=1e-10)
    functions = rows @ inverse
    return functions[:, : y.size] @ (y / std), (functions**2).sum(axis=1)
