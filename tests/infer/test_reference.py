"""Structures count their neighbours right; calibrating on a standard recovers its amplitude."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import ModelError, SettingsError
from exafsnn.infer.estimates import Reference
from exafsnn.infer.reference import calibrate
from exafsnn.infer.structure import parse_structure

CRYSTALS = [
    ("bcc:2.8665", [(2.4825, 8), (2.8665, 6), (4.0538, 12), (4.7536, 24), (4.9649, 8)]),
    ("fcc:3.6149", [(2.5561, 12), (3.6149, 6), (4.4273, 24), (5.1122, 12)]),
    ("hcp:2.507,4.070", [(2.4972, 6), (2.507, 6), (3.5385, 6)]),
]


@pytest.mark.parametrize(("text", "shells"), CRYSTALS)
def test_shells_of_crystals(text, shells):
    found = parse_structure(text).shells(shells[-1][0] + 0.05)
    assert [count for _, count in found] == [count for _, count in shells]
    assert [distance for distance, _ in found] == pytest.approx([distance for distance, _ in shells], abs=2e-4)


def test_a_constant_in_nm_is_guessed():
    with pytest.raises(SettingsError, match="was it in nm"):
        parse_structure("fcc:0.39242")


@pytest.mark.parametrize("text", ["bcc", "bcc:", "bcc:x", "bcc:0.1", "hcp:2.5", "diamond:5.4", "fcc:3.6,4.0"])
def test_nonsense_is_refused_with_a_remedy(text):
    with pytest.raises(SettingsError, match="Use bcc:a"):
        parse_structure(text)


def test_amplitude_follows_the_data(model, iron_chi):
    chi = iron_chi["fe.300"]
    weaker = replace(chi, chi=0.9 * chi.chi)
    one, other = (calibrate(model, item, "bcc:2.8665") for item in (chi, weaker))
    assert other.amplitude / one.amplitude == pytest.approx(0.9, abs=0.02)


def test_the_standard_itself_comes_out_right(model, iron_chi):
    reference = calibrate(model, iron_chi["fe.300"], "bcc:2.8665")
    prediction = model.predict(iron_chi["fe.300"], reference)
    assert prediction.shells["first"].coordination == pytest.approx(14.0, abs=0.05)


@pytest.mark.parametrize(
    ("structure", "reason"),
    [
        ("fcc:3.6", "looks like bcc, not fcc"),
        ("fcc:2.9", "looks like bcc, not fcc"),
        ("bcc:2.95", r"the scan shows 2\.6\d\d Å"),
    ],
)
def test_a_structure_that_was_not_measured_is_refused(model, iron_chi, structure, reason):
    with pytest.raises(SettingsError, match=f"{reason}.*Give the structure"):
        calibrate(model, iron_chi["fe.300"], structure)


def test_a_shell_less_structure_is_refused(model, iron_chi):
    with pytest.raises(SettingsError, match="no neighbour"):
        calibrate(model, iron_chi["fe.300"], "fcc:6.5")


@pytest.mark.parametrize("structure", ["bcc:2.155", "fcc:2.482"])
def test_the_distance_of_neighbours_is_no_lattice_constant(model, iron_chi, structure):
    """Second neighbours then lie where the first are expected: 6 instead of 12 were believed."""
    with pytest.raises(SettingsError, match=r"nearest neighbours at .* lattice constant"):
        calibrate(model, iron_chi["fe.300"], structure)


def test_another_edge_is_refused(model, iron_chi):
    with pytest.raises(ModelError, match="is for Fe K"):
        model.predict(replace(iron_chi["fe.300"], absorber="Ni"))


def test_short_data_are_refused(model, iron_chi):
    with pytest.raises(ModelError, match="needs 9"):
        model.predict(replace(iron_chi["fe.300"], k_max_usable=8.0))


STANDARD = Reference(-0.5, 0.7, 0.9, 0.018, "Ni foil", "fcc:3.524", e0=8333.0)


def test_a_standard_tells_the_zero_of_its_metal_relative_to_e0_and_of_its_oxide_itself():
    """The zero of NiO lies 12 eV below its E₀, which is on its white line: at about that of nickel."""
    e0 = np.array([8333.0, 8334.5, 8344.7, np.nan])
    zero, std = STANDARD.zeros(e0, np.array([0.0, 0.0, 1.0, 1.0]))
    assert zero == pytest.approx([-0.5, -0.5, -12.2, -0.5])
    assert std[:2] == pytest.approx(0.7)
    assert 3.0 < std[2] < 5.0 < 15.0 < std[3]


def test_an_oxide_of_the_session_is_not_from_elsewhere():
    e0, zero = np.array([8344.7, 8344.7, 8344.7]), np.array([-10.5, -0.5, -10.5])
    share = np.array([1.0, 1.0, 0.0])
    assert STANDARD.is_elsewhere(e0, share, zero).tolist() == [False, True, True]
    assert STANDARD.is_beside(e0, share, zero).tolist() == [True, False, False]
    assert not STANDARD.is_beside(np.array([np.nan]), np.ones(1), zero[:1]).any()
