"""What faults of the counters do to k²χ, N, R and σ², and which of them are told.

    python benchmarks/faults.py [--no-refine] [--kinds KIND…] [--json FILE] [FOLDER_OF_SCANS]

Faults as beamlines make them are put into the counters of a clean iron and a clean copper foil, each so strong that it
moves k²χ (k 3–12 Å⁻¹, rms, relative to the undamaged scan's) by about 3, 8, 18 and 38 %, as far as realistic faults of
its kind reach that. Each damaged scan is written to a file and goes the whole way. "Off" is the change of k²χ that the
quality gate leaves: what a user gets. ``refine`` has the undamaged foil as reference, and its answers are held against
those to the undamaged foil, in units of the scan's error bars. Then all scans of the folder, as they are.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline
from tqdm import tqdm

from exafsnn.constants import K2_PER_EV
from exafsnn.measure.background import removal_of, resolved, units
from exafsnn.measure.edge import edge_of
from exafsnn.measure.energy_zero import energy_zeros
from exafsnn.measure.scans import remove_background
from exafsnn.read.scan import read_one
from exafsnn.records import Array
from exafsnn.rise import edge_rise
from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import measure_scans, predict_scans, refine_scans
from exafsnn.settings import BackgroundSettings

TARGETS = (0.03, 0.08, 0.18, 0.38)
"""Changes of k²χ that faults are to make …"""

LEAST, MOST = 0.02, 0.42
"""… and those that are realistic and worth telling."""

OFF = 0.05
"""Change of k²χ beyond which a scan is wrong."""

QUANTITIES = ("coordination", "distance", "sigma2")


@dataclass(frozen=True)
class Foil:
    """A scan of a clean foil: its counters, and what faults have to know of it."""

    symbol: str
    structure: str
    energy: Array
    i0: Array
    it: Array
    """(n,) the counter behind the sample; of ``fluorescence`` the one beside it."""
    e0: float
    rise: float
    """Edge step."""
    background: Array
    """(n,) μ₀(E)."""
    foreign: float
    """An L₃ edge [eV] of another element within the scan."""
    form: str = "transmission"
    """What is written: ``transmission``, ``fluorescence`` or ``ready`` μ."""

    @property
    def mu(self) -> Array:
        """(n,) ln(I0/It), or If/I0."""
        return self.it / self.i0 if self.form == "fluorescence" else np.log(self.i0 / self.it)

    @property
    def depth(self) -> Array:
        """(n,) μ·t without the detectors' gains: below its K edge a 3d metal absorbs a seventh of the step."""
        return self.mu - self.mu[self.energy < self.e0 - 15][-1] + self.rise / 7

    @property
    def row(self) -> Array:
        """(n,) numbers of the points."""
        return np.arange(len(self.energy), dtype=np.float64)

    @property
    def progress(self) -> Array:
        """(n,) 0 at the beginning of the scan, 1 at its end."""
        return self.row / len(self.row)

    @property
    def k(self) -> Array:
        """(n,) [Å⁻¹], 0 below the edge."""
        return np.sqrt(K2_PER_EV * np.maximum(self.energy - self.e0, 0))

    def since(self, k: float) -> Array:
        """(n,) points since k [Å⁻¹], negative before."""
        return self.row - np.argmax(self.k >= k)

    def of(self, mu: Array) -> Foil:
        """The same beam behind a sample of that absorption."""
        return replace(self, it=self.i0 * np.exp(-mu))

    def rows(self, chosen: Array) -> Foil:
        """Some rows, in the order given."""
        picked = {name: getattr(self, name)[chosen] for name in ("energy", "i0", "it", "background")}
        return replace(self, **picked)

    def written(self, path: Path) -> str:
        """The name of a file of it."""
        names, columns = {
            "transmission": ("energy i0 it", (self.energy, self.i0, self.it)),
            "fluorescence": ("energy i0 if", (self.energy, self.i0, self.it)),
            "ready": ("energy mu", (self.energy, self.mu)),
        }[self.form]
        header = f"Element.symbol: {self.symbol}\nElement.edge: K\n{names}"
        np.savetxt(path, np.column_stack(columns), header=header, fmt=["%.5f"] + ["%.10g"] * (len(columns) - 1))
        return str(path)


