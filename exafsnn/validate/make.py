"""A metal's name → a trusted model of it: simulate, try, train, set the error bars, and say how good it is.

``exafsnn make`` is this. Everything lies in a folder beside the model until that is done, so that a run that was ended
goes on where it was.
"""

from __future__ import annotations

import json
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
from exafsnn.learn.model_file import copy_model, models_folder, read_model
from exafsnn.learn.training import TrainingSettings, settings_for, train, training_from_mapping
from exafsnn.metals import METALS, Metal, metal_of
from exafsnn.oxides import OXIDES
from exafsnn.simulate.force_constants import has_force_field
from exafsnn.simulate.library import build
from exafsnn.simulate.plan import FULL, QUICK, LibrarySettings, plan_beside, plan_for, plan_of_compound, plan_text
from exafsnn.simulate.solids import cell_of, compound_of
from exafsnn.validate.calibration import set_error_bars, tried
from exafsnn.validate.card import card
from exafsnn.workers import Cluster, cores

Progress = Callable[[int, int, str], None]

_SEED = 20261128
_TRIED = 0.4
"""States that set the error bars, in units of those that are learned from."""
_QUICK_MEMBERS, _QUICK_STEPS = 3, 0.5
"""Networks of a quick model, and their steps in units of the usual ones."""
_PER_TABLE, _PER_STATE, _PER_STEP, _REST = 25.0, 3.5, 0.035, 90.0
"""Processor seconds of a scattering table, a state and a training step of a network, and of all else …"""
_PER_SITE_BESIDE = 1.5
"""… and of a site of an oxide, all paths."""
_MEGABYTES_OF_STATE = 0.15
_EDGE = r"([A-Za-z]{1,2})-([KkLl][1-3]?)"
"""What names the model of an edge."""


@dataclass(frozen=True)
class Beside:
    """An oxide that a metal's model knows, too."""

    compound: Compound
    library: LibrarySettings
    trial: LibrarySettings


@dataclass(frozen=True)
class Recipe:
    """All that decides a model."""

    name: str
    material: Metal | Compound
    library: LibrarySettings
    trial: LibrarySettings
    training: TrainingSettings
    beside: tuple[Beside, ...] = ()
    """Oxides of a metal."""
    lacking: tuple[str, ...] = ()
    """Oxides that it does not know, because the extra ``compounds`` is not installed."""

    @property
    def plans(self) -> tuple[tuple[str, LibrarySettings], ...]:
        """Names and plans of what is simulated: the libraries that it learns from, then those that it is tried on."""
        of = {"": self, **{f"{item.compound.name}-": item for item in self.beside}}
        found = [(f"{name}{kind}", getattr(item, kind)) for kind in ("library", "trial") for name, item in of.items()]
        return tuple(found)

    @property
    def is_by_edge(self) -> bool:
        """Whether its model is that of an edge, which scans find by themselves."""
        return self.name == f"{self.material.symbol}-{self.material.edge}".lower()

    @property
    def states(self) -> int:
        """How many states are simulated."""
        return sum(plan.states for _, plan in self.plans)

    @property
    def seconds(self) -> float:
        """How long it takes, on the cores that are here."""
        optimiser = self.training.optimiser
        tables = len(self.library.treatments) * (1 + len(self.beside))
        work = tables * _PER_TABLE + (self.library.states + self.trial.states) * _PER_STATE
        beside = [plan for item in self.beside for plan in (item.library, item.trial)]
        work += sum(plan.states * plan.sites.sites * _PER_SITE_BESIDE for plan in beside)
        return (work + optimiser.members * optimiser.steps * _PER_STEP + _REST) / cores()

    @property
    def megabytes(self) -> float:
        """How much disk it needs meanwhile."""
        return 100.0 * len(self.library.treatments) * (1 + len(self.beside)) + self.states * _MEGABYTES_OF_STATE


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


def _recipe(metal: Metal, *, full: bool, oxides: Sequence[str] | None = None, folder: Path | None = None) -> Recipe:
    """The recipe of a metal and of its oxides, by default those that are known, if what simulates them is there."""
    crystals = OXIDES.get(metal.symbol, ()) if oxides is None else tuple(oxides)
    lacking = crystals if oxides is None and not has_force_field() else ()
    cells = [cell_of(crystal, folder) for crystal in crystals if crystal not in lacking]
    compounds = [compound_of(phase.lower(), cell, metal.symbol, metal.edge) for phase, cell in cells]
    training, size = _training(metal, full=full, oxides=compounds)
    beside = []
    for (phase, cell), compound in zip(cells, compounds, strict=True):
        if "O" not in compound.neighbours:
            raise SettingsError(
                f"{phase} is no oxide", where="oxides", remedy='Write ["rocksalt:4.4445 MnO"], or files'
            )
        sizes = ((_SEED, size), (_SEED + 1, _TRIED * size))
        beside.append(Beside(compound, *(plan_beside(metal, compound, cell, phase, *part) for part in sizes)))
    library, trial = plan_for(metal, _SEED, size), plan_for(metal, _SEED + 1, _TRIED * size)
    return Recipe(metal.model, metal, library, trial, training, tuple(beside), lacking)


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


