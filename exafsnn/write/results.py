"""The results folder of a run: tables, figures, ``results.h5`` and ``settings.json``, all or nothing.

``Outcome``s come in one by one, so that a long series needs no more memory than a short one. Everything is written
into a hidden folder beside its destination, and renamed into place when the last scan is done: an interrupted run
leaves the earlier results as they were, and so does one in which no scan was done. What an interrupted run of many
scans has done is ``kept``, for the same run to go on from. ``settings.json`` comes last, with
the checksums of the files published with it: ``faults_of`` tells results that were cut off between two files, and the
next run completes them before its own. What an earlier run left is removed only where that list names it, unchanged.
The formats are those of ``docs/commands.md``; scripts rely on them.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from importlib import metadata
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np

from exafsnn import __version__
from exafsnn.errors import ExafsnnError, SettingsError
from exafsnn.files import explained, only_writer, sha256_of, sync, sync_folder, write_whole
from exafsnn.run.outcomes import Outcome
from exafsnn.run.samples import label_of, split_name
from exafsnn.run.scans import BURST
from exafsnn.settings import Exports
from exafsnn.workers import Tell, in_order, silent, undisturbed
from exafsnn.write.archive import Archive, densities
from exafsnn.write.athena import PROJECT, Project
from exafsnn.write.columns import column_files, wavelet_png
from exafsnn.write.kept import UNREADABLE, Progress, fingerprint, is_kept, keep, scans_kept, take_up
from exafsnn.write.nexus import write_nexus
from exafsnn.write.tables import (
    SIMULATED,
    TABLES,
    Row,
    Table,
    average_rows,
    average_tables,
    chi_tables,
    compare_rows,
    json_lines,
    particle_rows,
    rdf_tables,
    scan_facts,
    summary_rows,
    tells_pairs,
    whole,
)

if TYPE_CHECKING:
    from exafsnn.analyse.shell_fits import ShellFit
    from exafsnn.simulate.average import Average

_LONG_TABLES = ("rdf.csv", "chi.csv")
PAGE = "report.html"
"""What a person opens first."""
_OF_STANDARD = "particles.csv"
"""The table that there is only with a standard …"""
_OF_PAIRS = "pairs.csv"
"""… and the one that there is only of models that tell several pairs."""
TABLE_LIMIT = 1000
"""For more scans the long tables are left out, and samples and copies of the further ones, unless asked for."""
OVERVIEW_LIMIT, OVERVIEW_LINES = 2000, 30
"""The overview shows no more scans, and more than a few as an image."""
FIGURE_LIMIT = 50
"""Of more scans only those get figures of their own in which something is wrong, so many at most, unless asked for."""
_ANSWERS = ("predict", "refine", "series", "compare")
"""The commands that answer with RDFs."""
_FILES = {command: {*TABLES[command], "results.h5"} for command in _ANSWERS} | {"preprocess": {*TABLES["preprocess"]}}
_FILES["average"] = {*TABLES["average"], "average.png"}
_FILES["map"] = {"map.csv", "relevance.csv", "map.safetensors", "map.png", "relevance.png"}
_FILES["series"] |= {"transition.json"}
for _command in _ANSWERS:
    _FILES[_command] |= {PAGE}
"""What each command writes, besides figures and ``settings.json``."""
_NOTHING_DONE = "Nothing was touched"
_WAITING = "The new results wait beside it, and the next run into this folder puts them in their place"
_FROM_EARLIER = (
    "Results of an earlier run wait in {stage} there: the next run puts them in their place, unless that folder goes"
)
_MANY_FIGURES = 8
"""So many are drawn by workers."""
_STAGE = ".unfinished-"
_PACKAGES = ("numpy", "scipy", "torch", "xraylarch", "xraydb", "h5py", "matplotlib")


class ResultsFolder:
    """Context manager that collects outcomes and publishes the folder at the end, if nothing went wrong.

    Parameters
    ----------
    folder
        Where the results appear; results of an earlier run of the same command are replaced.
    command
        ``"predict"``, ``"refine"``, ``"series"``, ``"compare"``, ``"preprocess"``, ``"average"`` or
        ``"map"``.
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
    exports
        Files for other programs, besides.
    progress
        Told of figures.
    sources
        The scans that are asked for. Where they are told, what is done of many is kept if the run is interrupted, and
        ``done`` when it is started again; else nothing is.
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
        sources: Sequence[str] | None = None,
        exports: Exports | None = None,
        progress: Tell = silent,
    ) -> None:
        self.folder = Path(folder)
        self._figure_limit = FIGURE_LIMIT if figures is None else figures
        self.command = command
        self.settings = settings
        self.full = full
        self._workers, self._tell = workers, progress
        self._given = tuple(dict.fromkeys(inputs))
        self._sources, self._exports = sources, exports or Exports()
        self._project: Project | None = None
        self._progress = Progress([], [], {}, [], {}, {})
        self._waiting: list[Outcome] = []
        self._whole = True
        self._drawings: list[Outcome] = []
        self.done: Counter[tuple[str, str]] = Counter()
        """Scans by file and record that were done by an interrupted run of which this one is the rest."""
        self._others: list[Path] = []
        self.dropped = 0
        """Kept scans of other runs, which this one could not go on from, that were removed for its results."""
        self.kept = 0
        """Scans that are done, and kept for this run to go on if it is started again: it was interrupted."""
        self.kept_earlier = False
        """Whether no scan was done, and so the good results of an earlier run were left in their place."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._remove_if_empty)
            with explained(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_writer(self.folder / "settings.json"))
            stack.enter_context(explained(self.folder))
            self._progress.inputs |= {name: fingerprint(name) for name in self._given}
            left = _settle(self.folder)
            self._earlier = _earlier(self.folder)
            _refuse_other_results(self.folder, self.command, self._earlier)
            _refuse_strangers(self.folder, self._files_due(), self._earlier, _NOTHING_DONE)
            self._stage = self._taken_up(left) or Path(tempfile.mkdtemp(prefix=_STAGE, dir=self.folder))
            stack.callback(self._remove_stage)
            self._open = stack.enter_context(ExitStack())
            self._tables = {
                name: Table(self._open.enter_context(_open(self._stage / name)), columns)
                for name, columns in TABLES[self.command].items()
                if name in self._tables_due()
            }
            if self.command in _ANSWERS:
                self._archive = Archive(self._stage / "results.h5", None if self.full else TABLE_LIMIT)
                self._open.callback(self._archive.close)
            if "athena" in self._exports.names:
                self._project = Project(self._stage)
                self._open.callback(self._project.close)
            self._held = stack.pop_all()
        return self

    def _tables_due(self) -> set[str]:
        """What this run is going to write, besides figures and ``settings.json``."""
        return _FILES[self.command] - (set() if self.settings.get("structure") else {_OF_STANDARD})

    def _files_due(self) -> set[str]:
        """What it is going to write, figures included as far as their names are known before."""
        sources = list(dict.fromkeys(self._sources or ()))
        drawn = sources if self.full or len(sources) <= self._figure_limit else ()
        figures: dict[str, str] = {}
        for source in drawn:
            figures[_figure_name(*split_name(source), figures)] = source
        exported = {PROJECT} if "athena" in self._exports.names else set()
        return (self._tables_due() - {_OF_PAIRS}) | figures.keys() | exported  # whether it has rows is not known before

    def add(self, outcome: Outcome) -> None:
        """Write one scan into the tables, the archive and the figures, at the latest when the folder is closed.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        self._waiting.append(outcome)
        if len(self._waiting) >= BURST:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Write the scans that wait, together: all or none of them, if the run is interrupted."""
        outcomes, first = self._waiting, self._count
        self._whole = False
        with explained(self.folder), undisturbed():
            for number, outcome in enumerate(outcomes, first):
                self._progress.scans.append(scan_facts(outcome))
                rows = list(summary_rows(outcome))
                self._progress.rows.extend(rows)
                self._tables["summary.csv"].write(whole(rows))
                if _OF_PAIRS in self._tables:
                    self._tables[_OF_PAIRS].write(filter(tells_pairs, rows))
                for scan in outcome.parts or (outcome,):
                    if scan.file not in self._progress.inputs:
                        self._progress.inputs[scan.file] = fingerprint(scan.file, scan.stamp)
                if outcome.edges:
                    self._add_details(number, outcome)
            if self._project:
                self._project.add(edge.chi for outcome in outcomes for edge in outcome.edges if edge.chi)
            if self.command in _ANSWERS and outcomes:
                self._archive.add(outcomes, self.scans[first:])
            if self.full and len(self._drawings) > self._figure_limit:
                self._draw()
            elif not self.full and self._count > self._figure_limit:  # of many only those in which something is wrong
                wrong = [outcome for outcome in self._drawings if outcome.status != "ok"]
                self._drawings = wrong[: max(self._figure_limit - len(self._progress.figures), 0)]
            self._waiting, self._whole = [], True

    def add_average(self, file: str, average: Average) -> None:
        """Write what a trajectory says into the tables and a figure.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        from exafsnn.write import figures

        rows = list(average_rows(file, average))
        chi, rdf = average_tables(file, average)
        told = {name: getattr(average, name) for name in ("frames", "sites", "settings")}
        findings = [dict(vars(finding)) for finding in average.findings]
        scan = {"file": file, "record": SIMULATED, "status": rows[0]["status"], "findings": findings}
        with explained(self.folder):
            self._progress.scans.append(scan | {"simulated": True, **told})
            self._progress.rows.extend(rows)
            self._tables["summary.csv"].write(rows)
            self._tables["chi.csv"].write_long(chi)
            self._tables["rdf.csv"].write_long(rdf)
            (self._stage / "average.png").write_bytes(figures.png(figures.average_figure(file, average)))
        self._progress.figures["average.png"] = file

    def add_facts(self, scans: Iterable[Row], rows: Iterable[Row]) -> None:
        """Note files that are no outcomes of their own tables: what is known of each, and its row on the screen."""
        for scan in scans:
            self._progress.scans.append(scan)
            if scan["file"] not in self._progress.inputs:
                self._progress.inputs[scan["file"]] = fingerprint(scan["file"])
        self._progress.rows.extend(rows)

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
    def not_exported(self) -> int:
        """χ(k) files that are not in the project, which holds μ(E)."""
        return self._project.left_out if self._project else 0

    @property
    def scans(self) -> list[Row]:
        """What is known of each scan so far (``tables.scan_facts``)."""
        return self._progress.scans

    @property
    def rows(self) -> list[Row]:
        """A row per range so far: those of ``summary.csv``, and of what has no distance (``tables.whole``)."""
        return self._progress.rows

    @property
    def _count(self) -> int:
        return len(self.scans)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            try:
                if kind is None:
                    self._complete()
            except BaseException:
                self._keep()
                raise
            if kind is not None:
                self._keep()

    def _complete(self) -> None:
        """Write and draw all that waits, and publish the results."""
        self._write_waiting()
        with explained(self.folder):
            self._draw()
            if self._project:
                self._project.finish()
        self._open.close()
        self._finish()

    def _keep(self) -> None:
        """Close what is open, for the run has ended before its time; keep what it has done of many scans."""
        first_error_is_told = suppress(ExafsnnError, OSError, RuntimeError, ValueError)
        with first_error_is_told, undisturbed(), self._open:
            if self._sources is None or not self._whole or (self._stage / "settings.json").exists():
                return
            self._write_waiting()
            if self._count > self._figure_limit:
                self._draw()
                self._open.close()
                keep(self._stage, self._asked(), self._progress)
                self.kept = self._count

    def _asked(self) -> Row:
        """What has to be the same for a run to go on from another."""
        limits = {"full": self.full, "figures": self._figure_limit, "exports": self._exports.to_mapping()}
        given = [self._progress.inputs[name] for name in self._given]
        return {"command": self.command, "settings": self.settings, **_versions(), **limits, "inputs": given}

    def _taken_up(self, left: Iterable[Path]) -> Path | None:
        """Of what other runs left unfinished the folder of which this one is the rest.

        What was kept for another run stays until this one publishes; what nobody can use is removed.
        """
        found = None
        for stage in left:
            progress = take_up(stage, self._asked(), self._sources) if self._sources and not found else None
            if progress:
                self._progress, self.done, found = progress, progress.done, stage
            elif is_kept(stage):
                self._others.append(stage)
            else:
                shutil.rmtree(stage, ignore_errors=True)
        return found

    def _remove_stage(self) -> None:
        """Remove what is of no use; what is half published is for the next run to complete."""
        if not self.kept and not (self._stage / "settings.json").exists():
            shutil.rmtree(self._stage, ignore_errors=True)

    def _remove_if_empty(self) -> None:
        with suppress(OSError):
            self.folder.rmdir()

    def _add_details(self, number: int, outcome: Outcome) -> None:
        """Write what only a usable scan has."""
        if number < TABLE_LIMIT or self.full:
            self._tables["chi.csv"].write_long(chi_tables(outcome, self.command in _ANSWERS))
            if outcome.is_answered:
                self._tables["rdf.csv"].write_long(rdf_tables(outcome))
            for edge in outcome.edges:
                self._add_files(edge)
        self._drawings.append(outcome)
        if _OF_STANDARD in self._tables:
            scan = {"file": outcome.file, "record": outcome.record}
            self._tables[_OF_STANDARD].write(scan | row for row in particle_rows(outcome))
        if self.command == "compare":
            self._tables["compare.csv"].write(compare_rows(outcome))
            self._add_paths(outcome)
        for edge in outcome.edges:
            if edge.prediction and edge.prediction.model not in self._progress.models:
                self._progress.models.append(edge.prediction.model)

    def _add_files(self, edge: Outcome) -> None:
        """Write the files of columns of a scan, and the figure of its wavelet map, where these were asked for."""
        if edge.chi is None or not {"columns", "nexus", "wavelet"} & set(self._exports.names):
            return
        name = _free_name(edge.file, edge.record, self._progress.exported)
        self._progress.exported[name] = _source(edge)
        if "columns" in self._exports.names:
            for file, text in column_files(name, edge.chi, edge.prediction, self._exports):
                (self._stage / file).write_text(text, encoding="utf-8")
        if "nexus" in self._exports.names:
            write_nexus(self._stage / f"{name}.nxs", edge.chi, edge.prediction)
        if "wavelet" in self._exports.names:
            picture = wavelet_png(edge.chi, self._exports.kweights[0])
            (self._stage / f"wavelet-{name}.png").write_bytes(picture)

    def _add_paths(self, outcome: Outcome) -> None:
        """Write the files of the paths that were fitted; scans of one model share them."""
        for edge in outcome.edges:
            for path in edge.fit.paths if edge.fit else ():
                file = self._stage / f"feff-{path.absorber}-{path.edge}-{path.scatterer}-{path.r:.2f}.dat"
                if not file.exists():
                    file.write_text(path.text(f"{path.absorber}-{path.scatterer} by {edge.model}"), encoding="ascii")

    def _draw(self) -> None:
        """Draw the figures that wait; many of them by workers."""
        named = dict(self._progress.figures)
        drawings: list[tuple[str, Outcome, ShellFit | None]] = []
        for outcome in self._drawings:
            whole = len(outcome.edges) > 1 and outcome.is_answered
            for shown in [outcome] if whole else outcome.edges:
                name = _figure_name(shown.file, shown.record, named)
                named[name] = _source(shown)
                drawings.append((str(self._stage / name), shown, None))
            for shown in outcome.edges:
                if shown.fit:
                    name = _figure_name(shown.file, shown.record, named, "compare")
                    named[name] = _source(shown)
                    drawings.append((str(self._stage / name), shown, shown.fit))
        for drawing in drawings[:1]:  # workers that are copies of this process then have matplotlib and a canvas
            _draw_scan(drawing)
        rest = in_order(_draw_scan, drawings[1:], self._workers if len(drawings) >= _MANY_FIGURES else 1)
        for number, _ in enumerate(rest, start=2):
            self._tell(number, len(drawings), "figures drawn")
        self._progress.figures = named
        self._drawings.clear()

    def _finish(self) -> None:
        """Complete the staged files and move them to their place; good results stay if no scan was done."""
        self.kept_earlier = _any_done(self._earlier) and not _any_done({"scans": self.scans})
        if self.kept_earlier:
            return
        if self._count > TABLE_LIMIT and not self.full:
            for name in _LONG_TABLES:
                (self._stage / name).unlink(missing_ok=True)
        if not any(map(tells_pairs, self.rows)):
            (self._stage / _OF_PAIRS).unlink(missing_ok=True)
        with ThreadPoolExecutor(4) as aside:  # disk and checksums need no Python meanwhile
            written = sorted(self._stage.iterdir())
            checksums = aside.map(_on_disk, written)
            drawn = [*self._draw_overview(), *self._write_page()]
            listed = {path.name: checksum for path, checksum in zip(written, checksums, strict=True)}
        listed |= {path.name: _on_disk(path) for path in drawn}
        write_whole(self._stage / "settings.json", json_lines(self._facts() | {"files": listed}).encode())
        _publish(self._stage, self.folder, listed)
        for other in self._others:
            self.dropped += scans_kept(other)
            shutil.rmtree(other, ignore_errors=True)

    def _draw_overview(self) -> list[Path]:
        """Draw the RDFs of all scans: of few as lines, of many as an image, made of what the archive holds."""
        shown = densities(self._stage / "results.h5", OVERVIEW_LIMIT) if self.command in _ANSWERS else None
        if shown is None or len(shown.names) < 2:
            return []
        with undisturbed():  # an import that is cut short fails in its own way
            from exafsnn.write import figures as plotting
        if len(shown.names) <= OVERVIEW_LINES:
            names = [(label_of(file), record) for file, record in shown.names]
            figure = plotting.overview_figure(names, shown.r, shown.density, shown.pair)
        else:
            figure = plotting.overview_image(shown.r, shown.density, shown.pair, shown.step)
        path = self._stage / "overview.png"
        path.write_bytes(plotting.png(figure))
        return [path]

    def _write_page(self) -> list[Path]:
        """The page of answers, but for a series, which writes its own."""
        path = self._stage / PAGE
        if self.command not in _ANSWERS or path.exists():
            return []
        with undisturbed():
            from exafsnn.write.scans_page import scans_page
        asked = {"settings": self.settings, "models": self._progress.models}
        path.write_text(
            scans_page(self.command, self.scans, self.rows, self._stage / "results.h5", asked), encoding="utf-8"
        )
        return [path]

    def _facts(self) -> Row:
        """Everything that made the result."""
        return {
            **_versions(),
            "command": self.command,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": self.settings,
            "exports": self._exports.to_mapping(),
            "models": self._progress.models,
            "inputs": list(self._progress.inputs.values()),
            "figures": self._progress.figures,
            "scans": self.scans,
        }


