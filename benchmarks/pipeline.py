"""What a state of a site library costs: this build against a former one, side by side in one run.

    python benchmarks/pipeline.py FORMER_CHECKOUT [--states 32]

Each makes a library of so many states with an empty cache and one worker: the former build one of iron by the plan of
its shipped model, every family shortened alike; this one those of ``exafsnn make fe-k``, and of ``cu-k`` after
``ni-k``, whose trajectories serve all metals of a crystal and are there. One FEFF treatment of each plan is taken,
since what a table costs is not what a state costs: that is the time from the first state to the last, over their
number. (Seconds of one core that has nothing else to do.)
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from exafsnn.metals import METALS
from exafsnn.simulate.plan import plan_for, plan_text

ROOT = Path(__file__).parents[1]
SEED = 20261128
_COUNT = re.compile(r"^count = (\d+)$", re.MULTILINE)
_TREATMENT = re.compile(r"^\[\[treatments\]\]\n(?:[^\[\n].*\n|\n)*", re.MULTILINE)
_BUILD = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from exafsnn.simulate.library import build
started, told = time.perf_counter(), []
build(sys.argv[2], sys.argv[3], 1, lambda done, total, message: told.append((time.perf_counter() - started, message)))
print(json.dumps(told))
"""


def shortened(plan: str, states: int) -> str:
    """A plan of one treatment, every family's number of states scaled, two at least, to about ``states`` in all."""
    total = sum(int(found) for found in _COUNT.findall(plan))
    first = _TREATMENT.search(plan)
    plan = _TREATMENT.sub(lambda found: found[0] if first and found.start() == first.start() else "", plan)
    return _COUNT.sub(lambda found: f"count = {max(round(int(found[1]) * states / total), 2)}", plan)


def build(checkout: Path, plan: str, scratch: Path, name: str) -> tuple[int, float, float]:
    """Number of states, seconds of each, and of all that is done once before, of a library that a build makes."""
    config = scratch / f"{name}.toml"
    config.write_text(plan)
    own = {"EXAFSNN_CACHE": f"{scratch}/cache", "XDG_CACHE_HOME": f"{scratch}/xdg", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _BUILD, str(checkout), str(config), str(scratch / f"{name}.h5")]
    done = subprocess.run(command, env=os.environ | own, cwd=scratch, check=True, capture_output=True, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    states = [seconds for seconds, message in told if message.startswith("state ")]
    once = max(seconds for seconds, message in told if not message.startswith("state "))
    return len(states), (states[-1] - once) / len(states), once


def main() -> None:
    """Print what a state and what the rest costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("former", type=Path)
    parser.add_argument("--states", type=int, default=32)
    options = parser.parse_args()
    theirs = shortened((options.former / "exafsnn/models/fe-k.library.toml").read_text(), options.states)
    plans = {name: shortened(plan_text(plan_for(METALS[name], SEED)), options.states) for name in ("Fe", "Ni", "Cu")}
    former = 0.0
    for name, checkout, made in (
        ("former build, Fe", options.former.resolve(), [theirs]),
        ("this build, Fe", ROOT, [plans["Fe"]]),
        ("this build, Cu after Ni", ROOT, [plans["Ni"], plans["Cu"]]),
    ):
        with tempfile.TemporaryDirectory() as scratch:
            for number, plan in enumerate(made):
                count, each, once = build(checkout, plan, Path(scratch), str(number))
        former = former or each
        print(
            f"{name}: {count} states, {each:.2f} s each, {once:.0f} s once, {former / each:.1f} × as fast", flush=True
        )


if __name__ == "__main__":
    main()
