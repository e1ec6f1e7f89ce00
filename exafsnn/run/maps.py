"""Files → a map of them: read, made into rows, mapped, and what the map tells: clusters, labels, relevance, outliers.

``make_map`` is the whole command ``exafsnn map``; ``write.map_results`` writes what it returns.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import NMF, PCA
from sklearn.exceptions import ConvergenceWarning

from exafsnn.analyse.featuremap import SpectrumMap
from exafsnn.analyse.map_file import read_map
from exafsnn.analyse.map_labels import LEAST_KNOWN, clusters_of, error_limit, estimate
from exafsnn.analyse.map_rows import RowAxis, Window, common_axis, windows
from exafsnn.errors import ExafsnnError, ScanError, SettingsError
from exafsnn.files import stamp_of
from exafsnn.records import Array, ChiK, Pattern
from exafsnn.run.axis import Scan, axis_of, key_in, table_of
from exafsnn.run.outcomes import Outcome, rejected
from exafsnn.run.samples import label_of, scans_of
from exafsnn.run.scans import Workers, measure_scans

LEAST = 8
"""Fewer spectra make no map."""
_ALIKE = 1e-9
"""Rows that differ less, over their size, are the same."""
_STEPS_BETWEEN = 5
"""Artificial spectra between two points, the ends among them."""
_ORDER = "order"


@dataclass(frozen=True)
class Rival:
    """What scikit-learn's linear maps of as many dimensions make of the same rows."""

    name: str
    """``"PCA"`` or ``"NMF"``."""
    points: Array
    """(n, d)"""
    left: float
    """Root mean square of what they leave of the rows."""


@dataclass(frozen=True)
class Labels:
    """What is known of the spectra beside them, and what the map tells of it; arrays of shape (n,)."""

    name: str
    known: Array
    """NaN where it is to be estimated."""
    value: Array
    """Estimates from the distances on the map, those of known labels by all others."""
    std: Array
    """Their standard deviations."""
    missed: float
    """Root mean square by which estimates of known labels miss; NaN where too few are known."""


@dataclass(frozen=True)
class Between:
    """Artificial spectra on the straight line between two points."""

    ends: tuple[int, int]
    shares: Array
    """(s,) of the second end."""
    rows: Array
    """(s, p)"""


@dataclass(frozen=True)
class Mapped:
    """A map and what it tells of n spectra."""

    axis: RowAxis
    map: SpectrumMap
    limit: float
    """Error above which a spectrum is an outlier."""
    outcomes: tuple[Outcome, ...]
    """What became of every scan or pattern; those that are not rejected are the n, in order."""
    rows: Array
    """(n, p)"""
    points: Array
    """(n, d)"""
    errors: Array
    """(n,) of the reconstruction, in units of the noise beside the basis."""
    clusters: NDArray[np.intp]
    labels: Labels
    windows: tuple[Window, ...]
    relevance: Array
    """(n, w)"""
    rivals: tuple[Rival, ...]
    """Empty where a map was read."""
    between: Between | None
    told: tuple[str, ...]
    """Warnings of the whole."""

    @property
    def used(self) -> list[Outcome]:
        """Those on the map."""
        return [outcome for outcome in self.outcomes if not outcome.reason]

    @property
    def outlying(self) -> NDArray[np.bool_]:
        """(n,) which spectra the map cannot tell."""
        return self.errors > self.limit

    @property
    def left(self) -> float:
        """Root mean square of what the map leaves of the rows."""
        return float(np.sqrt((self.errors**2).mean())) * self.map.noise_

    @property
    def mean_relevance(self) -> Array:
        """(w,) root mean square over the spectra."""
        return np.asarray(np.sqrt((self.relevance**2).mean(axis=0)))


