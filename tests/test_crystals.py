"""Named crystals against the International Tables (ASE's operations), and against the shells that books give."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.crystals import PROTOTYPES, crystal_named, parts_of
from exafsnn.errors import SettingsError

GROUPS = {
    "diamond": (227, "diamond:3.567", [(0, 0, 0)]),
    "rocksalt": (225, "rocksalt:4.178", [(0, 0, 0), (1 / 2, 1 / 2, 1 / 2)]),
    "zincblende": (216, "zincblende:5.6687", [(0, 0, 0), (1 / 4, 1 / 4, 1 / 4)]),
    "wurtzite": (186, "wurtzite:3.25,5.207,0.382", [(1 / 3, 2 / 3, 0), (1 / 3, 2 / 3, 0.382)]),
    "nickeline": (194, "nickeline:3.6,5.0", [(0, 0, 0), (1 / 3, 2 / 3, 1 / 4)]),
    "cooperite": (131, "cooperite:3.043,5.336", [(0, 1 / 2, 0), (0, 0, 1 / 4)]),
    "cscl": (221, "cscl:4.12", [(0, 0, 0), (1 / 2, 1 / 2, 1 / 2)]),
    "fluorite": (225, "fluorite:5.463", [(0, 0, 0), (1 / 4, 1 / 4, 1 / 4)]),
    "antifluorite": (225, "antifluorite:4.62", [(1 / 4, 1 / 4, 1 / 4), (0, 0, 0)]),
    "cuprite": (224, "cuprite:4.2696", [(0, 0, 0), (1 / 4, 1 / 4, 1 / 4)]),
    "rutile": (136, "rutile:4.594,2.959", [(0, 0, 0), (0.305, 0.305, 0)]),
    "anatase": (141, "anatase:3.785,9.514", [(0, 0, 0), (0, 0, 0.208)]),
    "corundum": (167, "corundum:5.035,13.747", [(0, 0, 0.353), (0.306, 0, 1 / 4)]),
    "spinel": (227, "spinel:8.394,0.2549", [(1 / 8, 1 / 8, 1 / 8), (1 / 2, 1 / 2, 1 / 2), (0.2549, 0.2549, 0.2549)]),
    "perovskite": (221, "perovskite:3.905", [(1 / 2, 1 / 2, 1 / 2), (0, 0, 0), (1 / 2, 0, 0)]),
    "cdi2": (164, "cdi2:4.24,6.84", [(0, 0, 0), (1 / 3, 2 / 3, 1 / 4)]),
    "layered": (166, "layered:2.878,14.19", [(0, 0, 1 / 2), (0, 0, 0), (0, 0, 0.259)]),
    "l1_2": (221, "l1_2:3.75", [(0, 1 / 2, 1 / 2), (0, 0, 0)]),
}
"""Space group and first site of each element, written down apart from the code."""

SECOND_ORIGIN = {"cuprite", "spinel"}
"""Given with the origin at a centre of symmetry."""


def distances(text: str, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(atom, number of the other's element, distance) of all pairs within reach; atom by its own number."""
    crystal = crystal_named(text)
    shift = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = (crystal.sites[None] + shift[:, None]).reshape(-1, 3) @ crystal.vectors
    apart = np.linalg.norm((crystal.sites @ crystal.vectors)[:, None] - images[None], axis=2)
    atom, image = np.nonzero((apart > 0.1) & (apart < reach))
    return atom, np.tile(crystal.numbers, len(shift))[image], apart[atom, image]


@pytest.mark.parametrize("kind", GROUPS)
def test_sites_are_those_of_the_space_group(kind: str) -> None:
    """As a set, up to a shift of the origin: both crystals have the same distances between the same elements."""
    spacegroup = pytest.importorskip("ase.spacegroup")
    number, text, first = GROUPS[kind]
    crystal = crystal_named(text)
    group = spacegroup.Spacegroup(number, 2 if kind in SECOND_ORIGIN else 1)
    sites, kinds = group.equivalent_sites(first, onduplicates="error", symprec=1e-4)
    assert np.bincount(kinds).tolist() == np.bincount(crystal.numbers).tolist()

    def fingerprint(points: np.ndarray, numbers: np.ndarray) -> list[tuple[float, ...]]:
        apart = (points[:, None] - points[None]) % 1.0
        apart = np.minimum(apart, 1 - apart) @ np.abs(crystal.vectors)
        apart = np.linalg.norm(apart, axis=2).round(4)
        return sorted((float(n), *np.sort(row)) for n, row in zip(numbers, apart, strict=True))

    own, theirs = fingerprint(crystal.sites, crystal.numbers), fingerprint(sites, np.array(kinds))
    assert np.allclose(own, theirs, atol=1e-3)


