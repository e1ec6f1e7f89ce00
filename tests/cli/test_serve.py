"""The local page: who may ask, what it keeps, and that a browser gets from a scan to its report."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from exafsnn_cli import local_page
from exafsnn_cli.local_page import Job, LocalPage, server_of

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = SPECTRA / "fe_0300K.dat"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a page that keeps what it has in a folder."""
    page = LocalPage(folder, ["fe-k", "cu-k"])
    server = server_of(page, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{page.token}"
    page.close()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """The address of a page."""
    with served(tmp_path / "serve") as address:
        yield address


def ask(address: str, data: bytes | None = None, method: str = "GET", **headers: str) -> bytes:
    request = urllib.request.Request(address, data=data, method=method, headers=headers)  # noqa: S310 (its own server)
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return bytes(answer.read())


def refused(address: str, data: bytes | None = None, method: str = "GET", **headers: str) -> int:
    """The code of a refusal."""
    with pytest.raises(urllib.error.HTTPError) as error:
        ask(address, data, method, **headers)
    error.value.close()
    return error.value.code


def run(place: str, **asked: Any) -> dict[str, Any]:
    """Begin a job."""
    body = json.dumps(asked).encode()
    return dict(json.loads(ask(f"{place}/run", body, "POST", **{"Content-Type": "application/json"})))


def ended(place: str) -> dict[str, Any]:
    """What there is when the job has ended."""
    return once(place, lambda state: not state["running"])


def once(place: str, there: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """What there is as soon as something is."""
    for _ in range(600):
        state = dict(json.loads(ask(f"{place}/state")))
        if there(state):
            return state
        time.sleep(0.1)
    raise AssertionError("it did not come")


def glances(place: str, first: int = 0) -> dict[str, Any]:
    """Scans of the first job at a glance, and their trend."""
    return dict(json.loads(ask(f"{place}/glances/0/{first}")))


def test_from_a_scan_to_its_report(place: str) -> None:
    assert json.loads(ask(f"{place}/scans/iron.dat", SCAN.read_bytes(), "PUT"))["scans"] == ["iron.dat"]
    started = run(place, command="predict", scans=["iron.dat", "absent.dat"], model="fe-k")
    assert started["command"] == "exafsnn predict --model=fe-k iron.dat"
    state = ended(place)
    assert (state["code"], state["page"]) == (0, True)
    assert "iron.dat: ok" in state["lines"][0]
    assert "The scan has an answer" in ask(f"{place}/results/0/report.html").decode()
    with zipfile.ZipFile(io.BytesIO(ask(f"{place}/results/0.zip"))) as packed:
        assert {"exafsnn-results/summary.csv", "exafsnn-results/report.html"} <= set(packed.namelist())


def test_results_are_kept_in_a_folder_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``-o served``: jobs work among the scans, and would look for a relative folder there."""
    monkeypatch.chdir(tmp_path)
    with served(Path("served")) as place:
        ask(f"{place}/scans/iron.dat", SCAN.read_bytes(), "PUT")
        run(place, command="predict", scans=["iron.dat"])
        state = ended(place)
        assert (state["code"], state["page"]) == (0, True), state["said"]
        assert b"The scan has an answer" in ask(f"{place}/results/0/report.html")
    assert (tmp_path / "served" / "results" / "0" / "summary.csv").exists()


def test_a_standard_is_one_of_the_scans(place: str) -> None:
    for name in ("fe_0300K.dat", "fe_0400K.dat"):
        ask(f"{place}/scans/{name}", (SPECTRA / name).read_bytes(), "PUT")
    asked = {"command": "predict", "scans": ["fe_0400K.dat"], "structure": "bcc:2.8667"}
    run(place, **asked, reference="../../etc/passwd")
    assert ended(place)["code"] == 2  # a structure without a standard: that name is none of the scans
    run(place, **asked, reference="fe_0300K.dat")
    assert ended(place)["code"] == 0


def test_one_job_at_a_time_and_it_can_be_stopped(place: str) -> None:
    ask(f"{place}/scans/iron.dat", SCAN.read_bytes(), "PUT")
    run(place, command="refine", scans=["iron.dat"])
    body = json.dumps({"command": "predict", "scans": ["iron.dat"]}).encode()
    assert refused(f"{place}/run", body, "POST", **{"Content-Type": "application/json"}) == 409
    ask(f"{place}/stop", b"", "POST")
    assert ended(place)["code"] not in (0, None)


def test_a_series_shows_its_trend_so_far(place: str) -> None:
    names = [f"fe_{kelvin}K.dat" for kelvin in ("0300", "0800", "1300")]
    for name in names:
        ask(f"{place}/scans/{name}", (SPECTRA / name).read_bytes(), "PUT")
    run(place, command="series", scans=names, structure="bcc:2.8667", against="temperature")
    assert ended(place)["glances"] == 3
    found = glances(place)
    assert [re.search(r"fe_\d+K", html)[0] for html in found["scans"]] == [name[:8] for name in names]
    assert found["trend"].count("<svg") == 2
    assert "temperature (K)" in found["trend"]
    assert len(glances(place, 2)["scans"]) == 1


def test_a_name_is_text(place: str) -> None:
    name = "<img src=x onerror=alert(1)>.dat"
    ask(f"{place}/scans/{urllib.parse.quote(name)}", SCAN.read_bytes(), "PUT")
    run(place, command="preprocess", scans=[name])
    ended(place)
    (html,) = glances(place)["scans"]
    assert "&lt;img" in html
    assert "<img" not in html
    assert "<svg" in html


def test_a_line_that_is_being_written_is_not_one_yet(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    job = Job(process, tmp_path, tmp_path / "log", tmp_path / "glances", "order", "")
    assert job.look() == []
    with job.glances.open("w") as file:
        for text, there in (('{"a": 1}\n{"a"', 1), (": 2}", 1), ("\n", 2)):
            file.write(text)
            file.flush()
            assert [item["a"] for item in job.look()] == [1, 2][:there]


def test_what_an_earlier_page_kept_stays(tmp_path: Path) -> None:
    kept = tmp_path / "results" / "0" / "summary.csv"
    kept.parent.mkdir(parents=True)
    kept.write_text("theirs")
    with served(tmp_path) as place:
        ask(f"{place}/scans/iron.dat", SCAN.read_bytes(), "PUT")
        run(place, command="predict", scans=["iron.dat"])
        assert ended(place)["code"] == 0
        assert b"The scan has an answer" in ask(f"{place}/results/0/report.html")
    assert kept.read_text() == "theirs"


def test_a_scan_is_taken_away(place: str) -> None:
    ask(f"{place}/scans/iron.dat", b"1 2", "PUT")
    assert json.loads(ask(f"{place}/scans/iron.dat", method="DELETE"))["scans"] == []


def test_who_does_not_know_the_address_gets_nothing(place: str) -> None:
    other = place.rpartition("/")[0]
    assert refused(f"{other}/") == 404
    assert refused(f"{other}/state") == 404


@pytest.mark.parametrize("headers", [{"Host": "evil.example:80"}, {"Origin": "http://evil.example"}])
def test_pages_of_elsewhere_get_nothing(place: str, headers: dict[str, str]) -> None:
    assert refused(f"{place}/state", **headers) == 403


@pytest.mark.parametrize("name", ["..%2Fx", ".hidden", "-o", "a%5Cb", "%00"])
def test_names_that_are_paths_or_options_are_refused(place: str, name: str) -> None:
    assert refused(f"{place}/scans/{name}", b"1 2", "PUT") in (400, 404)


def test_what_is_asked_wrongly_is_told(place: str) -> None:
    body = json.dumps({"command": "rm", "scans": []}).encode()
    assert refused(f"{place}/run", body, "POST", **{"Content-Type": "application/json"}) == 400
    body = json.dumps({"command": "predict", "scans": []}).encode()
    assert refused(f"{place}/run", body, "POST", **{"Content-Type": "application/json"}) == 400
    assert refused(f"{place}/results/0/report.html") == 404


def test_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    server = server_of(LocalPage(tmp_path, []), 0)
    assert server.server_address[0] == "127.0.0.1"
    server.server_close()


def test_the_page_loads_nothing_from_elsewhere(place: str) -> None:
    page = ask(f"{place}/").decode()
    assert not re.findall(r'(?:src|href)="http', page)
    assert page.count("<option>") == 4 + 2  # commands besides the chosen one, and models


SLOW = """
import sys, time
from pathlib import Path
from exafsnn.run import scans

calls, gate, own = [], Path({gate!r}), scans.answered

def slow(*asked):
    calls.append(asked)
    while len(calls) > 1 and not gate.exists():
        time.sleep(0.05)
    return own(*asked)

scans.answered = slow
"""
"""Before the program of a job: after the first answer the others wait until there is a file."""


def shown_in(chromium: str, place: str, profile: Path) -> str:
    """The page as a browser has made it after some seconds."""
    asked = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    command = [chromium, *asked, f"--user-data-dir={profile}", f"{place}/"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_a_browser_shows_each_answer_while_the_others_are_computed(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In headless Chromium the script runs: pictures first, the report in the end."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    names = [f"fe_{kelvin}K.dat" for kelvin in ("0300", "0400", "0500")]
    for name in names:
        ask(f"{place}/scans/{name}", (SPECTRA / name).read_bytes(), "PUT")
    gate = tmp_path / "gate"
    monkeypatch.setattr(local_page, "_PROGRAM", SLOW.format(gate=str(gate)) + local_page._PROGRAM)
    run(place, command="predict", scans=names)
    assert once(place, lambda state: not state["running"] or state["glances"])["glances"] == 1
    working = shown_in(chromium, place, tmp_path / "profile")
    assert all(f"<span>{name}</span>" in working for name in names)
    assert "At work: exafsnn predict" in working
    assert working.count('<figure class="glance">') == 1
    answer = re.search(r'fe_0300K\.dat <span class="\w+">.*?</figure>', working, re.DOTALL)[0]
    assert '<polygon points="' in answer
    assert re.search(r"N 1\d\.\d.* ± .*R 2\.6\d+ ± 0\.\d+ Å", answer, re.DOTALL)
    gate.touch()
    assert ended(place)["code"] == 0
    done = shown_in(chromium, place, tmp_path / "profile")
    assert f"All scans are done. exafsnn predict {' '.join(names)}" in done
    assert 'src="results/0/report.html"' in done
    assert done.count('<figure class="glance">') == 3
