"""What temperature does to each phase of a series: its lattice expands, its bonds vibrate.

The range ``first`` may hold several shells, as in bcc: its σ² is then that of their motion, plus that of their
distances' difference, which is the static part of the fit. So three temperatures are needed, and the temperatures
found are effective ones of the whole range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from exafsnn.analyse.columns import METAL, Key
from exafsnn.analyse.series import Series
from exafsnn.analyse.vibration import Expansion, Vibration, expansion, fit_debye, fit_einstein
from exafsnn.errors import ScanError
from exafsnn.records import Array

_PURE = 0.9
"""Scans with a smaller share of the phase say nothing of it: their distances are those of a mixture."""
_UNOXIDISED = 0.96
"""Nor do those that are an oxide to more than a scan may hide: the range holds its atoms, too."""
_Fitted = TypeVar("_Fitted")


@dataclass(frozen=True)
class Thermal:
    """One phase of a series; None is what its scans do not determine."""

    phase: str
    """Empty where no lattice explains the RDFs."""
    expansion: Expansion | None
    """Of the lattice constant."""
    einstein: Vibration | None
    """By σ²(T) of the range ``first`` …"""
    debye: Vibration | None
    """… and so the Debye temperature, at the mean distance of that range."""
    notes: tuple[str, ...]
    """Why something is not known, in sentences."""


def thermal_of(series: Series, mass: float) -> tuple[Thermal, ...]:
    """Thermal properties of each phase.

    Parameters
    ----------
    series
        Whose axis is the temperature [K].
    mass
        Reduced mass of absorber and neighbour [u] (``reduced_mass``).

    Returns
    -------
    tuple[Thermal, ...]
        In the order in which the phases appear.
    """
    if not (trend := series.trends.get(Key("sigma2", "first"))):
        return ()
    known = np.isfinite(trend.raw)
    phases = dict.fromkeys(phase for phase, use in zip(series.phases, known, strict=True) if use)
    return tuple(_of_phase(series, known, phase, mass) for phase in phases)


def reduced_mass(pair: str) -> float:
    """That of the atoms of a pair, ``"Zn-Se"`` [u]: m₁m₂/(m₁ + m₂), which their distance vibrates with."""
    import xraydb

    one, other = (float(xraydb.atomic_mass(element)) for element in pair.split("-"))
    return one * other / (one + other)


def _of_phase(series: Series, known: np.ndarray, phase: str, mass: float) -> Thermal:
    rows = np.flatnonzero(known & (np.array(series.phases) == phase))
    if phase:
        rows = rows[series.trends[Key("fraction", phase=phase)].raw[rows] >= _PURE]
    if metal := series.trends.get(Key("fraction", phase=METAL)):
        rows = rows[~(metal.raw[rows] < _UNOXIDISED)]
    if not rows.size:
        return Thermal(phase, None, None, None, ("all its scans are mixtures",))
    notes: list[str] = []

    def told(what: str, fit: Callable[[], _Fitted]) -> _Fitted | None:
        try:
            return fit()
        except ScanError as error:
            notes.append(f"{what}: {error}")
            return None

    def column(key: Key) -> tuple[Array, Array]:
        trend = series.trends[key]
        return trend.raw[rows], trend.raw_own[rows]

    temperature = series.axis[rows]
    sigma2 = column(Key("sigma2", "first"))
    einstein = told("Einstein temperature", lambda: fit_einstein(temperature, *sigma2, mass, static=True))
    if not phase:
        return Thermal(phase, None, einstein, None, tuple(notes))
    constant = column(Key("lattice_constant", phase=phase))
    stretched = told("thermal expansion", lambda: expansion(temperature, *constant))
    distance = float(column(Key("distance", "first"))[0].mean())
    debye = None
    if Key("number_density") in series.trends and np.isfinite(density := column(Key("number_density"))[0]).any():
        atoms = float(np.nanmean(density))
        debye = told("Debye temperature", lambda: fit_debye(temperature, *sigma2, mass, distance, atoms, static=True))
    return Thermal(phase, stretched, einstein, debye, tuple(notes))
