"""What a site library is to hold: a TOML file → families of states → the list of states.

Read by ``library.py``; the plan of a shipped model lies beside the model.
"""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from exafsnn.compounds import Compound, Material
from exafsnn.errors import SettingsError
from exafsnn.metals import METALS, Metal, metal_of
from exafsnn.physics.feff import FeffTreatment
from exafsnn.records import CRYSTALS
from exafsnn.settings import Settings
from exafsnn.simulate.bimetals import BimetalStates, bimetal_of, ordered_of, shares_of, states_of_both
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.force_constants import WEIGHTS
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.metal_states import MetalStates
from exafsnn.simulate.own_frames import OwnFrames
from exafsnn.simulate.potentials import IRON_LATTICE
from exafsnn.simulate.sites import SiteSettings
from exafsnn.simulate.solids import Solid, states_of
from exafsnn.simulate.states import State, States

KINDS: Mapping[str, type[MetalStates | Solid | OwnFrames | BimetalStates]] = {
    "families": MetalStates, "solids": Solid, "frames": OwnFrames, "bimetals": BimetalStates
}  # fmt: skip
"""Tables of a plan that are states, and what each is: a new one comes last, or others would be drawn otherwise."""


@dataclass(frozen=True)
class LibrarySettings(Settings):
    """The whole plan of a library."""

    element: str = "Fe"
    edge: str = "K"
    seed: int = 1
    families: tuple[MetalStates, ...] = ()
    """States of metals."""
    treatments: tuple[FeffTreatment, ...] = ()
    dynamics: DynamicsSettings = field(default_factory=DynamicsSettings)
    sites: SiteSettings = field(default_factory=SiteSettings)
    known: Material | None = None
    """What is known of the element, where the table of metals does not have it or has it otherwise."""
    solids: tuple[Solid, ...] = ()
    """States of compounds."""
    frames: tuple[OwnFrames, ...] = ()
    """States of a user's trajectories."""
    bimetals: tuple[BimetalStates, ...] = ()
    """States of two metals together."""

    @property
    def kinds(self) -> tuple[States, ...]:
        """All tables of states."""
        return tuple(item for kind in KINDS for item in getattr(self, kind))

    @property
    def at_rest(self) -> dict[str, Trajectory]:
        """The structures of which potentials are made, by name."""
        first = {family.theory(self.material): family for family in reversed(self.kinds)}
        return {name: family.at_rest(self.material) for name, family in first.items()}

    @property
    def states(self) -> int:
        """How many there are."""
        return sum(item.count for item in self.kinds)

    @property
    def material(self) -> Material:
        """What is known of the absorber and its neighbours.

        Raises
        ------
        SettingsError
            If nothing is.
        """
        return self.known or metal_of(self.element, self.edge)

    @property
    def metal(self) -> Metal:
        """What is known of the element as a metal.

        Raises
        ------
        SettingsError
            If nothing is.
        """
        return self.known if isinstance(self.known, Metal) else metal_of(self.element, self.edge)

    @property
    def length_scale(self) -> float:
        """Length in the metal over that in the dynamics, whose unit is the bond of iron (``simulate.potentials``)."""
        return self.material.length_scale

    @property
    def own_sites(self) -> SiteSettings:
        """``sites``, whose lengths are given for iron, in the metal's."""
        return self.sites.scaled(self.length_scale)

    @property
    def temperature_scale(self) -> float:
        """Temperature at which the metal's atoms move as far, in units of their bond, over that of the dynamics."""
        return self.metal.temperature_scale


@dataclass(frozen=True)
class PlannedState:
    """One state of the plan, with all that its random numbers decide."""

    index: int
    family: States
    state: State
    treatment: FeffTreatment
    seed: int


