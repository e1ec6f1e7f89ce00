"""larch's ``feffit`` of the shells that an answer shows: what a practitioner would fit, to be held against the answer.

One path for each shell, from the model's own single scattering (``physics.effective``), so that both rest on the same
theory; N, distance and σ² of each and one E₀ are free, and S₀² is what a standard's fit, the user or the model's
expectation says. k weights 1, 2 and 3 at once; Newville, J. Synchrotron Rad. 8, 322 (2001). Shell fits know no tails: a
shell is a Gaussian. ``run.compare`` calls this.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from exafsnn.infer.structure import parse_structure
from exafsnn.infer.verdict import FEW
from exafsnn.learn.intervals import is_first
from exafsnn.physics.absorption import atomic_fall
from exafsnn.physics.effective import EffectivePath, effective_path
from exafsnn.physics.fourier import hanning_window, transform_matrix
from exafsnn.records import Array, ChiK, Prediction, Shell
from exafsnn.shells import is_shell

if TYPE_CHECKING:
    from exafsnn.infer.predict import Model

_K_WEIGHTS = (1, 2, 3)
_SLOPE = 1.0
"""Width of the slopes of the window in k [Å⁻¹]."""
_GRID = 0.05
"""Paths are those to atoms at multiples of this [Å]: so the scans of a series share them."""
_BEFORE, _BEHIND = 0.9, 0.5
"""The fit begins so far [Å] before the peak of the nearest shell in |χ(R)|, and ends so far behind that of the last."""
_LEAST_R = 1.0
"""R below which the background is [Å]."""
_FINE = 0.02
"""Step of R [Å]."""
_SIGMA2 = 0.006
_WIDEST = 0.06
"""Usual and largest σ² [Å²]."""
_FARTHEST = 0.25
"""That a distance may be fitted from the answer's [Å]."""
_SHARP = 0.035
"""σ² [Å²] of n(r) beyond which a peak is more than one shell, or no Gaussian."""


class FitError(Exception):
    """Why there is no fit."""


@dataclass(frozen=True)
class FittedShell:
    """One shell, as ``feffit`` has it, with its standard errors."""

    name: str
    """``"shell1"``, as in the answer."""
    shell: Shell
    """What the answer says of it."""
    coordination: float
    coordination_std: float
    """That of S₀² included."""
    distance: float
    """[Å]"""
    distance_std: float
    sigma2: float
    """[Å²], as usual not corrected for the fall of the atomic absorption: see ``ShellFit.mcmaster``."""
    sigma2_std: float
    amplitude: float
    """S₀², by which N was counted."""
    amplitude_std: float
    remark: str
    """Why its numbers are none, empty if they are."""


@dataclass(frozen=True)
class ShellFit:
    """The fit of one scan."""

    shells: tuple[FittedShell, ...]
    c3: float
    """C₃ of the nearest [Å³]; 0 if it was not free."""
    c3_std: float
    delta_e0: float
    """[eV]"""
    delta_e0_std: float
    amplitude_from: str
    """Where S₀² of the shells is from."""
    k_window: tuple[float, float]
    """[Å⁻¹]"""
    r_window: tuple[float, float]
    """Of the fit [Å], not phase-corrected."""
    chi_model: Array
    """(m,) χ(k) of the fit on the scan's k."""
    r_factor: float
    """Σ|χ(R) − χ_model(R)|²/Σ|χ(R)|² of k²χ in that window …"""
    r_factor_of_answer: float
    """… and the same of the answer."""
    paths: tuple[EffectivePath, ...]
    independent: float
    """Independent numbers in the windows, 2ΔkΔR/π + 1 …"""
    variables: int
    """… and how many were fitted."""
    chi2_reduced: float
    mcmaster: float
    """What the fall of the atomic absorption adds to each σ² [Å²]; n(r) is free of it."""


@dataclass(frozen=True)
class Amplitude:
    """S₀², and its standard deviation."""

    value: float
    std: float


