"""The answers along a series → trends, phases, transitions: one analysis instead of one for each scan.

Each quantity is smoothed along the axis, and never across a transition (``smoothing.py``). What is common to all
scans, as the error of an amplitude is, moves them alike: it is no transition, but stays in the standard deviations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from exafsnn.analyse.branches import Branch, Hysteresis, branches
from exafsnn.analyse.branches import hysteresis as hysteresis_of
from exafsnn.analyse.columns import Column, Key, Point, columns_of
from exafsnn.analyse.smoothing import smooth_between
from exafsnn.analyse.transition.search import Transition, find_transition
from exafsnn.records import Array

_LEAST_SCANS, _LEAST_PLACES = 6, 4
"""A branch of fewer scans, or fewer different places on the axis, is not searched for a transition."""
TOO_FEW = "too few scans"
"""So begins the note that says so."""
_SEARCHED = ("coordination", "distance", "sigma2")
"""A transition is looked for in these."""
_RATE = 0.003
"""False-alarm rate asked of the search. Errors of neighbouring scans are alike, which it does not know: in the end
there are some times as many (``benchmarks/transitions.py``)."""
_JUMP, _CLEAR = 2.0, 5.0
"""A transition changes some quantity by more than so many standard deviations of a scan, and of the change itself by
the scatter of the series: refined answers do not scatter like a Gaussian, but step a little."""
AMPLITUDE = str(Key("coordination", "first"))
"""What S₀², thickness and harmonics change alone."""
_MOST = 1000
"""Of more scans in a branch, neighbours are averaged, so that so many places are left."""
_BOUNDED = {"fraction": 1.0, "coordination": math.inf, "total": math.inf}
"""What is not negative when smoothed, either, and the most that it may be."""
_SCATTER = 3.0
"""Repeats that scatter by more than so many of their standard deviations are told."""


@dataclass(frozen=True)
class _Trend:
    """One quantity along the axis."""

    raw: Array
    """(n,) scan by scan; NaN where it is not known."""
    raw_std: Array
    raw_own: Array
    """(n,) ``raw_std`` without what theory does to all scans alike: for differences between scans."""
    value: Array
    """(n,) smoothed between transitions; NaN where ``raw`` is."""
    std: Array
    """(n,) its standard deviation, with what is common to all scans …"""
    common: Array
    """(n,) … which is this; where nothing was smoothed, as far as it is known."""


@dataclass(frozen=True)
class Series:
    """A series as one analysis."""

    axis: Array
    """(n,) in the order given."""
    phases: tuple[str, ...]
    """(n,) phase of most atoms; empty where no lattice explains the RDF."""
    trends: Mapping[Key, _Trend]
    branches: tuple[Branch, ...]
    transitions: tuple[Transition, ...]
    """Strongest step of each branch. ``found`` is false where chance would show as much, where the step is within the
    error bars (then it is described none the less), and where there are too few scans to tell. What is common to all
    scans is in the errors of ``before`` and ``after``, and not in that of ``jump``."""
    hysteresis: Hysteresis | None
    """Of the first rising and the first falling branch; None if there are not both."""
    notes: tuple[str, ...]
    """What a user should know, in sentences."""

    @property
    def strongest(self) -> Transition:
        """The surest transition of all branches."""
        found = [item for item in self.transitions if item.found]
        return min(found or self.transitions, key=lambda item: item.strength)

    @property
    def searched(self) -> bool:
        """Whether some branch has scans enough for a transition to be found."""
        return any(_enough(self.axis, np.array(part.scans)) for part in self.branches)


def analyse(points: Sequence[Point]) -> Series:
    """Analyse a series of one scan or more.

    Parameters
    ----------
    points
        (n) scans in the order measured: where the axis turns round, another branch begins.
    """
    axis = np.array([point.axis for point in points], dtype=float)
    raw = columns_of(points)
    parts = branches(axis) if len(points) > 1 else (Branch(True, (0,)),)
    found = tuple(_transition_of(axis, raw, part) for part in parts)
    trends = {key: _trend(key, axis, column, parts, found) for key, column in raw.items()}
    phases = tuple(point.lattice.phase if point.lattice and point.trusted else "" for point in points)
    whole = tuple(_with_common(item, trends, part.scans) for part, item in zip(parts, found, strict=True))
    series = Series(axis, phases, trends, parts, whole, _hysteresis(parts, found), ())
    return replace(series, notes=_notes(points, series))


def _transition_of(axis: Array, raw: Mapping[Key, Column], part: Branch) -> Transition:
    """The strongest transition of one branch, by the first range, and the lattice's phases and density where known.

    Its outliers are numbers of scans.
    """
    first = {key: column for key, column in raw.items() if key.range == "first" and key.quantity in _SEARCHED}
    crystal = {key: column for key, column in raw.items() if key.quantity in ("density", "fraction")}
    for searched in (first | crystal, first | {k: c for k, c in crystal.items() if k.quantity == "fraction"}, first):
        rows = np.array([row for row in part.scans if all(np.isfinite(item.value[row]) for item in searched.values())])
        if 2 * len(rows) > len(part.scans) and _enough(axis, rows):
            break
    else:
        return Transition(False, 1.0)
    varying = {str(key): item for key, item in searched.items() if np.ptp(item.value[rows]) > 0}
    if not varying:
        return Transition(False, 1.0)
    groups = _groups(axis, rows)
    values = np.stack([_means(item.value, groups) for item in varying.values()], axis=1)
    std = np.stack([_mean_stds(item.own, groups) for item in varying.values()], axis=1)
    size = {name: float(np.median(item.own[rows])) for name, item in varying.items()}  # averages err as alike as scans
    found = _believed(find_transition(_means(axis, groups), values, std, list(varying), rate=_RATE), size)
    return replace(found, outliers=tuple(int(row) for number in found.outliers for row in groups[number]))


def _groups(axis: Array, rows: np.ndarray) -> list[np.ndarray]:
    """Scans along the axis, each a group of its own unless they are very many: then those of neighbours."""
    order = rows[np.argsort(axis[rows], kind="stable")]
    return np.array_split(order, min(len(rows), _MOST))


def _means(values: Array, groups: list[np.ndarray]) -> Array:
    return np.array([values[group].mean() for group in groups])


def _mean_stds(std: Array, groups: list[np.ndarray]) -> Array:
    """Standard deviations of the means of groups."""
    return np.array([std[group].mean() / math.sqrt(len(group)) for group in groups])


def _enough(axis: Array, rows: Array) -> bool:
    return len(rows) >= _LEAST_SCANS and len(np.unique(axis[rows])) >= _LEAST_PLACES


def _believed(transition: Transition, size: Mapping[str, float]) -> Transition:
    """The strongest step by which some quantity other than N jumps clearly, and more than scans can err alike.

    Neighbouring scans share their errors, and these may step where the RDFs come near to others that are known. Of N
    alone it is the amplitude that steps, as when the sample moves; no atom has.
    """
    steps = [step for step in (transition, *transition.others) if step.found and _jumping(step, size) - {AMPLITUDE}]
    if not steps:
        return replace(transition, found=False, others=())
    return replace(steps[0], others=tuple(steps[1:]), outliers=transition.outliers)


def _jumping(transition: Transition, size: Mapping[str, float]) -> set[str]:
    """Names of the quantities that jump."""
    jumps = transition.jump.items()
    return {name for name, (jump, std) in jumps if abs(jump) > max(_JUMP * size[name], _CLEAR * std)}


def _trend(key: Key, axis: Array, column: Column, parts: Sequence[Branch], found: Sequence[Transition]) -> _Trend:
    """One quantity, smoothed branch by branch."""
    raw, own = column.value, column.own
    value, std, common = raw.copy(), column.std.copy(), column.shared.copy()
    for part, transition in zip(parts, found, strict=True):
        aside = set(transition.outliers)
        rows = np.array([row for row in part.scans if np.isfinite(raw[row]) and row not in aside], dtype=int)
        if not _enough(axis, rows):
            continue
        groups = _groups(axis, rows)
        smooth, scatter = smooth_between(
            _means(axis, groups), _means(raw, groups)[:, None], _mean_stds(own, groups)[:, None],
            _without_outliers(transition),
        )  # fmt: skip
        rows, sizes = np.concatenate(groups), [len(group) for group in groups]
        value[rows] = np.repeat(smooth[:, 0], sizes)
        scattered = np.mean(((raw[rows] - value[rows]) / np.maximum(own[rows], 1e-12)) ** 2)
        common[rows] = np.hypot(own[rows] * math.sqrt(max(1.0 - scattered, 0.0)), column.shared[rows])
        std[rows] = np.hypot(np.repeat(scatter[:, 0], sizes), common[rows])
    if key.quantity in _BOUNDED:
        value = np.clip(value, 0.0, _BOUNDED[key.quantity])
    return _Trend(raw, column.std, own, value, std, common)


def _with_common(transition: Transition, trends: Mapping[Key, _Trend], scans: Sequence[int]) -> Transition:
    """The transition and those besides it, what is common to all scans added to the errors of both sides."""
    common = {str(key): trend.common[list(scans)] for key, trend in trends.items()}
    size = {name: float(np.nanmedian(common[name])) for name in transition.before}
    before, after = (
        {name: (value, math.hypot(std, size[name])) for name, (value, std) in side.items()}
        for side in (transition.before, transition.after)
    )
    others = tuple(_with_common(item, trends, scans) for item in transition.others)
    return replace(transition, before=before, after=after, others=others)


def _without_outliers(transition: Transition) -> Transition:
    """The same, for the scans that are left."""
    return replace(transition, outliers=(), others=tuple(_without_outliers(item) for item in transition.others))


def _hysteresis(parts: Sequence[Branch], found: Sequence[Transition]) -> Hysteresis | None:
    rising = [item for part, item in zip(parts, found, strict=True) if part.rising]
    falling = [item for part, item in zip(parts, found, strict=True) if not part.rising]
    return hysteresis_of(rising[0], falling[0]) if rising and falling else None


def _notes(points: Sequence[Point], series: Series) -> tuple[str, ...]:
    """What a user should know."""
    aside = [series.axis[row] for item in series.transitions for row in item.outliers]
    notes = [f"the scan at {place:g} was set aside: it differs alone" for place in aside]
    foreign = [f"{point.axis:g}" for point in points if not point.trusted]
    if foreign:
        notes.append(
            f"outside the model's domain, and left out of the analysis: the scans at {', '.join(foreign[:10])}"
        )
    turns = len(series.branches) - 1
    if turns > 1:
        notes.append(f"the axis turns {turns} times in the order given: give the scans in the order measured")
    if not series.searched:
        notes.append(
            f"{TOO_FEW} to look for a transition: a branch needs {_LEAST_SCANS}, at {_LEAST_PLACES} different places"
        )
    for part, item in zip(series.branches, series.transitions, strict=True):
        seen = dict.fromkeys(series.phases[row] for row in part.scans if series.phases[row])
        if len(seen) > 1 and not item.found and _enough(series.axis, np.array(part.scans)):
            notes.append(
                f"the scans from {series.axis[part.scans[0]]:g} to {series.axis[part.scans[-1]]:g} are not all of one"
                f" phase ({' to '.join(seen)}), but no step or ramp is told from a curve:"
                " the change is gradual, or comes and goes; go by the single scans, the smoothed values blur it"
            )
    for key, trend in series.trends.items():
        found = [_worst_repeat(series.axis, trend.raw, trend.raw_std, part.scans) for part in series.branches]
        worst = max((item for item in found if item), key=lambda item: item[1], default=None)
        if worst is not None:
            notes.append(
                f"repeats at {worst[0]:g} scatter by {worst[1]:.1f} standard deviations in {key}: its error bars are"
                " too small there, or the sample changed"
            )
    return tuple(notes)


def _worst_repeat(axis: Array, values: Array, std: Array, scans: Sequence[int]) -> tuple[float, float] | None:
    """The place of a branch whose repeats scatter most, in units of their standard deviations, if that is too much."""
    found = []
    known = np.array([row for row in scans if np.isfinite(values[row])], dtype=int)
    for place in np.unique(axis[known]):
        rows = known[axis[known] == place]
        if rows.size > 1:
            apart = np.std(values[rows], ddof=1)
            found.append((float(place), float(apart / max(np.mean(std[rows]), 1e-12))))
    worst = max(found, key=lambda item: item[1], default=None)
    return worst if worst and worst[1] > _SCATTER else None
