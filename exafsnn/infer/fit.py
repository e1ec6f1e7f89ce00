"""Gauss-Newton steps on a Gaussian prior, for many scans together: ``infer.known`` says what is known before.

A step needs two Cholesky factors of a scan's data: of what no RDF explains, and of that with the prior's own spread.
They have as many rows as points of k that are used, fewer than the unknowns. The prior is never more than the RDFs it
is of; covariances of the unknowns are made only once, when a scan has settled.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor

from exafsnn.infer.ensemble import Ensemble
from exafsnn.infer.estimates import Signals
from exafsnn.infer.theory import Linear, Session, Theory
from exafsnn.shells import UNLIKELY

STEPS = 8
_SETTLED = 0.003
"""A step that changes less of the RDF than this share is the last one."""
_RESIDUE = (1.3, 0.13, 0.18)
"""Background left behind: largest R [Å], step, and size of its k²χ at k = 3 Å⁻¹."""
_BEYOND = (0.3, 14.0, 0.1, 0.3)
"""What no bin explains of R beyond: from so much above what the networks see, to that R [Å] in iron, step, and size in
units of k²χ."""


@dataclass(frozen=True)
class Around:
    """Gaussian priors of RDFs, of covariance apartᵀ·apart + diag(own)."""

    mean: Tensor
    """(s, b) n(r) [Å⁻¹]."""
    apart: Tensor
    """(s, n, b) deviations of n known RDFs from it, over √n."""
    own: Tensor
    """(s, b) variance of each bin by itself."""

    def __getitem__(self, rows: Tensor) -> Around:
        return Around(self.mean[rows], self.apart[rows], self.own[rows])

    def about(self, mean: Tensor, share: float) -> Around:
        """The same about other RDFs (s, b), so many times as wide."""
        return Around(mean, share * self.apart, share**2 * self.own)

    @property
    def covariance(self) -> Tensor:
        """(s, b, b) of each RDF."""
        return torch.baddbmm(torch.diag_embed(self.own), self.apart.mT, self.apart)


Prior = Callable[[Tensor, Tensor], Around]
"""From RDFs (s, b) and the numbers (s,) of their fits to those around each."""


@dataclass(frozen=True)
class Fits:
    """The most likely RDF and session of each scan."""

    density: Tensor
    """(s, b) n(r) [Å⁻¹]."""
    shared: Tensor
    """(s, p) values of the session (``infer.theory``)."""
    covariance: Tensor
    """(s, b + p, b + p) of both."""
    evidence: Tensor
    """(s,) ln(probability of the data under the prior), but for a constant."""
    steps: Tensor
    """(s,) number of steps …"""
    settled: Tensor
    """… and whether the last one changed little."""
    worse: Tensor
    """(s,) by how much the misfit exceeds what nothing explains."""
    doubt: Tensor
    """(s,) share of a hypothesis that is not in the answer …"""
    other: Tensor
    """(s, b + p) … and RDF and session under it."""

    def __getitem__(self, rows: slice | Tensor) -> Fits:
        return Fits(**{name: value[rows] for name, value in vars(self).items()})

    def where(self, rows: Tensor, other: Fits) -> Fits:
        """Itself for the scans of which ``rows`` (s,) is true, the other for the rest."""
        pick = torch.where(rows, torch.arange(len(rows)), torch.arange(len(rows)) + len(rows))
        return Fits.joined([self, other])[pick]

    @staticmethod
    def joined(pieces: list[Fits]) -> Fits:
        """Those of all pieces."""
        return Fits(**{name: torch.cat([getattr(piece, name) for piece in pieces]) for name in vars(pieces[0])})

    def averaged(self, favour: Tensor) -> Fits:
        """Of some likely hypotheses of each scan: their mean by evidence; where they differ it is unsure.

        What even the best of them misfits is error of all of them.

        Parameters
        ----------
        favour
            (h,) ln(probability) of each hypothesis before, or (h, s). The fits are those of all scans under the first,
            then those of all scans under the second, and so on.
        """
        many = {name: value.unflatten(0, (len(favour), -1)) for name, value in vars(self).items()}
        evidence = _weighed(self.evidence, self.worse, favour)
        share = _shares(evidence)  # [hypothesis, scan]
        both = torch.cat([many["density"], many["shared"]], dim=2)
        mean = (share[:, :, None] * both).sum(dim=0)
        apart = ((both - mean) * share.sqrt()[:, :, None]).transpose(0, 1)  # [scan, hypothesis, unknown]
        covariance = (share[:, :, None, None] * many["covariance"]).sum(dim=0).baddbmm_(apart.mT, apart)
        best, scans = share.argmax(dim=0), torch.arange(share.shape[1])
        of_best = {name: many[name][best, scans] for name in ("steps", "settled", "worse", "doubt", "other")}
        bins = self.density.shape[1]
        return Fits(mean[:, :bins], mean[:, bins:], covariance, evidence.logsumexp(dim=0), **of_best)

    def doubted(self, hypotheses: Fits, other: Fits, favour: Tensor) -> Fits:
        """The same, with the share that one more hypothesis would have beside those that it is the mean of.

        ``favour`` (h + 1,) is as for ``averaged``.
        """
        evidence, worse = (
            torch.cat([getattr(fits, name) for fits in (hypotheses, other)]) for name in ("evidence", "worse")
        )
        share = _shares(_weighed(evidence, worse, favour))
        return replace(self, doubt=share[-1], other=torch.cat([other.density, other.shared], dim=1))


def _weighed(evidence: Tensor, worse: Tensor, favour: Tensor) -> Tensor:
    """(h, s) ln(probability) of hypotheses, by the evidence (h·s,) of their fits and ``favour`` before it.

    What even the best of a scan misfits (``worse``, (h·s,)) is error of all of them.
    """
    evidence, worse = (part.unflatten(0, (len(favour), -1)) for part in (evidence, worse))
    return evidence / worse.amin(dim=0) + favour.reshape(len(favour), -1)


def _shares(evidence: Tensor) -> Tensor:
    """(h, s) share of each hypothesis; of unlikely ones nothing (``shells.UNLIKELY``).

    The covariance of all is that of one Gaussian, into whose 95 % they would reach, although they are outside of it.
    """
    share = evidence.softmax(dim=0)
    share = (share - UNLIKELY * share.amax(dim=0)).clamp_min(0)
    return share / share.sum(dim=0)


class Linearised(Protocol):
    """What computes k²χ of RDFs and sessions: ``Theory``, or that of two edges together."""

    def linear(self, density: Tensor, shared: Tensor, points: Any) -> Linear:
        """k²χ and its derivatives at RDFs (s, b) and sessions (s, p), at some of the points of k."""


class Measured(Protocol):
    """Measured k²χ of scans: ``Data``, or that of two edges together."""

    points: Any
    """Those of the theory that any of the scans uses."""
    used: Tensor
    """(s, m) 1 where a scan is used, else 0."""

    def left(self, rows: Tensor, value: Tensor, shared: Tensor) -> Tensor:
        """(r, m) measured minus computed k²χ."""

    def seen(self, rows: Tensor, values: Tensor) -> Tensor:
        """(r, m, n) values, 0 where a scan is not used."""

    def unexplained(self, rows: Tensor, measured: Tensor, shared: Tensor) -> Tensor:
        """(r, m, m) covariance of what no RDF explains."""


class Data:
    """Measured k²χ of scans on the theory's k, and how much of it no RDF within the bins explains.

    ``white`` (s,) is the error of k²χ that nothing else stands for, in units of its root mean square.
    """

    def __init__(
        self, ensemble: Ensemble, theory: Theory, signals: Signals, k_min: float, k_max: Tensor, white: Tensor
    ) -> None:
        self._ensemble, self._signals = ensemble, signals
        use = (theory.k >= k_min) & (theory.k <= k_max[:, None])
        first, last = use.any(dim=0).nonzero()[[0, -1], 0].tolist()
        self.points = slice(first, last + 1)
        """Those that any of the scans uses."""
        k = theory.k[self.points]
        self._k2 = k**2
        self.used = use[:, self.points].to(k.dtype)
        """(s, m) 1 where a scan is used, else 0."""
        self._ragged = not bool(use[:, self.points].all())
        self._white = white
        self._noise = torch.from_numpy(signals.noise)[:, None] * self._k2
        end, step, size = _RESIDUE
        low = torch.arange(0.0, end + 1e-9, step, dtype=k.dtype)
        above, end, step, share = _BEYOND
        start = ensemble.farthest / theory.length_scale + above
        parts = (
            theory.forward["errors"][:, self.points],
            share * _waves(k, theory.length_scale * torch.arange(start, end, step, dtype=k.dtype)),
            _waves(k, low) * (size * 3.0 / k) / len(low) ** 0.5,
        )
        self._parts = torch.stack([(part.T @ part).flatten() for part in parts])

    def left(self, rows: Tensor, value: Tensor, shared: Tensor) -> Tensor:
        """(r, m) measured minus computed k²χ, on the energy zeros of ``shared`` (r, p); 0 where it is not used."""
        zero = shared[:, 0].numpy()
        moved = torch.from_numpy(self._ensemble.on_axis(self._signals[rows.numpy()], zero)[:, self.points])
        return (moved.double() * self._k2 - value) * self.used[rows]

    def seen(self, rows: Tensor, values: Tensor) -> Tensor:
        """(r, m, n) values, 0 where a scan is not used."""
        return values * self.used[rows][:, :, None].to(values.dtype) if self._ragged else values

    def unexplained(self, rows: Tensor, measured: Tensor, shared: Tensor) -> Tensor:
        """(r, m, m) covariance of noise, background, atoms beyond the bins, and the forward model's own error.

        Of measured k²χ (r, m): what is thought to explain it enters by its session ``shared`` (r, p) alone, of which
        the energy zero and the amplitude count.
        """
        used, amplitude = self.used[rows], shared[:, 1].exp()
        power = measured.square().sum(dim=1) / used.sum(dim=1)
        sizes = torch.stack([amplitude**2, power, torch.ones_like(power)], dim=1)
        covariance = (sizes @ self._parts).unflatten(1, (measured.shape[1], -1))
        if self._ragged:
            covariance *= used[:, :, None]
            covariance *= used[:, None]
        white = self._noise[rows] ** 2 + (self._white[rows] ** 2 * power)[:, None] + 1e-10
        covariance.diagonal(dim1=1, dim2=2).add_(torch.where(used > 0, white, 1.0))
        return covariance


def fit(theory: Linearised, data: Measured, start: Tensor, sessions: Session, prior: Prior) -> Fits:
    """Gauss-Newton steps until each RDF settles; then its fit is done, and the others go on.

    Parameters
    ----------
    start
        (s, b) n(r) of the scans of ``data`` [Å⁻¹].
    sessions
        What is known of theirs.
    """
    density, shared = start.clone(), sessions.mean.clone()
    open_ = torch.arange(len(density))
    done: list[tuple[Tensor, Fits]] = []
    for number in range(1, STEPS + 1):
        step = _Step.at(theory, data, density[open_], shared[open_], open_, sessions, prior)
        density[open_], shared[open_] = step.density, step.shared
        last = step.moved < _SETTLED if number < STEPS else torch.ones(len(open_), dtype=torch.bool)
        if last.any():
            steps = torch.full((int(last.sum()),), number)
            parts = step.covariance(last), step.evidence(last), steps, step.moved[last] < _SETTLED, step.worse[last]
            none = torch.zeros(len(steps), dtype=torch.float64)
            other = torch.cat([step.density[last], step.shared[last]], dim=1)
            done.append((open_[last], Fits(step.density[last], step.shared[last], *parts, none, other)))
            open_ = open_[~last]
        if not len(open_):
            break
    order = torch.cat([rows for rows, _ in done]).argsort()
    return Fits.joined([fits for _, fits in done])[order]


@dataclass(frozen=True)
class _Step:
    """One step of some scans, and what their posteriors follow from."""

    density: Tensor
    """(s, b) where it leads."""
    shared: Tensor
    """(s, p)"""
    moved: Tensor
    """(s,) share of the RDF that it changes."""
    around: Around
    session: Tensor
    """(s, p, p) covariance before."""
    by_density: Tensor
    """(s, m, b) derivative of the data, in single precision."""
    by_shared: Tensor
    """(s, m, p)"""
    wanted: Tensor
    """(s, m) the data minus what the prior's mean gives."""
    own: Tensor
    """(s, m, m) covariance of what no RDF explains, times ``worse``."""
    worse: Tensor
    """(s,) by how much the misfit exceeds it."""
    told: Tensor
    """(s, m, m) ``own``, and the spread of the prior."""
    factor: Tensor
    """(s, m, m) its Cholesky factor."""

    @staticmethod
    def at(
        theory: Linearised,
        data: Measured,
        density: Tensor,
        shared: Tensor,
        rows: Tensor,
        sessions: Session,
        prior: Prior,
    ) -> _Step:
        """From RDFs (s, b) and values of the session (s, p) of the scans ``rows`` of the data."""
        linear = theory.linear(density, shared, data.points)
        by_density, by_shared = data.seen(rows, linear.by_density), data.seen(rows, linear.by_shared)
        left = data.left(rows, linear.value, shared)
        own = data.unexplained(rows, left + linear.value * data.used[rows], shared)
        surprise, _ = _surprise(torch.linalg.cholesky(own), left)
        worse = (surprise / data.used[rows].sum(dim=1)).clamp_min(1.0)
        own *= worse[:, None, None]
        around, mean, session = prior(density, rows), sessions.mean[rows], sessions.covariance[rows]
        wanted = left + times(by_density, density - around.mean) + times(by_shared, shared - mean)
        told = own + (by_density * around.own[:, None].float()) @ by_density.mT
        by_apart = by_density @ around.apart.mT.float()
        spread = torch.cat([by_apart.double(), by_shared @ torch.linalg.cholesky(session)], dim=2)
        told.baddbmm_(spread, spread.mT)
        factor = torch.linalg.cholesky(told)
        pull = torch.cholesky_solve(wanted[:, :, None], factor)[:, :, 0]
        by_rdf, by_session = times(by_density.mT, pull), times(by_shared.mT, pull)
        change = times(around.apart.mT, times(around.apart, by_rdf)) + around.own * by_rdf
        new = (around.mean + change).clamp_min(0)
        moved = (new - density).abs().sum(dim=1) / density.sum(dim=1)
        return _Step(
            new, mean + times(session, by_session), moved, around, session, by_density, by_shared, wanted, own, worse,
            told, factor,
        )  # fmt: skip

    def covariance(self, rows: Tensor) -> Tensor:
        """(r, b + p, b + p) posterior covariance of RDF and session of some of the scans."""
        around, session, by_density = self.around[rows], self.session[rows], self.by_density[rows].double()
        by_rdf = torch.baddbmm(by_density * around.own[:, None], by_density @ around.apart.mT, around.apart)
        cross = torch.cat([by_rdf, self.by_shared[rows] @ session], dim=2)
        half = torch.linalg.solve_triangular(self.factor[rows], cross, upper=False)
        return block(around.covariance, session).baddbmm_(half.mT, half, alpha=-1)

    def evidence(self, rows: Tensor) -> Tensor:
        """(r,) ln(probability of the data under the prior) of some of the scans, but for a constant."""
        worse, factor = self.worse[rows], self.factor[rows]
        if (more := worse > 1).any():  # of these own errors were widened
            share = (1 - 1 / worse[more])[:, None, None]
            factor[more] = torch.linalg.cholesky(self.told[rows][more] - self.own[rows][more] * share)
        surprise, size = _surprise(factor, self.wanted[rows])
        return -0.5 * (surprise + size)


