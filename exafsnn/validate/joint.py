"""A joint model is tried out on samples at both edges that it has not seen → error bars that cover, and a card.

As ``calibration`` does it for one edge. The same scans are answered edge by edge, too: what the second edge is worth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from exafsnn.errors import SettingsError
from exafsnn.infer.answers import Answers
from exafsnn.infer.estimates import Signals
from exafsnn.infer.joint import JointModel, load_joint
from exafsnn.infer.joint_refine import JointRefiner
from exafsnn.infer.reference import ELSEWHERE
from exafsnn.learn.intervals import KINDS_OF_ANSWERS, LEVELS
from exafsnn.learn.joint_file import set_joint_intervals
from exafsnn.learn.training import CalibrationSettings
from exafsnn.validate.calibration import Answer, answers_to, beamline_of, errors_of, scales_of
from exafsnn.validate.card import QUANTITIES, SHOWN
from exafsnn.validate.coverage import cross_fitted
from exafsnn.validate.sessions import Beamline, SimulatedSession
from exafsnn.workers import Tell, run_all

Paths = Sequence[str | Path]

_PARTS = 10
"""Into so many pieces the work is cut."""


@dataclass(frozen=True)
class Trial:
    """Answers to simulated samples at both edges, against the truth: a list for each edge."""

    both: tuple[list[Answer], list[Answer]]
    """By both edges together …"""
    alone: tuple[list[Answer], list[Answer]]
    """… and by each alone."""


def joint_tried(
    name: str,
    libraries: Sequence[Paths],
    trial: Sequence[Paths],
    settings: CalibrationSettings,
    workers: int,
    progress: Tell,
) -> Trial:
    """Answers of a joint model to simulated samples that neither of its parts has seen, in one order.

    Parameters
    ----------
    name
        Name or path of the model.
    libraries
        Those that the model of each edge was trained on, of the same states …
    trial
        … and more to try them on.
    settings
        How much is simulated.

    Raises
    ------
    LibraryError, ModelError
        If the model or a library cannot be read.
    SettingsError
        If the libraries are not those of its parts, or of unlike states.
    """
    paths = tuple((tuple(map(str, own)), tuple(map(str, more))) for own, more in zip(libraries, trial, strict=True))
    each = -(-settings.sessions // _PARTS)
    tasks = [
        (name, paths, each, settings.scans, 100 + number, referenced)
        for referenced in (True, False)
        for number in range(_PARTS)
    ]
    found = {}
    for done, (task, part) in enumerate(run_all(_try_out, tasks, min(workers, len(tasks))), start=1):
        found[task] = part
        progress(done, len(tasks), "sessions at both edges")
    parts = [found[task] for task in tasks]  # whichever is done first

    def all_of(pick: Callable[[Trial], tuple[list[Answer], list[Answer]]]) -> tuple[list[Answer], list[Answer]]:
        return [item for part in parts for item in pick(part)[0]], [item for part in parts for item in pick(part)[1]]

    return Trial(all_of(lambda part: part.both), all_of(lambda part: part.alone))


_Task = tuple[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...], int, int, int, bool]


def _try_out(task: _Task) -> Trial:
    """Worker: answers to some sessions."""
    name, paths, sessions, scans, seed, referenced = task
    torch.set_num_threads(1)
    model = load_joint(name).uncalibrated()
    one, other = (
        beamline_of(edge, *of, seed + 1000 * row) for row, (edge, of) in enumerate(zip(model.edges, paths, strict=True))
    )
    if one.states != other.states:
        raise SettingsError(
            f"the libraries of {' and '.join(edge.name for edge in model.edges)} are not of the same states",
            where=name, remedy="Make both of one plan, exafsnn make does",
        )  # fmt: skip
    blind = JointRefiner(model)
    found = Trial(([], []), ([], []))
    for both in Beamline.at_both((one, other), sessions, scans, seed, referenced=referenced):
        tied = _tied(model, both)
        refiner = JointRefiner(model, known=[session.known for session in both]) if referenced else blind
        for answers, more in zip(found.both, _answers_to_both(model, refiner, tied), strict=True):
            answers.extend(more)
        for answers, edge, session in zip(found.alone, model.edges, tied, strict=True):
            answers.extend(answers_to(edge, session))
    return found


def _tied(model: JointModel, both: tuple[SimulatedSession, SimulatedSession]) -> list[SimulatedSession]:
    """The same sessions, what is true of both edges tied.

    Each spectrum is stretched by its own phase, so that n_AB and n_BA differ by 0.001 Å.
    """
    density = model.tied.sides(model.tied.together(*(session.density for session in both)))
    return [replace(session, density=own) for session, own in zip(both, density, strict=True)]


def _answers_to_both(
    model: JointModel, refiner: JointRefiner, both: Sequence[SimulatedSession]
) -> tuple[list[Answer], list[Answer]]:
    """Predicted and refined answers to the samples of a session, of each edge."""
    signals = [Signals.of(session.scans) for session in both]
    predicted, refined = model.answers(signals, refiner.references, keep=True), refiner.answers(signals)
    how = "with reference" if all(refiner.references) else "blind"
    found: tuple[list[Answer], list[Answer]] = ([], [])
    for edge, session in enumerate(both):
        for number in range(len(session.scans)):
            for kind, answers in (("predicted", predicted[edge]), ("refined", refined[edge])):
                found[edge].append(_answer(f"{kind} {how}", model, edge, answers, session, number))
    return found


def _answer(
    kind: str, model: JointModel, edge: int, answers: Answers, session: SimulatedSession, number: int
) -> Answer:
    errors = errors_of(model.edges[edge], answers[number : number + 1], session.density[number])
    facts = (session.scans[number], session.states[number], session.phases[number])
    return Answer(kind, errors, answers.given[number, None], answers.signs_of(number), *facts)


def set_joint_error_bars(name: str, trial: Trial) -> Path:
    """Write into a joint model what its answers, against the truth, say of its error bars."""
    scales = {}
    for kind in KINDS_OF_ANSWERS:
        one, other = (scales_of([item for item in answers if item.kind == kind]) for answers in trial.both)
        scales[kind] = (one, other)
    return set_joint_intervals(name, scales)


_TEXT = """# {name}

