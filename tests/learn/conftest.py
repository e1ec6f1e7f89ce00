"""A bank of toy states: Gaussian shells whose χ(k) is the textbook's, so that the truth is known exactly."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.learn.dataset import StateBank
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.simulate.sites import LIBRARY_K, RDF_EDGES

R = 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1])


def toy_state(n: float, r: float, sigma2: float) -> tuple[np.ndarray, np.ndarray]:
    """χ(k) and n(r) of one Gaussian shell with unit backscattering, no phase shift."""
    k = LIBRARY_K
    chi = n / (k * r**2) * np.exp(-2 * sigma2 * k**2) * np.sin(2 * k * r)
    variance = sigma2 + 0.03**2
    return chi, n * np.exp(-0.5 * (R - r) ** 2 / variance) / np.sqrt(2 * np.pi * variance)


@pytest.fixture(scope="session")
def bank() -> StateBank:
    shells = [(12.0, 2.45 + 0.01 * i, 0.004 + 0.001 * (i % 5)) for i in range(20)]
    shells += [(8.0, 2.50, 0.006), (9.0, 2.52, 0.006)]
    chi, rdf = zip(*(toy_state(*shell) for shell in shells), strict=True)
    families = ("fcc",) * 20 + ("fcc particles",) * 2
    parts = np.array([[one, 0 * one, 0 * one] for one in chi])
    same = (np.arange(22) < 20, ("fcc",) * 22, ("one",) * 22, np.full(22, 3.6), np.full(22, 300.0), tuple(range(22)))
    alone = np.zeros(22, bool), np.zeros(22)
    gain, envelope = np.ones((22, len(LIBRARY_K))), LIBRARY_K * np.exp(-0.01 * LIBRARY_K**2)
    return StateBank(
        LIBRARY_K, parts, np.array(rdf)[:, None], R, families, *same, gain, envelope, 0.0, parts[:, :1], *alone
    )


@pytest.fixture(scope="session")
def features() -> FeatureSettings:
    return FeatureSettings()


@pytest.fixture(scope="session")
def pairs() -> PairSettings:
    return PairSettings()
