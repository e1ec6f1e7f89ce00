"""A short run of ``benchmarks/fuzz.py``: damaged files of every kind are read or refused in words."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "fuzz.py"


@pytest.fixture(scope="module")
def fuzz():
    spec = importlib.util.spec_from_file_location("fuzz", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    assert "TimeoutError" in trace
