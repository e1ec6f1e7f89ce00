"""Atoms → clusters around absorbers → χ(k) of each site, each with its true distances.

``library.py`` calls ``sample_state`` for every trajectory. Clusters are whole spheres, periodic images included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from exafsnn.errors import SimulationError
from exafsnn.physics.all_paths import chi_of_rows, chi_of_site
from exafsnn.physics.feff import PathSummer, Potentials
from exafsnn.physics.path_tables import PathTables
from exafsnn.physics.paths import ScatteringStrength, sample_three_atom_paths
from exafsnn.physics.scattering import ScatteringTable, chi_of_cluster
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.frames import Index, Trajectory


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
    """Further sites, of which what is cheap enters the state's mean: two-atom paths of a metal, those of rows else."""
    three_atom_paths: int = 50
    """Mean number of paths through three atoms that FEFF computes per site, sampled without bias."""
    reach: float = 7.0
    """Largest half length of a multiple-scattering path [Å] …"""
    rows: float = 0.0
    """… and of one along a row of atoms, where all paths are computed by own matrices, if that is more [Å]."""
    fade: float = 1.2
    """Over so many Å before that the paths fade out."""
    far: float = 8.5
    """Largest distance whose atoms are known [Å]."""

    def scaled(self, factor: float) -> SiteSettings:
        """The same with all lengths multiplied by a factor."""
        lengths = {name: getattr(self, name) * factor for name in ("reach", "fade", "rows", "far")}
        return replace(self, **lengths)


class Theory(Protocol):
    """One material in one FEFF treatment: all that turns clusters into χ(k)."""

    def sums(self, clusters: Sequence[Cluster], settings: SiteSettings, rng: np.random.Generator, /) -> Sums:
        """χ(k) of clusters, the first of which are stored."""


Cluster = tuple[Array, Index]
"""(n, 3) atoms relative to the absorber [Å], the nearest first, and (n,) unique potential of each, from 1."""
Sums = tuple[Array, Array, Array, Array]
"""(sites, m) χ(k) of single scattering, of two atoms, and of three, of the stored sites, on ``LIBRARY_K``; and (2, m)
the mean of the last two over the state, in which the other sites have their part."""


@dataclass(frozen=True)
class TabledTheory:
    """Paths of one and two atoms from tables, those of three a weighted sample, by FEFF."""

    potentials: Potentials
    table: ScatteringTable
    strength: ScatteringStrength

    def sums(self, clusters: Sequence[Cluster], settings: SiteSettings, rng: np.random.Generator) -> Sums:
        """As of ``Theory``."""
        parts = np.array([self._single_and_pair(*cluster) for cluster in clusters])  # [cluster, part, k]
        stored = parts[: settings.sites]
        with PathSummer(self.potentials) as summer:
            triple = np.array([self._triple(summer, *cluster, settings, rng) for cluster in clusters[: settings.sites]])
        return stored[:, 0], stored[:, 1], triple, np.stack([parts[:, 1].mean(axis=0), triple.mean(axis=0)])

    def _single_and_pair(self, positions: Array, numbers: Index) -> tuple[Array, Array]:
        """(m,) single scattering of the whole cluster, and multiple scattering of its two-atom paths."""
        single, pair = chi_of_cluster(
            self.table, torch.from_numpy(positions.astype(np.float32)), torch.from_numpy(numbers.astype(np.int64))
        )
        return single.numpy().astype(float), pair.numpy().astype(float)

    def _triple(
        self, summer: PathSummer, cluster: Array, numbers: Index, settings: SiteSettings, rng: np.random.Generator
    ) -> Array:
        """(m,) χ(k) of the three-atom paths of one cluster, by FEFF."""
        near = np.linalg.norm(cluster, axis=1) <= settings.reach
        positions = np.vstack([np.zeros(3), cluster[near]])
        paths = sample_three_atom_paths(
            positions, np.append(0, numbers[near]), self.strength, settings.reach, settings.three_atom_paths, rng,
            settings.fade,
        )  # fmt: skip
        return summer.chi(paths, LIBRARY_K)


@dataclass(frozen=True)
class ExactTheory:
    """All paths, by own matrices.

    Sites differ most by rows of atoms, of which the nearer focuses what the farther scatters; these cost a third (ZnSe)
    to a twentieth (NiO) of all paths. So the mean is that of rows over many sites, and of what all else adds over few
    (multilevel Monte Carlo: Giles, Oper. Res. 56, 607 (2008)). Of a site's variance rows leave a twentieth in NiO and a
    tenth in Pt–Ni. They may also be longer than other paths: nickel at 5.91 Å in NiO, behind another, is well seen.
    """

    tables: PathTables

    def sums(self, clusters: Sequence[Cluster], settings: SiteSettings, _rng: np.random.Generator) -> Sums:
        """As of ``Theory``; nothing is drawn."""
        atoms = [_within(cluster, settings.far) for cluster in clusters]
        ends = settings.reach, settings.fade
        found = [chi_of_site(self.tables, *of, *ends) for of in atoms[: settings.sites]]
        parts = [[chi.single.numpy(), chi.double.numpy(), chi.triple.numpy()] for chi in found]
        single, pair, triple = np.array(parts, dtype=float).swapaxes(0, 1)
        multiple = np.stack([pair.mean(axis=0), triple.mean(axis=0)])
        rows = self._rows(atoms, max(settings.rows, settings.reach), settings.fade)
        same = rows[: len(found)]
        if settings.rows > settings.reach:
            same = self._rows(atoms[: len(found)], *ends)
        multiple[0] += rows.mean(axis=0) - same.mean(axis=0)
        return single, pair, triple, multiple

    def _rows(self, atoms: Sequence[tuple[Tensor, Tensor]], reach: float, fading: float) -> Array:
        """(n, m) χ(k) of rows of atoms of each site."""
        return np.array([chi_of_rows(self.tables, *of, reach, fading).numpy() for of in atoms], dtype=float)


