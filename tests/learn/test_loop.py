"""The loop by which every network learns."""

from __future__ import annotations

import pytest
import torch

from exafsnn.learn.loop import descend


@pytest.mark.parametrize("steps", [1, 2, 3, 9, 10, 11, 20])
def test_any_number_of_steps_learns(steps):
    torch.manual_seed(0)
    module = torch.nn.Linear(1, 1)

    def loss(x):
        return (module(x) - 2 * x).square().mean()

    x = torch.linspace(-1, 1, 9)[:, None]
    before = float(loss(x).detach())
    seen = []
    descend(module, (seen.append(number) or x for number in range(steps)), loss, steps, 0.1)
    assert len(seen) == steps
    assert float(loss(x).detach()) < before


def test_a_line_is_learned():
    torch.manual_seed(0)
    module = torch.nn.Linear(1, 1)
    x = torch.linspace(-1, 1, 9)[:, None]
    descend(
        module, (x for _ in range(400)), lambda x: (module(x) - 2 * x - 1).square().mean(), 400, 0.1, weight_decay=0
    )
    assert module.weight.item() == pytest.approx(2, abs=1e-3)
    assert module.bias.item() == pytest.approx(1, abs=1e-3)
