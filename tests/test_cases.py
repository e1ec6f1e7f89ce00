"""Inputs from the field beside the repository, each the example of a kind of fault, with the right value.

Each folder of ``../shared/cases`` holds one and its ``expected.json``; every folder there has to be known here.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exafsnn.shells import is_shell

CASES = Path(__file__).parents[2] / "shared" / "cases"
Scans = dict[str, dict[str, Any]]
OK = ("ok", "warned")


class Case:
    """A copy of a folder, and what commands say of the files in it."""

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self.said = ""

    def run(self, *arguments: str, code: int | None = None, limit: int = 0, **environment: str) -> int:
        """Run ``python`` or a command of ours in the folder."""
        ours = [sys.executable, "-c", "from exafsnn_cli.main import main; main()"]
        command = [sys.executable, *arguments[1:]] if arguments[0] == "python" else [*ours, *arguments]

        def bounded() -> None:
            if limit:
                resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        done = subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, timeout=120,
            preexec_fn=bounded,
        )  # fmt: skip
        self.said = (done.stdout + done.stderr).decode(errors="replace")
        assert "defect" not in self.said, self.said
        if code is not None:
            assert done.returncode == code, self.said
        return done.returncode

    def scans(self, command: str, *arguments: str) -> Scans:
        """What became of each scan, with its rows of ``summary.csv``; by name of the file, and of the record if any."""
        self.run(command, *arguments, "-o", str(self.out))
        facts = json.loads((self.out / "settings.json").read_text())["scans"]
        with (self.out / "summary.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if not is_shell(row.get("range", ""))]
        found = {}
        for fact, row in zip(facts, rows, strict=True):
            found[Path(fact["file"]).name + fact["record"]] = row | fact
        return found

    def chi(self, name: str) -> np.ndarray:
        """(m, 2) k and k²χ of a scan."""
        with (self.out / "chi.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if Path(row["file"]).name == name]
        k, chi = (np.array([float(row[key]) for row in rows]) for key in ("k", "chi"))
        return np.column_stack([k, k**2 * chi])

    def apart(self, first: str, second: str) -> float:
        """Root mean square of what k²χ of two scans differ by from k = 3 to 12 Å⁻¹, over that of the second."""
        ours, theirs = self.chi(first), self.chi(second)
        use = (theirs[:, 0] >= 3) & (theirs[:, 0] <= 12)
        return float(np.std(ours[: len(use)][use, 1] - theirs[use, 1]) / np.std(theirs[use, 1]))


def named(scan: dict[str, Any]) -> set[str]:
    return {finding["name"] for finding in scan["findings"]}


def repairs(scan: dict[str, Any], low: float, high: float) -> list[str]:
    """Names of findings that doubt μ between two energies [eV]."""
    doubts = [item for item in scan["findings"] if item["name"] in ("glitch", "wide-glitch", "step", "many-glitches")]
    return [item["name"] for item in doubts if item["energy"] and low <= item["energy"] <= high]


def e0_of(case: Case, scan: dict[str, Any]) -> float:
    """E₀ as the table on the screen has it [eV]."""
    case.run("preprocess", scan["file"], "--json", "-o", str(case.out) + "-json")
    return float(json.loads(case.said[: case.said.rindex("}") + 1])["summary"][0]["e0"])


def athena_h(case: Case) -> None:
    scan = case.scans("preprocess", "h.prj")["h.prj"]
    assert scan["status"] in OK
    assert scan["edge"] == "Cu K"
    assert e0_of(case, scan) == pytest.approx(8980.5, abs=0.1)
    assert any("'H'" in finding["message"] for finding in scan["findings"])


def athena_nested(case: Case) -> None:
    for name, scan in case.scans("preprocess", "nested.prj", "nested_empty.prj").items():
        assert (scan["status"], scan["edge"]) == ("ok", "Cu K"), name


def bliss_energy(case: Case) -> None:
    (scan,) = case.scans("predict", "bm23.h5").values()
    assert float(scan["distance"]) == pytest.approx(2.648, abs=0.001)
    assert e0_of(case, scan) == pytest.approx(7111.7, abs=0.1)


def weighted_chi(case: Case) -> None:
    (scan,) = case.scans("predict", "chi.dat").values()
    assert scan["status"] == "warned"
    assert "weighted with k" in scan["warnings"]


def extranormal(case: Case) -> None:
    folder = CASES.parent / "spectra/operando_ni"
    (scan,) = case.scans("preprocess", str(next(folder.glob("norm_op2_cell4_pos1_dq1_0001*")))).values()
    assert scan["status"] in OK
    assert scan["edge"] == "Ni K"
    assert e0_of(case, scan) == pytest.approx(8349.6, abs=1.0)


def declared_stack(case: Case) -> None:
    assert case.run("preprocess", "stack.h5", "-o", str(case.out), limit=3_000_000_000) == 4
    assert "stack.h5: rejected: /entry" in case.said
    assert "none is stored" in case.said


def open_elsewhere(case: Case) -> None:
    case.run("python", "try.py")
    assert "6913.79" in case.said or "open elsewhere" in case.said


def short_step(case: Case) -> None:
    (scan,) = case.scans("preprocess", "short_step.dat").values()
    assert "axis-jump" not in named(scan)


def joint_twice(case: Case) -> None:
    scans = case.scans("preprocess", "cu_clean.dat", "joint_9100.dat", "joint_9300.dat")
    for name in ("joint_9100.dat", "joint_9300.dat"):
        if scans[name]["status"] != "rejected":
            assert case.apart(name, "cu_clean.dat") < 0.02


def labels_before_keys(case: Case) -> None:
    (scan,) = case.scans("preprocess", "input.dat").values()
    assert scan["status"] in OK
    assert scan["edge"] == "Fe K"


def full_disk(case: Case) -> None:
    case.run("python", "try.py")
    assert "full: 4" in case.said
    assert "room again: 0" in case.said


def row_of_zeros(case: Case) -> None:
    case.run("preprocess", "zeros.dat", "-o", str(case.out), code=4)
    assert "line 420" in case.said
    assert "--columns" not in case.said


def bell(case: Case) -> None:
    scans = case.scans("refine", "clean.dat", "bell.dat", "--reference", "clean.dat", "--structure", "bcc:2.8665")
    assert scans["clean.dat"]["status"] == "ok"
    assert scans["bell.dat"]["status"] in ("warned", "foreign", "rejected")


def fine_grid(case: Case) -> None:
    for step in ("0.05", "0.002"):
        case.run("python", "try.py", step)
        before, after = (int(word) for word in case.said.split("peak MB")[1].split("->"))
        assert after - before < 100


def constant_monitor(case: Case) -> None:
    (scan,) = case.scans("preprocess", "counts.dat").values()
    assert scan["status"] in OK


def raw_data(case: Case) -> None:
    (scan,) = case.scans("predict", "rawdata.h5").values()
    assert (scan["record"], scan["status"]) == ("", "ok")  # the only one of its file, /entry


def dropped_digit(case: Case) -> None:
    scan = case.scans("preprocess", "right.dat", "scan.dat")["scan.dat"]
    assert scan["status"] == "warned"
    assert "line 315" in scan["warnings"]
    assert case.apart("scan.dat", "right.dat") < 0.01


def spring8(case: Case) -> None:
    scans = case.scans("preprocess", "spring8.dat", "same_with_kek_pf.dat")
    assert {(scan["status"], scan["edge"]) for scan in scans.values()} == {("ok", "Fe K")}
    assert case.apart("spring8.dat", "same_with_kek_pf.dat") < 1e-6


def dichromate(case: Case) -> None:
    (scan,) = case.scans("preprocess", "k2cr2o7_rt_001.xdi").values()
    assert not repairs(scan, 5990, 5997)
    assert scan["status"] in OK


def read_twice(case: Case) -> None:
    scans = case.scans("preprocess", "clean.dat", "twice.dat")
    assert scans["clean.dat"]["status"] == "ok"
    assert scans["twice.dat"]["status"] in ("warned", "rejected")


def over_absorbed(case: Case) -> None:
    (scan,) = case.scans(
        "predict", "sample.dat", "--reference", "foil.dat", "--structure", "bcc:2.8665"
    ).values()  # fmt: skip
    assert scan["status"] == "warned"
    assert {"standard-over-absorption-possible", "standard-amplitude", "too-many-neighbours"} <= named(scan)


def one_file_held(case: Case) -> None:
    script = case.folder / "try.py"
    script.write_text(script.read_text().replace("exafsnn.results", "exafsnn.write.results"))  # where it is now
    case.run("python", "try.py")
    assert "exit code 4" in case.said
    freed, again = (case.said.split(part)[1].splitlines()[0] for part in ("after it was freed:", "after one more run:"))
    assert freed.strip() == "[]" or again.strip() == "[]"


def strangers(case: Case) -> None:
    before = {path.name: path.read_bytes() for path in (case.folder / "mine").iterdir()}
    case.run("preprocess", "fe.dat", "-o", "mine", code=2)
    assert {path.name: path.read_bytes() for path in (case.folder / "mine").iterdir()} == before


def pinholes(case: Case) -> None:
    names = sorted(path.name for path in case.folder.glob("scan_*.dat"))
    case.run(
        "series", *names, "--structure", "bcc:2.8665", "--against", "name", "-o", str(case.out), code=0
    )  # fmt: skip
    assert not json.loads((case.out / "transition.json").read_text())["found"]


def errors_by_the_readme(case: Case) -> None:
    case.run("python", "try.py")
    lines = [line.split() for line in case.said.splitlines() if line.startswith(("coordination", "distance", "sigma2"))]
    assert len(lines) == 5
    for name, mine, told in lines:
        assert float(mine) == pytest.approx(float(told), rel=1e-3), name
    assert float(lines[0][1]) > 0.15 * 13


def other_letters(case: Case) -> None:
    case.run("predict", "fe.dat", "-o", str(case.out), code=0, PYTHONIOENCODING="cp1252")
    assert "fe.dat" in case.said


def selenate(case: Case) -> None:
    (scan,) = case.scans("preprocess", "selenate.xdi").values()
    assert scan["status"] in OK
    assert not repairs(scan, 12659, 12670)


def announced(case: Case) -> None:
    scans = case.scans("preprocess", "announced5.xdi", "right.xdi")
    assert scans["right.xdi"]["status"] in OK
    if scans["announced5.xdi"]["status"] != "rejected":
        assert case.apart("announced5.xdi", "right.xdi") < 1e-6


def users_comments(case: Case) -> None:
    (scan,) = case.scans("preprocess", "users_comments.xdi").values()
    assert scan["status"] in OK
    assert scan["edge"] == "Fe K"


KNOWN: dict[str, Callable[[Case], None]] = {
    "athena-h": athena_h,
    "athena-nested": athena_nested,
    "bliss-energy-cenc": bliss_energy,
    "chi-weighted-by-k": weighted_chi,
    "extranormal-labels": extranormal,
    "hdf5-declared-stack": declared_stack,
    "hdf5-open-elsewhere": open_elsewhere,
    "joint-short-step-cu": short_step,
    "joint-twice-cu": joint_twice,
    "labels-before-keys": labels_before_keys,
    "lock-after-full-disk": full_disk,
    "message-row-of-zeros": row_of_zeros,
    "misfit-bell-twelve": bell,
    "model-fine-grid": fine_grid,
    "monitor-held-constant": constant_monitor,
    "nxxas-rawdata": raw_data,
    "pf9809-dropped-digit": dropped_digit,
    "pf9809-spring8": spring8,
    "preedge-dichromate": dichromate,
    "readout-twice-fe": read_twice,
    "reference-over-absorbed": over_absorbed,
    "results-one-file-held": one_file_held,
    "results-strangers-tables": strangers,
    "series-pinholes": pinholes,
    "shell-std-of-the-readme": errors_by_the_readme,
    "stdout-cp1252": other_letters,
    "whiteline-selenate": selenate,
    "xdi-announced-five": announced,
    "xdi-users-comments": users_comments,
}


@pytest.fixture
def folder() -> Path:
    if not CASES.is_dir():
        pytest.skip(f"no cases: the folder {CASES} is absent")
    return CASES


def test_every_case_is_known(folder: Path) -> None:
    assert {path.name for path in folder.iterdir() if path.is_dir()} <= set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_a_case_gives_what_is_expected(name: str, folder: Path, tmp_path: Path) -> None:
    assert (folder / name / "expected.json").is_file()
    shutil.copytree(folder / name, tmp_path / name)
    KNOWN[name](Case(tmp_path / name, tmp_path / "results"))
