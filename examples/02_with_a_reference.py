"""
A standard of known structure
=============================

It fixes amplitude and energy zero; here it is the first scan of a heating series.
"""

import sys
from pathlib import Path

import exafsnn
from exafsnn.infer.reference import calibrate

folder = Path(sys.argv[0]).resolve().parents[1] / "spectra"

model = exafsnn.load_model("fe-k")
reference = calibrate(model, exafsnn.read(folder / "fe_0300K.dat").to_chi(), "bcc:2.8667")
print(f"S₀² = {reference.amplitude:.3f} ± {reference.amplitude_std:.3f}, ΔE₀ = {reference.delta_e0:.2f} eV")

for name in ("fe_0700K.dat", "fe_1180K.dat", "fe_1190K.dat", "fe_1400K.dat"):
    shell = model.predict(exafsnn.read(folder / name).to_chi(), reference).shells["first"]
    print(f"{name}: N = {shell.coordination:.2f} ± {shell.coordination_std:.2f}, R = {shell.distance:.4f} Å")
