"""Exchange tests: whether simulated data tell of which element a shell is, by scattering that tests make up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.infer.error_bars import Exchanged, Shells, of_any_number
from exafsnn.infer.estimates import Signals
from exafsnn.infer.exchange import _alike, exchanged
from exafsnn.infer.fit import Data, Fits
from exafsnn.infer.theory import Theory
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.partials import Partials, Range
from exafsnn.physics.forward import LAYERS, Forward
from exafsnn.physics.fourier import shift_energy
from exafsnn.records import PartialRDF
from exafsnn.shells import likely

K = np.arange(1.5, 16.01, 0.05)
R = np.round(1.6 + 0.03 * (np.arange(160) + 0.5), 6)
FIRST, SECOND = (1.9, 3.1), (3.3, 4.7)
NOISE = 1e-3


def scattering(kind):
    """|F(k)| and phase [rad]: ``light`` as oxygen, ``heavy`` as nickel, ``next`` as copper, ``faint`` like these."""
    light = 0.9 * np.exp(-K / 5.0), -0.35 * K + 2.0
    heavy = 0.55 * np.exp(-(((K - 6.5) / 5.0) ** 2)), -0.55 * K + 1.2 * np.exp(-(((K - 4) / 3) ** 2)) + 3.5
    return {
        "light": light,
        "heavy": heavy,
        "next": (1.02 * heavy[0], heavy[1] + 0.03),
        "faint": (0.1 * heavy[0], heavy[1]),
    }[kind]


def kernel(kind):
    """(m, b) χ(k) of one atom per Å of an element, times the width of a bin."""
    size, phase = scattering(kind)
    reach = np.exp(-2 * R / 8.0) / R**2
    return 0.03 * (size / K)[:, None] * reach * np.sin(2 * np.outer(K, R) + phase[:, None])


def shell(n, r, sigma2=0.006):
    return n * np.exp(-0.5 * (R - r) ** 2 / sigma2) / np.sqrt(2 * np.pi * sigma2)


class Ensemble:
    """What ``Data`` asks of one."""

    farthest = 5.5

    @staticmethod
    def on_axis(signals, zero):
        return shift_energy(signals.chi, K, signals.k, -zero, K2_PER_EV)


def made(*kinds):
    """A theory of some elements, of single scattering alone."""
    bins = len(kinds) * len(R)
    parts = {
        "k": K, "kernel": np.concatenate([kernel(kind) for kind in kinds], axis=1), "mean": np.zeros(bins),
        "scale": np.ones(bins), "rest_mean": np.zeros_like(K), "rest_basis": np.zeros((1, len(K))),
        "errors": np.zeros((1, len(K))),
    }  # fmt: skip
    for layer, shape in zip(LAYERS, ((2, bins), (2, 2), (1, 2)), strict=True):
        parts |= {f"{layer}.weight": np.zeros(shape), f"{layer}.bias": np.zeros(shape[0])}
    return Theory(Forward({name: part.astype(np.float32) for name, part in parts.items()}), PairSettings())


def test_what_lies_beyond_the_networks_sight_is_doubted():
    """Where they see less of R, waves of farther shells are no evidence; those of near shells are nearly as before."""
    theory, variances = made("heavy"), {}
    session = theory.session(np.zeros(1), 0.8, np.full(1, 0.9), 0.05)
    chi = 0.1 * np.sin(2 * K * 2.5)[None] / K
    signals = Signals(K, chi, np.full(1, NOISE), np.full(1, 14.0), np.zeros(1))
    for farthest in (4.4, 5.5):
        ensemble = Ensemble()
        ensemble.farthest = farthest
        data = Data(ensemble, theory, signals, 3.0, torch.tensor([14.0]), torch.tensor([0.1]))
        measured = torch.from_numpy(chi * K**2)[:, data.points]
        k = theory.k[data.points]
        for r in (2.5, 5.2):
            wave = torch.sin(2 * k * r) * data.used[0]
            covariance = data.unexplained(torch.tensor([0]), measured, session.mean)[0]
            variances[farthest, r] = float(wave @ covariance @ wave)
    assert variances[4.4, 5.2] > 10 * variances[5.5, 5.2]
    assert variances[4.4, 2.5] < 2 * variances[5.5, 2.5]


def exchange_of(kinds, answer, truth=None, ranges=None, noise=NOISE, k_max=14.0, scans=1):
    """Exchange tests of answers (p, b) to scans of a truth, which is the answer where it is not told."""
    theory = made(*kinds)
    partials = Partials(R, tuple(f"{kinds[-1].title()}-{kind.title()}" for kind in kinds))
    rows = torch.from_numpy(np.concatenate(answer)).expand(scans, -1)
    true = rows if truth is None else torch.from_numpy(np.concatenate(truth)).expand(scans, -1)
    session = theory.session(np.zeros(scans), 0.8, np.full(scans, 0.9), 0.05)
    ends = np.broadcast_to(k_max, (scans,)).astype(float)
    chi = (theory.spectrum(true, session.mean) / theory.k**2).numpy()
    chi = chi + noise * np.random.default_rng(5).standard_normal(chi.shape)
    signals = Signals(K, chi, np.full(scans, noise), ends, np.zeros(scans))
    data = Data(Ensemble(), theory, signals, 3.0, torch.from_numpy(ends), torch.full((len(ends),), 0.1))
    count, unknowns = rows.shape[1], rows.shape[1] + session.mean.shape[1]
    fits = Fits(
        rows, session.mean, torch.zeros(scans, unknowns, unknowns).double(), *torch.zeros(2, scans).double(),
        torch.ones(scans, dtype=torch.bool), torch.ones(scans).double(), torch.zeros(scans).double(),
        torch.zeros(scans, count).double(),
    )  # fmt: skip
    limits = ranges or {"first": Range(partials.pairs[0], *FIRST)}
    return exchanged(theory, data, fits, session, partials, limits), partials


ROCKSALT = [shell(6, 2.09), shell(12, 2.95)]
"""As nickel oxide: oxygen, then nickel."""


def test_elements_that_scatter_otherwise_are_told():
    found, _ = exchange_of(("light", "heavy"), ROCKSALT, ranges={"first": Range("Heavy-Light", 1.7, 2.55)})
    assert found["first"].delta_chi2[0] > 30
    record = found["first"].one(0, Partials(R, ("Heavy-Light", "Heavy-Heavy")))
    assert not record.is_open
    assert record.probability < 1e-6


@pytest.mark.parametrize(("second", "told"), [("light", True), ("next", False)])
def test_neighbours_in_the_table_are_not_told(second, told):
    """Six of twelve atoms at one distance are of another element: of oxygen it is seen, of copper beside nickel not."""
    found, _ = exchange_of((second, "heavy"), [shell(6, 2.5), shell(6, 2.5)])
    assert (found["first"].delta_chi2[0] > 6) == told
    if not told:
        assert abs(found["first"].delta_chi2[0]) < 1


def test_no_shell_of_what_hardly_scatters_takes_the_place_of_another():
    """It would have 120 atoms; of twice as many the data tell."""
    found, partials = exchange_of(
        ("faint", "heavy"), [shell(0, 2.5), shell(12, 2.5)], ranges={"first": Range("Heavy-Heavy", *FIRST)}
    )
    assert found["first"].delta_chi2[0] > 6
    n = partials.moments(found["first"].density[0], Range("Heavy-Faint", *FIRST))[0]
    assert n == pytest.approx(25, rel=0.1)


def test_hardly_any_atoms_are_no_shell():
    """What little an answer has of an element is not made into a shell of another."""
    found, partials = exchange_of(("light", "heavy"), [shell(0.02, 2.09, 0.05), shell(12, 2.95)])
    assert found["first"].delta_chi2[0] == 0
    assert partials.moments(found["first"].density[0], Range("Heavy-Heavy", 1.6, 3.6))[0] == pytest.approx(12, rel=1e-3)


def test_noise_hides_the_element():
    clear, noisy = (exchange_of(("light", "heavy"), ROCKSALT, noise=noise)[0]["first"] for noise in (1e-3, 5e-2))
    assert noisy.delta_chi2[0] < 0.3 * clear.delta_chi2[0]


def test_an_answer_of_the_wrong_element_is_contradicted():
    right, wrong = [shell(0, 2.5), shell(12, 2.5)], [shell(12, 2.5), shell(0, 2.5)]
    found, partials = exchange_of(("light", "heavy"), wrong, right)
    assert found["first"].delta_chi2[0] < -30
    n, distance = partials.moments(found["first"].density[0], Range("Heavy-Heavy", *FIRST))[:2]
    assert n == pytest.approx(12, rel=0.1)
    assert distance == pytest.approx(2.5, abs=0.02)


def test_only_the_atoms_of_the_range_change_their_element():
    answer = [shell(6, 2.5) + shell(8, 4.0), shell(6, 2.5) + shell(6, 3.9)]
    found, partials = exchange_of(("next", "heavy"), answer)
    other = partials.split(found["first"].density[0])
    inside = abs(R - np.mean(FIRST)) < 0.5 * np.diff(FIRST) - 0.03
    assert np.all(other[0][inside] < 1e-12)
    assert other[0][~inside] == pytest.approx(answer[0][~inside], abs=1e-3)
    beyond = FIRST[1] + 0.3 < R
    assert other[1][beyond] == pytest.approx(answer[1][beyond], abs=0.05)
    assert np.all(other >= 0)
    assert partials.moments(other.ravel(), Range("Heavy-Heavy", *FIRST))[0] == pytest.approx(12, rel=0.05)


def test_many_are_singles():
    """Scans that end elsewhere, too: each alone, and both together."""
    both, _ = exchange_of(("light", "heavy"), ROCKSALT, k_max=[14.0, 11.0], scans=2)
    alone, _ = exchange_of(("light", "heavy"), ROCKSALT, k_max=14.0)
    assert both["first"].delta_chi2.shape == (2,)
    assert both["first"].delta_chi2[0] == pytest.approx(alone["first"].delta_chi2[0], rel=1e-6)
    assert both["first"].delta_chi2[1] < both["first"].delta_chi2[0]


def test_of_three_elements_all_others_together_get_the_atoms():
    """Copper among nickel and oxygen could be nickel; oxygen among nickel and copper could be neither."""
    kinds, answer = ("light", "next", "heavy"), [shell(4, 2.0), shell(6, 2.6), shell(3, 2.6)]
    found, _ = exchange_of(kinds, answer, ranges={
        "light": Range("Heavy-Light", 1.7, 2.3), "next": Range("Heavy-Next", 2.3, 3.0),
    })  # fmt: skip
    assert found["light"].delta_chi2[0] > 30
    assert abs(found["next"].delta_chi2[0]) < 2


class WithRatio:
    """A theory whose rows have one number more than cells, as those of both edges of an alloy have: its composition."""

    def __init__(self, theory):
        self._theory = theory

    def linear(self, density, *rest):
        return self._theory.linear(self._cells(density), *rest)

    def single(self, density, *rest):
        return self._theory.single(self._cells(density), *rest)

    def multiple(self, density, *rest):
        return self._theory.multiple(self._cells(density), *rest)

    @staticmethod
    def _cells(rows):
        assert torch.all(rows[:, -1] == 0.75)  # in every row that is asked about, changes of n(r) too
        return rows[:, :-1]


def test_what_rows_hold_besides_their_cells_stays(monkeypatch):
    plain = exchange_of(("light", "heavy"), ROCKSALT)[0]["first"]
    original = exchanged

    def more(theory, data, fits, *rest):
        ratio = torch.full_like(fits.density[:, :1], 0.75)
        return original(WithRatio(theory), data, replace(fits, density=torch.cat([fits.density, ratio], dim=1)), *rest)

    monkeypatch.setattr(f"{__name__}.exchanged", more)
    found = exchange_of(("light", "heavy"), ROCKSALT)[0]["first"]
    assert found.delta_chi2[0] == pytest.approx(plain.delta_chi2[0], rel=1e-9)
    assert found.density.shape == plain.density.shape


def of(n, std):
    """The range of N alone, as arrays of one scan."""
    three = {"": n, "_std": std, "_low": n - 2 * std, "_high": n + 2 * std}
    fields = {f"{name}{end}": np.array([value]) for name in ("coordination", "distance", "sigma2")
              for end, value in three.items()}  # fmt: skip
    return Shells("Heavy-Next", *FIRST, **fields, c3=np.zeros(1), c3_std=np.zeros(1))


@pytest.mark.parametrize(("delta_chi2", "low", "std"), [(0.0, 0.0, 6 * 0.5**0.5), (8.0, 5.4, 0.3)])
def test_where_data_do_not_tell_the_error_holds_the_alternative(delta_chi2, low, std):
    partials = Partials(R, ("Heavy-Next", "Heavy-Heavy"))
    density = np.concatenate([shell(0, 2.5), shell(12, 2.5)])[None]
    test = Exchanged("Heavy-Next", *FIRST, np.array([delta_chi2]), density)
    both = {"first": of(6.0, 0.3), "first Heavy-Heavy": replace(of(6.0, 0.3), pair="Heavy-Heavy")}
    first, second = test.widen(both, partials).values()
    assert first.coordination_low[0] == pytest.approx(low, abs=1e-6)
    assert first.coordination_high[0] == pytest.approx(6.6)
    assert first.coordination_std[0] == pytest.approx(np.hypot(0.3, std if delta_chi2 == 0 else 0), rel=1e-6)
    assert second.coordination_high[0] == pytest.approx(12.0 if delta_chi2 == 0 else 6.6, rel=1e-3)
    assert first.distance_std[0] == 0.3


def test_what_hardly_scatters_has_the_error_of_any_number():
    """From none to all of it, all as likely, whatever the answer is and its own error was; it has no R."""
    for n in (0.0, 0.1, 5.0):
        free = of_any_number(of(n, 0.3).one(0), 6.0)
        assert (free.coordination, free.coordination_low, free.coordination_high) == (n, 0.0, 6.0)
        number = np.linspace(0, 6, 100_001)
        assert free.coordination_std == pytest.approx(np.sqrt(((number - n) ** 2).mean()), rel=1e-4)
        assert np.isnan([free.distance, free.distance_std, free.sigma2, free.c3]).all()
        assert of_any_number(of(n, 0.3).one(0), 6.0, keep=True).distance == n


def test_a_tail_that_a_range_cuts_off_is_not_sharpened_into_waves():
    """Sharpened, half a copper atom beyond 2.81 Å became 200 atoms of oxygen wherever waves were above zero."""
    r = torch.arange(1.4, 6.4, 0.03, dtype=torch.float64)
    shell = torch.exp(-0.5 * (r - 2.56) ** 2 / 0.012) * (r > 2.81)
    for one in _alike(shell, r):
        assert float(one.clamp_min(0).sum()) < 1.25 * float(shell.sum())
    whole = torch.exp(-0.5 * (r - 2.56) ** 2 / 0.006)
    assert float(_alike(whole, r).max()) > 1.2 * float(whole.max())  # as sharp as it can be


def test_a_shell_of_its_own_is_asked_of_each_scan_and_concerns_only_itself():
    """Of two scans the one has no such shell; nor has a range beside it anything of the test."""
    kinds, answer = ("light", "heavy"), [shell(6, 2.09) + shell(8, 3.6), shell(12, 2.95)]
    second = Range("Heavy-Light", np.array([3.2, np.nan]), np.array([4.0, np.nan]))
    found, partials = exchange_of(kinds, answer, ranges={"shell2": second}, scans=2)
    test = found["shell2"]
    assert test.of_shell
    assert test.delta_chi2[0] > 0
    assert not test.is_there(1)
    assert likely(test.delta_chi2)[1] == 0
    test = replace(test, delta_chi2=np.zeros(2))
    row = np.concatenate(answer)
    told = {}
    for name, limits in (("first", Range("Heavy-Light", 1.7, 2.6)), ("shell2", second)):
        n = partials.moments(np.stack([row, row]), limits)[:, 0]
        fields = {f"{key}{end}": n for key in ("coordination", "distance", "sigma2") for end in ("", "_low", "_high")}
        fields |= {f"{key}_std": 0.1 * n for key in ("coordination", "distance", "sigma2")}
        told[name] = Shells("Heavy-Light", limits.r_min, limits.r_max, **fields, c3=n, c3_std=n)
    first, own = test.widen(told, partials).values()
    assert first.coordination_std == pytest.approx(told["first"].coordination_std)
    assert own.coordination_low[0] == pytest.approx(0, abs=0.1)
    assert np.isnan(own.coordination_low[1])
    named, shown = told["first"].one(0), told["shell2"].one(0)
    density = partials.split(row)
    rdf = PartialRDF(
        R, partials.pairs, density, 0.1 * density, np.stack([0.9 * density, density, 1.1 * density]),
        told=(named,), shells=(shown,), exchanges=(test.one(0, partials),),
    )  # fmt: skip
    assert rdf.exchanges_of(1.7, 2.6) == []  # the model's own range
    assert len(rdf.exchanges_of(3.2, 4.0)) == len(rdf.exchanges_of(3.3, 3.9)) == 1  # the shell's, and any other
    assert rdf.shell("Heavy-Light", 1.7, 2.6).coordination_low == named.coordination_low
    for ends in ((3.2, 4.0), (3.3, 3.9), (3.5, 5.0)):  # wherever its middle is
        assert rdf.shell("Heavy-Light", *ends).coordination_low < 1.0
    assert rdf.shell("Heavy-Heavy", 3.3, 3.9).coordination_high > 1.0  # it would get the atoms
