#!/usr/bin/env bash
# One would guess that Client(scheduler_file=..., timeout="3s") fails within about three seconds if there is no scheduler, as
# Client("tcp://...", timeout="3s") does.
#
# What happens: if the file is not there (a wrong path, a scheduler that failed to start, a disk that is not mounted), the
# client looks for it a hundred times a second for ever, in silence, whatever the timeout is. A batch job that makes this
# mistake keeps its nodes until the wall time. So whoever takes a scheduler file reads the address in it himself.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q distributed==2026.8.0 dask==2026.8.0 2>/dev/null
cd "$scratch"
"$scratch/venv/bin/python" - <<'PYTHON'
import subprocess
import sys

import distributed

print("distributed", distributed.__version__)
TRIAL = """
import time
from distributed import Client
began = time.monotonic()
try:
    Client({place}, timeout="3s")
except OSError as error:
    print(f"{{type(error).__name__}} after {{time.monotonic() - began:.1f}} s", flush=True)
"""


def ended(place):
    """What a client says before 45 s are over, or None."""
    command = [sys.executable, "-c", TRIAL.format(place=place)]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=45).stdout.strip()
    except subprocess.TimeoutExpired:
        return None


by_address, by_file = ended("'tcp://127.0.0.1:9'"), ended("scheduler_file='absent.json'")
print("an address where nobody listens:", by_address)
print("a scheduler file that is not there:", by_file or "still waiting after 45 s")
assert by_address and "after" in by_address, "the timeout does not hold for an address either"
assert by_file is None, "the timeout holds for a scheduler file now"
PYTHON
