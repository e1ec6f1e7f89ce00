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


def larch_entry(scan, counts, **more):
    """NXxas as larch writes it: detectors in the instrument, links to them and ready μ in the NXdata group."""
    table = np.column_stack([scan.energy, *counts])
    return {
        "entry@NX_class": "NXentry",
        "entry/definition": "NXxas",
        "entry/instrument/monochromator/energy": scan.energy,
        "entry/instrument/i0/data": counts[0],
        "entry/instrument/itrans/data": counts[1],
        "entry/scan/xrayedge/element": "Fe",
        "entry/scan/xrayedge/edge": "K",
        "entry/scan/data": table,
        "entry/scan/column_labels": ["energy", "i0", "itrans"],
        "entry/data@NX_class": "NXdata",
        "entry/data/mode": "Transmission",
        "entry/data/mutrans": scan.mu,
        "entry/data/energy": h5py.SoftLink("/entry/instrument/monochromator/energy"),
        "entry/data/rawdata": h5py.SoftLink("/entry/scan/data"),
        "entry/data/i0": h5py.SoftLink("/entry/instrument/i0/data"),
        "entry/data/itrans": h5py.SoftLink("/entry/instrument/itrans/data"),
        **more,
    }


def nexus_entry(scan, counts, mode):
    """NXxas as NeXus defines it: two beams, and the mode beside their links."""
    return {
        "entry@NX_class": "NXentry",
        "entry/definition": "NXxas",
        "entry/instrument/monochromator/energy": scan.energy,
        "entry/instrument/incoming_beam/data": counts[0],
        "entry/instrument/absorbed_beam/data": counts[1],
        "entry/sample/name": "iron",
        "entry/monitor/mode": "timer",
        "entry/data@NX_class": "NXdata",
        "entry/data/mode": mode,
        "entry/data/energy": h5py.SoftLink("/entry/instrument/monochromator/energy"),
        "entry/data/absorbed_beam": h5py.SoftLink("/entry/instrument/absorbed_beam/data"),
    }


def proposed_entry(scan, definition, **more):
    """NXxas as its proposed successor has it: energy and intensity in the entry, a definition for each mode."""
    return {
        "entry@NX_class": "NXentry",
        "entry/definition": definition,
        "entry/element/symbol": "Fe",
        "entry/edge/name": "K",
        "entry/energy": scan.energy,
        "entry/energy@units": "eV",
        "entry/intensity": scan.mu,
        "entry/sample/name": "iron",
        "entry/plot@NX_class": "NXdata",
        "entry/plot@signal": "intensity",
        "entry/plot/energy": h5py.SoftLink("/entry/energy"),
        "entry/plot/intensity": h5py.SoftLink("/entry/intensity"),
        **more,
    }


def test_nxxas_of_larch(make_file, scan, counts):
    spectrum = read_one(make_file(larch_entry(scan, counts)))
    assert (spectrum.absorber, spectrum.edge, spectrum.mode) == ("Fe", "K", "transmission")
    np.testing.assert_allclose(spectrum.mu, scan.mu)


@pytest.mark.parametrize(
    ("mode", "meant"),
    [
        ("Transmission", "transmission"),
        ("Fluorescence Yield", "fluorescence"),
        ("Total Electron Yield", "electron yield"),
        ("Auger Electron Yield", "electron yield"),
    ],
)
def test_the_mode_says_what_the_absorbed_beam_of_nxxas_is(mode, meant, make_file, scan, counts):
    beam = counts[1] if meant == "transmission" else counts[0] * scan.mu
    spectrum = read_one(make_file(nexus_entry(scan, (counts[0], beam), mode)))
    assert spectrum.mode == meant
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-9)


