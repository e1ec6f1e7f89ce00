"""σ²(T) of a measured series → Einstein or Debye temperature; lengths(T) → thermal expansion.

Correlated models: Sevillano, Meuth & Rehr, Phys. Rev. B 20, 4908 (1979); Rehr & Albers, Rev. Mod. Phys. 72, 621
(2000), section V. Series simulated with classical molecular dynamics have no zero-point motion: their σ² vanishes
with T, and the Einstein or Debye temperature of such a series is meaningless.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from exafsnn.constants import HBAR2_PER_MASS_KELVIN
from exafsnn.errors import ScanError, SettingsError
from exafsnn.records import Array

_RANGE = (10.0, 5000.0)
"""Einstein and Debye temperatures [K] that a solid can have."""
_STARTS = 200
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)
_WITHIN_95 = 3.841459
"""χ² of one parameter's 95 % interval."""
_VAGUE = 0.5
"""Relative standard deviation beyond which nothing is determined."""


@dataclass(frozen=True)
class Vibration:
    """Characteristic temperature of a bond's vibration, from σ² at several temperatures."""

    model: str
    """``"einstein"`` or ``"debye"``."""
    theta: float
    """Einstein or Debye temperature [K] …"""
    theta_std: float
    theta_low: float
    """… its 95 % interval, by the likelihood …"""
    theta_high: float
    static: float
    """σ² [Å²] that does not depend on temperature: static disorder, and any constant error; 0 if it was not fitted."""
    static_std: float
    misfit: float
    """Reduced χ²; NaN without a degree of freedom. Where it is above 1, all errors are multiplied by its root."""


@dataclass(frozen=True)
class Expansion:
    """Linear thermal expansion of a length."""

    coefficient: float
    """(1/L) dL/dT [K⁻¹] …"""
    coefficient_std: float
    temperature: float
    """… at this temperature [K], the weighted mean of the series."""
    length: float
    """L [Å] at that temperature."""
    length_std: float
    misfit: float
    """Reduced χ²; NaN without a degree of freedom. Where it is above 1, all errors are multiplied by its root."""


def einstein_sigma2(temperature: Array, theta: float, mass: float) -> Array:
    """σ² [Å²] of an Einstein oscillator, ħ²/(2μk_Bθ_E) · coth(θ_E/2T).

    Parameters
    ----------
    temperature
        (n,) [K]; 0 gives the zero-point value.
    theta
        Einstein temperature [K].
    mass
        Reduced mass μ of absorber and neighbour [u]: half the atomic mass in an element.

    Returns
    -------
    Array
        (n,) σ² [Å²]; far above θ_E its slope is k_B/(μω²), with ħω = k_Bθ_E.
    """
    return HBAR2_PER_MASS_KELVIN / (2 * mass * theta) * _coth(theta, np.asarray(temperature, dtype=float))


def debye_sigma2(temperature: Array, theta: float, mass: float, distance: float, density: float) -> Array:
    """σ² [Å²] of a pair in a Debye solid, with the correlation of both atoms' motion.

    σ² = 3ħ²/(2μk_Bθ_D) ∫₀¹ x coth(xθ_D/2T) [1 − sin(k_D R x)/(k_D R x)] dx, k_D = (6π²n)^⅓; for an element μ is half
    the atomic mass, and without the sine this is twice ⟨u²⟩ of one atom.

    Parameters
    ----------
    temperature
        (n,) [K].
    theta
        Debye temperature [K].
    mass
        Reduced mass μ [u].
    distance
        R between the two atoms [Å].
    density
        Atoms per volume n [Å⁻³].

    Returns
    -------
    Array
        (n,) σ² [Å²].
    """
    x = (_NODES + 1) / 2
    cutoff = (6 * math.pi**2 * density) ** (1 / 3)
    spectrum = 3 * x * (1 - np.sinc(cutoff * distance * x / math.pi))
    occupation = _coth(theta * x, np.asarray(temperature, dtype=float)[..., None])
    return np.asarray(HBAR2_PER_MASS_KELVIN / (2 * mass * theta) * (occupation * spectrum) @ (_WEIGHTS / 2))


