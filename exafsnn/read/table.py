"""What every recogniser returns: the columns of one scan as numbers, not yet interpreted.

The recognisers, one for each format, make tables; ``scan.py`` turns them into spectra.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.records import Array


def few(items: Sequence[str], most: int = 8) -> str:
    """Begin of a list, for messages."""
    return ", ".join(items[:most]) + (", …" if len(items) > most else "")


@dataclass(frozen=True)
class Table:
    """Columns of one scan, as its file gives them."""

    source: str
    """The file, as its user named it."""
    layout: str
    """Name of the format, for messages."""
    names: tuple[str, ...]
    """(c) column names as written; empty where the file gives none."""
    units: tuple[str, ...]
    """(c) column units as written; mostly empty."""
    data: Array
    """(n, c) numbers."""
    lines: tuple[int, ...] = ()
    """(n) line numbers of the rows, from 1; empty where rows are no lines."""
    record: str = ""
    """Record within a multi-record file."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Header fields as text, keys as written."""
    findings: tuple[Finding, ...] = ()
    fault: ScanError | None = None
    """Why this record cannot be used, where the others of its file can."""
    mode: str = ""
    """``"transmission"``, ``"fluorescence"`` or ``"electron yield"``, where the file says how it was measured."""

    @property
    def where(self) -> str:
        """File and record, for messages."""
        return f"{self.source}::{self.record}" if self.record else self.source

    def place(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.where}, line {self.lines[row]}" if self.lines else f"{self.where}, point {row + 1}"

    def column(self, indices: Sequence[int]) -> Array:
        """Sum of columns (n,), all finite.

        Raises
        ------
        ScanError
            If a value is not finite.
        """
        if not self._is_finite and len(bad := np.argwhere(~np.isfinite(self.data[:, list(indices)]))):
            row, index = int(bad[0][0]), indices[int(bad[0][1])]
            raise ScanError(
                f"column {index + 1} holds {self.data[row, index]}, not a finite number",
                where=self.place(row),
                remedy="Delete or repair that point; nothing is dropped silently",
            )
        if len(indices) == 1:
            return self.data[:, indices[0]] + 0.0
        total: Array = self.data[:, list(indices)].sum(axis=1)
        return total

    @cached_property
    def _is_finite(self) -> bool:
        return bool(np.isfinite(self.data).all())

    def field(self, *keys: str) -> str | None:
        """First header field among ``keys`` (in any case of letters) that is there and not empty."""
        return next((self._fields[key] for key in keys if self._fields.get(key)), None)

    @cached_property
    def _fields(self) -> dict[str, str]:
        return {key.casefold(): value.strip() for key, value in self.metadata.items()}

    @property
    def seen(self) -> str:
        """What the file shows of its columns, for messages."""
        names = ", ".join(f"{number} {name or '?'}" for number, name in enumerate(self.names[:12], 1))
        return f"{len(self.names)} columns ({names}{', …' if len(self.names) > 12 else ''})"


def faulty(source: str, record: str, fault: ScanError) -> Table:
    """Table of a record that cannot be used: it has a name and a fault, no columns."""
    return Table(source, "", (), (), np.empty((0, 0)), record=record, fault=fault)
