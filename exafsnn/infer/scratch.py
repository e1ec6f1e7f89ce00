"""An inverse network learns from scans alone, from nothing: no RDF is known, and physics is the only teacher.

As AutoPhaseNN does (Yao et al., npj Comput. Mater. 8, 124 (2022)): a network says what the sample is, the forward model
says what that would have been measured as, and the misfit teaches the network. A spectrum does not tell n(r) bin by
bin; so the network says shells of crystals (``learn.shells``), of which the kinds, the density of the sample and the
amplitude S₀² are known. What the forward model is of, and which features there are, a model says; its networks and the
RDFs that they learned from are not asked. How to learn is chosen by the misfit of scans that were held out.

A ``Member`` learns then to say of these scans what the network of shells says: so the model that is written is like any
other. Nothing tells how wrong it is, so it is not calibrated, and says so.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import ATOMIC_MASS_GRAM, K2_PER_EV
from exafsnn.errors import SettingsError
from exafsnn.infer.answers import Answers
from exafsnn.infer.cores import one_core
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import SHORTEST, Model
from exafsnn.learn.features import FeatureMap, FeatureSettings, Known
from exafsnn.learn.loop import descend
from exafsnn.learn.loss import Targets, member_loss
from exafsnn.learn.model_file import path_of_new, read_model, save_like
from exafsnn.learn.modules import Member
from exafsnn.learn.network import NetworkSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.learn.shells import KINDS, ShellDecoder, ShellNetwork, ShellOutput
from exafsnn.physics.forward import Forward
from exafsnn.physics.fourier import hanning_window, shift_energy, transform_matrix
from exafsnn.records import CRYSTALS, ChiK
from exafsnn.settings import Settings
from exafsnn.workers import Tell, silent

UNCALIBRATED: dict[str, Any] = {"members": 1, "intervals": {}, "domain": {}}
"""What the JSON of a model says whose one network nobody has judged."""
LEAST_SCANS = 200
"""Fewer teach a network too little that starts from nothing."""
_DENSITIES = (0.005, 0.2)
"""Atoms in an Å³ that crystals of one element have: caesium 0.008, diamond 0.176."""
_AMPLITUDES = (0.3, 1.3)
"""S₀² that there may be."""
_SHORTER = 1.5
"""Of half the copies of a scan the k range is shorter by up to this [Å⁻¹]."""
_MOVED = 0.5
"""Of half the copies that the network of shells sees another energy zero is assumed, off by up to so much of the range
of the prior."""
_SEEN = (1.3, 6.5, 0.1)
"""R [Å, in iron] where the misfit is taken: from below the first shell to the last bin, and the steps."""
_PERFECT = 1e-3
"""Misfits, in units of what is allowed, that are as good as none."""
_JUDGED = 0.05
"""Floor by which misfits of different trainings are compared."""
_HOT, _COLD = 0.84, 1.03
"""Atoms in the bins over those that the known density lets expect, at least and at most: a metal grows by 7 % until it
melts (E. Grüneisen, Ann. Phys. 344, 257 (1912)), and by 3 to 6 % when it does …"""
_DENSITY_STD = 0.05
"""… beyond that, so much costs as much as a standard deviation."""
_KEPT = 1e-3
"""Weight of the energy zero, in units of its prior, and of the numbers of which shells are made: they stay finite."""
_TOLD_EVERY = 50
"""Steps."""


@dataclass(frozen=True)
class ScratchSettings(Settings):
    """How long the networks learn, and what is tried."""

    steps: int = 3000
    """Of the network of shells …"""
    batch: int = 256
    learning_rates: tuple[float, ...] = (3e-3, 6e-3)
    """… its largest learning rates that are tried …"""
    floors: tuple[float, ...] = (0.05, 0.1)
    """… and shares of χ(R) that the misfit may leave besides noise: errors of theory and of shells …"""
    trial_steps: int = 200
    """… each so long."""
    held_out: float = 0.1
    """Share of the scans by which that is chosen."""
    density_weight: float = 0.01
    """Of the known density."""
    member_steps: int = 4000
    """Of the network that learns to say the same …"""
    member_rate: float = 8e-3
    """… and its largest learning rate."""
    seed: int = 7


@dataclass(frozen=True)
class Unlabelled:
    """A model that has learned without labels, and what came of it."""

    path: Path
    model: Model
    answers: Answers
    """What it says of the scans."""
    learning_rate: float
    floor: float
    """What was chosen, by the misfit alone."""
    misfit: float
    """Mean share of Σ|χ(R)|² of held-out scans, noise included, that the network of shells leaves …"""
    trials: tuple[tuple[float, float, float], ...]
    """… and learning rate, floor and mean ln(misfit) of each trial."""
    density: np.ndarray
    """(s, b) n(r) [Å⁻¹] that the network of shells says of the scans …"""
    network: ShellNetwork
    """… and this network itself."""


def train_unlabelled(
    name: str,
    scans: Sequence[ChiK] | Signals,
    output: str | Path,
    settings: ScratchSettings | None = None,
    *,
    amplitude: float,
    amplitude_std: float,
    density: float,
    crystals: Sequence[str] = CRYSTALS,
    progress: Tell = silent,
) -> Unlabelled:
    """Train a model of nothing but scans, and write it.

    Parameters
    ----------
    name
        Name or path of the model whose forward model, features and bins are used; its networks are not.
    scans
        χ(k) of the model's edge on one grid of k, of many states of one element.
    output
        Path of the model: ``NAME.safetensors``; its JSON appears beside it.
    amplitude, amplitude_std
        S₀² of the scans, and its standard deviation.
    density
        Atoms for each Å³ of the sample when it is cold.
    crystals
        Which there may be, of ``learn.shells.KINDS``; mixtures and melts are described by them, too.

    Raises
    ------
    ModelError
        If the model is damaged, or of another edge than a scan.
    SettingsError
        If there are too few scans, a crystal is unknown, or a number is none.
    ExafsnnError
        If another run writes ``output``, or the disk refuses.
    """
    settings, path = settings or ScratchSettings(), path_of_new(output, name)
    parts = read_model(name)
    model = Model(parts)
    _check(model, amplitude, amplitude_std, density, crystals)
    signals = scans if isinstance(scans, Signals) else model.signals(scans)
    if len(signals) < LEAST_SCANS:
        reason = f"{len(signals)} scans are too few to learn from alone"
        remedy = f"Give {LEAST_SCANS} at least, or adapt the model that there is, which needs few"
        raise SettingsError(reason, where=model.name, remedy=remedy)
    pairs = replace(parts.pairs, amplitude=amplitude, amplitude_std=amplitude_std / amplitude)
    size = parts.members[0].settings
    with one_core():
        copies = Copies(signals, pairs, parts.features)
        school = _School(copies, _of_torch(parts.forward), density, crystals, size, settings, progress)
        (rate, floor), trials = school.choose()
        teacher = school.taught(rate, floor, settings.steps)
        said, zeros = shells_of(teacher, copies)
        told = school.tell("the network that says the same")
        member = learner(copies, said, zeros, size, settings, told, teacher.trunk)
    misfit = school.left(teacher)
    facts = {
        "of": model.identity, "labels": "none", "scans": len(signals), "settings": settings.to_mapping(),
        "density": density, "crystals": list(crystals), "learning_rate": rate, "floor": floor, "misfit": misfit,
    }  # fmt: skip
    tensors = {f"member0.{key}": value for key, value in member.state_dict().items()}
    save_like(name, path, tensors, {**UNCALIBRATED, "pairs": pairs.to_mapping(), "adapted": facts})
    made = Model(read_model(str(path)))
    answers = made.answers(signals)
    return Unlabelled(path, made, answers, rate, floor, misfit, trials, said.numpy(), teacher)


def atoms_per_volume(element: str, grams: float) -> float:
    """Atoms for each Å³ of an element that weighs so many g/cm³."""
    import xraydb

    return grams * 1e-24 / (float(xraydb.atomic_mass(element)) * ATOMIC_MASS_GRAM)


def _check(model: Model, amplitude: float, amplitude_std: float, density: float, crystals: Sequence[str]) -> None:
    """Refuse what no sample is."""
    unknown = [kind for kind in crystals if kind not in KINDS]
    if unknown or not crystals:
        reason = (
            f"{str(unknown[0])[:40]!r} is no crystal of one element that is known here" if unknown else "no crystal"
        )
        raise SettingsError(reason, where="crystals", remedy=f"Give some of {', '.join(KINDS)}")
    if len(model.partials.pairs) > 1:
        reason = f"the model {model.name} is of {len(model.partials.pairs)} pairs, and crystals here are of one element"
        raise SettingsError(reason, where=model.name, remedy="Give the model of a metal")
    if not _DENSITIES[0] <= density <= _DENSITIES[1]:
        low, high = _DENSITIES
        reason = f"{density:g} atoms in an Å³ are none of a crystal"
        raise SettingsError(reason, where="density", remedy=f"Give atoms for each Å³, {low:g} to {high:g}; iron 0.085")
    if not (_AMPLITUDES[0] <= amplitude <= _AMPLITUDES[1] and 0 < amplitude_std < amplitude):
        reason = f"S₀² = {amplitude:g} ± {amplitude_std:g} is no amplitude that is known"
        remedy = f"Give S₀² of a standard of the same beamline, {_AMPLITUDES[0]:g} to {_AMPLITUDES[1]:g}, and its error"
        raise SettingsError(reason, where="amplitude", remedy=remedy)


def _of_torch(forward: Forward) -> Forward:
    """The same, of torch."""
    return Forward({name: torch.from_numpy(np.array(value)).float() for name, value in forward.parts.items()})


@dataclass(frozen=True)
class Copy:
    """Copies of scans, as another look at them would show them."""

    row: Tensor
    """(n,) which scan each is of."""
    chi: Tensor
    """(n, m) χ(k) on the features' grid, by the assumed amplitude and energy zero."""
    known: Known
    zero: Tensor
    """(n,) energy zero that is assumed [eV]."""
    log_amplitude: Tensor
    """(n,) ln of what the amplitude is wrong by."""


