"""Records → one panel each: axes of matplotlib in, the same axes out. Figures are made of these.

``spectrum.plot()``, ``chi.plot()`` and the like are doors to ``plot_…``, which make axes where none are given.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec

from exafsnn.partials import APART, of_metal
from exafsnn.records import Array, ChiK, PartialRDF, Prediction, Spectrum
from exafsnn.shells import is_shell
from exafsnn.words import bracketed, power

if TYPE_CHECKING:
    from exafsnn.analyse.shell_fits import ShellFit
    from exafsnn.measure.transforms import ChiQ, ChiR, Wavelet

INK, GREY, PALE = "#1a1a1a", "#7a7a7a", "#eceff1"
BLUE, ORANGE, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#aa4499"  # told apart by colour-blind readers
PAIR_COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
_WIDEST, _ROW = 1.2, 0.215
"""Width [Å] and height, in heights of the panel, of what is written above a shell."""
_R_MAX = 6.5
"""Largest R shown [Å]."""


def plot_spectrum(spectrum: Spectrum, axes: Axes | None = None) -> Axes:
    """μ(E) of a scan, into axes or new ones."""
    axes = axes or _new_axes()
    draw_mu(axes, spectrum)
    return axes


def plot_chi(chi: ChiK, axes: Axes | None = None, space: str = "k") -> Axes:
    """k²χ(k), or |χ(R)|, into axes or new ones.

    Raises
    ------
    ValueError
        If ``space`` is neither ``"k"`` nor ``"R"``.
    """
    if space not in ("k", "R"):
        raise ValueError(f"space {space!r} is none of χ(k): give 'k' or 'R'")
    axes = axes or _new_axes()
    (draw_chi_k if space == "k" else draw_chi_r)(axes, chi, None)
    return axes


def plot_chi_r(transformed: ChiR, axes: Axes | None = None) -> Axes:
    """Magnitude and real part of χ(R), into axes or new ones."""
    axes = axes or _new_axes()
    shown = transformed.r <= _R_MAX
    r, values = transformed.r[shown], transformed.values[shown]
    axes.plot(r, np.abs(values), color=INK, linewidth=1.2, label="magnitude")
    axes.plot(r, values.real, color=BLUE, linewidth=0.8, label="real part")
    corrected = "" if transformed.phase_corrected else ", not phase-corrected"
    unit = power("Å", -1 - transformed.kweight)
    axes.set(xlabel=f"R (Å){corrected}", ylabel=f"χ(R) ({unit})", xlim=(0, _R_MAX))
    legend(axes)
    return axes


def plot_chi_q(back: ChiQ, axes: Axes | None = None) -> Axes:
    """Real part and magnitude of χ(q), into axes or new ones."""
    axes = axes or _new_axes()
    unit = f" ({power('Å', -back.kweight)})" if back.kweight else ""
    axes.axhline(0, color=GREY, linewidth=0.5)
    axes.plot(back.q, np.abs(back.values), color=INK, linewidth=1.2, label="magnitude")
    axes.plot(back.q, back.values.real, color=BLUE, linewidth=0.8, label="real part")
    axes.set(xlabel="q (Å⁻¹)", ylabel=f"{power('k', back.kweight)}χ(q){unit}", xlim=(0, back.q[-1]))
    legend(axes)
    return axes


def plot_wavelet(found: Wavelet, axes: Axes | None = None) -> Axes:
    """Magnitude of a wavelet map, into axes or new ones."""
    axes = axes or _new_axes()
    axes.pcolormesh(found.k, found.r, found.magnitude, cmap="Blues", rasterized=True)
    axes.set(xlabel="k (Å⁻¹)", ylabel="R (Å), not phase-corrected", ylim=(0.5, found.r[-1]))
    axes.set_xlim(min(2.0, found.k[-1] / 2), found.k[-1])
    return axes


def plot_rdf(rdf: PartialRDF, axes: Axes | None = None) -> Axes:
    """n(r) of all pairs with its 1σ and 95 % bands, into axes or new ones."""
    axes = axes or _new_axes()
    draw_density(axes, rdf)
    return axes


def plot_prediction(prediction: Prediction, axes: Axes | None = None, space: str = "r") -> Axes:
    """An answer, into axes or new ones: n(r) with its shells, or what was measured and what that implies.

    Raises
    ------
    ValueError
        If ``space`` is not ``"r"``, ``"k"`` or ``"R"``.
    """
    if space not in ("k", "R", "r"):
        raise ValueError(f"space {space!r} is none: give 'r' (n(r)), 'k' or 'R'")
    axes = axes or _new_axes()
    if space == "r":
        draw_rdf(axes, prediction)
    else:
        (draw_chi_k if space == "k" else draw_chi_r)(axes, prediction.chi, prediction)
    return axes


def _new_axes() -> Axes:
    """Axes of a new figure, which a notebook shows by itself."""
    from matplotlib import pyplot

    _, axes = pyplot.subplots(figsize=(5.2, 3.5), layout="constrained")
    return _quiet(axes)


def quiet_axes(figure: Figure, place: SubplotSpec) -> Axes:
    """Make axes with two thin spines and quiet ticks."""
    return _quiet(figure.add_subplot(place))


def _quiet(axes: Axes) -> Axes:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.spines[["left", "bottom"]].set_linewidth(0.7)
    axes.tick_params(colors=INK, labelsize=8.5, width=0.7, length=3.5, color=GREY)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_fontsize(9.5)
        axis.label.set_color(INK)
    return axes


def draw_mu(axes: Axes, spectrum: Spectrum, chi: ChiK | None = None) -> None:
    """μ(E) and, with χ(k), its background and E₀."""
    axes.plot(spectrum.energy, spectrum.mu, color=INK, linewidth=1.0, label="μ(E)")
    if chi and chi.background is not None:
        behind = spectrum.energy >= chi.e0  # right there the spline may dive far below
        background = np.where(chi.background >= spectrum.mu.min(), chi.background, np.nan)
        axes.plot(spectrum.energy[behind], background[behind], color=ORANGE, linewidth=1.0, label="background")
    low, high = spectrum.mu.min(), spectrum.mu.max()
    margin = 0.05 * (high - low)
    axes.set(xlabel="Energy (eV)", xlim=rounded(spectrum.energy[0], spectrum.energy[-1]))
    axes.set(ylabel="μ(E)", ylim=rounded(low - margin, high + margin))
    if chi:
        axes.axvline(chi.e0, color=GREY, linewidth=0.7, linestyle=(0, (1, 2)), zorder=0)
        axes.annotate(
            f"E₀ = {chi.e0:.1f} eV", (chi.e0, 0.02), xycoords=("data", "axes fraction"), xytext=(5, 0),
            textcoords="offset points", size=8.5, color=GREY,
        )  # fmt: skip
    legend(axes)


def draw_chi_k(axes: Axes, chi: ChiK, prediction: Prediction | None) -> None:
    """k²χ(k), measured and implied, with the window that was used."""
    window = _window(chi, prediction)
    top = chi.k[-1] if prediction is None else min(chi.k[-1], np.ceil(window[1] + 1.5))
    shown = (chi.k >= 1.0) & (chi.k <= top)
    k = chi.k[shown]
    axes.axhline(0, color=GREY, linewidth=0.5)
    axes.axvspan(*window, color=PALE, linewidth=0, zorder=0, label="k range used")
    axes.plot(k, k**2 * chi.chi[shown], color=INK, linewidth=1.0, label="measured")
    if prediction:
        implied = np.where(tells(prediction.chi_model), chi.k**2 * prediction.chi_model, np.nan)
        axes.plot(k, implied[shown], color=ORANGE, linewidth=1.0, label="implied by the RDF")
        axes.annotate(
            f"{prediction.verdict}, R-factor {prediction.misfit:.3f}", (window[1], 0.03),
            xycoords=("data", "axes fraction"), size=8.5, color=INK, xytext=(-5, 0), textcoords="offset points",
            ha="right",
        )  # fmt: skip
    axes.set(xlabel="k (Å⁻¹)", ylabel="k²χ(k) (Å⁻²)", xlim=(k[0], k[-1]))
    used = (chi.k >= window[0]) & (chi.k <= window[1])
    reach = 1.2 * np.abs(chi.k**2 * chi.chi)[used].max()
    axes.set_ylim(*rounded(-reach, reach))
    legend(axes)


def tells(chi_model: Array) -> np.ndarray:
    """(m,) where a model says something of χ(k): beyond that χ is 0, and where E₀ moved its range, it stands still.

    There it is not small but unknown.
    """
    moves = np.flatnonzero(np.diff(chi_model, prepend=0.0, append=0.0))  # from one value to the next, and to the ends
    told = np.zeros(len(chi_model), dtype=bool)
    if len(moves):
        first, last = moves[0], moves[-1] - 1
        while first < last and chi_model[first + 1] == chi_model[first]:
            first += 1
        while last > first and chi_model[last - 1] == chi_model[last]:
            last -= 1
        told[first : last + 1] = True
    return told & np.isfinite(chi_model)


def draw_chi_r(axes: Axes, chi: ChiK, prediction: Prediction | None) -> None:
    """|χ(R)|, measured and implied."""
    r = np.arange(0, _R_MAX, 0.02)
    window = _window(chi, prediction)
    measured = magnitude_of_chi_r(chi.k, chi.chi, window, r)
    highest = measured.max()
    axes.plot(r, measured, color=INK, linewidth=1.0, label="measured")
    if prediction:
        implied = magnitude_of_chi_r(chi.k, prediction.chi_model, window, r)
        highest = max(highest, implied.max())
        axes.plot(r, implied, color=ORANGE, linewidth=1.0, label="implied by the RDF")
    axes.set(xlabel="R (Å), not phase-corrected", ylabel="|χ(R)| (Å⁻³)", xlim=(0, _R_MAX))
    axes.set_ylim(*rounded(0.0, 1.03 * highest or 1.0))
    legend(axes)


def draw_compared_r(axes: Axes, prediction: Prediction, fit: ShellFit, part: str) -> None:
    """χ(R) measured, implied by an answer and by larch's fit of its shells: its ``"magnitude"`` or ``"real"`` part."""
    chi, r = prediction.chi, np.arange(0, fit.r_window[1] + 1.5, 0.02)
    of = np.abs if part == "magnitude" else np.real
    axes.axvspan(*fit.r_window, color=PALE, linewidth=0, zorder=0, label="fit")
    shown = ((chi.chi, INK, "measured"), (prediction.chi_model, ORANGE, "exafsnn"), (fit.chi_model, BLUE, "feffit"))
    for values, colour, name in shown:
        axes.plot(r, of(chi_r(chi.k, values, fit.k_window, r)), color=colour, linewidth=1.0, label=name)
    label = "|χ(R)| (Å⁻³)" if part == "magnitude" else "Re χ(R) (Å⁻³)"
    axes.set(xlabel="R (Å), not phase-corrected", ylabel=label, xlim=(0, r[-1]))
    if part == "magnitude":
        axes.set_ylim(0, None)
        said = f"R-factor there:\nexafsnn {fit.r_factor_of_answer:.4f}\nfeffit {fit.r_factor:.4f}"
        axes.annotate(said, (0.02, 0.97), xycoords="axes fraction", size=8, color=INK, va="top", linespacing=1.4)
    legend(axes)


