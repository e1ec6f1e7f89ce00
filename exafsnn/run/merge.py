"""Repeats of one sample → one scan, with less noise; those that differ stay scans of their own, and are told.

Each is measured first, for its noise and its edge. μ(E) of each, less its pre-edge line and over its edge step, is
moved along the energies until its edge lies on that of the first, and averaged, weighted by one over its noise squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from exafsnn.errors import Finding, ScanError
from exafsnn.measure.scans import measure_all
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.run.repeats import APART, BEYOND_NOISE, apart_of
from exafsnn.settings import BackgroundSettings

_EDGE = (-20.0, 40.0)
"""Energies from E₀ on [eV] in which edges are laid on each other."""
_FARTHEST = 5.0
"""Repeats whose edges lie farther apart [eV] are told."""
_STEPS = 12


Scan = Spectrum | ChiK | Exception
"""What was read, or why it was not."""


def merged(scans: Sequence[tuple[str, Scan]], settings: BackgroundSettings) -> list[tuple[str, Scan]]:
    """Repeats, all μ(E) or all χ(k), as one scan, with the names of all.

    Those that differ are no repeats: they come behind as scans of their own, or are merged among themselves, with a
    warning; so do, as they are, those that cannot be read or used. One scan alone stays as it is.
    """
    if len(scans) == 1:
        return list(scans)
    measured = measure_all([scan for _, scan in scans], settings)
    used = [(name, chi) for (name, _), chi in zip(scans, measured, strict=True) if isinstance(chi, ChiK)]
    unfit = [scan for scan, chi in zip(scans, measured, strict=True) if not isinstance(chi, ChiK)]
    read = dict(scans)
    found: list[tuple[str, Scan]] = []
    for group, told in _groups(used):
        if len(group) > 1:
            mean = _mean(group, told)
            found.append((mean.source, mean))
            continue
        ((name, _),) = group
        alone = read[name]
        if isinstance(alone, Spectrum | ChiK):
            found.append((name, replace(alone, findings=(*alone.findings, *told))))
    return [*found, *unfit]


def _mean(used: Sequence[tuple[str, ChiK]], told: list[Finding]) -> Spectrum | ChiK:
    """The mean of scans that agree; its findings say what was merged, and by how much it was moved."""
    weights = np.array([1 / max(chi.noise, 1e-12) ** 2 for _, chi in used])
    weights /= weights.sum()
    shares = ", ".join(f"{name} ({weight:.0%})" for (name, _), weight in zip(used, weights, strict=True))
    said = [Finding("merged", "note", f"merged of {len(used)} scans, by their noise: {shares}"), *told]
    chis = [chi for _, chi in used]
    first = chis[0]
    temperatures = [chi.temperature for chi in chis if chi.temperature is not None]
    source = f"{first.source} ({len(used)} merged)"
    temperature = float(np.mean(temperatures)) if temperatures else None
    if first.spectrum is None:
        k = first.k[first.k <= min(chi.k[-1] for chi in chis)]
        mean = weights @ np.array([np.interp(k, chi.k, chi.chi) for chi in chis])
        return replace(
            first, k=k, chi=mean, noise=np.nan, k_max_usable=np.nan, findings=(*_common(chis), *said), source=source,
            record="", temperature=temperature,
        )  # fmt: skip
    spectrum, moved = _averaged(chis, weights)
    far = max(abs(moved)) > _FARTHEST
    if np.ptp(moved) > 0:
        by = ", ".join(f"{shift:+.2f}" for shift in moved)
        said.append(Finding(
            "aligned", "warning" if far else "note", f"their energies were moved by {by} eV, onto the first's edge",
            remedy="Was the monochromator calibrated anew between them?" if far else "",
        ))  # fmt: skip
    return replace(spectrum, findings=(*_common(chis), *said), source=source, record="", temperature=temperature)


def _common(scans: Sequence[ChiK]) -> list[Finding]:
    """What was found of a scan as it was read, and of every other, too: what is of one alone the average has little of.

    What the gate finds is asked of the average again.
    """
    alike = set(scans[0].findings).intersection(*(scan.findings for scan in scans[1:]))
    return [finding for finding in scans[0].findings if finding in alike and finding.severity == "note"]


_Group = tuple[list[tuple[str, ChiK]], list[Finding]]
"""Scans that agree, and what is told of them."""


def _groups(used: Sequence[tuple[str, ChiK]]) -> list[_Group]:
    """Scans by whom they agree with, the largest group first: each those that agree with the one with which most do.

    What is the same to the last digit is counted once, and told.
    """
    count = len(used)
    apart, limit = np.zeros((count, count)), np.full((count, count), np.inf)
    copies: dict[int, int] = {}
    for one, other in combinations(range(count), 2):
        first, second = used[one][1], used[other][1]
        if first.chi.shape == second.chi.shape and np.array_equal(first.chi, second.chi):
            copies.setdefault(other, one)
        difference, noise = apart_of(first, second)
        apart[one, other] = apart[other, one] = difference
        limit[one, other] = limit[other, one] = max(APART, BEYOND_NOISE * noise)
    agree = apart <= limit
    left, groups = [number for number in range(count) if number not in copies], []
    while left:
        middle = left[int(agree[np.ix_(left, left)].sum(axis=0).argmax())]
        own = [number for number in left if agree[middle, number]]
        left = [number for number in left if number not in own]
        groups.append((middle, own))
    found = []
    for place, (middle, own) in enumerate(groups):
        told = [
            Finding("copy", "warning", f"{used[of][0]} has the numbers of {used[number][0]}, and is counted once",
                    remedy="Is one of them a copy?")
            for of, number in copies.items() if number in own
        ]  # fmt: skip
        others = [item for number, item in enumerate(groups) if number != place and len(item[1]) >= len(own)]
        told += [
            Finding(
                "no-repeat", "warning",
                f"k²χ differs by {apart[middle, other]:.0%} from that of {used[other][0]}, and is not merged with it",
                remedy="Is it of another sample or state, or one of them damaged?",
            )
            for other, _ in others[:1]
        ]  # fmt: skip
        found.append(([used[number] for number in own], told))
    return found


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
