"""``exafsnn models``: which models are installed, of what, and where each can be trusted."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from .screen import print_table

if TYPE_CHECKING:
    from exafsnn.infer.joint import JointModel
    from exafsnn.infer.predict import Model


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of the table.")
def models(name: str | None, as_json: bool) -> None:
    """List the models that are installed; of one NAME print the card: accuracy, coverage, known failures."""
    from exafsnn.errors import ModelError
    from exafsnn.infer.joint import load_any
    from exafsnn.learn.model_file import find_model, known_models

    if name and not as_json:
        card = find_model(name).with_suffix(".md")
        if not card.exists():
            raise ModelError("the model has no card", where=name, remedy="Make it anew with exafsnn make")
        click.echo(card.read_text(encoding="utf-8").rstrip())
        return
    found = []
    for known in [name] if name else known_models():
        try:
            found.append(load_any(known))
        except ModelError as error:
            click.echo(f"{known} cannot be used: {error}", err=True)
    if as_json:
        click.echo(json.dumps([_facts(model) for model in found]))
        return
    headings = ("model", "edge", "ranges (Å)", "n(r) (Å)", "k max (Å⁻¹)", "S₀² assumed", "trained on")
    print_table(headings, [_line(_facts(model)) for model in found])


def _facts(model: Model | JointModel) -> dict[str, Any]:
    """What a model is of, what it was trained on, and for which scans; of a joint one what its parts are of."""
    from exafsnn.infer.joint import JointModel

    if isinstance(model, JointModel):
        one, other = map(_facts, model.edges)
        ranges = one["ranges"] | {name: limits for name, limits in other["ranges"].items() if name != "first"}
        named = {key: f"{one[key]}+{other[key]}" for key in ("absorber", "edge")}
        return one | named | {"name": model.name, "parts": [one["name"], other["name"]], "ranges": ranges}
    library, pairs = model.info["library"], model.pairs
    states: Counter[str] = Counter()
    for kind in ("families", "solids", "bimetals", "frames"):  # (simulate.plan.KINDS)
        for family in library["plan"].get(kind, ()):
            states[family.get("phase") or family["order"]] += family["count"]
    return {
        "name": model.name, "absorber": model.absorber, "edge": model.edge, "ranges": model.ranges,
        "r": [pairs.r_min, pairs.r_max], "k_max": list(pairs.kmax),
        "amplitude": pairs.amplitude, "amplitude_std": pairs.amplitude_std,
        "states": library["states"], "planned": states.total(), "phases": dict(states),
    }  # fmt: skip


def _line(facts: dict[str, Any]) -> tuple[str, ...]:
    ranges = ", ".join(f"{name} {low:g}–{high:g}" for name, (low, high) in facts["ranges"].items())
    (r_low, r_high), (k_low, k_high) = facts["r"], facts["k_max"]
    phases = ", ".join(f"{name} {count}" for name, count in sorted(facts["phases"].items(), key=lambda item: -item[1]))
    return (
        facts["name"], _edges(facts), ranges, f"{r_low:.2f}–{r_high:.2f}",
        f"{k_low:g}–{k_high:g}", f"{facts['amplitude']:g} ± {facts['amplitude_std']:.0%}",
        f"{_states(facts)}: {phases}",
    )  # fmt: skip


def _states(facts: dict[str, Any]) -> str:
    """How many there are; of which those of each phase are planned, some simulations fail."""
    there, planned = facts["states"], facts["planned"]
    return f"{there} simulated states" if there == planned else f"{there} simulated states of {planned} planned"


def _edges(facts: dict[str, Any]) -> str:
    """``Zn K``, or ``Zn K+Se K``."""
    ends = zip(*(facts[key].split("+") for key in ("absorber", "edge")), strict=True)
    return "+".join(f"{absorber} {edge}" for absorber, edge in ends)
