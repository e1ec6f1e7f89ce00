"""Quantities of a series → independent sums of them: a drift of E₀ that shifts five quantities is one drift.

``scans.py`` calls it.
"""

from __future__ import annotations

import numpy as np

from exafsnn.analyse.curve import knots_of, process_on
from exafsnn.errors import SettingsError
from exafsnn.records import Array


def channels_of(axis: Array, y: Array, std: Array, covariances: Array) -> tuple[Array, Array]:
    """(n, q) independent sums of the quantities, and their standard deviations.

    First the noise is made white, then the axes are turned to where the series moves slowly: a drift of E₀ that
    shifts five quantities is one drift, not five witnesses.
    """
    typical = np.median(std, axis=0)
    bends = _bends(axis, y / typical)
    weight = len(bends) / (len(bends) + 10.0)
    size = np.clip(np.median(np.abs(bends), axis=0) / 0.6745, 1 / 3, 3.0) ** (2 * weight)
    known = (covariances / (typical[:, None] * typical)).mean(axis=0)
    scale = np.sqrt(np.diagonal(known))
    ranks = bends.argsort(axis=0).argsort(axis=0) - (len(bends) - 1) / 2
    spearman = ranks.T @ ranks / (ranks[:, 0] @ ranks[:, 0])
    correlation = weight * 2 * np.sin(np.pi / 6 * spearman) + (1 - weight) * known / np.outer(scale, scale)
    variances, vectors = np.linalg.eigh(correlation)
    white = vectors / np.sqrt(np.maximum(variances, 0.05)) / np.sqrt(size)[:, None] / typical[:, None]
    line = np.column_stack([np.ones_like(axis), axis])
    process = process_on(axis, knots_of(np.unique(axis)), 1.0)
    modes = np.linalg.svd(process - line @ np.linalg.lstsq(line, process, rcond=None)[0], full_matrices=False)[0]
    slow = modes[:, : max(2, min(8, axis.size // 4))].T @ (y - line @ np.linalg.lstsq(line, y, rcond=None)[0]) @ white
    turned = white @ np.linalg.svd(slow)[2].T
    return y @ turned, np.sqrt(np.einsum("jc,njk,kc->nc", turned, covariances, turned))


def _bends(axis: Array, scaled: Array) -> Array:
    """(n − 2, q) how each scan differs from the line through its neighbours, in units of that difference's noise."""
    left, right = np.maximum(axis[1:-1] - axis[:-2], 1e-9), np.maximum(axis[2:] - axis[1:-1], 1e-9)
    share = (right / (left + right))[:, None]
    bends = scaled[1:-1] - share * scaled[:-2] - (1 - share) * scaled[2:]
    result: Array = bends / np.sqrt(1 + share**2 + (1 - share) ** 2)
    return result


def covariances_of(std: Array, given: Array | None) -> Array:
    """(n, q, q) covariances between the quantities of each scan, whose diagonals are ``std``²."""
    if given is None:
        return std[:, :, None] ** 2 * np.eye(std.shape[1])
    matrices = np.asarray(given, dtype=float)
    if matrices.shape != (*std.shape, std.shape[1]) or not np.isfinite(matrices).all():
        raise SettingsError(
            f"got shape {matrices.shape}, need {(*std.shape, std.shape[1])} of finite numbers",
            where="covariance",
            remedy="Give one q × q matrix for each scan, or None",
        )
    size = np.sqrt(np.maximum(np.diagonal(matrices, axis1=1, axis2=2), 1e-300))
    correlation = np.clip(matrices / (size[:, :, None] * size[:, None, :]), -1.0, 1.0)
    correlation[:, np.arange(std.shape[1]), np.arange(std.shape[1])] = 1.0
    result: Array = correlation * std[:, :, None] * std[:, None, :]
    return result
