"""The shipped model, and the measured iron scans, read once."""

from __future__ import annotations

from pathlib import Path

import pytest

from exafsnn.infer.predict import load_model
from exafsnn.read.scan import read_one

DEMONSTRATION = Path(__file__).parents[2] / "spectra"


@pytest.fixture(scope="session")
def model():
    return load_model("fe-k")


@pytest.fixture(scope="session")
def iron_chi(data_dir):
    names = ("fe.060", "fe.061", "fe.062", "fe.300", "fe.301", "Fe_metal_rt_02.xdi")
    return {name: read_one(data_dir / "fe" / name).to_chi() for name in names}
