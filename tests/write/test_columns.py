"""Files of columns: what other programs read of a scan, in every space."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run

from exafsnn.read.scan import read_one
from exafsnn.write.archive import read_scan

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = str(SPECTRA / "fe_0300K.dat")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("columns") / "out"
    asked = ["--export", "columns", "--export", "wavelet", "--ft-kweight", "1", "--ft-kweight", "3"]
    assert run(["predict", SCAN, *asked, "--ft-window", "kaiser", "--ft-range", "1.2", "3", "-o", str(folder)]) == 0
    return folder


def table(path: Path) -> dict[str, np.ndarray]:
    """Columns by their names, which stand in the last line of the head."""
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    return dict(zip(head[-1][2:].split(), np.loadtxt(path).T, strict=True))


def test_all_of_them_are_listed(results: Path) -> None:
    facts = json.loads((results / "settings.json").read_text())
    ends = ("mu", "chik", "rdf")
    names = {f"fe_0300K.dat.{end}" for end in ends} | {
        f"fe_0300K.dat-k{weight}.{end}" for weight in (1, 3) for end in ("chir", "chiq")
    }
    assert {*names, "wavelet-fe_0300K.dat.png"} <= set(facts["files"])
    assert facts["exports"] == {"names": ["columns", "wavelet"], "kweights": [1, 3], "window": "kaiser",
                                "k_range": None, "dk": None, "r_range": [1.2, 3.0]}  # fmt: skip
    assert (results / "wavelet-fe_0300K.dat.png").read_bytes()[:4] == b"\x89PNG"


def test_mu_is_normalised_and_flattened_as_by_larch(results: Path) -> None:
    from larch.xafs import pre_edge

    mu = table(results / "fe_0300K.dat.mu")
    assert list(mu) == ["energy", "mu", "pre_edge", "post_edge", "background", "norm", "flat"]
    group = read_one(SCAN).to_chi().to_larch()
    np.testing.assert_allclose(mu["flat"], group.flat, atol=1e-7)
    behind = mu["energy"] > 7112 + 150
    assert mu["flat"][behind].mean() == pytest.approx(1.0, abs=0.01)
    pre_edge(group)  # by larch's own defaults it is nearly the same
    np.testing.assert_allclose(mu["norm"][behind], group.norm[behind], atol=0.03)


def test_chi_and_its_model_are_those_of_the_archive(results: Path) -> None:
    chi, kept = table(results / "fe_0300K.dat.chik"), read_scan(results / "results.h5", SCAN)
    np.testing.assert_allclose(chi["chi"], kept["chi/chi"], atol=1e-8)
    inside = np.isfinite(kept["chi/chi_model"])
    np.testing.assert_allclose(chi["chi_model"][inside], kept["chi/chi_model"][inside], atol=1e-8)
    rdf = table(results / "fe_0300K.dat.rdf")
    np.testing.assert_allclose(rdf["n_Fe-Fe"], kept["rdf/density"][0], rtol=1e-6, atol=1e-8)


def test_larch_makes_the_same_chi_of_r_of_the_column(results: Path) -> None:
    from larch import Group
    from larch.xafs import xftf

    chi, found = table(results / "fe_0300K.dat.chik"), table(results / "fe_0300K.dat-k3.chir")
    said = (results / "fe_0300K.dat-k3.chir").read_text(encoding="utf-8")
    low, high = (float(said.split("window ")[1].split(" to ")[place].split()[0]) for place in (0, 1))
    group = Group()
    xftf(chi["k"], chi["chi"], group=group, kmin=low, kmax=high, dk=1, kweight=3, window="kaiser")
    np.testing.assert_allclose(found["mag"], group.chir_mag, atol=1e-4 * group.chir_mag.max())
    assert found["mag_model"].max() == pytest.approx(found["mag"].max(), rel=0.2)


def test_without_an_answer_there_is_no_model(tmp_path: Path) -> None:
    assert run(["preprocess", SCAN, "--export", "columns", "-o", str(tmp_path / "out")]) == 0
    assert list(table(tmp_path / "out" / "fe_0300K.dat.chik")) == ["k", "chi"]
    assert not list((tmp_path / "out").glob("*.rdf"))


def test_options_that_would_do_nothing_are_wrong_usage(tmp_path: Path) -> None:
    assert run(["predict", SCAN, "--ft-kweight", "1", "-o", str(tmp_path / "out")]) == 2
    assert run(["predict", SCAN, "--export", "athena", "--ft-range", "1", "2", "-o", str(tmp_path / "out")]) == 2
    assert run(["predict", SCAN, "--export", "columns", "--ft-range", "3", "1", "-o", str(tmp_path / "out")]) == 2
    assert run(["predict", SCAN, "--export", "columns", "--ft-krange", "9", "4", "-o", str(tmp_path / "out")]) == 2


def test_range_and_slopes_are_those_that_were_asked_for(tmp_path: Path) -> None:
    from larch import Group
    from larch.xafs import xftf

    asked = ["--export", "columns", "--ft-krange", "4", "11", "--ft-dk", "2"]
    assert run(["preprocess", SCAN, *asked, "-o", str(tmp_path / "out")]) == 0
    chi, found = (table(tmp_path / "out" / f"fe_0300K.dat{end}") for end in (".chik", "-k2.chir"))
    group = Group()
    xftf(chi["k"], chi["chi"], group=group, kmin=4, kmax=11, dk=2, kweight=2, window="hanning")
    np.testing.assert_allclose(found["mag"], group.chir_mag, atol=1e-6 * group.chir_mag.max())
