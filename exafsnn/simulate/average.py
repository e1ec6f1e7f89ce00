"""A trajectory → its mean χ(k) and partial RDFs, with their statistical errors; nothing is trained.

Single scattering of every absorber in every frame follows exactly from their RDF; multiple scattering is summed, all
paths of it, for a sample of sites, spread evenly over frames and absorbers:

    χ = χ_single[n(r) of all] + ⟨χ_site − χ_single,site⟩,

a control variate: what varies most from site to site carries no sampling noise. Errors come from the scatter between
groups of successive frames (``blocks``). All of it is simulated. ``cli/average.py`` calls ``average``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial.distance import pdist

from exafsnn.edges import edges_of
from exafsnn.errors import Finding, SettingsError, SimulationError
from exafsnn.metals import usual_edge
from exafsnn.physics.all_paths import chi_of_site
from exafsnn.physics.feff import FeffTreatment, Potentials, make_potentials
from exafsnn.physics.fourier import fade
from exafsnn.physics.path_tables import FARTHEST, PathTables, make_path_tables, single_scattering
from exafsnn.records import Array, PartialRDF, Shell
from exafsnn.settings import Settings
from exafsnn.shells import limits_of_shells
from exafsnn.simulate.blocks import Correlation, correlation_of, samples_of_mean, std_of_mean
from exafsnn.simulate.frame_files import Frames, Told
from exafsnn.simulate.frames import Frame, Index
from exafsnn.simulate.sites import LIBRARY_K
from exafsnn.workers import Tell, Workers, in_order, reach, silent

_NEAREST = 0.5
"""From here [Å] distances are counted …"""
_FINE, _COARSE = 0.002, 0.02
"""… in bins so wide [Å] for single scattering, which are exact to 1e-4 at k = 16 Å⁻¹, and so wide for the RDF."""
_LEAST_DISTANCES = (1.6, 1.3, 1.05, 0.85, 0.7)
"""Of two atoms in tables of scattering [Å]: a site takes the first that it keeps. Tables of less are less exact."""
_POTENTIAL_RADII = (7.0, 8.5, 10.0)
"""Of the sphere that FEFF's potentials are made for [Å]: the first that has all elements. FEFF takes 1000 atoms."""
_CANDIDATES = 200
"""Absorbers among which the site of the potentials is chosen."""
_GROUPS = 1000
"""Most groups of successive frames whose means are kept."""
_FEW, _SURE = 8, 20.0
"""With fewer groups errors are those of the choice of sites only; below so many independent ones they are too small."""
_ALIKE_K, _ALIKE_R = 10.0, 20.0
"""So many points of χ(k), or bins of n(r), are taken together to see how long they remember."""
_SHELLS = 8
_EDGES = ("K", "L1", "L2", "L3")


