"""A measured standard of known structure → energy zero and amplitude of its beamline.

χ(k) cannot tell S₀² from N, nor E₀ from R. A foil measured like the sample can: the amplitude is the one at which the
model counts as many atoms around the standard as there are. The model of a compound or an alloy does not know the
metal; there the foil's first shell is fitted, by the model's own scattering of absorbers from absorbers (of nickel
around nickel in NiO and in the metal the amplitudes differ by 2 %, the phases by 0.01 rad). So is that of a compound
whose samples are like it, by the scattering from its other element.
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
from exafsnn.learn.pair_settings import METAL_ZERO, METAL_ZERO_RANGE
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

ELSEWHERE, _OF_TWO = 0.05, 0.1
"""The same where the sample is of another material than the standard; and where its first shell is two, as of bcc. So
much foils' first shells differ from what networks say of them: Ni −7, Cu −2, Pt 8, Au −8, Pd −6, W 2 %, and Mo from −1
to 19 %, by k max."""
_SHELL, _ALONG, _ALIKE = 1.25, 1.75, 1.04
"""In units of a metal's shortest distance: where its first shell ends, and how far those go that are fitted along. What
lies within the last factor of each other is one shell."""
_COMPOUNDS_DIFFER, _AMPLITUDES_IMPOSSIBLE = 0.1, 5.0
"""By how much more, relatively, S₀² of compounds differs; and by how many standard deviations it never does: which
elements a compound is of, its structure does not say."""
_LATTICE, _SIGMA2 = 0.006, 0.006
"""Relative standard deviation of a given lattice constant; usual σ² [Å²]."""
_WIDER, _APART = 0.2, 0.3
"""Logarithm of σ² of a shell beyond over that of the first, and its standard deviation."""
_MISFIT, _LEFT, _SHORTEST = 0.02, 0.1, 11.0
"""What theory has wrong of a first shell; R-factor beyond which it is another material; least k max [Å⁻¹]."""


def calibrate(model: Model, chi: ChiK, structure: str) -> Reference:
    """Energy zero and amplitude from a standard.

    Parameters
    ----------
    model
        The model that the samples will be predicted with: its own bias cancels.
    chi
        The standard's χ(k).
    structure
        Its structure, e.g. ``"bcc:2.8665"``, or ``"rocksalt:4.1771"`` for the model of a compound.

    Raises
    ------
    SettingsError
        If the structure is not understood, has no neighbour in the model's first range, or is not what was measured,
        or if the scan is outside the model's domain or looks like another phase.
    """
    r_min, r_max = model.ranges["first"]
    parsed = parse_structure(structure)
    if not is_own(model, parsed):
        if len(model.partials.pairs) > 1 and (parsed.is_metal or not model.knows_metals):
            return _by_first_shell(model, chi, structure, parsed)
        other = "Give another standard, or none"
        named = f"Give a foil, or name with --model one of the compound's own: {model.name} is of metals"
        raise SettingsError(
            f"the model {model.name} knows no {parsed.kind} crystals, and cannot learn from such a standard",
            where="--structure", remedy=other if parsed.is_metal else named,
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
    doubts = [*chi.findings, *answers.findings(0, chi), *_odd_amplitude(model, amplitude, model.pairs.amplitude_std)]
    return replace(reference.doubted(doubts), leaves=answers.limit(0))


def is_own(model: Model, structure: Structure) -> bool:
    """Whether a model knows crystals of such a structure, so that its answers to it mean something."""
    return bool(len(model.ensemble.crystals(structure.kind, structure.constant)))


def _by_first_shell(model: Model, chi: ChiK, structure: str, parsed: Structure) -> Reference:
    """What a foil, or a compound, tells samples of another: the amplitude, and about where the energy zero is.

    Least squares in R about the first shell; shells beyond, whose tails reach there, are fitted along.
    """
    like = f"{model.absorber}-{model.absorber}"
    other = next((pair for pair in model.partials.pairs if pair != like), like)  # the nearest
    nearest, _, is_other = parsed.neighbours(1.01 * parsed.constant)[0]
    shells = _grouped(parsed.neighbours(_ALONG * nearest))
    end = next(group[0][0] for group in shells if group[0][0] > _SHELL * nearest)
    pair = other if is_other else like
    wanted = f"a foil of {model.absorber}" if parsed.is_metal else "such a crystal"
    within = model.partials.r[0] + 0.2 < nearest < model.partials.r[-1] - 1.5
    if not {pair, like} <= set(model.partials.pairs) or not within:
        raise SettingsError(
            f"the model {model.name} knows no {pair} at {nearest:.2f} Å, and cannot learn from such a standard",
            where="--structure", remedy=f"Give {wanted}, or no standard",
        )  # fmt: skip
    model.check(chi)
    k = np.asarray(model.forward.k, dtype=float)
    use = (k >= model.features.kmin) & (k <= min(chi.k_max_usable, model.features.kmax))
    if k[use][-1] < _SHORTEST or not chi.chi.any():
        raise SettingsError(
            f"the standard's χ(k) ends at {k[use][-1]:.1f} Å⁻¹, its first shell is told apart from {_SHORTEST:g} on",
            where=chi.source, remedy="Give a longer scan of it, or no standard",
        )  # fmt: skip
    r = np.arange(0.6 * nearest, 0.5 * (end + max(one[0] for group in shells for one in group if one[0] < end)), 0.03)
    seen = (np.hanning(use.sum() + 2)[1:-1] * k[use] ** 2)[:, None] * transform_matrix(k[use], r)
    kernel = np.asarray(model.forward["kernel"], dtype=float)[use]
    kernels = [kernel[:, model.partials.of(other if group[0][2] else like)] for group in shells]
    pairs = model.pairs
    centre, zero_std, farthest = METAL_ZERO, METAL_ZERO_RANGE, 4 * METAL_ZERO_RANGE
    if not parsed.is_metal:
        centre, zero_std, farthest = pairs.e0, pairs.e0_range / math.sqrt(3), pairs.e0_range + METAL_ZERO_RANGE
    expected = np.array([centre, 0.0, *[_WIDER] * (len(shells) - 1)])
    stds = [zero_std, _LATTICE, *[_APART] * (len(shells) - 1)]
    weight = math.sqrt(len(shells) + 2) / _MISFIT

    def misfit(values: Array) -> Array:
        zero, stretch, *wider, log_amplitude, log_sigma2 = values
        measured = shift_energy(chi.chi[None], k, chi.k, np.array([-zero]), K2_PER_EV)[0][use] @ seen
        sigma2 = np.exp(log_sigma2 + np.array([0.0, *wider]))
        parts = zip(kernels, shells, sigma2, strict=True)
        implied = sum(of @ _density(model, group, 1 + stretch, own) for of, group, own in parts)
        found: Array = ((math.exp(log_amplitude) * implied) @ seen - measured) / np.linalg.norm(measured)
        return found

    def left(values: Array) -> Array:
        return np.concatenate([misfit(values) * weight, (values[: len(expected)] - expected) / stds])

    start = [*expected, math.log(model.pairs.amplitude), math.log(_SIGMA2)]
    best = least_squares(left, start, x_scale=[*stds, 0.1, 0.3]).x
    zero, stretch, log_amplitude = best[0], best[1], best[-2]
    r_factor = float((misfit(best) ** 2).sum())
    if r_factor > _LEFT or abs(stretch) > 3 * _LATTICE or abs(zero - centre) > farthest:
        raise SettingsError(
            f"the scan is not of {structure}: its first shell leaves an R-factor of {r_factor:.2f}, at"
            f" {nearest * (1 + stretch):.3f} instead of {nearest:.3f} Å, its energy zero {zero:+.1f} eV above E₀",
            where=chi.source, remedy=f"Give {wanted} and its structure, or no standard",
        )  # fmt: skip
    amplitude, usual_std = math.exp(log_amplitude), model.pairs.amplitude_std
    if not parsed.is_metal:
        usual_std = math.hypot(usual_std, _COMPOUNDS_DIFFER)
        if abs(math.log(amplitude / model.pairs.amplitude)) > _AMPLITUDES_IMPOSSIBLE * usual_std:
            raise SettingsError(
                f"the scan is not of {structure}: its S₀² would be {amplitude:.2f}", where=chi.source,
                remedy=f"Give {wanted} and its structure, or no standard",
            )  # fmt: skip
    doubts = [*chi.findings, *_odd_amplitude(model, amplitude, usual_std)]
    of_two = len(shells) > 1 and shells[1][0][0] < _SHELL * nearest
    std = (_OF_TWO if of_two else ELSEWHERE) * amplitude
    return replace(_reference(zero, amplitude, chi, structure), amplitude_std=std, apart=True).doubted(doubts)


_Shells = list[tuple[float, int, bool]]
"""Distance [Å], number, and whether it is of a crystal's other element (``Structure.neighbours``)."""


