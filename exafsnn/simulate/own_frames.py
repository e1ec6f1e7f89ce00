"""A user's own trajectories as states of a library: each is cut into blocks of frames, and nothing is moved here.

``validate.make`` reads the files with ``gathered``, which keeps what is needed of them in the user's cache, so that a
library depends on the frames and not on the format that they came in; ``library`` samples the blocks.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from exafsnn.compounds import Compound, Material
from exafsnn.errors import Finding, SettingsError, SimulationError
from exafsnn.files import checksum_of
from exafsnn.metals import usual_edge
from exafsnn.physics.feff import FeffTreatment
from exafsnn.records import Array, PartialRDF
from exafsnn.settings import Settings
from exafsnn.simulate.average import absorbers_of, shells_of
from exafsnn.simulate.cache import kept
from exafsnn.simulate.dynamics import DynamicsSettings
from exafsnn.simulate.frame_files import Frames, Told
from exafsnn.simulate.frames import Frame, Trajectory
from exafsnn.simulate.states import one_of
from exafsnn.workers import Tell, silent

_DECIMALS = 6
"""Of positions and cells [Å]: beyond them formats differ that hold the same numbers."""
_SITES = 24
"""A block has at least so many absorbers, frames counted …"""
_ABSORBERS = 6000
"""… and of no more frames than have so many of them …"""
_FRAMES = 12
"""… or of so many."""
_TRIED_OF, _TRIED = 7, (2, 5)
"""Of so many blocks in a row these, from 0, set the error bars and are not learned from."""
_FEWEST = 20
"""Blocks without which nothing can be learned and tried."""
_FROM, _STEP, _FAR = 0.5, 0.02, 8.5
"""n(r) begins here, has such bins, and ends where the atoms of a site do [Å]."""
_LOOKED_AT = 100
"""Frames of which n(r) is made."""
_BEYOND = 6.5
"""First shells begin before it [Å]."""
_LEAST, _MOST = 0.75, 1.3
"""A first shell begins at so many of its distances at most, and ends at so many at most."""
_NEAREST, _NEIGHBOURHOOD = 0.98, 4.0
"""Tables of scattering begin at so many of the smallest distance of all, or of this one [Å]."""
_TEMPERATURE = 300.0
"""What stands for the temperature, which files do not tell: the same for all, so that none is preferred [K]."""


@dataclass(frozen=True)
class KeptFrames:
    """The frames of one file, in the user's cache: a ``Need`` that this machine alone can meet."""

    content: str
    """Their checksum."""
    here = True

    @property
    def name(self) -> str:
        """As of ``Need``."""
        return f"frames {self.content[:16]}"

    def require(self) -> None:
        """As of ``Need``."""
        self.made()

    def made(self) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
        """As of ``Need``.

        Raises
        ------
        SimulationError
            If they are gone.
        """

        def gone() -> tuple[dict[str, Any], dict[str, Array]]:
            raise SimulationError(
                "frames of a trajectory are no longer in the cache",
                where=self.name,
                remedy="Run exafsnn make with the plan that names the trajectory: it reads them again",
            )

        return kept("frames", {"content": self.content}, gone, lambda label, arrays: (label, arrays))

    def restored(self, label: Mapping[str, Any], arrays: Mapping[str, Array]) -> Trajectory:
        """As of ``Need``."""
        a, b, c = label["pbc"]
        told = {"numbers": label["numbers"], "nearest": label["nearest"]}
        return Trajectory(arrays["positions"], arrays["cells"], (a, b, c), "", tuple(label["symbols"]), told)

    @property
    def trajectory(self) -> Trajectory:
        """They, on this machine."""
        return self.restored(*self.made())


