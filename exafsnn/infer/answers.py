"""χ(k) of a series + model → N, R, σ² of every scan with error bars, as arrays: ``Model.predict`` for many.

``stack`` calls it, with what ``measure.scans`` yields.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from exafsnn.infer.ensemble import Ensemble
from exafsnn.infer.estimates import Estimates, Reference, Signals, misfits
from exafsnn.infer.predict import Model
from exafsnn.records import Array

PIECE = 1000
"""Scans that are answered at a time …"""
_FEW = 16
"""… and of whose RDFs there are samples at a time: 1 MB."""


@dataclass(frozen=True)
class Answers:
    """What a model says of many scans: arrays (s,), but for the RDFs; N, R and σ² are of the range ``first``."""

    density: Array
    """(s, b) n(r) [Å⁻¹]."""
    coordination: Array
    """N, one standard deviation, and both ends of the 95 % interval."""
    coordination_std: Array
    coordination_low: Array
    coordination_high: Array
    distance: Array
    """R [Å] …"""
    distance_std: Array
    distance_low: Array
    distance_high: Array
    sigma2: Array
    """σ² [Å²] …"""
    sigma2_std: Array
    sigma2_low: Array
    sigma2_high: Array
    delta_e0: Array
    """Theory's energy zero minus the E₀ of the background removal [eV]."""
    delta_e0_std: Array
    amplitude: Array
    """S₀² applied."""
    amplitude_std: Array
    misfit: Array
    """R-factor over the model's k window."""
    misfit_noise: Array
    """Root mean square of (χ − χ_model)/ε_k there."""
    domain_score: Array
    """Above 1: not a spectrum that the model can know."""

    @property
    def in_domain(self) -> np.ndarray:
        """Whether the model can know the spectra."""
        return self.domain_score <= 1

    def __len__(self) -> int:
        return len(self.density)

    def __getitem__(self, rows: np.ndarray) -> Answers:
        return Answers(**{name: values[rows] for name, values in vars(self).items()})

    @property
    def finite(self) -> np.ndarray:
        """(s,) whether all is numbers; without atoms in the range there is no R."""
        columns = np.column_stack([*vars(self).values()])
        found: np.ndarray = np.isfinite(columns).all(axis=1)
        return found

    def among(self, rows: np.ndarray, count: int) -> Answers:
        """The same as those rows of ``count``; the others are NaN."""
        spread = {}
        for name, values in vars(self).items():
            spread[name] = np.full((count, *values.shape[1:]), np.nan)
            spread[name][rows] = values
        return Answers(**spread)


def answers_to(model: Model, signals: Signals, reference: Reference | None = None) -> Answers:
    """The answers of ``Model.predict`` to many scans that the model can answer, equal to rounding.

    Parameters
    ----------
    model, reference
        As for ``Model.predict``.
    signals
        Scans that ``Model.check`` would not refuse.
    """
    pieces = [_answers(model, signals[start : start + PIECE], reference) for start in range(0, len(signals), PIECE)]
    none = {item.name: np.empty(0) for item in fields(Answers)} | {"density": np.empty((0, len(model.r)))}
    return Answers(
        **{name: np.concatenate([empty, *(getattr(piece, name) for piece in pieces)]) for name, empty in none.items()}
    )


def _answers(model: Model, signals: Signals, reference: Reference | None) -> Answers:
    ensemble, smoothing = model.ensemble, model.pairs.smoothing**2
    found = ensemble.estimates(signals, reference)
    density = found.density.mean(axis=1)
    inside = ensemble.inside(*model.ranges["first"])
    n, r, sigma2 = _moments(model.r, density, inside)
    given = ensemble.circumstances(signals, found, density, sigma2)
    bars = model.error_bars("predicted", reference is not None, given)
    raw = _spreads(ensemble, found, reference is not None, model.r, inside)
    values = {"coordination": n, "distance": r, "sigma2": sigma2 - smoothing}
    told = dict(values)
    for (quantity, value), std in zip(values.items(), raw, strict=True):
        ends = bars.interval(quantity, value, std)
        told |= dict(zip((f"{quantity}_std", f"{quantity}_low", f"{quantity}_high"), ends, strict=True))
    implied = ensemble.implied(density)
    chi_model = ensemble.as_measured(signals.k, implied, found.delta_e0, found.amplitude)
    misfit, misfit_noise = misfits(signals, chi_model, model.features.kmin, found.k_max)
    return Answers(
        density=density, **told, delta_e0=found.delta_e0, delta_e0_std=found.delta_e0_std, amplitude=found.amplitude,
        amplitude_std=found.amplitude_std, misfit=misfit, misfit_noise=misfit_noise,
        domain_score=ensemble.domain_score(ensemble.signs(signals, found, implied), given),
    )  # fmt: skip


def _spreads(ensemble: Ensemble, found: Estimates, referenced: bool, r: Array, inside: Array) -> Array:
    """(3, s) standard deviations of N, R and σ² over the samples of RDFs, of which only the range is made."""
    first, last = np.flatnonzero(inside)[[0, -1]]
    bins = slice(int(first), int(last) + 1)
    few = [slice(start, start + _FEW) for start in range(0, len(found.density), _FEW)]
    stds = [
        np.nanstd(_moments(r[bins], ensemble.samples(found[rows], referenced, bins), inside[bins]), axis=-1)
        for rows in few
    ]
    return np.concatenate(stds, axis=1)


def _moments(r: Array, density: Array, inside: Array) -> Array:
    """(3, …) N, R [Å], σ² [Å²] of RDFs (…, b), by ``inside`` (b,) [Å] of each bin; R and σ² of no atoms are NaN.

    By one matrix product: R and σ² from the moments about the middle of the range.
    """
    middle = (r @ inside) / inside.sum()
    offset = r - middle
    n, first, second = np.moveaxis(density @ (inside * [np.ones_like(r), offset, offset**2]).T, -1, 0)
    safe = np.where(n > 0, n, np.nan)
    shift = first / safe
    return np.stack([n, middle + shift, second / safe - shift**2])
