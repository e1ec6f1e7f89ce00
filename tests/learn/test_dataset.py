"""Training pairs keep the physics: what is done to a spectrum is done to its RDF, and the labels say what was done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.constants import K2_PER_EV
from exafsnn.learn.dataset import PairMaker, StateBank, split_by_trajectory
from exafsnn.learn.pair_settings import OXIDE_ERRORS
from exafsnn.physics.distortion import quadrature
from exafsnn.physics.fourier import broaden, shift_energy
from exafsnn.shells import moments

from .conftest import toy_state

EXACT = {"theory_amplitude": 0.0, "theory_phase": 0.0, "theory_multiple": 0.0}
QUIET = {**EXACT, "noise": (1e-9, 1e-8), "diluted": (0.0, 0.0), "residue": 0.0}


@pytest.fixture
def quiet(bank, pairs, features):
    def make(**changes):
        return PairMaker(bank, replace(pairs, **{**QUIET, **changes}), features, seed=1)

    return make


def test_labels_undo_what_was_done(quiet):
    maker = quiet(mixed=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0)
    drawn = maker.draw(64, reference=0.0, zero_known=0.0)
    k = maker._k
    undone = shift_energy(drawn.chi / drawn.log_amplitude.exp()[:, None], k, k, -drawn.e0, K2_PER_EV)
    clean = shift_energy(maker._chi[drawn.states].sum(dim=1), k, maker._bank_k, torch.zeros(64), K2_PER_EV)
    inside = (k > 4.0) & (k < 15.0)
    error = (undone - clean)[:, inside] * k[inside] ** 2
    assert float(error.abs().max()) < 0.03 * float((clean[:, inside] * k[inside] ** 2).abs().max())


def test_the_rdf_keeps_its_atoms(quiet, bank):
    drawn = quiet(mixed=(0.0, 0.0)).draw(64, reference=0.0, zero_known=0.0)
    r = quiet().settings.bins()
    found = moments(r, drawn.density.double().numpy(), 1.7, 4.0)[:, 0]
    true = moments(bank.fine_r, bank.fine_rdf[drawn.states.numpy(), 0], 1.7, 4.0)[:, 0]
    assert np.allclose(found, true, rtol=5e-3)


def test_dilution_takes_atoms_from_both(quiet, bank):
    maker = quiet(mixed=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0, e0_range=0.0, amplitude_std=1e-9, diluted=(1.0, 1.0))
    drawn = maker.draw(64, reference=0.0, zero_known=0.0)
    left = moments(maker.settings.bins(), drawn.density.double().numpy(), 1.7, 4.0)[:, 0]
    kept = left / moments(bank.fine_r, bank.fine_rdf[drawn.states.numpy(), 0], 1.7, 4.0)[:, 0]
    clean = shift_energy(maker._chi[drawn.states].sum(dim=1), maker._k, maker._bank_k, torch.zeros(64), K2_PER_EV)
    inside = maker._k > 4.0
    strength = (drawn.chi * clean)[:, inside].sum(dim=1) / (clean**2)[:, inside].sum(dim=1)
    assert kept.min() < 0.7
    assert np.allclose(strength.numpy(), kept, atol=0.01)


def test_stretching_moves_spectrum_and_rdf_together(quiet, bank):
    maker = quiet(mixed=(0.0, 0.0), extra_sigma2=0.0, e0_range=0.0, amplitude_std=1e-9, stretch=0.004)
    drawn = maker.draw(64, reference=0.0, zero_known=0.0)
    r = moments(maker.settings.bins(), drawn.density.double().numpy(), 1.7, 4.0)[:, 1]
    own = moments(bank.fine_r, bank.fine_rdf[drawn.states.numpy(), 0], 1.7, 4.0)[:, 1]
    k = maker._k.double().numpy()
    for row in range(8):
        expected = np.sin(2 * k * r[row]) / k
        overlap = (drawn.chi[row].double().numpy() * k**2 * expected * k)[(k > 4) & (k < 12)]
        unmoved = (drawn.chi[row].double().numpy() * k**2 * np.sin(2 * k * own[row]))[(k > 4) & (k < 12)]
        assert overlap.sum() > 0.98 * abs(unmoved.sum())


def test_stretching_leaves_the_size_that_the_distance_demands(bank, pairs, features):
    maker = PairMaker(bank, replace(pairs, **QUIET, mixed=(0.0, 0.0), extra_sigma2=0.0, stretch=0.01), features, seed=1)
    chi, rdf = torch.from_numpy(bank.chi[:20, 0]).float(), torch.from_numpy(bank.fine_rdf[:20]).float()
    changed, density = maker._deform(chi, rdf)
    moved = moments(pairs.bins(), density.double().numpy(), 1.7, 4.0)[:, 1]
    k, use = bank.k, (bank.k > 4) & (bank.k < 12)
    strain = moved / moments(bank.fine_r, bank.fine_rdf[:20, 0], 1.7, 4.0)[:, 1] - 1
    sigma2 = ((1 + strain) ** 2 * (0.004 + 0.001 * (np.arange(20) % 5)))[:, None]
    expected = 12 / (k * moved[:, None] ** 2) * np.exp(-2 * sigma2 * k**2) * np.sin(2 * k * moved[:, None])
    size = (changed.double().numpy() * expected * k**4)[:, use].sum(1) / (expected**2 * k**4)[:, use].sum(1)
    assert np.abs(strain).max() > 5e-3
    assert abs(np.polyfit(strain, size, 1)[0]) < 0.4


def test_broadening_adds_its_variance_and_no_atoms(bank):
    rows = torch.from_numpy(bank.fine_rdf[:3, 0]).float()
    broad = broaden(rows, torch.tensor([0.0, 0.002, 0.004]), 0.01).double().numpy()
    before, after = (moments(bank.fine_r, n, 1.7, 4.0) for n in (bank.fine_rdf[:3, 0], broad))
    assert np.allclose(after[:, 0], before[:, 0], rtol=1e-3)
    assert np.allclose(after[:, 2] - before[:, 2], [0.0, 0.002, 0.004], atol=1e-4)


def test_quadrature_is_ninety_degrees_ahead():
    k = torch.arange(0.0, 20.0, 0.05)
    wave = (torch.sin(5 * k) * torch.exp(-((k - 10) ** 2) / 8))[None]
    expected = -torch.cos(5 * k) * torch.exp(-((k - 10) ** 2) / 8)
    assert float((quadrature(wave)[0] - expected).abs().max()) < 0.01


def test_a_standard_corrects_what_it_shares_with_the_sample(bank, pairs, features):
    maker = PairMaker(replace(bank, gain=np.full_like(bank.gain, 1.3)), replace(pairs, **QUIET), features, seed=1)
    kmax = torch.tensor([9.0, 12.0, 16.0])
    flat = maker._calibration(torch.full((3, len(bank.k)), 1.3), kmax)
    assert torch.allclose(flat, torch.full((3,), 1.3))
    growing = torch.from_numpy(bank.k / 10).float().expand(3, -1)
    assert bool((maker._calibration(growing, kmax).diff() > 0).all())


def test_the_phase_length_stays_out_of_the_stretch(bank, pairs, features):
    length = 0.36
    k = bank.k
    chi = np.array([np.sin(2 * k * (2.6 - length)) * np.exp(-0.01 * k**2) / k])
    rdf = np.exp(-0.5 * ((bank.fine_r - 2.6) / 0.06) ** 2)[None]
    one = replace(bank.subset(np.array([0])), chi=np.stack([chi, 0 * chi, 0 * chi], axis=1), fine_rdf=rdf[:, None],
                  phase_length=length)  # fmt: skip
    maker = PairMaker(one, replace(pairs, **QUIET, mixed=(0.0, 0.0), extra_sigma2=0.0, stretch=0.01), features, seed=4)
    rows = torch.from_numpy(rdf[:, None]).float()
    changed, density = maker._deform(torch.from_numpy(chi).float(), rows)
    moved = moments(pairs.bins(), density.double().numpy(), 1.9, 3.3)[0, 1]
    assert abs(moved - 2.6) > 1e-3
    expected = np.sin(2 * k * (moved - length))
    use = (k > 4) & (k < 12)
    wave = (changed[0].double().numpy() * k * np.exp(0.01 * k**2))[use]
    assert np.corrcoef(wave, expected[use])[0, 1] > 0.999


def test_defective_states_have_their_share(bank, pairs, features):
    drawn = PairMaker(bank, pairs, features, seed=5).draw(4000, reference=1.0)
    share = float((drawn.states >= 20).float().mean())
    assert share == pytest.approx(pairs.defective[1], abs=0.03)


def test_a_sample_has_one_temperature(bank, pairs, features):
    """States mix with others that are as hot; one that is alone remains so."""
    heated = replace(bank, temperature=np.r_[1e4, np.geomspace(60, 1800, len(bank.index) - 1)])
    maker = PairMaker(heated, replace(pairs, **QUIET, mixed=(1.0, 1.0)), features, seed=1)
    rows, weights = maker._mixtures(500, torch.zeros(500, dtype=torch.bool))
    ratio = torch.from_numpy(heated.temperature)[rows].log().diff(dim=1)[:, 0]
    assert float(ratio.abs().max()) < 0.3
    assert (weights[:, 1] > 0).all()
    apart = rows[:, 0] != rows[:, 1]
    assert apart.double().mean() > 0.7
    assert not apart[rows[:, 0] == 0].any()


def test_same_seed_same_pairs(bank, pairs, features):
    one, other = (PairMaker(bank, pairs, features, seed=3).draw(16) for _ in range(2))
    assert torch.equal(one.chi, other.chi)


def test_no_trajectory_is_on_both_sides(bank):
    learn, held_out = split_by_trajectory(bank, 0.2, seed=1)
    assert not set(learn.index) & set(held_out.index)
    assert set(learn.index) | set(held_out.index) == set(bank.index)
    assert set(held_out.families) == set(bank.families)


def test_every_pair_is_stretched_and_keeps_its_atoms(bank, pairs, features):
    """A bank of two pairs, of which the second has half the first's atoms, 0.6 Å farther."""
    shift = round(0.6 / float(bank.fine_r[1] - bank.fine_r[0]))
    both = np.concatenate([bank.fine_rdf, 0.5 * np.roll(bank.fine_rdf, shift, axis=2)], axis=1)
    maker = PairMaker(replace(bank, fine_rdf=both), replace(pairs, **QUIET, mixed=(0.0, 0.0)), features, seed=5)
    drawn = maker.draw(32, reference=0.0)
    first, second = drawn.density.double().numpy().reshape(32, 2, -1).swapaxes(0, 1)
    near, far = moments(pairs.bins(), first, 1.8, 3.2), moments(pairs.bins(), second, 2.4, 3.8)
    assert far[:, 0] == pytest.approx(0.5 * near[:, 0], rel=1e-3)
    own = moments(bank.fine_r, bank.fine_rdf[drawn.states.numpy(), 0], 1.7, 4.0)[:, 1]
    assert near[:, 1] / (far[:, 1] - near[:, 1]) == pytest.approx(own / 0.6, rel=1e-3)
    assert np.ptp(near[:, 1] / own) > pairs.stretch


