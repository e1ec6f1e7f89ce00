"""The same work on all cores of this machine, and how many threads each process takes.

A function and its tasks are handed over; results come back as they are done (``run_all``, for long tasks), or in the
order of the tasks (``in_order``, for a stream of short ones). No worker outlives its run: not when that is interrupted,
and not when it is killed.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from exafsnn.errors import ExafsnnError

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

_PATIENCE = 5.0
"""Seconds in which a worker ends by itself once it is told to, with FEFF and the scratch folders that it runs in."""


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


class Workers:
    """Context manager: processes that stay for one task after the other, and end with it, however it ends.

    Parameters
    ----------
    count
        How many.
    copies
        Whether they may be copies of this process, which knows all modules already: that takes no time. They are only
        if no thread of any library runs in it, which a copy would lack.
    """

    def __init__(self, count: int, *, copies: bool = False) -> None:
        self._others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("fork" if copies and _is_single() else "spawn")
        self._pool = ProcessPoolExecutor(count, mp_context=context, initializer=_prepare)

    def __enter__(self) -> Self:
        return self

    def submit(self, function: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
        """Hand over one task; ``function`` is a module-level one, which workers import by name."""
        return self._pool.submit(_obey, function, task)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._pool.shutdown()
            return
        results: Any = self._pool._result_queue
        self._pool.shutdown(wait=False, cancel_futures=True)
        _end(set(multiprocessing.active_children()) - self._others)
        # One that was ended while it sent a result left half of it: the pool waits for the rest until nobody can write.
        results._writer.close()
        if isinstance(error, BrokenProcessPool):
            reason = "a worker process was ended from outside, perhaps for want of memory"
            raise ExafsnnError(reason, remedy="Let less run beside it, and start it again") from error


def run_all(
    function: Callable[[_Task], _Result], tasks: Sequence[_Task], workers: int
) -> Iterator[tuple[_Task, _Result]]:
    """Yield (task, result) as they are done; with one worker in this process, else in fresh ones.

    Parameters
    ----------
    function
        A module-level function: workers import it by name.
    workers
        Number of processes.
    """
    if workers <= 1:
        for task in tasks:
            yield task, function(task)
        return
    with Workers(workers) as pool:
        futures = {pool.submit(function, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], future.result()


def in_order(function: Callable[[_Task], _Result], tasks: Iterable[_Task], workers: int) -> Iterator[_Result]:
    """Yield the results of tasks in their order; each worker has one task ahead.

    Parameters
    ----------
    function
        A module-level function: workers import it by name.
    workers
        Number of processes; a single one is this.
    """
    if workers <= 1:
        yield from map(function, tasks)
        return
    with Workers(workers, copies=True) as pool:
        waiting: deque[Future[_Result]] = deque()
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _is_single() -> bool:
    """Whether this process surely has one thread."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


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


def _end(processes: set[BaseProcess]) -> None:
    """Tell processes to end, and make them."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.join(_PATIENCE)
        if process.is_alive():
            process.kill()


def _prepare() -> None:
    """Make this process a worker: the run alone hears the keyboard, tells its workers, and takes them with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_follow_parent, daemon=True).start()


def _leave(*_: object) -> None:
    """Leave once, a task in order: the pool tells all workers again when the first is gone, while they clear up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _AT_WORK:
        raise SystemExit
    os._exit(1)  # it waits, or sends a result: nothing of ours would clear up after an exception there


_AT_WORK: list[object] = []
"""The task that this process does."""


def _follow_parent() -> None:
    """End this process once its parent is gone."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        threading.Event().wait(_PATIENCE)
        os._exit(1)


def _obey(function: Callable[[_Task], _Result], task: _Task) -> _Result:
    """Run a task; when told to end, leave at once: the pool would take the exception for a result."""
    _AT_WORK.append(task)
    try:
        return function(task)
    except SystemExit:
        os._exit(1)
    finally:
        _AT_WORK.clear()
