"""Structures count their neighbours right; calibrating on a standard recovers its amplitude."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from exafsnn.errors import ModelError, SettingsError
from exafsnn.infer.estimates import Reference, Signals
from exafsnn.infer.predict import load_model
from exafsnn.infer.reference import calibrate, is_own
from exafsnn.infer.refine import Refiner
from exafsnn.infer.structure import parse_structure
from exafsnn.records import ChiK

ZINC = "hcp:2.665,4.947"

CRYSTALS = [
    ("bcc:2.8665", [(2.4825, 8), (2.8665, 6), (4.0538, 12), (4.7536, 24), (4.9649, 8)]),
    ("fcc:3.6149", [(2.5561, 12), (3.6149, 6), (4.4273, 24), (5.1122, 12)]),
    ("hcp:2.507,4.070", [(2.4972, 6), (2.507, 6), (3.5385, 6)]),
    ("zincblende:5.6687", [(2.4546, 4), (4.0084, 12), (4.7002, 12)]),
    ("rocksalt:4.1771", [(2.0886, 6), (2.9537, 12), (3.6175, 8), (4.1771, 6)]),
]


@pytest.mark.parametrize(("text", "shells"), CRYSTALS)
def test_shells_of_crystals(text, shells):
    found = parse_structure(text).shells(shells[-1][0] + 0.05)
    assert [count for _, count in found] == [count for _, count in shells]
    assert [distance for distance, _ in found] == pytest.approx([distance for distance, _ in shells], abs=2e-4)


@pytest.mark.parametrize("text", ["zincblende:5.6687", "rocksalt:4.1771"])
def test_neighbours_of_a_compound_are_of_the_other_element_first(text):
    assert [is_other for *_, is_other in parse_structure(text).neighbours(3.9 if "rock" in text else 4.8)] == [
        *(True, False, True),
    ]
    assert not any(is_other for *_, is_other in parse_structure("bcc:2.8665").neighbours(6.0))


def test_a_constant_in_nm_is_guessed():
    with pytest.raises(SettingsError, match="was it in nm"):
        parse_structure("fcc:0.39242")


@pytest.mark.parametrize("text", ["bcc", "bcc:", "bcc:x", "bcc:0.1", "hcp:2.5", "diamond:5.4", "fcc:3.6,4.0"])
def test_nonsense_is_refused_with_a_remedy(text):
    with pytest.raises(SettingsError, match=r"Use bcc:a|Give it in Å"):
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


@pytest.fixture(scope="module")
def compound():
    return load_model("znse-zn")


def foil_of_zinc(model, size=0.8, zero=2.0, sigma2=0.009, structure=ZINC):
    """χ(k) of hexagonal zinc, or of a crystal of ZnSe, by single scattering in ZnSe; simulated."""
    partials = model.partials
    density = np.zeros(partials.count)
    for distance, count, is_other in parse_structure(structure).neighbours(6.0):
        variance = sigma2 * (1.0 if distance < 3 else 1.3) + model.pairs.smoothing**2
        peak = np.exp(-0.5 * (partials.r - distance) ** 2 / variance) / np.sqrt(2 * np.pi * variance)
        density[partials.of("Zn-Se" if is_other else "Zn-Zn")] += count * peak
    k = np.arange(0.0, 16.01, 0.05)
    implied = np.asarray(model.forward.single(density[None].astype(np.float32)))
    chi = model.ensemble.as_measured(k, implied, np.array([zero]), np.array([size]))[0]
    return ChiK(k=k, chi=chi, absorber="Zn", edge="K", noise=1e-4, e0=9659.0, edge_step=1.0, k_max_usable=16.0)


def test_a_foil_of_the_metal_tells_a_compound_its_amplitude(compound):
    """Its first shell, by the compound's own scattering; two shells of hexagonal zinc, 0.25 Å apart, are one."""
    reference = calibrate(compound, foil_of_zinc(compound), ZINC)
    assert reference.apart
    assert reference.amplitude == pytest.approx(0.8, rel=0.01)
    assert reference.delta_e0 == pytest.approx(2.0, abs=0.2)
    assert calibrate(compound, foil_of_zinc(compound, 0.64), ZINC).amplitude == pytest.approx(0.64, rel=0.01)


