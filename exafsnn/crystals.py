"""Crystals by name: ``zincblende:5.6687`` with the elements of ``ZnSe`` → where the atoms of a cell are.

The one home of names, lattices and sites; it needs no other program. ``infer`` reads a standard's shells from it,
``simulate`` makes atoms of it. Sites and free parameters are those of the International Tables for Crystallography,
volume A (of two origins the one at a centre of symmetry), and of the structures' usual standards.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from exafsnn.errors import SettingsError
from exafsnn.records import Array

_Points = tuple[tuple[float, float, float], ...]
_Sites = tuple[_Points, ...]

_CENTRINGS: Mapping[str, _Points] = {
    "P": ((0, 0, 0),),
    "I": ((0, 0, 0), (1 / 2, 1 / 2, 1 / 2)),
    "F": ((0, 0, 0), (0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0)),
    "R": ((0, 0, 0), (2 / 3, 1 / 3, 1 / 3), (1 / 3, 2 / 3, 2 / 3)),
}


@dataclass(frozen=True)
class Prototype:
    """A kind of crystal: its lattice, and where each of its elements sits."""

    formula: str
    """One letter for each element in the order in which they are given: ``"AB2X4"``."""
    system: str
    """``"cubic"`` (a), ``"tetragonal"`` or ``"hexagonal"`` (a, c)."""
    centring: str
    sites: Callable[..., _Sites]
    """Free parameters → for each element its sites in fractions of the cell, without the centring."""
    free: Mapping[str, float]
    """Free parameters and what they are if not given."""

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of the numbers that follow the kind; those of the free parameters may be left out."""
        return ("a",) if self.system == "cubic" else ("a", "c")

    @property
    def counts(self) -> tuple[int, ...]:
        """Atoms of each element in the formula."""
        return tuple(count for _, count in parts_of(self.formula))


def _fixed(*sites: _Points) -> Callable[..., _Sites]:
    """Sites without a free parameter."""
    return lambda: sites


def _both(*points: tuple[float, float, float]) -> _Points:
    """Points, and their images in the centre of symmetry."""
    return (*points, *((-x, -y, -z) for x, y, z in points))


def _wurtzite(u: float) -> _Sites:
    return tuple(((1 / 3, 2 / 3, z), (2 / 3, 1 / 3, z + 1 / 2)) for z in (0, u))


def _rutile(u: float) -> _Sites:
    return ((0, 0, 0), (1 / 2, 1 / 2, 1 / 2)), (*_both((u, u, 0)), (1 / 2 + u, 1 / 2 - u, 1 / 2),
                                                (1 / 2 - u, 1 / 2 + u, 1 / 2))  # fmt: skip


def _anatase(u: float) -> _Sites:
    return ((0, 0, 0), (0, 1 / 2, 1 / 4)), (*_both((0, 0, u)), (0, 1 / 2, 1 / 4 + u), (0, 1 / 2, 1 / 4 - u))


def _spinel(u: float) -> _Sites:
    oxygen = (
        *((u, u, u), (3 / 4 - u, 1 / 4 - u, u + 1 / 2), (1 / 4 - u, u + 1 / 2, 3 / 4 - u)),
        (u + 1 / 2, 3 / 4 - u, 1 / 4 - u),
    )
    return (
        _both((1 / 8, 1 / 8, 1 / 8)),
        ((1 / 2, 1 / 2, 1 / 2), (1 / 4, 3 / 4, 0), (3 / 4, 0, 1 / 4), (0, 1 / 4, 3 / 4)),
        _both(*oxygen),
    )


def _corundum(z: float, x: float) -> _Sites:
    metal = _both((0, 0, z), (0, 0, 1 / 2 + z))
    return metal, _both((x, 0, 1 / 4), (0, x, 1 / 4), (-x, -x, 1 / 4))


def _cdi2(z: float) -> _Sites:
    return ((0, 0, 0),), _both((1 / 3, 2 / 3, z))


def _layered(z: float) -> _Sites:
    return ((0, 0, 1 / 2),), ((0, 0, 0),), _both((0, 0, z))


_ORIGIN: _Points = ((0, 0, 0),)
_MIDDLE: _Points = ((1 / 2, 1 / 2, 1 / 2),)
_QUARTER: _Points = ((1 / 4, 1 / 4, 1 / 4),)
_EIGHTHS: _Points = (*_QUARTER, (3 / 4, 3 / 4, 3 / 4))
_FACES: _Points = ((0, 1 / 2, 1 / 2), (1 / 2, 0, 1 / 2), (1 / 2, 1 / 2, 0))
_STACKED: _Points = ((1 / 3, 2 / 3, 1 / 4), (2 / 3, 1 / 3, 3 / 4))
_CUPRITE: _Points = (*_QUARTER, (3 / 4, 3 / 4, 1 / 4), (3 / 4, 1 / 4, 3 / 4), (1 / 4, 3 / 4, 3 / 4))

