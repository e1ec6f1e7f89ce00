"""``exafsnn models``: which models are installed."""

from __future__ import annotations

import json

import click

from .screen import print_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def models(as_json: bool) -> None:
    """List the models that are installed."""
    from exafsnn.errors import ModelError
    from exafsnn.infer.predict import load_model
    from exafsnn.learn.model_file import known_models

    found = []
    for name in known_models():
        try:
            found.append(load_model(name))
        except ModelError as error:
            click.echo(f"{name} cannot be used: {error}", err=True)
    if as_json:
        click.echo(
            json.dumps([{"name": m.name, "absorber": m.absorber, "edge": m.edge, "ranges": m.ranges} for m in found])
        )
        return
    lines = [(m.name, f"{m.absorber} {m.edge}", _ranges_text(m.ranges)) for m in found]
    print_table(("model", "edge", "ranges (Å)"), lines)


def _ranges_text(ranges: dict[str, tuple[float, float]]) -> str:
    return ", ".join(f"{name} {low:g}–{high:g}" for name, (low, high) in ranges.items())
