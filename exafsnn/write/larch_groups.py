"""Records → groups of larch, with which its functions and Larix go on: nothing has to be removed or normalised again.

``ChiK.to_larch()`` and ``Spectrum.to_larch()`` are doors to this; ``exafsnn.from_larch`` is the way back.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from exafsnn.records import ChiK, Spectrum

if TYPE_CHECKING:
    from larch import Group

_PRE_EDGE = ("e0", "pre1", "pre2", "norm1", "norm2", "nnorm", "nvict")
_AUTOBK = ("rbkg", "kmin", "kmax", "kstep", "kweight", "dk", "nfft", "clamp_lo", "clamp_hi", "nclamp")


def group_of(record: Spectrum | ChiK) -> Group:
    """The group of a scan: ``energy``, ``mu``; of χ(k) also ``k``, ``chi``, ``e0``, ``edge_step``, ``bkg``, ``norm``.

    ``epsilon_k`` is the noise of χ(k); ``atsym``, ``edge`` and ``filename`` name it, ``history`` says what was done.
    """
    from larch import Group

    chi = record if isinstance(record, ChiK) else None
    spectrum = chi.spectrum if chi else record
    named = re.sub(r"\W", "_", record.source.rsplit("/", 1)[-1]) or "exafsnn"
    group = Group(__name__=f"_{named}" if named[0].isdigit() else named)
    group.filename, group.atsym, group.edge = record.source, record.absorber, record.edge
    if isinstance(spectrum, Spectrum):
        group.energy, group.mu, group.datatype = spectrum.energy.copy(), spectrum.mu.copy(), "xas"
    if chi:
        group.k, group.chi, group.epsilon_k = chi.k.copy(), chi.chi.copy(), chi.noise
        group.e0, group.edge_step = chi.e0, chi.edge_step
        group.history = list(chi.history)
        if chi.spectrum and chi.settings:
            _normalise(group, chi)
    return group


def _normalise(group: Group, chi: ChiK) -> None:
    """Add what larch's ``pre_edge`` adds, by the same parameters, and the background that was removed."""
    from larch.xafs import pre_edge

    pre_edge(group, **{name: chi.settings[name] for name in _PRE_EDGE if name in chi.settings})
    group.e0, group.edge_step, group.ek0 = chi.e0, chi.edge_step, chi.e0
    if chi.background is not None:
        group.bkg = chi.background.copy()
    asked = {name: chi.settings[name] for name in _AUTOBK if name in chi.settings}
    group.autobk_details = type(group)(call_args=asked | {"win": chi.settings.get("window", "hanning"), "ek0": chi.e0})
