"""``exafsnn train``: site library → model."""

from __future__ import annotations

import tomllib
from pathlib import Path

import click

from exafsnn.errors import SettingsError

from .places import Named
from .progress import progress_bar

_FILE = click.Path(exists=True, dir_okay=False)


@click.command()
@click.argument("libraries", nargs=-1, required=True, metavar="LIBRARY.h5…", type=_FILE)
@click.option(
    "-o", "output", required=True, metavar="MODEL", type=Named(), help="NAME.safetensors; NAME.json appears beside it."
)
@click.option(
    "--trial",
    multiple=True,
    metavar="LIBRARY.h5",
    type=_FILE,
    help="More states, which no network sees: they set the error bars.",
)
@click.option("--settings", "overruled", metavar="FILE.toml", type=_FILE, help="Training settings to overrule.")
def train(libraries: tuple[str, ...], output: str, trial: tuple[str, ...], overruled: str | None) -> None:
    """Train a model on site libraries."""
    from exafsnn.learn import training
    from exafsnn.validate.calibration import calibrate

    try:
        table = tomllib.loads(Path(overruled).read_text(encoding="utf-8")) if overruled else {}
    except ValueError as error:
        raise click.BadParameter(f"{overruled} is no TOML file: {error}", param_hint="--settings") from error
    settings = training.training_from_mapping(table, training.settings_of(libraries))
    path = training.train(libraries, output, settings, progress_bar())
    if settings.calibration.sessions:
        click.echo("Setting its error bars on held-out states …", err=True)
        try:
            calibrate(str(path), libraries, trial, settings.calibration, progress=progress_bar())
        except SettingsError as error:
            click.echo(f"The error bars stay raw: {error}", err=True)
    click.echo(f"The model is {path}", err=True)
