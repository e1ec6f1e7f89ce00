"""What a state of a site library costs: this build against a former one, from nothing, side by side.

    python benchmarks/pipeline.py FORMER_CHECKOUT [--states 16 48] [--workers 2]

Each makes two libraries of iron, of so many states, with an empty cache: the former build by the plan of its shipped
model, with every family shortened alike; this one by the plan that ``exafsnn make fe-k`` makes. The difference of both
is what states cost, the rest what is done once (potentials, scattering tables). CPU seconds are those of the command
and all its processes.
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
_COMMAND = "import sys; from exafsnn_cli.main import main; sys.argv[0] = 'exafsnn'; main()"


def shortened(plan: str, states: int) -> str:
    """A plan with every family's number of states scaled, two at least, to about ``states`` in all."""
    total = sum(int(found) for found in _COUNT.findall(plan))
    return _COUNT.sub(lambda found: f"count = {max(round(int(found[1]) * states / total), 2)}", plan)


def cost(checkout: Path, plan: str, workers: int) -> tuple[int, float, float]:
    """Number of states, CPU and wall seconds of ``exafsnn simulate`` of one build, with nothing kept from before."""
    with tempfile.TemporaryDirectory() as scratch:
        config = Path(scratch) / "plan.toml"
        config.write_text(plan)
        environment = os.environ | {
            "PYTHONPATH": str(checkout), "EXAFSNN_CACHE": f"{scratch}/cache", "XDG_CACHE_HOME": f"{scratch}/xdg",
            "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, "-c", _COMMAND, "simulate", str(config), "-o", f"{scratch}/library.h5"]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run = [*command, "--workers", str(workers)]
        done = subprocess.run(run, env=environment, cwd=scratch, check=True, capture_output=True, text=True)
        wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    states = int(re.search(r": (\d+) states", done.stderr)[1])
    return states, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def main() -> None:
    """Print what a state and what the rest costs, of both builds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("former", type=Path)
    parser.add_argument("--states", type=int, nargs=2, default=(16, 48))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    theirs = (options.former / "exafsnn/models/fe-k.library.toml").read_text()
    ours = plan_text(plan_for(METALS["Fe"], SEED))
    slopes = []
    for name, checkout, plan in (("former build", options.former, theirs), ("this build", ROOT, ours)):
        few, many = (cost(checkout.resolve(), shortened(plan, count), options.workers) for count in options.states)
        slope, wall = ((many[kind] - few[kind]) / (many[0] - few[0]) for kind in (1, 2))
        slopes.append(slope)
        print(
            f"{name}: {few[0]} states {few[1]:.0f} s of CPU ({few[2]:.0f} s), {many[0]} states {many[1]:.0f} s"
            f" ({many[2]:.0f} s): {slope:.2f} s of CPU a state ({wall:.2f} s), {few[1] - few[0] * slope:.0f} s once",
            flush=True,
        )
    print(f"a state costs {slopes[0] / slopes[1]:.1f} times less CPU than before")


if __name__ == "__main__":
    main()
