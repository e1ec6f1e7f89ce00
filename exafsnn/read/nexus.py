"""HDF5 files → tables: NeXus (NXxas), BLISS of the ESRF, flyscans of SOLEIL, and any group with an energy axis.

``scan.py`` calls it for files that are HDF5. A record is named by the path of its group; one spectrum of a stack, by
path and row: ``/entry/data[17]``. Nothing outside the file is followed, and nothing large is read unasked.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

import h5py
import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.read.hdf5 import (
    BROKEN,
    MAX_BYTES,
    MAX_TEXT,
    attribute,
    is_written,
    object_at,
    open_elsewhere,
    opened,
    storage_fault,
    stored_rows,
    stored_share,
    text_of,
    values,
)
from exafsnn.read.roles import is_complete, role_of
from exafsnn.read.table import Table, faulty, few

_MAX_COLUMNS = 1000
"""Most columns and header fields of a record."""

MAX_READ = 16 * 2**20
"""Bytes of a stack that are read at a time."""

_MAX_GROUPS, _MAX_DEPTH = 1_000_000, 8
"""Most groups of a file that are looked into, and how deep."""

_MAX_ROWS, _MAX_SPARSE = 500_000, 100_000
"""Most spectra of a stack that are listed, and of one that stores little; of larger ones, single ones are read."""
_SPARSE = 0.1
"""A stack stores little if it stores less than this share of what it declares."""

_COUNTERS = ("energy", "i0", "it", "if", "iref", "mu", "muf", "muref")
"""Roles of what is measured point by point, and grows with the scan."""

_A_FEW = 0.05
"""Share of the points by which one counter may be shorter than another of the same scan."""

_MODES = (
    (r"trans", "transmission"),
    (r"electron|drain|[tpa]ey\b", "electron yield"),
    (r"fluo|[tp]fy\b|herfd", "fluorescence"),
)
"""How absorption was detected, by what NXxas calls it, in its field ``mode`` or in the name of its definition."""

_USUAL_NAMES = {
    "incoming_beam": "i0",
    "incident_beam": "i0",
    "transmitted_beam": "itrans",
    "transmitted": "itrans",
    "fluorescence_beam": "ifluor",
    "reference_beam": "irefer",
    "intensity": "mu",
    "iey": "ifluor",
}
"""Names in the definition NXxas → the field's usual ones."""

_PLAIN = "HDF5"
"""Name of the layout of groups without a known one."""

_NO_SIGNAL = "Give energies and signals as numbers of one length, a stack as (spectra, points), or measure it again"

_LABELS = ("alias", "label", "long_name")
"""Attributes in which SOLEIL's flyscans name a dataset."""

_PLACES = {
    "Element.symbol": ("element", "element/symbol", "element/name", "scan/xrayedge/element"),
    "Element.edge": ("edge", "edge/name", "scan/xrayedge/edge"),
    "Sample.name": ("sample/name",),
    "Sample.temperature": ("sample/temperature",),
}
"""Header fields, and where they may stand below the group of a scan."""


@dataclass
class _Scan:
    """Datasets of one scan or stack of scans, before their numbers are read."""

    group: h5py.Group
    layout: str
    columns: dict[str, h5py.Dataset] = field(default_factory=dict)
    """By the name that the column will have; (points) or, in a stack, (rows, points)."""
    rows: range = range(0)
    """Spectra of a stack that are asked for; empty where there is no stack."""
    series: dict[str, h5py.Dataset] = field(default_factory=dict)
    """What a stack tells of each of its spectra, (rows)."""
    mode: str = ""
    """``"transmission"``, ``"fluorescence"`` or ``"electron yield"``, where the file says it."""
    cut: int | None = None
    """Points after which the shortest counter ends; None where all have one length."""
    findings: list[Finding] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    """Why datasets are not taken, by their name."""

    @property
    def axis(self) -> h5py.Dataset | None:
        """Dataset of the energies (or of k beside χ): the longest, as a single energy may stand beside it."""
        roles = {name: role_of(name) for name in self.columns}
        wanted = ("energy", "k") if "chi" in roles.values() else ("energy",)
        axes = [item for name, item in self.columns.items() if roles[name] in wanted]
        return max(axes, key=lambda item: item.shape[-1], default=None)

    @property
    def points(self) -> int:
        """Number of energies; 0 where there are none."""
        number = self.axis.shape[-1] if self.axis is not None else 0
        return number if self.cut is None else min(self.cut, number)

    @property
    def names(self) -> list[str]:
        """Names of its records."""
        path = self.group.name
        return [f"{path}[{row}]" for row in self.rows] if self.rows else [path]

    def note(self, message: str) -> None:
        """Say what a column was taken for."""
        self.findings.append(Finding("names", "note", message))


