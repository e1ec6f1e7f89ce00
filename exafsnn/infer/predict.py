"""ChiK + model → Prediction: the energy zero is found, the RDF and its spread follow, and the data judge it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from exafsnn.compounds import composition_of
from exafsnn.errors import ModelError, SettingsError
from exafsnn.infer.answers import Answers, Origin, doubt_of
from exafsnn.infer.cores import one_core
from exafsnn.infer.ensemble import Ensemble
from exafsnn.infer.error_bars import SAMPLES_APART, ErrorBars, Raw, Samples, Told
from exafsnn.infer.estimates import Estimates, Reference, Signals, on_one_grid
from exafsnn.infer.verdict import Misfit, misfit_of
from exafsnn.learn.atlas import PHASES, Atlas, Kind
from exafsnn.learn.intervals import Scale, is_first
from exafsnn.learn.model_file import ModelParts, read_model
from exafsnn.learn.network import Network
from exafsnn.partials import Range, of_metal
from exafsnn.physics.forward import Forward
from exafsnn.records import Array, ChiK, Prediction, Spectrum
from exafsnn.shells import UNSEEN

if TYPE_CHECKING:
    from torch import Tensor

_PIECE = 1000
"""Scans that are answered at a time …"""
_RECORDS = 250
"""… and of which records are made: 32 MB of samples."""
_USUAL = 0.5
"""What foils leave, over the most that sound scans leave."""
_NO_OTHERS = ("solids", "treatments")
"""Lists of a library's plan that name no states besides its solids."""
_CROWDED = 2.0
"""N that no sample has, in units of the largest that is known."""
SHORTEST = 9.0
"""Data that end before are too short [Å⁻¹]."""