_KEEPING: Mapping[str, tuple[str, ...]] = {
    "bcc": ("Fe_2003", "V", "Fe_2004", "W", "Ta"),
    "fcc": ("Cu", "Ni", "Pd", "Pt", "Ag", "Au", "Cu_2001", "Ni_2013", "Al", "Co"),
    "hcp": ("Co", "Cu", "Zr", "Ni", "Mg", "Pt"),
    "liquid": ("Fe_2003", "Cu", "Ni"),
}
"""Potentials that keep each phase, and take 1 or 2 s a state."""
_STRAINS: Mapping[str, tuple[float, float]] = {"": (0.985, 1.045), "cold": (0.99, 1.02), "hot": (1.0, 1.055)}
_HEAT: Mapping[str, tuple[float, float]] = {"": (60.0, 1800.0), "cold": (60.0, 600.0), "hot": (900.0, 2300.0)}
"""Lattice constants over those at 0 K and temperatures of iron's scale [K], of all, of cold and of hot crystals."""
_OWN_CRYSTALS, _HOT_CRYSTALS = {"": 70, "cold": 50, "hot": 30}, {"": 60, "cold": 25, "hot": 40}
_OTHER_CRYSTALS, _MELTS, _HOLES, _PARTICLES, _CLUSTERS = {"": 22, "cold": 9}, 12, 14, 32, 16
"""States of a library of usual size: of a metal's own crystal, of that which it turns into when hot, of the others …"""
_HOT_SHARE = 0.5
"""… and of holes, particles and clusters of the second, in units of those of the first."""
_ATOMS, _FEW_ATOMS = (20, 600), (20, 80)
"""Of particles, and of clusters, which keep no crystal and seem molten."""

QUICK, FULL = 0.5, 1.0
"""Sizes of libraries, in units of the usual one."""


def plan_for(metal: Metal, seed: int, size: float = 1.0) -> LibrarySettings:
    """The states that a model of a metal learns from: mostly its own crystals, as cold and hot as they may be.

    Parameters
    ----------
    metal
        Its element, edge and phase.
    seed
        Of all that is drawn: of two seeds no state is the same.
    size
        How many states, in units of the usual 270, or 390 of a metal that turns into another crystal when hot.
    """

    def states(name: str, phase: str, count: int, kind: str = "", **lacking: Any) -> MetalStates:
        low, high = (round(strain * IRON_LATTICE[phase], 3) for strain in _STRAINS[kind])
        return MetalStates(
            name, phase, max(round(size * count), 2), _KEEPING[phase], (low, high), _HEAT[kind], **lacking
        )

    families = []
    for phase in CRYSTALS:
        counts = {metal.hot: _HOT_CRYSTALS, metal.phase: _OWN_CRYSTALS}.get(phase, _OTHER_CRYSTALS)
        families += [states(f"{kind} {phase}".strip(), phase, count, kind) for kind, count in counts.items()]
    melt = states("melt", "liquid", _MELTS, "hot")
    families.append(replace(melt, a=(2.88, 3.02), temperature=(1700.0, 2600.0)))
    shares = {metal.phase: 1.0} | ({metal.hot: _HOT_SHARE} if metal.hot else {})
    for phase, share in shares.items():
        holes, particles, clusters = (round(share * count) for count in (_HOLES, _PARTICLES, _CLUSTERS))
        families.append(states(f"{phase} with vacancies", phase, holes, "cold", vacancies=(0.02, 0.13)))
        families.append(states(f"{phase} particles", phase, particles, "cold", atoms=_ATOMS))
        families.append(states(f"{phase} clusters", phase, clusters, "cold", atoms=_FEW_ATOMS))
    treatments = _treatments(metal.edge)
    sites = SiteSettings(sites=10, control_sites=40, three_atom_paths=50)
    known = None if METALS.get(metal.symbol) == metal else metal
    return LibrarySettings(metal.symbol, metal.edge, seed, tuple(families), treatments, sites=sites, known=known)


_FRAMES = 12
_SITES = {"sites": 8, "control_sites": 192}
"""Of a state of a compound."""
_SOLID_STATES: Mapping[str, tuple[int, Mapping[str, tuple[float, float]]]] = {
    "cold": (60, {"temperature": (30.0, 250.0)}),
    "hot": (60, {"temperature": (200.0, 900.0), "strain": (0.99, 1.04)}),
    "strained": (24, {"static": (0.001, 0.008)}),
    "with vacancies": (24, {"vacancies": (0.02, 0.2)}),
    "with antisites": (30, {"exchanged": (0.03, 0.5), "static": (0.0, 0.004)}),
}
"""States of a compound's library of usual size, and what is drawn of them."""


