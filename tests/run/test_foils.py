"""Measured scans are fetched with their checksums, from a server of this test: nothing here asks the internet."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from exafsnn_cli.main import run

from exafsnn.errors import ExafsnnError, SettingsError
from exafsnn.infer.structure import parse_structure
from exafsnn.run import foils
from exafsnn.run.foils import MeasuredScan, fetched, measured_scans


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def scan(tmp_path: Path) -> Iterator[MeasuredScan]:
    """A file on a server of this machine."""
    home = tmp_path / "server"
    home.mkdir()
    (home / "a foil.dat").write_text("7000 1\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=home))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    checksum = hashlib.sha256(b"7000 1\n").hexdigest()
    url = f"http://127.0.0.1:{server.server_port}/a%20foil.dat"
    yield MeasuredScan("fe", "foil.dat", "Fe K", "foil", "bcc:2.8665", "CC0", checksum, url)
    server.shutdown()
    server.server_close()


def test_it_is_fetched_once(scan: MeasuredScan, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    ((_, path, there),) = fetched([scan], folder)
    assert (path.read_text(), there) == ("7000 1\n", False)
    stamp = path.stat().st_mtime_ns
    ((_, path, there),) = fetched([replace(scan, url="http://127.0.0.1:9/none")], folder)  # nobody is asked
    assert (path.stat().st_mtime_ns, there) == (stamp, True)


def test_another_content_is_refused_and_leaves_nothing(scan: MeasuredScan, tmp_path: Path) -> None:
    with pytest.raises(ExafsnnError, match="another checksum"):
        list(fetched([replace(scan, sha256="0" * 64)], tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_replaced(scan: MeasuredScan, tmp_path: Path) -> None:
    (tmp_path / "foil.dat").write_text("mine")
    with pytest.raises(ExafsnnError, match="not replaced"):
        list(fetched([scan], tmp_path))
    assert (tmp_path / "foil.dat").read_text() == "mine"


@pytest.mark.parametrize(("url", "said"), [("http://127.0.0.1:9/x", "cannot be reached"), (None, "answers 404")])
def test_without_a_server_it_says_so(scan: MeasuredScan, tmp_path: Path, url: str | None, said: str) -> None:
    with pytest.raises(ExafsnnError, match=said):
        list(fetched([replace(scan, url=url or f"{scan.url}.gone")], tmp_path / "out"))


def test_the_command(
    scan: MeasuredScan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(foils, "measured_scans", lambda _: [scan])
    assert run(["fetch", "fe", "-o", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "bcc:2.8665" in told.out
    assert "1/1" in told.err
    assert f"exafsnn refine {tmp_path / 'out'}/foil.dat" in told.err
    assert run(["fetch", "--list", "-o", str(tmp_path / "other")]) == 0
    assert not (tmp_path / "other").exists()


def test_names() -> None:
    assert {scan.edge for scan in measured_scans(["ZnSe"])} == {"Zn K", "Se K"}
    with pytest.raises(SettingsError, match="no scan is called xx"):
        measured_scans(["xx"])
    assert run(["fetch", "xx"]) == 2


def test_every_scan_has_a_fixed_home_and_a_known_structure(data_dir: Path) -> None:
    """The checksums are those of the measured scans beside the repository."""
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in data_dir.rglob("*.*")}
    scans = measured_scans()
    assert len({scan.file for scan in scans}) == len(scans) > 20
    for scan in scans:
        assert there[scan.file] == scan.sha256
        assert scan.licence in ("CC0", "MIT")
        if scan.structure:
            parse_structure(scan.structure)


def test_a_folder_of_the_user_stays(scan: MeasuredScan, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(ExafsnnError):
        list(fetched([replace(scan, url="http://127.0.0.1:9/x")], tmp_path / "mine"))
    assert (tmp_path / "mine").is_dir()
