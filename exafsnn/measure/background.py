"""Spectrum → χ(k) with larch's AUTOBK, every parameter explicit: a model holds only for the preprocessing it learned.

``gate.py`` is asked first; larch gets copies, because it changes what it is given.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from exafsnn.errors import Finding, ScanError, SettingsError
from exafsnn.measure.gate import check, edge_position, end_of_exafs, mended
from exafsnn.measure.inflection import ambiguous
from exafsnn.measure.limits import MAX_EDGE_OFFSET
from exafsnn.measure.noise import NOISE_KWEIGHT, NOISE_R, noise_of, usable_end
from exafsnn.measure.sampling import wavenumbers
from exafsnn.records import Array, ChiK, Spectrum
from exafsnn.rise import edge_rise
from exafsnn.settings import BackgroundSettings

MAX_DISAGREEMENT = 4.0
"""Distance [eV] between larch's E₀ and the steepest rise near the edge beyond which larch was misled by a spike."""

NOISY, LOUD_K = 0.1, (4.0, 8.0)
"""Noise above this share of the root mean square of χ(k) in that range [Å⁻¹] is told."""

NORMAL_RISES = (0.05, 8.0)
"""Rises of μ at the edge that larch gets as they are. The floor of its edge step (1e-12) and its clamps (20 % of χ(k)
for μ in 10⁴ counts) depend on the unit, so other scans are brought to a rise of 1."""

FIXED = {"nvict": 0, "npre": 1, "step": None}
"""larch's ``pre_edge`` parameters that no setting changes: a straight line below the edge, the step from the fit."""


@dataclass(frozen=True)
class _Removal:
    """What larch returned."""

    k: Array
    chi: Array
    background: Array
    edge_step: float


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
    settings = settings or BackgroundSettings()
    where = f"{spectrum.source}::{spectrum.record}" if spectrum.record else spectrum.source
    ScanError.refuse_fatal(spectrum.findings, where)
    findings = check(spectrum)
    ScanError.refuse_fatal((*spectrum.findings, *findings), where)
    used, repairs = mended(up_to(spectrum, end_of_exafs(spectrum)))
    ScanError.refuse_fatal((*spectrum.findings, *findings, *repairs), where)
    unit = _unit(used)
    e0, doubts = _edge_energy(replace(used, mu=used.mu / unit), settings.e0)
    values = resolved(settings, used, e0)
    removal = _autobk(used, values, unit)
    noise = noise_of(removal.k, removal.chi)
    return ChiK(
        removal.k,
        removal.chi,
        spectrum.absorber,
        spectrum.edge,
        noise=noise,
        e0=e0,
        edge_step=removal.edge_step,
        k_max_usable=min(usable_end(removal.k, removal.chi, noise), values["kmax"]),
        source=spectrum.source,
        record=spectrum.record,
        temperature=spectrum.temperature,
        settings=values,
        history=_history(spectrum, used, (*findings, *repairs), values, removal),
        findings=(*spectrum.findings, *findings, *repairs, *doubts, *noisy(removal.k, removal.chi, noise)),
        spectrum=used,
        background=removal.background,
    )


def up_to(spectrum: Spectrum, end: float) -> Spectrum:
    """Cut the scan at an energy [eV], into arrays of its own."""
    inside = spectrum.energy <= end
    return replace(
        spectrum,
        energy=np.array(spectrum.energy[inside], dtype=np.float64),
        mu=np.array(spectrum.mu[inside], dtype=np.float64),
    )


def _unit(spectrum: Spectrum) -> float:
    """Rise of μ at the edge if larch would not give the χ(k) of ordinary units, else 1."""
    rise = edge_rise(spectrum.energy, spectrum.mu, edge_position(spectrum))
    return 1.0 if rise <= 0 or NORMAL_RISES[0] <= rise <= NORMAL_RISES[1] else rise


def _edge_energy(spectrum: Spectrum, given: float | None) -> tuple[float, tuple[Finding, ...]]:
    """E₀ [eV]: as given, else larch's maximum of dμ/dE, unless that is not at the edge."""
    near = edge_position(spectrum)
    if given is not None:
        if abs(given - near) > MAX_EDGE_OFFSET:
            raise SettingsError(
                f"e0 = {given:g} eV is not at the edge ({near:.1f} eV)",
                where="BackgroundSettings", remedy="Change that setting, or leave it out",
            )  # fmt: skip
        return given, ()
    e0, doubts = believed(float(larch_xafs().find_e0(spectrum.energy.copy(), mu=spectrum.mu.copy())), near)
    return e0, (*doubts, *ambiguous(spectrum.energy, spectrum.mu, e0))


