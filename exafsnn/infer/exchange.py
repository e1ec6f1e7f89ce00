"""Of which element are the atoms of a shell: they are given to the other, all is fitted again, and data judge.

What RDFs there may be says more of elements than the data do, so the answer of a fit alone does not tell on which of
both it rests. Here the data decide: a shell keeps its shape, but for its size, place and width, which are free for
either element, up to about twice as many atoms; all other atoms may change, too, each shell in number, place and width,
far beyond what known RDFs do; and so may what scans of a session share, within what is known of it. What is left then,
χ² in units of what nothing explains (``fit.Data.unexplained``), tells one element from the other.

The spectrum of the atoms that change their element is that of single scattering, which is exact for either. What
else there is, was learned from structures like the answer; it keeps its shape, and may have any size and phase.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

from exafsnn.infer.error_bars import Exchanged
from exafsnn.infer.fit import Fits, Measured
from exafsnn.infer.theory import Linear, Session
from exafsnn.infer.verdict import FEW
from exafsnn.partials import Partials, Range
from exafsnn.physics.fourier import fade
from exafsnn.records import Array

_SHIFTS, _SHIFT_STEP = 0.16, 0.02
"""How far a shell may move with its element, either way, and in what steps [Å] …"""
_BROADER = (-0.6, -0.3, 0.0, 0.5, 1.0, 2.0, 3.0)
"""… and its change of σ², in units of its own …"""
_NEGATIVE = 0.2
"""A part of a shell, as a range cuts it out of a tail, cannot be sharper: more than this share would be negative."""
_SIGMA2 = (0.002, 0.01)
"""… which is taken to be no less and no more than these [Å²]: shells of several distances are wider than each."""
_WINDOW = 0.5
"""All other atoms are in windows of that half width, overlapping by half [Å]; standard deviations of …"""
_NUMBER, _MOVED, _WIDTH = 0.5, 0.05, 0.5
"""… the number of atoms in each, relatively, their place [Å], and their σ², in units of its own."""
_REST = 0.5
"""Standard deviation of all but single scattering, in units of itself, in phase and across it."""
_TWICE, _ONE = 2.0, 1.0
"""In its place there may be so many times as many atoms of another element, and one more: of one that hardly scatters
it would take sixty."""
_LEAST = 0.05
"""Fewer atoms are none."""
_SEEN = (32.0, 64.0)
"""Waves in n(r) [rad/Å] of more than 2k, at k = 16 Å⁻¹, are in no spectrum, and fade away."""


_Name = TypeVar("_Name", bound=Hashable)
"""Of a range."""


class Scattering(Protocol):
    """What computes k²χ of RDFs and sessions, in parts: ``Theory``, or that of two edges together."""

    def linear(self, density: Tensor, shared: Tensor, points: Any) -> Linear:
        """k²χ and its derivatives at RDFs (s, c) and sessions (s, p), at some of the points of k."""

    def single(self, density: Tensor, shared: Tensor, points: Any) -> Tensor:
        """(s, m) of single scattering alone."""

    def multiple(self, density: Tensor, shared: Tensor, points: Any) -> Tensor:
        """(s, m, n) of all else, and its quadrature."""


@dataclass(frozen=True)
class _Scan:
    """One scan as a linear problem: what is not explained, in units of its standard deviation."""

    left: Tensor
    """(m,) measured k²χ minus that of all atoms but the shell's, whitened."""
    factor: Tensor
    """(m, m) Cholesky factor of its covariance: of what nothing explains, and of all that may change."""

    def whitened(self, spectra: Tensor) -> Tensor:
        """(m, n) of spectra (n, m)."""
        return torch.linalg.solve_triangular(self.factor, spectra.T, upper=False)


@dataclass(frozen=True)
class _Found:
    """The best of a grid of shells."""

    gain: float
    """By how much it lowers χ²."""
    left: Tensor
    """(m,) what it leaves."""
    shell: Tensor
    """(b,) n(r) [Å⁻¹]."""


def exchanged(
    theory: Scattering, data: Measured, fits: Fits, sessions: Session, partials: Partials, ranges: Mapping[_Name, Range]
) -> dict[_Name, Exchanged]:
    """Exchange the element of the atoms in each range, in the answers to scans.

    Parameters
    ----------
    theory, data, sessions
        As ``fit.fit`` took them. Of ``theory`` single and multiple scattering are asked for besides.
    fits
        The answers.
    partials
        Two pairs at least. With more, all others together get the atoms.

    Returns
    -------
    dict
        What was found, by the names of the ranges.
    """
    tests = [_Test(theory, data, fits, sessions, partials, row) for row in range(len(fits.density))]
    found: dict[_Name, Exchanged] = {}
    for name, limits in ranges.items():
        rise, other = zip(*(test.exchange(limits.at(row)) for row, test in enumerate(tests)), strict=True)
        told = np.array(rise), np.stack(other)
        found[name] = Exchanged(limits.pair, limits.r_min, limits.r_max, *told, of_shell=np.ndim(limits.r_max) > 0)
    return found


