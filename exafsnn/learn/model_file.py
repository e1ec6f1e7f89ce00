"""Models on disk: tensors in safetensors, everything else in JSON beside it. Loading runs no code.

``learn.training`` writes, ``infer.predict`` reads. Each file names the checksum of the other. What is read was written
by others: sizes, types and limits are checked before anything is made of them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_arrays

from exafsnn.errors import ModelError, SettingsError
from exafsnn.files import explained, only_writer, replacing, sync
from exafsnn.learn.atlas import Atlas
from exafsnn.learn.domain import GIVEN, GIVEN_BESIDE, Domain
from exafsnn.learn.features import KINDS, FeatureSettings
from exafsnn.learn.intervals import (
    KINDS_OF_ANSWERS,
    QUANTITIES,
    Scale,
    is_first,
    is_of_shells,
    scale_of,
    scales_from_mapping,
)
from exafsnn.learn.network import Network, NetworkSettings, shapes
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.metals import METALS
from exafsnn.partials import Partials
from exafsnn.physics.forward import LAYERS, Forward
from exafsnn.settings import is_like

if TYPE_CHECKING:
    from torch import Tensor

Single = NDArray[np.float32]

_FORMAT = "exafsnn-model-5"
SHIPPED = Path(__file__).parent.parent / "models"
"""Folder of the models that come with the package."""
_SUFFIXES = (".safetensors", ".json")
"""Of the files that models, and joint ones, are found by."""

_TENSOR_BYTES, _HEADER_BYTES, _JSON_BYTES = 1 << 28, 1 << 20, 1 << 24
"""No model is larger."""
_MOST = 1000
"""No model has more networks, or layers."""
_MOST_CELLS = 4_000_000
"""No atlas of RDFs is larger, nor any matrix that makes features."""
_DENSEST = 1e5
"""No RDF is larger anywhere [Å⁻¹]."""
_FINEST, _LARGEST = 1e-3, 100.0
"""No grid of R [Å] or k [Å⁻¹] is finer, or goes further …"""
_MOST_POINTS = 2000
"""… or has more points: k up to 20 Å⁻¹ in steps of 0.01, five times as fine as is usual."""
_MOST_NEIGHBOURS = 8
"""No model tells more pairs."""
_KEYS = frozenset(
    (
        *("format", "sha256", "absorber", "edge", "neighbours", "ranges", "members", "pairs", "features", "network"),
        *(
            "optimiser",
            "held_out_states",
            "library",
            "versions",
            "background",
            "misfit_limit",
            "atlas",
            "intervals",
            "domain",
        ),
    )
)
_ADAPTED = frozenset({"adapted"})
"""What the JSON of an adapted model says besides (``infer.adapt``)."""
AGAIN = "Copy or fetch both files again, or run exafsnn train again"


@dataclass(frozen=True)
class ModelParts:
    """All that a model file holds."""

    name: str
    info: Mapping[str, Any]
    """The JSON beside the tensors."""
    members: tuple[Network, ...]
    forward: Forward
    atlas: Atlas
    """The RDFs that it learned from."""
    errors: Mapping[str, Single]
    """Correlations of the errors on held-out states (``learn.calibration``)."""
    intervals: Mapping[str, Mapping[str, Scale]]
    """By kind of answer, ``"predicted blind"`` …, and quantity; empty if the model is not calibrated."""
    partials: Partials
    """Which RDFs it tells."""
    domain: Domain | None
    """What spectra it can know; None if it is not calibrated."""
    pairs: PairSettings
    features: FeatureSettings
    checksum: str
    """SHA-256 of the tensor file."""


def shipped_models() -> list[str]:
    """Names of the models that come with the package, joint ones among them."""
    return sorted(_models_in(SHIPPED))


def models_folder() -> Path:
    """Where the user's own models are: ``EXAFSNN_MODELS``, else in the user's data folder."""
    return Path(os.environ.get("EXAFSNN_MODELS") or Path(platformdirs.user_data_dir("exafsnn")) / "models")


def known_models() -> list[str]:
    """Names of the models that are found by name: the shipped ones, the user's own, and the joint ones of both."""
    return sorted(_models_in(SHIPPED) | _models_in(models_folder()))