def make_map(
    sources: Sequence[str],
    *,
    kind: str | None = None,
    weight: int = 2,
    limits: tuple[float, float] | None = None,
    against: str | None = None,
    labels: str | None = None,
    dimensions: int = 2,
    clusters: int | None = None,
    masks: Sequence[tuple[float, float]] = (),
    r_masks: Sequence[tuple[float, float]] = (),
    between: tuple[str, str] | None = None,
    kept: str | None = None,
    seed: int = 0,
    workers: Workers = 1,
    progress: Callable[[str], None] | None = None,
    **reading: Any,
) -> Mapped:
    """Make the map of many scans or patterns, or find the places of new ones on one.

    Parameters
    ----------
    sources
        Files, or ``file::record`` of scans.
    kind
        ``"chi"``, ``"mu"`` or ``"xrd"``; None: patterns by their files' endings and columns, else χ(k).
    weight
        Power of k by which χ(k) is weighted.
    limits
        Range of k [Å⁻¹], energy [eV], 2θ [°] or q [Å⁻¹]; None: all that the spectra have in common.
    against
        As ``run.axis.axis_of`` takes it; None: the temperature where all have one, else the order.
    labels
        CSV file with the columns ``file,value`` in its place; an empty value is estimated.
    dimensions, seed
        Of the map.
    clusters
        So many; None: as many as there are.
    masks, r_masks
        Ranges of the axis and of R [Å] to be masked; none: windows over all of them.
    between
        Names of two files, between which artificial spectra are drawn.
    kept
        File of a map that was made before: nothing is learned.
    workers
        Processes that read.
    progress
        Told what is being done.
    reading
        How scans are read and measured, as ``run.scans.measure_scans`` takes it: ``columns``, ``settings``, ….

    Raises
    ------
    ScanError
        If too few of them can be used.
    SettingsError
        If what they are does not fit on one map.
    ModelError
        If ``kept`` cannot be read.
    """
    earlier = read_map(Path(kept)) if kept else None
    kind = earlier[1].kind if earlier else kind or kind_of(sources)
    tell = progress or _silent
    tell(f"reading {len(sources)} files")
    read = _patterns(sources) if kind == "xrd" else _scans(sources, workers, **reading)
    items = [(outcome, item) for outcome, item in read if item is not None]
    if earlier:
        found, axis, limit = earlier
        told: list[str] = []
    else:
        if len(items) < LEAST:
            raise ScanError(
                f"{len(items)} of {len(read)} files can be used, and fewer than {LEAST} make no map", where="map",
                remedy=_why([outcome for outcome, _ in read])
                or "Give more of them, or place them on a map that there is, with --map",
            )  # fmt: skip
        axis, told = common_axis([item for _, item in items], kind, weight, limits)
    rows, outcomes = _rows(axis, read, strict=not earlier)
    if not len(rows):
        raise ScanError("none of the files fits on the map", where="map", remedy=_why(outcomes))
    used = [outcome for outcome in outcomes if not outcome.reason]
    names = [(outcome.file, outcome.record) for outcome in used]
    of = {(outcome.file, outcome.record): item for outcome, item in items}
    known, name, more = _labels(names, of, against, labels)
    chosen = [Window(axis.name, *pair) for pair in masks] + [Window("R", *pair) for pair in r_masks]
    chosen = chosen or windows(axis)
    hidden = [window.mask(axis) for window in chosen]
    ends = _ends(names, between)
    if clusters is not None and clusters > len(rows):
        raise SettingsError(f"{len(rows)} points have no {clusters} clusters", where="--clusters", remedy="Give fewer")
    if not earlier:
        if dimensions > len(rows) - 2:
            reason = f"{len(rows)} spectra make no map of {dimensions} dimensions"
            raise SettingsError(reason, where="--dimensions", remedy="Give fewer")
        if np.ptp(rows, axis=0).max() <= _ALIKE * np.abs(rows).max():
            remedy = "Are these copies of one file? Give spectra that differ"
            raise ScanError(f"all {len(rows)} are the same, and nothing is between them", where="map", remedy=remedy)
        tell(f"learning the map of {len(rows)} {'patterns' if kind == 'xrd' else 'spectra'}")
        found = SpectrumMap(dimensions, random_state=seed).fit(rows)
        limit = error_limit(found.errors(rows))
    tell("masking, clusters and labels")
    points = found.transform(rows)
    unit = found.noise_ or 1.0
    return Mapped(
        axis, found, limit / unit, tuple(outcomes), rows, points, found.errors(rows) / unit,
        clusters_of(points, clusters, seed), _estimated(points, known, name), tuple(chosen),
        found.relevance(rows, hidden), () if earlier else rivals(rows, dimensions, seed),
        _between(found, points, ends), (*told, *more),
    )  # fmt: skip


def _silent(said: str) -> None:
    del said


def kind_of(sources: Sequence[str]) -> str:
    """What files hold, by the first of them: ``"xrd"`` or ``"chi"``."""
    from exafsnn.read.pattern import is_pattern

    return "xrd" if sources and is_pattern(sources[0]) else "chi"


