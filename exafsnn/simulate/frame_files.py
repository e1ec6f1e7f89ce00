"""Trajectory files → frames, one at a time: extxyz, LAMMPS dumps, XDATCAR, DCD, and whatever else ASE reads.

``average`` calls it. The text of a frame is cut out here, and ASE reads that: so memory holds one frame, however long
the file, and a last frame that was cut short, if only by a digit of its last number, is left out and told. ASE and
MDAnalysis take such a frame, or leave it out, in silence. What a file does not say (elements of numbered types, a
cell) is asked for, never guessed.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import StringIO
from itertools import islice, pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from exafsnn.errors import ExafsnnError, Finding, SettingsError, TrajectoryError
from exafsnn.records import Array
from exafsnn.settings import Settings, is_like
from exafsnn.simulate.frames import Frame

if TYPE_CHECKING:
    from ase import Atoms

_TOO_NEAR = 0.6
"""Atoms nearer than this share of the usual distance to a nearest neighbour lie in one another …"""
_TOO_NEAR_EVER = 0.5
"""… and so do atoms nearer than this share of the sum of their covalent radii. The shortest bonds have 0.7."""
_NEIGHBOURHOOD = 4.0
"""How far beyond the box nearest neighbours are looked for [Å]."""
_LONGEST_HEAD = 60
"""Lines that a LAMMPS dump may have before the atoms of a frame."""


@dataclass(frozen=True)
class Told(Settings):
    """What a user says of a trajectory."""

    types: Mapping[str, str] = field(default_factory=dict)
    """Chemical symbols of numbered types: ``{"1": "Pt", "2": "O"}``."""
    cell: tuple[float, ...] = ()
    """a, b, c [Å], α, β, γ [°] of a box that repeats in all directions; empty: what the file says."""
    free: bool = False
    """Whether it is a particle in empty space, whatever box the file has."""
    structure: str = ""
    """A file that ASE reads, for the elements of a trajectory that has none (DCD)."""

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises
        ------
        SettingsError
            If the cell is none, or given for a free particle, or a type's element is none.
        """
        from ase.data import atomic_numbers

        if not isinstance(self.types, Mapping) or not is_like(self.free, False):
            raise SettingsError("types are no table, or free is neither true nor false", where="trajectory")
        if not isinstance(self.cell, tuple) or not all(is_like(length, 1.0) for length in self.cell):
            raise SettingsError(f"{self.cell} is no cell", where="cell", remedy="Give a, b, c in Å, and angles")
        strange = [symbol for symbol in self.types.values() if atomic_numbers.get(symbol, 0) == 0]
        if strange:
            raise SettingsError(f"{strange[0]!r} is no chemical symbol", where="types", remedy="Write them as 1=Pt,2=O")
        if self.cell and self.free:
            raise SettingsError("a free particle has no cell", where="cell", remedy="Give one of the two")
        sound = len(self.cell) in (3, 6) and np.isfinite(self.cell).all() and min(self.cell) > 0
        if self.cell and not (sound and self._vectors().any()):
            raise SettingsError(
                f"{','.join(f'{value:g}' for value in self.cell)} is no cell",
                where="cell",
                remedy="Give a,b,c in Å, and α,β,γ in degrees if they are not all 90",
            )

    def _vectors(self) -> Array:
        """(3, 3) of the cell; zeros if its angles do not close."""
        from ase.cell import Cell

        angles = self.cell[3:] or (90.0, 90.0, 90.0)
        with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
            try:
                vectors = np.asarray(Cell.fromcellpar([*self.cell[:3], *angles]))
            except (AssertionError, ValueError):
                return np.zeros((3, 3))
        return vectors if np.isfinite(vectors).all() and abs(np.linalg.det(vectors)) > 1e-6 else np.zeros((3, 3))

    def box_of(self, atoms: Atoms, where: str) -> tuple[Array, tuple[bool, bool, bool]]:
        """The box of a frame (3, 3) [Å], and along which of its vectors it repeats.

        Raises
        ------
        SettingsError
            If neither the file nor the user says.
        """
        if self.free:
            return np.zeros((3, 3)), (False, False, False)
        if self.cell:
            return self._vectors(), (True, True, True)
        cell, pbc = atoms.cell, [bool(repeats) for repeats in atoms.pbc]
        if cell.rank == 0 or any(repeats and not vector.any() for repeats, vector in zip(pbc, cell, strict=True)):
            raise SettingsError(
                "it has no cell",
                where=where,
                remedy="Give it with --cell a,b,c (Å; ,α,β,γ if they are not 90°), or say --free if it is a particle"
                " in empty space (in a plan: cell = [a, b, c], free = true)",
            )
        return np.asarray(cell.complete()), (pbc[0], pbc[1], pbc[2])


