"""A user's own frames as states: formats do not matter, blocks are learned from or tried, what cannot be is refused."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from exafsnn.errors import ExafsnnError, SettingsError, SimulationError
from exafsnn.simulate.frame_files import Told
from exafsnn.simulate.library import build, load
from exafsnn.simulate.own_frames import Gathered, KeptFrames, OwnFrames, gathered
from exafsnn.simulate.plan import plan_of_frames, plan_text, planned_states, read_plan
from exafsnn.simulate.sites import SiteSettings, rdf_edges, sample_state
from exafsnn.validate.recipes import recipe_of_file

TYPES = {"1": "Pt", "2": "Sn"}
PLAN = '[compound]\ntrajectory = "{}"\nabsorber = "Pt"\nedge = "L3"\n'


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path / "cache"))


def alloy(count: int, repeat: int = 2, seed: int = 0, a: float = 4.0) -> list[Atoms]:
    """PtSn in motion, of coordinates that all formats hold exactly: multiples of 10⁻⁴ Å in a box of 8 or 20 Å."""
    rng, still = np.random.default_rng(seed), bulk("Pt", "fcc", a=a, cubic=True).repeat(repeat)
    still.symbols[len(still) // 2 :] = "Sn"
    frames = []
    for _ in range(count):
        moved = still.copy()
        moved.positions = (moved.positions + rng.normal(0, 0.06, moved.positions.shape)).round(4)
        frames.append(moved)
    return frames


def write_dump(path: Path, frames: list[Atoms]) -> None:
    """As LAMMPS does, in no order of atoms, wrapped into the box."""
    rng, text = np.random.default_rng(3), ""
    for step, atoms in enumerate(frames):
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS pp pp pp\n"
        text += "".join(f"0 {edge:.6f}\n" for edge in atoms.cell.lengths()) + "ITEM: ATOMS id type x y z\n"
        places = atoms.get_positions(wrap=True)
        for i in rng.permutation(len(atoms)):
            kind = {"Pt": 1, "Sn": 2}[atoms.symbols[i]]
            text += f"{i + 1} {kind} {places[i][0]:.6f} {places[i][1]:.6f} {places[i][2]:.6f}\n"
    path.write_text(text)


def written(folder: Path, frames: list[Atoms]) -> list[tuple[Path, Told]]:
    """The same frames in three formats."""
    write(folder / "a.extxyz", frames)
    write(folder / "XDATCAR", frames, format="vasp-xdatcar")
    write_dump(folder / "a.lammpstrj", frames)
    return [
        (folder / "a.extxyz", Told()),
        (folder / "XDATCAR", Told()),
        (folder / "a.lammpstrj", Told(types=TYPES)),
    ]


def platinum(path: Path, told: Told | None = None, states: int = 40) -> Gathered:
    return gathered([path], told or Told(), "Pt", "L3", states)


def test_three_formats_are_the_same_states_to_the_last_digit(tmp_path: Path) -> None:
    first, *others = (platinum(path, told) for path, told in written(tmp_path, alloy(60)))
    for other in others:
        assert (other.compound, other.learned, other.tried) == (first.compound, first.learned, first.tried)
    kept = KeptFrames(first.learned[0].content).trajectory
    true = alloy(60)[kept.provenance["numbers"][7]]
    places = true.get_positions(wrap=True)
    here, there = (np.array(sorted(map(tuple, part.round(5) + 0.0))) for part in (kept.frames[7], places))
    assert here == pytest.approx(there, abs=1e-6)


def test_the_order_of_atoms_is_of_no_matter(tmp_path: Path) -> None:
    frames = alloy(40)
    order = np.random.default_rng(1).permutation(len(frames[0]))
    contents = []
    for name, some in (("a", frames), ("b", [atoms[order] for atoms in frames])):
        write(tmp_path / f"{name}.extxyz", some)
        contents.append(platinum(tmp_path / f"{name}.extxyz").learned)
    assert contents[0] == contents[1]


@pytest.mark.slow
def test_three_formats_give_the_same_library_to_the_last_digit(tmp_path: Path) -> None:
    """Simulated by FEFF: few sites, and small ones."""
    checksums = []
    for path, told in written(tmp_path, alloy(60)):
        found = platinum(path, told)
        plan = plan_of_frames(found.compound, found.tried, 1)
        sites = SiteSettings(sites=2, control_sites=0, reach=3.5, fade=0.4, far=5.0)
        (tmp_path / "plan.toml").write_text(plan_text(replace(plan, treatments=plan.treatments[1:], sites=sites)))
        build(tmp_path / "plan.toml", tmp_path / f"{path.name}.h5", 1)
        library = load(tmp_path / f"{path.name}.h5")
        assert (len(library.states), library.discarded) == (found.tried[0].count, ())
        assert library.states[0].sample.rdf.sum() > 12
        checksums.append(library.checksum)
    assert len(set(checksums)) == 1


def test_blocks_are_learned_from_or_tried(tmp_path: Path) -> None:
    for number in (0, 1):
        write(tmp_path / f"{number}.extxyz", alloy(70, seed=number))
    found = gathered([tmp_path / "0.extxyz", tmp_path / "1.extxyz"], Told(), "Pt", "L3", 40, frames=slice(10, None))
    for phase in ("trajectory 1", "trajectory 2"):
        blocks = [
            {block for table in part if table.phase == phase for block in table.blocks}
            for part in (found.learned, found.tried)
        ]
        every = sorted(blocks[0] | blocks[1])
        assert every[0][0] == 10
        assert every[-1][1] == 70
        assert all(one[1] == other[0] for one, other in pairwise(every))
        assert not blocks[0] & blocks[1]
        assert len(blocks[1]) == pytest.approx(2 / 7 * len(every), abs=2)


def test_a_plan_survives_its_file_and_states_are_its_blocks(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", alloy(50))
    found = platinum(tmp_path / "a.extxyz")
    plan = plan_of_frames(found.compound, found.learned, 3)
    (tmp_path / "plan.toml").write_text(plan_text(plan))
    assert read_plan(tmp_path / "plan.toml") == plan
    states = planned_states(plan)
    frames = KeptFrames(found.learned[0].content).trajectory
    seen = [item.state.simulated(found.compound, plan.dynamics, frames) for item in states]
    assert sorted(len(one) for one in seen) == sorted(end - first for first, end in found.learned[0].blocks)
    assert len({one.frames.tobytes() for one in seen}) == len(states) == found.learned[0].count
    assert {item.state.need.content for item in states} == {found.learned[0].content}


def test_shells_are_those_of_the_crystal(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", alloy(40, repeat=3))
    compound = platinum(tmp_path / "a.extxyz").compound
    assert (compound.name, set(compound.neighbours)) == ("ptsn-pt", {"Pt", "Sn"})
    for low, high in compound.shells:
        assert low < 2.5 < 4 / np.sqrt(2) < high < 4.0
    assert compound.nearest == pytest.approx(4 / np.sqrt(2), abs=0.03)


def test_tables_go_down_to_the_smallest_distance(tmp_path: Path) -> None:
    """Atoms in motion come nearer than in any structure at rest; water's hydrogen nearer than 0.6 of it."""
    frames = alloy(40)
    water = molecule("H2O")
    for atoms in frames:
        atoms.set_cell([8.0, 8.0, 16.0])
        water.positions += np.array([4.0, 4.0, 10.5]) - water.positions[0]
        atoms += water
    write(tmp_path / "a.extxyz", frames)
    found = platinum(tmp_path / "a.extxyz")
    still = found.learned[0].at_rest(found.compound)
    assert 0.93 < still.provenance["nearest"] < 0.97
    assert (len(still), set(still.symbols)) == (1, {"H", "O", "Pt", "Sn"})


