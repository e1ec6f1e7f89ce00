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
    scale: Tensor

    def __init__(self, width: int, bins: int, settings: NetworkSettings) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.first = nn.Linear(width, settings.hidden)
        self.inner = nn.ModuleList([nn.Linear(settings.hidden, settings.hidden) for _ in range(settings.layers - 1)])
        self.density = nn.Linear(settings.hidden, bins)
        self.spread = nn.Linear(settings.hidden, 24)
        self.widen = nn.Linear(24, bins)
        self.scalars = nn.Linear(settings.hidden, 2)

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and standard deviation of the features from a batch."""
        self.mean.copy_(features.mean(dim=0))
        self.scale.copy_(features.std(dim=0).clamp_min(1e-6))

    def forward(self, features: Tensor) -> Output:
        """(n, width) features → ``Output``."""
        hidden = nn.functional.silu(self.first((features - self.mean) / self.scale))
        for layer in self.inner:
            hidden = hidden + nn.functional.silu(layer(hidden))
        density = nn.functional.softplus(self.density(hidden)) * 4.0
        spread = self.widen(nn.functional.silu(self.spread(hidden.detach())))
        scalars = self.scalars(hidden)
        return Output(density, spread, 5.0 * scalars[:, 0], 0.1 * scalars[:, 1])
