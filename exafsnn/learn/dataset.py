"""Site library → training pairs: averaged, mixed and disturbed as measured spectra are.

``StateBank`` holds each state's mean χ(k) and mean RDF. ``PairMaker`` draws training pairs from it without end. States
are split by trajectory: no frame of a training trajectory is ever in a test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.features import FeatureMap, FeatureSettings, Known
from exafsnn.learn.pair_settings import OXIDE_ERRORS, PairSettings
from exafsnn.learn.theories import common_kernel, compare_theories, single_kernel
from exafsnn.physics.absorption import atomic_fall
from exafsnn.physics.distortion import distort, smooth_curve
from exafsnn.physics.fourier import broaden, fade, hanning_window, interpolate_cubic, shift_energy
from exafsnn.records import CRYSTALS, Array
from exafsnn.simulate.library import LibraryState, SiteLibrary

_SINGLE_FADE = (7.0, 8.5)
"""Distances [Å] in iron over which single scattering fades: a sharp end of the RDF rings in χ(k), however hot."""

_MULTIPLE_FADE = (5.6, 6.2)
"""R [Å] in iron over which multiple scattering fades."""

_MULTIPLE = 2
"""The last parts of χ(k) are those of multiple scattering."""

_AS_HOT = 0.3
"""States mix with such as are as hot, within so much of ln T: a sample has one temperature."""
_AS_HOT_BESIDE = 0.9
"""So much of states of two materials, whose T are those of force fields of their own, which differ from a sample's."""


