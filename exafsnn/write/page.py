"""A series → one self-contained HTML page: the answer first, then figures and tables.

No script, nothing from elsewhere. All text is escaped by the template engine: names and headers are other people's.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from exafsnn import __version__
from exafsnn.analyse.branches import Branch
from exafsnn.analyse.columns import METAL, Key
from exafsnn.analyse.series import AMPLITUDE, TOO_FEW, Series
from exafsnn.analyse.thermal import Thermal
from exafsnn.analyse.transition.search import Transition
from exafsnn.partials import APART
from exafsnn.records import Lattice, Prediction, Shell
from exafsnn.run.outcomes import Outcome
from exafsnn.run.series import Course
from exafsnn.words import along, unit_along
from exafsnn.write.markup import template
from exafsnn.write.tables import printable

MOST_ROWS = 300
"""Scans in the table of the page."""
_UNITS = {"distance": " Å", "sigma2": " Å²", "density": " g/cm³", "lattice_constant": " Å"}
_DIGITS = {"coordination": 2, "distance": 3, "sigma2": 4, "density": 3, "lattice_constant": 4, "fraction": 2}
_NAMES = {
    "coordination": "coordination N", "distance": "mean distance R", "sigma2": "σ²", "density": "density",
    "lattice_constant": "lattice constant a", "fraction": "share of",
}  # fmt: skip
_FIRST = "first"
"""Name of the range that every pair has …"""
_SHELLS = (_FIRST, *APART)
"""… and what all begin with of which trends are shown: a metal's and its oxide's shells, too, where they are apart."""
_MINOR = 0.1
"""A phase of a smaller share is not named."""


def axis_label(course: Course) -> str:
    """What the axis is, with its unit."""
    return along(printable(course.against))


def report(course: Course, figures: Mapping[str, bytes]) -> str:
    """The page.

    Parameters
    ----------
    course
        The analysed series.
    figures
        PNG files by title; a title may have its caption after a line break.
    """
    done = [outcome for outcome in course.outcomes if outcome.axis is not None]
    series = course.series
    several = _are_several(done)
    rows = _rows(course, several)
    reach = "" if several else _reach(done)
    return template("report.html").render(
        title=_title(course, done),
        subtitle=_subtitle(course, done),
        answers=answers(course),
        notes=[note for note in series.notes if not note.startswith(TOO_FEW)] if series else (),
        figures=[_figure(title, content) for title, content in figures.items()],
        jumps=_jumps(series, series.strongest) if series and series.strongest.found else [],
        thermal=_thermal(course.thermal),
        thermal_notes=[f"{item.phase or 'No lattice'}: {note}" for item in course.thermal for note in item.notes],
        headings=(
            *(axis_label(course), "scan", *(["pair"] if several else [])),
            *(f"N{reach}", f"R{reach} (Å)", f"σ²{reach} (Å²)"),
            *("lattice", "a (Å)", "density (g/cm³)", "R-factor", "status"),
        ),
        rows=rows[:MOST_ROWS],
        left_out=max(0, len(rows) - MOST_ROWS),
        warned=[
            (printable(outcome.title), outcome.status, printable("; ".join(outcome.warnings)))
            for outcome in course.outcomes
            if outcome.warnings
        ][:MOST_ROWS],
        made=f"Made by exafsnn {__version__}, {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}. The table has each scan,"
        " series.csv the smoothed values, settings.json all that was asked for.",
    )


def _reach(done: list[Outcome]) -> str:
    """The range of r of N, R and σ², in words."""
    shells = [shell for outcome in done for _, shell in _first_shells(outcome)]
    return f" {shells[0].r_min:g}–{shells[0].r_max:g} Å" if shells else ""


def _first_shells(outcome: Outcome) -> Iterator[tuple[Prediction, Shell]]:
    """The ranges of which trends are shown, with the answer that they are of."""
    for prediction in (edge.prediction for edge in outcome.edges):
        for name, shell in prediction.shells.items() if prediction else ():
            if prediction and name.removesuffix(f" {shell.pair}") in _SHELLS:
                yield prediction, shell


def _thermal(found: Sequence[Thermal]) -> list[tuple[str, ...]]:
    """Phase, expansion, Einstein and Debye temperature of each phase of which something is known."""
    rows = []
    for item in found:
        grown, share = item.expansion, "–"
        if grown:
            share = f"{1e6 * grown.coefficient:.1f} ± {1e6 * grown.coefficient_std:.1f} at {grown.temperature:.0f} K"
        cells = [f"{fit.theta:.0f} ± {fit.theta_std:.0f}" if fit else "–" for fit in (item.einstein, item.debye)]
        rows.append((item.phase or "no lattice", share, *cells))
    return rows


def _figure(title: str, content: bytes) -> dict[str, str]:
    head, _, caption = title.partition("\n")
    return {"title": head, "caption": caption, "data": base64.b64encode(content).decode()}


def _title(course: Course, done: list[Outcome]) -> str:
    edges = sorted({edge.edge for item in done for edge in item.edges})
    return f"{', '.join(edges) or 'No edge'} — {len(done)} scans against {printable(course.against)}"


def _subtitle(course: Course, done: list[Outcome]) -> str:
    rejected = sum(outcome.status == "rejected" for outcome in course.outcomes)
    models = sorted({edge.prediction.model for outcome in done for edge in outcome.edges if edge.prediction})
    places = [outcome.axis for outcome in done if outcome.axis is not None]
    unit = unit_along(course.against)
    reach = f"{min(places):g} to {max(places):g}{unit}" if places else "none"
    standard = f"standard {printable(course.standard)}" if course.standard else "no standard"
    parts = [reach, *(f"model {model}" for model in models), standard, f"{rejected} rejected" if rejected else ""]
    return " · ".join(part for part in parts if part)


def answers(course: Course) -> list[str]:
    """The transitions, in a sentence each."""
    series, unit = course.series, unit_along(course.against)
    if series is None:
        return ["No scan could be used."]
    found = [item for item in series.transitions if item.found]
    if not found:
        return [_told_of_none(series, unit)]
    several = len(series.branches) > 1
    sentences = [
        f"{('Rising: ' if part.rising else 'Falling: ') if several else ''}{_told(_in_time(each, part), unit)}"
        for part, item in zip(series.branches, series.transitions, strict=True)
        if item.found
        for each in (item, *item.others)
    ]
    turn = series.hysteresis
    if turn and turn.found:
        certain = turn.low > 0 or turn.high < 0
        reach = f"{turn.low:.4g} to {turn.high:.4g}{unit} wide"
        sentences.append(
            f"Hysteresis {reach}." if certain else f"No hysteresis beyond the spacing of the scans: {reach}."
        )
    return sentences


def _told_of_none(series: Series, unit: str) -> str:
    """Why there is no transition."""
    step = series.strongest
    if not series.searched:
        return "Too few scans to look for a transition."
    if math.isfinite(step.at) and (n := step.jump.get(AMPLITUDE)) and abs(n[0]) > 3 * n[1]:
        said = f"N steps by {n[0]:+.2f} ± {n[1]:.2f} at {step.at:.5g}{unit}, but no lattice, distance or motion with it"
        return f"No transition was found: {said}: so does the amplitude when a sample moves, or its thickness changes."
    if math.isfinite(step.at):
        return f"No transition was found: the scans step at {step.at:.5g}{unit}, but by less than they may err alike."
    return f"No transition was found: as much as there is, chance shows in {step.strength:.0%} of series or more."


def _in_time(item: Transition, part: Branch) -> Transition:
    """A transition with its sides in the order measured: on a falling branch what is above comes before."""
    if part.rising:
        return item
    jump = {name: (-value, std) for name, (value, std) in item.jump.items()}
    return replace(item, before=item.after, after=item.before, jump=jump)


def _told(item: Transition, unit: str) -> str:
    """One transition in words."""
    place = f"Transition at {item.at:.5g}{unit}, 95 % between {item.low:.5g} and {item.high:.5g}{unit}"
    width = f", over {item.width:.3g}{unit}" if item.width > 0 else ""
    before, after = _phase(item.before), _phase(item.after)
    change = f", {before} → {after}" if before and after and before != after else ""
    step = item.jump.get("density")
    density = ""
    if step:
        change_std = (100 * value / item.before["density"][0] for value in step)
        density = "; density {:+.1f} ± {:.1f} %".format(*change_std)
    chance = f"Chance alone shows as much in less than {max(item.strength, 1e-6):.0e} of series"
    return f"{place}{width}{change}{density}. {chance}."


def _phase(side: Mapping[str, tuple[float, float]]) -> str:
    """The phases on one side of a transition, that of most atoms first."""
    metal = str(Key("fraction", phase=METAL))
    shares = {name: value for name, (value, _) in side.items() if name.startswith("fraction ") and name != metal}
    there = sorted((name for name in shares if shares[name] > _MINOR), key=lambda name: -shares[name])
    return " + ".join(name.removeprefix("fraction ") for name in there)


def _jumps(series: Series, item: Transition) -> list[tuple[str, ...]]:
    """Before, after and change of every quantity, in the order measured."""
    rows: list[tuple[str, ...]] = []
    item = _in_time(item, series.branches[series.transitions.index(item)])
    for name in item.before:
        quantity, _, of = name.partition(" ")
        title = f"{_NAMES[quantity]} {of}" if quantity == "fraction" else _NAMES[quantity]
        digits, unit = _DIGITS[quantity], _UNITS.get(quantity, "")
        cells = [f"{side[name][0]:.{digits}f} ± {side[name][1]:.{digits}f}{unit}" for side in (item.before, item.after)]
        change = f"{item.jump[name][0]:+.{digits}f} ± {item.jump[name][1]:.{digits}f}{unit}"
        rows.append((title, *cells, change))
    return rows


def _rows(course: Course, several: bool) -> list[list[str]]:
    """One row for each scan that was done; one for each pair where there are several."""
    rows = []
    for outcome, lattice in zip(course.outcomes, course.lattices, strict=True):
        for prediction, shell in _first_shells(outcome) if outcome.axis is not None else ():
            numbers = [
                _value(shell.coordination, shell.coordination_std, 2), _value(shell.distance, shell.distance_std, 3),
                _value(shell.sigma2, shell.sigma2_std, 4),
            ]  # fmt: skip
            rows.append([
                f"{outcome.axis:g}", printable(outcome.title), *([_pair(shell)] if several else []),
                *(numbers if outcome.status != "foreign" else ["–"] * len(numbers)),
                *_lattice_cells(lattice), f"{prediction.misfit:.3f}", outcome.status,
            ])  # fmt: skip
    return rows


def _are_several(done: list[Outcome]) -> bool:
    """Whether the table has rows of several pairs or ranges."""
    return len({_pair(shell) for outcome in done for _, shell in _first_shells(outcome)}) > 1


def _pair(shell: Shell) -> str:
    return f"{shell.pair}, {shell.r_min:g}–{shell.r_max:g} Å"


def _lattice_cells(lattice: Lattice | None) -> tuple[str, str, str]:
    if lattice is None:
        return "–", "–", "–"
    share = lattice.fractions[lattice.phase][0]
    phase = lattice.phase if share > 0.9 else f"{lattice.phase} {share:.0%}"
    return phase, _value(*lattice.constant, 4), _value(*lattice.density, 3) if lattice.density else "–"


def _value(value: float, std: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f} ± {std:.{digits}f}"


def firsts(series: Series) -> list[str]:
    """The ranges of which trends are shown: ``first`` of the first pair, those of the others, of metal and oxide.

    What hardly scatters has no distance, and beside others nothing to be shown.
    """
    of = {key.range: trend for key, trend in series.trends.items() if key.quantity == "distance"}
    there = [name for name, trend in of.items() if name == _FIRST or np.isfinite(trend.raw).any()]
    names = [name for name in there if name.split(" ")[0] in _SHELLS]
    return sorted(names, key=lambda name: (name != _FIRST, _SHELLS.index(name.split(" ")[0])))


def panels_of(series: Series, name: str = _FIRST) -> list[tuple[str, list[tuple[str, Key]]]]:
    """What the figure of trends of a range shows: labels of its panels, and of the lines in each."""
    keys = list(series.trends)
    several = [
        ("N", [("", key) for key in keys if key.quantity == "coordination" and key.range == name]),
        ("R (Å)", [("", key) for key in keys if key.quantity == "distance" and key.range == name]),
        ("σ² (Å²)", [("", key) for key in keys if key.quantity == "sigma2" and key.range == name]),
    ]
    if name == _FIRST:
        several += [
            ("density (g/cm³)", [("", key) for key in keys if key.quantity == "density"]),
            *((f"a of {key.phase} (Å)", [("", key)]) for key in keys if key.quantity == "lattice_constant"),
            ("share of the atoms", [(key.phase, key) for key in keys if key.quantity == "fraction"]),
        ]
    return [(label, lines) for label, lines in several if lines]