def test_a_lone_absorber_is_no_neighbour_of_itself(tmp_path: Path) -> None:
    rng, still, frames = np.random.default_rng(0), bulk("Cu", "fcc", a=3.7, cubic=True).repeat(3), []
    still.symbols[0] = "Pt"
    for _ in range(500):
        moved = still.copy()
        moved.positions += rng.normal(0, 0.05, moved.positions.shape)
        frames.append(moved)
    write(tmp_path / "a.extxyz", frames)
    found = gathered([tmp_path / "a.extxyz"], Told(), "Pt", "L3", 40)
    assert found.compound.neighbours == ("Cu",)
    trajectory = KeptFrames(found.learned[0].content).trajectory
    settings = SiteSettings(sites=3, control_sites=0, far=4.3)
    sample = sample_state(trajectory, _Nothing(), settings, np.random.default_rng(1), ("Pt", ("Cu",)))
    assert sample.rdf.sum(axis=1) == pytest.approx([18.0], abs=0.3)
    assert sample.rdf.shape == (1, len(rdf_edges(4.3)) - 1)


class _Nothing:
    def sums(self, clusters, settings, _rng):
        nothing = np.zeros((settings.sites, 5))
        return nothing, nothing, nothing, np.zeros((2, 5))


def test_frames_that_are_gone_are_told(tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match=r"no longer in the cache.*reads them again"):
        KeptFrames("0" * 64).require()
    assert OwnFrames("a", "b", 1, "0" * 64, ((0, 3),)).blocks == ((0, 3),)


