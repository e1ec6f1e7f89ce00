"""How training pairs are made: settings that the network, its model file and predictions must agree on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from exafsnn.records import Array
from exafsnn.settings import Settings

_VARIED = 0.2
"""Share of mixtures, without a reference, of what has no composition of its own."""


METAL_ZERO, METAL_ZERO_RANGE = 0.1, 4.0
"""Energy zero above the maximum of dμ/dE, of foils of eleven metals ± 1.4 eV, of what stands for theory
(``learn.theories``), and how far off it is taken to be [eV]."""
OXIDE_ERRORS = 1.6
"""Errors of theory of an oxide over those of metals: fits of NiO leave an R-factor of 0.026, those of foils 0.01."""


@dataclass(frozen=True)
class PairSettings(Settings):
    """How simulated spectra are disturbed before the network sees them."""

    r_min: float = 1.6
    """First bin edge of the RDF [Å]."""
    r_max: float = 6.4
    r_step: float = 0.03
    smoothing: float = 0.03
    """Gaussian smoothing of the RDF [Å]."""
    mixed: tuple[float, float] = (0.06, 0.3)
    """Fraction of spectra that are mixtures of states, without and with a reference: only with one can they be told."""
    stretch: float = 0.01
    """Largest relative change of all distances."""
    extra_sigma2: float = 0.002
    """Largest extra mean square relative displacement [Å²], of all pairs alike …"""
    apart_sigma2: float = 0.0
    """… and of each pair by itself, of any scale: Jahn and Teller's distortion widens the bonds to oxygen alone."""
    any_number: tuple[int, ...] = ()
    """Pairs, by their number, of elements that hardly scatter: what their structure lets expect is no measurement, so
    from none of their sites to all of them are occupied."""
    theory_amplitude: float = 0.05
    """Standard deviation of a smooth random change of the amplitude with k, its mean aside."""
    theory_phase: float = 0.06
    """Standard deviation of a smooth random change of the phase with k [rad]."""
    theory_multiple: float = 0.08
    """Standard deviation of a factor on all multiple scattering: no network should count by its share alone."""
    theory_apart: float = 0.0
    """Standard deviation of smooth random changes, of the amplitude and of the phase [rad], by which scattering from
    each other element, and from several atoms, errs otherwise than that from the first."""
    e0: float = 0.0
    """Theory's energy zero minus the E₀ of the background removal, as expected [eV] …"""
    e0_range: float = 10.0
    """… off by up to so much [eV] when nothing is known about it."""
    amplitude: float = 0.75
    """S₀² that is assumed without a reference …"""
    amplitude_std: float = 0.15
    """… and its relative standard deviation."""
    reference_std: tuple[float, float] = (0.01, 0.04)
    """Relative standard deviation of the amplitude with a reference: its range."""
    zero_known: float = 0.65
    """Fraction of spectra whose energy zero is nearly known: from a reference, or from the network's own first look."""
    known_e0_std: tuple[float, float] = (0.4, 2.0)
    """Standard deviation of the energy zero [eV] when it is nearly known: its range."""
    noise: tuple[float, float] = (1e-4, 6e-3)
    """Range of ε_k, drawn uniformly in its logarithm."""
    residue: float = 0.02
    """Standard deviation at k = 3 of the background left at low R."""
    kmax: tuple[float, float] = (9.0, 16.0)
    """Range of the largest usable k [Å⁻¹]."""
    defective: tuple[float, float] = (0.02, 0.2)
    """Fraction of states with vacancies or surfaces, without and with a reference."""
    diluted: tuple[float, float] = (0.0, 0.5)
    """Fraction of states that lose atoms at random, without and with a reference …"""
    dilution: float = 0.45
    """… and the largest fraction of atoms that they lose."""

    beside: tuple[float, float] = (0.2, 0.3)
    """Where another material was joined to the model's own, an oxide to its metal: the shares of spectra of that alone,
    and of mixtures of both in any proportion …"""
    beside_e0: tuple[float, float] = (-8.0, 7.0)
    """… the energy zero of its theory as expected, and how far off when nothing is known about it [eV] …"""
    beside_apart: float = 1.5
    """… the standard deviation of that zero against the own material's, in a mixture, the theories aligned [eV] …"""
    beside_amplitude: float = 0.0
    """… and relatively that of its S₀²."""

    phases: tuple[float, float, float, float] = (0.38, 0.38, 0.14, 0.10)
    """Shares of bcc, fcc, hcp and the melt among the states."""
    scale: float = 1.0
    """Lengths of the metal over those of iron: ranges of R elsewhere in the code are given for iron."""

    def of_scale(self, scale: float) -> PairSettings:
        """The same for a metal whose lengths are so many times as large."""
        lengths = {name: round(getattr(self, name) * scale, 6) for name in ("r_min", "r_max", "r_step")}
        return replace(self, **lengths, extra_sigma2=self.extra_sigma2 * scale**2, scale=self.scale * scale)

    @property
    def is_varied(self) -> bool:
        """Whether samples are of any composition: without a reference, too, many are mixtures."""
        return self.mixed[0] > _VARIED

    def bins(self) -> Array:
        """(b,) centres of the RDF's bins [Å]."""
        count = round((self.r_max - self.r_min) / self.r_step)
        return np.round(self.r_min + self.r_step * (np.arange(count) + 0.5), 6)


def undisturbed(pairs: PairSettings, *, counted: bool) -> PairSettings:
    """The same states, as theory has them; to be drawn without a reference, so that no amplitude is corrected.

    Parameters
    ----------
    counted
        Whether atoms may be missing and phases mixed as where a reference tells it.
    """
    errors = ("theory_amplitude", "theory_phase", "theory_multiple", "theory_apart", "residue")
    exact: dict[str, Any] = dict.fromkeys(errors, 0.0)
    if counted:
        exact |= {name: (getattr(pairs, name)[1],) * 2 for name in ("mixed", "defective", "diluted")}
    exact |= {"e0_range": 0.0, "beside_apart": 0.0, "beside_amplitude": 0.0}
    return replace(pairs, **exact, amplitude_std=1e-6, noise=(1e-9, 1e-8))
