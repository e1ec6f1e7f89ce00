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
from exafsnn.shells import IN_SPHERE

if TYPE_CHECKING:
    from torch import Generator, Tensor

_COMPONENTS = 64
"""Principal components that the RDFs are kept in."""

Kind = Literal["pure", "perfect", "counted", "mixed"]
"""Of samples (``Atlas.samples``)."""
PHASES = (*CRYSTALS, "liquid")
_LIKEST = 8
"""States that say what phase an RDF is like."""
_OUTLINE = 0.06
"""Width of the Gaussian that leaves the outline of an RDF [Å]."""
_CHANGES = 16
"""How many samples are made of each state, at least."""
_AS_HOT, _NEAR = 0.08, 2.8
"""States mix with such as are as hot, within so much of their order: a sample has one temperature. Their first peak is
nearer [Å in iron]."""
_AS_HOT_BESIDE = 0.35
"""So much of the order of their own material, where states of two mix."""
_SMALL, _LEAST_RADIUS, _STRAIN = 0.5, 6.0, 0.008
"""Share of samples that are small particles, their least radius [Å], and the largest σ² of their strain, at twice the
distance of the nearest neighbours [Å²]; in iron."""
_PARTLY = 0.5
"""Share of counted samples that are partly of the material beside the own one, where there is one."""
_NEAREST = 2.5
"""Distance of the nearest neighbours in iron [Å]."""


