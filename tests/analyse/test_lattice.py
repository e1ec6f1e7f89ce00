"""The lattice behind an RDF: that of crystals whose boxes are known, from potentials that no training saw."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from exafsnn.analyse.lattice import ATOMS_PER_CELL, LatticeFinder
from exafsnn.infer.predict import load_model
from exafsnn.records import PartialRDF

SPECTRA = Path(__file__).parents[2] / "spectra"
IRON = 55.845 / 0.602214076


@pytest.fixture(scope="module")
def model():
    return load_model("fe-k")


@pytest.fixture(scope="module")
def finder(model):
    return LatticeFinder(model)


@pytest.fixture(scope="module")
def heated(model):
    """True RDFs and lattice constants of the simulated heating series."""
    with (SPECTRA / "truth.csv").open() as stream:
        truth = list(csv.DictReader(stream))
    with (SPECTRA / "true_rdf.csv").open() as stream:
        rows = list(csv.DictReader(stream))[: len(model.r)]
    return [(row, np.array([float(line[row["file"].removesuffix(".dat")]) for line in rows])) for row in truth]


def rdf_of(model, density, samples=None):
    return PartialRDF(model.r, model.partials.pairs, density[None], 0 * density[None], samples, model.pairs.smoothing)


def test_true_rdfs_have_the_lattice_constants_of_their_boxes(model, finder, heated):
    """Thermal motion lengthens the first shell's mean by up to 0.7 %; that is not taken for the lattice's."""
    for row, density in heated:
        found = finder.find(rdf_of(model, density))
        assert found.phase == row["phase"]
        assert found.fractions[row["phase"]][0] > 0.97
        assert found.constant[0] == pytest.approx(float(row["lattice_constant_A"]), rel=1e-3)
        assert found.density[0] == pytest.approx(float(row["density_g_cm3"]), rel=3e-3)
        assert found.unexplained < 0.05


def test_density_is_mass_over_volume(model, finder, heated):
    found = finder.find(rdf_of(model, heated[0][1]))
    assert found.density[0] == pytest.approx(IRON / found.volume[0], rel=1e-6)
    assert found.volume[0] == pytest.approx(found.constant[0] ** 3 / ATOMS_PER_CELL["bcc"], rel=2e-3)


def test_a_mixture_of_phases_has_their_shares(model, finder, heated):
    bcc, fcc = heated[9][1], heated[10][1]
    for share in (0.3, 0.7):
        found = finder.find(rdf_of(model, (1 - share) * bcc + share * fcc))
        assert found.fractions["fcc"][0] == pytest.approx(share, abs=0.08)
        assert sum(value for value, _ in found.fractions.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_stretched_crystal_has_a_stretched_lattice(model, finder, heated, factor):
    density = heated[3][1]
    stretched = np.interp(model.r / factor, model.r, density) / factor
    constants = [finder.find(rdf_of(model, item)).constant[0] for item in (density, stretched)]
    assert constants[1] / constants[0] == pytest.approx(factor, abs=1e-3)


def test_nothing_is_claimed_of_what_is_no_crystal(model, finder):
    atlas = model.atlas
    melts = [row for row, phase in zip(atlas.density.numpy(), atlas.phases, strict=True) if phase == "liquid"]
    assert len(melts) > 5
    assert all(finder.find(rdf_of(model, row)) is None for row in melts)
    oxide = 2.0 * np.exp(-0.5 * ((model.r - 2.0) / 0.1) ** 2) + 8.0 * np.exp(-0.5 * ((model.r - 3.1) / 0.15) ** 2)
    assert finder.find(rdf_of(model, oxide)) is None


def test_what_the_samples_say_is_in_the_errors(model, finder, heated):
    density = heated[2][1]
    shifts = np.random.default_rng(0).normal(1.0, 0.002, 60)
    samples = np.array([np.interp(model.r / factor, model.r, density) / factor for factor in shifts])[:, None]
    sure, unsure = (finder.find(rdf_of(model, density, item)).constant[1] for item in (None, samples))
    assert unsure == pytest.approx(np.hypot(sure, 0.002 * 2.874), rel=0.25)
