"""What the commands show and return: the table for people, JSON, warnings, the exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from exafsnn.run.outcomes import Outcome
    from exafsnn.write.results import ResultsFolder
    from exafsnn.write.tables import Row

    from .progress import Work

_SHOWN = 10
"""Scans whose particles are told on the screen."""
WHERE_KNOWN = ("all N", "x", "α", "metal", "Δχ²")
"""Columns of the table that are left out where no scan has any of it."""
_OF_SCAN = frozenset(("status", "metal", "lattice", "a (Å)", "density (g/cm³)", "ΔE₀ (eV)", "S₀²", "R-factor", "fit"))
"""Columns of what a scan's rows share: each is said once."""
_ALWAYS = ("exchangeable",)
"""Notes that are told unasked: without them a number is not what it seems."""
DONE = ("ok", "warned")
"""Scans of another status, foreign or rejected, have no numbers."""
_COLOURS = {
    "ok": "green", "explains": "green", "warned": "yellow", "misses": "yellow", "foreign": "red", "rejected": "red",
}  # fmt: skip
"""Of words in the table: states of scans, and how well answers explain them."""
DEFECT, USAGE, SOME_REJECTED, NONE_DONE, INTERRUPTED = 1, 2, 3, 4, 130


_VERBOSE = "exafsnn.verbose"
"""Where click's context keeps whether notes are told."""


class DefectsError(Exception):
    """Tracebacks of scans that failed by a fault of ours; the others are done."""


def show_scans(
    outcomes: Callable[..., Iterable[Outcome]],
    folder: ResultsFolder,
    columns: Mapping[str, Callable[[Row], str]],
    as_json: bool,
    work: Work,
    of_folders: Collection[str] = (),
) -> int:
    """Write the outcomes into the folder, show them, and return the exit code.

    Parameters
    ----------
    outcomes
        What yields them, but for those ``done`` already.
    folder
        Where the results go, not opened yet.
    columns
        The table for people: what makes the cell of a row of ``summary.csv``, by heading.
    as_json
        Print one JSON document instead of the table.
    work
        What is told while it works.
    of_folders
        Files of folders that were given whole: what is no scan is left out of the results, and told.

    Raises
    ------
    DefectsError
        If a scan failed by a fault of ours, when the others are done.
    """
    from exafsnn.run.outcomes import is_left_out

    shown, passed = Shown(work.told), []
    try:
        with work, folder:
            if folder.done:
                click.echo(f"Going on: an interrupted run has done {len(folder.scans)} scans", err=True)
                shown.add_done(folder)
            try:
                for outcome in outcomes(done=folder.done):
                    if is_left_out(outcome, of_folders):
                        passed.append(outcome)
                        continue
                    folder.add(outcome)
                    shown.add(outcome)
                    work.finished(outcome)
            except KeyboardInterrupt:
                click.echo("Interrupted; what is done of many scans is being kept", err=True)
                raise
    finally:
        if folder.kept:
            click.echo(f"{folder.kept} scans are done, and kept in {folder.folder}: the same command goes on", err=True)
    tell_left_out(passed)
    return shown.show(folder, columns, as_json)


def tell_left_out(outcomes: Iterable[Outcome]) -> None:
    """Say on stderr which files of folders are no scans, and why."""
    _print_of_scans((outcome.file, f"no scan, left out: {outcome.reason}") for outcome in outcomes)


class Shown:
    """What a run has to say, scan by scan.

    Parameters
    ----------
    told
        Scans and their warnings that were told as they were done.
    """

    def __init__(self, told: Collection[tuple[str, str]] = ()) -> None:
        self._told = told
        self._rows: list[Row] = []
        self._defects: dict[str, None] = {}
        self._done: list[bool] = []

    def add(self, outcome: Outcome, **more: Any) -> None:
        """Note one scan; ``more`` is for its cells in the table."""
        from exafsnn.write.tables import summary_rows

        self._rows.extend(row | more for row in summary_rows(outcome))
        self._done.append(outcome.status in DONE)
        if outcome.defect:
            self._defects[outcome.defect] = None

    def add_done(self, folder: ResultsFolder) -> None:
        """Note the scans that are in a folder already."""
        self._rows.extend(folder.rows)
        self._done.extend(scan["status"] in DONE for scan in folder.scans)

    def show(
        self, folder: ResultsFolder, columns: Mapping[str, Callable[[Row], str]], as_json: bool, **more: Any
    ) -> int:
        """Print all of it, and return the exit code; ``more`` is for the JSON document.

        Raises
        ------
        DefectsError
            If a scan failed by a fault of ours.
        """
        from exafsnn.write.tables import plain

        if as_json:
            written = {"results": str(folder.folder), "written": not folder.kept_earlier}
            document = written | {"summary": self._rows, "scans": folder.scans} | more
            click.echo(json.dumps(plain(document), indent=2, allow_nan=False))
        else:
            cells = {name: [cell(row) for row in self._rows] for name, cell in columns.items()}
            scans = [scan_of(row) for row in self._rows]
            cells |= {name: _once(column, scans) for name, column in cells.items() if name in _OF_SCAN}
            shown = {name: column for name, column in cells.items() if name not in WHERE_KNOWN or any(column)}
            print_table(list(shown), zip(*shown.values(), strict=True))
        _print_warnings(row for row in self._rows if (scan_of(row), row["warnings"]) not in self._told)
        _print_notes(folder.scans)
        _print_particles(folder.scans)
        if folder.dropped:
            said = f"{folder.dropped} scans that an interrupted run of other scans or settings had kept were removed"
            click.echo(said, err=True)
        if folder.kept_earlier:
            click.echo(f"No scan was done, so {folder.folder} was left as it was, with the earlier results", err=True)
        else:
            click.echo(f"Results are in {folder.folder}", err=True)
            if count := folder.not_exported:
                said = "1 χ(k) file is" if count == 1 else f"{count} χ(k) files are"
                click.echo(f"{said} not in the exported project, which holds μ(E): give the raw scans", err=True)
        if self._defects:
            raise DefectsError("\n".join(self._defects))
        return 0 if self._done and all(self._done) else SOME_REJECTED if any(self._done) else NONE_DONE


