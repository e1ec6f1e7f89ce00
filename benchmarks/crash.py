"""100 × kill -9: nothing half-written, and the same content as without.

    python benchmarks/crash.py [KILLS_OF_SIMULATE KILLS_OF_TRAIN KILLS_OF_PREDICT KILLS_OF_REFINE KILLS_OF_SERIES]

Runs ``exafsnn simulate`` and ``train`` on tiny inputs, with FEFF and LAMMPS, and ``predict``, ``refine`` and
``series --watch`` with a shipped model; and kills the whole process group with SIGKILL: at random times, or just after
a random change of the files beside the output, where something could be half. Some runs that write results meet a full
disk (a limit of the size of files), a table that cannot be replaced (a folder in its place), or one that is open in a
program that lets nobody replace it, as under Windows. After each kill every file in its place must be whole, or be
refused by whoever reads it; after some kills the command is left to finish, and its output must be that of a run that
nobody killed, with nothing left over.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from safetensors.torch import load_file

from exafsnn.errors import ModelError
from exafsnn.files import checksum_of
from exafsnn.learn.model_file import read_model
from exafsnn.simulate.library import load, read_part
from exafsnn.write.results import faults_of

KILLS = {"simulate": 30, "train": 25, "predict": 40, "refine": 30, "series": 30}
RESULTS = ("predict", "refine", "series")
"""The commands that write a results folder."""
NONE_DONE = 4
"""The exit code of a run that the disk ended."""
IN_A_ROW = (3, 6)
"""So many kills before the command is left to finish."""
SCANS = [Path(__file__).parents[1] / "spectra" / name for name in ("fe_0300K.dat", "fe_0900K.dat", "fe_1400K.dat")]
HELD_OPEN = """
from pathlib import Path
replace = Path.replace
def refuse(self, target):
    if Path(target).name == {name!r} and ".unfinished-" not in str(target):
        raise PermissionError(13, "in use by another program")
    return replace(self, target)
Path.replace = refuse
"""
"""What Windows does where a spreadsheet has a table open."""
PLAN = """
[sites]
sites = 2
control_sites = 2
three_atom_paths = 3
reach = 5.0
[dynamics]
equilibration = 40
production = 40
frames = 2
[[treatments]]
name = "quick"
scf_radius = 0.0
[[families]]
name = "bcc"
phase = "bcc"
count = 6
potentials = ["Fe_2003"]
a = [2.84, 2.90]
temperature = [100.0, 500.0]
"""
TRAINING = """
forward_steps = 8
[optimiser]
members = 3
steps = 24
batch = 32
[network]
hidden = 16
recognise = 8
[calibration]
sessions = 1
scans = 2
"""


@dataclass
class Trial:
    """One command: how it is run, and what came of its kills."""

    name: str
    arguments: list[str]
    output: Path
    """What it writes: a file of a folder of its own, or a folder."""
    kills: int = 0
    told: int = 0
    """Kills after which something in its place is incomplete, and its reader says so."""
    parts: int = 0
    """Whole parts found after kills."""
    hindered: int = 0
    """Runs that a full disk or a held file ended before they were killed."""
    watched: Path | None = None
    """Where scans land, if it watches a folder."""
    finished: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where it leaves all its files."""
        return self.output.parent


def start(trial: Trial, before: str = "") -> subprocess.Popen[bytes]:
    """Run the command in a process group of its own, after some Python code."""
    code = f"{before}\nfrom exafsnn_cli.main import main; main()"
    command = [sys.executable, "-c", code, trial.name, *trial.arguments, "-o", str(trial.output)]
    log = trial.folder.with_suffix(".log").open("wb")
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TMPDIR": str(trial.folder.with_suffix(".tmp"))}
    with log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment)


def finish(trial: Trial) -> float:
    """Run the command to its end; the seconds that it took."""
    before = time.monotonic()
    if trial.watched:
        _land(trial.watched, len(SCANS))
    process = start(trial)
    log = trial.folder.with_suffix(".log")
    while trial.watched and process.poll() is None and " rejected. " not in log.read_text(errors="replace"):
        time.sleep(0.05)
    if trial.watched:
        process.terminate()
    code = process.wait()
    if code not in ((130,) if trial.watched else (0, 3)):
        trial.faults.append(f"the command ended with {code}: {log.read_text(errors='replace').strip()[-300:]}")
    return time.monotonic() - before


def _land(folder: Path, count: int) -> None:
    """Let scans land in a folder that is watched."""
    for scan in SCANS[:count]:
        shutil.copy(scan, folder)


