"""χ(k) of scans → what the networks say of them, as arrays."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.error_bars import Samples
from exafsnn.infer.estimates import Estimates, Reference, Signals
from exafsnn.learn.atlas import PHASES
from exafsnn.learn.domain import Signs
from exafsnn.learn.features import FeatureMap, Known
from exafsnn.learn.intervals import circumstances
from exafsnn.learn.model_file import ModelParts, Single
from exafsnn.partials import of_metal
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import CRYSTALS, Array

_PASSES = 4
_FOUND_E0_STD = 1.2
"""How well the energy zero is known after a first look [eV]."""
_SAMPLES = 200


class Ensemble:
    """The networks and the forward model of a trained model, asked about many spectra at once."""

    def __init__(self, parts: ModelParts) -> None:
        self._parts = parts
        self._map = FeatureMap(parts.features)
        partials = parts.partials
        self._first = partials.within(partials.range("first", parts.info["ranges"]["first"]))
        self._far = self._first * np.tile(partials.r, len(partials.pairs))
        self._share = _share_of(parts)
        self._accounted = _accounted_of(parts, self._share)

    def first(self, density: Array) -> tuple[Array, Array]:
        """(s,) N and mean distance [Å] in the range ``first`` of RDFs (s, c) [Å⁻¹]."""
        coordination: Array = density @ self._first
        distance: Array = density @ self._far / np.maximum(coordination, 1e-9)
        return coordination, distance

    @property
    def farthest(self) -> float:
        """Largest R of χ(R) that the networks see [Å]."""
        return self._map.settings.rmax

    @property
    def knows_oxides(self) -> bool:
        """Whether the model knows another material beside its own."""
        return bool(self._share.any())

    def oxidised(self, density: Array) -> Array:
        """(s,) how much of the absorbers is in the material beside the own one, by their bonds in RDFs (s, c)."""
        share: Array = np.clip(density @ self._share, 0.0, 1.0)
        return share

    def accounted(self, density: Array) -> Array:
        """(s,) for how many absorbers RDFs (s, c) account, of 1 that there is: as metal and in the oxide beside it.

        1 of a model that knows no oxide.
        """
        number: Array = density @ self._accounted if self.knows_oxides else np.ones(len(density))
        return number

    def estimates(self, signals: Signals, reference: Reference | None) -> Estimates:
        """The networks' answers; the energy axes are moved to the zeros that they find, and they are asked again."""
        pairs, members = self._parts.pairs, self._parts.members
        count = len(signals)
        k_max = np.minimum(signals.k_max_usable, self._map.settings.kmax)
        amplitude = reference.amplitude if reference else pairs.amplitude
        amplitude_std = reference.amplitude_std / amplitude if reference else pairs.amplitude_std
        zero = np.full(count, reference.delta_e0 if reference and not reference.apart else pairs.e0)
        is_known = reference is not None and not (self.knows_oxides or reference.apart)
        e0_std = np.full(count, reference.delta_e0_std if reference and is_known else pairs.e0_range / 3**0.5)
        passes = 1 if is_known else _PASSES
        for number in range(passes):
            known = _known(k_max, signals.noise / amplitude, amplitude_std, e0_std)
            features = self._map(self.on_axis(signals, zero) / np.float32(amplitude), known)
            if number == passes - 1:
                break
            zero = zero + np.mean([member.energy_zero(features) for member in members], axis=0, dtype=np.float64)
            e0_std = np.full(count, _FOUND_E0_STD)
            if reference and number == passes - 2:
                seen = np.stack([member(features).density for member in members], dtype=np.float64).mean(axis=0)
                zero, e0_std = _both((zero, e0_std), reference.zeros(signals.e0, self.oxidised(seen)))
        outputs = [member(features) for member in members]
        steps, logs, density, log_spread = (
            np.stack([getattr(output, name) for output in outputs], axis=1, dtype=np.float64)
            for name in ("e0", "log_amplitude", "density", "log_spread")
        )  # [scan, member], or [scan, member, bin]
        coordination, distance = self.first(density.mean(axis=1))
        return Estimates(
            density=density,
            log_spread=log_spread,
            delta_e0=zero + steps.mean(axis=1),
            delta_e0_std=np.hypot(steps.std(axis=1), e0_std if reference else 1.0),
            amplitude=amplitude * np.exp(logs.mean(axis=1)),
            amplitude_std=np.full(count, amplitude * amplitude_std),
            coordination=coordination,
            distance=distance,
            k_max=k_max,
        )

    def on_axis(self, signals: Signals, zero: Array) -> Single:
        """(s, m) χ on the features' grid, with the energy zeros moved by ``zero`` (s,) [eV]."""
        return _moved(signals.chi, self._map.k, signals.k, -zero)

    def implied(self, density: Array) -> Single:
        """(s, m) χ(k) of RDFs (s, b) on the features' grid, each with its own energy zero and S₀² = 1."""
        found: Single = self._parts.forward(density.astype(np.float32))
        return found

    def as_measured(self, k: Array, implied: Single, zero: Array, amplitude: Array) -> Array:
        """(s, n) ``implied`` χ(k) on the scans' own axis (n,), times their amplitudes; 0 beyond the model's range."""
        inner = self._map.k
        moved = _moved(implied, k, inner, zero)
        within = (k >= float(inner[0])) & (k <= float(inner[-1]))
        return np.where(within, amplitude[:, None] * moved, 0.0)

    def samples(self, found: Estimates, referenced: bool, cells: slice = slice(None)) -> Samples:
        """(s, 200, c) RDFs about the members' mean that carry spread, their disagreement and the amplitude.

        The random numbers are the same for all scans.
        """
        modes, members, scatter = self._draws["reference" if referenced else "blind"]
        density = found.density[:, :, cells].astype(np.float32)
        spread = np.exp(found.log_spread[:, :, cells].mean(axis=1)).astype(np.float32)
        samples = modes[:, cells] * spread[:, None]
        for member, rows in enumerate(members):
            samples[:, rows] += density[:, None, member]
        if referenced:  # without, the shells say so (``error_bars``)
            relative = (found.amplitude_std / found.amplitude)[:, None] * scatter
            samples *= np.exp(relative).astype(np.float32)[:, :, None]
        return np.maximum(samples, 0.0, out=samples)

    @cached_property
    def _draws(self) -> dict[str, tuple[Samples, list[slice], Array]]:
        """By whether there is a reference: (200, b) errors, each member's part of them, (200,) errors of amplitude."""
        found = {}
        for name, errors in self._parts.errors.items():
            rng, factor = np.random.default_rng(0), errors.astype(np.float64)  # (rank + 1, b)
            modes = rng.standard_normal((_SAMPLES, len(factor) - 1)) @ factor[:-1]
            modes = modes + rng.standard_normal((_SAMPLES, factor.shape[1])) * factor[-1]
            count = len(self._parts.members)
            member = rng.integers(count, size=_SAMPLES)
            order = np.argsort(member, kind="stable")  # side by side, those of a member are made at once
            ends = np.searchsorted(member[order], np.arange(count + 1)).tolist()
            parts = [slice(*pair) for pair in pairwise(ends)]
            found[name] = modes[order].astype(np.float32), parts, rng.standard_normal(_SAMPLES)[order]
        return found

    def signs(self, signals: Signals, found: Estimates, density: Array, implied: Single, amplitude: float) -> Signs:
        """How strange scans are by their RDFs (s, c), which imply χ(k) (s, m), where an amplitude was expected."""
        known = _known(
            found.k_max, signals.noise / found.amplitude, found.amplitude_std / found.amplitude, found.delta_e0_std
        )
        seen = self.on_axis(signals, found.delta_e0) / found.amplitude.astype(np.float32)[:, None]
        total = np.maximum(found.mean.sum(axis=1), 1e-9)
        unexplained = self._map.unexplained(seen, implied, known).astype(np.float64)
        signs = Signs(
            unexplained, found.density.std(axis=1).sum(axis=1) / total, self.oxidised(density),
            self.accounted(density) * found.amplitude / amplitude,
        )  # fmt: skip
        return replace(signs, accounted=np.where(signs.mainly > 0, signs.accounted, 1.0))

    def circumstances(self, k_max: Array, noise: Array, density: Array, sigma2: Array) -> Array:
        """(s, 8) k range, noise, disorder and phase of scans, as ``learn.intervals`` has them.

        Parameters
        ----------
        k_max, noise
            (s,) largest k that was used [Å⁻¹], and ε_k over the amplitude.
        density
            (s, b) n(r) [Å⁻¹].
        sigma2
            (s,) σ² of the range ``first``, smoothing included [Å²]; NaN where there are no atoms.
        """
        likeness = self.likeness(density)
        sigma2 = np.where(np.isfinite(sigma2), sigma2, 0.0)
        return circumstances(k_max, noise, sigma2, likeness)

    def likeness(self, density: Array) -> Array:
        """(s, 4) shares of the phases that RDFs (s, b) are like (``Atlas.likeness``)."""
        shares: Array = self._parts.atlas.likeness(density)
        return shares

    def crystals(self, kind: str, constant: float) -> Array:
        """(n, b) RDFs of perfect crystals of a phase, with a lattice constant [Å] (``Atlas.crystals``)."""
        rows: Array = self._parts.atlas.crystals(kind, constant).astype(np.float64)
        return rows

    def domain_score(self, signs: Signs, given: Array) -> Array:
        """(s,) above 1: not a spectrum that the model can know."""
        if self._parts.domain is None:
            return signs.unexplained / float(self._parts.info["misfit_limit"])
        return self._parts.domain.score(signs, given)