def _models_in(folder: Path) -> set[str]:
    with suppress(OSError):  # one that we may not read holds none
        return {path.stem for suffix in _SUFFIXES for path in folder.glob(f"*{suffix}") if _is_model(path)}
    return set()


def _is_model(path: Path) -> bool:
    """Whether a file is that of a model: tensors, or a JSON without any beside it, which is a joint model's."""
    alone = path.suffix == ".json" and not path.with_suffix(".safetensors").is_file()
    return (path.suffix == ".safetensors" or alone) and path.is_file()


def find_model(name: str) -> Path:
    """Path of the tensor file of a model: one of the user's own or a shipped one by name, or by its path.

    Of a joint model, which has no tensors of its own, it is that of its JSON.

    Raises
    ------
    ModelError
        If there is none.
    """
    by_name = (folder / f"{name}{suffix}" for folder in (models_folder(), SHIPPED) for suffix in _SUFFIXES)
    own = Path(name)
    for path in (*by_name, own, *(own.with_suffix(suffix) for suffix in _SUFFIXES if own.name)):
        with suppress(OSError, ValueError):  # a name that no file can have, or a folder that we may not read
            if _is_model(path):
                return path
    makeable = name in {metal.model for metal in METALS.values()}
    last = f"make it with exafsnn make {name}, or give a path" if makeable else "or give a path"
    remedy = f"Known models: {', '.join(known_models()) or 'none'}; {last}"
    raise ModelError("no such model", where=name, remedy=remedy)


def path_of_new(output: str | Path, name: str) -> Path:
    """Where a model that is made of another is written: ``OUTPUT.safetensors``, whatever other dots the name has.

    Raises
    ------
    SettingsError
        If it would take the place of the model ``name`` that it is made of, or of something that is no model.
    """
    given = Path(output)
    path = given if given.suffix == ".safetensors" else given.with_name(f"{given.name}.safetensors")
    if path.exists() and path.samefile(find_model(name)):
        reason = "the new model would take the place of the one that it is made of"
        raise SettingsError(reason, where=str(path), remedy="Give another name with -o")
    there = [one for one in (path, path.with_suffix(".json")) if one.exists()]
    if there:
        try:
            read_model(str(path))
        except ModelError as error:
            reason = "there is a file already that is no model, and the new model would take its place"
            raise SettingsError(reason, where=str(there[0]), remedy="Give another name with -o") from error
    return path


