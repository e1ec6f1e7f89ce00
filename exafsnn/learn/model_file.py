"""Models on disk: tensors in safetensors, everything else in JSON beside it. Loading runs no code.

``learn.training`` writes, ``infer.predict`` reads.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from exafsnn.errors import ModelError
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.network import Member, NetworkSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.physics.forward import ForwardModel

FORMAT = "exafsnn-model-1"
SHIPPED = Path(__file__).parent.parent / "models"
"""Folder of the models that come with the package."""


@dataclass(frozen=True)
class ModelParts:
    """All that a model file holds."""

    name: str
    info: Mapping[str, Any]
    """The JSON beside the tensors."""
    members: tuple[Member, ...]
    forward: ForwardModel
    errors: Mapping[str, Tensor]
    """Correlations of the errors on held-out states (``learn.calibration``)."""
    pairs: PairSettings
    features: FeatureSettings
    checksum: str
    """SHA-256 of the tensor file."""


def shipped_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.safetensors"))


def find_model(name: str) -> Path:
    """Path of the tensor file of a model, by the name of a shipped one or by its own path.

    Raises
    ------
    ModelError
        If there is none.
    """
    own = Path(name)
    for path in (SHIPPED / f"{name}.safetensors", own, own.with_suffix(".safetensors")):
        if path.is_file() and path.suffix == ".safetensors":
            return path
    raise ModelError(
        "no such model", where=name, remedy=f"Shipped models: {', '.join(shipped_models()) or 'none'}; or give a path"
    )


def save_model(path: Path, info: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write ``path`` (.safetensors) in half precision, and its JSON beside it; each appears whole or not at all."""
    half = {name: value.half().contiguous() for name, value in tensors.items()}
    content = save_tensors(half)
    info = {"format": FORMAT, **info, "sha256": hashlib.sha256(content).hexdigest()}
    _write(path, content)
    _write(path.with_suffix(".json"), (json.dumps(info, indent=1, sort_keys=True) + "\n").encode())


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_model(name: str) -> ModelParts:
    """Read a model by name or path.

    Raises
    ------
    ModelError
        If it is missing, damaged, or of another version of the format.
    """
    path = find_model(name)
    try:
        info = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        content = path.read_bytes()
        if info.get("format") != FORMAT:
            raise ModelError(f"model format {info.get('format')!r} is not {FORMAT}", where=str(path))
        checksum = hashlib.sha256(content).hexdigest()
        if checksum != info["sha256"]:
            raise ModelError("the tensors are not those that the JSON beside them describes", where=str(path))
        tensors = {key: value.float() for key, value in load_tensors(content).items()}
        return _assemble(path.stem, info, tensors, checksum)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, SafetensorError) as error:
        reason = f"the model cannot be read: {error}"
        raise ModelError(reason, where=str(path), remedy="Make or fetch it again") from error


def _assemble(name: str, info: dict[str, Any], tensors: dict[str, Tensor], checksum: str) -> ModelParts:
    features = FeatureSettings.from_mapping(info["features"])
    pairs = PairSettings.from_mapping(info["pairs"])
    network = NetworkSettings.from_mapping(info["network"])
    members = []
    for number in range(int(info["members"])):
        own = _with_prefix(tensors, f"member{number}.")
        member = Member(own["mean"].shape[0] + 1, len(pairs.bins()), network)
        member.load_state_dict(own)
        members.append(member.eval())
    own = _with_prefix(tensors, "forward.")
    forward = ForwardModel(own["k"], own["kernel"], own["rest_basis"].shape[0], own["layers.0.weight"].shape[0])
    forward.load_state_dict(own)
    forward.k = torch.from_numpy(features.k_grid()).float()
    errors = _with_prefix(tensors, "errors.")
    return ModelParts(name, info, tuple(members), forward.eval(), errors, pairs, features, checksum)


def _with_prefix(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
