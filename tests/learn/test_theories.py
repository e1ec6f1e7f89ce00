"""What FEFF treatments differ by is found: an energy zero, and an amplitude."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.theories import common_kernel, common_theories, compare_theories, single_kernel
from exafsnn.metals import METALS
from exafsnn.simulate.library import SingleScattering, SiteLibrary
from exafsnn.simulate.own_frames import OwnFrames
from exafsnn.simulate.plan import LibrarySettings, plan_for, plan_of_alloy, plan_of_compound, plan_of_frames
from exafsnn.simulate.sites import LIBRARY_K
from exafsnn.simulate.solids import cell_of, compound_of

R = np.arange(1.5, 6.0, 0.1)


def toy_theory(zero: float = 0.0, gain: float = 1.0) -> SingleScattering:
    """φ = −0.7 k and χ(E) of ``gain`` times the common size, on an energy axis that starts ``zero`` eV higher."""
    true_k = np.sqrt(LIBRARY_K**2 + zero * K2_PER_EV)
    phase = 2 * R[:, None] * (true_k - LIBRARY_K) - 0.7 * true_k
    amplitude = gain * LIBRARY_K / true_k * np.exp(1j * phase)
    return SingleScattering(R, amplitude[None], np.full(len(LIBRARY_K), 1e9))


@pytest.fixture
def library():
    theories = {"bcc/scf-nl": toy_theory(), "bcc/other": toy_theory(4.0, 1.2), "fcc/other": toy_theory(4.0, 1.1)}
    both = frozenset(("bcc", "fcc"))
    return SimpleNamespace(k=LIBRARY_K, theories=theories, plan=LibrarySettings(), own_phases=both, neighbours=("Fe",))


def test_energy_zeros_are_those_that_were_put_in(library):
    found = compare_theories(library).zeros
    assert found["bcc/scf-nl"] == 0.0
    assert found["bcc/other"] == found["fcc/other"] == pytest.approx(4.0, abs=0.05)


def test_gains_are_those_that_were_put_in(library):
    found = compare_theories(library).gains
    assert np.allclose(found["bcc/scf-nl"], 1.0)
    use = library.k > 2.0
    assert np.allclose(found["bcc/other"][use], 1.2, atol=1e-3)
    assert np.allclose(found["fcc/other"][use], 1.1, atol=1e-3)


def test_the_phase_length_is_half_the_slope_of_the_phase(library):
    assert compare_theories(library).phase_length == pytest.approx(0.35, abs=1e-3)


def test_without_the_common_treatment_all_are_common(library):
    del library.theories["bcc/scf-nl"]
    assert len(common_theories(library)) == 2
    assert compare_theories(library).zeros == {"bcc/other": 0.0, "fcc/other": 0.0}


def test_the_kernel_is_the_textbooks():
    k, r = LIBRARY_K, np.array([2.5])
    expected = np.sin(2 * k * 2.5 - 0.7 * k) / (k * 2.5**2)
    assert np.allclose(single_kernel(toy_theory(), k, r)[:, 0, 0], expected, atol=1e-6)


@pytest.fixture
def with_oxide(library):
    """Beside the metal an oxide, whose theory of iron has another energy zero, and which alone knows oxygen."""
    for name, zero in (("scf-nl", 3.0), ("other", 5.0)):
        iron, oxygen = (toy_theory(zero, gain).amplitude[0] for gain in (1.0, 0.3))
        library.theories[f"FeO/{name}"] = SingleScattering(R, np.array([iron, oxygen]), np.full(len(LIBRARY_K), 1e9))
    for name in ("bcc/scf-nl", "bcc/other", "fcc/other"):
        own = library.theories[name]
        lacking = np.concatenate([own.amplitude, 0 * own.amplitude])
        library.theories[name] = SingleScattering(R, lacking, own.mean_free_path)
    library.neighbours = ("Fe", "O")
    return library


def test_the_oxides_zero_is_aligned_by_the_neighbour_that_both_have(with_oxide):
    found = compare_theories(with_oxide)
    assert found.own == {"bcc/scf-nl", "bcc/other", "fcc/other"}
    assert found.zeros["FeO/scf-nl"] == pytest.approx(3.0, abs=0.05)
    assert found.zeros["FeO/other"] == pytest.approx(5.0, abs=0.05)
    assert found.zeros["bcc/other"] == pytest.approx(4.0, abs=0.05)


def test_an_oxides_gain_is_that_of_its_metals_standard(with_oxide):
    found = compare_theories(with_oxide).gains
    assert np.array_equal(found["FeO/other"], found["bcc/other"])


def test_what_only_the_oxide_knows_is_its_own_on_the_common_zero(with_oxide):
    k, r = LIBRARY_K, np.array([2.1, 2.5])
    found = common_kernel(with_oxide, compare_theories(with_oxide).zeros, r)
    use = (k > 3.0) & (k < 14.0)
    assert np.allclose(found[:, 0], single_kernel(toy_theory(), k, r)[:, 0])
    oxygen = 0.3 * single_kernel(toy_theory(), k, r)[:, 0]
    assert np.allclose(found[use, 1], oxygen[use], atol=0.01 * np.abs(oxygen[use]).max())


SELENIDE = {"ZnSe": cell_of("zincblende:5.6687 ZnSe")[1]}
ZINC = compound_of("znse-zn", list(SELENIDE.values()), "Zn", "K")
FRAMES = OwnFrames("own frames", "300K", 2, "0" * 64, ((0, 4), (4, 8)))
PLANS = {
    "metal": plan_for(METALS["Ni"], 7, 0.1),
    "compound": plan_of_compound(ZINC, SELENIDE, 7, 0.1),
    "frames": plan_of_frames(ZINC, (FRAMES,), 7),
    "alloy": plan_of_alloy(("Pt", "Ni"), "Ni", "K", 7, 0.1),
}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_theories_of_states_of_any_kind_are_the_librarys_own(plan):
    """None of them passes for that of a material joined to it: models of all kinds can be trained."""
    theories = {f"{family.theory(plan.material)}/scf-nl": toy_theory() for family in plan.kinds}
    library = SiteLibrary(plan, LIBRARY_K, R, (), theories, "")
    assert len(common_theories(library)) == len(theories) > 0
    assert compare_theories(library).zeros == dict.fromkeys(theories, 0.0)
