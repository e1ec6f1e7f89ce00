"""Features → partial RDF ≥ 0, energy zero, amplitude, and the spread of each bin.

One member of the ensemble; ``infer.predict`` runs all members of a model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from exafsnn.settings import Settings


@dataclass(frozen=True)
class NetworkSettings(Settings):
    """Size of one member."""

    hidden: int = 384
    layers: int = 3
    dropout: float = 0.0


@dataclass(frozen=True)
class Output:
    """What one member says of a batch."""

    density: Tensor
    """(n, b) n(r) [Å⁻¹]."""
    log_spread: Tensor
    """(n, b) ln of the standard deviation of n(r) [Å⁻¹]."""
    e0: Tensor
    """(n,) energy zero minus the assumed one [eV]."""
    log_amplitude: Tensor
    """(n,) ln(amplitude / assumed amplitude)."""


class Member(nn.Module):
    """A multilayer perceptron with residual layers."""

    mean: Tensor
    whiten: Tensor

    def __init__(self, width: int, bins: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width + 1))
        self.register_buffer("whiten", torch.eye(width + 1))
        self.first = nn.Linear(width + 1, settings.hidden)
        self.inner = nn.ModuleList([nn.Linear(settings.hidden, settings.hidden) for _ in range(settings.layers - 1)])
        self.density = nn.Linear(settings.hidden, bins)
        self.spread = nn.Linear(settings.hidden, 24)
        self.widen = nn.Linear(24, bins)
        self.scalars = nn.Linear(settings.hidden, 2)

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and covariance of the features from a batch, so that the first layer sees them uncorrelated."""
        features = _levelled(features)
        self.mean.copy_(features.mean(dim=0))
        values, vectors = torch.linalg.eigh(torch.cov(features.T))
        self.whiten.copy_(vectors / values.clamp_min(1e-4 * float(values.max())).sqrt())

    def forward(self, features: Tensor) -> Output:
        """(n, width) features → ``Output``."""
        hidden = nn.functional.silu(self.first((_levelled(features) - self.mean) @ self.whiten))
        for layer in self.inner:
            hidden = hidden + nn.functional.silu(layer(hidden))
        density = nn.functional.softplus(self.density(hidden)) * 4.0
        spread = self.widen(nn.functional.silu(self.spread(hidden.detach())))
        scalars = self.scalars(hidden)
        return Output(density, spread, 5.0 * scalars[:, 0], 0.1 * scalars[:, 1])


def _levelled(features: Tensor) -> Tensor:
    """(n, width + 1) the spectrum's features divided by their size, the rest as it is, then ln of that size.

    Cold crystals and melts differ tenfold in signal; so the network sees their shapes alike.
    """
    spectrum, known = features[:, :-4], features[:, -4:]
    size = spectrum.square().mean(dim=1, keepdim=True).sqrt().clamp_min(1e-8)
    return torch.cat([spectrum / size, known, size.log()], dim=1)
