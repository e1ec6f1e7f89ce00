"""A map → matplotlib figures: the map beside its linear rivals, relevance over the spectrum, artificial spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from scipy.spatial import ConvexHull

from exafsnn.analyse.map_rows import Window
from exafsnn.records import Array
from exafsnn.run.maps import Mapped
from exafsnn.run.samples import label_of
from exafsnn.words import shortened
from exafsnn.write.panels import BLUE, GREY, INK, ORANGE, PALE, legend, magnitude_of_chi_r, quiet_axes

_COLOURS = "viridis"
_RELEVANT = LinearSegmentedColormap.from_list("relevance", ["#ffffff", "#ee9b5f"])
_ALIKE = 1.3
"""Units of x and y that differ less in length look the same."""
_NAMED = 25
"""Of more points none has its name beside it."""
_DRAWN = 40
"""Spectra that are drawn beneath their mean."""
_R_SHOWN = np.arange(0, 6.5, 0.02)


def map_figure(found: Mapped) -> Figure:
    """The points in the colours of their labels, clusters as shades, outliers in rings; beside it PCA and NMF."""
    beside = len(found.rivals) > 0
    figure = _empty(10.5 if beside else 7.2, 5.6)
    grid = figure.add_gridspec(2, 2, width_ratios=(2.4, 1), left=0.07, right=0.985, bottom=0.1, top=0.86,
                               hspace=0.48, wspace=0.2)  # fmt: skip
    main = quiet_axes(figure, grid[:, 0] if beside else grid[:, :])
    labels = found.labels
    values = np.where(np.isfinite(labels.known), labels.known, labels.value)
    norm = Normalize(float(np.nanmin(values)), float(np.nanmax(values)))
    x, y = _two(found.points, values)
    flat = found.points.shape[1] > 1
    for number in range(found.clusters.max() + 1) if flat else ():
        _shade_cluster(main, np.column_stack([x, y])[found.clusters == number])
    shown = main.scatter(x, y, c=values, norm=norm, cmap=_COLOURS, s=34, linewidths=0, zorder=2)
    unknown = ~np.isfinite(labels.known)
    if unknown.any():
        main.scatter(x[unknown], y[unknown], s=62, facecolors="none", edgecolors=INK, linewidths=0.8, marker="s",
                     zorder=3, label="estimated")  # fmt: skip
    if found.outlying.any():
        main.scatter(x[found.outlying], y[found.outlying], s=90, facecolors="none", edgecolors=ORANGE, linewidths=1.2,
                     zorder=3, label="outlier: the map cannot tell it")  # fmt: skip
    if 1 < len(x) <= _NAMED:
        for place, one, two in zip(values, x, y, strict=True):
            main.annotate(f"{place:.4g}", (one, two), xytext=(5, 3), textcoords="offset points", size=7.5, color=GREY)
    if found.between:
        ends = list(found.between.ends)
        main.plot(x[ends], y[ends], color=GREY, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1, label="artificial")
    if unknown.any() or found.outlying.any() or found.between:
        legend(main)
    main.set(xlabel="x (in units of the spread)", ylabel=f"y{_stretched(main)}" if flat else labels.name)
    bar = figure.colorbar(shown, ax=main, pad=0.015, fraction=0.035)
    bar.set_label(shortened(labels.name, 40), size=9)
    bar.ax.tick_params(labelsize=8)
    for row, rival in enumerate(found.rivals):
        axes = quiet_axes(figure, grid[row, 1])
        axes.scatter(*_two(rival.points, values), c=values, norm=norm, cmap=_COLOURS, s=14, linewidths=0)
        axes.set_title(
            f"{rival.name}: leaves {rival.left / (found.map.noise_ or 1):.2g} of the noise", size=9, loc="left"
        )
    figure.text(0.07, 0.955, f"Map of {len(x)} × {found.axis.shown_label}", size=12, weight="bold", color=INK)
    said = f"autoencoder: leaves {found.left / (found.map.noise_ or 1):.2g} of the noise"
    counted = int(found.clusters.max()) + 1
    said += f", {counted} cluster{'s' * (counted != 1)}"
    figure.text(0.07, 0.912, said, size=9.5, color=GREY)
    return figure


def relevance_figure(found: Mapped) -> Figure:
    """The spectra, and over them how far the points move when a range is masked; of χ(k) in k and in R."""
    spaces = list(dict.fromkeys(window.space for window in found.windows))
    figure = _empty(10.5, 0.9 + 2.9 * len(spaces))
    inch = 1 / figure.get_figheight()
    grid = figure.add_gridspec(len(spaces), 1, left=0.07, right=0.92, bottom=0.55 * inch, top=1 - 0.65 * inch,
                               hspace=0.4)  # fmt: skip
    figure.text(0.07, 1 - 0.32 * inch, "What the map rests on", size=12, weight="bold", color=INK)
    picked = np.unique(np.linspace(0, len(found.rows) - 1, min(_DRAWN, len(found.rows))).round().astype(int))
    for row, space in enumerate(spaces):
        axes = quiet_axes(figure, grid[row])
        chosen = [number for number, window in enumerate(found.windows) if window.space == space]
        if space == "R":
            x, lines = _R_SHOWN, _in_r(found, picked)
            axes.set(xlabel="R (Å), not phase-corrected", ylabel="|χ(R)|")
        else:
            x, lines = found.axis.grid, found.axis.shown(found.rows[picked])
            axes.set(xlabel=found.axis.label, ylabel=found.axis.shown_label)
        _shade(axes, [found.windows[number] for number in chosen], found.mean_relevance[chosen])
        axes.plot(x, lines.T, color=GREY, linewidth=0.5, alpha=0.7)
        axes.plot(x, lines.mean(axis=0), color=INK, linewidth=1.1)
        axes.set_xlim(x[0], x[-1])
    return figure


def between_figure(found: Mapped) -> Figure:
    """Artificial spectra on the line between two points, above each other, with the measured ends."""
    between = found.between
    if between is None:
        raise ValueError("no spectra between two points were asked for")
    figure = _empty(10.5, 5.0)
    axes = quiet_axes(figure, figure.add_gridspec(1, 1, left=0.07, right=0.985, bottom=0.12, top=0.86)[0])
    rows = found.axis.shown(between.rows)
    ends = found.axis.shown(found.rows[list(between.ends)])
    step = 0.6 * float(np.ptp(ends))
    for number, (share, row) in enumerate(zip(between.shares, rows, strict=True)):
        axes.plot(
            found.axis.grid, row + number * step, color=BLUE, linewidth=1.1, label=None if number else "of the map"
        )
        axes.annotate(
            f"{share:.2f}", (found.axis.grid[-1], row[-1] + number * step), size=8, color=GREY, va="bottom", ha="right"
        )
    for number, end in ((0, ends[0]), (len(rows) - 1, ends[1])):
        axes.plot(
            found.axis.grid,
            end + number * step,
            color=INK,
            linewidth=0.6,
            zorder=1,
            label=None if number else "measured",
        )
    axes.set(
        xlabel=found.axis.label,
        ylabel=f"{found.axis.shown_label}, above each other",
        xlim=(found.axis.low, found.axis.high),
    )
    legend(axes)
    names = [shortened(label_of(found.used[end].file), 45) for end in between.ends]
    figure.text(0.07, 0.935, f"Artificial spectra from {names[0]} to {names[1]}", size=12, weight="bold", color=INK)
    return figure


def _shade_cluster(axes: Axes, places: Array) -> None:
    """Shade the hull of a cluster's points, a little beyond them."""
    outline = places
    if len(places) > 2 and np.linalg.matrix_rank(places - places[0]) == 2:
        outline = places[ConvexHull(places).vertices]
    axes.add_patch(Polygon(outline, facecolor=PALE, edgecolor=PALE, linewidth=22, joinstyle="round", zorder=0))


