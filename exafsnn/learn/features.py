"""χ(k) → network input: what the network sees of a spectrum, and what is known besides.

The same code serves training (batches of simulated χ) and prediction (one measured χ), so the two cannot drift apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from exafsnn.physics.fourier import hanning_window, transform_matrix, wavelet_matrix
from exafsnn.settings import Settings

KNOWN = 4
"""Number of features that say what is known besides χ(k); the last ones."""

_SHELLS_FROM = 1.4
"""No shell of neighbours peaks below this R [Å]."""

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


@dataclass(frozen=True)
class Known:
    """What is known of a batch of spectra besides χ(k); tensors of shape (batch,)."""

    kmax: Tensor
    """Largest usable k [Å⁻¹]."""
    noise: Tensor
    """ε_k of χ after division by the amplitude."""
    amplitude_std: Tensor
    """Relative standard deviation of the amplitude that χ was divided by."""
    e0_std: Tensor
    """Standard deviation of the energy zero [eV]."""

    def columns(self) -> Tensor:
        """(batch, 4) of order one."""
        return torch.stack(
            [
                (self.kmax - 12.5) / 2.0,
                (torch.log10(self.noise.clamp_min(1e-5)) + 3.0),
                torch.log(self.amplitude_std / 0.06),
                torch.log(self.e0_std / 2.0),
            ],
            dim=1,
        )


def amplitude_std(features: Tensor) -> Tensor:
    """(n,) the relative standard deviation of the amplitude that features (n, width) carry."""
    return 0.06 * torch.exp(features[:, -2])


class FeatureMap:
    """The linear map from χ(k) to features, with the windows of each spectrum's own k range."""

    def __init__(self, settings: FeatureSettings) -> None:
        self.settings = settings
        self.k = torch.from_numpy(settings.k_grid()).float()
        self._matrix = self._make_matrix()
        self._shells = transform_matrix(self.k, torch.arange(_SHELLS_FROM, settings.rmax + 1e-6, settings.rstep))

    def _make_matrix(self) -> Tensor:
        s = self.settings
        r = torch.arange(s.rmin, s.rmax + 1e-6, s.rstep)
        if s.kind == "kspace":
            return torch.eye(len(self.k))[:, ::2]
        if s.kind == "rspace":
            return transform_matrix(self.k, r)
        wavelets = wavelet_matrix(self.k, torch.arange(s.kmin, s.kmax + 0.1, 1.3), r[::3], 0.9)
        return wavelets if s.kind == "wavelet" else torch.cat([torch.eye(len(self.k))[:, ::2], wavelets], dim=1)

    @property
    def width(self) -> int:
        """Number of features, what is known included."""
        return int(self._matrix.shape[1]) + KNOWN

    def __call__(self, chi: Tensor, known: Known) -> Tensor:
        """(batch, width) features of χ (batch, m) on ``self.k``, already divided by the amplitude."""
        return torch.cat([(chi * self._weight(known)) @ self._matrix, known.columns()], dim=1)

    def unexplained(self, chi: Tensor, implied: Tensor, known: Known) -> Tensor:
        """(batch,) the share of Σ|χ(R)|² that ``implied`` χ, both (batch, m), does not explain; noise aside.

        Summed from 1.4 Å, above what a background leaves behind, to the largest R that the features see.
        """
        weight = self._weight(known)
        noise = (weight.square() @ self._shells.square().sum(dim=1)) * known.noise.square()
        left, all_of_it = (((part * weight) @ self._shells).square().sum(dim=1) for part in (chi - implied, chi))
        return (left - noise).clamp_min(0.0) / torch.maximum(all_of_it - noise, 1e-6 * all_of_it).clamp_min(1e-30)

    def _weight(self, known: Known) -> Tensor:
        """(batch, m) k² and the window of each spectrum."""
        kmin = torch.full_like(known.kmax, self.settings.kmin)
        return self.k**2 * hanning_window(self.k, kmin, known.kmax, self.settings.dk)
