"""Spectrum → findings: whether this is a scan of the edge it claims to be, reaches far enough, and is EXAFS throughout.

``background.py`` asks before larch sees the data, because larch makes χ(k) of anything. ``check`` judges the scan as it
is; ``mended`` repairs what can be repaired safely. A fatal finding means that the scan is rejected.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exafsnn.edges import core_hole_width, edges_between, edges_near, next_edge, tabulated
from exafsnn.errors import Finding
from exafsnn.measure.detector import detector_findings
from exafsnn.measure.ending import bridged, find_glitches
from exafsnn.measure.limits import (
    CALIBRATED,
    EDGE_OFFSETS,
    EDGE_WIDTH,
    EDGE_WIDTHS,
    FEW_POINTS,
    FLANK,
    FLANK_LIMIT,
    FOREIGN,
    FOREIGN_GAIN,
    FOREIGN_STRENGTH,
    GLITCH_GAIN,
    GLITCH_MARGIN,
    GLITCH_SHIFT,
    LARGE,
    LAST,
    LAST_PRE_EDGE,
    LOUD_K,
    LOW_K,
    MAX_EDGE_OFFSET,
    MIN_K_MAX,
    MIN_POINTS,
    MIN_PRE_EDGE,
    MIN_SHARE,
    MOST,
    NEAR_EDGE,
    NEXT_EDGE_MARGIN,
    ON_EDGE,
    PRE_EDGE_END,
    RESTLESS,
    SMALLEST,
    SPIKE,
    UNCERTAIN,
    UNSTEADY,
    USED_K,
    WIDE_SPIKE,
)
from exafsnn.measure.nearedge import near_edge_breaks
from exafsnn.measure.oscillations import find_bump, oscillations
from exafsnn.measure.preedge import LONGEST, pre_edge_breaks, unrest
from exafsnn.measure.sampling import axis_findings, energies, rebinned, wavenumbers
from exafsnn.measure.waves import MAX_POINTS, Break, edge_strengths, find_breaks, usual_noise
from exafsnn.records import Array, Spectrum
from exafsnn.rise import edge_rise, has_edge, point_noise, steepest, without_spikes


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
    energy, low, high = spectrum.energy, expected - MAX_EDGE_OFFSET, expected + MAX_EDGE_OFFSET
    steady = without_spikes(energy, spectrum.mu, WIDE_SPIKE)
    sharp, coarse = steepest(energy, spectrum.mu, low, high), steepest(energy, steady, low, high)
    if edge_rise(energy, steady, sharp) >= edge_rise(energy, steady, coarse):
        return sharp
    return steepest(energy, spectrum.mu, max(low, coarse - NEAR_EDGE), min(high, coarse + NEAR_EDGE))


def edge_height(spectrum: Spectrum, position: float) -> float:
    """By how much μ rises at its edge [eV], whatever spikes there are."""
    return edge_rise(spectrum.energy, without_spikes(spectrum.energy, spectrum.mu, SPIKE), position)


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
    rises = edge_rise(energy, mu, position) if has_edge(energy, mu, position) else 0.0
    down = steepest(energy, -mu, expected - MAX_EDGE_OFFSET, expected + MAX_EDGE_OFFSET)
    falls = edge_rise(energy, -mu, down) if has_edge(energy, -mu, down) else 0.0
    if rises > MIN_SHARE * rival and falls < 2 * rises:
        return None
    if falls > max(rival, 2 * rises):
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
    rise = edge_height(spectrum, position)
    notes += detector_findings(spectrum, position, rise) + axis_findings(spectrum, position)
    spectrum, below = _mended_pre_edge(spectrum, position, rise)
    spectrum, near = _mended_edge(spectrum, position, rise)
    if near:
        position = edge_position(spectrum)
        rise = edge_height(spectrum, position)
    spectrum, foreign = _before_foreign_edge(spectrum, position, rise)
    spectrum, breaks = _without_breaks(spectrum, position, rise)
    found = (*notes, *below, *near, *foreign, *breaks, *unsteady(spectrum, position, rise))
    return spectrum, (*found, *_too_many(found))


def _too_many(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Tell that there are more glitches than a scan may have."""
    if sum(finding.name == "glitch" for finding in findings) <= MOST:
        return ()
    return (Finding("many-glitches", "fatal", f"more than {MOST} glitches", remedy="Measure the scan again"),)


