"""Trajectory files: three formats say the same; what they do not say is asked for; what is broken is told."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from exafsnn.errors import SettingsError, TrajectoryError
from exafsnn.simulate.frame_files import Frames, Told, check
from exafsnn.simulate.frames import Frame

PLATINUM = Told(types={"1": "Pt"})


def shaking(count: int, repeat: int = 2, seed: int = 0) -> list[Atoms]:
    """Platinum in a skewed box that breathes."""
    rng, frames = np.random.default_rng(seed), []
    for number in range(count):
        atoms = bulk("Pt", "fcc", a=3.92 + 0.002 * number).repeat(repeat)
        atoms.set_cell(atoms.cell.standard_form()[0], scale_atoms=True)
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
        frames.append(atoms)
    return frames


def dump_text(frames: list[Atoms], columns: str = "x", element: bool = False, shuffle: bool = True) -> str:
    """A LAMMPS dump as LAMMPS writes it, its atoms in no order; skewed boxes have their bounding box."""
    text, rng = "", np.random.default_rng(3)
    for step, atoms in enumerate(frames):
        (x, *_), (xy, y, _), (xz, yz, z) = np.asarray(atoms.cell)
        low, high = min(0, xy, xz, xy + xz), x + max(0, xy, xz, xy + xz)
        text += f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{len(atoms)}\nITEM: BOX BOUNDS xy xz yz pp pp pp\n"
        text += f"{low:.12f} {high:.12f} {xy:.12f}\n{min(0, yz):.12f} {y + max(0, yz):.12f} {xz:.12f}\n"
        text += f"0 {z:.12f} {yz:.12f}\n"
        names = " ".join(f"{axis}{columns[1:]}" for axis in "xyz")
        text += f"ITEM: ATOMS id {'element' if element else 'type'} {names}\n"
        places = atoms.get_scaled_positions(wrap=columns == "xs") if "s" in columns else atoms.positions
        order = rng.permutation(len(atoms)) if shuffle else np.arange(len(atoms))
        text += "".join(
            f"{i + 1} {'Pt' if element else 1} {places[i][0]:.10f} {places[i][1]:.10f} {places[i][2]:.10f}\n"
            for i in order
        )
    return text


def read(path: Path, told: Told | None = None) -> list[Frame]:
    frames = Frames([path], told)
    return [frame for _, frame in frames.select(range(len(frames)))]


@pytest.mark.parametrize("count", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_three_formats_give_the_same_frames(tmp_path: Path, count: int) -> None:
    """200 frames of 500 atoms: to the eighth decimal that extxyz and, of fractions of the box, XDATCAR carry."""
    atoms = bulk("Pt", "fcc", a=3.92, cubic=True).repeat(5)
    rng, frames = np.random.default_rng(1), []
    for number in range(count):
        moved = atoms.copy()
        moved.set_cell(atoms.cell * (1 + 1e-4 * number), scale_atoms=True)
        moved.positions += rng.normal(0, 0.07, moved.positions.shape)
        frames.append(moved)
    write(tmp_path / "a.extxyz", frames)
    write(tmp_path / "XDATCAR", frames, format="vasp-xdatcar")
    (tmp_path / "a.lammpstrj").write_text(dump_text(frames))
    for name, told, digits in (("a.extxyz", None, 6e-9), ("XDATCAR", None, 3e-7), ("a.lammpstrj", PLATINUM, 1e-9)):
        found = read(tmp_path / name, told)
        assert len(found) == count
        for frame, true in zip(found, frames, strict=True):
            off = true.cell.scaled_positions(frame.positions - true.positions)
            assert np.abs((off - np.round(off)) @ true.cell).max() < digits
            assert frame.cell == pytest.approx(np.asarray(true.cell), abs=1e-6)


@pytest.mark.parametrize("columns", ["x", "xs", "xu", "xsu"])
def test_every_kind_of_coordinates_of_a_dump(tmp_path: Path, columns: str) -> None:
    frames = shaking(2)
    (tmp_path / "a.dump").write_text(dump_text(frames, columns))
    for found, true in zip(read(tmp_path / "a.dump", PLATINUM), frames, strict=True):
        vectors = [next(iter(frame.spheres([3], 6.0)))[0] for frame in (found, _frame(true))]
        here, there = (np.array(sorted(map(tuple, np.round(part, 5) + 0.0))) for part in vectors)
        assert here == pytest.approx(there, abs=2e-5)


def _frame(atoms: Atoms) -> Frame:
    return Frame(atoms.positions, np.asarray(atoms.cell), (True,) * 3, tuple(atoms.symbols))


@pytest.mark.parametrize("name", ["a.extxyz", "a.lammpstrj", "XDATCAR", "a.traj"])
@pytest.mark.parametrize("lost", [2, 5, 40, 300])
def test_a_last_frame_that_is_cut_short_is_left_out_aloud(tmp_path: Path, name: str, lost: int) -> None:
    """By two bytes, too: what is left of the last number is a number."""
    path = tmp_path / name
    if name == "a.lammpstrj":
        path.write_text(dump_text(shaking(3), element=True))
    else:
        write(path, shaking(3), **({"format": "vasp-xdatcar"} if name == "XDATCAR" else {}))
    path.write_bytes(path.read_bytes()[:-lost])
    frames = Frames([path])
    assert len(frames) == len(list(frames.select(range(len(frames))))) == 2
    (told,) = frames.findings
    assert told.severity == "warning"
    assert "the file ends within frame 2, which is left out" in told.message


def test_a_last_line_needs_no_end(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", shaking(2))
    (tmp_path / "a.extxyz").write_text((tmp_path / "a.extxyz").read_text().rstrip("\n"))
    frames = Frames([tmp_path / "a.extxyz"])
    assert (len(frames), frames.findings) == (2, [])


def test_a_frame_that_is_cut_short_before_others_is_refused(tmp_path: Path) -> None:
    lines = dump_text(shaking(3), element=True).splitlines(keepends=True)
    (tmp_path / "a.dump").write_text("".join(lines[:14] + lines[17:]))
    with pytest.raises(TrajectoryError, match="fewer atoms than it says, and others come after it"):
        Frames([tmp_path / "a.dump"])


def test_types_without_elements_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_text(dump_text(shaking(1)))
    with pytest.raises(SettingsError, match=r"types \(1\) and no elements. Name them: --types 1=…"):
        read(tmp_path / "a.dump")
    (tmp_path / "a.xyz").write_text('2\nLattice="9 0 0 0 9 0 0 0 9"\n1 0 0 0\n2 2 0 0\n')
    with pytest.raises(SettingsError, match=r"a\.xyz.*Name them: --types 1=…,2=…"):
        read(tmp_path / "a.xyz", PLATINUM)
    (frame,) = read(tmp_path / "a.xyz", Told(types={"1": "Pt", "2": "O"}))
    assert frame.symbols == ("Pt", "O")


def test_a_missing_cell_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_text("2\n\nPt 0 0 0\nPt 2.7 0 0\n")
    with pytest.raises(SettingsError, match=r"no cell. Give it with --cell a,b,c .* or say --free"):
        read(tmp_path / "a.xyz")
    (boxed,) = read(tmp_path / "a.xyz", Told(cell=(9.0, 9.0, 9.0, 90.0, 90.0, 60.0)))
    assert abs(np.linalg.det(boxed.cell)) == pytest.approx(9**3 * np.sqrt(0.75))
    (free,) = read(tmp_path / "a.xyz", Told(free=True))
    assert not any(free.pbc)
    for wrong in ((1.0, 2.0), (9.0, 9.0, 9.0, 170.0, 20.0, 20.0), (9.0, 9.0, -9.0)):
        with pytest.raises(SettingsError, match="is no cell"):
            Told(cell=wrong)


def test_a_box_that_repeats_is_not_silently_taken_for_a_particle(tmp_path: Path) -> None:
    write(tmp_path / "a.extxyz", shaking(1, 3))
    frames = Frames([tmp_path / "a.extxyz"], Told(free=True))
    assert not any(frame.pbc[0] for _, frame in frames.select([0]))
    assert [finding.name for finding in frames.findings] == ["cell-ignored"]


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "a.extxyz").touch()
    with pytest.raises(TrajectoryError, match="empty"):
        read(tmp_path / "a.extxyz")


def test_atoms_in_one_another_are_refused_by_name() -> None:
    atoms = shaking(1, 3)[0]
    atoms.positions[7] = atoms.positions[12] + [0.5, 1.0, 0.8]
    with pytest.raises(TrajectoryError, match=r"a.xyz, frame 3: atoms (8|13) .* (8|13) .* are 1\.37 Å apart"):
        check(_frame(atoms), "a.xyz, frame 3")


def test_all_atoms_in_one_another_are_refused_too() -> None:
    """Half the atoms twice, or lengths in nm: then the usual distance is wrong itself."""
    atoms = shaking(1, 3)[0]
    for wrong in (atoms + atoms, Atoms(atoms.symbols, 0.1 * atoms.positions, cell=0.1 * atoms.cell, pbc=True)):
        with pytest.raises(TrajectoryError, match="Are lengths in Å, and is the cell right"):
            check(_frame(wrong), "")


def test_short_bonds_beside_long_ones_are_believed() -> None:
    slab = bulk("Pt", "fcc", a=3.92, cubic=True).repeat(3)
    slab.pbc, slab.cell[2, 2] = True, 30.0
    water = Atoms("OHH", [[3, 3, 15], [3.76, 3.59, 15], [2.24, 3.59, 15]])
    check(_frame(slab + water), "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("2\nLattice=\"9 0 0 0 9 0 0 0 9\"\nPt 0 0 nan\nPt 2.7 0 0\n", "frame 0: the position of atom 1 is no number"),
        ("two\n\nPt 0 0 0\n", "cannot be read"),
        ("2\nLattice=\"9 0 0 0 9 0 0 0 9\"\nQq 0 0 0\nPt 2.7 0 0\n", "frame 0: cannot be read"),
        ("0\n\n", "no"),
        ("5\n\nPt 0 0 0\n", "no whole frame"),
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.xyz").write_text(text)
    with pytest.raises((TrajectoryError, SettingsError), match=re.escape(reason)):
        read(tmp_path / "a.xyz")


def test_frames_of_other_atoms_are_refused(tmp_path: Path) -> None:
    frames = shaking(3)
    del frames[1][2]
    write(tmp_path / "a.extxyz", frames)
    with pytest.raises(TrajectoryError, match=r"frame 1: it has other atoms \(Pt7\) than the first frame \(Pt8\)"):
        read(tmp_path / "a.extxyz")


def test_files_follow_one_another(tmp_path: Path) -> None:
    for number in (0, 1):
        write(tmp_path / f"{number}.extxyz", shaking(3, seed=number))
    frames = Frames([tmp_path / "0.extxyz", tmp_path / "1.extxyz"])
    names = [Path(name).name for name, _ in frames.select(range(1, 6, 2))]
    assert names == ["0.extxyz, frame 1", "1.extxyz, frame 0", "1.extxyz, frame 2"]


def test_a_dcd_file_needs_a_structure(tmp_path: Path) -> None:
    pytest.importorskip("MDAnalysis.lib.formats.libdcd", reason="MDAnalysis is not installed")
    from MDAnalysis.lib.formats.libdcd import DCDFile

    frames = shaking(4)
    with DCDFile(str(tmp_path / "a.dcd"), "w") as file:
        file.write_header(natoms=8, istart=0, nsavc=1, delta=1.0, is_periodic=1, remarks="")
        for atoms in frames:
            a, b, c, alpha, beta, gamma = atoms.cell.cellpar()
            file.write(atoms.positions.astype(np.float32), [a, gamma, b, beta, alpha, c])
    with pytest.raises(SettingsError, match="--structure"):
        read(tmp_path / "a.dcd")
    write(tmp_path / "POSCAR", frames[0])
    told = Told(structure=str(tmp_path / "POSCAR"))
    for found, true in zip(read(tmp_path / "a.dcd", told), frames, strict=True):
        assert found.positions == pytest.approx(true.positions, abs=1e-6)
        assert found.cell == pytest.approx(np.asarray(true.cell), abs=1e-5)
    (tmp_path / "a.dcd").write_bytes((tmp_path / "a.dcd").read_bytes()[:-3])
    cut = Frames([tmp_path / "a.dcd"], told)
    assert (len(cut), len(cut.findings)) == (3, 1)


def test_memory_holds_one_frame_however_many_there_are(tmp_path: Path) -> None:
    few, many = shaking(1, 11), shaking(1, 11) * 20
    peaks = []
    for frames in (few * 3, many):
        (tmp_path / "a.dump").write_text(dump_text(frames, element=True, shuffle=False))
        tracemalloc.start()
        source = Frames([tmp_path / "a.dump"])
        assert sum(1 for _ in source.select(range(len(source)))) == len(frames)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]
