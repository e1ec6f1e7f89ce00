"""A library survives what happens at night: interruptions, damaged parts, a second run, a full disk.

States and scattering tables are made up, so that a library takes no time; the files are the real ones.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from exafsnn.errors import ExafsnnError, LibraryError, SimulationError
from exafsnn.files import only_writer
from exafsnn.simulate import library
from exafsnn.simulate.library import OLD_FORMAT, build, load, read_part
from exafsnn.simulate.sites import StateSample
from exafsnn.workers import Cluster

PLAN = """
seed = 5
[[treatments]]
name = "quick"
[[families]]
name = "bcc"
phase = "bcc"
count = 5
potentials = ["Fe_2003"]
a = [2.84, 2.90]
temperature = [100.0, 500.0]
"""
DEAD = 999_999_999


class Dynamics:
    """Stands in for molecular dynamics: says which states were simulated, and fails when it is told to."""

    def __init__(self):
        self.done = []
        self.fail_at = None
        self.error = KeyboardInterrupt()

    def __call__(self, item, plan, needed):
        if item.index == self.fail_at:
            raise self.error
        self.done.append(item.index)
        return item


def fake_sample(item, theory, sites, rng, _around):
    x = rng.standard_normal((3, 8))
    return StateSample(x, x + 1, x + 2, x + 3, np.full(8, float(item.index)), x[0], x[1])


def fake_theory(task):
    return {}, {"single": np.ones((1, 4, 3), complex), "mean_free_path": np.arange(3.0)}


@pytest.fixture
def dynamics(monkeypatch):
    made = Dynamics()
    monkeypatch.setattr(library, "simulate_planned", made)
    monkeypatch.setattr(library, "sample_state", fake_sample)
    monkeypatch.setattr(library, "_facts", lambda trajectory: {})
    monkeypatch.setattr(library, "_build_theory", fake_theory)
    monkeypatch.setattr(library, "_load_theory", library.cache(lambda parts, name: None))
    return made


@pytest.fixture
def plan(tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


@pytest.fixture
def whole(plan, dynamics, tmp_path):
    """A library that nothing happened to."""
    build(plan, tmp_path / "whole.h5", workers=1)
    dynamics.done.clear()
    return tmp_path / "whole.h5"


def names(folder):
    return [path.name for path in folder.iterdir()]


def content(path):
    with h5py.File(path) as file:
        return load(path).checksum, file.attrs["checksum"]


def interrupt(plan, output, dynamics):
    """Build until the fourth state, and no further."""
    dynamics.fail_at = 3
    with pytest.raises(KeyboardInterrupt):
        build(plan, output, workers=1)
    dynamics.fail_at = None
    dynamics.done.clear()
    return output.with_name(output.name + ".parts")


def test_a_library_is_all_that_is_left(whole, tmp_path):
    assert sorted(names(tmp_path)) == ["plan.toml", "whole.h5"]
    assert len(load(whole).states) == 5


def test_an_interrupted_build_goes_on_and_ends_the_same(whole, plan, dynamics, tmp_path):
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    assert not (tmp_path / "cut.h5").exists()
    assert len(list(parts.glob("state-*.npz"))) == 3
    build(plan, tmp_path / "cut.h5", workers=1)
    assert dynamics.done == [3, 4]
    assert content(tmp_path / "cut.h5") == content(whole)
    assert sorted(names(tmp_path)) == ["cut.h5", "plan.toml", "whole.h5"]


@pytest.mark.parametrize("damage", ["cut", "empty", "changed"])
def test_a_damaged_part_is_computed_again_aloud(whole, plan, dynamics, tmp_path, damage):
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    victim = parts / "state-00001.npz"
    if damage == "changed":
        _, arrays = read_part(victim)
        arrays["rdf"][2] += 1e-6
        np.savez(victim, label=np.load(victim)["label"], checksum=np.load(victim)["checksum"], **arrays)
    else:
        victim.write_bytes(victim.read_bytes()[:1000] if damage == "cut" else b"")
    with pytest.warns(UserWarning, match=r"state-00001.npz: the part is damaged: .* computed again"):
        build(plan, tmp_path / "cut.h5", workers=1)
    assert dynamics.done == [1, 3, 4]
    assert content(tmp_path / "cut.h5") == content(whole)


def test_a_damaged_table_is_computed_again_too(whole, plan, dynamics, tmp_path):
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    (parts / "theory-bcc-quick.npz").write_bytes(b"PK")
    with pytest.warns(UserWarning, match="theory-bcc-quick.npz"):
        build(plan, tmp_path / "cut.h5", workers=1)
    assert content(tmp_path / "cut.h5") == content(whole)


def test_parts_of_an_earlier_version_are_taken(whole, plan, dynamics, tmp_path):
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    for path in parts.glob("state-*.npz"):
        with np.load(path) as stored:
            old = {key: stored[key] for key in stored if key != "checksum"}
        np.savez(path, **old)
    build(plan, tmp_path / "cut.h5", workers=1)
    assert dynamics.done == [3, 4]
    assert content(tmp_path / "cut.h5") == content(whole)


def test_parts_of_another_plan_are_not_taken(plan, dynamics, tmp_path):
    interrupt(plan, tmp_path / "cut.h5", dynamics)
    plan.write_text(PLAN.replace("seed = 5", "seed = 6"))
    with pytest.raises(LibraryError, match=r"of another plan\. Remove that folder"):
        build(plan, tmp_path / "cut.h5", workers=1)


def test_what_a_killed_run_left_goes(plan, dynamics, tmp_path):
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    (parts / f".state-00004.npz.{DEAD}.unfinished").write_bytes(b"half")
    (tmp_path / f".cut.h5.{DEAD}.unfinished").write_bytes(b"half")
    scratch = Path(tempfile.mkdtemp(prefix="exafsnn-simulate-"))
    (scratch / "feff.inp").touch()
    (parts / "scratch.txt").write_text(scratch.name)
    build(plan, tmp_path / "cut.h5", workers=1)
    assert not scratch.exists()
    assert sorted(names(tmp_path)) == ["cut.h5", "plan.toml"]


@pytest.mark.parametrize("name", ["..", "/", "precious", "../precious", ""])
def test_no_other_folder_is_taken_for_scratch(plan, dynamics, tmp_path, monkeypatch, name):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp" / "precious").mkdir(parents=True)
    (tmp_path / "precious").mkdir()
    parts = interrupt(plan, tmp_path / "cut.h5", dynamics)
    (parts / "scratch.txt").write_text(name)
    build(plan, tmp_path / "cut.h5", workers=1)
    assert names(tmp_path / "tmp") == ["precious"]
    assert (tmp_path / "precious").exists()


def test_a_second_run_says_so(plan, dynamics, tmp_path):
    with only_writer(tmp_path / "cut.h5"), pytest.raises(ExafsnnError, match=r"cut\.h5: another run is writing it"):
        build(plan, tmp_path / "cut.h5", workers=1)
    assert not dynamics.done


def test_a_full_disk_costs_the_states_under_way_only(whole, plan, dynamics, tmp_path, monkeypatch):
    real = np.savez

    def full(stream, **arrays):
        if len(dynamics.done) == 3:
            raise OSError(28, "No space left on device")
        real(stream, **arrays)

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(ExafsnnError, match=r"state-00002\.npz: cannot be written: No space .* Make room"):
        build(plan, tmp_path / "cut.h5", workers=1)
    monkeypatch.setattr(np, "savez", real)
    assert not list((tmp_path / "cut.h5.parts").glob(".*"))
    build(plan, tmp_path / "cut.h5", workers=1)
    assert dynamics.done == [0, 1, 2, 2, 3, 4]
    assert content(tmp_path / "cut.h5") == content(whole)


def test_a_library_needs_a_folder(plan, dynamics, tmp_path):
    with pytest.raises(ExafsnnError, match=r"write elsewhere \(-o"):
        build(plan, plan / "cut.h5", workers=1)
    build(plan, tmp_path / "new" / "own.h5", workers=1)
    assert (tmp_path / "new" / "own.h5").exists()


def test_discarded_states_are_remembered(plan, dynamics, tmp_path):
    dynamics.fail_at, dynamics.error = 2, SimulationError("it melted")
    build(plan, tmp_path / "own.h5", workers=1)
    assert load(tmp_path / "own.h5").discarded == ("it melted",)
    assert dynamics.done == [0, 1, 3, 4]


def test_the_checksum_is_of_the_content_and_not_of_the_layout(whole, tmp_path):
    with h5py.File(whole) as file, h5py.File(tmp_path / "copy.h5", "w") as other:
        other.attrs.update(file.attrs)

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                other.create_dataset(name, data=item[()], chunks=True, shuffle=False)
            else:
                other.require_group(name).attrs.update(item.attrs)

        file.visititems(copy)
    assert content(tmp_path / "copy.h5") == content(whole)


@pytest.mark.parametrize("place", ["states/00002/rdf", "theories/bcc/quick/single", "k", "label", "plan", "lost"])
def test_a_changed_library_is_refused(whole, place):
    with h5py.File(whole, "r+") as file:
        if place == "label":
            file["states/00001"].attrs["label"] = file["states/00001"].attrs["label"].replace("2", "3", 1)
        elif place == "plan":
            file.attrs["plan"] = file.attrs["plan"].replace("2.84", "2.85")
        elif place == "lost":
            del file["states/00003"]
        else:
            file[place][0] *= 1.001
    with pytest.raises(LibraryError, match=r"not what its checksum says.*Copy it again, or make it again"):
        load(whole)


@pytest.mark.parametrize("kept", [0, 100, 0.5, 0.99])
def test_a_truncated_library_is_refused(whole, kept):
    content = whole.read_bytes()
    whole.write_bytes(content[: kept if kept > 1 else int(kept * len(content))])
    with pytest.raises(LibraryError, match="Copy it again, or make it again"):
        load(whole)


def test_flipped_bytes_are_noticed(whole):
    content = bytearray(whole.read_bytes())
    good = content_of(whole)
    rng = np.random.default_rng(3)
    noticed = 0
    for place in rng.integers(len(content), size=60):
        changed = content.copy()
        changed[place] ^= 0x55
        whole.write_bytes(changed)
        try:
            assert content_of(whole) == good  # a byte that means nothing
        except LibraryError:
            noticed += 1
    assert noticed > 0


def content_of(path):
    return load(path).checksum


def test_a_library_of_the_first_format_is_read(whole):
    expected = load(whole)
    with h5py.File(whole, "r+") as file:
        file.attrs["format"] = OLD_FORMAT
        del file.attrs["checksum"]
    assert load(whole).checksum == expected.checksum
    with h5py.File(whole, "r+") as file:
        file.attrs["format"] = "exafsnn-site-library-9"
    with pytest.raises(LibraryError, match="not a site library of this version"):
        load(whole)


def test_join_keeps_the_checksums_apart(whole):
    one, two = load(whole), library.join([whole, whole])
    assert replace(one).checksum != two.checksum
    assert [state.index for state in two.states] == list(range(10))


TINY = """
[sites]
sites = 2
control_sites = 2
three_atom_paths = 3
reach = 3.5
[dynamics]
equilibration = 40
production = 40
frames = 2
[[treatments]]
name = "quick"
scf_radius = 0.0
[[families]]
name = "bcc"
phase = "bcc"
count = 3
potentials = ["Fe_2003"]
a = [2.84, 2.90]
temperature = [100.0, 500.0]
"""


@pytest.mark.slow
def test_a_library_is_the_same_by_whoever_it_is_made(tmp_path, monkeypatch):
    """This process, workers of this machine and of a cluster, with LAMMPS and FEFF; no trajectory is taken over."""
    distributed = pytest.importorskip("distributed")
    (tmp_path / "tiny.toml").write_text(TINY)

    def made(name, workers):
        monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path / f"cache-{name}"))
        build(tmp_path / "tiny.toml", tmp_path / f"{name}.h5", workers, tables=tmp_path / f"tables-{name}")
        return content(tmp_path / f"{name}.h5")

    alone = made("alone", 1)
    assert made("pool", 2) == alone
    monkeypatch.setenv("EXAFSNN_CACHE", str(tmp_path / "cache-there"))
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        assert made("cluster", Cluster(cluster.scheduler_address, 1.0)) == alone
        left = [path for worker in cluster.workers.values() for path in Path(worker.local_directory).rglob("exafsnn-*")]
    assert not left
    assert (tmp_path / "cache-there").exists()
    assert not (tmp_path / "cache-cluster").exists()  # nothing of it was simulated here


def test_a_state_of_which_workers_die_is_discarded(plan, dynamics, tmp_path, monkeypatch):
    def all_but_one(function, tasks, workers, lost=None):
        for task in tasks:
            dead = lost is not None and task[1].index == 2
            yield task, lost(task, "3 worker processes died of it") if dead else function(task)

    monkeypatch.setattr(library, "run_all", all_but_one)
    build(plan, tmp_path / "own.h5", workers=2)
    assert load(tmp_path / "own.h5").discarded == ("state 2, bcc: 3 worker processes died of it",)
    assert [state.index for state in load(tmp_path / "own.h5").states] == [0, 1, 3, 4]
