"""What is known of metals beforehand: neighbours where the crystal has them, motion as a Debye solid's."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from exafsnn.analyse.vibration import debye_sigma2
from exafsnn.edges import tabulated
from exafsnn.errors import SettingsError
from exafsnn.infer.structure import parse_structure
from exafsnn.metals import METALS, Metal, metal_of, usual_edge

NEIGHBOURS = {"bcc": 14, "fcc": 12, "hcp": 12}
DEBYE = {"Cu": 320, "Ni": 400, "Fe": 440, "Pt": 235, "Pd": 285, "Au": 178, "W": 370, "Mo": 430, "Ag": 222, "V": 385}
"""[K], about room temperature."""


@pytest.mark.parametrize("metal", METALS.values(), ids=str)
def test_the_first_range_holds_the_first_neighbours_and_no_others(metal: Metal) -> None:
    low, high = metal.first
    shells = [shell for shell in parse_structure(metal.structure).shells(high) if shell[0] >= low]
    assert sum(count for _, count in shells) == NEIGHBOURS[metal.phase]
    beyond = parse_structure(metal.structure).shells(2 * high)
    nearest_out = min(distance for distance, _ in beyond if distance > high)
    assert nearest_out - high > 0.12 * metal.nearest
    assert shells[0][0] == pytest.approx(metal.nearest, rel=0.025)  # in hcp those of the next layer are nearer


@pytest.mark.parametrize("symbol", DEBYE)
def test_atoms_move_as_in_a_debye_solid(symbol: str) -> None:
    import xraydb

    metal = METALS[symbol]
    volume = metal.a**3 / {"bcc": 2, "fcc": 4}[metal.phase]
    half = xraydb.atomic_mass(symbol) / 2
    expected = debye_sigma2(np.array([300.0]), DEBYE[symbol], half, metal.nearest, 1 / volume)[0]
    assert metal.sigma2 == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("metal", METALS.values(), ids=str)
def test_its_edge_is_one_that_is_measured(metal: Metal) -> None:
    assert 4500 < tabulated(metal.symbol, metal.edge) < 26000
    assert math.sqrt(metal.motion) < 0.1  # Lindemann: it is solid at 300 K


def test_another_edge_of_a_metal_is_the_same_crystal() -> None:
    assert metal_of("Pt", "L2").a == METALS["Pt"].a
    with pytest.raises(SettingsError, match="nothing is known of 'Xe'"):
        metal_of("Xe")


def test_what_a_metal_is_when_hot_is_another_crystal() -> None:
    assert {symbol: metal.hot for symbol, metal in METALS.items() if metal.hot} == {
        "Ti": "bcc", "Fe": "fcc", "Co": "fcc", "Zr": "bcc"
    }  # fmt: skip
    for hot in ("bcc", "liquid"):
        with pytest.raises(SettingsError, match=f"hot = '{hot}' is none of"):
            replace(METALS["Fe"], hot=hot)


def test_usual_edges_are_k_where_beams_reach_it():
    assert {usual_edge(one) for one in ("Cu", "Se", "Zn", "Cd", "Sn", "Pd", "I")} == {"K"}
    assert {usual_edge(one) for one in ("Pt", "Au", "Pb", "Bi", "Ce", "Ba")} == {"L3"}
