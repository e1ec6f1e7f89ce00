"""Scans at a glance: a picture and its numbers, or why there are none; the trend of a series so far."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from exafsnn.records import ChiK, Prediction
from exafsnn.run.outcomes import Outcome
from exafsnn.write.glances import glance, trend


def of(prediction: Prediction, **changes: object) -> Outcome:
    """What became of a scan that has an answer."""
    outcome = Outcome("run/iron.dat", "", prediction.chi, prediction, prediction.model)
    return replace(outcome, **changes)  # type: ignore[arg-type]


def test_an_answer_is_a_picture_with_its_band_and_numbers(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    found = glance(of(prediction, axis=300.0))
    tree = ElementTree.fromstring(found["html"])  # noqa: S314 (ours)
    assert len(list(tree.iter("polygon"))) == len(list(tree.iter("polyline"))) == 1
    first = prediction.shells["first"]
    for told in first.numbers.split(", ")[:2]:
        assert f"<span>{told}</span>" in found["html"]
    assert found["axis"] == 300.0
    assert found["numbers"] == (first.coordination, first.coordination_std, first.distance, first.distance_std)
    json.dumps(found, allow_nan=False)


def test_what_has_no_numbers_tells_none(
    make_prediction: Callable[..., Prediction], make_chi: Callable[..., ChiK]
) -> None:
    foreign = glance(of(make_prediction(in_domain=False)))
    measured = glance(Outcome("iron.dat", "", make_chi()))
    rejected = glance(Outcome("iron.dat", reason="the sign is inverted"))
    assert [found["numbers"] for found in (foreign, measured, rejected)] == [None] * 3
    assert "no number of it is to be believed" in foreign["html"]
    assert "k²χ(k)" in measured["html"]
    assert "<svg" not in rejected["html"]
    assert "the sign is inverted" in rejected["html"]


def test_a_range_without_atoms_has_no_place_in_a_trend(make_prediction: Callable[..., Prediction]) -> None:
    prediction = make_prediction()
    empty = replace(prediction.shells["first"], coordination=0.0, distance=math.nan)
    found = glance(of(replace(prediction, shells={"first": empty}), axis=1.0))
    assert found["numbers"] is None
    json.dumps(found, allow_nan=False)


def test_names_and_reasons_are_text() -> None:
    html = glance(Outcome("<script>.dat", "<b>", reason="no <i>edge\x1b[2J"))["html"]
    assert "&lt;script&gt;" in html
    assert "&lt;i&gt;edge" in html
    assert not {"<script", "<b>", "<i>", "\x1b"} & {part for part in ("<script", "<b>", "<i>", "\x1b") if part in html}


def told(axis: float | None, n: float = 12.0, r: float = 2.6) -> dict[str, object]:
    return {"axis": axis, "numbers": (n, 0.3, r, 0.01)}


def test_a_trend_is_of_the_scans_that_have_a_place() -> None:
    foreign = {"axis": 500.0, "numbers": None}
    html = trend([told(300.0, 14.0), told(400.0), foreign, told(None), told(600.0)], "temperature")
    n, r = (ElementTree.fromstring(f"<svg{part}") for part in html.split("<svg")[1:])  # noqa: S314 (ours)
    for plot in (n, r):
        points = next(node.attrib["d"] for node in plot.iter("path") if node.attrib.get("stroke-linecap"))
        assert points.count("M") == 3
        assert "temperature (K)" in [node.text for node in plot.iter("text")]
    places = np.array([part.split() for part in _points(n).replace("h0", "").split("M")[1:]], dtype=float)
    assert np.diff(places[:, 0]) == pytest.approx([np.ptp(places[:, 0]) / 3, 2 * np.ptp(places[:, 0]) / 3], abs=0.11)
    assert places[0, 1] < places[1, 1]  # upwards is less


def _points(plot: ElementTree.Element) -> str:
    return next(node.attrib["d"] for node in plot.iter("path") if node.attrib.get("stroke-linecap"))


@pytest.mark.parametrize("so_far", [[], [told(300.0)], [told(300.0), told(300.0)], [told(None), told(None)]])
def test_without_a_line_to_be_seen_there_is_none(so_far: list[dict[str, object]]) -> None:
    assert trend(so_far, "temperature") == ""


def test_the_name_of_an_axis_is_text() -> None:
    assert "&lt;b&gt;" in trend([told(1.0), told(2.0)], "<b>")