def plan_of_compound(
    compound: Compound,
    cells: Mapping[str, Atoms],
    seed: int,
    size: float = 1.0,
    weights: Mapping[str, tuple[str, ...]] | None = None,
) -> LibrarySettings:
    """The states that a model of a compound learns from: its crystals, cold and hot, strained, lacking, misplaced.

    Parameters
    ----------
    compound, cells
        Its absorber, and the unit cells that it is in, by what they are called.
    seed
        Of all that is drawn.
    size
        How many states, in units of the usual 198 of a crystal (168 where there are no antisites); of n crystals √n
        times as many, for they teach alike.
    weights
        What holds crystals together, where it is not the usual (``solids.Solid``).
    """
    held, size = weights or {}, size / math.sqrt(len(cells))
    solids = tuple(
        states_of(f"{phase} {name}", cell, max(round(size * count), 2), phase, held.get(phase, WEIGHTS), **ranges)
        for phase, cell in cells.items()
        for name, (count, ranges) in _SOLID_STATES.items()
        if "exchanged" not in ranges or len(set(cell.symbols)) > 1
    )
    treatments = _treatments(compound.edge)
    sites = SiteSettings(**_SITES, reach=6.5, fade=1.0, rows=7.5)
    dynamics = DynamicsSettings(frames=_FRAMES)
    return LibrarySettings(
        compound.symbol, compound.edge, seed, (), treatments, dynamics, sites, known=compound, solids=solids
    )


STATES_OF_FRAMES = 198
"""Blocks of a user's frames that a library of usual size has."""


def plan_of_frames(compound: Compound, frames: tuple[OwnFrames, ...], seed: int) -> LibrarySettings:
    """The plan of states that are blocks of a user's frames."""
    sites = SiteSettings(**_SITES, reach=6.5, fade=1.0, rows=7.5)
    return LibrarySettings(
        compound.symbol, compound.edge, seed, (), _treatments(compound.edge), sites=sites, known=compound, frames=frames
    )


def plan_beside(
    metal: Metal, compound: Compound, cell: Atoms, phase: str, seed: int, size: float,
    weights: tuple[str, ...] = WEIGHTS,
) -> LibrarySettings:  # fmt: skip
    """The states of an oxide that a model of its metal learns from, distances and paths reaching as far as the metal's.

    As ``plan_of_compound`` has them, but none with atoms on the sites of others: what is beside a metal is its oxide.
    (Paths that are lacking beyond 5.5 Å are not for nothing: rows of atoms focus as in NiO, where the peak of nickel at
    5.9 Å is as large as that at 3 Å is in others, and networks took what they did not know for nickel at 2.5 Å.)
    """
    plan, metals = (
        plan_of_compound(compound, {phase: cell}, seed, size, {phase: weights}),
        SiteSettings().scaled(metal.length_scale),
    )
    far = round(max(plan.sites.far, metals.far) + 0.01, 2)
    sites = replace(metals, **_SITES, far=far)
    return replace(plan, sites=sites, solids=tuple(solid for solid in plan.solids if not solid.exchanged[1]))


