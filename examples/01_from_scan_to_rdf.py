"""
From a raw scan to n(r)
=======================

In three lines; the scan is one of the simulated ones.
"""

import sys
from pathlib import Path

import exafsnn

scan = Path(sys.argv[0]).resolve().parents[1] / "spectra" / "fe_0300K.dat"

chi = exafsnn.read(scan).to_chi()
prediction = exafsnn.load_model("fe-k").predict(chi)
shell = prediction.rdf.shell("Fe-Fe", 1.9, 3.3)

print(f"N  = {shell.coordination:.2f} ± {shell.coordination_std:.2f}")
print(f"R  = {shell.distance:.4f} ± {shell.distance_std:.4f} Å")
print(f"σ² = {shell.sigma2:.4f} ± {shell.sigma2_std:.4f} Å²")
print(f"R-factor {prediction.misfit:.3f}, in the model's domain: {prediction.in_domain}")

# %%
# n(r) with the shells that it shows:

prediction.plot()

# %%
# What it implies, beside what was measured:

prediction.plot(space="k")
