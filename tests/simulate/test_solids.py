"""Compounds as states of a library: whose neighbours there are, and what happens to the atoms."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from exafsnn.errors import LibraryError, SettingsError, SimulationError
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate import solids
from exafsnn.simulate.library import LibraryState, SingleScattering, SiteLibrary, build, joined
from exafsnn.simulate.plan import plan_of_compound, plan_text, planned_states, read_plan
from exafsnn.simulate.sites import SiteSettings, StateSample, rdf_edges, sample_state
from exafsnn.simulate.solids import SolidState, cell_of, compound_of, shortest_bond, simulated, states_of
from exafsnn.simulate.springs import Springs, solid_of

STILL = SolidState("r2scan", 1.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.fixture
def zinc_selenide(monkeypatch):
    """A solid whose springs need no force field."""
    monkeypatch.setattr(solids, "force_constants_of", lambda atoms, _: solid_of(atoms.repeat(2), Springs(8.0)))
    name, cell = cell_of("zincblende:5.6687 ZnSe")
    return states_of(name, cell, 4, name)


def test_the_nearest_neighbours_come_first():
    found = compound_of("znse-zn", cell_of("zincblende:5.6687 ZnSe")[1], "Zn", "K")
    assert found.neighbours == ("Se", "Zn")
    assert found.nearest == pytest.approx(5.6687 * np.sqrt(3) / 4, abs=1e-3)
    (first, low, high), (second, low2, high2) = found.ranges
    assert (first, second) == ("first", "first Zn-Zn")
    assert low < found.nearest < high < 4.01
    assert low2 < 5.6687 / np.sqrt(2) < high2 < 5.6687 * 0.9


def test_the_shells_of_rutile_are_cut_between_its_neighbours():
    """Two and four oxygen atoms at 1.94 and 1.98 Å are one shell."""
    found = compound_of("tio2-ti", cell_of("rutile:4.594,2.959,0.305 TiO2")[1], "Ti", "K")
    assert found.neighbours == ("O", "Ti")
    assert found.nearest == pytest.approx(1.96, abs=0.02)
    assert found.ranges[0][2] < 2.9


@pytest.mark.parametrize(
    ("text", "absorber", "edge", "said"),
    [
        ("zincblende:5.6687", "Zn", "K", "does not say which elements"),
        ("zincblende:0.56687 ZnSe", "Zn", "K", "nm"),
        ("zincblende:5.6687 ZnSe", "Cd", "K", "Cd"),
        ("zincblende:5.6687 ZnSe", "Zn", "L9", "no L9 edge"),
        ("nothing.cif", "Zn", "K", "cannot be read|no such file|No such file"),
    ],
)
def test_what_is_no_compound_is_refused(text, absorber, edge, said):
    with pytest.raises(SettingsError, match=said):
        compound_of("x", cell_of(text)[1], absorber, edge)


def test_strain_moves_all_atoms_and_their_box(zinc_selenide):
    still = simulated(zinc_selenide, STILL, 1, np.random.default_rng(0))
    wide = simulated(zinc_selenide, SolidState("r2scan", 1.02, 0.0, 0.0, 0.0, 0.0, 0.0), 1, np.random.default_rng(0))
    assert wide.frames == pytest.approx(1.02 * still.frames)
    assert wide.cells == pytest.approx(1.02 * still.cells)


def test_vacancies_and_antisites_are_as_many_as_drawn(zinc_selenide):
    rng = np.random.default_rng(0)
    lacking = simulated(zinc_selenide, SolidState("r2scan", 1.0, 0.0, 0.0, 0.0, 0.25, 0.0), 1, rng)
    assert sorted(lacking.symbols) == ["Se"] * 24 + ["Zn"] * 24
    mixed = simulated(zinc_selenide, SolidState("r2scan", 1.0, 0.0, 0.0, 0.0, 0.0, 0.25), 1, rng)
    assert sorted(mixed.symbols) == ["Se"] * 32 + ["Zn"] * 32
    whole = simulated(zinc_selenide, STILL, 1, rng)
    assert sum(a != b for a, b in zip(mixed.symbols, whole.symbols, strict=True)) == 16


class Counting:
    """A theory that tells only which potentials it was asked about."""

    def sums(self, clusters, settings, _rng):
        self.numbers = [numbers.tolist() for _, numbers in clusters]
        nothing = np.zeros((len(clusters), 5))
        return nothing, nothing, nothing[: settings.sites]


def test_sites_are_of_the_absorber_and_count_each_element(zinc_selenide):
    """Around zinc: four selenium atoms, then twelve zinc atoms; selenium is potential 1."""
    still = simulated(zinc_selenide, STILL, 1, np.random.default_rng(0))
    theory, settings = Counting(), SiteSettings(sites=3, control_sites=2, far=4.4)
    sample = sample_state(still, theory, settings, np.random.default_rng(1), ("Zn", ("Se", "Zn")))
    assert theory.numbers == [[1] * 4 + [2] * 12] * 5
    r = 0.5 * (rdf_edges(4.4)[1:] + rdf_edges(4.4)[:-1])
    assert sample.rdf[:, r < 3].sum(axis=1).tolist() == [4.0, 0.0]
    assert sample.rdf.sum(axis=1).tolist() == [4.0, 12.0]


def test_atoms_of_a_pair_balance(zinc_selenide):
    """c_A n_AB = c_B n_BA, with antisites and vacancies."""
    state = SolidState("r2scan", 1.0, 300.0, 0.0, 0.0, 0.1, 0.2)
    found = simulated(zinc_selenide, state, 2, np.random.default_rng(3))
    settings = SiteSettings(sites=1, control_sites=0, far=6.0)
    of = {
        one: sample_state(found, Counting(), settings, np.random.default_rng(1), (one, (one, other))).rdf[1]
        for one, other in (("Zn", "Se"), ("Se", "Zn"))
    }
    counts = {one: found.symbols.count(one) for one in of}
    assert counts["Zn"] * of["Zn"] == pytest.approx(counts["Se"] * of["Se"])


def test_a_plan_of_a_compound_survives_its_file(tmp_path):
    name, cell = cell_of("rocksalt:4.177 NiO")
    plan = plan_of_compound(compound_of("nio-ni", cell, "Ni", "K"), cell, name, 7, 0.1)
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    assert read_plan(tmp_path / "plan.toml") == plan
    states = planned_states(plan)
    assert len(states) == plan.states == sum(solid.count for solid in plan.solids)
    assert {item.family.name for item in states} == {solid.name for solid in plan.solids}
    assert all(isinstance(item.treatment, FeffTreatment) for item in states)
    assert {item.state.weights for item in states} == {"r2scan", "0.3.0"}


def test_ordered_files_are_cells(tmp_path):
    bulk("ZnS", "zincblende", a=5.41, cubic=True).write(tmp_path / "POSCAR", format="vasp")
    name, cell = cell_of("POSCAR", tmp_path)
    assert (name, len(cell)) == ("ZnS", 8)


def test_a_crystal_of_one_element_has_no_antisites():
    name, cell = cell_of("diamond:5.658 Ge")
    plan = plan_of_compound(compound_of("ge", cell, "Ge", "K"), cell, name, 7, 0.1)
    assert not any(solid.exchanged[1] for solid in plan.solids)


def test_the_shortest_bond_need_not_be_the_absorbers():
    """Carbonate: oxygen is nearer to carbon than to calcium."""
    name, cell = cell_of("zincblende:5.6687 ZnSe")
    assert shortest_bond(states_of(name, cell, 1, name)) == pytest.approx(5.6687 * np.sqrt(3) / 4, abs=1e-3)
    cell += Atoms("C", positions=[[0.0, 0.0, 1.3]])
    assert shortest_bond(states_of(name, cell, 1, name)) == pytest.approx(1.3, abs=1e-3)


def test_what_moves_compounds_is_asked_for_before_anything_is_made(tmp_path, monkeypatch):
    def missing(package):
        raise SimulationError(f"{package} is not installed")

    monkeypatch.setattr("exafsnn.simulate.force_constants._version_of", missing)
    name, cell = cell_of("rocksalt:4.177 NiO")
    plan = plan_of_compound(compound_of("nio-ni", cell, "Ni", "K"), cell, name, 7, 0.1)
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    with pytest.raises(SimulationError, match="not installed"):
        build(tmp_path / "plan.toml", tmp_path / "nio.h5", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


def _library(crystal, absorber="Zn", bins=3, treatment="one"):
    """A library of one state: each element has as many atoms as its place among the neighbours says."""
    name, cell = cell_of(crystal)
    plan = plan_of_compound(compound_of(name.lower(), cell, absorber, "K"), cell, name, 7, 0.1)
    pairs, nothing = len(plan.material.neighbours), np.zeros((1, 2))
    rdf = np.arange(1.0, pairs + 1)[:, None] * np.ones(bins)
    state = LibraryState(0, {}, StateSample(nothing, nothing, nothing, nothing, rdf, nothing[0]))
    amplitude = np.ones((pairs, 2, 2), complex)
    theories = {f"{name}/{treatment}": SingleScattering(np.zeros(2), amplitude, np.zeros(2))}
    return SiteLibrary(plan, np.zeros(2), np.arange(bins + 1.0), (state,), theories, name)


def test_libraries_are_joined_by_element():
    both = joined([_library("zincblende:5.6687 ZnSe"), _library("zincblende:5.41 ZnS", bins=5)], ["znse.h5", "zns.h5"])
    assert both.neighbours == ("Se", "Zn", "S")
    selenide, sulfide = (state.sample.rdf[:, 0].tolist() for state in both.states)
    assert (selenide, sulfide) == ([1.0, 2.0, 0.0], [0.0, 2.0, 1.0])
    assert {state.sample.rdf.shape for state in both.states} == {(3, 3)}
    assert both.own_phases == {"ZnSe"}
    known = {name: of.amplitude.any(axis=(1, 2)).tolist() for name, of in both.theories.items()}
    assert known == {"ZnSe/one": [True, True, False], "ZnS/one": [False, True, True]}


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"absorber": "Se"}, "of Se K, not Zn K"),
        ({"bins": 2}, "distances to 2.00 Å, the first one to 3.00 Å"),
        ({"treatment": "two"}, "treatment two too"),
    ],
)
def test_libraries_that_do_not_belong_together_are_refused(other, reason):
    first, second = (_library("zincblende:5.6687 ZnSe", **given) for given in ({}, other))
    with pytest.raises(LibraryError, match=reason):
        joined([first, second], ["first.h5", "second.h5"])
