"""Scans → those that are sound, repaired where that is safe; what is told of each; and why others are refused.

Larch would make χ(k) of anything. ``check`` judges a scan as it is: whether it is one of the edge it claims to be, and
reaches far enough. Each detector then says in which of many scans it might find something (``suspects``); these go
through ``repairs``, one by one, and all others are sound.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np

from exafsnn.edges import core_hole_width, edges_near, next_edge, tabulated
from exafsnn.errors import Finding
from exafsnn.linear import KEPT
from exafsnn.measure import detector
from exafsnn.measure.edge import Edge, edge_of, heights, positions, standing
from exafsnn.measure.ending import ending
from exafsnn.measure.limits import (
    CALIBRATED,
    DOUBT,
    FEW_POINTS,
    FEWEST_POINTS,
    LAST,
    LOUD_K,
    MAX_EDGE_OFFSET,
    MIN_K_MAX,
    MIN_POINTS,
    MIN_PRE_EDGE,
    MIN_SHARE,
    NEXT_EDGE_MARGIN,
    PRE_EDGE_END,
    RESTLESS,
    UNSTEADY,
)
from exafsnn.measure.nearedge import AROUND, near_edge
from exafsnn.measure.oscillations import Oscillations, octaves, oscillations, outbursts_of
from exafsnn.measure.preedge import pre_edge, shares_of_unrest
from exafsnn.measure.repairs import mended, unsteady
from exafsnn.measure.sampling import axis_findings, energies, rebinned, repeated, wavenumbers
from exafsnn.measure.templates import on_templates
from exafsnn.measure.waves import foreign_edges, oscillating, waves_of
from exafsnn.records import Array, Spectrum
from exafsnn.rise import edge_rise, has_edge, steepest
from exafsnn.settings import MAX_MU
from exafsnn.words import short_of

_ROUNDING = 0.95
"""Share of a limit at which many scans at once are looked at one by one."""

_MOST_EXAMPLES = 100
"""So many are kept: 0.5 MB each."""

_Findings = tuple[Finding, ...]


@dataclass(frozen=True)
class Passed:
    """Scans that may become χ(k), on the energies that are used of them."""

    rows: np.ndarray
    """(s,) which they are."""
    energy: Array
    """(n,) [eV]."""
    mu: Array
    """(s, n)."""
    positions: Array
    """(s,) of their edges [eV]."""
    findings: tuple[_Findings, ...]
    """(s,) what was found and done."""


class Known:
    """What is learned of the scans of a run while they are judged: grids, and an example of each size of EXAFS."""

    def __init__(self) -> None:
        self.templates: dict[Hashable, list[Array]] = {}
        self.examples: dict[Hashable, Oscillations] = {}


_Judgement = Passed | tuple[int, "_Findings | Exception"]


def judged(grids: Sequence[tuple[Spectrum, Array]], known: Known) -> Iterator[tuple[int, _Judgement]]:
    """Judge scans of some grids.

    Parameters
    ----------
    grids
        Of each what its scans share, energies (n,), absorber, edge, mode, and their absorption (s, n). The μ of what
        they share is not used.
    known
        What is learned on the way; for the next scans of the same run, too.

    Yields
    ------
    tuple
        The number of a grid, and some of its scans that ``Passed``, or one that is refused: its row, and what was
        found, something fatal among it, or what went wrong. Each scan comes once.
    """
    plain = list(_plain(grids))
    left = [np.ones(len(mu), dtype=bool) for _, mu in grids]
    for item, suspect, unrest in _suspects(plain, known):
        passed = _passed(item, ~suspect, unrest)
        left[item.grid][passed.rows] = False
        if len(passed.rows):
            yield item.grid, passed
    for number, (like, mu) in enumerate(grids):
        for row in np.flatnonzero(left[number]).tolist():
            yield number, _alone(replace(like, mu=mu[row]), row)


def _alone(spectrum: Spectrum, row: int) -> Passed | tuple[int, _Findings | Exception]:
    """Judge one scan by all that the gate has."""
    try:
        found = check(spectrum)
        if any(finding.severity == "fatal" for finding in found):
            return row, found
        used, repairs = mended(up_to(spectrum, end_of_exafs(spectrum)))
        found = (*found, *repairs)
        if any(finding.severity == "fatal" for finding in found):
            return row, found
        place = positions(used.energy, used.mu[None], tabulated(used.absorber, used.edge))
    except Exception as error:  # even a fault of ours must not cost the others
        return row, error
    return Passed(np.array([row]), used.energy, used.mu[None], place, (found,))


@dataclass(frozen=True)
class _Plain:
    """Scans of one grid that plainly show their edge at one position; something may still be broken."""

    grid: int
    """Number of it."""
    like: Spectrum
    """What they share, with the energies that are used."""
    rows: np.ndarray
    """(s,) which scans of the grid they are."""
    position: float
    """[eV]"""
    mu: Array
    """(s, n) absorption."""
    rise: Array
    """(s,) height of the edge in units of μ."""
    found: tuple[_Findings, _Findings]
    """What all of them have in common, before and after what is told of each."""
    is_rebinned: bool

    @property
    def away(self) -> Array:
        """(n,) energies from the edge [eV]."""
        return self.like.energy - self.position

    @cached_property
    def relative(self) -> Array:
        """(s, n) μ in edge steps."""
        return self.mu / self.rise[:, None]


@dataclass(frozen=True)
class _Candidates:
    """Scans of one grid that may show their edge plainly."""

    grid: int
    """Number of it."""
    whole: Spectrum
    """What they share, with all energies …"""
    like: Spectrum
    """… and with those that are used."""
    rows: np.ndarray
    """(s,) which scans of the grid they are."""
    mu: Array
    """(s, n)."""


def _candidates(number: int, like: Spectrum, mu: Array) -> _Candidates | None:
    """Those of scans (s, n) of a grid that might, if any."""
    if _broken_axis(replace(like, mu=like.energy)):
        return None
    used = up_to(like, end_of_exafs(like))
    expected, n = tabulated(like.absorber, like.edge), len(used.energy)
    margin = n // 50 + 3
    rows = np.flatnonzero((np.abs(mu) < MAX_MU).all(axis=1))  # NaN is not less
    if not len(rows) or n <= 2 * margin or not used.energy[margin] < expected < used.energy[-margin]:
        return None
    return _Candidates(number, like, used, rows, mu[rows, :n])


def _plain(grids: Sequence[tuple[Spectrum, Array]]) -> Iterator[_Plain]:
    """Scans that plainly show their edge, position of the edge by position of the edge.

    Lone scans of grids that have as many points are looked at together.
    """
    groups: dict[Hashable, list[_Candidates]] = {}
    for number, (like, mu) in enumerate(grids):
        found = _candidates(number, like, mu)
        if found:
            key = (len(found.like.energy), like.absorber, like.edge) if len(found.rows) == 1 else number
            groups.setdefault(key, []).append(found)
    for group in groups.values():
        energy = np.stack([item.like.energy for item in group]) if len(group) > 1 else group[0].like.energy
        mu = np.concatenate([item.mu for item in group])
        expected = tabulated(group[0].like.absorber, group[0].like.edge)
        places = positions(energy, mu, expected)
        shown = standing(energy, mu, places, expected)
        asked = places, heights(energy, mu, places), shown
        ends = np.cumsum([len(item.rows) for item in group])[:-1]
        for item, *own in zip(group, *(np.split(values, ends) for values in asked), strict=True):
            yield from _of_grid(item, *own)


def _of_grid(item: _Candidates, places: Array, rise: Array, shown: np.ndarray) -> Iterator[_Plain]:
    """Scans that are ``shown`` (s,) to show their edge plainly, unless their energies are no scan's.

    ``places`` are those of their edges [eV], ``rise`` the heights (s,).
    """
    named = item.like.absorber, item.like.edge
    expected = tabulated(*named)
    for position in np.unique(places[shown]).tolist():
        here = shown & (places == position)
        found = _of_the_axis(item.whole, Edge(position, 1.0, expected))
        energy, mu, notes = rebinned(item.like.energy, item.mu[here], position)
        axis = axis_findings(energy, position)
        twice = not notes and repeated(energy, core_hole_width(*named)).any()
        if twice or any(finding.name == "axis-jump" for finding in axis):
            continue  # what is done about that, μ of each scan has to say
        if any(finding.severity == "fatal" for finding in (*found, *axis)):
            continue
        high = heights(energy, mu, places[here]) if notes else rise[here]
        rises = high > 0
        told = (*found, *notes), axis
        like = replace(item.like, energy=energy)
        yield _Plain(item.grid, like, item.rows[here][rises], position, mu[rises], high[rises], told, bool(notes))


def _passed(item: _Plain, sound: np.ndarray, unrest: Array) -> Passed:
    """Those of plain scans that are sound (s,), and what is told of them; ``unrest`` (s,) as it was found."""
    energy, mu, rise = item.like.energy, item.mu[sound], item.rise[sound]
    told = _remarks(item.like, mu, rise, item.position, unrest[sound])
    expected = tabulated(item.like.absorber, item.like.edge)
    near = positions(energy, mu, expected) if item.is_rebinned else np.full(len(rise), item.position)
    before, after = item.found
    findings = tuple((*before, *first, *after, *last) for first, last in told)
    return Passed(item.rows[sound], energy, mu, near, findings)


class _Detector(Protocol):
    """A part of the gate."""

    def suspects(self, mu: Array, share: float, /) -> np.ndarray:
        """(s, n) μ in edge steps, a share of the detector's limits → (s,) scans in which it might find something."""


