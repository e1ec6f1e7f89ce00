#!/usr/bin/env bash
# One would guess that a cluster of Dask which starts dead workers anew does so however often they die, or that it gives one
# up after a number of deaths that a setting names.
#
# What happens: 15 s after a worker was lost (distributed.deploy.lost-worker-timeout), LocalCluster, and all clusters made
# like it (dask-jobqueue's too), look whether a worker of that name is there at this very moment. One that was started anew
# long ago, and has just died again, is not: the cluster closes its nanny, which was starting the next one, and forgets it,
# without a word and for good. Two deaths are enough if they are 15 s apart, while a second one within a few seconds does no harm. Workers
# that die of want of memory every few seconds go one by one; with the last of them the run waits for ever. A long
# lost-worker-timeout ("1h") avoids it.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q distributed==2026.8.0 dask==2026.8.0 2>/dev/null
cd "$scratch"
cat >trial.py <<'PYTHON'
import logging
import os
import signal
import time

import dask
import distributed
from distributed import LocalCluster

LOOK = 45.0  # seconds; the default is 15, too short for this trial on a busy machine
dask.config.set({"distributed.deploy.lost-worker-timeout": f"{LOOK}s"})


def wait_for_worker(cluster, gone, seconds):
    """Seconds until a worker other than that one is there; None: it never was."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if set(cluster.scheduler.workers) - {gone}:
            return time.monotonic() - began
        time.sleep(0.05)
    return None


def kill(cluster):
    """Kill the one worker, and wait until the scheduler has seen it."""
    (address,) = cluster.scheduler.workers
    (nanny,) = cluster.workers.values()
    os.kill(nanny.pid, signal.SIGKILL)
    while address in cluster.scheduler.workers:
        time.sleep(0.01)
    return address


def returns(late):
    """Whether a worker is there, in the end, that is killed twice, the second time just before the cluster looks, or at once."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.ERROR) as cluster:
        first, began = kill(cluster), time.monotonic()
        back = wait_for_worker(cluster, first, LOOK - 1)
        assert back is not None, "the machine is too busy to start one worker"
        if late:
            time.sleep(began + LOOK - 0.4 - time.monotonic())
        apart = time.monotonic() - began
        kill(cluster)
        time.sleep(began + LOOK + 40 - time.monotonic())
        there = len(cluster.scheduler.workers)
        print(f"killed, there again after {back:.1f} s, killed {apart:.1f} s after the first time: in the end {there} workers;"
              f" the cluster, which looked after {LOOK:.0f} s, knows {len(cluster.workers)}", flush=True)
        return there == 1


if __name__ == "__main__":
    print("distributed", distributed.__version__)
    soon, unlucky = returns(late=False), returns(late=True)
    assert soon, "two deaths at once are too many already"
    assert not unlucky, "a worker that dies a second time is started anew now"
PYTHON
"$scratch/venv/bin/python" trial.py
