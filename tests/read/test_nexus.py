"""HDF5 files: every layout gives the same spectrum; nothing outside the file is followed, nothing large is read."""

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
from exafsnn.read import nexus
from exafsnn.read.scan import expand, read, read_all, read_one


@pytest.fixture
def make_file(tmp_path):
    """Write an HDF5 file: datasets by path, attributes as ``path@name``; returns its name."""

    def maker(content, name="data.h5", **options):
        with h5py.File(tmp_path / name, "w") as file:
            for path, value in content.items():
                place, _, attribute = path.partition("@")
                if attribute:
                    file.require_group(place) if place not in file else None
                    file[place].attrs[attribute] = value
                elif isinstance(value, h5py.SoftLink | h5py.ExternalLink):
                    file[path] = value
                else:
                    file.create_dataset(path, data=value, **(options if np.ndim(value) else {}))
        return str(tmp_path / name)

    return maker


def findings_of(name):
    return {finding.name: finding.message for finding in read_one(name).findings}


def test_classic_nxxas(make_file, scan, counts):
    name = make_file(
        {
            "entry/definition": "NXxas",
            "entry@NX_class": "NXentry",
            "entry/title": "iron foil",
            "entry/sample/temperature": 300.0,
            "entry/sample/temperature@units": "K",
            "entry/instrument/monochromator/energy": scan.energy,
            "entry/instrument/monochromator/energy@units": "eV",
            "entry/instrument/incoming_beam/data": counts[0],
            "entry/instrument/absorbed_beam/data": counts[1],
            "entry/data/energy": h5py.SoftLink("/entry/instrument/monochromator/energy"),
            "entry/data/absorbed_beam": h5py.SoftLink("/entry/instrument/absorbed_beam/data"),
            "entry/data@NX_class": "NXdata",
        }
    )
    spectrum = read_one(name)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)
    assert spectrum.record == "/entry"
    assert spectrum.temperature == 300.0
    assert spectrum.metadata["title"] == "iron foil"
    assert "transmission or fluorescence" in findings_of(name)["names"]


def test_absorbed_beam_may_be_fluorescence(make_file, scan, counts):
    content = {
        "entry/definition": "NXxas",
        "entry/data/energy": scan.energy,
        "entry/data/incoming_beam": counts[0],
        "entry/data/absorbed_beam": counts[0] * scan.mu,
        "entry/data@NX_class": "NXdata",
    }
    np.testing.assert_allclose(read_one(make_file(content)).mu, scan.mu, atol=1e-9)


@pytest.mark.parametrize("signal", ["intensity", "data"])
def test_newer_nxxas(signal, make_file, scan):
    name = make_file(
        {
            "entry/definition": "NXxas_new" if signal == "data" else "NXxas",
            "entry/element": "Fe",
            "entry/edge/name": "K",
            "entry/plot/energy": scan.energy / 1000,
            "entry/plot/energy@units": "keV",
            f"entry/plot/{signal}": scan.mu,
            "entry/plot@NX_class": "NXdata",
            "entry/plot@signal": signal,
            "entry/plot@axes": ["energy"],
            "entry@default": "plot",
        },
        compression="gzip",
        shuffle=True,
        fletcher32=True,
    )
    spectrum = read_one(name)
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-6)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)
    assert "edge-from-energy" not in findings_of(name)


def test_bliss(make_file, scan, counts):
    content = {}
    for number in ("10.1", "2.1"):
        content |= {
            f"{number}/measurement/energy": scan.energy / 1000,
            f"{number}/measurement/mu_trans": h5py.SoftLink(f"/{number}/instrument/mu/data"),
            f"{number}/measurement/p1": counts[0],
            f"{number}/measurement/mca": np.ones((len(scan.energy), 64)),
            f"{number}/instrument/mu/data": scan.mu,
            f"{number}/title": "contscan.EnergyCont",
            f"{number}/end_reason": "SUCCESS",
        }
    content |= {"1.1/measurement/th": np.arange(9.0), "1.1/measurement/p1": np.arange(9.0)}
    name = make_file(content, "sample_0001.h5")
    assert expand(name) == [f"{name}::/2.1", f"{name}::/10.1"]
    spectrum = read_one(f"{name}::/2.1")
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-6)
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)
    assert spectrum.metadata["title"] == "contscan.EnergyCont"
    assert read_one(f"{name}::10.1").record == "/10.1"
    assert "mca (" in next(f.message for f in spectrum.findings if f.name == "left-out")
    with pytest.raises(ScanError, match=r"2 records: '/2.1', '/10.1'.*Name one"):
        read_one(name)
    with pytest.raises(ScanError, match=r"no record '/3.1'. Its records: '/2.1', '/10.1'"):
        read_one(f"{name}::/3.1")


