"""Many spectra or patterns become points of a map: an autoencoder's feature space, as a transformer of scikit-learn.

After K. Utimula et al., Adv. Theory Simul. 5, 2200613 (2022): points that lie together are alike, a range of the
spectrum matters as far as a point moves when it is masked, and the decoder draws what lies between two points.
``run.maps`` makes the rows of scans or patterns; ``map_file`` keeps a map.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.manifold import Isomap
from sklearn.utils.validation import check_is_fitted, validate_data

from exafsnn.learn.autoencoder import AutoencoderSettings, Single, decode, encode, learn
from exafsnn.records import Array

__all__ = ["SpectrumMap"]

_LANDMARKS = 400
"""Rows that have a place from the start: paths between all pairs of more would cost more than the training."""
_MOST = 64
"""Components that the network sees at most."""
_ROUNDING = 1e-7
"""What is smaller, over the largest component, is rounding."""
_CHUNK = 4096
"""Rows that are worked on at a time."""


class SpectrumMap(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A map of rows by an autoencoder whose bottleneck has two numbers.

    Rows are taken for signal and noise of about one size in every column: divide by the noise first, or take the
    square root of counts. What the network sees are the principal components that stand out of the noise
    (M. Gavish and D. L. Donoho, IEEE Trans. Inf. Theory 60, 5040 (2014)). Its points are drawn to where Isomap
    (J. B. Tenenbaum et al., Science 290, 2319 (2000)) has them, which measures along the data and not across: then a
    straight line on the map is a path of spectra, even where peaks move by more than their width.

    Parameters
    ----------
    n_components : int
        Dimensions d of the map.
    n_neighbors : int
        Of each row, from which Isomap makes its paths.
    hidden, steps, batch, learning_rate, pull
        As ``learn.autoencoder.AutoencoderSettings`` has them.
    random_state : int
        The same number and rows give the same map.

    Attributes
    ----------
    mean_
        (p,) mean row.
    basis_
        (k, p) orthonormal components that the network sees, the largest first.
    size_
        Size of the rows' differences from the mean along the basis, per dimension of the map.
    noise_
        Standard deviation of what is outside the basis, in each column.
    weights_
        Of the network.
    turn_
        (d + 1, d) the network's points, and a row for their centre, → the map, whose centre is 0, whose axes are its
        principal ones and on which the root mean square distance from the centre, its spread, is 1.
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        n_neighbors: int = 8,
        hidden: int = 128,
        steps: int = 1500,
        batch: int = 64,
        learning_rate: float = 3e-3,
        pull: float = 0.3,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.hidden = hidden
        self.steps = steps
        self.batch = batch
        self.learning_rate = learning_rate
        self.pull = pull
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the map of (n, p) rows; ``y`` is not used.

        Raises
        ------
        ValueError
            If there are fewer than three rows, or fewer columns than dimensions, or a value is not finite.
        """
        del y
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=3, ensure_min_features=2)
        n, p = rows.shape
        if not 1 <= self.n_components < min(n, p + 1):
            raise ValueError(
                f"a map of n_samples = {n} rows of n_features = {p} numbers has 1 to {min(n - 1, p)} dimensions,"
                f" not {self.n_components}"
            )
        self.mean_ = rows.mean(axis=0)
        away = rows - self.mean_
        self.basis_, self.noise_ = _standing_out(away, self.n_components)
        along = away @ self.basis_.T  # [row, component]
        self.size_ = float(np.sqrt((along**2).sum(axis=1).mean() / self.n_components)) or 1.0
        along /= self.size_
        rng = np.random.default_rng(self.random_state)
        placed = np.sort(rng.permutation(n)[:_LANDMARKS])
        places = _places(along[placed], self.n_components, self.n_neighbors)
        settings = AutoencoderSettings(
            self.hidden, self.steps, self.batch, self.learning_rate, self.pull, int(rng.integers(2**31))
        )
        self.weights_ = learn(along, self.noise_ / self.size_, places, placed, settings)
        self.turn_ = _turn(encode(_double(self.weights_), along))
        return self

    def transform(self, X: Any) -> Array:
        """(n, p) rows → their (n, d) points, in units of the map's spread."""
        return self._points(self._checked(X))

    def inverse_transform(self, X: Any) -> Array:
        """(n, d) points → the (n, p) rows that lie there."""
        check_is_fitted(self)
        points = np.asarray(X, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != self.n_components:
            raise ValueError(f"points of shape {points.shape}, required (n, {self.n_components})")
        raw = np.linalg.solve(self.turn_[:-1].T, (points - self.turn_[-1]).T).T
        rows: Array = decode(_double(self.weights_), raw) * self.size_ @ self.basis_ + self.mean_
        return rows

    def errors(self, X: Any) -> Array:
        """(n,) root mean square of what each row's own point does not say of it."""
        rows = self._checked(X)
        parts = [rows[first : first + _CHUNK] for first in range(0, len(rows), _CHUNK)]
        missed = [part - self.inverse_transform(self._points(part)) for part in parts]
        return np.concatenate([np.sqrt((part**2).mean(axis=1)) for part in missed])

    def relevance(self, X: Any, masks: Iterable[Array]) -> Array:
        """How far each row's point moves when a range is masked, in units of the map's spread.

        Masked is what is there made like the mean: x → x − M(x − x̄).

        Parameters
        ----------
        X
            (n, p) rows.
        masks
            M of each range: a mask of (p,) columns, or a (p, p) projection.

        Returns
        -------
        (n, w) relevance of each row and mask.
        """
        rows = self._checked(X)
        hidden = []
        for mask in masks:
            mask = np.asarray(mask, dtype=np.float64)
            seen = self.basis_ * mask if mask.ndim == 1 else self.basis_ @ mask  # [component, column]
            hidden.append(seen)
        found = np.empty((len(rows), len(hidden)))
        weights = _double(self.weights_)
        for first in range(0, len(rows), _CHUNK):
            away = rows[first : first + _CHUNK] - self.mean_
            along = away @ self.basis_.T / self.size_
            points = encode(weights, along)
            for number, seen in enumerate(hidden):
                moved = encode(weights, along - away @ seen.T / self.size_) - points
                found[first : first + _CHUNK, number] = np.linalg.norm(moved @ self.turn_[:-1], axis=1)
        return found

    @property
    def _n_features_out(self) -> int:
        return self.n_components

    def _checked(self, X: Any) -> Array:
        check_is_fitted(self)
        rows: Array = validate_data(self, X, dtype=np.float64, reset=False)
        return rows

    def _points(self, rows: Array) -> Array:
        along = (rows - self.mean_) @ self.basis_.T / self.size_
        points: Array = encode(_double(self.weights_), along) @ self.turn_[:-1] + self.turn_[-1]
        return points


def _double(weights: dict[str, Single]) -> dict[str, Array]:
    """The same weights, in double precision: then a row's point does not depend on the rows beside it."""
    return {name: value.astype(np.float64) for name, value in weights.items()}


def _standing_out(away: Array, least: int) -> tuple[Array, float]:
    """Components (k, p) of centred rows (n, p) that stand out of the noise, and the noise in each column beside them.

    Singular values count above ω(β) times their median, with β the ratio of the sides (Gavish and Donoho, eq. 11 and
    their fit of ω); at least ``least``.
    """
    n, p = away.shape
    if n > p:  # from the covariance, whose size does not grow with the rows
        values, vectors = np.linalg.eigh(away.T @ away)
        sizes, basis = np.sqrt(values[::-1].clip(0)), vectors[:, ::-1].T
    else:
        _, sizes, basis = np.linalg.svd(away, full_matrices=False)
    told = max(int((sizes > _ROUNDING * sizes[0]).sum()), least)  # the mean took one, and each copy of a row another
    sizes, basis, n = sizes[:told], basis[:told], min(n, told + 1) if told < p else n
    beta = min(n, p) / max(n, p)
    limit = (0.56 * beta**3 - 0.95 * beta**2 + 1.82 * beta + 1.43) * np.median(sizes)
    count = int(np.clip((sizes > limit).sum(), least, min(_MOST, len(sizes))))
    basis = basis[:count] * np.sign(basis[np.arange(count), np.abs(basis[:count]).argmax(axis=1)])[:, None]
    left = max((n - 1 - count) * (p - count), 1)
    return np.ascontiguousarray(basis), float(np.sqrt((sizes[count:] ** 2).sum() / left))


def _places(rows: Array, dimensions: int, neighbours: int) -> Array:
    """(m, d) places of (m, k) rows by Isomap, of mean square 1 in each dimension."""
    isomap = Isomap(
        n_neighbors=min(neighbours, len(rows) - 1), n_components=dimensions, eigen_solver="dense", path_method="D"
    )
    with warnings.catch_warnings():  # rows in groups without a path between them: the shortest ones are added
        warnings.simplefilter("ignore")
        places: NDArray[np.float64] = np.nan_to_num(isomap.fit_transform(rows))
    return places / (np.sqrt((places**2).sum(axis=1).mean() / dimensions) or 1.0)


def _turn(points: Array) -> Array:
    """(d + 1, d) what brings points to their centre, principal axes and unit spread."""
    centre = points.mean(axis=0)
    away = points - centre
    _, vectors = np.linalg.eigh(away.T @ away)
    axes = vectors[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    axes = axes / (np.sqrt((away**2).sum(axis=1).mean()) or 1.0)
    return np.vstack([axes, -centre @ axes])
