"""The site library on disk: one HDF5 file of states, their sites' χ(k) and true RDFs, with provenance.

``build`` simulates a plan. Each state is written to a part file of its own by an atomic rename, so an interruption
costs only the states under way; the parts are merged in the end. Every part and the library carry checksums of their
content. ``learn.dataset`` reads the result with ``load``.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from exafsnn.compounds import Material
from exafsnn.errors import LibraryError, SettingsError, SimulationError
from exafsnn.files import (
    Sink,
    checksum_of,
    copy_whole,
    explained,
    only_writer,
    remove_folder,
    remove_leftovers,
    replacing,
    write_whole,
)
from exafsnn.metals import Metal
from exafsnn.physics.feff import (
    CoreAsValenceError,
    FeffTreatment,
    PathSummer,
    Potentials,
    make_potentials,
    partial_waves,
)
from exafsnn.physics.path_tables import PathTables, make_path_tables
from exafsnn.physics.paths import strength_from_phases
from exafsnn.physics.scattering import SINGLE_DISTANCES, ScatteringTable, make_table, single_amplitudes
from exafsnn.records import Array
from exafsnn.simulate.frames import Frame, Trajectory
from exafsnn.simulate.metal_states import metal_at_rest
from exafsnn.simulate.parts import DAMAGE, read_part, write_part
from exafsnn.simulate.plan import LibrarySettings, PlannedState, plan_from_mapping, planned_states, read_plan
from exafsnn.simulate.sites import (
    LIBRARY_K,
    ExactTheory,
    StateSample,
    TabledTheory,
    Theory,
    rdf_edges,
    sample_state,
)
from exafsnn.simulate.states import Need
from exafsnn.workers import Shared, Tell, Workers, run_all, silent

FORMAT = "exafsnn-site-library-2"
OLD_FORMAT = "exafsnn-site-library-1"
"""The same without checksums; still read."""
_SCRATCH = "exafsnn-simulate-"
_CLUSTER = 7.0
"""Radius of the cluster that potentials are of [Å], in iron."""
_PLACES, _SMEARED = np.linspace(1.0, 7.0, 60), 0.15
"""Distances at which surroundings are compared, and by how much they are smeared out for it [Å]."""
_NEAREST = 0.6
"""Atoms of a compound come no nearer to each other, in units of its shortest bond."""


@dataclass(frozen=True)
class LibraryState:
    """One state as stored."""

    index: int
    label: dict[str, Any]
    """Family, phase, potential, a, c, temperature, treatment, seeds, and what the checks of the dynamics found."""
    sample: StateSample


@dataclass(frozen=True)
class SiteLibrary:
    """A library in memory."""

    plan: LibrarySettings
    k: Array
    """(m,) [Å⁻¹]."""
    rdf_edges: Array
    """(b + 1,) edges of the fine distance histogram [Å]."""
    states: tuple[LibraryState, ...]
    theories: dict[str, SingleScattering]
    """By ``structure/treatment``."""
    checksum: str
    discarded: tuple[str, ...] = ()
    """Why states of the plan are missing, one reason each."""
    also: tuple[LibrarySettings, ...] = ()
    """Plans of the libraries that are joined to it."""

    @property
    def neighbours(self) -> tuple[str, ...]:
        """Elements around the absorber, in the order of every axis of pairs."""
        plans = (self.plan, *self.also)
        return tuple(dict.fromkeys(element for plan in plans for element in plan.material.neighbours))

    @property
    def own_phases(self) -> frozenset[str]:
        """Phases whose theories it has by its own plan: of a metal its crystal, of all else what its states say."""
        return frozenset(family.theory(self.plan.material) for family in self.plan.kinds)


@dataclass(frozen=True)
class SingleScattering:
    """Effective amplitude Q(k, r) of single scattering from each element of one material (``physics.scattering``)."""

    r: Array
    """(d,) [Å]."""
    amplitude: np.ndarray
    """(p, d, m) complex Q [Å]; 0 of elements that the material lacks."""
    mean_free_path: Array
    """(m,) λ(k) [Å]."""


def build(
    config_path: str | Path,
    output: str | Path,
    workers: Workers | None = None,
    progress: Tell = silent,
    tables: Path | None = None,
) -> Path:
    """Simulate the plan of ``config_path`` into the library ``output``; go on where an earlier call stopped.

    Parameters
    ----------
    workers
        Processes, by default one per core; or a cluster, to which all travels that it needs, and from which all returns
        that is written. A state of which workers die repeatedly is discarded, with that as the reason.
    tables
        A folder for scattering tables and force constants, which libraries of one material and the same treatments
        share.

    Raises
    ------
    SettingsError
        If the plan cannot be read.
    LibraryError
        If the parts at hand belong to another plan.
    SimulationError
        If FEFF or LAMMPS is missing, or every state failed.
    ExafsnnError
        If another run writes ``output``, the disk refuses, workers die of a scattering table, or the cluster is not
        there.
    """
    plan, output = read_plan(config_path), Path(output)
    states = planned_states(plan)
    needs = list(dict.fromkeys(item.state.need for item in states if item.state.need))
    for need in needs:
        need.require()
    workers = workers or os.cpu_count() or 1
    with explained(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with only_writer(output):
        parts = _open_parts(plan, output)
        wanted = sorted({_theory_name(plan, item) for item in states})
        files = [*(_theory_file(name) for name in wanted), *(_need_file(need) for need in needs)]
        shared = files if tables else []
        _hand_over(tables or parts, parts, shared)
        with _scratch(parts):
            failed = _build_needs(needs, parts, workers, progress)
            _require_hope(states, failed, output)
            _build_theories(plan, parts, wanted, workers, progress)
            _build_states(plan, parts, states, failed, workers, progress)
        _merge(plan, parts, output, wanted)
        _hand_over(parts, tables or parts, shared)
        remove_folder(parts)
    return output


def _hand_over(source: Path, target: Path, names: Sequence[str]) -> None:
    """Give files of one folder to another that lacks them."""
    with explained(target):
        target.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (source / name).exists() and not (target / name).exists():
                copy_whole(source / name, target / name)


def _build_theories(
    plan: LibrarySettings, parts: Path, theories: Sequence[str], workers: Workers, progress: Tell
) -> None:
    """Compute the theories that are not yet there, or not whole; this process alone writes them."""
    missing = [name for name in theories if not _is_whole(parts / _theory_file(name))]
    if not missing:
        return
    still = plan.at_rest
    nearest = min(_least(one) for one in still.values())
    tasks = [(plan, name, still[name.split("/")[0]], nearest) for name in missing]
    for count, ((_, name, _, _), (label, arrays)) in enumerate(run_all(_build_theory, tasks, workers), start=1):
        write_part(parts / _theory_file(name), label, arrays)
        progress(count, len(missing), " ".join([f"scattering table {name}", *label.values()]))


def _build_needs(needs: Sequence[Need], parts: Path, workers: Workers, progress: Tell) -> dict[Need, str]:
    """Make what states share, the same way; returns why some of it cannot be made, which the next run tries again."""
    missing = [need for need in needs if not _is_whole(parts / _need_file(need))]
    local, others = ([need for need in missing if need.here == here] for here in (True, False))
    made = chain(run_all(_build_need, local, 1), run_all(_build_need, others, workers))
    failed = {}
    for count, (need, (label, arrays)) in enumerate(made, start=1):
        if "discarded" in label:
            failed[need] = label["discarded"]
        else:
            write_part(parts / _need_file(need), label, arrays)
        progress(count, len(missing), f"{need.name}{_fate(label)}")
    return failed


def _require_hope(states: Sequence[PlannedState], failed: dict[Need, str], output: Path) -> None:
    """Refuse to go on where no state has what it needs."""
    reasons = [failed[item.state.need] for item in states if item.state.need in failed]
    if reasons and len(reasons) == len(states):
        raise SimulationError(f"every state was discarded, the first because {reasons[0]}", where=str(output))


def _build_states(
    plan: LibrarySettings,
    parts: Path,
    states: Sequence[PlannedState],
    failed: dict[Need, str],
    workers: Workers,
    progress: Tell,
) -> None:
    """Simulate the states, the same way; those that need what cannot be made are discarded."""
    left = [item for item in states if not _is_whole(parts / _state_file(item.index))]
    for item in left:
        if item.state.need in failed:
            write_part(parts / _state_file(item.index), _label(plan, item) | {"discarded": failed[item.state.need]}, {})
    todo: list[_StateTask] = [
        (
            plan,
            item,
            Shared(_load_theory, (str(parts), _theory_name(plan, item))),
            Shared(_load_need, (str(parts), item.state.need)) if item.state.need else None,
        )
        for item in left
        if item.state.need not in failed
    ]
    ended = run_all(_build_state, todo, workers, _set_aside)
    for count, ((_, item, *_), (label, arrays)) in enumerate(ended, start=len(states) - len(todo) + 1):
        write_part(parts / _state_file(item.index), label, arrays)
        progress(count, len(states), f"state {item.index}: {item.family.name}{_fate(label)}")


def _fate(label: dict[str, Any]) -> str:
    """What is told of a part that holds nothing."""
    return f" discarded, {label['discarded']}" if "discarded" in label else ""


def _open_parts(plan: LibrarySettings, output: Path) -> Path:
    """The folder of part files, which belongs to one plan; what a killed run left half there is removed."""
    parts = output.with_name(output.name + ".parts")
    with explained(parts):
        parts.mkdir(exist_ok=True)
        remove_leftovers(parts)
    text = json.dumps(asdict(plan), sort_keys=True)
    marker = parts / "plan.json"
    if marker.exists() and marker.read_text(encoding="utf-8", errors="replace") != text:
        raise LibraryError(
            "the unfinished library is of another plan", where=str(parts), remedy="Remove that folder, or change -o"
        )
    write_whole(marker, text.encode())
    _plan_of.cache_clear()
    _load_theory.cache_clear()
    _load_need.cache_clear()
    return parts


@contextmanager
def _scratch(parts: Path) -> Iterator[None]:
    """Keep the temporary files of this run and its workers in one folder, which the next run finds if this is killed.

    Only the name of the folder is written down, and only one of ours beside other temporary files is ever removed.
    """
    note = parts / "scratch.txt"
    if note.exists():
        old = Path(tempfile.gettempdir()) / Path(note.read_text(encoding="utf-8", errors="replace")).name
        if old.name.startswith(_SCRATCH):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.gettempdir()) / f"{_SCRATCH}{secrets.token_hex(8)}"
    write_whole(note, folder.name.encode())
    with explained(folder):
        folder.mkdir(mode=0o700)
    before = os.environ.get("TMPDIR"), tempfile.tempdir
    os.environ["TMPDIR"], tempfile.tempdir = str(folder), None
    try:
        yield
    finally:
        os.environ.pop("TMPDIR")
        if before[0] is not None:
            os.environ["TMPDIR"] = before[0]
        tempfile.tempdir = before[1]
        shutil.rmtree(folder, ignore_errors=True)


def _theory_name(plan: LibrarySettings, item: PlannedState) -> str:
    """``structure/treatment``."""
    return f"{item.family.theory(plan.material)}/{item.treatment.name}"


def _least(still: Trajectory) -> float:
    """How near atoms of a structure may come [Å]: as it says itself, if they are not at rest there."""
    return float(still.provenance.get("nearest") or _NEAREST * _shortest(still[0]))


def _shortest(frame: Frame) -> float:
    """Distance of the nearest two atoms [Å]."""
    spheres = frame.spheres(range(len(frame.positions)), _CLUSTER)
    return min(float(np.linalg.norm(relative[0])) for relative, _ in spheres if len(relative))


def _theory_file(name: str) -> str:
    return f"theory-{name.replace('/', '-')}.npz"


def _need_file(need: Need) -> str:
    return f"{need.name.replace('/', '-').replace(' ', '-')}.npz"


def _state_file(index: int) -> str:
    return f"state-{index:05d}.npz"


@lru_cache(maxsize=1)
def _plan_of(parts: str) -> LibrarySettings:
    return plan_from_mapping(json.loads((Path(parts) / "plan.json").read_text(encoding="utf-8")))


def _build_theory(task: tuple[LibrarySettings, str, Trajectory, float]) -> tuple[dict[str, str], dict[str, Any]]:
    """Worker: compute potentials and tables of one theory, the label and the arrays of its part.

    The task: plan, name, structure at rest, and the smallest distance of two atoms [Å]. Where self-consistent
    potentials come out wrong, those of overlapped atoms stand for them.
    """
    torch.set_num_threads(1)
    plan, name, still, nearest = task
    treatment = next(item for item in plan.treatments if item.name == name.split("/")[1])
    label = {}
    try:
        potentials = potentials_at_rest(still, plan.material, treatment)
    except CoreAsValenceError as error:
        potentials = potentials_at_rest(still, plan.material, replace(treatment, scf_radius=0.0))
        label["instead"] = f"of overlapped atoms: {error.reason}"
    if isinstance(plan.material, Metal):
        table = make_table(potentials, LIBRARY_K, plan.own_sites.reach)
        arrays = {f"pairs-{kind}": value.numpy() for (kind, _, _), value in table.pairs.items()}
        arrays |= {"single": table.single.numpy(), "mean_free_path": table.mean_free_path.numpy()}
        files = {f"file-{item}": np.frombuffer(content, np.uint8) for item, content in potentials.files.items()}
        return label, arrays | files
    with PathSummer(potentials) as summer:
        single, free_path = single_amplitudes(summer, range(1, len(potentials.symbols)), LIBRARY_K)
    reach = max(plan.own_sites.reach, plan.own_sites.rows)
    tables = make_path_tables(potentials, LIBRARY_K, reach, nearest).to_arrays()
    paths = {f"paths-{key}": value for key, value in tables.items()}
    return label, {"single": single, "mean_free_path": free_path} | paths


def potentials_at_rest(still: Trajectory, material: Material, treatment: FeffTreatment) -> Potentials:
    """FEFF potentials of a structure at rest: of the absorber, and one of each element around it.

    Raises
    ------
    SettingsError
        If the absorber is not there.
    SimulationError
        If FEFF fails.
    """
    relative, numbers = _ordinary_site(still, material)
    symbols = [material.symbol, *material.neighbours]
    cluster = np.vstack([np.zeros(3), relative])
    return make_potentials(cluster, symbols, treatment, edge=material.edge, feff_numbers=[0, *numbers])


def _ordinary_site(still: Trajectory, material: Material) -> tuple[Array, list[int]]:
    """(n, 3) surroundings of an absorber [Å], and the potential of each atom, from 1.

    Absorbers that are not alike share their potentials: of that whose surroundings are most like the others'. An
    element that is not there, since another crystal of the plan has it, stands for the farthest atom, so that its
    scattering is known; no state of this crystal has it.
    """
    elements, symbols = material.neighbours, np.array(still.symbols)
    absorbers = np.flatnonzero(symbols == material.symbol)
    if not len(absorbers):
        raise SettingsError(f"there is no {material.symbol} in {still.phase}", where="structure")
    spheres = list(still[0].spheres(absorbers, _CLUSTER * material.length_scale))
    shapes = np.array([_shape(relative, symbols[which], elements) for relative, which in spheres])
    apart = np.abs(shapes - np.median(shapes, axis=0)).sum(axis=1)  # [site]
    relative, which = spheres[int(np.argmin(apart.round(6)))]
    numbers = [1 + elements.index(symbol) for symbol in symbols[which]]
    for place, number in enumerate(sorted(set(range(1, 1 + len(elements))) - set(numbers)), start=1):
        numbers[-place] = number
    return relative, numbers


def _shape(relative: Array, symbols: NDArray[np.str_], elements: Sequence[str]) -> Array:
    """(p · 60,) atoms of each element by distance, near ones counting more, to tell surroundings apart."""
    r = np.linalg.norm(relative, axis=1)
    smeared = np.exp(-0.5 * ((r[:, None] - _PLACES) / _SMEARED) ** 2) / r[:, None] ** 2  # [atom, place]
    return np.concatenate([smeared[symbols == element].sum(axis=0) for element in elements])


def crystal_potentials(metal: Metal, phase: str, treatment: FeffTreatment) -> Potentials:
    """FEFF potentials of a perfect crystal of a metal at room temperature; of another phase than its own, as dense."""
    return potentials_at_rest(metal_at_rest(metal, phase), metal, treatment)


def _build_need(need: Need) -> tuple[dict[str, Any], dict[str, Array]]:
    """Worker: label and arrays of what states share; or why it cannot be made, and none."""
    torch.set_num_threads(1)
    try:
        label, arrays = need.made()
    except SimulationError as error:
        return {"discarded": str(error)}, {}
    return dict(label), dict(arrays)


@cache
def _load_need(parts: str, need: Need) -> Any:
    return need.restored(*read_part(Path(parts) / _need_file(need)))


@cache
def _load_theory(parts: str, name: str) -> Theory:
    plan = _plan_of(parts)
    _, stored = read_part(Path(parts) / _theory_file(name))
    if not isinstance(plan.material, Metal):
        return ExactTheory(PathTables.of_arrays(_starting(stored, "paths-")))
    treatment = next(item for item in plan.treatments if item.name == name.split("/")[1])
    files = {item: content.tobytes() for item, content in _starting(stored, "file-").items()}
    sites = plan.own_sites
    pairs = {(key.removeprefix("pairs-"), 1, 1): torch.from_numpy(stored[key]) for key in stored if "pairs-" in key}
    single, free_path = torch.from_numpy(stored["single"]), torch.from_numpy(stored["mean_free_path"])
    potentials = Potentials(treatment, (plan.element, plan.element), files)
    k = torch.from_numpy(LIBRARY_K.astype(np.float32))
    table = ScatteringTable(k, free_path, single, pairs, sites.reach, sites.fade)
    return TabledTheory(potentials, table, strength_from_phases(*partial_waves(potentials)))


def _starting(stored: dict[str, Array], start: str) -> dict[str, Array]:
    """The arrays whose names start so, under what follows."""
    return {key.removeprefix(start): value for key, value in stored.items() if key.startswith(start)}


_StateTask = tuple[LibrarySettings, PlannedState, "Shared[Theory]", "Shared[Any] | None"]


def _build_state(task: _StateTask) -> tuple[dict[str, Any], dict[str, Any]]:
    """Worker: simulate one state, label and arrays of its part; or why it was discarded, and none."""
    torch.set_num_threads(1)
    plan, item, theory, needed = task
    label = _label(plan, item)
    try:
        trajectory = simulate_planned(item, plan, needed and needed.value)
        label |= _facts(trajectory)
        around = (plan.element, plan.material.neighbours)
        rng = np.random.default_rng([item.seed, 1])
        sample = sample_state(trajectory, theory.value, plan.own_sites, rng, around)
    except SimulationError as error:
        return label | {"discarded": str(error)}, {}
    return label, asdict(sample)


def _set_aside(task: _StateTask, reason: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What stands for a state that workers die of."""
    plan, item, *_ = task
    return _label(plan, item) | {"discarded": f"state {item.index}, {item.family.name}: {reason}"}, {}