@pytest.fixture(scope="module")
def with_oxide(bank):
    """The bank of a metal, and three states beside it, with six atoms of another element, two of one treatment."""
    made = [toy_state(6.0, 2.1, 0.005 + 0.001 * number) for number in range(3)]
    chi = np.array([[0 * one, one, 0 * one, 0 * one] for one, _ in made])
    metal = np.insert(bank.chi, 1, 0.0, axis=1)
    rdf = np.array([[0 * n, n] for _, n in made])
    own = np.concatenate([bank.fine_rdf, 0 * bank.fine_rdf], axis=1)
    names = ("MO",) * 3
    return StateBank(
        bank.k, np.concatenate([metal, chi]), np.concatenate([own, rdf]), bank.fine_r, bank.families + names,
        np.append(bank.whole, [True] * 3), bank.phases + names, (*bank.treatments, "one", "one", "other"),
        np.append(bank.lattice, [4.2] * 3), np.append(bank.temperature, [300.0] * 3), tuple(range(25)),
        np.ones((25, len(bank.k))), bank.envelope, 0.0, np.concatenate([metal, chi])[:, :2],
        np.arange(25) >= 22, np.where(np.arange(25) >= 22, 3.0, 0.0), joined=True,
    )  # fmt: skip


def counts(drawn, settings):
    """(n, 2) atoms of each of two pairs, to 4 Å."""
    r = settings.bins()
    rows = drawn.density.double().numpy().reshape(len(drawn.density), 2, -1)
    return moments(r, rows, 1.7, 4.0)[:, :, 0]


