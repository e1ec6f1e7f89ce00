"""A theory that needs no FEFF: the scattering of an atom is a formula, multiple scattering one of pairs of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ase import Atoms
from ase.build import bulk

from exafsnn.physics.feff import FeffTreatment, Potentials
from exafsnn.physics.paths import ScatteringStrength
from exafsnn.simulate import average as averaging
from exafsnn.simulate.average import AverageSettings, SiteSum, SiteTheory
from exafsnn.simulate.frames import Frame
from exafsnn.simulate.sites import LIBRARY_K


def toy_theory(frame: Frame, absorber: str, edge: str, settings: AverageSettings, *_: object) -> SiteTheory:
    elements = tuple(sorted(set(frame.symbols)))
    strength = np.exp(-(((LIBRARY_K - 6) / 5) ** 2))
    amplitudes = np.array(
        [(1 + i) * np.tile(strength + 0j, (len(averaging._DISTANCES), 1)) for i in range(len(elements))]
    )
    potentials = Potentials(FeffTreatment(), (absorber, *elements), {})
    return SiteTheory(
        potentials, elements, ScatteringStrength(np.ones((1, 181))), amplitudes, np.full(len(LIBRARY_K), 8.0)
    )


@contextmanager
def toy_sum(theory: SiteTheory, settings: AverageSettings) -> Iterator[SiteSum]:
    def summed(positions: np.ndarray, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        r = np.linalg.norm(positions, axis=1)
        near = positions[r < 3.4]
        turns = np.linalg.norm(near[:, None] - near[None], axis=2)[np.triu_indices(len(near), 1)]
        wave = np.sin(LIBRARY_K * turns[:, None]).sum(axis=0) * 0.02 * np.exp(-(((LIBRARY_K - 5) / 4) ** 2))
        single = [
            theory.kernel(n - 1, r[numbers == n]) * averaging._ends(r[numbers == n], settings) for n in set(numbers)
        ]
        return np.concatenate(single, axis=1).sum(axis=1), wave + rng.normal(0, 0.01, len(LIBRARY_K))

    yield summed


def crystal_in_motion(frames: int, seed: int, memory: float = 0.6, repeat: int = 2) -> list[Atoms]:
    """Copper whose atoms wander about their places, 0.08 Å along each axis, and remember where they were."""
    rng, atoms = np.random.default_rng(seed), bulk("Cu", "fcc", a=3.63, cubic=True).repeat(repeat)
    away, found = rng.normal(0, 0.08, atoms.positions.shape), []
    for _ in range(frames):
        found.append(Atoms(atoms.symbols, atoms.positions + away, cell=atoms.cell, pbc=True))
        away = memory * away + np.sqrt(1 - memory**2) * rng.normal(0, 0.08, away.shape)
    return found