def simulate_planned(item: PlannedState, plan: LibrarySettings, needed: Any = None) -> Trajectory:
    """One planned state in its own lengths; ``needed`` is what it shares with others, if anything."""
    return item.state.simulated(plan.material, plan.dynamics, needed)


def _label(plan: LibrarySettings, item: PlannedState) -> dict[str, Any]:
    """What is known of a state before it is simulated; lengths and temperature are the material's."""
    label = {"family": item.family.name, "treatment": item.treatment.name, "theory": _theory_name(plan, item)}
    return label | {"vacancies": 0.0, "atoms": 0, "seed": item.seed} | item.state.label(plan.material)


def _facts(trajectory: Trajectory) -> dict[str, Any]:
    known = ("displacement", "fractions", "md_temperature", "length_scale", "weights", "slowest", "share", "alpha")
    facts = {key: trajectory.provenance[key] for key in known if key in trajectory.provenance}
    return facts | {"cell": trajectory.box.tolist(), "frames": len(trajectory.frames)}


def _is_whole(path: Path) -> bool:
    """Whether a part is there; one that is damaged is removed, and that is said."""
    if not path.exists():
        return False
    try:
        read_part(path)
    except LibraryError as error:
        warnings.warn(f"{error.where}: {error.reason}. It is computed again", stacklevel=2)
        path.unlink()
        return False
    return True


