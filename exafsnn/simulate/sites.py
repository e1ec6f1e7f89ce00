"""Atoms → clusters around absorbers → χ(k) of each site, each with its true distances.

``library.py`` calls ``sample_state`` for every trajectory. Clusters are whole spheres, periodic images included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from exafsnn.physics.feff import PathSummer, Potentials
from exafsnn.physics.paths import ScatteringStrength, sample_three_atom_paths
from exafsnn.physics.scattering import ScatteringTable, chi_of_cluster
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.frames import Trajectory


def rdf_edges(far: float) -> Array:
    """(b + 1,) edges [Å] of the fine histogram of distances that a state is stored with, up to ``far``."""
    return np.round(np.arange(1.5, far + 0.0001, 0.01), 6)


RDF_EDGES = rdf_edges(8.5)
"""Those of iron."""

LIBRARY_K = np.round(np.arange(1.5, 16.5001, 0.05), 6)
"""Wavenumbers [Å⁻¹] of the library: wide enough for k 3 to 16 after an energy shift of 10 eV."""


@dataclass(frozen=True)
class SiteSettings(Settings):
    """How many sites of a state are computed, and with how many paths."""

    sites: int = 48
    """Sites that are stored, each with its own χ(k)."""
    control_sites: int = 160
    """Further sites whose two-atom paths enter the state's mean."""
    three_atom_paths: int = 50
    """Mean number of paths through three atoms that FEFF computes per site, sampled without bias."""
    reach: float = 7.0
    """Largest half length of a multiple-scattering path [Å]."""
    fade: float = 1.2
    """Over so many Å before ``reach`` the paths fade out."""
    far: float = 8.5
    """Largest distance whose atoms are known [Å]."""

    def scaled(self, factor: float) -> SiteSettings:
        """The same with all lengths multiplied by a factor."""
        lengths = {name: getattr(self, name) * factor for name in ("reach", "fade", "far")}
        return replace(self, **lengths)


@dataclass(frozen=True)
class Theory:
    """One material in one FEFF treatment: all that turns a cluster into χ(k)."""

    potentials: Potentials
    table: ScatteringTable
    strength: ScatteringStrength


@dataclass(frozen=True)
class StateSample:
    """What the library keeps of one state."""

    distances: Array
    """(sites, neighbours) sorted distances [Å], NaN-padded."""
    single: Array
    """(sites, m) χ(k) of single scattering, on ``LIBRARY_K``."""
    pair: Array
    """(sites, m) χ(k) of multiple scattering from two atoms."""
    triple: Array
    """(sites, m) χ(k) of scattering from three atoms; unbiased, sampled."""
    rdf: Array
    """(b,) atoms per absorber in the bins ``rdf_edges``, mean over all atoms of all frames."""
    mean_pair: Array
    """(m,) mean of the two-atom part over the stored and the control sites."""


def sample_state(
    trajectory: Trajectory, theory: Theory, settings: SiteSettings, rng: np.random.Generator
) -> StateSample:
    """Compute sites of a trajectory, and the means of its state.

    The state's mean spectrum is best taken as χ_single[rdf] + mean_pair + ⟨triple⟩: single scattering of all atoms is
    known exactly, so that only the small rest carries sampling noise (a control variate).
    """
    chosen = _choose(trajectory, settings.sites + settings.control_sites, rng)
    clusters = [neighbours(trajectory, frame, atom, settings.far) for frame, atom in chosen]
    parts = [_single_and_pair(theory.table, cluster) for cluster in clusters]
    stored = clusters[: settings.sites]
    with PathSummer(theory.potentials) as summer:
        triple = [_triple(summer, theory.strength, cluster, settings, rng) for cluster in stored]
    return StateSample(
        distances=_padded([np.linalg.norm(cluster, axis=1) for cluster in stored]),
        single=np.array([single for single, _ in parts[: settings.sites]]),
        pair=np.array([pair for _, pair in parts[: settings.sites]]),
        triple=np.array(triple),
        rdf=rdf_of(trajectory, rdf_edges(settings.far)),
        mean_pair=np.mean([pair for _, pair in parts], axis=0),
    )


def _choose(trajectory: Trajectory, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs (frame, atom), all different as long as there are enough."""
    frames, atoms = trajectory.frames.shape[:2]
    every = rng.permutation(frames * atoms)
    return [divmod(int(i), atoms) for i in np.resize(every, count)]


def neighbours(trajectory: Trajectory, frame: int, atom: int, reach: float) -> Array:
    """(n, 3) positions of all atoms within ``reach`` of an atom, relative to it, nearest first [Å]."""
    ((relative, _),) = trajectory[frame].spheres([atom], reach)
    return relative


def rdf_of(trajectory: Trajectory, edges: Array = RDF_EDGES) -> Array:
    """(b,) mean number of neighbours per atom in bins of such edges [Å], over all atoms of all frames."""
    frames, atoms = trajectory.frames.shape[:2]
    counts: Array = sum(trajectory[frame].distance_counts(edges)[0] for frame in range(frames)) / (frames * atoms)
    return counts


def _single_and_pair(table: ScatteringTable, cluster: Array) -> tuple[Array, Array]:
    """(m,) single scattering of the whole cluster, and multiple scattering of its two-atom paths."""
    positions = torch.from_numpy(cluster.astype(np.float32))
    single, pair = chi_of_cluster(table, positions, torch.ones(len(cluster), dtype=torch.long))
    return single.numpy().astype(float), pair.numpy().astype(float)


def _triple(
    summer: PathSummer, strength: ScatteringStrength, cluster: Array, settings: SiteSettings, rng: np.random.Generator
) -> Array:
    """(m,) χ(k) of the three-atom paths of one cluster, by FEFF."""
    near = cluster[np.linalg.norm(cluster, axis=1) <= settings.reach]
    positions = np.vstack([np.zeros(3), near])
    numbers = np.array([0, *[1] * len(near)], dtype=np.intp)
    paths = sample_three_atom_paths(
        positions, numbers, strength, settings.reach, settings.three_atom_paths, rng, settings.fade
    )
    return summer.chi(paths, LIBRARY_K)


def _padded(rows: list[Array]) -> Array:
    """Rows of different length as one array, NaN-padded."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
