"""Spectrum → how its points lie: gaps and jumps of the axis; quick scans are rebinned.

``gate.py`` calls it before it looks at μ itself.
"""

from __future__ import annotations

import numpy as np

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import Finding
from exafsnn.records import Array

_PRE_EDGE_STEP, EDGE_STEP, _K_STEP = 2.0, 0.3, 0.05
"""Bins of a quick scan: below the edge and at it [eV], above it [Å⁻¹]. Finer than core-hole width and resolution."""

_EDGE_RANGE = (-20.0, 30.0)
"""Where the fine bins of the edge lie [eV]."""

_DENSE = 3
"""A scan with more points than so many in the usual bin above its edge is a quick one."""

_WIDE_AT_EDGE, _OPEN_AT_EDGE = 2.5, 8.0
"""A gap at the edge [eV] that is told, and one in which the edge itself may lie."""

_WIDE_GAP, _OPEN_GAP = 0.15, 0.5
"""A gap [Å⁻¹] that is told, and one that hides more of the oscillations than can be bridged."""

JUMP, _LEAST_JUMP = 0.3, 0.5
"""An interval of the axis that differs by so much, relatively and in eV, from equal ones on either side is a jump."""

_NEIGHBOURS, _DEGREE, _ROUGHER = 8, 6, 1.5
"""Points on either side of a shortened interval, degree of the polynomial that tells how smoothly μ goes on, and by
which factor in the sum of squares it has to do so better if the interval were not short: regions end far more often
than monochromators slip, and most slips cannot be seen so."""

_JITTER = 0.1
"""Intervals that differ by less are equal."""

_TWICE = 0.2
"""Points nearer than this share of the intervals around, and of the core hole's width, are one measurement: a curve
through both would carry their difference on, as many times larger as the next point is further away."""


def wavenumbers(energy: Array | float, e0: float) -> Array:
    """k [Å⁻¹] of one photon energy or many [eV]; 0 below ``e0``."""
    k: Array = np.sqrt(K2_PER_EV * np.maximum(energy - e0, 0.0))
    return k


def energies(k: Array | float, e0: float) -> Array:
    """Photon energies [eV] of one wavenumber or many [Å⁻¹]."""
    energy: Array = e0 + np.square(k) / K2_PER_EV
    return energy


def rebinned(energy: Array, mu: Array, e0: float) -> tuple[Array, Array, tuple[Finding, ...]]:
    """Average the points of quick scans in bins, each at its points' mean energy; other scans stay as they are.

    Parameters
    ----------
    energy, mu
        (n,) energies and (s, n) scans.
    e0
        Position of their edge [eV].

    Returns
    -------
    tuple
        Energies (b,), scans (s, b), and what is told.
    """
    k = wavenumbers(energy[energy > e0 + _EDGE_RANGE[1]], e0)
    if not (k[_DENSE:] - k[:-_DENSE] < _K_STEP).any():
        return energy, mu, ()  # no bin has more
    bins = np.digitize(energy, _bins(energy, e0))
    _, first, counts = np.unique(bins, return_index=True, return_counts=True)
    above = energy[first] > e0 + _EDGE_RANGE[1]
    if not above.any() or np.median(counts[above]) <= _DENSE:
        return energy, mu, ()
    message = f"a quick scan: its {len(energy)} points were averaged in {len(first)} bins"
    means = np.add.reduceat(energy, first) / counts, np.add.reduceat(mu, first, axis=1) / counts
    return *means, (Finding("rebinned", "note", message),)


def _bins(energy: Array, e0: float) -> Array:
    """Edges of the bins [eV]."""
    low, high = e0 + _EDGE_RANGE[0], e0 + _EDGE_RANGE[1]
    k = np.arange(float(wavenumbers(high, e0)), float(wavenumbers(energy[-1], e0)) + _K_STEP, _K_STEP)
    below = np.arange(low, float(energy[0]), -_PRE_EDGE_STEP)[:0:-1]
    return np.concatenate([below, np.arange(low, high, EDGE_STEP), energies(k, e0)])


def repeated(energy: Array, width: float) -> np.ndarray:
    """(n - 1,) which intervals of the axis are none: the same point again, as where two regions of a scan join.

    Quick scans have short intervals, but no shorter ones than around; ``width`` is that of the core hole [eV].
    """
    steps = np.diff(energy)
    around = np.median(np.lib.stride_tricks.sliding_window_view(np.pad(steps, 3, mode="reflect"), 3), axis=1)
    usual = np.minimum(around[: len(steps)], around[4:])
    return np.asarray(steps < _TWICE * np.minimum(usual, width))


