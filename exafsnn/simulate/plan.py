"""What a site library is to hold: a TOML file → families of states → the list of states.

Read by ``library.py``; the plan of a shipped model lies beside the model.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from exafsnn.errors import SettingsError
from exafsnn.physics.feff import FeffTreatment
from exafsnn.settings import Settings
from exafsnn.simulate.dynamics import DynamicsSettings, State
from exafsnn.simulate.sites import SiteSettings


@dataclass(frozen=True)
class _Family(Settings):
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


@dataclass(frozen=True)
class LibrarySettings(Settings):
    """The whole plan of a library."""

    element: str = "Fe"
    edge: str = "K"
    seed: int = 1
    families: tuple[_Family, ...] = ()
    treatments: tuple[FeffTreatment, ...] = ()
    dynamics: DynamicsSettings = field(default_factory=DynamicsSettings)
    sites: SiteSettings = field(default_factory=SiteSettings)


@dataclass(frozen=True)
class PlannedState:
    """One state of the plan, with all that its random numbers decide."""

    index: int
    family: _Family
    state: State
    treatment: FeffTreatment
    vacancies: float
    atoms: int
    seed: int


def read_plan(path: str | Path) -> LibrarySettings:
    """Read a plan from a TOML file.

    Raises
    ------
    SettingsError
        If the file is missing, is no TOML, or has an unknown key.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the plan cannot be read: {error}", where=str(path)) from error
    return plan_from_mapping(table)


def plan_from_mapping(table: dict[str, Any]) -> LibrarySettings:
    """The plan that a parsed TOML table (or the JSON in a library) describes."""
    parts = dict(table)
    parts["families"] = tuple(_Family.from_mapping(item) for item in parts.get("families", ()))
    parts["treatments"] = tuple(FeffTreatment.from_mapping(item) for item in parts.get("treatments", ()))
    parts["dynamics"] = DynamicsSettings.from_mapping(parts.get("dynamics", {}))
    parts["sites"] = SiteSettings.from_mapping(parts.get("sites", {}))
    plan = LibrarySettings.from_mapping(parts)
    if not plan.families or not plan.treatments:
        raise SettingsError("a plan needs at least one of [[families]] and one of [[treatments]]")
    return plan


def planned_states(plan: LibrarySettings) -> list[PlannedState]:
    """All states of the plan, in a shuffled order that is the same every time."""
    listed = [(number, family, member) for number, family in enumerate(plan.families) for member in range(family.count)]
    order = np.random.default_rng(plan.seed).permutation(len(listed))
    return [_draw(plan, index, *listed[int(place)]) for index, place in enumerate(order)]


def _draw(plan: LibrarySettings, index: int, number: int, family: _Family, member: int) -> PlannedState:
    """Draw one state; its random numbers depend on the plan's seed, the family and the member alone."""
    rng = np.random.default_rng([plan.seed, number, member])
    seed = int(rng.integers(1, 2**30))
    state = State(
        phase=family.phase,
        potential=family.potentials[member % len(family.potentials)],
        a=float(rng.uniform(*family.a)),
        temperature=float(rng.uniform(*family.temperature)),
        seed=seed % 900_000 + 1,
    )
    treatment = plan.treatments[int(rng.integers(len(plan.treatments)))]
    vacancies = float(rng.uniform(*family.vacancies))
    atoms = int(rng.integers(family.atoms[0], family.atoms[1] + 1))
    return PlannedState(index, family, state, treatment, vacancies, atoms, seed)
