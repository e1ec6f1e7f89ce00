"""What a trained model is tried on: states that it has not seen, however few there are."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from exafsnn.errors import SettingsError
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.validate.calibration import beamline_of

from .test_sessions import bank_of


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
