"""Dataset + network → an ensemble of trained members.

``train`` is the whole command ``exafsnn train``; ``train_member`` is one network. Members that are done are kept
beside the model (``learn.member_file``) until it is, so that a killed training goes on where it stopped.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from exafsnn.compounds import Compound
from exafsnn.edges import core_hole_width
from exafsnn.errors import SettingsError
from exafsnn.files import explained, only_writer, remove_folder, remove_leftovers
from exafsnn.learn.atlas import Atlas
from exafsnn.learn.calibration import error_modes, misfit_limit
from exafsnn.learn.dataset import (
    PairMaker,
    Pairs,
    StateBank,
    features_of,
    make_bank,
    split_by_trajectory,
)
from exafsnn.learn.features import FeatureMap, FeatureSettings
from exafsnn.learn.loop import descend
from exafsnn.learn.loss import Targets, member_loss
from exafsnn.learn.member_file import read_member, training_key, write_member
from exafsnn.learn.model_file import save_model
from exafsnn.learn.modules import ForwardModel, Member
from exafsnn.learn.network import NetworkSettings
from exafsnn.learn.pair_settings import METAL_ZERO, METAL_ZERO_RANGE, OXIDE_ERRORS, PairSettings, undisturbed
from exafsnn.learn.theories import common_kernel, compare_theories
from exafsnn.metals import Metal
from exafsnn.oxides import ranges_beside
from exafsnn.physics.absorption import atomic_fall
from exafsnn.records import CRYSTALS
from exafsnn.settings import BackgroundSettings, Settings, is_like
from exafsnn.simulate.library import SiteLibrary, join, plan_of
from exafsnn.simulate.plan import KINDS, LibrarySettings
from exafsnn.workers import Tell, run_all, silent

_JUDGES, TRIED = slice(0, None, 2), slice(1, None, 2)
"""Of the held-out states: those that tell the raw errors, and those that ``validate.calibration`` tries."""

_CHUNK = 32
"""Batches that are drawn at once."""


@dataclass(frozen=True)
class OptimiserSettings(Settings):
    """How long and how fast each member learns."""

    members: int = 5
    steps: int = 5200
    batch: int = 256
    passes: int = 4
    """How often each drawn pair is used."""
    learning_rate: float = 8e-3
    weight_decay: float = 1e-4
    reference: float = 0.5
    """Fraction of spectra that come with a reference."""
    cumulative: float = 1.0
    """Weight of the running coordination number in the loss."""
    seed: int = 7


def train_member(
    bank: StateBank,
    pairs: PairSettings,
    features: FeatureSettings,
    network: NetworkSettings,
    optimiser: OptimiserSettings,
    number: int,
) -> Member:
    """Train one member on its own stream of random pairs."""
    torch.manual_seed(optimiser.seed * 1000 + number)
    maker = PairMaker(bank, pairs, features, optimiser.seed * 1000 + number)
    feature_map = FeatureMap(features)
    member = Member(feature_map.width, bank.fine_rdf.shape[1] * len(pairs.bins()), network)
    member.fit_scale(features_of(maker.draw(4096, reference=optimiser.reference), feature_map))

    def loss(batch: tuple[Targets, Tensor]) -> Tensor:
        return member_loss(member(batch[1]), batch[0], len(pairs.bins()), pairs.r_step, optimiser.cumulative)

    descend(
        member, _batches(maker, feature_map, optimiser), loss, optimiser.steps, optimiser.learning_rate,
        weight_decay=optimiser.weight_decay, clip=10.0,
    )  # fmt: skip
    return member.eval()


def _batches(
    maker: PairMaker, feature_map: FeatureMap, optimiser: OptimiserSettings
) -> Iterator[tuple[Targets, Tensor]]:
    """Batches of targets and features: pairs are drawn by the thousand, and each thousand is used several times."""
    order = torch.Generator().manual_seed(optimiser.seed)
    done = 0
    while done < optimiser.steps:
        drawn = maker.draw(_CHUNK * optimiser.batch, reference=optimiser.reference)
        seen = features_of(drawn, feature_map)
        for _ in range(optimiser.passes):
            for rows in torch.randperm(len(seen), generator=order).split(optimiser.batch):
                if done < optimiser.steps:
                    yield Targets(drawn.density[rows], drawn.e0[rows], drawn.log_amplitude[rows]), seen[rows]
                    done += 1


def _train_forward(
    bank: StateBank, pairs: PairSettings, features: FeatureSettings, kernel: Tensor, steps: int, seed: int
) -> ForwardModel:
    """Train the rest of the forward model on undisturbed spectra, also of samples that lack atoms.

    Parameters
    ----------
    kernel
        (m, b) as in ``ForwardModel``.
    """
    torch.manual_seed(seed)
    maker = PairMaker(bank, undisturbed(pairs, counted=True), features, seed)
    k = torch.from_numpy(features.k_grid()).float()
    model = ForwardModel(k, kernel)
    first = maker.draw(4096, reference=0.0, zero_known=0.0)
    model.fit_basis(first.density, first.chi)

    def loss(batch: Pairs) -> Tensor:
        return ((model(batch.density) - batch.chi) * k**2).square().mean()

    batches = (maker.draw(256, reference=0.0, zero_known=0.0) for _ in range(steps))
    descend(model, batches, loss, steps, 2e-3)
    return model.eval()


def make_atlas(bank: StateBank, pairs: PairSettings) -> Atlas:
    """The RDFs of a bank, on the model's bins."""
    r = pairs.bins()
    density = np.array([np.concatenate([np.interp(r, bank.fine_r, rdf) for rdf in of]) for of in bank.fine_rdf])
    return Atlas(
        torch.from_numpy(r), torch.from_numpy(density), bank.phases, torch.from_numpy(bank.lattice),
        torch.from_numpy(bank.whole),
    )  # fmt: skip


