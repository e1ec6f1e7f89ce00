"""Surroundings of an edge → glitches and steps: what is sharper than the lifetime of the core hole allows.

Nothing in an absorption spectrum is narrower than the core hole's Lorentzian; away from the edge the photoelectron's
own lifetime widens it further. So μ is taken as a random process whose correlation is a Lorentzian of that width, large
at the edge and small far from it, whatever the sample: C is its inverse. A few points, or a step, that the others make
impossible are found and replaced by what the others say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from exafsnn.measure import limits
from exafsnn.measure.departures import Break, Departures
from exafsnn.records import Array

AROUND = (-60.0, 90.0)
"""Points that say something [eV from the edge]."""

_SOUGHT = (-25.0, 45.0)
"""Where breaks are sought [eV from the edge]."""

FEWEST = 20
"""Fewest points [count] that tell anything."""

_WIDENING, _CONSTANT = 0.25, 5.0
"""By how much [eV per eV] structures widen with the distance from the edge, beyond so many eV."""

_ABOVE, _BELOW = (0.05, 20.0, 2), (0.003, 8.5, 4)
"""Size of structures far from the edge, in edge steps; the distance [eV] and the power with which it falls to that …"""

_LARGEST = 0.2
"""… from this at the edge."""

_NARROWEST, _SAMPLED = 0.8, 3
"""Least width of a line in those of structures there (on a slope half its height is measured too narrow), and fewest
points [count] above it."""

_NOISE, _JITTER = 0.002, 0.03
"""Least noise, in edge steps, and the least uncertainty of the energies [eV]."""

LONGEST = 5
"""Most points of one glitch …"""

_BRIDGED = 4
"""… and of those that the points around can replace."""

_STRENGTH, _COST = 6.0, 12.0
"""A break is so many standard deviations high; each further point must explain so much more (in their square)."""

MOST = 4
"""Most breaks that are sought."""

_LEAST = limits.SMALLEST["edge"]
"""Smallest height that matters, in edge steps."""


@dataclass(frozen=True)
class _NearEdge:
    """The detector for one grid and position of the edge; m points lie around it."""

    away: Array
    """(n,) energies from the edge [eV]."""
    width: float
    """Of the core hole [eV]."""
    around: np.ndarray
    """(n,) which points of a scan are around the edge."""
    departures: Departures
    """At the least noise."""

    def suspects(self, mu: Array, share: float) -> np.ndarray:
        """(s,) scans (s, n), in edge steps, in which a break might be, or whose noise is more than the least.

        The longest stretches alone are looked at: they are as unlikely as any part of them.
        """
        pull = self.departures.pull(mu[:, self.around])
        suspect = (self.departures.steps(pull)[1] > share**2 * (_STRENGTH**2 + _COST)).any(axis=1)
        suspect |= (self.departures.stretches(pull, LONGEST)[1] > (share * _STRENGTH) ** 2).any(axis=1)
        return np.asarray(suspect | self._noisy(pull))

    def _noisy(self, pull: Array) -> np.ndarray:
        """(s,) scans whose points on one side surprise more than usual: more noise is assumed there."""
        loud = np.abs(pull) > 0.6745 * np.sqrt(np.diag(self.departures.certainty))
        below = self.away[self.around] < 0
        return np.any([2 * loud[:, side].sum(axis=1) >= side.sum() for side in (below, ~below) if side.any()], axis=0)

    def breaks(self, mu: Array) -> list[Break]:
        """Points and steps of a scan (n,) that no core hole allows, as indices of it, the most extreme first."""
        places = np.flatnonzero(self.around)
        found: list[Break] = []
        lines = _lines(self.away[places], mu[places], self.width)
        while len(found) < MOST and len(places) >= FEWEST:
            away, values = self.away[places], mu[places]
            departures = Departures(_certainty_of(away, values, self.width, lines))
            item = _most_extreme(departures, values, (away > _SOUGHT[0]) & (away < _SOUGHT[1]))
            if item is None:
                return found
            found.append(_of_scan(item, places))
            if item.kind == "step":
                return found
            places = np.delete(places, slice(item.first, item.last + 1))
        return found


def near_edge(energy: Array, position: float, width: float) -> _NearEdge | None:
    """Make the detector for a grid (n,), a position of the edge and a width of its core hole [eV]; None of few points.

    Parameters
    ----------
    energy
        (n,) increasing [eV].
    position, width
        Of the edge, and of its core hole: full width at half maximum [eV].
    """
    away = energy - position
    around = (away > AROUND[0]) & (away < AROUND[1])
    if around.sum() < FEWEST:
        return None
    certainty = _certainty_of(away[around], np.zeros(int(around.sum())), width)
    return _NearEdge(away, width, around, Departures(certainty))


def _of_scan(item: Break, places: np.ndarray) -> Break:
    """Break by the indices of the whole scan; too many points, or with others between them, are no glitch."""
    first, last = int(places[item.first]), int(places[item.last])
    whole = last - first == item.last - item.first
    kind = "wide" if item.kind == "glitch" and (len(item.heights) > _BRIDGED or not whole) else item.kind
    return Break(kind, first, last, item.height, item.strength, item.heights if kind == "glitch" else ())


@dataclass(frozen=True)
class _Line:
    """A peak that the core hole allows, however high it is: a white line, or one before the edge."""

    top: float
    """Energy from the edge [eV]."""
    height: float
    """In edge steps."""
    width: float
    """Full width at half maximum [eV]."""

    def size(self, away: Array) -> Array:
        """(n,) of what it may do at energies from the edge: a Lorentzian."""
        return np.asarray(self.height / (1 + ((away - self.top) / self.width) ** 2))


def _lines(away: Array, values: Array, width: float) -> tuple[_Line, ...]:
    """Peaks of a scan (n,) that are as wide at half their height as structures are there, and seen by several points.

    Above the edge structures are wider than the core hole, by the electron's own lifetime. The height of a peak is its
    prominence, since lines stand on slopes.
    """
    from scipy.signal import find_peaks, peak_widths

    tops, found = find_peaks(values, prominence=_LEAST)
    _, _, left, right = peak_widths(values, tops, prominence_data=tuple(found.values()))
    first, last = (np.interp(side, np.arange(len(away)), away) for side in (left, right))
    allowed = width + _WIDENING * np.maximum(away[tops] - _CONSTANT, 0.0)
    real = (last - first >= _NARROWEST * allowed) & (np.floor(right) - np.ceil(left) + 1 >= _SAMPLED)
    known = (away[tops], found["prominences"], last - first)
    return tuple(_Line(*map(float, line)) for line in np.stack(known, axis=1)[real])


def _certainty_of(away: Array, values: Array, width: float, lines: tuple[_Line, ...] = ()) -> Array:
    """Inverse covariance of μ around an edge.

    Parameters
    ----------
    away
        (n,) energies from the edge [eV].
    values
        (n,) μ in edge steps: it tells how large the noise is on either side, ``_NOISE`` or more.
    width
        Width of the core hole [eV].
    lines
        Of the scan itself.

    Returns
    -------
    array
        (n, n), noise included.
    """
    far, reach, power = (np.where(away > 0, above, below) for above, below in zip(_ABOVE, _BELOW, strict=True))
    size = np.maximum(_LARGEST / (1 + np.abs(away / reach) ** power), far)
    beyond = np.maximum(np.abs(away) - _CONSTANT, 0.0)
    rise = 0.5 + np.arctan(2 * away / width) / np.pi
    smooth = np.stack([away**0, away / 50, rise], axis=1)
    scale = np.sign(away) * ((np.abs(away) - beyond) / width + np.log1p(_WIDENING * beyond / width) / _WIDENING)
    sharp = _correlated(size, scale)
    for line in lines:
        sharp += _correlated(line.size(away), away / line.width)
        size = np.maximum(size, line.size(away))
    allowed = sharp + 100 * smooth @ smooth.T
    jitter = _JITTER * size / width
    noise = np.full(len(away), _NOISE)
    if values.any():
        for _ in range(2):
            certainty = np.linalg.inv(allowed + np.diag(noise**2 + jitter**2))
            surprise = np.abs(certainty @ values) / np.sqrt(np.diag(certainty)) / 0.6745
            for side in (away < 0, away >= 0):  # counts are fewer above the edge, or more
                noise[side] *= max(float(np.median(surprise[side])), 1.0) if side.any() else 1.0
    return np.asarray(np.linalg.inv(allowed + np.diag(noise**2 + jitter**2)))


def _correlated(size: Array, place: Array) -> Array:
    """(n, n) covariance of structures of sizes (n,) at places (n,), in their widths: a Lorentzian of the distance."""
    return np.asarray(size[:, None] * size / (1 + (place[:, None] - place) ** 2))


def _most_extreme(departures: Departures, values: Array, sought: np.ndarray) -> Break | None:
    """Glitch or step that the other points make most unlikely; None if all are possible."""
    pull = departures.pull(values[None])
    best, worth = None, _STRENGTH**2
    for count in range(1, LONGEST + 1):
        heights, gains = (part[0] for part in departures.stretches(pull, count))
        unlikely = gains - (count - 1) * _COST
        within = np.lib.stride_tricks.sliding_window_view(sought, count).all(axis=1)
        counted = within & (np.abs(heights).max(axis=1) > _LEAST)
        place = int(np.argmax(np.where(counted, unlikely, 0.0)))
        if counted[place] and unlikely[place] > worth:
            worth, off = float(unlikely[place]), heights[place]
            highest = float(off[np.argmax(np.abs(off))])
            best = Break("glitch", place, place + count - 1, highest, float(np.sqrt(worth)), tuple(off.tolist()))
    heights, gains = (part[0] for part in departures.steps(pull))
    unlikely = gains - _COST
    counted = sought[1:] & sought[:-1] & (np.abs(heights) > _LEAST)
    spot = int(np.argmax(np.where(counted, unlikely, 0.0)))
    if counted[spot] and unlikely[spot] > worth:
        return Break("step", spot, spot + 1, float(heights[spot]), float(np.sqrt(unlikely[spot])))
    return best
