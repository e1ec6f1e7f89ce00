"""Whether scans whose names differ in one number, and which nothing else tells apart, agree as repeats would.

``scans`` asks of every answer. That two differ is a note: a number in a name may also be a temperature.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from exafsnn.errors import Finding
from exafsnn.records import ChiK, Prediction
from exafsnn.run.axis import SAME_TEMPERATURE

_RANGE = (3.0, 12.0)
"""Where k²χ is compared [Å⁻¹]."""
APART, BEYOND_NOISE = 0.05, 3.0
"""What is told: differences of more than this share of k²χ, and so many times what noise leaves."""
_MOST = 1000
"""Names of a run that are remembered."""
_TEMPERATURES = 8
"""Of each, the last ones that are remembered."""
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?!\.?\d|\s*_?K(?![a-z]))")
"""Whatever counts repeats; a number before a K is a temperature."""


class Repeats:
    """The last answer to each sample of a run."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], list[tuple[str, Prediction]]] = {}

    def note(self, file: str, record: str, prediction: Prediction) -> Finding | None:
        """Tell where a scan differs from one before of the same sample."""
        if not prediction.in_domain:
            return None  # what it says is no number to hold anything against
        shown = f"{file}::{record}" if record else file
        suffix = Path(file).suffix
        counts = record or not re.search("[a-z]", suffix, re.IGNORECASE)  # .h5 does not
        name = shown if counts else file.removesuffix(suffix)
        numbers = [number.span() for number in _NUMBER.finditer(name)]
        keys = [(f"{name[:start]}#{name[end:]}", prediction.model) for start, end in numbers]
        found = [item for key in keys for item in self._last.get(key, ())]
        before = next((item for item in found if _same_temperature(prediction, item[1])), None)
        for key in keys:
            if key in self._last or len(self._last) < _MOST:
                others = [item for item in self._last.get(key, ()) if not _same_temperature(prediction, item[1])]
                self._last[key] = [(shown, prediction.without_samples()), *others][:_TEMPERATURES]
        return _difference(prediction, *before) if before else None


def _same_temperature(first: Prediction, second: Prediction) -> bool:
    ours, theirs = first.chi.temperature, second.chi.temperature
    return ours == theirs or (ours is not None and theirs is not None and abs(ours - theirs) <= SAME_TEMPERATURE)


def _difference(ours: Prediction, file: str, theirs: Prediction) -> Finding | None:
    """Tell by how much two scans differ, if that is more than noise."""
    apart, noise = apart_of(ours.chi, theirs.chi)
    if apart < max(APART, BEYOND_NOISE * noise):
        return None
    mine, other = ours.shells["first"], theirs.shells["first"]
    return Finding(
        "repeats-differ", "note",
        f"k²χ differs by {apart:.0%} from that of {file}, where noise leaves {noise:.0%}: N {mine.coordination:.2f} and"
        f" {other.coordination:.2f}, R {mine.distance:.3f} and {other.distance:.3f} Å, R-factor {ours.misfit:.3f} and"
        f" {theirs.misfit:.3f}",
        remedy="If they are repeats of one sample, one of them is wrong, or the sample changed",
    )  # fmt: skip


def apart_of(first: ChiK, second: ChiK) -> tuple[float, float]:
    """Root mean square of what two k²χ differ by, and of what noise lets them, in units of the smaller one's.

    From k = 3 to 12 Å⁻¹, as far as both are usable; 0 where that is nothing.
    """
    k = first.k[(first.k >= _RANGE[0]) & (first.k <= min(_RANGE[1], first.k_max_usable, second.k_max_usable))]
    if len(k) < 2 or k[-1] > second.k[-1]:
        return 0.0, 0.0
    ours, theirs = (k**2 * np.interp(k, chi.k, chi.chi) for chi in (first, second))
    size = max(min(np.sqrt(np.mean(ours**2)), np.sqrt(np.mean(theirs**2))), 1e-12)
    noise = np.hypot(first.noise, second.noise) * np.sqrt(np.mean(k**4))
    return float(np.sqrt(np.mean((ours - theirs) ** 2)) / size), float(noise / size)
