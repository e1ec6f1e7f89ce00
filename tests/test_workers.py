"""Workers do all tasks, and none outlives its run."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from exafsnn.errors import ExafsnnError
from exafsnn.processes import run_program
from exafsnn.workers import DEATHS, Cluster, Shared, _versions, in_order, reach, run_all, undisturbed

needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are looked up in /proc")

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
    except (FileNotFoundError, ProcessLookupError):  # the second: it ended while its file was open
        return False


@needs_proc
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


def test_what_is_undisturbed_is_done_before_an_interruption(request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background is deaf to it
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
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


FATES = """
import os, signal, time
from pathlib import Path
from exafsnn.processes import run_program

def mortal(task):
    \"\"\"Die as often as is told, then answer.\"\"\"
    folder, number, deaths = task[:3]
    for death in range(deaths):
        grave = Path(folder) / f"{number}-{death}"
        if not grave.exists():
            grave.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return number * (task[3].value if len(task) > 3 else 1)

def stay(_):
    \"\"\"Leave a thread for which the process waits, as it ends.\"\"\"
    import threading
    threading.Thread(target=time.sleep, args=(60,)).start()
    return os.getpid()

def echo(content):
    return content

def large():
    return 1000

def unspeakable(task):
    class Hidden(Exception):
        pass
    raise Hidden("of this function only")

def fail(task):
    raise ValueError("no such thing")

def scratch(task):
    import tempfile
    with tempfile.TemporaryDirectory() as name:
        return name

def program(task):
    \"\"\"Run a program with a child of its own, both noting who they are.\"\"\"
    script = f"echo > $$.pid; sleep 60 & echo > $!.pid; echo > {os.getpid()}.worker; wait"
    run_program(["/bin/sh", "-c", script], Path(task), 60.0)

if __name__ == "__main__":
    import sys
    from exafsnn.workers import run_all
    list(run_all(program, [sys.argv[1], sys.argv[1]], 2))
