"""Names of samples: scans joined by ``+`` are the edges of one, as ``zn.xdi+se.xdi``; and patterns of such names."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

from exafsnn.errors import SettingsError
from exafsnn.files import stamp_of
from exafsnn.read.sources import split_source
from exafsnn.run.folder import scans_in

_JOINT = "+"
_WILD = re.compile(r"(\*|\?|\[[^\]]+\])")


def scans_of(source: str) -> tuple[str, ...]:
    """The scans of the edges of one sample; one that is joined to no other is the only one.

    The names of files and records may have a ``+`` themselves: a file of the longest name that exists is one, and after
    ``::`` only what names another file is no part of the record's name.
    """
    pieces = source.split(_JOINT)
    if len(pieces) == 1 or not all(piece.strip() for piece in pieces):
        return (source,)
    found = []
    while pieces:
        taken = next((count for count in range(len(pieces), 0, -1) if _is_scan(pieces[:count])), 1)
        found.append(_JOINT.join(pieces[:taken]))
        del pieces[:taken]
    return (source,) if len(found) == 1 else tuple(map(str.strip, found))


def split_name(source: str) -> tuple[str, str]:
    """File and record as the tables name a scan; a sample has its whole name for a file, and no record."""
    return split_source(source) if len(scans_of(source)) == 1 else (source, "")


def label_of(source: str) -> str:
    """The name without folders: ``zn.xdi+se.xdi`` of ``day1/zn.xdi+day1/se.xdi``; as ``joint_label`` has it."""
    return joint_label(list(map(split_source, scans_of(source))))


def joint_label(scans: Sequence[tuple[str, str]]) -> str:
    """The same of files and records; of files of one name with their folders: ``a.prj (zn)+a.prj (se)``."""
    names = [re.split(r"[/\\]", file) for file, _ in scans]
    short = ["::".join(filter(None, (name[-1], record))) for name, (_, record) in zip(names, scans, strict=True)]
    if len(set(short)) < len(short):
        short = [f"{label} ({name[-2]})" if name[1:] else label for label, name in zip(short, names, strict=True)]
    return _JOINT.join(short)


def expanded(sources: Iterable[str]) -> tuple[str, ...]:
    """The names, with the samples that there are in the place of patterns: no shell knows these.

    ``zn_*.xdi+se_*.xdi`` joins scans whose names have the same in the place of ``*``. One of which an edge is not there
    is a sample, too; a pattern of no file stays as it is. A folder is the files in it that may hold scans.

    Raises
    ------
    SettingsError
        If there is none in a folder.
    """
    every = [_scans_of_folder(source) if _is_folder(source) else _samples_like(source) for source in sources]
    return tuple(chain.from_iterable(every))


def of_folders(sources: Iterable[str]) -> frozenset[str]:
    """The files that stand for folders."""
    return frozenset(name for source in sources if _is_folder(source) for name in scans_in(source))


def _scans_of_folder(source: str) -> list[str]:
    """The files in a folder that may hold scans, one at least."""
    found = scans_in(source)
    if not found:
        remedy = "Give the folder that they are in: folders within a folder are not looked into"
        raise SettingsError("no file in it may hold a scan", where=source, remedy=remedy)
    return found


def _is_folder(source: str) -> bool:
    return stamp_of(source) is not None and Path(source).is_dir()


def _samples_like(source: str) -> list[str]:
    patterns = scans_of(source)
    wild = [pattern for pattern in patterns if _WILD.search(pattern)]
    if len(patterns) == 1 or not wild or len({len(_WILD.findall(pattern)) for pattern in wild}) > 1:
        return [source]
    filled = sorted({filling for pattern in wild for filling in _fillings(pattern)})
    return [_JOINT.join(_filled(pattern, filling) for pattern in patterns) for filling in filled] or [source]


def _fillings(pattern: str) -> list[tuple[str, ...]]:
    """What stands in the place of the wildcards in the names of the files that there are."""
    pieces = _WILD.split(split_source(pattern)[0])
    wanted = "".join(
        {"*": r"([^/\\]*)", "?": r"([^/\\])"}.get(piece, f"({piece.replace('[!', '[^')})") if wild else re.escape(piece)
        for wild, piece in ((number % 2, piece) for number, piece in enumerate(pieces))
    )
    there = glob.glob("".join(pieces))  # noqa: PTH207 (which begins where a path does)
    matches = (re.fullmatch(wanted, name) for name in there if Path(name).is_file())
    return [match.groups() for match in matches if match]


def _filled(pattern: str, filling: tuple[str, ...]) -> str:
    """The name that a pattern means; one without wildcards means itself."""
    left = iter(filling)
    return _WILD.sub(lambda _: next(left), pattern)


def _is_scan(pieces: list[str]) -> bool:
    """Whether pieces between ``+`` are the name of a file that is there, or of a record of one."""
    file, of_record, record = _JOINT.join(pieces).partition("::")
    if not of_record or _is_there(_JOINT.join(pieces)):
        return _is_there(_JOINT.join(pieces))
    others = (piece.partition("::")[0] for piece in record.split(_JOINT)[1:])
    return _is_there(file) and not any(map(_is_there, others))


def _is_there(name: str) -> bool:
    return stamp_of(name.strip()) is not None