class Copies:
    """Scans, and copies of them without end; what the truth behind them is, it does not know.

    Parameters
    ----------
    signals
        Scans.
    pairs
        What is known of amplitude and energy zero beforehand.
    """

    def __init__(self, signals: Signals, pairs: PairSettings, features: FeatureSettings) -> None:
        self.pairs, self.map = pairs, FeatureMap(features)
        self._k, self._scan_k = torch.from_numpy(self.map.k), torch.from_numpy(signals.k).float()
        self._chi = torch.from_numpy(signals.chi).float() / pairs.amplitude
        self._noise = torch.from_numpy(signals.noise).float() / pairs.amplitude
        self._k_max = torch.from_numpy(signals.k_max_usable).float().clamp_max(features.kmax)

    def __len__(self) -> int:
        return len(self._chi)

    def features(self, copy: Copy) -> Tensor:
        """(n, width) what a network sees."""
        seen: Tensor = self.map(copy.chi, copy.known)
        return seen

    def plain(self, row: Tensor) -> Copy:
        """Scans as they are, their energy zero unknown."""
        zero = torch.full_like(self._noise[row], self.pairs.e0)
        return self._seen(row, zero, zero * 0 + self._unknown, torch.zeros_like(zero))

    def unknown(self, row: Tensor, random: torch.Generator) -> Copy:
        """Copies whose energy zero is unknown, half of them with another that is assumed; the amplitude is right."""
        uniform = torch.rand(2, len(row), generator=random)
        zero = self.pairs.e0 + _MOVED * self.pairs.e0_range * (2 * uniform[0] - 1) * (uniform[1] < 0.5)
        return self._seen(row, zero, zero * 0 + self._unknown, torch.zeros_like(zero), random)

    def looks(self, row: Tensor, found: Tensor, random: torch.Generator) -> Copy:
        """Copies as ``infer.ensemble`` looks at them: first with an unknown zero, then with one nearly ``found`` (n,).

        Their amplitudes are wrong by as much as networks are told that they may be.
        """
        n, pairs = len(row), self.pairs
        uniform, normal = torch.rand(5, n, generator=random), torch.randn(2, n, generator=random)
        first, near = uniform[0] < 1 - pairs.zero_known, _between(pairs.known_e0_std, uniform[1])
        anywhere = pairs.e0 + pairs.e0_range * (2 * uniform[2] - 1)
        zero = torch.where(first, anywhere, found + near * normal[0])
        std = torch.where(first, zero * 0 + self._unknown, near)
        told = torch.where(uniform[3] < 0.5, zero * 0 + pairs.amplitude_std, _between(pairs.reference_std, uniform[4]))
        return self._seen(row, zero, std, told * normal[1], random, told)

    @property
    def _unknown(self) -> float:
        """Standard deviation of an energy zero of which nothing is known [eV]."""
        return self.pairs.e0_range / math.sqrt(3)

    def _seen(
        self, row: Tensor, zero: Tensor, e0_std: Tensor, log: Tensor, random: torch.Generator | None = None,
        told: Tensor | None = None,
    ) -> Copy:  # fmt: skip
        """Copies of scans; with ``random`` of a shorter k range and with more noise."""
        k_max, noise = self._k_max[row], self._noise[row]
        chi = shift_energy(self._chi[row], self._k, self._scan_k, -zero, K2_PER_EV) * log.exp()[:, None]
        if random is not None:
            uniform = torch.rand(3, len(row), generator=random)
            shorter = k_max - _SHORTER * uniform[0] * (uniform[1] < 0.5)
            k_max = torch.maximum(shorter, k_max.clamp_max(SHORTEST))
            more = noise * uniform[2]
            chi = chi + more[:, None] * torch.randn(chi.shape, generator=random)
            noise = (noise**2 + more**2).sqrt()
        std = torch.full_like(noise, self.pairs.amplitude_std) if told is None else told
        return Copy(row, chi, Known(k_max, noise, std, e0_std), zero, log)


