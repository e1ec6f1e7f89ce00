"""Prediction + forward model → better Prediction: gradients improve the RDF, the energy zero and the amplitude.

Each step is one of Gauss and Newton on a Gaussian prior: RDFs that there may be (``learn.atlas``), and what the scans
of a session share (``infer.theory``). What no RDF within the bins explains (noise, background, atoms beyond, the
forward model's own error) is covariance of the data. So the answer leaves what is known only where the data say so, and
its covariance follows; Tarantola, Inverse Problem Theory (SIAM, 2005), section 3.4. ``infer.fit`` does the algebra.

The prior is the neighbourhood of the answer, and moves with it; so where one ends depends on where one begins, and
each scan is fitted under several hypotheses, whose mean by evidence is the answer. A sample is a perfect crystal (or
melt), which has all its atoms, or it is any other: with a standard atoms can be counted, and RDFs that lack some are
among what there may be. A perfect crystal may also lack amplitude, of pinholes or self-absorption: then all its shells
are smaller, the outer no more than the first. So are those of a mixture, so N stays, but its error holds both. What a
standard itself tells is a matter of hypotheses, too: it is a crystal of known structure, but how hot one cannot say;
those that are most like it are fitted. Where the model knows the metal's oxides a sample may be partly one, in any
proportion, with a standard or without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from exafsnn.errors import SettingsError
from exafsnn.infer.answers import Answers
from exafsnn.infer.cores import one_core, side_by_side
from exafsnn.infer.error_bars import Exchanged, Raw, Samples
from exafsnn.infer.estimates import Limit, Reference, Signals
from exafsnn.infer.exchange import exchanged
from exafsnn.infer.fit import STEPS, Around, Data, Fits, Linearised, Measured, fit, times
from exafsnn.infer.known import OWN_LEAST, Known, Likely
from exafsnn.infer.predict import Model
from exafsnn.infer.reference import calibrate
from exafsnn.infer.structure import parse_structure
from exafsnn.infer.theory import Session, Theory
from exafsnn.infer.verdict import misfit_of
from exafsnn.learn.atlas import Kind
from exafsnn.learn.pair_settings import OXIDE_ERRORS, PairSettings
from exafsnn.records import Array, ChiK, Prediction

_LEAST: Mapping[Kind, int] = {"pure": 0, "perfect": 10_000, "counted": 10_000, "mixed": 10_000}
"""RDFs of each kind, at least …"""
_BESIDE_MORE = 3
"""… and so many times as many of what is counted where oxides are known: a third of it is the metal alone then …"""
_BESIDE_LIKELIER = 1.95
"""… which is to be as likely, against the metal's perfect crystals, as where no oxide is known. Of perfect crystals 60
to 81 % are the metal's, of what is counted 31 to 41 %."""
_CRYSTALS = 60
"""Crystals of a standard's structure: so many of the likest are fitted …"""
_EXPANDED, _BROADENED, _CRYSTAL_SHARE = 0.0003, 0.0008, 0.02
"""… each changed a little: its lattice, relatively, which is given, its σ² [Å² in iron], and each bin of its own."""
_BLIND = (0.8, 0.05)
"""Standard deviations of the network's energy zero [eV] and relative amplitude, without a standard …"""
_ZERO_OF_COMPOUND, _DOMAIN_OF_COMPOUND = 2.5, 1.5
"""… of that zero where other elements scatter: fits of NiO and ZnSe find 2.5 and 1.5 eV less than networks. Found so, a
scan is foreign to ``refine`` only if networks leave more of it unexplained, by this factor. (These two scans were in
view when both were chosen; that of GaAs, which was not, agrees.) …"""
_STANDARD = (3.0, 0.15)
"""… of a standard's, before its own fit …"""
_NEXT_SCAN = (0.3, 0.015)
"""… and of another scan's of the same session, beyond the standard's."""
_OWN_SHARE = 0.3
"""Of what a scan tells of its session, so much is not the forward model's error, which all have in common. (Chosen on
``spectra/``, where 1 finds S₀² 8 % too large.)"""
_OXIDE_ZERO, _PARTLY = 1.5, 0.2
"""The energy zero of what is as much of an oxide as this share, or more, is the network's, by so much [eV]: a standard
of the metal tells it loosely. What is less of it has the standard's, accordingly more."""
_ABOUT = 0.5
"""Width of priors about a network's answer, in units of the spread of the RDFs around it."""
_ROUND = 0.02
"""To so much energy zeros [eV] and logarithms of amplitudes are rounded, where a fit begins at what is likely."""
_SOME = (0.02, 0.1)
"""Shares of an oxide, or of the metal beside one, between which a sample becomes a mixture: networks find up to 0.02 of
an oxide in foils. Of a mixture networks know the amplitude no better than their share, and it has a hypothesis more."""
_DAMPED, _DAMPED_SHARE = 0.6, 0.1
"""A perfect crystal may lack amplitude, relatively; the share of perfect crystals that do …"""
_LACKING, _FAR = 0.03, 0.8
"""… asked where N differs by so much, relatively, from its own, or is less than this share of the standard's."""
_SAMPLES = 200
RECORDS = 250
"""Scans that are refined at a time …"""
_TOGETHER = 16
"""… and fitted together."""