@pytest.mark.parametrize(
    ("definition", "counters", "meant"),
    [
        ("NXxas", (), ""),
        ("NXxas_trans", ("i0", "itrans"), "transmission"),
        ("NXxas_tfy", ("i0", "ifluor"), "fluorescence"),
        ("NXxas_pfy", (), "fluorescence"),
        ("NXxas_herfd", ("i0", "ifluor"), "fluorescence"),
        ("NXxas_tey", ("i0", "iey"), "electron yield"),
        ("NXxas_pey", (), "electron yield"),
    ],
)
def test_the_definition_says_the_mode_of_the_proposed_nxxas(definition, counters, meant, make_file, scan, counts):
    behind = {"itrans": counts[1], "ifluor": counts[0] * scan.mu, "iey": counts[0] * scan.mu}
    signals = {name: counts[0] if name == "i0" else behind[name] for name in counters}
    name = make_file(
        proposed_entry(scan, definition)
        | {f"entry/instrument/{counter}/data": values for counter, values in signals.items()}
    )
    spectrum = read_one(name)
    assert (spectrum.absorber, spectrum.edge, spectrum.mode) == ("Fe", "K", meant)
    np.testing.assert_allclose(spectrum.mu, scan.mu)
    assert "mu-contradicts-counters" not in findings_of(name)


def test_a_reference_within_an_entry_is_no_record_but_is_read_by_its_name(make_file, scan):
    whole = proposed_entry(scan, "NXxas_trans")
    foil = {
        key.replace("entry", "entry/reference"): whole[key] for key in whole if "@" not in key and "plot" not in key
    }
    name = make_file(whole | foil | {"entry/reference/intensity": 2 * scan.mu})
    assert nexus.records(name) == ["/entry"]
    assert "/entry/reference (a spectrum of its own" in findings_of(name)["left-out"]
    np.testing.assert_allclose(read_one(f"{name}::/entry/reference").mu, 2 * scan.mu)


@pytest.mark.parametrize("field", ["mode", "mode/name"])
def test_electron_yield_has_no_self_absorption(field, make_file, scan):
    """What is told of fluorescence is not told of electrons, which come from the surface only."""
    told = {}
    for mode in ("fluorescence", "electron yield"):
        name = make_file(proposed_entry(scan, "NXxas") | {f"entry/{field}": mode}, f"{mode[:4]}.h5")
        told[mode] = {finding.name for finding in read_one(name).to_chi().findings}
        assert read_one(name).mode == mode
    assert told["fluorescence"] - told["electron yield"] == {"over-absorption-possible"}


def test_a_stack_of_the_proposed_nxxas_has_its_temperatures(make_file, scan):
    stack = {"entry/intensity": scan.mu * np.array([[1.0], [1.5], [2.0]]), "entry/sample/temperature": [20.0, 100, 300]}
    name = make_file(proposed_entry(scan, "NXxas_trans") | stack | {"entry/sample/temperature@units": "K"})
    spectra = read(name)
    assert [spectrum.temperature for spectrum in spectra] == [20.0, 100.0, 300.0]
    np.testing.assert_allclose(spectra[2].mu, 2 * scan.mu)


@pytest.mark.parametrize("shape", ["rows", "columns", "square"])
@pytest.mark.parametrize("place", ["entry", "entry/plot"])
def test_raw_data_beside_a_spectrum_make_no_stack(shape, place, make_file, scan):
    points = len(scan.energy)
    raw = np.ones({"rows": (4, points), "columns": (points, 4), "square": (points, points)}[shape])
    name = make_file(proposed_entry(scan, "NXxas") | {f"{place}/rawdata": raw})
    assert nexus.records(name) == ["/entry"]
    np.testing.assert_allclose(read_one(name).mu, scan.mu)
    assert "rawdata (" in findings_of(name)["left-out"]


def test_single_readings_beside_a_summed_counter_make_no_stack(make_file, scan, counts):
    detector = np.tile(counts[0] * scan.mu / 4, (4, 1))
    content = {"energy": scan.energy, "i0": counts[0], "fluorescence": detector.sum(axis=0), "fluo": detector}
    name = make_file(
        {f"1.1/measurement/{key}": value for key, value in content.items()} | {"1.1/end_reason": "SUCCESS"}
    )
    assert nexus.records(name) == ["/1.1"]
    np.testing.assert_allclose(read_one(name).mu, scan.mu, atol=1e-9)


def test_a_stack_may_share_its_monitor(make_file, scan, counts):
    """Beside i0 alone, what has two dimensions is what was measured."""
    stack = counts[1] * np.ones((3, 1))
    name = make_file({"a/energy": scan.energy, "a/i0": counts[0], "a/itrans": stack, "a/element": "Fe"})
    assert nexus.records(name) == ["/a[0]", "/a[1]", "/a[2]"]
    np.testing.assert_allclose(read_one(f"{name}::/a[1]").mu, scan.mu)


