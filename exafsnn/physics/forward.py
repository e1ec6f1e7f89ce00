"""PartialRDF → χ(k), differentiable: what an RDF implies, to be held against the measurement.

χ(k) = S₀² [ Σ_b K(k, r_b) n(r_b) + rest(k) ]. K is FEFF's exact single scattering. The rest, multiple scattering and
the atoms beyond the last bin, follows from the RDF through a small network trained on the site library
(``learn.modules``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exafsnn.physics.arrays import Numbers, sigmoid, silu

LAYERS = ("layers.0", "layers.2", "layers.4")
"""Of the rest's network, in the model's file: a SiLU lies between two."""


@dataclass(frozen=True)
class Forward:
    """Single scattering exactly, the rest learned; S₀² = 1."""

    parts: Mapping[str, Numbers]
    """Arrays of one kind, named as in the model's file: ``k`` (m,) [Å⁻¹]; ``kernel`` (m, b) χ(k) of one atom per Å in
    each bin, times the bin's width, the smoothing of the RDF undone; ``mean`` and ``scale`` (b,) of RDFs; ``rest_mean``
    (m,) and ``rest_basis`` (c, m) of the rest; ``errors`` (e, m) factor of the covariance of the error of k²χ, on
    spectra that it was not trained on; weights and biases of ``LAYERS``."""

    @property
    def k(self) -> Numbers:
        """(m,) wavenumbers [Å⁻¹]."""
        return self.parts["k"]

    def __getitem__(self, name: str) -> Numbers:
        return self.parts[name]

    def single(self, density: Numbers) -> Numbers:
        """(n, m) χ(k) of single scattering from n(r) (n, b) [Å⁻¹]."""
        return density @ self["kernel"].T

    def rest(self, density: Numbers) -> Numbers:
        """(n, m) χ(k) of all but single scattering from the bins."""
        first, second, third = LAYERS
        hidden = silu(self._layer(first, (density - self["mean"]) / self["scale"]))
        hidden = silu(self._layer(second, hidden))
        return self["rest_mean"] + self._layer(third, hidden) @ self["rest_basis"]

    def _layer(self, name: str, values: Numbers) -> Numbers:
        return values @ self[f"{name}.weight"].T + self[f"{name}.bias"]

    def rest_slopes(self, density: Numbers) -> Numbers:
        """(n, c, b) derivatives of the components of ``rest`` with respect to n(r) (n, b)."""
        first, second, third = (self[f"{name}.weight"] for name in LAYERS)
        before = self._layer(LAYERS[0], (density - self["mean"]) / self["scale"])
        after = self._layer(LAYERS[1], silu(before))
        slopes = (third * _silu_slope(after)[:, None]) @ second  # from few rows on
        return (slopes * _silu_slope(before)[:, None]) @ (first / self["scale"])

    def __call__(self, density: Numbers) -> Numbers:
        """(n, m) χ(k) of the RDFs ``density`` (n, b) [Å⁻¹], S₀² = 1."""
        return self.single(density) + self.rest(density)


def _silu_slope(x: Numbers) -> Numbers:
    """s + x s (1 − s), of x s(x)."""
    gate = sigmoid(x)
    return gate * (1 + x * (1 - gate))
