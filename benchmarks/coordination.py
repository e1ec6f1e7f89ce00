"""Is N measured, or only recognised? Predicted against true N on small particles, and on iron with vacancies.

    exafsnn simulate benchmarks/defects.toml -o defects.h5
    python benchmarks/coordination.py defects.h5

    python benchmarks/coordination.py plan pd-k > pd.toml; exafsnn simulate pd.toml -o pd.h5
    python benchmarks/coordination.py pd.h5 pd-k

The plan of a metal is of particles of 1 to 4 nm, in a FEFF treatment that no model was trained on. Amplitude and energy
zero come from a perfect crystal of the same theory, calibrated like a foil; and once from nowhere.
"""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.infer.structure import parse_structure
from exafsnn.learn.dataset import StateBank, make_bank
from exafsnn.metals import IDEAL_RATIO, METALS
from exafsnn.physics.feff import FeffTreatment
from exafsnn.records import ChiK
from exafsnn.shells import moments
from exafsnn.simulate.library import load
from exafsnn.simulate.plan import plan_for, plan_text

AMPLITUDE, NOISE, K_MAX = 0.82, 5e-4, 14.0
LEAST = 0.57
"""States with fewer neighbours, in units of the crystal's, are left out: 8 of 14."""


def as_measured(model: Model, bank: StateBank, row: int) -> ChiK:
    """One state's mean spectrum, with amplitude and noise."""
    k = model.features.k_grid()
    chi = AMPLITUDE * np.interp(k, bank.k, bank.chi[row].sum(axis=0))
    chi = chi + NOISE * np.random.default_rng(row).standard_normal(len(k))
    where = {"e0": 0.0, "edge_step": 1.0, "k_max_usable": K_MAX, "source": bank.families[row]}
    return ChiK(k=k, chi=chi, absorber=model.absorber, edge=model.edge, noise=NOISE, **where)


def plan(name: str) -> None:
    """Print the plan of particles of a metal, and of a crystal for a standard."""
    usual = plan_for(METALS[load_model(name).absorber], 20261130)
    own = usual.metal.phase
    crystal = next(family for family in usual.families if family.name == f"cold {own}")
    particles = next(family for family in usual.families if family.name == f"{own} particles")
    families = (
        replace(crystal, count=2, temperature=(290.0, 310.0)),
        replace(particles, count=16, atoms=(40, 1500), temperature=(100.0, 400.0)),
    )
    treatment = FeffTreatment("scf-dh-hl", exchange=3, scf_radius=5.0, overlap=1.2)
    foreign = replace(usual, families=families, treatments=(treatment,))
    print(plan_text(foreign), end="")


def main(path: str, name: str = "fe-k") -> None:
    """Print each state and the slopes."""
    model, library = load_model(name), load(path)
    bank, metal = make_bank(library, model.pairs), METALS[model.absorber]
    true = moments(bank.fine_r, bank.fine_rdf[:, 0], *model.ranges["first"])[:, 0]
    full = sum(count for _, count in parse_structure(metal.structure).shells(model.ranges["first"][1]))
    whole = [i for i in range(len(true)) if bank.phases[i] == metal.phase and abs(true[i] - full) < 0.15]
    standard = min(whole, key=lambda i: bank.temperature[i])
    a = float(bank.lattice[standard])
    structure = replace(metal, a=a, c=metal.c and IDEAL_RATIO * a).structure
    refiner = Refiner(model, as_measured(model, bank, standard), structure)
    signals = Signals.of([as_measured(model, bank, i) for i in range(len(true))])
    ways = {
        "predict, reference": model.answers(signals, refiner.reference), "refine, reference": refiner.answers(signals),
        "predict": model.answers(signals), "refine": Refiner(model).answers(signals),
    }  # fmt: skip
    found = {how: answers.shells["first"].coordination for how, answers in ways.items()}
    print(f"model {model.identity}; true amplitude {AMPLITUDE}; N true, and by {', '.join(found)}")
    for i in np.argsort(true):
        told = "  ".join(f"{values[i]:6.2f}" for values in found.values())
        print(f"{bank.families[i]:<20} {bank.temperature[i]:5.0f} K   {true[i]:6.2f}   {told}")
    use = true >= LEAST * full
    for how, values in found.items():
        slope, offset = np.polyfit(true[use], values[use], 1)
        rms = np.sqrt(((values - true)[use] ** 2).mean())
        print(f"{how}: slope {slope:.3f}, offset {offset:.2f}, rms error {rms:.2f} over {use.sum()} states")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    (plan if sys.argv[1] == "plan" else main)(*sys.argv[1 + (sys.argv[1] == "plan") :])
