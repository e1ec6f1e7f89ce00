"""What a network is taught by: how far its answers to a batch of spectra are from what they should be."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from exafsnn.learn.network import Output


@dataclass(frozen=True)
class Targets:
    """What a batch of spectra should be answered with."""

    density: Tensor
    """(n, c) n(r) [Å⁻¹] of all pairs, one after the other."""
    e0: Tensor
    """(n,) energy zero minus the assumed one [eV]."""
    log_amplitude: Tensor
    """(n,) ln(amplitude / assumed amplitude)."""


def member_loss(output: Output, wanted: Targets, bins: int, r_step: float, cumulative: float = 1.0) -> Tensor:
    """Errors of n(r), of the count behind it and of the scalars, and the likelihood of the spread.

    Parameters
    ----------
    bins, r_step
        Of the RDF of one pair, and their width [Å].
    cumulative
        Weight of the running coordination number.
    """
    error = output.density - wanted.density
    counted = wanted.density * wanted.log_amplitude.exp()[:, None]
    shape = _rdf_loss(output.density, wanted.density, bins, r_step, cumulative)
    shape = shape + 0.5 * _rdf_loss(output.apparent, counted, bins, r_step, cumulative)
    scalars = ((output.e0 - wanted.e0) / 2.0).square().mean()
    scalars = scalars + ((output.log_amplitude - wanted.log_amplitude) / 0.05).square().mean()
    log_spread = output.log_spread.clamp(-6.0, 5.0)
    likelihood = (log_spread + error.detach().abs() * torch.exp(-log_spread)).mean()  # Laplace
    return shape + 0.1 * scalars + 0.1 * likelihood


def _rdf_loss(found: Tensor, true: Tensor, bins: int, r_step: float, cumulative: float) -> Tensor:
    """Absolute and squared error of n(r), and squared error of its running integral, the coordination number."""
    error = found - true
    scale = true.sum(dim=1, keepdim=True).mean()
    running = (error.unflatten(1, (-1, bins)).cumsum(dim=2) * r_step).square().mean()
    return 5.0 * (error.abs().sum(dim=1).mean() / scale + 0.02 * (error**2).mean()) + cumulative * running
