"""Prediction + forward model → better Prediction: gradients improve the RDF, the energy zero and the amplitude.

Each step is one of Gauss and Newton on a Gaussian prior: RDFs that training knows in the neighbourhood of the answer
(``learn.atlas``), and what the scans of a session share (``infer.session``). What no RDF within the bins explains
(noise, background, atoms beyond, the forward model's own error) is covariance of the data. So the answer leaves the
network's only where the data say so, and its covariance follows; Tarantola, Inverse Problem Theory (SIAM, 2005),
section 3.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from exafsnn.errors import SettingsError
from exafsnn.infer.estimates import Estimate, Reference, Signals, misfits
from exafsnn.infer.predict import Model
from exafsnn.infer.reference import calibrate
from exafsnn.infer.structure import parse_structure
from exafsnn.infer.theory import Session, Theory
from exafsnn.learn.atlas import Kind, smoothed
from exafsnn.records import ChiK, PartialRDF, Prediction

_STEPS = 8
_SETTLED = 0.003
"""A step that changes less of the RDF than this share is the last one."""
_NEIGHBOURS = 50
"""RDFs around an answer: so many say what may change."""
_CRYSTALS = 25
"""RDFs of crystals of a standard's structure: so many of the likest say what its own may be."""
_OWN_SHARE, _OWN_LEAST = 0.1, 1e-3
"""Standard deviation of each bin of its own: relative, and at least [Å⁻¹]."""
_BLIND = (1.2, 0.05)
"""Standard deviations of the network's energy zero [eV] and relative amplitude, without a standard …"""
_STANDARD = (3.0, 0.03)
"""… of a standard's, before its own fit …"""
_NEXT_SCAN = (0.3, 0.015)
"""… and of another scan's of the same session, beyond the standard's."""
_WHITE = 0.01
"""Error of k²χ that nothing else stands for, in units of its root mean square."""
_RESIDUE = (1.3, 0.13, 0.18)
"""Background left behind: largest R [Å], step, and size of its k²χ at k = 3 Å⁻¹."""
_BEYOND = (5.8, 14.0, 0.1, 0.3)
"""Atoms beyond the bins: range of R [Å], step, and size in units of k²χ."""
_SAMPLES = 200
_BATCH = 64

