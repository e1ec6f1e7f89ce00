"""Table → absorption: ready μ, transmission or fluorescence, whichever shows the edge, and the reference beside it.

``scan.py`` calls it once the roles of the columns are known, and for a guess where they are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from itertools import pairwise

import numpy as np

from exafsnn.edges import MAX_OFFSET, Edge
from exafsnn.errors import Finding, ScanError
from exafsnn.read.counters import counter_findings
from exafsnn.read.energy_axis import MAX_BACKLASH, in_ev, increasing
from exafsnn.read.roles import Roles, anonymous_detectors
from exafsnn.read.table import Table
from exafsnn.records import Array
from exafsnn.rise import MIN_CONTRAST, edge_contrast, has_edge, steepest
from exafsnn.settings import MAX_MU

_MAX_SHIFT = 50.0
"""Largest energy shift [eV] by which a reference may align its scan."""

_MIN_REFERENCE_STEP = 0.02
"""Smallest edge step of a reference's μ that is usable; detectors' cross-talk makes smaller ones."""

_SAME = 0.01
"""Largest difference between a ready μ and ln(I0/It) of the counters from which it was made."""

_NO_COUNTER = "Check that it is a counter; take other columns with --columns"

_EQUAL = 1e-6
"""Largest difference between two μ that are one and the same, relative to the range of μ."""

_SIGNALS = {"ready": ("mu",), "ln(I0/It)": ("i0", "it"), "ready (fluorescence)": ("muf",), "If/I0": ("i0", "if")}
"""Kinds of absorption that a table may hold, in order of preference, and the roles that each needs."""

_Look = Callable[[str], tuple[Finding, ...]]
"""Role of the counter behind the sample → what speaks against it and against the monitor."""

_REFERENCES = (("muref",), ("it", "iref"))
"""Roles that make a reference's absorption, in order of preference."""


@dataclass(frozen=True)
class Curve:
    """μ(E), and what is asked of it more than once."""

    energy: Array
    """(n,) increasing [eV]."""
    mu: Array
    """(n,)"""

    @cached_property
    def steepest(self) -> float:
        """Energy [eV] of the largest dμ/dE."""
        return steepest(self.energy, self.mu)

    @cached_property
    def contrast(self) -> float:
        """Height of the step there, in units of the noise of single points."""
        return edge_contrast(self.energy, self.mu, self.steepest)

    def is_same(self, mu: Array) -> bool:
        """Tell whether another μ (n,) is this one, to the last digits that a file gives."""
        return bool(np.abs(mu - self.mu).max() <= _EQUAL * np.ptp(self.mu))


@dataclass(frozen=True)
class Signal:
    """An absorption that a table holds."""

    curve: Curve
    origin: str
    mode: str = ""
    """``"transmission"``, ``"fluorescence"``, ``"electron yield"``, or empty for a ready μ of which nothing is said."""
    findings: tuple[Finding, ...] = ()
    """What was done to it, and why other signals of the table were not taken."""


def best_signal(table: Table, roles: Roles, energy: Array, expected: float | None = None) -> Signal:
    """First absorption of the table whose edge stands out of the noise, not much less than that of any other.

    Parameters
    ----------
    table, roles
        What was measured; rows in the order of ``energy``.
    energy
        (n,) increasing [eV].
    expected
        Energy [eV] of the edge that the header names, if it does.

    Returns
    -------
    Signal
        Where only the reference shows an edge, the reference, with a fatal finding that says so.
    """
    signals, faults = [], []
    look = cache(partial(_counters, table, roles, energy))
    for kind, used in _SIGNALS.items():
        if set(used) <= set(roles):
            for role in used:
                table.column(roles[role])  # what is not finite is an error even where another signal is fine
            try:
                signals.append(_signal(table, roles, kind, energy, look))
            except ScanError as fault:
                faults.append(fault)
    if len(signals) == 1 and not faults and not any(set(used) <= set(roles) for used in _REFERENCES):
        return signals[0]
    curves = [signal.curve for signal in signals]
    contrasts = [next(one for one in curves if one.is_same(curve.mu)).contrast for curve in curves]
    if faults and max(contrasts, default=0.0) < MIN_CONTRAST:
        raise faults[0]
    if max(contrasts) < MIN_CONTRAST and (reference := _only_reference(table, roles, energy, signals, expected)):
        return reference
    good = [signal for signal, contrast in zip(signals, contrasts, strict=True) if contrast >= max(contrasts) / 5]
    passed = [Finding("signal-passed-over", "note", fault.reason) for fault in faults]
    best = next((signal for signal in good if not _fault(signal)), good[0])
    passed += [_passed_over(signal) for signal in good[: good.index(best)]]
    return replace(best, findings=(*best.findings, *passed))