def _training(
    metal: Metal | Compound, *, full: bool, oxides: Sequence[Compound] = ()
) -> tuple[TrainingSettings, float]:
    """The training of a model, if its edge has room for χ(k), and the size of its library."""
    training = settings_for(metal, oxides)
    if above := next_edge(metal.symbol, metal.edge):
        room, k = above.energy - tabulated(metal.symbol, metal.edge), training.pairs.kmax[0]
        if room < (needed := k**2 / K2_PER_EV):
            reason = f"{above.name} lies {room:.0f} eV above {metal.edge}, χ(k) to {k:g} Å⁻¹ takes {needed:.0f} eV"
            raise SettingsError(reason, where=metal.model, remedy="Make a model of another edge")
    size = FULL if full else QUICK
    if not full:
        steps = round(_QUICK_STEPS * training.optimiser.steps)
        training = replace(training, optimiser=replace(training.optimiser, members=_QUICK_MEMBERS, steps=steps))
    return training, size


_TEMPLATE = """# A plan for exafsnn make: lengths in Å, temperatures in K, sigma2 of the first neighbours at 300 K in Å²
name = "{name}"
full = false
# Oxides beside the metal, as crystals or files; left out: those that are known and can be simulated, [] none
# oxides = {oxides}

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
    oxides = json.dumps(OXIDES.get(metal.symbol, ["rocksalt:4.4445 MnO"]))
    return _TEMPLATE.format(name=metal.model, metal="\n".join(lines), oxides=oxides)


def recipe_of_file(path: str | Path, *, full: bool = False) -> Recipe:
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
    if unknown := sorted(set(table) - {"name", "full", "metal", "compound", "oxides", "training"}):
        raise SettingsError(f"unknown key {unknown[0]}", where=str(path), remedy="exafsnn make --template NAME has all")
    if not isinstance(table.get("full", False), bool):
        raise SettingsError(f"full = {table['full']!r} is neither true nor false", where=str(path))
    recipe = _recipe_in(table, Path(path), full=full or table.get("full", False))
    training = training_from_mapping(table.get("training", {}), recipe.material, recipe.training)
    usual = recipe.material.model
    name = table.get("name", usual)
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,40}", name):
        reason = f"name = {str(name)[:60]!r} is no name of a model"
        raise SettingsError(reason, where=str(path), remedy="Use small letters, digits, - and _")
    if name != usual and re.fullmatch(_EDGE, name, re.IGNORECASE):
        reason = f"name = {name!r} is that of another edge, whose scans would get this model of {usual}"
        raise SettingsError(reason, where=str(path), remedy=f"Name it {usual}, or otherwise")
    return replace(recipe, name=name, training=training)


_COMPOUND = 'Give structure = "zincblende:5.6687 ZnSe" or a file, absorber = "Zn" and edge = "K"'


def _recipe_in(table: dict[str, Any], path: Path, *, full: bool) -> Recipe:
    """The recipe of ``[metal]`` or ``[compound]``, one of which there has to be."""
    kinds = [kind for kind in ("metal", "compound") if isinstance(table.get(kind), dict)]
    if len(kinds) != 1:
        reason = "[metal] is missing" if not kinds else "[metal] and [compound] are two models"
        raise SettingsError(reason, where=str(path), remedy="exafsnn make --template NAME shows it")
    try:
        if kinds == ["compound"]:
            return _recipe_of_compound(table["compound"], path.parent, full=full)
        metal = Metal.from_mapping(table["metal"])
        return _recipe(metal, full=full, oxides=_oxides_in(table), folder=path.parent)
    except TypeError as error:
        raise SettingsError(f"[{kinds[0]}] holds what is no number: {error}", where=str(path)) from error
    except SettingsError as error:
        raise SettingsError(error.reason, where=f"{path}, [{kinds[0]}]", remedy=error.remedy) from error


def _oxides_in(table: dict[str, Any]) -> list[str] | None:
    """The crystals of oxides that a plan names; None if it leaves it to what is known."""
    given = table.get("oxides")
    if given is not None and not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        reason = f"oxides = {str(given)[:60]} is no list of crystals"
        raise SettingsError(reason, where="oxides", remedy='Write ["rocksalt:4.4445 MnO"], or files; [] for none')
    return given


def make(
    recipe: Recipe,
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
    ExafsnnError
        If FEFF or LAMMPS fails, the disk refuses, another run makes it, or the cluster is not there.
    """
    folder, workers = models_folder(), workers or cores()
    aside = folder / f"{recipe.name}.making"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with only_writer(folder / f"{recipe.name}.safetensors"), explained(folder):
        return _made(recipe, folder, aside, progress, workers, keep, cluster)


def _made(
    recipe: Recipe, folder: Path, aside: Path, progress: Progress, workers: int, keep: bool, cluster: Cluster | None
) -> Path:
    """``make``, by the only run that makes it."""
    _begin(aside, json.dumps(asdict(recipe), sort_keys=True).encode())
    paths = []
    for stem, plan in recipe.plans:
        path, config = aside / f"{stem}.h5", aside / f"{stem}.toml"
        if not path.exists():
            write_whole(config, plan_text(plan).encode())
            build(config, path, cluster or workers, progress, aside / "tables")
        paths.append(path)
    libraries, trials = paths[: len(paths) // 2], paths[len(paths) // 2 :]
    model = aside / f"{recipe.name}.safetensors"
    if not _is_whole(model):
        train(libraries, model, recipe.training, progress, workers)
    answers = tried(str(model), libraries, trials, recipe.training.calibration, workers)
    set_error_bars(str(model), answers)
    write_whole(model.with_suffix(".md"), card(recipe.name, read_model(str(model)).info, answers).encode())
    if keep:
        kept = folder / f"{recipe.name}.libraries"
        kept.mkdir(exist_ok=True)
        for path in paths:
            copy_whole(path, kept / path.name)
    own = folder / model.name
    copy_model(model, own)
    copy_whole(model.with_suffix(".md"), own.with_suffix(".md"))
    remove_folder(aside)
    return own


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
