"""``exafsnn adapt``: a model learns from measured scans, without labels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from exafsnn.workers import cores

from . import screen
from .places import Named
from .progress import progress_bar
from .scan_options import POSITIVE, background_settings, reading_options

if TYPE_CHECKING:
    from pathlib import Path

    from exafsnn.infer.adapt import Adapted
    from exafsnn.infer.scratch import Unlabelled
    from exafsnn.run.outcomes import Outcome

_FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@reading_options
@click.option("--model", metavar="NAME", help="Model that adapts, which stays as it is; by default that of the edge.")
@click.option(
    "-o",
    "output",
    required=True,
    metavar="MODEL",
    type=Named(),
    help="The adapted model: NAME.safetensors; NAME.json appears beside it.",
)
@click.option("--reference", "references", multiple=True, metavar="SCAN", help="Standard of the session: S₀² is known.")
@click.option("--structure", metavar="S", help="Its structure: bcc:a, fcc:a, hcp:a,c … in Å, or a CIF or POSCAR.")
@click.option(
    "--from-scratch",
    is_flag=True,
    help="Train a network from nothing, on 200 scans at least of many states of a metal; with --s02 and"
    " --density. Of the model its forward model alone is used.",
)
@click.option("--s02", type=POSITIVE, metavar="X", help="S₀² of the scans, known to 2 %.")
@click.option("--density", type=POSITIVE, metavar="X", help="Density of the sample when it is cold, in g/cm³.")
@click.option("--steps", type=click.IntRange(1), metavar="N", help="Of each network (300; from scratch 4000).")
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="LIBRARY.h5",
    type=_FILE,
    help="What the model was trained on: its error bars are set anew on states that it has not seen …",
)
@click.option("--trial", multiple=True, metavar="LIBRARY.h5", type=_FILE, help="… and on those of this.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def adapt(
    scans: tuple[str, ...],
    model: str | None,
    output: str,
    references: tuple[str, ...],
    structure: str | None,
    from_scratch: bool,
    s02: float | None,
    density: float | None,
    steps: int | None,
    libraries: tuple[str, ...],
    trial: tuple[str, ...],
    as_json: bool,
    columns: str | None,
    merge: bool,
    foil_columns: str | None,
    e0_foil: float | None,
    **background: float | None,
) -> int:
    """Adapt a model to SCANS of one session, of which no RDF is known, and say what it was good for.

    The forward model teaches the networks: what all scans share (energy zero, S₀², smooth errors of theory) is found
    from them together, and each scan refined with it. Three scans at least, of one edge; a temperature series is best.
    """
    if bool(references) != bool(structure):
        raise click.UsageError("--reference and --structure belong together: give both, or neither")
    if trial and not libraries:
        raise click.UsageError("--trial is of no use without --library")
    _check_scratch(from_scratch, s02, density, bool(references or libraries))
    from exafsnn.infer.adapt import AdaptSettings
    from exafsnn.run.adapt import adapt_scans, train_on_scans
    from exafsnn.run.samples import expanded

    how: dict[str, Any] = {
        "model": model, "columns": columns, "merge": merge, "foil_columns": foil_columns, "e0_foil": e0_foil,
        "settings": background_settings(**background), "workers": cores(), "progress": progress_bar(),
    }  # fmt: skip
    sources = expanded(scans)
    if s02 is not None and density is not None:
        made, outcomes = train_on_scans(sources, output, s02=s02, density=density, steps=steps, **how)
        return _show_scratch(made, outcomes, as_json)
    adapting = AdaptSettings(steps=steps) if steps else None
    done, outcomes = adapt_scans(sources, output, references=references, structure=structure, adapting=adapting, **how)
    bars = _bars(done, libraries, trial)
    rows = _rows(done, outcomes)
    if as_json:
        click.echo(json.dumps({"model": str(done.path), "scans": rows, **_facts(done), "error_bars": bars}, indent=1))
    else:
        screen.print_table(
            tuple(_HEADINGS), [[_cell(row[key], form) for key, form in _HEADINGS.values()] for row in rows]
        )
        click.echo("\n" + _words(done, bars))
    worse = [row["scan"] for row in rows if row["used"] and row["misfit"] > _WORSE * row["misfit_before"]]
    if worse:
        said = f"{', '.join(worse)}: the adapted model explains less of it than before"
        click.echo(f"warning: {said}; where the sample's edge or chemistry moves, adapt to what is alike", err=True)
    return _end(done.path, [(row["file"], row["reason"]) for row in rows if row["reason"]])


def _check_scratch(from_scratch: bool, s02: float | None, density: float | None, others: bool) -> None:
    """Refuse options that do nothing together."""
    known = s02 is not None and density is not None
    if from_scratch != known or (not from_scratch and (s02 is not None or density is not None)):
        raise click.UsageError("--from-scratch, --s02 and --density belong together: give all, or none")
    if from_scratch and others:
        raise click.UsageError("from scratch there is no use for --reference and --library: S₀² is given by --s02")


def _show_scratch(made: Unlabelled, outcomes: list[Outcome], as_json: bool) -> int:
    """Tell what came of a training from nothing."""
    rejected = [(outcome.file, outcome.reason) for outcome in outcomes if outcome.reason]
    facts = {
        "model": str(made.path), "scans": len(outcomes) - len(rejected), "learning_rate": made.learning_rate,
        "floor": made.floor, "unexplained": made.misfit, "misfit": float(made.answers.misfit.mean()),
        "error_bars": "It has no error bars that cover: nothing tells how wrong it is.",
    }  # fmt: skip
    if as_json:
        click.echo(json.dumps(facts, indent=1))
    else:
        chosen = f"learning rate {made.learning_rate:g}, floor {made.floor:g}"
        click.echo(f"A network learned from {facts['scans']} scans alone; chosen by misfit: {chosen}.")
        click.echo(f"Of held-out scans it leaves {made.misfit:.1%} of χ(R) unexplained, noise included.")
        click.echo(facts["error_bars"])
    return _end(made.path, rejected)


def _end(model: Path, left: list[tuple[str, str]]) -> int:
    """Say where the model is and which scans taught nothing, and return the exit code."""
    click.echo(f"The model is {model}; exafsnn predict SCANS… --model {model} uses it", err=True)
    for file, reason in left:
        click.echo(f"{file}: {reason}", err=True)
    return screen.SOME_REJECTED if left else 0


_WORSE = 1.1
"""An R-factor that rises by more than this factor is told."""
_HEADINGS = {
    "scan": ("scan", ""), "used": ("used", ""),
    "N before": ("coordination_before", ".2f"), "after": ("coordination", ".2f"),
    "R before (Å)": ("distance_before", ".3f"), "after ": ("distance", ".3f"),
    "R-factor before": ("misfit_before", ".3f"), "after  ": ("misfit", ".3f"),
}  # fmt: skip


def _cell(value: Any, form: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else format(value, form)


def _rows(done: Adapted, outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """What is told of each scan."""
    rows: list[dict[str, Any]] = []
    number = 0
    for outcome in outcomes:
        name = f"{outcome.file}::{outcome.record}" if outcome.record else outcome.file
        row: dict[str, Any] = {"scan": name, "file": outcome.file, "record": outcome.record, "used": False}
        values = ("coordination", "distance", "misfit")
        row |= {f"{key}{when}": None for key in values for when in ("_before", "")} | {"reason": outcome.reason}
        if outcome.chi is not None and not outcome.reason:
            used = bool(done.used[number])
            row |= {"used": used, "reason": "" if used else "foreign to the model: it taught nothing"}
            for when, answers in (("_before", done.before), ("", done.after)) if used else ():
                first = answers.shells["first"]
                found = (first.coordination[number], first.distance[number], answers.misfit[number])
                row |= {f"{key}{when}": float(value) for key, value in zip(values, found, strict=True)}
            number += 1
        rows.append(row)
    return rows


def _facts(done: Adapted) -> dict[str, Any]:
    mean, std = done.session.mean[0], done.session.covariance[0].diagonal().sqrt()
    amplitude = float(mean[1].exp())
    return {
        "delta_e0": float(mean[0]), "delta_e0_std": float(std[0]),
        "amplitude": amplitude, "amplitude_std": amplitude * float(std[1]),
        "old_error_before": done.old[0], "old_error": done.old[1],
    }  # fmt: skip


def _words(done: Adapted, bars: str) -> str:
    """What came of it, in words."""
    facts, used = _facts(done), done.used
    misfits = [float(answers.misfit[used].mean()) for answers in (done.before, done.after)]
    return "\n".join(
        [
            f"{int(used.sum())} scans share ΔE₀ = {facts['delta_e0']:.1f} ± {facts['delta_e0_std']:.1f} eV and"
            f" S₀² = {facts['amplitude']:.2f} ± {facts['amplitude_std']:.2f}.",
            f"R-factor of predict, on average: {misfits[0]:.3f} before, {misfits[1]:.3f} now.",
            f"On simulated spectra of the old kind n(r) errs by {facts['old_error_before']:.1%} before,"
            f" {facts['old_error']:.1%} now.",
            bars,
        ]
    )


def _bars(done: Adapted, libraries: tuple[str, ...], trial: tuple[str, ...]) -> str:
    """Set the error bars anew where there is what they can be set on, and say what they are."""
    from exafsnn.learn.training import CalibrationSettings
    from exafsnn.validate.calibration import calibrate

    if libraries:
        click.echo("Setting its error bars on held-out states …", err=True)
        calibrate(str(done.path), libraries, trial, CalibrationSettings(), progress=progress_bar())
        return "Its error bars were set anew, on states that no network has seen."
    if not done.model.intervals:
        return "It has no error bars that cover, as the model that it was had none."
    return (
        f"Its error bars are those of the model that it was; those of predict were made {done.error_bars:.2f} times as"
        " wide, by its errors on simulated spectra. --library sets them anew."
    )
