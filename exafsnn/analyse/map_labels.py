"""What the points of a map tell besides: labels estimated from distances, clusters, and what does not belong there.

``run.maps`` asks it of each map.
"""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from exafsnn.errors import SettingsError
from exafsnn.records import Array

__all__ = ["clusters_of", "error_limit", "estimate"]

LEAST_KNOWN = 6
"""Fewer labels tell nothing of others."""
_MOST_KNOWN = 600
"""Labels that are used at most, spread evenly over their values: the cost grows with the cube."""
_LEAST_GROUP, _SMALLEST = 3, 0.06
"""No cluster has fewer points, or a smaller share of them."""
_FAR = 6.0
"""A row is an outlier if its error is so many robust standard deviations above the median."""
_LEAST_FAR = 1.2
"""… and so many times the median at least."""
_ROBUST = 1.4826
"""Standard deviation of a normal distribution per median absolute deviation."""


def estimate(points: Array, labels: Array) -> tuple[Array, Array, float]:
    """Estimate a label of every point from the labels of the others, by their distances on the map.

    A Gaussian process whose covariance falls with the distance. Where a label is known the estimate leaves it out
    (C. E. Rasmussen and C. K. I. Williams, Gaussian Processes for Machine Learning (2006), eq. 5.12), and by what these
    estimates miss the standard deviations are scaled.

    Parameters
    ----------
    points
        (n, d) places on the map.
    labels
        (n,) known labels; NaN where there is none.

    Returns
    -------
    tuple
        (n,) estimates, (n,) their standard deviations, and the root mean square by which they miss known labels.

    Raises
    ------
    SettingsError
        If too few labels are known.
    """
    known = np.flatnonzero(np.isfinite(labels))
    if len(known) < LEAST_KNOWN:
        raise SettingsError(
            f"{len(known)} labels are known, and from fewer than {LEAST_KNOWN} none is estimated", where="labels",
            remedy="Give more of them, or leave the others out",
        )  # fmt: skip
    order = known[np.argsort(labels[known], kind="stable")]
    used = order[np.unique(np.linspace(0, len(order) - 1, _MOST_KNOWN).round().astype(int))]
    mean, size = labels[used].mean(), labels[used].std() or 1.0
    told = (labels[used] - mean) / size
    kernel = ConstantKernel(1.0, (1e-2, 1e3)) * RBF(1.0, (1e-2, 1e2)) + WhiteKernel(1e-2, (1e-8, 1e1))
    with warnings.catch_warnings():  # a limit that is reached is an answer, too
        warnings.simplefilter("ignore", ConvergenceWarning)
        process = GaussianProcessRegressor(kernel).fit(points[used], told)
    value, std = process.predict(points, return_std=True)
    inverse = cho_solve((process.L_, True), np.eye(len(used)))
    variance = 1 / np.diag(inverse)
    missed = inverse @ told * variance
    value[used], std[used] = told - missed, np.sqrt(variance)
    scale = float(np.sqrt(np.mean(missed**2 / variance)))
    rms = float(np.sqrt(np.mean(missed**2)))
    return mean + size * value, size * scale * std, size * rms


def clusters_of(points: Array, count: int | None = None, seed: int = 0) -> NDArray[np.intp]:
    """(n,) number of each point's cluster, the largest first; −1 of points in none.

    Parameters
    ----------
    points
        (n, d) places on the map.
    count
        So many, by k-means; None: as dense groups have them (HDBSCAN), one if there are no such.
    seed
        Of k-means.
    """
    if count is not None:
        found = KMeans(count, n_init=10, random_state=seed).fit_predict(points)
    else:
        least = max(_LEAST_GROUP, round(_SMALLEST * len(points)))
        few = len(points) < 2 * least
        found = np.full(len(points), -1) if few else HDBSCAN(min_cluster_size=least, copy=True).fit_predict(points)
        if (found < 0).all():
            return np.zeros(len(points), np.intp)
    sizes = np.bincount(found[found >= 0])
    rank = np.empty(len(sizes), np.intp)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return np.where(found >= 0, rank[found], -1)


def error_limit(errors: Array) -> float:
    """Error above which a row is told by the map far worse than most: by median and median absolute deviation."""
    middle = float(np.median(errors))
    spread = _ROBUST * float(np.median(np.abs(errors - middle)))
    return max(middle + _FAR * spread, _LEAST_FAR * middle)
