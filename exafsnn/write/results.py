"""The results folder of a run: tables, figures, ``results.h5`` and ``settings.json``, all or nothing.

``Outcome``s come in one by one, so that a long series needs no more memory than a short one. Everything is written
into a hidden folder beside its destination, and renamed into place when the last scan is done: an interrupted run
leaves the earlier results as they were, and so does one in which no scan was done. ``settings.json`` comes last, with
the checksums of the files published with it: ``faults_of`` tells results that were cut off between two files, and the
next run completes them before its own. What an earlier run left is removed only where that list names it, unchanged.
The formats are those of the README; scripts rely on them.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import numpy as np

from exafsnn import __version__
from exafsnn.errors import SettingsError
from exafsnn.files import explained, only_writer, sync, sync_folder, write_whole
from exafsnn.records import ChiK, Prediction
from exafsnn.run.scans import BURST, Outcome
from exafsnn.workers import in_order
from exafsnn.write.archive import Archive
from exafsnn.write.tables import TABLES, Row, Table, chi_table, plain, rdf_tables, scan_facts, summary_rows

_LONG_TABLES = ("rdf.csv", "chi.csv")
TABLE_LIMIT = 1000
"""For more scans the long tables are left out, and samples and copies of the further ones, unless asked for."""
OVERVIEW_LIMIT = 2000
"""The overview shows no more scans."""
FIGURE_LIMIT = 50
"""Of more scans only those get figures of their own in which something is wrong, so many at most, unless asked for."""
_ANSWERS = ("predict", "refine", "series")
"""The commands that answer with RDFs."""
_FILES = {command: {*TABLES[command], "results.h5"} for command in _ANSWERS} | {"preprocess": {*TABLES["preprocess"]}}
_FILES["series"] |= {"transition.json", "report.html"}
"""What each command writes, besides figures and ``settings.json``."""
_MANY_FIGURES = 8
"""So many are drawn by workers."""
_STAGE = ".unfinished-"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a ``settings.json`` that is none may raise."""
_PACKAGES = ("numpy", "scipy", "torch", "xraylarch", "xraydb", "h5py", "matplotlib")