def kill(trial: Trial, dice: random.Random, longest: float) -> bool:
    """Run the command and kill it somewhere, workers, FEFF and all; False if it was done before."""
    if trial.watched:
        _land(trial.watched, dice.randint(1, len(SCANS)))
    with _hazard(trial, dice) as before:
        process = start(trial, before)
        if dice.random() < 0.6:
            _wait_for_time(process, dice.uniform(0.1, 1.0) * longest)
        else:
            _wait_for_change(process, trial, dice.randint(1, 12), dice.uniform(0.0, 0.003), 2 * longest)
        killed = process.poll() is None
        os.killpg(process.pid, signal.SIGKILL) if killed else None
        code = process.wait()
    trial.kills += killed
    trial.hindered += bool(before) and not killed and code == NONE_DONE
    if code not in (-signal.SIGKILL, 0, NONE_DONE):
        said = trial.folder.with_suffix(".log").read_text(errors="replace").strip()[-300:]
        trial.faults.append(f"a hindered run ended with {code}: {said}")
    return killed or bool(before)


@contextmanager
def _hazard(trial: Trial, dice: random.Random) -> Iterator[str]:
    """Now and then a full disk or a held file, for commands that write results: code for the command to begin with."""
    tables = [trial.output / name for name in ("chi.csv", "results.h5", "settings.json", "summary.csv")]
    kind = dice.choice(("", "", "full", "folder", "open")) if trial.name in RESULTS else ""
    table = dice.choice(tables)
    if kind == "full":
        size = int(10 ** dice.uniform(0, 5.5))
        yield f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))"
    elif kind == "open":
        yield HELD_OPEN.format(name=table.name)
    elif kind == "folder" and table.is_file() and table.name != "settings.json":  # which would be nobody's folder
        aside = trial.folder.parent / "aside"
        table.rename(aside)
        table.mkdir()
        yield "pass"
        table.rmdir()
        aside.rename(table)
    else:
        yield ""