def test_a_metal_is_partly_its_oxide_in_any_proportion(with_oxide, pairs, features):
    settings = replace(pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), beside=(0.2, 0.4))
    drawn = PairMaker(with_oxide, settings, features, 1).draw(2000, reference=0.5)
    metal, oxygen = counts(drawn, settings).T
    share = oxygen / 6
    assert np.allclose(metal / 12 + share, 1.0, atol=0.02)
    assert (share > 0.99).mean() == pytest.approx(0.2, abs=0.04)
    assert (share < 0.01).mean() == pytest.approx(0.4, abs=0.04)
    between = share[(share > 0.01) & (share < 0.99)]
    assert np.histogram(between, 4, (0, 1))[0].min() > 0.7 * len(between) / 4
    assert set(drawn.states[share > 0.6].tolist()) == {22, 23}  # those of a treatment that the metal has


def test_a_metal_and_its_oxide_are_about_as_hot(with_oxide, pairs, features):
    """Within a factor of 2.5, which is what T of a force field may be off by; a far hotter metal would hide."""
    temperature = np.append(with_oxide.temperature[:-3], [30.0, 300.0, 300.0])
    settings = replace(pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), beside=(0.0, 1.0))
    maker = PairMaker(replace(with_oxide, temperature=temperature), settings, features, 1)
    rows, _ = maker._with_beside(*maker._mixtures(500, torch.zeros(500, dtype=torch.bool)))
    metal, oxide = temperature[rows[:, 0]], temperature[rows[:, 2]]
    warm = (metal > 125) & (metal < 700) & (rows[:, 2].numpy() != 24)  # one treatment has but one oxide
    assert warm.sum() > 50
    assert set(oxide[warm]) == {300.0}


