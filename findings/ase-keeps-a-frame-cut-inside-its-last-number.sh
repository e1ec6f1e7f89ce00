#!/usr/bin/env bash
# One would guess that a trajectory whose writing was cut short either loses its last frame or raises an error when it is
# read: the file ends inside that frame.
#
# What happens: ASE tells a cut of whole lines, but not one inside the last number. Of extxyz, LAMMPS text dumps and
# XDATCAR files that miss their last few bytes it returns all frames without a word, and one coordinate of the last atom
# has lost digits: with the default formats an atom is off by up to an ångström where the decimal point was reached.
# (DCD, read by MDAnalysis, loses that frame in silence instead.) So a reader has to look at how a file ends.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q ase==3.29.0 numpy==2.4.6 2>/dev/null
cd "$scratch"
"$scratch/venv/bin/python" - <<'PYTHON'
import warnings
from pathlib import Path

import ase
import numpy as np
from ase.build import bulk
from ase.io import iread, write

print("ase", ase.__version__)
warnings.simplefilter("error")
crystal = bulk("Cu", cubic=True).repeat(2)
rng = np.random.default_rng(0)
frames = []
for _ in range(4):
    moved = crystal.copy()
    moved.positions += 4.0 + 0.1 * rng.standard_normal(moved.positions.shape)
    frames.append(moved)
dump = "".join(
    "ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\nITEM: BOX BOUNDS pp pp pp\n{}ITEM: ATOMS id element x y z\n{}".format(
        step, len(one), "".join(f"0 {edge:.6f}\n" for edge in one.cell.lengths()),
        "".join(f"{i + 1} Cu {x:.6f} {y:.6f} {z:.6f}\n" for i, (x, y, z) in enumerate(one.positions)),
    )
    for step, one in enumerate(frames)
)
Path("dump.lammpstrj").write_text(dump)
write("frames.extxyz", frames)
write("XDATCAR", frames, format="vasp-xdatcar")
for name, kind in (("frames.extxyz", "extxyz"), ("dump.lammpstrj", "lammps-dump-text"), ("XDATCAR", "vasp-xdatcar")):
    whole = list(iread(name, ":", format=kind))
    content = Path(name).read_text().rstrip("\n")
    last = content.split()[-1]
    Path(name).write_text(content[: -(len(last) - last.index(".") - 1)])  # all decimals of the last number are gone
    cut = list(iread(name, ":", format=kind))
    apart = float(np.abs(cut[-1].positions - whole[-1].positions).max())
    print(f"{kind}: {len(cut)} of {len(whole)} frames, no warning, an atom off by {apart:.2f} Å")
    assert len(cut) == len(whole) == 4, f"{kind}: the cut frame is left out now"
    assert apart > 0.05, f"{kind}: the last number is whole"
PYTHON
