"""Sound scans → χ(k) with AUTOBK, every parameter explicit: a model holds only for the preprocessing it learned.

Larch is the definition; here its minimum is found by linear algebra, for all scans of one grid and E₀ at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.linear import KEPT, polynomial_at
from exafsnn.measure.noise import NOISE_KWEIGHT, NOISE_R
from exafsnn.measure.sampling import wavenumbers
from exafsnn.records import Array
from exafsnn.settings import BackgroundSettings

if TYPE_CHECKING:
    from scipy.interpolate import BSpline

_NORMAL_RISES = (0.05, 8.0)
"""Rises of μ at the edge that are taken as they are. The floor of larch's edge step (1e-12) and its clamps (20 % of
χ(k) for μ in 10⁴ counts) depend on the unit, so other scans are brought to a rise of 1."""

_FIXED = {"nvict": 0, "npre": 1, "step": None}
"""larch's ``pre_edge`` parameters that no setting changes: a straight line below the edge, the step from the fit."""

_FIRST_WEIGHT = 0.01
"""Square of the weight of the clamps, λ, where the iteration for it begins: AUTOBK's least."""

_MOST_ITERATIONS, _SETTLED = 50, 1e-12
"""How often λ is calculated at most, and the relative change below which it is final."""

_TINY_ENERGY = 5e-4
"""Energies [eV] that lie nearer to each other are moved apart, as larch does."""


def units(rise: Array) -> Array:
    """(s,) units in which μ is removed: 1, or the rise at the edge (s,) where that is not ordinary."""
    ordinary = (rise <= 0) | ((rise >= _NORMAL_RISES[0]) & (rise <= _NORMAL_RISES[1]))
    return np.where(ordinary, 1.0, rise)


def resolved(settings: BackgroundSettings, energy: Array, e0: float) -> dict[str, Any]:
    """Every value that the removal uses, as numbers: nothing is left to larch's defaults."""
    last = float(energy[-1]) - e0
    k_end = float(wavenumbers(last, 0.0))
    within_scan = replace(  # which the settings check once more
        settings,
        e0=e0,
        norm2=last if settings.norm2 is None else min(settings.norm2, last),
        pre1=max(settings.pre1, float(energy[0]) - e0),
        kmax=k_end if settings.kmax is None else min(settings.kmax, k_end),
    )
    noise = {"noise_r": NOISE_R, "noise_kweight": NOISE_KWEIGHT}
    return {**vars(within_scan), **_FIXED, **noise, "larch": _larch_version()}


@cache
def _larch_version() -> str:
    return metadata.version("xraylarch")


@dataclass(frozen=True)
class _Removal:
    """AUTOBK (Newville, Līviņš, Yacoby, Rehr & Stern, Phys. Rev. B 47, 14126 (1993)) as larch has it.

    It minimises P + w²Q over the spline's coefficients c, where P = Σ|χ(R)|² below rbkg, Q = Σχ² at the clamped ends,
    and w = 0.1 + 10 P/n, n being the number of values in P. Its gradient is (1 + 20 wQ/n) ∇P + w² ∇Q: so c minimises
    P + λQ with λ = w²/(1 + 20 wQ/n). In the coordinates z in which both are diagonal,

        P = Σ(oᵢ − pᵢzᵢ)² + rest,   Q = Σ(qᵢ − sᵢzᵢ)² + rest,   zᵢ = (pᵢoᵢ + λsᵢqᵢ)/(pᵢ² + λsᵢ²),

    o and q being linear in μ; λ and z are calculated in turn until λ stays. Larch's own search ends a little before
    that minimum, where its derivatives by finite differences do: 10⁻⁶ of max |k²χ| and less, but 10⁻³ where clamps at
    k = 0 are so strong that χ of order 1 there decides. Then, too, the minimum itself is taken.
    """

    k: Array
    """(m,) [Å⁻¹]."""
    points: slice
    """Points of the scan that are used."""
    energies: Array
    """Their energies as wavenumbers [Å⁻¹], negative below E₀."""
    forms: Array
    """(m, o + q) χ(k)·Δμ₀ without background → o and q, rests included."""
    count: int
    """Number of values o."""
    low: Array
    """(z,) p."""
    clamped: Array
    """(z,) s."""
    background: Array
    """(z, points) what each z is of μ₀(E) …"""
    background_k: Array
    """(z, m) … and on ``k``."""
    step: Array
    """(n,) edge step, but for its sign, of μ."""

    def __call__(self, mu: Array) -> tuple[Array, Array, Array]:
        """χ(k) (s, m), background μ₀(E) (s, n) and edge step (s,) of scans (s, n)."""
        step = np.maximum(np.abs(mu @ self.step), 1e-12)
        spline = _splined(self.energies, mu[:, self.points], self.k)
        o, q = np.split(spline @ self.forms, [self.count], axis=1)
        z = self._coordinates(o, q)
        background = mu.copy()
        background[:, self.points] = z @ self.background
        return (spline - z @ self.background_k) / step[:, None], background, step

    def _coordinates(self, o: Array, q: Array) -> Array:
        """(s, z) at the minimum."""
        p, s, size, n = self.low, self.clamped, len(self.low), o.shape[1]
        rests = [(part[:, size:] ** 2).sum(axis=1) for part in (o, q)]
        o, q = o[:, :size], q[:, :size]
        weight = np.full((len(o), 1), _FIRST_WEIGHT)
        for _ in range(_MOST_ITERATIONS):
            z = (p * o + weight * s * q) / (p**2 + weight * s**2)
            P = rests[0] + ((o - p * z) ** 2).sum(axis=1)
            Q = rests[1] + ((q - s * z) ** 2).sum(axis=1)
            w = 0.1 + 10 * P / n
            last, weight = weight, (w**2 / (1 + 20 * w * Q / n))[:, None]
            if (np.abs(weight - last) <= _SETTLED * last).all():
                break
        return np.asarray(z)


