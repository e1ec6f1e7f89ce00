"""Adapting: scans of another theory teach a model without labels; what it knew before it still knows."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import ModelError, SettingsError
from exafsnn.infer.adapt import LEAST_SCANS, AdaptSettings, adapt
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import load_model
from exafsnn.infer.refine import Refiner
from exafsnn.infer.theory import Theory
from exafsnn.learn.model_file import find_model
from exafsnn.physics.fourier import shift_energy
from exafsnn.read.scan import read_one
from exafsnn.shells import moments

from .conftest import DEMONSTRATION

NAMES = sorted(path.stem for path in DEMONSTRATION.glob("*.dat"))
TAUGHT = slice(0, None, 2)
OTHERS = slice(1, None, 2)


@pytest.fixture(scope="module")
def scans():
    return [read_one(DEMONSTRATION / f"{name}.dat").to_chi() for name in NAMES]


@pytest.fixture(scope="module")
def true_rdf(model):
    with (DEMONSTRATION / "true_rdf.csv").open(newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    r = [float(row["r"]) for row in rows]
    return np.array([np.interp(model.r, r, [float(row[name]) for row in rows]) for name in NAMES])


@pytest.fixture(scope="module")
def done(scans, tmp_path_factory):
    """``fe-k`` adapted to every second scan of the heated iron, whose scattering is of another program."""
    steps = 60
    told: list[tuple[int, int, str]] = []
    result = adapt(
        "fe-k",
        scans[TAUGHT],
        tmp_path_factory.mktemp("adapted") / "heated",
        AdaptSettings(steps=steps),
        progress=lambda *said: told.append(said),
    )
    assert [done for done, *_ in told[1:]] == sorted(done for done, *_ in told[1:])
    assert len(told) > 5 * steps / 20
    return result


def error(model, scans, true):
    density = model.answers(Signals.of(scans)).density
    return (np.abs(density - true).sum(axis=1) / true.sum(axis=1)).mean()


@pytest.mark.parametrize("some", [TAUGHT, OTHERS], ids=["taught", "others"])
def test_rdf_is_nearer_to_the_truth_that_no_network_saw(model, done, scans, true_rdf, some):
    before, after = (error(one, scans[some], true_rdf[some]) for one in (model, done.model))
    assert after < 0.85 * before


def test_coordination_and_distance_are_nearer(model, done, scans, true_rdf):
    signals = Signals.of(scans)
    errors = []
    for one in (model, done.model):
        density = one.answers(signals).density
        found, true = (moments(model.r, of, 1.9, 3.3)[:, :2] for of in (density, true_rdf))
        errors.append(np.sqrt(((found - true) ** 2).mean(axis=0)))
    assert (errors[1] < errors[0]).all()


def test_scans_are_explained_better(done):
    assert done.after.misfit.mean() < 0.9 * done.before.misfit.mean()


def test_what_was_known_is_known_still(done):
    before, after = done.old
    assert after < 1.05 * before
    assert 0.8 < done.error_bars < 1.25


def test_the_model_that_adapts_stays_as_it_is(done):
    shipped = find_model("fe-k")
    assert done.path != shipped
    assert load_model("fe-k").identity == done.model.info["adapted"]["of"]


def test_scans_together_tell_their_session_better_than_each(model, scans):
    refiner, signals = Refiner(model), Signals.of(scans)
    together, alone = refiner.common(signals), refiner.common(signals[:1])
    zero, amplitude = together.mean[0, 0], together.mean[0, 1].exp()
    assert (together.covariance[0].diagonal() < alone.covariance[0].diagonal()).all()
    assert abs(amplitude - 0.81) < 2 * amplitude * together.covariance[0, 1, 1].sqrt()  # as it was simulated
    assert 3 < zero < 4.5


def test_forward_model_takes_over_the_errors_of_theory(model, done):
    """The adapted forward model alone says what the old one says with the session's smooth errors."""
    old, new = Theory(model.forward, model.pairs), Theory(done.model.forward, model.pairs)
    density = torch.from_numpy(model.states[0][:20])
    shared = torch.tensor(done.model.info["adapted"]["session"], dtype=torch.float64).repeat(20, 1)
    shared[:, :2] = 0  # the energy zero and S₀² are no errors of theory
    wanted, found = old.spectrum(density, shared), new.spectrum(density, torch.zeros_like(shared))
    plain = old.spectrum(density, torch.zeros_like(shared))
    assert (found - wanted).norm() < 2e-3 * wanted.norm()  # written in half precision
    assert (plain - wanted).norm() > 0.02 * wanted.norm()