def merged(energy: Array, mu: Array, same: np.ndarray) -> tuple[Array, Array, Array]:
    """Energies and μ (b,) of a scan whose intervals (n - 1,) that are none are averaged away, and each mean's range."""
    first = np.flatnonzero(np.concatenate([[True], ~same]))
    counts = np.diff(np.append(first, len(energy)))
    means = np.add.reduceat(energy, first) / counts, np.add.reduceat(mu, first) / counts
    return *means, np.maximum.reduceat(mu, first) - np.minimum.reduceat(mu, first)


def axis_findings(energy: Array, e0: float, mu: Array | None = None) -> tuple[Finding, ...]:
    """Gaps at the edge, gaps and jumps of the energy axis above it.

    Parameters
    ----------
    energy
        (n,) [eV].
    e0
        Position of the edge [eV].
    mu
        (n,) a scan on them: an interval that is shorter than its neighbours is no jump where it goes on smoothly.
    """
    unseen = _unseen_edge(energy, e0)
    above = energy > e0 + _EDGE_RANGE[1]
    energy = energy[above]
    if len(energy) < 10:
        return unseen
    gap, jump = _gap(energy, e0), _jump(energy, None if mu is None else mu[above])
    return (*unseen, *(finding for finding in (gap, jump if gap is None else None) if finding))


def _unseen_edge(energy: Array, e0: float) -> tuple[Finding, ...]:
    """Tell the widest gap from which E₀ is no further than it is wide, or between E₀ and where the EXAFS begins."""
    near = (e0 - energy[1:] < np.diff(energy)) & (energy[:-1] < e0 + _EDGE_RANGE[1])
    steps = np.where(near, np.diff(energy), 0.0)
    if steps.max() < _WIDE_AT_EDGE:
        return ()
    worst = int(np.argmax(steps))
    place = float(energy[worst])
    message = f"no points from {place:.1f} to {energy[worst + 1]:.1f} eV, at the edge: E₀ is uncertain"
    severity = "fatal" if steps.max() > _OPEN_AT_EDGE else "warning"
    return (Finding("gap", severity, message, place, "Measure the edge every 0.5 eV"),)


def _gap(energy: Array, e0: float) -> Finding | None:
    """Tell the widest gap, if it is wide for this scan and for EXAFS."""
    steps = np.diff(wavenumbers(energy, e0))
    worst = int(np.argmax(steps))
    if steps[worst] < _WIDE_GAP or steps[worst] < 3 * float(np.median(steps)):
        return None
    place = float(energy[worst])
    message = f"no points from {place:.1f} to {energy[worst + 1]:.1f} eV: {steps[worst]:.2f} Å⁻¹ are missing"
    severity = "fatal" if steps[worst] > _OPEN_GAP else "warning"
    return Finding("gap", severity, message, place, "Measure the missing points, or end the scan before them")


def _jump(energy: Array, mu: Array | None) -> Finding | None:
    """Tell an interval that differs from equal ones on both sides, unless a region of the scan ends there."""
    steps = np.diff(energy)
    around = np.stack([steps[:-4], steps[1:-3], steps[3:-1], steps[4:]])
    low, high = around.min(axis=0), around.max(axis=0)
    usual = (around.sum(axis=0) - low - high) / 2  # their median
    even = high - low < _JITTER * usual
    extra = np.abs(steps[2:-2] - usual)
    odd = np.where(even & (extra > _LEAST_JUMP), extra / usual, 0.0)
    for worst in np.argsort(-odd).tolist():
        if odd[worst] < JUMP:
            break
        step, place = float(steps[worst + 2]), float(energy[worst + 2])
        if mu is not None and step < usual[worst] and _goes_on(energy, mu, worst + 2, usual[worst] - step):
            continue
        message = f"the energy jumps by {step:.2f} eV at {place:.1f} eV, its neighbours by {usual[worst]:.2f} eV"
        remedy = "Look for lost steps of the monochromator or missing points"
        return Finding("axis-jump", "warning", message, place, remedy)
    return None


def _goes_on(energy: Array, mu: Array, place: int, short: float) -> bool:
    """Tell whether μ is about as smooth as the axis has it as if the interval after a point were not ``short`` [eV]."""
    near = np.arange(max(place + 1 - _NEIGHBOURS, 0), min(place + 1 + _NEIGHBOURS, len(energy)))

    def rest(axis: Array) -> float:
        return float(((mu[near] - np.polynomial.Polynomial.fit(axis, mu[near], _DEGREE)(axis)) ** 2).sum())

    return rest(energy[near]) <= _ROUGHER * rest(energy[near] + short * (near > place))
