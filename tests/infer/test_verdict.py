"""A misfit is judged by its size and its place: what theory leaves passes, what a glitch leaves is told."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.infer.estimates import Limit, Signals
from exafsnn.infer.predict import load_model
from exafsnn.infer.reference import calibrate
from exafsnn.infer.refine import Refiner
from exafsnn.infer.verdict import damping_finding, misfit_of
from exafsnn.read.scan import read_one
from exafsnn.run.scans import predict_scans

from .conftest import DEMONSTRATION

K = np.arange(0.0, 15.01, 0.05)
WAVE = np.sin(5 * K) * np.exp(-0.01 * K**2)


def signals(chi: np.ndarray, noise: float = 1e-5) -> Signals:
    chi = np.atleast_2d(chi)
    return Signals(K, chi, np.full(len(chi), noise), np.full(len(chi), 15.0), np.full(len(chi), 7112.0))


def bump(k: float, size: float, width: float = 0.3) -> np.ndarray:
    """A bell of k²χ, as large as ``size``."""
    return size * np.exp(-4 * np.log(2) * ((K - k) / width) ** 2) / np.maximum(K, 1.0) ** 2


def test_noise_is_no_misfit():
    noise = 2e-3
    drawn = np.random.default_rng(1).standard_normal((50, len(K))) * noise
    found = misfit_of(signals(WAVE + drawn, noise), np.tile(WAVE, (50, 1)), 3.0, 13.0)
    assert found.noise == pytest.approx(np.ones(50), abs=0.25)
    assert found.left.max() < 0.3 * found.r_factor.max()
    assert np.median(found.local) < 0.05


@pytest.mark.parametrize("k", [4.0, 8.0, 12.0])
def test_a_bump_is_found_where_it_is(k):
    """Its power in a stretch of 0.6 Å⁻¹: a bell of width w has √(π / (8 ln 2)) w of its height squared."""
    found = misfit_of(signals(WAVE + bump(k, 1.0)), WAVE[None], 3.0, 13.0)
    use = (K >= 3) & (K <= 13)
    expected = np.sqrt(np.sqrt(np.pi / (8 * np.log(2))) * 0.3 / 0.6 / np.mean((K**2 * WAVE)[use] ** 2))
    assert found.at[0] == pytest.approx(k, abs=0.11)
    assert found.local[0] == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("r", [0.5, 0.8, 1.1])
def test_waves_below_the_atoms_are_found_by_their_size_and_those_of_atoms_are_not(r):
    wave = 0.2 * np.sin(2 * K * r + 0.4) / np.maximum(K, 1.0) ** 2
    there, beyond = misfit_of(signals(np.stack([WAVE + wave, 1.3 * WAVE])), np.tile(WAVE, (2, 1)), 3.0, 13.0).below
    assert there == pytest.approx(0.2 / np.sqrt(2), rel=0.05)
    assert beyond < 0.01 * 0.3 * np.sqrt(np.mean((K**2 * WAVE)[(K > 3) & (K < 13)] ** 2))


def test_noise_is_nothing_below_the_atoms():
    drawn = np.random.default_rng(2).standard_normal((200, len(K))) * 2e-3
    found = misfit_of(signals(WAVE + drawn, 2e-3), np.tile(WAVE, (200, 1)), 3.0, 13.0)
    assert np.mean(found.below > 0) < 0.02


def test_what_lies_outside_the_window_does_not_count():
    found = misfit_of(signals(WAVE + bump(14.2, 5.0)), WAVE[None], 3.0, 13.0)
    assert found.local[0] < 0.02
    assert found.r_factor[0] < 1e-3


def test_one_is_many():
    scans = np.stack([WAVE, WAVE + bump(6.0, 0.5), 1.1 * WAVE])
    together = misfit_of(signals(scans), np.tile(WAVE, (3, 1)), 3.0, np.array([12.0, 13.0, 9.0]))
    for row, (chi, k_max) in enumerate(zip(scans, (12.0, 13.0, 9.0), strict=True)):
        alone = misfit_of(signals(chi), WAVE[None], 3.0, k_max)
        for name in ("r_factor", "noise", "local", "at", "below"):
            assert getattr(together, name)[row] == pytest.approx(getattr(alone, name)[0])


def test_a_standard_of_the_same_session_sharpens_the_limit():
    wave = 0.03 * WAVE
    larger = wave * (1 + 0.7 * np.exp(-0.5 * ((K - 8.0) / 0.8) ** 2))
    found = misfit_of(signals(np.stack([larger] * 2)), np.tile(wave, (2, 1)), 3.0, 13.0)
    alone = found.excess("refined")
    beside = found.excess("refined", Limit(0.001, 0.02, 0.01), np.array([True, False]))
    assert alone[0] < 1 < beside[0]
    assert beside[1] == alone[1]


@pytest.fixture(scope="module")
def clean():
    return read_one(DEMONSTRATION / "fe_0300K.dat").to_chi()


@pytest.fixture(scope="module")
def glitched(clean):
    """A smooth bell over 12 points, as large as the oscillations."""
    bell = np.exp(-4 * np.log(2) * ((clean.k - 8.0) / 0.45) ** 2)
    return replace(clean, chi=clean.chi + 1.2 * np.abs(clean.chi[(clean.k > 7) & (clean.k < 9)]).max() * bell)


def test_a_glitch_is_told_with_its_place_and_the_clean_scan_is_not(model, clean, glitched):
    for answer in (model.predict, Refiner(model, clean, "bcc:2.8667").refine):
        sound, damaged = answer(clean), answer(glitched)
        assert not sound.findings
        assert sound.in_domain
        names = {finding.name for finding in damaged.findings}
        assert names & {"misfit", "foreign"}
        assert damaged.shells["first"].distance_std > 1.3 * sound.shells["first"].distance_std
        if "misfit" in names:
            (told,) = (finding for finding in damaged.findings if finding.name == "misfit")
            assert "near k = 8" in told.message


def test_more_atoms_than_space_holds_are_told(model, clean):
    """χ(k) weighted with k by another program: 50 neighbours."""
    weighted = model.predict(replace(clean, chi=4 * clean.chi))
    assert "too-many-neighbours" in {finding.name for finding in weighted.findings}
    assert any("weighted with k" in warning for warning in weighted.warnings)


def test_what_is_wrong_with_a_standard_stands_in_every_answer(model, clean):
    damped = replace(clean, chi=0.55 * clean.chi)
    reference = calibrate(model, damped, "bcc:2.8667")
    names = {finding.name for finding in model.predict(clean, reference).findings}
    assert {"standard-amplitude", "too-many-neighbours"} <= names
    assert not calibrate(model, clean, "bcc:2.8667").findings


def test_what_a_refined_standard_leaves_stands_in_every_answer(model, clean, glitched):
    """And what is said of it is said once."""
    refiner = Refiner(model, glitched, "bcc:2.8667")
    assert refiner.reference
    names = [finding.name for finding in refiner.reference.findings]
    assert "standard-misfit" in names
    assert len(set(names)) == len(names)
    assert not [name for name in names if name.startswith("standard-standard")]
    assert {finding.name for finding in refiner.refine(clean).findings} >= set(names)


def test_what_is_wrong_with_a_model_is_not_its_standards_fault(model, clean):
    names = {finding.name for finding in calibrate(model.uncalibrated(), clean, "bcc:2.8667").findings}
    assert "standard-uncalibrated" not in names


def test_a_scan_of_unknown_zero_is_not_taken_for_one_of_the_session(model, clean):
    reference = calibrate(model, clean, "bcc:2.8667")
    assert reference.is_beside(np.array([clean.e0, np.nan, clean.e0 + 3])).tolist() == [True, False, False]
    assert reference.is_elsewhere(np.array([clean.e0, np.nan, clean.e0 + 3])).tolist() == [False, False, True]


IRON, OF_COPPER = str(DEMONSTRATION / "fe_0300K.dat"), {"structure": "fcc:3.6149"}


def test_a_reference_that_serves_no_scan_is_wrong_usage(data_dir):
    """It is told before the first answer."""
    copper = str(data_dir / "cu/cu_metal_rt.xdi")
    with pytest.raises(SettingsError, match=r"is of Cu K, the scans are of Fe K.*Give a reference"):
        next(predict_scans([IRON], references=[copper], **OF_COPPER))


def test_a_reference_may_be_of_scans_that_are_done_or_cannot_be_read(data_dir, tmp_path):
    copper = str(data_dir / "cu/cu_metal_rt.xdi")
    done = list(predict_scans([IRON, copper], references=[copper], done={(copper, ""): 1}, **OF_COPPER))
    assert [outcome.status for outcome in done] == ["ok"]
    (tmp_path / "torn.dat").write_text("# energy mu\n8900 0.1\n")
    torn = list(predict_scans([str(tmp_path / "torn.dat"), IRON], references=[copper], **OF_COPPER))
    assert [outcome.status for outcome in torn] == ["rejected", "warned"]
    assert "is of Cu K, the scans are of Fe K: it serves none of them" in torn[1].warnings[0]


def test_every_range_has_errors_by_every_way(model, clean):
    """Those of ``first`` are the same; the second shell's are as much wider than its samples' spread."""
    prediction = model.predict(clean)
    told = prediction.shells["first"]
    assert prediction.rdf.shell("Fe-Fe", *model.ranges["first"]) == told
    nearly = prediction.rdf.shell("Fe-Fe", 1.9001, 3.3)
    for name in ("coordination", "distance", "sigma2"):
        for end in ("std", "low", "high"):
            key = f"{name}_{end}"
            assert getattr(nearly, key) == pytest.approx(getattr(told, key), rel=0.02), key
    second = prediction.rdf.shell("Fe-Fe", 3.5, 4.5)
    bare = replace(prediction.rdf, told=()).shell("Fe-Fe", 3.5, 4.5)
    assert second.coordination_std >= 0.15 * second.coordination
    assert second.sigma2_std > bare.sigma2_std
    assert second.distance_std >= bare.distance_std == prediction.rdf.apart  # by which foils and beamlines differ
    assert second.distance_low < second.distance < second.distance_high


def test_numbers_of_what_is_foreign_come_with_a_word():
    """Distances of iron times 0.62: the RDF leaves more than there is. Who insists is told once."""
    chi = read_one(DEMONSTRATION / "fe_0300K.dat").to_chi()
    model = load_model("fe-k")
    foreign = model.predict(replace(chi, chi=np.interp(0.62 * chi.k, chi.k, chi.chi)))
    assert not foreign.in_domain
    (said,) = (finding.message for finding in foreign.findings if finding.name == "foreign")
    assert re.search(r"explains nothing of the signal \(what is left is 1\.\d+ times as strong\), they disagree", said)
    assert re.search(r"disagree by \d+ %, and", said)
    assert not re.search(r"\d%", said)
    expected = r"^fe_0300K\.dat is outside the model's domain: .*Do not trust the RDF$"
    with pytest.warns(UserWarning, match=expected) as told:
        shells = [foreign.rdf.shell("Fe-Fe", 1.9, high) for high in (3.3, 3.2)]
    assert len(told) == 1
    assert Path(told[0].filename).name == "test_verdict.py"
    assert all(np.isfinite(shell.coordination) for shell in (*shells, foreign.rdf.total(1.9, 3.3)))
    assert model.predict(chi).rdf.shell("Fe-Fe", 1.9, 3.3).coordination > 10  # without a word


def test_another_compound_is_foreign_to_zinc_selenide(data_dir):
    """Zinc sulfide, by either way; and its own scan is not."""
    sulfide, selenide = (data_dir / name for name in (
        "compounds/Chorover13BM_ZnS_aldrich_rt_01.xdi", "znse/zn_znse_rt.xdi"
    ))  # fmt: skip
    if not sulfide.exists():
        pytest.skip(f"{sulfide} is not there")
    own = load_model("znse-zn")
    for path, known in ((sulfide, False), (selenide, True)):
        chi = read_one(str(path)).to_chi()
        assert [way(chi).in_domain for way in (own.predict, Refiner(own).refine)] == [known, known]


@pytest.mark.parametrize("name", ["oxides/FeO_rt_01.xdi", "oxides/Fe2O3_rt_01.xdi", "oxides/fes2_rt01_mar02.xmu"])
def test_other_materials_are_foreign(data_dir, name):
    (outcome,) = predict_scans([str(data_dir / name)])
    assert outcome.status == "foreign"
    assert any(finding.name == "foreign" for finding in outcome.findings)


@pytest.mark.parametrize(("size", "told"), [(0.35, True), (0.5, True), (0.7, True), (0.8, True), (0.99, False)])
def test_a_crystal_that_lacks_amplitude_in_all_shells_is_told_beside_its_standard(model, clean, size, told):
    """As pinholes and harmonics make it; N counts by the standard's amplitude, and its error holds the crystal's."""
    found = Refiner(model, clean, "bcc:2.8667").refine(replace(clean, chi=size * clean.chi))
    assert ("damped" in {finding.name for finding in found.findings}) == told
    shell = found.shells["first"]
    assert abs(shell.coordination - 14) < 2 * shell.coordination_std
    assert (shell.coordination < 13.6) == told
    assert shell.coordination_low <= 14 <= shell.coordination_high


@pytest.mark.parametrize("pinholes", [0.05, 0.2])
def test_pinholes_in_a_copper_foil_are_told(data_dir, pinholes):
    spectrum = read_one(data_dir / "cu/cu_metal_rt.xdi")
    clean = spectrum.to_chi()
    thick = 2.2 / clean.edge_step * (spectrum.mu - spectrum.mu.min()) + 0.3
    holed = replace(spectrum, mu=-np.log((1 - pinholes) * np.exp(-thick) + pinholes)).to_chi()
    found = Refiner(load_model("cu-k"), clean, "fcc:3.6149").refine(holed)
    assert "damped" in {finding.name for finding in found.findings}
    shell = found.shells["first"]
    assert shell.coordination < 11  # the signal is 0.81 and 0.58 of the clean one's
    assert shell.coordination_high > 12
    assert shell.coordination + 2 * shell.coordination_std > 12


def test_a_short_scan_may_leave_more_below_the_atoms():
    """The spline of its background has fewer knots."""
    wave = 0.1 * np.sin(2 * K * 0.8) / np.maximum(K, 1.0) ** 2
    damaged = signals(np.stack([0.03 * WAVE + wave] * 2))
    found = misfit_of(damaged, np.tile(0.03 * WAVE, (2, 1)), 3.0, np.array([10.0, 13.5]))
    assert found.below == pytest.approx(0.1 / np.sqrt(2), rel=0.1)
    short, whole = found.excess("refined")
    assert short < 0.7 * whole


def test_a_damping_is_told_with_its_sign():
    for share, said in ((0.2, "20% smaller"), (-0.3, "30% larger")):
        found = damping_finding(share)
        assert found
        assert f"all shells are {said}" in found.message
    assert damping_finding(0.03) is None
