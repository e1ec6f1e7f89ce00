"""Iron heated from 300 to 1400 K, simulated: temperature → trajectory → mean χ(k) and true RDF of the state.

``make_spectra.py`` turns the result into raw scans. Nothing here is shared with the training of the model ``fe-k`` but
the way in which paths are summed: the dynamics runs in another potential (2NN-MEAM iron, which holds both phases), and
the scattering comes from another program (FEFF6L with overlapped free atoms).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from exafsnn.metals import METALS
from exafsnn.physics.feff import FeffTreatment, PathSummer, Potentials, partial_waves
from exafsnn.physics.fourier import fade
from exafsnn.physics.paths import ScatteringStrength, sample_three_atom_paths, strength_from_phases
from exafsnn.physics.scattering import ScatteringTable, chi_of_cluster, make_table, sum_single
from exafsnn.records import Array
from exafsnn.simulate.dynamics import State, run_state
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.library import crystal_potentials
from exafsnn.simulate.sites import LIBRARY_K, RDF_EDGES, neighbours, rdf_of

TEMPERATURES = (300, 400, 500, 600, 700, 800, 900, 1000, 1100, 1180, 1190, 1220, 1250, 1300, 1350, 1400)
"""[K]"""

TRANSITION = 1185
"""bcc → fcc [K]."""

POTENTIAL = "Fe_meam"
TREATMENT = FeffTreatment(name="feff6", program="6L", exchange=0, overlap=1.0)
REACH = (5.8, 7.0)
"""Half lengths [Å] from which, and up to which, multiple-scattering paths fade out …"""

SINGLE_REACH = (7.0, 8.5)
"""… and distances [Å], for single scattering. A sharp end would ring in χ(k), undamped however hot the sample."""

PAIR_SITES = 1500
"""Sites whose two-atom paths are summed …"""

TRIPLE_SITES = 100
"""… and of these, sites whose three-atom paths are sampled …"""

TRIPLE_PATHS = 250
"""… with so many paths each, on average."""


@dataclass(frozen=True)
class SimulatedState:
    """What is true of the sample at one temperature."""

    temperature: int
    """[K]"""
    phase: str
    a: float
    """Lattice constant [Å]."""
    chi: Array
    """(m,) mean χ(k) on ``LIBRARY_K``, S₀² = 1, k from FEFF6L's energy zero."""
    sampling_noise: Array
    """(m,) standard deviation of ``chi`` that the finite number of sites and paths leaves."""
    rdf: Array
    """(b,) neighbours per atom in the bins ``RDF_EDGES``, mean over all atoms of all frames."""


@dataclass(frozen=True)
class ForeignTheory:
    """FEFF6L for one phase; importances of paths come from the phase shifts of FEFF8.5L, and bias nothing."""

    potentials: Potentials
    table: ScatteringTable
    strength: ScatteringStrength


def phase_of(temperature: float) -> str:
    """``"bcc"`` below the transition, ``"fcc"`` above."""
    return "bcc" if temperature < TRANSITION else "fcc"


def lattice_constant(temperature: float) -> float:
    """a(T) of iron [Å]: bcc 2.8665 at 293 K and 2.904 at 1185 K, fcc 3.647 at 1185 K with 23·10⁻⁶/K."""
    if phase_of(temperature) == "fcc":
        return 3.647 * (1 + 23e-6 * (temperature - TRANSITION))
    t = temperature - 293.0
    return 2.8665 * (1 + 11.8e-6 * t + 3.21e-9 * t**2)


def simulate(temperature: int, work: Path) -> SimulatedState:
    """Simulate one temperature; what ``work`` already holds is not repeated.

    Parameters
    ----------
    temperature
        [K]
    work
        Folder for the trajectory and for the result.
    """
    torch.set_num_threads(1)
    phase, a = phase_of(temperature), lattice_constant(temperature)
    stored = work / f"chi_{temperature:04d}K.npz"
    trajectory = _trajectory(temperature, work)
    if not stored.exists():
        rng = np.random.default_rng([2018, temperature])
        chi, noise = mean_chi(trajectory, _theory(phase), rng)
        np.savez(stored, chi=chi, noise=noise)
    with np.load(stored) as arrays:
        return SimulatedState(temperature, phase, a, arrays["chi"], arrays["noise"], rdf_of(trajectory))


