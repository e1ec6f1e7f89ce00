"""A name or a plan → a recipe: all that decides a model, of a metal and its oxides, a compound, frames or an alloy.

``make`` follows it.
"""

from __future__ import annotations

import json
import re
import tomllib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from exafsnn.compounds import Compound
from exafsnn.constants import K2_PER_EV
from exafsnn.crystals import parts_of
from exafsnn.edges import next_edge, tabulated
from exafsnn.errors import SettingsError
from exafsnn.learn.training import TrainingSettings, settings_for, training_from_mapping
from exafsnn.metals import METALS, Metal, metal_of, usual_edge
from exafsnn.oxides import HELD_BY_SPRINGS, OXIDES
from exafsnn.simulate.bimetals import bimetal_of
from exafsnn.simulate.costs import seconds_to_build, with_affordable_sites
from exafsnn.simulate.force_constants import WEIGHTS, has_force_field
from exafsnn.simulate.frame_files import Told, frame_range
from exafsnn.simulate.own_frames import gathered
from exafsnn.simulate.plan import (
    FULL,
    QUICK,
    STATES_OF_FRAMES,
    LibrarySettings,
    plan_beside,
    plan_for,
    plan_of_alloy,
    plan_of_compound,
    plan_of_frames,
)
from exafsnn.simulate.solids import SPRINGS, cell_of, cells_of, compound_of
from exafsnn.workers import Tell, cores, silent

_SEED = 20261128
_TRIED, _TRIED_OF_COMPOUND, _TRIED_OF_ALLOY = 0.4, 0.8, 0.2
"""States that set the error bars, in units of those that are learned from: of metals, of compounds, which have fewer,
and of alloys, which have more. Of 45 trajectories intervals of 95 % hold 97 %, because one more than they have seen is
to be in them."""
_QUICK_MEMBERS, _QUICK_STEPS = 3, 0.5
"""Networks of a quick model, and their steps in units of the usual ones."""
_PER_STEP, _REST = 0.035, 90.0
"""Processor seconds of a training step of a network, and of all but that and the libraries …"""
_PER_SAMPLE = 1.2
"""… and of a simulated sample that is answered by both edges, and by each alone."""
_MEGABYTES_OF_STATE, _MEGABYTES_OF_THEORY = 0.15, {True: 100.0, False: 20.0}
"""Disk that a state takes, and a theory of a metal, and of a compound."""
_FORCES = "forces"
_COMPOUND = (
    'Give structure = "zincblende:5.6687 ZnSe" or a file, absorber = "Zn" and edge = "K", or edges = ["Zn K", "Se K"]'
)
_ALLOY = 'Give elements = ["Pt", "Ni"] and edges = ["Pt L3", "Ni K"]'
_TRAJECTORY = (
    'Give trajectory = "run.extxyz" or a list of files, absorber = "Pt" and edge = "L3"; and what the files do not say:'
    ' types = {1 = "Pt"}, cell = [a, b, c], free = true, structure = "start.pdb", frames = "100:"'
)
_SHOWN = 'exafsnn make --template cu, or --template "zincblende:5.6687 ZnSe", shows one'
LIBRARIES = ("library", "trial")
"""What a model learns from, and what it is tried on."""
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
        found = [(f"{name}{kind}", getattr(item, kind)) for kind in LIBRARIES for name, item in of.items()]
        return tuple(found)

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
        return sum(plan.states for _, plan in self.plans)

    @property
    def seconds(self) -> float:
        """How long it takes, on the cores that are here."""
        optimiser = self.training.optimiser
        work = seconds_to_build(self.library) + seconds_to_build(self.trial, tables=False)
        work += sum(seconds_to_build(item.library) + seconds_to_build(item.trial, tables=False) for item in self.beside)
        return (work + optimiser.members * optimiser.steps * _PER_STEP + _REST) / cores()

    @property
    def megabytes(self) -> float:
        """How much disk it needs meanwhile."""
        theories = sum(_megabytes_of_theories(plan) for plan in (self.library, *(item.library for item in self.beside)))
        return theories + self.states * _MEGABYTES_OF_STATE

    @property
    def unseen(self) -> tuple[str, ...]:
        """Pairs of a compound that are too far apart for a range."""
        symbol, compound = self.material.symbol, self.material
        return tuple(f"{symbol}-{one}" for one in compound.unseen) if isinstance(compound, Compound) else ()


def _megabytes_of_theories(plan: LibrarySettings) -> float:
    theories = len({family.theory(plan.material) for family in plan.kinds}) * len(plan.treatments)
    return _MEGABYTES_OF_THEORY[isinstance(plan.material, Metal)] * theories


