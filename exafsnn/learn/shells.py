"""A few numbers → the n(r) of crystals' shells, and a network that says these numbers: RDFs that need no example.

A spectrum alone leaves n(r) open: what its noise and its range of k hide can be anything (``infer.scratch``). Shells of
crystals whose density is known leave little open: which crystals there are, how large and how hot they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from exafsnn.crystals import Crystal
from exafsnn.learn.atlas import in_sphere
from exafsnn.learn.modules import Member
from exafsnn.learn.network import NetworkSettings

KINDS = ("bcc", "fcc", "hcp", "diamond")
"""Crystals of one element, of which all atoms have the same surroundings."""
_IDEAL = math.sqrt(8 / 3)
"""c/a of hcp made of touching spheres."""
_BEYOND = 1.2
"""Shells are counted so much beyond the last bin [Å]: a stretch may bring them in."""
_SAME = 1e-3
"""Atoms whose distances, in units of the lattice constant, differ by no more make one shell."""

_STRETCH = 0.06
"""Largest relative change of lattice constants from what the known density says."""
_CURVATURE = 0.1
"""Scale of 1/diameter of what is small [1/Å]."""
_SIGMA2 = (0.0006, 0.024)
"""Least σ² of a shell, and the scale of what is learned [Å², in iron]."""
_CORRELATED = 1.0
"""[Å, in iron] over which atoms no longer move together …"""
_DECAY = 1.5
"""… and over which the skew of shells decays."""
_DISORDER = 0.04
"""Scale of the paracrystal's σ² for each Å beyond the first shell [Å]."""
_MORSE = 3.45
"""α R₁ of metals' Morse potentials; L. A. Girifalco & V. G. Weizer, Phys. Rev. 114, 687 (1959): Fe 1.389 Å⁻¹."""
_MOST_SKEW, _BEND = 0.6, 0.5
"""Largest skew of a shell, and the largest relative change of what the potential says of it."""
_AT_ONCE = 64
"""RDFs that a cache holds."""
_DENSITY_OF_IRON = 0.0849
"""[Å⁻³]; lengths above are given for it."""


@dataclass(frozen=True)
class Shapes:
    """What RDFs of crystals are made of, one row for each."""

    shares: Tensor
    """(n, kinds) of crystals; they add up to 1."""
    stretch: Tensor
    """(n, kinds) lattice constants over those that the known density says."""
    curvature: Tensor
    """(n,) 1/radius of spheres of which all is made [1/Å]; 0: bulk."""
    sigma2: Tensor
    """(n,) σ² of atoms that do not move together [Å²]."""
    near: Tensor
    """(n,) σ² of the first shell over that."""
    disorder: Tensor
    """(n,) growth of σ² with each Å of distance: a paracrystal's, a melt's [Å]."""
    bend: Tensor
    """(n,) C₃ of shells over what a metal's potential says."""


