"""A scan is a batch of one: beside others, each scan gets the answer that it gets alone, but for rounding."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.infer.estimates import Signals, on_one_grid
from exafsnn.infer.reference import calibrate
from exafsnn.infer.refine import Refiner
from exafsnn.read.scan import read_one

from .conftest import DEMONSTRATION

ENDS = (9.0, 9.3, 10.5, 12.0, 13.7, 14.3)
SURE = 3e-3
"""Largest difference, in standard deviations of the answer; relative for what has none. Networks and the move of the
energy axis are in single precision."""
STANDARD = "bcc:2.8665"


@pytest.fixture(scope="module")
def scans():
    """Measured as they are; with other noise and ends; upside down, which no model can know; another grid; no noise."""
    found = [read_one(path).to_chi() for path in sorted(DEMONSTRATION.glob("fe_*.dat"))[::3]]
    changed = [replace(chi, noise=chi.noise * 4**i, k_max_usable=ENDS[i]) for i, chi in enumerate(found)]
    k = np.arange(0.0, found[2].k[-1], 0.04)
    finer = replace(found[2], k=k, chi=np.interp(k, found[2].k, found[2].chi), k_max_usable=10.0)
    short = replace(found[0], k=found[0].k[:230], chi=found[0].chi[:230], k_max_usable=11.0, e0=found[0].e0 + 5.0)
    return [*found, *changed, replace(found[0], chi=-found[0].chi), finer, short, replace(found[1], noise=0.0)]


@pytest.fixture(scope="module")
def reference(model, scans):
    return calibrate(model, scans[0], STANDARD)


@pytest.fixture(scope="module", params=["predicted", "predicted with reference", "refined", "refined with reference"])
def ask(request, model, scans, reference):
    """What answers to many scans."""
    known = "reference" in request.param
    if "predicted" in request.param:
        return lambda some: model.predict_all(some, reference if known else None)
    return (Refiner(model, scans[0], STANDARD) if known else Refiner(model)).refine_all


def same(found, expected):
    """Hold two predictions against each other."""
    ours, theirs = found.shells["first"], expected.shells["first"]
    for name in ("coordination", "distance", "sigma2", "c3"):
        std = getattr(theirs, f"{name}_std")
        for key in (name, f"{name}_std", f"{name}_low", f"{name}_high"):
            if hasattr(ours, key):
                assert getattr(ours, key) == pytest.approx(getattr(theirs, key), abs=SURE * std), key
    assert found.delta_e0 == pytest.approx(expected.delta_e0, abs=SURE * expected.delta_e0_std)
    assert found.amplitude == pytest.approx(expected.amplitude, abs=SURE * expected.amplitude_std)
    for name in ("delta_e0_std", "amplitude_std", "misfit", "misfit_noise", "domain_score"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=SURE), name
    for name in ("in_domain", "k_window", "warnings", "history", "model"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.chi is expected.chi
    np.testing.assert_allclose(found.chi_model, expected.chi_model, atol=SURE * np.abs(expected.chi_model).max())
    for name in ("density", "spread", "samples"):
        ours, theirs = getattr(found.rdf, name), getattr(expected.rdf, name)
        np.testing.assert_allclose(ours, theirs, atol=SURE * theirs.max(), err_msg=name)


def test_a_batch_is_what_its_scans_are(ask, scans):
    together = ask(scans)
    assert len(together) == len(scans)
    for chi, found in zip(scans, together, strict=True):
        same(found, ask([chi])[0])
    assert not together[len(scans) - 4].in_domain
    assert together[0].in_domain


def test_the_order_does_not_matter(ask, scans):
    order, in_order = np.random.default_rng(2).permutation(len(scans)), ask(scans)
    shuffled = ask([scans[number] for number in order])
    assert len(shuffled) == len(scans)
    for number, found in zip(order, shuffled, strict=True):
        same(found, in_order[number])


def test_no_scans_have_no_answers(ask, model):
    assert ask([]) == []
    assert len(model.answers(Signals(np.arange(0.0, 14.0, 0.05), *(np.empty((0, 280)), *[np.empty(0)] * 3)))) == 0


@pytest.mark.parametrize("name", ["exafsnn.infer.predict._PIECE", "exafsnn.infer.error_bars._FEW"])
def test_pieces_do_not_matter(model, scans, monkeypatch, name):
    signals = Signals.of([chi for chi in scans if len(chi.k) == len(scans[0].k)])
    whole = model.answers(signals).shells["first"]
    monkeypatch.setattr(name, 3)
    pieces = model.answers(signals).shells["first"]
    for quantity in ("coordination", "distance", "sigma2"):
        std = getattr(whole, f"{quantity}_std")
        assert np.all(np.abs(getattr(pieces, quantity) - getattr(whole, quantity)) < SURE * std)
        np.testing.assert_allclose(getattr(pieces, f"{quantity}_std"), std, rtol=SURE)


def test_arrays_and_records_are_the_same(model, scans, reference):
    """Arrays whose samples were not kept; a record can be made only with them."""
    some = scans[:4]
    answers = model.answers(Signals.of(some), reference)
    for row, prediction in enumerate(model.predict_all(some, reference)):
        shell = prediction.shells["first"]
        for name in ("coordination", "distance", "sigma2"):
            std = getattr(shell, f"{name}_std")
            assert getattr(answers.shells["first"], name)[row] == pytest.approx(getattr(shell, name), abs=SURE * std)
            assert getattr(answers.shells["first"], f"{name}_std")[row] == pytest.approx(std, rel=SURE)
        assert answers.misfit[row] == pytest.approx(prediction.misfit, rel=SURE)
    assert answers.finite.all()
    with pytest.raises(ValueError, match="samples"):
        answers.one(0, some[0])


def test_other_ranges_than_the_first(model, scans):
    """Their error bars are those of the samples, whether these are kept or not; N is no surer than the amplitude."""
    wide = model.uncalibrated()
    wide.ranges = {"first": (1.9, 3.3), "second": (3.5, 4.5)}
    prediction = wide.predict(scans[0])
    shell, expected = prediction.shells["second"], prediction.rdf.shell("Fe-Fe", 3.5, 4.5)
    assert shell.distance_std == pytest.approx(expected.distance_std, rel=1e-4)
    assert shell.coordination_std == max(expected.coordination_std, 0.15 * shell.coordination)
    arrays = wide.answers(Signals.of([scans[0]])).shells["second"]
    assert arrays.one(0).sigma2_std == pytest.approx(expected.sigma2_std, rel=1e-4)


def test_grids_that_differ_in_length_only_are_one(scans):
    groups = on_one_grid(scans)
    finer = len(scans) - 3
    assert sorted(map(len, groups)) == [1, len(scans) - 1]
    assert [finer] in groups
    with pytest.raises(ValueError, match="one grid"):
        Signals.of([scans[0], scans[finer]])