FOILS = (("fe/Fe_metal_rt_02.xdi", "Fe", "bcc:2.8665", 7243.0), ("cu/cu_metal_rt.xdi", "Cu", "fcc:3.6149", 9244.0))
"""Scan, metal, structure, and the L₃ edge of another element: of gadolinium, and of lutetium."""


def foil_of(root: Path, name: str, symbol: str, structure: str, foreign: float) -> Foil:
    """Read counters, and measure them."""
    energy, i0, it = np.loadtxt(root / name, usecols=(0, 1, 2)).T
    chi = remove_background(replace(read_one(root / name), energy=energy, mu=np.log(i0 / it), findings=()))
    return Foil(symbol, structure, energy, i0, it, chi.e0, chi.edge_step, chi.background, foreign)


# ---- Faults. Each is a function of the foil, its strength and a generator of random numbers. ----

Fault = Callable[[Foil, float, np.random.Generator], Foil]


def added(shape: Callable[[Foil, np.random.Generator], Array]) -> Fault:
    """A shape times the strength, in edge steps, goes to μ."""
    return lambda foil, s, rng: foil.of(foil.mu + s * foil.rise * shape(foil, rng))


def passed(change: Callable[[Foil, float], Array]) -> Fault:
    """Another share of the beam passes the sample."""
    return lambda foil, s, _: foil.of(foil.mu - foil.depth - np.log(change(foil, s)))


def thicker(shape: Callable[[Foil, np.random.Generator], Array]) -> Fault:
    """The beam meets another thickness of the sample: by a shape times the strength."""
    return lambda foil, s, rng: foil.of(foil.mu + s * foil.depth * shape(foil, rng))


def counted(**change: Callable[[Array, float], Array]) -> Fault:
    """Counters, ``i0`` or ``it``, read something else."""
    return lambda foil, s, _: replace(foil, **{name: wrong(getattr(foil, name), s) for name, wrong in change.items()})


def elsewhere(off: Callable[[Foil, np.random.Generator], Array]) -> Fault:
    """The monochromator is so many eV from where the axis says, at a strength of 1."""
    return lambda foil, s, rng: foil.of(CubicSpline(foil.energy, foil.mu)(foil.energy + s * off(foil, rng)))


def ready(change: Callable[[Foil, float], Array]) -> Fault:
    """The file gives μ ready-made, and changed."""
    return lambda foil, s, _: replace(foil.of(change(foil, s)), form="ready")


def bell(k: float, points: int, form: Callable[[Array], Array] = lambda phase: np.sin(np.pi * phase) ** 2) -> Fault:
    """So many points around k, smooth."""

    def shape(foil: Foil, _: object) -> Array:
        phase = foil.since(k) / (points + 1) + 0.5
        return np.where((phase > 0) & (phase < 1), form(phase), 0.0)

    return added(shape)


def step(at: float, points: float = 0.1) -> Fault:
    """μ goes over to another level at k, within some points."""
    return added(lambda foil, _: 0.5 + 0.5 * np.tanh(2 * foil.since(at) / points))


def glitches(places: int, points: float) -> Fault:
    """Bells of either sign at random places among the oscillations."""

    def shape(foil: Foil, rng: np.random.Generator) -> Array:
        centres, signs = rng.uniform(3.5, 11.5, places), rng.choice([-1.0, 1.0], places)
        return sum(sign * np.exp(-((foil.since(k) / points * 2) ** 2)) for k, sign in zip(centres, signs, strict=True))

    return added(shape)


def slow(values: Array, points: float) -> Array:
    """A counter that follows with a time constant."""
    share, found = -np.expm1(-1 / max(points, 1e-3)), values.copy()
    for row in range(1, len(found)):
        found[row] = found[row - 1] + share * (values[row] - found[row - 1])
    return found


def late(values: Array, rows: float) -> Array:
    """A counter that belongs to an earlier row."""
    return np.interp(np.arange(len(values)) - rows, np.arange(len(values)), values)


def wedge(foil: Foil, s: float) -> Array:
    """What passes a thickness that runs from 1 − s to 1 + s."""
    return np.exp(-foil.depth) * np.sinh(s * foil.depth) / (s * foil.depth)


