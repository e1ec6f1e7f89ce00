"""Scans of one grid → E₀ of each: the maximum of dμ/dE as larch's ``find_e0`` finds it, unless a spike misled that."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from exafsnn.errors import Finding, SettingsError
from exafsnn.linear import KEPT, interpolated
from exafsnn.measure.edge import ambiguous
from exafsnn.measure.limits import MAX_EDGE_OFFSET
from exafsnn.records import Array

_MAX_DISAGREEMENT = 4.0
"""Distance [eV] between that and the steepest rise near the edge beyond which larch was misled by a spike."""


def energy_zeros(
    energy: Array, mu: Array, near: Array, given: float | None
) -> list[tuple[float, tuple[Finding, ...]] | SettingsError]:
    """(s,) E₀ [eV] of scans (s, n) and doubts about it; of an impossible one why it is.

    Parameters
    ----------
    energy, mu, near
        (n,) energies, (s, n) scans and (s,) positions of their edges [eV].
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
        where="BackgroundSettings", remedy="Change that setting, or leave it out",
    )  # fmt: skip


def _believed(found: float, near: float) -> tuple[float, tuple[Finding, ...]]:
    """E₀ [eV] as larch finds it, unless that is not near the smoothed edge."""
    if abs(found - near) <= _MAX_DISAGREEMENT:
        return found, ()
    message = f"the steepest point is at {found:.1f} eV, off the smoothed edge; E₀ = {near:.1f} eV was taken"
    return near, (Finding("e0-off-edge", "warning", message, found, "Look for a spike there, or give --e0"),)


def _steepest_points(energy: Array, mu: Array) -> Array:
    """(s,) E₀ [eV] of scans (s, n) as ``find_e0`` finds it: first without smoothing, then with it around there."""
    step = _usual_step(energy[:-1])
    slopes = np.gradient(mu[:, :-1], axis=1) / np.gradient(energy[:-1])
    first = _first_choices(slopes)
    found = np.empty(len(mu))
    for place in np.unique(first).tolist():
        rows = first == place
        start, stop, where = max(3, place - 75), min(place + 75, len(energy) - 3), float(energy[place])
        if place < 0.05 * len(energy):  # a glitch at the very beginning
            start, stop, where = max(3, place - 20), len(energy) - 3, float(energy.mean())
        width = 0.5 * (max(0.01, min(1.0, step)) + max(0.01, min(1.0, where / 25000.0)))
        part = energy[start : stop - 1]
        slopes = np.gradient(mu[rows, start : stop - 1], axis=1) / np.gradient(part)
        choice = _first_choices(smoothed(part, slopes, width))
        found[rows] = np.where(choice < 1, energy[start + 2], part[choice])
    return found


def _usual_step(energy: Array) -> float:
    """Mean of the smallest ten steps [eV], but for the hundredth of all that are smallest; 1 of few points."""
    skipped = int(0.01 * len(energy))
    if not skipped:
        return 1.0
    return float(np.sort(np.diff(energy[:-1][skipped:-skipped]))[skipped : skipped + 10].mean())


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


def smoothed(energy: Array, slopes: Array, width: float) -> Array:
    """(s, n) slopes on energies (n,) [eV], smoothed by a Lorentzian of that half width, as larch's ``smooth`` does.

    Of more scans than points it is cheaper to smooth each point once, because it is linear.
    """
    if len(slopes) <= len(energy):
        return _convolved(energy, slopes, width)
    return np.asarray(slopes @ _of_points(energy.tobytes(), width))


@lru_cache(maxsize=KEPT)
def _of_points(grid: bytes, width: float) -> Array:
    energy = np.frombuffer(grid)
    return _convolved(energy, np.eye(len(energy)), width)


def _convolved(energy: Array, slopes: Array, width: float) -> Array:
    """On an even grid of spacing ``width``, mirrored at both ends, the Lorentzian is summed over twice its length."""
    low, high = (width * int((end + side * 5 * width) / width) for end, side in ((energy[0], -1), (energy[-1], 1)))
    n = min(1 + int(abs(high - low + width * 0.1) / width), 50 * len(energy))
    even = np.linspace(low, high, n)
    values = interpolated(slopes, even, energy)
    mirrored = np.concatenate([values[:, :0:-1], values, values[:, ::-1]], axis=1)
    shape = 1 / (1 + (np.arange(2 * n) - n) ** 2.0)
    size = 1 << (3 * n - 2).bit_length()
    product = np.fft.rfft(mirrored, size, axis=1) * np.fft.rfft(shape / shape.sum(), size)
    return interpolated(np.fft.irfft(product, size, axis=1)[:, 2 * n - 1 : 3 * n - 1], energy, even)
