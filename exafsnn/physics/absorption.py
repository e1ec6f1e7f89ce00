"""A free atom's absorption above its edge: what turns theory's χ(k) into that of a measurement.

Theory divides the fine structure by the atomic absorption at each energy, a measurement divides it by the edge step.
The atomic absorption falls meanwhile, so that a measured χ(k) decays as if σ² were larger (the McMaster correction).
"""

from __future__ import annotations

import numpy as np

from exafsnn.constants import K2_PER_EV
from exafsnn.records import Array


def atomic_fall(element: str, edge: str, k: Array) -> Array:
    """Atomic absorption over its value at the edge: the factor of a measured χ(k) that theory lacks.

    The photoelectric cross section falls as a power of the energy, here that of Elam, Ravel & Sieber, Radiat. Phys.
    Chem. 63, 121 (2002), between 10 and 100 eV above the edge.

    Parameters
    ----------
    k
        (m,) wavenumbers [Å⁻¹].

    Returns
    -------
    Array
        (m,), 1 at k = 0.
    """
    import xraydb

    energy = float(xraydb.xray_edge(element, edge).energy)
    near, far = energy + 10.0, energy + 100.0
    low, high = (float(xraydb.mu_elam(element, value, kind="photo")) for value in (near, far))
    power = np.log(high / low) / np.log(far / near)
    fall: Array = (1.0 + k**2 / K2_PER_EV / energy) ** power
    return fall
