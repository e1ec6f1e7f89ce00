"""χ(k) of a file → ``ChiK`` on a uniform grid; its noise and its usable range are for ``measure`` to say."""

from __future__ import annotations

import math

import numpy as np

from exafsnn.edges import Edge
from exafsnn.errors import Finding, ScanError
from exafsnn.read.table import Table
from exafsnn.records import Array, ChiK

_MAX_CHI_K = 40.0
"""Largest k [Å⁻¹] that a χ(k) file may hold."""


def regrid(k: Array, chi: Array, kstep: float) -> tuple[Array, Array]:
    """χ(k) on the uniform grid 0, kstep, 2 kstep …, cubic between the points, 0 below the first.

    Parameters
    ----------
    k
        (n,) increasing wavenumbers [Å⁻¹].
    chi
        (n,) χ(k).
    kstep
        Spacing of the new grid [Å⁻¹].
    """
    from scipy.interpolate import CubicSpline

    grid = kstep * np.arange(int(k[-1] / kstep + 1e-6) + 1)
    inside = grid >= k[0] - 1e-6
    values: Array = np.where(inside, CubicSpline(k, chi)(np.clip(grid, k[0], k[-1])), 0.0)
    return np.asarray(grid, dtype=np.float64), values


def chi_from_table(
    table: Table, k: Array, chi: Array, edge: Edge, temperature: float | None, e0: float | None, kstep: float = 0.05
) -> ChiK:
    """χ(k) of a file, on the uniform grid.

    Parameters
    ----------
    table
        What was read, for its header.
    k, chi
        (n,) χ(k) as read, k increasing [Å⁻¹].
    edge
        Absorber and edge.
    temperature
        Of the sample [K], if known.
    e0
        E₀ [eV] as the user says; None: what the header tells.
    kstep
        Spacing of the new grid [Å⁻¹].

    Raises
    ------
    ScanError
        If k is no wavenumber in Å⁻¹.
    """
    if k[0] < 0 or k[-1] > _MAX_CHI_K or len(k) < 10:
        raise ScanError(
            f"k runs from {k[0]:g} to {k[-1]:g} in {len(k)} points",
            where=table.where,
            remedy=f"Give χ(k) with k in Å⁻¹, from 0 to at most {_MAX_CHI_K:g}",
        )
    grid, values = regrid(k, chi, kstep)
    note = Finding("chi-file", "note", "χ(k) was read from the file; its background removal is not ours")
    return ChiK(
        grid,
        values,
        edge.absorber,
        edge.name,
        noise=math.nan,
        e0=e0 if e0 is not None else _number(table.field("athena.e0", "bkg_e0")),
        edge_step=_number(table.field("athena.edge_step", "bkg_step")),
        k_max_usable=math.nan,
        source=table.source,
        record=table.record,
        temperature=temperature,
        settings={"kstep": kstep},
        history=(f"χ(k) read from {table.where}", f"interpolated onto steps of {kstep:g} Å⁻¹"),
        findings=(*table.findings, note),
    )


def _number(text: str | None) -> float:
    """Read the number that a header field begins with; NaN if there is none."""
    try:
        return float((text or "").split()[0])
    except (IndexError, ValueError):
        return math.nan