def test_a_mixture_is_the_sum_of_its_spectra(with_oxide, pairs, features):
    settings = replace(
        pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0, e0_range=0.0,
        amplitude_std=1e-9, beside=(0.0, 1.0), beside_apart=0.0, beside_amplitude=0.0,
    )  # fmt: skip
    maker = PairMaker(with_oxide.subset(np.array([0, 22])), settings, features, 1)
    drawn = maker.draw(64, reference=0.0, zero_known=0.0)
    share = torch.from_numpy(counts(drawn, settings)[:, 1] / 6).float()[:, None]
    metal, oxide = maker._chi.sum(dim=1)
    mixed = shift_energy((1 - share) * metal + share * oxide, maker._k, maker._bank_k, torch.zeros(64), K2_PER_EV)
    inside = (maker._k > 3.0) & (maker._k < 15.0)
    assert torch.allclose(drawn.chi[:, inside], mixed[:, inside], atol=2e-3 * float(mixed.abs().max()))


def test_another_element_errs_by_itself(with_oxide, pairs, features):
    """Scattering by the first element is left as it is, that by another is not; in one session it errs alike."""
    still = replace(
        pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0, e0_range=0.0,
        amplitude_std=1e-9, beside=(0.5, 0.0), beside_apart=0.0, beside_amplitude=0.0,
    )  # fmt: skip
    erring = replace(still, theory_apart=0.05)

    def relative(seed, session=None):
        maker = PairMaker(with_oxide.subset(np.array([0, 22])), erring, features, seed, session)
        drawn = maker.draw(400, reference=0.0, zero_known=0.0)
        is_oxide = drawn.states.numpy() == 1
        return drawn.chi.double().numpy()[is_oxide], drawn.chi.double().numpy()[~is_oxide]

    oxide, metal = relative(1)
    assert np.ptp(metal, axis=0).max() < 1e-6 * np.abs(metal).max()
    true = PairMaker(with_oxide.subset(np.array([22])), still, features, 1).draw(1, zero_known=0.0).chi.double().numpy()
    inside = (features.k_grid() > 4.0) & (features.k_grid() < 14.0)
    size = np.sqrt(((oxide - true)[:, inside] ** 2).sum(axis=1) / (true[:, inside] ** 2).sum())
    assert np.sqrt((size**2).mean()) == pytest.approx(0.05 * 2**0.5, rel=0.15)  # of amplitude and phase
    alike, _ = relative(1, session=9)
    assert np.ptp(alike, axis=0).max() < 1e-6 * np.abs(alike).max()
    other, _ = relative(2, session=10)
    assert np.abs(other[0] - alike[0]).max() > 0.01 * np.abs(alike).max()


