"""exafsnn, larch's feffit and a Tikhonov inversion on the same measured iron scans, in one run.

    python benchmarks/comparison.py [FOLDER OF MEASURED SCANS]

All use the same χ(k), k = 3–12.5 Å⁻¹, FEFF8.5L with self-consistent potentials, and the same standard for the amplitude
(fe.300, bcc 2.8665 Å). feffit is set up as a practitioner would: five distances and the focused path behind the first
shell, one lattice expansion, one σ² per shell, E₀ and amplitude free; k weights 1, 2, 3; R = 1.3–5.2 Å. Tikhonov:
the smallest n(r)/r² ≥ 0 that explains k²χ by single scattering; λ from the corner of the standard's L-curve, ΔE₀ from
its mean distance.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls
from shell_fit import Answer, Feffit, lattice_mean

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.estimates import Reference
from exafsnn.infer.predict import load_model
from exafsnn.infer.reference import calibrate
from exafsnn.infer.refine import Refiner
from exafsnn.metals import METALS
from exafsnn.physics.feff import FeffTreatment, PathSummer, ScatteringPath
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Prediction
from exafsnn.shells import moments
from exafsnn.simulate.library import crystal_potentials

A = 2.8665
SCANS = ("fe.060", "fe.061", "fe.062", "fe.300", "fe.301", "Fe_metal_rt_02.xdi")
K_RANGE = (3.0, 12.5)


class Tikhonov:
    """Regularised inversion of single scattering."""

    def __init__(self) -> None:
        potentials = crystal_potentials(METALS["Fe"], "bcc", FeffTreatment())
        self.r = np.round(np.arange(1.6, 6.2, 0.04), 6)
        k = np.arange(2.0, 13.5, 0.05)
        with PathSummer(potentials) as summer:
            paths = [ScatteringPath(np.array([[0.0, 0.0, r]]), (1,)) for r in self.r]
            effective = summer.effective(paths, k)
        r = self.r[:, None]
        damping = np.exp(-2 * r / effective.mean_free_path)
        self.k = k
        self.kernel = effective.magnitude * damping / (k * r**2) * np.sin(2 * k * r + effective.phase) * 0.04
        self.amplitude, self.zero, self.strength = 1.0, 3.0, 0.01

    def __call__(self, chi: ChiK) -> Answer:
        """Analyse one scan."""
        density = self._invert(chi, self.zero, self.strength)[0]
        whole, first = moments(self.r, density, 1.9, 3.3), moments(self.r, density, 1.9, 2.68)
        self.raw = whole
        return Answer(whole[0] / self.amplitude, whole[1], first[2])

    def calibrate(self, chi: ChiK) -> None:
        """Take λ from the standard's L-curve, ΔE₀ from its mean distance, the amplitude from its coordination."""
        true = lattice_mean("bcc", A)
        misses = []
        for self.zero in np.arange(-4.0, 10.1, 1.0):
            self.strength = self._corner(chi, self.zero)
            self(chi)
            misses.append((abs(self.raw[1] - true), self.zero, self.strength, self.raw[0] / 14))
        _, self.zero, self.strength, self.amplitude = min(misses)

    def _corner(self, chi: ChiK, zero: float) -> float:
        """The λ of largest curvature of the L-curve."""
        strengths = np.geomspace(1e-3, 1.0, 13)
        x, y = np.log10([self._invert(chi, zero, strength)[1:] for strength in strengths]).T
        dx, dy = np.gradient(x), np.gradient(y)
        turn = (dx * np.gradient(dy) - dy * np.gradient(dx)) / (dx**2 + dy**2) ** 1.5
        return float(strengths[1 + int(np.argmax(turn[1:-1]))])

    def _invert(self, chi: ChiK, zero: float, strength: float) -> tuple[np.ndarray, float, float]:
        """n(r) ≥ 0, and the two norms of the L-curve: misfit and size of n(r)/r²."""
        k = np.arange(*K_RANGE, 0.05)
        data = k**2 * np.interp(np.sqrt(k**2 + zero * K2_PER_EV), chi.k, chi.chi)
        matrix = k[:, None] ** 2 * np.array([np.interp(k, self.k, row) for row in self.kernel]).T
        size = np.diag((2.6 / self.r) ** 2)
        stacked, target = np.vstack([matrix, strength * size]), np.concatenate([data, np.zeros(len(size))])
        density = nnls(stacked, target, maxiter=4000)[0]
        return density, float(np.linalg.norm(matrix @ density - data)), float(np.linalg.norm(size @ density)) + 1e-12


class Network:
    """The shipped model, with a reference: ``exafsnn predict``."""

    def __init__(self) -> None:
        self.model = load_model("fe-k")
        self.reference: Reference | None = None

    def __call__(self, chi: ChiK) -> Answer:
        """Analyse one scan."""
        return answer_of(self.model.predict(cut(chi), self.reference))

    def calibrate(self, chi: ChiK) -> None:
        """Take amplitude and energy zero from the standard."""
        self.reference = calibrate(self.model, cut(chi), f"bcc:{A}")


class Refined:
    """Its answers, refined with the same reference: ``exafsnn refine``."""

    def __init__(self) -> None:
        self.refiner = Refiner(load_model("fe-k"))

    def __call__(self, chi: ChiK) -> Answer:
        """Analyse one scan."""
        return answer_of(self.refiner.refine(cut(chi)))

    def calibrate(self, chi: ChiK) -> None:
        """Take from the standard what the scans of its session share."""
        self.refiner = Refiner(load_model("fe-k"), cut(chi), f"bcc:{A}")


def cut(chi: ChiK) -> ChiK:
    """χ(k) that ends where that of the other methods does."""
    return replace(chi, k_max_usable=K_RANGE[1])


def answer_of(prediction: Prediction) -> Answer:
    """N and R of the first range, σ² of the first shell."""
    whole, first = (prediction.rdf.shell("Fe-Fe", 1.9, end) for end in (3.3, 2.68))
    return Answer(whole.coordination, whole.distance, first.sigma2)


def main(folder: Path) -> None:
    """Print the table."""
    spectra = {name: read_one(folder / "fe" / name).to_chi() for name in SCANS}
    with tempfile.TemporaryDirectory() as scratch:
        methods: dict[str, Callable[[ChiK], Answer]] = {
            "predict": Network(),
            "refine": Refined(),
            "feffit": Feffit(Path(scratch), "bcc", K_RANGE),
            "Tikhonov": Tikhonov(),
        }
        print(f"{'scan':<20}{'method':<10}{'N (14)':>8}{'R [Å]':>9}{'σ² of shell 1 [Å²]':>20}{'time [s]':>10}")
        for method, run in methods.items():
            run.calibrate(spectra["fe.300"])
            for name, chi in spectra.items():
                start = time.perf_counter()
                answer = run(chi)
                spent = time.perf_counter() - start
                numbers = f"{answer.coordination:>8.2f}{answer.distance:>9.4f}{answer.sigma2:>20.5f}{spent:>10.3f}"
                print(f"{name:<20}{method:<10}{numbers}")


if __name__ == "__main__":
    default = Path(__file__).parents[2] / "shared" / "spectra"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