@dataclass(frozen=True)
class AverageSettings(Settings):
    """How many sites are summed, and how far."""

    sites: int = 100
    """Sites whose multiple scattering is summed."""
    reach: float = 7.0
    """Largest half length of a multiple-scattering path [Å]."""
    far: float = 8.5
    """Largest distance that is counted, and scatters once [Å]."""
    fade: float = 1.2
    """Over so many Å before their ends both fade out: a sharp end would ring in χ(k)."""
    seed: int = 1
    """Of the choice of sites."""

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        SettingsError
            If a number is too small, or a length too large for the cluster that FEFF takes.
        """
        if self.sites < 1 or self.seed < 0:
            raise SettingsError("sites must be at least 1, seed 0", where="--sites, --seed")
        if not 2.0 < self.reach <= self.far <= FARTHEST or not 0 <= self.fade < self.reach:
            raise SettingsError(
                f"reach ({self.reach:g} Å) must be above 2 Å, and far ({self.far:g} Å) from there to 12 Å",
                where="reach, far",
            )


@dataclass(frozen=True)
class Average:
    """What a trajectory says of its absorbers; simulated, S₀² = 1, k from FEFF's own E₀."""

    absorber: str
    edge: str
    k: Array
    """(m,) [Å⁻¹]."""
    chi: Array
    """(m,) mean χ(k) of all absorbers in all frames."""
    chi_std: Array
    """(m,) its statistical error, one standard deviation."""
    rdf: PartialRDF
    """n(r) around all absorbers in all frames, a plain histogram, with samples of its error where that is known."""
    shells: dict[str, list[Shell]]
    """Of each pair: ``first`` and those behind it, cut at the minima of n(r)."""
    frames: int
    sites: int
    """Sites whose multiple scattering was summed."""
    correlation: Correlation | None
    """Of groups of frames; None of fewer than there can be an error of."""
    findings: tuple[Finding, ...]
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may change the numbers, in words."""
        return tuple(item.sentence for item in self.findings if item.severity == "warning")


@dataclass(frozen=True)
class SiteTheory:
    """All that turns a site of a trajectory into χ(k): FEFF's potentials."""

    potentials: Potentials
    elements: tuple[str, ...]
    """Of the unique potentials from number 1 on."""

    def kernel(self, element: int, r: Array) -> Array:
        """(m, b) χ(k) of single scattering from one atom of an element at each distance [Å]."""
        return single_scattering(self.potentials, element + 1, r, LIBRARY_K)

    def multiple(self, positions: Array, numbers: Index, settings: AverageSettings) -> Array:
        """(m,) χ(k) of all multiple scattering of a site: atoms (n, 3) about it [Å], and their potentials (n,)."""
        near = np.linalg.norm(positions, axis=1) <= settings.reach
        atoms = positions[near]
        tables = _tables_of(self.potentials, settings.reach, pdist(np.vstack([np.zeros(3), atoms])))
        kinds = torch.from_numpy(numbers[near].astype(np.int64))
        with torch.no_grad():
            chi = chi_of_site(tables, torch.from_numpy(atoms), kinds, settings.reach, settings.fade)
        return np.asarray(chi.double + chi.triple, dtype=float)

    def numbers(self, symbols: Sequence[str]) -> Index:
        """The potential of each atom.

        Raises
        ------
        SimulationError
            If one has none.
        """
        known = {symbol: number for number, symbol in enumerate(self.elements, start=1)}
        missing = sorted(set(symbols) - known.keys())
        if missing:
            raise SimulationError(
                f"{', '.join(missing)} comes near an absorber, but none in the first frame, that of the potentials",
                remedy="Begin with another frame: --frames START:",
            )
        return np.array([known[symbol] for symbol in symbols], dtype=np.intp)


@dataclass(frozen=True)
class _Tables:
    """Which tables of scattering matrices are wanted."""

    checksum: str
    reach: float
    nearest: float
    potentials: Potentials = field(compare=False)


@lru_cache(maxsize=2 * len(_LEAST_DISTANCES))
def _made(wanted: _Tables) -> PathTables:
    return make_path_tables(wanted.potentials, LIBRARY_K, wanted.reach, wanted.nearest)


def _tables_of(potentials: Potentials, reach: float, apart: Array) -> PathTables:
    """Tables for atoms that are so far apart (pairs,) [Å]; made once in each process."""
    nearest = min(apart, default=np.inf)
    least = next((least for least in _LEAST_DISTANCES if least <= nearest), _LEAST_DISTANCES[-1])
    content = hashlib.sha256(b"".join(potentials.files[name] for name in sorted(potentials.files)))
    return _made(_Tables(content.hexdigest(), reach, least, potentials))


def _ends(r: Array, settings: AverageSettings) -> Array:
    """Weights of atoms at such distances: 1, and fading out at the far end."""
    weights: Array = fade(torch.from_numpy(r), settings.far - settings.fade, settings.far).numpy()
    return weights


