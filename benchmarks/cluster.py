"""Workers killed with SIGKILL again and again, here and on a Dask cluster; and two workers against one.

    python benchmarks/cluster.py [KILLS]

First a small library is simulated by one process that nobody kills. Then ``exafsnn simulate`` makes the same one with
two processes (``--workers 2``), and with two workers of a local Dask cluster (``--scheduler``), while workers are
killed, each time one more state is done: the content must be the serial one's, and within a second of each death no
program that the dead worker ran may be left. In the end no folder of an attempt is left, and no part.

Two workers against one: two clusters, of one worker and of two, simulate the same states **at the same time**, so that
whatever else the machine does slows each of their workers alike; the ratio is that of the states that they have done
when the larger cluster is ready, the one under way counted by the share of its time.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import dask
import h5py
from distributed import LocalCluster

from exafsnn.simulate.library import build
from exafsnn.workers import Cluster

KILLS = 8
STATES = 12
PLAN = f"""
[sites]
sites = 3
control_sites = 2
three_atom_paths = 10
reach = 5.0
[dynamics]
equilibration = 100
production = 100
frames = 3
[[treatments]]
name = "quick"
scf_radius = 0.0
[[families]]
name = "bcc"
phase = "bcc"
count = {STATES}
potentials = ["Fe_2003"]
a = [2.84, 2.90]
temperature = [100.0, 500.0]
"""


@dataclass
class Outcome:
    """What came of one run whose workers were killed."""

    kills: int = 0
    busy: int = 0
    """Kills of a worker that ran FEFF at that moment."""
    faults: list[str] = field(default_factory=list)


def content(library: Path) -> str:
    """Checksum of all that a library says."""
    with h5py.File(library) as file:
        return str(file.attrs["checksum"])


def programs_in(folder: Path) -> list[int]:
    """FEFF programs that run in a folder or below."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            place, name = (process / "cwd").readlink(), (process / "comm").read_text()
        except OSError:
            continue
        if name.startswith("feff") and place.is_relative_to(folder):
            found.append(int(process.name))
    return found


def children(pid: int) -> list[int]:
    """Processes that a process started, those of its threads, too."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += [int(child) for child in path.read_text().split()]
        except OSError:
            continue
    return found


def workers_of(run: int) -> list[int]:
    """Worker processes of a run, but not Python's own helper."""
    return [pid for pid in children(run) if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def kill_some(
    run: subprocess.Popen[bytes], victims: Callable[[], list[int]], scratch: Path, parts: Path, kills: int
) -> Outcome:
    """Kill one worker for each state that is done, at any time or as FEFF runs, until the run ends."""
    dice, outcome = random.Random(20261129), Outcome()  # noqa: S311
    while run.poll() is None:
        done = len(list(parts.glob("state-*.npz")))
        wanted, end = dice.random() < 0.7, time.monotonic() + dice.uniform(0.0, 1.0)
        while run.poll() is None and (not (pids := victims()) or time.monotonic() < end):
            time.sleep(0.01)
        if outcome.kills >= kills or run.poll() is not None:
            continue
        pid, end = dice.choice(pids), time.monotonic() + 10.0
        while not (programs := programs_of(pid)) and wanted and run.poll() is None and time.monotonic() < end:
            time.sleep(0.002)
        outcome.busy += bool(programs)
        outcome.kills += 1
        os.kill(pid, signal.SIGKILL)
        time.sleep(1.0)
        left = [program for program in programs if program in programs_in(scratch)]
        outcome.faults += [f"FEFF outlived its worker: process {program}" for program in left]
        while run.poll() is None and len(list(parts.glob("state-*.npz"))) <= done:
            time.sleep(0.05)
    return outcome


def programs_of(worker: int) -> list[int]:
    """FEFF programs that a worker runs, by way of their guard."""
    return [child for guard in children(worker) for child in children(guard)]


def trial(folder: Path, options: list[str], victims: Callable[[int], list[int]], kills: int, expected: str) -> Outcome:
    """Run ``exafsnn simulate`` while its workers are killed, and look at what it leaves."""
    output, scratch = folder / "library.h5", Path(tempfile.gettempdir())
    parts = output.with_name("library.h5.parts")
    parts.mkdir(parents=True)
    table = folder.parent / "tables" / "theory-bcc-quick.npz"
    (parts / table.name).write_bytes(table.read_bytes())
    command = [sys.executable, "-c", "from exafsnn_cli.main import main; main()", "simulate"]
    with folder.with_suffix(".log").open("wb") as log:
        arguments = [str(folder.parent / "plan.toml"), "-o", str(output), *options]
        run = subprocess.Popen([*command, *arguments], stdout=log, stderr=log)
        outcome = kill_some(run, lambda: victims(run.pid), scratch, parts, kills)
    said = folder.with_suffix(".log").read_text(errors="replace")
    if run.returncode != 0:
        outcome.faults.append(f"the run ended with {run.returncode}: {said[-500:]}")
    elif content(output) != expected:
        outcome.faults.append(f"the content is not the serial one: {said[-500:]}")
    if left := [*folder.glob(".*"), *folder.glob("*.parts"), *scratch.rglob("exafsnn*")]:
        outcome.faults.append(f"left over: {left[:5]}")
    if programs := programs_in(scratch):
        outcome.faults.append(f"FEFF still runs: {programs}")
    return outcome


@contextmanager
def local_cluster(workers: int, cache: str) -> Iterator[LocalCluster]:
    """Workers of Dask on this machine, of one thread each."""
    os.environ["EXAFSNN_CACHE"] = cache
    dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})  # else one that dies twice in 15 s is given up
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster


def race(root: Path) -> tuple[float, float]:
    """States that one worker and two have done in the same time, and that time [s]."""
    ends: dict[int, list[float]] = {1: [], 2: []}
    with local_cluster(1, str(root / "cache1")) as one, local_cluster(2, str(root / "cache2")) as two:
        began = time.monotonic()

        def run(count: int, cluster: LocalCluster) -> None:
            def note(*_: object) -> None:
                ends[count].append(time.monotonic() - began)

            where = Cluster(cluster.scheduler_address, 2.0)
            build(root / "plan.toml", root / f"race{count}" / "library.h5", where, note, root / "tables")

        threads = [threading.Thread(target=run, args=item) for item in ((1, one), (2, two))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finish = ends[2][-1]
    whole = [end for end in ends[1] if end <= finish]
    after = next(end for end in ends[1] if end > finish)
    before = whole[-1] if whole else 0.0
    return len(whole) + (finish - before) / (after - before), finish


def main(kills: int) -> int:
    """Print the table; the exit code."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory(prefix="cluster-") as name:
        root = Path(name)
        (root / "plan.toml").write_text(PLAN)
        os.environ["EXAFSNN_CACHE"] = str(root / "cache")
        build(root / "plan.toml", root / "serial.h5", 1, tables=root / "tables")
        expected = content(root / "serial.h5")
        scratch = root / "scratch"
        scratch.mkdir()
        print(f"{'workers':>20} {'kills':>6} {'FEFF ran':>9} {'faults':>7}")
        os.environ["TMPDIR"], tempfile.tempdir = str(scratch), None

        def show(who: str, outcome: Outcome) -> None:
            print(f"{who:>20} {outcome.kills:6d} {outcome.busy:9d} {len(outcome.faults):7d}", flush=True)
            faults.extend(outcome.faults)

        os.environ["EXAFSNN_CACHE"] = str(root / "cache3")
        show("2 processes", trial(root / "pool", ["--workers", "2"], workers_of, kills, expected))
        with local_cluster(2, str(root / "cache4")) as cluster:
            nannies = cluster.workers

            def victims(_: int) -> list[int]:
                there = cluster.scheduler.workers  # a nanny replaces no worker that dies before it is known
                return [nanny.pid for nanny in nannies.values() if nanny.pid and nanny.worker_address in there]

            options = ["--scheduler", cluster.scheduler_address, "--patience", "1"]
            show("2 of a Dask cluster", trial(root / "dask", options, victims, kills, expected))
        done, seconds = race(root)
        print(
            f"two workers do {STATES} states in {seconds:.0f} s, one does {done:.1f} beside them: {STATES / done:.2f} ×"
        )
        if STATES / done < 1.7:
            faults.append("two workers are less than 1.7 × one")
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else KILLS))
