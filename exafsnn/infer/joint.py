"""Both edges of one sample → one answer: the networks of each edge, tied by the composition.

A joint model is the models of two edges. A scan of one of them alone is answered by its own; of both, what they say of
the pair that both see, A-B and B-A, is one number (``infer.tied``), by the inverse of their variances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from exafsnn.errors import ModelError
from exafsnn.infer.answers import Answers
from exafsnn.infer.cores import one_core
from exafsnn.infer.error_bars import Raw, Samples, Told
from exafsnn.infer.estimates import Estimates, Reference, Signals, on_one_grid
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.tied import Tied
from exafsnn.learn.joint_file import JointParts, is_joint, read_joint
from exafsnn.learn.model_file import ModelParts
from exafsnn.physics.arrays import Numbers
from exafsnn.records import Array, ChiK, Prediction

RECORDS = 250
"""Samples that are answered at a time."""
_FEW = 8
"""Samples whose variances are found at a time."""
_NO_VARIANCE = 1e-12
"""[Å⁻²]"""

Drawn = Callable[[slice], Samples]
"""Equally likely rows of both absorbers (s, n, c), of some samples of material."""


class JointModel:
    """A trained model of two edges of one sample. Make one with ``load_joint``."""

    def __init__(self, parts: JointParts) -> None:
        self._parts = parts
        self.name = parts.name
        self.edges = (Model(parts.parts[0]), Model(parts.parts[1]))
        """The models of one edge alone."""
        self.names = tuple(f"{edge.absorber} {edge.edge}" for edge in self.edges)
        """Of the edges: ``("Zn K", "Se K")``."""
        share = parts.composition
        self.tied = Tied(self.edges[0].partials, self.edges[1].partials, share[0] / share[1] if share else None)
        self.both = tuple(Model(self._with_scales(part, row)) for row, part in enumerate(parts.parts))
        """The models of the edges with the error bars of joint answers."""

    def __repr__(self) -> str:
        """One line."""
        pairs = dict.fromkeys(pair for edge in self.edges for pair in edge.partials.pairs)
        return f"<JointModel {self.name}: {' and '.join(self.names)}, {', '.join(pairs)}>"

    def _with_scales(self, part: ModelParts, row: int) -> ModelParts:
        return replace(part, intervals={kind: scales[row] for kind, scales in self._parts.intervals.items()})

    def uncalibrated(self) -> JointModel:
        """The same model with raw standard deviations, and without a domain."""
        one, other = (replace(part, intervals={}, domain=None) for part in self._parts.parts)
        return JointModel(replace(self._parts, parts=(one, other), intervals={}))

    @property
    def parts(self) -> JointParts:
        """All that its file holds."""
        return self._parts

    @property
    def identity(self) -> str:
        """Name and first digits of the checksum, which is of both parts, too."""
        return f"{self.name} ({self._parts.checksum[:12]})"

    def rows_of(self, sample: Sequence[ChiK]) -> tuple[int, ...]:
        """Which of the edges each scan of a sample is of.

        Raises
        ------
        ModelError
            If one is of none of them, two are of one, or one cannot be answered.
        """
        rows = []
        for chi in sample:
            if (name := f"{chi.absorber} {chi.edge}") not in self.names:
                reason = f"the model {self.name} is for {' and '.join(self.names)}, the scan is of {name}"
                raise ModelError(reason, where=chi.source, remedy="Give a model of that edge with --model")
            rows.append(self.names.index(name))
            self.edges[rows[-1]].check(chi)
        if not rows or len(set(rows)) < len(rows):
            of = f"two scans of {self.names[rows[0]]}" if rows else "no scan"
            raise ModelError(
                f"a sample has {of}", where="+".join(chi.source for chi in sample),
                remedy="Give one scan of each edge; scans of one sample at one edge are samples of their own",
            )  # fmt: skip
        return tuple(rows)

    def predict(
        self, sample: Sequence[ChiK], references: Sequence[Reference | None] = (None, None)
    ) -> list[Prediction]:
        """The RDFs of one sample; see ``predict_all``.

        Raises
        ------
        ModelError
            As there, or if it is a scan and no sample.
        """
        if isinstance(sample, ChiK):
            remedy = f"Give a list of the scans that there are, or ask {' or '.join(edge.name for edge in self.edges)}"
            raise ModelError(f"the model {self.name} answers samples of two edges, not a scan alone", remedy=remedy)
        return self.predict_all([sample], references)[0]

    def predict_all(
        self, samples: Sequence[Sequence[ChiK]], references: Sequence[Reference | None] = (None, None)
    ) -> list[list[Prediction]]:
        """The RDFs behind χ(k) of samples: a prediction for each scan, in their order.

        Parameters
        ----------
        samples
            Of each sample the scans of one or both of the edges.
        references
            Energy zero and amplitude at each edge of the model.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """

        def alone(edge: int, scans: list[ChiK]) -> list[Prediction]:
            return self.edges[edge].predict_all(scans, references[edge])

        def tied(pairs: Sequence[tuple[ChiK, ChiK]]) -> list[tuple[Prediction, Prediction]]:
            one, other = self.answers([Signals.of(scans) for scans in zip(*pairs, strict=True)], references, keep=True)
            return [(one.one(row, pair[0]), other.one(row, pair[1])) for row, pair in enumerate(pairs)]

        return answer_samples(self, samples, alone, tied)

    def answers(
        self, signals: Sequence[Signals], references: Sequence[Reference | None] = (None, None), *, keep: bool = False
    ) -> tuple[Answers, Answers]:
        """What ``predict`` says of samples that were measured at both edges, as arrays: those of each edge.

        Parameters
        ----------
        signals
            Of each edge, a row for each sample, that ``rows_of`` would not refuse.
        references
            Of each edge.
        keep
            Whether to keep the samples of their RDFs, which records need.
        """
        with one_core():
            pieces = [
                self._answers([of[start : start + RECORDS] for of in signals], references, keep)
                for start in range(0, max(len(signals[0]), 1), RECORDS)
            ]
        one, other = (Answers.joined(list(of)) for of in zip(*pieces, strict=True))
        return one, other

    def _answers(
        self, signals: Sequence[Signals], references: Sequence[Reference | None], keep: bool
    ) -> tuple[Answers, Answers]:
        found = [
            edge.ensemble.estimates(of, reference)
            for edge, of, reference in zip(self.both, signals, references, strict=True)
        ]
        referenced = all(references)
        weights = self._weights(found, referenced)
        density = self.tied.sides(self._fused(found[0].mean, found[1].mean, weights))
        explained = [
            self._signed(edge.explained(*of))
            for edge, *of in zip(self.both, signals, references, found, density, strict=True)
        ]

        def drawn(rows: slice) -> Samples:
            one, other = (self._drawn(edge, found[edge], referenced, rows) for edge in (0, 1))
            return self._fused(one, _shuffled(other), weights.of(rows)).astype(np.float32)

        return self.told(explained, drawn, "predicted", references, keep=keep)

    def _drawn(self, edge: int, found: Estimates, referenced: bool, rows: slice) -> Samples:
        """What the networks of one edge may as well say (s, n, c) of some samples of material."""
        model = self.both[edge]
        return model.drawn(found, referenced)(rows, slice(0, model.partials.count))

    def _weights(self, found: Sequence[Estimates], referenced: bool) -> _Weights:
        """By what the networks' own samples scatter, and how much of that all their pairs have in common."""
        variances: tuple[list[Array], list[Array]] = ([], [])
        slopes: tuple[list[Array], list[Array]] = ([], [])
        for start in range(0, max(len(found[0].k_max), 1), _FEW):
            for edge, cells in enumerate(self.tied.cells):
                samples = self._drawn(edge, found[edge], referenced, slice(start, start + _FEW)).astype(np.float64)
                samples -= samples.mean(axis=1, keepdims=True)
                variances[edge].append((samples[..., cells] ** 2).mean(axis=1))
                count = samples[..., cells].sum(axis=2)
                slope = np.einsum("sn,snc->sc", count, samples) / ((count**2).sum(axis=1)[:, None] + _NO_VARIANCE)
                slopes[edge].append(slope)
        one, other = (np.concatenate(of) for of in variances)
        ratio = self.tied.ratio_between(found[0].mean, found[1].mean)
        share = (other + _NO_VARIANCE) / (other + ratio**2 * one + 2 * _NO_VARIANCE)
        return _Weights(share, np.concatenate(slopes[0]), np.concatenate(slopes[1]))

    def _fused(self, first: Numbers, second: Numbers, weights: _Weights) -> Array:
        """Rows of both (…, c) of what the networks of each edge say, (…, a) and (…, b).

        An edge that counts too many of the tied pair counts too many of its others, too: their errors are correlated,
        and what is corrected of the one is corrected of the others, by linear regression.
        """
        tied = self.tied.sides(self.tied.together(first, second, weights.share))
        sides = []
        for own, fused, slope, cells in zip((first, second), tied, weights.slopes, self.tied.cells, strict=True):
            change = (fused[..., cells] - own[..., cells]).sum(axis=-1)[..., None]
            carried = np.maximum(own + slope * change, 0.0)
            carried[..., cells] = fused[..., cells]
            sides.append(carried)
        rows: Array = self.tied.together(*sides)
        return rows

    def _signed(self, answers: Answers) -> Answers:
        """The same as answers of this model."""
        said = f"{answers.origin.said}; tied to the other edge by {self.identity}"
        return replace(answers, origin=replace(answers.origin, model=self.identity, said=said))

    def told(
        self, explained: Sequence[Answers], drawn: Drawn, how: str, references: Sequence[Reference | None], *,
        keep: bool, other: Array | float = 0.0,
    ) -> tuple[Answers, Answers]:  # fmt: skip
        """Answers of both edges with ranges and error bars, by the circumstances of both.

        Parameters
        ----------
        explained
            Those without.
        drawn
            Samples of the RDFs of both, of some samples of material.
        how, references, keep, other
            As ``Model.told`` takes them.
        """
        given = np.mean([answers.given for answers in explained], axis=0)
        excess = np.max([answers.excess for answers in explained], axis=0)
        bars = []
        for number, (edge, answers) in enumerate(zip(self.both, explained, strict=True)):
            raw = Raw(edge.partials, edge.pairs.smoothing, answers.density, partial(self._of_edge, drawn, number))
            reference = references[number] if all(references) else None
            bars.append(edge.told(raw, how, reference, given, excess, keep=keep, other=other))
        bars[1] = self._mirrored(bars[0], bars[1], drawn)
        one, second = (
            replace(answers, given=given).with_errors(told) for answers, told in zip(explained, bars, strict=True)
        )
        return one, second

    def _of_edge(self, drawn: Drawn, number: int, rows: slice, cells: slice) -> Samples:
        """Samples of the RDFs of one edge, of some samples of material and in some cells."""
        return np.array(self.tied.sides(drawn(rows))[number][..., cells], dtype=np.float32)

    def _mirrored(self, first: Told, second: Told, drawn: Drawn) -> Told:
        """What is said of the second edge, with the tied pair's samples as the first edge has them.

        Each edge widens its samples by its own scale, and they are kept in half precision.
        """
        if first.samples is None or second.samples is None or first.spread is None or second.spread is None:
            return second
        (ahead, back), count = self.tied.cells, len(first.samples)
        samples, spread = second.samples.copy(), second.spread.copy()
        ratio = np.full((1, 1, 1), self.tied.ratio or 1.0)
        if self.tied.ratio is None:
            starts = range(0, count, _FEW)
            ratio = np.concatenate([self.tied.ratio_of(drawn(slice(start, start + _FEW))) for start in starts])
        samples[..., back] = (first.samples[..., ahead] * ratio).astype(np.float16)
        spread[..., back] = first.spread[..., ahead] * ratio.mean(axis=1)
        return replace(second, spread=spread, samples=samples)


