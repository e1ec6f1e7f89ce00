"""A trained model adapts to measured scans, of which no RDF is known: the forward model teaches its networks.

AutoPhaseNN (Yao et al., npj Comput. Mater. 8, 124 (2022)) trains on measurements alone, the physics being the teacher.
Here a model is there before, and three things hold it:

1. What the scans share is found from all of them together (``Refiner.common``): energy zero, S₀², and the smooth errors
   of theory, by which another FEFF treatment or potential differs from that of the training. The forward model takes
   these over, so that it is of the scans' own theory.
2. Through it each scan is refined: what minimises its misfit in units of its noise, on a prior of RDFs that there can
   be (n(r) ≥ 0, no atoms closer than the bins begin, the densities of what is known). The networks learn to say the
   same, of the scans as they are and with more noise, a shorter k range and another energy zero, and to leave as little
   unexplained as they can. They learn as well the RDFs of the model's atlas as this theory would show them, so that
   the next scan of the session is answered, too.
3. Of spectra of the old kind, the atlas through the old theory, they go on to say what they said: a guard.

Its error bars are those of the model that it was, those of ``predict`` times what errors on such simulated spectra have
grown by in units of the networks' own doubt; ``validate.calibration`` sets them anew where libraries are at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import SettingsError
from exafsnn.infer.answers import Answers
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import SHORTEST, Model
from exafsnn.infer.refine import Refiner
from exafsnn.infer.theory import Session, Theory
from exafsnn.learn.features import FeatureMap, Known
from exafsnn.learn.intervals import Scale
from exafsnn.learn.loop import descend
from exafsnn.learn.loss import Targets, member_loss
from exafsnn.learn.model_file import path_of_new, read_model, save_like
from exafsnn.learn.modules import Member
from exafsnn.learn.network import Network, Output
from exafsnn.physics.distortion import distort
from exafsnn.physics.forward import Forward
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import ChiK
from exafsnn.settings import Settings
from exafsnn.workers import Tell, silent

LEAST_SCANS = 3
"""Fewer tell too little of what they share."""
_LOOKED_STD = 1.2
"""How well an energy zero is known after a first look [eV], as ``infer.ensemble`` tells the networks."""
_TOLD = 10
"""Steps between two words of progress."""
_SHORTER = 1.5
"""Of half the copies of a scan the k range is shorter by up to this [Å⁻¹]."""
_AMPLITUDES = 0.05
"""By so much, relatively, S₀² of other scans of the session may differ."""
_SEEN = 0.05
"""Bins above this share of an RDF's maximum count …"""
_DRAWN = 1000
"""… of so many simulated spectra, which tell how well the networks do before and after."""


@dataclass(frozen=True)
class AdaptSettings(Settings):
    """How long and how fast networks adapt."""

    steps: int = 300
    learning_rate: float = 5e-4
    scans: int = 64
    """Copies of the scans in each step …"""
    theirs: int = 128
    """… spectra of the atlas as the scans' theory would show them …"""
    old: int = 96
    """… and as the old one does, of which the answers stay."""
    weight: float = 4.0
    """Of the scans …"""
    told: float = 0.5
    """… of the atlas by their theory …"""
    misfit: float = 20.0
    """… of the share of their signal that the answers do not explain, noise aside …"""
    guard: float = 2.0
    """… and of what stays."""
    seed: int = 7


@dataclass(frozen=True)
class Adapted:
    """A model that has adapted, and what came of it."""

    path: Path
    model: Model
    before: Answers
    """What the model said of the scans …"""
    after: Answers
    """… and what it says now."""
    used: np.ndarray
    """(s,) whether a scan taught; foreign ones do not."""
    session: Session
    """What all scans together told (``infer.theory``)."""
    old: tuple[float, float]
    """Relative error of n(r) on simulated spectra of the old kind, before and after."""
    error_bars: float
    """By how much the error bars of ``predict`` are wider now."""