def _mended_pre_edge(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches below the edge, and begin the scan after a step."""
    energy, below = spectrum.energy, spectrum.energy < position + PRE_EDGE_END
    breaks = pre_edge_breaks(energy[below], spectrum.mu[below] / rise, position, SMALLEST["pre-edge"])
    steps = [item for item in breaks if item.kind == "step"]
    start = max((item.last for item in steps), default=0)
    findings = [_told_step(spectrum, item, position, rise) for item in steps]
    glitches = [item for item in breaks if item.kind == "glitch" and item.first >= start]
    findings += [_told(energy, item, below=True) for item in glitches]
    last = int(below.sum()) - 1
    doubtful = [item for item in glitches if len(item.heights) > MAX_POINTS or item.last == last]
    findings += [_uncertain_line(float(energy[item.first])) for item in doubtful[:1]]
    mu = _bridged(spectrum.mu, glitches, rise)
    return replace(spectrum, energy=energy[start:], mu=mu[start:]), tuple(findings)


def _uncertain_line(place: float) -> Finding:
    """Tell that a glitch below the edge is long, or may be a step, because the edge begins where it ends."""
    message = f"after the repair at {place:.1f} eV few points below the edge say where its line lies"
    remedy = "Measure again, or begin the scan earlier"
    return Finding("uncertain-repair", "warning", message, place, remedy)


def _told_step(spectrum: Spectrum, item: Break, position: float, rise: float) -> Finding:
    """Tell a step below the edge; fatal where too little is left after it, or where it does not last."""
    place = float(spectrum.energy[item.last])
    message = f"μ jumps by {item.height:+.1%} of the edge step at {place:.1f} eV, below the edge"
    if position - place < MIN_PRE_EDGE or not _lasts(spectrum, item, position, rise):
        return Finding("pre-edge-step", "fatal", message, place, "Measure again, or begin the scan earlier")
    return Finding("pre-edge-step", "warning", f"{message}: the scan is used from there on", place)


def _lasts(spectrum: Spectrum, step: Break, position: float, rise: float) -> bool:
    """Tell whether μ is still after its step where the edge begins to rise, not back where it was before."""
    away = spectrum.energy - position
    before, next_ = away < away[step.last], (away >= PRE_EDGE_END) & (away < LAST_PRE_EDGE)
    if not next_.any() or (spectrum.energy < position + PRE_EDGE_END)[step.last :].sum() > LONGEST:
        return True
    line = np.polynomial.Polynomial.fit(away[before], spectrum.mu[before] / rise, 1)
    back = float(np.median(spectrum.mu[next_] / rise - line(away[next_])))
    return abs(back - step.height) < abs(back)


def unsteady(spectrum: Spectrum, position: float, rise: float) -> tuple[Finding, ...]:
    """Tell a pre-edge that moves where the sample does not: whatever moves it goes on among the oscillations.

    Parameters
    ----------
    spectrum
        A scan up to the end of its EXAFS.
    position
        Of its edge [eV].
    rise
        Height of its edge, in the units of μ.
    """
    below, k = spectrum.energy < position + PRE_EDGE_END, wavenumbers(spectrum.energy, position)
    loud = (k > LOUD_K[0]) & (k < LOUD_K[1])
    if loud.sum() < MIN_POINTS / 2:
        return ()
    slow = np.polynomial.Polynomial.fit(k[loud], spectrum.mu[loud], 3)(k[loud])
    oscillation = max(float(np.std(spectrum.mu[loud] - slow)), 1e-12 * rise)
    moves = unrest(spectrum.energy[below], spectrum.mu[below], position)
    share, white = moves / oscillation, point_noise(spectrum.mu[below]) / oscillation
    if share < UNSTEADY:
        return ()
    message = f"μ moves by {moves / rise:.1%} of the edge step below the edge: {share:.0%} of the oscillations above it"
    severity = "fatal" if share**2 - white**2 > RESTLESS**2 else "warning"
    return (Finding("unsteady", severity, message, None, "Look at the beam and the monitor; measure again"),)


def _bridged(mu: Array, glitches: list[Break], rise: float) -> Array:
    """(n,) μ with the points of glitches where the others say."""
    mended = mu.copy()
    for item in glitches:
        mended[item.first : item.last + 1] -= rise * np.array(item.heights)
    return mended


def _mended_edge(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches around the edge, and tell what else is too sharp for its core hole."""
    width = core_hole_width(spectrum.absorber, spectrum.edge)
    breaks = near_edge_breaks(spectrum.energy, spectrum.mu / rise, position, width, SMALLEST["edge"])
    glitches = [item for item in breaks if item.kind == "glitch"]
    findings = [_told(spectrum.energy, item) for item in breaks]
    mended = replace(spectrum, mu=_bridged(spectrum.mu, glitches, rise))
    places = [float(spectrum.energy[item.first]) for item in glitches]
    on_edge = [place for place in places if abs(place - edge_position(mended)) < ON_EDGE]
    if on_edge:
        message = f"the glitch at {on_edge[0]:.1f} eV lies on the edge itself: E₀ after its repair is uncertain"
        remedy = "Measure again, or give the E₀ of a sound scan with --e0"
        findings.append(Finding("uncertain-repair", "warning", message, on_edge[0], remedy))
    return mended, tuple(findings)


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
    if not _is_edge(spectrum.energy[above], k[above], spectrum.mu[above] / rise, place):
        return spectrum, ()
    message = f"μ rises by {heights[best]:.1%} of the edge step at {place:.1f} eV, where the {edge} edge lies"
    end = place - NEXT_EDGE_MARGIN
    if wavenumbers(end, position) < MIN_K_MAX:
        message += f"; the scan before it is too short: k = {MIN_K_MAX} Å⁻¹ is the least"
        return spectrum, (Finding("foreign-edge", "fatal", message, place, "Measure another edge of the sample"),)
    inside = spectrum.energy <= end
    cut = replace(spectrum, energy=spectrum.energy[inside], mu=spectrum.mu[inside])
    return cut, (Finding("foreign-edge", "warning", f"{message}: the scan is used up to {end:.0f} eV", place),)


def _is_edge(energy: Array, k: Array, relative: Array, place: float) -> bool:
    """Tell whether what looks like an edge at ``place`` [eV] is one: no few points off explain it better, nor chance.

    Waves of any size leave a hundredth of an edge, and little to tell its height by; the oscillations as large as the
    scan has them leave far more.
    """
    shifts = np.arange(-GLITCH_SHIFT, GLITCH_SHIFT + 0.5, 0.5)
    away = (energy[:, None] - place - shifts)[:, :, None] / np.array(EDGE_WIDTHS)
    shapes = (0.5 + np.arctan(away) / np.pi).reshape(len(energy), -1)
    middle = int(np.argmin(np.abs(energy - place)))
    near = np.abs(np.arange(len(k)) - middle) <= 8
    edge, glitch = oscillations(k, relative, usual_noise(k, relative, near), near).rivals(shapes, middle)
    return edge > FOREIGN_GAIN and glitch <= GLITCH_GAIN * edge + GLITCH_MARGIN


def _oscillations(k: Array) -> np.ndarray:
    """Indices of the points among which breaks and edges are sought; none where there are too few."""
    above = np.flatnonzero(k > LOW_K - 0.7)
    return above if len(above) >= MIN_POINTS and k[-1] >= LOW_K + 2 else above[:0]


def _without_breaks(spectrum: Spectrum, position: float, rise: float) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches, and tell steps and stretches that are no EXAFS."""
    k, relative = wavenumbers(spectrum.energy, position), spectrum.mu / rise
    breaks = [*_breaks(k, relative), *_end_glitches(spectrum.energy, k, relative)]
    flanks = [_flanks(k, relative, item) if item.kind == "glitch" else 0.0 for item in breaks]
    breaks = [
        replace(item, kind="wide", heights=()) if beside > FLANK_LIMIT else item
        for item, beside in zip(breaks, flanks, strict=True)
    ]
    glitches, doubt = _foretold(k, relative, [item for item in breaks if item.kind == "glitch"])
    breaks = [item for item in breaks if item.kind != "glitch"]
    findings = [_told(spectrum.energy, item) for item in (*breaks, *glitches)]
    doubt *= max([1.0, *flanks]) ** 0.5
    if doubt > UNCERTAIN:
        findings.append(_uncertain(spectrum.energy, glitches, doubt))
    mended = replace(spectrum, mu=_bridged(spectrum.mu, glitches, rise))
    rejected = any(finding.severity == "fatal" for finding in findings)
    bump = None if rejected else _bump(k, mended.mu / rise)
    return mended, (*findings, *([_told(spectrum.energy, bump)] if bump else []))


def _flanks(k: Array, relative: Array, glitch: Break) -> float:
    """Mean χ² of the points beside a glitch, as all others foretell them: large where it is part of a longer one."""
    above = _oscillations(k)
    inside = (above >= glitch.first) & (above <= glitch.last)
    skip = (above >= glitch.first - FLANK) & (above <= glitch.last + FLANK)
    if not inside.any():
        return 0.0
    scan = oscillations(k[above], relative[above], usual_noise(k[above], relative[above], skip), skip)
    heights, covariance = scan.expected(np.flatnonzero(skip))
    beside = ~inside[skip]
    off = heights[beside]
    surprise = float(off @ np.linalg.solve(covariance[np.ix_(beside, beside)], off)) / len(off)
    return surprise if float(np.abs(off).max()) > SMALLEST["EXAFS"] else min(surprise, FLANK_LIMIT)


def _foretold(k: Array, relative: Array, glitches: list[Break]) -> tuple[list[Break], float]:
    """Glitches with the heights that the scan's own oscillations give them, and what that leaves uncertain of k²χ."""
    above = _oscillations(k)
    if not len(above) or not glitches:
        return glitches, 0.0
    skip = np.zeros(len(above), dtype=bool)
    for item in glitches:
        skip[np.flatnonzero((above >= item.first) & (above <= item.last))] = True
    points = np.flatnonzero(skip)
    scan = oscillations(k[above], relative[above], usual_noise(k[above], relative[above], skip), skip)
    heights, covariance = scan.expected(points)
    off = dict(zip(above[points].tolist(), heights.tolist(), strict=True))
    told = []
    for item in glitches:
        own = tuple(off[place] for place in range(item.first, item.last + 1))
        told.append(replace(item, heights=own, height=max(own, key=abs)))
    used = (k[above] > USED_K[0]) & (k[above] < USED_K[1])
    weight = k[above] ** 2 * np.gradient(k[above]) ** 0.5
    smooth = np.polynomial.Polynomial.fit(k[above], relative[above], 3)(k[above])
    whole = (weight * (relative[above] - smooth))[used & ~skip]
    spread = np.diag(covariance) * (weight**2 * used)[points]
    without = scan.mu.copy()
    without[points] -= heights
    return told, replace(scan, mu=without).usual() * float(np.sqrt(spread.sum() / (whole**2).sum()))


def _uncertain(energy: Array, glitches: list[Break], doubt: float) -> Finding:
    """Tell that repairs may be wrong by more than they should."""
    longest = max(glitches, key=lambda item: len(item.heights))
    place = float(energy[longest.first])
    message = f"the repairs, the longest of {len(longest.heights)} points at {place:.1f} eV, leave k²χ uncertain"
    return Finding("uncertain-repair", "warning", f"{message} by {doubt:.1%}", place, "Measure those points again")


def _bump(k: Array, relative: Array) -> Break | None:
    """Bump among the oscillations, as indices of the whole scan."""
    above = _oscillations(k)
    if not len(above):
        return None
    part = k[above], relative[above]
    found = find_bump(*part, usual_noise(*part), LOW_K, float(k[-1]) - LAST, SMALLEST["EXAFS"])
    return replace(found, first=found.first + int(above[0]), last=found.last + int(above[0])) if found else None


def _breaks(k: Array, relative: Array) -> list[Break]:
    """Breaks among the oscillations, as indices of the whole scan."""
    above = _oscillations(k)
    if not len(above):
        return []
    found = find_breaks(k[above], relative[above], LOW_K, float(k[-1]) - LAST, SMALLEST["EXAFS"])
    return [replace(item, first=item.first + int(above[0]), last=item.last + int(above[0])) for item in found]


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


def _told(energy: Array, item: Break, below: bool = False) -> Finding:
    """Tell a break; one that cannot be repaired and matters is fatal. Below the edge longer ones can be repaired."""
    first, last = float(energy[item.first]), float(energy[item.last])
    size = f"{item.height:+.1%} of the edge step"
    where = f"at {first:.1f} eV" if first == last else f"from {first:.1f} to {last:.1f} eV"
    remedy = "Look there for a jump of the monochromator or the beam; measure again, or end the scan before it"
    if item.kind == "glitch" and (len(item.heights) <= MAX_POINTS or below):
        return Finding("glitch", "warning", f"glitch {where}, off by {size}: replaced by the curve around", first)
    if item.kind == "glitch":
        return Finding("wide-glitch", "fatal", f"glitch {where}, off by {size}: too long to be bridged", first, remedy)
    severity = "fatal" if abs(item.height) > LARGE else "warning"
    if item.kind == "step":
        return Finding("step", severity, f"μ jumps by {size} {where}, as no EXAFS does", first, remedy)
    return Finding("wide-glitch", severity, f"μ is off by {size} {where} and around, as no EXAFS is", first, remedy)