{edges} of one sample together: the models {parts}, their answers tied by the composition ({composition}).
What they were trained on is told by their own cards.

Accuracy and coverage on simulated samples of {told} trajectories that no network saw ({phases}), each measured at both
edges: energy zero, amplitude, noise, k max, background and smooth error of the theory are random, and each edge's own.
With reference the amplitude at each edge is known within {known:.0%}, as a foil of the metal tells it, and some samples
lack atoms. `alone` is the answer of the pair's own edge to the same scans. Each tenth of the trajectories is judged by
intervals that the others set.

| answer | quantity | rms error alone | rms error of both edges | coverage of 68 %, 95 % by both |
|---|---|---|---|---|
{rows}
"""


def joint_card(model: JointModel, trial: Trial) -> str:
    """The text of a joint model's card, in Markdown: both edges beside each alone."""
    phases = Counter({item.trajectory: item.phase for item in trial.both[0]}.values())
    share, (one, other) = model.parts.composition, (edge.absorber for edge in model.edges)
    return _TEXT.format(
        name=model.name, edges=" and ".join(model.names), parts=" and ".join(edge.name for edge in model.edges),
        composition=f"{one} : {other} = {share[0]:g} : {share[1]:g}" if share else "each sample its own",
        known=ELSEWHERE, told=phases.total(),
        phases=", ".join(f"{count} {phase}" for phase, count in phases.most_common()),
        rows="\n".join(row for kind in KINDS_OF_ANSWERS for edge in (0, 1) for row in _rows(model, trial, kind, edge)),
    )  # fmt: skip


def _rows(model: JointModel, trial: Trial, kind: str, edge: int) -> Iterator[str]:
    """Lines of the table of one kind of answers of one edge."""
    both, alone = ([item for item in of[edge] if item.kind == kind] for of in (trial.both, trial.alone))
    judged = cross_fitted(both)
    for quantity in judged:
        name, _, rest = quantity.partition(" ")
        errors = [np.concatenate([item.errors[quantity][0] for item in of]) for of in (alone, both)]
        if name not in QUANTITIES or not all(map(len, errors)):
            continue
        pair, of_shells = rest.removeprefix("shells").strip(), rest.startswith("shells")
        title, form = QUANTITIES[name]
        title += " of shells" * of_shells
        sizes = [form.format(float(np.sqrt(np.mean(of**2)))) for of in errors]
        inside = (judged[quantity].inside(LEVELS.index(level)).mean() for level in SHOWN)
        of = pair or model.edges[edge].first.pair
        yield f"| {kind} | {title} of {of} | {' | '.join(sizes)} | {', '.join(f'{share:.0%}' for share in inside)} |"
