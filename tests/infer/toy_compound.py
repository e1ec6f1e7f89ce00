"""A joint model of a compound that is made of formulae: fluorite's shells, the textbook's χ(k), networks that know one
RDF. Nothing of it is trained, so that the truth is known, and what a fit finds is the fit's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from exafsnn.learn.atlas import Atlas
from exafsnn.learn.dataset import StateBank
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.joint_file import save_joint
from exafsnn.learn.model_file import save_model
from exafsnn.learn.network import NetworkSettings, shapes
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.records import ChiK
from exafsnn.simulate.sites import LIBRARY_K, RDF_EDGES

ELEMENTS = ("Sr", "Br")
CONSTANT = 5.6
SHELLS = {
    "Sr": {"Br": ((8, 0.4330), (24, 0.8292)), "Sr": ((12, 0.7071), (6, 1.0))},
    "Br": {"Sr": ((4, 0.4330), (12, 0.8292)), "Br": ((6, 0.5), (12, 0.7071), (8, 0.8660), (6, 1.0))},
}
"""Neighbours, and their distances in lattice constants: one Sr for two Br."""
RANGES = {"first": (2.0, 3.2), "Sr": (3.3, 4.3), "Br": (2.1, 3.3)}
PAIRS = PairSettings(e0=0.0, e0_range=4.0, amplitude=0.9, amplitude_std=0.08, r_step=0.06, smoothing=0.05)
NETWORK = NetworkSettings(hidden=4, layers=1, recognise=2)
FEATURES = FeatureSettings(kmin=3.0, kmax=13.0)
R = PAIRS.bins()
_PHASE = {"Sr": 1.0, "Br": 2.2}
_STATES = 30
_SIZE = {"Sr": 6.2, "Br": 4.3}
"""Root mean square of what the networks see of them."""


def density_of(absorber: str, state: tuple[float, float, float], r: np.ndarray = R) -> np.ndarray:
    """(c,) n(r) [Å⁻¹] around an absorber, those of its unlike neighbours first, smoothed as all RDFs of a model."""
    (constant, sigma2, occupied), found = state, []
    for element in neighbours_of(absorber):
        rows = np.zeros_like(r)
        for count, place in SHELLS[absorber][element]:
            variance = sigma2 * (1 + (place > 0.45)) + PAIRS.smoothing**2
            peak = np.exp(-0.5 * (r - place * constant) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
            rows += occupied * count * peak
        found.append(rows)
    return np.concatenate(found)


def neighbours_of(absorber: str) -> list[str]:
    return [next(element for element in ELEMENTS if element != absorber), absorber]


def kernel_of(absorber: str, k: np.ndarray, r: np.ndarray = R) -> np.ndarray:
    """(m, c) χ(k) of one atom per Å in each cell, times the bin; the smoothing is undone."""
    k = k[:, None]
    cells = [
        np.exp(-(((k - 7) / 5) ** 2)) * np.sin(2 * k * r + _PHASE[element] - 0.3 * k) * 4 / (k * r**2)
        for element in neighbours_of(absorber)
    ]
    return np.concatenate(cells, axis=1) * (r[1] - r[0]) * np.exp(2 * k**2 * PAIRS.smoothing**2)


def states() -> list[tuple[float, float, float]]:
    """Lattice constant, σ² and occupation of the states that are known; a third of them lack atoms."""
    rng = np.random.default_rng(0)
    some = [(CONSTANT * rng.uniform(0.98, 1.02), rng.uniform(0.003, 0.012), 1.0) for _ in range(_STATES)]
    return [(a, sigma2, rng.uniform(0.7, 0.95) if row % 3 == 2 else 1.0) for row, (a, sigma2, _) in enumerate(some)]


def save_toy(folder: Path, composition: tuple[float, float] | None = (1.0, 2.0)) -> Path:
    """Write both parts, and the joint model ``toy``."""
    for absorber in ELEMENTS:
        save_part(folder / f"toy-{absorber.lower()}.safetensors", absorber)
    save_joint(folder / "toy.json", ("toy-sr", "toy-br"), composition)
    return folder / "toy.json"


def save_part(path: Path, absorber: str, **changes: object) -> None:
    """Write the model of one edge; ``changes`` are of what its JSON says."""
    rows = np.array([density_of(absorber, state) for state in states()])
    atlas = Atlas(
        torch.from_numpy(R), torch.from_numpy(rows), ("fluorite",) * len(rows),
        torch.tensor([state[0] for state in states()]), torch.tensor([state[2] == 1.0 for state in states()]),
    )  # fmt: skip
    cells, points = rows.shape[1], len(FEATURES.k_grid())
    tensors = {f"member0.{key}": value for key, value in _network(rows.mean(axis=0), absorber).items()}
    zeros = {
        "layers.0.weight": (2, cells), "layers.0.bias": (2,), "layers.2.weight": (2, 2), "layers.2.bias": (2,),
        "layers.4.weight": (1, 2), "layers.4.bias": (1,), "mean": (cells,), "rest_mean": (points,),
        "rest_basis": (1, points),
    }  # fmt: skip
    tensors |= {f"forward.{key}": torch.zeros(shape) for key, shape in zeros.items()}
    tensors |= {
        "forward.kernel": torch.from_numpy(kernel_of(absorber, FEATURES.k_grid())), "forward.scale": torch.ones(cells),
        "forward.k": torch.from_numpy(FEATURES.k_grid()), "forward.errors": torch.full((2, points), 1e-3),
    }  # fmt: skip
    tensors |= {f"errors.{kind}": torch.full((3, cells), 0.5) for kind in ("blind", "reference")}
    tensors |= {f"atlas.{key}": value for key, value in atlas.tensors().items()}
    unlike, own = neighbours_of(absorber)
    library = {"states": len(rows), "plan": {"families": [{"phase": "fluorite", "count": len(rows)}]}}
    info = {
        "absorber": absorber, "edge": "K", "neighbours": [unlike, own], "members": 1, "pairs": PAIRS.to_mapping(),
        "ranges": {"first": RANGES["first"], f"first {absorber}-{own}": RANGES[absorber]}, "misfit_limit": 0.5,
        "features": FEATURES.to_mapping(), "network": NETWORK.to_mapping(), "optimiser": {}, "held_out_states": [],
        "library": library, "versions": {}, "background": {}, "atlas": atlas.info(), "intervals": {}, "domain": {},
    }  # fmt: skip
    save_model(path, info | changes, tensors)


def _network(density: np.ndarray, absorber: str) -> dict[str, torch.Tensor]:
    """Tensors of a network that answers with one RDF, but for its size, and 20 % of it as the spread."""
    found = {name: torch.zeros(shape) for name, shape in shapes(FEATURES.width, len(density), NETWORK).items()}
    wanted = torch.from_numpy(np.maximum(density, 0.01) / 4)
    found["density.bias"] = wanted.expm1().log()
    found["widen.bias"] = torch.from_numpy(np.log(0.2 * np.maximum(density, 0.05)))
    found["recognise.2.bias"][0] = float(np.log(density.mean())) - 2.0
    found["size"] += _SIZE[absorber]
    return found


def measured(
    absorber: str, constant: float = CONSTANT, sigma2: float = 0.006, noise: float = 3e-4, seed: int = 1
) -> ChiK:
    """χ(k) as the model's own theory has it, times S₀² = 0.9, with noise."""
    k = np.arange(0.0, 13.5, 0.05)
    inner = FEATURES.k_grid()
    chi = 0.9 * kernel_of(absorber, inner) @ density_of(absorber, (constant, sigma2, 1.0))
    on_grid = np.interp(k, inner, chi, left=0.0) + noise * np.random.default_rng(seed).standard_normal(len(k))
    return ChiK(
        k=k, chi=on_grid, absorber=absorber, edge="K", noise=noise, e0=0.0, edge_step=1.0, k_max_usable=12.5,
        source=f"simulated {absorber}",
    )  # fmt: skip


def bank_of(absorber: str) -> StateBank:
    """The states as a library has them, seen from an absorber."""
    r, known = 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1]), states()
    rows = np.array([density_of(absorber, state, r) for state in known])
    kernels = kernel_of(absorber, LIBRARY_K, r).reshape(len(LIBRARY_K), 2, -1)
    chi = np.einsum("spr,kpr->spk", rows.reshape(len(rows), 2, -1), kernels)  # [state, pair, k]
    whole, count = np.array([state[2] == 1.0 for state in known]), len(known)
    names = (("fluorite",) * count, whole, ("fluorite",) * count, ("one",) * count)
    numbers = (np.array([state[0] for state in known]), np.full(count, 300.0), tuple(range(count)))
    gain, envelope = np.ones((count, len(LIBRARY_K))), LIBRARY_K * np.exp(-0.01 * LIBRARY_K**2)
    parts = np.concatenate([chi, 0 * chi], axis=1)
    return StateBank(
        LIBRARY_K, parts, rows.reshape(count, 2, -1), r, *names, *numbers, gain, envelope, 0.0, chi,
        np.zeros(count, dtype=bool), np.zeros(count),
    )  # fmt: skip
