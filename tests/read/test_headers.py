"""What a text header says, and how far it is believed: labels, fields, placeholders, a foil beside the sample."""

from __future__ import annotations

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.read.roles import role_of
from exafsnn.read.scan import read_one
from exafsnn.run.axis import axis_of

LABELS_AND_FIELDS = {
    "fields below": "# energy mu\n# Element.symbol: Fe\n# Element.edge: K",
    "fields above": "# Element.symbol: Fe\n# Element.edge: K\n# energy mu",
    "a name with a space": "# energy mu\n# Element: Fe\n# Edge = K",
    "a sentence below": "# energy mu\n# Element.symbol: Fe\n# Element.edge: K\n# Beam line: K",
    "labels as a field": "# Element.symbol: Fe\n# Element.edge: K\n# Columns: energy mu\n# Stage: 3",
    "a value that looks like labels": "# energy mu\n# Element.symbol: Fe\n# Element.edge: K\n# Ring energy: 3 GeV",
}


@pytest.mark.parametrize("kind", LABELS_AND_FIELDS)
def test_a_field_is_no_line_of_labels(kind, write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header=LABELS_AND_FIELDS[kind]))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    assert "edge-from-energy" not in [finding.name for finding in spectrum.findings]


@pytest.mark.parametrize(
    "header", ["Energy I0 It\neV counts counts", "Energy,I0,It,", "Energie\tI0\tI1", "Energia I0 I1"]
)
def test_labels_beside_units_and_separators_and_in_other_languages(header, write, scan, counts):
    spectrum = read_one(write(scan.energy, *counts, header=header, between="," if "," in header else " "))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


@pytest.mark.parametrize("label", ["energy_rb", "actual energy", "Energy (measured)"])
def test_the_measured_energy_is_better_than_the_commanded_one(label, write, scan, counts):
    header = f"commanded energy\t{label}\ti0\titrans"
    spectrum = read_one(write(np.round(scan.energy), scan.energy, *counts, header=header, between="\t"))
    np.testing.assert_allclose(spectrum.energy, scan.energy, atol=1e-3)


def test_a_constant_mu_is_told_as_such(write, scan):
    unknown = read_one(write(scan.energy, 0 * scan.energy, header="# energy mu"))
    with pytest.raises(ScanError, match=r"μ is 0 at every point \(ready, column 2 \(mu\)\)"):
        unknown.to_chi()


def test_labels_with_the_name_of_a_device_are_labels(write, scan, counts):
    """Epics calls a counter ``13BM: scaler``."""
    labels = "# Element.symbol: Fe\n# energy\ti0\titrans\t13BM: scaler"
    spectrum = read_one(write(scan.energy, *counts, counts[0], header=labels))
    np.testing.assert_allclose(spectrum.mu, scan.mu, atol=1e-6)


@pytest.mark.parametrize(
    ("label", "role"),
    [
        ("normalized", "mu"),
        ("Normalised mu", "mu"),
        ("norm_mu", "mu"),
        ("absorption coefficient", "mu"),
        ("ln(I0/It)", "mu"),
        ("ln(i0/i1)", "mu"),
        ("mu_t", "mu"),
        ("shifted energy", "energy"),
        ("normalization", None),
        ("ref.derivative", None),
        ("norm. derivative", None),
    ],
)
def test_words_of_programs(label, role):
    assert role_of(label) == role


def program_header(e0, temperature="nan"):
    """Header in the manner of a beamline's own program for quick scans."""
    return (
        "#Time at start=2022-07-26 23:01:58.055\n#Time from start (seconds)=65.25\n"
        f"#Sample temperature (C)={temperature}\n# E0={e0}   shift=0.036\n# pre-edge range: [8109.6, 8299.6]\n"
        "# shifted energy\tnormalized\treference\tref.derivative\tI0"
    )


@pytest.fixture
def write_oxide(write, make_scan):
    """Write a nickel oxide, whose edge lies 16 eV above the metal's where erbium has its L3 edge, beside a foil."""

    def writer(header, shift=16.0, foil=0.0):
        nickel = make_scan("Ni")
        oxide = np.interp(nickel.energy - shift, nickel.energy, nickel.mu)
        reference = np.interp(nickel.energy - foil, nickel.energy, nickel.mu)
        i0 = np.full_like(nickel.energy, 1e4) + nickel.energy
        return write(nickel.energy, oxide, reference, np.gradient(reference), i0, header=header, between="\t")

    return writer


