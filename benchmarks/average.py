"""``average`` against a plain loop over FEFF8.5L: the same 100 absorbers, one run.

    python benchmarks/average.py [SITES]

The loop reuses the potentials, as anyone would, and runs FEFF's own path finder with every filter off, then its path
modules, for each absorber. ``average`` sums the same paths by its own matrices, whose tables it makes once. Both
take paths of up to four legs and 6 Å (half length), with a sharp end. The sample is a simulated one: copper whose
atoms are displaced at random, 0.065 Å along each axis, about room temperature. Processor time, FEFF's included.
Compared at FEFF's own energies, since between them FEFF joins amplitudes and phases by straight lines.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from exafsnn.physics.feff import FeffTreatment, Potentials, program_folder, read_phases
from exafsnn.simulate.average import AverageSettings, SiteTheory, make_theory
from exafsnn.simulate.frames import Frame
from exafsnn.simulate.sites import LIBRARY_K
from exafsnn.simulate.structures import crystal

REACH, SIGMA = 6.0, 0.065
USED = (LIBRARY_K >= 3.0) & (LIBRARY_K <= 14.0)


def processor() -> float:
    """Seconds that this process and its children have calculated."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def size(chi: np.ndarray, used: np.ndarray = USED) -> float:
    """Root mean square of k²χ."""
    return float(np.sqrt(np.mean((LIBRARY_K**2 * chi)[..., used] ** 2)))


def energies(potentials: Potentials) -> np.ndarray:
    """Which of ``LIBRARY_K`` are energies of FEFF."""
    return USED & np.isin(LIBRARY_K, np.round(read_phases(potentials).k, 6))


def of_site(theory: SiteTheory, positions: np.ndarray, settings: AverageSettings) -> np.ndarray:
    """(2, m) single and multiple scattering of one site of one element, to a sharp end."""
    r = np.linalg.norm(positions, axis=1)
    inside = positions[r <= settings.reach]
    single = theory.kernel(0, r[r <= settings.far]).sum(axis=1)
    return np.array([single, theory.multiple(inside, np.ones(len(inside), dtype=int), settings)])


def of_feff(potentials: Potentials, positions: np.ndarray, reach: float = REACH) -> np.ndarray:
    """χ(k) of one cluster by FEFF8.5L alone, filters off."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for item, content in potentials.files.items():
            (folder / item).write_bytes(content)
        atoms = [f"{x:.6f} {y:.6f} {z:.6f} {min(i, 1)}" for i, (x, y, z) in enumerate(positions)]
        lines = ["TITLE loop", "HOLE 1 1.0", "EXCHANGE 0 0.0 0.0", "NLEG 4", "CONTROL 0 0 0 1 1 1", "PRINT 0 0 0 0 0 0"]
        lines += ["EXAFS 18", f"RPATH {reach}", "CRITERIA 0.0 0.0", "POTENTIALS", "0 29 Cu", "1 29 Cu", "ATOMS", *atoms]
        (folder / "feff.inp").write_text("\n".join([*lines, "END", ""]))
        for program in ("rdinp", "pathfinder", "genfmt", "ff2x"):
            subprocess.run([program_folder() / f"feff8l_{program}"], cwd=folder, capture_output=True, check=True)
        table = np.loadtxt(folder / "chi.dat")
    return np.interp(LIBRARY_K, table[:, 0], table[:, 1])


def main(sites: int = 100) -> None:
    """Print both rates, and how far the means are apart."""
    rng = np.random.default_rng(7)
    atoms = crystal("fcc", 3.63, element="Cu")
    moved = atoms.positions + rng.normal(0, SIGMA, atoms.positions.shape)
    frame = Frame(moved, np.asarray(atoms.cell), (True,) * 3, tuple(atoms.get_chemical_symbols()))
    settings = AverageSettings(reach=REACH, far=REACH, fade=0.0)
    treatment = FeffTreatment(name="atoms-hl", scf_radius=0.0)  # of no matter here: both use its potentials
    theory = make_theory(frame, "Cu", "K", settings, treatment)
    spheres = list(frame.spheres(rng.permutation(len(atoms))[:sites], REACH + 0.7))
    torch.set_num_threads(1)
    start = processor()
    of_site(theory, spheres[0][0], settings)  # makes the tables
    begun = processor()
    parts = np.array([of_site(theory, positions, settings) for positions, _ in spheres])  # [site, part, k]
    end = processor()
    loop = np.array([of_feff(theory.potentials, np.vstack([np.zeros(3), positions])) for positions, _ in spheres])
    plain, spent, whole = (processor() - end) / sites, (end - begun) / sites, end - start
    mean, off = loop.mean(axis=0), parts.sum(axis=1).mean(axis=0) - loop.mean(axis=0)
    at = energies(theory.potentials)
    print(f"{sites} absorbers, processor time a site: loop {plain:.2f} s, average {spent:.3f} s")
    print(f"ratio {plain * sites / whole:.1f} with the {begun - start - spent:.1f} s of the tables")
    print(f"means apart, of k²χ, k 3-14: {size(off, at) / size(mean, at):.3%} at FEFF's energies")
    print(f"{size(off) / size(mean):.2%} on all k, between which FEFF interpolates")
    errors = [size(part.std(axis=0)) / np.sqrt(sites) / size(mean) for part in (loop, parts[:, 1])]
    print(f"sampling error of so many sites: plain {errors[0]:.1%}, with the control variate {errors[1]:.1%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
