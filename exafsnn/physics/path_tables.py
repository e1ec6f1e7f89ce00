"""Tables of scattering matrices: phase shifts of a material → what ``physics.all_paths`` sums paths with.

Once exp(iρ)/ρ is taken out, a matrix of ``physics.rehr_albers`` varies slowly with 1/r, 1/r′ and cos β of the legs that
meet at an atom: it is a polynomial in them, of which a singular value decomposition keeps what counts. So thousands of
matrices at all energies are two products of real matrices in single precision. Tables are of one element each: they
grow with the number of elements, not of pairs of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.polynomial import chebyshev
from scipy.interpolate import CubicSpline
from torch import Tensor

from exafsnn.errors import SimulationError
from exafsnn.physics.feff import Potentials, read_phases
from exafsnn.physics.rehr_albers import (
    SIX,
    Electron,
    electron_of,
    elements,
    scattering_elements,
    single_amplitude,
    walked_back,
)
from exafsnn.records import Array

FARTHEST = 12.0
"""Largest distance of single scattering [Å]."""
_RADIAL, _SINGLE = 8, 16
"""Chebyshev polynomials in 1/r, for each leg of a scattering matrix and for single scattering."""
_KEPT = 5e-5
"""Singular values below this share of the largest are left out of a table."""
_USUAL_LEG = 2.7
"""Length of a leg [Å] for which waves are scaled."""
_AT_A_TIME = 256
"""Distances of single scattering that are calculated together."""
_SPACING = 0.19
"""FEFF's energies are thinned out to this distance [Å⁻¹]."""
_PARTS = ("basis", "values", "sideways")
"""What a table of matrices is kept as."""


@dataclass(frozen=True)
class MatrixTable:
    """Scattering matrices of one element as Σ_q (polynomial of the geometry)_q · (elements and energies)_q."""

    basis: Tensor
    """(polynomials, q)."""
    values: Tensor
    """(q, elements · e · 2) real and imaginary parts."""
    sideways: Tensor
    """(elements,) whether an element has the factor sin β."""
    inverse: tuple[float, float]
    """Smallest and largest 1/r of a leg [Å⁻¹]."""

    def at(self, into: Tensor, out: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        """(n, elements, e) complex; lengths (n,) of the legs that come in and go out [Å], and their deflection β."""
        count = self.basis.shape[0] // _RADIAL**2
        radial = (
            _polynomials(out, _RADIAL, self.inverse)[:, :, None] * _polynomials(into, _RADIAL, self.inverse)[:, None]
        )
        features = radial.flatten(1)[:, :, None] * _chebyshev(cosine, count)[:, None]
        flat = features.flatten(1) @ self.basis @ self.values
        matrices = torch.view_as_complex(flat.view(len(flat), len(self.sideways), -1, 2))
        return matrices * torch.where(self.sideways, sine[:, None], 1.0)[..., None]


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
    """(potentials, polynomials, e) single scattering, complex."""
    ends: tuple[MatrixTable, ...]
    """Scattering between the absorber's waves and those of a leg, by potential from 1: first atoms, then last ones."""
    middle: tuple[MatrixTable, ...]
    """Scattering between the waves of two legs, by potential from 0: the absorber can be between."""

    @property
    def middle_elements(self) -> list[tuple[int, int]]:
        """(wave out, wave in) of the elements of ``middle``."""
        return elements("middle", self.electron)

    def single_at(self, number: int, r: Tensor) -> Tensor:
        """(n, e) Tr[M F] of single scattering at distances ``r`` (n,) [Å]."""
        x = _polynomials(r, _SINGLE, (1.0 / FARTHEST, 1.0 / self.nearest))
        return x.to(self.single.dtype) @ self.single[number]

    def to_arrays(self) -> dict[str, Any]:
        """All of it, to be kept in a file; ``of_arrays`` reads it."""
        electron = self.electron
        found: dict[str, Any] = {
            "k": self.k.numpy(),
            "limits": np.array([self.reach, self.nearest]),
            "interpolation": self.interpolation.numpy(),
            "single": self.single.numpy(),
            **{f"electron-{name}": getattr(electron, name) for name in ("k", "momentum", "strength")},
            **{f"final-{final}": weight for final, weight in electron.finals.items()},
        }
        for kind, tables in (("ends", self.ends), ("middle", self.middle)):
            for number, table in enumerate(tables):
                parts = {name: getattr(table, name).numpy() for name in _PARTS}
                found |= {f"{kind}-{number}-{name}": value for name, value in parts.items()}
        return found

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any]) -> PathTables:
        """Those that ``to_arrays`` gave."""
        reach, nearest = (float(limit) for limit in arrays["limits"])
        finals = [
            int(name.removeprefix("final-")) for name in arrays if name.startswith("final-")
        ]  # their order counts
        electron = Electron(
            k=arrays["electron-k"],
            momentum=arrays["electron-momentum"],
            strength=arrays["electron-strength"],
            finals={final: arrays[f"final-{final}"] for final in finals},
        )

        def tables(kind: str) -> tuple[MatrixTable, ...]:
            count = len([name for name in arrays if name.startswith(f"{kind}-") and name.endswith("-basis")])
            stored = [{part: torch.from_numpy(arrays[f"{kind}-{n}-{part}"]) for part in _PARTS} for n in range(count)]
            return tuple(MatrixTable(**parts, inverse=(1.0 / reach, 1.0 / nearest)) for parts in stored)

        k, interpolation, single = (torch.from_numpy(arrays[name]) for name in ("k", "interpolation", "single"))
        return cls(k, reach, nearest, electron, interpolation, single, tables("ends"), tables("middle"))


