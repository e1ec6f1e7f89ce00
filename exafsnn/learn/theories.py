"""Theories of a library → what they differ by: energy zero and amplitude, each against one common treatment.

``dataset.make_bank`` moves all spectra to the common energy zero; the amplitudes say what a reference would correct.
Of a library of a metal joined to those of its oxides it is the metal's own treatments that are compared. An oxide's
theory differs from the metal's by an energy zero, too: moved by it, the phases of nickel around nickel in NiO are those
in the metal within 0.01 rad from k = 4 Å⁻¹ on, the amplitudes within 2 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from exafsnn.constants import K2_PER_EV
from exafsnn.physics import scattering
from exafsnn.physics.absorption import atomic_fall
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import Array
from exafsnn.simulate.library import SingleScattering, SiteLibrary

_COMMON_TREATMENT = "scf-nl"
"""The FEFF treatment whose energy zero all others are moved to, and which stands for theory; without it, the first by
name. Exchange 5 is nearer to foils: at L3 edges four-shell R-factors are 13 to 48 % lower than of exchange 0; of
palladium (K) half as large beyond k = 4.5 Å⁻¹. First-shell fits of foils over k = 3–13 Å⁻¹ find an S₀² nearer to one,
and more alike: of Cu, Ni, Pd (two) and Mo 0.93, 0.86, 0.94, 0.86, 0.98; exchange 0 has 0.88, 0.80, 0.79, 0.73, 0.91."""


@dataclass(frozen=True)
class _TheoryComparison:
    """How the theories of a library, ``phase/treatment``, differ from the common treatment."""

    own: frozenset[str]
    """Those of the library's own material."""
    zeros: dict[str, float]
    """Energy zero of each minus that of the common treatment [eV]."""
    of_treatment: dict[str, float]
    """The same of the own theories of each treatment."""
    gains: dict[str, Array]
    """(m,) amplitude of single scattering of each over that of the common treatment, on the library's k; of another
    material that of the own one in that treatment, as a standard has it."""
    envelope: Array
    """(m,) amplitude of k²χ of a standard's nearest neighbours at room temperature, in the common treatment."""
    phase_length: float
    """−½ dφ/dk [Å] in the common treatment: a peak of |χ(R)| lies so far below its distance."""


def compare_theories(library: SiteLibrary) -> _TheoryComparison:
    """Compare single scattering from the nearest neighbours between all theories of a library.

    The energy zeros align the phases 2kR + φ(k) over k = 3–13 Å⁻¹, so that all treatments find the same distance.
    """
    treatment = {name: name.split("/")[1] for name in library.theories}
    own = {name: theory for name, theory in library.theories.items() if _is_own(library, name)}
    chosen = _COMMON_TREATMENT if _COMMON_TREATMENT in treatment.values() else min(treatment.values())
    common = common_theories(library)[0]
    k, metal = library.k, library.plan.material
    row = int(np.argmin(np.abs(common.r - metal.nearest)))
    standard = _phase(common, k, row)
    first = {treatment[name]: theory for name, theory in sorted(own.items(), reverse=True)}
    of_treatment = {name: _zero(k, _phase(theory, k, row), standard) for name, theory in first.items()}
    of_treatment[chosen] = 0.0
    zeros = {
        name: of_treatment[treatment[name]]
        if name in own or not theory.amplitude[0].any()
        else _zero(k, _phase(theory, k, row), standard)
        for name, theory in library.theories.items()
    }
    level = _amplitude(common, k, row)
    gains = {
        name: _moved(k, _amplitude(own.get(name, first[of]), k, row), of_treatment[of]) / level
        for name, of in treatment.items()
    }
    use = (k > 3.0) & (k < 13.0)
    slope = np.gradient(standard, k)[use].mean()
    fall = atomic_fall(library.plan.element, library.plan.edge, k)
    envelope = k**2 * level * fall * np.exp(-2 * metal.sigma2 * k**2)
    return _TheoryComparison(
        frozenset(own), zeros, of_treatment, gains, envelope, float(common.r[row]) - 0.5 * float(slope)
    )


