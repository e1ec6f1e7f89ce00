"""Pieces of work side by side: in order, and torch is as free as before."""

from __future__ import annotations

import pytest
import torch

from exafsnn.infer.cores import on_all_cores


@pytest.fixture
def cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def test_each_piece_is_done_on_one_core_and_in_order(cores):
    done = on_all_cores(lambda piece: (piece, torch.get_num_threads()), list(range(20)))
    assert done == [(piece, 1) for piece in range(20)]
    assert torch.get_num_threads() == cores


def test_an_error_comes_through(cores):
    with pytest.raises(ZeroDivisionError):
        on_all_cores(lambda piece: 1 / piece, [1, 0])
    assert torch.get_num_threads() == cores
