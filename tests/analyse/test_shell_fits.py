"""larch's fit of an answer's shells, by the model's own paths: on a spectrum of known shells it finds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.analyse.shell_fits import FitError, ShellFitter, _remark
from exafsnn.infer.predict import load_model
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK

SPECTRA = Path(__file__).parents[2] / "spectra"
S02, ZERO = 0.85, 1.5
"""Of the simulated scans; the zero [eV] as ``delta_e0`` has it."""


@pytest.fixture(scope="module")
def copper():
    return load_model("cu-k")


def scan(model, *shells: tuple[int, float, float]) -> ChiK:
    """Simulated: Gaussian shells of (N, R [Å], σ² [Å²]), single scattering by the model's kernel."""
    density = np.zeros((len(model.partials.pairs), len(model.r)))
    for n, r, sigma2 in shells:
        own = sigma2 + model.pairs.smoothing**2
        density[0] += n * np.exp(-0.5 * (model.r - r) ** 2 / own) / np.sqrt(2 * np.pi * own)
    k = np.arange(0.0, 18.0, 0.05)
    from_theory = np.sqrt(np.maximum(k**2 - ZERO * 0.2624682843, 0.0))
    single = np.asarray(model.forward["kernel"], dtype=float) @ density.ravel()
    chi = S02 * np.interp(from_theory, np.asarray(model.forward.k, dtype=float), single, left=0.0)
    return ChiK(k, chi, "Cu", "K", 1e-4, 8979.0, 1.0, 15.0, source="simulated")


@pytest.fixture(scope="module")
def one(copper):
    """A simulated scan of 10 atoms, and an answer that shows a shell there."""
    chi = scan(copper, (10, 2.57, 0.007))
    return replace(copper.predict(chi), chi=chi)


def test_it_finds_the_shell(copper, one) -> None:
    fit = ShellFitter(copper, amplitude=S02)(one)
    (shell,) = fit.shells
    assert (shell.coordination, shell.distance) == pytest.approx((10, 2.57), abs=0.1)
    assert shell.distance == pytest.approx(2.57, abs=0.004)
    assert shell.sigma2 - fit.mcmaster == pytest.approx(0.007, abs=4e-4)
    assert fit.mcmaster == pytest.approx(0.0005, abs=2e-4)
    assert fit.delta_e0 == pytest.approx(ZERO, abs=0.4)
    assert fit.r_factor < 1e-3
    assert shell.name == "shell1"


def test_its_amplitude_is_that_of_the_standard(copper, one) -> None:
    """A simulated crystal of the same amplitude: then N is right, whatever the model expects."""
    standard = scan(copper, (12, 2.5561, 0.008), (6, 3.615, 0.012))
    fitter = ShellFitter(copper, standard=(standard, "fcc:3.6149"))
    assert fitter.amplitude_of("Cu-Cu", 0).value == pytest.approx(S02, rel=0.02)
    assert fitter.source == "the fit of simulated"
    assert fitter(one).shells[0].coordination == pytest.approx(10, rel=0.02)


def test_the_doubt_about_the_amplitude_is_in_n(copper, one) -> None:
    usual = ShellFitter(copper)
    shell = usual(one).shells[0]
    assert shell.coordination_std / shell.coordination == pytest.approx(copper.pairs.amplitude_std, rel=0.3)
    assert shell.amplitude_std == pytest.approx(copper.pairs.amplitude * copper.pairs.amplitude_std)


def test_a_third_cumulant_is_found_where_it_is_asked_for(copper, one) -> None:
    fit = ShellFitter(copper, amplitude=S02, skewed=True)(one)
    assert abs(fit.c3) < 3 * fit.c3_std + 1e-5
    assert ShellFitter(copper, amplitude=S02)(one).c3_std == 0


def test_so_many_shells_as_were_asked_for(copper, one) -> None:
    shown = [name for name in one.shells if name.startswith("shell")]
    assert len(ShellFitter(copper, amplitude=S02, most=2)(one).shells) == min(2, len(shown))


def test_an_answer_without_shells_has_no_fit(copper, one) -> None:
    with pytest.raises(FitError, match="no shell"):
        ShellFitter(copper)(replace(one, shells={"first": one.shells["first"]}))


def test_a_standard_without_neighbours_there_is_refused(copper, one) -> None:
    with pytest.raises(FitError, match="no neighbours"):
        ShellFitter(copper, standard=(one.chi, "fcc:9.0"))


def test_two_shells_that_overlap_are_counted_by_the_standards_two() -> None:
    """What a free fit has wrong of them cancels: the standard itself has its own numbers, whatever it is."""
    iron, scan = load_model("fe-k"), read_one(SPECTRA / "fe_0300K.dat").to_chi()
    fit = ShellFitter(iron, standard=(scan, "bcc:2.8667"))(iron.predict(scan))
    assert [shell.coordination for shell in fit.shells] == pytest.approx([8, 6], rel=0.05)


def test_a_fit_that_is_none_says_so(copper, one) -> None:
    wide = replace(one.shells["shell1"], sigma2=0.07)
    assert "wider than one shell" in ShellFitter(copper)(replace(one, shells={"shell1": wide})).shells[0].remark


@pytest.mark.parametrize(
    ("n", "n_std", "moved", "sigma2", "said"),
    [
        (12.0, 1.0, 0.25, 0.007, "ran away"), (12.0, 1.0, -0.25, 0.007, "ran away"), (12.0, 1.0, 0.0, 0.06, "limit"),
        (12.0, 15.0, 0.0, 0.007, "as large as itself"), (12.0, float("nan"), 0.0, 0.007, "as large as itself"),
        (12.0, 1.0, 0.0, 0.007, ""),
    ],
)  # fmt: skip
def test_what_makes_a_fit_none(one, n: float, n_std: float, moved: float, sigma2: float, said: str) -> None:
    shell = replace(one.shells["shell1"], sigma2=0.008)
    assert said in _remark(shell, n, n_std, moved, sigma2)
    assert bool(said) == bool(_remark(shell, n, n_std, moved, sigma2))
