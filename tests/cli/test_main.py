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

COMMANDS = ("predict", "refine", "series", "map", "preprocess", "simulate", "train", "models", "doctor")


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


def output_of(redirection: str, encoding: str = "utf-8") -> tuple[int, bytes, str]:
    """Exit code, standard output and error of a list of models with Å and ±, redirected by a shell."""
    command = f'"{sys.executable}" -c "from exafsnn_cli.main import main; main()" models {redirection}'
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, shell=True, capture_output=True, env=environment, check=False)  # noqa: S602
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "latin-1", "ascii", "utf-8"])
def test_every_encoding_takes_the_table(encoding: str) -> None:
    code, shown, said = output_of("", encoding)
    known = shown.decode("utf-8" if encoding == "ascii" else encoding)  # which click takes for an oversight
    assert (code, said) == (0, "")
    assert "n(r) (Å)" in known
    assert ("k max (Å⁻¹)" in known) == (encoding in ("utf-8", "ascii"))
    assert ("k max (Å?¹)" in known) == (encoding in ("cp1252", "latin-1"))


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize("redirection", [">&-", ">&- 2>&- <&-", "< /dev/null | true", "1< /dev/null", "2> /dev/full"])
def test_nobody_who_listens_is_no_fault(redirection: str) -> None:
    code, _, said = output_of(f"{redirection}; exit $?")
    assert (code, said) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_table_that_is_lost_on_a_full_disk_is_told() -> None:
    code, _, said = output_of("> /dev/full")
    assert code == 4
    assert "standard output: cannot be written: No space left on device" in said


@pytest.mark.parametrize("command", ["predict", "refine", "series", "preprocess", "simulate", "train"])
@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_output_is_wrong_usage(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([command, __file__, "-o", name]) == 2
    assert "Invalid value for '-o': it is empty" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("option", ["--watch", "--values"])
def test_an_empty_path_is_wrong_usage(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["series", __file__, option, ""]) == 2
    assert f"Invalid value for '{option}': it is empty" in capsys.readouterr().err


LONG = 4500 * "x"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["preprocess", LONG], 4, "there is no such file"),
        (["preprocess", f"{LONG}::record"], 4, "there is no such file"),
        (["preprocess", 2250 * "x/"], 4, "there is no such file"),
        (["preprocess", __file__, "-o", LONG], 4, "too long: give a shorter one"),
        (["preprocess", __file__, "-o", f"a/{LONG}/b"], 4, "too long: give a shorter one"),
        (["preprocess", __file__, "-o", 2000 * "x/"], 4, "too many folders in one another"),
        (["predict", __file__, "--model", LONG], 2, "no such model"),
        (["predict", __file__, "--reference", LONG, "--structure", "bcc:2.87"], 4, "there is no such file"),
        (["series", "--watch", LONG], 2, "there is no such folder"),
        (["make", f"{LONG}.toml"], 2, "cannot be read"),
    ],
)
def test_a_path_that_is_too_long_gets_a_sentence(
    arguments: list[str], code: int, said: str,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.glob("*.log"))


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_log_goes_elsewhere_if_it_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o500)
    monkeypatch.chdir(tmp_path)
    log = main._write_log("text")
    assert log.parent != tmp_path
    log.unlink()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--complete", shell]) == 0
    assert "_EXAFSNN_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "said"), [("exafsnn pre", "plain,predict"), ("exafsnn predict spec", "file,spec")])
def test_commands_and_files_are_completed(words: str, said: str) -> None:
    program = "import sys; sys.argv[0] = 'exafsnn'; from exafsnn_cli.main import main; main()"
    asked = {"_EXAFSNN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | asked, check=True
    )
    assert said in done.stdout.split()