SHELLS = [
    ("zincblende:5.6687", 0, [(1, 4, 2.4546), (0, 12, 4.0084), (1, 12, 4.7001)]),
    ("rocksalt:4.178", 0, [(1, 6, 2.0890), (0, 12, 2.9543), (1, 8, 3.6183)]),
    ("fluorite:5.463", 0, [(1, 8, 2.3656), (0, 12, 3.8629)]),
    ("cuprite:4.2696", 0, [(1, 2, 1.8488), (0, 12, 3.0191)]),
    ("cuprite:4.2696", 1, [(0, 4, 1.8488), (1, 8, 3.6976)]),
    ("cscl:4.12", 0, [(1, 8, 3.5680), (0, 6, 4.12)]),
    ("perovskite:3.905", 1, [(2, 6, 1.9525), (0, 8, 3.3818)]),
    ("cooperite:3.043,5.336", 0, [(1, 4, 2.0238), (0, 4, 3.0430)]),
    ("l1_2:3.75", 1, [(0, 12, 2.6517), (1, 6, 3.75)]),
    ("l1_0:3.86,3.72", 0, [(1, 8, 2.6804), (0, 4, 2.7294)]),
    ("diamond:3.567", 0, [(0, 4, 1.5446), (0, 12, 2.5223)]),
    ("spinel:8.394,0.2549", 1, [(2, 6, 2.0592), (1, 6, 2.9677)]),
    ("cdi2:2.82,4.73,0.199", 0, [(1, 6, 1.8806), (0, 6, 2.82)]),
    ("layered:2.878,14.19", 1, [(2, 6, 1.9698), (1, 6, 2.878)]),
]
"""(structure, element, its shells: element, number, distance [Å])."""


@pytest.mark.parametrize(("text", "number", "shells"), SHELLS)
def test_first_shells(text: str, number: int, shells: list[tuple[int, int, float]]) -> None:
    crystal = crystal_named(text)
    atom, other, r = distances(text, 5.0)
    for element, count, distance in shells:
        near = (crystal.numbers[atom] == number) & (other == element) & (abs(r - distance) < 2e-3)
        assert np.count_nonzero(near) == count * np.count_nonzero(crystal.numbers == number)


@pytest.mark.parametrize("kind", PROTOTYPES)
def test_pairs_are_tied_by_the_composition(kind: str) -> None:
    """c_A n_AB(r) = c_B n_BA(r): as many A–B bonds seen from either side; numbers are those of the formula."""
    text = f"{kind}:" + ("4.5" if PROTOTYPES[kind].system == "cubic" else "4.5,6.5")
    crystal = crystal_named(text)
    counts = np.bincount(crystal.numbers)
    assert np.all(counts * PROTOTYPES[kind].counts[0] == counts[0] * np.array(PROTOTYPES[kind].counts))
    atom, other, r = distances(text, 4.0)
    for a in range(len(counts)):
        for b in range(a):
            one = np.sort(r[(crystal.numbers[atom] == a) & (other == b)])
            two = np.sort(r[(crystal.numbers[atom] == b) & (other == a)])
            assert np.allclose(one, two)


def test_formulas() -> None:
    assert parts_of("MgAl2O4") == (("Mg", 1), ("Al", 2), ("O", 4))
    assert crystal_named("spinel:8.39").elements("FeFe2O4").count("Fe") == 24
    with pytest.raises(SettingsError, match=r"'ZnSe2' is no formula of zincblende.*as AX"):
        crystal_named("zincblende:5.67").elements("ZnSe2")
    with pytest.raises(SettingsError, match="'znse' is no formula"):
        parts_of("znse")


def test_a_length_that_no_crystal_has_is_named() -> None:
    with pytest.raises(SettingsError, match=r"a lattice constant of 0.56687 Å. Give it in Å.* \(was it in nm"):
        crystal_named("zincblende:0.56687")
    with pytest.raises(SettingsError, match=r"a lattice constant of 56.687 Å. Give it in Å, between 1 and 30$"):
        crystal_named("zincblende:56.687")


@pytest.mark.parametrize("text", ["zincblende", "rutile:4.6", "wurtzite:3.2,5.2,1.4", "blende:5"])
def test_nonsense_is_refused_with_a_remedy(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is not understood.*zincblende:a"):
        crystal_named(text)