def believed(found: float, near: float) -> tuple[float, tuple[Finding, ...]]:
    """E₀ [eV] as larch found it, unless that is not near the smoothed edge."""
    if abs(found - near) <= MAX_DISAGREEMENT:
        return found, ()
    message = f"the steepest point is at {found:.1f} eV, off the smoothed edge; E₀ = {near:.1f} eV was taken"
    return near, (Finding("e0-off-edge", "warning", message, found, "Look for a spike there, or give --e0"),)


def noisy(k: Array, chi: Array, noise: float) -> tuple[Finding, ...]:
    """Tell noise that is no longer small against the oscillations."""
    loud = (k > LOUD_K[0]) & (k < LOUD_K[1])
    signal = float(np.sqrt(np.mean(chi[loud] ** 2)))
    if noise < NOISY * signal:
        return ()
    share = noise / signal if signal else np.inf
    message = (
        f"the noise is {share:.0%} of the oscillations at k = {LOUD_K[0]:g} to {LOUD_K[1]:g} Å⁻¹ (ε_k {noise:.1e})"
    )
    return (Finding("noisy", "warning", message, remedy="Count longer, or merge repeated scans"),)


def resolved(settings: BackgroundSettings, spectrum: Spectrum, e0: float) -> dict[str, Any]:
    """Every value that the removal uses, as numbers: nothing is left to larch's defaults."""
    from larch import __version__

    last = float(spectrum.energy[-1]) - e0
    k_end = float(wavenumbers(last, 0.0))
    within_scan = replace(  # which the settings check once more
        settings,
        e0=e0,
        norm2=last if settings.norm2 is None else min(settings.norm2, last),
        pre1=max(settings.pre1, float(spectrum.energy[0]) - e0),
        kmax=k_end if settings.kmax is None else min(settings.kmax, k_end),
    )
    noise = {"noise_r": NOISE_R, "noise_kweight": NOISE_KWEIGHT}
    return {**within_scan.to_mapping(), **FIXED, **noise, "larch": __version__}


def larch_xafs() -> ModuleType:
    """Import larch's XAFS functions, which takes seconds and warns of things that are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from larch import xafs
    module: ModuleType = xafs
    return module


def _autobk(spectrum: Spectrum, values: dict[str, Any], unit: float) -> _Removal:
    """Run larch's ``pre_edge`` and ``autobk`` on a fresh group, with μ in that unit."""
    from larch import Group

    larch, energy, mu = larch_xafs(), spectrum.energy.copy(), spectrum.mu / unit
    group = Group(energy=energy, mu=mu)
    line = {key: values[key] for key in ("e0", "pre1", "pre2", "norm1", "norm2", "nnorm", *FIXED)}
    larch.pre_edge(energy, mu=mu, group=group, make_flat=False, iscalc=False, **line)
    same = ("rbkg", "kmin", "kmax", "kstep", "kweight", "dk", "nfft", "clamp_lo", "clamp_hi", "nclamp")
    larch.autobk(
        energy,
        mu=mu,
        group=group,
        ek0=values["e0"],
        edge_step=group.edge_step,
        win=values["window"],
        nknots=None,
        k_std=None,
        chi_std=None,
        calc_uncertainties=False,
        **{key: values[key] for key in same},
    )
    if getattr(group, "chi", None) is None or not np.isfinite(group.chi).all():
        raise ScanError("AUTOBK found no background", where=spectrum.source, remedy="Try another --rbkg or --kmax")
    k, chi, background = (np.asarray(array) for array in (group.k, group.chi, group.bkg))
    return _Removal(k, chi, unit * background, unit * float(group.edge_step))


def _history(
    spectrum: Spectrum, used: Spectrum, repairs: tuple[Finding, ...], values: dict[str, Any], removal: _Removal
) -> tuple[str, ...]:
    """Tell what was done, in words."""
    left_out = spectrum.energy[spectrum.energy > used.energy[-1] + 1e-6]
    return (
        f"read {len(spectrum.energy)} points from {spectrum.source}",
        *(finding.message for finding in (*spectrum.findings, *repairs)),
        *(f"{len(left_out)} points from {start:.1f} eV on were left out" for start in left_out[:1]),
        f"E₀ = {values['e0']:.2f} eV",
        f"pre-edge line from {values['pre1']:.0f} to {values['pre2']:.0f} eV, polynomial of degree "
        f"{values['nnorm']} from {values['norm1']:.0f} to {values['norm2']:.0f} eV: edge step {removal.edge_step:.4g}",
        f"background by AUTOBK of larch {values['larch']}: rbkg {values['rbkg']:g} Å, k {values['kmin']:g} to "
        f"{values['kmax']:.2f} Å⁻¹, k weight {values['kweight']}",
    )
