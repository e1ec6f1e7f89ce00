"""Pre-edge → what does not belong there: short stretches that are off, and steps, weighed against each other.

Below the edge μ is a parabola and the edge's own Lorentzian tail, and noise: C projects onto what these cannot be. What
departs from it is described by as few points and steps as Schwarz's criterion (BIC) allows; so a spike of some points
is told from a step, whose points after it are all off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.linear import polynomial_at
from exafsnn.measure import limits
from exafsnn.measure.departures import Break, Departures
from exafsnn.measure.sampling import wavenumbers
from exafsnn.records import Array

FEWEST, _FEW = 10, 16
"""Fewest points [count] that tell anything, and that tell of a curvature."""

LONGEST, _LARGEST_SHARE = 12, 3
"""Most points of one glitch, and the share of all points (one in so many)."""

MOST = 8
"""Most breaks that are sought."""

_STRENGTH = 7.0
"""A break is so many standard deviations high."""

_LEAST = limits.SMALLEST["pre-edge"]
"""Smallest height that matters, in edge steps."""

_FLOOR = (0.1 * _LEAST) ** 2
"""Noise below a tenth of what matters is not told from none; its square."""


@dataclass(frozen=True)
class _PreEdge:
    """The detector for one grid and position of the edge; m points lie below it."""

    below: np.ndarray
    """(n,) which points of a scan they are."""
    departures: Departures

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, n), in edge steps, in which some points or a step might be told."""
        pull = self.departures.pull(mu[:, self.below])
        return _tells(self.departures, pull, share)

    def breaks(self, mu: Array) -> list[Break]:
        """Glitches and steps of the smooth absorption of a scan (n,), as indices of it, the most telling first."""
        departures, pull = self.departures, self.departures.pull(mu[None, self.below])
        found: list[Break] = []
        while len(found) < MOST:
            best = _most_telling(departures, pull)
            if best is None:
                break
            shapes, item = best
            departures, pull = departures.without(shapes, pull)
            size = float(np.sqrt((pull**2).sum() / max(np.trace(departures.certainty), 1.0) + _FLOOR))
            if abs(item.height) < max(_LEAST, _STRENGTH * size):
                break
            found.append(Break(item.kind, item.first, item.last, item.height, abs(item.height) / size, item.heights))
        return found


def pre_edge(energy: Array, position: float) -> _PreEdge | None:
    """Make the detector for a grid (n,) and a position of the edge [eV]; None where too few points lie below it."""
    below = energy < position + limits.PRE_EDGE_END
    if below.sum() < FEWEST:
        return None
    return _PreEdge(below, Departures(_smooth_removed(energy[below], position), ridge=1e-9))


def _smooth_removed(energy: Array, edge: float) -> Array:
    """(n, n) projector onto what is no parabola (or, of few points, line) and no tail of the edge."""
    x = (energy - energy.mean()) / np.ptp(energy)
    smooth = [x**0, x, 1 / (edge - energy)] + ([x**2] if len(energy) >= _FEW else [])
    basis = np.linalg.qr(np.column_stack(smooth))[0]
    return np.asarray(np.eye(len(energy)) - basis @ basis.T)


def unrest(energy: Array, mu: Array, edge: float) -> Array:
    """(s,) root mean square of what is not smooth below an edge [eV], of scans (s, n) there; 0 of too few points."""
    if len(energy) < FEWEST:
        return np.zeros(len(mu))
    projector = _smooth_removed(energy, edge)
    moves: Array = np.linalg.norm(mu @ projector, axis=1) / np.sqrt(np.trace(projector))
    return moves


def shares_of_unrest(energy: Array, mu: Array, position: float) -> Array:
    """(s,) what is not smooth below the edge, relative to the oscillations above it, of scans (s, n): rms.

    The white part of it is taken off before a scan is refused: what passes is never more than this.
    """
    below, k = energy < position + limits.PRE_EDGE_END, wavenumbers(energy, position)
    loud = (k > limits.LOUD_K[0]) & (k < limits.LOUD_K[1])
    if loud.sum() < limits.MIN_POINTS / 2:
        return np.zeros(len(mu))
    size = np.ptp(mu, axis=1)
    rest = mu[:, loud] - mu[:, loud] @ polynomial_at(k[loud], k[loud], 3).T
    share: Array = unrest(energy[below], mu[:, below], position) / np.maximum(rest.std(axis=1), 1e-12 * size)
    return share


def _criterion(whole: Array, gain: Array | float, n: int) -> Array:
    """n ln(residual variance): Schwarz's criterion but for the cost of the parameters."""
    value: Array = n * np.log(np.maximum(whole - gain, 0.0) / n + _FLOOR)
    return value


def _counts(n: int) -> range:
    """Numbers of points that a glitch among n may have."""
    return range(1, min(LONGEST, n // _LARGEST_SHARE) + 1)


def _tells(departures: Departures, pull: Array, share: float) -> np.ndarray:
    """(s,) in which scans some stretch or step lowers Schwarz's criterion, and is high enough."""
    n, cost = pull.shape[1], share * np.log(pull.shape[1])
    whole, freedom = (pull**2).sum(axis=1, keepdims=True), float(np.trace(departures.certainty))

    def told(gain: Array, highest: Array, count: int) -> np.ndarray:
        chosen = _criterion(whole, gain, n) + (count + 1) * cost < _criterion(whole, 0.0, n)
        size = np.sqrt(np.maximum(whole - gain, 0.0) / max(freedom - count, 1.0) + _FLOOR)
        return np.asarray((chosen & (highest >= share * np.maximum(_LEAST, _STRENGTH * size))).any(axis=1))

    heights, gains = (part[:, 1 : n - 3] for part in departures.steps(pull))
    tells = told(gains, np.abs(heights), 1)
    for count in _counts(n):
        high, gain = departures.stretches(pull, count)
        highest = np.abs(high).max(axis=2)
        if (highest >= share * _LEAST).any():
            tells |= told(gain, highest, count)
    return tells


def _most_telling(departures: Departures, pull: Array) -> tuple[Array, Break] | None:
    """The glitch or step of one scan that lowers Schwarz's criterion most, and the (m, c) shapes that it may have."""
    n, cost, whole = pull.shape[1], np.log(pull.shape[1]), (pull**2).sum()
    best, worth = None, float(_criterion(whole, 0.0, n))
    heights, gains = (part[0, 1 : n - 3] for part in departures.steps(pull))
    scores = _criterion(whole, gains, n) + 2 * cost
    spot = int(np.argmin(scores))
    if scores[spot] < worth:
        worth, shape = float(scores[spot]), (np.arange(n) > spot + 1).astype(np.float64)
        best = shape[:, None], Break("step", spot + 1, spot + 2, float(heights[spot]), np.inf)
    for count in _counts(n):
        high, gain = (part[0] for part in departures.stretches(pull, count))
        scores = _criterion(whole, gain, n) + (count + 1) * cost
        place = int(np.argmin(scores))
        if scores[place] < worth:
            worth, off = float(scores[place]), high[place]
            highest = float(off[np.argmax(np.abs(off))])
            item = Break("glitch", place, place + count - 1, highest, np.inf, tuple(off.tolist()))
            best = np.eye(n)[:, place : place + count], item
    return best