@pytest.mark.parametrize(
    ("measured", "asked"),
    [
        ("energy_cenc", "energy"),
        ("energy_enc", "energy"),
        ("enc_energy", "mono_energy"),
        ("energy_rbv", "energy"),
        ("energy", "energy_setpoint"),
        ("Energy_measured", "Energy_requested"),
    ],
)
def test_the_measured_energy_goes_before_the_commanded_one(measured, asked, make_file, scan, counts):
    columns = {asked: scan.energy * 0.99 + 70, measured: scan.energy, "I0": counts[0], "I1": counts[1]}
    name = make_file({f"1.1/measurement/{key}": column / 1000 if "ener" in key.lower() else column
                      for key, column in columns.items()} | {"1.1/end_reason": "SUCCESS"})  # fmt: skip
    np.testing.assert_allclose(read_one(name).energy, scan.energy)
    assert f"({measured}), not of" in findings_of(name)["energy-axis"]
    assert f"({asked})" in findings_of(name)["energy-axis"]


def test_an_encoder_that_does_not_move_is_no_energy(make_file, scan):
    columns = {"energy": scan.energy, "energy_enc": np.full_like(scan.energy, 7112.0), "mu": scan.mu}
    name = make_file({f"1.1/measurement/{key}": column for key, column in columns.items()})
    np.testing.assert_allclose(read_one(name).energy, scan.energy)


def bliss(scan, counts, short=(), **ends):
    """Scan of BLISS whose counters of some names lack their last points."""
    columns = {"energy": scan.energy, "I0": counts[0], "I1": counts[1], "sec": np.arange(float(len(scan.energy)))}
    columns = {key: column[: len(column) - dict(short).get(key, 0)] for key, column in columns.items()}
    content = {f"1.1/measurement/{key}": column for key, column in columns.items()}
    return content | {"1.1/start_time": "2026-11-01T10:00:00"} | {f"1.1/{key}": text for key, text in ends.items()}


def test_a_scan_that_still_runs_is_told(make_file, scan, counts):
    name = make_file(bliss(scan, counts))
    told = next(finding for finding in read_one(name).findings if finding.name == "unfinished")
    assert told.severity == "warning"
    assert f"no end_time: it still runs, or was cut off; the {len(scan.energy)} points" in told.message


@pytest.mark.parametrize("ends", [{"end_time": "2026-11-01T10:20:00"}, {"end_reason": "SUCCESS"}])
def test_a_scan_that_ended_is_not_told(ends, make_file, scan, counts):
    assert "unfinished" not in findings_of(make_file(bliss(scan, counts, **ends)))


@pytest.mark.parametrize(
    ("short", "cut", "named"),
    [
        ({"I1": 3}, 3, ["I1 has"]),
        ({"I0": 2, "I1": 5}, 5, ["I0 has", "I1 has"]),
        ({"energy": 4}, 4, ["energy has"]),
        ({"I0": 1, "I1": 1}, 1, ["I0 has", "I1 has"]),
    ],
)
def test_counters_of_unequal_length_are_named_and_cut_to_the_common_one(short, cut, named, make_file, scan, counts):
    name = make_file(bliss(scan, counts, short.items(), end_time="2026-11-01T10:20:00"))
    spectrum = read_one(name)
    np.testing.assert_allclose(spectrum.energy, scan.energy[:-cut])
    np.testing.assert_allclose(spectrum.mu, scan.mu[:-cut], atol=1e-9)
    told = next(finding for finding in spectrum.findings if finding.name == "counters-uneven")
    assert told.severity == "warning"
    assert all(word in told.message for word in named)
    assert f"the first {len(scan.energy) - cut} points of all were used" in told.message
    assert "sec" not in told.message


def test_a_counter_that_lacks_much_is_named(make_file, scan, counts):
    name = make_file(bliss(scan, counts, {"I1": 200}.items(), end_time="2026-11-01T10:20:00"))
    with pytest.raises(ScanError, match=r"unknown layout: .*Left out: I1 \(\d+ values\)"):
        read_one(name)