def top_up(foil: Foil, s: float, _: object) -> Foil:
    """The ring is filled every 40 points; I0 follows with a time constant of two points."""
    beam = 1 + s * (1 - foil.row % 40 / 40)
    return replace(foil, i0=slow(foil.i0 * beam, 2.0), it=foil.it * beam)


def beam_lost(foil: Foil, s: float, _: object) -> Foil:
    """For twelve points a twentieth of the beam is left, and the dark current of It not taken off."""
    beam = np.where(np.abs(foil.since(7.0)) < 6, 0.05, 1.0)
    return replace(foil, i0=foil.i0 * beam, it=foil.it * beam + s * np.median(foil.it))


def other_sweep(foil: Foil, s: float, _: object) -> Foil:
    """I0 is in part that of another sweep, whose features are three points off."""
    return replace(foil, i0=foil.i0 ** (1 - s) * np.roll(foil.i0, 3) ** s)


def read_twice(foil: Foil, s: float, rng: np.random.Generator, only_it: bool = False) -> Foil:
    """So many rows have the counters of the row before."""
    stale = (foil.row - (rng.random(len(foil.row)) < s)).clip(0).astype(int)
    return replace(foil, it=foil.it[stale], i0=foil.i0 if only_it else foil.i0[stale])


def it_stale(foil: Foil, s: float, rng: np.random.Generator) -> Foil:
    """So many rows have It of the row before."""
    return read_twice(foil, s, rng, only_it=True)


def alternating(foil: Foil, s: float, _: object) -> Foil:
    """It hangs behind I0 in every second row, by a share of the row before."""
    return replace(foil, it=np.where(foil.row % 2 == 1, (1 - s) * foil.it + s * np.roll(foil.it, 1), foil.it))


def stretched(sign: int) -> Fault:
    """Energies are stretched about the edge."""
    return lambda foil, s, _: replace(foil, energy=foil.e0 + (foil.energy - foil.e0) * (1 + sign * s))


def wrong_angle(foil: Foil, s: float, _: object) -> Foil:
    """The encoder of a Si (111) monochromator has an offset [mrad], and the edge was shifted to its place."""
    least = 1977.1  # hc/2d [eV]
    energy = least / np.sin(np.arcsin(least / foil.energy) - 1e-3 * s)
    return replace(foil, energy=energy - np.interp(foil.e0, foil.energy, energy) + foil.e0)


def blurred(foil: Foil, width: float, at: Array) -> Array:
    """(n,) μ averaged with a Gaussian [σ in units of ``at``]."""
    weight = np.exp(-0.5 * ((at[:, None] - at) / width) ** 2) * np.gradient(at)
    return weight @ foil.mu / weight.sum(axis=1)


def merged(foil: Foil, s: float, _: object) -> Foil:
    """The mean of two sweeps whose energies differ."""
    return foil.of((foil.mu + CubicSpline(foil.energy, foil.mu)(foil.energy + s)) / 2)


def repeated(gap: float) -> Fault:
    """At three joints of regions a point comes twice: a share of the step on, and off by the strength."""

    def change(foil: Foil, s: float, _: object) -> Foil:
        joints = [int(np.argmax(foil.k >= k)) for k in (3.0, 6.0, 9.0)]
        chosen = np.sort(np.concatenate([foil.row.astype(int), joints]))
        again = np.flatnonzero(np.diff(chosen) == 0) + 1
        found = foil.rows(chosen)
        energy, mu = found.energy.copy(), found.mu.copy()
        energy[again] += gap * (energy[again + 1] - energy[again])
        mu[again] += s * foil.rise * np.array([1.0, -1.0, 1.0])
        return replace(found, energy=energy).of(mu)

    return change


def lost_rows(foil: Foil, s: float, _: object) -> Foil:
    """Rows are lost between k 6 and 6 + s."""
    return foil.rows(np.flatnonzero((foil.k < 6) | (foil.k > 6 + s)))


def lost_readings(foil: Foil, s: float, _: object) -> Foil:
    """Readings are lost at k = 6, and the energies written beside the next ones."""
    kept = np.delete(foil.row.astype(int), np.argmax(foil.k >= 6) + np.arange(round(s)))
    return replace(foil.rows(kept), energy=foil.energy[: len(kept)])


