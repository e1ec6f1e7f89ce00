"""What ``exafsnn adapt`` does for scans of another theory, and to spectra of the old kind.

    exafsnn simulate benchmarks/foreign.toml -o foreign.h5
    python benchmarks/adaptation.py foreign.h5 [LIBRARY.h5 TRIAL.h5 [MEASURED SCANS [MODEL]]]

*Heated*: the 16 scans of ``spectra/`` (dynamics in Fe_meam, FEFF6L with overlapped free atoms), all of them taught, or
every second one and the others judged. *Session*: the states of ``foreign.toml`` (Fe_meam; FEFF8.5L, exchange 3) as six
simulated sessions of 24 scans each; of each session one half teaches and the other is judged. *Old kind*: sessions of
states of the model's own libraries that it has not seen, given to the models that adapted to the heated scans and to
the first session. *Foils*: measured iron. No standard anywhere. Coverage: N, R and σ² of the range ``first`` within the
68 and 95 % intervals.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

import exafsnn
from exafsnn.infer.adapt import adapt
from exafsnn.infer.answers import Answers
from exafsnn.infer.estimates import Signals
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.refine import Refiner
from exafsnn.learn.dataset import make_bank
from exafsnn.records import Array, ChiK
from exafsnn.simulate.library import load
from exafsnn.validate.calibration import beamline_of
from exafsnn.validate.sessions import Beamline

SPECTRA = Path(__file__).parents[1] / "spectra"
FOILS = ("fe/fe.060", "fe/fe.061", "fe/fe.062", "fe/fe.300", "fe/fe.301", "fe/Fe_metal_rt_02.xdi")
SESSIONS, SCANS = 6, 24
FCC = 1185
"""Above which the heated scans are of fcc iron [K]."""


def main(foreign: str, library: str = "", trial: str = "", measured: str = "", name: str = "fe-k") -> None:
    """Print what each of them gives."""
    torch.set_num_threads(1)
    model = load_model(name)
    with tempfile.TemporaryDirectory() as folder:
        heated = heating(model, name, Path(folder))
        first = sessions(model, name, Path(folder), foreign)
        if library and trial:
            old_kind(model, {"heated": heated, "session": first}, library, trial)
        if measured:
            foils(model, name, Path(folder), Path(measured))


def heating(model: Model, name: str, folder: Path) -> Model:
    """The heated scans; returns the model that all of them taught."""
    with (SPECTRA / "true_rdf.csv").open() as file:
        rows = list(csv.reader(line for line in file if not line.startswith("#")))
    table = np.array(rows[1:], dtype=float)
    truth = np.array([np.interp(model.r, table[:, 0], column) for column in table[:, 1:].T])
    scans = [exafsnn.read(SPECTRA / f"{stem}.dat").to_chi() for stem in rows[0][1:]]
    hot = np.array([int(stem[3:7]) > FCC for stem in rows[0][1:]])
    every, second = np.ones(len(scans), dtype=bool), np.arange(len(scans)) % 2 == 0
    adapted = {}
    for what, taught in (("all", every), ("half", second)):
        chosen = [chi for chi, is_one in zip(scans, taught, strict=True) if is_one]
        adapted[what] = adapt(name, chosen, folder / f"heated-{what}").model
        judged = ~taught if what == "half" else every
        for title, some in (("", judged), (", fcc", judged & hot)):
            of = [chi for chi, is_one in zip(scans, some, strict=True) if is_one]
            tell(f"heated, {what} taught{title}", model, adapted[what], of, truth[some])
    return adapted["all"]


def sessions(model: Model, name: str, folder: Path, foreign: str) -> Model:
    """Sessions of a foreign theory; returns the model that the first of them taught."""
    bank = make_bank(load(foreign), model.pairs)
    beamline = Beamline(
        bank, bank, model.pairs, model.features, (model.absorber, model.edge), 11, erring=False, varied=False
    )
    judged: list[tuple[Model, list[ChiK], Array]] = []
    for number, session in enumerate(beamline.sessions(SESSIONS, SCANS, False)):
        adapted = adapt(name, session.scans[::2], folder / f"session-{number}").model
        judged.append((adapted, list(session.scans[1::2]), session.density[1::2]))
    for title, refine in (("predict", False), ("refine", True)):
        before = [figures(model, answers(model, scans, refine), true) for _, scans, true in judged]
        after = [figures(adapted, answers(adapted, scans, refine), true) for adapted, scans, true in judged]
        show(f"sessions, {title}", np.concatenate(before), np.concatenate(after))
    return judged[0][0]


def old_kind(model: Model, adapted: dict[str, Model], library: str, trial: str) -> None:
    """Sessions of states of the model's own theory, which it has not seen."""
    found = list(beamline_of(model, [library], [trial], 41).sessions(12, 8, False))
    scans, true = [chi for of in found for chi in of.scans], np.concatenate([of.density for of in found])
    for name, one in adapted.items():
        tell(f"old kind, model of {name}", model, one, scans, true)