def magnitude_of_chi_r(k: Array, chi: Array, k_window: tuple[float, float], r: Array) -> Array:
    """|χ(R)| [Å⁻³] of k²χ(k), not phase-corrected: that of ``chi_r``."""
    return np.asarray(np.abs(chi_r(k, chi, k_window, r)))


def chi_r(k: Array, chi: Array, k_window: tuple[float, float], r: Array) -> np.ndarray:
    """(b,) complex χ(R) [Å⁻³] of k²χ(k), not phase-corrected.

    χ(R) = (δk/√π) Σ k² χ(k) W(k) exp(2ikR), with a Hann-sloped window W, 1 Å⁻¹ wide at each end.

    Parameters
    ----------
    k, chi
        (m,) uniform grid [Å⁻¹] and χ(k).
    k_window
        Middle of the two slopes [Å⁻¹].
    r
        (b,) distances [Å].
    """
    low, high = k_window
    rise = np.clip(np.minimum(k - low, high - k) + 0.5, 0, 1)
    weighted = k**2 * chi * np.sin(0.5 * np.pi * rise) ** 2
    transform: np.ndarray = _waves(r.tobytes(), k.tobytes()) @ weighted
    return transform * (k[1] - k[0]) / np.sqrt(np.pi)


@lru_cache(maxsize=4)
def _waves(r: bytes, k: bytes) -> np.ndarray:
    """(b, m) exp(2ikR) of float64 arrays given as bytes: the same for most scans of a run."""
    return np.exp(2j * np.outer(np.frombuffer(r), np.frombuffer(k)))


