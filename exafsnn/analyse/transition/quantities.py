"""Scans of a series as they were given → checked, sorted by the axis: where ``transition`` and ``smoothing`` begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exafsnn.analyse.transition.curve import knots_of, process_on
from exafsnn.errors import ScanError, SettingsError
from exafsnn.records import Array

FEWEST, FEWEST_PLACES = 6, 4
"""Scans, and different places on the axis, below which a step and a curve cannot be told apart."""

_BY_SCAN = ("order", "values", "std", "channels", "channel_std")


@dataclass(frozen=True)
class Scans:
    """Checked scans, sorted by the axis."""

    order: np.ndarray
    """(n,) number of each scan in the order given."""
    axis: Array
    """(n,) in units of the whole range."""
    places: Array
    """(u,) different values of ``axis``."""
    values: Array
    """(n, q)."""
    std: Array
    """(n, q), no zeros."""
    channels: Array
    """(n, q) sums of the quantities whose noise and whose drift are independent …"""
    channel_std: Array
    """(n, q) … and their standard deviations."""

    def without(self, scan: int) -> Scans:
        """All scans but one; the axis keeps its unit."""
        return self.only(np.delete(np.arange(self.axis.size), scan))

    def only(self, rows: np.ndarray) -> Scans:
        """Some scans; the axis keeps its unit."""
        axis = self.axis[rows]
        return replace(
            self, axis=axis, places=np.unique(axis), **{name: getattr(self, name)[rows] for name in _BY_SCAN}
        )


def checked(axis: Array, values: Array, std: Array) -> tuple[Array, Array, Array]:
    """Float copies (n,), (n, q), (n, q) of a series; error bars of zero are raised to a fifth of the median."""
    x, y, errors = (np.array(given, dtype=float) for given in (axis, values, std))
    if x.ndim != 1 or y.ndim != 2 or y.shape[0] != x.size or y.shape != errors.shape or not y.size:
        raise SettingsError(
            f"got axis {x.shape}, values {y.shape}, std {errors.shape}; need (n,), (n, q), (n, q)",
            where="series",
            remedy="Give one row for each scan and one column for each quantity",
        )
    bad = ~(np.isfinite(x) & np.isfinite(y).all(axis=1) & np.isfinite(errors).all(axis=1) & (errors >= 0).all(axis=1))
    if bad.any():
        raise ScanError(
            f"{bad.sum()} of {x.size} scans have a place, value or standard deviation that is no number, or negative",
            where=f"scan {int(np.argmax(bad)) + 1}",
            remedy="Leave out these scans, or the quantity that they lack",
        )
    typical = np.array([np.median(column[column > 0]) if (column > 0).any() else 1.0 for column in errors.T])
    return x, y, np.maximum(errors, 0.2 * typical)


def sorted_scans(axis: Array, values: Array, std: Array, names: Sequence[str], covariance: Array | None) -> Scans:
    """Check what was given, and sort it."""
    x, y, errors = checked(axis, values, std)
    if len(names) != y.shape[1] or len(set(names)) != len(names):
        raise SettingsError(
            f"got {len(names)} names for {y.shape[1]} quantities", where="names", remedy="Name each once"
        )
    if x.size < FEWEST or np.unique(x).size < FEWEST_PLACES:
        raise ScanError(
            f"{x.size} scans at {np.unique(x).size} places; a transition needs {FEWEST} scans at "
            f"{FEWEST_PLACES} places or more",
            where="axis",
            remedy="Measure more scans: with fewer a step is not told from a slope",
        )
    order = np.lexsort((*y.T[::-1], x))
    unit = (x[order] - x.min()) / np.ptp(x)
    covariances = _covariances_of(errors, covariance)[order]
    channels, spread = _channels_of(unit, y[order], errors[order], covariances)
    return Scans(order, unit, np.unique(unit), y[order], errors[order], channels, spread)


def _channels_of(axis: Array, y: Array, std: Array, covariances: Array) -> tuple[Array, Array]:
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


def _covariances_of(std: Array, given: Array | None) -> Array:
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