def _trajectory(temperature: int, work: Path) -> Trajectory:
    """Molecular dynamics, checked to be of the phase that it is called."""
    phase, stored = phase_of(temperature), work / f"md_{temperature:04d}K.npz"
    if not stored.exists():
        state = State(phase, POTENTIAL, lattice_constant(temperature), float(temperature), seed=4100 + temperature)
        run = run_state(state)
        np.savez(stored, frames=run.frames.astype(np.float32), cell=run.box)
    with np.load(stored) as arrays:
        frames = arrays["frames"].astype(float)
        return Trajectory.in_box(frames, arrays["cell"], True, phase, ("Fe",) * frames.shape[1])


@lru_cache(maxsize=1)
def _theory(phase: str) -> ForeignTheory:
    """FEFF6L's potentials and table for a perfect crystal at room temperature."""
    potentials = crystal_potentials(METALS["Fe"], phase, TREATMENT)
    strength = strength_from_phases(*partial_waves(crystal_potentials(METALS["Fe"], phase, FeffTreatment())))
    return ForeignTheory(potentials, make_table(potentials, LIBRARY_K, REACH[1]), strength)


def mean_chi(trajectory: Trajectory, theory: ForeignTheory, rng: np.random.Generator) -> tuple[Array, Array]:
    """χ(k) of a state and its sampling noise, each (m,).

    χ = χ_single[n(r) of all atoms] + ⟨χ_pair⟩ + ⟨χ_triple⟩: single scattering is free of sampling noise.
    """
    clusters = [neighbours(trajectory, frame, atom, REACH[1]) for frame, atom in _sites(trajectory, rng)]
    pairs = np.array([_pair_chi(theory.table, *site) for site in zip(clusters, _reaches(PAIR_SITES), strict=True)])
    some = zip(clusters[:TRIPLE_SITES], _reaches(TRIPLE_SITES), strict=True)
    with PathSummer(theory.potentials) as summer:
        triples = np.array([_triple_chi(summer, theory, cluster, reach, rng) for cluster, reach in some])
    chi = single_chi(theory.table, rdf_of(trajectory)) + pairs.mean(axis=0) + triples.mean(axis=0)
    return chi, np.sqrt(pairs.var(axis=0) / len(pairs) + triples.var(axis=0) / len(triples))


def _sites(trajectory: Trajectory, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Different (frame, atom), drawn at random."""
    frames, atoms = trajectory.frames.shape[:2]
    return [divmod(int(i), atoms) for i in rng.permutation(frames * atoms)[:PAIR_SITES]]


def _reaches(sites: int) -> Array:
    """(sites,) largest half lengths [Å], spread so that of the paths of one length the fraction ``fade`` is summed."""
    x = np.linspace(*REACH, 1000)
    return np.interp((np.arange(sites) + 0.5) / sites, 1 - fade(torch.from_numpy(x), *REACH).numpy(), x)


def single_chi(table: ScatteringTable, rdf: Array) -> Array:
    """(m,) single scattering of an RDF, given as atoms per bin of ``RDF_EDGES``."""
    centres = 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1])
    r = torch.from_numpy(centres.astype(np.float32))
    one = torch.ones(1, dtype=torch.long)
    kernel = np.array([sum_single(table, distance[None], one).numpy() for distance in r], dtype=float)  # [r, k]
    chi: Array = (rdf * fade(torch.from_numpy(centres), *SINGLE_REACH).numpy()) @ kernel
    return chi


def _pair_chi(table: ScatteringTable, cluster: Array, reach: float) -> Array:
    """(m,) multiple scattering from two atoms at a time, of paths up to ``reach``."""
    near = cluster[np.linalg.norm(cluster, axis=1) <= reach]
    positions = torch.from_numpy(near.astype(np.float32))
    _, pair = chi_of_cluster(replace(table, reach=reach), positions, torch.ones(len(near), dtype=torch.long))
    return pair.numpy().astype(float)


def _triple_chi(
    summer: PathSummer, theory: ForeignTheory, cluster: Array, reach: float, rng: np.random.Generator
) -> Array:
    """(m,) multiple scattering from three different atoms, of paths up to ``reach``: an unbiased sample of it."""
    positions = np.vstack([np.zeros(3), cluster])
    numbers = np.array([0, *[1] * len(cluster)], dtype=np.intp)
    paths = sample_three_atom_paths(positions, numbers, theory.strength, reach, TRIPLE_PATHS, rng)
    return summer.chi(paths, LIBRARY_K)
