"""RDFs that there may be: the likely ones, and those near an answer, are what they should be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.infer.estimates import Signals
from exafsnn.infer.fit import Data
from exafsnn.infer.known import _TEMPER, OWN_LEAST, Known, Likely
from exafsnn.infer.predict import load_model
from exafsnn.infer.structure import parse_structure
from exafsnn.infer.theory import Theory
from exafsnn.learn.model_file import shipped_models
from exafsnn.metals import METALS
from exafsnn.records import ChiK


@pytest.fixture(scope="module")
def model():
    return load_model("fe-k")


@pytest.fixture(scope="module")
def known(model):
    density, outlines = model.known("perfect")
    return Known.of(density[::20], outlines[::20])


def test_the_neighbours_of_a_known_rdf_hold_it(known, model):
    """Its own outline is the nearest; the prior is their mean and spread, and each bin's own."""
    wanted = known.outlines[[7]]
    assert int(known.nearest(wanted, 1)) == 7
    alone = known.around(wanted, 1, 0.05)
    assert torch.equal(alone.mean[0], known.density[7])
    assert float(alone.apart.abs().max()) == 0
    assert alone.own[0].sqrt().max() == pytest.approx(0.05 * float(known.density[7].max()), rel=1e-3)
    assert float(alone.own.min()) >= OWN_LEAST**2
    more = known.around(wanted, 25, 0.05)
    spread = more.apart[0].square().sum(dim=0)
    nearest = known.density[known.nearest(wanted, 25)[0]]
    assert spread.numpy() == pytest.approx(nearest.var(dim=0, correction=0).numpy(), abs=1e-6)


@pytest.mark.parametrize("number", [0, 100, 300])
def test_the_likeliest_rdf_is_that_which_gave_the_spectrum(known, model, number):
    """Of another one, or of another amplitude that the session allows, too."""
    theory = Theory(model.forward, model.pairs)
    session = theory.session(np.array([1.0]), 0.3, np.array([0.8]), 0.03)
    k = theory.k.numpy()
    far = torch.from_numpy(model.atlas.density[:1].double().numpy())
    for size in (1.0, 1.03):
        chi = size * theory.spectrum(known.density[[number]], session.mean)[0].numpy() / k**2
        where = {"noise": 1e-4, "e0": 0.0, "edge_step": 1.0, "k_max_usable": 15.0, "source": "simulated"}
        scan = ChiK(k=k, chi=chi, absorber="Fe", edge="K", **where)
        signals = Signals.of([scan])
        moved = replace(signals, chi=model.ensemble.on_axis(signals, -session.mean[:, 0].numpy()).astype(float))
        data = Data(model.ensemble, theory, moved, model.features.kmin, torch.tensor([15.0]), torch.tensor([0.05]))
        found = Likely(known, theory, session).mean(data, far, session)
        near = known.nearest(model.atlas.outlines(found), 10)[0]
        assert number in near.tolist()


def test_likelihoods_are_those_of_each_scans_own_range_and_session(known, model):
    """Against a Gaussian likelihood of every RDF, whose spectra are not cut to components; k ranges differ."""
    theory = Theory(model.forward, model.pairs)
    sessions = theory.session(np.array([1.0, 1.0]), 0.3, np.array([0.8, 0.8]), 0.05)
    k = theory.k.numpy()
    chi = 0.8 * theory.spectrum(known.density[[40, 330]], sessions.mean * 0).numpy() / k**2
    where = {"noise": 1e-4, "edge_step": 1.0, "k_max_usable": 15.0, "source": "simulated"}
    signals = Signals.of([ChiK(k=k, chi=row, absorber="Fe", edge="K", e0=0.0, **where) for row in chi])
    data = Data(model.ensemble, theory, signals, model.features.kmin, torch.tensor([15.0, 11.0]), torch.full((2,), 0.2))
    near = model.atlas.density[:2].double()
    one = theory.session(np.array([0.0]), 0.3, np.array([0.9]), 0.05)  # of another amplitude
    found = Likely(known, theory, one).mean(data, near, sessions)
    rows = torch.arange(2)
    by_shared = data.seen(rows, theory.linear(near, sessions.mean, data.points).by_shared)
    measured = data.left(rows, torch.zeros_like(data.used), sessions.mean)
    covariance = data.unexplained(rows, measured, sessions.mean)
    covariance = covariance + by_shared @ sessions.covariance @ by_shared.mT
    spectra = theory.spectrum(known.density, sessions.mean[:1].expand(len(known.density), -1))[:, data.points]
    for row in rows:
        left = measured[row] - spectra * data.used[row]
        surprise = (left @ torch.linalg.inv(covariance[row]) * left).sum(dim=1)
        mean = (-0.5 * surprise / _TEMPER).softmax(dim=0) @ known.density
        assert found[row].numpy() == pytest.approx(mean.numpy(), abs=0.02 * float(mean.max()))


@pytest.mark.parametrize("name", sorted({metal.model for metal in METALS.values()} & set(shipped_models())))
def test_perfect_crystals_have_all_their_atoms(name):
    """No particle or cluster passes as one, for whoever sees it without a standard; heat takes a tenth of some."""
    model = load_model(name)
    atlas, metal = model.atlas, METALS[model.absorber]
    whole = sum(count for _, count in parse_structure(metal.structure).shells(model.ranges["first"][1]))
    own = np.asarray(atlas.perfect) & (np.array(atlas.phases) == metal.phase)
    n = model.ensemble.first(np.asarray(atlas.density)[own])[0]
    assert 0.87 * whole < n.min() <= n.max() < 1.01 * whole
