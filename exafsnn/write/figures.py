"""Records → matplotlib figures: one per scan, one overview of many, made of ``panels``.

Figures are made with the object-oriented interface and the Agg canvas: no window, no global state. ``results`` calls
this; interactive users get a ``Figure`` to show or to save.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import compress, cycle
from typing import TYPE_CHECKING, Literal

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import GraphicsContextBase
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.cm import ScalarMappable
from matplotlib.collections import QuadMesh
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

from exafsnn.records import Array, ChiK, Prediction
from exafsnn.words import bracketed, short_name, shortened
from exafsnn.write.panels import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PAIR_COLOURS,
    draw_chi_k,
    draw_chi_r,
    draw_compared_r,
    draw_mu,
    draw_rdf,
    legend,
    plot_wavelet,
    quiet_axes,
    rdf_limits,
    rounded,
)

if TYPE_CHECKING:
    from exafsnn.analyse.shell_fits import ShellFit
    from exafsnn.measure.transforms import Wavelet
    from exafsnn.simulate.average import Average

_SIGNATURE = "exafsnn figure"
"""Written into every figure: what made it."""
_DPI = 120
_LEFT = 0.065
"""Left margin of the panels, in widths of the figure."""
_EDGE_LINES = ("-", (0, (4, 2)))
"""Of the edges of a sample: what they tell of one pair may lie on top of each other."""
_LABEL = 21
"""Characters beside a curve of many."""
_WORD = re.compile(r"[^_\-. ]*[_\-. ]?")
"""Of a name: with what ends it."""


def scan_figure(chi: ChiK, prediction: Prediction | None = None) -> Figure:
    """Show one scan: μ(E) with background, k²χ(k), |χ(R)| and, with a prediction, what it implies and the RDF.

    A χ(k) file has no μ(E): then k²χ(k) takes its place too.
    """
    if prediction:
        figure = _figure(10.0, 7.4)
        grid = figure.add_gridspec(2, 2, left=_LEFT, right=0.985, bottom=0.07, top=0.89, hspace=0.36, wspace=0.18)
        places, wide = [grid[0, 0], grid[0, 1], grid[1, 0], grid[1, 1]], grid[0, :]
    else:
        figure = _figure(12.0, 3.8)
        grid = figure.add_gridspec(1, 3, left=_LEFT, right=0.99, bottom=0.145, top=0.79, wspace=0.24)
        places, wide = [grid[0, 0], grid[0, 1], grid[0, 2]], grid[0, :2]
    if chi.spectrum is None:
        places[:2] = [wide]
    _fill(figure, [quiet_axes(figure, place) for place in places], chi, prediction)
    return figure


def _fill(figure: Figure, panels: Sequence[Axes], chi: ChiK, prediction: Prediction | None) -> None:
    """Draw a scan into empty panels: μ(E), if there is one, k²χ(k), |χ(R)| and, with a prediction, the RDF."""
    _write_title(figure, chi, prediction)
    empty = iter(panels)
    if chi.spectrum is not None:
        draw_mu(next(empty), chi.spectrum, chi)
    draw_chi_k(next(empty), chi, prediction)
    draw_chi_r(next(empty), chi, prediction)
    if prediction:
        draw_rdf(next(empty), prediction)


def sample_figure(name: str, predictions: Sequence[Prediction]) -> Figure:
    """Show a sample that was measured at several edges: k²χ(k) and |χ(R)| of each, and the RDFs of all pairs.

    Parameters
    ----------
    name
        Of the sample.
    predictions
        The answer to each edge.
    """
    figure = _figure(10.0, 10.6)
    inch, count = 1 / figure.get_figheight(), len(predictions)
    top = figure.add_gridspec(
        2, count, left=_LEFT, right=0.98, bottom=0.46, top=1 - 0.95 * inch, hspace=0.38, wspace=0.2
    )
    bottom = figure.add_gridspec(1, 1, left=_LEFT, right=0.66, bottom=0.055, top=0.375)
    known = all(prediction.in_domain for prediction in predictions)
    _write_name(figure, _shortened(name), known)
    for number, prediction in enumerate(predictions):
        panels = [quiet_axes(figure, top[row, number]) for row in (0, 1)]
        draw_chi_k(panels[0], prediction.chi, prediction)
        draw_chi_r(panels[1], prediction.chi, prediction)
        place = panels[0].get_position().x0
        figure.text(place, 1 - 0.41 * inch, _facts(prediction.chi, prediction), size=9.5, color=GREY, va="top")
    _draw_rdfs(quiet_axes(figure, bottom[0]), predictions)
    _write_shells(figure, predictions, known)
    return figure


def _draw_rdfs(axes: Axes, predictions: Sequence[Prediction]) -> None:
    """The RDFs of all pairs with their 1σ bands, those of each edge in lines of its own kind."""
    highest = 0.0
    for (number, row), colour in _pairs_of(predictions):
        rdf = predictions[number].rdf
        density, spread = rdf.density[row], rdf.spread[row]
        style = _EDGE_LINES[number % len(_EDGE_LINES)]
        axes.plot(rdf.r, density, color=colour, linewidth=1.3, linestyle=style, label=rdf.pairs[row])
        low = np.clip(density - spread, 0, None)
        axes.fill_between(rdf.r, low, density + spread, color=colour, alpha=0.25, linewidth=0)
        highest = max(highest, float((density + spread).max()))
    limits = np.array([rdf_limits(prediction.rdf.r) for prediction in predictions])
    axes.set(xlabel="r (Å)", ylabel="n(r) (Å⁻¹)", xlim=(limits[:, 0].min(), limits[:, 1].max()))
    axes.set_ylim(*rounded(0.0, 1.05 * highest or 1.0))
    legend(axes)


def _pairs_of(predictions: Sequence[Prediction]) -> Iterator[tuple[tuple[int, int], str]]:
    """Number of the answer, and of each pair in it, with a colour of its own."""
    pairs = [(number, row) for number, each in enumerate(predictions) for row in range(len(each.rdf.pairs))]
    return zip(pairs, cycle(PAIR_COLOURS), strict=False)


def _write_shells(figure: Figure, predictions: Sequence[Prediction], known: bool) -> None:
    """Write the integrals of every range beside the RDFs, pair by pair."""
    lines = 2.4 * sum(len(prediction.ranges) for prediction in predictions)
    line = min(0.185, 4.0 / lines) / figure.get_figheight()
    y = 0.375
    for (number, row), colour in _pairs_of(predictions):
        pair = predictions[number].rdf.pairs[row]
        shells = [shell for shell in predictions[number].ranges.values() if shell.pair == pair]
        for shell in shells if known else []:
            figure.text(0.69, y, f"{shell.pair}  {shell.r_min:g}–{shell.r_max:g} Å", size=9.5, color=colour, va="top")
            numbers = (
                f"N {bracketed(shell.coordination, shell.coordination_std)}",
                f"R {bracketed(shell.distance, shell.distance_std)} Å",
                f"σ² {bracketed(shell.sigma2, shell.sigma2_std)} Å²",
            )
            figure.text(0.69, y - line, "   ".join(numbers), size=8.5, color=INK, va="top")
            y -= 2.4 * line
    if not known:
        figure.text(0.69, y, "no numbers: foreign", size=9.5, color=INK, va="top")


def compare_figure(prediction: Prediction, fit: ShellFit) -> Figure:
    """Show an answer beside larch's fit of its shells: χ(R) of both in the fit's window, and N, R and σ² of each."""
    figure = _figure(10.0, 7.4)
    grid = figure.add_gridspec(2, 6, left=_LEFT, right=0.985, bottom=0.07, top=0.84, hspace=0.38, wspace=1.1)
    _write_title(figure, prediction.chi, prediction)
    y = 1 - 0.61 / figure.get_figheight()
    said = (
        f"feffit    ΔE₀ = {fit.delta_e0:.1f} ± {fit.delta_e0_std:.1f} eV    S₀² ="
        f" {', '.join(f'{of.amplitude:.2f} ± {of.amplitude_std:.2f}' for of in fit.shells[:3])}"
        f" ({short_name(fit.amplitude_from)})"
        f"    k = {fit.k_window[0]:.1f}–{fit.k_window[1]:.1f} Å⁻¹"
    )
    figure.text(_LEFT, y, said, size=9.5, color=GREY, va="top", parse_math=False)
    draw_compared_r(quiet_axes(figure, grid[0, :3]), prediction, fit, "magnitude")
    draw_compared_r(quiet_axes(figure, grid[0, 3:]), prediction, fit, "real")
    for number, (name, label) in enumerate(_COMPARED.items()):
        _draw_compared(quiet_axes(figure, grid[1, 2 * number : 2 * number + 2]), fit, name, label)
    return figure


_COMPARED = {"coordination": "N", "distance": "R − R of exafsnn (Å)", "sigma2": "σ² (Å²)"}


def _draw_compared(axes: Axes, fit: ShellFit, quantity: str, label: str) -> None:
    """One quantity of each shell by both, with standard errors."""
    places = np.arange(len(fit.shells), dtype=float)
    answers, fits = (
        np.array([[getattr(of, quantity), getattr(of, f"{quantity}_std")] for of in each])
        for each in ([fitted.shell for fitted in fit.shells], fit.shells)
    )
    zero = answers[:, 0] if quantity == "distance" else 0.0
    for shift, values, colour, name in ((-0.1, answers, ORANGE, "exafsnn"), (0.1, fits, BLUE, "feffit")):
        axes.errorbar(
            places + shift, values[:, 0] - zero, values[:, 1], fmt="o", markersize=4.5, color=colour, ecolor=colour,
            elinewidth=1.0, capsize=2.5, label=name,
        )  # fmt: skip
    named = [f"{fitted.name.split()[0]}\n{fitted.shell.pair} {fitted.shell.distance:.2f} Å" for fitted in fit.shells]
    axes.set_xticks(places, named)
    axes.set(ylabel=label, xlim=(-0.5, len(places) - 0.5))
    if quantity != "distance":
        axes.set_ylim(0, None)
    legend(axes)


def wavelet_figure(chi: ChiK, found: Wavelet) -> Figure:
    """Show the wavelet map of a scan."""
    figure = _figure(7.0, 5.0)
    grid = figure.add_gridspec(1, 1, left=0.09, right=0.98, bottom=0.11, top=0.87)
    _write_title(figure, chi, None)
    plot_wavelet(found, quiet_axes(figure, grid[0]))
    return figure


def average_figure(file: str, average: Average) -> Figure:
    """Show what a trajectory says: k²χ(k) with its error, and n(r) of each pair with its own and the shells' limits."""
    figure = _figure(10.0, 7.0)
    grid = figure.add_gridspec(2, 1, left=_LEFT, right=0.985, bottom=0.075, top=0.875, hspace=0.36)
    inch = 1 / figure.get_figheight()
    title = f"{_label(file, '')}: simulated"
    figure.text(_LEFT, 1 - 0.16 * inch, title, size=11.5, weight="bold", color=INK, va="top", parse_math=False)
    frames, sites = (
        f"{count} {word}{'s' * (count > 1)}" for count, word in ((average.frames, "frame"), (average.sites, "site"))
    )
    facts = f"{average.absorber} {average.edge}    {frames}, {sites}    S₀² = 1"
    figure.text(_LEFT, 1 - 0.41 * inch, facts, size=9.5, color=GREY, va="top")
    _draw_average_chi(quiet_axes(figure, grid[0]), average)
    _draw_average_rdf(quiet_axes(figure, grid[1]), average)
    return figure


