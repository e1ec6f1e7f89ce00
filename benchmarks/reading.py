"""What reading costs: ``python benchmarks/reading.py [SCANS…]``.

CPU milliseconds for each text file, warm; for each spectrum of a stack in HDF5, read together and one by one, with the
ratio of the two; and for the first file in a fresh interpreter.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from exafsnn.read import scan
from exafsnn.read.scan import expand, read_all, read_one

SPECTRA, POINTS = 3000, 400
SCANS = sorted((Path(__file__).parents[1] / "spectra").glob("*.dat"))[:1]


def cpu_ms(work: Callable[[], object], repeats: int) -> float:
    """CPU time [ms] of some work, the least of five runs of so many repeats."""
    times = []
    for _ in range(5):
        started = time.process_time()
        for _ in range(repeats):
            work()
        times.append((time.process_time() - started) / repeats)
    return 1000 * min(times)


def parsed_anew(source: str) -> None:
    """Read a file as if it had not been read before."""
    scan._parsed.cache_clear()
    list(read_all(source))


def stack(folder: str, layout: str) -> str:
    """A stack of noisy scans of iron: of μ, or of counters."""
    energy = np.linspace(6900, 7900, POINTS)
    rng = np.random.default_rng(1)
    mu = 0.5 + np.arctan((energy - 7112) / 2) / np.pi + 1e-3 * rng.standard_normal((SPECTRA, POINTS))
    i0 = 1e6 * rng.uniform(0.99, 1.01, mu.shape)
    path = f"{folder}/{layout}.h5"
    with h5py.File(path, "w") as file:
        file["energy"], file["element"], file["edge"] = energy, "Fe", "K"
        for name, values in {"mu": {"mu": mu}, "counters": {"i0": i0, "i1": i0 * np.exp(-mu)}}[layout].items():
            file[name] = values
    return path


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scans", nargs="*", default=SCANS, type=Path)
    scans = [str(path) for path in parser.parse_args().scans]
    for source in scans:
        print(f"{cpu_ms(lambda source=source: parsed_anew(source), 20):8.2f} ms  {source}")
    with tempfile.TemporaryDirectory() as folder:
        for layout in ("mu", "counters"):
            source = stack(folder, layout)
            together = cpu_ms(lambda source=source: list(read_all(source)), 1) / SPECTRA
            names = expand(source)[:100]
            alone = cpu_ms(lambda names=names: [read_one(name) for name in names], 1) / len(names)
            print(
                f"{together:8.3f} ms  a spectrum of a stack of {layout}, {alone / together:.0f} times less than alone"
            )
    subprocess.run([sys.executable, "-c", f"import exafsnn; exafsnn.read({scans[0]!r})"], check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{1000 * (used.ru_utime + used.ru_stime):8.0f} ms  the first scan of a fresh interpreter")


if __name__ == "__main__":
    main()
