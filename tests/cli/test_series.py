"""``exafsnn series``, as users script it."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import h5py
import pytest
from exafsnn_cli.main import run

from exafsnn.write.results import faults_of

SPECTRA = Path(__file__).parents[2] / "spectra"
TEMPERATURES = (300, 700, 1000, 1100, 1180, 1190, 1250, 1300, 1400)
QUANTITIES = {"coordination", "distance", "sigma2", "density", "lattice_constant", "fraction"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a heated foil, with a file that is no scan in between."""
    folder = tmp_path_factory.mktemp("series")
    bad = folder / "=bad<script>.dat"
    bad.write_text("nothing\n")
    scans = [str(SPECTRA / f"fe_{temperature:04d}K.dat") for temperature in TEMPERATURES]
    assert run(["series", *scans, str(bad), "--structure", "bcc:2.8667", "-o", str(folder / "out")]) == 3
    return folder / "out"


def rows(path):
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_all_files_are_there_and_whole(results):
    names = {path.name for path in results.iterdir()}
    assert {
        *("summary.csv", "rdf.csv", "chi.csv", "series.csv", "transition.json", "report.html", "results.h5"),
        *("settings.json", "overview.png", "series-map.png", "series-trends.png"),
    } <= names
    assert not faults_of(results)


def test_tables_have_the_axis(results):
    summary = rows(results / "summary.csv")
    assert list(summary[0])[3:6] == ["model", "axis", "edge"]
    assert [float(row["axis"]) for row in summary if row["range"] == "first"] == list(TEMPERATURES)
    assert {row["range"] for row in summary if row["status"] != "rejected"} >= {"first", "shell1", "shell2", "shell3"}
    assert summary[-1]["status"] == "rejected"
    assert summary[-1]["axis"] == ""
    series = rows(results / "series.csv")
    assert list(series[0]) == ["file", "record", "axis", "phase", "pair", "range", "quantity", "value", "std"]
    assert {row["quantity"] for row in series} == QUANTITIES
    assert {row["range"] for row in series} == {"first", ""}  # there are not as many shells in every scan
    assert {row["phase"] for row in series if row["quantity"] == "lattice_constant"} == {"bcc", "fcc"}
    shares = [float(row["value"]) for row in series if row["quantity"] == "fraction" and float(row["axis"]) == 1250]
    assert sum(shares) == pytest.approx(1.0, abs=0.02)


def test_the_transition_is_told(results):
    found = json.loads((results / "transition.json").read_text())
    assert found["found"] is True
    assert (found["low"], found["high"]) == (1180, 1190)
    assert found["after"]["density"] > found["before"]["density"]
    assert found["before"]["coordination"] > found["after"]["coordination"]
    assert found["others"] == []


def test_the_report_stands_alone_and_runs_nothing(results):
    page = (results / "report.html").read_text(encoding="utf-8")
    assert "Transition at 1185 K, 95 % between 1180 and 1190 K" in page
    assert "bcc → fcc" in page
    assert "=bad&lt;script&gt;.dat" in page
    assert "<script" not in page
    written = re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)  # in which any four letters may stand
    assert "http" not in written.replace("http-equiv", "")
    assert page.count("data:image/png;base64,") == 2


def test_the_archive_has_the_trends(results):
    with h5py.File(results / "results.h5") as archive:
        assert archive["series/axis"][:].tolist() == list(TEMPERATURES)
        assert archive["series/coordination/first/value"].shape == (len(TEMPERATURES),)
        assert archive["series/c3/first/value"].shape == (len(TEMPERATURES),)


