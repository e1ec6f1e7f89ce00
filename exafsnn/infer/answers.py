"""What a model says of scans: arrays with a row for each, of which ``one`` makes the record that a person looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

import numpy as np

from exafsnn.errors import Finding
from exafsnn.infer.error_bars import Exchanged, Kept, Shells, Told, apart_of, of_any_number
from exafsnn.infer.estimates import Limit, Reference
from exafsnn.infer.verdict import damping_finding, exchange_finding, misfit_finding, neighbours_finding
from exafsnn.learn.domain import Signs
from exafsnn.learn.intervals import is_first
from exafsnn.partials import APART, Partials
from exafsnn.records import Array, ChiK, Exchange, PartialRDF, Prediction
from exafsnn.shells import UNSEEN, is_shell
from exafsnn.words import percent, short_name

_Rows = TypeVar("_Rows")
_MANY = 1.2
"""More absorbers than there are: so many times is told."""
_SOME = 0.1
"""Share of the absorbers in an oxide from which it is told what else a metal's range holds."""


@dataclass(frozen=True)
class Origin:
    """Where answers come from: what those to all scans share."""

    model: str
    """Name and checksum."""
    partials: Partials
    smoothing: float
    """[Å]"""
    k_min: float
    """Smallest k that is used [Å⁻¹]."""
    calibrated: bool
    reference: Reference | None
    said: str
    """What was assumed about the amplitude, in words."""
    least: float
    """Relative standard deviation of N at least, of a metal."""
    most: float
    """N of the range ``first`` of the RDF that has most of all that are known."""
    composition: Mapping[str, float] = field(default_factory=dict)
    """Share of each element in all that is known, where it is the same; else empty."""
    unmeasured: Mapping[str, float] = field(default_factory=dict)
    """Ranges of pairs whose N no spectrum tells, and how many there are at most."""
    unseen: Mapping[str, float] = field(default_factory=dict)
    """Ranges of a metal's and its oxide's atoms, where both are known, and how many no scan shows for sure."""
    beside: float = 0.0
    """Relative standard deviation of an oxide's amplitude, where it is known beside its metal."""


