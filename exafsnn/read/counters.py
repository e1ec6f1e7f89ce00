"""Raw counters → what speaks against them: saturated, stuck, or a monitor that does not see the beam.

``absorption.py`` calls it for the counters of which it makes μ: in their ratio the noise of one hides what the other
does.
"""

from __future__ import annotations

import math

import numpy as np

from exafsnn.errors import Finding
from exafsnn.records import Array

_FEWEST = 50
"""Fewest points [count] of which anything is said."""

_SAME_POINTS = 4
"""Fewest equal readings that no living counter gives …"""

_RARE = 3
"""… if no other reading comes so often, by this factor; and the counter moves by so many digits from point to point."""

_RANDOM = 0.9
"""Von Neumann's ratio, 2 for white noise and near 0 for a curve, above which a monitor shows nothing but noise."""

_SHARED = 0.5
"""Share of a monitor's jitter that the counter behind it must show: 1 where the jitter is the beam's."""

_CERTAIN = 3.0
"""So many standard deviations make that share certain."""

_FEW_TWICE = 2
"""So many rows may have been read twice without harm."""

_COUNTING = (0.6, 1.6)
"""Variance of a counter's jitter over that of counting, its mean, which is that of counting: of a hundred readings it
is known to a fifth."""

_COARSE = 0.001
"""Digits of a counter, relative to its reading and to what ln(monitor/signal) moves by in the scan, that are told:
rounding is noise of 3 × 10⁻⁴ of the edge step then, which is 2 to 5 % of k²χ."""

_MOVING = 0.1
"""Least share of the points at which a counter whose digits are judged moves on."""

_ORDER = 4
"""Differences of this order leave the jitter of points, and nothing of the curve below it."""

_REMEDY = "Check the counter and its amplifier; take other columns with --columns"


def counter_findings(energy: Array, counters: dict[str, Array], monitor: str, signal: str) -> tuple[Finding, ...]:
    """Look for failing counters.

    Parameters
    ----------
    energy
        (n,) increasing [eV].
    counters
        (n,) readings of each counter, by the name that messages use.
    monitor, signal
        Names of the counter before the sample and of that behind it.

    Returns
    -------
    tuple of Finding
        Fatal ones, but for a monitor that may be dead, readings that were stored twice, and digits that were cut off.
    """
    if len(energy) < _FEWEST:
        return ()
    held = [finding for name, values in counters.items() if (finding := _held(energy, name, values))]
    if held:
        return tuple(held)
    found = (
        _dead(monitor, counters[monitor], counters[signal]),
        _read_twice(energy, counters[monitor], counters[signal]),
        _coarse(monitor, counters[monitor], counters[signal]),
        _coarse(signal, counters[signal], counters[monitor]),
    )
    return tuple(finding for finding in found if finding)


def _held(energy: Array, name: str, values: Array) -> Finding | None:
    """Tell a reading that comes far too often: the counter's end, or where it hangs."""
    ordered = np.sort(values)
    if (ordered[1:] > ordered[:-1]).all():
        return None  # none comes twice
    readings, counts = np.unique(values, return_counts=True)
    if len(readings) == 1:
        message = f"the counter in column {name} reads {values[0]:.6g} at every point: it is dead"
        return Finding("stuck", "fatal", message, float(energy[0]), _REMEDY)
    digit = float(np.diff(readings).min())
    if float(np.median(np.abs(np.diff(values[values < readings[-1]])))) < _RARE * digit:
        return None  # too coarse to tell
    limit = readings[-1] - 1.01 * digit
    top, usual = values >= limit, int(counts[readings < limit].max(initial=1))
    if top.sum() >= max(_SAME_POINTS, _RARE * usual):
        start = float(energy[np.argmax(top)])
        message = (
            f"the counter in column {name} reads its largest value, {readings[-1]:.6g}, at {top.sum()} points, the "
            f"first at {start:.1f} eV: it is saturated"
        )
        return Finding("saturated", "fatal", message, start, _REMEDY)
    start, length = _longest_run(values)
    if length < _SAME_POINTS or length < _RARE * _longest_run(np.delete(values, slice(start, start + length - 1)))[1]:
        return None
    place = float(energy[start])
    message = (
        f"the counter in column {name} reads {values[start]:.6g} at {length} points in a row from {place:.1f} eV on"
    )
    return Finding("stuck", "fatal", f"{message}: it is stuck", place, _REMEDY)


