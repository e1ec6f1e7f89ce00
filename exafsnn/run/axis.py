"""Scans → their values along the axis of a series: a temperature, a time, a potential.

From a table that the user gives, else from the header; temperatures also from names with a number before a K.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from exafsnn.errors import SettingsError
from exafsnn.read.sources import split_source
from exafsnn.records import ChiK
from exafsnn.run.samples import label_of, scans_of

Scan = tuple[str, str]
"""File and record."""

_NUMBER = re.compile(r"(?:(?<![A-Za-z0-9.)])[-+])?(?<![\d.])\d+(?:\.\d+)?(?!\d)")
_KELVIN = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)\s*_?K(?![a-z])")
_VALUE = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(?:[A-Za-z°µ%/]{1,8})?\s*")
"""A number, with its unit (``seconds``)."""
TEMPERATURE, _ORDER, NAME = "temperature", "order", "name"
"""Axes: that of headers and names [K], the number of each scan as they come, the one number in which names differ."""
SAME_TEMPERATURE = 2.0
"""Most by which the temperatures [K] of scans differ that were measured at one setting."""


def axis_of(
    scans: Mapping[Scan, ChiK | None], against: str = TEMPERATURE, values: str | None = None
) -> dict[Scan, float]:
    """The value of each scan of a series, in the order measured.

    That is the order in which they are given, but that of dates and times where these are what headers have.

    Parameters
    ----------
    scans
        By file and record, as they are given; None where one was rejected: it counts in the order alone.
    against
        ``"temperature"`` [K], ``"order"``, ``"name"``, or the name of a header field.
    values
        A CSV file with the columns ``file,value``, which overrules everything; files as given, or by their names alone.

    Raises
    ------
    SettingsError
        If the table cannot be read, or a scan's value is not found.
    """
    used = {name: chi for name, chi in scans.items() if chi is not None}
    names = list(used)
    if values is not None:
        return _in_kelvin(_from_table(names, Path(values)), against)
    if against == _ORDER:
        return {name: float(number) for number, name in enumerate(scans) if name in used}
    told = {name: _from_header(chi, against) for name, chi in used.items()} if against != NAME else {}
    known = {name: value for name, value in told.items() if value is not None}
    found = _since_first(known)
    if against in (TEMPERATURE, NAME):
        found = (_from_names(names) if against == NAME else _kelvins(names)) | found
    missing = [name for name in names if name not in found]
    if missing:
        raise SettingsError(
            f"no {against} is in the header or name of {_label(missing[0])}"
            if against != NAME
            else "the names do not differ in one number",
            where="--against",
            remedy="Give a table with --values FILE.csv (columns file,value), or --against order"
            + (" or name" if against != NAME else ""),
        )  # fmt: skip
    dated = any(isinstance(value, datetime) for value in known.values())
    measured = sorted(names, key=found.__getitem__) if dated else names
    return _in_kelvin({name: found[name] for name in measured}, against)


def _in_kelvin(found: dict[Scan, float], against: str) -> dict[Scan, float]:
    """The same values; a temperature below 0 K is refused."""
    cold = [name for name, value in found.items() if value < 0]
    if against == TEMPERATURE and cold:
        raise SettingsError(
            f"the temperature of {_label(cold[0])} is {found[cold[0]]:g}, below 0 K", where="--against",
            remedy="Give temperatures in kelvin (--values FILE.csv), or say what the values are with --against NAME",
        )  # fmt: skip
    return found


def _label(name: Scan) -> str:
    return "::".join(part for part in name if part)


def _from_table(names: Sequence[Scan], path: Path) -> dict[Scan, float]:
    """Values of scans from a CSV file.

    Raises
    ------
    SettingsError
        If it cannot be read (``table_of``), or a scan is missing.
    """
    table = table_of(path)
    found = {}
    for name in names:
        key = key_in(table, name)
        if key is None:
            raise SettingsError(f"there is no value of {_label(name)}", where=str(path), remedy="Add a line for it")
        found[name] = table[key]
    return found


def key_in(table: Mapping[str, float], name: Scan) -> str | None:
    """By which name a table has a scan: as given, by its file, or by that without folders."""
    return next((key for key in (_label(name), name[0], label_of(name[0])) if key in table), None)


def table_of(path: Path, *, empty: bool = False) -> dict[str, float]:
    """Values by file from a CSV file with the columns ``file,value``.

    Parameters
    ----------
    path
        The table.
    empty
        Whether an empty cell is NaN; else it is refused, as it is no number.

    Raises
    ------
    SettingsError
        If it has not these columns, a value is no number, or a file is named twice.
    """
    table: dict[str, float] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream)
            if not {"file", "value"} <= set(reader.fieldnames or ()):
                raise SettingsError("the columns file,value are wanted", where=str(path))
            for row in reader:
                if None in row:
                    raise SettingsError(
                        "there are more than two cells",
                        where=f"{path}, line {reader.line_num}",
                        remedy="Write 0.5, not 0,5",
                    )
                if row["file"] in table:
                    raise SettingsError(f"{row['file']} is there twice", where=f"{path}, line {reader.line_num}")
                is_empty = empty and not (row["value"] or "").strip()
                table[row["file"]] = math.nan if is_empty else _number(row["value"], f"{path}, line {reader.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"the table cannot be read: {error}", where=str(path)) from error
    return table


def _number(text: str | None, where: str) -> float:
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SettingsError(f"{text!r} is no number", where=where)
    return value


def _from_header(chi: ChiK, against: str) -> float | datetime | None:
    """What a scan's header says, if a number, or else a time: in the field of that name, or the one that begins so."""
    if against == TEMPERATURE:
        return chi.temperature
    fields: Mapping[str, str] = chi.spectrum.metadata if chi.spectrum else {}
    numbers = {key.lower(): float(number[1]) for key, text in fields.items() if (number := _VALUE.fullmatch(text))}
    times = {key.lower(): time for key, text in fields.items() if (time := _time(text))}
    wanted = against.lower()
    for found in (numbers, times):
        exact = [value for key, value in found.items() if wanted in (key, key.split(".")[-1])]
        begun = [value for key, value in found.items() if key.startswith(f"{wanted} ")]
        if exact or len(begun) == 1:
            return [*exact, *begun][0]
    return None


