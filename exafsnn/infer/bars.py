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
    """(1, 8) ``learn.intervals.circumstances``."""
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
        n, r, sigma2 = (
            self._interval(quantity, getattr(shell, quantity), getattr(shell, f"{quantity}_std"))
            for quantity in ("coordination", "distance", "sigma2")
        )
        shell = replace(
            shell, coordination_std=n[0], coordination_low=n[1], coordination_high=n[2],
            distance_std=r[0], distance_low=r[1], distance_high=r[2],
            sigma2_std=sigma2[0], sigma2_low=sigma2[1], sigma2_high=sigma2[2],
        )  # fmt: skip
        return self.doubted(shell)

    def doubted(self, shell: Shell) -> Shell:
        """Any range, its coordination no surer than the amplitude."""
        n = shell.coordination
        least = _Z95 * self.least * n
        return replace(
            shell,
            coordination_std=max(shell.coordination_std, self.least * n),
            coordination_low=max(min(shell.coordination_low, n - least), 0.0),
            coordination_high=max(shell.coordination_high, n + least),
        )

    def _interval(self, quantity: str, value: float, raw: float) -> tuple[float, float, float]:
        """Half-width of the 68 % interval, and both ends of that of 95 %."""
        if not self.scales:
            return raw, value - _Z95 * raw, value + _Z95 * raw
        scale, given = self.scales[quantity], (np.array([raw]), self.given)
        low, high = (float(end[0]) for end in scale.interval(0.95, *given))
        return float(scale.half_width(0.68, *given)[0]), value + low, value + high