def records(name: str, record: str = "") -> list[str]:
    """Names of the records of a file, or of a stack in it, without reading their numbers.

    Raises
    ------
    ScanError
        If the file is damaged, or holds no such record, or none at all.
    """
    with _scans(name, record) as found:
        return [item for scan in found for item in ([scan.record] if isinstance(scan, Table) else scan.names)]


def tables(name: str, record: str = "") -> Iterator[Table]:
    """Tables of all records of a file, or of the record or stack asked for, one by one; no others are then read.

    Raises
    ------
    ScanError
        If the file is damaged, or holds no such record, or none at all.
    """
    with _scans(name, record) as found:
        for scan in found:
            yield from [scan] if isinstance(scan, Table) else _tables(scan, name)


@contextmanager
def _scans(name: str, record: str) -> Iterator[list[_Scan | Table]]:
    """All scans of a file, or the one that is asked for, while it is open; what HDF5 finds wrong is a ScanError."""
    try:
        with opened(name) as file:
            yield _asked(file, record, name) if record else _found(file, name)
    except BROKEN as error:
        if is_written(name):
            raise open_elsewhere(name) from error
        reason = f"the HDF5 file is damaged, or not understood ({str(error)[:200]})"
        raise ScanError(reason, where=name, remedy="Copy the file again, or export the scan as columns") from error


def _asked(file: h5py.File, record: str, source: str) -> list[_Scan | Table]:
    """One scan or stack, or one row of a stack, without a look at the others."""
    if scan := _scan_at(file, record):
        return [_listed(scan, source)]
    match = re.fullmatch(r"([^\0]*?)(?:\[(\d{1,9})\])?", record)
    scan = _scan_at(file, match[1]) if match else None
    if match and scan and match[2]:
        scan.rows = scan.rows[int(match[2]) : int(match[2]) + 1]
    if match and scan and (scan.rows or not match[2]):
        return [scan]
    found = _found(file, source)
    faults = [item for item in found if isinstance(item, Table) and item.record.strip("/") == record.strip("/")]
    if faults:
        return [faults[0]]
    known = [name for item in found for name in ([item.record] if isinstance(item, Table) else item.names)]
    raise ScanError(f"there is no record {record!r}", where=source, remedy=f"Its records: {few([*map(repr, known)])}")


def _scan_at(file: h5py.File, path: str) -> _Scan | None:
    """Scan of a group; None if there is no such group, or it is none."""
    group = object_at(file, path) if "\0" not in path else None
    return _recognised(group)[0] if isinstance(group, h5py.Group) else None


def _found(file: h5py.File, source: str) -> list[_Scan | Table]:
    """All scans, in natural order of their paths; links to other files, and scans without data, have a fault."""
    found: list[_Scan | Table] = []
    doubtful: set[str] = set()
    seen: set[tuple[int, int]] = set()
    waiting: list[tuple[h5py.Group | Table, int]] = [(file["/"], 0)]
    while waiting:
        group, depth = waiting.pop()
        if isinstance(group, Table):
            found.append(group)
            continue
        info = h5py.h5o.get_info(group.id)
        if (info.fileno, info.addr) in seen:
            continue
        seen.add((info.fileno, info.addr))
        scan, layout, reason = _recognised(group)
        if scan:
            found.append(_listed(scan, source))
        elif reason:
            where = f"{source}::{group.name}"
            found.append(faulty(source, group.name, ScanError(reason, where=where, remedy=_NO_SIGNAL)))
            doubtful |= {group.name} if layout == _PLAIN else set()
        if not scan and (not reason or layout == _PLAIN) and depth < _MAX_DEPTH:
            waiting += [(item, depth + 1) for item in reversed(_below(group, source))]
        if len(seen) + len(waiting) > _MAX_GROUPS:
            raise ScanError(f"the file has more than {_MAX_GROUPS} groups", where=source, remedy="Split it")
    if not found:
        remedy = "Give a file with a group of at least two datasets of one length, one of them named energy"
        raise ScanError("the HDF5 file holds no group with an energy axis", where=source, remedy=remedy)
    return _without_parents(found, doubtful)


