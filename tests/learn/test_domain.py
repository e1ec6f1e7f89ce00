"""The domain: 99 % of usual spectra are inside, whatever their circumstances; stranger ones are not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from exafsnn.learn.domain import Signs, fit_domain
from exafsnn.learn.intervals import circumstances
from exafsnn.learn.model_file import domain_from


def usual(n, seed):
    """Signs that grow with the noise, of what is no oxide, and circumstances."""
    random = np.random.default_rng(seed)
    noise = 10 ** random.uniform(-4, -2.3, n)
    disorder, likeness = random.uniform(0.03, 0.07, n), random.dirichlet(np.ones(4), n)
    given = circumstances(random.uniform(9, 16, n), noise, disorder, likeness)
    size = np.exp(0.5 * given[:, 2] + 0.3 * random.standard_normal(n))
    return Signs(0.05 * size, 0.1 * size, np.zeros(n), np.ones(n)), given


def beside(n, seed):
    """The same of a metal, three times as strange, and of its oxide."""
    signs, given = usual(n, seed)
    oxidised = np.arange(n) % 2.0
    strange = np.where(oxidised == 1, 1, 3)
    accounted = np.exp(0.05 * np.random.default_rng(seed).standard_normal(n))
    return Signs(signs.unexplained * strange, signs.disagreement * strange, oxidised, accounted), given


def stranger(signs, times):
    return replace(signs, unexplained=times * signs.unexplained, disagreement=times * signs.disagreement)


def test_usual_spectra_are_inside():
    domain = fit_domain(*usual(2000, 1))
    score = domain.score(*usual(4000, 2))
    assert (score > 1).mean() == pytest.approx(0.01, abs=0.006)


def test_strange_ones_are_outside_also_where_much_is_usual():
    domain = fit_domain(*usual(2000, 1))
    signs, given = usual(2000, 3)
    score = domain.score(stranger(signs, 4), given)
    assert (score > 1).mean() > 0.95
    assert np.corrcoef(score, given[:, 2])[0, 1] == pytest.approx(0.0, abs=0.15)


def test_what_is_taken_for_an_oxide_is_held_against_oxides():
    domain = fit_domain(*beside(4000, 1))
    signs, given = beside(8000, 2)
    score, oxide = domain.score(signs, given), signs.oxidised == 1
    assert (score[oxide] > 1).mean() == pytest.approx(0.01, abs=0.006)
    assert (score[~oxide] > 1).mean() == pytest.approx(0.01, abs=0.006)
    strange = domain.score(stranger(signs, 3), given)  # no stranger than a metal
    assert (strange[oxide] > 1).mean() > 0.8


def test_a_metal_and_its_oxide_may_not_take_more_absorbers_than_there_are():
    domain = fit_domain(*beside(4000, 1))
    signs, given = beside(4000, 2)
    more = domain.score(replace(signs, accounted=1.5 * signs.accounted), given) / domain.score(signs, given)
    np.testing.assert_allclose(more, np.where(signs.oxidised == 1, 1.5**2, 1.0))


def test_a_strange_oxide_is_not_excused_by_its_disorder():
    signs, given = beside(4000, 1)
    domain, hot = fit_domain(signs, given), given + np.eye(given.shape[1])[3]
    score = domain.score(signs, hot) / domain.score(signs, given)
    np.testing.assert_allclose(score[signs.oxidised == 1], 1.0, rtol=1e-12)


def test_an_answer_becomes_an_oxide_without_a_step():
    domain, (_, given) = fit_domain(*beside(4000, 1)), usual(1, 3)
    shares = Signs(np.full(101, 0.1), np.full(101, 0.1), np.linspace(0, 1, 101), np.ones(101))
    score = domain.score(shares, np.ones((101, 1)) * given)
    assert np.abs(np.diff(np.log(score))).max() < 0.1 * np.ptp(np.log(score))
    assert (np.diff(score) >= -1e-12).all()


def test_of_a_few_oxides_no_limit_is_made():
    signs, given = usual(2000, 1)
    signs.oxidised[:20] = 1.0
    assert fit_domain(signs, given) == fit_domain(*usual(2000, 1))


def test_it_is_the_same_in_a_file():
    domain = fit_domain(*beside(400, 1))
    assert domain.beside
    assert domain_from(json.loads(json.dumps(domain.to_mapping()))) == domain


def test_of_a_metal_alone_the_limit_is_the_quantile():
    """A few dozen answers do not have that of the strangest for a limit."""
    signs, given = usual(96, 1)
    domain = fit_domain(signs, given)
    left = signs.own - given[:, :4] @ np.array(domain.weights)
    assert domain.limit == pytest.approx(float(np.exp(np.quantile(left, 0.99))))
