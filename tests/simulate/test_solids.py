"""Compounds as states of a library: whose neighbours there are, and what happens to the atoms."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from exafsnn import compounds
from exafsnn.errors import LibraryError, SettingsError, SimulationError
from exafsnn.learn.dataset import make_bank
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.learn.training import settings_for
from exafsnn.metals import METALS, metal_of
from exafsnn.physics.feff import CoreAsValenceError, FeffTreatment
from exafsnn.simulate import library, solids
from exafsnn.simulate.costs import seconds_to_build, with_affordable_sites
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.library import LibraryState, SingleScattering, SiteLibrary, build, joined, load
from exafsnn.simulate.plan import plan_for, plan_of_compound, plan_text, planned_states, read_plan
from exafsnn.simulate.sites import SiteSettings, StateSample, rdf_edges, sample_state
from exafsnn.simulate.solids import ForceConstants, SolidState, cell_of, cells_of, compound_of, states_of
from exafsnn.simulate.springs import Springs, bond_variance, solid_of

NAME, CELL = cell_of("zincblende:5.6687 ZnSe")
ZINC_SELENIDE = states_of(NAME, CELL, 4, NAME)
HELD = solid_of(CELL.repeat(2), Springs(8.0))


def simulated(seed=0, frames=1, **drawn):
    """A state of zinc selenide at rest but for what is said; its springs need no force field."""
    still = dict.fromkeys(("temperature", "asymmetry", "static", "vacancies", "exchanged"), 0.0)
    state = SolidState(ZINC_SELENIDE.crystal, seed, "r2scan", **{"strain": 1.0, **still, **drawn})
    return state.simulated(compound_of("znse-zn", [CELL], "Zn", "K"), DynamicsSettings(frames=frames), HELD)


def test_the_nearest_neighbours_come_first():
    found = compound_of("znse-zn", [cell_of("zincblende:5.6687 ZnSe")[1]], "Zn", "K")
    assert found.neighbours == ("Se", "Zn")
    assert found.nearest == pytest.approx(5.6687 * np.sqrt(3) / 4, abs=1e-3)
    (first, low, high), (second, low2, high2) = found.ranges
    assert (first, second) == ("first", "first Zn-Zn")
    assert low < found.nearest < high < 4.01
    assert low2 < 5.6687 / np.sqrt(2) < high2 < 5.6687 * 0.9


def test_the_shells_of_rutile_are_cut_between_its_neighbours():
    """Two and four oxygen atoms at 1.94 and 1.98 Å are one shell."""
    found = compound_of("tio2-ti", [cell_of("rutile:4.594,2.959,0.305 TiO2")[1]], "Ti", "K")
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
        ("zincblend:5.6687 ZnSe", "Zn", "K", "zincblende:a, wurtzite:a,c"),
    ],
)
def test_what_is_no_compound_is_refused(text, absorber, edge, said):
    with pytest.raises(SettingsError, match=said):
        compound_of("x", [cell_of(text)[1]], absorber, edge)


def test_strain_moves_all_atoms_and_their_box():
    still, wide = simulated(), simulated(strain=1.02)
    assert wide.frames == pytest.approx(1.02 * still.frames)
    assert wide.cells == pytest.approx(1.02 * still.cells)


def test_vacancies_and_antisites_are_as_many_as_drawn():
    lacking = simulated(vacancies=0.25)
    assert sorted(lacking.symbols) == ["Se"] * 24 + ["Zn"] * 24
    mixed = simulated(exchanged=0.25)
    assert sorted(mixed.symbols) == ["Se"] * 32 + ["Zn"] * 32
    whole = simulated()
    assert sum(a != b for a, b in zip(mixed.symbols, whole.symbols, strict=True)) == 16


class Counting:
    """A theory that tells only which potentials it was asked about."""

    def sums(self, clusters, settings, _rng):
        self.numbers = [numbers.tolist() for _, numbers in clusters]
        nothing = np.zeros((settings.sites, 5))
        return nothing, nothing, nothing, np.zeros((2, 5))


def test_sites_are_of_the_absorber_and_count_each_element():
    """Around zinc: four selenium atoms, then twelve zinc atoms; selenium is potential 1."""
    still = simulated()
    theory, settings = Counting(), SiteSettings(sites=3, control_sites=2, far=4.4)
    sample = sample_state(still, theory, settings, np.random.default_rng(1), ("Zn", ("Se", "Zn")))
    assert theory.numbers == [[1] * 4 + [2] * 12] * 5
    r = 0.5 * (rdf_edges(4.4)[1:] + rdf_edges(4.4)[:-1])
    assert sample.rdf[:, r < 3].sum(axis=1).tolist() == [4.0, 0.0]
    assert sample.rdf.sum(axis=1).tolist() == [4.0, 12.0]


def test_atoms_of_a_pair_balance():
    """c_A n_AB = c_B n_BA, with antisites and vacancies."""
    found = simulated(3, 2, temperature=300.0, vacancies=0.1, exchanged=0.2)
    settings = SiteSettings(sites=1, control_sites=0, far=6.0)
    of = {
        one: sample_state(found, Counting(), settings, np.random.default_rng(1), (one, (one, other))).rdf[1]
        for one, other in (("Zn", "Se"), ("Se", "Zn"))
    }
    counts = {one: found.symbols.count(one) for one in of}
    assert counts["Zn"] * of["Zn"] == pytest.approx(counts["Se"] * of["Se"])


def test_a_plan_of_a_compound_survives_its_file(tmp_path):
    name, cell = cell_of("rocksalt:4.177 NiO")
    plan = plan_of_compound(compound_of("nio-ni", [cell], "Ni", "K"), {name: cell}, 7, 0.1)
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
    plan = plan_of_compound(compound_of("ge", [cell], "Ge", "K"), {name: cell}, 7, 0.1)
    assert not any(solid.exchanged[1] for solid in plan.solids)


def test_the_shortest_bond_need_not_be_the_absorbers():
    """Carbonate: oxygen is nearer to carbon than to calcium."""
    zinc = compound_of("znse-zn", [CELL], "Zn", "K")
    assert library._shortest(ZINC_SELENIDE.at_rest(zinc)[0]) == pytest.approx(5.6687 * np.sqrt(3) / 4, abs=1e-3)
    carbon = states_of(NAME, CELL + Atoms("C", positions=[[0.0, 0.0, 1.3]]), 1, NAME)
    assert library._shortest(carbon.at_rest(zinc)[0]) == pytest.approx(1.3, abs=1e-3)


def test_what_moves_compounds_is_asked_for_before_anything_is_made(tmp_path, monkeypatch):
    def missing(package):
        raise SimulationError(f"{package} is not installed")

    monkeypatch.setattr("exafsnn.simulate.force_constants._version_of", missing)
    name, cell = cell_of("rocksalt:4.177 NiO")
    plan = plan_of_compound(compound_of("nio-ni", [cell], "Ni", "K"), {name: cell}, 7, 0.1)
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    with pytest.raises(SimulationError, match="not installed"):
        build(tmp_path / "plan.toml", tmp_path / "nio.h5", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.toml"]


def test_force_constants_travel_as_parts():
    need = ForceConstants(ZINC_SELENIDE.crystal, "r2scan")
    again = need.restored(*solids.parts_of(HELD))
    assert again.atoms == HELD.atoms
    assert np.array_equal(again.force_constants, HELD.force_constants)
    assert {need: 1}[ForceConstants(states_of(NAME, CELL, 9, NAME).crystal, "r2scan")] == 1


def test_a_metal_is_the_same_beside_its_oxide():
    """In a library of a compound, states of the metal have the metal's own lengths, temperatures and potentials."""
    name, cell = cell_of("rocksalt:4.177 NiO")
    oxide = plan_of_compound(compound_of("nio-ni", [cell], "Ni", "K"), {name: cell}, 7, 0.1)
    metal = plan_for(METALS["Ni"], 7, 0.1)
    alone, beside = planned_states(metal), planned_states(replace(oxide, families=metal.families, solids=()))
    told = [[library._label(plan, item) for item in states] for plan, states in ((metal, alone), (oxide, beside))]
    assert {item["theory"].split("/")[0] for item in told[0]} == {"fcc"}
    assert told[0] == told[1]