class ShellDecoder(nn.Module):
    """Shells of crystals → n(r).

    Shell s of N_s atoms at R_s is at a·R_s/a₀, a the lattice constant, and has

        σ²(R) = σ₀² + σ² [1 − (1 − ν) exp(−(R − R₁)/ℓ)] + π (R − R₁)
        C₃ = 3 α σ⁴ exp(−(R − R₁)/ℓ′)
        N(R) = N_s [1 − ¾ R/ρ + ¹⁄₁₆ (R/ρ)³]

    σ₀ is the smoothing of all RDFs here. Near atoms move together (correlated motion: G. Beni & P. M. Platzman, Phys.
    Rev. B 14, 1514 (1976)): ν of σ² is left of the first shell. π is the paracrystal's (R. Hosemann & S. N. Bagchi,
    *Direct analysis of diffraction by matter*, 1962). C₃ is that of a pair in a Morse potential of width 1/α
    (A. I. Frenkel & J. J. Rehr, Phys. Rev. B 48, 585 (1993), classical limit). N(R) is what atoms in a sphere of radius
    ρ have on average (``shells.IN_SPHERE``). A shell is two halves of Gaussians of widths σ(1 ± s), about its mean;
    their third moment is √(8/π) s σ³ to the first order in s.

    Parameters
    ----------
    bins
        (b,) uniform bin centres [Å].
    density
        Atoms for each Å³.
    crystals
        Of ``KINDS``.
    smoothing
        σ₀ [Å].
    """

    bins: Tensor
    distance: Tensor
    number: Tensor
    kind: Tensor
    first: Tensor

    def __init__(self, bins: Tensor, density: float, crystals: Sequence[str], smoothing: float) -> None:
        super().__init__()
        shells = [_shells(kind, density, float(bins[-1]) + _BEYOND) for kind in crystals]
        self.register_buffer("bins", bins.float())
        self.register_buffer("distance", torch.cat([distance for distance, _ in shells]))
        self.register_buffer("number", torch.cat([number for _, number in shells]))
        self.register_buffer(
            "kind", torch.cat([torch.full((len(of),), at) for at, (of, _) in enumerate(shells)]).long()
        )
        self.register_buffer("first", torch.stack([distance.min() for distance, _ in shells]))
        self._kinds, self._density, self._smoothing = len(crystals), density, smoothing
        self._scale = (_DENSITY_OF_IRON / density) ** (1 / 3)

    @property
    def outputs(self) -> int:
        """How many numbers make an RDF."""
        return 2 * self._kinds + 5

    def shapes(self, raw: Tensor) -> Shapes:
        """Any numbers (n, ``outputs``) → what RDFs can be made of; 0 is a crystal near room temperature."""
        kinds, scale = self._kinds, self._scale
        curvature, sigma2, near, disorder, bend = raw[:, 2 * kinds :].T
        return Shapes(
            torch.softmax(2 * raw[:, :kinds], dim=1),
            1 + _STRETCH * torch.tanh(raw[:, kinds : 2 * kinds]),
            2 * _CURVATURE / scale * nn.functional.softplus(2 * curvature - 4.5),
            scale**2 * (_SIGMA2[0] + _SIGMA2[1] * nn.functional.softplus(sigma2)),
            torch.sigmoid(near),
            scale * _DISORDER * nn.functional.softplus(2 * disorder - 3.5),
            1 + _BEND * torch.tanh(bend),
        )

    def density(self, shapes: Shapes) -> Tensor:
        """(n, b) n(r) ≥ 0 [Å⁻¹] of shells; what lies beyond the bins is not in them."""
        distance = self.distance * shapes.stretch[:, self.kind]  # [spectrum, shell]
        beyond = (distance - self.first[self.kind]).clamp_min(0)
        apart = torch.exp(-beyond / (_CORRELATED * self._scale))
        variance = shapes.sigma2[:, None] * (1 - (1 - shapes.near[:, None]) * apart)
        variance = variance + shapes.disorder[:, None] * beyond + self._smoothing**2
        width = variance.sqrt()
        third = 3 * _MORSE / self.first[self.kind] * width * torch.exp(-beyond / (_DECAY * self._scale))  # C₃/σ³
        skew = third * shapes.bend[:, None] / math.sqrt(8 / math.pi)
        skew = _MOST_SKEW * torch.tanh(skew / _MOST_SKEW)
        mode = distance - math.sqrt(8 / math.pi) * skew * width
        number = shapes.shares[:, self.kind] * self.number * in_sphere(distance, shapes.curvature)
        height = number / (math.sqrt(2 * math.pi) * width)
        found: Tensor = _Peaks.apply(self.bins, mode, 1 / (width * (1 - skew)), 1 / (width * (1 + skew)), height)
        return found

    def forward(self, raw: Tensor) -> Tensor:
        """(n, b) n(r) [Å⁻¹] of numbers (n, ``outputs``)."""
        return torch.cat([self.density(self.shapes(rows)) for rows in raw.split(_AT_ONCE)])

    def filling(self, density: Tensor) -> Tensor:
        """(n,) atoms in all bins of n(r) (n, b), over those in a ball as large of the known density."""
        step = float(self.bins[1] - self.bins[0])
        ball = 4 / 3 * math.pi * (float(self.bins[-1]) + step / 2) ** 3 * self._density
        return density.sum(dim=1) * step / ball


