#!/usr/bin/env bash
# One would guess that a cluster of Dask which starts dead workers anew does so however often they die, or that it gives one
# up after a number of deaths that a setting names.
#
# What happens: 15 s after a worker was lost (distributed.deploy.lost-worker-timeout), LocalCluster, and all clusters made
# like it (dask-jobqueue's too), look whether a worker of that name is there at this very moment. One that was started anew
# long ago, and has just died again, is not: the cluster closes its nanny, which was starting the next one, and forgets it,
# without a word and for good. Two deaths are enough if they are 15 s apart, while two deaths 8 s apart do no harm. Workers
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

import distributed
from distributed import LocalCluster


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


def returns(apart):
    """Whether a worker killed twice, so many seconds apart, comes again within 45 s."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.ERROR) as cluster:
        first, began = kill(cluster), time.monotonic()
        back = wait_for_worker(cluster, first, 60)
        assert back is not None and back < apart, f"it took {back} s to start one worker: try it on an idle machine"
        time.sleep(began + apart - time.monotonic())
        second = kill(cluster)
        again = wait_for_worker(cluster, second, 45)
        told = "nothing comes in 45 s" if again is None else f"there again after {again:.1f} s"
        print(f"killed, there again after {back:.1f} s, killed {apart:.1f} s after the first time: {told};"
              f" {len(cluster.workers)} of 1 nannies left", flush=True)
        return again is not None


if __name__ == "__main__":
    print("distributed", distributed.__version__)
    soon, unlucky = returns(8.0), returns(14.7)
    assert soon, "two deaths 8 s apart are too many already"
    assert not unlucky, "a worker that dies a second time is started anew now"
PYTHON
"$scratch/venv/bin/python" trial.py
