"""``exafsnn series``: the scans of one sample along an axis → trends, transition, report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from exafsnn.errors import ExafsnnError
from exafsnn.workers import cores

from . import screen
from .answer import OF_RANGE, answer_options
from .places import Named
from .progress import Work, line_of
from .scan_options import background_settings

if TYPE_CHECKING:
    from exafsnn.records import Lattice
    from exafsnn.run.folder import Stamps
    from exafsnn.run.outcomes import Outcome
    from exafsnn.run.series import Course, Follower
    from exafsnn.settings import Exports
    from exafsnn.workers import Cluster
    from exafsnn.write.series_results import SeriesFolder

_COLUMNS = {
    "axis": lambda row: "" if row["axis"] is None else f"{row['axis']:g}",
    **OF_RANGE,
    "N": screen.number("coordination", 2),
    "R (Å)": screen.number("distance", 3),
    "σ² (Å²)": screen.number("sigma2", 4),
    "metal": screen.number("metal", 2),
    "lattice": screen.text("phase"),
    "a (Å)": screen.number("constant", 4),
    "density (g/cm³)": screen.number("density", 3),
    "R-factor": screen.number("misfit", 3),
}


@click.command()
@partial(answer_options, required=False)
@click.option(
    "--against",
    default="temperature",
    metavar="AXIS",
    help="temperature (from headers or names), order, name (the number in which names differ), or a header field.",
)
@click.option(
    "--values",
    metavar="FILE.csv",
    type=Named(dir_okay=False),
    help="Table with the columns file,value: the axis of each scan.",
)
@click.option(
    "--watch",
    metavar="DIR",
    type=Named(file_okay=False),
    help="Analyse new scans in this folder as they land, until interrupted; each is of one edge.",
)
def series(
    scans: tuple[str, ...],
    watch: str | None,
    output: str,
    full: bool,
    exports: Exports,
    as_json: bool,
    log: str | None,
    glances: str | None,
    workers: int | None,
    cluster: Cluster | None,
    **options: Any,
) -> int:
    """Follow one sample through SCANS: along temperature, time, potential.

    All scans are refined together and analysed as one: trends, lattice and density, phase transitions, a report.

    Scans joined by + are the edges of one sample: zn_1.xdi+se_1.xdi, or all that there are as 'zn_*.xdi+se_*.xdi'.

    With --structure alone, the first scan is the standard: the sample itself, before anything happened to it.
    """
    if not (scans or watch):
        raise click.UsageError("give SCANS, or a folder with --watch")
    if watch and Path(output).resolve() == Path(watch).resolve():
        raise click.UsageError("the results would be taken for scans: give another folder with -o")
    if watch and as_json:
        raise click.UsageError("--json shows one result, --watch has many: read transition.json and summary.csv")
    if watch and options["merge"]:
        raise click.UsageError("--watch answers each scan as it lands: merge when all are there")
    from exafsnn.run.samples import expanded, of_folders, scans_of
    from exafsnn.run.series import Follower
    from exafsnn.write.series_results import SeriesFolder

    loose, scans = of_folders(scans), expanded(scans)
    if watch and any(len(scans_of(scan)) > 1 for scan in scans):
        raise click.UsageError(
            "--watch takes each file that lands for a scan of its own, and cannot tell which are edges of one sample:"
            " give the samples without it"
        )
    background = {key: options.pop(key) for key in ("e0", "rbkg", "kmin", "kmax", "kweight")}
    settings = background_settings(**background)
    tables = [options["values"]] if options["values"] else []
    inputs = [*options["references"], *tables, *(scans if options["merge"] else ())]
    asked = options | {"background": settings.to_mapping()}
    here = workers or cores()
    follower = Follower(**options, settings=settings, workers=cluster or here, eager=glances is not None)
    work = Work(len(scans), log, glances)
    folder = partial(
        SeriesFolder, output, "series", asked, inputs, full, workers=here, exports=exports, progress=work.drawn
    )
    if watch:
        from exafsnn.run.folder import landed

        looks = landed(watch, tables)
        click.echo(f"Watching {watch}; Ctrl-C ends it", err=True)
        _watch(follower, scans, loose, looks, partial(folder, figures=0), work)
    with work, folder() as results:
        course = follower.follow(dict.fromkeys(scans), work.sources, work.finished, loose)
        results.add_course(course)
    return _show(course, results, as_json, work)


def _show(course: Course, folder: SeriesFolder, as_json: bool, work: Work) -> int:
    """Show a course that is written, and return the exit code."""
    from exafsnn.write.page import answers
    from exafsnn.write.tables import transition_facts

    screen.tell_left_out(course.left_out)
    shown = screen.Shown(work.told)
    for outcome, lattice in zip(course.outcomes, course.lattices, strict=True):
        shown.add(outcome, **_lattice_cells(lattice))
    code = shown.show(folder, _COLUMNS, as_json, transition=transition_facts(course))
    if not as_json:
        for sentence in answers(course):
            click.echo(sentence)
        for note in course.series.notes if course.series else ():
            click.echo(f"Note: {note}", err=True)
    return code


def _watch(
    follower: Follower,
    scans: tuple[str, ...],
    loose: Collection[str],
    looks: Iterable[Stamps],
    folder: Callable[[], SeriesFolder],
    work: Work,
) -> None:
    """Analyse what lands, and write the results anew each time; ends when it is interrupted.

    Each scan that is new is told: when, which, and what became of it. What lands and is no scan is left out, and told.
    """
    from exafsnn.write.page import answers

    told: set[tuple[Any, ...]] = set()

    def new(outcomes: Iterable[Outcome]) -> list[Outcome]:
        found = []
        for outcome in outcomes:
            if (key := (outcome.file, outcome.record, outcome.stamp)) not in told:
                found.append(outcome)
            told.add(key)
        return found

    for files in looks:
        try:
            course = follower.follow(dict.fromkeys(scans) | files, of_folders={*loose, *files})
            with folder() as results:
                results.add_course(course)
        except ExafsnnError as error:  # of the series or the disk: the next file may find both mended
            click.echo(f"{len(files)} files: {error}", err=True)
            continue
        screen.tell_left_out(new(course.left_out))
        for outcome in new(course.outcomes):
            line = line_of(outcome)
            click.echo(line)
            work.note(line)
        rejected = sum(outcome.status == "rejected" for outcome in course.outcomes)
        click.echo(f"{len(course.outcomes)} scans, {rejected} rejected. {' '.join(answers(course))}")


def _lattice_cells(lattice: Lattice | None) -> dict[str, Any]:
    """What a row of the table shows of the lattice."""
    if lattice is None:
        return {"phase": "", "constant": None, "density": None}
    density, density_std = lattice.density or (None, None)
    return {
        "phase": lattice.phase, "constant": lattice.constant[0], "constant_std": lattice.constant[1],
        "density": density, "density_std": density_std,
    }  # fmt: skip
