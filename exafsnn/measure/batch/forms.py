"""Interpolation and polynomials as matrices, which are the same for all scans of one grid; every part uses them."""

from __future__ import annotations

import numpy as np

from exafsnn.records import Array

KEPT = 64
"""Factorised matrices of each kind that are kept: one for each E₀, about 1 MB."""

ROUNDING = 0.99
"""Share of a limit at which the scan itself is looked at, by what the single scan's way does."""


def interpolation(new: Array, x: Array) -> Array:
    """(len(new), len(x)) matrix of ``np.interp``: linear between the points x, constant beyond."""
    place, share = _between(new, x)
    matrix = np.zeros((len(new), len(x)))
    matrix[np.arange(len(new)), place] = 1 - share
    matrix[np.arange(len(new)), place + 1] = share
    return matrix


def interpolated(values: Array, new: Array, x: Array) -> Array:
    """(s, len(new)) ``np.interp`` of (s, len(x)) values."""
    place, share = _between(new, x)
    inner: Array = values[:, place] * (1 - share) + values[:, place + 1] * share
    return inner


def _between(new: Array, x: Array) -> tuple[np.ndarray, Array]:
    """Index of the point of x below each new one, and how far it is towards the next."""
    place = np.clip(np.searchsorted(x, new, side="right") - 1, 0, len(x) - 2)
    return place, np.clip((new - x[place]) / (x[place + 1] - x[place]), 0.0, 1.0)


def polynomial_at(new: Array, x: Array, degree: int) -> Array:
    """(len(new), len(x)) values at x → least-squares polynomial at new points."""
    middle, half = (x[0] + x[-1]) / 2, max(float(x[-1] - x[0]) / 2, 1e-9)
    powers = np.arange(degree + 1)
    fit = np.linalg.pinv(((x[:, None] - middle) / half) ** powers)
    values: Array = ((new[:, None] - middle) / half) ** powers @ fit
    return values
