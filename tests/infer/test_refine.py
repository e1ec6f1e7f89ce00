"""Refinement: nearer to the truth than the prediction, on scans of a foreign theory and of real foils."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.errors import ModelError, SettingsError
from exafsnn.infer.estimates import Signals
from exafsnn.infer.fit import Fits
from exafsnn.infer.known import Likely
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner, drawn
from exafsnn.infer.structure import parse_structure
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK
from exafsnn.shells import moments

from . import toy_compound as toy
from .conftest import DEMONSTRATION

NAMES = sorted(path.stem for path in DEMONSTRATION.glob("*.dat"))


@pytest.fixture(scope="module")
def scans():
    return {name: read_one(DEMONSTRATION / f"{name}.dat").to_chi() for name in NAMES}


@pytest.fixture(scope="module")
def blind(model):
    return Refiner(model)


@pytest.fixture(scope="module")
def taught(model, scans):
    return Refiner(model, scans["fe_0300K"], "bcc:2.8667")


@pytest.fixture(scope="module", params=["blind", "taught"])
def both(request, model, scans):
    """Predictions and refined predictions of the series, without a standard and with one."""
    refiner = request.getfixturevalue(request.param)
    predicted = [model.predict(scan, refiner.reference) for scan in scans.values()]
    refined = refiner.refine_all(list(scans.values()))
    return request.param, dict(zip(NAMES, zip(predicted, refined, strict=True), strict=True))


@pytest.fixture(scope="module")
def true_rdf(model):
    with (DEMONSTRATION / "true_rdf.csv").open(newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    r = [float(row["r"]) for row in rows]
    return {name: np.interp(model.r, r, [float(row[name]) for row in rows]) for name in NAMES}


def rdf_error(r, found, true):
    bins = list(pairwise(np.arange(2.0, 5.61, 0.1)))
    ours, theirs = ([float(moments(r, n, low, high)[0]) for low, high in bins] for n in (found, true))
    return np.abs(np.subtract(ours, theirs)).sum() / np.sum(theirs)


@pytest.mark.parametrize("name", NAMES)
def test_coordination_and_distance_at_every_temperature(both, true_rdf, name):
    """Also at 1180 K, where the prediction misses the distance by more."""
    _, pairs = both
    refined = pairs[name][1]
    shell, true = refined.shells["first"], moments(refined.rdf.r, true_rdf[name], 1.9, 3.3)
    assert shell.coordination == pytest.approx(true[0], abs=0.5)
    assert shell.distance == pytest.approx(true[1], abs=0.015)


def test_the_rdf_is_nearer_to_the_truth(both, true_rdf, model):
    how, pairs = both
    before, after = (
        np.mean([rdf_error(model.r, pair[number].rdf.density[0], true_rdf[name]) for name, pair in pairs.items()])
        for number in (0, 1)
    )
    assert after < (0.6 if how == "taught" else 0.8) * before


def test_the_misfit_falls(both):
    _, pairs = both
    assert all(refined.misfit < predicted.misfit for predicted, refined in pairs.values())


def test_the_answer_says_why_it_stopped(both):
    _, pairs = both
    said = [refined.history[-1].removeprefix("refined against the data: ") for _, refined in pairs.values()]
    assert all(text.startswith(("settled after ", "not settled after 8 steps")) for text in said)
    assert sum(text.startswith("settled") for text in said) > 0.7 * len(said)


def test_no_atoms_are_negative_or_in_each_other(both):
    _, pairs = both
    for _, refined in pairs.values():
        assert refined.rdf.density.min() >= 0
        assert moments(refined.rdf.r, refined.rdf.density[0], 1.6, 2.0)[0] < 0.05
        assert refined.rdf.samples.min() >= 0


def test_noise_widens_the_answer(blind, scans):
    scan = scans["fe_0300K"]
    clear, noisy = blind.refine_all([scan, replace(scan, noise=30 * scan.noise)])
    assert noisy.shells["first"].sigma2_std > 1.2 * clear.shells["first"].sigma2_std


def test_the_size_of_the_signal_is_the_amplitudes(blind, scans):
    scan = scans["fe_0300K"]
    one, other = blind.refine_all([scan, replace(scan, chi=1.05 * scan.chi, noise=1.05 * scan.noise)])
    assert other.amplitude / one.amplitude == pytest.approx(1.05, abs=0.01)
    assert other.shells["first"].coordination == pytest.approx(one.shells["first"].coordination, abs=0.1)


def test_another_edge_is_refused(blind, scans):
    with pytest.raises(ModelError, match="is for Fe K"):
        blind.refine(replace(scans["fe_0300K"], absorber="Cu"))


def test_measured_iron(model, iron_chi):
    """Six scans of foils: thermal mean distance 2.643 Å at 60 K, 2.650 Å at room temperature."""
    refined = dict(zip(iron_chi, Refiner(model).refine_all(list(iron_chi.values())), strict=True))
    for name, prediction in refined.items():
        shell = prediction.shells["first"]
        assert shell.coordination == pytest.approx(14, abs=0.7), name
        assert shell.distance == pytest.approx(2.643 if ".06" in name else 2.650, abs=0.012), name
    sharp = {name: refined[name].rdf.shell("Fe-Fe", 1.9, 2.68).sigma2 for name in ("fe.060", "fe.300")}
    assert sharp["fe.300"] - sharp["fe.060"] == pytest.approx(0.0022, abs=0.0006)


def test_the_samples_have_mean_and_covariance_of_the_posterior(blind, scans):
    """But for negative densities, which are cut: their own scatter is in no error bar."""
    fits = blind._refined(Signals.of([scans["fe_0300K"]]), 1)[1]
    mean, covariance = fits.density[0].numpy(), fits.covariance[0, :160, :160].numpy()
    found = drawn(replace(fits, density=fits.density + 1e3), slice(None))[0].astype(float) - 1e3
    assert found.mean(axis=0) == pytest.approx(mean, abs=1e-3)
    assert np.cov(found.T, bias=True) == pytest.approx(covariance, abs=1e-3 * covariance.max())


def nobody(scans: int) -> tuple[torch.Tensor, torch.Tensor]:
    """No doubt."""
    return torch.zeros(scans).double(), torch.zeros(scans, 2).double()


def test_hypotheses_are_weighed_by_evidence():
    """Two that differ, one e times as likely: the mean, and a covariance that holds how far they are apart."""
    density, shared = torch.tensor([[1.0, 2.0], [3.0, 2.0]]).double(), torch.zeros(2, 1, dtype=torch.float64)
    covariance = torch.diag_embed(torch.tensor([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1]]).double())
    parts = torch.tensor([1.0, 0.0]).double(), torch.tensor([3, 4]), torch.tensor([True, False]), torch.ones(2).double()
    parts = *parts, *nobody(2)
    found = Fits(density, shared, covariance, *parts).averaged(torch.zeros(2).double())
    share = 0.95 / (0.95 + np.exp(-1.0) - 0.05)  # but for a twentieth of the likeliest
    assert found.density[0].tolist() == pytest.approx([share + 3 * (1 - share), 2.0])
    assert float(found.covariance[0, 0, 0]) == pytest.approx(0.1 * share + 0.3 * (1 - share) + 4 * share * (1 - share))
    assert (int(found.steps[0]), bool(found.settled[0])) == (3, True)
    unlikely = Fits(density, shared, covariance, *parts).averaged(torch.tensor([-2.0, 0.0]).double())
    assert unlikely.density[0].tolist() == pytest.approx([1 - share + 3 * share, 2.0])


@pytest.mark.parametrize(("times", "counts"), [(15, True), (25, False)])
def test_a_hypothesis_that_is_unlikely_widens_nothing(times, counts):
    """Less likely than one in twenty it is outside of 95 %; of a Gaussian as wide as both it would be inside."""
    parts = torch.tensor([0.0, -np.log(times)]).double(), torch.ones(2), torch.ones(2, dtype=torch.bool), torch.ones(2)
    density, shared = torch.tensor([[9.0], [12.0]]).double(), torch.zeros(2, 1).double()
    fits = Fits(density, shared, torch.zeros(2, 2, 2).double(), *parts, *nobody(2))
    variance = float(fits.averaged(torch.zeros(2).double()).covariance[0, 0, 0])
    share = (1 / times - 0.05) / (0.95 + 1 / times - 0.05)
    assert variance == pytest.approx(9 * share * (1 - share) if counts else 0.0)


def test_each_scan_has_its_own_hypotheses():
    """Two scans under two hypotheses: the first believes one, the second the other."""
    density = torch.tensor([[1.0], [2.0], [3.0], [4.0]]).double()
    evidence = torch.tensor([50.0, 0.0, 0.0, 50.0]).double()
    fits = Fits(
        density, torch.zeros(4, 1).double(), torch.zeros(4, 2, 2).double(), evidence, torch.tensor([1, 2, 3, 4]),
        torch.ones(4, dtype=torch.bool), torch.ones(4).double(), *nobody(4),
    )  # fmt: skip
    found = fits.averaged(torch.zeros(2).double())
    assert found.density[:, 0].tolist() == pytest.approx([1.0, 4.0])
    assert found.steps.tolist() == [1, 4]


def test_of_hypotheses_that_all_misfit_none_is_sure():
    fits = Fits(
        torch.tensor([[1.0], [3.0]]).double(), torch.zeros(2, 1).double(), torch.zeros(2, 2, 2).double(),
        torch.tensor([0.0, -8.0]).double(), torch.ones(2), torch.ones(2, dtype=torch.bool),
        torch.tensor([16.0, 20.0]).double(), *nobody(2),
    )  # fmt: skip
    share = (np.exp(-0.5) - 0.05) / (np.exp(-0.5) + 0.9)
    assert float(fits.averaged(torch.zeros(2).double()).density) == pytest.approx(1 + 2 * share)


@pytest.mark.parametrize("perfect", [True, False])
def test_a_model_that_knows_no_perfect_crystal_refines_what_it_knows(model, scans, perfect):
    """And says, where a standard is given, that it cannot learn from it."""
    atlas = model._parts.atlas
    known = np.flatnonzero(np.asarray(atlas.perfect) == perfect)[:40]
    part = replace(
        atlas, density=atlas.density[known], lattice=atlas.lattice[known], perfect=atlas.perfect[known],
        phases=tuple(atlas.phases[row] for row in known),
    )  # fmt: skip
    less = Model(replace(model._parts, atlas=part))
    found = Refiner(less).refine(scans["fe_0300K"])
    assert found.shells["first"].coordination == pytest.approx(14, abs=0.6 if perfect else 4)
    if not perfect:
        with pytest.raises(SettingsError, match="knows no bcc crystals"):
            Refiner(less, scans["fe_0300K"], "bcc:2.8667")


def missing_atoms(model, share):
    """Simulated χ(k) of a cold crystal, as a standard, and of one without a share of its atoms."""
    rows = [row for row, phase in enumerate(model.atlas.phases) if phase == "bcc" and bool(model.atlas.perfect[row])]
    cold = min(rows, key=lambda row: float(model.atlas._motion(model.pairs.scale)[row]))
    density = model.atlas.density[[cold]].numpy() * np.array([[1.0], [1 - share]])
    k = model.features.k_grid().astype(float)
    implied = model.ensemble.implied(density)
    chi = model.ensemble.as_measured(k, implied, np.full(2, 2.0), np.full(2, model.pairs.amplitude))
    chi = chi + 3e-4 * np.random.default_rng(0).standard_normal(chi.shape)
    where = {"absorber": "Fe", "edge": "K", "noise": 3e-4, "e0": 0.0, "edge_step": 1.0, "k_max_usable": 14.0}
    return [ChiK(k=k, chi=row, source="simulated", **where) for row in chi], float(model.atlas.lattice[cold])


def test_missing_atoms_are_counted(model):
    """With a standard of the same session. (Where less than a tenth is missing, the crystal is as likely.)"""
    (standard, sample), a = missing_atoms(model, 0.25)
    refiner = Refiner(model, standard, f"bcc:{a:.4f}")
    whole, lacking = (item.shells["first"].coordination for item in refiner.refine_all([standard, sample]))
    assert whole == pytest.approx(14, abs=0.2)
    assert lacking / whole == pytest.approx(0.75, abs=0.05)


def test_one_fit_begins_at_the_likeliest_rdfs(model, monkeypatch):
    """Not at the network's answer, of which it knows nothing."""
    (standard, sample), a = missing_atoms(model, 0.25)
    refiner, begun = Refiner(model, standard, f"bcc:{a:.4f}"), []
    mean, start = Likely.mean, model.answers(Signals.of([sample]), refiner.reference).density
    monkeypatch.setattr(Likely, "mean", lambda *given: begun.append(mean(*given)) or begun[-1])
    refiner.refine(sample)
    assert len(begun) == 1
    first = [float(moments(model.r, n, 1.9, 3.3)[0]) for n in (begun[0][0].numpy(), start[0])]
    assert first[0] == pytest.approx(0.75 * 14, abs=1.2)
    assert abs(first[0] - first[1]) > 0.05


