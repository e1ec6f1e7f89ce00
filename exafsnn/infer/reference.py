"""A measured standard of known structure → energy zero and amplitude of its beamline.

χ(k) cannot tell S₀² from N, nor E₀ from R. A foil measured like the sample can: the amplitude is the one at which the
model counts as many atoms around the standard as there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exafsnn.errors import SettingsError
from exafsnn.records import ChiK

if TYPE_CHECKING:
    from exafsnn.infer.ensemble import Estimate
    from exafsnn.infer.predict import Model


_ITERATIONS = 8
_E0_STD = 0.7
"""How well a standard fixes the energy zero of the other scans of its beamline [eV]."""
_DISTANCE_TOLERANCE = 0.05
"""How far the mean distance to a standard's neighbours may seem to lie from its structure's [Å]."""
_AMPLITUDE_STD = 0.02
"""How well, relatively, it fixes their amplitude: thickness and alignment differ between scans."""
_SAME_SESSION = 2.0
"""Scans of a metal whose E₀ differs by more [eV] are of two beamlines, or of two calibrations of one."""


@dataclass(frozen=True)
class Reference:
    """What a standard tells about every scan of its beamline."""

    delta_e0: float
    """Theory's energy zero minus the E₀ of the background removal [eV]."""
    delta_e0_std: float
    amplitude: float
    """S₀²."""
    amplitude_std: float
    source: str
    structure: str
    e0: float = math.nan
    """E₀ of the standard's background removal [eV]; NaN where it is not known."""

    def is_elsewhere(self, chi: ChiK) -> bool:
        """Whether a scan is of another session; taken for the same where an E₀ is not known."""
        return abs(chi.e0 - self.e0) > _SAME_SESSION


@dataclass(frozen=True)
class Structure:
    """A simple crystal, as ``--structure`` names it."""

    kind: str
    constants: tuple[float, ...]
    """Lattice constants [Å]."""

    def shells(self, reach: float) -> list[tuple[float, int]]:
        """(distance [Å], number of neighbours) of the shells around an atom, to ``reach``."""
        found: dict[float, int] = {}
        for distance in self._distances(reach):
            found[round(distance, 4)] = found.get(round(distance, 4), 0) + 1
        return sorted(found.items())

    def _distances(self, reach: float) -> list[float]:
        a = self.constants[0]
        c = self.constants[1] if len(self.constants) > 1 else a
        basis = _BASES[self.kind]
        vectors = ((a, 0, 0), (-a / 2, a * math.sqrt(3) / 2, 0), (0, 0, c)) if self.kind == "hcp" else (
            (a, 0, 0), (0, a, 0), (0, 0, a))  # fmt: skip
        span = range(-(int(reach / min(a, c)) + 2), int(reach / min(a, c)) + 3)
        points = (
            tuple(sum((n[i] + site[i]) * vectors[i][x] for i in range(3)) for x in range(3))
            for n in ((i, j, k) for i in span for j in span for k in span)
            for site in basis
        )
        return [r for r in (math.hypot(*point) for point in points) if 0.1 < r <= reach]


_BASES = {
    "bcc": ((0, 0, 0), (0.5, 0.5, 0.5)),
    "fcc": ((0, 0, 0), (0.5, 0.5, 0), (0.5, 0, 0.5), (0, 0.5, 0.5)),
    "hcp": ((0, 0, 0), (1 / 3, 2 / 3, 0.5)),
}


def parse_structure(text: str) -> Structure:
    """``bcc:2.8665``, ``fcc:3.6149``, ``hcp:2.507,4.070`` → Structure.

    Raises
    ------
    SettingsError
        If it is none of those.
    """
    kind, _, numbers = text.partition(":")
    try:
        constants = tuple(float(cell) for cell in numbers.split(","))
    except ValueError:
        constants = ()
    wanted = 2 if kind == "hcp" else 1
    if kind not in _BASES or len(constants) != wanted or not all(1.0 < value < 20.0 for value in constants):
        remedy = "Use bcc:a, fcc:a or hcp:a,c with a, c in Å"
        raise SettingsError(f"structure {text!r} is not understood", where="--structure", remedy=remedy)
    return Structure(kind, constants)


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
    shells = [shell for shell in parsed.shells(r_max) if shell[0] >= r_min]
    true = sum(count for _, count in shells)
    if true == 0:
        raise SettingsError(f"no neighbour of {structure!r} within {r_min}–{r_max} Å", where="--structure")
    blind = model.estimate(chi)
    _refuse_unlike(model, chi, blind, parsed.kind)
    expected = sum(distance * count for distance, count in shells) / true
    low, high = _thermal(model, parsed, expected)
    if not low - _DISTANCE_TOLERANCE < blind.distance < high + _DISTANCE_TOLERANCE:
        heated = f" ({high:.3f} Å when hot)" if high > expected + 0.01 else ""
        raise SettingsError(
            f"{structure} has its neighbours within {r_min}–{r_max} Å at {expected:.3f} Å on average{heated}, the scan"
            f" shows {blind.distance:.3f} Å",
            where=chi.source, remedy="Give the structure of the standard itself, its lattice constant in Å",
        )  # fmt: skip
    amplitude, e0 = blind.amplitude * blind.coordination / true, blind.delta_e0
    for _ in range(_ITERATIONS):
        found = model.estimate(chi, _reference(e0, amplitude, chi, structure))
        amplitude *= min(max(found.coordination / true, 0.9), 1.1)
        e0 = found.delta_e0
    return _reference(e0, amplitude, chi, structure)


def _thermal(model: Model, structure: Structure, expected: float) -> tuple[float, float]:
    """Least and largest mean distance [Å] in the range ``first`` of a crystal, as cold or hot as the model knows it.

    Motion across the bond lengthens it, and carries atoms of the shells beyond into the range.
    """
    crystals = model.atlas.crystals(structure.kind, structure.constants[0])
    if not len(crystals):
        return expected, expected
    _, seen = model.ensemble.first(crystals.double().numpy())
    return min(expected, float(seen.min())), max(expected, float(seen.max()))


def _refuse_unlike(model: Model, chi: ChiK, blind: Estimate, kind: str) -> None:
    """Refuse a standard that the model does not know, or knows as another phase."""
    if model.is_foreign(chi, blind):
        raise SettingsError(
            f"the scan is outside the domain of the model {model.name}, and cannot be its standard", where=chi.source,
            remedy="Give a standard that the model knows, or none",
        )  # fmt: skip
    if model.knows_domain and (seen := model.seen_as(blind)) != kind:
        raise SettingsError(
            f"the scan looks like {seen}, not {kind}, and cannot be the standard", where=chi.source,
            remedy="Give the structure of the standard itself",
        )  # fmt: skip


def _reference(e0: float, amplitude: float, chi: ChiK, structure: str) -> Reference:
    return Reference(e0, _E0_STD, amplitude, _AMPLITUDE_STD * amplitude, chi.source, structure, chi.e0)
