"""larch's feffit, set up as a practitioner would fit the metal of one phase: ``comparison.py``, ``refinement.py``.

FEFF8.5L with self-consistent potentials at room temperature's lattice constant: single scattering to 5.2 Å, and the
focused paths straight through the first shell; one lattice expansion, one σ² per shell, a third cumulant of the first
if asked for, E₀ and amplitude free; k weights 1, 2, 3; R = 1.3–5.2 Å. N is the amplitude over that of a standard.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exafsnn.metals import METALS
from exafsnn.physics.feff import FeffTreatment, PathSummer, ScatteringPath
from exafsnn.records import ChiK
from exafsnn.simulate.library import crystal_potentials

LATTICE = {"bcc": 2.8665, "fcc": 3.58}
"""Lattice constants [Å] of the paths."""
SHELLS = {
    "bcc": ((np.sqrt(3) / 2, 8), (1.0, 6), (np.sqrt(2), 12), (np.sqrt(11) / 2, 24), (np.sqrt(3), 8)),
    "fcc": ((np.sqrt(0.5), 12), (1.0, 6), (np.sqrt(1.5), 24), (np.sqrt(2), 12)),
}
"""Distances in units of the lattice constant, and numbers; the last lies straight behind the first."""
NEAR_AND_FAR = {"kweight": [1, 2, 3], "rmin": 1.3, "rmax": 5.2}
FIRST = {"bcc": 2, "fcc": 1}
"""How many of them lie within 1.9–3.3 Å."""


@dataclass(frozen=True)
class Answer:
    """N and R of 1.9–3.3 Å, σ² of the first shell."""

    coordination: float
    distance: float
    sigma2: float


def first_number(phase: str) -> int:
    """Atoms of a perfect crystal within 1.9–3.3 Å."""
    return sum(number for _, number in SHELLS[phase][: FIRST[phase]])


def lattice_mean(phase: str, a: float) -> float:
    """Their mean distance [Å]."""
    return float(a * sum(r * number for r, number in SHELLS[phase][: FIRST[phase]]) / first_number(phase))


def paths_of(phase: str) -> list[ScatteringPath]:
    """Single scattering of every shell, and double and triple scattering straight through the first to the last."""
    direction = {"bcc": np.ones(3) / np.sqrt(3), "fcc": np.array([1.0, 1.0, 0.0]) / np.sqrt(2)}[phase] * LATTICE[phase]
    paths = [ScatteringPath((direction * distance)[None], (1,), float(number)) for distance, number in SHELLS[phase]]
    near, far, number = direction * SHELLS[phase][0][0], direction * SHELLS[phase][-1][0], float(SHELLS[phase][-1][1])
    paths.append(ScatteringPath(np.array([near, far]), (1, 1), 2 * number))
    return [*paths, ScatteringPath(np.array([near, far, near]), (1, 1, 1), number)]


class Feffit:
    """larch's fit of path sums.

    Parameters
    ----------
    folder
        Where FEFF's path files go.
    k_range
        Of the fit [Å⁻¹].
    skewed
        Whether the first shell has a third cumulant.
    near
        Only the shells within 1.9–3.3 Å, R = 1.0–3.0 Å and k weight 2: the quickest fit that gives N, R and σ².
    """

    def __init__(
        self, folder: Path, phase: str, k_range: tuple[float, float], *, skewed: bool = False, near: bool = False
    ) -> None:
        self._shells = FIRST[phase] if near else len(SHELLS[phase])
        self._seen = {"kweight": 2, "rmin": 1.0, "rmax": 3.0} if near else NEAR_AND_FAR
        with PathSummer(crystal_potentials(METALS["Fe"], phase, FeffTreatment())) as summer:
            paths = paths_of(phase)
            self._files = summer.write_paths(paths[: self._shells] if near else paths, folder)
        self._phase, self._skewed = phase, skewed
        self.k_range = k_range
        self.amplitude, self.raw_amplitude = 1.0, 1.0

    def __call__(self, chi: ChiK) -> Answer:
        """Analyse one scan."""
        from larch import Group
        from larch.fitting import param, param_group
        from larch.xafs import FeffPathGroup, feffit, feffit_dataset, feffit_transform

        count = self._shells
        names = {f"s{i}": param(0.006, vary=True, min=0.0, max=0.05) for i in range(1, count + 1)}
        params = param_group(
            amp=param(0.7, vary=True), e0=param(3.0, vary=True), alpha=param(0.0, vary=True),
            c3=param(0.0, vary=self._skewed), **names,
        )  # fmt: skip
        labels = [*names, f"s{count}", f"s{count}"][: len(self._files)]
        paths = [
            FeffPathGroup(
                str(file), s02="amp", e0="e0", deltar="alpha*reff", sigma2=label, third="c3" if label == "s1" else 0.0
            )
            for file, label in zip(self._files, labels, strict=True)
        ]
        low, high = self.k_range
        transform = feffit_transform(kmin=low, kmax=min(high, chi.k_max_usable), dk=1, window="hanning", **self._seen)
        data = Group(k=chi.k, chi=chi.chi)
        dataset = feffit_dataset(data=data, pathlist=paths, transform=transform, epsilon_k=chi.noise)
        best = feffit(params, dataset).params
        self.raw_amplitude = best["amp"].value
        distance = (1 + best["alpha"].value) * lattice_mean(self._phase, LATTICE[self._phase])
        number = first_number(self._phase)
        return Answer(number * best["amp"].value / self.amplitude, distance, best["s1"].value)

    def calibrate(self, chi: ChiK) -> None:
        """Take the amplitude from the standard."""
        self.amplitude = 1.0
        self(chi)
        self.amplitude = self.raw_amplitude
