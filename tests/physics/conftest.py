"""One FEFF calculation that the tests of this folder share: iron, no self-consistency, so it takes a second."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.metals import METALS
from exafsnn.physics.feff import FeffTreatment
from exafsnn.simulate.library import crystal_potentials


@pytest.fixture(scope="session")
def iron():
    return crystal_potentials(METALS["Fe"], "bcc", FeffTreatment(name="atoms-hl", scf_radius=0.0))


@pytest.fixture(scope="session")
def k():
    return np.arange(2.0, 16.01, 0.05)


def bcc_cluster(a: float, reach: float, sigma: float = 0.0, seed: int = 0) -> np.ndarray:
    """(n, 3) neighbours of an atom in bcc, displaced at random by ``sigma`` per axis [Å]."""
    span = np.arange(-5, 6)
    corners = np.stack(np.meshgrid(span, span, span, indexing="ij"), axis=-1).reshape(-1, 3) * a
    points = np.concatenate([corners, corners + a / 2])
    points = points[np.linalg.norm(points, axis=1) > 0.1]
    points = points + np.random.default_rng(seed).normal(0.0, sigma, points.shape) if sigma else points
    return points[np.linalg.norm(points, axis=1) <= reach]