def _merge(plan: LibrarySettings, parts: Path, output: Path, theories: list[str]) -> None:
    """Write all parts into one file, which appears whole or not at all."""
    found = [(item.index, *read_part(parts / _state_file(item.index))) for item in planned_states(plan)]
    if not any(arrays for _, _, arrays in found):
        reason = found[0][1]["discarded"] if found else "the plan is empty"
        raise SimulationError(f"every state was discarded, the first because {reason}", where=str(output))
    tables = {name: read_part(parts / _theory_file(name)) for name in theories}
    with replacing(output) as temporary, Sink(temporary) as sink, h5py.File(sink, "w") as file:
        file.attrs["format"], file.attrs["code"] = FORMAT, code_checksum()
        file.attrs["plan"] = json.dumps(asdict(plan), sort_keys=True)
        edges = rdf_edges(plan.own_sites.far)
        file["k"], file["rdf_edges"], file["single_r"] = LIBRARY_K, edges, SINGLE_DISTANCES
        for name, (label, stored) in tables.items():
            group = file.create_group(f"theories/{name}")
            if label:
                group.attrs["label"] = json.dumps(label, sort_keys=True)
            single = stored["single"]  # its first axis is not written where there is one element
            group["single"] = single[0] if len(single) == 1 else single
            group["mean_free_path"] = stored["mean_free_path"]
        for index, label, arrays in found:
            group = file.create_group(f"{'states' if arrays else 'discarded'}/{index:05d}")
            group.attrs["label"] = json.dumps(label, sort_keys=True)
            for key, values in arrays.items():
                group.create_dataset(key, data=values.astype(np.float32), compression="gzip", shuffle=True)
        file.attrs["checksum"] = _content_checksum(file)


