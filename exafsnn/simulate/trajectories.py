"""Planned states → trajectories, each simulated once for all metals.

The dynamics knows no element: its unit of length is the bond, its temperature how far atoms move (``potentials``). So
what was simulated for one metal is kept in the user's cache, and serves the next one after it is scaled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from exafsnn.errors import LibraryError
from exafsnn.files import explained
from exafsnn.records import Array
from exafsnn.simulate.dynamics import DynamicsSettings, State, run_atoms, run_state, run_with_vacancies
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.parts import read_part, write_part
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


def cache_folder() -> Path:
    """Where trajectories are kept: ``EXAFSNN_CACHE``, else the user's cache."""
    return Path(os.environ.get("EXAFSNN_CACHE") or platformdirs.user_cache_dir("exafsnn")) / "trajectories"


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
    name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    path = cache_folder() / name[:2] / f"{name}.npz"
    if path.exists():
        with suppress(LibraryError, KeyError):  # damaged, or none of ours: it is simulated again, and replaced
            return _restored(*read_part(path))
    found = _simulated(sample, dynamics)
    label: dict[str, Any] = {"provenance": dict(found.provenance), "phase": found.phase, "periodic": found.periodic}
    arrays: dict[str, Array] = {"frames": np.asarray(found.frames, dtype=np.float32), "cell": found.box}
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_part(path, label, arrays)
    return _restored(*read_part(path))


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
