"""Quantities along the axis → smooth between transitions, never across one; ``series`` draws its trends with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from exafsnn.analyse.transition.curve import curve_of
from exafsnn.analyse.transition.quantities import checked
from exafsnn.analyse.transition.search import Transition
from exafsnn.records import Array


def smooth_between(
    axis: Array, values: Array, std: Array, transitions: Transition | Iterable[Transition]
) -> tuple[Array, Array]:
    """Smooth each quantity along the axis between transitions, never across one.

    A gradual transition is a section of its own. Scans that a transition set aside do not count.

    Parameters
    ----------
    axis
        (n,) in any order.
    values, std
        (n, q); the size of the noise is learned, as in ``find_transition``.
    transitions
        What ``find_transition`` returned for this series.

    Returns
    -------
    tuple[Array, Array]
        (n, q) smoothed values and their standard deviations by the scatter of the series, in the order given.

    Raises
    ------
    ScanError
        If there are values that are no numbers.
    SettingsError
        If the shapes do not fit.
    """
    found = [transitions] if isinstance(transitions, Transition) else list(transitions)
    x, y, errors = checked(axis, values, std)
    errors[[scan for each in found for scan in each.outliers]] *= 1e3
    section = _sections(x, [part for each in found for part in (each, *each.others) if part.found])
    unit = (x - x.min()) / (np.ptp(x) or 1.0)
    columns = [_smooth(unit, y[:, j], errors[:, j], section) for j in range(y.shape[1])]
    return np.stack([mean for mean, _ in columns], axis=1), np.stack([spread for _, spread in columns], axis=1)


def _sections(axis: Array, transitions: list[Transition]) -> np.ndarray:
    """(n,) number of the section, between transitions or within a gradual one, to which each scan belongs."""
    edges = {each.at + sign * each.width / 2 for each in transitions for sign in (-1, 1)}
    return np.searchsorted(np.array(sorted(edges)), axis)


def _smooth(axis: Array, y: Array, std: Array, section: np.ndarray) -> tuple[Array, Array]:
    """Smoothed quantity (n,) and its standard deviation, averaged over the processes that all sections share.

    A section of one or two places is left as it is: a line through it says nothing.
    """
    parts = [np.flatnonzero(section == number) for number in np.unique(section)]
    parts = [part for part in parts if np.unique(axis[part]).size > 2]
    if not parts:
        return y.copy(), std.copy()
    curves = [curve_of(axis[part], std[part], np.empty((part.size, 0))) for part in parts]
    sizes = curve_of(axis, std, np.empty((axis.size, 0))).sizes
    curves = [replace(curve, sizes=sizes) for curve in curves]
    squares, determinant, freedom = np.zeros(sizes.size), np.zeros(sizes.size), 1.0
    means, variances = np.tile(y, (sizes.size, 1)), np.tile(std**2, (sizes.size, 1))
    for part, curve in zip(parts, curves, strict=True):
        scaled, shares = y[part] / std[part], curve.shares
        rest = scaled - curve.fixed @ (curve.fixed.T @ scaled)
        amplitudes = np.einsum("knm,n->km", curve.modes, rest)
        squares += curve.squares(rest[:, None])[:, 0]
        determinant -= np.log1p(-shares).sum(axis=-1).ravel()
        freedom += part.size - curve.fixed.shape[1]
        drift = np.einsum("ksm,km,knm->ksn", shares, amplitudes, curve.modes).reshape(sizes.size, -1)
        leverage = np.einsum("ksm,knm->ksn", shares, curve.modes**2).reshape(sizes.size, -1)
        means[:, part] = (scaled - rest + drift) * std[part]
        variances[:, part] = ((curve.fixed**2).sum(axis=1) + leverage) * std[part] ** 2
    noise = (np.maximum(squares, 0.0) + 1.0) / freedom
    likelihood = -0.5 * (determinant + freedom * np.log(noise))
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    mean = weight @ means
    smoothed = np.isin(np.arange(y.size), np.concatenate(parts))
    variance = weight @ (np.where(smoothed, noise[:, None], 1.0) * variances + (means - mean) ** 2)
    return mean, np.sqrt(variance)