def test_another_materials_foil_says_little_of_the_energy_zero(compound):
    """It is where the foil's is in energy, as nearly as chemistry lets it be."""
    reference = calibrate(compound, foil_of_zinc(compound), ZINC)
    zeros, stds = reference.zeros(np.array([9659.0, 9662.0]), np.zeros(2))
    assert zeros == pytest.approx(reference.delta_e0 + np.array([0.0, -3.0]))
    assert (stds > 3).all()


@pytest.mark.parametrize(
    ("structure", "said"),
    [
        ("hcp:2.8,5.2", "is not of hcp:2.8,5.2"),
        ("fcc:3.2", "is not of fcc:3.2"),
        ("fcc:12.0", "no Zn-Zn at 8.49 Å"),
    ],
)
def test_what_is_no_such_foil_is_refused(compound, structure, said):
    with pytest.raises(SettingsError, match=said):
        calibrate(compound, foil_of_zinc(compound), structure)


def test_with_a_foil_damping_is_no_lack_of_atoms(compound):
    """Sample and foil of 0.7 times the amplitude: N stays, by ``predict`` and by ``refine``."""
    sample = foil_of_zinc(compound, 0.8)
    shells = np.asarray(compound.atlas.density.numpy()[:1], dtype=float)
    implied = compound.ensemble.implied(shells)
    zero = np.array([float(compound.pairs.e0)])
    whole = replace(sample, chi=compound.ensemble.as_measured(sample.k, implied, zero, np.array([0.8]))[0])
    found = []
    for factor in (1.0, 0.7):
        weaker = replace(whole, chi=factor * whole.chi)
        refiner = Refiner(compound, foil_of_zinc(compound, 0.8 * factor), ZINC)
        answers = compound.predict(weaker, refiner.reference), refiner.refine(weaker)
        found.append([answer.shells["first"].coordination for answer in answers])
    assert found[1] == pytest.approx(found[0], rel=0.01)


def test_a_crystal_of_the_compound_tells_it_its_amplitude_too(compound, model):
    crystal = "zincblende:5.6687"
    for size in (0.8, 1.0):
        chi = foil_of_zinc(compound, size, zero=-1.0, structure=crystal)
        reference = calibrate(compound, chi, crystal)
        assert reference.apart
        assert reference.amplitude == pytest.approx(size, rel=0.01)
        assert reference.delta_e0 == pytest.approx(-1.0, abs=0.3)
    with pytest.raises(SettingsError, match=r"its S₀² would be 2\.[45]"):
        calibrate(compound, foil_of_zinc(compound, 2.5, zero=-1.0, structure=crystal), crystal)
    with pytest.raises(SettingsError, match=r"not of rocksalt:5\.6687.* Give such a crystal"):
        calibrate(compound, chi, "rocksalt:5.6687")
    with pytest.raises(SettingsError, match="fe-k knows no zincblende crystals"):
        calibrate(model, replace(chi, absorber="Fe"), crystal)


def test_only_a_metals_own_crystals_tell_particles(model, compound):
    """Of zinc selenide with a foil of zinc nothing is said about the size of zinc particles."""
    assert is_own(model, parse_structure("bcc:2.8665"))
    assert not is_own(compound, parse_structure(ZINC))


def test_a_foil_of_another_session_says_no_amplitude(compound):
    """A sample whose E₀ lies 60 eV away from the foil's, chemistry allowing some, is refined as without one."""
    foil = foil_of_zinc(compound, 0.6)
    told = Refiner(compound, foil, ZINC)
    at = compound.answers(Signals.of([foil]), told.reference)
    for e0, known in ((9659.0, True), (9719.0, False)):
        session = told.sessions(Signals.of([replace(foil, e0=e0)]), at)
        assert (session.mean[0, 1] == pytest.approx(np.log(told.reference.amplitude))) is known


def test_no_coordination_is_surer_than_the_foils_amplitude(compound):
    foil = foil_of_zinc(compound)
    reference = calibrate(compound, foil, ZINC)
    shell = compound.predict(foil, reference).shells["first"]
    assert shell.coordination_std >= 0.055 * shell.coordination
