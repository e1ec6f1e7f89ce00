"""Does the model know what it cannot know? Foreign and damaged spectra given to ``fe-k``, on χ(k) alone.

    python benchmarks/domain.py [FOLDER OF MEASURED SCANS [MODEL]]

Every spectrum is varied 120 times: noise 1e-4 to 1e-3, energy zero ± 3 eV, amplitude 0.85–1.1, k max 10–15 Å⁻¹.
Inverted: −χ. Glitched: one to three places of one to three points, ± 0.1–0.3 in χ, between k = 3.5 and 9 Å⁻¹. Wrong
column: ln I₀, −ln I_t or I₀ in the place of μ, behind a spline instead of AUTOBK (the gate rejects them before).
Printed: share that is outside, and AUROC against clean iron (measured foils, and ``spectra/``).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.interpolate import LSQUnivariateSpline
from sklearn.metrics import roc_auc_score

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.predict import Model, load_model
from exafsnn.physics.fourier import shift_energy
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK

HERE = Path(__file__).parents[1]
COUNT = 120
KINDS = {
    "oxides": ["oxides/Fe2O3_rt_01.xdi", "oxides/FeO_rt_01.xdi"],
    "FeS2": ["oxides/fes2_rt01_mar02.xmu"],
    "SrO": ["oxides/SrO_10K_01.xdi", "oxides/SrO_rt_01.xdi"],
    "ZnSe": ["znse/zn_znse_rt.xdi", "znse/Se_ZnSe_rt_01.xdi"],
    "Cu": ["cu/cu050k.dat", "cu/cu150k.dat", "cu/cu_metal_10K.xdi", "cu/cu_metal_rt.xdi"],
    "Ni, Co": ["metals/Ni_metal_rt_01.xdi", "metals/co_metal_rt.xdi"],
}
FOILS = ["fe/fe.060", "fe/fe.061", "fe/fe.062", "fe/fe.300", "fe/fe.301", "fe/Fe_metal_rt_02.xdi"]


def as_iron(path: Path) -> ChiK:
    """χ(k) of any scan, said to be iron's."""
    return replace(read_one(str(path)).to_chi(), absorber="Fe", edge="K")


def varied(chi: ChiK, random: np.random.Generator) -> ChiK:
    """The same as another beamline might have measured it."""
    noise = 10 ** random.uniform(-4, -3)
    k_max = random.uniform(10, min(15, chi.k_max_usable)) if chi.k_max_usable > 10 else chi.k_max_usable
    k, values = torch.from_numpy(chi.k).float(), torch.from_numpy(chi.chi)[None].float()
    moved = shift_energy(values, k, k, torch.tensor([random.uniform(-3, 3)]), K2_PER_EV)[0].double().numpy()
    new = np.where(chi.k > 1, moved, 0) * random.uniform(0.85, 1.1) + noise * random.standard_normal(len(chi.k))
    return replace(chi, chi=new, noise=float(np.hypot(chi.noise, noise)), k_max_usable=k_max)


def glitched(chi: ChiK, random: np.random.Generator) -> ChiK:
    """With one to three glitches."""
    values = chi.chi.copy()
    for _ in range(random.integers(1, 4)):
        first = int(np.argmin(np.abs(chi.k - random.uniform(3.5, 9))))
        values[first : first + random.integers(1, 4)] += random.choice([-1, 1]) * random.uniform(0.1, 0.3)
    return replace(chi, chi=values)


def wrong_columns(folder: Path) -> list[ChiK]:
    """χ(k) of columns that are no absorption: what is left of them when a spline of ten knots is taken away."""
    found = []
    for name in ("fe/fe.060", "fe/fe.300"):
        right = as_iron(folder / name)
        energy, i0, it = np.loadtxt(folder / name, skiprows=18).T[:3]
        k = np.sqrt(np.maximum(energy - right.e0, 0.0) * K2_PER_EV)
        above = k > 1.5
        for column in (np.log(i0), -np.log(it), i0 / i0.mean()):
            knots = np.linspace(2.0, k[above].max() - 0.5, 10)
            smooth = LSQUnivariateSpline(k[above], column[above], knots)
            values = np.interp(right.k, k[above], (column[above] - smooth(k[above])) / right.edge_step, left=0.0)
            found.append(replace(right, chi=values))
    return found


def scores(model: Model, scans: list[ChiK], random: np.random.Generator, damage: object = None) -> np.ndarray:
    """Domain scores of variations."""
    found = []
    for number in range(COUNT):
        chi = scans[number % len(scans)]
        chi = damage(chi, random) if callable(damage) else chi
        found.append(varied(chi, random))
    return np.array([prediction.domain_score for prediction in model.predict_all(found)])


def main(folder: str = str(HERE.parent / "shared" / "spectra"), name: str = "fe-k") -> None:
    """Print the table."""
    torch.set_num_threads(1)
    model, random, root = load_model(name), np.random.default_rng(5), Path(folder)
    foils = [as_iron(root / foil) for foil in FOILS]
    series = [as_iron(path) for path in sorted((HERE / "spectra").glob("*.dat"))]
    clean = {"iron foils": scores(model, foils, random), "spectra/": scores(model, series, random)}
    strange = {kind: scores(model, [as_iron(root / path) for path in paths], random) for kind, paths in KINDS.items()}
    strange["inverted"] = scores(model, foils + series, random, lambda chi, _: replace(chi, chi=-chi.chi))
    strange["glitched"] = scores(model, foils + series, random, glitched)
    strange["wrong column"] = scores(model, wrong_columns(root), random)
    print(f"model {model.identity}, {COUNT} spectra of each kind")
    for kind, values in clean.items():
        print(f"{kind:14} outside {np.mean(values > 1):6.1%}")
    usual = np.concatenate(list(clean.values()))
    for kind, values in strange.items():
        truth = np.r_[np.zeros(len(usual)), np.ones(len(values))]
        print(f"{kind:14} outside {np.mean(values > 1):6.1%}   AUROC {roc_auc_score(truth, np.r_[usual, values]):.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
