"""What the scans of one session share: energy zero, amplitude, and the smooth errors of theory, as one Gaussian.

A standard of known structure, measured like the samples, tells them (``infer.refine.Refiner``); without one they are
known only as far as the network and training know them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.physics.distortion import LOW_K_STD, distort, quadrature, smooth_modes
from exafsnn.physics.forward import ForwardModel
from exafsnn.physics.fourier import shift_energy

_STEP = 0.25
"""Step [eV] of the derivative with respect to the energy zero."""


@dataclass(frozen=True)
class Session:
    """Mean and covariance of: energy zero [eV], ln S₀², amplitude modes, phase modes, relative multiple scattering."""

    mean: Tensor
    """(p,)"""
    covariance: Tensor
    """(p, p)"""

    def widened(self, other: Session) -> Session:
        """The same for a scan of another session, whose own errors may be as large as those of ``other``."""
        return Session(self.mean, self.covariance + other.covariance)

    def loosened(self, e0_std: float, amplitude_std: float) -> Session:
        """The same for another scan: its zero [eV] and its amplitude (relative) may differ by so much."""
        extra = torch.zeros_like(self.mean)
        extra[0], extra[1] = e0_std**2, amplitude_std**2
        return Session(self.mean, self.covariance + torch.diag(extra))


@dataclass(frozen=True)
class Linear:
    """k²χ of a batch near given values, and how it changes."""

    value: Tensor
    """(s, m) k²χ."""
    gradient: Tensor
    """(s, m, b + p) derivatives with respect to RDF and session.

    That of the energy zero is of the difference to the data, whose axis it moves.
    """


class Theory:
    """The forward model with its errors: RDFs and sessions → k²χ(k), in batches."""

    def __init__(self, forward: ForwardModel, pairs: PairSettings) -> None:
        self.forward = forward.double().requires_grad_(False)
        self.k = forward.k.double()
        self.amplitude_modes = smooth_modes(self.k, lowest=1)
        self.phase_modes = smooth_modes(self.k, lowest=0)
        self._turned_kernel = quadrature(forward.kernel.T).T
        self._turned_basis = quadrature(forward.rest_basis)
        smooth_amplitude = [pairs.theory_amplitude] * (len(self.amplitude_modes) - 1)
        smooth_phase = [pairs.theory_phase] * (len(self.phase_modes) - 1)
        self._stds = [*smooth_amplitude, LOW_K_STD, *smooth_phase, LOW_K_STD, pairs.theory_multiple]

    def session(self, e0: float, e0_std: float, amplitude: float, amplitude_std: float) -> Session:
        """What is known before any standard; ``amplitude_std`` is relative."""
        mean = torch.tensor([e0, math.log(amplitude), *[0.0] * len(self._stds)], dtype=torch.float64)
        return Session(mean, torch.diag(torch.tensor([e0_std, amplitude_std, *self._stds], dtype=torch.float64) ** 2))

    def spectrum(self, density: Tensor, shared: Tensor) -> Tensor:
        """(s, m) k²χ of RDFs (s, b) with the values ``shared`` (s, p) of sessions, each on its own energy zero."""
        amplitude, phase = self._distortion(shared)
        rest = self.forward.rest(density)
        return distort(self.forward.single(density) + (1 + shared[:, -1:]) * rest, amplitude, phase) * self.k**2

    def _distortion(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """(s, m) factor of the amplitude, S₀² included, and phase [rad]."""
        split = 2 + len(self.amplitude_modes)
        return self._smooth_factor(shared) * shared[:, 1:2].exp(), shared[:, split:-1] @ self.phase_modes

    def _smooth_factor(self, shared: Tensor) -> Tensor:
        return 1 + shared[:, 2 : 2 + len(self.amplitude_modes)] @ self.amplitude_modes

    def linear(self, density: Tensor, shared: Tensor) -> Linear:
        """k²χ and its derivatives at RDFs (s, b) and sessions (s, p)."""
        amplitude, phase = self._distortion(shared)
        single, rest = self.forward.single(density), self.forward.rest(density)
        multiple = 1 + shared[:, -1:]
        weight = self.k**2
        value = distort(single + multiple * rest, amplitude, phase) * weight
        ahead = distort(single + multiple * rest, amplitude, phase + math.pi / 2) * weight
        by_amplitude = (value / self._smooth_factor(shared))[:, :, None] * self.amplitude_modes.T
        by_phase = ahead[:, :, None] * self.phase_modes.T
        by_multiple = distort(rest, amplitude, phase) * weight
        by_shared = torch.cat(
            [-self._by_zero(value)[:, :, None], value[:, :, None], by_amplitude, by_phase, by_multiple[:, :, None]],
            dim=2,
        )
        return Linear(value, torch.cat([self._by_density(density, amplitude, phase, multiple), by_shared], dim=2))

    def _by_density(self, density: Tensor, amplitude: Tensor, phase: Tensor, multiple: Tensor) -> Tensor:
        """(s, m, b) derivative with respect to the RDF."""
        slopes = self.forward.rest_slopes(density) * multiple[:, :, None]  # [spectrum, component, bin]
        straight = self.forward.kernel + torch.einsum("cm,scb->smb", self.forward.rest_basis, slopes)
        turned = self._turned_kernel + torch.einsum("cm,scb->smb", self._turned_basis, slopes)
        weight = amplitude * self.k**2
        return straight * (weight * phase.cos())[:, :, None] + turned * (weight * phase.sin())[:, :, None]

    def _by_zero(self, value: Tensor) -> Tensor:
        """(s, m) derivative of k²χ, as measured, with respect to the energy zero of its axis [1/eV]."""
        chi = value / self.k**2
        up, down = (
            shift_energy(chi, self.k, self.k, torch.full((len(chi),), shift, dtype=chi.dtype), K2_PER_EV)
            for shift in (-_STEP, _STEP)
        )
        return (up - down) / (2 * _STEP) * self.k**2