Prior = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From RDFs (s, b) to the mean (s, b) and the covariance (s, b, b) of those around each."""


@dataclass(frozen=True)
class Fit:
    """The most likely RDF and session of one scan."""

    density: Tensor
    """(b,) n(r) [Å⁻¹]."""
    shared: Tensor
    """(p,) values of the session (``infer.session``)."""
    covariance: Tensor
    """(b + p, b + p) of both."""
    evidence: float
    """ln(probability of the data under the prior), but for a constant."""
    why: str
    """Why it stopped, in words."""

    def averaged(self, other: Fit) -> Fit:
        """Both, weighted with the evidence for either; where they differ the answer is unsure."""
        weight = 1 / (1 + math.exp(min(other.evidence - self.evidence, 500.0)))
        apart = torch.cat([self.density - other.density, self.shared - other.shared])
        covariance = weight * self.covariance + (1 - weight) * other.covariance
        return Fit(
            weight * self.density + (1 - weight) * other.density,
            weight * self.shared + (1 - weight) * other.shared,
            covariance + weight * (1 - weight) * torch.outer(apart, apart),
            max(self.evidence, other.evidence),
            self.why if weight > 0.5 else other.why,
        )


class Refiner:
    """Refines the predictions of one model, with what a standard tells of its session.

    Parameters
    ----------
    model
        The model whose answers are the start.
    standard, structure
        χ(k) of a standard measured like the samples, and its structure, e.g. ``"bcc:2.8665"``; both or none.

    Raises
    ------
    SettingsError
        If the structure is not understood, or is not what was measured.
    """

    def __init__(self, model: Model, standard: ChiK | None = None, structure: str | None = None) -> None:
        self._model = model
        self._theory = Theory(model.forward, model.pairs)
        self.reference = calibrate(model, standard, structure) if standard is not None and structure else None
        self._step = model.pairs.r_step
        self._session = None
        if standard is not None and structure and self.reference:
            self._session = self._session_of(standard, structure, self.reference)

    def refine(self, chi: ChiK) -> Prediction:
        """The prediction for one χ(k), improved; see ``refine_all``."""
        return self.refine_all([chi])[0]

    def refine_all(self, scans: Sequence[ChiK], estimates: Sequence[Estimate] | None = None) -> list[Prediction]:
        """The predictions for many χ(k), improved.

        Parameters
        ----------
        scans
            Of one session.
        estimates
            What the model says of each (``Model.estimate`` with this reference), where that is known already.

        Raises
        ------
        ModelError
            If a χ(k) is of another edge, or too short.
        """
        done: list[Prediction] = []
        for first in range(0, len(scans), _BATCH):
            batch = list(scans[first : first + _BATCH])
            known = estimates[first : first + _BATCH] if estimates else None
            found = known or [self._model.estimate(chi, self.reference) for chi in batch]
            density = torch.from_numpy(np.array([item.density.mean(axis=0) for item in found]))
            sessions = [self._session_for(chi, item) for chi, item in zip(batch, found, strict=True)]
            fits = self._fits(batch, density, sessions)
            for chi, item, fit in zip(batch, found, fits, strict=True):
                done.append(self._prediction(chi, item, fit))
        return done

    def _session_for(self, chi: ChiK, found: Estimate) -> Session:
        """What is known of a scan's session."""
        unknown = self._theory.session(found.delta_e0, _BLIND[0], found.amplitude, _BLIND[1])
        if not (self._session and self.reference):
            return unknown
        elsewhere = self.reference.is_elsewhere(chi)
        return self._session.widened(unknown) if elsewhere else self._session.loosened(*_NEXT_SCAN)

    def _session_of(self, standard: ChiK, structure: str, reference: Reference) -> Session:
        """What a standard tells: its RDF is that of its crystal at some temperature."""
        parsed = parse_structure(structure)
        crystals = self._model.atlas.crystals(parsed.kind, parsed.constants[0]).double()
        if len(crystals) == 0:
            raise SettingsError(
                f"the model {self._model.name} knows no {parsed.kind} crystals, and cannot learn from such a standard",
                where="--structure", remedy="Give another standard, or use predict",
            )  # fmt: skip
        first = torch.from_numpy(self._model.estimate(standard, reference).density.mean(axis=0))[None]
        rows = _nearest(smoothed(crystals, self._step), smoothed(first, self._step), _CRYSTALS)
        mean, covariance = _gaussian(crystals[rows])
        session = self._theory.session(reference.delta_e0, _STANDARD[0], reference.amplitude, _STANDARD[1])
        fit = self._fit([standard], mean, [session], lambda _: (mean, covariance))[0]
        bins = len(fit.density)
        return Session(fit.shared, fit.covariance[bins:, bins:])

    def _fits(self, scans: Sequence[ChiK], density: Tensor, sessions: Sequence[Session]) -> list[Fit]:
        """The fits of a batch. With a standard, atoms may be missing: that is one hypothesis, that none are another."""
        if not self.reference:
            return self._fit(scans, density, sessions, self._around("pure"))
        whole, diluted = (self._fit(scans, density, sessions, self._around(kind)) for kind in ("whole", "diluted"))
        return [one.averaged(other) for one, other in zip(whole, diluted, strict=True)]

    def _around(self, kind: Kind) -> Prior:
        """The known RDFs of a kind that are most like each of those given."""
        known, outlines = self._model.known(kind)
        return lambda density: _gaussian(known[_nearest(outlines, smoothed(density, self._step), _NEIGHBOURS)])

    def _fit(self, scans: Sequence[ChiK], density: Tensor, sessions: Sequence[Session], prior: Prior) -> list[Fit]:
        """Gauss-Newton steps until each RDF settles."""
        data = _Data(self._model, self._theory, scans)
        mean_shared = torch.stack([session.mean for session in sessions])
        spread_shared = torch.stack([session.covariance for session in sessions])
        shared, bins = mean_shared, density.shape[1]
        fits: list[Fit | None] = [None] * len(scans)
        open_ = torch.ones(len(scans), dtype=torch.bool)
        for number in range(1, _STEPS + 1):
            linear = self._theory.linear(density, shared)
            left = data.left(linear.value, shared[:, 0])
            own = data.unexplained(linear.value, shared[:, 1].exp())
            misfit = (left * _solved(own, left[:, :, None])[:, :, 0]).sum(dim=1) / data.used.sum(dim=1)
            worse = misfit.clamp_min(1.0)
            mean, covariance = prior(density)
            before = _block(covariance, spread_shared)
            gradient = linear.gradient * data.used[:, :, None]
            offset = (gradient @ torch.cat([density - mean, shared - mean_shared], dim=1)[:, :, None])[:, :, 0]
            cross = gradient @ before
            told = cross @ gradient.mT + own * worse[:, None, None]
            change = (cross.mT @ _solved(told, (left + offset)[:, :, None]))[:, :, 0]
            new = torch.where(open_[:, None], (mean + change[:, :bins]).clamp_min(0), density)
            shared = torch.where(open_[:, None], mean_shared + change[:, bins:], shared)
            moved = (new - density).abs().sum(dim=1) / density.sum(dim=1)
            density = new
            settled = open_ & (moved < _SETTLED)
            last = open_ if number == _STEPS else settled
            rows = last.nonzero()[:, 0]
            after = before[rows] - cross[rows].mT @ _solved(told[rows], cross[rows])
            evidence = _evidence(cross[rows] @ gradient[rows].mT + own[rows], (left + offset)[rows])
            for place, row in enumerate(rows.tolist()):
                why = f"settled after {number} steps" if settled[row] else f"not settled after {_STEPS} steps"
                fits[row] = Fit(density[row], shared[row], after[place], float(evidence[place]), why)
            open_ = open_ & ~settled
            if not open_.any():
                break
        return [fit for fit in fits if fit]

    def _prediction(self, chi: ChiK, found: Estimate, fit: Fit) -> Prediction:
        """The record of a fit; what it does not touch is that of the prediction."""
        model, k = self._model, self._theory.k
        start = model.answer(chi, found, self.reference)
        raw = self._rdf(fit)
        given = model.circumstances(chi, found, raw)
        rdf, shells = model.with_error_bars(raw, "refined", self.reference is not None, given)
        value = self._theory.spectrum(fit.density[None], fit.shared[None]).detach()
        zero = float(fit.shared[0])
        implied = (value / k**2).float()
        chi_model = model.chi_model(chi, implied, zero, 1.0)
        window = (model.features.kmin, found.k_max)
        misfit, misfit_noise = (float(part[0]) for part in misfits(Signals.of(chi), chi_model[None], *window))
        bins = len(fit.density)
        zero_std, amplitude_std = (float(fit.covariance[bins + i, bins + i]) ** 0.5 for i in (0, 1))
        amplitude = float(fit.shared[1].exp())
        if not self.reference:
            amplitude_std = max(amplitude_std, model.pairs.amplitude_std)
        return replace(
            start, rdf=rdf, shells=shells,
            delta_e0=zero, delta_e0_std=zero_std, amplitude=amplitude, amplitude_std=amplitude * amplitude_std,
            chi_model=chi_model, misfit=misfit, misfit_noise=misfit_noise,
            history=(*start.history, f"refined against the data: {fit.why}"),
        )  # fmt: skip

    def _rdf(self, fit: Fit) -> PartialRDF:
        """The RDF with samples of its posterior."""
        bins = len(fit.density)
        covariance = fit.covariance[:bins, :bins]
        values, vectors = torch.linalg.eigh(0.5 * (covariance + covariance.T))
        factor = (vectors * values.clamp_min(0).sqrt()).numpy()
        mean = fit.density.numpy()
        normal = np.random.default_rng(0).standard_normal((_SAMPLES, bins))
        samples = np.maximum(mean + normal @ factor.T, 0.0)
        return PartialRDF(
            r=self._model.r, pairs=(self._model.pair,), density=mean[None], spread=samples.std(axis=0)[None],
            samples=samples[:, None], smoothing=self._model.pairs.smoothing,
        )  # fmt: skip


