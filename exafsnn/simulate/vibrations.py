"""A solid at rest and its force constants → frames of its vibrations, with quantum statistics.

Force constants come from ``force_constants`` (crystals, by a force field) or ``springs`` (alloys and particles). Every
mode is an oscillator of its own, whose amplitude is a Gaussian of variance

    σ² = ħ/(2ω) · coth(ħω / 2k_B T)        (mass-weighted; Maradudin et al., Theory of Lattice Dynamics, 1971)

which zero-point motion keeps from vanishing in the cold, and which is k_B T/ω² in the heat. The modes are those of the
whole box. Rigid motions (three translations; of free atoms the rotations, too) are no vibrations, and left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

from exafsnn.constants import HBAR2_PER_MASS_KELVIN, KELVIN_EV, THZ_EV
from exafsnn.errors import SettingsError, SimulationError
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.frames import Trajectory

_HBAR2_PER_MASS = HBAR2_PER_MASS_KELVIN * KELVIN_EV
"""ħ²/u [eV Å²]: (ħω)² is this times an eigenvalue in eV Å⁻² u⁻¹."""

UNSTABLE = -0.1
"""Modes below [THz] are no vibrations: the structure falls into another."""

_STILL = 0.1
"""Slower modes [THz] than this and not unstable are noise of the forces, and left out."""

BOND = 1.2
"""Atoms are bonded if no farther apart than so many times the distance of either's nearest neighbour."""


@dataclass(frozen=True)
class HarmonicSolid:
    """Atoms at rest, and the forces that draw them back."""

    atoms: Atoms
    """(n) the whole box, or free atoms."""
    force_constants: Array
    """(n, n, 3, 3) −∂F_i/∂u_j [eV Å⁻²]."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """What made the forces."""


@dataclass(frozen=True)
class Motion(Settings):
    """How the atoms of a state move, and what keeps them off their sites for good.

    Raises
    ------
    SettingsError
        If a number is none that it can be.
    """

    temperature: float = 300.0
    """T′ [K]: that at which the harmonic solid moves as the sample does; forces that are too soft want less than T."""
    frames: int = 20
    asymmetry: float = 0.0
    """α of bonds with the anharmonicity of Morse's potential D(1 − exp(−αx))² [Å⁻¹]; 0: harmonic."""
    static: float = 0.0
    """σ² [Å²] that random displacements of all sites, the same at any temperature, add to every pair."""

    def __post_init__(self) -> None:
        """Refuse what no motion is."""
        if not (0 <= self.temperature < 5000 and 0 <= self.asymmetry <= 4 and 0 <= self.static <= 0.1):
            raise SettingsError(
                f"temperature = {self.temperature:g} K, asymmetry = {self.asymmetry:g} Å⁻¹ or static = "
                f"{self.static:g} Å² is none of a solid",
                where="motion",
                remedy="They go up to 5000 K, 4 Å⁻¹ and 0.1 Å²",
            )
        if self.frames < 1:
            raise SettingsError(f"frames = {self.frames} must be at least 1", where="motion")


@dataclass(frozen=True)
class Modes:
    """The vibrations of a solid."""

    quanta: Array
    """(m,) ħω [eV], positive."""
    vectors: Array
    """(m, n, 3) displacement of each atom per unit of the mode's mass-weighted amplitude [u^−½]."""
    still: int = 0
    """Modes too slow to be told from rest, which are left out."""

    def variance(self, temperature: float) -> Array:
        """(m,) ⟨Q²⟩ of each mode's mass-weighted amplitude [u Å²] at a temperature [K]."""
        zero_point = _HBAR2_PER_MASS / (2 * self.quanta)
        if temperature == 0:
            return zero_point
        return zero_point / np.tanh(self.quanta / (2 * KELVIN_EV * temperature))

    def pair_variance(self, pairs: NDArray[np.intp], along: Array, temperature: float) -> Array:
        """(p,) σ² [Å²] of the distance of pairs (p, 2) of atoms along unit vectors (p, 3), to first order."""
        stretch = self.stretch(pairs, along)
        found: Array = self.variance(temperature) @ stretch**2
        return found

    def stretch(self, pairs: NDArray[np.intp], along: Array) -> Array:
        """(m, p) stretching of each pair per unit of each mode's amplitude."""
        relative = self.vectors[:, pairs[:, 1]] - self.vectors[:, pairs[:, 0]]  # [mode, pair, xyz]
        return np.einsum("mpx,px->mp", relative, along)


