"""Spectrum → findings: whether this is a scan of the edge it claims to be, reaches far enough, and is EXAFS throughout.

``background.py`` asks before larch sees the data, because larch makes χ(k) of anything. ``check`` judges the scan as it
is; ``mended`` repairs what can be repaired safely. A fatal finding means that the scan is rejected.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exafsnn.measure.breaks import MAX_POINTS, Break, edge_strengths, find_breaks, pre_edge_step
from exafsnn.measure.detector import detector_findings
from exafsnn.measure.edges import edge_rise, edges_between, edges_near, has_edge, next_edge, steepest, tabulated
from exafsnn.measure.glitches import bridged, find_glitches
from exafsnn.measure.sampling import axis_findings, energies, rebinned, wavenumbers
from exafsnn.records import Array, Finding, Spectrum

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
"""A scan ends this far [eV] below the absorber's next edge, or another element's."""

PRE_EDGE_END = -20.0
"""Up to here [eV from the edge] μ is smooth below it."""

SMALLEST = {"pre-edge": 0.02, "EXAFS": 0.008, "end": 0.01}
"""What is off the curve by less, relative to the edge step, does not matter."""

LOW_K = 3.2
"""From here on [Å⁻¹] glitches and steps are sought among the oscillations; nothing below is used."""

LAST = 0.6
"""The last stretch [Å⁻¹], where what comes next is not known."""

MOST = 8
"""Most glitches that a scan may have."""

LARGE = 0.01
"""A step larger than this, relative to the edge's, cannot be left as it is."""

EDGE_OFFSETS = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Where a foreign edge is sought, from its tabulated energy and the scan's own offset [eV] …"""

EDGE_WIDTH = 1.5
"""… its half width [eV] …"""

FOREIGN, FOREIGN_STRENGTH = 0.008, 5.0
"""… and its least height, relative to the scan's edge, and strength."""


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
    k_max = wavenumbers(end, position)
    if k_max >= MIN_K_MAX:
        return None
    message = f"the scan ends at {end:.0f} eV, k = {k_max:.1f} Å⁻¹; k = {MIN_K_MAX} Å⁻¹ is the least"
    remedy = f"Measure to {energies(MIN_K_MAX, position):.0f} eV or further"
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


def mended(spectrum: Spectrum) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Repair what can be repaired safely, and tell everything that was found.

    Quick scans are rebinned, glitches moved onto the curve that their neighbours draw, and the scan is ended before
    another element's edge. What is left as it is, is a warning; what makes the scan useless is fatal.

    Parameters
    ----------
    spectrum
        A scan without a fatal finding of ``check``, up to the end of its EXAFS.

    Returns
    -------
    Spectrum
        The scan, repaired.
    tuple of Finding
        What was found and done.
    """
    position = edge_position(spectrum)
    spectrum, notes = rebinned(spectrum, position)
    rise = edge_rise(spectrum.energy, spectrum.mu, position)
    notes += detector_findings(spectrum, position, rise) + axis_findings(spectrum, position)
    spectrum, step = _after_step(spectrum, position, rise)
    spectrum, foreign = _before_foreign_edge(spectrum, position, rise)
    spectrum, breaks = _without_breaks(spectrum, position, rise)
    return spectrum, (*notes, *step, *foreign, *breaks)


def _after_step(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Begin the scan after a step of the pre-edge."""
    energy, below = spectrum.energy, spectrum.energy < position + PRE_EDGE_END
    step = pre_edge_step(energy[below], spectrum.mu[below] / rise, SMALLEST["pre-edge"])
    if step is None:
        return spectrum, ()
    place = float(energy[step.last])
    message = f"μ jumps by {step.height:+.1%} of the edge step at {place:.1f} eV, below the edge"
    if position - place < MIN_PRE_EDGE:
        remedy = "Measure again, or begin the scan earlier"
        return spectrum, (Finding("pre-edge-step", "fatal", message, place, remedy),)
    later = replace(spectrum, energy=energy[step.last :], mu=spectrum.mu[step.last :])
    return later, (Finding("pre-edge-step", "warning", f"{message}: the scan is used from there on", place),)