@dataclass(frozen=True)
class Heavy:
    """What states share, in a test."""

    fails: bool = False
    name: str = "heavy/thing"
    here: bool = False

    def require(self):
        pass

    def made(self):
        MADE.append(self)
        if self.fails:
            raise SimulationError("it fell apart")
        return {"said": "so"}, {"x": np.arange(3.0)}

    def restored(self, label, arrays):
        return label["said"], arrays["x"]


MADE = []


@pytest.mark.parametrize("fails", [False, True])
def test_what_states_share_is_made_once_before_them(tmp_path, monkeypatch, fails):
    """Of force constants that cannot be made no state is tried."""
    given = []

    def simulate(item, _plan, needed):
        given.append(needed)
        return item

    MADE.clear()
    monkeypatch.setattr(SolidState, "need", Heavy(fails))
    monkeypatch.setattr(library, "simulate_planned", simulate)
    monkeypatch.setattr(library, "_facts", lambda _: {})
    monkeypatch.setattr(library, "sample_state", lambda *_: StateSample(*[np.ones((2, 3))] * 7))
    monkeypatch.setattr(
        library, "_build_theory", lambda _: ({}, {"single": np.ones((2, 4, 3)), "mean_free_path": np.ones(3)})
    )
    monkeypatch.setattr(library, "_load_theory", library.cache(lambda *_: None))
    plan = plan_of_compound(compound_of("znse-zn", [CELL], "Zn", "K"), {NAME: CELL}, 7, 0.02)
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    if fails:
        with pytest.raises(SimulationError, match="every state was discarded, the first because it fell apart"):
            build(tmp_path / "plan.toml", tmp_path / "own.h5", 1)
        assert given == []
    else:
        build(tmp_path / "plan.toml", tmp_path / "own.h5", 1)
        assert len(given) == plan.states
        assert all(said == "so" and x.tolist() == [0, 1, 2] for said, x in given)
    assert len(MADE) == 1


