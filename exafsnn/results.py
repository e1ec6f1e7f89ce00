"""The results folder of a run: tables, figures, ``results.h5`` and ``settings.json``, all or nothing.

``Outcome``s come in one by one, so that a long series needs no more memory than a short one. Everything is written
into a hidden folder beside its destination, and renamed into place when the last scan is done: an interrupted run
leaves the earlier results as they were. ``settings.json`` comes last, with the checksums of the files published with
it: ``faults_of`` tells results that were cut off between two files, and the next run completes them before its own.
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

import h5py
import numpy as np

from exafsnn import __version__
from exafsnn.atomic import explained, only_writer, sync, sync_folder, write_whole
from exafsnn.pipeline import Outcome
from exafsnn.records import ChiK, PartialRDF, Prediction
from exafsnn.tables import TABLES, Row, Table, chi_rows, plain, printable, rdf_rows, summary_rows

LONG_TABLES = ("rdf.csv", "chi.csv")
TABLE_LIMIT = 1000
"""For more scans than this the long tables are left out, unless asked for."""
FIGURE_LIMIT = 50
"""Only so many scans get a figure of their own, unless asked for."""
SIGNATURE = "exafsnn figure"
"""Written into every figure, so that only our own are ever removed."""
_STAGE = ".unfinished-"
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a ``settings.json`` that is none may raise."""
PACKAGES = ("numpy", "scipy", "torch", "xraylarch", "xraydb", "h5py", "matplotlib")


