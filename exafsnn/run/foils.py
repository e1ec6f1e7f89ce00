"""Measured scans that anyone may have: foils and compounds of known structure, from their public homes.

``measured.toml`` lists them. Each file is fetched at a fixed commit of its repository, and has to have the checksum
that is listed; one that is there already is left as it is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from exafsnn.errors import ExafsnnError, SettingsError
from exafsnn.files import sha256_of

_LIST = Path(__file__).parents[1] / "measured.toml"
_SERVER = "https://raw.githubusercontent.com"
_SECONDS = 30
"""That a server may take to answer."""


@dataclass(frozen=True)
class MeasuredScan:
    """A scan that anyone may have."""

    name: str
    """What it is asked for by: ``"fe"``."""
    file: str
    edge: str
    """``"Fe K"``."""
    sample: str
    structure: str
    """As ``--structure`` takes it; empty where it is no simple crystal."""
    licence: str
    sha256: str
    url: str


def measured_scans(names: Iterable[str] = ()) -> list[MeasuredScan]:
    """Those of some names, or all.

    Raises
    ------
    SettingsError
        If there is none of a name.
    """
    listed = tomllib.loads(_LIST.read_text(encoding="utf-8"))
    found = []
    for scan in listed["scans"]:
        home = listed["homes"][scan.pop("home")]
        place = quote(f"{home['repository']}/{home['commit']}/{scan.pop('path')}")
        found.append(MeasuredScan(**{"structure": "", **scan}, licence=home["licence"], url=f"{_SERVER}/{place}"))
    wanted, known = {name.lower() for name in names}, {scan.name for scan in found}
    if strange := sorted(wanted - known):
        raise SettingsError(
            f"no scan is called {strange[0]}", where="fetch", remedy=f"There are {', '.join(sorted(known))}"
        )
    return [scan for scan in found if not wanted or scan.name in wanted]


def fetched(scans: Iterable[MeasuredScan], folder: str | Path) -> Iterator[tuple[MeasuredScan, Path, bool]]:
    """Fetch scans into a folder: each with its file, and whether it was there already.

    Raises
    ------
    ExafsnnError
        If another file of that name is there, the server cannot be reached, or sends something else.
    """
    for scan in scans:
        path = Path(folder) / scan.file
        there = path.exists()
        if there and not (path.is_file() and sha256_of(path) == scan.sha256):
            remedy = "Move it away, or fetch into another folder with -o"
            raise ExafsnnError(
                "another file of that name is there, and is not replaced", where=str(path), remedy=remedy
            )
        if not there:
            was_there = path.parent.exists()
            try:
                _fetch(scan, path)
            except BaseException:
                with suppress(OSError):  # of a folder in which nothing is, if it is ours
                    if not was_there:
                        path.parent.rmdir()
                raise
        yield scan, path, there


def _fetch(scan: MeasuredScan, path: Path) -> None:
    import pooch
    import requests

    pooch.get_logger().setLevel("ERROR")  # the command says what it does
    try:
        pooch.retrieve(
            scan.url, known_hash=f"sha256:{scan.sha256}", fname=path.name, path=path.parent,
            downloader=pooch.HTTPDownloader(timeout=_SECONDS),
        )  # fmt: skip
    except requests.exceptions.RequestException as error:
        answer = error.response
        said = f"its server answers {answer.status_code}" if answer is not None else "its server cannot be reached"
        remedy = "Is there a way to the internet (HTTPS_PROXY)? Or fetch it elsewhere, and copy it here"
        raise ExafsnnError(f"{said}: {scan.url}", where=scan.file, remedy=remedy) from error
    except ValueError as error:  # of the checksum
        reason = f"what came from {scan.url} has another checksum than listed, and was thrown away"
        raise ExafsnnError(reason, where=scan.file, remedy="Is a proxy's page in its place? Try again") from error
