"""How long a library takes, before it is made: processor seconds of what it is made of, as measured on one core.

And what may be had in a given time: sites of all paths, of which rows of atoms leave most to be averaged in crystals as
open as zinc selenide, where they are cheap.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from exafsnn.metals import Metal
from exafsnn.simulate.frames import Trajectory
from exafsnn.simulate.plan import LibrarySettings, planned_states

_METAL_TABLE, _METAL_STATE = 25.0, 3.5
"""Processor seconds of a metal's scattering table, and of one of its states, most of them FEFF's."""
_SITE, _PER_ATOMS, _POWER = 0.005, 8.9e-6, 2.25
"""… of all paths of a site, and more by the atoms within their reach: CdS (47) takes 0.05 s, ZnSe (46) 0.06, Cu₂O (88)
0.20, SrTiO₃ (100) 0.26, TiO₂ (102) 0.36, NiO (124) 0.52 s."""
_ROWS, _ROWS_PER_ATOM = 0.006, 1.6e-4
"""… of the rows of atoms alone."""
_THEORY, _PER_PAIR = 3.0, 0.002
"""… of potentials and tables of paths, and more for each pair of those atoms, whose potentials FEFF iterates."""
_STATE, _NEED = 0.2, 15.0
"""… of the motion of a state, and of the force constants of a crystal by one set of weights."""
_OF_SITES, _MOST_SITES = 4.0, 48
"""What sites of all paths may take of each state, and how many there are at most."""


def with_affordable_sites(plan: LibrarySettings) -> LibrarySettings:
    """A plan of a compound with more sites of all paths where they are cheap, fewer of rows alone."""
    own = plan.own_sites
    dearest = max(_of_site(_atoms_within(own.reach, one, plan.element)) for one in plan.at_rest.values())
    sites = min(max(plan.sites.sites, round(_OF_SITES / dearest)), _MOST_SITES)
    control = max(plan.sites.sites + plan.sites.control_sites - sites, 0)
    return replace(plan, sites=replace(plan.sites, sites=sites, control_sites=control))


def seconds_to_build(plan: LibrarySettings, *, tables: bool = True) -> float:
    """Processor seconds that ``library.build`` takes on one core, within a factor of about 1.5.

    Parameters
    ----------
    plan
        What is built.
    tables
        Whether its scattering tables and force constants have to be made; False: another library has made them.
    """
    treatments = len(plan.treatments)
    if isinstance(plan.material, Metal):
        return tables * treatments * _METAL_TABLE + plan.states * _METAL_STATE
    own = plan.own_sites
    near = {name: _atoms_within(own.reach, one, plan.element) for name, one in plan.at_rest.items()}
    in_rows = 2 * own.sites + own.control_sites
    total = 0.0
    for family in plan.kinds:
        atoms = near[family.theory(plan.material)]
        rows = in_rows * (_ROWS + _ROWS_PER_ATOM * atoms)
        total += family.count * (_STATE + own.sites * _of_site(atoms) + rows)
    if tables:
        needs = {item.state.need for item in planned_states(plan)} - {None}
        total += len(needs) * _NEED + treatments * sum(_THEORY + _PER_PAIR * atoms**2 for atoms in near.values())
    return float(total)


def _of_site(atoms: int) -> float:
    """Processor seconds of all paths among so many atoms."""
    return float(_SITE + _PER_ATOMS * atoms**_POWER)


def _atoms_within(reach: float, still: Trajectory, absorber: str) -> int:
    """Atoms within reach of a multiple-scattering path, on average over the absorbers."""
    absorbers = np.flatnonzero(np.array(still.symbols) == absorber)
    return round(float(np.mean([len(which) for _, which in still[0].spheres(absorbers, reach)])))
