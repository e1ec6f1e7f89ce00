"""File → ``Spectrum`` or ``ChiK``: the one place where columns become physics.

``sources`` gives the text, the recognisers make tables of it, ``roles`` says which column is what.
"""

from __future__ import annotations

import re
from pathlib import Path

from exafsnn.errors import ScanError
from exafsnn.measure import athena
from exafsnn.measure import columns as text_columns
from exafsnn.measure.axis import MAX_BACKLASH, MAX_KEV, energies, increasing, refuse_angles
from exafsnn.measure.chik import chi_from_table
from exafsnn.measure.edges import MAX_OFFSET, Edge, edge_name, edges_near, edges_of, has_edge, is_element, steepest
from exafsnn.measure.roles import Roles, find_roles
from exafsnn.measure.signals import aligned, best_signal
from exafsnn.measure.sources import read_text, split_source
from exafsnn.measure.table import Table
from exafsnn.records import Array, ChiK, Finding, Spectrum

MIN_POINTS = 10

ROOM_TEMPERATURE = 295.0
"""What "room temperature" means [K]."""

SYMBOL_FIELDS = ("element.symbol", "element", "absorber", "atom", "bkg_z")
EDGE_FIELDS = ("element.edge", "edge", "fft_edge")
TEMPERATURE_FIELDS = ("sample.temperature", "temperature", "temp")

NAME_IT = "Name them in the header ('# Element.symbol: Fe', '# Element.edge: K') or give the edge's energy with --e0"


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
    return [_measurement(table, columns, e0) for table in _tables(source)]


def read_one(source: str | Path, *, columns: str | None = None, e0: float | None = None) -> Spectrum | ChiK:
    """Read the one scan of a file; as ``read``, but several records are an error that names them."""
    tables = _tables(source)
    if len(tables) > 1:
        names = ", ".join(repr(table.record) for table in tables)
        raise ScanError(
            f"the file holds {len(tables)} records: {names}",
            where=str(source),
            remedy=f"Name one, e.g. {source}::{tables[0].record}",
        )
    return _measurement(tables[0], columns, e0)


def expand(source: str | Path) -> list[str]:
    """Names of all scans of a file, each fit for ``read_one``, so that one bad record does not stop the others."""
    tables = _tables(source)
    return [str(source)] if len(tables) == 1 else [f"{split_source(source)[0]}::{table.record}" for table in tables]


def _tables(source: str | Path) -> list[Table]:
    """Tables of a file, by the first recogniser that knows it, or the one record that is asked for."""
    name, record = split_source(source)
    text = read_text(name)
    tables = athena.recognise(text, name) or text_columns.recognise(text, name)
    if not record:
        return tables
    chosen = [table for table in tables if table.record == record]
    if not chosen:
        known = ", ".join(repr(table.record) for table in tables if table.record) or "none"
        raise ScanError(f"there is no record {record!r}", where=name, remedy=f"Its records: {known}")
    return chosen


def _measurement(table: Table, columns: str | None, e0: float | None) -> Spectrum | ChiK:
    """Spectrum, or χ(k), of a table."""
    roles = find_roles(table, columns)
    if len(table.data) < MIN_POINTS:
        raise ScanError(
            f"there are {len(table.data)} points only", where=table.where, remedy="Give a scan over the whole edge"
        )
    if {"k", "chi"} <= set(roles) and ("energy" not in roles or "mu" not in roles):
        return _chi(table, roles, e0)
    return _spectrum(table, roles, e0)


def _chi(table: Table, roles: Roles, e0: float | None) -> ChiK:
    table = increasing(table, roles["k"][0], backlash=0.0)
    symbol, name = _named(table)
    edge = next((edge for edge in edges_of(symbol or "") if edge.name == name), None)
    if edge is None and e0 is not None:
        edge = next(iter(edges_near(e0, symbol, name)), None)
    if edge is None:
        raise ScanError("the header does not name element and edge", where=table.where, remedy=NAME_IT)
    return chi_from_table(table, table.column(roles["k"]), table.column(roles["chi"]), edge, _temperature(table), e0)


