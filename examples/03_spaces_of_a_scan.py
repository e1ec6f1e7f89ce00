"""
χ(k), χ(R), χ(q) and wavelets
=============================

larch's transforms, by any k weight and window.
"""

import sys
from pathlib import Path

import numpy as np

import exafsnn

scan = Path(sys.argv[0]).resolve().parents[1] / "spectra" / "fe_0300K.dat"
chi = exafsnn.read(scan).to_chi()
chi.plot()

# %%
# Magnitude and real part of χ(R), at k weight 3:

chi_r = chi.to_r(kweight=3, window="kaiser")
chi_r.plot()

# %%
# The first peak, brought back to k:

chi_q = chi_r.to_q(1.4, 2.9)
print(f"N of points: {len(chi_q.q)}, largest k³χ(q): {np.abs(chi_q.values).max():.1f} Å⁻³")

# %%
# Where in k which distance scatters:

chi.wavelet().plot()