class Refiner:
    """Refines the predictions of one model, with what a standard tells of its session.

    Parameters
    ----------
    model
        The model whose answers are the start.
    standard, structure
        χ(k) of a standard measured like the samples, and its structure, e.g. ``"bcc:2.8665"``; both or none.
    known
        What is known of the amplitude otherwise, of another material (``Reference.apart``).
    session
        What all scans together told of their session (``common``).

    Raises
    ------
    SettingsError
        If one of both is missing, or the structure is not understood, or is not what was measured.
    """

    def __init__(
        self,
        model: Model,
        standard: ChiK | None = None,
        structure: str | None = None,
        *,
        known: Reference | None = None,
        session: Session | None = None,
    ) -> None:
        if (standard is None) != (structure is None):
            raise SettingsError("a standard tells nothing without its structure, nor that without a standard")
        self._model = model
        self.reference = calibrate(model, standard, structure) if standard is not None and structure else known
        self._way = way = way_of(self.reference, model.pairs)
        self.theory = Theory(model.forward, model.pairs, way.errors)
        """The forward model, its errors as large as this session's may be."""
        self._session: Session | None = None
        self._common = session
        self._whole = 0.0
        of_same = self.reference is not None and not self.reference.apart
        if standard is not None and structure and self.reference and of_same:
            self._session = self._session_of(standard, structure, self.reference)
        self._leaves: Limit | None = None
        if standard is not None and self.reference and of_same:
            answer = self._refined(Signals.of([standard]), 1)[0]
            self._leaves = answer.limit(0)
            self.reference = self.reference.doubted(answer.findings(0, standard))

    @cached_property
    def _search(self) -> Search:
        """What fits scans; made when the first are there."""
        model = self._model
        search = Search.of(self.theory, self._way, model.known, model.atlas.outlines, self._first)
        session = self._session
        if self._way is _RECOGNISED and search.between:
            session = self.theory.session(np.zeros(1), 0.0, np.array([model.pairs.amplitude]), 0.0)
        if not session:
            return search
        likely = {one.kind: Likely(known, self.theory, session) for one, known in search.hypotheses if one.likely}
        return replace(search, likely=likely, whole=self._whole)

    def refine(self, chi: ChiK) -> Prediction:
        """The prediction for one χ(k), improved; see ``refine_all``."""
        return self.refine_all([chi])[0]

    def refine_all(self, scans: Sequence[ChiK]) -> list[Prediction]:
        """The predictions for many χ(k), improved, in their order.

        Parameters
        ----------
        scans
            Of one session.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """
        found: dict[int, Prediction] = {}
        for numbers in self._model.together(scans, RECORDS):
            some = [scans[number] for number in numbers]
            with one_core() as cores:
                answers, fits = self._refined(Signals.of(some), cores)
            for row, (number, chi) in enumerate(zip(numbers, some, strict=True)):
                record = answers.one(row, chi)
                found[number] = replace(record, history=(*record.history, why(fits, row)))
        return [found[number] for number in range(len(scans))]

    def common(self, signals: Signals) -> Session:
        """What scans of one session tell of it together; (1, p).

        Each tells what its data add to what was known before: the information of its posterior, C⁻¹, less that of the
        prior. Much of that is the same error of the forward model in all of them, which is not counted again with every
        scan.
        """
        with one_core() as cores:
            _, fits = self._refined(signals, cores)
        before, bins = self.sessions(signals, self._model.answers(signals, self.reference)), fits.density.shape[1]
        after = fits.covariance[:, bins:, bins:]
        factor, known = torch.linalg.cholesky(before.covariance), torch.linalg.inv(before.covariance)
        gained = factor.mT @ torch.linalg.inv(after) @ factor - torch.eye(after.shape[1], dtype=after.dtype)
        sizes, axes = torch.linalg.eigh(gained)  # less than nothing no scan tells, as means of hypotheses may seem to
        back = torch.linalg.solve_triangular(factor.mT, axes * sizes.clamp_min(0).sqrt()[:, None], upper=True)
        told = back @ back.mT  # [scan, value, value]
        information = known.mean(dim=0) + _OWN_SHARE * told.sum(dim=0)
        said = times(told + known, fits.shared) - times(known, before.mean)
        covariance = torch.linalg.inv(information)
        mean = covariance @ (times(known, before.mean).mean(dim=0) + _OWN_SHARE * said.sum(dim=0))
        apart = (fits.shared[:, 0] - mean[0]) ** 2 - after[:, 0, 0] - _NEXT_SCAN[0] ** 2
        covariance[0, 0] += apart.mean().clamp_min(0)  # the edge moves along the series: then the zero is not shared
        return Session(mean[None], covariance[None])

    def answers(self, signals: Signals) -> Answers:
        """What ``refine`` says of scans, one at least, that ``Model.check`` would not refuse, as arrays."""
        with one_core() as cores:
            return self._refined(signals, cores)[0]

    def _refined(self, signals: Signals, cores: int) -> tuple[Answers, Fits]:
        """The answers, and the fits behind them; what these do not touch is that of the predictions."""
        model = self._model
        start, search = model.answers(signals, self.reference), self._search

        def piece(rows: np.ndarray) -> Fits:
            own, at = signals[rows], start[rows]
            data, sessions = self.data(own, at.k_max, at.oxidised), self.sessions(own, at)
            return search.found(data, torch.from_numpy(at.density), sessions, at.oxidised)

        fits = in_pieces(piece, start.k_max, cores)
        bins = fits.density.shape[1]
        found = self.explained(signals, start, fits.density, fits.shared, fits.covariance[:, bins:, bins:])
        other, damping = search.doubt(fits)
        raw = Raw(model.partials, model.pairs.smoothing, found.density, lambda rows, part: drawn(fits[rows], part))
        told = model.told(raw, "refined", self.reference, found.given, found.excess, keep=True, other=other)
        answers = replace(found, damping=damping).with_errors(told)
        return answers.with_exchanges(self._exchanges(signals, start, fits, cores)), fits

    def explained(
        self, signals: Signals, start: Answers, density: Tensor, shared: Tensor, covariance: Tensor
    ) -> Answers:
        """How refined RDFs (s, c) [Å⁻¹] explain their scans: answers without ranges and error bars.

        Parameters
        ----------
        signals, start
            The scans, and the predictions of which all stays that a fit does not touch.
        density, shared, covariance
            (s, c) n(r) [Å⁻¹], (s, p) values of the sessions, and their covariance (s, p, p).
        """
        model, zero, theory = self._model, shared[:, 0].numpy(), self.theory
        given = model.circumstances(start.k_max, signals.noise / start.amplitude, density.numpy())
        implied = (theory.spectrum(density, shared) / theory.k**2).float().numpy()
        chi_model = model.ensemble.as_measured(signals.k, implied, zero, np.ones(len(zero)))
        misfit = misfit_of(signals, chi_model, model.features.kmin, start.k_max, model.pairs.scale)
        oxidised = model.ensemble.oxidised(density.numpy())
        beside = self.reference.judges(signals.e0, oxidised, zero) if self.reference else False
        excess = misfit.excess("refined", self._leaves, beside)
        stds = covariance.diagonal(dim1=1, dim2=2).sqrt().numpy()
        amplitude = shared[:, 1].exp().numpy()
        relative = stds[:, 1] if self.reference else np.maximum(stds[:, 1], model.pairs.amplitude_std)
        usual = 1.0 if model.knows_metals else _DOMAIN_OF_COMPOUND
        return replace(
            start, density=density.numpy(), spread=None, samples=None, shells={}, given=given,
            delta_e0=zero, delta_e0_std=stds[:, 0], amplitude=amplitude, amplitude_std=amplitude * relative,
            chi_model=chi_model, misfit=misfit.r_factor, misfit_noise=misfit.noise, left=misfit.left, excess=excess,
            misfit_local=misfit.local, misfit_at=misfit.at, misfit_below=misfit.below,
            oxidised=oxidised,
            domain_score=np.maximum(start.domain_score / usual, misfit.foreign("refined")),
        )  # fmt: skip

    def _exchanges(self, signals: Signals, start: Answers, fits: Fits, cores: int) -> dict[str, Exchanged]:
        """Whether the data tell of which element each range is (``infer.exchange``), where they could be of two.

        Of raw error bars, which those that cover are made of, nothing is asked.
        """
        model = self._model
        if len(model.partials.pairs) == 1 or not model.intervals:
            return {}
        ranges = model.tested(fits.density.numpy())

        def exchange(rows: slice) -> dict[str, Exchanged]:
            data = self.data(signals[rows], start.k_max[rows], start.oxidised[rows])
            sessions = self.sessions(signals[rows], start[rows])
            own = {name: limits.of(rows) for name, limits in ranges.items()}
            return exchanged(self.theory, data, fits[rows], sessions, model.partials, own)

        return Exchanged.joined(side_by_side(exchange, pieces_of(len(signals)), cores))

    def _first(self, density: Tensor) -> Array:
        """(s,) N in the range ``first`` of RDFs (s, b)."""
        return self._model.ensemble.first(density.numpy())[0]

    def data(self, signals: Signals, k_max: Array, oxidised: Array) -> Data:
        """What is measured of scans that are used to ``k_max`` (s,) [Å⁻¹], with such shares of oxides (s,)."""
        ensemble, k_min = self._model.ensemble, self._model.features.kmin
        white = self._way.white * torch.from_numpy(1 + (OXIDE_ERRORS - 1) * oxidised)
        return Data(ensemble, self.theory, signals, k_min, torch.from_numpy(k_max), white)

    def sessions(self, signals: Signals, start: Answers) -> Session:
        """What is known of each scan's session."""
        if self._common:
            known = self._common.loosened(*_NEXT_SCAN)
            return Session(known.mean.expand(len(signals), -1), known.covariance.expand(len(signals), -1, -1))
        zero_std = _BLIND[0] if self._model.knows_metals else _ZERO_OF_COMPOUND
        unknown = self.theory.session(start.delta_e0, zero_std, start.amplitude, _BLIND[1])
        pairs, share = self._model.pairs, torch.from_numpy(start.oxidised)
        usual = np.full(len(signals), pairs.amplitude)
        unknown = unknown.towards(
            self.theory.session(start.delta_e0, zero_std, usual, pairs.amplitude_std), _some(share)
        )
        if self.reference and self.reference.apart:
            amplitude = np.full(len(signals), self.reference.amplitude)
            std = self.reference.amplitude_std / self.reference.amplitude
            known = self.theory.session(start.delta_e0, zero_std, amplitude, std)
            near = ~self.reference.is_elsewhere(signals.e0, start.oxidised, start.delta_e0)
            return known.where(torch.from_numpy(near), unknown)
        if not (self._session and self.reference):
            return unknown.of_oxides(share, unknown, OXIDE_ERRORS, pairs.beside_amplitude)
        elsewhere = torch.from_numpy(self.reference.is_elsewhere(signals.e0, start.oxidised, start.delta_e0))
        partly = torch.from_numpy(np.minimum(start.oxidised / _PARTLY, 1.0))
        both = self._session.widened(unknown).where(elsewhere, self._session.loosened(*_NEXT_SCAN))
        moved = both.moved(torch.from_numpy(start.delta_e0), partly, _OXIDE_ZERO)
        return moved.of_oxides(share, unknown, OXIDE_ERRORS, pairs.beside_amplitude)

    def _session_of(self, standard: ChiK, structure: str, reference: Reference) -> Session:
        """What a standard tells: its RDF is that of its crystal at some temperature."""
        parsed = parse_structure(structure)
        atlas = self._model.atlas
        crystals = atlas.crystals(parsed.kind, parsed.constant).double()
        if len(crystals) == 0:
            raise SettingsError(
                f"the model {self._model.name} knows no {parsed.kind} crystals, and cannot learn from such a standard",
                where="--structure", remedy="Give another standard, or use predict",
            )  # fmt: skip
        self._whole = float(self._first(crystals).mean())
        signals = Signals.of([standard])
        estimates = self._model.ensemble.estimates(signals, reference)
        known = Known.of(crystals, atlas.outlines(crystals))
        likest = known.nearest(atlas.outlines(torch.from_numpy(estimates.mean)), _CRYSTALS)[0]
        same = np.zeros(len(likest), dtype=int)
        e0, amplitude = np.array([reference.delta_e0]), np.array([reference.amplitude])
        session = self.theory.session(e0[same], _STANDARD[0], amplitude[same], _STANDARD[1])
        around = self._changed(crystals[likest])
        data = self.data(signals[same], estimates.k_max[same], np.zeros(len(same)))
        found = fit(self.theory, data, around.mean, session, lambda _, open_: around[open_])
        found = found.averaged(torch.zeros(len(likest), dtype=torch.float64))
        bins = crystals.shape[1]
        return Session(found.shared, found.covariance[:, bins:, bins:])

    def _changed(self, crystals: Tensor) -> Around:
        """Priors of RDFs that differ a little from those of crystals (n, b)."""
        atlas = self._model.atlas
        expanded = atlas.stretched(crystals, torch.full_like(crystals[:, 0], 1 + _EXPANDED)) - crystals
        sigma2 = torch.full_like(crystals[:, 0], _BROADENED * self._model.pairs.scale**2)
        broadened = atlas.broadened(crystals, sigma2) - crystals
        own = OWN_LEAST**2 + (_CRYSTAL_SHARE * crystals) ** 2
        return Around(crystals, torch.stack([expanded, broadened], dim=1), own)