class ResultsFolder:
    """Context manager that collects outcomes and publishes the folder at the end, if nothing went wrong.

    Parameters
    ----------
    folder
        Where the results appear; existing files of the same names are replaced.
    command
        ``"predict"`` or ``"preprocess"``.
    settings
        Everything that was asked for, for ``settings.json``.
    inputs
        Files besides the scans that the result depends on (references, structures).
    full
        Write the long tables and every figure, however many scans there are.
    """

    def __init__(
        self,
        folder: str | Path,
        command: str,
        settings: Mapping[str, Any],
        inputs: Iterable[str] = (),
        full: bool = False,
    ) -> None:
        self.folder = Path(folder)
        self.command = command
        self.settings = settings
        self.full = full
        self._inputs = dict.fromkeys(inputs)
        self._models: dict[str, None] = {}
        self._figures: dict[str, str] = {}
        self._overview: list[Prediction] = []
        self._count = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.callback(self._remove_if_empty)
            with explained(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(only_writer(self.folder / "settings.json"))
            stack.enter_context(explained(self.folder))
            _settle(self.folder)
            self._stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=self.folder))
            stack.callback(shutil.rmtree, self._stage, ignore_errors=True)
            self._open = stack.enter_context(ExitStack())
            self._tables = {
                name: Table(self._open.enter_context(_open(self._stage / name)), columns)
                for name, columns in TABLES[self.command].items()
            }
            if self.command == "predict":
                self._archive = self._open.enter_context(h5py.File(self._stage / "results.h5", "w"))
                self._archive.attrs["exafsnn"] = __version__
            self._held = stack.pop_all()
        return self

    def add(self, outcome: Outcome) -> None:
        """Write one scan into the tables, the archive and the figures.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        with explained(self.folder):
            self._tables["summary.csv"].write(summary_rows(outcome))
            self._inputs[outcome.file] = None
            if outcome.chi is not None and outcome.status != "rejected":
                self._add_details(outcome, outcome.chi)
        self._count += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            if kind is None:
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

    def _add_details(self, outcome: Outcome, chi: ChiK) -> None:
        """Write what only a usable scan has."""
        if self._count < TABLE_LIMIT or self.full:
            self._tables["chi.csv"].write(chi_rows(outcome, chi))
        if self._count < FIGURE_LIMIT or self.full:
            self._draw(outcome, chi)
        prediction = outcome.prediction
        if prediction is None:
            return
        if self._count < TABLE_LIMIT or self.full:
            self._tables["rdf.csv"].write(rdf_rows(outcome, prediction.rdf))
        _archive(self._archive.create_group(f"scans/{self._count:06d}"), outcome, chi, prediction)
        self._models[prediction.model] = None
        self._overview.append(_slim(prediction))

    def _draw(self, outcome: Outcome, chi: ChiK) -> None:
        from exafsnn import plotting

        name = _figure_name(outcome, self._figures)
        self._figures[name] = _source(outcome)
        plotting.scan_figure(chi, outcome.prediction).savefig(self._stage / name, metadata={"Software": SIGNATURE})

    def _finish(self) -> None:
        """Complete the staged files and move them to their place."""
        if len(self._overview) > 1:
            from exafsnn import plotting

            figure = plotting.overview_figure(self._overview)
            figure.savefig(self._stage / "overview.png", metadata={"Software": SIGNATURE})
        if self._count > TABLE_LIMIT and not self.full:
            for name in LONG_TABLES:
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
            "versions": {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES},
            "inputs": [_fingerprint(name) for name in self._inputs],
            "figures": self._figures,
        }


def _open(path: Path) -> TextIO:
    return path.open("w", newline="", encoding="utf-8")


def _archive(group: h5py.Group, outcome: Outcome, chi: ChiK, prediction: Prediction) -> None:
    """Write everything that is known of one scan into ``results.h5``."""
    group.attrs["file"] = printable(outcome.file)
    group.attrs["record"] = printable(outcome.record)
    group.attrs["status"] = outcome.status
    _archive_scalars(group, prediction)
    _archive_texts(group, {"warnings": outcome.warnings, "history": prediction.history})
    _archive_texts(group, {"preprocessing": (json.dumps(plain(chi.settings)),)})
    if chi.spectrum is not None:
        metadata_text = json.dumps(plain(chi.spectrum.metadata))
        _archive_texts(group, {"spectrum/metadata": (metadata_text,)})
        _archive_arrays(group, "spectrum", energy=chi.spectrum.energy, mu=chi.spectrum.mu, background=chi.background)
    _archive_scalars(group.require_group("chi"), chi)
    _archive_arrays(group, "chi", k=chi.k, chi=chi.chi, chi_model=prediction.chi_model)
    rdf = prediction.rdf
    _archive_texts(group, {"rdf/pairs": rdf.pairs})
    _archive_arrays(group, "rdf", r=rdf.r, density=rdf.density, spread=rdf.spread)
    _archive_arrays(group, "rdf", samples=rdf.samples, covariance=_covariance(rdf))
    group["rdf"].attrs["smoothing"] = rdf.smoothing
    for name, shell in prediction.shells.items():
        _archive_scalars(group.require_group(f"shells/{name}"), shell)


def _archive_scalars(group: h5py.Group, record: Any) -> None:
    """Write the numbers and words of a record as attributes."""
    for name, value in vars(record).items():
        if isinstance(value, str):
            group.attrs[name] = printable(value)
        elif isinstance(value, bool | int | float | np.generic) or name == "k_window":
            group.attrs[name] = value


def _archive_texts(group: h5py.Group, texts: Mapping[str, tuple[str, ...]]) -> None:
    for name, lines in texts.items():
        group.create_dataset(name, data=[printable(line) for line in lines], dtype=h5py.string_dtype())


def _archive_arrays(group: h5py.Group, place: str, **arrays: np.ndarray | None) -> None:
    """Write arrays, the large ones compressed in single precision."""
    for name, array in arrays.items():
        if array is None:
            continue
        large = array.size > 10_000
        options: Row = {"dtype": "f4", "compression": "gzip", "compression_opts": 1, "shuffle": True} if large else {}
        group.create_dataset(f"{place}/{name}", data=array, **options)


def _covariance(rdf: PartialRDF) -> np.ndarray | None:
    """(p·b, p·b) covariance [Å⁻²] of the densities of all pairs, pair by pair; None without samples."""
    if rdf.samples is None:
        return None
    return np.asarray(np.cov(rdf.samples.reshape(len(rdf.samples), -1), rowvar=False))


def _slim(prediction: Prediction) -> Prediction:
    """Keep of a prediction what the overview draws."""
    chi = replace(prediction.chi, spectrum=None, background=None)
    return replace(prediction, chi=chi, rdf=replace(prediction.rdf, samples=None))


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
    """Remove the figures and tables of an earlier run of ours that this one does not replace."""
    old = (
        [folder / name for name in ("rdf.csv", "chi.csv", "results.h5")] if (folder / "settings.json").exists() else []
    )
    for path in [*old, *filter(_is_our_figure, folder.glob("*.png"))]:
        if path.name not in fresh:
            path.unlink(missing_ok=True)


def _is_our_figure(path: Path) -> bool:
    """Whether a PNG bears our signature."""
    if not path.is_file():
        return False
    with path.open("rb") as stream:
        return SIGNATURE.encode() in stream.read(1024)


def _source(outcome: Outcome) -> str:
    return f"{outcome.file}::{outcome.record}" if outcome.record else outcome.file
