"""The root of the command line: gathers the commands, and turns what went wrong into an exit code.

0: all done. 1: a defect of ours, with a log. 2: wrong usage. 3: some scans rejected. 4: none done. 130: interrupted.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from exafsnn import __version__
from exafsnn.errors import ExafsnnError, ModelError, SettingsError
from exafsnn.workers import one_thread_each

from .adapt import adapt
from .average import average
from .compare import compare
from .doctor import doctor
from .fetch import fetch
from .make import make
from .map import map_
from .models import models
from .predict import predict
from .preprocess import preprocess
from .refine import refine
from .screen import DEFECT, INTERRUPTED, NONE_DONE, USAGE, DefectsError
from .series import series
from .serve import serve
from .simulate import simulate
from .streams import open_streams
from .train import train


def _print_completion(context: click.Context, _: click.Parameter, shell: str | None) -> None:
    """Print the program of a shell that completes commands and options, and end."""
    if shell is not None:
        from click.shell_completion import get_completion_class

        kind = get_completion_class(shell)
        if kind is not None:
            click.echo(kind(root, {}, "exafsnn", "_EXAFSNN_COMPLETE").source())
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="exafsnn")
@click.option(
    "--complete",
    type=click.Choice(["bash", "zsh", "fish"]),
    is_eager=True,
    expose_value=False,
    callback=_print_completion,
    help='Print what makes the shell complete names: eval "$(exafsnn --complete bash)".',
)
def root() -> None:
    """Radial distribution functions from EXAFS scans, with error bars.

    The main job: exafsnn predict SCANS…
    """


for command in (
    predict,
    refine,
    series,
    compare,
    map_,
    preprocess,
    simulate,
    train,
    make,
    adapt,
    average,
    models,
    fetch,
    serve,
    doctor,
):
    root.add_command(command)


def main() -> None:
    """Entry point of the program ``exafsnn``."""
    outlet = open_streams()
    signal.signal(signal.SIGTERM, _interrupted)
    command = "".join(sys.argv[1:2])
    if command not in ("train", "make"):  # which have large products
        one_thread_each(torch=command not in ("refine", "series", "compare"))  # which share out their pieces themselves
    code = run(sys.argv[1:])
    if outlet.refusal:
        lost = f"Error: standard output: cannot be written: {outlet.refusal}. What the run wrote into files is whole"
        code = _fail(lost, code if code in (DEFECT, INTERRUPTED, USAGE) else NONE_DONE)
    for late in (signal.SIGTERM, signal.SIGINT):  # what is done is done, and its code is the one to tell
        signal.signal(late, signal.SIG_IGN)
    sys.exit(code)


def _interrupted(*_: object) -> None:
    """A batch system, too, ends a run in order: what is done is kept."""
    raise KeyboardInterrupt


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; commands return theirs, or nothing for 0."""
    try:
        return root.main(list(arguments), prog_name="exafsnn", standalone_mode=False) or 0
    except click.Abort:
        return _fail("interrupted", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (SettingsError, ModelError) as error:
        return _fail(f"Error: {error}", USAGE)
    except (ExafsnnError, OSError) as error:
        return _fail(f"Error: {error}", NONE_DONE)
    except Exception as error:
        text = str(error) if isinstance(error, DefectsError) else traceback.format_exc()
        return _fail(f"This is a defect of exafsnn, please report it with the log {_write_log(text)}", DEFECT)


def _fail(message: str, code: int) -> int:
    click.echo(message, err=True)
    return code


def _write_log(text: str) -> Path:
    """Write a log into the working directory, or where that is forbidden into the temporary one."""
    name = f"exafsnn-{datetime.now():%Y%m%d-%H%M%S}.log"
    content = f"exafsnn {__version__}\npython {sys.version}\narguments {sys.argv[1:]}\n\n{text}"
    for folder in (Path.cwd(), Path(tempfile.gettempdir())):
        try:
            (folder / name).write_text(content, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return folder / name
    click.echo(content, err=True)
    return Path("above")
