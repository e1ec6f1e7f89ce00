"""Scans → E₀ of each: the maximum of dμ/dE as larch's ``find_e0`` finds it, unless a spike misled that."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from exafsnn.errors import Finding, SettingsError
from exafsnn.linear import KEPT, interpolated
from exafsnn.measure.edge import ambiguous
from exafsnn.measure.limits import MAX_EDGE_OFFSET
from exafsnn.records import Array
from exafsnn.rise import places_of

_MAX_DISAGREEMENT = 4.0
"""Distance [eV] between that and the steepest rise near the edge beyond which larch was misled by a spike."""


def energy_zeros(
    energy: Array, mu: Array, near: Array, given: float | None
) -> list[tuple[float, tuple[Finding, ...]] | SettingsError]:
    """(s,) E₀ [eV] of scans (s, n) and doubts about it; of an impossible one why it is.

    Parameters
    ----------
    energy, mu, near
        (n,) energies, or (s, n), (s, n) scans and (s,) positions of their edges [eV].
    given
        E₀ that is asked for; None: each scan's own.
    """
    if given is not None:
        return [(given, ()) if abs(given - place) <= MAX_EDGE_OFFSET else _off(given, place) for place in near.tolist()]
    believed = [_believed(*pair) for pair in zip(_steepest_points(energy, mu).tolist(), near.tolist(), strict=True)]
    doubts = ambiguous(energy, mu, np.array([e0 for e0, _ in believed]))
    return [(e0, (*first, *second)) for (e0, first), second in zip(believed, doubts, strict=True)]


def _off(given: float, near: float) -> SettingsError:
    return SettingsError(
        f"e0 = {given:g} eV is not at the edge ({near:.1f} eV)",
        where="--e0", remedy="Give the energy of the edge in eV, or leave it out",
    )  # fmt: skip


def _believed(found: float, near: float) -> tuple[float, tuple[Finding, ...]]:
    """E₀ [eV] as larch finds it, unless that is not near the smoothed edge."""
    if abs(found - near) <= _MAX_DISAGREEMENT:
        return found, ()
    message = f"the steepest point is at {found:.1f} eV, off the smoothed edge; E₀ = {near:.1f} eV was taken"
    return near, (Finding("e0-off-edge", "warning", message, found, "Look for a spike there, or give --e0"),)


def _steepest_points(energy: Array, mu: Array) -> Array:
    """(s,) E₀ [eV] of scans (s, n) as ``find_e0`` finds it: first without smoothing, then with it around there."""
    energies = np.atleast_2d(energy)
    step = np.clip(_usual_steps(energies[:, :-1]), 0.01, 1.0)
    slopes = np.gradient(mu[:, :-1], axis=1) / np.gradient(energies[:, :-1], axis=1)
    first, n = _first_choices(slopes), energies.shape[1]
    found = np.empty(len(mu))
    for place in np.unique(first).tolist():
        rows = np.flatnonzero(first == place)
        used, steps = (energies, step) if len(energies) == 1 else (energies[rows], step[rows])
        start, stop, where = max(3, place - 75), min(place + 75, n - 3), used[:, place]
        if place < 0.05 * n:  # a glitch at the very beginning
            start, stop, where = max(3, place - 20), n - 3, used.mean(axis=1)
        width = 0.5 * (steps + np.clip(where / 25000.0, 0.01, 1.0))
        part = used[:, start : stop - 1]
        slopes = np.gradient(mu[rows, start : stop - 1], axis=1) / np.gradient(part, axis=1)
        choice = _first_choices(smoothed(part, slopes, width))
        found[rows] = np.where(choice < 1, used[:, start + 2], places_of(part, choice))
    return found


def _usual_steps(energy: Array) -> Array:
    """(r,) mean of the smallest ten steps [eV], but for the hundredth of all that are smallest; 1 of few points."""
    skipped = int(0.01 * energy.shape[1])
    if not skipped:
        return np.ones(len(energy))
    steps = np.sort(np.diff(energy[:, :-1][:, skipped:-skipped], axis=1), axis=1)
    usual: Array = steps[:, skipped : skipped + 10].mean(axis=1)
    return usual


def _first_choices(slopes: Array) -> np.ndarray:
    """(s,) index of the largest of (s, n) slopes whose neighbours are high as well; 0 if there is none.

    As larch does it: at the ends nothing is looked for, and where too few points are high, less is high enough.
    """
    n = slopes.shape[1]
    margin = max(3, int(n * 0.02))
    inner = slopes[:, margin:-margin]
    low = inner.min(axis=1, keepdims=True)
    heights = (slopes - low) / np.maximum(np.ptp(inner, axis=1, keepdims=True), 1e-10)
    limit = np.full((len(slopes), 1), 0.6 if n > 20 else 0.3)
    count = (heights > limit).sum(axis=1, keepdims=True)
    scarce = count < 3
    for _ in range(2):
        limit = np.where(scarce & (count <= 3), 0.5 * limit, limit)
        count = (heights > limit).sum(axis=1, keepdims=True)
    high = (heights > limit) | (scarce & (count < 3))
    counted = np.zeros_like(high)
    counted[:, 1:-1] = high[:, :-2] & high[:, 1:-1] & high[:, 2:]
    counted[:, :margin] = counted[:, n - margin + 1 :] = False
    return np.asarray(np.argmax(np.where(counted, heights, 0.0), axis=1))


def smoothed(energy: Array, slopes: Array, width: Array) -> Array:
    """(s, n) slopes, smoothed by a Lorentzian as larch's ``smooth`` does.

    Of more scans of one grid than it has points it is cheaper to smooth each point once, because it is linear.

    Parameters
    ----------
    energy
        (1, n) or (s, n) energies [eV].
    slopes
        (s, n).
    width
        (1,) or (s,) half width of the Lorentzian [eV].
    """
    if len(energy) == 1 and len(slopes) > energy.shape[1]:
        return np.asarray(slopes @ _of_points(energy.tobytes(), float(width[0])))
    low, high = (width * ((energy[:, end] + side * 5 * width) / width).astype(int) for end, side in ((0, -1), (-1, 1)))
    count = np.minimum(1 + (np.abs(high - low + width * 0.1) / width).astype(int), 50 * energy.shape[1])
    if len(energy) == 1:
        return _convolved(energy, slopes, low, high, int(count[0]))
    smooth = np.empty_like(slopes)
    for n in np.unique(count).tolist():
        rows = count == n
        smooth[rows] = _convolved(energy[rows], slopes[rows], low[rows], high[rows], n)
    return smooth


@lru_cache(maxsize=KEPT)
def _of_points(grid: bytes, width: float) -> Array:
    energy = np.frombuffer(grid)
    return smoothed(energy[None], np.eye(len(energy)), np.array([width]))


def _convolved(energy: Array, slopes: Array, low: Array, high: Array, n: int) -> Array:
    """On n even energies from ``low`` to ``high``, mirrored at both ends, the Lorentzian is summed over its length.

    That is twice that of the energies; its half width is their spacing.
    """
    even = np.linspace(low, high, n, axis=1)
    values = interpolated(slopes, even, energy)
    mirrored = np.concatenate([values[:, :0:-1], values, values[:, ::-1]], axis=1)
    shape = 1 / (1 + (np.arange(2 * n) - n) ** 2.0)
    size = 1 << (3 * n - 2).bit_length()
    product = np.fft.rfft(mirrored, size, axis=1) * np.fft.rfft(shape / shape.sum(), size)
    return interpolated(np.fft.irfft(product, size, axis=1)[:, 2 * n - 1 : 3 * n - 1], energy, even)