@dataclass(frozen=True)
class JointRecipe:
    """All that decides a joint model of two edges."""

    name: str
    parts: tuple[Recipe, Recipe]
    """Of the models of the edges, which see the same states."""
    composition: tuple[float, float] | None
    """How many atoms there are of each absorber, relatively; None: it varies from state to state."""

    is_by_edge = False
    lacking: tuple[str, ...] = ()

    @property
    def networks(self) -> int:
        """How many networks are trained."""
        return sum(part.networks for part in self.parts)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Pairs that are too far apart for a range."""
        return tuple(pair for part in self.parts for pair in part.unseen)

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
        remedy = f"Give one like pt-l3 or cu-k; a compound wants a plan: {_SHOWN}"
        raise SettingsError(f"{name!r} names no metal and edge", where="make", remedy=remedy)
    symbol, edge = match[1] or match[2], match[3]
    return _recipe(metal_of(symbol.capitalize(), edge.upper() if edge else None), full=full)


def _recipe(metal: Metal, *, full: bool, oxides: Sequence[str] | None = None, folder: Path | None = None) -> Recipe:
    """The recipe of a metal and of its oxides, by default those that are known, if what simulates them is there."""
    crystals = OXIDES.get(metal.symbol, ()) if oxides is None else tuple(oxides)
    forced = [crystal for crystal in crystals if crystal not in HELD_BY_SPRINGS]
    lacking = tuple(forced) if oxides is None and not has_force_field() else ()
    known = [crystal for crystal in crystals if crystal not in lacking]
    cells = cells_of(known, folder)
    compounds = [compound_of(_plain(phase), [cell], metal.symbol, metal.edge) for phase, cell in cells.items()]
    training, size = _training(metal, full=full, oxides=compounds)
    beside = []
    for crystal, (phase, cell), compound in zip(known, cells.items(), compounds, strict=True):
        if "O" not in compound.neighbours:
            raise SettingsError(
                f"{phase} is no oxide", where="oxides", remedy='Write ["rocksalt:4.4445 MnO"], or files'
            )
        sizes = ((_SEED, size), (_SEED + 1, _TRIED * size))
        held = (SPRINGS,) if crystal in HELD_BY_SPRINGS else WEIGHTS
        plans = [with_affordable_sites(plan_beside(metal, compound, cell, phase, *part, held)) for part in sizes]
        beside.append(Beside(compound, *plans))
    library, trial = plan_for(metal, _SEED, size), plan_for(metal, _SEED + 1, _TRIED * size)
    return Recipe(metal.model, metal, library, trial, training, tuple(beside), lacking)


def _recipe_of_compound(table: dict[str, Any], folder: Path, *, full: bool) -> Recipe:
    """The recipe of what ``[compound]`` says; a file is looked for in ``folder``."""
    _require_keys(table, ("structure", "absorber", "edge"), ("motion",), "[compound]", _COMPOUND)
    texts = table["structure"] if isinstance(table["structure"], list) else [table["structure"]]
    absorber, edge = str(table["absorber"]), str(table["edge"])
    cells = cells_of([str(text) for text in texts], folder)
    held = _held_by(table.get("motion", _FORCES), list(cells))
    compound = compound_of(_name_of(cells, absorber, edge), list(cells.values()), absorber, edge)
    training, size = _training(compound, full=full)
    sizes = ((_SEED, size), (_SEED + 1, _TRIED_OF_COMPOUND * size))
    library, trial = (with_affordable_sites(plan_of_compound(compound, cells, *part, held)) for part in sizes)
    return Recipe(compound.name, compound, library, trial, training)


def _require_keys(
    table: dict[str, Any], needed: Sequence[str], optional: Sequence[str], where: str, remedy: str
) -> None:
    """Refuse a table that has other keys than these, or lacks one."""
    known = (*needed, *optional)
    if unknown := sorted(set(table) - set(known)):
        reason = f"unknown key {unknown[0]}: with {needed[0]} there may be {', '.join(known[1:])}"
        raise SettingsError(reason, where=where, remedy=remedy)
    if missing := [key for key in needed if key not in table]:
        raise SettingsError(f"{missing[0]} is missing", where=where, remedy=remedy)


def _held_by(motion: Any, names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What holds each crystal together, of ``motion``: one word, or one for each of them."""
    words = motion if isinstance(motion, list) else [motion] * len(names)
    if len(words) != len(names) or not set(map(str, words)) <= {_FORCES, SPRINGS}:
        reason = f"motion = {json.dumps(motion)[:60]} does not say what moves {', '.join(names)}"
        remedy = f'Give "{_FORCES}" or "{SPRINGS}", or a list of one for each structure'
        raise SettingsError(reason, where="[compound]", remedy=remedy)
    return {name: (SPRINGS,) for name, word in zip(names, words, strict=True) if word == SPRINGS}


