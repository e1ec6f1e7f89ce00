"""``exafsnn make``: a metal's name → a trained model with error bars, found by name from then on."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

from .progress import progress_bar
from .worker_options import worker_options

if TYPE_CHECKING:
    from exafsnn.workers import Cluster


@click.command()
@click.argument("name", required=False, metavar="[NAME|PLAN.toml]")
@click.option("--full", is_flag=True, help="More states and networks: better, and twice as long.")
@click.option(
    "--keep", is_flag=True, help="Keep the site libraries for another training: NAME.libraries/ beside the model."
)
@click.option(
    "--template", is_flag=True, help='Print the plan of NAME (or "zincblende:5.41 ZnS", or a CIF), to change it.'
)
@click.option("--list", "listed", is_flag=True, help="Print the names that can be made.")
@worker_options
def make(
    name: str | None,
    full: bool,
    keep: bool,
    template: bool,
    listed: bool,
    workers: int | None,
    cluster: Cluster | None,
) -> None:
    """Make the model of a metal, e.g. pt-l3, or of a PLAN.toml ([metal], [compound] or [alloy]).

    It simulates, trains, and sets the error bars.

    Called again after an interruption, it goes on where it stopped. With --scheduler the states are simulated on the
    cluster, and the networks trained here.
    """
    from exafsnn.learn.model_file import shipped_models
    from exafsnn.validate import recipes
    from exafsnn.validate.make import make as made

    if listed:
        click.echo("\n".join(recipes.makeable()))
        return
    if name is None:
        raise click.UsageError("Missing argument 'NAME'. exafsnn make --list prints those that are known")
    if template:
        click.echo(recipes.template(name))
        return
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        if name.endswith(".toml"):
            recipe = recipes.recipe_of_file(name, full=full, progress=progress_bar())
        else:
            recipe = recipes.recipe_for(name, full=full)
    for warning in told:
        click.echo(f"Warning: {warning.message}", err=True)
    click.echo(
        f"{recipe.name}: {recipe.states} states, {recipe.networks} networks; about"
        f" {recipe.seconds / 60:.0f} min, {recipe.megabytes:.0f} MB of disk and 3 GB of memory meanwhile",
        err=True,
    )
    if recipe.unseen:
        click.echo(f"No range for {', '.join(recipe.unseen)}: its nearest are farther than models see", err=True)
    if recipe.lacking:
        without = f"Without {', '.join(recipe.lacking)}, which the extra compounds simulates"
        click.echo(f'{without}: pip install "exafsnn[compounds]"', err=True)
    if recipe.name in shipped_models():
        click.echo(f"It will take the place of the shipped {recipe.name}, for you", err=True)
    path = made(recipe, progress_bar(), workers, keep=keep, cluster=cluster)
    found = "by the edge of a scan" if recipe.is_by_edge else f"with --model {recipe.name}"
    click.echo(f"The model is {path}; exafsnn predict finds it {found}", err=True)
