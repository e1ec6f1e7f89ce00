"""What a trained model is tried on: states that it has not seen, however few there are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.infer.predict import load_model
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.read.scan import read_one
from exafsnn.validate.calibration import answers_to, beamline_of

from .test_sessions import bank_of

SPECTRA = Path(__file__).parents[2] / "spectra"


@pytest.fixture
def tiny(monkeypatch):
    """Make a model of a library of one state."""
    library = SimpleNamespace(states=[0], checksum="x")
    monkeypatch.setattr("exafsnn.validate.calibration.load", lambda path: library)
    monkeypatch.setattr("exafsnn.validate.calibration.joined", lambda loaded, paths: library)
    monkeypatch.setattr("exafsnn.validate.calibration.make_bank", lambda joined, pairs: bank_of())

    def model(held_out):
        info = {"library": {"checksum": "x"}, "held_out_states": held_out}
        return SimpleNamespace(
            info=info, name="tiny", pairs=PairSettings(), features=FeatureSettings(), absorber="Fe", edge="K"
        )

    return model


def test_one_held_out_state_is_tried_too(tiny):
    session = next(beamline_of(tiny([0]), ["tiny.h5"], [], 1).sessions(1, 2, False))
    assert session.phases == ("fcc", "fcc")


def test_where_nothing_is_left_more_is_asked_for(tiny):
    with pytest.raises(SettingsError, match=r"no state is left to try the model on.*--trial"):
        beamline_of(tiny([]), ["tiny.h5"], [], 1)


def test_a_session_is_answered_as_its_scans_are():
    model = load_model("fe-k").uncalibrated()
    scans = [read_one(SPECTRA / f"fe_{name}K.dat").to_chi() for name in ("0300", "0900")]
    density = np.array([chi.rdf.density[0] for chi in model.predict_all(scans)])
    session = SimpleNamespace(
        standard=None, structure=None, known=None, scans=scans, density=density, states=[3, 4], phases=["bcc", "bcc"]
    )
    found = list(answers_to(model, session))
    assert [answer.kind for answer in found] == ["predicted blind", "refined blind"] * 2
    for answer, chi in zip(found[::2], scans, strict=True):
        assert answer.errors["coordination"][0] == pytest.approx(0.0, abs=1e-4)
        assert answer.errors["distance"][1] == pytest.approx(model.predict(chi).shells["first"].distance_std, rel=1e-3)
        assert answer.given.shape == (1, 8)
        assert 0 < answer.signs[0] < 0.1
        _, raw = answer.errors["coordination"]
        assert raw < 0.05 * model.predict(chi).shells["first"].coordination  # doubt about S₀² comes after the scales
    assert all(abs(answer.errors["distance"][0]) > 0 for answer in found[1::2])
