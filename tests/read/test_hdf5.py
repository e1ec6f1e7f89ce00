"""HDF5 as it is met: open elsewhere, being written, declared and never stored, packed by plugins."""

from __future__ import annotations

import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import hdf5, nexus
from exafsnn.read.scan import expand, read, read_one

hdf5plugin = pytest.importorskip("hdf5plugin", reason="hdf5plugin, which comes with larch, is not installed")


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "data.h5")


def fill(file, scan, **options):
    file["entry/element"], file["entry/edge"] = "Fe", "K"
    file.create_dataset("entry/energy", data=scan.energy, **options)
    file.create_dataset("entry/mu", data=scan.mu, **options)
    file.flush()


@pytest.mark.parametrize("way", [{}, {"locking": True}, {"locking": False}, {"locking": "best-effort"}])
@pytest.mark.parametrize("mode", ["r", "r+"])
def test_a_file_that_is_open_in_this_process_is_read(path, scan, mode, way):
    with h5py.File(path, "w") as file:
        fill(file, scan)
    with h5py.File(path, mode, **way):
        np.testing.assert_allclose(read_one(path).mu, scan.mu)
        assert expand(path) == [path]
    assert "unfinished" not in {finding.name for finding in read_one(path).findings}


def test_a_file_that_was_opened_to_read_along_is_read(path, scan):
    with h5py.File(path, "w", libver="latest") as file:
        fill(file, scan)
    with h5py.File(path, "r", swmr=True):
        np.testing.assert_allclose(read_one(path).mu, scan.mu)