class ShellFitter:
    """Fits the shells of the answers of one model.

    Parameters
    ----------
    model
        Whose answers they are, and whose scattering it is.
    amplitude
        S₀², if it is known.
    standard
        A scan of known structure, and that: then S₀² is what its fit gives, if none is known.
    most
        How many shells are fitted, the nearest first; None: those of the range ``first`` of each pair.
    skewed
        Whether the nearest shell has a third cumulant.

    Raises
    ------
    FitError
        If the standard cannot be fitted.
    """

    def __init__(
        self,
        model: Model,
        amplitude: float | None = None,
        standard: tuple[ChiK, str] | None = None,
        most: int | None = None,
        skewed: bool = False,
    ) -> None:
        self._model, self._most, self._skewed = model, most, skewed
        self._known: dict[tuple[str, float], EffectivePath] = {}
        self._reach: dict[str, float] = {}
        for name, limits in model.ranges.items():
            if is_first(name):
                pair = model.partials.range(name, limits).pair
                self._reach[pair] = max(self._reach.get(pair, 0.0), limits[1])
        usual = Amplitude(model.pairs.amplitude, model.pairs.amplitude * model.pairs.amplitude_std)
        self._amplitudes, self.source = {"": [usual]}, f"what the model {model.name} expects"
        if amplitude is not None:
            self._amplitudes, self.source = {"": [Amplitude(amplitude, 0.0)]}, "given"
        elif standard:
            self._amplitudes, self.source = self._of_standard(*standard), f"the fit of {standard[0].source}"

    def __call__(self, answer: Prediction) -> ShellFit:
        """Fit the shells that an answer shows.

        Raises
        ------
        FitError
            If it shows none that can be fitted, or larch finds no fit.
        """
        shown = self._shown(answer)
        if not shown:
            raise FitError("n(r) shows no shell that could be fitted")
        found = self._free(answer.chi, [(of.pair, of.distance, of.coordination) for of in shown.values()], self._skewed)
        seen: Counter[str] = Counter()
        shells = []
        for number, (name, shell) in enumerate(shown.items()):
            own = self.amplitude_of(shell.pair, seen[shell.pair])
            seen[shell.pair] += 1
            (raw, raw_std), (moved, moved_std), (sigma2, sigma2_std) = (
                (found.values[f"{key}{number}"], found.stds[f"{key}{number}"]) for key in ("n", "d", "s")
            )
            n, doubt = raw / own.value, math.hypot(raw_std / max(raw, 1e-12), own.std / own.value)
            shells.append(FittedShell(
                name, shell, n, n * doubt, found.paths[number].r + moved, moved_std, sigma2, sigma2_std, own.value,
                own.std, _remark(shell, n, n * doubt, moved, sigma2),
            ))  # fmt: skip
        windows = found.k_window, found.r_window
        left = [_r_factor(answer.chi, implied, *windows) for implied in (found.chi, answer.chi_model)]
        return ShellFit(
            tuple(shells), found.values.get("c3", 0.0), found.stds.get("c3", 0.0), found.values["e0"], found.stds["e0"],
            self.source, *windows, found.chi, left[0], left[1], found.paths, found.independent, found.variables,
            found.chi2_reduced, self._mcmaster(windows[0]),
        )  # fmt: skip

    def amplitude_of(self, pair: str, number: int) -> Amplitude:
        """S₀² by which the atoms of a shell, of its pair the ``number``-th, are counted: what the standard's has."""
        of_pair = self._amplitudes.get(pair) or next(iter(self._amplitudes.values()))
        return of_pair[min(number, len(of_pair) - 1)]

    def _mcmaster(self, k_window: tuple[float, float]) -> float:
        """What the fall of the atomic absorption adds to a fitted σ² [Å²]."""
        k = np.linspace(*k_window, 50)
        fall = np.log(atomic_fall(self._model.absorber, self._model.edge, k))
        return float(-0.5 * np.polyfit(k**2, fall, 1)[0])

    def _of_standard(self, chi: ChiK, structure: str) -> dict[str, list[Amplitude]]:
        """S₀² of each shell: what the same free fit of a standard has, over the number that there is.

        What such a fit has wrong of two shells that overlap is the same in standard and sample, and cancels.
        """
        like = f"{self._model.absorber}-{self._model.absorber}"
        other = next((pair for pair in self._model.partials.pairs if pair != like), like)
        around = parse_structure(structure).neighbours(max(self._reach.values()))
        named = [(other if is_other else like, distance, float(count)) for distance, count, is_other in around]
        shells = [shell for shell in named if shell[1] < self._reach.get(shell[0], 0.0)]
        if not shells:
            raise FitError(f"{structure} has no neighbours in a range of {self._model.name}")
        found = self._free(chi, shells, self._skewed)
        amplitudes: dict[str, list[Amplitude]] = {}
        for number, (pair, _, count) in enumerate(shells):
            raw, std = found.values[f"n{number}"], found.stds[f"n{number}"]
            if not raw > 0:
                raise FitError(f"the fit of the standard {chi.source} has no atoms in a shell of {pair}")
            amplitudes.setdefault(pair, []).append(Amplitude(raw / count, std / count))
        return amplitudes

    def _free(self, chi: ChiK, shells: Sequence[tuple[str, float, float]], skewed: bool) -> _Found:
        """A fit in which N S₀², distance and σ² of each shell (pair, R [Å], N) are free, and one E₀."""
        paths = tuple(self.path(pair, distance) for pair, distance, _ in shells)
        prior, starts = self._model.pairs.amplitude, {"e0": self._model.pairs.e0}
        labels = []
        for number, ((_, distance, count), path) in enumerate(zip(shells, paths, strict=True)):
            starts |= {f"n{number}": count * prior, f"d{number}": distance - path.r, f"s{number}": _SIGMA2}
            labels.append({"s02": f"n{number}", "deltar": f"d{number}", "sigma2": f"s{number}", "e0": "e0"})
        if skewed:
            starts["c3"], labels[0]["third"] = 0.0, "c3"
        return self._fitted(chi, paths, labels, starts)

    def path(self, pair: str, distance: float) -> EffectivePath:
        """The path to an atom of a pair at a distance [Å], or very near it."""
        model, near = self._model, round(round(distance / _GRID) * _GRID, 6)
        if (pair, near) not in self._known:
            k = np.asarray(model.forward.k, dtype=float)
            told = k >= model.features.kmin - _SLOPE / 2
            k, own = k[told], np.asarray(model.forward["kernel"], dtype=float)[told, model.partials.of(pair)]
            smoothed = np.exp(-2 * k**2 * model.pairs.smoothing**2) / atomic_fall(model.absorber, model.edge, k)
            names = (model.absorber, model.edge, pair.rpartition("-")[2])
            step = model.r[1] - model.r[0]
            try:  # the kernel undoes the smoothing, and has the fall of the atomic absorption, which FEFF has not
                found = effective_path(k, own * smoothed[:, None] / step, model.r, near, names)
            except ValueError as error:
                raise FitError(f"the model {model.name} tells no path of {pair}: {error}") from error
            self._known[pair, near] = found
        return self._known[pair, near]

    def _shown(self, answer: Prediction) -> dict[str, Shell]:
        """The shells that are fitted."""
        shells = {name: shell for name, shell in answer.shells.items() if is_shell(name) and shell.coordination >= FEW}
        near = sorted(shells.items(), key=lambda item: item[1].distance)
        if self._most is not None:
            return dict(near[: self._most])
        return {name: shell for name, shell in near if shell.distance < self._reach.get(shell.pair, 0.0)}

    def _fitted(
        self, chi: ChiK, paths: Sequence[EffectivePath], labels: Sequence[Mapping[str, str]],
        starts: Mapping[str, float],
    ) -> _Found:  # fmt: skip
        """What larch finds."""
        from larch import Group
        from larch.fitting import param, param_group
        from larch.xafs import FeffPathGroup, feffit, feffit_dataset, feffit_transform

        k_window = self._model.features.kmin, min(chi.k_max_usable, self._model.features.kmax)
        peaks = [path.r - path.shift for path in paths]
        r_window = max(min(peaks) - _BEFORE, _LEAST_R), max(peaks) + _BEHIND
        limits: dict[str, dict[str, float]] = {
            "s": {"min": 0.0, "max": _WIDEST}, "n": {"min": 0.0}, "d": {"min": -_FARTHEST, "max": _FARTHEST},
        }  # fmt: skip
        free = {
            name: param(value, vary=True, **limits.get(name.rstrip("0123456789"), {})) for name, value in starts.items()
        }
        transform = feffit_transform(
            kmin=k_window[0], kmax=k_window[1], kweight=list(_K_WEIGHTS), dk=_SLOPE, window="hanning",
            rmin=r_window[0], rmax=r_window[1],
        )  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="exafsnn-") as folder:
            files = [Path(folder) / f"feff{number:04d}.dat" for number in range(1, len(paths) + 1)]
            for file, path in zip(files, paths, strict=True):
                file.write_text(path.text("single scattering"), encoding="ascii")
            groups = [FeffPathGroup(str(file), **label) for file, label in zip(files, labels, strict=True)]
            dataset = feffit_dataset(
                data=Group(k=chi.k, chi=chi.chi), pathlist=groups, transform=transform, epsilon_k=chi.noise
            )
            try:
                result = feffit(param_group(**free), dataset)
            except (ValueError, TypeError, ArithmeticError, np.linalg.LinAlgError) as error:
                raise FitError(f"larch's fit failed: {error}") from error
        values = {name: float(result.params[name].value) for name in starts}
        stds = {name: float(result.params[name].stderr or math.nan) for name in starts}
        if not all(map(math.isfinite, values.values())):
            raise FitError("larch's fit did not end")
        implied = result.datasets[0].model
        return _Found(
            values, stds, np.interp(chi.k, implied.k, implied.chi), k_window, r_window, tuple(paths),
            float(result.n_independent), len(starts), float(result.chi2_reduced),
        )  # fmt: skip


