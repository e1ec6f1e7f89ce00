"""Raw answers → answers whose error bars cover: what ``exafsnn.trial`` found on held-out states is applied here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from exafsnn.learn.intervals import Scale
from exafsnn.records import Array, PartialRDF, Shell

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class ErrorBars:
    """The calibrated scales of one kind of answer, in the circumstances of one scan."""

    scales: Mapping[str, Scale]
    """By quantity; empty if the model is not calibrated: then raw standard deviations stay."""
    given: Array
    """(1, 5) ``learn.intervals.circumstances``."""
    least: float = 0.0
    """Relative standard deviation of the coordination at least: that of an amplitude nobody measured."""

    def rdf(self, rdf: PartialRDF) -> PartialRDF:
        """The RDF with its spread, and its samples about their mean, scaled."""
        if not self.scales or rdf.samples is None:
            return rdf
        spread = self.scales["density"].half_width(0.68, rdf.spread, self.given)
        factor = spread / np.maximum(rdf.spread, 1e-12)
        samples = np.maximum(rdf.density + (rdf.samples - rdf.density) * factor, 0.0)
        return replace(rdf, spread=spread, samples=samples)

    def first(self, shell: Shell) -> Shell:
        """The range ``first`` with calibrated errors."""
        std, half = (self.half_width("coordination", level, shell.coordination_std) for level in (0.68, 0.95))
        distance_std = self.half_width("distance", 0.68, shell.distance_std)
        sigma2_std = self.half_width("sigma2", 0.68, shell.sigma2_std)
        return replace(self.doubted(shell, std, half), distance_std=distance_std, sigma2_std=sigma2_std)

    def doubted(self, shell: Shell, std: float, half: float) -> Shell:
        """Any range, its coordination no surer than the amplitude: ``std``, and ``half`` of the 95 % interval."""
        n = shell.coordination
        std, half = max(std, self.least * n), max(half, _Z95 * self.least * n)
        return replace(shell, coordination_std=std, coordination_low=max(n - half, 0.0), coordination_high=n + half)

    def half_width(self, quantity: str, level: float, raw: float) -> float:
        """Half-width of the interval of one of ``learn.intervals.LEVELS``."""
        if not self.scales:
            return raw * NormalDist().inv_cdf(0.5 + level / 2)
        return float(self.scales[quantity].half_width(level, np.array([raw]), self.given)[0])
