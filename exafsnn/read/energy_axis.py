"""The energy (or k) axis of a table, given in eV and made strictly increasing; nothing harmful is repaired."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from dataclasses import replace

import numpy as np

from exafsnn.constants import HC_EV_ANGSTROM
from exafsnn.errors import Finding, ScanError
from exafsnn.read.roles import MAX_KEV
from exafsnn.read.table import Table
from exafsnn.records import Array

_MIN_ENERGY, _MIN_SPAN = 100.0, 50.0
"""Lowest energy and shortest range [eV] of a scan."""

_FEW = 5
"""Most rows [count] that are named as the reason why an axis is none."""

MAX_BACKLASH = 0.5
"""Largest backward step of an encoder [eV] that sorting repairs."""

_ANGLE = re.compile(r"\bdeg|angle|theta|^bragg\b", re.IGNORECASE)

SPACING_FIELDS, _CRYSTAL_FIELDS = ("mono.d_spacing", "d_spacing"), ("mono.name", "mono.crystal")

_MIN_SPACING, _MAX_SPACING = 0.2, 30.0
"""Spacings [Å] of the planes that monochromators use."""

_CRYSTAL = re.compile(r"\b(Si|Ge)\w*\s*\(?\s*(\d)\s*(\d)\s*(\d)\b", re.IGNORECASE)
"""``Si 111``, ``Si(311)``, ``Ge (2 2 0)``."""

_LATTICE = {"Si": 5.4310, "Ge": 5.6579}
"""Lattice constants [Å] of the crystals that monochromators are made of."""


def in_ev(table: Table, column: int) -> Table:
    """Table with a column turned into photon energies [eV], from eV, keV or angles of the monochromator.

    Raises
    ------
    ScanError
        If these are no energies of an X-ray scan, or angles that cannot be converted.
    """
    axis, label = table.column((column,)), f"{table.names[column]} {table.units[column]}".strip()
    if axis.min() <= 0:
        raise _no_scan(table, column, axis)
    if _ANGLE.search(label):
        energy, findings = _from_angles(table, column)
    elif axis.max() > MAX_KEV:
        energy, findings = axis, ()
    else:
        energy, findings = _from_kev(table, axis, label)
    if not _is_scan(energy):
        raise _no_scan(table, column, energy)
    if lonely := _lonely(table, column, energy):
        raise lonely
    if energy is axis:
        return table
    data = table.data.copy()
    data[:, column] = energy
    return replace(table, data=data, findings=(*table.findings, *findings))


def _no_scan(table: Table, column: int, energy: Array) -> ScanError:
    """Say which rows spoil the energies; where it is not a few, that these are none."""
    zero, others = np.flatnonzero(energy <= 0), energy[energy > 0]
    if len(zero) and len(others) and (_is_scan(others) or _is_scan(1000 * others)):
        return _few_rows(table, column, zero, "where no scan has a point")
    if spoilt := _lonely(table, column, energy) or _stray(table, column):
        return spoilt
    reason = f"the energies run from {energy[0]:g} to {energy[-1]:g} eV, no EXAFS scan"
    remedy = "Name the energy column with --columns; its unit is eV or keV"
    return ScanError(reason, where=table.where, remedy=remedy)


def _is_scan(energy: Array) -> bool:
    """Tell energies [eV] at which X-ray absorption is measured."""
    within = energy.min() >= _MIN_ENERGY and energy.max() <= 1000 * MAX_KEV
    return bool(within and np.ptp(energy) >= _MIN_SPAN)


def _lonely(table: Table, column: int, energy: Array) -> ScanError | None:
    """Say which row, the lowest or the highest, is further off than all others are from each other."""
    if len(energy) <= _FEW:
        return None
    order = np.argsort(energy)
    low, second, *_, last, high = energy[order]
    far = order[[0, -1]][[second - low > high - second, high - last > last - low]]
    return _few_rows(table, column, far, "further off than all others are from each other") if len(far) else None


def _stray(table: Table, column: int) -> ScanError | None:
    """Say which few rows are out of order, without which the column would rise, or fall, from end to end."""
    rows = _out_of_order(table.column((column,)))
    few = 0 < len(rows) <= _FEW and len(rows) < len(table.data) / 10
    return _few_rows(table, column, rows, "out of the order of its neighbours") if few else None


def _few_rows(table: Table, column: int, rows: np.ndarray, fault: str) -> ScanError:
    rows = np.sort(rows) if not table.lines else rows[np.argsort([table.lines[row] for row in rows])]
    value = f"{table.names[column] or 'the axis'} (column {column + 1}) is {table.data[rows[0], column]:.10g}"
    others = f", as in {len(rows) - 1} rows more" if len(rows) > 1 else ""
    remedy = f"Delete {'these rows' if others else 'that row'}, or repair {'them' if others else 'it'}"
    return ScanError(f"{value}, {fault}{others}", where=table.place(int(rows[0])), remedy=remedy)


def _out_of_order(axis: Array) -> np.ndarray:
    """Fewest rows without which an axis never turns: those outside its longest monotonic subsequence."""
    rising = axis if float(np.median(np.diff(axis))) >= 0 else -axis
    ends: list[float] = []  # lowest end of all subsequences of each length, and its row
    rows: list[int] = []
    before = [-1] * len(axis)
    for row, value in enumerate(rising.tolist()):
        length = bisect_right(ends, value)
        ends[length : length + 1], rows[length : length + 1] = [value], [row]
        before[row] = rows[length - 1] if length else -1
    kept = [rows[-1]]
    while before[kept[-1]] >= 0:
        kept.append(before[kept[-1]])
    return np.setdiff1d(np.arange(len(axis)), kept)


def _from_kev(table: Table, axis: Array, label: str) -> tuple[Array, tuple[Finding, ...]]:
    if not label and axis[0] > axis[-1]:
        fault = f"nameless values from {axis[0]:g} down to {axis[-1]:g} may be angles or keV"
        raise ScanError(fault, where=table.where, remedy="Give the energies in eV, and name the column")
    doubt = "ev" in label.lower() and "kev" not in label.lower()
    message = "The header says eV, but the values can only be keV" if doubt else "Energies were converted from keV"
    return 1000.0 * axis, (Finding("kev-axis", "warning" if doubt else "note", message),)


def _from_angles(table: Table, column: int) -> tuple[Array, tuple[Finding, ...]]:
    """E = hc / (2 d sin θ), Bragg's law."""
    theta, unit = table.column((column,)), table.units[column]
    if re.search(r"rad", unit, re.IGNORECASE) or theta.max() >= 90:
        row = int(np.argmax(theta))
        raise ScanError(
            f"column {column + 1} ({table.names[column]}) is an angle, but {theta[row]:g} {unit} is none in degrees",
            where=table.place(row),
            remedy="Give the angles in degrees, or the energies in eV",
        )
    spacing, doubts = _d_spacing(table, column)
    energy = HC_EV_ANGSTROM / (2 * spacing * np.sin(np.radians(theta)))
    return energy, (*doubts, Finding("angle-axis", "note", f"Angles became energies with d = {spacing:.5g} Å"))


