"""The best step or ramp of a series → where it is, with an interval, and how wide; ``transition`` asks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.analyse.curve import curve_of
from exafsnn.analyse.evidence import Evidence, evidence_of
from exafsnn.analyse.scans import Scans
from exafsnn.analyse.spans import columns_of, fixed_columns, neighbours
from exafsnn.records import Array

_Z95 = (0.025, 0.975)


@dataclass(frozen=True)
class Place:
    """Where a step or ramp is, in units of the whole axis."""

    span: Array
    """(3,) the likeliest."""
    at: float
    low: float
    high: float
    width: float
    """0 of a step."""


def located(series: Scans, fixed: list[Array], evidence: Evidence) -> Place:
    """Place, 95 % interval and width of the best step or ramp, besides the spans found already, ``fixed``."""
    family = neighbours(series, fixed, evidence.best)
    known = fixed_columns(series.axis, fixed)
    curves = [curve_of(series.axis, std, known) for std in series.channel_std.T]
    likelihood = evidence_of(curves, series.channels[:, :, None], columns_of(series.axis, family))[:, 0]
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    span = family[likelihood.argmax()]
    centres, lengths = family[:, :2].mean(axis=1), family[:, 1] - family[:, 0]
    ramp = span[2] > 0
    at = float(weight @ centres) if ramp else float(span[:2].mean())
    half = lengths / 2 / (family[:, 2] + 1)
    low, high = _interval(centres - half, centres + half, weight)
    places = series.places
    low = places[places <= low if low < at else places < at].max()
    high = places[places >= high if high > at else places > at].min()
    width = float(weight @ lengths) if ramp else 0.0
    return Place(span, at, float(low), float(high), width)


def _interval(starts: Array, ends: Array, weight: Array) -> tuple[float, float]:
    """95 % interval of a mixture of uniform densities (c,)."""
    edges = np.unique(np.concatenate([starts, ends]))
    below = np.clip((edges[:, None] - starts) / (ends - starts), 0.0, 1.0) @ weight
    low, high = np.interp(_Z95, below, edges)
    return float(low), float(high)
