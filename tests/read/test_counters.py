"""Raw counters: what was read twice, and what counts at a constant rate."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.read.counters import counter_findings

ENERGY = np.concatenate(
    [np.arange(6960.0, 7090.0, 5.0), np.arange(7090.0, 7150.0, 0.5), np.arange(7150.0, 7900.0, 2.5)]
)
TRANSMITTED = np.exp(-0.4 - 1.1 * (0.5 + np.arctan((ENERGY - 7112.0) / 0.7) / np.pi))


def counted(rate: float, beam: np.ndarray | float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts before and behind a sample with an edge."""
    random = np.random.default_rng(seed)
    behind = random.poisson(rate * beam * TRANSMITTED).astype(float)
    return random.poisson(rate * beam * np.ones(len(ENERGY))).astype(float), behind


def found(monitor: np.ndarray, behind: np.ndarray) -> dict[str, str]:
    told = counter_findings(ENERGY, {"2 (i0)": monitor, "3 (it)": behind}, "2 (i0)", "3 (it)")
    return {item.name: item.severity for item in told}


BEAM = 1 + 0.1 * np.cos((ENERGY - 6960.0) / 300.0) + 0.01 * np.sin(np.arange(len(ENERGY)) / 3)


@pytest.mark.parametrize("every", [2, 3, 10])
def test_rows_that_were_read_twice_are_told(every):
    rows = np.arange(len(ENERGY))
    rows -= rows % every == 1
    monitor, behind = (counts[rows] for counts in counted(1e6, BEAM))
    assert found(monitor, behind) == {"read-twice": "warning"}


@pytest.mark.parametrize("rows", [[200], [90, 300]])
def test_one_or_two_rows_that_were_read_twice_are_a_note(rows):
    monitor, behind = counted(1e6, BEAM)
    for counts in (monitor, behind):
        counts[rows] = counts[np.array(rows) - 1]
    assert found(monitor, behind) == {"read-twice": "note"}


@pytest.mark.parametrize("rate", [30.0, 300.0, 1e6])
def test_counters_that_read_the_same_by_chance_were_not_read_twice(rate):
    assert "read-twice" not in found(*counted(rate, BEAM))


@pytest.mark.parametrize("which", [0, 1])
def test_digits_that_were_cut_off_are_told(which):
    """A beam of 10⁹ counts, written with two or three digits of one counter."""
    counts = list(counted(1e9, BEAM))
    digit = 0.004 * float(np.median(counts[which]))
    counts[which] = digit * np.round(counts[which] / digit)
    assert found(*counts) == {"coarse-digits": "warning"}
    fine = list(counted(1e9, BEAM))
    fine[which] = 0.05 * digit * np.round(fine[which] / (0.05 * digit))
    assert found(*fine) == {}


@pytest.mark.parametrize("rate", [30.0, 300.0, 3e3])
def test_few_counts_are_noise_and_not_digits(rate):
    assert "coarse-digits" not in found(*counted(rate, BEAM))


@pytest.mark.parametrize("rate", [1e4, 1e5, 1e6])
@pytest.mark.parametrize("seed", range(5))
def test_a_monitor_that_is_held_constant_is_not_refused(rate, seed):
    """Both counters have the noise of counting, so that they share none; nothing else moves either."""
    assert found(*counted(rate, seed=seed)).get("dead-monitor", "warning") == "warning"


@pytest.mark.parametrize("noise", [1e-4, 3e-3, 0.02])
def test_a_monitor_whose_noise_is_not_that_of_counting_is_told(noise):
    random = np.random.default_rng(3)
    _, behind = counted(1e6, BEAM)
    assert found(1e4 * (1 + noise * random.standard_normal(len(ENERGY))), behind)["dead-monitor"] in (
        "fatal",
        "warning",
    )


def test_a_counting_monitor_that_sees_no_beam_is_refused():
    """It counts something, but the counter behind the sample moves by more than counting does: with the beam."""
    random = np.random.default_rng(4)
    _, behind = counted(1e6, BEAM * (1 + 0.002 * random.standard_normal(len(ENERGY))))
    assert found(random.poisson(1e6, len(ENERGY)).astype(float), behind)["dead-monitor"] == "fatal"