@pytest.mark.parametrize(("name", "fits"), [("fe-k", 0), ("pd-k", 2)])
def test_where_oxides_are_known_two_fits_begin_at_the_likeliest_without_a_standard(name, fits, monkeypatch):
    """What is pure, and what is mixed: networks that know oxides take small particles for the warm bulk."""
    model, begun = load_model(name), []
    mean = Likely.mean
    monkeypatch.setattr(Likely, "mean", lambda *given: begun.append(mean(*given)) or begun[-1])
    atlas = model.atlas
    smallest = atlas.density[~atlas.perfect & ~atlas._beside].double().numpy()
    n = moments(atlas.r.numpy(), smallest[:, : len(atlas.r)], *model.ranges["first"])[:, 0]
    true = smallest[n.argsort()[len(n) // 4], None]
    k = model.features.k_grid().astype(float)
    chi = model.ensemble.as_measured(
        k, model.ensemble.implied(true), np.array([1.0]), np.array([model.pairs.amplitude])
    )
    where = {"noise": 1e-4, "e0": 0.0, "edge_step": 1.0, "k_max_usable": 14.0, "source": "simulated"}
    found = Refiner(model).refine(ChiK(k=k, chi=chi[0], absorber=model.absorber, edge=model.edge, **where))
    assert len(begun) == fits
    if fits:
        wanted = np.sort(n)[len(n) // 4]
        assert wanted < 10
        for start in begun:
            first = moments(atlas.r.numpy(), start[:, : len(atlas.r)].numpy(), *model.ranges["first"])[0, 0]
            assert first == pytest.approx(wanted, abs=1.2)
        assert found.shells["first"].coordination == pytest.approx(wanted, abs=1.2)


@pytest.fixture(scope="module")
def mixtures():
    """Palladium, oxidised from nothing to all of it, at an S₀² that nobody expects: shares; N found and true."""
    model = load_model("pd-k")
    atlas, shares = model.atlas, np.concatenate([np.arange(0.0, 0.16, 0.01), [0.3, 0.5, 0.7, 0.9, 1.0]])
    motion = atlas._motion(model.pairs.scale).tolist()
    metal, oxide = (
        atlas.density[[min((row for row, name in enumerate(atlas.phases) if name == phase), key=motion.__getitem__)]]
        .double()
        .numpy()
        for phase in ("fcc", "PdO")
    )
    density = (1 - shares[:, None]) * metal + shares[:, None] * oxide
    k = model.features.k_grid().astype(float)
    zeros, amplitudes = np.full(len(shares), model.pairs.e0), np.full(len(shares), 0.87 * model.pairs.amplitude)
    chi = model.ensemble.as_measured(k, model.ensemble.implied(density), zeros, amplitudes)
    chi = chi + 1e-4 * np.random.default_rng(0).standard_normal(chi.shape)
    where = {"absorber": "Pd", "edge": "K", "noise": 1e-4, "e0": 0.0, "edge_step": 1.0, "k_max_usable": 14.0}
    answers = Refiner(model).refine_all([ChiK(k=k, chi=row, source="simulated", **where) for row in chi])
    counts = {}
    for name, limits in model.ranges.items():
        true = model.partials.moments(density, model.partials.range(name, limits))[:, 0]
        counts[name] = [answer.shells[name] for answer in answers], true
    return shares, counts


@pytest.mark.parametrize("name", ["pd-k", "ni-k"])
def test_a_metal_and_its_oxide_share_the_absorbers_that_there_are(name):
    """Also where the oxide's metal atoms are in the metal's range, as those of PdO."""
    model = load_model(name)
    states, phases = model.states
    of = {kind: states[[phase == kind for phase in phases]].mean(axis=0) for kind in ("fcc", model.absorber + "O")}
    metal, oxide = of.values()
    mixed = np.stack([(1 - share) * metal + share * oxide for share in (0.0, 0.3, 0.7, 1.0)])
    assert model.ensemble.accounted(mixed) == pytest.approx(np.ones(4), abs=0.1)
    assert model.ensemble.accounted(1.5 * mixed) == pytest.approx(np.full(4, 1.5), abs=0.15)


@pytest.mark.parametrize("name", ["first", "first Pd-O"])
def test_mixtures_of_a_metal_and_its_oxide_are_counted(mixtures, name):
    shells, true = mixtures[1][name]
    for shell, n in zip(shells, true, strict=True):
        assert shell.coordination_low - 0.05 <= n <= shell.coordination_high


def test_the_share_of_an_oxide_is_told_whatever_the_amplitude_is(mixtures):
    (metal, all_metal), (oxygen, all_oxygen) = mixtures[1].values()
    ratio = np.array([o.coordination / m.coordination for o, m in zip(oxygen, metal, strict=True)])
    assert ratio == pytest.approx(all_oxygen / all_metal, abs=0.06, rel=0.15)


def test_no_step_is_where_a_metal_begins_to_be_a_mixture(mixtures):
    """One per cent more of the oxide changes N by no more than a few per cent of it."""
    shares, counts = mixtures
    for shells, _ in counts.values():
        n = np.array([shell.coordination for shell in shells])[shares < 0.155]
        assert np.abs(np.diff(n)).max() < 0.5


def test_a_standard_of_hcp_has_its_neighbours_where_they_are_on_average():
    cobalt = parse_structure("hcp:2.507,4.070")
    distances = cobalt.shells(3.0)
    assert cobalt.constant == pytest.approx(sum(n * r for r, n in distances) / 12, abs=1e-4)
    assert parse_structure("fcc:3.6149").constant == 3.6149


@pytest.mark.parametrize("zero", [-2.5, 2.5])
def test_the_zero_of_a_compound_is_found(tmp_path, zero):
    """Networks of compounds err in it by some eV, as of NiO and ZnSe: distances are right all the same."""
    toy.save_part(tmp_path / "toy.safetensors", "Sr")
    refiner, still = Refiner(load_model(str(tmp_path / "toy"))), toy.measured("Sr")
    k = np.sqrt(np.maximum(still.k**2 - K2_PER_EV * zero, 0.0))
    there, found = refiner.refine_all([still, replace(still, chi=np.interp(k, still.k, still.chi))])
    assert found.delta_e0 - there.delta_e0 == pytest.approx(zero, abs=0.7)
    for name, shell in there.shells.items():
        assert found.shells[name].distance == pytest.approx(shell.distance, abs=0.004), name


def test_what_is_of_any_composition_stays_near_the_answer(tmp_path):
    """Where data tell nothing the answer is the networks', and not the mean of the nearest known samples."""
    toy.save_part(tmp_path / "one.safetensors", "Sr")
    toy.save_part(tmp_path / "varied.safetensors", "Sr", pairs=toy.PAIRS.to_mapping() | {"mixed": [0.4, 0.4]})
    noisy, changes = toy.measured("Sr", noise=30.0), {}
    for name in ("one", "varied"):
        model = load_model(str(tmp_path / name))
        before, after = (answer.rdf.density for answer in (model.predict(noisy), Refiner(model).refine(noisy)))
        changes[name] = np.abs(after - before).sum() / before.sum()
    assert changes["varied"] < 0.02 < changes["one"]