def _before_foreign_edge(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """End the scan before the K or L₃ edge of another element, if there is one."""
    k = wavenumbers(spectrum.energy, position)
    offset = position - tabulated(spectrum.absorber, spectrum.edge)
    above, sought = _oscillations(k), (energies(LOW_K + 0.5, position), energies(k[-1] - LAST, position))
    candidates = [edge for edge in edges_between(*map(float, sought)) if edge.name in ("K", "L3")]
    if not len(above) or not candidates:
        return spectrum, ()
    places = np.array([[edge.energy + offset + shift for shift in EDGE_OFFSETS] for edge in candidates])
    away = (spectrum.energy[above, None] - places.ravel()) / EDGE_WIDTH
    heights, strengths = edge_strengths(k[above], spectrum.mu[above] / rise, 0.5 + np.arctan(away) / np.pi)
    strengths = np.where(heights > FOREIGN, strengths, 0.0)
    best = int(np.argmax(strengths))
    if strengths[best] < FOREIGN_STRENGTH:
        return spectrum, ()
    edge, place = candidates[best // len(EDGE_OFFSETS)], float(places.ravel()[best])
    message = f"μ rises by {heights[best]:.1%} of the edge step at {place:.1f} eV, where the {edge} edge lies"
    end = place - NEXT_EDGE_MARGIN
    if wavenumbers(end, position) < MIN_K_MAX:
        message += f"; the scan before it is too short: k = {MIN_K_MAX} Å⁻¹ is the least"
        return spectrum, (Finding("foreign-edge", "fatal", message, place, "Measure another edge of the sample"),)
    inside = spectrum.energy <= end
    cut = replace(spectrum, energy=spectrum.energy[inside], mu=spectrum.mu[inside])
    return cut, (Finding("foreign-edge", "warning", f"{message}: the scan is used up to {end:.0f} eV", place),)


def _oscillations(k: Array) -> np.ndarray:
    """Indices of the points among which breaks and edges are sought; none where there are too few."""
    above = np.flatnonzero(k > LOW_K - 0.7)
    return above if len(above) >= MIN_POINTS and k[-1] >= LOW_K + 2 else above[:0]


def _without_breaks(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches, and tell steps and stretches that are no EXAFS."""
    k, relative = wavenumbers(spectrum.energy, position), spectrum.mu / rise
    breaks, off, findings = _breaks(k, relative), np.zeros(len(k)), []
    outer = _pre_edge_glitches(spectrum.energy, relative, position)
    for item in (*breaks, *outer, *_end_glitches(spectrum.energy, k, relative)):
        if item.kind == "glitch":
            off[item.first : item.last + 1] = item.heights
        findings.append(_told(spectrum.energy, item))
    if len(breaks) + len(outer) > MOST:
        findings.append(
            Finding("many-glitches", "fatal", f"more than {MOST} glitches", remedy="Measure the scan again")
        )
    return replace(spectrum, mu=spectrum.mu - rise * off) if off.any() else spectrum, tuple(findings)


def _breaks(k: Array, relative: Array) -> list[Break]:
    """Breaks among the oscillations, as indices of the whole scan."""
    above = _oscillations(k)
    if not len(above):
        return []
    found = find_breaks(k[above], relative[above], LOW_K, float(k[-1]) - LAST, SMALLEST["EXAFS"])
    return [replace(item, first=item.first + int(above[0]), last=item.last + int(above[0])) for item in found]


def _pre_edge_glitches(energy: Array, relative: Array, position: float) -> list[Break]:
    """Glitches below the edge."""
    below = np.flatnonzero(energy < position + PRE_EDGE_END)
    return _glitches(energy, relative, below, SMALLEST["pre-edge"])


def _end_glitches(energy: Array, k: Array, relative: Array) -> list[Break]:
    """Glitches at the very end, where ``_breaks`` does not look."""
    found = _glitches(energy, relative, np.flatnonzero(k > k[-1] - 4 * LAST), SMALLEST["end"])
    return [item for item in found if k[item.last] > k[-1] - LAST]


def _glitches(energy: Array, relative: Array, stretch: np.ndarray, least: float) -> list[Break]:
    """Glitches of a stretch of points, as indices of the whole scan."""
    found = []
    for run in find_glitches(energy[stretch], relative[stretch], least):
        bad = np.isin(np.arange(len(stretch)), run)
        heights = (relative[stretch] - bridged(energy[stretch], relative[stretch], bad))[run[0] : run[-1] + 1]
        highest = float(heights[np.argmax(np.abs(heights))])
        points = stretch[run[0]], stretch[run[-1]]
        found.append(Break("glitch", int(points[0]), int(points[1]), highest, np.inf, tuple(heights.tolist())))
    return found


def _told(energy: Array, item: Break) -> Finding:
    """Tell a break; one that cannot be repaired and matters is fatal."""
    first, last = float(energy[item.first]), float(energy[item.last])
    size = f"{item.height:+.1%} of the edge step"
    where = f"at {first:.1f} eV" if first == last else f"from {first:.1f} to {last:.1f} eV"
    remedy = "Look there for a jump of the monochromator or the beam; measure again, or end the scan before it"
    if item.kind == "glitch" and len(item.heights) <= MAX_POINTS:
        return Finding("glitch", "warning", f"glitch {where}, off by {size}: replaced by the curve around", first)
    if item.kind == "glitch":
        return Finding("wide-glitch", "fatal", f"glitch {where}, off by {size}: too long to be bridged", first, remedy)
    severity = "fatal" if abs(item.height) > LARGE else "warning"
    if item.kind == "step":
        return Finding("step", severity, f"μ jumps by {size} {where}, as no EXAFS does", first, remedy)
    return Finding("wide-glitch", severity, f"μ is off by {size} {where} and around, as no EXAFS is", first, remedy)