PROTOTYPES: Mapping[str, Prototype] = {
    "bcc": Prototype("A", "cubic", "I", _fixed(_ORIGIN), {}),
    "fcc": Prototype("A", "cubic", "F", _fixed(_ORIGIN), {}),
    "hcp": Prototype("A", "hexagonal", "P", _fixed(((0, 0, 0), (1 / 3, 2 / 3, 1 / 2))), {}),
    "diamond": Prototype("A", "cubic", "F", _fixed((*_ORIGIN, *_QUARTER)), {}),
    "rocksalt": Prototype("AX", "cubic", "F", _fixed(_ORIGIN, _MIDDLE), {}),
    "zincblende": Prototype("AX", "cubic", "F", _fixed(_ORIGIN, _QUARTER), {}),
    "wurtzite": Prototype("AX", "hexagonal", "P", _wurtzite, {"u": 3 / 8}),
    "nickeline": Prototype("AX", "hexagonal", "P", _fixed(((0, 0, 0), (0, 0, 1 / 2)), _STACKED), {}),
    "cooperite": Prototype(
        *("AX", "tetragonal", "P"),
        _fixed(((0, 1 / 2, 0), (1 / 2, 0, 1 / 2)), ((0, 0, 1 / 4), (0, 0, 3 / 4))), {},
    ),
    "cscl": Prototype("AX", "cubic", "P", _fixed(_ORIGIN, _MIDDLE), {}),
    "fluorite": Prototype("AX2", "cubic", "F", _fixed(_ORIGIN, _EIGHTHS), {}),
    "antifluorite": Prototype("A2X", "cubic", "F", _fixed(_EIGHTHS, _ORIGIN), {}),
    "cuprite": Prototype("A2X", "cubic", "P", _fixed(_CUPRITE, (*_ORIGIN, *_MIDDLE)), {}),
    "rutile": Prototype("AX2", "tetragonal", "P", _rutile, {"u": 0.305}),
    "cdi2": Prototype("AX2", "hexagonal", "P", _cdi2, {"z": 1 / 4}),
    "anatase": Prototype("AX2", "tetragonal", "I", _anatase, {"u": 0.208}),
    "corundum": Prototype("A2X3", "hexagonal", "R", _corundum, {"z": 0.353, "x": 0.306}),
    "spinel": Prototype("AB2X4", "cubic", "F", _spinel, {"u": 0.262}),
    "perovskite": Prototype(
        "ABX3", "cubic", "P",
        _fixed(_MIDDLE, _ORIGIN, ((1 / 2, 0, 0), (0, 1 / 2, 0), (0, 0, 1 / 2))), {},
    ),
    "layered": Prototype("ABX2", "hexagonal", "R", _layered, {"z": 0.259}),
    "l1_0": Prototype("AB", "tetragonal", "P", _fixed((*_ORIGIN, _FACES[2]), _FACES[:2]), {}),
    "l1_2": Prototype("A3B", "cubic", "P", _fixed(_FACES, _ORIGIN), {}),
}  # fmt: skip
"""By name. ``layered`` is α-NaFeO₂ (LiNiO₂), ``cdi2`` layers with nothing between them (NiO₂), ``cooperite``
PtS (PdO), ``nickeline`` NiAs; the cell of ``l1_0`` is the face-centred one, of four atoms."""

_LENGTHS = (1.0, 30.0)
"""Lattice constants that crystals have [Å]."""


