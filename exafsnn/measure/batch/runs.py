"""Scans as a file gives them → χ(k): those in a row that share their energies together, the others one by one."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from exafsnn.measure.background import remove_background
from exafsnn.measure.batch.series import measure_batch
from exafsnn.records import ChiK, Spectrum
from exafsnn.settings import BackgroundSettings

FEWEST = 10
"""Shorter runs are measured one by one."""

TOLD = "measured with the other scans of its file that share its energies"


def measure_runs(
    scans: Sequence[Spectrum | ChiK | Exception], settings: BackgroundSettings
) -> Iterator[ChiK | Exception]:
    """χ(k) of each scan, in their order, or why there is none.

    Parameters
    ----------
    scans
        What the reader made of each record: χ(k) and what went wrong are passed on.
    settings
        Parameters of the removal.

    Yields
    ------
    ChiK or Exception
        Of scans that were measured together without μ₀(E); its ``spectrum`` is the scan as it was read.
    """
    for grid, run in groupby(scans, key=_grid):
        items = list(run)
        spectra = [item for item in items if isinstance(item, Spectrum)]
        if grid is None or len(spectra) < FEWEST:
            yield from (_alone(item, settings) for item in items)
        else:
            yield from _together(spectra, settings)


def _grid(scan: Spectrum | ChiK | Exception) -> Hashable:
    """What scans that are measured together share; None of what is measured alone."""
    if not isinstance(scan, Spectrum) or any(finding.severity == "fatal" for finding in scan.findings):
        return None
    return scan.energy.tobytes(), scan.absorber, scan.edge, scan.mode


def _alone(scan: Spectrum | ChiK | Exception, settings: BackgroundSettings) -> ChiK | Exception:
    if isinstance(scan, Exception):
        return scan
    try:
        return scan.to_chi() if isinstance(scan, ChiK) else remove_background(scan, settings)
    except Exception as error:
        return error


def _together(scans: Sequence[Spectrum], settings: BackgroundSettings) -> Iterator[ChiK | Exception]:
    """Those of one run; who is refused is told why alone, by name."""
    like = replace(scans[0], findings=(), record="")
    try:
        batches = list(measure_batch(like, np.array([scan.mu for scan in scans]), settings))
    except Exception:  # even a fault of ours must not cost them all
        yield from (_alone(scan, settings) for scan in scans)
        return
    for batch in batches:
        for row, scan in enumerate(scans[batch.first : batch.first + len(batch.noise)]):
            if batch.first + row in batch.refusals:
                yield _alone(scan, settings)
            else:
                yield replace(batch.scan(row, scan), spectrum=scan, history=(TOLD,))