def _listed(scan: _Scan, source: str) -> _Scan | Table:
    """Give the scan, or the fault of a stack whose names alone would fill the memory."""
    if len(scan.rows) <= _MAX_SPARSE:
        return scan
    stored = max(stored_share(item) for item in scan.columns.values() if item.ndim == 2)
    if stored >= _SPARSE and len(scan.rows) <= _MAX_ROWS:
        return scan
    path = scan.group.name
    reason = f"the stack declares {len(scan.rows)} spectra and stores {stored:.1%} of them"
    if stored >= _SPARSE:
        reason = f"the stack has {len(scan.rows)} spectra, more than {_MAX_ROWS}"
    remedy = f"Name those that are wanted, e.g. {source}::{path}[0], or split it"
    return faulty(source, path, ScanError(reason, where=f"{source}::{path}", remedy=remedy))


def _without_parents(found: list[_Scan | Table], doubtful: set[str]) -> list[_Scan | Table]:
    """Leave out doubtful groups with a record below them: their energies may only be what the records share."""
    paths = [item.record if isinstance(item, Table) else item.group.name for item in found]
    above = {str(parent) for path in paths for parent in PurePosixPath(path).parents if str(parent) != path}
    return [item for path, item in zip(paths, found, strict=True) if path not in doubtful & above]


def _below(group: h5py.Group, source: str) -> list[h5py.Group | Table]:
    """Groups in a group, in natural order; for each link to another file, a table with that fault."""
    below: list[h5py.Group | Table] = []
    for name in sorted(group, key=_natural):
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            path = f"{group.name.rstrip('/')}/{name}"
            reason = f"this is a link into another file, {link.filename[:200]!r}, and is not followed"
            fault = ScanError(reason, where=f"{source}::{path}", remedy="Give that file itself")
            below.append(faulty(source, path, fault))
        elif isinstance(link, h5py.HardLink) and isinstance(item := group[name], h5py.Group):
            below.append(item)
    return below


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """Sorting key that puts ``2.1`` before ``10.1``."""
    parts = re.findall(r"[0-9]{1,18}|[^0-9]+", name[:MAX_TEXT])
    return [(not part[0].isdecimal(), int(part) if part[0].isdecimal() else 0, part) for part in parts]


def _recognised(group: h5py.Group) -> tuple[_Scan | None, str, str]:
    """Scan that a group holds, by the first layout that it fits; else a layout, and why what looks like it is none."""
    if len(group) > _MAX_COLUMNS:
        return None, "", ""
    doubts: dict[str, str] = {}
    for layout in (_bliss, _soleil, _nxxas, _any_group):
        scan = layout(group)
        if scan is not None and scan.points > 1 and len(_shaped(scan).columns) > 1:
            return scan, scan.layout, ""
        if scan is not None and (reason := _lacking(scan)):
            doubts[scan.layout] = reason
    return None, *next(iter(doubts.items()), ("", ""))


def _lacking(scan: _Scan) -> str:
    """What datasets that look like a scan lack; empty where they do not look like one."""
    energies = [f"{name} ({reason})" for name, reason in scan.left_out.items() if role_of(name) == "energy"]
    is_measured = any(role_of(name) not in (None, "energy") for name in (*scan.columns, *scan.left_out))
    others = [f"{name} ({reason})" for name, reason in scan.left_out.items() if role_of(name) != "energy"]
    if scan.axis is None:
        return f"its energies cannot be used: {few(energies)}" if energies and is_measured else ""
    if scan.points > 1:
        return f"no signal is as long as its {scan.points} energies" + (f"; left out: {few(others)}" if others else "")
    if not is_measured:
        return ""
    if scan.axis.ndim > 1 and scan.axis.shape[0] > 1:
        return f"its energies are {_size(scan.axis)}, not one row of them"
    return f"the scan has {scan.points} point{'s' * (scan.points != 1)}"


def _bliss(group: h5py.Group) -> _Scan | None:
    """``/1.1/measurement/{energy, mu_trans, p1, …}`` of the ESRF."""
    measurement = object_at(group, "measurement")
    return _added(_Scan(group, "BLISS"), measurement) if isinstance(measurement, h5py.Group) else None


def _soleil(group: h5py.Group) -> _Scan | None:
    """``/<scan>/scan_data/data_01`` of SOLEIL, each dataset named by an attribute."""
    data = object_at(group, "scan_data")
    if not isinstance(data, h5py.Group):
        return None
    named = _added(_Scan(group, "SOLEIL flyscan"), data)
    scan = _Scan(group, named.layout, left_out=named.left_out)
    for name, item in named.columns.items():
        label = next((text for key in _LABELS if (text := attribute(item, key))), name)
        _add(scan, label.rstrip("/").rpartition("/")[2].strip() or name, item)
    return scan


