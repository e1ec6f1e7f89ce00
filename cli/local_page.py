"""The local page of ``exafsnn serve``: scans dropped into a browser, answered by the commands of this machine.

It listens on 127.0.0.1 alone, under an address with a random token; what it is given stays in a folder of its own, and
no request leaves the machine. Each job is one command in a process of its own: a page can be left and come back to.
"""

from __future__ import annotations

import io
import json
import re
import secrets
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import bottle

from exafsnn import __version__
from exafsnn.write.glances import trend
from exafsnn.write.markup import template

COMMANDS = ("predict", "refine", "series", "compare", "preprocess")
_TEMPLATES = Path(__file__).parent / "templates"
_MOST_BYTES = 256 << 20
"""Of one file."""
_MOST_FILES = 2000
_LINES = 200
"""Of a job's log that are shown."""
_PROGRAM = "import sys; sys.argv[0] = 'exafsnn'; from exafsnn_cli.main import main; main()"
_PATIENCE = 5.0
"""Seconds that a job is given to end in order."""


@dataclass
class Job:
    """A command that works, or has."""

    process: subprocess.Popen[str]
    folder: Path
    """Of its results."""
    log: Path
    glances: Path
    """Its scans at a glance, a line of JSON each, as they are answered."""
    against: str
    """The axis, if it is of a series."""
    command: str
    said: list[str] = field(default_factory=list)
    """What it printed."""
    _seen: list[Mapping[str, Any]] = field(default_factory=list)
    _read: int = 0

    @property
    def code(self) -> int | None:
        """Its exit code; None while it works."""
        return self.process.poll()

    def look(self) -> Sequence[Mapping[str, Any]]:
        """The scans that are answered, at a glance; of a line that is being written it is not one yet."""
        if self.glances.exists():
            with self.glances.open("rb") as file:
                file.seek(self._read)
                whole, end, _ = file.read().rpartition(b"\n")
            self._read += len(whole + end)
            self._seen += [json.loads(line) for line in whole.splitlines()]
        return self._seen

    def listen(self) -> None:
        """Collect what it prints, until it ends."""
        if self.process.stdout:
            with self.process.stdout as lines:
                self.said.extend(line.rstrip() for line in lines)
        self.process.wait()


