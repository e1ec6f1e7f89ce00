"""Phase shifts and geometry → χ(k): FEFF's effective scattering amplitudes, tabulated once, summed for any cluster.

A scattering path with legs ρ₁ … ρ_n and half length R = Σρ/2 contributes

    χ(k) = Im[ Q(k) exp(2ikR) ] exp(−2R/λ(k)) / (k ρ₁ ⋯ ρ_n),

and Q, the effective scattering amplitude without its rapid factors, varies slowly with the geometry (Rehr & Albers,
Phys. Rev. B 41, 8139 (1990)). Paths that visit one or two atoms depend on at most two legs and one angle. So FEFF
computes Q on a grid of those, and every cluster of the same material and treatment interpolates: thousands of paths in
milliseconds, none of them filtered away. Paths through three different atoms go to FEFF itself (``physics.paths``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag

from exafsnn.physics.feff import PathSummer, Potentials, ScatteringPath
from exafsnn.physics.fourier import fade
from exafsnn.physics.paths import single_paths
from exafsnn.records import Array

_ANGLES = np.radians(np.concatenate([np.arange(0.0, 40.0, 4.0), np.arange(40.0, 181.0, 7.0)]))
SINGLE_DISTANCES = np.arange(1.5, 10.51, 0.1)
_MARGIN = 0.7
_BATCH = 800


def _legs_to(reach: float) -> Array:
    """Nodes of the legs of two-atom paths of half a length of ``reach`` [Å]."""
    return np.concatenate([np.arange(1.7, 3.7, 0.2), np.arange(3.7, reach + 0.3, 0.35)])


KINDS = ("double", "return", "through")
"""Two-atom path families: 0→i→j→0, 0→i→j→i→0 and 0→i→0→j→0."""


@dataclass(frozen=True)
class ScatteringTable:
    """Q(k) of all one- and two-atom paths of one material, absorber and FEFF treatment.

    Tensors are complex64 and float32, on the (m,) wavenumbers ``k`` [Å⁻¹].
    """

    k: Tensor
    mean_free_path: Tensor
    """(m,) λ(k) [Å]."""
    single: Tensor
    """(potentials, legs, m) Q of 0→i→0 on the distances ``SINGLE_DISTANCES``."""
    pairs: dict[tuple[str, int, int], Tensor]
    """(legs, legs, angles, m) Q of the two-atom families by (kind, potential of i, potential of j)."""
    reach: float
    """Largest half path length [Å] of the two-atom families."""
    fade: float = 0.0
    """Over so many Å before ``reach`` they fade out: a sharp end would ring in χ(k), however disordered the sample."""


def make_table(potentials: Potentials, k: Array, reach: float = 7.0) -> ScatteringTable:
    """Let FEFF compute the effective amplitudes of one- and two-atom paths on a grid of geometries.

    Parameters
    ----------
    potentials
        FEFF potentials and phases; number 0 is the absorber.
    k
        (m,) wavenumbers [Å⁻¹] of the table.
    reach
        Largest half path length [Å].
    """
    scatterers = range(1, len(potentials.symbols))
    with PathSummer(potentials) as summer:
        singles, free_path = single_amplitudes(summer, scatterers, k)
        pairs = {
            (kind, i, j): torch.from_numpy(_pair_grid(summer, kind, i, j, k, reach))
            for kind, i, j in product(KINDS, scatterers, scatterers)
        }
    return ScatteringTable(
        k=torch.from_numpy(k.astype(np.float32)),
        mean_free_path=torch.from_numpy(free_path.astype(np.float32)),
        single=torch.from_numpy(singles),
        pairs=pairs,
        reach=reach,
    )


def single_amplitudes(
    summer: PathSummer, scatterers: Sequence[int], k: Array, distances: Array = SINGLE_DISTANCES
) -> tuple[np.ndarray, Array]:
    """Q(k) of 0→i→0 for atoms of each potential at such distances [Å], and the mean free path.

    Returns
    -------
    amplitudes
        (scatterers, distances, m) complex.
    mean_free_path
        (m,) λ(k) [Å].
    """
    lines = [single_paths(distances, number) for number in scatterers]
    return np.array([_amplitudes(summer, paths, k) for paths in lines]), summer.effective(
        lines[0][:1], k
    ).mean_free_path


def single_kernel(distances: Array, amplitudes: np.ndarray, mean_free_path: Array, k: Array, r: Array) -> Array:
    """(m, b) χ(k) of one atom at each distance ``r`` [Å]: single scattering is this times the RDF.

    Parameters
    ----------
    distances
        (d,) at which the amplitudes are known [Å]; between them Q is interpolated.
    amplitudes
        (d, m) complex Q(k).
    mean_free_path
        (m,) λ(k) [Å].
    k
        (m,) [Å⁻¹].
    """
    q = np.array([np.interp(r, distances, part) for part in amplitudes.real.T]) + 1j * np.array(
        [np.interp(r, distances, part) for part in amplitudes.imag.T]
    )  # [k, r]
    damping = np.exp(-2 * r[None] / mean_free_path[:, None])
    wave: Array = (q * np.exp(2j * k[:, None] * r[None])).imag * damping / (k[:, None] * r[None] ** 2)
    return wave


def _amplitudes(summer: PathSummer, paths: Sequence[ScatteringPath], k: Array) -> np.ndarray:
    """(paths, m) complex Q of each path."""
    found = []
    for start in range(0, len(paths), _BATCH):
        batch = paths[start : start + _BATCH]
        effective = summer.effective(batch, k)
        corners = [np.vstack([np.zeros(3), path.positions, np.zeros(3)]) for path in batch]
        legs = [np.linalg.norm(np.diff(corner, axis=0), axis=1) for corner in corners]
        scale = np.array([leg.prod() / (0.5 * leg.sum()) ** 2 for leg in legs])
        found.append(scale[:, None] * effective.magnitude * np.exp(1j * effective.phase))
    return np.concatenate(found).astype(np.complex64)


def _pair_grid(summer: PathSummer, kind: str, i: int, j: int, k: Array, reach: float) -> np.ndarray:
    """(legs, legs, angles, m) Q of one family; zero where no path of it can reach."""
    own = _legs_to(reach)
    grid = np.zeros((len(own), len(own), len(_ANGLES), len(k)), dtype=np.complex64)
    nodes, paths = [], []
    for a, b, angle in product(range(len(own)), range(len(own)), range(len(_ANGLES))):
        path = _pair_path(kind, own[a], own[b], _ANGLES[angle], i, j)
        if _is_needed(kind, path, reach):
            nodes.append((a, b, angle))
            paths.append(path)
    grid[tuple(np.array(nodes).T)] = _amplitudes(summer, paths, k)
    return grid


def _pair_path(kind: str, a: float, b: float, angle: float, i: int, j: int) -> ScatteringPath:
    """The path of a family with first leg ``a`` and second leg ``b``, deflected by ``angle`` between them."""
    first = np.array([0.0, 0.0, a])
    step = b * np.array([np.sin(angle), 0.0, np.cos(angle)])
    if kind == "double":
        return ScatteringPath(np.array([first, first + step]), (i, j))
    if kind == "return":
        return ScatteringPath(np.array([first, first + step, first]), (i, j, i))
    return ScatteringPath(np.array([first, np.zeros(3), step]), (i, 0, j))


def _is_needed(kind: str, path: ScatteringPath, reach: float) -> bool:
    """Whether the node can be the corner of a cell that holds a real path."""
    corners = np.vstack([np.zeros(3), path.positions, np.zeros(3)])
    legs = np.linalg.norm(np.diff(corners, axis=0), axis=1)
    if 0.5 * legs.sum() > reach + _MARGIN:
        return False
    return kind != "double" or bool(legs[2] >= max(legs[0] - _MARGIN, 1.0))


def chi_of_cluster(table: ScatteringTable, positions: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """χ(k) of all one-atom and all two-atom paths of a cluster; S₀² = 1.

    Differentiable with respect to the positions.

    Parameters
    ----------
    positions
        (n, 3) atoms relative to the absorber [Å], the absorber itself not among them.
    numbers
        (n,) unique potential of each atom, from 1.

    Returns
    -------
    single, multiple
        (m,) each.
    """
    r = positions.norm(dim=1)
    single = sum_single(table, r, numbers)
    multiple = torch.zeros_like(single)
    for kind in KINDS:
        multiple = multiple + _sum_pairs(table, kind, positions, r, numbers)
    return single, multiple


def sum_single(table: ScatteringTable, r: Tensor, numbers: Tensor) -> Tensor:
    """(m,) χ(k) of single scattering from atoms at distances ``r`` (n,) [Å]."""
    position = ((r - float(SINGLE_DISTANCES[0])) / 0.1).clamp(0, len(SINGLE_DISTANCES) - 1.001)
    low = position.floor().long()
    weight = (position - low)[:, None]
    q = (1 - weight) * table.single[numbers - 1, low] + weight * table.single[numbers - 1, low + 1]
    return _sum_paths(table, q, r, r * r)


def _sum_pairs(table: ScatteringTable, kind: str, positions: Tensor, r: Tensor, numbers: Tensor) -> Tensor:
    """(m,) χ(k) of one two-atom family, its reversed paths counted."""
    rows, legs, cosine, turns = _pair_geometry(kind, positions, r, table.reach)
    total = torch.zeros_like(table.k)
    for i, j in product(range(1, table.single.shape[0] + 1), repeat=2):
        use = (numbers[rows[:, 0]] == i) & (numbers[rows[:, 1]] == j)
        if not bool(use.any()):
            continue
        a, b = legs[use, 0], legs[use, 1]
        q = _interpolate(table.pairs[kind, i, j], _legs_to(table.reach), a, b, cosine[use])
        last = legs[use, 2]
        half = 0.5 * (a + b + last) if kind == "double" else a + b
        product_of_legs = a * b * last if kind == "double" else (a * b) ** 2
        weight = turns[use] * fade(half, table.reach - table.fade, table.reach)
        total = total + _sum_paths(table, q * weight[:, None], half, product_of_legs)
    return total


def _pair_geometry(kind: str, positions: Tensor, r: Tensor, reach: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Atoms (paths, 2), legs (paths, 3), cosine of the deflection and multiplicity of a family's paths within reach."""
    between = (positions[:, None] - positions[None] + torch.eye(len(r))[..., None]).norm(dim=2)
    if kind == "double":
        inside = (r[:, None] + between + r[None] <= 2 * reach) & (_rank(r)[:, None] < _rank(r)[None])
    elif kind == "return":
        inside = r[:, None] + between <= reach
    else:
        inside = (r[:, None] + r[None] <= reach) & (_rank(r)[:, None] <= _rank(r)[None])
    if kind != "through":
        inside.fill_diagonal_(False)
    rows = inside.nonzero()
    i, j = rows[:, 0], rows[:, 1]
    first = positions[i]
    second = positions[j] if kind == "through" else positions[j] - positions[i]
    b = r[j] if kind == "through" else between[i, j]
    cosine = (first * second).sum(dim=1) / (r[i] * b)
    turns = torch.ones(len(rows))
    if kind == "double":
        turns = 2 * turns
    elif kind == "through":
        turns = torch.where(i == j, 1.0, 2.0)
    return rows, torch.stack([r[i], b, r[j]], dim=1), cosine, turns