WRITER = """
import sys, h5py, numpy as np
energy, mu = np.load(sys.argv[2])
file = h5py.File(sys.argv[1], "w", libver=sys.argv[3])
file["entry/element"], file["entry/edge"] = "Fe", "K"
for name, values in (("energy", energy), ("mu", mu)):
    file.create_dataset(f"entry/{name}", data=values, maxshape=(None,), chunks=(64,))
if sys.argv[4] == "swmr":
    file.swmr_mode = True
file.flush()
print("ready", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def written(path, scan, tmp_path):
    """Let another program write the scan and hold the file open."""
    np.save(tmp_path / "scan.npy", [scan.energy, scan.mu])
    programs = []

    def writer(version, mode=""):
        command = [sys.executable, "-c", WRITER, path, str(tmp_path / "scan.npy"), version, mode]
        programs.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        assert programs[-1].stdout.readline() == "ready\n"
        return programs[-1]

    yield writer
    for program in programs:
        program.kill()
        program.communicate()


def test_a_file_that_another_program_writes_so_that_others_may_read_is_read_and_told(written, path, scan):
    written("latest", "swmr")
    spectrum = read_one(path)
    np.testing.assert_allclose(spectrum.mu, scan.mu)
    told = next(finding for finding in spectrum.findings if finding.name == "unfinished")
    assert told.severity == "warning"
    assert f"another program is writing the file; the {len(scan.energy)} points" in told.message


def test_a_file_that_another_program_writes_alone_is_open_elsewhere_not_damaged(written, path):
    program = written("latest")
    with pytest.raises(ScanError, match=r"open elsewhere.*Close it there"):
        read_one(path)
    program.kill()
    program.wait()
    with pytest.raises(ScanError, match="h5clear --status"):
        read_one(path)


def test_a_file_of_the_usual_version_can_be_read_while_it_is_open(written, path, scan):
    written("earliest")
    np.testing.assert_allclose(read_one(path).mu, scan.mu)


def test_what_is_half_written_is_open_elsewhere_not_damaged(written, path):
    written("earliest")
    with Path(path).open("r+b") as stream:
        stream.truncate(1500)
    with pytest.raises(ScanError, match="open elsewhere"):
        read_one(path)


@pytest.mark.parametrize("stored", ["nothing", "contiguous", "gzip"])
def test_a_stack_of_which_nothing_is_stored_is_refused_at_once(path, stored):
    options = {"nothing": {"chunks": (64, 64)}, "contiguous": {}, "gzip": {"chunks": (64, 64), "compression": "gzip"}}
    with h5py.File(path, "w") as file:
        file["entry/energy"] = np.linspace(7000, 8000, 64)
        file.create_dataset("entry/mu", (4_000_000, 64), "f8", **options[stored])
    start = time.process_time()
    with pytest.raises(ScanError, match="4000000 × 64 values are declared, and none is stored"):
        read(path)
    assert expand(path) == [path]
    assert time.process_time() - start < 1


def test_of_a_stack_that_is_half_filled_the_stored_spectra_are_read(path, scan):
    points = len(scan.energy)
    with h5py.File(path, "w") as file:
        file["entry/energy"], file["entry/element"] = scan.energy, "Fe"
        mu = file.create_dataset("entry/mu", (2_000_000, points), "f4", chunks=(2, points), compression="gzip")
        mu[:5] = scan.mu
    assert expand(path) == [f"{path}::/entry[{row}]" for row in range(6)]
    spectrum = read_one(f"{path}::/entry[4]")
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-5)
    assert "declares 2000000 spectra, and stores the first 6" in "".join(item.message for item in spectrum.findings)


@pytest.mark.parametrize(
    ("rows", "stored", "said"),
    [
        (2_000_000, 10_000, r"declares 2000000 spectra and stores .* of them"),
        (200_000, 10_000, r"declares 200000 spectra and stores .* of them"),
        (600_000, 600_000, "the stack has 600000 spectra, more than 500000"),
    ],
)
def test_of_a_stack_too_large_to_list_single_spectra_are_read(path, rows, stored, said):
    energy = np.linspace(7000, 7500, 51)
    step = (1 / (1 + np.exp(-(energy - 7112)))).astype("<f4")
    piece = zlib.compress(np.tile(step, (10_000, 1)).tobytes(), 1)
    with h5py.File(path, "w") as file:
        file["entry/energy"], file["entry/element"], file["entry/edge"] = energy, "Fe", "K"
        mu = file.create_dataset("entry/mu", (rows, 51), "<f4", chunks=(10_000, 51), compression="gzip")
        for start in range(rows - stored, rows, 10_000):
            mu.id.write_direct_chunk((start, 0), piece)
    start = time.process_time()
    assert expand(path) == [path]
    with pytest.raises(ScanError, match=said + r".*Name those that are wanted"):
        read(path)
    np.testing.assert_allclose(read_one(f"{path}::/entry[{rows - 1}]").mu, step, atol=1e-6)
    assert time.process_time() - start < 1


def test_a_virtual_stack_has_the_spectra_of_its_parts(path, scan):
    points = len(scan.energy)
    layouts = {"parts": h5py.VirtualLayout((1_000_000, points), "f8")}
    layouts["growing"] = h5py.VirtualLayout((4, points), "f8", maxshape=(None, points))
    for row in range(3):
        layouts["parts"][row] = h5py.VirtualSource(".", f"raw/{row}", (points,))
    stack = h5py.VirtualSource(".", "raw/stack", (4, points), maxshape=(None, points))
    layouts["growing"][: h5py.h5s.UNLIMITED] = stack[: h5py.h5s.UNLIMITED]
    with h5py.File(path, "w") as file:
        for row in range(3):
            file[f"raw/{row}"] = scan.mu * (row + 1)
        file.create_dataset("raw/stack", data=scan.mu * np.ones((4, 1)), maxshape=(None, points))
        for name, layout in layouts.items():
            file[f"{name}/energy"], file[f"{name}/element"] = scan.energy, "Fe"
            file.create_virtual_dataset(f"{name}/mu", layout)
    assert nexus.records(path) == [f"/growing[{row}]" for row in range(4)] + [f"/parts[{row}]" for row in range(3)]
    np.testing.assert_allclose(read_one(f"{path}::/parts[2]").mu, 3 * scan.mu)
    np.testing.assert_allclose(read_one(f"{path}::/growing[3]").mu, scan.mu)


def test_a_counter_of_which_nothing_is_stored_is_left_out(path, scan):
    with h5py.File(path, "w") as file:
        fill(file, scan)
        file.create_dataset("entry/i0", scan.mu.shape, "f8", chunks=(50,))
    spectrum = read_one(path)
    np.testing.assert_allclose(spectrum.mu, scan.mu)
    left = next(finding.message for finding in spectrum.findings if finding.name == "left-out")
    assert f"i0 ({len(scan.mu)} values are declared, and none is stored)" in left


PACKED = {
    "bitshuffle": hdf5plugin.Bitshuffle(),
    "bitshuffle-zstd": hdf5plugin.Bitshuffle(cname="zstd"),
    "bitshuffle alone": hdf5plugin.Bitshuffle(cname="none"),
    "blosc": hdf5plugin.Blosc(),
    "lz4": hdf5plugin.LZ4(),
    "zstd": hdf5plugin.Zstd(),
}


@pytest.mark.parametrize("packer", PACKED)
def test_what_plugins_packed_is_read(path, scan, packer):
    with h5py.File(path, "w") as file:
        fill(file, scan, chunks=(100,), **PACKED[packer], fletcher32=True)
    np.testing.assert_array_equal(read_one(path).mu, scan.mu)


def test_plugins_are_sought_only_where_one_is_needed(path, scan):
    with h5py.File(path, "w") as file:
        fill(file, scan, chunks=(100,), **hdf5plugin.Bitshuffle())
    code = """