@lru_cache(maxsize=4 * KEPT)
def _detectors(stretch: str, points: bytes, absorber: str, edge: str) -> tuple[_Detector, ...]:
    """The detectors that look at a stretch of scans; its points are energies from the edge."""
    away = np.frombuffer(points)
    k = wavenumbers(away, 0.0)
    found: tuple[_Detector | None, ...]
    match stretch:
        case "below":
            found = (pre_edge(away, 0.0),)
        case "around":
            found = (near_edge(away, 0.0, core_hole_width(absorber, edge)),)
        case "end":
            found = (ending(away, k),)
        case _:
            expected = tabulated(absorber, edge)
            grid, own = k.tobytes(), Edge(expected, 1.0, expected)
            found = waves_of(grid), foreign_edges(away + expected, k, own), outbursts_of(grid)
    return tuple(item for item in found if item)


def _suspects(plain: Sequence[_Plain], known: Known) -> Iterator[tuple[_Plain, np.ndarray, Array]]:
    """Each with (s,) in which of its scans there might be something to repair or to tell, and their unrest (s,)."""
    if not plain:
        return
    suspect = np.concatenate([detector.suspects(item.relative) for item in plain])
    unrest, ends = np.zeros(len(suspect)), np.cumsum([0, *(len(item.rows) for item in plain)])
    parts = [_stretches(item.away) for item in plain]
    for stretch in parts[0]:
        points = [np.flatnonzero(part[stretch]) for part in parts]
        for named, members in _of_one_edge(plain).items():
            stretches = [plain[number].away[points[number]] for number in members]
            mu = [plain[number].relative[:, points[number]] for number in members]
            numbers = np.concatenate([np.arange(ends[number], ends[number + 1]) for number in members])
            for away, some, values, own in on_templates(
                stretches, mu, known.templates.setdefault((stretch, *named), [])
            ):
                rows, share = numbers[some], 1.0 if own else DOUBT
                if stretch == "unrest":
                    unrest[rows] = shares_of_unrest(away, values, 0.0)
                    suspect[rows] |= unrest[rows] >= _ROUNDING * RESTLESS
                    continue
                for one in _detectors(stretch, away.tobytes(), *named) if len(away) else ():
                    open_ = np.flatnonzero(~suspect[rows])
                    suspect[rows[open_]] = one.suspects(values[open_], share)
                if stretch == "above" and len(away):
                    open_ = np.flatnonzero(~suspect[rows])
                    suspect[rows[open_]] = _bumps(wavenumbers(away, 0.0), values[open_], known)
    for number, item in enumerate(plain):
        yield item, suspect[ends[number] : ends[number + 1]], unrest[ends[number] : ends[number + 1]]


