"""``exafsnn simulate``: structures → site library."""

from __future__ import annotations

import click

from .places import Named
from .screen import progress_bar


@click.command()
@click.argument("config", metavar="CONFIG.toml", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-o", "output", required=True, metavar="LIBRARY.h5", type=Named(), help="The site library to make or to go on with."
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes; by default one per core.")
def simulate(config: str, output: str, workers: int | None) -> None:
    """Simulate the structures of CONFIG.toml into a site library.

    Called again after an interruption, it goes on where it stopped.
    """
    from exafsnn.simulate.library import build, load

    build(config, output, workers, progress_bar())
    library = load(output)
    sites = sum(len(state.sample.single) for state in library.states)
    click.echo(f"The library is {output}: {len(library.states)} states, {sites} sites", err=True)
    for reason in library.discarded:
        click.echo(f"discarded: {reason}", err=True)