def _nxxas(group: h5py.Group) -> _Scan | None:
    """NXxas in all its forms: an NXdata group, the entry itself, and detectors in the instrument.

    These are the definition of NeXus, its proposed successor with a definition for each mode (``NXxas_trans``, …), and
    what larch writes.
    """
    definition = text_of(object_at(group, "definition"))
    if not definition.startswith("NXxas"):
        return None
    scan, plots = _Scan(group, "NXxas"), _data_groups(group)
    scan.mode = _mode(group, definition, plots)
    if scan.mode:
        scan.findings.append(Finding("mode", "note", f"The file says how it was measured: {scan.mode}"))
    for data in plots[:1]:
        _added(scan, data)
        signal = attribute(data, "signal")
        if signal in scan.columns and not (role_of(signal) or signal in _USUAL_NAMES or signal == "absorbed_beam"):
            scan.columns["mu"] = scan.columns.pop(signal)
            scan.note(f"{signal}, the signal of {data.name}, was taken for μ")
    _added(scan, group)
    _add_detectors(scan)
    scan.left_out |= {data.name: "another NXdata group" for data in plots[1:]}
    scan.left_out |= dict.fromkeys(_spectra_below(group), "a spectrum of its own, read by that name")
    return _usually_named(scan)


def _spectra_below(entry: h5py.Group) -> list[str]:
    """Paths of the NXxas entries within one, as that of a reference measured with it."""
    items = (object_at(entry, name) for name in entry)
    below = (item for item in items if isinstance(item, h5py.Group) and "definition" in item)
    return [item.name for item in below if text_of(object_at(item, "definition")).startswith("NXxas")]


def _mode(entry: h5py.Group, definition: str, plots: Sequence[h5py.Group]) -> str:
    """How the absorption was detected; empty where nothing says it."""
    fields = (object_at(group, path) for group in (entry, *plots) for path in ("mode", "mode/name"))
    said = (definition.removeprefix("NXxas"), *map(text_of, fields))
    return next((mode for text in said for word, mode in _MODES if re.search(word, text.lower())), "")


def _any_group(group: h5py.Group) -> _Scan:
    """Datasets of a group without a known layout."""
    return _added(_Scan(group, _PLAIN), group)


def _data_groups(entry: h5py.Group) -> list[h5py.Group]:
    """NXdata groups of an entry that hold an energy, the default first."""
    groups = {name: object_at(entry, name) for name in entry}
    data = [name for name, item in groups.items() if isinstance(item, h5py.Group) and "energy" in item]
    data = [name for name in data if attribute(groups[name], "NX_class") == "NXdata"]
    return [groups[name] for name in sorted(data, key=lambda name: name != attribute(entry, "default"))]


def _add_detectors(scan: _Scan) -> None:
    """Add the detectors' data, by the detectors' names, and the monochromator's energy."""
    instrument = object_at(scan.group, "instrument")
    for name in instrument if isinstance(instrument, h5py.Group) and len(instrument) <= _MAX_COLUMNS else ():
        inner = "energy" if name == "monochromator" else "data"
        item = object_at(instrument, f"{name}/{inner}")
        if isinstance(item, h5py.Dataset):
            _add(scan, inner if inner == "energy" else name, item)


def _usually_named(scan: _Scan) -> _Scan:
    """Give the columns of NXxas their usual names; the absorbed beam is what the mode says, or what shows an edge."""
    renamed: dict[str, h5py.Dataset] = {}
    for name, item in scan.columns.items():
        renamed.setdefault(_USUAL_NAMES.get(name, name), item)
    if "absorbed_beam" in renamed and not {"itrans", "ifluor", "mu"} & set(renamed):
        beam = renamed.pop("absorbed_beam")
        renamed |= {"itrans": beam} if scan.mode in ("transmission", "") else {}
        renamed |= {"ifluor": beam} if scan.mode != "transmission" else {}
        if not scan.mode:
            scan.note("absorbed_beam stands for transmission or fluorescence, whichever shows an edge")
    scan.columns = renamed
    return scan


def _added(scan: _Scan, group: h5py.Group) -> _Scan:
    """Add all datasets of a group."""
    for name in group if len(group) <= _MAX_COLUMNS else ():
        item = object_at(group, name)
        if isinstance(item, h5py.Dataset):
            _add(scan, name, item)
        elif item is None:
            scan.left_out[name[:60]] = "a link that leads nowhere, or out of the file"
    return scan


