"""XDI as its specification says: what is malformed is an error with its line, what changes no number a note."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read import xdi
from exafsnn.read.scan import read_one
from exafsnn.records import Spectrum

HEADER = """\
# XDI/1.0 GSE/1.0
# Column.1: energy eV
# Column.2: i0
# Column.3: itrans
# Element.symbol: Fe
# Element.edge: K
# Mono.d_spacing: 3.1355
# Facility.name: made
# Facility.xray_source: tests
# Facility.energy: 3.0 GeV
# Facility.current: 200 mA
# Beamline.name: none
# Scan.start_time: 2026-11-21T08:00:00
# Scan.end_time: 2026-11-21 08:10:00.5+01:00
# Sample.temperature: 300 K
# GSE.EXTRA: a value: with colons, 1.5
# ///
# Anything: may. stand here
#
# ---
# energy i0 itrans"""


@pytest.fixture
def write_xdi(write, make_scan):
    """Write the scan with a header, in which a piece of text was replaced."""

    def writer(old="", new="", name="scan.xdi"):
        scan = make_scan("Fe")
        i0 = np.full_like(scan.energy, 1e5)
        assert old in HEADER
        return write(scan.energy, i0, i0 * np.exp(-scan.mu), header=HEADER.replace(old, new, 1), name=name)

    return writer


def warnings(spectrum):
    return [finding for finding in spectrum.findings if finding.severity == "warning"]


def remarks(spectrum):
    return [finding for finding in spectrum.findings if finding.name.startswith(("xdi-", "d-spacing"))]


def test_a_valid_file_has_no_remarks(write_xdi, make_scan):
    spectrum = read_one(write_xdi())
    assert isinstance(spectrum, Spectrum)
    assert (spectrum.absorber, spectrum.edge, spectrum.temperature) == ("Fe", "K", 300.0)
    assert not remarks(spectrum)
    assert not warnings(spectrum)
    assert spectrum.metadata["comment"] == "Anything: may. stand here"
    assert spectrum.metadata["GSE.EXTRA"] == "a value: with colons, 1.5"
    np.testing.assert_allclose(spectrum.energy, make_scan("Fe").energy, atol=1e-3)
    assert "XDI: μ is ln(I0/It), columns 2 (i0), 3 (itrans)" in [finding.message for finding in spectrum.findings]


DOUBTS = {
    "Element.symbol: Fe": ("Element.symbol: Xx", "Element.symbol is 'Xx'"),
    "# Element.symbol: Fe\n": ("", "field Element.symbol is missing"),
    "# Element.edge: K\n": ("", "field Element.edge is missing"),
    "Element.edge: K": ("Element.edge: Q", "Element.edge is 'Q'"),
    "3.1355": ("many", "Mono.d_spacing is 'many'"),
    "3.0 GeV": ("3.0", "Facility.energy is '3.0'"),
    "200 mA": ("200x mA", "Facility.current is '200x mA'"),
    "300 K": ("300.0a K", "Sample.temperature is '300.0a K'"),
    "2026-11-21T08": ("2026-21-11T08", "Scan.start_time is '2026-21-11T08:00:00'"),
    "2026-11-21 08": ("21 Nov 2026, 08", "Scan.end_time is '21 Nov 2026"),
    "# Facility.name: made\n": ("# Family.2key: x\n", "begin with a digit, and were kept: Family.2key"),
    "XDI/1.0 GSE/1.0": ("XDI/1.0", "names no program, yet there are fields of GSE"),
    "XDI/1.0 G": ("XDI/2.0 G", "version XDI/2.0 is not known"),
    "# ---\n": ("#\n", "no end '# ---'"),
    "# Anything: may. stand here\n": ("", "no user comment"),
    "# Column.2: i0\n": ("", "columns called otherwise: Column.2 (i0)"),
    "Column.3": ("Column.7", "for columns that the data, of 3, do not have: Column.7 (itrans)"),
    "# energy i0 itrans": ("# energy i0 i1", "other names than the fields: 'i1' for Column.3 (itrans)"),
    "energy i0 itrans": ("energy i0", "line of labels has 2 words for 3 columns"),
    "# Beamline": ("! Beamline", "Line 12 with a comment mark other than '#'"),
}


