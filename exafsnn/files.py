"""Files that appear whole or not at all, whatever kills the program, and outputs that only one run writes at a time.

``simulate`` writes libraries with it, ``learn`` models, ``results`` its folder. What a killed run left lies beside the
output as ``.NAME.PID.unfinished``; the next run, which holds the output's lock, removes it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import shutil
import socket
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn.errors import ExafsnnError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_SUFFIX = ".unfinished"
_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}
_ELSEWHERE = "write elsewhere (-o; models: EXAFSNN_MODELS)"
_REMEDIES = {
    errno.ENOSPC: f"Make room on the disk, or {_ELSEWHERE}; then run it again",
    errno.EDQUOT: f"Your quota is used up: make room, or {_ELSEWHERE}, and run it again",
    errno.EFBIG: f"The file system, or a limit, allows no file so large: {_ELSEWHERE}",
    errno.EACCES: f"You may not write there: {_ELSEWHERE}",
    errno.EPERM: f"You may not write there: {_ELSEWHERE}",
    errno.EROFS: f"That disk is read-only: {_ELSEWHERE}",
    errno.ENOENT: f"Make its folder first, or {_ELSEWHERE}",
    errno.ENOTDIR: f"Part of that path is a file: {_ELSEWHERE}",
    errno.EISDIR: "That is a folder: give the name of a file",
    errno.ENAMETOOLONG: "That name, or the whole path, is too long: give a shorter one",
}


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses while ``path`` is written into an error with a remedy.

    Raises
    ------
    ExafsnnError
        If the disk is full, writing is not allowed, or the like.
    """
    try:
        yield
    except RecursionError as error:  # of pathlib, which makes folders in folders one by one
        raise ExafsnnError("cannot be written: too many folders in one another", where=str(path)) from error
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        remedy = _REMEDIES.get(error.errno or 0, f"Look at the disk, or {_ELSEWHERE}")
        raise ExafsnnError(f"cannot be written: {reason}", where=str(path), remedy=remedy) from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path that replaces ``path`` once it is written and on disk.

    Raises
    ------
    ExafsnnError
        If it cannot be written; then ``path`` is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_SUFFIX}")
    try:
        with explained(path):
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


class Sink(io.FileIO):
    """A file for HDF5, which ends the whole process where a write fails: here it never does, and the failure is told.

    Parameters
    ----------
    path
        A file to go on with, or a new one.
    """

    def __init__(self, path: Path) -> None:
        self._refused: OSError | None = None
        super().__init__(path, "r+" if path.exists() else "w+")

    def write(self, content: Any) -> int:
        """Write all of it, or note why not."""
        rest = memoryview(content).cast("B")
        size = len(rest)
        with self._noting():
            while rest:
                rest = rest[super().write(rest) :]
        return size

    def truncate(self, size: int | None = None) -> int:
        """Make the file as long as this, or note why not."""
        with self._noting():
            return super().truncate(size)
        return size or 0

    def check(self) -> None:
        """Tell what was refused so far.

        Raises
        ------
        OSError
            If anything was.
        """
        refused, self._refused = self._refused, None
        if refused:
            raise refused

    def close(self) -> None:
        """Close the file, and tell what was refused; HDF5 is to have closed it before."""
        super().close()
        self.check()

    @contextmanager
    def _noting(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._refused = error


def write_whole(path: Path, content: bytes) -> None:
    """Write one file by an atomic replacement."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def copy_whole(source: Path, target: Path) -> None:
    """Copy one file, which appears whole or not at all."""
    with replacing(target) as temporary:
        shutil.copyfile(source, temporary)


def sync(path: Path) -> None:
    """Bring a file onto the disk."""
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder onto the disk, where the operating system lets one."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_folder(folder: Path) -> None:
    """Remove a folder of our own; it is renamed first, so that it is never half there under its name."""
    doomed = folder.with_name(f".{folder.name}.{os.getpid()}{_SUFFIX}")
    folder.rename(doomed)
    shutil.rmtree(doomed)


def remove_leftovers(folder: Path, *names: str) -> None:
    """Remove what killed runs left in ``folder`` of the outputs ``names``, by default of every output.

    Only the run that holds the lock may call it.
    """
    every = "|".join(map(re.escape, names)) or ".*"
    for path in folder.iterdir():
        if re.fullmatch(rf"\.({every})\.\d+{re.escape(_SUFFIX)}", path.name):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@contextmanager
def only_writer(output: Path) -> Iterator[None]:
    """Be the only run that writes ``output``; what a killed run left of it is removed.

    The lock is the operating system's, on ``.NAME.lock`` beside the output: it ends with its process, however that
    ends. The file says who holds it.

    Raises
    ------
    ExafsnnError
        If another run writes there, or nothing can be written there.
    """
    path = output.with_name(f".{output.name}.lock")
    with explained(output):
        descriptor = _locked(path, output)
    try:
        _sign(descriptor)
        remove_leftovers(output.parent, output.name, f"{output.name}.parts")
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file: there it stays, unlocked
            path.unlink()
        os.close(descriptor)


def _locked(path: Path, output: Path) -> int:
    """A descriptor of the lock file, held."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if _is_taken(descriptor, output) and _is_still(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_taken(descriptor: int, output: Path) -> bool:
    """Lock an open file for this process, or say who holds it; on a disk that knows no locks, go on without."""
    try:
        _take(descriptor)
    except OSError as error:
        if error.errno in _HELD:
            holder = os.pread(descriptor, 200, 0).decode("utf-8", "replace") if hasattr(os, "pread") else "unknown"
            raise ExafsnnError(
                f"another run is writing it: {holder or 'just started'}",
                where=str(output),
                remedy=f"Wait for it, end it, or {_ELSEWHERE}",
            ) from error
        warnings.warn(f"{output}: this disk knows no locks; let no other run write there", stacklevel=2)
    return True


def _sign(descriptor: int) -> None:
    """Write into the lock file who holds it; a full disk has no room for that, and the lock holds without."""
    started = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {started}".encode())


def _take(descriptor: int) -> None:
    """Lock an open file for this process, or fail at once."""
    if sys.platform == "win32":
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # far behind the text, which others may then read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still(descriptor: int, path: Path) -> bool:
    """Whether the open file is the one at ``path``: the last holder may have removed it before we locked it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


Stamp = tuple[int, int]
"""Size [bytes] and time of the last change [ns] of a file."""


def stamp_of(name: str) -> Stamp | None:
    """Stamp of a file; None where there is none."""
    try:
        status = Path(name).stat()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns


def sha256_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_of(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over a text and named arrays: names, types, shapes and values, however a file packs them."""
    digest = hashlib.sha256(json.dumps(text).encode())
    for name in sorted(arrays):
        values = np.asarray(arrays[name])
        values = values.astype(values.dtype.newbyteorder("<"), order="C", copy=False)
        digest.update(json.dumps([name, values.dtype.str, values.shape]).encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
