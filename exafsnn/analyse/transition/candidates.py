"""Where a step or ramp of a series may be: spans of its axis, those worth a try, and which of them it is.

A span is (last place before, first place after, number of places between); ``evidence`` weighs them.
"""

from __future__ import annotations

import math

import numpy as np

from exafsnn.analyse.transition.quantities import Scans
from exafsnn.records import Array

PLACES = 120
"""Places tried in a long series before the best one is refined."""

_LARGEST_FRACTION = 1 / 3
"""A ramp over more of the scans than this is a curve …"""

_LARGEST_LENGTH = 0.5
"""… and over more of the axis."""


def spans_of(series: Scans, fixed: list[Array]) -> Array:
    """(c, 3) spans of all steps and ramps worth a try, and the number of places inside; two scans on each side."""
    places = series.places
    widths = sorted({math.floor(1.5**power) for power in range(20)})
    pairs = []
    for width in widths:
        if width > max(1, places.size * _LARGEST_FRACTION):
            break
        stride = max(1, places.size // PLACES, width // 4)
        start = np.arange(0, places.size - width, stride)
        pairs.append(np.column_stack([start, start + width]))
    first, last = np.concatenate(pairs).T
    spans = np.column_stack([places[first], places[last], last - first - 1])
    return spans[_has_room(series, fixed, spans)]


def _has_room(series: Scans, fixed: list[Array], spans: Array) -> np.ndarray:
    """(c,) whether there are two scans on both sides of a span, up to the next transition, and it is short enough."""
    first, last, _ = spans.T

    def scans(low: Array | float, high: Array | float) -> np.ndarray:
        after, before = np.searchsorted(series.axis, low, side="left"), np.searchsorted(series.axis, high, side="right")
        return np.asarray(before - after)

    room = (scans(0.0, first) >= 2) & (scans(last, 1.0) >= 2)
    room &= (spans[:, 2] == 0) | (last - first <= _LARGEST_LENGTH)
    for low, high, _ in fixed:
        room &= (scans(last, low) >= 2) | (scans(high, first) >= 2)
    return room


def columns_of(axis: Array, spans: Array) -> Array:
    """(n, c) steps and ramps from 0 to 1 over each span."""
    return np.asarray(np.clip((axis[:, None] - spans[:, 0]) / (spans[:, 1] - spans[:, 0]), 0.0, 1.0))


def fixed_columns(axis: Array, fixed: list[Array]) -> Array:
    """(n, 2f) step and change of slope of each transition found already."""
    if not fixed:
        return np.empty((axis.size, 0))
    spans = np.array(fixed)
    return np.column_stack([columns_of(axis, spans), np.maximum(axis[:, None] - spans[:, :2].mean(axis=1), 0.0)])


def neighbours(series: Scans, fixed: list[Array], span: Array) -> Array:
    """(c, 3) spans among which the best one is located: all gaps for a step, all similar ramps for a ramp."""
    places = series.places
    if span[2] == 0:
        family = np.column_stack([places[:-1], places[1:], np.zeros(places.size - 1)])
    else:
        first, last = np.searchsorted(places, span[:2])
        reach = min(max(3, 2 * (places.size // PLACES), int(span[2]) // 2), 30)
        starts, ends = np.meshgrid(
            np.arange(first - reach, first + reach + 1), np.arange(last - reach, last + reach + 1)
        )
        inside = (starts >= 0) & (ends < places.size) & (ends - starts > 1)
        family = np.column_stack([places[starts[inside]], places[ends[inside]], (ends - starts - 1)[inside]])
    return family[_has_room(series, fixed, family)]