def _draw_scan(drawing: tuple[str, Outcome, ShellFit | None]) -> None:
    """Draw the figure of a scan or sample into a file, or of its answer beside a fit; workers import this."""
    from exafsnn.write import figures

    path, shown, fit = drawing
    if shown.prediction and fit:
        content = figures.png(figures.compare_figure(shown.prediction, fit))
    elif shown.parts:
        predictions = [edge.prediction for edge in shown.edges if edge.prediction]
        content = figures.png(figures.sample_figure(shown.title, predictions))
    elif shown.chi:
        content = figures.scan_png(shown.chi, shown.prediction)
    Path(path).write_bytes(content)


def _on_disk(path: Path) -> str:
    """Bring a file onto the disk, and give its checksum."""
    sync(path)
    return sha256_of(path)


def _versions() -> Row:
    """Of this program, and of what it builds on."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"exafsnn": __version__, "versions": {"python": platform.python_version()} | packages}


def _open(path: Path) -> TextIO:
    return path.open("a", newline="", encoding="utf-8")


def _figure_name(file: str, record: str, taken: Mapping[str, str], kind: str = "scan") -> str:
    """Safe, unique file name for the figure of a scan or sample."""
    return _free_name(file, record, taken, f"{kind}-{{}}.png")


def _free_name(file: str, record: str, taken: Mapping[str, str], form: str = "{}") -> str:
    """Safe, unique name for a scan or sample by a form, such as ``"scan-{}.png"``."""
    text = "-".join(filter(None, [label_of(file), record]))
    slug = re.sub(r"[^A-Za-z0-9._]+", "-", text)[:60].strip("-.") or "scan"
    names = (form.format(f"{slug}-{number}" if number > 1 else slug) for number in count(1))
    known = {name.casefold() for name in taken}
    return next(name for name in names if name.casefold() not in known)


def faults_of(folder: str | Path) -> list[str]:
    """What is wrong with a results folder: one sentence each, none if it is whole.

    Results are whole when ``settings.json`` is there and every file that it lists has the checksum that it gives.
    """
    folder = Path(folder)
    try:
        listed = _listed(folder)
    except UNREADABLE as error:
        return [f"settings.json cannot be read, or lists no files: {type(error).__name__} {error}"]
    faults = []
    for name, checksum in listed.items():
        path = folder / Path(name).name
        if not path.is_file():
            faults.append(f"{name} is missing")
        elif sha256_of(path) != checksum:
            faults.append(f"{name} is not the one that settings.json lists")
    return faults


def _listed(folder: Path) -> dict[str, str]:
    """Checksums by name of the files that were published with the folder's ``settings.json``."""
    facts = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
    return {str(name): str(checksum) for name, checksum in facts["files"].items()}


