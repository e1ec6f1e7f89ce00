"""A measured standard of known structure → energy zero and amplitude of its beamline.

χ(k) cannot tell S₀² from N, nor E₀ from R. A foil measured like the sample can: the amplitude is the one at which the
model counts as many atoms around the standard as there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from exafsnn.errors import Finding, SettingsError
from exafsnn.infer.estimates import Reference, Signals
from exafsnn.infer.predict import Model
from exafsnn.infer.structure import Structure, parse_structure
from exafsnn.records import ChiK

_ITERATIONS = 8
_E0_STD = 0.7
"""How well a standard fixes the energy zero of the other scans of its beamline [eV]."""
_DISTANCE_TOLERANCE = 0.05
"""How far the mean distance to a standard's neighbours may seem to lie from its structure's [Å]."""
_AMPLITUDES_APART = 2.0
"""An S₀² farther from what the model expects, in its standard deviations, is told."""
_AMPLITUDE_STD = 0.02
"""How well, relatively, it fixes their amplitude: thickness and alignment differ between scans."""


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
    if not len(model.ensemble.crystals(parsed.kind, parsed.constant)):
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