def _between(ends: tuple[float, float], uniform: Tensor) -> Tensor:
    return ends[0] + (ends[1] - ends[0]) * uniform


def learner(
    copies: Copies, density: Tensor, zero: Tensor, size: NetworkSettings, settings: ScratchSettings,
    told: Callable[[Iterator[Any], int], Iterator[Any]] = lambda batches, _: batches, trunk: Member | None = None,
) -> Member:  # fmt: skip
    """A network that has learned to say RDFs (s, b) [Å⁻¹] and energy zeros (s,) [eV] of scans, of copies of them.

    ``train_unlabelled`` has what another network says of them, whose ``trunk`` goes on; benchmarks, the truth.
    """
    random = torch.Generator().manual_seed(settings.seed + 2)
    bins, step = density.shape[1], copies.pairs.r_step
    member = _seeded(settings.seed, lambda: Member(copies.map.width, bins, size))

    def draw(n: int) -> Copy:
        row = torch.randint(len(copies), (n,), generator=random)
        return copies.looks(row, zero[row], random)

    def loss(copy: Copy) -> Tensor:
        wanted = Targets(density[copy.row], zero[copy.row] - copy.zero, copy.log_amplitude)
        return member_loss(member(copies.features(copy)), wanted, bins, step)

    if trunk is None:
        member.fit_scale(copies.features(draw(4096)))
    else:
        own = {name: value for name, value in trunk.state_dict().items() if name.startswith(_TRUNK)}
        member.load_state_dict(own, strict=False)
    steps = settings.member_steps
    descend(
        member, told((draw(settings.batch) for _ in range(steps)), steps), loss, steps, settings.member_rate, clip=10.0
    )
    return member.eval()


