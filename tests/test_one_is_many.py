"""One scan is a batch of one: at every stage, what many get together each gets alone, exactly or to rounding.

A stage is a function from many items to as many results; further models, engines and stages join ``STAGES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.estimates import Reference
from exafsnn.infer.joint import load_joint
from exafsnn.infer.joint_refine import JointRefiner
from exafsnn.infer.predict import Model, load_model
from exafsnn.infer.reference import calibrate
from exafsnn.infer.refine import Refiner
from exafsnn.learn.joint_file import is_joint
from exafsnn.learn.model_file import shipped_models
from exafsnn.measure.gate import Known, Passed, judged
from exafsnn.measure.scans import measure_all
from exafsnn.read.scan import read_all, read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.outcomes import Outcome
from exafsnn.run.scans import predict_scans, refine_scans

FILES = sorted((Path(__file__).parents[1] / "spectra").glob("fe_*.dat"))[::2]
STRUCTURE = "bcc:2.8665"
ROUNDING = 2e-4
"""Largest difference, relative to the largest number of an array; networks calculate in single precision."""


@cache
def scans() -> tuple[Spectrum, ...]:
    """Scans of two grids and of some of their own, as long as others or not.

    Among them are one with a glitch, a noisy one, one upside down and one that ends too early.
    """
    sound = [read_one(path) for path in FILES]
    random = np.random.default_rng(0)
    glitch, down, noisy, short = (replace(sound[0], record=name) for name in ("glitch", "down", "noisy", "short"))
    glitch = replace(glitch, mu=np.where(np.arange(len(glitch.mu)) == 250, glitch.mu + 0.3, glitch.mu))
    noisy = replace(noisy, mu=noisy.mu + 3e-4 * random.standard_normal(len(noisy.mu)))
    shifted = [replace(scan, energy=scan.energy + 0.31, record="elsewhere") for scan in sound[1:4]]
    short = replace(short, energy=short.energy[:150], mu=short.mu[:150])
    lone = [
        replace(scan, energy=scan.energy + 0.02 * random.standard_normal(len(scan.energy)), record=f"lone {number}")
        for number, scan in enumerate((*sound[:4], glitch, sound[4]))
    ]
    cut = slice(5, -5)
    lone[1:4] = [replace(scan, energy=scan.energy[cut], mu=scan.mu[cut]) for scan in lone[1:4]]
    lone[3] = replace(lone[3], energy=lone[3].energy - 4.3)
    lone[5] = replace(lone[5], mu=-lone[5].mu)
    return (
        *sound[:3], glitch, shifted[0], replace(down, mu=-down.mu), noisy, *shifted[1:], *lone, short, *sound[3:]
    )  # fmt: skip


@cache
def chis() -> tuple[ChiK, ...]:
    return tuple(chi for chi in measure_all(scans()) if isinstance(chi, ChiK))


@cache
def model(name: str) -> Model:
    return load_model(name)


@cache
def chis_of(name: str) -> tuple[ChiK, ...]:
    """Scans for a model: measured as above, or what RDFs that it knows imply."""
    own = model(name)
    if (own.absorber, own.edge) == ("Fe", "K"):
        return chis()
    random, states = np.random.default_rng(0), own.atlas.of_torch().density.numpy()
    k = own.features.k_grid().astype(np.float64)
    chosen = states[np.linspace(0, len(states) - 1, 7).astype(int)]
    if own.ensemble.knows_oxides:  # and mixtures of the first, a metal, and the last
        chosen = np.concatenate(
            [chosen, *(chosen[[0]] + share * (chosen[[-1]] - chosen[[0]]) for share in (0.1, 0.5, 0.9))]
        )
    zeros, amplitudes = np.full(len(chosen), 2.0), np.full(len(chosen), 0.9)
    implied = own.ensemble.as_measured(k, own.ensemble.implied(chosen), zeros, amplitudes)
    noisy = implied + 5e-4 * random.standard_normal(implied.shape)
    return tuple(
        ChiK(k, chi, own.absorber, own.edge, 5e-4, 0.0, 1.0, k_max, source=f"simulated {number}")
        for number, (chi, k_max) in enumerate(zip(noisy, np.linspace(10.0, 15.0, len(noisy)).tolist(), strict=True))
    )


@cache
def samples() -> tuple[tuple[ChiK, ChiK], ...]:
    """Samples of zinc selenide at both edges."""
    return tuple(zip(chis_of("znse-zn"), chis_of("znse-se"), strict=True))


def read_together(names: Sequence[str]) -> list[Any]:
    return [scan for name in names for _, scan in read_all(name)]


def judged_together(items: Sequence[Spectrum]) -> list[Any]:
    """What passed the gate of each scan and what was told, of all that share their energies together."""
    found: dict[int, Any] = {}
    grids = dict.fromkeys(item.energy.tobytes() for item in items)
    rows = [[row for row, item in enumerate(items) if item.energy.tobytes() == grid] for grid in grids]
    together = [(items[some[0]], np.stack([items[row].mu for row in some])) for some in rows]
    for grid, passed in judged(together, Known()):
        if isinstance(passed, Passed):
            for place, row in enumerate(passed.rows.tolist()):
                found[rows[grid][row]] = passed.mu[place], passed.positions[place], passed.findings[place]
        else:
            found[rows[grid][passed[0]]] = passed[1]
    return [found[row] for row in range(len(items))]


def reference(name: str) -> Any:
    if chis_of(name) is chis():
        return calibrate(model(name), chis()[0], STRUCTURE)
    return Reference(2.0, 0.7, 0.9, 0.02, "simulated", "none")


@cache
def iron_with_a_standard() -> Refiner:
    return Refiner(model("fe-k"), chis_of("fe-k")[0], STRUCTURE)


def ragged() -> tuple[ChiK, ...]:
    """Scans that end elsewhere each."""
    ends = np.linspace(10.0, 15.0, len(chis_of("fe-k")))
    return tuple(replace(chi, k_max_usable=float(end)) for chi, end in zip(chis_of("fe-k"), ends, strict=True))


def run_together(run: Callable[..., Iterator[Outcome]], **asked: Any) -> Callable[[Sequence[str]], list[Any]]:
    return lambda names: list(run(names, **asked))


STAGES: dict[str, tuple[Callable[[], Sequence[Any]], Callable[[Sequence[Any]], list[Any]]]] = {
    "read": (lambda: [*map(str, FILES)], read_together),
    "gate": (scans, judged_together),
    "measure": (scans, measure_all),
    "predict, whole run": (lambda: [*map(str, FILES)], run_together(predict_scans)),
    "refine, whole run": (
        lambda: [*map(str, FILES[:4])],
        run_together(refine_scans, references=[str(FILES[0])], structure=STRUCTURE),
    ),
}
"""By name: the items, and what makes results of many of them."""
ONE_EDGE = [name for name in shipped_models() if not is_joint(name)]
for _name in ONE_EDGE:
    STAGES |= {
        f"predict {_name}": (
            lambda name=_name: chis_of(name), lambda items, name=_name: model(name).predict_all(items),
        ),
        f"predict {_name} with a reference": (
            lambda name=_name: chis_of(name), lambda items, name=_name: model(name).predict_all(items, reference(name)),
        ),
        f"refine {_name}": (
            lambda name=_name: chis_of(name), lambda items, name=_name: Refiner(model(name)).refine_all(items),
        ),
    }  # fmt: skip
STAGES |= {
    "predict znse": (samples, lambda items: load_joint("znse").predict_all(items)),
    "refine znse": (samples, lambda items: JointRefiner(load_joint("znse")).refine_all(items)),
}
STAGES["refine fe-k with a reference"] = ragged, lambda items: iron_with_a_standard().refine_all(items)


SHELL = re.compile(r"^(rdf\.)?shells\[(shell)?\d+.*\]$")
PLACE = re.compile(r"worst near k = [\d.]+ Å⁻¹, ")


def parts(item: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Everything that a result is made of: numbers, arrays and words, by where they stand in it."""
    if is_dataclass(item):
        for field in fields(item):
            yield from parts(getattr(item, field.name), f"{name}.{field.name}")
    elif isinstance(item, Mapping):
        for key, value in item.items():
            yield from parts(value, f"{name}[{key}]")
    elif isinstance(item, list | tuple):
        for number, value in enumerate(item):
            yield from parts(value, f"{name}[{number}]")
    else:
        yield name, str(item) if isinstance(item, Exception) else item


