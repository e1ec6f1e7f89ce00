"""``glitches.find_glitches`` for many scans, at their end: distances from the curve of the neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import ending as glitches
from exafsnn.measure import limits
from exafsnn.records import Array

LEAST = limits.SMALLEST["end"]

END_SHARE = 1 / 3
"""Share of the least height at which outliers are looked at by the gate itself: a run of points pulls the curve of the
neighbours towards it."""


@dataclass(frozen=True)
class Ending:
    """The piece of the gate that seeks glitches among the last m points."""

    energy: Array
    """(m,) [eV]."""
    end: np.ndarray
    """(n,) which points of a scan they are."""
    last: np.ndarray
    """(m,) those at which a glitch has to end."""
    forms: Array
    """(m, m) matrix: μ → distance of each point from its neighbours' curve, over how its noise grows."""

    def suspects(self, mu: Array) -> np.ndarray:
        """(s,) scans in which there might be a glitch."""
        off = mu[:, self.end] @ self.forms
        critical = glitches.critical(len(self.energy), 1) / 0.6745
        high, usual = np.abs(off).max(axis=1), critical * np.median(np.abs(off), axis=1)
        suspect = high > np.maximum(LEAST, usual)
        some = np.flatnonzero(~suspect & (high > END_SHARE * LEAST))
        suspect[some] = _with_outliers(off[some])
        return np.asarray(suspect)

    def finds(self, row: Array) -> bool:
        """Whether there is one in a scan."""
        return any(self.last[run[-1]] for run in glitches.find_glitches(self.energy, row[self.end], LEAST))


def ending(energy: Array, k: Array) -> Ending | None:
    """Piece for a grid (n,) and its k [Å⁻¹]; None where too few points are its end."""
    end = k > k[-1] - 4 * limits.LAST
    if end.sum() < glitches.FEWEST:
        return None
    every = np.ones(int(end.sum()), dtype=bool)
    growth = glitches.distances(energy[end], np.zeros(len(every)), every)[1]
    forms = np.array([glitches.distances(energy[end], unit, every)[0] for unit in np.eye(len(every))]) / growth
    return Ending(energy[end], end, k[end] > k[-1] - limits.LAST, forms)


def _with_outliers(values: Array) -> np.ndarray:
    """(s,) in which rows of (s, n) values ``glitches.outliers`` finds any."""
    n, rows, found = values.shape[1], np.arange(len(values)), np.zeros(len(values), dtype=bool)
    kept = np.ones(values.shape, dtype=bool)
    for step in range(1, int(glitches.MAX_SHARE * n) + 1):
        count = n - step + 1
        mean = np.where(kept, values, 0.0).sum(axis=1, keepdims=True) / count
        away = np.where(kept, np.abs(values - mean), 0.0)
        worst = np.argmax(away, axis=1)
        spread = np.sqrt((away**2).sum(axis=1) / (count - 1))
        found |= away[rows, worst] > glitches.critical(n, step) * np.maximum(spread, 1e-12)
        kept[rows, worst] = False
    return found
