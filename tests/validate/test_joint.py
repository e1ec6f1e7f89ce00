"""What a second edge is worth, on samples that are simulated by formulae; and error bars that both edges share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.infer.joint import load_joint
from exafsnn.infer.joint_refine import JointRefiner
from exafsnn.infer.predict import Model
from exafsnn.learn.training import CalibrationSettings
from exafsnn.validate import joint as validation
from exafsnn.validate.sessions import Beamline

from ..infer import toy_compound as toy


def beamline(model: Model, _libraries: object, _trial: object, seed: int) -> Beamline:
    """States that the toy knows, as its library would have them."""
    bank = toy.bank_of(model.absorber)
    return Beamline(bank, bank, model.pairs, model.features, (model.absorber, model.edge), seed)


def rms(answers, kind, quantity):
    return np.sqrt(np.mean([item.errors[quantity][0] ** 2 for item in answers if item.kind == kind]))


@pytest.mark.slow
def test_both_edges_are_tried_beside_each_alone(tmp_path, monkeypatch):
    path, told = toy.save_toy(tmp_path), []
    monkeypatch.setattr(validation, "beamline_of", beamline)
    monkeypatch.setattr(validation, "_PARTS", 2)
    settings = CalibrationSettings(sessions=10, scans=4)
    trial = validation.joint_tried(str(path), ([], []), ([], []), settings, 1, lambda *step: told.append(step))
    assert told == [(done, 4, "sessions at both edges") for done in (1, 2, 3, 4)]  # two parts without, two with foils
    assert [len(answers) for answers in (*trial.both, *trial.alone)] == [160] * 4
    for edge in (0, 1):
        both, alone = trial.both[edge], trial.alone[edge]
        assert [item.trajectory for item in both if item.kind == "refined blind"] == [
            item.trajectory for item in alone if item.kind == "refined blind"
        ]
    found, each = ([rms(of[edge], "refined blind", "distance") for edge in (0, 1)] for of in (trial.both, trial.alone))
    assert found[0] == pytest.approx(found[1], rel=1e-9)  # R of Sr-Br is that of Br-Sr
    assert found[0] < np.mean(each)
    validation.set_joint_error_bars(str(path), trial)
    model = load_joint(str(path))
    one, other = JointRefiner(model).refine([toy.measured(name, 5.62, seed=3) for name in toy.ELEMENTS])
    ours, theirs = one.shells["first"], other.shells["first"]
    assert theirs.coordination_std == pytest.approx(0.5 * ours.coordination_std, rel=0.02)
    assert theirs.distance_std == pytest.approx(ours.distance_std, rel=0.02)
    assert ours.distance_low < 0.4330 * 5.62 < ours.distance_high
    assert np.array_equal((0.5 * one.rdf.samples[:, 0]).astype(np.float16), other.rdf.samples[:, 0])
    page = validation.joint_card(model, trial)
    assert "Sr : Br = 1 : 2" in page
    assert page.count("| refined blind |") == 12


def test_libraries_of_unlike_states_are_refused(tmp_path, monkeypatch):
    path = toy.save_toy(tmp_path)

    def other(model: Model, libraries: object, trial: object, seed: int) -> Beamline:
        found = beamline(model, libraries, trial, seed)
        if model.absorber == "Br":
            found._bank = found._bank.subset(np.arange(20.0))
        return found

    monkeypatch.setattr(validation, "beamline_of", other)
    paths: tuple[list[Path], list[Path]] = ([], [])
    with pytest.raises(SettingsError, match="toy-sr and toy-br are not of the same states"):
        validation.joint_tried(str(path), paths, paths, CalibrationSettings(), 1, lambda *_: None)
