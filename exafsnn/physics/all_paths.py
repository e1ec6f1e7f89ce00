"""Phase shifts and positions → χ(k): every scattering path of up to four legs, none sampled, none filtered away.

A path 0 → i → j → k → 0 is cut in the middle: what reaches j by way of i serves all k, and backwards. So the work is
that of pairs (i, j), and one small matrix for each path, of which there are thousands. Scattering matrices vary slowly
with 1/r, 1/r′ and cos β once exp(iρ)/ρ is taken out: they are polynomials in these, of which a singular value
decomposition keeps what counts. So a site costs a few products of real matrices in single precision.

Tables come from the phase shifts of one FEFF calculation by ``physics.rehr_albers``, one for each element: they grow
with the number of elements, not of pairs of them. Energies are FEFF's own; the envelope of all paths of about one
length is smooth in k, and is interpolated once for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import chebyshev
from scipy.interpolate import CubicSpline
from torch import Tensor

from exafsnn.errors import SimulationError
from exafsnn.physics.feff import Potentials, read_phases
from exafsnn.physics.fourier import fade
from exafsnn.physics.rehr_albers import (
    SIX,
    Electron,
    elements,
    electron_of,
    final_axes,
    scattering_elements,
    single_amplitude,
    walked_back,
)
from exafsnn.records import Array

_FARTHEST = 12.0
"""Largest distance of single scattering [Å]."""
_RADIAL, _SINGLE = 8, 16
"""Chebyshev polynomials in 1/r, for each leg of a scattering matrix and for single scattering."""
_KEPT = 2e-5
"""Singular values below this share of the largest are left out of a table."""
_SPACING = 0.19
"""FEFF's energies are thinned out to this distance [Å⁻¹]."""
_BIN = 0.1
"""Paths whose half lengths are that near [Å] are interpolated in k together."""
_CHUNK = 256
"""Triple-scattering paths summed at a time: what fits into the processor's cache."""


@dataclass(frozen=True)
class _Table:
    """Scattering matrices of one element as Σ_q (polynomial of the geometry)_q · (elements and energies)_q."""

    basis: Tensor
    """(polynomials, q)."""
    values: Tensor
    """(q, elements · e · 2) real and imaginary parts."""

    def at(self, into: Tensor, out: Tensor, cosine: Tensor, energies: int) -> Tensor:
        """(n, elements, e) complex; ``into`` and ``out`` are scaled to −1 … 1."""
        count = self.basis.shape[0] // _RADIAL**2
        radial = _polynomials(out, _RADIAL)[:, :, None] * _polynomials(into, _RADIAL)[:, None]
        features = radial.flatten(1)[:, :, None] * _polynomials(cosine, count)[:, None]
        flat = features.flatten(1) @ self.basis @ self.values
        return torch.view_as_complex(flat.view(len(flat), -1, energies, 2))


@dataclass(frozen=True)
class PathTables:
    """Scattering of the photoelectron by every element of one material, treatment, absorber and edge."""

    k: Tensor
    """(m,) wavenumbers of χ(k) [Å⁻¹]."""
    reach: float
    """Largest half length of multiple-scattering paths [Å]."""
    nearest: float
    """Smallest distance of two atoms [Å]."""
    electron: Electron
    """Momentum and final states on the (e,) energies of the tables."""
    interpolation: Tensor
    """(m, e) from those energies to ``k``."""
    single: Tensor
    """(potentials, polynomials, e) single scattering."""
    ends: tuple[_Table, ...]
    """Scattering between the absorber's waves and those of a leg, by potential: first atoms, then last ones."""
    middle: tuple[_Table, ...]
    """Scattering between the waves of two legs, by potential, the absorber among them."""


