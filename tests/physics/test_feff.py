"""FEFF's amplitudes obey what scattering theory says of them."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.errors import SimulationError
from exafsnn.physics.feff import (
    FeffTreatment,
    PathSummer,
    ScatteringPath,
    _check_electrons,
    _part_columns,
    make_potentials,
    partial_waves,
)
from exafsnn.physics.paths import single_paths


def test_one_atom_is_the_exafs_equation(iron, k):
    with PathSummer(iron) as summer:
        chi = summer.chi(single_paths(np.array([2.5])), k)
        effective = summer.effective(single_paths(np.array([2.5])), k)
    r = 2.5
    wave = np.sin(2 * k * r + effective.phase[0]) * np.exp(-2 * r / effective.mean_free_path)
    expected = effective.magnitude[0] * wave / (k * r**2)
    assert np.abs(k**2 * (chi - expected)).max() < 0.01 * np.abs(k**2 * chi).max()


def test_degeneracy_multiplies(iron, k):
    path = single_paths(np.array([2.5]))[0]
    eight = ScatteringPath(path.positions, path.potentials, 8.0)
    with PathSummer(iron) as summer:
        assert np.allclose(summer.chi([eight], k), 8 * summer.chi([path], k), atol=2e-5)


def test_paths_add_up(iron, k):
    near, far = single_paths(np.array([2.5, 4.1]))
    with PathSummer(iron) as summer:
        assert np.allclose(summer.chi([near, far], k), summer.chi([near], k) + summer.chi([far], k), atol=2e-5)


def test_a_rotated_path_scatters_the_same(iron, k):
    positions = np.array([[0.0, 0.0, 2.5], [0.0, 2.0, 3.5]])
    turn = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    with PathSummer(iron) as summer:
        one = summer.chi([ScatteringPath(positions, (1, 1))], k)
        other = summer.chi([ScatteringPath(positions @ turn, (1, 1))], k)
    assert np.allclose(one, other, atol=2e-5)


def test_a_reversed_path_scatters_the_same(iron, k):
    """Time reversal; FEFF's truncated matrices keep it to a few per cent."""
    positions = np.array([[0.0, 0.0, 2.5], [0.0, 2.0, 3.5]])
    with PathSummer(iron) as summer:
        one = summer.chi([ScatteringPath(positions, (1, 1))], k)
        other = summer.chi([ScatteringPath(positions[::-1], (1, 1))], k)
    assert np.abs(k**2 * (one - other)).max() < 0.05 * np.abs(k**2 * one).max()


def test_phase_shifts_of_iron_fade_with_angular_momentum(iron):
    phases, k = partial_waves(iron)
    assert k.min() >= 3.0
    assert k.max() <= 13.0
    size = np.abs(np.sin(phases[1])).max(axis=0)
    assert size[0] > 0.5
    assert size[-1] < 0.1


def test_no_paths_no_signal(iron, k):
    with PathSummer(iron) as summer:
        assert not summer.chi([], k).any()


def test_a_potential_without_atoms_is_an_error():
    positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 2.5]])
    treatment = FeffTreatment(scf_radius=0.0)
    with pytest.raises(SimulationError):
        make_potentials(positions, ["Fe", "Fe", "Ni"], treatment, feff_numbers=[0, 1])


def test_columns_that_run_together_are_parted(tmp_path):
    head = ["exafsnn", " " + "-" * 71, "  pathindex     sig2   amp ratio    deg    nlegs  r effective"]
    rows = [
        "        1     0.00000   100.000     1.000     4   6.8500",
        "        2     0.00000105526.710     1.000     4   4.0000",
        "        3     0.00000**********     1.000     4   4.2000",
    ]
    path = tmp_path / "list.dat"
    path.write_text("\n".join([*head, *rows]) + "\n")
    _part_columns(path)
    found = path.read_text().splitlines()
    assert found[:4] == [*head, rows[0]]
    values = np.array([line.split() for line in found[3:]], dtype=float)
    assert values[:, 0].tolist() == [1, 2, 3]
    assert values[:, 2].tolist() == [100.0, 99999.999, 99999.999]
    assert values[:, 5].tolist() == [6.85, 4.0, 4.2]


def test_core_electrons_taken_for_valence_ones_are_an_error():
    # as FEFF8.5L ended for arsenic in GaAs with exchange 5, and with exchange 0
    table = "   iph    il      N_el\n     0     0    1.897\n     0     1    3.894\n     0     2    0.335\n"
    wrong = table + "     2     0    0.315\n     2     1    6.322\n     2     2    8.258\n mu_new=    -6.134\n"
    right = table + "     2     0    1.782\n     2     1    3.046\n     2     2    0.240\n mu_new=    -7.307\n"
    _check_electrons(right, ("As", "Ga", "As"))
    _check_electrons(wrong + right, ("As", "Ga", "As"))  # the last iteration counts
    _check_electrons(wrong, ("As", "Ga", "Se"))  # of another element nobody can say
    with pytest.raises(SimulationError, match=r"0\.3, 6\.3, 8\.3 of s, p and d kind in As, and 1\.9, 3\.9, 0\.3"):
        _check_electrons(wrong, ("As", "Ga", "As"))
