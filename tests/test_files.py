"""Files appear whole or not at all; one writer at a time; what the system refuses is said with a remedy."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ExafsnnError
from exafsnn.files import Sink, checksum_of, only_writer, remove_folder, remove_leftovers, replacing, write_whole


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert names(tmp_path) == ["a"]


def test_an_interruption_leaves_the_old_file(tmp_path: Path) -> None:
    def fail() -> None:
        with replacing(tmp_path / "a") as temporary:
            temporary.write_bytes(b"ne")
            raise KeyboardInterrupt

    write_whole(tmp_path / "a", b"old")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "No space left.*Make room"), (errno.EACCES, "denied.*may not write"), (errno.EIO, "Look at the")],
)
def test_what_the_system_refuses_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    write_whole(tmp_path / "a", b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(ExafsnnError, match=f"cannot be written: .*{said}"):
        write_whole(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", b"old")
    with pytest.raises(ExafsnnError, match="a/b: cannot be written: Not a directory"):
        write_whole(tmp_path / "a" / "b", b"")
    with pytest.raises(ExafsnnError, match="Make its folder first"):
        write_whole(tmp_path / "none" / "b", b"")
    for path in (tmp_path / ("b" * 4500), tmp_path / ("b/" * 2250) / "c"):
        with pytest.raises(ExafsnnError, match=r"name too long.*give a shorter one"):
            write_whole(path, b"")


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
@pytest.mark.parametrize("kind", ["bytes", "hdf5"])
def test_a_file_that_outgrows_the_disk_leaves_nothing_half(tmp_path: Path, kind: str) -> None:
    code = f"""
import resource, sys
from pathlib import Path
import h5py, numpy as np
from exafsnn.files import Sink, replacing
from exafsnn.errors import ExafsnnError
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with replacing(Path(sys.argv[1]) / "a") as temporary:
        if {kind!r} == "bytes":
            temporary.write_bytes(bytes(200_000))
        else:
            with Sink(temporary) as sink, h5py.File(sink, "w") as file:
                file["x"] = np.arange(200_000)
except ExafsnnError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert "a: cannot be written: File too large. " in done.stdout, done.stderr
    assert not names(tmp_path)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with only_writer(tmp_path / "a"):
        with pytest.raises(ExafsnnError, match=rf"another run .*: process {os.getpid()} on .* since 20.*Wait"):
            only_writer(tmp_path / "a").__enter__()
        with only_writer(tmp_path / "b"):
            pass
    with only_writer(tmp_path / "a"):
        assert names(tmp_path) == [".a.lock"]
    assert not names(tmp_path)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    code = "import os, sys; from pathlib import Path; from exafsnn.files import only_writer; "
    code += "held = only_writer(Path(sys.argv[1]) / 'a'); held.__enter__(); os._exit(9)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert names(tmp_path) == [".a.lock"]
    with only_writer(tmp_path / "a"):
        pass
    assert not names(tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed under Linux")
@pytest.mark.parametrize(("call", "taken"), [("write", True), ("ftruncate", True), ("open", False), ("fstat", False)])
def test_a_lock_is_given_back_whatever_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, taken: bool
) -> None:
    """A full disk has no room for the holder's name, and the lock holds without; else there is none."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    before = sorted(names(Path("/proc/self/fd")))
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        if taken:
            with only_writer(tmp_path / "a"), pytest.raises(ExafsnnError, match="just started"):
                only_writer(tmp_path / "a").__enter__()
        else:
            with pytest.raises(ExafsnnError, match="Make room on the disk"):
                only_writer(tmp_path / "a").__enter__()
    assert sorted(names(Path("/proc/self/fd"))) == before
    with only_writer(tmp_path / "a"):
        assert names(tmp_path) == [".a.lock"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no such device")
def test_a_sink_tells_what_was_refused_once_and_after_all_is_written() -> None:
    sink = Sink(Path("/dev/full"))
    assert sink.write(np.arange(3.0)) == 24
    assert sink.write(b"more") == 4
    with pytest.raises(OSError, match="No space left"):
        sink.close()
    assert sink.closed
    sink.close()


def test_only_leftovers_of_that_output_go(tmp_path: Path) -> None:
    ours = [".a.12.unfinished", ".a.parts.7.unfinished"]
    others = ["a", ".ab.12.unfinished", ".a.b.12.unfinished", ".a.unfinished", "a.12.unfinished"]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    with only_writer(tmp_path / "a"):
        pass
    assert set(names(tmp_path)) == set(others)
    (tmp_path / ".c.1.unfinished").mkdir()
    remove_leftovers(tmp_path)
    assert set(names(tmp_path)) == {"a", ".a.unfinished", "a.12.unfinished"}


def test_a_folder_goes_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").touch()
    monkeypatch.setattr("shutil.rmtree", lambda path: None)
    remove_folder(tmp_path / "a")
    assert names(tmp_path) == [f".a.{os.getpid()}.unfinished"]


def test_checksums_see_names_types_shapes_and_values() -> None:
    x = np.arange(6.0)
    first = checksum_of("a", {"x": x, "y": x})
    assert first == checksum_of("a", {"y": x.copy(), "x": x.astype(">f8")})
    others = [
        checksum_of("b", {"x": x, "y": x}), checksum_of("a", {"x": x}), checksum_of("a", {"x": x, "z": x}),
        checksum_of("a", {"x": x.reshape(2, 3), "y": x}), checksum_of("a", {"x": x.astype("f4"), "y": x}),
        checksum_of("a", {"x": -x, "y": x}),
    ]  # fmt: skip
    assert first not in others
    assert checksum_of("", {"x": np.asfortranarray(x.reshape(2, 3))}) == checksum_of("", {"x": x.reshape(2, 3)})
