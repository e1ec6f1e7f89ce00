"""Recogniser of XDI files (XAS Data Interchange 1.0), as strict as the specification.

What leaves open which numbers or fields are meant is an error with its line; other faults are told with the field's
name: as warnings where a number may rest on it, else as notes. ``scan.py`` calls it.
"""

from __future__ import annotations

import math
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from exafsnn.edges import edge_name, is_element
from exafsnn.errors import Finding, ScanError
from exafsnn.read.energy_axis import SPACING_FIELDS, d_spacing
from exafsnn.read.headers import column_fields, name_and_unit, told_columns
from exafsnn.read.roles import role_of
from exafsnn.read.rows import MAX_COLUMNS, numbers, plain_rows
from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS, text_lines
from exafsnn.read.table import Table, few

_VERSION = re.compile(r"#[ \t]*XDI/(\S*)[ \t]*(.*)")
_FIELD = re.compile(r"([A-Za-z][\w-]*\.[\w-]+)[ \t]*:[ \t]*(\S.*)", re.ASCII | re.DOTALL)
_FIELD_END, _HEADER_END = "///", "---"
"""How the lines begin that end the fields and the header; programs write a title behind."""

_COMMENT = "comment"
"""Under this name the user's comment stands beside the fields, whose names all have a dot."""

_FOREIGN_MARKS = tuple(";%*!$/@&|<>{}~^?=")
"""With these other formats begin their comments."""

_MAX_HEADER = 2**20
"""Longest header [characters]."""

_FAMILIES = {"facility", "beamline", "mono", "detector", "sample", "scan", "element", "column"}
"""Families of fields that XDI defines; others belong to programs, which the first line should name."""

_RECOMMENDED = ("Facility.name", "Facility.xray_source", "Beamline.name", "Scan.start_time")

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)?")

_AMOUNT = r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?"

_FORMATS = {
    "Sample.temperature": (
        rf"{_AMOUNT}\s*(°?\s*|deg(rees|\.)?\s*)(K|C|kelvin|celsius)|(at )?(rt|(room|ambient).*)",
        "K",
    ),
    "Facility.energy": (rf"{_AMOUNT}\s*[GM]eV", "GeV or MeV"),
    "Facility.current": (rf"{_AMOUNT}\s*m?A", "mA or A"),
}
"""How the value of a field has to look, and its unit."""

_WRITE_FIELDS = "Write '# Family.Key: value', and comments between '# ///' and '# ---'"
_UNMARK = "Remove the mark if the row belongs to the scan"
_WRITE_ROWS = "Repair or delete that line; no row is dropped silently"