def _coth(theta: Array | float, temperature: Array) -> Array:
    """coth(θ/2T), also at T = 0."""
    with np.errstate(divide="ignore"):
        return np.asarray(1.0 / np.tanh(np.divide(theta, 2 * temperature)))


def fit_einstein(
    temperature: Array, sigma2: Array, std: Array, mass: float, *, static: bool | None = None
) -> Vibration:
    """Einstein temperature of a measured series; meaningless for classical simulations, which lack zero-point motion.

    Parameters
    ----------
    temperature
        (n,) [K], two different ones at least.
    sigma2, std
        (n,) σ² and its standard deviation [Å²].
    mass
        Reduced mass μ of absorber and neighbour [u].
    static
        Whether to fit a static σ² too, which also takes up any error common to all scans; where None, from three
        different temperatures on.

    Raises
    ------
    ScanError
        If there are too few temperatures, values that are no numbers, or σ²(T) does not determine the temperature.
    SettingsError
        If a mass is not positive, or shapes do not fit.
    """
    _positive(mass=mass)
    return _fit("einstein", lambda t, theta: einstein_sigma2(t, theta, mass), temperature, sigma2, std, static)


def fit_debye(
    temperature: Array,
    sigma2: Array,
    std: Array,
    mass: float,
    distance: float,
    density: float,
    *,
    static: bool | None = None,
) -> Vibration:
    """Debye temperature of a measured series; see ``debye_sigma2`` and ``fit_einstein`` for parameters and errors."""
    _positive(mass=mass, distance=distance, density=density)

    def model(t: Array, theta: float) -> Array:
        return debye_sigma2(t, theta, mass, distance, density)

    return _fit("debye", model, temperature, sigma2, std, static)


def expansion(temperature: Array, length: Array, std: Array) -> Expansion:
    """Linear thermal expansion from lattice constants, or distances, of one phase.

    ln L is fitted with a straight line. A bond's mean length also grows with the motion across it: its expansion is
    larger than the lattice's (Fornasini & Grisenti, J. Synchrotron Rad. 22, 1242 (2015)).

    Parameters
    ----------
    temperature
        (n,) [K], two different ones at least, within one phase.
    length, std
        (n,) length and its standard deviation [Å].

    Raises
    ------
    ScanError
        If there are too few temperatures, values that are no numbers, or lengths that are not positive.
    SettingsError
        If shapes do not fit.
    """
    t, lengths, errors = _checked(temperature, length, std, "length")
    if (lengths <= 0).any():
        raise ScanError("a length is not positive", where="length", remedy="Leave out the scans that failed")
    weight = (lengths / errors) ** 2
    mean = float(weight @ t / weight.sum())
    away, logarithm = t - mean, np.log(lengths)
    spread = float(weight @ away**2)
    slope = float(weight @ (away * logarithm) / spread)
    middle = float(weight @ logarithm / weight.sum())
    misfit, factor = _misfit(float(weight @ (logarithm - middle - slope * away) ** 2), t.size - 2)
    size = math.exp(middle)
    return Expansion(slope, factor / math.sqrt(spread), mean, size, factor * size / math.sqrt(weight.sum()), misfit)


