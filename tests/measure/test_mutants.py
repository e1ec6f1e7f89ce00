"""No fault passes the quality gate in silence: mutants of good scans, and what they are called; clean scans pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exafsnn.errors import ScanError
from exafsnn.measure.edge import edge_of
from exafsnn.measure.gate import Passed, check, end_of_exafs, up_to
from exafsnn.measure.repairs import mended
from exafsnn.measure.scans import remove_background
from exafsnn.read.scan import read_one
from exafsnn.records import Spectrum
from exafsnn.rise import edge_rise

from .mutants import FAULTS, Fault, energy_at

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
    return edge_rise(scan.energy, scan.mu, edge_of(scan.energy, scan.mu, scan.absorber, scan.edge).position)


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


def unjudged(grids, _known):
    """Everything passes the gate as it is."""
    for number, (like, mu) in enumerate(grids):
        energy = up_to(like, end_of_exafs(like)).energy
        used = mu[:, : len(energy)]
        places = np.array([edge_of(energy, row, like.absorber, like.edge).position for row in used])
        yield number, Passed(np.arange(len(mu)), energy, used, places, ((),) * len(mu))


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


@pytest.mark.parametrize("period", [8, 25])
@pytest.mark.parametrize("height", [0.003, 0.007])
def test_a_top_up_every_so_many_points_is_told_and_taken_off(period, height, good, good_chi):
    """Too low for glitches, but k²χ is off by up to a tenth."""
    spikes = height * rise_of(good) * (np.arange(len(good.mu)) % period == 3)
    found = remove_background(replace(good, mu=good.mu + spikes))
    assert "periodic" in {finding.name for finding in found.findings}
    assert difference(good_chi, found) < 0.005


@pytest.mark.parametrize("period", [20, 30])
def test_what_comes_as_often_and_lasts_is_told(period, good):
    saw = 0.006 * rise_of(good) * (np.arange(len(good.mu)) % period) / period
    assert names_of(replace(good, mu=good.mu + saw)) & {"periodic", "step", "wide-glitch"}


def test_the_damage_is_located(good):
    fault = next(fault for fault in FAULTS if fault.name == "spike")
    damaged = fault.damaged(good, rise_of(good), 0.2)
    where = damaged.energy[np.argmax(np.abs(damaged.mu - good.mu))]
    found = [finding for finding in mended(damaged)[1] if finding.name == "glitch"]
    assert [finding.energy for finding in found] == [pytest.approx(where)]


def raw_counters(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Energies, I0 and It of a file that holds them, wherever its table says."""
    rows = [line.split() for line in path.read_text().splitlines() if line.strip() and line.strip()[0].isdigit()]
    table = np.array([[float(cell) for cell in row] for row in rows if len(row) == len(rows[-1])])
    return tuple(table[:, :3].T)


def clipped(counts: np.ndarray, share: float) -> np.ndarray:
    return np.minimum(counts, share * counts.max())


RAW = {
    "saturated It": (lambda i0, it, s: (i0, clipped(it, s)), (0.95, 0.7, 0.5), "saturated"),
    "saturated I0": (lambda i0, it, s: (clipped(i0, s), it), (0.98, 0.95, 0.9), "saturated"),
    "noisy dead I0": (
        lambda i0, it, s: (100 * (1 + s * np.random.default_rng(1).standard_normal(len(i0))), it),
        (1e-4, 1e-3, 1e-2),
        "dead-monitor",
    ),
    "constant I0": (lambda i0, it, s: (np.full_like(i0, s), it), (1.0, 100.0, 1e5), "stuck"),
    "hanging It": (
        lambda i0, it, s: (i0, np.where((np.arange(len(it)) > 200) & (np.arange(len(it)) < 200 + s), it[200], it)),
        (6, 12, 30),
        "stuck",
    ),
}


