"""Scans → a model that has learned from them, without labels: one that was there adapts, or one from nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from exafsnn.errors import ModelError, ScanError, SettingsError
from exafsnn.run.answers import standards_of
from exafsnn.run.models import models
from exafsnn.run.outcomes import Outcome, edge_of
from exafsnn.run.scans import measure_scans
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Tell, silent

if TYPE_CHECKING:
    from exafsnn.infer.adapt import Adapted, AdaptSettings
    from exafsnn.infer.scratch import Unlabelled
    from exafsnn.records import ChiK

S02_STD = 0.02
"""Relative standard deviation of an S₀² that is given."""


def adapt_scans(
    sources: Iterable[str],
    output: str | Path,
    *,
    model: str | None = None,
    references: Sequence[str] = (),
    structure: str | Sequence[str] | None = None,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    settings: BackgroundSettings | None = None,
    adapting: AdaptSettings | None = None,
    workers: int = 1,
    progress: Tell = silent,
) -> tuple[Adapted, list[Outcome]]:
    """Adapt a model to scans of one session, without knowing any RDF of them, and write it.

    Parameters
    ----------
    sources, columns, merge, foil_columns, e0_foil, settings
        As for ``measure_scans``.
    output
        Path of the adapted model.
    model
        Name or path; by default that of the edge.
    references, structure
        A standard of the session, one at most, and its structure.
    adapting
        How long and how fast it learns.

    Returns
    -------
    tuple
        What came of it, and what became of each scan: those that were not rejected are the rows of ``Adapted.before``
        and ``after``, in their order.

    Raises
    ------
    SettingsError
        If the scans are of several edges, all are rejected, or too few are left to learn from.
    ExafsnnError
        If the standard cannot be used, there is no model, or it cannot be written.
    """
    from exafsnn.infer.adapt import adapt

    standards = standards_of(references, structure, None, columns, settings or BackgroundSettings())
    outcomes = _measured(sources, columns, merge, foil_columns, e0_foil, settings, workers)
    scans, name = _of_one_edge(outcomes, model)
    standard = standards.get(edge_of(scans[0]), (None, None))
    if standards and standard == (None, None):
        raise SettingsError("it is of another edge than the scans", where="--reference", remedy="Give one of theirs")
    done = adapt(name, scans, output, adapting, standard=standard[0], structure=standard[1], progress=progress)
    return done, outcomes


def train_on_scans(
    sources: Iterable[str],
    output: str | Path,
    *,
    s02: float,
    density: float,
    model: str | None = None,
    columns: str | None = None,
    merge: bool = False,
    foil_columns: str | None = None,
    e0_foil: float | None = None,
    settings: BackgroundSettings | None = None,
    steps: int | None = None,
    workers: int = 1,
    progress: Tell = silent,
) -> tuple[Unlabelled, list[Outcome]]:
    """Train a network from nothing on scans of many states of a metal, of which no RDF is known, and write it.

    Parameters
    ----------
    sources, columns, merge, foil_columns, e0_foil, settings, output
        As for ``adapt_scans``.
    s02
        Their amplitude, as a standard has it.
    density
        Of the sample when it is cold [g/cm³].
    model
        Whose forward model, features and bins are used; by default that of the edge.
    steps
        Of each network; None: as many as is usual.

    Raises
    ------
    SettingsError, ExafsnnError
        As ``adapt_scans``; it takes 200 scans.
    """
    from exafsnn.infer.scratch import ScratchSettings, atoms_per_volume, train_unlabelled

    outcomes = _measured(sources, columns, merge, foil_columns, e0_foil, settings, workers)
    scans, name = _of_one_edge(outcomes, model)
    learning = ScratchSettings(steps=steps, member_steps=steps) if steps else None
    done = train_unlabelled(
        name,
        scans,
        output,
        learning,
        amplitude=s02,
        amplitude_std=S02_STD * s02,
        density=atoms_per_volume(scans[0].absorber, density),
        progress=progress,
    )
    return done, outcomes


def _measured(
    sources: Iterable[str], columns: str | None, merge: bool, foil_columns: str | None, e0_foil: float | None,
    settings: BackgroundSettings | None, workers: int,
) -> list[Outcome]:  # fmt: skip
    found = measure_scans(
        sources, columns=columns, merge=merge, foil_columns=foil_columns, e0_foil=e0_foil, settings=settings,
        workers=workers,
    )  # fmt: skip
    return list(found)


def _of_one_edge(outcomes: list[Outcome], model: str | None) -> tuple[list[ChiK], str]:
    """χ(k) of what can be used, all of one edge, and the name of the model, by default that of the edge.

    What the model cannot answer, as too short a scan, is rejected among the outcomes.
    """
    from exafsnn.infer.predict import Model

    edges: dict[str, str] = {}
    for outcome in outcomes:
        if outcome.chi is not None and not outcome.reason:
            edges.setdefault(edge_of(outcome.chi), outcome.file)
    if len(edges) > 1:
        (one, first), (other, second) = list(edges.items())[:2]
        reason = f"{first} is of the {one} edge, {second} of {other}, and a model learns from one"
        raise SettingsError(reason, where=second, remedy="Give the scans of each edge by themselves")
    found, name = models(model), model or ""
    scans: list[ChiK] = []
    for number, outcome in enumerate(outcomes):
        if outcome.chi is None or outcome.reason:
            continue
        by = found([outcome.chi])
        if not isinstance(by, Model):
            remedy = "Give the model of one edge with --model"
            raise SettingsError(f"{by.name} is of two edges, and none such can adapt", where="--model", remedy=remedy)
        name = name or by.name
        try:
            by.check(outcome.chi)
            scans.append(outcome.chi)
        except ModelError as error:
            outcomes[number] = replace(outcome, reason=str(error))
    if not scans:
        said = f"{outcomes[0].file}: {outcomes[0].reason}" if outcomes else "there is none"
        raise ScanError(f"no scan can be used: {said}", remedy="Give scans of one edge")
    return scans, name
