"""The way in which every network here learns: AdamW, one cycle of the learning rate, batch after batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

Batch = TypeVar("Batch")

WEIGHT_DECAY = 1e-4
_WARMING = 0.1
"""Share of the steps in which the learning rate rises."""


def descend(
    module: nn.Module,
    batches: Iterable[Batch],
    loss: Callable[[Batch], Tensor],
    steps: int,
    learning_rate: float,
    *,
    weight_decay: float = WEIGHT_DECAY,
    clip: float | None = None,
) -> None:
    """Improve a module step by step, one for each batch.

    Parameters
    ----------
    module
        Whose parameters learn.
    batches
        As many as ``steps``.
    loss
        Of a batch; a scalar.
    steps
        On which the cycle of the learning rate is laid out (L. N. Smith and N. Topin, arXiv:1708.07120).
    learning_rate
        The largest.
    weight_decay
        Of AdamW (I. Loshchilov and F. Hutter, arXiv:1711.05101).
    clip
        Largest norm of all gradients together, if there is one.
    """
    adam = torch.optim.AdamW(module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    warming = _WARMING if steps * _WARMING != 1 else 1.5 * _WARMING  # of one step alone torch divides by nothing
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, learning_rate, steps, pct_start=warming)
    for batch in batches:
        value = loss(batch)
        adam.zero_grad(set_to_none=True)
        value.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(module.parameters(), clip)
        adam.step()
        schedule.step()
