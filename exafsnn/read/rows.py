"""Lines of text → rows of numbers: cell by cell, or all at once where every line is plainly a row.

The recognisers of text call it. Whatever is not plain is left to them, line by line, so that they can say what it is.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exafsnn.read.sources import MAX_LINE, MAX_NUMBERS
from exafsnn.records import Array

MAX_COLUMNS = 1000
"""Most columns of a table."""

_PLAIN = b"0123456789+-.eE \t\n"
"""Characters of plain rows, beside what separates their cells."""

_PIECE = 10_000
"""Lines that are converted at a time, so that no second copy of a large file is made."""


def plain_rows(lines: Sequence[str], width: int, separator: str | None = None) -> Array | None:
    """Numbers (n, width) of n lines; None unless each is a row of as many plain numbers and nothing else.

    Parameters
    ----------
    lines
        Text; blank lines at its end do not count.
    width
        Cells of a row.
    separator
        What stands between two cells; None: spaces.
    """
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    if not 0 < end * width <= MAX_NUMBERS or max(map(len, lines)) > MAX_LINE:
        return None
    pieces = []
    for start in range(0, end, _PIECE):
        piece = _plain_piece(lines[start : min(start + _PIECE, end)], width, separator)
        if piece is None:
            return None
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


def _plain_piece(lines: Sequence[str], width: int, separator: str | None) -> Array | None:
    """Return what ``plain_rows`` does, of a few lines."""
    text = "\n".join(lines)
    if not text.isascii() or text.encode().translate(None, _PLAIN + (separator or "").encode()) or not text.strip():
        return None
    try:
        data: Array = np.loadtxt(lines, comments=None, delimiter=separator, ndmin=2)
    except ValueError:
        return None
    return data if data.shape == (len(lines), width) else None  # loadtxt passes over blank lines


def numbers(cells: list[str], width: int | None = None) -> list[float] | None:
    """Cells as numbers; None if one is no number or their count is not ``width``."""
    if width is not None and len(cells) != width:
        return None
    try:
        if "_" not in "".join(cells):
            return list(map(float, cells))
    except ValueError:
        pass
    values = []
    for cell in cells:
        if (value := number_of(cell)) is None:
            return None
        values.append(value)
    return values


def number_of(cell: str) -> float | None:
    """Value of a cell, Fortran's ``1.0D+03`` included; None if it is no number."""
    if "_" in cell:
        return None
    try:
        return float(cell)
    except ValueError:
        pass
    try:
        return float(cell.replace("D", "E").replace("d", "e")) if cell[:1] in "+-.0123456789" else None
    except ValueError:
        return None