def adapt(
    name: str,
    scans: Sequence[ChiK],
    output: str | Path,
    settings: AdaptSettings | None = None,
    *,
    standard: ChiK | None = None,
    structure: str | None = None,
    progress: Tell = silent,
) -> Adapted:
    """Adapt a model to scans of one session without knowing any RDF of them, and write it.

    Parameters
    ----------
    name
        Name or path of the model, which stays as it is.
    scans
        χ(k) of the model's edge, of one beamline and on one grid of k; three at least that are not foreign to it.
    output
        Path of the adapted model: ``NAME.safetensors``; its JSON appears beside it.
    standard, structure
        A standard of the session and its structure, as for ``Refiner``: the amplitude is known then.

    Raises
    ------
    ModelError
        If the model cannot answer one of the scans, or is damaged.
    SettingsError
        If too few scans are left to learn from, or a standard is given without its structure.
    ExafsnnError
        If another run writes ``output``, or the disk refuses.
    """
    settings, path = settings or AdaptSettings(), path_of_new(output, name)
    parts = read_model(name)
    model = Model(parts)
    signals = model.signals(scans)
    refiner = Refiner(model, standard, structure)
    before = model.answers(signals, refiner.reference)
    used = before.domain_score <= 1
    if used.sum() < LEAST_SCANS:
        foreign = f", {int((~used).sum())} more are foreign to it" if not used.all() else ""
        reason = f"{int(used.sum())} scans that {model.name} knows are too few to adapt to{foreign}"
        raise SettingsError(reason, where=model.name, remedy=f"Give {LEAST_SCANS} scans of one session at least")
    progress(0, 1, f"what {int(used.sum())} scans share")
    session = refiner.common(signals[used])
    refined = Refiner(model, standard, structure, session=session).answers(signals[used])
    forward = _taken_over(refiner.theory, session)
    lessons = _Lessons(model, signals[used], before[used], refined, session, refiner, forward, settings)
    members = [_learner(of) for of in parts.members]
    error, scaled = lessons.errors(members)
    for number, member in enumerate(members):
        batches = _counted(lessons.batches(number), progress, number * settings.steps, len(members) * settings.steps)
        loss = lessons.loss(member, number)
        descend(member, batches, loss, settings.steps, settings.learning_rate, weight_decay=0.0, clip=10.0)
    new_error, new_scaled = lessons.errors(members)
    factor = new_scaled / scaled
    facts = {"of": model.identity, "scans": int(used.sum()), "settings": settings.to_mapping(),
             "session": session.mean[0].tolist(), "error_bars": factor}  # fmt: skip
    intervals = {kind: {quantity: _widened(scale, factor if kind.startswith("predicted") else 1.0)
                        for quantity, scale in of.items()} for kind, of in parts.intervals.items()}  # fmt: skip
    tensors = {f"forward.{key}": value for key, value in forward.items()}
    for number, member in enumerate(members):
        tensors |= {f"member{number}.{key}": value for key, value in member.state_dict().items()}
    save_like(name, path, tensors, {"intervals": intervals, "adapted": facts})
    adapted = Model(read_model(str(path)))
    after = adapted.answers(signals, Refiner(adapted, standard, structure).reference)
    return Adapted(path, adapted, before, after, used, session, (error, new_error), factor)


def _counted(batches: Iterator[_Batch], progress: Tell, start: int, total: int) -> Iterator[_Batch]:
    """The same batches; it is told how many have been."""
    for number, batch in enumerate(batches, start):
        if number % _TOLD == 0:
            progress(number, total, "steps of the networks")
        yield batch


def _learner(network: Network) -> Member:
    """A network of a model, that learns; what it says of its own doubt stays."""
    width, bins = network.parts["first.weight"].shape[1] + 1, network.parts["density.weight"].shape[0]
    member = Member(width, bins, network.settings)
    member.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in network.parts.items()})
    return member


def _taken_over(theory: Theory, session: Session) -> dict[str, Tensor]:
    """The parts of the forward model that are linear in χ, with the smooth errors of a session in them."""
    forward, shared = theory.forward, session.mean
    amplitude, phase = theory.distortion(shared)
    amplitude, multiple = amplitude / shared[:, 1:2].exp(), 1 + shared[:, -1:]  # S₀² is no error of theory
    rest = torch.cat([forward["rest_mean"][None], forward["rest_basis"]])
    turned = [distort(rows, amplitude, phase) for rows in (forward["kernel"].T, multiple * rest)]
    return {"kernel": turned[0].T, "rest_mean": turned[1][0], "rest_basis": turned[1][1:]}


def _widened(scale: Scale, factor: float) -> dict[str, Any]:
    """A scale of error bars, so many times as wide, for JSON."""
    ends = {name: tuple(factor * end for end in getattr(scale, name)) for name in ("low", "high")}
    return replace(scale, **ends).to_mapping()


