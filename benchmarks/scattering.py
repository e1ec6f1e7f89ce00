"""The sum of all scattering paths against FEFF: how much cheaper, and how near.

    python benchmarks/scattering.py [SITES]

Sites of copper, platinum (L3) and nickel oxide, atoms displaced at random by 0.06 Å per axis; potentials without
self-consistency. FEFF8.5L gets the list of all paths of up to four legs, each and its reverse once, with no filter;
ours are summed by ``physics.all_paths``. CPU seconds of one thread, the programs that FEFF starts included, so that
only their ratio counts. Differences are rms of k²χ(k), k 2.5–16 Å⁻¹: at FEFF's own energies, and on a grid of 0.05 Å⁻¹
where FEFF joins its energies by straight lines.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list

from exafsnn.physics.all_paths import chi_of_site
from exafsnn.physics.feff import FeffTreatment, PathSummer, ScatteringPath, make_potentials, read_phases
from exafsnn.physics.path_tables import make_path_tables
from exafsnn.physics.paths import three_atom_paths

K = np.round(np.arange(2.0, 16.001, 0.05), 6)
CASES = (
    ("Cu", bulk("Cu", cubic=True), ["Cu", "Cu"], "K", 6.0),
    ("Cu", bulk("Cu", cubic=True), ["Cu", "Cu"], "K", 6.5),
    ("NiO", bulk("NiO", "rocksalt", a=4.177, cubic=True), ["Ni", "Ni", "O"], "K", 5.5),
    ("NiO", bulk("NiO", "rocksalt", a=4.177, cubic=True), ["Ni", "Ni", "O"], "K", 6.0),
    ("Pt", bulk("Pt", cubic=True), ["Pt", "Pt"], "L3", 6.0),
)


def site(crystal: Atoms, symbols: list[str], reach: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) around the first atom, and their potentials."""
    atoms = crystal * (4, 4, 4)
    atoms.positions += np.random.default_rng(seed).normal(0.0, 0.06 if seed else 0.0, atoms.positions.shape)
    centre, other, vector = neighbor_list("ijD", atoms, reach)
    mine = centre == 0
    numbers = [symbols.index(atoms[int(n)].symbol, 1) for n in other[mine]]
    return np.round(vector[mine], 6), np.array(numbers)


def all_paths(positions: np.ndarray, numbers: np.ndarray, reach: float) -> list[ScatteringPath]:
    """Every path of up to four legs; reverses are not listed, they count twice."""
    points, kinds = np.vstack([np.zeros(3), positions]), np.array([0, *numbers])
    r, between = np.linalg.norm(points, axis=1), np.linalg.norm(points[:, None] - points[None], axis=2)
    rows: list[tuple[tuple[int, ...], float]] = [((i,), 1.0) for i in range(1, len(points))]
    for i in range(1, len(points)):
        for j in range(1, len(points)):
            if i < j and r[i] + between[i, j] + r[j] <= 2 * reach:
                rows.append(((i, j), 2.0))
            if i != j and r[i] + between[i, j] <= reach:
                rows.append(((i, j, i), 1.0))
            if i <= j and r[i] + r[j] <= reach:
                rows.append(((i, 0, j), 2.0 if i < j else 1.0))
    rows += [(tuple(row), 2.0) for row in three_atom_paths(points, reach)]
    return [ScatteringPath(points[list(row)], tuple(int(n) for n in kinds[list(row)]), w) for row, w in rows]


def children() -> float:
    """CPU seconds of the programs that ended so far."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(sites: int = 1) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| site | reach [Å] | paths | FEFF [s] | ours [s] | ratio | at FEFF's energies | between | tables [s] |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, crystal, symbols, edge, reach in CASES:
        positions, numbers = site(crystal, symbols, 6.0, 0)
        cluster, kinds = np.vstack([np.zeros(3), positions]), [0, *numbers]
        treatment = FeffTreatment(name="atoms-hl", scf_radius=0.0)
        potentials = make_potentials(cluster, symbols, treatment, edge=edge, feff_numbers=kinds)
        start = time.process_time()
        tables = make_path_tables(potentials, K, reach=reach)
        build = time.process_time() - start
        theirs, ours, feff, own, count = [], [], 0.0, 0.0, 0
        for seed in range(1, sites + 1):
            positions, numbers = site(crystal, symbols, reach, seed)
            where, what = torch.from_numpy(positions), torch.from_numpy(numbers)
            with torch.no_grad():
                start = time.process_time()
                ours.append(chi_of_site(tables, where, what).total.numpy())
                own += time.process_time() - start
            paths = all_paths(positions, numbers, reach)
            count += len(paths)
            start = children()
            with PathSummer(potentials) as summer:
                theirs.append(summer.chi(paths, K))
            feff += children() - start
        wave = K**2 * np.array(theirs)
        error = K**2 * np.array(ours) - wave
        between = K >= 2.5
        at = between & np.isin(K, np.round(read_phases(potentials).k, 6))
        off = [np.sqrt((error[:, use] ** 2).mean() / (wave[:, use] ** 2).mean()) for use in (at, between)]
        costs = f"{feff / sites:.2f} | {own / sites:.3f} | {feff / own:.0f}"
        row = f"| {name} {edge} | {reach:.1f} | {count // sites} | {costs} |"
        row += f" {off[0]:.2%} | {off[1]:.2%} | {build:.1f} |"
        print(row, flush=True)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
