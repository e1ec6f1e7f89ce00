"""A map on disk: the arrays of a ``SpectrumMap`` as safetensors, and what they are as JSON in the same file's header.

Loading runs no code. What is read was written by others: size, keys, types and shapes are checked before it is used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.analyse.map_rows import KINDS, UNITS, RowAxis
from exafsnn.errors import ModelError, SettingsError
from exafsnn.learn.autoencoder import shapes

__all__ = ["map_bytes", "read_map"]

_FORMAT = "exafsnn-map-1"
_MOST_BYTES, _MOST_COLUMNS, _MOST_SIDE = 1 << 28, 200_000, 4096
"""No map is larger, has longer rows, or more units, components or dimensions."""
_MOST_OF_CHI = 2000
"""No χ(k) has more points: their ranges of R are taken out by a matrix of so many rows and columns."""
_LEAST_NOISE = 1e-12
_NUMBERS = ("size_", "noise_")
_PARAMETERS = ("n_components", "n_neighbors", "hidden", "steps", "batch", "learning_rate", "pull", "random_state")
_AGAIN = "Copy the file again, or make the map again"


def map_bytes(found: SpectrumMap, axis: RowAxis, error_limit: float) -> bytes:
    """A file that holds a map.

    Parameters
    ----------
    found
        The map.
    axis
        What its rows are.
    error_limit
        Limit above which a row is an outlier.
    """
    arrays = {"mean_": found.mean_, "basis_": found.basis_, "turn_": found.turn_}
    arrays |= {f"weights_.{name}": value for name, value in found.weights_.items()}
    info = {
        "format": _FORMAT,
        "axis": axis.to_mapping(),
        "parameters": {name: getattr(found, name) for name in _PARAMETERS},
        "size_": found.size_,
        "noise_": found.noise_,
        "error_limit": error_limit,
    }
    return save({name: np.ascontiguousarray(value) for name, value in arrays.items()}, {"info": json.dumps(info)})


def read_map(path: Path) -> tuple[SpectrumMap, RowAxis, float]:
    """Read a map; its rows' axis and the limit of their errors with it.

    Raises
    ------
    ModelError
        If it is missing, damaged, or no map.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ModelError(f"no map has {path.stat().st_size} bytes", where=str(path), remedy=_AGAIN)
        content = path.read_bytes()
        length = int.from_bytes(content[:8], "little")
        if length > len(content) - 8:
            raise ModelError("it is no map: its header would be longer than the file", where=str(path), remedy=_AGAIN)
        header = json.loads(content[8 : 8 + length])
        info = json.loads(header["__metadata__"]["info"])
        if info["format"] != _FORMAT:
            raise ModelError(f"its format is {str(info['format'])[:40]!r}, not {_FORMAT}", where=str(path))
        return _assembled(info, load(content))
    except ModelError:
        raise
    except OSError as error:
        reason = f"the map cannot be read: {error.strerror or error}"
        raise ModelError(reason, where=str(path), remedy="Check the path") from error
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        SafetensorError,
        SettingsError,
    ) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else str(error)[:200]
        raise ModelError(f"it is no map of exafsnn, or damaged: {said}", where=str(path), remedy=_AGAIN) from error


def _assembled(info: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> tuple[SpectrumMap, RowAxis, float]:
    """The map that a file tells of.

    Raises
    ------
    ValueError, KeyError, TypeError, SettingsError
        If anything of it cannot be.
    """
    axis = RowAxis.checked(info["axis"])
    if axis.kind not in KINDS or axis.name not in UNITS or axis.kweight not in range(4) or not axis.low < axis.high:
        raise ValueError("its axis is none")
    if not 2 <= axis.count <= _MOST_COLUMNS:
        raise ValueError(f"rows of {axis.count} numbers")
    if axis.kind == "chi" and axis.count > _MOST_OF_CHI:
        raise ValueError(f"χ(k) at {axis.count} places")
    found = SpectrumMap(**{name: info["parameters"][name] for name in _PARAMETERS})
    dimensions, hidden = found.n_components, found.hidden
    components = arrays["basis_"].shape[0]
    for side in (dimensions, hidden, components):
        if type(side) is not int or not 1 <= side <= _MOST_SIDE:
            raise ValueError(f"{side!r} is no number of units")
    wanted: dict[str, tuple[int, ...]] = {
        "mean_": (axis.count,), "basis_": (components, axis.count), "turn_": (dimensions + 1, dimensions),
    }  # fmt: skip
    wanted |= {f"weights_.{name}": shape for name, shape in shapes(components, dimensions, hidden).items()}
    if {name: value.shape for name, value in arrays.items()} != wanted:
        raise ValueError("arrays are missing, or of another shape")
    if not all(value.dtype.kind == "f" and np.isfinite(value).all() for value in arrays.values()):
        raise ValueError("a number in it is not finite")
    for name in (*_NUMBERS, "error_limit"):
        if type(info[name]) is not float or not (math.isfinite(info[name]) and info[name] >= 0):
            raise ValueError(f"{name} is no number")
    if np.linalg.cond(arrays["turn_"][:-1]) > 1e12 or not info["size_"]:
        raise ValueError("its points lie on a line")
    for name in ("mean_", "basis_", "turn_"):
        setattr(found, name, arrays[name].astype(np.float64))
    found.weights_ = {name.removeprefix("weights_."): arrays[name] for name in arrays if name.startswith("weights_.")}
    found.size_, found.noise_ = info["size_"], info["noise_"]
    found.n_features_in_ = axis.count
    with np.errstate(all="ignore"):
        if 0 < found.noise_ < _LEAST_NOISE or not np.isfinite(found.errors(found.mean_[None])).all():
            raise ValueError("what it says of its own mean is no number")
    return found, axis, info["error_limit"]