def _rank(r: Tensor) -> Tensor:
    """Order of the atoms by distance, ties broken by index: of two atoms, i is the nearer."""
    rank = torch.empty(len(r), dtype=torch.long)
    rank[torch.argsort(r, stable=True)] = torch.arange(len(r))
    return rank


def _interpolate(grid: Tensor, legs: Array, a: Tensor, b: Tensor, cosine: Tensor) -> Tensor:
    """(paths, m) trilinear interpolation of Q in the two legs, of which these are the nodes, and the angle."""
    angle = torch.arccos(cosine.clamp(-0.9999999, 0.9999999))
    axes = [_cell(a, legs), _cell(b, legs), _cell(angle, _ANGLES)]
    corners, weights = torch.zeros(len(a), 1, dtype=torch.long), torch.ones(len(a), 1)
    for (low, weight), count in zip(axes, grid.shape[:3], strict=True):  # [path, corner]
        corners = torch.cat([corners * count + low[:, None], corners * count + low[:, None] + 1], dim=1)
        weights = torch.cat([weights * (1 - weight)[:, None], weights * weight[:, None]], dim=1)
    table = torch.view_as_real(grid).flatten(0, 2).flatten(1)  # [node, k and part]
    found = embedding_bag(corners, table, per_sample_weights=weights.to(table.dtype), mode="sum")
    return torch.view_as_complex(found.unflatten(1, (-1, 2)))


def _cell(x: Tensor, nodes: Array) -> tuple[Tensor, Tensor]:
    """Index of the cell and position within it."""
    edges = torch.from_numpy(nodes.astype(np.float32))
    low = (torch.searchsorted(edges, x.detach().contiguous()) - 1).clamp(0, len(edges) - 2)
    return low, ((x - edges[low]) / (edges[low + 1] - edges[low])).clamp(0, 1)


def _sum_paths(table: ScatteringTable, q: Tensor, half: Tensor, product_of_legs: Tensor) -> Tensor:
    """(m,) Σ Im[Q exp(2ikR)] exp(−2R/λ) / (k Πρ) over paths."""
    phase = 2 * half[:, None] * table.k  # [path, k]
    size = torch.exp(-2 * half[:, None] / table.mean_free_path) / product_of_legs[:, None]
    return (size * (q.real * phase.sin() + q.imag * phase.cos())).sum(dim=0) / table.k
