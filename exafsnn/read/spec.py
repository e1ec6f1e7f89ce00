"""Recogniser of SPEC files: each scan over energy becomes a table, named by its number.

Scans that cannot be used become tables with their fault; scans over other motors are passed over, with a note.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.headers import header_fields
from exafsnn.read.roles import role_of
from exafsnn.read.rows import MAX_COLUMNS, numbers
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table, faulty, few
from exafsnn.records import Array

_MAX_SCANS = 10_000
"""Most scans of a file."""

_MAX_LABEL = 100
"""Longest label [characters] that is looked at."""

_MAX_COMMENTS = 100
"""Most comments of a scan that are searched for fields."""

_MIN_MOTION = 1e-3
"""Smallest change of an energy, as a share of it, by which a scan runs over energy."""

_START = re.compile(r"#S\s+(\d+(?:\.\d+)?)(?:\s+(.*))?")
_ABORTED = re.compile(r"\babort|\binterrupted", re.IGNORECASE)
_RESUMED = re.compile(r"\bresum|\bcontinu", re.IGNORECASE)


@dataclass
class _Scan:
    """What a file says of one scan, while it is read."""

    number: str
    title: str
    line: int
    """Line on which it begins."""
    labels: str = ""
    date: str = ""
    aborted: int = 0
    """Line that says so; 0 for a scan that came to its end."""
    spectra: int = 0
    """Lines of multichannel spectra that were passed over."""
    comments: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)
    """Where the motors stand, as text."""
    width: int = 0
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: list[int] = field(default_factory=list)
    commented: list[int] = field(default_factory=list)
    """Lines of rows behind a comment mark."""
    bad: tuple[int, str] | None = None
    """First row that cannot be read, with its line."""


def recognise(text: str, source: str) -> list[Table] | None:
    """Read a SPEC file; None if the text is none: it has no scan with labels.

    Raises
    ------
    ScanError
        If the file holds no scan over energy, or too many scans.
    """
    if not (re.match(r"\s*#", text) and "#S" in text and "#L" in text):
        return None
    motors, scans = _scans(text_lines(text), source)
    if not any(scan.labels for scan in scans):
        return None
    totals, seen = Counter(scan.number for scan in scans), Counter[str]()
    tables, passed = [], []
    for scan in scans:
        seen[scan.number] += 1
        repeated = f".{seen[scan.number]}" if seen[scan.number] > 1 else ""
        if (table := _table(scan, motors, scan.number + repeated, source)) is not None:
            tables.append(table)
        else:
            passed.append(scan.number + repeated)
    if not tables:
        reason = f"none of the {sum(totals.values())} scans runs over energy"
        raise ScanError(reason, where=source, remedy="Give a file with a scan whose #L line names an energy")
    return [_with_note(table, passed) for table in tables]


def _with_note(table: Table, passed: list[str]) -> Table:
    """Table that tells which scans of its file are not over energy."""
    if not passed or table.fault:
        return table
    message = f"Scans {few(passed)} of the file were passed over: they do not run over energy"
    note = Finding("scans-passed-over", "note", message)
    return replace(table, findings=(*table.findings, note))


def _scans(lines: list[str], source: str) -> tuple[list[str], list[_Scan]]:
    """Names of the motors, and all scans."""
    motors: list[str] = []
    scans: list[_Scan] = []
    total = 0
    for number, line in _ordinary(lines, scans, source):
        if match := _START.fullmatch(line):
            scans.append(_Scan(match[1], (match[2] or "").strip(), number))
        elif re.match(r"#O\d+ ", line) and not scans:
            motors += _labels(line.partition(" ")[2])
        elif scans and line.startswith("#"):
            _header(scans[-1], number, line)
        elif scans and line:
            _row(scans[-1], number, line)
            total += scans[-1].width
        if len(scans) > _MAX_SCANS or total > MAX_NUMBERS:
            reason = f"the file holds more than {_MAX_SCANS} scans or {MAX_NUMBERS} numbers"
            raise ScanError(reason, where=f"{source}, line {number}", remedy="Split it")
    return motors, scans


def _ordinary(lines: list[str], scans: list[_Scan], source: str) -> Iterator[tuple[int, str]]:
    """Lines with their numbers, without multichannel spectra and the lines that continue them."""
    continued = False
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise ScanError(f"the line has {len(line)} characters, no scan", where=f"{source}, line {number}")
        if continued or line.startswith("@"):
            continued = line.rstrip().endswith("\\")
            if scans:
                scans[-1].spectra += 1
        else:
            yield number, line.strip()


def _header(scan: _Scan, number: int, line: str) -> None:
    """Take what a line of the header of a scan says; unknown lines say nothing of the data."""
    mark, _, rest = line.partition(" ")
    if mark == "#L" and not scan.labels:
        scan.labels = rest.strip()
    elif mark == "#D" and not scan.date:
        scan.date = rest.strip()
    elif re.fullmatch(r"#P\d+", mark):
        scan.positions.append(rest)
    elif mark.startswith(("#C", "#U")):
        if len(scan.comments) < _MAX_COMMENTS:
            scan.comments.append(rest.strip())
        if _ABORTED.search(rest):
            scan.aborted = number
        elif _RESUMED.search(rest):
            scan.aborted = 0
    elif scan.width and numbers(line.lstrip("# ").split(), scan.width):
        scan.commented.append(number)


def _row(scan: _Scan, number: int, line: str) -> None:
    """Append a row of numbers to a scan, or remember the first that is none."""
    if scan.bad:
        return
    values = numbers(line.split(), scan.width or None)
    if values is None or len(values) > MAX_COLUMNS:
        scan.bad = number, line
        return
    scan.width = len(values)
    scan.values.extend(values)
    scan.lines.append(number)


def _labels(text: str) -> list[str]:
    """Labels, which two or more spaces separate."""
    return [label[:_MAX_LABEL] for label in re.split(r"\s{2,}|\t", text.strip()) if label]


def _columns(scan: _Scan) -> list[str]:
    """Names of the columns: labels apart by two spaces, or by one where only so their number is right."""
    apart, single = _labels(scan.labels), [label[:_MAX_LABEL] for label in scan.labels.split()]
    return single if len(apart) != scan.width == len(single) else apart


def _table(scan: _Scan, motors: list[str], record: str, source: str) -> Table | None:
    """Table of a scan, or its fault; None if it does not run over energy."""
    names = _columns(scan)[:MAX_COLUMNS]
    axes = [index for index, name in enumerate(names) if _is_axis(name)]
    data: Array = np.array(scan.values, dtype=np.float64).reshape(-1, scan.width or 1)
    if not axes or (len(data) > 1 and scan.width == len(names) and not _moves(data[:, axes])):
        return None
    if fault := _fault(scan, names, record, source):
        return faulty(source, record, fault)
    metadata = {"title": scan.title, "date": scan.date} | _temperatures(scan, motors) | header_fields(scan.comments)
    units = ("",) * len(names)
    return Table(source, "SPEC", tuple(names), units, data, tuple(scan.lines), record, metadata, tuple(_findings(scan)))


def _findings(scan: _Scan) -> Iterator[Finding]:
    """Tell what of a scan was not read."""
    if scan.spectra:
        message = f"{scan.spectra} lines of multichannel spectra (@A) were passed over"
        yield Finding("spectra-passed-over", "note", message)
    if scan.commented:
        message = f"{len(scan.commented)} rows behind '#' were not read, the first in line {scan.commented[0]}"
        yield Finding("rows-commented", "warning", message, remedy="Remove the mark if the row belongs to the scan")


def _temperatures(scan: _Scan, motors: list[str]) -> dict[str, str]:
    """Positions of the motors that are called temperature."""
    named = [index for index, motor in enumerate(motors) if motor.lower().startswith("temp")]
    values = " ".join(scan.positions).split() if named else []
    return {motors[index]: values[index] for index in named[:10] if index < len(values)}


def _is_axis(name: str) -> bool:
    """Tell whether a column may be the axis of an energy scan; other angles than the monochromator's are not."""
    role = role_of(name)
    return role == "energy" or (role == "angle" and bool(re.search(r"mono|bragg|dcm", name.lower())))