def average(
    paths: Sequence[str | Path],
    absorber: str,
    edge: str | None = None,
    *,
    told: Told | None = None,
    frames: slice = slice(None),
    settings: AverageSettings | None = None,
    treatment: FeffTreatment | None = None,
    workers: Workers = 1,
    progress: Tell = silent,
) -> Average:
    """Mean χ(k) and n(r) of all absorbers in all frames, with their errors.

    Parameters
    ----------
    paths
        Trajectory files that follow each other.
    absorber, edge
        Chemical symbol, and ``"K"``, ``"L1"``, ``"L2"`` or ``"L3"``; None: ``usual_edge``.
    told
        What the files do not say.
    frames
        Which of them, counted over all files from 0.
    workers
        Processes, or a cluster.
    progress
        Called with how many frames are done, how many there are, and what is done now.

    Raises
    ------
    TrajectoryError
        If a file cannot be read, or holds what cannot be.
    SettingsError
        If the files leave open what nobody told, or nothing is asked for.
    SimulationError
        If FEFF fails.
    """
    settings = settings or AverageSettings()
    edge = _checked_edge(absorber, edge)
    progress(0, 1, "counting frames")
    source = Frames(paths, told)
    wanted = range(len(source))[frames]
    if wanted.step < 0:
        wanted = wanted[::-1]
    if not wanted:
        raise SettingsError(f"no frame of {len(source)} is asked for", where="frames", remedy="They count from 0")
    where, first = next(source.select(wanted[:1]))
    absorbers = absorbers_of(first, absorber, where)
    progress(0, len(wanted), "potentials")
    reach(workers)
    theory = make_theory(first, absorber, edge, settings, treatment)
    plan = _Plan.of(len(wanted), len(absorbers), settings)
    tasks = (
        _Task(frame, absorber, plan.sites_of(number), number, theory, settings, name)
        for number, (name, frame) in enumerate(source.select(wanted))
    )
    counts = np.zeros((len(plan.frames), len(theory.elements), len(_fine_edges(settings)) - 1))
    sums = np.zeros((len(plan.frames), len(LIBRARY_K)))
    each: list[Array] = []
    for number, (own, chi) in enumerate(in_order(_frame_parts, tasks, workers)):
        group = plan.group_of[number]
        counts[group] += own / (plan.frames[group] * len(absorbers))
        sums[group] += chi.sum(axis=0) / plan.sites[group]
        each.extend(chi)
        progress(number + 1, len(wanted), "frames")
    parts = _Parts(counts, sums, np.array(each), plan)
    chi, spread, remembered = _chi_of(parts, theory, settings)
    rdf = _rdf_of(parts, [f"{absorber}-{element}" for element in theory.elements], remembered)
    return Average(
        absorber=absorber, edge=edge, k=LIBRARY_K, chi=chi, chi_std=spread, rdf=rdf, shells=shells_of(rdf),
        frames=len(wanted), sites=len(each), correlation=remembered, settings=settings.to_mapping(),
        findings=(*source.findings, *_doubts(remembered, parts)),
    )  # fmt: skip


def _checked_edge(absorber: str, edge: str | None) -> str:
    """The edge that is asked for, or the usual one."""
    known = [item.name for item in edges_of(absorber) if item.name in _EDGES]
    if not known:
        raise SettingsError(f"{absorber!r} is no chemical symbol with X-ray edges", where="absorber")
    if edge is not None and edge not in known:
        raise SettingsError(f"no {edge} edge of {absorber} is known", where="edge", remedy=f"Use {', '.join(known)}")
    return edge or usual_edge(absorber)


def absorbers_of(frame: Frame, absorber: str, where: str) -> Index:
    """Which atoms absorb.

    Raises
    ------
    SettingsError
        If none does.
    """
    found = np.flatnonzero(np.array(frame.symbols) == absorber)
    if not found.size:
        raise SettingsError(
            f"there is no {absorber} among its atoms ({', '.join(sorted(set(frame.symbols)))})",
            where=where,
            remedy="Name one of these as the absorber, or name the types rightly",
        )
    return found


def make_theory(
    frame: Frame, absorber: str, edge: str, settings: AverageSettings, treatment: FeffTreatment | None = None
) -> SiteTheory:
    """FEFF's potentials for the most ordinary site of a frame.

    Raises
    ------
    SimulationError
        If FEFF fails, or no site has all the elements that come near absorbers.
    """
    positions, elements = _potential_site(frame, absorber, settings)
    symbols = sorted(set(elements))
    numbers = [0, *(1 + symbols.index(symbol) for symbol in elements)]
    cluster = np.vstack([np.zeros(3), positions])
    potentials = make_potentials(
        cluster, [absorber, *symbols], treatment or FeffTreatment(), edge=edge, feff_numbers=numbers
    )
    return SiteTheory(potentials, tuple(symbols))


