"""What the network may see of a spectrum, and what it may not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from exafsnn.learn.features import KINDS, FeatureMap, Known


def known(kmax: float) -> Known:
    return Known(*(torch.tensor([value]) for value in (kmax, 1e-3, 0.03, 1.0)))


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_beyond_kmax_is_seen(features, kind):
    feature_map = FeatureMap(replace(features, kind=kind))
    k = torch.from_numpy(feature_map.k)
    chi = torch.sin(2 * k * 2.5)[None]
    spoiled = chi + 10.0 * (k > 11.0)
    assert torch.allclose(feature_map(chi, known(10.0)), feature_map(spoiled, known(10.0)), atol=1e-5)
    assert not torch.allclose(feature_map(chi, known(14.0)), feature_map(spoiled, known(14.0)), atol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_linear_in_chi(features, kind):
    feature_map = FeatureMap(replace(features, kind=kind))
    a, b = torch.randn(2, len(feature_map.k), generator=torch.Generator().manual_seed(1))
    parts = [feature_map(x[None], known(12.0))[:, :-4] for x in (a, b, a + b)]
    assert torch.allclose(parts[0] + parts[1], parts[2], atol=1e-3)
    assert parts[0].shape[1] + 4 == feature_map.width


def test_what_is_implied_is_explained_and_noise_and_background_do_not_count(features):
    feature_map = FeatureMap(features)
    k = torch.from_numpy(feature_map.k)
    shell = (torch.sin(2 * k * 2.5) * torch.exp(-0.01 * k**2) / k)[None]
    noise = 1e-3 * torch.randn(400, len(k), generator=torch.Generator().manual_seed(1))
    background = 0.02 * (3 / k) ** 2 * torch.cos(2 * k * 0.4)
    none, half = (feature_map.unexplained(shell, share * shell, known(14.0)) for share in (0.0, 0.5))
    assert none.item() == pytest.approx(1.0, abs=0.01)
    assert half.item() == pytest.approx(0.25, abs=0.01)
    assert feature_map.unexplained(shell + noise, shell.expand(400, -1), known(14.0)).mean() < 0.002
    assert feature_map.unexplained(shell + background, shell, known(14.0)).item() < 0.01
    nothing_else = feature_map.unexplained(noise, 3e-3 * shell.expand(400, -1), known(14.0))
    assert nothing_else.max() < 30  # and not a million, since what is left of the signal is nought
