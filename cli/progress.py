"""What the commands show while they work: a bar on a terminal, and a line for each finished scan in a pipe or a log."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

import click

from . import screen

if TYPE_CHECKING:
    from tqdm import tqdm

    from exafsnn.run.outcomes import Outcome

_STEPS = 300
"""So often a bar is drawn at most."""
_USUAL = 80, 24
"""Columns and rows of a terminal that does not know its own, as one in a container may not."""
_BAR = "{percentage:3.0f}%|{bar}| {desc} [{elapsed}]"


def progress_bar() -> Callable[[int, int, str], None]:
    """Make a function of (done, total, message) that draws a bar on stderr."""
    bar = _bar(0, "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]")

    def show(done: int, total: int, message: str) -> None:
        bar.total, bar.n = total, done
        bar.set_postfix_str(message)

    return show


def _bar(total: int, form: str) -> tqdm[None]:
    """A bar on stderr, if that is a terminal."""
    from tqdm import tqdm

    tqdm.monitor_interval = 0  # no thread beside ours: workers may be copies of this process
    steps = max(1, total // _STEPS)
    columns, rows = (None, None) if _knows_its_size() else _USUAL
    shown = {"total": total, "bar_format": form, "disable": None, "leave": False, "ncols": columns, "nrows": rows}
    return tqdm(**shown, mininterval=0, miniters=steps)


def _knows_its_size() -> bool:
    """Whether the terminal does; where it has no columns and no rows tqdm would draw nothing."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns > 0
    except (OSError, ValueError):
        return False


class Work:
    """How far a run is: scans are read, answered and drawn, each a third of the bar.

    Parameters
    ----------
    count
        Sources of scans that are asked for.
    log
        A file to which the line of each finished scan is added; with ``--verbose`` they are told on stderr, too.
    glances
        A file to which each finished scan is added at a glance, as a line of JSON.
    """

    def __init__(self, count: int, log: str | None = None, glances: str | None = None) -> None:
        self._count, self._read, self._finished = count, 0, 0
        self._bar = _bar(3 * count, _BAR)
        self._said = screen.is_verbose()
        self.told: set[tuple[str, str]] = set()
        """Scans and their warnings, or why they were rejected, that are on stderr already."""
        self._log = _added_to(log, "--log") if log else None
        self._glances = _added_to(glances, "--glances") if glances else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        for file in filter(None, (self._log, self._glances)):
            file.close()

    def sources(self, items: Iterable[str]) -> Iterator[str]:
        """Pass sources on, each as it is read."""
        for item in items:
            yield item
            self._read += 1
            self._move(f"{self._read} of {self._count} read")

    def finished(self, outcome: Outcome) -> None:
        """Tell that a scan is done, and what became of it."""
        self._finished += 1
        of = f" of {self._count}" if self._finished <= self._count else ""  # of files of many scans nobody knows
        self._move(f"{self._finished}{of} done")
        if self._said or self._log:
            self.say(line_of(outcome))
        if self._said:
            self.told.add((screen.scan_of(vars(outcome)), "; ".join(outcome.warnings)))
        if self._glances:
            from exafsnn.write.glances import glance

            print(json.dumps(glance(outcome), allow_nan=False), file=self._glances, flush=True)

    def say(self, line: str) -> None:
        """Write a line into the log, and where it was asked for to stderr, above the bar."""
        if self._said:
            self._bar.clear()
            click.echo(line, err=True)
            self._bar.refresh()
        self.note(line)

    def note(self, line: str) -> None:
        """Write a line into the log, if there is one."""
        if self._log:
            print(line, file=self._log, flush=True)

    def drawn(self, done: int, total: int, what: str) -> None:
        """Tell how many figures there are."""
        self._move(f"{done} of {total} {what}", self._count * done // total - self._count * (done - 1) // total)

    def _move(self, said: str, step: int = 1) -> None:
        self._bar.set_description_str(said, refresh=False)
        self._bar.update(min(step, self._bar.total - self._bar.n) if self._bar.total else 0)


def _added_to(path: str, option: str) -> IO[str]:
    """A file that lines are added to."""
    try:
        return open(path, "a", encoding="utf-8")  # noqa: PTH123
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}", param_hint=option) from error


def line_of(outcome: Outcome) -> str:
    """What became of a scan: time, name, status, first shell and how well it is explained, or why it was rejected."""
    from exafsnn.write.tables import printable

    name = screen.scan_of({"file": outcome.file, "record": outcome.record})
    said = [outcome.reason] if outcome.reason else []
    for edge in outcome.edges:
        if edge.prediction and edge.prediction.in_domain:
            first = edge.prediction.shells["first"]
            said.append(f"{first.pair} {first.numbers}")
        if edge.prediction:
            said.append(edge.prediction.verdict)
        elif edge.chi:
            said.append(f"{edge.chi.absorber} {edge.chi.edge}, k to {edge.chi.k_end:.1f} 1/Å")
    said += outcome.warnings if not outcome.reason else ()
    what = "; ".join(said).removeprefix(f"{outcome.status}: ")
    return printable(f"{datetime.now():%Y-%m-%d %H:%M:%S} {name}: {outcome.status}: {what}")
