"""``exafsnn simulate``: structures → site library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .places import Named
from .progress import progress_bar
from .worker_options import worker_options

if TYPE_CHECKING:
    from exafsnn.workers import Cluster


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-o", "output", required=True, metavar="LIBRARY.h5", type=Named(), help="The site library to make or to go on with."
)
@worker_options
def simulate(config: str, output: str, workers: int | None, cluster: Cluster | None) -> None:
    """Simulate the structures of CONFIG.toml into a site library.

    Called again after an interruption, it goes on where it stopped.
    """
    from exafsnn.simulate.library import build, load

    build(config, output, cluster or workers, progress_bar())
    library = load(output)
    sites = sum(len(state.sample.single) for state in library.states)
    click.echo(f"The library is {output}: {len(library.states)} states, {sites} sites", err=True)
    for reason in library.discarded:
        click.echo(f"discarded: {reason}", err=True)
