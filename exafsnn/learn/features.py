"""χ(k) → network input: what the network sees of a spectrum, and what is known besides.

The same code serves training (batches of simulated χ) and prediction (one measured χ), so the two cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.physics.arrays import Numbers, namespace
from exafsnn.physics.fourier import hanning_window, transform_matrix, wavelet_matrix
from exafsnn.settings import Settings

KNOWN = 4
"""Number of features that say what is known besides χ(k); the last ones."""

_SHELLS_FROM = 1.4
"""No shell of neighbours peaks below this R [Å]."""
_LEAST_SIGNAL = 0.1
"""Share of what is seen that counts as signal, however large the noise is."""

KINDS = ("kspace", "rspace", "wavelet", "both")


@dataclass(frozen=True)
class FeatureSettings(Settings):
    """The representation of a spectrum."""

    kind: str = "rspace"
    """``"kspace"`` k²χ, ``"rspace"`` its Fourier transform, ``"wavelet"`` its Morlet map, ``"both"`` k²χ and map."""
    kmin: float = 3.0
    """Smallest k that is used [Å⁻¹]."""
    kmax: float = 16.0
    """Largest k that is ever used [Å⁻¹]."""
    kstep: float = 0.05
    dk: float = 1.0
    """Width of the window's slopes [Å⁻¹]."""
    rmin: float = 0.9
    """Range of R [Å] that is seen: below it lies the background …"""
    rmax: float = 5.5
    """… above it what no bin of the RDF explains."""
    rstep: float = 0.1

    def k_grid(self) -> np.ndarray:
        """(m,) wavenumbers [Å⁻¹] on which the features take χ."""
        low = self.kmin - self.dk
        return np.round(np.arange(low, self.kmax + self.dk / 2 + 1e-9, self.kstep), 6)

    def r_grid(self) -> np.ndarray:
        """(n,) distances [Å] at which the features take the transform; wavelets are taken at every third."""
        return _steps(self.rmin, self.rmax, self.rstep)

    def k_centres(self) -> np.ndarray:
        """(c,) wavenumbers [Å⁻¹] on which wavelets are centred."""
        return _steps(self.kmin, self.kmax + 0.1, 1.3)

    @property
    def width(self) -> int:
        """Number of features, what is known included; no matrix is made for it."""
        every_other, r = (len(self.k_grid()) + 1) // 2, len(self.r_grid())
        wavelets = 2 * len(self.k_centres()) * ((r + 2) // 3)
        numbers = {"kspace": every_other, "rspace": 2 * r, "wavelet": wavelets, "both": every_other + wavelets}
        return numbers[self.kind] + KNOWN


@dataclass(frozen=True)
class Known:
    """What is known of a batch of spectra besides χ(k); arrays of shape (batch,)."""

    kmax: Numbers
    """Largest usable k [Å⁻¹]."""
    noise: Numbers
    """ε_k of χ after division by the amplitude."""
    amplitude_std: Numbers
    """Relative standard deviation of the amplitude that χ was divided by."""
    e0_std: Numbers
    """Standard deviation of the energy zero [eV]."""

    def columns(self) -> Numbers:
        """(batch, 4) of order one."""
        xp = namespace(self.kmax)
        return xp.stack(
            [
                (self.kmax - 12.5) / 2.0,
                (xp.log10(self.noise.clip(1e-5, None)) + 3.0),
                xp.log(self.amplitude_std / 0.06),
                xp.log(self.e0_std / 2.0),
            ],
            axis=1,
        )


def amplitude_std(features: Numbers) -> Numbers:
    """(n,) the relative standard deviation of the amplitude that features (n, width) carry."""
    return 0.06 * namespace(features).exp(features[:, -2])


class FeatureMap:
    """The linear map from χ(k) to features, with the windows of each spectrum's own k range."""

    def __init__(self, settings: FeatureSettings) -> None:
        self.settings = settings
        self.k = settings.k_grid().astype(np.float32)
        """(m,) [Å⁻¹], of numpy; spectra may be of torch."""
        self._matrix = self._make_matrix()
        self._shells = transform_matrix(self.k, _steps(_SHELLS_FROM, settings.rmax, settings.rstep))

    def _make_matrix(self) -> np.ndarray:
        s, every_other = self.settings, np.eye(len(self.k), dtype=np.float32)[:, ::2]
        found: np.ndarray
        if s.kind == "kspace":
            found = every_other
        elif s.kind == "rspace":
            found = transform_matrix(self.k, s.r_grid())
        else:
            found = wavelet_matrix(self.k, s.k_centres(), s.r_grid()[::3], 0.9)
        return np.concatenate([every_other, found], axis=1) if s.kind == "both" else found

    @property
    def width(self) -> int:
        """Number of features, what is known included."""
        return self.settings.width

    def __call__(self, chi: Numbers, known: Known) -> Numbers:
        """(batch, width) features of χ (batch, m) on ``self.k``, already divided by the amplitude."""
        xp = namespace(chi)
        return xp.concat([(chi * self._weight(known)) @ xp.asarray(self._matrix), known.columns()], axis=1)

    def unexplained(self, chi: Numbers, implied: Numbers, known: Known) -> Numbers:
        """(batch,) the share of Σ|χ(R)|² that ``implied`` χ, both (batch, m), does not explain; noise aside.

        Summed from 1.4 Å, above what a background leaves behind, to the largest R that the features see. Of what is
        nearly all noise a tenth counts as signal.
        """
        xp = namespace(chi)
        weight, shells = self._weight(known), xp.asarray(self._shells)
        noise = (weight**2 @ (shells**2).sum(axis=1)) * known.noise**2
        left, all_of_it = ((((part * weight) @ shells) ** 2).sum(axis=1) for part in (chi - implied, chi))
        signal = xp.maximum(all_of_it - noise, _LEAST_SIGNAL * all_of_it).clip(1e-30, None)
        return (left - noise).clip(0.0, None) / signal

    def _weight(self, known: Known) -> Numbers:
        """(batch, m) k² and the window of each spectrum."""
        xp = namespace(known.kmax)
        k, kmin = xp.asarray(self.k), xp.full_like(known.kmax, self.settings.kmin)
        return k**2 * hanning_window(k, kmin, known.kmax, self.settings.dk)


def _steps(low: float, high: float, step: float) -> np.ndarray:
    """From ``low`` to ``high``, both included."""
    return np.arange(low, high + 1e-6, step).astype(np.float32)
