"""The root of the command line: help, and exit codes of what goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from exafsnn_cli import main
from exafsnn_cli.main import run

from exafsnn import __version__
from exafsnn.errors import LibraryError

COMMANDS = ("predict", "refine", "series", "preprocess", "simulate", "train", "models", "doctor")


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "-h"]) == 0
    assert "Usage: exafsnn" in capsys.readouterr().out


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = "import json, sys; from exafsnn_cli.main import run; run(['--help']); print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & {"numpy", "scipy", "torch", "larch", "matplotlib", "h5py", "tqdm"}


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bake"]) == 2
    assert "No such command 'bake'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [(KeyboardInterrupt(), 130), (LibraryError("damaged"), 4), (OSError(28, "No space left"), 4)],
)
def test_what_goes_wrong_has_its_code(error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("exafsnn.simulate.library.build", fail)
    assert run(["simulate", __file__, "-o", "library.h5"]) == code


def test_defect_of_ours_leaves_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("surprise")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("exafsnn.simulate.library.build", fail)
    assert run(["simulate", __file__, "-o", "library.h5"]) == 1
    (log,) = tmp_path.glob("*.log")
    assert "surprise" in log.read_text()
    assert str(log) in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_log_goes_elsewhere_if_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    log = main._write_log("text")
    assert log.parent != tmp_path
    log.unlink()