def block_again(foil: Foil, s: float, _: object) -> Foil:
    """The sweep was resumed: k 5 to 6 are in the file twice, the second time at another level."""
    first, last = (int(np.argmax(foil.k >= k)) for k in (5, 6))
    found = foil.rows(np.concatenate([foil.row[:last], foil.row[first:]]).astype(int))
    return found.of(found.mu + s * foil.rise * (np.arange(len(found.energy)) >= last))


def over_absorbed(foil: Foil, s: float) -> Array:
    """(n,) fluorescence, in edge steps, that the sample absorbs again."""
    own = foil.depth / foil.rise - 1 / 7
    return 0.02 + own * (1 + s) / (1 + s * own)


def fluorescence(change: Callable[[Foil, float], Array]) -> Fault:
    """If instead of It: a share of I0."""
    return lambda foil, s, _: replace(foil, it=foil.i0 * change(foil, s), form="fluorescence")


def dead_time(foil: Foil, s: float) -> Array:
    """(n,) fluorescence of a thin sample whose detector loses counts."""
    rate = over_absorbed(foil, 0.0)
    return rate / (1 + s * rate)


def warmer(foil: Foil, s: float, _: object) -> Foil:
    """The sample warms up from the edge on: its σ² grows by the strength."""
    heat = np.maximum(foil.since(0.1), 0) / max(foil.since(0.1)[-1], 1)
    return foil.of(foil.background + (foil.mu - foil.background) * np.exp(-2 * s * foil.k**2 * heat))


def random_walk(foil: Foil, rng: np.random.Generator) -> Array:
    """(n,) what wanders, 1 rms."""
    walk = slow(rng.standard_normal(len(foil.row)), 8.0)
    return walk / walk.std()


@dataclass(frozen=True)
class Kind:
    """A kind of fault, and the strengths that are realistic."""

    name: str
    fault: Fault
    low: float
    high: float


