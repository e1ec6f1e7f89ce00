"""Cards of records for notebooks: whole, small, harmless, and true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from exafsnn.errors import Finding
from exafsnn.records import ChiK, Prediction
from exafsnn.write.cards import card


def of_each(prediction: Prediction) -> list[str]:
    """The cards of all records behind an answer."""
    chi = prediction.chi
    assert chi.spectrum
    return [record._repr_html_() for record in (chi.spectrum, chi, prediction.rdf, prediction)]


def curves(html: str) -> list[np.ndarray]:
    """(n, 2) points of each line in the picture."""
    lines = [node.attrib["points"] for node in ElementTree.fromstring(html).iter("polyline")]  # noqa: S314 (ours)
    return [np.array([point.split(",") for point in line.split()], dtype=float) for line in lines]


def test_each_card_is_well_formed_and_small(make_prediction: Callable[..., Prediction]) -> None:
    for html in of_each(make_prediction()):
        ElementTree.fromstring(html)  # noqa: S314 (ours)
        assert len(html) < 20_000
        assert "<script" not in html
        assert "http" not in html


def test_the_picture_is_of_the_data(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    (points,) = curves(card(prediction))
    peak = prediction.rdf.r[prediction.rdf.density[0].argmax()]
    share = (peak - prediction.rdf.r[0]) / np.ptp(prediction.rdf.r)
    assert points[points[:, 1].argmin(), 0] == pytest.approx(4 + 292 * share, abs=0.1)
    (points,) = curves(card(prediction.chi))
    assert np.all((points >= 4) & (points <= [296, 108]))


def test_it_says_what_the_answer_is(make_prediction: Callable[..., Prediction]) -> None:
    doubtful = Finding("misfit", "warning", "the RDF leaves 30 % of k²χ unexplained", remedy="Look at the glitch")
    sound, warned, foreign = (
        make_prediction(**changes) for changes in ({}, {"findings": (doubtful,)}, {"in_domain": False})
    )
    assert ">ok<" in card(sound)
    assert sound.shells["first"].numbers.split(",")[0].removeprefix("N ") in card(sound)
    assert ">warned<" in card(warned)
    assert "Look at the glitch" in card(warned)
    assert ">foreign<" in card(foreign)
    assert "<table" not in card(foreign)
    assert "S₀²" not in card(foreign)


@pytest.mark.parametrize("end", [np.nan, 0.5, 1.0, 16.0])
def test_any_end_of_what_is_usable_is_drawn(make_chi: Callable[..., ChiK], end: float) -> None:
    """Also of a χ(k) file that nobody has judged yet."""
    chi = replace(make_chi(), k_max_usable=end)
    (points,) = curves(card(chi))
    assert np.isfinite(points).all()
    for space in ("k", "R"):
        axes = chi.plot(Figure().add_subplot(), space=space)
        assert np.isfinite(axes.get_ylim()).all()


def test_without_axes_there_is_a_figure(make_prediction: Callable[..., Prediction]) -> None:
    axes = make_prediction().plot()
    assert axes.figure.number in pyplot.get_fignums()
    pyplot.close(axes.figure)


def test_names_of_other_people_are_text(make_chi: Callable[..., ChiK]) -> None:
    html = card(make_chi("<img src=x>.dat"))
    assert "<img" not in html
    assert "&lt;img src=x&gt;" in html


def test_records_draw_into_given_axes(make_prediction: Callable[..., Prediction]) -> None:
    """Axes in, axes out."""
    prediction = make_prediction()
    chi = prediction.chi
    assert chi.spectrum
    for plot, label in (
        (chi.spectrum.plot, "Energy (eV)"), (chi.plot, "k (Å⁻¹)"), (prediction.plot, "r (Å)"),
        (prediction.rdf.plot, "r (Å)"),
    ):  # fmt: skip
        axes = Figure().add_subplot()
        assert plot(axes) is axes
        assert axes.get_xlabel() == label
        assert axes.lines
    for record, space in ((chi, "R"), (prediction, "k"), (prediction, "R")):
        axes = record.plot(Figure().add_subplot(), space=space)
        assert axes.get_xlabel().startswith(f"{space} (")
        implied = [line for line in axes.lines if line.get_label() == "implied by the RDF"]
        assert len(implied) == (record is prediction)
    for record in (chi, prediction):
        with pytest.raises(ValueError, match="space 'q' is none"):
            record.plot(space="q")
