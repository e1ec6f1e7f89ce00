"""Records, settings, errors and the public names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import exafsnn
from exafsnn.errors import Finding, ScanError, SettingsError
from exafsnn.records import ChiK, Prediction, Spectrum
from exafsnn.settings import BackgroundSettings


def test_records_are_frozen(make_prediction: Callable[..., Prediction]) -> None:
    with pytest.raises(FrozenInstanceError):
        make_prediction().amplitude = 1.0  # type: ignore[misc]


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