class LocalPage:
    """What one page knows: its scans, and its jobs.

    Parameters
    ----------
    folder
        Where scans and results lie.
    models
        Names of the models that can be chosen.
    """

    def __init__(self, folder: Path, models: Sequence[str]) -> None:
        self.token = secrets.token_urlsafe(16)
        folder = folder.absolute()  # jobs work among the scans
        self._scans, self._results = folder / "scans", folder / "results"
        for place in (self._scans, self._results):
            place.mkdir(parents=True, exist_ok=True)
        self._models = list(models)
        self._earlier = 1 + max((int(path.stem) for path in self._results.iterdir() if path.stem.isdigit()), default=-1)
        self._jobs: list[Job] = []
        self._lock = threading.Lock()
        self.app = self._routes()

    def close(self) -> None:
        """End the job that works."""
        for job in self._jobs:
            _end(job)

    def _routes(self) -> bottle.Bottle:
        app, base = bottle.Bottle(), f"/{self.token}"
        app.add_hook("before_request", _refuse_strangers)
        app.route(f"{base}/", callback=self._page)
        app.route(f"{base}/state", callback=self._state)
        app.route(f"{base}/scans/<name>", method="PUT", callback=self._take)
        app.route(f"{base}/scans/<name>", method="DELETE", callback=self._drop)
        app.route(f"{base}/run", method="POST", callback=self._run)
        app.route(f"{base}/stop", method="POST", callback=self._stop)
        app.route(f"{base}/glances/<number:int>/<first:int>", callback=self._glances)
        app.route(f"{base}/results/<number:int>/<name>", callback=self._result)
        app.route(f"{base}/results/<number:int>.zip", callback=self._packed)
        return app

    def _page(self) -> str:
        nonce = secrets.token_urlsafe(12)
        own = (
            "default-src 'none'; connect-src 'self'; frame-src 'self'; img-src 'self' data:; style-src 'unsafe-inline'"
        )
        bottle.response.set_header("Content-Security-Policy", f"{own}; script-src 'nonce-{nonce}'; form-action 'none'")
        bottle.response.set_header("Referrer-Policy", "no-referrer")
        return template("serve.html", _TEMPLATES).render(
            nonce=nonce, models=self._models, commands=COMMANDS, version=__version__
        )

    def _state(self) -> Mapping[str, Any]:
        job = self._jobs[-1] if self._jobs else None
        return {
            "scans": sorted(path.name for path in self._scans.iterdir()),
            "number": len(self._jobs) - 1,
            "running": bool(job and job.code is None),
            "code": job.code if job else None,
            "command": job.command if job else "",
            "glances": len(job.look()) if job else 0,
            "lines": _last_lines(job.log) if job else [],
            "said": [line for line in job.said if line][-_LINES:] if job else [],
            "page": bool(job and (job.folder / "report.html").exists()),
        }

    def _glances(self, number: int, first: int) -> Mapping[str, Any]:
        """Scans of a job at a glance, from the ``first`` on, and the trend of all, as HTML."""
        if not 0 <= number < len(self._jobs):
            bottle.abort(404, "There is no such job")
        job = self._jobs[number]
        seen = job.look()
        return {"scans": [glance["html"] for glance in seen[first:]], "trend": trend(seen, job.against)}

    def _take(self, name: str) -> Mapping[str, Any]:
        """Keep a file that was dropped."""
        path = self._scans / _checked(name)
        size = bottle.request.content_length
        if not 0 < size <= _MOST_BYTES:
            bottle.abort(413, f"A file has between 1 and {_MOST_BYTES} bytes, this one {size}")
        if len(list(self._scans.iterdir())) >= _MOST_FILES:
            bottle.abort(413, f"There are {_MOST_FILES} files: use the command line for so many")
        unfinished = path.with_name(f".{path.name}.unfinished")
        unfinished.write_bytes(bottle.request.body.read())
        unfinished.replace(path)
        return self._state()

    def _drop(self, name: str) -> Mapping[str, Any]:
        (self._scans / _checked(name)).unlink(missing_ok=True)
        return self._state()

    def _run(self) -> Mapping[str, Any]:
        """Begin a job, if none works."""
        asked = bottle.request.json
        if not isinstance(asked, dict) or asked.get("command") not in COMMANDS:
            bottle.abort(400, f"Say which command: {', '.join(COMMANDS)}")
        with self._lock:
            if self._jobs and self._jobs[-1].code is None:
                bottle.abort(409, "A job is still at work: stop it first")
            arguments = self._arguments(asked)
            number = self._earlier + len(self._jobs)  # what an earlier page kept stays
            folder, log, glances = (self._results / f"{number}{end}" for end in ("", ".log", ".glances"))
            command = [
                sys.executable,
                "-c",
                _PROGRAM,
                asked["command"],
                *arguments,
                "-o",
                str(folder),
                "--log",
                str(log),
                "--glances",
                str(glances),
            ]
            process = subprocess.Popen(
                command, cwd=self._scans, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, start_new_session=True,
            )  # fmt: skip
            against = asked["against"] if _is_word(asked.get("against")) else "temperature"
            job = Job(process, folder, log, glances, against, " ".join(["exafsnn", asked["command"], *arguments]))
            self._jobs.append(job)
        threading.Thread(target=job.listen, daemon=True).start()
        return self._state()

    def _arguments(self, asked: Mapping[str, Any]) -> list[str]:
        """Those of the command line; each is one word, and none can be taken for an option that was not asked for."""
        there = {path.name for path in self._scans.iterdir()}
        scans = [name for name in asked.get("scans", ()) if name in there]
        reference = asked.get("reference") if asked.get("reference") in there else None
        if not scans:
            bottle.abort(400, "Choose scans first")
        found = [f"--{key}={asked[key]}" for key in ("model", "structure", "against") if _is_word(asked.get(key))]
        if asked["command"] == "preprocess":
            found = []
        elif reference:
            found.append(f"--reference={reference}")
        if asked["command"] != "series":
            found = [word for word in found if not word.startswith("--against")]
        return [*found, *scans]

    def _stop(self) -> Mapping[str, Any]:
        if self._jobs:
            _end(self._jobs[-1])
        return self._state()

    def _result(self, number: int, name: str) -> bottle.HTTPResponse:
        return bottle.static_file(_checked(name), root=str(self._folder(number)))

    def _packed(self, number: int) -> bytes:
        """All files of a job's results, in one."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self._folder(number).iterdir()):
                if path.is_file() and not path.name.startswith("."):
                    archive.write(path, f"exafsnn-results/{path.name}")
        bottle.response.content_type = "application/zip"
        bottle.response.set_header("Content-Disposition", 'attachment; filename="exafsnn-results.zip"')
        return packed.getvalue()

    def _folder(self, number: int) -> Path:
        if not 0 <= number < len(self._jobs) or not self._jobs[number].folder.is_dir():
            bottle.abort(404, "There are no such results")
        return self._jobs[number].folder


class _Quiet(WSGIRequestHandler):
    """A handler that leaves the terminal to what matters."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def server_of(page: LocalPage, port: int) -> WSGIServer:
    """What serves a page on this machine alone; port 0 is any that is free.

    Raises
    ------
    OSError
        If the port is taken.
    """
    return make_server("127.0.0.1", port, page.app, handler_class=_Quiet)


def _refuse_strangers() -> None:
    """Answer only who asks for this machine by its name: no page of elsewhere, whatever name it gives itself."""
    host = bottle.request.get_header("Host", "").rpartition(":")[0]
    origin = bottle.request.get_header("Origin", "")
    if host not in ("127.0.0.1", "localhost") or not re.fullmatch(r"(http://(127\.0\.0\.1|localhost):\d+)?", origin):
        bottle.abort(403, "This page is for the browser of this machine")


def _checked(name: str) -> str:
    """A file's name that is one, and no path."""
    if (
        not name
        or name != Path(name).name
        or "/" in name
        or "\\" in name
        or name.startswith((".", "-"))
        or "\0" in name
    ):
        bottle.abort(400, "That is no name of a file")
    return name


def _is_word(value: Any) -> bool:
    """Whether something was chosen."""
    return isinstance(value, str) and bool(value.strip()) and len(value) < 200


def _last_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]
    except OSError:
        return []


def _end(job: Job) -> None:
    """Let a job end in order, or at once if it does not."""
    if job.code is None:
        job.process.send_signal(signal.SIGTERM)
        try:
            job.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            job.process.kill()
            job.process.wait()
