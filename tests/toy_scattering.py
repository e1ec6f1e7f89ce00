"""A theory that needs no FEFF: the scattering of an atom is a formula, multiple scattering one of pairs of atoms."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk

from exafsnn.physics.feff import FeffTreatment, Potentials
from exafsnn.simulate.average import AverageSettings, SiteTheory
from exafsnn.simulate.frames import Frame
from exafsnn.simulate.sites import LIBRARY_K


class ToyTheory(SiteTheory):
    def kernel(self, element: int, r: np.ndarray) -> np.ndarray:
        strength = (1 + element) * np.exp(-(((LIBRARY_K - 6) / 5) ** 2)) / LIBRARY_K
        return strength[:, None] * np.sin(2 * LIBRARY_K[:, None] * r) * np.exp(-2 * r / 8.0) / r**2

    def multiple(self, positions: np.ndarray, numbers: np.ndarray, settings: AverageSettings) -> np.ndarray:
        near = positions[np.linalg.norm(positions, axis=1) < 3.4]
        turns = np.linalg.norm(near[:, None] - near[None], axis=2)[np.triu_indices(len(near), 1)]
        return np.sin(LIBRARY_K * turns[:, None]).sum(axis=0) * 0.02 * np.exp(-(((LIBRARY_K - 5) / 4) ** 2))


def toy_theory(frame: Frame, absorber: str, *_: object) -> SiteTheory:
    elements = tuple(sorted(set(frame.symbols)))
    return ToyTheory(Potentials(FeffTreatment(), (absorber, *elements), {}), elements)


def crystal_in_motion(frames: int, seed: int, memory: float = 0.6, repeat: int = 2) -> list[Atoms]:
    """Copper whose atoms wander about their places, 0.08 Å along each axis, and remember where they were."""
    rng, atoms = np.random.default_rng(seed), bulk("Cu", "fcc", a=3.63, cubic=True).repeat(repeat)
    away, found = rng.normal(0, 0.08, atoms.positions.shape), []
    for _ in range(frames):
        found.append(Atoms(atoms.symbols, atoms.positions + away, cell=atoms.cell, pbc=True))
        away = memory * away + np.sqrt(1 - memory**2) * rng.normal(0, 0.08, away.shape)
    return found
