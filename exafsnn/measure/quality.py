"""Spectrum → findings: whether this is a scan of the edge it claims to be, and reaches far enough.

``background.py`` asks before larch sees the data, because larch makes χ(k) of anything. A fatal finding means that the
scan is rejected.
"""

from __future__ import annotations

import numpy as np

from exafsnn.constants import K2_PER_EV
from exafsnn.measure.edges import edge_rise, edges_near, has_edge, next_edge, steepest, tabulated
from exafsnn.records import Finding, Spectrum

MAX_EDGE_OFFSET = 50.0
"""Beyond this distance [eV] from the tabulated energy an edge is another element's."""

CALIBRATED = 25.0
"""Up to this distance [eV] nobody minds."""

MIN_SHARE = 0.2
"""An edge rises by more than this share of the largest rise of the scan; EXAFS wiggles stay below a tenth."""

MIN_K_MAX = 8.5
"""Shortest usable scan [Å⁻¹]: the shipped models need k to 9."""

MIN_PRE_EDGE = 30.0
"""Shortest pre-edge [eV]."""

MIN_POINTS, FEW_POINTS = 50, 150

NEXT_EDGE_MARGIN = 20.0
"""A scan ends this far [eV] below the absorber's next edge."""


def check(spectrum: Spectrum) -> tuple[Finding, ...]:
    """Look for what makes a scan useless or doubtful.

    Parameters
    ----------
    spectrum
        The scan.

    Returns
    -------
    tuple of Finding
        Fatal ones first; none for a sound scan.
    """
    broken = _broken_axis(spectrum)
    if broken:
        return (broken,)
    position = edge_position(spectrum)
    fault = _no_edge(spectrum, position)
    if fault:
        return (fault,)
    findings = (
        _short_range(spectrum, position),
        _short_pre_edge(spectrum, position),
        _few_points(spectrum, position),
        _offset(spectrum, position),
        _second_edge(spectrum),
    )
    found = [finding for finding in findings if finding]
    return tuple(sorted(found, key=lambda finding: finding.severity != "fatal"))


def end_of_exafs(spectrum: Spectrum) -> float:
    """Energy [eV] up to which a scan is EXAFS of its own edge: its end, or short of the absorber's next edge."""
    following = next_edge(spectrum.absorber, spectrum.edge)
    end = float(spectrum.energy[-1])
    return min(end, following.energy - NEXT_EDGE_MARGIN) if following else end


def edge_position(spectrum: Spectrum) -> float:
    """Find where μ is steepest near the tabulated edge [eV]; the tabulated energy where the scan does not hold it."""
    expected = tabulated(spectrum.absorber, spectrum.edge)
    if not spectrum.energy[0] < expected < spectrum.energy[-1]:
        return expected
    return steepest(spectrum.energy, spectrum.mu, expected - MAX_EDGE_OFFSET, expected + MAX_EDGE_OFFSET)


def _broken_axis(spectrum: Spectrum) -> Finding | None:
    """Arrays that no analysis can take."""
    energy, mu = spectrum.energy, spectrum.mu
    remedy = "Repair the scan"
    if energy.ndim != 1 or energy.shape != mu.shape or len(energy) < 10:
        return Finding("few-points", "fatal", f"energy has shape {energy.shape} and μ {mu.shape}", remedy=remedy)
    bad = np.flatnonzero(~np.isfinite(energy) | ~np.isfinite(mu))
    if len(bad):
        place = float(energy[bad[0]])
        return Finding("non-finite", "fatal", f"μ is {mu[bad[0]]} at {place:.2f} eV", place, remedy)
    back = np.flatnonzero(np.diff(energy) <= 0)
    if len(back):
        place = float(energy[back[0]])
        return Finding("unsorted", "fatal", f"the energies do not increase at {place:.2f} eV", place, remedy)
    return None


