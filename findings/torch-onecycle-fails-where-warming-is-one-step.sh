#!/usr/bin/env bash
# torch's OneCycleLR takes a number of steps and the share of them in which the learning rate rises (pct_start). One would
# guess that any share from 0 to 1 does for any number of steps: the documentation and the checks of the arguments say so.
#
# Where the product of both is exactly 1 (10 steps of which a tenth, 4 of which a quarter, 100 of which a hundredth) the
# scheduler cannot be made: ZeroDivisionError, from inside, without a word of steps or shares. One step more or fewer
# works, a product below 1, too. So a training that is cut short for a trial or a test fails at just that length. Take
# another share there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q torch==2.13.0 numpy==2.4.6 2>/dev/null
"$folder/venv/bin/python" - <<'PY'
import torch

print("torch", torch.__version__)


def made(steps, share):
    adam = torch.optim.AdamW(torch.nn.Linear(1, 1).parameters(), lr=0.01)
    try:
        torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, steps, pct_start=share)
    except Exception as error:
        return type(error).__name__
    return "works"


for steps, share in ((10, 0.1), (4, 0.25), (100, 0.01)):
    around = {number: made(number, share) for number in (steps - 1, steps, steps + 1)}
    print(f"pct_start {share}:", around)
    assert around == {steps - 1: "works", steps: "ZeroDivisionError", steps + 1: "works"}
PY
