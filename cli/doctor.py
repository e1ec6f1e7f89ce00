"""``exafsnn doctor``: what exafsnn needs of this machine, and whether it is there."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import metadata

import click

from .screen import NONE_DONE, print_table

Checks = dict[str, Callable[[], str]]

_PACKAGES = ("numpy", "scipy", "torch", "larch", "xraydb", "h5py", "matplotlib", "sklearn", "safetensors")
_DISTRIBUTIONS = {"larch": "xraylarch", "sklearn": "scikit-learn"}


@click.command()
def doctor() -> int:
    """Check that this machine has all it needs."""
    needed: Checks = {name: partial(_package, name) for name in _PACKAGES}
    needed |= {"models": _models, "temporary files": _temporary}
    extra: Checks = {"FEFF": _feff, "LAMMPS": _lammps}
    lines = [_examine(name, check, "to predict and refine") for name, check in needed.items()]
    fit = all(line[1] == "ok" for line in lines)
    lines += [_examine(name, check, "to simulate") for name, check in extra.items()]
    print_table(("needed", "found", "for what", "what"), lines)
    return 0 if fit else NONE_DONE


def _examine(name: str, check: Callable[[], str], purpose: str) -> tuple[str, str, str, str]:
    """One line of the table: whatever a check raises is what is wrong."""
    try:
        return name, "ok", purpose, check()
    except Exception as error:
        return name, "missing", purpose, str(error) or type(error).__name__


def _package(name: str) -> str:
    importlib.import_module(name)
    return metadata.version(_DISTRIBUTIONS.get(name, name))


def _models() -> str:
    from exafsnn.errors import ModelError
    from exafsnn.infer.joint import load_any
    from exafsnn.learn.model_file import known_models

    identities = [load_any(name).identity for name in known_models()]
    if not identities:
        raise ModelError("no model is installed", remedy="Install exafsnn again")
    return ", ".join(identities)


def _temporary() -> str:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"exafsnn")
    return tempfile.gettempdir()


def _feff() -> str:
    from exafsnn.physics.feff import program_folder

    folder = program_folder()
    programs = sorted(
        path.name for path in folder.iterdir() if path.name.startswith("feff") and os.access(path, os.X_OK)
    )
    return f"{len(programs)} programs in {folder}"


def _lammps() -> str:
    from exafsnn.simulate import dynamics

    with dynamics.engine() as engine:
        return f"version {engine.version()}"
