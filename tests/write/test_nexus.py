"""A NeXus file of a scan and its answer: what is in it, and that it is a scan again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from exafsnn_cli.main import run

import exafsnn
from exafsnn.write.nexus import write_nexus

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = SPECTRA / "fe_0300K.dat"


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("nexus") / "out"
    assert run(["predict", str(SCAN), "--export", "nexus", "-o", str(folder)]) == 0
    return folder / "fe_0300K.dat.nxs"


def test_it_is_a_scan_again(written: Path) -> None:
    chi, again = (exafsnn.read(path).to_chi() for path in (SCAN, written))
    assert (again.absorber, again.edge, again.e0) == (chi.absorber, chi.edge, chi.e0)
    assert again.temperature == chi.temperature == 300.0
    assert chi.spectrum
    assert again.spectrum
    np.testing.assert_array_equal(again.spectrum.mu, chi.spectrum.mu)
    np.testing.assert_allclose(again.chi, chi.chi, atol=1e-9)


def test_it_says_what_made_it(written: Path) -> None:
    with h5py.File(written) as file:
        entry = file["entry"]
        assert entry["definition"].asstr()[()] == "NXxasproc"
        assert {name: entry[name].attrs["NX_class"] for name in ("data", "exafs", "rdf", "process", "sample")} == {
            "data": "NXdata", "exafs": "NXdata", "rdf": "NXdata", "process": "NXprocess", "sample": "NXsample",
        }  # fmt: skip
        assert entry["process/program"].asstr()[()] == "exafsnn"
        parameters = entry["process/parameters"]
        assert parameters["raw_file"].asstr()[()] == str(SCAN)
        assert json.loads(parameters["background"].asstr()[()])["rbkg"] == 1.0
        assert parameters["model"].asstr()[()].startswith("fe-k (")
        assert entry["rdf/n_Fe-Fe"].shape == entry["rdf/r"].shape
        assert entry["exafs"].attrs["signal"] == "chi"
        assert entry["data/energy"].attrs["units"] == "eV"


def test_chi_of_a_file_has_no_mu(tmp_path: Path) -> None:
    chi = exafsnn.read(SCAN).to_chi()
    write_nexus(tmp_path / "chi.nxs", replace(chi, spectrum=None, background=None, e0=np.nan), None)
    with h5py.File(tmp_path / "chi.nxs") as file:
        assert set(file["entry"]) == {"definition", "title", "element", "edge", "sample", "process", "exafs"}