class _Data:
    """Measured k²χ of a batch on the theory's k, and how much of it no RDF within the bins explains."""

    def __init__(self, model: Model, theory: Theory, scans: Sequence[ChiK]) -> None:
        self._model, self._theory, self._scans = model, theory, scans
        k = theory.k
        last = torch.tensor([min(chi.k_max_usable, model.features.kmax) for chi in scans], dtype=k.dtype)
        self.used = ((k >= model.features.kmin) & (k <= last[:, None])).to(k.dtype)
        """(s, m) 1 where a scan is used, else 0."""
        self._noise = torch.tensor([chi.noise for chi in scans], dtype=k.dtype)[:, None] * k**2
        end, step, size = _RESIDUE
        low = torch.arange(0.0, end + 1e-9, step, dtype=k.dtype)
        self._low = _waves(k, low) * (size * 3.0 / k) / len(low) ** 0.5
        start, end, step, share = _BEYOND
        self._far = share * _waves(k, torch.arange(start, end, step, dtype=k.dtype))

    def left(self, value: Tensor, zero: Tensor) -> Tensor:
        """(s, m) measured minus computed k²χ, the measured axis moved to ``zero`` (s,) [eV]; 0 where it is not used."""
        moved = [self._model.on_axis(chi, float(e0))[0] for chi, e0 in zip(self._scans, zero, strict=True)]
        return (torch.stack(moved).double() * self._theory.k**2 - value) * self.used

    def unexplained(self, value: Tensor, amplitude: Tensor) -> Tensor:
        """(s, m, m) covariance of noise, background, atoms beyond the bins, and the forward model's own error."""
        size = ((value * self.used).square().sum(dim=1) / self.used.sum(dim=1)).sqrt()
        errors = self._theory.forward.errors
        covariance = (
            amplitude[:, None, None] ** 2 * (errors.T @ errors)
            + self._low.T @ self._low
            + size[:, None, None] ** 2 * (self._far.T @ self._far)
        )
        covariance = covariance * self.used[:, :, None] * self.used[:, None, :]
        white = self._noise**2 + (_WHITE * size[:, None]) ** 2 + 1e-10
        return covariance + torch.diag_embed(torch.where(self.used > 0, white, 1.0))


