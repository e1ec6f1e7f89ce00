"""Which representation of a spectrum does a network learn from best? One network each, all else the same.

    python benchmarks/representation.py LIBRARY.h5

``kspace``: windowed k²χ(k). ``rspace``: its Fourier transform at R = 0.9–5.5 Å. ``wavelet``: its Morlet map, as in
Timoshenko et al., Phys. Rev. Lett. 120, 225502 (2018). ``both``: k²χ and map. Each network is trained as a member of
the shipped model is, and asked for the same spectra of held-out states, without a reference, their energy zero random.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch
from held_out import rdf_error

from exafsnn.learn.dataset import PairMaker, features_of, make_bank, split_by_trajectory
from exafsnn.learn.features import KINDS, FeatureMap, FeatureSettings
from exafsnn.learn.training import TrainingSettings, train_member
from exafsnn.shells import moments
from exafsnn.simulate.library import load


def main(path: str, count: int = 4000) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    settings = TrainingSettings()
    bank = make_bank(load(path), settings.pairs)
    learn, held_out = split_by_trajectory(bank, settings.held_out, settings.optimiser.seed)
    r = settings.pairs.bins()
    print(f"{'kind':<10} {'inputs':>7} {'RDF error':>10} {'N rmse':>8} {'R rmse [Å]':>11} {'training [s]':>13}")
    for kind in KINDS:
        features = FeatureSettings(kind=kind)
        start = time.process_time()
        member = train_member(learn, settings.pairs, features, settings.network, settings.optimiser, 0)
        spent = time.process_time() - start
        pairs = PairMaker(held_out, settings.pairs, features, 99).draw(count, reference=0.0, zero_known=0.0)
        seen = features_of(pairs, FeatureMap(features))
        with torch.no_grad():
            found = member(seen).density.double().numpy()
        true = pairs.density.double().numpy()
        ours, theirs = (moments(r, n, 1.9, 3.3) for n in (found, true))
        n_error, r_error = np.sqrt(((ours - theirs)[:, :2] ** 2).mean(axis=0))
        error = rdf_error(r, found, true).mean()
        row = f"{kind:<10} {seen.shape[1]:>7} {error:>10.3f} {n_error:>8.3f} {r_error:>11.4f} {spent:>13.0f}"
        print(row, flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(sys.argv[1])
