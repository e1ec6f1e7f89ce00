"""Raw files of one scan each → a results folder: exafsnn, larch, rexafs and a former build, side by side in one run.

    python benchmarks/files.py [--files 1000] [--before CHECKOUT] [--refined 200] [--figures 40]

The scans are **simulated**: those of ``spectra/``, of varied thickness, with more noise, written as text files with
three columns. On one grid they share their energies; on grids of their own every energy is off by 0.02 eV (an encoder),
and every scan begins elsewhere and lies 1 eV off at most.

- larch's side is a loop of ``read_ascii`` (and ln(I0/It)), ``autobk`` and ``xftf``; nothing is written;
- rexafs's side (where it is installed) takes arrays: E₀, normalisation, AUTOBK and the Fourier transform, with its own
  search for E₀ and with E₀ given;
- ours is ``exafsnn predict``'s own function with everything written: quality gate, RDFs with error bars, tables,
  archive.

All are warm, each in a process of its own: it runs once on some files before it is timed. CPU time is that of the
process and its workers, wall time that of the whole run on the cores that are there. What takes a cold start (one scan,
``exafsnn predict``) and what a former build needs are timed as whole processes. ``CHECKOUT`` is a clone of that build,
run with the same Python.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
NOISE, THICKNESS, ENCODER, ELSEWHERE = 2e-4, 0.005, 0.02, 1.0
"""Standard deviations of noise, thickness and encoder [eV]; how far off a grid of its own lies at most [eV]."""


def write_scans(folder: Path, count: int, own_grids: bool) -> list[str]:
    """Write simulated scans, one a file, and return their names."""
    paths = sorted((ROOT / "spectra").glob("fe_*.dat"))
    scans = [np.loadtxt(path) for path in paths]
    random, names = np.random.default_rng(0), []
    for number in range(count):
        energy, i0, it = scans[number * len(scans) // count].T
        mu = np.log(i0 / it)
        if own_grids:
            moved = energy + random.uniform(-ELSEWHERE, ELSEWHERE) + ENCODER * random.standard_normal(len(energy))
            energy, mu = moved[number % 7 :], np.interp(moved, energy, mu)[number % 7 :]
        mu = mu * (1 + THICKNESS * random.standard_normal()) + NOISE * random.standard_normal(len(mu))
        beam = 1e6 * (1 - 1e-4 * (energy - energy[0]))
        rows = np.column_stack([energy, beam, beam * np.exp(-mu)])
        name = folder / f"scan_{number:05d}.dat"
        header = "Simulated data: not a measurement\nElement.symbol: Fe\nElement.edge: K\nenergy i0 itrans"
        np.savetxt(name, rows, fmt="%.9g", header=header)
        names.append(str(name))
    return names


def larch_loop(names: list[str]) -> None:
    """What larch does of each file."""
    from larch.io import read_ascii
    from larch.xafs import autobk, xftf

    for name in names:
        group = read_ascii(name, labels="energy i0 itrans")
        group.mu = np.log(group.i0 / group.itrans)
        autobk(group, rbkg=1.0, kweight=2)
        xftf(group, kmin=3, kmax=12, kweight=2, dk=1, window="hanning")


def rexafs_loop(arrays: list[tuple[np.ndarray, np.ndarray]], e0: float | None = None) -> None:
    """What rexafs does of arrays."""
    import rexafs

    for energy, mu in arrays:
        spectrum = rexafs.Spectrum(energy, mu)
        if e0 is not None:
            spectrum.set_normalization_method(
                rexafs.NormalizationMethod.PrePostEdge(rexafs.PrePostEdge(e0=e0))
            )  # fmt: skip
        spectrum.fft()


def rexafs_with_e0(arrays: list[tuple[np.ndarray, np.ndarray]]) -> None:
    """The same with E₀ given."""
    rexafs_loop(arrays, 7112.0)


def apart(loop: Callable[[list[Any]], None], names: list[str]) -> tuple[float, float]:
    """What a loop takes in a process of its own, warm: the threads of other libraries are not beside our side then."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(timed, loop, names).result()


def timed(loop: Callable[[list[Any]], None], names: list[str]) -> tuple[float, float]:
    """In that process."""
    items: list[Any] = names
    if loop is not larch_loop:  # which alone reads; rexafs takes arrays
        items = [(energy, np.log(i0 / it)) for energy, i0, it in (np.loadtxt(name).T for name in names)]
    loop(items[:5])
    return spent(lambda: loop(items))


def our_run(names: list[str], folder: Path, figures: int, refined: bool = False) -> None:
    """What ``exafsnn predict`` (or ``refine``, with the first scan as standard) does, but for the screen."""
    from exafsnn.run.scans import predict_scans, refine_scans
    from exafsnn.workers import cores
    from exafsnn.write.results import ResultsFolder

    if refined:
        outcomes = refine_scans(names, references=names[:1], structure="bcc:2.8665", workers=cores())
    else:
        outcomes = predict_scans(names, workers=cores())
    with ResultsFolder(folder, "refine" if refined else "predict", {}, figures=figures, workers=cores()) as results:
        for outcome in outcomes:
            results.add(outcome)