def _name_of(cells: Iterable[str], absorber: str, edge: str) -> str:
    """Of a compound's model: ``nio-ni``, and the edge if it is not the usual one."""
    name = "-".join(map(_plain, (*cells, absorber)))
    return name if edge == usual_edge(absorber) else f"{name}-{edge}".lower()


def _plain(name: str) -> str:
    """In small letters, digits and dashes, as names of models and files are."""
    return re.sub("[^a-z0-9]+", "-", name.lower())


def _recipe_of_frames(table: dict[str, Any], folder: Path, progress: Tell, *, full: bool) -> Recipe:
    """The recipe of what ``[compound]`` says with ``trajectory``; files are looked for in ``folder``."""
    optional = ("types", "cell", "free", "structure", "frames")
    _require_keys(table, ("trajectory", "absorber", "edge"), optional, "[compound]", _TRAJECTORY)
    names = [table["trajectory"]] if isinstance(table["trajectory"], str) else table["trajectory"]
    told: dict[str, Any] = {key: table[key] for key in ("types", "cell", "free", "structure") if key in table}
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise SettingsError("trajectory names no files", where="[compound]", remedy=_TRAJECTORY)
    if "structure" in told:
        told["structure"] = str(folder / str(told["structure"]))
    size = FULL if full else QUICK
    found = gathered(
        [folder / name for name in names], Told.from_mapping(told), str(table["absorber"]), str(table["edge"]),
        round((1 + _TRIED) * size * STATES_OF_FRAMES), frames=frame_range(str(table.get("frames", ":"))),
        progress=progress,
    )  # fmt: skip
    for finding in found.findings:
        if finding.severity == "warning":
            warnings.warn(finding.sentence, stacklevel=2)
    training, _ = _training(found.compound, full=full)
    library, trial = (
        with_affordable_sites(plan_of_frames(found.compound, part, _SEED)) for part in (found.learned, found.tried)
    )
    return Recipe(found.compound.name, found.compound, library, trial, training)


def _recipe_of_edges(table: dict[str, Any], folder: Path, *, full: bool) -> JointRecipe:
    """The recipe of what ``[compound]`` says with ``edges``."""
    _require_keys(table, ("structure", "edges"), ("motion",), "[compound]", _COMPOUND)
    pairs = _edges_in(table["edges"], "[compound]", _COMPOUND)
    given = {key: value for key, value in table.items() if key != "edges"}
    one, other = (
        _recipe_of_compound(given | {"absorber": absorber, "edge": edge}, folder, full=full) for absorber, edge in pairs
    )
    ratios = {solid.elements.count(pairs[0][0]) / solid.elements.count(pairs[1][0]) for solid in one.library.solids}
    if len(ratios) > 1:
        reason = f"the structures have {pairs[0][0]} and {pairs[1][0]} in unlike proportions"
        raise SettingsError(reason, where="[compound]", remedy="Give those of one composition")
    share = Fraction(ratios.pop()).limit_denominator(1000)
    name = one.name.removesuffix(f"-{pairs[0][1]}".lower()).removesuffix(f"-{pairs[0][0]}".lower())
    return JointRecipe(name, (one, other), (float(share.numerator), float(share.denominator)))


def _edges_in(edges: Any, where: str, remedy: str) -> tuple[tuple[str, str], tuple[str, str]]:
    """Absorber and edge, twice, of ``["Zn K", "Se K"]``."""
    pairs = [str(edge).split() for edge in edges] if isinstance(edges, list) else []
    if [len(pair) for pair in pairs] != [2, 2] or pairs[0][0] == pairs[1][0]:
        raise SettingsError(f"edges = {str(edges)[:60]} are not those of two elements", where=where, remedy=remedy)
    (one, first), (other, second) = pairs
    return (one, first), (other, second)


def _recipe_of_alloy(table: dict[str, Any], *, full: bool) -> JointRecipe:
    """The recipe of what ``[alloy]`` says: tried on compositions and sizes that it does not learn from."""
    _require_keys(table, ("elements", "edges"), (), "[alloy]", _ALLOY)
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
    trial = plan_of_alloy(elements, absorber, edge, _SEED + 1, _TRIED_OF_ALLOY * size, held_out=True)
    return Recipe(compound.name, compound, library, trial, training)


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
_TEMPLATE_OF_COMPOUND = """# A plan for exafsnn make: one absorber in a crystal, or in several
name = "{name}"
full = false

[compound]
structure = {structure}    # a named crystal, lengths in Å; or a file beside this plan: CIF, POSCAR; or a list of them
absorber = "{absorber}"
edge = "{edge}"
motion = "{motion}"    # by force constants; or "springs", where these are unstable; or a list, one for each structure

# What is known of its training, to overrule it: [training.optimiser], [training.pairs], …
"""


