"""Many scans of one grid → E₀ of each, as larch's ``find_e0`` finds it; its smoothing is a matrix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from exafsnn.measure.batch.forms import KEPT, interpolation
from exafsnn.records import Array


def steepest_points(energy: Array, mu: Array) -> Array:
    """(s,) E₀ [eV] of each scan as larch's ``find_e0`` finds it: first without smoothing, then with it around there."""
    from larch.xafs.pre_edge import find_energy_step

    step = find_energy_step(energy[:-1])
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
        choice = _first_choices(slopes @ lorentzian(part.tobytes(), width))
        found[rows] = np.where(choice < 1, energy[start + 2], part[choice])
    return found


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


@lru_cache(maxsize=KEPT)
def lorentzian(grid: bytes, width: float) -> Array:
    """(n, n) matrix that smooths slopes on a grid [eV] by a Lorentzian, as larch's ``smooth`` does.

    On an even grid of spacing ``width``, mirrored at both ends as far again, the Lorentzian of that half width is
    summed over twice the grid's length.
    """
    energy = np.frombuffer(grid)
    low, high = (width * int((end + side * 5 * width) / width) for end, side in ((energy[0], -1), (energy[-1], 1)))
    n = min(1 + int(abs(high - low + width * 0.1) / width), 50 * len(energy))
    even = np.linspace(low, high, n)
    mirrored = np.concatenate([np.arange(n - 1, 0, -1), np.arange(n), np.arange(n - 1, -1, -1)])
    shape = 1 / (1 + (np.arange(2 * n) - n) ** 2.0)
    shape = (shape / shape.sum())[::-1]
    back = interpolation(energy, even)
    needed = np.flatnonzero(np.any(back != 0, axis=0))
    places = np.arange(3 * n - 1) - needed[:, None]
    sums = np.where((places >= 0) & (places < 2 * n), shape[np.clip(places, 0, 2 * n - 1)], 0.0)
    matrix = back[:, needed] @ (sums @ interpolation(even, energy)[mirrored])
    return np.ascontiguousarray(matrix.T)
