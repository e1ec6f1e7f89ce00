"""Recogniser of Athena projects, in Perl or JSON: each group becomes a table. The Perl text is parsed, never evaluated.

A group that cannot be used becomes a table with its fault, so that the other groups can.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.perl import values
from exafsnn.read.sources import MAX_LINES, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table, faulty
from exafsnn.records import Array

_MAX_GROUPS = 10_000
"""Most groups of a project."""

_MAX_ALL_ITEMS = 1_500_000
"""Most keys and values of all groups: reading more takes too long."""

_ASSIGNMENT = re.compile(r"\s*+[$@](old_group|args|x|y|i0)\s*+=\s*+(.*)", re.DOTALL)

_BEGIN = re.compile(r"\s*+[$@%]\w++\s*+=")
"""Begin of any statement."""

_RECORD = "[record]"
"""Begin of the line that ends a group."""

_MAX_KEY = 200
"""Longest name [characters] that a parameter of a hash is given: some projects hold hashes in hashes in hashes."""

_ARRAYS = ("x", "y", "i0")
"""Assignments that hold numbers; the others hold parameters."""

_SAVE_AGAIN = "Save the project again"


def recognise(text: str, source: str) -> list[Table] | None:
    """Read an Athena project; None if the text is none.

    Raises
    ------
    ScanError
        If the project holds no groups, or too many, or its JSON is damaged.
    """
    start = text[:1000].lstrip()
    if start.startswith("{") and "Athena project file" in start:
        groups = list(_json_groups(text, source))
    elif start.startswith("# Athena project file"):
        groups = list(_groups(text_lines(text), source))
    else:
        return None
    if not groups:
        raise ScanError("the Athena project holds no data", where=source, remedy="Save it again with its groups")
    return [_table(group, name, source) for group, name in zip(groups, _names(groups), strict=True)]


@dataclass
class _Group:
    """What a project says of one group, while it is read."""

    line: int = 0
    """Line on which it ends; 0 in JSON."""
    old_group: str = ""
    args: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    fault: tuple[str, int] | None = None
    """First thing that cannot be understood, and its line; 0 in JSON."""

    @property
    def label(self) -> str:
        """Name that the user gave it."""
        return self.args.get("label", "").strip() or self.old_group


def _groups(lines: list[str], source: str) -> Iterator[_Group]:
    """Yield the groups of a project."""
    group, count, total, items = _Group(), 0, 0, 0
    for number, line in _statements(lines):
        if line.startswith(_RECORD):
            group.line, count = number, count + 1
            total += sum(map(len, group.arrays.values()))
            if count > _MAX_GROUPS or total > MAX_NUMBERS:
                raise _too_large(f"{source}, line {number}")
            yield group
            group = _Group()
        elif group.fault is None and (match := _ASSIGNMENT.match(line)):
            items += 0 if match[1] in _ARRAYS else match[2].count(",") + match[2].count("=>")
            if items > _MAX_ALL_ITEMS:
                reason = f"the project holds more than {_MAX_ALL_ITEMS} parameters"
                raise ScanError(reason, where=f"{source}, line {number}", remedy="Save it in parts")
            try:
                _assign(group, match[1], match[2].rstrip())
            except ValueError as error:
                group.fault = str(error), number
    if group.old_group or group.args or group.arrays or group.fault:
        group.fault = group.fault or ("the group is not finished: the file ends before its [record]", len(lines))
        yield group


def _statements(lines: list[str]) -> Iterator[tuple[int, str]]:
    """Lines with their numbers; an assignment comes whole, as a title may hold the end of a line."""
    number = 0
    while number < len(lines):
        first, line = number + 1, lines[number]
        number += 1
        if _ASSIGNMENT.match(line) and not line.rstrip().endswith(";"):
            begun = (at for at in range(number, len(lines)) if lines[at].startswith(_RECORD) or _BEGIN.match(lines[at]))
            limit = next(begun, len(lines))
            last = next((at for at in range(number, limit) if lines[at].rstrip().endswith(");")), limit - 1)
            line, number = "\n".join([line, *lines[number : last + 1]]), last + 1
        yield first, line


def _too_large(where: str) -> ScanError:
    reason = f"the project holds more than {_MAX_GROUPS} groups or {MAX_NUMBERS} numbers"
    return ScanError(reason, where=where, remedy="Save it in parts")


def _json_groups(text: str, source: str) -> Iterator[_Group]:
    """Yield the groups of a project in JSON, in the order that it gives."""
    try:
        project: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f"{source}, line {error.lineno}" if isinstance(error, json.JSONDecodeError) else source
        raise ScanError("the JSON of the project is damaged", where=where, remedy="Copy the file again") from error
    names = [name for name, group in project.items() if isinstance(group, dict)]
    order = project.get("_____order")
    if isinstance(order, list):
        names.sort(key=lambda name: order.index(name) if name in order else len(order))
    if len(names) > _MAX_GROUPS or text.count(",") > MAX_NUMBERS:
        raise _too_large(source)
    for name in names:
        group, content = _Group(old_group=name), project[name]
        try:
            group.args = dict(_flat(content.get("args") or {}))
            group.arrays = {key: _json_floats(content[key], key) for key in _ARRAYS if content.get(key)}
        except (ValueError, AttributeError) as error:
            group.fault = str(error), 0
        yield group


def _json_floats(items: Any, name: str) -> Array:
    """Numbers of an array, which may be quoted."""
    if not isinstance(items, list):
        raise ValueError(f"{name} is no array of numbers")
    return np.array([_float("undef" if item is None else str(item), name) for item in items], dtype=np.float64)


def _assign(group: _Group, name: str, value: str) -> None:
    """Store one assignment; a ValueError says what cannot be understood."""
    if not value.endswith(";"):
        raise ValueError(f"the value of {name} does not end")
    value = value[:-1].rstrip()
    if value.startswith("(") and value.endswith(")"):
        value = value[1:-1]
    if name == "old_group":
        group.old_group = "".join(text for text in values(value)[:1] if isinstance(text, str))
    elif name == "args":
        items = values(value)
        if len(items) % 2:
            raise ValueError(f"args holds {len(items)} items, no pairs")
        pairs = zip(items[::2], items[1::2], strict=True)
        group.args = dict(_flat({key: item for key, item in pairs if isinstance(key, str)}))
    else:
        group.arrays[name] = _floats(value, name)


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Parameters as text: those of a hash are named as in XDI, ``xdi_mono.name``; what is not defined is empty."""
    waiting = list(fields.items())[::-1]
    while waiting:
        key, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [(f"{key[:_MAX_KEY]}.{inner}", item) for inner, item in value.items()][::-1]
        elif isinstance(value, list):
            yield key, "; ".join(item for item in value if isinstance(item, str))
        else:
            yield key, "" if value is None else str(value)


