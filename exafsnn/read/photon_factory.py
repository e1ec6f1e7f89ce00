"""Recogniser of the Photon Factory's 9809 format: angles of the monochromator, seconds, and counts of each channel.

The dark counts that the header gives are subtracted here; ``energy_axis.py`` makes energies of the angles.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.rows import numbers, plain_rows
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table
from exafsnn.records import Array

_MARK = re.compile(r"\s*9809\s+KEK-PF")
_MONO = re.compile(r"Mono\s*:\s*(\S.*?)\s+D=\s*([\d.]+)\s*A", re.IGNORECASE)
_POINTS, _BLOCKS = re.compile(r"Points=\s*(\d{1,9})"), re.compile(r"Block\s*=\s*(\d{1,9})")

_MODES = {1: "I0", 2: "It", 3: "If"}
"""What a channel counts: incident beam, transmitted beam, fluorescence; 0 is no counter."""

_MAX_HEADER = 500
"""Most lines of a header."""


@dataclass
class _Header:
    """What the lines above the data say."""

    lines: list[str]
    labels: list[str]
    modes: list[int]
    offsets: list[float]
    blocks: list[int] = field(default_factory=list)
    """Number of points of each block of the scan."""

    def find(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """First match in any line."""
        return next((match for line in self.lines if (match := pattern.search(line[:200]))), None)


def recognise(text: str, source: str) -> list[Table] | None:
    """Read a 9809 file.

    Parameters
    ----------
    text
        Content of the file.
    source
        Its name, for messages.

    Returns
    -------
    list of Table or None
        One table, dark counts subtracted; None if the text is no 9809 file.

    Raises
    ------
    ScanError
        If the header lacks a part, or a row cannot be read.
    """
    if not _MARK.match(text[:200]):
        return None
    lines = text_lines(text)
    header, start = _header(lines, source)
    data, places = _rows(lines, start, len(header.labels), source)
    counted, dark = _without_dark_counts(data, header)
    findings = (*dark, *_announced(header, len(data)))
    return [
        Table(
            source,
            "Photon Factory 9809",
            _names(header),
            ("degrees", "degrees", "s", *[""] * (len(header.labels) - 3)),
            counted,
            places,
            metadata=_fields(header),
            findings=findings,
        )
    ]


def _header(lines: Sequence[str], source: str) -> tuple[_Header, int]:
    """Header, and how many lines it has: it ends with the labels, the modes and the dark counts of the channels."""
    for number, line in enumerate(lines[:_MAX_HEADER]):
        if re.match(r"\s*Angle\(c\)\s+Angle\(o\)\s+time/s\s", line[:200], re.IGNORECASE):
            labels = line.split()
            modes = _channel_row(lines, number + 1, "Mode", len(labels), source)
            offsets = _channel_row(lines, number + 2, "Offset", len(labels), source)
            header = _Header(list(lines[:number]), labels, [int(mode) for mode in modes], offsets)
            header.blocks = _blocks(header.lines)
            return header, number + 3
    reason = "the line 'Angle(c) Angle(o) time/s …', which names the channels, is missing"
    raise ScanError(reason, where=source, remedy="Copy the file again")


def _channel_row(lines: Sequence[str], index: int, name: str, width: int, source: str) -> list[float]:
    """Row ``Mode`` or ``Offset``: the name in place of one angle, a number for every other label."""
    cells = lines[index].split() if index < len(lines) else []
    values = numbers(cells[1:], width - 1)
    if not cells or cells[0] != name or values is None or not np.isfinite(values).all() or max(map(abs, values)) > 1e12:
        reason = f"the row {name!r} with {width - 1} numbers should stand here"
        raise ScanError(reason, where=f"{source}, line {index + 1}", remedy="Copy the file again")
    return [0.0, *values]


def _blocks(lines: Sequence[str]) -> list[int]:
    """Points of each block, from the table below ``Block Init-Eng Final-Eng Step/eV Time/s Num``."""
    start = next(
        (number for number, line in enumerate(lines, 1) if line.split()[:2] == ["Block", "Init-Eng"]), len(lines)
    )
    rows = (numbers(line.split(), 6) for line in lines[start:])
    return [int(row[5]) for row in rows if row and 0 <= row[5] < 1e9]


def _rows(lines: Sequence[str], start: int, width: int, source: str) -> tuple[Array, tuple[int, ...]]:
    """Numbers (n, width), and the lines on which they stand."""
    if (plain := plain_rows(lines[start:], width)) is not None:
        return plain, tuple(range(start + 1, start + 1 + len(plain)))
    values, places = array("d"), []
    for number, line in enumerate(lines[start:], start + 1):
        if not line.strip():
            continue
        row = numbers(line.split(), width) if len(line) <= MAX_LINE else None
        if row is None or len(values) > MAX_NUMBERS:
            reason = f"{line.strip()[:60]!r} is not a row of {width} numbers"
            remedy = "Repair or delete that line; no row is dropped silently"
            raise ScanError(reason, where=f"{source}, line {number}", remedy=remedy)
        values.extend(row)
        places.append(number)
    if not places:
        raise ScanError("no rows of numbers follow the header", where=source, remedy="Give a file with its data")
    return np.array(values, dtype=np.float64).reshape(-1, width), tuple(places)


def _names(header: _Header) -> tuple[str, ...]:
    """Names of the columns that say what is counted; the channel's own label where that is not known."""
    named = [_MODES.get(mode, f"mode {mode}") for mode in header.modes[3:]]
    channels = zip(named, header.labels[3:], strict=True)
    return (*header.labels[:3], *(f"{name}_{label}" if name == "If" else name for name, label in channels))


