"""A chunk of a series → χ(k) of its plainly sound scans, position of the edge by position of the edge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from exafsnn.edges import tabulated
from exafsnn.errors import ExafsnnError, Finding
from exafsnn.measure import gate as quality
from exafsnn.measure.background import up_to
from exafsnn.measure.batch.answer import Answer
from exafsnn.measure.batch.background import without_background
from exafsnn.measure.batch.edge import edge_finder
from exafsnn.measure.batch.oscillations import Bumps, bumps, octaves
from exafsnn.measure.batch.screen import oscillating, passing, remarks, sound_scans
from exafsnn.measure.batch.single import alone, same
from exafsnn.measure.sampling import axis_findings, rebinned, wavenumbers
from exafsnn.records import Array, Spectrum
from exafsnn.settings import MAX_MU, BackgroundSettings


@dataclass(frozen=True)
class Series:
    """What is known of a series, and what has been learned of it."""

    like: Spectrum
    settings: BackgroundSettings
    bumps: dict[tuple[float, ...], Bumps] = field(default_factory=dict)
    """Position of the edge, and size of the oscillations → what the first such scan of the series says of bumps."""
    proven: dict[float, bool] = field(default_factory=dict)
    """Position of the edge → whether a scan that was measured alone, too, gave the same."""

    def without_bumps(self, binned: Spectrum, position: float, mu: Array) -> np.ndarray:
        """(s,) in which of sound scans (s, n), in edge steps, no bump is found; the first of its size judges others."""
        k, sound = wavenumbers(binned.energy, position), np.ones(len(mu), dtype=bool)
        if not (above := oscillating(k)).any():
            return sound
        sizes, places = np.unique(octaves(k[above], mu[:, above]), axis=0, return_inverse=True)
        for number, size in enumerate(sizes.tolist()):
            rows = np.flatnonzero(places.ravel() == number)
            key = (position, *size)
            if key not in self.bumps:
                self.bumps[key] = bumps(k, above, mu[rows[0]])
            sound[rows] = passing(self.bumps[key], mu[rows], sound[rows])
        return sound


def together(series: Series, mu: Array) -> Iterator[Answer]:
    """Measure the plainly sound scans of a chunk (s, n); what is not in an answer has to be measured alone."""
    cut = up_to(series.like, quality.end_of_exafs(series.like))
    expected = tabulated(cut.absorber, cut.edge)
    rows = np.flatnonzero((np.abs(mu) < MAX_MU).all(axis=1))  # NaN is not less
    margin = len(cut.energy) // 50 + 3
    if not len(rows) or not cut.energy[margin] < expected < cut.energy[-margin]:
        return
    used = mu[rows, : len(cut.energy)]
    places = edge_finder(cut.energy.tobytes(), expected).positions(used)
    for position in np.unique(places).tolist():
        here = places == position
        yield from _proven(series, position, mu, list(_of_position(series, cut, position, mu, rows[here], used[here])))


def _proven(series: Series, position: float, mu: Array, answers: list[Answer]) -> list[Answer]:
    """Measure one scan of each position alone, too; where that gives something else, nothing stands.

    So what ``remove_background`` or larch may learn, and this does not know of, cannot go unnoticed in a series.
    """
    if answers and position not in series.proven:
        row = int(answers[0].rows[0])
        try:
            single = alone(replace(series.like, mu=mu[row]), row, series.settings)
            series.proven[position] = same(answers[0], single)
        except ExafsnnError:
            series.proven[position] = False
    return answers if series.proven.get(position) else []


def _of_position(
    series: Series, cut: Spectrum, position: float, whole: Array, rows: np.ndarray, mu: Array
) -> Iterator[Answer]:
    """Measure the plainly sound ones of scans whose edge is at one position."""
    finder = edge_finder(cut.energy.tobytes(), tabulated(cut.absorber, cut.edge))
    standing = finder.standing(mu, position)
    rows, mu = rows[standing], mu[standing]
    if not len(rows):
        return
    checked = quality.check(replace(series.like, mu=whole[rows[0]]))  # the axis, and an edge that all show
    binned, notes = rebinned(replace(cut, mu=np.arange(mu.shape[1], dtype=np.float64)), position)
    axis = axis_findings(binned, position)
    if any(finding.severity == "fatal" for finding in (*checked, *axis)):
        return
    rise = finder.height(mu, position)
    mu = _binned(mu, binned.mu) if notes else mu
    for choose in (sound_scans, series.without_bumps):
        sound = choose(binned, position, mu / rise[:, None])
        rows, mu, rise = rows[sound], mu[sound], rise[sound]
        if not len(rows):
            return
    told: list[tuple[Finding, ...]] = [
        (*checked, *notes, *first, *axis, *last) for first, last in remarks(binned, position, mu, rise)
    ]  # in the gate's order
    near = np.full(len(rows), position)
    if notes:
        near = edge_finder(binned.energy.tobytes(), tabulated(cut.absorber, cut.edge)).positions(mu)
    yield from without_background(replace(binned, mu=binned.energy), mu, rows, near, told, series.settings)


def _binned(mu: Array, places: Array) -> Array:
    """(s, b) means of (s, n) values over neighbours, of which ``places`` (b,) are the mean indices."""
    starts = [0]
    for place in places[:-1]:
        starts.append(round(2 * place) - starts[-1] + 1)
    means: Array = np.add.reduceat(mu, starts, axis=1) / np.diff([*starts, mu.shape[1]])
    return means