@dataclass(frozen=True)
class _Batch:
    """What a network sees in one step: copies of scans, the atlas by their theory, and spectra of the old kind."""

    scans: tuple[Tensor, Targets]
    chi: tuple[Tensor, Known]
    """χ(k) of the copies, over the assumed amplitude, and what is known of them."""
    theirs: tuple[Tensor, Targets]
    old: Tensor


class _Lessons:
    """What the networks learn from."""

    def __init__(
        self, model: Model, signals: Signals, start: Answers, refined: Answers, session: Session, refiner: Refiner,
        taken_over: dict[str, Tensor], settings: AdaptSettings,
    ) -> None:  # fmt: skip
        self._settings, self._pairs, self._theory = settings, model.pairs, refiner.theory
        self._map, self._session = FeatureMap(model.features), session
        self._bins = len(model.pairs.bins())
        reference = refiner.reference
        self._amplitude = reference.amplitude if reference else model.pairs.amplitude
        self._amplitude_std = reference.amplitude_std / reference.amplitude if reference else model.pairs.amplitude_std
        self._k, self._scan_k = torch.from_numpy(self._map.k), torch.from_numpy(signals.k).float()
        self._chi, self._noise = torch.from_numpy(signals.chi).float(), torch.from_numpy(signals.noise).float()
        self._k_max, self._zero = torch.from_numpy(start.k_max).float(), torch.from_numpy(start.delta_e0).float()
        self._wanted = torch.from_numpy(refined.density).float()
        self._found_zero = torch.from_numpy(refined.delta_e0).float()
        self._found_log = torch.from_numpy(np.log(refined.amplitude / self._amplitude)).float()
        self._atlas = model.atlas.density.float()
        usual_parts = {name: torch.from_numpy(value) for name, value in model.forward.parts.items()}
        self._forward = Forward(usual_parts | {name: value.float() for name, value in taken_over.items()})
        usual = refiner.theory.session(np.zeros(1), 0.0, np.ones(1), 0.0)
        self._old_factor = usual.covariance[0].sqrt()  # diagonal
        self._new_factor = torch.linalg.cholesky(session.covariance[0])
        self._before = [_learner(network).eval() for network in model.members]
        self._judged = self._old(_DRAWN, torch.Generator().manual_seed(settings.seed + 1000))

    def batches(self, number: int) -> Iterator[_Batch]:
        """For one network, by its number."""
        random = torch.Generator().manual_seed(self._settings.seed + number)
        for _ in range(self._settings.steps):
            copies, theirs = self._copies(random), self._theirs(random)
            yield _Batch(*copies, theirs, self._old(self._settings.old, random)[0])

    def loss(self, member: Member, number: int) -> Callable[[_Batch], Tensor]:
        """Of one network, by its number, and a batch."""
        s, step, before = self._settings, self._pairs.r_step, self._before[number]

        def of(batch: _Batch) -> Tensor:
            (seen, wanted), (by_theory, known) = batch.scans, batch.theirs
            said_of_scans = member(seen)
            scans = member_loss(said_of_scans, wanted, self._bins, step)
            theirs = member_loss(member(by_theory), known, self._bins, step)
            missed = self._map.unexplained(batch.chi[0], self._implied(said_of_scans), batch.chi[1])
            with torch.no_grad():
                said = before(batch.old)
            return (
                s.weight * scans + s.misfit * missed.clamp_max(1.0).mean() + s.told * theirs
                + s.guard * _moved(member(batch.old), said)
            )  # fmt: skip

        return of

    def errors(self, members: Sequence[Member]) -> tuple[float, float]:
        """On spectra of the old kind: relative error of n(r), and that in 68 % of the bins in units of the spread."""
        seen, density = self._judged
        with torch.no_grad():
            outputs = [member(seen) for member in members]
        found = torch.stack([output.density for output in outputs]).mean(dim=0)
        spread = torch.stack([output.log_spread for output in outputs]).mean(dim=0).exp()
        error, high = (found - density).abs(), density > _SEEN * density.amax(dim=1, keepdim=True)
        scaled = np.quantile((error / spread)[high].numpy(), 0.68)
        return float((error.sum(dim=1) / density.sum(dim=1)).mean()), float(scaled)

    def _implied(self, said: Output) -> Tensor:
        """(n, m) χ(k) that answers imply by the scans' theory, where the networks see it."""
        chi = self._forward(said.density)
        return shift_energy(chi, self._k, self._k, said.e0, K2_PER_EV) * said.log_amplitude.exp()[:, None]

    def _copies(self, random: torch.Generator) -> tuple[tuple[Tensor, Targets], tuple[Tensor, Known]]:
        """Scans as another look, a shorter scan or a noisier one would show them."""
        n = self._settings.scans
        row = torch.randint(len(self._chi), (n,), generator=random)
        uniform = torch.rand(3, n, generator=random)
        zero = self._zero[row] + _LOOKED_STD * torch.randn(n, generator=random)
        shorter = _SHORTER * uniform[0] * (uniform[1] < 0.5)
        k_max = torch.maximum(self._k_max[row] - shorter, torch.minimum(self._k_max[row], torch.tensor(SHORTEST)))
        more = self._noise[row] * uniform[2]
        chi = shift_energy(self._chi[row], self._k, self._scan_k, -zero, K2_PER_EV)
        chi = (chi + more[:, None] * torch.randn(chi.shape, generator=random)) / self._amplitude
        noise = (self._noise[row] ** 2 + more**2).sqrt() / self._amplitude
        wanted = Targets(self._wanted[row], self._found_zero[row] - zero, self._found_log[row])
        known = self._known(k_max, noise)
        return (self._map(chi, known), wanted), (chi, known)

    def _theirs(self, random: torch.Generator) -> tuple[Tensor, Targets]:
        """RDFs of the atlas as the theory of the scans would show them."""
        n, of = self._settings.theirs, self._session.mean[0]
        shared = of + torch.randn(n, len(of), generator=random, dtype=of.dtype) @ self._new_factor.T
        seen, density, zero, log = self._simulated(shared, random)
        return seen, Targets(density, zero, log)

    def _old(self, n: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """(n, width) features of RDFs of the atlas as the old theory would show them, and the RDFs (n, c)."""
        shared = torch.randn(n, len(self._old_factor), generator=random, dtype=torch.float64) @ self._old_factor
        shared[:, 1] = float(np.log(self._amplitude)) + self._amplitude_std * torch.randn(n, generator=random)
        seen, density, *_ = self._simulated(shared, random)
        return seen, density

    def _simulated(self, shared: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features (n, width), RDFs (n, c), energy zeros (n,) and ln amplitudes (n,) of simulated spectra."""
        n, pairs = len(shared), self._pairs
        density = self._atlas[torch.randint(len(self._atlas), (n,), generator=random)]
        log = (shared[:, 1] - float(np.log(self._amplitude))).float() + _AMPLITUDES * torch.randn(n, generator=random)
        zero = _LOOKED_STD * torch.randn(n, generator=random)
        still = torch.cat([torch.zeros(n, 2, dtype=shared.dtype), shared[:, 2:]], dim=1)
        with torch.no_grad():
            chi = (self._theory.spectrum(density.double(), still) / self._theory.k**2).float()
        chi = shift_energy(chi, self._k, self._k, zero, K2_PER_EV) * log.exp()[:, None]
        low, high = np.log(pairs.noise)
        noise = torch.exp(low + (high - low) * torch.rand(n, generator=random))
        k_max = pairs.kmax[0] + (pairs.kmax[1] - pairs.kmax[0]) * torch.rand(n, generator=random)
        chi = chi + noise[:, None] * torch.randn(chi.shape, generator=random)
        return self._map(chi, self._known(k_max, noise)), density, zero, log

    def _known(self, k_max: Tensor, noise: Tensor) -> Known:
        """What is known of spectra besides, after a first look."""
        amplitude_std, e0_std = (torch.full_like(noise, std) for std in (self._amplitude_std, _LOOKED_STD))
        return Known(k_max, noise, amplitude_std, e0_std)


def _moved(now: Output, before: Output) -> Tensor:
    """How far answers have moved, in units of what they say of their doubt."""
    spread = before.log_spread.clamp(-6.0, 5.0)
    return (
        ((now.density - before.density) * torch.exp(-spread)).square().mean()
        + (now.log_spread - before.log_spread).square().mean()
        + (now.e0 - before.e0).square().mean()
        + ((now.log_amplitude - before.log_amplitude) / 0.05).square().mean()
    )
