"""Safe access to HDF5 files: nothing outside the file is followed, and nothing is read that could fill the memory.

``nexus.py`` finds the scans of a file with it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from itertools import product
from typing import Any

import h5py
import numpy as np

from exafsnn.errors import ScanError
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

_BLOSC, _LZ4, _BITSHUFFLE, _ZSTANDARD = 32001, 32004, 32008, 32015
_PLUGINS = {_BLOSC: "Blosc", _LZ4: "LZ4", _BITSHUFFLE: "bitshuffle", _ZSTANDARD: "Zstandard"}
"""Filters of hdf5plugin whose packed pieces begin with the size that they unpack to; others could fill the memory."""

_WAYS: tuple[dict[str, Any], ...] = (
    {"locking": False}, {}, {"locking": True}, {"locking": False, "swmr": True}, {"swmr": True},
)  # fmt: skip
"""How to open a file, the first where nobody else has it open: no lock, which could stop the program that writes it."""

_HELD = "flag values don't match|flag not the same|already open|unable to lock|temporarily unavailable"
"""What HDF5 says of a file that is open already, in this process or another."""

_CLOSE = (
    "Close it there (in a notebook: the h5py.File that is open), then read again. If the program that wrote it was "
    "killed, h5clear --status FILE lets it be read"
)

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


def opened(name: str) -> h5py.File:
    """Open a file for reading, whoever else has it open.

    HDF5 opens a file twice in one process only in the same way, and one that another program writes only if that
    program lets others read along (SWMR).

    Raises
    ------
    ScanError
        If it is open elsewhere in a way that lets nobody else read.
    """
    for way in _WAYS:
        try:
            return h5py.File(name, "r", **way)
        except OSError as error:
            if not re.search(_HELD, str(error)):
                raise
            held = error
    raise open_elsewhere(name) from held


def open_elsewhere(name: str) -> ScanError:
    """Say that a file is sound, as far as can be known, but held."""
    reason = "the file is open elsewhere, in another program that writes it or in this one"
    return ScanError(reason, where=name, remedy=_CLOSE)


def is_written(name: str) -> bool:
    """Tell whether another program holds the lock of one who writes; asked only of what cannot be read anyway."""
    try:
        h5py.File(name, "r", locking=True).close()
    except BlockingIOError:
        return True
    except OSError as error:
        return bool(re.search(_HELD, str(error)))
    return False


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
    fault = _filter_fault([code for code, _ in _filters(item)])
    if fault or item.id.get_storage_size() or not item.size or (item.ndim == 1 and item.nbytes > MAX_BYTES):
        return fault  # of one record, its size is told
    return f"{' × '.join(map(str, item.shape))} values are declared, and none is stored"


def _filter_fault(codes: list[int]) -> str:
    """Why values are not unpacked that went through these filters; empty if they are."""
    for code in codes:
        if code not in _FILTERS and code not in _PLUGINS:
            return f"packed with filter {code}; pack it with gzip: h5repack -f GZIP=4"
        if code in _PLUGINS and not _is_plugged_in(code):
            return f"packed with {_PLUGINS[code]}, filter {code}, which hdf5plugin unpacks: pip install hdf5plugin"
    packers = [index for index, code in enumerate(codes) if code == _GZIP or code in _PLUGINS]
    after = codes[packers[0] + 1 :] if packers else []
    return "packed more than once" if set(after) - {_FLETCHER32} else ""


def _is_plugged_in(code: int) -> bool:
    """Tell whether HDF5 knows a filter; where it does not, hdf5plugin, which comes with larch, may bring it."""
    if not h5py.h5z.filter_avail(code):
        with suppress(ImportError):
            import_module("hdf5plugin")
    return bool(h5py.h5z.filter_avail(code))


def stored_share(item: h5py.Dataset) -> float:
    """Share of the values of a dataset that is stored, packed or not; 1 where nothing tells it."""
    if item.is_virtual or not item.chunks:
        return 1.0
    return item.id.get_num_chunks() * float(np.prod(item.chunks, dtype=np.float64)) / item.size


def stored_rows(item: h5py.Dataset) -> int:
    """Rows of a stack up to the last of which anything is stored; what was never written reads as zeros."""
    if item.is_virtual:
        try:
            return max((part.vspace.get_select_bounds()[1][0] + 1 for part in item.virtual_sources()), default=0)
        except RuntimeError:  # a part that grows has no bounds; HDF5 makes the stack as long as it
            return int(item.shape[0])
    if not item.chunks:
        return int(item.shape[0])
    end = (item.shape[0] - 1) // item.chunks[0] * item.chunks[0]
    if item.id.get_chunk_info_by_coord((end, *(0 for _ in item.shape[1:]))).byte_offset is not None:
        return int(item.shape[0])
    last = 0

    def note(chunk: Any) -> None:
        nonlocal last
        last = max(last, chunk.chunk_offset[0] + item.chunks[0])

    item.id.chunk_iter(note)
    return min(last, int(item.shape[0]))


def _filters(item: h5py.Dataset) -> list[tuple[int, tuple[int, ...]]]:
    """Numbers and settings of the filters that a dataset went through, in order."""
    properties = item.id.get_create_plist()
    used = (properties.get_filter(index) for index in range(properties.get_nfilters()))
    return [(code, tuple(settings)) for code, _, settings, _ in used]


def values(item: h5py.Dataset, rows: range) -> Array:
    """Values (n,) of a dataset, or (r, n) of the rows of a stack, which follow each other."""
    packers = [_SIZES[code] for code, settings in _filters(item) if _packs(code, settings)]
    if item.chunks and packers:
        *heights, width = item.chunks
        above = [range(rows.start // height * height, rows.stop, height) for height in heights]
        for offset in product(*above, range(0, item.shape[-1], width)):
            _refuse_bomb(item, offset, packers[0])
    return np.asarray(item[()] if item.ndim == 1 else item[rows.start : rows.stop], dtype=np.float64)


def _packs(code: int, settings: tuple[int, ...]) -> bool:
    """Tell whether a filter makes chunks smaller; bitshuffle does with its fifth setting only."""
    return code in _SIZES and (code != _BITSHUFFLE or any(settings[4:5]))


def _refuse_bomb(item: h5py.Dataset, offset: tuple[int, ...], unpacks_to: Callable[[bytes, int], int]) -> None:
    """Refuse a packed chunk that unpacks to more than it should hold, as HDF5 would let it fill the memory."""
    if item.id.get_chunk_info_by_coord(offset).byte_offset is None:
        return
    skipped, packed = item.id.read_direct_chunk(offset)
    size = int(np.prod(item.chunks)) * item.dtype.itemsize
    if not skipped and unpacks_to(packed, size) > size:
        raise ValueError(f"{item.name} unpacks to more than it should")


def _gzip_size(packed: bytes, most: int) -> int:
    """Bytes that gzip unpacks, no more than one beyond ``most``."""
    return len(zlib.decompressobj().decompress(packed, most + 1))


def _zstandard_size(packed: bytes, most: int) -> int:
    """Bytes that a Zstandard frame says it unpacks to (RFC 8878, 3.1.1.1); one beyond ``most`` where it does not."""
    single, flag = packed[4] >> 5 & 1, packed[4] >> 6
    width, start = (single, 2, 4, 8)[flag], 6 - single + (0, 1, 2, 4)[packed[4] & 3]
    if not width or packed[:4] != b"\x28\xb5\x2f\xfd":
        return most + 1
    return int.from_bytes(packed[start : start + width], "little") + (256 if width == 2 else 0)


_SIZES: dict[int, Callable[[bytes, int], int]] = {
    _GZIP: _gzip_size,
    _BLOSC: lambda packed, _: int.from_bytes(packed[4:8], "little"),
    _LZ4: lambda packed, _: int.from_bytes(packed[:8], "big"),
    _BITSHUFFLE: lambda packed, _: int.from_bytes(packed[:8], "big"),
    _ZSTANDARD: _zstandard_size,
}
"""By filter: bytes to which a packed chunk unpacks, if no more than the largest that is right."""


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