_ALLOY_STATES: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "cold alloys": (160, {"temperature": (30.0, 250.0)}),
    "hot alloys": (120, {"temperature": (200.0, 900.0), "strain": (0.99, 1.035)}),
    "alloys with short-range order": (96, {"seeking": (-1.0, 1.0)}),
    "alloys with vacancies": (40, {"vacancies": (0.02, 0.15)}),
    "alloys side by side": (56, {"order": "side", "exchanged": (0.0, 0.3)}),
}
"""States of a library of usual size of two metals, and what is drawn of them: bulk, …"""
_TOGETHER: Mapping[str, tuple[int, Mapping[str, Any]]] = {
    "particles": (216, {"static": (0.0, 0.003)}),
    "particles with short-range order": (104, {"seeking": (-1.0, 1.0)}),
    "core and shell": (192, {"order": "core", "exchanged": (0.0, 0.4)}),
    "particles side by side": (80, {"order": "side", "exchanged": (0.0, 0.4)}),
}
"""… and particles; surfaces make these denser."""
_ORDERED_STATES, _ORDERED_PARTICLES = 72, 36
"""Of all ordered crystals together, with atoms that are misplaced."""
_ALLOY_SITES, _TRIED_SITES = {"sites": 2, "control_sites": 62}, {"sites": 4, "control_sites": 124}
"""Of one of them, and of one that errors are measured on: networks that learned from 151 states, of 16 sites each,
erred by 0.5 atoms on these and by 0.9 on others, so that states are scarcer than sites."""
_PARTICLE = {"strain": (0.97, 1.015)}
_SIZES = (20, 600)
_HELD_SHARES = ((0.10, 0.14), (0.30, 0.38), (0.62, 0.70), (0.86, 0.90))
_HELD_SIZES = ((40, 60), (110, 160), (300, 400))
"""Compositions and sizes that no library to learn from has, and that those to be tried on have alone."""


def plan_of_alloy(
    elements: tuple[str, str], absorber: str, edge: str, seed: int, size: float = 1.0, *, held_out: bool = False
) -> LibrarySettings:
    """The states that a model of two metals learns from; those of both absorbers are the same.

    Parameters
    ----------
    elements
        The metals; the first is what there is more of in what their potentials are made of.
    absorber, edge
        Whose neighbours they are.
    seed
        Of all that is drawn.
    size
        How many states, in units of the usual 1172.
    held_out
        Whether its compositions and sizes are those that the others leave out; ordered crystals have theirs in both.

    Raises
    ------
    SettingsError
        If nothing is known of one of them, or they scatter alike.
    """
    compound = bimetal_of(elements, absorber, edge)
    shares = _ranges(shares_of(elements), _HELD_SHARES, within=held_out)
    atoms = tuple((round(low), round(high)) for low, high in _ranges(_SIZES, _HELD_SIZES, within=held_out))

    def states(name: str, count: float, **ranges: Any) -> BimetalStates:
        return states_of_both(name, elements, max(round(size * count), 1), **ranges)

    bulk = [states(name, count, shares=shares, **ranges) for name, (count, ranges) in _ALLOY_STATES.items()]
    particles = [
        states(name, count, shares=shares, atoms=atoms, **_PARTICLE, **ranges)
        for name, (count, ranges) in _TOGETHER.items()
    ]
    crystals = ordered_of(elements)
    ordered = [
        states(f"{crystal} {name}", count / len(crystals), order=crystal, exchanged=(0.0, 0.4), **ranges)
        for crystal in crystals
        for name, count, ranges in (
            ("ordered", _ORDERED_STATES, {}), ("particles", _ORDERED_PARTICLES, {"atoms": atoms, **_PARTICLE})
        )
    ]  # fmt: skip
    sites = SiteSettings(**(_TRIED_SITES if held_out else _ALLOY_SITES), reach=6.6, fade=0.9)
    return LibrarySettings(
        compound.symbol, edge, seed, (), _treatments(edge), DynamicsSettings(frames=_FRAMES), sites, known=compound,
        bimetals=(*bulk, *particles, *ordered),
    )  # fmt: skip


def _ranges(
    whole: tuple[float, float], held: Sequence[tuple[float, float]], *, within: bool
) -> tuple[tuple[float, float], ...]:
    """The parts of a range that are in some others, or between them."""
    low, high = whole
    inside = [(start, end) for start, end in held if low < start and end < high]
    if within:
        return tuple(inside)
    ends = [low, *(place for part in inside for place in part), high]
    return tuple(zip(ends[::2], ends[1::2], strict=True))


