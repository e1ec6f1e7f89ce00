"""The network's answer scales as physics says."""

from __future__ import annotations

import pytest
import torch

from exafsnn.learn.dataset import PairMaker, features_of
from exafsnn.learn.features import FeatureMap
from exafsnn.learn.modules import Member
from exafsnn.learn.network import NetworkSettings


@pytest.fixture
def member_and_features(bank, pairs, features):
    torch.manual_seed(0)
    feature_map = FeatureMap(features)
    drawn = PairMaker(bank, pairs, features, seed=2).draw(64, reference=1.0, zero_known=1.0)
    member = Member(feature_map.width, len(pairs.bins()), NetworkSettings(hidden=32))
    member.fit_scale(features_of(drawn, feature_map))
    return member, drawn, feature_map


def test_density_is_never_negative(member_and_features):
    member, drawn, feature_map = member_and_features
    assert bool((member(features_of(drawn, feature_map)).density >= 0).all())


def test_twice_the_signal_counts_twice_the_atoms(member_and_features):
    member, drawn, feature_map = member_and_features
    once = member(feature_map(drawn.chi, drawn.known)).apparent
    drawn.known.noise[:] *= 2
    twice = member(feature_map(2 * drawn.chi, drawn.known)).apparent
    assert torch.allclose(twice, 2 * once, rtol=2e-3)


def test_recognition_corrects_a_count_by_no_more_than_its_doubt(member_and_features):
    member, drawn, feature_map = member_and_features
    drawn.known.amplitude_std[:] = 0.02
    output = member(feature_map(5 * drawn.chi, drawn.known))
    correction = (output.density.sum(dim=1) / output.apparent.sum(dim=1)).log().abs()
    assert bool((correction <= 3 * (0.02**2 + member.settings.counting**2) ** 0.5 + 1e-6).all())


def test_the_amplitude_stays_within_its_prior(member_and_features):
    member, drawn, feature_map = member_and_features
    output = member(features_of(drawn, feature_map))
    assert bool((output.log_amplitude.abs() <= 3 * drawn.known.amplitude_std + 1e-6).all())