def _fault(signal: Signal) -> Finding | None:
    """Why a signal cannot be used."""
    return next((finding for finding in signal.findings if finding.severity == "fatal"), None)


def _passed_over(signal: Signal) -> Finding:
    """Say which signal was not taken, and why."""
    fault = _fault(signal)
    return Finding("signal-passed-over", "warning", f"{signal.origin} was not taken: {fault.message if fault else ''}")


def _signal(table: Table, roles: Roles, kind: str, energy: Array, look: _Look) -> Signal:
    """Absorption of one kind of measurement; ``look`` tells what speaks against its counters."""
    origin = f"{kind}, {_naming(table, roles, _SIGNALS[kind])}"
    emitted = table.mode if table.mode == "electron yield" else "fluorescence"
    match kind:
        case "ln(I0/It)":
            mu = _log_ratio(table, roles["i0"], roles["it"])
            return Signal(Curve(energy, mu), origin, "transmission", look("it"))
        case "If/I0":
            with np.errstate(over="ignore"):
                ratio = table.column(roles["if"]) / _positive(table, roles["i0"])
            return Signal(Curve(energy, _sane(table, ratio)), origin, emitted, look("if"))
        case "ready":
            mu, findings = _limited(table, roles, energy, look)
            return Signal(Curve(energy, _sane(table, mu)), origin, table.mode, findings)
        case _:
            return Signal(Curve(energy, _sane(table, table.column(roles["muf"]))), origin, emitted)


def _counters(table: Table, roles: Roles, energy: Array, behind: str) -> tuple[Finding, ...]:
    """Look at the raw counters before and behind the sample; each column of a sum counts for itself."""
    names = {index: _named(table, index) for role in ("i0", behind) for index in roles[role]}
    counters = {name: table.column((index,)) for index, name in names.items()}
    sums = {role: ", ".join(names[index] for index in roles[role]) for role in ("i0", behind)}
    counters |= {name: table.column(roles[role]) for role, name in sums.items()}
    return counter_findings(energy, counters, sums["i0"], sums[behind])


def _sane(table: Table, mu: Array) -> Array:
    """Return μ, unless a value is too large to be one."""
    if len(far := np.flatnonzero(np.abs(mu) > MAX_MU)):
        remedy = "Delete or repair that point" if len(far) == 1 else "Check the columns, or repair these points"
        others = f", as in {len(far) - 1} rows more" if len(far) > 1 else ""
        raise ScanError(f"μ is {mu[far[0]]:g}{others}", where=table.place(int(far[0])), remedy=remedy)
    return mu


def _naming(table: Table, roles: Roles, used: tuple[str, ...]) -> str:
    """``columns 2 (i0), 3 (itrans)``."""
    columns = [index for role in used for index in roles[role]]
    named = [_named(table, index) for index in columns]
    return f"column{'s' if len(named) > 1 else ''} {', '.join(named)}"


def _named(table: Table, column: int) -> str:
    return f"{column + 1} ({table.names[column] or 'no name'})"


def _log_ratio(table: Table, upper: tuple[int, ...], lower: tuple[int, ...]) -> Array:
    """ln(upper/lower) (n,) of two counters."""
    return _log(_positive(table, upper), _positive(table, lower))


