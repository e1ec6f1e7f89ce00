"""A network that says each row of numbers by very few: an encoder, a bottleneck, a decoder (``analyse.featuremap``).

Encoder and decoder are a linear map and a small network beside it, so that a linear answer costs nothing to learn
(G. E. Hinton and R. R. Salakhutdinov, Science 313, 504 (2006), for the idea; the linear paths are those of residual
networks). The formulae serve arrays of numpy and torch alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exafsnn.physics.arrays import Numbers, silu
from exafsnn.settings import Settings

Single = NDArray[np.float32]
Weights = Any
"""Arrays of an autoencoder by name (``shapes``): a mapping, or torch's dictionary of parameters."""
_FLAT = 0.05
"""A direction in which places spread less, over the largest spread, is not held more exactly."""
_DAMPING, _SMALL = 0.1, 0.1
"""Of the first linear encoder, so that it does not amplify noise; how much of the networks there is at first."""


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """How large an autoencoder is, and how it learns."""

    hidden: int = 128
    """Units of each of the two hidden layers of encoder and decoder."""
    steps: int = 1500
    batch: int = 64
    learning_rate: float = 3e-3
    pull: float = 0.3
    """Weight of the squared distance of a point from the place where the embedding has it."""
    seed: int = 0


def shapes(width: int, dimensions: int, hidden: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of an autoencoder of rows of ``width`` numbers."""
    found: dict[str, tuple[int, ...]] = {}
    for side, into, out in (("encoder", width, dimensions), ("decoder", dimensions, width)):
        found[f"{side}_linear"] = (into, out)
        for number, (before, after) in enumerate(((into, hidden), (hidden, hidden), (hidden, out))):
            found[f"{side}_{number}_weight"] = (before, after)
            found[f"{side}_{number}_bias"] = (after,)
    return found


def encode(weights: Weights, rows: Numbers) -> Numbers:
    """(n, k) rows → (n, d) points."""
    return _side(weights, "encoder", rows)


def decode(weights: Weights, points: Numbers) -> Numbers:
    """(n, d) points → (n, k) rows."""
    return _side(weights, "decoder", points)


def _side(weights: Weights, side: str, x: Numbers) -> Numbers:
    hidden = silu(x @ weights[f"{side}_0_weight"] + weights[f"{side}_0_bias"])
    hidden = silu(hidden @ weights[f"{side}_1_weight"] + weights[f"{side}_1_bias"])
    return x @ weights[f"{side}_linear"] + hidden @ weights[f"{side}_2_weight"] + weights[f"{side}_2_bias"]


def first_weights(
    rows: NDArray[np.float64], places: NDArray[np.float64], hidden: int, rng: np.random.Generator
) -> dict[str, Single]:
    """Weights before training: the best linear maps from (m, k) rows to their (m, d) places, and back."""
    width, dimensions = rows.shape[1], places.shape[1]
    damped = np.vstack([rows, _DAMPING * len(rows) ** 0.5 * np.eye(width)])
    there = np.linalg.lstsq(damped, np.vstack([places, np.zeros((width, dimensions))]), rcond=None)[0]
    linear = {"encoder_linear": there, "decoder_linear": np.linalg.lstsq(places, rows, rcond=None)[0]}
    found = {name: value.astype(np.float32) for name, value in linear.items()}
    for name, shape in shapes(width, dimensions, hidden).items():
        if name.endswith("_bias"):
            found[name] = np.zeros(shape, np.float32)
        elif name not in found:
            size = (_SMALL if "_2_" in name else 1.0) / shape[0] ** 0.5
            found[name] = rng.uniform(-size, size, shape).astype(np.float32)
    return found


def learn(
    rows: NDArray[np.float64],
    noise: float,
    start: NDArray[np.float64],
    placed: NDArray[np.intp],
    settings: AutoencoderSettings,
) -> dict[str, Single]:
    """Train an autoencoder: rows come out of the bottleneck as they went in, but for noise that was added to them.

    The loss is ⟨‖D(E(y + ε)) − y‖²⟩ + pull Σⱼ ⟨(E(y + ε) − z)ⱼ²⟩ s₁/sⱼ, the second over the rows that have a place z,
    whose spread in direction j is sⱼ, the largest s₁. With no more than the first term (denoising: P. Vincent et al.,
    ICML 2008) the map may fold and stretch as it likes; with the same weight for all directions a short one folds, and
    with 1/sⱼ² the noise of places on a curve outweighs the curve.

    Parameters
    ----------
    rows
        (n, k) y, components by size, the squares of a row about as many as ``start`` has columns.
    noise
        Standard deviation of the noise in every component.
    start
        (m, d) places z of some rows.
    placed
        (m,) which rows these are.
    settings
        Of network and training; the same settings and rows give the same weights.

    Returns
    -------
    dict
        Weights by name (``shapes``), in single precision.
    """
    import torch
    from torch import nn

    from exafsnn.learn.loop import descend

    n, width = rows.shape
    dimensions = start.shape[1]
    rng = np.random.default_rng(settings.seed)
    first = first_weights(rows[placed], start, settings.hidden, rng)
    module = nn.ParameterDict({name: nn.Parameter(torch.from_numpy(value)) for name, value in first.items()})
    known = torch.from_numpy(rows.astype(np.float32))
    places = torch.zeros(n, dimensions)
    has_place = torch.zeros(n)
    places[placed] = torch.from_numpy(start.astype(np.float32))
    has_place[placed] = n / len(placed)  # so that the pull is as strong, however few they are
    spread = start.std(axis=0)
    scale = torch.from_numpy(np.sqrt(spread.max() / spread.clip(_FLAT * spread.max() or 1.0)).astype(np.float32))

    def batches() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        size = min(settings.batch, n)
        for _ in range(settings.steps):
            picked = rng.choice(n, size, replace=False) if size < n else np.arange(n)
            disturbed = noise * rng.standard_normal((size, width))
            yield torch.from_numpy(picked), torch.from_numpy(disturbed.astype(np.float32))

    def loss(batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        picked, disturbed = batch
        wanted = known[picked]
        points = encode(module, wanted + disturbed)
        missed = ((decode(module, points) - wanted) ** 2).sum(dim=1).mean()
        away = (has_place[picked] * ((scale * (points - places[picked])) ** 2).sum(dim=1)).mean()
        total: torch.Tensor = (missed + settings.pull * away) / dimensions
        return total

    descend(module, batches(), loss, settings.steps, settings.learning_rate, clip=1.0)
    return {name: value.detach().numpy().copy() for name, value in module.items()}
