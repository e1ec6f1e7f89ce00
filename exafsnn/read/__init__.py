"""A file becomes a ``Spectrum``, or the χ(k) that it holds: strict readers, one for each format.

The room can be called: ``exafsnn.read(path)`` is ``exafsnn.read.scan.read_one(path)``, whether the package's public
name or the room of the same name is meant.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exafsnn.records import ChiK, Spectrum


class _Room(ModuleType):
    """The package, which reads a scan when it is called."""

    def __call__(self, *scan: Any, **asked: Any) -> Spectrum | ChiK:
        """Read the one scan of a file."""
        from exafsnn.read.scan import read_one

        return read_one(*scan, **asked)


sys.modules[__name__].__class__ = _Room
