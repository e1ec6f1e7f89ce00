"""Scattering paths through three different atoms, and an unbiased small sample of them.

A disordered cluster has thousands of triple-scattering paths, each of them weak. FEFF's filters drop the weak ones,
although in a crystal they add up: in iron at 7 Å the usual filters lose 13–17 % of χ(k). Paths through one or two atoms
are summed without a filter (``physics.scattering``); of those through three atoms, each is kept with a probability that
follows its estimated importance, and counts 1/probability ("Russian roulette": Kahn & Harris, Natl. Bur. Stand. Appl.
Math. Ser. 12, 27 (1951)), so that the expected sum is the sum of all. ``simulate.sites`` calls this for every site.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from exafsnn.physics.feff import ScatteringPath
from exafsnn.physics.fourier import fade
from exafsnn.records import Array

_Index = NDArray[np.intp]
_ANGLES = np.linspace(0.0, np.pi, 181)

_LEAST_SHARE = 1e-3
"""Paths that fade to less are left out: FEFF reads weights to three decimals, and fails on zero."""


@dataclass(frozen=True)
class ScatteringStrength:
    """Root-mean-square plane-wave scattering amplitude |f(β)| of each unique potential, over the EXAFS range of k."""

    amplitude: Array
    """(potentials, 181) |f(β)| [Å] at β = 0 … π; β = 0 is forward."""

    def at(self, number: _Index, cosine: Array) -> Array:
        """|f| of the potentials ``number`` at scattering angles of the given cosine; any shape."""
        column = np.rint(np.arccos(np.clip(cosine, -1.0, 1.0)) * (180.0 / np.pi)).astype(int)
        result: Array = self.amplitude[number, column]
        return result


def strength_from_phases(phases: NDArray[np.complex128], k: Array) -> ScatteringStrength:
    """|f(β)| from partial-wave phase shifts.

    f(β, k) = (1/k) Σ_l (2l + 1) exp(iδ_l) sin δ_l P_l(cos β).

    Parameters
    ----------
    phases
        (potentials, energies, l) complex phase shifts δ_l.
    k
        (energies,) wavenumbers [Å⁻¹].
    """
    degree = np.arange(phases.shape[-1])
    legendre = np.array([np.polynomial.legendre.Legendre.basis(n)(np.cos(_ANGLES)) for n in degree])
    waves = (2 * degree + 1) * np.exp(1j * phases) * np.sin(phases)  # [potential, energy, l]
    f = np.einsum("pel,la->pea", waves, legendre) / k[None, :, None]
    return ScatteringStrength(amplitude=np.sqrt((np.abs(f) ** 2).mean(axis=1)))


def single_paths(r: Array, number: int = 1) -> list[ScatteringPath]:
    """One single-scattering path to each distance ``r`` [Å]."""
    return [ScatteringPath(np.array([[0.0, 0.0, distance]]), (number,)) for distance in r]


def sample_three_atom_paths(
    positions: Array,
    numbers: _Index,
    strength: ScatteringStrength,
    reach: float,
    wanted: int,
    rng: np.random.Generator,
    fading: float = 0.0,
) -> list[ScatteringPath]:
    """A weighted random sample of the triple-scattering paths through three different atoms.

    The mean over ``rng`` of the weighted sum of the sample is the sum of all such paths.

    Parameters
    ----------
    positions
        (n, 3) atoms relative to the absorber, which is the first row [Å].
    numbers
        (n,) unique potential of each atom; 0 for the absorber.
    strength
        Scattering amplitudes that the importance is estimated with.
    reach
        Largest half path length [Å].
    wanted
        Mean number of paths kept.
    fading
        Over so many Å before ``reach`` the paths' weights fade to zero.
    """
    rows = three_atom_paths(positions, reach)
    size, length = _importance(positions, numbers, strength, rows)
    share = fade(torch.from_numpy(0.5 * length), reach - fading, reach).numpy()
    weights = 2.0 * share  # a path and its reverse
    counts = np.flatnonzero(share > _LEAST_SHARE)
    probability = _keep_probability((size * weights)[counts], wanted)
    kept = rng.random(len(counts)) < probability
    return [
        ScatteringPath(positions[rows[path]], tuple(int(n) for n in numbers[rows[path]]), float(weights[path] / chance))
        for path, chance in zip(counts[kept], probability[kept], strict=True)
    ]


def three_atom_paths(positions: Array, reach: float) -> _Index:
    """(paths, 3) absorber → i → j → k → absorber with i < k and j not the absorber.

    The reversed paths are not listed: each counts twice.
    """
    r = np.linalg.norm(positions, axis=1)
    between = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    out = (r[:, None] + between).T  # [j, i]: absorber → i → j
    np.fill_diagonal(out, np.inf)
    out[:, 0] = np.inf
    found = [np.empty((0, 3), dtype=np.intp)]
    for j, lengths in enumerate(out[1:], start=1):
        near = np.flatnonzero(lengths <= 2 * reach)
        total = lengths[near][:, None] + lengths[near][None]
        a, c = np.nonzero(np.triu(total <= 2 * reach, k=1))
        found.append(np.stack([near[a], np.full(len(a), j), near[c]], axis=1))
    return np.concatenate(found).astype(np.intp)


def _importance(positions: Array, numbers: _Index, strength: ScatteringStrength, rows: _Index) -> tuple[Array, Array]:
    """Plane-wave estimate of each path's amplitude, and its length [Å].

    Π |f(β)| / Π leg, the p-wave factor and the mean free path.
    """
    corners = np.zeros((len(rows), rows.shape[1] + 2, 3))
    corners[:, 1:-1] = positions[rows]
    legs = np.diff(corners, axis=1)  # [path, leg, xyz]
    length = np.linalg.norm(legs, axis=2)
    direction = legs / length[..., None]
    cosine = np.einsum("plx,plx->pl", direction[:, :-1], direction[:, 1:])
    amplitude = strength.at(numbers[rows], cosine).prod(axis=1) / length.prod(axis=1)
    ends = np.abs(np.einsum("px,px->p", direction[:, 0], direction[:, -1]))
    total: Array = length.sum(axis=1)
    return amplitude * np.maximum(ends, 0.3) * np.exp(-total / 8.0), total  # a mean free path of 8 Å


def _keep_probability(importance: Array, wanted: int) -> Array:
    """min(1, importance/threshold), the threshold such that the probabilities add up to ``wanted``; at least 1/300."""
    if len(importance) <= wanted:
        return np.ones(len(importance))
    low, high = 0.0, importance.sum() / max(wanted, 1) * 10
    for _ in range(60):
        middle = 0.5 * (low + high)
        if np.minimum(1.0, importance / middle).sum() > wanted:
            low = middle
        else:
            high = middle
    return np.clip(importance / high, 1.0 / 300.0, 1.0)
