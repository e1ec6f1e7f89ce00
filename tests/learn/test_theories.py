"""What FEFF treatments differ by is found: an energy zero, and an amplitude."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.theories import common_theories, compare_theories, single_kernel
from exafsnn.simulate.library import SingleScattering
from exafsnn.simulate.plan import LibrarySettings
from exafsnn.simulate.sites import LIBRARY_K

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
    return SimpleNamespace(k=LIBRARY_K, theories=theories, plan=LibrarySettings())


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
