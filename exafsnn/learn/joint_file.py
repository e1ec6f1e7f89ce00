"""Joint models on disk: a JSON that names the models of two edges, and says what ties their answers.

The models themselves stay as they are, each of use alone. ``validate.joint`` writes the JSON, ``infer.joint`` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exafsnn.errors import ModelError
from exafsnn.files import write_whole
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, Scale
from exafsnn.learn.model_file import (
    AGAIN,
    ModelParts,
    as_json,
    find_model,
    info_checksum,
    intervals_from,
    read_json,
    read_model,
)
from exafsnn.settings import is_like

_FORMAT = "exafsnn-joint-1"
_KEYS = frozenset(("format", "sha256", "parts", "composition", "intervals"))
_MOST = 1000.0
"""No atom is so many times as frequent as another."""


@dataclass(frozen=True)
class JointParts:
    """All that a joint model's file holds."""

    name: str
    parts: tuple[ModelParts, ModelParts]
    """The models of the two edges."""
    composition: tuple[float, float] | None
    """How many atoms there are of each absorber, relatively; None: it varies from sample to sample."""
    intervals: Mapping[str, tuple[Mapping[str, Scale], Mapping[str, Scale]]]
    """By kind of answer the scales of each edge's error bars, by quantity; empty if the model is not calibrated."""
    checksum: str
    """SHA-256 of all that the file says, the checksums of its parts among it."""


def save_joint(path: Path, parts: tuple[str, str], composition: tuple[float, float] | None) -> None:
    """Write a joint model without error bars, beside the models of its edges.

    Raises
    ------
    ModelError
        If one of these cannot be read, or they do not belong together.
    ExafsnnError
        If the file cannot be written.
    """
    sums = [{"name": name, "sha256": read_model(str(_beside(path, name))).checksum} for name in parts]
    _write(path, {"parts": sums, "composition": composition and list(composition), "intervals": {}})
    read_joint(str(path))


def set_joint_intervals(name: str, intervals: Mapping[str, tuple[Mapping[str, Scale], Mapping[str, Scale]]]) -> Path:
    """Write the scales of the error bars into a joint model; all else stays."""
    path = find_model(name)
    info = _read_info(path)
    info["intervals"] = {
        kind: [{quantity: scale.to_mapping() for quantity, scale in scales.items()} for scales in of]
        for kind, of in intervals.items()
    }
    _write(path, info)
    return path


def _write(path: Path, info: Mapping[str, Any]) -> None:
    said = {"format": _FORMAT, **{key: info[key] for key in ("parts", "composition", "intervals")}}
    write_whole(path, as_json({**said, "sha256": info_checksum(said)}))


def is_joint(name: str) -> bool:
    """Whether a model, by name or path, is a joint one.

    Raises
    ------
    ModelError
        If there is none.
    """
    return find_model(name).suffix == ".json"


def read_joint(name: str) -> JointParts:
    """Read a joint model by name or path.

    Raises
    ------
    ModelError
        If it is missing, damaged, of another version of the format, or its parts are others than it names.
    """
    path = find_model(name)
    try:
        return _assemble(path, _read_info(path))
    except ModelError as error:
        raise ModelError(error.reason, where=error.where or str(path), remedy=error.remedy or AGAIN) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ModelError(f"the joint model cannot be read: {said}", where=str(path), remedy=AGAIN) from error


def _read_info(path: Path) -> dict[str, Any]:
    """What the file says, as it was written."""
    if path.suffix != ".json":
        remedy = f'Load it with load_model("{path.stem}"), or load_any'
        raise ModelError("a model of one edge, not a joint one", where=str(path), remedy=remedy)
    info = read_json(path, _FORMAT, _KEYS)
    if info["sha256"] != info_checksum(info):
        raise ModelError(f"{path.name} does not say what its checksum says")
    return info


def _assemble(path: Path, info: Mapping[str, Any]) -> JointParts:
    named = info["parts"]
    if not isinstance(named, list) or len(named) != 2 or any(set(item) != {"name", "sha256"} for item in named):
        raise ModelError("a joint model has two parts, each with its name and checksum")
    first, second = (_part(path, item) for item in named)
    _check_together(first, second)
    composition = info["composition"]
    if composition is not None:
        composition = tuple(composition)
        if not is_like(composition, (0.0, 0.0)) or not all(1 / _MOST < share < _MOST for share in composition):
            raise ModelError(f"composition = {str(composition)[:40]} is none")
    intervals = info["intervals"]
    blind = {kind for kind in KINDS_OF_ANSWERS if "blind" in kind}
    if intervals and set(intervals) not in (set(KINDS_OF_ANSWERS), blind):
        raise ModelError("the intervals are not of the answers that a model gives")
    if any(not isinstance(of, list) or len(of) != 2 for of in intervals.values()):
        raise ModelError("the intervals are not of two edges")
    of_each = [
        intervals_from({kind: of[edge] for kind, of in intervals.items()}, part.info["ranges"], len(part.atlas.others))
        for edge, part in enumerate((first, second))
    ]
    scales = {kind: (of_each[0][kind], of_each[1][kind]) for kind in intervals}
    return JointParts(path.stem, (first, second), composition, scales, str(info["sha256"]))


def _beside(path: Path, name: str) -> Path:
    """Where a part of a joint model is."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,60}", name):
        raise ModelError(f"{name[:40]!r} is no name of a part")
    return path.with_name(f"{name}.safetensors")


def _part(path: Path, item: Mapping[str, str]) -> ModelParts:
    """One of the parts, if it is what the joint model names."""
    part = read_model(str(_beside(path, str(item["name"]))))
    if part.checksum != item["sha256"]:
        raise ModelError(
            f"{part.name} is another model than the one that {path.stem} was made of",
            remedy=f"Copy {path.name} and both its parts together again, or make them again with exafsnn make",
        )
    return part


def _check_together(first: ModelParts, second: ModelParts) -> None:
    """Refuse parts that tell nothing of each other, or that are not of the same states."""
    one, other = (str(part.info["absorber"]) for part in (first, second))
    names = f"{first.name} and {second.name}"
    fault = ""
    if one == other:
        fault = f"{names} are both of {one}"
    elif f"{one}-{other}" not in first.partials.pairs or f"{other}-{one}" not in second.partials.pairs:
        fault = f"{names} do not tell {one}-{other} and {other}-{one}"
    elif first.pairs.bins().tolist() != second.pairs.bins().tolist() or first.pairs.smoothing != second.pairs.smoothing:
        fault = f"{names} have other bins"
    elif limits_of(first, f"{one}-{other}") != limits_of(second, f"{other}-{one}"):
        fault = f"{names} count {one}-{other} and {other}-{one} between other distances"
    elif any(first.info["atlas"][key] != second.info["atlas"][key] for key in ("phases", "perfect", "lattice")):
        fault = f"{names} did not learn from the same states"
    if fault:
        raise ModelError(fault, remedy="Make both anew with exafsnn make, of one plan")


def limits_of(part: ModelParts, pair: str) -> set[tuple[float, float]]:
    """Where the ranges of a pair begin and end [Å]."""
    ranges = part.info["ranges"].items()
    return {(limits[0], limits[1]) for name, limits in ranges if part.partials.range(name, limits).pair == pair}
