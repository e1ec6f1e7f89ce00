"""Pieces of work side by side: in order, and the libraries are as free as before."""

from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from exafsnn.infer.cores import one_core, side_by_side


@pytest.fixture
def cores():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield 2
    torch.set_num_threads(before)


def test_each_piece_is_done_on_one_core_and_in_order(cores):
    with one_core() as found:
        done = side_by_side(lambda piece: (piece, torch.get_num_threads()), list(range(20)), found)
        assert all(item["num_threads"] == 1 for item in threadpool_info() if item["user_api"] == "blas")
    assert found == cores
    assert done == [(piece, 1) for piece in range(20)]
    assert torch.get_num_threads() == cores


def test_an_error_comes_through(cores):
    with pytest.raises(ZeroDivisionError), one_core() as found:
        side_by_side(lambda piece: 1 / piece, [1, 0], found)
    assert torch.get_num_threads() == cores
