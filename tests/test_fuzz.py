"""A short run of ``benchmarks/fuzz.py``: damaged files of every kind are read or refused in words."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path

import pytest

from exafsnn.learn import model_file

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.MonkeyPatch.context() as patch:  # what the script takes out of the loader is put back
        for name in ("info_checksum", "_named_info"):
            patch.setattr(model_file, name, getattr(model_file, name))
        yield module


@pytest.mark.parametrize(("target", "inputs"), [("text", 3000), ("model", 600), ("hdf5", 300)])
def test_damage_is_read_or_refused(fuzz, tmp_path, target, inputs):
    defects = []
    fates = fuzz.TARGETS[target][0](tmp_path, inputs, 3, lambda data, trace: defects.append(trace))
    assert not defects, defects[0]
    assert sum(fates.values()) == inputs
    assert fates["read"] > 0.02 * inputs


def test_a_defect_is_noticed(fuzz, tmp_path):
    def broken(path):
        raise KeyError(path)

    assert fuzz.fate(broken, tmp_path)[0] == "DEFECT"


def test_a_hang_is_noticed(fuzz, tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "HANG", 0.05)

    def slow(path):
        while True:
            pass

    word, trace = fuzz.fate(slow, tmp_path)
    assert word == "DEFECT"
    assert "HangError" in trace


def test_a_hang_where_errors_of_the_system_are_expected_is_noticed(fuzz, tmp_path, monkeypatch):
    """Both readers turn any OSError, as TimeoutError is, into an error of ours."""

    def slow(*_, **__):
        time.sleep(10)

    good = fuzz.model_seed(tmp_path)
    (tmp_path / "m.safetensors").write_bytes(good[1])
    (tmp_path / "m.json").write_text(json.dumps(good[0]))
    (tmp_path / "scan.h5").write_bytes(fuzz.hdf5_seeds(tmp_path)[0])
    assert fuzz.fate(fuzz.check_model, tmp_path / "m.safetensors") == ("read", "")
    assert fuzz.fate(fuzz.check_scan, tmp_path / "scan.h5") == ("read", "")
    monkeypatch.setattr(fuzz, "HANG", 0.2)
    monkeypatch.setattr("exafsnn.learn.model_file.json.loads", slow)
    monkeypatch.setattr("exafsnn.read.nexus.h5py.File", slow)
    for check, name in ((fuzz.check_model, "m.safetensors"), (fuzz.check_scan, "scan.h5")):
        word, trace = fuzz.fate(check, tmp_path / name)
        assert word == "DEFECT"
        assert "HangError" in trace