@pytest.mark.parametrize("old", DOUBTS)
def test_doubts_that_change_no_number_are_notes(old, write_xdi, make_scan):
    new, said = DOUBTS[old]
    spectrum = read_one(write_xdi(old, new))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    np.testing.assert_allclose(spectrum.mu, make_scan("Fe").mu, atol=1e-6)
    told = [finding.severity for finding in spectrum.findings if said in finding.message]
    assert told == ["warning" if "XDI/2.0" in said else "note"], spectrum.findings


def test_the_recommended_fields_are_a_note(write_xdi):
    known = re.compile(r"# (Facility.(name|xray_source)|Beamline.name|Scan.start_time): .*\n")
    assert len(known.findall(HEADER)) == 4
    path = Path(write_xdi())
    path.write_text(known.sub("", path.read_text()))
    spectrum = read_one(path)
    assert not warnings(spectrum)
    (said,) = remarks(spectrum)
    assert said.message.startswith("Recommended fields are missing: Facility.name, Facility.xray_source, Beamline.name")


ENDS = {
    "title": ("# ///\n", "# ///  Users Comments  ///\n"),
    "line": ("# ///\n", "#//////////////////\n"),
    "sentence": ("# ///\n", "# /// the user says:\n"),
    "data": ("# ---\n", "# ------ Data ------\n"),
    "no blank": ("# ---\n", "#---data\n"),
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_title_may_stand_behind_the_line_that_ends_a_part(kind, write_xdi, make_scan):
    spectrum = read_one(write_xdi(*ENDS[kind]))
    assert not remarks(spectrum)
    assert spectrum.metadata["comment"] == "Anything: may. stand here"
    np.testing.assert_allclose(spectrum.mu, make_scan("Fe").mu, atol=1e-6)


COLUMNS = "# Column.1: energy eV\n# Column.2: i0\n# Column.3: itrans\n"
OTHERS = {
    "a column that was left out": ["energy eV", "dwell ms", "i0", "itrans"],
    "the reference was left out, and the time": ["energy eV", "dwell ms", "i0", "itrans", "irefer"],
    "a column that came after": ["energy eV", "itrans"],
    "another order, and one more": ["energy eV", "itrans", "i0", "ifluor"],
}


def fields(names, first=1):
    return "".join(f"# Column.{number}: {name}\n" for number, name in enumerate(names, first))


@pytest.mark.parametrize("kind", OTHERS)
def test_labels_that_fit_the_table_are_believed_against_fields_that_do_not(kind, write_xdi, make_scan):
    spectrum = read_one(write_xdi(COLUMNS, fields(OTHERS[kind])))
    np.testing.assert_allclose(spectrum.mu, make_scan("Fe").mu, atol=1e-6)
    assert any(
        "the line of labels, which was taken, has other names" in item.message.lower() for item in warnings(spectrum)
    )


def test_fields_that_count_from_zero_are_corrected_by_the_labels(write_xdi, make_scan):
    spectrum = read_one(write_xdi(COLUMNS, fields(["energy eV", "i0", "itrans"], first=0)))
    np.testing.assert_allclose(spectrum.mu, make_scan("Fe").mu, atol=1e-6)


def test_fields_of_another_table_are_not_believed_without_labels(write_xdi, make_scan):
    """Which of the columns was left out, nobody can tell, unless the user does."""
    path = Path(write_xdi(COLUMNS, fields(["energy eV", "dwell ms", "i0", "itrans"])))
    path.write_text(path.read_text().replace("# energy i0 itrans\n", ""))
    with pytest.raises(ScanError, match=r"unknown layout: 3 columns .*do not have: Column.4 \(itrans\).* --columns"):
        read_one(path)
    told = read_one(path, columns="energy=1,i0=2,it=3")
    np.testing.assert_allclose(told.mu, make_scan("Fe").mu, atol=1e-6)


@pytest.mark.parametrize(("labels", "severity"), [("en i0 i1", "note"), ("energy i0 ifluor", "warning")])
def test_labels_that_mean_what_the_fields_mean_are_a_note(labels, severity, write_xdi):
    (said,) = remarks(read_one(write_xdi("# energy i0 itrans", f"# {labels}")))
    assert (said.severity, "has other names than the fields" in said.message) == (severity, True)


@pytest.mark.parametrize("between", [",", ", ", ";"])
def test_commas_between_the_columns_are_told_as_such(between, write_xdi):
    path = Path(write_xdi())
    rows = [line if line.startswith("#") else between.join(line.split()) for line in path.read_text().splitlines()]
    path.write_text("\n".join(rows))
    with pytest.raises(ScanError, match=r"line 22: .* has commas or semicolons, where XDI has"):
        read_one(path)


def test_a_header_line_without_its_mark_is_told_as_such(write_xdi):
    with pytest.raises(ScanError, match=r"'energy i0 itrans' is neither .* Begin the lines of the header with '#'"):
        read_one(write_xdi("# energy i0 itrans", "energy i0 itrans"))


@pytest.mark.parametrize("placeholder", ["H", "Xx", "None", "unknown", "n/a", "0", "?", "--"])
def test_a_placeholder_is_not_believed_against_the_data(placeholder, write_xdi):
    spectrum = read_one(write_xdi("Element.symbol: Fe", f"Element.symbol: {placeholder}"))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    assert not warnings(spectrum)
    assert any(repr(placeholder) in finding.message for finding in remarks(spectrum))


def test_the_last_of_two_fields_counts(write_xdi):
    spectrum = read_one(write_xdi("# Element.symbol: Fe\n", "# Element.symbol: Co\n# element.Symbol: Fe\n"))
    assert spectrum.absorber == "Fe"
    assert "xdi-repeated" in [finding.name for finding in spectrum.findings]


def test_labels_come_from_their_line_or_are_numbered(write_xdi):
    unnamed = HEADER[HEADER.index("# Column.1") : HEADER.index("# Element")]
    assert read_one(write_xdi(unnamed, "")).absorber == "Fe"
    (table,) = xdi.recognise("# XDI/1.0\n# ---\n7000 1 2\n7100 1 2\n", "made") or []
    assert table.names == ("col1", "col2", "col3")


MALFORMED = {
    "# Family.key:": "there is no value",
    "# Family.key  Value": "there is no ':'",
    "# Family:key:  Value": "there is no '.'",
    "# Family key:  Value": "there is no '.'",
    "# Family.key.subkey: Value": "more than one '.'",
    "# 2Family.key: Value": "does not begin with a letter",
    "# Family.a key: Value": "something else than letters",
    "Family.key: Value": "is neither '# …' nor a row of numbers",
}


@pytest.mark.parametrize("line", MALFORMED)
def test_malformed_fields_are_errors_with_their_line(line, write_xdi):
    name = write_xdi("# Element.symbol: Fe", f"{line}\n# Element.symbol: Fe")
    with pytest.raises(ScanError) as error:
        read_one(name)
    assert f"{name}, line 5: " in str(error.value)
    assert MALFORMED[line] in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize(
    "row", ["7000 1", "7000 1 2 3", "7000 nan 2", "7000 1 inf", "7000 x 2", "7000 1.2.3 2", "7000,1,2"]
)
@pytest.mark.parametrize("place", [30, -1])
def test_malformed_rows_are_errors_with_their_line(row, place, write_xdi):
    name = write_xdi()
    lines = Path(name).read_text().splitlines()
    place = place if place > 0 else len(lines)
    lines.insert(place, row)
    Path(name).write_text("\n".join(lines))
    with pytest.raises(ScanError) as error:
        read_one(name)
    assert f"{name}, line {place + 1}: " in str(error.value)
    assert error.value.remedy


def test_every_row_is_read_and_comments_between_them_are_said(write_xdi, make_scan):
    name = write_xdi()
    lines = Path(name).read_text().splitlines()
    Path(name).write_text("\r\n".join([*lines[:40], "# 7000 1 2", "", *lines[40:], "%end"]))
    spectrum = read_one(name)
    assert len(spectrum.energy) == len(make_scan("Fe").energy)
    said = {finding.message: finding.severity for finding in remarks(spectrum)}
    assert said["Line 41 behind a comment mark: a row of numbers, not read"] == "warning"
    assert "note" in [said[message] for message in said if re.match(r"Line \d+ with a comment mark other", message)]


def test_a_name_is_a_promise(write_xdi):
    with pytest.raises(ScanError, match=r"line 1: the file is named \.xdi, but does not begin with"):
        read_one(write_xdi("# XDI/1.0 GSE/1.0", "#"))
    assert read_one(write_xdi("# XDI/1.0 GSE/1.0", "#", name="scan.dat")).absorber == "Fe"
    assert xdi.recognise("# energy mu\n1 2\n", "scan.dat") is None


def test_a_header_without_data_or_without_end():
    with pytest.raises(ScanError, match="no rows of numbers"):
        xdi.recognise("# XDI/1.0\n# Element.symbol: Fe\n", "made")
    with pytest.raises(ScanError, match="header has more than"):
        xdi.recognise("# XDI/1.0\n# ///\n" + f"# {'x' * 1000}\n" * 1100, "made")
    with pytest.raises(ScanError, match="line 2: the line has"):
        xdi.recognise("# XDI/1.0\n# A.b: " + "x" * 70000, "made")


def test_a_file_may_go_from_its_fields_to_its_labels():
    (table,) = xdi.recognise("# XDI/1.0\n# Element.symbol: Fe\n# energy mu\n7000 1\n7100 1\n", "made") or []
    assert table.names == ("energy", "mu")
    assert table.metadata == {"Element.symbol": "Fe"}


def bad_files() -> list[str]:
    return [f"bad_{number:02d}.xdi" for number in range(36)]


@pytest.fixture(scope="session")
def bad_dir(data_dir) -> Path:
    folder = data_dir.parent / "bad_inputs" / "xdi"
    if not folder.is_dir():
        pytest.skip(f"no broken files: the folder {folder} is absent")
    return folder


def expected(folder: Path) -> dict[str, str]:
    """What the list says of each file."""
    rows = re.findall(r"^(bad_\d\d\.xdi)\s+(file read|error msg)", (folder / "BadFiles.txt").read_text(), re.MULTILINE)
    return dict(rows)


def test_the_list_names_all_broken_files(bad_dir):
    assert sorted(expected(bad_dir)) == bad_files() == sorted(path.name for path in bad_dir.glob("*.xdi"))


@pytest.mark.parametrize("name", bad_files())
def test_broken_files_behave_as_their_list_says(name, bad_dir):
    path = bad_dir / name
    if expected(bad_dir)[name] == "error msg":
        with pytest.raises(ScanError) as error:
            read_one(path)
        assert re.search(rf"{re.escape(str(path))}, line \d+: ", str(error.value))
        assert error.value.remedy
        return
    spectrum = read_one(path)
    assert isinstance(spectrum, Spectrum)
    assert np.isfinite(spectrum.mu).all()
    assert 8700 < spectrum.energy[0] < spectrum.energy[-1] < 9900
    assert (spectrum.absorber, spectrum.edge) == ("Cu", "K")
    assert not [finding for finding in spectrum.findings if "inverted" in finding.message]
    assert bool(remarks(spectrum)) == (name != "bad_00.xdi")
    with pytest.raises(ScanError) as error:
        spectrum.to_chi()
    assert str(path) in str(error.value)
    assert error.value.remedy


NAMED = {
    "bad_02": "Element.edge", "bad_03": "Element.symbol", "bad_04": "Element.edge", "bad_05": "Element.symbol",
    "bad_06": "# ---", "bad_07": "Column.1", "bad_08": "Column.4", "bad_09": "Column.5", "bad_10": "Column.7",
    "bad_11": "comment mark", "bad_12": "Mono.d_spacing", "bad_23": "Family.00key", "bad_25": "GSE",
    "bad_26": "user comment", "bad_27": "user comment", "bad_28": "Scan.start_time", "bad_29": "Scan.start_time",
    "bad_30": "Element.symbol", "bad_31": "Mono.d_spacing", "bad_32": "Beamline.name", "bad_33": "Sample.temperature",
    "bad_34": "Facility.energy", "bad_35": "Facility.current",
}  # fmt: skip
"""What a remark about a file has to name."""


@pytest.mark.parametrize("name", NAMED)
def test_remarks_name_what_is_wrong(name, bad_dir):
    said = [finding.message for finding in remarks(read_one(bad_dir / f"{name}.xdi"))]
    assert any(NAMED[name] in message for message in said), said