KINDS = (
    # the sample and the beam on it
    Kind("pinholes", passed(lambda foil, s: (1 - s) * np.exp(-foil.depth) + s), 1e-4, 0.2),
    Kind("uneven thickness", passed(wedge), 0.02, 0.95),
    Kind("harmonics", passed(lambda foil, s: (np.exp(-foil.depth) + s) / (1 + s)), 1e-4, 0.2),
    Kind("harmonics that grow", passed(lambda foil, s: np.exp(-foil.depth) + s * foil.progress), 1e-4, 0.2),
    Kind("beam moves off the sample from the middle on",
         passed(lambda foil, s: np.exp(-foil.depth) + s * np.maximum(foil.progress - 0.5, 0)), 1e-4, 0.3),
    Kind("beam wanders over an uneven sample", thicker(random_walk), 1e-4, 0.1),
    Kind("beam sways over an uneven sample", thicker(lambda foil, _: np.sin(2 * np.pi * foil.row / 45)), 1e-4, 0.1),
    Kind("sample slides", thicker(lambda foil, _: 1.0 * (foil.k > 6)), 1e-3, 0.1),
    Kind("sample warms up", warmer, 1e-4, 0.01),
    Kind("foreign edge", added(lambda foil, _: 0.5 + np.arctan((foil.energy - foil.foreign) / 2.5) / np.pi), 1e-3, 0.2),
    # counters and amplifiers
    Kind("dark current of It not taken off", counted(it=lambda it, s: it + s * np.median(it)), 1e-3, 0.5),
    Kind("too much taken off It", counted(it=lambda it, s: it - s * it.min()), 1e-3, 0.8),
    Kind("dark current of I0 not taken off", counted(i0=lambda i0, s: i0 + s * np.median(i0)), 1e-3, 2.0),
    Kind("offset of It drifts", lambda foil, s, _: replace(foil, it=foil.it + s * np.median(foil.it) * foil.progress),
         1e-3, 0.5),
    Kind("dead time of It", counted(it=lambda it, s: it / (1 + s * it / it.max())), 1e-3, 0.5),
    Kind("It saturates softly", counted(it=lambda it, s: it * (1 - s * (it / it.max()) ** 3)), 1e-3, 0.3),
    Kind("I0 is not linear", counted(i0=lambda i0, s: i0 / (1 + s * i0 / i0.max())), 1e-3, 1.0),
    Kind("slow change of gas", step(6.0, 25), 1e-3, 0.3),
    Kind("fast change of gain", step(6.0, 5), 1e-3, 0.3),
    Kind("gain drifts from the middle on", added(lambda foil, _: np.maximum(foil.progress - 0.5, 0)), 1e-3, 1.0),
    Kind("gain relaxes after a jump",
         added(lambda foil, _: np.where(foil.since(5) >= 0, np.exp(-foil.since(5).clip(0) / 15), 0)), 1e-3, 0.3),
    Kind("shutter opens late", added(lambda foil, _: np.exp(-foil.row / 20)), 1e-2, 2.0),
    Kind("spikes of top-up", added(lambda foil, _: 1.0 * (foil.row % 25 == 7)), 1e-4, 0.1),
    Kind("ripple of top-up", top_up, 1e-4, 0.2),
    Kind("beam lost for a while", beam_lost, 1e-4, 0.1),
    Kind("It lags", counted(it=late), 0.01, 1.0),
    Kind("both counters lag", counted(it=late, i0=late), 0.01, 2.0),
    Kind("slow amplifier of It", counted(it=slow), 0.1, 2.0),
    Kind("It lags in every second row", alternating, 1e-3, 1.0),
    Kind("counters read twice", read_twice, 0.01, 0.5),
    Kind("It read twice", it_stale, 0.01, 0.5),
    Kind("digits of It", counted(it=lambda it, s: np.round(it / (s * it.min())) * s * it.min()), 1e-3, 0.2),
    Kind("digits of I0", counted(i0=lambda i0, s: np.round(i0 / (s * i0.min())) * s * i0.min()), 1e-3, 0.2),
    Kind("mains", added(lambda foil, _: np.sin(2 * np.pi * foil.row / 6.3)), 1e-4, 0.1),
    Kind("loose contact",
         added(lambda foil, rng: rng.standard_normal(len(foil.k)) * ((foil.k > 8) & (foil.k < 10))), 1e-4, 0.1),
    Kind("weak beam", added(lambda foil, rng: rng.standard_normal(len(foil.k))), 1e-4, 0.03),
    Kind("monitor sees little of the beam", counted(i0=lambda i0, s: i0 ** (1 - s) * np.median(i0) ** s), 1e-3, 1.0),
    Kind("monitor of another sweep", other_sweep, 1e-3, 1.0),
    Kind("monitor drifts",
         added(lambda foil, rng: np.sin(2 * np.pi * (1.7 * foil.progress + rng.random()))), 1e-3, 0.3),
    # bumps and steps
    Kind("bell of 5 points", bell(5.0, 5), 1e-3, 0.3),
    Kind("bell of 8 points", bell(7.0, 8), 1e-3, 0.3),
    Kind("bell of 12 points", bell(10.0, 12), 1e-3, 0.3),
    Kind("bell of 20 points", bell(6.0, 20), 1e-3, 0.3),
    Kind("up and down in 8 points", bell(8.0, 8, lambda phase: np.sin(2 * np.pi * phase)), 1e-3, 0.3),
    Kind("Bragg glitches", glitches(3, 3.0), 1e-3, 0.2),
    Kind("the sample diffracts", glitches(8, 4.0), 1e-3, 0.2),
    Kind("step at k = 4", step(4.0), 1e-3, 0.2),
    Kind("step at k = 9", step(9.0), 1e-3, 0.2),
    Kind("step after the edge", added(lambda foil, _: 1.0 * (foil.energy > foil.e0 + 15)), 1e-2, 0.5),
    Kind("step there and back", added(lambda foil, _: 1.0 * ((foil.k > 6) & (foil.k < 8))), 1e-3, 0.2),
    Kind("curved pre-edge", added(lambda foil, _: np.exp((foil.energy[0] - foil.energy) / 80)), 1e-2, 2.0),
    Kind("gain changed below the edge", added(lambda foil, _: 1.0 * (foil.energy < foil.e0 - 15)), 1e-2, 0.5),
    Kind("ripple over 90 eV", added(lambda foil, _: np.sin(2 * np.pi * foil.energy / 90)), 1e-4, 0.1),
    # the energy axis
    Kind("stretched about the edge", stretched(1), 1e-4, 0.02),
    Kind("shrunk about the edge", stretched(-1), 1e-4, 0.02),
    Kind("offset of the angle", wrong_angle, 0.01, 3.0),
    Kind("backlash", elsewhere(lambda foil, _: -np.where(foil.since(3) >= 0, np.exp(-foil.since(3).clip(0) / 12), 0)),
         0.1, 10.0),
    Kind("encoder slips", elsewhere(lambda foil, _: -1.0 * (foil.k > 7)), 0.05, 5.0),
    Kind("encoder slips and comes back", elsewhere(lambda foil, _: -1.0 * ((foil.k > 5) & (foil.k < 8))), 0.05, 5.0),
    Kind("encoder ripples", elsewhere(lambda foil, _: np.sin(2 * np.pi * foil.energy / 47)), 0.02, 3.0),
    Kind("crystal warms up", elsewhere(lambda foil, _: -np.expm1(-foil.since(0.1).clip(0) / 80)), 0.05, 10.0),
    Kind("monochromator jitters", elsewhere(lambda foil, rng: rng.standard_normal(len(foil.k))), 0.01, 1.0),
    Kind("slits too wide", lambda foil, s, _: foil.of(blurred(foil, s, foil.energy)), 0.5, 6.0),
    Kind("sweeps merged misaligned", merged, 0.1, 10.0),
    Kind("sweeps interleaved, energies differ", elsewhere(lambda foil, _: foil.row % 2), 0.02, 5.0),
    Kind("sweeps interleaved, levels differ", added(lambda foil, _: foil.row % 2), 1e-4, 0.1),
    Kind("points repeated at joints", repeated(0.002), 1e-5, 0.01),
    Kind("shortened steps at joints", repeated(0.1), 1e-4, 0.05),
    Kind("rows lost", lost_rows, 0.1, 1.0),
    Kind("readings lost", lost_readings, 1.0, 6.0),
    Kind("a block twice", block_again, 1e-3, 0.2),
    # ready-made μ, fluorescence
    Kind("ready μ, smoothed", ready(lambda foil, s: blurred(foil, s, foil.row)), 0.3, 4.0),
    Kind("ready μ, no logarithm", ready(lambda foil, s: 1 - np.exp(-s * foil.depth)), 0.01, 1.5),
    Kind("ready μ, few digits", ready(lambda foil, s: np.round(foil.mu / s / foil.rise) * s * foil.rise), 1e-4, 0.03),
    Kind("ready μ, over-absorbed", ready(lambda foil, s: over_absorbed(foil, s)), 0.01, 2.0),
    Kind("over-absorbed fluorescence", fluorescence(over_absorbed), 0.01, 2.0),
    Kind("dead time of the fluorescence detector", fluorescence(dead_time), 0.01, 1.0),
)  # fmt: skip