@dataclass(frozen=True)
class _Hypothesis:
    """What a sample may be."""

    kind: Kind
    """RDFs that there may be then (``Atlas.samples``)."""
    neighbours: int
    """Those around an answer: so many say what may change."""
    probability: float
    likely: bool = False
    """Whether the fit begins at the likeliest of them, instead of the network's answer."""
    about: float = 0.0
    """If not 0, the prior stays about the network's answer, and is so many times as wide as the RDFs around it."""

    def times(self, factor: float) -> _Hypothesis:
        """The same, so many times as likely before."""
        return replace(self, probability=factor * self.probability)

    def favour(self, count: int) -> float:
        """ln(probability before) of the neighbourhood, of ``count`` RDFs in all."""
        return math.log(self.probability * min(self.neighbours, count) / count)


@dataclass(frozen=True)
class Way:
    """How near an answer keeps to RDFs that are known, and how far it believes a scan."""

    hypotheses: tuple[_Hypothesis, ...]
    own_share: float
    """Standard deviation of each bin of its own, relative."""
    white: float
    """Error of k²χ that nothing else stands for, in units of its root mean square. As white noise a fifth of its power
    lies where atoms are, R below 6 Å: 0.2 stands for an R-factor of 0.01, which is what fits of foils leave at best."""
    errors: float
    """How large smooth errors of theory may be, in units of those of the training."""