import sys
from exafsnn.read.scan import read_one
assert "hdf5plugin" not in sys.modules
print(len(read_one(sys.argv[1]).mu), "hdf5plugin" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.stdout.split() == [str(len(scan.mu)), "True"], done.stderr


def test_without_the_plugin_the_message_says_how_to_get_it(path, scan, monkeypatch):
    with h5py.File(path, "w") as file:
        fill(file, scan, chunks=(100,), **hdf5plugin.Bitshuffle())
    monkeypatch.setattr(hdf5, "_is_plugged_in", lambda code: False)
    with pytest.raises(ScanError, match=r"packed with bitshuffle, filter 32008.*pip install hdf5plugin"):
        read_one(path)


@pytest.mark.parametrize(
    ("packer", "packed"),
    [
        (hdf5plugin.Bitshuffle(), (2**40).to_bytes(8, "big") + (4096).to_bytes(4, "big") + bytes(64)),
        (hdf5plugin.LZ4(), (2**40).to_bytes(8, "big") + (2**30).to_bytes(4, "big") + bytes(64)),
        (hdf5plugin.Blosc(), b"\2\1\1\10" + (2**31 - 1).to_bytes(4, "little") + bytes(64)),
        (hdf5plugin.Zstd(), b"\x28\xb5\x2f\xfd\xe0" + (2**40).to_bytes(8, "little") + bytes(64)),
        (hdf5plugin.Zstd(), b"\x28\xb5\x2f\xfd\xa0" + (2**31).to_bytes(4, "little") + bytes(64)),
        (hdf5plugin.Zstd(), b"\x28\xb5\x2f\xfd\x00\x58" + bytes(64)),
    ],
)
def test_pieces_that_plugins_would_unpack_to_far_too_much_are_refused_unread(path, scan, packer, packed):
    with h5py.File(path, "w") as file:
        file["entry/energy"] = scan.energy
        mu = file.create_dataset("entry/mu", scan.mu.shape, "f8", chunks=scan.mu.shape, **packer)
        mu.id.write_direct_chunk((0,), packed)
    with pytest.raises(ScanError, match="unpacks to more than it should"):
        read(path)


def test_a_filter_that_nobody_brings_has_its_remedy(path, scan):
    with h5py.File(path, "w") as file:
        fill(file, scan, chunks=(100,), **hdf5plugin.BZip2())
    with pytest.raises(ScanError, match=r"packed with filter 307; pack it with gzip: h5repack"):
        read_one(path)
    assert nexus.records(path) == ["/entry"]
