"""Recogniser of ``.fio`` files, as DESY's beamlines and Sardana write them: a scan in sections.

Comments stand below ``%c``, parameters below ``%p``, and the data below ``%d``: first a line ``Col 1 energy DOUBLE``
for each column, then the rows.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.headers import header_fields
from exafsnn.read.rows import MAX_COLUMNS, numbers
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table, few

_MAX_START = 100_000
"""Most characters in which the sections are sought."""

_MAX_LABEL, _MAX_COMMENTS = 200, 100
"""Longest name of a column, with what stands around it, and most comments that are searched for fields."""

_START = re.compile(r"(?:[ \t]*+(?:![^\n]*+)?+\n)*+%[cpd][ \t]*+$", re.MULTILINE)
"""Nothing but remarks before the first section."""

_COLUMN = re.compile(r"\s*Col\s+(\d{1,4})\s+(\S.*?)\s+([A-Za-z]\w*)\s*")
_ANY_COLUMN = re.compile(r"^[ \t]*+Col[ \t]++1[ \t]", re.MULTILINE)

_WORDS = ("STRING", "BOOLEAN")
"""Types of columns that hold no numbers."""

_STARTED, _ENDED = "Acquisition started at", "Acquisition ended at"

_ENCODER = re.compile(r"(^|_)enc(_|$)", re.IGNORECASE)
"""``enc_energy``: what the encoder reads, beside ``mono_energy``, what was asked for."""

_SCAN = re.compile(r"[ad]\d?scan\s+\S.*\s(\d{1,7})\s+\S+")
"""``ascan energy 7000 8000 500 1``: so many steps, and one point more."""


@dataclass
class _File:
    """What a file says, while it is read."""

    comments: list[str] = field(default_factory=list)
    parameters: dict[str, str] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: list[int] = field(default_factory=list)
    is_ended: bool = False

    @cached_property
    def numeric(self) -> list[int]:
        """Columns that hold numbers, once all are named."""
        return [column for column, kind in enumerate(self.types) if kind.upper() not in _WORDS]


def recognise(text: str, source: str) -> list[Table] | None:
    """Read a ``.fio`` file; None if the text is none.

    Raises
    ------
    ScanError
        If a line of the data is neither a column's name nor a row, or there are no rows.
    """
    start = text[:_MAX_START].replace("\r\n", "\n").replace("\r", "\n")
    if not (_START.match(start) and _ANY_COLUMN.search(start)):
        return None
    file = _read(text_lines(text), source)
    if not file.lines:
        raise ScanError("no rows of numbers follow the names of the columns", where=source, remedy="Measure it again")
    names = tuple(_name(file.labels[column]) for column in file.numeric)
    data = np.array(file.values, dtype=np.float64).reshape(-1, len(names))
    units = ("",) * len(names)
    findings = tuple(_findings(file))
    return [Table(source, "FIO", names, units, data, tuple(file.lines), metadata=_fields(file), findings=findings)]


def _read(lines: Sequence[str], source: str) -> _File:
    """Sort the lines into sections; parameters may come again below the data."""
    file, section = _File(), ""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise ScanError(f"the line has {len(line)} characters, no scan", where=f"{source}, line {number}")
        bare = line.strip()
        if bare.startswith("!"):
            file.is_ended = file.is_ended or _ENDED in bare
        elif bare in ("%c", "%p", "%d"):
            section = bare
        elif bare and section == "%c":
            file.comments.append(bare[:_MAX_LABEL])
        elif bare and section == "%p":
            key, _, value = bare.partition("=")
            file.parameters.setdefault(key.strip(), value.strip())
        elif bare:
            _take(file, bare, f"{source}, line {number}", number)
    return file


def _take(file: _File, line: str, where: str, number: int) -> None:
    """Take a line of the data: the name of a column, or a row."""
    match = _COLUMN.fullmatch(line) if len(line) <= _MAX_LABEL and not file.lines else None
    if match:
        if int(match[1]) != len(file.labels) + 1 or len(file.labels) == MAX_COLUMNS:
            reason = f"column {match[1]} is named where column {len(file.labels) + 1} is due"
            raise ScanError(reason, where=where, remedy="Copy the file again")
        file.labels.append(match[2])
        file.types.append(match[3])
        return
    cells = ["nan" if cell == "None" else cell for cell in line.split()]
    numeric = file.numeric if len(cells) == len(file.labels) else []
    values = numbers([cells[column] for column in numeric]) if numeric else None
    if values is None or len(file.values) > MAX_NUMBERS:
        reason = f"{line[:60]!r} is not a row of {len(file.labels)} values"
        remedy = "Repair or delete that line; no row is dropped silently"
        raise ScanError(reason, where=where, remedy=remedy)
    file.values.extend(values)
    file.lines.append(number)


def _name(label: str) -> str:
    """Name of a column, which says whether an encoder reads it: that is better than what was asked for."""
    return f"{label} (encoder)" if _ENCODER.search(label) else label


def _fields(file: _File) -> dict[str, str]:
    """Title, parameters, and the fields that comments hold."""
    names = {re.sub(r"\W|_", "", key).casefold(): value for key, value in file.parameters.items()}
    sample = names.get("samplename") or names.get("sample")
    title = {"title": file.comments[0]} if file.comments else {}
    return (
        title
        | header_fields(file.comments[:_MAX_COMMENTS])
        | file.parameters
        | ({"Sample.name": sample} if sample else {})
    )


def _findings(file: _File) -> Iterator[Finding]:
    """Tell what was not read, and a scan that did not come to its end."""
    words = [label for label, kind in zip(file.labels, file.types, strict=True) if kind.upper() in _WORDS]
    if words:
        yield Finding("left-out", "note", f"Columns of words were left out: {few(words)}")
    found, scan = len(file.lines), next(filter(None, map(_SCAN.fullmatch, file.comments[:1])), None)
    if scan and int(scan[1]) + 1 != found:
        message = f"The header announces {int(scan[1]) + 1} points, the file holds {found}"
        yield Finding("points-announced", "warning", message, remedy="Check whether the scan was stopped")
    if not file.is_ended and any(_STARTED in comment for comment in file.comments):
        message = f"The file says when the scan began and not that it ended: it holds {found} points so far"
        yield Finding("scan-unfinished", "warning", message, remedy="Read it again when the scan is finished")