@dataclass(frozen=True)
class OwnFrames(Settings):
    """States of one trajectory."""

    name: str
    phase: str
    """Which of the trajectories it is."""
    count: int
    content: str
    """Checksum of its frames, which are in the user's cache."""
    blocks: tuple[tuple[int, int], ...]
    """(count) the first of its frames of each state, and that behind its last."""

    def draw(
        self, member: int, _seed: int, treatments: Sequence[FeffTreatment], rng: np.random.Generator
    ) -> tuple[FrameBlock, FeffTreatment]:
        """As of ``States``."""
        first, end = self.blocks[member]
        return FrameBlock(self.phase, self.content, first, end), one_of(treatments, rng)

    def theory(self, _material: Material) -> str:
        """As of ``States``: all trajectories of a plan are of the same atoms, and have one."""
        return "trajectory"

    def at_rest(self, _material: Material) -> Trajectory:
        """As of ``States``: the first frame."""
        frames = KeptFrames(self.content).trajectory
        return replace(frames, frames=frames.frames[:1], cells=frames.cells[:1])


@dataclass(frozen=True)
class FrameBlock:
    """One state: successive frames."""

    phase: str
    content: str
    first: int
    end: int

    @property
    def need(self) -> KeptFrames:
        """As of ``State``."""
        return KeptFrames(self.content)

    def simulated(self, _material: Material, _dynamics: DynamicsSettings, needed: Trajectory) -> Trajectory:
        """As of ``State``: its frames, as they are."""
        numbers = np.array(needed.provenance["numbers"])
        own = (self.first <= numbers) & (numbers < self.end)
        return Trajectory(needed.frames[own], needed.cells[own], needed.pbc, self.phase, needed.symbols)

    def label(self, material: Material) -> dict[str, Any]:
        """As of ``State``."""
        told = {"phase": self.phase, "content": self.content, "block": [self.first, self.end]}
        return told | {"a": material.nearest, "temperature": _TEMPERATURE, "vacancies": 0.0, "atoms": 0}


@dataclass(frozen=True)
class Gathered:
    """What a model of own trajectories is made from."""

    compound: Compound
    learned: tuple[OwnFrames, ...]
    tried: tuple[OwnFrames, ...]
    """Other blocks of the same files."""
    findings: tuple[Finding, ...]
    """What was noticed about the files."""


def gathered(
    paths: Sequence[str | Path],
    told: Told,
    absorber: str,
    edge: str,
    states: int,
    *,
    frames: slice = slice(None),
    progress: Tell = silent,
) -> Gathered:
    """Cut trajectories into blocks, keep their frames in the user's cache, and see what is around the absorber.

    Positions are wrapped into the box and rounded to 10⁻⁶ Å, and atoms put into an order that does not depend on the
    file's: trajectories that hold the same numbers give the same states to the last digit.

    Parameters
    ----------
    paths
        Trajectory files of the same atoms.
    told
        What they do not say.
    states
        How many blocks are wanted of all files together.
    frames
        Which of each file.
    progress
        Called with how many frames are read, how many there are, and what is done.

    Raises
    ------
    TrajectoryError
        If a file cannot be read, holds what cannot be, or other atoms than the first.
    SettingsError
        If files leave open what nobody told, have too few frames, or lack the absorber.
    ExafsnnError
        If the cache cannot be written.
    """
    source = Frames(paths, told)
    asked = [sorted(range(count)[frames]) for count in source.counts]
    if not all(asked):
        where = str(paths[[bool(numbers) for numbers in asked].index(False)])
        raise SettingsError("none of its frames is asked for", where=where, remedy="They count from 0")
    where, first = next(source.select({asked[0][0]}))
    each = len(absorbers_of(first, absorber, where))
    blocks = _blocks(asked, states, each)
    if len(blocks) < _FEWEST:
        raise SettingsError(
            f"{sum(map(len, asked))} frames with {each} {absorber} each make {len(blocks)} states of at least {_SITES}"
            f" sites, and {_FEWEST} are needed",
            where=", ".join(map(str, paths)),
            remedy="Give more frames; exafsnn average trains nothing, and takes a single one",
        )
    found = list(_kept_frames(source, blocks, progress))
    compound = compound_of_frames([content.trajectory for content in found], absorber, edge)
    learned, tried = (_tables(blocks, found, part) for part in (False, True))
    return Gathered(compound, learned, tried, tuple(source.findings))


