"""Pre-edge → what does not belong there: short stretches that are off, and steps, weighed against each other.

``gate.py`` calls it. Below the edge μ is a parabola and the edge's own Lorentzian tail, and noise. What departs from
it is described by as few points and steps as Schwarz's criterion (BIC) allows; so a spike of some points is told from a
step, whose points after it are all off.
"""

from __future__ import annotations

import numpy as np

from exafsnn.measure.waves import Break
from exafsnn.records import Array

FEWEST, FEW = 10, 16
"""Fewest points [count] that tell anything, and that tell of a curvature."""

LONGEST, LARGEST_SHARE = 12, 3
"""Most points of one glitch, and the share of all points (one in so many)."""

MOST = 8
"""Most breaks that are sought."""

STRENGTH = 7.0
"""A break is so many standard deviations high."""

FLOOR = 0.1
"""Noise below this share of what matters is not told from none."""


def pre_edge_breaks(energy: Array, mu: Array, edge: float, least: float) -> list[Break]:
    """Find glitches and steps of the smooth absorption below an edge.

    Parameters
    ----------
    energy, mu
        (n,) pre-edge, energy increasing [eV].
    edge
        Energy of the edge [eV].
    least
        Smallest height that matters, in units of μ.

    Returns
    -------
    list of Break
        As indices of these points, the most telling first.
    """
    n = len(energy)
    if n < FEWEST:
        return []
    projector = smooth_removed(energy, edge)
    rest = projector @ mu
    noise = (FLOOR * least) ** 2
    found: list[Break] = []
    while len(found) < MOST:
        best = _most_telling(rest, projector, noise)
        if best is None:
            return found
        shapes, item = best
        taken = projector @ shapes
        left, strengths, _ = np.linalg.svd(taken, full_matrices=False)
        basis = left[:, strengths > 1e-6]
        rest, projector = rest - basis @ (basis.T @ rest), projector - basis @ (basis.T @ projector)
        size = float(np.sqrt((rest @ rest) / max(np.trace(projector), 1.0) + noise))
        if abs(item.height) < max(least, STRENGTH * size):
            return found
        found.append(Break(item.kind, item.first, item.last, item.height, abs(item.height) / size, item.heights))
    return found


def unrest(energy: Array, mu: Array, edge: float) -> float:
    """Root mean square of what is not smooth below an edge, of (n,) ``mu`` and in its units; 0 of too few points."""
    if len(energy) < FEWEST:
        return 0.0
    projector = smooth_removed(energy, edge)
    return float(np.linalg.norm(projector @ mu) / np.sqrt(np.trace(projector)))


def smooth_removed(energy: Array, edge: float) -> Array:
    """(n, n) projector onto what is no parabola (or, of few points, line) and no tail of the edge."""
    x = (energy - energy.mean()) / np.ptp(energy)
    smooth = [x**0, x, 1 / (edge - energy)] + ([x**2] if len(energy) >= FEW else [])
    basis = np.linalg.qr(np.column_stack(smooth))[0]
    return np.asarray(np.eye(len(energy)) - basis @ basis.T)


def _most_telling(rest: Array, projector: Array, noise: float) -> tuple[Array, Break] | None:
    """The glitch or step that lowers Schwarz's criterion most, and the (n, c) shapes that it may have."""
    n = len(rest)
    cost = np.log(n)

    def criterion(gain: Array) -> Array:
        value: Array = n * np.log(np.maximum(rest @ rest - gain, 0.0) / n + noise)
        return value

    best, worth = None, float(criterion(np.zeros(1))[0])
    steps = (np.arange(n)[:, None] > np.arange(1, n - 3)[None]).astype(np.float64)  # [point, step]
    seen = projector @ steps
    square = np.maximum((seen**2).sum(axis=0), 1e-9)
    scores = criterion((seen.T @ rest) ** 2 / square) + 2 * cost
    spot = int(np.argmin(scores))
    if scores[spot] < worth:
        worth, height = float(scores[spot]), float(seen[:, spot] @ rest / square[spot])
        best = steps[:, [spot]], Break("step", spot + 1, spot + 2, height, np.inf)
    for count in range(1, min(LONGEST, n // LARGEST_SHARE) + 1):
        masks = np.arange(n - count + 1)[:, None] + np.arange(count)
        blocks = projector[masks[:, :, None], masks[:, None, :]] + 1e-9 * np.eye(count)
        heights = np.linalg.solve(blocks, rest[masks][:, :, None])[:, :, 0]
        scores = criterion((heights * rest[masks]).sum(axis=1)) + (count + 1) * cost
        place = int(np.argmin(scores))
        if scores[place] < worth:
            worth, off = float(scores[place]), heights[place]
            highest = float(off[np.argmax(np.abs(off))])
            last = int(masks[place][-1])
            best = np.eye(n)[:, masks[place]], Break("glitch", last - count + 1, last, highest, np.inf, tuple(off))
    return best
