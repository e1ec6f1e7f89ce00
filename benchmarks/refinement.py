"""Refinement against prediction alone, and against feffit, on iron in a potential and a FEFF treatment of no training.

    exafsnn simulate benchmarks/foreign.toml -o foreign.h5
    python benchmarks/refinement.py foreign.h5 [MODEL [SESSIONS]]

Simulated sessions of 16 scans: random energy zero, amplitude, noise, k max and background; the theory is foreign as it
is. With a standard of the same theory, as a foil is, and without; crystals as they stand, and samples that are
mixtures, stretched, or lack atoms. The time is that of one thread. feffit (``shell_fit.py``) is told the phase, takes
its amplitude from the same standard, and is judged by the crystal's own shells: N, and the mean distance of the
lattice; exafsnn by the integrals of n(r). feffit's time counts no path computations.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from held_out import rdf_error
from shell_fit import Feffit, first_number, lattice_mean

from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.records import Array, Prediction
from exafsnn.shells import moments
from exafsnn.simulate.library import load
from exafsnn.validate.sessions import Beamline, SimulatedSession

SCANS = 16
K_MIN, K_MAX = 3.0, 14.0
"""Of feffit [Å⁻¹]; it ends earlier where the data do."""


def main(library: str, name: str = "fe-k", sessions: str = "12") -> None:
    """Print a table for each way."""
    torch.set_num_threads(1)
    model = load_model(name)
    bank = make_bank(load(library), model.pairs)
    lattice = dict(zip(bank.index, bank.lattice, strict=True))
    for varied, referenced in ((False, True), (False, False), (True, True), (True, False)):
        beamline = Beamline(
            bank, bank, model.pairs, model.features, ("Fe", "K"), 3, erring=False, varied=varied
        )  # fmt: skip
        found = list(beamline.sessions(int(sessions), SCANS, referenced))
        samples = "mixtures, atoms missing" if varied else "crystals"
        title = f"{samples}, {'with a standard' if referenced else 'no standard'}"
        rows, seconds = compare(model, found)
        tell(title, rows, seconds)
        if referenced and not varied:
            with tempfile.TemporaryDirectory() as scratch:
                against_feffit(Path(scratch), found, lattice, rows)


def compare(model: Model, sessions: list[SimulatedSession]) -> tuple[Array, float]:
    """(n, 10) errors before and after: of the RDF, N, R, σ², and the misfits; and seconds of refinement."""
    rows, seconds = [], 0.0
    for session in sessions:
        started = time.perf_counter()
        refiner = Refiner(model, session.standard, session.structure)
        refined = refiner.refine_all(session.scans)
        seconds += time.perf_counter() - started
        for chi, true, after in zip(session.scans, session.density, refined, strict=True):
            pair = (model.predict(chi, refiner.reference), after)
            errors = np.array([errors_of(model, item, true) for item in pair])
            rows.append(errors.T.ravel())
    return np.array(rows), seconds


def errors_of(model: Model, found: Prediction, true: Array) -> list[float]:
    """Of the RDF, N, R [Å], σ² [Å²]; then the misfit."""
    density = found.rdf.density[0]
    moved = moments(model.r, density, 1.9, 3.3) - moments(model.r, true, 1.9, 3.3)
    return [rdf_error(model.r, density[None], true[None])[0], *moved[:3], found.misfit]


def tell(title: str, rows: Array, seconds: float) -> None:
    """One way, in words."""
    rdf, count, distance, sigma2, misfit = (rows[:, 2 * i : 2 * i + 2] for i in range(5))
    rms = ["{:.4f} → {:.4f}".format(*np.sqrt((values**2).mean(axis=0))) for values in (count, distance, sigma2)]
    before, after = rdf.mean(axis=0)
    change = np.quantile(np.abs(count[:, 1]) - np.abs(count[:, 0]), 0.99)
    print(f"{title}: {len(rows)} spectra, {seconds / len(rows):.3f} s each")
    print(f"  RDF error {before:.4f} → {after:.4f} ({after / before - 1:+.0%})")
    print(f"  rms error of N {rms[0]}, of R {rms[1]} Å, of σ² {rms[2]} Å²")
    lower = np.mean(misfit[:, 1] < misfit[:, 0])
    print(f"  misfit lower on {lower:.1%}; 99th percentile of the change of |ΔN| {change:+.2f}", flush=True)


def against_feffit(folder: Path, sessions: list[SimulatedSession], lattice: dict[int, float], rows: Array) -> None:
    """Fit the same scans with feffit, with and without a third cumulant."""
    for skewed in (False, True):
        fits = {}
        for phase in ("bcc", "fcc"):
            where = folder / f"{phase}-{skewed}"
            where.mkdir()
            fits[phase] = Feffit(where, phase, (K_MIN, K_MAX), skewed=skewed)
        errors, seconds = defaultdict(list), 0.0
        for session in sessions:
            if session.standard is None or session.structure is None:
                continue
            standard = fits[session.structure.split(":")[0]]
            standard.calibrate(session.standard)
            for chi, phase, state in zip(session.scans, session.phases, session.states, strict=True):
                fits[phase].amplitude = standard.amplitude
                started = time.perf_counter()
                answer = fits[phase](chi)
                seconds += time.perf_counter() - started
                errors["N"].append(answer.coordination - first_number(phase))
                errors["R"].append(answer.distance - lattice_mean(phase, lattice[state]))
        rms = {key: np.sqrt(np.mean(np.square(values))) for key, values in errors.items()}
        middle = {key: np.median(np.abs(values)) for key, values in errors.items()}
        name = "feffit with a third cumulant" if skewed else "feffit"
        print(
            f"  {name}: rms error of N {rms['N']:.4f}, of R {rms['R']:.4f} Å; median {middle['N']:.4f},"
            f" {middle['R']:.4f} Å; {seconds / len(errors['N']):.3f} s each"
        )
    middle = np.median(np.abs(rows[:, [3, 5]]), axis=0)
    print(f"  refined: median error of N {middle[0]:.4f}, of R {middle[1]:.4f} Å", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
