"""Processes of this machine that end with the one that started them, however that ends: workers, and programs.

``workers`` hands tasks to a ``Pool``; ``physics.feff`` has its programs run by ``run_program``.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Any, Self

_PATIENCE = 5.0
"""Seconds in which a worker ends by itself once it is told to, with FEFF and the scratch folders that it runs in."""
_GUARD = 'exec 3<&0 </dev/null; (read _ <&3; kill -9 0) >/dev/null 2>&1 & "$@" 3<&-; code=$?; kill $!; exit $code'
"""Runs a program in a process group, all of which ends once nobody holds the other end of standard input any more."""


class DiedError(Exception):
    """The worker that did a task is dead.

    Parameters
    ----------
    reason
        What is known of it.
    times
        How many died of that task since it was begun.
    """

    def __init__(self, reason: str, times: int = 1) -> None:
        super().__init__(reason)
        self.times = times


def run_program(command: Sequence[str], folder: Path, timeout: float) -> tuple[int, str]:
    """Run a program that ends with this process, with no terminal and a time limit.

    An orphan would go on writing into its folder. A pipe tells that this process is gone, whatever ended it: it needs
    no code between fork and exec, which threads forbid; it asks nothing of the thread that waits, as Linux's signal of
    a parent's death does; and every POSIX system has it. It costs 2 ms.

    Returns
    -------
    code
        Exit code, 128 and the signal's number for a program that a signal ended.
    said
        Its standard output and error.

    Raises
    ------
    subprocess.TimeoutExpired
        If it runs longer than ``timeout`` [s]; then it was ended.
    OSError
        If it cannot be run.
    """
    if sys.platform == "win32":
        options: dict[str, Any] = {"cwd": folder, "stdin": subprocess.DEVNULL, "text": True, "errors": "replace"}
        done = subprocess.run(list(command), capture_output=True, timeout=timeout, check=False, **options)
        return done.returncode, done.stdout + done.stderr
    theirs, ours = os.pipe()
    try:
        guarded = ["/bin/sh", "-c", _GUARD, "sh", *command]
        process = subprocess.Popen(
            guarded, cwd=folder, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
        )
        try:
            said, _ = process.communicate(timeout=timeout)
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
    finally:
        os.close(theirs)
        os.close(ours)
    return process.returncode, said.decode(errors="replace")


class Pool:
    """Context manager: processes that stay for one task after the other, and end with it, however it ends.

    One that dies is followed by another; which task it died of is known. The run has no thread for them, so that a copy
    of it may be made at any time.

    Parameters
    ----------
    count
        How many, at most.
    ahead
        Whether each is given a second task while it does the first.
    copies
        Whether they may be copies of this process, which knows all modules already: that takes no time. They are only
        if no thread of any library runs in it, which a copy would lack.
    """

    def __init__(self, count: int, *, ahead: bool, copies: bool) -> None:
        self._count, self._ahead, self._copies = count, ahead, copies
        self._workers: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for worker in self._workers:
            worker.tell_to_end(at_once=kind is not None)
        for worker in self._workers:
            worker.end()

    def room(self) -> int:
        """How many tasks may be under way."""
        return self._count * (2 if self._ahead else 1)

    def begin(self, number: int, function: Callable[[Any], Any], task: object) -> None:
        """Take on one task, known by its number; ``function`` is a module-level one, imported by name."""
        least = min((worker for worker in self._workers), key=lambda item: len(item.given), default=None)
        if least is None or (least.given and len(self._workers) < self._count):
            least = self._new()
        elif not (least.given or least.is_alive()):  # it died at rest, of no task
            least = self._followed(least)
        least.give(number, pickle.dumps((function, task)))

    def ended(self) -> tuple[int, Any, Exception | None]:
        """Wait until a task ends: its number, its result, and why it has none."""
        busy = {worker.connection: worker for worker in self._workers if worker.given}
        worker = busy[wait(busy)[0]]  # type: ignore[index] # connections go in, connections come out
        try:
            content = worker.connection.recv_bytes()
        except (EOFError, OSError):
            number, _ = worker.given.popleft()
            follower = self._followed(worker)
            for waiting in worker.given:
                follower.give(*waiting)
            return number, None, DiedError(worker.obituary())
        result, error = pickle.loads(content)  # noqa: S301 (of our own worker)
        return worker.given.popleft()[0], result, error

    def _new(self) -> _Worker:
        """Start one more."""
        context = multiprocessing.get_context("fork" if self._copies and _is_single() else "spawn")
        self._workers.append(_Worker(context))
        return self._workers[-1]

    def _followed(self, dead: _Worker) -> _Worker:
        """Start one in the place of another."""
        self._workers.remove(dead)
        dead.end()
        return self._new()


class _Worker:
    """A process as its run sees it."""

    def __init__(self, context: BaseContext) -> None:
        self.connection, theirs = context.Pipe()
        self.given: deque[tuple[int, bytes]] = deque()
        """Tasks and their numbers; the first is under way."""
        self._process = context.Process(target=_serve, args=(theirs,))  # type: ignore[attr-defined] # it has one
        self._process.start()
        theirs.close()

    def give(self, number: int, task: bytes) -> None:
        """Hand over a task; what is dead is noticed when its result is waited for."""
        self.given.append((number, task))
        with suppress(OSError):
            self.connection.send_bytes(task)

    def is_alive(self) -> bool:
        """Whether it is."""
        return bool(self._process.is_alive())

    def tell_to_end(self, *, at_once: bool) -> None:
        """Have it end."""
        if at_once:
            self._process.terminate()
        else:
            with suppress(OSError):
                self.connection.send_bytes(b"")

    def end(self) -> None:
        """Wait for its end, but not for ever: what it did is known, and libraries may hang as a process ends."""
        self._process.join(_PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()

    def obituary(self) -> str:
        """What is known of its death."""
        code = self._process.exitcode
        if code is not None and code < 0:
            want = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
            return f"ended from outside by {signal.Signals(-code).name}{want}"
        return f"ended with exit code {code}"


def _is_single() -> bool:
    """Whether this process surely has one thread."""
    try:
        return len(list(Path("/proc/self/task").iterdir())) == 1
    except OSError:
        return False


def _serve(connection: Connection) -> None:
    """Be a worker: the run alone hears the keyboard, tells its workers, and takes them with it.

    What is heard and told has a thread each, so that neither side ever waits for the other to listen.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    ends: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(connection, tasks), daemon=True).start()
    speaker = threading.Thread(target=_tell, args=(connection, ends), daemon=True)
    speaker.start()
    while task := tasks.get():
        ends.put(_done(task))
    ends.put(b"")
    speaker.join()


