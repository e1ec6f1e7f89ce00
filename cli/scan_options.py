"""The options of every command that reads scans: a person may overrule anything that was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import click
from click.shell_completion import CompletionItem

from exafsnn.settings import WINDOWS, BackgroundSettings, Exports

from . import screen
from .places import Named


class _FiniteRange(click.FloatRange):
    """A number in a range; ``nan``, which is in every range, and ``inf`` are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check one value."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


class _Scan(click.ParamType):
    """The name of a scan, or of several joined; a shell completes it as that of a file."""

    name = "scan"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del ctx, param
        return [CompletionItem(incomplete, type="file")]


POSITIVE = _FiniteRange(min=0, min_open=True)
_READING = (
    click.option("--columns", metavar="KEY=N,…", help="Columns from 1, as energy=1,i0=2,it=3 or energy=1,mu=2."),
    click.option("--merge", is_flag=True,
                 help="The scans are repeats of one sample: those of one edge and temperature become one."),
    click.option("--foil-columns", metavar="KEY=N,…",
                 help="A foil behind the sample, in each file (energy=1,mu=3): energies are calibrated by its edge."),
    click.option("--e0-foil", metavar="X", type=POSITIVE, help="Edge energy of that foil in eV (the tabulated one)."),
    click.option("--e0", metavar="X", type=POSITIVE, help="Edge energy E₀ in eV."),
    click.option("--rbkg", metavar="X", type=POSITIVE, help="Frequencies below this R in Å are background."),
    click.option("--kmin", metavar="X", type=_FiniteRange(min=0), help="Start of the k range in 1/Å."),
    click.option("--kmax", metavar="X", type=POSITIVE,
                 help="End of the k range in 1/Å; the last 0.1 of it is used for the background alone."),
    click.option("--kweight", metavar="X", type=click.IntRange(0, 3), help="Power of k in the background removal."),
)  # fmt: skip
_FOLDER = (
    click.option("-o", "output", type=Named(file_okay=False), default="exafsnn-results", metavar="DIR",
                 help="Folder of the results (exafsnn-results)."),
    click.option("--full", is_flag=True, help="All tables and figures, however many scans there are."),
)  # fmt: skip
_EXPORTS = (
    click.option("--export", "exports", type=click.Choice(["athena", "columns", "nexus", "wavelet"]), multiple=True,
                 help="Files for other programs, too: athena.prj, which Athena and larch open; columns of each scan in"
                 " every space; a NeXus file (NXxasproc) of each; figures of wavelet maps."),
    click.option("--ft-kweight", "ft_kweights", type=click.IntRange(0, 3), multiple=True, metavar="W",
                 help="k weight of the transforms in these files (2); may be given more than once."),
    click.option("--ft-window", type=click.Choice(WINDOWS), help="Their window in k (hanning)."),
    click.option("--ft-krange", type=(float, float), metavar="LOW HIGH", help="Its limits in 1/Å (the answer's)."),
    click.option("--ft-dk", type=POSITIVE, metavar="X", help="The width of its slopes in 1/Å (1)."),
    click.option("--ft-range", type=(float, float), metavar="LOW HIGH", help="R in Å that χ(q) is of (1 to 3.5)."),
)  # fmt: skip
_LOG = (
    click.option("--log", type=Named(dir_okay=False), metavar="FILE",
                 help="Add a line for each finished scan to this file."),
    click.option("--glances", type=Named(dir_okay=False), metavar="FILE", hidden=True,
                 help="Add each scan at a glance to this file, in JSON, as soon as it is answered: for serve."),
)  # fmt: skip
_SCREEN = (
    click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table."),
    click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=screen.remember_verbose,
                 help="Say each scan as it is done, and the notes: what was found that changes no number."),
)  # fmt: skip


def scan_options(command: Callable[..., Any], *, required: bool = True) -> Callable[..., Any]:
    """Add the shared options to a command, which is given ``exports`` as one; whether it needs scans."""

    @wraps(command)
    def gathered(
        *given: Any,
        exports: tuple[str, ...],
        ft_kweights: tuple[int, ...],
        ft_window: str | None,
        ft_krange: tuple[float, float] | None,
        ft_dk: float | None,
        ft_range: tuple[float, float] | None,
        **options: Any,
    ) -> Any:
        asked: dict[str, Any] = {"kweights": ft_kweights, "window": ft_window, "k_range": ft_krange, "dk": ft_dk,
                                 "r_range": ft_range}  # fmt: skip
        for name, limits, most in (("--ft-krange", ft_krange, 40.0), ("--ft-range", ft_range, 10.0)):
            if limits and not 0 <= limits[0] < limits[1] <= most:
                raise click.BadParameter(f"{limits[0]:g} to {limits[1]:g} is no range up to {most:g}", param_hint=name)
        told = {name: value for name, value in asked.items() if value}
        if told and not {"columns", "wavelet"} & set(exports):
            raise click.UsageError("--ft-… are of the files of --export columns or wavelet: give that, too")
        return command(*given, exports=Exports(tuple(dict.fromkeys(exports)), **told), **options)

    return _with((*_READING, *_FOLDER, *_EXPORTS, *_LOG, *_SCREEN), gathered, required)


def plain_scan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those that say how scans are read and where results go, to a command that exports nothing."""
    return _with((*_READING, *_FOLDER, *_SCREEN), command)


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those that say how scans are read alone."""
    return _with(_READING, command)


def _with(
    options: Sequence[Callable[..., Any]], command: Callable[..., Any], required: bool = True
) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return click.argument("scans", nargs=-1, required=required, metavar="SCANS…", type=_Scan())(command)


def background_settings(**overruled: float | None) -> BackgroundSettings:
    """Make the settings of the background removal: the defaults, but for what a person gave."""
    return BackgroundSettings.from_mapping({key: value for key, value in overruled.items() if value is not None})