def _potential_site(frame: Frame, absorber: str, settings: AverageSettings) -> tuple[Array, list[str]]:
    """Atoms around an absorber, and their elements: all that come near any, and as many atoms as is usual."""
    absorbers = np.flatnonzero(np.array(frame.symbols) == absorber)
    some = absorbers[:: max(1, len(absorbers) // _CANDIDATES)]
    symbols = np.array(frame.symbols)
    needed = {str(symbols[atom]) for _, near in frame.spheres(some, settings.far) for atom in near}
    if not needed:
        raise SimulationError(
            f"no atom is within {settings.far:g} Å of any {absorber}", remedy="Look at cell and lengths"
        )
    for radius in _POTENTIAL_RADII:
        spheres = list(frame.spheres(some, radius))
        whole = [number for number, (_, near) in enumerate(spheres) if set(symbols[near]) == needed]
        if whole:
            sizes = np.array([len(spheres[number][1]) for number in whole])
            positions, near = spheres[whole[int(np.argmin(np.abs(sizes - np.median(sizes))))]]
            return positions, [str(symbol) for symbol in symbols[near]]
    raise SimulationError(
        f"no {absorber} has {', '.join(sorted(needed))} all within {_POTENTIAL_RADII[-1]:g} Å, as potentials need",
        remedy="Take away the atoms that hardly meet it",
    )


@dataclass(frozen=True)
class _Plan:
    """Which sites are summed, and which frames make a group."""

    group_of: Index
    """(f,) group of each frame; groups are successive."""
    frames: Index
    """(g,) frames in each group, and …"""
    sites: Index
    """… sites."""
    frame_of_site: Index
    """(s,)"""
    absorber_of_site: Index
    """(s,) from 0."""

    @classmethod
    def of(cls, frames: int, absorbers: int, settings: AverageSettings) -> _Plan:
        """Sites spread evenly over the frames, and over the absorbers in an order drawn at random."""
        sites = min(settings.sites, frames * absorbers)
        groups = min(frames, sites, _GROUPS)
        rng = np.random.default_rng([settings.seed, 0])
        order = np.concatenate([rng.permutation(absorbers) for _ in range(-(-sites // absorbers))])[:sites]
        group_of = np.arange(frames) * groups // frames
        site_group = np.arange(sites) * groups // sites
        members = [np.flatnonzero(group_of == group) for group in range(groups)]
        taken = np.bincount(site_group, minlength=groups)
        frame_of_site = np.concatenate(
            [own[((np.arange(n) + 0.5) * len(own) / n).astype(int)] for own, n in zip(members, taken, strict=True)]
        )
        return cls(group_of, np.bincount(group_of, minlength=groups), taken, frame_of_site, order)

    def sites_of(self, frame: int) -> Index:
        """Absorbers of a frame that are summed."""
        return self.absorber_of_site[self.frame_of_site == frame]


@dataclass(frozen=True)
class _Task:
    """What is to be done for one frame; workers are handed it."""

    frame: Frame
    absorber: str
    sites: Index
    number: int
    theory: SiteTheory
    settings: AverageSettings
    where: str


def _frame_parts(task: _Task) -> tuple[Array, Array]:
    """(elements, b) distances from all absorbers, and (sites, m) multiple scattering of the sites of a frame."""
    torch.set_num_threads(1)
    frame, settings = task.frame, task.settings
    absorbers = np.flatnonzero(np.array(frame.symbols) == task.absorber)
    elements = task.theory.elements
    order = {symbol: kind for kind, symbol in enumerate(elements)}
    kinds = np.array([order.get(symbol, len(elements)) for symbol in frame.symbols])  # the last: no potential
    counts = frame.distance_counts(_fine_edges(settings), absorbers, kinds, len(elements) + 1)
    if counts[-1].any():
        task.theory.numbers(sorted(set(frame.symbols)))
    counts = counts[:-1]
    chosen = absorbers[task.sites]
    if not chosen.size:
        return counts, np.empty((0, len(LIBRARY_K)))
    found = []
    for positions, near in frame.spheres(chosen, settings.far):
        numbers = task.theory.numbers([frame.symbols[atom] for atom in near])
        found.append(task.theory.multiple(positions, numbers, settings))
    return counts, np.array(found)


def _fine_edges(settings: AverageSettings) -> Array:
    """(b + 1,) edges of the fine bins [Å]; a whole number of them makes a coarse one."""
    ratio = round(_COARSE / _FINE)
    count = ratio * int(np.ceil((settings.far - _NEAREST) / _COARSE - 1e-9))
    return np.asarray(_NEAREST + _FINE * np.arange(count + 1), dtype=float)


@dataclass(frozen=True)
class _Parts:
    """What was summed, by groups of successive frames."""

    counts: Array
    """(g, elements, b) mean number of neighbours of all absorbers, in the fine bins."""
    multiple: Array
    """(g, m) mean multiple scattering of the sites of each group."""
    sites: Array
    """(s, m) that of each site."""
    plan: _Plan

    def weighted(self, series: Array) -> Array:
        """A series (g, …) of which the plain mean is that of all frames: groups of more frames deviate more."""
        weights = (self.plan.frames / self.plan.frames.mean()).reshape(-1, *[1] * (series.ndim - 1))
        mean = (weights * series).mean(axis=0)
        return mean + weights * (series - mean)


def _chi_of(parts: _Parts, theory: SiteTheory, settings: AverageSettings) -> tuple[Array, Array, Correlation | None]:
    """(m,) mean χ(k), its standard deviation, and how long single scattering remembers."""
    r = _fine_edges(settings)[:-1] + 0.5 * _FINE
    taken = parts.counts.any(axis=(0, 1))
    counts, r = parts.counts[:, :, taken] * _ends(r[taken], settings), r[taken]
    each = [counts[:, element] @ theory.kernel(element, r).T for element in range(len(theory.elements))]
    single = np.sum(each, axis=0)  # [group, k]
    series = parts.weighted(single + parts.multiple)
    chi = series.mean(axis=0)
    if len(series) < _FEW:
        sites = len(parts.sites)
        std = np.std(parts.sites, axis=0, ddof=1) / np.sqrt(sites) if sites > 1 else np.full_like(chi, np.nan)
        return chi, np.asarray(std), None
    known = correlation_of(parts.weighted(single), _ALIKE_K)
    own = correlation_of(series, _ALIKE_K, known.window)
    return chi, std_of_mean(series, np.maximum(known.blocks, own.blocks), own.width), known


def _rdf_of(parts: _Parts, pairs: Sequence[str], known: Correlation | None) -> PartialRDF:
    """n(r) of each pair, with samples of its error where there can be any."""
    ratio = round(_COARSE / _FINE)
    groups, elements, bins = parts.counts.shape
    series = parts.weighted(parts.counts).reshape(groups, elements, bins // ratio, ratio).sum(axis=-1) / _COARSE
    r = _NEAREST + _COARSE * (np.arange(bins // ratio) + 0.5)
    samples = None
    if known is not None:
        flat = series.reshape(groups, -1)  # [group, element and r]
        own = correlation_of(flat, _ALIKE_R)
        samples = samples_of_mean(flat, int(own.blocks.max()), own.width).reshape(-1, *series.shape[1:])
    density = series.mean(axis=0)
    spread = np.full_like(density, np.nan) if samples is None else samples.std(axis=0)
    # a bin spreads what is in it evenly: that much of the variance is not the atoms'
    return PartialRDF(r, tuple(pairs), density, spread, samples, smoothing=_COARSE / np.sqrt(12))


def shells_of(rdf: PartialRDF) -> dict[str, list[Shell]]:
    """The shells of each pair, cut at the minima of n(r)/r²; the last only if n(r) falls behind it."""
    found = {}
    for pair, density in zip(rdf.pairs, rdf.density, strict=True):
        limits = limits_of_shells(rdf.r, density)[:_SHELLS]
        found[pair] = [rdf.shell(pair, low, high) for low, high in limits]
    return found


def _doubts(known: Correlation | None, parts: _Parts) -> Iterator[Finding]:
    """What to say of the errors."""
    groups = len(parts.counts)
    if known is None:
        frames = int(parts.plan.frames.sum())
        what = f"{frames} frame{'s' * (frames > 1)}" if groups == frames else f"{groups} sites"
        yield Finding(
            "few-frames",
            "warning",
            f"The errors of χ(k) are those of the choice of sites alone, and n(r) has none: from {what} nobody can tell"
            " how far the trajectory wanders",
            remedy=f"Give at least {_FEW} frames and as many sites, better 100",
        )
    elif known.independent < _SURE:
        yield Finding(
            "short-trajectory",
            "warning",
            f"The trajectory is worth about {known.independent:.0f} independent moments: too few to tell its errors,"
            " which may be larger",
            remedy="Give a longer one",
        )
