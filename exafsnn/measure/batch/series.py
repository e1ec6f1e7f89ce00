"""μ of a series, chunk by chunk → χ(k): plainly sound scans together, the others one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from exafsnn.errors import ExafsnnError, ScanError
from exafsnn.measure.batch.answer import BatchChiK, in_order
from exafsnn.measure.batch.single import alone
from exafsnn.measure.batch.together import Series, together
from exafsnn.records import Array, Spectrum
from exafsnn.settings import BackgroundSettings

CHUNK = 500
"""Scans that are worked on at a time: 30 MB at 400 points."""

FEWEST = 10
"""Fewest energies [count] that may be a scan."""


class Scans(Protocol):
    """(s, n) μ of a series: an array, or what gives arrays when rows of it are asked for, like an HDF5 data set."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(s, n)."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Some scans."""


def measure_batch(
    like: Spectrum, mu: Scans, settings: BackgroundSettings | None = None, *, chunk: int = CHUNK
) -> Iterator[BatchChiK]:
    """Remove the background of a series of scans on one energy grid; the answers are those of ``remove_background``.

    E₀ is the same point of the grid; the edge step is the same to rounding. χ(k) is at the minimum that AUTOBK seeks,
    and larch's within 10⁻⁶ of max |k²χ| of it, at a noise of 2 % of the edge step within 6·10⁻⁵: larch's derivatives
    are finite differences, and with smaller ones it agrees to 10⁻⁷. Where clamps so strong are asked for that larch is
    further off, scans are measured one by one.

    The gate's parts are exact for stuck and coarse readings, for steps and glitches below, at and above the edge,
    foreign edges and unrest: what they might find, they are asked themselves. Four bounds are no proofs, but have a
    margin: outliers at the end (a third of the least height), outbursts (0.8 of the limit), bumps as wide as
    oscillations (half the least height and strength, judged by a scan of the series whose oscillations and noise are
    as large), and whether an edge is plain. One scan of each position of the edge is measured both ways, and must come
    out the same. Not returned: μ₀(E), the repaired scan, the history in words.

    A scan whose points scatter by more than 0.2 % of its edge step takes some 5 ms (the surroundings of its edge are
    judged singly), a scan that is not plainly sound as long as alone, some 40 ms; any other 0.1 to 0.2 ms. Each
    position of the edge, to 0.25 eV, costs 70 ms when it is first met, and each size of the oscillations 12 ms.

    Parameters
    ----------
    like
        What the scans share: energies (n,), absorber, edge, mode, source. Its μ is not used.
    mu
        (s, n) absorption. Only ``chunk`` scans are in memory at a time.
    settings
        Parameters of the removal; None: those of the shipped models. With ``e0`` all scans get that E₀, else each the
        maximum of its own dμ/dE.
    chunk
        How many scans at a time.

    Yields
    ------
    BatchChiK
        Of ``chunk`` scans each, in their order. A scan that is unfit is a refusal in it, and stops no other.

    Raises
    ------
    ScanError
        If the energies do not increase, or are not as many as values of μ, or if a finding of ``like`` is fatal.
    """
    ScanError.refuse_fatal(like.findings, like.source)
    energy = np.array(like.energy, dtype=np.float64)
    _refuse(energy, mu.shape, chunk, like.source)
    series = Series(replace(like, energy=energy, mu=energy, findings=()), settings or BackgroundSettings())
    starts = range(0, mu.shape[0], chunk)
    return (_measured(series, np.array(mu[start : start + chunk], dtype=np.float64), start) for start in starts)


def _refuse(energy: Array, shape: tuple[int, ...], chunk: int, where: str) -> None:
    """Raise a ``ScanError`` if energies and values of μ are no series."""
    if energy.ndim != 1 or len(shape) != 2 or shape[1] != len(energy) or len(energy) < FEWEST:
        reason = f"energy has shape {energy.shape} and μ {shape}"
        raise ScanError(reason, where=where, remedy=f"Give (n,) energies and (s, n) values of μ, n at least {FEWEST}")
    if not np.isfinite(energy).all() or (np.diff(energy) <= 0).any():
        raise ScanError("the energies do not increase", where=where, remedy="Sort the scans, each with its μ")
    if chunk < 1:
        raise ScanError(f"{chunk} scans cannot be measured at a time", where=where, remedy="Give chunk=1 or more")


def _measured(series: Series, mu: Array, first: int) -> BatchChiK:
    """Measure a chunk: those that are plainly sound together, the others one by one."""
    answers, refusals = list(together(series, mu)), {}
    done = np.concatenate([[], *(answer.rows for answer in answers)])
    singly = np.setdiff1d(np.arange(len(mu)), done).tolist()
    for row in singly:
        scan = replace(series.like, mu=mu[row], record=str(first + row))
        try:
            answers.append(alone(scan, row, series.settings))
        except ExafsnnError as error:
            refusals[row] = error
    return in_order(answers, first, len(mu), singly, refusals)
