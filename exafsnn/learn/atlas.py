"""The RDFs that are known: those of the states that a model learned from, kept in the model.

They say what RDFs there can be. ``infer.refine`` takes from them, around the network's answer, which changes are
physical and which are not; and for a standard of known structure, what its RDF can be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from exafsnn.learn.pair_settings import PairSettings
from exafsnn.physics.arrays import Numbers, namespace
from exafsnn.physics.fourier import broaden, interpolate_cubic
from exafsnn.records import CRYSTALS, Array

if TYPE_CHECKING:
    from torch import Tensor

_COMPONENTS = 64
"""Principal components that the RDFs are kept in."""

Kind = Literal["pure", "whole", "diluted"]
"""Of samples (``Atlas.samples``)."""
PHASES = (*CRYSTALS, "liquid")
_LIKEST = 8
"""States that say what phase an RDF is like."""
_OUTLINE = 0.06
"""Width of the Gaussian that leaves the outline of an RDF [Å]."""
_CHANGES = 16
"""How many samples are made of each state."""


@dataclass(frozen=True)
class Atlas:
    """RDFs of states, and what each is, in arrays of one kind."""

    r: Numbers
    """(b,) bin centres [Å]."""
    density: Numbers
    """(s, b) n(r) [Å⁻¹], smoothed like all RDFs of the model."""
    phases: tuple[str, ...]
    lattice: Numbers
    """(s,) lattice constant a of the box [Å]."""
    perfect: Numbers
    """(s,) whether the state is a crystal without surfaces and vacancies, or the melt."""

    def tensors(self) -> dict[str, Tensor]:
        """Principal components of the RDFs, of torch, for the model's file."""
        import torch

        mean = self.density.mean(dim=0)
        left, sizes, shapes = torch.linalg.svd(self.density - mean, full_matrices=False)
        count = min(_COMPONENTS, len(sizes))
        return {"mean": mean, "scores": left[:, :count] * sizes[:count], "shapes": shapes[:count]}

    def info(self) -> dict[str, Any]:
        """What each state is, for the model's JSON."""
        return {
            "phases": list(self.phases),
            "lattice": [round(value, 4) for value in self.lattice.tolist()],
            "perfect": [bool(value) for value in self.perfect.tolist()],
        }

    @staticmethod
    def restored(r: Numbers, parts: Mapping[str, Numbers], info: Mapping[str, Any]) -> Atlas:
        """The atlas that ``tensors`` and ``info`` describe."""
        xp, density = namespace(r), (parts["mean"] + parts["scores"] @ parts["shapes"]).clip(0, None)
        lattice, perfect = xp.asarray(info["lattice"], dtype=r.dtype), xp.asarray(info["perfect"], dtype=xp.bool)
        return Atlas(r, density, tuple(info["phases"]), lattice, perfect)

    def of_torch(self) -> Atlas:
        """The same, of torch."""
        import torch

        r, density, lattice, perfect = map(torch.as_tensor, (self.r, self.density, self.lattice, self.perfect))
        return Atlas(r, density, self.phases, lattice, perfect)

    def samples(self, pairs: PairSettings, kind: Kind) -> Tensor:
        """RDFs as training draws them, of an atlas of torch: states stretched and broadened a little.

        Parameters
        ----------
        pairs
            How much.
        kind
            ``"pure"``: nothing else. With a reference the amplitude is known, and mixtures of phases, vacancies and
            surfaces can be told: ``"whole"`` has mixtures, ``"diluted"`` atoms missing besides.

        Returns
        -------
        Tensor
            (n, b) n(r) [Å⁻¹], the same at every call.
        """
        import torch

        random = torch.Generator().manual_seed(0)
        states = self.density
        n = len(states) * _CHANGES
        uniform = torch.rand(5, n, generator=random, dtype=self.r.dtype)
        rows = states.repeat(_CHANGES, 1)
        if kind != "pure":
            share = 0.5 * uniform[3] * (uniform[4] < pairs.mixed[1])
            other = states[torch.randint(len(states), (n,), generator=random)]
            rows = rows + share[:, None] * (other - rows)
        sigma2 = pairs.extra_sigma2 * (2 * uniform[1] - 1).clamp_min(0)
        rows = broaden(rows, sigma2, pairs.r_step)
        rows = self.stretched(rows, 1 + pairs.stretch * (2 * uniform[0] - 1))
        if kind == "diluted":
            missing = torch.rand(n, generator=random, dtype=self.r.dtype) < pairs.diluted[1]
            rows = rows * (1 - pairs.dilution * uniform[2] * missing)[:, None]
        return rows.clip(0, None)

    @property
    def step(self) -> float:
        """Width of the bins [Å]."""
        return float(self.r[1] - self.r[0])

    def likeness(self, density: Numbers) -> Numbers:
        """(n, 4) shares of ``PHASES`` among the states that are most like RDFs (n, b)."""
        outlines, half_square, of_phases = self._outlines
        xp = namespace(density)
        far = half_square - smoothed(xp.astype(density, xp.float64), self.step) @ outlines.T  # ½|o − d|² − ½|d|²
        far = xp.astype(far - xp.min(far, axis=1)[:, None], xp.float32)  # which is sorted five times as fast
        last = xp.sort(far, axis=1)[:, min(_LIKEST, len(self.phases)) - 1]
        near = xp.astype(far <= last[:, None], xp.float64)
        return near @ of_phases / near.sum(axis=1)[:, None]

    @cached_property
    def _outlines(self) -> tuple[Numbers, Numbers, Numbers]:
        """(s, b) ``smoothed`` RDFs of the states, (s,) half the squares of their lengths, (s, 4) the phase of each."""
        xp = namespace(self.density)
        outlines = smoothed(xp.astype(self.density, xp.float64), self.step)
        of_phases = xp.asarray([[float(phase == name) for name in PHASES] for phase in self.phases], dtype=xp.float64)
        return outlines, 0.5 * (outlines**2).sum(axis=1), of_phases

    def crystals(self, kind: str, constant: float) -> Numbers:
        """(n, b) RDFs of perfect crystals of phase ``kind``, all distances scaled to the lattice constant [Å]."""
        pick = namespace(self.r).asarray([phase == kind for phase in self.phases]) & self.perfect
        return self.stretched(self.density[pick], constant / self.lattice[pick]).clip(0, None)

    def stretched(self, rows: Numbers, factor: Numbers) -> Numbers:
        """Rows with all distances multiplied by ``factor`` (n,)."""
        where = (self.r / factor[:, None] - self.r[0]) / self.step
        return interpolate_cubic(rows, where.clip(0, len(self.r) - 1.0)) / factor[:, None]


def smoothed(rows: Numbers, step: float) -> Numbers:
    """(n, b) rows convolved with a Gaussian: neighbours are told by their outline."""
    return rows @ namespace(rows).asarray(_smoothing(rows.shape[1], step), dtype=rows.dtype)


@cache
def _smoothing(bins: int, step: float) -> Array:
    """(b, b) that Gaussian about each bin, cut at three standard deviations; beyond the bins there is nothing."""
    reach = math.ceil(3 * _OUTLINE / step)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _OUTLINE) ** 2)
    apart = np.arange(bins) - np.arange(bins)[:, None]
    return np.where(abs(apart) <= reach, (kernel / kernel.sum())[np.clip(apart + reach, 0, 2 * reach)], 0.0)