def _positive(table: Table, columns: tuple[int, ...]) -> Array:
    counts = table.column(columns)
    if (counts <= 0).any():
        dark = np.flatnonzero(counts <= 0)
        rows = f", as in {len(dark) - 1} rows more" if len(dark) > 1 else ""
        few = len(dark) < len(counts) / 2
        raise ScanError(
            f"the counter in column {_named(table, columns[0])} reads {counts[dark[0]]:g}{rows}",
            where=table.place(int(dark[0])),
            remedy=f"Delete or repair {'these points' if rows else 'that point'}" if few else _NO_COUNTER,
        )
    return counts


def _limited(table: Table, roles: Roles, energy: Array, look: _Look) -> tuple[Array, tuple[Finding, ...]]:
    """Ready μ (n,), limited where the counter from which it was made reads no more than its zero is uncertain.

    Where too little light comes through, It reads 0 ± offset, and ln(I0/It) is anything or not there at all. The most
    negative reading tells how far the zero is off, hence the largest μ that could be measured. The limit is one value,
    in which the quality gate recognises a saturated detector.
    """
    mu = table.column(roles["mu"])
    if not {"i0", "it"} <= set(roles):
        return mu, ()
    i0, it = table.column(roles["i0"]), table.column(roles["it"])
    dark, lit = it <= 0, it > 0
    if not lit.any() or (i0 <= 0).any() or np.median(np.abs(mu - _log(i0, it))[lit]) > _SAME:
        return mu, ()
    if not dark.any():
        return mu, look("it")
    floor = max(-float(it.min()), float(it[lit].min()))
    limit = float(np.median(np.log(i0 / floor)))
    limited, first = np.where(dark, limit, np.minimum(mu, limit)), int(np.argmax(dark))
    line = f"line {table.lines[first]}, " if table.lines else ""
    message = (
        f"the counter in column {_named(table, roles['it'][0])} reads 0 or less at {dark.sum()} points, the first "
        f"at {line}{energy[first]:.1f} eV; μ was limited to {limit:.2f} at {(limited != mu).sum()} points"
    )
    remedy = "Measure a thinner sample, or look for a dead counter"
    finding = Finding("counter-not-positive", "warning", message, float(energy[first]), remedy)
    return limited, (finding,)


def _log(upper: Array, lower: Array) -> Array:
    """ln(upper/lower) (n,); 0 where there is none."""
    both = (upper > 0) & (lower > 0)
    ratio: Array = np.log(np.where(both, upper, 1.0)) - np.log(np.where(both, lower, 1.0))
    return ratio


def _only_reference(
    table: Table, roles: Roles, energy: Array, signals: list[Signal], expected: float | None
) -> Signal | None:
    """Reference of a table in whose signals there is no edge, neither where the reference nor where the header says."""
    reference, used = _reference(table, roles)
    if reference is None:
        return None
    position = steepest(energy, reference)
    places = [place for place in (position, expected) if place is not None and energy[0] < place < energy[-1]]
    measured = [signal.curve.mu for signal in signals]
    near = [steepest(energy, mu, place - _MAX_SHIFT, place + _MAX_SHIFT) for mu in measured for place in places]
    shown = (has_edge(energy, mu, place) for mu in measured for place in near)
    if not has_edge(energy, reference, position, least=_MIN_REFERENCE_STEP) or any(shown):
        return None
    axis, columns = roles["energy"][0] + 1, [roles[role][0] + 1 for role in used]
    said = f"mu={columns[0]}" if len(columns) == 1 else f"i0={columns[0]},it={columns[1]}"
    finding = Finding(
        "reference-only",
        "fatal",
        f"the sample's signals show no edge, only the reference does, at {position:.1f} eV",
        position,
        f"To analyse the reference itself say --columns energy={axis},{said}",
    )
    origin = f"that of the reference, {_naming(table, roles, used)}"
    return Signal(Curve(energy, reference), origin, findings=(finding,))


