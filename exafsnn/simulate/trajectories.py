"""Planned states → trajectories, each simulated once for all metals.

The dynamics knows no element: its unit of length is the bond, its temperature how far atoms move (``potentials``). So
what was simulated for one metal is kept in the user's cache, and serves the next one after it is scaled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exafsnn.records import Array
from exafsnn.simulate.cache import kept
from exafsnn.simulate.dynamics import DynamicsSettings, State, run_atoms, run_state, run_with_vacancies
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.structures import nanoparticle

_VERSION = 1
"""Changes whenever the dynamics of the same state does."""


@dataclass(frozen=True)
class Sample:
    """What is simulated: a state, and what its crystal lacks."""

    state: State
    vacancies: float = 0.0
    """Fraction of empty sites; those of a family with vacancies are judged otherwise than perfect crystals."""
    defective: bool = False
    atoms: int = 0
    """Of a free particle; 0: a periodic crystal or melt."""
    seed: int = 1
    """Of the empty sites."""


def trajectory_of(sample: Sample, dynamics: DynamicsSettings) -> Trajectory:
    """The trajectory of a sample, from the cache or simulated now; lengths are those of the dynamics.

    Raises
    ------
    SimulationError
        If LAMMPS is missing or fails, or the state is not what it is called.
    ExafsnnError
        If the cache cannot be written.
    """
    told = {"version": _VERSION, "sample": asdict(sample), "dynamics": dynamics.to_mapping()}
    return kept("trajectories", told, lambda: _parts(_simulated(sample, dynamics)), _restored)


def _parts(found: Trajectory) -> tuple[dict[str, Any], dict[str, Array]]:
    """Label and arrays of a trajectory, as they are kept."""
    label = {"provenance": dict(found.provenance), "phase": found.phase, "periodic": found.periodic}
    return label, {"frames": np.asarray(found.frames, dtype=np.float32), "cell": found.box}


def _simulated(sample: Sample, dynamics: DynamicsSettings) -> Trajectory:
    """A crystal or melt that is checked, or a defective one."""
    state = sample.state
    if sample.atoms:
        return run_atoms(nanoparticle(state.phase, state.a, sample.atoms), state, dynamics)
    if sample.defective:
        return run_with_vacancies(state, sample.vacancies, np.random.default_rng([sample.seed, 2]), dynamics)
    return run_state(state, dynamics)


def _restored(label: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trajectory:
    """The trajectory of a part file; its atoms are of no element yet."""
    frames = arrays["frames"].astype(np.float64)
    symbols = ("X",) * frames.shape[1]
    return Trajectory.in_box(frames, arrays["cell"], label["periodic"], label["phase"], symbols, label["provenance"])