@dataclass
class _Parts:
    """A file cut into its parts, while it is read."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    """Names and values, in order."""
    comments: list[str] = field(default_factory=list)
    labels: str = ""
    """Line of labels above the data."""
    sections: set[str] = field(default_factory=set)
    """Separators that were found: ``"///"``, ``"---"``."""
    foreign: list[int] = field(default_factory=list)
    """Lines with another comment mark."""
    late: list[int] = field(default_factory=list)
    """Comments between the data."""
    rows: list[int] = field(default_factory=list)
    """Rows of numbers behind a comment mark, among or after the data."""
    values: array[float] = field(default_factory=lambda: array("d"))
    lines: list[int] = field(default_factory=list)
    width: int = 0


def recognise(text: str, source: str) -> list[Table] | None:
    """Read an XDI file.

    Parameters
    ----------
    text
        Content of the file.
    source
        Its name, for messages.

    Returns
    -------
    list of Table or None
        One table; None if the text is no XDI.

    Raises
    ------
    ScanError
        If a field or a row is malformed, or the file is named ``.xdi`` and is none.
    """
    first = text[:MAX_LINE].lstrip("\ufeff").splitlines()[:1]
    version = _VERSION.match(first[0]) if first else None
    if version is None:
        _refuse_the_name(source)
        return None
    parts = _parts(text_lines(text), source)
    metadata = dict(parts.fields)
    names, units, doubts = _columns(metadata, parts)
    findings = (*_structure(version, parts), *_repeated(parts.fields), *doubts, *_metadata(metadata))
    data = np.array(parts.values, dtype=np.float64).reshape(-1, parts.width)
    if parts.comments:
        metadata[_COMMENT] = "\n".join(parts.comments)
    return [Table(source, "XDI", names, units, data, tuple(parts.lines), metadata=metadata, findings=findings)]


def _refuse_the_name(source: str) -> None:
    """Refuse a file that is XDI by its name only."""
    if re.search(r"\.xdi(\.gz)?$", source, re.IGNORECASE):
        raise ScanError(
            "the file is named .xdi, but does not begin with '# XDI/1.0'",
            where=f"{source}, line 1",
            remedy="Add that line, or, if it is another format, change the file's name",
        )


def _parts(lines: Sequence[str], source: str) -> _Parts:
    """Cut the lines into fields, comments, labels and rows."""
    parts, last, header = _Parts(), (0, ""), 0
    for number, line in enumerate(lines[1:], 2):
        bare = line.strip()
        if len(line) > MAX_LINE:
            raise ScanError(f"the line has {len(line)} characters, no scan", where=f"{source}, line {number}")
        if bare.startswith("#") and not parts.lines:
            _header_line(parts, last, source)
            last, header = (number, bare.lstrip("#").strip()), header + len(bare)
        elif bare.startswith(("#", *_FOREIGN_MARKS)):
            _comment(parts, bare, number)
        elif bare and not parts.lines and _plain(parts, lines, number):
            break
        elif bare:
            _row(parts, bare, number, source)
        if header > _MAX_HEADER:
            raise ScanError(f"the header has more than {_MAX_HEADER} characters", where=source, remedy=_WRITE_FIELDS)
    _last_header_line(parts, last, source)
    if not parts.lines:
        raise ScanError("no rows of numbers follow the header", where=source, remedy="Give a file with its data")
    return parts


def _comment(parts: _Parts, line: str, number: int) -> None:
    """Note a comment that is not of the header, and whether it hides a row."""
    cells = line.lstrip("".join(("#", *_FOREIGN_MARKS, " "))).split()
    if parts.lines and numbers(cells, parts.width) is not None:
        parts.rows.append(number)
    else:
        (parts.late if line.startswith("#") else parts.foreign).append(number)


def _header_line(parts: _Parts, line: tuple[int, str], source: str) -> None:
    """Take one line of the header, which is not its last."""
    number, content = line
    if content.startswith((_FIELD_END, _HEADER_END)):
        parts.sections.add(content[:3])
    elif parts.sections:
        parts.comments += [content] if content else []
    elif content:
        parts.fields.append(_field(number, content, source))


def _last_header_line(parts: _Parts, line: tuple[int, str], source: str) -> None:
    """Take the last line of the header: the labels, unless it is a separator, or a field where no separator came."""
    if line[1].startswith((_FIELD_END, _HEADER_END)) or (not parts.sections and ":" in line[1]):
        _header_line(parts, line, source)
    else:
        parts.labels = line[1]


def _field(number: int, line: str, source: str) -> tuple[str, str]:
    """Name and value of a field."""
    if match := _FIELD.fullmatch(line):
        return match[1], match[2]
    name, colon, value = (part.strip() for part in line.partition(":"))
    faults = (
        (not colon, "there is no ':' between name and value"),
        ("." not in name, "there is no '.' between family and key"),
        (name.count(".") > 1, f"the name {name[:60]!r} has more than one '.'"),
        (not value, "there is no value"),
        (not name[:1].isalpha(), f"the family {name.partition('.')[0][:60]!r} does not begin with a letter"),
        (True, f"the name {name[:60]!r} holds something else than letters, digits, '_' and '-'"),
    )
    fault = next(reason for is_so, reason in faults if is_so)
    reason = f"{line[:60]!r} is no field 'Family.Key: value': {fault}"
    raise ScanError(reason, where=f"{source}, line {number}", remedy=_WRITE_FIELDS)


def _plain(parts: _Parts, lines: Sequence[str], first: int) -> bool:
    """Take all rows from the first one on, if nothing else follows and they are plain; else none."""
    width = len(lines[first - 1].split())
    data = plain_rows(lines[first - 1 :], width) if 1 < width <= MAX_COLUMNS else None
    if data is None or not np.isfinite(data).all():
        return False
    parts.width = width
    parts.values.frombytes(data.tobytes())
    parts.lines.extend(range(first, first + len(data)))
    return True


def _row(parts: _Parts, line: str, number: int, source: str) -> None:
    """Take a row of numbers, as many as in the first row, all finite."""
    cells, where = line.split(), f"{source}, line {number}"
    values = numbers(cells, parts.width or None)
    if values is None or not 1 < len(values) <= MAX_COLUMNS:
        if parts.lines:
            raise ScanError(f"{line[:60]!r} is not a row of {parts.width} numbers", where=where, remedy=_WRITE_ROWS)
        raise _no_first_row(line, where)
    parts.width = len(values)
    if not all(map(math.isfinite, values)):
        reason = f"column {int(np.argmin(np.isfinite(values))) + 1} holds no finite number: {line[:60]!r}"
        raise ScanError(reason, where=where, remedy=_WRITE_ROWS)
    parts.values.extend(values)
    parts.lines.append(number)
    if len(parts.values) > MAX_NUMBERS:
        raise ScanError(f"the table holds more than {MAX_NUMBERS} numbers, no scan", where=where, remedy="Rebin it")


def _no_first_row(line: str, where: str) -> ScanError:
    """Say why a line behind the header is neither of the header nor a row."""
    if re.search("[,;]", line) and numbers(re.sub("[,;]", " ", line).split()):
        reason = f"{line[:60]!r} has commas or semicolons, where XDI has decimal points, and spaces between the columns"
        return ScanError(reason, where=where, remedy="Write it so, or delete the first line if it is no XDI")
    reason = f"{line[:60]!r} is neither '# …' nor a row of numbers"
    return ScanError(reason, where=where, remedy="Begin the lines of the header with '#', or delete that line")


def _columns(
    metadata: Mapping[str, str], parts: _Parts
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Finding, ...]]:
    """Names and units of the columns, ``colN`` where there is none, and what speaks against them."""
    fields, words = column_fields(metadata), parts.labels.split()
    told, units = told_columns(fields, words, parts.width)
    names = tuple(name or f"col{number}" for number, name in enumerate(told, 1))
    return names, units, tuple(_label_doubts(fields, words, names))


def _label_doubts(fields: Mapping[int, str], words: Sequence[str], names: Sequence[str]) -> Iterator[Finding]:
    """Compare fields, line of labels and data; only where they mean different columns may a number rest on it."""
    width = len(names)
    fits, whole = len(words) == width, set(fields) == set(range(1, width + 1))
    said = {number: name_and_unit(text)[0].partition(" ")[0] for number, text in sorted(fields.items())}
    missing = [f"Column.{number} ({name})" for number, name in enumerate(names, 1) if number not in said]
    surplus = [f"Column.{number} ({name})" for number, name in said.items() if not 1 <= number <= width]
    both = [(number, words[number - 1], said[number]) for number in said if fits and 1 <= number <= width]
    different = [f"{word!r} for Column.{n} ({name})" for n, word, name in both if word.casefold() != name.casefold()]
    doubtful = not (fits or whole) or any(role_of(word) != role_of(name) for _, word, name in both)
    used = "taken" if fits and not whole else "not used"
    doubts = (
        (missing, f"fields are missing, and columns called otherwise: {_few(missing)}"),
        (surplus, f"fields are given for columns that the data, of {width}, do not have: {_few(surplus)}"),
        (words and not fits, f"the line of labels has {len(words)} words for {width} columns and was not used"),
        (different, f"the line of labels, which was {used}, has other names than the fields: {_few(different)}"),
    )
    for is_so, message in doubts:
        if is_so:
            yield _warning("labels", message) if doubtful else _note("labels", message)


def _few(items: Sequence[str]) -> str:
    """Begin of a list of items as the file gives them, for messages."""
    return few([item[:60] for item in items])


def _structure(version: re.Match[str], parts: _Parts) -> Iterator[Finding]:
    """Faults of the file's parts that leave no doubt about the numbers."""
    if not re.match(r"1(\.\d+)*$", version[1]):
        yield _warning("version", f"the version XDI/{version[1][:20]} is not known; the file was read as XDI/1.0")
    programs = {key.partition(".")[0] for key, _ in parts.fields if key.partition(".")[0].casefold() not in _FAMILIES}
    if programs and not version[2].strip():
        said = _few(sorted(programs))
        yield _note("version", f"the first line names no program, yet there are fields of {said}")
    if "---" not in parts.sections:
        yield _note("structure", "the header has no end '# ---'")
    if not parts.comments:
        yield _note("structure", "there is no user comment")
    for lines, what in ((parts.foreign, "with a comment mark other than '#'"), (parts.late, "between the data")):
        if lines:
            yield _note("comment", f"{_places(lines)} {what}: ignored as comment")
    if parts.rows:
        yield _warning("comment", f"{_places(parts.rows)} behind a comment mark: a row of numbers, not read", _UNMARK)


