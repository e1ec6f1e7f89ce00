"""A metal's name → a trusted model of it: simulate, try, train, set the error bars, and say how good it is.

``exafsnn make`` is this. Everything lies in a folder beside the model until that is done, so that a run that was ended
goes on where it was.
"""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from exafsnn.compounds import Compound
from exafsnn.constants import K2_PER_EV
from exafsnn.edges import next_edge, tabulated
from exafsnn.errors import ModelError, SettingsError
from exafsnn.files import copy_whole, explained, only_writer, remove_folder, write_whole
from exafsnn.infer.joint import load_joint
from exafsnn.learn.joint_file import save_joint
from exafsnn.learn.model_file import copy_model, models_folder, read_model
from exafsnn.learn.training import TrainingSettings, settings_for, train, training_from_mapping
from exafsnn.metals import METALS, Metal, metal_of
from exafsnn.simulate.bimetals import bimetal_of
from exafsnn.simulate.library import build
from exafsnn.simulate.plan import FULL, QUICK, LibrarySettings, plan_for, plan_of_alloy, plan_of_compound, plan_text
from exafsnn.simulate.solids import cell_of, compound_of
from exafsnn.validate.calibration import set_error_bars, tried
from exafsnn.validate.card import card
from exafsnn.validate.joint import joint_card, joint_tried, set_joint_error_bars
from exafsnn.workers import Cluster, cores

Progress = Callable[[int, int, str], None]

_SEED = 20261128
_TRIED = 0.4
"""States that set the error bars, in units of those that are learned from."""
_QUICK_TRAINING = {"members": 3, "steps": 2600}
_PER_TABLE, _PER_STATE, _PER_STEP, _REST = 25.0, 3.5, 0.035, 90.0
"""Processor seconds of a scattering table, a state and a training step of a network, and of all else …"""
_PER_SAMPLE = 1.2
"""… and of a simulated sample that is answered by both edges, and by each alone."""
_MEGABYTES_OF_STATE = 0.15
_LIBRARIES = ("library", "trial")
"""What a model learns from, and what it is tried on."""
_EDGE = r"([A-Za-z]{1,2})-([KkLl][1-3]?)"
"""What names the model of an edge."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a model."""

    name: str
    material: Metal | Compound
    library: LibrarySettings
    trial: LibrarySettings
    training: TrainingSettings

    @property
    def is_by_edge(self) -> bool:
        """Whether its model is that of an edge, which scans find by themselves."""
        return self.name == f"{self.material.symbol}-{self.material.edge}".lower()

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return self.training.optimiser.members

    @property
    def states(self) -> int:
        """How many states are simulated."""
        return sum(plan.states for plan in (self.library, self.trial))

    @property
    def seconds(self) -> float:
        """How long it takes, on the cores that are here."""
        optimiser = self.training.optimiser
        work = len(self.library.treatments) * _PER_TABLE + self.states * _PER_STATE
        return (work + optimiser.members * optimiser.steps * _PER_STEP + _REST) / cores()

    @property
    def megabytes(self) -> float:
        """How much disk it needs meanwhile."""
        return 100.0 * len(self.library.treatments) + self.states * _MEGABYTES_OF_STATE


@dataclass(frozen=True)
class JointRecipe:
    """All that decides a joint model of two edges."""

    name: str
    parts: tuple[Recipe, Recipe]
    """Of the models of the edges, which see the same states."""
    composition: tuple[float, float] | None
    """How many atoms there are of each absorber, relatively; None: it varies from state to state."""

    is_by_edge = False

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return sum(part.networks for part in self.parts)

    @property
    def states(self) -> int:
        """How many states are simulated, seen from each absorber."""
        return sum(part.states for part in self.parts)

    @property
    def seconds(self) -> float:
        """How long it takes, on the cores that are here."""
        answers = self.parts[0].training.calibration.sessions * self.parts[0].training.calibration.scans
        return sum(part.seconds for part in self.parts) + answers * _PER_SAMPLE / cores()

    @property
    def megabytes(self) -> float:
        """How much disk it needs meanwhile."""
        return sum(part.megabytes for part in self.parts)


def recipe_for(name: str, *, full: bool = False) -> Recipe:
    """What ``exafsnn make NAME`` makes: ``pt-l3``, or ``pt`` at its usual edge.

    Raises
    ------
    SettingsError
        If the name is none, or nothing is known of that metal.
    """
    match = re.fullmatch(rf"([A-Za-z]{{1,2}})|{_EDGE}", name)
    if not match:
        raise SettingsError(f"{name!r} names no metal and edge", where="make", remedy="Give one like pt-l3 or cu-k")
    symbol, edge = match[1] or match[2], match[3]
    return _recipe(metal_of(symbol.capitalize(), edge.upper() if edge else None), full=full)