class _Test:
    """Exchanges elements in the answer to one scan, the ``row`` of its data."""

    def __init__(
        self, theory: Scattering, data: Measured, fits: Fits, sessions: Session, partials: Partials, row: int
    ) -> None:
        self._theory, self._points, self._partials = theory, data.points, partials
        whole, self._shared = fits.density[[row]], fits.shared[[row]]
        self._density, self._more = whole[:, : partials.count], whole[:, partials.count :]  # what rows hold besides
        self._used = data.used[row]
        rows = torch.tensor([row])
        linear = theory.linear(whole, self._shared, data.points)
        by_shared = data.seen(rows, linear.by_shared)[0]
        left = data.left(rows, linear.value, self._shared)
        measured = left + linear.value * self._used
        own = data.unexplained(rows, measured, self._shared)[0] * fits.worse[row]
        rest = theory.multiple(whole, self._shared, data.points)[0] * (_REST * self._used[:, None])
        self._left = left[0] + by_shared @ (self._shared[0] - sessions.mean[row])
        self._covariance = own + by_shared @ sessions.covariance[row] @ by_shared.T + rest @ rest.T

    def exchange(self, limits: Range) -> tuple[float, Array]:
        """By how much χ² rises if the atoms of a range are of the others, and the RDFs (c,) by which it does least.

        Not at all where there are hardly any; infinitely where the answer has no such range.
        """
        if math.isnan(limits.r_max):
            return math.inf, self._density[0].numpy()
        partials = self._partials
        r = torch.from_numpy(partials.r)
        step = float(r[1] - r[0])
        shell = self._density[0] * torch.from_numpy(partials.within(limits) / step)
        others = (self._density[0] - shell).clamp_min(0)
        if (number := float(shell.sum()) * step) < FEW:
            return 0.0, others.numpy()
        spectra = self._spectra(_changes(others.reshape(-1, len(r)), r))
        factor = torch.linalg.cholesky(self._covariance + spectra.T @ spectra)
        scan = _Scan(torch.empty(0), factor)
        scan = replace(scan, left=scan.whitened(self._left[None] + self._spectra(shell[None]))[:, 0])
        grid = _alike(shell[partials.of(limits.pair)], r)
        most = _TWICE + _ONE / number
        own = self._best(scan, grid, limits.pair, most)
        gain = 0.0
        for pair in partials.pairs:
            if pair != limits.pair:
                best = self._best(scan, grid, pair, most)
                others[partials.of(pair)] += best.shell
                scan, gain = replace(scan, left=best.left), gain + best.gain
        return own.gain - gain, others.clamp_min(0).numpy()

    def _spectra(self, density: Tensor) -> Tensor:
        """(n, m) k²χ of single scattering from n(r) (n, c), where the scan is used."""
        rows = torch.cat([density, self._more.expand(len(density), -1)], dim=1)
        return self._theory.single(rows, self._shared, self._points) * self._used

    def _best(self, scan: _Scan, grid: Tensor, pair: str, most: float) -> _Found:
        """Which of shells (g, b) of one element explains most, up to ``most`` times as many."""
        rows = torch.zeros(len(grid), self._partials.count, dtype=grid.dtype)
        rows[:, self._partials.of(pair)] = grid
        spectra = scan.whitened(self._spectra(rows))
        power = spectra.square().sum(dim=0).clamp_min(1e-30)
        along = spectra.T @ scan.left
        number = (along / power).clamp(0, most)  # no shell has fewer atoms than none
        gain = number * (2 * along - number * power)
        best = int(gain.argmax())
        left = scan.left - number[best] * spectra[:, best]
        return _Found(float(gain[best]), left, number[best] * grid[best])


def _alike(shell: Tensor, r: Tensor) -> Tensor:
    """(g, b) shells like one (b,), moved and broadened, or sharpened as far as it can be."""
    step = float(r[1] - r[0])
    length = 2 * len(r)
    wave = 2 * torch.pi * torch.fft.rfftfreq(length, d=step, dtype=r.dtype)
    moved = torch.arange(-_SHIFTS, _SHIFTS + 0.5 * _SHIFT_STEP, _SHIFT_STEP, dtype=r.dtype)
    broader = torch.tensor(_BROADER, dtype=r.dtype) * _moments(shell[None], r)[2].clamp(*_SIGMA2)
    change = torch.exp(-1j * wave * moved[:, None, None] - 0.5 * wave**2 * broader[:, None]) * fade(wave, *_SEEN)
    found = torch.fft.irfft(torch.fft.rfft(shell, n=length) * change, n=length)  # [place, width, bin]
    found = found[..., : len(r)]
    negative = found.clamp_max(0).sum(dim=-1).abs() > _NEGATIVE * found.sum(dim=-1).abs()
    return found[~(negative & (broader < 0))]


def _changes(density: Tensor, r: Tensor) -> Tensor:
    """(n, c) changes of n(r) (p, b), each by a standard deviation: number, place and width in each window."""
    step = float(r[1] - r[0])
    middles = torch.arange(float(r[0]), float(r[-1]) + _WINDOW, _WINDOW, dtype=r.dtype)
    windows = torch.cos(0.5 * torch.pi * ((r - middles[:, None]) / _WINDOW).clamp(-1, 1)) ** 2
    parts = density[:, None] * windows  # [pair, window, bin]
    slope = torch.gradient(parts, spacing=step, dim=-1)[0]
    bend = torch.gradient(slope, spacing=step, dim=-1)[0]
    number, _, sigma2 = _moments(parts, r)
    width = 0.5 * _WIDTH * sigma2.clamp(*_SIGMA2)[..., None]
    each = torch.stack([_NUMBER * parts, _MOVED * slope, width * bend])  # [change, pair, window, bin]
    count = len(density)
    rows = torch.zeros(3, count, len(middles), count, len(r), dtype=r.dtype)
    rows[:, range(count), :, range(count)] = each.transpose(0, 1)
    return rows.permute(1, 2, 0, 3, 4)[number > _LEAST].reshape(-1, count * len(r))


def _moments(shells: Tensor, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(...) number of atoms, distance [Å] and σ² [Å²] of n(r) (..., b)."""
    whole = shells.sum(dim=-1).clamp_min(1e-12)
    distance = (shells @ r) / whole
    sigma2 = (shells * (r - distance[..., None]) ** 2).sum(dim=-1) / whole
    return whole * float(r[1] - r[0]), distance, sigma2