def test_error_bars_of_predict_are_rescaled_and_no_others(model, done):
    for kind, scales in model.intervals.items():
        factor = done.error_bars if kind.startswith("predicted") else 1.0
        for quantity, scale in scales.items():
            new = done.model.intervals[kind][quantity]
            assert np.allclose(new.high, factor * np.array(scale.high))
            assert new.weights == scale.weights


def test_a_reference_is_used(scans, tmp_path):
    few = scans[:LEAST_SCANS]
    known = adapt("fe-k", few, tmp_path / "known", AdaptSettings(steps=1), standard=scans[0], structure="bcc:2.8667")
    blind = adapt("fe-k", few, tmp_path / "blind", AdaptSettings(steps=1))
    assert (known.before.amplitude_std < 0.5 * blind.before.amplitude_std).all()
    assert known.after.origin.reference is not None
    assert not np.allclose(known.session.mean, blind.session.mean, atol=0.02)


def test_adapting_again_gives_the_same(scans, tmp_path):
    twice = [adapt("fe-k", scans[:3], tmp_path / name, AdaptSettings(steps=2)) for name in ("one", "two")]
    assert twice[0].path.read_bytes() == twice[1].path.read_bytes()


def test_too_few_scans_are_told(scans, tmp_path):
    with pytest.raises(SettingsError, match=r"2 scans that fe-k knows are too few.*Give 3"):
        adapt("fe-k", scans[:2], tmp_path / "new")
    assert not list(tmp_path.iterdir())


def test_foreign_scans_teach_nothing(scans, tmp_path):
    inverted = [replace(chi, chi=-chi.chi) for chi in scans[:2]]
    with pytest.raises(SettingsError, match="2 more are foreign to it"):
        adapt("fe-k", [*scans[:2], *inverted], tmp_path / "new")
    result = adapt("fe-k", [*scans[:3], *inverted], tmp_path / "new", AdaptSettings(steps=1))
    assert result.used.tolist() == [True] * 3 + [False] * 2


def test_another_edge_is_told(scans, tmp_path):
    with pytest.raises(ModelError, match="Cu"):
        adapt("fe-k", [*scans[:3], replace(scans[3], absorber="Cu")], tmp_path / "new")


def test_it_does_not_take_the_place_of_its_model(scans, done):
    with pytest.raises(SettingsError, match="would take the place of the one that it is made of"):
        adapt(str(done.path), scans[:3], done.path)


def test_scans_on_different_grids_are_told(scans, tmp_path):
    coarse = replace(scans[3], k=scans[3].k[::2], chi=scans[3].chi[::2])
    with pytest.raises(SettingsError, match=r"steps of 0.05 and 0.1"):
        adapt("fe-k", [*scans[:3], coarse], tmp_path / "new")


def test_an_edge_that_moves_is_not_shared(model, scans):
    """Scans whose E₀ was taken elsewhere on the edge: their zeros differ, and none is held to their mean."""
    refiner, apart = Refiner(model), 3.0
    signals = Signals.of(scans[:8])
    same = refiner.common(signals).covariance[0, 0, 0].sqrt()
    zeros = np.where(np.arange(8) % 2, apart, -apart)
    chi = shift_energy(*map(torch.from_numpy, (signals.chi, signals.k, signals.k)), torch.from_numpy(zeros), K2_PER_EV)
    moved = replace(signals, chi=chi.numpy())
    assert same < 0.5
    assert refiner.common(moved).covariance[0, 0, 0].sqrt() > 0.7 * apart


def test_no_scan_tells_less_than_nothing(model, scans):
    """What is known of a session never gets less by more scans."""
    refiner = Refiner(model)
    few, more = (refiner.common(Signals.of(scans[:count])).covariance[0] for count in (4, 8))
    known = refiner.sessions(Signals.of(scans[:4]), model.answers(Signals.of(scans[:4]))).covariance[0]
    for wider, narrower in ((known, few), (few[1:, 1:], more[1:, 1:])):
        assert torch.linalg.eigvalsh(wider - narrower).min() > -0.02 * wider.diagonal().max()


def test_only_a_model_is_replaced(scans, tmp_path):
    notes = tmp_path / "fe.300K.json"
    notes.write_text("mine")
    with pytest.raises(SettingsError, match="a file already that is no model"):
        adapt("fe-k", scans[:3], tmp_path / "fe.300K", AdaptSettings(steps=1))
    assert notes.read_text() == "mine"
    names = [
        adapt("fe-k", scans[:3], tmp_path / name, AdaptSettings(steps=1)).path.name for name in ("a.1", "a.2", "a.1")
    ]
    assert names == ["a.1.safetensors", "a.2.safetensors", "a.1.safetensors"]
