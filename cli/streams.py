"""Standard output and error as this process finds them: in any encoding, closed, or with nobody at the other end.

What becomes of the table on the screen is no reason to stop: the results are in their folder.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any, TextIO

_LEFT = {errno.EPIPE, errno.EBADF, errno.EINVAL}
"""Nobody reads any more, which is the reader's affair: a broken pipe is EINVAL under Windows."""


class Outlet(io.RawIOBase):
    """Where a standard stream goes: silent from the first failure on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._silent = stream, False  # which would close itself if nobody held it
        self._raw = getattr(stream.buffer, "raw", None) or stream.buffer  # itself the raw one under python -u
        self.refusal = ""
        """Why what was to be read is lost, as on a full disk; empty where it is not, or where the reader left."""

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._raw.isatty()

    def fileno(self) -> int:
        """The system's number of it."""
        return self._raw.fileno()

    def write(self, content: Any) -> int | None:
        """Write bytes, or drop them where nobody takes them."""
        if not self._silent:
            try:
                return self._raw.write(content)
            except OSError as error:
                self._silent = True
                self.refusal = "" if error.errno in _LEFT else str(error.strerror)
        return memoryview(content).nbytes


def open_streams() -> Outlet:
    """Make the standard streams ones that take everything, and return where standard output goes."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed: the next file that is opened would get its number, and our words
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123
    sys.stdout, outlet = _with_outlet(sys.stdout, "replace")
    sys.stderr, _ = _with_outlet(sys.stderr, "backslashreplace")
    return outlet


def _with_outlet(stream: TextIO, errors: str) -> tuple[TextIO, Outlet]:
    """The same stream, with something else for letters that its encoding lacks."""
    outlet = Outlet(stream)
    return io.TextIOWrapper(io.BufferedWriter(outlet), stream.encoding, errors, line_buffering=True), outlet
