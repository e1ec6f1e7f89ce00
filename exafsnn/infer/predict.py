"""ChiK + model → Prediction: the energy zero is found, the RDF and its spread follow, and the data judge it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
from torch import Tensor

from exafsnn.errors import ModelError
from exafsnn.infer.ensemble import Ensemble
from exafsnn.infer.error_bars import ErrorBars
from exafsnn.infer.estimates import Estimate, Estimates, Reference, Signals, misfits
from exafsnn.learn.atlas import PHASES, Atlas, Kind, smoothed
from exafsnn.learn.intervals import Scale
from exafsnn.learn.model_file import ModelParts, read_model
from exafsnn.physics.forward import ForwardModel
from exafsnn.records import Array, ChiK, PartialRDF, Prediction, Shell, Spectrum

_SHORTEST = 9.0
"""Data that end before are too short [Å⁻¹]."""


class Model:
    """A trained model, ready to predict. Make one with ``load_model``."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self.ensemble = Ensemble(parts)
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
        """The same model with raw standard deviations, and without a domain."""
        return Model(replace(self._parts, intervals={}, domain=None))

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
        return self.predict_all([chi], reference)[0]

    def predict_all(self, scans: Sequence[ChiK], reference: Reference | None = None) -> list[Prediction]:
        """``predict`` of many scans at once, equal to rounding.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """
        found = self.estimate_all(scans, reference)
        return [self.answer(chi, item, reference) for chi, item in zip(scans, found, strict=True)]

    def answer(self, chi: ChiK, found: Estimate, reference: Reference | None = None) -> Prediction:
        """The record of an estimate: error bars, what it implies, and how well that explains the data."""
        raw = self._rdf(found, reference)
        given = self.circumstances(chi, found, raw)
        rdf, shells = self.with_error_bars(raw, "predicted", reference is not None, given)
        implied = self.ensemble.implied(rdf.density)
        chi_model = self.chi_model(chi, implied, found.delta_e0, found.amplitude)
        window = (self.features.kmin, found.k_max)
        misfit, misfit_noise = (float(part[0]) for part in misfits(Signals.of(chi), chi_model[None], *window))
        signs = self.signs(chi, found)
        score = self._domain_score(signs, given)
        return Prediction(
            chi=chi, rdf=rdf, shells=shells, delta_e0=found.delta_e0, delta_e0_std=found.delta_e0_std,
            amplitude=found.amplitude, amplitude_std=found.amplitude_std, chi_model=chi_model,
            misfit=misfit, misfit_noise=misfit_noise,
            in_domain=score <= 1, domain_score=score, model=self.identity,
            k_window=window, warnings=self._warnings(chi, score, signs, reference),
            history=(*chi.history, self._said(reference)),
        )  # fmt: skip

    def estimate(self, chi: ChiK, reference: Reference | None = None) -> Estimate:
        """The ensemble's answer; the energy axis is moved to the zero that it finds, and it is asked again."""
        self.check(chi)
        return self.ensemble.estimates(Signals.of(chi), reference).one(0)

    def estimate_all(self, scans: Sequence[ChiK], reference: Reference | None = None) -> list[Estimate]:
        """``estimate`` of many scans at once, equal to rounding.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """
        for chi in scans:
            self.check(chi)
        answers: list[Estimate | None] = [None] * len(scans)
        for rows in _on_one_grid(scans):
            found = self.ensemble.estimates(Signals.of_all([scans[row] for row in rows]), reference)
            for place, row in enumerate(rows):
                answers[row] = found.one(place)
        return [answer for answer in answers if answer]

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
        if chi.k_max_usable < _SHORTEST:
            raise ModelError(
                f"the signal can be used to k = {chi.k_max_usable:.2f} Å⁻¹, the model needs {_SHORTEST:.0f}",
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
        return np.isfinite(noise) & (np.asarray(noise) >= 0) & (np.asarray(k_max_usable) >= _SHORTEST)

    def on_axis(self, chi: ChiK, zero: float) -> Tensor:
        """(1, m) χ on the features' grid, with the energy zero moved by ``zero`` [eV]."""
        return self.ensemble.on_axis(Signals.of(chi), np.array([zero]))

    def with_error_bars(
        self, raw: PartialRDF, how: str, referenced: bool, given: Array
    ) -> tuple[PartialRDF, dict[str, Shell]]:
        """A raw RDF, ``"predicted"`` or ``"refined"`` in ``circumstances``, and its shells, with errors that cover."""
        bars = self.error_bars(how, referenced, given)
        rdf = bars.rdf(raw)
        return rdf, {
            name: bars.first(raw.shell(self.pair, *limits))
            if name == "first"
            else bars.doubted(rdf.shell(self.pair, *limits))
            for name, limits in self.ranges.items()
        }

    def error_bars(self, how: str, referenced: bool, given: Array) -> ErrorBars:
        """Those of answers, ``"predicted"`` or ``"refined"``, in circumstances (s, 8)."""
        kind = f"{how} {'with reference' if referenced else 'blind'}"
        return ErrorBars(self.intervals.get(kind, {}), given, 0.0 if referenced else self.pairs.amplitude_std)

    def _rdf(self, found: Estimate, reference: Reference | None) -> PartialRDF:
        """Mean of the members, with samples that carry spread, members' disagreement and amplitude."""
        samples = self.ensemble.samples(Estimates.of(found), reference is not None)[0]
        return PartialRDF(
            r=self.r, pairs=(self.pair,), density=found.density.mean(axis=0)[None], spread=samples.std(axis=0)[None],
            samples=samples[:, None], smoothing=self.pairs.smoothing,
        )  # fmt: skip

    def chi_model(self, chi: ChiK, implied: Tensor, zero: float, amplitude: float) -> Array:
        """(m,) ``implied`` χ(k) (1, m) on the scan's own axis, times its amplitude; 0 beyond the model's range."""
        return self.ensemble.as_measured(chi.k, implied, np.array([zero]), np.array([amplitude]))[0]

    def signs(self, chi: ChiK, found: Estimate) -> tuple[float, float]:
        """How much of what the network sees its answer does not explain, and how much the networks disagree: shares."""
        implied = self.ensemble.implied(found.density.mean(axis=0)[None])
        unexplained, disagreement = self.ensemble.signs(Signals.of(chi), Estimates.of(found), implied)
        return float(unexplained[0]), float(disagreement[0])

    def circumstances(self, chi: ChiK, found: Estimate, raw: PartialRDF) -> Array:
        """(1, 8) k range, noise, disorder and phase of a scan, as ``learn.intervals`` has them."""
        mean = replace(raw, samples=None)
        sigma2 = mean.shell(self.pair, *self.ranges["first"]).sigma2 + raw.smoothing**2
        return self.ensemble.circumstances(Signals.of(chi), Estimates.of(found), raw.density, np.array([sigma2]))

    def seen_as(self, found: Estimate) -> str:
        """The phase that an answer is most like, one of ``learn.atlas.PHASES``."""
        return PHASES[int(self.ensemble.likeness(found.density.mean(axis=0)[None])[0].argmax())]

    @property
    def knows_domain(self) -> bool:
        """Whether it tells what it cannot know."""
        return self._parts.domain is not None

    def is_foreign(self, chi: ChiK, found: Estimate) -> bool:
        """Whether a spectrum is outside the model's domain, its estimate made without a reference."""
        given = self.circumstances(chi, found, self._rdf(found, None))
        return self.knows_domain and self._domain_score(self.signs(chi, found), given) > 1

    def _domain_score(self, signs: tuple[float, float], given: Array) -> float:
        """Above 1: not a spectrum that the model can know."""
        return float(self.ensemble.domain_score((np.array(signs[:1]), np.array(signs[1:])), given)[0])

    def _said(self, reference: Reference | None) -> str:
        """What was assumed about the amplitude, in words."""
        if reference:
            return f"predicted by {self.identity}, amplitude {reference.amplitude:.3f} from {reference.source}"
        prior = self.pairs
        return (
            f"predicted by {self.identity}, no reference: amplitude near {prior.amplitude} ± {prior.amplitude_std:.0%}"
            " assumed, which widens the error of N"
        )

    def _warnings(
        self, chi: ChiK, score: float, signs: tuple[float, float], reference: Reference | None
    ) -> tuple[str, ...]:
        found = [finding.sentence for finding in chi.findings if finding.severity == "warning"]
        if not self._parts.intervals:
            found.append("the model is not calibrated: its error bars are raw. Train it with calibration")
        if score > 1:
            found.append(
                f"outside the model's domain: the RDF leaves {signs[0]:.0%} of the signal unexplained and the networks"
                f" disagree by {signs[1]:.0%}, {score:.1f} times what is usual. Do not trust the RDF"
            )
        if reference and reference.is_elsewhere(chi):
            found.append(
                f"E₀ is {chi.e0 - reference.e0:+.1f} eV from the standard's: another beamline or calibration, so the"
                " standard tells less. Give a standard measured with the sample"
            )
        return tuple(found)


def load_model(name: str) -> Model:
    """A shipped model by name (``"fe-k"``), or one's own by its path.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    return Model(read_model(name))


def _on_one_grid(scans: Sequence[ChiK]) -> list[list[int]]:
    """Numbers of the scans whose grids of k are those of others, or the beginnings of them."""
    groups: dict[tuple[float, float], list[int]] = {}
    for row, chi in enumerate(scans):
        groups.setdefault((float(chi.k[0]), float(chi.k[1])), []).append(row)
    return list(groups.values())