def _hear(connection: Connection, tasks: queue.SimpleQueue[bytes]) -> None:
    """Take tasks until an empty one; end this process once its parent is gone."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101 (this is a child)
    with suppress(EOFError, OSError):
        while parent.sentinel not in wait([connection, parent.sentinel]):
            task = connection.recv_bytes()
            tasks.put(task)
            if not task:
                return
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(_PATIENCE)
    os._exit(1)


def _tell(connection: Connection, ends: queue.SimpleQueue[bytes]) -> None:
    """Send what tasks ended with, until that is empty."""
    with suppress(OSError):
        while end := ends.get():
            connection.send_bytes(end)


def _leave(*_: object) -> None:
    """Leave once, a task in order: it may be told again while it clears up."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if _AT_WORK:
        raise SystemExit
    os._exit(1)  # it waits: nothing of ours would clear up after an exception there


_AT_WORK: list[object] = []
"""The task that this process does."""


def _done(given: bytes) -> bytes:
    """Do a task: its result, or what went wrong; when told to end, leave at once."""
    _AT_WORK.append(given)
    try:
        function, task = pickle.loads(given)  # noqa: S301 (of our own run)
        return pickle.dumps((function(task), None), pickle.HIGHEST_PROTOCOL)
    except SystemExit:
        os._exit(1)
    except Exception as error:
        error.add_note(f"In a worker process:\n{traceback.format_exc()}")
        return _packed(error)
    finally:
        _AT_WORK.clear()


def _packed(error: Exception) -> bytes:
    """An error as it travels; of one that cannot, its text."""
    try:
        packed = pickle.dumps((None, error))
        pickle.loads(packed)  # noqa: S301 (just made)
    except Exception:
        return pickle.dumps((None, RuntimeError("\n".join([repr(error), *error.__notes__]))))
    return packed