def _wait_for_time(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait so long, or until the process ends."""
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def _wait_for_change(
    process: subprocess.Popen[bytes], trial: Trial, changes: int, delay: float, longest: float
) -> None:
    """Wait for so many changes of the names beside the output and a delay after; or so long, or to the end."""
    seen, end = _names(trial.folder), time.monotonic() + longest
    while process.poll() is None and changes and time.monotonic() < end:
        now = _names(trial.folder)
        changes, seen = changes - (now != seen), now
        time.sleep(0.001)
    time.sleep(delay)


def _names(folder: Path) -> set[str]:
    return {f"{place}/{name}" for place, folders, files in os.walk(folder) for name in (*folders, *files)}


def inspect(trial: Trial) -> None:
    """Look at every file in its place after a kill."""
    try:
        {"simulate": _inspect_library, "train": _inspect_model}.get(trial.name, _inspect_results)(trial)
    except Exception as error:
        trial.faults.append(f"after a kill: {type(error).__name__}: {error}")


def _inspect_library(trial: Trial) -> None:
    if trial.output.exists():
        load(trial.output)
    for path in _parts(trial):
        read_part(path)
        trial.parts += 1


def _inspect_model(trial: Trial) -> None:
    for path in _parts(trial):
        load_file(path)
        trial.parts += 1
    if trial.output.exists():
        try:
            read_model(str(trial.output))
        except ModelError:
            load_file(trial.output)
            trial.told += 1


def _parts(trial: Trial) -> list[Path]:
    folder = trial.output.with_name(trial.output.name + ".parts")
    return [path for path in folder.glob("*.*") if path.suffix in (".npz", ".safetensors") and path.name[0] != "."]


def _inspect_results(trial: Trial) -> None:
    """Every file is one that a complete settings.json lists: the published one, or the one that is about to be."""
    listed = list(trial.output.glob("**/settings.json"))
    sums = [item for path in listed for item in json.loads(path.read_text())["files"].items()]
    for path in trial.output.glob("[!.]*"):
        if path.name != "settings.json" and (path.name, _sha256(path)) not in sums:
            trial.faults.append(f"after a kill: {path.name} is half written")
    trial.told += bool(list(trial.output.glob("[!.]*")) and faults_of(trial.output))


def content(trial: Trial) -> str:
    """A hash over all that the output says."""
    if trial.name == "simulate":
        load(trial.output)
        with h5py.File(trial.output) as file:
            return str(file.attrs["checksum"])
    if trial.name == "train":
        read_model(str(trial.output))
        return _sha256(trial.output) + _sha256(trial.output.with_suffix(".json"))
    assert not faults_of(trial.output)  # noqa: S101
    facts = json.loads((trial.output / "settings.json").read_text())
    del facts["created"], facts["files"]["results.h5"]
    facts["files"].pop("report.html", None)  # which says when it was made
    arrays: dict[str, np.ndarray] = {}
    with h5py.File(trial.output / "results.h5") as file:
        file.visititems(lambda name, item: arrays.update({name: _plain(item)}))
    return checksum_of(json.dumps(facts, sort_keys=True), arrays)


def _plain(item: h5py.Group | h5py.Dataset) -> np.ndarray:
    values = {key: str(value) for key, value in item.attrs.items()}
    if isinstance(item, h5py.Dataset):
        values["data"] = item[()].tolist() if item.dtype.kind == "O" else checksum_of("", {"": item[()]})
    return np.array(json.dumps(values, sort_keys=True, default=str))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def clear(trial: Trial) -> None:
    """Start from nothing."""
    for folder in (trial.folder, trial.folder.with_suffix(".tmp"), *filter(None, [trial.watched])):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)


def attempt(trial: Trial, kills: int, dice: random.Random) -> None:
    """Kill a command so many times, in rows of a few, and compare what it ends with."""
    if not kills:
        return
    clear(trial)
    whole = finish(trial)
    expected = content(trial)
    while trial.kills < kills:
        if dice.random() < 0.7:  # else into the output of the run before
            clear(trial)
        for row in range(min(dice.randint(*IN_A_ROW), kills - trial.kills)):
            if not kill(trial, dice, whole * 0.8**row):
                break
            inspect(trial)
        finish(trial)
        trial.finished += 1
        _compare(trial, expected)


def _compare(trial: Trial, expected: str) -> None:
    """The finished output against that of the run that nobody killed."""
    try:
        if content(trial) != expected:
            trial.faults.append("the content is not that of a run that nobody killed")
    except Exception as error:
        trial.faults.append(f"when finished: {type(error).__name__}: {error}")
    scratch = trial.folder.with_suffix(".tmp").glob("exafsnn*")  # torch keeps an empty folder of its own there
    left = [path.name for path in (*trial.folder.rglob(".*"), *scratch)]
    if left:
        trial.faults.append(f"left over: {', '.join(left[:5])}")


@contextmanager
def trials() -> Iterator[list[Trial]]:
    """The commands; train reads what simulate wrote, in a run of its own."""
    with tempfile.TemporaryDirectory(prefix="exafsnn-crash-") as name:
        root = Path(name)
        (root / "plan.toml").write_text(PLAN)
        library, settings, landing = (root / name for name in ("library.h5", "train.toml", "landing"))
        settings.write_text(TRAINING)
        scans = [str(scan) for scan in SCANS]
        yield [
            Trial("simulate", [str(root / "plan.toml"), "--workers", "2"], root / "simulate" / "library.h5"),
            Trial("train", [str(library), "--settings", str(settings)], root / "train" / "model.safetensors"),
            *(Trial(name, scans, root / name / "results") for name in ("predict", "refine")),
            Trial("series", ["--watch", str(landing)], root / "series" / "results", watched=landing),
        ]


def hand_on(trial: Trial) -> None:
    """Put the output of a command where the next one looks for it."""
    if trial.output.is_file():
        for path in (trial.output, trial.output.with_suffix(".json")):
            if path.exists():
                shutil.copy(path, trial.folder.parent)


def main(kills: dict[str, int]) -> int:
    """Print the table; the exit code."""
    dice = random.Random(20261121)  # noqa: S311
    faults: list[str] = []
    headings = ("command", "kills", "hindered", "finished", "whole parts seen", "cut, and told", "faults")
    print("{:>9} {:>6} {:>9} {:>9} {:>17} {:>14} {:>7}".format(*headings))
    with trials() as every:
        for trial in every:
            attempt(trial, kills[trial.name], dice)
            hand_on(trial)
            numbers = (trial.kills, trial.hindered, trial.finished, trial.parts, trial.told, len(trial.faults))
            print("{:>9} {:>6} {:>9} {:>9} {:>17} {:>14} {:>7}".format(trial.name, *numbers), flush=True)
            faults += [f"{trial.name}: {fault}" for fault in trial.faults]
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    numbers = dict(zip(KILLS, map(int, sys.argv[1:]), strict=False))
    sys.exit(main(KILLS | numbers))