class Model:
    """A trained model, ready to predict. Make one with ``load_model``."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self.ensemble = Ensemble(parts)
        self.name = parts.name
        self.absorber = str(parts.info["absorber"])
        self.edge = str(parts.info["edge"])
        self.partials = parts.partials
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in parts.info["ranges"].items()}
        self.pairs = parts.pairs
        self.features = parts.features
        self.r = parts.partials.r
        self._known: dict[tuple[Kind, int], tuple[Tensor, Tensor]] = {}

    def __repr__(self) -> str:
        """One line."""
        return f"<Model {self.name}: {self.absorber} {self.edge}, {', '.join(self.partials.pairs)}>"

    def uncalibrated(self) -> Model:
        """The same model with raw standard deviations, and without a domain."""
        return Model(replace(self._parts, intervals={}, domain=None))

    @property
    def forward(self) -> Forward:
        """The forward model RDF → χ(k)."""
        return self._parts.forward

    @property
    def members(self) -> Sequence[Network]:
        """Its networks."""
        return self._parts.members

    @property
    def intervals(self) -> Mapping[str, Mapping[str, Scale]]:
        """The scales of the error bars by kind of answer and quantity; empty if it is not calibrated."""
        return self._parts.intervals

    @cached_property
    def atlas(self) -> Atlas:
        """The RDFs that it learned from, of torch."""
        return self._parts.atlas.of_torch()

    def known(self, kind: Kind, least: int = 0) -> tuple[Tensor, Tensor]:
        """(n, c) RDFs that there may be, by what it learned from (``Atlas.samples``), and outlines; made once."""
        if (kind, least) not in self._known:
            samples = self.atlas.samples(self.pairs, kind, least).double()
            self._known[kind, least] = samples, self.atlas.outlines(samples)
        return self._known[kind, least]

    @property
    def states(self) -> tuple[Array, tuple[str, ...]]:
        """(n, c) RDFs of the states that it learned from [Å⁻¹], and the phase of each."""
        return np.asarray(self._parts.atlas.density, dtype=np.float64), self._parts.atlas.phases

    @cached_property
    def most_neighbours(self) -> float:
        """N in the range ``first`` of the RDF that has most, of all that it learned from."""
        return float(self.ensemble.first(self._parts.atlas.density)[0].max())

    @cached_property
    def unmeasured(self) -> Mapping[str, float]:
        """Ranges of pairs whose N no spectrum tells (``PairSettings.any_number``), and the largest N that is known."""
        names = {self.partials.pairs[number] for number in self.pairs.any_number}
        ranges = {name: self.partials.range(name, limits) for name, limits in self.ranges.items()}
        return {
            name: float(self.partials.moments(self.states[0], limits)[:, 0].max())
            for name, limits in ranges.items()
            if limits.pair in names
        }

    @property
    def _uncounted(self) -> set[str]:
        """The pairs of these ranges."""
        return {self.partials.range(name, self.ranges[name]).pair for name in self.unmeasured}

    @cached_property
    def unseen(self) -> Mapping[str, float]:
        """Ranges of a metal's and its oxide's atoms, where both are known, and how many no scan shows for sure."""
        if not self.ensemble.knows_oxides:
            return {}
        density, phases = self.states
        is_metal = np.isin(phases, PHASES)
        found = {}
        for name, limits in self.ranges.items():
            if is_first(name) and name != "first":
                n = self.partials.moments(density, self.partials.range(name, limits))[:, 0]
                found[name] = UNSEEN * float(max(n[is_metal].mean(), n[~is_metal].mean()))
        return found

    @cached_property
    def composition(self) -> Mapping[str, float]:
        """Share of each element in all that it learned from, where it is the same; else empty."""
        plan = self.info.get("library", {}).get("plan", {})
        others = [key for key, value in plan.items() if isinstance(value, list) and key not in _NO_OTHERS]
        if not plan.get("solids") or any(plan[key] for key in others):
            return {}
        shares = [composition_of(solid["elements"]) for solid in plan["solids"]]
        return shares[0] if all(share == shares[0] for share in shares) else {}

    @property
    def info(self) -> Mapping[str, Any]:
        """Everything that the model file says of itself."""
        return self._parts.info

    @property
    def identity(self) -> str:
        """Name and first digits of the checksum."""
        return f"{self.name} ({self._parts.checksum[:12]})"

    def predict(self, chi: ChiK, reference: Reference | None = None) -> Prediction:
        """The RDF behind χ(k).

        Parameters
        ----------
        chi
            Fine structure of the model's own edge, to k ≥ 9 Å⁻¹.
        reference
            Energy zero and amplitude from a standard; without it both are the model's own guess, with wider errors.

        Raises
        ------
        ModelError
            If χ(k) is of another edge, or too short.
        """
        return self.predict_all([chi], reference)[0]

    def predict_all(self, scans: Sequence[ChiK], reference: Reference | None = None) -> list[Prediction]:
        """``predict`` for many scans, in their order.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """
        found: dict[int, Prediction] = {}
        for numbers in self.together(scans, _RECORDS):
            some = [scans[number] for number in numbers]
            answers = self.answers(Signals.of(some), reference, keep=True)
            found |= {number: answers.one(row, scans[number]) for row, number in enumerate(numbers)}
        return [found[number] for number in range(len(scans))]

    def together(self, scans: Sequence[ChiK], most: int) -> Iterator[list[int]]:
        """Numbers of the scans that are answered together: those on one grid of k, so many at most.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """
        for chi in scans:
            self.check(chi)
        groups = on_one_grid(scans)
        return (group[start : start + most] for group in groups for start in range(0, len(group), most))

    def signals(self, scans: Sequence[ChiK]) -> Signals:
        """Scans that it can answer together.

        Raises
        ------
        ModelError
            If it cannot answer one of them.
        SettingsError
            If there is none, or they are on different grids of k.
        """
        for chi in scans:
            self.check(chi)
        if not scans:
            raise SettingsError("there is no scan to learn from", where=self.name, remedy="Give scans of its edge")
        if len(groups := on_one_grid(scans)) > 1:
            grids = " and ".join(f"{scans[group[0]].k[1] - scans[group[0]].k[0]:g}" for group in groups[:2])
            reason = f"the scans are on different grids of k, in steps of {grids} Å⁻¹"
            raise SettingsError(reason, where=scans[groups[1][0]].source, remedy="Give raw scans, or χ(k) on one grid")
        return Signals.of(scans)

    def answers(self, signals: Signals, reference: Reference | None = None, *, keep: bool = False) -> Answers:
        """What ``predict`` says of many scans, as arrays.

        Parameters
        ----------
        signals
            Scans that ``check`` would not refuse.
        reference
            As for ``predict``.
        keep
            Whether to keep the samples of their RDFs, 64 kB each, which records need.
        """
        pieces = [signals[start : start + _PIECE] for start in range(0, max(len(signals), 1), _PIECE)]
        with one_core():
            return Answers.joined([self._answers(piece, reference, keep) for piece in pieces])

    def _answers(self, signals: Signals, reference: Reference | None, keep: bool) -> Answers:
        found = self.ensemble.estimates(signals, reference)
        density, referenced = found.mean, reference is not None
        raw = Raw(self.partials, self.pairs.smoothing, density, self.drawn(found, referenced))
        answers = self.explained(signals, reference, found, density)
        told = self.told(raw, "predicted", reference, answers.given, answers.excess, keep=keep)
        return answers.with_errors(told)

    def drawn(self, found: Estimates, referenced: bool) -> Callable[[slice, slice], Samples]:
        """What draws samples of the networks' RDFs, of some scans and in some cells."""
        return lambda rows, cells: self.ensemble.samples(found[rows], referenced, cells)

    def explained(self, signals: Signals, reference: Reference | None, found: Estimates, density: Array) -> Answers:
        """How the networks' RDFs (s, c) explain their scans: answers without ranges and error bars.

        ``density`` [Å⁻¹] is the mean of what the networks say, or what else follows from it.
        """
        ensemble = self.ensemble
        given = self.circumstances(found.k_max, signals.noise / found.amplitude, density)
        implied = ensemble.implied(density)
        usual = reference.amplitude if reference else self.pairs.amplitude
        signs = ensemble.signs(signals, found, density, implied, usual)
        chi_model = ensemble.as_measured(signals.k, implied, found.delta_e0, found.amplitude)
        misfit = misfit_of(signals, chi_model, self.features.kmin, found.k_max, self.pairs.scale)
        beside = reference.judges(signals.e0, signs.oxidised, found.delta_e0) if reference else False
        excess = misfit.excess("predicted", reference.leaves if reference else None, beside)
        return Answers(
            origin=self._origin(reference), density=density, spread=None, samples=None, shells={},
            delta_e0=found.delta_e0, delta_e0_std=found.delta_e0_std, amplitude=found.amplitude,
            amplitude_std=found.amplitude_std, chi_model=chi_model, misfit=misfit.r_factor, misfit_noise=misfit.noise,
            left=misfit.left, misfit_local=misfit.local, misfit_at=misfit.at, misfit_below=misfit.below, excess=excess,
            given=given, k_max=found.k_max, **vars(signs),
            domain_score=np.maximum.reduce(
                [ensemble.domain_score(signs, given), misfit.foreign("predicted"), self._crowded(density, misfit)]
            ),
            damping=np.zeros(len(signals)),
        )  # fmt: skip

    def _crowded(self, density: Array, misfit: Misfit) -> Array:
        """(s,) above 1: RDFs (s, c) that leave too much of their scans, and have far more atoms than space holds.

        One that leaves little is of oscillations that somebody made larger.
        """
        n = self.ensemble.first(density)[0]
        return np.where(misfit.leaves_much("predicted"), n / (_CROWDED * self.most_neighbours), 0.0)

    def check(self, chi: ChiK) -> None:
        """Refuse a χ(k) that the model cannot answer.

        Raises
        ------
        ModelError
            If it is of another edge, too short, or without noise.
        """
        self.check_edge(chi)
        if not 0 <= chi.noise < np.inf:
            raise ModelError(
                f"the noise ε_k of the scan is {chi.noise}", where=chi.source, remedy="Give a positive number"
            )
        if chi.k_max_usable < SHORTEST:
            raise ModelError(
                f"the signal can be used to k = {chi.k_max_usable:.2f} Å⁻¹, the model needs {SHORTEST:.0f}",
                where=chi.source, remedy="Measure further above the edge, or longer if noise ends it",
            )  # fmt: skip

    def check_edge(self, scan: ChiK | Spectrum) -> None:
        """Refuse a scan of another edge.

        Raises
        ------
        ModelError
            If it is.
        """
        if (scan.absorber, scan.edge) != (self.absorber, self.edge):
            raise ModelError(
                f"the model {self.name} is for {self.absorber} {self.edge}, the scan is of {scan.absorber} {scan.edge}",
                where=scan.source, remedy="Give a model of that edge with --model",
            )  # fmt: skip

    def can_answer(self, noise: Array | float, k_max_usable: Array | float) -> np.ndarray:
        """(s,) whether scans of its edge, with ε_k and largest k [Å⁻¹] (s,), pass ``check``."""
        return np.isfinite(noise) & (np.asarray(noise) >= 0) & (np.asarray(k_max_usable) >= SHORTEST)

    def told(
        self,
        raw: Raw,
        how: str,
        reference: Reference | None,
        given: Array,
        excess: Array,
        *,
        keep: bool,
        other: Array | float = 0.0,
    ) -> Told:
        """What is said of raw RDFs, ``"predicted"`` or ``"refined"`` in circumstances (s, q): errors that cover.

        What a misfit may hide is in them: they grow with its ``excess`` (s,), from the usual one on; and how far
        ``other`` (s,), relatively, N may lie elsewhere.
        """
        scales = self.intervals.get(f"{how} {'with reference' if reference else 'blind'}")
        scales = scales or self.intervals.get(f"{how} blind", {})  # of a model that was tried without standards only
        wider = np.hypot(1.0, np.maximum(excess / _USUAL - 1, 0))
        least = doubt_of(self._least(reference), self.pairs.beside_amplitude, self.oxidised(raw.density))
        bars = ErrorBars(scales, given, wider, reference is not None, least, other)
        ranges = {name: self.partials.range(name, limits) for name, limits in self.ranges.items()}
        if keep:
            ranges |= self.partials.shells(raw.density, but=self._uncounted)
        return bars.told(raw, ranges, keep=keep)

    def tested(self, density: Array) -> dict[str, Range]:
        """The ranges whose element is asked of the data, of RDFs (s, c): those of the model, and shells beside them."""
        named = {
            name: self.partials.range(name, limits)
            for name, limits in self.ranges.items()
            if name not in self.unmeasured
        }
        shells = self.partials.shells(density, but=self._uncounted)
        distances = {name: self.partials.moments(density, shell)[:, 1] for name, shell in shells.items()}
        return named | {name: shell.beside(named.values(), distances[name]) for name, shell in shells.items()}

    def _least(self, reference: Reference | None) -> float:
        """Relative standard deviation of N at least: of an amplitude that nobody measured, or of the sample's own."""
        if reference is None:
            return self.pairs.amplitude_std
        return math.hypot(SAMPLES_APART, reference.amplitude_std / reference.amplitude if reference.apart else 0.0)

    def circumstances(self, k_max: Array, noise: Array, density: Array) -> Array:
        """(s, q) as ``learn.intervals`` has them, of scans with RDFs (s, c) [Å⁻¹].

        Parameters
        ----------
        k_max, noise
            (s,) largest k that was used [Å⁻¹], and ε_k over the amplitude that was predicted.
        """
        return self.ensemble.circumstances(k_max, noise, density, self._disorder(density))

    def _disorder(self, density: Array) -> Array:
        """(s,) σ² in the range ``first`` of RDFs (s, c) [Å²]; of a metal and its oxides in those of all shells."""
        if not self.ensemble.knows_oxides:
            return self.partials.moments(density, self.first)[:, 2]
        counted = {name for name in self.ranges if is_first(name)} - {"first"} | {of_metal(self.ranges)}
        firsts = [self.partials.range(name, limits) for name, limits in self.ranges.items() if name in counted]
        n, _, sigma2, _ = np.moveaxis(np.stack([self.partials.moments(density, first) for first in firsts]), -1, 0)
        mean: Array = np.nansum(n * sigma2, axis=0) / np.maximum(n.sum(axis=0), 1e-9)
        return mean

    @property
    def first(self) -> Range:
        """The range ``first`` of the first pair."""
        return self.partials.range("first", self.ranges["first"])

    def seen_as(self, density: Array) -> list[str]:
        """The phases that RDFs (s, c) are most like, of ``Atlas.kinds``."""
        kinds = self._parts.atlas.kinds
        return [kinds[number] for number in self.ensemble.likeness(density).argmax(axis=1)]

    def oxidised(self, density: Array) -> Array:
        """(s,) how much of the absorbers is in an oxide, by RDFs (s, c); 0 of a model that knows none."""
        return self.ensemble.oxidised(density)

    @property
    def knows_metals(self) -> bool:
        """Whether crystals of metals, or alloys, are among what it learned from; else it is of compounds."""
        return self.pairs.is_varied or bool(set(PHASES) & set(self._parts.atlas.phases))

    @property
    def knows_domain(self) -> bool:
        """Whether it tells what it cannot know."""
        return self._parts.domain is not None

    def _origin(self, reference: Reference | None) -> Origin:
        return Origin(
            self.identity, self.partials, self.pairs.smoothing, self.features.kmin, bool(self.intervals), reference,
            self._said(reference), self._least(reference), self.most_neighbours,
            self.composition, self.unmeasured, self.unseen, self.pairs.beside_amplitude,
        )  # fmt: skip

    def _said(self, reference: Reference | None) -> str:
        """What was assumed about the amplitude, in words."""
        if reference:
            standard = f"{reference.source} ({reference.structure})" if reference.structure else reference.source
            return f"predicted by {self.identity}, amplitude {reference.amplitude:.3f} from {standard}"
        prior = self.pairs
        return (
            f"predicted by {self.identity}, no reference: amplitude near {prior.amplitude} ± {prior.amplitude_std:.0%}"
            " assumed, which widens the error of N"
        )


def load_model(name: str) -> Model:
    """A shipped model by name (``"fe-k"``), or one's own by its path.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    return Model(read_model(name))
