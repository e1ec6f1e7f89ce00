"""Where the axis of a series comes from: a table, headers, names; and what is said where it comes from nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exafsnn.errors import SettingsError
from exafsnn.run.axis import axis_of


def scans(make_chi, *names, temperatures=None):
    """χ(k) by file and record."""
    told = temperatures or [None] * len(names)
    return {(name, ""): replace(make_chi(name), temperature=value) for name, value in zip(names, told, strict=True)}


def test_temperatures_of_the_headers_come_first(make_chi):
    found = axis_of(scans(make_chi, "a_100K.dat", "b_200K.dat", temperatures=[10.0, 20.0]))
    assert list(found.values()) == [10.0, 20.0]


def test_temperatures_of_the_names_stand_before_a_k(make_chi):
    assert list(axis_of(scans(make_chi, "fe_0300K.dat", "run7/fe_1180K.dat")).values()) == [300, 1180]
    assert list(axis_of(scans(make_chi, "a_300K.dat", "b.dat", temperatures=[None, 20.0])).values()) == [300, 20]
    with pytest.raises(SettingsError, match="no temperature is in the header or name of scan_001"):
        axis_of(scans(make_chi, "scan_001.dat", "scan_002.dat"))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("run-12_a.dat", "run-13_a.dat"), [12, 13]),
        (("s2_T_-5.xdi", "s2_T_10.5.xdi"), [-5, 10.5]),
        (("fe.060", "fe.300"), [60, 300]),
        (("fe_300_1.dat", "fe_400_2.dat"), None),
        (("one.dat", "two.dat"), None),
    ],
)
def test_names_number_the_scans_if_asked_for(make_chi, names, expected):
    items = scans(make_chi, *names)
    if expected is None:
        with pytest.raises(SettingsError, match="the names do not differ in one number"):
            axis_of(items, "name")
    else:
        assert list(axis_of(items, "name").values()) == expected


def test_an_axis_that_no_header_has_is_refused(make_chi):
    with pytest.raises(SettingsError, match="no bananas is in the header or name of fe_1"):
        axis_of(scans(make_chi, "fe_1.dat", "fe_2.dat"), "bananas")


def test_numbers_and_dates_are_on_no_common_axis(make_chi):
    items = scans(make_chi, "x.dat", "y.dat")
    fields = ({"time": "12.5"}, {"time": "2026-11-01 10:00:00"})
    for (name, chi), metadata in zip(list(items.items()), fields, strict=True):
        items[name] = replace(chi, spectrum=replace(chi.spectrum, metadata=metadata))
    with pytest.raises(SettingsError, match=r"x\.dat has a number there, y\.dat a date.*--values"):
        axis_of(items, "time")


def test_dates_tell_the_order_measured(make_chi):
    items = scans(make_chi, "x.dat", "y.dat", "z.dat")
    times = ("2026-11-01 10:00:00", "2026-11-01 09:00:00", "2026-11-01 09:30:00")
    for (name, chi), time in zip(list(items.items()), times, strict=True):
        items[name] = replace(chi, spectrum=replace(chi.spectrum, metadata={"time": time}))
    found = axis_of(items, "time")
    assert [name for name, _ in found] == ["y.dat", "z.dat", "x.dat"]
    assert list(found.values()) == [0, 1800, 3600]


def test_order_numbers_the_scans(make_chi):
    assert list(axis_of(scans(make_chi, "x.dat", "y.dat"), "order").values()) == [0.0, 1.0]


def test_a_rejected_scan_keeps_its_place_in_the_order(make_chi):
    items = scans(make_chi, "x.dat", "bad.dat", "y.dat") | {("bad.dat", ""): None}
    assert axis_of(items, "order") == {("x.dat", ""): 0.0, ("y.dat", ""): 2.0}


def test_temperatures_below_zero_kelvin_are_refused(make_chi, tmp_path):
    table = tmp_path / "celsius.csv"
    table.write_text("file,value\nx.dat,-150\ny.dat,20\n")
    with pytest.raises(SettingsError, match=r"temperature of x\.dat is -150, below 0 K.*kelvin"):
        axis_of(scans(make_chi, "x.dat", "y.dat"), values=str(table))
    assert axis_of(scans(make_chi, "x.dat", "y.dat"), "potential", str(table))[("x.dat", "")] == -150


def test_a_table_overrules_all(make_chi, tmp_path):
    items = scans(make_chi, "data/a.dat", "data/b.dat", temperatures=[1.0, 2.0])
    path = tmp_path / "t.csv"
    path.write_text("file,value\nb.dat,0.5\ndata/a.dat,-1.5e1\n")
    assert axis_of(items, "potential", str(path)) == {("data/a.dat", ""): -15.0, ("data/b.dat", ""): 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,temperature\na.dat,1\n", "the columns file,value are wanted"),
        ("file,value\na.dat,cold\n", "line 2: 'cold' is no number"),
        ("file,value\na.dat,nan\n", "line 2: 'nan' is no number"),
        ("file,value\na.dat,1\na.dat,2\n", "line 3: a.dat is there twice"),
        ("file,value\nb.dat,1\n", "there is no value of a.dat. Add a line for it"),
        ("", "the columns file,value are wanted"),
        ("file,value\na.dat,0,5\n", "line 2: there are more than two cells"),
    ],
)
def test_a_table_that_does_not_do_is_refused(make_chi, tmp_path, text, said):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(SettingsError, match=said):
        axis_of(scans(make_chi, "a.dat"), values=str(path))


def test_a_table_that_is_not_there_is_refused(make_chi, tmp_path):
    with pytest.raises(SettingsError, match="the table cannot be read"):
        axis_of(scans(make_chi, "a.dat"), values=str(tmp_path / "none.csv"))
