"""Files of many records: measured and answered together, with the outcomes that each record has alone."""

from __future__ import annotations

import importlib
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from exafsnn.read import nexus
from exafsnn.read.scan import expand, read_all, read_one
from exafsnn.records import Spectrum
from exafsnn.run import scans as pipeline
from exafsnn.run.reading import Reading
from exafsnn.run.scans import predict_scans, refine_scans
from exafsnn.settings import BackgroundSettings
from exafsnn.workers import Cluster
from exafsnn.write.archive import densities, read_scan
from exafsnn.write.results import ResultsFolder

SPECTRA = Path(__file__).parents[2] / "spectra"

SIMULATED = sorted((Path(__file__).parents[2] / "spectra").glob("fe_*.dat"))
ERROR_BAR = 1e-2
"""Largest difference, in standard deviations."""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A stack of sixteen spectra, one without an edge and one with a glitch; a scan with energies of its own."""
    path = tmp_path_factory.mktemp("many") / "many.h5"
    scans = [read_one(path) for path in SIMULATED]
    mu = np.array([scan.mu for scan in scans])
    mu[5] = 1.0
    mu[9, 250] += 0.3
    with h5py.File(path, "w") as archive:
        for name, energy, signal in (("other", scans[0].energy[:-1], scans[0].mu[:-1]), ("stack", scans[0].energy, mu)):
            group = archive.create_group(name)
            group["energy"], group["mu"] = energy, signal
            group["energy"].attrs["units"] = "eV"
            group["element"], group["edge"] = "Fe", "K"
    return str(path)


def test_records_are_what_they_are_alone(file, monkeypatch):
    alone = [outcome for name in expand(file) for outcome in predict_scans([name])]
    monkeypatch.setattr(pipeline, "BURST", 15)
    together = list(predict_scans([file, f"{file}::/stack"]))
    assert len(alone) == 17
    for found, expected in zip(together, alone, strict=False):
        for name in ("file", "record", "status", "warnings", "reason", "model", "defect"):
            assert getattr(found, name) == getattr(expected, name), found.record
        if expected.prediction is None:
            continue
        ours, theirs = found.prediction.shells["first"], expected.prediction.shells["first"]
        for name in ("coordination", "distance", "sigma2"):
            value, std = getattr(theirs, name), getattr(theirs, f"{name}_std")
            assert getattr(ours, name) == pytest.approx(value, abs=ERROR_BAR * std), found.record
    assert [outcome.status for outcome in alone].count("rejected") == 1
    assert all(outcome.chi.background is not None for outcome in together if outcome.chi)
    assert all("came before" in outcome.reason for outcome in together[17:])


def test_a_file_is_opened_once_for_all_its_records(file, monkeypatch):
    opened = []
    names, known = expand(file), nexus._scans
    monkeypatch.setattr(nexus, "_scans", lambda *found: opened.append(found) or known(*found))
    found, scans = zip(*read_all(file), strict=True)
    assert len(opened) == 1
    assert list(found) == names
    assert len(scans) == 17
    assert all(isinstance(scan, Spectrum) for scan in scans)
    assert [f"{scan.source}::{scan.record}" for scan in scans] == names


def test_samples_of_the_first_scans_only(make_prediction, tmp_path, monkeypatch):
    monkeypatch.setattr("exafsnn.write.results.TABLE_LIMIT", 2)
    with ResultsFolder(tmp_path, "predict", {}, figures=0) as folder:
        for number in range(8):
            prediction = make_prediction(record=str(number))
            folder.add(pipeline.Outcome("a.h5", str(number), prediction.chi, prediction, "fe-k"))
    assert (tmp_path / "overview.png").exists()
    shown = densities(tmp_path / "results.h5", 3)
    assert (shown.pair, shown.step, shown.names) == ("Fe-Fe", 3, [("a.h5", number) for number in "036"])
    assert np.array_equal(shown.density, np.stack([prediction.rdf.density[0]] * 3))
    assert np.array_equal(shown.r, prediction.rdf.r)
    scans = [read_scan(tmp_path / "results.h5", "a.h5", str(number)) for number in range(8)]
    assert ["rdf/samples" in scan for scan in scans] == [True] * 2 + [False] * 6
    assert all("rdf/spread" in scan for scan in scans)


def test_an_overview_of_several_metals_shows_each_where_its_model_knows(make_prediction, tmp_path):
    """The bins of palladium begin and end further out than those of iron, which are not drawn on as plateaus."""
    iron = make_prediction()
    further = replace(iron.rdf, r=1.1 * iron.rdf.r, pairs=("Pd-Pd",))
    palladium = replace(iron, rdf=further, model="pd-k 0123456789ab")
    with ResultsFolder(tmp_path, "predict", {}, figures=0) as folder:
        for name, prediction in (("fe", iron), ("pd", palladium)):
            folder.add(pipeline.Outcome(name, "", prediction.chi, prediction, prediction.model.split()[0]))
    shown = densities(tmp_path / "results.h5", 10)
    assert shown.pair == "Fe-Fe, Pd-Pd"
    assert np.array_equal(shown.r, further.r)
    assert np.array_equal(np.isnan(shown.density[0]), further.r > iron.rdf.r[-1])
    assert not np.isnan(shown.density[1]).any()
    assert (tmp_path / "overview.png").stat().st_size > 0


@pytest.mark.parametrize("copies", [True, False])
def test_workers_answer_as_this_process_does(copies, tmp_path, monkeypatch):
    """Files in an order of their own, one of them twice, one absent, one with records; copies and fresh processes."""
    names = [shutil.copy(path, tmp_path) for path in sorted(SPECTRA.glob("*.dat"))[:7]]
    names = [*names[:5], str(tmp_path / "absent.dat"), names[1], *names[5:]]
    alone = list(predict_scans(names))
    monkeypatch.setattr(pipeline, "_MANY_FILES", 4)
    monkeypatch.setattr(pipeline, "_FILES_AT_A_TIME", 2)
    monkeypatch.setattr("exafsnn.processes._is_single", lambda: copies)
    done = {(names[0], ""): 1, (names[6], ""): 1}
    for passed, expected in ((None, alone), (done, [item for item in alone if (item.file, "") not in done])):
        together = list(predict_scans(names, workers=2, done=passed))
        assert [(item.file, item.status, item.warnings) for item in together] == [
            (item.file, item.status, item.warnings) for item in expected
        ]
        for found, other in zip(together, expected, strict=True):
            if other.prediction is not None:
                shells = found.prediction.shells["first"], other.prediction.shells["first"]
                assert shells[0].coordination == pytest.approx(shells[1].coordination, rel=1e-4)
                assert found.prediction.rdf.samples.shape == other.prediction.rdf.samples.shape
    assert pipeline._SHARED == {}


def test_who_waits_for_answers_has_the_first_before_the_others(monkeypatch):
    """And they are those of who does not."""
    answered, own = [], pipeline.answered
    monkeypatch.setattr(pipeline, "answered", lambda burst, how: answered.append(len(burst)) or own(burst, how))
    told = [(len(answered), outcome) for outcome in predict_scans(map(str, SIMULATED), eager=True)]
    assert answered == [1, 2, 4, 8, 1]
    assert told[0][0] == 1
    for (_, found), expected in zip(told, predict_scans(map(str, SIMULATED)), strict=True):
        assert found.file == expected.file
        ours, theirs = found.prediction.shells["first"], expected.prediction.shells["first"]
        assert ours.coordination == pytest.approx(theirs.coordination, rel=1e-4)


@pytest.mark.slow
def test_a_cluster_answers_as_this_process_does(tmp_path):
    """Scans that are read here are measured, predicted and refined there; what is done is passed over."""
    distributed = pytest.importorskip("distributed")
    names = [shutil.copy(path, tmp_path) for path in sorted(SPECTRA.glob("*.dat"))[:7]]
    names = [*names[:5], str(tmp_path / "absent.dat"), names[1], *names[5:]]
    with (
        pytest.MonkeyPatch.context() as patch,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as made,
    ):
        patch.setattr(pipeline, "_GUEST_BURST", 2)
        where = Cluster(made.scheduler_address, 1.0)
        for way in (predict_scans, refine_scans):
            alone, there = list(way(names)), list(way(names, workers=where))
            assert [(item.file, item.status, item.warnings) for item in there] == [
                (item.file, item.status, item.warnings) for item in alone
            ]
            for found, other in zip(there, alone, strict=True):
                if other.prediction is not None:
                    shells = found.prediction.shells["first"], other.prediction.shells["first"]
                    assert shells[0].coordination == pytest.approx(shells[1].coordination, rel=1e-3)
        done = list(predict_scans(names, workers=where, done={(names[0], ""): 1, (names[6], ""): 1}))
        assert [item.file for item in done] == [names[2], names[3], names[4], names[5], *names[7:]]
    assert pipeline._SHARED == {}


FATAL = """
import os
from exafsnn.run import scans

def measure(task):
    if any("fatal" in str(name) for name in task[0]):
        os._exit(9)
    return scans._measured_files(task)
"""


def test_the_scan_that_workers_die_of_is_rejected_and_no_other(tmp_path, monkeypatch):
    (tmp_path / "fatal_measure.py").write_text(FATAL)
    monkeypatch.syspath_prepend(tmp_path)
    measure = importlib.import_module("fatal_measure").measure
    names = [str(shutil.copy(path, tmp_path)) for path in sorted(SPECTRA.glob("*.dat"))[:3]]
    names.append(str(shutil.copy(names[0], tmp_path / "fatal.dat")))
    task = (tuple(names), Reading(), BackgroundSettings(), 1)
    burst = pipeline._one_by_one(measure, 2, task, "3 died")
    pipeline._SHARED.clear()
    assert [outcome.file for _, outcome in burst] == names
    assert [outcome.status == "rejected" for _, outcome in burst] == [False, False, False, True]
    assert "3 worker processes died of it" in burst[3][1].reason