def test_three_scans_have_no_transition_and_say_so(tmp_path, capsys):
    scans = [str(SPECTRA / f"fe_{temperature:04d}K.dat") for temperature in TEMPERATURES[:3]]
    assert run(["series", *scans, "--against", "order", "-o", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["transition"]["found"] is False
    assert found["transition"]["at"] is None
    assert "too few scans" in found["transition"]["notes"][0]


def test_a_folder_is_watched_and_half_written_files_do_no_harm(tmp_path, monkeypatch, capsys):
    """A scan arrives in two pieces, then another; a picture and a note are no scans. Each look finds results whole."""
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    text = (SPECTRA / "fe_0300K.dat").read_text()
    seen = []

    def write(name, content):
        (place / name).write_text(content)

    steps = iter([
        lambda: write("fe_0300K.dat", text[: len(text) // 2]),
        lambda: write("plot.png", "no scan"),
        lambda: write("notes.txt", "no scan either\n"),
        lambda: None,
        lambda: write("fe_0300K.dat", text),
        lambda: None,
        lambda: write("fe_0400K.dat", (SPECTRA / "fe_0400K.dat").read_text()),
        lambda: None,
        lambda: None,
    ])  # fmt: skip

    def step(seconds):
        if (out / "settings.json").exists():
            assert not faults_of(out)
            seen.append([row["status"] for row in rows(out / "summary.csv")])
        action = next(steps, None)
        if action is None:
            raise KeyboardInterrupt
        action()

    monkeypatch.setattr("exafsnn.run.folder.time.sleep", step)
    assert run(["series", "--watch", str(place), "-o", str(out)]) == 130
    assert seen[-1].count("rejected") == 0
    assert len({row["file"] for row in rows(out / "summary.csv")}) == 2
    assert (out / "report.html").exists()
    told, said = capsys.readouterr()
    assert "2 scans, 0 rejected. Too few scans" in told
    assert said.count("notes.txt: no scan, left out: ") == 1
    lines = re.findall(r"(?m)^\d{4}-\d\d-\d\d [\d:]{8} \S+(fe_0\d00K\.dat): (\w+): (.*)$", told)
    assert lines[0][:2] == ("fe_0300K.dat", "rejected")  # half of it, and why
    assert "k = " in lines[0][2] or "energy" in lines[0][2]
    assert [line[:2] for line in lines[1:]] == [("fe_0300K.dat", "ok"), ("fe_0400K.dat", "ok")]  # each once


def test_what_in_a_folder_is_no_scan_has_no_place_in_the_series(tmp_path, capsys):
    """As ``predict`` has it; a file that is named is a scan that was rejected, and keeps its place."""
    place, out = tmp_path / "in", tmp_path / "out"
    place.mkdir()
    (place / "fe_0350_notes.txt").write_text("cooled overnight\n")
    for kelvin in (300, 400):
        (place / f"fe_{kelvin:04d}K.dat").write_text((SPECTRA / f"fe_{kelvin:04d}K.dat").read_text())

    def axis(scans):
        assert run(["series", *scans, "--against", "order", "-o", str(out)]) == (0 if scans == [str(place)] else 3)
        return {(Path(row["file"]).name, row["axis"]) for row in rows(out / "summary.csv")}

    assert axis([str(place)]) == {("fe_0300K.dat", "0"), ("fe_0400K.dat", "1")}
    told, said = capsys.readouterr()
    assert "fe_0350_notes.txt: no scan, left out: " in said
    assert "notes" not in told
    named = axis(sorted(map(str, place.iterdir())))
    assert named == {("fe_0300K.dat", "0"), ("fe_0350_notes.txt", ""), ("fe_0400K.dat", "2")}
    (place / "fe_0300K.dat").unlink()
    (place / "fe_0400K.dat").unlink()
    assert run(["series", str(place), "-o", str(tmp_path / "none")]) == 4


def test_a_series_of_nothing_is_wrong_usage(tmp_path, capsys):
    assert run(["series", "-o", str(tmp_path / "out")]) == 2
    assert "give SCANS, or a folder with --watch" in capsys.readouterr().err
    assert run(["series", "--watch", str(tmp_path / "absent"), "-o", str(tmp_path / "out")]) == 2
    assert "there is no such folder" in capsys.readouterr().err


def test_an_axis_that_is_nowhere_is_wrong_usage(tmp_path, capsys):
    scan = str(SPECTRA / "fe_0300K.dat")
    assert run(["series", scan, "--against", "potential", "-o", str(tmp_path / "out")]) == 2
    assert "no potential is in the header or name" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_metal_and_its_oxide_have_trends_of_their_own_and_a_share(data_dir, tmp_path, capsys):
    scans = [str(data_dir / "compounds" / name) for name in ("NiO_001_Ni_foil.dat", "NiO_001.dat")]
    assert run(["series", *scans, "--against", "order", "-o", str(tmp_path / "out")]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    columns = re.split(r"\s{2,}", first.strip())
    assert {"pair", "range", "metal"} <= set(columns)
    named = [line[first.index("pair") :].split()[:2] for line in lines]
    assert named[:5] == [
        ["Ni-Ni", "first"], ["Ni-O", "first"], ["Ni-Ni", "metal"], ["Ni-Ni", "oxide"], ["Ni-Ni", "shell1"],
    ]  # fmt: skip
    names = {path.name for path in (tmp_path / "out").glob("series-*.png")}
    trends = {f"series-trends{ending}.png" for ending in ("", "-Ni-O", "-metal", "-oxide")}
    assert names == trends | {"series-map.png", "series-map-Ni-O.png"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert all(f"Along the series: {of} Ni-Ni" in page for of in ("metal", "oxide"))
    assert all(f"Ni-Ni, {limits} Å" in page for limits in ("1.92–2.99", "1.92–2.72", "2.72–3.24"))
