"""Figures: what they show, and that the transform is the textbook's."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from exafsnn.records import ChiK, Prediction
from exafsnn.write import figures as plotting
from exafsnn.write import panels

Scan = tuple[ChiK, Prediction | None]


def pixels(content: bytes) -> np.ndarray:
    """(h, w, 3) of a PNG file, from 0 to 1."""
    return np.asarray(imread(io.BytesIO(content)), dtype=float)


def texts(figure: Figure) -> str:
    """Everything that is written in a figure."""
    figure.canvas.draw()
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts] + [axes.get_xlabel(), axes.get_ylabel()]
    return "\n".join(found)


def test_transform_of_a_wave_has_its_distance_and_height() -> None:
    """K²χ = A sin(2kR₀) gives |χ(R₀)| = A/(2√π) ∫W dk."""
    k, r = np.arange(0, 16, 0.05), np.arange(0, 6, 0.01)
    chi = 0.7 * np.sin(2 * k * 2.5) / np.maximum(k, 0.05) ** 2
    magnitude = panels.magnitude_of_chi_r(k, chi, (3.0, 13.0), r)
    assert r[magnitude.argmax()] == pytest.approx(2.5, abs=0.01)
    assert magnitude.max() == pytest.approx(0.7 * 10.0 / (2 * np.sqrt(np.pi)), rel=0.01)


def test_scan_figure_has_four_panels_and_the_numbers(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction("data/fe.300")
    figure = plotting.scan_figure(prediction.chi, prediction)
    written = texts(figure)
    assert len(figure.axes) == 4
    for expected in ("fe.300", "Fe K", "300 K", "R-factor 0.021", "N 13.96(31)", "R 2.6512(48) Å", "σ² 0.0412(31) Å²"):
        assert expected in written
    for expected in ("Energy (eV)", "not phase-corrected", "n(r) (Å⁻¹)"):
        assert expected in written
    assert "data/" not in written


@pytest.fixture
def scans(make_prediction: Callable[..., Prediction], make_chi: Callable[..., ChiK]) -> dict[str, Scan]:
    """Scans whose figures differ in limits, texts and panels."""
    one = make_prediction("one.dat")
    chi, spectrum = one.chi, one.chi.spectrum
    assert spectrum is not None
    assert chi.background is not None
    shorter = replace(spectrum, energy=spectrum.energy[1:], mu=3.3 * spectrum.mu[1:])
    changed = {
        "half": replace(chi, chi=0.3 * chi.chi, source="half.dat"),
        "shorter": replace(chi, spectrum=shorter, background=3.3 * chi.background[1:], temperature=None),
        "long name": replace(chi, source=20 * "long name " + ".dat", record="1.1"),
        "no absorption": replace(chi, spectrum=None, background=None, e0=np.nan),
    }
    predicted = {name: replace(one, chi=each) for name, each in changed.items()}
    predicted["foreign"] = make_prediction("two.dat", in_domain=False, misfit=1.5, shells={}, k_window=(3.0, 9.5))
    predicted["one"] = one
    pairs = {name: (each.chi, each) for name, each in predicted.items()}
    return pairs | {f"{name}, not predicted": (each.chi, None) for name, each in predicted.items()}


def test_a_picture_is_the_same_alone_and_after_others(scans: dict[str, Scan], monkeypatch: pytest.MonkeyPatch) -> None:
    """Pixel by pixel, in two orders."""
    alone = {}
    for name, scan in scans.items():
        monkeypatch.setattr(plotting, "_FIGURES", {})
        alone[name] = plotting.scan_png(*scan)
    assert len(set(alone.values())) == len(scans)
    for name in (*scans, *reversed(scans)):
        assert plotting.scan_png(*scans[name]) == alone[name], name


def test_a_kept_figure_shows_what_a_new_one_shows(scans: dict[str, Scan]) -> None:
    """But for the pixel of a corner where the ticks of two axes may meet."""
    for name, scan in scans.items():
        kept, new = (
            pixels(content) for content in (plotting.scan_png(*scan), plotting.png(plotting.scan_figure(*scan)))
        )
        different = np.abs(kept - new).max(axis=2)
        assert np.count_nonzero(different) <= 4, name
        assert different.max() < 0.1, name


def test_a_scan_that_cannot_be_drawn_leaves_nothing_behind(scans: dict[str, Scan]) -> None:
    chi, prediction = scans["one"]
    assert prediction is not None
    before = plotting.scan_png(chi, prediction)
    unknown = replace(prediction.rdf, density=np.nan * prediction.rdf.density)
    with pytest.raises(ValueError, match="NaN"):
        plotting.scan_png(chi, replace(prediction, rdf=unknown))
    assert plotting.scan_png(chi, prediction) == before


def test_limits_are_rounded_outwards() -> None:
    assert panels.rounded(6902.3, 7923.1) == (6900.0, 7950.0)
    assert panels.rounded(-5.37, 5.37) == (-5.5, 5.5)
    assert panels.rounded(0.0, 0.0) == (-0.5, 0.5)
    for scale in 10.0 ** np.arange(-9, 9, 0.1):
        low, high = panels.rounded(-0.3 * scale, scale)
        assert low <= -0.3 * scale < scale <= high
        assert high - low <= 1.3 * scale * (1 + 2 / 12)


def test_figure_of_a_chi_file_has_no_absorption(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    chi = replace(prediction.chi, spectrum=None, background=None, e0=np.nan)
    assert len(plotting.scan_figure(chi, prediction).axes) == 3
    assert len(plotting.scan_figure(chi).axes) == 2
    assert "Energy" not in texts(plotting.scan_figure(chi))


def test_where_a_model_says_nothing_of_chi_no_line_is_drawn(make_prediction: Callable[..., Prediction]) -> None:
    """Below its range of k, and where E₀ moves that: there χ is not 0, nor what it is at the end, but unknown."""
    prediction = make_prediction()
    k = prediction.chi.k
    model = np.where(k < 2, 0.0, np.where(k > 13, 0.0, 0.1 * np.sin(5 * np.clip(k, 2.2, 12.8))))
    drawn = (k >= 2.2 - 1e-9) & (k <= 12.8 + 1e-9)
    np.testing.assert_array_equal(panels.tells(model), drawn)
    axes = Figure().add_subplot()
    panels.draw_chi_k(axes, prediction.chi, replace(prediction, chi_model=model))
    line = next(line for line in axes.lines if line.get_label() == "implied by the RDF")
    seen = np.isfinite(line.get_ydata())
    assert (line.get_xdata()[seen].min(), line.get_xdata()[seen].max()) == pytest.approx((2.2, 12.8))
    assert not panels.tells(np.zeros(5)).any()
    assert panels.tells(np.sin(k + 1)).all()


def test_foreign_spectrum_is_called_so(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction(in_domain=False)
    written = texts(plotting.scan_figure(prediction.chi, prediction))
    assert "outside what the model knows" in written
    assert "σ² 0" not in written


@pytest.mark.parametrize("name", ["$x_$ {^.dat", "中文\x1b[31m.dat", "a\\b/c" + 90 * "long" + ".dat", "\udcff"])
def test_names_of_files_are_only_text(name: str, make_chi: Callable[..., ChiK]) -> None:
    """No mathematics, no escape sequences, no glyph that the font lacks (that would warn)."""
    assert texts(plotting.scan_figure(make_chi(name)))


@pytest.mark.parametrize("number", [2, 14])
def test_overview_holds_every_scan(number: int, make_prediction: Callable[..., Prediction]) -> None:
    rdf, names = make_prediction().rdf, [(f"{i}.dat", "") for i in range(number)]
    written = texts(plotting.overview_figure(names, rdf.r, np.repeat(rdf.density, number, axis=0), "Fe-Fe"))
    assert all(f"{i}.dat" in written for i in range(number))
    assert "Fe-Fe" in written


def test_long_names_in_an_overview_are_what_sets_them_apart(make_prediction: Callable[..., Prediction]) -> None:
    rdf, names = make_prediction().rdf, [(f"day1/cell4_op{i}_position2_run_{i}_av240_00001.txt", "") for i in range(3)]
    written = texts(plotting.overview_figure(names, rdf.r, np.repeat(rdf.density, 3, axis=0), "Fe-Fe"))
    assert all(f"op{i}_{i}" in written.split("\n") for i in range(3))
    assert "cell4" not in written
    assert "txt" not in written


def test_overview_of_many_is_an_image(make_prediction: Callable[..., Prediction]) -> None:
    rdf = make_prediction().rdf
    figure = plotting.overview_image(rdf.r, np.repeat(rdf.density, 40, axis=0), "Fe-Fe", 3)
    (axes,) = figure.axes
    assert axes.get_ylim() == (1 - 1.5, 118 + 1.5)
    assert "Fe-Fe" in axes.child_axes[0].get_ylabel()


def two_pairs(prediction: Prediction, absorber: str, *others: str) -> Prediction:
    """The same RDF for each pair, and the ranges of all on top of each other."""
    rdf, pairs = prediction.rdf, tuple(f"{absorber}-{other}" for other in others)
    assert rdf.samples is not None
    alike = replace(
        rdf, pairs=pairs, density=np.repeat(rdf.density, 2, axis=0), spread=np.repeat(rdf.spread, 2, axis=0),
        samples=np.repeat(rdf.samples, 2, axis=1),
    )  # fmt: skip
    first = prediction.shells["first"]
    shells = {"first": replace(first, pair=pairs[0]), f"first {pairs[1]}": replace(first, pair=pairs[1])}
    return replace(prediction, rdf=alike, shells=shells, chi=replace(prediction.chi, absorber=absorber))


def written_on_each_other(figure: Figure) -> list[tuple[str, str]]:
    """Texts of a figure of which one covers another."""
    figure.canvas.draw()
    found = [text for axes in figure.axes for text in axes.texts] + figure.texts
    boxes = [(text.get_text(), text.get_window_extent()) for text in found]
    return [(a, b) for row, (a, one) in enumerate(boxes) for b, other in boxes[:row] if one.overlaps(other)]


def test_numbers_of_pairs_at_one_distance_are_below_each_other(make_prediction: Callable[..., Prediction]) -> None:
    prediction = two_pairs(make_prediction("ptsn.xdi"), "Pt", "Sn", "Pt")
    figure = plotting.scan_figure(prediction.chi, prediction)
    assert "Pt-Sn  N 13.96(31)" in texts(figure)
    assert "Pt-Pt  N 13.96(31)" in texts(figure)
    assert not written_on_each_other(figure)


def test_a_sample_is_shown_with_all_its_edges_and_pairs(make_prediction: Callable[..., Prediction]) -> None:
    edges = [two_pairs(make_prediction(), "Pt", "Sn", "Pt"), two_pairs(make_prediction(), "Sn", "Pt", "Sn")]
    figure = plotting.sample_figure("pt.xdi+sn.xdi", edges)
    written = texts(figure)
    for expected in (
        "pt.xdi+sn.xdi",
        "Pt K",
        "Sn K",
        *(f"{a}-{b}  1.9–3.3 Å" for a in ("Pt", "Sn") for b in ("Pt", "Sn")),
    ):
        assert expected in written
    assert len(figure.axes) == 5
    assert not written_on_each_other(figure)
    width, height = figure.canvas.get_width_height()
    for text in figure.texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width
        assert 0 <= box.y0 < box.y1 <= height
    foreign = plotting.sample_figure("pt.xdi+sn.xdi", [edges[0], replace(edges[1], in_domain=False)])
    assert "no numbers: foreign" in texts(foreign)
    assert "N 13.96" not in texts(foreign)