def _draw_average_chi(axes: Axes, average: Average) -> None:
    k, chi, std = average.k, average.k**2 * average.chi, average.k**2 * average.chi_std
    axes.axhline(0, color=GREY, linewidth=0.5)
    if np.isfinite(std).all():
        axes.fill_between(k, chi - std, chi + std, color=BLUE, alpha=0.35, linewidth=0, label="± 1σ")
    axes.plot(k, chi, color=BLUE, linewidth=1.0, label="simulated, mean of the sites")
    axes.set(xlabel="k (Å⁻¹), from the theory's E₀", ylabel="k²χ(k) (Å⁻²)", xlim=(k[0], k[-1]))
    legend(axes)


def _draw_average_rdf(axes: Axes, average: Average) -> None:
    rdf = average.rdf
    for number, (pair, density, spread) in enumerate(zip(rdf.pairs, rdf.density, rdf.spread, strict=True)):
        colour = PAIR_COLOURS[number % len(PAIR_COLOURS)]
        if np.isfinite(spread).all():
            axes.fill_between(rdf.r, density - spread, density + spread, color=colour, alpha=0.35, linewidth=0)
        axes.plot(rdf.r, density, color=colour, linewidth=1.0, label=pair)
        for shell in average.shells[pair]:
            axes.axvline(shell.r_max, color=colour, linewidth=0.5, linestyle=(0, (1, 2)))
    axes.set(xlabel="r (Å)", ylabel="n(r) (Å⁻¹)", xlim=rdf_limits(rdf.r), ylim=(0, None))
    legend(axes)


