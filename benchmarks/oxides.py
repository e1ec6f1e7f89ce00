"""Are metal and oxide both counted? Mixtures, simulated in a FEFF treatment that no model has seen.

    exafsnn simulate benchmarks/foreign_pd.toml -o pd.h5
    exafsnn simulate benchmarks/foreign_pdo.toml -o pdo.h5
    python benchmarks/oxides.py pd.h5 pdo.h5 pd-k [predict|refine]

The libraries are of crystals in one treatment (these: one that no model learns from, the metal in potentials that none
does, at up to 900 K, where its oxide ends), the oxide's with ``far`` as large as the metal's; or those that a model was
tried on, of several: then each session has a smooth error of theory of its own. Of ten shares from 0 to 1 each is mixed
from random states that are about as hot, at random energy zeros, amplitudes, noise and k max, with a standard of the
metal and without. Truth is of the very states that made a spectrum.
The metal's share is told as ``prediction.metal`` tells it, by N of the bonds to oxygen over that of the oxide's states,
and, whatever S₀² is, by the ratio of both N.
"""

from __future__ import annotations

import sys

import numpy as np
import torch

from exafsnn.analyse.order import MetalShare
from exafsnn.errors import SettingsError
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import StateBank, make_bank
from exafsnn.metals import metal_of
from exafsnn.records import Array, ChiK
from exafsnn.simulate.library import join
from exafsnn.validate.sessions import Beamline

SHARES = np.linspace(0, 1, 11)
SESSIONS = 8
AS_HOT = 0.9
"""A sample has one temperature: ln of the ratio of both, which are those of force fields, is no larger."""


def mixtures(
    model: Model, bank: StateBank, beamline: Beamline, rng: np.random.Generator
) -> tuple[list[ChiK], Array, str]:
    """Scans with ``SHARES`` of the oxide and one of the metal alone, (n, c) true n(r), and the crystal of the last."""
    r, fine, treatments = model.partials.r, bank.fine_r, np.array(bank.treatments)
    own = treatments == rng.choice(sorted(set(treatments[bank.beside])))  # a session has one theory
    metal, oxide = (np.flatnonzero(own & bank.whole & (bank.beside == which)) for which in (False, True))
    metal = metal[[bank.phases[row] == metal_of(model.absorber).phase for row in metal]]
    rows = []
    while len(rows) < len(SHARES) + 1:
        pair = rng.choice(metal), rng.choice(oxide)
        if abs(np.log(bank.temperature[pair[0]] / bank.temperature[pair[1]])) < AS_HOT:
            rows.append(pair)
    weights = np.append(SHARES, 0.0)[:, None]
    one, other = (np.array([bank.chi[pair[i]].sum(axis=0) for pair in rows]) for i in (0, 1))
    chi = (1 - weights) * one + weights * other
    inner = np.array([np.interp(beamline.k, bank.k, row) for row in chi])
    of = [np.concatenate([np.interp(r, fine, part) for part in rdf]) for rdf in bank.fine_rdf]
    density = np.array([(1 - w) * of[a] + w * of[b] for (a, b), (w,) in zip(rows, weights, strict=True)])
    pairs = model.pairs
    zero, amplitude = pairs.e0 + rng.uniform(-3, 3), pairs.amplitude * float(np.exp(rng.normal(0, pairs.amplitude_std)))
    centre = pairs.beside_e0[0] - bank.apart[oxide[0]] - pairs.e0
    shift = np.append(SHARES > 0.5, False) * (centre + rng.uniform(-3, 3, len(rows)))
    noise, k_max = 10 ** rng.uniform(-3.7, -2.7, len(rows)), rng.uniform(11, 15, len(rows))
    names = [f"simulated, {w:.0%} oxide" for (w,) in weights]
    curves = beamline.theory_error()
    chi = torch.from_numpy(inner).float()
    scans = beamline.measured(chi, zero + shift, amplitude, curves, noise * amplitude, k_max, names, -shift)
    standard = rows[-1][0]
    return scans, density, f"{bank.phases[standard]}:{bank.lattice[standard]:.4f}"


def told(model: Model, scans: list[ChiK], structure: str | None, how: str) -> tuple[Array, Array]:
    """(n, c) n(r) of scans but for the last, which is the standard, and (n,) domain scores."""
    refiner = Refiner(model, scans[-1] if structure else None, structure)
    signals = Signals.of(scans[:-1])
    answers = model.answers(signals, refiner.reference) if how == "predict" else refiner.answers(signals)
    return answers.density, answers.domain_score


def main(metal: str, oxide: str, name: str, how: str = "predict") -> None:
    """Print the errors of N of every range, and those of the metal's share."""
    torch.set_num_threads(1)
    model = load_model(name)
    bank = make_bank(join([metal, oxide]), model.pairs)
    edge, erring = (model.absorber, model.edge), len(set(bank.treatments)) > 1
    beamline = Beamline(bank, bank, model.pairs, model.features, edge, 3, erring=erring, varied=False)
    ranges = {key: model.partials.range(key, limits) for key, limits in model.ranges.items()}
    oxygen = next(key for key in ranges if key.startswith("first ") and key.endswith("-O"))
    asking = MetalShare.of_model(model)
    if asking is None:
        sys.exit(f"{name} knows no oxide beside a metal")
    for standard in (False, True):
        rng, found, true, metals, foreign = np.random.default_rng(1), [], [], [], 0
        for _ in range(SESSIONS):
            scans, density, crystal = mixtures(model, bank, beamline, rng)
            try:
                answers, scores = told(model, scans, crystal if standard else None, how)
            except SettingsError as error:
                print(f"no standard: {error}")
                continue
            foreign += int((scores > 1).sum())
            metals.append(asking.parts(answers))
            for rows, kept in ((answers, found), (density[:-1], true)):
                kept.append([model.partials.moments(rows, of)[:, 0] for of in ranges.values()])
        n, wanted = (np.array(rows) for rows in (found, true))  # [session, range, share]
        print(f"{how}, {'with' if standard else 'without'} a standard; {foreign} of {len(n) * len(SHARES)} foreign")
        for number, key in enumerate(ranges):
            error = (n - wanted)[:, number]
            print(f"  {key:14} rms error of N {np.sqrt((error**2).mean()):.2f}, largest {np.abs(error).max():.2f}")
        row, whole = list(ranges).index(oxygen), [wanted[:, i, [0, -1]].mean(axis=0) for i in range(len(ranges))]
        by_bonds = 1 - n[:, row] / whole[row][1]
        ratio = n[:, 0] / np.maximum(n[:, row], 1e-6) * whole[row][1]
        by_ratio = (ratio - whole[0][1]) / (whole[0][0] - whole[0][1] + ratio)
        parts = np.array(metals)
        by_all = parts[..., 0] / parts.sum(axis=-1)
        for said, share in (("prediction.metal", by_all), ("bonds to oxygen", by_bonds), ("ratio of N", by_ratio)):
            error = share - (1 - SHARES)
            rms, largest = np.sqrt((error**2).mean()), np.abs(error).max()
            print(f"  metal's share by {said:16}: rms {rms:.3f}, largest {largest:.3f}")
            print("    " + " ".join(f"{1 - w:.0%}: {v:+.3f}" for w, v in zip(SHARES, error.mean(axis=0), strict=True)))


if __name__ == "__main__":
    main(*sys.argv[1:])
