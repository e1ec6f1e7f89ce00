"""Accuracy on held-out simulated states, by k max, and on families of states: no network saw their trajectories.

    python benchmarks/held_out.py LIBRARY.h5 [MODEL]

Spectra have a random energy zero (± 6 eV), amplitude, noise (ε_k 1e-4 to 6e-3) and background residue, and are compared
with the true integrals of the very states that made them. Two more tables add what training adds: a smooth random error
of the theory, and mixtures of two states. RDF error: Σ|Δn|/Σn on 0.1 Å bins from 2.0 to 5.6 Å. N and R:
1.9–3.3 Å.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.learn.dataset import PairMaker, Pairs, make_bank
from exafsnn.records import ChiK
from exafsnn.shells import moments
from exafsnn.simulate.library import load


def rdf_error(r: np.ndarray, found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Σ|Δn|/Σn on 0.1 Å bins from 2.0 to 5.6 Å; rows are spectra."""
    edges = np.round(np.arange(2.0, 5.61, 0.1), 6)
    bins = list(pairwise(edges))
    counts = [np.stack([moments(r, n, low, high)[:, 0] for low, high in bins], axis=1) for n in (found, true)]
    error: np.ndarray = np.abs(counts[0] - counts[1]).sum(axis=1) / counts[1].sum(axis=1)
    return error


def held_out_maker(model: Model, library_path: str, changes: dict[str, Any]) -> PairMaker:
    """Pairs from the states that the model's training left out."""
    library = load(library_path)
    if library.checksum != model.info["library"]["checksum"]:
        sys.exit("this is not the library that the model was trained on: its held-out states are unknown")
    pairs = replace(model.pairs, e0_range=6.0, **changes)
    bank = make_bank(library, pairs)
    rows = [i for i, index in enumerate(bank.index) if index in set(model.info["held_out_states"])]
    return PairMaker(bank.subset(np.array(rows)), pairs, model.features, seed=4)


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
    """Print the tables."""
    torch.set_num_threads(1)
    model = load_model(name)
    print(f"model {model.identity}, no reference, {count} spectra each")
    clean = {"theory_amplitude": 0.0, "theory_phase": 0.0, "theory_multiple": 0.0}
    changes = {
        "one held-out state a spectrum": clean | {"mixed": (0.0, 0.0)},
        "besides, a smooth random theory error": {"mixed": (0.0, 0.0)},
        "besides, every fifth a mixture of two states": {"mixed": (0.2, 0.2)},
    }
    for title, change in changes.items():
        _table(title, model, held_out_maker(model, library, change), count)


def _table(title: str, model: Model, maker: PairMaker, count: int) -> None:
    pairs = maker.draw(count, reference=0.0)
    found = model.answers(Signals.of([as_chi(model, pairs, row) for row in range(count)]))
    density = found.density
    true = pairs.density.double().numpy()
    error = rdf_error(model.r, density, true)
    ours, theirs = (moments(model.r, n, 1.9, 3.3) for n in (density, true))
    e0_error = found.delta_e0 - pairs.e0.double().numpy()
    errors = np.column_stack([(ours - theirs)[:, :2], e0_error])
    print(f"\n{title} ({len(set(pairs.states.tolist()))} states)")
    print(f"{'k max':>12} {'spectra':>8} {'RDF error':>10} {'N rmse':>8} {'R rmse [Å]':>11} {'ΔE0 rmse [eV]':>14}")
    k_max = pairs.known.kmax.numpy()
    edges = [9, 10, 11, 12, 13, 14, 15, 16]
    rows = [(f"{a}-{b}", (k_max >= a) & (k_max < b)) for a, b in pairwise(edges)]
    for label, use in [*rows, ("all", k_max > 0)]:
        n_rms, r_rms, e0_rms = np.sqrt((errors[use] ** 2).mean(axis=0))
        print(f"{label:>12} {use.sum():>8} {error[use].mean():>10.3f} {n_rms:>8.3f} {r_rms:>11.4f} {e0_rms:>14.2f}")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
