"""Table → absorption: ready μ, transmission or fluorescence, whichever shows the edge, and the reference beside it.

``readers.py`` calls it once the roles of the columns are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.measure.edges import MIN_CONTRAST, Edge, edge_contrast, has_edge, steepest
from exafsnn.measure.roles import Roles
from exafsnn.measure.table import Table
from exafsnn.records import Array, Finding

MAX_SHIFT = 50.0
"""Largest energy shift [eV] by which a reference may align its scan."""

MIN_REFERENCE_STEP = 0.02
"""Smallest edge step of a reference's μ that is usable; detectors' cross-talk makes smaller ones."""

SIGNALS = {"ready": ("mu",), "ln(I0/It)": ("i0", "it"), "ready (fluorescence)": ("muf",), "If/I0": ("i0", "if")}
"""Kinds of absorption that a table may hold, in order of preference, and the roles that each needs."""


@dataclass(frozen=True)
class Signal:
    """An absorption that a table holds."""

    mu: Array
    origin: str
    passed_over: tuple[str, ...] = ()
    """Why other signals of the table were not taken."""


def best_signal(table: Table, roles: Roles, energy: Array) -> Signal:
    """First absorption of the table whose edge stands out of the noise, not much less than that of any other."""
    signals, faults = [], []
    for kind, used in SIGNALS.items():
        if set(used) <= set(roles):
            for role in used:
                table.column(roles[role])  # what is not finite is an error even where another signal is fine
            try:
                signals.append(Signal(_absorption(table, roles, kind), f"{kind}, {_naming(table, roles, used)}"))
            except ScanError as fault:
                faults.append(fault)
    contrasts = [edge_contrast(energy, signal.mu, steepest(energy, signal.mu)) for signal in signals]
    if faults and max(contrasts, default=0.0) < MIN_CONTRAST:
        raise faults[0]
    good = (signal for signal, contrast in zip(signals, contrasts, strict=True) if contrast >= max(contrasts) / 5)
    return replace(next(good), passed_over=tuple(fault.reason for fault in faults))


def _absorption(table: Table, roles: Roles, kind: str) -> Array:
    """μ (n,) of one kind of measurement."""
    match kind:
        case "ln(I0/It)":
            return _log_ratio(table, roles["i0"], roles["it"])
        case "If/I0":
            return table.column(roles["if"]) / _positive(table, roles["i0"])
        case _:
            return table.column(roles[SIGNALS[kind][0]])


def _naming(table: Table, roles: Roles, used: tuple[str, ...]) -> str:
    """``columns 2 (i0), 3 (itrans)``."""
    columns = [index for role in used for index in roles[role]]
    named = [f"{index + 1} ({table.names[index] or 'no name'})" for index in columns]
    return f"column{'s' if len(named) > 1 else ''} {', '.join(named)}"


def _log_ratio(table: Table, upper: tuple[int, ...], lower: tuple[int, ...]) -> Array:
    """ln(upper/lower) (n,) of two counters."""
    ratio: Array = np.log(_positive(table, upper) / _positive(table, lower))
    return ratio


def _positive(table: Table, columns: tuple[int, ...]) -> Array:
    counts = table.column(columns)
    if (counts <= 0).any():
        row = int(np.argmax(counts <= 0))
        raise ScanError(
            f"the counter in column {columns[0] + 1} ({table.names[columns[0]] or 'no name'}) reads {counts[row]:g}",
            where=table.place(row),
            remedy="Check that it is a counter (--columns), or repair that point",
        )
    return counts


def aligned(table: Table, roles: Roles, energy: Array, edge: Edge) -> tuple[Array, tuple[Finding, ...]]:
    """Energies shifted so that the reference's edge, if it is of the same element, lies where the tables say."""
    if "muref" in roles:
        reference = table.column(roles["muref"])
    elif "it" in roles and "iref" in roles and (table.data[:, [*roles["it"], *roles["iref"]]] > 0).all():
        reference = _log_ratio(table, roles["it"], roles["iref"])
    else:
        return energy, ()
    position = steepest(energy, reference)
    shift = edge.energy - position
    if abs(shift) > MAX_SHIFT or not has_edge(energy, reference, position, least=MIN_REFERENCE_STEP):
        return energy, ()
    message = f"Energies were shifted by {shift:+.2f} eV: the reference's {edge} edge was at {position:.2f} eV"
    return energy + shift, (Finding("energy-aligned", "note", message, energy=edge.energy),)
