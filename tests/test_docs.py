"""What the pages say to type works: commands and Python of every page that is not named here with a reason."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from exafsnn_cli.main import root

from .conftest import ROOT

PAGES = sorted((ROOT / "docs").rglob("*.md"))
NOT_RUN = {
    "cluster.md": "asks for a cluster (tests/run/test_cluster.py has one)",
    "pairs.md": "its scans are a user's (tests/analyse/test_order.py)",
    "results.md": "its folder is a user's (tests/write/test_results.py)",
    "scattering.md": "asks for FEFF's tables of a minute (tests/physics/test_scattering.py)",
}
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"\bexafsnn ([a-z]+)((?: [^`|#&;\n]*)?)")


def pages_with_blocks() -> list[Path]:
    return [page for page in PAGES if _BLOCK.search(page.read_text(encoding="utf-8")) and page.name not in NOT_RUN]


@pytest.mark.parametrize("page", pages_with_blocks(), ids=lambda page: page.stem)
def test_a_page_can_be_followed_to_the_letter(page: Path, tmp_path: Path) -> None:
    """In a folder that has the demonstration scans, one block after the other."""
    shutil.copytree(ROOT / "spectra", tmp_path / "spectra")
    program = "import sys; sys.argv[0] = 'exafsnn'; from exafsnn_cli.main import main; main()"
    found = os.pathsep.join([str(Path(root.callback.__code__.co_filename).parents[1]), *sys.path])
    for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "python":
            commands = [[sys.executable, "-c", text]]
        else:
            lines = text.replace("\\\n", " ").splitlines()
            asked = [shlex.split(line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]
            assert all(words[0] == "exafsnn" for words in asked)
            commands = [[sys.executable, "-c", program, *words[1:]] for words in asked]
        for command in commands:
            done = subprocess.run(
                command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
                env=os.environ | {"PYTHONPATH": found, "MPLBACKEND": "agg"},
            )  # fmt: skip
            assert done.returncode == 0, f"{shlex.join(command[3:])}\n{done.stderr}"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_commands_and_options_of_a_page_are_there(page: Path) -> None:
    for name, words in _COMMAND.findall(page.read_text(encoding="utf-8")):
        command = root.commands.get(name)
        if command is None:
            assert name in ("make", "doctor") or not words.strip().startswith("-"), f"exafsnn {name}"
            continue
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        for option in re.findall(r"(?<!\S)--[a-z][a-z0-9-]*", words):
            assert option in known | {"--help"}, f"exafsnn {name} {option}"


def test_every_page_is_in_the_contents() -> None:
    text = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
        assert name == "index" or name.startswith(("_build", "gallery")) or re.search(rf"^{name}$", text, re.MULTILINE)


def test_the_citation_names_this_version() -> None:
    from exafsnn import __version__

    assert f"version: {__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