def modes_of(solid: HarmonicSolid, *, where: str = "vibrations") -> Modes:
    """Vibrations of a solid.

    Raises
    ------
    SimulationError
        If some are unstable: their number, the worst frequency, and whose motion it mostly is.
    """
    masses = solid.atoms.get_masses()
    root = np.repeat(np.sqrt(masses), 3)
    n = len(masses)
    full = solid.force_constants.transpose(0, 2, 1, 3).reshape(3 * n, 3 * n)
    dynamical = 0.5 * (full + full.T) / np.outer(root, root)
    inner = _without_rigid(solid.atoms, root)  # [coordinate, vibration]
    values, found = np.linalg.eigh(inner.T @ dynamical @ inner)
    shapes = (inner @ found).T.reshape(-1, n, 3)  # [mode, atom, xyz], orthonormal
    frequency = np.sign(values) * np.sqrt(_HBAR2_PER_MASS * np.abs(values)) / THZ_EV
    if np.any(frequency < UNSTABLE):
        raise _unstable(frequency, shapes[0], solid.atoms, where)
    real = frequency > _STILL
    return Modes(frequency[real] * THZ_EV, shapes[real] / np.sqrt(masses)[None, :, None], int((~real).sum()))


def _without_rigid(atoms: Atoms, root: Array) -> Array:
    """(3n, v) orthonormal basis of all motions but the rigid ones, in mass-weighted coordinates."""
    n = len(atoms)
    moves = np.tile(np.eye(3), (n, 1))  # [coordinate, direction]
    if not atoms.pbc.any():
        arms = atoms.positions - atoms.get_center_of_mass()
        turns = [np.cross(axis, arms).ravel() for axis in np.eye(3)]
        moves = np.column_stack([moves, *turns])
    left, weights, _ = np.linalg.svd(moves * root[:, None], full_matrices=True)
    rank = int(np.count_nonzero(weights > 1e-8 * weights[0]))  # two atoms turn about two axes only
    basis: Array = left[:, rank:]
    return basis


def _unstable(frequency: Array, shape: Array, atoms: Atoms, where: str) -> SimulationError:
    """The error that names what is unstable."""
    number = int(np.count_nonzero(frequency < UNSTABLE))
    symbols = np.array(atoms.get_chemical_symbols())
    part = {e: float((shape[symbols == e] ** 2).sum()) for e in np.unique(symbols)}
    most = max(part, key=lambda element: part[element])
    return SimulationError(
        f"{number} of {len(frequency)} modes are unstable, down to {frequency[0]:.1f} THz (mostly {most})",
        where=where,
        remedy="The structure is not the stable one for these forces: take a distorted cell or other weights",
    )


def moving(solid: HarmonicSolid, motion: Motion, rng: np.random.Generator, *, phase: str = "") -> Trajectory:
    """Frames of a solid in motion, each drawn anew.

    With ``asymmetry`` α, bonds between nearest neighbours have the cubic term of Morse's potential, −½ α k x³, where
    k is the stiffness that the force constants give the bond, along it. The frames then follow the anharmonic
    distribution to first order in α: u + ⅓ H⁻¹(F₃(u) − ⟨F₃⟩), with F₃ the cubic term's forces and H the force
    constants, has the density exp(−V/k_B T) up to α², so that a lone bond gets the third cumulant C₃ = 3 α σ⁴. Its
    quantum value is less by 2 α σ₀⁴, with σ₀² the zero-point variance: so each bond counts by 1 − ⅔ σ₀⁴/σ⁴ (Frenkel &
    Rehr, Phys. Rev. B 48, 585 (1993)). The mean positions stay: the lattice is the measured one.

    Raises
    ------
    SimulationError
        If modes are unstable.
    """
    modes = modes_of(solid, where=phase or solid.atoms.get_chemical_formula())
    amplitudes = rng.standard_normal((motion.frames, len(modes.quanta))) * np.sqrt(modes.variance(motion.temperature))
    moved = np.einsum("fm,mnx->fnx", amplitudes, modes.vectors)
    if motion.asymmetry > 0:
        moved = moved + _asymmetric(solid, modes, amplitudes, motion)
    static = rng.standard_normal(moved.shape) * np.sqrt(motion.static / 2)
    provenance = {**solid.provenance, "motion": motion.to_mapping(), "modes": len(modes.quanta), "still": modes.still,
                  "slowest": float(modes.quanta.min() / THZ_EV)}  # fmt: skip
    return trajectory_from(solid.atoms, solid.atoms.positions + moved + static, phase, provenance)