def _add(scan: _Scan, name: str, item: h5py.Dataset) -> None:
    """Add a column, unless one of its name is there, or it cannot be one."""
    if name in scan.columns or not item.shape:
        return
    if item.dtype.kind not in "iuf" or item.dtype.itemsize > 8:
        scan.left_out[name[:60]] = "complex numbers" if item.dtype.kind == "c" else "no numbers"
    elif item.ndim > 2:
        scan.left_out[name[:60]] = _size(item)
    elif fault := storage_fault(item):
        scan.left_out[name[:60]] = fault
    else:
        scan.columns[name] = item


def _size(item: h5py.Dataset) -> str:
    return f"{' × '.join(map(str, item.shape))} values"


def _shaped(scan: _Scan) -> _Scan:
    """Keep the datasets that are columns of the spectra: as long as the axis, or stacks of such.

    Beside rows that make a spectrum by themselves, what has two dimensions is raw data, and no stack.
    """
    _level(scan)
    points = scan.points
    single = {role_of(name) for name, item in scan.columns.items() if item.ndim == 1 and len(item) >= points}
    stacks = [item for item in scan.columns.values() if item.ndim == 2 and item.shape[-1] == points]
    heights = Counter(item.shape[0] for item in stacks if not is_complete(single))
    rows = heights.most_common(1)[0][0] if heights else 0
    for name, item in list(scan.columns.items()):
        if item.shape != (rows or None, points) and not (item.ndim == 1 and _fits(scan, len(item))):
            del scan.columns[name]
            if rows and item.shape == (rows,):
                scan.series[name] = item
            else:
                scan.left_out[name[:60]] = _size(item)
    if rows:
        _stack(scan, rows)
    return scan


def _level(scan: _Scan) -> None:
    """Cut counters that end a few points apart to their common length, and say so."""
    axis = scan.axis
    if axis is None or axis.ndim > 1 or "chi" in map(role_of, scan.columns):
        return
    most = (1 - _A_FEW) * len(axis), len(axis) / (1 - _A_FEW)
    counters = {name: len(item) for name, item in scan.columns.items() if item.ndim == 1 and role_of(name) in _COUNTERS}
    lengths = {name: length for name, length in counters.items() if most[0] <= length <= most[1]}
    cut, full = min(lengths.values()), max(lengths.values())
    if cut == full:
        return
    scan.cut = cut
    short = ", ".join(f"{name} has {length}" for name, length in lengths.items() if length < full)
    message = f"{short} points, and other counters of the scan {full}: the first {cut} points of all were used"
    remedy = "Read it again when the scan has ended; if it has, see that no point is missing in the middle"
    scan.findings.append(Finding("counters-uneven", "warning", message, remedy=remedy))


def _fits(scan: _Scan, length: int) -> bool:
    """Tell whether a row of values is a column: as long as the spectrum, or a few points longer where it was cut."""
    return length == scan.points if scan.cut is None else scan.cut <= length <= scan.cut / (1 - _A_FEW)


def _stack(scan: _Scan, rows: int) -> None:
    """Say which spectra of a stack there are, and which of its temperatures belong to each."""
    stored = max(stored_rows(item) for item in scan.columns.values() if item.ndim == 2)
    scan.rows = range(stored)
    if stored < rows:
        message = f"The stack declares {rows} spectra, and stores the first {stored}"
        scan.findings.append(Finding("stack-unfilled", "note", message))
    temperature = object_at(scan.group, "sample/temperature")
    if isinstance(temperature, h5py.Dataset) and temperature.shape == (rows,) and not storage_fault(temperature):
        scan.series.setdefault("Sample.temperature", temperature)


