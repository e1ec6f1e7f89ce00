"""Many scans on one energy grid → N, R, σ² of each, chunk by chunk: what ``run.scans`` does scan by scan, as arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.errors import ExafsnnError
from exafsnn.measure.batch import BatchChiK, measure_batch
from exafsnn.measure.batch.series import Scans
from exafsnn.records import Spectrum
from exafsnn.run.scans import infinite
from exafsnn.settings import BackgroundSettings

if TYPE_CHECKING:
    from exafsnn.infer.answers import Answers
    from exafsnn.infer.estimates import Reference
    from exafsnn.infer.predict import Model

CHUNK = 1000
"""Scans that are worked on at a time: 100 MB at 400 points."""


@dataclass(frozen=True)
class StackAnswers:
    """The answers to some scans of a stack, in their order."""

    chi: BatchChiK
    answers: Answers
    """NaN of rejected scans."""
    refusals: Mapping[int, ExafsnnError]
    """Number in the stack of each rejected scan, and why."""


def answer_stack(
    like: Spectrum,
    mu: Scans,
    model: Model,
    *,
    reference: Reference | None = None,
    settings: BackgroundSettings | None = None,
    chunk: int = CHUNK,
) -> Iterator[StackAnswers]:
    """Raw μ of many scans → N, R, σ² with error bars; the answers are those of ``Model.predict``, to rounding.

    Parameters
    ----------
    like, mu, settings, chunk
        As ``measure_batch`` takes them: what the scans share, and μ (s, n), which may be an HDF5 data set.
    model, reference
        As ``Model.predict`` takes them.

    Yields
    ------
    StackAnswers
        Of ``chunk`` scans each. A scan that is unfit is a refusal in it, and stops no other.

    Raises
    ------
    ExafsnnError
        If the scans are no series, or of another edge than the model.
    """
    model.check_edge(like)
    return (_answered(chi, like, model, reference) for chi in measure_batch(like, mu, settings, chunk=chunk))


def _answered(chi: BatchChiK, like: Spectrum, model: Model, reference: Reference | None) -> StackAnswers:
    from exafsnn.infer.estimates import Signals

    refusals = dict(chi.refusals)
    for row in np.flatnonzero(~model.can_answer(chi.noise, chi.k_max_usable)).tolist():
        try:
            model.check(chi.scan(row, like))
        except ExafsnnError as error:
            refusals[chi.first + row] = error
    count = len(chi.noise)
    rows = np.setdiff1d(np.arange(count), [number - chi.first for number in refusals])
    found = model.answers(Signals.of_batch(chi, rows), reference)
    refusals |= {chi.first + row: infinite(like.source) for row in rows[~found.finite].tolist()}
    return StackAnswers(chi, found[found.finite].among(rows[found.finite], count), refusals)
