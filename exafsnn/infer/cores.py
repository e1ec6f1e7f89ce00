"""Small matrices on many cores: pieces of the work side by side, each on one core.

Left to themselves, numpy and torch share out each product of small matrices between the cores, which costs many times
what it saves, the more so where others work on the machine, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")


@contextmanager
def one_core() -> Iterator[int]:
    """Keep each product of matrices on one core; what comes with it is how many torch, where it is loaded, had."""
    torch = sys.modules.get("torch")
    cores = torch.get_num_threads() if torch else 1
    with _libraries().limit(limits=1, user_api="blas"):
        if torch:
            torch.set_num_threads(1)
        try:
            yield cores
        finally:
            if torch:
                torch.set_num_threads(cores)


@cache
def _libraries() -> ThreadpoolController:
    """What numpy multiplies with; found once, which takes some milliseconds."""
    return ThreadpoolController()


def side_by_side(work: Callable[[_Piece], _Done], pieces: Sequence[_Piece], cores: int) -> list[_Done]:
    """What becomes of each piece, in their order; so many at a time. To be used within ``one_core``."""
    if min(cores, len(pieces)) <= 1:
        return [work(piece) for piece in pieces]
    import torch

    with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return list(pool.map(work, pieces))
