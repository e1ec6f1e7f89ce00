"""``exafsnn fetch``: measured foils and compounds of known structure, to try."""

from __future__ import annotations

import click

from .places import Named
from .screen import print_table


@click.command()
@click.argument("names", nargs=-1, metavar="[NAMES…]")
@click.option(
    "-o", "output", type=Named(file_okay=False), default="measured", metavar="DIR", help="Where to (measured)."
)
@click.option("--list", "only_list", is_flag=True, help="Only list what there is.")
def fetch(names: tuple[str, ...], output: str, only_list: bool) -> None:
    """Fetch measured scans of known structure from their public homes: all, or those of NAMES (fe, cu, znse …).

    Checksums are checked. Nothing but these files is asked for, and nothing is sent.
    """
    from exafsnn.run.foils import fetched, measured_scans

    scans = measured_scans(names)
    if not only_list:
        for number, (_, path, there) in enumerate(fetched(scans, output), start=1):
            click.echo(f"{number}/{len(scans)} {path}{': was there' if there else ''}", err=True)
    lines = [(scan.name, scan.file, scan.edge, scan.sample, scan.structure, scan.licence) for scan in scans]
    print_table(("name", "file", "edge", "sample", "--structure", "licence"), lines)
    foil = next((scan for scan in scans if scan.structure), scans[0])
    if not only_list:
        click.echo(f"Try: exafsnn refine {output}/{foil.file}", err=True)