def template(name: str) -> str:
    """The text of a plan for ``recipe_of_file``: of a metal that is known, or of a crystal.

    Parameters
    ----------
    name
        ``cu-k``, ``zincblende:5.41 ZnS``, or a structure file; of a crystal the first element of its formula absorbs.

    Raises
    ------
    SettingsError
        If it is none of them.
    """
    if ":" in name or Path(name).is_file():
        formula, _ = cell_of(name)
        absorber = next(iter(parts_of(formula)))[0]
        edge, structure = usual_edge(absorber), json.dumps(name, ensure_ascii=False)
        told = {"name": _name_of([formula], absorber, edge), "structure": structure, "motion": _FORCES}
        return _TEMPLATE_OF_COMPOUND.format(absorber=absorber, edge=edge, **told)
    metal = recipe_for(name).material
    given = {key: value for key, value in metal.to_mapping().items() if value is not None}
    lines = (f"{key} = {json.dumps(item)}" for key, item in given.items())
    oxides = json.dumps(OXIDES.get(metal.symbol, ["rocksalt:4.4445 MnO"]))
    return _TEMPLATE.format(name=metal.model, metal="\n".join(lines), oxides=oxides)


def recipe_of_file(path: str | Path, *, full: bool = False, progress: Tell = silent) -> Recipe | JointRecipe:
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
    if unknown := sorted(set(table) - {"name", "full", "metal", "compound", "alloy", "oxides", "training"}):
        raise SettingsError(f"unknown key {unknown[0]}", where=str(path), remedy="exafsnn make --template NAME has all")
    if not isinstance(table.get("full", False), bool):
        raise SettingsError(f"full = {table['full']!r} is neither true nor false", where=str(path))
    recipe = _recipe_in(table, Path(path), progress, full=full or table.get("full", False))
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
    return replace(recipe, name=name, training=training_from_mapping(training, recipe.training))


def _recipe_in(table: dict[str, Any], path: Path, progress: Tell, *, full: bool) -> Recipe | JointRecipe:
    """The recipe of ``[metal]``, ``[compound]`` or ``[alloy]``, one of which there has to be."""
    kinds = [kind for kind in ("metal", "compound", "alloy") if isinstance(table.get(kind), dict)]
    if len(kinds) != 1:
        reason = f"[{'] and ['.join(kinds)}] are two models" if kinds else "there is no [metal], [compound] or [alloy]"
        remedy = f"Give one of them. {_SHOWN}: [compound] says structure, absorber and edge"
        raise SettingsError(reason, where=str(path), remedy=remedy)
    if "oxides" in table and kinds != ["metal"]:
        remedy = "Leave it out; more structures of a compound go into its list of them"
        raise SettingsError(f"oxides are those of a [metal], not of [{kinds[0]}]", where=str(path), remedy=remedy)
    if "trajectory" in table.get("compound", {}):
        return _recipe_of_frames(table["compound"], path.parent, progress, full=full)  # its errors tell file and frame
    try:
        if kinds == ["alloy"]:
            return _recipe_of_alloy(table["alloy"], full=full)
        if "edges" in table.get("compound", {}):
            return _recipe_of_edges(table["compound"], path.parent, full=full)
        if kinds == ["compound"]:
            return _recipe_of_compound(table["compound"], path.parent, full=full)
        metal = Metal.from_mapping(table["metal"])
        return _recipe(metal, full=full, oxides=_oxides_in(table), folder=path.parent)
    except TypeError as error:
        raise SettingsError(f"[{kinds[0]}] holds what is no number: {error}", where=str(path)) from error
    except SettingsError as error:
        within = f", {error.where}" if error.where and not error.where.startswith("[") else ""
        raise SettingsError(error.reason, where=f"{path}, [{kinds[0]}]{within}", remedy=error.remedy) from error


def _oxides_in(table: dict[str, Any]) -> list[str] | None:
    """The crystals of oxides that a plan names; None if it leaves it to what is known."""
    given = table.get("oxides")
    if given is not None and not (isinstance(given, list) and all(isinstance(item, str) for item in given)):
        reason = f"oxides = {str(given)[:60]} is no list of crystals"
        raise SettingsError(reason, where="oxides", remedy='Write ["rocksalt:4.4445 MnO"], or files; [] for none')
    return given


def makeable() -> list[str]:
    """Names that ``recipe_for`` knows."""
    return sorted(metal.model for metal in METALS.values())
