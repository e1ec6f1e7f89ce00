"""What an interrupted run has done is kept aside: the same run, started again, goes on from there.

The hidden folder in which the results were being written stays, its tables and archive closed, with ``kept.json``:
what was asked, what is known of each scan, and a checksum of every file, the scans' own included. What is asked anew
goes on from it only if all of that is still the same, and what is done comes first; else it is removed once other
results are published there.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from exafsnn.errors import ModelError
from exafsnn.files import Stamp, sha256_of, stamp_of, write_whole
from exafsnn.learn.joint_file import read_joint
from exafsnn.learn.model_file import find_model
from exafsnn.run.samples import split_name
from exafsnn.write.tables import Row, plain

_NAME = "kept.json"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a JSON file that is none of ours may raise."""


@dataclass
class Progress:
    """What a run has done so far."""

    scans: list[Row]
    """What is known of each scan (``tables.scan_facts``) …"""
    rows: list[Row]
    """… and a row for each of its ranges."""
    inputs: dict[str, Row]
    """Name, size and checksum of each file that was read."""
    models: list[str]
    """Names and checksums of those that answered."""
    figures: dict[str, str]
    """Figure → scan."""
    exported: dict[str, str]
    """What files for other programs are named by → scan."""

    @property
    def done(self) -> Counter[tuple[str, str]]:
        """How many scans of each file and record are done."""
        return Counter((scan["file"], scan["record"]) for scan in self.scans)


def keep(stage: Path, asked: Row, progress: Progress) -> None:
    """Describe a folder of unfinished results, all of whose files are closed."""
    files = {path.name: sha256_of(path) for path in stage.iterdir()}
    told = {"asked": asked, "files": files, "progress": asdict(progress)}
    write_whole(stage / _NAME, json.dumps(plain(told), allow_nan=False).encode())


def take_up(stage: Path, asked: Row, sources: Iterable[str]) -> Progress | None:
    """What was done by a run of which this folder was left, if what is asked now goes on from it.

    The description is removed: from now on the folder is of a run that is not interrupted.
    """
    with suppress(*UNREADABLE):
        told = _told(stage)
        progress = Progress(**{field.name: told["progress"][field.name] for field in fields(Progress)})
        same = told["asked"] == json.loads(json.dumps(plain(asked))) and _come_first(progress.scans, sources)
        whole = same and {path.name for path in stage.iterdir()} == {*told["files"], _NAME}
        whole = whole and all(sha256_of(stage / name) == value for name, value in told["files"].items())
        whole = whole and all(fingerprint(name) == known for name, known in progress.inputs.items())
        if whole and (asked["settings"].get("model") or all(map(_is_still, progress.models))):
            (stage / _NAME).unlink()
            return progress
    return None


def is_kept(stage: Path) -> bool:
    """Whether a folder of unfinished results is one that was kept."""
    return (stage / _NAME).exists()


def scans_kept(stage: Path) -> int:
    """How many scans were done."""
    with suppress(*UNREADABLE):
        return len(_told(stage)["progress"]["scans"])
    return 0


def _told(stage: Path) -> Mapping[str, Any]:
    return dict(json.loads((stage / _NAME).read_text(encoding="utf-8")))


def _come_first(scans: Iterable[Row], sources: Iterable[str]) -> bool:
    """Whether scans that are done are the first of those that are asked for."""
    left = deque((scan["file"], scan["record"]) for scan in scans)
    done: set[tuple[str, str]] = set()
    for source in dict.fromkeys(sources):
        if not left:
            break
        file, record = split_name(source)
        before = len(done)
        while left and (left[0] == (file, record) if record else left[0][0] == file):
            done.add(left.popleft())
        if len(done) == before and (file, record) not in done:
            return False
    return not left


def _is_still(identity: str) -> bool:
    """Whether a shipped model is the one of this name and beginning of its checksum."""
    name, _, checksum = identity.removesuffix(")").partition(" (")
    try:
        path = find_model(name)
        known = read_joint(name).checksum if path.suffix == ".json" else sha256_of(path)
        return known.startswith(checksum)
    except ModelError:
        return False


def fingerprint(source: str, stamp: Stamp | None = None) -> Row:
    """Name, size and SHA-256 of an input file; null where there is none, as of ``bcc:2.8665``.

    Null, too, where it has changed since its ``stamp`` was taken: nobody knows what was read.
    """
    for name in dict.fromkeys((source, source.partition("::")[0])):
        path = Path(name)
        try:
            if path.is_file() and stamp in (None, stamp_of(name)):
                return {"file": source, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        except (OSError, ValueError):
            continue
    return {"file": source, "bytes": None, "sha256": None}
