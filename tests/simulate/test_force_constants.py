"""Force constants: of springs what the springs say, found by few displacements, kept; of chgnet, slowly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("phonopy")
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.neighborlist import neighbor_list

from exafsnn.errors import SettingsError, SimulationError
from exafsnn.simulate import force_constants
from exafsnn.simulate.cells import UnitCell
from exafsnn.simulate.force_constants import ForceConstantSettings, force_constants_of
from exafsnn.simulate.vibrations import modes_of


class Springs(Calculator):
    """Springs to nearest and next neighbours of a rocksalt crystal of lattice constant a."""

    implemented_properties = ("energy", "forces")

    def __init__(self, a: float, near: float = 5.0, far: float = 1.0) -> None:
        super().__init__()
        self.shells = ((a / 2, near), (a / np.sqrt(2), far))
        self.calls = 0

    def calculate(self, atoms=None, properties=("forces",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.calls += 1
        i, r, vector = neighbor_list("idD", self.atoms, 1.2 * self.shells[1][0])
        near = r < 0.5 * (self.shells[0][0] + self.shells[1][0])
        rest = np.where(near, self.shells[0][0], self.shells[1][0])
        stiffness = np.where(near, self.shells[0][1], self.shells[1][1])
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, (stiffness * (r - rest) / r)[:, None] * vector)
        self.results = {"forces": forces, "energy": 0.25 * float((stiffness * (r - rest) ** 2).sum())}


A = 4.178
CELL = UnitCell.named(f"rocksalt:{A}", "NiO").atoms
QUICK = ForceConstantSettings(min_length=8.0, displacement=0.01)
TINY = ForceConstantSettings(min_length=4.0, displacement=0.01)


def test_springs_come_out_as_they_are() -> None:
    solid = force_constants_of(CELL, QUICK, Springs(A))
    i, j, r, vector = neighbor_list("ijdD", solid.atoms, 3.2)
    along = vector / r[:, None]
    found = -np.einsum("px,pxy,py->p", along, solid.force_constants[i, j], along)
    assert np.allclose(found, np.where(r < 2.5, 5.0, 1.0), atol=0.02)
    assert np.abs(solid.force_constants.sum(axis=1)).max() < 1e-9  # a shift of all costs nothing
    assert modes_of(solid).quanta.min() > 0


def test_symmetry_leaves_few_displacements_to_compute() -> None:
    """Two atoms that differ, both on sites of full symmetry: one displacement each, whatever cell they come in."""
    primitive = Atoms("NiO", scaled_positions=[[0, 0, 0], [0.5] * 3], pbc=True,
                      cell=[[0, A / 2, A / 2], [A / 2, 0, A / 2], [A / 2, A / 2, 0]])  # fmt: skip
    for cell in (CELL, primitive):
        solid = force_constants_of(cell, QUICK, Springs(A))
        assert solid.provenance["displacements"] == 2
        assert solid.atoms.cell.orthorhombic
        assert solid.provenance["relaxed"] == 0


def test_only_what_symmetry_leaves_free_is_relaxed() -> None:
    """Noise of the coordinates goes; the lattice stays, although the springs would have it shorter."""
    rough = CELL.copy()
    rough.rattle(1e-3, seed=1)
    solid = force_constants_of(rough, QUICK, Springs(0.99 * A))
    assert solid.atoms.cell.lengths() == pytest.approx([2 * A] * 3)
    assert solid.atoms.get_volume() / len(solid.atoms) == pytest.approx(A**3 / 8)
    assert solid.provenance["displacements"] == 2


def test_force_constants_are_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path))
    monkeypatch.setattr(force_constants, "_version_of", lambda package: "1")
    calculator = Springs(A)
    monkeypatch.setattr(force_constants, "_chgnet", lambda weights: calculator)
    first = force_constants_of(CELL, TINY)
    calls = calculator.calls
    again = force_constants_of(CELL, TINY)
    assert calculator.calls == calls
    assert np.array_equal(first.force_constants, again.force_constants)
    assert again.atoms == first.atoms
    (path,) = tmp_path.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:-100])
    assert np.allclose(force_constants_of(CELL, TINY).force_constants, first.force_constants)
    assert calculator.calls > calls
    force_constants_of(CELL, ForceConstantSettings(min_length=4.0, displacement=0.02))
    assert len(list(tmp_path.rglob("*.npz"))) == 2


def missing(package: str) -> str:
    raise force_constants.PackageNotFoundError(package)


def test_what_is_missing_or_wrong_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match=r"unknown weights 'best'.*r2scan or 0\.3\.0"):
        force_constants_of(CELL, ForceConstantSettings(weights="best"))
    monkeypatch.setattr(
        force_constants, "version", lambda name: (_ for _ in ()).throw(force_constants.PackageNotFoundError)
    )
    with pytest.raises(SimulationError, match=r"is not installed.*exafsnn\[compounds\]"):
        force_constants_of(CELL)


@pytest.mark.slow
def test_zinc_selenide_moves_as_it_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """σ² of Zn–Se at 300 K is about 0.006 Å² by EXAFS; both sets of weights are too soft, by 1.3 and 2."""
    pytest.importorskip("chgnet")
    monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path))
    cell = UnitCell.named("zincblende:5.6687", "ZnSe").atoms
    expected = {"r2scan": (0.0130, 0.0400), "0.3.0": (0.0074, 0.0202)}
    for weights, widths in expected.items():
        solid = force_constants_of(cell, ForceConstantSettings(weights=weights))
        i, j, r, vector = neighbor_list("ijdD", solid.atoms, 4.2)
        zinc = solid.atoms.numbers == 30
        modes = modes_of(solid)
        for chosen, width in zip((r < 3, (r > 3) & zinc[i] & zinc[j]), widths, strict=True):
            pairs = np.column_stack([i, j])[chosen]
            along = (vector / r[:, None])[chosen]
            assert modes.pair_variance(pairs, along, 300.0).mean() == pytest.approx(width, rel=0.05)