def foils(model: Model, name: str, folder: Path, measured: Path) -> None:
    """Measured iron: no RDF is known, but N is 14 and R that of the lattice."""
    scans = [exafsnn.read(measured / source).to_chi() for source in FOILS]
    done = adapt(name, scans, folder / "foils")
    for source, number in zip(FOILS, range(len(scans)), strict=True):
        told = []
        for one in (model, done.model):
            for refine in (False, True):
                first = answers(one, [scans[number]], refine)
                shell = first.shells["first"]
                told.append(f"{shell.coordination[0]:6.2f} ± {shell.coordination_std[0]:4.2f} {shell.distance[0]:7.4f}"
                            f" ± {shell.distance_std[0]:.4f} {first.misfit[0]:.4f}")  # fmt: skip
        print(f"{source:24} predict {told[0]} -> {told[2]}   refine {told[1]} -> {told[3]}")


def answers(model: Model, scans: Sequence[ChiK], refine: bool) -> Answers:
    """Of a model, without a standard."""
    signals = Signals.of(list(scans))
    return Refiner(model).answers(signals) if refine else model.answers(signals)


def tell(title: str, model: Model, adapted: Model, scans: Sequence[ChiK], true: Array) -> None:
    """Before and after."""
    for how, refine in (("predict", False), ("refine", True)):
        before, after = (figures(one, answers(one, scans, refine), true) for one in (model, adapted))
        show(f"{title}, {how}", before, after)


def figures(model: Model, found: Answers, true: Array) -> Array:
    """(n, 12) of scans: relative error of n(r); errors of N, R, σ²; misfit; what is within 68 % of these, then 95 %."""
    limits = model.partials.range("first", model.ranges["first"])
    shell, moments = found.shells["first"], model.partials.moments(true, limits)
    rows = [np.abs(found.density - true).sum(axis=1) / true.sum(axis=1)]
    names = ("coordination", "distance", "sigma2")
    errors = [getattr(shell, name) - moments[:, number] for number, name in enumerate(names)]
    inside = [np.abs(error) <= getattr(shell, f"{name}_std") for error, name in zip(errors, names, strict=True)]
    within = [
        (getattr(shell, f"{name}_low") <= moments[:, number]) & (moments[:, number] <= getattr(shell, f"{name}_high"))
        for number, name in enumerate(names)
    ]
    return np.array([*rows, *errors, found.misfit, *inside, *within], dtype=float).T


def show(title: str, before: Array, after: Array) -> None:
    """Means, root mean squares, and coverages."""
    line = []
    for rows in (before, after):
        rms = np.sqrt((rows[:, 1:4] ** 2).mean(axis=0))
        cover = ", ".join(f"{share:.0%}" for share in rows[:, 5:].mean(axis=0))
        line.append(
            f"n(r) {rows[:, 0].mean():.4f} N {rms[0]:.3f} R {rms[1]:.4f} (mean {rows[:, 2].mean():+.4f}, largest"
            f" {np.abs(rows[:, 2]).max():.4f}) σ² {rms[2]:.4f} misfit {rows[:, 4].mean():.4f} within {cover}"
        )
    change = after[:, 0].mean() / before[:, 0].mean() - 1
    print(f"{title} ({len(before)} scans)\n  before {line[0]}\n  after  {line[1]}\n  n(r) {change:+.0%}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