def _no_edge(spectrum: Spectrum, position: float) -> Finding | None:
    """Tell why no step rises at the edge: it is upside down, of another element, or not there."""
    energy, mu, name = spectrum.energy, spectrum.mu, f"{spectrum.absorber} {spectrum.edge}"
    if 0 <= position - energy[0] < MIN_PRE_EDGE / 2:
        return None
    expected, other = tabulated(spectrum.absorber, spectrum.edge), steepest(energy, mu)
    rival = edge_rise(energy, mu, other) if has_edge(energy, mu, other) else 0.0
    if has_edge(energy, mu, position) and edge_rise(energy, mu, position) > MIN_SHARE * rival:
        return None
    down = steepest(energy, -mu, expected - MAX_EDGE_OFFSET, expected + MAX_EDGE_OFFSET)
    if has_edge(energy, -mu, down) and edge_rise(energy, -mu, down) > rival:
        message = f"μ falls at the {name} edge ({down:.1f} eV): the sign is inverted"
        return Finding("inverted", "fatal", message, down, "Swap I0 and It, or take other columns, with --columns")
    if abs(other - expected) > MAX_EDGE_OFFSET and rival:
        near = edges_near(other)
        message = f"the scan should be {name} ({expected:.0f} eV), but its edge is at {other:.1f} eV"
        hint = f" ({near[0]}?)" if near else ""
        return Finding("wrong-edge", "fatal", message + hint, other, "Correct element and edge in the header")
    message = f"no {name} edge stands out of the noise within {MAX_EDGE_OFFSET:g} eV of {expected:.0f} eV"
    return Finding("no-edge", "fatal", message, expected, "Check the columns with --columns, and the element")


def _short_range(spectrum: Spectrum, position: float) -> Finding | None:
    end = end_of_exafs(spectrum)
    k_max = np.sqrt(K2_PER_EV * max(end - position, 0.0))
    if k_max >= MIN_K_MAX:
        return None
    message = f"the scan ends at {end:.0f} eV, k = {k_max:.1f} Å⁻¹; k = {MIN_K_MAX} Å⁻¹ is the least"
    remedy = f"Measure to {position + MIN_K_MAX**2 / K2_PER_EV:.0f} eV or further"
    return Finding("short-range", "fatal", message, end, remedy)


def _short_pre_edge(spectrum: Spectrum, position: float) -> Finding | None:
    length = position - float(spectrum.energy[0])
    if length >= MIN_PRE_EDGE:
        return None
    message = f"the scan begins {length:.0f} eV below the edge; {MIN_PRE_EDGE:.0f} eV is the least"
    remedy = f"Begin at {position - 150:.0f} eV, 150 eV below the edge"
    return Finding("short-pre-edge", "fatal", message, float(spectrum.energy[0]), remedy)


def _few_points(spectrum: Spectrum, position: float) -> Finding | None:
    above = int((spectrum.energy > position).sum())
    if above >= FEW_POINTS:
        return None
    message = f"there are {above} points above the edge"
    severity = "fatal" if above < MIN_POINTS else "warning"
    return Finding("few-points", severity, message, remedy="Measure every 0.05 Å⁻¹")


def _offset(spectrum: Spectrum, position: float) -> Finding | None:
    offset = position - tabulated(spectrum.absorber, spectrum.edge)
    if abs(offset) <= CALIBRATED:
        return None
    message = f"the edge is {offset:+.0f} eV off its tabulated energy"
    remedy = "Harmless for χ(k), but check the monochromator"
    return Finding("edge-offset", "warning", message, position, remedy)


def _second_edge(spectrum: Spectrum) -> Finding | None:
    end, following = end_of_exafs(spectrum), next_edge(spectrum.absorber, spectrum.edge)
    if following is None or end >= spectrum.energy[-1]:
        return None
    message = f"the {following} edge at {following.energy:.0f} eV follows: the scan is used up to {end:.0f} eV"
    return Finding("next-edge", "warning", message, following.energy)