@dataclass(frozen=True)
class SiteChi:
    """χ(k) of one absorber, by the number of different atoms that paths visit; S₀² = 1, no Debye-Waller factor."""

    single: Tensor
    """(m,) absorber → atom → absorber."""
    double: Tensor
    """(m,) two atoms; also one atom twice, with the absorber between."""
    triple: Tensor
    """(m,) three atoms."""

    @property
    def total(self) -> Tensor:
        """(m,) the sum."""
        return self.single + self.double + self.triple


def make_path_tables(potentials: Potentials, k: Array, reach: float = 7.0, nearest: float = 1.6) -> PathTables:
    """Tabulate the scattering matrices of all elements of one FEFF calculation; takes about a second an element.

    Parameters
    ----------
    potentials
        FEFF8.5L potentials and phases; number 0 is the absorber.
    k
        (m,) wavenumbers of χ(k) [Å⁻¹].
    reach
        Largest half path length [Å] that will be asked for.
    nearest
        Smallest distance of two atoms that will be asked for [Å].

    Raises
    ------
    SimulationError
        If the potentials are FEFF6L's, or do not reach the largest k.
    """
    electron = _thinned(electron_of(read_phases(potentials)), k)
    spline = CubicSpline(electron.k, np.eye(len(electron.k)))(k)
    legs = 1.0 / _spread(1.0 / reach, 1.0 / nearest, _RADIAL)
    numbers = range(len(potentials.symbols))
    return PathTables(
        k=torch.from_numpy(np.asarray(k, dtype=float)),
        reach=reach,
        nearest=nearest,
        electron=electron,
        interpolation=torch.from_numpy(spline),
        single=torch.from_numpy(np.array([_single_table(electron, n, nearest) for n in numbers])),
        ends=tuple(_make_table(_end_elements(electron, n, legs)) for n in numbers),
        middle=tuple(_make_table(_middle_elements(electron, n, legs)) for n in numbers),
    )


def _thinned(electron: Electron, k: Array) -> Electron:
    """The energies that a smooth curve on ``k`` needs, two more on either side."""
    if k[-1] > electron.k[-1] or k[0] < electron.k[0]:
        raise SimulationError(
            f"FEFF's phases reach from {electron.k[0]:.1f} to {electron.k[-1]:.1f} Å⁻¹, χ(k) is asked for from "
            f"{k[0]:.1f} to {k[-1]:.1f} Å⁻¹",
            remedy="Set the treatment's k_max",
        )
    kept = [len(electron.k) - 1]
    for index in range(len(electron.k) - 2, -1, -1):
        if electron.k[kept[-1]] - electron.k[index] > _SPACING:
            kept.append(index)
    nodes = np.array(kept[::-1])
    first = max(np.searchsorted(electron.k[nodes], k[0], side="right") - 3, 0)
    last = np.searchsorted(electron.k[nodes], k[-1]) + 3
    use = nodes[first:last]
    return Electron(
        k=electron.k[use],
        momentum=electron.momentum[use],
        strength=electron.strength[:, use],
        finals={final: weight[use] for final, weight in electron.finals.items()},
    )


def _spread(low: float, high: float, count: int) -> Array:
    """Chebyshev's nodes between ``low`` and ``high``."""
    nodes: Array = 0.5 * (low + high) + 0.5 * (high - low) * chebyshev.chebpts1(count)
    return nodes


def _to_coefficients(count: int) -> Array:
    """(polynomial, node) values at Chebyshev's nodes → coefficients."""
    matrix = chebyshev.chebvander(chebyshev.chebpts1(count), count - 1).T * (2.0 / count)
    matrix[0] *= 0.5
    return matrix


def _single_table(electron: Electron, number: int, nearest: float) -> np.ndarray:
    """(polynomials, e) of single scattering."""
    r = 1.0 / _spread(1.0 / _FARTHEST, 1.0 / nearest, _SINGLE)
    coefficients: np.ndarray = _to_coefficients(_SINGLE) @ single_amplitude(electron, number, r)
    return coefficients


def _angles(electron: Electron) -> Array:
    """Chebyshev's nodes in cos β, enough for all partial waves."""
    heard = np.flatnonzero(np.abs(electron.strength).max(axis=(0, 1)))
    return chebyshev.chebpts1(int(heard[-1]) + 1)