def _treatments(edge: str) -> tuple[FeffTreatment, ...]:
    """Of L edges only those of exchange 5, which are nearer to foils."""
    nearer = (
        FeffTreatment("scf-nl", exchange=5, scf_radius=4.0),
        FeffTreatment("atoms-nl", exchange=5, scf_radius=0.0, overlap=1.05),
    )
    further = (
        FeffTreatment("scf-hl", exchange=0, scf_radius=4.0), FeffTreatment("atoms-hl", exchange=0, scf_radius=0.0)
    )  # fmt: skip
    return (*further, *nearer) if edge == "K" else nearer


_PROGRAM = FeffTreatment().program
"""FEFF that libraries are made by."""


def read_plan(path: str | Path) -> LibrarySettings:
    """Read a plan from a TOML file.

    Raises
    ------
    SettingsError
        If the file is missing, is no TOML, has an unknown key, or a treatment that no state can be made with.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the plan cannot be read: {error}", where=str(path)) from error
    plan = plan_from_mapping(table)
    for treatment in plan.treatments:
        if treatment.program != _PROGRAM:
            raise SettingsError(
                f"it has program {treatment.program}, but scattering tables are made of phase.pad, which FEFF6L's"
                " potentials do not hold",
                where=f"{path}, treatment {treatment.name}",
                remedy=f"Use program {_PROGRAM}",
            )
    return plan


def plan_from_mapping(table: dict[str, Any]) -> LibrarySettings:
    """The plan that a parsed TOML table (or the JSON in a library) describes."""
    parts = dict(table)
    for name, kind in KINDS.items():
        parts[name] = tuple(kind.from_mapping(item) for item in parts.get(name, ()))
    parts["treatments"] = tuple(FeffTreatment.from_mapping(item) for item in parts.get("treatments", ()))
    parts["dynamics"] = DynamicsSettings.from_mapping(parts.get("dynamics", {}))
    sites = dict(parts.get("sites", {}))
    sites.pop("near", None)  # of plans before control sites had rows of atoms
    parts["sites"] = SiteSettings.from_mapping(sites)
    if known := parts.get("known"):
        parts["known"] = (Metal if "phase" in known else Compound).from_mapping(known)
    plan = LibrarySettings.from_mapping(parts)
    if not plan.kinds or not plan.treatments:
        kinds = " or ".join(f"[[{name}]]" for name in KINDS)
        raise SettingsError(f"a plan needs at least one of {kinds}, and one of [[treatments]]")
    return plan


def plan_text(plan: LibrarySettings) -> str:
    """The TOML text of a plan, which ``read_plan`` reads."""
    lines = [f"{name} = {_toml(getattr(plan, name))}" for name in ("element", "edge", "seed")]
    for name in ("known", "dynamics", "sites"):
        lines += ["", f"[{name}]", *_items(item)] if (item := getattr(plan, name)) else []
    for name in ("treatments", *KINDS):
        for item in getattr(plan, name):
            lines += ["", f"[[{name}]]", *_items(item)]
    return "\n".join(lines) + "\n"


def _items(settings: Settings) -> list[str]:
    return [f"{name} = {_toml(value)}" for name, value in settings.to_mapping().items() if value is not None]


def _toml(value: Any) -> str:
    """A number, text or list of them, as TOML has it: as JSON has it."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def planned_states(plan: LibrarySettings) -> list[PlannedState]:
    """All states of the plan, in a shuffled order that is the same every time."""
    listed = [(number, family, member) for number, family in enumerate(plan.kinds) for member in range(family.count)]
    order = np.random.default_rng(plan.seed).permutation(len(listed))
    return [_draw(plan, index, *listed[int(place)]) for index, place in enumerate(order)]


def _draw(plan: LibrarySettings, index: int, number: int, family: States, member: int) -> PlannedState:
    """Draw one state; its random numbers depend on the plan's seed, the family and the member alone."""
    rng = np.random.default_rng([plan.seed, number, member])
    seed = int(rng.integers(1, 2**30))
    state, treatment = family.draw(member, seed, plan.treatments, rng)
    return PlannedState(index, family, state, treatment, seed)
