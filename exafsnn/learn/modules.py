"""What learns: networks and forward models as torch modules.

Their formulae are those of ``learn.network`` and ``physics.forward``, with which prediction does without torch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from exafsnn.learn.network import SPREAD, Network, NetworkSettings, Output, levelled
from exafsnn.physics.forward import Forward

_ERRORS = 40


class Member(nn.Module):
    """A ``Network`` that learns."""

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
        self.spread = nn.Linear(settings.hidden, SPREAD)
        self.widen = nn.Linear(SPREAD, bins)
        self.e0 = nn.Linear(settings.hidden, 1)
        self.recognise = nn.Sequential(
            nn.Linear(bins + 1, settings.recognise), nn.SiLU(), nn.Linear(settings.recognise, 2)
        )
        self.settings = settings

    def fit_scale(self, features: Tensor) -> None:
        """Take mean and covariance of the features from a batch, so that the first layer sees them uncorrelated."""
        values, size = levelled(features)
        self.mean.copy_(values.mean(dim=0))
        self.size.copy_(size.median())
        variances, vectors = torch.linalg.eigh(torch.cov(values.T))
        self.whiten.copy_(vectors / variances.clamp_min(1e-4 * float(variances.max())).sqrt())

    def forward(self, features: Tensor) -> Output:
        """(n, width) features → ``Output``."""
        return self.network(features)

    @property
    def network(self) -> Network:
        """The formulae, of these very tensors: gradients pass through."""
        return Network(_parts(self), self.settings)


class ForwardModel(nn.Module):
    """A ``Forward`` that learns.

    Parameters
    ----------
    k
        (m,) wavenumbers [Å⁻¹].
    kernel
        (m, b) χ(k) of one atom per Å in each bin, times the bin's width; the smoothing of the RDF undone.
    components
        Number of components of the rest.
    hidden
        Width of the rest's network.
    errors
        Number of components of its error.
    """

    k: Tensor
    mean: Tensor
    scale: Tensor
    rest_mean: Tensor
    rest_basis: Tensor
    errors: Tensor

    def __init__(
        self, k: Tensor, kernel: Tensor, components: int = 48, hidden: int = 128, errors: int = _ERRORS
    ) -> None:
        super().__init__()
        bins = kernel.shape[1]
        self.register_buffer("k", k)
        self.register_buffer("kernel", kernel)
        self.register_buffer("mean", torch.zeros(bins))
        self.register_buffer("scale", torch.ones(bins))
        self.register_buffer("rest_mean", torch.zeros(len(k)))
        self.register_buffer("rest_basis", torch.zeros(components, len(k)))
        self.register_buffer("errors", torch.zeros(errors, len(k)))
        self.layers = nn.Sequential(
            nn.Linear(bins, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, components)
        )

    def forward(self, density: Tensor) -> Tensor:
        """(n, m) χ(k) of the RDFs ``density`` (n, b) [Å⁻¹], S₀² = 1."""
        chi: Tensor = Forward(_parts(self))(density)
        return chi

    def fit_basis(self, density: Tensor, chi: Tensor) -> None:
        """Take scales and the principal components of the rest, weighted with k², from RDFs and their χ(k)."""
        rest = chi - Forward(_parts(self)).single(density)
        self.mean.copy_(density.mean(dim=0))
        self.scale.copy_(density.std(dim=0).mean().expand_as(self.scale) + 0.3 * density.std(dim=0))
        self.rest_mean.copy_(rest.mean(dim=0))
        weight = self.k**2
        _, values, directions = torch.linalg.svd((rest - self.rest_mean) * weight, full_matrices=False)
        count = self.rest_basis.shape[0]
        size = values[:count, None] / len(rest) ** 0.5
        self.rest_basis.copy_(directions[:count] * size / weight)

    def fit_errors(self, density: Tensor, chi: Tensor) -> None:
        """Take the covariance of the error from RDFs (n, b) and their χ(k) (n, m) that no training saw."""
        with torch.no_grad():
            left = (chi - self(density)) * self.k**2
        _, sizes, directions = torch.linalg.svd(left, full_matrices=False)
        count = len(self.errors)
        self.errors.copy_(directions[:count] * sizes[:count, None] / len(left) ** 0.5)


def _parts(module: nn.Module) -> dict[str, Tensor]:
    """All tensors of a module, by name, through which gradients pass."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}
