"""Crystals → force constants, by small displacements (phonopy) and a force field (chgnet, or any of ASE's).

The only file that knows phonopy and chgnet, which come with the extra ``compounds``. The lattice stays the measured
one; atoms move only where the symmetry leaves them free to. What was computed is kept in the user's cache (``cache``).
phonopy: Togo, Chaput, Tadano & Tanaka, J. Phys.: Condens. Matter 35, 353001 (2023); chgnet: Deng et al., Nat. Mach.
Intell. 5, 1031 (2023).
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.optimize import BFGS

from exafsnn.errors import SettingsError, SimulationError
from exafsnn.records import Array
from exafsnn.settings import Settings
from exafsnn.simulate.cache import kept
from exafsnn.simulate.cells import require_sound
from exafsnn.simulate.vibrations import HarmonicSolid

_VERSION = 1
"""Changes whenever the force constants of the same crystal do."""

WEIGHTS = ("r2scan", "0.3.0")
"""Sets of weights that chgnet's wheel ships."""

_REMEDY = 'Install them with pip install "exafsnn[compounds]"'
_Progress = Callable[[Iterable[Atoms]], Iterable[Atoms]]


@dataclass(frozen=True)
class ForceConstantSettings(Settings):
    """How force constants are found."""

    weights: str = "r2scan"
    """Of chgnet: ``"r2scan"`` or ``"0.3.0"``; σ² differ by up to two between them."""
    min_length: float = 9.5
    """The box is nowhere thinner [Å]: forces reach no farther than half of it."""
    displacement: float = 0.03
    """By which atoms are displaced [Å]; the forces are of single precision."""
    symmetry: float = 0.01
    """Atoms that miss a symmetry by less [Å] are put onto it."""
    force: float = 2e-3
    """The free coordinates are relaxed until no force is larger [eV Å⁻¹]."""
    steps: int = 300
    """In so many steps at most."""


def force_constants_of(
    cell: Atoms,
    settings: ForceConstantSettings | None = None,
    calculator: Calculator | None = None,
    progress: _Progress = iter,
) -> HarmonicSolid:
    """Force constants of an ordered crystal.

    Parameters
    ----------
    cell
        Its unit cell, of any shape.
    settings
        Box, displacements, weights.
    calculator
        Forces of another kind, ASE's; None: chgnet, and what it gives is kept in the user's cache.
    progress
        Shown the displaced boxes as they are computed.

    Raises
    ------
    SettingsError
        If the cell is none, or the weights are not known.
    SimulationError
        If phonopy or chgnet is missing, or the atoms do not come to rest.
    """
    settings = settings or ForceConstantSettings()
    require_sound(cell)
    if calculator is not None:
        return _computed(cell, calculator, settings, progress)
    if settings.weights not in WEIGHTS:
        raise SettingsError(
            f"unknown weights {settings.weights!r}", where="weights", remedy=f"Use {' or '.join(WEIGHTS)}"
        )
    told = {
        "version": _VERSION,
        "settings": settings.to_mapping(),
        "programs": {name: _version_of(name) for name in ("phonopy", "chgnet")},
        "cell": np.array(cell.cell).round(6).tolist(),
        "positions": cell.positions.round(6).tolist(),
        "numbers": cell.numbers.tolist(),
    }

    def made() -> tuple[dict[str, Any], dict[str, Array]]:
        return parts_of(_computed(cell, _chgnet(settings.weights), settings, progress))

    return kept("force_constants", told, made, solid_of_parts)


def require_force_field() -> None:
    """See that phonopy and chgnet are there, before anything is computed for them.

    Raises
    ------
    SimulationError
        If one is not installed.
    """
    for package in ("phonopy", "chgnet"):
        _version_of(package)


def has_force_field() -> bool:
    """Whether they are there."""
    try:
        require_force_field()
    except SimulationError:
        return False
    return True


def _version_of(package: str) -> str:
    """Version of an installed package."""
    try:
        return version(package)
    except PackageNotFoundError as error:
        raise SimulationError(f"{package} is not installed", remedy=_REMEDY) from error


def _chgnet(weights: str) -> Calculator:
    """Load the force field."""
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it says hello whatever verbose is
            warnings.simplefilter("ignore")  # of the packages that it is built on
            from chgnet.model.dynamics import CHGNetCalculator
            from chgnet.model.model import CHGNet

            model = CHGNet.load(model_name=weights, use_device="cpu", verbose=False)
            return CHGNetCalculator(model=model, use_device="cpu")
    except ImportError as error:
        raise SimulationError(f"chgnet cannot be loaded: {error}", remedy=_REMEDY) from error


