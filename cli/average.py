"""``exafsnn average``: a trajectory → its mean χ(k) and n(r), with errors; no training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from exafsnn.workers import cores

from . import screen
from .places import Named
from .progress import progress_bar
from .worker_options import worker_options

if TYPE_CHECKING:
    from exafsnn.workers import Cluster

_COLUMNS = {
    "pair": screen.text("pair"),
    "range": screen.text("range"),
    "from (Å)": screen.number("r_min", 2),
    "to (Å)": screen.number("r_max", 2),
    "N": screen.number("coordination", 3),
    "R (Å)": screen.number("distance", 4),
    "σ² (Å²)": screen.number("sigma2", 5),
}


def _types(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, str]:
    """``1=Pt,2=O``."""
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    named = {kind.strip(): symbol.strip() for kind, _, symbol in pairs}
    if not all(kind.isdigit() and symbol for kind, symbol in named.items()) or len(named) < len(pairs):
        raise click.BadParameter(f"{text!r} names no types: write them as 1=Pt,2=O, each once")
    return named


def _cell(_: click.Context, __: click.Parameter, text: str | None) -> tuple[float, ...]:
    """``a,b,c`` or ``a,b,c,α,β,γ``."""
    try:
        return tuple(float(part) for part in (text or "").split(",")) if text else ()
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no cell: write a,b,c in Å, and α,β,γ in degrees") from error


def _slice(_: click.Context, __: click.Parameter, text: str | None) -> slice:
    """``START:STOP:STEP``, each of which may be missing; ``START:`` and a lone number, too."""
    if text is None:
        return slice(None)
    from exafsnn.simulate.frame_files import frame_range

    return frame_range(text)


@click.command()
@click.argument("trajectories", nargs=-1, required=True, metavar="TRAJECTORY…")
@click.option("--absorber", required=True, metavar="ELEMENT", help="The element that absorbs, e.g. Pt.")
@click.option("--edge", type=click.Choice(["K", "L1", "L2", "L3"]), help="By default the usual one of that element.")
@click.option("--frames", callback=_slice, metavar="START:STOP:STEP", help="Which frames, counted from 0.")
@click.option(
    "--sites",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Sites whose multiple scattering is summed.",
)
@click.option("--types", callback=_types, metavar="1=Pt,2=O", help="Elements of numbered types.")
@click.option("--cell", callback=_cell, metavar="a,b,c[,α,β,γ]", help="The cell (Å, degrees), if the file has none.")
@click.option("--free", is_flag=True, help="It is a particle in empty space: nothing repeats.")
@click.option("--structure", default="", metavar="FILE", help="Names the elements of a DCD file, atom by atom.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of the choice of sites.")
@worker_options
@click.option(
    "-o",
    "output",
    default="exafsnn-results",
    show_default=True,
    metavar="DIR",
    type=Named(),
    help="Where the results go.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def average(
    trajectories: tuple[str, ...], absorber: str, edge: str | None, frames: slice, sites: int, types: dict[str, str],
    cell: tuple[float, ...], free: bool, structure: str, seed: int, workers: int | None, cluster: Cluster | None,
    output: str, as_json: bool,
) -> int:  # fmt: skip
    """Mean χ(k) and n(r) of the absorbers of a TRAJECTORY, with their statistical errors.

    Several files follow one another. All of it is simulated: by FEFF, S₀² = 1, k from FEFF's own E₀.
    """
    from exafsnn.simulate.average import AverageSettings
    from exafsnn.simulate.average import average as averaged
    from exafsnn.simulate.frame_files import Told
    from exafsnn.write.results import ResultsFolder

    told = Told(types=types, cell=cell, free=free, structure=structure)
    settings = AverageSettings(sites=sites, seed=seed)
    asked: dict[str, object] = {"absorber": absorber, "edge": edge, "frames": [frames.start, frames.stop, frames.step]}
    asked |= {"told": told.to_mapping(), "average": settings.to_mapping()}
    inputs = [*trajectories, *filter(None, [structure])]
    with ResultsFolder(output, "average", asked, inputs=inputs) as folder:
        found = averaged(
            trajectories, absorber, edge, told=told, frames=frames, settings=settings,
            workers=cluster or workers or cores(), progress=progress_bar(),
        )  # fmt: skip
        folder.add_average(" + ".join(trajectories), found)
    return screen.show_rows(folder, _COLUMNS, as_json)
