"""Make ``spectra/``: raw scans of iron heated through its bcc → fcc transition, simulated, with the truth beside them.

    python examples/make_spectra.py -o spectra

It takes 40 minutes in one process on a busy machine, about half of that on two free cores. An interrupted run goes on
where it stopped, as long as the folder of ``--work`` is kept.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absorption_scan import Beamline, Scan, edge_step, record, zero_above_edge
from heating_series import POTENTIAL, TEMPERATURES, SimulatedState, simulate
from scipy.ndimage import gaussian_filter1d

from exafsnn.constants import ATOMIC_MASS_GRAM
from exafsnn.records import Array
from exafsnn.simulate.sites import LIBRARY_K, RDF_EDGES
from exafsnn.workers import run_all

FIRST_SHELLS = (1.9, 3.3)
"""Range of coordination, distance and σ² [Å]."""

RDF_BINS = np.round(1.615 + 0.03 * np.arange(170), 3)
"""Centres of the bins in ``true_rdf.csv`` [Å]."""

SMOOTHING = 0.03
"""Gaussian that the true RDFs are smoothed with [Å]."""

ATOMS_PER_CELL = {"bcc": 2, "fcc": 4}
IRON_MASS = 55.845
"""[u]"""


def main() -> None:
    """Simulate all temperatures, then write the folder."""
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    states = []
    tasks = [(temperature, options.work) for temperature in options.temperatures]
    for (temperature, _), state in run_all(_simulate, tasks, options.workers):
        print(f"{temperature} K: {state.phase}, a = {state.a:.4f} Å", flush=True)
        states.append(state)
    write_folder(options.output, sorted(states, key=lambda state: state.temperature), Beamline())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, default=Path("spectra"))
    work = Path(tempfile.gettempdir()) / "exafsnn-spectra"
    parser.add_argument("--work", type=Path, default=work, help=f"folder of what can be reused; default: {work}")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--temperatures", type=int, nargs="+", default=TEMPERATURES, help="[K]; default: all")
    return parser.parse_args()


def _simulate(task: tuple[int, Path]) -> SimulatedState:
    return simulate(*task)


def write_folder(output: Path, states: Sequence[SimulatedState], beamline: Beamline) -> None:
    """Write one scan per state, ``truth.csv`` and ``true_rdf.csv``."""
    output.mkdir(parents=True, exist_ok=True)
    truths = []
    for state in states:
        rng = np.random.default_rng([120, state.temperature])
        thickness = beamline.thickness * rng.uniform(0.995, 1.005)
        scan = record(LIBRARY_K, state.chi, beamline, thickness, rng)
        (output / _file_name(state)).write_text(scan_text(state, scan), encoding="utf-8")
        truths.append(truth_of(state, beamline, thickness))
    _write_table(output / "truth.csv", truths)
    _write_rdf(output / "true_rdf.csv", states)


def _file_name(state: SimulatedState) -> str:
    return f"fe_{state.temperature:04d}K.dat"


def scan_text(state: SimulatedState, scan: Scan) -> str:
    """Text of one scan: a header that says what it is, and three columns."""
    header = [
        "Simulated data: not a measurement",
        "Element.symbol: Fe",
        "Element.edge: K",
        "Sample.name: iron (simulated)",
        f"Sample.temperature: {state.temperature} K",
        f"Simulation.potential: {POTENTIAL} (2NN-MEAM iron, molecular dynamics with LAMMPS)",
        "Simulation.theory: FEFF6L, Hedin-Lundqvist exchange, overlapped free atoms, all paths to 4 legs",
        "Simulation.program: examples/make_spectra.py",
        "Column.1: energy eV",
        "Column.2: i0",
        "Column.3: itrans",
    ]
    rows = [f"{e:11.3f} {i0:10d} {it:10d}" for e, i0, it in zip(scan.energy, scan.i0, scan.itrans, strict=True)]
    return "\n".join([*(f"# {line}" for line in header), "# energy i0 itrans", *rows, ""])


def truth_of(state: SimulatedState, beamline: Beamline, thickness: float) -> dict[str, str | float]:
    """Read off the state all that an analysis of its scan is asked for: one row of ``truth.csv``."""
    coordination, distance, sigma2 = shell(state.rdf)
    cell_mass = ATOMS_PER_CELL[state.phase] * IRON_MASS * ATOMIC_MASS_GRAM
    return {
        "file": _file_name(state),
        "phase": state.phase,
        "temperature_K": state.temperature,
        "lattice_constant_A": round(state.a, 5),
        "density_g_cm3": round(cell_mass / (state.a * 1e-8) ** 3, 4),
        "coordination_1.9_3.3": round(coordination, 4),
        "distance_A": round(distance, 5),
        "sigma2_A2": round(sigma2, 6),
        "amplitude": beamline.amplitude,
        "edge_step": round(edge_step(beamline, thickness), 4),
        "energy_offset_eV": beamline.offset,
        "theory_zero_minus_e0_eV": round(zero_above_edge(LIBRARY_K, state.chi, beamline), 2),
    }


def shell(rdf: Array) -> tuple[float, float, float]:
    """N, R = ∫rn/N and σ² = ∫(r − R)²n/N of the range ``FIRST_SHELLS``, from the unsmoothed histogram."""
    r = 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1])
    n = np.where((r > FIRST_SHELLS[0]) & (r < FIRST_SHELLS[1]), rdf, 0.0)
    distance = float(n @ r / n.sum())
    return float(n.sum()), distance, float(n @ (r - distance) ** 2 / n.sum())


def smooth_density(rdf: Array) -> Array:
    """n(r) [Å⁻¹] at ``RDF_BINS``, smoothed with a Gaussian of ``SMOOTHING``."""
    step = RDF_EDGES[1] - RDF_EDGES[0]
    fine = gaussian_filter1d(rdf / step, SMOOTHING / step)
    return np.interp(RDF_BINS, 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1]), fine)


def _write_table(path: Path, rows: Sequence[dict[str, str | float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_rdf(path: Path, states: Sequence[SimulatedState]) -> None:
    columns = np.array([smooth_density(state.rdf) for state in states])
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["r", *(Path(_file_name(state)).stem for state in states)])
        writer.writerows([f"{r:.3f}", *(f"{n:.4f}" for n in row)] for r, row in zip(RDF_BINS, columns.T, strict=True))


if __name__ == "__main__":
    main()
