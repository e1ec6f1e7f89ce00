"""The lattice constant behind simulated scans of crystals that no network saw, against that of their boxes.

    python benchmarks/lattice.py LIBRARY.h5 [MODEL] [SESSIONS]

Each session has a standard, a crystal near room temperature, and 16 scans of bcc and fcc crystals of up to 1500 K; its
theory is that of the library (with ``foreign.toml`` another potential and another FEFF than in training), or errs
smoothly besides. All are refined, and the lattice is looked for in the answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

from exafsnn.analyse.lattice import LatticeFinder
from exafsnn.errors import SettingsError
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import StateBank, make_bank
from exafsnn.simulate.library import load
from exafsnn.validate.sessions import Beamline

SCANS = 16
HOTTEST = 1500.0
PARTS = (0.0, 600.0, 1000.0, HOTTEST)


def main(library: str, name: str = "fe-k", sessions: str = "20") -> None:
    """Print bias and root mean square for each phase and range of temperature."""
    torch.set_num_threads(1)
    model = load_model(name)
    bank = make_bank(load(library), model.pairs)
    crystals = bank.subset(
        np.array([
            row for row, phase in enumerate(bank.phases)
            if phase in ("bcc", "fcc") and bank.temperature[row] <= HOTTEST and bank.whole[row]
        ])
    )  # fmt: skip
    print(f"{len(crystals.index)} states")
    for erring in (False, True):
        print("theory errs besides" if erring else "theory of the library")
        rows = np.array(list(_found(model, crystals, erring, int(sessions))))
        for number, phase in enumerate(("bcc", "fcc")):
            own = rows[rows[:, 0] == number]
            for low, high in ((0.0, HOTTEST), *pairwise(PARTS)):
                _tell(f"{phase} {low:4.0f} to {high:4.0f} K", own[(own[:, 1] >= low) & (own[:, 1] <= high)])


def _found(model: Model, bank: StateBank, erring: bool, sessions: int) -> Iterator[tuple[float, ...]]:
    """Yield phase, temperature, relative error of a and error in standard deviations; NaN where no lattice is found."""
    finder = LatticeFinder(model)
    place = {state: row for row, state in enumerate(bank.index)}
    beamline = Beamline(bank, bank, model.pairs, model.features, ("Fe", "K"), 7, erring=erring, varied=False)
    for session in beamline.sessions(sessions, SCANS, referenced=True):
        try:
            answers = Refiner(model, session.standard, session.structure).refine_all(session.scans)
        except SettingsError:  # theory is so wrong in this session that its standard is not recognised
            continue
        for state, answer in zip(session.states, answers, strict=True):
            row, lattice = place[state], finder.find(answer.rdf)
            error = spread = np.nan
            if lattice is not None and lattice.phase == bank.phases[row]:
                error = lattice.constant[0] / bank.lattice[row] - 1
                spread = lattice.constant[1] / lattice.constant[0]
            yield ("bcc", "fcc").index(bank.phases[row]), bank.temperature[row], error, error / spread, row


def _tell(title: str, rows: np.ndarray) -> None:
    """One line."""
    known = rows[np.isfinite(rows[:, 2])]
    if not len(known):
        return
    error = 100 * known[:, 2]
    states = len(np.unique(known[:, 4]))
    means = np.array([error[known[:, 4] == state].mean() for state in np.unique(known[:, 4])])
    print(
        f"  {title}: {len(known)} of {len(rows)} scans of {states} states: bias {error.mean():+.3f} ±"
        f" {means.std() / states**0.5:.3f} %, rms {np.sqrt((error**2).mean()):.3f} %; in standard deviations"
        f" {np.sqrt((known[:, 3] ** 2).mean()):.2f}",
        flush=True,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