class ResultsFolder:
    """Context manager that collects outcomes and publishes the folder at the end, if nothing went wrong.

    Parameters
    ----------
    folder
        Where the results appear; results of an earlier run of the same command are replaced.
    command
        ``"predict"``, ``"refine"``, ``"series"`` or ``"preprocess"``.
    settings
        Everything that was asked for, for ``settings.json``.
    inputs
        Files besides the scans that the result depends on (references, structures).
    full
        Write the long tables and every figure, however many scans there are.
    figures
        Of so many scans each gets a figure of its own, of more those in which something is wrong, unless ``full``;
        ``FIGURE_LIMIT`` where None.
    workers
        Processes that draw, where there are many figures (``run.scans.measure_scans`` says what they ask for).
    """

    def __init__(
        self,
        folder: str | Path,
        command: str,
        settings: Mapping[str, Any],
        inputs: Iterable[str] = (),
        full: bool = False,
        figures: int | None = None,
        workers: int = 1,
    ) -> None:
        self.folder = Path(folder)
        self._figure_limit = FIGURE_LIMIT if figures is None else figures
        self.command = command
        self.settings = settings
        self.full = full
        self._workers = workers
        self._inputs = dict.fromkeys(inputs)
        self._models: dict[str, None] = {}
        self._figures: dict[str, str] = {}
        self._overview: list[Prediction] = []
        self._predicted, self._overview_step = 0, 1
        self._waiting: list[Outcome] = []
        self._drawings: list[tuple[Outcome, ChiK]] = []
        self.scans: list[Row] = []
        """What is known of each scan so far (``tables.scan_facts``)."""
        self.kept_earlier = False
        """Whether no scan was done, and so the good results of an earlier run were left in their place."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._remove_if_empty)
            with explained(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_writer(self.folder / "settings.json"))
            stack.enter_context(explained(self.folder))
            _settle(self.folder)
            self._earlier = _earlier(self.folder)
            _refuse_other_results(self.folder, self.command, self._earlier)
            self._stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=self.folder))
            stack.callback(shutil.rmtree, self._stage, ignore_errors=True)
            self._open = stack.enter_context(ExitStack())
            self._tables = {
                name: Table(self._open.enter_context(_open(self._stage / name)), columns)
                for name, columns in TABLES[self.command].items()
            }
            if self.command in _ANSWERS:
                self._archive = Archive(self._stage / "results.h5", None if self.full else TABLE_LIMIT)
                self._open.callback(self._archive.close)
            self._held = stack.pop_all()
        return self

    def add(self, outcome: Outcome) -> None:
        """Write one scan into the tables, the archive and the figures, at the latest when the folder is closed.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        self._waiting.append(outcome)
        self.scans.append(scan_facts(outcome))
        if len(self._waiting) >= BURST:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write the scans that wait, together."""
        outcomes, self._waiting = self._waiting, []
        first = self._count - len(outcomes)
        with explained(self.folder):
            for number, outcome in enumerate(outcomes, first):
                self._tables["summary.csv"].write(summary_rows(outcome))
                self._inputs[outcome.file] = None
                if outcome.usable is not None:
                    self._add_details(number, outcome, outcome.usable)
            if self.command in _ANSWERS and outcomes:
                self._archive.add(outcomes, self.scans[first:])
            if self.full and len(self._drawings) > self._figure_limit:
                self._draw()
            elif not self.full and self._count > self._figure_limit:  # of many only those in which something is wrong
                wrong = [item for item in self._drawings if item[0].status != "ok"]
                self._drawings = wrong[: self._figure_limit]

    def write_rows(self, table: str, rows: Iterable[Row]) -> None:
        """Append rows to one of the tables."""
        with explained(self.folder):
            self._tables[table].write(rows)

    def write_file(self, name: str, content: bytes) -> None:
        """Write one more file, to be published with the others."""
        with explained(self.folder):
            (self._stage / name).write_bytes(content)

    def write_arrays(self, group: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write arrays into ``results.h5``."""
        with explained(self.folder):
            self._archive.add_arrays(group, arrays)

    @property
    def _count(self) -> int:
        return len(self.scans)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if kind is None:
                self._write_waiting()
                with explained(self.folder):
                    self._draw()
                self._close()
                self._finish()
            else:
                with suppress(OSError, RuntimeError, ValueError):  # the first error is the one to tell
                    self._close()

    def _close(self) -> None:
        """Close tables and archive; HDF5 tells of a full disk here, and in its own way."""
        try:
            self._open.close()
        except RuntimeError as error:
            raise OSError(str(error)) from error

    def _remove_if_empty(self) -> None:
        with suppress(OSError):
            self.folder.rmdir()

    def _add_details(self, number: int, outcome: Outcome, chi: ChiK) -> None:
        """Write what only a usable scan has."""
        prediction = outcome.prediction
        if number < TABLE_LIMIT or self.full:
            self._tables["chi.csv"].write_long(chi_table(outcome, chi, self.command in _ANSWERS))
            if prediction is not None:
                self._tables["rdf.csv"].write_long(rdf_tables(outcome, prediction.rdf))
        self._drawings.append((outcome, chi))
        if prediction is not None:
            self._models[prediction.model] = None
            self._show_in_overview(prediction)

    def _show_in_overview(self, prediction: Prediction) -> None:
        """Keep what the overview draws of every scan, or of every second, fourth or so where there are very many."""
        if self._predicted % self._overview_step == 0:
            self._overview.append(_slim(prediction))
        self._predicted += 1
        if len(self._overview) > OVERVIEW_LIMIT:
            self._overview, self._overview_step = self._overview[::2], 2 * self._overview_step

    def _draw(self) -> None:
        """Draw the figures that wait; many of them by workers."""
        drawings = []
        for outcome, chi in self._drawings:
            name = _figure_name(outcome, self._figures)
            self._figures[name] = _source(outcome)
            drawings.append((str(self._stage / name), chi, outcome.prediction))
        self._drawings.clear()
        for _ in in_order(_draw_scan, drawings, self._workers if len(drawings) >= _MANY_FIGURES else 1):
            pass

    def _finish(self) -> None:
        """Complete the staged files and move them to their place; good results stay if no scan was done."""
        self.kept_earlier = _any_done(self._earlier) and not _any_done({"scans": self.scans})
        if self.kept_earlier:
            return
        if len(self._overview) > 1:
            from exafsnn.write import figures as plotting

            (self._stage / "overview.png").write_bytes(
                plotting.png(plotting.overview_figure(self._overview, self._overview_step))
            )
        if self._count > TABLE_LIMIT and not self.full:
            for name in _LONG_TABLES:
                (self._stage / name).unlink(missing_ok=True)
        staged = sorted(self._stage.iterdir())
        for path in staged:
            sync(path)
        listed = {path.name: _sha256(path) for path in staged}
        text = json.dumps(plain(self._facts() | {"files": listed}), indent=2, allow_nan=False) + "\n"
        write_whole(self._stage / "settings.json", text.encode())
        _publish(self._stage, self.folder, listed)

    def _facts(self) -> Row:
        """Everything that made the result."""
        return {
            "exafsnn": __version__,
            "command": self.command,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": self.settings,
            "models": list(self._models),
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in _PACKAGES},
            "inputs": [_fingerprint(name) for name in self._inputs],
            "figures": self._figures,
            "scans": self.scans,
        }


_Drawing = tuple[str, ChiK, "Prediction | None"]
"""Where the figure of a scan goes, and what it shows."""


def _draw_scan(drawing: _Drawing) -> None:
    """Draw the figure of a scan into a file; workers import this."""
    from exafsnn.write import figures

    path, chi, prediction = drawing
    Path(path).write_bytes(figures.scan_png(chi, prediction))


