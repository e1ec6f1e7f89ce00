"""``pre_edge`` and ``autobk`` of larch as one factorised matrix, for all scans of one grid, E₀ and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from exafsnn.measure.background import larch_xafs
from exafsnn.measure.batch.forms import KEPT, polynomial_at
from exafsnn.records import Array

FIRST_WEIGHT = 0.01
"""Square of the weight of the clamps, λ, where the iteration for it begins: AUTOBK's least."""

MOST_ITERATIONS, SETTLED = 50, 1e-12
"""How often λ is calculated at most, and the relative change below which it is final."""


@dataclass(frozen=True)
class Removal:
    """AUTOBK (Newville, Līviņš, Yacoby, Rehr & Stern, Phys. Rev. B 47, 14126 (1993)) as larch has it.

    It minimises P + w²Q over the spline's coefficients c, where P = Σ|χ(R)|² below rbkg, Q = Σχ² at the clamped ends,
    and w = 0.1 + 10 P/n, n being the number of values in P. Its gradient is (1 + 20 wQ/n) ∇P + w² ∇Q: so c minimises
    P + λQ with λ = w²/(1 + 20 wQ/n). In the coordinates z in which both are diagonal,

        P = Σ(oᵢ − pᵢzᵢ)² + rest,   Q = Σ(qᵢ − sᵢzᵢ)² + rest,   zᵢ = (pᵢoᵢ + λsᵢqᵢ)/(pᵢ² + λsᵢ²),

    o and q being linear in μ; λ and z are calculated in turn until λ stays.
    """

    k: Array
    """(m,) [Å⁻¹]."""
    points: slice
    """Points of the scan that are used."""
    matrix: Array
    """(points, m + o + q) μ → its spline on ``k``, then o and q, rests included."""
    count: int
    """Number of values o."""
    low: Array
    """(z,) p."""
    clamped: Array
    """(z,) s."""
    background: Array
    """(z, m) what each z takes from χ·Δμ₀."""
    step: Array
    """(n,) edge step, but for its sign, of μ."""

    def __call__(self, mu: Array) -> tuple[Array, Array]:
        """χ(k) (s, m) and edge step (s,) of scans (s, n)."""
        step = np.maximum(np.abs(mu @ self.step), 1e-12)
        spline, o, q = np.split(mu[:, self.points] @ self.matrix, np.cumsum([len(self.k), self.count]), axis=1)
        return (spline - self._coordinates(o, q) @ self.background) / step[:, None], step

    def _coordinates(self, o: Array, q: Array) -> Array:
        """(s, z) at the minimum."""
        p, s, size, n = self.low, self.clamped, len(self.low), o.shape[1]
        rests = [(part[:, size:] ** 2).sum(axis=1) for part in (o, q)]
        o, q = o[:, :size], q[:, :size]
        weight = np.full((len(o), 1), FIRST_WEIGHT)
        for _ in range(MOST_ITERATIONS):
            z = (p * o + weight * s * q) / (p**2 + weight * s**2)
            P = rests[0] + ((o - p * z) ** 2).sum(axis=1)
            Q = rests[1] + ((q - s * z) ** 2).sum(axis=1)
            w = 0.1 + 10 * P / n
            last, weight = weight, (w**2 / (1 + 20 * w * Q / n))[:, None]
            if (np.abs(weight - last) <= SETTLED * last).all():
                break
        return np.asarray(z)


@lru_cache(maxsize=KEPT)
def removal_of(grid: bytes, parameters: tuple[tuple[str, Any], ...]) -> Removal:
    """Factorise what larch's ``autobk`` minimises, for a grid and all parameters by name."""
    from larch.math import index_of, remove_dups
    from larch.xafs.xafsutils import ETOK, TINY_ENERGY
    from scipy.interpolate import make_interp_spline

    larch_xafs()
    values = dict(parameters)
    energy, e0 = remove_dups(np.frombuffer(grid), tiny=TINY_ENERGY), values["e0"]
    first = index_of(energy, e0)
    k_raw = np.sign(energy[first:] - e0) * np.sqrt(ETOK * np.abs(energy[first:] - e0))
    kmax = min(float(k_raw.max()), values["kmax"])
    last = min(len(energy), 2 + index_of(energy, e0 + kmax**2 / ETOK))
    k = values["kstep"] * np.arange(int(1.01 + kmax / values["kstep"]))
    to_k = make_interp_spline(k_raw[: last - first], np.eye(last - first), k=3)(k)
    splines, low_r = _splines(k_raw, kmax, values)
    carried = to_k @ splines[: last - first]
    parts = _factorised(to_k, carried, _transform(k, kmax, low_r, values), _clamps(k, carried.shape[1], values))
    return Removal(k, slice(first, last), *parts, _step(energy, values))