def _d_spacing(table: Table, column: int) -> tuple[float, tuple[Finding, ...]]:
    """Spacing of the monochromator's planes [Å], from the header; where it gives none, that of the crystal it names."""
    given = table.field(*SPACING_FIELDS)
    if (spacing := d_spacing(given or "")) is not None:
        return spacing, ()
    fault = f"Mono.d_spacing {given!r} is no spacing in Å" if given else "the header gives no Mono.d_spacing"
    crystal = _CRYSTAL.search(table.field(*_CRYSTAL_FIELDS) or "")
    remedy = "Give the field 'Mono.d_spacing' in Å, e.g. '# Mono.d_spacing: 3.1355'"
    if not crystal or not any(indices := [int(digit) for digit in crystal.groups()[1:]]):
        name = f"column {column + 1} ({table.names[column]})"
        raise ScanError(f"{name} is an angle, but {fault} and names no crystal", where=table.where, remedy=remedy)
    spacing = _LATTICE[crystal[1].capitalize()] / math.hypot(*indices)
    planes = f"{crystal[1].capitalize()}({''.join(map(str, indices))})"
    return spacing, (Finding("d-spacing", "warning", f"{fault}; {spacing:.4f} Å of {planes} was taken", remedy=remedy),)


def d_spacing(text: str) -> float | None:
    """Spacing of planes [Å] as a header gives it; None if it is none."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(Å|A|Angstroms?)?", text.strip()[:40], re.IGNORECASE)
    return float(match[1]) if match and _MIN_SPACING <= float(match[1]) <= _MAX_SPACING else None


def increasing(table: Table, column: int, backlash: float) -> Table:
    """Table with rows ordered so that a column strictly increases.

    Falling axes are reversed, equal values averaged, and backward steps up to ``backlash`` [the axis' unit] sorted.

    Raises
    ------
    ScanError
        If the axis goes backward by more.
    """
    axis = table.column((column,))
    if (axis[1:] > axis[:-1]).all():
        return table
    if axis[-1] < axis[0]:
        reversed_table = _rows(table, np.arange(len(axis))[::-1])
        note = Finding("reversed", "note", "The scan ran downward; its points were reversed")
        return increasing(replace(reversed_table, findings=(*table.findings, note)), column, backlash)
    return _merged(_sorted(table, column, backlash), column)


def _rows(table: Table, order: np.ndarray) -> Table:
    lines = tuple(table.lines[row] for row in order) if table.lines else ()
    return replace(table, data=table.data[order], lines=lines)


def _sorted(table: Table, column: int, backlash: float) -> Table:
    axis = table.column((column,))
    lag = np.maximum.accumulate(axis) - axis
    worst = int(np.argmax(lag))
    if lag[worst] == 0:
        return table
    if lag[worst] > backlash:
        if stray := _stray(table, column):
            raise stray
        turns = int((np.diff(np.sign(np.diff(axis))) != 0).sum())
        if turns > _FEW:
            name = f"{table.names[column] or 'the axis'} (column {column + 1})"
            reason = f"{name} turns {turns} times between {axis.min():g} and {axis.max():g}, as no scan does"
            remedy = "Take another column for it with --columns, or sort out the points that were measured twice"
            raise ScanError(reason, where=table.where, remedy=remedy)
        turn = int(np.flatnonzero(lag[: np.argmax(lag > backlash)] == 0)[-1]) + 1
        raise ScanError(
            f"the axis goes back from {axis[turn - 1]:g} to {axis[turn]:g}",
            where=table.place(turn),
            remedy="Give one scan in one direction; split joined scans into files of their own",
        )
    back = int((np.diff(axis) < 0).sum())
    finding = Finding("sorted", "warning", f"{back} backward steps of at most {lag[worst]:.2g} were sorted")
    return _rows(replace(table, findings=(*table.findings, finding)), np.argsort(axis, kind="stable"))


def _merged(table: Table, column: int) -> Table:
    axis = table.data[:, column]
    values, first, counts = np.unique(axis, return_index=True, return_counts=True)
    if len(values) == len(axis):
        return table
    data = np.add.reduceat(table.data, first, axis=0) / counts[:, None]
    data[:, column] = values
    message = f"{len(axis) - len(values)} repeated points were averaged, the first at {values[np.argmax(counts > 1)]:g}"
    lines = tuple(table.lines[row] for row in first) if table.lines else ()
    finding = Finding("repeated-points", "warning", message, energy=float(values[np.argmax(counts > 1)]))
    return replace(table, data=data, lines=lines, findings=(*table.findings, finding))
