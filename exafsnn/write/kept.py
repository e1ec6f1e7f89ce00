"""What an interrupted run has done is kept aside: the same run, started again, goes on from there.

The hidden folder in which the results were being written stays, its tables and archive closed, with ``kept.json``:
what was asked, what is known of each scan, and a checksum of every file, the scans' own included. What is asked anew
goes on from it only if all of that is still the same; otherwise it is removed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from exafsnn.files import sha256_of, write_whole
from exafsnn.write.tables import Row, plain

_NAME = "kept.json"


@dataclass
class Progress:
    """What a run has done so far."""

    scans: list[Row]
    """What is known of each scan (``tables.scan_facts``) …"""
    rows: list[Row]
    """… and its rows of ``summary.csv``."""
    inputs: dict[str, Row]
    """Name, size and checksum of each file that was read."""
    models: list[str]
    """Names and checksums of those that answered."""
    figures: dict[str, str]
    """Figure → scan."""

    @property
    def done(self) -> Counter[tuple[str, str]]:
        """How many scans of each file and record are done."""
        return Counter((scan["file"], scan["record"]) for scan in self.scans)


def keep(stage: Path, asked: Row, sources: Iterable[str], progress: Progress) -> None:
    """Describe a folder of unfinished results, all of whose files are closed."""
    files = {path.name: sha256_of(path) for path in stage.iterdir()}
    told = {"asked": asked, "sources": list(sources), "files": files, "progress": asdict(progress)}
    write_whole(stage / _NAME, json.dumps(plain(told), allow_nan=False).encode())


def take_up(stage: Path, asked: Row, sources: Iterable[str]) -> Progress | None:
    """What was done by a run of which this folder was left, if what is asked now goes on from it.

    The description is removed: from now on the folder is of a run that is not interrupted.
    """
    try:
        told: Mapping[str, Any] = json.loads((stage / _NAME).read_text(encoding="utf-8"))
        progress = Progress(**{field.name: told["progress"][field.name] for field in fields(Progress)})
        same = told["asked"] == json.loads(json.dumps(plain(asked))) and set(told["sources"]) <= set(sources)
        whole = same and {path.name for path in stage.iterdir()} == {*told["files"], _NAME}
        whole = whole and all(sha256_of(stage / name) == value for name, value in told["files"].items())
        if whole and all(fingerprint(name) == known for name, known in progress.inputs.items()):
            (stage / _NAME).unlink()
            return progress
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # it was not kept, or is not whole
    return None


def fingerprint(source: str) -> Row:
    """Name, size and SHA-256 of an input file; null where there is none, as of ``bcc:2.8665``."""
    for name in dict.fromkeys((source, source.partition("::")[0])):
        path = Path(name)
        try:
            if path.is_file():
                return {"file": source, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
        except (OSError, ValueError):
            continue
    return {"file": source, "bytes": None, "sha256": None}
