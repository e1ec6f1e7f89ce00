"""A map of spectra: scikit-learn's own checks, and what is true of rows whose two numbers are known."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from exafsnn.analyse.featuremap import SpectrumMap


@parametrize_with_checks([SpectrumMap(steps=5, hidden=8)])
def test_it_is_an_estimator(estimator, check) -> None:
    check(estimator)
