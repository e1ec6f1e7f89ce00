"""A card says what was trained on and how the answers compare with the truth, as numbers that can be checked."""

from __future__ import annotations

import re

import numpy as np
import pytest

from exafsnn.infer.predict import load_model
from exafsnn.learn.intervals import KINDS_OF_ANSWERS
from exafsnn.learn.model_file import find_model
from exafsnn.simulate.plan import KINDS
from exafsnn.validate.calibration import Answer
from exafsnn.validate.card import card

ERRORS = {"coordination": 0.4, "distance": 0.01, "sigma2": 0.002, "density": 1.0}


def answers(make_chi, raw=1.0):
    """Answers of one trajectory each: Gaussian errors, and raw standard deviations ``raw`` times as large."""
    rng, chi = np.random.default_rng(0), make_chi("x")
    return [
        Answer(
            kind,
            {name: (size * rng.standard_normal(1), np.array([raw * size])) for name, size in ERRORS.items()},
            np.zeros((1, 8)), (0.1, 0.1, 0.0, 1.0), chi, trajectory, "bcc" if trajectory % 3 else "fcc",
        )
        for kind in KINDS_OF_ANSWERS for trajectory in range(150)
    ]  # fmt: skip


@pytest.fixture
def info():
    return load_model("fe-k").info


@pytest.mark.parametrize("raw", [1.0, 0.3])
def test_rms_errors_are_those_of_the_answers_and_intervals_cover(make_chi, info, raw):
    rows = [line.split("|")[1:-1] for line in card("x", info, answers(make_chi, raw)).splitlines() if line[:1] == "|"]
    table = {(kind.strip(), name.strip()): (float(error), cover) for kind, name, error, cover in rows[2:]}
    assert len(table) == 3 * len(KINDS_OF_ANSWERS)
    for (_, name), (error, cover) in table.items():
        size = {"N": 0.4, "R [Å]": 0.01, "σ² [Å²]": 0.002}[name]
        assert error == pytest.approx(size, rel=0.2)
        narrow, wide = (float(part.strip(" %")) / 100 for part in cover.split(","))
        assert narrow == pytest.approx(0.68, abs=0.13)
        assert wide == pytest.approx(0.95, abs=0.06)


def test_it_says_what_the_model_is(make_chi, info):
    text = card("fe-k", info, answers(make_chi))
    for said in (
        "# fe-k",
        "The K edge of Fe",
        "760 states of 764 planned",
        "1.9–3.3 Å",
        "100 bcc, 50 fcc",
        "is simulated",
    ):
        assert said in text


def test_states_that_are_named_are_those_that_are_counted(make_chi):
    """Of cobalt's plan 46 states could not be made; each card beside a model says so as the code does."""
    info = load_model("co-k").info
    text = card("co-k", info, answers(make_chi))
    line = next(line for line in text.splitlines() if "Trained on" in line)
    named = re.findall(r"\((\d+)\)", line)
    assert "243 states of 289 planned" in line
    assert sum(map(int, named)) == 289
    assert line in find_model("co-k").with_suffix(".md").read_text(encoding="utf-8")


def test_it_says_of_which_pair_each_range_is(make_chi):
    text = card("x", load_model("ni-o").info, answers(make_chi))
    assert "`first` (Ni-O) 1.41" in text
    assert "`first Ni-Ni` (Ni-Ni) 2.11" in text


def test_it_says_where_states_of_any_kind_come_from(make_chi, info):
    """Each kind that a plan may have; nothing is left blank."""
    for kind in KINDS:
        plan = {name: [] for name in KINDS} | {kind: [{"name": "these", "count": 7, "weights": ["springs"]}]}
        told = info | {"library": info["library"] | {"plan": info["library"]["plan"] | plan, "states": 7}}
        text = card("x", told, answers(make_chi))
        assert "**Trained on** 7 states: these (7);" in text
        assert "All of it is simulated:  and" not in text


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ([["springs"]], "crystals, held by springs,"),
        ([["r2scan", "0.3.0"]], "crystals, by a force field, and"),
        ([["springs"], ["r2scan"]], "crystals, by a force field or held by springs,"),
    ],
)
def test_it_says_what_holds_crystals_together(make_chi, weights, said):
    info = load_model("ni-k").info
    solids = [{"name": "oxide", "count": 7, "weights": each} for each in weights]
    plan = info["library"]["plan"] | {"solids": solids}
    assert said in card("x", info | {"library": info["library"] | {"plan": plan}}, answers(make_chi))
