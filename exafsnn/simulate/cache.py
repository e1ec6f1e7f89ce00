"""What took long and serves again is kept in the user's cache: found by what it was made from, whole or not at all.

``trajectories`` keeps molecular dynamics there, ``force_constants`` the forces of crystals.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from exafsnn.errors import LibraryError
from exafsnn.files import explained
from exafsnn.records import Array
from exafsnn.simulate.parts import read_part, write_part

T = TypeVar("T")


def kept(
    kind: str,
    told: Mapping[str, Any],
    make: Callable[[], tuple[Mapping[str, Any], Mapping[str, Array]]],
    restored: Callable[[Mapping[str, Any], Mapping[str, Array]], T],
) -> T:
    """What ``make`` gives, from the cache or made now; from now on it is in the cache.

    Parameters
    ----------
    kind
        Folder in the cache.
    told
        All that the content depends on, a version among it.
    make
        Gives label and arrays, if they are not there or damaged.
    restored
        Label and arrays → what the caller wants; a ``KeyError`` says that they are none of ours.

    Raises
    ------
    ExafsnnError
        If the cache cannot be written.
    """
    name = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    path = _folder() / kind / name[:2] / f"{name}.npz"
    if path.exists():
        with suppress(LibraryError, KeyError):  # damaged, or none of ours: it is made again, and replaced
            return restored(*read_part(path))
    label, arrays = make()
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_part(path, label, arrays)
    return restored(*read_part(path))


def _folder() -> Path:
    """``EXAFSNN_CACHE``, else the user's cache."""
    return Path(os.environ.get("EXAFSNN_CACHE") or platformdirs.user_cache_dir("exafsnn"))
