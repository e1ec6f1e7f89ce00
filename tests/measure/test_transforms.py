"""Transforms of χ(k) are larch's, and their laws hold: Parseval, true distances once the phase is taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.measure.transforms import to_r, wavelet
from exafsnn.records import ChiK
from exafsnn.settings import WINDOWS

K = np.arange(0.0, 18.001, 0.05)


def scan(distance: float = 2.5, phase: np.ndarray | float = 0.0, centre: float = 7.0) -> ChiK:
    """χ(k) of one distance [Å], strongest at one k [Å⁻¹]."""
    chi = np.exp(-((K - centre) ** 2) / 20) * np.sin(2 * K * distance + phase)
    return ChiK(K, chi, "Cu", "K", 1e-4, 8979.0, 1.0, 16.0, source="simulated")


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kweight", [0, 1, 2, 3])
def test_it_is_larchs(window: str, kweight: int) -> None:
    from larch import Group
    from larch.xafs import xftf

    group = Group()
    xftf(K, scan().chi, group=group, kmin=3.0, kmax=14.0, dk=1.0, kweight=kweight, window=window)
    found = to_r(scan(), kweight, 3.0, 14.0, 1.0, window)
    np.testing.assert_allclose(found.values, group.chir, atol=1e-12)
    np.testing.assert_allclose(found.r, group.r)


def test_its_magnitude_is_that_of_the_figure() -> None:
    from exafsnn.write.panels import magnitude_of_chi_r

    found = to_r(scan(), 2, 3.0, 14.0)
    shown = magnitude_of_chi_r(K, scan().chi, (3.0, 14.0), found.r)
    np.testing.assert_allclose(found.magnitude, shown, atol=2e-3 * shown.max())


def test_without_its_phase_a_distance_is_the_true_one() -> None:
    phase = 3.0 - 0.8 * K + 0.01 * K**2
    raw, corrected = to_r(scan(2.5, phase)), to_r(scan(2.5, phase), phase=phase)
    assert raw.r[raw.magnitude.argmax()] < 2.3
    assert corrected.r[corrected.magnitude.argmax()] == pytest.approx(2.5, abs=0.02)
    assert corrected.phase_corrected
    assert not raw.phase_corrected


def test_back_in_k_is_what_lies_in_the_range() -> None:
    near, far = scan(2.0), scan(4.0)
    both = replace(near, chi=near.chi + far.chi)
    back = to_r(both, 2, 2.0, 16.0).to_q(1.0, 3.0)
    wanted = K**2 * near.chi
    inner = (K > 4) & (K < 11)
    np.testing.assert_allclose(back.values.real[: len(K)][inner], wanted[inner], atol=0.03 * wanted.max())
    assert back.q[-1] <= K[-1]


def test_the_wavelet_is_larchs_and_tells_where_in_k_a_distance_scatters() -> None:
    from larch import Group
    from larch.xafs import cauchy_wavelet

    light, heavy = scan(1.9, centre=5.0), scan(3.0, centre=11.0)
    both = replace(light, chi=light.chi + heavy.chi)
    found = wavelet(both, kweight=0)
    group = Group()
    used = both.k <= both.k_max_usable
    cauchy_wavelet(both.k[used], both.chi[used], group=group, kweight=0, rmax_out=6.0)
    np.testing.assert_allclose(found.magnitude, group.wcauchy_mag, rtol=1e-9)
    for distance, centre in ((1.9, 5.0), (3.0, 11.0)):
        row = found.magnitude[np.abs(found.r - distance).argmin()]
        assert found.k[row.argmax()] == pytest.approx(centre, abs=1.2)


@pytest.mark.parametrize(
    "asked",
    [{"window": "square"}, {"kmin": 9.0, "kmax": 4.0}, {"kmax": 40.0}, {"kweight": 7}, {"kmin": -1.0}],
)
def test_what_cannot_be_is_refused(asked: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        to_r(scan(), **asked)


def test_so_is_a_map_beyond_all_atoms() -> None:
    with pytest.raises(SettingsError):
        wavelet(scan(), r_max=30.0)


def test_records_are_doors_and_draw_themselves() -> None:
    chi = scan()
    assert repr(chi.to_r(kweight=3)) == "<ChiR of k³χ, k 3.0–16.0 Å⁻¹, hanning>"
    assert repr(chi.to_r(kweight=1).to_q(1.2, 3)) == "<ChiQ of kχ, R 1.20–3.00 Å, q to 18.0 Å⁻¹>"
    assert repr(chi.wavelet(kweight=0)) == "<Wavelet of χ, k 0.0–16.0 Å⁻¹, R to 6.0 Å>"
    axes = chi.to_r().plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("R (Å), not phase-corrected", "χ(R) (Å⁻³)")
    back = chi.to_r().to_q(1.2, 3)
    axes = back.plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("q (Å⁻¹)", "k²χ(q) (Å⁻²)")
    np.testing.assert_array_equal(axes.lines[-1].get_ydata(), back.values.real)
    np.testing.assert_array_equal(axes.lines[-2].get_ydata(), back.magnitude)
    assert back.plot(axes) is axes
    assert chi.to_r(kweight=0).to_q(1.2, 3).plot().get_ylabel() == "χ(q)"
    axes = chi.wavelet().plot()
    assert axes.get_xlabel() == "k (Å⁻¹)"
    from matplotlib import pyplot

    pyplot.close("all")


def test_a_gaussian_window_keeps_most_of_the_range() -> None:
    """larch's dk is its standard deviation: with the usual 1 Å⁻¹ next to nothing would be left."""
    wide, usual = to_r(scan(), window="gaussian"), to_r(scan(), window="hanning")
    assert wide.window[(wide.k > 5) & (wide.k < 14)].min() > 0.25
    assert wide.magnitude.max() > 0.5 * usual.magnitude.max()
