"""Recogniser of text tables: header lines, then rows of numbers (XDAC, plain columns, CSV).

Strict: after the first row every line is a row of as many numbers, a comment, or an error with its line number.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.headers import column_names, header_fields, misfit
from exafsnn.read.rows import MAX_COLUMNS, number_of, numbers, plain_rows
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table

_COMMENT = ("#", "%", ";", "*", "!", "//")
_MAX_HEADER_ROWS = 20
"""Rows of numbers that may stand in a header (weights, scan regions) before the data begin."""

_MAX_HEADER_RUNS = 50
"""How often that may happen in one file."""

_MAX_HEADER = 2**20
"""Longest header [characters]."""

_MAX_SEARCHED, _MAX_LOOK = 1000, 300
"""First lines, and first characters of each, among which is sought why there are no rows of numbers."""

_MAX_COMMENTED = 10_000
"""Most commented lines that are looked at for rows of numbers."""

_LABEL_LINES = 100
"""Last lines of a header, among which the names of the columns are sought."""

_ROW = re.compile(r"[\"']?[+-]?(\.?\d|nan|inf)", re.IGNORECASE)
"""Begin of a row of numbers."""

_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")

_NO_THOUSANDS = re.compile(r",(?!\d{3}(?!\d))\d|,\d{3}.?[eEdD]")
"""A comma that more or fewer than three digits follow."""

_FAR = 10
"""A commented line further than so many steps from the first row's energy is no row before it."""

_Splitter = Callable[[str], list[str]]


def _semicolons(line: str) -> list[str]:
    return [_unquoted(cell.strip()) for cell in line.rstrip("; \t").split(";")]


def _commas(line: str) -> list[str]:
    return [_unquoted(cell.strip()) for cell in line.rstrip(", \t").split(",")]


def _unquoted(cell: str) -> str:
    """Cell without the quotes around it; a quote on one side only stays, as the cell is then no whole one."""
    return cell[1:-1] if len(cell) > 1 and cell[0] in "\"'" and cell[0] == cell[-1] else cell


def _decimal_commas(split: _Splitter) -> _Splitter:
    def cells(line: str) -> list[str]:
        return ["?" if "." in cell or cell.strip(",") != cell else cell.replace(",", ".") for cell in split(line)]

    return cells


_SPLITTERS: dict[str, _Splitter] = {
    "semicolons": _semicolons,
    "semicolons, decimal commas": _decimal_commas(_semicolons),
    "spaces": str.split,
    "spaces, decimal commas": _decimal_commas(str.split),
    "commas": _commas,
}

_SEPARATORS = {"semicolons": ";", "spaces": None, "commas": ","}
"""What stands between the cells of rows that may be plain."""


