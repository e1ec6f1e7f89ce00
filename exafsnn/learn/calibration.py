"""Held-out sites → how wrong the network is: correlations of the errors of the RDF, and the limit of the misfit.

``learn.training`` writes the result into the model; ``infer.predict`` draws its samples from it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.dataset import PairMaker, Pairs, features_of
from exafsnn.learn.features import FeatureMap
from exafsnn.learn.modules import ForwardModel, Member
from exafsnn.physics.fourier import shift_energy

_RANK = 12


def _ensemble_mean(members: Sequence[Member], pairs: Pairs, feature_map: FeatureMap) -> tuple[Tensor, Tensor]:
    """(n, b) mean n(r) and mean ln spread of the members."""
    features = features_of(pairs, feature_map)
    with torch.no_grad():
        outputs = [member(features) for member in members]
    return (
        torch.stack([output.density for output in outputs]).mean(dim=0),
        torch.stack([output.log_spread for output in outputs]).mean(dim=0),
    )


def error_modes(members: Sequence[Member], maker: PairMaker, feature_map: FeatureMap, reference: float) -> Tensor:
    """Correlations of the errors of n(r) on held-out spectra, in units of the predicted spread.

    Returns
    -------
    Tensor
        (_RANK + 1, b): principal modes of the errors, then what they leave of each bin's standard deviation.
    """
    pairs = maker.draw(3000, reference=reference, zero_known=1.0)
    mean, log_spread = _ensemble_mean(members, pairs, feature_map)
    error = (pairs.density - mean) / log_spread.exp()
    error = error.clamp(-8, 8)
    _, values, directions = torch.linalg.svd(error, full_matrices=False)
    modes = directions[:_RANK] * values[:_RANK, None] / len(error) ** 0.5
    rest = (error.square().mean(dim=0) - modes.square().sum(dim=0)).clamp_min(0).sqrt()
    return torch.cat([modes, rest[None]])


def misfit_limit(members: Sequence[Member], forward: ForwardModel, maker: PairMaker, feature_map: FeatureMap) -> float:
    """The unexplained share of what the network sees that 99 % of held-out spectra of solids stay below.

    The melt's χ(k) is so weak that ripples of its RDF, small as they are, exceed it.
    """
    pairs = maker.draw(1000, reference=1.0)
    mean, _ = _ensemble_mean(members, pairs, feature_map)
    with torch.no_grad():
        implied = forward(mean)
    k = torch.from_numpy(feature_map.k)
    shifted = shift_energy(pairs.chi / pairs.log_amplitude.exp()[:, None], k, k, -pairs.e0, K2_PER_EV)
    return float(torch.quantile(feature_map.unexplained(shifted, implied, pairs.known), 0.99))
