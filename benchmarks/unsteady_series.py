"""Does `series` take a step of the amplitude for a transition? Twelve repeats of a foil, the later ones damaged.

    python benchmarks/unsteady_series.py [DRAWS [FOLDER]]

From the seventh scan on pinholes or harmonics of up to 5 %, or a sample and an axis that drift by up to 5 % and 1 eV;
and nothing at all. Edge step 2, noise 3 × 10⁻⁴ of it, the first scan is the standard; each series has its own size.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from exafsnn.analyse.columns import Point
from exafsnn.analyse.lattice import LatticeFinder
from exafsnn.analyse.series import analyse
from exafsnn.infer.predict import load_model
from exafsnn.infer.refine import Refiner
from exafsnn.measure.scans import measure_all
from exafsnn.read.scan import read_one
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.settings import BackgroundSettings

FOILS = (
    ("fe-k", "fe/Fe_metal_rt_02.xdi", "bcc:2.8665"), ("cu-k", "cu/cu_metal_rt.xdi", "fcc:3.6149"),
    ("ni-k", "metals/Ni_metal_rt_01.xdi", "fcc:3.5240"),
)  # fmt: skip
KINDS = ("none", "pinholes", "harmonics", "drift")
SCANS, STEP, NOISE, MOST, SHIFT = 12, 2.0, 3e-4, 0.05, 1.0


def main(draws: str = "12", folder: str = os.environ.get("EXAFSNN_DATA_DIR", "../shared/spectra")) -> None:
    """Print in how many series a transition is found."""
    rng = np.random.default_rng(5)
    for kind in KINDS:
        found = sum(
            transitions(name, Path(folder) / file, structure, kind, int(draws), rng) for name, file, structure in FOILS
        )
        print(f"{kind}: a transition in {found} of {len(FOILS) * int(draws)} series", flush=True)


def transitions(name: str, file: Path, structure: str, kind: str, draws: int, rng: np.random.Generator) -> int:
    """In how many series of one foil a transition is found."""
    spectrum, model = read_one(str(file)), load_model(name)
    finder = LatticeFinder(model)
    mu, count = (spectrum.mu - spectrum.mu.min()) * STEP / spectrum.to_chi().edge_step, 0
    for _ in range(draws):
        size = MOST * rng.uniform(0.3, 1.0)
        scans = [damaged(spectrum, mu, kind, size, number, rng) for number in range(SCANS)]
        chis = [chi for chi in measure_all(scans, BackgroundSettings()) if isinstance(chi, ChiK)]
        answers = Refiner(model, chis[0], structure).refine_all(chis)
        lattices = [finder.find(answer.rdf, standard=True) for answer in answers]
        points = [
            Point(float(number), answer.ranges, lattice, answer.in_domain)
            for number, (answer, lattice) in enumerate(zip(answers, lattices, strict=True))
        ]
        count += analyse(points).strongest.found
    return count


def damaged(spectrum: Spectrum, mu: Array, kind: str, size: float, number: int, rng: np.random.Generator) -> Spectrum:
    """One scan of a series, μ of edge step 2."""
    late, energy = float(number >= SCANS // 2), spectrum.energy
    mu = mu + NOISE * STEP * rng.standard_normal(len(mu))
    if kind == "pinholes":
        mu = -np.log((1 - size * late) * np.exp(-mu) + size * late)
    elif kind == "harmonics":
        mu = -np.log((np.exp(-mu) + size * late * np.exp(-0.1 * mu)) / (1 + size * late))
    elif kind == "drift":
        on = max(0.0, (number - SCANS // 2 + 1) / (SCANS // 2))
        mu, energy = mu * (1 + size * on), energy + SHIFT * size / MOST * on
    return replace(spectrum, energy=energy, mu=mu, source=str(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
