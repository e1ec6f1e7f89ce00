"""What ``predict`` and ``refine`` share: their options, their table, and the way from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from exafsnn.workers import cores

from . import screen
from .progress import Work
from .scan_options import background_settings, scan_options
from .worker_options import worker_options

if TYPE_CHECKING:
    from exafsnn.run.outcomes import Outcome
    from exafsnn.settings import Exports
    from exafsnn.workers import Cluster
    from exafsnn.write.tables import Row

OF_RANGE = {
    "scan": screen.scan_of,
    "status": screen.text("status"),
    "pair": screen.text("pair"),
    "range": screen.text("range"),
}
"""Columns of every table of answers: of which range a row is, of which scan, and what became of that."""
_COLUMNS = {
    **OF_RANGE,
    "N": screen.number("coordination", 2),
    "R (Å)": screen.number("distance", 3),
    "σ² (Å²)": screen.number("sigma2", 4),
    "all N": screen.number("total", 1),
    "x": screen.number("composition", 2),
    "α": screen.number("order", 2),
    "Δχ²": screen.number("delta_chi2", 1),
    "metal": screen.number("metal", 2),
    "ΔE₀ (eV)": screen.number("delta_e0", 1),
    "S₀²": screen.number("amplitude", 2),
    "R-factor": screen.number("misfit", 3),
    "fit": screen.text("fit"),
}


def _one_or_several(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> str | tuple[str, ...] | None:
    """What was given once as it is, as settings.json has it."""
    return given if len(given) > 1 else next(iter(given), None)


_OPTIONS = (
    click.option("--model", metavar="NAME", help="Model by name or path; by default that of the edge, or of both."),
    click.option("--reference", "references", multiple=True, metavar="SCAN",
                 help="Standard of known structure; once per edge."),
    click.option("--structure", metavar="S", multiple=True, callback=_one_or_several,
                 help="Its structure: bcc:a, fcc:a, hcp:a,c, zincblende:a, rocksalt:a in Å, or a CIF or POSCAR; one for"
                 " all references, or one for each."),
    click.option("--range", "ranges", metavar="LOW HIGH", type=(float, float), multiple=True,
                 help="Tell N, R and σ² of this range of r in Å, too; may be given more than once."),
    click.option("--reference-columns", metavar="KEY=N,…", multiple=True, callback=_one_or_several,
                 help="Its columns, as of a foil in the file of the scan: energy=1,mu=3."),
)  # fmt: skip


def answer_options(command: Callable[..., Any], *, required: bool = True) -> Callable[..., Any]:
    """Add the options of scans, model and reference to a command; whether it needs scans."""
    command = worker_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return scan_options(command, required=required)


def show_answers(
    command: str,
    answer: Callable[..., Iterator[Outcome]],
    scans: tuple[str, ...],
    *,
    shown: Mapping[str, Callable[[Row], str]] = _COLUMNS,
    more: Mapping[str, Any] | None = None,
    columns: str | None,
    merge: bool,
    foil_columns: str | None,
    e0_foil: float | None,
    output: str,
    full: bool,
    exports: Exports,
    as_json: bool,
    log: str | None,
    glances: str | None,
    model: str | None,
    references: tuple[str, ...],
    structure: str | tuple[str, ...] | None,
    reference_columns: str | tuple[str, ...] | None,
    ranges: tuple[tuple[float, float], ...],
    workers: int | None,
    cluster: Cluster | None,
    **background: float | None,
) -> int:
    """Answer for all scans, write and show the results, and return the exit code.

    ``shown`` are the columns of the table, ``more`` is what else was asked of ``answer``, for ``settings.json``.
    """
    if bool(references) != bool(structure):
        raise click.UsageError("--reference and --structure belong together: give both, or neither")
    from exafsnn.learn.model_file import find_model
    from exafsnn.run.samples import expanded, of_folders
    from exafsnn.write.results import ResultsFolder

    loose, scans = of_folders(scans), expanded(scans)
    work = Work(len(scans), log, glances)
    settings = background_settings(**background)
    asked = {"model": model, "references": references, "structure": structure, "columns": columns,
             "merge": merge, "foil_columns": foil_columns, "e0_foil": e0_foil,
             "reference_columns": reference_columns, "ranges": ranges}  # fmt: skip
    structures = structure if isinstance(structure, tuple) else (structure,)
    rests_on = [*references, *(scans if merge else ()), *filter(None, [*structures, model and str(find_model(model))])]
    here = workers or cores()
    folder = ResultsFolder(
        output,
        command,
        {**asked, **(more or {}), "background": settings.to_mapping()},
        rests_on,
        full,
        workers=here,
        sources=scans,
        exports=exports,
        progress=work.drawn,
    )
    how: dict[str, Any] = {"settings": settings, "workers": cluster or here, "eager": glances is not None}
    answers = partial(answer, work.sources(scans), **asked, **how)
    return screen.show_scans(answers, folder, shown, as_json, work, loose)
