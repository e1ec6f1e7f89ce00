"""The energy (or k) axis of a table, made strictly increasing and given in eV; nothing harmful is repaired."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.measure.table import Table
from exafsnn.records import Array, Finding

MAX_KEV = 150.0
"""An axis that stays below is in keV: no edge with EXAFS lies below 150 eV."""

MIN_ENERGY, MIN_SPAN = 100.0, 50.0
"""Lowest energy and shortest range [eV] of a scan."""

MAX_BACKLASH = 0.5
"""Largest backward step of an encoder [eV] that sorting repairs."""


def energies(table: Table, column: int) -> tuple[Array, tuple[Finding, ...]]:
    """Photon energies [eV] (n,) of a table, and what was done to them."""
    energy, unit = table.column((column,)), f"{table.names[column]} {table.units[column]}".lower()
    if energy.max() > MAX_KEV:
        return _plausible(table, energy), ()
    doubt = "ev" in unit and "kev" not in unit
    message = "The header says eV, but the values can only be keV" if doubt else "Energies were converted from keV"
    return _plausible(table, 1000.0 * energy), (Finding("kev-axis", "warning" if doubt else "note", message),)


def _plausible(table: Table, energy: Array) -> Array:
    """Return energies that an X-ray scan may have; refuse others."""
    if energy[0] < MIN_ENERGY or energy[-1] > 1000 * MAX_KEV or energy[-1] - energy[0] < MIN_SPAN:
        raise ScanError(
            f"the energies run from {energy[0]:g} to {energy[-1]:g} eV, no EXAFS scan",
            where=table.where,
            remedy="Name the energy column with --columns; its unit is eV or keV",
        )
    return energy


def refuse_angles(table: Table, column: int) -> None:
    """Refuse an axis that is an angle of the monochromator, or may be.

    Raises
    ------
    ScanError
        If the name or unit says so, or small nameless values fall.
    """
    axis, name = table.column((column,)), f"{table.names[column]} {table.units[column]}"
    if re.search(r"\bdeg|angle|theta", name.lower()):
        fault = f"column {column + 1} ({name.strip()}) is an angle"
    elif axis.max() <= MAX_KEV and axis[0] > axis[-1] and not name.strip():
        fault = f"nameless values from {axis[0]:g} down to {axis[-1]:g} may be angles or keV"
    else:
        return
    raise ScanError(fault, where=table.where, remedy="Give the energies in eV, and name the column")


def increasing(table: Table, column: int, backlash: float) -> Table:
    """Table with rows ordered so that a column strictly increases.

    Falling axes are reversed, equal values averaged, and backward steps up to ``backlash`` [the axis' unit] sorted.

    Raises
    ------
    ScanError
        If the axis goes backward by more.
    """
    axis = table.column((column,))
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
        raise ScanError(
            f"the axis goes back from {axis[worst - 1]:g} to {axis[worst]:g}",
            where=table.place(worst),
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
