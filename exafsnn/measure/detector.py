"""Spectrum → what speaks against its detectors: stuck, saturated or coarse readings, samples too thick or re-absorbing.

``gate.py`` calls it.
"""

from __future__ import annotations

import numpy as np

from exafsnn.errors import Finding
from exafsnn.measure.edge import Edge
from exafsnn.records import Array, Spectrum

_STUCK_POINTS = 4
"""Equal values in a row that no living detector gives."""

COARSE, _TOO_COARSE = 0.002, 0.015
"""Steps of μ, relative to the edge's, that digits should not have, and must not have."""

_THICK = 3.0
"""Edge step Δμ·t above which harmonics and pinholes distort a transmission spectrum."""


def detector_findings(spectrum: Spectrum, edge: Edge) -> tuple[Finding, ...]:
    """Look for failing detectors and unfit samples.

    Parameters
    ----------
    spectrum
        The scan.
    edge
        Where its edge is, and how high.
    """
    rise = edge.height
    found = (_stuck(spectrum, edge.position), _coarse(spectrum, rise), _thick(spectrum, rise), _fluorescence(spectrum))
    return tuple(finding for finding in found if finding)


def _stuck(spectrum: Spectrum, e0: float) -> Finding | None:
    """Tell the longest run of equal values."""
    change = np.flatnonzero(np.diff(spectrum.mu) != 0)
    ends = np.concatenate([[-1], change, [len(spectrum.mu) - 1]])
    lengths = np.diff(ends)
    longest = int(np.argmax(lengths))
    if lengths[longest] < _STUCK_POINTS:
        return None
    place = float(spectrum.energy[ends[longest] + 1])
    value = float(spectrum.mu[ends[longest] + 1])
    name = "saturated" if value >= spectrum.mu.max() else "stuck"
    message = f"μ is {value:.5g} at {lengths[longest]} points in a row from {place:.1f} eV on: a detector is {name}"
    severity = "warning" if place < e0 - 20 else "fatal"
    return Finding(name, severity, message, place, "Check the counters; take other columns with --columns")


def _coarse(spectrum: Spectrum, rise: float) -> Finding | None:
    """Tell digits so few that μ moves in steps."""
    steps = np.diff(np.unique(spectrum.mu))
    steps = steps[steps > 1e-9 * abs(rise)]
    if not len(steps) or steps.min() < COARSE * rise:
        return None
    message = f"μ is given in steps of {steps.min() / rise:.1%} of the edge step: digits were cut off"
    severity = "fatal" if steps.min() > _TOO_COARSE * rise else "warning"
    return Finding("coarse-digits", severity, message, remedy="Write the scan with more digits")


def _thick(spectrum: Spectrum, rise: float) -> Finding | None:
    if spectrum.mode != "transmission" or rise < _THICK:
        return None
    message = f"the edge step is {rise:.2f}: so thick a sample lets harmonics and pinholes lower the amplitude"
    return Finding("thick-sample", "warning", message, remedy="Measure a sample with an edge step of about 1")


def _fluorescence(spectrum: Spectrum) -> Finding | None:
    if spectrum.mode != "fluorescence":
        return None
    message = "fluorescence: a thick, concentrated sample absorbs it again, which lowers the amplitude"
    remedy = "Trust coordination numbers of thin or dilute samples only, or measure transmission"
    return Finding("over-absorption-possible", "warning", message, remedy=remedy)


def suspects(mu: Array) -> np.ndarray:
    """(s,) scans (s, n), in edge steps, with stuck or coarse readings, as it may be."""
    steps = np.abs(np.diff(mu, axis=1))
    runs = np.all(np.lib.stride_tricks.sliding_window_view(steps == 0, _STUCK_POINTS - 1, axis=1), axis=2)
    fine = ((steps > 1e-9 * mu.shape[1]) & (steps < COARSE)).any(axis=1)
    return np.asarray(runs.any(axis=1) | ~fine)


def remarkable(mode: str, rise: Array) -> np.ndarray:
    """(s,) scans of which something is told by their mode and the height of their edge (s,) in units of μ."""
    if mode == "fluorescence":
        return np.ones(len(rise), dtype=bool)
    return np.asarray((rise >= _THICK) & (mode == "transmission"))