def _recipe(metal: Metal, *, full: bool) -> Recipe:
    """The recipe of a metal."""
    training, size = _training(metal, full=full)
    library, trial = plan_for(metal, _SEED, size), plan_for(metal, _SEED + 1, _TRIED * size)
    return Recipe(metal.model, metal, library, trial, training)


def _recipe_of_compound(table: dict[str, Any], folder: Path, *, full: bool) -> Recipe:
    """The recipe of what ``[compound]`` says; a file is looked for in ``folder``."""
    if unknown := sorted(set(table) ^ {"structure", "absorber", "edge"}):
        raise SettingsError(f"{unknown[0]} is unknown or missing", where="[compound]", remedy=_COMPOUND)
    phase, cell = cell_of(str(table["structure"]), folder)
    name = f"{phase}-{table['absorber']}".lower()
    compound = compound_of(name, cell, str(table["absorber"]), str(table["edge"]))
    training, size = _training(compound, full=full)
    library, trial = (
        plan_of_compound(compound, cell, phase, seed, part)
        for seed, part in ((_SEED, size), (_SEED + 1, _TRIED * size))
    )
    return Recipe(name, compound, library, trial, training)


def _recipe_of_edges(table: dict[str, Any], folder: Path, *, full: bool) -> JointRecipe:
    """The recipe of what ``[compound]`` says with ``edges``."""
    if unknown := sorted(set(table) ^ {"structure", "edges"}):
        raise SettingsError(f"{unknown[0]} is unknown or missing", where="[compound]", remedy=_COMPOUND)
    pairs = _edges_in(table["edges"], "[compound]", _COMPOUND)
    one, other = (
        _recipe_of_compound({"structure": table["structure"], "absorber": absorber, "edge": edge}, folder, full=full)
        for absorber, edge in pairs
    )
    phase, cell = cell_of(str(table["structure"]), folder)
    counts = [cell.get_chemical_symbols().count(absorber) for absorber, _ in pairs]
    many = math.gcd(*counts)
    return JointRecipe(phase.lower(), (one, other), (counts[0] / many, counts[1] / many))


