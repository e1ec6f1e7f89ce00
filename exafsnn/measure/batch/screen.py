"""Many scans → in which of them the quality gate finds nothing: its parts, as pieces that take linear forms of μ.

``together.py`` asks. A piece names suspects among all scans; each of these is shown to the gate's own part, alone.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import numpy as np

from exafsnn.edges import core_hole_width, tabulated
from exafsnn.errors import Finding
from exafsnn.measure import gate as quality
from exafsnn.measure import limits
from exafsnn.measure.batch.forms import KEPT, ROUNDING
from exafsnn.measure.batch.glitches import ending
from exafsnn.measure.batch.nearedge import near_edge
from exafsnn.measure.batch.oscillations import outbursts
from exafsnn.measure.batch.preedge import pre_edge, shares_of_unrest
from exafsnn.measure.batch.waves import waves
from exafsnn.measure.detector import COARSE, STUCK_POINTS, THICK, detector_findings
from exafsnn.measure.sampling import wavenumbers
from exafsnn.records import Array, Spectrum

Remarks = tuple[tuple[Finding, ...], tuple[Finding, ...]]


class Piece(Protocol):
    """A part of the gate."""

    def suspects(self, mu: Array, /) -> np.ndarray:
        """(s, n) μ in edge steps → (s,) scans in which the gate might find something."""

    def finds(self, row: Array, /) -> bool:
        """(n,) μ in edge steps → whether it does."""


def sound_scans(spectrum: Spectrum, position: float, mu: Array) -> np.ndarray:
    """(s,) in which scans the gate finds nothing to repair and nothing to tell, bumps apart; μ (s, n) in edge steps."""
    steps = np.abs(np.diff(mu, axis=1))
    runs = np.all(np.lib.stride_tricks.sliding_window_view(steps == 0, STUCK_POINTS - 1, axis=1), axis=2)
    fine = ((steps > 1e-9 * mu.shape[1]) & (steps < COARSE)).any(axis=1)
    sound = ~runs.any(axis=1) & fine & np.isfinite(mu).all(axis=1)
    sound &= shares_of_unrest(spectrum.energy, position, mu) < limits.RESTLESS
    for piece in _pieces(spectrum.energy.tobytes(), position, spectrum.absorber, spectrum.edge):
        sound = passing(piece, mu, sound)
    return sound


def passing(piece: Piece, mu: Array, sound: np.ndarray) -> np.ndarray:
    """(s,) which of the sound scans stay so."""
    still = sound.copy()
    for row in np.flatnonzero(piece.suspects(mu) & sound).tolist():
        still[row] = not piece.finds(mu[row])
    return still


@lru_cache(maxsize=KEPT)
def _pieces(grid: bytes, position: float, absorber: str, edge: str) -> tuple[Piece, ...]:
    """All pieces for one grid and position of the edge [eV], but for bumps, which a scan of the series has to tell."""
    energy = np.frombuffer(grid)
    k = wavenumbers(energy, position)
    above, offset = oscillating(k), position - tabulated(absorber, edge)
    pieces: list[Piece | None] = [
        pre_edge(energy, position),
        near_edge(energy, position, core_hole_width(absorber, edge)),
        waves(energy, k, above, position, offset),
        outbursts(k, above),
        ending(energy, k),
    ]
    return tuple(piece for piece in pieces if piece)


def oscillating(k: Array) -> np.ndarray:
    """(n,) points among which the gate seeks breaks."""
    above = k > limits.LOW_K - 0.7
    return above & bool(above.sum() >= limits.MIN_POINTS and k[-1] >= limits.LOW_K + 2)


def remarks(binned: Spectrum, position: float, mu: Array, rise: Array) -> list[Remarks]:
    """(s,) what is told of sound scans without harm to them: of detector and sample, and of an unsteady pre-edge."""
    fluorescent, transmitted = binned.mode == "fluorescence", binned.mode == "transmission"
    moving = shares_of_unrest(binned.energy, position, mu) >= ROUNDING * limits.UNSTEADY
    told: list[Remarks] = [((), ())] * len(mu)
    for row in np.flatnonzero(moving | fluorescent | (transmitted & (rise >= THICK))).tolist():
        scan, height = replace(binned, mu=mu[row]), float(rise[row])
        told[row] = detector_findings(scan, position, height), quality.unsteady(scan, position, height)
    return told