def _stretched(axes: Axes) -> str:
    """How much longer a unit is upwards than sideways, in words, where that matters: distances are what a map shows."""
    box = axes.get_window_extent()
    factor = (box.height / np.ptp(axes.get_ylim())) / (box.width / np.ptp(axes.get_xlim()))
    return f" (drawn {factor:.2g} times as long as x)" if factor > _ALIKE or factor < 1 / _ALIKE else ""


def _in_r(found: Mapped, picked: np.ndarray) -> Array:
    """(n, b) |χ(R)| of some rows."""
    k = found.axis.grid
    chi = found.rows[picked] / k**found.axis.kweight
    window = (float(k[0]), float(k[-1]))
    return np.array([magnitude_of_chi_r(k, row, window, _R_SHOWN) for row in chi])


def _shade(axes: Axes, windows: Sequence[Window], relevance: Array) -> None:
    """Shade ranges by their relevance, and tell how large that is."""
    norm = Normalize(0, float(relevance.max()) or 1.0)
    colours = ScalarMappable(norm, _RELEVANT)
    for window, value in zip(windows, relevance, strict=True):
        axes.axvspan(window.low, window.high, color=colours.to_rgba(value), linewidth=0, zorder=0)
    bar = axes.figure.colorbar(colours, ax=axes, pad=0.012, fraction=0.03)
    bar.set_label("relevance", size=9)
    bar.ax.tick_params(labelsize=8)


def _two(points: Array, values: Array) -> tuple[Array, Array]:
    """The first two coordinates; where there is one, that and the values of the labels."""
    return points[:, 0], points[:, 1] if points.shape[1] > 1 else values


def _empty(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
    FigureCanvasAgg(figure)
    return figure