def overview_figure(names: Sequence[tuple[str, str]], r: Array, density: Array, pair: str) -> Figure:
    """Show the RDF of one pair of a few scans, above one another; parameters as of ``overview_image``.

    ``names`` are file and record of each.
    """
    figure, axes = _overview(2.4 + 0.34 * len(density), 0.05, r)
    _draw_stack(axes, names, r, density, pair)
    return figure


def overview_image(r: Array, density: Array, pair: str, step: int = 1) -> Figure:
    """Show the RDF of one pair of many scans as an image.

    Parameters
    ----------
    r, density
        (b,) [Å], and (s, b) n(r) [Å⁻¹] of every ``step``-th scan, in the order given; NaN where its model ends.
    pair
        ``"Fe-Fe"``; of scans of several metals all of theirs.
    step
        The image tells the number of each scan.
    """
    figure, axes = _overview(5.0, 0.1, r)
    half = (r[1] - r[0]) / 2, step / 2
    extent = r[0] - half[0], r[-1] + half[0], 1 - half[1], 1 + step * (len(density) - 1) + half[1]
    image = axes.imshow(density, cmap="Blues", origin="lower", aspect="auto", extent=extent)
    axes.set_ylabel("scan, in the order given")
    _colour_bar(axes, image, f"n(r) of {pair} (Å⁻¹)", (1.04, 0.0, 0.035, 1.0))
    return figure


