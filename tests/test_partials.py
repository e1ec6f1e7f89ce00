"""Partial RDFs in one row: each pair has its own bins, and its own integrals."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.infer.error_bars import ErrorBars, Raw
from exafsnn.learn.intervals import LEVELS, Scale
from exafsnn.partials import Partials, Range

R = np.round(1.5 + 0.02 * (np.arange(200) + 0.5), 6)
NICKEL_OXIDE = Partials(R, ("Ni-O", "Ni-Ni"))


def shell(n: float, r: float, sigma2: float) -> np.ndarray:
    return n * np.exp(-0.5 * (R - r) ** 2 / sigma2) / np.sqrt(2 * np.pi * sigma2)


@pytest.fixture
def row():
    """Six oxygen atoms at 2.09 Å and twelve nickel atoms at 2.95 Å."""
    return np.concatenate([shell(6, 2.09, 0.006), shell(12, 2.95, 0.007)])


def test_each_pair_has_its_own_atoms(row):
    oxygen = NICKEL_OXIDE.moments(row, Range("Ni-O", 1.6, 2.6))
    nickel = NICKEL_OXIDE.moments(row, Range("Ni-Ni", 2.4, 3.4))
    assert oxygen[:3] == pytest.approx([6, 2.09, 0.006], rel=2e-3)
    assert nickel[:3] == pytest.approx([12, 2.95, 0.007], rel=2e-3)
    assert NICKEL_OXIDE.moments(row, Range("Ni-Ni", 1.6, 2.4))[0] == pytest.approx(0, abs=1e-3)


def test_the_same_integrals_by_weights(row):
    limits = Range("Ni-Ni", 2.413, 3.377)
    assert row @ NICKEL_OXIDE.within(limits) == pytest.approx(NICKEL_OXIDE.moments(row, limits)[0], rel=1e-9)


def test_a_part_of_the_cells_has_the_same_integrals(row):
    ranges = [Range("Ni-O", 1.8, 2.5), Range("Ni-Ni", 2.5, 3.4)]
    cells = NICKEL_OXIDE.touched(ranges)
    assert 0 < cells.start < 200 < cells.stop < 400
    for limits in ranges:
        part = NICKEL_OXIDE.moments(row[cells], limits, cells.start)
        assert part == pytest.approx(NICKEL_OXIDE.moments(row, limits), rel=1e-9)


def test_names_of_ranges_tell_the_pair():
    assert NICKEL_OXIDE.range("first", (1.6, 2.5)) == Range("Ni-O", 1.6, 2.5)
    assert NICKEL_OXIDE.range("first Ni-Ni", (2.5, 3.4)) == Range("Ni-Ni", 2.5, 3.4)
    assert NICKEL_OXIDE.range("second shell", (3.5, 4.5)) == Range("Ni-O", 3.5, 4.5)


def test_splitting_keeps_the_order(row):
    split = NICKEL_OXIDE.split(np.stack([row, 2 * row]))
    assert split.shape == (2, 2, 200)
    assert np.array_equal(split[1, 1], 2 * row[NICKEL_OXIDE.of("Ni-Ni")])


@pytest.mark.parametrize("keep", [True, False])
def test_errors_of_each_pair_are_those_of_its_samples(row, keep):
    """Oxygen is counted to 2 %, nickel to 10 %; no sample of one pair moves the other's error."""
    scatter = np.random.default_rng(3).standard_normal((200, 2))
    scatter = (scatter - scatter.mean(axis=0)) / scatter.std(axis=0)
    parts = [(1 + size * scatter[:, i, None]) * row[NICKEL_OXIDE.of(pair)]
             for i, (pair, size) in enumerate((("Ni-O", 0.02), ("Ni-Ni", 0.1)))]  # fmt: skip
    samples = np.concatenate(parts, axis=1)[None].astype(np.float32)
    raw = Raw(NICKEL_OXIDE, 0.0, row[None], lambda _, cells: samples[:, :, cells].copy())
    ranges = {"first": Range("Ni-O", 1.6, 2.6), "first Ni-Ni": Range("Ni-Ni", 2.4, 3.4), "far": Range("Ni-Ni", 3.4, 5)}
    told = ErrorBars({}, np.zeros((1, 8)), np.ones(1)).told(raw, ranges, keep=keep)
    assert list(told.shells) == list(ranges)
    assert told.shells["first"].coordination_std[0] == pytest.approx(0.02 * 6, rel=1e-3)
    assert told.shells["first Ni-Ni"].coordination_std[0] == pytest.approx(0.1 * 12, rel=1e-3)
    assert told.shells["first Ni-Ni"].one(0).pair == "Ni-Ni"
    assert told.shells["far"].coordination[0] == pytest.approx(0, abs=1e-3)


def test_each_row_has_its_own_shells(row: np.ndarray) -> None:
    metal = np.concatenate([shell(0.01, 2.09, 0.006), shell(12, 2.49, 0.007) + shell(6, 3.52, 0.01)])
    found = NICKEL_OXIDE.shells(np.stack([row, metal]))
    assert list(found) == [f"shell{n}{of}" for of in ("", " Ni-Ni") for n in range(1, 7)]
    oxygen, first, second = (NICKEL_OXIDE.moments(np.stack([row, metal]), found[name])
                             for name in ("shell1", "shell1 Ni-Ni", "shell2 Ni-Ni"))  # fmt: skip
    assert oxygen[0, :2] == pytest.approx([6, 2.09], rel=5e-3)
    assert np.isnan(oxygen[1]).all()  # so few atoms beside others are no shell
    assert first[:, 0] == pytest.approx(12, rel=5e-3)
    assert first[:, 1] == pytest.approx([2.95, 2.49], abs=5e-3)
    assert np.isnan(second[0]).all()
    assert second[1, :2] == pytest.approx([6, 3.52], rel=5e-3)
    assert set(NICKEL_OXIDE.shells(row[None], but=["Ni-O"])) == {f"shell{n} Ni-Ni" for n in range(1, 7)}


def test_shells_have_the_errors_of_their_own_scale_or_else_of_the_first(row: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    density, ranges = row[None], NICKEL_OXIDE.shells(row[None])
    ranges["first"] = Range("Ni-O", 1.6, 2.6)
    raw = Raw(NICKEL_OXIDE, 0.0, density, lambda _, cells: drawn[:, :, cells].copy())
    drawn = np.float32(density[:, None] * (1 + 0.05 * rng.standard_normal((1, 200, 1))))

    def scale(factor: float) -> Scale:
        ends = tuple(factor * np.linspace(0.1, 2, len(LEVELS)))
        return Scale((1.0, *(0.0,) * 8), tuple(-end for end in ends), ends)

    known = {name: scale(1.0) for name in ("coordination", "distance", "sigma2", "density")}
    given = np.zeros((1, 8))
    alike = ErrorBars(known, given, np.ones(1)).told(raw, ranges, keep=True).shells
    assert alike["shell1"].coordination_std == pytest.approx(alike["first"].coordination_std, rel=0.02)
    own = ErrorBars(known | {"coordination shells": scale(3.0)}, given, np.ones(1)).told(raw, ranges, keep=True).shells
    assert own["shell1"].coordination_std == pytest.approx(3 * alike["shell1"].coordination_std)
    assert own["shell1 Ni-Ni"].coordination_std == pytest.approx(alike["shell1 Ni-Ni"].coordination_std)
    assert not own["shell3"].is_there(0)
