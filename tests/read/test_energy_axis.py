"""An axis that is none: the refusal names the rows that spoil it, and gives advice that helps."""

from __future__ import annotations

import re

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read.scan import read_one

HEADER = "# energy i0 itrans"


def refusal(name):
    with pytest.raises(ScanError) as error:
        read_one(name)
    return str(error.value)


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("row", [0, 57, -1])
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_a_row_without_an_energy_is_named(value, row, unit, write, scan, counts):
    energy = unit * scan.energy
    energy[row] = value
    said = refusal(write(energy, *counts, header=HEADER))
    line = row % len(energy) + 2
    assert f"line {line}: energy (column 1) is {value:g}, where no scan has a point. Delete that row" in said
    assert "--columns" not in said


@pytest.mark.parametrize("share", [0.1, 0.7])
def test_rows_that_were_never_measured_are_named(share, write, scan, counts):
    """Programs reserve all rows of a scan, and a scan that was stopped leaves zeros."""
    table = np.column_stack([scan.energy, *counts])
    first = int((1 - share) * len(table))
    table[first:] = 0.0
    said = refusal(write(*table.T, header=HEADER))
    assert f"line {first + 2}: energy (column 1) is 0" in said
    assert f"as in {len(table) - first - 1} rows more. Delete these rows" in said
    assert "--columns" not in said


TYPOS = {
    "a digit too many": lambda value: 10 * value,
    "a digit lost": lambda value: value // 10,
    "another digit": lambda value: value - 200,
    "in keV among eV": lambda value: value / 1000,
    "in meV": lambda value: value * 1000,
}


@pytest.mark.parametrize("kind", TYPOS)
@pytest.mark.parametrize("row", [60, -2])
@pytest.mark.parametrize("order", [1, -1])
def test_a_row_out_of_order_is_named(kind, row, order, write, scan, counts):
    energy = np.round(scan.energy, 2)
    energy[row] = TYPOS[kind](energy[row])
    said = refusal(write(energy[::order], *(column[::order] for column in counts), header=HEADER))
    place = row % len(energy)
    line = 2 + (place if order == 1 else len(energy) - 1 - place)
    assert f"line {line}: energy (column 1) is {energy[row]:.10g}, " in said
    assert re.search("out of the order of its neighbours|further off than all others are", said)
    assert "Delete that row" in said


@pytest.mark.parametrize("row", [0, -1])
def test_a_lonely_end_is_named(row, write, scan, counts):
    energy = scan.energy.copy()
    energy[row] = 700.0 if row == 0 else 90000.0
    said = refusal(write(energy, *counts, header=HEADER))
    assert f"line {row % len(energy) + 2}: energy (column 1) is {energy[row]:g}, further off than all others" in said


def test_joined_scans_are_still_told_as_such(write, scan, counts):
    twice = [np.tile(column, 2) for column in (scan.energy, *counts)]
    said = refusal(write(*twice, header=HEADER))
    assert f"line {len(scan.energy) + 2}: the axis goes back from" in said


def test_a_column_that_turns_all_the_time_is_no_axis(write, scan, counts):
    noisy = counts[0] + 50 * np.random.default_rng(0).standard_normal(len(scan.energy))
    said = refusal(write(scan.energy, noisy, counts[1], header="# i0 energy itrans"))
    assert re.search(r"energy \(column 2\) turns \d+ times between .* Take another column for it with --columns", said)


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_counter_without_counts_in_one_row_is_that_row_s_fault(value, write, scan, counts):
    i0 = counts[0].copy()
    i0[40] = value
    said = refusal(write(scan.energy, i0, counts[1], header=HEADER))
    assert f"line 42: the counter in column 2 (i0) reads {value:g}. Delete or repair that point" in said
    assert "--columns" not in said
    dead = refusal(write(scan.energy, np.zeros_like(i0), counts[1], header=HEADER))
    assert "--columns" in dead