def _settle(folder: Path) -> list[Path]:
    """Complete what a killed run was publishing, and list what others left unfinished."""
    unfinished = []
    for stage in sorted(folder.glob(f"{_STAGE}*")):
        try:
            listed = _listed(stage)
        except UNREADABLE:
            unfinished.append(stage)  # it had not come to publishing
            continue
        _publish(stage, folder, listed, _FROM_EARLIER.format(stage=stage.name))
        shutil.rmtree(stage, ignore_errors=True)
    return unfinished


def _publish(stage: Path, folder: Path, listed: Mapping[str, str], then: str = _WAITING) -> None:
    """Move every staged file to its place, ``settings.json`` last, and remove what an earlier run left.

    All of it is on the disk before. Killed half way, or stopped by a file that another program holds, it is done by the
    next run: what ``settings.json`` lists is either still staged or in its place. ``then`` says so.

    Raises
    ------
    ExafsnnError
        If a file is not ours to replace (``SettingsError``), then nothing was touched; or if it cannot be replaced.
    """
    names = sorted(path.name for path in stage.iterdir() if path.name in listed)
    _refuse_strangers(folder, names, _earlier(folder), then)
    for name in names:
        with _held_open(folder / name, then):
            (stage / name).replace(folder / name)
    _remove_stale(folder, set(listed), then)
    with _held_open(folder / "settings.json", then):
        (stage / "settings.json").replace(folder / "settings.json")
    sync_folder(folder)


