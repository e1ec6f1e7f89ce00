"""A stack of raw scans, all at once: each gets the answer, or the refusal, that it gets alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from exafsnn.errors import ExafsnnError, ModelError, ScanError
from exafsnn.infer.predict import Model, load_model
from exafsnn.read.scan import read_one
from exafsnn.records import Prediction, Spectrum
from exafsnn.run.scans import answer_stack

SIMULATED = sorted((Path(__file__).parents[2] / "spectra").glob("fe_*.dat"))[::3]


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("fe-k")


@pytest.fixture(scope="module")
def stack() -> tuple[Spectrum, np.ndarray]:
    """Six sound scans, one that is cut off, one with a glitch, and one so noisy that it ends too early."""
    scans = [read_one(path) for path in SIMULATED]
    like = Spectrum(scans[0].energy, scans[0].mu, "Fe", "K", source="stack.h5")
    dead, glitch, noisy = scans[0].mu.copy(), scans[0].mu.copy(), scans[-1].mu.copy()
    dead[100:] = np.nan
    glitch[250] += 0.3
    noisy += 5e-4 * np.random.default_rng(1).standard_normal(len(noisy))
    return like, np.array([*(scan.mu for scan in scans), dead, glitch, noisy])


def alone(like: Spectrum, mu: np.ndarray, model: Model) -> Prediction | ExafsnnError:
    try:
        return model.predict(replace(like, mu=mu).to_chi())
    except ExafsnnError as error:
        return error


def test_a_stack_is_what_its_scans_are(stack, model):
    like, mu = stack
    (found,) = answer_stack(like, mu, model)
    for row in range(len(mu)):
        expected = alone(like, mu[row], model)
        if isinstance(expected, ExafsnnError):
            assert found.refusals[row].reason == expected.reason
            assert np.isnan(found.answers.shells["first"].coordination[row])
            continue
        for name in ("coordination", "distance", "sigma2"):
            value, std = (getattr(expected.shells["first"], key) for key in (name, f"{name}_std"))
            assert getattr(found.answers.shells["first"], name)[row] == pytest.approx(value, abs=1e-2 * std), (
                row,
                name,
            )
            assert getattr(found.answers.shells["first"], f"{name}_std")[row] == pytest.approx(std, rel=1e-2)
    assert {type(error) for error in found.refusals.values()} == {ScanError, ModelError}


def test_chunks_of_a_file(stack, model, tmp_path):
    like, mu = stack
    with h5py.File(tmp_path / "stack.h5", "w") as file:
        file["mu"] = mu
        parts = list(answer_stack(like, file["mu"], model, chunk=4))
    (whole,) = answer_stack(like, mu, model)
    assert [part.chi.first for part in parts] == [0, 4, 8]
    assert sorted(number for part in parts for number in part.refusals) == sorted(whole.refusals)
    coordination = np.concatenate([part.answers.shells["first"].coordination for part in parts])
    np.testing.assert_allclose(coordination, whole.answers.shells["first"].coordination, rtol=1e-4)


def test_a_stack_of_another_edge_is_refused_at_once(stack, model):
    like, mu = stack
    with pytest.raises(ModelError, match="Cu K"):
        answer_stack(replace(like, absorber="Cu"), mu, model)