def show_rows(folder: ResultsFolder, columns: Mapping[str, Callable[[Row], str]], as_json: bool) -> int:
    """Show what is in a folder of results, and return the exit code."""
    shown = Shown()
    shown.add_done(folder)
    return shown.show(folder, columns, as_json)


def _once(cells: Sequence[str], scans: Sequence[str]) -> list[str]:
    """Cells without those that the row before, of the same scan, has, too."""
    before = [("", ""), *zip(scans, cells, strict=True)]
    return ["" if item == last else item[1] for last, item in pairwise(before)]


def print_table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Columns as wide as they need: words on the left, numbers on the right."""
    from exafsnn.write.tables import printable

    columns = [_aligned([printable(cell) for cell in column]) for column in zip(*[headings, *lines], strict=True)]
    for line in zip(*columns, strict=True):
        click.echo("  ".join(map(_coloured, line)).rstrip())


def _coloured(cell: str) -> str:
    """A cell in the colour of what it says, on a terminal; click leaves that out elsewhere."""
    said = cell.rstrip()
    colour = _COLOURS.get(said.split(" ")[0].strip(":"))
    return click.style(said, fg=colour) + cell[len(said) :] if colour else cell


def _aligned(column: Sequence[str]) -> list[str]:
    """Cells of equal width; the first is the heading."""
    width = max(map(len, column))
    numeric = all(cell[:1] in "+-0123456789" for cell in column[1:])
    return [cell.rjust(width) if numeric else cell.ljust(width) for cell in column]


def remember_verbose(context: click.Context, _: click.Parameter, verbose: bool) -> None:
    """Keep whether notes are told: all that commands show passes here, so none needs to hand it on."""
    context.meta[_VERBOSE] = verbose


def is_verbose() -> bool:
    """Whether notes, and each finished scan, are to be told."""
    context = click.get_current_context(silent=True)
    return bool(context and context.meta.get(_VERBOSE))


def _print_warnings(rows: Iterable[Row]) -> None:
    """Say on stderr what was found doubtful."""
    _print_of_scans((scan_of(row), f"{row['status']}: {row['warnings']}") for row in rows if row["warnings"])


def _print_notes(scans: Iterable[Row]) -> None:
    """Say on stderr what changes no number, if asked; some of it at once."""
    asked = is_verbose()
    notes = ((scan_of(scan), item) for scan in scans for item in scan["findings"] if item["severity"] == "note")
    told = ((name, item) for name, item in notes if asked or item["name"] in _ALWAYS)
    _print_of_scans((name, f"note: {item['message']}") for name, item in told)


def _print_of_scans(said: Iterable[tuple[str, str]]) -> None:
    """Print each sentence once, after the scans that it concerns."""
    from exafsnn.write.tables import printable

    scans: dict[str, dict[str, None]] = {}
    for name, sentence in said:
        scans.setdefault(sentence, {})[name] = None
    for sentence, names in scans.items():
        others = f" and {len(names) - 3} more" if len(names) > 3 else ""
        click.echo(printable(f"{', '.join(list(names)[:3])}{others}: {sentence}"), err=True)


def _print_particles(scans: Iterable[Row]) -> None:
    """Say on stderr how large the particles are: of the first scans in which N tells them from the bulk."""
    from exafsnn.write.tables import printable

    told = [(scan, item) for scan in scans for item in scan["findings"] if item["name"] == "particles"]
    for scan, item in told[:_SHOWN]:
        click.echo(printable(f"{scan_of(scan)}: {item['message']}"), err=True)
    if told:
        more = f"Those of {len(told) - _SHOWN} scans more are in particles.csv. " if len(told) > _SHOWN else ""
        click.echo(f"{more}{told[0][1]['remedy']}", err=True)


def scan_of(row: Row) -> str:
    """Scan as its user would name it."""
    return f"{row['file']}::{row['record']}" if row["record"] else str(row["file"])


def number(name: str, digits: int) -> Callable[[Row], str]:
    """Make the cell of a number: ``2.651 ± 0.005``, alone if it has no error, empty if nothing is known."""

    def cell(row: Row) -> str:
        value, std = row.get(name), row.get(f"{name}_std")
        if value is None or value != value:
            return ""
        spread = "" if std is None else f" ± {std:.{digits}f}" if std == std else " ± unknown"
        return f"{value:.{digits}f}{spread}"

    return cell


def text(name: str) -> Callable[[Row], str]:
    """Make the cell of a word."""
    return lambda row: str(row.get(name, ""))
