"""Raw answers → answers whose error bars cover: what ``validate.calibration`` found on held-out states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from exafsnn.learn.intervals import Scale
from exafsnn.records import Array, PartialRDF, Shell

_Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class ErrorBars:
    """The calibrated scales of one kind of answer, in the circumstances of scans."""

    scales: Mapping[str, Scale]
    """By quantity; empty if the model is not calibrated: then raw standard deviations stay."""
    given: Array
    """(s, 8) ``learn.intervals.circumstances``; of one scan (1, 8)."""
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
        told: dict[str, Any] = {}
        for quantity in ("coordination", "distance", "sigma2"):
            value, raw = (np.array([getattr(shell, name)]) for name in (quantity, f"{quantity}_std"))
            for end, found in zip(("std", "low", "high"), self.interval(quantity, value, raw), strict=True):
                told[f"{quantity}_{end}"] = float(found[0])
        return replace(shell, **told)

    def doubted(self, shell: Shell) -> Shell:
        """Any range, its coordination no surer than the amplitude."""
        ends = shell.coordination_std, shell.coordination_low, shell.coordination_high
        std, low, high = (float(end) for end in self._doubted(np.array(shell.coordination), *map(np.array, ends)))
        return replace(shell, coordination_std=std, coordination_low=low, coordination_high=high)

    def interval(self, quantity: str, value: Array, raw: Array) -> tuple[Array, Array, Array]:
        """(s,) half-width of the 68 % interval, and both ends of that of 95 %, of a quantity of the range ``first``.

        Parameters
        ----------
        quantity
            ``"coordination"``, ``"distance"`` or ``"sigma2"``.
        value, raw
            (s,) values, and their raw standard deviations.
        """
        if not self.scales:
            found = raw, value - _Z95 * raw, value + _Z95 * raw
        else:
            scale = self.scales[quantity]
            low, high = scale.interval(0.95, raw, self.given)
            found = scale.half_width(0.68, raw, self.given), value + low, value + high
        return self._doubted(value, *found) if quantity == "coordination" else found

    def _doubted(self, n: Array, std: Array, low: Array, high: Array) -> tuple[Array, Array, Array]:
        """Standard deviation and interval of coordinations, at least as wide as the doubt about the amplitude."""
        least = _Z95 * self.least * n
        return (
            np.maximum(std, self.least * n),
            np.maximum(np.minimum(low, n - least), 0.0),
            np.maximum(high, n + least),
        )
