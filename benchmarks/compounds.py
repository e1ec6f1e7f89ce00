"""Do atoms of a compound move as they were measured? χ(k) of its simulated motion against a scan.

    python benchmarks/compounds.py zincblende:5.6687 ZnSe Zn ../shared/spectra/znse/zn_znse_rt.xdi

For each set of chgnet's weights and some T′: the mean of 30 sites with all paths to 6 Å, single scattering from all
sites of all frames, and four free parameters (S₀², ΔE₀, one Δσ², one stretch). R-factor of k²χ, k 3–13 Å⁻¹, R 1–5 Å.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np
from scipy.optimize import least_squares

import exafsnn
from exafsnn.constants import K2_PER_EV
from exafsnn.physics.feff import FeffTreatment, PathSummer, Potentials, ScatteringPath, make_potentials
from exafsnn.physics.fourier import transform_matrix
from exafsnn.physics.paths import three_atom_paths
from exafsnn.simulate.cells import UnitCell, supercell
from exafsnn.simulate.force_constants import WEIGHTS, ForceConstantSettings, force_constants_of
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.vibrations import Motion, moving, trajectory_from

REACH, FAR, SITES, FRAMES = 6.0, 8.0, 30, 40
K = np.arange(0.0, 16.01, 0.05)
BINS = np.arange(1.5, FAR + 0.01, 0.02)


def potentials_of(cell: UnitCell, absorber: str, elements: list[str], edge: str) -> Potentials:
    """FEFF's potentials: the absorber's own, and one for each element."""
    box = supercell(cell.atoms, 2 * FAR)
    still = trajectory_from(box, box.positions[None], "", {})
    ((around, owners),) = still[0].spheres([still.symbols.index(absorber)], FAR)
    numbers = [0, *(1 + elements.index(still.symbols[owner]) for owner in owners)]
    positions = np.vstack([np.zeros(3), around])
    return make_potentials(positions, (absorber, *elements), FeffTreatment(), edge=edge, feff_numbers=numbers)


def multiple_paths(positions: np.ndarray, numbers: np.ndarray) -> Iterator[ScatteringPath]:
    """All paths of up to four legs and half a length of ``REACH``, but for single scattering."""
    r = np.linalg.norm(positions, axis=1)
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    routes = [([i, 0, i], 1.0, 2 * r[i]) for i in range(1, len(r))]
    for i in range(1, len(r)):
        routes += [([i, j, i], 1.0, r[i] + apart[i, j]) for j in range(1, len(r)) if j != i]
        routes += [([i, j], 2.0, (r[i] + apart[i, j] + r[j]) / 2) for j in range(1, i)]
        routes += [([i, 0, j], 2.0, r[i] + r[j]) for j in range(1, i)]
    routes += [(list(row), 2.0, 0.0) for row in three_atom_paths(positions, REACH)]
    for route, degeneracy, half in routes:
        if half <= REACH:
            yield ScatteringPath(positions[route], tuple(int(n) for n in numbers[route]), degeneracy)


def mean_chi(trajectory: Trajectory, absorber: str, elements: list[str], summer: PathSummer) -> np.ndarray:
    """(m,) mean χ(k) of the absorbers: single scattering of all of them, the rest of some."""
    kinds = np.array([elements.index(symbol) for symbol in trajectory.symbols])
    sites = np.flatnonzero(np.array(trajectory.symbols) == absorber)
    counts = sum(frame.distance_counts(BINS, sites, kinds) for frame in trajectory) / (len(trajectory) * len(sites))
    middle = 0.5 * (BINS[1:] + BINS[:-1])
    single = [
        ScatteringPath(np.array([[0.0, 0.0, middle[b]]]), (int(kind) + 1,), float(counts[kind, b]))
        for kind, b in np.argwhere(counts > 5e-4)
    ]
    rng, rest = np.random.default_rng(2), []
    for _ in range(SITES):
        site = int(rng.choice(sites))
        ((around, owners),) = trajectory[int(rng.integers(len(trajectory)))].spheres([site], REACH)
        numbers = np.array([0, *(1 + kinds[owners])])
        rest.append(summer.chi(list(multiple_paths(np.vstack([np.zeros(3), around]), numbers)), K))
    return summer.chi(single, K) + np.mean(rest, axis=0)


def fitted(chi: np.ndarray, scan: exafsnn.ChiK) -> tuple[float, np.ndarray]:
    """R-factor, and S₀², ΔE₀ [eV], Δσ² [Å²], stretch."""
    rise, fall = (np.sin(np.pi / 2 * np.clip(x, 0, 1)) ** 2 for x in (scan.k - 2.5, 13.5 - scan.k))
    weight = (rise * fall * scan.k**2)[:, None] * transform_matrix(scan.k, np.arange(1.0, 5.01, 0.03))
    data = scan.chi @ weight

    def residual(p: np.ndarray) -> np.ndarray:
        k = np.sqrt(np.maximum(scan.k**2 - K2_PER_EV * p[1], 0)) * (1 + p[3])
        model = p[0] * np.interp(k, K, chi) * np.exp(-2 * p[2] * scan.k**2)
        return (model @ weight - data) / np.linalg.norm(data)

    tries = [least_squares(residual, [0.9, e0, 0, 0], x_scale=[0.1, 1, 1e-3, 3e-3]) for e0 in (-7, 0, 5)]
    best = min(tries, key=lambda found: found.cost)
    return 2 * float(best.cost), best.x


def main(structure: str, formula: str, absorber: str, path: str) -> None:
    """Print a row for each set of weights, T′ and asymmetry."""
    cell = UnitCell.named(structure, formula)
    scan = exafsnn.read(path).to_chi()
    elements = sorted(cell.composition)
    print("weights  T'  alpha  R-factor    S02    dE0  dsigma2  stretch")
    with PathSummer(potentials_of(cell, absorber, elements, scan.edge)) as summer:
        for weights in WEIGHTS:
            solid = force_constants_of(cell.atoms, ForceConstantSettings(weights=weights))
            for temperature in (130.0, 160.0, 200.0, 240.0):
                for alpha in (0.0, 1.5):
                    motion = Motion(temperature, FRAMES, alpha)
                    trajectory = moving(solid, motion, np.random.default_rng(1))
                    misfit, p = fitted(mean_chi(trajectory, absorber, elements, summer), scan)
                    told = f"{p[0]:6.3f} {p[1]:+6.2f} {p[2]:+8.5f} {p[3]:+8.4f}"
                    print(f"{weights:7s} {temperature:4.0f} {alpha:5.1f} {misfit:9.4f} {told}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
