#!/usr/bin/env bash
# One would guess that larch, which opens and writes Athena's project files, normalises a scan by the post-edge polynomial
# that Athena had: of Athena's default, "normalization order" 3, a quadratic one.
#
# What happens: bkg_nnorm in a project counts terms (1 a constant, 2 a line, 3 a parabola; Demeter's own template for larch
# passes nnorm = bkg_nnorm - 1), larch's nnorm is a degree, and larch moves the number from one to the other unchanged, both
# ways. So of Athena's default larch fits a cubic, and a scan that larch normalised by a parabola is one with a line in
# Athena. The edge step, by which χ(k) is divided, changes by per cents. Who writes a project for both has to fix the step
# (bkg_fixstep, bkg_step), which Athena heeds.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q xraylarch==2026.3.1 numpy==2.4.6 2>/dev/null
cd "$scratch"
"$scratch/venv/bin/python" - <<'PYTHON' 2>/dev/null
import gzip
from importlib.metadata import version
from pathlib import Path

import numpy as np
from larch import Group
from larch.io import AthenaProject, read_athena
from larch.xafs import pre_edge

print("xraylarch", version("xraylarch"))
energy = np.arange(8800.0, 9700.0, 1.0)
above = np.clip(energy - 8980.0, 0, None)
mu = 0.2 + (0.5 + np.arctan((energy - 8980) / 1.5) / np.pi) * (1.0 - 6e-4 * above + 1.2e-6 * above**2 - 1.1e-9 * above**3)
mu = mu + 0.05 * np.sin(above / 25) * np.exp(-above / 200)


def opened(terms: int) -> Group:
    """A scan of a project in which Athena's polynomial has so many terms, as larch opens it."""
    group = Group(energy=energy, mu=mu, __name__="scan")
    pre_edge(group, e0=8980, norm1=100, norm2=700, nnorm=2)
    project = AthenaProject("scan.prj")
    project.add_group(group)
    project.save()
    text = gzip.decompress(Path("scan.prj").read_bytes()).decode()
    assert "'bkg_nnorm', '2'" in text, "larch writes a parabola as other than 2 now"
    Path("scan.prj").write_text(text.replace("'bkg_nnorm', '2'", f"'bkg_nnorm', '{terms}'"))
    return next(item for item in vars(read_athena("scan.prj", do_bkg=False)).values() if hasattr(item, "mu"))


steps = {}
for terms, name in ((2, "line"), (3, "parabola")):
    scan, own = opened(terms), Group(energy=energy, mu=mu)
    pre_edge(own, e0=8980, norm1=100, norm2=700, nnorm=terms - 1)
    degree = int(scan.pre_edge_details.nnorm)
    steps[name] = float(scan.edge_step), float(own.edge_step)
    print(f"bkg_nnorm {terms}, a {name} in Athena: larch fits degree {degree}, edge step {scan.edge_step:.4f},"
          f" by a {name} {own.edge_step:.4f}")
    assert degree == terms, "larch takes bkg_nnorm for a number of terms now"
assert max(abs(found / own - 1) for found, own in steps.values()) > 0.005, "the edge step hardly changes"
print("written by larch: nnorm 2, a parabola, as bkg_nnorm 2, a line in Athena")
PYTHON