@dataclass(frozen=True)
class Answers:
    """The answers to s scans; ``Model.answers`` makes them."""

    origin: Origin
    density: Array
    """(s, c) n(r) [Å⁻¹] of all pairs (``partials``)."""
    spread: Array | None
    """(s, c) one standard deviation of it, and (s, n, c) samples: only where these were to be kept."""
    samples: Kept | None
    shells: Mapping[str, Shells]
    """By name of the range; ``"first"`` is always there."""
    delta_e0: Array
    """(s,) theory's energy zero minus the E₀ of the background removal [eV]."""
    delta_e0_std: Array
    amplitude: Array
    """(s,) S₀² applied."""
    amplitude_std: Array
    chi_model: Array
    """(s, m) χ(k) that the RDF implies, on the grid of the scans."""
    misfit: Array
    """(s,) R-factor over the model's k window."""
    misfit_noise: Array
    """(s,) root mean square of (χ − χ_model)/ε_k there."""
    left: Array
    """(s,) R-factor, noise aside."""
    misfit_local: Array
    """(s,) misfit of the worst stretch (``verdict.Misfit``) …"""
    misfit_at: Array
    """… and the k where that is [Å⁻¹]."""
    misfit_below: Array
    """(s,) misfit at R below any atoms [Å⁻²]."""
    excess: Array
    """(s,) all three over the most that sound scans leave: above 1 it is told."""
    given: Array
    """(s, q) k range, noise, disorder and phase, as ``learn.intervals`` has them."""
    unexplained: Array
    """(s,) how much of what the networks see the RDFs do not explain: a share …"""
    disagreement: Array
    """… and how much the networks disagree."""
    domain_score: Array
    """(s,) above 1: not a spectrum that the model can know."""
    k_max: Array
    """(s,) largest k that was used [Å⁻¹]."""
    damping: Array
    """(s,) share by which all shells alike are smaller than a whole crystal's, if that explains a scan best; else 0."""
    oxidised: Array
    """(s,) how much of the absorbers is in an oxide, as ``infer.ensemble`` sees it by the bonds …"""
    accounted: Array
    """… and for how many absorbers of 1 the networks account, times their amplitude over the expected one; 1 of what
    they take for no oxide."""
    exchanges: Mapping[str, Exchanged] = field(default_factory=dict)
    """Of ranges whose atoms were given to the other element, by name …"""
    covering: Mapping[str, Shells] = field(default_factory=dict)
    """``shells`` without what comes of that, and of what no scan shows: as they are calibrated."""

    def with_exchanges(self, found: Mapping[str, Exchanged]) -> Answers:
        """The same with errors of N that hold those of the other element, where the data do not tell."""
        shells = dict(self.shells)
        for exchanged in found.values():
            shells = exchanged.widen(shells, self.origin.partials)
        return replace(self, shells=shells, exchanges=found)

    @property
    def in_domain(self) -> np.ndarray:
        """(s,) whether the model can know the spectra."""
        return self.domain_score <= 1

    @property
    def finite(self) -> np.ndarray:
        """(s,) whether all is numbers; without atoms in a range there is no R, but in one of them there have to be."""
        numbers = _arrays(replace(self, samples=None, shells={}, covering={}, exchanges={}))
        told = [
            np.all([np.isfinite(part) for part in vars(shells).values() if isinstance(part, np.ndarray)], axis=0)
            for shells in self.shells.values()
        ]
        return np.asarray(np.isfinite(np.column_stack(numbers)).all(axis=1) & np.any(told, axis=0))

    def __len__(self) -> int:
        return len(self.density)

    def __getitem__(self, rows: slice | np.ndarray) -> Answers:
        return _each(self, lambda values: values[rows])

    def limit(self, row: int) -> Limit:
        """What the answer to one scan leaves."""
        return Limit(*(float(part[row]) for part in (self.left, self.misfit_local, self.misfit_below)))

    def signs_of(self, row: int) -> tuple[float, ...]:
        """``learn.domain.Signs`` of one scan."""
        return tuple(float(getattr(self, one.name)[row]) for one in fields(Signs))

    def with_errors(self, told: Told) -> Answers:
        """The same with its ranges and their error bars."""
        hidden = self.origin.unseen
        of_oxide = {self.origin.partials.range(name, (0.0, 0.0)).pair: number for name, number in hidden.items()}
        of_oxide.pop(self.origin.partials.pairs[0], None)
        shells = {}
        for name, of in told.shells.items():
            number = hidden.get(name, of_oxide.get(of.pair, 0.0) if is_shell(name) else 0.0)
            shells[name] = of.hiding(number) if number else of
        return replace(self, spread=told.spread, samples=told.samples, shells=shells, covering=told.shells)

    def among(self, rows: np.ndarray, count: int) -> Answers:
        """The same as those rows of ``count``; the others are NaN."""

        def spread(values: Array) -> Array:
            found = np.full((count, *values.shape[1:]), np.nan)
            found[rows] = values
            return found

        return _each(self, spread)

    @staticmethod
    def joined(pieces: Sequence[Answers]) -> Answers:
        """The answers of all pieces, one at least, in their order."""
        others = [iter(_arrays(piece)) for piece in pieces[1:]]
        return _each(pieces[0], lambda values: np.concatenate([values, *map(next, others)])) if others else pieces[0]

    def one(self, row: int, chi: ChiK) -> Prediction:
        """The record of one scan, whose χ(k) was asked about; its samples must have been kept.

        Raises
        ------
        ValueError
            If they were not.
        """
        if self.samples is None or self.spread is None:
            raise ValueError("a record needs the samples of its RDF, which were not kept")
        origin = self.origin
        shells = {name: of.one(row) for name, of in self.shells.items() if of.is_there(row)}
        for name, most in origin.unmeasured.items():
            shells[name] = of_any_number(shells[name], most, keep=name == "first")
        density, spread, samples = map(origin.partials.split, (self.density[row], self.spread[row], self.samples[row]))
        hidden = {name: shells[name] for name in origin.unseen}
        exchanges = {
            name: each.one(row, origin.partials) for name, each in self.exchanges.items() if each.is_there(row)
        }
        told = self.findings(row, chi)
        foreign = next((finding.sentence for finding in told if finding.name == "foreign"), "")
        rdf = PartialRDF(
            r=origin.partials.r, pairs=origin.partials.pairs, density=density, spread=spread, samples=samples.copy(),
            smoothing=origin.smoothing, least=float(doubt_of(origin.least, origin.beside, self.oxidised[row])),
            apart=apart_of(origin.reference is not None) if origin.calibrated else 0.0,
            told=tuple(
                known.one(row)
                for name, known in self.covering.items()
                if is_first(name) and name not in origin.unmeasured
            ),
            shells=tuple(known.one(row) for name, known in self.covering.items() if is_shell(name) and name in shells),
            uncounted=tuple(shells[name] for name in origin.unmeasured),
            unseen=tuple((of.pair, of.r_min, of.r_max, origin.unseen[name]) for name, of in hidden.items()),
            exchanges=tuple(exchanges.values()),
            foreign=f"{short_name(chi.source, chi.record) or 'the scan'} is {foreign}" if foreign else "",
        )  # fmt: skip
        findings = *told, *(_exchange_findings(rdf, exchanges) if self.in_domain[row] else ())
        names = ("delta_e0", "delta_e0_std", "amplitude", "amplitude_std", "misfit", "misfit_noise", "domain_score")
        numbers: dict[str, Any] = {name: float(getattr(self, name)[row]) for name in names}
        return Prediction(
            chi=chi, rdf=rdf, shells=shells, chi_model=self.chi_model[row, : len(chi.k)],
            in_domain=bool(self.in_domain[row]), model=origin.model, k_window=(origin.k_min, float(self.k_max[row])),
            findings=findings, history=(*chi.history, origin.said),
            composition=origin.composition, **numbers,
        )  # fmt: skip

    def findings(self, row: int, chi: ChiK) -> tuple[Finding, ...]:
        """What is to be told of the answer to one scan, and of the standard that it rests on."""
        found: list[Finding | None] = []
        if not self.origin.calibrated:
            said = "the model is not calibrated: its error bars are raw"
            found.append(Finding("uncalibrated", "warning", said, remedy="Train it with calibration"))
        if self.domain_score[row] > 1:
            left = float(self.unexplained[row])
            number = self.accounted[row]
            many = f"metal and oxide make {number:.2g} times the absorbers that there are, " if number > _MANY else ""
            said = (
                f"outside the model's domain: the networks' RDF {_leaving(left)}, they disagree by"
                f" {percent(self.disagreement[row])}, {many}and the R-factor is {self.misfit[row]:.3g}:"
                f" {self.domain_score[row]:.2g} times what may be"
            )
            found.append(Finding("foreign", "warning", said, remedy="Do not trust the RDF"))
        else:
            shell = self.shells["first"]
            n, std = float(shell.coordination[row]), float(shell.coordination_std[row])
            parts = (self.excess, self.left, self.misfit_at, self.misfit_below)
            found.append(misfit_finding(*(float(part[row]) for part in parts)))
            found.append(neighbours_finding(n, std, self.origin.most))
            found.append(damping_finding(float(self.damping[row])))
            own = [name for name in self.shells if name.startswith(APART)]
            if own and self.oxidised[row] > _SOME:
                said = "a part or all of it is an oxide, of whose shell of metal atoms the range first holds some"
                found.append(Finding("first-of-both", "warning", said, remedy=f"Go by {' and '.join(own)}"))
            for name, most in self.origin.unmeasured.items():
                said = f"atoms of {self.shells[name].pair} hardly scatter: nothing tells none of them from {most:.0f}"
                found.append(Finding("hardly-seen", "note", said, remedy="Know their number from elsewhere"))
        if reference := self.origin.reference:
            found.extend(reference.findings)
            if reference.is_elsewhere(chi.e0, self.oxidised[row], self.delta_e0[row]):
                apart = f"E₀ is {chi.e0 - reference.e0:+.1f} eV from the standard's"
                why, remedy = "another beamline or calibration", "Give a standard measured with the sample"
                if self.oxidised[row] > UNSEEN and chi.e0 > reference.e0:
                    why = f"it is on an oxide's white line, or {why}"
                    remedy = f"Give the energy of the metal's edge with --e0, the same for all scans. {remedy}"
                said = f"{apart}: {why}, so the standard tells less"
                found.append(Finding("standard-elsewhere", "warning", said, remedy=remedy))
        return tuple(finding for finding in found if finding)


