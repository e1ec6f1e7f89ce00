"""Outcomes → what a page shows of a run that still works: each scan at a glance, and the trend of a series so far.

``exafsnn serve`` asks the commands for a glance of each scan as it is answered. No script, nothing from elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exafsnn.records import Array, Shell
from exafsnn.words import along, plus_minus, shortened
from exafsnn.write.markup import template
from exafsnn.write.pictures import Picture, picture_of_chi, picture_of_rdf
from exafsnn.write.tables import printable
from exafsnn.write.vector import COLOURS, Plot

if TYPE_CHECKING:
    from exafsnn.run.outcomes import Outcome

_FOREIGN = "outside of what the model knows: no number of it is to be believed"
_LONGEST = 240
"""Characters of a reason."""


def glance(outcome: Outcome) -> dict[str, Any]:
    """A scan at a glance, fit for JSON.

    Returns
    -------
    dict
        ``html``: name, status, a picture and N and R of the first range, for each edge. ``axis``: its place in a
        series, or None. ``numbers``: N, R [Å] and their standard deviations, as N, std, R, std, or None.
    """
    first = next(map(_first, outcome.edges), None)
    html = template("glance.html").render(
        name=printable(shortened(outcome.title, 40)),
        status=outcome.status,
        edges=list(_edges(outcome)),
        reason=printable(shortened(outcome.reason, _LONGEST)),
    )
    return {"html": html, "axis": outcome.axis, "numbers": _numbers(first) if first else None}


def trend(glances: Sequence[Mapping[str, Any]], against: str) -> str:
    """N and R of the first range along the axis so far, as HTML; empty where there is no line to be seen in it."""
    known = [(told["axis"], *told["numbers"]) for told in glances if told["axis"] is not None and told["numbers"]]
    axis, n, n_std, r, r_std = np.array(known, dtype=float).reshape(-1, 5).T
    if len(np.unique(axis)) < 2:
        return ""
    plots = []
    for label, value, std in (("N of the first range", n, n_std), ("R of the first range (Å)", r, r_std)):
        plot = Plot(printable(along(against)), label, _around(axis), _around(np.append(value - std, value + std)))
        plot.marks(axis, value, std, COLOURS[0])
        plots.append(plot)
    return template("trend.html").render(plots=plots)


def _first(edge: Outcome) -> Shell | None:
    """The first range of an answer with numbers."""
    return edge.prediction.shells["first"] if edge.prediction and edge.prediction.in_domain else None


def _edges(outcome: Outcome) -> Iterator[tuple[Picture, list[str]]]:
    """The picture of each edge, and what is said below it."""
    for edge in outcome.edges:
        if edge.prediction:
            picture, first = picture_of_rdf(edge.prediction.rdf), _first(edge)
            if first:
                picture.shade(first.r_min, first.r_max)
            yield picture, _told(first) if first else [_FOREIGN]
        elif edge.chi:
            yield picture_of_chi(edge.chi), [f"{edge.chi.absorber} {edge.chi.edge}", f"k to {edge.chi.k_end:.1f} Å⁻¹"]


def _told(first: Shell) -> list[str]:
    n = plus_minus(first.coordination, first.coordination_std)
    return [first.pair, f"N {n}", f"R {plus_minus(first.distance, first.distance_std, 'Å')}"]


def _numbers(shell: Shell) -> tuple[float, ...] | None:
    """N and R, each with its standard deviation, where all of them are numbers."""
    found = shell.coordination, shell.coordination_std, shell.distance, shell.distance_std
    return found if all(map(math.isfinite, found)) else None


def _around(values: Array) -> tuple[float, float]:
    """Limits with some room beside values that are not all alike."""
    low, high = float(values.min()), float(values.max())
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room