@lru_cache(maxsize=4 * KEPT)
def removal_of(grid: bytes, parameters: tuple[tuple[str, Any], ...]) -> _Removal:
    """Factorise what AUTOBK minimises, for a grid and all parameters by name.

    Raises
    ------
    ScanError
        If no spline goes through so few points.
    """
    values = dict(parameters)
    energy, e0 = _apart(np.frombuffer(grid)), values["e0"]
    first = _index_of(energy, e0)
    k_raw = np.sign(energy[first:] - e0) * wavenumbers(np.abs(energy[first:] - e0), 0.0)
    kmax = min(float(k_raw.max()), values["kmax"])
    last = min(len(energy), 2 + _index_of(energy, e0 + kmax**2 / wavenumbers(1.0, 0.0) ** 2))
    k = values["kstep"] * np.arange(int(1.01 + kmax / values["kstep"]))
    used = k_raw[: last - first]
    try:
        splines, low_r = _splines(k_raw, kmax, values)
        # their knots are points of the scan: a cubic spline through their values would be the same on k
        at_points, carried = np.split(splines(np.concatenate([used, k])), [len(used)])
        parts = _factorised(carried, _transform(k, kmax, low_r, values), _clamps(k, values))
    except (ValueError, np.linalg.LinAlgError) as error:
        reason = f"AUTOBK found no background ({error})"
        raise ScanError(reason, remedy="Try another --rbkg or --kmax, or measure more points") from error
    forms, count, low, clamped, turn = parts
    background = (at_points @ turn).T
    on_k = np.ascontiguousarray((carried @ turn).T)
    return _Removal(
        k, slice(first, last), used, forms, count, low, clamped, background, on_k, _step(energy, values)
    )  # fmt: skip


def _splined(x: Array, values: Array, new: Array) -> Array:
    """(s, p) cubic splines through values (s, n) at ``x`` (n,), at new places (p,)."""
    from scipy.interpolate import make_interp_spline

    spline: Array = make_interp_spline(x, values.T, k=3)(new).T
    return spline


def _factorised(carried: Array, transform: Array, clamps: Array) -> tuple[Array, int, Array, Array, Array]:
    """Forms, count, low and clamped of a ``_Removal``, and (c, z) from z to the coefficients of the splines.

    Parameters
    ----------
    carried
        (m, c) splines on k.
    transform, clamps
        What makes P and Q of χ(k).
    """
    both, triangle = np.linalg.qr(np.concatenate([transform @ carried, np.sqrt(_FIRST_WEIGHT) * clamps @ carried]))
    left, values, right = np.linalg.svd(both[len(transform) :])
    turned, low = np.linalg.qr(both[: len(transform)] @ right.T, mode="complete")
    size, missing = low.shape[1], max(low.shape[1] - len(clamps), 0)
    forms = np.concatenate([turned.T @ transform, left.T @ clamps, np.zeros((missing, len(carried)))]).T
    clamped = np.concatenate([values / np.sqrt(_FIRST_WEIGHT), np.zeros(size - len(values))])
    return np.ascontiguousarray(forms), len(transform), np.diag(low).copy(), clamped, np.linalg.solve(triangle, right.T)


def _clamps(k: Array, values: Mapping[str, Any]) -> Array:
    """(q, m) χ(k) → what is clamped at its ends."""
    clamps = np.zeros((2 * values["nclamp"], len(k)))
    for i in range(values["nclamp"]):
        clamps[2 * i, i], clamps[2 * i + 1, -1 - i] = abs(values["clamp_lo"]), abs(values["clamp_hi"])
    return clamps


def _splines(k_raw: Array, kmax: float, values: Mapping[str, Any]) -> tuple[BSpline, int]:
    """Splines of the background over k [Å⁻¹], and the number of points of χ(R) below rbkg."""
    from scipy.interpolate import BSpline

    spacing = np.pi / (values["kstep"] * values["nfft"])
    length = kmax - values["kmin"]
    count = 1 + int(2 * max(values["rbkg"], 2 * spacing) * length / np.pi)
    low_r = int(1 + (count - 1) * np.pi / (2 * spacing * length))
    count = max(5, min(128, count))
    wanted = values["kmin"] + np.arange(count) * length / (count - 1)
    places = k_raw[np.abs(k_raw[:, None] - wanted).argmin(axis=0)]
    if (np.diff(places) <= 0).any():
        raise ValueError(f"its {count} knots are more than the points allow")
    knots = np.concatenate([np.full(4, places[0]), places[2:-2], np.full(4, places[-1])])  # not a knot at either end
    return BSpline(knots, np.eye(count), 3), low_r


