"""Structures against what geometry says: shells, densities, numbers of atoms."""

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.simulate.structures import crystal, nanoparticle, with_vacancies

SHELLS = {
    "bcc": ((8, np.sqrt(3) / 2), (6, 1.0), (12, np.sqrt(2))),
    "fcc": ((12, np.sqrt(1 / 2)), (6, 1.0), (24, np.sqrt(3 / 2))),
    "hcp": ((12, 1.0), (6, np.sqrt(2)), (2, np.sqrt(8 / 3))),
}


def neighbours_at(atoms, index, distance):
    vectors = atoms.get_distances(index, range(len(atoms)), mic=bool(atoms.pbc.all()))
    return np.count_nonzero(np.abs(vectors - distance) < 0.02)


@pytest.mark.parametrize("phase", SHELLS)
def test_shells_of_every_atom_are_those_of_the_lattice(phase):
    atoms = crystal(phase, 2.9)
    for number, distance in SHELLS[phase]:
        for index in (0, 1, len(atoms) // 2, len(atoms) - 1):
            assert neighbours_at(atoms, index, 2.9 * distance) == number


@pytest.mark.parametrize(("phase", "a"), [("bcc", 2.78), ("bcc", 2.97), ("fcc", 3.51), ("fcc", 3.73), ("hcp", 2.47)])
def test_supercell_is_periodic_and_wide_enough(phase, a):
    atoms = crystal(phase, a)
    assert atoms.pbc.all()
    assert atoms.cell.lengths().min() >= 15.5
    assert 380 <= len(atoms) <= 600


def test_volume_per_atom():
    assert crystal("bcc", 2.8665).get_volume() / len(crystal("bcc", 2.8665)) == pytest.approx(2.8665**3 / 2)
    hcp = crystal("hcp", 2.5, c=4.0)
    assert hcp.get_volume() / len(hcp) == pytest.approx(np.sqrt(3) / 4 * 2.5**2 * 4.0)


def test_vacancies_lower_the_mean_coordination_in_proportion():
    atoms = crystal("fcc", 3.6)
    holed = with_vacancies(atoms, 0.2, np.random.default_rng(1))
    assert len(holed) == round(0.8 * len(atoms))
    mean = np.mean([neighbours_at(holed, index, 3.6 / np.sqrt(2)) for index in range(len(holed))])
    assert mean == pytest.approx(12 * (len(holed) - 1) / (len(atoms) - 1), abs=0.35)


def test_vacancies_leave_the_original_alone():
    atoms = crystal("bcc", 2.87)
    with_vacancies(atoms, 0.5, np.random.default_rng(1))
    assert len(atoms) == 432


@pytest.mark.parametrize(
    ("phase", "a", "size", "mean"),
    [("bcc", 2.87, 9, 16 / 9), ("bcc", 2.87, 15, 64 / 15), ("fcc", 3.6, 13, 72 / 13), ("fcc", 3.6, 55, 432 / 55)],
)
def test_small_particles_have_the_coordination_that_counting_gives(phase, a, size, mean):
    particle = nanoparticle(phase, a, size)
    first = SHELLS[phase][0][1] * a
    counted = np.mean([neighbours_at(particle, index, first) for index in range(size)])
    assert counted == pytest.approx(mean)


@pytest.mark.parametrize("size", [15, 59, 113, 300])
def test_particle_is_free_and_in_the_middle(size):
    particle = nanoparticle("bcc", 2.87, size, vacuum=8.0)
    assert len(particle) == size
    assert not particle.pbc.any()
    assert particle.positions.min() == pytest.approx(8.0)


def test_coordination_grows_with_the_particle():
    means = [
        np.mean([neighbours_at(p, i, 2.87 * np.sqrt(3) / 2) for i in range(len(p))])
        for p in (nanoparticle("bcc", 2.87, size) for size in (15, 59, 137, 259))
    ]
    assert np.all(np.diff(means) > 0)
    assert means[-1] < 8


def test_wrong_input_is_named():
    with pytest.raises(SettingsError, match=r"unknown phase 'sc'.*Use one of bcc, fcc, hcp"):
        crystal("sc", 3.0)
    with pytest.raises(SettingsError, match="must be positive, got a = -1"):
        crystal("bcc", -1.0)
    with pytest.raises(SettingsError, match="size must be at least 1"):
        nanoparticle("fcc", 3.6, 0)
    with pytest.raises(SettingsError, match=r"\[0, 1\), got 1.0"):
        with_vacancies(crystal("bcc", 2.87), 1.0, np.random.default_rng(1))