def _reference(table: Table, roles: Roles) -> tuple[Array | None, tuple[str, ...]]:
    """μ (n,) of the reference and the roles that made it; None where there is none, or a counter reads 0 or less."""
    used = next((used for used in _REFERENCES if set(used) <= set(roles)), ())
    if not used:
        return None, ()
    if len(used) == 1:
        return _sane(table, table.column(roles[used[0]])), used
    try:
        return _log_ratio(table, roles[used[0]], roles[used[1]]), used
    except ScanError:
        return None, used


def _edge_of(reference: Array, energy: Array) -> float | None:
    """Energy [eV] of a reference's edge; None where it shows none."""
    position = steepest(energy, reference)
    return position if has_edge(energy, reference, position, least=_MIN_REFERENCE_STEP) else None


def reference_edge(table: Table, roles: Roles, energy: Array) -> float | None:
    """Energy [eV] of the edge of the reference beside the sample; None where there is none, or it shows no edge."""
    reference, _ = _reference(table, roles)
    return None if reference is None else _edge_of(reference, energy)


def aligned(table: Table, roles: Roles, energy: Array, edge: Edge) -> tuple[Array, tuple[Finding, ...]]:
    """Energies shifted so that the reference's edge, if it is of the same element, lies where the tables say."""
    reference, used = _reference(table, roles)
    if not used:
        return energy, ()
    if reference is None:
        return energy, (_unused(f"a counter reads 0 or less, {_naming(table, roles, used)}"),)
    position = _edge_of(reference, energy)
    shift = edge.energy - position if position else math.inf
    if abs(shift) > _MAX_SHIFT:
        return energy, (_unused(f"it shows no {edge} edge, {_naming(table, roles, used)}"),)
    message = f"Energies were shifted by {shift:+.2f} eV: the reference's {edge} edge was at {position:.2f} eV"
    return energy + shift, (Finding("energy-aligned", "note", message, energy=edge.energy),)


def _unused(reason: str) -> Finding:
    return Finding("reference-unused", "note", f"The reference did not align the energies: {reason}")


def guessed_roles(table: Table, stated: float | None) -> tuple[Roles, Finding] | None:
    """Role map of a table whose counters have no names: the pair in beam order that shows the stated edge best.

    Parameters
    ----------
    table
        What was measured.
    stated
        Energy of the edge [eV] as the header, or the user, states it.

    Returns
    -------
    tuple or None
        Roles and a warning that says what was taken; None if nothing can be guessed.
    """
    axis, counters = anonymous_detectors(table)
    if axis is None or stated is None:
        return None
    try:
        rising = increasing(in_ev(table, axis), axis, MAX_BACKLASH)
        energy = rising.column((axis,))
        pairs = [(pair, _pair_edge(rising, energy, pair)) for pair in pairwise(counters)]
    except ScanError:
        return None
    near = [(abs(place - stated), pair, place) for pair, place in pairs if place and abs(place - stated) <= MAX_OFFSET]
    if not near:
        return None
    _, (upper, lower), position = min(near)
    message = (
        f"nothing says what the counters count: columns {_named(table, upper)} and {_named(table, lower)} were taken "
        f"as I0 and It, because ln(I0/It) has its edge at {position:.1f} eV, nearest to {stated:.1f} eV of the header"
    )
    remedy = f"Overrule it, e.g. with --columns energy={axis + 1},i0={upper + 1},it={lower + 1}"
    finding = Finding("columns-guessed", "warning", message, position, remedy)
    return {"energy": (axis,), "i0": (upper,), "it": (lower,)}, finding


def _pair_edge(table: Table, energy: Array, pair: tuple[int, int]) -> float | None:
    """Energy [eV] of the edge of ln(I0/It) of two counters; None where no clean edge rises."""
    upper, lower = (table.column((column,)) for column in pair)
    if (upper <= 0).any() or (lower <= 0).any():
        return None
    mu = _log(upper, lower)
    position = steepest(energy, mu)
    return position if has_edge(energy, mu, position) else None
