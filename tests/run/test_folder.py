"""A watched folder: files are told once they hold still, and again when they or a table beside them change."""

from __future__ import annotations

from contextlib import suppress

import pytest

from exafsnn.run.folder import landed


@pytest.fixture
def look(tmp_path, monkeypatch):
    """Watch a folder, with something done in each pause; return the names that were told, look by look."""

    def run(actions, also=()):
        steps = iter(actions)

        def pause(_):
            action = next(steps, None)
            if action is None:
                raise KeyboardInterrupt
            action()

        monkeypatch.setattr("exafsnn.run.folder.time.sleep", pause)
        (tmp_path / "in").mkdir()
        told = []
        with suppress(KeyboardInterrupt):
            for files in landed(tmp_path / "in", also):
                told.append([name.rsplit("/", 1)[-1] for name in files])
        return told

    return run


def nothing():
    pass


def test_a_file_is_told_when_it_holds_still_and_when_it_grows(tmp_path, look):
    scan = tmp_path / "in" / "a.dat"
    told = look([lambda: scan.write_text("1"), lambda: scan.write_text("12"), nothing, nothing,
                 lambda: scan.write_text("123"), nothing, nothing])  # fmt: skip
    assert told == [["a.dat"], ["a.dat"]]


def test_a_table_that_grows_calls_for_a_new_look(tmp_path, look):
    scan, table = tmp_path / "in" / "a.dat", tmp_path / "values.csv"
    table.write_text("file,value\n")
    told = look(
        [lambda: scan.write_text("1"), nothing, lambda: table.write_text("file,value\na.dat,1\n"), nothing, nothing],
        [str(table)],
    )
    assert told == [["a.dat"], ["a.dat"]]


def test_pictures_and_hidden_files_are_no_scans(tmp_path, look):
    told = look([lambda: (tmp_path / "in" / "a.png").write_text("1"),
                 lambda: (tmp_path / "in" / ".a.dat").write_text("1"), nothing, nothing])  # fmt: skip
    assert told == []
