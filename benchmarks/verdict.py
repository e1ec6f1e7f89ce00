"""Does the misfit tell glitches from sound scans? Foils as they are, noisier, and with smooth bells in μ(E).

    python benchmarks/verdict.py [FOLDER]

Bells of 0.1 to 0.6 Å⁻¹ (full width at half maximum) and 0.5 to 20 % of the edge step, of either sign, anywhere from
k = 3.5 to 13 Å⁻¹, in foils of seven kinds; those that the gate refuses are left out. Each is answered by `predict`, and
by `refine` without a reference and with the undamaged foil as one. Moved: N, R or σ² is off from what the undamaged
foil gets by more than two error bars: the scan's own, which grow with its misfit, or those of the undamaged foil.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from exafsnn.constants import HBAR2_OVER_2M
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.measure.scans import measure_all
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Prediction, Spectrum
from exafsnn.settings import BackgroundSettings

FOILS = (
    ("fe-k", "fe/Fe_metal_rt_02.xdi", "bcc:2.8665"), ("fe-k", "fe/fe.300", "bcc:2.8665"),
    ("cu-k", "cu/cu_metal_rt.xdi", "fcc:3.6149"), ("ni-k", "metals/Ni_metal_rt_01.xdi", "fcc:3.5240"),
    ("pt-l3", "metals/pt_metal_rt.xdi", "fcc:3.9242"), ("mo-k", "metals/Mo_foil_Mo_K.dat", "bcc:3.1470"),
    ("pd-k", "metals/Pd_foil_Pd_K.dat", "fcc:3.8907"),
)  # fmt: skip
CLEAN, GLITCHED = 29, 70
"""Scans of each foil."""
NOISE, HEIGHT, WIDTH, PLACE = (1e-4, 3e-3), (0.005, 0.2), (0.1, 0.6), (3.5, 13.0)
"""In edge steps, edge steps, Å⁻¹ and Å⁻¹."""
QUANTITIES = ("coordination", "distance", "sigma2")


def main(folder: str = os.environ.get("EXAFSNN_DATA_DIR", "../shared/spectra")) -> None:
    """Print how many are told, and of those that move how many."""
    rows: dict[str, list[tuple[bool, bool, list[bool], list[bool]]]] = {}
    for number, (name, file, structure) in enumerate(FOILS):
        spectrum, model = read_one(str(Path(folder) / file)), load_model(name)
        (chi,) = measured(model, [spectrum])
        rng = np.random.default_rng(number)
        clean = measured(model, [noisier(spectrum, chi, rng) for _ in range(CLEAN)])
        bells = measured(model, [with_bell(spectrum, chi, rng) for _ in range(GLITCHED)])
        ways = {
            "predict": model.predict_all, "refine": Refiner(model).refine_all,
            "refine with reference": Refiner(model, chi, structure).refine_all,
        }  # fmt: skip
        for way, answer in ways.items():
            true, *answers = answer([chi, *clean, *bells])
            for place, found in enumerate(answers):
                rows.setdefault(way, []).append((place >= len(clean), told(found), *moved(found, true)))
        print(f"{file}: {len(clean)} clean, {len(bells)} with bells", file=sys.stderr)
    for way, found in rows.items():
        sound, damaged = ([row for row in found if row[0] == with_bells] for with_bells in (False, True))
        parts = [f"{sum(row[1] for row in some)} of {len(some)}" for some in (sound, damaged)]
        print(f"{way}: told of {parts[0]} clean scans, {parts[1]} with bells")
        for column, quantity in enumerate(QUANTITIES):
            for bars, which in enumerate(("its own", "the undamaged foil's"), 2):
                off = [row for row in damaged if row[bars][column]]
                print(f"  {quantity} moved by two of {which} in {len(off)}: {sum(row[1] for row in off)} of them told")


def measured(model: Model, spectra: Sequence[Spectrum]) -> list[ChiK]:
    """χ(k) of those that pass the gate and that the model can answer."""
    found = measure_all(list(spectra), BackgroundSettings())
    return [chi for chi in found if isinstance(chi, ChiK) and model.can_answer(chi.noise, chi.k_max_usable)]


def noisier(spectrum: Spectrum, chi: ChiK, rng: np.random.Generator) -> Spectrum:
    """The scan with white noise besides its own."""
    size = chi.edge_step * np.exp(rng.uniform(*np.log(NOISE)))
    return replace(spectrum, mu=spectrum.mu + size * rng.standard_normal(len(spectrum.mu)))


def with_bell(spectrum: Spectrum, chi: ChiK, rng: np.random.Generator) -> Spectrum:
    """The scan with a Gaussian in μ(E)."""
    k, width = rng.uniform(*PLACE), np.exp(rng.uniform(*np.log(WIDTH)))
    height = chi.edge_step * np.exp(rng.uniform(*np.log(HEIGHT))) * rng.choice([-1, 1])
    place, wide = chi.e0 + HBAR2_OVER_2M * k**2, 2 * HBAR2_OVER_2M * k * width
    bell = height * np.exp(-4 * np.log(2) * ((spectrum.energy - place) / wide) ** 2)
    return replace(spectrum, mu=spectrum.mu + bell)


def told(prediction: Prediction) -> bool:
    """Whether the answer itself is doubted."""
    return bool({finding.name for finding in prediction.findings} & {"misfit", "foreign"})


def moved(prediction: Prediction, true: Prediction) -> tuple[list[bool], list[bool]]:
    """(3,) whether N, R and σ² are off by more than two error bars: of the scan, and of the true one."""
    ours, theirs = prediction.shells["first"], true.shells["first"]
    off = {key: abs(getattr(ours, key) - getattr(theirs, key)) for key in QUANTITIES}
    own, clean = ([off[key] > 2 * getattr(shell, f"{key}_std") for key in QUANTITIES] for shell in (ours, theirs))
    return own, clean


if __name__ == "__main__":
    main(*sys.argv[1:])