def _leaving(share: float) -> str:
    """How much of a signal an RDF does not explain, in words."""
    if share <= 1:
        return f"leaves {percent(share)} of the signal unexplained"
    return f"explains nothing of the signal (what is left is {share:.3g} times as strong)"


def _exchange_findings(rdf: PartialRDF, exchanges: Mapping[str, Exchange]) -> Iterator[Finding]:
    """Of each range in which the data do not tell the element, of all such shells together, and if nobody asked."""
    if len(rdf.pairs) > 1 and not exchanges:
        said = f"whether the data tell {' from '.join(rdf.pairs)} was not tested: what is known of structures did"
        yield Finding("elements-untested", "note", said, remedy="Refine the scan")
    open_shells = []
    for name, exchange in exchanges.items():
        limits = exchange.r_min, exchange.r_max
        found = exchange_finding(exchange, rdf.shell(exchange.pair, *limits), rdf.total(*limits))
        if found and not is_shell(name):
            yield found
        elif found:
            open_shells.append(f"{exchange.pair} {exchange.r_min:.2f}–{exchange.r_max:.2f} Å")
    if open_shells:
        said = f"the data do not tell the element of further shells: {', '.join(open_shells)}"
        yield Finding("shells-exchangeable", "note", said, remedy="Their errors hold what the other element would have")


def doubt_of(least: float, beside: float, oxidised: Array | float) -> Array:
    """(s,) relative standard deviation of N at least, of a sample that is ``oxidised`` (s,) to a share.

    Parameters
    ----------
    least, beside
        Those of the amplitude, and of an oxide's against its metal's.
    """
    return np.hypot(least, beside * np.asarray(oxidised))


def _each(record: _Rows, change: Callable[[Any], Any]) -> _Rows:
    """A record of arrays (s, …), or of such records, with the change made to each array, in the order of the fields."""
    changed: dict[str, Any] = {}
    for name, value in vars(record).items():
        if isinstance(value, np.ndarray):
            changed[name] = change(value)
        elif isinstance(value, Mapping):
            changed[name] = {key: _each(item, change) for key, item in value.items()}
    return replace(record, **changed)  # type: ignore[type-var]


def _arrays(record: Answers) -> list[Array]:
    """All arrays of a record, in the order of ``_each``."""
    found: list[Array] = []

    def note(values: Array) -> Array:
        found.append(values)
        return values

    _each(record, note)
    return found