# ---- What they do, and what becomes of them. ----


@dataclass
class Case:
    """One damaged scan, and what became of it."""

    kind: str
    metal: str
    strength: float
    moved: float
    """Change of k²χ without the gate …"""
    off: float | None = None
    """… and with it, where the scan is not rejected."""
    status: str = ""
    """Of its χ(k) …"""
    findings: list[str] = field(default_factory=list)
    answered: str = ""
    """… and of its refined answer."""
    said: list[str] = field(default_factory=list)
    """What only the answer is told of."""
    shifts: dict[str, float] = field(default_factory=dict)
    """Of N, R and σ², in error bars."""
    misfit: float | None = None

    @property
    def fate(self) -> str:
        """The last status that is known."""
        return self.answered or self.status

    @property
    def wrong(self) -> bool:
        """Whether it gave a χ(k) that is off."""
        return self.off is not None and self.off > OFF

    @property
    def silent(self) -> bool:
        """Whether nobody is told so."""
        return self.wrong and self.fate == "ok"

    @property
    def largest(self) -> float:
        """The largest shift [error bars]."""
        return max(map(abs, self.shifts.values()), default=0.0)


def difference(clean: tuple[Array, Array], other: tuple[Array, Array]) -> float:
    """Root mean square of the difference of k²χ, relative to the first, over k = 3 to 12 Å⁻¹."""
    k = np.arange(3.0, 12.0, 0.05)
    one, two = (k**2 * np.interp(k, *chi) for chi in (clean, other))
    return float(np.sqrt(np.mean((one - two) ** 2) / np.mean(one**2)))


