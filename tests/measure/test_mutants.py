"""No fault passes the quality gate in silence: mutants of good scans, and what they are called; clean scans pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.measure.background import remove_background
from exafsnn.measure.edges import edge_rise
from exafsnn.measure.quality import check, edge_position, mended
from exafsnn.measure.readers import read_one
from exafsnn.records import Spectrum

from .mutants import FAULTS, Fault

SIMULATED = Path(__file__).parents[2] / "spectra" / "fe_0300K.dat"

MUTANTS = [(fault, strength) for fault in FAULTS for strength in fault.strengths]
IDS = [f"{fault.name}-{strength:g}" for fault, strength in MUTANTS]


@pytest.fixture(scope="module", params=["simulated", "measured"])
def good(request) -> Spectrum:
    path = SIMULATED if request.param == "simulated" else request.getfixturevalue("data_dir") / "fe" / "fe.300"
    scan = read_one(path)
    return Spectrum(scan.energy, scan.mu, scan.absorber, scan.edge, scan.source)


@pytest.fixture(scope="module")
def good_chi(good):
    return remove_background(good)


def rise_of(scan: Spectrum) -> float:
    return edge_rise(scan.energy, scan.mu, edge_position(scan))


def names_of(scan: Spectrum) -> set[str]:
    """Everything that the gate says of a scan, up to the first fatal finding."""
    found = list(check(scan))
    if not any(finding.severity == "fatal" for finding in found):
        found += mended(scan)[1]
    if not any(finding.severity == "fatal" for finding in found):
        try:
            found += remove_background(scan).findings
        except ScanError:
            found += []
    return {finding.name for finding in found if finding.severity != "note"}


def difference(chi, other) -> float:
    """Root mean square of the difference of k²χ, relative to the first, over k = 3 to 12 Å⁻¹."""
    n = min(len(chi.k), len(other.k))
    use = (chi.k[:n] > 3) & (chi.k[:n] < min(12.0, chi.k_max_usable))
    one, two = (item.k[:n][use] ** 2 * item.chi[:n][use] for item in (chi, other))
    return float(np.sqrt(np.mean((one - two) ** 2) / np.mean(one**2)))


def test_there_are_enough_mutants():
    assert len(MUTANTS) >= 60


def test_the_good_scan_is_good(good):
    assert names_of(good) == set()


@pytest.mark.parametrize(("fault", "strength"), MUTANTS, ids=IDS)
def test_every_fault_is_named(good, fault: Fault, strength: float):
    assert fault.finding in names_of(fault.damaged(good, rise_of(good), strength))


@pytest.mark.parametrize(("fault", "strength"), [item for item in MUTANTS if item[0].repaired])
def test_repairs_restore_the_scan(good, good_chi, fault: Fault, strength: float):
    repaired = remove_background(fault.damaged(good, rise_of(good), strength))
    assert difference(good_chi, repaired) < 0.02


def test_a_scan_that_is_cut_is_otherwise_untouched(good):
    fault = next(fault for fault in FAULTS if fault.finding == "foreign-edge")
    repaired = remove_background(fault.damaged(good, rise_of(good), fault.strengths[0]))
    inside = good.energy <= repaired.spectrum.energy[-1]
    same_range = remove_background(replace(good, energy=good.energy[inside], mu=good.mu[inside]))
    assert difference(same_range, repaired) < 0.02


def test_the_damage_is_located(good):
    fault = next(fault for fault in FAULTS if fault.name == "spike")
    damaged = fault.damaged(good, rise_of(good), 0.2)
    where = damaged.energy[np.argmax(np.abs(damaged.mu - good.mu))]
    found = [finding for finding in mended(damaged)[1] if finding.name == "glitch"]
    assert [finding.energy for finding in found] == [pytest.approx(where)]


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.graded], ids=lambda fault: fault.name)
def test_the_weakest_fault_moves_the_coordination_number_by_a_few_percent(good, fault, monkeypatch):
    """Without the gate, that is; at a known amplitude. So what is named is neither trifling nor plain to see."""
    from exafsnn.infer.predict import load_model
    from exafsnn.measure import background

    monkeypatch.setattr(background, "mended", lambda scan: (scan, ()))
    monkeypatch.setattr(background, "check", lambda scan: ())
    model = load_model("fe-k")

    def count(scan):
        estimate = model.estimate(remove_background(scan))
        return estimate.coordination * estimate.amplitude

    damaged = fault.damaged(good, rise_of(good), fault.strengths[0])
    assert abs(count(damaged) / count(good) - 1) < 0.12