def _floats(text: str, name: str) -> Array:
    """Numbers of a Perl list, quoted or bare; the usual way of writing them is read the quick way."""
    if text.count(",") > MAX_LINES:
        raise ValueError(f"@{name} holds more than {MAX_LINES} values")
    try:
        if text.startswith("'") and text.endswith("'") and "_" not in text:
            return np.array(list(map(float, text[1:-1].split("','"))), dtype=np.float64)
    except ValueError:
        pass
    cells = [cell.strip() for cell in text.split(",")] if text.strip() else []
    if cells and not cells[-1]:
        cells.pop()
    return np.array([_float(cell, name) for cell in cells], dtype=np.float64)


def _float(cell: str, name: str) -> float:
    plain = cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] and cell[0] in "'\"" else cell
    try:
        if "_" not in plain:
            return math.nan if plain == "undef" else float(plain)
    except ValueError:
        pass
    raise ValueError(f"@{name} holds {cell[:40]!r}: that is not understood as a number")


def _names(groups: list[_Group]) -> list[str]:
    """Names of the groups; those of one label are numbered, and those of none too."""
    labels = [group.label or f"group {number}" for number, group in enumerate(groups, 1)]
    total, seen = Counter(labels), Counter[str]()
    names = []
    for label in labels:
        seen[label] += 1
        names.append(f"{label} ({seen[label]})" if total[label] > 1 else label)
    return names


def _table(group: _Group, record: str, source: str) -> Table:
    """Table of a group, or its fault."""
    x, y = group.arrays.get("x"), group.arrays.get("y")
    where = f"{source}::{record}" + (f", group ending on line {group.line}" if group.line else "")
    if group.fault:
        where = f"{source}::{record}" + (f", line {group.fault[1]}" if group.fault[1] else "")
        return faulty(source, record, ScanError(group.fault[0], where=where, remedy=_SAVE_AGAIN))
    if x is None or y is None or not group.args:
        reason = "the group lacks its parameters or data"
        return faulty(source, record, ScanError(reason, where=where, remedy=_SAVE_AGAIN))
    if len(x) != len(y) or not len(x):
        reason = f"the group holds {len(x)} x and {len(y)} y values"
        return faulty(source, record, ScanError(reason, where=where, remedy=_SAVE_AGAIN))
    try:
        return _measured(group, record, source)
    except ValueError as error:
        return faulty(source, record, ScanError(str(error), where=where, remedy=_SAVE_AGAIN))


def _measured(group: _Group, record: str, source: str) -> Table:
    """Table of a group that has its data: energy and μ, beside I₀ where it is there, or k and χ."""
    columns, findings = [group.arrays["x"], group.arrays["y"]], []
    if group.args.get("is_chi") == "1":
        names, units = ["k", "chi"], ["", ""]
    else:
        names, units = ["energy", "mu"], ["eV", ""]
        shift = _float(group.args.get("bkg_eshift", "0") or "0", "bkg_eshift")
        if shift:
            columns[0] = columns[0] + shift
            message = f"Energies were shifted by {shift:+.3f} eV, as the project says"
            findings.append(Finding("energy-shifted", "note", message))
        i0 = group.arrays.get("i0", np.empty(0))
        if len(i0) == len(columns[0]) and np.isfinite(i0).all():
            columns, names, units = [*columns, i0], [*names, "i0"], [*units, ""]
        elif len(i0):
            message = f"The array i0 has {len(i0)} values for {len(columns[0])} points and was left out"
            findings.append(Finding("left-out", "note", message))
    data = np.column_stack(columns)
    layout = "Athena project"
    return Table(source, layout, tuple(names), tuple(units), data, (), record, group.args, tuple(findings))
