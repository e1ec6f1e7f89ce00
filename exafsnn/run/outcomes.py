"""What became of a scan, or of the scans of one sample at several edges: every one has an ``Outcome``."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from exafsnn.errors import ExafsnnError, Finding, ScanError
from exafsnn.files import Stamp
from exafsnn.records import ChiK, Estimate, Order, Prediction, Shell
from exafsnn.run.samples import joint_label, label_of
from exafsnn.words import shortened

if TYPE_CHECKING:
    from exafsnn.analyse.particles import Particles
    from exafsnn.analyse.shell_fits import ShellFit

_OfPair = TypeVar("_OfPair", Shell, Order)
_ALIKE = 5.0
"""Temperatures [K] at which the edges of one sample may be measured and answered as one."""


@dataclass(frozen=True)
class Outcome:
    """What became of one scan, or of the scans of one sample at several edges."""

    file: str
    """The file, as its user named it."""
    record: str = ""
    """The record within a multi-record file, else empty."""
    chi: ChiK | None = None
    prediction: Prediction | None = None
    model: str = ""
    """Name of the model that was used."""
    particles: Particles | None = None
    """What N says of their size, where there is a standard."""
    fit: ShellFit | None = None
    """Of the shells that the answer shows, where that was asked for."""
    axis: float | None = None
    """Place in a series, where the scan is of one."""
    reason: str = ""
    """Why the scan was rejected; empty if it was not."""
    found: tuple[Finding, ...] = ()
    """What had been found when the scan was rejected."""
    unread: bool = False
    """Whether it was rejected because nothing in it could be read as a scan."""
    defect: str = ""
    """Traceback, where the fault is ours."""
    stamp: Stamp | None = field(default=None, compare=False, repr=False)
    """Of the file, when it was read."""
    parts: tuple[Outcome, ...] = ()
    """Of a sample what became of the scan of each edge: file, χ and answer are theirs. Empty of a scan alone."""

    def __repr__(self) -> str:
        """One line."""
        shells = next((edge.prediction.shells for edge in self.edges if edge.prediction), {})
        known = f"{shells['first'].pair} {shells['first'].numbers}" if shells and self.status != "foreign" else ""
        said = shortened(self.reason, 80) or known
        return (
            f"<Outcome {shortened(self.title.replace('::', ' :: '), 40)}: {self.status}{f', {said}' if said else ''}>"
        )

    @property
    def title(self) -> str:
        """Name without folders: of a sample the files of its edges with their records, be it the only one."""
        if not self.parts:
            return joint_label([(self.file, self.record)]) if self.record else label_of(self.file)
        return joint_label([(part.file, part.record or (part.chi.record if part.chi else "")) for part in self.parts])

    @property
    def edges(self) -> tuple[Outcome, ...]:
        """The outcome of each edge that can be used; a scan alone is its own."""
        return () if self.reason else tuple(part for part in self.parts or (self,) if part.chi and not part.reason)

    @property
    def usable(self) -> ChiK | None:
        """χ(k), of a sample that of its first edge; None if it was rejected."""
        return next((edge.chi for edge in self.edges), None)

    @property
    def is_answered(self) -> bool:
        """Whether there is an answer."""
        return any(edge.prediction for edge in self.edges)

    @property
    def edge(self) -> str:
        """``"Fe K"``, of a sample ``"Zn K+Se K"``: what is known of it."""
        return "+".join(edge_of(part.chi) for part in self.parts or (self,) if part.chi)

    def ranges(self, first: str) -> Mapping[str, Shell]:
        """Those of all edges by name of the range: ``"first"`` of the ``first`` pair, ``"first Se-Zn"`` of another.

        The shells that n(r) shows, which the next scan may not, are not among them.
        """
        return self._by_range(first, lambda prediction: prediction.ranges)

    def orders(self, first: str) -> Mapping[str, Order]:
        """Who neighbours whom, by the same names."""
        return self._by_range(first, lambda prediction: prediction.orders)

    def _by_range(self, first: str, of: Callable[[Prediction], Mapping[str, _OfPair]]) -> dict[str, _OfPair]:
        found: dict[str, _OfPair] = {}
        for edge in self.edges:
            for name, item in of(edge.prediction).items() if edge.prediction else ():
                plain = name.removesuffix(f" {item.pair}")
                found[plain if item.pair == first else f"{plain} {item.pair}"] = item
        return found

    @property
    def metal(self) -> Estimate | None:
        """Share of the absorbers in a metal, of a scan alone."""
        return self.prediction.metal if self.prediction else None

    @property
    def status(self) -> str:
        """``"ok"``, ``"warned"``, ``"foreign"`` (what the model cannot know) or ``"rejected"``."""
        if self.reason:
            return "rejected"
        if any(edge.prediction and not edge.prediction.in_domain for edge in self.edges):
            return "foreign"
        return "warned" if self.warnings else "ok"

    @property
    def warnings(self) -> tuple[str, ...]:
        """All that was found doubtful on the way, each once; of a rejected scan all that was fatal, in one text."""
        if self.reason:
            return (self.reason,)
        if self.parts:
            return tuple(dict.fromkeys(item.sentence for item in self.findings if item.severity == "warning"))
        found = [item for item in (*self.found, *(self.chi.findings if self.chi else ())) if item.severity == "warning"]
        told = [item.sentence for item in found]
        return tuple(dict.fromkeys([*told, *(self.prediction.warnings if self.prediction else ())]))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, notes too, each once; where none says why a scan was rejected, its reason is one."""
        answered = self.prediction.findings if self.prediction else ()
        measured = self.chi.findings if self.chi else ()
        known = dict.fromkeys([*self.found, *measured, *answered, *_of_parts(self.parts)])
        if self.particles:
            known[self.particles.finding] = None
        if self.reason and all(finding.severity != "fatal" for finding in known):
            known[Finding("rejected", "fatal", self.reason)] = None
        return tuple(known)


