"""Scans of a series as they were given → checked, sorted by the axis: where ``transition`` and ``smoothing`` begin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from exafsnn.analyse.channels import channels_of, covariances_of
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
    covariances = covariances_of(errors, covariance)[order]
    channels, spread = channels_of(unit, y[order], errors[order], covariances)
    return Scans(order, unit, np.unique(unit), y[order], errors[order], channels, spread)