def _open(path: Path) -> TextIO:
    return path.open("w", newline="", encoding="utf-8")


def _slim(prediction: Prediction) -> Prediction:
    """Keep of a prediction what the overview draws."""
    chi = replace(prediction.chi, spectrum=None, background=None)
    return replace(prediction.without_samples(), chi=chi)


def _figure_name(outcome: Outcome, taken: Mapping[str, str]) -> str:
    """Safe, unique file name for the figure of a scan."""
    text = "-".join(filter(None, [re.split(r"[/\\]", outcome.file)[-1], outcome.record]))
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", text)[:60].strip("-.") or "scan"
    names = (f"scan-{slug}{f'-{number}' if number > 1 else ''}.png" for number in count(1))
    known = {name.casefold() for name in taken}
    return next(name for name in names if name.casefold() not in known)


def _fingerprint(source: str) -> Row:
    """Name, size and SHA-256 of an input file; null where there is none, as of ``bcc:2.8665``."""
    for name in dict.fromkeys((source, source.partition("::")[0])):
        path = Path(name)
        try:
            if path.is_file():
                return {"file": source, "bytes": path.stat().st_size, "sha256": _sha256(path)}
        except (OSError, ValueError):
            continue
    return {"file": source, "bytes": None, "sha256": None}


def faults_of(folder: str | Path) -> list[str]:
    """What is wrong with a results folder: one sentence each, none if it is whole.

    Results are whole when ``settings.json`` is there and every file that it lists has the checksum that it gives.
    """
    folder = Path(folder)
    try:
        listed = _listed(folder)
    except _UNREADABLE as error:
        return [f"settings.json cannot be read, or lists no files: {type(error).__name__} {error}"]
    faults = []
    for name, checksum in listed.items():
        path = folder / Path(name).name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif _sha256(path) != checksum:
            faults.append(f"{name} is not the one that settings.json lists")
    return faults


def _listed(folder: Path) -> dict[str, str]:
    """Checksums by name of the files that were published with the folder's ``settings.json``."""
    facts = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    return {str(name): str(checksum) for name, checksum in facts["files"].items()}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _settle(folder: Path) -> None:
    """Complete what a killed run was publishing, and remove what others left unfinished."""
    for stage in sorted(folder.glob(f"{_STAGE}*")):
        try:
            listed = _listed(stage)
        except _UNREADABLE:
            listed = {}  # it had not come to publishing
        if listed:
            _publish(stage, folder, listed)
        shutil.rmtree(stage, ignore_errors=True)


def _publish(stage: Path, folder: Path, listed: Mapping[str, str]) -> None:
    """Move every staged file to its place, ``settings.json`` last, and remove what an earlier run left.

    All of it is on the disk before. Killed half way, it is done by the next run: what ``settings.json`` lists is either
    still staged or in its place.
    """
    _remove_stale(folder, set(listed))
    for name in [*sorted(path.name for path in stage.iterdir() if path.name in listed), "settings.json"]:
        (stage / name).replace(folder / name)
    sync_folder(folder)


def _remove_stale(folder: Path, fresh: set[str]) -> None:
    """Remove what an earlier run of ours wrote and this one does not replace; what somebody changed since stays."""
    listed = (_earlier(folder) or {}).get("files", {})
    for name in set(listed) - fresh:
        path = folder / name
        if path.name == name and path.is_file() and _sha256(path) == listed[name]:
            path.unlink()


def _earlier(folder: Path) -> Row | None:
    """What the ``settings.json`` of earlier results says; None where there is none.

    Raises
    ------
    SettingsError
        If that file is not one of ours: nobody asked us to replace it.
    """
    path = folder / "settings.json"
    if not path.exists():
        return None
    with suppress(*_UNREADABLE):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(facts["exafsnn"], str) and isinstance(facts["command"], str):
            return dict(facts) | {"files": dict(facts.get("files", {})), "scans": list(facts.get("scans", []))}
    reason = "this file is not from exafsnn, or damaged, and is not replaced"
    raise SettingsError(reason, where=str(path), remedy="Write elsewhere with -o, or move it away")


def _refuse_other_results(folder: Path, command: str, earlier: Row | None) -> None:
    """Refuse a folder with another command's results, of which some would not be replaced by this one's."""
    other = earlier["command"] if earlier else command
    if other != command and not _FILES.get(other, {other}) <= _FILES[command]:
        reason = f"the folder holds results of exafsnn {other}, which those of {command} would not wholly replace"
        raise SettingsError(reason, where=str(folder), remedy="Write elsewhere with -o, or remove that folder")


def _any_done(facts: Row | None) -> bool:
    """Whether a run did any scan."""
    scans = facts["scans"] if facts else []
    return any(isinstance(scan, dict) and scan.get("status") != "rejected" for scan in scans)


def _source(outcome: Outcome) -> str:
    return f"{outcome.file}::{outcome.record}" if outcome.record else outcome.file