def test_a_scan_that_was_aborted_does_not_stop_the_others(make_file, scan):
    content = {"1.1/end_reason": "USER_ABORT", "2.1/end_reason": "SUCCESS"}
    for number in ("1.1", "2.1", "3.1"):
        points = 0 if number == "3.1" else None
        content |= {f"{number}/measurement/energy": scan.energy[:points], f"{number}/measurement/mu": scan.mu[:points]}
    name = make_file(content)
    bad, good, empty = expand(name)
    assert read_one(good).absorber == "Fe"
    with pytest.raises(ScanError, match=r"::/1.1: the scan was ended early \(USER_ABORT\)"):
        read_one(bad)
    with pytest.raises(ScanError, match=r"::/3.1: the scan has 0 points"):
        read_one(empty)


def test_soleil_flyscan(make_file, scan, counts):
    name = make_file(
        {
            "flyscan_00012/scan_data/actuator_1_1": scan.energy,
            "flyscan_00012/scan_data/actuator_1_1@long_name": "d09-1-c03/op/mono/energy",
            "flyscan_00012/scan_data/data_01": counts[0],
            "flyscan_00012/scan_data/data_01@long_name": "I0",
            "flyscan_00012/scan_data/data_02": counts[1],
            "flyscan_00012/scan_data/data_02@alias": "I1",
            "flyscan_00012/scan_config/name": "flyscan_00012",
        },
        "flyscan_00012.nxs",
    )
    np.testing.assert_allclose(read_one(name).mu, scan.mu, atol=1e-9)


def test_any_group_with_an_energy_axis(make_file, scan):
    name = make_file({"a/b/Energy": scan.energy.astype(">f4"), "a/b/mu": scan.mu, "other": np.arange(3)}, "x.dat")
    spectrum = read_one(name)
    assert spectrum.record == "/a/b"
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


def test_chi(make_file, truth):
    k = np.arange(0, 14.01, 0.05)
    name = make_file({"x/k": k, "x/chi": truth(k), "x/element": "Fe", "x/edge": "K"})
    np.testing.assert_allclose(read_one(name).chi[20:], truth(k)[20:], atol=2e-3)


def test_a_stack_of_spectra(make_file, scan):
    mu = scan.mu * np.linspace(1, 2, 30)[:, None]
    temperature = np.linspace(300, 600, 30)
    content = {"entry/data/energy": scan.energy, "entry/data/mu": mu, "entry/data/temperature": temperature}
    name = make_file(content | {"entry/data/temperature@units": "K"})
    names = expand(name)
    assert names[17] == f"{name}::/entry/data[17]"
    assert len(names) == len(read(name)) == len(expand(f"{name}::/entry/data")) == 30
    spectrum = read_one(names[17])
    np.testing.assert_allclose(spectrum.mu, mu[17], atol=1e-9)
    assert spectrum.temperature == pytest.approx(temperature[17], abs=0.01)
    assert spectrum.record == "/entry/data[17]"
    with pytest.raises(ScanError, match=r"no record '/entry/data\[30\]'"):
        read_one(f"{name}::/entry/data[30]")


def test_a_stack_of_many_spectra_is_listed_and_read_in_no_time(tmp_path, scan):
    name = str(tmp_path / "large.h5")
    with h5py.File(name, "w") as file:
        file["entry/data/energy"] = scan.energy
        shape = (100_000, len(scan.energy))
        file.create_dataset("entry/data/mu", shape, "f4", chunks=(16, shape[1]), compression="gzip")[99_999] = scan.mu
    start = time.process_time()
    names = expand(name)
    np.testing.assert_allclose(read_one(names[99_999]).mu, scan.mu, atol=1e-5)
    assert len(names) == 100_000
    assert time.process_time() - start < 5
    with pytest.raises(ScanError, match="100000 records"):
        read_one(name)


