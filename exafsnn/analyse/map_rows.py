"""Spectra and patterns → rows of one length with noise of about one size, and what of a row can be masked.

``run.maps`` makes the axis of what it read, ``map_file`` keeps it with the map, so that new files become like rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from exafsnn.errors import SettingsError
from exafsnn.records import Array, ChiK, Pattern
from exafsnn.settings import Settings

__all__ = ["KINDS", "RowAxis", "Window", "common_axis", "windows"]

KINDS = ("chi", "mu", "xrd")
_K_MIN, _K_STEP = 3.0, 0.05
"""Below this k [Å⁻¹] the edge is still near; steps as the networks have them."""
_BEFORE, _BEHIND, _E_STEP = 20.0, 80.0, 0.5
"""How far before and behind E₀ [eV] μ(E) is taken."""
_PRE_EDGE = 30.0
"""The straight line before the edge is fitted up to so much before E₀ [eV]."""
_LEAST_POINTS = 20
_WIDTHS = {"k": 1.0, "R": 0.5, "E": 5.0}
"""Of the ranges that are masked one by one [Å⁻¹, Å, eV] …"""
_PARTS = 40
"""… and into so many parts a pattern is cut."""
_R_RANGE = 1.0, 6.0
_TRANSFORM = 4096
"""Points of the transform that masks a range of R: k with zeros behind it."""
UNITS = {"k": "Å⁻¹", "R": "Å", "E": "eV", "2θ": "°", "q": "Å⁻¹"}


@dataclass(frozen=True)
class RowAxis(Settings):
    """What the columns of a row are."""

    kind: str = "chi"
    """``"chi"``: k²χ(k); ``"mu"``: μ(E) less its line before the edge, over the edge step; ``"xrd"``: √(I/⟨I⟩)."""
    name: str = "k"
    """``"k"``, ``"E"``, ``"2θ"`` or ``"q"``."""
    low: float = 3.0
    high: float = 12.0
    count: int = 181
    """Points from low to high, in equal steps."""
    edge: str = ""
    """``"Fe K"``; empty of patterns."""
    kweight: int = 2

    @cached_property
    def grid(self) -> Array:
        """(p,) places of the columns."""
        return np.linspace(self.low, self.high, self.count)

    @property
    def label(self) -> str:
        """Of a figure's axis."""
        return f"{'Energy' if self.name == 'E' else self.name} ({UNITS[self.name]})"

    def row(self, item: ChiK | Pattern) -> Array:
        """(p,) row of a spectrum or pattern.

        Raises
        ------
        SettingsError
            If it is of another kind or edge, or does not reach over the whole axis.
        """
        x, y = _curve(item, self.kind, self.kweight)
        where = _where(item)
        own = axis_name(item, self.kind)
        if own != self.name:
            remedy = "Convert them to the same axis (q = 4π sinθ/λ), or make a map of each"
            raise SettingsError(f"it is against {own}, the map against {self.name}", where=where, remedy=remedy)
        if isinstance(item, ChiK) and f"{item.absorber} {item.edge}" != self.edge:
            reason = f"it is of {item.absorber} {item.edge}, the map of {self.edge}"
            raise SettingsError(reason, where=where, remedy="One map is of one edge: give the others apart")
        step = (self.high - self.low) / (self.count - 1)
        if x[0] > self.low + step or x[-1] < self.high - step:
            raise SettingsError(
                f"it reaches from {x[0]:g} to {x[-1]:g} {UNITS[self.name]}, the map from {self.low:g} to {self.high:g}",
                where=where, remedy="Leave it out, or make a map of the range that all have",
            )  # fmt: skip
        values: Array = np.interp(self.grid, x, y)
        if self.kind == "xrd":
            values = np.sqrt(values.clip(0) / (values.mean() or 1.0))
        return values

    def shown(self, rows: Array) -> Array:
        """Rows as a person knows such spectra: of patterns the intensity, in units of its mean."""
        return rows.clip(0) ** 2 if self.kind == "xrd" else rows

    @property
    def shown_label(self) -> str:
        """What these values are."""
        weighted = {0: "χ(k)", 1: "kχ(k)", 2: "k²χ(k)", 3: "k³χ(k)"}[self.kweight]
        return {"chi": weighted, "mu": "normalised μ(E)", "xrd": "intensity / mean"}[self.kind]


