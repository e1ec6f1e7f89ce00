"""A folder at a beamline → its files, as they land: each once it holds still.

Polled, since network file systems tell nobody of new files. A file that is still being written is left alone until its
size and time stay as they are from one look to the next; one that goes on growing later is told again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from exafsnn.errors import SettingsError
from exafsnn.files import stamp_of

Stamps = dict[str, tuple[int, int]]
"""Size and time of change [ns] by path."""

_PAUSE = 2.0
"""Seconds between two looks."""
_NUMBERS = re.compile(r"(\d+)")
_NO_SCANS = {".png", ".jpg", ".jpeg", ".pdf", ".html", ".json", ".log", ".md", ".py", ".tmp", ".part"}
"""Suffixes of files that hold none."""


def landed(folder: str | Path, also: Iterable[str] = (), pause: float = _PAUSE) -> Iterator[Stamps]:
    """Yield all files that hold still, whenever they are others than before; in the order in which they changed.

    Hidden files, folders and files that hold no scans by their names are left out.

    Parameters
    ----------
    folder
        Where scans land.
    also
        Files elsewhere whose change calls for a new look, too; they are no scans.
    pause
        Seconds between two looks.

    Raises
    ------
    SettingsError
        If there is no such folder.
    """
    if stamp_of(str(folder)) is None or not Path(folder).is_dir():
        raise SettingsError("there is no such folder", where=str(folder), remedy="Create it, or check the path")
    return _looks(Path(folder), tuple(also), pause)


def _looks(place: Path, also: tuple[str, ...], pause: float) -> Iterator[Stamps]:
    before: tuple[Stamps, Stamps] = ({}, {})
    told: tuple[Stamps, Stamps] = ({}, {})
    while True:
        now = _stamps(_scans(place)), _stamps(Path(name) for name in also)
        scans = {name: stamp for name, stamp in now[0].items() if before[0].get(name) == stamp}
        if scans and now[1] == before[1] and (scans, now[1]) != told:
            told = scans, now[1]
            yield dict(sorted(scans.items(), key=lambda item: (item[1][1], item[0])))
        before = now
        time.sleep(pause)


def scans_in(folder: str) -> list[str]:
    """The files of a folder that may hold scans, in the order of their names, numbers in that of their values."""

    def order(name: str) -> list[tuple[int, str]]:
        return [(int(part) if part.isdigit() else 0, part) for part in _NUMBERS.split(name)]

    return sorted((str(path) for path in _scans(Path(folder)) if path.is_file()), key=order)


def _scans(folder: Path) -> list[Path]:
    """The files that may hold scans."""
    try:
        paths = list(folder.iterdir())
    except OSError:  # a network folder may be away for a moment
        return []
    return [path for path in paths if not path.name.startswith(".") and path.suffix.lower() not in _NO_SCANS]


def _stamps(paths: Iterable[Path]) -> Stamps:
    """Size and time of files; one that vanishes meanwhile is none."""
    found = {}
    for path in paths:
        try:
            if path.is_file():
                state = path.stat()
                found[str(path)] = (state.st_size, state.st_mtime_ns)
        except OSError:
            continue
    return found
