"""``exafsnn serve``: the local page."""

from __future__ import annotations

import tempfile
import webbrowser
from pathlib import Path

import click

from exafsnn.errors import ExafsnnError

from .places import Named


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Of this machine; by default any that is free.",
)
@click.option(
    "-o",
    "output",
    type=Named(file_okay=False),
    metavar="DIR",
    help="Keep scans and results here; by default they go when it ends.",
)
@click.option("--browser/--no-browser", default=True, help="Open the page.")
def serve(port: int, output: str | None, browser: bool) -> None:
    """Serve a page on this machine: drop scans into it, choose a model, see the answers, take them away.

    It listens on 127.0.0.1 alone, under an address that nobody can guess, and asks nothing of the internet.
    Ctrl-C ends it.
    """
    from exafsnn.learn.model_file import known_models

    from .local_page import LocalPage, server_of

    with tempfile.TemporaryDirectory(prefix="exafsnn-serve-") as own:
        page = LocalPage(Path(output or own), known_models())
        try:
            server = server_of(page, port)
        except OSError as error:
            remedy = "Give another --port, or none"
            raise ExafsnnError(
                f"port {port} cannot be used: {error.strerror}", where="--port", remedy=remedy
            ) from error
        address = f"http://127.0.0.1:{server.server_port}/{page.token}/"
        click.echo(f"The page is at {address}", err=True)
        click.echo("Who has this address on this machine may use it. Ctrl-C ends it", err=True)
        if browser:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            click.echo("Ended", err=True)
        finally:
            page.close()
            server.server_close()
