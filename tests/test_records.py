"""Records, settings, errors and the public names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

import exafsnn
from exafsnn.errors import Finding, ScanError, SettingsError
from exafsnn.infer.estimates import Reference
from exafsnn.infer.joint import load_any as load_model
from exafsnn.records import ChiK, Estimate, Exchange, Lattice, Order, PartialRDF, Prediction, Shell, Spectrum
from exafsnn.run.outcomes import Outcome
from exafsnn.run.series import Course
from exafsnn.settings import BackgroundSettings


def test_records_are_frozen(make_prediction: Callable[..., Prediction]) -> None:
    with pytest.raises(FrozenInstanceError):
        make_prediction().amplitude = 1.0  # type: ignore[misc]


def test_each_record_shows_itself_in_one_line(make_prediction: Callable[..., Prediction]) -> None:
    """However long its names are: arrays are not printed."""
    long = "/data/" + "a very long name of a scan " * 20
    prediction = make_prediction(long, "record")
    chi, shell = prediction.chi, prediction.shells["first"]
    finding = Finding("glitch", "warning", "A spike at 7200 eV. " * 30)
    share = Estimate(0.25, 0.02, 0.21, 0.29)
    order = Order("Fe-Ni", 1.9, 3.3, Estimate(14.0, 1.0, 12.0, 16.0), share, Estimate(0.1, 0.05, 0.0, 0.2))
    lattice = Lattice("bcc", {"bcc": (1.0, 0.01)}, (2.866, 0.001), (11.8, 0.1), (7.87, 0.01), 0.02)
    reference = Reference(3.2, 0.7, 0.75, 0.015, long, "bcc:2.8665")
    exchange = Exchange("Fe-Ni", 1.9, 3.3, 4.1, prediction.rdf.density)
    outcome, refused = Outcome(long, chi=chi, prediction=prediction), Outcome(long, reason="no edge. " * 90)
    shown = [
        repr(item)
        for item in (
            chi, chi.spectrum, prediction, prediction.rdf, shell, share, order, exchange, lattice, finding, reference,
            outcome, refused, BackgroundSettings(rbkg=1.2, kmax=14.0), load_model("fe-k"), load_model("znse"),
            Course((outcome,), (lattice,), None, "temperature"),
        )
    ]  # fmt: skip
    assert max(map(len, shown)) <= 200
    assert not [line for line in shown if "\n" in line or "array(" in line]
    assert f"Fe-Fe {shell.numbers}" in repr(prediction)
    assert "foreign, no numbers" in repr(make_prediction(in_domain=False))
    assert repr(BackgroundSettings(rbkg=1.2)) == "BackgroundSettings(rbkg=1.2)"


def test_an_answer_says_how_well_it_explains_its_scan(make_prediction: Callable[..., Prediction]) -> None:
    misfit = Finding("misfit", "warning", "the RDF leaves 9 % of k²χ unexplained")
    assert make_prediction().verdict == "explains 98% of the scan"
    assert make_prediction(misfit=0.3, misfit_noise=1.1).verdict == "explains the scan within its noise"
    assert make_prediction(findings=(misfit,), misfit=0.094).verdict == "misses 9% of the scan"
    assert make_prediction(in_domain=False, findings=(misfit,)).verdict == "foreign: not what the model knows"


def test_spectrum_opens_the_door_to_chi(monkeypatch: pytest.MonkeyPatch, make_chi: Callable[..., ChiK]) -> None:
    chi = make_chi()
    asked = []

    def fake(spectrum: Spectrum, settings: BackgroundSettings | None) -> ChiK:
        asked.append((spectrum, settings))
        return chi

    monkeypatch.setattr("exafsnn.measure.scans.remove_background", fake)
    spectrum = Spectrum(np.arange(3.0), np.ones(3), "Fe", "K")
    assert spectrum.to_chi() is chi
    assert spectrum.to_chi(BackgroundSettings(rbkg=1.1)) is chi
    assert asked == [(spectrum, None), (spectrum, BackgroundSettings(rbkg=1.1))]


def test_rdf_opens_the_door_to_its_shells(make_prediction: Callable[..., Prediction]) -> None:
    shell = make_prediction().rdf.shell("Fe-Fe", 1.9, 3.3)
    assert shell.coordination == pytest.approx(14, abs=0.05)
    assert shell.distance == pytest.approx((8 * 2.485 + 6 * 2.870) / 14, abs=0.005)


def test_finding_says_the_remedy() -> None:
    assert Finding("glitch", "warning", "A spike at 7200 eV").sentence == "A spike at 7200 eV"
    assert Finding("a", "note", "A spike", remedy="Cut it").sentence == "A spike. Cut it"


def test_error_says_what_where_and_what_to_do() -> None:
    error = ScanError("no edge", where="a.dat", remedy="Measure one")
    assert str(error) == "a.dat: no edge. Measure one"
    assert error.sentence == "no edge. Measure one"


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"unknown key rbgk.*Known keys are.*rbkg"):
        BackgroundSettings.from_mapping({"rbgk": 1.0})


def test_settings_survive_a_round_trip() -> None:
    settings = BackgroundSettings(rbkg=1.2, kmax=14.0)
    assert BackgroundSettings.from_mapping(settings.to_mapping()) == settings


@pytest.mark.parametrize("name", exafsnn.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(exafsnn, name) is not None
    assert name in dir(exafsnn)


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        exafsnn.colour  # noqa: B018


def test_without_samples_the_errors_of_a_range_are_not_known(make_prediction: Callable[..., Prediction]) -> None:
    shell = make_prediction().without_samples().rdf.shell("Fe-Fe", 1.9, 3.3)
    assert shell.coordination > 13
    assert all(math.isnan(value) for value in (shell.coordination_std, shell.distance_low, shell.sigma2_high))


R = np.arange(1.6, 6.4, 0.03) + 0.015


def two_pairs(exchanges: tuple[Exchange, ...] = ()) -> PartialRDF:
    """Platinum about platinum, 8 ± 0.4, and tin, 4 ± 0.4, as sure together as each alone is not: ± 0.2."""
    normal = np.random.default_rng(0).standard_normal((200, 2))
    normal = np.linalg.solve(np.linalg.cholesky(np.cov(normal.T, bias=True)), (normal - normal.mean(axis=0)).T).T
    platinum, tin = 8 + 0.4 * normal[:, 0], 4 - 0.35 * normal[:, 0] + np.sqrt(0.4**2 - 0.35**2) * normal[:, 1]
    peaks = [np.exp(-0.5 * ((R - 2.77) / 0.09) ** 2), np.exp(-0.5 * ((R - 2.8) / 0.1) ** 2)]
    peaks = [peak / peak.sum() / 0.03 for peak in peaks]
    samples = np.stack([np.outer(n, peak) for n, peak in zip((platinum, tin), peaks, strict=True)], axis=1)
    told = tuple(
        Shell(pair, 2.3, 3.3, n, 2 * 0.4, n - 1.6, n + 1.6, r, 0.01, r - 0.02, r + 0.02, 0.008, 1e-3, 6e-3, 0.01, 0, 0)
        for pair, n, r in (("Pt-Pt", 8.0, 2.77), ("Pt-Sn", 4.0, 2.8))
    )
    density = np.stack([8 * peaks[0], 4 * peaks[1]])
    return PartialRDF(R, ("Pt-Pt", "Pt-Sn"), density, samples.std(axis=0), samples, told=told, exchanges=exchanges)


def test_each_pair_has_errors_as_wide_as_its_own_calibrated_ones() -> None:
    """Those of tin are twice its samples' spread, and not what platinum's are."""
    rdf = two_pairs()
    tin = replace(rdf.told[1], coordination_std=3 * 0.4)
    rdf = replace(rdf, told=(rdf.told[0], tin))
    assert rdf.shell("Pt-Sn", 2.3, 3.3) == tin
    assert rdf.shell("Pt-Pt", 2.31, 3.3).coordination_std == pytest.approx(0.8, rel=1e-3)
    assert rdf.shell("Pt-Sn", 2.31, 3.3).coordination_std == pytest.approx(1.2, rel=1e-3)


def test_together_pairs_are_surer_than_alone() -> None:
    """Their samples are anticorrelated: var(a + b) = var a + var b + 2 cov(a, b)."""
    total = two_pairs().total(2.3, 3.3)
    assert (total.pair, total.coordination) == ("Pt-Pt+Pt-Sn", pytest.approx(12, rel=1e-4))
    assert total.distance == pytest.approx((8 * 2.77 + 4 * 2.8) / 12, abs=1e-4)
    assert total.coordination_std == pytest.approx(2 * np.sqrt(2 * 0.4**2 - 2 * 0.4 * 0.35), rel=1e-3)


def test_of_one_pair_the_total_is_the_pair(make_prediction: Callable[..., Prediction]) -> None:
    rdf = make_prediction().rdf
    assert rdf.total(1.9, 3.3) == rdf.shell("Fe-Fe", 1.9, 3.3)


def test_what_the_data_do_not_tell_is_in_the_error_of_each_pair_and_not_of_both() -> None:
    rdf = two_pairs()
    other = np.stack([np.zeros_like(R), rdf.density[1] + rdf.density[0]])
    exchange = Exchange("Pt-Pt", 2.3, 3.3, 0.0, other)
    doubted = two_pairs((exchange,))
    assert (exchange.probability, exchange.is_open) == (0.5, True)
    platinum, tin = (doubted.shell(pair, 2.3, 3.3) for pair in doubted.pairs)
    assert platinum.coordination_low == pytest.approx(0, abs=1e-9)
    assert platinum.coordination_std == pytest.approx(np.hypot(0.8, 8 / np.sqrt(2)), rel=1e-3)
    assert tin.coordination_high == pytest.approx(12, rel=1e-3)
    assert doubted.shell("Pt-Pt", 2.31, 3.3).coordination_std == pytest.approx(platinum.coordination_std, rel=1e-3)
    assert doubted.total(2.3, 3.3) == rdf.total(2.3, 3.3)
    told = two_pairs((replace(exchange, delta_chi2=20.0),))
    assert not told.exchanges[0].is_open
    assert told.shell("Pt-Pt", 2.3, 3.3) == rdf.shell("Pt-Pt", 2.3, 3.3)