@pytest.mark.parametrize("foil", [0.0, 6.0, -6.0])
def test_the_foil_beside_a_compound_says_the_element(foil, write_oxide):
    spectrum = read_one(write_oxide(program_header(9999), foil=foil))
    assert (spectrum.absorber, spectrum.edge) == ("Ni", "K")
    assert not [finding for finding in spectrum.findings if finding.severity == "warning"]
    chi = spectrum.to_chi()
    assert chi.e0 == pytest.approx(8333.0 + 16.0 - foil, abs=1.5)


def test_without_a_foil_both_elements_are_told(write_oxide, write, make_scan):
    nickel = make_scan("Ni")
    oxide = np.interp(nickel.energy - 16.0, nickel.energy, nickel.mu)
    told = next(f for f in read_one(write(nickel.energy, oxide)).findings if f.name == "edge-from-energy")
    assert told.severity == "warning"
    assert "Er L3" in told.message
    assert "Ni K" in told.message


@pytest.mark.parametrize("way", ["e0", "header"])
def test_a_stated_edge_energy_counts_before_the_nearest_edge(way, write, make_scan):
    nickel = make_scan("Ni")
    oxide = np.interp(nickel.energy - 16.0, nickel.energy, nickel.mu)
    header = "# E0= 8333.0\n# energy mu" if way == "header" else "# energy mu"
    spectrum = read_one(write(nickel.energy, oxide, header=header), e0=8333.0 if way == "e0" else None)
    assert (spectrum.absorber, spectrum.edge) == ("Ni", "K")


def test_a_foil_of_another_element_says_nothing(write, make_scan, scan):
    """A cobalt foil behind iron is too far to tell anything of iron's edge."""
    reference = np.interp(scan.energy - 597.0, scan.energy, scan.mu)
    spectrum = read_one(write(scan.energy, scan.mu, reference, header="# energy mu reference"))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")


@pytest.mark.parametrize(("text", "kelvin"), [("nan", None), ("25", 298.15), ("-999", None), ("", None)])
def test_the_unit_of_a_temperature_may_stand_in_its_name(text, kelvin, write_oxide):
    assert read_one(write_oxide(program_header(8333, text))).temperature == kelvin


@pytest.mark.parametrize("text", ["0 K", "-1 K", "-300 C", "n/a", "None", "nan K"])
def test_no_temperature_lies_below_absolute_zero(text, write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header=f"# Temperature: {text}\n# energy mu"))
    assert spectrum.temperature is None
    assert [f.severity for f in spectrum.findings if f.name == "temperature-unknown"] == ["note"]


@pytest.mark.parametrize(("against", "values"), [("time", [65.25, 70.0]), ("time at start", [0.0, 90.0])])
def test_the_time_of_a_header_is_an_axis(against, values, write_oxide, tmp_path):
    first = read_one(write_oxide(program_header(8333))).to_chi()
    later = program_header(8333).replace("65.25", "70.0").replace("23:01:58", "23:03:28")
    second = read_one(write_oxide(later)).to_chi()
    assert list(axis_of({("a", ""): first, ("b", ""): second}, against).values()) == pytest.approx(values)


@pytest.mark.parametrize("placeholder", ["H", "Xx", "None", "unknown", "n/a", "0", "?", "NA", "Element"])
@pytest.mark.parametrize("key", ["Element.symbol", "element", "absorber"])
def test_a_placeholder_for_the_element_is_not_believed(placeholder, key, write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header=f"# {key}: {placeholder}\n# energy mu"))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    told = next(finding.message for finding in spectrum.findings if finding.name == "edge-from-energy")
    assert (repr(placeholder) in told) or ("Na, which the header names, has no edge" in told)


@pytest.mark.parametrize("placeholder", ["None", "?", "0", "Q", "edge"])
def test_a_placeholder_for_the_edge_is_not_believed(placeholder, write, scan):
    header = f"# Element.symbol: Fe\n# Element.edge: {placeholder}\n# energy mu"
    spectrum = read_one(write(scan.energy, scan.mu, header=header))
    assert (spectrum.absorber, spectrum.edge) == ("Fe", "K")
    assert not [finding for finding in spectrum.findings if finding.severity == "warning"]


