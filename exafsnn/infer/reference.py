"""A measured standard of known structure → energy zero and amplitude of its beamline.

χ(k) cannot tell S₀² from N, nor E₀ from R. A foil measured like the sample can: the amplitude is the one at which the
model counts as many atoms around the standard as there are. The model of a compound or an alloy does not know the
metal; there the foil's first shell is fitted, by the model's own scattering of absorbers from absorbers (of nickel
around nickel in NiO and in the metal the amplitudes differ by 2 %, the phases by 0.01 rad).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from scipy.optimize import least_squares

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import Finding, SettingsError
from exafsnn.infer.estimates import Reference, Signals
from exafsnn.infer.predict import Model
from exafsnn.infer.structure import Structure, parse_structure
from exafsnn.physics.fourier import shift_energy, transform_matrix
from exafsnn.records import Array, ChiK

_ITERATIONS = 8
_E0_STD = 0.7
"""How well a standard fixes the energy zero of the other scans of its beamline [eV]."""
_DISTANCE_TOLERANCE = 0.05
"""How far the mean distance to a standard's neighbours may seem to lie from its structure's [Å]."""
_AMPLITUDES_APART = 2.0
"""An S₀² farther from what the model expects, in its standard deviations, is told."""
_AMPLITUDE_STD = 0.02
"""How well, relatively, it fixes their amplitude: thickness and alignment differ between scans."""

_ELSEWHERE_STD = 0.03
"""The same where the sample is of another material than the standard."""
_SHELL, _APART = 1.25, 0.15
"""A first shell is what lies within so many of its shortest distances; its |χ(R)| ends so far before the middle between
it and the next [Å]."""
_STRETCHED, _MISFIT, _LEFT = 0.006, 0.02, 0.2
"""Relative standard deviations of a standard's given lattice constant, and of what theory has wrong; R-factor beyond
which it is another material."""


def calibrate(model: Model, chi: ChiK, structure: str) -> Reference:
    """Energy zero and amplitude from a standard.

    Parameters
    ----------
    model
        The model that the samples will be predicted with: its own bias cancels.
    chi
        The standard's χ(k).
    structure
        Its structure, e.g. ``"bcc:2.8665"``.

    Raises
    ------
    SettingsError
        If the structure is not understood, has no neighbour in the model's first range, or is not what was measured,
        or if the scan is outside the model's domain or looks like another phase.
    """
    r_min, r_max = model.ranges["first"]
    parsed = parse_structure(structure)
    if not is_own(model, parsed):
        if len(model.partials.pairs) > 1:
            return _by_first_shell(model, chi, structure, parsed)
        raise SettingsError(
            f"the model {model.name} knows no {parsed.kind} crystals, and cannot learn from such a standard",
            where="--structure", remedy="Give another standard, or none",
        )  # fmt: skip
    shells = parsed.shells(r_max)
    true = sum(count for _, count in shells)
    if true == 0 or shells[0][0] < r_min:
        nearest = f"its nearest neighbours at {shells[0][0]:.3f} Å" if true else "no neighbours"
        raise SettingsError(
            f"{structure} has {nearest}, required within {r_min}–{r_max} Å", where="--structure",
            remedy="Give its lattice constant in Å, which is not the distance of its neighbours",
        )  # fmt: skip
    model.check(chi)
    signals = Signals.of([chi])
    _refuse_unlike(model, chi, signals, parsed.kind)
    blind = model.ensemble.estimates(signals, None)
    seen = float(blind.distance[0])
    expected = sum(distance * count for distance, count in shells) / true
    low, high = _thermal(model, parsed, expected)
    if not low - _DISTANCE_TOLERANCE < seen < high + _DISTANCE_TOLERANCE:
        heated = f" ({high:.3f} Å when hot)" if high > expected + 0.01 else ""
        raise SettingsError(
            f"{structure} has its neighbours within {r_min}–{r_max} Å at {expected:.3f} Å on average{heated}, the scan"
            f" shows {seen:.3f} Å",
            where=chi.source, remedy="Give the structure of the standard itself, its lattice constant in Å",
        )  # fmt: skip
    amplitude, e0 = float(blind.amplitude[0] * blind.coordination[0] / true), float(blind.delta_e0[0])
    for _ in range(_ITERATIONS):
        found = model.ensemble.estimates(signals, _reference(e0, amplitude, chi, structure))
        amplitude *= min(max(float(found.coordination[0]) / true, 0.9), 1.1)
        e0 = float(found.delta_e0[0])
    reference = _reference(e0, amplitude, chi, structure)
    answers = model.answers(signals, reference)
    doubts = [*chi.findings, *answers.findings(0, chi), *_odd_amplitude(model, amplitude)]
    return replace(reference.doubted(doubts), leaves=answers.limit(0))


def is_own(model: Model, structure: Structure) -> bool:
    """Whether a model knows crystals of such a structure, so that its answers to it mean something."""
    return bool(len(model.ensemble.crystals(structure.kind, structure.constant)))


def _by_first_shell(model: Model, chi: ChiK, structure: str, parsed: Structure) -> Reference:
    """What a metal's foil tells samples of another material: the amplitude, and about where the energy zero is.

    Fourier-filtered least squares for zero, amplitude, σ² and, within what is given, distance.
    """
    pair = f"{model.absorber}-{model.absorber}"
    nearest = parsed.shells(1.01 * parsed.constant)[0][0]
    every = parsed.shells(2 * nearest)
    shells = [shell for shell in every if shell[0] < _SHELL * nearest]
    limits = model.partials.r[0], model.partials.r[-1]
    if pair not in model.partials.pairs or not limits[0] + 0.2 < nearest < limits[1] - 0.5:
        raise SettingsError(
            f"the model {model.name} knows no {pair} at {nearest:.2f} Å, and cannot learn from such a standard",
            where="--structure", remedy=f"Give a foil of {model.absorber}, or no standard",
        )  # fmt: skip
    model.check(chi)
    k = np.asarray(model.forward.k, dtype=float)
    use = (k >= model.features.kmin) & (k <= min(chi.k_max_usable, model.features.kmax))
    r = np.arange(0.6 * nearest, 0.5 * (shells[-1][0] + every[len(shells)][0]) - _APART, 0.03)
    seen = (np.hanning(use.sum() + 2)[1:-1] * k[use] ** 2)[:, None] * transform_matrix(k[use], r)
    kernel = np.asarray(model.forward["kernel"], dtype=float)[use][:, model.partials.of(pair)]
    prior = np.array([model.pairs.e0, 0.0]), np.array([model.pairs.e0_range / math.sqrt(3), _STRETCHED])
    count = len(shells) + 2

    def left(values: Array) -> Array:
        zero, log_amplitude, sigma2, stretch = values
        measured = shift_energy(chi.chi[None], k, chi.k, np.array([-zero]), K2_PER_EV)[0][use] @ seen
        density = _shells_density(model, shells, 1 + stretch, sigma2)
        misfit = (math.exp(log_amplitude) * (kernel @ density) @ seen - measured) / np.linalg.norm(measured)
        away = (np.array([zero, stretch]) - prior[0]) / prior[1]
        return np.concatenate([misfit * (math.sqrt(count) / _MISFIT), away])

    starts = ([zero, math.log(model.pairs.amplitude), 0.006, 0.0] for zero in prior[0][0] + np.array([-6.0, 0.0, 6.0]))
    bounds = ([-30.0, -2.0, 5e-4, -0.05], [30.0, 2.0, 0.05, 0.05])
    found = min(
        (least_squares(left, start, x_scale=[1.0, 0.1, 1e-3, 1e-3], bounds=bounds) for start in starts),
        key=lambda one: one.cost,
    )
    zero, log_amplitude, _, stretch = found.x
    misfit = float((left(found.x)[:-2] ** 2).sum()) * _MISFIT**2 / count
    if misfit > _LEFT or abs(stretch) > 3 * _STRETCHED:
        raise SettingsError(
            f"the scan is not of {structure}: its first shell leaves an R-factor of {misfit:.2f}, at"
            f" {nearest * (1 + stretch):.3f} instead of {nearest:.3f} Å",
            where=chi.source, remedy=f"Give a foil of {model.absorber} and its structure, or no standard",
        )  # fmt: skip
    amplitude = math.exp(log_amplitude)
    doubts = [*chi.findings, *_odd_amplitude(model, amplitude)]
    reference = replace(
        _reference(zero, amplitude, chi, structure), amplitude_std=_ELSEWHERE_STD * amplitude, apart=True
    )
    return reference.doubted(doubts)


def _shells_density(model: Model, shells: list[tuple[float, int]], stretch: float, sigma2: float) -> Array:
    """(b,) n(r) of shells [Å⁻¹], smoothed as the model's RDFs are."""
    variance, r = sigma2 + model.pairs.smoothing**2, model.partials.r
    peaks = [n * np.exp(-0.5 * (r - distance * stretch) ** 2 / variance) for distance, n in shells]
    found: Array = np.sum(peaks, axis=0) / math.sqrt(2 * math.pi * variance)
    return found


