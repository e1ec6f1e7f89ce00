"""Totals, composition and short-range order: of crystals, alloys and particles whose order is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.cluster import Octahedron
from ase.neighborlist import neighbor_list

from exafsnn.analyse.columns import Key, Point, columns_of
from exafsnn.analyse.order import MetalShare, Neighbours, orders_of
from exafsnn.errors import SettingsError
from exafsnn.records import Exchange, PartialRDF
from exafsnn.simulate.alloys import segregated, with_order
from exafsnn.simulate.cells import UnitCell

R = np.arange(1.5, 6.4, 0.03) + 0.015
FIRST = (2.2, 3.3)


def peak(n, r=2.77, width=0.09):
    """(…, b) of numbers (…)."""
    shape = np.exp(-0.5 * ((R - r) / width) ** 2)
    return np.multiply.outer(n, shape / shape.sum() / 0.03)


def rdf_of(absorber, numbers, std=0.3, common=0.0, seed=0):
    """Neighbours (by element) of one absorber, each counted to ``std``, and all alike to a share ``common``."""
    random = np.random.default_rng(seed)
    drawn = np.array(list(numbers.values())) + std * random.standard_normal((200, len(numbers)))
    drawn = np.maximum(drawn * (1 + common * random.standard_normal((200, 1))), 0)
    pairs, density = tuple(f"{absorber}-{element}" for element in numbers), peak(np.array(list(numbers.values())))
    return PartialRDF(R, pairs, density, np.zeros_like(density), peak(drawn))


def prediction_of(make_prediction, rdf, composition=None):
    shells = {"first" if row == 0 else f"first {pair}": rdf.shell(pair, *FIRST) for row, pair in enumerate(rdf.pairs)}
    return replace(make_prediction(), rdf=rdf, shells=shells, composition=composition or {})


def counted(atoms, reach, elements):
    """Mean numbers of neighbours within ``reach`` [Å], by absorber and neighbour."""
    first, second = neighbor_list("ij", atoms, reach)
    symbols = np.array(atoms.get_chemical_symbols())
    return {
        a: {b: float(np.sum((symbols[first] == a) & (symbols[second] == b)) / np.sum(symbols == a)) for b in elements}
        for a in elements
    }


def both(numbers, std=0.0):
    """Of two absorbers, whose samples belong together if there is no error."""
    one, other = numbers
    return Neighbours.of(rdf_of(one, numbers[one], std), *FIRST).beside(
        Neighbours.of(rdf_of(other, numbers[other], std, seed=1), *FIRST), tied=True
    )


@pytest.mark.parametrize(
    ("pair", "composition", "said"),
    [
        ("Pt-Sn", {"Pt": 0.5, "Sn": 0.9}, "Pt 0.5, Sn 0.9 add up to 1.4"),
        ("Pt-Sn", {"Pt": 1.0, "Sn": 0.0}, "Pt 1, Sn 0 has no share of Sn"),
        ("Pt-Sn", {"Pt": 0.5}, "Pt 0.5 has no share of Sn"),
        ("Pt-Sn", {"Pt": 1.5, "Sn": -0.5}, "has no share of Sn"),
        ("Pt-Cu", {"Pt": 0.5, "Sn": 0.5}, "no pair Pt-Cu. There are Pt-Pt, Pt-Sn"),
        ("Pt-Sn", None, "the composition is not known. Give it"),
    ],
)
def test_what_is_no_composition_is_refused(pair, composition, said):
    found = Neighbours.of(rdf_of("Pt", {"Pt": 8.0, "Sn": 4.0}), *FIRST)
    with pytest.raises(SettingsError, match=said):
        found.order(pair, composition)


def test_perfect_order_is_within_its_interval():
    """No sample has fewer atoms than none: where there is hardly one they all have more than the answer."""
    rdf = rdf_of("Pt", {"Sn": 12.0, "Pt": 0.02})
    few = peak(np.linspace(0.03, 0.15, len(rdf.samples)))
    found = Neighbours.of(replace(rdf, samples=np.stack([rdf.samples[:, 0], few], axis=1)), *FIRST)
    share, order = found.composition("Pt-Sn"), found.order("Pt-Sn", {"Pt": 0.5, "Sn": 0.5})
    assert share.value < 1 == share.high
    assert order.low == -1 < order.value


@pytest.mark.parametrize(
    ("name", "formula", "unlike", "alpha"),
    [
        ("l1_0:3.85,3.71", "PtFe", ("Pt", "Fe"), -1 / 3),  # 8 of 12 are unlike, half would be by chance
        ("l1_2:3.75", "Cu3Au", ("Au", "Cu"), -1 / 3),  # all of 12, three quarters would be
        ("l1_2:3.75", "Cu3Au", ("Cu", "Au"), -1 / 3),  # 4 of 12, a quarter would be
    ],
)
def test_ordered_crystals_have_their_known_order(name, formula, unlike, alpha):
    cell = UnitCell.named(name, formula)
    elements = tuple(dict.fromkeys(cell.atoms.get_chemical_symbols()))
    numbers = counted(cell.atoms.repeat(3), 3.2, elements)
    symbols = cell.atoms.get_chemical_symbols()
    composition = {element: symbols.count(element) / len(symbols) for element in elements}
    around = Neighbours.of(rdf_of(unlike[0], numbers[unlike[0]]), *FIRST)
    assert around.order("-".join(unlike), composition).value == pytest.approx(alpha, abs=1e-6)
    assert both(numbers).order("-".join(unlike)).value == pytest.approx(alpha, abs=1e-6)
    assert around.total(unlike[0]).value == pytest.approx(12, abs=1e-6)


def test_an_alloy_has_the_order_that_it_was_given():
    box = UnitCell.named("fcc:3.92", "Pt").alloyed({"Pt": {"Pt": 0.6, "Pd": 0.4}}).built(15.0, np.random.default_rng(0))
    for wanted in (0.0, -0.15, 0.2):
        atoms, reached = with_order(box, ("Pt", "Pd"), wanted, (2.4, 3.2), np.random.default_rng(1))
        found = both(counted(atoms, 3.2, ("Pt", "Pd")))
        assert found.order("Pt-Pd").value == pytest.approx(reached, abs=1e-6)
        assert found.order("Pd-Pt").value == pytest.approx(reached, abs=1e-6)
        assert abs(reached - wanted) < 0.02


def test_core_and_shell_are_told_by_order_and_by_who_has_more_neighbours():
    particle = Octahedron("Pt", 7, cutoff=2)
    numbers = counted(
        segregated(particle, {"Pt": 0.4, "Pd": 0.6}, "radius", np.random.default_rng(0)), 3.2, ("Pt", "Pd")
    )
    found = both(numbers)
    assert found.order("Pt-Pd").value > 0.3
    assert found.segregation("Pt", "Pd").value > 2
    assert found.segregation("Pd", "Pt").value == pytest.approx(-found.segregation("Pt", "Pd").value)


def test_both_edges_tell_the_composition():
    """Published coordinations of Pt₂Sn have N(Pt-Sn)/N(Sn-Pt) = c_Sn/c_Pt if they are of one sample."""
    found = both({"Pt": {"Pt": 6.0, "Sn": 3.0}, "Sn": {"Sn": 1.0, "Pt": 6.0}}).shares()
    assert found["Pt"].value == pytest.approx(2 / 3)
    assert found["Pt"].value + found["Sn"].value == pytest.approx(1, abs=1e-12)


def test_shares_around_an_absorber_sum_to_one_with_errors_that_cancel():
    around = Neighbours.of(rdf_of("Pt", {"Pt": 8.0, "Sn": 4.0}), *FIRST)
    own, other = around.composition("Pt-Pt"), around.composition("Pt-Sn")
    assert own.value + other.value == pytest.approx(1, abs=1e-12)
    assert own.std == pytest.approx(other.std, rel=1e-9)
    assert (own.low, own.high) == pytest.approx((1 - other.high, 1 - other.low))


def test_errors_are_those_of_the_samples_and_the_amplitude_cancels():
    """σ(x)² = (N₂² σ₁² + N₁² σ₂²)/N⁴ of independent N; an error of all alike changes it by nothing."""
    exact = np.hypot(8 * 0.3, 4 * 0.3) / 12**2
    for common in (0.0, 0.1):
        found = Neighbours.of(rdf_of("Pt", {"Pt": 8.0, "Sn": 4.0}, common=common), *FIRST).composition("Pt-Sn")
        assert found.std == pytest.approx(exact, rel=0.1)
        assert found.low < found.value - exact < found.value + exact < found.high
    doubled = rdf_of("Pt", {"Pt": 8.0, "Sn": 4.0})
    told = replace(doubled.shell("Pt-Sn", *FIRST), coordination_std=0.6)
    wider = replace(doubled, told=(told,))
    assert Neighbours.of(wider, *FIRST).composition("Pt-Sn").std > 1.5 * exact


def test_what_the_data_do_not_tell_is_in_composition_and_order():
    rdf = rdf_of("Ni", {"Ni": 6.0, "Cu": 6.0})
    density = np.stack([peak(np.array(0.0)), peak(np.array(12.0))])
    open_, told = (
        Neighbours.of(replace(rdf, exchanges=(Exchange("Ni-Ni", *FIRST, value, density),)), *FIRST)
        for value in (0.0, 30.0)
    )
    found = open_.composition("Ni-Cu")
    assert found.high == pytest.approx(1, abs=1e-9)
    assert found.std == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    assert told.composition("Ni-Cu").std < 0.03
    assert open_.total("Ni").std == pytest.approx(told.total("Ni").std, rel=1e-6)


def test_of_a_tie_without_contacts_nothing_is_known():
    found = both({"Pt": {"Pt": 8.0, "Sn": 0.0}, "Sn": {"Sn": 8.0, "Pt": 0.0}}).order("Pt-Sn")
    assert np.isnan([found.value, found.std]).all()


def test_each_range_of_a_prediction_has_its_order(make_prediction):
    one = prediction_of(make_prediction, rdf_of("Pt", {"Pt": 6.0, "Sn": 3.0}))
    other = prediction_of(make_prediction, rdf_of("Sn", {"Sn": 1.0, "Pt": 6.0}, seed=1))
    (alone,) = orders_of([one])
    assert list(alone) == ["first", "first Pt-Sn"]
    assert alone["first Pt-Sn"].order is None  # of one edge nobody knows the composition …
    known = orders_of([replace(one, composition={"Pt": 2 / 3, "Sn": 1 / 3})])[0]["first Pt-Sn"]
    together = orders_of([one, other], tied=True)[0]["first Pt-Sn"]
    assert known.order  # … unless the model does …
    assert together.order  # … or the other edge
    assert [known.order.value, together.order.value] == pytest.approx([0, 0], abs=1e-6)
    assert together.order.std > 0
    assert known.total.value == pytest.approx(9, rel=1e-3)
    assert known.composition.value == pytest.approx(1 / 3, rel=1e-3)
    assert orders_of([make_prediction()]) == [{}]


def test_a_series_has_columns_of_them(make_prediction):
    prediction = prediction_of(make_prediction, rdf_of("Pt", {"Pt": 6.0, "Sn": 3.0}), {"Pt": 2 / 3, "Sn": 1 / 3})
    (orders,) = orders_of([prediction])
    points = [Point(0.0, prediction.shells, None, orders=orders), Point(1.0, prediction.shells, None)]
    columns = columns_of(points)
    assert columns[Key("composition", "first Pt-Sn")].value[0] == pytest.approx(1 / 3, rel=1e-3)
    assert np.isnan(columns[Key("order", "first Pt-Sn")].value).tolist() == [False, True]
    assert columns[Key("total", "first")].std[0] == orders["first"].total.std


def phases(count=40, seed=3):
    """RDFs (n, 2 b) of palladium, whole and hot or a particle, and its oxide, and which of them are the metal."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        width, lacking = random.uniform(0.07, 0.14), random.uniform(0.85, 1.0)
        metal = [peak(0.0), lacking * (peak(12.0, 2.76, width) + peak(6.0, 3.9, 1.2 * width))]
        oxide = [peak(4.0, 2.02, width), peak(4.0, 3.04, width) + peak(8.0, 3.42, 1.2 * width)]
        rows.append(np.concatenate(metal if number % 2 else oxide))
    return np.array(rows), np.arange(count) % 2 == 1


def mixture(share, amplitude=1.0, seed=9):
    rows, is_metal = phases(20, seed)
    row = amplitude * (share * rows[is_metal].mean(axis=0) + (1 - share) * rows[~is_metal].mean(axis=0))
    samples = row + 0.05 * np.random.default_rng(1).standard_normal((200, len(row)))
    density = row.reshape(2, -1)
    return PartialRDF(R, ("Pd-O", "Pd-Pd"), density, np.zeros_like(density), samples.reshape(200, 2, -1))


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_the_share_of_metal_in_mixtures_with_its_oxide(share):
    found = MetalShare(R, *phases()).of(mixture(share))
    assert found.value == pytest.approx(share, abs=0.04)
    assert 0 < found.std < 0.05


def test_the_share_of_metal_knows_no_amplitude():
    finder = MetalShare(R, *phases())
    assert finder.of(mixture(0.4, 0.8)).value == pytest.approx(finder.of(mixture(0.4)).value, abs=1e-9)
