"""Metals as states of a library: crystals, melts, particles of any metal, by the dynamics that knows no element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exafsnn.compounds import Material
from exafsnn.metals import Metal, metal_of
from exafsnn.physics.feff import FeffTreatment
from exafsnn.settings import Settings
from exafsnn.simulate.dynamics import DynamicsSettings, State
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.potentials import IRON_LATTICE
from exafsnn.simulate.states import one_of
from exafsnn.simulate.structures import crystal
from exafsnn.simulate.trajectories import Sample, trajectory_of

_AT_REST = 1.004
"""Lattice constant at room temperature over that at 0 K."""


@dataclass(frozen=True)
class MetalStates(Settings):
    """States of one kind: lattice constant and temperature are drawn independently of each other."""

    name: str
    phase: str
    """``"bcc"``, ``"fcc"``, ``"hcp"`` or ``"liquid"``."""
    count: int
    potentials: tuple[str, ...]
    """Names of interatomic potentials, used in turn."""
    a: tuple[float, float]
    """Range of the lattice constant [Å]."""
    temperature: tuple[float, float]
    """Range of the temperature [K]."""
    vacancies: tuple[float, float] = (0.0, 0.0)
    """Range of the fraction of empty sites."""
    atoms: tuple[int, int] = (0, 0)
    """Range of the number of atoms of a free particle; (0, 0): a periodic crystal."""

    def draw(
        self, member: int, seed: int, treatments: Sequence[FeffTreatment], rng: np.random.Generator
    ) -> tuple[MetalState, FeffTreatment]:
        """As of ``States``; a treatment is drawn before what the crystal lacks."""
        state = State(
            phase=self.phase,
            potential=self.potentials[member % len(self.potentials)],
            a=float(rng.uniform(*self.a)),
            temperature=float(rng.uniform(*self.temperature)),
            seed=seed % 900_000 + 1,
        )
        treatment = one_of(treatments, rng)
        vacancies = float(rng.uniform(*self.vacancies))
        atoms = int(rng.integers(self.atoms[0], self.atoms[1] + 1))
        return MetalState(Sample(state, vacancies, self.vacancies[1] > 0, atoms, seed)), treatment

    def theory(self, material: Material) -> str:
        """As of ``States``: the metal's own crystal, whose potentials serve a few per cent."""
        return _metal(material).phase

    def at_rest(self, material: Material) -> Trajectory:
        """As of ``States``."""
        metal = _metal(material)
        return metal_at_rest(metal, metal.phase)


@dataclass(frozen=True)
class MetalState:
    """One of them."""

    sample: Sample
    need: None = None

    def simulated(self, material: Material, dynamics: DynamicsSettings, _needed: Any) -> Trajectory:
        """As of ``State``: a crystal or melt that is checked, or a defective one that is not."""
        metal = _metal(material)
        return trajectory_of(self.sample, dynamics).scaled(metal.length_scale, metal.symbol)

    def label(self, material: Material) -> dict[str, Any]:
        """As of ``State``; lengths and temperature are the metal's, not those of the dynamics."""
        metal, state = _metal(material), self.sample.state
        own = {"a": state.a * metal.length_scale, "temperature": state.temperature * metal.temperature_scale}
        return asdict(state) | own | {"vacancies": self.sample.vacancies, "atoms": self.sample.atoms}


def metal_at_rest(metal: Metal, phase: str) -> Trajectory:
    """A perfect crystal of a metal at room temperature; of another phase than its own, as dense."""
    factor = metal.length_scale
    atoms = crystal(phase, IRON_LATTICE[phase] * _AT_REST * factor, element=metal.symbol, min_length=15.5 * factor)
    edges, symbols = np.asarray(atoms.cell.lengths()), (metal.symbol,) * len(atoms)
    return Trajectory.in_box(atoms.positions[None], edges, True, phase, symbols)


def _metal(material: Material) -> Metal:
    """The absorber as a metal, also beside its compounds."""
    return material if isinstance(material, Metal) else metal_of(material.symbol, material.edge)
