"""A model survives the disk; a damaged one is refused in words; loading runs no code."""

from __future__ import annotations

import json
import pickle

import pytest
import torch

from exafsnn.errors import ModelError
from exafsnn.infer.predict import load_model
from exafsnn.learn.model_file import SHIPPED, find_model, read_model, save_model, shipped_models


@pytest.fixture
def copy(tmp_path):
    for suffix in (".safetensors", ".json"):
        (tmp_path / f"own{suffix}").write_bytes((SHIPPED / f"fe-k{suffix}").read_bytes())
    return tmp_path / "own.safetensors"


def test_the_shipped_model_is_small_and_says_what_it_is():
    assert "fe-k" in shipped_models()
    assert find_model("fe-k").stat().st_size <= 4e6
    info = load_model("fe-k").info
    assert info["library"]["states"] >= 200
    assert info["library"]["sites"] >= 12000
    assert len(info["library"]["plan"]["treatments"]) > 1
    assert info["members"] >= 5


def test_a_copy_is_the_same_model(copy):
    one, other = read_model("fe-k"), read_model(str(copy))
    assert one.checksum == other.checksum
    for mine, theirs in zip(one.members, other.members, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine.parameters(), theirs.parameters(), strict=True))


def test_saving_twice_gives_the_same_bytes(tmp_path):
    for name in ("one", "other"):
        save_model(tmp_path / f"{name}.safetensors", {}, {"x": torch.arange(5.0)})
    assert (tmp_path / "one.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("cut", [0, 7, 100, 100_000])
def test_a_truncated_model_is_refused(copy, cut):
    copy.write_bytes(copy.read_bytes()[:cut])
    with pytest.raises(ModelError, match=r"not those|cannot be read"):
        read_model(str(copy))


def test_one_changed_bit_is_noticed(copy):
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    with pytest.raises(ModelError, match="not those that the JSON"):
        read_model(str(copy))


def test_a_pickle_is_not_run(tmp_path):
    class Trap:
        def __reduce__(self):
            return (exit, ("the model ran code",))

    path = tmp_path / "trap.safetensors"
    path.write_bytes(pickle.dumps(Trap()))
    (tmp_path / "trap.json").write_text(json.dumps({"format": "exafsnn-model-1", "sha256": "0"}))
    with pytest.raises(ModelError):
        read_model(str(path))


def test_an_unknown_setting_is_refused(copy):
    path = copy.with_suffix(".json")
    info = json.loads(path.read_text())
    info["features"]["kmx"] = 3
    path.write_text(json.dumps(info))
    with pytest.raises(Exception, match="unknown key"):
        read_model(str(copy))


def test_a_missing_model_names_those_there_are():
    with pytest.raises(ModelError, match="fe-k"):
        read_model("fe-l")
