"""One network for all metals? Each foil answered by the model of every other metal of its lattice.

    python benchmarks/other_element.py [FOLDER_OF_SCANS]

χ(k) is divided by the amplitude and phase of its own element's nearest neighbours, multiplied by those of the model's,
and k and R are scaled by the ratio of the bonds: so single scattering is that of the model's element, whatever the
metal. Multiple scattering is not: it is left as it is. The models never saw the foil's element; a star marks its own.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from foils import FOILS, truth

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.metals import METALS
from exafsnn.physics.distortion import quadrature
from exafsnn.records import Array, ChiK
from exafsnn.run.scans import measure_scans

ELEMENTS = ("V", "Fe", "Mo", "W", "Ni", "Cu", "Pd", "Pt", "Au")
"""Metals with a foil and a model; cobalt is alone with its lattice."""


def analytic(chi: Array) -> Array:
    """(m,) complex χ(k) of which the imaginary part is χ."""
    turned: Array = quadrature(torch.from_numpy(chi[None]))[0].numpy()
    return -turned + 1j * chi


def neighbour(model: Model, k: Array) -> Array:
    """(m,) complex amplitude of one nearest neighbour, without its e^{2ikR}/R²; at the ends of its k that there."""
    bond = METALS[model.absorber].nearest
    own, column = model.forward.k, np.abs(model.r - bond).argmin()
    fading = np.exp(-2 * own**2 * model.pairs.smoothing**2)
    signal = analytic(model.forward["kernel"][:, column] / model.pairs.r_step * fading * own**2) / own**2
    signal *= np.exp(-2j * own * model.r[column]) * model.r[column] ** 2
    size, phase = np.abs(signal), np.unwrap(np.angle(signal))
    edge = (own > own[0] + 0.6) & (own < own[-1] - 0.6)  # the Hilbert transform ends less well
    return np.interp(k, own[edge], size[edge]) * np.exp(1j * np.interp(k, own[edge], phase[edge]))


def converted(chi: ChiK, own: Model, other: Model) -> tuple[ChiK, float]:
    """A scan as it would be of the other model's element, and R of its own over that."""
    ratio = METALS[own.absorber].nearest / METALS[other.absorber].nearest
    k = np.arange(1.8, min(chi.k[-1], 18.0), 0.05)
    measured = np.interp(np.sqrt(np.maximum(k**2 + K2_PER_EV * own.pairs.e0, 0.0)), chi.k, chi.chi)
    signal = analytic(measured * k**2) / k**2 * neighbour(other, k * ratio) / neighbour(own, k) * ratio**2
    grid = np.arange(0.0, 16.5, 0.05)  # whose zero is where scans of the other element have it
    theirs = np.sqrt(np.maximum(grid**2 - K2_PER_EV * other.pairs.e0, 0.0))
    found = np.interp(theirs, k * ratio, signal.imag, left=0.0, right=0.0)
    end = float(min((chi.k_max_usable or 16.0), k[-1]) * ratio)
    return replace(chi, k=grid, chi=found, absorber=other.absorber, edge=other.edge, k_max_usable=end), ratio


def main(folder: str = "") -> None:
    """Print each foil by each model."""
    root = Path(folder or os.environ.get("EXAFSNN_DATA_DIR", Path(__file__).parents[2] / "shared" / "spectra"))
    for symbol in ELEMENTS:
        for name, a in FOILS[symbol]:
            metal = METALS[symbol]
            (scan,) = measure_scans([str(root / name)])
            n, r = truth(metal, a)
            for by in (item for item in ELEMENTS if METALS[item].phase == metal.phase):
                model = load_model(METALS[by].model)
                moved, ratio = converted(scan.chi, load_model(metal.model), model)
                answers = {"predict": model.predict(moved), "refine": Refiner(model).refine(moved)}
                told = [
                    f"{how} N {answer.shells['first'].coordination / n - 1:+7.1%}"
                    f"  R {answer.shells['first'].distance * ratio - r:+.4f}  misfit {answer.misfit:.3f}"
                    for how, answer in answers.items()
                ]
                print(f"{name:36} {model.name:6}{'*' if by == symbol else ' '}  {'   '.join(told)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