@contextmanager
def _held_open(path: Path, then: str) -> Iterator[None]:
    """Say what to do where a published file can be neither replaced nor removed: under Windows while it is open."""
    try:
        yield
    except OSError as error:
        reason = f"cannot be replaced: {error.strerror or error}"
        remedy = f"Close the program that has it open, or move it away. {then}"
        raise ExafsnnError(reason, where=str(path), remedy=remedy) from error


def _remove_stale(folder: Path, fresh: set[str], then: str) -> None:
    """Remove what an earlier run of ours wrote and this one does not replace; what somebody changed since stays."""
    earlier = _earlier(folder)
    for name in set((earlier or {}).get("files") or ()) - fresh:
        path = folder / name
        if path.name == name and path.is_file() and _is_ours(path, earlier):
            with _held_open(path, then):
                path.unlink()


def _refuse_strangers(folder: Path, names: Iterable[str], earlier: Row | None, then: str) -> None:
    """Refuse to replace files that exafsnn did not write there, and those that somebody changed since.

    Raises
    ------
    SettingsError
        If there are such files.
    ExafsnnError
        If a folder is in the place of one.
    """
    there = [folder / name for name in sorted(names) if (folder / name).exists()]
    for path in there:
        if path.is_dir():
            remedy = f"Move it away, or write elsewhere with -o. {then}"
            raise ExafsnnError("cannot be replaced: it is a folder", where=str(path), remedy=remedy)
    strangers = [path.name for path in there if not _is_ours(path, earlier)]
    if strangers:
        reason = f"not written there by exafsnn, or changed since, and so not replaced: {', '.join(strangers)}"
        remedy = f"Move or rename what you want to keep, or write elsewhere with -o. {then}"
        raise SettingsError(reason, where=str(folder), remedy=remedy)


def _is_ours(path: Path, earlier: Row | None) -> bool:
    """Whether a file is as an earlier run published it; the first versions of exafsnn noted no checksums."""
    return earlier is not None and (earlier["files"] is None or earlier["files"].get(path.name) == sha256_of(path))


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
    with suppress(*UNREADABLE):
        facts = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(facts["exafsnn"], str) and isinstance(facts["command"], str):
            files = dict(facts["files"]) if "files" in facts else None
            return dict(facts) | {"files": files, "scans": list(facts.get("scans", []))}
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