def _edges_in(edges: Any, where: str, remedy: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Absorber and edge, twice, of ``["Zn K", "Se K"]``."""
    pairs = [str(edge).split() for edge in edges] if isinstance(edges, list) else []
    if [len(pair) for pair in pairs] != [2, 2] or pairs[0][0] == pairs[1][0]:
        raise SettingsError(f"edges = {str(edges)[:60]} are not those of two elements", where=where, remedy=remedy)
    (one, first), (other, second) = pairs
    return (one, first), (other, second)


def _recipe_of_alloy(table: dict[str, Any], *, full: bool) -> JointRecipe:
    """The recipe of what ``[alloy]`` says: tried on compositions and sizes that it does not learn from."""
    if unknown := sorted(set(table) ^ {"elements", "edges"}):
        raise SettingsError(f"{unknown[0]} is unknown or missing", where="[alloy]", remedy=_ALLOY)
    pairs = _edges_in(table["edges"], "[alloy]", _ALLOY)
    elements = tuple(str(element) for element in table["elements"]) if isinstance(table["elements"], list) else ()
    if len(elements) != 2 or {absorber for absorber, _ in pairs} != set(elements):
        reason = f"elements = {str(table['elements'])[:60]} are not the two whose edges are given"
        raise SettingsError(reason, where="[alloy]", remedy=_ALLOY)
    one, other = (_recipe_of_absorber((elements[0], elements[1]), *pair, full=full) for pair in pairs)
    return JointRecipe("".join(elements).lower(), (one, other), None)


def _recipe_of_absorber(elements: tuple[str, str], absorber: str, edge: str, *, full: bool) -> Recipe:
    """The recipe of one edge of an alloy."""
    compound = bimetal_of(elements, absorber, edge)
    training, size = _training(compound, full=full)
    library = plan_of_alloy(elements, absorber, edge, _SEED, size)
    trial = plan_of_alloy(elements, absorber, edge, _SEED + 1, _TRIED * size, held_out=True)
    return Recipe(compound.name, compound, library, trial, training)


def _training(metal: Metal | Compound, *, full: bool) -> tuple[TrainingSettings, float]:
    """The training of a model, if its edge has room for χ(k), and the size of its library."""
    training = settings_for(metal)
    if above := next_edge(metal.symbol, metal.edge):
        room, k = above.energy - tabulated(metal.symbol, metal.edge), training.pairs.kmax[0]
        if room < (needed := k**2 / K2_PER_EV):
            reason = f"{above.name} lies {room:.0f} eV above {metal.edge}, χ(k) to {k:g} Å⁻¹ takes {needed:.0f} eV"
            raise SettingsError(reason, where=metal.model, remedy="Make a model of another edge")
    size = FULL if full else QUICK
    if not full:
        training = replace(training, optimiser=replace(training.optimiser, **_QUICK_TRAINING))
    return training, size


_TEMPLATE = """# A plan for exafsnn make: lengths in Å, temperatures in K, sigma2 of the first neighbours at 300 K in Å²
name = "{name}"
full = false

[metal]
{metal}

# What is known of its training, to overrule it: [training.optimiser], [training.pairs], …
"""


def template(name: str) -> str:
    """The text of a plan for ``recipe_of_file``, of a metal that is known.

    Raises
    ------
    SettingsError
        As ``recipe_for``.
    """
    metal = recipe_for(name).material
    given = {key: value for key, value in metal.to_mapping().items() if value is not None}
    lines = (f"{key} = {json.dumps(item)}" for key, item in given.items())
    return _TEMPLATE.format(name=metal.model, metal="\n".join(lines))


def recipe_of_file(path: str | Path, *, full: bool = False) -> Recipe | JointRecipe:
    """What a plan in a TOML file makes: a metal that nobody knows yet, or another way to train one.

    Raises
    ------
    SettingsError
        If it is no such plan.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the plan cannot be read: {error}", where=str(path)) from error
    if unknown := sorted(set(table) - {"name", "full", "metal", "compound", "alloy", "training"}):
        raise SettingsError(f"unknown key {unknown[0]}", where=str(path), remedy="exafsnn make --template NAME has all")
    if not isinstance(table.get("full", False), bool):
        raise SettingsError(f"full = {table['full']!r} is neither true nor false", where=str(path))
    recipe = _recipe_in(table, Path(path), full=full or table.get("full", False))
    usual = recipe.name
    name = table.get("name", usual)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        reason = f"name = {str(name)[:60]!r} is no name of a model"
        raise SettingsError(reason, where=str(path), remedy="Use small letters, digits, - and _")
    if name != usual and re.fullmatch(_EDGE, name, re.IGNORECASE):
        reason = f"name = {name!r} is that of another edge, whose scans would get this model of {usual}"
        raise SettingsError(reason, where=str(path), remedy=f"Name it {usual}, or otherwise")
    changes = table.get("training", {})
    if isinstance(recipe, JointRecipe):
        one, other = (_changed(part, f"{name}-{part.material.symbol}".lower(), changes) for part in recipe.parts)
        return replace(recipe, name=name, parts=(one, other))
    return _changed(recipe, name, changes)


def _changed(recipe: Recipe, name: str, training: Any) -> Recipe:
    """The same under a name, trained otherwise."""
    return replace(recipe, name=name, training=training_from_mapping(training, recipe.material, recipe.training))


_ALLOY = 'Give elements = ["Pt", "Ni"] and edges = ["Pt L3", "Ni K"]'
_COMPOUND = (
    'Give structure = "zincblende:5.6687 ZnSe" or a file, absorber = "Zn" and edge = "K", or edges = ["Zn K", "Se K"]'
)


def _recipe_in(table: dict[str, Any], path: Path, *, full: bool) -> Recipe | JointRecipe:
    """The recipe of ``[metal]``, ``[compound]`` or ``[alloy]``, one of which there has to be."""
    kinds = [kind for kind in ("metal", "compound", "alloy") if isinstance(table.get(kind), dict)]
    if len(kinds) != 1:
        reason = f"[{'] and ['.join(kinds)}] are two models" if kinds else "[metal] is missing"
        raise SettingsError(reason, where=str(path), remedy="exafsnn make --template NAME shows it")
    try:
        if kinds == ["alloy"]:
            return _recipe_of_alloy(table["alloy"], full=full)
        if "edges" in table.get("compound", {}):
            return _recipe_of_edges(table["compound"], path.parent, full=full)
        if kinds == ["compound"]:
            return _recipe_of_compound(table["compound"], path.parent, full=full)
        return _recipe(Metal.from_mapping(table["metal"]), full=full)
    except TypeError as error:
        raise SettingsError(f"[{kinds[0]}] holds what is no number: {error}", where=str(path)) from error
    except SettingsError as error:
        raise SettingsError(error.reason, where=f"{path}, [{kinds[0]}]", remedy=error.remedy) from error


def make(
    recipe: Recipe | JointRecipe,
    progress: Progress,
    workers: int | None = None,
    *,
    keep: bool = False,
    cluster: Cluster | None = None,
) -> Path:
    """Make the model of a recipe in the user's folder, or go on with it.

    Parameters
    ----------
    workers
        Processes of this machine; by default one per core.
    keep
        Whether to keep the site libraries, in ``NAME.libraries/`` beside it.
    cluster
        Where the states are simulated, if not here.

    Raises
    ------
    SettingsError
        If a joint model would have the name of a model of one edge.
    ExafsnnError
        If FEFF or LAMMPS fails, the disk refuses, another run makes it, or the cluster is not there.
    """
    folder, workers = models_folder(), workers or cores()
    aside = folder / f"{recipe.name}.making"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    joint = isinstance(recipe, JointRecipe)
    if joint and (tensors := folder / f"{recipe.name}.safetensors").exists():
        reason = f"{recipe.name} is a model of one edge, which a joint model of that name would spoil"
        raise SettingsError(reason, where=str(tensors), remedy="Give the plan another name, or remove that model")
    with only_writer(folder / f"{recipe.name}{'.json' if joint else '.safetensors'}"), explained(folder):
        if isinstance(recipe, JointRecipe):
            return _made_jointly(recipe, folder, aside, progress, workers, keep, cluster)
        return _made(recipe, folder, aside, progress, workers, keep, cluster)


def _made_jointly(
    recipe: JointRecipe, folder: Path, aside: Path, progress: Progress, workers: int, keep: bool,
    cluster: Cluster | None,
) -> Path:  # fmt: skip
    """``make`` of two edges, by the only run that makes it: the models of both, then what ties them."""
    _begin(aside, json.dumps(asdict(recipe), sort_keys=True).encode())
    one, other = (aside / f"{part.name}.safetensors" for part in recipe.parts)
    for part, model in zip(recipe.parts, (one, other), strict=True):
        if not (_is_whole(model) and model.with_suffix(".md").exists()):
            _made(part, aside, aside / f"{part.name}.making", progress, workers, True, cluster)
    joint = aside / f"{recipe.name}.json"
    save_joint(joint, (one.stem, other.stem), recipe.composition)
    learned, tried_on = (
        tuple([aside / f"{part.name}.libraries" / f"{stem}.h5"] for part in recipe.parts) for stem in _LIBRARIES
    )
    settings = recipe.parts[0].training.calibration
    found = joint_tried(str(joint), learned, tried_on, settings, workers, progress)
    set_joint_error_bars(str(joint), found)
    write_whole(joint.with_suffix(".md"), joint_card(load_joint(str(joint)), found).encode())
    for model in (one, other):
        with only_writer(folder / model.name):
            copy_model(model, folder / model.name)
            copy_whole(model.with_suffix(".md"), folder / model.with_suffix(".md").name)
        if keep:
            _keep([aside / f"{model.stem}.libraries" / f"{stem}.h5" for stem in _LIBRARIES], folder, model.stem)
    own = folder / joint.name
    copy_whole(joint, own)
    copy_whole(joint.with_suffix(".md"), own.with_suffix(".md"))
    remove_folder(aside)
    return own


def _made(
    recipe: Recipe, folder: Path, aside: Path, progress: Progress, workers: int, keep: bool, cluster: Cluster | None
) -> Path:
    """``make``, by the only run that makes it."""
    _begin(aside, json.dumps(asdict(recipe), sort_keys=True).encode())
    paths = []
    for stem, plan in zip(_LIBRARIES, (recipe.library, recipe.trial), strict=True):
        path, config = aside / f"{stem}.h5", aside / f"{stem}.toml"
        if not path.exists():
            write_whole(config, plan_text(plan).encode())
            build(config, path, cluster or workers, progress, aside / "tables")
        paths.append(path)
    model = aside / f"{recipe.name}.safetensors"
    if not _is_whole(model):
        train(paths[:1], model, recipe.training, progress, workers)
    answers = tried(str(model), paths[:1], paths[1:], recipe.training.calibration, workers)
    set_error_bars(str(model), answers)
    write_whole(model.with_suffix(".md"), card(recipe.name, read_model(str(model)).info, answers).encode())
    if keep:
        _keep(paths, folder, recipe.name)
    own = folder / model.name
    copy_model(model, own)
    copy_whole(model.with_suffix(".md"), own.with_suffix(".md"))
    remove_folder(aside)
    return own


def _keep(libraries: Sequence[Path], folder: Path, name: str) -> None:
    """Have the site libraries of a model beside it."""
    kept = folder / f"{name}.libraries"
    kept.mkdir(exist_ok=True)
    for path in libraries:
        copy_whole(path, kept / path.name)


def _begin(aside: Path, recipe: bytes) -> None:
    """Have a folder that holds nothing, or what was begun by the same recipe."""
    note = aside / "recipe.json"
    if aside.exists() and not (note.exists() and note.read_bytes() == recipe):
        remove_folder(aside)
    aside.mkdir(exist_ok=True)
    write_whole(note, recipe)


def _is_whole(model: Path) -> bool:
    """Whether a model is trained, so that a run that was ended while it was tried goes on."""
    try:
        read_model(str(model))
    except ModelError:
        return False
    return True


def makeable() -> list[str]:
    """Names that ``recipe_for`` knows."""
    return sorted(metal.model for metal in METALS.values())
