"""The local page: who may ask, what it keeps, and that a browser gets from a scan to its report."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exafsnn_cli.local_page import LocalPage, server_of

SPECTRA = Path(__file__).parents[2] / "spectra"
SCAN = SPECTRA / "fe_0300K.dat"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[str]:
    """The address of a page."""
    page = LocalPage(tmp_path / "serve", ["fe-k", "cu-k"])
    server = server_of(page, 0)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/{page.token}"
    page.close()
    server.shutdown()
    server.server_close()
    thread.join()


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
    for _ in range(600):
        state = json.loads(ask(f"{place}/state"))
        if not state["running"]:
            return dict(state)
        time.sleep(0.1)
    raise AssertionError("the job did not end")


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


def test_a_browser_shows_it(place: str, tmp_path: Path) -> None:
    """In headless Chromium the script runs, and lists what is there."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    ask(f"{place}/scans/iron.dat", SCAN.read_bytes(), "PUT")
    run(place, command="predict", scans=["iron.dat"])
    ended(place)
    asked = ["--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=4000", "--dump-dom"]
    command = [chromium, *asked, f"--user-data-dir={tmp_path / 'profile'}", f"{place}/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "<span>iron.dat</span>" in done.stdout
    assert "All scans are done. exafsnn predict iron.dat" in done.stdout
    assert 'src="results/0/report.html"' in done.stdout