def _share_of(parts: ModelParts) -> Array:
    """(c,) by which RDFs say how much of the absorbers is beside the own material; 0 of a model that has one only.

    The bonds to other elements over those that such states have on average.
    """
    partials, atlas = parts.partials, parts.atlas
    others = np.isin(atlas.phases, atlas.others)
    found = np.zeros(partials.count)
    for name, limits in parts.info["ranges"].items():
        bonds = partials.range(name, limits)
        if name.startswith("first") and bonds.pair != partials.pairs[0]:
            found += partials.within(bonds)
    usual = float((atlas.density[others] @ found).mean()) if others.any() else 0.0
    return found / usual if usual else np.zeros_like(found)


def _accounted_of(parts: ModelParts, share: Array) -> Array:
    """(c,) by which RDFs say for how many absorbers they account.

    N in the metal's range over that of its whole crystals, and the ``share`` (c,) that is in the oxide, which may have
    atoms in that range, too.
    """
    name = of_metal(parts.info["ranges"])
    metal = parts.partials.within(parts.partials.range(name, parts.info["ranges"][name]))
    atlas, usual = parts.atlas, CRYSTALS[int(np.argmax(parts.pairs.phases[: len(CRYSTALS)]))]
    whole, beside = np.isin(atlas.phases, [usual]) & np.asarray(atlas.perfect), ~np.isin(atlas.phases, PHASES)
    if not (share.any() and whole.any()):
        return share
    number, other = (float((atlas.density[rows] @ metal).mean()) for rows in (whole, beside))
    found: Array = metal / number + share * (1 - other / number)
    return found


def _both(found: tuple[Array, Array], told: tuple[Array, Array]) -> tuple[Array, Array]:
    """Mean and standard deviation of two values with theirs."""
    weights = [std**-2 for _, std in (found, told)]
    total = weights[0] + weights[1]
    return (weights[0] * found[0] + weights[1] * told[0]) / total, total**-0.5


def _known(k_max: Array, noise: Array, amplitude_std: Array | float, e0_std: Array | float) -> Known:
    """What is known besides χ(k) of many spectra; what is one number is the same of all."""
    told = np.broadcast_arrays(k_max, noise, amplitude_std, e0_std)
    return Known(*(value.astype(np.float32) for value in told))


def _moved(
    chi: NDArray[np.floating], k: NDArray[np.floating], k_from: NDArray[np.floating], shift: NDArray[np.floating]
) -> Single:
    """``shift_energy`` in single precision."""
    chi, k, k_from, shift = (np.asarray(values, dtype=np.float32) for values in (chi, k, k_from, shift))
    found: Single = shift_energy(chi, k, k_from, shift, K2_PER_EV)
    return found