_RECOGNISED = Way(
    (
        _Hypothesis("perfect", 25, 0.5), _Hypothesis("pure", 25, 0.5), _Hypothesis("mixed", 25, 0.25),
        _Hypothesis("pure", 25, 0.1, likely=True), _Hypothesis("mixed", 25, 0.05, likely=True),
    ),
    0.05, 0.2, 1.0,
)  # fmt: skip
"""Without a standard the energy zero and the RDF would explain what theory has wrong, were data believed more. Networks
that know oxides, too, take a small particle for the warm bulk, from where no gradient leads back: so where there are
oxides two more fits begin elsewhere, which is asked of few samples. (Measured foils and particles of platinum, cobalt
and palladium were in view.)"""
_COUNTED = Way(
    (
        _Hypothesis("perfect", 200, 0.5), _Hypothesis("counted", 200, 0.25),
        _Hypothesis("counted", 25, 0.25, likely=True),
    ),
    0.03, 0.15, 1.5,
)  # fmt: skip
"""With one that is known, and tells them: what it cannot explain with smooth errors would be taken for atoms of the
sample. About the network's answer whatever is like it may be, about the likeliest RDFs what is close to them. (Numbers
chosen on simulated iron and particles of foreign theories, and ``spectra/``; measured foils and particles were in
view.)"""


