"""Points that were measured twice, almost: two hundred foils with one more reading where regions of a scan join.

    python benchmarks/near_duplicates.py [FOLDER]

One to three points of a foil come a second time, 0.0001 to 0.03 eV on, and 0.03 to 1 % of the edge step apart. Printed
is by how much k²χ (k = 3–12 Å⁻¹, root mean square) is off from the undamaged scan's behind the gate.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from exafsnn.measure.scans import measure_all
from exafsnn.read.scan import read_one
from exafsnn.records import ChiK, Spectrum
from exafsnn.run.repeats import apart_of
from exafsnn.settings import BackgroundSettings

FOILS = (
    "fe/Fe_metal_rt_02.xdi", "fe/fe.060", "fe/fe.300", "cu/cu_metal_10K.xdi", "cu/cu_metal_rt.xdi", "cu/cu050k.dat",
    "metals/Ni_metal_rt_01.xdi", "metals/V_foil.xdi", "metals/W_metal_rt_01.xdi", "metals/pt_metal_rt.xdi",
)  # fmt: skip
EACH = 20
GAP, APART = (1e-4, 0.03), (3e-4, 0.01)
"""[eV], and edge steps."""
OFF = 0.01


def main(folder: str = os.environ.get("EXAFSNN_DATA_DIR", "../shared/spectra")) -> None:
    """Print what becomes of them."""
    rows = []
    for number, name in enumerate(FOILS):
        spectrum, rng = read_one(Path(folder) / name), np.random.default_rng(number)
        (clean,) = measure_all([spectrum], BackgroundSettings())
        if not isinstance(clean, ChiK):
            raise clean
        damaged = [with_repeats(spectrum, clean, rng) for _ in range(EACH)]
        found = measure_all(damaged, BackgroundSettings())
        rows += [(apart_of(clean, chi)[0] if isinstance(chi, ChiK) else None, told(chi)) for chi in found]
        print(f"{name}: {EACH} scans", file=sys.stderr)
    kept = [off for off, _ in rows if off is not None]
    wrong = [said for off, said in rows if off is not None and off > OFF]
    print(f"{len(rows)} scans: {len(rows) - len(kept)} rejected, the others off by {max(kept):.2%} at most")
    print(f"{len(wrong)} off by more than {OFF:.0%}, {len(wrong) - sum(wrong)} of them silent")


def with_repeats(spectrum: Spectrum, chi: ChiK, rng: np.random.Generator) -> Spectrum:
    """The scan with one to three readings more."""
    among = np.flatnonzero((spectrum.energy > chi.e0 + 35) & (spectrum.energy < chi.e0 + 500))
    rows = np.sort(rng.choice(among[:-1], rng.integers(1, 4), replace=False))
    gaps = np.exp(rng.uniform(*np.log(GAP), len(rows)))
    apart = chi.edge_step * np.exp(rng.uniform(*np.log(APART), len(rows))) * rng.choice([-1, 1], len(rows))
    energy = np.insert(spectrum.energy, rows + 1, spectrum.energy[rows] + gaps)
    return replace(spectrum, energy=energy, mu=np.insert(spectrum.mu, rows + 1, spectrum.mu[rows] + apart))


def told(chi: ChiK | Exception) -> bool:
    """Whether anything is said of repeated points."""
    return not isinstance(chi, ChiK) or any(finding.name == "measured-twice" for finding in chi.findings)


if __name__ == "__main__":
    main(*sys.argv[1:])
