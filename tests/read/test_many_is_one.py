"""Records that are read together are what each of them is when it is read alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import h5py
import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import nexus
from exafsnn.read.scan import expand, read, read_all, read_one
from exafsnn.records import ChiK, Spectrum

from ..conftest import ROOT

ENERGY = np.concatenate([np.arange(6912, 7092, 5.0), np.arange(7092, 7142, 0.5), np.arange(7142, 7900, 4.0)])
COUNT = 9


def absorptions() -> np.ndarray:
    """(COUNT, n) scans of iron: one has no edge, one is little but noise."""
    rng = np.random.default_rng(7)
    edge = 0.5 + np.arctan(ENERGY - 7112) / np.pi + 0.05 * np.sin(np.sqrt(np.clip(ENERGY - 7112, 0, None)))
    mu = 0.3 + rng.uniform(0.7, 1.4, (COUNT, 1)) * edge + 1e-4 * rng.standard_normal((COUNT, len(ENERGY)))
    mu[2] = 0.3
    mu[5] += 0.2 * rng.standard_normal(len(ENERGY))
    return mu


def counters() -> tuple[np.ndarray, np.ndarray]:
    """I0 and It (COUNT, n) of them: of the fourth, one reading is no count; the seventh is saturated."""
    rng = np.random.default_rng(8)
    i0 = np.round(1e6 * rng.uniform(0.9, 1.1, (COUNT, len(ENERGY))))
    it = np.round(i0 * np.exp(-absorptions()))
    it[3, 50] = -1
    it[6] = np.minimum(it[6], 6e5)
    return i0, it


def columns(path: Path, *data: np.ndarray, header: str = "# energy i0 i1") -> str:
    rows = "\n".join("  ".join(f"{value:.8g}" for value in row) for row in np.column_stack(data))
    path.write_text(f"{header}\n{rows}\n")
    return str(path)


def plain(path: Path) -> str:
    i0, it = counters()
    return columns(path, ENERGY, i0[0], it[0])


def broken(path: Path) -> str:
    i0, it = counters()
    return columns(path, ENERGY, i0[3], it[3])


def chi(path: Path) -> str:
    k = np.arange(0, 12, 0.05)
    return columns(path, k, np.sin(4.4 * k) / (1 + k**2), header="# element: Fe\n# edge: K\n# k chi")


def athena(path: Path) -> str:
    """A project of as many groups, three of one label, one group damaged, one χ(k)."""
    groups = []
    for row, mu in enumerate(absorptions()):
        label, is_chi = ("a", "a (1)", "a")[row] if row < 3 else f"scan {row}", int(row == 7)
        x, y = (np.arange(0, 12, 0.05), np.zeros(240)) if is_chi else (ENERGY, mu)
        numbers = [",".join(f"'{value:.8g}'" for value in array) for array in (x, y)]
        damage = "oops" if row == 4 else ""
        named = f"@args = ('label','{label}','is_chi','{is_chi}','bkg_z','Fe','fft_edge','k');"
        groups.append(f"$old_group = 'g{row}';\n{named}\n@x = ({numbers[0]}{damage});\n@y = ({numbers[1]});\n[record]")
    path.write_text("# Athena project file -- version 0.9\n" + "\n".join(groups) + "\n")
    return str(path)


def spec(path: Path) -> str:
    """As many scans, of which one was aborted, two have one number, and one runs over another motor."""
    blocks = ["#F x\n#D Tue Jul 09 14:44:45 2019\n"]
    for row, (i0, it) in enumerate(zip(*counters(), strict=True)):
        axis, number = "theta" if row == 1 else "Energy", 5 if row == 8 else row
        lines = [" ".join(f"{value:.8g}" for value in point) for point in np.column_stack([ENERGY, i0, it])]
        lines += ["#C Scan aborted after 300 points."] if row == 4 else []
        blocks.append(f"#S {number} ascan energy\n#N 3\n#L {axis}  I0  It\n" + "\n".join(lines) + "\n")
    path.write_text("\n".join(blocks))
    return str(path)


def stacks(path: Path) -> str:
    """Stacks: of μ, with what each was measured at; of counters, packed; of a single scan beside them."""
    i0, it = counters()
    with h5py.File(path, "w") as file:
        for name in ("packed", "plain"):
            group = file.create_group(name)
            group["energy"] = ENERGY
            group["energy"].attrs["units"] = "eV"
        file["plain/mu"], file["plain/temperature"] = absorptions(), np.linspace(300, 1100, COUNT)
        file["plain/temperature"].attrs["units"] = "K"
        file["plain/element"], file["plain/edge"] = "Fe", "K"
        for name, counts in (("i0", i0), ("i1", it)):
            file["packed"].create_dataset(name, data=counts, compression="gzip", chunks=(2, 100))
        file["single/energy"], file["single/mu"] = ENERGY, absorptions()[0]
    return str(path)


def damaged(path: Path) -> str:
    """A packed stack in which one chunk, of two spectra, is damaged."""
    with h5py.File(stacks(path), "r+") as file:
        data = file["packed/i0"].id
        data.write_direct_chunk((4, 100), bytes(100))
    return str(path)


FILES = [plain, broken, chi, athena, spec, stacks, damaged]


def described(found: Spectrum | ChiK | Exception) -> object:
    """What is compared: all fields to the last bit, or an error in full."""
    if isinstance(found, Exception):
        return type(found), str(found), getattr(found, "remedy", "")
    fields = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    return {name: item.tobytes() if isinstance(item, np.ndarray) else repr(item) for name, item in fields.items()}


def alone(name: str) -> Spectrum | ChiK | Exception:
    try:
        return read_one(name)
    except ScanError as error:
        return error


@pytest.mark.parametrize("make", FILES)
def test_records_read_together_are_what_they_are_alone(make, tmp_path, monkeypatch):
    source = make(tmp_path / "scans")
    names = expand(source)
    singles = [described(alone(name)) for name in names]
    for most in (nexus.MAX_READ, 3 * 8 * 3 * len(ENERGY), 1):
        monkeypatch.setattr(nexus, "MAX_READ", most)
        together = list(read_all(source))
        assert [name for name, _ in together] == names
        assert [described(found) for _, found in together] == singles


@pytest.mark.parametrize("make", [plain, chi])
def test_all_of_one_is_that_one(make, tmp_path):
    source = make(tmp_path / "scan")
    assert [described(found) for _, found in read_all(source)] == [described(one) for one in read(source)]


def test_what_the_files_hold(tmp_path):
    kinds = {make.__name__: [type(found) for _, found in read_all(make(tmp_path / make.__name__))] for make in FILES}
    assert kinds["plain"] == [Spectrum]
    assert kinds["broken"] == [ScanError]
    assert kinds["chi"] == [ChiK]
    assert kinds["athena"] == [*[Spectrum] * 4, ScanError, *[Spectrum] * 2, ChiK, Spectrum]
    assert len(kinds["spec"]) == COUNT - 1
    assert kinds["spec"].count(ScanError) == 2
    assert len(kinds["stacks"]) == 2 * COUNT + 1
    assert kinds["stacks"].count(ScanError) == 1
    assert kinds["damaged"].count(ScanError) == 3


def test_a_stack_is_read_in_few_pieces(tmp_path, monkeypatch):
    source, calls, known = stacks(tmp_path / "scans"), [], nexus.values
    monkeypatch.setattr(nexus, "values", lambda item, rows: calls.append(item.name) or known(item, rows))
    assert len(list(read_all(f"{source}::/packed"))) == COUNT
    assert sorted(calls) == ["/packed/energy", "/packed/i0", "/packed/i1"]


def test_records_of_one_name_are_told_apart(tmp_path):
    names = [name.partition("::")[2] for name in expand(athena(tmp_path / "a.prj"))]
    assert len(set(names)) == len(names) == COUNT
    assert names[:3] == ["a (1)", "a (1) (2)", "a (2)"]


@pytest.mark.parametrize("source", ["absent.dat", "absent.h5", "spectra", "spectra/fe_0300K.dat::x"])
def test_what_cannot_be_read_at_all_is_one_error(source):
    source = str(ROOT / source)
    ((name, found),) = read_all(source)
    assert name == source
    assert described(found) == described(alone(source))


def test_a_file_that_breaks_after_some_records_costs_only_the_rest(tmp_path, monkeypatch):
    from exafsnn.read import scan as reader

    tables = list(reader._tables(plain(tmp_path / "a.dat")))

    def breaks(source):
        yield from 3 * tables
        raise OSError("the disk is gone")

    monkeypatch.setattr(reader, "_tables", breaks)
    found = [item for _, item in read_all("a.dat")]
    assert [isinstance(item, Spectrum) for item in found] == [True, True, True, False]
    assert "the disk is gone" in str(found[-1])