def _overview(height: float, left: float, r: Array) -> tuple[Figure, Axes]:
    """A figure of some height (inch) with one panel over r."""
    figure = _figure(7.0, height)
    margin = 0.5 / height
    axes = quiet_axes(figure, figure.add_gridspec(1, 1, left=left, right=0.77, bottom=margin, top=1 - margin / 2)[0])
    axes.set(xlabel="r (Å)", xlim=rdf_limits(r))
    return figure, axes


@dataclass(frozen=True)
class Line:
    """One quantity along the axis of a series."""

    label: str
    """Empty if the panel has but one."""
    raw: Array
    """(n,) scan by scan; NaN where nothing is known."""
    raw_std: Array
    value: Array
    """(n,) smoothed."""
    std: Array


@dataclass(frozen=True)
class Panel:
    """What one panel of a series shows."""

    label: str
    """Of the vertical axis."""
    lines: tuple[Line, ...]


_Marks = Sequence[tuple[float, float]]
"""Intervals of the axis in which a transition lies."""


def map_figure(
    axis: Array, label: str, r: Array, density: Array, branches: Sequence[Sequence[int]], marks: Sequence[_Marks],
    of: str = "",
) -> Figure:  # fmt: skip
    """Show the RDFs of a series, over 4πr², as images: r against the axis, scans as wide as their neighbours allow.

    Parameters
    ----------
    axis
        (n,) places of the scans, in any order.
    label
        Of the axis.
    r
        (b,) [Å].
    density
        (n, b) [Å⁻¹].
    branches
        Numbers of the scans of each image.
    marks
        Transitions of each.
    of
        The pair, where there are several.
    """
    figure = _figure(7.0, 0.4 + 4.0 * len(branches))
    margin = 0.55 / figure.get_figheight()
    grid = figure.add_gridspec(len(branches), 1, left=0.09, right=0.86, bottom=margin, top=1 - margin / 3, hspace=0.2)
    lowest, highest = rdf_limits(r)
    largest = float(np.nanmax((density / (4 * np.pi * r**2))[:, r >= lowest]))
    for number, (scans, mark) in enumerate(zip(branches, marks, strict=True)):
        axes = quiet_axes(figure, grid[number])
        image = _draw_map(axes, axis[list(scans)], r, density[list(scans)], largest)
        axes.set(ylabel="r (Å)", ylim=(lowest, highest))
        _mark(axes, mark)
        _colour_bar(axes, image, "n(r)/4πr² (Å⁻³)", (1.025, 0.0, 0.03, 1.0))
    axes.set_xlabel(label)
    _write_pair(figure, of)
    return figure


