"""A recipe → a trusted model of it: simulate, try, train, set the error bars, and say how good it is.

``exafsnn make`` is this. Everything lies in a folder beside the model until that is done, so that a run that was ended
goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exafsnn.compounds import Compound
from exafsnn.errors import ModelError, SettingsError
from exafsnn.files import copy_whole, explained, only_writer, remove_folder, write_whole
from exafsnn.infer.joint import load_joint
from exafsnn.learn.joint_file import save_joint
from exafsnn.learn.model_file import copy_model, models_folder, read_model
from exafsnn.learn.training import train
from exafsnn.simulate.library import build, is_library_of
from exafsnn.simulate.plan import (
    LibrarySettings,
    plan_from_mapping,
    plan_text,
)
from exafsnn.validate.calibration import set_error_bars, tried
from exafsnn.validate.card import card
from exafsnn.validate.joint import joint_card, joint_tried, set_joint_error_bars
from exafsnn.validate.recipes import LIBRARIES, JointRecipe, Recipe, Tell
from exafsnn.workers import Cluster, cores


def make(
    recipe: Recipe | JointRecipe,
    progress: Tell,
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
        Whether to keep the site libraries, in ``NAME.libraries/`` beside it: what is made again of the same plan, but
        trained otherwise, takes them from there.
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
    for part in recipe.parts if isinstance(recipe, JointRecipe) else (recipe,):
        _require_own_name(part, folder)
    if joint and (tensors := folder / f"{recipe.name}.safetensors").exists():
        reason = f"{recipe.name} is a model of one edge, which a joint model of that name would spoil"
        raise SettingsError(reason, where=str(tensors), remedy="Give the plan another name, or remove that model")
    with only_writer(folder / f"{recipe.name}{'.json' if joint else '.safetensors'}"), explained(folder):
        if isinstance(recipe, JointRecipe):
            return _made_jointly(recipe, folder, aside, progress, workers, keep, cluster)
        return _made(recipe, folder, aside, folder, progress, workers, keep, cluster)


def _made_jointly(
    recipe: JointRecipe, folder: Path, aside: Path, progress: Tell, workers: int, keep: bool,
    cluster: Cluster | None,
) -> Path:  # fmt: skip
    """``make`` of two edges, by the only run that makes it: the models of both, then what ties them."""
    _begin(aside, json.dumps(asdict(recipe), sort_keys=True).encode())
    one, other = (aside / f"{part.name}.safetensors" for part in recipe.parts)
    for part, model in zip(recipe.parts, (one, other), strict=True):
        if not (_is_whole(model) and model.with_suffix(".md").exists()):
            _made(part, aside, aside / f"{part.name}.making", folder, progress, workers, True, cluster)
    joint = aside / f"{recipe.name}.json"
    save_joint(joint, (one.stem, other.stem), recipe.composition)
    learned, tried_on = (tuple([_kept(aside, part.name) / f"{stem}.h5"] for part in recipe.parts) for stem in LIBRARIES)
    settings = recipe.parts[0].training.calibration
    found = joint_tried(str(joint), learned, tried_on, settings, workers, progress)
    set_joint_error_bars(str(joint), found)
    write_whole(joint.with_suffix(".md"), joint_card(load_joint(str(joint)), found).encode())
    for model in (one, other):
        with only_writer(folder / model.name):
            copy_model(model, folder / model.name)
            copy_whole(model.with_suffix(".md"), folder / model.with_suffix(".md").name)
        if keep:
            _keep([_kept(aside, model.stem) / f"{stem}.h5" for stem in LIBRARIES], folder, model.stem)
    own = folder / joint.name
    copy_whole(joint, own)
    copy_whole(joint.with_suffix(".md"), own.with_suffix(".md"))
    remove_folder(aside)
    return own


def _made(
    recipe: Recipe, folder: Path, aside: Path, kept: Path, progress: Tell, workers: int, keep: bool,
    cluster: Cluster | None,
) -> Path:  # fmt: skip
    """``make``, by the only run that makes it; ``kept`` has the libraries of an earlier one, if any has."""
    _begin(aside, json.dumps(asdict(recipe), sort_keys=True).encode())
    paths = []
    for stem, plan in recipe.plans:
        path, config = aside / f"{stem}.h5", aside / f"{stem}.toml"
        if not path.exists() and is_library_of(found := _kept(kept, recipe.name) / path.name, plan):
            progress(1, 1, f"{path.name} is taken from {found.parent}")
            copy_whole(found, path)
        if not path.exists():
            write_whole(config, plan_text(plan).encode())
            build(config, path, cluster or workers, progress, aside / "tables")
        paths.append(path)
    libraries, trials = paths[: len(paths) // 2], paths[len(paths) // 2 :]
    model = aside / f"{recipe.name}.safetensors"
    if not _is_whole(model):
        train(libraries, model, recipe.training, progress, workers)
    answers = tried(str(model), libraries, trials, recipe.training.calibration, workers, progress)
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
    kept = _kept(folder, name)
    kept.mkdir(exist_ok=True)
    for path in libraries:
        copy_whole(path, kept / path.name)


def _kept(folder: Path, name: str) -> Path:
    """Where they are."""
    return folder / f"{name}.libraries"


def _require_own_name(recipe: Recipe, folder: Path) -> None:
    """Refuse to replace a model of something else, such as another crystal of the same formula."""
    path = folder / f"{recipe.name}.safetensors"
    try:
        there = _subject(plan_from_mapping(read_model(str(path)).info["library"]["plan"])) if path.exists() else None
    except (ModelError, SettingsError, KeyError):  # none that can be used
        return
    if there not in (None, _subject(recipe.library)):
        reason = f"there is a model {recipe.name} already, of another structure or edge"
        remedy = 'Give this one a name in its plan: name = "…"; or remove that one'
        raise SettingsError(reason, where=str(path), remedy=remedy)


def _subject(plan: LibrarySettings) -> tuple[Any, ...]:
    """What a model is of: its edge, and its crystals; those of a metal and its oxides go without saying."""
    solids = plan.solids if isinstance(plan.material, Compound) else ()
    crystals = {(solid.cell, solid.elements, solid.sites) for solid in solids}
    return plan.element, plan.edge, plan.material.neighbours, crystals


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
