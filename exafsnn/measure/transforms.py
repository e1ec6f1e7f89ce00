"""χ(k) → χ(R), back to χ(q), and its wavelet map, by larch's transforms: any k weight, window and range.

``ChiK.to_r`` and ``ChiK.wavelet`` are doors to this; files of columns and figures are made of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exafsnn.errors import SettingsError
from exafsnn.records import Array, ChiK
from exafsnn.settings import WINDOWS
from exafsnn.words import power

_R_MAX = 10.0
"""Largest R of χ(R) [Å]."""
_SHORTEST = 0.5
"""Least length of a window [Å⁻¹, Å]."""


@dataclass(frozen=True)
class ChiR:
    """χ(R) of one scan."""

    r: Array
    """(n,) [Å]."""
    values: np.ndarray
    """(n,) complex χ(R) [Å^−(w+1)], w the k weight; χ(R) = (1/√π) ∫ k^w χ(k) Ω(k) exp(2ikR) dk."""
    k: Array
    """(m,) [Å⁻¹]."""
    window: Array
    """(m,) Ω(k)."""
    kweight: int
    k_range: tuple[float, float]
    """Limits of the window [Å⁻¹]."""
    window_name: str
    phase_corrected: bool = False

    def __repr__(self) -> str:
        """One line."""
        low, high = self.k_range
        corrected = ", phase-corrected" if self.phase_corrected else ""
        return f"<ChiR of {power('k', self.kweight)}χ, k {low:.1f}–{high:.1f} Å⁻¹, {self.window_name}{corrected}>"

    @property
    def magnitude(self) -> Array:
        """(n,) magnitude of χ(R)."""
        return np.abs(self.values)

    def plot(self, axes: Any = None) -> Any:
        """Draw magnitude and real part into axes of matplotlib, or into new ones, which are returned."""
        from exafsnn.write.panels import plot_chi_r

        return plot_chi_r(self, axes)

    def to_q(self, rmin: float, rmax: float, dr: float = 0.5, window: str = "hanning") -> ChiQ:
        """Back to k what lies between two R [Å], with slopes ``dr`` wide.

        Raises
        ------
        SettingsError
            If there is no such window.
        """
        from larch import Group
        from larch.xafs import xftr

        _check(rmin, rmax, window, "R", _R_MAX)
        group = Group()
        xftr(self.r, self.values, group=group, rmin=rmin, rmax=rmax, dr=dr, window=window)
        there = group.q <= self.k[-1] + 1e-9
        return ChiQ(group.q[there], group.chiq[there], self.kweight, (rmin, rmax))


@dataclass(frozen=True)
class ChiQ:
    """χ(q): what of k^w χ(k) lies in a range of R."""

    q: Array
    """(m,) [Å⁻¹]."""
    values: np.ndarray
    """(m,) complex [Å^−w]; its real part is what stands beside k^w χ(k)."""
    kweight: int
    r_range: tuple[float, float]
    """[Å]"""

    def __repr__(self) -> str:
        """One line."""
        low, high = self.r_range
        return f"<ChiQ of {power('k', self.kweight)}χ, R {low:.2f}–{high:.2f} Å, q to {self.q[-1]:.1f} Å⁻¹>"

    @property
    def magnitude(self) -> Array:
        """(m,) magnitude of χ(q)."""
        return np.abs(self.values)

    def plot(self, axes: Any = None) -> Any:
        """Draw magnitude and real part into axes of matplotlib, or into new ones, which are returned."""
        from exafsnn.write.panels import plot_chi_q

        return plot_chi_q(self, axes)


@dataclass(frozen=True)
class Wavelet:
    """The Cauchy wavelet map of k^w χ(k): where in k which distance scatters; heavy atoms do at larger k.

    Muñoz, Argoul & Farges, American Mineralogist 88, 694 (2003).
    """

    k: Array
    """(m,) [Å⁻¹]."""
    r: Array
    """(n,) [Å], not phase-corrected."""
    values: np.ndarray
    """(n, m) complex."""
    kweight: int

    def __repr__(self) -> str:
        """One line."""
        span = f"k {self.k[0]:.1f}–{self.k[-1]:.1f} Å⁻¹, R to {self.r[-1]:.1f} Å"
        return f"<Wavelet of {power('k', self.kweight)}χ, {span}>"

    @property
    def magnitude(self) -> Array:
        """(n, m)."""
        return np.abs(self.values)

    def plot(self, axes: Any = None) -> Any:
        """Draw the magnitude into axes of matplotlib, or into new ones, which are returned."""
        from exafsnn.write.panels import plot_wavelet

        return plot_wavelet(self, axes)


def to_r(
    chi: ChiK, kweight: int = 2, kmin: float | None = None, kmax: float | None = None, dk: float | None = None,
    window: str = "hanning", phase: Array | None = None,
) -> ChiR:  # fmt: skip
    """χ(R) of a scan.

    Parameters
    ----------
    chi
        The scan.
    kweight
        Power of k.
    kmin, kmax
        Limits of the window as larch has them [Å⁻¹], of a Hann window the middle of its slopes; by default 3, and as
        far as the data are usable.
    dk
        larch's parameter of the window [Å⁻¹]: mostly the width of its slopes. None: 1, and of a Gaussian, whose
        standard deviation it is, a quarter of the range.
    window
        One of ``settings.WINDOWS``.
    phase
        (m,) φ(k) of a path on ``chi.k``: ``np.interp(chi.k, path.k, path.phase)`` of an ``EffectivePath``
        (``analyse.shell_fits``). What is left then peaks at true distances.

    Raises
    ------
    SettingsError
        If there is no such window, or the range is none.
    """
    from larch import Group
    from larch.xafs import xftf

    low, high = range_of(chi, kmin, kmax)
    _check(low, high, window, "k", float(chi.k[-1]))
    if not 0 <= kweight <= 4:
        raise SettingsError(f"k weight {kweight} is none of 0 to 4", where="kweight", remedy="Give one of these")
    if dk is None:
        dk = 0.25 * (high - low) if window == "gaussian" else 1.0
    asked = {"kmin": low, "kmax": high, "dk": dk, "kweight": kweight, "window": window, "rmax_out": _R_MAX}
    group = Group()
    xftf(chi.k, chi.chi, group=group, **asked)
    values = group.chir
    if phase is not None:
        turned = Group()
        xftf(chi.k, chi.chi * np.cos(phase), group=group, **asked)
        xftf(chi.k, chi.chi * np.sin(phase), group=turned, **asked)
        values = group.chir - 1j * turned.chir
    return ChiR(group.r, values, chi.k, group.kwin, kweight, (low, high), window, phase is not None)


def wavelet(chi: ChiK, kweight: int = 2, r_max: float = 6.0) -> Wavelet:
    """The wavelet map of a scan, as far in k as it is usable and in R [Å] as asked.

    Raises
    ------
    SettingsError
        If R is none.
    """
    from larch import Group
    from larch.xafs import cauchy_wavelet

    if not 1.0 <= r_max <= _R_MAX:
        raise SettingsError(f"R to {r_max:g} Å is not within 1 to {_R_MAX:g} Å", where="r_max")
    used = chi.k <= chi.k_end
    group = Group()
    cauchy_wavelet(chi.k[used], chi.chi[used], group=group, kweight=kweight, rmax_out=r_max)
    return Wavelet(chi.k[used], np.asarray(group.wcauchy_r), np.asarray(group.wcauchy), kweight)


def range_of(chi: ChiK, kmin: float | None = None, kmax: float | None = None) -> tuple[float, float]:
    """The range of k [Å⁻¹] that is transformed where none is asked for."""
    return (min(3.0, chi.k_end / 2) if kmin is None else kmin), (chi.k_end if kmax is None else kmax)


def _check(low: float, high: float, window: str, name: str, end: float) -> None:
    if window not in WINDOWS:
        raise SettingsError(f"no window is called {window!r}", where="window", remedy=f"There are {', '.join(WINDOWS)}")
    if not 0 <= low < low + _SHORTEST <= high <= end + 0.5:
        raise SettingsError(f"{low:g} to {high:g} is no range of {name} up to {end:.1f}", where=f"{name}min, {name}max")
