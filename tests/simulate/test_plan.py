"""Plans: from a metal to the states of its library, and to text and back."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from exafsnn.errors import SettingsError
from exafsnn.metals import METALS, Metal
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate.plan import plan_for, plan_from_mapping, plan_text, planned_states, read_plan
from exafsnn.simulate.potentials import training_potentials


@pytest.mark.parametrize("symbol", ["Fe", "Cu", "Co", "W"])
def test_the_plan_of_a_metal_is_mostly_its_own_crystal(symbol: str) -> None:
    metal = METALS[symbol]
    states = planned_states(plan_for(metal, 1))
    drawn = [item.state.sample.state for item in states]
    own = [state for state in drawn if state.phase in (metal.phase, metal.hot)]
    assert len(own) > 0.6 * len(states)
    assert len([state for state in own if state.phase == metal.phase]) > 0.4 * len(states)
    assert {state.phase for state in drawn} == {"bcc", "fcc", "hcp", "liquid"}
    assert all(state.potential in training_potentials(state.phase) for state in drawn)


def test_a_metal_that_changes_when_hot_is_hot_in_both_crystals() -> None:
    iron, copper = (planned_states(plan_for(METALS[symbol], 1)) for symbol in ("Fe", "Cu"))
    assert {item.family.phase for item in iron if item.family.name.startswith("hot")} == {"bcc", "fcc"}
    assert {item.family.phase for item in iron if item.state.sample.atoms} == {"bcc", "fcc"}
    assert {item.family.phase for item in copper if item.state.sample.atoms} == {"fcc"}


def test_two_seeds_share_no_state() -> None:
    states = [planned_states(plan_for(METALS["Cu"], seed)) for seed in (1, 2)]
    drawn = [{item.state.sample.state.temperature for item in some} for some in states]
    assert not drawn[0] & drawn[1]


def test_its_text_is_the_plan() -> None:
    plan = plan_for(METALS["Pt"], 7, 0.3)
    assert plan_from_mapping(tomllib.loads(plan_text(plan))) == plan


def test_scales_are_those_of_bonds_and_motion() -> None:
    plan = plan_for(METALS["Pt"], 7)
    assert plan.length_scale == pytest.approx(2.775 / 2.527, rel=1e-3)
    assert plan.temperature_scale * METALS["Pt"].motion == pytest.approx(0.005 / 2.527**2, rel=1e-3)
    assert plan_for(METALS["Fe"], 7).length_scale == 1
    assert plan_for(METALS["Fe"], 7).temperature_scale == pytest.approx(1)


@pytest.mark.parametrize("metal", METALS.values(), ids=str)
def test_its_own_lattice_at_room_temperature_is_amidst_what_is_simulated(metal: Metal) -> None:
    plan = plan_for(metal, 1)
    for family in plan.families:
        if family.name in (metal.phase, f"cold {metal.phase}"):
            low, high = (plan.length_scale * a for a in family.a)
            assert low + 0.01 * metal.a < metal.a < high - 0.01 * metal.a


def test_a_treatment_that_no_state_can_be_made_with_is_refused_before_the_dynamics(tmp_path: Path) -> None:
    plan = plan_for(METALS["Ni"], 7, 0.1)
    wrong = replace(plan, treatments=(*plan.treatments, FeffTreatment("old", program="6L")))
    (tmp_path / "plan.toml").write_text(plan_text(wrong))
    with pytest.raises(SettingsError, match=r"plan\.toml, treatment old: it has program 6L, .*Use program 8\.5L"):
        read_plan(tmp_path / "plan.toml")
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    assert read_plan(tmp_path / "plan.toml") == plan