def _tables(scan: _Scan, source: str) -> Iterator[Table]:
    """Read the records of a scan or stack, as many at a time as fit into ``MAX_READ``."""
    names = scan.names
    try:
        like = _like(scan, source)
        fault = _fault(scan, like.metadata)
        units = {name: attribute(item, "units") for name, item in scan.series.items()}
    except BROKEN as error:
        yield from (_unreadable(source, name, error) for name in names)
        return
    if fault:
        reason, remedy = fault
        yield from (faulty(source, name, ScanError(reason, where=f"{source}::{name}", remedy=remedy)) for name in names)
        return
    most = max(1, MAX_READ // (8 * scan.points * len(scan.columns)))
    for start in range(0, len(names), most):
        yield from _block(scan, like, units, scan.rows[start : start + most], names[start : start + most])


def _unreadable(source: str, record: str, error: Exception) -> Table:
    reason = f"its numbers cannot be read ({str(error)[:200]})"
    return faulty(source, record, ScanError(reason, where=f"{source}::{record}", remedy="Copy the file again"))


def _like(scan: _Scan, source: str) -> Table:
    """Table of what all records of a stack share, without numbers."""
    units = tuple(attribute(item, "units") for item in scan.columns.values())
    metadata, names = _metadata(scan), tuple(scan.columns)
    findings = (*_findings(scan), *_unfinished(scan, metadata))
    return Table(
        *(source, scan.layout, names, units, np.empty((0, 0))), metadata=metadata, findings=findings, mode=scan.mode
    )


def _fault(scan: _Scan, metadata: Mapping[str, str]) -> tuple[str, str] | None:
    """Why a scan cannot be used, and what to do: it is too large, or ended before its time."""
    if 8 * scan.points * len(scan.columns) > MAX_BYTES:
        reason = f"{len(scan.columns)} columns of {scan.points} values are more than {MAX_BYTES // 2**20} MiB"
        return reason, "Rebin the scan"
    ended = metadata.get("end_reason", "")
    if scan.layout == "BLISS" and ended and ended.upper() != "SUCCESS":
        remedy = "Measure it again; to use its points nevertheless, export them as columns"
        return f"the scan was ended early ({ended[:60]})", remedy
    return None


def _unfinished(scan: _Scan, metadata: Mapping[str, str]) -> tuple[Finding, ...]:
    """Warn of a scan that still runs, or was cut off: BLISS numbers its scans, and says when and why each ended."""
    ended = {"end_time", "end_reason"} & set(metadata)
    is_of_bliss = scan.layout == "BLISS" and ("start_time" in metadata or re.search(r"/\d+\.\d+$", scan.group.name))
    if scan.group.file.swmr_mode:
        message = "another program is writing the file"
    elif is_of_bliss and not ended:
        message = "the scan has no end_time: it still runs, or was cut off"
    else:
        return ()
    message += f"; the {scan.points} points that it has so far were read"
    return (Finding("unfinished", "warning", message, remedy="Read it again when the scan has ended"),)


def _block(scan: _Scan, like: Table, units: Mapping[str, str], rows: range, names: Sequence[str]) -> Iterator[Table]:
    """Read the numbers of some records together; where that fails, one by one, to tell which are damaged."""
    try:
        columns = [values(item, rows) for item in scan.columns.values()]
        series = {name: item[rows.start : rows.stop] for name, item in scan.series.items()}
    except BROKEN as error:
        if len(names) == 1:
            yield _unreadable(like.source, names[0], error)
        else:
            for row, name in zip(rows, names, strict=True):
                yield from _block(scan, like, units, range(row, row + 1), [name])
        return
    for index, name in enumerate(names):
        data = np.column_stack([column[: scan.points] if column.ndim == 1 else column[index] for column in columns])
        told = {key: f"{numbers[index]} {units[key]}".strip() for key, numbers in series.items()}
        yield replace(like, data=data, record=name, metadata={**like.metadata, **told})


def _findings(scan: _Scan) -> tuple[Finding, ...]:
    """What was taken and what was not."""
    notes = list(scan.findings)
    if scan.left_out:
        more = f" and {len(scan.left_out) - 8} more" if len(scan.left_out) > 8 else ""
        told = ", ".join(f"{name} ({reason})" for name, reason in list(scan.left_out.items())[:8])
        notes.append(Finding("left-out", "note", f"Left out: {told}{more}"))
    return tuple(notes)


def _metadata(scan: _Scan) -> dict[str, str]:
    """Header fields: text and single numbers of the group and of the one around it, and of the usual places."""
    fields: dict[str, str] = {}
    for group in (scan.group, scan.group.parent):
        for key, paths in _PLACES.items():
            if text := next((text for path in paths if (text := text_of(object_at(group, path)))), ""):
                fields.setdefault(key, text)
        if len(group) <= _MAX_COLUMNS:
            texts = {name: text_of(object_at(group, name)) for name in group}
            attributes = {name: attribute(group, name) for name in list(group.attrs)[:_MAX_COLUMNS]}
            told = {name: text for name, text in (attributes | texts).items() if text}
            fields = told | fields
    return {name[:MAX_TEXT]: text for name, text in fields.items()}