def _is_own(library: SiteLibrary, name: str) -> bool:
    """Whether a theory is of the library's own material, not of one joined to it."""
    return name.split("/")[0] in library.own_phases


def common_theories(library: SiteLibrary) -> list[SingleScattering]:
    """The own theories of the common treatment, one per phase; all own ones if the library lacks it."""
    return [library.theories[name] for name in _common(library, own=True)]


def _common(library: SiteLibrary, *, own: bool) -> list[str]:
    """Names of the theories of the common treatment, own ones or others; all of these if none is of it."""
    names = [name for name in sorted(library.theories) if _is_own(library, name) == own]
    return [name for name in names if name.endswith(f"/{_COMMON_TREATMENT}")] or names


def common_kernel(library: SiteLibrary, zeros: Mapping[str, float], r: Array) -> Array:
    """(m, p, b) χ(k) of one atom of each element at distances ``r`` [Å], in the common treatment, on its energy zero.

    Of an element that its own material lacks it is that of a material joined to it; ``zeros`` are those of
    ``compare_theories``.
    """
    own, others = (_common(library, own=which) for which in (True, False))
    kernels = {name: _on_common_zero(library, name, zeros[name], r) for name in (*own, *others)}
    found = []
    for pair in range(len(library.neighbours)):
        knowing = [[name for name in names if library.theories[name].amplitude[pair].any()] for names in (own, others)]
        found.append(np.mean([kernels[name][:, pair] for name in knowing[0] or knowing[1]], axis=0))
    return np.stack(found, axis=1)


def _on_common_zero(library: SiteLibrary, name: str, zero: float, r: Array) -> Array:
    """(m, p, b) ``single_kernel`` of a theory, its energy zero moved."""
    kernel = single_kernel(library.theories[name], library.k, r)
    if not zero or _is_own(library, name):
        return kernel
    k = torch.from_numpy(library.k)
    rows = torch.from_numpy(kernel.reshape(len(k), -1).T.copy())
    moved = shift_energy(rows, k, k, torch.full((len(rows),), zero, dtype=rows.dtype), K2_PER_EV)
    return moved.numpy().T.reshape(kernel.shape)


def single_kernel(theory: SingleScattering, k: Array, r: Array) -> Array:
    """(m, p, b) χ(k) of one atom of each element at distances ``r`` [Å]: single scattering is this times the RDF."""
    each = (scattering.single_kernel(theory.r, own, theory.mean_free_path, k, r) for own in theory.amplitude)
    return np.stack(list(each), axis=1)


def _phase(theory: SingleScattering, k: Array, row: int) -> Array:
    """(m,) 2kR + φ(k) of the distance of that row."""
    phase: Array = np.unwrap(np.angle(theory.amplitude[0, row])) + 2 * k * theory.r[row]
    return phase


def _amplitude(theory: SingleScattering, k: Array, row: int) -> Array:
    """(m,) amplitude of χ(k), up to the distance's own factor."""
    amplitude: Array = np.abs(theory.amplitude[0, row]) / k * np.exp(-2 * theory.r[row] / theory.mean_free_path)
    return amplitude


def _moved(k: Array, values: Array, zero: float) -> Array:
    """Values on the theory's own k, taken at the same energies as the common theory's ``k``."""
    moved: Array = np.interp(np.sqrt(np.maximum(k**2 - zero * K2_PER_EV, 1e-6)), k, values)
    return moved


def _zero(k: Array, phase: Array, standard: Array) -> float:
    use = (k > 3.0) & (k < 13.0)

    def apart(zero: float) -> float:
        turns = (_moved(k, phase, zero) - standard)[use]
        return float(np.mean((turns - 2 * np.pi * np.round(turns.mean() / (2 * np.pi))) ** 2))

    return float(minimize_scalar(apart, bounds=(-15.0, 15.0), method="bounded").x)