def shells_of(network: ShellNetwork, copies: Copies) -> tuple[Tensor, Tensor]:
    """RDFs (s, b) [Å⁻¹] and energy zeros (s,) [eV] that a network of shells says of scans as they are."""
    density, zeros = [], []
    with torch.no_grad():
        for row in torch.arange(len(copies)).split(256):
            copy = copies.plain(row)
            output = network(copies.features(copy))
            density.append(output.density)
            zeros.append(copy.zero + output.e0)
    return torch.cat(density), torch.cat(zeros)


_TRUNK = ("mean", "whiten", "size", "first", "inner", "e0")
"""What networks have in common that say n(r) in different ways."""


def _seeded(seed: int, make: Callable[[], Any]) -> Any:
    """What ``make`` makes of random numbers, always the same; those of others go on as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


class _School:
    """What a network of shells learns from: scans, and the forward model."""

    def __init__(
        self, copies: Copies, forward: Forward, density: float, crystals: Sequence[str], size: NetworkSettings,
        settings: ScratchSettings, progress: Tell,
    ) -> None:  # fmt: skip
        self._copies, self._forward, self._size, self._settings = copies, forward, size, settings
        self._given, self._progress = (density, tuple(crystals)), progress
        self._done, trials = 0, len(settings.learning_rates) * len(settings.floors)
        self._all = (settings.trial_steps * trials if trials > 1 else 0) + settings.steps + settings.member_steps
        order = torch.randperm(len(copies), generator=torch.Generator().manual_seed(settings.seed))
        out = max(1, round(settings.held_out * len(copies)))
        self._judges, self._learn = order[:out], order[out:]
        k, scale = torch.from_numpy(copies.map.k), copies.pairs.scale
        low, high, step = (scale * value for value in _SEEN)
        r = torch.arange(low, high + step / 2, step)
        self._k, self._matrix = k, torch.as_tensor(transform_matrix(k, r))

    def choose(self) -> tuple[tuple[float, float], tuple[tuple[float, float, float], ...]]:
        """Learning rate and floor of the least misfit of held-out scans, and what all came to."""
        s = self._settings
        ways = list(product(s.learning_rates, s.floors))
        if len(ways) == 1:
            return ways[0], ()
        trials = tuple((*way, self.judged(self.taught(*way, s.trial_steps))) for way in ways)
        rate, floor, _ = min(trials, key=lambda trial: trial[2] if math.isfinite(trial[2]) else math.inf)
        return (rate, floor), trials

    def taught(self, rate: float, floor: float, steps: int) -> ShellNetwork:
        """A network that has learned for so many steps."""
        random = torch.Generator().manual_seed(self._settings.seed + 1)
        network = self._new(random)

        def loss(copy: Copy) -> Tensor:
            output = network(self._copies.features(copy))
            filling = network.decoder.filling(output.density)
            beyond = (filling - _COLD).clamp_min(0) + (_HOT - filling).clamp_min(0)
            kept = (output.e0 / copy.known.e0_std).square().mean() + output.raw.square().mean()
            weight = self._settings.density_weight
            crowded = weight * (beyond / _DENSITY_STD).square().mean()
            return self._misfit(output, copy, floor).log().mean() + crowded + _KEPT * kept

        what = f"shells, trying rate {rate:g} and floor {floor:g}" if steps < self._settings.steps else "shells"
        batches = (self._draw(self._settings.batch, random) for _ in range(steps))
        descend(network, self.tell(what)(batches, steps), loss, steps, rate, clip=10.0)
        return network.eval()

    def judged(self, network: ShellNetwork) -> float:
        """Mean ln(misfit) of held-out scans."""
        copy = self._copies.plain(self._judges)
        with torch.no_grad():
            return float(self._misfit(network(self._copies.features(copy)), copy, _JUDGED).log().mean())

    def left(self, network: ShellNetwork) -> float:
        """Mean share of Σ|χ(R)|² that is left of held-out scans."""
        copy = self._copies.plain(self._judges)
        with torch.no_grad():
            left, seen, _ = self._spectra(network(self._copies.features(copy)), copy)
        return float((left / seen).mean())

    def tell(self, what: str) -> Callable[[Iterator[Any], int], Iterator[Any]]:
        """Batches as they come, and how far that is."""

        def told(batches: Iterator[Any], steps: int) -> Iterator[Any]:
            for number, batch in enumerate(batches):
                if number % _TOLD_EVERY == 0:
                    self._progress(self._done + number, self._all, what)
                yield batch
            self._done += steps
            self._progress(self._done, self._all, what)

        return told

    def _new(self, random: torch.Generator) -> ShellNetwork:
        pairs, (density, crystals) = self._copies.pairs, self._given
        decoder = ShellDecoder(torch.from_numpy(pairs.bins()), density, crystals, pairs.smoothing)
        network: ShellNetwork = _seeded(
            self._settings.seed, lambda: ShellNetwork(self._copies.map.width, decoder, self._size)
        )
        row = torch.randint(len(self._copies), (4096,), generator=random)
        zero = torch.full((len(row),), float(pairs.e0))
        network.fit_scale(self._copies.features(self._copies.looks(row, zero, random)))  # as the next network sees it
        return network

    def _draw(self, n: int, random: torch.Generator) -> Copy:
        row = self._learn[torch.randint(len(self._learn), (n,), generator=random)]
        return self._copies.unknown(row, random)

    def _misfit(self, output: ShellOutput, copy: Copy, floor: float) -> Tensor:
        """(n,) Σ|Δχ(R)|² over what noise and floor leave of it, never quite 0."""
        left, seen, noise = self._spectra(output, copy)
        return left / (noise + floor**2 * seen) + _PERFECT

    def _spectra(self, output: ShellOutput, copy: Copy) -> tuple[Tensor, Tensor, Tensor]:
        """(n,) Σ|χ(R)|² of what is left, of what is seen, and of noise."""
        implied = shift_energy(self._forward(output.density), self._k, self._k, output.e0, K2_PER_EV)
        known, s = copy.known, self._copies.map.settings
        window = hanning_window(self._k, torch.full_like(known.kmax, s.kmin), known.kmax, s.dk)
        weight = self._k**2 * window
        left, seen = (((of * weight) @ self._matrix).square().sum(dim=1) for of in (copy.chi - implied, copy.chi))
        noise = weight.square() @ self._matrix.square().sum(dim=1) * known.noise**2
        return left, seen, noise