def times(matrices: Tensor, columns: Tensor) -> Tensor:
    """(s, m) matrices (s, m, n), of single precision or double, times columns (s, n)."""
    return (matrices @ columns[:, :, None].to(matrices.dtype))[:, :, 0].double()


def _surprise(factor: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """(s,) xᵀC⁻¹x and ln det C of misfits x (s, m) with covariances C = LLᵀ, by L (s, m, m)."""
    white = torch.linalg.solve_triangular(factor, left[:, :, None], upper=False)[:, :, 0]
    return white.square().sum(dim=1), 2 * factor.diagonal(dim1=1, dim2=2).log().sum(dim=1)


def _waves(k: Tensor, r: Tensor) -> Tensor:
    """(2 len(r), m) cosines and sines of 2kR."""
    angle = 2 * r[:, None] * k
    return torch.cat([torch.cos(angle), torch.sin(angle)])


def block(first: Tensor, second: Tensor) -> Tensor:
    """(s, a + b, c + d) block-diagonal matrices of (s, a, c) and (s, b, d)."""
    (a, c), (b, d) = first.shape[1:], second.shape[1:]
    both = torch.zeros(len(second), a + b, c + d, dtype=second.dtype)
    both[:, :a, :c], both[:, a:, c:] = first, second
    return both
