"""File → ``Spectrum`` or ``ChiK``: the one place where columns become physics.

``sources`` gives the text, the recognisers make tables of it, ``roles`` says which column is what, ``absorption`` takes
the absorption that shows the edge. Fatal findings go along: a scan that cannot be used can still be looked at.
"""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn.edges import MAX_OFFSET, Edge, edge_name, edges_near, edges_of, is_element
from exafsnn.errors import Finding, ScanError
from exafsnn.read import athena, fio, larix, photon_factory, spec, xdi
from exafsnn.read import text as text_columns
from exafsnn.read.absorption import Curve, Signal, aligned, best_signal, guessed_roles, reference_edge
from exafsnn.read.chi_file import chi_from_table
from exafsnn.read.energy_axis import MAX_BACKLASH, in_ev, increasing
from exafsnn.read.roles import MAX_KEV, Roles, axis_note, find_roles, parse_columns
from exafsnn.read.sources import is_hdf5, read_text, split_source
from exafsnn.read.table import Table, few
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.rise import edge_rise, has_edge, steepest

_MIN_POINTS = 2
"""Fewer make no scan; whether there are enough is for the quality gate to say."""

_MIN_EDGE_POINTS = 10
"""Points within 25 eV of an edge that is resolved."""

_MIN_SHARE = 0.01
"""An edge makes up more than this of what μ changes; rounding makes less."""

_RIVAL = 20.0
"""Another element's edge is as likely if no farther [eV]: shifts of compounds and of monochromators are smaller."""

_MAX_VALUE = 40
"""Longest header field [characters] that is read as a number; searches in longer ones take long."""

_MAX_NAMED = 12
"""Most columns that a message names."""

_LONELY = 3.0
"""A point is a spike if it is so many times further off its neighbours than any other, and by 30 % of all others."""

_CALIBRATION = 10.0
"""Largest error [eV] of a monochromator by which a foil's edge is another element's."""

_CONTRADICTION = 0.01
"""Largest difference between a ready μ and that of its counters, relative to the range of μ, that is not told."""

_ROOM_TEMPERATURE = 295.0
"""What "room temperature" means [K]."""

_SYMBOL_FIELDS = ("element.symbol", "element", "absorber", "atom", "bkg_z")
_EDGE_FIELDS = ("element.edge", "edge", "fft_edge")
_EDGE_ENERGY_FIELDS = ("scan.edge_energy", "edge_energy", "edge energy", "edgeenergy", "e0", "scanparameters.e0")
_TEMPERATURE_FIELDS = ("sample.temperature", "sample temperature", "temperature", "temp")

_MODE_UNKNOWN = (
    "The file gives a ready μ and does not say how it was measured: if by fluorescence, a thick sample that is not "
    "dilute lowers the amplitude, which nothing in the scan shows"
)

_NAME_IT = (
    "Name them in the header ('# Element.symbol: …', '# Element.edge: …', for example Fe and K) or give the edge's"
    " energy with --e0"
)


def read(source: str | Path, *, columns: str | None = None, e0: float | None = None) -> list[Spectrum | ChiK]:
    """Read a scan, or all records of a multi-record file.

    Parameters
    ----------
    source
        File, or ``file::record``.
    columns
        Which columns to take, e.g. ``"energy=1,i0=2,it=3"``; overrides whatever the header says.
    e0
        Energy of the edge [eV], where the header does not name the element; E₀ of a χ(k) file.

    Returns
    -------
    list of Spectrum or ChiK
        One for each record; ``ChiK`` where the file holds χ(k).

    Raises
    ------
    ScanError
        If the file is no scan, or not understood; says where and what to do.
    SettingsError
        If ``columns`` is malformed.
    """
    with closing(_tables(source)) as tables:  # an error that is kept would keep the file open, too
        return [_measurement(table, columns, e0) for table in tables]


