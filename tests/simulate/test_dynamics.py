"""Dynamics against physics: σ² and distances that grow with heat, shells of a melt, labels that are checked."""

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import SettingsError, SimulationError
from exafsnn.simulate.dynamics import DynamicsSettings, State, run_atoms, run_state, run_with_vacancies, starting_atoms
from exafsnn.simulate.potentials import IRON_LATTICE, POTENTIALS, potential_named, training_potentials
from exafsnn.simulate.structures import crystal, nanoparticle, with_vacancies

pytest.importorskip("lammps")

SHORT = DynamicsSettings(equilibration=200, production=200, frames=4)
FIRST = {"bcc": np.sqrt(3) / 2, "fcc": np.sqrt(1 / 2), "hcp": 1.0}


def first_shell(state, trajectory):
    """(mean, variance) of the distances of the pairs that are nearest neighbours in the perfect crystal."""
    start = starting_atoms(state, DynamicsSettings()).get_all_distances(mic=True)
    i, j = np.nonzero(np.triu(np.abs(start - FIRST[state.phase] * state.a) < 0.1, 1))
    vectors = trajectory.frames[:, i] - trajectory.frames[:, j]
    vectors -= trajectory.box * np.round(vectors / trajectory.box)
    distances = np.linalg.norm(vectors, axis=-1)
    return distances.mean(), distances.var()


def test_a_short_run_gives_frames_in_the_prescribed_box():
    state = State("bcc", "Fe_2003", 2.8665, 300.0, seed=1)
    trajectory = run_state(state, SHORT)
    assert trajectory.frames.shape == (4, 432, 3)
    assert trajectory.box == pytest.approx(6 * 2.8665)
    assert trajectory.provenance["fractions"] == {"bcc": 1.0}
    mean, variance = first_shell(state, trajectory)
    assert mean == pytest.approx(2.485, abs=0.004)
    assert 0.002 < variance < 0.008


def test_the_seed_decides_and_nothing_else():
    first, again, other = (
        run_state(State("fcc", "Cu", 3.6, 500.0, seed), DynamicsSettings(equilibration=50, production=50, frames=1))
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.frames, again.frames)
    assert not np.allclose(first.frames, other.frames)


def test_a_stand_in_is_scaled_to_the_lattice_of_iron():
    trajectory = run_state(State("fcc", "Au", 3.6, 0.0, seed=1), SHORT)
    assert trajectory.box == pytest.approx(5 * 3.6)
    assert first_shell(State("fcc", "Au", 3.6, 0.0, 1), trajectory) == pytest.approx((3.6 / np.sqrt(2), 0), abs=1e-4)


def test_fcc_iron_of_the_obvious_potential_is_refused(monkeypatch):
    collapsing = replace(POTENTIALS["Fe_2003"], lattice={"fcc": (3.6259, 3.6259)})
    monkeypatch.setitem(POTENTIALS, "Fe_2003", collapsing)
    with pytest.raises(SimulationError, match=r"fcc Fe_2003.*only \d+% of the quenched crystal is fcc.*Discard"):
        run_state(State("fcc", "Fe_2003", 3.6, 1200.0, seed=1))


def test_a_frozen_melt_is_refused():
    frozen = DynamicsSettings(melting_temperature=300.0, melting=100, equilibration=100, production=100, frames=2)
    with pytest.raises(SimulationError, match="of the quenched melt is crystalline"):
        run_state(State("liquid", "Fe_2003", 2.9, 300.0, seed=1), frozen)


def test_free_particles_and_vacancies_run():
    state = State("bcc", "Fe_2003", 2.87, 300.0, seed=2)
    particle = run_atoms(nanoparticle("bcc", 2.87, 59), state, SHORT)
    assert not particle.periodic
    assert particle.frames.shape == (4, 59, 3)
    holed = with_vacancies(crystal("bcc", 2.87), 0.1, np.random.default_rng(1))
    assert run_atoms(holed, state, SHORT).frames.shape == (4, 389, 3)


def test_a_crystal_keeps_a_few_vacancies_and_collapses_with_many():
    rng = np.random.default_rng(1)
    kept = run_with_vacancies(State("bcc", "Fe_2003", 2.87, 200.0, seed=3), 0.05, rng, SHORT)
    assert len(kept.symbols) == pytest.approx(0.95 * 432, abs=1)
    with pytest.raises(SimulationError, match="30% vacancies: "):
        run_with_vacancies(State("bcc", "Fe_2003", 2.87, 600.0, seed=3), 0.3, rng)


def test_wrong_states_are_named():
    with pytest.raises(SettingsError, match="unknown potential 'Unobtainium'"):
        run_state(State("bcc", "Unobtainium", 2.87, 300.0, 1))
    with pytest.raises(SettingsError, match=r"'Fe_2003' does not serve phase 'fcc'.*Use one of Cu, Ni"):
        run_state(State("fcc", "Fe_2003", 3.6, 300.0, 1))
    with pytest.raises(SettingsError, match=r"seed at least 1, got 300\.0 and 0"):
        run_state(State("bcc", "Fe_2003", 2.87, 300.0, 0))
    skewed = crystal("bcc", 2.87)
    skewed.set_cell([[17, 0, 0], [3, 17, 0], [0, 0, 17]])
    with pytest.raises(SettingsError, match="must be orthogonal"):
        run_atoms(skewed, State("bcc", "Fe_2003", 2.87, 300.0, 1))


def test_the_foreign_potential_never_trains():
    assert all("Fe_meam" not in training_potentials(phase) for phase in IRON_LATTICE)
    assert potential_named("Fe_meam", "bcc").foreign


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phase", "name"), [(phase, name) for phase in ("bcc", "fcc", "hcp") for name in training_potentials(phase)]
)
def test_training_potentials_hold_their_phase_and_look_like_iron(phase, name):
    a = {"bcc": 2.8665, "fcc": 3.60, "hcp": 2.55}[phase]
    cold, hot = State(phase, name, a, 300.0, 5), State(phase, name, 1.01 * a, 1200.0, 5)
    (r_cold, s_cold), (r_hot, s_hot) = (first_shell(state, run_state(state)) for state in (cold, hot))
    assert 0.0035 < s_cold < 0.0075
    assert 0.015 < s_hot < 0.040
    assert r_cold / (FIRST[phase] * a) == pytest.approx(1.0, abs=0.008)  # hcp: six of twelve depend on c/a
    assert r_hot / (FIRST[phase] * 1.01 * a) > r_cold / (FIRST[phase] * a)


@pytest.mark.slow
@pytest.mark.parametrize("name", training_potentials("liquid"))
def test_the_melt_has_no_shells_beyond_the_first(name):
    trajectory = run_state(State("liquid", name, 2.98, 2000.0, 7))
    vectors = trajectory.frames[:, :, None] - trajectory.frames[:, None]
    vectors -= trajectory.box * np.round(vectors / trajectory.box)
    distances = np.linalg.norm(vectors, axis=-1)
    edges = np.arange(2.0, 7.01, 0.1)
    shells = 4 / 3 * np.pi * np.diff(edges**3) * 2 / 2.98**3
    g = np.histogram(distances, edges)[0] / distances.shape[0] / distances.shape[1] / shells
    assert 2.0 < g.max() < 3.6
    assert 2.3 < edges[g.argmax()] < 2.7
    assert np.all(np.abs(g[35:] - 1) < 0.4)
