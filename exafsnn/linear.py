"""Interpolation, polynomials, small filters: linear maps of many scans on one grid, [scan, point], at once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

KEPT = 16
"""What is made of a grid alone is kept for so many grids: about 1 MB each."""


def interpolated(values: Array, new: Array, x: Array) -> Array:
    """(s, p) values (s, n) at increasing ``x``, taken at ``new``; both are (n,) and (p,), or (s, ·) of each its own.

    Linear between the points, constant beyond, as ``numpy.interp``.
    """
    new, x = (part[0] if part.ndim == 2 and len(part) == 1 else part for part in (new, x))
    if len(values) == 1:
        return np.interp(new.ravel(), x, values[0])[None]  # all of it at once: a row alone takes a tenth of the time
    if x.ndim == 2:
        places = new if new.ndim == 2 else np.broadcast_to(new, (len(values), len(new)))
        return np.array([np.interp(*row) for row in zip(places, x, values, strict=True)])
    place = np.clip(np.searchsorted(x, new, side="right") - 1, 0, len(x) - 2)
    share = np.clip((new - x[place]) / (x[place + 1] - x[place]), 0.0, 1.0)
    if new.ndim == 1:
        left, right = values[:, place], values[:, place + 1]
    else:
        left, right = np.take_along_axis(values, place, axis=1), np.take_along_axis(values, place + 1, axis=1)
    inner: Array = left * (1 - share) + right * share
    return inner


def polynomial_at(new: Array, x: Array, degree: int) -> Array:
    """(len(new), len(x)) matrix: values at x → their least-squares polynomial at new points.

    The polynomials are orthogonal on x, each made of the two before it (Forsythe, J. SIAM 5, 74 (1957)).
    """
    if len(x) <= degree:
        raise np.linalg.LinAlgError(f"{len(x)} points for a polynomial of degree {degree}")
    middle, half = (x[0] + x[-1]) / 2, max(float(x[-1] - x[0]) / 2, 1e-9)
    both = (np.concatenate([x, new]) - middle) / half
    n, last, before = len(x), np.full(len(both), len(x) ** -0.5), np.zeros(len(both))
    found = [last]
    for _ in range(degree):
        risen = both * last
        risen = risen - (risen[:n] @ last[:n]) * last - (risen[:n] @ before[:n]) * before
        before, last = last, risen / np.sqrt(risen[:n] @ risen[:n])
        found.append(last)
    polynomials = np.array(found)
    values: Array = polynomials[:, n:].T @ polynomials[:, :n]
    return values


def median_of_three(values: Array) -> Array:
    """(s, n) median of each value and its neighbours; the first and the last stay."""
    medians = values.copy()
    before, here, after = values[:, :-2], values[:, 1:-1], values[:, 2:]
    low, high = np.minimum(before, here), np.maximum(before, here)
    medians[:, 1:-1] = np.maximum(low, np.minimum(high, after))
    return medians


def running_median(values: Array, half: int) -> Array:
    """(s, n - 2 half) medians of ``half`` values on either side of each that has so many."""
    from scipy.ndimage import median_filter

    medians: Array = median_filter(values.ravel(), 2 * half + 1).reshape(values.shape)[:, half : values.shape[1] - half]
    return medians


@lru_cache(maxsize=KEPT)
def _mirrored(n: int, reach: int) -> np.ndarray:
    """Places of n points and of ``reach`` more at either end, where they are mirrored, as often as that takes."""
    return np.pad(np.arange(n), reach, mode="symmetric")


def gaussian_smoothed(values: Array, width: float) -> Array:
    """(s, n) values convolved with a Gaussian of ``width`` points, cut off at four of them; mirrored at the ends."""
    reach = int(4 * width + 0.5)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    weights /= weights.sum()
    n = values.shape[1]
    mirrored = values[:, _mirrored(n, reach)]
    smooth = weights[reach] * values
    for step in range(1, reach + 1):
        smooth = smooth + weights[reach + step] * (
            mirrored[:, reach - step : reach - step + n] + mirrored[:, reach + step : reach + step + n]
        )
    return smooth
