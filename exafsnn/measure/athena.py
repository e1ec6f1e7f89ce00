"""Recogniser of Athena projects: each group becomes a table. The Perl text is parsed, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.measure.sources import text_lines
from exafsnn.measure.table import Table
from exafsnn.records import Array, Finding

ASSIGNMENT = re.compile(r"\s*[$@](\w+)\s*=\s*(.*?)\s*;\s*")
ITEM = re.compile(r"\s*(?:'((?:[^'\\]|\\.)*)'|(\[(?:'(?:[^'\\]|\\.)*'|[^\]'])*\])|([^\s,'()\[\]]+))\s*(?:,|$)")
"""One value of a Perl list: quoted, a nested list, or bare."""


def recognise(text: str, source: str) -> list[Table] | None:
    """Read an Athena project; None if the text is none.

    Raises
    ------
    ScanError
        If a value cannot be read, arrays differ in length, or no group holds data.
    """
    if not text.lstrip().startswith("# Athena project file"):
        return None
    tables = [_table(values, line, source) for line, values in _groups(text, source)]
    if not tables:
        raise ScanError("the Athena project holds no data", where=source, remedy="Save it again with its groups")
    return _unique(tables)


def _groups(text: str, source: str) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """Yield the assignments of each group, with the line on which it ends."""
    values: dict[str, list[str]] = {}
    for number, line in enumerate(text_lines(text), 1):
        if line.startswith("[record]"):
            yield number, values
            values = {}
        elif (match := ASSIGNMENT.fullmatch(line)) and match[1] in ("old_group", "args", "x", "y"):
            values[match[1]] = _items(match[2], f"{source}, line {number}")


def _items(text: str, where: str) -> list[str]:
    """Values of a Perl list or scalar, as text."""
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    items, position = [], 0
    while position < len(inner.rstrip()):
        match = ITEM.match(inner, position)
        if not match:
            raise ScanError(
                f"{inner[position : position + 40]!r} is not understood", where=where, remedy="Save the project again"
            )
        quoted, nested, bare = match.groups()
        items.append(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else nested or bare)
        position = match.end()
    return items


def _table(values: dict[str, list[str]], line: int, source: str) -> Table:
    where = f"{source}, group ending on line {line}"
    if not {"args", "x", "y"} <= set(values):
        raise ScanError("a group lacks its parameters or data", where=where, remedy="Save the project again")
    if len(values["x"]) != len(values["y"]) or len(values["args"]) % 2:
        raise ScanError(
            f"the group holds {len(values['x'])} x and {len(values['y'])} y values", where=where, remedy="Save it again"
        )
    metadata = dict(zip(values["args"][::2], values["args"][1::2], strict=True))
    x, y = (_floats(values[name], f"{where}, @{name}") for name in "xy")
    names, units = (("k", "chi"), ("", "")) if metadata.get("is_chi") == "1" else (("energy", "mu"), ("eV", ""))
    shift = 0.0 if names[0] == "k" else _floats([metadata.get("bkg_eshift", "0")], where)[0]
    note = Finding("energy-shifted", "note", f"Energies were shifted by {shift:+.3f} eV, as the project says")
    return Table(
        source,
        "Athena project",
        names,
        units,
        np.column_stack([x + shift, y]),
        record=metadata.get("label", "").strip() or values.get("old_group", [""])[0],
        metadata=metadata,
        findings=(note,) if shift else (),
    )


def _floats(values: list[str], where: str) -> Array:
    try:
        return np.array([float(value) for value in values], dtype=np.float64)
    except ValueError as error:
        raise ScanError(f"a value is no number ({error})", where=where, remedy="Save the project again") from error


def _unique(tables: list[Table]) -> list[Table]:
    """Give groups of one label different names."""
    labels = [table.record for table in tables]
    numbered = [f"{label} ({labels[: index + 1].count(label)})" for index, label in enumerate(labels)]
    return [
        replace(table, record=number if labels.count(table.record) > 1 else table.record)
        for table, number in zip(tables, numbered, strict=True)
    ]