def read_one(
    source: str | Path, *, columns: str | None = None, e0: float | None = None, beside: Sequence[str] = ()
) -> Spectrum | ChiK:
    """Read the one scan of a file; as ``read``, but several records are an error that names them.

    ``beside`` are columns that are read as other scans, a foil's: of these it is not told that they play no part.
    """
    with closing(_tables(source)) as found:
        tables = list(islice(found, 2))
    if len(tables) > 1:
        names = _records(source)
        raise ScanError(
            f"the file holds {len(names)} records: {few([*map(repr, names)], _MAX_NAMED)}",
            where=str(source),
            remedy=f"Name one, e.g. {split_source(source)[0]}::{names[0]}",
        )
    return _measurement(tables[0], columns, e0, beside)


def read_all(
    source: str | Path, *, columns: str | None = None, e0: float | None = None, beside: Sequence[str] = ()
) -> Iterator[tuple[str, Spectrum | ChiK | Exception]]:
    """Read all records of a file as they are asked for: it is opened and parsed once, and no bad record stops another.

    Parameters
    ----------
    source, columns, e0, beside
        As for ``read_one``.

    Yields
    ------
    name
        Of the record, as ``expand`` gives it and ``read_one`` takes it.
    found
        What ``read_one`` returns, or raises, for that name. Of a file that cannot be read at all, the source and why.
    """
    with closing(_tables(source)) as tables:
        yield from _all_of(source, tables, columns, e0, beside)


def _all_of(
    source: str | Path, tables: Iterator[Table], columns: str | None, e0: float | None, beside: Sequence[str]
) -> Iterator[tuple[str, Spectrum | ChiK | Exception]]:
    """``read_all`` of tables."""
    try:
        first = list(islice(tables, 2))
    except Exception as error:
        yield str(source), error
        return
    several, waiting = len(first) > 1, chain(first, tables)
    while True:
        found: Spectrum | ChiK | Exception
        name = str(source)
        try:
            table = next(waiting, None)
            if table is None:
                return
        except Exception as error:  # of the file itself: nothing more can be read of it
            yield name, error
            return
        try:
            found = _measurement(table, columns, e0, beside)
        except Exception as error:
            found = error
        yield (table.where if several else name), found


def from_larch(
    group: Any, *, absorber: str | None = None, edge: str | None = None, e0: float | None = None
) -> Spectrum | ChiK:
    """The scan that a group of larch holds: ``energy`` and ``mu`` or, where there is no μ, ``k`` and ``chi``.

    It is looked at as a file's would be. Nothing but these arrays is taken: χ(k) is made anew of μ.

    Parameters
    ----------
    group
        Of larch, or anything with such attributes.
    absorber, edge
        Where the group's ``atsym`` and ``edge`` do not say it, nor the energy of the edge.
    e0
        E₀ [eV]; None: that of the scan, of χ(k) the group's.

    Raises
    ------
    ScanError
        If it holds neither, they are not of one length or no scan, or of χ(k) nothing tells the edge.
    """
    own = str(getattr(group, "__name__", ""))
    source = str(getattr(group, "filename", None) or (own if own.isidentifier() else "") or "larch group")
    wanted = next((names for names in (("energy", "mu"), ("k", "chi")) if all(hasattr(group, n) for n in names)), None)
    if wanted is None:
        raise ScanError("the group has neither energy and mu nor k and chi", where=source, remedy="Give one that has")
    columns = [np.asarray(getattr(group, name), dtype=float) for name in wanted]
    if columns[0].ndim != 1 or columns[0].shape != columns[1].shape:
        shapes = " and ".join(f"{name} {column.shape}" for name, column in zip(wanted, columns, strict=True))
        raise ScanError(f"the arrays are not of one length: {shapes}", where=source, remedy="Give one scan")
    said = {
        "element.symbol": absorber or getattr(group, "atsym", None),
        "element.edge": edge or getattr(group, "edge", None),
    }
    fields = {key: str(value) for key, value in said.items() if value}
    if wanted == ("k", "chi"):
        fields |= {f"athena.{name}": str(getattr(group, name)) for name in ("e0", "edge_step") if hasattr(group, name)}
    if wanted == ("k", "chi") and not all(fields.get(f"element.{name}") for name in ("symbol", "edge")):
        remedy = "Give absorber and edge, or set the group's atsym and edge"
        raise ScanError("the group does not say of which element and edge its χ(k) is", where=source, remedy=remedy)
    units = ("eV", "") if wanted[0] == "energy" else ("", "")
    return _measurement(
        Table(source, "larch group", wanted, units, np.column_stack(columns), metadata=fields), None, e0
    )


