"""Which interatomic potential serves which phase of iron, and how its temperature and lattice map onto iron's.

No potential for iron holds all of its phases, so other metals stand in: their dynamics runs on their own lattice
and energy scale, and the coordinates are rescaled to iron's lattice constant. ``dynamics.py`` reads these records.
Lattice constants and temperature scales were measured with the potentials themselves: the scale makes σ² of the first
shell at 300 K that of iron (0.005 Å²), so that temperatures 0–1800 K cover σ² from 0 to 0.04 Å² in every phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from exafsnn.errors import SettingsError

IRON_LATTICE: Mapping[str, float] = {"bcc": 2.855, "fcc": 3.560, "hcp": 2.530, "liquid": 2.855}
"""Lattice constant a [Å] of iron at 0 K, from which strains are counted; for the melt that of bcc."""


@dataclass(frozen=True)
class Potential:
    """An interatomic potential and the phases of iron that it stands for."""

    name: str
    style: str
    """LAMMPS pair style."""
    files: tuple[str, ...]
    """Parameter files in LAMMPS's folder of potentials."""
    coefficients: str
    """Arguments of ``pair_coeff``, the files as ``{0}``, ``{1}``."""
    lattice: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """(a, c) [Å] of its own crystal at 0 K, by phase served."""
    temperature_scale: float = 1.0
    """MD temperature over iron's: what gives the first shell the σ² that iron has."""
    foreign: bool = False
    """True: only for spectra that test a model, never for training it."""

    def length_scale(self, phase: str) -> float:
        """Length in iron over length in the simulation, for ``phase``."""
        return IRON_LATTICE[phase] / self.lattice[phase][0]


def _stand_in(name: str, style: str, file: str, own: str, scale: float, **lattice: tuple[float, float]) -> Potential:
    """Make the record of a one-file EAM potential; ``own`` is its element, empty in files without element names."""
    coefficients = f"* * {{0}} {own}" if own else "1 1 {0}"
    return Potential(name, style, (file,), coefficients, lattice, scale)


def _cubic(a: float) -> tuple[float, float]:
    """Give a cubic crystal its (a, c)."""
    return (a, a)


def _angular(element: str, scale: float, *, foreign: bool = False, **lattice: tuple[float, float]) -> Potential:
    """Make the record of one element of the 2NN-MEAM set of Wang et al., npj Comput. Mater. 9, 60 (2023)."""
    files = ("library_2nn.meam", "MoCoNiVFeAlCr_2nn.meam")
    coefficients = f"* * {{0}} Mo Co Ni V Fe Al Cr {{1}} {element}"
    return Potential(f"{element}_meam", "meam", files, coefficients, lattice, scale, foreign)


_MO_SNAP = Potential(
    "Mo_snap",
    "snap",
    ("Mo_Zuo_JPCA2020.snapcoeff", "Mo_Zuo_JPCA2020.snapparam"),
    "* * {0} {1} Mo",
    {"bcc": _cubic(3.1693)},
    1.59,
)
"""Learned from density functional theory: Zuo et al., J. Phys. Chem. A 124, 731 (2020)."""

_ALL = (
    _stand_in("Fe_2003", "eam/fs", "Fe_mm.eam.fs", "Fe", 1.0, bcc=_cubic(2.8537), liquid=_cubic(2.8537)),
    _stand_in("Fe_2004", "eam/fs", "FeP_mm.eam.fs", "Fe", 1.0, bcc=_cubic(2.8537), liquid=_cubic(2.8537)),
    _stand_in("V", "eam/fs", "VFe_mm.eam.fs", "V", 0.75, bcc=_cubic(3.0296)),
    _stand_in("W", "eam/alloy", "W_zhou.eam.alloy", "W", 2.30, bcc=_cubic(3.1632)),
    _stand_in("Ta", "eam/alloy", "CuTa.eam.alloy", "Ta", 1.35, bcc=_cubic(3.3022)),
    _stand_in("Cu", "eam", "Cu_u3.eam", "", 0.62, fcc=_cubic(3.6145), hcp=(2.5562, 4.1669), liquid=_cubic(2.8688)),
    _stand_in("Ni", "eam", "Ni_u3.eam", "", 0.97, fcc=_cubic(3.5198), hcp=(2.4890, 4.0609), liquid=_cubic(2.7937)),
    _stand_in("Pd", "eam", "Pd_u3.eam", "", 0.66, fcc=_cubic(3.8893), hcp=(2.7509, 4.4855)),
    _stand_in("Pt", "eam", "Pt_u3.eam", "", 0.69, fcc=_cubic(3.9218), hcp=(2.7717, 4.5354)),
    _stand_in("Ag", "eam", "Ag_u3.eam", "", 0.67, fcc=_cubic(4.0858), hcp=(2.8893, 4.7165)),
    _stand_in("Au", "eam", "Au_u3.eam", "", 0.51, fcc=_cubic(4.0808), hcp=(2.8863, 4.7084)),
    _stand_in("Cu_2001", "eam/alloy", "Cu_mishin1.eam.alloy", "Cu", 0.66, fcc=_cubic(3.6144), hcp=(2.5557, 4.1677)),
    _stand_in("Ni_2013", "eam/alloy", "CuNi.eam.alloy", "Ni", 0.81, fcc=_cubic(3.5198)),
    _stand_in("Al", "eam/fs", "Al_mm.eam.fs", "Al", 0.52, fcc=_cubic(4.0473), hcp=(2.8542, 4.7110)),
    _stand_in("Co", "eam/alloy", "CoAl.eam.alloy", "Co", 0.85, fcc=_cubic(3.5416), hcp=(2.5059, 4.0797)),
    _stand_in("Zr", "eam/fs", "Zr_mm.eam.fs", "Zr", 0.75, hcp=(3.2177, 5.1977)),
    _stand_in("Mg", "eam/fs", "Mg_mm.eam.fs", "Mg", 0.52, hcp=(3.1859, 5.1948)),
    _angular("Ni", 1.07, fcc=_cubic(3.5214)),
    _angular("Al", 0.56, fcc=_cubic(4.0447)),
    _angular("Co", 0.75, fcc=_cubic(3.5366)),
    _angular("V", 0.62, bcc=_cubic(3.0311)),
    _angular("Mo", 2.34, bcc=_cubic(3.1466)),
    _angular("Cr", 1.00, bcc=_cubic(2.8810)),
    _MO_SNAP,
    _angular("Fe", 1.0, foreign=True, bcc=_cubic(2.8620), fcc=_cubic(3.6074), liquid=_cubic(2.8620)),
)

POTENTIALS: Mapping[str, Potential] = {potential.name: potential for potential in _ALL}
"""All potentials, by name."""


def potential_named(name: str, phase: str) -> Potential:
    """Look up a potential that serves ``phase``.

    Raises
    ------
    SettingsError
        If there is none, or it does not hold that phase.
    """
    if name not in POTENTIALS:
        raise SettingsError(f"unknown potential {name!r}", remedy=f"Use one of {', '.join(POTENTIALS)}")
    if phase not in POTENTIALS[name].lattice:
        raise SettingsError(
            f"potential {name!r} does not serve phase {phase!r}",
            remedy=f"Use one of {', '.join(training_potentials(phase)) or 'bcc, fcc, hcp, liquid as the phase'}",
        )
    return POTENTIALS[name]


def training_potentials(phase: str) -> tuple[str, ...]:
    """Names of the potentials whose states may train a model for ``phase``."""
    return tuple(p.name for p in POTENTIALS.values() if phase in p.lattice and not p.foreign)