def test_a_shell_where_models_end_has_no_range():
    """Lead in CsPbBr3 is 5.99 A away and seen, in CsPbI3 it is at 6.29 A and the range would end beyond all bins."""
    bromide, iodide = (
        compound_of("x", [cell_of(f"perovskite:{text}")[1]], "Pb", "L3") for text in ("5.99 CsPbBr3", "6.29 CsPbI3")
    )
    assert PairSettings().r_max == compounds.FARTHEST
    assert [name for name, *_ in bromide.ranges] == ["first", "first Pb-Cs", "first Pb-Pb"]
    assert (iodide.neighbours, iodide.unseen) == (("I", "Cs", "Pb"), ("Pb",))
    assert [name for name, *_ in iodide.ranges] == ["first", "first Pb-Cs"]
    for compound in (bromide, iodide):
        assert settings_for(compound).ranges == compound.ranges
        assert all(high <= PairSettings().r_max for _, _, high in compound.ranges)


def test_networks_see_little_beyond_the_last_range():
    """Far shells of NiO, whose ranges end at 3.57 A, are theory's weakest; zinc of ZnSe is at 4.0 A."""
    oxide, selenide = (
        compound_of("x", [cell_of(text)[1]], absorber, "K")
        for text, absorber in (("rocksalt:4.177 NiO", "Ni"), ("zincblende:5.6687 ZnSe", "Zn"))
    )
    seen = {one.symbol: settings_for(one).features.rmax for one in (oxide, selenide)}
    assert seen == {"Ni": pytest.approx(4.37), "Zn": 5.5}
    assert settings_for(metal_of("Ni")).features.rmax == pytest.approx(5.5, abs=0.1)


NICKEL = ("rocksalt:4.177 NiO", "layered:2.878,14.19,0.258 LiNiO2")


