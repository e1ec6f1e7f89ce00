"""Accuracy on held-out simulated states, by k max, and on families of states: no network saw their trajectories.

    python benchmarks/held_out.py LIBRARY.h5 [MODEL]

Spectra have a random energy zero (± 6 eV), amplitude, noise (ε_k 1e-4 to 6e-3), background residue and smooth theory
error, and are compared with the true integrals of the very states that made them. RDF error: Σ|Δn|/Σn on 0.1 Å bins
from 2.0 to 5.6 Å. N and R: 1.9–3.3 Å.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch

from exafsnn.analyse.shells import moments
from exafsnn.infer.predict import Model, load_model
from exafsnn.learn.dataset import PairMaker, Pairs, energy_zeros, make_bank
from exafsnn.learn.training import COMMON_THEORY
from exafsnn.records import ChiK
from exafsnn.simulate.library import load


def rdf_error(r: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Σ|Δn|/Σn on 0.1 Å bins from 2.0 to 5.6 Å; rows are spectra."""
    edges = np.round(np.arange(2.0, 5.61, 0.1), 6)
    bins = list(pairwise(edges))
    counts = [np.stack([moments(r, n, low, high)[:, 0] for low, high in bins], axis=1) for n in (found, true)]
    error: np.ndarray = np.abs(counts[0] - counts[1]).sum(axis=1) / counts[1].sum(axis=1)
    return error


def held_out_maker(model: Model, library_path: str, seed: int) -> PairMaker:
    """Pairs from the states that the model's training left out."""
    library = load(library_path)
    if library.checksum != model.info["library"]["checksum"]:
        sys.exit("this is not the library that the model was trained on: its held-out states are unknown")
    pairs = replace(model.pairs, e0_range=6.0)
    bank = make_bank(library, pairs, energy_zeros(library, COMMON_THEORY))
    rows = [i for i, index in enumerate(bank.index) if index in set(model.info["held_out_states"])]
    return PairMaker(bank.subset(np.array(rows)), pairs, model.features, seed)


def as_chi(model: Model, pairs: Pairs, row: int) -> ChiK:
    """One simulated spectrum as if it had been measured."""
    k = model.features.k_grid()
    known = pairs.known
    amplitude = model.pairs.amplitude
    return ChiK(
        k=k, chi=pairs.chi[row].double().numpy() * amplitude, absorber=model.absorber, edge=model.edge,
        noise=float(known.noise[row]) * amplitude, e0=0.0, edge_step=1.0, k_max_usable=float(known.kmax[row]),
        source=f"simulated {row}",
    )  # fmt: skip


def main(library: str, name: str = "fe-k", count: int = 1200) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    model = load_model(name)
    maker = held_out_maker(model, library, seed=4)
    pairs = maker.draw(count, reference=0.0)
    found = [model.estimate(as_chi(model, pairs, row)) for row in range(count)]
    density = np.array([item.density.mean(axis=0) for item in found])
    true = pairs.density.double().numpy()
    error = rdf_error(model.r, density, true)
    ours, theirs = (moments(model.r, n, 1.9, 3.3) for n in (density, true))
    n_error, r_error = ours[:, 0] - theirs[:, 0], ours[:, 1] - theirs[:, 1]
    e0_error = np.array([item.delta_e0 for item in found]) - pairs.e0.double().numpy()
    print(f"model {model.identity}, {count} spectra of {len(set(pairs.states.tolist()))} held-out states, no reference")
    print(f"{'k max':>12} {'spectra':>8} {'RDF error':>10} {'N rmse':>8} {'R rmse [Å]':>11} {'ΔE0 rmse [eV]':>14}")
    k_max = pairs.known.kmax.numpy()
    edges = [9, 10, 11, 12, 13, 14, 15, 16]
    rows = [(f"{a}-{b}", (k_max >= a) & (k_max < b)) for a, b in pairwise(edges)]
    for label, use in [*rows, ("all", k_max > 0)]:
        rms = [float(np.sqrt((values[use] ** 2).mean())) for values in (n_error, r_error, e0_error)]
        print(f"{label:>12} {use.sum():>8} {error[use].mean():>10.3f} {rms[0]:>8.3f} {rms[1]:>11.4f} {rms[2]:>14.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
