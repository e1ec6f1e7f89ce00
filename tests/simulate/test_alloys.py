"""Order in alloys against the exact values of ordered crystals, and zero at random within its error."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase")
from exafsnn.errors import SettingsError
from exafsnn.simulate.alloys import segregated, vegard, warren_cowley, with_order
from exafsnn.simulate.cells import UnitCell
from exafsnn.simulate.particles import carved

RNG = np.random.default_rng
FIRST = (2.4, 3.0)


def platinum_tin(share: float, length: float = 14.0, seed: int = 1):
    cell = UnitCell.named("fcc:3.9", "Pt").alloyed({"Pt": {"Pt": 1 - share, "Sn": share}})
    return cell.built(length, RNG(seed))


@pytest.mark.parametrize(
    ("text", "formula", "shell", "alpha"),
    [
        ("l1_2:3.75", "Cu3Au", (2.4, 2.9), -1 / 3),
        ("l1_2:3.75", "Cu3Au", (3.6, 3.9), 1.0),
        ("l1_0:3.86,3.86", "PtFe", (2.4, 2.9), -1 / 3),
        ("l1_0:3.86,3.86", "PtFe", (3.7, 3.9), 1.0),
        ("cscl:2.88", "NiAl", (2.3, 2.6), -1.0),
        ("cscl:2.88", "NiAl", (2.7, 3.0), 1.0),
    ],
)
def test_ordered_crystals(text: str, formula: str, shell: tuple[float, float], alpha: float) -> None:
    atoms = UnitCell.named(text, formula).built(7.0, RNG(1))
    pair = tuple(sorted(set(atoms.get_chemical_symbols())))
    assert warren_cowley(atoms, pair, shell) == pytest.approx(alpha)
    assert warren_cowley(atoms, pair[::-1], shell) == pytest.approx(alpha)


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_a_random_alloy_has_no_order(share: float) -> None:
    """α scatters by √(2/bonds), apart from the 1/(n − 1) that an atom is no neighbour of itself."""
    found = [warren_cowley(platinum_tin(share, 12.0, seed), ("Pt", "Sn"), FIRST) for seed in range(12)]
    atoms = len(platinum_tin(share, 12.0))
    error = np.sqrt(1 / (6 * atoms))
    assert np.mean(found) == pytest.approx(-1 / (atoms - 1), abs=4 * error / np.sqrt(12))
    assert 0.4 * error < np.std(found) < 2 * error


@pytest.mark.parametrize("alpha", [-0.2, -0.05, 0.0, 0.15, 0.4])
def test_order_is_brought_in_to_the_bond(alpha: float) -> None:
    before = platinum_tin(0.25)
    after, reached = with_order(before, ("Pt", "Sn"), alpha, FIRST, RNG(2))
    assert reached == pytest.approx(alpha, abs=0.005)
    assert reached == warren_cowley(after, ("Pt", "Sn"), FIRST)
    assert sorted(after.numbers) == sorted(before.numbers)
    assert np.array_equal(after.positions, before.positions)


def test_what_cannot_be_reached_is_told() -> None:
    _, reached = with_order(platinum_tin(0.5, 10.0), ("Pt", "Sn"), -0.9, FIRST, RNG(3))
    assert -1 / 3 - 1e-9 <= reached < -0.25


def test_order_on_a_sublattice_leaves_the_other_alone() -> None:
    cell = UnitCell.named("zincblende:5.87", "ZnSe").alloyed({"Zn": {"Zn": 0.5, "Cd": 0.5}})
    before = cell.built(11.0, RNG(1))
    after, reached = with_order(before, ("Zn", "Cd"), -0.2, (3.9, 4.4), RNG(1))
    assert reached == pytest.approx(-0.2, abs=0.02)
    assert np.array_equal(before.numbers == 34, after.numbers == 34)


def test_core_and_shell() -> None:
    particle = carved(UnitCell.named("fcc:3.92", "Pt").atoms, "cuboctahedron", 3 * 3.92 / 2)
    found = segregated(particle, {"Pt": 0.4, "Pd": 0.6}, "radius", RNG(1))
    depth = np.linalg.norm(found.positions - found.positions.mean(axis=0), axis=1)
    core = np.array(found.get_chemical_symbols()) == "Pt"
    assert np.count_nonzero(core) == round(0.4 * 147)
    assert depth[core].max() <= depth[~core].min() + 1e-3
    sharp, half, mixed = (
        warren_cowley(segregated(particle, {"Pt": 0.4, "Pd": 0.6}, "radius", RNG(1), part), ("Pt", "Pd"), FIRST)
        for part in (0.0, 0.5, 1.0)
    )
    assert sharp > half > mixed
    assert abs(mixed) < 0.1
    side = segregated(particle, {"Pt": 0.5, "Pd": 0.5}, "x", RNG(1))
    left = np.array(side.get_chemical_symbols()) == "Pt"
    assert side.positions[left, 0].max() <= side.positions[~left, 0].min() + 1e-3


def test_vegard() -> None:
    lengths = {"ZnSe": 5.6687, "CdSe": 6.05}
    assert vegard({"ZnSe": 0.75, "CdSe": 0.25}, lengths) == pytest.approx(5.7640, abs=1e-4)
    with pytest.raises(SettingsError, match=r"ZnSe 0\.7, CdSe 0\.2 add up to 0\.9"):
        vegard({"ZnSe": 0.7, "CdSe": 0.2}, lengths)
    with pytest.raises(SettingsError, match="no lattice constant of CdS"):
        vegard({"ZnSe": 0.7, "CdS": 0.3}, lengths)


def test_nonsense_is_refused() -> None:
    atoms = platinum_tin(0.5, 8.0)
    with pytest.raises(SettingsError, match="there is no Au"):
        warren_cowley(atoms, ("Pt", "Au"), FIRST)
    with pytest.raises(SettingsError, match=r"no two of Pt and Sn are 1 to 2 Å apart"):
        warren_cowley(atoms, ("Pt", "Sn"), (1, 2))
    with pytest.raises(SettingsError, match="from -1 to 1, got 3"):
        with_order(atoms, ("Pt", "Sn"), 3, FIRST, RNG(1))
    with pytest.raises(SettingsError, match="along 'y'"):
        segregated(atoms, {"Pt": 1.0}, "y", RNG(1))
    with pytest.raises(SettingsError, match=r"Pt 0\.8 add up to 0\.8"):
        segregated(atoms, {"Pt": 0.8}, "x", RNG(1))