def _asymmetric(solid: HarmonicSolid, modes: Modes, amplitudes: Array, motion: Motion) -> Array:
    """(f, n, 3) displacements that the cubic term of the bonds adds to those of the modes [Å]."""
    pairs, along, stiffness = _bonds(solid)
    stretch = modes.stretch(pairs, along)  # [mode, bond]
    hot, cold = (modes.variance(t) @ stretch**2 for t in (motion.temperature, 0.0))
    strength = 1.5 * motion.asymmetry * stiffness * (1 - 2 / 3 * (cold / hot) ** 2)
    force = strength * ((amplitudes @ stretch) ** 2 - hot)  # [frame, bond], on its second atom along the bond
    response = (force @ stretch.T) / (3 * (modes.quanta**2 / _HBAR2_PER_MASS))  # [frame, mode]: ⅓ H⁻¹ F
    return np.einsum("fm,mnx->fnx", response, modes.vectors)


def _bonds(solid: HarmonicSolid) -> tuple[NDArray[np.intp], Array, Array]:
    """Atoms (p, 2), directions (p, 3) and stiffness (p,) [eV Å⁻²] of the bonds to nearest neighbours."""
    first, second, apart, vector = neighbor_list("ijdD", solid.atoms, BOND * widest_gap(solid.atoms))
    nearest = np.full(len(solid.atoms), np.inf)
    np.minimum.at(nearest, first, apart)
    bonded = (first < second) & (apart <= BOND * np.minimum(nearest[first], nearest[second]))
    pairs = np.column_stack([first, second])[bonded]
    along = (vector / apart[:, None])[bonded]
    stiffness = -np.einsum("px,pxy,py->p", along, solid.force_constants[pairs[:, 0], pairs[:, 1]], along)
    return pairs, along, np.maximum(stiffness, 0.0)


def widest_gap(atoms: Atoms) -> float:
    """The largest distance of any atom to its nearest neighbour [Å]."""
    for reach in (3.0, 4.5, 7.0, 12.0):
        first, apart = neighbor_list("id", atoms, reach)
        nearest = np.full(len(atoms), np.inf)
        np.minimum.at(nearest, first, apart)
        if np.isfinite(nearest).all():
            return float(nearest.max())
    raise SettingsError("an atom has no neighbour within 12 Å", where="structure")


def trajectory_from(atoms: Atoms, frames: Array, phase: str, provenance: Mapping[str, Any]) -> Trajectory:
    """The record that ``sites`` samples, of (f, n, 3) frames of atoms in one box, or of free atoms."""
    cells = np.broadcast_to(np.array(atoms.cell), (len(frames), 3, 3))
    a, b, c = (bool(repeats) for repeats in atoms.pbc)
    return Trajectory(frames, cells, (a, b, c), phase, tuple(atoms.get_chemical_symbols()), provenance)


def with_vacant_sites(trajectory: Trajectory, element: str, share: float, rng: np.random.Generator) -> Trajectory:
    """The same motion with a share of an element's atoms, drawn at random, taken out.

    Raises
    ------
    SettingsError
        If the share is none, or no atom of it would be left.
    """
    sites = np.flatnonzero(np.array(trajectory.symbols) == element)
    number = round(share * len(sites))
    if not 0 <= share < 1 or number >= len(sites):
        reason = f"{share:g} of {len(sites)} {element} atoms cannot be vacant"
        raise SettingsError(
            reason, where="vacancies", remedy="Give a share from 0 to below 1 of an element that is there"
        )
    kept = np.sort(np.setdiff1d(np.arange(len(trajectory.symbols)), rng.permutation(sites)[:number]))
    symbols = tuple(trajectory.symbols[index] for index in kept)
    provenance = {**trajectory.provenance, "vacant": {element: number}}
    return replace(trajectory, frames=trajectory.frames[:, kept], symbols=symbols, provenance=provenance)


def with_antisites(trajectory: Trajectory, pair: tuple[str, str], share: float, rng: np.random.Generator) -> Trajectory:
    """The same motion with a share of the scarcer element's atoms, drawn at random, in the places of the other's.

    Raises
    ------
    SettingsError
        If the share is none, or one of the elements is not there.
    """
    symbols = np.array(trajectory.symbols, dtype=object)
    sites = [rng.permutation(np.flatnonzero(symbols == element)) for element in pair]
    scarcer = min(len(one) for one in sites)
    if not 0 <= share <= 1 or not scarcer:
        reason = f"{share:g} of {len(sites[0])} {pair[0]} cannot change places with {len(sites[1])} {pair[1]}"
        raise SettingsError(reason, where="antisites", remedy="Give a share from 0 to 1 of elements that are there")
    number = round(share * scarcer)
    for one, element in zip(sites, reversed(pair), strict=True):
        symbols[one[:number]] = element
    provenance = {**trajectory.provenance, "antisites": {"-".join(pair): number}}
    return replace(trajectory, symbols=tuple(symbols), provenance=provenance)
