"""Powder patterns of a magnet alloy with two concentrations, for ``feature_map.py``.

(Sm₁₋ₓZrₓ)(Fe₁₋ᵧTiᵧ)₄Fe₈ of the type ThMn₁₂.

Space group I4/mmm: Sm and Zr on 2a (0 0 0), Fe and Ti on 8i (u 0 0), Fe on 8j (v ½ 0) and 8f (¼ ¼ ¼). Lattice
constants follow both concentrations (Vegard); SmFe₁₁Ti (y = ¼) has a = 8.56 Å, c = 4.80 Å, and zirconium, whose
radius is 0.2 Å smaller than samarium's, contracts it. Intensities are multiplicity × |F|² × Lorentz-polarisation, with
f₀ + f′ + if″ of xraydb and Debye-Waller factors; peaks are pseudo-Voigts with Caglioti's
width; noise is that of counts.
"""

from __future__ import annotations

import numpy as np
import xraydb

WAVELENGTH = 1.0
"""Of a synchrotron [Å]."""
ETA = 0.5
U_I, V_J = 0.359, 0.279
B_ISO = {"2a": 0.5, "8i": 0.4, "8j": 0.4, "8f": 0.4}
CAGLIOTI = 0.020, -0.008, 0.016
PEAK, BACKGROUND = 1e4, 150.0
LOWEST, HIGHEST = (0.0, 0.0), (0.5, 0.5)
"""Concentrations of Zr on 2a and Ti on 8i between which the patterns lie."""
TWO_THETA = np.arange(16.0, 52.0, 0.03)


def lattice(zr: float, ti: float) -> tuple[float, float]:
    """Lattice constants a and c [Å]."""
    return 8.525 + 0.14 * ti - 0.16 * zr, 4.775 + 0.10 * ti - 0.03 * zr


def _sites() -> dict[str, np.ndarray]:
    base = {
        "2a": [[0, 0, 0]],
        "8i": [[U_I, 0, 0], [-U_I, 0, 0], [0, U_I, 0], [0, -U_I, 0]],
        "8j": [[V_J, 0.5, 0], [-V_J, 0.5, 0], [0.5, V_J, 0], [0.5, -V_J, 0]],
        "8f": [[0.25, 0.25, 0.25], [0.75, 0.75, 0.25], [0.75, 0.25, 0.25], [0.25, 0.75, 0.25]],
    }
    return {name: np.vstack([np.array(at), np.array(at) + 0.5]) for name, at in base.items()}


SITES = _sites()


def _reflections(h_max: int = 11, l_max: int = 7) -> np.ndarray:
    """One (h, k, l) of each family with its multiplicity (f, 4): h + k + l even, Laue class 4/mmm."""
    found = []
    for h in range(h_max + 1):
        for k in range(h + 1):
            for m in range(l_max + 1):
                if (h + k + m) % 2 or not (h or k or m):
                    continue
                swaps = {(h, k), (k, h)}
                family = {(s * a, t * b, u * m) for a, b in swaps for s in (1, -1) for t in (1, -1) for u in (1, -1)}
                found.append((h, k, m, len(family)))
    return np.array(found)


FAMILIES = _reflections()


def _structure_factors(zr: float, ti: float, s: np.ndarray) -> np.ndarray:
    """(f,) |F|² at s = sinθ/λ [1/Å]."""
    energy = 12398.42 / WAVELENGTH  # eV
    f = {
        el: xraydb.f0(el, s) + xraydb.f1_chantler(el, energy) + 1j * xraydb.f2_chantler(el, energy)
        for el in ("Sm", "Zr", "Fe", "Ti")
    }
    scattering = {
        "2a": (1 - zr) * f["Sm"] + zr * f["Zr"],
        "8i": (1 - ti) * f["Fe"] + ti * f["Ti"],
        "8j": f["Fe"],
        "8f": f["Fe"],
    }
    total = np.zeros(len(s), complex)
    for name, at in SITES.items():
        phases = np.exp(2j * np.pi * FAMILIES[:, :3] @ at.T).sum(axis=1)  # [family]
        total += scattering[name] * np.exp(-B_ISO[name] * s**2) * phases
    return np.abs(total) ** 2


def width(two_theta: np.ndarray) -> np.ndarray:
    """Full width at half maximum [°] (Caglioti, Paoletti, Ricci 1958)."""
    t = np.tan(np.radians(two_theta) / 2)
    u, v, w = CAGLIOTI
    return np.sqrt(u * t**2 + v * t + w)


def pattern(zr: float, ti: float, two_theta: np.ndarray = TWO_THETA) -> np.ndarray:
    """Expected counts of a pattern, on a scale on which the strongest peak has about ``PEAK``."""
    a, c = lattice(zr, ti)
    h, k, m, many = FAMILIES.T
    s = 0.5 * np.sqrt((h**2 + k**2) / a**2 + m**2 / c**2)  # 1/(2d)
    keep = s * WAVELENGTH < 0.7
    theta = np.arcsin(s[keep] * WAVELENGTH)
    lorentz = (1 + np.cos(2 * theta) ** 2) / (np.sin(theta) ** 2 * np.cos(theta))
    size = many[keep] * _structure_factors(zr, ti, s)[keep] * lorentz
    at = np.degrees(2 * theta)
    w = width(at)
    x = (two_theta[:, None] - at) / (w / 2)  # [point, family]
    lorentzian, gaussian = (
        1 / (1 + x**2) * 2 / (np.pi * w),
        np.exp(-np.log(2) * x**2) * 2 * np.sqrt(np.log(2) / np.pi) / w,
    )
    intensity = (size * (ETA * lorentzian + (1 - ETA) * gaussian)).sum(axis=1)
    return BACKGROUND * (1 + np.exp(-two_theta / 15)) + intensity * PEAK / 2.1e8
