"""``background.py`` for many scans: sound ones of one position of the edge → χ(k), those of each E₀ together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from exafsnn.edges import tabulated
from exafsnn.errors import ExafsnnError, Finding
from exafsnn.measure.background import LOUD_K, NOISY, NORMAL_RISES, believed, noisy, resolved
from exafsnn.measure.batch.answer import Answer
from exafsnn.measure.batch.edge import EdgeFinder, edge_finder
from exafsnn.measure.batch.energy_zero import steepest_points
from exafsnn.measure.batch.forms import ROUNDING
from exafsnn.measure.batch.noise import noise_form, usable_ends
from exafsnn.measure.batch.removal import removal_of
from exafsnn.measure.inflection import ambiguous
from exafsnn.measure.limits import MAX_EDGE_OFFSET
from exafsnn.records import Array, Spectrum
from exafsnn.settings import BackgroundSettings

Told = list[tuple[Finding, ...]]


def without_background(
    spectrum: Spectrum, mu: Array, rows: np.ndarray, near: Array, told: Told, settings: BackgroundSettings
) -> Iterator[Answer]:
    """Find E₀ of sound scans, and remove the background of those of each E₀ together.

    Parameters
    ----------
    spectrum
        What the scans share; its energies (n,) are those of μ.
    mu
        (s, n) absorption.
    rows
        (s,) which scans of their chunk they are.
    near
        (s,) position of the edge [eV].
    told
        (s,) what was found of them so far.
    settings
        Parameters of the removal.

    Yields
    ------
    Answer
        Scans that are in none are to be told why, alone.
    """
    finder = edge_finder(spectrum.energy.tobytes(), tabulated(spectrum.absorber, spectrum.edge))
    unit = _units(finder.rises(mu, near))
    if settings.e0 is None:
        said = _energy_zeros(finder, mu, unit, near)
    else:
        kept = np.flatnonzero(np.abs(near - settings.e0) <= MAX_EDGE_OFFSET)
        rows, mu, unit, told = rows[kept], mu[kept], unit[kept], [told[row] for row in kept.tolist()]
        said = [(settings.e0, ()) for _ in rows]
    e0 = np.array([energy for energy, _ in said])
    for energy in np.unique(e0).tolist():
        here = np.flatnonzero(e0 == energy)
        try:
            values = resolved(settings, spectrum, energy)
        except ExafsnnError:  # which each of these scans is told when it is measured alone
            continue
        findings = [told[row] + said[row][1] for row in here.tolist()]
        yield _of_zero(spectrum.energy, mu[here], unit[here], rows[here], values, findings)


def _units(rise: Array) -> Array:
    """(s,) units in which μ is removed: 1, or the rise at the edge where that is not ordinary."""
    ordinary = (rise <= 0) | ((rise >= NORMAL_RISES[0]) & (rise <= NORMAL_RISES[1]))
    return np.where(ordinary, 1.0, rise)


def _energy_zeros(
    finder: EdgeFinder, mu: Array, unit: Array, near: Array
) -> list[tuple[float, tuple[Finding, ...]]]:  # fmt: skip
    """(s,) E₀ [eV] of each scan, and doubts about it."""
    found = steepest_points(finder.energy, mu / unit[:, None])
    said = [believed(*pair) for pair in zip(found.tolist(), near.tolist(), strict=True)]
    twofold = finder.twofold(mu, np.array([energy for energy, _ in said]))
    for row in np.flatnonzero(twofold).tolist():
        e0, doubts = said[row]
        said[row] = e0, doubts + ambiguous(finder.energy, mu[row] / unit[row], e0)
    return said


def _of_zero(
    energy: Array, mu: Array, unit: Array, rows: np.ndarray, values: Mapping[str, Any], findings: Told
) -> Answer:  # fmt: skip
    """χ(k) of scans that share E₀, and with it all parameters."""
    removal = removal_of(energy.tobytes(), tuple(values.items()))
    chi, step = removal(mu / unit[:, None])
    noise = np.linalg.norm(chi @ noise_form(len(removal.k), values["kstep"]), axis=1)
    usable = np.minimum(usable_ends(removal.k, chi, noise), values["kmax"])
    inside = (removal.k > LOUD_K[0]) & (removal.k < LOUD_K[1])
    for i in np.flatnonzero(noise >= ROUNDING * NOISY * np.sqrt(np.mean(chi[:, inside] ** 2, axis=1))).tolist():
        findings[i] += noisy(removal.k, chi[i], float(noise[i]))
    return Answer(rows, removal.k, chi, noise, values["e0"], step * unit, usable, values, tuple(findings))
