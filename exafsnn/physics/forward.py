"""PartialRDF → χ(k), differentiable: what an RDF implies, to be held against the measurement.

χ(k) = S₀² [ Σ_b K(k, r_b) n(r_b) + rest(k) ]. K is FEFF's exact single scattering. The rest, multiple scattering and
the atoms beyond the last bin, follows from the RDF through a small network trained on the site library.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ERRORS = 40


class ForwardModel(nn.Module):
    """Single scattering exactly, the rest learned; S₀² = 1.

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
    kernel: Tensor
    mean: Tensor
    scale: Tensor
    rest_mean: Tensor
    rest_basis: Tensor
    errors: Tensor
    """(e, m) factor of the covariance of the error of k²χ, on spectra that it was not trained on."""

    def __init__(
        self, k: Tensor, kernel: Tensor, components: int = 48, hidden: int = 128, errors: int = ERRORS
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

    def single(self, density: Tensor) -> Tensor:
        """(n, m) χ(k) of single scattering from n(r) (n, b) [Å⁻¹]."""
        return density @ self.kernel.T

    def rest(self, density: Tensor) -> Tensor:
        """(n, m) χ(k) of all but single scattering from the bins."""
        rest: Tensor = self.rest_mean + self.layers((density - self.mean) / self.scale) @ self.rest_basis
        return rest

    def rest_slopes(self, density: Tensor) -> Tensor:
        """(n, c, b) derivatives of the components of ``rest`` with respect to n(r) (n, b)."""
        value, gates = (density - self.mean) / self.scale, []
        for layer in self.layers:
            if not isinstance(layer, nn.Linear):  # SiLU: x s(x) has the slope s + x s (1 − s)
                gate = torch.sigmoid(value)
                gates.append(gate * (1 + value * (1 - gate)))
            value = layer(value)
        first, second, third = (layer.weight for layer in self.layers if isinstance(layer, nn.Linear))
        slopes = ((third * gates[1][:, None]) @ second * gates[0][:, None]) @ (first / self.scale)  # from few rows on
        return slopes.detach()

    def forward(self, density: Tensor) -> Tensor:
        """(n, m) χ(k) of the RDFs ``density`` (n, b) [Å⁻¹], S₀² = 1."""
        return self.single(density) + self.rest(density)

    def fit_basis(self, density: Tensor, rest: Tensor) -> None:
        """Take scales and the principal components of the rest, weighted with k², from examples."""
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