@dataclass(frozen=True)
class Window:
    """A range that can be masked."""

    space: str
    """The name of the axis, or ``"R"`` of χ(k)."""
    low: float
    high: float

    def mask(self, axis: RowAxis) -> Array:
        """What of a row is masked, for ``SpectrumMap.relevance``: (p,) columns, or of R a (p, p) filter.

        Raises
        ------
        SettingsError
            If the range is none, or of what a row does not have.
        """
        if not self.low < self.high:
            raise SettingsError(f"{self.low:g} to {self.high:g} is no range", where="--mask", remedy="Give LOW HIGH")
        if self.space != "R":
            chosen = (axis.grid >= self.low) & (axis.grid < self.high)
            if not chosen.any():
                reason = (
                    f"nothing is there from {self.low:g} to {self.high:g}: the map has {axis.name} from {axis.low:g}"
                )
                raise SettingsError(f"{reason} to {axis.high:g} {UNITS[axis.name]}", where="--mask")
            return chosen.astype(np.float64)
        if axis.kind != "chi":
            raise SettingsError("ranges of R are of χ(k) alone", where="--mask-r", remedy="Give --mask LOW HIGH")
        r = np.pi * np.fft.rfftfreq(_TRANSFORM, axis.grid[1] - axis.grid[0])  # exp(2ikR)
        passed = np.fft.rfft(np.eye(axis.count), _TRANSFORM, axis=0) * ((r >= self.low) & (r < self.high))[:, None]
        filtered: Array = np.fft.irfft(passed, _TRANSFORM, axis=0)[: axis.count]
        return filtered


def windows(axis: RowAxis) -> list[Window]:
    """Ranges side by side over the whole axis, and of χ(k) over R."""
    width = _WIDTHS.get(axis.name, (axis.high - axis.low) / _PARTS)
    found = _side_by_side(axis.name, axis.low, axis.high, width)
    return found + (_side_by_side("R", *_R_RANGE, _WIDTHS["R"]) if axis.kind == "chi" else [])


def _side_by_side(space: str, low: float, high: float, width: float) -> list[Window]:
    count = max(1, round((high - low) / width))
    limits = np.linspace(low, high, count + 1)
    limits[-1] += 1e-9  # the last point belongs to the last range
    return [Window(space, float(a), float(b)) for a, b in itertools.pairwise(limits)]


