"""How often `series` sees a transition where there is none, and misses one that there is: simulated heating series.

    python benchmarks/transitions.py LIBRARY.h5 [SERIES [SEED]]

Each series has 16 scans from 300 to 1400 K. Its sample is a cold crystal of the library whose distances grow and whose
motion broadens them, both evenly; in half of the series it goes from bcc to fcc at 1185 K. Energy zero and amplitude
drift as they do at beamlines: an offset, a slope and a slow wave, of ± 0.5 eV and ± 2 % together, besides what differs
from scan to scan; noise, k max, background and error of the theory are those of a session. The first scan is the
standard, its lattice constant that of its box.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch
from scipy.interpolate import CubicSpline

from exafsnn.analyse.columns import Point
from exafsnn.analyse.lattice import ATOMS_PER_CELL, LatticeFinder
from exafsnn.analyse.series import analyse
from exafsnn.errors import SettingsError
from exafsnn.infer.predict import load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import StateBank, make_bank
from exafsnn.records import Array, ChiK
from exafsnn.simulate.library import load
from exafsnn.validate.sessions import Beamline
from exafsnn.workers import run_all

TEMPERATURES = np.r_[300:1101:100, 1180, 1190, 1220, 1250, 1300, 1350, 1400]
TRANSITION = 1185
ZERO_DRIFT, AMPLITUDE_DRIFT = 0.5, 0.02
"""[eV], and relative."""
COLD = 500.0
"""Crystals that are heated are colder than this [K]."""
ALIKE = 3
"""So many fcc crystals nearest in size to the bcc one may be what it turns into."""
GROWTH, MOTION = (0.012, 0.022), (0.010, 0.025)
"""How much a lattice grows from the first to the last scan, and its σ² [Å²]; in ``spectra/`` 0.017 and 0.02."""
STEP = (0.005, 0.015)
"""Relative loss of volume in the transition; of iron 0.010."""


def main(library: str, count: str = "200", seed: str = "3") -> None:
    """Print both rates."""
    seeds = int(seed), int(seed) + 1
    tasks = [(library, int(count) // 2, hot, number) for hot in (False, True) for number in seeds]
    found = [row for _, rows in run_all(_try, tasks, 2) for row in rows]
    for hot in (False, True):
        own = [row for row in found if row[0] == hot]
        seen = sum(row[1] for row in own)
        right = sum(row[2] for row in own)
        more = sum(row[3] > 0 for row in own)
        title = "bcc → fcc at 1185 K" if hot else "no transition"
        print(f"{title}: found in {seen} of {len(own)}; between the right scans in {right}; further ones in {more}")


def _try(task: tuple[str, int, bool, int]) -> list[tuple[bool, bool, bool, int]]:
    """Worker: for each series whether there is a transition, was found, in its place, and how many more were."""
    library, count, hot, seed = task
    torch.set_num_threads(1)
    model = load_model("fe-k")
    bank = make_bank(load(library), model.pairs)
    rng = np.random.default_rng([seed, hot])
    beamline = Beamline(bank, bank, model.pairs, model.features, ("Fe", "K"), seed + 10 * hot, varied=False)
    finder, rows = LatticeFinder(model), []
    while len(rows) < count:
        scans, structure = _series(beamline, bank, rng, hot)
        try:
            refined = Refiner(model, scans[0], structure).refine_all(scans)
        except SettingsError:  # theory is so wrong in this session that its standard is not recognised
            continue
        points = [
            Point(float(t), item.ranges, finder.find(item.rdf)) for t, item in zip(TEMPERATURES, refined, strict=True)
        ]
        strongest = analyse(points).strongest
        right = strongest.found and strongest.low <= TRANSITION <= strongest.high
        rows.append((hot, strongest.found, right, len(strongest.others)))
    return rows


def _series(beamline: Beamline, bank: StateBank, rng: np.random.Generator, hot: bool) -> tuple[list[ChiK], str]:
    """χ(k) of one series, and the structure of its first scan."""
    sites = bank.lattice / np.array([ATOMS_PER_CELL.get(phase, 1.0) for phase in bank.phases]) ** (1 / 3)
    treatment = rng.choice(sorted(set(bank.treatments)))
    bcc = int(rng.choice(_cold_crystals(bank, "bcc", treatment)))
    fcc = _cold_crystals(bank, "fcc", treatment)
    alike = fcc[np.argsort(np.abs(sites[fcc] / sites[bcc] - 1 - GROWTH[0]))[:ALIKE]]
    rows = {"bcc": bcc, "fcc": int(rng.choice(alike))}
    spectra = {phase: beamline.spectrum(row)[0].double().numpy() for phase, row in rows.items()}
    growth, motion = rng.uniform(*GROWTH), rng.uniform(*MOTION)
    step = (1 - rng.uniform(*STEP)) ** (1 / 3)
    curves = beamline.theory_error()
    zero, amplitude = _drift(rng, ZERO_DRIFT), _drift(rng, AMPLITUDE_DRIFT)
    offset, size = rng.uniform(-4, 4), 0.75 * np.exp(0.1 * rng.standard_normal())
    noise, k_max = np.exp(rng.uniform(np.log(2e-4), np.log(1.5e-3))), rng.uniform(11, 15)
    scans = []
    for temperature in TEMPERATURES:
        share = (temperature - TEMPERATURES[0]) / np.ptp(TEMPERATURES)
        phase = "fcc" if hot and temperature > TRANSITION else "bcc"
        length = sites[bcc] * (1 + growth * share) * (step if phase == "fcc" else 1.0)
        chi = _heated(beamline.k, spectra[phase], length / sites[rows[phase]], motion * share)
        scans += beamline.measured(
            torch.from_numpy(chi)[None].float(), offset + zero(share), size * (1 + amplitude(share)), curves,
            np.array([noise]), np.array([k_max]), ["simulated"],
        )  # fmt: skip
    return scans, f"bcc:{bank.lattice[bcc]:.4f}"


def _heated(k: Array, chi: Array, stretch: float, sigma2: float) -> Array:
    """χ(k) with all distances longer by a factor, and more motion across them."""
    heated: Array = (
        CubicSpline(k, k * chi)(np.minimum(k * stretch, k[-1])) / k / stretch**2 * np.exp(-2 * sigma2 * k**2)
    )
    return heated


def _cold_crystals(bank: StateBank, phase: str, treatment: str) -> np.ndarray:
    """Rows of them."""
    return np.array([
        row for row, of in enumerate(bank.treatments)
        if bank.phases[row] == phase and of == treatment and bank.temperature[row] < COLD and bank.whole[row]
    ])  # fmt: skip


def _drift(rng: np.random.Generator, size: float) -> Callable[[float], float]:
    """A slope and a slow wave of the share of the axis."""
    slope, wave, periods, phase = rng.uniform(-1, 1), rng.uniform(0, 1), rng.uniform(0.3, 1.5), rng.uniform(0, 6.3)
    return lambda x: size * float(slope * (x - 0.5) + wave * np.sin(2 * np.pi * periods * x + phase)) / 1.5


if __name__ == "__main__":
    main(*sys.argv[1:])