def _coarse(name: str, values: Array, other: Array) -> Finding | None:
    """Tell digits so few that their rounding, and not noise, is what moves a counter from point to point."""
    if (values <= 0).any() or (other <= 0).any():
        return None
    readings = np.unique(values)
    digit = float(np.diff(readings).min(initial=math.inf))
    relative = digit / float(np.median(values))
    moves = float(np.ptp(np.log(values / other)))
    jitter = float(np.median(np.abs(np.diff(values, _ORDER)))) / 0.6745 / math.sqrt(math.comb(2 * _ORDER, _ORDER))
    counts = digit == 1 and bool((readings == np.round(readings)).all())  # events have no digits to cut off
    held = float((np.diff(values) != 0).mean()) < _MOVING  # a constant rate moves with the counting time alone
    if counts or held or jitter > digit or not _COARSE * moves < relative < math.inf:
        return None
    message = (
        f"the counter in column {name} is given in steps of {digit:.3g}, {relative:.2%} of its reading: digits were"
    )
    return Finding("coarse-digits", "warning", f"{message} cut off", remedy="Write the counter with more digits")


def _longest_run(values: Array) -> tuple[int, int]:
    """First point and length of the longest run of equal readings."""
    ends = np.concatenate([[-1], np.flatnonzero(np.diff(values) != 0), [len(values) - 1]])
    longest = int(np.argmax(np.diff(ends)))
    return int(ends[longest]) + 1, int(ends[longest + 1] - ends[longest])


def _read_twice(energy: Array, monitor: Array, signal: Array) -> Finding | None:
    """Tell rows in which both counters read what they did in the row before, more often than each does by itself."""
    first, second = (np.diff(counts) == 0 for counts in (monitor, signal))
    both = first & second
    rest = max(int((~both).sum()), 1)
    by_chance = len(both) * float((first & ~both).sum()) * float((second & ~both).sum()) / rest**2
    if both.sum() <= _CERTAIN * (by_chance + by_chance**0.5):
        return None
    place = float(energy[1:][both][0])
    message = f"both counters read the same as in the row before in {both.sum()} rows, the first at {place:.1f} eV"
    if both.sum() <= _FEW_TWICE:
        return Finding("read-twice", "note", message, place)
    remedy = "Look for a read-out that did not wait for the counters, or rows that were written twice"
    return Finding("read-twice", "warning", f"{message}: they were not counted anew at each energy", place, remedy)


def _dead(name: str, monitor: Array, signal: Array) -> Finding | None:
    """Tell a monitor that is noise around a constant, which the counter behind the sample does not share."""
    if (monitor <= 0).any() or (signal <= 0).any():
        return None
    ratio = float((np.diff(monitor) ** 2).sum() / ((monitor - monitor.mean()) ** 2).sum())
    if ratio < _RANDOM:
        return None
    share, error = _shared_jitter(monitor, signal)
    if share - _CERTAIN * error > _SHARED or (share > _SHARED and error < _SHARED):
        return None
    jitter = float(monitor.std() / monitor.mean())
    message = f"the monitor in column {name} is constant but for noise of {jitter:.2g} of it"
    if _counts(monitor) and _counts(signal):
        message += ", as counting has it: it is held by a feedback, or does not see the beam"
        return Finding("dead-monitor", "warning", message, None, _REMEDY)
    if share + _CERTAIN * error < _SHARED:
        message += f", of which {max(share, 0):.0%} is in the counter behind the sample too: it does not see the beam"
        return Finding("dead-monitor", "fatal", message, None, _REMEDY)
    return Finding("dead-monitor", "warning", f"{message}: it may not see the beam", None, _REMEDY)


def _counts(readings: Array) -> bool:
    """Tell whether a counter jitters by the root of what it reads: so it counts, and nothing else moves it.

    What a beam does that the monitor does not see is in the counter behind the sample, beyond its counting.
    """
    jitter = np.diff(np.log(readings), _ORDER) * np.sqrt(readings[_ORDER // 2 : -_ORDER // 2])
    variance = (float(np.median(np.abs(jitter))) / 0.6745) ** 2 / math.comb(2 * _ORDER, _ORDER)
    return _COUNTING[0] < variance < _COUNTING[1]


def _shared_jitter(monitor: Array, signal: Array) -> tuple[float, float]:
    """Slope of the signal's jitter over the monitor's, of their logarithms, and its standard deviation."""
    cause, effect = (np.diff(np.log(counts), _ORDER) for counts in (monitor, signal))
    usual = float(np.median(np.abs(effect))) / 0.6745
    weight = 1 / np.maximum(usual**2 + effect**2, 1e-30)  # the edge and glitches count little
    norm = float((weight * cause**2).sum())
    share = float((weight * cause * effect).sum()) / norm
    rest = weight * cause * (effect - share * cause)
    lags = [float((rest[lag:] * rest[: len(rest) - lag]).sum()) for lag in range(_ORDER + 1)]
    return share, float(np.sqrt(max(lags[0] + 2 * sum(lags[1:]), lags[0]))) / norm