@dataclass(frozen=True)
class StateBank:
    """Mean spectra and RDFs of states, on one energy zero."""

    k: Array
    """(m,) [Å⁻¹]."""
    chi: Array
    """(s, p + 2, m) mean χ(k) of each state, S₀² = 1: of single scattering by each pair, of two atoms, of three."""
    fine_rdf: Array
    """(s, p, f) n(r) [Å⁻¹] of each pair on a grid of 0.01 Å, smoothed."""
    fine_r: Array
    """(f,) [Å]."""
    families: tuple[str, ...]
    whole: Array
    """(s,) whether the state is a crystal without surfaces and vacancies, or the melt: N is that of a bulk phase."""
    phases: tuple[str, ...]
    treatments: tuple[str, ...]
    lattice: Array
    """(s,) lattice constant a of the box [Å]."""
    temperature: Array
    """(s,) temperature [K]."""
    index: tuple[int, ...]
    """Index of each state in its library."""
    gain: Array
    """(s, m) single-scattering amplitude of each state's FEFF treatment over that of the common one, 1 on average."""
    envelope: Array
    """(m,) amplitude of k²χ of a standard's nearest neighbours at room temperature."""
    phase_length: float
    """A peak of |χ(R)| lies so far below its distance [Å]."""
    common: Array
    """(s, p, m) single scattering of each state and pair in the common treatment."""
    beside: np.ndarray
    """(s,) whether the state is of a material that was joined to the library's own: an oxide beside its metal …"""
    apart: Array
    """… and (s,) the energy zero of that material's theory minus that of the own one's, in one treatment [eV]."""
    pairs: tuple[str, ...] = ()
    """Of two elements in alphabetical order: ``"O-Zn"``; none: by number."""
    joined: bool = False
    """Whether the library had both materials, whichever of them are here."""

    def in_common_theory(self) -> StateBank:
        """The same states as the common treatment has them, their multiple scattering but for its smooth gain.

        Of a bank as it is, the RDF does not say which treatment a spectrum is of.
        """
        multiple = self.chi[:, -_MULTIPLE:] / self.gain[:, None]
        chi = np.concatenate([self.common, multiple], axis=1)
        return replace(self, chi=chi, gain=np.ones_like(self.gain), treatments=("common",) * len(self.index))

    def part(self, rows: slice) -> StateBank:
        """The bank of a slice of the states."""
        return self.subset(np.arange(len(self.index), dtype=float)[rows])

    def subset(self, rows: Array) -> StateBank:
        """The bank of some of the states."""
        pick = [int(row) for row in rows]

        def some(names: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(names[i] for i in pick)

        return StateBank(
            self.k, self.chi[pick], self.fine_rdf[pick], self.fine_r, some(self.families), self.whole[pick],
            some(self.phases),
            some(self.treatments), self.lattice[pick], self.temperature[pick], tuple(self.index[i] for i in pick),
            self.gain[pick], self.envelope, self.phase_length, self.common[pick], self.beside[pick], self.apart[pick],
            self.pairs, self.joined,
        )  # fmt: skip


def make_bank(library: SiteLibrary, settings: PairSettings) -> StateBank:
    """The mean spectrum of every state, with the control variate, on the common energy zero, normalised as measured.

    What FEFF treatments differ by as a whole is divided out: S₀² of one scan is by as much smaller to a theory whose
    amplitudes are larger.
    """
    theories = compare_theories(library)
    r = 0.5 * (library.rdf_edges[1:] + library.rdf_edges[:-1])
    scale = library.plan.length_scale
    ends = fade(torch.from_numpy(r), *(scale * place for place in _SINGLE_FADE)).numpy()
    kernels = {name: single_kernel(theory, library.k, r) * ends for name, theory in library.theories.items()}
    chi = np.concatenate([_state_chi(state, kernels, library.k, scale) for state in library.states])  # [part, k]
    labels = [state.label for state in library.states]
    parts = len(chi) // len(labels)
    zero = torch.tensor([theories.zeros[label["theory"]] for label in labels]).repeat_interleave(parts)
    k = torch.from_numpy(library.k).float()
    moved = shift_energy(torch.from_numpy(chi).float(), k, k, zero, K2_PER_EV)
    beside = np.array([label["theory"] not in theories.own for label in labels])
    fall = atomic_fall(library.plan.element, library.plan.edge, library.k)
    gains = np.array([theories.gains[label["theory"]] for label in labels])
    sizes = np.average(gains, axis=1, weights=theories.envelope**2)
    measured = moved.double().numpy() * fall / sizes.repeat(parts)[:, None]
    rdf = np.array([state.sample.rdf for state in library.states])
    common = common_kernel(library, theories.zeros, r) * ends
    return StateBank(
        library.k, measured.reshape(len(labels), parts, -1), _smooth(rdf, r, settings.smoothing), r,
        tuple(label["family"] for label in labels),
        np.array([not (label["vacancies"] or label["atoms"] or label.get("exchanged")) for label in labels]),
        tuple(label["phase"] for label in labels),
        tuple(label["treatment"] for label in labels), np.array([label["a"] for label in labels]),
        np.array([label["temperature"] for label in labels]),
        tuple(state.index for state in library.states),
        gains / sizes[:, None], theories.envelope, theories.phase_length,
        np.einsum("kpr,spr->spk", common, rdf) * fall,
        beside,
        np.array([theories.zeros[label["theory"]] - theories.of_treatment[label["treatment"]] for label in labels]),
        tuple("-".join(sorted((library.plan.element, other))) for other in library.neighbours), bool(beside.any()),
    )  # fmt: skip


def _without_far_paths(chi: Array, k: Array, scale: float) -> Array:
    """Rows of χ(k) whose oscillations fade out between R = 5.6 and 6.2 Å, in iron; scaled for other metals.

    The library's multiple scattering is complete to a half length of 5.8 Å only; what it has beyond would leak into the
    R that is seen. k²χ is filtered, continued at its ends by odd reflection.
    """
    n, step = 4096, float(k[1] - k[0])
    r = torch.from_numpy(np.pi * np.fft.rfftfreq(n, step))
    keep = fade(r, *(scale * place for place in _MULTIPLE_FADE)).numpy()
    odd = np.concatenate([2 * chi[:, :1] * k[0] ** 2 - (chi * k**2)[:, 60:0:-1], chi * k**2], axis=1)
    odd = np.concatenate([odd, 2 * odd[:, -1:] - odd[:, -2:-62:-1]], axis=1)
    filtered = np.fft.irfft(np.fft.rfft(odd, n, axis=1) * keep, n, axis=1)[:, 60 : 60 + len(k)]
    result: Array = filtered / k**2
    return result


def _state_chi(state: LibraryState, kernels: dict[str, Array], k: Array, scale: float) -> Array:
    """(p + 2, m) χ_single of all atoms' RDF of each pair, mean two-atom part, mean three-atom part."""
    sample = state.sample
    kernel = kernels[state.label["theory"]]
    multiple = np.stack([sample.mean_pair, sample.mean_triple])
    return np.concatenate([np.einsum("kpr,pr->pk", kernel, sample.rdf), _without_far_paths(multiple, k, scale)])


def _smooth(rdf: Array, r: Array, sigma: float) -> Array:
    """(s, p, f) counts per bin → n(r) [Å⁻¹], smoothed with a Gaussian."""
    step = r[1] - r[0]
    kernel = np.exp(-0.5 * ((r[:, None] - r[None]) / sigma) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True).max()
    smooth: Array = rdf @ kernel / step
    return smooth


@dataclass(frozen=True)
class Pairs:
    """A batch of training or test pairs."""

    chi: Tensor
    """(n, m) χ on the features' k grid, divided by the assumed amplitude, shifted by the assumed energy zero."""
    known: Known
    density: Tensor
    """(n, c) true n(r) [Å⁻¹] of all pairs, one after the other."""
    e0: Tensor
    """(n,) true energy zero minus the assumed one [eV]."""
    log_amplitude: Tensor
    """(n,) ln(true amplitude / assumed amplitude)."""
    states: Tensor
    """(n,) row in the bank of the state with the largest weight."""
    errors: Tensor
    """(n,) how large smooth errors of theory are, in units of the usual ones: larger of an oxide, by its share."""


class PairMaker:
    """Draws disturbed spectra with their true RDFs, as many as wanted.

    Parameters
    ----------
    session
        If given, all that is drawn is of one session of that seed: other elements' own errors of theory are the same.
    """

    def __init__(
        self, bank: StateBank, settings: PairSettings, features: FeatureSettings, seed: int, session: int | None = None
    ) -> None:
        self.settings = settings
        self._generator = torch.Generator().manual_seed(seed)
        self._session = session
        self._k = torch.from_numpy(FeatureSettings.k_grid(features)).float()
        self._bank_k = torch.from_numpy(bank.k).float()
        self._gain = torch.from_numpy(bank.gain).float()
        self._envelope = torch.from_numpy(bank.envelope).float()
        self._phase_length = bank.phase_length
        self._kmin = features.kmin
        self._chi = torch.from_numpy(bank.chi).float()
        self._rdf = torch.from_numpy(bank.fine_rdf).float()
        single = np.sqrt(((bank.chi[:, :-_MULTIPLE] * bank.k**2) ** 2).mean(axis=2))
        self._presence = torch.from_numpy(single / single.sum(axis=1, keepdims=True)).float()  # [state, pair]
        self._pairs = bank.pairs or tuple(map(str, range(single.shape[1])))
        self._fine_r = torch.from_numpy(bank.fine_r).float()
        self._bins = torch.from_numpy(settings.bins()).float()
        of = np.array(bank.treatments)
        beside = bank.beside if not bank.beside.all() else ~bank.beside
        self._treatments = sorted(set(of[~beside]))
        self._groups, others = (
            [{name: torch.from_numpy(np.flatnonzero((of == name) & (bank.whole != bad) & (beside == which)))
              for name in self._treatments} for bad in (False, True)]
            for which in (False, True)
        )  # fmt: skip
        self._beside = others if any(len(rows) for group in others for rows in group.values()) else None
        self._of_its_own = torch.from_numpy(bank.beside) if bank.joined else torch.ones(len(of), dtype=torch.bool)
        """(s,) whether pairs of a state are broader, and err, each for itself."""
        self._is_beside, self._apart = torch.from_numpy(beside), torch.from_numpy(bank.apart).float()
        self._of_treatment = torch.tensor([name in self._treatments and self._treatments.index(name) for name in of])
        self._lottery = _phase_weights(bank, settings)
        self._log_temperature = torch.from_numpy(bank.temperature).float().clamp_min(1.0).log()

    def _uniform(self, n: int, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=self._generator)

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self._generator)

    def draw(self, n: int, *, reference: float = 0.5, zero_known: float | None = None) -> Pairs:
        """Draw ``n`` pairs.

        Parameters
        ----------
        reference
            Fraction whose amplitude is known from a reference.
        zero_known
            Fraction whose energy zero is known to about 1 eV, from a reference or a first look; None: settings.
        """
        s = self.settings
        known_reference = self._uniform(n, 0, 1) < reference
        known_zero = self._uniform(n, 0, 1) < (s.zero_known if zero_known is None else zero_known)
        rows, weights = self._mixtures(n, known_reference)
        if self._beside:
            rows, weights = self._with_beside(rows, weights)
        errors = 1 + (OXIDE_ERRORS - 1) * (weights[:, 2:].sum(dim=1) if self._beside else torch.zeros(n))
        kept = self._occupation(n, known_reference)
        atoms = torch.tensor([1] * (self._chi.shape[1] - _MULTIPLE) + [2, 3])
        orders = kept[:, None] ** atoms  # [spectrum, part]
        there = self._of_any_number(n)
        if s.any_number:
            orders[:, :-_MULTIPLE] *= there
        orders[:, -_MULTIPLE:] *= 1 + s.theory_multiple * errors[:, None] * self._normal(n, 1)
        apart = self._apart_sigma2(n)
        chi = self._mixed_chi(rows, weights, orders, apart)
        rdf = (kept[:, None] * there)[:, :, None] * self._mixed_rdf(rows, weights, apart)
        chi, density = self._deform(chi, rdf)
        kmax = self._uniform(n, *s.kmax)
        chi, gain = self._theory_error(chi, errors)
        calibrated = self._calibration(gain * torch.einsum("ns,nsk->nk", weights, self._gain[rows]), kmax)
        chi = torch.where(known_reference[:, None], chi / calibrated[:, None], chi)
        amplitude_std, e0_std = self._prior_widths(n, known_reference, known_zero)
        error = self._normal(n) * e0_std
        unknown = self._uniform(n, -s.e0_range, s.e0_range)
        if self._beside:
            unknown = self._zero_beside(rows, weights, unknown)
        e0 = torch.where(known_zero, error.clamp(-6, 6), unknown)
        log_amplitude = (self._normal(n) * amplitude_std).clamp(-0.4, 0.4)
        observed = shift_energy(chi, self._k, self._bank_k, e0, K2_PER_EV) * log_amplitude.exp()[:, None]
        noise = 10 ** self._uniform(n, math.log10(s.noise[0]), math.log10(s.noise[1]))
        observed = observed + self._residue(n) + self._noise(n) * noise[:, None]
        known = Known(kmax, noise, amplitude_std, e0_std)
        largest = rows.gather(1, weights.argmax(dim=1, keepdim=True))[:, 0]
        return Pairs(observed, known, density, e0, log_amplitude, largest, errors)

    def _occupation(self, n: int, known_reference: Tensor) -> Tensor:
        """(n,) fraction of sites that are occupied.

        Vacancies at random scale each path by the chance that all of its atoms are there: exact on average, but for
        the atoms' relaxation. They teach the network to count rather than to recognise.
        """
        s = self.settings
        share = torch.where(known_reference, s.diluted[1], s.diluted[0])
        return 1 - self._uniform(n, 0, s.dilution) * (self._uniform(n, 0, 1) < share)

    def _apart_sigma2(self, n: int) -> Tensor:
        """(n, p) σ² that each pair has more than the others have [Å²].

        It goes by the pair's name, whichever column it is: of one bond the absorbers at both ends have the same.
        """
        shape, largest = (n, self._rdf.shape[1]), self.settings.apart_sigma2
        if not largest:
            return torch.zeros(shape)
        return largest * (2 * self._of_each_pair(n) - 1).clamp_min(0)

    def _of_any_number(self, n: int) -> Tensor:
        """(n, p) shares of the sites of a pair that are occupied, of those that may have any number of atoms."""
        share = torch.ones(n, self._rdf.shape[1])
        if free := list(self.settings.any_number):
            share[:, free] = self._of_each_pair(n)[:, free]
        return share

    def _of_each_pair(self, n: int) -> Tensor:
        """(n, p) uniform random numbers that go by the pairs' names."""
        base = int(torch.randint(2**31, (1,), generator=self._generator))
        sources = [torch.Generator().manual_seed(base ^ crc32(name.encode())) for name in self._pairs]
        return torch.stack([torch.rand(n, generator=source) for source in sources], dim=1)

    def _damped(self, sigma2: Tensor) -> Tensor:
        """(..., m) what σ² (...) leave of χ(k)."""
        return torch.exp(-2 * sigma2[..., None] * self._bank_k**2)

    def _prior_widths(self, n: int, known_reference: Tensor, known_zero: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) relative standard deviation of the amplitude, and standard deviation of the energy zero [eV]."""
        s = self.settings
        narrow = self._uniform(n, *s.reference_std)
        near = self._uniform(n, *s.known_e0_std)
        amplitude_std = torch.where(known_reference, narrow, torch.full_like(narrow, s.amplitude_std))
        return amplitude_std, torch.where(known_zero, near, torch.full_like(near, s.e0_range / math.sqrt(3)))

    def _mixtures(self, n: int, known_reference: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 2) rows of the bank and their weights, the larger first; both of one FEFF treatment, and about as hot."""
        s = self.settings
        share = torch.where(known_reference, s.defective[1], s.defective[0])
        bad = self._uniform(n, 0, 1) < share
        treatment = torch.randint(len(self._treatments), (n,), generator=self._generator)
        rows = torch.empty(n, 2, dtype=torch.long)
        for number, name in enumerate(self._treatments):
            for column in (0, 1):
                for is_bad in (False, True):
                    use = ((treatment == number) & (bad == is_bad)).nonzero()[:, 0]
                    group = self._groups[int(is_bad)][name]
                    if len(group) == 0:
                        group = self._groups[0][name] if len(self._groups[0][name]) else self._groups[1][name]
                    if len(use):
                        chances = self._lottery[group].expand(len(use), -1)
                        if column:
                            first = rows[use, 0][:, None]
                            ratio = self._log_temperature[group] - self._log_temperature[first]
                            alike = (ratio.abs() < _AS_HOT) & (group != first)
                            chances = chances * torch.where(alike.any(dim=1, keepdim=True), alike, group == first)
                        pick = torch.multinomial(chances, 1, generator=self._generator)[:, 0]
                        rows[use, column] = group[pick]
        mixed = torch.where(known_reference, s.mixed[1], s.mixed[0])
        second = self._uniform(n, 0, 0.5) * (self._uniform(n, 0, 1) < mixed)
        return rows, torch.stack([1 - second, second], dim=1)

    def _with_beside(self, rows: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 3) rows and weights, the third a state of the material beside the own one, in the same treatment.

        A metal is partly its oxide in any proportion, with a reference or without: both have all their atoms. They are
        about as hot, since a sample has one temperature: a far hotter metal would hide in an oxide's spectrum.
        """
        s, n = self.settings, len(rows)
        chance, share = self._uniform(n, 0, 1), self._uniform(n, 0, 1)
        share = torch.where(chance < s.beside[0], torch.ones(n), share * (chance < sum(s.beside)))
        other = rows[:, 0].clone()  # where the few states that judge a model lack it in a treatment none is beside
        bad, treatment = self._uniform(n, 0, 1) < s.defective[0], self._of_treatment[rows[:, 0]]
        for number, name in enumerate(self._treatments):
            for is_bad, of in enumerate(self._beside or []):
                use, group = (treatment == number) & (bad == bool(is_bad)), of[name]
                if len(group) and use.any():
                    ratio = self._log_temperature[group] - self._log_temperature[rows[use, 0]][:, None]
                    nearest = ratio.abs().amin(dim=1, keepdim=True).clamp_min(_AS_HOT_BESIDE)
                    alike = (ratio.abs() <= nearest) | (share[use, None] == 1)  # there is no metal
                    chances = self._lottery[group] * alike
                    other[use] = group[torch.multinomial(chances, 1, generator=self._generator)[:, 0]]
        share = share * self._is_beside[other]
        both = torch.cat([weights * (1 - share)[:, None], share[:, None]], dim=1)
        return torch.cat([rows, other[:, None]], dim=1), both

    def _mixed_chi(self, rows: Tensor, weights: Tensor, orders: Tensor, apart: Tensor) -> Tensor:
        """(n, m) mean χ(k) of states, each part times ``orders`` (n, p + 2), with its own error of theory.

        Pairs are broader by σ² ``apart`` (n, p); paths of several atoms by the mean, as strongly as a state has each.

        Of two materials the energy zeros need not agree: each is moved from their mean, at which the sum stays. Nor do
        their amplitudes. What pairs have each for itself is the oxide's: what is metal is that of a metal's own model.
        """
        errors = self._own_errors(len(rows))
        if not self._beside:
            return self._of_either(rows, weights, orders, apart, errors)
        share = weights[:, 2]
        off = self.settings.beside_apart * self._normal(len(rows)).clamp(-2, 2)
        moves = (-share * off, (1 - share) * off)
        other = 1 + self.settings.beside_amplitude * self._normal(len(rows)).clamp(-2, 2)
        metal = self._of_either(rows[:, :2], weights[:, :2], orders, apart, errors)
        oxide = self._of_either(rows[:, 2:], (share * other)[:, None], orders, apart, errors)
        return sum(
            shift_energy(part, self._bank_k, self._bank_k, move, K2_PER_EV)
            for part, move in zip((metal, oxide), moves, strict=True)
        )

    def _of_either(
        self, rows: Tensor, weights: Tensor, orders: Tensor, apart: Tensor, errors: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """(n, m) χ(k) of states of such weights (n, s): what is metal beside an oxide as in a metal's own model."""
        own = weights * self._of_its_own[rows]
        if not own.any():
            return self._summed(rows, weights, orders, None, None)
        found = self._summed(rows, own, orders, apart, errors)
        return found if torch.equal(own, weights) else found + self._summed(rows, weights - own, orders, None, None)

    def _mixed_rdf(self, rows: Tensor, weights: Tensor, apart: Tensor) -> Tensor:
        """(n, p, f) mean n(r) of states; their pairs are broader by σ² ``apart`` (n, p), as in ``_mixed_chi``."""
        states = self._rdf[rows]  # [spectrum, state, pair, bin]
        whole = torch.einsum("ns,nspr->npr", weights, states)
        if not self.settings.apart_sigma2:
            return whole
        own = torch.einsum("ns,nspr->npr", weights * self._of_its_own[rows], states)
        step = float(self._fine_r[1] - self._fine_r[0])
        wide = broaden(own.flatten(0, 1), apart.flatten(), step).unflatten(0, own.shape[:2])
        return whole - own + wide

    def _summed(
        self, rows: Tensor, weights: Tensor, orders: Tensor, apart: Tensor | None, errors: tuple[Tensor, Tensor] | None
    ) -> Tensor:
        """(n, m) χ(k) of states of such weights (n, s), their pairs broader by ``apart``, their parts with ``errors``.

        None: neither.
        """
        parts = self._chi[rows]  # [spectrum, state, part, k]
        if apart is not None and self.settings.apart_sigma2:
            mean = (self._presence[rows] * apart[:, None]).sum(dim=2)  # [spectrum, state]
            multiple = parts[:, :, -_MULTIPLE:] * self._damped(mean)[:, :, None]
            parts = torch.cat([parts[:, :, :-_MULTIPLE] * self._damped(apart)[:, None], multiple], dim=2)
        parts = torch.einsum("ns,nsok->nok", weights, parts) * orders[:, :, None]
        if errors is None:
            return parts.sum(dim=1)
        multiple = parts[:, -_MULTIPLE:].sum(dim=1, keepdim=True)
        own = torch.cat([parts[:, 1:-_MULTIPLE], multiple], dim=1).flatten(0, 1)
        return parts[:, 0] + distort(own, *errors).unflatten(0, (len(rows), -1)).sum(dim=1)

    def _own_errors(self, n: int) -> tuple[Tensor, Tensor] | None:
        """Factor of the amplitude and phase of what else there is than single scattering of the first pair, (n·p, m).

        That of each other pair, then multiple scattering; the same of all that is of one session.
        """
        size, count = self.settings.theory_apart, self._chi.shape[1] - _MULTIPLE
        if not size:
            return None
        source, each = self._generator, n
        if self._session is not None:
            source, each = torch.Generator().manual_seed(self._session), 1
        normal = torch.randn(2, each, count, 4, generator=source).expand(2, n, count, 4).flatten(1, 2)
        amplitude, phase = (size * smooth_curve(of, self._bank_k, 0) for of in normal)
        return 1 + amplitude, phase

    def _zero_beside(self, rows: Tensor, weights: Tensor, unknown: Tensor) -> Tensor:
        """(n,) unknown energy zeros of mixtures, those of the own material being ``unknown``.

        E₀ lies on the edge of either material, by its share; on an oxide's white line it is many eV above the zero.
        """
        (centre, reach), n = self.settings.beside_e0, len(rows)
        reach = reach if self.settings.e0_range else 0.0
        expected = (centre - self._apart[rows[:, 2]] - self.settings.e0) * bool(reach)
        on_its_edge = self._uniform(n, 0, 1) < weights[:, 2]
        return torch.where(on_its_edge, expected + self._uniform(n, -reach, reach), unknown)

    def _deform(self, chi: Tensor, rdf: Tensor) -> tuple[Tensor, Tensor]:
        """Stretch all distances and broaden them a little, in the spectrum and in the RDF alike.

        A stretch of k is one of the distances less the scattering phase's own length; its 1/(kR²) is undone.
        """
        s, n = self.settings, len(chi)
        stretch = 1 + self._uniform(n, -s.stretch, s.stretch)
        sigma2 = self._uniform(n, 0, s.extra_sigma2) * (self._uniform(n, 0, 1) < 0.5)
        k = self._bank_k
        position = ((k * stretch[:, None] - k[0]) / (k[1] - k[0])).clamp(0, len(k) - 1.0)
        chi = interpolate_cubic(chi, position) / stretch[:, None] * self._damped(sigma2)
        pairs = rdf.shape[1]
        wide, by = sigma2.repeat_interleave(pairs), stretch.repeat_interleave(pairs)[:, None]
        rdf = broaden(rdf.flatten(0, 1), wide, float(self._fine_r[1] - self._fine_r[0]))  # [spectrum and pair, bin]
        source = (self._bins + (by - 1) * self._phase_length) / by
        where = (source - self._fine_r[0]) / (self._fine_r[1] - self._fine_r[0])
        density = interpolate_cubic(rdf, where.clamp(0, rdf.shape[1] - 1.0)) / by
        return chi, density.clamp_min(0).reshape(n, -1)

    def _smooth_curve(self, n: int, lowest: int) -> Tensor:
        """(n, m) random smooth functions of k of unit variance: cosines over the range, from order ``lowest`` to 3."""
        return smooth_curve(self._normal(n, 4 - lowest), self._bank_k, lowest)

    def _calibration(self, gain: Tensor, kmax: Tensor) -> Tensor:
        """(n,) the amplitude that a standard would be found to have, had it the same theory error ``gain`` (n, m).

        A reference is measured and computed like the sample, so that what it can correct is no error of the sample.
        """
        window = hanning_window(self._bank_k, torch.full_like(kmax, self._kmin), kmax, 1.0)
        weight = (self._envelope * window).square()
        return (gain * weight).sum(dim=1) / weight.sum(dim=1)

    def _theory_error(self, chi: Tensor, errors: Tensor) -> tuple[Tensor, Tensor]:
        """A smooth random change of amplitude and phase with k: what one FEFF treatment differs from another by.

        It is ``errors`` (n,) times as large as usual. A constant factor is not among it: that is S₀². The phase turns
        χ(k) into its quadrature. Returns the changed χ(k) and the factor of its amplitude, each (n, m).
        """
        s, n = self.settings, len(chi)
        amplitude = 1 + s.theory_amplitude * errors[:, None] * self._smooth_curve(n, lowest=1)
        phase = s.theory_phase * errors[:, None] * self._smooth_curve(n, lowest=0)
        return distort(chi, amplitude, phase), amplitude

    def _residue(self, n: int) -> Tensor:
        """(n, m) what AUTOBK leaves of the background: slow oscillations that fade with k."""
        total = torch.zeros(n, len(self._k))
        for _ in range(3):
            r, phase = self._uniform(n, 0.0, 1.1)[:, None], self._uniform(n, 0, 2 * math.pi)[:, None]
            size = self.settings.residue * self._normal(n)[:, None] / math.sqrt(3)
            total += size * (3.0 / self._k) ** 2 * torch.cos(2 * self._k * r + phase)
        return total

    def _noise(self, n: int) -> Tensor:
        """(n, m) noise of unit size at k = 10, white or growing with k."""
        growth = self._uniform(n, -0.3, 1.0)[:, None]
        return self._normal(n, len(self._k)) * (self._k.clamp_min(1.0) / 10) ** growth


