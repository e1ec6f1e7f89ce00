"""A metal beside its oxides: which there are, and the ranges of distances in which a model of both counts atoms.

``validate.make`` simulates the oxides of a metal as compounds, and joins their libraries to the metal's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from exafsnn.compounds import Compound
from exafsnn.metals import Metal
from exafsnn.partials import APART

OXIDES: Mapping[str, tuple[str, ...]] = {
    "Fe": ("rocksalt:4.3088 FeO",),
    "Co": ("rocksalt:4.2612 CoO",),
    "Ni": ("rocksalt:4.1771 NiO",),
    "Cu": ("cuprite:4.2696 Cu2O",),
    "Pd": ("cooperite:3.0434,5.3363 PdO",),
    "Pt": ("cdi2:3.10,4.34,0.226 PtO2",),
}
"""Crystals of oxides by metal, at room temperature [Å] (Wyckoff, Crystal Structures, 2nd edition, vol. 1; PdO: Waser,
Levy & Peterson, Acta Cryst. 6, 661 (1953); α-PtO₂, of which reports differ by 0.04 Å, as its bonds of 2.04 Å have it).
PtO, whose Pt lies at 3.06 Å, was known, too: then foils and particles passed for hot metal beside some of it."""
HELD_BY_SPRINGS = frozenset(OXIDES["Pt"])
"""Those that no force field is asked for."""

_LAST, _NEXT = {"bcc": math.sqrt(4 / 3), "fcc": 1.0, "hcp": 1.0}, {"bcc": math.sqrt(8 / 3)}
"""Distances of the last shell within a metal's range ``first``, and of the next, which is at √2 otherwise, over R₁."""
_APART = 2.5
"""Shells are told apart from so many times the sum of the standard deviations of their distances."""


def ranges_beside(metal: Metal, oxides: Sequence[Compound]) -> tuple[tuple[str, float, float], ...]:
    """Names and limits [Å] of the ranges of a metal's model that knows oxides.

    ``first`` is the metal's own, whosever atoms are in it, ``first Ni-O`` is of the bonds to oxygen. Where the metal's
    first shell and the oxide's shell of metal atoms keep apart at 300 K, they are ``metal Ni-Ni`` and ``oxide Ni-Ni``.
    """
    if not oxides:
        return metal.ranges
    low, _ = metal.first
    last, following = (of.get(metal.phase, math.sqrt(2)) * metal.nearest for of in (_LAST, _NEXT))
    own, theirs = math.sqrt(metal.sigma2), math.sqrt(max(oxide.sigma2 for oxide in oxides))
    metals, bonds = ([oxide.shell(element) for oxide in oxides] for element in (metal.symbol, "O"))
    oxygen = f"first {metal.symbol}-O", min(low for _, low, _ in bonds), max(high for _, _, high in bonds)
    gap = min(r for r, _, _ in metals) - last
    if gap < _APART * (own + theirs):
        return *metal.ranges, oxygen
    cut = round(last + gap * own / (own + theirs), 2)
    halfway = 0.5 * (max(r for r, _, _ in metals) + following)
    end = round(min(halfway, max(high for _, _, high in metals)), 2)
    of_metal, of_oxide = (f"{name} {metal.symbol}-{metal.symbol}" for name in APART)
    return *metal.ranges, (of_metal, low, cut), oxygen, (of_oxide, cut, end)