def _grouped(shells: _Shells) -> list[_Shells]:
    """Shells whose atoms move alike: those of one element and nearly one distance together."""
    groups: list[_Shells] = []
    for shell in shells:
        if groups and shell[2] == groups[-1][0][2] and shell[0] < _ALIKE * groups[-1][0][0]:
            groups[-1].append(shell)
        else:
            groups.append([shell])
    return groups


def _density(model: Model, shells: _Shells, stretch: float, sigma2: float) -> Array:
    """(b,) n(r) of shells of one σ² [Å²], smoothed as the model's RDFs are [Å⁻¹]."""
    found, r, own = np.zeros_like(model.partials.r), model.partials.r, sigma2 + model.pairs.smoothing**2
    for distance, count, _ in shells:
        found += count * np.exp(-0.5 * (r - distance * stretch) ** 2 / own) / math.sqrt(2 * math.pi * own)
    return found


def _odd_amplitude(model: Model, amplitude: float, std: float) -> Iterator[Finding]:
    """Tell an S₀² far from what is usual, ``std`` relatively: the standard's oscillations are damped, or enlarged."""
    prior = model.pairs.amplitude
    away = math.log(amplitude / prior) / std
    if abs(away) > _AMPLITUDES_APART:
        said = f"its S₀² is {amplitude:.2f}, {abs(away):.1f} standard deviations {'above' if away > 0 else 'below'}"
        yield Finding(
            "amplitude", "warning", f"{said} the {prior:.2f} ± {std:.0%} that is usual, and every N rests on it",
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
