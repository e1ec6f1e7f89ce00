"""Rows of numbers: what is converted all at once is what would be converted cell by cell; the rest is left alone."""

import numpy as np
import pytest

from exafsnn.read import rows
from exafsnn.read.rows import numbers, plain_rows


def test_plain_rows_are_their_cells_to_the_last_bit(monkeypatch):
    rng = np.random.default_rng(3)
    cells = rng.standard_normal((50, 4)) * 10.0 ** rng.integers(-300, 300, (50, 4))
    lines = ["\t ".join(map(repr, row)) for row in cells.tolist()]
    for piece in (rows._PIECE, 7):
        monkeypatch.setattr(rows, "_PIECE", piece)
        assert np.array_equal(plain_rows([*lines, "", "  "], 4), [numbers(line.split()) for line in lines])


@pytest.mark.parametrize(("line", "separator"), [(" 1 ,-2.5e3, .5", ","), ("1;+2; 3.", ";"), ("1e999  0 -0", None)])
def test_separators(line, separator):
    expected = [float(cell) for cell in line.split(separator)]
    assert np.array_equal(plain_rows([line, line], 3, separator), [expected, expected])


@pytest.mark.parametrize(
    "line",
    [
        "1 2",
        "1 2 3 4",
        "",
        "# 1 2 3",
        "1 2 x",
        "1 2 nan",
        "1 2 3D+01",
        "1 2 1_0",
        "1 2 e",
        "1,2,3",
        "1\u00a02 3",
        "1 2 ١",
    ],
)
def test_what_is_not_plain_is_left_to_a_closer_look(line):
    assert plain_rows(["1 2 3", line, "4 5 6"], 3) is None


def test_nothing_is_no_rows():
    assert plain_rows([], 3) is None
    assert plain_rows(["", " "], 3) is None


def test_long_lines_and_large_tables_are_left_to_a_closer_look(monkeypatch):
    assert plain_rows([f"1 2{' ' * rows.MAX_LINE} 3"], 3) is None
    monkeypatch.setattr(rows, "MAX_NUMBERS", 5)
    assert plain_rows(["1 2 3"], 3) is not None
    assert plain_rows(["1 2 3", "4 5 6"], 3) is None