@pytest.mark.parametrize(
    ("changed", "of_metal", "of_oxide"),
    [({"beside_amplitude": 0.08}, 0.0, 0.08), ({"theory_phase": 0.03}, 0.03, 0.03 * OXIDE_ERRORS)],
)
def test_theory_knows_an_oxide_less_well_than_its_metal(with_oxide, pairs, features, changed, of_metal, of_oxide):
    """Its amplitude is not quite the metal's, and smooth errors are larger, as fits of NiO and of foils have them."""
    still = replace(
        pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0, e0_range=0.0,
        amplitude_std=1e-9, beside=(0.5, 0.0), beside_apart=0.0, beside_amplitude=0.0,
    )  # fmt: skip
    bank = with_oxide.subset(np.array([0, 22]))
    true, drawn = (
        PairMaker(bank, settings, features, 1).draw(600, reference=0.0, zero_known=0.0)
        for settings in (still, replace(still, **changed))
    )
    inside = (features.k_grid() > 4.0) & (features.k_grid() < 14.0)
    for which, expected in ((0, of_metal), (1, of_oxide)):
        whole = true.chi[true.states == which][0, inside].double().numpy()
        left = drawn.chi[drawn.states == which][:, inside].double().numpy() - whole
        size = np.sqrt((left**2).sum(axis=1) / (whole**2).sum())
        assert np.sqrt((size**2).mean()) == pytest.approx(expected, rel=0.15, abs=1e-6)


def counts_of(bank):
    """(p,) atoms of each pair of a bank's first state, to 4 Å."""
    return moments(bank.fine_r, bank.fine_rdf[0], 1.7, 4.0)[:, 0]


@pytest.fixture
def broader(pairs):
    """Settings under which pairs are broader each by itself, and nothing else happens."""
    return replace(
        pairs, **QUIET, mixed=(0.0, 0.0), defective=(0.0, 0.0), stretch=0.0, extra_sigma2=0.0, e0_range=0.0,
        amplitude_std=1e-9, beside=(0.0, 0.0), apart_sigma2=0.006,
    )  # fmt: skip


def widened(drawn, settings, bank):
    """(p, n) σ² that each pair got [Å²]."""
    rows = drawn.density.double().numpy().reshape(len(drawn.density), bank.fine_rdf.shape[1], -1).swapaxes(0, 1)
    return np.stack(
        [
            moments(settings.bins(), row, 1.7, 4.0)[:, 2] - moments(bank.fine_r, of[None], 1.7, 4.0)[:, 2]
            for row, of in zip(rows, bank.fine_rdf[0], strict=True)
        ]
    )


@pytest.fixture(scope="module")
def of_both(with_oxide):
    """One state with neighbours of both elements, the oxygen's signal half as large, and paths of several atoms."""
    chi = with_oxide.chi[[0]].copy()
    metal, oxygen = (np.sqrt((of * with_oxide.k**2).var()) for of in (chi[0, 0], with_oxide.chi[22, 1]))
    chi[0, 1], chi[0, -1] = 0.5 * metal / oxygen * with_oxide.chi[22, 1], chi[0, 0]
    rdf = with_oxide.fine_rdf[[0]] + with_oxide.fine_rdf[[22]]
    return replace(with_oxide.subset(np.array([0])), chi=chi, fine_rdf=rdf, pairs=("Ni-Ni", "Ni-O"), joined=False)


