"""Scans as they come → χ(k) of each: the only place that knows how many they are. One scan is a batch of one.

Scans of one energy grid are judged together (``gate``), those of one E₀ lose their background together
(``background``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from exafsnn.edges import tabulated
from exafsnn.errors import ExafsnnError, Finding, ScanError
from exafsnn.measure.background import removal_of, resolved, units
from exafsnn.measure.energy_zero import energy_zeros
from exafsnn.measure.gate import Known, Passed, judged
from exafsnn.measure.limits import FEWEST_POINTS
from exafsnn.measure.noise import judged as judged_chi
from exafsnn.measure.noise import noise_of, noisy, usable_ends
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.rise import rises_each
from exafsnn.settings import BackgroundSettings

CHUNK = 500
"""Scans that are worked on at a time: 60 MB at 400 points."""

Told = tuple[Finding, ...]


@dataclass(frozen=True)
class _Removed:
    """Scans of one grid and E₀ without their background."""

    rows: np.ndarray
    """(s,) which they are."""
    energy: Array
    """(n,) energies that were used [eV]."""
    mu: Array
    """(s, n) what was used of μ, repaired."""
    k: Array
    """(m,) [Å⁻¹]."""
    chi: Array
    """(s, m)."""
    noise: Array
    """(s,) ε_k."""
    edge_step: Array
    """(s,) in units of μ."""
    k_max_usable: Array
    """(s,) [Å⁻¹]."""
    background: Array
    """(s, n) μ₀(E)."""
    settings: Mapping[str, Any]
    found: tuple[Told, ...]
    """(s,) what was found and done …"""
    doubts: tuple[Told, ...]
    """(s,) … and what is doubtful about E₀ and noise."""

    def one(self, place: int, scan: Spectrum) -> ChiK:
        """χ(k) of one of them, as a record; ``scan`` is the scan as it was read."""
        used = replace(scan, energy=self.energy, mu=self.mu[place])
        return ChiK(
            self.k,
            self.chi[place],
            scan.absorber,
            scan.edge,
            noise=float(self.noise[place]),
            e0=float(self.settings["e0"]),
            edge_step=float(self.edge_step[place]),
            k_max_usable=float(self.k_max_usable[place]),
            source=scan.source,
            record=scan.record,
            temperature=scan.temperature,
            settings=self.settings,
            history=_history(
                scan,
                used,
                self.found[place],
                self.settings,
                float(self.edge_step[place]),
                float(self.k_max_usable[place]),
            ),
            findings=(*scan.findings, *self.found[place], *self.doubts[place]),
            spectrum=used,
            background=self.background[place],
        )


def measure_all(
    scans: Sequence[Spectrum | ChiK | Exception],
    settings: BackgroundSettings | None = None,
    known: Known | None = None,
) -> list[ChiK | Exception]:
    """χ(k) of each scan, in their order, or why there is none.

    Parameters
    ----------
    scans
        What was read: of χ(k) files noise and range are found, what went wrong is passed on.
    settings
        Parameters of the removal, whose ``kmax`` bounds χ(k) files, too; None: those of the shipped models. With ``e0``
        all scans get that E₀, else each the maximum of its own dμ/dE.
    known
        What the gate learned of scans of the same run that came before; it is added to.
    """
    settings, known = settings or BackgroundSettings(), known or Known()
    found: list[ChiK | Exception] = [_as_read(scan, settings.kmax) for scan in scans]
    left = [row for row, scan in enumerate(scans) if isinstance(scan, Spectrum) and found[row] is _NOT_YET]
    for start in range(0, len(left), CHUNK):
        chunk = left[start : start + CHUNK]
        for row, chi in zip(chunk, _together([scans[row] for row in chunk], settings, known), strict=True):
            found[row] = chi
    return found


def remove_background(spectrum: Spectrum, settings: BackgroundSettings | None = None) -> ChiK:
    """Remove pre-edge and smooth background of a scan: χ(k) = (μ − μ₀)/Δμ₀.

    Parameters
    ----------
    spectrum
        The scan; it is left as it is.
    settings
        Parameters of the removal; None: those of the shipped models.

    Returns
    -------
    ChiK
        On a uniform k grid from 0; its ``settings`` hold every value used, its ``spectrum`` the part of the scan used.

    Raises
    ------
    ScanError
        If the scan is unfit, with the reason and what to do.
    SettingsError
        If a setting is impossible for this scan.
    """
    (found,) = measure_all([spectrum], settings)
    if isinstance(found, Exception):
        raise found
    return found


def _as_read(scan: Spectrum | ChiK | Exception, k_max: float | None) -> ChiK | Exception:
    """What needs no removal; of a scan that does a placeholder, or why it is refused as it was read.

    χ(k) of a file is used to ``k_max`` [Å⁻¹] at most.
    """
    try:
        if isinstance(scan, Exception):
            return scan
        ScanError.refuse_fatal(scan.findings, _where(scan))
        if isinstance(scan, ChiK):
            chi = judged_chi(scan)
            return chi if k_max is None else replace(chi, k_max_usable=min(chi.k_max_usable, k_max))
    except ExafsnnError as error:
        return error
    return _NOT_YET


_NOT_YET: Any = None
"""Stands where χ(k) is still to come."""


def _grid(scan: Spectrum) -> Hashable:
    """What scans that are measured together share."""
    if scan.energy.ndim != 1 or scan.energy.shape != scan.mu.shape:
        return id(scan)
    return np.asarray(scan.energy, dtype=np.float64).tobytes(), scan.absorber, scan.edge, scan.mode


def _where(scan: Spectrum | ChiK) -> str:
    return f"{scan.source}::{scan.record}" if scan.record else scan.source


def _together(scans: Sequence[Any], settings: BackgroundSettings, known: Known) -> list[ChiK | Exception]:
    """χ(k) of scans, or why there is none."""
    found: list[ChiK | Exception] = [_NOT_YET] * len(scans)
    groups: dict[Hashable, list[int]] = {}
    for number, scan in enumerate(scans):
        groups.setdefault(_grid(scan), []).append(number)
    rows = list(groups.values())
    grids = [_of_one_grid([scans[number] for number in numbers]) for numbers in rows]
    for grid, part in _measured(grids, settings, known, lambda grid, row: scans[rows[grid][row]]):
        if isinstance(part, _Removed):
            for place, row in enumerate(part.rows.tolist()):
                number = rows[grid][row]
                found[number] = part.one(place, scans[number])
        else:
            found[rows[grid][part[0]]] = part[1]
    return found


def _of_one_grid(scans: Sequence[Spectrum]) -> tuple[Spectrum, Array]:
    """What scans of one grid share, and their absorption (s, n)."""
    like = replace(scans[0], energy=np.array(scans[0].energy, dtype=np.float64), findings=())
    return like, np.stack([np.asarray(scan.mu, dtype=np.float64) for scan in scans])


def _measured(
    grids: Sequence[tuple[Spectrum, Array]],
    settings: BackgroundSettings,
    known: Known,
    scan_of: Callable[[int, int], Spectrum],
) -> Iterator[tuple[int, _Removed | tuple[int, Exception]]]:
    """Scans of some grids without background, with the number of the grid; of a refused one its row, and why."""
    groups: dict[Hashable, list[tuple[int, Passed]]] = {}
    for grid, passed in judged(grids, known):
        if isinstance(passed, Passed):
            like, alone = grids[grid][0], 0 if len(passed.rows) == 1 else id(passed)
            groups.setdefault((len(passed.energy), like.absorber, like.edge, alone), []).append((grid, passed))
        else:
            row, why = passed
            yield grid, (row, why if isinstance(why, Exception) else _refusal(scan_of(grid, row), why))
    for group in groups.values():
        for (grid, passed), zeros in zip(group, _zeros([item for _, item in group], settings.e0), strict=True):
            yield from ((grid, part) for part in _without_background(grids[grid][0], passed, zeros, settings))


_Zeros = tuple[Array, "Sequence[tuple[float, Told] | Exception]"]
"""(s,) units in which μ is removed; E₀ [eV] and doubts about it, or why there is none."""


def _zeros(group: Sequence[Passed], given: float | None) -> list[_Zeros]:
    """E₀ of scans that passed the gate: of many on one grid, or of lone ones on grids of as many points."""
    energy = np.stack([item.energy for item in group]) if len(group) > 1 else group[0].energy
    mu, near = (np.concatenate([getattr(item, name) for item in group]) for name in ("mu", "positions"))
    unit = units(rises_each(energy, mu, near))
    ends = np.cumsum([0, *(len(item.rows) for item in group)])
    said: Sequence[tuple[float, Told] | Exception]
    try:
        said = energy_zeros(energy, mu / unit[:, None], near, given)
    except Exception as error:
        if len(group) > 1:
            return [_zeros([item], given)[0] for item in group]
        said = [error] * len(unit)
    return [(unit[first:last], said[first:last]) for first, last in pairwise(ends)]


def _refusal(scan: Spectrum, found: Told) -> ScanError:
    """Why a scan is refused in which something fatal was found."""
    try:
        ScanError.refuse_fatal((*scan.findings, *found), _where(scan))
    except ScanError as error:
        return error
    raise AssertionError("a scan is refused for what is fatal only")


def _without_background(
    like: Spectrum, passed: Passed, zeros: _Zeros, settings: BackgroundSettings
) -> Iterator[_Removed | tuple[int, Exception]]:
    """Remove the background of scans that passed the gate, of those of each E₀ together."""
    unit, said = zeros
    groups: dict[float, list[int]] = {}
    for place, zero in enumerate(said):
        if isinstance(zero, tuple):
            groups.setdefault(zero[0], []).append(place)
        else:
            yield int(passed.rows[place]), zero
    for e0, places in groups.items():
        doubts = tuple(zero[1] for zero in (said[place] for place in places) if isinstance(zero, tuple))
        try:
            yield _of_zero(passed, unit, places, doubts, resolved(settings, passed.energy, e0))
        except Exception as error:
            named = error if not isinstance(error, ScanError) else _named(error, like)
            yield from ((int(passed.rows[place]), named) for place in places)


def _named(error: ScanError, like: Spectrum) -> ScanError:
    """Say where, if that is not said."""
    return error if error.where else ScanError(error.reason, where=like.source, remedy=error.remedy)


def _of_zero(
    passed: Passed, unit: Array, places: Sequence[int], doubts: tuple[Told, ...], values: dict[str, Any]
) -> _Removed:
    """Remove the background of scans that share E₀, and with it all parameters."""
    removal = removal_of(passed.energy.tobytes(), tuple(values.items()))
    own = unit[list(places)]
    mu = passed.mu[list(places)]
    chi, background, step = removal(mu / own[:, None])
    noise = noise_of(removal.k, chi)
    usable = np.minimum(usable_ends(removal.k, chi, noise), values["kmax"])
    loud = noisy(removal.k, chi, noise)
    return _Removed(
        passed.rows[list(places)], passed.energy, mu, removal.k, chi, noise, step * own, usable,
        background * own[:, None], values, tuple(passed.findings[place] for place in places),
        tuple((*first, *second) for first, second in zip(doubts, loud, strict=True)),
    )  # fmt: skip


def _history(
    scan: Spectrum, used: Spectrum, found: Told, values: Mapping[str, Any], edge_step: float, usable: float
) -> tuple[str, ...]:  # fmt: skip
    """Tell what was done, in words."""
    left_out = scan.energy[scan.energy > used.energy[-1] + 1e-6]
    return (
        f"read {len(scan.energy)} points from {scan.source}",
        *(finding.message for finding in (*scan.findings, *found)),
        *(f"{len(left_out)} points from {start:.1f} eV on were left out" for start in left_out[:1]),
        f"E₀ = {values['e0']:.2f} eV",
        f"pre-edge line from {values['pre1']:.0f} to {values['pre2']:.0f} eV, polynomial of degree "
        f"{values['nnorm']} from {values['norm1']:.0f} to {values['norm2']:.0f} eV: edge step {edge_step:.4g}",
        f"background by AUTOBK as in larch {values['larch']}: rbkg {values['rbkg']:g} Å, k {values['kmin']:g} to "
        f"{values['kmax']:.2f} Å⁻¹, k weight {values['kweight']}",
        f"χ(k) is used to {usable:.2f} Å⁻¹: short of the end of that, and as far as it stands above its noise",
    )


class Stack(Protocol):
    """(s, n) μ of scans: an array, or what gives arrays when rows of it are asked for, like an HDF5 data set."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(s, n)."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Some scans."""


@dataclass(frozen=True)
class StackChiK:
    """χ(k) of some scans of a stack, in their order. NaN is what a rejected scan has, or one that ends before."""

    first: int
    """Number of the first of these scans in the stack."""
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
    findings: tuple[Told, ...]
    """(s,) what was found; of a rejected scan, too."""
    like: Spectrum
    """What the scans share."""
    _parts: Mapping[int, tuple[_Removed, int]]
    refusals: Mapping[int, ExafsnnError] = field(default_factory=dict)
    """Number in the stack of each rejected scan, and why."""

    def one(self, row: int) -> ChiK:
        """χ(k) of one of these scans, as a record; 0 is ``first``.

        Raises
        ------
        ExafsnnError
            If the scan was rejected: the reason.
        """
        if self.first + row in self.refusals:
            raise self.refusals[self.first + row]
        part, place = self._parts[row]
        return part.one(place, replace(self.like, mu=part.mu[place], record=str(self.first + row)))


def measure_stack(
    like: Spectrum, mu: Stack, settings: BackgroundSettings | None = None, *, chunk: int = CHUNK
) -> Iterator[StackChiK]:
    """``measure_all`` of scans on one energy grid that are an array, chunk by chunk.

    Parameters
    ----------
    like
        What the scans share: energies (n,), absorber, edge, mode, source. Its μ is not used.
    mu
        (s, n) absorption. Only ``chunk`` scans are in memory at a time.
    settings
        As ``measure_all`` takes them.
    chunk
        How many scans at a time.

    Yields
    ------
    StackChiK
        Of ``chunk`` scans each, in their order. A scan that is unfit is a refusal in it, and stops no other.

    Raises
    ------
    ScanError
        If the energies do not increase, or are not as many as values of μ, or if a finding of ``like`` is fatal.
    """
    ScanError.refuse_fatal(like.findings, like.source)
    energy, shape = np.array(like.energy, dtype=np.float64), mu.shape
    if energy.ndim != 1 or len(shape) != 2 or shape[1] != len(energy) or len(energy) < FEWEST_POINTS:
        reason = f"energy has shape {energy.shape} and μ {shape}"
        remedy = f"Give (n,) energies and (s, n) values of μ, n at least {FEWEST_POINTS}"
        raise ScanError(reason, where=like.source, remedy=remedy)
    if not np.isfinite(energy).all() or (np.diff(energy) <= 0).any():
        raise ScanError("the energies do not increase", where=like.source, remedy="Sort the scans, each with its μ")
    if chunk < 1:
        raise ScanError(f"{chunk} scans cannot be measured at a time", where=like.source, remedy="Give chunk=1 or more")
    tabulated(like.absorber, like.edge)
    like, known = replace(like, energy=energy, mu=energy, findings=()), Known()
    starts = range(0, shape[0], chunk)
    return (
        _in_order(like, start, np.array(mu[start : start + chunk], dtype=np.float64), settings, known)
        for start in starts
    )


def _in_order(
    like: Spectrum, first: int, mu: Array, settings: BackgroundSettings | None, known: Known
) -> StackChiK:  # fmt: skip
    """Measure a chunk, and put it in order."""
    parts, refusals = [], {}
    named = replace(like, record="")
    for _, part in _measured([(like, mu)], settings or BackgroundSettings(), known, lambda _, row: replace(
        named, mu=mu[row], record=str(first + row)
    )):  # fmt: skip
        if isinstance(part, _Removed):
            parts.append(part)
        elif isinstance(part[1], ExafsnnError):
            refusals[part[0]] = part[1]
        else:
            raise part[1]
    longest = max((part.k for part in parts), key=len, default=np.zeros(0))
    chi = np.full((len(mu), len(longest)), np.nan)
    noise, e0, edge_step, usable = np.full((4, len(mu)), np.nan)
    used: list[Mapping[str, Any]] = [{}] * len(mu)
    findings: list[Told] = [getattr(refusals.get(row), "findings", ()) for row in range(len(mu))]
    places: dict[int, tuple[_Removed, int]] = {}
    for part in parts:
        chi[part.rows, : len(part.k)] = part.chi
        noise[part.rows], e0[part.rows] = part.noise, part.settings["e0"]
        edge_step[part.rows], usable[part.rows] = part.edge_step, part.k_max_usable
        for place, row in enumerate(part.rows.tolist()):
            used[row], findings[row] = part.settings, (*part.found[place], *part.doubts[place])
            places[row] = part, place
    refused = {first + row: error for row, error in refusals.items()}
    return StackChiK(
        first, longest, chi, noise, e0, edge_step, usable, tuple(used), tuple(findings), like, places, refused
    )  # fmt: skip