def _of_one_edge(plain: Sequence[_Plain]) -> dict[tuple[str, str], list[int]]:
    """Numbers of the groups of each absorber and edge."""
    found: dict[tuple[str, str], list[int]] = {}
    for number, item in enumerate(plain):
        found.setdefault((item.like.absorber, item.like.edge), []).append(number)
    return found


def _stretches(away: Array) -> dict[str, np.ndarray]:
    """The points (n,) of a scan, given as energies from its edge [eV], that detectors look at."""
    k = wavenumbers(away, 0.0)
    above = np.zeros(len(away), dtype=bool)
    above[oscillating(k)] = True
    below = away < PRE_EDGE_END
    return {
        "unrest": below | ((k > LOUD_K[0]) & (k < LOUD_K[1])), "below": below,
        "around": (away > AROUND[0]) & (away < AROUND[1]), "end": k > k[-1] - 4 * LAST, "above": above,
    }  # fmt: skip


def _bumps(k: Array, mu: Array, known: Known) -> np.ndarray:
    """(s,) in which scans (s, m), in edge steps, there might be a bump; the first of its size judges others."""
    suspect = np.zeros(len(mu), dtype=bool)
    if not len(mu):
        return suspect
    sizes, places = np.unique(octaves(k, mu), axis=0, return_inverse=True)
    grid = k.tobytes()
    for number, size in enumerate(sizes.tolist()):
        rows = np.flatnonzero(places.ravel() == number)
        key = (grid, *size)
        if key not in known.examples:
            if len(known.examples) == _MOST_EXAMPLES:
                known.examples.clear()
            first = mu[rows[0]]
            known.examples[key] = oscillations(k, first, waves_of(grid).usual_noise(first))
        suspect[rows] = known.examples[key].suspects(mu[rows])
    return suspect


