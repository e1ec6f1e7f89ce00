"""Athena projects: the values are parsed, never evaluated; a bad group does not stop the others."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import athena
from exafsnn.read.scan import expand, read, read_one

FIRST = "# Athena project file -- Demeter version 0.9.26\n# This file created at 2020-01-01\n"
ARGS = "'label','{label}','bkg_z','Fe','fft_edge','K','is_xmu',1"


@pytest.fixture
def group(scan):
    """Group of a project, as text; each line can be replaced or, with None, left out."""

    def maker(label="iron", **lines):
        x, y = (",".join(f"'{value:.6f}'" for value in values) for values in (scan.energy, scan.mu))
        default = {
            "old": "$old_group = 'abcd';",
            "args": f"@args = ({ARGS.format(label=label)});",
            "x": f"@x = ({x});",
            "y": f"@y = ({y});",
        }
        return "\n".join(line for line in (default | lines).values() if line) + "\n[record]   # create object\n\n"

    return maker


@pytest.fixture
def save(tmp_path):
    def saver(*groups, packed=True):
        content = (FIRST + "".join(groups) + "@journal = ();\n1;\n").encode()
        (tmp_path / "iron.prj").write_bytes(gzip.compress(content) if packed else content)
        return str(tmp_path / "iron.prj")

    return saver


@pytest.mark.parametrize("packed", [True, False])
def test_one_group_packed_or_not(packed, save, group, scan):
    name = save(group(), packed=packed)
    np.testing.assert_allclose(read_one(name).mu, scan.mu, atol=1e-6)
    assert expand(name) == [name]


@pytest.mark.parametrize(
    ("args", "label"),
    [
        (r"@args = ('label','it\'s a \\ foil','bkg_z','Fe','fft_edge','K');", r"it's a \ foil"),
        (r"@args = ('label','a\nb','bkg_z','Fe','fft_edge','K');", r"a\nb"),
        (r"""@args = ('label',"\x{3b1}-Fe \"hot\"",'bkg_z','Fe','fft_edge','K');""", 'α-Fe "hot"'),
        ("@args = ('label' => 'arrows', 'bkg_z' => 'Fe', 'fft_edge' => 'K', 'n' => 1);", "arrows"),
        ("@args = ( 'titles', ['a, (b)]', \"it's\"], 'label', 'nested', 'bkg_z', 'Fe', 'fft_edge', 'K' ) ;", "nested"),
        ("@args = ('bkg_z','Fe','fft_edge','K','none',undef);", "abcd"),
        ("@args = ('label','','bkg_z','Fe','fft_edge','K',);", "abcd"),
        ("@args = ('xdi_mono',{},'label','empty','bkg_z','Fe','fft_edge','K');", "empty"),
        ("@args = ('xdi_mono',{'name' => {'name' => {}}},'label','deep','bkg_z','Fe','fft_edge','K');", "deep"),
        ("@args = ('bkg_eshift',undef,'n',-1.5e-3,'label','undef','bkg_z','Fe','fft_edge','K');", "undef"),
        ("@args = ('titles',['two\\nlines\\n'],'label','lines','bkg_z','Fe','fft_edge','K');", "lines"),
    ],
)
def test_perl_values(args, label, save, group):
    spectrum = read_one(save(group(args=args)))
    assert (spectrum.record, spectrum.absorber) == (label, "Fe")


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ({"x": None}, "lacks its parameters or data"),
        ({"args": None}, "lacks its parameters or data"),
        ({"x": "@x = ('1','2');"}, "holds 2 x and"),
        ({"x": "@x = ();", "y": "@y = ();"}, "holds 0 x and 0 y values"),
        ({"y": "@y = ('1','x');"}, "line 6: @y holds \"'x'\": that is not understood as a number"),
        ({"x": "@x = (`rm -r /`);"}, "is not understood"),
        ({"x": "@x = (1_000, 2);"}, "is not understood"),
        ({"x": "@x = ('1',"}, "the value of x does not end"),
        ({"args": "@args = (system('ls'), 1);"}, "\"system('ls'), 1\" is not understood"),
        ({"args": "@args = ('titles',['a','label','b');"}, "'[' is not closed"),
        ({"args": "@args = ('label');"}, "args holds 1 items, no pairs"),
        ({"args": "@args = ('label','a','bkg_eshift','x');"}, "bkg_eshift holds 'x'"),
    ],
)
def test_a_bad_group_does_not_stop_the_others(lines, fault, save, group):
    name = save(group("bad", **lines), group("good"))
    first, second = expand(name)
    assert read_one(second).record == "good"
    with pytest.raises(ScanError) as error:
        read_one(first)
    assert fault in str(error.value)
    assert "line" in error.value.where
    assert error.value.remedy == "Save the project again"


@pytest.mark.parametrize("cut", ["[record]", "@y = ", "@x = ", "@args = "])
def test_an_unfinished_last_group_is_told(cut, save, group):
    whole = group("good") + group("lost")
    name = save(whole[: whole.rindex(cut)], packed=False)
    content = Path(name).read_text().replace("@journal = ();\n1;\n", "")
    Path(name).write_text(content)
    first, second = expand(name)
    assert read_one(first).record == "good"
    with pytest.raises(ScanError, match=r"line \d+: the group is not finished: the file ends before its \[record\]"):
        read_one(second)


def test_a_line_cut_in_the_middle_is_told(save, group):
    whole = group("good") + group("lost")
    name = save(whole, packed=False)
    content = Path(name).read_text()
    Path(name).write_text(content[: content.rindex("@y = ") + 50])
    with pytest.raises(ScanError, match="the value of y does not end"):
        read_one(expand(name)[1])


def test_too_many_parameters_are_refused_at_once():
    args = "@args = (" + "'a','b'," * 4999 + "'c','d');\n"
    started = time.process_time()
    with pytest.raises(ScanError, match="more than 1500000 parameters"):
        athena.recognise(FIRST + 600 * f"$old_group = 'a';\n{args}" + "[record]\n", "large.prj")
    assert time.process_time() - started < 5.0


def test_i0_goes_along(save, group, scan):
    i0 = "@i0 = (" + ",".join(["'100000'"] * len(scan.energy)) + ");"
    table = athena.recognise(FIRST + group(i0=i0, signal="@signal = ('1','2');"), "iron.prj")[0]
    assert table.names == ("energy", "mu", "i0")
    assert (table.data[:, 2] == 1e5).all()
    spectrum = read_one(save(group(i0="@i0 = ('1','2');")))
    assert "The array i0 has 2 values" in next(item.message for item in spectrum.findings if item.name == "left-out")
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


def test_an_array_that_was_never_filled_is_left_out(save, group, scan):
    spectrum = read_one(save(group(i0="@i0 = (undef);")))
    assert "The array i0 has 1 values" in next(item.message for item in spectrum.findings if item.name == "left-out")
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


def test_a_reading_that_is_not_defined_is_told_with_its_place(save, group, scan):
    mu = [f"{value:.6f}" for value in scan.mu]
    mu[4] = "undef"
    with pytest.raises(ScanError, match="point 5: column 2 holds nan, not a finite number"):
        read_one(save(group(y=f"@y = ({','.join(mu)});")))


def test_hashes_become_fields(save, group):
    args = (
        "@args = ('xdi_scan',{'edge_energy' => '7112','by' => undef},'titles',['a','b'],'bkg_z','Fe','fft_edge','K');"
    )
    fields = read_one(save(group(args=args))).metadata
    assert (fields["xdi_scan.edge_energy"], fields["xdi_scan.by"], fields["titles"]) == ("7112", "", "a; b")


@pytest.mark.parametrize("placeholder", ["H", "He", "??"])
def test_a_placeholder_is_not_believed_against_the_data(placeholder, save, group):
    spectrum = read_one(save(group(args=f"@args = ('label','a','bkg_z','{placeholder}','fft_edge','K');")))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    (said,) = (item for item in spectrum.findings if item.name == "edge-from-energy")
    assert (said.severity, repr(placeholder) in said.message) == ("note", True)


def test_a_placeholder_of_a_chi_file_is_named(save, group, scan):
    args = "@args = ('label','a','bkg_z','H','fft_edge','K','is_chi',1);"
    x = ",".join(f"{0.05 * point:.2f}" for point in range(len(scan.energy)))
    with pytest.raises(ScanError, match=r"does not name element and edge \('H' of the header is no known element"):
        read_one(save(group(args=args, x=f"@x = ({x});")))


def test_names_stay_apart(save, group):
    nameless = {"old": None, "args": "@args = ('bkg_z','Fe','fft_edge','K');"}
    name = save(group("a"), group("b"), group("a"), group(**nameless))
    assert [spectrum.record for spectrum in read(name)] == ["a (1)", "b", "a (2)", "group 4"]


HEAD = "# Athena project file -- Demeter version 0.9.26"


@pytest.fixture
def save_json(tmp_path, scan):
    """Project in JSON of two groups, the second of which comes first in the order that it gives."""

    def saver(**changed):
        x, y = ([f"{value:.6f}" for value in values] for values in (scan.energy, scan.mu))
        args = {"bkg_z": "Fe", "fft_edge": "K", "is_xmu": 1, "titles": []}
        groups = {
            name: {"args": args | {"label": label}, "x": x, "y": y} for name, label in (("b", "late"), ("a", "early"))
        }
        path = tmp_path / "new.prj"
        path.write_text(json.dumps({"_____header1": HEAD, **groups, "_____order": ["a", "b"], **changed}))
        return path

    return saver


def test_projects_in_json(save_json, scan):
    early, late = read(save_json())
    assert (early.record, late.record, early.absorber) == ("early", "late", "Fe")
    np.testing.assert_allclose(late.energy, scan.energy, atol=1e-6)
    np.testing.assert_allclose(late.mu, scan.mu, atol=1e-6)


def test_a_bad_group_in_json_does_not_stop_the_others(save_json):
    first, second = expand(save_json(b={"args": {"label": "b"}, "x": [7000, 7001], "y": [0.1, "much"]}))
    assert read_one(first).record == "early"
    with pytest.raises(ScanError, match=r"new\.prj::b: @y holds 'much'"):
        read_one(second)


@pytest.mark.parametrize("rest", ["", ', "a": {', ', "a": ' + 100_000 * "["])
def test_damaged_json_is_told(rest, tmp_path):
    (tmp_path / "new.prj").write_text('{"_____header1": "' + HEAD + '"' + rest)
    with pytest.raises(ScanError, match="the JSON of the project is damaged"):
        read(tmp_path / "new.prj")


def test_projects_without_groups_or_with_too_many():
    with pytest.raises(ScanError, match="holds no data"):
        athena.recognise(FIRST, "empty.prj")
    with pytest.raises(ScanError, match="more than 10000 groups"):
        athena.recognise(FIRST + "[record]\n" * 10_001, "large.prj")