def ungated(foil: Foil) -> tuple[Array, Array]:
    """k and χ(k) as they come, whatever the gate would say."""
    energy, rows = np.unique(foil.energy, return_index=True)
    mu = foil.mu[rows]
    position = edge_of(energy, mu, foil.symbol, "K").position
    mu = mu[None] / units(np.array([edge_rise(energy, mu, position)]))
    (zero,) = energy_zeros(energy, mu, np.array([position]), None)
    if isinstance(zero, Exception):
        raise zero
    removal = removal_of(energy.tobytes(), tuple(resolved(BackgroundSettings(), energy, zero[0]).items()))
    return removal.k, removal(mu)[0][0]


def cases_of(kind: Kind, foil: Foil) -> Iterator[tuple[Case, Foil]]:
    """Damaged scans whose k²χ moves as far as the targets say, or as the kind can."""
    clean = ungated(foil)

    def damaged(strength: float) -> Foil:
        return kind.fault(foil, strength, np.random.default_rng(zlib.crc32(kind.name.encode())))

    def moved(strength: float) -> float:
        try:
            return difference(clean, ungated(damaged(strength)))
        except Exception:
            return np.inf

    grid = np.geomspace(kind.low, kind.high, 10)
    moves = np.array([moved(strength) for strength in grid])
    done = 0.0
    for target in TARGETS:
        reached = np.flatnonzero(moves >= target)
        first = int(reached[0]) if len(reached) else len(grid) - 1
        low, high = grid[max(first - 1, 0)], grid[first]
        for _ in range(6 if len(reached) and first else 0):
            middle = np.sqrt(low * high)
            low, high = (low, middle) if moved(middle) >= target else (middle, high)
        change = moved(high)
        if LEAST <= change <= MOST and abs(change / (done or 1e9) - 1) > 0.2:
            yield Case(kind.name, foil.symbol, float(high), change), damaged(high)
            done = change


def judge(foil: Foil, cases: Sequence[tuple[Case, Foil]], folder: Path, refine: bool) -> None:
    """Write the scans of one metal, and let them go the whole way."""
    clean = foil.written(folder / "clean.dat")
    files = [scan.written(folder / f"{number}.dat") for number, (_, scan) in enumerate(cases)]
    true, *found = watched(measure_scans([clean, *files]), 1 + len(files), f"{foil.symbol}: χ(k)")
    print(f"{foil.symbol}, undamaged: {true.status}")
    for (case, _), outcome in zip(cases, found, strict=True):
        case.status, case.findings = outcome.status, told(outcome)
        if outcome.usable and true.usable:
            case.off = difference(*((chi.k, chi.chi) for chi in (true.usable, outcome.usable)))
    if not refine:
        return
    refined = refine_scans([clean, *files], references=[clean], structure=foil.structure)
    true, *found = watched(refined, 1 + len(files), f"{foil.symbol}: refine")
    for (case, _), outcome in zip(cases, found, strict=True):
        case.answered, case.said = outcome.status, sorted(set(told(outcome)) - set(case.findings))
        if outcome.prediction and true.prediction:
            case.misfit = outcome.prediction.misfit
            one, two = (item.shells["first"] for item in (true.prediction, outcome.prediction))
            case.shifts = {
                name: (getattr(two, name) - getattr(one, name)) / getattr(two, f"{name}_std") for name in QUANTITIES
            }


def watched(outcomes: Iterable[Outcome], total: int | None, what: str) -> Iterator[Outcome]:
    """Outcomes, with a bar on stderr."""
    return iter(tqdm(outcomes, total=total, desc=what, file=sys.stderr, mininterval=2.0))


def told(outcome: Outcome) -> list[str]:
    """Names of what is more than a note; of a warning without a name the beginning of its text."""
    found = [finding for finding in outcome.findings if finding.severity != "note"]
    nameless = set(outcome.warnings) - {finding.sentence for finding in found} if outcome.usable else set()
    texts = {re.sub(r"[+-]?\d[\d.]*", "…", text.split(":")[0]) for text in nameless}
    return sorted({finding.name for finding in found} | texts)


FATES = ("rejected", "foreign", "warned", "ok")