def _content_checksum(file: h5py.File) -> str:
    """SHA-256 over every array and label of a library, however HDF5 lays them out."""
    labels, arrays = {"/plan": str(file.attrs["plan"])}, {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            arrays[name] = item[()]
        elif "label" in item.attrs:
            labels[name] = str(item.attrs["label"])

    file.visititems(visit)
    return checksum_of(json.dumps(labels, sort_keys=True), arrays)


def load(path: str | Path) -> SiteLibrary:
    """Read a whole library.

    Raises
    ------
    LibraryError
        If the file is missing, damaged or no site library.
    """
    remedy = "Copy it again, or make it again with exafsnn simulate"
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") not in (FORMAT, OLD_FORMAT):
                raise LibraryError("not a site library of this version", where=str(path), remedy=remedy)
            if file.attrs["format"] == FORMAT and file.attrs["checksum"] != _content_checksum(file):
                raise LibraryError("its content is not what its checksum says", where=str(path), remedy=remedy)
            return _load_file(file)
    except (*DAMAGE, SettingsError) as error:
        raise LibraryError(f"the library cannot be read: {error}", where=str(path), remedy=remedy) from error


def plan_of(path: str | Path) -> LibrarySettings:
    """What a library was made of, without reading it whole.

    Raises
    ------
    LibraryError
        If the file is missing, damaged or no site library.
    """
    try:
        with h5py.File(path, "r") as file:
            return _plan_in(file)
    except (*DAMAGE, SettingsError) as error:
        remedy = "Copy it again, or make it again with exafsnn simulate"
        raise LibraryError(f"the library cannot be read: {error}", where=str(path), remedy=remedy) from error


def is_library_of(path: Path, plan: LibrarySettings) -> bool:
    """Whether a library is there, whole, made of this plan by this very code."""
    try:
        with h5py.File(path, "r") as file:
            made = _plan_in(file), file.attrs.get("code")
            return made == (plan, code_checksum()) and file.attrs["checksum"] == _content_checksum(file)
    except (*DAMAGE, SettingsError):
        return False


@cache
def code_checksum() -> str:
    """SHA-256 of the modules that decide what a library holds: those of ``physics`` and ``simulate``."""
    rooms = Path(__file__).parent, Path(__file__).parent.parent / "physics"
    digest = hashlib.sha256()
    for path in sorted(path for room in rooms for path in room.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _plan_in(file: h5py.File) -> LibrarySettings:
    return plan_from_mapping(json.loads(file.attrs["plan"]))


def _load_file(file: h5py.File) -> SiteLibrary:
    states = []
    digest = hashlib.sha256()
    for name, group in file["states"].items():
        arrays = {key: group[key][()].astype(float) for key in sorted(group)}
        digest.update(group.attrs["label"].encode())
        for values in arrays.values():
            digest.update(values.tobytes())
        arrays["rdf"] = _of_each(arrays["rdf"], 2)
        arrays.setdefault("mean_triple", arrays["triple"].mean(axis=0))  # not written by the first releases
        states.append(LibraryState(int(name), json.loads(group.attrs["label"]), StateSample(**arrays)))
    theories = {
        f"{phase}/{treatment}": SingleScattering(
            file["single_r"][()], _of_each(group["single"][()]), group["mean_free_path"][()]
        )
        for phase, treatments in file["theories"].items()
        for treatment, group in treatments.items()
    }
    plan = _plan_in(file)
    discarded = tuple(json.loads(group.attrs["label"])["discarded"] for group in file.get("discarded", {}).values())
    k, edges = file["k"][()], file["rdf_edges"][()]
    return SiteLibrary(plan, k, edges, tuple(states), theories, digest.hexdigest(), discarded)


def _of_each(values: np.ndarray, axes: int = 3) -> np.ndarray:
    """Values of each element, whose axis was not written where there was one."""
    return values if values.ndim == axes else values[None]


def join(paths: Sequence[str | Path]) -> SiteLibrary:
    """Read several libraries of one element and edge as one.

    Raises
    ------
    LibraryError
        If one cannot be read, or they do not belong together.
    """
    return joined([load(path) for path in paths], paths)


def joined(libraries: Sequence[SiteLibrary], paths: Sequence[str | Path]) -> SiteLibrary:
    """The same for libraries that are read already; their states are numbered anew.

    What is around the absorber is put in one order, that of the first library before that of the others; of an element
    that a state lacks it has no atoms.
    """
    first = libraries[0]
    for path, other in zip(paths, libraries, strict=True):
        if (other.plan.element, other.plan.edge) != (first.plan.element, first.plan.edge):
            raise LibraryError(
                f"the library is of {other.plan.element} {other.plan.edge}, not {first.plan.element} {first.plan.edge}",
                where=str(path),
            )
        if len(other.rdf_edges) < len(first.rdf_edges):
            far, needed = other.rdf_edges[-1], first.rdf_edges[-1]
            raise LibraryError(
                f"the library knows distances to {far:.2f} Å, the first one to {needed:.2f} Å", where=str(path),
                remedy=f"Simulate it with far = {needed:.2f} or more in [sites], or give it first",
            )  # fmt: skip
        if unknown := sorted(_treatments(other) - _treatments(first)):
            raise LibraryError(
                f"the library is of the FEFF treatment {unknown[0]} too, which the first one lacks", where=str(path),
                remedy="Simulate both in the same treatments",
            )  # fmt: skip
    neighbours = tuple(dict.fromkeys(element for library in libraries for element in library.neighbours))
    alike = [_in_order(library, neighbours, len(first.rdf_edges) - 1) for library in libraries]
    states = [state for library in alike for state in library.states]
    theories = {name: theory for library in reversed(alike) for name, theory in library.theories.items()}
    checksum = hashlib.sha256("".join(library.checksum for library in libraries).encode()).hexdigest()
    numbered = tuple(replace(state, index=index) for index, state in enumerate(states))
    discarded = tuple(reason for library in libraries for reason in library.discarded)
    if len(libraries) == 1:
        checksum = first.checksum
    also = tuple(plan for library in libraries for plan in (library.plan, *library.also))[1:]
    return SiteLibrary(first.plan, first.k, first.rdf_edges, numbered, theories, checksum, discarded, also)


def _treatments(library: SiteLibrary) -> set[str]:
    return {name.split("/")[1] for name in library.theories}


def _in_order(library: SiteLibrary, neighbours: tuple[str, ...], bins: int) -> SiteLibrary:
    """A library whose pairs are those of ``neighbours``, and whose RDFs have so many bins."""
    if library.neighbours == neighbours and len(library.rdf_edges) == bins + 1:
        return library
    rows = [neighbours.index(element) for element in library.neighbours]

    def of_each(values: np.ndarray) -> np.ndarray:
        found = np.zeros((len(neighbours), *values.shape[1:]), values.dtype)
        found[rows] = values
        return found

    states = tuple(
        replace(state, sample=replace(state.sample, rdf=of_each(state.sample.rdf[:, :bins])))
        for state in library.states
    )
    theories = {name: replace(of, amplitude=of_each(of.amplitude)) for name, of in library.theories.items()}
    return replace(library, states=states, theories=theories)
