"""A model that learns from scans alone: it sees no RDF, its misfit falls, and it says that it has no error bars."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import SettingsError
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import load_model
from exafsnn.infer.scratch import LEAST_SCANS, Copies, ScratchSettings, atoms_per_volume, shells_of, train_unlabelled
from exafsnn.learn.model_file import find_model, read_model, save_model
from exafsnn.learn.shells import ShellDecoder
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import ChiK

KNOWN = {"amplitude": 0.8, "amplitude_std": 0.01, "density": 0.0849}
LARGEST_OF_SHELLS, LARGEST_OF_MODEL = (0.12, 0.6), (0.12, 0.6)
"""RDF error and rms error of N; found were 0.085 and 0.36, 0.090 and 0.32 (2026-12-01)."""
SHORT = ScratchSettings(steps=50, batch=32, learning_rates=(6e-3,), floors=(0.1,), member_steps=20)


@pytest.fixture(scope="module")
def signals(model):
    """Scans of crystals, hot and cold, as the forward model has them."""
    count, random = LEAST_SCANS, torch.Generator().manual_seed(5)
    decoder = ShellDecoder(torch.from_numpy(model.r), KNOWN["density"], ("bcc", "fcc", "hcp"), model.pairs.smoothing)
    with torch.no_grad():
        density = decoder(torch.randn(count, decoder.outputs, generator=random)).numpy()
    return scans_of(model, density, random)


def scans_of(model, density, random):
    """What the forward model says of RDFs (n, b), with noise, and with energy zeros up to 2 eV off."""
    k, count = model.features.k_grid(), len(density)
    chi = KNOWN["amplitude"] * model.forward(density)
    zero = torch.rand(count, generator=random).numpy() * 4 - 2
    chi = shift_energy(chi, k, k, zero, K2_PER_EV)
    noise = np.full(count, 1e-3)
    chi = chi + noise[:, None] * torch.randn(chi.shape, generator=random).numpy()
    return Signals(k, chi, noise, np.full(count, 13.0), np.full(count, np.nan))


@pytest.fixture(scope="module")
def made(signals, tmp_path_factory):
    told = []
    path = tmp_path_factory.mktemp("scratch") / "own"
    found = train_unlabelled("fe-k", signals, path, SHORT, **KNOWN, progress=lambda *of: told.append(of))
    return found, told


def test_the_misfit_of_held_out_scans_falls(made, signals, tmp_path):
    found, _ = made
    before = train_unlabelled("fe-k", signals, tmp_path / "none", replace(SHORT, steps=1, member_steps=1), **KNOWN)
    assert found.misfit < 0.7 * before.misfit


def test_no_label_is_seen(made, signals, tmp_path):
    """Of a model whose networks and whose atlas of RDFs are nonsense comes the same."""
    parts, tensors = read_model("fe-k"), load_file(find_model("fe-k"))
    nonsense = {
        key: torch.rand(value.shape) if key.startswith(("member", "atlas")) else value.float()
        for key, value in tensors.items()
    }
    info = {key: value for key, value in parts.info.items() if key not in ("format", "sha256")}
    save_model(tmp_path / "nonsense.safetensors", info, nonsense)
    again = train_unlabelled(str(tmp_path / "nonsense.safetensors"), signals, tmp_path / "again", SHORT, **KNOWN)
    assert np.array_equal(again.density, made[0].density)
    first, second = (load_file(one.path) for one in (made[0], again))
    assert all(torch.equal(first[key], second[key]) for key in first if key.startswith("member"))


def test_the_model_is_written_and_says_that_it_is_not_calibrated(made, signals):
    found, _ = made
    model = load_model(str(found.path))
    chi = ChiK(signals.k, signals.chi[0], "Fe", "K", 1e-3, 7112.0, 1.0, 13.0, source="one")
    said = model.predict(chi)
    assert "uncalibrated" in [finding.name for finding in said.findings]
    assert np.allclose(said.rdf.density, found.answers.density[0], rtol=1e-3)
    assert not model.intervals
    assert not model.knows_domain
    assert model.pairs.amplitude == KNOWN["amplitude"]
    told = json.loads(found.path.with_suffix(".json").read_text())["adapted"]
    assert told["labels"] == "none"
    assert told["scans"] == LEAST_SCANS
    assert told["misfit"] == found.misfit


def test_progress_is_told_to_the_end(made):
    _, told = made
    done = [of[0] for of in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1] == SHORT.steps + SHORT.member_steps


def test_settings_are_chosen_by_misfit(signals, tmp_path):
    """A rate with which hardly anything is learned is not taken."""
    tried = replace(SHORT, steps=2, trial_steps=20, learning_rates=(1e-6, 6e-3), floors=(0.1,), member_steps=1)
    found = train_unlabelled("fe-k", signals, tmp_path / "chosen", tried, **KNOWN)
    assert found.learning_rate == 6e-3
    assert min(found.trials, key=lambda trial: trial[2])[0] == 6e-3


def test_density_is_that_of_the_crystal():
    """bcc iron has two atoms in (2.8665 Å)³."""
    assert atoms_per_volume("Fe", 7.874) == pytest.approx(2 / 2.8665**3, rel=2e-3)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crystals": ("bcc", "quartz")}, "'quartz' is no crystal"),
        ({"crystals": ()}, "no crystal"),
        ({"density": 7.87}, "7.87 atoms in an Å³"),
        ({"amplitude": 80.0}, "S₀² = 80"),
    ],
)
def test_what_is_no_sample_is_refused(signals, tmp_path, changes, said):
    with pytest.raises(SettingsError, match=said) as refused:
        train_unlabelled("fe-k", signals, tmp_path / "refused", SHORT, **(KNOWN | changes))
    assert refused.value.remedy


def test_few_scans_are_refused(signals, tmp_path):
    with pytest.raises(SettingsError, match=r"20 scans are too few to learn from alone\. Give 200"):
        train_unlabelled("fe-k", signals[:20], tmp_path / "few", SHORT, **KNOWN)


def test_another_edge_is_refused(tmp_path, make_chi):
    other = replace(make_chi(), absorber="Cu")
    with pytest.raises(Exception, match="is for Fe K, the scan is of Cu K"):
        train_unlabelled("fe-k", [other], tmp_path / "other", SHORT, **KNOWN)


def test_the_model_that_is_used_stays(signals):
    with pytest.raises(SettingsError, match="would take the place"):
        train_unlabelled("fe-k", signals, find_model("fe-k"), SHORT, **KNOWN)


@pytest.mark.slow
def test_hidden_rdfs_are_found(model, tmp_path):
    """Those of molecular dynamics, which the shipped model's atlas keeps: of crystals, hot and cold, and of melts."""
    random = torch.Generator().manual_seed(6)
    rdfs = model.atlas.samples(model.pairs, "perfect", 3000).float()
    rdfs = rdfs[torch.randperm(len(rdfs), generator=random)[:3000]].numpy()
    scans, tried = scans_of(model, rdfs, random), ScratchSettings(steps=1500, learning_rates=(3e-3,), floors=(0.05,))
    found = train_unlabelled("fe-k", scans[:2500], tmp_path / "own", replace(tried, member_steps=1500), **KNOWN)
    true, errors = rdfs[2500:], {}
    copies = Copies(scans[2500:], found.model.pairs, found.model.features)
    shells = shells_of(found.network, copies)[0].double().numpy()
    for name, said in {"shells": shells, "model": found.model.answers(scans[2500:]).density}.items():
        apart = found.model.ensemble.first(said)[0] - found.model.ensemble.first(true)[0]
        rdf = (np.abs(said - true).sum(axis=1) / true.sum(axis=1)).mean()
        errors[name] = round(float(rdf), 3), round(float(np.sqrt((apart**2).mean())), 2)
    assert all(error < most for error, most in zip(errors["shells"], LARGEST_OF_SHELLS, strict=True))
    assert all(error < most for error, most in zip(errors["model"], LARGEST_OF_MODEL, strict=True))
