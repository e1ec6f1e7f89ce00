"""What a model knows of single scattering → FEFF's path to one atom, as larch, Artemis and others fit it.

The kernel K(k, r) of a model is χ(k) of one atom at each distance. By the EXAFS equation (Rehr & Albers, Rev. Mod.
Phys. 72, 621 (2000), eq. 14)

    k r² K(k, r) = Im[F(k, r) exp(2ikr)],    F = |f(k)| exp(−2r/λ(k)) exp(iφ(k)),

and F varies slowly with r: sine and cosine of 2kr times a parabola, fitted about one distance, give it. How F changes
with r there tells λ(k) and the momentum inside the solid, which a path needs to be moved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Chebyshev

from exafsnn.records import Array

_REACH = 0.6
"""Distances that tell the path to an atom between them [Å] …"""
_NEAR = 0.2
"""… those nearest most: standard deviation of their weights [Å]."""
_LONGEST = 1e3
"""A mean free path is no longer than this [Å]."""
_ENDS, _TERMS = 0.06, 5
"""Share of the wavenumbers at either end at which a slope with r is not told; terms of its polynomial in k."""
_K = np.append(np.arange(0.0, 6.0, 0.1), np.arange(6.0, 20.2, 0.2))
"""Wavenumbers of a path file [Å⁻¹]; beyond the kernel's the path is as at its ends."""
_BOHR = 0.529177
_COLUMNS = "    k   real[2*phc]   mag[feff]  phase[feff] red factor   lambda     real[p]@#"


@dataclass(frozen=True)
class EffectivePath:
    """Single scattering from one atom, on the (m,) wavenumbers ``k``."""

    absorber: str
    edge: str
    scatterer: str
    r: float
    """Distance of the atom [Å]."""
    k: Array
    """(m,) [Å⁻¹], from the theory's energy zero."""
    magnitude: Array
    """(m,) |f(k)| [Å]: effective scattering amplitude; S₀² = 1."""
    phase: Array
    """(m,) φ(k), without jumps."""
    mean_free_path: Array
    """(m,) λ(k) [Å]."""
    momentum: Array
    """(m,) real part of the wavenumber inside the solid [Å⁻¹]."""

    def chi(self, k: Array) -> Array:
        """(n,) χ(k) of the atom, for wavenumbers within those of the path [Å⁻¹]."""
        magnitude, phase, free = (
            np.interp(k, self.k, part) for part in (self.magnitude, self.phase, self.mean_free_path)
        )
        wave: Array = magnitude * np.exp(-2 * self.r / free) * np.sin(2 * k * self.r + phase) / (k * self.r**2)
        return wave

    @property
    def shift(self) -> float:
        """By how much its peak in |χ(R)| lies below its distance [Å]: minus half the mean slope of the phase."""
        use = (self.k >= 4.0) & (self.k <= 12.0)
        return float(-0.5 * np.polyfit(self.k[use], self.phase[use], 1)[0])

    def text(self, title: str) -> str:
        """FEFF's file of the path, ``feffNNNN.dat``: what of it is no scattering (radii, potentials) is nominal."""
        from xraydb import atomic_number

        own, other = atomic_number(self.absorber), atomic_number(self.scatterer)
        atoms = ((0.0, 0, own, self.absorber), (self.r, 1, other, self.scatterer))
        lines = [
            f" {title[:62]:<63}Feff path of exafsnn",
            f" Abs   Z={own:2d} Rmt= 1.000 Rnm= 1.000 {self.edge} shell",
            f" Pot 1 Z={other:2d} Rmt= 1.000 Rnm= 1.000",
            " Gam_ch=1.000E+00 H-L exch",
            " Mu= 0.000E+00 kf=1.000E+00 Vint= 0.000E+00 Rs_int= 2.000",
            " Path    1      icalc       2",
            " " + 71 * "-",
            f"   2   1.000{self.r:10.5f}{self.r / _BOHR:10.4f}{0.0:11.5f} nleg, deg, reff, rnrmav(bohr), edge",
            "        x         y         z   pot at#",
            *(f" {0.0:10.5f}{0.0:10.5f}{z:10.5f}{pot:3d}{number:4d} {name}" for z, pot, number, name in atoms),
            _COLUMNS,
        ]
        parts = (self.magnitude, self.phase, self.mean_free_path, self.momentum)
        magnitude, phase, free, momentum = (np.interp(_K, self.k, part) for part in parts)
        lines += [
            f"{k:7.3f} {0.0:11.4E} {f:13.6E} {p:14.7E} {1.0:10.3E} {free_path:12.5E} {q:12.5E}"
            for k, f, p, free_path, q in zip(_K, magnitude, phase, free, momentum, strict=True)
        ]
        return "\n".join(lines) + "\n"


def effective_path(k: Array, kernel: Array, r: Array, distance: float, names: tuple[str, str, str]) -> EffectivePath:
    """The path to an atom at a distance.

    Parameters
    ----------
    k
        (m,) wavenumbers [Å⁻¹].
    kernel
        (m, b) χ(k) of one atom at each distance ``r`` (b,) [Å], S₀² = 1.
    distance
        Of the atom [Å], within ``r``.
    names
        Absorber, edge and scatterer.

    Raises
    ------
    ValueError
        If there are too few distances about it.
    """
    near = np.flatnonzero(np.abs(r - distance) < _REACH)
    away = r[near] - distance  # [r]
    if not len(away) or away.min() > -_NEAR or away.max() < _NEAR:
        raise ValueError(f"{distance:.2f} Å is too near the ends of {r[0]:.2f}–{r[-1]:.2f} Å")
    weight = np.exp(-0.5 * (away / _NEAR) ** 2)
    angle = 2 * k[:, None] * r[near]
    waves = np.stack([np.sin(angle), np.cos(angle)], axis=-1)  # [k, r, wave]
    powers = np.stack([np.ones_like(away), away, away**2], axis=-1)  # [r, power]
    basis = (waves[:, :, :, None] * powers[:, None]).reshape(len(k), len(away), -1) * weight[:, None]
    wanted = kernel[:, near] * k[:, None] * r[near] ** 2 * weight
    found = np.array([np.linalg.lstsq(part, of, rcond=None)[0] for part, of in zip(basis, wanted, strict=True)])
    envelope = found.reshape(len(k), 2, 3)[:, 0] + 1j * found.reshape(len(k), 2, 3)[:, 1]  # [k, power]
    slope = envelope[:, 1] / envelope[:, 0]
    damping, beyond = (_smooth(k, part) for part in (-0.5 * slope.real, 0.5 * slope.imag))
    damping = np.maximum(damping, 1 / _LONGEST)
    magnitude = np.abs(envelope[:, 0]) * np.exp(2 * distance * damping)
    phase = np.unwrap(np.angle(envelope[:, 0]))
    return EffectivePath(*names, distance, k, magnitude, phase, 1 / damping, k + beyond)


def _smooth(k: Array, values: Array) -> Array:
    """(m,) what is smooth in k by nature, without what the ends of k do to it; held beyond them."""
    inner = slice(round(_ENDS * len(k)), -round(_ENDS * len(k)))
    found: Array = Chebyshev.fit(k[inner], values[inner], _TERMS)(np.clip(k, k[inner][0], k[inner][-1]))
    return found
