"""χ(k) → what a beamline would have recorded: energy, I₀ and I_t of a transmission scan of an iron foil.

Called by ``make_spectra.py``. The absorption is tabulated (xraydb), the edge has iron's shape in outline (shoulder,
rise, white line), the fine structure rides on the falling atomic background, and both chambers count photons.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xraydb
from scipy.special import erf

from exafsnn.constants import K2_PER_EV
from exafsnn.records import Array

DENSITY = 7.874
"""Of the foil before it is heated [g/cm³]; its mass per area does not change."""


@dataclass(frozen=True)
class Beamline:
    """How the scans of the session are recorded."""

    e0: float = 7112.0
    """Fe K edge [eV]: the maximum of dμ/dE."""
    offset: float = -2.3
    """Recorded energy minus true energy [eV]."""
    thickness: float = 3.6e-4
    """[cm]; an edge step of about 1."""
    windows: float = 0.35
    """Absorption of windows and gas at the edge, falling as E⁻³."""
    photons: float = 2.0e7
    """Counts of I₀ per point."""
    amplitude: float = 0.81
    """S₀²; measured foils give 0.78 with FEFF8.5L, whose amplitudes are 4 % larger than FEFF6L's."""
    theory_zero: float = 7.5
    """Energy zero of FEFF6L's k above ``e0`` [eV]: 4.5 eV above FEFF8.5L's, which measured foils put at + 3 eV."""


@dataclass(frozen=True)
class Scan:
    """Columns of one scan."""

    energy: Array
    """(n,) as recorded [eV]."""
    i0: Array
    """(n,) counts."""
    itrans: Array
    """(n,) counts."""


def energy_grid(beamline: Beamline, k_max: float = 14.5) -> Array:
    """(n,) recorded energies [eV]: steps of 10 eV before the edge, of 0.4 eV across it, then of 0.05 Å⁻¹."""
    k_start = np.sqrt(K2_PER_EV * 40.0)
    k = np.append(np.arange(k_start, k_max, 0.05), k_max)
    relative = np.concatenate([np.arange(-200.0, -20.0, 10.0), np.arange(-20.0, 39.9, 0.4), k**2 / K2_PER_EV])
    return np.round(beamline.e0 + relative, 3)


def foil_absorption(energy: Array) -> tuple[Array, Array]:
    """μ/ρ of iron without its K edge, and the atomic K-edge absorption, at true energies; each (n,) [cm²/g].

    Both are smooth on either side: Victoreen's C/E³ + D/E⁴ below, a power law above.
    """
    below, above = np.arange(6900.0, 7101.0, 20.0), np.arange(7130.0, 8000.0, 20.0)
    terms = np.stack([below**-3, below**-4], axis=1)
    cubic, quartic = np.linalg.lstsq(terms, xraydb.mu_elam("Fe", below), rcond=None)[0]
    power, constant = np.polyfit(np.log(above), np.log(xraydb.mu_elam("Fe", above)), 1)
    before = cubic / energy**3 + quartic / energy**4
    return before, np.exp(constant) * energy**power - before


def edge_shape(relative: Array) -> Array:
    """(n,) the K edge of metallic iron without fine structure; ``relative``: energy above the edge [eV].

    Inflections at 0 (the shoulder) and at 9.2 eV, a white line at 19.5 eV.
    """

    def rise(centre: float, width: float) -> Array:
        result: Array = 0.5 * (1 + erf((relative - centre) / (np.sqrt(2) * width)))
        return result

    white_line: Array = 0.05 * np.exp(-0.5 * ((relative - 19.5) / 2.5) ** 2)
    return 0.34 * rise(0.0, 1.25) + 0.66 * rise(9.2, 3.6) + white_line


def fine_structure(relative: Array, k: Array, chi: Array, theory_zero: float) -> Array:
    """(n,) χ at energies above the edge [eV]; faded in from k = 1.5 to 2.5 Å⁻¹, where path sums begin to hold."""
    wavenumber = np.sqrt(np.maximum(K2_PER_EV * (relative - theory_zero), 0.0))
    fade = np.clip(wavenumber - 1.5, 0.0, 1.0)
    result: Array = fade**2 * (3 - 2 * fade) * np.interp(wavenumber, k, chi)
    return result


def absorption(energy: Array, k: Array, chi: Array, beamline: Beamline, thickness: float) -> Array:
    """(n,) μt at true energies: pre-edge, and the edge's own absorption times (1 + S₀²χ)."""
    relative = energy - beamline.e0
    before, edge = foil_absorption(energy)
    wiggles = 1 + beamline.amplitude * fine_structure(relative, k, chi, beamline.theory_zero)
    other = beamline.windows * (beamline.e0 / energy) ** 3
    result: Array = DENSITY * thickness * (before + edge * edge_shape(relative) * wiggles) + other
    return result


def record(k: Array, chi: Array, beamline: Beamline, thickness: float, rng: np.random.Generator) -> Scan:
    """Record one scan of a state with mean ``chi`` (m,) on ``k`` (m,) [Å⁻¹], photon by photon."""
    energy = energy_grid(beamline)
    mut = absorption(energy - beamline.offset, k, chi, beamline, thickness)
    time = np.linspace(0.0, 1.0, len(energy))
    beam = 1 - 0.10 * time + 0.01 * np.sin(2 * np.pi * (1.5 * time + rng.random()))
    arriving = beamline.photons * rng.uniform(0.9, 1.1) * beam
    return Scan(energy, rng.poisson(arriving), rng.poisson(arriving * np.exp(-mut)))


def zero_above_edge(k: Array, chi: Array, beamline: Beamline) -> float:
    """The theory's energy zero minus the energy where dμ/dE is largest [eV], without noise."""
    energy = np.arange(beamline.e0 - 20.0, beamline.e0 + 40.0, 0.02)
    slope = np.gradient(absorption(energy, k, chi, beamline, beamline.thickness), energy)
    return float(beamline.e0 + beamline.theory_zero - energy[np.argmax(slope)])


def edge_step(beamline: Beamline, thickness: float) -> float:
    """μt of the K edge alone, at the edge."""
    _, edge = foil_absorption(np.array([beamline.e0]))
    return float(DENSITY * thickness * edge[0])
