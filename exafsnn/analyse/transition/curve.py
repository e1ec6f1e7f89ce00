"""The smooth curve of one quantity along the axis: what a series does that is no transition.

A straight line and a Gaussian process whose size and length are learned, the length not below 0.3 of the axis or, for
drifts of the size of the noise, 0.15: Rasmussen & Williams, Gaussian Processes for Machine Learning (2006), eq. 4.9.
The search for transitions (``evidence``), both sides of one (``sides``) and ``smoothing`` use it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from exafsnn.records import Array

LENGTHS = (0.15, 0.3, 0.6)
"""Lengths of the process, in units of the whole axis: what changes faster is a transition …"""

_LIMITS = (3.0, math.inf, math.inf)
"""… and so is what changes by more noise than this within the length: no drift."""

_KNOTS, _MODES, _SIZES = 60, 40, 10

_PRIOR_WEIGHT, _PRIOR_SCALE = 1.0, 0.1
"""One residual's worth of belief that error bars are not more than ten times too large: data without noise."""


@dataclass(frozen=True)
class Curve:
    """One quantity's smooth model, in units of its error bars and without its fixed columns."""

    std: Array
    """(n,)."""
    fixed: Array
    """(n, f) orthonormal basis of what is never a transition."""
    modes: Array
    """(k, n, m) orthonormal modes of the process of each length …"""
    variances: Array
    """(k, m) … and their variances for a process of size 1."""
    sizes: Array
    """(k, s) grids of process variance over noise variance."""

    def project(self, columns: Array) -> Array:
        """(n, c) columns in units of the error bars, the fixed columns taken out."""
        scaled = columns / self.std[:, None]
        return scaled - self.fixed @ (self.fixed.T @ scaled)

    def likelihoods(self, squares: Array) -> Array:
        """(ks, …) ln(likelihood) for residual squares per length and size, the noise's size integrated out."""
        determinant = -np.log1p(-self.shares).sum(axis=-1).reshape(-1, *[1] * (squares.ndim - 1))
        noise = np.log(np.maximum(squares, 0.0) + _PRIOR_WEIGHT * _PRIOR_SCALE**2)
        result: Array = -0.5 * (determinant + self._freedom * noise)
        return result

    def noise(self, squares: Array) -> Array:
        """Standard deviation of the noise, in units of the error bars, for the same residual squares."""
        deviation: Array = np.sqrt((np.maximum(squares, 0.0) + _PRIOR_WEIGHT * _PRIOR_SCALE**2) / self._freedom)
        return deviation

    @property
    def _freedom(self) -> float:
        return self.std.size - self.fixed.shape[1] + _PRIOR_WEIGHT

    @property
    def shares(self) -> Array:
        """(k, s, m) part of each mode's variance that the process explains."""
        product = self.sizes[:, :, None] * self.variances[:, None]
        result: Array = product / (1.0 + product)
        return result

    def squares(self, y: Array) -> Array:
        """(ks, b) residual squares of projected y (n, b) that the process does not explain."""
        explained = self.shares @ (self.modes.transpose(0, 2, 1) @ y) ** 2
        return np.asarray((y**2).sum(axis=0) - explained.reshape(-1, y.shape[1]))


def process_on(axis: Array, knots: Array, length: float) -> Array:
    """(n, m) B with B Bᵀ the covariance of a Gaussian process, exp(−(x−x')²/2ℓ²), seen through knots."""

    def covariance(a: Array, b: Array) -> Array:
        return np.asarray(np.exp(-0.5 * ((a[:, None] - b) / length) ** 2))

    size, vectors = np.linalg.eigh(covariance(knots, knots))
    kept = size > 1e-12 * size[-1]
    result: Array = covariance(axis, knots) @ (vectors[:, kept] / np.sqrt(size[kept]))
    return result


def knots_of(places: Array) -> Array:
    """(≤ 60) places that carry the process."""
    if places.size <= _KNOTS:
        return places
    return places[np.unique(np.linspace(0, places.size - 1, _KNOTS).round().astype(int))]


def curve_of(axis: Array, std: Array, columns: Array) -> Curve:
    """Model of a quantity with a straight line and ``columns`` (n, f) as fixed parts."""
    fixed = np.column_stack([np.ones_like(axis), axis, columns]) / std[:, None]
    vectors, size, _ = np.linalg.svd(fixed / np.linalg.norm(fixed, axis=0), full_matrices=False)
    basis = vectors[:, size > 1e-9]
    parts = [_modes(axis, std, basis, length) for length in LENGTHS]
    count = max(len(variances) for _, variances in parts)
    modes = np.stack([np.pad(vectors, ((0, 0), (0, count - vectors.shape[1]))) for vectors, _ in parts])
    variances = np.stack([np.pad(sizes, (0, count - sizes.size)) for _, sizes in parts])
    largest = [
        min(10.0 / sizes[-1], limit**2 / np.mean(std**-2.0)) for (_, sizes), limit in zip(parts, _LIMITS, strict=True)
    ]
    sizes = np.geomspace(1e-2 / variances[:, 0], np.maximum(largest, 1e-1 / variances[:, 0]), _SIZES, axis=1)
    return Curve(std, basis, modes, variances, sizes)


def _modes(axis: Array, std: Array, basis: Array, length: float) -> tuple[Array, Array]:
    """(n, m) modes of the process apart from the fixed columns, and their variances (m,), largest first."""
    process = process_on(axis, knots_of(np.unique(axis)), length) / std[:, None]
    modes, size, _ = np.linalg.svd(process - basis @ (basis.T @ process), full_matrices=False)
    kept = size > 1e-6 * max(size[0], 1e-300)
    return modes[:, kept][:, :_MODES], size[kept][:_MODES] ** 2