def _time(text: str) -> datetime | None:
    """Date and time in ISO 8601, of UTC where no zone is given; None for anything else."""
    try:
        time = datetime.fromisoformat(text.strip()) if re.match(r"\d{4}-\d\d-\d\d[T ]\d", text.strip()) else None
    except ValueError:
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)


def _since_first(found: Mapping[Scan, float | datetime]) -> dict[Scan, float]:
    """The same values; dates and times as seconds since the first of them.

    Raises
    ------
    SettingsError
        If some are numbers and some dates.
    """
    times = {name: value for name, value in found.items() if isinstance(value, datetime)}
    numbers = [name for name in found if name not in times]
    if times and numbers:
        raise SettingsError(
            f"{_label(numbers[0])} has a number there, {_label(next(iter(times)))} a date: they are on no common axis",
            where="--against", remedy="Give a table with --values FILE.csv (columns file,value), or --against order",
        )  # fmt: skip
    first = min(times.values(), default=datetime.min)
    return {
        name: (value - first).total_seconds() if isinstance(value, datetime) else value for name, value in found.items()
    }


def kelvin_named(name: str) -> float | None:
    """The temperature [K] in the name of a scan: the one number before a K."""
    return next(iter(_kelvins([split_source(name)]).values()), None)


def _kelvins(names: Sequence[Scan]) -> dict[Scan, float]:
    """Temperatures of the names that have one number before a K, of samples one and the same in all of theirs."""
    found = {name: {tuple(_KELVIN.findall(part)) for part in _names(name)} for name in names}
    alike = {name: next(iter(numbers)) for name, numbers in found.items() if len(numbers) == 1}
    return {name: float(numbers[0]) for name, numbers in alike.items() if len(numbers) == 1}


def _from_names(names: Sequence[Scan]) -> dict[Scan, float]:
    """The one number in which the names differ; nothing where they differ otherwise."""
    texts = ["+".join(_names(name)) for name in names]
    found = _varying(texts) or _varying([text.replace(".", " ") for text in texts])  # run numbers stand behind a dot
    return dict(zip(names, found, strict=True)) if found else {}


def _varying(texts: Sequence[str]) -> list[float]:
    """The one number in which texts differ; nothing where they differ otherwise."""
    if len({_NUMBER.sub("#", text) for text in texts}) != 1:
        return []
    numbers = [_NUMBER.findall(text) for text in texts]
    columns = dict.fromkeys(zip(*numbers, strict=True))  # those of both edges of a sample may be the same
    varying = [column for column in columns if len(set(column)) > 1]
    return [float(text) for text in varying[0]] if len(varying) == 1 else []


def _names(scan: Scan) -> list[str]:
    """The record's name, or the file's without folders; of a sample those of the scans of its edges."""
    return [scan[1]] if scan[1] else [label_of(part) for part in scans_of(scan[0])]
