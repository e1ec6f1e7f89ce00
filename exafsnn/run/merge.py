"""Repeats of one sample → one scan, with the noise of all: those that differ are left out, and told.

Each is measured first, for its noise and its edge. μ(E) of each, less its pre-edge line and over its edge step, is
moved along the energies until its edge lies on that of the first, and averaged, weighted by one over its noise squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from exafsnn.errors import ExafsnnError, Finding, ScanError
from exafsnn.measure.scans import measure_all
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.run.repeats import APART, BEYOND_NOISE, apart_of
from exafsnn.settings import BackgroundSettings

_EDGE = (-20.0, 40.0)
"""Energies from E₀ on [eV] in which edges are laid on each other."""
_FARTHEST = 5.0
"""Repeats whose edges lie farther apart [eV] are told."""
_STEPS = 12


def merged(
    scans: Sequence[tuple[str, Spectrum | ChiK | Exception]], settings: BackgroundSettings
) -> Spectrum | ChiK | Exception:
    """One scan of repeats, all μ(E) or all χ(k), with their names.

    Its findings say what was merged, moved and left out. One scan alone stays as it is; where none can be used, it is
    the error of the first.
    """
    if len(scans) == 1:
        return scans[0][1]
    names = [name for name, _ in scans]
    measured = measure_all([scan for _, scan in scans], settings)
    told = [_left_out(name, chi) for name, chi in zip(names, measured, strict=True) if isinstance(chi, Exception)]
    used = [(name, chi) for name, chi in zip(names, measured, strict=True) if isinstance(chi, ChiK)]
    if not used:
        return next(chi for chi in measured if isinstance(chi, Exception))
    used, others = _agreeing(used)
    told += others
    weights = np.array([1 / max(chi.noise, 1e-12) ** 2 for _, chi in used])
    weights /= weights.sum()
    shares = ", ".join(f"{name} ({weight:.0%})" for (name, _), weight in zip(used, weights, strict=True))
    told.insert(0, Finding("merged", "note", f"merged of {len(used)} scans, by their noise: {shares}"))
    first = used[0][1]
    temperatures = [chi.temperature for _, chi in used if chi.temperature is not None]
    source = f"{first.source} ({len(used)} merged)"
    temperature = float(np.mean(temperatures)) if temperatures else None
    if first.spectrum is None:
        k = first.k[first.k <= min(chi.k[-1] for _, chi in used)]
        chi = weights @ np.array([np.interp(k, each.k, each.chi) for _, each in used])
        findings = (*_common([each for _, each in used]), *told)
        return replace(
            first, k=k, chi=chi, noise=np.nan, k_max_usable=np.nan, findings=findings, source=source, record="",
            temperature=temperature,
        )  # fmt: skip
    spectrum, moved = _averaged([chi for _, chi in used], weights)
    far = [name for (name, _), shift in zip(used, moved, strict=True) if abs(shift) > _FARTHEST]
    if np.ptp(moved) > 0:
        said = ", ".join(f"{shift:+.2f}" for shift in moved)
        told.append(Finding(
            "aligned", "warning" if far else "note", f"their energies were moved by {said} eV, onto the first's edge",
            remedy="Was the monochromator calibrated anew between them?" if far else "",
        ))  # fmt: skip
    findings = (*_common([chi for _, chi in used]), *told)
    return replace(spectrum, findings=findings, source=source, record="", temperature=temperature)


def _left_out(name: str, why: Exception) -> Finding:
    reason = why.sentence if isinstance(why, ExafsnnError) else str(why)
    return Finding("left-out", "warning", f"{name} is left out: {reason}")


def _common(scans: Sequence[ChiK]) -> list[Finding]:
    """What was found of a scan as it was read, and of every other, too: what is of one alone the average has little of.

    What the gate finds is asked of the average again.
    """
    alike = set(scans[0].findings).intersection(*(scan.findings for scan in scans[1:]))
    return [finding for finding in scans[0].findings if finding in alike and finding.severity == "note"]


def _agreeing(used: list[tuple[str, ChiK]]) -> tuple[list[tuple[str, ChiK]], list[Finding]]:
    """Those that agree with the one with which most agree, and what is told of the rest.

    Of two that differ nothing says which is wrong.
    """
    agree = np.eye(len(used), dtype=bool)
    apart = np.zeros(agree.shape)
    for one, other in combinations(range(len(used)), 2):
        difference, noise = apart_of(used[one][1], used[other][1])
        agree[one, other] = agree[other, one] = difference <= max(APART, BEYOND_NOISE * noise)
        apart[one, other] = apart[other, one] = difference
    middle = int(agree.sum(axis=0).argmax())
    told = []
    if not agree.all() and len(used) == 2:
        said = f"k²χ of {used[1][0]} differs by {apart[0, 1]:.0%} from that of {used[0][0]}, more than by noise"
        remedy = "They are merged, and one of them is wrong, or they are no repeats"
        return used, [Finding("repeats-differ", "warning", said, remedy=remedy)]
    for number in np.flatnonzero(~agree[middle]).tolist():
        said = f"k²χ of {used[number][0]} differs by {apart[middle, number]:.0%} from that of {used[middle][0]}"
        told.append(Finding("left-out", "warning", f"{said}, and is left out", remedy="Look at it alone"))
    return [used[number] for number in np.flatnonzero(agree[middle]).tolist()], told


def _averaged(scans: Sequence[ChiK], weights: Array) -> tuple[Spectrum, Array]:
    """The mean of normalised μ(E) on the energies of the first that all have, and by how much each was moved [eV]."""
    spectra = [_normalised(chi) for chi in scans]
    moved = np.array([0.0, *(_shift(spectra[0], other, scans[0].e0) for other in spectra[1:])])
    ends = np.array([of.energy[[0, -1]] + shift for of, shift in zip(spectra, moved, strict=True)])
    low, high = ends[:, 0].max(), ends[:, 1].min()
    energy = spectra[0].energy
    energy = energy[(energy >= low - 1e-9) & (energy <= high + 1e-9)]
    each = [np.interp(energy, of.energy + shift, of.mu) for of, shift in zip(spectra, moved, strict=True)]
    return replace(spectra[0], energy=energy, mu=weights @ np.array(each)), moved


def _normalised(chi: ChiK) -> Spectrum:
    """The scan behind χ(k), as it was used: less its pre-edge line, over its edge step."""
    spectrum = chi.spectrum
    if spectrum is None:
        raise ScanError("a χ(k) file has no μ(E)", where=chi.source)
    before = slice(*np.searchsorted(spectrum.energy, [chi.e0 + chi.settings["pre1"], chi.e0 + chi.settings["pre2"]]))
    line = np.polynomial.Polynomial.fit(spectrum.energy[before], spectrum.mu[before], 1)
    return replace(spectrum, mu=(spectrum.mu - line(spectrum.energy)) / chi.edge_step)


def _shift(first: Spectrum, other: Spectrum, e0: float) -> float:
    """By how much the energies of another scan have to be moved for its edge to lie on the first's [eV]."""
    energy = np.arange(e0 + _EDGE[0], e0 + _EDGE[1], 0.1)
    wanted = np.interp(energy, first.energy, first.mu)
    shift = 0.0
    for _ in range(_STEPS):
        found = np.interp(energy, other.energy + shift, other.mu)
        slope = np.gradient(found, energy)
        step = float(slope @ (found - wanted) / (slope @ slope))
        shift += step
        if abs(step) < 1e-4:
            break
    return shift
