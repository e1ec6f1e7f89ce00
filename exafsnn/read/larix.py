"""Recogniser of larch's session files (``.larix``): each group of Larix becomes a table. Nothing in them is run.

A session is lines of text, packed by gzip: a symbol's name, then its value in JSON; arrays are lists or base64.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from exafsnn.errors import ScanError
from exafsnn.read.sources import MAX_NUMBERS
from exafsnn.read.table import Table, faulty
from exafsnn.records import Array

_SYMBOL = re.compile(r"<:(\w+):>")
_GROUPS = "_xasgroups"
"""The symbol that names the groups which Larix shows."""
_SAVE_AGAIN = "Save the session again in Larix, or the scan as columns"
_COLUMNS = ((("energy", "mu"), ("eV", "")), (("k", "chi"), ("", "")))
"""What a group is read for, the first that it has, and units."""
_FIELDS = {"atsym": "element.symbol", "edge": "element.edge", "temperature": "sample.temperature"}
"""What else is read of it, and the header fields that it is taken for."""
_MOST_GROUPS = 10_000


def recognise(text: str, source: str) -> list[Table] | None:
    """Read a session; None if the text is none.

    Raises
    ------
    ScanError
        If it holds no scans, or is damaged.
    """
    if not text.startswith("##LARIX:"):
        return None
    symbols = dict(_symbols(text, source))
    named = symbols.get(_GROUPS)
    shown = {label: name for label, name in named.items() if label != "__class__"} if isinstance(named, dict) else {}
    groups = {str(label): symbols[name] for label, name in shown.items() if isinstance(name, str) and name in symbols}
    groups = groups or {name: value for name, value in symbols.items() if isinstance(value, dict) and "mu" in value}
    if not groups or len(groups) > _MOST_GROUPS:
        reason = f"the session holds {len(groups)} scans" if groups else "the session holds no scans"
        raise ScanError(reason, where=source, remedy=_SAVE_AGAIN)
    return [_table(group, label, source) for label, group in groups.items()]


def _symbols(text: str, source: str) -> Iterator[tuple[str, Any]]:
    """Names and values of a session."""
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _SYMBOL.fullmatch(line.strip()):
            name = match[1]
        elif name and line.startswith(("{", "[", '"')):
            try:
                yield name, json.loads(line)
            except (ValueError, RecursionError) as error:
                where = f"{source}, line {number}"
                raise ScanError(f"the value of {name} is damaged", where=where, remedy=_SAVE_AGAIN) from error
            name = ""


def _table(group: Any, record: str, source: str) -> Table:
    """Table of a group, or its fault."""
    try:
        if not isinstance(group, dict):
            raise ValueError("it is no group")
        has = next((which for which in _COLUMNS if set(which[0]) <= set(group)), None)
        if has is None:
            raise ValueError("it has neither energy and mu nor k and chi")
        (names, units), columns = has, [_array(group[name], name) for name in has[0]]
        if len(columns[0]) != len(columns[1]) or not len(columns[0]):
            raise ValueError(f"it has {len(columns[0])} values of {names[0]} and {len(columns[1])} of {names[1]}")
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return faulty(source, record, ScanError(said, where=f"{source}::{record}", remedy=_SAVE_AGAIN))
    fields = {key: str(group[name]) for name, key in _FIELDS.items() if isinstance(group.get(name), str | int | float)}
    return Table(source, "Larix session", names, units, np.column_stack(columns), (), record, fields)


def _array(value: Any, name: str) -> Array:
    """The numbers of an array, as one of the two ways of larch has it."""
    if isinstance(value, dict) and value.get("__class__") == "b64ndarray":
        packed = json.loads(value["__value__"]) if isinstance(value.get("__value__"), str) else value
        kind = np.dtype(str(packed["dtype"]))
        if kind.kind not in "fiu":
            raise ValueError(f"{name} is no array of numbers")
        found = np.frombuffer(base64.b64decode(packed["value"], validate=True), dtype=kind).astype(np.float64)
    elif isinstance(value, dict) and value.get("__class__") == "Array" and isinstance(value.get("value"), list):
        found = np.array(value["value"], dtype=np.float64)
    elif isinstance(value, list):
        found = np.array(value, dtype=np.float64)
    else:
        raise ValueError(f"{name} is no array")
    if found.ndim != 1 or found.size > MAX_NUMBERS:
        raise ValueError(f"{name} is no column of numbers")
    return found