def scale_of(name: str, result: Mapping[str, Any]) -> float:
    """What a number is rounded in comparison with, where that is more than itself: it is a small difference."""
    *before, last = name.split(".")
    if last.startswith(("distance", "sigma2", "c3")):  # over N; errors and c3 over N², where hardly any atoms are
        size, power = abs(float(result[name])), 1 if last in ("distance", "sigma2") else 2
        if last.startswith("c3"):  # what lies above the mean less what lies below: either is about σ³
            size = max(size, abs(float(result[".".join([*before, "sigma2"])])) ** 1.5)
        if SHELL.search(before[-1]):  # whose limits move with the last digits of n(r), and with them what lies there
            low, high = (float(result[".".join([*before, end])]) for end in ("r_min", "r_max"))
            size = max(size, (0.5 * (high - low)) ** {"d": 1, "s": 2, "c": 3}[last[0]])
        return size * max(1.0, 0.3 / max(float(result[".".join([*before, "coordination"])]), 1e-3)) ** power
    if last == "density" and "exchanges" in name:  # those of shells have such limits
        return 5 * float(np.abs(result[name]).max())
    least = {"domain_score": 1.0, "misfit": 0.05, "delta_e0": 2.0, "coordination": 0.1, "delta_chi2": 5.0}  # 0.001
    if last == "chi_model":  # ΔE₀, as rounded as it is, moves k by ΔE₀ · K2_PER_EV / 2k
        k, zero = (result[".".join([*before, other])] for other in ("chi.k", "delta_e0"))
        slope = np.gradient(result[name], k) * K2_PER_EV / 2 / np.maximum(k, 1.0)
        return float(np.abs(slope).max()) * max(abs(zero), least["delta_e0"])
    if last.startswith("coordination_"):
        return 0.3  # samples in single precision make them: 6e-5 atoms
    return least.get(last, 0.0)


