"""How many sites make the mean of a state? What sites differ by, and what of it rows of atoms know.

    python benchmarks/sampling.py PLAN.toml [STATES]

Of a few states of the plan's library, with self-consistent potentials, 24 sites each, by all paths and by rows alone:
the standard deviation of one site's multiple scattering (k²χ, k 3–14 Å⁻¹) in units of the mean signal, of all of it
and of what rows leave; the noise of a state's mean as the plan takes it; and the processor seconds of either.
"""

from __future__ import annotations

import sys
import time

import numpy as np
import torch

from exafsnn.physics.all_paths import chi_of_rows, chi_of_site
from exafsnn.physics.path_tables import make_path_tables
from exafsnn.simulate.library import potentials_at_rest, simulate_planned
from exafsnn.simulate.plan import planned_states
from exafsnn.simulate.sites import LIBRARY_K
from exafsnn.validate.recipes import JointRecipe, recipe_of_file

SITES, NEAREST = 24, 0.65
K = (3.0, 14.0)


def main(path: str, count: int) -> None:
    """Print one line a state."""
    torch.set_num_threads(1)
    recipe = recipe_of_file(path)
    plan = (recipe.parts[0] if isinstance(recipe, JointRecipe) else recipe).library
    settings, use = plan.own_sites, (K[0] <= LIBRARY_K) & (K[1] >= LIBRARY_K)
    print("state                 scatter of a site   what rows leave   noise of a mean   s a site   s its rows")
    tables = {}
    for item in planned_states(plan)[:count]:
        name = item.family.theory(plan.material)
        if name not in tables:
            potentials = potentials_at_rest(plan.at_rest[name], plan.material, plan.treatments[0])
            reach = max(settings.reach, settings.rows)
            tables[name] = make_path_tables(potentials, LIBRARY_K, reach, NEAREST * plan.material.nearest)
        need = item.state.need
        trajectory = simulate_planned(item, plan, need and need.restored(*need.made()))
        rng = np.random.default_rng(0)
        kinds = np.array([1 + plan.material.neighbours.index(symbol) for symbol in trajectory.symbols])
        absorbers = np.flatnonzero(np.array(trajectory.symbols) == plan.element)
        everything, rows, single, seconds = [], [], [], [0.0, 0.0]
        for _ in range(SITES):
            frame, atom = int(rng.integers(len(trajectory))), int(rng.choice(absorbers))
            ((relative, which),) = trajectory[frame].spheres([atom], settings.far)
            atoms = torch.from_numpy(relative), torch.from_numpy(kinds[which])
            begun = time.process_time()
            chi = chi_of_site(tables[name], *atoms, settings.reach, settings.fade)
            seconds[0] += time.process_time() - begun
            begun = time.process_time()
            rows.append(chi_of_rows(tables[name], *atoms, settings.reach, settings.fade).numpy())
            seconds[1] += time.process_time() - begun
            everything.append((chi.double + chi.triple).numpy())
            single.append(chi.single.numpy())
        weighted = [np.array(part)[:, use] * LIBRARY_K[use] ** 2 for part in (everything, rows, single)]
        multiple, by_rows, alone = weighted
        signal = np.sqrt(((multiple + alone).mean(axis=0) ** 2).mean())
        of_all, left, rough = (
            np.sqrt(part.var(axis=0, ddof=1).mean()) / signal for part in (multiple, multiple - by_rows, by_rows)
        )
        noise = np.hypot(left / np.sqrt(settings.sites), rough / np.sqrt(settings.sites + settings.control_sites))
        print(
            f"{item.family.name[:20]:20} {of_all:18.2f} {left:17.2f} {noise:17.3f}"
            f" {seconds[0] / SITES:10.3f} {seconds[1] / SITES:10.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4)