def expand(source: str | Path) -> list[str]:
    """Names of all scans of a file, each fit for ``read_one``, so that one bad record does not stop the others."""
    names = _records(source)
    return [str(source)] if len(names) == 1 else [f"{split_source(source)[0]}::{name}" for name in names]


def _records(source: str | Path) -> list[str]:
    """Names of the records of a file; the numbers of HDF5 files, which may be very large, are not read."""
    name, record = split_source(source)
    if is_hdf5(name):
        from exafsnn.read import nexus

        return nexus.records(name, record)
    return [table.record for table in _tables(source)]


def _tables(source: str | Path) -> Generator[Table]:
    """Tables of a file, by the first recogniser that knows it, or the one record that is asked for."""
    name, record = split_source(source)
    if is_hdf5(name):
        from exafsnn.read import nexus

        yield from nexus.tables(name, record)
        return
    records = _recognised(name)
    if record and record not in records:
        known = few([repr(known) for known in records if known], _MAX_NAMED) or "none"
        raise ScanError(f"there is no record {record!r}", where=name, remedy=f"Its records: {known}")
    yield from [records[record]] if record else records.values()


def _recognised(name: str) -> dict[str, Table]:
    """Tables of a text file by record; those of the last file are kept, as its records are asked for one by one."""
    try:
        status = Path(name).stat()
    except (OSError, ValueError):
        return _parsed(name, ())
    return _parsed(name, (status.st_ino, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=1)
def _parsed(name: str, _version: tuple[int, ...]) -> dict[str, Table]:
    """Tables of a file by record, by the first recogniser that knows it; plain columns come last."""
    text = read_text(name)
    formats = (athena, larix, xdi, photon_factory, spec, fio, text_columns)
    tried = (recogniser.recognise(text, name) for recogniser in formats)
    records: dict[str, Table] = {}
    for table in next(tables for tables in tried if tables is not None):
        names = (f"{table.record} ({number})" for number in count(2))
        record = table.record if table.record not in records else next(name for name in names if name not in records)
        records[record] = replace(table, record=record)
    return records


def _measurement(table: Table, columns: str | None, e0: float | None, beside: Sequence[str] = ()) -> Spectrum | ChiK:
    """Spectrum, or χ(k), of a table."""
    if table.fault:
        raise table.fault
    roles, guessed = _roles(table, columns, e0)
    if len(table.data) < _MIN_POINTS:
        raise ScanError("there is one point only", where=table.where, remedy="Give a scan over the whole edge")
    if {"k", "chi"} <= set(roles) and ("energy" not in roles or "mu" not in roles):
        return _chi(table, roles, e0)
    return _spectrum(replace(table, findings=(*table.findings, *guessed)) if guessed else table, roles, e0, beside)


def _roles(table: Table, columns: str | None, e0: float | None) -> tuple[Roles, tuple[Finding, ...]]:
    """Role map; where names say nothing, a guess that is said aloud."""
    try:
        return find_roles(table, columns), ()
    except ScanError:
        guess = None if columns is not None else guessed_roles(table, e0 or _stated(table))
        if guess is None:
            raise
        return guess[0], guess[1:]


def _chi(table: Table, roles: Roles, e0: float | None) -> ChiK:
    table = increasing(table, roles["k"][0], backlash=0.0)
    symbol, name = _named(table)
    edge = next((edge for edge in edges_of(symbol or "") if edge.name == name), None)
    if edge is None and e0 is not None:
        edge = next(iter(edges_near(e0, symbol, name)), None)
    if edge is None:
        said = f" ({unknown})" if (unknown := _unknown(table)) else ""
        reason = f"the header does not name element and edge{said}"
        raise ScanError(reason, where=table.where, remedy=_NAME_IT)
    return chi_from_table(table, table.column(roles["k"]), table.column(roles["chi"]), edge, _temperature(table), e0)


def _spectrum(table: Table, roles: Roles, e0: float | None, beside: Sequence[str]) -> Spectrum:
    axis = roles["energy"][0]
    table = increasing(in_ev(table, axis), axis, MAX_BACKLASH)
    energy = table.column((axis,))
    edge = _named_edge(table)
    signal = best_signal(table, roles, energy, edge.energy if edge else e0)
    named: tuple[Finding, ...] = ()
    if edge is None or not energy[0] - MAX_OFFSET < edge.energy < energy[-1] + MAX_OFFSET:
        edge, named = _edge_of_scan(table, signal, e0, reference_edge(table, roles, energy))
    shifted: tuple[Finding, ...] = ()
    if math.isfinite(edge.energy):
        energy, shifted = aligned(table, roles, energy, edge)
    origin = Finding("signal", "note", f"{table.layout}: μ is {signal.origin}")
    return Spectrum(
        energy,
        signal.curve.mu,
        edge.absorber,
        edge.name,
        source=table.source,
        record=table.record,
        temperature=_temperature(table),
        mode=signal.mode,
        metadata=dict(table.metadata),
        findings=(
            *(*table.findings, *axis_note(table, axis), origin, *signal.findings, *named, *shifted),
            *(*_contradicted(table, roles, energy, signal), *_left_over(table, roles, signal, beside)),
        ),
    )


def _contradicted(table: Table, roles: Roles, energy: Array, signal: Signal) -> tuple[Finding, ...]:
    """Say how a ready μ differs from that of the counters beside it, of which the likest counts."""
    made: dict[str, Array] = {}
    for name, upper, lower in (("ln(I0/It)", "i0", "it"), ("If/I0", "if", "i0")):
        if {upper, lower} <= set(roles):
            counts = table.column(roles[upper]), table.column(roles[lower])
            if min(map(np.min, counts)) <= 0:
                return ()
            ratio = counts[0] / counts[1]
            made[name] = np.log(ratio) if lower == "it" else ratio
    if not made or not signal.origin.startswith("ready"):
        return ()
    if any(map(signal.curve.is_same, made.values())):
        return ()
    off, factor, name = min((*_unlike(energy, signal.curve.mu, other), name) for name, other in made.items())
    if off > _CONTRADICTION:
        message = f"the ready μ is not {name} of the counters beside it: it differs by {off:.1%} of its rise (rms)"
        remedy = "Overrule it with --columns, e.g. energy=1,i0=2,it=3, if the counters are right"
        return (Finding("mu-contradicts-counters", "warning", message, remedy=remedy),)
    if abs(factor - 1) > _CONTRADICTION:
        return (Finding("mu-scaled", "note", f"The ready μ is {factor:.4g} times {name}, plus a smooth curve"),)
    return ()


def _unlike(energy: Array, mu: Array, made: Array) -> tuple[float, float]:
    """Compare μ with one made of counters, but for what does not matter to χ(k): a smooth factor, a smooth curve.

    Parameters
    ----------
    energy, mu, made
        (n,) scan, and the other μ.

    Returns
    -------
    tuple of float
        Root mean square of what remains, relative to the range of μ, and the factor in the middle of the scan.
    """
    x = 2 * (energy - energy[0]) / np.ptp(energy) - 1
    terms = np.column_stack([made, made * x, np.ones_like(x), x, x**2])
    factors = np.linalg.lstsq(terms, mu, rcond=None)[0]
    size = float(np.ptp(mu)) or 1.0
    return float(np.sqrt(np.mean((mu - terms @ factors) ** 2))) / size, float(factors[0])


def _tells_mode(table: Table, roles: Roles) -> bool:
    """Tell whether a ready μ is of transmission, by its name or because the counters of which it was made are there."""
    return {"i0", "it"} <= set(roles) or re.search(r"tra?ns|\bln\b", table.names[roles["mu"][0]].lower()) is not None


def _left_over(table: Table, roles: Roles, signal: Signal, beside: Sequence[str]) -> tuple[Finding, ...]:
    """Say what of the file was not used, or not told: columns, a temperature without a unit, how μ was measured."""
    read_as = roles, *map(parse_columns, beside)
    used = {column for each in read_as for columns in each.values() for column in columns}
    unused = [f"{number} ({name or 'no name'})" for number, name in enumerate(table.names, 1) if number - 1 not in used]
    shown = ", ".join(unused[:_MAX_NAMED]) + (
        f" and {len(unused) - _MAX_NAMED} more" if len(unused) > _MAX_NAMED else ""
    )
    text = table.field(*_TEMPERATURE_FIELDS)
    findings = [Finding("columns-unused", "note", f"Columns that play no part: {shown}")] if unused else []
    if signal.origin.startswith("ready") and not signal.mode and not _tells_mode(table, roles):
        findings.append(Finding("mode-unknown", "note", _MODE_UNKNOWN))
    if text is not None and _temperature(table) is None:
        message = f"{text[:_MAX_VALUE]!r} is no temperature with a unit"
        findings.append(Finding("temperature-unknown", "note", message))
    return tuple(findings)


def _named_edge(table: Table) -> Edge | None:
    """Edge that the header names; None where it does not, or not wholly."""
    symbol, name = _named(table)
    return next((edge for edge in edges_of(symbol or "") if edge.name == name), None)


def _edge_of_scan(
    table: Table, signal: Signal, e0: float | None, foil: float | None
) -> tuple[Edge, tuple[Finding, ...]]:
    """Absorber and edge, where the header leaves them open: from the energy of the edge, else from what is stated.

    An edge that lies outside the scan is open, too: many programs write K where they were told nothing. ``foil`` is the
    energy of the reference's edge [eV].
    """
    curve, energy, mu = signal.curve, signal.curve.energy, signal.curve.mu
    position = curve.steepest if e0 is None else steepest(energy, mu, e0 - MAX_OFFSET, e0 + MAX_OFFSET)
    symbol, name, outside = _within_scan(table, energy)
    near = edges_near(position, symbol, name)
    if near and has_edge(energy, mu, position, least=_MIN_SHARE * float(np.ptp(mu))):
        likely = _likely(near, e0, foil, _stated(table))
        return likely[0], (_guess(likely, position, _unknown(table), outside),)
    if named := _named_edge(table):
        return named, ()
    symbol, name = _named(table)
    if e0 is not None and (misled := _elsewhere(curve, e0)):
        return Edge(symbol or "", name or "", math.nan), (misled,)
    stated = e0 or _stated(table)
    said = edges_near(stated, symbol, name) if stated else []
    inside = [edge for edge in edges_of(symbol or "") if energy[0] < edge.energy < energy[-1]]
    if said and stated:
        return said[0], (_doubtful(said[0], f"the edge's energy is stated as {stated:g} eV", position),)
    if len(inside) == 1 and name is None:
        return inside[0], (_doubtful(inside[0], f"it is the only edge of {symbol} in the scan", position),)
    return Edge(symbol or "", name or "", math.nan), (_untold(table, signal, position, bool(near)),)


def _within_scan(table: Table, energy: Array) -> tuple[str | None, str | None, str]:
    """Element and edge as the header names them, without what cannot be in the scan, and what that is."""
    symbol, name = _named(table)
    low, high = energy[0] - MAX_OFFSET, energy[-1] + MAX_OFFSET
    inside = {edge.name for edge in edges_of(symbol or "") if low < edge.energy < high}
    if inside and name and name not in inside:
        return symbol, None, f"the {symbol} {name} edge that the header names lies outside the scan"
    if symbol and not name and not inside:
        return None, None, f"{symbol}, which the header names, has no edge in the scan"
    return symbol, name, ""


def _likely(near: list[Edge], e0: float | None, foil: float | None, stated: float | None) -> list[Edge]:
    """Edges near that of the scan, the likeliest first.

    Compounds have their edge up to 25 eV above the metal's, where another element may have its own. So what the user
    states counts before the scan's own edge; then that of the foil beside it, which is a metal and leaves only what the
    monochromator's calibration leaves; then what the header states.
    """
    for told, off in ((e0, MAX_OFFSET), (foil, _CALIBRATION), (stated, MAX_OFFSET)):
        close = edges_near(told) if told else []
        likely = [edge for edge in close if edge in near and told and abs(edge.energy - told) <= off]
        if likely:
            return likely if off < MAX_OFFSET else [*likely, *(edge for edge in near if edge not in likely)]
    return near


def _elsewhere(curve: Curve, e0: float) -> Finding | None:
    """Say that the user's E₀ [eV] is far from the edge of the scan; None where the scan has no edge elsewhere."""
    position, least = curve.steepest, _MIN_SHARE * float(np.ptp(curve.mu))
    if abs(position - e0) <= MAX_OFFSET or not has_edge(curve.energy, curve.mu, position, least):
        return None
    reason = f"there is no edge at e0 = {e0:g} eV; the edge of the scan is at {position:.1f} eV"
    return Finding("edge-unknown", "fatal", reason, position, "Correct --e0, or leave it out")


def _lonely(mu: Array) -> int | None:
    """Row of the one point that stands out of all others, as a spike or a number cut short does; None without one."""
    from scipy.ndimage import median_filter

    if len(mu) < _MIN_EDGE_POINTS:
        return None
    off = np.abs(mu - median_filter(mu, 5, mode="reflect"))
    row = int(np.argmax(off))
    others = np.delete(np.arange(len(mu)), np.arange(max(row - 2, 0), min(row + 3, len(mu))))
    alone = off[row] > _LONELY * off[others].max() and off[row] > _LONELY / 10 * np.ptp(mu[others])
    return row if alone else None


def _untold(table: Table, signal: Signal, position: float, known: bool) -> Finding:
    """Say why element and edge cannot be told."""
    energy, mu = signal.curve.energy, signal.curve.mu
    if not np.ptp(mu):
        reason = f"element and edge cannot be told: μ is {mu[0]:.4g} at every point ({signal.origin})"
        return Finding("edge-unknown", "fatal", reason, None, "Take other columns with --columns")
    if (row := _lonely(mu)) is not None:
        place = f"line {table.lines[row]}" if table.lines else f"point {row + 1}"
        reason = f"element and edge cannot be told: μ is {mu[row]:.4g} in {place}, far off its neighbours"
        remedy = f"Repair or delete that point. If it is right: {_NAME_IT[0].lower()}{_NAME_IT[1:]}"
        return Finding("edge-unknown", "fatal", reason, float(energy[row]), remedy)
    down = steepest(energy, -mu)
    if edges_near(down, *_named(table)) and _is_sharp(energy, -mu, down):
        reason = f"element and edge cannot be told: μ falls at {down:.1f} eV as it should rise: the sign is inverted"
        return Finding("edge-unknown", "fatal", reason, down, "Swap I0 and It, or take other columns, with --columns")
    fault = "that is no edge" if known else "no known edge lies there"
    symbol = (table.field(*_SYMBOL_FIELDS) or "")[:_MAX_VALUE]
    said = f" (the header says {symbol!r})" if symbol else ""
    reason = (
        f"element and edge cannot be told{said}: μ is steepest at {position:.1f} eV, but {fault} (μ is {signal.origin})"
    )
    return Finding("edge-unknown", "fatal", reason, position, _NAME_IT)


def _is_sharp(energy: Array, mu: Array, position: float) -> bool:
    """Tell an edge from the slope of a featureless scan: it is resolved, and makes up most of what μ changes."""
    resolved = int((np.abs(energy - position) <= 25).sum()) >= _MIN_EDGE_POINTS
    return resolved and has_edge(energy, mu, position) and edge_rise(energy, mu, position) > 0.5 * float(np.ptp(mu))


def _unknown(table: Table) -> str:
    """What the header gives for element and edge that is none, for messages; empty if it gives nothing such."""
    symbol, name = _named(table)
    fields = ((symbol, _SYMBOL_FIELDS, "element"), (name, _EDGE_FIELDS, "edge"))
    given = ((table.field(*keys), what) for known, keys, what in fields if known is None)
    return ", ".join(f"{said[:_MAX_VALUE]!r} of the header is no known {what}" for said, what in given if said)


def _guess(near: list[Edge], position: float, unknown: str, outside: str) -> Finding:
    """Say which edge was taken, which others were as near, and what of the header could not serve."""
    others = ", ".join(f"{edge} at {edge.energy:.0f}" for edge in near[1:])
    rivals = [edge for edge in near[1:] if edge.name in ("K", "L3") and abs(edge.energy - position) < _RIVAL]
    doubtful = near[0].name not in ("K", "L3") or bool(rivals or outside)
    return Finding(
        "edge-from-energy",
        "warning" if doubtful else "note",
        f"{near[0]} was taken, by its energy: μ is steepest at {position:.1f} eV"
        + (f" (within {MAX_OFFSET:g} eV also {others})" if others else "")
        + "".join(f"; {reason}" for reason in (unknown, outside) if reason),
        energy=position,
        remedy=_NAME_IT if doubtful else "",
    )


def _doubtful(edge: Edge, reason: str, position: float) -> Finding:
    """Say that an edge was taken which the scan itself does not show."""
    message = f"{edge} was taken, because {reason}; μ, steepest at {position:.1f} eV, shows no such edge"
    return Finding("edge-from-header", "warning", message, edge.energy, _NAME_IT)


def _stated(table: Table) -> float | None:
    """Energy of the edge [eV] as the header states it; None where it does not."""
    match = re.match(r"\d+\.?\d*", (table.field(*_EDGE_ENERGY_FIELDS) or "").strip()[:_MAX_VALUE])
    stated = float(match[0]) if match else 0.0
    return (stated if stated > MAX_KEV else 1000.0 * stated) or None


def _named(table: Table) -> tuple[str | None, str | None]:
    """Element and edge as the header names them, None for what it does not."""
    symbol, name = (table.field(*_SYMBOL_FIELDS) or "").capitalize(), table.field(*_EDGE_FIELDS)
    return (symbol if is_element(symbol) else None), edge_name(name or "")


def _temperature(table: Table) -> float | None:
    """Sample temperature [K] from the header; None where it gives no number with a unit, or none above 0 K."""
    text = (table.field(*_TEMPERATURE_FIELDS) or "")[:_MAX_VALUE]
    if re.fullmatch(r"rt|(at )?(room|ambient)( temp\w*\.?)?", text.strip(), re.IGNORECASE):
        return _ROOM_TEMPERATURE
    match = re.fullmatch(r"(-?\d+\.?\d*)\s*(K|kelvin|°?\s*C|deg\.? ?C|celsius)", text.strip(), re.IGNORECASE)
    if not match:
        return None
    kelvin = float(match[1]) + (0.0 if match[2].upper().startswith("K") else 273.15)
    return kelvin if kelvin > 0 else None
