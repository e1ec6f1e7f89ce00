"""Each way in which a scan can be useless has a name, a sentence and a remedy."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from exafsnn.edges import edge_name, edges_near, next_edge, tabulated
from exafsnn.errors import ScanError
from exafsnn.measure.gate import check
from exafsnn.measure.scans import remove_background
from exafsnn.records import Spectrum
from exafsnn.rise import has_edge, steepest


def only(findings):
    assert len(findings) == 1, [finding.sentence for finding in findings]
    return findings[0]


def noisy(spectrum, noise):
    return replace(spectrum, mu=spectrum.mu + noise * np.random.default_rng(3).standard_normal(len(spectrum.mu)))


def without(spectrum, index, value):
    mu = spectrum.mu.copy()
    mu[index] = value
    return replace(spectrum, mu=mu)


def test_a_sound_scan_has_no_findings(make_scan):
    assert check(make_scan("Fe")) == ()
    assert check(noisy(make_scan("Fe"), 0.005)) == ()


@pytest.mark.parametrize("offset", [-20.0, -6.5, 20.0])
def test_an_axis_that_is_off_is_fine(offset, make_scan):
    scan = make_scan("Fe")
    assert check(replace(scan, energy=scan.energy + offset)) == ()


FAULTS = {
    "non-finite": lambda scan: without(scan, 60, np.nan),
    "unsorted": lambda scan: replace(scan, energy=scan.energy[::-1]),
    "inverted": lambda scan: replace(scan, mu=-scan.mu),
    "wrong-edge": lambda scan: replace(scan, absorber="Co"),
    "no-edge": lambda scan: replace(scan, mu=1e3 * (7000 / scan.energy) ** 3),
    "few-points": lambda scan: replace(scan, energy=scan.energy[::8], mu=scan.mu[::8]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fatal_faults(name, make_scan):
    scan = FAULTS[name](make_scan("Fe"))
    finding = check(scan)[0]
    assert (finding.name, finding.severity) == (name, "fatal"), finding
    with pytest.raises(ScanError) as error:
        remove_background(scan)
    assert str(error.value).startswith("made.dat: ")
    assert finding.message in str(error.value)
    assert error.value.remedy


def test_noise_is_no_edge(make_scan):
    scan = make_scan("Fe")
    finding = only(check(replace(scan, mu=np.random.default_rng(0).standard_normal(len(scan.mu)))))
    assert finding.name == "no-edge"
    assert only(check(noisy(scan, 0.8))).severity == "fatal"


def test_an_edge_elsewhere_is_named(make_scan):
    finding = only(check(replace(make_scan("Ni"), absorber="Fe")))
    assert finding.name == "wrong-edge"
    assert "should be Fe K (7112 eV)" in finding.message
    assert "(Ni K?)" in finding.message


def test_a_short_scan(make_scan):
    finding = only(check(make_scan("Fe", k_max=8.0)))
    assert (finding.name, finding.severity) == ("short-range", "fatal")
    assert "k = 8.0" in finding.message
    assert "Measure to 7388 eV" in finding.remedy  # at 7387 eV k is 8.496 Å⁻¹
    assert check(make_scan("Fe", k_max=9.0))[:0] == ()
    assert all(finding.severity != "fatal" for finding in check(make_scan("Fe", k_max=9.0)))


@pytest.mark.parametrize(("k_max", "said"), [(8.46, "8.46"), (8.497, "8.497"), (8.4999, "8.4999")])
def test_a_scan_that_is_hardly_too_short_ends_before_what_it_should(make_scan, k_max, said):
    """Not "ends at 1840 eV, k = 8.5 Å⁻¹; k = 8.5 Å⁻¹ is the least. Measure to 1840 eV"."""
    scan = make_scan("Fe", k_max=8.5)
    zero = scan.energy[-1] - 8.5**2 / 0.2624684
    finding = only(check(replace(scan, energy=np.append(scan.energy[:-1], zero + k_max**2 / 0.2624684))))
    told = re.match(r"the scan ends at ([\d.]+) eV, k = ([\d.]+) Å⁻¹; k = 8\.5 Å⁻¹ is the least", finding.message)
    assert told[2] == said
    assert float(told[1]) < float(re.match(r"Measure to (\d+) eV", finding.remedy)[1])
    assert check(scan) == ()


def test_a_short_pre_edge(make_scan):
    assert only(check(make_scan("Fe", pre=25.0))).name == "short-pre-edge"
    finding = only(check(make_scan("Fe", pre=29.8)))
    assert float(re.match(r"the scan begins ([\d.]+) eV below the edge; 30 eV is the least", finding.message)[1]) < 30
    assert check(make_scan("Fe", pre=60.0)) == ()


def test_an_axis_far_off_is_a_warning(make_scan):
    scan = make_scan("Fe")
    finding = only(check(replace(scan, energy=scan.energy + 35)))
    assert (finding.name, finding.severity) == ("edge-offset", "warning")


def test_the_next_edge_ends_the_scan(make_scan):
    scan = make_scan("Pt", "L3", k_max=23.0)
    finding = only(check(scan))
    assert finding.name == "next-edge"
    assert "Pt L2" in finding.message
    chi = remove_background(scan)
    assert chi.spectrum.energy[-1] < tabulated("Pt", "L2") - 20
    assert chi.k[-1] == pytest.approx(np.sqrt(0.2624684 * (13273 - 20 - 11564)), abs=0.1)
    assert any("left out" in sentence for sentence in chi.history)


def test_edges_of_the_tables():
    assert tabulated("Fe", "K") == 7112.0
    assert str(next_edge("Pt", "L3")) == "Pt L2"
    assert next_edge("Fe", "K") is None
    assert str(edges_near(7112.0)[0]) == "Fe K"
    assert str(edges_near(11103.0)[0]) == "Ge K"
    with pytest.raises(ScanError, match="no M9 edge of Fe"):
        tabulated("Fe", "M9")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("K", "K"),
        ("k", "K"),
        ("L3", "L3"),
        ("LIII", "L3"),
        ("L-II edge", "L2"),
        ("l1", "L1"),
        ("L", None),
        ("KK", None),
        ("", None),
    ],
)
def test_names_of_edges(text, name):
    assert edge_name(text) == name


def test_a_spike_is_no_edge(make_scan):
    scan = make_scan("Fe")
    spiked = without(scan, 12, 9.0)
    assert abs(steepest(spiked.energy, spiked.mu) - 7112.0) < 2
    assert not has_edge(spiked.energy, spiked.mu, float(scan.energy[12]))


def test_a_hand_made_spectrum_is_checked_too():
    spectrum = Spectrum(np.arange(5.0), np.arange(4.0), "Fe", "K")
    assert only(check(spectrum)).name == "few-points"
