"""The sum of all paths is FEFF's, path by path and site by site; it has FEFF's symmetries, and gradients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from exafsnn.errors import SimulationError
from exafsnn.physics.all_paths import _Sum, chi_of_site
from exafsnn.physics.feff import FeffTreatment, PathSummer, ScatteringPath, make_potentials, read_phases
from exafsnn.physics.path_tables import PathTables, make_path_tables
from exafsnn.physics.paths import single_paths
from exafsnn.physics.rehr_albers import electron_of, path_amplitude

from .conftest import bcc_cluster

SHAPES = {
    "single": [[0.0, 0.0, 2.5]],
    "double": [[0.0, 0.0, 2.5], [0.0, 2.0, 3.5]],
    "collinear": [[0.0, 0.0, 2.1], [0.0, 0.0, 4.2]],
    "return": [[0.0, 0.3, 2.1], [0.0, 0.0, 4.2], [0.0, 0.3, 2.1]],
    "through the absorber": [[1.8, 0.0, 1.5], [0.0, 0.0, 0.0], [-1.7, 0.2, -1.5]],
    "triple": [[0.3, 0.1, 2.4], [2.0, 0.5, 3.5], [2.2, 1.4, 0.9]],
}


@pytest.fixture(scope="module")
def oxide():
    """Rocksalt NiO, absorber nickel, K edge."""
    return rocksalt(["Ni", "Ni", "O"], 4.18, "K")


@pytest.fixture(scope="module")
def tables(oxide, grid):
    return make_path_tables(oxide, grid, reach=5.5, nearest=1.6)


@pytest.fixture(scope="module")
def grid():
    """FEFF's own energies among it, where FEFF does not interpolate."""
    return np.round(np.arange(2.0, 15.01, 0.1), 6)


def rocksalt(symbols, a, edge):
    positions, numbers = rocksalt_cluster(a, 4.9)
    everything = np.vstack([np.zeros(3), positions])
    treatment = FeffTreatment(name="atoms-hl", scf_radius=0.0)
    return make_potentials(everything, symbols, treatment, edge=edge, feff_numbers=[0, *numbers])