def _spectrum(table: Table, roles: Roles, e0: float | None) -> Spectrum:
    axis = roles["energy"][0]
    refuse_angles(table, axis)
    in_kev = table.column((axis,)).max() <= MAX_KEV
    table = increasing(table, axis, MAX_BACKLASH / 1000 if in_kev else MAX_BACKLASH)
    energy, converted = energies(table, axis)
    signal = best_signal(table, roles, energy)
    edge, named = _edge(table, energy, signal.mu, e0)
    energy, shifted = aligned(table, roles, energy, edge)
    origin = Finding("signal", "note", f"{table.layout}: μ is {signal.origin}")
    passed = (Finding("signal-passed-over", "note", reason) for reason in signal.passed_over)
    return Spectrum(
        energy,
        signal.mu,
        edge.absorber,
        edge.name,
        source=table.source,
        record=table.record,
        temperature=_temperature(table),
        metadata=dict(table.metadata),
        findings=(*table.findings, origin, *passed, *converted, *named, *shifted),
    )


def _edge(table: Table, energy: Array, mu: Array, e0: float | None) -> tuple[Edge, tuple[Finding, ...]]:
    """Absorber and edge: from the header; what it leaves open, from the energy of the edge."""
    symbol, name = _named(table)
    named = [edge for edge in edges_of(symbol or "") if edge.name == name]
    if named:
        return named[0], ()
    position = steepest(energy, mu) if e0 is None else steepest(energy, mu, e0 - MAX_OFFSET, e0 + MAX_OFFSET)
    near = edges_near(position, symbol, name)
    if not near or not has_edge(energy, mu, position):
        raise _untold(table, energy, mu, position, bool(near))
    return near[0], (_guess(near, position),)


def _untold(table: Table, energy: Array, mu: Array, position: float, known: bool) -> ScanError:
    """Say why element and edge cannot be told."""
    if has_edge(energy, -mu, down := steepest(energy, -mu)):
        reason = f"μ falls at {down:.1f} eV as it should rise: the sign is inverted"
        return ScanError(reason, where=table.where, remedy="Swap I0 and It, or take other columns, with --columns")
    fault = "that is no edge" if known else "no known edge lies there"
    said = f" (the header says {table.field(*SYMBOL_FIELDS)!r})" if table.field(*SYMBOL_FIELDS) else ""
    reason = f"element and edge cannot be told{said}: μ is steepest at {position:.1f} eV, but {fault}"
    return ScanError(reason, where=table.where, remedy=NAME_IT)


def _guess(near: list[Edge], position: float) -> Finding:
    """Say which edge was taken and which others were as near."""
    others = ", ".join(f"{edge} at {edge.energy:.0f}" for edge in near[1:])
    doubtful = near[0].name not in ("K", "L3") or any(edge.name in ("K", "L3") for edge in near[1:])
    return Finding(
        "edge-from-energy",
        "warning" if doubtful else "note",
        f"{near[0]} was taken, by its energy: μ is steepest at {position:.1f} eV"
        + (f" (within {MAX_OFFSET:g} eV also {others})" if others else ""),
        energy=position,
        remedy=NAME_IT if doubtful else "",
    )


def _named(table: Table) -> tuple[str | None, str | None]:
    """Element and edge as the header names them, None for what it does not."""
    symbol, name = (table.field(*SYMBOL_FIELDS) or "").capitalize(), table.field(*EDGE_FIELDS)
    return (symbol if is_element(symbol) else None), edge_name(name or "")


def _temperature(table: Table) -> float | None:
    """Sample temperature [K] from the header; None where it gives no number with a unit."""
    text = table.field(*TEMPERATURE_FIELDS) or ""
    if re.fullmatch(r"rt|(at )?(room|ambient)( temp\w*\.?)?", text.strip(), re.IGNORECASE):
        return ROOM_TEMPERATURE
    match = re.fullmatch(r"(-?\d+\.?\d*)\s*(K|kelvin|°?\s*C|deg\.? ?C|celsius)", text.strip(), re.IGNORECASE)
    if not match:
        return None
    return float(match[1]) + (0.0 if match[2].upper().startswith("K") else 273.15)