def _remark(shell: Shell, n: float, n_std: float, moved: float, sigma2: float) -> str:
    """Why the numbers of a fitted shell are none."""
    if abs(moved) > 0.98 * _FARTHEST:
        return f"its distance ran away from {shell.distance:.2f} Å"
    if sigma2 > 0.98 * _WIDEST:
        return f"σ² ran to its limit, {_WIDEST:g} Å²"
    if not n_std < n:
        return "N has an error as large as itself"
    if shell.sigma2 > _SHARP:
        return f"n(r) there is wider than one shell (σ² {shell.sigma2:.3f} Å²)"
    return ""


def _r_factor(chi: ChiK, model: Array, k_window: tuple[float, float], r_window: tuple[float, float]) -> float:
    """Σ|χ(R) − χ_model(R)|²/Σ|χ(R)|² of k²χ in a window of R [Å], by a Hann window in k [Å⁻¹]."""
    low, high = (np.array([end]) for end in k_window)
    r = np.arange(*r_window, _FINE)
    seen = (chi.k**2 * hanning_window(chi.k, low, high, _SLOPE)[0])[:, None] * transform_matrix(chi.k, r)
    measured, implied = chi.chi @ seen, model @ seen
    return float(((measured - implied) ** 2).sum() / (measured**2).sum())


@dataclass(frozen=True)
class _Found:
    """Parameters of a fit with their standard errors, what it implies, and where it was."""

    values: dict[str, float]
    stds: dict[str, float]
    chi: Array
    k_window: tuple[float, float]
    r_window: tuple[float, float]
    paths: tuple[EffectivePath, ...]
    independent: float
    variables: int
    chi2_reduced: float
