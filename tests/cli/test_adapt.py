"""``exafsnn adapt``: what is shown and written, and what is refused."""

from __future__ import annotations

import json
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest
from exafsnn_cli.main import run as main

SPECTRA = Path(__file__).parents[2] / "spectra"
COLD = [str(SPECTRA / f"fe_{kelvin}K.dat") for kelvin in ("0300", "0400", "0500")]


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    """The model, with a scan among them that is none, what was shown, and the exit code."""
    folder = tmp_path_factory.mktemp("adapt")
    broken = folder / "broken.dat"
    broken.write_text("no scan\n")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["adapt", *COLD, str(broken), "-o", str(folder / "cold"), "--steps", "2", "--json"])
    return json.loads(out.getvalue()), err.getvalue(), code, folder / "cold.safetensors"


def test_tells_before_and_after(adapted):
    told, _, _, model = adapted
    assert told["model"] == str(model)
    assert [row["used"] for row in told["scans"]] == [True, True, True, False]
    assert all(abs(row[f"coordination{when}"] - 14) < 0.5 for row in told["scans"][:3] for when in ("_before", ""))
    assert 0.6 < told["amplitude"] < 1.0
    assert "those of predict were made" in told["error_bars"]


def test_a_rejected_scan_is_told_and_sets_the_exit_code(adapted):
    _, said, code, _ = adapted
    assert code == 3
    assert "broken.dat: " in said


def test_the_model_is_used_by_predict(adapted, tmp_path, capsys):
    *_, model = adapted
    assert main(["predict", COLD[0], "--model", str(model), "-o", str(tmp_path / "out"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"][0]["model"] == "cold"


def test_scans_of_two_edges_are_refused(data_dir, tmp_path, capsys):
    assert main(["adapt", *COLD, str(data_dir / "cu" / "cu_metal_rt.xdi"), "-o", str(tmp_path / "new")]) == 2
    assert "a model learns from one" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("options", "said"), [
    (("--reference", COLD[0]), "belong together"),
    (("--trial", COLD[0]), "of no use without --library"),
    (("--from-scratch",), "--from-scratch, --s02 and --density belong together"),
    (("--s02", "0.8"), "--from-scratch, --s02 and --density belong together"),
    (("--from-scratch", "--s02", "0.8", "--density", "7.87", "--library", COLD[0]), "no use for --reference"),
    (("--from-scratch", "--s02", "0.8", "--density", "7.87"), "Give 200 at least, or adapt the model that there is"),
])  # fmt: skip
def test_options_that_belong_together(options, said, tmp_path, capsys):
    assert main(["adapt", COLD[0], "-o", str(tmp_path / "new"), *options]) == 2
    assert said in capsys.readouterr().err


def test_a_scan_that_is_too_short_is_rejected_and_the_others_go_on(tmp_path, capsys):
    lines = Path(COLD[0]).read_text().splitlines()
    short = tmp_path / "short.dat"
    short.write_text("\n".join(lines[: int(0.62 * len(lines))]) + "\n")
    assert main(["adapt", *COLD, str(short), "-o", str(tmp_path / "new"), "--steps", "1", "--json"]) == 3
    shown = capsys.readouterr()
    assert [row["used"] for row in json.loads(shown.out)["scans"]] == [True, True, True, False]
    assert "short.dat" in shown.err


def test_without_any_scan_nothing_is_done(tmp_path, capsys):
    assert main(["adapt", "gone.dat", "-o", str(tmp_path / "new")]) == 4
    assert "gone.dat" in capsys.readouterr().err