def draw_rdf(axes: Axes, prediction: Prediction) -> None:
    """RDF with its 1σ and 95 % bands, and the shells."""
    draw_density(axes, rdf := prediction.rdf)
    rows = _draw_shells(axes, prediction)
    axes.set_ylim(*rounded(0.0, (1 + 0.4 * rows) * (rdf.density + rdf.spread).max() or 1.0))


def draw_density(axes: Axes, rdf: PartialRDF) -> None:
    """RDF with its 1σ and 95 % bands."""
    for number, (pair, density) in enumerate(zip(rdf.pairs, rdf.density, strict=True)):
        colour = PAIR_COLOURS[number % len(PAIR_COLOURS)]
        inner = np.clip(density - rdf.spread[number], 0, None), density + rdf.spread[number]
        axes.plot(rdf.r, density, color=colour, linewidth=1.2, label=pair)
        axes.fill_between(rdf.r, *inner, color=colour, alpha=0.35, linewidth=0, label=None if number else "± 1σ")
        outer = _band_95(rdf, number)
        axes.fill_between(rdf.r, *outer, color=colour, alpha=0.18, linewidth=0, label=None if number else "95 %")
    axes.set(xlabel="r (Å)", ylabel="n(r) (Å⁻¹)", xlim=rdf_limits(rdf.r))
    axes.set_ylim(*rounded(0.0, 1.1 * (rdf.density + rdf.spread).max() or 1.0))
    legend(axes)


