"""Is N measured, or only recognised? Predicted against true N on iron with vacancies and on small particles.

    exafsnn simulate benchmarks/defects.toml -o defects.h5
    python benchmarks/coordination.py defects.h5 [MODEL]

Amplitude and energy zero come from a perfect crystal of the same theory, calibrated like a foil; and once from nowhere.
"""

from __future__ import annotations

import sys

import numpy as np

from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.reference import calibrate
from exafsnn.learn.dataset import StateBank, make_bank
from exafsnn.records import ChiK
from exafsnn.shells import moments
from exafsnn.simulate.library import load

AMPLITUDE, NOISE, K_MAX = 0.82, 5e-4, 14.0


def as_measured(model: Model, bank: StateBank, row: int) -> ChiK:
    """One state's mean spectrum, with amplitude and noise."""
    k = model.features.k_grid()
    chi = AMPLITUDE * np.interp(k, bank.k, bank.chi[row].sum(axis=0))
    chi = chi + NOISE * np.random.default_rng(row).standard_normal(len(k))
    where = {"e0": 0.0, "edge_step": 1.0, "k_max_usable": K_MAX, "source": bank.families[row]}
    return ChiK(k=k, chi=chi, absorber=model.absorber, edge=model.edge, noise=NOISE, **where)


def main(path: str, name: str = "fe-k") -> None:
    """Print each state and the slope."""
    model, library = load_model(name), load(path)
    bank = make_bank(library, model.pairs)
    true = moments(bank.fine_r, bank.fine_rdf, 1.9, 3.3)[:, 0]
    whole = [i for i in range(len(true)) if bank.phases[i] == "bcc" and abs(true[i] - 14.0) < 0.15]
    standard = min(whole, key=lambda i: bank.temperature[i])
    reference = calibrate(model, as_measured(model, bank, standard), f"bcc:{bank.lattice[standard]:.4f}")
    signals = Signals.of([as_measured(model, bank, i) for i in range(len(true))])
    found, blind = (model.answers(signals, known).shells["first"].coordination for known in (reference, None))
    print(f"model {model.identity}; reference: amplitude {reference.amplitude:.3f} (true {AMPLITUDE})")
    for i in np.argsort(true):
        print(f"{bank.families[i]:<20} {bank.temperature[i]:5.0f} K   N true {true[i]:6.2f}   found {found[i]:6.2f}")
    use = true >= 8.0
    for label, values in (("with the reference", found), ("without", blind)):
        slope, offset = np.polyfit(true[use], values[use], 1)
        rms = np.sqrt(((values - true)[use] ** 2).mean())
        print(f"{label}: slope {slope:.3f}, offset {offset:.2f}, rms error {rms:.2f} over {use.sum()} states, N ≥ 8")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
