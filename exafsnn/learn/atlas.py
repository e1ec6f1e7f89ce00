"""The RDFs that are known: those of the states that a model learned from, kept in the model.

They say what RDFs there can be. ``infer.refine`` takes from them, around the network's answer, which changes are
physical and which are not; and for a standard of known structure, what its RDF can be.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from exafsnn.learn.pair_settings import PairSettings
from exafsnn.physics.fourier import broaden, interpolate_cubic
from exafsnn.records import CRYSTALS

COMPONENTS = 64
"""Principal components that the RDFs are kept in."""

Kind = Literal["pure", "whole", "diluted"]
"""Of samples (``Atlas.samples``)."""
PHASES = (*CRYSTALS, "liquid")
_LIKEST = 8
"""States that say what phase an RDF is like."""
_CHANGES = 16
"""How many samples are made of each state."""


@dataclass(frozen=True)
class Atlas:
    """RDFs of states, and what each is."""

    r: Tensor
    """(b,) bin centres [Å]."""
    density: Tensor
    """(s, b) n(r) [Å⁻¹], smoothed like all RDFs of the model."""
    phases: tuple[str, ...]
    lattice: Tensor
    """(s,) lattice constant a of the box [Å]."""
    perfect: Tensor
    """(s,) whether the state is a crystal without surfaces and vacancies, or the melt."""

    def tensors(self) -> dict[str, Tensor]:
        """Principal components of the RDFs, for the model's file."""
        mean = self.density.mean(dim=0)
        left, sizes, shapes = torch.linalg.svd(self.density - mean, full_matrices=False)
        count = min(COMPONENTS, len(sizes))
        return {"mean": mean, "scores": left[:, :count] * sizes[:count], "shapes": shapes[:count]}

    def info(self) -> dict[str, Any]:
        """What each state is, for the model's JSON."""
        return {
            "phases": list(self.phases),
            "lattice": [round(value, 4) for value in self.lattice.tolist()],
            "perfect": [bool(value) for value in self.perfect.tolist()],
        }

    @staticmethod
    def restored(r: Tensor, tensors: Mapping[str, Tensor], info: Mapping[str, Any]) -> Atlas:
        """The atlas that ``tensors`` and ``info`` describe."""
        density = (tensors["mean"] + tensors["scores"] @ tensors["shapes"]).clamp_min(0)
        return Atlas(
            r, density, tuple(info["phases"]), torch.tensor(info["lattice"], dtype=r.dtype),
            torch.tensor(info["perfect"], dtype=torch.bool),
        )  # fmt: skip

    def samples(self, pairs: PairSettings, kind: Kind) -> Tensor:
        """RDFs as training draws them: states stretched and broadened a little.

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
        return rows.clamp_min(0)

    @cached_property
    def outlines(self) -> Tensor:
        """(s, b) ``smoothed`` RDFs of the states."""
        return smoothed(self.density, self.step)

    @property
    def step(self) -> float:
        """Width of the bins [Å]."""
        return float(self.r[1] - self.r[0])

    def likeness(self, density: Tensor) -> Tensor:
        """(n, 4) shares of ``PHASES`` among the states that are most like RDFs (n, b)."""
        near = torch.cdist(smoothed(density.to(self.density.dtype), self.step), self.outlines)
        rows = near.topk(min(_LIKEST, len(self.phases)), largest=False).indices
        return self._of_phases[rows].double().mean(dim=1)

    @cached_property
    def _of_phases(self) -> Tensor:
        """(s, 4) whether each state is of each phase."""
        return torch.tensor([[phase == name for name in PHASES] for phase in self.phases])

    def crystals(self, kind: str, constant: float) -> Tensor:
        """(n, b) RDFs of perfect crystals of phase ``kind``, all distances scaled to the lattice constant [Å]."""
        pick = torch.tensor([phase == kind for phase in self.phases]) & self.perfect
        return self.stretched(self.density[pick], constant / self.lattice[pick]).clamp_min(0)

    def stretched(self, rows: Tensor, factor: Tensor) -> Tensor:
        """Rows with all distances multiplied by ``factor`` (n,)."""
        where = (self.r / factor[:, None] - self.r[0]) / self.step
        return interpolate_cubic(rows, where.clamp(0, len(self.r) - 1.0)) / factor[:, None]


def smoothed(rows: Tensor, step: float, width: float = 0.06) -> Tensor:
    """(n, b) rows convolved with a Gaussian of ``width`` [Å]: neighbours are told by their outline."""
    reach = math.ceil(3 * width / step)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=rows.dtype) * step / width) ** 2)
    return torch.nn.functional.conv1d(rows[:, None], (kernel / kernel.sum())[None, None], padding=reach)[:, 0]
