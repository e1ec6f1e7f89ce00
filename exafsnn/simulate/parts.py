"""Part files: arrays with a label and a checksum, which appear whole or not at all.

``library`` keeps states and tables in them until all are there, ``trajectories`` what it has simulated.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from exafsnn.errors import LibraryError
from exafsnn.files import checksum_of, replacing
from exafsnn.records import Array

DAMAGE = (
    *(OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, EOFError, MemoryError),
    *(BadZipFile, zlib.error, struct.error),
)
"""What reading a damaged file may raise."""


def write_part(path: Path, label: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
    """Write a part file with the checksum of its content."""
    text = json.dumps(label, sort_keys=True)
    content: dict[str, Any] = {"label": np.array(text), "checksum": np.array(checksum_of(text, arrays)), **arrays}
    with replacing(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **content)


def read_part(path: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Label and arrays of a part file; one of an earlier version has no checksum.

    Raises
    ------
    LibraryError
        If the file is damaged.
    """
    try:
        with path.open("rb") as stream, np.load(stream) as stored:
            arrays = {key: stored[key] for key in stored}
        text = str(arrays.pop("label", "{}"))
        label = json.loads(text)
        if "checksum" in arrays and str(arrays.pop("checksum")) != checksum_of(text, arrays):
            raise ValueError("its content is not what its checksum says")
    except DAMAGE as error:
        remedy = "Run simulate again: it computes this part again"
        raise LibraryError(f"the part is damaged: {error}", where=str(path), remedy=remedy) from error
    return label, arrays