def _end_elements(electron: Electron, number: int, legs: Array) -> np.ndarray:
    """(element, leg, end, angle, e) of the first stage, then the last, both by channel, then wave."""
    angles = _angles(electron)
    first = scattering_elements(electron, number, "first", legs, legs, angles)
    last = scattering_elements(electron, number, "last", legs, legs, angles).swapaxes(1, 2)
    signs = [walked_back(*electron.channels[channel]) for channel, _ in elements("last", electron)]
    last = last * np.array(signs)[:, None, None, None, None]
    order = sorted(range(len(first)), key=lambda n: elements("first", electron)[n][::-1])
    return np.concatenate([first[order], last])


def _middle_elements(electron: Electron, number: int, legs: Array) -> np.ndarray:
    return scattering_elements(electron, number, "middle", legs, legs, _angles(electron))


def _make_table(grid: np.ndarray) -> _Table:
    """Polynomials through a grid (element, out, in, angle, e), compressed."""
    radial, angular = _to_coefficients(grid.shape[1]), _to_coefficients(grid.shape[3])
    grid = np.einsum("bB,aA,cC,xBACe->bacxe", radial, radial, angular, grid, optimize=True)
    flat = np.stack([grid.real, grid.imag], axis=-1).reshape(np.prod(grid.shape[:3]), -1)
    u, size, v = np.linalg.svd(flat, full_matrices=False)
    kept = int((size > _KEPT * size[0]).sum())
    basis, values = u[:, :kept], size[:kept, None] * v[:kept]
    return _Table(torch.from_numpy(basis.astype(np.float32)), torch.from_numpy(values.astype(np.float32)))


def _polynomials(x: Tensor, count: int) -> Tensor:
    """(n, count) Chebyshev polynomials."""
    found = [torch.ones_like(x), x]
    while len(found) < count:
        found.append(2 * x * found[-1] - found[-2])
    return torch.stack(found[:count], dim=1)


@dataclass(frozen=True)
class _Pairs:
    """Directed pairs i → j of a first atom i and its next, j; sorted by j, then by the way to it."""

    i: Tensor
    j: Tensor
    way: Tensor
    """(pairs,) r_i + r_ij [Å]."""
    leg: Tensor
    """(pairs,) r_ij [Å]."""
    step: Tensor
    """(pairs, 3) from i to j [Å]."""
    normal: Tensor
    """(pairs, 3) of the plane of absorber, i and j."""


def chi_of_site(
    tables: PathTables, positions: Tensor, numbers: Tensor, reach: float | None = None, fading: float = 0.0
) -> SiteChi:
    """χ(k) of all paths of up to four legs; differentiable with respect to the positions.

    Paths with the absorber in the middle count, as do returns to an atom. Of a path and its reverse, which scatter
    alike but for the truncation of λ, that is computed which has the shorter way to its middle first.

    Parameters
    ----------
    tables
        Made for the elements, with the same numbering.
    positions
        (n, 3) atoms relative to the absorber [Å], the absorber itself not among them.
    numbers
        (n,) unique potential of each atom, from 1.
    reach
        Largest half length of multiple-scattering paths [Å]; that of the tables if not given. Single scattering is
        summed over all atoms given.
    fading
        Over so many Å before ``reach`` multiple-scattering paths fade out: a sharp end would be a step.

    Raises
    ------
    SimulationError
        If atoms are nearer to each other than the tables go, or ``reach`` is larger.
    """
    reach = tables.reach if reach is None else reach
    atoms = torch.cat([torch.zeros(1, 3, dtype=torch.float64), positions.double()])
    numbers = torch.cat([torch.zeros(1, dtype=torch.long), numbers.long()])
    pairs = _find_pairs(atoms, reach)
    _check(tables, atoms, pairs, reach)
    raise NotImplementedError
