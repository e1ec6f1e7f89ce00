"""What the scans of one session share: energy zero, amplitude, and the smooth errors of theory, as one Gaussian.

A standard of known structure, measured like the samples, tells them (``infer.refine.Refiner``); without one they are
known only as far as the network and training know them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.physics.distortion import LOW_K_STD, distort, quadrature, smooth_modes
from exafsnn.physics.forward import Forward
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import Array

_STEP = 0.25
"""Step [eV] of the derivative with respect to the energy zero."""


@dataclass(frozen=True)
class Session:
    """Mean and covariance of: energy zero [eV], ln S₀², amplitude modes, phase modes, relative multiple scattering.

    A row for each scan of which it is known, or one for all.
    """

    mean: Tensor
    """(s, p)"""
    covariance: Tensor
    """(s, p, p)"""

    def widened(self, other: Session) -> Session:
        """The same for scans of another session, whose own errors may be as large as those of ``other``."""
        return Session(self.mean.expand_as(other.mean), self.covariance + other.covariance)

    def loosened(self, e0_std: float, amplitude_std: float) -> Session:
        """The same for other scans: their zeros [eV] and amplitudes (relative) may differ by so much."""
        extra = torch.zeros_like(self.mean[0])
        extra[0], extra[1] = e0_std**2, amplitude_std**2
        return Session(self.mean, self.covariance + torch.diag(extra))

    def moved(self, zeros: Tensor, share: Tensor, e0_std: float) -> Session:
        """The same, the energy zero of each scan lying by a ``share`` (s,) at another one (s,) [eV], as unsure then."""
        mean = self.mean.expand(len(zeros), -1).clone()
        mean[:, 0] += share * (zeros - mean[:, 0])
        covariance = self.covariance.expand(len(zeros), -1, -1).clone()
        covariance[:, 0, 0] += (share * e0_std) ** 2
        return Session(mean, covariance)

    def of_oxides(self, share: Tensor, usual: Session, factor: float, amplitude_std: float) -> Session:
        """The same, with errors of theory of an oxide, so many times the ``usual`` ones, by its ``share`` (s,).

        Its amplitude may differ from its metal's, relatively, by ``amplitude_std``.
        """
        variance = usual.covariance.diagonal(dim1=1, dim2=2).clone()
        variance[:, :2] = 0  # the energy zero and the amplitude are no errors of theory
        extra = (share**2 * (factor**2 - 1))[:, None] * variance
        extra[:, 1] = (share * amplitude_std) ** 2
        return Session(self.mean, self.covariance + torch.diag_embed(extra))

    def towards(self, other: Session, part: Tensor) -> Session:
        """The same, but by a ``part`` (s,) what the other says."""
        mean = self.mean + part[:, None] * (other.mean - self.mean)
        return Session(mean, self.covariance + part[:, None, None] * (other.covariance - self.covariance))

    def where(self, rows: Tensor, other: Session) -> Session:
        """Itself for the scans of which ``rows`` (s,) is true, the other for the rest."""
        mean = torch.where(rows[:, None], self.mean, other.mean)
        return Session(mean, torch.where(rows[:, None, None], self.covariance, other.covariance))


@dataclass(frozen=True)
class Linear:
    """k²χ of a batch near given values, and how it changes."""

    value: Tensor
    """(s, m) k²χ."""
    by_density: Tensor
    """(s, m, b) its derivative with respect to the RDF, in single precision …"""
    by_shared: Tensor
    """(s, m, p) … and to the session; that of the energy zero is of the difference to the data, whose axis it moves."""


class Theory:
    """The forward model with its errors: RDFs and sessions → k²χ(k), in batches.

    ``errors`` says how large its smooth errors may be, in units of those of the training.
    """

    def __init__(self, forward: Forward, pairs: PairSettings, errors: float = 1.0) -> None:
        self.forward = Forward({name: torch.from_numpy(value).double() for name, value in forward.parts.items()})
        self.k = self.forward.k
        self.length_scale = pairs.r_max / PairSettings.r_max
        """Reach of its RDFs over that of iron."""
        self.amplitude_modes = smooth_modes(self.k, lowest=1)
        self.phase_modes = smooth_modes(self.k, lowest=0)
        self._single = Forward({name: torch.from_numpy(value) for name, value in forward.parts.items()})
        self._turned_kernel = quadrature(self.forward["kernel"].T).T.float()
        self._turned_basis = quadrature(self.forward["rest_basis"]).float()
        amplitude = [*[pairs.theory_amplitude] * (len(self.amplitude_modes) - 1), LOW_K_STD]
        phase = [*[pairs.theory_phase] * (len(self.phase_modes) - 1), LOW_K_STD]
        self._stds = [*(errors * std for std in amplitude + phase), pairs.theory_multiple]

    def session(self, e0: Array, e0_std: float, amplitude: Array, amplitude_std: float) -> Session:
        """What is known before any standard, of zeros [eV] and amplitudes (s,); ``amplitude_std`` is relative."""
        mean = torch.zeros(len(e0), 2 + len(self._stds), dtype=torch.float64)
        mean[:, 0], mean[:, 1] = torch.from_numpy(e0), torch.from_numpy(amplitude).log()
        variance = torch.tensor([e0_std, amplitude_std, *self._stds], dtype=torch.float64) ** 2
        return Session(mean, torch.diag(variance).expand(len(e0), -1, -1))

    def spectrum(self, density: Tensor, shared: Tensor) -> Tensor:
        """(s, m) k²χ of RDFs (s, b) with the values ``shared`` (s, p) of sessions, each on its own energy zero."""
        amplitude, phase = self.distortion(shared)
        rest = self.forward.rest(density)
        return distort(self.forward.single(density) + (1 + shared[:, -1:]) * rest, amplitude, phase) * self.k**2

    def single(self, density: Tensor, shared: Tensor, points: slice = slice(None)) -> Tensor:
        """(s, m) k²χ of single scattering alone, linear in n(r) (s, b), which may be a difference."""
        along, across = self._turning(shared, points)
        turned = density @ self._turned_kernel[points].T.double()
        return along * (density @ self.forward["kernel"][points].T) + across * turned

    def multiple(self, density: Tensor, shared: Tensor, points: slice = slice(None)) -> Tensor:
        """(s, m, 2) k²χ of all else, and its quadrature."""
        along, across = (part[:, :, None] for part in self._turning(shared, points))
        rest = self.forward.rest(density)
        turned = quadrature(rest)
        rest, turned = rest[:, points], turned[:, points]
        return along * torch.stack([rest, turned], dim=2) + across * torch.stack([turned, -rest], dim=2)

    def _turning(self, shared: Tensor, points: slice) -> tuple[Tensor, Tensor]:
        """(s, m) what χ(k) and its quadrature are multiplied by, for k²χ with the errors of sessions."""
        amplitude, phase = self.distortion(shared)
        weight = amplitude * self.k**2
        return (weight * phase.cos())[:, points], (weight * phase.sin())[:, points]

    def distortion(self, shared: Tensor) -> tuple[Tensor, Tensor]:
        """(s, m) factor of the amplitude, S₀² included, and phase [rad], of values of sessions (s, p)."""
        split = 2 + len(self.amplitude_modes)
        return self._smooth_factor(shared) * shared[:, 1:2].exp(), shared[:, split:-1] @ self.phase_modes

    def _smooth_factor(self, shared: Tensor) -> Tensor:
        return 1 + shared[:, 2 : 2 + len(self.amplitude_modes)] @ self.amplitude_modes

    def linear(self, density: Tensor, shared: Tensor, points: slice = slice(None)) -> Linear:
        """k²χ and its derivatives at RDFs (s, b) and sessions (s, p), at some of the points of k."""
        amplitude, phase = self.distortion(shared)
        single, rest = self.forward.single(density), self.forward.rest(density)
        multiple = 1 + shared[:, -1:]
        whole = single + multiple * rest
        turned, turned_rest = quadrature(torch.cat([whole, rest])).chunk(2)
        weight = amplitude * self.k**2
        along, across = weight * phase.cos(), weight * phase.sin()
        value = (along * whole + across * turned)[:, points]
        ahead = (along * turned - across * whole)[:, points]
        by_multiple = (along * rest + across * turned_rest)[:, points]
        by_zero = self._by_zero(amplitude * (whole * phase.cos() + turned * phase.sin()), points)
        by_amplitude = (value / self._smooth_factor(shared)[:, points])[:, :, None] * self.amplitude_modes[:, points].T
        by_phase = ahead[:, :, None] * self.phase_modes[:, points].T
        by_density = self._by_density(density, along[:, points], across[:, points], multiple, points)
        ones = (-by_zero[:, :, None], value[:, :, None])
        by_shared = torch.cat([*ones, by_amplitude, by_phase, by_multiple[:, :, None]], dim=2)
        return Linear(value, by_density, by_shared)

    def _by_density(self, density: Tensor, along: Tensor, across: Tensor, multiple: Tensor, points: slice) -> Tensor:
        """(s, m, b) derivative with respect to the RDF; ``along`` χ and ``across`` it, to its quadrature (s, m)."""
        slopes = self._single.rest_slopes(density.float()) * multiple.float()[:, :, None]  # [spectrum, component, bin]
        along, across = along[:, :, None].float(), across[:, :, None].float()
        basis = along * self._single["rest_basis"][:, points].T + across * self._turned_basis[:, points].T
        straight = (along * self._single["kernel"][points]).addcmul_(across, self._turned_kernel[points])
        return straight.baddbmm_(basis, slopes)

    def _by_zero(self, chi: Tensor, points: slice) -> Tensor:
        """(s, m) derivative of k²χ, as measured, with respect to the energy zero of its axis [1/eV]."""
        k, step = self.k[points], torch.full((len(chi),), _STEP, dtype=chi.dtype)
        up, down = (shift_energy(chi, k, self.k, shift, K2_PER_EV) for shift in (-step, step))
        return (up - down) / (2 * _STEP) * k**2
