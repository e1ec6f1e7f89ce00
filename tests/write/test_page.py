"""The report of a series: what it says, that names cannot run, and that it is one page."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from exafsnn.analyse.columns import Point
from exafsnn.analyse.series import analyse
from exafsnn.analyse.thermal import thermal_of
from exafsnn.records import Lattice
from exafsnn.run.outcomes import Outcome
from exafsnn.run.series import Course
from exafsnn.write.page import MOST_ROWS, answers, firsts, report

LATTICE = Lattice("bcc", {"bcc": (0.8, 0.05), "fcc": (0.2, 0.05), "hcp": (0.0, 0.01)}, (2.8665, 0.002), (11.78, 0.02),
                  (7.87, 0.02), 0.01)  # fmt: skip


@pytest.fixture
def course(make_prediction):
    """Eight scans at which nothing happens, one of them with a name that would like to run."""
    prediction = make_prediction("fe.300")
    outcomes = tuple(
        Outcome(f"<b>{number}.dat", chi=prediction.chi, prediction=prediction, model="fe-k", axis=300.0 + 10 * number)
        for number in range(8)
    )
    points = [Point(outcome.axis, prediction.shells, LATTICE) for outcome in outcomes]
    rejected = Outcome("bad.dat", reason="no edge <script>alert(1)</script>")
    return Course((*outcomes, rejected), (*[LATTICE] * 8, None), analyse(points), "temperature")


def test_it_says_what_was_found_and_what_was_not(course):
    page = report(course, {"A figure\nwith words": b"png"})
    assert "Fe K — 8 scans against temperature" in page
    assert "300 to 370 K" in page
    assert "1 rejected" in page
    assert "bcc 80%" in page
    assert "7.870 ± 0.020" in page
    assert "with words" in page
    assert len(answers(course)) == 1
    assert "No transition was found" in answers(course)[0]


def test_names_and_reasons_are_text(course):
    page = report(course, {})
    assert "&lt;b&gt;0.dat" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert not re.search(r"<script|<b>|javascript:|src=\"http|href=", page)


def of_two_pairs(course, make_prediction, **shell):
    """The course as if a second pair had the same shell, but for what is told."""
    one = make_prediction("fe.300").shells["first"]
    other = replace(one, pair="Fe-Li", **shell)
    outcomes = tuple(
        replace(item, prediction=replace(item.prediction, shells={"first": one, "first Fe-Li": other}))
        for item in course.outcomes[:8]
    )
    points = [Point(item.axis, item.prediction.shells, LATTICE) for item in outcomes]
    return Course(outcomes, (LATTICE,) * 8, analyse(points), "temperature")


def test_what_has_no_distance_has_rows_of_its_pair_and_no_figure(course, make_prediction):
    unseen = dict.fromkeys(("distance", "distance_std", "sigma2", "sigma2_std"), float("nan"))
    of_two = of_two_pairs(course, make_prediction, **unseen)
    assert firsts(of_two.series) == ["first"]
    page = report(of_two, {})
    assert page.count("Fe-Li, ") == page.count("Fe-Fe, ") == 8
    assert "nan" not in page


def test_a_series_in_which_nobody_has_the_first_pair_is_told_by_the_others(course, make_prediction):
    of_two = of_two_pairs(course, make_prediction)
    outcomes = tuple(
        replace(
            item, prediction=replace(item.prediction, shells={"first Fe-Li": item.prediction.shells["first Fe-Li"]})
        )
        for item in of_two.outcomes
    )
    series = analyse([Point(item.axis, item.prediction.shells, LATTICE) for item in outcomes])
    assert firsts(series) == ["first Fe-Li"]
    assert thermal_of(series, 28.0) == ()


def test_of_nothing_there_is_a_page_too(course):
    nothing = Course((course.outcomes[-1],), (None,), None, "temperature")
    assert "No scan could be used." in report(nothing, {})


def test_a_long_series_has_a_short_table(course, make_prediction):
    prediction = make_prediction("fe.300")
    many = tuple(replace(course.outcomes[0], file=f"{n}.dat", axis=float(n)) for n in range(MOST_ROWS + 5))
    points = [Point(outcome.axis, prediction.shells, LATTICE) for outcome in many]
    page = report(Course(many, (LATTICE,) * len(many), analyse(points[:5]), "order"), {})
    assert page.count("<tr>") < MOST_ROWS + 20
    assert "5 more scans are in summary.csv" in page