def common_axis(
    items: Sequence[ChiK | Pattern], kind: str, kweight: int = 2, limits: tuple[float, float] | None = None
) -> tuple[RowAxis, list[str]]:
    """The axis that all spectra or patterns have, and in words what was cut off or interpolated for it.

    Raises
    ------
    SettingsError
        If they are of several edges or axes, or have no range in common.
    """
    curves = [_curve(item, kind, kweight)[0] for item in items]
    names = {axis_name(item, kind): item for item in items}
    if len(names) > 1:
        (one, first), (other, second) = list(names.items())[:2]
        raise SettingsError(
            f"{_where(first)} is against {one}, {_where(second)} against {other}", where="map",
            remedy="Convert them to the same axis (q = 4π sinθ/λ), or make a map of each",
        )  # fmt: skip
    edges = {f"{item.absorber} {item.edge}": item for item in items if isinstance(item, ChiK)}
    if len(edges) > 1:
        (one, first), (other, second) = list(edges.items())[:2]
        raise SettingsError(
            f"{_where(first)} is of {one}, {_where(second)} of {other}", where="map",
            remedy="One map is of one edge: give the scans of each edge apart",
        )  # fmt: skip
    low, high = max(x[0] for x in curves), min(x[-1] for x in curves)
    latest, earliest = int(np.argmax([x[0] for x in curves])), int(np.argmin([x[-1] for x in curves]))
    starts, ends = _where(items[latest]), _where(items[earliest])
    wanted_low, wanted_high, step = _wanted(items, curves, kind)
    low, high = max(low, wanted_low), min(high, wanted_high)
    if limits:
        low, high = max(low, limits[0]), min(high, limits[1])
    (name,), (edge, *_) = names, [*edges, ""]
    if not high - low >= _LEAST_POINTS * step:
        raise SettingsError(
            f"no range in {name} is in all of them: {starts} begins at {curves[latest][0]:g},"
            f" {ends} ends at {curves[earliest][-1]:g} {UNITS[name]}",
            where="map", remedy="Leave one of these out",
        )  # fmt: skip
    told = []
    longest = min(max(x[-1] for x in curves), wanted_high), max(min(x[0] for x in curves), wanted_low)
    if high < longest[0] - 2 * step and not limits:
        told.append(f"the map ends at {high:g} {UNITS[name]}, as {ends} does; others go on to {longest[0]:g}")
    if low > longest[1] + 2 * step and not limits:
        told.append(f"the map begins at {low:g} {UNITS[name]}, as {starts} does; others begin at {longest[1]:g}")
    if kind == "xrd" and any(len(x) != len(curves[0]) or not np.allclose(x, curves[0]) for x in curves):
        told.append(f"the patterns have different steps: all are interpolated to steps of {step:g} {UNITS[name]}")
    count = int(np.floor((high - low) / step + 1e-6)) + 1
    return RowAxis(kind, name, float(low), float(low + (count - 1) * step), count, edge, kweight), told


def _wanted(items: Sequence[ChiK | Pattern], curves: Sequence[Array], kind: str) -> tuple[float, float, float]:
    """Range that is wanted of this kind, and its step."""
    if kind == "chi":
        return _K_MIN, np.inf, _K_STEP
    if kind == "mu":
        e0 = float(np.median([item.e0 for item in items if isinstance(item, ChiK)]))
        return round(e0 - _BEFORE, 1), round(e0 + _BEHIND, 1), _E_STEP
    return -np.inf, np.inf, float(np.median([np.diff(x).mean() for x in curves]))


def axis_name(item: ChiK | Pattern, kind: str) -> str:
    """What a spectrum or pattern is against."""
    return item.axis if isinstance(item, Pattern) else {"chi": "k", "mu": "E"}[kind]


def _curve(item: ChiK | Pattern, kind: str, kweight: int) -> tuple[Array, Array]:
    """Axis and values, the last as far as they are usable."""
    if (kind == "xrd") != isinstance(item, Pattern):
        what = "a diffraction pattern" if isinstance(item, Pattern) else "an absorption scan"
        remedy = "Give scans and patterns apart, each with --of chi, mu or xrd"
        raise SettingsError(f"it is {what}, and the map is of {kind}", where=_where(item), remedy=remedy)
    if isinstance(item, Pattern):
        return item.x, item.intensity
    if kind == "chi":
        usable = item.k <= item.k_end + 1e-9
        return item.k[usable], item.k[usable] ** kweight * item.chi[usable]
    if item.spectrum is None:
        raise SettingsError("a χ(k) file has no μ(E)", where=_where(item), remedy="Give the raw scan, or --of chi")
    return item.spectrum.energy, _normalised(item.spectrum.energy, item.spectrum.mu, item.e0, item.edge_step)


def _normalised(energy: Array, mu: Array, e0: float, step: float) -> Array:
    """(n,) μ less the straight line before the edge, over the edge step."""
    before = energy < e0 - _PRE_EDGE
    if before.sum() < 2:
        before = energy <= energy[1]
    centred = energy - e0
    line = np.polynomial.polynomial.polyfit(centred[before], mu[before], 1)
    flat: Array = (mu - line[0] - line[1] * centred) / step
    return flat


def _where(item: ChiK | Pattern) -> str:
    return f"{item.source}::{item.record}" if item.record else item.source