@dataclass
class _Block:
    """Rows of numbers that follow each other, while they are read."""

    style: str
    width: int
    values: array[float] = field(default_factory=lambda: array("d"))
    """Row after row, as a list of lists would need many times the memory."""
    lines: list[int] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether no other line stands between the rows."""
        return self.lines[-1] - self.lines[0] == len(self.lines) - 1

    def may_begin_with(self, row: Sequence[float]) -> bool:
        """Whether a row before the first one is near enough to belong to the scan: no further than its columns vary."""
        data = np.array(self.values, dtype=np.float64).reshape(-1, self.width)
        if len(row) != self.width or len(data) < 2:
            return False
        limits = np.ptp(data, axis=0)
        limits[0] = _FAR * abs(data[1, 0] - data[0, 0])
        return bool((np.abs(row - data[0]) <= limits).all())

    def add_plain(self, lines: list[str]) -> bool:
        """Append the rows behind the last one, up to the end of the file, if they are all plain."""
        last, is_known = self.lines[-1], self.style in _SEPARATORS
        data = plain_rows(lines[last:], self.width, _SEPARATORS[self.style]) if is_known else None
        if data is None:
            return False
        self.values.frombytes(data.tobytes())
        self.lines.extend(range(last + 1, last + 1 + len(data)))
        return True

    def add(self, values: list[float], line: int, source: str) -> None:
        """Append a row."""
        self.values.extend(values)
        self.lines.append(line)
        if len(self.values) > MAX_NUMBERS:
            reason = f"the table holds more than {MAX_NUMBERS} numbers, no scan"
            raise ScanError(reason, where=f"{source}, line {line}", remedy="Give one scan per file, rebinned")


def recognise(text: str, source: str) -> list[Table]:
    """Read a text table.

    Parameters
    ----------
    text
        Content of the file.
    source
        Its name, for messages.

    Returns
    -------
    list of Table
        One table.

    Raises
    ------
    ScanError
        If there are no rows of numbers, or a row cannot be read.
    """
    lines = text_lines(text)
    block, findings = _data_block(lines, source)
    header = _header(lines[: block.lines[0] - 1], source)
    metadata = header_fields(header)
    names, units = column_names(header[-_LABEL_LINES:], metadata, block.width)
    if not any(names) and (labels := misfit(header[-_LABEL_LINES:])):
        said = f"the line {labels[:60]!r} names other columns than the rows have, which hold {block.width} numbers"
        findings.append(Finding("labels", "note", said))
    if "decimal" in block.style:
        findings.append(_decimal_commas_read(lines, block))
    layout = "XDI" if header and header[0].upper().startswith("XDI/") else f"columns separated by {block.style}"
    data = np.array(block.values, dtype=np.float64).reshape(-1, block.width)
    return [Table(source, layout, names, units, data, tuple(block.lines), metadata=metadata, findings=tuple(findings))]


def _decimal_commas_read(lines: list[str], block: _Block) -> Finding:
    """Say that commas were read as decimal points: in doubt, if each may be one of thousands."""
    plain = any(_NO_THOUSANDS.search(lines[number - 1]) for number in block.lines)
    return Finding("decimal-comma", "note" if plain else "warning", "Commas were read as decimal points")


def _header(lines: list[str], source: str) -> list[str]:
    """Header lines without their comment marks, and without very wide gaps, on which searches would take long."""
    if sum(map(len, lines)) > _MAX_HEADER:
        raise _too_much_header(source)
    return [re.sub(r"(\s{80})\s+", r"\1", line.strip().lstrip("#%;*!/ \t")) for line in lines]


def _too_much_header(source: str) -> ScanError:
    reason = f"the header has more than {_MAX_HEADER} characters, no scan"
    return ScanError(reason, where=source, remedy="Give a scan as columns of numbers")


def _content(lines: list[str], source: str) -> Iterator[tuple[int, str]]:
    """Lines that are neither blank nor comments, with their numbers."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            raise ScanError(f"the line has {len(line)} characters, no scan", where=f"{source}, line {number}")
        if (bare := line.strip()) and not bare.startswith(_COMMENT):
            yield number, bare


def _data_block(lines: list[str], source: str) -> tuple[_Block, list[Finding]]:
    """Rows of numbers that make up the scan; short runs of numbers inside the header are passed over, aloud."""
    block: _Block | None = None
    passed: list[_Block] = []
    previous, header = (0, ""), 0
    for number, line in _content(lines, source):
        if block is None:
            block = _first_row(number, line, previous, source)
            header += len(line)
        elif (values := numbers(_SPLITTERS[block.style](line), block.width)) is not None:
            block.add(values, number, source)
        else:
            _refuse_broken(block, number, line, source)
            passed.append(block)
            block = None
        if header > _MAX_HEADER or len(passed) > _MAX_HEADER_RUNS:
            raise _too_much_header(source)
        if block is not None and len(block.lines) == 1 and block.add_plain(lines):
            break
        previous = (number, line)
    if block is None:
        raise _no_rows(lines, source)
    return block, [*(_header_numbers(run, block) for run in passed), *_commented_rows(lines, block)]


def _no_rows(lines: list[str], source: str) -> ScanError:
    """Say which cell of the first two lines that look like rows is no number."""
    previous = (0, "", 0, "")
    for number, line in islice(_content(lines, source), _MAX_SEARCHED):
        odd_cells = (_odd_cell(split(line[:_MAX_LOOK])) for split in (_semicolons, str.split, _in_quotes, _commas))
        count, cell = next((found for found in odd_cells if found[0]), (0, ""))
        if count and count == previous[2]:
            first, text, _, odd = previous
            reason = f"no rows of numbers were found: {text[:60]!r} looks like one, but {odd[:40]!r} is no number"
            remedy = "Give plain numbers (no times, words or thousands separators) between spaces, tabs, commas or ';'"
            return ScanError(reason, where=f"{source}, line {first}", remedy=remedy)
        previous = (number, line, count, cell)
    remedy = "Give a scan as columns of numbers"
    return ScanError("no rows of numbers were found", where=source, remedy=remedy)