def _odd_amplitude(model: Model, amplitude: float) -> Iterator[Finding]:
    """Tell an S₀² far from that of the metal's foils: the standard's oscillations are damped, or enlarged."""
    prior, std = model.pairs.amplitude, model.pairs.amplitude_std
    away = math.log(amplitude / prior) / std
    if abs(away) > _AMPLITUDES_APART:
        said = f"its S₀² is {amplitude:.2f}, {abs(away):.1f} standard deviations {'above' if away > 0 else 'below'}"
        yield Finding(
            "amplitude", "warning", f"{said} the {prior:.2f} ± {std:.0%} of other foils, and every N rests on it",
            remedy="Look for a thick or uneven sample, self-absorption, a wrong edge step, or another structure",
        )  # fmt: skip


def _thermal(model: Model, structure: Structure, expected: float) -> tuple[float, float]:
    """Least and largest mean distance [Å] in the range ``first`` of a crystal, as cold or hot as the model knows it.

    Motion across the bond lengthens it, and carries atoms of the shells beyond into the range.
    """
    crystals = model.ensemble.crystals(structure.kind, structure.constant)
    if not len(crystals):
        return expected, expected
    _, seen = model.ensemble.first(crystals)
    return min(expected, float(seen.min())), max(expected, float(seen.max()))


def _refuse_unlike(model: Model, chi: ChiK, signals: Signals, kind: str) -> None:
    """Refuse a standard that the model does not know, or knows as another phase."""
    if not model.knows_domain:
        return
    answers = model.answers(signals)
    if answers.domain_score[0] > 1:
        raise SettingsError(
            f"the scan is outside the domain of the model {model.name}, and cannot be its standard", where=chi.source,
            remedy="Give a standard that the model knows, or none",
        )  # fmt: skip
    if (seen := model.seen_as(answers.density)[0]) != kind:
        raise SettingsError(
            f"the scan looks like {seen}, not {kind}, and cannot be the standard", where=chi.source,
            remedy="Give the structure of the standard itself",
        )  # fmt: skip


def _reference(e0: float, amplitude: float, chi: ChiK, structure: str) -> Reference:
    return Reference(e0, _E0_STD, amplitude, _AMPLITUDE_STD * amplitude, chi.source, structure, chi.e0)
