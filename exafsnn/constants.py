"""Physical constants, in the units of X-ray absorption: eV, Å, K, u.

Every other room takes its numbers from here; ``tests/test_constants.py`` recomputes them from CODATA.
"""

from __future__ import annotations

HBAR2_OVER_2M = 3.809982117
"""ħ²/2mₑ [eV Å²]: a free electron of wavenumber k carries ħ²k²/2mₑ."""

K2_PER_EV = 1.0 / HBAR2_OVER_2M
"""2mₑ/ħ² [Å⁻² eV⁻¹], so that k² = K2_PER_EV · (E − E₀)."""

HC_EV_ANGSTROM = 12398.41984332
"""hc [eV Å]: a photon of wavelength λ carries hc/λ."""

HARTREE_EV = 27.211386246
"""Hartree energy [eV]."""

BOHR_ANGSTROM = 0.529177210544
"""Bohr radius [Å]."""

KELVIN_EV = 8.617333262e-5
"""Boltzmann constant [eV K⁻¹]."""

ATOMIC_MASS_GRAM = 1.66053906892e-24
"""Atomic mass unit [g], for densities in g cm⁻³."""

HBAR2_PER_MASS_KELVIN = 48.50873411
"""ħ²/(u k_B) [Å² K]: an oscillator of reduced mass μ [u] and ħω = k_Bθ has σ² = this/(2μθ) at 0 K."""

THZ_EV = 4.135667696e-3
"""h · 10¹² Hz [eV]: the quantum of a vibration of 1 THz."""