@dataclass(frozen=True)
class Atlas:
    """RDFs of states, and what each is, in arrays of one kind."""

    r: Numbers
    """(b,) bin centres [Å]."""
    density: Numbers
    """(s, c) n(r) [Å⁻¹] of all pairs, one after the other (``partials``), smoothed like all RDFs of the model."""
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

    def samples(self, pairs: PairSettings, kind: Kind, least: int = 0) -> Tensor:
        """RDFs that there may be, of an atlas of torch: states stretched and broadened a little, as in training.

        Parameters
        ----------
        pairs
            How much.
        kind
            ``"pure"``: nothing else; ``"perfect"``: of crystals and melts without surfaces and vacancies. With a
            reference the amplitude is known, and atoms can be counted: ``"counted"`` has mixtures of phases, small
            particles and missing atoms besides. ``"mixed"``: of a metal and its oxides in any proportion, half of what
            is counted, too; there are none in an atlas of one material.
        least
            So many at least.

        Returns
        -------
        Tensor
            (n, c) n(r) [Å⁻¹], the same at every call; none where no state is of that kind.
        """
        import torch

        random = torch.Generator().manual_seed(0)
        some = torch.ones(len(self.density), dtype=torch.bool)
        if kind == "mixed":
            some = ~self._beside & self._beside.any()
        elif kind == "perfect":
            some = self.perfect
        states = self.density[some]
        if not len(states):
            return states
        changes = max(_CHANGES, math.ceil(least / len(states)))
        n = len(states) * changes
        uniform = torch.rand(9, n, generator=random, dtype=self.r.dtype)
        rows = states.repeat(changes, 1)
        if kind == "counted":
            share = 0.5 * uniform[3] * (uniform[4] < pairs.mixed[1])
            rows = rows + share[:, None] * (self._as_hot(uniform[5], pairs.scale) - rows)
        sigma2 = pairs.extra_sigma2 * (2 * uniform[1] - 1).clamp_min(0)
        rows = self.broadened(rows, self._broader(sigma2, self._apart[some].repeat(changes), pairs, random))
        rows = self.stretched(rows, 1 + pairs.stretch * (2 * uniform[0] - 1))
        for number in pairs.any_number:
            one = slice(number * len(self.r), (number + 1) * len(self.r))
            rows[:, one] *= torch.rand((n, 1), generator=random, dtype=self.r.dtype)
        if kind in ("counted", "mixed") and self._beside.any():
            heat = self._heat(pairs.scale)[~self._beside if kind == "mixed" else slice(None)].repeat(changes)
            rows = self._partly(rows, heat, pairs, 1.0 if kind == "mixed" else _PARTLY, random)
        if kind == "counted":
            small = (uniform[6] < _SMALL).to(rows.dtype)
            rows = self._strained(rows, small * uniform[7] * _STRAIN * pairs.scale**2, pairs.scale)
            rows = rows * self._of_each_pair(in_sphere(self.r, small * uniform[8] / (_LEAST_RADIUS * pairs.scale)))
            missing = torch.rand(n, generator=random, dtype=self.r.dtype) < pairs.diluted[1]
            rows = rows * (1 - pairs.dilution * uniform[2] * missing)[:, None]
        return rows.clip(0, None)

    @cached_property
    def _beside(self) -> Tensor:
        """(s,) whether states are of a material beside that of most (``kinds``)."""
        import torch

        return torch.tensor([phase in self.others for phase in self.phases])

    def _heat(self, scale: float) -> Tensor:
        """(s,) place of each state among those of its material, in the order of how far their atoms move: 0 to 1."""
        import torch

        motion = self._motion(scale)
        heat = torch.empty_like(motion)
        for of in (self._beside, ~self._beside):
            heat[of] = motion[of].argsort().argsort().to(motion.dtype) / (of.sum() - 1).clamp_min(1)
        return heat

    def _partly(self, rows: Tensor, heat: Tensor, pairs: PairSettings, chance: float, random: Generator) -> Tensor:
        """Rows (n, c), of which a share is of the material beside, in any proportion: its states, changed a little.

        They are about as hot: by their places in the order of their material, ``heat`` (n,) of the rows.
        """
        import torch

        others = self.density[self._beside]
        others = others[self._heat(pairs.scale)[self._beside].argsort()]
        uniform = torch.rand(5, len(rows), generator=random, dtype=self.r.dtype)
        coolest, hottest = (heat - _AS_HOT_BESIDE).clamp_min(0), (heat + _AS_HOT_BESIDE).clamp_max(1)
        which = ((coolest + uniform[4] * (hottest - coolest)) * (len(others) - 1)).round().long()
        wide = self._broader(pairs.extra_sigma2 * uniform[0], torch.ones(len(rows)), pairs, random)
        other = self.broadened(others[which], wide)
        other = self.stretched(other, 1 + pairs.stretch * (2 * uniform[1] - 1))
        share = (uniform[2] * (uniform[3] < chance))[:, None]
        return (1 - share) * rows + share * other

    @cached_property
    def _apart(self) -> Tensor:
        """(s,) whether pairs of a state are broader each by itself: not in what is metal beside an oxide."""
        return self._beside | ~self._beside.any()

    def _broader(self, sigma2: Tensor, apart: Tensor, pairs: PairSettings, random: Generator) -> Tensor:
        """(n·p,) σ² [Å²]: that of all pairs (n,), and what each has by itself where it is ``apart`` (n,); or (n,)."""
        import torch

        if not pairs.apart_sigma2:
            return sigma2
        own = 2 * torch.rand((len(sigma2), self._pairs), generator=random, dtype=self.r.dtype) - 1
        return (sigma2[:, None] + pairs.apart_sigma2 * apart[:, None] * own.clamp_min(0)).flatten()

    def _as_hot(self, uniform: Tensor, scale: float) -> Tensor:
        """(n, c) for each of the states, again and again, another of its material that is as hot.

        ``uniform`` (n,) are random.
        """
        repeats, motion = len(uniform) // len(self.density), self._motion(scale)
        found = self.density.repeat(repeats, 1)
        for of in (self._beside, ~self._beside):
            rows = of.nonzero()[:, 0]
            order = rows[motion[rows].argsort()]
            place = order.argsort().repeat(repeats)
            reach = max(_AS_HOT * len(order), 2.0)
            all_ = of.repeat(repeats)
            other = (place + ((2 * uniform[all_] - 1) * reach).round().long()).clamp(0, len(order) - 1)
            found[all_] = self.density[order[other]]
        return found

    def _motion(self, scale: float) -> Tensor:
        """(s,) how far the atoms of each state move [Å]: half the height of the first peak lies so far below it.

        That side knows of no other shell, and it is as wide of bcc as of fcc.
        """
        near = self.r < _NEAR * scale
        first, r = self._by_pair(self.density).sum(dim=1)[:, near], self.r[near]
        top, peak = first.max(dim=1)
        below = (first < 0.5 * top[:, None]) & (r < r[peak][:, None])
        last = (below * r).argmax(dim=1).clamp(0, len(r) - 2)
        low, high = (first.gather(1, (last + step)[:, None])[:, 0] for step in (0, 1))
        part = ((0.5 * top - low) / (high - low).clamp_min(1e-9)).clamp(0, 1)
        return r[peak] - (r[last] + part * self.step)

    def _strained(self, rows: Tensor, sigma2: Tensor, scale: float) -> Tensor:
        """Rows (n, c) whose distances scatter by σ² (n,) [Å²] at 2 R₁, by nothing at R₁, and linearly in R.

        So they do in small particles: far neighbours are strained more than near ones.
        """
        far = (self.r / (_NEAREST * scale) - 1).clip(0, None)
        last = math.ceil(float(far.max()))
        return sum(
            self._of_each_pair((1 - (far - level).abs()).clip(0, None)) * self.broadened(rows, level * sigma2)
            for level in range(last + 1)
        )

    @property
    def step(self) -> float:
        """Width of the bins [Å]."""
        return float(self.r[1] - self.r[0])

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """``PHASES``, and the phases beside them of an atlas that has both: a metal's oxides."""
        return (*PHASES, *self.others)

    @cached_property
    def others(self) -> tuple[str, ...]:
        """Phases beside ``PHASES``; none where all are such."""
        found = sorted(set(self.phases) - set(PHASES))
        return tuple(found) if len(found) < len(set(self.phases)) else ()

    def likeness(self, density: Numbers) -> Numbers:
        """(n, p) shares of ``kinds`` among the states that are most like RDFs (n, c)."""
        outlines, half_square, of_phases = self._outlines
        xp = namespace(density)
        far = half_square - self.outlines(xp.astype(density, xp.float64)) @ outlines.T  # ½|o − d|² − ½|d|²
        far = xp.astype(far - xp.min(far, axis=1)[:, None], xp.float32)  # which is sorted five times as fast
        last = xp.sort(far, axis=1)[:, min(_LIKEST, len(self.phases)) - 1]
        near = xp.astype(far <= last[:, None], xp.float64)
        return near @ of_phases / near.sum(axis=1)[:, None]

    @cached_property
    def _outlines(self) -> tuple[Numbers, Numbers, Numbers]:
        """(s, c) outlines of the states, (s,) half the squares of their lengths, (s, p) the phase of each."""
        xp = namespace(self.density)
        outlines = self.outlines(xp.astype(self.density, xp.float64))
        of_phases = xp.asarray(
            [[float(phase == name) for name in self.kinds] for phase in self.phases], dtype=xp.float64
        )
        return outlines, 0.5 * (outlines**2).sum(axis=1), of_phases

    def crystals(self, kind: str, constant: float) -> Numbers:
        """(n, c) RDFs of perfect crystals of phase ``kind``, all distances scaled to the lattice constant [Å]."""
        pick = namespace(self.r).asarray([phase == kind for phase in self.phases]) & self.perfect
        return self.stretched(self.density[pick], constant / self.lattice[pick]).clip(0, None)

    def stretched(self, rows: Numbers, factor: Numbers) -> Numbers:
        """Rows (n, c) with all distances multiplied by ``factor`` (n,)."""
        factor = self._repeated(factor)[:, None]
        where = (self.r / factor - self.r[0]) / self.step
        single = rows.reshape((-1, len(self.r)))
        return (interpolate_cubic(single, where.clip(0, len(self.r) - 1.0)) / factor).reshape(rows.shape)

    def broadened(self, rows: Numbers, sigma2: Numbers) -> Numbers:
        """Rows (n, c) whose distances scatter by σ² (n,) or, of each pair by itself, (n·p,) [Å²] more."""
        single = rows.reshape((-1, len(self.r)))
        each = sigma2 if len(sigma2) == len(single) else self._repeated(sigma2)
        return broaden(single, each, self.step).reshape(rows.shape)

    def outlines(self, rows: Numbers) -> Numbers:
        """(n, c) rows convolved with a Gaussian: neighbours are told by their outline."""
        kernel = namespace(rows).asarray(_smoothing(len(self.r), self.step), dtype=rows.dtype)
        return (rows.reshape((-1, len(self.r))) @ kernel).reshape(rows.shape)

    def _by_pair(self, rows: Numbers) -> Numbers:
        """(n, p, b) of rows (n, c)."""
        return rows.reshape((len(rows), -1, len(self.r)))

    def _repeated(self, values: Numbers) -> Numbers:
        """(n·p,) values (n,), once for each pair."""
        return namespace(values).repeat(values, self._pairs) if self._pairs > 1 else values

    def _of_each_pair(self, rows: Numbers) -> Numbers:
        """(n, c) of rows (n, b) or (b,) that are the same of each pair."""
        return namespace(rows).concat([rows] * self._pairs, axis=-1)

    @property
    def _pairs(self) -> int:
        """How many pairs a row holds."""
        return int(self.density.shape[1] // len(self.r))


def in_sphere(r: Numbers, curvature: Numbers) -> Numbers:
    """(n, b) mean shares of the neighbours at ``r`` (b,) [Å] that atoms of spheres have, of 1/radius (n,) [1/Å]."""
    apart = (r * curvature[:, None]).clip(0, 2)
    constant, linear, square, cube = IN_SPHERE
    return constant + apart * (linear + apart * (square + apart * cube))


@cache
def _smoothing(bins: int, step: float) -> Array:
    """(b, b) that Gaussian about each bin, cut at three standard deviations; beyond the bins there is nothing."""
    reach = math.ceil(3 * _OUTLINE / step)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / _OUTLINE) ** 2)
    apart = np.arange(bins) - np.arange(bins)[:, None]
    return np.where(abs(apart) <= reach, (kernel / kernel.sum())[np.clip(apart + reach, 0, 2 * reach)], 0.0)