def test_an_edge_outside_the_scan_is_not_believed(write, make_scan):
    """Programs write K where they were told nothing; platinum's lies at 78 keV."""
    platinum = make_scan("Pt")
    spectrum = read_one(
        write(platinum.energy, platinum.mu, header="# Element.symbol: Pt\n# Element.edge: K\n# energy mu")
    )
    assert (spectrum.absorber, spectrum.edge) == ("Pt", "L3")
    told = next(finding for finding in spectrum.findings if finding.name == "edge-from-energy")
    assert told.severity == "warning"
    assert "the Pt K edge that the header names lies outside the scan" in told.message


def test_another_element_in_the_header_is_still_refused(write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header="# Element.symbol: Cu\n# Element.edge: K\n# energy mu"))
    with pytest.raises(ScanError, match="should be Cu K"):
        spectrum.to_chi()


FIELDS = {
    "more than columns": (["energy eV", "dwell", "i0", "itrans"], "# energy i0 itrans", "Fe"),
    "fewer than columns": (["energy eV", "itrans"], "# energy i0 itrans", "Fe"),
    "more than columns, no labels": (["energy eV", "dwell", "i0", "itrans"], "# ---", None),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_numbered_fields_of_another_table_are_not_believed(kind, write, scan, counts):
    fields, labels, absorber = FIELDS[kind]
    header = "\n".join([*(f"# Column.{number}: {name}" for number, name in enumerate(fields, 1)), labels])
    name = write(scan.energy, *counts, header=header)
    if absorber is None:
        with pytest.raises(ScanError, match="unknown layout: 3 columns"):
            read_one(name)
        return
    np.testing.assert_allclose(read_one(name).mu, scan.mu, atol=1e-6)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("energy i0", "the line 'energy i0' names other columns than the rows have, which hold 3 numbers"),
        ("energy i0 clock", "none as μ, or as the counts behind or beside the sample"),
        ("energy itrans clock", "none as the beam before the sample"),
        ("clock i0 itrans", "none is named as energy"),
    ],
)
def test_an_unknown_layout_says_what_is_missing(labels, said, write, scan, counts):
    with pytest.raises(ScanError, match=said):
        read_one(write(scan.energy, *counts, header=f"# {labels}"))


@pytest.mark.parametrize(
    ("labels", "unknown"),
    [("energy mu", True), ("energy norm", True), ("energy mutrans", False), ("energy muf", False)],
)
def test_a_ready_mu_of_unknown_mode_is_a_note(labels, unknown, write, scan):
    spectrum = read_one(write(scan.energy, scan.mu, header=f"# Element.symbol: Fe\n# Element.edge: K\n# {labels}"))
    told = [finding.severity for finding in spectrum.findings if finding.name == "mode-unknown"]
    assert told == (["note"] if unknown else [])
    assert not [finding for finding in spectrum.findings if finding.severity == "warning"]


def test_numbers_of_a_header_are_doubted_only_if_they_look_like_rows(write, scan, counts):
    def severity(row):
        spectrum = read_one(write(scan.energy, *counts, header=f"Weights:\n{row}\nData:\nenergy i0 itrans"))
        return [finding.severity for finding in spectrum.findings if finding.name == "numbers-in-header"]

    assert severity("1.0 1.0 1.0") == ["note"]
    assert severity("3 4") == ["note"]
    assert severity(f"{scan.energy[0] - 10:g} {counts[0][0]:g} {counts[1][0]:g}") == ["warning"]


@pytest.mark.parametrize(("digits", "severity"), [(5, "note"), (3, "warning")])
def test_decimal_commas_are_doubted_only_where_they_may_be_thousands(digits, severity, tmp_path, scan):
    rows = [f"{energy:.3f};{mu:.{digits}f}".replace(".", ",") for energy, mu in zip(scan.energy, scan.mu, strict=True)]
    path = tmp_path / "scan.csv"
    path.write_text("\n".join(["energy;mu", *rows]))
    told = [finding.severity for finding in read_one(path).findings if finding.name == "decimal-comma"]
    assert told == [severity]