def _of_parts(parts: Sequence[Outcome]) -> Iterator[Finding]:
    """What was found of the edges of a sample: what all of them tell alike once, all else with its edge."""
    used = [part for part in parts if not part.reason]
    alike = set(used[0].findings).intersection(*(part.findings for part in used)) if used else set()
    for part in parts:
        if part.reason:
            yield Finding("left-out", "warning", f"{_name(part)} is left out: {part.reason}")
        else:
            yield from (
                item if item in alike else replace(item, message=f"{part.edge}: {item.message}")
                for item in part.findings
            )


def sample_of(name: str, parts: Sequence[Outcome]) -> Outcome:
    """What became of the scans of one sample so far: those that cannot be used are left out."""
    sample = with_parts(Outcome(name), parts)
    known = {edge.chi.temperature for edge in sample.edges if edge.chi and edge.chi.temperature is not None}
    if known and max(known) - min(known) > _ALIKE:
        said = f"its edges were measured at {' and '.join(f'{value:g}' for value in sorted(known))} K"
        found = Finding("edges-apart", "warning", said, remedy="One answer to both needs one state of the sample")
        return replace(sample, found=(found,))
    return sample


def with_parts(sample: Outcome, parts: Sequence[Outcome]) -> Outcome:
    """A sample with these scans; it is rejected if none of them can be used."""
    defects = "\n".join(part.defect for part in parts if part.defect)
    reasons = "; ".join(f"{_name(part)}: {part.reason}" for part in parts)
    return replace(sample, parts=tuple(parts), defect=defects, reason=reasons if all(p.reason for p in parts) else "")


def _name(outcome: Outcome) -> str:
    return f"{outcome.file}::{outcome.record}" if outcome.record else outcome.file


def with_answers(outcome: Outcome, found: Sequence[Prediction], model: str) -> Outcome:
    """An outcome with the answers to its edges."""
    if not outcome.parts:
        return replace(outcome, prediction=found[0], model=model)
    left = iter(found)
    parts = (part if part.reason else replace(part, prediction=next(left), model=model) for part in outcome.parts)
    return replace(outcome, parts=tuple(parts), model=model)


def chis_of(outcome: Outcome) -> list[ChiK]:
    """χ(k) of the edges of a sample that can be used; of a scan alone its own."""
    return [edge.chi for edge in outcome.edges if edge.chi]


def edge_of(chi: ChiK) -> str:
    """``"Fe K"``."""
    return f"{chi.absorber} {chi.edge}"


def rejected(outcome: Outcome, error: Exception) -> Outcome:
    """Reject a scan for an error; even one of ours must not cost the others."""
    if isinstance(error, ExafsnnError):
        found = error.findings if isinstance(error, ScanError) else ()
        return replace(outcome, reason=str(error).removeprefix(outcome.file).lstrip(":, "), found=found)
    reason = f"a defect of exafsnn, not of the scan: {type(error).__name__}: {error}"
    return replace(outcome, reason=reason, defect="".join(traceback.format_exception(error)))


def once(outcomes: Iterable[Outcome], done: Iterable[tuple[str, str]] | None = None) -> Iterator[Outcome]:
    """The outcomes; those of a file and name that came before, or were ``done``, are rejected."""
    seen = set(done or ())
    for outcome in outcomes:
        key = (outcome.file, outcome.record)
        twice = Outcome(*key, reason="a scan of this file and name came before. Give each scan its own name")
        yield twice if key in seen else outcome
        seen.add(key)


def is_left_out(outcome: Outcome, of_folders: Collection[str]) -> bool:
    """Whether a file is no scan, and is there only because it is one of those that stand for folders."""
    return outcome.unread and outcome.file in of_folders


def is_finite(shell: Shell) -> bool:
    """Whether every number of a shell is one: a range without atoms has no distance."""
    return all(isinstance(value, str) or math.isfinite(value) for value in vars(shell).values())