def test_links_out_of_the_file_are_not_followed(make_file, scan):
    outside = make_file({"2.1/measurement/energy": scan.energy, "2.1/measurement/mu": scan.mu}, "outside.h5")
    content = {
        "1.1/measurement/energy": scan.energy,
        "1.1/measurement/mu": scan.mu,
        "1.1/measurement/i0": h5py.ExternalLink(outside, "/2.1/measurement/mu"),
        "1.1/measurement/itrans": h5py.SoftLink("/2.1/measurement/mu"),
        "2.1": h5py.ExternalLink(outside, "/2.1"),
    }
    good, bad = expand(make_file(content))
    assert "i0 (a link" in findings_of(good)["left-out"]
    assert "itrans (a link" in findings_of(good)["left-out"]
    for record in (bad, bad.replace("::/", "::")):
        with pytest.raises(ScanError, match=r"link into another file, '.*outside.h5'.*Give that file itself"):
            read_one(record)


def test_datasets_outside_the_file_are_not_read(tmp_path, make_file, scan):
    make_file({"mu": scan.mu}, "outside.h5")
    (tmp_path / "raw.bin").write_bytes(scan.mu.tobytes())
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["energy"] = file["copy"] = scan.energy
        file["mu"] = scan.mu
        for name, path in (("i0", "outside.h5"), ("itrans", ".")):
            layout = h5py.VirtualLayout(scan.mu.shape, "f8")
            layout[:] = h5py.VirtualSource(path, "mu", scan.mu.shape)
            file.create_virtual_dataset(name, layout)
        raw = [(str(tmp_path / "raw.bin"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("iref", scan.mu.shape, "f8", external=raw)
    said = findings_of(str(tmp_path / "data.h5"))["left-out"]
    assert "i0 (made of parts of other files)" in said
    assert "iref (kept in another file)" in said
    assert "itrans" not in said


def test_what_is_too_large_or_packed_otherwise_is_left_out(tmp_path, scan):
    points = len(scan.energy)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["energy"], file["mu"], file["names"] = scan.energy, scan.mu, ["a"] * points
        file["cube"] = np.zeros((2, 2, 2))
        file.create_dataset("i0", (points,), "f8", chunks=(2**24,), maxshape=(None,), compression="gzip")
        file.create_dataset("itrans", (points,), "i4", scaleoffset=0)
        file["references"] = np.array([file["mu"].ref] * points, dtype=h5py.ref_dtype)
    said = findings_of(str(tmp_path / "data.h5"))["left-out"]
    for name in ("cube (2 × 2 × 2 values)", "i0 (in pieces of more than 64 MiB)", "itrans (packed with filter 6"):
        assert name in said
    assert "names (no numbers)" in said
    assert "references (no numbers)" in said


def test_a_record_that_is_too_large_is_refused_unread(tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name in ("energy", "mu"):
            file.create_dataset(name, (10**9,), "f8", chunks=(10**6,), compression="gzip")
    with pytest.raises(ScanError, match="2 columns of 1000000000 values are more than 64 MiB"):
        read(tmp_path / "data.h5")


def test_a_packed_bomb_is_refused(tmp_path, scan):
    """A chunk that unpacks to far more than it should hold would fill the memory inside HDF5."""
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["energy"] = scan.energy
        mu = file.create_dataset("mu", scan.mu.shape, "f8", chunks=scan.mu.shape, compression="gzip")
        mu.id.write_direct_chunk((0,), zlib.compress(bytes(2**24)))
    with pytest.raises(ScanError, match="unpacks to more than it should"):
        read(tmp_path / "data.h5")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({"energy": [7112.0], "mu": [1.0]}, "the scan has 1 point\\."),
        ({"energy": [], "mu": []}, "the scan has 0 points"),
        ({"energy": np.arange(7000.0, 7100)}, "no signal is as long as its 100 energies"),
        (
            {"energy": np.arange(7000.0, 7100), "mu": np.ones((100, 5))},
            r"100 energies; left out: mu \(100 × 5 values\)",
        ),
        ({"energy": np.ones((100, 1)), "mu": np.ones((100, 1))}, "its energies are 100 × 1 values, not one row"),
        ({"energy": np.array([b"7000", b"7001"]), "mu": [1.0, 2.0]}, r"energies cannot be used: energy \(no numbers\)"),
        ({"energy": np.arange(7000.0, 7100), "mu": np.ones(100, complex)}, r"left out: mu \(complex numbers\)"),
        ({"measurement/energy": [7112.0], "measurement/mu_trans": [1.0]}, "the scan has 1 point\\."),
    ],
)
def test_a_scan_without_data_is_a_record_with_its_reason(content, fault, make_file, scan):
    good = {"a/energy": scan.energy, "a/mu": scan.mu, "a/element": "Fe", "a/edge": "K"}
    name = make_file(good | {f"c/{path}": value for path, value in content.items()})
    assert expand(name) == [f"{name}::/a", f"{name}::/c"]
    np.testing.assert_allclose(read_one(f"{name}::/a").mu, scan.mu)
    with pytest.raises(ScanError, match=fault):
        read_one(f"{name}::/c")
    with pytest.raises(ScanError, match=fault):
        read_one(make_file({f"c/{path}": value for path, value in content.items()}, "alone.h5"))


def test_energies_beside_whole_scans_are_no_scan(make_file, scan):
    good = {"s/a/energy": scan.energy, "s/a/mu": scan.mu, "s/a/element": "Fe"}
    name = make_file(good | {"s/energy": scan.energy, "positions/energy": [7112.0], "positions/x": [1.0]})
    assert nexus.records(name) == ["/s/a"]


def test_a_group_whose_name_looks_like_a_row_of_a_stack_is_read(make_file, scan):
    name = make_file({f"{group}/{key}": value for group in ("=cmd[0]", "b") for key, value in
                      {"energy": scan.energy, "mu": scan.mu, "element": "Fe"}.items()})  # fmt: skip
    assert nexus.records(name) == ["/=cmd[0]", "/b"]
    np.testing.assert_allclose(read_one(f"{name}::/=cmd[0]").mu, scan.mu)


def test_loops_of_links_end(tmp_path, scan):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["a/b"] = h5py.SoftLink("/a/c")
        file["a/c"] = h5py.SoftLink("/a/b")
        file["a/self"] = file["a"]
        file["a/root"] = file["/"]
        file["x/energy"], file["x/mu"], file["x/i0"] = scan.energy, scan.mu, h5py.SoftLink("/a/b")
    name = str(tmp_path / "data.h5")
    assert nexus.records(name) == ["/x"]
    assert "i0 (a link that leads nowhere" in findings_of(name)["left-out"]


def test_files_without_a_scan(make_file, tmp_path):
    with pytest.raises(ScanError, match="no group with an energy axis"):
        read(make_file({"a/b": np.arange(10)}))
    (tmp_path / "cut.h5").write_bytes(Path(make_file({"a/b": np.arange(10)})).read_bytes()[:900])
    with pytest.raises(ScanError, match="damaged"):
        read(tmp_path / "cut.h5")


DAMAGE = """
import sys
from pathlib import Path
import numpy as np
from exafsnn.errors import ScanError
from exafsnn.read.scan import read
path, random = Path(sys.argv[1]), np.random.default_rng(0)
sound = path.read_bytes()
for _ in range(100):
    damaged = bytearray(sound)
    for place in random.integers(8, len(sound), 5):
        damaged[place] = random.integers(256)
    path.write_bytes(damaged)
    try:
        assert all(np.isfinite(spectrum.mu).all() for spectrum in read(path))
    except ScanError:
        pass
"""


def test_damaged_files_are_errors_not_crashes(make_file, scan):
    """In a process of its own, as the C library behind h5py may crash."""
    content = {"1.1/measurement/energy": scan.energy, "1.1/measurement/mu": scan.mu, "1.1/title": "x"}
    name = make_file(content, compression="gzip")
    done = subprocess.run([sys.executable, "-c", DAMAGE, name], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("reader", [read, read_one, read_all])
def test_no_file_stays_open_beside_the_error_of_a_record(make_file, scan, reader):
    content = {"good/energy": scan.energy, "good/mu": scan.mu, "bad/energy": scan.energy, "bad/mu": scan.mu}
    one = {place: value for place, value in content.items() if place.startswith("bad")}
    name = make_file(one if reader is read_one else content)
    with h5py.File(name, "r+") as file:
        place = file["bad/mu"].id.get_offset()
    with Path(name).open("r+b") as stream:
        stream.seek(place)
        stream.write(np.full(5, np.nan).tobytes())
    kept = []
    try:
        kept.extend(reader(name))
    except ScanError as error:
        kept.append(error)
    assert any(isinstance(item, ScanError) or isinstance(item[-1], ScanError) for item in kept)
    assert h5py.h5f.get_obj_count(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE) == 0
    make_file({"entry/energy": scan.energy, "entry/mu": scan.mu})
    assert len(read(name)) == 1
