"""Means of series whose members resemble their neighbours in time, and their errors.

``average`` asks for the error of a mean over frames. Successive frames are alike, so it comes from means over blocks of
them, at every start (Meketon & Schmeiser, Proc. Winter Simulation Conf. 1984, 227). Their length is that of Politis &
White, Econometric Reviews 23, 53 (2004), which balances what long blocks cost, noise, against what short ones do,
correlations that are cut off; of these the leading part is put back.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from exafsnn.records import Array

_WINDOW = 5.0
"""Correlations are summed up to so many times what they sum to (Sokal's rule) …"""
_LONGEST = 0.25
"""… and up to this share of the series."""


@dataclass(frozen=True)
class Correlation:
    """How long each column of a series remembers, each as seen in it and its neighbours."""

    time: Array
    """(m,) integrated autocorrelation time 1/2 + Σρ(t), in members of the series; 1/2 if they are independent."""
    width: Array
    """(m,) Σ|t|ρ(t)/Σρ(t) over all t: what blocks of length b leave out is this over b."""
    window: NDArray[np.intp]
    """(m,) up to so many members apart it was summed."""
    length: int
    """Members."""

    @property
    def independent(self) -> float:
        """Number of independent members of which the mean of the slowest column is as sure."""
        return self.length / (2 * float(self.time.max()))

    @property
    def blocks(self) -> NDArray[np.intp]:
        """(m,) length of blocks, (3/2 n w²)^(1/3)."""
        best = np.ceil((1.5 * self.length * self.width**2) ** (1 / 3))
        return np.clip(best, 1, max(1, self.length // 4)).astype(np.intp)


def correlation_of(series: Array, alike: float, window: NDArray[np.intp] | None = None) -> Correlation:
    """Correlation of the members of a series (n, m) in time, of each of its m columns.

    Parameters
    ----------
    alike
        Columns within about so many of one another are taken together: noise hides the correlation of a single one.
    window
        (m,) least distance in time up to which it is summed, where more is known than noise lets this series show.
    """
    n = len(series)
    off = series - series.mean(axis=0)
    own = gaussian_filter1d(np.mean(off**2, axis=0), alike, mode="nearest")
    lags = range(1, max(2, int(_LONGEST * n)))
    raw = np.array([np.mean(off[:-t] * off[t:], axis=0) for t in lags])  # [lag, column]
    seen = gaussian_filter1d(raw, alike, axis=1, mode="nearest") / np.where(own > 0, own, np.inf)
    rho, columns = seen, np.arange(seen.shape[1])
    for _ in range(3):  # the mean that was subtracted is the series' own, which makes all correlations too small
        time = 0.5 + np.cumsum(rho, axis=0)
        inside = np.arange(1, len(rho) + 1)[:, None] >= _WINDOW * np.maximum(time, 0.5)
        end = np.where(inside.any(axis=0), inside.argmax(axis=0) + 1, len(rho))
        end = end if window is None else np.clip(np.maximum(end, window), 1, len(rho))
        missing = (own > 0) * np.maximum(0.0, 2 * time[end - 1, columns]) / n
        rho = (seen + missing) / (1 + missing)
    summed = rho * (np.arange(len(rho))[:, None] < end)
    total = np.maximum(0.5 + summed.sum(axis=0), 0.5)
    width = np.maximum((np.arange(1, len(rho) + 1)[:, None] * summed).sum(axis=0) / total, 0.0)
    return Correlation(total, width, end, n)


def samples_of_mean(series: Array, block: int, width: Array | float) -> Array:
    """(s, m) equally likely means of a series (n, m): their spread and its correlations are those of its mean.

    A spread that comes of few blocks is itself uncertain; it is widened as Student's distribution is wider than
    Gauss's, so that the mean's error divided by it has unit variance.

    Parameters
    ----------
    series
        In order of time.
    block
        Members in a block.
    width
        (m,) ``Correlation.width`` of the series: for what blocks cut off.
    """
    n = len(series)
    mean = series.mean(axis=0)
    total = np.cumsum(np.concatenate([np.zeros_like(series[:1]), series - mean]), axis=0)
    off = (total[block:] - total[:-block]) / block  # [start, column]
    kept = np.maximum(1 - width / block, 0.5) - block / n * (1 - np.minimum(np.asarray(width) / n, 0.5))
    freedom = max(1.5 * n / block, 4.0)
    off *= np.sqrt(block / (n * kept) * freedom / (freedom - 2))
    samples: Array = np.concatenate([mean + off, mean - off])
    return samples


def std_of_mean(series: Array, blocks: NDArray[np.intp], width: Array) -> Array:
    """(m,) standard deviation of the mean of a series (n, m), by blocks of each column's own length (m,)."""
    std = np.empty(series.shape[1])
    for block in np.unique(blocks):
        own = blocks == block
        std[own] = samples_of_mean(series[:, own], int(block), width[own]).std(axis=0)
    return std