def rivals(rows: Array, dimensions: int, seed: int = 0) -> tuple[Rival, ...]:
    """PCA, and NMF of the rows above their least value in each column, of as many dimensions."""
    above = rows - rows.min(axis=0)
    found = []
    for name, linear, of in (
        ("PCA", PCA(dimensions, random_state=seed), rows),
        ("NMF", NMF(dimensions, init="nndsvda", max_iter=500, random_state=seed), above),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            points = linear.fit_transform(of)
        left = of - linear.inverse_transform(points)
        found.append(Rival(name, points, float(np.sqrt((left**2).mean()))))
    return tuple(found)


_Read = list[tuple[Outcome, "ChiK | Pattern | None"]]


def _scans(sources: Sequence[str], workers: Workers, **reading: Any) -> _Read:
    """Measure scans."""
    joined = [source for source in sources if len(scans_of(source)) > 1]
    if joined:
        remedy = "Give the scans of each edge apart"
        raise SettingsError(
            "scans joined by + are of several edges, and a map is of one", where=joined[0], remedy=remedy
        )
    found = measure_scans(sources, workers=workers, **reading)
    return [(outcome, outcome.usable) for outcome in found]


def _patterns(sources: Iterable[str]) -> _Read:
    """Read patterns."""
    from exafsnn.read.pattern import read_pattern

    found: _Read = []
    for source in dict.fromkeys(sources):
        outcome = Outcome(source, stamp=stamp_of(source))
        try:
            found.append((outcome, read_pattern(source)))
        except ExafsnnError as error:
            found.append((rejected(outcome, error), None))
    return found


def _rows(axis: RowAxis, read: _Read, strict: bool) -> tuple[Array, list[Outcome]]:
    """Rows of what was read; what does not fit on an earlier map is rejected."""
    rows, outcomes = [], []
    for outcome, item in read:
        if item is None:
            outcomes.append(outcome)
            continue
        try:
            rows.append(axis.row(item))
        except SettingsError as error:
            if strict:
                raise
            outcomes.append(rejected(outcome, error))
            continue
        outcomes.append(outcome)
    return np.array(rows), outcomes


def _why(outcomes: Iterable[Outcome]) -> str:
    """The reason why the first of those that cannot be used cannot."""
    return next((f"{outcome.file}: {outcome.reason}" for outcome in outcomes if outcome.reason), "")


def _labels(
    names: Sequence[Scan], of: dict[Scan, ChiK | Pattern], against: str | None, table: str | None
) -> tuple[Array, str, list[str]]:
    """(n,) what is known of each, what it is, and warnings."""
    if table is None:
        chis = {name: item for name, item in of.items() if isinstance(item, ChiK) and name in names}
        if against is None:
            told = [of[name].temperature for name in names]
            against = "temperature" if chis and all(value is not None for value in told) else _ORDER
            if against != _ORDER and len({*told}) < 2:
                against = _ORDER
        if not chis:
            if against not in (_ORDER,):
                remedy = "Give a table with --labels FILE.csv (columns file,value), or --against order"
                raise SettingsError("patterns have no header", where="--against", remedy=remedy)
            return np.arange(len(names), dtype=np.float64), against, []
        found = axis_of(chis, against)
        return np.array([found[name] for name in names]), against, []
    values = table_of(Path(table), empty=True)
    keys = [key_in(values, name) for name in names]
    lacking = [label_of(name[0]) for name, key in zip(names, keys, strict=True) if key is None]
    warned = []
    if lacking:
        others = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        warned.append(
            f"{table} has no line of {lacking[0]}{others}: estimated, too. An empty value says that it is meant"
        )
    idle = [key for key in values if key not in keys]
    if idle:
        warned.append(f"{table} names {idle[0]}, which is not among the files. Is it written as on the command line?")
    known = np.array([math.nan if key is None else values[key] for key in keys])
    if np.isnan(known).any() and np.isfinite(known).sum() < LEAST_KNOWN:
        reason = f"{np.isfinite(known).sum()} files have a value, and from fewer than {LEAST_KNOWN} none is estimated"
        raise SettingsError(reason, where=table, remedy="Give more values, or leave the files without one out")
    return known, Path(table).stem, warned


def _estimated(points: Array, known: Array, name: str) -> Labels:
    """Labels with their estimates, where enough are known to make any."""
    if name == _ORDER or np.isfinite(known).sum() < LEAST_KNOWN:
        nothing = np.full(len(known), math.nan)
        return Labels(name, known, nothing, nothing, math.nan)
    return Labels(name, known, *estimate(points, known))


def _ends(names: Sequence[Scan], asked: tuple[str, str] | None) -> tuple[int, ...]:
    """Which files these are."""
    places: list[int] = []
    for end in asked or ():
        matching = [
            number for number, (file, record) in enumerate(names)
            if end in (file, label_of(file), f"{file}::{record}")
        ]  # fmt: skip
        if len(matching) != 1:
            reason = f"{end} is not on the map" if not matching else f"{end} is {len(matching)} points of the map"
            remedy = f"Name one as on the command line, e.g. {names[0][0]}"
            raise SettingsError(reason, where="--between", remedy=remedy)
        places += matching
    return tuple(places)


def _between(found: SpectrumMap, points: Array, ends: tuple[int, ...]) -> Between | None:
    """Artificial spectra between two points."""
    if not ends:
        return None
    first, last = ends
    shares = np.linspace(0, 1, _STEPS_BETWEEN)
    line = points[first] + shares[:, None] * (points[last] - points[first])
    return Between((first, last), shares, found.inverse_transform(line))