def _draw_map(axes: Axes, axis: Array, r: Array, density: Array, largest: float) -> QuadMesh:
    """Scans at one place are averaged."""
    order = np.argsort(axis, kind="stable")
    places, first = np.unique(axis[order], return_index=True)
    rows = np.array([part.mean(axis=0) for part in np.split(density[order], first[1:])]) / (4 * np.pi * r**2)
    return axes.pcolormesh(_edges(places), _edges(r), rows.T, cmap="Blues", vmin=0, vmax=largest, rasterized=True)


def trends_figure(
    axis: Array, label: str, panels: Sequence[Panel], branches: Sequence[Sequence[int]], marks: _Marks, of: str = ""
) -> Figure:
    """Show quantities along the axis of a series: points with errors, and bands smoothed between transitions.

    Parameters
    ----------
    axis
        (n,) places of the scans, in any order.
    label
        Of the axis.
    panels
        What to show.
    branches
        Numbers of the scans of each; from the second on points are open.
    marks
        Transitions.
    of
        The pair, where there are several.
    """
    height = 2.5 * ((len(panels) + 1) // 2)
    figure = _figure(10.0, height + 0.5)
    grid = figure.add_gridspec(
        (len(panels) + 1) // 2, 2, left=0.085, right=0.985, bottom=0.55 / (height + 0.5), top=1 - 0.3 / (height + 0.5),
        hspace=0.34, wspace=0.2,
    )  # fmt: skip
    for number, panel in enumerate(panels):
        axes = quiet_axes(figure, grid[number // 2, number % 2])
        for colour, line in zip(PAIR_COLOURS, panel.lines, strict=False):
            for place, scans in enumerate(branches):
                _draw_trend(axes, axis, line, np.asarray(scans, dtype=int), colour, place == 0)
        axes.set_xlim(*_padded(axis))
        axes.set_ylabel(panel.label)
        axes.locator_params(axis="x", nbins=6)  # numbers of seconds are long
        if number >= len(panels) - 2:
            axes.set_xlabel(label)
        _mark(axes, marks)
        if any(line.label for line in panel.lines):
            legend(axes)
    _write_pair(figure, of)
    return figure


def _write_pair(figure: Figure, of: str) -> None:
    """Say above the first panel which of several pairs a figure shows."""
    figure.text(_LEFT, 1 - 0.05 / figure.get_figheight(), of, size=9.5, color=GREY, va="top")


def _padded(axis: Array) -> tuple[float, float]:
    """The ends of the axis, with a little room."""
    room = 0.03 * float(np.ptp(axis)) or 0.5
    return float(axis.min()) - room, float(axis.max()) + room


def _draw_trend(axes: Axes, axis: Array, line: Line, scans: np.ndarray, colour: str, first: bool) -> None:
    """Points of one branch with errors, and the band of what is smoothed, broken where nothing is known."""
    known = scans[np.isfinite(line.raw[scans])]
    axes.errorbar(
        axis[known], line.raw[known], line.raw_std[known], fmt="o", markersize=3.2, color=colour, ecolor=colour,
        markerfacecolor=colour if first else "white", elinewidth=0.7, alpha=0.8,
        label=line.label if first and line.label else None,
    )  # fmt: skip
    if np.array_equal(line.value[known], line.raw[known]):
        return  # nothing was smoothed
    order = scans[np.argsort(axis[scans], kind="stable")]
    low, high = line.value - line.std, line.value + line.std
    axes.fill_between(axis[order], low[order], high[order], color=colour, alpha=0.18, linewidth=0)


def _mark(axes: Axes, marks: _Marks) -> None:
    """Where transitions lie."""
    for low, high in marks:
        axes.axvspan(low, high, color=ORANGE, alpha=0.25, linewidth=0)
        axes.axvline((low + high) / 2, color=ORANGE, linewidth=0.8)


def _edges(places: Array) -> Array:
    """(n + 1,) borders half way between (n,) places."""
    if len(places) == 1:
        return places[0] + np.array([-0.5, 0.5])
    middle = (places[1:] + places[:-1]) / 2
    return np.concatenate([[2 * places[0] - middle[0]], middle, [2 * places[-1] - middle[-1]]])


def scan_png(chi: ChiK, prediction: Prediction | None = None) -> bytes:
    """The PNG file of ``scan_figure``, on axes that are used again for scans whose figures have the same parts."""
    pairs = prediction.rdf.pairs if prediction else ()
    kind = chi.spectrum is not None, chi.background is not None, prediction is not None, pairs
    if kind not in _FIGURES:
        while len(_FIGURES) >= _FIGURES_KEPT:
            del _FIGURES[next(iter(_FIGURES))]
        _FIGURES[kind] = _Kept(scan_figure(chi, prediction))
    return _FIGURES[kind].png(chi, prediction)


class _Kept:
    """A figure of one scan whose axes are used again.

    What scans of a run have in common is drawn once and kept as pixels: the legends, and each axis by its limits.
    """

    def __init__(self, figure: Figure) -> None:
        self._figure = figure
        self._renderer = _canvas_of(figure).get_renderer()
        self._pixels = np.asarray(self._renderer.buffer_rgba())
        self._pixels[:] = 255
        for axes in figure.axes:
            if legend := axes.get_legend():
                legend.draw(self._renderer)
        self._legends = self._pixels.copy()
        self._axes: dict[tuple[Axis, float, float], tuple[tuple[slice, slice], np.ndarray]] = {}

    def png(self, chi: ChiK, prediction: Prediction | None) -> bytes:
        """The figure of a scan."""
        panels = self._figure.axes
        self._clear()
        _fill(self._figure, panels, chi, prediction)
        still = [self._axis(axis) for axes in panels for axis in (axes.xaxis, axes.yaxis)]
        self._pixels[:] = self._legends
        for place, picture in still:
            np.minimum(self._pixels[place], picture, out=self._pixels[place])  # dark on white, where two meet too
        for axes in panels:
            for artist in sorted([*_moving(axes), *axes.spines.values()], key=Artist.get_zorder):
                artist.draw(self._renderer)
        for text in self._figure.texts:
            text.draw(self._renderer)
        return _png(self._pixels)

    def _axis(self, axis: Axis) -> tuple[tuple[slice, slice], np.ndarray]:
        """Rows and columns of one axis, and its picture."""
        low, high = axis.get_view_interval()
        key = axis, low, high
        if key not in self._axes:
            while len(self._axes) >= _AXES_KEPT:
                del self._axes[next(iter(self._axes))]
            self._pixels[:] = 255
            axis.draw(self._renderer)
            inked = self._pixels[:, :, 0] < 255
            rows, columns = np.flatnonzero(inked.any(axis=1)), np.flatnonzero(inked.any(axis=0))
            place = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            self._axes[key] = place, self._pixels[place].copy()
        return self._axes[key]

    def _clear(self) -> None:
        """Take away what is of the scan before, even if it could not be drawn."""
        for artist in (*self._figure.texts, *(part for axes in self._figure.axes for part in _moving(axes))):
            artist.remove()


def _moving(axes: Axes) -> list[Artist]:
    """What a panel shows of one scan."""
    return [*axes.patches, *axes.collections, *axes.lines, *axes.texts]


_FIGURES: dict[tuple[bool, bool, bool, tuple[str, ...]], _Kept] = {}
_FIGURES_KEPT = 4
_AXES_KEPT = 128
"""Of a figure; each takes about a tenth of a megabyte."""


def png(figure: Figure) -> bytes:
    """The PNG file of a figure."""
    canvas = _canvas_of(figure)
    canvas.draw()
    return _png(np.asarray(canvas.buffer_rgba()))


def _canvas_of(figure: Figure) -> FigureCanvasAgg:
    canvas = figure.canvas
    if not isinstance(canvas, FigureCanvasAgg):
        raise TypeError(f"the canvas is a {type(canvas).__name__}, required FigureCanvasAgg")
    return canvas


def _png(pixels: np.ndarray) -> bytes:
    """The PNG file of (h, w, 4) pixels without transparency.

    Lines are told as differences from the line above, and runs of equal bytes are counted: of a drawing that leaves
    little, in a fifth of the time that a search for the best filter and for repetitions takes.
    """
    height, width = pixels.shape[:2]
    lines = np.empty((height, 1 + 3 * width), dtype=np.uint8)
    for number in range(3):  # one after another: numpy copies groups of three slowly
        lines[:, 1 + number :: 3] = pixels[:, :, number]
    lines[1:] -= lines[:-1].copy()
    lines[:, 0] = 2  # the filter "up"
    packer = zlib.compressobj(level=1, strategy=zlib.Z_RLE)
    per_metre = round(_DPI / 0.0254)
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0),
        b"pHYs": struct.pack(">IIB", per_metre, per_metre, 1),
        b"tEXt": b"Software\0" + _SIGNATURE.encode(),
        b"IDAT": packer.compress(lines.data) + packer.flush(),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks.items()
    )


def _figure(width: float, height: float) -> Figure:
    """Make an empty figure of so many inches."""
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white")
    _Canvas(figure)
    return figure


class _Canvas(FigureCanvasAgg):
    """Agg with a renderer that keeps pieces of text."""

    renderer: RendererAgg | None = None

    def get_renderer(self) -> RendererAgg:
        """Return that of the present size and resolution."""
        present = (*self.get_width_height(physical=True), self.figure.dpi)
        if self.renderer is None or present != (self.renderer.width, self.renderer.height, self.renderer.dpi):
            self.renderer = _Renderer(*present)
        return self.renderer


class _Renderer(RendererAgg):
    """Agg that puts level text together from pictures of its words and digits.

    To lay out and to render glyphs costs more than all curves, and what two scans say differs by some digits.
    """

    def get_text_width_height_descent(
        self, s: str, prop: FontProperties, ismath: bool | Literal["TeX"]
    ) -> tuple[float, float, float]:
        """Size of a line [pixels]."""
        if ismath:
            return super().get_text_width_height_descent(s, prop, ismath)
        sizes = np.array([_size(piece, prop, self.dpi) for piece in _PIECE.findall(s)])
        width, (ascent, descent) = sizes[:, 0].sum(), sizes[:, 1:].max(axis=0)
        return width, ascent + descent, descent

    def draw_text(
        self, gc: GraphicsContextBase, x: float, y: float, s: str, prop: FontProperties, angle: float,
        ismath: bool | Literal["TeX"] = False, mtext: Text | None = None,
    ) -> None:  # fmt: skip
        """Draw a line from x [pixels] on; its baseline lies on a whole row."""
        if ismath or angle:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        for piece in _PIECE.findall(s):
            left, quarter = divmod(round(4 * x), 4)
            picture, below = _picture(piece, prop, gc.get_rgb(), quarter, self.dpi)
            self.draw_image(gc, left - _ROOM, self.height - round(y) - below, picture)
            x += _size(piece, prop, self.dpi)[0]


_PIECE = re.compile(r"\d|[^\d\s]+|\s+")
"""A digit, or what stands between digits and spaces."""
_ROOM = 2
"""Pixels around a piece, for what leans out of it."""


@lru_cache(maxsize=4096)
def _size(piece: str, prop: FontProperties, dpi: float) -> tuple[float, float, float]:
    """Advance, ascent and descent [pixels]."""
    renderer = RendererAgg(1, 1, dpi)
    width, height, descent = renderer.get_text_width_height_descent(piece, prop, ismath=False)
    twice = renderer.get_text_width_height_descent(2 * piece, prop, ismath=False)[0]
    return twice - width, height - descent, descent


@lru_cache(maxsize=4096)
def _picture(
    piece: str, prop: FontProperties, colour: tuple[float, float, float], quarter: int, dpi: float
) -> tuple[np.ndarray, int]:
    """(h, w, 4) pixels of a piece, lowest row first, and how many rows are below its baseline.

    It begins ``_ROOM`` pixels and so many quarters from the left: digits would stand unevenly on whole pixels.
    """
    width, above, below = (int(np.ceil(size)) + 2 * _ROOM for size in _size(piece, prop, dpi))
    renderer = RendererAgg(width, above + below, dpi)
    context = renderer.new_gc()
    context.set_foreground(colour, isRGBA=True)
    renderer.draw_text(context, _ROOM + quarter / 4, above, piece, prop, 0.0)
    return np.asarray(renderer.buffer_rgba())[::-1].copy(), below


def _write_title(figure: Figure, chi: ChiK, prediction: Prediction | None) -> None:
    """Write name, edge and what was applied above the panels."""
    _write_name(figure, _label(chi.source, chi.record), prediction is None or prediction.in_domain)
    y = 1 - 0.41 / figure.get_figheight()
    figure.text(_LEFT, y, _facts(chi, prediction), size=9.5, color=GREY, va="top")


def _write_name(figure: Figure, name: str, known: bool) -> None:
    """Write the name above the panels, and beside it whether the answer is one that the model can know."""
    y = 1 - 0.16 / figure.get_figheight()
    if not known:
        said = "foreign: outside what the model knows"
        figure.text(0.99, y, said, size=11.5, weight="bold", color=ORANGE, ha="right", va="top")
    figure.text(_LEFT, y, name, size=11.5, weight="bold", color=INK, va="top", parse_math=False)


def _facts(chi: ChiK, prediction: Prediction | None) -> str:
    """Edge, temperature, and what was applied, in a line."""
    facts = [f"{chi.absorber} {chi.edge}"]
    if chi.temperature is not None:
        facts.append(f"{chi.temperature:g} K")
    if prediction:
        facts.append(f"ΔE₀ = {prediction.delta_e0:.1f} ± {prediction.delta_e0_std:.1f} eV")
        facts.append(f"S₀² = {prediction.amplitude:.2f} ± {prediction.amplitude_std:.2f}")
    return "    ".join(facts)


def _label(file: str, record: str, longest: int = 80) -> str:
    """Name of a scan without its folders."""
    return _shortened(short_name(file, record, longest), longest)


def _apart(names: Sequence[str]) -> list[str]:
    """Names of words that differ, where all have as many; they stay as they are if these do not tell them apart."""
    words = [_WORD.findall(name) for name in names]
    if len(set(map(len, words))) > 1:
        return list(names)
    differ = [len(set(some)) > 1 for some in zip(*words, strict=True)]
    left = ["".join(compress(name, differ)).strip("_-. ") for name in words]
    return left if all(left) and len(set(left)) == len(set(names)) else list(names)


def _shortened(text: str, longest: int = 80) -> str:
    """A name in characters that the font has."""
    text = "".join(char if char.isprintable() else "?" for char in text).encode("latin-1", "replace").decode("latin-1")
    return shortened(text, longest)


def _draw_stack(axes: Axes, names: Sequence[tuple[str, str]], r: Array, density: Array, pair: str) -> None:
    """RDFs above one another, coloured in order, with a scale bar."""
    top = float(np.nanmax(density))
    step = 0.35 * top
    colours = ScalarMappable(Normalize(0, 1.25 * max(len(density) - 1, 1)), "viridis").to_rgba(np.arange(len(density)))
    labels = [_label(*name, longest=1000) for name in names]
    if any(len(label) > _LABEL for label in labels):
        labels = _apart(labels)
    for number, row in enumerate(density):
        base = number * step
        axes.fill_between(r, base, base + row, color="white", alpha=0.7, linewidth=0, zorder=2 - number / 100)
        axes.plot(r, base + row, color=colours[number], linewidth=1.1, zorder=2 - number / 100)
        axes.annotate(
            _shortened(labels[number], _LABEL), (1.01, base), xycoords=("axes fraction", "data"), size=8,
            color=colours[number], va="center", parse_math=False,
        )  # fmt: skip
    axes.set_ylim(-0.05 * step, (len(density) - 1) * step + 1.05 * top)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _draw_scale_bar(axes, r, pair, top)


def _draw_scale_bar(axes: Axes, r: Array, pair: str, top: float) -> None:
    """Say how high a peak is."""
    length = float(f"{top / 2:.1g}")
    x, y = rdf_limits(r)[0] + 0.08, axes.get_ylim()[1] - length
    axes.plot([x, x], [y, y + length], color=INK, linewidth=1.2, solid_capstyle="butt")
    axes.annotate(
        f"n(r) of {pair}: {length:g} Å⁻¹", (x, y + length / 2), xytext=(5, 0),
        textcoords="offset points", size=8.5, color=INK, va="center",
    )  # fmt: skip


def _colour_bar(axes: Axes, image: ScalarMappable, label: str, place: tuple[float, float, float, float]) -> None:
    """Say what the colours of an image mean, at a place in units of its axes: left, bottom, width, height."""
    bar = axes.inset_axes(place)
    colours = axes.figure.colorbar(image, cax=bar)
    colours.set_label(label, size=9.5, color=INK)
    colours.outline.set_visible(False)
    bar.tick_params(labelsize=8.5, colors=INK, width=0.7, length=3.5, color=GREY)
