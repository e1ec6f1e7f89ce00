"""Simulated sessions: a scan of the standard's own state is the standard, but for what differs between scans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import SettingsError
from exafsnn.learn.dataset import StateBank
from exafsnn.learn.features import FeatureSettings
from exafsnn.learn.pair_settings import PairSettings
from exafsnn.simulate.sites import LIBRARY_K, RDF_EDGES
from exafsnn.validate.sessions import Beamline

NOTHING = (0.0, 0.0)
PLAIN = replace(
    PairSettings(), stretch=0.0, extra_sigma2=0.0, mixed=NOTHING, defective=NOTHING, noise=(1e-7, 2e-7), residue=0.0
)
R = 0.5 * (RDF_EDGES[1:] + RDF_EDGES[:-1])


def bank_of(phase="fcc", gain=1.0):
    """One state of twelve neighbours, whose FEFF treatment has an amplitude ``gain`` times that of the common one."""
    k, variance = LIBRARY_K, 0.005 + 0.03**2
    chi = 12 / (k * 2.5**2) * np.exp(-2 * 0.005 * k**2) * np.sin(2 * k * 2.5)
    rdf = 12 * np.exp(-0.5 * (R - 2.5) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
    same = (np.array([True]), (phase,), ("one",), np.array([3.6]), np.array([300.0]), (0,))
    gains, envelope = np.full((1, len(k)), gain), k * np.exp(-0.01 * k**2)
    alone = np.zeros(1, bool), np.zeros(1)
    parts = np.array([[chi, 0 * chi, 0 * chi]])
    return StateBank(k, parts, rdf[None, None], R, (phase,), *same, gains, envelope, 0.0, parts[:, :1] / gain, *alone)


def size(chi):
    inside = (chi.k > 4) & (chi.k < 12)
    return float(np.sqrt(np.mean((chi.k**2 * chi.chi)[inside] ** 2)))


@pytest.mark.parametrize("gain", [1.0, 1.08])
def test_scan_and_standard_have_one_amplitude(monkeypatch, gain):
    monkeypatch.setattr("exafsnn.validate.sessions._DILUTED", (0.0, 0.0))
    monkeypatch.setattr("exafsnn.validate.sessions._STANDARD_NOISE", 1e-7)
    bank = bank_of(gain=gain)
    ratios = []
    for session in Beamline(bank, bank, PLAIN, FeatureSettings(), ("Fe", "K"), 1).sessions(12, 8, True):
        ratios += [size(scan) / size(session.standard) for scan in session.scans]
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.015)
    assert np.std(ratios) == pytest.approx(np.hypot(0.015, 0.015), rel=0.4)


def test_paths_of_several_atoms_err_alike_in_scan_and_standard(monkeypatch):
    """Of one session all do; those of another err otherwise."""
    monkeypatch.setattr("exafsnn.validate.sessions._DILUTED", (0.0, 0.0))
    monkeypatch.setattr("exafsnn.validate.sessions._STANDARD_NOISE", 1e-7)
    bank, k = bank_of(), LIBRARY_K
    bank = replace(bank, chi=bank.chi + [[[0.0], [1.0], [0.0]]] * (np.sin(2 * k * 4.3) * np.exp(-0.01 * k**2) / k))
    exact = dict.fromkeys(("theory_amplitude", "theory_phase", "theory_multiple"), 0.0)
    settings = replace(PLAIN, **exact, theory_apart=0.3, e0_range=0.0)
    beamline = Beamline(bank, bank, settings, FeatureSettings(), ("Fe", "K"), 1)
    use, rows = (beamline.k > 4) & (beamline.k < 12), []
    for session in beamline.sessions(6, 3, True):
        shapes = np.array([(one.k**2 * one.chi)[use] for one in (session.standard, *session.scans)])
        shapes /= np.linalg.norm(shapes, axis=1)[:, None]
        assert (shapes @ shapes[0]).min() > 0.99  # energy zeros differ a little
        rows.append(shapes[0])
    assert (np.array(rows[1:]) @ rows[0]).min() < 0.97


def test_the_standard_says_what_it_is():
    bank = bank_of()
    session = next(Beamline(bank, bank, PLAIN, FeatureSettings(), ("Cu", "K"), 1).sessions(1, 2, True))
    assert session.structure == "fcc:3.6000"
    assert session.standard.absorber == "Cu"
    assert session.density[0].sum() * PLAIN.r_step == pytest.approx(12.0, rel=0.35)


def test_without_a_reference_there_is_no_standard():
    bank = bank_of()
    session = next(Beamline(bank, bank, PLAIN, FeatureSettings(), ("Fe", "K"), 1).sessions(1, 2, False))
    assert session.standard is None


def test_no_crystal_is_no_standard():
    bank = bank_of("liquid")
    with pytest.raises(SettingsError, match="no perfect crystal"):
        next(Beamline(bank, bank, PLAIN, FeatureSettings(), ("Fe", "K"), 1).sessions(1, 2, True))


def test_of_a_compound_a_foil_of_the_metal_tells_the_amplitude(monkeypatch):
    """Within 5 %, of each session anew; the scans of a session differ by 1.5 % besides."""
    monkeypatch.setattr("exafsnn.validate.sessions._DILUTED", (0.0, 0.0))
    bank = bank_of("ZnSe")
    line = Beamline(bank, bank, PLAIN, FeatureSettings(), ("Zn", "K"), 1, erring=False)
    sessions = list(line.sessions(60, 1, True))
    assert all(session.standard is None and session.known.apart for session in sessions)
    told = np.log([session.known.amplitude for session in sessions])
    true = np.log([size(session.scans[0]) for session in sessions])
    assert np.std(told - true) == pytest.approx(0.052, abs=0.01)
    assert np.std(told) > 0.08
    assert all(session.known is None for session in line.sessions(2, 1, False))


def test_at_both_edges_samples_are_the_same_and_beamlines_are_not():
    """The same twelve neighbours, mixed and stretched alike; noise, zeros and amplitudes of their own."""
    bank, settings = bank_of(), replace(PairSettings(), noise=(1e-3, 2e-3))
    one, other = (
        Beamline(bank, bank, settings, FeatureSettings(), (name, "K"), seed) for seed, name in enumerate(("Zn", "Se"))
    )
    found = list(Beamline.at_both((one, other), 3, 4, 7))
    assert len(found) == 3
    for first, second in found:
        assert np.array_equal(first.density, second.density)
        assert first.states == second.states
        assert {scan.absorber for scan in first.scans} == {"Zn"}
        assert {scan.absorber for scan in second.scans} == {"Se"}
        for ours, theirs in zip(first.scans, second.scans, strict=True):
            assert ours.noise != theirs.noise
            assert abs(np.corrcoef(ours.chi, theirs.chi)[0, 1]) < 0.999
    assert len({session.density.tobytes() for session, _ in found}) == 3