def _phase_weights(bank: StateBank, settings: PairSettings) -> Tensor:
    """Lottery weights that give each phase its share, and cold states more than their number in it.

    Cold states have sharp RDFs that fill a small part of the range of temperatures, and most samples are cold.
    """
    share = dict(zip((*CRYSTALS, "liquid"), settings.phases, strict=True))
    cold = 1.0 / (bank.temperature + 500.0)
    phases = np.array(bank.phases)
    weights = [share.get(phase, 0.25) * cold[i] / cold[phases == phase].sum() for i, phase in enumerate(bank.phases)]
    return torch.tensor(weights)


def split_by_trajectory(bank: StateBank, held_out: float, seed: int) -> tuple[StateBank, StateBank]:
    """Training and held-out bank; every family is in both."""
    rng = np.random.default_rng(seed)
    test: list[int] = []
    for key in sorted(set(zip(bank.families, strict=True))):
        rows = [i for i, family in enumerate(bank.families) if (family,) == key]
        test += [int(i) for i in rng.permutation(rows)[: max(1, round(held_out * len(rows)))]]
    train = [i for i in range(len(bank.families)) if i not in set(test)]
    return bank.subset(np.array(train)), bank.subset(np.array(sorted(test)))


def features_of(pairs: Pairs, feature_map: FeatureMap) -> Tensor:
    """(n, width) network input of a batch."""
    return feature_map(pairs.chi, pairs.known)
