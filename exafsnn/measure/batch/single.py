"""One scan of a series by way of the whole gate: because it may not be sound, or to prove that others were."""

from __future__ import annotations

import numpy as np

from exafsnn.measure.background import remove_background
from exafsnn.measure.batch.answer import Answer
from exafsnn.records import Spectrum
from exafsnn.settings import BackgroundSettings

TOLERANCE, NOISE_SHARE = 3e-6, 1e-3
"""χ(k) is the same if it differs by no more than the sum of so much of max |k²χ| and so much of its noise: larch takes
derivatives by finite differences, and stops so far from its own minimum."""


def alone(spectrum: Spectrum, row: int, settings: BackgroundSettings) -> Answer:
    """Measure one scan, which is that row of its chunk.

    Raises
    ------
    ExafsnnError
        If the scan is unfit, or the settings are for it.
    """
    chi = remove_background(spectrum, settings)
    noise, step, usable = (np.array([value]) for value in (chi.noise, chi.edge_step, chi.k_max_usable))
    return Answer(np.array([row]), chi.k, chi.chi[None], noise, chi.e0, step, usable, chi.settings, (chi.findings,))


def same(answer: Answer, single: Answer) -> bool:
    """Tell whether the first scan of an answer was measured as it was alone."""
    if len(answer.k) != len(single.k) or answer.e0 != single.e0:
        return False
    said, found = ([finding.message for finding in one.findings[0]] for one in (answer, single))
    weight = single.k**2
    off = weight * np.abs(answer.chi[0] - single.chi[0])
    allowed = TOLERANCE * np.abs(weight * single.chi[0]).max() + NOISE_SHARE * weight * single.noise[0]
    return said == found and bool((off <= allowed).all())
