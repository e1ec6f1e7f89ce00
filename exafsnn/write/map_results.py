"""The results folder of a map: its points, the relevance of ranges, the map itself to be used again, figures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

from exafsnn.analyse.map_file import map_bytes
from exafsnn.errors import Finding
from exafsnn.run.maps import Mapped
from exafsnn.run.outcomes import Outcome
from exafsnn.write.results import TABLE_LIMIT, ResultsFolder
from exafsnn.write.tables import Row, Table, scan_facts

MAP = "map.safetensors"
EVERY = "*"
"""What stands in the place of a record in the rows of all spectra together."""
_OUTLIER = "the map cannot tell this spectrum: it is unlike all others"
_RELEVANCE = ("record", "low", "high", "relevance", "space")
_ARTIFICIAL = ("share", "axis", "value")
_COORDINATES = ("x", "y", "z")


class MapFolder(ResultsFolder):
    """A ``ResultsFolder`` that takes a map."""

    def add_map(self, found: Mapped) -> None:
        """Write all that a map tells.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        from exafsnn.write import figures, map_figures

        rows = list(map_rows(found))
        self.add_facts([_facts(outcome, row) for outcome, row in zip(found.outcomes, rows, strict=True)], rows)
        self._write_table("map.csv", map_columns(found.points.shape[1]), rows)
        self._write_table("relevance.csv", _RELEVANCE, relevance_rows(found, self.full))
        self.write_file(MAP, map_bytes(found.map, found.axis, found.limit * (found.map.noise_ or 1.0)))
        self.write_file("map.png", figures.png(map_figures.map_figure(found)))
        self.write_file("relevance.png", figures.png(map_figures.relevance_figure(found)))
        if found.between:
            self._write_table("artificial.csv", _ARTIFICIAL, artificial_rows(found))
            self.write_file("artificial.png", figures.png(map_figures.between_figure(found)))

    def _write_table(self, name: str, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
        stream = io.StringIO()
        Table(stream, columns).write(rows)
        self.write_file(name, stream.getvalue().encode())


def map_rows(found: Mapped) -> Iterator[Row]:
    """A row of ``map.csv`` for each file."""
    number = 0
    for outcome in found.outcomes:
        row: Row = {"file": outcome.file, "record": outcome.record, "status": outcome.status}
        warned = [outcome.reason] if outcome.reason else list(outcome.warnings)
        if not outcome.reason:
            point = found.points[number]
            row |= dict(zip(_coordinates(len(point)), map(float, point), strict=True))
            cluster = int(found.clusters[number])
            row |= {"cluster": cluster + 1 if cluster >= 0 else None, "label": float(found.labels.known[number])}
            row |= {"estimate": float(found.labels.value[number]), "estimate_std": float(found.labels.std[number])}
            row |= {"error": float(found.errors[number]), "outlier": bool(found.outlying[number])}
            for rival in found.rivals:
                names = _coordinates(len(rival.points[number]))
                row |= {
                    f"{rival.name.lower()}_{name}": float(value)
                    for name, value in zip(names, rival.points[number], strict=True)
                }
            if row["outlier"]:
                warned.append(_OUTLIER)
                row["status"] = "warned"
            number += 1
        yield row | {"warnings": "; ".join(warned)}


def map_columns(dimensions: int) -> tuple[str, ...]:
    """The columns of ``map.csv``: those that every map has, and then the further coordinates of one with more."""
    rest = _coordinates(dimensions)[2:]
    return (
        *("file", "record", "x", "y", "cluster", "label", "estimate", "estimate_std", "error", "outlier"),
        *("pca_x", "pca_y", "nmf_x", "nmf_y", "status", "warnings"), *rest,
    )  # fmt: skip


def _coordinates(dimensions: int) -> tuple[str, ...]:
    return (*_COORDINATES, *(f"x{number}" for number in range(4, dimensions + 1)))[:dimensions]


def relevance_rows(found: Mapped, full: bool) -> Iterator[Row]:
    """Rows of ``relevance.csv``: of all spectra together, and then of each, where they are not too many."""
    parts = [(EVERY, found.mean_relevance)]
    if full or len(found.points) <= TABLE_LIMIT:
        names = (f"{item.file}::{item.record}" if item.record else item.file for item in found.used)
        parts += list(zip(names, found.relevance, strict=True))
    for name, values in parts:
        for window, value in zip(found.windows, values, strict=True):
            yield {"record": name, "low": window.low, "high": window.high, "relevance": float(value),
                   "space": window.space}  # fmt: skip


def artificial_rows(found: Mapped) -> Iterator[Row]:
    """Rows of ``artificial.csv``."""
    if found.between:
        for share, row in zip(found.between.shares, found.axis.shown(found.between.rows), strict=True):
            for at, value in zip(found.axis.grid, row, strict=True):
                yield {"share": float(share), "axis": float(at), "value": float(value)}


def _facts(outcome: Outcome, row: Row) -> Row:
    """What ``settings.json`` says of a file."""
    facts = scan_facts(outcome)
    if row.get("outlier"):
        facts["findings"].append(dict(vars(Finding("outlier", "warning", _OUTLIER))))
    return facts | {"status": row["status"]}