def _computed(
    cell: Atoms, calculator: Calculator, settings: ForceConstantSettings, progress: _Progress
) -> HarmonicSolid:
    """Relax, displace, and put the forces together."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the force field and of what reads symmetry
        relaxed, moved = _relaxed(cell, calculator, settings)
        box, constants, number = _displaced(relaxed, calculator, settings, progress)
    provenance = {
        "forces": type(calculator).__name__,
        "settings": settings.to_mapping(),
        "relaxed": moved,
        "displacements": number,
    }
    return HarmonicSolid(box, constants, provenance)


def parts_of(solid: HarmonicSolid) -> tuple[dict[str, Any], dict[str, Array]]:
    """Label and arrays, as a solid is kept."""
    label = {"symbols": solid.atoms.get_chemical_symbols(), "provenance": dict(solid.provenance)}
    arrays = {"cell": np.array(solid.atoms.cell), "positions": solid.atoms.positions}
    return label, {**arrays, "force_constants": solid.force_constants}


def solid_of_parts(label: Mapping[str, Any], arrays: Mapping[str, Array]) -> HarmonicSolid:
    """The solid of a label and arrays."""
    atoms = Atoms(label["symbols"], positions=arrays["positions"], cell=arrays["cell"], pbc=True)
    return HarmonicSolid(atoms, arrays["force_constants"], label["provenance"])


def _relaxed(cell: Atoms, calculator: Calculator, settings: ForceConstantSettings) -> tuple[Atoms, float]:
    """The crystal on its symmetry, its free coordinates relaxed; and how far an atom moved at most [Å]."""
    atoms = _conventional(cell, settings.symmetry)
    atoms.set_constraint(FixSymmetry(atoms, symprec=settings.symmetry, adjust_cell=False))
    before = atoms.positions.copy()
    atoms.calc = calculator
    search = BFGS(atoms, logfile=None)
    if not search.run(fmax=settings.force, steps=settings.steps):
        raise SimulationError(
            f"the atoms do not come to rest within {settings.steps} steps",
            where=cell.get_chemical_formula(),
            remedy="Check the structure, take other weights, or raise steps",
        )
    moved = float(np.linalg.norm(atoms.positions - before, axis=1).max())
    edges = np.array(atoms.cell)
    edges[np.abs(edges) < 1e-9] = 0.0  # rounding of the symmetrisation
    return Atoms(atoms.symbols, positions=atoms.positions, cell=edges, pbc=True), moved


def _conventional(cell: Atoms, tolerance: float) -> Atoms:
    """The conventional cell, on its symmetry: a box of such cells has it, too, and takes few displacements."""
    try:
        import spglib  # comes with phonopy
    except ImportError as error:
        raise SimulationError(f"spglib cannot be loaded: {error}", remedy=_REMEDY) from error
    described = (cell.cell.tolist(), cell.get_scaled_positions().tolist(), cell.numbers.tolist())
    found = spglib.standardize_cell(described, symprec=tolerance)
    if found is None:
        reason = "no symmetry is found in the structure"
        raise SimulationError(reason, where=cell.get_chemical_formula(), remedy="Check for atoms in one place")
    edges, points, numbers = found
    return Atoms(numbers, scaled_positions=points, cell=edges, pbc=True)


def _displaced(
    cell: Atoms, calculator: Calculator, settings: ForceConstantSettings, progress: _Progress
) -> tuple[Atoms, Array, int]:
    """The box, its (n, n, 3, 3) force constants, and the number of displacements that they took."""
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise SimulationError(f"phonopy cannot be loaded: {error}", remedy=_REMEDY) from error
    unit = PhonopyAtoms(symbols=cell.get_chemical_symbols(), cell=np.array(cell.cell), positions=cell.positions)
    heights = 1 / np.linalg.norm(np.linalg.inv(np.array(cell.cell)), axis=0)
    repeats = np.ceil(settings.min_length / heights - 1e-9).astype(int)
    phonons = Phonopy(unit, supercell_matrix=np.diag(repeats), symprec=1e-4)
    phonons.generate_displacements(distance=settings.displacement)
    boxes = [_as_ase(box) for box in phonons.supercells_with_displacements or ()]
    phonons.forces = np.array([calculator.get_forces(box) for box in progress(boxes)], dtype=float)
    phonons.produce_force_constants(show_drift=False)
    phonons.symmetrize_force_constants(show_drift=False)
    return _as_ase(phonons.supercell), np.asarray(phonons.force_constants, dtype=float), len(boxes)


def _as_ase(box: Any) -> Atoms:
    """Atoms of phonopy's."""
    return Atoms(box.symbols, positions=box.positions, cell=box.cell, pbc=True)
