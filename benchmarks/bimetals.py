"""Two metals, held out by composition and size: what both edges tell of who neighbours whom, and what one alone does.

    exafsnn make ptni.toml --keep
    python benchmarks/bimetals.py ptni ptni-pt.libraries/trial.h5 ptni-ni.libraries/trial.h5

Simulated samples of the trial, whose compositions and sizes the model did not learn from; energy zero, amplitude,
noise, range of k and a smooth error of theory are random, and each edge's own; without a reference, and with a foil
of the metal at each edge, which tells the amplitude within 5 %. At one edge α needs the composition, which is then
given; at both it follows. Core and shell (true α above 0.2) are told from random (within 0.1 of 0) by whether α is
above 0.15. Each table is told once more of the samples whose T′ is below 500 K.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
import torch

from exafsnn.infer.estimates import Signals
from exafsnn.infer.joint import JointModel, load_joint
from exafsnn.infer.joint_refine import JointRefiner
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.records import Array
from exafsnn.simulate.library import SiteLibrary, load
from exafsnn.validate.sessions import Beamline, SimulatedSession

SESSIONS, SCANS, SEED = 30, 8, 20261129
APART, NEAR, TOLD, MIXED = 0.2, 0.1, 0.15, "particles"
COLD = 500.0
"""T′ [K]."""
WAYS = ("predicted, one edge", "predicted, both", "refined, one edge", "refined, both")


def sessions(
    model: JointModel, libraries: list[SiteLibrary], referenced: bool
) -> Iterator[tuple[SimulatedSession, SimulatedSession]]:
    """Samples at both edges; ordered crystals are left out, whose compositions were learned from."""
    beamlines = []
    for row, (edge, library) in enumerate(zip(model.edges, libraries, strict=True)):
        bank = make_bank(library, edge.pairs)
        new = np.flatnonzero([":" not in state.label["order"] for state in library.states])
        bank = bank.subset(new)
        of = (edge.absorber, edge.edge)
        beamlines.append(Beamline(bank, bank, edge.pairs, edge.features, of, SEED + row))
    if beamlines[0].states != beamlines[1].states:
        sys.exit("the libraries are not of the same states")
    return Beamline.at_both((beamlines[0], beamlines[1]), SESSIONS, SCANS, SEED, referenced=referenced)


def counted(model: JointModel, densities: tuple[Array, Array]) -> Array:
    """(s, 2, 2) N of each pair in the first shell: absorber, and neighbour in one order for both."""
    found = []
    for edge, density in zip(model.edges, densities, strict=True):
        ranges = {edge.partials.range(name, limits).pair: edge.partials.range(name, limits)
                  for name, limits in edge.ranges.items() if name.startswith("first")}  # fmt: skip
        names = [f"{edge.absorber}-{other.absorber}" for other in model.edges]
        found.append([edge.partials.moments(density, ranges[name])[..., 0] for name in names])
    return np.moveaxis(np.array(found), 2, 0)  # [absorber, neighbour, sample] → [sample, absorber, neighbour]


def answered(model: JointModel, both: tuple[SimulatedSession, SimulatedSession]) -> dict[str, Array]:
    """N (s, 2, 2) by each of ``WAYS``."""
    signals, known = [Signals.of(session.scans) for session in both], [session.known for session in both]
    predicted, refined = model.answers(signals, known), JointRefiner(model, known=known).answers(signals)
    each = list(zip(model.edges, signals, known, strict=True))
    alone = [edge.answers(of, told) for edge, of, told in each]
    better = [Refiner(edge, known=told).answers(of) for edge, of, told in each]
    every = dict(zip(WAYS, (alone, predicted, better, refined), strict=True))
    return {way: counted(model, (one.density, other.density)) for way, (one, other) in every.items()}


def around(number: Array) -> Array:
    """(s, 2, 2) share of each neighbour around each absorber."""
    return number / number.sum(axis=2, keepdims=True)


def shares(number: Array) -> Array:
    """(s, 2) of each element in the sample: c_A N_AB = c_B N_BA."""
    ratio = np.stack([number[:, 1, 0], number[:, 0, 1]], axis=1)
    return ratio / ratio.sum(axis=1, keepdims=True)


def orders(number: Array, composition: Array) -> Array:
    """(s, 2) α of either absorber, of a composition (s, 2)."""
    found: Array = 1 - np.stack([around(number)[:, 0, 1], around(number)[:, 1, 0]], axis=1) / composition[:, ::-1]
    return found


def untied(model: JointModel, both: tuple[SimulatedSession, SimulatedSession]) -> float:
    """By how much the joint answers miss c_A n_AB = c_B n_BA in any bin, over the largest."""
    ends = [of.density for of in model.answers([Signals.of(session.scans) for session in both])]
    ahead, back = (of[:, cells] for of, cells in zip(ends, model.tied.cells, strict=True))
    ratio = back.sum(axis=1, keepdims=True) / ahead.sum(axis=1, keepdims=True)
    return float(np.abs(back - ratio * ahead).max() / back.max())


def told(alpha: Array, true: Array, families: Array) -> str:
    """How many of those that are core and shell, and of those that are random, are told so."""
    is_core = (families == "core and shell") & (true > APART)
    is_random = (families == MIXED) & (np.abs(true) < NEAR)
    right = np.concatenate([alpha[is_core] > TOLD, alpha[is_random] <= TOLD])
    return f"{right.mean():.0%} of {len(right)}"


def main(name: str, *paths: str) -> None:
    """Print both tables."""
    torch.set_num_threads(1)
    model, libraries = load_joint(name), [load(path) for path in paths]
    for referenced in (False, True):
        table(model, libraries, referenced)


def table(model: JointModel, libraries: list[SiteLibrary], referenced: bool) -> None:
    """Print one of them, of all samples and of the cold ones."""
    labels = {state.index: state.label for state in libraries[0].states}
    found: dict[str, list[Array]] = {way: [] for way in WAYS}
    true, states, worst = [], [], 0.0
    for number, both in enumerate(sessions(model, libraries, referenced)):
        true.append(counted(model, (both[0].density, both[1].density)))
        states += both[0].states
        for way, of in answered(model, both).items():
            found[way].append(of)
        worst = max(worst, untied(model, both))
        print(f"{number + 1} of {SESSIONS} sessions", file=sys.stderr)
    truth, every = np.concatenate(true), {way: np.concatenate(of) for way, of in found.items()}
    kinds, hot = (np.array([labels[state][name] for state in states]) for name in ("family", "temperature"))
    title = "a foil at each edge" if referenced else "no reference"
    for told_of, some in (("all", hot > 0), (f"T′ below {COLD:g} K", hot < COLD)):
        print(f"\n{title}, {told_of}: {some.sum()} samples; c_A n_AB = c_B n_BA within {worst:.0e} of the largest\n")
        errors_of(model, truth[some], {way: of[some] for way, of in every.items()}, kinds[some])


def errors_of(model: JointModel, truth: Array, every: dict[str, Array], kinds: Array) -> None:
    """Print a table of answers (s, 2, 2) by each way, the truth, and what family each sample is of."""
    composition, alpha = shares(truth), orders(truth, shares(truth))
    elements = [edge.absorber for edge in model.edges]
    print(f"| rms error | {' | '.join(WAYS)} |\n|---|{'---|' * len(WAYS)}")

    def row(title: str, cells: Iterator[str]) -> None:
        print(f"| {title} | {' | '.join(cells)} |")

    for one, absorber in enumerate(elements):
        for two, neighbour in enumerate(elements):
            errors = (every[way][:, one, two] - truth[:, one, two] for way in WAYS)
            row(f"N of {absorber}-{neighbour}", (f"{rms(error):.2f}" for error in errors))
    for one, absorber in enumerate(elements):
        errors = (around(every[way])[:, one, 1 - one] - around(truth)[:, one, 1 - one] for way in WAYS)
        row(f"share of {elements[1 - one]} around {absorber}", (f"{rms(error):.3f}" for error in errors))
    errors = (shares(every[way])[:, 0] - composition[:, 0] for way in WAYS)
    row(f"share of {elements[0]} in the sample", (f"{rms(error):.3f}" for error in errors))
    ordered = {way: orders(of, shares(of) if "both" in way else composition) for way, of in every.items()}
    for one, absorber in enumerate(elements):
        row(f"α around {absorber}", (f"{rms(ordered[way][:, one] - alpha[:, one]):.3f}" for way in WAYS))
        row(f"core–shell told from random by {absorber}",
            (told(ordered[way][:, one], alpha[:, one], kinds) for way in WAYS))  # fmt: skip
    row("core–shell told from random by the mean of both",
        (told(ordered[way].mean(axis=1), alpha.mean(axis=1), kinds) for way in WAYS))  # fmt: skip


def rms(errors: Array) -> float:
    """Of what is a number."""
    return float(np.sqrt(np.nanmean(errors**2)))


if __name__ == "__main__":
    main(*sys.argv[1:])