def _factorised(to_k: Array, carried: Array, transform: Array, clamps: Array) -> tuple[Array, int, Array, Array, Array]:
    """Matrix, count, low, clamped and background of a ``Removal``; splines are ``carried`` to k as μ is by ``to_k``."""
    both, triangle = np.linalg.qr(np.concatenate([transform @ carried, np.sqrt(FIRST_WEIGHT) * clamps @ carried]))
    left, clamped, right = np.linalg.svd(both[len(transform) :])
    turned, low = np.linalg.qr(both[: len(transform)] @ right.T, mode="complete")
    background = carried @ np.linalg.solve(triangle, right.T)
    matrix = np.concatenate([to_k, turned.T @ transform @ to_k, left.T @ clamps @ to_k]).T
    return (
        np.ascontiguousarray(matrix),
        len(transform),
        np.diag(low).copy(),
        clamped / np.sqrt(FIRST_WEIGHT),
        np.ascontiguousarray(background.T),
    )


def _clamps(k: Array, fewest: int, values: Mapping[str, Any]) -> Array:
    """(q, m) χ(k) → what is clamped at its ends; padded by zeros to ``fewest`` rows."""
    clamps = np.zeros((max(2 * values["nclamp"], fewest), len(k)))
    for i in range(values["nclamp"]):
        clamps[2 * i, i], clamps[2 * i + 1, -1 - i] = abs(values["clamp_lo"]), abs(values["clamp_hi"])
    return clamps


def _splines(k_raw: Array, kmax: float, values: Mapping[str, Any]) -> tuple[Array, int]:
    """(points, z) splines of the background at wavenumbers [Å⁻¹], and the number of points of χ(R) below rbkg."""
    from larch.math import index_nearest
    from scipy.interpolate import BSpline, splrep

    spacing = np.pi / (values["kstep"] * values["nfft"])
    length = kmax - values["kmin"]
    count = 1 + int(2 * max(values["rbkg"], 2 * spacing) * length / np.pi)
    low_r = int(1 + (count - 1) * np.pi / (2 * spacing * length))
    count = max(5, min(128, count))
    places = [k_raw[index_nearest(k_raw, values["kmin"] + i * length / (count - 1))] for i in range(count)]
    knots = splrep(places, np.ones(count), k=3)[0]
    return BSpline(knots, np.eye(count), 3)(k_raw), low_r


def _transform(k: Array, kmax: float, low_r: int, values: Mapping[str, Any]) -> Array:
    """(2 low_r, m) χ(k) → real and imaginary parts of χ(R) at its first points, as ``autobk`` takes them."""
    from larch.xafs.xafsft import ftwindow

    slopes = {"dx": values["dk"], "dx2": values["dk"]}
    window = ftwindow(k, xmin=values["kmin"], xmax=kmax, window=values["window"], **slopes)
    phase = 2 * np.pi * np.outer(np.arange(low_r), np.arange(len(k))) / values["nfft"]
    waves = np.concatenate([np.cos(phase), -np.sin(phase)])
    scale = 0.05 / np.sqrt(np.pi)  # autobk leaves the k step of its transform as it is, whatever kstep is
    transform: Array = scale * waves * window * k ** values["kweight"]
    return transform


def _step(energy: Array, values: Mapping[str, Any]) -> Array:
    """(n,) linear form that is the edge step of larch's ``pre_edge``: the polynomials' difference at E₀."""
    from larch.math import index_nearest, index_of

    e0, n = values["e0"], len(energy)
    first, last = index_of(energy, e0 + values["pre1"]), index_nearest(energy, e0 + values["pre2"])
    degree = 1 if index_of(energy - e0, values["pre2"]) - index_of(energy - e0, values["pre1"]) >= 3 else 0
    last = max(last, min(n, first + 2) if degree else first + 1)
    below = slice(first, last)
    norm2 = min(values["norm2"], float(energy[-1]) - e0)
    norm1 = min(values["norm1"], norm2 - 2)
    line, degree = degree, max(min(values["nnorm"], 5), 0)
    first, last = min(index_of(energy, e0 + norm1), n - 3), index_nearest(energy, e0 + norm2)
    if last - first < 2:
        first, degree = first - 2, 0
    elif last - first < 5:
        degree = min(1, degree)
    place = index_nearest(energy, e0)
    form = np.zeros(n)
    form[first:last] = polynomial_at(energy[[place]], energy[first:last], degree)[0]
    used = slice(first, last)
    form[below] -= form[used] @ polynomial_at(energy[used], energy[below], line)
    return form
