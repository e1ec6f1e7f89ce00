"""Measured iron foils of two beamlines, whose structure is known.

Nothing was fitted to them. How large the theory's errors are in training, how often phases are mixed there, how wide
the networks are and how they recognise a phase was chosen after earlier models had been tried on them, too.

Skipped where the folder of measured scans is absent.
"""

from __future__ import annotations

import pytest

from exafsnn.infer.reference import calibrate

COLD = ("fe.060", "fe.061", "fe.062")
WARM = ("fe.300", "fe.301", "Fe_metal_rt_02.xdi")


@pytest.fixture(scope="module")
def blind(model, iron_chi):
    return {name: model.predict(chi) for name, chi in iron_chi.items()}


@pytest.fixture(scope="module")
def referenced(model, iron_chi):
    reference = calibrate(model, iron_chi["fe.300"], "bcc:2.8665")
    return {name: model.predict(chi, reference) for name, chi in iron_chi.items()}


@pytest.mark.parametrize("name", [*COLD, *WARM])
def test_fourteen_neighbours_without_a_reference(blind, name):
    assert blind[name].shells["first"].coordination == pytest.approx(14.0, abs=0.7)


@pytest.mark.parametrize(("name", "distance"), [*((n, 2.643) for n in COLD), *((n, 2.650) for n in WARM)])
def test_mean_distance_without_a_reference(blind, name, distance):
    assert blind[name].shells["first"].distance == pytest.approx(distance, abs=0.012)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [*((n, 0.4) for n in COLD), ("fe.300", 0.4), ("fe.301", 0.4), ("Fe_metal_rt_02.xdi", 0.6)],
)
def test_fourteen_neighbours_with_a_reference(referenced, name, tolerance):
    assert referenced[name].shells["first"].coordination == pytest.approx(14.0, abs=tolerance)


def test_cooling_sharpens_the_first_peak(referenced):
    cold, warm = (referenced[name].rdf.shell("Fe-Fe", 1.9, 2.67).sigma2 for name in ("fe.060", "fe.300"))
    assert warm - cold == pytest.approx(0.0022, abs=0.0006)


def test_repeats_agree(blind):
    coordination = [blind[name].shells["first"].coordination for name in COLD]
    assert max(coordination) - min(coordination) < 0.1


def test_iron_is_in_the_domain(blind):
    assert all(prediction.in_domain for prediction in blind.values())


@pytest.mark.parametrize("name", ["FeO_rt_01.xdi", "Fe2O3_rt_01.xdi", "fes2_rt01_mar02.xmu"])
def test_what_is_no_metal_is_not_trusted(model, data_dir, name):
    from exafsnn.measure.readers import read_one

    prediction = model.predict(read_one(data_dir / "oxides" / name).to_chi())
    assert not prediction.in_domain
    assert any("outside the model's domain" in warning for warning in prediction.warnings)
