"""Sessions of Larix: the scans in them are read, and nothing else of them is looked at."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from exafsnn_cli.main import run

import exafsnn
from exafsnn.errors import ScanError
from exafsnn.read.scan import read_all, read_one
from exafsnn.records import ChiK, Spectrum

SPECTRA = Path(__file__).parents[2] / "spectra"


@pytest.fixture(scope="module")
def scan() -> Spectrum:
    return exafsnn.read(SPECTRA / "fe_0300K.dat")


def packed(values: np.ndarray) -> dict[str, object]:
    """An array as larch 2026 writes it."""
    inner = {"_type_": "b64ndarray", "shape": list(values.shape), "dtype": values.dtype.str,
             "value": base64.b64encode(values.tobytes()).decode()}  # fmt: skip
    return {"__class__": "b64ndarray", "__value__": json.dumps(inner)}


def listed(values: np.ndarray) -> dict[str, object]:
    """The same as older ones do."""
    return {"__class__": "Array", "__shape__": list(values.shape), "__dtype__": "float64", "value": values.tolist()}


def session(path: Path, groups: dict[str, dict[str, object]], *, zipped: bool = True) -> Path:
    """A session that shows these groups."""
    shown = {"__class__": "Dict", **{label: f"g{number}" for number, label in enumerate(groups)}}
    symbols = {"_xasgroups": shown, **{f"g{number}": group for number, group in enumerate(groups.values())}}
    lines = ["##LARIX: 1.0      Larch Session File", "##<Symbols: count=9>"]
    for name, value in symbols.items():
        lines += [f"<:{name}:>", json.dumps(value)]
    text = "\n".join([*lines, "##</Symbols>"]).encode()
    path.write_bytes(gzip.compress(text) if zipped else text)
    return path


def test_larchs_own_session(tmp_path: Path, scan: Spectrum) -> None:
    from larch import Interpreter
    from larch.io.save_restore import save_session

    larch = Interpreter()
    group = scan.to_chi().to_larch()
    larch.symtable.set_symbol("fe300", group)
    larch.symtable.set_symbol("_xasgroups", {"iron, 300 K": "fe300"})
    save_session(str(tmp_path / "own.larix"), _larch=larch)
    ((name, found),) = read_all(tmp_path / "own.larix")
    assert name.endswith("own.larix")  # of one group the file's is enough
    assert isinstance(found, Spectrum)
    assert (found.absorber, found.edge) == ("Fe", "K")
    np.testing.assert_array_equal(found.energy, group.energy)
    np.testing.assert_array_equal(found.mu, group.mu)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("written", [packed, listed])
def test_both_ways_of_writing_arrays(tmp_path: Path, scan: Spectrum, written, zipped: bool) -> None:
    group = {"__class__": "Group", "energy": written(scan.energy), "mu": written(scan.mu), "atsym": "Fe", "edge": "K"}
    path = session(tmp_path / "a.larix", {"one": group, "two": group}, zipped=zipped)
    found = read_one(f"{path}::two")
    assert isinstance(found, Spectrum)
    np.testing.assert_array_equal(found.mu, scan.mu)


def test_chi_of_a_group_that_has_no_mu(tmp_path: Path, scan: Spectrum) -> None:
    chi = scan.to_chi()
    group = {"k": packed(chi.k), "chi": packed(chi.chi), "atsym": "Fe", "edge": "K"}
    found = read_one(session(tmp_path / "a.larix", {"chi": group}))
    assert isinstance(found, ChiK)
    np.testing.assert_allclose(found.chi[: len(chi.chi)], chi.chi, atol=1e-12)


def test_one_bad_group_does_not_stop_the_others(tmp_path: Path, scan: Spectrum) -> None:
    good = {"energy": packed(scan.energy), "mu": packed(scan.mu), "atsym": "Fe", "edge": "K"}
    groups = {
        "good": good,
        "short": good | {"mu": packed(scan.mu[:-1])},
        "text": good | {"mu": {"__class__": "Array", "value": ["a"]}},
        "objects": good | {"mu": {"__class__": "b64ndarray", "__value__": json.dumps(
            {"dtype": "|O", "value": "AAAA", "shape": [1]})}},
        "broken": good | {"mu": {"__class__": "b64ndarray", "__value__": "{"}},
        "empty": {},
    }  # fmt: skip
    found = dict(read_all(session(tmp_path / "a.larix", groups)))
    kinds = {name.split("::")[1]: type(item) for name, item in found.items()}
    assert kinds == {"good": Spectrum} | dict.fromkeys(("short", "text", "objects", "broken", "empty"), ScanError)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"##LARIX: 1.0\n##<Symbols: count=0>\n##</Symbols>\n", "holds no scans"),
        (b"##LARIX: 1.0\n<:g:>\n{\"mu\": \n", "line 3: the value of g is damaged"),
    ],
)  # fmt: skip
def test_what_is_no_whole_session_is_told(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.larix").write_bytes(content)
    with pytest.raises(ScanError, match=reason):
        read_one(tmp_path / "a.larix")


def test_the_command(tmp_path: Path, scan: Spectrum) -> None:
    group = {"energy": packed(scan.energy), "mu": packed(scan.mu), "atsym": "Fe", "edge": "K"}
    path = session(tmp_path / "a.larix", {"iron": group, "again": group})
    assert run(["preprocess", str(path), "-o", str(tmp_path / "out")]) == 0
    assert "a.larix,iron," in (tmp_path / "out" / "summary.csv").read_text()
