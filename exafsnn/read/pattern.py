"""File → ``Pattern``: columns of 2θ or q and intensity, as diffractometers and beamlines write them (.xy, .xye, .csv).

The rows are those of any text table (``read.text``); the names of its columns are sought here. ``run.maps`` calls it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from exafsnn.errors import ExafsnnError, ScanError
from exafsnn.read import text
from exafsnn.read.sources import read_text, text_lines
from exafsnn.read.table import Table
from exafsnn.records import Pattern

_SUFFIXES = (".xy", ".xye")
"""Of files that are patterns, whatever their columns are named."""
_Q = re.compile(r"q\b|q_|scattering.?vector|momentum", re.IGNORECASE)
_ANGLE = re.compile(r"2\s*-?\s*(theta|th\b|θ)|two.?theta|tth\b|angle", re.IGNORECASE)
_LARGEST = 180.0
"""No 2θ [°] is larger."""
_LEAST = 20
"""A pattern has as many points at least."""


def is_pattern(source: str) -> bool:
    """Whether a file is a diffraction pattern: by its ending, or by the name of its first column."""
    if Path(source).suffix.lower() in _SUFFIXES:
        return True
    try:
        return bool(_axis(_table(source)[1]))
    except ExafsnnError:
        return False


def read_pattern(source: str) -> Pattern:
    """Read the pattern of a file: its first column is 2θ [°], or q [Å⁻¹] where it is named so, the second intensity.

    Raises
    ------
    ScanError
        If the file is no table of two columns or more, too short, or its first column cannot be 2θ or q.
    """
    table, header = _table(source)
    if table.data.shape[1] < 2:
        raise ScanError("there is one column", where=source, remedy="Give columns of 2θ or q and intensity")
    x, intensity = table.column([0]), table.column([1])
    if len(x) < _LEAST:
        raise ScanError(f"there are {len(x)} points, no pattern", where=source, remedy=f"It has {_LEAST} at least")
    if (np.diff(x) <= 0).any():
        place = table.place(int(np.flatnonzero(np.diff(x) <= 0)[0]) + 1)
        remedy = "Sort it, and give each pattern a file of its own"
        raise ScanError("the first column, 2θ or q, does not increase there", where=place, remedy=remedy)
    if x[0] < 0 or x[-1] > _LARGEST:
        reason = f"its first column goes from {x[0]:g} to {x[-1]:g}, which is neither 2θ in degrees nor q"
        raise ScanError(reason, where=source, remedy="Is it an absorption scan? Give scans and patterns apart")
    if intensity.max() <= 0:
        raise ScanError("its intensities are nowhere above 0", where=source, remedy="Is the second column another one?")
    return Pattern(x, intensity, _axis(header) or "2θ", source)


def _table(source: str) -> tuple[Table, list[str]]:
    """The table of a file, and the lines before it."""
    content = read_text(source)
    (table,) = text.recognise(content, source)
    return table, text_lines(content)[: table.lines[0] - 1]


def _axis(header: list[str]) -> str:
    """The first column by the last line that names one; empty where none does."""
    for line in reversed(header):
        words = line.strip().lstrip("#%;*!/\"' \t")
        if _ANGLE.match(words):
            return "2θ"
        if _Q.match(words):
            return "q"
    return ""
