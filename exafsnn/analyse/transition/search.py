"""Quantities along temperature, time or potential → where they jump, how surely, over what width; or that they do not.

``series`` calls it with N, R, σ², phase fractions, ln(volume) of its scans. Every quantity is a smooth ``curve``,
noise of unknown size, and maybe a step or ramp. The ``evidence`` for the best of all ``spans`` is compared with what
chance gives. An error common to all scans cancels, a slow drift belongs to the curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from exafsnn.analyse.transition.candidates import columns_of, fixed_columns, neighbours
from exafsnn.analyse.transition.curve import curve_of
from exafsnn.analyse.transition.evidence import SUSPICION, Evidence, evidence_of, judge
from exafsnn.analyse.transition.jump import Estimate, sides
from exafsnn.analyse.transition.quantities import FEWEST, FEWEST_PLACES, Scans, sorted_scans
from exafsnn.errors import SettingsError
from exafsnn.records import Array

_MOST = 10
"""Most transitions that are sought."""
_UNDONE = 0.05
"""Share of the false-alarm rate that each part of a series has, where the whole shows nothing."""


_Z95 = (0.025, 0.975)


@dataclass(frozen=True)
class Transition:
    """The strongest transition of a series, or that there is none."""

    found: bool
    strength: float
    """False-alarm probability: how often a series without a transition, as smooth and noisy as this one, shows one as
    strong anywhere along the axis. ``found`` means that it is below the rate asked for."""
    at: float = math.nan
    """Where, in units of the axis: the middle between two scans, or of the ramp. NaN if no step was found."""
    low: float = math.nan
    """95 % interval; never narrower than the scans on both sides of ``at``."""
    high: float = math.nan
    width: float = 0.0
    """Length of the linear ramp that describes it best; 0 if it takes place between two scans."""
    before: Mapping[str, Estimate] = field(default_factory=dict)
    """Each quantity extrapolated to ``at`` from below, and its standard deviation by the scatter of the series (an
    error common to all scans is not in it)."""
    after: Mapping[str, Estimate] = field(default_factory=dict)
    """The same from above."""
    jump: Mapping[str, Estimate] = field(default_factory=dict)
    """``after`` − ``before``; their errors are correlated, hence a standard deviation of its own."""
    others: tuple[Transition, ...] = ()
    """Further transitions, strongest first."""
    outliers: tuple[int, ...] = ()
    """Scans set aside, as numbers in the order given: each differs alone, which is no transition."""


@dataclass(frozen=True)
class _Place:
    """Where a step or ramp is, in units of the whole axis."""

    span: Array
    """(3,) the likeliest."""
    at: float
    low: float
    high: float
    width: float
    """0 of a step."""


def find_transition(
    axis: Array,
    values: Array,
    std: Array,
    names: Sequence[str],
    *,
    covariance: Array | None = None,
    rate: float = 0.01,
    seed: int = 0,
) -> Transition:
    """Find the transitions of a series, in any order of its scans.

    Parameters
    ----------
    axis
        (n,) temperature, time, potential …; repeats allowed.
    values, std
        (n, q) quantities and their standard deviations: only the ratios of the latter between scans matter, the size
        of the noise is learned from the series.
    names
        (q) names of the quantities.
    covariance
        (n, q, q) covariances between the quantities of a scan; estimated from the series where None.
    rate
        False-alarm rate: how often a series without a transition may seem to have one.
    seed
        Of the simulated series; the same input gives the same answer.

    Raises
    ------
    ScanError
        If there are fewer than 6 scans or 4 places on the axis, or values that are no numbers.
    SettingsError
        If the shapes do not fit, or ``rate`` is not between 0.001 and 0.5.
    """
    if not 0.001 <= rate <= 0.5:
        raise SettingsError(f"got {rate}, need 0.001 to 0.5", where="rate", remedy="0.01 is a good choice")
    series = sorted_scans(axis, values, std, names, covariance)
    unit = float(np.ptp(np.asarray(axis, dtype=float)))
    return _in_units(_search(series, tuple(names), rate, seed), float(np.min(axis)), unit)


def _search(series: Scans, names: tuple[str, ...], rate: float, seed: int) -> Transition:
    """Take out outliers and transitions, strongest first, until there are no more."""
    random = np.random.default_rng(seed)
    found: list[Transition] = []
    outliers: list[int] = []
    fixed: list[Array] = []
    alarm = 1.0
    allowed = max(1, series.axis.size // 10)
    while len(found) < _MOST and (evidence := judge(series, fixed, random)) is not None:
        alarm = evidence.step_alarm
        wrong = _wrong_scan(series, fixed, evidence, rate, random) if len(outliers) < allowed else None
        if wrong is not None:
            outliers.append(int(series.order[wrong]))
            series = series.without(wrong)
            continue
        step = (alarm, _located(series, fixed, evidence)) if alarm < rate else None
        if step is None and not found:
            step = _in_part(series, _UNDONE * rate, random)
        if step is None:
            break
        strength, place = step
        found.append(Transition(True, strength, place.at, place.low, place.high, place.width))
        fixed.append(place.span)
    set_aside = tuple(sorted(outliers))
    if not found:
        return Transition(False, alarm, outliers=set_aside)
    told = [_with_sides(series, fixed, number, each, names) for number, each in enumerate(found)]
    first, *others = sorted(told, key=lambda each: each.strength)
    return replace(first, others=tuple(others), outliers=set_aside)


def _in_part(series: Scans, rate: float, random: np.random.Generator) -> tuple[float, _Place] | None:
    """The strongest step of the beginning or the end: in the whole, one that is undone later looks like a curve."""
    n, best = series.axis.size, None
    for cut in sorted({n // 3, n // 2, 2 * n // 3}):
        for rows in np.split(np.arange(n), [cut]):
            part = series.only(rows)
            if rows.size < FEWEST or part.places.size < FEWEST_PLACES:
                continue
            evidence = judge(part, [], random)
            if evidence is not None and evidence.step_alarm < (best[0] if best else rate):
                best = evidence.step_alarm, _located(part, [], evidence)
    return best


def _wrong_scan(
    series: Scans, fixed: list[Array], evidence: Evidence, rate: float, random: np.random.Generator
) -> int | None:
    """Number of a scan that is wrong, rather than there being a step; also where it hides a step."""
    if series.axis.size <= FEWEST:
        return None
    if evidence.outlier_alarm < rate and evidence.outliers.max() > evidence.steps.max():
        return int(evidence.outliers.argmax())
    if rate <= evidence.step_alarm < SUSPICION:
        behind = judge(series, [*fixed, evidence.best], random)
        if behind is not None and behind.outlier_alarm < rate:
            return int(behind.outliers.argmax())
    return None


def _located(series: Scans, fixed: list[Array], evidence: Evidence) -> _Place:
    """Place, 95 % interval and width of the best step or ramp, besides the spans found already, ``fixed``."""
    family = neighbours(series, fixed, evidence.best)
    known = fixed_columns(series.axis, fixed)
    curves = [curve_of(series.axis, std, known) for std in series.channel_std.T]
    likelihood = evidence_of(curves, series.channels[:, :, None], columns_of(series.axis, family))[:, 0]
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    span = family[likelihood.argmax()]
    centres, lengths = family[:, :2].mean(axis=1), family[:, 1] - family[:, 0]
    ramp = span[2] > 0
    at = float(weight @ centres) if ramp else float(span[:2].mean())
    half = lengths / 2 / (family[:, 2] + 1)
    low, high = _interval(centres - half, centres + half, weight)
    places = series.places
    low = places[places <= low if low < at else places < at].max()
    high = places[places >= high if high > at else places > at].min()
    width = float(weight @ lengths) if ramp else 0.0
    return _Place(span, at, float(low), float(high), width)


def _interval(starts: Array, ends: Array, weight: Array) -> tuple[float, float]:
    """95 % interval of a mixture of uniform densities (c,)."""
    edges = np.unique(np.concatenate([starts, ends]))
    below = np.clip((edges[:, None] - starts) / (ends - starts), 0.0, 1.0) @ weight
    low, high = np.interp(_Z95, below, edges)
    return float(low), float(high)


def _with_sides(
    series: Scans, spans: list[Array], number: int, transition: Transition, names: tuple[str, ...]
) -> Transition:
    """The transition with the quantities on both sides, all other transitions known."""
    others = spans[:number] + spans[number + 1 :]
    found = [
        sides(series.axis, series.places, values, std, others, spans[number], transition.at)
        for values, std in zip(series.values.T, series.std.T, strict=True)
    ]
    before, after, jump = (dict(zip(names, column, strict=True)) for column in zip(*found, strict=True))
    return replace(transition, before=before, after=after, jump=jump)


def _in_units(transition: Transition, origin: float, unit: float) -> Transition:
    """From the whole range as unit to the axis's own."""
    return replace(
        transition,
        at=origin + unit * transition.at,
        low=origin + unit * transition.low,
        high=origin + unit * transition.high,
        width=unit * transition.width,
        others=tuple(_in_units(other, origin, unit) for other in transition.others),
    )