def rocksalt_cluster(a, reach, sigma=0.0):
    """Neighbours of a metal atom in rocksalt, displaced at random by ``sigma`` per axis [Å], and their numbers."""
    steps = np.stack(np.meshgrid(*[np.arange(-4, 5)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    points = steps * (a / 2) + np.random.default_rng(1).normal(0.0, sigma, steps.shape)
    r = np.linalg.norm(points, axis=1)
    near = (r < reach) & (np.abs(steps).sum(axis=1) > 0)
    return np.round(points[near], 6), 1 + np.abs(steps[near].sum(axis=1)) % 2


def as_tensors(positions, numbers):
    return torch.from_numpy(np.asarray(positions)), torch.from_numpy(np.asarray(numbers))


def feff_energies(potentials, low, high):
    """FEFF's wavenumbers from ``low`` to ``high``: between them it interpolates linearly."""
    k = read_phases(potentials).k
    return k[(k >= low) & (k <= high)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("edge", ["K", "L3"])
def test_a_path_is_feffs(shape, edge, oxide, platinum):
    """Of two elements at a K edge, and of one at an L3 edge, whose final states are d and s."""
    potentials = oxide if edge == "K" else platinum
    corners = np.array(SHAPES[shape])
    last = len(potentials.symbols) - 1
    numbers = tuple(0 if not corner.any() else last if n % 2 else 1 for n, corner in enumerate(corners))
    k = feff_energies(potentials, 2.0, 16.0)
    with PathSummer(potentials) as summer:
        feff = summer.effective([ScatteringPath(corners, numbers)], k)
    wave = np.exp(2j * k * feff.r[0] + 1j * feff.phase[0] - 2 * feff.r[0] / feff.mean_free_path)
    expected = feff.magnitude[0] * wave / (k * feff.r[0] ** 2)
    electron = electron_of(read_phases(potentials))
    ours = path_amplitude(electron, corners, numbers)[np.isin(electron.k, k)]
    size = k * np.exp(2 * feff.r[0] / feff.mean_free_path)  # which makes an amplitude of it
    assert np.abs(size * (ours - expected)).max() < 1e-3 * np.abs(size * expected).max()  # FEFF prints four digits


@pytest.fixture(scope="module")
def platinum():
    positions = bcc_cluster(3.1, 5.0)
    numbers = [0, *[1] * len(positions)]
    treatment = FeffTreatment(name="atoms-hl", scf_radius=0.0)
    return make_potentials(
        np.vstack([np.zeros(3), positions]), ["Pt", "Pt"], treatment, edge="L3", feff_numbers=numbers
    )


def test_the_sum_over_a_site_is_feffs(oxide, tables):
    """Two elements in disorder; single, double and triple scattering apart, at FEFF's own energies."""
    reach = 4.9
    positions, numbers = rocksalt_cluster(4.18, reach, sigma=0.06)
    found = chi_of_site(tables, *as_tensors(positions, numbers), reach=reach)
    k = np.intersect1d(np.round(feff_energies(oxide, 2.5, 15.0), 6), tables.k.numpy())
    use = np.isin(tables.k.numpy(), k)
    with PathSummer(oxide) as summer:
        for ours, paths in zip(
            (found.single, found.double, found.triple), every_path(positions, numbers, reach), strict=True
        ):
            theirs = summer.chi(paths, k)
            wrong = k**2 * (ours.numpy()[use] - theirs)
            assert np.sqrt((wrong**2).mean()) < 0.003 * np.sqrt(((k**2 * theirs) ** 2).mean())


def every_path(positions, numbers, reach):
    """All paths of one, two and three atoms, written down naively, the shorter way to the middle atom first."""
    points, kinds = np.vstack([np.zeros(3), positions]), [0, *(int(n) for n in numbers)]
    r, between = np.linalg.norm(points, axis=1), np.linalg.norm(points[:, None] - points[None], axis=2)

    def path(*atoms, weight=1.0):
        return ScatteringPath(points[list(atoms)], tuple(kinds[n] for n in atoms), weight)

    single = [path(n) for n in range(1, len(points))]
    double, triple = [], []
    for j in range(len(points)):
        way = [(r[i] + between[i, j], i) for i in range(1, len(points)) if i != j and r[i] + between[i, j] < 2 * reach]
        way.sort()
        for place, (a, i) in enumerate(way):
            if j > 0 and a + r[j] <= 2 * reach:
                double.append(path(i, j))
            for b, k in way[place:]:
                if a + b <= 2 * reach and i == k:
                    double.append(path(i, j, i))
                elif a + b <= 2 * reach:
                    (triple if j > 0 else double).append(path(i, j, k, weight=2.0))
    return single, double, triple


def test_paths_of_all_kinds_were_in_that_sum():
    single, double, triple = every_path(*rocksalt_cluster(4.18, 4.9, sigma=0.06), 4.9)
    assert min(len(single), len(double), len(triple)) > 40


def test_kept_tables_are_the_same_to_the_last_digit(tables, platinum, grid):
    """Two channels of final states in the order that the stored matrices have, L₃ among them."""
    there, kinds = as_tensors(*rocksalt_cluster(4.18, 4.3))
    for made, numbers in ((tables, kinds), (make_path_tables(platinum, grid[:21], 5.5, 1.6), torch.ones_like(kinds))):
        again = PathTables.of_arrays(made.to_arrays())
        assert torch.equal(chi_of_site(again, there, numbers).total, chi_of_site(made, there, numbers).total)


def test_a_perfect_crystal_rotated_scatters_the_same(tables):
    """Its collinear chains have no plane: any may be taken."""
    positions, numbers = rocksalt_cluster(4.18, 4.5)
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    one, other = (chi_of_site(tables, *as_tensors(p, numbers), reach=4.5).total for p in (positions, positions @ turn))
    assert float(((one - other) * tables.k**2).abs().max()) < 2e-3 * float((one * tables.k**2).abs().max())


def test_a_path_and_its_reverse_scatter_alike(oxide):
    """But for the truncation of the waves."""
    electron = electron_of(read_phases(oxide))
    corners = np.array(SHAPES["triple"])
    one = path_amplitude(electron, corners, (1, 2, 1))
    other = path_amplitude(electron, corners[::-1], (1, 2, 1))
    use = electron.k > 3.0
    assert np.abs(one - other)[use].max() < 0.05 * np.abs(one)[use].max()
    assert np.abs(one - other)[use].max() > 1e-9 * np.abs(one)[use].max()


def test_a_longer_reach_than_the_atoms_need_adds_paths_only_where_they_are(tables):
    """One atom: single scattering, and the path that passes through the absorber twice."""
    found = chi_of_site(tables, *as_tensors([[0.0, 0.0, 2.1]], [2]))
    assert found.single.abs().max() > 0
    assert 0 < found.double.abs().max() < 0.1 * found.single.abs().max()
    assert not found.triple.any()


def test_an_atom_alone_has_no_fine_structure(tables):
    nothing = chi_of_site(tables, torch.zeros(0, 3), torch.zeros(0, dtype=torch.long))
    assert not nothing.total.any()


def test_a_path_that_leaves_the_reach_fades(tables):
    def lost(fading):
        ends = [
            chi_of_site(tables, *as_tensors([[0, 0, 2.1], [0, 0, end]], [2, 1]), 4.6, fading) for end in (4.59, 4.61)
        ]
        return float((ends[0].double - ends[1].double).abs().max())

    assert lost(0.5) < 0.1 * lost(0.0)


def test_gradients_are_those_of_finite_differences(tables):
    """In disorder, and at a perfect crystal with its collinear chains."""
    for sigma in (0.05, 0.0):
        positions, numbers = as_tensors(*rocksalt_cluster(4.18, 3.2, sigma=sigma))
        positions.requires_grad_(True)
        step = torch.zeros_like(positions)
        step[4] = torch.tensor([0.003, -0.002, 0.004])

        def signal(where, numbers=numbers):
            return (chi_of_site(tables, where, numbers, 5.0, 0.8).total * tables.k**2)[40]

        signal(positions).backward()
        with torch.no_grad():
            change = float(signal(positions + step) - signal(positions - step)) / 2
        assert torch.isfinite(positions.grad).all()
        assert change == pytest.approx(float((positions.grad * step).sum()), rel=0.02, abs=1e-5)


def test_overlapping_atoms_are_an_error(tables):
    with pytest.raises(SimulationError, match="overlapping"):
        chi_of_site(tables, *as_tensors([[0.0, 0.0, 2.1], [0.0, 0.5, 2.6]], [2, 1]))


def test_more_than_the_tables_hold_is_an_error(tables, oxide):
    with pytest.raises(SimulationError, match="larger reach"):
        chi_of_site(tables, *as_tensors([[0.0, 0.0, 2.1]], [2]), reach=7.0)
    with pytest.raises(SimulationError, match="k_max"):
        make_path_tables(oxide, np.arange(2.0, 30.0, 0.1))


def test_single_scattering_between_energies_is_smooth(tables, oxide):
    """FEFF joins its energies by straight lines; ours may differ from it by that much and no more."""
    k = tables.k.numpy()
    with PathSummer(oxide) as summer:
        theirs = summer.chi(single_paths(np.array([2.95])), k)
    ours = chi_of_site(tables, *as_tensors([[0.0, 0.0, 2.95]], [1])).single.numpy()
    use = k > 3.0
    assert np.abs(k**2 * (ours - theirs))[use].max() < 0.015 * np.abs(k**2 * theirs)[use].max()


def test_the_longest_paths_have_a_place(tables):
    """6.6 Å is 65.99… bins of 0.1 Å: paths that rounding makes a little longer count as well."""
    total = _Sum(replace(tables, reach=6.6))
    total.add(
        torch.ones(1, len(tables.electron.k), dtype=torch.complex64), torch.tensor([6.6 + 1e-12]).double(), legs=4
    )
    assert total.chi().abs().max() > 0
