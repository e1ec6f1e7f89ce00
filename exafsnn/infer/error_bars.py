"""Raw answers → answers whose error bars cover: what ``validate.calibration`` found on held-out states."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from exafsnn.learn.intervals import Scale, is_first, scale_of
from exafsnn.partials import Partials, Range
from exafsnn.records import Array, Exchange, Shell
from exafsnn.shells import Z95, Distance, Errors, as_wide, is_shell, likely, reaching, unseen, widened

Samples = NDArray[np.float32]
"""(s, n, c) equally likely RDFs [Å⁻¹], while they are made …"""
Kept = NDArray[np.float16]
"""… and as they are kept: a digit in two thousand is nothing to their spread."""
_Name = TypeVar("_Name", bound=Hashable)
"""Of a range."""
_FOILS_APART, _BEAMLINES_APART = 0.007, 0.006
"""Standard deviation [Å] of distances beyond what is simulated. Without a standard refined R of foils of nine metals is
off by 0.005 Å (root mean square; V, off by 0.028, left out), and beamlines differ by up to 0.008. With one of another
beamline those of Ni, Pd, Pt and Fe are off by 0.006 Å (``benchmarks/foils.py``); of one's own session it would cancel,
but of which sample and standard are nobody says for sure."""
SAMPLES_APART = 0.025
"""Relative standard deviation of N at least, with a standard: pinholes, harmonics and alignment lower the amplitude of
one scan and not of the next. The same foil at 60 and 300 K differs by 2 to 4 %; 5 % of pinholes lower it by as much."""
_QUANTITIES, _ENDS = ("coordination", "distance", "sigma2"), ("std", "low", "high")
_MOST_IN_HALF = 65000.0
"""Half precision has no number above 65504."""
_FEW = 8
"""Scans of whose RDFs samples are worked on at a time: 1 MB, which stays in the processor."""


@dataclass(frozen=True)
class Shells:
    """The fields of ``records.Shell`` for one range of r of one pair, each (s,); limits may be the same for all."""

    pair: str
    r_min: Distance
    r_max: Distance
    coordination: Array
    coordination_std: Array
    coordination_low: Array
    coordination_high: Array
    distance: Array
    distance_std: Array
    distance_low: Array
    distance_high: Array
    sigma2: Array
    sigma2_std: Array
    sigma2_low: Array
    sigma2_high: Array
    c3: Array
    c3_std: Array

    def hiding(self, number: float) -> Shells:
        """The same where so many atoms may be there, or not, that no scan shows."""
        ends = self.coordination_std, self.coordination_low, self.coordination_high
        std, low, high = unseen(self.coordination, *ends, number)
        return replace(self, coordination_std=std, coordination_low=low, coordination_high=high)

    def is_there(self, row: int) -> bool:
        """Whether a scan has that range: of shells there are more or fewer."""
        return _is_there(self.r_max, row)

    def one(self, row: int) -> Shell:
        """The record of one scan."""
        values = {name: value[row] if isinstance(value, np.ndarray) else value for name, value in vars(self).items()}
        return Shell(values.pop("pair"), **{name: float(value) for name, value in values.items()})


def apart_of(referenced: bool) -> float:
    """Standard deviation of distances beyond what is simulated [Å], with a standard or without."""
    return _BEAMLINES_APART if referenced else _FOILS_APART


def _is_there(limit: Distance, row: int) -> bool:
    return not (isinstance(limit, np.ndarray) and math.isnan(limit[row]))


def of_any_number(shell: Shell, most: float, *, keep: bool = False) -> Shell:
    """A range whose N may be anything from none to ``most``, all as likely; R, σ² and C₃ are none, or kept."""
    n = shell.coordination
    std = math.sqrt((n - 0.5 * most) ** 2 + most**2 / 12)
    told = replace(shell, coordination_std=std, coordination_low=0.0, coordination_high=max(most, n))
    unknown: dict[str, Any] = {name: math.nan for name in vars(shell) if name.startswith(("distance", "sigma2", "c3"))}
    return told if keep else replace(told, **unknown)


@dataclass(frozen=True)
class Exchanged:
    """The fields of ``records.Exchange`` of s scans; the test is ``infer.exchange``."""

    pair: str
    r_min: Distance
    r_max: Distance
    delta_chi2: Array
    """(s,)"""
    density: Array
    """(s, c)"""
    of_shell: bool = False
    """Whether it is that of a shell that n(r) shows: of the ranges that are told it concerns that shell alone."""

    @staticmethod
    def joined(pieces: Sequence[Mapping[_Name, Exchanged]]) -> dict[_Name, Exchanged]:
        """Those of the scans of all pieces, one at least, by name of the range."""
        found = {}
        for name, first in pieces[0].items():
            fields = [field for field, value in vars(first).items() if isinstance(value, np.ndarray)]
            joined = {field: np.concatenate([getattr(piece[name], field) for piece in pieces]) for field in fields}
            found[name] = Exchanged(**vars(first) | joined)
        return found

    def is_there(self, row: int) -> bool:
        """Whether a scan has that range."""
        return _is_there(self.r_max, row)

    def one(self, row: int, partials: Partials) -> Exchange:
        """The record of one scan."""
        limits = Range(self.pair, self.r_min, self.r_max).at(row)
        ends = float(limits.r_min), float(limits.r_max)
        density = partials.split(self.density[row]).copy()
        return Exchange(self.pair, *ends, float(self.delta_chi2[row]), density, self.of_shell)

    def widen(self, shells: Mapping[str, Shells], partials: Partials) -> dict[str, Shells]:
        """Ranges whose N hold what they are if the atoms are of the other element, where data do not tell."""
        found = dict(shells)
        for name, shell in shells.items():
            other = partials.moments(self.density, Range(shell.pair, shell.r_min, shell.r_max))[:, 0]
            if self.of_shell:
                own = (shell.pair == self.pair) & (shell.r_min == self.r_min) & (shell.r_max == self.r_max)
                other = np.where(own, other, shell.coordination)
            known = shell.coordination_std, shell.coordination_low, shell.coordination_high
            std, low, high = reaching(shell.coordination, *known, other, likely(self.delta_chi2))
            found[name] = replace(shell, coordination_std=std, coordination_low=low, coordination_high=high)
        return found


@dataclass(frozen=True)
class Raw:
    """RDFs whose error bars do not yet cover."""

    partials: Partials
    smoothing: float
    """Standard deviation of the Gaussian with which they are smoothed [Å]."""
    density: Array
    """(s, c) n(r) [Å⁻¹]."""
    draw: Callable[[slice, slice], Samples]
    """Samples of some scans, in some cells."""

    def values(self, limits: Range) -> Array:
        """(s, 4) N, R, σ² and C₃ of a range, the variance of the smoothing subtracted."""
        return self.partials.moments(self.density, limits) - np.array([0, 0, self.smoothing**2, 0])


@dataclass(frozen=True)
class Told:
    """What is said of RDFs."""

    shells: Mapping[str, Shells]
    spread: Array | None
    """(s, c) one standard deviation of the density [Å⁻¹]; None where no samples are kept."""
    samples: Kept | None


@dataclass(frozen=True)
class ErrorBars:
    """The calibrated scales of one kind of answer, in the circumstances of scans."""

    scales: Mapping[str, Scale]
    """By quantity; empty if the model is not calibrated: then raw standard deviations stay."""
    given: Array
    """(s, 8) ``learn.intervals.circumstances``."""
    wider: Array
    """(s,) factors by which calibrated errors are widened."""
    referenced: bool = False
    """Whether they rest on a standard."""
    least: Array | float = 0.0
    """(s,) relative standard deviation of the coordination at least: what nobody knows of the amplitude."""
    other: Array | float = 0.0
    """(s,) how far it may lie elsewhere, relatively, if something else is true; the sign says on which side."""

    def told(self, raw: Raw, ranges: Mapping[str, Range], *, keep: bool) -> Told:
        """Shells with errors that cover and, where samples are to be kept, the spread of the RDFs.

        Those of ``first`` and of shells are calibrated; those of other ranges are as much wider than their samples'
        spread. Samples are made a few scans at a time and, where none are kept, only in the cells of the ranges.
        """
        cells = slice(0, raw.partials.count) if keep else raw.partials.touched(ranges.values())
        firsts = [name for name in ranges if is_first(name) or is_shell(name)]
        others = [name for name in ranges if name not in firsts]
        bare: dict[str, list[Array]] = {name: [] for name in firsts}
        stds: dict[str, list[Array]] = {name: [] for name in ("first", *others)}
        wide, kept = [], []
        for start in range(0, max(len(raw.density), 1), _FEW):
            rows = slice(start, start + _FEW)
            samples = raw.draw(rows, cells)
            for name in firsts:
                bare[name].append(raw.partials.spreads(samples, ranges[name].of(rows), cells.start))
            if keep or others:
                wide.append(self._widen(rows, samples, raw.density[rows, cells]))
            for name in ("first", *others) if others else ():
                stds[name].append(raw.partials.spreads(samples, ranges[name], cells.start))
            if keep:
                kept.append(_halved(samples))
        shells = {name: self._first(raw, name, ranges[name], np.concatenate(bare[name])) for name in firsts}
        if others:
            known = Errors.of_shells(shells["first"], np.concatenate(stds["first"])[:, :3], self.least)
            shells |= {name: self._other(raw, ranges[name], np.concatenate(stds[name]), known) for name in others}
            shells = {name: shells[name] for name in ranges}
        return Told(shells, np.concatenate(wide), np.concatenate(kept)) if keep else Told(shells, None, None)

    def _widen(self, rows: slice, samples: Samples, density: Array) -> Array:
        """Scale samples (s, n, c) about the density (s, c), in place → the spread (s, c) that they have then."""
        middle = density[:, None].astype(np.float32)
        samples -= middle  # their squares are summed about it, for no digits are lost so near their mean
        mean = samples.mean(axis=1).astype(np.float64)
        square = np.einsum("snb,snb->sb", samples, samples) / samples.shape[1]
        raw: Array = np.sqrt(np.maximum(square - mean**2, 0.0))
        spread = raw
        if self.scales:
            spread = self.scales["density"].half_width(0.68, raw, self.given[rows, None]) * self.wider[rows, None]
        samples *= (spread / np.maximum(raw, 1e-12))[:, None].astype(np.float32)
        samples += middle
        np.maximum(samples, 0.0, out=samples)
        return spread

    def _first(self, raw: Raw, name: str, limits: Range, stds: Array) -> Shells:
        """N, R, σ² and C₃ of the range ``first`` of a pair, by the standard deviations (s, 4) over the samples."""
        values = raw.values(limits)
        told = {"c3": values[:, 3], "c3_std": stds[:, 3]}
        for quantity, value, std in zip(_QUANTITIES, values.T, stds.T, strict=False):
            ends = self.interval(self._scale_of(quantity, name), value, std)
            told |= {quantity: value} | {f"{quantity}_{end}": found for end, found in zip(_ENDS, ends, strict=True)}
        return Shells(limits.pair, limits.r_min, limits.r_max, **told)

    def _other(self, raw: Raw, limits: Range, stds: Array, known: Errors) -> Shells:
        """Those of another range, with errors as wide as the ``known`` ones."""
        values = raw.values(limits)
        told: dict[str, Array] = {"c3": values[:, 3], "c3_std": stds[:, 3]}
        told |= dict(zip(_QUANTITIES, values.T, strict=False))
        ends = as_wide(values[:, :3], stds[:, :3], known, self.least, self.apart)
        for end, found in zip(_ENDS, ends, strict=True):
            told |= {f"{quantity}_{end}": part for quantity, part in zip(_QUANTITIES, found.T, strict=True)}
        return Shells(limits.pair, limits.r_min, limits.r_max, **told)

    def _scale_of(self, quantity: str, name: str) -> str:
        """The scale of a quantity of a range; where shells have none of their own, that of their pair's first."""
        own = scale_of(quantity, name)
        if own in self.scales or not is_shell(name):
            return own
        first = " ".join([quantity, *name.split(" ")[1:]])
        return first if first in self.scales else quantity

    def interval(self, quantity: str, value: Array, raw: Array) -> tuple[Array, Array, Array]:
        """(s,) half-width of the 68 % interval, and both ends of that of 95 %, of a quantity of a range ``first``.

        Parameters
        ----------
        quantity
            ``"coordination"``, ``"distance"`` or ``"sigma2"``, of another pair than the first as ``scale_of`` has it.
        value, raw
            (s,) values, and their raw standard deviations.
        """
        if not self.scales:
            found = raw, value - Z95 * raw, value + Z95 * raw
        else:
            scale = self.scales[quantity]
            low, high = scale.interval(0.95, raw, self.given)
            std = scale.half_width(0.68, raw, self.given)
            found = std * self.wider, value + low * self.wider, value + high * self.wider
        if quantity.startswith("coordination"):
            return self._doubted(value, *found)
        return widened(value, *found, self.apart) if quantity.startswith("distance") else found

    @property
    def apart(self) -> float:
        """Standard deviation of distances beyond what is simulated [Å]."""
        return apart_of(self.referenced) if self.scales else 0.0

    def _doubted(self, n: Array, std: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """Standard deviation and interval of coordinations, at least as wide as the doubt about the amplitude."""
        least, other = Z95 * self.least * n, self.other * n
        return (
            np.maximum(np.hypot(std, other), self.least * n),
            np.maximum(np.minimum(low, n - least) + np.minimum(other, 0.0), 0.0),
            np.maximum(high, n + least) + np.maximum(other, 0.0),
        )


def _halved(samples: Samples) -> Kept:
    """Samples in half precision; numpy would convert them one by one, which takes four times as long.

    The bits of the exponent move by 13 places, and its zero from 127 to 15. Half precision has eleven digits of
    numbers from 2⁻¹⁴; what is less is off by 2⁻¹⁵ at most.
    """
    if not samples.max(initial=0.0) < _MOST_IN_HALF:
        return samples.astype(np.float16)
    bits = samples.view(np.int32) + ((1 << 12) - (112 << 23))
    np.maximum(bits, 0, out=bits)
    bits >>= 13
    return bits.astype(np.uint16).view(np.float16)
