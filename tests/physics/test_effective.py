"""A path read off a model's kernel is the kernel: by its own formula, and as larch computes it from FEFF's file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exafsnn.physics.effective import effective_path

K, R = np.arange(2.5, 16.001, 0.05), np.arange(1.615, 6.4, 0.03)
NAMES = ("Cu", "K", "Cu")


def kernel(r: np.ndarray) -> np.ndarray:
    """(m, b) χ(k) of an atom at r by a textbook's amplitude, phase and mean free path, which also depend on r."""
    k = K[:, None]
    phase = 3.0 - 1.1 * k + 0.02 * k**2 + 0.3 / r
    free = 3.5 + 0.9 * k
    return (2.4 / k + 0.3 / r) * np.exp(-((k - 7) ** 2) / 60 - 2 * r / free) * np.sin(2 * k * r + phase) / (k * r**2)


def off(found: np.ndarray, true: np.ndarray) -> float:
    """Root mean square of k² times the difference, relative, within the window of a fit."""
    weight = K**2 * ((K >= 3.0) & (K <= 15.0))
    return float(np.linalg.norm((found - true) * weight) / np.linalg.norm(true * weight))


@pytest.mark.parametrize("distance", [2.0, 2.55, 4.05])
def test_it_is_the_kernel(distance: float) -> None:
    path = effective_path(K, kernel(R), R, distance, NAMES)
    assert off(path.chi(K), kernel(np.array([distance]))[:, 0]) < 2e-3


@pytest.mark.parametrize("moved", [-0.06, 0.0, 0.09])
def test_larch_reads_it_as_feffs_and_moves_it(tmp_path: Path, moved: float) -> None:
    """λ(k) and the momentum are right, too: without them a path that is moved by deltar is another."""
    from larch.xafs import FeffPathGroup, path2chi

    file = tmp_path / "feff0001.dat"
    file.write_text(effective_path(K, kernel(R), R, 2.55, NAMES).text("copper"))
    group = FeffPathGroup(str(file), s02=1.0, e0=0.0, deltar=moved, sigma2=0.0)
    path2chi(group, k=K.copy())
    assert (group.absorber, group.nleg, group.degen) == ("Cu", 2, 1.0)
    assert group.reff == pytest.approx(2.55)
    assert off(group.chi, kernel(np.array([2.55 + moved]))[:, 0]) < 5e-3


def test_its_peak_lies_where_its_phase_puts_it() -> None:
    from exafsnn.write.panels import magnitude_of_chi_r

    path = effective_path(K, kernel(R), R, 2.55, NAMES)
    r = np.arange(1.0, 4.0, 0.01)
    peak = r[magnitude_of_chi_r(K, path.chi(K), (3.5, 14.5), r).argmax()]
    assert path.r - path.shift == pytest.approx(peak, abs=0.06)


def test_it_needs_distances_on_either_side() -> None:
    with pytest.raises(ValueError, match="too near the ends"):
        effective_path(K, kernel(R), R, 1.65, NAMES)