@pytest.mark.parametrize("apart", [0.0, 1e-9], ids=["exact", "erring"])
def test_each_pair_is_broader_by_itself(of_both, broader, features, apart):
    """In the spectrum and in the RDF alike; paths of several atoms by as much as the state has of each pair."""
    settings = replace(broader, theory_apart=apart)
    maker = PairMaker(of_both, settings, features, 1)
    drawn = maker.draw(400, reference=0.0, zero_known=0.0)
    sigma2 = widened(drawn, settings, of_both)
    assert np.corrcoef(sigma2)[0, 1] == pytest.approx(0, abs=0.15)
    assert np.all((sigma2 > -3e-4) & (sigma2 < 0.0063))
    assert (sigma2 < 2e-4).mean() == pytest.approx(0.5, abs=0.07)
    size = np.sqrt(((of_both.chi[0, :2] * of_both.k**2) ** 2).mean(axis=1))
    mean = (size / size.sum()) @ sigma2
    each = torch.from_numpy(np.vstack([sigma2, mean, mean])).float().T[:, :, None]
    parts = torch.exp(-2 * each * maker._bank_k**2) * maker._chi[0]
    expected = shift_energy(parts.sum(dim=1), maker._k, maker._bank_k, torch.zeros(400), K2_PER_EV)
    inside = (maker._k > 4.0) & (maker._k < 14.0)
    assert torch.allclose(drawn.chi[:, inside], expected[:, inside], atol=0.01 * float(expected[:, inside].abs().max()))


def test_what_is_not_there_broadens_nothing(with_oxide, broader, features):
    """A pure metal's paths of several atoms know nothing of the other element that the model of an alloy knows."""
    metal = replace(with_oxide.subset(np.array([0])), joined=False)
    metal = replace(metal, chi=metal.chi + np.array([0, 0, 1, 0])[:, None] * metal.chi[:, :1])
    drawn = PairMaker(metal, broader, features, 1).draw(200, reference=0.0, zero_known=0.0)
    sigma2 = widened(drawn, broader, replace(metal, fine_rdf=metal.fine_rdf[:, :1].repeat(2, axis=1)))[0]
    still = drawn.chi[np.flatnonzero(abs(sigma2 - sigma2.min()) < 2e-5)]
    assert len(still) > 60
    assert float((still - still[0]).abs().max()) < 1e-5 * float(still.abs().max())


@pytest.mark.parametrize("states", [[0], [0, 22]], ids=["metal alone", "with its oxide"])
def test_a_metal_beside_its_oxide_is_as_in_a_model_of_its_own(with_oxide, broader, features, states):
    """Neither broader nor erring each pair by itself, whichever other states are drawn from."""
    bank = with_oxide.subset(np.array(states))
    bank = replace(bank, chi=bank.chi + np.array([0, 0, 1, 0])[:, None] * bank.chi[:, :1])  # paths of several atoms
    maker = PairMaker(bank, replace(broader, theory_apart=0.3), features, 1)
    drawn = maker.draw(200, reference=0.0, zero_known=0.0)
    assert float((drawn.chi - drawn.chi[0]).abs().max()) < 1e-5 * float(drawn.chi.abs().max())
    assert float((drawn.density - drawn.density[0]).abs().max()) < 1e-5 * float(drawn.density.max())


