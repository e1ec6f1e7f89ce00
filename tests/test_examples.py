"""Every numbered example runs and says something."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path):
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "N " in done.stdout or "N =" in done.stdout