def _waves(k: Tensor, r: Tensor) -> Tensor:
    """(2 len(r), m) cosines and sines of 2kR."""
    angle = 2 * r[:, None] * k
    return torch.cat([torch.cos(angle), torch.sin(angle)])


def _solved(matrices: Tensor, columns: Tensor) -> Tensor:
    """(s, m, c) solutions of symmetric positive systems (s, m, m) with right-hand sides (s, m, c)."""
    return torch.cholesky_solve(columns, torch.linalg.cholesky(matrices))


def _evidence(told: Tensor, left: Tensor) -> Tensor:
    """(s,) ln of the Gaussian probability of (s, m) with the covariances ``told`` (s, m, m), but for a constant."""
    surprise = (left * _solved(told, left[:, :, None])[:, :, 0]).sum(dim=1)
    return -0.5 * (surprise + torch.logdet(told))


def _block(first: Tensor, second: Tensor) -> Tensor:
    """(s, a + b, a + b) block-diagonal matrices of (s, a, a) and (s, b, b)."""
    n, a, b = len(second), first.shape[-1], second.shape[-1]
    both = torch.zeros(n, a + b, a + b, dtype=second.dtype)
    both[:, :a, :a], both[:, a:, a:] = first, second
    return both


def _nearest(outlines: Tensor, wanted: Tensor, count: int) -> Tensor:
    """(s, count) rows of ``outlines`` (n, b) that are nearest to each of ``wanted`` (s, b)."""
    return torch.cdist(wanted, outlines).topk(min(count, len(outlines)), largest=False).indices


def _gaussian(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (s, b) and covariance (s, b, b) of RDFs (s, n, b); each bin may differ a little by itself."""
    mean = rows.mean(dim=1)
    apart = rows - mean[:, None]
    own = _OWN_LEAST**2 + (_OWN_SHARE * mean) ** 2
    return mean, apart.mT @ apart / rows.shape[1] + torch.diag_embed(own)
