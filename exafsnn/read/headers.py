"""What a header says: its fields, and the names and units of the columns.

``text.py`` calls it with the header's lines, freed of their comment marks; ``xdi.py`` has its own, stricter way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from exafsnn.read.roles import role_of

_FIELD = re.compile(r"([A-Za-z_][\w.]*)\s*[:=]\s*(.*)")
"""``Element.symbol: Fe`` of XDI and its relatives, ``E0= 7112.00`` of XDAC."""

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
        if match := _FIELD.fullmatch(line):
            fields.setdefault(match[1], match[2].strip())
    return dict(_event_fields(header)) | fields


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
    named = _numbered_fields(metadata)
    labels = [named.get(number, "") for number in range(1, width + 1)]
    if not any(labels):
        labels = next(_label_lines(header, width), labels)
    split = [name_and_unit(label) for label in labels]
    return tuple(name for name, _ in split), tuple(unit for _, unit in split)


def _numbered_fields(metadata: Mapping[str, str]) -> dict[int, str]:
    """``Column.N`` fields by N."""
    found = {re.fullmatch(r"column\.(\d+)", key.casefold()): value for key, value in metadata.items()}
    return {int(match[1]): value.split("||")[0].strip() for match, value in found.items() if match}


def _label_lines(header: Sequence[str], width: int) -> Iterator[list[str]]:
    """Yield lists of ``width`` labels that the header may hold, the best first."""
    aliases = {match[1]: match[2] for line in header if (match := _ALIAS.match(line))}
    for line in reversed(header):
        for labels in _splits(line):
            names = [aliases.get(label, label) for label in labels]
            if len(names) == width and any(role_of(name_and_unit(name)[0]) for name in names):
                yield names
    below = [line.strip() for line in header]
    while below and not below[-1]:
        below.pop()
    if len(below) >= width and sum(role_of(name) is not None for name in below[-width:]) > 1:
        yield below[-width:]
    if width > 2:
        yield from (labels for labels in _splits(below[-1] if below else "") if len(labels) == width)


def _splits(line: str) -> Iterator[list[str]]:
    """Cut a header line into labels: at spaces, at wide gaps, at tabs and commas."""
    line = _VARIABLE.sub(r"\1", _EVENT.sub("", line, count=1))
    plain = _UNIT.sub(r"[\1]", _SPEC_MARK.sub("", line, count=1) if _SPEC_MARK.match(line) else line)
    for text in dict.fromkeys((plain, _UNIT.sub(r"[\1]", line))):
        yield [label.strip("\"'") for label in text.split()]
        yield [label for label in re.split(r"\s+\*\s+|\s{2,}|\t", text.strip()) if label]
        yield [label.strip(" \"'") for label in re.split("[,;\t]", text)]


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
