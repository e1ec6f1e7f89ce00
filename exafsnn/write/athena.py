"""Scans → a project that Athena (Demeter) and larch open: raw μ(E), and the parameters that make our χ(k) of it.

Written as the scans come, so that an interrupted run goes on with what it has; the file appears when all are done.
"""

from __future__ import annotations

import gzip
import string
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TextIO

from exafsnn import __version__
from exafsnn.records import ChiK, Spectrum
from exafsnn.words import short_name
from exafsnn.write.larch_groups import group_of

PROJECT = "athena.prj"
_BEGUN = "athena.prj.begun"
_HEAD = (
    f"# Athena project file -- Demeter version 0.9.26\n# written by exafsnn {__version__}, with larch's parameters\n"
)
_FOOT = "@journal = ();\n\n1;\n\n\n# Local Variables:\n# truncate-lines: t\n# End:\n"
_LETTERS = string.ascii_lowercase
_KEY = 5
"""Letters of a group's key."""


class Project:
    """A project that grows in a folder.

    Parameters
    ----------
    folder
        Where it is written, after what an interrupted run has left there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._begun = folder, folder / _BEGUN
        text = self._begun.read_text(encoding="utf-8") if self._begun.exists() else ""
        self._count = text.count("\n[record]")
        self.left_out = 0
        """χ(k) files: they have no μ(E)."""
        self._file: TextIO = self._begun.open("a", encoding="utf-8")
        if not text:
            self._file.write(_HEAD)

    def add(self, scans: Iterable[ChiK]) -> None:
        """Write some scans, but for χ(k) files."""
        for chi in scans:
            if chi.spectrum is None:
                self.left_out += 1
                continue
            self._file.write(_group(chi, chi.spectrum, _key_of(self._count)))
            self._count += 1
        self._file.flush()

    def close(self) -> None:
        """End writing; what is there can be gone on with."""
        self._file.close()

    def finish(self) -> None:
        """End the project, and pack it; without a scan there is none."""
        self.close()
        if self._count:
            text = self._begun.read_text(encoding="utf-8") + _FOOT
            (self._folder / PROJECT).write_bytes(gzip.compress(text.encode(), mtime=0))
        self._begun.unlink()


def _key_of(number: int) -> str:
    """``aaaab``: a name of a group that no other has."""
    letters = []
    for _ in range(_KEY):
        number, rest = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[rest])
    return "".join(reversed(letters))


def _group(chi: ChiK, spectrum: Spectrum, key: str) -> str:
    """The lines of a scan."""
    from larch.io.athena_project import format_array, format_dict, make_athena_args

    args: dict[str, Any] = make_athena_args(group_of(chi), key)
    args |= {"label": short_name(chi.source, chi.record), "bkg_z": chi.absorber, "fft_edge": chi.edge.lower()}
    args |= {"titles": [], "bkg_fixstep": "1", "source": chi.source}
    for name in ("bkg_nvict", "fft_kwin"):  # which Demeter does not know
        args.pop(name, None)
    told = {name: _quotable(value) if isinstance(value, str) else value for name, value in args.items()}
    curves = {"x": spectrum.energy, "y": spectrum.mu}
    arrays = [f"@{name} = ({format_array(values)});" for name, values in curves.items()]
    return "\n".join(["", f"$old_group = '{key}';", f"@args = ({format_dict(told)});", *arrays, "[record]   # ", ""])


def _quotable(text: str) -> str:
    """Text that Perl reads between quotes, in one line."""
    return " ".join(text.replace("\\", "/").replace("'", "’").split())