def _remarks(
    like: Spectrum, mu: Array, rise: Array, position: float, unrest: Array
) -> list[tuple[_Findings, _Findings]]:  # fmt: skip
    """(s,) what is told of sound scans (s, n): of detector and sample, and of an unsteady pre-edge."""
    told: list[tuple[_Findings, _Findings]] = [((), ())] * len(mu)
    moving = unrest >= _ROUNDING * UNSTEADY
    for row in np.flatnonzero(moving | detector.remarkable(like.mode, rise)).tolist():
        scan, edge = replace(like, mu=mu[row]), Edge(position, float(rise[row]), position)
        told[row] = detector.detector_findings(scan, edge), unsteady(scan, edge)
    return told


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
    edge = edge_of(spectrum.energy, spectrum.mu, spectrum.absorber, spectrum.edge)
    fault = _no_edge(spectrum, edge.position)
    if fault:
        return (fault,)
    return _of_the_axis(spectrum, edge)


def _of_the_axis(spectrum: Spectrum, edge: Edge) -> _Findings:
    """What scans of these energies with that edge have in common: fatal first."""
    findings = (
        _short_range(spectrum, edge.position),
        _short_pre_edge(spectrum, edge.position),
        _few_points(spectrum, edge.position),
        _offset(edge),
        _second_edge(spectrum),
    )
    found = [finding for finding in findings if finding]
    return tuple(sorted(found, key=lambda finding: finding.severity != "fatal"))


def end_of_exafs(spectrum: Spectrum) -> float:
    """Energy [eV] up to which a scan is EXAFS of its own edge: its end, or short of the absorber's next edge."""
    following = next_edge(spectrum.absorber, spectrum.edge)
    end = float(spectrum.energy[-1])
    return min(end, following.energy - NEXT_EDGE_MARGIN) if following else end


_ROUNDING = 1e-5
"""Of k [Å⁻¹]: a scan to 8.5 Å⁻¹ is one, whatever its last digits."""


def up_to(spectrum: Spectrum, end: float) -> Spectrum:
    """Cut the scan at an energy [eV], into arrays of its own."""
    last = int(np.searchsorted(spectrum.energy, end, side="right"))
    return replace(
        spectrum,
        energy=np.array(spectrum.energy[:last], dtype=np.float64),
        mu=np.array(spectrum.mu[:last], dtype=np.float64),
    )


def _broken_axis(spectrum: Spectrum) -> Finding | None:
    """Arrays that no analysis can take."""
    energy, mu = spectrum.energy, spectrum.mu
    remedy = "Repair the scan"
    if energy.ndim != 1 or energy.shape != mu.shape or len(energy) < FEWEST_POINTS:
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
    if k_max >= MIN_K_MAX - _ROUNDING:
        return None
    needed = math.ceil(energies(MIN_K_MAX, position))
    at = f"{short_of(end, needed)} eV, k = {short_of(float(k_max), MIN_K_MAX, 1)} Å⁻¹"
    message = f"the scan ends at {at}; k = {MIN_K_MAX} Å⁻¹ is the least"
    remedy = f"Measure to {needed} eV or further"
    return Finding("short-range", "fatal", message, end, remedy)


def _short_pre_edge(spectrum: Spectrum, position: float) -> Finding | None:
    length = position - float(spectrum.energy[0])
    if length >= MIN_PRE_EDGE:
        return None
    message = f"the scan begins {short_of(length, MIN_PRE_EDGE)} eV below the edge; {MIN_PRE_EDGE:.0f} eV is the least"
    remedy = f"Begin at {position - 150:.0f} eV, 150 eV below the edge"
    return Finding("short-pre-edge", "fatal", message, float(spectrum.energy[0]), remedy)


def _few_points(spectrum: Spectrum, position: float) -> Finding | None:
    above = int((spectrum.energy > position).sum())
    if above >= FEW_POINTS:
        return None
    message = f"there are {above} points above the edge"
    severity = "fatal" if above < MIN_POINTS else "warning"
    return Finding("few-points", severity, message, remedy="Measure every 0.05 Å⁻¹")


def _offset(edge: Edge) -> Finding | None:
    if abs(edge.offset) <= CALIBRATED:
        return None
    message = f"the edge is {edge.offset:+.0f} eV off its tabulated energy"
    remedy = "Harmless for χ(k), but check the monochromator"
    return Finding("edge-offset", "warning", message, edge.position, remedy)


def _second_edge(spectrum: Spectrum) -> Finding | None:
    end, following = end_of_exafs(spectrum), next_edge(spectrum.absorber, spectrum.edge)
    if following is None or end >= spectrum.energy[-1]:
        return None
    message = f"the {following} edge at {following.energy:.0f} eV follows: the scan is used up to {end:.0f} eV"
    return Finding("next-edge", "warning", message, following.energy)