"""


@pytest.fixture(scope="module")
def fates(tmp_path_factory):
    """A module that workers may import, too."""
    folder = tmp_path_factory.mktemp("fates")
    (folder / "fates.py").write_text(FATES)
    sys.path.insert(0, str(folder))
    yield importlib.import_module("fates")
    sys.path.remove(str(folder))
    del sys.modules["fates"]


@contextmanager
def local_cluster(workers):
    """Workers of Dask, none of which is given up however often it dies."""
    dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"}),
        distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0") as made,
    ):
        yield made


@pytest.fixture(scope="module")
def cluster(fates):
    """Two workers of Dask."""
    with local_cluster(2) as made:
        yield made


def given_up(task, reason):
    return f"{task[1]}: {reason}"


@pytest.mark.parametrize("way", [run_all, in_order])
def test_a_task_whose_worker_dies_is_done_again(fates, tmp_path, way):
    tasks = [(str(tmp_path), number, 2 * (number == 1)) for number in range(5)]
    found = list(way(fates.mortal, tasks, 2))
    assert len(list(tmp_path.iterdir())) == 2
    assert found == list(range(5)) if way is in_order else dict(found) == dict(zip(tasks, range(5), strict=True))


def test_a_task_of_which_workers_die_is_given_up_and_the_others_are_done(fates, tmp_path):
    tasks = [(str(tmp_path), number, 9 * (number == 1)) for number in range(5)]
    found = dict(run_all(fates.mortal, tasks, 2, given_up))
    assert found.pop(tasks[1]).startswith(
        "1: 3 worker processes died of it, the last one: ended from outside by SIGKILL"
    )
    assert sorted(found.values()) == [0, 2, 3, 4]
    assert len(list(tmp_path.iterdir())) == DEATHS
    with pytest.raises(ExafsnnError, match=r"3 worker processes died of the same task.* what is done is kept"):
        list(run_all(fates.mortal, [(str(tmp_path), 1, 9)], 2))


def test_a_run_in_which_every_task_kills_ends(fates, tmp_path):
    with pytest.raises(ExafsnnError, match="died of the same task"):
        list(run_all(fates.mortal, [(str(tmp_path), number, 9) for number in range(9)], 2, given_up))


def test_a_worker_that_cannot_end_is_ended(fates, monkeypatch):
    """Libraries may hang as their process ends; what it did is known."""
    monkeypatch.setattr("exafsnn.processes._PATIENCE", 0.5)
    began = time.monotonic()
    assert sorted(pid for _, pid in run_all(fates.stay, [1, 2], 2))
    assert time.monotonic() - began < 30


def test_how_a_worker_ended_is_told():
    with pytest.raises(ExafsnnError, match="ended with exit code 2"):
        list(run_all(os._exit, [2, 2], 2))


def test_large_tasks_and_results_do_not_wait_for_each_other(fates):
    tasks = [bytes([number]) * 5_000_000 for number in range(12)]
    assert list(in_order(fates.echo, tasks, 2)) == tasks


def test_what_went_wrong_in_a_worker_says_where(fates):
    with pytest.raises(ValueError, match="no such thing") as caught:
        list(run_all(fates.fail, [1, 2], 2))
    assert "in fail" in "".join(caught.value.__notes__)
    with pytest.raises(RuntimeError, match="Hidden"):  # an error that cannot travel
        list(run_all(fates.unspeakable, [1, 2], 2))


def test_a_program_is_heard(tmp_path):
    assert run_program(["/bin/sh", "-c", "pwd; echo no >&2; exit 3"], tmp_path, 9.0) == (3, f"{tmp_path}\nno\n")
    assert run_program(["/bin/cat"], tmp_path, 9.0) == (0, "")  # there is nothing to read


@needs_proc
def test_a_program_that_runs_too_long_is_ended_with_its_children(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        run_program(["/bin/sh", "-c", "echo > $$.pid; sleep 60 & echo > $!.pid; wait"], tmp_path, 0.5)
    pids = [int(path.stem) for path in tmp_path.glob("*.pid")]
    assert len(pids) == 2
    wait_for(lambda: not any(map(is_alive, pids)))


@needs_proc
def test_a_program_dies_with_its_worker(fates, tmp_path):
    """And a second attempt may write where the first one did."""
    process = subprocess.Popen([sys.executable, fates.__file__, str(tmp_path)])
    wait_for(lambda: len(list(tmp_path.glob("*.worker"))) == 2)
    first = [int(path.stem) for path in tmp_path.glob("*.pid")]
    for path in tmp_path.glob("*.worker"):
        os.kill(int(path.stem), signal.SIGKILL)
    wait_for(lambda: not any(map(is_alive, first)))
    wait_for(lambda: len(list(tmp_path.glob("*.worker"))) == 4)
    process.kill()
    process.wait()
    wait_for(lambda: not any(is_alive(int(path.stem)) for path in tmp_path.glob("*.pid")))


@pytest.fixture(autouse=True)
def _patient(monkeypatch):
    """A busy machine takes its time to begin a worker anew: no reason for a warning."""
    monkeypatch.setattr("exafsnn.workers._RETURN", 300.0)


def here(cluster, minutes=5.0):
    return Cluster(cluster.scheduler_address, minutes)


def test_a_cluster_does_the_same(fates, cluster, tmp_path):
    tasks = [(str(tmp_path), number, int(number == 1), Shared(fates.large, ())) for number in range(6)]
    assert list(in_order(fates.mortal, tasks, here(cluster))) == [1000 * number for number in range(6)]
    assert {task: 1000 * task[1] for task in tasks} == dict(run_all(fates.mortal, tasks, here(cluster)))
    with pytest.raises(ValueError, match="no such thing"):
        list(run_all(fates.fail, [1, 2], here(cluster)))


def test_an_attempt_on_a_cluster_has_a_folder_of_its_own(fates, cluster):
    folders = [Path(name).parent for _, name in run_all(fates.scratch, range(3), here(cluster))]
    assert len(set(folders)) == 3
    assert all(folder.name.startswith("exafsnn-attempt-") and not folder.exists() for folder in folders)


def test_a_task_of_which_workers_of_a_cluster_die_is_given_up(fates, cluster, tmp_path):
    tasks = [(str(tmp_path), number, 9 * (number == 1)) for number in range(4)]
    found = dict(run_all(fates.mortal, tasks, here(cluster), given_up))
    assert "worker processes died of it, the last one: on tcp://" in found.pop(tasks[1])
    assert sorted(found.values()) == [0, 2, 3]


def test_what_all_lost_with_the_last_worker_is_sent_again(fates, tmp_path):
    task = (str(tmp_path), 7, 2, Shared(fates.large, ()))
    with local_cluster(1) as alone:
        assert list(run_all(fates.mortal, [task], here(alone))) == [(task, 7000)]


def test_a_cluster_without_workers_is_told_after_a_while(fates):
    with (
        local_cluster(0) as empty,
        pytest.warns(UserWarning, match=r"has no worker; waiting 0\.02 min"),
        pytest.raises(ExafsnnError, match=r"no worker for 0\.02 min\. Look at the queue .* --patience"),
    ):
        list(run_all(fates.echo, [1], here(empty, 0.02)))


def test_other_versions_are_told_before_work_starts(fates, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("exafsnn.workers._versions", lambda: {**_versions(), "numpy": "0.1"})
    told = r"has other versions: numpy [0-9.]+ \(here 0\.1\)\. Give scheduler and workers"
    with pytest.raises(ExafsnnError, match=told):
        list(run_all(fates.mortal, [(str(tmp_path), 1, 1)], here(cluster)))
    monkeypatch.setattr("exafsnn.workers._Remote._compare", lambda self: None)  # it came after the comparison
    with pytest.raises(ExafsnnError, match=r"^tcp://.* " + told):
        list(run_all(fates.mortal, [(str(tmp_path), 1, 1)], here(cluster)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["node1", "absent.json", "tcp://node1", "damaged.json", "empty.json"])
def test_what_is_no_address_is_told_at_once(tmp_path, monkeypatch, place):
    pytest.importorskip("distributed")
    monkeypatch.chdir(tmp_path)
    Path("damaged.json").write_text('{"address": "tcp://127.0')
    Path("empty.json").write_text("{}")
    with pytest.raises(ExafsnnError, match=f"{place}: no Dask scheduler answers: .* or its scheduler file"):
        reach(Cluster(place))


def test_a_scheduler_that_goes_is_told(fates):
    with local_cluster(1) as made:
        results = run_all(fates.echo, range(100), here(made))
        next(results)
    with pytest.raises(ExafsnnError, match=r"the scheduler is gone.* what is done is kept"):
        list(results)
