"""Which spectra a model can know.

Two signs, both of χ(k) alone. The first: how much of what the network sees its own answer does not explain. The second:
how much the networks of the ensemble disagree, which they do where they were not trained. Their geometric mean is
compared with that of held-out spectra of like k range, noise and disorder.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from exafsnn.records import Array

_LEAST = 1e-3
"""A smaller sign says nothing."""
_INSIDE = 0.99
"""Share of held-out spectra that are inside."""
_RIDGE = 1e-2


@dataclass(frozen=True)
class Domain:
    """What is usual, by circumstances (``learn.intervals``)."""

    weights: tuple[float, ...]
    """ln of the usual sign is the circumstances times these."""
    limit: float
    """In units of the usual one."""

    def score(self, unexplained: Array, disagreement: Array, given: Array) -> Array:
        """(n,) above 1: outside. The signs are (n,), the circumstances (n, 8)."""
        usual = _linear(given) @ np.array(self.weights)
        score: Array = np.exp(_sign(unexplained, disagreement) - usual) / self.limit
        return score

    def to_mapping(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        return asdict(self)


def fit_domain(unexplained: Array, disagreement: Array, given: Array) -> Domain:
    """The domain of which 99 % of held-out spectra are inside."""
    sign, design = _sign(unexplained, disagreement), _linear(given)
    square = design.T @ design + _RIDGE * len(sign) * np.eye(design.shape[1])
    weights = np.linalg.solve(square, design.T @ sign)
    limit = float(np.exp(np.quantile(sign - design @ weights, _INSIDE)))
    return Domain(tuple(map(float, weights)), limit)


def _linear(given: Array) -> Array:
    """(n, 4) circumstances without square of the disorder and phase: what is strange must not excuse itself by it."""
    return given[:, :4]


def _sign(unexplained: Array, disagreement: Array) -> Array:
    """ln of the geometric mean."""
    logarithms = [np.log(np.maximum(sign, _LEAST)) for sign in (unexplained, disagreement)]
    mean: Array = 0.5 * (logarithms[0] + logarithms[1])
    return mean
