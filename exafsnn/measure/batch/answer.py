"""χ(k) of many scans: ``Answer`` of those that share E₀, put in order as the ``BatchChiK`` of a chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from exafsnn.errors import ExafsnnError, Finding
from exafsnn.records import Array, ChiK, Spectrum


@dataclass(frozen=True)
class BatchChiK:
    """χ(k) of some scans of a series, in their order. NaN is what a rejected scan has, or one that ends before."""

    first: int
    """Number of the first of these scans in the series."""
    k: Array
    """(m,) photoelectron wavenumber [Å⁻¹], uniform, from 0: that of the longest scan."""
    chi: Array
    """(s, m) χ(k), dimensionless, unweighted."""
    noise: Array
    """(s,) ε_k."""
    e0: Array
    """(s,) E₀ [eV]."""
    edge_step: Array
    """(s,) edge step, in units of μ."""
    k_max_usable: Array
    """(s,) largest k [Å⁻¹] worth using."""
    settings: tuple[Mapping[str, Any], ...]
    """(s,) every parameter of the preprocessing; those of one E₀ are one mapping."""
    findings: tuple[tuple[Finding, ...], ...]
    """(s,) what was found; of a rejected scan, too."""
    singly: tuple[int, ...]
    """Numbers in the series of the scans that were not plainly sound, and measured one by one."""
    refusals: Mapping[int, ExafsnnError] = field(default_factory=dict)
    """Number in the series of each rejected scan, and why."""

    def scan(self, row: int, spectrum: Spectrum) -> ChiK:
        """χ(k) of one of these scans, as a record of its own.

        Parameters
        ----------
        row
            Which: 0 is ``first``.
        spectrum
            Whose absorber, edge, source, record and temperature the record gets.

        Raises
        ------
        ScanError
            If the scan was rejected: the reason.
        """
        if self.first + row in self.refusals:
            raise self.refusals[self.first + row]
        end = int(np.isfinite(self.chi[row]).sum())
        return ChiK(
            self.k[:end],
            self.chi[row, :end],
            spectrum.absorber,
            spectrum.edge,
            noise=float(self.noise[row]),
            e0=float(self.e0[row]),
            edge_step=float(self.edge_step[row]),
            k_max_usable=float(self.k_max_usable[row]),
            source=spectrum.source,
            record=spectrum.record,
            temperature=spectrum.temperature,
            settings=self.settings[row],
            history=(f"measured with the others of its series as number {self.first + row}",),
            findings=(*spectrum.findings, *self.findings[row]),
        )


@dataclass(frozen=True)
class Answer:
    """χ(k) of those scans of a chunk that share E₀."""

    rows: np.ndarray
    """(s,) which scans of the chunk."""
    k: Array
    """(m,) [Å⁻¹]."""
    chi: Array
    """(s, m)."""
    noise: Array
    """(s,) ε_k."""
    e0: float
    """[eV]."""
    edge_step: Array
    """(s,) in units of μ."""
    k_max_usable: Array
    """(s,) [Å⁻¹]."""
    settings: Mapping[str, Any]
    findings: tuple[tuple[Finding, ...], ...]
    """(s,) of each scan."""


def in_order(
    answers: Sequence[Answer], first: int, count: int, singly: Sequence[int], refusals: Mapping[int, ExafsnnError]
) -> BatchChiK:
    """Put the answers of a chunk of ``count`` scans in order; ``singly`` and ``refusals`` go by their number in it."""
    longest = max((answer.k for answer in answers), key=len, default=np.zeros(0))
    chi = np.full((count, len(longest)), np.nan)
    noise, e0, edge_step, usable = np.full((4, count), np.nan)
    used: list[Mapping[str, Any]] = [{}] * count
    findings: list[tuple[Finding, ...]] = [getattr(refusals.get(row), "findings", ()) for row in range(count)]
    for answer in answers:
        chi[answer.rows, : len(answer.k)] = answer.chi
        noise[answer.rows], e0[answer.rows] = answer.noise, answer.e0
        edge_step[answer.rows], usable[answer.rows] = answer.edge_step, answer.k_max_usable
        for row, found in zip(answer.rows.tolist(), answer.findings, strict=True):
            used[row], findings[row] = answer.settings, found
    numbers, refused = (first + row for row in singly), {first + row: error for row, error in refusals.items()}
    return BatchChiK(
        first, longest, chi, noise, e0, edge_step, usable, tuple(used), tuple(findings), tuple(numbers), refused
    )  # fmt: skip
