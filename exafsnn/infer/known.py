"""RDFs that there may be: which are near an answer, and which are likely to have given a measured spectrum.

Near an answer they are a Gaussian prior of it, with the local covariance of a manifold of samples (Vincent & Bengio,
Manifold Parzen windows, NIPS 15, 849 (2003)). The likely ones are a start that no network's habit colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from exafsnn.infer.fit import Around, Measured
from exafsnn.infer.theory import Session, Theory

_SPARE = 10
"""So many RDFs more than wanted are looked at closely: in single precision two may change places."""
OWN_LEAST = 1e-3
"""Least standard deviation of each bin of its own [Å⁻¹]."""
_COMPONENTS, _AT_A_TIME = 40, 1000
"""Of the known RDFs' spectra; and so many of them are computed at a time."""
_TEMPER = 3.0
"""Samples lie farther apart than data tell, so that one would stand for all: ln(likelihood) is divided by so much."""


@dataclass(frozen=True)
class Known:
    """RDFs that there may be."""

    density: Tensor
    """(n, b) [Å⁻¹]."""
    outlines: Tensor
    """(n, b) smoothed."""
    rough: Tensor
    """(n, b) the same in single precision …"""
    half_square: Tensor
    """(n,) … and half the square of the length of each."""

    @staticmethod
    def of(density: Tensor, outlines: Tensor) -> Known:
        """RDFs (n, b) and their outlines."""
        rough = outlines.float()
        return Known(density, outlines, rough, 0.5 * rough.square().sum(dim=1))

    def nearest(self, wanted: Tensor, count: int) -> Tensor:
        """(s, count) numbers of those whose outlines are nearest to each of ``wanted`` (s, b), in single precision."""
        nearness = torch.addmm(-self.half_square, wanted.float(), self.rough.T)  # ½|w|² − ½|w − o|²
        return nearness.topk(min(count, len(self.density)), sorted=False).indices

    def around(self, wanted: Tensor, neighbours: int, own_share: float) -> Around:
        """Those whose outlines are nearest to each of ``wanted`` (s, b).

        Each bin may differ by itself, too: ``own_share`` is its relative standard deviation.
        """
        rows = self.nearest(wanted, neighbours + _SPARE)
        apart = self.outlines[rows] - wanted[:, None]
        count = min(neighbours, len(self.density))
        nearest = apart.square().sum(dim=2).topk(count, largest=False, sorted=False).indices
        found = self.density[rows.gather(1, nearest)]
        mean = found.mean(dim=1)
        apart = found.sub_(mean[:, None]).div_(found.shape[1] ** 0.5)
        return Around(mean, apart, OWN_LEAST**2 + (own_share * mean) ** 2)


class Likely:
    """Which of the known RDFs are likely to have given spectra of a session.

    Parameters
    ----------
    known
        The RDFs.
    theory
        What gives their spectra …
    session
        … with the mean of these values.
    """

    def __init__(self, known: Known, theory: Theory, session: Session) -> None:
        self._density, self._theory, self._values = known.density, theory, session.mean
        parts = known.density.split(_AT_A_TIME)
        spectra = torch.cat([theory.spectrum(part, session.mean.expand(len(part), -1)).float() for part in parts])
        self._mean = spectra.mean(dim=0)
        spectra -= self._mean
        self._shapes = torch.linalg.eigh(spectra.T @ spectra).eigenvectors[:, -_COMPONENTS:]  # [k, component]
        self._scores = (spectra @ self._shapes).double()  # [RDF, component]; of ties rounding must not decide

    def mean(self, data: Measured, near: Tensor, sessions: Session) -> Tensor:
        """(s, b) the RDFs' mean by likelihood, of each scan of ``data``, whatever its session is.

        What the session changes is taken from RDFs (s, b) that are not far from it.
        """
        rows = torch.arange(len(near))
        by_shared = data.seen(rows, self._theory.linear(near, sessions.mean, data.points).by_shared)
        measured = data.left(rows, torch.zeros_like(data.used), sessions.mean)
        spread = by_shared @ torch.linalg.cholesky(sessions.covariance)
        covariance = data.unexplained(rows, measured, sessions.mean).baddbmm_(spread, spread.mT)
        shapes = data.seen(rows, self._shapes[data.points].double().expand(len(near), -1, -1))
        weighed = torch.cholesky_solve(shapes, torch.linalg.cholesky(covariance))
        factor = (sessions.mean - self._values)[:, 1].exp()  # of their amplitude; their zeros moved the data
        wanted = measured - factor[:, None] * self._mean[data.points] * data.used
        pull = (weighed.mT @ wanted[:, :, None])[:, :, 0]  # [scan, component]
        stiff = shapes.mT @ weighed  # [scan, component, component]
        found = []
        for row in range(len(near)):  # of many scans together it would be too large for the memory
            scores = self._scores * float(factor[row])
            likelihood = scores @ pull[row] - 0.5 * ((scores @ stiff[row]) * scores).sum(dim=1)
            found.append((likelihood / _TEMPER).softmax(dim=0) @ self._density)
        return torch.stack(found)
