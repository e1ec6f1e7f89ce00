"""Recogniser of Athena projects: each group becomes a table. The Perl text is parsed, never evaluated.

A group that cannot be used becomes a table with its fault, so that the other groups can.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.sources import MAX_LINES, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table, faulty
from exafsnn.records import Array

_MAX_GROUPS = 10_000
"""Most groups of a project."""

_MAX_ITEMS, _MAX_ALL_ITEMS = 10_000, 1_500_000
"""Most keys and values of a group, and of all groups: reading more takes too long."""

_ASSIGNMENT = re.compile(r"\s*+[$@](old_group|args|x|y|i0)\s*+=\s*+(.*)", re.DOTALL)

_ARRAYS = ("x", "y", "i0")
"""Assignments that hold numbers; the others hold parameters."""

_ITEM = re.compile(
    r"""\s*+(?:
        '((?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+))'
      | "(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"
      | (?P<nested>\[(?:[^\]'"]++|'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+\])
      | (?P<bare>[^\s,'"()\[\]=]++)
    )\s*+(?:,|=>|$)""",
    re.VERBOSE,
)
"""One value of a Perl list: quoted, a nested list, or bare; what follows is a comma, an arrow or the end."""

_ESCAPE = re.compile(r"\\(?:x\{([0-9a-fA-F]{1,6})\}|(.))", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "e": " ", "0": " "}
"""What Perl's escapes in double quotes mean."""

_SAVE_AGAIN = "Save the project again"


def recognise(text: str, source: str) -> list[Table] | None:
    """Read an Athena project; None if the text is none.

    Raises
    ------
    ScanError
        If the project holds no groups, or too many, or is of the JSON kind.
    """
    start = text[:1000].lstrip()
    if start.startswith("{") and "Athena project file" in start:
        reason = "Athena projects in JSON are not read"
        raise ScanError(reason, where=source, remedy="Save it as an ordinary Athena project")
    if not start.startswith("# Athena project file"):
        return None
    groups = list(_groups(text_lines(text), source))
    if not groups:
        raise ScanError("the Athena project holds no data", where=source, remedy="Save it again with its groups")
    return [_table(group, name, source) for group, name in zip(groups, _names(groups), strict=True)]


@dataclass
class _Group:
    """What a project says of one group, while it is read."""

    line: int = 0
    """Line on which it ends."""
    old_group: str = ""
    args: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    fault: tuple[str, int] | None = None
    """First thing that cannot be understood, and its line."""

    @property
    def label(self) -> str:
        """Name that the user gave it."""
        return self.args.get("label", "").strip() or self.old_group


def _groups(lines: list[str], source: str) -> Iterator[_Group]:
    """Yield the groups of a project."""
    group, count, total, items = _Group(), 0, 0, 0
    for number, line in enumerate(lines, 1):
        if line.startswith("[record]"):
            group.line, count = number, count + 1
            total += sum(map(len, group.arrays.values()))
            if count > _MAX_GROUPS or total > MAX_NUMBERS:
                reason = f"the project holds more than {_MAX_GROUPS} groups or {MAX_NUMBERS} numbers"
                raise ScanError(reason, where=f"{source}, line {number}", remedy="Save it in parts")
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


def _assign(group: _Group, name: str, value: str) -> None:
    """Store one assignment; a ValueError says what cannot be understood."""
    if not value.endswith(";"):
        raise ValueError(f"the value of {name} does not end on its line")
    value = value[:-1].rstrip()
    if value.startswith("(") and value.endswith(")"):
        value = value[1:-1]
    if name == "old_group":
        group.old_group = "".join(_items(value)[:1])
    elif name == "args":
        items = _items(value)
        if len(items) % 2:
            raise ValueError(f"args holds {len(items)} items, no pairs")
        group.args = dict(zip(items[::2], items[1::2], strict=True))
    else:
        group.arrays[name] = _floats(value, name)


def _items(text: str) -> list[str]:
    """Values of a Perl list or scalar, as text."""
    items: list[str] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        match = _ITEM.match(text, position)
        if not match or len(items) == _MAX_ITEMS:
            raise ValueError(f"{text[position : position + 40]!r} is not understood")
        items.append(_plain(match))
        position = match.end()
    return items


def _plain(match: re.Match[str]) -> str:
    """Text of one value without its quotes and escapes."""
    if (single := match["single"]) is not None:
        return re.sub(r"\\([\\'])", r"\1", single)
    if (double := match["double"]) is not None:
        return _ESCAPE.sub(_unescaped, double)
    return match["nested"] or match["bare"]


def _unescaped(match: re.Match[str]) -> str:
    """Character of one escape in double quotes."""
    if match[1] is None:
        return _LETTERS.get(match[2], match[2])
    code = int(match[1], 16)
    return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "\ufffd"


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
            return float(plain)
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
    where = f"{source}::{record}, group ending on line {group.line}"
    if group.fault:
        where = f"{source}::{record}, line {group.fault[1]}"
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
        if len(i0) == len(columns[0]):
            columns, names, units = [*columns, i0], [*names, "i0"], [*units, ""]
        elif len(i0):
            message = f"The array i0 has {len(i0)} values for {len(columns[0])} points and was left out"
            findings.append(Finding("left-out", "note", message))
    data = np.column_stack(columns)
    layout = "Athena project"
    return Table(source, layout, tuple(names), tuple(units), data, (), record, group.args, tuple(findings))