def _odd_cell(cells: list[str]) -> tuple[int, str]:
    """How many cells there are if half of them begin like numbers and one is one, else 0; the first that is none."""
    alike = sum(_ROW.match(cell) is not None for cell in cells)
    odd = [cell for cell in cells if number_of(cell) is None]
    one = len(odd) < len(cells) or any(map(_THOUSANDS.fullmatch, odd))
    return (len(cells), odd[0]) if odd and one and len(cells) <= 2 * alike else (0, "")


def _in_quotes(line: str) -> list[str]:
    """Cells of a line that has them in double quotes, commas and all."""
    return re.findall(r'"([^"]*)"', line)


def _commented_rows(lines: list[str], block: _Block) -> Iterator[Finding]:
    """Tell rows of numbers behind comment marks: among or after the data, or right before them."""
    first, found = block.lines[0], []
    for number in range(first - 1, max(first - _MAX_COMMENTED, 0), -1):
        values = numbers(_SPLITTERS[block.style](_behind_mark(lines[number - 1])), block.width)
        if not values or not block.may_begin_with(values):
            break
        found.append(number)
    last = block.lines[-1] if block.is_whole else first
    behind = ((number, _behind_mark(lines[number - 1])) for number in range(last + 1, len(lines) + 1))
    marked = islice(((number, text) for number, text in behind if text), _MAX_COMMENTED)
    found += [number for number, text in marked if numbers(_SPLITTERS[block.style](text), block.width)]
    if found:
        rows = f"{len(found)} rows of numbers stand" if len(found) > 1 else "a row of numbers stands"
        message = f"{rows} behind a comment mark, in line {min(found)}{' first' if len(found) > 1 else ''}: not read"
        yield Finding("rows-commented", "warning", message, remedy="Remove the mark if the row belongs to the scan")


def _behind_mark(line: str) -> str:
    """Text behind a comment mark if it begins like a row of numbers, else empty."""
    bare = line.strip()
    text = bare.lstrip("#%;*!/ \t") if bare.startswith(_COMMENT) else ""
    return text if _ROW.match(text) else ""


def _first_row(number: int, line: str, previous: tuple[int, str], source: str) -> _Block | None:
    """Begin a block at the first row of numbers, unless the line before it is a broken row."""
    if not _ROW.match(line):
        return None
    for style, split in _SPLITTERS.items():
        values = numbers(split(line))
        if values is not None and len(values) > MAX_COLUMNS:
            reason = f"the row holds {len(values)} numbers, more than {MAX_COLUMNS} columns"
            raise ScanError(reason, where=f"{source}, line {number}", remedy="Give the columns of one scan")
        if values is not None and len(values) > 1:
            if _is_broken_row(split(previous[1]), len(values)):
                raise _unreadable(previous[0], previous[1], len(values), source)
            block = _Block(style, len(values))
            block.add(values, number, source)
            return block
    return None


def _refuse_broken(block: _Block, number: int, line: str, source: str) -> None:
    """Refuse a line of text behind rows of numbers, unless these are few, as in a header, and it is no broken row."""
    if len(block.lines) > _MAX_HEADER_ROWS or _is_broken_row(_SPLITTERS[block.style](line), block.width):
        raise _unreadable(number, line, block.width, source)


def _header_numbers(run: _Block, block: _Block) -> Finding:
    """Say that a run of numbers was taken as part of the header: in doubt, if they look like rows of the scan."""
    place = f"line {run.lines[0]}" if len(run.lines) == 1 else f"lines {run.lines[0]} to {run.lines[-1]}"
    doubtful = block.may_begin_with(run.values[-run.width :])
    message = f"The numbers in {place} were taken as part of the header"
    return Finding("numbers-in-header", "warning" if doubtful else "note", message)


def _is_broken_row(cells: list[str], width: int) -> bool:
    """Tell whether a line that is no row looks like a row with a fault: half of it numbers, and no word in front."""
    if not cells or cells[0].isalpha():
        return False
    numeric = sum(number_of(cell) is not None for cell in cells)
    return numeric > 0 and (numeric == len(cells) > 1 or (2 * numeric >= len(cells) and len(cells) == width))


def _unreadable(number: int, line: str, width: int, source: str) -> ScanError:
    return ScanError(
        f"{line[:60]!r} is not a row of {width} numbers",
        where=f"{source}, line {number}",
        remedy="Repair or delete that line (a second scan belongs into a file of its own); no row is dropped silently",
    )
