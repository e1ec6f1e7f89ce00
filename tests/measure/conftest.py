"""A scan whose χ(k) is known, and its file in any layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exafsnn.constants import HBAR2_OVER_2M, K2_PER_EV
from exafsnn.records import Spectrum

E0 = {"Fe": 7112.0, "Cu": 8979.0, "Pt": 11564.0, "Ni": 8333.0}
STEP = 1.3


def energy_grid(e0: float, k_max: float, pre: float = 200.0) -> np.ndarray:
    """Energies of an ordinary scan: 5 eV, 0.5 eV, then 0.05 Å⁻¹ apart."""
    k = np.arange(3.0, k_max + 0.025, 0.05)
    return e0 + np.concatenate([np.arange(-pre, -20, 5.0), np.arange(-20, 34, 0.5), HBAR2_OVER_2M * k**2])


def true_chi(k: np.ndarray) -> np.ndarray:
    """One shell of 12 atoms at 2.55 Å, crude amplitude, vanishing at k = 0."""
    q = np.maximum(k, 0.3)
    return 12 * 0.4 * np.exp(-2 * 0.005 * q**2) * np.sin(2 * 2.55 * q) / (q * 2.55**2) * (1 - np.exp(-(q**4) / 20))


def true_mu(energy: np.ndarray, e0: float) -> np.ndarray:
    """Pre-edge line, smooth edge, and χ(k) on a flat atomic background."""
    k = np.sqrt(np.clip(energy - e0, 0, None) * K2_PER_EV)
    rise = np.arctan((energy - e0) / 1.0) / np.pi + 0.5
    return 0.6 - 1e-4 * (energy - e0) + STEP * rise * (1 + true_chi(k) * (energy > e0))


def make(element: str = "Fe", edge: str = "K", k_max: float = 16.0, pre: float = 200.0) -> Spectrum:
    energy = energy_grid(E0[element], k_max, pre)
    return Spectrum(energy, true_mu(energy, E0[element]), element, edge, source="made.dat")


@pytest.fixture
def make_scan() -> Callable[..., Spectrum]:
    """Make a scan: ``make_scan("Fe", k_max=16)``."""
    return make


@pytest.fixture
def scan(make_scan: Callable[..., Spectrum]) -> Spectrum:
    """A scan of iron."""
    return make_scan("Fe")


@pytest.fixture
def counts(scan: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """I0 and It of the scan."""
    i0 = 1e5 + 10 * (scan.energy - 7112.0)
    return i0, i0 * np.exp(-scan.mu)


@pytest.fixture
def truth() -> Callable[[np.ndarray], np.ndarray]:
    """χ(k) of the scans that ``make_scan`` makes."""
    return true_chi


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """Write a file: header lines, then rows of the given columns; returns its name."""

    def writer(*columns: np.ndarray, header: str = "", name: str = "scan.dat", between: str = "  ") -> str:
        rows = [between.join(f"{value:.10g}" for value in row) for row in np.column_stack(columns)]
        path = tmp_path / name
        path.write_text("\n".join([*([header] if header else []), *rows]) + "\n")
        return str(path)

    return writer
