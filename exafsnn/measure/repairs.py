"""One scan that may not be sound → repaired where that is safe, and everything told that was found.

Quick scans are averaged, glitches moved onto the curve that their neighbours draw, the scan is begun after a step and
ended before another element's edge. What is left as it is, is a warning; what makes the scan useless is fatal.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from scipy.interpolate import CubicSpline

from exafsnn.edges import core_hole_width
from exafsnn.errors import Finding
from exafsnn.measure.departures import Break
from exafsnn.measure.detector import detector_findings
from exafsnn.measure.edge import Edge, edge_of, heights
from exafsnn.measure.ending import ending
from exafsnn.measure.limits import (
    EDGE_WIDTHS,
    FLANK,
    FLANK_LIMIT,
    FOREIGN_GAIN,
    GLITCH_GAIN,
    GLITCH_MARGIN,
    GLITCH_SHIFT,
    LARGE,
    LAST_PRE_EDGE,
    MIN_K_MAX,
    MIN_PRE_EDGE,
    MOST,
    NEXT_EDGE_MARGIN,
    ON_EDGE,
    PRE_EDGE_END,
    RESTLESS,
    SMALLEST,
    UNCERTAIN,
    UNSTEADY,
    USED_K,
)
from exafsnn.measure.nearedge import near_edge
from exafsnn.measure.oscillations import Oscillations, find_bump, oscillations
from exafsnn.measure.preedge import LONGEST, pre_edge, shares_of_unrest, unrest
from exafsnn.measure.sampling import axis_findings, merged, rebinned, repeated, wavenumbers
from exafsnn.measure.waves import MAX_POINTS, foreign_edges, oscillating, waves_of
from exafsnn.records import Array, Spectrum
from exafsnn.rise import point_noise

_TWO_ELECTRONS = (70.0, 0.03)
"""So far above the edge [eV] an electron of the next shell may leave with the core's (KM of 3d metals: 50 to 65 eV),
which makes a shoulder of so much of the edge step at most, sharper than EXAFS; Filipponi, Physica B 208, 29 (1995)."""
_CONTRADICT = 3 * 2**0.5
"""Two readings of one point differ by more than so many times the noise of one: by three standard deviations."""


def mended(spectrum: Spectrum) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Repair what can be repaired safely, and tell everything that was found.

    Parameters
    ----------
    spectrum
        A scan without a fatal finding of ``gate.check``, up to the end of its EXAFS.

    Returns
    -------
    Spectrum
        The scan, repaired.
    tuple of Finding
        What was found and done.
    """
    edge = _edge(spectrum)
    energy, mu, notes = rebinned(spectrum.energy, spectrum.mu[None], edge.position)
    if notes:
        spectrum = replace(spectrum, energy=energy, mu=mu[0])
        edge = replace(edge, height=float(heights(energy, mu, np.array([edge.position]))[0]))
    twice = np.zeros(0)
    if not notes:  # bins have averaged them
        spectrum, twice, notes = _once(spectrum, edge)
    notes += detector_findings(spectrum, edge) + axis_findings(spectrum.energy, edge.position, spectrum.mu)
    spectrum, below = _mended_pre_edge(spectrum, edge)
    spectrum, near = _mended_edge(spectrum, edge)
    if near:
        edge = _edge(spectrum)
    spectrum, combed = _uncombed(spectrum, edge)
    spectrum, foreign = _before_foreign_edge(spectrum, edge)
    spectrum, breaks = _without_breaks(spectrum, edge, twice)
    found = (*notes, *below, *near, *combed, *foreign, *breaks, *unsteady(spectrum, edge))
    return spectrum, (*found, *_too_many(found))


def _edge(spectrum: Spectrum) -> Edge:
    return edge_of(spectrum.energy, spectrum.mu, spectrum.absorber, spectrum.edge)


