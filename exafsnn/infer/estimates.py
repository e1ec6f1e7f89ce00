"""What goes into the networks and what comes out, a row for each spectrum; what a standard adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.errors import Finding
from exafsnn.records import Array, ChiK
from exafsnn.words import plus_minus, short_name

if TYPE_CHECKING:
    from exafsnn.measure.scans import StackChiK

_OF_THE_MODEL = {"uncalibrated"}
"""Findings that say nothing of a scan."""
_SAME_SESSION = 2.0
"""Scans of a metal whose E₀ differs by more [eV] are of two beamlines, or of two calibrations of one."""
_SHIFTED, _PARTLY = 4.0, 0.2
"""An oxide's E₀ is elsewhere on its edge than its metal's. So what is as much of an oxide as this share is told to be
of a session by its zero itself, which chemistry moves by so much [eV]; what is less of it, accordingly less."""
_MAINLY = 0.5
"""Theory is worse of oxides: what is one to this share may leave more than a metal's standard does."""


@dataclass(frozen=True)
class Signals:
    """χ(k) of many scans on one grid of k."""

    k: Array
    """(m,) [Å⁻¹], uniform."""
    chi: Array
    """(s, m); a scan that ends before the others keeps its last value."""
    noise: Array
    """(s,) ε_k."""
    k_max_usable: Array
    """(s,) [Å⁻¹]."""
    e0: Array
    """(s,) E₀ of the background removal [eV]; NaN where it is not known."""

    @staticmethod
    def of(scans: Sequence[ChiK]) -> Signals:
        """Those of scans, one at least, whose grids of k differ in length only (``on_one_grid``).

        Raises
        ------
        ValueError
            If there are none, or their grids differ otherwise.
        """
        k = max((scan.k for scan in scans), key=len)
        if not all(np.array_equal(scan.k, k[: len(scan.k)]) for scan in scans):
            raise ValueError("the scans are not on one grid of k")
        chi = np.array([np.pad(scan.chi, (0, len(k) - len(scan.k)), mode="edge") for scan in scans])
        names = ("noise", "k_max_usable", "e0")
        return Signals(k, chi, *(np.array([getattr(scan, name) for scan in scans], dtype=float) for name in names))

    @staticmethod
    def of_batch(batch: StackChiK, rows: np.ndarray) -> Signals:
        """Those of some scans of a batch, none of them rejected."""
        chi = batch.chi[rows]
        last = np.isfinite(chi).sum(axis=1, keepdims=True) - 1
        held = np.where(np.isfinite(chi), chi, np.take_along_axis(chi, last, axis=1))
        return Signals(batch.k, held, batch.noise[rows], batch.k_max_usable[rows], batch.e0[rows])

    def __len__(self) -> int:
        return len(self.chi)

    def __getitem__(self, rows: slice | np.ndarray) -> Signals:
        return Signals(self.k, self.chi[rows], self.noise[rows], self.k_max_usable[rows], self.e0[rows])


def on_one_grid(scans: Sequence[ChiK]) -> list[list[int]]:
    """Numbers of the scans whose grids of k differ in length only, group by group: ``Signals.of`` takes one."""
    groups: list[list[int]] = []
    for number in sorted(range(len(scans)), key=lambda number: -len(scans[number].k)):  # each group by its longest
        k = scans[number].k
        of = next((group for group in groups if np.array_equal(scans[group[0]].k[: len(k)], k)), None)
        groups.append([number]) if of is None else of.append(number)
    return [sorted(group) for group in groups]


