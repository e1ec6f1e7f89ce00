"""Workers do all tasks, and none outlives its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exafsnn.errors import ExafsnnError
from exafsnn.workers import run_all, undisturbed

SLEEPERS = """
import os, signal, subprocess, sys, tempfile, time
from pathlib import Path
from exafsnn.workers import run_all

class Scratch(tempfile.TemporaryDirectory):
    def __exit__(self, *error):
        time.sleep(self.slowness)  # one worker still clears up when the other is gone
        super().__exit__(*error)

def sleep(task):
    folder, slowness = task
    scratch = Scratch(dir=folder, prefix="scratch")
    scratch.slowness = slowness
    with scratch:
        (Path(folder) / f"{os.getpid()}.pid").touch()
        subprocess.run([sys.executable, "-c", SLEEP, folder])

SLEEP = "import os, sys, time; open(f'{sys.argv[1]}/{os.getpid()}.pid', 'w'); time.sleep(60)"
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is deaf to it
    try:
        list(run_all(sleep, [(sys.argv[1], slowness) for slowness in (0.0, 0.5, 0.0)], 2))
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_all_tasks_are_done(workers):
    assert sorted(run_all(abs, [-1, -2, 3], workers)) == [(-2, 2), (-1, 1), (3, 3)]


def test_an_error_of_a_worker_is_ours():
    with pytest.raises(TypeError):
        list(run_all(abs, ["x", -1], 2))


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_run(tmp_path, number):
    script, folder = tmp_path / "sleepers.py", tmp_path / "folder"
    script.write_text(SLEEPERS)
    folder.mkdir()
    process = subprocess.Popen([sys.executable, str(script), str(folder)], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list(folder.glob("*.pid"))) == 4)
    process.send_signal(number)
    assert process.wait(20) == (130 if number == signal.SIGINT else -number)
    pids = [int(path.stem) for path in folder.glob("*.pid")]
    wait_for(lambda: not any(map(is_alive, pids)))
    assert not list(folder.glob("scratch*"))


def wait_for(condition):
    end = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_is_undisturbed_is_done_before_an_interruption():
    done = []

    def run():
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run()
    assert done == [1, 1]


SENDERS = """
from exafsnn.workers import in_order

def much(number):
    return bytes(20_000_000)

if __name__ == "__main__":
    for number, _ in enumerate(in_order(much, range(40), 2)):
        if number == 3:
            raise KeyboardInterrupt
"""


def test_a_run_ends_though_workers_are_sending(tmp_path):
    """Who waits for the other half of a result of a worker that is gone would wait for ever."""
    script = tmp_path / "senders.py"
    script.write_text(SENDERS)
    for _ in range(3):
        done = subprocess.run([sys.executable, str(script)], capture_output=True, timeout=60, check=False, text=True)
        assert "KeyboardInterrupt" in done.stderr


def test_a_worker_that_is_killed_is_told():
    with pytest.raises(ExafsnnError, match="ended from outside"):
        list(run_all(os._exit, [1, 2], 2))
