"""A series of scans on one energy grid: larch's loop and exafsnn's matrix products, side by side in one run.

    python benchmarks/batch.py [--scans 2000] [--larch 200] [--longest 100000]

The scans are **simulated**: those of ``spectra/``, of varied thickness, with more noise. Two tasks:

- the background: larch's side is a loop over scans of ``find_e0``, ``pre_edge`` and ``autobk`` with every parameter as
  exafsnn sets it, and nothing besides. Ours is timed twice: the same alone, and with the quality gate;
- raw μ(E) → N, R, σ²: larch's side goes on with ``xftf``, and with ``feffit`` of the two near shells (``shell_fit.py``;
  N, R, σ² of both and ΔE₀ free, k weight 2, R = 1.0–3.0 Å), to the median of the ends that we find usable. Ours goes on
  with the networks, error bars and domain.

larch's side is timed on fewer scans and scaled. Both run in two processes of one thread each, warm. Then the memory of
series up to the longest, each in a process of its own that keeps all answers; its scans are made chunk by chunk, as a
file would be read.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from shell_fit import Feffit

from exafsnn.edges import tabulated
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.measure.background import resolved
from exafsnn.measure.edge import positions
from exafsnn.measure.gate import Passed
from exafsnn.measure.scans import CHUNK, _without_background, _zeros, measure_stack, remove_background
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.scans import answer_stack
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
    from larch import xafs as larch

    answers = []
    for row in mu:
        group = Group(energy=like.energy.copy(), mu=row.copy())
        e0 = float(larch.find_e0(group))
        values = resolved(SETTINGS, like.energy, e0)
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
    """E₀, edge step and background of scans that nobody judges, as ``measure_stack`` finds them."""
    answers = []
    for start in range(0, len(mu), CHUNK):
        part = mu[start : start + CHUNK]
        near = positions(like.energy, part, tabulated("Fe", "K"))
        passed = Passed(np.arange(len(part)), like.energy, part, near, ((),) * len(part))
        (zeros,) = _zeros([passed], SETTINGS.e0)
        answers += _without_background(like, passed, zeros, SETTINGS)
    return answers


def gated(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """All of ``measure_stack``."""
    return list(measure_stack(like, mu, SETTINGS))


def singly(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """``remove_background``, scan by scan."""
    return [remove_background(Spectrum(like.energy, row, "Fe", "K"), SETTINGS) for row in mu]


def larch_fits(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """N, R and σ² of each scan, by larch alone."""
    from larch import Group
    from larch import xafs as larch

    fit, answers = feffit(), []
    for e0, step, k, chi in larch_loop(like, mu):
        low, high = fit.k_range
        larch.xftf(Group(k=k, chi=chi), kmin=low, kmax=high, kweight=2, dk=1, window="hanning")
        answers.append(fit(ChiK(k, chi, "Fe", "K", noise=NOISE, e0=e0, edge_step=step, k_max_usable=high)))
    return answers


@cache
def feffit() -> Feffit:
    """The fit, with FEFF's paths, to the k range of our side."""
    series = Simulated(100)
    usable = np.concatenate([part.k_max_usable for part in measure_stack(series.like, series, SETTINGS)])
    k_range = (model().features.kmin, float(np.median(usable)))
    return Feffit(Path(tempfile.mkdtemp(prefix="feffit-")), "bcc", k_range, near=True)


@cache
def model() -> Model:
    """The shipped model."""
    return load_model("fe-k")


def answered_alone(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """N, R and σ² of scans that nobody judges."""
    return [
        model().answers(
            Signals(part.k, part.chi, part.noise, part.k_max_usable, np.full(len(part.chi), part.settings["e0"]))
        )
        for part in background_alone(like, mu)
    ]


def answered(like: Spectrum, mu: np.ndarray) -> list[Any]:
    """All of ``answer_stack``."""
    return list(answer_stack(like, mu, model(), settings=SETTINGS))


LARCH, FITS = "larch: background", "larch: N, R, σ²"
SIDES: dict[str, tuple[Callable[[Spectrum, np.ndarray], list[Any]], str]] = {
    LARCH: (larch_loop, ""),
    "background alone": (background_alone, LARCH),
    "background, gate": (gated, LARCH),
    "scan by scan": (singly, LARCH),
    FITS: (larch_fits, ""),
    "N, R, σ² alone": (answered_alone, FITS),
    "N, R, σ², gate": (answered, FITS),
}
"""What is timed, and which of larch's loops does the same."""
LOOPS = (LARCH, FITS, "scan by scan")
"""Those that go from scan to scan, and are timed on fewer."""


def timed(side: str, count: int, first: int, whole: int) -> float:
    """Seconds that a process takes for its share of the scans, once warm."""
    series = Simulated(count, first, whole)
    mu = series[:]
    work = SIDES[side][0]
    work(series.like, mu[: max(count // 10, 2)] if side in LOOPS else mu)
    start = time.perf_counter()
    work(series.like, mu)
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
    (found,) = measure_stack(series.like, mu, SETTINGS, chunk=count)
    worst = np.zeros(3)
    for row, (e0, step, k, chi) in enumerate(larch_loop(series.like, mu)):
        ours = found.chi[row, : len(k)]
        off = np.abs(k**2 * (ours - chi)).max() / np.abs(k**2 * chi).max()
        worst = np.fmax(worst, [abs(found.e0[row] - e0), abs(found.edge_step[row] / step - 1), off])
    rejected = f", {len(found.refusals)} refused by the gate" if found.refusals else ""
    return (
        f"E₀ {worst[0]:.1e} eV, edge step {worst[1]:.1e}, k²χ {worst[2]:.1e} of its maximum ({count} scans{rejected})"
    )


def peak_memory(count: int) -> tuple[float, float, float]:
    """Peak memory [MB], that before the first scan [MB], and seconds; all answers are kept."""
    series = Simulated(count)
    list(answer_stack(series.like, series[:20], model(), settings=SETTINGS))
    before, start, series.spent = rss(), time.perf_counter(), 0.0
    kept = list(answer_stack(series.like, series, model(), settings=SETTINGS))
    spent = time.perf_counter() - start - series.spent
    return (rss() if kept else 0.0), before, spent


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
        sizes = {LARCH: args.larch, FITS: args.larch, "scan by scan": max(args.larch // 5, 4)}
        taken = {side: seconds_a_scan(pool, side, sizes.get(side, args.scans)) for side in SIDES}
    for side, seconds in taken.items():
        other = SIDES[side][1]
        scaled = f" (timed on {sizes[side]}, scaled)" if side in sizes else ""
        ratio = f", {taken[other] / seconds:.1f} times as fast as larch" if other else ""
        print(f"{side:<18} {1e6 * seconds:9.1f} µs a scan, {args.scans * seconds:7.2f} s for all{scaled}{ratio}")
    print(f"differences from larch: {agreement(args.larch)}")
    print(f"{'scans':>8}{'time [s]':>10}{'µs a scan':>11}{'peak [MB]':>11}{'more than before [MB]':>23}")
    for count in [size for size in (1000, 3000, 10_000, 30_000, 100_000) if size <= args.longest]:
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            peak, before, spent = pool.submit(peak_memory, count).result()
        print(f"{count:>8}{spent:>10.2f}{1e6 * spent / count:>11.1f}{peak:>11.0f}{peak - before:>23.0f}")


if __name__ == "__main__":
    main()