def _moves(axes: Array) -> bool:
    """Tell whether one of the columns (n, a) changes by more than an energy that is only read back."""
    with np.errstate(invalid="ignore", over="ignore"):
        still = np.ptp(axes, axis=0) <= _MIN_MOTION * np.abs(axes).mean(axis=0)
    return not still.all()


def _fault(scan: _Scan, names: list[str], record: str, source: str) -> ScanError | None:
    """Why a scan over energy cannot be used; None if it can."""
    where, again = f"{source}::{record}, line ", "Measure it again, or delete it from the file"
    if scan.bad:
        reason = f"{scan.bad[1][:60]!r} is not a row of {scan.width or len(names)} numbers"
        return ScanError(reason, where=f"{where}{scan.bad[0]}", remedy="Repair that line; no row is dropped silently")
    if scan.aborted:
        reason = f"the scan was aborted after {len(scan.lines)} points"
        remedy = f"{again}; to use its points nevertheless, copy them into a file of columns"
        return ScanError(reason, where=f"{where}{scan.aborted}", remedy=remedy)
    if not scan.lines:
        return ScanError("the scan has no points", where=f"{where}{scan.line}", remedy=again)
    if scan.width != len(names):
        reason = f"#L names {len(names)} columns, the rows have {scan.width}"
        return ScanError(
            reason, where=f"{where}{scan.lines[0]}", remedy="Repair the #L line: two spaces between labels"
        )
    return None
