"""What is known of each metal before any of it is measured: edge, crystal, lattice, how far its atoms move.

Lengths in the simulation are in units of the nearest neighbours' distance R₁, motion in units of σ²/R₁²: on that
scale crystals of one phase are alike, whatever their element (``simulate``). Lattice constants at room temperature and
melting points are those of the CRC Handbook of Chemistry and Physics (97th edition). σ² is that of the nearest
neighbours at 300 K, by the correlated Debye model (Sevillano, Meuth & Rehr, Phys. Rev. B 20, 4908 (1979)) with Debye
temperatures that describe room temperature, and brought to what fits of foils find where there are foils.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exafsnn.edges import edges_of, is_element
from exafsnn.errors import SettingsError
from exafsnn.settings import Settings

_OVER_A: Mapping[str, float] = {"bcc": math.sqrt(3) / 2, "fcc": 1 / math.sqrt(2), "hcp": 1.0}
"""R₁ over the lattice constant a; hcp metals have their six neighbours of the same layer there."""

_IRON: Mapping[str, float] = {"bcc": 2.8665 * _OVER_A["bcc"], "fcc": 3.574 * _OVER_A["fcc"], "hcp": 2.540}
IRON_BOND = _IRON["bcc"]
"""Lengths elsewhere in the code are given for it [Å]."""
_IRON_SIGMA2 = 0.005
"""R₁ [Å] of iron in each phase at room temperature, and its σ² [Å²]: the scale of ``simulate.potentials``."""

_END_OF_FIRST: Mapping[str, float] = {"bcc": 1.33, "fcc": 1.2, "hcp": 1.2}
"""The range ``first`` ends at so many R₁: between two shells, of which bcc has the first two inside."""

IDEAL_RATIO = math.sqrt(8 / 3)
"""c/a of hcp made of touching spheres."""

_LATTICE, _MELTING, _MOTION = (2.0, 8.0), (300.0, 4500.0), (5e-5, 5e-3)
"""Lattice constants [Å], melting points [K] and σ²/R₁² at 300 K that metals have."""

_BEGIN_OF_FIRST = 0.77
"""… and begins at so many."""


@dataclass(frozen=True)
class Metal(Settings):
    """One element and the edge at which it is measured.

    Raises
    ------
    SettingsError
        If a number is none that a metal has, e.g. because it is in nm.
    """

    symbol: str
    edge: str
    phase: str
    """Its crystal at room temperature: ``"bcc"``, ``"fcc"`` or ``"hcp"``."""
    a: float
    """Lattice constant at room temperature [Å]."""
    melting: float
    """Melting point [K]."""
    sigma2: float
    """σ² of its nearest neighbours at 300 K [Å²]."""
    c: float | None = None
    """The second lattice constant of hcp [Å]."""
    hot: str | None = None
    """Its crystal when hot, where that is another."""

    def __post_init__(self) -> None:
        """Refuse what no metal is."""
        fault = ""
        if not is_element(self.symbol):
            fault = f"symbol = {self.symbol!r} is no element"
        elif not any(edge.name == self.edge for edge in edges_of(self.symbol)):
            fault = f"{self.symbol} has no {self.edge} edge"
        elif self.phase not in _OVER_A:
            fault = f"phase = {self.phase!r} is none of {', '.join(_OVER_A)}"
        elif self.hot is not None and (self.hot not in _OVER_A or self.hot == self.phase):
            fault = f"hot = {self.hot!r} is none of {', '.join(_OVER_A)} but its phase when cold"
        elif (self.phase == "hcp") != (self.c is not None):
            fault = "hcp has two lattice constants, a and c, and cubic crystals have one"
        elif not all(_LATTICE[0] < length < _LATTICE[1] for length in (self.a, self.c or self.a)):
            fault = f"a = {self.a:g} Å is no lattice constant of a metal (was it in nm?)"
        elif not (_MELTING[0] < self.melting < _MELTING[1] and _MOTION[0] < self.motion < _MOTION[1]):
            fault = f"melting = {self.melting:g} K or sigma2 = {self.sigma2:g} Å² is none of a metal"
        if fault:
            remedy = "Give a and c in Å, melting in K, sigma2 of the nearest neighbours at 300 K in Å²"
            raise SettingsError(fault, where="metal", remedy=remedy)

    @property
    def nearest(self) -> float:
        """R₁, the distance of its nearest neighbours at room temperature [Å]."""
        return self.a * _OVER_A[self.phase]

    @property
    def first(self) -> tuple[float, float]:
        """The range of its first coordination shell [Å]; of bcc the first two together."""
        return round(_BEGIN_OF_FIRST * self.nearest, 2), round(_END_OF_FIRST[self.phase] * self.nearest, 2)

    @property
    def neighbours(self) -> tuple[str, ...]:
        """Elements around it."""
        return (self.symbol,)

    @property
    def ranges(self) -> tuple[tuple[str, float, float], ...]:
        """Name and limits [Å] of the range that its models tell."""
        return (("first", *self.first),)

    @property
    def model(self) -> str:
        """Name of the model of its edge."""
        return f"{self.symbol}-{self.edge}".lower()

    @property
    def structure(self) -> str:
        """Its crystal, as ``--structure`` takes it."""
        return f"{self.phase}:{self.a}" + (f",{self.c}" if self.c else "")

    @property
    def length_scale(self) -> float:
        """Lengths in the metal over those of iron, were it of the same phase."""
        return self.nearest / _IRON[self.phase]

    @property
    def temperature_scale(self) -> float:
        """Temperature at which its atoms move as far, in units of their bond, over that in iron."""
        return _IRON_SIGMA2 / _IRON[self.phase] ** 2 / self.motion

    @property
    def motion(self) -> float:
        """σ²/R₁² at 300 K."""
        return self.sigma2 / self.nearest**2


_WHEN_HOT: Mapping[str, str] = {"Ti": "bcc", "Fe": "fcc", "Co": "fcc", "Zr": "bcc"}
"""Crystals that metals turn into well below their melting points: at 1155, 1185, 700 and 1136 K."""


def _metals(edge: str, phase: str, *rows: tuple[Any, ...]) -> Iterator[tuple[str, Metal]]:
    """Records by symbol, of rows (symbol, a, melting, sigma2) or, of hcp, (symbol, a, c, melting, sigma2)."""
    for symbol, a, *c, melting, sigma2 in rows:
        yield symbol, Metal(symbol, edge, phase, a, melting, sigma2, c[0] if c else None, _WHEN_HOT.get(symbol))


METALS: Mapping[str, Metal] = dict([
    *_metals(
        "K", "bcc",
        ("V", 3.027, 2183.0, 0.0070), ("Cr", 2.885, 2180.0, 0.0033), ("Fe", 2.8665, 1811.0, 0.0050),
        ("Nb", 3.3007, 2750.0, 0.0078), ("Mo", 3.1470, 2896.0, 0.0031),
    ),
    *_metals("L3", "bcc", ("Ta", 3.3030, 3290.0, 0.0050), ("W", 3.1652, 3695.0, 0.0023)),
    *_metals(
        "K", "fcc",
        ("Ni", 3.5240, 1728.0, 0.0062), ("Cu", 3.6149, 1358.0, 0.0086), ("Rh", 3.8034, 2237.0, 0.0033),
        ("Pd", 3.8907, 1828.0, 0.0060), ("Ag", 4.0853, 1235.0, 0.0100),
    ),
    *_metals(
        "L3", "fcc", ("Ir", 3.8392, 2719.0, 0.0021), ("Pt", 3.9242, 2041.0, 0.0049), ("Au", 4.0782, 1337.0, 0.0083),
    ),
    *_metals(
        "K", "hcp",
        ("Ti", 2.951, 4.683, 1941.0, 0.0075), ("Co", 2.507, 4.070, 1768.0, 0.0062),
        ("Zr", 3.232, 5.147, 2128.0, 0.0072), ("Ru", 2.706, 4.282, 2607.0, 0.0022),
    ),
    *_metals("L3", "hcp", ("Re", 2.761, 4.458, 3459.0, 0.0021)),
])  # fmt: skip
"""By symbol, each with the edge at which its EXAFS is usually measured."""


_K_BELOW = 35e3
"""[eV]"""


def metal_of(element: str, edge: str | None = None) -> Metal:
    """The record of a metal, at its usual edge or another.

    Raises
    ------
    SettingsError
        If there is none.
    """
    if element not in METALS:
        known = ", ".join(sorted(METALS))
        raise SettingsError(
            f"nothing is known of {element!r} as a metal", where="element",
            remedy=f"Known are {known}; of others a plan says it: change that of exafsnn make --template cu",
        )  # fmt: skip
    found = METALS[element]
    return found if edge in (None, found.edge) else Metal(**{**vars(found), "edge": str(edge)})


def usual_edge(element: str) -> str:
    """The edge at which an element is measured as a rule: that of our models, else K below 35 keV, L3 beyond."""
    k_edge = next((edge.energy for edge in edges_of(element) if edge.name == "K"), 0.0)
    return METALS[element].edge if element in METALS else "K" if k_edge < _K_BELOW else "L3"
