"""The results folder of a series: that of its scans, and besides the analysis of all: tables, figures, the report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.write.page import axis_label, panels_of, report
from exafsnn.write.results import ResultsFolder
from exafsnn.write.tables import plain, series_rows, transition_facts

if TYPE_CHECKING:
    from exafsnn.analyse.series import Series
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
    from exafsnn.write import figures as plotting

    series = course.series
    if series is None:
        return {}
    label = axis_label(course)
    branches = [part.scans for part in series.branches]
    shown = branches[:_MAPS]
    each = [[(item.low, item.high)] if item.found else [] for item in series.transitions]
    marks = [mark for part in each for mark in part]
    predictions = [outcome.prediction for outcome in course.outcomes if outcome.prediction]
    density = np.array([prediction.rdf.density[0] for prediction in predictions])
    rdf = predictions[0].rdf
    panels = [
        plotting.Panel(
            name,
            tuple(
                plotting.Line(title, trend.raw, trend.raw_std, trend.value, trend.std)
                for title, trend in ((title, series.trends[key]) for title, key in lines)
            ),
        )
        for name, lines in panels_of(series)
    ]
    return {
        "series-trends.png": (
            "Along the series\nPoints: scan by scan, with one standard deviation. Bands: smoothed, but never across a"
            " transition. The upright bar is the transition's 95 % interval."
            + (" Open points: after the axis turned round." if len(series.branches) > 1 else ""),
            plotting.png(plotting.trends_figure(series.axis, label, panels, branches, marks)),
        ),
        "series-map.png": (
            f"Radial distribution functions\nn(r)/4πr² of {rdf.pairs[0]}: atoms per Å³ at distance r from an absorber."
            + (" Each image is one branch, in the order measured." if len(branches) > 1 else ""),
            plotting.png(plotting.map_figure(series.axis, label, rdf.r, density, shown, each[: len(shown)])),
        ),
    }