def assert_same(found: Any, expected: Any) -> None:
    ours, theirs = dict(parts(found)), dict(parts(expected))
    assert list(ours) == list(theirs)
    for name, value in theirs.items():
        if isinstance(value, float | np.ndarray | np.floating):
            both = value, theirs.get(name.replace("_low", "_high"), value)  # the lower end may be a small difference
            size = max(float(np.where(np.isfinite(part), np.abs(part), 0.0).max(initial=0.0)) for part in both)
            size = max(size, scale_of(name, theirs))
            kind = np.asarray(value).dtype  # samples are in half precision, where rounding is the last of its digits
            rounding = max(ROUNDING, float(np.finfo(kind).eps) if kind.kind == "f" else 0.0)
            np.testing.assert_allclose(ours[name], value, rtol=rounding, atol=rounding * size + 1e-12, err_msg=name)
        elif isinstance(value, str):  # where a misfit is worst is a tie of two stretches now and then
            assert PLACE.sub("", ours[name]) == PLACE.sub("", value), name
        else:
            assert ours[name] == value, name


TIED = {("refine pdau-au", 1)}
"""Of two RDFs that are as near to this one, within 4e-5, rounding decides which is a neighbour: n(r) changes by up to
0.4 % of its highest bin."""


@pytest.mark.parametrize("stage", STAGES)
def test_many_together_are_what_each_is_alone(stage: str) -> None:
    items, together = STAGES[stage][0](), STAGES[stage][1]
    found = together(items)
    assert len(found) == len(items) > 1
    for number, (item, result) in enumerate(zip(items, found, strict=True)):
        if (stage, number) not in TIED:
            (alone,) = together([item])
            assert_same(result, alone)


@pytest.mark.parametrize("stage", STAGES)
def test_the_order_of_many_does_not_matter(stage: str) -> None:
    items, together = STAGES[stage][0](), STAGES[stage][1]
    order = np.random.default_rng(1).permutation(len(items))
    found = together(items)
    for place, result in zip(order.tolist(), together([items[place] for place in order]), strict=True):
        if (stage, place) not in TIED:
            assert_same(result, found[place])