def tell(cases: Sequence[Case]) -> None:
    """Print a row for each kind, and the sums."""
    names = list(dict.fromkeys(case.kind for case in cases))
    width = max(map(len, names), default=0)
    print(f"Wrong: k²χ off by more than {OFF:.0%}. Silent: wrong, and ok. Moved: silent, N, R or σ² by > 2 error bars.")
    titles = "".join(f"{title:>9}" for title in ("faults", *FATES, "wrong", "silent", "off ≤", "moved", "bars ≤"))
    print(f"{'kind':{width}}{titles}  told")
    for name in names:
        print(f"{name:{width}}{row_of([case for case in cases if case.kind == name])}")
    print(f"{'all':{width}}{row_of(cases)}")
    for metal in dict.fromkeys(case.metal for case in cases):
        of = [case for case in cases if case.metal == metal and case.silent and case.shifts]
        beyond = [sum(case.largest > bars for case in of) for bars in (1, 2)]
        each = ", ".join(f"{name} {sum(abs(case.shifts[name]) > 2 for case in of)}" for name in QUANTITIES)
        print(f"{metal}: of {len(of)} silent ones {beyond[0]} move by > 1 error bar, {beyond[1]} by > 2 ({each})")


def row_of(cases: Sequence[Case]) -> str:
    """Counts of some faults, the largest change and shift of the silent ones, and what is told of most."""
    fates, silent = Counter(case.fate for case in cases), [case for case in cases if case.silent]
    off = max((case.off for case in silent if case.off), default=0.0)
    moved, bars = sum(case.largest > 2 for case in silent), max((case.largest for case in silent), default=0.0)
    counts = [len(cases), *(fates[fate] for fate in FATES), sum(case.wrong for case in cases), len(silent)]
    said = Counter(word for case in cases for word in (*case.findings, *case.said))
    words = ", ".join(f"{word} {count}" for word, count in said.most_common(4))
    return "".join(f"{count:9}" for count in counts) + f"{off:9.0%}{moved:9}{bars:9.1f}  {words}"


METALS_IN = ("fe", "cu", "metals")
"""Folders of foils, which the models have to answer."""

COLUMNS = {"operando_ni": "energy=1,mu=3"}
"""Of a folder whose scans have several signals: the foil."""


def clean_scans(root: Path) -> None:
    """Print what is told of the scans as they are."""
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    foils = [folder for folder in folders if folder.name in METALS_IN]
    for how, way, chosen in (("preprocess", measure_scans, folders), ("predict", predict_scans, foils)):
        outcomes: list[Outcome] = []
        for folder in chosen:
            files = sorted(map(str, folder.iterdir()))
            outcomes += watched(way(files, columns=COLUMNS.get(folder.name)), None, f"{how}: {folder.name}")
        print(f"{how}: {len(outcomes)} clean scans, {dict(Counter(item.status for item in outcomes))}")
        for item in outcomes:
            if item.status != "ok":
                place = f"{Path(item.file).relative_to(root)}{'::' if item.record else ''}{item.record}"
                print(f"  {place}: {item.status}: {', '.join(told(item))}")


def main() -> None:
    """Make the faults, let them be judged, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = Path(__file__).parents[2] / "shared" / "spectra"
    parser.add_argument("folder", nargs="?", type=Path, default=Path(os.environ.get("EXAFSNN_DATA_DIR", usual)))
    parser.add_argument("--refine", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--kinds", nargs="+", metavar="KIND", help="those whose name holds one of these words")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every fault, and what became of it")
    options = parser.parse_args()
    wanted = options.kinds or [""]
    kinds = [kind for kind in KINDS if any(word in kind.name for word in wanted)]
    cases: list[Case] = []
    for row in FOILS:
        foil = foil_of(options.folder, *row)
        bar = tqdm(kinds, f"{foil.symbol}: faults", file=sys.stderr, mininterval=2.0)
        made = [case for kind in bar for case in cases_of(kind, foil)]
        with tempfile.TemporaryDirectory() as folder:
            judge(foil, made, Path(folder), options.refine)
        cases += [case for case, _ in made]
    if options.json:
        options.json.write_text(json.dumps([asdict(case) for case in cases], indent=1, ensure_ascii=False))
    tell(cases)
    if not options.kinds:
        clean_scans(options.folder)


if __name__ == "__main__":
    main()
