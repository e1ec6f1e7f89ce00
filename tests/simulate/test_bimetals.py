"""Two metals together: pure ends, bonds between Vegard and Pauling, order, sizes, and what both edges share."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ase")
from ase.neighborlist import neighbor_list

from exafsnn.compounds import Compound
from exafsnn.errors import SettingsError
from exafsnn.metals import METALS
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate.bimetals import BimetalState, as_fcc, bimetal_of, ordered_of, states_of_both
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.plan import plan_from_mapping, plan_of_alloy, plan_text, planned_states
from exafsnn.simulate.springs import bond_variance, solid_of
from exafsnn.simulate.structures import crystal

STILL = dict.fromkeys(("asymmetry", "static", "vacancies", "exchanged"), (0.0, 0.0))
QUIET: dict[str, Any] = {**STILL, "contrast": (1.0, 1.0), "strain": (1.0, 1.0), "temperature": (300.0, 300.0)}


def drawn(elements: tuple[str, str] = ("Pt", "Ni"), share: float = 0.5, seed: int = 1, **ranges: Any) -> BimetalState:
    states = states_of_both("any", elements, 1, **{**QUIET, "shares": ((share, share),), **ranges})
    return states.draw(0, seed, (FeffTreatment(),), np.random.default_rng(seed))[0]


def simulated(state: BimetalState, frames: int = 2) -> Trajectory:
    return state.simulated(bimetal_of(("Pt", "Ni"), "Pt", "L3"), DynamicsSettings(frames=frames), None)


def bonds(state: BimetalState, reach: float = 3.3) -> dict[str, float]:
    """Mean length of the bonds of each pair, at rest [Å]."""
    atoms = state.built(np.random.default_rng(3))
    resting = solid_of(atoms, state._springs(atoms)).atoms
    symbols = np.array(resting.get_chemical_symbols())
    first, second, apart = neighbor_list("ijd", resting, reach)
    names = np.char.add(np.char.add(symbols[first], "-"), symbols[second])
    return {str(name): float(apart[names == name].mean()) for name in np.unique(names)}


def counts(found: Trajectory, pair: tuple[str, str], edges: np.ndarray) -> np.ndarray:
    """(b,) mean number of the second element around an atom of the first."""
    symbols = np.array(found.symbols)
    absorbers = np.flatnonzero(symbols == pair[0])
    kinds = (symbols == pair[1]).astype(np.intp)
    sums = np.sum([found[frame].distance_counts(edges, absorbers, kinds, 2)[1] for frame in range(len(found))], axis=0)
    return np.asarray(sums / (len(absorbers) * len(found)))


@pytest.mark.parametrize(("share", "symbol"), [(0.98, "Pt"), (0.02, "Ni")])
def test_nearly_pure_alloys_are_the_metals(share: float, symbol: str) -> None:
    """R₁ and the known σ² at 300 K; twelve neighbours."""
    state = drawn(share=share)
    atoms = state.built(np.random.default_rng(1))
    solid = solid_of(atoms, state._springs(atoms))
    assert bond_variance(solid, 300.0)[0].mean() == pytest.approx(METALS[symbol].sigma2, rel=0.05)
    first, apart = neighbor_list("id", solid.atoms, 1.2 * METALS[symbol].nearest)
    assert len(first) == 12 * len(atoms)
    assert apart.mean() == pytest.approx(METALS[symbol].nearest, abs=0.01)


@pytest.mark.parametrize("elements", [("Pt", "Ni"), ("Pd", "Au"), ("Au", "Cu")])
def test_bonds_are_between_vegard_and_pauling(elements: tuple[str, str]) -> None:
    """In the order of the pure metals', but nearer to each other; their mean is the lattice's."""
    state = drawn(elements)
    found = bonds(state)
    (one, first), (other, second) = ((element, as_fcc(element)[0] / np.sqrt(2)) for element in elements)
    pure = first - second
    kept = (found[f"{one}-{one}"] - found[f"{other}-{other}"]) / pure
    assert 0.15 < kept < 0.5
    assert abs(found[f"{one}-{other}"] - (first + second) / 2) < 0.05 * abs(pure)
    wider = bonds(drawn(elements, contrast=(2.0, 2.0)))
    assert (wider[f"{one}-{one}"] - wider[f"{other}-{other}"]) / pure > 1.7 * kept


def test_alloys_are_about_as_dense_as_measured() -> None:
    """Pt₃Ni 3.84, PtNi 3.75, Au–Pd of halves 3.98 Å (Pearson's handbook): Vegard's rule within the drawn strain."""
    for elements, share, a in ((("Pt", "Ni"), 0.75, 3.84), (("Pt", "Ni"), 0.5, 3.75), (("Pd", "Au"), 0.5, 3.98)):
        states = states_of_both("any", elements, 1)
        low, high = (strain * states.lattice(share) for strain in states.strain)
        assert low < a < high


def test_intermetallics_of_platinum_and_tin_are_those_of_crystallography() -> None:
    """Pt₃Sn: 2.829 Å all around; PtSn: six Sn at 2.73, two Pt at 2.72 Å around Pt."""
    rich, even = (drawn(("Pt", "Sn"), order=order) for order in ordered_of(("Pt", "Sn")))
    assert bonds(rich) == pytest.approx({"Pt-Pt": 2.829, "Pt-Sn": 2.829, "Sn-Pt": 2.829}, abs=1e-3)
    assert bonds(even) == pytest.approx({"Pt-Pt": 2.716, "Pt-Sn": 2.732, "Sn-Pt": 2.732}, abs=3e-3)
    assert rich.share == 0.75
    atoms = even.built(np.random.default_rng(1))
    first, second = neighbor_list("ij", atoms, 3.0)
    symbols = np.array(atoms.get_chemical_symbols())
    around = symbols[second[symbols[first] == "Pt"]]
    platinum = np.count_nonzero(symbols == "Pt")
    assert (np.count_nonzero(around == "Sn"), np.count_nonzero(around == "Pt")) == (6 * platinum, 2 * platinum)


@pytest.mark.parametrize(
    ("ranges", "alpha"),
    [
        ({}, (-0.08, 0.08)),
        ({"seeking": (-1.0, -1.0)}, (-0.36, -0.2)),
        ({"seeking": (1.0, 1.0)}, (0.4, 0.8)),
        ({"order": "side"}, (0.6, 1.0)),
        ({"order": "core", "atoms": ((300, 300),)}, (0.3, 0.9)),
        ({"order": "l1_0:3.7,3.6 PtNi"}, (-0.34, -0.33)),
        ({"order": "l1_0:3.7,3.6 PtNi", "exchanged": (0.5, 0.5)}, (-0.1, 0.1)),
    ],
)
def test_order_is_as_asked_for(ranges: dict[str, Any], alpha: tuple[float, float]) -> None:
    state = drawn(**ranges)
    low, high = alpha
    assert low <= state._order_of(state.built(np.random.default_rng(2))) <= high


def test_either_element_may_be_inside() -> None:
    states = states_of_both("any", ("Pt", "Ni"), 2, order="core", atoms=((200, 200),), **QUIET)
    inside = []
    for member in (0, 1):
        state, _ = states.draw(member, 1, (FeffTreatment(),), np.random.default_rng(member))
        atoms = state.built(np.random.default_rng(1))
        deep = np.linalg.norm(atoms.positions - atoms.positions.mean(axis=0), axis=1)
        symbols = np.array(atoms.get_chemical_symbols())
        inside.append(min(("Pt", "Ni"), key=lambda name: deep[symbols == name].mean()))
    assert inside == ["Pt", "Ni"]


@pytest.mark.parametrize("size", [20, 57, 141, 600])
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_sizes_and_compositions_are_met_to_the_atom(size: int, share: float) -> None:
    atoms = drawn(share=share, atoms=((size, size),)).built(np.random.default_rng(size))
    symbols = atoms.get_chemical_symbols()
    assert len(symbols) == size
    assert symbols.count("Pt") == max(round(share * size), 1)


@pytest.mark.parametrize(
    "ranges",
    [
        {"atoms": ((60, 60),), "order": "core"},
        {"vacancies": (0.1, 0.1)},
        {"order": "l1_2:3.84 Pt3Ni", "exchanged": (0.3, 0.3)},
    ],
)
def test_as_many_of_one_are_around_the_other(ranges: dict[str, Any]) -> None:
    """c_A n_AB = c_B n_BA, distance by distance."""
    found = simulated(drawn(share=0.35, **ranges))
    edges = np.arange(1.5, 8.51, 0.05)
    numbers = {element: found.symbols.count(element) for element in ("Pt", "Ni")}
    ahead, back = counts(found, ("Pt", "Ni"), edges), counts(found, ("Ni", "Pt"), edges)
    assert ahead.sum() > 1
    assert numbers["Pt"] * ahead == pytest.approx(numbers["Ni"] * back, abs=1e-9)


def test_the_first_shell_of_all_bonds_is_in_one_range() -> None:
    """Of both absorbers and both pairs, and hot: no bond is outside, and no second neighbour of platinum inside."""
    one, other = (bimetal_of(("Pt", "Ni"), *edge) for edge in (("Pt", "L3"), ("Ni", "K")))
    assert (one.neighbours, other.neighbours) == (("Pt", "Ni"), ("Ni", "Pt"))
    assert {*one.shells, *other.shells} == {one.shells[0]}
    low, high = one.shells[0]
    for share in (0.05, 0.95):
        found = simulated(drawn(share=share, temperature=(500.0, 500.0)), frames=4)
        edges = np.array([1.0, low, high])
        inside = {pair: counts(found, pair, edges) for pair in (("Pt", "Pt"), ("Pt", "Ni"), ("Ni", "Pt"), ("Ni", "Ni"))}
        assert all(of[0] == 0 for of in inside.values())
        for element in ("Pt", "Ni"):
            total = sum(inside[element, neighbour][1] for neighbour in ("Pt", "Ni"))
            assert total == pytest.approx(12, abs=0.15)


def test_both_edges_see_the_same_states() -> None:
    """Whatever FEFF treatments each has, and however many; sites are each one's own."""
    plans = [plan_of_alloy(("Pt", "Ni"), *edge, 5, 0.2) for edge in (("Pt", "L3"), ("Ni", "K"))]
    assert len(plans[0].treatments) != len(plans[1].treatments)
    one, other = (planned_states(plan) for plan in plans)
    assert [item.state for item in one] == [item.state for item in other]
    small = next(item.state for item in one if 0 < item.state.atoms < 60)
    frames = [small.simulated(plan.material, DynamicsSettings(frames=1), None).frames for plan in plans]
    assert np.array_equal(*frames)


def test_trials_have_compositions_and_sizes_that_were_not_learned_from() -> None:
    plans = [plan_of_alloy(("Pd", "Au"), "Pd", "K", 3, 1.0, held_out=held) for held in (False, True)]
    learned, tried = ([item for item in planned_states(plan) if ":" not in item.state.states.order] for plan in plans)
    for name in ("share", "atoms"):
        here, there = ({round(getattr(item.state, name), 3) for item in some} - {0} for some in (learned, tried))
        windows = [getattr(item.family, f"{name.removesuffix('s')}s") for item in tried if item.state.atoms]
        assert all(any(low <= value <= high for low, high in windows[0]) for value in there)
        assert not any(low < value < high for value in here for low, high in windows[0])
        assert min(here) < min(there) < max(there) < max(here)


def test_its_text_is_the_plan() -> None:
    plan = plan_of_alloy(("Pt", "Sn"), "Sn", "K", 7, 0.2)
    assert plan_from_mapping(tomllib.loads(plan_text(plan))) == plan


def test_all_its_potentials_are_of_one_structure_with_both_absorbers() -> None:
    plan = plan_of_alloy(("Pt", "Ni"), "Ni", "K", 7, 0.2)
    assert {kind.theory(plan.material) for kind in plan.kinds} == {"Pt3Ni"}
    still = plan.kinds[0].at_rest(plan.material)
    assert sorted(still.symbols) == ["Ni", "Pt", "Pt", "Pt"]


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        (("Pt", "Au"), "scatter alike"),
        (("Ni", "Cu"), "scatter alike"),
        (("Pt", "Pt"), "none of"),
        (("Pt", "Ge"), "nothing is known"),
    ],
)
def test_what_is_no_alloy_of_two_is_refused(elements: tuple[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        bimetal_of(elements, elements[0], "L3")


def test_metals_of_other_lattices_are_as_dense() -> None:
    iron, cobalt = METALS["Fe"], METALS["Co"]
    assert as_fcc("Fe")[0] ** 3 / 4 == pytest.approx(iron.a**3 / 2)
    atoms = crystal("hcp", cobalt.a, c=cobalt.c, element="Co", min_length=2.0)
    assert as_fcc("Co")[0] ** 3 / 4 == pytest.approx(atoms.get_volume() / len(atoms))


def test_alloys_are_told_from_compounds() -> None:
    assert bimetal_of(("Pt", "Sn"), "Pt", "L3").is_metallic
    assert not Compound("nio-ni", "Ni", "K", ("O", "Ni"), ((1.5, 2.5), (2.5, 3.5)), 2.09).is_metallic
