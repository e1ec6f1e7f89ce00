"""Features → partial RDF ≥ 0, energy zero, amplitude, and the spread of each bin.

One member of the ensemble; ``infer.predict`` runs all members of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from exafsnn.learn.features import KNOWN, amplitude_std
from exafsnn.settings import Settings


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Size of one member."""

    hidden: int = 344
    layers: int = 3
    recognise: int = 64
    """Width of the head that says how many atoms an RDF of a shape has."""
    counting: float = 0.03
    """Relative standard deviation of counting itself: recognition may correct a count by so much, too."""


@dataclass(frozen=True)
class Output:
    """What one member says of a batch."""

    density: Tensor
    """(n, b) n(r) [Å⁻¹]."""
    apparent: Tensor
    """(n, b) n(r) if the amplitude is the one assumed, and nothing is recognised [Å⁻¹]."""
    log_spread: Tensor
    """(n, b) ln of the standard deviation of n(r) [Å⁻¹]."""
    e0: Tensor
    """(n,) energy zero minus the assumed one [eV]."""
    log_amplitude: Tensor
    """(n,) ln(amplitude / assumed amplitude)."""


class Member(nn.Module):
    """A multilayer perceptron with residual layers that knows what an amplitude is.

    χ fixes the product of amplitude and RDF. So the network first counts: it says the apparent RDF, S₀²n(r)/(assumed
    S₀²), which scales exactly with the size of the signal. Then it recognises: the shape of the RDF, whatever its size,
    says how many atoms there should be, and how surely; bulk phases fill space. The count is corrected towards that as
    far as the doubts about the assumed amplitude and about counting itself allow. With a reference these are a few per
    cent, and atoms are counted.
    """

    mean: Tensor
    whiten: Tensor
    size: Tensor

    def __init__(self, width: int, bins: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width - 1))
        self.register_buffer("whiten", torch.eye(width - 1))
        self.register_buffer("size", torch.ones(1))
        self.first = nn.Linear(width - 1, settings.hidden)
        self.inner = nn.ModuleList([nn.Linear(settings.hidden, settings.hidden) for _ in range(settings.layers - 1)])
        self.density = nn.Linear(settings.hidden, bins)
        self.spread = nn.Linear(settings.hidden, 24)
        self.widen = nn.Linear(24, bins)
        self.e0 = nn.Linear(settings.hidden, 1)
        self.recognise = nn.Sequential(
            nn.Linear(bins + 1, settings.recognise), nn.SiLU(), nn.Linear(settings.recognise, 2)
        )
        self.counting = settings.counting

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and covariance of the features from a batch, so that the first layer sees them uncorrelated."""
        levelled, size = _levelled(features)
        self.mean.copy_(levelled.mean(dim=0))
        self.size.copy_(size.median())
        values, vectors = torch.linalg.eigh(torch.cov(levelled.T))
        self.whiten.copy_(vectors / values.clamp_min(1e-4 * float(values.max())).sqrt())

    def forward(self, features: Tensor) -> Output:
        """(n, width) features → ``Output``."""
        hidden, size = self._hidden(features)
        spread = self.widen(nn.functional.silu(self.spread(hidden.detach())))
        size = size / self.size
        prior = amplitude_std(features)[:, None]
        apparent = 4.0 * nn.functional.softplus(self.density(hidden)) * size
        correction, doubt = self._correction(apparent.detach(), prior)
        log_amplitude = (correction * (prior / doubt) ** 2)[:, 0]
        return Output(apparent * torch.exp(-correction), apparent, spread, self._zero(hidden), log_amplitude)

    def energy_zero(self, features: Tensor) -> Tensor:
        """(n,) the field ``e0`` of ``forward``'s answer to features (n, width), alone."""
        return self._zero(self._hidden(features)[0])

    def _hidden(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(n, hidden) what all that is said is taken from, and the size of the signal (n, 1)."""
        levelled, size = _levelled(features)
        hidden = nn.functional.silu(self.first((levelled - self.mean) @ self.whiten))
        for layer in self.inner:
            hidden = hidden + nn.functional.silu(layer(hidden))
        return hidden, size

    def _zero(self, hidden: Tensor) -> Tensor:
        zero: Tensor = 5.0 * self.e0(hidden)[:, 0]
        return zero

    def _correction(self, apparent: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1) ln(apparent / true count), three standard deviations at most, and what these are.

        The shape says ln(count) and its doubt s; the assumed amplitude says that the correction is 0 ± doubt. The mean
        of both weighs them by their inverse variances.
        """
        doubt = (prior**2 + self.counting**2).sqrt()
        count = apparent.mean(dim=1, keepdim=True).clamp_min(1e-8)
        expected, log_s = self.recognise(torch.cat([apparent / count - 1, prior.log()], dim=1)).split(1, dim=1)
        share = doubt**2 / (doubt**2 + (0.05 * torch.exp(log_s.clamp(-4.0, 4.0))) ** 2)
        wanted = share * (count.log() - 2.0 - expected)
        return doubt * 3.0 * torch.tanh(wanted / (3.0 * doubt)), doubt


def _levelled(features: Tensor) -> tuple[Tensor, Tensor]:
    """(n, width - 1) features that do not change when the signal is scaled, and the size of the signal (n, 1).

    Spectrum and noise are divided by the size; the prior of the amplitude is left out.
    """
    spectrum, known = features[:, :-KNOWN], features[:, -KNOWN:]
    size = spectrum.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
    kmax, noise, _, e0_std = known.split(1, dim=1)
    return torch.cat([spectrum / size, kmax, noise - size.log10(), e0_std], dim=1), size
