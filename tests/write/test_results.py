"""The results folder: the contract of its files, all or nothing, nothing dangerous in them."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from itertools import count
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exafsnn.errors import ExafsnnError, Finding, SettingsError
from exafsnn.files import only_writer
from exafsnn.records import ChiK, Prediction
from exafsnn.run.outcomes import Outcome
from exafsnn.write import figures, results, tables
from exafsnn.write.archive import Archive, read_scan
from exafsnn.write.results import ResultsFolder, faults_of

MakePrediction = Callable[..., Prediction]
CONTRACT = Path(__file__).parents[3] / "shared" / "tools" / "check_contract.py"
REJECTED = Outcome("bad.dat", reason="no edge. Measure one")


def predicted(prediction: Prediction) -> Outcome:
    return Outcome(prediction.chi.source, prediction.chi.record, prediction.chi, prediction, "fe-k")


def write(folder: Path, *outcomes: Outcome, command: str = "predict", **options: bool) -> Path:
    with ResultsFolder(folder, command, {"columns": None}, **options) as target:  # type: ignore[arg-type]
        for outcome in outcomes:
            target.add(outcome)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.fixture
def folder(tmp_path: Path, make_prediction: MakePrediction) -> Path:
    """Results of two good scans and a bad one."""
    good = [predicted(make_prediction("fe.060")), predicted(make_prediction("a.prj", "foil"))]
    return write(tmp_path / "new" / "results", *good, REJECTED)


def test_summary_has_the_agreed_columns_and_numbers(folder: Path) -> None:
    found = rows(folder / "summary.csv")
    assert ",".join(found[0]) == (
        "file,record,status,model,edge,pair,range,r_min,r_max,coordination,coordination_std,coordination_low,"
        "coordination_high,distance,distance_std,sigma2,sigma2_std,delta_e0,amplitude,misfit,in_domain,warnings"
    )
    assert [(row["file"], row["record"], row["range"]) for row in found] == [
        ("fe.060", "", "first"), ("fe.060", "", "second"), ("a.prj", "foil", "first"), ("a.prj", "foil", "second"),
        ("bad.dat", "", ""),
    ]  # fmt: skip
    first = found[0]
    assert (first["status"], first["model"], first["edge"], first["pair"]) == ("ok", "fe-k", "Fe K", "Fe-Fe")
    assert (first["coordination"], first["distance"], first["in_domain"]) == ("13.96", "2.6512", "true")
    assert found[-1]["status"] == "rejected"
    assert found[-1]["warnings"] == "no edge. Measure one"
    assert found[-1]["coordination"] == ""


def test_long_tables_hold_every_bin(folder: Path, make_prediction: MakePrediction) -> None:
    prediction = make_prediction("fe.060")
    rdf = [row for row in rows(folder / "rdf.csv") if row["file"] == "fe.060"]
    chi = [row for row in rows(folder / "chi.csv") if row["file"] == "fe.060"]
    assert np.allclose([float(row["r"]) for row in rdf], prediction.rdf.r)
    assert np.allclose([float(row["density"]) for row in rdf], prediction.rdf.density[0], rtol=1e-6)
    assert np.allclose([float(row["chi_model"]) for row in chi], prediction.chi_model, rtol=1e-6)
    assert ",".join(rdf[0]) == "file,record,pair,r,density,density_std"
    assert ",".join(chi[0]) == "file,record,edge,k,chi,chi_model"


def test_archive_holds_everything(folder: Path, make_prediction: MakePrediction) -> None:
    prediction = make_prediction("fe.060")
    assert prediction.rdf.samples is not None
    scan = read_scan(folder / "results.h5", "fe.060")
    assert (scan["file"], scan["status"], scan["pairs"]) == ("fe.060", "ok", ["Fe-Fe"])
    assert scan["misfit_noise"] == 1.7
    assert scan["shells/first/coordination"] == 13.96
    assert np.allclose(scan["rdf/samples"], prediction.rdf.samples, rtol=1e-3, atol=1e-6)
    covariance, stored = scan["rdf/covariance"], prediction.rdf.samples[:, 0].astype(np.float16).astype(np.float64)
    assert np.allclose(covariance, np.cov(stored, rowvar=False), rtol=1e-9)
    assert np.allclose(np.sqrt(np.diag(covariance)), prediction.rdf.spread[0] * (24 / 23) ** 0.5, rtol=1e-2)
    assert prediction.chi.spectrum is not None
    assert np.array_equal(scan["spectrum/mu"], prediction.chi.spectrum.mu)
    assert np.array_equal(scan["chi/chi_model"], prediction.chi_model)
    assert scan["history"] == list(prediction.history)
    assert np.array_equal(read_scan(folder / "results.h5", "a.prj", "foil")["rdf/density"], prediction.rdf.density)
    bad = read_scan(folder / "results.h5", "bad.dat")
    assert (bad["status"], bad["warnings"]) == ("rejected", ["no edge. Measure one"])
    assert "rdf/density" not in bad
    with pytest.raises(ExafsnnError, match=r"there is no scan 'worse\.dat'"):
        read_scan(folder / "results.h5", "worse.dat")


def test_scans_of_other_lengths_and_models_share_an_archive(tmp_path: Path, make_prediction: MakePrediction) -> None:
    """Written together or one by one, each comes back as it was."""
    whole = [make_prediction(f"{number}.dat") for number in range(5)]
    short = [
        replace(item, chi=replace(item.chi, k=item.chi.k[:-9], chi=item.chi.chi[:-9]), chi_model=item.chi_model[:-9])
        for item in (make_prediction("short.dat"), make_prediction("shorter.dat"))
    ]
    other = replace(make_prediction("other.dat"), model="ni-k abc")
    found = [short[0], *whole[:2], other, short[1], *whole[2:]]
    for burst in (1, 3, 64):
        folder = tmp_path / str(burst)
        archive = Archive(folder.with_suffix(".h5"), None)
        outcomes = [Outcome(item.chi.source, "", item.chi, item, "fe-k") for item in found]
        for start in range(0, len(outcomes), burst):
            some = outcomes[start : start + burst]
            archive.add(some, [tables.scan_facts(outcome) for outcome in some])
        archive.close()
        for item in found:
            scan = read_scan(folder.with_suffix(".h5"), item.chi.source)
            assert scan["model"] == item.model
            assert np.array_equal(scan["chi/k"], item.chi.k)
            assert np.array_equal(scan["chi/chi"], item.chi.chi)
            assert np.array_equal(scan["spectrum/energy"], item.chi.spectrum.energy)  # type: ignore[union-attr]


def test_long_tables_are_formatted_like_others(tmp_path: Path) -> None:
    """At once, but byte for byte as row by row: odd names, numbers that are none."""
    random = np.random.default_rng(0)
    k = 0.05 * np.arange(50)
    values = random.standard_normal((2, 50)) * 10.0 ** random.integers(-12, 12, (2, 50))
    values[0, [3, 7, 9]] = np.nan, np.inf, -np.inf
    values[1, [4, 5]] = 0.0, -0.0
    columns = ("file", "record", "pair", "r", "density", "density_std")
    for name in ("a.dat", "=1+1", 'a "b", 100%d %s.dat', "a\tb\n.dat", "'quoted", " é, nan,inf"):
        scan = {"file": name, "record": "x,y", "pair": "Fe-Fe"}
        with (
            (tmp_path / "bulk.csv").open("w", newline="") as bulk,
            (tmp_path / "rows.csv").open("w", newline="") as one,
        ):
            tables.Table(bulk, columns).write_long([(scan, [k, *values])])
            tables.Table(one, columns).write(
                scan | dict(zip(columns[3:], row, strict=True)) for row in np.column_stack([k, *values])
            )
        assert (tmp_path / "bulk.csv").read_bytes() == (tmp_path / "rows.csv").read_bytes()


def test_settings_tell_what_made_the_result(tmp_path: Path, make_prediction: MakePrediction) -> None:
    scan = tmp_path / "fe.060"
    scan.write_bytes(b"1 2 3")
    write(tmp_path / "out", predicted(make_prediction(str(scan))), REJECTED)
    facts = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert facts["models"] == ["fe-k 0123456789ab"]
    assert facts["inputs"][0] == {"file": str(scan), "bytes": 5, "sha256": hashlib.sha256(b"1 2 3").hexdigest()}
    assert facts["inputs"][1] == {"file": "bad.dat", "bytes": None, "sha256": None}
    assert facts["figures"] == {"scan-fe.060.png": str(scan)}
    assert facts["versions"]["torch"]


@pytest.mark.skipif(not CONTRACT.exists(), reason=f"{CONTRACT} is absent")
def test_contract_is_kept(folder: Path) -> None:
    done = subprocess.run([sys.executable, str(CONTRACT), str(folder)], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "as documented"


def test_nothing_appears_if_the_run_fails(tmp_path: Path, make_prediction: MakePrediction) -> None:
    def fail() -> None:
        with ResultsFolder(tmp_path / "out", "predict", {}) as target:
            target.add(predicted(make_prediction()))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not (tmp_path / "out").exists()
    write(tmp_path / "out", REJECTED)
    before = sorted(path.name for path in (tmp_path / "out").iterdir())
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == before


def test_leftovers_of_ours_go_and_others_stay(tmp_path: Path, make_prediction: MakePrediction) -> None:
    write(tmp_path, predicted(make_prediction("old.dat")), predicted(make_prediction("older.dat")))
    (tmp_path / "scan-mine.png").write_bytes(b"\x89PNG my own picture")
    write(tmp_path, predicted(make_prediction("new.dat")))
    assert {path.name for path in tmp_path.glob("*.png")} == {"scan-mine.png", "scan-new.dat.png"}
    assert not list(tmp_path.glob(".unfinished*"))


def test_what_is_not_listed_or_was_changed_since_stays(tmp_path: Path, make_prediction: MakePrediction) -> None:
    write(tmp_path, predicted(make_prediction("old.dat")), predicted(make_prediction("older.dat")))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "overview.png").write_bytes(b"I drew on it: exafsnn figure")
    facts = json.loads((tmp_path / "settings.json").read_text())
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("x")
    facts["files"] |= {f"../{outside.name}": hashlib.sha256(b"x").hexdigest()}
    (tmp_path / "settings.json").write_text(json.dumps(facts))
    write(tmp_path, predicted(make_prediction("new.dat")))
    assert {"notes.txt", "overview.png"} < {path.name for path in tmp_path.iterdir()}
    assert not (tmp_path / "scan-old.dat.png").exists()
    assert outside.exists()


@pytest.mark.parametrize("content", ["{}", "{", "[]", '{"exafsnn": 1, "command": "predict"}', '{"command": "predict"}'])
def test_a_folder_with_settings_of_somebody_else_is_refused(tmp_path: Path, content: str) -> None:
    mine = {"settings.json": content, "results.h5": "x", "rdf.csv": "x", "summary.csv": "x"}
    for name, text in mine.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError, match=r"settings\.json: this file is not from exafsnn.*elsewhere with -o"):
        write(tmp_path, REJECTED, command="preprocess")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == mine


def test_files_beside_no_settings_are_not_ours_to_remove(tmp_path: Path, make_chi: Callable[..., ChiK]) -> None:
    (tmp_path / "results.h5").write_text("x")
    (tmp_path / "rdf.csv").write_text("x")
    write(tmp_path, Outcome("fe.060", chi=make_chi("fe.060")), command="preprocess")
    assert (tmp_path / "results.h5").read_text() == (tmp_path / "rdf.csv").read_text() == "x"


def test_preprocessing_does_not_replace_a_prediction(folder: Path, make_prediction: MakePrediction) -> None:
    before = contents(folder)
    with pytest.raises(SettingsError, match=r"results of exafsnn predict, which those of preprocess .* with -o"):
        write(folder, REJECTED, command="preprocess")
    assert contents(folder) == before


def test_a_prediction_replaces_a_preprocessing(tmp_path: Path, make_prediction: MakePrediction) -> None:
    write(tmp_path, replace(predicted(make_prediction("old.dat")), prediction=None), command="preprocess")
    write(tmp_path, predicted(make_prediction("new.dat")))
    assert [path.name for path in tmp_path.glob("*.png")] == ["scan-new.dat.png"]
    assert not faults_of(tmp_path)


def test_good_results_are_kept_if_no_scan_is_done(folder: Path) -> None:
    before = contents(folder)
    with ResultsFolder(folder, "predict", {}) as target:
        target.add(REJECTED)
    assert target.kept_earlier
    assert contents(folder) == before


def test_results_without_a_good_scan_are_replaced(tmp_path: Path) -> None:
    write(tmp_path, REJECTED)
    write(tmp_path, replace(REJECTED, file="worse.dat"))
    assert rows(tmp_path / "summary.csv")[0]["file"] == "worse.dat"


def test_every_finding_is_written(
    tmp_path: Path, make_chi: Callable[..., ChiK], make_prediction: MakePrediction
) -> None:
    """By name, energy and severity, of rejected scans too."""
    spike = Finding("glitch", "warning", "A spike", 7300.5, "Look there")
    chi = make_chi("fe.060", findings=(spike, Finding("signal", "note", "Fine")))
    fatal = Finding("no-edge", "fatal", "No edge", 7112.0)
    write(
        tmp_path,
        Outcome("fe.060", chi=chi, prediction=make_prediction(chi=chi), model="fe-k"),
        Outcome("bad.dat", reason="No edge", found=(spike, fatal)),
        REJECTED,
    )
    scans = json.loads((tmp_path / "settings.json").read_text())["scans"]
    told = [[(item["name"], item["severity"], item["energy"]) for item in scan["findings"]] for scan in scans]
    assert told == [
        [("glitch", "warning", 7300.5), ("signal", "note", None)],
        [("glitch", "warning", 7300.5), ("no-edge", "fatal", 7112.0)],
        [("rejected", "fatal", None)],
    ]
    assert scans[0]["findings"][0] == {
        "name": "glitch", "severity": "warning", "message": "A spike", "energy": 7300.5, "remedy": "Look there",
    }  # fmt: skip
    with h5py.File(tmp_path / "results.h5") as archive:
        archived = [json.loads(text) for text in archive["scans/findings"].asstr()[:]]
        assert archive["scans/file"].asstr()[:].tolist() == ["fe.060", "bad.dat", "bad.dat"]
    assert archived == [scan["findings"] for scan in scans]


class Killed(BaseException):
    """As if by SIGKILL: nothing is tidied up."""


def killed_at(rename: int, folder: Path, *outcomes: Outcome) -> bool:
    """Write results, killed at one of the renames; False if there are fewer."""
    renames, real = count(), Path.replace

    def replace_or_die(self: Path, target: Path) -> Path:
        if next(renames) == rename:
            raise Killed
        return real(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", replace_or_die)
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        try:
            write(folder, *outcomes)
        except Killed:
            return True
    return False


def contents(folder: Path) -> dict[str, object]:
    """Everything in a folder, but for the time and what HDF5 makes of it."""
    found: dict[str, object] = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".h5"}
    facts = json.loads((folder / "settings.json").read_text())
    del facts["created"]
    for name in ("results.h5", "report.html"):
        facts["files"].pop(name, None)
    found["report.html"] = re.sub(rb"Made by .* UTC", b"", (folder / "report.html").read_bytes())
    return found | {"settings.json": facts, "h5": sorted(path.name for path in folder.glob("*.h5"))}


@pytest.mark.parametrize(
    ("rename", "earlier"), [(0, True), (1, True), (4, True), (7, True), (8, True), (1, False), (7, False)]
)
def test_a_run_killed_at_any_rename_is_told_and_made_good(
    tmp_path: Path, make_prediction: MakePrediction, rename: int, earlier: bool
) -> None:
    again = predicted(make_prediction("again.dat"))
    if earlier:
        write(tmp_path / "cut", predicted(make_prediction("old.dat")))
    killed = killed_at(rename, tmp_path / "cut", predicted(make_prediction("new.dat")))
    assert killed == (rename < 8)  # settings.json into the stage, then six files and settings.json
    shown = [path.name for path in (tmp_path / "cut").glob("[!.]*")]
    whole = not killed or (earlier and rename <= 1)
    assert bool(faults_of(tmp_path / "cut")) != whole
    assert "settings.json" not in shown or earlier or not killed
    write(tmp_path / "cut", again)
    write(tmp_path / "fresh", again)
    assert contents(tmp_path / "cut") == contents(tmp_path / "fresh")
    assert not faults_of(tmp_path / "cut")


def test_the_next_run_completes_a_cut_publication(tmp_path: Path, make_prediction: MakePrediction) -> None:
    assert killed_at(3, tmp_path / "cut", predicted(make_prediction("new.dat")))
    assert "settings.json cannot be read" in faults_of(tmp_path / "cut")[0]
    with pytest.raises(KeyboardInterrupt), ResultsFolder(tmp_path / "cut", "predict", {}):
        raise KeyboardInterrupt
    assert not faults_of(tmp_path / "cut")
    assert len(list((tmp_path / "cut").iterdir())) == 7


TABLES = ["chi.csv", "rdf.csv", "results.h5", "summary.csv"]


@pytest.mark.parametrize("name", [*TABLES, "scan-old.dat.png", "scan-new.dat.png", "settings.json"])
def test_a_file_that_another_program_holds_is_replaced_by_the_next_run(
    tmp_path: Path, make_prediction: MakePrediction, name: str
) -> None:
    """As a spreadsheet does under Windows: nobody may replace or remove what it has open."""
    new, real = predicted(make_prediction("new.dat")), {call: getattr(Path, call) for call in ("replace", "unlink")}

    def refuse(call: str) -> Callable[..., object]:
        def held(self: Path, *target: Path, **asked: bool) -> object:
            if [self, *target][-1] == tmp_path / "out" / name:
                raise PermissionError(13, "in use")
            return real[call](self, *target, **asked)

        return held

    write(tmp_path / "out", predicted(make_prediction("old.dat")))
    with pytest.MonkeyPatch.context() as patch:
        for call in real:
            patch.setattr(Path, call, refuse(call))
        for _ in range(2):  # as long as it is open the next run, too, says so, before it does any work
            with pytest.raises(ExafsnnError, match=rf"{name}: cannot be replaced: in use.*Close .* next run"):
                write(tmp_path / "out", new)
    with pytest.raises(KeyboardInterrupt), ResultsFolder(tmp_path / "out", "predict", {}):
        raise KeyboardInterrupt
    write(tmp_path / "fresh", new)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("name", TABLES)
def test_a_folder_in_the_place_of_a_table_leaves_the_earlier_results(
    folder: Path, make_prediction: MakePrediction, name: str
) -> None:
    aside = (folder / name).rename(folder.parent / "aside")
    (folder / name).mkdir()
    with pytest.raises(ExafsnnError, match=rf"{name}: cannot be replaced: it is a folder\. Move it away"):
        write(folder, predicted(make_prediction("new.dat")))
    (folder / name).rmdir()
    aside.rename(folder / name)
    assert not faults_of(folder)
    assert rows(folder / "summary.csv")[0]["file"] == "fe.060"


@pytest.mark.parametrize("command", ["predict", "preprocess"])
@pytest.mark.parametrize("names", [["summary.csv"], ["chi.csv", "summary.csv"], ["scan-new.dat.png"]])
def test_files_of_others_are_not_replaced(
    tmp_path: Path, make_prediction: MakePrediction, command: str, names: list[str]
) -> None:
    """Beside no settings.json, and beside one of ours that does not list them; once moved, the results come."""
    new = predicted(make_prediction("new.dat"))
    new = new if command == "predict" else replace(new, prediction=None)
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(SettingsError, match=f"not written there by exafsnn.*: {', '.join(names)}. Move or rename"):
        write(tmp_path, new, command=command)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == names
    assert {(tmp_path / name).read_text() for name in names} == {"mine"}
    for name in names:
        (tmp_path / name).rename(tmp_path / f"my-{name}")
    assert not faults_of(write(tmp_path, new, command=command))
    assert not list(tmp_path.glob(".*"))


def test_a_figure_of_somebody_else_is_seen_before_the_work(tmp_path: Path) -> None:
    """Its name follows from the scan's, as long as each scan gets a figure."""
    (tmp_path / "scan-new.dat.png").write_text("mine")
    with (
        pytest.raises(SettingsError, match=r"exafsnn.*: scan-new\.dat\.png\. Move or rename.*Nothing was touched"),
        ResultsFolder(tmp_path, "predict", {}, sources=["data/new.dat"]),
    ):
        pytest.fail("the work was begun")
    with ResultsFolder(tmp_path, "predict", {}, sources=["data/new.dat"], figures=0):
        pass


