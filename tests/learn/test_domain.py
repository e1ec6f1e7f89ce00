"""The domain: 99 % of usual spectra are inside, whatever their circumstances; stranger ones are not."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.learn.domain import fit_domain
from exafsnn.learn.intervals import circumstances


def usual(n, seed):
    """Signs that grow with the noise."""
    random = np.random.default_rng(seed)
    noise = 10 ** random.uniform(-4, -2.3, n)
    disorder, likeness = random.uniform(0.03, 0.07, n), random.dirichlet(np.ones(4), n)
    given = circumstances(random.uniform(9, 16, n), noise, disorder, likeness)
    size = np.exp(0.5 * given[:, 2] + 0.3 * random.standard_normal(n))
    return 0.05 * size, 0.1 * size, given


def test_usual_spectra_are_inside():
    domain = fit_domain(*usual(2000, 1))
    score = domain.score(*usual(4000, 2))
    assert (score > 1).mean() == pytest.approx(0.01, abs=0.006)


def test_strange_ones_are_outside_also_where_much_is_usual():
    domain = fit_domain(*usual(2000, 1))
    unexplained, disagreement, given = usual(2000, 3)
    score = domain.score(6 * unexplained, 3 * disagreement, given)
    assert (score > 1).mean() > 0.95
    assert np.corrcoef(score, given[:, 2])[0, 1] == pytest.approx(0.0, abs=0.15)