class _CutError(Exception):
    """The file ends within a frame."""


@dataclass(frozen=True)
class _Format:
    """How one format is read."""

    pieces: Callable[[Path], Iterator[Any]]
    """Yields frames that are not read yet; raises ``_CutError`` where the file ends within one."""
    read: Callable[[Any, Told], Atoms]
    tells: bool = True
    """Whether a last frame that is cut short is noticed."""


class Frames:
    """The frames of files, as if they were one: none is in memory before it is asked for.

    Parameters
    ----------
    paths
        Files that follow each other.
    told
        What the user says of them.

    Raises
    ------
    TrajectoryError
        If one cannot be read, or has no whole frame.
    """

    def __init__(self, paths: Sequence[str | Path], told: Told | None = None) -> None:
        self._told = told or Told()
        self._files = [(Path(path), _format_of(Path(path))) for path in paths]
        self.findings: list[Finding] = []
        """What was noticed about the files, and about the frames that were read so far."""
        self._counts = [self._count(*file) for file in self._files]

    def __len__(self) -> int:
        return sum(self._counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """Whole frames of each file."""
        return tuple(self._counts)

    def _count(self, path: Path, how: _Format) -> int:
        """Whole frames of a file; one that is cut short is told."""
        count = 0
        with _explained(path):
            try:
                for _ in how.pieces(path):
                    count += 1
            except _CutError:
                lost = f"{path}: the file ends within frame {count}, which is left out"
                self._note("cut-short", "warning", lost, "Copy it again if it should be whole")
        if not count:
            raise TrajectoryError("it has no whole frame", where=str(path), remedy="Copy or write it again")
        if not how.tells:
            message = f"{path}: in this format nobody can tell whether the last frame is whole"
            self._note("maybe-cut", "note", message)
        return count

    def _note(self, name: str, severity: str, message: str, remedy: str = "") -> None:
        finding = Finding(name, severity, message, remedy=remedy)
        if finding not in self.findings:
            self.findings.append(finding)

    def select(self, wanted: Collection[int]) -> Iterator[tuple[str, Frame]]:
        """Yield each of these frames, counted over all files from 0, with its name for messages; all are checked.

        Raises
        ------
        TrajectoryError
            If a frame cannot be read or cannot be: no numbers, atoms in one another, other atoms than before.
        SettingsError
            If the file leaves open what the user did not say either.
        """
        first, composition = 0, None
        for (path, how), count in zip(self._files, self._counts, strict=True):
            own = range(first, first + count)
            for number, frame in self._read(path, how, first, {number for number in wanted if number in own}):
                where = f"{path}, frame {number - first}"
                present = Counter(frame.symbols)
                composition = composition or present
                _refuse_other_atoms(present, composition, where)
                check(frame, where)
                yield where, frame
            first += count

    def _read(self, path: Path, how: _Format, first: int, needed: set[int]) -> Iterator[tuple[int, Frame]]:
        """Read those of a file's frames whose numbers are needed."""
        last = max(needed, default=-1)
        with _explained(path):
            for number, piece in enumerate(how.pieces(path) if needed else (), first):
                if number in needed:
                    where = f"{path}, frame {number - first}"
                    yield number, self._frame(_read_piece(how, piece, self._told, where), where, path)
                if number == last:
                    return

    def _frame(self, atoms: Atoms, where: str, path: Path) -> Frame:
        """The record of what ASE read, with what the user said of it."""
        cell, pbc = self._told.box_of(atoms, where)
        if (
            self._told.cell
            and atoms.cell.rank == 3
            and not np.allclose(atoms.cell.cellpar(), _parameters(cell), atol=1e-3)
        ):
            self._note("other-cell", "warning", f"{path}: the cell that was given takes the place of the file's own")
        if self._told.free and atoms.cell.rank == 3 and atoms.pbc.all():
            said = f"{path}: taken for a free particle, as was said, where the file repeats its box"
            self._note("cell-ignored", "warning", said)
        if not any(pbc) and not self._told.free:
            self._note("not-periodic", "note", f"{path}: a free particle, as the file says: its box does not repeat")
        symbols = tuple(atoms.get_chemical_symbols())
        if "X" in symbols:
            raise TrajectoryError(f"atom {symbols.index('X') + 1} is of no element", where=where)
        return Frame(np.asarray(atoms.positions, dtype=float), cell, pbc, symbols)


def _parameters(cell: Array) -> Array:
    from ase.cell import Cell

    return np.asarray(Cell(cell).cellpar())


@contextmanager
def _explained(where: Path | str) -> Iterator[None]:
    """Turn what a library says of a file that it cannot read into an error of ours."""
    try:
        yield
    except _CutError:
        raise
    except ExafsnnError as error:
        if error.where:
            raise
        raise type(error)(error.reason, where=str(where), remedy=error.remedy) from error
    except Exception as error:
        reason = (isinstance(error, OSError) and error.strerror) or f"{type(error).__name__}: {error}"
        remedy = "Look at that place, or write it again as extxyz"
        raise TrajectoryError(f"cannot be read: {reason}", where=str(where), remedy=remedy) from error


def _read_piece(how: _Format, piece: Any, told: Told, where: str) -> Atoms:
    with _explained(where):
        return how.read(piece, told)


def _format_of(path: Path) -> _Format:
    """How a file is to be read.

    Raises
    ------
    TrajectoryError
        If it is not there, or of a format that nobody knows.
    """
    from ase.io.formats import UnknownFileTypeError, filetype

    if not path.is_file():
        raise TrajectoryError("there is no such file", where=str(path), remedy="Check the path")
    if path.suffix.lower() == ".dcd":
        return _Format(_dcd_pieces, _read_dcd)
    with _explained(path):
        try:
            name = filetype(str(path))
        except UnknownFileTypeError as error:
            raise TrajectoryError(
                "of a format that ASE does not know" if path.stat().st_size else "empty",
                where=str(path),
                remedy="Write it as extxyz, LAMMPS dump, XDATCAR or DCD",
            ) from error
    known = {
        "extxyz": _Format(_texts(_xyz_pieces), _read_xyz),
        "xyz": _Format(_texts(_xyz_pieces), _read_xyz),
        "lammps-dump-text": _Format(_texts(_dump_pieces), _read_dump),
        "vasp-xdatcar": _Format(_texts(_xdatcar_pieces), _read_xdatcar),
        "traj": _Format(_traj_pieces, _as_read),
    }
    return known.get(name) or _Format(_other_pieces, _as_read, tells=False)


def _texts(pieces: Callable[[IO[str]], Iterator[list[str]]]) -> Callable[[Path], Iterator[list[str]]]:
    """Open a text file, compressed or not, for what cuts frames out of it."""

    def opened(path: Path) -> Iterator[list[str]]:
        from ase.io.formats import open_with_compression

        with open_with_compression(str(path), "r") as stream:
            yield from pieces(stream)

    return opened


def _take(stream: IO[str], count: int) -> list[str]:
    """The next lines, all of them."""
    lines = list(islice(stream, count))
    if len(lines) < count or (lines and not _is_whole(lines)):
        raise _CutError
    return lines


def _is_whole(lines: Sequence[str]) -> bool:
    """Whether the last of them ends, or is like the one before: not every program ends its last line."""
    if lines[-1].endswith("\n"):
        return True
    words, before = lines[-1].split(), lines[-2].split() if len(lines) > 1 else []
    return len(words) == len(before) > 0 and len(words[-1].partition(".")[2]) == len(before[-1].partition(".")[2]) > 0


def _xyz_pieces(stream: IO[str]) -> Iterator[list[str]]:
    """Frames of an xyz or extxyz file: number of atoms, a line of properties, the atoms."""
    for line in stream:
        if line.strip():
            yield [line, *_take(stream, int(line) + 1)]


def _dump_pieces(stream: IO[str]) -> Iterator[list[str]]:
    """Frames of a LAMMPS dump: ``ITEM: …`` and what belongs to it, the atoms last; units, told once, go with each."""
    units: list[str] = []
    for line in stream:
        if not line.strip():
            continue
        head = [line]
        while not head[-1].startswith("ITEM: ATOMS"):
            if not head[0].startswith("ITEM:") or len(head) > _LONGEST_HEAD:
                raise ValueError(
                    f"'ITEM: …' expected, {line.strip()[:40]!r} found: the frame before has more atoms than it says"
                )
            head += _take(stream, 1)
        count = next(int(after) for item, after in pairwise(head) if "NUMBER OF ATOMS" in item)
        rows = _take(stream, count)
        if any(row.startswith("ITEM:") for row in rows):
            raise ValueError("a frame has fewer atoms than it says, and others come after it")
        if "ITEM: UNITS" in head[0]:
            units = head[:2]
        yield (head if "ITEM: UNITS" in head[0] else units + head) + rows


def _xdatcar_pieces(stream: IO[str]) -> Iterator[list[str]]:
    """Frames of an XDATCAR, each with the cell that holds for it."""
    head: list[str] = []
    for line in stream:
        if "configuration=" in line.lower():
            yield [*head, line, *_take(stream, sum(map(int, head[6].split())))]
        elif line.strip() or not head:
            head = [line, *_take(stream, 6)]


def _read_xyz(lines: list[str], told: Told) -> Atoms:
    """One frame of an xyz file; LAMMPS writes types where others have elements, and ASE takes 1 for hydrogen."""
    from ase.io.extxyz import read_xyz

    column = _species_column(lines[1])
    labels = [line.split()[column] for line in lines[2:]] if column is not None else []
    if labels and all(label.isdigit() for label in labels):
        named = _named(labels, told)
        lines = [
            *lines[:2],
            *(_with_word(line, column or 0, name) for line, name in zip(lines[2:], named, strict=True)),
        ]
    atoms: Atoms = next(read_xyz(StringIO("".join(lines)), 0))
    return atoms


def _species_column(properties: str) -> int | None:
    """Which word of an atom's line is its species; None if there is none."""
    _, found, rest = properties.partition("Properties=")
    if not found:
        return 0
    words, column = rest.strip("\"'").split()[0].strip("\"'").split(":"), 0
    for name, width in zip(words[::3], words[2::3], strict=False):
        if name == "species":
            return column
        column += int(width)
    return None


def _with_word(line: str, column: int, word: str) -> str:
    words = line.split()
    return " ".join([*words[:column], word, *words[column + 1 :]]) + "\n"


def _read_dump(lines: list[str], told: Told) -> Atoms:
    """One frame of a LAMMPS dump, its atoms by number: types are named by the user, unless it has elements."""
    from ase.io.lammpsrun import read_lammps_dump_text

    units = next((lines[i + 1].strip() for i, line in enumerate(lines) if line.startswith("ITEM: UNITS")), "metal")
    columns = next(line for line in lines if line.startswith("ITEM: ATOMS")).split()[2:]
    if "element" not in columns and "type" not in columns:
        raise SettingsError("the dump has neither elements nor types", where="ITEM: ATOMS", remedy="Dump id type x y z")
    atoms: Atoms = read_lammps_dump_text(StringIO("".join(lines)), index=0, units=units)
    if "element" not in columns or (told.types and "type" in columns):
        atoms.symbols = _named([str(kind) for kind in atoms.arrays["type"]], told)
    return atoms


def _named(types: Sequence[str], told: Told) -> list[str]:
    """The elements of numbered types."""
    unnamed = sorted(set(types) - set(told.types), key=int)
    if unnamed:
        kinds = sorted(set(types), key=int)
        example, table = (sign.join(f"{kind}=…" for kind in kinds) for sign in (",", ", "))
        raise SettingsError(
            f"its atoms have types ({', '.join(unnamed)}) and no elements",
            remedy=f"Name them: --types {example} (in a plan: types = {{{table}}})",
        )
    return [told.types[kind] for kind in types]


def _read_xdatcar(lines: list[str], _: Told) -> Atoms:
    from ase.io.vasp import read_vasp_xdatcar

    if len(lines) < 9 or "direct" not in lines[7].lower():
        raise ValueError("only XDATCAR files of fractional ('Direct') coordinates, with elements, are read")
    atoms: Atoms = read_vasp_xdatcar(StringIO("".join(lines)), index=0)
    return atoms


def _traj_pieces(path: Path) -> Iterator[Any]:
    """Frames of an ASE trajectory, whose last entry is only listed once it is written; a cut file ends in the list."""
    from ase.io.trajectory import Trajectory as AseTrajectory

    with AseTrajectory(str(path)) as opened:
        for number in range(len(opened)):
            try:
                atoms = opened[number]
            except ValueError as error:  # of JSON or numpy, where there are fewer bytes than there should be
                if number == len(opened) - 1:
                    raise _CutError from error
                raise
            yield atoms


def _other_pieces(path: Path) -> Iterator[Any]:
    from ase.io import iread

    yield from iread(str(path), index=":")


def _as_read(atoms: Atoms, _: Told) -> Atoms:
    return atoms


def _dcd_pieces(path: Path) -> Iterator[Any]:
    """Frames of a DCD file of any program: ASE reads those of CP2K only.

    MDAnalysis derives the number of frames from the size of the file, and drops what is left in silence.
    """
    try:
        from MDAnalysis.lib.formats.libdcd import DCDFile
    except ImportError as error:
        raise TrajectoryError(
            "MDAnalysis is needed for DCD files", where=str(path), remedy='pip install "exafsnn[trajectories]"'
        ) from error
    with DCDFile(str(path)) as opened:
        count = len(opened)
        yield from opened
        whole = opened._header_size + opened._firstframesize + (count - 1) * opened._framesize if count else 0
        if path.stat().st_size != whole:
            raise _CutError


def _read_dcd(frame: Any, told: Told) -> Atoms:
    """One frame of a DCD file, with the elements of the structure."""
    if not told.structure:
        raise SettingsError(
            "a DCD file has no elements",
            remedy='Give a file that has them: --structure POSCAR (in a plan: structure = "POSCAR")',
        )
    atoms = _structure(told.structure).copy()
    if len(atoms) != len(frame.xyz):
        raise SettingsError(
            f"{told.structure} has {len(atoms)} atoms, the trajectory {len(frame.xyz)}",
            remedy="Give the right structure",
        )
    atoms.positions = frame.xyz
    a, gamma, b, beta, alpha, c = map(float, frame.unitcell)
    known = min(a, b, c) > 0 and not (told.cell or told.free)
    angles = np.array([alpha, beta, gamma])
    if known and np.abs(angles).max() <= 1:  # some programs write the cosines
        angles = np.degrees(np.arccos(angles))
    if known and not np.all((angles > 0) & (angles < 180)):
        raise ValueError("its cell is in a form that is not known here: give it with --cell")
    atoms.set_cell([a, b, c, *angles] if known else np.zeros((3, 3)))
    atoms.pbc = known
    return atoms


def _structure(path: str) -> Atoms:
    """The structure that names the elements of a trajectory."""
    from ase.io import read

    with _explained(path):
        found = read(path)
    return found[-1] if isinstance(found, list) else found


def _refuse_other_atoms(present: Counter[str], expected: Counter[str], where: str) -> None:
    if present != expected:
        here, first = (" ".join(f"{name}{n}" for name, n in sorted(part.items())) for part in (present, expected))
        raise TrajectoryError(
            f"it has other atoms ({here}) than the first frame ({first})",
            where=where,
            remedy="Give trajectories of one composition; a frame that lost atoms can be left out with --frames",
        )


def frame_range(text: str) -> slice:
    """``START:STOP:STEP`` of frames, each of which may be missing; ``START:`` and a lone number, too.

    Raises
    ------
    SettingsError
        If it is none.
    """
    if not re.fullmatch(r"-?\d+|-?\d*(:-?\d*){1,2}", text) or re.fullmatch(r".*:.*:-?0+", text):
        remedy = "Write START:STOP:STEP, counted from 0"
        raise SettingsError(f"{text!r} is no range of frames", where="frames", remedy=remedy)
    ends = [int(part) if part else None for part in text.split(":")]
    if len(ends) == 1:
        return slice(ends[0], None if ends[0] == -1 else (ends[0] or 0) + 1)
    return slice(*ends)


def check(frame: Frame, where: str) -> None:
    """Refuse a frame that cannot be: FEFF would go on in silence.

    Raises
    ------
    TrajectoryError
        If there is no atom, a coordinate is no number, or atoms lie in one another.
    """
    if not frame.symbols:
        raise TrajectoryError("there are no atoms", where=where)
    unsound = np.flatnonzero(~np.isfinite(frame.positions).all(axis=1))
    if unsound.size or not np.isfinite(frame.cell).all():
        what = f"the position of atom {unsound[0] + 1} is no number" if unsound.size else "the cell is no number"
        raise TrajectoryError(what, where=where, remedy="Leave that frame out with --frames, or write it again")
    _refuse_overlaps(frame, where)


def _refuse_overlaps(frame: Frame, where: str) -> None:
    """Atoms nearer than any bond, or than 0.6 of what is usual for the more crowded of the two elements."""
    from ase.data import atomic_numbers, covalent_radii

    images, owners = frame.images(_NEIGHBOURHOOD)
    if len(images) < 2:
        return
    distances, found = cKDTree(images).query(images[: len(frame.symbols)], k=2)
    own = np.arange(len(frame.symbols))
    near = np.where(found[:, 0] == own, found[:, 1], found[:, 0])  # of atoms in one place either comes first
    distance, other = distances[:, 1], owners[near]
    symbols = np.array(frame.symbols)
    kinds, kind = np.unique(symbols, return_inverse=True)
    usual = np.array([np.median(distance[kind == number]) for number in range(len(kinds))])
    radius = np.array([covalent_radii[atomic_numbers[name]] for name in kinds])
    least = np.maximum(
        _TOO_NEAR * np.minimum(usual[kind], usual[kind[other]]), _TOO_NEAR_EVER * (radius[kind] + radius[kind[other]])
    )
    bad = int(np.argmin(distance - least))
    if distance[bad] < least[bad]:
        raise TrajectoryError(
            f"atoms {bad + 1} ({symbols[bad]}) and {other[bad] + 1} ({symbols[other[bad]]}) are {distance[bad]:.2f} Å"
            f" apart, nearer than {least[bad]:.2f} Å; usual for {symbols[bad]} is {usual[kind[bad]]:.2f} Å",
            where=where,
            remedy="Are lengths in Å, and is the cell right? If that frame alone is so, leave it out with --frames",
        )