def test_a_mixture_is_broader_as_each_part_has_its_pairs(with_oxide, broader, features):
    """A metal and its oxide: the oxygen's peak by its own σ², and the metal as in a model of the metal alone."""
    settings = replace(broader, beside=(0.0, 1.0), beside_apart=0.0, beside_amplitude=0.0)
    bank = replace(with_oxide.subset(np.array([0, 22])), pairs=("Ni-Ni", "Ni-O"))
    maker = PairMaker(bank, settings, features, 1)
    drawn = maker.draw(200, reference=0.0, zero_known=0.0)
    share = counts(drawn, settings)[:, 1] / 6
    rows = drawn.density.double().numpy().reshape(200, 2, -1)
    own = [moments(bank.fine_r, bank.fine_rdf[[pair], pair], 1.7, 4.0)[0, 2] for pair in (0, 1)]
    sigma2 = np.stack([moments(settings.bins(), rows[:, pair], 1.7, 4.0)[:, 2] - own[pair] for pair in (0, 1)])
    assert abs(sigma2[0, share < 0.9]).max() < 3e-4
    assert (sigma2[1, share > 0.1] > 5e-4).mean() == pytest.approx(0.5, abs=0.1)
    each = torch.from_numpy(np.stack([1 - share, share])).float()[:, :, None]
    parts = torch.exp(-2 * torch.from_numpy(sigma2).float()[:, :, None] * maker._bank_k**2) * each
    expected = (parts * torch.stack([maker._chi[0, 0], maker._chi[1, 1]])[:, None]).sum(dim=0)
    expected = shift_energy(expected, maker._k, maker._bank_k, torch.zeros(200), K2_PER_EV)
    clear = torch.from_numpy((share > 0.1) & (share < 0.9))
    inside = (maker._k > 4.0) & (maker._k < 14.0)
    assert int(clear.sum()) > 100
    far = (drawn.chi - expected)[clear][:, inside].abs().max()
    assert float(far) < 0.01 * float(expected[:, inside].abs().max())


def test_what_hardly_scatters_is_there_in_any_number(of_both, broader, features):
    """In the spectrum and in the RDF alike; the other pair has all its atoms."""
    settings = replace(broader, apart_sigma2=0.0, any_number=(1,))
    maker = PairMaker(of_both, settings, features, 1)
    drawn = maker.draw(400, reference=0.0, zero_known=0.0)
    own = counts_of(of_both)
    metal, oxygen = counts(drawn, settings).T / own[:, None]
    assert metal == pytest.approx(1.0, abs=2e-3)
    assert np.histogram(oxygen, 4, (0, 1))[0].min() > 70
    share = torch.from_numpy(oxygen).float()[:, None]
    only, rest = maker._chi[0, 1], maker._chi[0, [0, 2, 3]].sum(dim=0)
    expected = shift_energy(rest + share * only, maker._k, maker._bank_k, torch.zeros(400), K2_PER_EV)
    inside = (maker._k > 4.0) & (maker._k < 14.0)
    assert torch.allclose(drawn.chi[:, inside], expected[:, inside], atol=2e-3 * float(expected[:, inside].abs().max()))


def test_a_bond_is_as_broad_from_both_its_ends(of_both, broader, features):
    """Whatever column it is in, of one seed: the truth of a sample at both edges is one."""
    turned = replace(
        of_both, chi=of_both.chi[:, [1, 0, 2, 3]], fine_rdf=of_both.fine_rdf[:, [1, 0]], pairs=of_both.pairs[::-1]
    )
    one, other = (
        widened(PairMaker(bank, broader, features, 3).draw(50, reference=0.0), broader, bank)
        for bank in (of_both, turned)
    )
    assert one == pytest.approx(other[::-1], abs=2e-5)
    assert np.ptp(one) > 0.004


def test_the_zero_of_an_oxide_lies_far_below_its_white_line(with_oxide, pairs, features):
    settings = replace(pairs, **QUIET, e0=0.0, e0_range=4.0, beside=(0.4, 0.6), beside_e0=(-8.0, 5.0))
    drawn = PairMaker(with_oxide, settings, features, 1).draw(2000, reference=0.5, zero_known=0.0)
    share = counts(drawn, settings)[:, 1] / 6
    far = drawn.e0.numpy() < -4.0
    assert np.all((drawn.e0.numpy() > -16.1) & (drawn.e0.numpy() < 4.0))
    assert far[share > 0.995].mean() > 0.99
    assert far[share < 0.1].mean() < 0.2 < far[(share > 0.3) & (share < 0.7)].mean() < 0.8