def _once(spectrum: Spectrum, edge: Edge) -> tuple[Spectrum, Array, tuple[Finding, ...]]:
    """Average points that were measured twice; tell it, and the energies (r,) of those whose readings contradict.

    Which reading is the right one only the oscillations can say.
    """
    same = repeated(spectrum.energy, core_hole_width(spectrum.absorber, spectrum.edge))
    if not same.any():
        return spectrum, np.zeros(0), ()
    energy, mu, apart = merged(spectrum.energy, spectrum.mu, same)
    k = wavenumbers(energy, edge.position)
    above = oscillating(k)
    noise = waves_of(k[above].tobytes()).usual_noise(mu[above]) if len(above) else 0.0
    contradict = np.zeros(len(energy), dtype=bool)
    contradict[above] = apart[above] > _CONTRADICT * noise
    if contradict.any():  # until the oscillations say more, they are what the points around are
        mu[contradict] = CubicSpline(energy[~contradict], mu[~contradict])(energy[contradict])
    once = replace(spectrum, energy=energy, mu=mu)
    worst = int(np.argmax(apart))
    message = (
        f"{same.sum()} points were measured twice, within {np.diff(spectrum.energy)[same].max():.2g} eV, the first at "
        f"{spectrum.energy[np.argmax(same)]:.1f} eV: averaged; they differ by {apart[worst] / edge.height:.2%} of the "
        "edge step at most"
    )
    if not contradict.any():
        return once, energy[contradict], (Finding("measured-twice", "note", message, float(energy[worst])),)
    message += "; where that is more than noise, the curve around replaced them"
    remedy = "Let the monochromator settle where two regions of a scan join"
    return once, energy[contradict], (Finding("measured-twice", "warning", message, float(energy[worst]), remedy),)


