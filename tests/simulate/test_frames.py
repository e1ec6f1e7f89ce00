"""Boxes of any shape: the same crystal in two boxes has the same spheres; counts are what crystals have."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell

from exafsnn.simulate.frames import Frame, Trajectory
from exafsnn.simulate.sites import neighbours, rdf_of


def frame_of(atoms: Atoms) -> Frame:
    first, second, third = map(bool, atoms.pbc)
    return Frame(atoms.positions, np.asarray(atoms.cell.complete()), (first, second, third), tuple(atoms.symbols))


@pytest.mark.parametrize("shape", [np.eye(3), [[2, 1, 0], [0, 3, 1], [1, 0, 2]], [[1, 4, 0], [0, 1, 0], [0, 0, 1]]])
def test_a_crystal_has_its_shells_in_any_box(shape) -> None:
    atoms = make_supercell(bulk("Cu", "fcc", a=3.6), shape)
    atoms.positions += [17.3, -40.1, 2.2]  # far outside the box: not every program wraps
    ((relative, near),) = frame_of(atoms).spheres([0], 5.2)
    r = np.linalg.norm(relative, axis=1)
    assert [np.sum(np.abs(r - 3.6 * np.sqrt(n / 2)) < 1e-9) for n in (1, 2, 3, 4)] == [12, 6, 24, 12]
    assert len(r) == len(near) == 54
    assert relative.sum(axis=0) == pytest.approx(0, abs=1e-8)


def test_a_slab_repeats_in_two_directions_only() -> None:
    atoms = bulk("Cu", "fcc", a=3.6, cubic=True).repeat((3, 3, 3))
    atoms.pbc = (True, True, False)
    top = int(np.argmax(atoms.positions[:, 2]))
    ((relative, _),) = frame_of(atoms).spheres([top], 2.7)
    assert len(relative) == 8


def test_distances_are_counted_by_kind() -> None:
    frame = frame_of(bulk("NiO", "rocksalt", a=4.18, cubic=True))
    nickel = np.flatnonzero(np.array(frame.symbols) == "Ni")
    kinds = (np.array(frame.symbols) == "O").astype(np.intp)
    counts = frame.distance_counts(np.array([1.0, 2.5, 3.2]), nickel, kinds, 2) / len(nickel)
    assert counts.tolist() == [[0, 12], [6, 0]]


def test_a_small_box_counts_an_atoms_own_images() -> None:
    counts = frame_of(bulk("Cu", "fcc", a=3.6)).distance_counts(np.array([1.0, 3.0, 4.0]))
    assert counts.tolist() == [[12, 6]]


def test_the_box_may_change_from_frame_to_frame() -> None:
    cold, hot = (bulk("Cu", "fcc", a=a, cubic=True) for a in (3.6, 3.7))
    frames, cells = np.array([cold.positions, hot.positions]), np.array([cold.cell[:], hot.cell[:]])
    both = Trajectory(frames, cells, (True,) * 3, "fcc", tuple(cold.symbols))
    for number, a in enumerate((3.6, 3.7)):
        assert np.linalg.norm(neighbours(both, number, 0, 3.0), axis=1) == pytest.approx(12 * [a / np.sqrt(2)])
    assert rdf_of(both, np.array([2.0, 2.58, 2.7])).tolist() == [6, 6]