def _without_dark_counts(data: Array, header: _Header) -> tuple[Array, tuple[Finding, ...]]:
    """Subtract the offsets, which are dark counts per second.

    That they are per second shows in files whose counting time changes within a scan: raw counts of the pre-edge at
    1 s and 2 s are as 1 : 2, and stay so only if the offset is multiplied by the time; the offset alone would put a
    step into If/I0 there. A channel that would not stay positive is left as it is.
    """
    counts, seconds, findings = data.copy(), data[:, 2], []
    for column in (column for column in range(3, data.shape[1]) if header.offsets[column]):
        rate = header.offsets[column]
        net = data[:, column] - rate * seconds
        sound = bool(rate > 0 and (seconds > 0).all() and (net > 0).all())
        if sound:
            counts[:, column] = net
        done = "were subtracted" if sound else "were not subtracted, as no positive counts would be left"
        message = f"Dark counts of {rate:g} per second in column {column + 1} {done}"
        findings.append(Finding("dark-counts", "note" if sound else "warning", message))
    return counts, tuple(findings)


def _announced(header: _Header, found: int) -> tuple[Finding, ...]:
    """Compare the points found with those that the header announces, altogether and block by block."""
    points, blocks = header.find(_POINTS), header.find(_BLOCKS)
    announced = {int(points[1])} if points else set()
    announced |= {sum(header.blocks)} if header.blocks else set()
    findings = []
    if announced and announced != {found}:
        said = " and ".join(map(str, sorted(announced)))
        message = f"The header announces {said} points, the file holds {found}"
        findings.append(Finding("points-announced", "warning", message, remedy="Check whether the scan was stopped"))
    if blocks and int(blocks[1]) != len(header.blocks):
        message = f"The header announces {blocks[1]} blocks, its table has {len(header.blocks)}"
        findings.append(Finding("points-announced", "warning", message, remedy="Check the file"))
    return tuple(findings)


def _fields(header: _Header) -> dict[str, str]:
    """Fields of the header, named as in XDI."""
    mono = header.find(_MONO)
    crystal = {"Mono.name": mono[1], "Mono.d_spacing": mono[2]} if mono else {}
    titles = {"Sample.name": " ".join(header.lines[1:2]).strip(), "Sample.comment": " ".join(header.lines[2:3]).strip()}
    beamline = " ".join(header.lines[0].split()[2:3])
    return {"Facility.name": "KEK-PF", "Beamline.name": beamline, **crystal, **titles}
