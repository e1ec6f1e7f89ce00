"""Refinement against prediction alone, on iron in a potential and a FEFF treatment that no training saw.

    exafsnn simulate benchmarks/foreign.toml -o foreign.h5
    python benchmarks/refinement.py foreign.h5 [MODEL [SESSIONS]]

Simulated sessions of 16 scans: random energy zero, amplitude, noise, k max and background; the theory is foreign as it
is. Once with a standard of the same theory, as a foil is, and once without. The time is that of one thread.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from held_out import rdf_error

from exafsnn.analyse.shells import moments
from exafsnn.beamline import Beamline
from exafsnn.infer.predict import load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.simulate.library import load

SCANS = 16


def main(library: str, name: str = "fe-k", sessions: str = "16") -> None:
    """Print one line for each way."""
    torch.set_num_threads(1)
    model = load_model(name)
    bank = make_bank(load(library), model.pairs)
    for referenced in (True, False):
        beamline = Beamline(bank, bank, model.pairs, model.features, ("Fe", "K"), 3, erring=False)
        rows, seconds = [], 0.0
        for session in beamline.sessions(int(sessions), SCANS, referenced):
            started = time.perf_counter()
            refiner = Refiner(model, session.standard, session.structure)
            refined = refiner.refine_all(session.scans)
            seconds += time.perf_counter() - started
            for number, chi in enumerate(session.scans):
                true, before = session.density[number], model.predict(chi, refiner.reference)
                pair = (before, refined[number])
                found = [item.rdf.density[0] for item in pair]
                errors = [rdf_error(model.r, density[None], true[None])[0] for density in found]
                offsets = [moments(model.r, density, 1.9, 3.3) - moments(model.r, true, 1.9, 3.3) for density in found]
                rows.append([*errors, *(x for offset in zip(*offsets, strict=True) for x in offset[:2]),
                             *(item.misfit for item in pair)])  # fmt: skip
        _tell("with a standard" if referenced else "without", np.array(rows, float), seconds)


def _tell(title: str, rows: np.ndarray, seconds: float) -> None:
    rdf, count, distance, sigma2 = (rows[:, 2 * i : 2 * i + 2] for i in range(4))
    misfit = rows[:, -2:]
    rms = [
        f"{np.sqrt((values**2).mean(axis=0))[0]:.4f} → {np.sqrt((values**2).mean(axis=0))[1]:.4f}"
        for values in (count, distance, sigma2)
    ]
    change = np.quantile(np.abs(count[:, 1]) - np.abs(count[:, 0]), 0.99)
    print(f"{title}: {len(rows)} spectra, {seconds / len(rows):.3f} s each")
    print(
        f"  RDF error {rdf[:, 0].mean():.4f} → {rdf[:, 1].mean():.4f} ({rdf[:, 1].mean() / rdf[:, 0].mean() - 1:+.0%})"
    )
    print(f"  rms error of N {rms[0]}, of R {rms[1]} Å, of σ² {rms[2]} Å²")
    lower = np.mean(misfit[:, 1] < misfit[:, 0])
    print(f"  misfit lower on {lower:.1%}; 99th percentile of the change of |ΔN| {change:+.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