def _within(cluster: Cluster, far: float) -> tuple[Tensor, Tensor]:
    """The atoms of a cluster that are as near [Å], for torch."""
    positions, numbers = cluster
    near = np.linalg.norm(positions, axis=1) <= far
    return torch.from_numpy(positions[near]), torch.from_numpy(numbers[near].astype(np.int64))


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
    """(p, b) atoms of each element per absorber in the bins ``rdf_edges``, mean over all atoms of all frames."""
    mean_pair: Array
    """(m,) mean of the two-atom part over the state …"""
    mean_triple: Array
    """… and of the three-atom part; control sites have their part in them."""


def sample_state(
    trajectory: Trajectory,
    theory: Theory,
    settings: SiteSettings,
    rng: np.random.Generator,
    around: tuple[str, tuple[str, ...]] | None = None,
) -> StateSample:
    """Compute sites of a trajectory, and the means of its state.

    The state's mean spectrum is best taken as χ_single[rdf] + mean_pair + mean_triple: single scattering of all atoms
    is known exactly, so that only the small rest carries sampling noise (a control variate).

    Parameters
    ----------
    around
        The absorber, and the elements around it in the order of the theory's potentials; None: all atoms are alike.
    """
    absorber, elements = around or (trajectory.symbols[0], (trajectory.symbols[0],))
    absorbers = np.flatnonzero(np.array(trajectory.symbols) == absorber)
    order = {element: kind for kind, element in enumerate(elements)}
    kinds = np.array([order.get(symbol, len(elements)) for symbol in trajectory.symbols], dtype=np.intp)
    there = min(settings.sites + settings.control_sites, len(trajectory) * len(absorbers))
    chosen = _choose(len(trajectory), absorbers, max(settings.sites, there), rng)
    clusters = [_cluster(trajectory, kinds, len(elements) - 1, *place, settings.far) for place in chosen]
    single, pair, triple, (mean_pair, mean_triple) = theory.sums(clusters, settings, rng)
    return StateSample(
        distances=_padded([np.linalg.norm(positions, axis=1) for positions, _ in clusters[: settings.sites]]),
        single=single,
        pair=pair,
        triple=triple,
        rdf=_rdf_of(trajectory, absorbers, kinds, len(elements), rdf_edges(settings.far)),
        mean_pair=mean_pair,
        mean_triple=mean_triple,
    )


def _choose(frames: int, atoms: Index, count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Pairs (frame, atom), all different as long as there are enough."""
    every = rng.permutation(frames * len(atoms))
    return [(int(i) // len(atoms), int(atoms[int(i) % len(atoms)])) for i in np.resize(every, count)]


def _cluster(trajectory: Trajectory, kinds: Index, most: int, frame: int, atom: int, reach: float) -> Cluster:
    """The atoms within ``reach`` of one [Å]; those of a kind above ``most`` are of no neighbour."""
    ((relative, which),) = trajectory[frame].spheres([atom], reach)
    if len(strange := which[kinds[which] > most]):
        raise SimulationError(
            f"{trajectory.symbols[strange[0]]} comes near the absorber, of which there is no potential"
        )
    return relative, 1 + kinds[which]


def neighbours(trajectory: Trajectory, frame: int, atom: int, reach: float) -> Array:
    """(n, 3) positions of all atoms within ``reach`` of an atom, relative to it, nearest first [Å]."""
    ((relative, _),) = trajectory[frame].spheres([atom], reach)
    return relative


def rdf_of(trajectory: Trajectory, edges: Array = RDF_EDGES) -> Array:
    """(b,) mean number of neighbours per atom in bins of such edges [Å], over all atoms of all frames."""
    atoms = np.arange(len(trajectory.symbols))
    found: Array = _rdf_of(trajectory, atoms, np.zeros_like(atoms), 1, edges)[0]
    return found


def _rdf_of(trajectory: Trajectory, absorbers: Index, kinds: Index, count: int, edges: Array) -> Array:
    """(p, b) mean number of atoms of each of so many kinds around an absorber."""
    frames = range(len(trajectory))
    counts: Array = np.sum(
        [trajectory[frame].distance_counts(edges, absorbers, kinds, count) for frame in frames], axis=0
    )
    return counts / (len(trajectory) * len(absorbers))


def _padded(rows: list[Array]) -> Array:
    """Rows of different length as one array, NaN-padded."""
    table = np.full((len(rows), max(len(row) for row in rows)), np.nan)
    for i, row in enumerate(rows):
        table[i, : len(row)] = row
    return table