def _overlapping(frames: list[Atoms]) -> list[Atoms]:
    frames[5].positions[3] = frames[5].positions[9] + [0.9, 0, 0]
    return frames


def _losing(frames: list[Atoms]) -> list[Atoms]:
    del frames[7][-1]
    return frames


def _bare(frames: list[Atoms]) -> list[Atoms]:
    return [Atoms(atoms.symbols, atoms.positions) for atoms in frames]


@pytest.mark.parametrize(
    ("spoil", "change", "said"),
    [
        (_overlapping, ("", ""), r"a.extxyz, frame 5: atoms (4|10) .* apart, nearer than"),
        (_losing, ("", ""), r"a.extxyz, frame 7: it has other atoms \(Pt16 Sn15\) than the first frame \(Pt16 Sn16\)"),
        (_bare, ("", ""), r"a.extxyz, frame 0: it has no cell.*in a plan: cell = \[a, b, c\], free = true"),
        (list, ('"Pt"', '"Pd"'), r"there is no Pd among its atoms \(Pt, Sn\)"),
        (list, ("L3", "L9"), "no L9 edge"),
        (list, ('edge = "L3"\n', ""), "edge is missing.*Give trajectory ="),
        (list, ("edge", "temperature = 3\nedge"), "unknown key temperature"),
        (list, ("a.extxyz", "b.extxyz"), "there is no such file"),
        (list, ('"a.extxyz"', "[]"), "names no files"),
        (list, ('"a.extxyz"', "3"), "names no files"),
        (list, ("edge", "cell = 'wide'\nedge"), "is no cell"),
        (list, ("edge", "cell = [9.0, 9.0]\nedge"), "is no cell"),
        (list, ("edge", "types = 'Pt'\nedge"), "types are no table"),
        (list, ("edge", "types = {1 = 'Xx'}\nedge"), "is no chemical symbol"),
        (list, ("edge", "frames = '30:'\nedge"), r"10 frames with 16 Pt each make 5 states .* 20 are needed"),
        (list, ("edge", "frames = '50:'\nedge"), "none of its frames is asked for"),
        (list, ("edge", "frames = 'late'\nedge"), "no range of frames"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_made(tmp_path: Path, spoil, change, said) -> None:
    write(tmp_path / "a.extxyz", spoil(alloy(40)))
    (tmp_path / "own.toml").write_text(PLAN.format("a.extxyz").replace(*change))
    with pytest.raises(ExafsnnError, match=said):
        recipe_of_file(tmp_path / "own.toml")


def test_types_are_asked_for_and_named_in_the_plan(tmp_path: Path) -> None:
    write_dump(tmp_path / "a.lammpstrj", alloy(60))
    plan = PLAN.format("a.lammpstrj")
    (tmp_path / "own.toml").write_text(plan)
    with pytest.raises(SettingsError, match=r"types \(1, 2\) and no elements.*types = \{1=…, 2=…\}"):
        recipe_of_file(tmp_path / "own.toml")
    (tmp_path / "own.toml").write_text(plan + 'types = {1 = "Pt", 2 = "Sn"}\n')
    recipe = recipe_of_file(tmp_path / "own.toml")
    assert (recipe.name, recipe.states) == ("ptsn-pt", 30)


def test_files_of_other_compositions_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", alloy(30))
    write(tmp_path / "b.extxyz", [atoms[:-2] for atoms in alloy(30)])
    plan = PLAN.format("a.extxyz").replace('"a.extxyz"', '["a.extxyz", "b.extxyz"]')
    (tmp_path / "own.toml").write_text(plan)
    with pytest.raises(ExafsnnError, match=r"b.extxyz, frame 0: it has other atoms \(Pt16 Sn14\)"):
        recipe_of_file(tmp_path / "own.toml")


def test_a_frame_that_was_cut_short_is_lost_aloud(tmp_path: Path) -> None:
    path = tmp_path / "a.extxyz"
    write(path, alloy(50))
    path.write_bytes(path.read_bytes()[:-7])
    (tmp_path / "own.toml").write_text(PLAN.format("a.extxyz"))
    with pytest.warns(UserWarning, match="the file ends within frame 49, which is left out"):
        recipe = recipe_of_file(tmp_path / "own.toml")
    assert max(table.blocks[-1][1] for plan in (recipe.library, recipe.trial) for table in plan.frames) == 49
    with warnings.catch_warnings(action="ignore"):
        assert recipe_of_file(tmp_path / "own.toml") == recipe