def make_path_tables(potentials: Potentials, k: Array, reach: float = 7.0, nearest: float = 1.6) -> PathTables:
    """Tabulate the scattering matrices of all elements of one FEFF calculation; takes a second or two an element.

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
    electron, spline = _on(potentials, k)
    numbers = range(len(potentials.symbols))
    inverse = (1.0 / reach, 1.0 / nearest)
    return PathTables(
        k=torch.from_numpy(np.asarray(k, dtype=float)),
        reach=reach,
        nearest=nearest,
        electron=electron,
        interpolation=torch.from_numpy(spline),
        single=torch.from_numpy(np.array([_single_table(electron, n, nearest) for n in numbers])),
        ends=tuple(_make_table(*_end_elements(electron, n, inverse), inverse) for n in numbers[1:]),
        middle=tuple(_make_table(*_middle_elements(electron, n, inverse), inverse) for n in numbers),
    )


def single_scattering(potentials: Potentials, number: int, r: Array, k: Array) -> Array:
    """(m, n) χ(k) of one atom of a potential at each distance ``r`` (n,) [Å], without a table.

    Raises
    ------
    SimulationError
        As ``make_path_tables``.
    """
    electron, spline = _on(potentials, k)
    found = [np.empty((0, len(k)))]
    for start in range(0, len(r), _AT_A_TIME):
        at = r[start : start + _AT_A_TIME, None]
        slow = np.exp(2j * at * (electron.momentum - electron.k)) / (at * electron.momentum) ** 2
        envelope = single_amplitude(electron, number, at[:, 0]) * slow @ spline.T  # [atom, k]
        found.append((envelope * np.exp(2j * at * k)).imag)
    return np.concatenate(found).T


def _on(potentials: Potentials, k: Array) -> tuple[Electron, Array]:
    """The electron on the energies that ``k`` (m,) needs, and (m, e) the interpolation between them."""
    electron = _thinned(electron_of(read_phases(potentials)), k)
    return electron, CubicSpline(electron.k, np.eye(len(electron.k)))(k)


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
    matrix = np.asarray(chebyshev.chebvander(chebyshev.chebpts1(count), count - 1).T, dtype=float) * (2.0 / count)
    matrix[0] *= 0.5
    return matrix


def _single_table(electron: Electron, number: int, nearest: float) -> np.ndarray:
    """(polynomials, e) of single scattering."""
    r = 1.0 / _spread(1.0 / FARTHEST, 1.0 / nearest, _SINGLE)
    coefficients: np.ndarray = _to_coefficients(_SINGLE) @ single_amplitude(electron, number, r)
    return coefficients


def _angles(electron: Electron) -> Array:
    """Chebyshev's nodes in cos β, enough for all partial waves."""
    heard = np.flatnonzero(np.abs(electron.strength).max(axis=(0, 1)))
    angles: Array = chebyshev.chebpts1(int(heard[-1]) + 1)
    return angles


