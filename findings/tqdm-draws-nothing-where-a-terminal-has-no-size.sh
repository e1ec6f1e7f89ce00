#!/usr/bin/env bash
# One would guess that tqdm, on a terminal that does not tell its size, takes 80 columns, as Python's own
# shutil.get_terminal_size does; or at least that ncols=80 makes it draw.
#
# What happens: where the terminal has 0 columns and 0 rows (one in a container that was started without a size, or made
# by a program), tqdm holds the bar for one that lies below the last row, and draws nothing but an end of line: a long
# job seems to hang. ncols alone does not help, since the number of rows is read, too: 0 - 1. With ncols and nrows it draws.
set -euo pipefail
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q tqdm==4.70.1 2>/dev/null
cd "$scratch"
"$scratch/venv/bin/python" - <<'PYTHON'
import fcntl
import os
import struct
import subprocess
import sys
import termios
from importlib.metadata import version

print("tqdm", version("tqdm"))
BAR = "from tqdm import tqdm\nfor _ in tqdm(range(3){}): pass"


def drawn(options: str, columns: int, rows: int) -> int:
    """Bytes that a bar writes on a terminal of a size."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with subprocess.Popen([sys.executable, "-c", BAR.format(options)], stderr=theirs) as process:
        os.close(theirs)
        seen = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:
                break
            seen += piece
    os.close(ours)
    assert process.returncode == 0
    return len(seen)


sized, bare = drawn("", 100, 30), drawn("", 0, 0)
wide, both = drawn(", ncols=80", 0, 0), drawn(", ncols=80, nrows=24", 0, 0)
print(f"bytes drawn on 100 x 30: {sized}; on 0 x 0: {bare}, with ncols {wide}, with ncols and nrows {both}")
assert sized > 50, "it draws no bar on a usual terminal: this test is none"
assert max(bare, wide) < 10, "tqdm draws on a terminal without a size now"
assert both > 50, "ncols and nrows no longer help"
PYTHON
