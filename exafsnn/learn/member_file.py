"""Trained members on disk, while others of the same training are still to come: safetensors with checksums.

``learn.training`` writes and reads them; a part of another training is never taken for one of this.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from exafsnn.files import checksum_of, write_whole


def training_key(library: str, settings: dict[str, Any]) -> str:
    """SHA-256 of all that decides a training: checksum of its library, settings, and the versions of the programs."""
    versions = [version("exafsnn"), torch.__version__]
    return hashlib.sha256(json.dumps([library, settings, versions], sort_keys=True).encode()).hexdigest()


def write_member(folder: Path, key: str, number: int, tensors: dict[str, Tensor]) -> None:
    """Write the tensors of a member, in full precision."""
    whole = {name: value.contiguous() for name, value in tensors.items()}
    write_whole(_path(folder, key, number), save(whole, {"checksum": _checksum(key, number, tensors)}))


def read_member(folder: Path, key: str, number: int) -> dict[str, Tensor] | None:
    """The tensors of a member of the training ``key``; None if it is not there, or damaged, which is said."""
    path = _path(folder, key, number)
    if not path.exists():
        return None
    try:
        with safe_open(path, "pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
            checksum = (stored.metadata() or {}).get("checksum")
    except (OSError, SafetensorError):
        checksum = None
    if checksum is None or checksum != _checksum(key, number, tensors):
        warnings.warn(f"{path}: the member is damaged. It is trained again", stacklevel=2)
        path.unlink()
        return None
    return tensors


def _path(folder: Path, key: str, number: int) -> Path:
    return folder / f"{key[:16]}-member{number}.safetensors"


def _checksum(key: str, number: int, tensors: dict[str, Tensor]) -> str:
    return checksum_of(f"{key} {number}", {name: value.numpy() for name, value in tensors.items()})