def _forward_kernel(library: SiteLibrary, pairs: PairSettings, features: FeatureSettings) -> Tensor:
    """(m, c) single scattering per atom per Å and cell, of the common treatment; the smoothing of the RDF is undone."""
    k, r = features.k_grid(), pairs.bins()
    cells = common_kernel(library, compare_theories(library).zeros, r).reshape(len(library.k), -1)
    on_grid = np.array([np.interp(k, library.k, column) for column in cells.T]).T
    factor = np.exp(2 * k**2 * pairs.smoothing**2) * atomic_fall(library.plan.element, library.plan.edge, k)
    return torch.from_numpy(on_grid * factor[:, None] * pairs.r_step).float()


@dataclass(frozen=True)
class CalibrationSettings(Settings):
    """How many spectra of held-out states set the error bars (``exafsnn.validate.calibration``)."""

    sessions: int = 40
    """Simulated with a standard, and as many without; 0: the model stays uncalibrated."""
    scans: int = 8
    """In each session."""


@dataclass(frozen=True)
class TrainingSettings(Settings):
    """Everything that decides a model, besides its library."""

    pairs: PairSettings = field(default_factory=PairSettings)
    features: FeatureSettings = field(default_factory=FeatureSettings)
    network: NetworkSettings = field(default_factory=NetworkSettings)
    optimiser: OptimiserSettings = field(default_factory=OptimiserSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    held_out: float = 0.12
    """Fraction of the states that no network sees."""
    forward_steps: int = 1200
    ranges: tuple[tuple[str, float, float], ...] = (("first", 1.9, 3.3),)
    """Names and limits [Å] of the ranges that predictions report."""

    def __post_init__(self) -> None:
        """Refuse what would fail only when all is simulated.

        Raises
        ------
        SettingsError
            If there is nothing to train or to hold out, or a range is missing or outside the bins.
        """
        counts = {"members": self.optimiser.members, "steps": self.optimiser.steps, "batch": self.optimiser.batch}
        faults = [f"{name} = {count} is none" for name, count in counts.items() if count < 1]
        if not is_like(self.forward_steps, 1) or self.forward_steps < 1:
            faults.append(f"forward_steps = {self.forward_steps} is none")
        if not is_like(self.held_out, 0.5) or not 0 < self.held_out < 1:
            faults.append(f"held_out = {self.held_out} is no share of the states")
        if "first" not in [name for name, *_ in self.ranges]:
            faults.append("the range 'first' is missing")
        low, high = self.pairs.r_min, self.pairs.r_max
        faults += [
            f"the range {name!r} is not within the bins, {low:g}–{high:g} Å"
            for name, start, end in self.ranges
            if not low <= start < end <= high
        ]
        if faults:
            raise SettingsError(faults[0], where="training", remedy="Change that setting, or leave it out")


_NARROW = 2.0
"""Core-hole width [eV] up to which that holds at K edges. A wider one blurs two rises of an edge into one, of which the
steepest place lies about as much higher, as in molybdenum and palladium; that is doubted by as much again."""
_AMPLITUDE, _AMPLITUDE_STD = 0.93, 0.08
"""S₀² of foils: 0.87 to 1.04, and less where they are too thick …"""
_OPEN_SHELL, _AMPLITUDE_THERE, _AMPLITUDE_STD_THERE = ("Ti", "V", "Cr", "Mn", "Fe", "Co"), 0.85, 0.12
"""… and at K edges of metals whose 3d shell is far from full: there fits of foils and oxides find from 0.7 on (0.75 of
manganese, 0.70 of iron), while FEFF's overlaps of atomic orbitals give 0.94."""
_THEORY_AMPLITUDE, _THEORY_PHASE = 0.03, 0.05
"""Smooth error of theory after the best fit of shells: 1 to 4 %, 0.01 to 0.05 rad, of which the larger is likelier to
``refine``: 0.06 rad of eighteen foils by 114 in the logarithm of the evidence, compared with 0.03."""
_THEORY_APART = 0.03
"""Smooth error of other elements' scattering against the first: as amplitudes of foils of different metals scatter."""
_OWN_PHASE, _MELT = 0.6, 0.1
"""Shares of the metal's own crystal and of the melt among the states; the other crystals have the rest …"""
_OWN_AND_HOT = (0.4, 0.36)
"""… where it turns into another when hot, of the two."""


_OXIDE_ZERO, _COMPOUND_ZERO = (-10.5, 9.5), (-2.0, 6.0)
"""Energy zero of oxides, whose steepest place is on the white line, and of other compounds, and how far off [eV]:
−7 ± 3 and 0.4 with exchange 0, of which what stands for theory has 2.6 less; of nickel's, NiO to charged LiNiO₂, −10 to
−15, −19 with what stands for theory."""
_BESIDE_AMPLITUDE = 0.1
"""Measured NiO has a tenth less S₀² than the foil in the same scan, LiNiO₂ as much."""
_BESIDE_ZERO = (-8.0, 7.0)
"""The same of the oxides that a metal's model knows: in any mixture a wide range costs N of the metal."""
_HARDLY_SEEN = ("H", "He", "Li", "Be")
"""Elements that scatter so little that the number of their atoms is not measured."""
_MISPLACED, _LACKING = (0.25, 0.35), (0.0, 0.3)
"""Shares of spectra of compounds with vacancies or atoms on sites of others, and of such as lack atoms besides."""
_MORE_STEPS, _NETWORKS_BESIDE = 1.4, 2.0
"""Of the training where oxides are to be learned, too, and of alloys, which differ by more than compounds; and of
networks that know a metal and its oxides: with half the steps they found half an atom too much in foils of platinum."""
_PARTICLES = (0.55, 0.55)
"""The same of alloys: most are particles. So many are mixtures of two, which are of any size and composition."""
_MIXED_ALLOYS = (0.4, 0.4)
_SEEN_BEYOND = 0.8
"""Networks of compounds see of χ(R) so much beyond the last range [Å]: what theory has wrong of far shells was taken
for disorder of the near ones, of which they counted a tenth too few in NiO."""
_APART_SIGMA2, _APART_OF_ALLOYS, _APART_BESIDE = 0.005, 0.002, 0.002
"""Largest σ² [Å²] that each pair of a compound has by itself, of an alloy, and of a metal with its oxides."""
_SHORTEST = 0.65
"""RDFs of compounds begin at so many of their bonds."""


def settings_for(material: Metal | Compound, oxides: Sequence[Compound] = ()) -> TrainingSettings:
    """What is known of a compound, or of a metal and its oxides, beforehand, as settings of its training."""
    if isinstance(material, Compound):
        return _compounds(material)
    return _beside(_metals(material), material, oxides) if oxides else _metals(material)


def _beside(settings: TrainingSettings, metal: Metal, oxides: Sequence[Compound]) -> TrainingSettings:
    """Settings of a metal with those of its oxides: bins down to their bonds, and their own energy zero."""
    pairs = settings.pairs
    shortest = min(low for _, low, _ in (oxide.shell("O") for oxide in oxides))
    more = max(math.ceil((pairs.r_min - shortest) / pairs.r_step), 0)  # the other bins stay where they are
    r_min, apart = round(pairs.r_min - more * pairs.r_step, 6), OXIDE_ERRORS * _THEORY_APART
    pairs = replace(pairs, r_min=r_min, beside_e0=_BESIDE_ZERO, theory_apart=apart, apart_sigma2=_APART_BESIDE)
    pairs = replace(pairs, beside_amplitude=_BESIDE_AMPLITUDE)
    return _longer(replace(settings, pairs=pairs, ranges=ranges_beside(metal, oxides)), _NETWORKS_BESIDE)


def _compounds(compound: Compound) -> TrainingSettings:
    is_oxide, scale, usual = "O" in compound.neighbours, compound.bond_scale, PairSettings()
    e0, e0_range = _OXIDE_ZERO if is_oxide else _COMPOUND_ZERO
    errors = OXIDE_ERRORS if is_oxide else 1.0
    if compound.is_metallic:
        e0, e0_range, usual = METAL_ZERO, METAL_ZERO_RANGE, replace(usual, mixed=_MIXED_ALLOYS)
    misplaced = _PARTICLES if compound.is_metallic else _MISPLACED
    amplitude, amplitude_std = _amplitude(compound)
    pairs = replace(
        usual, r_min=round(_SHORTEST * compound.nearest, 2), extra_sigma2=usual.extra_sigma2 * scale**2,
        any_number=tuple(i for i, other in enumerate(compound.neighbours) if other in _HARDLY_SEEN),
        apart_sigma2=_APART_OF_ALLOYS if compound.is_metallic else _APART_SIGMA2, scale=scale,
        e0=e0, e0_range=e0_range, theory_amplitude=errors * _THEORY_AMPLITUDE, theory_phase=errors * _THEORY_PHASE,
        theory_multiple=errors * usual.theory_multiple, theory_apart=errors * _THEORY_APART, defective=misplaced,
        diluted=_LACKING,
        amplitude=amplitude, amplitude_std=amplitude_std,
    )  # fmt: skip
    found = TrainingSettings(pairs=pairs, ranges=compound.ranges)
    if compound.is_metallic:
        return _longer(found)
    last = max((high for *_, high in compound.ranges), default=math.inf)
    rmax = min(round(last + _SEEN_BEYOND, 2), FeatureSettings().rmax)
    return replace(found, features=FeatureSettings(rmax=rmax))


def _longer(settings: TrainingSettings, times: float = 1.0) -> TrainingSettings:
    """The same with more steps, those of the networks so many times as many again."""
    optimiser = replace(settings.optimiser, steps=round(_MORE_STEPS * times * settings.optimiser.steps))
    return replace(settings, optimiser=optimiser, forward_steps=round(_MORE_STEPS * settings.forward_steps))


def _amplitude(material: Metal | Compound) -> tuple[float, float]:
    """S₀² that is assumed, and its relative standard deviation."""
    is_open = material.edge == "K" and material.symbol in _OPEN_SHELL
    return (_AMPLITUDE_THERE, _AMPLITUDE_STD_THERE) if is_open else (_AMPLITUDE, _AMPLITUDE_STD)


def _metals(metal: Metal) -> TrainingSettings:
    shares = dict(zip((metal.phase, metal.hot), _OWN_AND_HOT, strict=True)) if metal.hot else {metal.phase: _OWN_PHASE}
    other = (1 - sum(shares.values()) - _MELT) / (len(CRYSTALS) - len(shares))
    bcc, fcc, hcp = (shares.get(phase, other) for phase in CRYSTALS)
    is_k = metal.edge == "K"
    amplitude, amplitude_std = _amplitude(metal)
    blurred = round(max(core_hole_width(metal.symbol, metal.edge) - _NARROW, 0.0), 1) if is_k else 0.0
    pairs = PairSettings(
        e0=round(METAL_ZERO - blurred, 1), e0_range=METAL_ZERO_RANGE + blurred,
        theory_amplitude=_THEORY_AMPLITUDE, theory_phase=_THEORY_PHASE, phases=(bcc, fcc, hcp, _MELT),
        amplitude=amplitude, amplitude_std=amplitude_std,
    ).of_scale(metal.length_scale)  # fmt: skip
    features = FeatureSettings(rmax=round(FeatureSettings().rmax * metal.length_scale, 2))
    return TrainingSettings(pairs=pairs, features=features, ranges=metal.ranges)


def training_from_mapping(table: dict[str, Any], known: TrainingSettings) -> TrainingSettings:
    """The settings that a parsed TOML table describes, what it leaves out being what is known beforehand.

    Raises
    ------
    SettingsError
        If a key is unknown, or a value is none that a training can have.
    """
    if not isinstance(table, dict):
        raise SettingsError(
            "[training] is no table of values", remedy="Write [training.pairs], [training.optimiser], …"
        )
    parts = {**vars(known), **table}
    for name, own in vars(known).items():
        if isinstance(own, Settings):
            given = table.get(name, {})
            parts[name] = type(own).checked({**own.to_mapping(), **given} if isinstance(given, dict) else given)
    if "ranges" in table:
        given = table["ranges"]
        pairs = given.values() if isinstance(given, dict) else [None]
        if not all(isinstance(ends, list) and is_like(tuple(ends), (0.0, 0.0)) for ends in pairs):
            raise SettingsError("[ranges] does not give two distances each", remedy="Write first = [1.9, 3.3]")
        parts["ranges"] = tuple((name, *limits) for name, limits in given.items())
    return TrainingSettings.from_mapping(parts)


def train(
    libraries: Sequence[str | Path],
    output: str | Path,
    settings: TrainingSettings | None = None,
    progress: Tell = silent,
    workers: int | None = None,
) -> Path:
    """Train a model on site libraries and write it, with its errors on held-out states.

    Members that an earlier call with the same libraries and settings left in ``OUTPUT.parts`` are not trained again.

    Parameters
    ----------
    libraries
        Paths of site libraries of one element and edge.
    output
        Path of the model: ``NAME.safetensors``; a JSON file appears beside it.
    settings
        None: what is known of the metal beforehand.

    Raises
    ------
    LibraryError
        If a library cannot be read.
    ExafsnnError
        If another run writes ``output``, or the disk refuses.
    """
    settings = settings or settings_of(libraries)
    path = Path(output).with_suffix(".safetensors")
    parts = path.with_name(path.name + ".parts")
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(path):
        with explained(parts):
            parts.mkdir(exist_ok=True)
            remove_leftovers(parts)
            remove_leftovers(path.parent, path.with_suffix(".json").name)
        info, tensors = _train_all(libraries, parts, settings, workers, progress)
        save_model(path, info, tensors)
        remove_folder(parts)
    return path


def settings_of(libraries: Sequence[str | Path]) -> TrainingSettings:
    """What is known beforehand of what libraries are of: a material, and the oxides that are joined to it."""
    material, *others = (plan_of(path).material for path in libraries)
    return settings_for(material, [of for of in others if isinstance(of, Compound) and of != material])


def _train_all(
    libraries: Sequence[str | Path],
    parts: Path,
    settings: TrainingSettings,
    workers: int | None,
    progress: Tell,
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The JSON and the tensors of a model."""
    library = join(libraries)
    bank = make_bank(library, settings.pairs)
    learn, held_out = split_by_trajectory(bank, settings.held_out, settings.optimiser.seed)
    key = training_key(library.checksum, asdict(settings))
    members = _train_members(learn, settings, workers or os.cpu_count() or 1, progress, parts, key)
    kernel = _forward_kernel(library, settings.pairs, settings.features)
    seed = settings.optimiser.seed
    known = learn.in_common_theory()
    forward = _train_forward(known, settings.pairs, settings.features, kernel, settings.forward_steps, seed)
    feature_map = FeatureMap(settings.features)
    judges = held_out.part(_JUDGES)
    plain = undisturbed(settings.pairs, counted=True)
    exact = PairMaker(judges.in_common_theory(), plain, settings.features, seed)
    clean = exact.draw(3000, reference=0.0, zero_known=0.0)
    forward.fit_errors(clean.density, clean.chi)
    atlas = make_atlas(learn, settings.pairs)
    maker = PairMaker(judges, settings.pairs, settings.features, seed + 1)
    solid = judges.subset(np.array([i for i, phase in enumerate(judges.phases) if phase != "liquid"]))
    quiet = PairMaker(solid, replace(settings.pairs, noise=(1e-4, 1e-3)), settings.features, seed + 2)
    shares = {"blind": 0.0, "reference": 1.0}
    tensors = {f"errors.{name}": error_modes(members, maker, feature_map, share) for name, share in shares.items()}
    for number, member in enumerate(members):
        tensors |= {f"member{number}.{key}": value for key, value in member.state_dict().items()}
    tensors |= {f"forward.{key}": value for key, value in forward.state_dict().items()}
    tensors |= {f"atlas.{key}": value for key, value in atlas.tensors().items()}
    limit = misfit_limit(members, forward, quiet, feature_map)
    info = _info(library, settings, held_out) | {
        "misfit_limit": limit,
        "atlas": atlas.info(),
        "intervals": {},
        "domain": {},
    }
    return info, tensors


def _train_members(
    bank: StateBank, settings: TrainingSettings, workers: int, progress: Tell, parts: Path, key: str
) -> list[Member]:
    """All members that are not yet in ``parts``, each in a process of its own; then all there.

    Some more processes than workers run at once, rather than that the last member runs alone.
    """
    count = settings.optimiser.members
    todo = [number for number in range(count) if read_member(parts, key, number) is None]
    tasks = [(bank, settings, str(parts), key, number) for number in todo]
    threads = torch.get_num_threads()
    at_once = math.ceil(len(tasks) / max(len(tasks) // workers, 1))
    for done, _ in enumerate(run_all(_train_task, tasks, at_once), start=count - len(todo) + 1):
        progress(done, count, "networks trained")
    torch.set_num_threads(1 if min(workers, count) <= 1 else threads)  # resumed or not, the rest is computed alike
    return [
        _member_of(settings, bank.fine_rdf.shape[1], read_member(parts, key, number) or {}) for number in range(count)
    ]


def _member_of(settings: TrainingSettings, pairs: int, tensors: dict[str, Tensor]) -> Member:
    """A trained member of so many pairs from its tensors."""
    member = Member(FeatureMap(settings.features).width, pairs * len(settings.pairs.bins()), settings.network)
    member.load_state_dict(tensors)
    return member.eval()


def _train_task(task: tuple[StateBank, TrainingSettings, str, str, int]) -> None:
    """Worker: train one member on one core, and write it down."""
    bank, settings, parts, key, number = task
    torch.set_num_threads(1)
    member = train_member(bank, settings.pairs, settings.features, settings.network, settings.optimiser, number)
    write_member(Path(parts), key, number, member.state_dict())


def _info(library: SiteLibrary, settings: TrainingSettings, held_out: StateBank) -> dict[str, Any]:
    return {
        "absorber": library.plan.element,
        "edge": library.plan.edge,
        "neighbours": list(library.neighbours),
        "ranges": {name: limits for name, *limits in settings.ranges},
        "members": settings.optimiser.members,
        "pairs": settings.pairs.to_mapping(),
        "features": settings.features.to_mapping(),
        "network": settings.network.to_mapping(),
        "optimiser": settings.optimiser.to_mapping(),
        "held_out_states": list(held_out.index),
        "library": {
            "checksum": library.checksum,
            "states": len(library.states),
            "sites": sum(len(state.sample.single) for state in library.states),
            "plan": asdict(_whole_plan(library)),
        },
        "versions": {"exafsnn": version("exafsnn"), "torch": torch.__version__},
        "background": BackgroundSettings().to_mapping(),
    }


def _whole_plan(library: SiteLibrary) -> LibrarySettings:
    """The plan of a library with the states of those that are joined to it."""
    plans = (library.plan, *library.also)
    states: dict[str, Any] = {kind: tuple(item for plan in plans for item in getattr(plan, kind)) for kind in KINDS}
    return replace(library.plan, **states)