def _fit(
    name: str,
    model: Callable[[Array, float], Array],
    temperature: Array,
    sigma2: Array,
    std: Array,
    static: bool | None,
) -> Vibration:
    """Least squares in θ, the static part eliminated; the interval is where χ² rises by 3.84."""
    t, values, errors = _checked(temperature, sigma2, std, "sigma2")
    places = np.unique(t).size
    with_static = places > 2 if static is None else static
    if with_static and places < 3:
        raise ScanError(
            f"{places} temperatures do not determine a static σ² as well",
            where="sigma2",
            remedy="Measure at a third temperature",
        )

    def rest(theta: float) -> tuple[float, float]:
        """Smallest χ², and the static σ² that gives it."""
        difference = values - model(t, theta)
        offset = float((difference / errors**2).sum() / (1 / errors**2).sum()) if with_static else 0.0
        return float((((difference - offset) / errors) ** 2).sum()), offset

    best = _best(lambda logarithm: rest(math.exp(logarithm))[0])
    theta = math.exp(best)
    squares, offset = rest(theta)
    misfit, factor = _misfit(squares, t.size - 1 - with_static)
    limit = squares + _WITHIN_95 * factor**2
    low, high = _ends(lambda logarithm: rest(math.exp(logarithm))[0] - limit, best)
    slope = (model(t, theta * 1.001) - model(t, theta / 1.001)) / (theta * (1.001 - 1 / 1.001)) / errors
    jacobian = np.column_stack([slope, 1 / errors]) if with_static else slope[:, None]
    spread = factor * np.sqrt(np.diagonal(np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-15)))
    if low is None or high is None or spread[0] > _VAGUE * theta:
        raise ScanError(
            f"σ² between {t.min():.0f} and {t.max():.0f} K does not determine the {name.capitalize()} temperature: "
            f"{math.exp(low) if low is not None else _RANGE[0]:.0f} to "
            f"{math.exp(high) if high is not None else _RANGE[1]:.0f} K are possible",
            where="sigma2",
            remedy="Measure over a wider range of temperature, within one phase",
        )
    static_std = float(spread[1]) if with_static else 0.0
    return Vibration(name, theta, float(spread[0]), math.exp(low), math.exp(high), offset, static_std, misfit)


def _best(squares: Callable[[float], float]) -> float:
    """ln θ of the smallest χ² within the possible range."""
    grid = np.linspace(math.log(_RANGE[0]), math.log(_RANGE[1]), _STARTS)
    lowest = int(np.argmin([squares(point) for point in grid]))
    bounds = grid[max(lowest - 1, 0)], grid[min(lowest + 1, _STARTS - 1)]
    return float(minimize_scalar(squares, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x)


def _ends(excess: Callable[[float], float], best: float) -> tuple[float | None, float | None]:
    """ln θ below and above the best where χ² exceeds its limit for good; None where it never does."""
    ends: list[float | None] = []
    for edge in np.log(_RANGE):
        grid = np.linspace(edge, best, _STARTS)
        inside = np.flatnonzero([excess(point) < 0 for point in grid])
        first = int(inside[0])
        ends.append(float(brentq(excess, grid[first - 1], grid[first])) if first else None)
    return ends[0], ends[1]


def _misfit(squares: float, freedom: int) -> tuple[float, float]:
    """Reduced χ², and the factor by which it raises the errors."""
    if freedom <= 0:
        return math.nan, 1.0
    return squares / freedom, max(1.0, math.sqrt(squares / freedom))


def _positive(**numbers: float) -> None:
    """Refuse numbers that are not positive."""
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise SettingsError(f"got {number}, need a positive number", where=name, remedy="Mind the units")


def _checked(temperature: Array, values: Array, std: Array, name: str) -> tuple[Array, Array, Array]:
    """Float arrays (n,) of a series with at least two temperatures."""
    t, y, errors = (np.asarray(given, dtype=float) for given in (temperature, values, std))
    if t.ndim != 1 or t.shape != y.shape or t.shape != errors.shape:
        raise SettingsError(
            f"got shapes {t.shape}, {y.shape}, {errors.shape}; need three times (n,)",
            where=name,
            remedy="Give a temperature, a value and a standard deviation for each scan",
        )
    bad = ~(np.isfinite(t) & np.isfinite(y) & np.isfinite(errors)) | (errors <= 0) | (t < 0)
    if bad.any():
        raise ScanError(
            f"{bad.sum()} of {t.size} scans lack a temperature, a value or a positive standard deviation",
            where=f"{name}, scan {int(np.argmax(bad)) + 1}",
            remedy="Leave them out",
        )
    if np.unique(t).size < 2:
        raise ScanError(
            "one temperature tells nothing of the change with temperature",
            where=name,
            remedy="Measure at two temperatures at least",
        )
    return t, y, errors
