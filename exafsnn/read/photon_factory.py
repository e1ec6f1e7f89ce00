"""Recogniser of the 9809 format: angles of the monochromator, seconds, and counts of each channel.

It comes from the Photon Factory, and is written at SPring-8, SAGA-LS, Aichi SR and elsewhere: its layout tells it, not
the facility in its first line. The dark counts that the header gives are subtracted here; ``energy_axis.py`` makes
energies of the angles.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.rows import numbers, plain_rows
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table
from exafsnn.records import Array

_MARK = re.compile(r"\s*9809\s+[A-Za-z]")
_LABELS = re.compile(r"\s*Angle\(c\)\s+Angle\(o\)\s+time/s\s", re.IGNORECASE)
"""Begin of the line that names the channels."""

_MONO = re.compile(r"Mono\s*:\s*(.*?)\s*\bD\s*=\s*([\d.]+)\s*A", re.IGNORECASE)
_POINTS, _BLOCKS = re.compile(r"Points=\s*(\d{1,9})"), re.compile(r"Block\s*=\s*(\d{1,9})")

_BLOCK_TABLE = re.compile(r"\s*Block\s+Init-(Eng|Ang)", re.IGNORECASE)

_MODES = {1: "I0", 2: "It", 3: "If"}
"""What a channel counts: incident beam, transmitted beam, fluorescence; 0 is no counter."""

_MAX_HEADER, _MAX_START = 500, 100_000
"""Most lines of a header, and most characters in which it is sought."""

_MOST_LOST = 8
"""Most readings of a channel below its dark counts that are left out; more of them speak against the dark counts."""

_QUIET = 0.1
"""Noise, relative to the reading, up to which no reading comes down to the dark counts by chance."""


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
    if not _is_9809(text_lines(text[:_MAX_START])):
        return None
    lines = text_lines(text)
    header, start = _header(lines, source)
    data, places = _rows(lines, start, len(header.labels), source)
    counted, kept, dark = _without_dark_counts(data, header, places)
    findings = (*dark, *_announced(header, len(data)))
    return [
        Table(
            source,
            "9809",
            _names(header),
            ("degrees", "degrees", "s", *[""] * (len(header.labels) - 3)),
            counted[kept],
            tuple(places[row] for row in np.flatnonzero(kept)),
            metadata=_fields(header),
            findings=findings,
        )
    ]


def _is_9809(lines: Sequence[str]) -> bool:
    """Tell the layout: channels are named, and their modes follow; of a damaged one, the mark and the monochromator."""
    above = [line[:200] for line in lines[:_MAX_HEADER]]
    if any(_LABELS.match(line) and below.split()[:1] == ["Mode"] for line, below in pairwise(above)):
        return True
    return bool(_MARK.match(above[0])) and any(map(_MONO.search, above))


def _header(lines: Sequence[str], source: str) -> tuple[_Header, int]:
    """Header, and how many lines it has: it ends with the labels, the modes and the dark counts of the channels."""
    for number, line in enumerate(lines[:_MAX_HEADER]):
        if _LABELS.match(line[:200]):
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
    """Points of each block, from the table below ``Block Init-Eng Final-Eng Step/eV Time/s Num``, or of angles."""
    start = next((number for number, line in enumerate(lines, 1) if _BLOCK_TABLE.match(line[:200])), len(lines))
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


def _without_dark_counts(
    data: Array, header: _Header, places: tuple[int, ...]
) -> tuple[Array, np.ndarray, tuple[Finding, ...]]:
    """Subtract the offsets, which are dark counts per second, and tell which rows (n,) are kept.

    That they are per second shows in files whose counting time changes within a scan: raw counts of the pre-edge at
    1 s and 2 s are as 1 : 2, and stay so only if the offset is multiplied by the time; the offset alone would put a
    step into If/I0 there. A channel of which more than a few lone readings would not stay positive is left as it is.
    """
    counts, seconds, kept, findings = data.copy(), data[:, 2], np.ones(len(data), dtype=bool), []
    for column in (column for column in range(3, data.shape[1]) if header.offsets[column]):
        rate = header.offsets[column]
        net = data[:, column] - rate * seconds
        dark = f"Dark counts of {rate:g} per second in column {column + 1}"
        if rate < 0 or not (seconds > 0).all() or not _are_lone(net):
            message = f"{dark} were not subtracted{_too_low(net, places)}"
            findings.append(Finding("dark-counts", "warning", message, remedy="Check the header, or the counter"))
            continue
        counts[:, column] = net
        findings.append(Finding("dark-counts", "note", f"{dark} were subtracted"))
        findings += [_wrong(column, data[row, column], places[row]) for row in np.flatnonzero(net <= 0)]
        kept &= ~(net <= 0)
    return counts, kept, tuple(findings)


def _wrong(column: int, reading: float, line: int) -> Finding:
    """Tell a reading that is left out."""
    reason = "no more than its dark counts: that reading is wrong, and its point was left out"
    message = f"Column {column + 1} reads {reading:g} in line {line}, {reason}"
    remedy = "Correct it in the file if the right reading is known"
    return Finding("reading-below-dark", "warning", message, remedy=remedy)


def _are_lone(net: Array) -> bool:
    """Tell whether the readings that are not above the dark counts, if any, are few, lone, and no noise.

    A counter without any light still counts its dark counts: a reading below these, between two that are lit, is not
    what was there. Where the counter is noisy, or was dark for longer, the reading may well be right.
    """
    low = net <= 0
    if not low.any():
        return True
    if len(net) < _MOST_LOST or low.sum() > _MOST_LOST or (low[1:] & low[:-1]).any():
        return False
    around = (np.append(net[1], net[:-1]) + np.append(net[1:], net[-2])) / 2
    return bool(np.median(np.abs(net - around)) < _QUIET * np.median(net))


def _too_low(net: Array, places: tuple[int, ...]) -> str:
    """Say how many readings would not stay positive."""
    low = np.flatnonzero(net <= 0)
    if not len(low):
        return ""
    return f": {len(low)} of {len(net)} readings are not above them, the first in line {places[low[0]]}"


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
    crystal = {"Mono.name": mono[1].strip(), "Mono.d_spacing": mono[2]} if mono else {}
    titles = {"Sample.name": " ".join(header.lines[1:2]).strip(), "Sample.comment": " ".join(header.lines[2:3]).strip()}
    words = " ".join(filter(_MARK.match, header.lines[:1])).split()
    place = {"Facility.name": " ".join(words[1:2]), "Beamline.name": " ".join(words[2:3])}
    return {**place, **crystal, **titles}
