"""A series of scans on one energy grid: larch's loop and ``measure_batch``, side by side in one run.

    python benchmarks/batch.py [--scans 2000] [--larch 200] [--longest 100000]

The scans are **simulated**: those of ``spectra/``, of varied thickness, with more noise. larch's side is a loop over
scans of ``find_e0``, ``pre_edge`` and ``autobk`` with every parameter as exafsnn sets it, and nothing besides; it is
timed on fewer scans and scaled. Ours is timed twice: E₀, edge step and background alone, which is what larch's side
does, and with the quality gate. Both sides run in two processes of one thread each, warm. Then the memory of series up
to the longest, each in a process of its own that keeps all results; its scans are made chunk by chunk, as a file would
be read.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn.measure.background import larch_xafs, remove_background, resolved
from exafsnn.measure.batch import measure_batch
from exafsnn.measure.batch.background import without_background
from exafsnn.measure.batch.edge import edge_finder
from exafsnn.measure.batch.series import CHUNK
from exafsnn.measure.edges import tabulated
from exafsnn.measure.readers import read_one
from exafsnn.records import Spectrum
from exafsnn.settings import BackgroundSettings

SPECTRA = Path(__file__).parents[1] / "spectra"
NOISE, THICKNESS = 2e-4, 0.005
"""Standard deviation of the noise added to each point of μ, and of the factor of all points."""

PROCESSES = 2
SETTINGS = BackgroundSettings()


class Simulated:
    """(count, n) μ of a series that is heated from the first to the last scan of ``spectra/``; rows made when read."""

    def __init__(self, count: int, first: int = 0, whole: int | None = None) -> None:
        scans = [read_one(path) for path in sorted(SPECTRA.glob("fe_*.dat"))]
        self.like = Spectrum(scans[0].energy, scans[0].mu, "Fe", "K", source="simulated")
        self.base = np.array([scan.mu for scan in scans])
        self.shape = (count, self.base.shape[1])
        self.first, self.whole, self.spent = first, whole or count, 0.0

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Return some scans; what that takes is not the benchmark's."""
        start = time.perf_counter()
        numbers = self.first + np.arange(*rows.indices(self.shape[0]))
        random = np.random.default_rng(numbers[0])
        mu = self.base[numbers * len(self.base) // self.whole]
        mu = mu * (1 + THICKNESS * random.standard_normal((len(mu), 1))) + NOISE * random.standard_normal(mu.shape)
        self.spent += time.perf_counter() - start
        return mu


def larch_loop(like: Spectrum, mu: np.ndarray) -> list[tuple[float, float, np.ndarray, np.ndarray]]:
    """E₀, edge step, k and χ(k) of each scan, by larch alone."""
    from larch import Group

    larch, answers = larch_xafs(), []
    for row in mu:
        group = Group(energy=like.energy.copy(), mu=row.copy())
        e0 = float(larch.find_e0(group))
        values = resolved(SETTINGS, like, e0)
        names = ("pre1", "pre2", "norm1", "norm2", "nnorm", "nvict", "npre", "step")
        larch.pre_edge(group, e0=e0, make_flat=False, **{name: values[name] for name in names})
        names = ("rbkg", "kmin", "kmax", "kstep", "kweight", "dk", "nfft", "clamp_lo", "clamp_hi", "nclamp")
        larch.autobk(
            group,
            ek0=e0,
            edge_step=group.edge_step,
            win=values["window"],
            calc_uncertainties=False,
            **{name: values[name] for name in names},
        )
        answers.append((e0, float(group.edge_step), group.k, group.chi))
    return answers


def background_alone(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """E₀, edge step and background of scans that nobody judges, as ``measure_batch`` finds them."""
    answers = []
    for start in range(0, len(mu), CHUNK):
        part = mu[start : start + CHUNK]
        near = edge_finder(like.energy.tobytes(), tabulated("Fe", "K")).positions(part)
        answers += without_background(like, part, np.arange(len(part)), near, [()] * len(part), SETTINGS)
    return answers


def gated(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """All of ``measure_batch``."""
    return list(measure_batch(like, mu, SETTINGS))


def singly(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """``remove_background``, scan by scan."""
    return [remove_background(Spectrum(like.energy, row, "Fe", "K"), SETTINGS) for row in mu]


# The network's prediction joins ``gated`` here, and feffit ``larch_loop``, once both start from χ(k) in this script.
SIDES: dict[str, Callable[[Spectrum, np.ndarray], list[Any]]] = {
    "larch": larch_loop, "background alone": background_alone, "with the gate": gated, "scan by scan": singly,
}  # fmt: skip


def timed(side: str, count: int, first: int, whole: int) -> float:
    """Seconds that a process takes for its share of the scans, once warm."""
    series = Simulated(count, first, whole)
    mu = series[:]
    SIDES[side](series.like, mu[: max(count // 10, 2)] if side in ("larch", "scan by scan") else mu)
    start = time.perf_counter()
    SIDES[side](series.like, mu)
    return time.perf_counter() - start


def seconds_a_scan(pool: ProcessPoolExecutor, side: str, count: int) -> float:
    """Time a scan, of all processes at work at the same time."""
    share = count // PROCESSES
    jobs = [pool.submit(timed, side, share, i * share, count) for i in range(PROCESSES)]
    return max(job.result() for job in jobs) / (share * PROCESSES)


def agreement(count: int) -> str:
    """Largest differences from larch, over some scans of the series."""
    series = Simulated(count)
    mu = series[:]
    (found,) = measure_batch(series.like, mu, SETTINGS, chunk=count)
    worst = np.zeros(3)
    for row, (e0, step, k, chi) in enumerate(larch_loop(series.like, mu)):
        ours = found.chi[row, : len(k)]
        off = np.abs(k**2 * (ours - chi)).max() / np.abs(k**2 * chi).max()
        worst = np.fmax(worst, [abs(found.e0[row] - e0), abs(found.edge_step[row] / step - 1), off])
    rejected = f", {len(found.refusals)} refused by the gate" if found.refusals else ""
    return (
        f"E₀ {worst[0]:.1e} eV, edge step {worst[1]:.1e}, k²χ {worst[2]:.1e} of its maximum ({count} scans{rejected})"
    )


def peak_memory(count: int) -> tuple[float, float, float, int]:
    """Peak memory [MB], that before the first scan [MB], seconds, and how many scans were measured one by one."""
    series = Simulated(count)
    list(measure_batch(series.like, series[:2], SETTINGS))
    before, start, series.spent = rss(), time.perf_counter(), 0.0
    parts = list(measure_batch(series.like, series, SETTINGS))
    spent = time.perf_counter() - start - series.spent
    return rss(), before, spent, sum(len(part.singly) for part in parts)


def rss() -> float:
    """Largest resident set so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=int, default=2000)
    parser.add_argument("--larch", type=int, default=200, help="scans that larch is timed on")
    parser.add_argument("--longest", type=int, default=100_000)
    args = parser.parse_args()
    print(f"{args.scans} simulated scans of {Simulated(1).shape[1]} points; {PROCESSES} processes of one thread")
    context = get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        sizes = {"larch": args.larch, "scan by scan": max(args.larch // 5, 4)}
        taken = {side: seconds_a_scan(pool, side, sizes.get(side, args.scans)) for side in SIDES}
    for side, seconds in taken.items():
        scaled = f" (timed on {sizes[side]}, scaled)" if side in sizes else ""
        ratio = f", {taken['larch'] / seconds:.1f} times as fast as larch" if side != "larch" else ""
        print(f"{side:<17} {1e6 * seconds:9.1f} µs a scan, {args.scans * seconds:7.2f} s for all{scaled}{ratio}")
    print(f"with the gate {taken['scan by scan'] / taken['with the gate']:.0f} times as fast as scan by scan")
    print(f"differences from larch: {agreement(args.larch)}")
    print(
        f"{'scans':>8}{'time [s]':>10}{'µs a scan':>11}{'peak [MB]':>11}{'more than before [MB]':>23}{'one by one':>12}"
    )
    for count in [size for size in (1000, 3000, 10_000, 30_000, 100_000) if size <= args.longest]:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            peak, before, spent, alone = pool.submit(peak_memory, count).result()
        print(f"{count:>8}{spent:>10.2f}{1e6 * spent / count:>11.1f}{peak:>11.0f}{peak - before:>23.0f}{alone:>12}")


if __name__ == "__main__":
    main()
