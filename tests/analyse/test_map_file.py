"""A map on disk is the same map, and whatever else is in such a file is refused before it is used."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load, save

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.analyse.map_file import map_bytes, read_map
from exafsnn.analyse.map_rows import RowAxis
from exafsnn.errors import ModelError
from exafsnn.records import Array

AXIS = RowAxis(count=30, edge="Fe K")


@pytest.fixture(scope="module")
def kept() -> tuple[SpectrumMap, Array, bytes]:
    rows = np.random.default_rng(0).standard_normal((12, 30))
    found = SpectrumMap(steps=5, hidden=8).fit(rows)
    return found, rows, map_bytes(found, AXIS, 2.5)


def test_it_comes_back_as_it_was(kept: tuple[SpectrumMap, Array, bytes], tmp_path: Path) -> None:
    found, rows, content = kept
    path = tmp_path / "map.safetensors"
    path.write_bytes(content)
    again, axis, limit = read_map(path)
    assert (axis, limit) == (AXIS, 2.5)
    assert np.array_equal(again.transform(rows), found.transform(rows))
    assert np.array_equal(
        again.inverse_transform(found.transform(rows)), found.inverse_transform(found.transform(rows))
    )
    assert again.get_params() == found.get_params()


def test_no_code_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "run",))

    path = tmp_path / "map.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(ModelError):
        read_map(path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("format", lambda info, arrays: info.update(format="other")),
        ("axis", lambda info, arrays: info["axis"].update(kind="odd")),
        ("axis", lambda info, arrays: info["axis"].update(count=10**9)),
        ("χ(k) at 5000 places", lambda info, arrays: info["axis"].update(kind="chi", count=5000)),
        ("its own mean", lambda info, arrays: arrays.update(basis_=1e300 * arrays["basis_"])),
        ("its own mean", lambda info, arrays: info.update(noise_=1e-320)),
        ("key", lambda info, arrays: info["axis"].update(odd=1)),
        ("missing", lambda info, arrays: info.pop("size_")),
        ("number", lambda info, arrays: info.update(noise_="1")),
        ("shape", lambda info, arrays: arrays.update(mean_=np.zeros(7))),
        ("shape", lambda info, arrays: arrays.pop("turn_")),
        ("shape", lambda info, arrays: info["parameters"].update(hidden=9)),
        ("units", lambda info, arrays: info["parameters"].update(hidden=10**9)),
        ("finite", lambda info, arrays: arrays.update(mean_=np.full(30, np.nan))),
        ("line", lambda info, arrays: arrays.update(turn_=np.zeros((3, 2)))),
    ],
)
def test_what_is_no_map_is_refused(
    what: str, change: object, kept: tuple[SpectrumMap, Array, bytes], tmp_path: Path
) -> None:
    del what
    content = kept[2]
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    info, arrays = json.loads(header["__metadata__"]["info"]), dict(load(content))
    assert callable(change)
    change(info, arrays)
    path = tmp_path / "map.safetensors"
    path.write_bytes(save(arrays, {"info": json.dumps(info)}))
    with pytest.raises(ModelError, match="map"):
        read_map(path)


@pytest.mark.parametrize("cut", [0, 5, 100, -10])
def test_a_cut_file_is_refused(cut: int, kept: tuple[SpectrumMap, Array, bytes], tmp_path: Path) -> None:
    path = tmp_path / "map.safetensors"
    path.write_bytes(kept[2][:cut])
    with pytest.raises(ModelError, match="map"):
        read_map(path)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing.*No such file.*Check the path"):
        read_map(tmp_path / "nothing")