def _too_many(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Tell that there are more glitches than a scan may have."""
    if sum(finding.name == "glitch" for finding in findings) <= MOST:
        return ()
    return (Finding("many-glitches", "fatal", f"more than {MOST} glitches", remedy="Measure the scan again"),)


def _mended_pre_edge(spectrum: Spectrum, edge: Edge) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches below the edge, and begin the scan after a step."""
    energy, detector = spectrum.energy, pre_edge(spectrum.energy, edge.position)
    if detector is None:
        return spectrum, ()
    breaks, below = detector.breaks(spectrum.mu / edge.height), detector.below
    steps = [item for item in breaks if item.kind == "step"]
    start = max((item.last for item in steps), default=0)
    findings = [_told_step(spectrum, item, edge) for item in steps]
    glitches = [item for item in breaks if item.kind == "glitch" and item.first >= start]
    findings += [_told(energy, item, below=True) for item in glitches]
    last = int(below.sum()) - 1
    doubtful = [item for item in glitches if len(item.heights) > MAX_POINTS or item.last == last]
    findings += [_uncertain_line(float(energy[item.first])) for item in doubtful[:1]]
    mu = _bridged(spectrum.mu, glitches, edge)
    return replace(spectrum, energy=energy[start:], mu=mu[start:]), tuple(findings)


def _uncertain_line(place: float) -> Finding:
    """Tell that a glitch below the edge is long, or may be a step, because the edge begins where it ends."""
    message = f"after the repair at {place:.1f} eV few points below the edge say where its line lies"
    remedy = "Measure again, or begin the scan earlier"
    return Finding("uncertain-repair", "warning", message, place, remedy)


def _told_step(spectrum: Spectrum, item: Break, edge: Edge) -> Finding:
    """Tell a step below the edge; fatal where too little is left after it, or where it does not last."""
    place = float(spectrum.energy[item.last])
    message = f"μ jumps by {item.height:+.1%} of the edge step at {place:.1f} eV, below the edge"
    if edge.position - place < MIN_PRE_EDGE or not _lasts(spectrum, item, edge):
        return Finding("pre-edge-step", "fatal", message, place, "Measure again, or begin the scan earlier")
    return Finding("pre-edge-step", "warning", f"{message}: the scan is used from there on", place)


def _lasts(spectrum: Spectrum, step: Break, edge: Edge) -> bool:
    """Tell whether μ is still after its step where the edge begins to rise, not back where it was before."""
    away = spectrum.energy - edge.position
    before, next_ = away < away[step.last], (away >= PRE_EDGE_END) & (away < LAST_PRE_EDGE)
    if not next_.any() or (away < PRE_EDGE_END)[step.last :].sum() > LONGEST:
        return True
    line = np.polynomial.Polynomial.fit(away[before], spectrum.mu[before] / edge.height, 1)
    back = float(np.median(spectrum.mu[next_] / edge.height - line(away[next_])))
    return abs(back - step.height) < abs(back)


def unsteady(spectrum: Spectrum, edge: Edge) -> tuple[Finding, ...]:
    """Tell a pre-edge that moves where the sample does not: whatever moves it goes on among the oscillations."""
    below = spectrum.energy < edge.position + PRE_EDGE_END
    share = float(shares_of_unrest(spectrum.energy, spectrum.mu[None], edge.position)[0])
    if share < UNSTEADY:
        return ()
    moves = float(unrest(spectrum.energy[below], spectrum.mu[None, below], edge.position)[0])
    white = point_noise(spectrum.mu[below]) * share / moves
    size = f"{moves / edge.height:.1%} of the edge step"
    message = f"μ moves by {size} below the edge: {share:.0%} of the oscillations above it"
    severity = "fatal" if share**2 - white**2 > RESTLESS**2 else "warning"
    return (Finding("unsteady", severity, message, None, "Look at the beam and the monitor; measure again"),)


def _bridged(mu: Array, glitches: list[Break], edge: Edge) -> Array:
    """(n,) μ with the points of glitches where the others say."""
    mended = mu.copy()
    for item in glitches:
        mended[item.first : item.last + 1] -= edge.height * np.array(item.heights)
    return mended


def _mended_edge(spectrum: Spectrum, edge: Edge) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches around the edge, and tell what else is too sharp for its core hole."""
    width = core_hole_width(spectrum.absorber, spectrum.edge)
    detector = near_edge(spectrum.energy, edge.position, width)
    breaks = detector.breaks(spectrum.mu / edge.height) if detector else []
    glitches = [item for item in breaks if item.kind == "glitch"]
    findings = [_told(spectrum.energy, item, away=-edge.position) for item in breaks]
    mended = replace(spectrum, mu=_bridged(spectrum.mu, glitches, edge))
    places = [float(spectrum.energy[item.first]) for item in glitches]
    repaired = _edge(mended).position if glitches else edge.position
    on_edge = [place for place in places if abs(place - repaired) < ON_EDGE]
    if on_edge:
        message = f"the glitch at {on_edge[0]:.1f} eV lies on the edge itself: E₀ after its repair is uncertain"
        remedy = "Measure again, or give the E₀ of a sound scan with --e0"
        findings.append(Finding("uncertain-repair", "warning", message, on_edge[0], remedy))
    return mended, tuple(findings)


def _before_foreign_edge(spectrum: Spectrum, edge: Edge) -> tuple[Spectrum, tuple[Finding, ...]]:
    """End the scan before the K or L₃ edge of another element, if there is one."""
    k = wavenumbers(spectrum.energy, edge.position)
    above, relative = oscillating(k), spectrum.mu / edge.height
    energy, k, relative = spectrum.energy[above], k[above], relative[above]
    detector = foreign_edges(energy, k, edge) if len(k) else None
    strongest = detector.strongest(relative) if detector else None
    if strongest is None or not _is_edge(energy, k, relative, strongest[1]):
        return spectrum, ()
    known, place, height = strongest
    message = f"μ rises by {height:.1%} of the edge step at {place:.1f} eV, where the {known} edge lies"
    end = place - NEXT_EDGE_MARGIN
    if wavenumbers(end, edge.position) < MIN_K_MAX:
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
    edge, glitch = _learned(k, relative, near).rivals(shapes, middle)
    return edge > FOREIGN_GAIN and glitch <= GLITCH_GAIN * edge + GLITCH_MARGIN


def _uncombed(spectrum: Spectrum, edge: Edge) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Take off what every n-th point is off by, as a top-up of the ring leaves it that comes once in n points.

    What comes as often but takes longer is told and left.
    """
    k = wavenumbers(spectrum.energy, edge.position)
    above = oscillating(k)
    if not len(above):
        return spectrum, ()
    waves, relative = waves_of(k[above].tobytes()), spectrum.mu / edge.height
    found = waves.comb(relative[above])
    if found is None:
        return spectrum, ()
    period, first, height = found
    off = height * ((np.arange(len(k)) - above[0]) % period == first)
    place = float(spectrum.energy[above[0] + first])
    message = f"every {period}th point is off by {height:+.2%} of the edge step, as at {place:.1f} eV"
    remedy = "Look for what comes as often: a top-up of the ring, a shutter, a sweep of the beam"
    if waves.comb((relative - off)[above]) is not None:
        message += "; what comes as often is longer than a point: it was left"
        return spectrum, (Finding("periodic", "warning", message, place, remedy),)
    mended = replace(spectrum, mu=spectrum.mu - edge.height * off)
    return mended, (Finding("periodic", "warning", f"{message}: taken off", place, remedy),)


def _without_breaks(spectrum: Spectrum, edge: Edge, twice: Array) -> tuple[Spectrum, tuple[Finding, ...]]:
    """Bridge glitches and points at energies ``twice`` (r,), and tell steps and stretches that are no EXAFS."""
    k, relative = wavenumbers(spectrum.energy, edge.position), spectrum.mu / edge.height
    end = ending(spectrum.energy, k)
    breaks = [*_breaks(k, relative), *(end.breaks(relative) if end else [])]
    flanks = [_flanks(k, relative, item) if item.kind == "glitch" else 0.0 for item in breaks]
    breaks = [
        replace(item, kind="wide", heights=()) if beside > FLANK_LIMIT else item
        for item, beside in zip(breaks, flanks, strict=True)
    ]
    glitches = [item for item in breaks if item.kind == "glitch"]
    known = [place for item in glitches for place in range(item.first, item.last + 1)]
    again = np.setdiff1d(np.flatnonzero(np.isin(spectrum.energy, twice)), known).tolist()
    told = len(glitches)
    glitches, doubt = _foretold(k, relative, [*glitches, *(Break("glitch", i, i, 0.0, 0.0, (0.0,)) for i in again)])
    breaks = [item for item in breaks if item.kind != "glitch"]
    findings = [_told(spectrum.energy, item, away=-edge.position) for item in (*breaks, *glitches[:told])]
    doubt *= max([1.0, *flanks]) ** 0.5
    if doubt > UNCERTAIN:
        findings.append(_uncertain(spectrum.energy, glitches, doubt))
    mended = replace(spectrum, mu=_bridged(spectrum.mu, glitches, edge))
    rejected = any(finding.severity == "fatal" for finding in findings)
    bump = None if rejected else _bump(k, mended.mu / edge.height)
    return mended, (*findings, *([_told(spectrum.energy, bump, away=-edge.position)] if bump else []))


def _flanks(k: Array, relative: Array, glitch: Break) -> float:
    """Mean χ² of the points beside a glitch, as all others foretell them: large where it is part of a longer one."""
    above = oscillating(k)
    inside = (above >= glitch.first) & (above <= glitch.last)
    skip = (above >= glitch.first - FLANK) & (above <= glitch.last + FLANK)
    if not inside.any():
        return 0.0
    scan = _learned(k[above], relative[above], skip)
    heights, covariance = scan.expected(np.flatnonzero(skip))
    beside = ~inside[skip]
    off = heights[beside]
    surprise = float(off @ np.linalg.solve(covariance[np.ix_(beside, beside)], off)) / len(off)
    return surprise if float(np.abs(off).max()) > SMALLEST["EXAFS"] else min(surprise, FLANK_LIMIT)


def _foretold(k: Array, relative: Array, glitches: list[Break]) -> tuple[list[Break], float]:
    """Glitches with the heights that the scan's own oscillations give them, and what that leaves uncertain of k²χ."""
    above = oscillating(k)
    if not len(above) or not glitches:
        return glitches, 0.0
    skip = np.zeros(len(above), dtype=bool)
    for item in glitches:
        skip[np.flatnonzero((above >= item.first) & (above <= item.last))] = True
    points = np.flatnonzero(skip)
    scan = _learned(k[above], relative[above], skip)
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


def _learned(k: Array, relative: Array, skip: np.ndarray) -> Oscillations:
    """What the oscillations can be, as all points but some (n,) tell."""
    return oscillations(k, relative, waves_of(k.tobytes()).usual_noise(relative, skip), skip)


def _bump(k: Array, relative: Array) -> Break | None:
    """Bump among the oscillations, as indices of the whole scan."""
    above = oscillating(k)
    if not len(above):
        return None
    part = k[above], relative[above]
    found = find_bump(*part, waves_of(part[0].tobytes()).usual_noise(part[1]))
    return replace(found, first=found.first + int(above[0]), last=found.last + int(above[0])) if found else None


def _breaks(k: Array, relative: Array) -> list[Break]:
    """Breaks among the oscillations, as indices of the whole scan."""
    above = oscillating(k)
    if not len(above):
        return []
    found = waves_of(k[above].tobytes()).breaks(relative[above])
    return [replace(item, first=item.first + int(above[0]), last=item.last + int(above[0])) for item in found]


def _told(energy: Array, item: Break, below: bool = False, away: float = -math.inf) -> Finding:
    """Tell a break; one that cannot be repaired and matters is fatal. Below the edge longer ones can be repaired.

    ``away`` is minus the energy of the edge: up to ``_TWO_ELECTRONS`` above it a small stretch may be the sample's own.
    """
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
    if 0 < last + away < _TWO_ELECTRONS[0] and abs(item.height) < _TWO_ELECTRONS[1]:
        severity, remedy = (
            "warning",
            "Two electrons that leave the atom at once may do so; else look there for a glitch",
        )
    return Finding("wide-glitch", severity, f"μ is off by {size} {where} and around, as no EXAFS is", first, remedy)
