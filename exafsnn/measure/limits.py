"""The limits of the quality gate: what is sought where, and what matters."""

from __future__ import annotations

MAX_EDGE_OFFSET = 50.0
"""Beyond this distance [eV] from the tabulated energy an edge is another element's."""

CALIBRATED = 25.0
"""Up to this distance [eV] nobody minds."""

MIN_SHARE = 0.2
"""An edge rises by more than this share of the largest rise of the scan; EXAFS wiggles stay below a tenth."""

MIN_K_MAX = 8.5
"""Shortest usable scan [Å⁻¹]: the shipped models need k to 9."""

MIN_PRE_EDGE = 30.0
"""Shortest pre-edge [eV]."""

FEWEST_POINTS = 10
"""So many energies may be a scan."""

MIN_POINTS, FEW_POINTS = 50, 150

NEXT_EDGE_MARGIN = 20.0
"""A scan ends this far [eV] below the absorber's next edge, or another element's."""

SPIKE, WIDE_SPIKE = 5.0, 15.0
"""Widths [eV] of the running medians that remove spikes before the edge is measured, and before it is sought."""

NEAR_EDGE = 8.0
"""The steepest point lies so near [eV] to that of the curve without spikes."""

ON_EDGE = 10.0
"""A repair nearer to the edge [eV] may shift E₀."""

PRE_EDGE_END = -20.0
"""Up to here [eV from the edge] μ is smooth below it."""

LAST_PRE_EDGE = -12.0
"""Up to here [eV from the edge] at least its own rise is small against steps that were found below it."""

SMALLEST = {"pre-edge": 0.02, "edge": 0.01, "EXAFS": 0.008, "end": 0.01}
"""What is off the curve by less, relative to the edge step, does not matter."""

DOUBT = 0.85
"""Share of its limits at which a detector suspects a scan that it does not see on its own grid, but on one like it."""

LOW_K = 3.2
"""From here on [Å⁻¹] glitches and steps are sought among the oscillations; nothing below is used."""

LAST = 0.6
"""The last stretch [Å⁻¹], where what comes next is not known."""

UNCERTAIN = 0.02 / 3
"""Uncertainty that a repair may leave, as a share of k²χ over ``USED_K`` (root mean square): three of them are 2 %."""

USED_K = (3.0, 12.0)
"""Range of k [Å⁻¹] over which repairs are judged."""

FLANK, FLANK_LIMIT = 3, 20.0
"""Points on either side of a glitch that must be sound: their mean χ² is less than that."""

UNSTEADY, RESTLESS = 0.1, 0.5
"""Unrest below the edge, as a share of the oscillations, that is told; and that is no scan's, beyond its noise …"""

LOUD_K = (4.0, 8.0)
"""… over this range of k [Å⁻¹]."""

MOST = 8
"""Most glitches that a scan may have."""

LARGE = 0.01
"""A step larger than this, relative to the edge's, cannot be left as it is."""

EDGE_OFFSETS = (-4.0, -2.0, 0.0, 2.0, 4.0)
"""Where a foreign edge is sought, from its tabulated energy and the scan's own offset [eV] …"""

EDGE_WIDTH = 1.5
"""… its half width [eV] …"""

GLITCH_SHIFT, EDGE_WIDTHS = 6.0, (0.5, 1.0, 2.0, 4.0)
"""Against a glitch it may lie so far off, and be so wide [eV] …"""

GLITCH_GAIN, GLITCH_MARGIN = 1.12, 80.0
"""… and is none if a glitch explains so much more: a factor, for its shape, and χ² of six free points …"""

FOREIGN, FOREIGN_STRENGTH = 0.008, 5.0
"""… and its least height, relative to the scan's edge, and strength …"""

FOREIGN_GAIN = 20.0
"""… and the χ² that it has to explain beside the scan's own oscillations: chance rarely reaches 15."""
