"""The results folder of a series: that of its scans, and besides the analysis of all: tables, figures, the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.records import Array
from exafsnn.write.page import axis_label, firsts, panels_of, report
from exafsnn.write.results import ResultsFolder
from exafsnn.write.tables import plain, series_rows, transition_facts

if TYPE_CHECKING:
    from exafsnn.analyse.series import Series
    from exafsnn.run.outcomes import Outcome
    from exafsnn.run.series import Course

_MAPS = 4
"""Branches that have a map."""


class SeriesFolder(ResultsFolder):
    """A ``ResultsFolder`` that takes a whole course."""

    def add_course(self, course: Course) -> None:
        """Write every scan, and what was found of all of them.

        Raises
        ------
        ExafsnnError
            If the disk refuses.
        """
        for outcome in course.outcomes:
            self.add(outcome)
        self.write_rows("series.csv", series_rows(course))
        text = json.dumps(plain(transition_facts(course)), indent=2, allow_nan=False) + "\n"
        self.write_file("transition.json", text.encode())
        figures = _figures(course)
        for name, (_, content) in figures.items():
            self.write_file(name, content)
        self.write_file("report.html", report(course, dict(figures.values())).encode())
        if course.series is not None:
            self.write_arrays("series", _arrays(course.series))


def _arrays(series: Series) -> dict[str, np.ndarray]:
    """What ``results.h5`` holds of the series, by name."""
    found = {"axis": series.axis}
    for key, trend in series.trends.items():
        name = "/".join(part for part in (key.quantity, key.phase or key.range) if part)
        fields = {"raw": trend.raw, "raw_std": trend.raw_std, "value": trend.value, "std": trend.std}
        found |= {f"{name}/{field}": array for field, array in fields.items()}
    return found


def _figures(course: Course) -> dict[str, tuple[str, bytes]]:
    """Titles and PNG files of the figures, by the names of their files."""
    if course.series is None:
        return {}
    done = [outcome for outcome in course.outcomes if outcome.axis is not None]
    pairs = {name: shell.pair for outcome in done for name, shell in outcome.ranges(course.pair).items()}
    names = firsts(course.series)
    trends, maps = {}, {}
    for name in names:
        told = name.removeprefix("first").strip()
        of = "" if len(names) == 1 else told if pairs[name] in told else f"{told} {pairs[name]}".strip()
        ending = f"-{told.replace(' ', '-')}" if told else ""  # of the first pair none: its figures are always there
        trends[f"series-trends{ending}.png"] = _trends(course, course.series, name, of)
        if name.startswith("first"):
            maps[f"series-map{ending}.png"] = _map(course, course.series, pairs[name], of)
    return trends | maps


def _trends(course: Course, series: Series, name: str, of: str) -> tuple[str, bytes]:
    """Title and PNG file of the trends of one range, ``of`` a pair among others."""
    from exafsnn.write import figures as plotting

    panels = [
        plotting.Panel(
            label,
            tuple(
                plotting.Line(title, trend.raw, trend.raw_std, trend.value, trend.std)
                for title, trend in ((title, series.trends[key]) for title, key in lines)
            ),
        )
        for label, lines in panels_of(series, name)
    ]
    branches = [part.scans for part in series.branches]
    marks = [(item.low, item.high) for item in series.transitions if item.found]
    caption = (
        "Points: scan by scan, with one standard deviation. Bands: smoothed, but never across a transition. The upright"
        " bar is the transition's 95 % interval."
        + (" Open points: after the axis turned round." if len(branches) > 1 else "")
    )
    figure = plotting.trends_figure(series.axis, axis_label(course), panels, branches, marks, of)
    return f"Along the series{f': {of}' if of else ''}\n{caption}", plotting.png(figure)


def _map(course: Course, series: Series, pair: str, of: str) -> tuple[str, bytes]:
    """Title and PNG file of the RDFs of a pair, ``of`` which there are others."""
    from exafsnn.write import figures as plotting

    shown = [part.scans for part in series.branches][:_MAPS]
    each = [[(item.low, item.high)] if item.found else [] for item in series.transitions][: len(shown)]
    found = [_density(outcome, pair) for outcome in course.outcomes if outcome.is_answered]
    r = next(bins for bins, _ in filter(None, found))
    density = np.array([row[1] if row else np.full(len(r), np.nan) for row in found])
    caption = f"n(r)/4πr² of {pair}: atoms per Å³ at distance r from an absorber." + (
        " Each image is one branch, in the order measured." if len(series.branches) > 1 else ""
    )
    figure = plotting.map_figure(series.axis, axis_label(course), r, density, shown, each, of)
    return f"Radial distribution functions{f': {of}' if of else ''}\n{caption}", plotting.png(figure)


def _density(outcome: Outcome, pair: str) -> tuple[Array, Array] | None:
    """Bins [Å] and RDF [Å⁻¹] of a pair; None where its edge was left out."""
    for edge in outcome.edges:
        if edge.prediction and pair in edge.prediction.rdf.pairs:
            rdf = edge.prediction.rdf
            return rdf.r, rdf.density[rdf.pairs.index(pair)]
    return None
