"""Spectra and patterns as rows: a common axis, said aloud where it cuts, and what can be masked."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.analyse.map_rows import Window, common_axis, windows
from exafsnn.errors import SettingsError
from exafsnn.records import ChiK, Pattern

K = np.arange(0, 16.0001, 0.05)


def chi(distance: float = 2.5, k_max: float = 14.0, absorber: str = "Fe", source: str = "a.dat") -> ChiK:
    return ChiK(K, np.sin(2 * K * distance) / (1 + K**2), absorber, "K", 1e-3, 7112.0, 1.0, k_max, source)


def pattern(
    low: float = 10.0, high: float = 60.0, step: float = 0.05, axis: str = "2θ", source: str = "a.xy"
) -> Pattern:
    x = np.arange(low, high + step / 2, step)
    return Pattern(x, 100 + 1e4 * np.exp(-0.5 * ((x - 35) / 0.2) ** 2), axis, source)


def test_the_shortest_scan_ends_the_axis_and_is_named() -> None:
    axis, told = common_axis([chi(), chi(k_max=9.0, source="short.dat")], "chi")
    assert axis.high == pytest.approx(9.0)
    assert "short.dat" in told[0]
    assert "14" in told[0]
    assert not common_axis([chi(), chi(k_max=9.0)], "chi", limits=(3, 8))[1]  # which was asked for


def test_mixed_edges_and_axes_are_named() -> None:
    with pytest.raises(SettingsError, match=r"a\.dat is of Fe K, b\.dat of Ni K.*scans of each edge apart"):
        common_axis([chi(), chi(absorber="Ni", source="b.dat")], "chi")
    with pytest.raises(SettingsError, match=r"a\.xy is against 2θ, b\.xy against q.*4π sinθ/λ"):
        common_axis([pattern(), pattern(axis="q", source="b.xy")], "xrd")
    with pytest.raises(SettingsError, match=r"b\.xy begins at 70, a\.xy ends at 60"):
        common_axis([pattern(), pattern(70, 90, source="b.xy")], "xrd")
    with pytest.raises(SettingsError, match="it is a diffraction pattern"):
        common_axis([chi(), pattern()], "chi")
    with pytest.raises(SettingsError, match=r"no μ\(E\).*raw scan"):
        common_axis([chi()] * 2, "mu")


def test_different_steps_are_interpolated_and_said() -> None:
    axis, told = common_axis([pattern(), pattern(step=0.025, source="fine.xy"), pattern()], "xrd")
    assert "steps of 0.05" in told[0]
    one, other = axis.row(pattern()), axis.row(pattern(step=0.025))
    assert np.allclose(one, other, rtol=0.01)


def test_exposure_does_not_matter_and_counts_have_even_noise() -> None:
    item = pattern()
    axis, _ = common_axis([item], "xrd")
    longer = Pattern(item.x, 7 * item.intensity, item.axis)
    assert np.allclose(axis.row(item), axis.row(longer))
    rng = np.random.default_rng(0)
    rows = np.array([axis.row(Pattern(item.x, rng.poisson(item.intensity).astype(float))) for _ in range(200)])
    noise = rows.std(axis=0)
    assert noise.max() < 1.6 * noise.min()  # counts from 100 to 10 000


def test_a_row_must_reach_over_the_whole_axis() -> None:
    axis, _ = common_axis([chi()], "chi")
    with pytest.raises(SettingsError, match=r"b\.dat: it reaches from 0 to 8 Å⁻¹, the map from 3 to 14"):
        axis.row(chi(k_max=8.0, source="b.dat"))


def test_windows_cover_every_point_once() -> None:
    for axis in (common_axis([chi()], "chi")[0], common_axis([pattern()], "xrd")[0]):
        own = [window for window in windows(axis) if window.space == axis.name]
        assert np.array_equal(sum(window.mask(axis) for window in own), np.ones(axis.count))


def test_a_range_of_r_takes_its_shell() -> None:
    axis, _ = common_axis([chi()], "chi", 3)
    near, far = axis.row(chi(2.0)), axis.row(chi(5.0))
    inner = slice(30, -30)
    passed = Window("R", 1.0, 3.0).mask(axis)
    assert np.linalg.norm((passed @ near - near)[inner]) < 0.1 * np.linalg.norm(near[inner])
    assert np.linalg.norm((passed @ far)[inner]) < 0.1 * np.linalg.norm(far[inner])


def test_ranges_that_are_none_are_refused() -> None:
    axis, _ = common_axis([pattern()], "xrd")
    with pytest.raises(SettingsError, match="5 to 3 is no range"):
        Window("2θ", 5, 3).mask(axis)
    with pytest.raises(SettingsError, match="nothing is there from 3 to 5: the map has 2θ from 10 to 60"):
        Window("2θ", 3, 5).mask(axis)
    with pytest.raises(SettingsError, match=r"of χ\(k\) alone"):
        Window("R", 1, 2).mask(axis)