_KNOWN_AMPLITUDE = Way((_Hypothesis("pure", 25, 0.3), _Hypothesis("counted", 200, 0.7)), 0.05, 0.2, 1.0)
"""Where the amplitude alone is known there is more to be counted than which crystal it is, but no error of theory."""
_VARIED = Way((_Hypothesis("counted", 200, 1.0, about=_ABOUT),), 0.05, 0.2, 1.0)
"""Samples of any composition, order and size lie too far apart: their mean is no better than what the network says."""
_BETWEEN = _Hypothesis("mixed", 200, 0.5, about=_ABOUT)
"""Nor may that of mixtures of a metal and its oxide be: this is asked, besides, of what is partly one. (Chosen with
``benchmarks/oxides.py`` in view, mixtures of Pd and PdO of a foreign theory.)"""


def way_of(reference: Reference | None, pairs: PairSettings) -> Way:
    """How scans are fitted, with a standard or without, by a model of such training."""
    if pairs.is_varied:
        return _VARIED
    if reference and reference.apart:
        return _KNOWN_AMPLITUDE
    return _COUNTED if reference else _RECOGNISED


@dataclass(frozen=True)
class Search:
    """What fits scans under several hypotheses of what they are of."""

    theory: Linearised
    way: Way
    hypotheses: tuple[tuple[_Hypothesis, Known], ...]
    """Those of which there are RDFs."""
    outlines: Callable[[Tensor], Tensor]
    """Of RDFs (s, b), by which they are near each other."""
    first: Callable[[Tensor], Array]
    """(s,) N in the range ``first`` of RDFs (s, b)."""
    between: tuple[_Hypothesis, Known] | None = None
    """What is asked, besides, of what is partly an oxide, where there are mixtures of a metal and its oxides."""
    likely: Mapping[Kind, Likely] = field(default_factory=dict)
    """Which RDFs are likely, where a standard tells the session, or oxides are known; and the N of the standard, …"""
    whole: float = 0.0
    """… 0 without one."""

    @staticmethod
    def of(
        theory: Linearised,
        way: Way,
        known: Callable[[Kind, int], tuple[Tensor, Tensor]],
        outlines: Callable[[Tensor], Tensor],
        first: Callable[[Tensor], Array],
    ) -> Search:
        """The hypotheses of a way, with the ``known`` RDFs of each kind and their outlines."""
        kinds = dict.fromkeys(one.kind for one in (_BETWEEN, *way.hypotheses))
        found: dict[Kind, Known] = {}
        for kind in kinds:
            more = _BESIDE_MORE if kind == "counted" and _BETWEEN.kind in found else 1
            if len((of_kind := known(kind, _LEAST[kind] * more))[0]):
                found[kind] = Known.of(*of_kind)
        beside = _BETWEEN.kind in found
        begun = way is not _RECOGNISED or beside  # there is what is likely, to begin at
        asked = [one for one in way.hypotheses if one.kind in found and (begun or not one.likely)]
        likelier = {"counted": _BESIDE_LIKELIER} if beside else {}
        some = tuple((one.times(likelier.get(one.kind, 1.0)), found[one.kind]) for one in asked)
        between = (_BETWEEN, found[_BETWEEN.kind]) if _BETWEEN.kind in found else None
        return Search(theory, way, some, outlines, first, between)

    @cached_property
    def _favour(self) -> Tensor:
        """(h,) ln(probability before) of each hypothesis."""
        return _favours(self.hypotheses)

    def found(self, data: Measured, density: Tensor, sessions: Session, oxidised: Array) -> Fits:
        """The fits of some scans, averaged over the hypotheses.

        They begin at RDFs (s, b) [Å⁻¹], in which the absorbers are ``oxidised`` (s,) to a share.
        """
        fits = [self._fit(data, density, sessions, *hypothesis) for hypothesis in self.hypotheses]
        hypotheses = Fits.joined(fits)
        found = hypotheses.averaged(self._favour)
        some = _some(torch.from_numpy(np.minimum(oxidised, 1 - oxidised)))
        if self.between and some.any():
            all_ = Fits.joined([hypotheses, self._fit(data, density, sessions, *self.between)])
            favour = torch.cat([self._favour, _favours([self.between])])[:, None].repeat(1, len(some))
            favour[-1] += some.log()
            found = all_.averaged(favour).where(some > 0, found)
        if not self.whole:
            return found
        n, of_perfect, at_start = (self.first(each) for each in (found.density, fits[0].density, density))
        lacking = (np.abs(n / of_perfect - 1) > _LACKING) | (n < _FAR * self.whole)
        asked = torch.from_numpy(lacking & (oxidised < _PARTLY))  # an oxide lacks its metal's neighbours
        if not asked.any():
            return found
        whole = density * torch.from_numpy(self.whole / np.maximum(at_start, 1e-3))[:, None]
        damped = self._fit(data, whole, sessions.loosened(0.0, _DAMPED), *self.hypotheses[0])
        evidence = torch.where(asked, damped.evidence, -math.inf)
        damped = replace(damped, evidence=evidence, worse=torch.where(asked, damped.worse, math.inf))
        favour = torch.cat([self._favour, self._favour[:1] + math.log(_DAMPED_SHARE)])
        return found.doubted(hypotheses, damped, favour)

    def _fit(self, data: Measured, start: Tensor, sessions: Session, one: _Hypothesis, known: Known) -> Fits:
        """The fits of some scans under one hypothesis."""
        if one.likely and one.kind in self.likely:
            at = (start, sessions) if self.whole else self._roughly(start, sessions, known)
            start = self.likely[one.kind].mean(data, *at)

        def around(density: Tensor) -> Around:
            return known.around(self.outlines(density), one.neighbours, self.way.own_share)

        still = around(start).about(start, one.about) if one.about else None

        def prior(density: Tensor, rows: Tensor) -> Around:
            return still[rows] if still else around(density)

        return fit(self.theory, data, start, sessions, prior)

    def _roughly(self, start: Tensor, sessions: Session, known: Known) -> tuple[Tensor, Session]:
        """The RDF that is nearest to each start, and sessions whose values before are rounded.

        Where no standard tells the session, what is likely hangs on them so much that their last digits, which differ
        between one scan and many, would be seen.
        """
        nearest = known.nearest(self.outlines(start), 1)[:, 0]
        mean = sessions.mean.clone()
        mean[:, :2] = (mean[:, :2] / _ROUND).round() * _ROUND
        return known.density[nearest], Session(mean, sessions.covariance)

    def doubt(self, fits: Fits) -> tuple[Array, Array]:
        """(s,) how far, relatively, N may lie elsewhere, and the damping of all shells where that is likelier."""
        bins, share = fits.density.shape[1], fits.doubt.numpy()
        n, otherwise = (self.first(density) for density in (fits.density, fits.other[:, :bins]))
        smaller = -(fits.other[:, bins + 1] - fits.shared[:, 1]).expm1().numpy()
        return np.sqrt(share) * (otherwise / np.maximum(n, 1e-3) - 1), np.where(share > 0.5, smaller, 0.0)