@pytest.mark.parametrize("kind", ["simulated", "measured"])
@pytest.mark.parametrize(("fault", "strength"), [(name, s) for name, item in RAW.items() for s in item[1]])
def test_every_fault_of_a_raw_counter_is_named(kind, fault, strength, tmp_path, request):
    path = SIMULATED if kind == "simulated" else request.getfixturevalue("data_dir") / "fe" / "fe.300"
    energy, i0, it = raw_counters(path)
    change, _, name = RAW[fault]
    for file, counters in (("good.dat", (i0, it)), ("bad.dat", change(i0, it, strength))):
        np.savetxt(tmp_path / file, np.column_stack([energy, *counters]), header="Element.symbol: Fe\nenergy i0 it")
    good, bad = ({finding.name for finding in read_one(tmp_path / file).findings} for file in ("good.dat", "bad.dat"))
    assert name not in good
    assert name in bad


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.graded], ids=lambda fault: fault.name)
def test_the_weakest_fault_matters(good, good_chi, fault, monkeypatch):
    """Without the gate the weakest strength changes k²χ by about as much as a repair may leave, or more."""
    monkeypatch.setattr("exafsnn.measure.scans.judged", unjudged)
    damaged = remove_background(fault.damaged(good, rise_of(good), fault.strengths[0]))
    assert difference(good_chi, damaged) > 0.015


@pytest.mark.parametrize("height", [0.15, -0.15, 0.4])
def test_a_jump_just_below_the_edge_is_named(height, data_dir):
    scan = read_one(data_dir / "fe" / "fe.300")
    jumped = replace(scan, mu=scan.mu + height * rise_of(scan) * (scan.energy > 7087))
    assert names_of(jumped) & {"step", "wide-glitch"}


@pytest.mark.parametrize("points", [3, 4, 5])
@pytest.mark.parametrize("away", [-6.0, -3.0, 0.0, 3.0])
def test_a_glitch_is_no_edge_of_another_element(points, away, good):
    mu, first = good.mu.copy(), int(np.argmin(np.abs(good.energy - 7514.0 - away)))
    mu[first : first + points] += 0.05 * rise_of(good)
    names = names_of(replace(good, mu=mu))
    assert "foreign-edge" not in names
    assert names & {"glitch", "wide-glitch"}


@pytest.mark.slow
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.graded], ids=lambda fault: fault.name)
def test_the_weakest_fault_moves_the_coordination_number_by_a_few_percent(good, fault, monkeypatch):
    """Without the gate, that is; at a known amplitude. So what is named is neither trifling nor plain to see."""
    from exafsnn.infer.predict import load_model

    monkeypatch.setattr("exafsnn.measure.scans.judged", unjudged)
    model = load_model("fe-k")

    def count(scan):
        prediction = model.predict(remove_background(scan))
        return prediction.shells["first"].coordination * prediction.amplitude

    damaged = fault.damaged(good, rise_of(good), fault.strengths[0])
    assert abs(count(damaged) / count(good) - 1) < 0.12


@pytest.mark.parametrize("points", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("k", [4.0, 8.4, 10.5])
def test_a_repair_that_may_be_wrong_says_so(points, k, good, good_chi):
    """Flat stretches, of which a search for short glitches may find a part."""
    for height in (-0.06, -0.025, 0.015, 0.04):
        mu, first = good.mu.copy(), int(np.searchsorted(good.energy, energy_at(k)))
        mu[first : first + points] += height * rise_of(good)
        try:
            chi = remove_background(replace(good, mu=mu))
        except ScanError:
            continue
        names = {finding.name for finding in chi.findings}
        if "glitch" in names:
            assert difference(good_chi, chi) < 0.02 or "uncertain-repair" in names, height


@pytest.mark.parametrize("height", [-0.05, -0.02, 0.015, 0.03])
@pytest.mark.parametrize("k", [4.4, 7.0, 9.1, 11.3])
def test_a_step_is_never_repaired_as_a_glitch(height, k, good):
    scan = replace(good, mu=good.mu + height * rise_of(good) * (good.energy > energy_at(k)))
    assert names_of(scan) & {"step", "wide-glitch", "foreign-edge"}
