#!/usr/bin/env bash
# One would guess that a file which is open for reading can be opened for reading again, in the same program, whatever either
# says of locks: locks are between writers and readers, and nobody writes.
#
# What happens: HDF5 compares the wish for locks of the second open with that of the first, and refuses if they differ ("file
# locking flag values don't match"), even where the wish is what the default does. So h5py.File(name, locking=False), the usual answer to read-only disks and network
# drives, fails where a notebook holds the same sound file open by the default, and a file that was opened so first cannot be
# opened by the default. In another process both work at once. A reader that takes this error for damage calls a good file bad.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q h5py==3.16.0 numpy==2.4.6 2>/dev/null
"$scratch/venv/bin/python" - "$scratch" <<'PYTHON'
import subprocess
import sys

import h5py

name = f"{sys.argv[1]}/scan.h5"
with h5py.File(name, "w") as file:
    file["energy"] = [7000.0, 7001.0]
print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version)

WISHES = {"default": {}, "locking=False": {"locking": False}, "locking=True": {"locking": True}}


def opens(first, second):
    """Whether the second open works while the first lasts."""
    with h5py.File(name, "r", **WISHES[first]):
        try:
            with h5py.File(name, "r", **WISHES[second]) as again:
                return bool(again["energy"][0] == 7000.0)
        except OSError as error:
            assert "flag values don't match" in str(error), error
            return False


found = {(first, second): opens(first, second) for first in WISHES for second in WISHES}
for (first, second), works in found.items():
    print(f"{first:>13}, then {second:<13}: {'opens' if works else 'refused'}")
with h5py.File(name, "r"):
    other = f"import h5py; print(h5py.File({name!r}, 'r', locking=False)['energy'][0])"
    elsewhere = subprocess.run([sys.executable, "-c", other], capture_output=True, text=True)
print("default, then locking=False in another process:", elsewhere.stdout.strip())
assert all(found[wish, wish] for wish in WISHES), "the same wish twice is refused"
assert not found["default", "locking=False"] and not found["locking=False", "default"], "different wishes open now"
assert elsewhere.stdout.strip() == "7000.0", "another process is refused"
PYTHON
