"""RDF → the crystal lattice behind it: phase fractions, lattice constant, density.

The mean distance of a shell is not the lattice's: thermal motion across the bond lengthens it, by 0.1 % in cold and
0.7 % in hot iron. What motion does to an RDF is known from the model's atlas: crystals whose boxes, and so lattice
constants, are known. An RDF is compared with the crystals, and mixtures of two, that are most like it; the logarithm of
the volume per atom, linear in the RDF in so small a neighbourhood, is read off by ridge regression (locally weighted
learning: Atkeson, Moore & Schaal, Artif. Intell. Rev. 11, 11 (1997)). On exact RDFs that is good to 0.01 % in a.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from exafsnn.constants import ATOMIC_MASS_GRAM
from exafsnn.infer.predict import Model
from exafsnn.learn.atlas import PHASES, Atlas
from exafsnn.records import CRYSTALS, Array, Lattice, PartialRDF

ATOMS_PER_CELL: Mapping[str, float] = {"bcc": 2.0, "fcc": 4.0, "hcp": 2.0 / math.sqrt(2.0)}
"""a³ over the volume per atom; of hcp, with the ideal ratio c/a = √(8/3)."""
_RATIO_STD = 0.006
"""Relative standard deviation of c/a of hcp metals about it."""
_THEORY_STD, _BLIND_STD = 0.002, 0.006
"""Relative standard deviations of a by another theory and potential than the model's, with a standard and without one
(``benchmarks/lattice.py`` with ``foreign.toml``): most of it is common to a session."""
_CUBIC_ANGSTROM = 1e-24
"""[cm³]"""

_CHANGES = 10
"""Copies of each state, stretched and broadened, and as many mixtures of two of them."""
_STRETCH, _EXTRA_SIGMA2 = 0.015, 0.002
"""Largest relative change of their distances, and largest extra σ² [Å²]."""
_NEIGHBOURS = 100
_RIDGE = 0.01
"""In units of the largest variance in the neighbourhood."""
_UNEXPLAINED = 0.12
"""Share of an RDF that no known crystal has, above which no lattice is claimed."""
_DISORDERED, _IMPERFECT = 0.25, 0.5
"""Share of the melt above which none is, and of crystals with vacancies or surfaces above which the density is not."""


class LatticeFinder:
    """Finds the lattice behind RDFs of one model.

    Parameters
    ----------
    model
        Its atlas says what crystals look like.
    """

    def __init__(self, model: Model) -> None:
        self._pair = model.partials.pairs[0]
        self._atlas = _of_metal(model.atlas)
        self._mass = _atomic_mass(model.absorber)
        self._knows = len(self._atlas.phases) > 0
        if self._knows:
            density, self._labels = _known(self._atlas)
            self._outlines = self._atlas.outlines(density)

    def find(self, rdf: PartialRDF, *, standard: bool = True) -> Lattice | None:
        """The lattice behind an RDF; None if no crystal explains it: a melt, a small particle, another material.

        Of compounds none is known: their phases are no crystals of one kind of atom.

        Parameters
        ----------
        rdf
            On the model's bins; its samples carry the errors.
        standard
            Whether a standard of the session freed it of the errors of theory; else they are in its own.
        """
        if not self._knows:
            return None
        theory = _THEORY_STD if standard else _BLIND_STD
        row = rdf.pairs.index(self._pair)
        mean = torch.from_numpy(rdf.density[row])[None].double()
        drawn = rdf.samples[:, row] if rdf.samples is not None else rdf.density[None, row]
        local = self._around(mean)
        value = local.labels(mean)[0]
        samples = local.labels(torch.from_numpy(drawn).double())
        std = np.hypot(samples.std(axis=0), local.error)
        shares = np.clip(value[:3], 0.0, None)
        phase = CRYSTALS[int(np.argmax(shares))]
        if local.unexplained > _UNEXPLAINED or value[3] > _DISORDERED or shares.sum() <= 0:
            return None
        own = 5 + CRYSTALS.index(phase)
        volume = float(_mean_volume(value))
        spread = float(np.std(_mean_volume(samples)))
        relative = math.hypot(spread / volume, local.error[own], 3 * theory, _RATIO_STD if phase == "hcp" else 0.0)
        constant = (ATOMS_PER_CELL[phase] * math.exp(value[own])) ** (1 / 3)
        density = self._mass * ATOMIC_MASS_GRAM / (volume * _CUBIC_ANGSTROM)
        return Lattice(
            phase=phase,
            fractions={
                name: (float(share), float(error))
                for name, share, error in zip(CRYSTALS, shares / shares.sum(), std[:3], strict=True)
            },
            constant=(constant, constant * math.hypot(std[own] / 3, theory)),
            volume=(volume, volume * relative),
            density=(density, density * relative) if value[4] < _IMPERFECT else None,
            unexplained=local.unexplained,
            shared=theory,
        )

    def _around(self, density: Tensor) -> _Neighbourhood:
        """What the known crystals around one RDF (1, b) tell."""
        outline = self._atlas.outlines(density)
        rows = torch.cdist(outline, self._outlines)[0].topk(_NEIGHBOURS, largest=False).indices
        return _Neighbourhood.fitted(self._outlines[rows], self._labels[rows], outline, self._atlas)


@dataclass(frozen=True)
class _Neighbourhood:
    """Linear relations between RDFs and what they are of, in one place."""

    centre: Tensor
    """(b,) outline."""
    mean: Tensor
    """(l,) labels there."""
    slopes: Tensor
    """(b, l)"""
    error: Array
    """(l,) standard deviations of what the relations leave."""
    unexplained: float
    """Share of the RDF outside of the neighbourhood's plane."""
    atlas: Atlas

    @staticmethod
    def fitted(outlines: Tensor, labels: Tensor, wanted: Tensor, atlas: Atlas) -> _Neighbourhood:
        """By ridge regression over neighbours (n, b) with ``labels`` (n, l), for an outline (1, b)."""
        centre, mean = outlines.mean(dim=0), labels.mean(dim=0)
        apart = outlines - centre
        gram = apart @ apart.T
        ridge = _RIDGE * torch.linalg.eigvalsh(gram)[-1] * torch.eye(len(gram), dtype=gram.dtype)
        inverse = torch.linalg.inv(gram + ridge)
        slopes = apart.T @ inverse @ (labels - mean)
        left_out = inverse @ (labels - mean) / torch.diagonal(inverse)[:, None]  # each neighbour, by the others
        plane = (wanted - centre) @ apart.T @ inverse @ apart + centre
        unexplained = float((plane - wanted).abs().sum() / wanted.sum())
        return _Neighbourhood(centre, mean, slopes, left_out.std(dim=0).numpy(), unexplained, atlas)

    def labels(self, density: Tensor) -> Array:
        """(n, l) labels of RDFs (n, b)."""
        found: Array = (self.mean + (self.atlas.outlines(density) - self.centre) @ self.slopes).numpy()
        return found