def save_model(path: Path, info: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write ``path`` (.safetensors) in half precision, and its JSON beside it; each appears whole or not at all.

    Raises
    ------
    ModelError
        If a tensor is not finite.
    ExafsnnError
        If the files cannot be written.
    """
    from safetensors.torch import save  # only what has learned is saved

    half = {name: value.half().contiguous() for name, value in tensors.items()}
    for name, value in half.items():
        if not value.isfinite().all():
            raise ModelError(f"training ended in {name} that is not finite", where=str(path), remedy="Train it longer")
    info = {"format": _FORMAT, **info}
    content = save(half, {"info": info_checksum(info)})
    _write_both(path, content, as_json({**info, "sha256": _sha256(content)}))


def save_like(name: str, path: Path, tensors: dict[str, Tensor], info: dict[str, Any]) -> None:
    """Write a model like another, but for some tensors and some of what its JSON says.

    Its networks give way to those among the tensors, all of them, if there are any.

    Raises
    ------
    ModelError
        As ``read_model`` and ``save_model``.
    ExafsnnError
        If another run writes it, or the disk refuses.
    """
    from safetensors.torch import load

    anew = any(key.startswith("member") for key in tensors)
    own = load(find_model(name).read_bytes())
    kept = {key: value for key, value in own.items() if not (anew and key.startswith("member"))}
    of = {key: value for key, value in read_model(name).info.items() if key not in ("format", "sha256")}
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(path):
        save_model(path, {**of, **info}, kept | tensors)


def copy_model(source: Path, target: Path) -> None:
    """Copy both files of a model; each appears whole or not at all."""
    _write_both(target, source.read_bytes(), source.with_suffix(".json").read_bytes())


def _write_both(path: Path, tensors: bytes, info: bytes) -> None:
    with replacing(path.with_suffix(".json")) as beside, replacing(path) as temporary:
        beside.write_bytes(info)
        temporary.write_bytes(tensors)
        sync(beside)  # so that nothing slow lies between the two renames


def set_calibration(name: str, intervals: Mapping[str, Mapping[str, Scale]], domain: Domain) -> Path:
    """Write the scales of the error bars and the domain into a model; all else stays.

    Raises
    ------
    ModelError
        If they are too wide for any model: it was trained too little.
    """
    from safetensors.torch import load

    parts, path = read_model(name), find_model(name)
    table = {kind: {quantity: scale.to_mapping() for quantity, scale in of.items()} for kind, of in intervals.items()}
    try:  # what would not be read is not written
        intervals_from(table, parts.info["ranges"], len(parts.atlas.others))
        domain_from(domain.to_mapping())
    except (ModelError, ValueError) as error:
        reason = f"what it says of spectra that it has not seen is too far off for error bars: {error}"
        remedy = "Train it longer ([training.optimiser] steps), or on more states"
        raise ModelError(reason, where=str(path), remedy=remedy) from error
    info = {key: value for key, value in parts.info.items() if key not in ("format", "sha256")}
    save_model(path, {**info, "intervals": table, "domain": domain.to_mapping()}, load(path.read_bytes()))
    return path


def as_json(info: Mapping[str, Any]) -> bytes:
    """JSON of what a model says of itself, in which lists of numbers or words are lines."""
    text = json.dumps(info, indent=1, sort_keys=True, allow_nan=False) + "\n"
    return re.sub(r"\[\n[^\[\]{}]*\]", lambda found: re.sub(r"\s*\n\s*", " ", found[0]), text).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def info_checksum(info: Mapping[str, Any]) -> str:
    """SHA-256 of all that the JSON says, but for the checksum that is in it."""
    own = {key: value for key, value in info.items() if key != "sha256"}
    return _sha256(json.dumps(own, sort_keys=True).encode())


_info_checksum = info_checksum
"""Its name before joint models had one, by which others may know it."""


def read_model(name: str) -> ModelParts:
    """Read a model by name or path.

    Raises
    ------
    ModelError
        If it is missing, damaged, or of another version of the format.
    """
    path = find_model(name)
    if path.suffix == ".json":
        raise ModelError(
            "there are no tensors beside its JSON, and what is a joint model has none of its own", where=str(path),
            remedy="Name the model of one edge; or, if its tensors are lost, copy both files again",
        )  # fmt: skip
    try:
        info = read_json(path.with_suffix(".json"), _FORMAT, _KEYS, _ADAPTED)
        content = _read_limited(path, _TENSOR_BYTES)
        _check_header(content)
        if _sha256(content) != info["sha256"]:
            raise ModelError(
                "the tensors are not those that the JSON beside them describes", where=str(path), remedy=AGAIN
            )
        tensors = {key: value.astype(np.float32) for key, value in load_arrays(content).items()}
        if _named_info(content) != info_checksum(info):
            raise ModelError("the JSON is not the one that the tensors name", where=str(path), remedy=AGAIN)
        return _assemble(path.stem, info, tensors, info["sha256"])
    except ModelError as error:
        raise ModelError(error.reason, where=str(path), remedy=error.remedy or AGAIN) from error
    except (
        *(OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, ArithmeticError, MemoryError),
        *(SafetensorError, SettingsError),
    ) as error:
        said = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ModelError(f"the model cannot be read: {said}", where=str(path), remedy=AGAIN) from error


def _read_limited(path: Path, limit: int) -> bytes:
    """The bytes of a file, unless there are too many."""
    size = path.stat().st_size
    if size > limit:
        raise ModelError(f"{path.name} has {size} bytes, and a model at most {limit}")
    return path.read_bytes()


def read_json(path: Path, wanted: str, keys: frozenset[str], more: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The JSON of a model, with the keys of its format, some of those that there may be besides, and no others.

    Raises
    ------
    ModelError, OSError, ValueError
        If it is none.
    """

    def refuse(constant: str) -> NoReturn:
        raise ModelError(f"{path.name} holds {constant}, which is no number")

    info = json.loads(_read_limited(path, _JSON_BYTES).decode("utf-8"), parse_constant=refuse)
    if not isinstance(info, dict):
        raise ModelError(f"{path.name} holds no JSON object")
    if info.get("format") != wanted:
        again = (
            f"It is of an earlier version: make or train it again, or remove it, so that a shipped one serves ({path})"
        )
        raise ModelError(f"model format {str(info.get('format'))[:40]!r} is not {wanted}", remedy=again)
    if not keys <= set(info) <= keys | more:
        unknown, missing = sorted(set(info) - keys - more), sorted(keys - set(info))
        fault = f"has the unknown key {unknown[0][:40]!r}" if unknown else f"lacks the key {missing[0]!r}"
        raise ModelError(f"{path.name} {fault}")
    return info


def _check_header(content: bytes) -> None:
    """Refuse a header that is longer than any model's, or than its file."""
    length = int.from_bytes(content[:8], "little")
    if length > min(_HEADER_BYTES, len(content) - 8):
        raise ModelError(f"the model cannot be read: its header would have {length} bytes")


def _named_info(content: bytes) -> str:
    """The checksum of the JSON that tensors name; their header has been read before, and is sound."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    return str(header.get("__metadata__", {}).get("info"))


def _assemble(name: str, info: dict[str, Any], tensors: dict[str, Single], checksum: str) -> ModelParts:
    features = FeatureSettings.checked(info["features"])
    pairs = PairSettings.checked(info["pairs"])
    network = NetworkSettings.checked(info["network"])
    _check_info(info, pairs)
    _check_tensors(tensors, info["members"])
    _check_grids(features, pairs, len(info["neighbours"]), tensors)
    partials = Partials(pairs.bins(), tuple(f"{info['absorber']}-{neighbour}" for neighbour in info["neighbours"]))
    if not 1 <= network.layers <= _MOST:
        raise ModelError(f"no network has {network.layers} layers")
    members = []
    for number in range(info["members"]):
        own = _with_prefix(tensors, f"member{number}.")
        _check_shapes(own, shapes(features.width, partials.count, network))
        members.append(Network(own, network))
    own = _with_prefix(tensors, "forward.")
    _check_shapes(own, _forward_shapes(own))
    forward = Forward(own | {"k": features.k_grid().astype(np.float32)})
    atlas = _atlas(_with_prefix(tensors, "atlas."), info["atlas"], partials)
    errors = _with_prefix(tensors, "errors.")
    intervals = intervals_from(info["intervals"], info["ranges"], len(atlas.others))
    domain = domain_from(info["domain"])
    told = (intervals, partials, domain)
    return ModelParts(name, info, tuple(members), forward, atlas, errors, *told, pairs, features, checksum)


def _forward_shapes(own: Mapping[str, Single]) -> dict[str, tuple[int, ...]]:
    """Shapes of a forward model's arrays, as its grid, its cells and the sizes of its rest and its errors have them."""
    points, cells = own["kernel"].shape
    components, ranks, hidden = len(own["rest_basis"]), len(own["errors"]), len(own["layers.0.weight"])
    found: dict[str, tuple[int, ...]] = {
        "k": (points,), "kernel": (points, cells), "mean": (cells,), "scale": (cells,), "rest_mean": (points,),
        "rest_basis": (components, points), "errors": (ranks, points),
    }  # fmt: skip
    sizes = (cells, hidden, hidden, components)
    for number, layer in enumerate(LAYERS):
        found |= {f"{layer}.weight": (sizes[number + 1], sizes[number]), f"{layer}.bias": (sizes[number + 1],)}
    return found


def domain_from(info: Any) -> Domain | None:
    """What is usual, or nothing of a model that is not calibrated."""
    if not info:
        return None
    beside = {"beside"} & set(info)
    return Domain(*_usual(info, GIVEN, beside), Domain(*_usual(info["beside"], GIVEN_BESIDE)) if beside else None)


def _usual(info: Any, count: int, others: Set[str] = frozenset()) -> tuple[tuple[float, ...], float]:
    """Weights of so many circumstances, and the limit."""
    if set(info) != {"weights", "limit"} | others:
        raise ModelError("the domain is none")
    weights, limit = tuple(info["weights"]), info["limit"]
    if not is_like((*weights, limit), (0.0,) * (count + 1)) or limit <= 0:
        raise ModelError("the domain is none")
    if not limit < _LARGEST:
        raise ModelError(f"the domain ends at {limit:.3g} times what is usual, so that hardly a spectrum is foreign")
    if any(abs(weight) > _LARGEST for weight in weights):
        raise ModelError("the domain has weights that are none")
    return weights, limit


def intervals_from(info: Any, ranges: Iterable[str], others: int) -> dict[str, dict[str, Scale]]:
    """The scales of the error bars: of all kinds of answers, or of none."""
    if info and set(info) not in (set(KINDS_OF_ANSWERS), {kind for kind in KINDS_OF_ANSWERS if "blind" in kind}):
        raise ModelError("the intervals are not of the answers that a model gives")
    found = {kind: scales_from_mapping(table, others) for kind, table in info.items()}
    wanted = {scale_of(quantity, name) for quantity in QUANTITIES[:3] for name in ranges if is_first(name)}
    if any({key for key in scales if not is_of_shells(key)} != {*wanted, QUANTITIES[3]} for scales in found.values()):
        raise ModelError("the intervals are not of the quantities that a model gives")
    return found


def _atlas(own: dict[str, Single], info: Any, partials: Partials) -> Atlas:
    """The atlas of RDFs, its parts of one size."""
    r = partials.r.astype(np.float32)
    states, components = own["scores"].shape
    if set(info) != {"phases", "lattice", "perfect"} or any(len(info[key]) != states for key in info):
        raise ModelError(f"the atlas does not describe its {states} states")
    cells = partials.count
    _check_shapes(own, {"mean": (cells,), "scores": (states, components), "shapes": (components, cells)})
    if not all(is_like(value, 1.0) and 0 < value < _LARGEST for value in info["lattice"]):
        raise ModelError("a lattice constant of the atlas is none")
    if not all(isinstance(value, bool) for value in info["perfect"]) or not any(info["perfect"]):
        raise ModelError("the atlas does not say which states are perfect")
    if states * cells > _MOST_CELLS:
        raise ModelError(f"no atlas has {states} states of {cells} bins")
    atlas = Atlas.restored(r, own, {**info, "phases": [str(name) for name in info["phases"]]})
    if not bool((atlas.density < _DENSEST).all()):
        raise ModelError(f"the atlas holds densities of more than {_DENSEST:g} Å⁻¹")
    return atlas


def _with_prefix(tensors: dict[str, Single], prefix: str) -> dict[str, Single]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _check_info(info: Mapping[str, Any], pairs: PairSettings) -> None:
    """Check what the JSON says of atoms, ranges and numbers: their names reach tables, and places in ``results.h5``."""
    for key, pattern in (("absorber", "[A-Z][a-z]?"), ("edge", "[KLM][1-5]?")):
        if not re.fullmatch(pattern, str(info[key])):
            raise ModelError(f"{key} = {str(info[key])[:40]!r} is none")
    neighbours = info["neighbours"]
    are_elements = isinstance(neighbours, list) and all(re.fullmatch("[A-Z][a-z]?", str(one)) for one in neighbours)
    if not are_elements or not 1 <= len(set(neighbours)) == len(neighbours) <= _MOST_NEIGHBOURS:
        raise ModelError(f"neighbours = {str(neighbours)[:40]!r} are none")
    if not isinstance(info["members"], int) or not 1 <= info["members"] <= _MOST:
        raise ModelError(f"members = {str(info['members'])[:40]} is no number of networks")
    if not is_like(info["misfit_limit"], 1.0) or info["misfit_limit"] <= 0:
        raise ModelError(f"misfit_limit = {str(info['misfit_limit'])[:40]} is no limit")
    if "first" not in info["ranges"]:
        raise ModelError("the range 'first' is missing")
    for name, limits in info["ranges"].items():
        if not re.fullmatch(r"[A-Za-z][\w -]{0,40}", name) or not is_like(tuple(limits), (0.0, 0.0)):
            raise ModelError(f"range {name[:40]!r} is none")
    for name, limits in info["ranges"].items():
        if not pairs.r_min <= limits[0] < limits[1] <= pairs.r_max:
            raise ModelError(f"range {name[:40]!r} is not within the bins, {pairs.r_min:g}–{pairs.r_max:g} Å")
    if pairs.amplitude <= 0 or pairs.amplitude_std <= 0:
        raise ModelError("the assumed amplitude and its standard deviation are not positive")


def _check_tensors(tensors: Mapping[str, Single], members: int) -> None:
    """Check that all tensors are known, and finite."""
    known = re.compile(r"(member(0|[1-9]\d{0,2})|forward|atlas)\..+|errors\.(blind|reference)")
    for name, value in tensors.items():
        match = known.fullmatch(name)
        if match is None or int(match[2] or 0) >= members:
            raise ModelError(f"unknown tensor {name[:40]!r}")
        if not np.isfinite(value).all():
            raise ModelError(f"tensor {name[:40]} is not finite")


def _check_grids(
    features: FeatureSettings, pairs: PairSettings, neighbours: int, tensors: Mapping[str, Single]
) -> None:
    """Check that grids are of sensible size, and that the tensors are of that size."""
    grids = (
        (features.kmin - features.dk, features.kmax + features.dk / 2, features.kstep),
        (features.rmin, features.rmax, features.rstep),
        (pairs.r_min, pairs.r_max, pairs.r_step),
    )
    for low, high, step in grids:
        is_sane = 0 <= low < high <= _LARGEST and _FINEST <= step <= high - low
        if not (is_sane and high - low <= _MOST_POINTS * step):
            raise ModelError(f"no grid goes from {low:g} to {high:g} in steps of {step:g}")
    if features.kind not in KINDS:
        raise ModelError(f"no features are of kind {features.kind[:40]!r}")
    cells, points = neighbours * len(pairs.bins()), len(features.k_grid())
    if points * features.width > _MOST_CELLS:
        raise ModelError(f"no features are {features.width} of {points} points")
    for name, shape in {"forward.kernel": (points, cells), "forward.k": (points,)}.items():
        if tuple(tensors[name].shape) != shape:
            raise ModelError(f"{name} has shape {tuple(tensors[name].shape)}, not {shape}")
    for name in ("errors.blind", "errors.reference"):
        if tensors[name].ndim != 2 or tensors[name].shape[1] != cells or not 2 <= tensors[name].shape[0] <= cells:
            raise ModelError(f"{name} has shape {tuple(tensors[name].shape)}, which does not fit {cells} bins")


def _check_shapes(own: Mapping[str, Single], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse arrays of other names or shapes than wanted."""
    for name in sorted({*own, *wanted}):
        found = own[name].shape if name in own else None
        if found != wanted.get(name):
            raise ModelError(f"tensor {name[:40]} has shape {found}, not {wanted.get(name)}")
