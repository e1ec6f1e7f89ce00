"""What a header says: its fields, and the names and units of the columns.

``text.py`` calls it with the header's lines, freed of their comment marks; ``xdi.py`` has its own, stricter way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from exafsnn.read.roles import role_of

_FIELD = re.compile(r"([A-Za-z_][\w.]*)\s*[:=]\s*(.*)")
"""``Element.symbol: Fe`` of XDI and its relatives, ``E0= 7112.00`` of XDAC."""

_KEY = re.compile(r"([A-Za-z][^:=]{0,60}?)\s*(?:=|:(?:\s|$))\s*(.*)")
"""``Time from start (seconds)=65.0``: a field whose name has spaces, as beamlines' own programs write it."""

_UNIT_OF_KEY = re.compile(r"([^(\[]*[^(\[\s])\s*[(\[]([^()\[\]]+)[)\]]")

_ALIAS = re.compile(r"(\w+)\s*=\s*\{(.+?)\}")
"""``D1 = {I0} --> …`` of Epics scans."""

_UNIT = re.compile(r"\s*[(\[]\s*(k?ev|degrees?|deg|m?rad|counts?)\s*[)\]]", re.IGNORECASE)

_LAST_WORD = re.compile(r"(\S.*?)\s+(k?eV|degrees?|deg|m?rad)", re.IGNORECASE)
"""A label that ends with the unit of an axis, as ``Energie eV``."""

_EVENT = re.compile(r"\(\d+\)\s+(?=[\"'])")
"""Begin of a line of CLS's data acquisition that names, in quotes, what is recorded at an event."""

_VARIABLE = re.compile(r"\$\((\w+)\)")
"""``$(EnergyFeedback)``, as CLS's data acquisition calls its variables."""

_SPEC_MARK = re.compile(r"[CL] +")
"""Rest of SPEC's ``#C`` and ``#L`` once the comment mark is gone."""


def header_fields(header: Sequence[str]) -> dict[str, str]:
    """Fields of a header as text; of a field that is given twice the first counts."""
    fields: dict[str, str] = {}
    for line in header:
        if match := _field(line):
            fields.setdefault(*match)
    return dict(_event_fields(header)) | fields


def _field(line: str) -> tuple[str, str] | None:
    """Name and value of a line that is a field; None for any other, such as labels with the name of a device."""
    match = _FIELD.fullmatch(line) or _KEY.fullmatch(line)
    if match is None or sum(role_of(word) is not None for word in match[1].split()) > 1:
        return None
    if unit := _UNIT_OF_KEY.fullmatch(match[1]):
        return unit[1], f"{match[2].strip()} {unit[2]}"
    return match[1], match[2].strip()


