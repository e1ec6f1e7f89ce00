"""File → ``Pattern``: columns of 2θ or q and intensity, as diffractometers and beamlines write them (.xy, .xye, .csv).

The rows are those of any text table (``read.text``). ``run.maps`` calls it.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from exafsnn.errors import ExafsnnError, ScanError
from exafsnn.read import text
from exafsnn.read.sources import read_text
from exafsnn.records import Pattern

_SUFFIXES = (".xy", ".xye")
"""Of files that are patterns, whatever their columns are named."""
_Q = re.compile(r"q\b|q\s*[(\[_]|scattering.?vector|momentum", re.IGNORECASE)
_ANGLE = re.compile(r"2\s*-?\s*(theta|th|θ)|two.?theta|tth\b|angle", re.IGNORECASE)
_LEAST = 20
"""A pattern has more points."""


def is_pattern(source: str) -> bool:
    """Whether a file is a diffraction pattern: by its ending, or by the name of its first column."""
    if Path(source).suffix.lower() in _SUFFIXES:
        return True
    try:
        (table,) = text.recognise(read_text(source), source)
    except ExafsnnError:
        return False
    return bool(_Q.match(table.names[0]) or _ANGLE.match(table.names[0]))


def read_pattern(source: str) -> Pattern:
    """Read the pattern of a file: its first column is 2θ [°], or q [Å⁻¹] where it is named so, the second intensity.

    Raises
    ------
    ScanError
        If the file is no table of two columns or more, too short, or its axis does not increase.
    """
    (table,) = text.recognise(read_text(source), source)
    if table.data.shape[1] < 2:
        raise ScanError("there is one column", where=source, remedy="Give columns of 2θ or q and intensity")
    x, intensity = table.column([0]), table.column([1])
    if len(x) < _LEAST:
        raise ScanError(f"there are {len(x)} points, and a pattern has {_LEAST} at least", where=source)
    if (np.diff(x) <= 0).any():
        place = table.place(int(np.flatnonzero(np.diff(x) <= 0)[0]) + 1)
        raise ScanError(f"{x.min():g} to {x.max():g}: the first column does not increase", where=place,
                        remedy="Is it 2θ or q? Sort it, and give each pattern a file of its own")  # fmt: skip
    return Pattern(x, intensity, "q" if _Q.match(table.names[0]) else "2θ", source)