def _draw_shells(axes: Axes, prediction: Prediction) -> int:
    """Shade the ranges of shells and write their integrals above, the error of the last digits in brackets.

    Of one pair alone they are the shells that n(r) shows, if it shows any, and what was asked for; of several those
    that every answer has. Those that would lie on each other are in rows, whose number is returned.
    """
    pairs, shells = prediction.rdf.pairs, prediction.ranges
    if len(pairs) == 1 and prediction.in_domain:
        shown = {name: shell for name, shell in prediction.shells.items() if is_shell(name) or name[0].isdigit()}
        shells = shown or shells
    written: list[tuple[float, int]] = []
    for name, shell in shells.items():
        if name == "first" and name != of_metal(shells):
            continue  # the metal's shell and its oxide's are told apart
        axes.axvspan(shell.r_min, shell.r_max, color=PALE, linewidth=0, zorder=0)
        axes.axvline(shell.r_max, color="white", linewidth=1.5, zorder=0.5)
        middle = max((shell.r_min + shell.r_max) / 2, rdf_limits(prediction.rdf.r)[0] + _WIDEST / 2)
        taken = {row for other, row in written if abs(other - middle) < _WIDEST}
        row = next(row for row in range(len(written) + 1) if row not in taken)
        written.append((middle, row))
        named = f"{name if name.startswith(APART) else shell.pair}  " if len(pairs) > 1 else ""
        text = (
            f"{named}N {bracketed(shell.coordination, shell.coordination_std)}\n"
            f"R {bracketed(shell.distance, shell.distance_std)} Å\n"
            f"σ² {bracketed(shell.sigma2, shell.sigma2_std)} Å²"
        )
        if not prediction.in_domain:
            text = "no numbers:\nforeign"
        axes.annotate(
            text, (middle, 0.975 - _ROW * row), xycoords=("data", "axes fraction"), size=8, ha="center", va="top",
            color=PAIR_COLOURS[pairs.index(shell.pair) % len(PAIR_COLOURS)] if len(pairs) > 1 else INK,
            linespacing=1.4,
        )  # fmt: skip
    return max((row for _, row in written), default=0) + 1


def _band_95(rdf: PartialRDF, number: int) -> tuple[Array, Array]:
    """Central 95 % of the samples, or ± 1.96 standard deviations."""
    if rdf.samples is not None:
        low, high = np.percentile(rdf.samples[:, number].astype(np.float32), [2.5, 97.5], axis=0)
        return low, high
    density, spread = rdf.density[number], 1.96 * rdf.spread[number]
    return np.clip(density - spread, 0, None), density + spread


def _window(chi: ChiK, prediction: Prediction | None) -> tuple[float, float]:
    """Range of k to transform: that of the prediction, or all that is usable."""
    return prediction.k_window if prediction else (min(3.0, chi.k_end / 2), chi.k_end)


def rdf_limits(r: Array) -> tuple[float, float]:
    """Part of r worth showing [Å]."""
    return max(float(r[0]), 1.5), float(r[-1])


def rounded(low: float, high: float) -> tuple[float, float]:
    """Round limits outwards, to a twelfth of their range at most: so most scans of a run have the same."""
    if not high > low:
        return low - 0.5, high + 0.5
    decade = 10.0 ** np.floor(np.log10((high - low) / 12))
    step = decade * max(factor for factor in (1, 2, 2.5, 5) if 12 * factor * decade <= high - low or factor == 1)
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step)


def legend(axes: Axes) -> None:
    """One quiet line above the panel, where it hides nothing; a panel that is used again has it."""
    if axes.get_legend():
        return
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=6, frameon=False, fontsize=8.5, handlelength=1.4,
        handletextpad=0.5, columnspacing=1.3, labelcolor=INK, borderaxespad=0.2,
    )  # fmt: skip
