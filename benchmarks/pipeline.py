"""What a state of a site library costs: this build against a former one, side by side, at the same number of states.

    python benchmarks/pipeline.py FORMER_CHECKOUT [--states 32 64] [--workers 2]

Each makes two libraries, of so many states, with an empty cache: the former build one of iron by the plan of its
shipped model, every family shortened alike; this one by the plans of ``exafsnn make fe-k``, and of ``cu-k`` where
``ni-k`` was made before, so that its trajectories are there: they serve all metals of a crystal. The difference of two
libraries is what states cost, the rest what is done once (potentials, scattering tables). CPU seconds are those of the
command and all its processes.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from exafsnn.metals import METALS
from exafsnn.simulate.plan import plan_for, plan_text

ROOT = Path(__file__).parents[1]
SEED = 20261128
_COUNT = re.compile(r"^count = (\d+)$", re.MULTILINE)
_RUN = """
import importlib.util, pathlib, sys
checkout = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(checkout))
found = importlib.util.spec_from_file_location(
    "exafsnn_cli", checkout / "cli/__init__.py", submodule_search_locations=[str(checkout / "cli")])
sys.modules["exafsnn_cli"] = importlib.util.module_from_spec(found)
from exafsnn_cli.main import main
sys.argv = ["exafsnn", *sys.argv[2:]]
main()
"""


def shortened(plan: str, states: int) -> str:
    """A plan with every family's number of states scaled, two at least, to about ``states`` in all."""
    total = sum(int(found) for found in _COUNT.findall(plan))
    return _COUNT.sub(lambda found: f"count = {max(round(int(found[1]) * states / total), 2)}", plan)


def cost(checkout: Path, plan: str, workers: int, before: str | None = None) -> tuple[int, float, float]:
    """Number of states, CPU and wall seconds of ``exafsnn simulate`` of one build.

    Nothing is kept from before but what the library of the plan ``before`` leaves in the cache.
    """
    with tempfile.TemporaryDirectory() as scratch:
        if before:
            _simulate(checkout, before, workers, Path(scratch), "before")
        usage, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        told = _simulate(checkout, plan, workers, Path(scratch), "library")
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    states = re.findall(r": (\d+) states", told)[-1]
    return int(states), after.ru_utime + after.ru_stime - usage.ru_utime - usage.ru_stime, wall


def _simulate(checkout: Path, plan: str, workers: int, scratch: Path, name: str) -> str:
    """Run the command with a cache of its own, and return what it says."""
    config = scratch / f"{name}.toml"
    config.write_text(plan)
    own = {"EXAFSNN_CACHE": f"{scratch}/cache", "XDG_CACHE_HOME": f"{scratch}/xdg", "OMP_NUM_THREADS": "1"}
    command = ["simulate", str(config), "-o", str(scratch / f"{name}.h5"), "--workers", str(workers)]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, str(checkout), *command], env=os.environ | own, cwd=scratch, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.stderr + done.stdout


def main() -> None:
    """Print what a state and what the rest costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("former", type=Path)
    parser.add_argument("--states", type=int, nargs=2, default=(32, 64))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    plans = {symbol: plan_text(plan_for(METALS[symbol], SEED)) for symbol in ("Fe", "Ni", "Cu")}
    theirs = (options.former / "exafsnn/models/fe-k.library.toml").read_text()
    sides = {
        "former build, Fe": (options.former.resolve(), theirs, None),
        "this build, Fe": (ROOT, plans["Fe"], None),
        "this build, Cu after Ni": (ROOT, plans["Cu"], plans["Ni"]),
    }
    slopes: list[float] = []
    for name, (checkout, plan, before) in sides.items():
        few, many = (
            cost(checkout, shortened(plan, count), options.workers, before and shortened(before, count))
            for count in options.states
        )
        slope, wall = ((many[kind] - few[kind]) / (many[0] - few[0]) for kind in (1, 2))
        slopes.append(slope)
        print(
            f"{name}: {few[0]} states {few[1]:.0f} s of CPU ({few[2]:.0f} s), {many[0]} states {many[1]:.0f} s"
            f" ({many[2]:.0f} s): {slope:.2f} s of CPU a state ({wall:.2f} s), {few[1] - few[0] * slope:.0f} s once;"
            f" a state is {slopes[0] / slope:.1f} × as fast",
            flush=True,
        )


if __name__ == "__main__":
    main()