def _end_elements(electron: Electron, number: int, inverse: tuple[float, float]) -> tuple[np.ndarray, list[bool]]:
    """(element, leg, end, angle, e) of the first stage, then the last, and which of them have a factor sin β."""
    legs, angles = 1.0 / _spread(*inverse, _RADIAL), _angles(electron)
    first = scattering_elements(electron, number, "first", legs, legs, angles)
    last = scattering_elements(electron, number, "last", legs, legs, angles).swapaxes(1, 2)
    pairs = elements("last", electron)  # (channel, wave)
    last = (
        last * np.array([walked_back(*electron.channels[channel]) for channel, _ in pairs])[:, None, None, None, None]
    )
    there = [elements("first", electron).index(pair[::-1]) for pair in pairs]
    order = sorted(range(len(pairs)), key=lambda n: (electron.channels[pairs[n][0]][1].odd, pairs[n]))
    sideways = [(electron.channels[pairs[n][0]][1].mu + SIX[pairs[n][1]].mu) % 2 == 1 for n in order]
    size = _balance(electron)[[pairs[n][1] for n in order]][:, None, None, None]  # [element, 1, 1, 1, energy]
    return np.concatenate([first[there][order] * size, last[order] / size]), sideways * 2


def _middle_elements(electron: Electron, number: int, inverse: tuple[float, float]) -> tuple[np.ndarray, list[bool]]:
    """(element, out, in, angle, e) between the waves of two legs, and which elements have a factor sin β."""
    legs = 1.0 / _spread(*inverse, _RADIAL)
    grid = scattering_elements(electron, number, "middle", legs, legs, _angles(electron))
    pairs, size = elements("middle", electron), _balance(electron)
    grid = grid * np.array([size[i] / size[j] for i, j in pairs])[:, None, None, None]
    return grid, [(SIX[i].mu + SIX[j].mu) % 2 == 1 for i, j in pairs]


def _balance(electron: Electron) -> Array:
    """(wave, e) what waves are multiplied by, so that those of all μ leave an atom and arrive about equally strong.

    Without it |γ̃_μ/γ_μ| ≈ (2|p|r)^μ, and a table's largest singular values belong to elements that matter least.
    """
    return np.array([(2.0 * np.abs(electron.momentum) * _USUAL_LEG) ** (0.5 * wave.mu) for wave in SIX])


def _make_table(grid: np.ndarray, sideways: list[bool], inverse: tuple[float, float]) -> MatrixTable:
    """Polynomials through a grid (element, out, in, angle, e), compressed."""
    radial, angular = _to_coefficients(grid.shape[1]), _to_coefficients(grid.shape[3])
    grid = np.einsum("bB,aA,cC,xBACe->bacxe", radial, radial, angular, grid, optimize=True)
    flat = np.stack([grid.real, grid.imag], axis=-1).reshape(np.prod(grid.shape[:3]), -1)
    squares, directions = np.linalg.eigh(flat @ flat.T)  # of singular values; ascending
    basis = directions[:, squares > _KEPT**2 * squares[-1]]
    values = basis.T @ flat
    return MatrixTable(
        basis=torch.from_numpy(basis.astype(np.float32)),
        values=torch.from_numpy(values.astype(np.float32)),
        sideways=torch.tensor(sideways),
        inverse=inverse,
    )


def _polynomials(r: Tensor, count: int, inverse: tuple[float, float]) -> Tensor:
    """(n, count) Chebyshev polynomials in 1/r, of which ``inverse`` is the range."""
    low, high = inverse
    return _chebyshev((2.0 / r - (low + high)) / (high - low), count)


def _chebyshev(x: Tensor, count: int) -> Tensor:
    """(n, count) Chebyshev polynomials."""
    found = [torch.ones_like(x), x]
    while len(found) < count:
        found.append(2 * x * found[-1] - found[-2])
    return torch.stack(found[:count], dim=1)
