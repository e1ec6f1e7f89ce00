"""Which spectra a model can know.

Two signs, both of χ(k) alone. The first: how much of what the network sees its own answer does not explain. The second:
how much the networks of the ensemble disagree, which they do where they were not trained. Their geometric mean is
compared with that of held-out spectra of like k range, noise and disorder.

A model of a metal and its oxides holds what it takes for an oxide against oxides: melts and hot metals leave more
unexplained than any oxide, which would hide that the sample is another one, such as LiNiO₂ beside NiO. There a third
sign tells more: the answer accounts for more absorbers than there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from exafsnn.records import Array

_LEAST = 1e-3
"""A smaller sign says nothing."""
_INSIDE = 0.99
"""Share of held-out spectra that are inside."""
_RIDGE = 1e-2
GIVEN, GIVEN_BESIDE = 4, 3
"""How many circumstances count: neither the square of the disorder nor the phase, for what is strange must not excuse
itself by it; nor, of an oxide, the disorder, for that is how another one is explained."""
_MAINLY = (0.2, 0.4)
"""Shares of the absorbers in an oxide between which an answer becomes one that is held against oxides …"""
_ACCOUNTED = 2.0
"""… by the absorbers that it accounts for, to this power, too. (NiO and LiNiO₂, which ``ni-k`` does not know, were in
view when both were chosen.)"""
_FEWEST = 50.0
"""Of fewer held-out oxides no limit is made."""


@dataclass(frozen=True)
class Signs:
    """What n answers say of how strange their spectra are."""

    unexplained: Array
    """(n,) share of what the networks see that the RDFs do not explain."""
    disagreement: Array
    """(n,) how much the networks disagree."""
    oxidised: Array
    """(n,) how much of the absorbers is in an oxide; 0 of a model that knows none."""
    accounted: Array
    """(n,) for how many absorbers of 1 they account, times the amplitude over the expected one; of no oxide 1."""

    @property
    def mainly(self) -> Array:
        """(n,) how far they are held against oxides: from 0 to 1."""
        low, high = _MAINLY
        return np.clip((self.oxidised - low) / (high - low), 0.0, 1.0)

    @property
    def own(self) -> Array:
        """(n,) ln of what is compared of a metal."""
        logarithms = [np.log(np.maximum(sign, _LEAST)) for sign in (self.unexplained, self.disagreement)]
        mean: Array = 0.5 * (logarithms[0] + logarithms[1])
        return mean

    @property
    def beside(self) -> Array:
        """(n,) ln of what is compared of an oxide."""
        return self.own + _ACCOUNTED * np.log(np.maximum(self.accounted, _LEAST))


@dataclass(frozen=True)
class Domain:
    """What is usual, by circumstances (``learn.intervals``)."""

    weights: tuple[float, ...]
    """ln of the usual sign is the first circumstances times these."""
    limit: float
    """In units of the usual one."""
    beside: Domain | None = None
    """What is usual of oxides, of a model that knows them beside a metal."""

    def score(self, signs: Signs, given: Array) -> Array:
        """(n,) above 1: outside; ``given`` are the circumstances (n, q)."""
        over = self._over(signs.own, given)
        if self.beside:
            over = (1 - signs.mainly) * over + signs.mainly * self.beside._over(signs.beside, given)
        score: Array = np.exp(over)
        return score

    def _over(self, sign: Array, given: Array) -> Array:
        """(n,) ln of the sign over what may be."""
        over: Array = sign - given[:, : len(self.weights)] @ np.array(self.weights) - np.log(self.limit)
        return over

    def to_mapping(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        own = {"weights": self.weights, "limit": self.limit}
        return own | ({"beside": self.beside.to_mapping()} if self.beside else {})


def fit_domain(signs: Signs, given: Array) -> Domain:
    """The domain of which 99 % of held-out spectra are inside, and of oxides, if there are some, 99 % as well."""
    share = signs.mainly
    beside = Domain(*_fitted(signs.beside, given[:, :GIVEN_BESIDE], share)) if share.sum() > _FEWEST else None
    return Domain(*_fitted(signs.own, given[:, :GIVEN], 1 - share if beside else np.ones_like(share)), beside)


def _fitted(sign: Array, design: Array, share: Array) -> tuple[tuple[float, ...], float]:
    """Weights and limit of ln of signs (n,), in circumstances (n, q), that count as much as ``share`` (n,)."""
    square = (design.T * share) @ design + _RIDGE * max(share.sum(), 1.0) * np.eye(design.shape[1])
    weights = np.linalg.solve(square, (design.T * share) @ sign)
    counted = share > 0
    left, share = (sign - design @ weights)[counted], share[counted]
    order = np.argsort(left, kind="stable")
    below = np.cumsum(share[order]) - share[order]  # as numpy's quantile where all count alike
    limit = float(np.exp(np.interp(_INSIDE, below / max(below[-1], 1e-12), left[order])))
    return tuple(map(float, weights)), limit
