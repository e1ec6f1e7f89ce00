"""The heating series of ``spectra/``: simulated with a potential and a FEFF that the model was not trained on."""

from __future__ import annotations

import csv
from itertools import pairwise

import numpy as np
import pytest

from exafsnn.analyse.shells import moments
from exafsnn.measure.readers import read_one

from .conftest import DEMONSTRATION

NAMES = sorted(path.stem for path in DEMONSTRATION.glob("*.dat"))


@pytest.fixture(scope="module")
def true_rdf():
    with (DEMONSTRATION / "true_rdf.csv").open(newline="") as stream:
        lines = [line for line in stream if not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


@pytest.fixture(scope="module")
def predictions(model):
    return {name: model.predict(read_one(DEMONSTRATION / f"{name}.dat").to_chi()) for name in NAMES}


def test_there_are_enough_temperatures():
    assert len(NAMES) >= 14


@pytest.mark.parametrize("name", NAMES)
def test_rdf_and_its_integrals(predictions, true_rdf, name):
    rdf = predictions[name].rdf
    r, found = rdf.r, rdf.density[0]
    true = np.interp(r, true_rdf["r"], true_rdf[name])
    pairs = list(pairwise(np.arange(2.0, 5.61, 0.1)))
    theirs, ours = ([float(moments(r, n, low, high)[0]) for low, high in pairs] for n in (true, found))
    assert np.abs(np.subtract(ours, theirs)).sum() / np.sum(theirs) <= 0.15
    ours, theirs = (moments(r, n, 1.9, 3.3) for n in (found, true))
    assert ours[0] == pytest.approx(theirs[0], abs=0.5)
    assert ours[1] == pytest.approx(theirs[1], abs=0.015)


def test_hot_fcc_is_not_taken_for_bcc(predictions):
    """Second neighbours in the gap of fcc between 2.58 and 3.65 Å would be bcc's at 2.9 Å."""
    for name, prediction in predictions.items():
        gap = prediction.rdf.shell("Fe-Fe", 1.9, 3.3).coordination
        assert (gap > 13.2) == (int(name[3:7]) < 1185), name