def test_several_crystals_have_the_neighbours_and_ranges_of_all():
    cells = cells_of(NICKEL)
    oxide, layered = (compound_of("x", [cell], "Ni", "K") for cell in cells.values())
    both = compound_of("x", list(cells.values()), "Ni", "K")
    assert both.neighbours == ("O", "Ni", "Li")
    assert both.nearest == layered.nearest < oxide.nearest
    for name, low, high in both.ranges:
        own = [limits for one in (oxide, layered) for other, *limits in one.ranges if other == name]
        assert (low, high) == (min(one for one, _ in own), max(one for _, one in own))
    plan = plan_of_compound(both, cells, 7, 0.1, {"LiNiO2": ("springs",)})
    assert list(plan.at_rest) == ["LiNiO2", "NiO"]
    held = {item.state.crystal.phase: set() for item in planned_states(plan)}
    for item in planned_states(plan):
        held[item.state.crystal.phase].add(item.state.weights)
    assert held == {"NiO": {"r2scan", "0.3.0"}, "LiNiO2": {"springs"}}


def test_crystals_of_one_formula_are_told_apart():
    assert list(cells_of(("rutile:4.594,2.959 TiO2", "anatase:3.785,9.514 TiO2"))) == ["TiO2 rutile", "TiO2 anatase"]
    with pytest.raises(SettingsError, match="given twice"):
        cells_of((NICKEL[0], NICKEL[0]))


def test_springs_hold_what_force_constants_do_not():
    """In the order of magnitude that bonds have at room temperature, and none of them unstable."""
    name, cell = cell_of(NICKEL[1])
    need = ForceConstants(states_of(name, cell, 1, name).crystal, "springs")
    need.require()
    solid = need.restored(*need.made())
    bonds, beyond = bond_variance(solid, 300.0)
    assert bonds.mean() == pytest.approx(0.006, rel=0.05)
    assert bonds.mean() < beyond.mean() < 0.03


def around(place, absorber=None):
    """What potentials are made of: (n,) elements of the cluster, and its distances."""
    compound = compound_of("x", [place], absorber or "Ni", "K")
    relative, numbers = library._ordinary_site(states_of("x", place, 1, "x").at_rest(compound), compound)
    return np.array(compound.neighbours)[np.array(numbers) - 1], np.linalg.norm(relative, axis=1)


def test_potentials_are_of_the_most_ordinary_absorber():
    """Of eight nickel atoms the first lacks its nearest oxygen: another one stands for all."""
    cell = cell_of(NICKEL[0])[1].repeat((2, 2, 1))
    oxygen = [i for i, atom in enumerate(cell) if atom.symbol == "O"]
    del cell[min(oxygen, key=lambda i: cell.get_distance(0, i, mic=True))]
    assert sum(cell.get_distances(0, [i for i, a in enumerate(cell) if a.symbol == "O"], mic=True) < 2.2) < 6
    elements, r = around(cell)
    assert list(elements[r < 2.2]) == ["O"] * 6


def test_an_element_of_another_crystal_is_known_far_away():
    """FEFF gives a potential only to what is in the cluster: lithium is none of nickel oxide's."""
    cells = cells_of(NICKEL)
    both = compound_of("x", list(cells.values()), "Ni", "K")
    still = plan_of_compound(both, cells, 7, 0.1).at_rest["NiO"]
    relative, numbers = library._ordinary_site(still, both)
    r = np.linalg.norm(relative, axis=1)
    assert [numbers.count(1 + both.neighbours.index("Li")), numbers[-1]] == [1, 1 + both.neighbours.index("Li")]
    assert r[-1] > 6.5


