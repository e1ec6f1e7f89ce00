"""Safe access to HDF5 files: nothing outside the file is followed, and nothing is read that could fill the memory.

``nexus.py`` finds the scans of a file with it.
"""

from __future__ import annotations

import zlib
from itertools import product

import h5py
import numpy as np

from exafsnn.records import Array

MAX_BYTES = 64 * 2**20
"""Largest record, and largest chunk of a dataset, that is read."""

MAX_TEXT = 1000
"""Longest text [characters] of a header field."""

_MAX_LINKS = 16
"""Most soft links that lead to one object."""

_GZIP, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_FILTERS = (_GZIP, _SHUFFLE, _FLETCHER32, _LZF)
"""Filters that HDF5 applies without plugins."""

BROKEN = (
    zlib.error,
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    MemoryError,
)
"""What h5py raises on damaged files."""


def object_at(group: h5py.Group, path: str) -> h5py.Group | h5py.Dataset | None:
    """Object on a path, through soft links but never through one that leaves the file; None if there is none."""
    here, links = group, 0
    parts = path.split("/")[::-1]
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        link = here.get(part, getlink=True) if isinstance(here, h5py.Group) else None
        if isinstance(link, h5py.SoftLink) and links < _MAX_LINKS:
            links += 1
            here = here.file if link.path.startswith("/") else here
            parts += link.path.split("/")[::-1]
        elif isinstance(link, h5py.HardLink):
            here = here[part]
        else:
            return None
    return here if isinstance(here, h5py.Group | h5py.Dataset) else None


def storage_fault(item: h5py.Dataset, depth: int = 0) -> str:
    """Why a dataset is not read, because of how it is stored; empty if it is."""
    if item.is_virtual:
        sources = item.virtual_sources()
        parts = [object_at(item.file, part.dset_name) if part.file_name == "." else None for part in sources]
        if depth or not all(isinstance(part, h5py.Dataset) for part in parts):
            return "made of parts of other files"
        return next((fault for part in parts if (fault := storage_fault(part, depth + 1))), "")
    if item.external:
        return "kept in another file"
    if item.chunks and np.prod(item.chunks, dtype=np.float64) * item.dtype.itemsize > MAX_BYTES:
        return f"in pieces of more than {MAX_BYTES // 2**20} MiB"
    codes = _filters(item)
    unknown = [code for code in codes if code not in _FILTERS]
    if unknown:
        return f"packed with filter {unknown[0]}, not with gzip or lzf"
    after = codes[codes.index(_GZIP) + 1 :] if _GZIP in codes else []
    return "packed more than once" if set(after) - {_FLETCHER32} else ""


def _filters(item: h5py.Dataset) -> list[int]:
    """Numbers of the filters that a dataset went through, in order."""
    properties = item.id.get_create_plist()
    return [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]


def values(item: h5py.Dataset, rows: range) -> Array:
    """Values (n,) of a dataset, or (r, n) of the rows of a stack, which follow each other."""
    if item.chunks and _GZIP in _filters(item):
        *heights, width = item.chunks
        above = [range(rows.start // height * height, rows.stop, height) for height in heights]
        for offset in product(*above, range(0, item.shape[-1], width)):
            _refuse_bomb(item, offset)
    return np.asarray(item[()] if item.ndim == 1 else item[rows.start : rows.stop], dtype=np.float64)


def _refuse_bomb(item: h5py.Dataset, offset: tuple[int, ...]) -> None:
    """Refuse a packed chunk that unpacks to more than it should hold, as HDF5 would let it fill the memory."""
    if item.id.get_chunk_info_by_coord(offset).byte_offset is None:
        return
    skipped, packed = item.id.read_direct_chunk(offset)
    size = int(np.prod(item.chunks)) * item.dtype.itemsize
    if not skipped and len(zlib.decompressobj().decompress(packed, size + 1)) > size:
        raise ValueError(f"{item.name} unpacks to more than it should")


def text_of(item: h5py.Group | h5py.Dataset | None) -> str:
    """Text of a dataset of one value, with its unit; empty where it is no such dataset."""
    if not isinstance(item, h5py.Dataset) or item.size != 1 or not _is_plain(item.dtype) or storage_fault(item):
        return ""
    try:
        value = _plain(item[()])
    except BROKEN:
        return ""
    return f"{value} {attribute(item, 'units')}".strip()[:MAX_TEXT]


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Attribute of one value as text; empty where there is none."""
    try:
        known = item.attrs.get_id(name) if name and name in item.attrs else None
        if known is None or known.get_storage_size() > 65536 or not _is_plain(known.dtype):
            return ""
        return _plain(item.attrs[name])[:MAX_TEXT].strip()
    except BROKEN:
        return ""


def _is_plain(dtype: np.dtype) -> bool:
    """Tell whether values are text or numbers of a sensible size, not references or the like."""
    return (dtype.kind in "iufbS" and dtype.itemsize <= 65536) or _is_text(dtype)


def _is_text(dtype: np.dtype) -> bool:
    return dtype.kind == "O" and h5py.check_string_dtype(dtype) is not None


def _plain(value: object) -> str:
    """One value as text; empty for several, or none."""
    if isinstance(value, np.ndarray):
        value = value.flat[0] if value.size == 1 else ""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return "" if isinstance(value, h5py.Empty) else str(value)