def _event_fields(header: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what CLS's data acquisition records once: quoted names on one line, as many values on a later one."""
    names: list[str] = []
    for line in header:
        if _EVENT.match(line):
            names = [name for quoted in re.findall(r'"([^"]*)"', line) for name in _event_names(quoted)]
        elif names and len(values := line.split(",")) == len(names):
            yield from zip(names, (value.strip() for value in values), strict=True)
            names = []


def _event_names(quoted: str) -> list[str]:
    """``$(Background)[1-4]`` stands for four values, any other name for one."""
    name = _VARIABLE.sub(r"\1", quoted)
    if match := re.fullmatch(r"(.+)\[(\d)-(\d)\]", name):
        return [f"{match[1]}[{number}]" for number in range(int(match[2]), int(match[3]) + 1)]
    return [name]


def column_names(
    header: Sequence[str], metadata: Mapping[str, str], width: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the columns, each (width); empty where the header does not tell.

    XDI's ``Column.N`` fields come first, then the last line that names as many columns as there are.
    """
    fields = column_fields(metadata)
    labels = next(_label_lines(header, width), [] if fields else _last_words(header, width))
    return told_columns(fields, labels, width)


def column_fields(metadata: Mapping[str, str]) -> dict[int, str]:
    """XDI's ``Column.N`` fields by N."""
    found = {re.fullmatch(r"column\.0*(\d{1,9})", key.casefold()): value for key, value in metadata.items()}
    return {int(match[1]): " ".join(value.split("||")[0].split()) for match, value in found.items() if match}


def told_columns(
    fields: Mapping[int, str], labels: Sequence[str], width: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and units of the columns, each (width), where fields and a line of labels may speak of other tables.

    Parameters
    ----------
    fields
        By the number of the column.
    labels
        Names in a line; it counts if there are as many as columns.
    width
        How many columns there are.

    Returns
    -------
    tuple
        From the fields, if they name every column and no other. Else from the labels. Without these, fields that
        name a column which is not there leave open which of them is: then each is ``colN``.
    """
    numbers = range(1, width + 1)
    fits = len(labels) == width
    if fits and set(fields) != set(numbers):
        chosen = [_with_unit(label, fields) for label in labels]
    elif not set(fields) <= set(numbers):
        chosen = [f"col{number}" for number in numbers]
    else:
        chosen = [fields.get(number, "") for number in numbers]
    split = [name_and_unit(label) for label in chosen]
    return tuple(name for name, _ in split), tuple(unit for _, unit in split)


def _with_unit(label: str, fields: Mapping[int, str]) -> str:
    """Label as a field gives it, with its unit, if one has that name."""
    same = (said for said in fields.values() if name_and_unit(said)[0].casefold() == label.casefold())
    return next(same, label)


def _label_lines(header: Sequence[str], width: int) -> Iterator[list[str]]:
    """Yield lists of ``width`` labels that the header may hold, the best first."""
    aliases = {match[1]: match[2] for line in header if (match := _ALIAS.match(line))}
    alone = []
    for line in reversed(header):
        field = _field(line)
        for labels in _splits(field[1] if field else line):
            names = [aliases.get(label, label) for label in labels]
            roles = {role_of(name_and_unit(name)[0]) for name in names} - {None}
            if len(names) == width and len(roles) > 1:
                yield names
            elif len(names) == width and roles and not field:
                alone.append(names)  # may be the units, below the labels
    yield from alone
    below = _trimmed(header)
    if len(below) >= width and sum(role_of(name) is not None for name in below[-width:]) > 1:
        yield below[-width:]


def misfit(header: Sequence[str]) -> str:
    """Find the last line that names columns, though as many as there are not; empty where there is none."""
    plain = [line for line in header if not _field(line)]
    named = (line for line in reversed(plain) for labels in _splits(line) if sum(map(_is_role, labels)) > 1)
    return next(named, "")


def _is_role(label: str) -> bool:
    return role_of(name_and_unit(label)[0]) is not None


def _last_words(header: Sequence[str], width: int) -> list[str]:
    """Words of the last line, if there are as many as columns: names that say nothing, but can be shown."""
    last = "".join(_trimmed(header)[-1:])
    return next((labels for labels in _splits(last) if len(labels) == width > 2 and not _field(last)), [])


def _trimmed(header: Sequence[str]) -> list[str]:
    """Lines without the blank ones at the end."""
    lines = [line.strip() for line in header]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _splits(line: str) -> Iterator[list[str]]:
    """Cut a header line into labels: at spaces, at wide gaps, at tabs and commas."""
    line = _VARIABLE.sub(r"\1", _EVENT.sub("", line, count=1))
    plain = _UNIT.sub(r"[\1]", _SPEC_MARK.sub("", line, count=1) if _SPEC_MARK.match(line) else line)
    for text in dict.fromkeys((plain, _UNIT.sub(r"[\1]", line))):
        yield [label.strip("\"'") for label in text.split()]
        yield [label for label in re.split(r"\s+\*\s+|\s{2,}|\t", text.strip()) if label]
        for cut in dict.fromkeys((text, text.rstrip(",; \t"))):
            yield [label.strip(" \"'") for label in re.split("[,;\t]", cut)]


def name_and_unit(label: str) -> tuple[str, str]:
    """Split ``energy eV``, ``Energy (keV)`` or ``k inverse Angstrom`` into name and unit."""
    if match := re.search(r"[(\[]\s*([^()\[\]]+?)\s*[)\]]\s*$", label):
        return label[: match.start()].strip(), match[1]
    if match := _LAST_WORD.fullmatch(label):
        return match[1], match[2]
    first, _, rest = label.partition(" ")
    if role_of(label) is None and role_of(first) is not None:
        return first, rest.strip()
    return label, ""
