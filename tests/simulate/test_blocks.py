"""Errors of means: right for what remembers, as its theory says; an error that takes frames as independent is not."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.simulate.blocks import correlation_of, samples_of_mean, std_of_mean


def remembering(memory: float, noise: float, n: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """(n, columns) x_t = φ x_(t-1) + …, of unit variance, and white noise on top."""
    steps = rng.standard_normal((n, columns)) * np.sqrt(1 - memory**2)
    steps[0] = rng.standard_normal(columns)
    for t in range(1, n):
        steps[t] += memory * steps[t - 1]
    return steps + noise * rng.standard_normal((n, columns))


@pytest.mark.parametrize(("memory", "noise", "n"), [(0.0, 0.0, 100), (0.5, 0.0, 100), (0.8, 0.0, 400), (0.8, 1.0, 300)])
def test_a_mean_misses_the_truth_by_what_it_says(memory: float, noise: float, n: int) -> None:
    rng, missed, naive = np.random.default_rng(5), [], []
    for _ in range(60):
        series = remembering(memory, noise, n, 40, rng)
        known = correlation_of(series, 10)
        missed.append(series.mean(axis=0) / std_of_mean(series, known.blocks, known.width))
        naive.append(series.mean(axis=0) / (series.std(axis=0) / np.sqrt(n)))
    assert np.mean(np.square(missed)) == pytest.approx(1.0, abs=0.2)
    if memory > 0.6:
        assert np.mean(np.square(naive)) > 2


def test_memory_is_found() -> None:
    known = correlation_of(remembering(0.8, 0.0, 2000, 40, np.random.default_rng(1)), 10)
    assert known.time.mean() == pytest.approx(0.5 * 1.8 / 0.2, rel=0.15)  # (1 + φ)/(1 − φ)/2
    assert known.width.mean() == pytest.approx(2 * 0.8 / (1 - 0.8**2), rel=0.25)


def test_what_never_changes_has_no_error() -> None:
    still = np.ones((50, 3))
    known = correlation_of(still, 1)
    assert known.time.tolist() == [0.5] * 3
    assert std_of_mean(still, known.blocks, known.width).tolist() == [0.0] * 3


def test_samples_carry_correlations_between_columns() -> None:
    series = remembering(0.5, 0.0, 500, 1, np.random.default_rng(2)) * [1.0, -2.0]
    samples = samples_of_mean(series, 10, 0.0)
    assert np.corrcoef(samples.T)[0, 1] == pytest.approx(-1)
    assert samples.mean(axis=0) == pytest.approx(series.mean(axis=0))