@dataclass(frozen=True)
class _Block:
    """Frames that make a state."""

    file: int
    first: int
    end: int
    """Behind the last."""
    used: tuple[int, ...]
    """Those of its frames that are kept."""
    tried: bool


def _blocks(asked: Sequence[Sequence[int]], states: int, each: int) -> list[_Block]:
    """About so many blocks of the frames that are asked for of each file, which have so many absorbers ``each``."""
    least = -(-_SITES // each)
    most = max(least, min(_FRAMES, -(-_ABSORBERS // each)))
    total, parts = sum(map(len, asked)), []
    for file, numbers in enumerate(asked):
        share = max(1, min(len(numbers) // least, round(states * len(numbers) / total)))
        cuts = np.linspace(0, len(numbers), share + 1).round().astype(int)
        parts += [(file, numbers[low:high]) for low, high in pairwise(cuts)]
    chosen = [parts[number] for number in _spread(len(parts), states)]
    return [
        _Block(
            file, own[0], own[-1] + 1, tuple(own[row] for row in _spread(len(own), most)), place % _TRIED_OF in _TRIED
        )
        for place, (file, own) in enumerate(chosen)
    ]


def _spread(count: int, most: int) -> list[int]:
    """So many of so many at most, evenly."""
    taken = min(count, most)
    return ((np.arange(taken) + 0.5) * count / taken).astype(int).tolist()


def _tables(blocks: Sequence[_Block], found: Sequence[KeptFrames], tried: bool) -> tuple[OwnFrames, ...]:
    """The blocks that are learned from, or those that are tried, as tables of a plan."""
    tables = []
    for file, frames in zip(sorted({block.file for block in blocks}), found, strict=True):
        own = tuple((block.first, block.end) for block in blocks if block.file == file and block.tried == tried)
        if own:
            tables.append(OwnFrames("own frames", f"trajectory {file + 1}", len(own), frames.content, own))
    return tuple(tables)


def _kept_frames(source: Frames, blocks: Sequence[_Block], progress: Tell) -> Iterator[KeptFrames]:
    """Put the frames of each file into the cache."""
    starts = np.cumsum([0, *source.counts]).tolist()
    numbers = [starts[block.file] + number for block in blocks for number in block.used]
    read = zip(numbers, source.select(set(numbers)), strict=True)
    for file, own in groupby(enumerate(read, start=1), lambda item: bisect_right(starts, item[1][0]) - 1):
        frames, places = [], []
        for done, (number, (where, frame)) in own:
            frames.append(frame)
            if frame.pbc != frames[0].pbc:
                raise SettingsError("its box repeats otherwise than before", where=where, remedy="Give one kind a plan")
            places.append(number - starts[file])
            progress(done, len(numbers), "frames are read")
        label, arrays = _alike(frames, places)
        content = checksum_of(json.dumps(label, sort_keys=True), arrays)
        kept("frames", {"content": content}, partial(_pair, label, arrays), _pair)
        yield KeptFrames(content)


def _pair(label: Mapping[str, Any], arrays: Mapping[str, Array]) -> tuple[Mapping[str, Any], Mapping[str, Array]]:
    return label, arrays


def _alike(frames: Sequence[Frame], numbers: Sequence[int]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Frames as any format has them: rounded, wrapped, the atoms of each by element and by where they are.

    Which atom is which from one frame to the next is of no matter here, and not every file tells.
    """
    cells = np.array([frame.cell for frame in frames]).round(_DECIMALS) + 0.0
    positions = np.array([_wrapped(frame, cell) for frame, cell in zip(frames, cells, strict=True)])
    orders = [np.lexsort((*own.T[::-1], frame.symbols)) for own, frame in zip(positions, frames, strict=True)]
    symbols = [frames[0].symbols[atom] for atom in orders[0]]
    nearest = min(_shortest(frame) for frame in frames)
    label = {"symbols": symbols, "pbc": list(frames[0].pbc), "numbers": list(numbers), "nearest": nearest}
    return label, {
        "positions": np.array([own[order] for own, order in zip(positions, orders, strict=True)]),
        "cells": cells,
    }


def _wrapped(frame: Frame, cell: Array) -> Array:
    """(n, 3) rounded positions within the box [Å], along what repeats."""
    positions = frame.positions.round(_DECIMALS)
    if any(frame.pbc):
        places = positions @ np.linalg.inv(cell)
        positions = positions - np.floor(places + 10.0 ** -(_DECIMALS + 2)) * np.array(frame.pbc) @ cell
    return positions.round(_DECIMALS) + 0.0


def _shortest(frame: Frame) -> float:
    """Distance of the nearest two atoms [Å], as far as it matters."""
    images, _ = frame.images(_NEIGHBOURHOOD)
    if len(images) < 2:
        return _NEIGHBOURHOOD
    nearest = cKDTree(images).query(images[: len(frame.symbols)], k=2)[0][:, 1].min()
    return round(_NEAREST * min(float(nearest), _NEIGHBOURHOOD), 2)


def compound_of_frames(trajectories: Sequence[Trajectory], absorber: str, edge: str) -> Compound:
    """What is known of an absorber in trajectories: which elements come near it, and their first shells.

    Raises
    ------
    SettingsError
        If an element comes near it only beyond where shells are, or nothing does.
    """
    frames = [trajectory[number] for trajectory in trajectories for number in range(len(trajectory))]
    frames = [frames[number] for number in _spread(len(frames), _LOOKED_AT)]
    elements = sorted(set(frames[0].symbols))
    rdf = _rdf_of(frames, absorber, elements)
    near = [element for element, density in zip(elements, rdf.density, strict=True) if density.any()]
    if not near:
        raise SettingsError(f"nothing is within {_FAR:g} Å of any {absorber}", where="absorber")
    shells = {element: _first_shell(rdf, absorber, element) for element in near}
    order = sorted(near, key=lambda element: shells[element][0])
    limits = tuple((round(low, 2), round(high, 2)) for _, low, high in (shells[element] for element in order))
    other = "" if edge == usual_edge(absorber) else f"-{edge}"
    return Compound(
        f"{''.join(elements)}-{absorber}{other}".lower(), absorber, edge, tuple(order), limits,
        round(shells[order[0]][0], 3),
    )  # fmt: skip


def _rdf_of(frames: Sequence[Frame], absorber: str, elements: Sequence[str]) -> PartialRDF:
    """n(r) around the absorbers of all frames."""
    edges = np.arange(_FROM, _FAR + 0.5 * _STEP, _STEP)
    symbols = np.array(frames[0].symbols)
    counts = np.zeros((len(elements), len(edges) - 1))
    for frame in frames:
        symbols = np.array(frame.symbols)
        kinds = np.searchsorted(elements, symbols)
        counts += frame.distance_counts(edges, np.flatnonzero(symbols == absorber), kinds, len(elements))
    density = counts / (len(frames) * np.count_nonzero(symbols == absorber) * _STEP)
    pairs = tuple(f"{absorber}-{element}" for element in elements)
    return PartialRDF(edges[:-1] + 0.5 * _STEP, pairs, density, np.full_like(density, np.nan))


def _first_shell(rdf: PartialRDF, absorber: str, element: str) -> tuple[float, float, float]:
    """Distance of an element's first shell, and where it begins and ends [Å]."""
    pair = f"{absorber}-{element}"
    start = float(rdf.r[np.flatnonzero(rdf.density[rdf.pairs.index(pair)])[0]])
    if start > _BEYOND:
        raise SettingsError(
            f"{element} comes no nearer to {absorber} than {start:.1f} Å",
            where="absorber",
            remedy=f"Leave its atoms out of the trajectory: no first shell is beyond {_BEYOND:g} Å",
        )
    shells = shells_of(rdf)[pair]
    shell = shells[0] if shells else rdf.shell(pair, start, min(_MOST * start, _FAR))
    return shell.distance, min(_LEAST * shell.distance, start), min(shell.r_max, _MOST * shell.distance)
