#!/usr/bin/env bash
# One would guess that FEFF8.5L's self-consistent potentials, once they end without complaint, hold each atom's valence
# electrons, and that the self-energy chosen by EXCHANGE, which acts on the photoelectron, changes nothing of that.
#
# What happens: for gallium arsenide with EXCHANGE 5 the arsenic neighbours of an arsenic absorber end with 0.3, 6.3 and
# 8.3 electrons of s, p and d kind instead of 1.8, 3.0 and 0.2: the 3d level is counted among the valence, the charge
# transfer printed (0.1) looks sound, FEFF exits with 0, and the backscattering of arsenic comes out wrong by radians. With
# EXCHANGE 0 the same input is right. So the N_el table that `pot` prints is worth reading: two potentials of one
# element should hold about the same.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q xraylarch==2026.3.1 2>/dev/null
cd "$scratch"
"$scratch/venv/bin/python" - <<'PYTHON'
import importlib.util
import re
import subprocess
from importlib.metadata import version
from itertools import product
from pathlib import Path

print("xraylarch", version("xraylarch"))
programs = Path(importlib.util.find_spec("larch").origin).parent / "bin" / "linux64"
a = 5.6533
corners = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
atoms = []
for cell in product(range(-2, 3), repeat=3):
    for corner in corners:
        for shift, potential in ((0.0, 2), (0.25, 1)):
            place = [a * (c + x + shift) for c, x in zip(cell, corner, strict=True)]
            r = sum(x * x for x in place) ** 0.5
            if r < 7.0:
                atoms.append((r, place, 0 if r < 0.1 else potential))
lines = ["{:.6f} {:.6f} {:.6f} {}".format(*place, potential) for _, place, potential in sorted(atoms)]
held = {}
for exchange in (0, 5):
    folder = Path(f"exchange{exchange}")
    folder.mkdir()
    cards = ["TITLE GaAs", "HOLE 1 1.0", f"EXCHANGE {exchange} 0.0 0.0", "CONTROL 1 0 0 0 0 0", "AFOLP 1.15"]
    cards += ["SCF 4.0 0 40 0.2 1", "EXAFS 18.0", "RPATH 6.0", "POTENTIALS", "0 33 As", "1 31 Ga", "2 33 As", "ATOMS"]
    (folder / "feff.inp").write_text("\n".join([*cards, *lines, "END", ""]))
    for program in ("feff8l_rdinp", "feff8l_pot"):
        done = subprocess.run([programs / program], cwd=folder, capture_output=True, text=True, check=True)
    found = re.findall(r"^ +(\d+) +(\d) +(\d+\.\d{3}) *$", done.stdout, re.MULTILINE)
    last = {(int(potential), int(momentum)): float(electrons) for potential, momentum, electrons in found}
    held[exchange] = [last[2, momentum] for momentum in range(3)]
    print(f"EXCHANGE {exchange}: arsenic as neighbour holds s, p, d", held[exchange], "exit code", done.returncode)
assert held[0][1] < 4 and held[0][2] < 1, "with EXCHANGE 0 it is no longer right"
assert held[5][1] > 5.5 and held[5][2] > 5, "with EXCHANGE 5 it is right now"
PYTHON