@dataclass(frozen=True)
class _Weights:
    """How the networks of two edges are believed."""

    share: Array
    """(s, n) weight of the first edge's tied cells, by the inverse of the variances."""
    first: Array
    """(s, a) by how much each cell of the first edge changes with the sum of its tied cells …"""
    second: Array
    """… and (s, b) of the second."""

    @property
    def slopes(self) -> tuple[Array, Array]:
        """Those of both edges."""
        return self.first, self.second

    def of(self, rows: slice) -> _Weights:
        """The same for samples (s, n, c) of some samples of material."""
        return _Weights(self.share[rows, None], self.first[rows, None], self.second[rows, None])


def _shuffled(samples: Samples) -> Samples:
    """Samples (s, n, c) in another order: those of two edges are drawn with the same random numbers, and err apart."""
    return samples[:, np.random.default_rng(1).permutation(samples.shape[1])]


def answer_samples(
    model: JointModel,
    samples: Sequence[Sequence[ChiK]],
    alone: Callable[[int, list[ChiK]], list[Prediction]],
    tied: Callable[[list[tuple[ChiK, ChiK]]], list[tuple[Prediction, Prediction]]],
) -> list[list[Prediction]]:
    """A prediction for each scan of samples, in their order.

    Parameters
    ----------
    alone
        What answers to scans of one edge, of which there are no others …
    tied
        … and what does to both edges of samples, each of which is on one grid of k.

    Raises
    ------
    ModelError
        If the model cannot answer one of them.
    """
    edges = [model.rows_of(sample) for sample in samples]
    found: dict[int, list[Prediction]] = {}
    for edge in (0, 1):
        numbers = [number for number, of in enumerate(edges) if of == (edge,)]
        answers = alone(edge, [samples[number][0] for number in numbers]) if numbers else []
        found |= {number: [answer] for number, answer in zip(numbers, answers, strict=True)}
    pairs = {number: _ordered(samples[number], of) for number, of in enumerate(edges) if len(of) == 2}
    for numbers in _together(pairs):
        for number, ends in zip(numbers, tied([pairs[number] for number in numbers]), strict=True):
            found[number] = [ends[edge] for edge in edges[number]]
    return [found[number] for number in range(len(samples))]


def _ordered(sample: Sequence[ChiK], edges: tuple[int, ...]) -> tuple[ChiK, ChiK]:
    """The scans of a sample, that of the first edge first."""
    return sample[edges.index(0)], sample[edges.index(1)]


def _together(both: Mapping[int, tuple[ChiK, ChiK]]) -> Iterator[list[int]]:
    """Numbers of samples that are answered together: those on one grid of k at either edge, so many at most."""
    numbers = list(both)
    for group in on_one_grid([both[number][0] for number in numbers]):
        for part in on_one_grid([both[numbers[row]][1] for row in group]):
            rows = [numbers[group[row]] for row in part]
            yield from (rows[start : start + RECORDS] for start in range(0, len(rows), RECORDS))


def load_joint(name: str) -> JointModel:
    """A joint model by name (``"znse"``), or by its path.

    Raises
    ------
    ModelError
        If there is none, or it or one of its parts is damaged, or they do not belong together.
    """
    return JointModel(read_joint(name))


def load_any(name: str) -> Model | JointModel:
    """A model of one edge or a joint one, by name or path.

    Raises
    ------
    ModelError
        If there is none, or it is damaged.
    """
    return load_joint(name) if is_joint(name) else load_model(name)
