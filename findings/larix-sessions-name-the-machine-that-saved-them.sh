#!/usr/bin/env bash
# A session file of Larix, larch's graphical program, is what one shares with a colleague or puts beside a paper: one
# would guess that it holds the scans and how they were treated, as an Athena project does.
#
# It also holds who saved it, where: the hardware address of the network card (as "Machine MACID"), the machine's name,
# kernel and processor, the path of the user's home folder, and the names of larch's start-up files there. Nothing that
# saves the file says so, and nothing in the program shows these lines. Share an Athena project, or take the part between
# "##<CONFIG>" and "##</CONFIG>" out of the unpacked text: larch reads what is left.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q xraylarch==2026.3.1 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - "$folder" <<'PY'
import gzip
import os
import sys
import uuid
from pathlib import Path

import numpy as np
from larch import Group, Interpreter
from larch.io.save_restore import read_session, save_session
from larch.version import __version__

print("larch", __version__)
session = Interpreter()
scan = Group(energy=np.linspace(7000.0, 7500.0, 50), mu=np.linspace(0.0, 1.0, 50), groupname="scan")
session.symtable.set_symbol("scan", scan)
session.symtable.set_symbol("_xasgroups", {"scan": "scan"})
path = Path(sys.argv[1]) / "shared.larix"
save_session(str(path), _larch=session)
text = gzip.decompress(path.read_bytes()).decode()
head = text[text.index("##<CONFIG>") : text.index("##</CONFIG>")].splitlines()[1:]
print("keys that no scan needs:", ", ".join(line[2:].split(":")[0] for line in head if "Machine" in line or "home" in line))
assert any(line.startswith("##Machine MACID:") and line.split(":")[1].strip() for line in head)
assert hex(uuid.getnode())[2:] in "".join(head), "the hardware address is not in it"
assert os.path.expanduser("~") in "".join(line for line in head if "home_dir" in line)

start, end = text.index("##<CONFIG>"), text.index("##</CONFIG>")
path.write_bytes(gzip.compress((text[:start] + text[end + len("##</CONFIG>\n") :]).encode()))
again = read_session(str(path))
assert np.array_equal(again.symbols["scan"].mu, scan.mu)
print("without that part larch reads the same scans")
PY