def _transform(k: Array, kmax: float, low_r: int, values: Mapping[str, Any]) -> Array:
    """(2 low_r, m) χ(k) → real and imaginary parts of χ(R) at its first points, as ``autobk`` takes them."""
    window = _window(k, values["kmin"], kmax, values["dk"], values["window"])
    waves = _waves(low_r, len(k), values["nfft"])
    scale = 0.05 / np.sqrt(np.pi)  # autobk leaves the k step of its transform as it is, whatever kstep is
    transform: Array = scale * waves * window * k ** values["kweight"]
    return transform


@lru_cache(maxsize=KEPT)
def _waves(low_r: int, m: int, nfft: int) -> Array:
    """(2 low_r, m) cosines and negative sines of a Fourier transform of ``nfft`` points, of the first low_r of it."""
    phase = 2 * np.pi * np.outer(np.arange(low_r), np.arange(m)) / nfft
    return np.concatenate([np.cos(phase), -np.sin(phase)])


def _window(k: Array, low: float, high: float, dk: float, name: str) -> Array:
    """(m,) larch's window of the Fourier transform; the Hanning window without larch, which is slow to import."""
    if name != "hanning":
        from larch.xafs.xafsft import ftwindow

        window: Array = ftwindow(k, xmin=low, xmax=high, window=name, dx=dk, dx2=dk)
        return window
    step = (k[-1] - k[0]) / (len(k) - 1)
    tiny = 1e-4 * step
    ends = (
        max(k[0], low - dk / 2), low + dk / 2 + tiny, high - dk / 2 - tiny, min(k[-1], high + dk / 2)
    )  # fmt: skip
    i1, i2, i3, i4 = (int((end + tiny) / step) for end in ends)
    i1, i2, i3, i4 = max(0, i1), max(0, i2), min(len(k) - 1, i3), min(len(k) - 1, i4)
    i1 = max(0, i2 - 1) if i2 == i1 else i1
    i3 = max(i2, i4 - 1) if i4 == i3 else i3
    x1, x2, x3, x4 = k[[i1, i2, i3, i4]]
    x2, x4 = x2 + tiny * (x1 == x2), x4 + tiny * (x3 == x4)
    window = np.zeros(len(k))
    window[i2:i3] = 1.0
    window[i1 : i2 + 1] = np.sin(np.pi / 2 * (k[i1 : i2 + 1] - x1) / (x2 - x1)) ** 2
    window[i3 : i4 + 1] = np.cos(np.pi / 2 * (k[i3 : i4 + 1] - x3) / (x4 - x3)) ** 2
    return window


def _step(energy: Array, values: Mapping[str, Any]) -> Array:
    """(n,) linear form that is the edge step of larch's ``pre_edge``: the polynomials' difference at E₀."""
    e0, n = values["e0"], len(energy)
    first, last = _index_of(energy, e0 + values["pre1"]), _nearest(energy, e0 + values["pre2"])
    degree = 1 if _index_of(energy - e0, values["pre2"]) - _index_of(energy - e0, values["pre1"]) >= 3 else 0
    last = max(last, min(n, first + 2) if degree else first + 1)
    below = slice(first, last)
    norm2 = min(values["norm2"], float(energy[-1]) - e0)
    norm1 = min(values["norm1"], norm2 - 2)
    line, degree = degree, max(min(values["nnorm"], 5), 0)
    first, last = min(_index_of(energy, e0 + norm1), n - 3), _nearest(energy, e0 + norm2)
    if last - first < 2:
        first, degree = first - 2, 0
    elif last - first < 5:
        degree = min(1, degree)
    place = _nearest(energy, e0)
    form = np.zeros(n)
    form[first:last] = polynomial_at(energy[[place]], energy[first:last], degree)[0]
    used = slice(first, last)
    form[below] -= form[used] @ polynomial_at(energy[used], energy[below], line)
    return form


def _index_of(values: Array, value: float) -> int:
    """Index of the last of increasing values that is not above one; 0 where all are."""
    return max(int(np.searchsorted(values, value, side="right")) - 1, 0)


def _nearest(values: Array, value: float) -> int:
    """Index of the value nearest to one."""
    return int(np.argmin(np.abs(values - value)))


def _apart(energy: Array) -> Array:
    """Energies [eV] as larch takes them: those that all but coincide are moved apart."""
    if np.diff(energy).min() > 10 * _TINY_ENERGY:
        return energy
    from larch.math import remove_dups

    moved: Array = remove_dups(energy, tiny=_TINY_ENERGY)
    return moved
