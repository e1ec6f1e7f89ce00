"""Small tensors on many cores: pieces of the work side by side, each on one core.

Left to itself, torch shares out each product of small matrices between the cores, which costs several times what it
saves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_Piece = TypeVar("_Piece")
_Done = TypeVar("_Done")


def on_all_cores(work: Callable[[_Piece], _Done], pieces: Sequence[_Piece]) -> list[_Done]:
    """What becomes of each piece, in their order; as many at a time as torch may use cores."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if min(cores, len(pieces)) <= 1:
            return [work(piece) for piece in pieces]
        with ThreadPoolExecutor(cores, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(cores)
