"""Averages of trajectories: crystals have their shells, errors are what random parts of a trajectory differ by."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.io import write

from exafsnn.errors import SettingsError
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate import average as averaging
from exafsnn.simulate.average import AverageSettings, average, make_theory
from exafsnn.simulate.frames import Frame
from exafsnn.simulate.sites import LIBRARY_K

Frames = Callable[..., list[Atoms]]
SMALL = AverageSettings(sites=40, reach=4.0, far=5.0, fade=0.5)


def test_shells_of_a_crystal(tmp_path: Path, toy: None, crystal_in_motion: Frames) -> None:
    write(tmp_path / "a.extxyz", crystal_in_motion(60, 1))
    found = average([tmp_path / "a.extxyz"], "Cu", settings=SMALL)
    first, second, third = found.shells["Cu-Cu"]
    assert [shell.coordination for shell in (first, second, third)] == pytest.approx([12, 6, 24], rel=2e-3)
    assert first.distance == pytest.approx(3.63 / np.sqrt(2) + 2 * 0.08**2 / 2.567, abs=2e-3)  # motion across the bond
    assert first.sigma2 == pytest.approx(2 * 0.08**2, rel=0.06)
    assert 0 < first.distance_std < 2e-3
    assert (found.frames, found.sites, found.edge) == (60, 40, "K")
    assert found.rdf.shell("Cu-Cu", 2.0, 3.1).coordination == pytest.approx(12, rel=1e-3)


def test_all_sites_of_one_frame_are_their_plain_mean(tmp_path: Path, toy: None, crystal_in_motion: Frames) -> None:
    """χ = χ_single[n(r)] + ⟨χ − χ_single⟩ is ⟨χ⟩ where nothing is left out."""
    atoms = crystal_in_motion(1, 3)[0]
    write(tmp_path / "a.xyz", atoms, format="extxyz")
    settings = AverageSettings(sites=len(atoms), reach=4.0, far=5.0, fade=0.5)
    found = average([tmp_path / "a.xyz"], "Cu", settings=settings)
    frame = Frame(atoms.positions, np.asarray(atoms.cell), (True,) * 3, tuple(atoms.symbols))
    theory = averaging.make_theory(frame, "Cu", "K", settings)
    chosen = averaging._Plan.of(1, len(atoms), settings).sites_of(0)
    each = []
    for positions, near in frame.spheres(chosen, settings.far):
        r = np.linalg.norm(positions, axis=1)
        single = theory.kernel(0, r) @ averaging._ends(r, settings)
        each.append(single + theory.multiple(positions, np.ones(len(near), dtype=int), settings))
    assert found.chi == pytest.approx(np.mean(each, axis=0), abs=2e-4 * np.abs(found.chi).max())
    assert any("errors of χ(k) are those of the choice of sites alone" in said for said in found.warnings)
    assert np.isnan(found.shells["Cu-Cu"][0].coordination_std)


@pytest.mark.slow
def test_parts_of_a_trajectory_differ_by_what_they_say(tmp_path: Path, toy: None, crystal_in_motion: Frames) -> None:
    """Random pairs of its parts: (χ − χ′)/√(σ² + σ′²) has unit variance, and so have R and σ²."""
    frames, parts = crystal_in_motion(2400, 11), 24
    length = len(frames) // parts
    answers = []
    for part in range(parts):
        write(tmp_path / "a.extxyz", frames[part * length : (part + 1) * length])
        own = replace(SMALL, seed=part)  # else all would choose alike, and what they sample would cancel
        answers.append(average([tmp_path / "a.extxyz"], "Cu", settings=own))
    rng, chi, shell = np.random.default_rng(4), [], []
    for _ in range(20):
        order = rng.permutation(parts)
        for a, b in zip(order[::2], order[1::2], strict=True):
            one, two = answers[a], answers[b]
            chi.append((one.chi - two.chi) / np.hypot(one.chi_std, two.chi_std))
            here, there = one.shells["Cu-Cu"][0], two.shells["Cu-Cu"][0]
            shell.append(
                [
                    (getattr(here, name) - getattr(there, name))
                    / np.hypot(getattr(here, f"{name}_std"), getattr(there, f"{name}_std"))
                    for name in ("distance", "sigma2")
                ]
            )
    used = (LIBRARY_K > 3) & (LIBRARY_K < 14)
    assert np.mean(np.square(chi)[:, used]) == pytest.approx(1.0, abs=0.2)
    assert np.mean(np.square(shell), axis=0) == pytest.approx(1.0, abs=0.5)


def test_sites_are_spread_evenly() -> None:
    plan = averaging._Plan.of(50, 8, AverageSettings(sites=30))
    assert np.bincount(plan.absorber_of_site).max() - np.bincount(plan.absorber_of_site).min() <= 1
    assert plan.sites.sum() == 30
    assert len(plan.frames) == 30
    assert all(plan.group_of[frame] == group for group, frame in enumerate(plan.frame_of_site))
    more = averaging._Plan.of(5, 8, AverageSettings(sites=30))
    assert [len(more.sites_of(frame)) for frame in range(5)] == [6] * 5
    assert len(averaging._Plan.of(2, 3, AverageSettings(sites=30)).frame_of_site) == 6


def test_groups_of_unlike_size_do_not_look_like_scatter() -> None:
    plan = averaging._Plan.of(100, 8, AverageSettings(sites=40))
    assert set(plan.frames) == {2, 3}
    still = averaging._Parts(np.ones((40, 1, 2)), np.ones((40, 2)), np.ones((40, 2)), plan)
    assert still.weighted(still.multiple) == pytest.approx(1.0, abs=1e-14)
    of_frames = np.arange(100.0)
    means = np.array([of_frames[plan.group_of == group].mean() for group in range(40)])[:, None]
    assert still.weighted(means).mean() == pytest.approx(of_frames.mean())


def test_what_is_not_there_is_told(tmp_path: Path, toy: None, crystal_in_motion: Frames) -> None:
    write(tmp_path / "a.extxyz", crystal_in_motion(2, 1))
    with pytest.raises(SettingsError, match=r"frame 0: there is no Pt among its atoms \(Cu\)"):
        average([tmp_path / "a.extxyz"], "Pt")
    with pytest.raises(SettingsError, match="'Xx' is no chemical symbol"):
        average([tmp_path / "a.extxyz"], "Xx")
    with pytest.raises(SettingsError, match="no frame of 2 is asked for"):
        average([tmp_path / "a.extxyz"], "Cu", frames=slice(5, None))


@pytest.mark.slow
def test_a_sites_paths_are_those_of_feff(monkeypatch: pytest.MonkeyPatch, crystal_in_motion: Frames) -> None:
    """FEFF's own path finder, filters off, gives the same χ(k) at FEFF's energies."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    benchmark = importlib.import_module("average")
    atoms = crystal_in_motion(1, 2, repeat=3)[0]
    frame = Frame(atoms.positions, np.asarray(atoms.cell), (True,) * 3, tuple(atoms.symbols))
    settings = AverageSettings(reach=4.6, far=4.6, fade=0.0)
    theory = make_theory(frame, "Cu", "K", settings, FeffTreatment(name="atoms-hl", scf_radius=0.0))
    ((positions, _),) = frame.spheres([0], 4.6)
    chi = benchmark.of_site(theory, positions, settings).sum(axis=0)
    expected = benchmark.of_feff(theory.potentials, np.vstack([np.zeros(3), positions]), 4.6)
    used = benchmark.energies(theory.potentials)
    assert benchmark.size(chi - expected, used) < 0.002 * benchmark.size(expected, used)
