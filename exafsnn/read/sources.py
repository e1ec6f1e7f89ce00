"""Names that users give → the text of a file; whatever is no scan is refused here, quickly.

``scan.py`` calls it before any recogniser sees a byte.
"""

from __future__ import annotations

import codecs
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from exafsnn.errors import ScanError
from exafsnn.files import stamp_of

_MAX_BYTES = 64 * 2**20
"""Largest file (and largest unpacked file) that is read."""

MAX_LINE = 65536
"""Longest line [characters] of a scan."""

MAX_LINES = 500_000
"""Most lines of a file."""

MAX_NUMBERS = 3_000_000
"""Most numbers of a file."""

_PIECE = 2**20
"""Bytes that are unpacked or decoded at a time, so that no second copy of a large file is made."""

_GZIP = b"\x1f\x8b"
_HDF5 = b"\x89HDF\r\n\x1a\n"

_FOREIGN = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive or office document",
    b"\xd0\xcf\x11\xe0": "an office document",
    b"\x89HDF": "an HDF5 file",
    b"\x7fELF": "a program",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ": "an xz archive",
}

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_NO_SCAN = "Give a scan as text (XDI, SPEC or columns), an Athena project or an HDF5 file"


def split_source(source: str | Path) -> tuple[str, str]:
    """Split ``project.prj::name`` into file and record; the record is empty where none is named."""
    name = str(source)
    if "::" not in name or stamp_of(name) is not None:
        return name, ""
    file, _, record = name.partition("::")
    return file, record


def is_hdf5(name: str) -> bool:
    """Tell whether a file is HDF5, whatever its name; such files are never read as text, nor as a whole."""
    if not _is_file(Path(name)):
        return False
    try:
        with Path(name).open("rb") as file:
            return file.read(len(_HDF5)) == _HDF5
    except OSError:
        return False


def read_text(name: str) -> str:
    """Text of a file, whatever its encoding.

    Raises
    ------
    ScanError
        If it is missing, unreadable, empty, too large, or no text.
    """
    content = _unpacked(_content(name), name)
    if not re.search(rb"[^\0 \t\r\n]", content):
        raise ScanError("the file is empty", where=name, remedy=_NO_SCAN)
    _refuse_foreign(content, name)
    return _checked(_decoded(content, name), name)


def text_lines(text: str) -> list[str]:
    """Lines of a text, whatever its line endings."""
    return re.split(r"\r\n?|\n", text) if "\r" in text else text.split("\n")


def _is_file(path: Path) -> bool:
    """Whether there is such a file; a name too long for the system is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _content(name: str) -> bytes:
    path = Path(name)
    if not _is_file(path):
        raise _no_file(path, name)
    if path.stat().st_size > _MAX_BYTES:
        raise ScanError(f"the file has {path.stat().st_size / 2**20:.0f} MiB, no scan", where=name, remedy=_NO_SCAN)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ScanError(f"the file cannot be read ({error.strerror})", where=name, remedy="Check it") from error


def _no_file(path: Path, name: str) -> ScanError:
    """Say what is there instead of a file."""
    if not os.path.lexists(path):
        return ScanError("there is no such file", where=name, remedy="Check the path")
    if path.is_dir():
        return ScanError("this is a folder, no file", where=name, remedy=f"Name its files: {name}/*")
    if path.is_symlink() and not path.exists():
        return ScanError("this is a link to a file that is not there", where=name, remedy="Repair the link")
    return ScanError("this is a pipe or a device, no file", where=name, remedy="Save the scan as a file")


def _unpacked(content: bytes, name: str) -> bytes | bytearray:
    """Content of a gzip file (Athena projects are), never more than ``_MAX_BYTES``."""
    if not content.startswith(_GZIP):
        return content
    unpacked = bytearray()
    try:
        with gzip.GzipFile(fileobj=BytesIO(content)) as file:
            while (piece := file.read(_PIECE)) and len(unpacked) <= _MAX_BYTES:
                unpacked += piece
    except (OSError, EOFError, zlib.error) as error:
        raise ScanError(f"the gzip data are damaged ({error})", where=name, remedy="Copy the file again") from error
    if len(unpacked) > _MAX_BYTES:
        raise ScanError(f"it unpacks to more than {_MAX_BYTES // 2**20} MiB", where=name, remedy=_NO_SCAN)
    return unpacked


def _refuse_foreign(content: bytes | bytearray, name: str) -> None:
    """Refuse what is no scan by its first bytes."""
    for magic, kind in _FOREIGN.items():
        if content.startswith(magic):
            raise ScanError(f"the file is {kind}, no scan", where=name, remedy=_NO_SCAN)


def _decoded(content: bytes | bytearray, name: str) -> str:
    """Text of the bytes: UTF-16 or UTF-8, and Latin-1 where they are no valid UTF-8."""
    encoding = next((encoding for bom, encoding in _BOMS if content.startswith(bom)), None) or _unmarked(content)
    if encoding is None and b"\0" in content:
        raise ScanError("the file is binary, no scan", where=name, remedy=_NO_SCAN)
    for candidate in [encoding] if encoding else ["utf-8", "latin-1"]:
        try:
            return "".join(codecs.iterdecode(_pieces(content), candidate))
        except UnicodeDecodeError:
            continue
    raise ScanError(f"the text is no valid {encoding}", where=name, remedy="Save it as UTF-8")


def _pieces(content: bytes | bytearray) -> Iterator[bytes]:
    return (bytes(content[start : start + _PIECE]) for start in range(0, len(content), _PIECE))


def _unmarked(content: bytes | bytearray) -> str | None:
    """UTF-16 without a mark, of whose Latin text every second byte is zero; None if it is not that."""
    even, odd = content[:4096:2].count(0), content[1:4096:2].count(0)
    half = max(1, min(len(content), 4096) // 2)
    if min(even, odd) > 0.02 * half or max(even, odd) < 0.9 * half:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _unprintable(text: str) -> int:
    """Number of characters that neither show nor separate."""
    return sum(not (char.isprintable() or char.isspace()) for char in text)


def _checked(text: str, name: str) -> str:
    """Return the text if it may be a scan: no web page, nothing binary, not too many lines."""
    first = re.search(r"\S", text)
    start = text[first.start() : first.start() + 200].lower() if first else ""
    if start.startswith(("<!doctype", "<html", "<?xml", "<svg")):
        raise ScanError("the file is a web page or XML, no scan", where=name, remedy="Download the data themselves")
    shown = text[:4096]
    if not "".join(shown.split()).isprintable() and _unprintable(shown) > 0.02 * len(shown):
        raise ScanError("the file is binary, no scan", where=name, remedy=_NO_SCAN)
    if text.count("\n") + text.count("\r") - text.count("\r\n") >= MAX_LINES:
        raise ScanError(f"the file has more than {MAX_LINES} lines, no scan", where=name, remedy=_NO_SCAN)
    return text