@dataclass(frozen=True)
class Estimates:
    """Raw answers of the ensemble to s spectra."""

    density: Array
    """(s, members, b) n(r) [Å⁻¹]."""
    log_spread: Array
    """(s, members, b)."""
    delta_e0: Array
    """(s,) [eV]"""
    delta_e0_std: Array
    amplitude: Array
    amplitude_std: Array
    coordination: Array
    """(s,) N of the range ``first``, mean of the members …"""
    distance: Array
    """… and their mean distance there [Å]."""
    k_max: Array
    """(s,) largest k that was used [Å⁻¹]."""

    @property
    def mean(self) -> Array:
        """(s, b) mean n(r) of the members [Å⁻¹]."""
        found: Array = self.density.mean(axis=1)
        return found

    def __getitem__(self, rows: slice | np.ndarray) -> Estimates:
        return Estimates(**{name: value[rows] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Limit:
    """How much an answer leaves of its scan (``verdict``), or the most that it may."""

    left: float
    """Of the power of k²χ, noise aside."""
    local: float
    """Root mean square in the worst stretch, in units of that of k²χ."""
    below: float
    """Root mean square of k²χ at R below any atoms [Å⁻²]."""


@dataclass(frozen=True)
class Reference:
    """What a standard tells about every scan of its beamline."""

    delta_e0: float
    """Theory's energy zero minus the E₀ of the background removal [eV]."""
    delta_e0_std: float
    amplitude: float
    """S₀²."""
    amplitude_std: float
    source: str
    structure: str
    e0: float = math.nan
    """E₀ of the standard's background removal [eV]; NaN where it is not known."""
    findings: tuple[Finding, ...] = ()
    """What was noticed about the standard."""
    leaves: Limit | None = None
    """What the prediction of the standard itself leaves."""
    apart: bool = False
    """Whether samples are of another material than the standard: then it tells their amplitude, the zero loosely."""

    def __repr__(self) -> str:
        """One line."""
        zero = plus_minus(self.delta_e0, self.delta_e0_std, "eV")
        told = f"S₀² {plus_minus(self.amplitude, self.amplitude_std)}, ΔE₀ {zero}"
        return f"<Reference {short_name(self.source)}, {self.structure}: {told}>"

    def doubted(self, findings: Iterable[Finding]) -> Reference:
        """The same with what else makes the standard doubtful: the warnings among findings of it, each once."""
        known = {(finding.name, finding.energy): finding for finding in self.findings}
        for finding in findings:
            name = f"standard-{finding.name}"
            of_scan = finding not in self.findings and finding.name not in _OF_THE_MODEL
            if of_scan and finding.severity == "warning" and (name, finding.energy) not in known:
                known[name, finding.energy] = replace(
                    finding, name=name, message=f"the standard {self.source}: {finding.message}"
                )
        return replace(self, findings=tuple(known.values()))

    def zeros(self, e0: Array, share: Array) -> tuple[Array, Array]:
        """(s,) energy zeros that it lets expect of scans, and how surely [eV]: of metals relative to E₀.

        Parameters
        ----------
        e0
            (s,) E₀ of the scans [eV].
        share
            (s,) how much of each is not the standard's material, but its oxide.
        """
        partly = self._partly(share)
        unknown = ~np.isfinite(e0 - self.e0)
        moved = np.where(unknown, 0.0, partly * (self.e0 - e0))
        return self.delta_e0 + moved, np.hypot(self.delta_e0_std, partly * np.where(unknown, 5.0, 1.0) * _SHIFTED)

    def _partly(self, share: Array | float) -> Array:
        """(s,) how much less a standard tells of the zero of what is to a ``share`` (s,) another material."""
        partly: Array = np.minimum(np.asarray(share, dtype=float) / _PARTLY, 1.0)
        return np.ones_like(partly) if self.apart else partly

    def _apart(self, e0: Array | float, share: Array | float, zero: Array | float) -> Array:
        """(s,) how far beyond what one session allows scans are from it [eV]; NaN where an E₀ is not known."""
        partly = self._partly(share)
        apart: Array = np.abs(np.asarray(e0) - self.e0 + partly * (np.asarray(zero) - self.delta_e0))
        return apart - _SAME_SESSION - partly * _SHIFTED

    def is_elsewhere(self, e0: Array | float, share: Array | float = 0.0, zero: Array | float = 0.0) -> np.ndarray:
        """(s,) whether scans are of another session; taken for the same where an E₀ is not known.

        Parameters
        ----------
        e0
            (s,) E₀ of the scans [eV].
        share, zero
            (s,) how much of each is the standard's oxide, and the energy zero that was found of it [eV].
        """
        return self._apart(e0, share, zero) > 0

    def is_beside(self, e0: Array | float, share: Array | float = 0.0, zero: Array | float = 0.0) -> np.ndarray:
        """(s,) whether scans are known to be of its session; as for ``is_elsewhere``."""
        return self._apart(e0, share, zero) <= 0

    def judges(self, e0: Array, share: Array, zero: Array) -> np.ndarray:
        """(s,) whether scans may leave little more than its own does: of its session, and not mainly of an oxide."""
        return self.is_beside(e0, share, zero) & (share < _MAINLY)