@dataclass(frozen=True)
class Crystal:
    """A crystal by its kind and constants; which elements it is of is another matter."""

    kind: str
    constants: tuple[float, ...]
    """a, or a and c [Å]; then the free parameters."""

    @property
    def prototype(self) -> Prototype:
        """Its kind."""
        return PROTOTYPES[self.kind]

    @property
    def vectors(self) -> Array:
        """(3, 3) edges of the conventional cell, one a row [Å]."""
        a = self.constants[0]
        c = a if self.prototype.system == "cubic" else self.constants[1]
        if self.prototype.system == "hexagonal":
            return np.array([[a, 0, 0], [-a / 2, a * math.sqrt(3) / 2, 0], [0, 0, c]])
        return np.diag([a, a, c])

    @property
    def heights(self) -> Array:
        """(3,) of the cell, from each face to the opposite one [Å]."""
        found: Array = 1 / np.linalg.norm(np.linalg.inv(self.vectors), axis=0)
        return found

    @cached_property
    def sites(self) -> Array:
        """(n, 3) atoms of the conventional cell, in fractions of its edges."""
        centring = np.array(_CENTRINGS[self.prototype.centring])
        sites = np.concatenate([np.array(points, dtype=float) for points in self._points])
        found: Array = (sites[:, None] + centring[None]).reshape(-1, 3) % 1.0  # [site, centring] → [atom]
        return found

    @property
    def numbers(self) -> NDArray[np.intp]:
        """(n,) the element of each atom: its place in the formula."""
        copies = len(_CENTRINGS[self.prototype.centring])
        return np.repeat(np.arange(len(self._points)), [len(points) * copies for points in self._points])

    def distances(self, reach: float) -> tuple[Array, NDArray[np.bool_]]:
        """(n,) distances of atoms from the first one, as far as ``reach`` [Å], and which are of another element."""
        span = [np.arange(-n, n + 1) for n in np.ceil(reach / self.heights).astype(int) + 1]
        cells = np.stack(np.meshgrid(*span, indexing="ij"), axis=-1).reshape(-1, 3)
        points = (cells[:, None] + (self.sites - self.sites[0])[None]).reshape(-1, 3) @ self.vectors
        others = np.tile(self.numbers != self.numbers[0], len(cells))
        r = np.linalg.norm(points, axis=1)
        near = (r > 0.1) & (r <= reach)
        return r[near], others[near]

    @property
    def _points(self) -> _Sites:
        free = self.constants[len(self.prototype.wanted) :]
        return self.prototype.sites(*free)

    def elements(self, formula: str) -> tuple[str, ...]:
        """(n,) element of each atom, if the crystal is of such a formula.

        Raises
        ------
        SettingsError
            If the formula is none, or its numbers are not those of this kind of crystal.
        """
        parts = parts_of(formula)
        counts = np.array([count for _, count in parts])
        wanted = np.array(self.prototype.counts)
        if len(counts) != len(wanted) or np.any(counts * wanted[0] != wanted * counts[0]):
            raise SettingsError(
                f"{formula!r} is no formula of {self.kind}",
                where="structure",
                remedy=f"Give the elements as {self.prototype.formula}, in that order",
            )
        return tuple(parts[number][0] for number in self.numbers)


def parts_of(formula: str) -> tuple[tuple[str, int], ...]:
    """``MgAl2O4`` → (("Mg", 1), ("Al", 2), ("O", 4)).

    Raises
    ------
    SettingsError
        If it is no sequence of element symbols and numbers.
    """
    parts = re.findall(r"([A-Z][a-z]?)([0-9]*)", formula)
    if not parts or "".join(symbol + count for symbol, count in parts) != formula or any(n == "0" for _, n in parts):
        raise SettingsError(f"{formula!r} is no formula", where="structure", remedy="Write it like ZnSe or MgAl2O4")
    return tuple((symbol, int(count or 1)) for symbol, count in parts)


def crystal_named(text: str, kinds: Collection[str] = PROTOTYPES, where: str = "structure") -> Crystal:
    """``zincblende:5.6687`` → Crystal.

    Parameters
    ----------
    text
        The kind, ``:`` and its lattice constants [Å]; of wurtzite, rutile and the like the free parameters may follow.
    kinds
        Those that may be named here.
    where
        The setting that it was given with, for the error.

    Raises
    ------
    SettingsError
        If it is none of those, or a length is none of a crystal.
    """
    kind, _, numbers = text.partition(":")
    try:
        constants = tuple(float(cell) for cell in numbers.split(","))
    except ValueError:
        constants = ()
    if kind not in kinds:
        raise _not_understood(text, kinds, where)
    prototype = PROTOTYPES[kind]
    need, free = len(prototype.wanted), tuple(prototype.free.values())
    (lengths, given), (low, high) = (constants[:need], constants[need:]), _LENGTHS
    if len(lengths) == need and (out := [length for length in lengths if not low < length < high]):
        doubt = " (was it in nm?)" if 0.1 < out[0] < 1.0 else ""
        reason = f"structure {text!r} has a lattice constant of {out[0]:g} Å"
        raise SettingsError(reason, where=where, remedy=f"Give it in Å, between {low:g} and {high:g}{doubt}")
    if len(lengths) != need or len(given) not in (0, len(free)) or not all(0 < value < 1 for value in given):
        raise _not_understood(text, kinds, where)
    return Crystal(kind, (*lengths, *(given or free)))


def _not_understood(text: str, kinds: Collection[str], where: str) -> SettingsError:
    forms = [f"{kind}:{','.join(PROTOTYPES[kind].wanted)}" for kind in kinds]
    remedy = f"Use {', '.join(forms[:-1])} or {forms[-1]} with lengths in Å"
    return SettingsError(f"structure {text!r} is not understood", where=where, remedy=remedy)
