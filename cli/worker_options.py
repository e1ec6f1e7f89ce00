"""The options of every command that hands work on: to processes here, or to a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from exafsnn.workers import Cluster

_OPTIONS = (
    click.option("--workers", metavar="N", type=click.IntRange(min=1),
                 help="Processes; by default one per core. Of a cluster: the most tasks at a time."),
    click.option("--scheduler", metavar="ADDRESS",
                 help="Work on the Dask cluster of this scheduler: tcp://HOST:8786, or its scheduler file."),
    click.option("--patience", metavar="MINUTES", type=click.FloatRange(min=0, min_open=True, max=1e5),
                 help=f"With --scheduler: how long to wait for a worker ({Cluster.patience:g})."),
)  # fmt: skip


def worker_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add these options to a command, which gets ``workers`` and ``cluster``, each None where it was not given."""

    @wraps(command)
    def with_cluster(scheduler: str | None, patience: float | None, **given: Any) -> Any:
        if scheduler is None and patience is not None:
            raise click.UsageError("--patience is for the workers of a cluster: give its --scheduler, too")
        if scheduler == "":
            raise click.UsageError("--scheduler is empty: give the address that the scheduler printed")
        cluster = Cluster(scheduler, patience or Cluster.patience, given["workers"]) if scheduler else None
        return command(**given, cluster=cluster)

    for option in reversed(_OPTIONS):
        with_cluster = option(with_cluster)
    return with_cluster