def _mean_volume(labels: Array) -> Array:
    """Mean volume per atom (...) of all phases from labels (..., 8): it is that of the lattice where there is one."""
    shares = np.clip(labels[..., :3], 1e-9, None)
    mean: Array = (shares * np.exp(labels[..., 5:])).sum(axis=-1) / shares.sum(axis=-1)
    return mean


def _of_metal(atlas: Atlas) -> Atlas:
    """The states of the metal's own phases, around each atom of which are others of its kind, the first pair."""
    own = [number for number, phase in enumerate(atlas.phases) if phase in PHASES]
    cells, phases = slice(0, len(atlas.r)), tuple(atlas.phases[number] for number in own)
    return Atlas(atlas.r, atlas.density[own][:, cells], phases, atlas.lattice[own], atlas.perfect[own])


def _known(atlas: Atlas) -> tuple[Tensor, Tensor]:
    """RDFs (n, b) of states and of mixtures of two, and their labels (n, 8).

    Labels: shares of bcc, fcc, hcp, of the melt, of imperfect crystals; ln of the volume per atom of the bcc, fcc and
    hcp part, where there is none that of all.
    """
    random = torch.Generator().manual_seed(0)
    count = len(atlas.density) * _CHANGES
    uniform = torch.rand(3, count, generator=random, dtype=torch.float64)
    factor = 1 + _STRETCH * (2 * uniform[0] - 1)
    rows = atlas.density.double().repeat(_CHANGES, 1)
    rows = atlas.broadened(rows, _EXTRA_SIGMA2 * (2 * uniform[1] - 1).clamp_min(0))
    rows = atlas.stretched(rows, factor).clamp_min(0)
    of = torch.tensor([PHASES.index(phase) for phase in atlas.phases])
    per_cell = torch.tensor([ATOMS_PER_CELL.get(phase, 2.0) for phase in atlas.phases], dtype=torch.float64)
    volume = ((atlas.lattice.double() ** 3 / per_cell).repeat(_CHANGES) * factor**3)[:, None]
    shares = torch.nn.functional.one_hot(of, 4).double().repeat(_CHANGES, 1)
    imperfect = (~atlas.perfect).double().repeat(_CHANGES)[:, None]
    other = torch.randint(count, (count,), generator=random)
    part = uniform[2][:, None]

    def mixed(values: Tensor) -> Tensor:
        return torch.cat([values, (1 - part) * values + part * values[other]])

    parts = shares[:, :3]
    total, weight = mixed(volume), mixed(parts)
    own = torch.where(weight > 0, mixed(parts * volume) / weight.clamp_min(1e-12), total)
    return mixed(rows), torch.cat([mixed(shares), mixed(imperfect), own.log()], dim=1)


def _atomic_mass(element: str) -> float:
    """Mass of an atom [u]."""
    import xraydb

    return float(xraydb.atomic_mass(element))