def spent(work: Callable[[], object]) -> tuple[float, float]:
    """CPU (children's too) and wall seconds of some work."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)

    def cpu() -> float:
        return sum(usage.ru_utime + usage.ru_stime for usage in map(resource.getrusage, kinds))

    before, start = cpu(), time.perf_counter()
    work()
    return cpu() - before, time.perf_counter() - start


def tell(what: str, taken: tuple[float, float], count: int, other: tuple[float, float] | None = None) -> None:
    """Print one line: milliseconds a scan, and how many times as fast as another side."""
    ratio = f"   {other[0] / taken[0]:6.2f} ×, {other[1] / taken[1]:6.2f} × as fast" if other else ""
    print(f"{what:<44} {1e3 * taken[0] / count:9.3f} ms CPU {1e3 * taken[1] / count:9.3f} ms wall{ratio}", flush=True)


FORMER = """
import json, sys, time, resource
sys.path.insert(0, sys.argv[1])
from exafsnn.pipeline import refine_scans
from exafsnn.results import ResultsFolder
def run(names, folder):
    with ResultsFolder(folder, "refine", {}, figures=0) as results:
        for outcome in refine_scans(names, references=names[:1], structure="bcc:2.8665"):
            results.add(outcome)
names = json.load(open(sys.argv[2]))
run(names[:5], sys.argv[3])
usage = resource.getrusage(resource.RUSAGE_SELF)
start, before = time.perf_counter(), usage.ru_utime + usage.ru_stime
run(names, sys.argv[3])
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([usage.ru_utime + usage.ru_stime - before, time.perf_counter() - start]))
"""
"""``refine`` of the former build, in a process of its own."""


def former_refine(checkout: Path, names: list[str], folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of the former build's ``refine``."""
    listed = folder / "names.json"
    listed.write_text(json.dumps(names))
    command = [sys.executable, "-c", FORMER, str(checkout), str(listed), str(folder / "former")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=as_it_comes())
    cpu, wall = json.loads(done.stdout.splitlines()[-1])
    return cpu, wall


def as_it_comes() -> dict[str, str]:
    """The environment without what this benchmark sets."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}


def cold(checkout: Path, name: str, folder: Path) -> tuple[float, float]:
    """CPU and wall seconds of ``exafsnn predict`` of one scan as a whole process, the least of five."""
    code = (
        "import sys, importlib.util, pathlib\n"
        f"sys.path.insert(0, {str(checkout)!r})\n"
        f"root = pathlib.Path({str(checkout)!r}) / 'cli'\n"
        "spec = importlib.util.spec_from_file_location("
        "'exafsnn_cli', root / '__init__.py', submodule_search_locations=[str(root)])\n"
        "sys.modules['exafsnn_cli'] = importlib.util.module_from_spec(spec)\n"
        "from exafsnn_cli.main import main\n"
        f"sys.argv = ['exafsnn', 'predict', {name!r}, '-o', {str(folder / 'cold')!r}]\n"
        "main()\n"
    )

    def run() -> None:
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=as_it_comes())

    taken = [spent(run) for _ in range(5)]
    return min(cpu for cpu, _ in taken), min(wall for _, wall in taken)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--figures", type=int, default=40)
    parser.add_argument("--refined", type=int, default=200)
    parser.add_argument("--before", type=Path, help="clone of a former build, for the cold start and refine")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run(args, Path(scratch))


def run(args: argparse.Namespace, scratch: Path) -> None:
    """Time all sides."""
    one, own = scratch / "one", scratch / "own"
    one.mkdir()
    own.mkdir()
    names = {"one grid": write_scans(one, args.files, False), "grids of their own": write_scans(own, args.files, True)}
    print(f"{args.files} simulated files, {os.cpu_count()} cores; a scan:")
    some = names["one grid"][: min(200, args.files)]
    larch = {}
    for title, files in names.items():
        part = files[: len(some)]
        larch[title] = apart(larch_loop, part)
        tell(f"larch, {title} ({len(part)} files)", larch[title], len(part))
        larch[title] = tuple(value * len(files) / len(part) for value in larch[title])
    our_run(some[:20], scratch / "ours", 0)
    for title, files in names.items():
        ours = spent(lambda files=files: our_run(files, scratch / "ours", 0))
        tell(f"exafsnn predict, {title}, no figures", ours, len(files), larch[title])
    few = names["one grid"][:: max(args.files // args.figures, 1)][: args.figures]
    our_run(few[:3], scratch / "figures", 3)
    scaled = tuple(value * len(few) / args.files for value in larch["one grid"])
    tell(f"exafsnn predict, {len(few)} files and figures",
         spent(lambda: our_run(few, scratch / "figures", len(few))), len(few), scaled)  # fmt: skip
    refined = names["one grid"][:: max(args.files // args.refined, 1)][: args.refined]
    our_run(refined[:5], scratch / "refined", 0, refined=True)
    ours = spent(lambda: our_run(refined, scratch / "refined", 0, refined=True))
    before = former_refine(args.before, refined, scratch) if args.before else None
    if before:
        tell(f"refine of {len(refined)}, former build", before, len(refined))
    tell(f"exafsnn refine of {len(refined)}", ours, len(refined), before)
    single = names["one grid"][0]
    before = cold(args.before, single, scratch / "before") if args.before else None
    if before:
        tell("one scan from a cold start, former build", before, 1)
    tell("one scan from a cold start", cold(ROOT, single, scratch / "now"), 1, before)
    try:
        scaled = tuple(value * len(some) / args.files for value in larch["one grid"])
        tell("rexafs, arrays, its own E0", apart(rexafs_loop, some), len(some), scaled)
        tell("rexafs, arrays, E0 given", apart(rexafs_with_e0, some), len(some), scaled)
    except ImportError:
        print("rexafs is not installed")


if __name__ == "__main__":
    main()
