"""FEFF treatments of a library → what they differ by: energy zero and amplitude, each against one common treatment.

``dataset.make_bank`` moves all spectra to the common energy zero; the amplitudes say what a reference would correct.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from exafsnn.constants import K2_PER_EV
from exafsnn.physics import scattering
from exafsnn.physics.absorption import atomic_fall
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

    zeros: dict[str, float]
    """Energy zero of each minus that of the common treatment [eV]."""
    gains: dict[str, Array]
    """(m,) amplitude of single scattering of each over that of the common treatment, on the library's k."""
    envelope: Array
    """(m,) amplitude of k²χ of a standard's nearest neighbours at room temperature, in the common treatment."""
    phase_length: float
    """−½ dφ/dk [Å] in the common treatment: a peak of |χ(R)| lies so far below its distance."""


def compare_theories(library: SiteLibrary) -> _TheoryComparison:
    """Compare single scattering from the nearest neighbours between all theories of a library.

    The energy zeros align the phases 2kR + φ(k) over k = 3–13 Å⁻¹, so that all treatments find the same distance.
    """
    treatment = {name: name.split("/")[1] for name in library.theories}
    chosen = _COMMON_TREATMENT if _COMMON_TREATMENT in treatment.values() else min(treatment.values())
    common = common_theories(library)[0]
    k, metal = library.k, library.plan.material
    row = int(np.argmin(np.abs(common.r - metal.nearest)))
    standard = _phase(common, k, row)
    first = {treatment[name]: theory for name, theory in sorted(library.theories.items(), reverse=True)}
    of_treatment = {name: _zero(k, _phase(theory, k, row), standard) for name, theory in first.items()}
    zeros = {name: 0.0 if treatment[name] == chosen else of_treatment[treatment[name]] for name in treatment}
    level = _amplitude(common, k, row)
    gains = {
        name: _moved(k, _amplitude(theory, k, row), zeros[name]) / level for name, theory in library.theories.items()
    }
    use = (k > 3.0) & (k < 13.0)
    slope = np.gradient(standard, k)[use].mean()
    fall = atomic_fall(library.plan.element, library.plan.edge, k)
    envelope = k**2 * level * fall * np.exp(-2 * metal.sigma2 * k**2)
    return _TheoryComparison(zeros, gains, envelope, float(common.r[row]) - 0.5 * float(slope))


def common_theories(library: SiteLibrary) -> list[SingleScattering]:
    """The theories of the common treatment, one per phase; all there are if the library lacks it."""
    names = [name for name in sorted(library.theories) if name.endswith(f"/{_COMMON_TREATMENT}")]
    return [library.theories[name] for name in names or sorted(library.theories)]


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
