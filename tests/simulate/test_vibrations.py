"""Vibrations against the oscillator of the textbook: zero point, equipartition, the cumulants of a Morse bond."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ase")
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from exafsnn.constants import HBAR2_PER_MASS_KELVIN, KELVIN_EV
from exafsnn.errors import SettingsError, SimulationError
from exafsnn.simulate.vibrations import HarmonicSolid, Motion, modes_of, moving, with_antisites, with_vacant_sites

RNG = np.random.default_rng
K = 6.0
"""Stiffness of a bond [eV Å⁻²]."""


def springs(atoms: Atoms, reach: float, stiffness: float = K) -> HarmonicSolid:
    """Equal springs between all atoms within reach."""
    n = len(atoms)
    constants = np.zeros((n, n, 3, 3))
    for i, j, vector in zip(*neighbor_list("ijD", atoms, reach), strict=True):
        along = vector / np.linalg.norm(vector)
        constants[i, j] -= stiffness * np.outer(along, along)
        constants[i, i] += stiffness * np.outer(along, along)
    return HarmonicSolid(atoms, constants)


def molecule(symbols: str = "ZnSe", stiffness: float = K) -> HarmonicSolid:
    return springs(Atoms(symbols, [[0, 0, 0], [0, 0, 2.45]]), 3.0, stiffness)


def quantum(mass: float, temperature: float, stiffness: float = K) -> float:
    """σ² of an oscillator: ħ/(2μω) coth(ħω/2kT), from θ = ħω/k."""
    theta = np.sqrt(HBAR2_PER_MASS_KELVIN * stiffness / (KELVIN_EV * mass))
    zero_point = HBAR2_PER_MASS_KELVIN / (2 * mass * theta)
    return float(zero_point if temperature == 0 else zero_point / np.tanh(theta / (2 * temperature)))


def copper() -> HarmonicSolid:
    return springs(bulk("Cu", "fcc", a=3.615, cubic=True).repeat(2), 2.6, 2.0)


@pytest.mark.parametrize("symbols", ["ZnSe", "NiO", "Pt2"])
@pytest.mark.parametrize("temperature", [0, 20, 300, 1500])
def test_a_molecule_moves_by_its_reduced_mass(symbols: str, temperature: float) -> None:
    solid = molecule(symbols)
    modes = modes_of(solid)
    one, two = solid.atoms.get_masses()
    found = modes.pair_variance(np.array([[0, 1]]), np.array([[0.0, 0.0, 1.0]]), temperature)
    assert len(modes.quanta) == 1
    assert found[0] == pytest.approx(quantum(one * two / (one + two), temperature), rel=1e-6)


def test_cold_is_zero_point_and_heat_is_classical() -> None:
    modes = modes_of(copper())
    cold = modes.variance(0.0)
    assert np.allclose(modes.variance(1e-3), cold)
    hot = modes.variance(4000.0)
    rigidity = modes.quanta**2 / (HBAR2_PER_MASS_KELVIN * KELVIN_EV)  # ω², per unit mass
    assert np.allclose(hot * rigidity, KELVIN_EV * 4000.0, rtol=1e-3)
    assert np.all(hot > cold)


def test_equipartition() -> None:
    """Half a k_B T of potential energy for each of 3n − 3 modes; sampled."""
    solid = copper()
    frames = moving(solid, Motion(temperature=3000.0, frames=400), RNG(1)).frames
    u = frames - solid.atoms.positions
    energy = 0.5 * np.einsum("fix,ijxy,fjy->f", u, solid.force_constants, u, optimize=True)
    expected = 0.5 * (3 * len(solid.atoms) - 3) * KELVIN_EV * 3000.0
    assert energy.mean() == pytest.approx(expected, abs=4 * energy.std() / 20)
    assert energy.mean() == pytest.approx(expected, rel=0.03)


def test_the_whole_crystal_stays_where_it_is() -> None:
    solid = copper()
    frames = moving(solid, Motion(temperature=300.0, frames=30, asymmetry=1.5), RNG(1)).frames
    assert np.allclose((frames - solid.atoms.positions).mean(axis=1), 0, atol=1e-9)


def test_frames_have_the_variance_of_the_modes() -> None:
    solid = copper()
    i, j, vector = neighbor_list("ijD", solid.atoms, 2.6)
    along = vector / np.linalg.norm(vector, axis=1)[:, None]
    expected = modes_of(solid).pair_variance(np.column_stack([i, j]), along, 300.0)
    assert np.allclose(expected, expected[0])  # all bonds of fcc are alike
    u = moving(solid, Motion(frames=300), RNG(2)).frames - solid.atoms.positions
    found = np.einsum("fpx,px->fp", u[:, j] - u[:, i], along).var()
    assert found == pytest.approx(expected[0], rel=0.02)


def test_free_atoms_neither_drift_nor_turn() -> None:
    modes = modes_of(springs(Atoms("Cu4", [[0, 0, 0], [0, 2, 2], [2, 0, 2], [2, 2, 0]]), 3.0))
    assert len(modes.quanta) == 6


def test_what_is_unstable_is_refused_by_number_and_frequency() -> None:
    with pytest.raises(SimulationError, match=r"1 of 1 modes are unstable, down to -\d+\.\d THz \(mostly O\)"):
        moving(molecule("NiO", -K), Motion(), RNG(1))
    solid = copper()
    bad = HarmonicSolid(solid.atoms, -solid.force_constants)
    with pytest.raises(SimulationError, match=r"93 of 93 modes .*distorted cell"):
        modes_of(bad)


@pytest.mark.parametrize("temperature", [0.0, 300.0, 900.0])
def test_a_morse_bond_gets_its_third_cumulant(temperature: float) -> None:
    """C₃ = (g/k)(6σ⁴ − 4σ₀⁴) with g = αk/2, and the mean stays."""
    alpha, solid = 1.5, molecule("Cu2")
    motion = Motion(temperature=temperature, frames=400_000, asymmetry=alpha)
    frames = moving(solid, motion, RNG(3)).frames
    x = frames[:, 1, 2] - frames[:, 0, 2] - 2.45
    mass = solid.atoms.get_masses()[0] / 2
    sigma2, zero = (quantum(mass, t) for t in (temperature, 0.0))
    expected = alpha * (3 * sigma2**2 - 2 * zero**2)
    assert x.mean() == pytest.approx(0, abs=5 * np.sqrt(sigma2 / len(x)))
    assert x.var() == pytest.approx(sigma2, rel=0.03)
    error = np.sqrt(15 * sigma2**3 / len(x))
    assert ((x - x.mean()) ** 3).mean() == pytest.approx(expected, abs=5 * error + 0.06 * expected)


def test_an_asymmetric_bond_is_that_of_morse_s_potential() -> None:
    """Its classical distribution, integrated, against the frames of atoms that are heavy enough for it."""
    alpha, kt = 1.5, KELVIN_EV * 150.0
    x = np.linspace(-0.4, 0.6, 4001)
    weight = np.exp(-(K / (2 * alpha**2)) * (1 - np.exp(-alpha * x)) ** 2 / kt)
    third = (weight * (x - (weight * x).sum() / weight.sum()) ** 3).sum() / weight.sum()
    motion = Motion(temperature=150.0, frames=400_000, asymmetry=alpha)
    frames = moving(molecule("Pb2"), motion, RNG(5)).frames
    found = frames[:, 1, 2] - frames[:, 0, 2]
    assert ((found - found.mean()) ** 3).mean() == pytest.approx(third, rel=0.2)


def test_static_displacements_add_to_every_pair_at_any_temperature() -> None:
    solid = copper()
    for temperature in (0.0, 300.0):
        plain, split = (moving(solid, Motion(temperature, frames=200, static=s), RNG(4)) for s in (0, 0.01))
        i, j, vector = neighbor_list("ijD", solid.atoms, 4.5)
        along = vector / np.linalg.norm(vector, axis=1)[:, None]
        widths = [
            np.einsum("fpx,px->fp", t.frames[:, j] - t.frames[:, i], along).var(axis=0).mean() for t in (plain, split)
        ]
        assert widths[1] - widths[0] == pytest.approx(0.01, rel=0.05)


def test_vacant_sites_are_of_one_element() -> None:
    atoms = bulk("ZnSe", "zincblende", a=5.67, cubic=True).repeat(2)
    solid = springs(atoms, 4.2)
    whole = moving(solid, Motion(frames=2), RNG(1))
    holed = with_vacant_sites(whole, "Zn", 0.25, RNG(1))
    assert holed.symbols.count("Zn") == 24
    assert holed.symbols.count("Se") == 32
    assert holed.frames.shape == (2, 56, 3)
    with pytest.raises(SettingsError, match="0 Pt atoms"):
        with_vacant_sites(whole, "Pt", 0.1, RNG(1))


def test_antisites_keep_the_composition_and_make_wrong_neighbours() -> None:
    whole = moving(
        springs(bulk("ZnSe", "zincblende", a=5.67, cubic=True).repeat(2), 4.2), Motion(0.0, frames=1), RNG(1)
    )
    mixed = with_antisites(whole, ("Zn", "Se"), 0.25, RNG(1))
    assert sorted(mixed.symbols) == sorted(whole.symbols)
    assert sum(a != b for a, b in zip(whole.symbols, mixed.symbols, strict=True)) == 16
    symbols = np.array(mixed.symbols)
    zinc = np.flatnonzero(symbols == "Zn")
    around = [symbols[owners] for _, owners in mixed[0].spheres(zinc, 2.8)]
    wrong = np.mean([np.count_nonzero(near == "Zn") for near in around])
    assert wrong == pytest.approx(4 * 2 * 0.25 * 0.75, abs=0.5)
    with pytest.raises(SettingsError, match="cannot change places with 0 Cd"):
        with_antisites(whole, ("Zn", "Cd"), 0.1, RNG(1))


def test_motion_that_makes_no_sense_is_refused() -> None:
    for wrong in ({"temperature": -1.0}, {"static": 2.0}, {"asymmetry": 9.0}, {"frames": 0}):
        with pytest.raises(SettingsError, match=r"none of a solid|at least 1"):
            Motion(**wrong)


def test_skew_boxes_keep_their_neighbours() -> None:
    """A primitive box gives the very distances of the cubic one."""
    primitive = springs(bulk("Cu", "fcc", a=3.615).repeat(4), 2.6, 2.0)
    trajectory = moving(primitive, Motion(0.0, frames=1), RNG(1))
    ((relative, _),) = trajectory[0].spheres([5], 2.9)
    assert len(relative) == 12