def _some(share: Tensor) -> Tensor:
    """(s,) how far a sample is a mixture, by the share (s,) of what it has less of: from 0 to 1."""
    low, high = _SOME
    return ((share - low) / (high - low)).clamp(0, 1)


def _favours(hypotheses: Sequence[tuple[_Hypothesis, Known]]) -> Tensor:
    """(h,) ln(probability before) of each hypothesis."""
    return torch.tensor([one.favour(len(known.density)) for one, known in hypotheses], dtype=torch.float64)


def pieces_of(count: int) -> list[slice]:
    """The scans that are worked on together, of so many."""
    return [slice(first, first + _TOGETHER) for first in range(0, count, _TOGETHER)]


def in_pieces(work: Callable[[np.ndarray], Fits], k_max: Array, cores: int) -> Fits:
    """The fits of scans, those of like k ranges ``k_max`` (s,) [Å⁻¹] together; ``work`` fits some, by their numbers."""
    order = np.argsort(k_max, kind="stable")
    pieces = [order[first : first + _TOGETHER] for first in range(0, len(order), _TOGETHER)]
    return Fits.joined(side_by_side(work, pieces, cores))[torch.from_numpy(np.argsort(order))]


def drawn(fits: Fits, part: slice) -> Samples:
    """(s, 200, b) RDFs drawn from the posterior, in some of the bins.

    The random numbers are the same for all scans; mean and covariance of the draws are exactly those of the posterior,
    so that their own scatter is not in the error bars.
    """
    bins = fits.density.shape[1]
    factor = torch.linalg.cholesky(fits.covariance[:, :bins, :bins])[:, part].float()
    normal = _normal(bins).expand(len(factor), -1, -1)
    drawn = torch.baddbmm(fits.density[:, None, part].float(), normal, factor.mT)
    samples: Samples = drawn.clamp_min_(0).numpy()
    return samples


@cache
def _normal(bins: int) -> Tensor:
    """(200, c) random numbers of mean 0 and covariance 1; of more cells than samples only their variances are 1."""
    drawn = np.random.default_rng(0).standard_normal((_SAMPLES, bins))
    drawn -= drawn.mean(axis=0)
    if bins >= _SAMPLES:
        return torch.from_numpy(drawn / drawn.std(axis=0)).float()
    factor = np.linalg.cholesky(drawn.T @ drawn / _SAMPLES)
    return torch.from_numpy(np.linalg.solve(factor, drawn.T).T).float()


def why(fits: Fits, row: int) -> str:
    """Why a fit stopped, in words."""
    found = f"settled after {int(fits.steps[row])} steps" if fits.settled[row] else f"not settled after {STEPS} steps"
    return f"refined against the data: {found}"
