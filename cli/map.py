"""``exafsnn map``: many scans or patterns → a map on which those that are alike lie together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from exafsnn.workers import cores

from . import screen
from .places import Named
from .scan_options import background_settings, plain_scan_options

if TYPE_CHECKING:
    from exafsnn.run.maps import Mapped

_COLUMNS = {
    "scan": screen.scan_of,
    "status": screen.text("status"),
    "x": screen.number("x", 2),
    "y": screen.number("y", 2),
    "cluster": lambda row: "" if row.get("cluster") is None else str(row["cluster"]),
    "label": screen.number("label", 3),
    "estimate": screen.number("estimate", 3),
    "error": screen.number("error", 2),
}
_TOLD = 3
"""So many of the most relevant ranges are told."""


@click.command("map")
@plain_scan_options
@click.option(
    "--of",
    "kind",
    type=click.Choice(["chi", "mu", "xrd"]),
    help="k²χ(k), μ(E) near the edge, or diffraction patterns (found by the first file, χ(k) of scans).",
)
@click.option(
    "--labels",
    metavar="FILE.csv",
    type=Named(dir_okay=False),
    help="Table with the columns file,value: composition or the like; what is left empty is estimated.",
)
@click.option(
    "--against",
    metavar="AXIS",
    help="Without labels: temperature, order, name, or a header field (temperature, where all have one).",
)
@click.option("--dimensions", type=click.IntRange(1, 16), default=2, show_default=True, help="Of the map.")
@click.option("--clusters", type=click.IntRange(min=1), metavar="N", help="So many (as many as there are).")
@click.option("--range", "limits", type=(float, float), metavar="LOW HIGH", help="Part of the axis (what all have).")
@click.option(
    "--weight", type=click.IntRange(0, 3), default=2, show_default=True, help="Power of k by which χ(k) is weighted."
)
@click.option(
    "--mask",
    "masks",
    type=(float, float),
    multiple=True,
    metavar="LOW HIGH",
    help="A range whose relevance is asked for; may be given more than once (all, side by side).",
)
@click.option("--mask-r", "r_masks", type=(float, float), multiple=True, metavar="LOW HIGH", help="The same in R (Å).")
@click.option("--between", nargs=2, metavar="A B", help="Draw artificial spectra between two of the files.")
@click.option(
    "--map",
    "kept",
    metavar="FILE",
    type=Named(dir_okay=False),
    help="Place the files on a map that was made before (map.safetensors): nothing is learned.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the training.")
def map_(
    scans: tuple[str, ...],
    output: str,
    full: bool,
    as_json: bool,
    columns: str | None,
    merge: bool,
    foil_columns: str | None,
    e0_foil: float | None,
    **options: Any,
) -> int:
    """Make a map of SCANS or diffraction patterns: alike ones lie together.

    An autoencoder says each spectrum by two numbers. The map tells clusters, what does not belong there, labels by
    distances, and on which ranges of the spectrum it rests.
    """  # fmt: skip
    _check_kept(options["kept"])
    from exafsnn.run.maps import make_map
    from exafsnn.run.samples import expanded
    from exafsnn.write.map_results import MapFolder

    scans = expanded(scans)
    background = background_settings(**{key: options.pop(key) for key in ("e0", "rbkg", "kmin", "kmax", "kweight")})
    reading: dict[str, Any] = {"columns": columns, "merge": merge, "foil_columns": foil_columns, "e0_foil": e0_foil}
    inputs = [name for name in (options["labels"], options["kept"]) if name]
    asked = {**options, **reading, "background": background.to_mapping()}
    with MapFolder(output, "map", asked, inputs, full) as folder:
        found = make_map(
            scans, **options, **reading, settings=background, workers=cores(),
            progress=lambda said: click.echo(said, err=True),
        )  # fmt: skip
        folder.add_map(found)
    shown = screen.Shown()
    shown.add_done(folder)
    code = shown.show(folder, _COLUMNS, as_json, **_facts(found))
    if not as_json:
        _tell(found)
    return code


_OF_A_NEW_MAP = {
    "kind": "--of", "dimensions": "--dimensions", "limits": "--range", "weight": "--weight", "seed": "--seed",
}  # fmt: skip
"""Options that a map that was made before has decided."""


def _check_kept(kept: str | None) -> None:
    """Refuse what a map that was made before would not heed."""
    context = click.get_current_context()
    given = [
        option
        for name, option in _OF_A_NEW_MAP.items()
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
    ]
    if kept and given:
        raise click.UsageError(f"{', '.join(given)}: the map of --map has its own; make a new one, or leave that out")


def _facts(found: Mapped) -> dict[str, Any]:
    """What the JSON document says besides."""
    ranges = zip(found.windows, found.mean_relevance, strict=True)
    return {
        "axis": found.axis.to_mapping(),
        "warnings": list(found.told),
        "left": {"map": found.left, **{rival.name: rival.left for rival in found.rivals}, "noise": found.map.noise_},
        "label": {"name": found.labels.name, "missed": found.labels.missed},
        "relevance": [{**vars(window), "relevance": float(value)} for window, value in ranges],
    }


def _tell(found: Mapped) -> None:
    """Say on stderr what concerns all of them."""
    for said in found.told:
        click.echo(f"warning: {said}", err=True)
    noise = found.map.noise_ or 1.0
    beside = ", ".join(f"{rival.name} {rival.left / noise:.2g}" for rival in found.rivals)
    click.echo(f"The map leaves {found.left / noise:.2g} of the noise{f' ({beside})' if beside else ''}", err=True)
    if found.labels.missed == found.labels.missed:
        click.echo(f"{found.labels.name} by the distances on the map misses what is known by"
                   f" {found.labels.missed:.3g}, each left out (root mean square)", err=True)  # fmt: skip
    for space in dict.fromkeys(window.space for window in found.windows):
        ranges = [(value, window) for value, window in zip(found.mean_relevance, found.windows, strict=True)
                  if window.space == space]  # fmt: skip
        best = sorted(ranges, key=lambda item: -item[0])[:_TOLD]
        told = ", ".join(f"{window.low:.4g}–{window.high:.4g} ({value:.2f})" for value, window in best)
        click.echo(f"Most relevant in {space}: {told}", err=True)