def test_what_waits_is_told_to_be_of_an_earlier_run(tmp_path: Path, make_prediction: MakePrediction) -> None:
    (tmp_path / "scan-new.dat.png").write_text("mine")
    for said in ("new results wait", r"an earlier run wait in \.unfinished-\w+ there.*unless that folder goes"):
        with pytest.raises(SettingsError, match=said):
            write(tmp_path, predicted(make_prediction("new.dat")))


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_was_edited_is_not_replaced(folder: Path, make_prediction: MakePrediction, name: str) -> None:
    with (folder / name).open("ab") as stream:
        stream.write(b"my remark\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(SettingsError, match=f"or changed since.*: {name}. Move or rename.*Nothing was touched"):
        write(folder, predicted(make_prediction("new.dat")))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / name).unlink()
    assert not faults_of(write(folder, predicted(make_prediction("new.dat"))))


def test_a_table_that_is_edited_meanwhile_is_not_replaced(folder: Path, make_prediction: MakePrediction) -> None:
    """The new results wait, and need no second calculation."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()} | {"summary.csv": b"edited"}

    def edit() -> None:
        with ResultsFolder(folder, "predict", {}) as target:
            target.add(predicted(make_prediction("new.dat")))
            (folder / "summary.csv").write_bytes(b"edited")

    with pytest.raises(SettingsError, match=r"summary\.csv.*The new results wait"):
        edit()
    assert {path.name: path.read_bytes() for path in folder.glob("[!.]*")} == before
    (folder / "summary.csv").rename(folder / "mine.csv")
    with pytest.raises(KeyboardInterrupt), ResultsFolder(folder, "predict", {}):
        raise KeyboardInterrupt
    assert [row["file"] for row in rows(folder / "summary.csv")] == ["new.dat", "new.dat"]
    assert (folder / "mine.csv").read_bytes() == b"edited"
    (folder / "mine.csv").unlink()
    assert not faults_of(folder)


def test_results_of_a_version_that_noted_no_checksums_are_replaced(
    folder: Path, make_prediction: MakePrediction
) -> None:
    facts = json.loads((folder / "settings.json").read_text())
    del facts["files"]
    (folder / "settings.json").write_text(json.dumps(facts))
    assert not faults_of(write(folder, predicted(make_prediction("new.dat"))))
    assert rows(folder / "summary.csv")[0]["file"] == "new.dat"


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("size", [0, 1, 100, 3000, 20_000, 60_000])
def test_a_disk_that_fills_at_any_moment_leaves_the_earlier_results(
    folder: Path, make_prediction: MakePrediction, size: int
) -> None:
    """In one process, as in a series that is watched: the next run has the lock, and ends as it should."""
    import resource

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    new = predicted(make_prediction("new.dat"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(ExafsnnError, match=r"cannot be written: File too large\. .*write elsewhere"):
            write(folder, new)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert not faults_of(write(folder, new))
    assert not list(folder.glob(".*"))


def test_settings_know_what_was_published_with_them(folder: Path) -> None:
    files = json.loads((folder / "settings.json").read_text())["files"]
    assert set(files) == {path.name for path in folder.iterdir()} - {"settings.json"}
    assert not faults_of(folder)
    (folder / "chi.csv").write_text("other")
    (folder / "rdf.csv").unlink()
    assert faults_of(folder) == ["chi.csv is not the one that settings.json lists", "rdf.csv is missing"]
    (folder / "settings.json").write_text("{")
    assert "cannot be read" in faults_of(folder)[0]


def test_two_runs_do_not_mix(tmp_path: Path) -> None:
    with only_writer(tmp_path / "settings.json"):
        with pytest.raises(ExafsnnError, match=r"settings.json: another run is writing it: process \d+ .* elsewhere"):
            write(tmp_path, REJECTED)
        assert [path.name for path in tmp_path.iterdir()] == [".settings.json.lock"]
    assert not faults_of(write(tmp_path, REJECTED))


@pytest.mark.parametrize("where", ["write", "savefig"])
def test_a_full_disk_leaves_nothing(
    tmp_path: Path, make_prediction: MakePrediction, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    owner, name = {
        "write": (tables.Table, "write"), "savefig": (figures, "scan_png"),
    }[where]  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, full)
        with pytest.raises(ExafsnnError, match=r"cannot be written: No space left on device\. Make room"):
            write(tmp_path / "out", predicted(make_prediction()))
    assert not (tmp_path / "out").exists()


def test_preprocessing_has_only_scan_columns(tmp_path: Path, make_chi: Callable[..., ChiK]) -> None:
    chi = make_chi("fe.060", findings=(Finding("glitch", "warning", "A spike"), Finding("x", "note", "Fine")))
    write(tmp_path, Outcome("fe.060", chi=chi), command="preprocess")
    assert rows(tmp_path / "summary.csv") == [
        {"file": "fe.060", "record": "", "status": "warned", "edge": "Fe K", "warnings": "A spike"}
    ]
    assert ",".join(rows(tmp_path / "chi.csv")[0]) == "file,record,edge,k,chi"
    assert not (tmp_path / "results.h5").exists()


def test_many_scans_leave_the_long_tables_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_prediction: MakePrediction
) -> None:
    """And the figures, but for those of scans in which something is wrong."""
    monkeypatch.setattr(results, "TABLE_LIMIT", 2)
    monkeypatch.setattr(results, "FIGURE_LIMIT", 2)
    scans = [predicted(make_prediction(f"{i}.dat")) for i in range(3)]
    scans[1] = predicted(make_prediction("1.dat", findings=(Finding("glitch", "warning", "a spike"),)))
    write(tmp_path, *scans)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*("summary.csv", "results.h5", "settings.json", "overview.png", "scan-1.dat.png", "report.html")}
    write(tmp_path, *scans, full=True)
    assert len({row["file"] for row in rows(tmp_path / "rdf.csv")}) == 3
    assert len(list(tmp_path.glob("scan-*.png"))) == 3
    write(tmp_path, *scans[:2])
    assert len(list(tmp_path.glob("scan-*.png"))) == 2
    write(tmp_path, *scans[:2], REJECTED)  # three scans are many, the last without a figure
    assert [path.name for path in tmp_path.glob("scan-*.png")] == ["scan-1.dat.png"]


def test_range_without_atoms_has_no_row(tmp_path: Path, make_prediction: MakePrediction) -> None:
    """Of what may be there, whoever knows how much, there is one, without a distance."""
    prediction = make_prediction()
    empty = replace(prediction.shells["second"], coordination=0.0, distance=np.nan, sigma2=np.nan)
    for high, ranges in ((0.1, ["first"]), (6.0, ["first", "second"])):
        shell = replace(empty, coordination_high=high)
        outcome = predicted(replace(prediction, shells=dict(prediction.shells) | {"second": shell}))
        rows = list(tables.summary_rows(outcome))
        assert [row["range"] for row in rows] == ranges
    assert np.isnan(rows[-1]["distance"])
    assert (rows[-1]["coordination"], rows[-1]["coordination_high"]) == (0.0, 6.0)


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "/", "a\0b", "scan\n.dat", "C:\\x\\y.dat", 300 * "x", "é"])
def test_figures_stay_in_the_folder(name: str, make_chi: Callable[..., ChiK], tmp_path: Path) -> None:
    write(tmp_path / "out", Outcome(name, "../up", make_chi(name)), command="preprocess")
    assert len(list((tmp_path / "out").glob("scan-*.png"))) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@given(st.text(), st.text())
def test_figure_names_are_plain(file: str, record: str) -> None:
    first = results._figure_name(file, record, {})
    second = results._figure_name(file, record, {first.upper(): ""})
    assert first != second
    assert Path(first).name == first
    assert first.isascii()
    assert len(first) < 80


FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "'=1", "''+1", "＝1+1", "\x00-1", "\u202e=1")


def cell_of(text: str) -> str:
    """What a reader finds in the cell of a text."""
    stream = StringIO()
    tables.Table(stream, ("file",)).write([{"file": text}])
    stream.getvalue().encode("utf-8")
    return "".join(next(csv.reader(StringIO(stream.getvalue().partition("\n")[2])), [""]))


@given(st.text() | st.sampled_from(FORMULAS) | st.text("'=+-@ \t\r\n1;,\""))
def test_cells_are_no_formulas_and_texts_come_back(text: str) -> None:
    cell = cell_of(text)
    assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠"))
    back = cell[1:] if re.match(r"'['\s]*[=+\-@＝＋－＠]", cell) else cell
    assert back == tables.printable(text)


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_guarded(text: str) -> None:
    assert cell_of(text).startswith("'" if text[0].isprintable() else "\\")


def test_names_that_differ_in_a_control_character_stay_apart() -> None:
    assert cell_of("new\nline.dat") == r"new\nline.dat"
    assert cell_of("new line.dat") == "new line.dat"
    assert cell_of("a\x1b[31m\u202e") == r"a\x1b[31m\u202e"


@pytest.mark.parametrize("text", ["fe.060", "a-b", "it's", "'quoted'", "1e-5", "", "°C", "Fe-Fe"])
def test_other_texts_are_as_they_were(text: str) -> None:
    assert cell_of(text) == text


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (np.nan, ""), (-0.5, "-0.5"), (np.float64(2.65123456), "2.651235"), (True, "true"), (7, "7")],
)
def test_numbers_are_numbers(value: object, cell: str) -> None:
    assert tables._cell(value) == cell


@given(st.recursive(st.none() | st.floats() | st.text() | st.booleans(), lambda inner: st.lists(inner)))
def test_json_is_strict(value: object) -> None:
    json.dumps(tables.plain(value), allow_nan=False)
