"""Every numbered example runs and says something; notebooks run when the pages are made, and are kept clean."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_shows(path):
    """``sphinx-build`` runs it, and fails where it does."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert [cell["cell_type"] for cell in cells[:2]] == ["markdown", "code"]
    assert [cell["id"] for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