def _places(lines: Sequence[int]) -> str:
    return f"line {lines[0]}" if len(lines) == 1 else f"{len(lines)} lines, the first line {lines[0]},"


def _repeated(fields: Sequence[tuple[str, str]]) -> Iterator[Finding]:
    """Fields that are given twice; the specification says that the last one counts."""
    counts = Counter(name.casefold() for name, _ in fields)
    if twice := [name for name, count in counts.items() if count > 1]:
        message = f"Fields that are given more than once, of which the last counts: {_few(twice)}"
        yield _note("repeated", message)


def _metadata(metadata: Mapping[str, str]) -> Iterator[Finding]:
    """Fields that are missing or that do not look as the dictionary of XDI demands."""
    given = {key.casefold(): value.strip() for key, value in metadata.items()}
    symbol, edge = given.get("element.symbol"), given.get("element.edge")
    for name, value, valid in (
        ("Element.symbol", symbol, is_element((symbol or "").capitalize())),
        ("Element.edge", edge, edge_name(edge or "") is not None),
    ):
        if value is None:
            yield _note("missing", f"the field {name} is missing, which XDI requires", f"Add '# {name}: …'")
        elif not valid:
            yield _note("invalid", f"{name} is {value[:40]!r}, which is not known", "Write e.g. 'Fe' or 'K'")
    spacing = next((given[key] for key in SPACING_FIELDS if key in given), None)
    if spacing is not None and d_spacing(spacing) is None:
        yield _note("invalid", f"Mono.d_spacing is {spacing[:40]!r}, not a number in Å")
    for name, (pattern, unit) in _FORMATS.items():
        value = given.get(name.casefold())
        if value is not None and not re.fullmatch(pattern, value[:80], re.IGNORECASE):
            yield _note("invalid", f"{name} is {value[:40]!r}, not a number with its unit ({unit})")
    yield from _times(given)
    digits = [key for key in metadata if re.match(r"(?!column\.)[^.]*\.\d", key, re.IGNORECASE)]
    if digits:
        yield _note("invalid", f"keys that begin with a digit, and were kept: {_few(digits)}")
    yield from _recommended(given)


def _times(given: Mapping[str, str]) -> Iterator[Finding]:
    """Times that are none in ISO 8601."""
    for name in ("Scan.start_time", "Scan.end_time"):
        value = given.get(name.casefold())
        if value is None or (_TIME.fullmatch(value) and _is_time(value)):
            continue
        yield _note("invalid", f"{name} is {value[:40]!r}, no date and time", "Write e.g. 2001-06-26T22:27:31")


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _recommended(given: Mapping[str, str]) -> Iterator[Finding]:
    """Recommended fields that are missing."""
    missing = [name for name in _RECOMMENDED if not given.get(name.casefold())]
    if missing:
        yield _note("missing", f"recommended fields are missing: {', '.join(missing)}")


def _warning(name: str, message: str, remedy: str = "") -> Finding:
    return Finding(f"xdi-{name}", "warning", message[:1].upper() + message[1:], remedy=remedy)


def _note(name: str, message: str, remedy: str = "") -> Finding:
    """Say what changes no number."""
    return replace(_warning(name, message, remedy), severity="note")
