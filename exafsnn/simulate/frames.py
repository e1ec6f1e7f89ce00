"""Atoms in a box of any shape, and the spheres around them: ``Frame`` is one moment, ``Trajectory`` many in memory.

The dynamics makes trajectories, files of users give frames one by one (``frame_files``); ``sites`` and ``average`` cut
clusters and count distances. Spheres are whole: periodic images belong to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from exafsnn.records import Array

Index = NDArray[np.intp]

_ATOMS_AT_A_TIME = 2000
"""So many atoms' distances are counted at a time: what is in memory does not grow with the box."""


@dataclass(frozen=True)
class Frame:
    """Atoms at one moment."""

    positions: Array
    """(n, 3) [Å], wrapped into the box or not."""
    cell: Array
    """(3, 3) vectors of the box, one a row [Å]; of full rank if any of them repeats."""
    pbc: tuple[bool, bool, bool]
    """Along which of them it repeats."""
    symbols: tuple[str, ...]
    """(n) chemical symbols."""

    def images(self, reach: float) -> tuple[Array, Index]:
        """(n', 3) the atoms and their periodic images within ``reach`` of the box [Å], and (n') whose images they are.

        The atoms themselves come first, wrapped into the box.
        """
        own = np.arange(len(self.positions))
        if not any(self.pbc):
            return self.positions, own
        repeats = np.array(self.pbc)
        inverse = np.linalg.inv(self.cell)
        wraps = np.floor(self.positions @ inverse) * repeats
        positions = self.positions - wraps @ self.cell
        margin = reach * np.linalg.norm(inverse, axis=0)  # in units of the box; 1/norm is its height
        copies = np.where(repeats, np.ceil(margin), 0).astype(int)
        shifts = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in copies], indexing="ij"), axis=-1).reshape(-1, 3)
        found, owners = [positions], [own]
        fractional = positions @ inverse
        for shift in shifts[np.any(shifts != 0, axis=1)]:
            place = fractional + shift  # [atom, axis]
            near = np.all(~repeats | ((place > -margin) & (place < 1 + margin)), axis=1)
            found.append(positions[near] + shift @ self.cell)
            owners.append(own[near])
        return np.concatenate(found), np.concatenate(owners)

    def spheres(self, atoms: Iterable[int], reach: float) -> Iterator[tuple[Array, Index]]:
        """Yield, for each atom, (m, 3) all others within ``reach``, relative to it [Å], and (m) which they are.

        The nearest comes first; an atom that repeats may be its own neighbour.
        """
        images, owners = self.images(reach)
        tree = cKDTree(images)
        for atom in atoms:
            near = np.array(tree.query_ball_point(images[atom], reach), dtype=np.intp)
            near = np.sort(near[near != atom])
            relative = images[near] - images[atom]
            order = np.argsort(np.linalg.norm(relative, axis=1))
            yield relative[order], owners[near[order]]

    def distance_counts(
        self, edges: Array, atoms: Index | None = None, kinds: Index | None = None, count: int = 1
    ) -> Array:
        """(count, b) number of distances from some atoms to those of each kind, in bins of such edges [Å].

        Parameters
        ----------
        edges
            (b + 1,) [Å], above 0.
        atoms
            Of which the distances are counted; None: all.
        kinds
            (n,) number of each atom's kind, from 0; None: all are alike.
        count
            How many kinds there are.
        """
        atoms = np.arange(len(self.positions)) if atoms is None else atoms
        kinds = np.zeros(len(self.positions), dtype=np.intp) if kinds is None else kinds
        images, owners = self.images(edges[-1])
        counts = np.zeros((count, len(edges) - 1))
        for kind in range(count):
            tree = cKDTree(images[kinds[owners] == kind])
            for start in range(0, len(atoms), _ATOMS_AT_A_TIME):
                some = cKDTree(images[atoms[start : start + _ATOMS_AT_A_TIME]])
                pairs = some.sparse_distance_matrix(tree, edges[-1], output_type="ndarray")
                counts[kind] += np.histogram(pairs["v"], edges)[0]
        return counts


@dataclass(frozen=True)
class Trajectory:
    """Frames of one state in memory, all of the same atoms."""

    frames: Array
    """(f, n, 3) positions [Å]."""
    cells: Array
    """(f, 3, 3) the box of each frame, as in ``Frame``."""
    pbc: tuple[bool, bool, bool]
    phase: str
    """``"bcc"``, …, as the dynamics that made it was asked for; empty where nobody was."""
    symbols: tuple[str, ...]
    """(n) chemical symbols."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """State, settings, potential, and what the checks measured."""

    @classmethod
    def in_box(
        cls, frames: Array, edges: Array, periodic: bool, phase: str, symbols: tuple[str, ...], provenance: Any = None
    ) -> Self:
        """Frames in one orthogonal box with edges (3,) [Å] that repeats in all directions, or in none."""
        cells = np.broadcast_to(np.diag(edges), (len(frames), 3, 3))
        return cls(frames, cells, (periodic,) * 3, phase, symbols, provenance or {})

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, frame: int) -> Frame:
        return Frame(self.frames[frame], self.cells[frame], self.pbc, self.symbols)

    @property
    def periodic(self) -> bool:
        """False for free particles."""
        return any(self.pbc)

    @property
    def box(self) -> Array:
        """(3,) lengths of the box's vectors in the first frame [Å]."""
        return np.linalg.norm(self.cells[0], axis=1)

    def scaled(self, factor: float, element: str) -> Self:
        """The same atoms as ones of another element, whose lengths are so many times as large."""
        symbols = (element,) * len(self.symbols)
        return replace(self, frames=self.frames * factor, cells=self.cells * factor, symbols=symbols)
