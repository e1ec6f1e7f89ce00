"""Both edges of one sample, refined together: one fit, of RDFs that both absorbers share, to both measurements.

``refine`` does the same for one edge; here the unknowns are a row of both (``infer.tied``) and both sessions, and the
RDFs that there may be are those of the states that both models learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from exafsnn.infer.answers import Answers
from exafsnn.infer.cores import one_core, side_by_side
from exafsnn.infer.error_bars import Exchanged
from exafsnn.infer.estimates import Reference, Signals
from exafsnn.infer.exchange import exchanged
from exafsnn.infer.fit import Fits
from exafsnn.infer.joint import JointModel, answer_samples
from exafsnn.infer.joint_fit import JointData, JointTheory, of_each, session_of_both
from exafsnn.infer.refine import Refiner, Search, Way, drawn, in_pieces, pieces_of, way_of, why
from exafsnn.learn.atlas import Atlas, Kind
from exafsnn.records import Array, ChiK, Prediction

Standard = tuple[ChiK, str] | None
"""χ(k) of a standard and its structure."""


class JointRefiner:
    """Refines the predictions of a joint model, with what standards tell of the session of each edge.

    Parameters
    ----------
    joint
        The model whose answers are the start.
    standards
        At each edge a standard measured like the samples there, and its structure; or none.
    known
        At each edge what is known of the amplitude otherwise, as of ``Refiner``.

    Raises
    ------
    SettingsError
        As of ``Refiner``.
    """

    def __init__(
        self,
        joint: JointModel,
        standards: Sequence[Standard] = (None, None),
        known: Sequence[Reference | None] = (None, None),
    ) -> None:
        self._joint = joint
        self.edges = tuple(
            Refiner(edge, *(standard or (None, None)), known=of)
            for edge, standard, of in zip(joint.edges, standards, known, strict=True)
        )
        """What refines scans of one edge alone."""

    @property
    def references(self) -> tuple[Reference | None, ...]:
        """What the standards tell of each edge."""
        return tuple(edge.reference for edge in self.edges)

    @property
    def _theory(self) -> JointTheory:
        """The forward models of both edges."""
        return JointTheory([edge.theory for edge in self.edges], self._joint.tied)

    @property
    def _way(self) -> Way:
        """That of the edge of which less is known."""
        one, other = self.edges
        return way_of(one.reference if other.reference else None, self._joint.edges[0].pairs)

    @cached_property
    def _search(self) -> Search:
        """What fits samples; made when the first are there."""
        return Search.of(self._theory, self._way, self._known, self._outlines, self._first)

    @cached_property
    def _atlas(self) -> Atlas:
        """The rows of both that the models learned from, their ratios aside: of the same states in the same order."""
        one, other = (edge.atlas for edge in self._joint.edges)
        density = self._joint.tied.together(one.density, other.density)[:, : self._cells]
        return Atlas(one.r, density, one.phases, one.lattice, one.perfect)

    @property
    def _cells(self) -> int:
        """Cells of a row of both, its ratio aside."""
        return self._joint.tied.partials.count

    def _known(self, kind: Kind, least: int) -> tuple[Tensor, Tensor]:
        """(n, c) rows of both that there may be, and outlines (``Model.known``)."""
        atlas, tied = self._atlas, self._joint.tied
        pairs = self._joint.edges[0].pairs
        if tied.ratio is None:  # a mixture would be of another composition than its states
            pairs = replace(pairs, mixed=(0.0, 0.0))
        samples = atlas.samples(pairs, kind, least).double()
        outlines = atlas.outlines(samples)
        if tied.ratio is None and len(samples):  # a sample is of its state's composition
            one, other = (edge.atlas.density for edge in self._joint.edges)
            ratios = tied.ratio_between(one, other)[atlas.perfect if kind == "perfect" else slice(None)]
            samples = torch.cat([samples, ratios.double().repeat(len(samples) // len(ratios), 1)], dim=1)
        return samples, outlines

    def _outlines(self, density: Tensor) -> Tensor:
        """(s, c) outlines of rows of both, by which they are near each other."""
        outlines: Tensor = self._atlas.outlines(density[:, : self._cells])
        return outlines

    def _first(self, density: Tensor) -> Array:
        """(s,) N in the range ``first`` of the first edge."""
        edge = self._joint.edges[0]
        return edge.ensemble.first(density[:, : edge.partials.count].numpy())[0]

    def refine(self, sample: Sequence[ChiK]) -> list[Prediction]:
        """The predictions for one sample, improved; see ``refine_all``."""
        return self.refine_all([sample])[0]

    def refine_all(self, samples: Sequence[Sequence[ChiK]]) -> list[list[Prediction]]:
        """The predictions for samples, improved: one for each of their scans, in their order.

        Parameters
        ----------
        samples
            Of each sample the scans of one or both of the edges; those of one edge are of one session.

        Raises
        ------
        ModelError
            If the model cannot answer one of them.
        """

        def alone(edge: int, scans: list[ChiK]) -> list[Prediction]:
            return self.edges[edge].refine_all(scans)

        def tied(pairs: Sequence[tuple[ChiK, ChiK]]) -> list[tuple[Prediction, Prediction]]:
            with one_core() as cores:
                answers, fits = self._refined([Signals.of(scans) for scans in zip(*pairs, strict=True)], cores)
            found = []
            for row, pair in enumerate(pairs):
                one, other = (of.one(row, chi) for of, chi in zip(answers, pair, strict=True))
                told = why(fits, row)
                found.append(
                    (replace(one, history=(*one.history, told)), replace(other, history=(*other.history, told)))
                )
            return found

        return answer_samples(self._joint, samples, alone, tied)

    def answers(self, signals: Sequence[Signals]) -> tuple[Answers, Answers]:
        """What ``refine`` says of samples that were measured at both edges, as arrays: those of each edge."""
        with one_core() as cores:
            return self._refined(signals, cores)[0]

    def _refined(self, signals: Sequence[Signals], cores: int) -> tuple[tuple[Answers, Answers], Fits]:
        """The answers of both edges, and the fits behind them."""
        joint, tied, search = self._joint, self._joint.tied, self._search
        start = joint.answers(signals, self.references)

        def piece(rows: np.ndarray) -> Fits:
            own = [(of[rows], at[rows]) for of, at in zip(signals, start, strict=True)]
            data = JointData(
                *(edge.data(of, at.k_max, at.oxidised) for edge, (of, at) in zip(self.edges, own, strict=True))
            )
            sessions = (edge.sessions(*of) for edge, of in zip(self.edges, own, strict=True))
            density = tied.together(*(torch.from_numpy(at.density) for _, at in own))
            return search.found(data, density, session_of_both(*sessions), own[0][1].oxidised)

        fits = in_pieces(piece, np.minimum(*(answers.k_max for answers in start)), cores)
        bins, half = fits.density.shape[1], fits.shared.shape[1] // 2
        covariances = (fits.covariance[:, first : first + half, first : first + half] for first in (bins, bins + half))
        of_both = zip(
            self.edges, signals, start, tied.sides(fits.density), of_each(fits.shared), covariances, strict=True
        )
        explained = [edge.explained(*of) for edge, *of in of_both]

        told = joint.told(
            explained, lambda rows: drawn(fits[rows], slice(0, bins)), "refined", self.references, keep=True
        )
        exchanges = self._exchanges(signals, start, fits, cores)
        one, other = (answers.with_exchanges(found) for answers, found in zip(told, exchanges, strict=True))
        return (one, other), fits

    def _exchanges(
        self, signals: Sequence[Signals], start: Sequence[Answers], fits: Fits, cores: int
    ) -> list[dict[str, Exchanged]]:
        """Whether the data of both edges tell of which element each range is (``infer.exchange``), by edge.

        A pair that ties is given to both others at once: its atoms about A to A, those about B to B.
        """
        tied = self._joint.tied
        if not all(edge.intervals for edge in self._joint.both):
            return [{}, {}]
        sides = tied.sides(fits.density.numpy())
        ranges = {
            (number, name): limits
            for number, edge in enumerate(self._joint.edges)
            for name, limits in edge.tested(sides[number]).items()
        }
        shared = {
            key: replace(of, pair=tied.forward if of.pair == tied.backward else of.pair) for key, of in ranges.items()
        }

        def exchange(rows: slice) -> dict[tuple[int, str], Exchanged]:
            own = [(of[rows], at[rows]) for of, at in zip(signals, start, strict=True)]
            data = JointData(
                *(edge.data(of, at.k_max, at.oxidised) for edge, (of, at) in zip(self.edges, own, strict=True))
            )
            sessions = session_of_both(*(edge.sessions(*of) for edge, of in zip(self.edges, own, strict=True)))
            asked = {key: limits.of(rows) for key, limits in shared.items()}
            return exchanged(self._theory, data, fits[rows], sessions, tied.partials, asked)

        found = Exchanged.joined(side_by_side(exchange, pieces_of(len(fits.density)), cores))
        ratio = fits.density[:, tied.partials.count :].numpy()
        by_edge: list[dict[str, Exchanged]] = [{}, {}]
        for (number, name), test in found.items():
            density = tied.sides(np.concatenate([test.density, ratio], axis=1))[number]
            by_edge[number][name] = replace(test, pair=ranges[number, name].pair, density=density)
        return by_edge
