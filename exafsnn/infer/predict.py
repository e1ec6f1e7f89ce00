"""ChiK + model → Prediction: the energy zero is found, the RDF and its spread follow, and the data judge it."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import ModelError
from exafsnn.infer.bars import ErrorBars
from exafsnn.infer.reference import Reference
from exafsnn.learn.atlas import Atlas, Kind, smoothed
from exafsnn.learn.features import FeatureMap, Known
from exafsnn.learn.intervals import Scale, circumstances
from exafsnn.learn.model_file import ModelParts, read_model
from exafsnn.physics.forward import ForwardModel
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import Array, ChiK, PartialRDF, Prediction, Shell

_PASSES = 4
_FOUND_E0_STD = 1.2
"""How well the energy zero is known after a first look [eV]."""
_SAMPLES = 200
_SHORTEST = 9.0


@dataclass(frozen=True)
class Estimate:
    """Raw answer of the ensemble to one spectrum."""

    density: Array
    """(members, b) n(r) [Å⁻¹]."""
    log_spread: Array
    """(members, b)."""
    delta_e0: float
    """[eV]"""
    delta_e0_std: float
    amplitude: float
    amplitude_std: float
    coordination: float
    """N of the range ``first``, mean of the members …"""
    distance: float
    """… and their mean distance there [Å]."""
    k_max: float


class Model:
    """A trained model, ready to predict. Make one with ``load_model``."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self._map = FeatureMap(parts.features)
        self.name = parts.name
        self.absorber = str(parts.info["absorber"])
        self.edge = str(parts.info["edge"])
        self.pair = f"{self.absorber}-{parts.info['neighbour']}"
        self.ranges = {name: (float(low), float(high)) for name, (low, high) in parts.info["ranges"].items()}
        self.pairs = parts.pairs
        self.features = parts.features
        self.r = parts.pairs.bins()
        self._known: dict[Kind, tuple[Tensor, Tensor]] = {}

    def uncalibrated(self) -> Model:
        """The same model with raw standard deviations."""
        return Model(replace(self._parts, intervals={}))

    @property
    def forward(self) -> ForwardModel:
        """A copy of the forward model RDF → χ(k)."""
        return deepcopy(self._parts.forward)

    @property
    def intervals(self) -> Mapping[str, Mapping[str, Scale]]:
        """The scales of the error bars by kind of answer and quantity; empty if it is not calibrated."""
        return self._parts.intervals

    @property
    def atlas(self) -> Atlas:
        """The RDFs that it learned from."""
        return self._parts.atlas

    def known(self, kind: Kind) -> tuple[Tensor, Tensor]:
        """(n, b) RDFs that it learned from, changed as training does (``Atlas.samples``), and outlines; made once."""
        if kind not in self._known:
            samples = self.atlas.samples(self.pairs, kind).double()
            self._known[kind] = samples, smoothed(samples, self.pairs.r_step)
        return self._known[kind]

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
        return self.answer(chi, self.estimate(chi, reference), reference)

    def answer(self, chi: ChiK, found: Estimate, reference: Reference | None = None) -> Prediction:
        """The record of an estimate: error bars, what it implies, and how well that explains the data."""
        raw = self._rdf(found, reference)
        rdf, shells = self.with_error_bars(raw, "predicted", chi, found, reference is not None)
        given = self.circumstances(chi, found, raw)
        with torch.no_grad():
            implied = self._parts.forward(torch.from_numpy(rdf.density).float())
        chi_model = self.chi_model(chi, implied, found.delta_e0, found.amplitude)
        window = (self.features.kmin, found.k_max)
        misfit, misfit_noise = misfits(chi, chi_model, window)
        signs = self.signs(chi, found)
        score = self._domain_score(signs, given)
        return Prediction(
            chi=chi, rdf=rdf, shells=shells, delta_e0=found.delta_e0, delta_e0_std=found.delta_e0_std,
            amplitude=found.amplitude, amplitude_std=found.amplitude_std, chi_model=chi_model,
            misfit=misfit, misfit_noise=misfit_noise,
            in_domain=score <= 1, domain_score=score, model=self.identity,
            k_window=window, warnings=self._warnings(chi, score, signs),
            history=(*chi.history, self._said(reference)),
        )  # fmt: skip

    def estimate(self, chi: ChiK, reference: Reference | None = None) -> Estimate:
        """The ensemble's answer; the energy axis is moved to the zero that it finds, and it is asked again."""
        self.check(chi)
        pairs = self.pairs
        k_max = min(chi.k_max_usable, self.features.kmax)
        amplitude = reference.amplitude if reference else pairs.amplitude
        amplitude_std = reference.amplitude_std / amplitude if reference else pairs.amplitude_std
        zero = reference.delta_e0 if reference else 0.0
        e0_std = reference.delta_e0_std if reference else pairs.e0_range / 3**0.5
        for number in range(1 if reference else _PASSES):
            e0_std = e0_std if number == 0 else _FOUND_E0_STD
            told = (k_max, chi.noise / amplitude, amplitude_std, e0_std)
            known = Known(*(torch.tensor([value]).float() for value in told))
            features = self._map(self.on_axis(chi, zero) / amplitude, known)
            with torch.no_grad():
                outputs = [member(features) for member in self._parts.members]
            steps = np.array([float(output.e0[0]) for output in outputs])
            zero += float(steps.mean())
        logs = np.array([float(output.log_amplitude[0]) for output in outputs])
        density = np.array([output.density[0].double().numpy() for output in outputs])
        low, high = self.ranges["first"]
        step = self.r[1] - self.r[0]
        inside = np.clip(np.minimum(self.r + step / 2, high) - np.maximum(self.r - step / 2, low), 0.0, None)
        coordination = float(density.mean(axis=0) @ inside)
        return Estimate(
            density=density,
            log_spread=np.array([output.log_spread[0].double().numpy() for output in outputs]),
            delta_e0=zero,
            delta_e0_std=float(np.hypot(steps.std(), reference.delta_e0_std if reference else 1.0)),
            amplitude=amplitude * float(np.exp(logs.mean())),
            amplitude_std=amplitude * amplitude_std,
            coordination=coordination,
            distance=float((density.mean(axis=0) * self.r) @ inside) / max(coordination, 1e-9),
            k_max=k_max,
        )

    def check(self, chi: ChiK) -> None:
        """Refuse a χ(k) that the model cannot answer.

        Raises
        ------
        ModelError
            If it is of another edge, too short, or without noise.
        """
        if (chi.absorber, chi.edge) != (self.absorber, self.edge):
            raise ModelError(
                f"the model {self.name} is for {self.absorber} {self.edge}, the scan is of {chi.absorber} {chi.edge}",
                where=chi.source, remedy="Give a model of that edge with --model",
            )  # fmt: skip
        if not 0 <= chi.noise < np.inf:
            raise ModelError(
                f"the noise ε_k of the scan is {chi.noise}", where=chi.source, remedy="Give a positive number"
            )
        if chi.k_max_usable < _SHORTEST:
            raise ModelError(
                f"the data end at k = {chi.k_max_usable:.1f} Å⁻¹, the model needs {_SHORTEST:.0f}",
                where=chi.source, remedy="Measure further above the edge",
            )  # fmt: skip

    def on_axis(self, chi: ChiK, zero: float) -> Tensor:
        """(1, m) χ on the features' grid, with the energy zero moved by ``zero`` [eV]."""
        k, values = torch.from_numpy(chi.k).float(), torch.from_numpy(chi.chi).float()[None]
        return shift_energy(values, self._map.k, k, torch.tensor([-zero]), K2_PER_EV)

    def with_error_bars(
        self, raw: PartialRDF, how: str, chi: ChiK, found: Estimate, referenced: bool
    ) -> tuple[PartialRDF, dict[str, Shell]]:
        """A raw RDF, ``"predicted"`` or ``"refined"``, and its shells, with errors that cover."""
        kind = f"{how} {'with reference' if referenced else 'blind'}"
        least = 0.0 if referenced else self.pairs.amplitude_std
        bars = ErrorBars(self._parts.intervals.get(kind, {}), self.circumstances(chi, found, raw), least)
        rdf = bars.rdf(raw)
        found_shells = {name: rdf.shell(self.pair, *limits) for name, limits in self.ranges.items()}
        shells = {name: bars.doubted(shell) for name, shell in found_shells.items()}
        return rdf, shells | {"first": bars.first(raw.shell(self.pair, *self.ranges["first"]))}

    def _rdf(self, found: Estimate, reference: Reference | None) -> PartialRDF:
        """Mean of the members, with samples that carry spread, members' disagreement and amplitude."""
        mean = found.density.mean(axis=0)
        rng = np.random.default_rng(0)
        factor = self._parts.errors["reference" if reference else "blind"].double().numpy()  # (rank + 1, b)
        spread = np.exp(found.log_spread.mean(axis=0))
        modes = rng.standard_normal((_SAMPLES, len(factor) - 1)) @ factor[:-1]
        modes = modes + rng.standard_normal((_SAMPLES, len(mean))) * factor[-1]
        members = found.density[rng.integers(len(found.density), size=_SAMPLES)] - mean
        relative = found.amplitude_std / found.amplitude if reference else 0.0  # without, shells say so (bars.py)
        scale = np.exp(relative * rng.standard_normal((_SAMPLES, 1)))
        samples = np.maximum((mean + members + modes * spread) * scale, 0.0)
        return PartialRDF(
            r=self.r, pairs=(self.pair,), density=mean[None], spread=samples.std(axis=0)[None],
            samples=samples[:, None], smoothing=self.pairs.smoothing,
        )  # fmt: skip

    def chi_model(self, chi: ChiK, implied: Tensor, zero: float, amplitude: float) -> Array:
        """(m,) ``implied`` χ(k) (1, m) on the scan's own axis, times its amplitude; 0 beyond the model's range."""
        k = torch.from_numpy(chi.k).float()
        moved = shift_energy(implied, k, self._map.k, torch.tensor([zero]), K2_PER_EV)
        result: Array = amplitude * moved[0].double().numpy()
        return np.where((chi.k >= float(self._map.k[0])) & (chi.k <= float(self._map.k[-1])), result, 0.0)

    def signs(self, chi: ChiK, found: Estimate) -> tuple[float, float]:
        """How much of what the network sees its answer does not explain, and how much the networks disagree: shares."""
        mean = found.density.mean(axis=0)
        with torch.no_grad():
            implied = self._parts.forward(torch.from_numpy(mean)[None].float())
        disagreement = float(found.density.std(axis=0).sum() / max(mean.sum(), 1e-9))
        return self._unexplained(chi, implied, found), disagreement

    def circumstances(self, chi: ChiK, found: Estimate, raw: PartialRDF) -> Array:
        """(1, 8) k range, noise, disorder and phase of a scan, as ``learn.intervals`` has them."""
        sigma2 = raw.shell(self.pair, *self.ranges["first"]).sigma2 + raw.smoothing**2
        sigma2 = sigma2 if np.isfinite(sigma2) else 0.0
        likeness = self.atlas.likeness(torch.from_numpy(raw.density)).numpy()
        noise = np.array([chi.noise / found.amplitude])
        return circumstances(np.array([found.k_max]), noise, np.array([sigma2]), likeness)

    def is_foreign(self, chi: ChiK, found: Estimate) -> bool:
        """Whether a spectrum is outside the model's domain, its estimate made without a reference."""
        given = self.circumstances(chi, found, self._rdf(found, None))
        return self._parts.domain is not None and self._domain_score(self.signs(chi, found), given) > 1

    def _domain_score(self, signs: tuple[float, float], given: Array) -> float:
        """Above 1: not a spectrum that the model can know."""
        if self._parts.domain is None:
            return signs[0] / float(self._parts.info["misfit_limit"])
        unexplained, disagreement = (np.array([sign]) for sign in signs)
        return float(self._parts.domain.score(unexplained, disagreement, given)[0])

    def _unexplained(self, chi: ChiK, implied: Tensor, found: Estimate) -> float:
        """The share of what the network sees of the scan that the RDF does not imply, noise aside."""
        told = (found.k_max, chi.noise / found.amplitude, found.amplitude_std / found.amplitude, found.delta_e0_std)
        known = Known(*(torch.tensor([value]).float() for value in told))
        return float(self._map.unexplained(self.on_axis(chi, found.delta_e0) / found.amplitude, implied, known)[0])

    def _said(self, reference: Reference | None) -> str:
        """What was assumed about the amplitude, in words."""
        if reference:
            return f"predicted by {self.identity}, amplitude {reference.amplitude:.3f} from {reference.source}"
        prior = self.pairs
        return (
            f"predicted by {self.identity}, no reference: amplitude near {prior.amplitude} ± {prior.amplitude_std:.0%}"
            " assumed, which widens the error of N"
        )

    def _warnings(self, chi: ChiK, score: float, signs: tuple[float, float]) -> tuple[str, ...]:
        found = [finding.sentence for finding in chi.findings if finding.severity == "warning"]
        if not self._parts.intervals:
            found.append("the model is not calibrated: its error bars are raw. Train it with calibration")
        if score > 1:
            found.append(
                f"outside the model's domain: the RDF leaves {signs[0]:.0%} of the signal unexplained and the networks"
                f" disagree by {signs[1]:.0%}, {score:.1f} times what is usual. Do not trust the RDF"
            )
        return tuple(found)


def misfits(chi: ChiK, chi_model: Array, window: tuple[float, float]) -> tuple[float, float]:
    """R-factor, and root mean square of the misfit in units of the noise, of k²χ over ``window`` [Å⁻¹]."""
    use = (chi.k >= window[0]) & (chi.k <= window[1])
    measured, modelled, noise = ((chi.k**2 * values)[use] for values in (chi.chi, chi_model, chi.noise))
    difference, total, expected = (float((part**2).sum()) for part in (measured - modelled, measured, noise))
    return difference / max(total, 1e-30), (difference / max(expected, 1e-30)) ** 0.5


def load_model(name: str) -> Model:
    """A shipped model by name (``"fe-k"``), or one's own by its path.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    return Model(read_model(name))