@pytest.mark.parametrize(
    ("crystal", "absorber", "measured"),
    [("zincblende:5.6687 ZnSe", "Zn", 0.057), ("cuprite:4.27 Cu2O", "Cu", 0.20), ("rocksalt:4.177 NiO", "Ni", 0.52)],
)
def test_what_a_site_costs_follows_from_its_neighbours(crystal, absorber, measured):
    """Processor seconds on the machine of 2026 that they were measured on."""
    name, cell = cell_of(crystal)
    plan = plan_of_compound(compound_of(name.lower(), [cell], absorber, "K"), {name: cell}, 7, 1.0)
    free, alone = (replace(plan, sites=replace(plan.sites, sites=sites, control_sites=0)) for sites in (0, 10))
    seconds = [seconds_to_build(of, tables=False) for of in (free, alone, plan)]
    rows = 2 * (0.006 + 1.6e-4 * {0.057: 46, 0.20: 88, 0.52: 124}[measured])
    assert (seconds[1] - seconds[0]) / (10 * plan.states) == pytest.approx(measured + rows, rel=0.3)
    assert seconds[2] > (plan.sites.sites / 10) * seconds[1]  # control sites cost something, too
    sites = with_affordable_sites(plan).sites
    assert sites.sites == {0.057: 48, 0.20: 19, 0.52: 9}[measured]
    assert sites.sites + sites.control_sites == plan.sites.sites + plan.sites.control_sites


@pytest.mark.slow
def test_a_library_of_two_crystals_without_a_force_field(tmp_path):
    """Potentials by FEFF for a crystal that lacks an element of the other; means and kernels of both serve training."""
    cells = cells_of(NICKEL)
    compound = compound_of("nio-linio2-ni", list(cells.values()), "Ni", "K")
    plan = plan_of_compound(compound, cells, 7, 0.01, dict.fromkeys(cells, ("springs",)))
    plan = replace(
        plan,
        treatments=(FeffTreatment("atoms-hl", scf_radius=0.0),),
        sites=replace(plan.sites, sites=2, reach=3.6),
        dynamics=DynamicsSettings(frames=2),
    )
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    told = []
    build(tmp_path / "plan.toml", tmp_path / "own.h5", 1, lambda *item: told.append(item[2]))
    assert told[:2] == ["force constants NiO springs", "force constants LiNiO2 springs"]
    found = load(tmp_path / "own.h5")
    assert (len(found.states), found.discarded) == (plan.states, ())
    assert set(found.theories) == {"NiO/atoms-hl", "LiNiO2/atoms-hl"}
    bank = make_bank(found, settings_for(compound).pairs)
    assert bank.chi.shape[:2] == (plan.states, 3)
    lithium = bank.fine_rdf[:, compound.neighbours.index("Li")].sum(axis=1)
    assert {phase for phase, atoms in zip(bank.phases, lithium, strict=True) if atoms > 0} == {"LiNiO2"}
    assert np.isfinite(bank.chi).all()


def test_wrong_self_consistent_potentials_give_way_to_overlapped_atoms(monkeypatch):
    class StoppedError(Exception):
        """Of what was made."""

    def potentials(_still, _material, treatment):
        if treatment.scf_radius > 0:
            raise CoreAsValenceError("core electrons")
        raise StoppedError(treatment.name, treatment.scf_radius, treatment.exchange)

    monkeypatch.setattr(library, "potentials_at_rest", potentials)
    plan = plan_of_compound(compound_of("znse-zn", [CELL], "Zn", "K"), {NAME: CELL}, 7, 0.1)
    with pytest.raises(StoppedError, match=r"'scf-nl', 0.0, 5"):
        library._build_theory((plan, "ZnSe/scf-nl", None, 1.0))


def _library(crystal, absorber="Zn", bins=3, treatment="one"):
    """A library of one state: each element has as many atoms as its place among the neighbours says."""
    name, cell = cell_of(crystal)
    plan = plan_of_compound(compound_of(name.lower(), [cell], absorber, "K"), {name: cell}, 7, 0.1)
    pairs, nothing = len(plan.material.neighbours), np.zeros((1, 2))
    rdf = np.arange(1.0, pairs + 1)[:, None] * np.ones(bins)
    state = LibraryState(0, {}, StateSample(nothing, nothing, nothing, nothing, rdf, nothing[0], nothing[0]))
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