class _Peaks(torch.autograd.Function):
    """Sums of peaks, each of two halves of Gaussians; its derivatives, written out, take a third of the time."""

    @staticmethod
    def forward(ctx: Any, bins: Tensor, mode: Tensor, left: Tensor, right: Tensor, height: Tensor) -> Tensor:
        """(n, b) Σ_s h exp(−z²/2), z = (r − mode)/width, of peaks (n, s) with 1/width on either side."""
        offset = bins - mode[:, :, None]  # [spectrum, shell, bin]
        above = offset > 0
        z = offset * torch.where(above, right[:, :, None], left[:, :, None])
        peaks = torch.exp(-0.5 * z * z)
        ctx.save_for_backward(left, right, height, above, z, peaks)
        return torch.bmm(height[:, None], peaks)[:, 0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Of the sum with respect to all but the bins."""
        left, right, height, above, z, peaks = ctx.saved_tensors
        by_height = torch.bmm(peaks, grads[0][:, :, None])[:, :, 0]
        slope = peaks * z * grads[0][:, None]
        squared = slope * z
        first, second = ((of * above).sum(dim=2) for of in (slope, squared))
        first_left, second_left = slope.sum(dim=2) - first, squared.sum(dim=2) - second
        by_mode = height * (right * first + left * first_left)
        return None, by_mode, -height / left * second_left, -height / right * second, by_height


def _shells(kind: str, density: float, reach: float) -> tuple[Tensor, Tensor]:
    """Distances [Å] and numbers of neighbours of a crystal of so many atoms for each Å³, to ``reach`` [Å]."""
    unit = Crystal(kind, (1.0, _IDEAL) if kind == "hcp" else (1.0,))
    constant = (len(unit.sites) / float(np.linalg.det(unit.vectors)) / density) ** (1 / 3)
    found = np.sort(unit.distances(reach / constant)[0])
    starts = np.flatnonzero(np.diff(found, prepend=-1.0) > _SAME)
    numbers = np.diff(np.append(starts, len(found)))
    means = np.add.reduceat(found, starts) / numbers
    return torch.from_numpy(constant * means).float(), torch.from_numpy(numbers).float()


@dataclass(frozen=True)
class ShellOutput:
    """What a ``ShellNetwork`` says of a batch."""

    density: Tensor
    """(n, b) n(r) [Å⁻¹]."""
    e0: Tensor
    """(n,) energy zero minus the assumed one [eV]."""
    raw: Tensor
    """(n, outputs) of the decoder."""


class ShellNetwork(nn.Module):
    """Features → shells of crystals → n(r): all of a ``Member`` but how it says n(r).

    The amplitude is known, and no count is corrected.
    """

    def __init__(self, width: int, decoder: ShellDecoder, settings: NetworkSettings) -> None:
        super().__init__()
        self.trunk = Member(width, 1, settings)
        self.decoder = decoder
        self.shape = nn.Linear(settings.hidden, decoder.outputs)
        self.counted = nn.Linear(1, decoder.outputs, bias=False)
        nn.init.normal_(self.shape.weight, std=0.01)
        for values in (self.shape.bias, self.counted.weight):
            nn.init.zeros_(values)

    def fit_scale(self, features: Tensor) -> None:
        """As that of a ``Member``."""
        self.trunk.fit_scale(features)

    def forward(self, features: Tensor) -> ShellOutput:
        """(n, width) features → ``ShellOutput``."""
        network = self.trunk.network
        hidden, size = network.hidden(features)
        raw = self.shape(hidden) + self.counted((size / self.trunk.size).log())
        return ShellOutput(self.decoder(raw), network.zero(hidden), raw)
